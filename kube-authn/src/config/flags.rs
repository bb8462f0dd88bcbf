//! `--oidc-*`: the older spelling, for one issuer and one audience.

use super::{
    AuthenticationConfiguration, ClaimValidationRule, Issuer, JwtAuthenticator,
    PrefixedClaimOrExpression,
};
use crate::error::ConfigError;

/// The flags of kube-apiserver with their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcFlags {
    /// `--oidc-issuer-url`
    pub issuer_url: String,
    /// `--oidc-client-id`, the audience.
    pub client_id: String,
    /// The content of `--oidc-ca-file`.
    pub certificate_authority: String,
    /// `--oidc-username-claim`, `sub` by default.
    pub username_claim: String,
    /// `--oidc-username-prefix`; where it is empty, every claim but `email` gets
    /// the issuer and a `#`. `-` is no prefix.
    pub username_prefix: String,
    /// `--oidc-groups-claim`
    pub groups_claim: String,
    /// `--oidc-groups-prefix`
    pub groups_prefix: String,
    /// `--oidc-signing-algs`, RS256 by default. A configuration file has no such
    /// setting and allows all nine.
    pub signing_algs: Vec<String>,
    /// `--oidc-required-claim`, each given.
    pub required_claims: Vec<(String, String)>,
}

impl Default for OidcFlags {
    fn default() -> Self {
        Self {
            issuer_url: String::new(),
            client_id: String::new(),
            certificate_authority: String::new(),
            username_claim: "sub".to_owned(),
            username_prefix: String::new(),
            groups_claim: String::new(),
            groups_prefix: String::new(),
            signing_algs: vec!["RS256".to_owned()],
            required_claims: Vec::new(),
        }
    }
}

impl OidcFlags {
    /// The configuration the flags stand for (`ToAuthenticationConfig`); the
    /// algorithms stay with the flags and go to
    /// [`Authenticator::new`](crate::Authenticator::new) beside it.
    ///
    /// # Errors
    /// The issuer or the client missing, or anything validation says.
    pub fn to_configuration(&self) -> Result<AuthenticationConfiguration, ConfigError> {
        if self.issuer_url.is_empty() || self.client_id.is_empty() {
            return Err(ConfigError::Decode(
                "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
                    .to_owned(),
            ));
        }
        let configuration = AuthenticationConfiguration {
            jwt: vec![self.jwt_authenticator()],
            anonymous: None,
        };
        let errors = configuration.validate(&[]);
        if errors.is_empty() {
            Ok(configuration)
        } else {
            Err(ConfigError::Invalid(errors))
        }
    }

    /// The entry of `jwt` by itself, not validated.
    #[must_use]
    pub fn jwt_authenticator(&self) -> JwtAuthenticator {
        let username_prefix = match (self.username_prefix.as_str(), self.username_claim.as_str()) {
            ("", "email") | ("-", _) => String::new(),
            ("", _) => format!("{}#", self.issuer_url),
            (prefix, _) => prefix.to_owned(),
        };
        let mut jwt = JwtAuthenticator {
            issuer: Issuer {
                url: self.issuer_url.clone(),
                audiences: vec![self.client_id.clone()],
                certificate_authority: self.certificate_authority.clone(),
                ..Issuer::default()
            },
            ..JwtAuthenticator::default()
        };
        let claim = |claim: &String, prefix: String| PrefixedClaimOrExpression {
            claim: claim.clone(),
            prefix: Some(prefix),
            expression: String::new(),
        };
        jwt.claim_mappings.username = claim(&self.username_claim, username_prefix);
        if !self.groups_claim.is_empty() {
            jwt.claim_mappings.groups = claim(&self.groups_claim, self.groups_prefix.clone());
        }
        // The flag's value is a map: of two values for a claim the later counts.
        for (claim, value) in &self.required_claims {
            jwt.claim_validation_rules
                .retain(|rule| rule.claim != *claim);
            jwt.claim_validation_rules.push(ClaimValidationRule {
                claim: claim.clone(),
                required_value: value.clone(),
                ..ClaimValidationRule::default()
            });
        }
        jwt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn flags() -> OidcFlags {
        OidcFlags {
            issuer_url: "https://issuer.example".to_owned(),
            client_id: "kubernetes".to_owned(),
            ..OidcFlags::default()
        }
    }

    #[rstest]
    #[case("sub", "", "https://issuer.example#")]
    #[case("email", "", "")]
    #[case("sub", "-", "")]
    #[case("email", "-", "")]
    #[case("email", "oidc:", "oidc:")]
    fn the_username_prefix_has_a_default_of_its_own(
        #[case] claim: &str,
        #[case] flag: &str,
        #[case] prefix: &str,
    ) {
        let flags = OidcFlags {
            username_claim: claim.into(),
            username_prefix: flag.into(),
            ..flags()
        };
        let configuration = flags.to_configuration().unwrap();
        assert_eq!(
            configuration.jwt[0]
                .claim_mappings
                .username
                .prefix
                .as_deref(),
            Some(prefix)
        );
    }

    #[rstest]
    #[case(
        OidcFlags { client_id: String::new(), ..flags() },
        "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
    )]
    #[case(
        OidcFlags { issuer_url: "http://issuer.example".into(), ..flags() },
        r#"jwt[0].issuer.url: Invalid value: "http://issuer.example": URL scheme must be https"#
    )]
    #[case(
        OidcFlags { username_claim: String::new(), ..flags() },
        "jwt[0].claimMappings.username: Required value: claim or expression is required"
    )]
    fn wrong_flags_are_refused(#[case] flags: OidcFlags, #[case] error: &str) {
        assert_eq!(flags.to_configuration().unwrap_err().to_string(), error);
    }
}
