//! What EKS does not take of what an API server takes.
//!
//! Source: EKS User Guide, "Grant users access to Kubernetes with an external
//! OIDC provider"; EKS API Reference, `OidcIdentityProviderConfigRequest`.

use kube_authn::config::AuthenticationConfiguration;

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
        if let Some(field) = jwt.first_expression() {
            add(true, &format!(".{field}"), "EKS has no CEL expressions");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_eks_does_not_take_is_named_by_its_path() {
        let text = "
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: {enabled: false}
jwt:
- issuer: {url: 'https://x?y', audiences: [a, b], discoveryURL: 'https://y', certificateAuthority: PEM, egressSelectorType: cluster}
  claimMappings:
    username: {claim: email, prefix: 'system:'}
    groups: {claim: groups, prefix: 'oidc:'}
    uid: {claim: sub}
- issuer: {url: 'https://z', audiences: [a]}
  claimMappings:
    username: {expression: claims.sub}
";
        let document = serde_saphyr::from_str(text).expect("YAML");
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
                "jwt[1]",
                "jwt[1].claimMappings.username.expression",
            ]
        );
    }
}
