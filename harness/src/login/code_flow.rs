//! What every driver does before and after the pages: discovery, the request
//! for authorization, and the exchange of the code (OpenID Connect Core 1.0,
//! section 3.1).

use ::http::{Method, StatusCode};
use foundation::secret::Secret;
use serde_json::Value;
use url::Url;

use super::{Refusal, Request, Session};
use crate::client::Broken;

/// One login's requests outside of the pages, and the way that it took.
pub(super) struct CodeFlow {
    http: reqwest::Client,
    /// The requests on the way, without queries and bodies.
    pub(super) trace: Vec<String>,
}

/// What discovery says.
pub(super) struct Discovery {
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
}

/// A request for authorization that is under way.
pub(super) struct Authorization {
    /// Where the pages begin.
    pub(super) url: Url,
    redirect_uri: String,
    state: String,
}

/// An answer to a request.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: ::http::HeaderMap,
    pub(super) body: String,
}

impl CodeFlow {
    /// Nothing sent yet.
    pub(super) fn new(http: reqwest::Client) -> Self {
        Self {
            http,
            trace: Vec::new(),
        }
    }

    /// Asks `issuer` for its endpoints.
    pub(super) async fn discover(&mut self, issuer: &str) -> Result<Discovery, Refusal> {
        let url = super::discovery_url(issuer);
        let answer = self.send(Method::GET, &parse(&url)?, None, None).await?;
        let document: Value = serde_json::from_str(&answer.body)
            .map_err(|error| Broken::new(&url, format!("{}, not JSON: {error}", answer.status)))?;
        let text = |name: &str| {
            document[name]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| Broken::new(&url, format!("{} without {name}", answer.status)))
        };
        if text("issuer")? != issuer {
            return Err(Broken::new(&url, "the issuer in it is another one").into());
        }
        Ok(Discovery {
            authorization_endpoint: text("authorization_endpoint")?,
            token_endpoint: text("token_endpoint")?,
        })
    }

    /// The code that the pages ended with, out of the address that they ended
    /// at.
    pub(super) fn code_of(
        &mut self,
        callback: &Url,
        authorization: &Authorization,
    ) -> Result<String, Refusal> {
        let get = |name: &str| {
            callback
                .query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        if let Some(error) = get("error") {
            let text = match get("error_description") {
                Some(description) => format!("{error}: {description}"),
                None => error,
            };
            return Err(self.refused(text));
        }
        if get("state").as_deref() != Some(&authorization.state) {
            return Err(Broken::new("the callback", "the state is not the one sent").into());
        }
        get("code").ok_or_else(|| Broken::new("the callback", "there is no code in it").into())
    }

    /// Exchanges the code.
    pub(super) async fn exchange(
        &mut self,
        discovery: &Discovery,
        request: &Request,
        code: &str,
    ) -> Result<Session, Refusal> {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", request.client_id.as_str()),
            ("code", code),
            ("redirect_uri", &request.redirect_uri),
        ];
        self.token(discovery, &form).await
    }

    /// Asks for tokens.
    pub(super) async fn token(
        &mut self,
        discovery: &Discovery,
        form: &[(&str, &str)],
    ) -> Result<Session, Refusal> {
        let url = parse(&discovery.token_endpoint)?;
        let fields: Vec<(String, String)> = form
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let sent = self.send(Method::POST, &url, None, Some(&fields)).await?;
        let answer: Value = serde_json::from_str(&sent.body).map_err(|error| {
            Broken::new(
                &discovery.token_endpoint,
                format!("{}, not JSON: {error}", sent.status),
            )
        })?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        if let Some(error) = text("error") {
            return Err(self.refused(error));
        }
        let missing = |name: &str| {
            Broken::new(
                &discovery.token_endpoint,
                format!("no {name} in the answer"),
            )
        };
        Ok(Session {
            id_token: Secret::new(text("id_token").ok_or_else(|| missing("id_token"))?),
            access_token: Some(Secret::new(
                text("access_token").ok_or_else(|| missing("access_token"))?,
            )),
            refresh_token: text("refresh_token").map(Secret::new),
            password_changed: false,
            trace: std::mem::take(&mut self.trace),
        })
    }

    /// Sends one request, with these cookies and this form, and notes it.
    pub(super) async fn send(
        &mut self,
        method: Method,
        url: &Url,
        cookies: Option<String>,
        form: Option<&[(String, String)]>,
    ) -> Result<Answer, Refusal> {
        let what = format!("{method} {}", without_query(url));
        let mut request = self.http.request(method, url.clone());
        if let Some(cookies) = cookies {
            request = request.header("cookie", cookies);
        }
        if let Some(form) = form {
            request = request.form(form);
        }
        let broken = |error: reqwest::Error| Broken::new(&what, crate::client::chain(&error));
        let response = request.send().await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        self.trace.push(format!("{what} → {}", status.as_u16()));
        let body = response.text().await.map_err(broken)?;
        if status.is_server_error() {
            let text = super::http::complaint(&body);
            return Err(Broken::new(&what, format!("{status}: {text}")).into());
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// A refusal in the provider's words, with the way that led to it.
    pub(super) fn refused(&mut self, because: String) -> Refusal {
        Refusal::Refused {
            because,
            trace: std::mem::take(&mut self.trace),
        }
    }
}

impl Authorization {
    /// Begins one, with a state and a nonce of its own.
    pub(super) fn new(discovery: &Discovery, request: &Request) -> Result<Self, Broken> {
        let state = uuid::Uuid::new_v4().to_string();
        let nonce = uuid::Uuid::new_v4().to_string();
        let mut url = parse(&discovery.authorization_endpoint)?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &request.client_id),
            ("redirect_uri", &request.redirect_uri),
            ("scope", &request.scope),
            ("state", &state),
            ("nonce", &nonce),
        ]);
        Ok(Self {
            url,
            redirect_uri: request.redirect_uri.clone(),
            state,
        })
    }

    /// Whether `url` is where the provider was to return to.
    pub(super) fn is_callback(&self, url: &Url) -> bool {
        returns_to(&self.redirect_uri, url)
    }
}

/// Whether `url` is at `redirect_uri`, whatever its query.
pub(super) fn returns_to(redirect_uri: &str, url: &Url) -> bool {
    Url::parse(redirect_uri)
        .is_ok_and(|wanted| wanted.origin() == url.origin() && wanted.path() == url.path())
}

/// An address, or a rig that has none.
pub(super) fn parse(url: &str) -> Result<Url, Broken> {
    Url::parse(url).map_err(|error| Broken::new(url, error))
}

/// An address as far as it may be told.
pub(super) fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
