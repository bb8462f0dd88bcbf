//! HTTP clients of our own for the three APIs in the chain: Cognito's and
//! EKS' (through the front door) and Kubernetes'. Small on purpose: they send
//! and receive JSON over kept-alive HTTPS, so that every answer in a report
//! is one that was received.

use std::sync::Arc;
use std::time::Duration;

use foundation::clock::Clock;
use foundation::pki;
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mock_idp::address;
use serde_json::{Value, json};
use url::Url;

use crate::aws::keys::AccessKey;
use crate::aws::sigv4;

/// How long any single answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The way to other machines.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// `http://HOST:PORT`; none: straight there.
    pub url: Option<String>,
    /// As in `NO_PROXY`. This machine's own names never go by a proxy.
    pub except: String,
}

/// The rig, not the product, is at fault: nothing was answered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct Broken {
    /// What was asked.
    pub what: String,
    /// Why there is no answer.
    pub reason: String,
}

impl Broken {
    /// Says what was asked and why there is no answer.
    pub fn new(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}

/// An HTTPS client that trusts `roots` alone and follows no redirect. It asks
/// no proxy but `via`, and that for other machines' names only.
///
/// # Errors
/// [`Broken`] when TLS cannot be set up.
pub fn https(
    roots: rustls::RootCertStore,
    identity: Option<&pki::Leaf>,
    via: Option<&str>,
) -> Result<reqwest::Client, Broken> {
    let broken = |error: &dyn std::fmt::Display| Broken::new("set up an HTTPS client", error);
    let tls = match identity {
        None => pki::client_config(roots).map_err(|e| broken(&e))?,
        Some(leaf) => pki::client_config_with_identity(roots, leaf).map_err(|e| broken(&e))?,
    };
    over(tls, via, "")
}

/// As [`https`], over `tls`; names of `except` (as in `NO_PROXY`) go by no proxy.
pub(crate) fn over(
    mut tls: rustls::ClientConfig,
    via: Option<&str>,
    except: &str,
) -> Result<reqwest::Client, Broken> {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(LIMIT);
    through(client, via, except)
        .and_then(reqwest::ClientBuilder::build)
        .map_err(|error| Broken::new("set up an HTTPS client", error))
}

/// `client` with the proxy `via` and no other, for HTTPS; this machine's own
/// names, the proxy's, and those of `except` (as in `NO_PROXY`) go by none.
pub(crate) fn through(
    client: reqwest::ClientBuilder,
    via: Option<&str>,
    except: &str,
) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    let client = client.no_proxy();
    let Some(via) = via else {
        return Ok(client);
    };
    let own = Url::parse(via).ok();
    let own = own.as_ref().and_then(Url::host_str).unwrap_or_default();
    let except = reqwest::NoProxy::from_string(&format!("127.0.0.1,localhost,::1,{own},{except}"));
    Ok(client.proxy(reqwest::Proxy::https(via)?.no_proxy(except)))
}

/// What this machine trusts: `SSL_CERT_FILE`'s certificates, or the system's.
pub(crate) fn system_roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The machine's own roots, as PEM: from `SSL_CERT_FILE`, or where Debian, Red
/// Hat, Alpine and macOS keep them (the list of Go's crypto/x509).
pub(crate) fn system_roots_pem() -> String {
    let places = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    std::env::var("SSL_CERT_FILE")
        .into_iter()
        .chain(places.map(str::to_owned))
        .find_map(|place| std::fs::read_to_string(place).ok())
        .map(|mut text| {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text
        })
        .unwrap_or_default()
}

/// A client for a program of ours on loopback. It keeps no connections, so it
/// outlives the runtime that it was first used on.
///
/// # Errors
/// [`Broken`] when TLS cannot be set up, which it does not use.
pub(crate) fn plain(limit: Duration) -> Result<reqwest::Client, Broken> {
    let broken = |error: &dyn std::fmt::Display| Broken::new("set up an HTTP client", error);
    let tls = pki::client_config(rustls::RootCertStore::empty()).map_err(|e| broken(&e))?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(limit)
        .build()
        .map_err(|e| broken(&e))
}

/// Why an AWS API refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AwsError {
    /// It answered with an error of the protocol.
    #[error("{kind}: {message}")]
    Refused {
        /// For example `NotAuthorizedException`.
        kind: String,
        /// The sentence for people.
        message: String,
    },
    /// It did not answer.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Where AWS' services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// All at one front door, as with `AWS_ENDPOINT_URL`.
    Origin(String),
    /// Each at its own host of AWS'.
    Aws,
}

