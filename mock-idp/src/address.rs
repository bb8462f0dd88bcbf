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
    /// Under AWS' own names: the issuer is
    /// `https://cognito-idp.REGION.amazonaws.com/POOL_ID`, and a domain is a
    /// host of its own (Cognito developer guide, "User pool endpoints").
    Aws,
}

/// What stands behind a host of AWS', as far as Cognito is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// The API, discovery and keys of a region.
    Service {
        /// The region.
        region: String,
    },
    /// The pages and OAuth endpoints of a domain.
    Domain {
        /// Its prefix, or the whole name of a custom domain; the host's own
        /// where there is none in the region that it names.
        name: String,
    },
}

impl Host {
    /// What `host` (in lower case, without a port) is, if it can be one of
    /// Cognito's. `domain` finds a domain: its region, and whether it is a
    /// custom one, which is a host by itself.
    pub fn parse(host: &str, domain: impl Fn(&str) -> Option<(String, bool)>) -> Option<Self> {
        if let Some(region) = region_of(host, "cognito-idp") {
            return Some(Self::Service {
                region: region.to_owned(),
            });
        }
        let prefix = host
            .strip_suffix(".amazoncognito.com")
            .and_then(|rest| rest.split_once(".auth."))
            .filter(|(prefix, region)| is_label(prefix) && is_label(region));
        let whole = || Self::Domain {
            name: host.to_owned(),
        };
        if let Some((prefix, region)) = prefix {
            let elsewhere = domain(prefix).is_some_and(|(own, _)| own != region);
            return Some(if elsewhere {
                whole()
            } else {
                Self::Domain {
                    name: prefix.to_owned(),
                }
            });
        }
        domain(host).is_some_and(|(_, custom)| custom).then(whole)
    }

    /// `path` of this host as the router spells it, where a domain is a path
    /// prefix.
    pub fn path(&self, path: &str) -> String {
        match self {
            Self::Service { .. } => path.to_owned(),
            Self::Domain { name } => format!("{}{path}", local_domain(name)),
        }
    }
}

/// The region of a service's regional host, as in
/// `cognito-idp.eu-west-2.amazonaws.com` (AWS General Reference, "AWS service
/// endpoints").
pub fn region_of<'h>(host: &'h str, service: &str) -> Option<&'h str> {
    let rest = host.strip_prefix(service)?.strip_prefix('.')?;
    rest.strip_suffix(".amazonaws.com")
        .or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
        .filter(|region| is_label(region))
}

/// A service's host in a region, the other way round.
pub fn service_host(service: &str, region: &str) -> String {
    format!("{service}.{region}.{}", suffix(region))
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && !text.contains('.')
}

fn local_domain(name: &str) -> String {
    format!("/domains/{name}")
}

/// Where a region's services are, `amazonaws.com` but for China
/// (AWS General Reference, "Amazon Cognito endpoints and quotas").
fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
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
        let base = self.issuer_base(pool.region().unwrap_or_default());
        format!("{base}/{pool}")
    }

    /// What the issuers of a region's pools begin with, without a slash at its
    /// end.
    pub fn issuer_base(&self, region: &str) -> String {
        match self {
            Self::Local(origin) => origin.to_string(),
            Self::Aws => format!("https://{}", service_host("cognito-idp", region)),
        }
    }

    /// The pool whose issuer this is.
    ///
    /// # Errors
    /// [`Error::NotAuthorized`] for a foreign issuer.
    pub fn pool_of_issuer(&self, issuer: &str) -> Result<PoolId, Error> {
        issuer
            .rsplit_once('/')
            .map(|(_, id)| PoolId::from(id))
            .filter(|pool| self.issuer(pool) == issuer)
            .ok_or_else(|| Error::not_authorized("Invalid Access Token"))
    }

    /// The base URL of a pool's domain, without a slash at its end.
    pub fn domain(&self, pool: &PoolId, domain: &Domain) -> String {
        match self {
            Self::Local(origin) => format!("{origin}{}", self.domain_path(domain)),
            Self::Aws if domain.certificate_arn.is_some() => format!("https://{}", domain.name),
            Self::Aws => format!(
                "https://{}.auth.{}.amazoncognito.com",
                domain.name,
                pool.region().unwrap_or_default()
            ),
        }
    }

    /// The path of a domain on its host, which is its cookies' path too: ""
    /// where a domain has a host of its own.
    pub fn domain_path(&self, domain: &Domain) -> String {
        match self {
            Self::Local(_) => local_domain(&domain.name),
            Self::Aws => String::new(),
        }
    }

    /// What discovery says of `pool`. Without a domain the endpoints are dead
    /// ones beside the issuer, as AWS publishes them.
    pub fn endpoints(&self, pool: &Pool) -> Endpoints {
        let issuer = self.issuer(&pool.id);
        let jwks = format!("{issuer}/.well-known/jwks.json");
        match &pool.domain {
            Some(domain) => {
                let base = self.domain(&pool.id, domain);
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

    #[rstest]
    #[case(
        "eu-west-2_Tj3uyJm1Q",
        "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_Tj3uyJm1Q"
    )]
    #[case(
        "cn-north-1_A",
        "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_A"
    )]
    fn under_aws_names_an_issuer_is_in_its_region(#[case] pool: &str, #[case] issuer: &str) {
        let pool = PoolId::from(pool);
        assert_eq!(Address::Aws.issuer(&pool), issuer);
        assert_eq!(Address::Aws.pool_of_issuer(issuer), Ok(pool));
        let elsewhere = issuer.replace("cognito-idp.", "cognito-idp.x");
        assert!(Address::Aws.pool_of_issuer(&elsewhere).is_err());
    }

    #[rstest]
    #[case("cognito-idp.eu-west-2.amazonaws.com", Some(("/p/x", "/p/x")))]
    #[case("kubedemyeksoidc.auth.eu-west-2.amazoncognito.com", Some(("/login", "/domains/kubedemyeksoidc/login")))]
    #[case("login.example.com", Some(("/login", "/domains/login.example.com/login")))]
    #[case("far-away.auth.us-east-1.amazoncognito.com", Some(("/login", "/domains/far-away/login")))]
    #[case("far-away.auth.eu-west-2.amazoncognito.com", Some(("/login", "/domains/far-away.auth.eu-west-2.amazoncognito.com/login")))]
    #[case("far-away", None)]
    #[case("other.example.com", None)]
    #[case("a.b.auth.eu-west-2.amazoncognito.com", None)]
    #[case("s3.eu-west-2.amazonaws.com", None)]
    fn a_host_of_aws_is_a_service_or_a_domain(
        #[case] host: &str,
        #[case] expected: Option<(&str, &str)>,
    ) {
        let found = Host::parse(host, |name| match name {
            "login.example.com" => Some(("eu-west-2".to_owned(), true)),
            "far-away" => Some(("us-east-1".to_owned(), false)),
            _ => None,
        });
        assert_eq!(found.is_some(), expected.is_some());
        if let (Some(found), Some((path, routed))) = (found, expected) {
            assert_eq!(found.path(path), routed);
        }
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
