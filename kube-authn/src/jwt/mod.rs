//! From the token's bytes to its claims.

pub(crate) mod claims;
pub(crate) mod jose;
pub(crate) mod keys;
mod rsa_private;
pub(crate) mod signature;

/// A signing algorithm that Kubernetes accepts (`oidc.AllValidSigningAlgorithms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA over SHA-256; go-jose does not tie it to P-256.
    Es256,
    /// ECDSA over SHA-384.
    Es384,
    /// ECDSA over SHA-512.
    Es512,
    /// RSASSA-PSS over SHA-256, with a salt of any length.
    Ps256,
    /// RSASSA-PSS over SHA-384.
    Ps384,
    /// RSASSA-PSS over SHA-512.
    Ps512,
    /// RSASSA-PKCS1-v1_5 over SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 over SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 over SHA-512.
    Rs512,
}

impl Algorithm {
    /// All nine, in the order in which error texts list them.
    pub const ALL: [Self; 9] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The name in a JOSE header (RFC 7518 section 3.1).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// The algorithm of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }
}

impl AsRef<str> for Algorithm {
    fn as_ref(&self) -> &str {
        self.name()
    }
}