/// Whether this is why a cluster has not even looked at whose a token is: it
/// has not got the issuer's keys. That is no refusal.
pub fn lacks_keys(reason: &str) -> bool {
    reason.contains("authenticator not initialized") || reason.contains("fetching keys")
}

/// A client of the Cognito and EKS APIs.
#[derive(Clone)]
pub struct AwsClient {
    http: reqwest::Client,
    endpoint: Endpoint,
    region: String,
    key: AccessKey,
    clock: Clock,
}

impl AwsClient {
    /// A client that signs as `key`.
    pub fn new(
        http: reqwest::Client,
        endpoint: Endpoint,
        region: &str,
        key: AccessKey,
        clock: Clock,
    ) -> Self {
        Self {
            http,
            endpoint,
            region: region.to_owned(),
            key,
            clock,
        }
    }

    /// Calls a Cognito operation.
    ///
    /// # Errors
    /// As the service answers, or [`Broken`].
    pub async fn cognito(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        self.send("cognito-idp", Method::POST, "/", &headers, input)
            .await
    }

    /// Calls an EKS operation.
    ///
    /// # Errors
    /// As the service answers, or [`Broken`].
    pub async fn eks(&self, method: Method, path: &str, input: &Value) -> Result<Value, AwsError> {
        self.send(
            "eks",
            method,
            path,
            &[("content-type", "application/json")],
            input,
        )
        .await
    }

    async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        input: &Value,
    ) -> Result<Value, AwsError> {
        let what = format!("{service} {method} {path}");
        let origin = match &self.endpoint {
            Endpoint::Origin(origin) => origin.clone(),
            Endpoint::Aws => format!("https://{}", address::service_host(service, &self.region)),
        };
        let url: Url = format!("{origin}{path}")
            .parse()
            .map_err(|error| Broken::new(&what, error))?;
        let body = if method == Method::GET {
            String::new()
        } else {
            input.to_string()
        };
        let (date, authorization) = sigv4::sign(
            &self.key.id,
            &self.key.secret,
            (&self.region, service),
            (method.as_str(), &url),
            body.as_bytes(),
            self.clock.now(),
        );
        let mut request = self
            .http
            .request(method, url)
            .header("x-amz-date", date)
            .header("authorization", authorization)
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request
            .send()
            .await
            .map_err(|e| Broken::new(&what, chain(&e)))?;
        let status = response.status();
        let kind = response
            .headers()
            .get("x-amzn-errortype")
            .and_then(|value| value.to_str().ok())
            .map(|value| value.trim_end_matches(':').to_owned());
        let bytes = response
            .bytes()
            .await
            .map_err(|e| Broken::new(&what, chain(&e)))?;
        let answer: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .map_err(|e| Broken::new(&what, format!("{status}, not JSON: {e}")))?
        };
        if status.is_success() {
            return Ok(answer);
        }
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        if status.is_server_error() {
            return Err(Broken::new(&what, format!("{status}: {answer}")).into());
        }
        Err(AwsError::Refused {
            kind: text("__type")
                .or(kind)
                .unwrap_or_else(|| status.to_string()),
            message: text("message").unwrap_or_default(),
        })
    }
}

/// Who a Kubernetes request is from.
#[derive(Clone, Debug)]
pub enum As {
    /// The administrator.
    Admin,
    /// A bearer token.
    Bearer(Secret<String>),
    /// Somebody for whom the administrator asks.
    Impersonated(kube_authn::User),
}

/// What brings an administrator's bearer token, a fresh one where it is needed.
pub trait TokenSource: Send + Sync {
    /// The token.
    fn token(&self) -> BoxFuture<'_, Result<Secret<String>, Broken>>;

    /// Whether there may be another one, now that the cluster refuses this.
    fn refused(&self, _token: &Secret<String>) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }
}

