//! What EKS does not take of what an API server takes.
//!
//! Source: EKS User Guide, "Grant users access to Kubernetes with an external
//! OIDC provider"; EKS API Reference, `OidcIdentityProviderConfigRequest`.

use std::net::IpAddr;

use kube_authn::config::AuthenticationConfiguration;
use url::{Host, Url};

/// How long the name and the value of a required claim may be
/// (`requiredClaimsKey`, `requiredClaimsValue`).
const CLAIM_LIMIT: usize = 63;
const VALUE_LIMIT: usize = 253;

/// Every field of which EKS has none, or not so, and why; paths as Kubernetes
/// writes them.
pub fn forbids(configuration: &AuthenticationConfiguration) -> Vec<(String, &'static str)> {
    const FLAGS: &str = "EKS has no such setting";
    let mut found = Vec::new();
    if configuration.anonymous.is_some() {
        found.push((
            "anonymous".to_owned(),
            "EKS decides itself who may come without credentials",
        ));
    }
    for (i, jwt) in configuration.jwt.iter().enumerate() {
        let mut add = |is: bool, field: &str, why: &'static str| {
            if is {
                found.push((format!("jwt[{i}]{field}"), why));
            }
        };
        let (issuer, mappings) = (&jwt.issuer, &jwt.claim_mappings);
        add(i > 0, "", "EKS takes one OIDC provider a cluster");
        add(
            issuer.url.contains('?'),
            ".issuer.url",
            "EKS takes no issuer with a query",
        );
        add(
            is_private(&issuer.url),
            ".issuer.url",
            "EKS asks the issuer over the internet, which has no such host",
        );
        add(
            issuer.audiences.len() > 1,
            ".issuer.audiences",
            "EKS takes one audience, the clientId",
        );
        add(
            !issuer.discovery_url.is_empty(),
            ".issuer.discoveryURL",
            FLAGS,
        );
        add(
            !issuer.certificate_authority.is_empty(),
            ".issuer.certificateAuthority",
            "EKS takes issuers with publicly trusted certificates only",
        );
        add(
            !issuer.egress_selector_type.is_empty(),
            ".issuer.egressSelectorType",
            FLAGS,
        );
        add(!mappings.uid.claim.is_empty(), ".claimMappings.uid", FLAGS);
        for (name, mapping) in [
            (".claimMappings.username", &mappings.username),
            (".claimMappings.groups", &mappings.groups),
        ] {
            let prefix = mapping.prefix.as_deref().unwrap_or_default();
            add(
                prefix.contains("system:"),
                &format!("{name}.prefix"),
                "EKS takes no prefix with system: in it",
            );
        }
        for (j, rule) in jwt.claim_validation_rules.iter().enumerate() {
            let path = format!(".claimValidationRules[{j}]");
            add(
                rule.claim.chars().count() > CLAIM_LIMIT,
                &format!("{path}.claim"),
                "EKS takes names of required claims up to 63 characters",
            );
            add(
                rule.required_value.chars().count() > VALUE_LIMIT,
                &format!("{path}.requiredValue"),
                "EKS takes values of required claims up to 253 characters",
            );
        }
        for field in jwt.expressions() {
            add(true, &format!(".{field}"), "EKS has no CEL expressions");
        }
    }
    found
}

/// Whether nobody finds this host on the internet: an address of a private
/// network, or a name that no domain has.
fn is_private(issuer: &str) -> bool {
    // Names that are kept for such use (RFC 2606, RFC 6761, RFC 6762 and ICANN's
    // `internal`).
    const RESERVED: [&str; 8] = [
        "localhost",
        "local",
        "internal",
        "test",
        "example",
        "invalid",
        "onion",
        "home.arpa",
    ];
    let Ok(url) = Url::parse(issuer) else {
        return false;
    };
    match url.host() {
        None => false,
        Some(Host::Ipv4(address)) => is_private_address(address.into()),
        Some(Host::Ipv6(address)) => is_private_address(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_lowercase();
            let within = |domain: &str| {
                let rest = name.strip_suffix(domain);
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            !name.contains('.') || RESERVED.into_iter().any(within)
        }
    }
}

fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || shared
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private_address(v4.into()),
            None => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://cognito-idp.eu-west-2.amazonaws.com/pool", false)]
    #[case("https://8.8.8.8/pool", false)]
    #[case("https://[2001:4860:4860::8888]", false)]
    #[case("https://mylocal.example.org", false)]
    #[case("https://127.0.0.1:8443/pool", true)]
    #[case("https://10.0.0.1", true)]
    #[case("https://172.20.1.1", true)]
    #[case("https://100.64.0.1", true)]
    #[case("https://169.254.1.1", true)]
    #[case("https://[::1]:8443", true)]
    #[case("https://[fd00::1]", true)]
    #[case("https://[::ffff:10.0.0.1]", true)]
    #[case("https://localhost", true)]
    #[case("https://keycloak", true)]
    #[case("https://keycloak.auth.svc.cluster.local", true)]
    #[case("https://idp.corp.internal.", true)]
    #[case("no url", false)]
    fn hosts_that_the_internet_has_not(#[case] issuer: &str, #[case] private: bool) {
        assert_eq!(is_private(issuer), private);
    }

    #[test]
    fn what_eks_does_not_take_is_named_by_its_path() {
        let text = "
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: {enabled: false}
jwt:
- issuer: {url: 'https://example.com?y', audiences: [a, b], discoveryURL: 'https://y', certificateAuthority: PEM, egressSelectorType: cluster}
  claimMappings:
    username: {claim: email, prefix: 'system:'}
    groups: {claim: groups, prefix: 'oidc:'}
    uid: {claim: sub}
  claimValidationRules:
  - {claim: CLAIM, requiredValue: a}
  - {claim: a, requiredValue: VALUE}
- issuer: {url: 'https://10.0.0.1', audiences: [a]}
  claimMappings:
    username: {expression: claims.sub}
    groups: {expression: claims.groups}
  userValidationRules: [{expression: 'true'}]
";
        let text = text.replace("CLAIM", &"c".repeat(64));
        let text = text.replace("VALUE", &"v".repeat(254));
        let document = serde_saphyr::from_str(&text).expect("YAML");
        let configuration = AuthenticationConfiguration::from_value(&document).expect("decoded");
        let paths: Vec<String> = forbids(&configuration)
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(
            paths,
            [
                "anonymous",
                "jwt[0].issuer.url",
                "jwt[0].issuer.audiences",
                "jwt[0].issuer.discoveryURL",
                "jwt[0].issuer.certificateAuthority",
                "jwt[0].issuer.egressSelectorType",
                "jwt[0].claimMappings.uid",
                "jwt[0].claimMappings.username.prefix",
                "jwt[0].claimValidationRules[0].claim",
                "jwt[0].claimValidationRules[1].requiredValue",
                "jwt[1]",
                "jwt[1].issuer.url",
                "jwt[1].claimMappings.username.expression",
                "jwt[1].claimMappings.groups.expression",
                "jwt[1].userValidationRules[0].expression",
            ]
        );
    }
}
