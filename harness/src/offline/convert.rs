//! kube-apiserver's `--oidc-*` flags, and `--anonymous-auth`, as an
//! `AuthenticationConfiguration`, and back.

use kube_authn::Algorithm;
use kube_authn::config::{
    AuthenticationConfiguration, ClaimOrExpression, JwtAuthenticator, OidcFlags,
};

use kube_rbac::quote;
use serde_json::json;

use crate::cluster::authn::document;

const ANONYMOUS: &str = "--anonymous-auth";

/// One spelling in the place of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// A file, or flags, a line each.
    pub text: String,
    /// What the other spelling has no word for, a sentence each.
    pub lost: Vec<String>,
}

/// A configuration file that says what the flags say
/// (`pkg/kubeapiserver/options/authentication.go: ToAuthenticationConfig`).
/// `read` gives the content of `--oidc-ca-file`.
///
/// # Errors
/// A word that is no such flag, or the API server's own words for flags that
/// it does not start with.
pub fn to_file(
    words: &[String],
    read: impl Fn(&str) -> Result<String, String>,
) -> Result<Converted, String> {
    let Flags {
        oidc: flags,
        anonymous,
    } = parse(words, read)?;
    let configuration = flags
        .to_configuration()
        .map_err(|error| error.to_string())?;
    let mut lost = Vec::new();
    if flags.signing_algs.len() < Algorithm::ALL.len() {
        lost.push(format!(
            "--oidc-signing-algs={}: a file has no word for it and allows all nine algorithms",
            flags.signing_algs.join(",")
        ));
    }
    let mut document = document(&configuration);
    if let Some(enabled) = anonymous {
        document["anonymous"] = json!({"enabled": enabled});
    }
    let text = serde_saphyr::to_string(&document).map_err(|error| error.to_string())?;
    Ok(Converted { text, lost })
}

/// Flags that say what the file says, as far as flags can.
///
/// # Errors
/// A file with another number of issuers than one, or whose users have names by
/// an expression: flags would call them otherwise.
pub fn to_flags(configuration: &AuthenticationConfiguration) -> Result<Converted, String> {
    let [jwt] = &configuration.jwt[..] else {
        return Err(format!(
            "flags name one issuer, and the file has {}",
            configuration.jwt.len()
        ));
    };
    if jwt.claim_mappings.username.claim.is_empty() {
        return Err(
            "claimMappings.username.expression: flags name a claim, so everybody would be somebody else"
                .to_owned(),
        );
    }
    let mut lost = lost(configuration, jwt);
    let mut lines = vec![
        format!("--oidc-issuer-url={}", jwt.issuer.url),
        format!(
            "--oidc-client-id={}",
            jwt.issuer.audiences.first().map_or("", String::as_str)
        ),
    ];
    let username = &jwt.claim_mappings.username;
    let prefix = username.prefix.as_deref().unwrap_or_default();
    if username.claim != "sub" {
        lines.push(format!("--oidc-username-claim={}", username.claim));
    }
    match prefix {
        "" if username.claim == "email" => {}
        "" => lines.push("--oidc-username-prefix=-".to_owned()),
        "-" => lost.push(
            "claimMappings.username.prefix: the flag's - stands for no prefix at all".to_owned(),
        ),
        default if username.claim != "email" && default == format!("{}#", jwt.issuer.url) => {}
        other => lines.push(format!("--oidc-username-prefix={other}")),
    }
    let groups = &jwt.claim_mappings.groups;
    if !groups.claim.is_empty() {
        lines.push(format!("--oidc-groups-claim={}", groups.claim));
        let prefix = groups.prefix.as_deref().unwrap_or_default();
        if !prefix.is_empty() {
            lines.push(format!("--oidc-groups-prefix={prefix}"));
        }
    }
    let rules = jwt.claim_validation_rules.iter();
    for rule in rules.filter(|rule| !rule.claim.is_empty()) {
        let trimmed = |text: &str| text.trim() != text;
        if rule.claim.contains('=') {
            lost.push(format!(
                "claimValidationRules: the flag divides the claim {:?} at its =",
                rule.claim
            ));
        } else if trimmed(&rule.claim) || trimmed(&rule.required_value) {
            lost.push(format!(
                "claimValidationRules: the flag takes away the blanks around {:?} and {:?}",
                rule.claim, rule.required_value
            ));
        } else {
            lines.push(format!(
                "--oidc-required-claim={}={}",
                rule.claim, rule.required_value
            ));
        }
    }
    // A file allows them all, and the flags RS256 alone unless they say more.
    let all: Vec<&str> = Algorithm::ALL.iter().map(|one| one.name()).collect();
    lines.push(format!("--oidc-signing-algs={}", all.join(",")));
    if let Some(anonymous) = &configuration.anonymous {
        lines.push(format!("--anonymous-auth={}", anonymous.enabled));
    }
    lines.push(String::new());
    Ok(Converted {
        text: lines.join("\n"),
        lost,
    })
}

