//! An issuer of our own on a real HTTPS listener, and requests to the server
//! without one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use foundation::clock::{Clock, pause};
use foundation::listen::{Listener, Peer};
use foundation::pki::Ca;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use kube_authn::config::AuthenticationConfiguration;
use mock_apiserver::audit::{AuditSink, Memory};
use mock_apiserver::{ApiServer, Config, Timing};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The time all tests start at.
pub const START: &str = "2026-11-23T10:00:00Z";

/// Lets what is due happen: fetches are on real sockets, and whoever sleeps by
/// the clock has to be asleep before it moves.
pub async fn settle() {
    pause(Duration::from_millis(100)).await;
}

/// A signing key with an id.
pub struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
        }
    }

    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..])})
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({}), claims)
    }

    /// Signs with more in the token's header.
    pub fn sign_with(&self, more: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        let mut head = json!({"alg": "ES256", "kid": self.id});
        for (key, value) in more.as_object().into_iter().flatten() {
            head[key] = value.clone();
        }
        let head = part(&head);
        let input = format!("{head}.{}", part(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .expect("a signature");
        format!("{input}.{}", BASE64.encode(signature.as_ref()))
    }
}

/// What the issuer serves; shared with its listener.
#[derive(Default)]
pub struct Served {
    pub discovery: Mutex<Value>,
    pub keys: Mutex<Value>,
    /// `Cache-Control` of the key set; none where it is empty.
    pub cache_control: Mutex<String>,
    /// Whether everything is answered 503.
    pub down: std::sync::atomic::AtomicBool,
    /// What is at `/pool/groups`, as it stands; a 503 where it is empty.
    pub claim: Mutex<String>,
    /// The Authorization of each request for it.
    pub authorizations: Mutex<Vec<String>>,
    pub discoveries: AtomicUsize,
    pub fetches: AtomicUsize,
}

pub struct Issuer {
    pub url: String,
    pub key: Key,
    pub served: Arc<Served>,
    pub roots: RootCertStore,
    /// The certificate that `roots` trusts.
    pub ca: String,
    shutdown: CancellationToken,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Issuer {
    pub async fn start() -> Self {
        // TLS goes by the machine's own time.
        let now = Clock::system().now();
        let ca = Ca::new("edge", now).expect("a CA");
        let leaf = ca.issue_server(&["127.0.0.1"], now).expect("a leaf");
        let listener = Listener::bind(([127, 0, 0, 1], 0).into())
            .await
            .expect("a free port");
        let url = format!("https://{}/pool", listener.addr());
        let key = Key::new("k1");
        let served = Arc::new(Served::default());
        *served.discovery.lock().expect("no panic") =
            json!({"issuer": url, "jwks_uri": format!("{url}/jwks.json")});
        *served.keys.lock().expect("no panic") = json!({"keys": [key.jwk()]});
        *served.cache_control.lock().expect("no panic") = "max-age=3600".to_owned();
        let shutdown = CancellationToken::new();
        let shared = Arc::clone(&served);
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = answer(&shared, &request);
            async move { Ok::<_, std::convert::Infallible>(answer) }
        });
        let tls = leaf.server_config().expect("a TLS configuration");
        tokio::spawn(listener.serve(tls, service, shutdown.clone()));
        Self {
            url,
            key,
            served,
            roots: ca.roots().expect("roots"),
            ca: ca.pem().to_owned(),
            shutdown,
        }
    }

    pub fn publish(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        *self.served.keys.lock().expect("no panic") = json!({"keys": keys});
    }

    pub fn configuration(&self) -> AuthenticationConfiguration {
        configuration(&self.url)
    }

    /// A good token of `email` in `groups`, valid for an hour from `START`.
    pub fn token(&self, email: &str, groups: &[&str]) -> String {
        self.key.sign(&self.claims(email, groups))
    }

    pub fn claims(&self, email: &str, groups: &[&str]) -> Value {
        let start: jiff::Timestamp = START.parse().expect("a time");
        json!({"iss": self.url, "aud": "kubernetes", "sub": "s-1", "email": email,
            "groups": groups, "exp": start.as_second() + 3600})
    }
}

pub fn configuration(issuer: &str) -> AuthenticationConfiguration {
    AuthenticationConfiguration::from_json(
        &json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
            "jwt": [{"issuer": {"url": issuer, "audiences": ["kubernetes"]},
                "claimMappings": {"username": {"claim": "email", "prefix": ""},
                    "groups": {"claim": "groups", "prefix": "oidc:"}}}]})
        .to_string(),
    )
    .expect("a valid configuration")
}

