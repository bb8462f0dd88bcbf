//! Requests to issuers, and what went wrong with them in Go's words.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use rustls::RootCertStore;

use super::egress::Egress;
use crate::wire::quote;

/// How long one request to an issuer may take, by the machine's own clock.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// Documents larger than this are refused.
const MAX_DOCUMENT: usize = 8 * 1024 * 1024;

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

/// Who asks issuers.
pub fn client(roots: RootCertStore, egress: &Egress) -> Result<reqwest::Client, String> {
    let tls = foundation::pki::client_config(roots).map_err(|error| error.to_string())?;
    let mut client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .timeout(HTTP_TIMEOUT)
        .no_proxy()
        .user_agent("rolecall-apiserver");
    if let Some(proxy) = egress.proxy()? {
        client = client.proxy(proxy);
    }
    client.build().map_err(|error| error.to_string())
}

/// GETs a URL, with a bearer token unless that is empty.
pub async fn get(client: &reqwest::Client, url: &str, bearer: &str) -> Result<Answer, Failed> {
    let failed =
        |why: &dyn std::fmt::Display| Failed::Request(format!("Get {}: {why}", quote(url)));
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return Err(failed(&format!(
            "unsupported protocol scheme {}",
            quote(scheme)
        )));
    }
    let mut request = client.get(url);
    if !bearer.is_empty() {
        let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {bearer}")) else {
            let why = "net/http: invalid header field value for \"Authorization\"";
            return Err(failed(&why));
        };
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let mut response = request
        .send()
        .await
        .map_err(|error| failed(cause(&error)))?;
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
