//! Why a token was refused, at which step, in the API server's words.

use std::fmt;

/// A step of `jwtAuthenticator.AuthenticateToken`, in the order they are taken,
/// but that up to 1.35 the claims come before the algorithm and the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepName {
    /// The token's unverified `iss` decides whose it is.
    UntrustedIssuer,
    /// Discovery must have succeeded once.
    VerifierReady,
    /// go-jose reads the compact serialization and its header.
    Parse,
    /// The header's `alg` must be on the list.
    Algorithm,
    /// A key of the issuer must verify the signature.
    Signature,
    /// The claims with a fixed type are decoded.
    TypedClaims,
    /// `_claim_names` must point at sources that exist.
    ClaimNames,
    /// The verified `iss`.
    Issuer,
    /// `aud`; it comes after the dates where several audiences are configured.
    Audience,
    /// `exp`, without leeway.
    Expiry,
    /// `nbf`, with a minute of leeway.
    NotBefore,
    /// Distributed claims, when groups come from a claim.
    DistributedClaims,
    /// The username claim, `email_verified` and the prefix.
    Username,
    /// The groups claim and the prefix.
    Groups,
    /// The uid claim.
    Uid,
    /// Required claims.
    RequiredClaims,
}

impl StepName {
    /// All steps, in order.
    pub const ALL: [Self; 16] = [
        Self::UntrustedIssuer,
        Self::VerifierReady,
        Self::Parse,
        Self::Algorithm,
        Self::Signature,
        Self::TypedClaims,
        Self::ClaimNames,
        Self::Issuer,
        Self::Audience,
        Self::Expiry,
        Self::NotBefore,
        Self::DistributedClaims,
        Self::Username,
        Self::Groups,
        Self::Uid,
        Self::RequiredClaims,
    ];
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UntrustedIssuer => "untrusted issuer",
            Self::VerifierReady => "verifier ready",
            Self::Parse => "parse",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::TypedClaims => "typed claims",
            Self::ClaimNames => "claim names",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expiry => "expiry",
            Self::NotBefore => "not before",
            Self::DistributedClaims => "distributed claims",
            Self::Username => "username",
            Self::Groups => "groups",
            Self::Uid => "uid",
            Self::RequiredClaims => "required claims",
        })
    }
}

/// A refusal. Its `Display` is the text that the API server logs and puts into
/// `TokenReview.status.error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    step: StepName,
    text: String,
}

impl Error {
    pub(crate) fn new(step: StepName, text: impl Into<String>) -> Self {
        Self {
            step,
            text: text.into(),
        }
    }

    /// The step that refused.
    #[must_use]
    pub fn step(&self) -> StepName {
        self.step
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// A configuration the API server would not start with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It could not be decoded.
    #[error("{0}")]
    Decode(String),
    /// It was decoded and is not valid; several errors are printed as
    /// Kubernetes' aggregate does, `[a, b]`.
    #[error("{}", aggregate(.0))]
    Invalid(Vec<String>),
    /// A signing algorithm that Kubernetes does not know.
    #[error("oidc: unsupported signing alg: {}", crate::go::quote::quote(.0))]
    UnsupportedAlgorithm(String),
    /// A CEL expression; Kubernetes evaluates it, this version does not yet.
    #[error("{0}: CEL expressions are not supported yet")]
    Cel(String),
}

impl ConfigError {
    /// The same error of the `i`th entry of `jwt`, with the whole path.
    #[must_use]
    pub fn of_entry(self, i: usize) -> Self {
        match self {
            Self::Cel(field) => Self::Cel(format!("jwt[{i}].{field}")),
            error => error,
        }
    }
}

/// `utilerrors.NewAggregate(…).Error()`: one error plainly, several in brackets,
/// each text once.
pub(crate) fn aggregate(errors: &[String]) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for error in errors {
        if !distinct.contains(&error.as_str()) {
            distinct.push(error);
        }
    }
    match distinct.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("[{}]", several.join(", ")),
    }
}