fn answer(served: &Served, request: &Request<Body>) -> Response {
    if request.uri().path() == "/pool/groups" {
        return claim(served, request.headers());
    }
    let document = match request.uri().path() {
        path if path.ends_with("/.well-known/openid-configuration") => {
            served.discoveries.fetch_add(1, Ordering::SeqCst);
            served.discovery.lock().expect("no panic").clone()
        }
        "/pool/jwks.json" => {
            served.fetches.fetch_add(1, Ordering::SeqCst);
            served.keys.lock().expect("no panic").clone()
        }
        _ => Value::Null,
    };
    let down = served.down.load(Ordering::SeqCst);
    let mut response = Response::new(Body::from(document.to_string()));
    if down || document.is_null() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        "application/json".parse().expect("a header"),
    );
    let cache = served.cache_control.lock().expect("no panic");
    if !cache.is_empty() {
        headers.insert("cache-control", cache.parse().expect("a header"));
    }
    response
}

fn claim(served: &Served, headers: &HeaderMap) -> Response {
    let authorization = headers
        .get("authorization")
        .map(|v| v.to_str().expect("text"));
    let mut authorizations = served.authorizations.lock().expect("no panic");
    authorizations.push(authorization.unwrap_or_default().to_owned());
    let claim = served.claim.lock().expect("no panic").clone();
    let code = if claim.is_empty() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let mut response = Response::new(Body::from(claim));
    *response.status_mut() = code;
    response
}

/// A server on a clock that stands still, and what it recorded.
pub struct Cluster {
    pub server: ApiServer,
    pub audit: Arc<Memory>,
    pub clock: Clock,
}

pub fn cluster(timing: Timing) -> Cluster {
    cluster_of(Config {
        timing,
        ..Config::default()
    })
}

/// A server of this configuration, but for clock and audit.
pub fn cluster_of(config: Config) -> Cluster {
    let clock = Clock::fixed(START.parse().expect("a time"));
    let audit = Arc::new(Memory::default());
    let server = ApiServer::new(Config {
        clock: clock.clone(),
        audit: AuditSink::new(audit.clone()),
        ..config
    });
    Cluster {
        server,
        audit,
        clock,
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e} in {:?}", self.text))
    }
}

/// A request under way.
pub struct Ask<'a> {
    cluster: &'a Cluster,
    builder: http::request::Builder,
    body: Vec<u8>,
}

impl Cluster {
    pub fn ask(&self, method: &str, uri: &str) -> Ask<'_> {
        Ask {
            cluster: self,
            builder: Request::builder().method(method).uri(uri),
            body: Vec::new(),
        }
    }

    pub fn get(&self, uri: &str) -> Ask<'_> {
        self.ask("GET", uri)
    }

    pub fn post(&self, uri: &str, body: &Value) -> Ask<'_> {
        self.ask("POST", uri).body(body.to_string())
    }

    pub async fn trust(&self, issuer: &Issuer) {
        self.server
            .set_authentication(issuer.configuration(), None, issuer.roots.clone())
            .expect("a valid configuration");
        self.server.issuers_ready().await.expect("a healthy issuer");
    }

    /// `TokenReview.status` of a token, asked as admin.
    pub async fn token_review(&self, token: &str) -> Value {
        let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}});
        let answer = self
            .post("/apis/authentication.k8s.io/v1/tokenreviews", &review)
            .admin()
            .send()
            .await;
        assert_eq!(answer.code, 201, "{}", answer.text);
        answer.json()["status"].clone()
    }

    /// Lets time go by, in steps of which none is longer than anybody sleeps.
    pub async fn later(&self, seconds: u64) {
        for _ in 0..seconds / 5 {
            self.advance(5);
            settle().await;
        }
    }

    pub fn advance(&self, seconds: u64) {
        self.clock
            .advance(Duration::from_secs(seconds))
            .expect("a movable clock");
    }
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// As the holder of a client certificate of `name` in `group`.
    pub fn certificate(mut self, name: &str, group: Option<&str>) -> Self {
        let now = Clock::system().now();
        let ca = Ca::new("cluster", now).expect("a CA");
        let leaf = ca.issue_client(name, group, now).expect("a leaf");
        let certificates: Arc<[CertificateDer<'static>]> = Arc::from([leaf.certificate]);
        self.builder = self.builder.extension(Peer {
            addr: ([127, 0, 0, 1], 1234).into(),
            certificates,
        });
        self
    }

    pub fn admin(self) -> Self {
        self.certificate("kubernetes-admin", Some("system:masters"))
    }

    pub async fn send(self) -> Answer {
        let request = self
            .builder
            .body(Body::from(self.body))
            .expect("a valid request");
        let service = self.cluster.server.service();
        let response = service.oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

/// What TokenReview says of a token that an authenticator refused: the API
/// server's own token is looked for first, and not found
/// (`pkg/server/config.go: AuthorizeClientBearerToken`).
pub fn refusal(reason: &str) -> String {
    let first = "invalid bearer token";
    if reason == first {
        first.to_owned()
    } else {
        format!("[{first}, {reason}]")
    }
}