/// A token that stays.
impl TokenSource for Secret<String> {
    fn token(&self) -> BoxFuture<'_, Result<Secret<String>, Broken>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// A client of one Kubernetes API server.
#[derive(Clone)]
pub struct KubeClient {
    /// What the administrator asks with.
    pub(crate) admin: reqwest::Client,
    /// What the administrator shows, where that is no certificate.
    pub(crate) admin_token: Option<Arc<dyn TokenSource>>,
    /// What shows nothing by itself.
    pub(crate) bearer: reqwest::Client,
    /// Its base URL.
    pub(crate) endpoint: String,
    /// Whether nothing is sent that could change something.
    pub(crate) read_only: bool,
}

impl KubeClient {
    /// A client of the API server at `endpoint` behind the CA `ca_pem`.
    ///
    /// # Errors
    /// [`Broken`] when TLS cannot be set up.
    pub fn new(
        endpoint: &str,
        ca_pem: &str,
        admin: &pki::Leaf,
        via: Option<&str>,
    ) -> Result<Self, Broken> {
        let roots = pki::roots_from_pem(ca_pem)
            .map_err(|error| Broken::new("read the cluster's CA", error))?;
        Ok(Self {
            admin: https(roots.clone(), Some(admin), via)?,
            admin_token: None,
            bearer: https(roots, None, via)?,
            endpoint: endpoint.to_owned(),
            read_only: false,
        })
    }

    /// One request; any status is an answer.
    ///
    /// # Errors
    /// [`Broken`] when there is none, or none that is JSON.
    pub async fn request(
        &self,
        who: &As,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Broken> {
        if self.read_only && changes(&method, path) {
            let what = format!("{method} {path}");
            return Err(Broken::new(what, "this cluster is only read"));
        }
        let source = match who {
            As::Admin | As::Impersonated(_) => self.admin_token.as_ref(),
            As::Bearer(_) => None,
        };
        let Some(source) = source else {
            return self.send(who, None, &method, path, body).await;
        };
        let token = source.token().await?;
        let answer = self.send(who, Some(&token), &method, path, body).await?;
        if answer.0 != StatusCode::UNAUTHORIZED || !source.refused(&token).await {
            return Ok(answer);
        }
        let token = source.token().await?;
        self.send(who, Some(&token), &method, path, body).await
    }

    /// One request, with the administrator's token where there is one.
    async fn send(
        &self,
        who: &As,
        admin_token: Option<&Secret<String>>,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Broken> {
        let what = format!("{method} {path}");
        let url = format!("{}{path}", self.endpoint);
        let mut request = match who {
            As::Admin | As::Impersonated(_) => self.admin.request(method.clone(), url),
            As::Bearer(token) => {
                let request = self.bearer.request(method.clone(), url);
                request.bearer_auth(token.expose())
            }
        };
        if let Some(token) = admin_token {
            request = request.bearer_auth(token.expose());
        }
        if let As::Impersonated(user) = who {
            request = request.headers(impersonation(user).map_err(|e| Broken::new(&what, e))?);
        }
        request = request.header("accept", "application/json");
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request
            .send()
            .await
            .map_err(|e| Broken::new(&what, chain(&e)))?;
        let status = response.status();
        let bytes = response
            .bytes()
            .await
            .map_err(|e| Broken::new(&what, chain(&e)))?;
        // Who is asked to come again has learnt nothing (API Priority and Fairness).
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Err(Broken::new(&what, format!("{status}: {text}")));
        }
        let answer = serde_json::from_slice(&bytes)
            .map_err(|e| Broken::new(&what, format!("{status}, not JSON: {e}")))?;
        Ok((status, answer))
    }

    /// Whom the cluster takes `who` for (SelfSubjectReview v1).
    ///
    /// # Errors
    /// [`Broken`] when there is no answer.
    pub async fn who_is(&self, who: &As) -> Result<Result<Value, Refused>, Broken> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        self.review(who, "authentication.k8s.io", "selfsubjectreviews", &review)
            .await
    }

    /// What the cluster says of a token, asked by the administrator (TokenReview v1).
    ///
    /// # Errors
    /// [`Broken`] when there is no answer.
    pub async fn review_token(&self, token: &str) -> Result<Result<Value, Refused>, Broken> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token},
        });
        self.review(&As::Admin, "authentication.k8s.io", "tokenreviews", &review)
            .await
    }

    /// Creates a review and returns its `status`, or the refusal.
    ///
    /// # Errors
    /// [`Broken`] when there is no answer.
    pub async fn review(
        &self,
        who: &As,
        group: &str,
        resource: &str,
        body: &Value,
    ) -> Result<Result<Value, Refused>, Broken> {
        let path = format!("/apis/{group}/v1/{resource}");
        let (status, answer) = self.request(who, Method::POST, &path, Some(body)).await?;
        Ok(
            if status == StatusCode::CREATED || status == StatusCode::OK {
                Ok(answer["status"].clone())
            } else {
                Err(Refused::of(status, &answer))
            },
        )
    }
}

