//! The API server, shown one bearer after the other.

use std::time::Duration;

use foundation::clock::pause;
use foundation::secret::Secret;
use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use kube_authn::User;
use serde_json::{Value, json};

use crate::client::{Broken, Proxy, chain, lacks_keys};
use crate::cluster::kubeconfig::read::Kubeconfig;

/// How often a token is sent before it counts as unanswered: an API server may
/// close a connection after a refusal, and none of this changes anything there.
const TRIES: u32 = 3;

/// An API server, and who may ask it for reasons.
pub struct Target {
    url: String,
    bearer: reqwest::Client,
    /// Who asks for TokenReviews; or why nobody does.
    admin: Result<Admin, String>,
}

/// An identity that may ask for TokenReviews.
struct Admin {
    http: reqwest::Client,
    token: Option<Secret<String>>,
}

/// What came of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is taken for somebody's.
    Accepted {
        /// The HTTP status.
        status: u16,
        /// Whose.
        user: User,
    },
    /// It is not.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The sentence that came along.
        why: String,
    },
    /// Nothing was learnt.
    Broken(String),
}

impl Target {
    /// The API server of a kubeconfig's context. Where its user has a client
    /// certificate or a token, that is who asks for TokenReviews.
    ///
    /// # Errors
    /// A sentence: its certificate is not to be verified, or a credential of it
    /// cannot be read.
    pub(crate) fn new(kubeconfig: &Kubeconfig, proxy: &Proxy) -> Result<Self, String> {
        let clients = kubeconfig.clients(proxy)?;
        let token = kubeconfig.current_token()?;
        let admin = match (clients.certified, &token) {
            (Some(http), _) => Ok(Admin { http, token: None }),
            (None, Some(token)) => Ok(Admin {
                http: clients.bearer.clone(),
                token: Some(token.clone()),
            }),
            (None, None) => {
                Err("the kubeconfig's user has neither certificate nor token".to_owned())
            }
        };
        Ok(Self {
            url: kubeconfig.server.url.trim_end_matches('/').to_owned(),
            bearer: clients.bearer,
            admin,
        })
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is on this machine, where it finds the way to who waits here.
    pub fn is_here(&self) -> bool {
        let url = url::Url::parse(&self.url).ok();
        url.is_some_and(|url| match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        })
    }

    /// Whom the API server takes the bearer of a real token for.
    ///
    /// # Errors
    /// [`Broken`] where it takes it for nobody.
    pub async fn knows(&self, token: &Secret<String>) -> Result<User, Broken> {
        let why = match self.show(token).await {
            Some(Answer::Accepted { user, .. }) if !user.username.is_empty() => return Ok(user),
            Some(Answer::Accepted { .. }) => "is nobody's".to_owned(),
            Some(Answer::Refused { status, why }) => {
                let reason = match self.review(token).await {
                    Some(Answer::Refused { why, .. }) => why,
                    _ => why,
                };
                format!("is refused: {status} {reason}")
            }
            Some(Answer::Broken(why)) => format!("gets no answer: {why}"),
            None => "cannot stand in a header".to_owned(),
        };
        Err(Broken::new(
            "nothing was proven",
            format!("the real token {why}"),
        ))
    }

    /// Whether TokenReviews are answered.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub async fn reviews(&self, token: &Secret<String>) -> Result<(), String> {
        self.admin.as_ref().map_err(Clone::clone)?;
        let asked = self.review(token).await;
        let refused = || "the kubeconfig's user may not create tokenreviews".to_owned();
        asked.map(drop).ok_or_else(refused)
    }

    /// Shows a token as a bearer; none where it cannot stand in a header.
    pub async fn show(&self, token: &Secret<String>) -> Option<Answer> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let bearer = bearer(token)?;
        let sent = self
            .send(&self.bearer, "selfsubjectreviews", Some(bearer), &review)
            .await;
        Some(match sent {
            Err(why) => Answer::Broken(why),
            Ok((status, body)) => shown(status, &body),
        })
    }

    /// Asks about a token; none where nobody is there who may.
    pub async fn review(&self, token: &Secret<String>) -> Option<Answer> {
        let admin = self.admin.as_ref().ok()?;
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token.expose()},
        });
        let bearer = admin.token.as_ref().and_then(bearer);
        match self
            .send(&admin.http, "tokenreviews", bearer, &review)
            .await
        {
            Err(why) => Some(Answer::Broken(why)),
            Ok((201 | 200, body)) => Some(reviewed(&body["status"])),
            Ok((401 | 403, _)) => None,
            Ok((status, body)) => Some(Answer::Broken(format!(
                "TokenReview: {status} {}",
                body["message"].as_str().unwrap_or_default()
            ))),
        }
    }

    /// The status and what of the body is JSON.
    async fn send(
        &self,
        http: &reqwest::Client,
        resource: &str,
        bearer: Option<HeaderValue>,
        body: &Value,
    ) -> Result<(u16, Value), String> {
        let url = format!("{}/apis/authentication.k8s.io/v1/{resource}", self.url);
        let mut tried = 0;
        loop {
            let mut request = http
                .post(&url)
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
            if let Some(bearer) = &bearer {
                request = request.header(AUTHORIZATION, bearer.clone());
            }
            tried += 1;
            let answer = async {
                let answer = request.send().await?;
                Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?))
            };
            match answer.await {
                Ok((status, bytes)) => {
                    let body = serde_json::from_slice(&bytes).unwrap_or_default();
                    return Ok((status.as_u16(), body));
                }
                Err(error) if tried < TRIES && !error.is_timeout() => {
                    pause(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(chain(&error)),
            }
        }
    }
}

