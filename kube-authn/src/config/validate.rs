//! `k8s.io/apiserver/pkg/apis/apiserver/validation`, the part about JWT
//! authenticators, without the compilation of CEL. Errors are
//! `field.Error`'s texts in the order in which Kubernetes finds them.

use std::collections::HashSet;
use std::fmt::Write;

use super::{
    AuthenticationConfiguration, ClaimMappings, ClaimValidationRule, Issuer, JwtAuthenticator,
    PrefixedClaimOrExpression, UserValidationRule,
};
use crate::go::quote::quote;
use crate::go::url;

const MAX_AUTHENTICATORS: usize = 64;
const MATCH_ANY: &str = "MatchAny";

pub(crate) fn configuration(
    configuration: &AuthenticationConfiguration,
    disallowed: &[String],
) -> Vec<String> {
    let mut errors = Errors::default();
    let count = configuration.jwt.len();
    if count > MAX_AUTHENTICATORS {
        errors.0.push(format!(
            "jwt: Too many: {count}: must have at most {MAX_AUTHENTICATORS} items"
        ));
        return errors.0;
    }
    let (mut issuers, mut discovery_urls) = (HashSet::new(), HashSet::new());
    for (i, jwt) in configuration.jwt.iter().enumerate() {
        let path = format!("jwt[{i}]");
        errors.0.extend(jwt_authenticator(jwt, disallowed, &path));
        if !issuers.insert(&jwt.issuer.url) {
            errors.duplicate(&format!("{path}.issuer.url"), &jwt.issuer.url);
        }
        let discovery_url = &jwt.issuer.discovery_url;
        if !discovery_url.is_empty() && !discovery_urls.insert(discovery_url) {
            errors.duplicate(&format!("{path}.issuer.discoveryURL"), discovery_url);
        }
    }
    if let Some(anonymous) = &configuration.anonymous
        && !anonymous.enabled
        && !anonymous.conditions.is_empty()
    {
        let conditions: Vec<_> = anonymous
            .conditions
            .iter()
            .map(|path| format!("{{\"Path\":{}}}", go_json(path)))
            .collect();
        errors.invalid_raw(
            "anonymous.conditions",
            &format!("[{}]", conditions.join(",")),
            "enabled should be set to true when conditions are defined",
        );
    }
    errors.0
}

/// One authenticator; `path` is empty where it is validated by itself.
pub(crate) fn jwt_authenticator(
    jwt: &JwtAuthenticator,
    disallowed: &[String],
    path: &str,
) -> Vec<String> {
    let mut errors = Errors::default();
    let child = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    errors.issuer(&jwt.issuer, disallowed, &child("issuer"));
    errors.claim_validation_rules(&jwt.claim_validation_rules, &child("claimValidationRules"));
    errors.claim_mappings(&jwt.claim_mappings, &child("claimMappings"));
    errors.user_validation_rules(&jwt.user_validation_rules, &child("userValidationRules"));
    errors.0
}

#[derive(Default)]
struct Errors(Vec<String>);

impl Errors {
    fn required(&mut self, path: &str, detail: &str) {
        let separator = if detail.is_empty() { "" } else { ": " };
        self.0
            .push(format!("{path}: Required value{separator}{detail}"));
    }

    fn invalid(&mut self, path: &str, value: &str, detail: &str) {
        self.invalid_raw(path, &quote(value), detail);
    }

    fn invalid_raw(&mut self, path: &str, value: &str, detail: &str) {
        self.0
            .push(format!("{path}: Invalid value: {value}: {detail}"));
    }

    fn duplicate(&mut self, path: &str, value: &str) {
        self.0
            .push(format!("{path}: Duplicate value: {}", quote(value)));
    }