/// What flags have no word for.
fn lost(configuration: &AuthenticationConfiguration, jwt: &JwtAuthenticator) -> Vec<String> {
    let mappings = &jwt.claim_mappings;
    let claim = |one: &ClaimOrExpression| !one.claim.is_empty();
    let conditions = configuration.anonymous.iter().flat_map(|a| &a.conditions);
    let several = jwt.issuer.audiences.len() > 1;
    let none = "flags have no word for it";
    let fields = [
        (
            conditions.count() > 0,
            "anonymous.conditions: the flag --anonymous-auth has none, and lets everybody in everywhere".to_owned(),
        ),
        (
            several,
            "issuer.audiences: flags name one, and the others are left out".to_owned(),
        ),
        (
            !jwt.issuer.discovery_url.is_empty(),
            format!("issuer.discoveryURL: {none}"),
        ),
        (
            !jwt.issuer.egress_selector_type.is_empty(),
            format!("issuer.egressSelectorType: {none}"),
        ),
        (
            !jwt.issuer.certificate_authority.is_empty(),
            "issuer.certificateAuthority: write it to a file and add --oidc-ca-file=FILE"
                .to_owned(),
        ),
        (claim(&mappings.uid), format!("claimMappings.uid: {none}")),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(is_lost, sentence)| is_lost.then_some(sentence));
    let expressions = jwt.expressions().into_iter();
    fields
        .chain(expressions.map(|path| {
            // Both kinds of rules refuse somebody.
            let effect = if path.contains("ValidationRules[") {
                ", and take tokens that it refuses"
            } else {
                ""
            };
            format!("{path}: {none}{effect}")
        }))
        .collect()
}

/// What flags say, the API server's own about anonymous requests among them.
#[derive(Default)]
struct Flags {
    oidc: OidcFlags,
    anonymous: Option<bool>,
}

/// pflag's spelling: `--flag=value`, or the value as the next word, which a
/// flag that is yes or no does not take.
fn parse(words: &[String], read: impl Fn(&str) -> Result<String, String>) -> Result<Flags, String> {
    let mut flags = Flags::default();
    let mut algs: Option<Vec<String>> = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None if word == ANONYMOUS => (word.as_str(), "true".to_owned()),
            None => {
                let next = words.next();
                let next = next.ok_or_else(|| format!("flag needs an argument: {word}"))?;
                (word.as_str(), next.clone())
            }
        };
        let invalid = |why: &str| {
            format!(
                "invalid argument {} for \"{name}\" flag: {why}",
                quote(&value)
            )
        };
        let oidc = &mut flags.oidc;
        match name {
            "--oidc-issuer-url" => oidc.issuer_url = value,
            "--oidc-client-id" => oidc.client_id = value,
            "--oidc-username-claim" => oidc.username_claim = value,
            "--oidc-username-prefix" => oidc.username_prefix = value,
            "--oidc-groups-claim" => oidc.groups_claim = value,
            "--oidc-groups-prefix" => oidc.groups_prefix = value,
            "--oidc-ca-file" => oidc.certificate_authority = read(&value)?,
            // The first takes the default's place, and the others are added.
            "--oidc-signing-algs" => algs.get_or_insert_default().extend(
                value
                    .split(',')
                    .filter(|_| !value.is_empty())
                    .map(str::to_owned),
            ),
            "--oidc-required-claim" => {
                let pair = value.split_once('=');
                let (claim, wanted) =
                    pair.ok_or_else(|| invalid("malformed pair, expect string=string"))?;
                oidc.required_claims
                    .push((claim.trim().to_owned(), wanted.trim().to_owned()));
            }
            ANONYMOUS => {
                let error = format!(
                    "strconv.ParseBool: parsing {}: invalid syntax",
                    quote(&value)
                );
                flags.anonymous = Some(boolean(&value).ok_or_else(|| invalid(&error))?);
            }
            _ => {
                return Err(format!(
                    "{name} is none of kube-apiserver's --oidc-* flags, nor {ANONYMOUS}"
                ));
            }
        }
    }
    // None at all is the default again (`oidc.New`).
    if let Some(algs) = algs.filter(|algs| !algs.is_empty()) {
        flags.oidc.signing_algs = algs;
    }
    Ok(flags)
}

