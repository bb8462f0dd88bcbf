//! Requests to issuers, and what went wrong with them in Go's words.

use std::time::Duration;

use foundation::clock::Stopwatch;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use url::Url;

use super::egress::Egress;
use crate::wire::quote;

/// How long an answer of an issuer may take with all redirects, by the machine's own
/// clock.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// Documents larger than this are refused.
const MAX_DOCUMENT: usize = 8 * 1024 * 1024;
/// Go's client does not follow a tenth redirect.
const MOST_REQUESTS: usize = 10;

/// An answer to be read.
pub struct Answer {
    /// As in `404 Not Found`.
    pub status: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The header `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok())
    }
}

/// Why there is no answer.
pub enum Failed {
    /// Nobody answered; as Go's `url.Error`.
    Request(String),
    /// The body ended early, or does not end.
    Body(String),
}

impl Failed {
    /// As go-oidc has it of discovery documents and keys.
    pub fn of_document(self) -> String {
        match self {
            Self::Request(why) => why,
            Self::Body(why) => format!("unable to read response body: {why}"),
        }
    }
}

/// Who asks issuers. That an issuer is at `https` is a rule about configurations;
/// where that leads is asked as it is.
pub fn client(roots: RootCertStore, egress: &Egress) -> Result<reqwest::Client, String> {
    let tls = foundation::pki::client_config(roots).map_err(|error| error.to_string())?;
    let mut client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // It would lead a bearer token elsewhere than Go's client does.
        .redirect(Policy::none())
        .no_proxy()
        .user_agent("rolecall-apiserver");
    for proxy in egress.proxies()? {
        client = client.proxy(proxy);
    }
    client.build().map_err(|error| error.to_string())
}

/// GETs a URL, with a bearer token unless that is empty, and goes where it is led, as
/// Go's client does (`net/http`, `Client.do`): the token goes along to the same host
/// and below it alone, and once it was left out it is for good.
pub async fn get(client: &reqwest::Client, url: &str, bearer: &str) -> Result<Answer, Failed> {
    let (mut at, mut bearer, mut first) = (url.to_owned(), bearer, None);
    let mut location = String::new();
    let begun = Stopwatch::start();
    for _ in 0..MOST_REQUESTS {
        let left = HTTP_TIMEOUT.saturating_sub(begun.elapsed());
        let response = ask(client, &at, bearer, left).await?;
        match leads_to(&response) {
            Some(next) => location = next,
            None => return read(response).await,
        }
        let here = response.url();
        let next = here.join(&location).map_err(|why| {
            let location = quote(&location);
            failed(
                &at,
                &format!("failed to parse Location header {location}: {why}"),
            )
        })?;
        let first = first.get_or_insert_with(|| here.clone());
        if !is_host_or_below(&next, first) {
            bearer = "";
        }
        at = next.into();
    }
    Err(failed(&location, &"stopped after 10 redirects"))
}

/// Where an answer leads; nothing where it is to be read.
fn leads_to(response: &reqwest::Response) -> Option<String> {
    let location = response.headers().get(LOCATION)?;
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    (is_redirect && !location.is_empty())
        .then(|| String::from_utf8_lossy(location.as_bytes()).into_owned())
}

fn is_host_or_below(url: &Url, first: &Url) -> bool {
    match (url.host_str(), first.host_str()) {
        (Some(host), Some(first)) if host != first => host
            .strip_suffix(first)
            .is_some_and(|below| below.ends_with('.') && !host.contains([':', '%'])),
        (host, first) => host == first,
    }
}

/// As Go's `url.Error`.
fn failed(url: &str, why: &dyn std::fmt::Display) -> Failed {
    Failed::Request(format!("Get {}: {why}", quote(url)))
}

async fn ask(
    client: &reqwest::Client,
    url: &str,
    bearer: &str,
    limit: Duration,
) -> Result<reqwest::Response, Failed> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        let why = format!("unsupported protocol scheme {}", quote(scheme));
        return Err(failed(url, &why));
    }
    let mut request = client.get(url).timeout(limit);
    if !bearer.is_empty() {
        let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {bearer}")) else {
            let why = "net/http: invalid header field value for \"Authorization\"";
            return Err(failed(url, &why));
        };
        value.set_sensitive(true);
        // In place of what a name and password in the URL give.
        request = request.headers(HeaderMap::from_iter([(AUTHORIZATION, value)]));
    }
    request
        .send()
        .await
        .map_err(|error| failed(url, cause(&error)))
}

async fn read(mut response: reqwest::Response) -> Result<Answer, Failed> {
    let status = response.status();
    let status = match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    let headers = response.headers().clone();
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| Failed::Body(error.to_string());
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_DOCUMENT {
            return Err(Failed::Body(format!("larger than {MAX_DOCUMENT} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// The innermost cause, which says most ("connection refused"); the layers
/// around it repeat the URL.
fn cause(error: &reqwest::Error) -> &dyn std::error::Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
}
