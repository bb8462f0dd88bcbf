//! Whom a cluster trusts, and its one rendering as an API server's
//! configuration.

use std::collections::BTreeMap;

use kube_authn::config::{
    AuthenticationConfiguration, JwtAuthenticator, OidcFlags, PrefixedClaimOrExpression,
};
use serde_json::{Map, Value, json};

/// An OIDC issuer as EKS' identity provider configuration (and kube-apiserver's
/// `--oidc-*` flags) describe it.
///
/// Source: EKS API Reference, `OidcIdentityProviderConfigRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// `iss` of the tokens, byte for byte.
    pub issuer_url: String,
    /// The one audience.
    pub client_id: String,
    /// Default `sub`.
    pub username_claim: Option<String>,
    /// Default `ISSUER#` unless the claim is `email`; `-` for none.
    pub username_prefix: Option<String>,
    /// None: no groups.
    pub groups_claim: Option<String>,
    /// Default none.
    pub groups_prefix: Option<String>,
    /// Claims that a token must have with these values.
    pub required_claims: BTreeMap<String, String>,
}

impl Trust {
    /// What `jwt`, which has no CEL, comes to in EKS' words: of several audiences the
    /// first.
    pub fn of(jwt: &JwtAuthenticator) -> Self {
        let mappings = &jwt.claim_mappings;
        let prefix = |one: &PrefixedClaimOrExpression| {
            let prefix = one.prefix.clone();
            prefix.filter(|prefix| !prefix.is_empty())
        };
        let groups = &mappings.groups;
        let rules = jwt.claim_validation_rules.iter();
        Self {
            issuer_url: jwt.issuer.url.clone(),
            client_id: jwt.issuer.audiences.first().cloned().unwrap_or_default(),
            username_claim: Some(mappings.username.claim.clone()),
            username_prefix: prefix(&mappings.username).or_else(|| Some("-".to_owned())),
            groups_claim: Some(groups.claim.clone()).filter(|claim| !claim.is_empty()),
            groups_prefix: prefix(groups),
            required_claims: rules
                .map(|rule| (rule.claim.clone(), rule.required_value.clone()))
                .collect(),
        }
    }
}

/// What an API server is told.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// As in its configuration file.
    pub configuration: AuthenticationConfiguration,
    /// `--oidc-signing-algs`, which the file has no word for; none: all nine.
    pub signing_algs: Option<Vec<String>>,
}

/// The configuration that makes an API server trust `trust`.
///
/// # Errors
/// Kubernetes' own text for flags that it would refuse.
pub fn render(trust: &Trust) -> Result<Rendered, String> {
    let flags = OidcFlags {
        issuer_url: trust.issuer_url.clone(),
        client_id: trust.client_id.clone(),
        username_claim: trust
            .username_claim
            .clone()
            .unwrap_or_else(|| "sub".to_owned()),
        username_prefix: trust.username_prefix.clone().unwrap_or_default(),
        groups_claim: trust.groups_claim.clone().unwrap_or_default(),
        groups_prefix: trust.groups_prefix.clone().unwrap_or_default(),
        required_claims: trust
            .required_claims
            .iter()
            .map(|(claim, value)| (claim.clone(), value.clone()))
            .collect(),
        ..OidcFlags::default()
    };
    let configuration = flags
        .to_configuration()
        .map_err(|error| error.to_string())?;
    Ok(Rendered {
        configuration,
        signing_algs: Some(flags.signing_algs),
    })
}

/// What flags can say as a configuration file, a document without what is
/// empty (`apiserver.config.k8s.io/v1`).
pub fn document(configuration: &AuthenticationConfiguration) -> Value {
    let jwt: Vec<Value> = configuration.jwt.iter().map(entry).collect();
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": jwt,
    })
}

/// An entry that flags stand for, which has neither CEL nor a uid.
fn entry(jwt: &JwtAuthenticator) -> Value {
    let prefixed =
        |one: &PrefixedClaimOrExpression| json!({"claim": one.claim, "prefix": one.prefix});
    let mut issuer = json!({"url": jwt.issuer.url, "audiences": jwt.issuer.audiences});
    if !jwt.issuer.certificate_authority.is_empty() {
        issuer["certificateAuthority"] = json!(jwt.issuer.certificate_authority);
    }
    let mut entry = Map::new();
    entry.insert("issuer".to_owned(), issuer);
    let rules: Vec<Value> = jwt
        .claim_validation_rules
        .iter()
        .map(|rule| json!({"claim": rule.claim, "requiredValue": rule.required_value}))
        .collect();
    if !rules.is_empty() {
        entry.insert("claimValidationRules".to_owned(), Value::from(rules));
    }
    let mut mappings = json!({"username": prefixed(&jwt.claim_mappings.username)});
    if !jwt.claim_mappings.groups.claim.is_empty() {
        mappings["groups"] = prefixed(&jwt.claim_mappings.groups);
    }
    entry.insert("claimMappings".to_owned(), mappings);
    Value::Object(entry)
}
