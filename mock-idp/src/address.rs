//! The only place that knows hosts: (pool, domain) ⇄ URL.

use std::fmt;

use url::Url;

use crate::domain::pool::{Domain, Pool};
use crate::domain::{Error, PoolId};

/// A public base URL, scheme and authority alone, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Why a text is no [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin such as https://127.0.0.1:8443")]
pub struct NotAnOrigin(String);

impl Origin {
    /// Parses `https://HOST[:PORT]`.
    ///
    /// # Errors
    /// [`NotAnOrigin`] for anything with a path, a query or no host.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let refuse = || NotAnOrigin(text.to_owned());
        let url = Url::parse(text).map_err(|_| refuse())?;
        let origin = url.origin().ascii_serialization();
        if url.has_host() && text.trim_end_matches('/') == origin {
            Ok(Self(origin))
        } else {
            Err(refuse())
        }
    }

    /// The origin as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where pools and their domains live.
#[derive(Clone, Debug)]
pub enum Address {
    /// All on one origin: the issuer is `ORIGIN/POOL_ID`, and a domain D is
    /// the path prefix `/domains/D`.
    Local(Origin),
}

/// The URLs that discovery publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "named as in OpenID Connect Discovery section 3"
)]
pub struct Endpoints {
    pub issuer: String,
    pub jwks: String,
    pub authorization: String,
    pub token: String,
    pub userinfo: String,
    /// Only with a domain.
    pub revocation: Option<String>,
    /// Only with a domain.
    pub end_session: Option<String>,
}

impl Address {
    /// A pool's issuer, byte-equal in discovery and tokens.
    pub fn issuer(&self, pool: &PoolId) -> String {
        match self {
            Self::Local(origin) => format!("{origin}/{pool}"),
        }
    }

    /// The pool whose issuer this is.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`] for a foreign issuer.
    pub fn pool_of_issuer(&self, issuer: &str) -> Result<PoolId, Error> {
        match self {
            Self::Local(origin) => issuer
                .strip_prefix(origin.as_str())
                .and_then(|path| path.strip_prefix('/'))
                .filter(|id| !id.contains('/'))
                .map(PoolId::from)
                .ok_or_else(|| Error::not_authorized("Invalid Access Token")),
        }
    }

    /// The base URL of a domain, without a slash at its end.
    pub fn domain(&self, domain: &Domain) -> String {
        match self {
            Self::Local(origin) => format!("{origin}{}", self.domain_path(domain)),
        }
    }

    /// The path of a domain on its host, which is its cookies' path too: ""
    /// where a domain has a host of its own.
    pub fn domain_path(&self, domain: &Domain) -> String {
        match self {
            Self::Local(_) => format!("/domains/{}", domain.name),
        }
    }

    /// What discovery says of `pool`. Without a domain the endpoints are dead
    /// ones beside the issuer, as AWS publishes them.
    pub fn endpoints(&self, pool: &Pool) -> Endpoints {
        let issuer = self.issuer(&pool.id);
        let jwks = format!("{issuer}/.well-known/jwks.json");
        match &pool.domain {
            Some(domain) => {
                let base = self.domain(domain);
                Endpoints {
                    issuer,
                    jwks,
                    authorization: format!("{base}/oauth2/authorize"),
                    token: format!("{base}/oauth2/token"),
                    userinfo: format!("{base}/oauth2/userInfo"),
                    revocation: Some(format!("{base}/oauth2/revoke")),
                    end_session: Some(format!("{base}/logout")),
                }
            }
            None => Endpoints {
                jwks,
                authorization: format!("{issuer}/authorize"),
                token: format!("{issuer}/token"),
                userinfo: format!("{issuer}/userInfo"),
                revocation: None,
                end_session: None,
                issuer,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://127.0.0.1:8443", Some("https://127.0.0.1:8443"))]
    #[case("https://127.0.0.1:8443/", Some("https://127.0.0.1:8443"))]
    #[case("https://127.0.0.1:8443/x", None)]
    #[case("127.0.0.1:8443", None)]
    fn an_origin_has_no_path(#[case] text: &str, #[case] expected: Option<&str>) {
        let origin = Origin::parse(text).ok();
        assert_eq!(origin.as_ref().map(Origin::as_str), expected);
    }

    #[test]
    fn an_issuer_leads_back_to_its_pool_and_a_foreign_one_nowhere() {
        let address = Address::Local(Origin::parse("https://127.0.0.1:1").expect("an origin"));
        let pool = PoolId::from("eu-west-2_Tj3uyJm1Q");
        let issuer = address.issuer(&pool);
        assert_eq!(issuer, "https://127.0.0.1:1/eu-west-2_Tj3uyJm1Q");
        assert_eq!(address.pool_of_issuer(&issuer), Ok(pool));
        for foreign in [
            "https://127.0.0.1:10/eu-west-2_Tj3uyJm1Q",
            "https://127.0.0.1:1/eu-west-2_Tj3uyJm1Q/x",
            "https://127.0.0.1:1eu-west-2_Tj3uyJm1Q",
        ] {
            assert!(address.pool_of_issuer(foreign).is_err(), "{foreign}");
        }
    }
}
