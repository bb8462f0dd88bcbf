//! How requests to issuers leave the process: Go's rules
//! (`golang.org/x/net/http/httpproxy`), which kube-apiserver follows.

use reqwest::{NoProxy, Proxy};

/// This machine itself, which Go never asks a proxy for.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Which proxy requests to issuers go through. An issuer on this machine's
/// loopback is asked directly, whatever this says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Egress {
    /// `HTTPS_PROXY` and `NO_PROXY` decide.
    #[default]
    Environment,
    /// All through this one, for example `http://127.0.0.1:3128`.
    Proxy(String),
}

impl Egress {
    /// The proxy in reqwest's terms; none where requests go directly.
    ///
    /// # Errors
    /// When the proxy's address is none.
    pub(super) fn proxy(&self) -> Result<Option<Proxy>, String> {
        let (address, exceptions) = match self {
            Self::Environment => match variable("HTTPS_PROXY") {
                Some(address) => (address, variable("NO_PROXY")),
                None => return Ok(None),
            },
            Self::Proxy(address) => (address.clone(), None),
        };
        let exceptions = match exceptions {
            Some(exceptions) => format!("{LOOPBACK},{exceptions}"),
            None => LOOPBACK.to_owned(),
        };
        Proxy::https(&address)
            .map(|proxy| Some(proxy.no_proxy(NoProxy::from_string(&exceptions))))
            .map_err(|error| format!("invalid proxy address {address:?}: {error}"))
    }
}

/// In upper case first, as Go looks.
fn variable(name: &str) -> Option<String> {
    [name.to_owned(), name.to_lowercase()]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
}
