//! How trust in issuers is written down: an AuthenticationConfiguration, or the
//! API server's `--oidc-*` flags as a second spelling of the same.

mod decode;
mod flags;
pub(crate) mod validate;

pub use flags::OidcFlags;

use crate::error::ConfigError;
use crate::version::Version;

/// `AuthenticationConfiguration` of `apiserver.config.k8s.io`, v1 or v1beta1
/// (which for what is here are the same).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthenticationConfiguration {
    /// The trusted issuers; none is valid and accepts no JWT.
    pub jwt: Vec<JwtAuthenticator>,
    /// How requests without credentials are treated, if it says so.
    pub anonymous: Option<AnonymousAuthConfig>,
}

/// Who may come without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnonymousAuthConfig {
    /// Whether anybody may.
    pub enabled: bool,
    /// The exact URL paths to which it is limited; empty is everywhere.
    pub conditions: Vec<String>,
}

/// One trusted issuer and what its tokens mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JwtAuthenticator {
    /// Whose tokens, for whom.
    pub issuer: Issuer,
    /// What else a token must say.
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    /// Which claims make the identity.
    pub claim_mappings: ClaimMappings,
    /// What the identity must be like (CEL).
    pub user_validation_rules: Vec<UserValidationRule>,
}

/// The issuer of an authenticator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issuer {
    /// The `iss` of its tokens, byte for byte; https.
    pub url: String,
    /// Where discovery is, if not under `url`.
    pub discovery_url: String,
    /// PEM certificates to trust when talking to it; empty for the system's.
    pub certificate_authority: String,
    /// At least one must be in a token's `aud`.
    pub audiences: Vec<String>,
    /// `MatchAny` or, with a single audience, empty.
    pub audience_match_policy: String,
    /// `controlplane`, `cluster` or empty.
    pub egress_selector_type: String,
}

/// A claim with the value it must have, or a CEL expression.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimValidationRule {
    /// The claim, a string.
    pub claim: String,
    /// Its value.
    pub required_value: String,
    /// CEL, instead of the two.
    pub expression: String,
    /// What to say when the expression is false.
    pub message: String,
}

/// Which claims make the identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimMappings {
    /// The user's name; required.
    pub username: PrefixedClaimOrExpression,
    /// The groups: a string or a list of them.
    pub groups: PrefixedClaimOrExpression,
    /// The uid.
    pub uid: ClaimOrExpression,
    /// More, all in CEL.
    pub extra: Vec<ExtraMapping>,
}

/// A claim and what to put before its value, or a CEL expression.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrefixedClaimOrExpression {
    /// The claim's exact name.
    pub claim: String,
    /// Required with a claim; the empty string is no prefix.
    pub prefix: Option<String>,
    /// CEL, instead of the two.
    pub expression: String,
}

/// A claim or a CEL expression.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimOrExpression {
    /// The claim's exact name.
    pub claim: String,
    /// CEL, instead.
    pub expression: String,
}

/// A key of the user's extra and the CEL expression that gives its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtraMapping {
    /// A domain-prefixed path.
    pub key: String,
    /// CEL.
    pub value_expression: String,
}

/// A CEL expression that must hold for the user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserValidationRule {
    /// CEL.
    pub expression: String,
    /// What to say when it is false.
    pub message: String,
}

impl AuthenticationConfiguration {
    /// Decodes a configuration from JSON, strictly: fields that are unknown or
    /// come twice are errors. Nothing is validated yet.
    ///
    /// # Errors
    /// [`ConfigError::Decode`].
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        Self::from_json_of(text, Version::default())
    }

    /// As [`Self::from_json`], in that minor's words.
    ///
    /// # Errors
    /// [`ConfigError::Decode`].
    pub fn from_json_of(text: &str, version: Version) -> Result<Self, ConfigError> {
        decode::configuration(text, version).map_err(ConfigError::Decode)
    }

    /// As [`Self::from_json_of`], of the JSON that was made of a YAML text;
    /// `strict` is what a strict reader of YAML has to say against the text.
    ///
    /// # Errors
    /// [`ConfigError::Decode`].
    pub fn from_converted(
        json: &str,
        yaml: &str,
        strict: Option<String>,
        version: Version,
    ) -> Result<Self, ConfigError> {
        decode::converted(json, yaml, strict, version).map_err(ConfigError::Decode)
    }

    /// As [`Self::from_json`], of a document that has been parsed already.
    ///
    /// # Errors
    /// [`ConfigError::Decode`].
    pub fn from_value(document: &serde_json::Value) -> Result<Self, ConfigError> {
        Self::from_json(&document.to_string())
    }

    /// `ValidateAuthenticationConfiguration`: every error in Kubernetes' words,
    /// none where all is well. CEL expressions are not compiled; an
    /// [`Authenticator`](crate::Authenticator) refuses them.
    #[must_use]
    pub fn validate(&self, disallowed_issuers: &[String]) -> Vec<String> {
        validate::configuration(self, disallowed_issuers)
    }
}

impl JwtAuthenticator {
    /// Decodes one entry of `jwt` by itself, as strictly.
    ///
    /// # Errors
    /// [`ConfigError::Decode`].
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        decode::jwt_authenticator(text).map_err(ConfigError::Decode)
    }

    /// The path of the first CEL expression, as `claimMappings.uid.expression`.
    #[must_use]
    pub fn first_expression(&self) -> Option<String> {
        self.expressions().into_iter().next()
    }

    /// The paths of all CEL expressions.
    #[must_use]
    pub fn expressions(&self) -> Vec<String> {
        let rules = self.claim_validation_rules.iter().enumerate();
        let mappings = &self.claim_mappings;
        let named = [
            (
                "claimMappings.username.expression",
                &mappings.username.expression,
            ),
            (
                "claimMappings.groups.expression",
                &mappings.groups.expression,
            ),
            ("claimMappings.uid.expression", &mappings.uid.expression),
        ];
        let in_rules = rules
            .filter(|(_, rule)| !rule.expression.is_empty())
            .map(|(i, _)| format!("claimValidationRules[{i}].expression"));
        let in_mappings = named
            .into_iter()
            .filter(|(_, e)| !e.is_empty())
            .map(|(path, _)| path.to_owned());
        let in_extra =
            (0..mappings.extra.len()).map(|i| format!("claimMappings.extra[{i}].valueExpression"));
        let in_user = (0..self.user_validation_rules.len())
            .map(|i| format!("userValidationRules[{i}].expression"));
        in_rules
            .chain(in_mappings)
            .chain(in_extra)
            .chain(in_user)
            .collect()
    }
}
