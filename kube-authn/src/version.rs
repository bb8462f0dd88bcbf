//! The only place that knows how Kubernetes minors differ.

use std::fmt;
use std::str::FromStr;

/// A Kubernetes minor release that verdicts can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// 1.34, proven against v1.34.4.
    V1_34,
    /// 1.35, proven against v1.35.4.
    V1_35,
    /// 1.36, proven against v1.36.3.
    V1_36,
    /// 1.37, proven against v1.37.2.
    #[default]
    V1_37,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V1_34, Self::V1_35, Self::V1_36, Self::V1_37];

    /// Whether a discovery document without a `jwks_uri` is refused, and not
    /// the first token (`oidc.go`; since the metrics about keys, beta and on in
    /// 1.35).
    #[must_use]
    pub fn checks_jwks_uri(self) -> bool {
        self >= Self::V1_35
    }

    /// Whether go-oidc looks at the claims before the algorithm and the
    /// signature: 2.3.0, which 1.34 and 1.35 pin, does so that keys are not
    /// fetched for nothing; 2.5.0 does not any more (`verify.go: Verify`).
    pub(crate) fn checks_claims_first(self) -> bool {
        self <= Self::V1_35
    }

    /// The name of the scheme in an error, which Go derives from the line where
    /// it was made (`k8s.io/apimachinery/pkg/runtime/scheme.go: NewScheme`).
    pub fn scheme(self) -> &'static str {
        match self {
            Self::V1_34 => "pkg/runtime/scheme.go:110",
            Self::V1_35 | Self::V1_36 | Self::V1_37 => "pkg/runtime/scheme.go:111",
        }
    }
}

/// As in `1.37`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_34 => "1.34",
            Self::V1_35 => "1.35",
            Self::V1_36 => "1.36",
            Self::V1_37 => "1.37",
        })
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| format!("{text:?} is none of 1.34, 1.35, 1.36 and 1.37"))
    }
}