/// `strconv.ParseBool`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn no_file(path: &str) -> Result<String, String> {
        Err(format!("{path}: no such file"))
    }

    fn read(text: &str) -> AuthenticationConfiguration {
        let document = serde_saphyr::from_str(text).expect("YAML");
        AuthenticationConfiguration::from_value(&document).expect("sound")
    }

    const ISSUER: &str = "--oidc-issuer-url=https://x --oidc-client-id=a";

    /// There and back, and every API server made of either says the same.
    #[rstest]
    #[case("")]
    #[case("--oidc-username-claim email")]
    #[case("--oidc-username-claim=email --oidc-username-prefix=oidc:")]
    #[case("--oidc-username-prefix=-")]
    #[case(
        "--oidc-username-claim=name --oidc-groups-claim=cognito:groups --oidc-groups-prefix=oidc:"
    )]
    #[case("--oidc-required-claim=token_use=id --oidc-required-claim=a==b")]
    #[case("--anonymous-auth=false")]
    #[case("--anonymous-auth --oidc-groups-claim=groups")]
    fn flags_survive_the_way_through_a_file(#[case] more: &str) {
        let flags = format!("{ISSUER} {more}");
        let file = to_file(&words(&flags), no_file).expect("a file");
        assert_eq!(file.lost.len(), 1, "{:?}", file.lost);
        let back = to_flags(&read(&file.text)).expect("flags");
        assert_eq!(back.lost, Vec::<String>::new());
        let again = to_file(&words(&back.text), no_file).expect("a file");
        assert_eq!(again.text, file.text);
        // All nine algorithms are named by now.
        assert_eq!(again.lost, Vec::<String>::new());
    }

    /// As pflag reads them.
    #[test]
    fn a_flag_that_is_repeated_adds_or_replaces() {
        let flags = |more: &[&str]| {
            let mut flags = words(ISSUER);
            flags.extend(more.iter().map(|word| (*word).to_owned()));
            parse(&flags, no_file).expect("flags")
        };
        let several = flags(&[
            "--oidc-signing-algs=ES256",
            "--oidc-signing-algs",
            "PS256,RS512",
            "--oidc-required-claim= hd = example.com ",
            "--oidc-client-id=b",
        ]);
        assert_eq!(several.oidc.signing_algs, ["ES256", "PS256", "RS512"]);
        let claims = [("hd".to_owned(), "example.com".to_owned())];
        assert_eq!(several.oidc.required_claims, claims);
        assert_eq!(several.oidc.client_id, "b");
        let none = flags(&["--oidc-signing-algs="]);
        assert_eq!(none.oidc.signing_algs, ["RS256"]);
    }

    #[test]
    fn the_ca_comes_out_of_its_file() {
        let flags = words(&format!("{ISSUER} --oidc-ca-file=ca.pem"));
        let error = to_file(&flags, no_file).expect_err("not there");
        assert!(error.contains("ca.pem"));
        let pem = include_str!("../../../kube-authn/src/config/mod.rs");
        let error = to_file(&flags, |_| Ok(pem.to_owned())).expect_err("no PEM");
        assert!(error.contains("certificateAuthority"), "{error}");
    }

    #[rstest]
    #[case("--oidc-client-id=a", "must be specified together")]
    #[case(
        "--oidc-issuer-url=http://x --oidc-client-id=a",
        "URL scheme must be https"
    )]
    #[case("--oidc-issuer=x", "none of kube-apiserver's")]
    #[case("--oidc-issuer-url", "needs an argument")]
    #[case(
        "--oidc-issuer-url=https://x --oidc-client-id=a --oidc-required-claim=b",
        "invalid argument \"b\" for \"--oidc-required-claim\" flag: malformed pair, expect string=string"
    )]
    #[case(
        "--anonymous-auth=maybe",
        "invalid argument \"maybe\" for \"--anonymous-auth\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
    )]
    fn what_is_no_flag_or_no_configuration_is_said(#[case] flags: &str, #[case] part: &str) {
        let error = to_file(&words(flags), no_file).expect_err("wrong");
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn what_flags_have_no_word_for_is_said() {
        let file = "
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: {enabled: true, conditions: [{path: /healthz}]}
jwt:
- issuer: {url: 'https://x', audiences: [a, b], discoveryURL: 'https://y', audienceMatchPolicy: MatchAny, certificateAuthority: PEM, egressSelectorType: cluster}
  claimMappings:
    username: {claim: email, prefix: '-'}
    uid: {claim: sub}
    extra: [{key: example.com/x, valueExpression: claims.x}, {key: example.com/y, valueExpression: claims.y}]
  claimValidationRules: [{claim: 'a=b', requiredValue: c}, {claim: c, requiredValue: ' d'}, {expression: claims.x}]
  userValidationRules: [{expression: user.x}]
";
        let converted = to_flags(&read(file)).expect("flags");
        for part in [
            "anonymous.conditions",
            "audiences",
            "discoveryURL",
            "egressSelectorType",
            "certificateAuthority",
            "uid",
            "extra[0].valueExpression",
            "extra[1].valueExpression",
            "username.prefix",
            "\"a=b\"",
            "\" d\"",
            "claimValidationRules[2].expression: flags have no word for it, and take tokens that it refuses",
            "userValidationRules[0].expression: flags have no word for it, and take tokens that it refuses",
        ] {
            assert!(
                converted.lost.iter().any(|one| one.contains(part)),
                "{part} is not in {:?}",
                converted.lost
            );
        }
        assert_eq!(converted.lost.len(), 13);
        let cel = "
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt: [{issuer: {url: 'https://x', audiences: [a]}, claimMappings: {username: {expression: claims.sub}}}]
";
        let error = to_flags(&read(cel)).expect_err("other names");
        assert!(error.contains("username.expression"), "{error}");
        let two = "
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt: []
";
        assert!(
            to_flags(&read(two))
                .expect_err("nobody")
                .contains("one issuer")
        );
    }
}