/// Reviews are answered and not stored, though they are created.
const REVIEWS: [&str; 6] = [
    "tokenreviews",
    "selfsubjectreviews",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
    "subjectaccessreviews",
    "localsubjectaccessreviews",
];

/// Whether a request could change something in a cluster.
fn changes(method: &Method, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    match *method {
        Method::GET | Method::HEAD => false,
        Method::POST => !REVIEWS.contains(&last),
        _ => true,
    }
}

/// `Impersonate-*` (`staging/src/k8s.io/api/authentication/v1/types.go`), without
/// which token it was: that is another right, which hardly anybody is given.
fn impersonation(user: &kube_authn::User) -> Result<HeaderMap, String> {
    if user.username.is_empty() {
        return Err("nobody is impersonated by an empty name".to_owned());
    }
    let mut headers = HeaderMap::new();
    let mut add = |name: String, value: &str| {
        let header = HeaderName::try_from(name.as_str());
        match (header, HeaderValue::from_bytes(value.as_bytes())) {
            (Ok(header), Ok(value)) => {
                headers.append(header, value);
                Ok(())
            }
            _ => Err(format!("{value:?} cannot stand in the header {name}")),
        }
    };
    add("impersonate-user".to_owned(), &user.username)?;
    if !user.uid.is_empty() {
        add("impersonate-uid".to_owned(), &user.uid)?;
    }
    for group in &user.groups {
        add("impersonate-group".to_owned(), group)?;
    }
    let extra = user.extra.iter();
    for (key, values) in extra.filter(|(key, _)| *key != kube_authn::CREDENTIAL_ID_KEY) {
        let key = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        for value in values {
            add(format!("impersonate-extra-{key}"), value)?;
        }
    }
    Ok(headers)
}

/// A Kubernetes `Status` of failure.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code} {message}")]
pub struct Refused {
    /// The HTTP status.
    pub code: u16,
    /// The sentence for people.
    pub message: String,
}

impl Refused {
    /// Reads a `Status`.
    pub fn of(status: StatusCode, answer: &Value) -> Self {
        Self {
            code: status.as_u16(),
            message: answer["message"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// An error with all its causes: reqwest's own text stops at the first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Method::GET, "/api/v1/pods", false)]
    #[case(Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews", false)]
    #[case(
        Method::POST,
        "/apis/authorization.k8s.io/v1/namespaces/a/localsubjectaccessreviews?x=y",
        false
    )]
    #[case(Method::POST, "/api/v1/namespaces", true)]
    #[case(Method::POST, "/api/v1/namespaces/a/serviceaccounts/b/token", true)]
    #[case(Method::PATCH, "/apis/authentication.k8s.io/v1/tokenreviews", true)]
    #[case(Method::DELETE, "/api/v1/pods", true)]
    #[case(Method::PUT, "/api/v1/pods/a", true)]
    fn what_could_change_something(#[case] method: Method, #[case] path: &str, #[case] is: bool) {
        assert_eq!(changes(&method, path), is);
    }

    #[test]
    fn who_is_impersonated_stands_in_headers() {
        let user = kube_authn::User {
            username: "ada@example.com".to_owned(),
            uid: "1".to_owned(),
            groups: vec!["oidc:a".to_owned(), "ü".to_owned()],
            extra: [
                ("a/b".to_owned(), vec!["c".to_owned()]),
                (
                    kube_authn::CREDENTIAL_ID_KEY.to_owned(),
                    vec!["JTI=x".to_owned()],
                ),
            ]
            .into(),
        };
        let headers = impersonation(&user).expect("headers");
        let all: Vec<_> = headers.get_all("impersonate-group").iter().collect();
        assert_eq!(all, ["oidc:a".as_bytes(), "ü".as_bytes()]);
        assert_eq!(headers["impersonate-extra-a%2fb"], "c");
        assert_eq!(headers.len(), 5);
        for name in ["a\nb", ""] {
            let wrong = kube_authn::User {
                username: name.to_owned(),
                ..user.clone()
            };
            assert!(impersonation(&wrong).is_err(), "{name:?}");
        }
    }
}