/// Go's servers take headers up to 1 MiB (`http.DefaultMaxHeaderBytes`), and
/// close the connection upon others.
const LONGEST_BEARER: usize = 1 << 19;

fn bearer(token: &Secret<String>) -> Option<HeaderValue> {
    if token.expose().len() > LONGEST_BEARER {
        return None;
    }
    let value = format!("Bearer {}", token.expose());
    let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A bearer that may not ask for itself has been let in all the same, and so has
/// one that became nobody: who shows a bad token is not anonymous
/// (`NewFailOnError` in kubeapiserver's `authenticator/config.go`).
fn shown(status: u16, body: &Value) -> Answer {
    let message = body["message"].as_str().unwrap_or_default();
    match status {
        200..=299 => Answer::Accepted {
            status,
            user: user(&body["status"]["userInfo"]),
        },
        403 if body["reason"] == "Forbidden" => {
            let name = message.split_once("User \"").map(|(_, rest)| rest);
            let name = name.and_then(|rest| rest.split_once('"'));
            let user = User {
                username: name.map_or_else(String::new, |(name, _)| name.to_owned()),
                ..User::default()
            };
            Answer::Accepted { status, user }
        }
        // Too much for a header is refused before it is a token.
        400 | 401 | 413 | 414 | 431 => Answer::Refused {
            status,
            why: message.to_owned(),
        },
        _ => Answer::Broken(format!("{status} {message}").trim_end().to_owned()),
    }
}

fn reviewed(status: &Value) -> Answer {
    if status["authenticated"] == true {
        return Answer::Accepted {
            status: 201,
            user: user(&status["user"]),
        };
    }
    let why = status["error"].as_str().unwrap_or("not authenticated");
    if lacks_keys(why) {
        return Answer::Broken(format!(
            "the cluster does not have the issuer's keys: {why}"
        ));
    }
    Answer::Refused {
        status: 401,
        why: why.to_owned(),
    }
}

fn user(info: &Value) -> User {
    let groups = info["groups"].as_array().into_iter().flatten();
    User {
        username: info["username"].as_str().unwrap_or_default().to_owned(),
        groups: groups
            .filter_map(|group| group.as_str().map(str::to_owned))
            .collect(),
        ..User::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn accepted(status: u16, name: &str) -> Answer {
        let user = User {
            username: name.to_owned(),
            ..User::default()
        };
        Answer::Accepted { status, user }
    }

    #[rstest]
    #[case(201, json!({"status": {"userInfo": {"username": "ada"}}}), accepted(201, "ada"))]
    #[case(200, json!(null), accepted(200, ""))]
    #[case(403, json!({"reason": "Forbidden", "message": "x is forbidden: User \"ada\" cannot create"}), accepted(403, "ada"))]
    #[case(403, json!({"reason": "Forbidden", "message": "User \"system:anonymous\" cannot"}), accepted(403, "system:anonymous"))]
    #[case(403, json!(null), Answer::Broken("403".to_owned()))]
    #[case(401, json!({"message": "Unauthorized"}), Answer::Refused { status: 401, why: "Unauthorized".to_owned() })]
    #[case(431, json!(null), Answer::Refused { status: 431, why: String::new() })]
    #[case(429, json!({"message": "slowly"}), Answer::Broken("429 slowly".to_owned()))]
    #[case(302, json!(null), Answer::Broken("302".to_owned()))]
    #[case(500, json!({"message": "ouch"}), Answer::Broken("500 ouch".to_owned()))]
    fn only_a_refusal_counts_as_one(
        #[case] status: u16,
        #[case] body: Value,
        #[case] expected: Answer,
    ) {
        assert_eq!(shown(status, &body), expected);
    }

    #[rstest]
    #[case(json!({"authenticated": true, "user": {"username": "ada"}}), accepted(201, "ada"))]
    #[case(json!({"error": "invalid bearer token"}), Answer::Refused { status: 401, why: "invalid bearer token".to_owned() })]
    fn a_review_says_why(#[case] status: Value, #[case] expected: Answer) {
        assert_eq!(reviewed(&status), expected);
    }

    #[test]
    fn a_cluster_without_keys_has_refused_nothing() {
        let status = json!({"error": "oidc: authenticator not initialized"});
        assert!(matches!(reviewed(&status), Answer::Broken(_)));
    }
}
