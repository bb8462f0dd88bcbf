//! The control calls of a running rig, as a client: what a test needs and no
//! real provider has, over HTTPS all the same.

use foundation::secret::Secret;
use http::{Method, StatusCode};
use mock_idp::forge::{Forged, Forgery};
use serde_json::{Value, json};

use crate::client::{Broken, chain};

/// A client of a running rig's control calls, the provider's among them.
#[derive(Clone)]
pub struct Control {
    http: reqwest::Client,
    origin: String,
    token: Secret<String>,
}

/// What is to be forged, out of what.
pub struct Order<'a> {
    /// What is changed.
    pub word: Forgery,
    /// Somebody's ID token.
    pub id: &'a Secret<String>,
    /// The access token that came along with it.
    pub access: Option<&'a Secret<String>>,
    /// The claim that the cluster names users by.
    pub username_claim: &'a str,
    /// The claim that it takes groups from.
    pub groups_claim: Option<&'a str>,
}

/// Why there is no forged token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotForged {
    /// It cannot be made of this token.
    #[error("{0}")]
    Impossible(String),
    /// The provider did not answer.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Control {
    /// The control calls of the rig at `origin`, through `http`, which trusts
    /// its CA.
    pub fn new(http: reqwest::Client, origin: &str, token: Secret<String>) -> Self {
        Self {
            http,
            origin: origin.to_owned(),
            token,
        }
    }

    /// One call; any status is an answer.
    ///
    /// # Errors
    /// [`Broken`] when there is none, or none that is JSON.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Broken> {
        let what = format!("{method} {path}");
        let broken = |error: reqwest::Error| Broken::new(&what, chain(&error));
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.origin))
            .bearer_auth(self.token.expose());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        Ok((status, response.json().await.map_err(broken)?))
    }

    /// Forged tokens, the one that the word means by itself first.
    ///
    /// # Errors
    /// [`NotForged`].
    pub async fn forge(&self, order: &Order<'_>) -> Result<Vec<Forged>, NotForged> {
        const PATH: &str = "/_rolecall/forge";
        let body = json!({
            "word": order.word.word(),
            "token": order.id.expose(),
            "access_token": order.access.map(Secret::expose),
            "username_claim": order.username_claim,
            "groups_claim": order.groups_claim,
        });
        let (status, answer) = self.call(Method::POST, PATH, Some(&body)).await?;
        if status.is_success() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let tokens = answer["tokens"].as_array().into_iter().flatten();
            return Ok(tokens
                .map(|one| Forged {
                    variant: text(&one["variant"]),
                    token: text(&one["token"]).into(),
                })
                .collect());
        }
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        Err(if status == StatusCode::BAD_REQUEST {
            NotForged::Impossible(message)
        } else {
            Broken::new(PATH, format!("{status}: {message}")).into()
        })
    }
}