    fn issuer(&mut self, issuer: &Issuer, disallowed: &[String], path: &str) {
        let url_path = format!("{path}.url");
        if issuer.url.is_empty() {
            self.required(&url_path, "");
        } else {
            self.url(&issuer.url, disallowed, &url_path);
        }
        let discovery_path = format!("{path}.discoveryURL");
        if !issuer.discovery_url.is_empty() {
            let same =
                issuer.url.trim_end_matches('/') == issuer.discovery_url.trim_end_matches('/');
            if !issuer.url.is_empty() && same {
                self.invalid(
                    &discovery_path,
                    &issuer.discovery_url,
                    "discoveryURL must be different from URL",
                );
            }
            self.url(&issuer.discovery_url, &[], &discovery_path);
        }
        self.audiences(issuer, path);
        if !issuer.certificate_authority.is_empty()
            && let Err(error) = check_certificates(&issuer.certificate_authority)
        {
            self.invalid(&format!("{path}.certificateAuthority"), "<omitted>", &error);
        }
        if !matches!(
            issuer.egress_selector_type.as_str(),
            "" | "controlplane" | "cluster"
        ) {
            self.invalid_raw(
                &format!("{path}.egressSelectorType"),
                &go_json(&issuer.egress_selector_type),
                "egress selector must be either controlplane or cluster",
            );
        }
    }

    fn url(&mut self, text: &str, disallowed: &[String], path: &str) {
        if disallowed.iter().any(|issuer| issuer == text) {
            let mut list: Vec<&str> = disallowed.iter().map(String::as_str).collect();
            list.sort_unstable();
            list.dedup();
            let list = list.join(" ");
            self.invalid(
                path,
                text,
                &format!("URL must not overlap with disallowed issuers: [{list}]"),
            );
        }
        let parsed = match url::parse(text) {
            Ok(parsed) => parsed,
            Err(error) => return self.invalid(path, text, &error),
        };
        if parsed.scheme != "https" {
            self.invalid(path, text, "URL scheme must be https");
        }
        if parsed.has_user {
            self.invalid(path, text, "URL must not contain a username or password");
        }
        if !parsed.raw_query.is_empty() {
            self.invalid(path, text, "URL must not contain a query");
        }
        if !parsed.fragment.is_empty() {
            self.invalid(path, text, "URL must not contain a fragment");
        }
    }

    fn audiences(&mut self, issuer: &Issuer, path: &str) {
        let list_path = format!("{path}.audiences");
        let policy = issuer.audience_match_policy.as_str();
        if issuer.audiences.is_empty() {
            return self.required(&list_path, &format!("at least one {list_path} is required"));
        }
        let mut seen = HashSet::new();
        for (i, audience) in issuer.audiences.iter().enumerate() {
            let path = format!("{list_path}[{i}]");
            if audience.is_empty() {
                self.required(&path, "");
            }
            if !seen.insert(audience) {
                self.duplicate(&path, audience);
            }
        }
        let detail = match issuer.audiences.len() {
            1 if !policy.is_empty() && policy != MATCH_ANY => {
                "audienceMatchPolicy must be empty or MatchAny for single audience"
            }
            2.. if policy != MATCH_ANY => {
                "audienceMatchPolicy must be MatchAny for multiple audiences"
            }
            _ => return,
        };
        self.invalid_raw(
            &format!("{path}.audienceMatchPolicy"),
            &go_json(policy),
            detail,
        );
    }

    fn claim_validation_rules(&mut self, rules: &[ClaimValidationRule], path: &str) {
        let (mut claims, mut expressions) = (HashSet::new(), HashSet::new());
        for (i, rule) in rules.iter().enumerate() {
            let path = format!("{path}[{i}]");
            match (rule.claim.as_str(), rule.expression.as_str()) {
                ("", "") => self.required(&path, "claim or expression is required"),
                (claim, "") => {
                    if !rule.message.is_empty() {
                        let path = format!("{path}.message");
                        self.invalid(
                            &path,
                            &rule.message,
                            "may not be specified when claim is set",
                        );
                    }
                    if !claims.insert(claim) {
                        self.duplicate(&format!("{path}.claim"), claim);
                    }
                }
                ("", expression) => {
                    if !rule.required_value.is_empty() {
                        let path = format!("{path}.requiredValue");
                        self.invalid(
                            &path,
                            &rule.required_value,
                            "may not be specified when expression is set",
                        );
                    }
                    if !expressions.insert(expression) {
                        self.duplicate(&format!("{path}.expression"), expression);
                    }
                }
                (claim, _) => self.invalid(&path, claim, "claim and expression can't both be set"),
            }
        }
    }

