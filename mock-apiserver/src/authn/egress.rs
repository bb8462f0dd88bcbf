//! How requests to issuers leave the process: Go's rules
//! (`golang.org/x/net/http/httpproxy`), which kube-apiserver follows.

use reqwest::{NoProxy, Proxy};

/// This machine itself, which Go never asks a proxy for.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Which proxy requests to issuers go through. An issuer on this machine's
/// loopback is asked directly, whatever this says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Egress {
    /// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` decide.
    #[default]
    Environment,
    /// All through this one, for example `http://127.0.0.1:3128`.
    Proxy(String),
}

impl Egress {
    /// The proxies in reqwest's terms; none where requests go directly.
    ///
    /// # Errors
    /// When a proxy's address is none.
    pub(super) fn proxies(&self) -> Result<Vec<Proxy>, String> {
        let (wanted, exceptions) = match self {
            Self::Environment => {
                let of = |scheme, name| variable(name).map(|address| (scheme, address));
                let wanted = [
                    of(Scheme::Https, "HTTPS_PROXY"),
                    of(Scheme::Http, "HTTP_PROXY"),
                ];
                (wanted.into_iter().flatten().collect(), variable("NO_PROXY"))
            }
            Self::Proxy(address) => (vec![(Scheme::All, address.clone())], None),
        };
        let exceptions = match exceptions {
            Some(exceptions) => format!("{LOOPBACK},{exceptions}"),
            None => LOOPBACK.to_owned(),
        };
        let made = |(scheme, address): (Scheme, String)| {
            let proxy = match scheme {
                Scheme::Https => Proxy::https(&address),
                Scheme::Http => Proxy::http(&address),
                Scheme::All => Proxy::all(&address),
            };
            let proxy = proxy.map_err(|why| format!("invalid proxy address {address:?}: {why}"))?;
            Ok(proxy.no_proxy(NoProxy::from_string(&exceptions)))
        };
        wanted.into_iter().map(made).collect()
    }
}

/// Of what is asked for.
enum Scheme {
    Https,
    Http,
    All,
}

/// In upper case first, as Go looks.
fn variable(name: &str) -> Option<String> {
    [name.to_owned(), name.to_lowercase()]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
}
