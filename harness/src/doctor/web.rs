//! HTTPS as the other clients in the chain speak it, with a failure sorted by
//! what there is to do about it.

use std::error::Error as _;
use std::time::Duration;

use foundation::pki;
use jiff::Timestamp;
use rustls::{CertificateError, RootCertStore};

use crate::client::{Broken, Proxy, chain, through};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// More than this no document of an issuer has.
const MOST: usize = 1 << 20;

/// An answer of whatever status.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Code and reason, as in `404 Not Found`.
    pub status: String,
    /// As sent.
    pub content_type: Option<String>,
    /// What the server's clock says.
    pub date: Option<Timestamp>,
    /// The first MiB.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// The host has no address.
    Name(String),
    /// Nobody listens there.
    Refused,
    /// The proxy does not lead there.
    Proxy(String),
    /// The certificate is not what it has to be.
    Certificate(CertificateError),
    /// It is silent.
    Silent,
    /// Anything else, in the words of the libraries.
    Other(String),
}

/// A client that trusts `roots` alone and follows redirects as Go's does.
///
/// # Errors
/// [`Broken`] when TLS cannot be set up, or the proxy is no URL.
pub fn client(roots: RootCertStore, proxy: &Proxy) -> Result<reqwest::Client, Broken> {
    let broken = |error: &dyn std::fmt::Display| Broken::new("set up an HTTPS client", error);
    let tls = pki::client_config(roots).map_err(|error| broken(&error))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::limited(9))
        .timeout(LIMIT);
    through(client, proxy.url.as_deref(), &proxy.except)
        .and_then(reqwest::ClientBuilder::build)
        .map_err(|error| broken(&error))
}

/// GETs `url`.
///
/// # Errors
/// [`Trouble`].
pub async fn get(client: &reqwest::Client, url: &str) -> Result<Answer, Trouble> {
    read(client.get(url)).await
}

/// Sends a request and reads what comes back.
///
/// # Errors
/// [`Trouble`].
pub async fn read(request: reqwest::RequestBuilder) -> Result<Answer, Trouble> {
    let mut response = request.send().await.map_err(|error| sort(&error))?;
    let header = |name: http::HeaderName| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let mut answer = Answer {
        status: response.status().to_string(),
        content_type: header(http::header::CONTENT_TYPE),
        date: header(http::header::DATE).as_deref().and_then(date),
        body: Vec::new(),
    };
    while let Some(chunk) = response.chunk().await.map_err(|error| sort(&error))? {
        answer.body.extend_from_slice(&chunk);
        if answer.body.len() > MOST {
            answer.body.truncate(MOST);
            break;
        }
    }
    Ok(answer)
}

/// RFC 9110 section 5.6.7.
fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
}

fn sort(error: &reqwest::Error) -> Trouble {
    if error.is_timeout() {
        return Trouble::Silent;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(trouble) = of_cause(error) {
            return trouble;
        }
        cause = error.source();
    }
    // reqwest's own sentence holds the URL, which the finding names.
    let text = error.source().map(chain).unwrap_or_default();
    if text.contains("dns error") {
        Trouble::Name(text)
    } else if text.contains("tunnel") {
        Trouble::Proxy(text)
    } else {
        Trouble::Other(text)
    }
}

fn of_cause(error: &(dyn std::error::Error + 'static)) -> Option<Trouble> {
    if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
        return Some(Trouble::Certificate(why.clone()));
    }
    let io: &std::io::Error = error.downcast_ref()?;
    if io.kind() == std::io::ErrorKind::ConnectionRefused {
        return Some(Trouble::Refused);
    }
    // An I/O error's source is that of the error inside it, not that error.
    of_cause(io.get_ref()?)
}