    fn claim_mappings(&mut self, mappings: &ClaimMappings, path: &str) {
        self.prefixed(&mappings.username, &format!("{path}.username"), true);
        self.prefixed(&mappings.groups, &format!("{path}.groups"), false);
        if !mappings.uid.claim.is_empty() && !mappings.uid.expression.is_empty() {
            self.invalid(
                &format!("{path}.uid"),
                "",
                "claim and expression can't both be set",
            );
        }
        let mut keys = HashSet::new();
        for (i, extra) in mappings.extra.iter().enumerate() {
            let path = format!("{path}.extra[{i}]");
            let key_path = format!("{path}.key");
            self.domain_prefixed_path(&key_path, &extra.key);
            if extra.key != extra.key.to_lowercase() {
                self.invalid(&key_path, &extra.key, "must be lowercase");
            }
            if is_reserved(&extra.key) {
                self.invalid(
                    &key_path,
                    &extra.key,
                    "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use",
                );
            }
            if !keys.insert(&extra.key) {
                self.duplicate(&key_path, &extra.key);
            } else if extra.value_expression.is_empty() {
                self.required(&format!("{path}.valueExpression"), "");
            }
        }
    }

    fn prefixed(&mut self, mapping: &PrefixedClaimOrExpression, path: &str, required: bool) {
        match (mapping.claim.as_str(), mapping.expression.as_str()) {
            ("", "") if required => self.required(path, "claim or expression is required"),
            ("", "") => {}
            ("", _) => {
                if let Some(prefix) = &mapping.prefix {
                    let path = format!("{path}.prefix");
                    self.invalid(&path, prefix, "may not be specified when expression is set");
                }
            }
            (_, "") => {
                if mapping.prefix.is_none() {
                    self.required(
                        &format!("{path}.prefix"),
                        "prefix is required when claim is set. It can be set to an empty string to disable prefixing",
                    );
                }
            }
            _ => self.invalid(path, "", "claim and expression can't both be set"),
        }
    }

    fn user_validation_rules(&mut self, rules: &[UserValidationRule], path: &str) {
        let mut seen = HashSet::new();
        for (i, rule) in rules.iter().enumerate() {
            let path = format!("{path}[{i}].expression");
            if rule.expression.is_empty() {
                self.required(&path, "");
            } else if !seen.insert(&rule.expression) {
                self.duplicate(&path, &rule.expression);
            }
        }
    }

    /// `IsDomainPrefixedPath`.
    fn domain_prefixed_path(&mut self, path: &str, key: &str) {
        const DOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
             validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        const PATH: &str =
            "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        if key.is_empty() {
            return self.required(path, "");
        }
        let Some((domain, rest)) = key
            .split_once('/')
            .filter(|(d, r)| !d.is_empty() && !r.is_empty())
        else {
            return self.invalid(
                path,
                key,
                "must be a domain-prefixed path (such as \"acme.io/foo\")",
            );
        };
        if domain.len() > 253 {
            self.invalid(path, domain, "must be no more than 253 characters");
        }
        if !domain.split('.').all(is_dns_label) {
            self.invalid(path, domain, DOMAIN);
        }
        if !rest
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c))
        {
            self.invalid(path, rest, PATH);
        }
    }
}

fn is_dns_label(label: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = label.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

fn is_reserved(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    ["kubernetes.io", "k8s.io"].iter().any(|reserved| {
        domain
            .strip_suffix(reserved)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// `cert.NewPoolFromBytes`: the certificates among the PEM blocks must parse,
/// and there must be one.
fn check_certificates(text: &str) -> Result<(), String> {
    let mut found = false;
    for block in x509_parser::pem::Pem::iter_from_buffer(text.as_bytes()) {
        let Ok(block) = block else { break };
        if block.label != "CERTIFICATE" {
            continue;
        }
        block
            .parse_x509()
            .map_err(|_| "x509: malformed certificate".to_owned())?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err("data does not contain any valid RSA or ECDSA certificates".to_owned())
    }
}

/// A string as `json.Marshal` prints it, with its care for HTML.
fn go_json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..'\x20' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
