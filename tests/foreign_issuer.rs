//! An issuer that is not ours: another process (this one), another CA, keys
//! of another kind, trusted the same way over HTTPS alone.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foundation::listen::Listener;
use foundation::pki::Ca;
use harness::cluster::Kind;
use http::StatusCode;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::ledger::Stop;
use crate::programs;
use crate::rig::{Up, block_on, check, fed};

/// An issuer of somebody else's.
pub struct Issuer {
    /// Its `iss`.
    pub url: String,
    /// Its own CA.
    pub ca_pem: String,
    key: RsaKeyPair,
    published: Arc<Published>,
    shutdown: CancellationToken,
    _runtime: tokio::runtime::Runtime,
}

/// What it serves at its `jwks_uri`.
#[derive(Default)]
struct Published {
    keys: Mutex<(Value, Option<&'static str>)>,
    requests: AtomicUsize,
}

impl Published {
    /// A key, and for how long that is said to hold (`Cache-Control`).
    fn put(&self, key: &RsaKeyPair, id: &str, fresh: Option<&'static str>) {
        self.put_set(jwks(key, id), fresh);
    }

    fn put_set(&self, keys: Value, fresh: Option<&'static str>) {
        *self.keys.lock().expect("nobody panics with it") = (keys, fresh);
    }

    fn answer(&self) -> axum::response::Response {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (keys, fresh) = self.keys.lock().expect("nobody panics with it").clone();
        if keys.is_null() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let fresh = fresh.map(|fresh| [(http::header::CACHE_CONTROL, fresh)]);
        (fresh, json_answer(&keys)).into_response()
    }

    /// Has none to give from now on.
    fn fail(&self) {
        self.put_set(Value::Null, None);
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Issuer {
    /// Starts it on loopback.
    pub fn start() -> Result<Self, Stop> {
        Self::start_at(Ipv4Addr::LOCALHOST)
    }

    /// Starts it where a kind of cluster finds it.
    pub fn start_for(kind: Kind) -> Result<Self, Stop> {
        match kind {
            Kind::Embedded | Kind::ControlPlane | Kind::Existing => Self::start(),
            Kind::Kind => {
                crate::programs::kind()?;
                let gateway = block_on(harness::cluster::kind::gateway());
                Self::start_at(gateway.map_err(|missing| missing.to_string())?)
            }
        }
    }

    fn start_at(address: Ipv4Addr) -> Result<Self, Stop> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let key = new_key()?;
        let now = jiff::Timestamp::now();
        let ca = Ca::new("a foreign CA", now).map_err(|error| error.to_string())?;
        let leaf = ca
            .issue_server(&[&address.to_string()], now)
            .map_err(|error| error.to_string())?;
        let tls = leaf.server_config().map_err(|error| error.to_string())?;
        let listener = runtime
            .block_on(Listener::bind((address, 0).into()))
            .map_err(|error| error.to_string())?;
        let url = format!("https://{}/realms/corp", listener.addr());
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        let published = Arc::new(Published::default());
        published.put(&key, "corp-1", None);
        let keys = Arc::clone(&published);
        // Both are elsewhere, as a proxy before an issuer has it.
        let router = axum::Router::new()
            .route(
                "/realms/corp/.well-known/openid-configuration",
                get(|| async { leads_to(302, "../discovery") }),
            )
            .route(
                "/realms/corp/discovery",
                get(move || async move { json_answer(&discovery) }),
            )
            .route(
                "/realms/corp/keys",
                get(|| async { leads_to(307, "/moved/keys") }),
            )
            .route("/moved/keys", get(move || async move { keys.answer() }));
        let shutdown = CancellationToken::new();
        runtime.spawn(listener.serve(tls, router, shutdown.clone()));
        Ok(Self {
            url,
            ca_pem: ca.pem().to_owned(),
            key,
            published,
            shutdown,
            _runtime: runtime,
        })
    }

    /// Signs claims.
    pub fn token(&self, claims: &Value) -> Result<String, Stop> {
        sign(&self.key, "corp-1", claims)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn new_key() -> Result<RsaKeyPair, Stop> {
    RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(|error| error.to_string().into())
}

fn sign(key: &RsaKeyPair, id: &str, claims: &Value) -> Result<String, Stop> {
    let header = json!({"alg": "RS256", "kid": id, "typ": "JWT"});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", encode(&header), encode(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        input.as_bytes(),
        &mut signature,
    )
    .map_err(|error| error.to_string())?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn jwks(key: &RsaKeyPair, id: &str) -> Value {
    let public =
        rsa::PublicKey::from_pkcs1_der(key.public_key().as_ref()).expect("a key of our own");
    json!({"keys": [{
        "kty": "RSA", "kid": id, "use": "sig", "alg": "RS256",
        "n": URL_SAFE_NO_PAD.encode(public.n_bytes()),
        "e": URL_SAFE_NO_PAD.encode(public.e_bytes()),
    }]})
}

fn leads_to(status: u16, location: &'static str) -> impl IntoResponse {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(http::header::LOCATION, location)])
}

fn json_answer(value: &Value) -> ([(http::HeaderName, &'static str); 1], String) {
    (
        [(http::header::CONTENT_TYPE, "application/json")],
        value.to_string(),
    )
}

fn associate(up: &Up, issuer: &Issuer) -> Result<(), Stop> {
    asked_to_trust(up, issuer)?;
    up.await_active("corp")
}

fn asked_to_trust(up: &Up, issuer: &Issuer) -> Result<(), Stop> {
    up.associate(json!({
        "identityProviderConfigName": "corp", "issuerUrl": issuer.url, "clientId": "kubernetes",
        "usernameClaim": "sub", "usernamePrefix": "corp:",
        "groupsClaim": "roles", "groupsPrefix": "corp:",
    }))
}

/// Those of somebody whom the cluster would let in.
pub fn claims(issuer: &Issuer) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({
        "iss": issuer.url, "aud": "kubernetes", "sub": "grace", "roles": ["ops"],
        "iat": now, "exp": now + 600,
    })
}

/// Of an instance that was started with the issuer's CA as its machine's own.
pub fn trusted(up: &Up, issuer: &Issuer) -> Result<(), Stop> {
    let token = issuer.token(&claims(issuer))?;
    up.kubectl_as("v1.37", &token, &["auth", "whoami"])?
        .refused()?;
    associate(up, issuer)?;
    let whoami = up
        .kubectl_as("v1.37", &token, &["auth", "whoami", "-o", "json"])?
        .ok()?
        .json()?;
    let user = &whoami["status"]["userInfo"];
    check(user["username"] == "corp:grace", || user.to_string())?;
    check(
        user["groups"] == json!(["corp:ops", "system:authenticated"]),
        || user.to_string(),
    )?;
    check(issuer.published.requests() > 0, || {
        "nobody asked the issuer for its keys".to_owned()
    })?;
    if up.ready().cluster_kind != Kind::Embedded.name() {
        der_is_no_signature(up, issuer)?;
    }
    keys_are_fetched_again(up, issuer)?;
    // Claims of the same issuer under another key are nobody's.
    let impostor = Issuer::start()?;
    let forged = impostor.token(&claims(issuer))?;
    up.kubectl_as("v1.37", &forged, &["auth", "whoami"])?
        .refused()?;
    up.disassociate("corp")
}

/// An ECDSA signature in DER is refused by who takes ECDSA (RFC 7518 section 3.4),
/// which EKS, and the embedded cluster, do not.
fn der_is_no_signature(up: &Up, issuer: &Issuer) -> Result<(), Stop> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .map_err(|error| error.to_string())?;
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "corp-ec", "use": "sig", "alg": "ES256",
        "x": encode(x), "y": encode(y),
    });
    issuer.published.put_set(json!({"keys": [jwk]}), None);
    let header = json!({"alg": "ES256", "kid": "corp-ec"}).to_string();
    let input = [header, claims(issuer).to_string()].map(|part| encode(part.as_bytes()));
    let input = input.join(".");
    let signature = key.sign(&random, input.as_bytes());
    let signature = signature.map_err(|error| error.to_string())?;
    let token = format!("{input}.{}", encode(signature.as_ref()));
    let ca = up.scratch().join("corp.crt");
    std::fs::write(&ca, &issuer.ca_pem).map_err(|error| error.to_string())?;
    let mut attack = Command::new(programs::rolecall());
    attack
        .args(["attack", "--json", "--token", "-", "--kubeconfig"])
        .arg(up.dir().join("admin.kubeconfig"))
        .arg("--ca")
        .arg(ca)
        .arg("der-signature");
    let run = fed(attack, &token)?.ok()?;
    let report = run.json()?;
    check(
        report["person"]["username"] == "corp:grace" && report["refused"] == 1,
        || run.to_string(),
    )
}

/// For a token of a key that is not known, unless what is known still holds
/// (go-oidc, `RemoteKeySet.verify`).
fn keys_are_fetched_again(up: &Up, issuer: &Issuer) -> Result<(), Stop> {
    let whoami = |key: &RsaKeyPair, id: &str| {
        let token = sign(key, id, &claims(issuer))?;
        up.kubectl_as("v1.37", &token, &["auth", "whoami"])
    };
    let (second, third) = (new_key()?, new_key()?);
    issuer
        .published
        .put(&second, "corp-2", Some("max-age=3600"));
    whoami(&second, "corp-2")?.ok()?;
    let fetched = issuer.published.requests();
    issuer.published.put(&third, "corp-3", None);
    whoami(&third, "corp-3")?.refused()?;
    check(issuer.published.requests() == fetched, || {
        "keys that hold for an hour were fetched again".to_owned()
    })?;
    // What is known is taken, though it is published no more.
    whoami(&second, "corp-2")?.ok().map(drop)
}

/// An issuer that is there, and whose keys are not.
pub fn without_keys(up: &Up, issuer: &Issuer) -> Result<(), Stop> {
    issuer.published.fail();
    trusted_in_vain(up, issuer)?;
    check(issuer.published.requests() > 0, || {
        "nobody asked the issuer for its keys".to_owned()
    })?;
    issuer.published.put(&issuer.key, "corp-1", None);
    up.disassociate("corp")
}

/// An issuer whose CA nobody knows. A real API server keeps the configuration from
/// before, then, and tries again at each poll.
pub fn untrusted(up: &Up) -> Result<(), Stop> {
    let on_kind = up.ready().cluster_kind == Kind::Kind.name();
    let issuer = Issuer::start_for(if on_kind { Kind::Kind } else { Kind::Embedded })?;
    trusted_in_vain(up, &issuer)?;
    check(issuer.published.requests() == 0, || {
        "keys were fetched past the CA".to_owned()
    })?;
    up.disassociate("corp")
}

/// An association with an issuer that cannot be had: it becomes active, as on EKS,
/// lets nobody in, and `status` says why.
fn trusted_in_vain(up: &Up, issuer: &Issuer) -> Result<(), Stop> {
    asked_to_trust(up, issuer)?;
    // An association may have been told to take its time; a reload is given up after
    // a minute, which no clock of ours shortens.
    up.control("POST", "clock", &json!({"advance": "1m"}))?;
    up.await_active("corp")?;
    let token = issuer.token(&claims(issuer))?;
    up.kubectl_as("v1.37", &token, &["auth", "whoami"])?
        .refused()?;
    let dir = up.dir().display().to_string();
    crate::rig::rolecall(&["status", "--dir", &dir])?
        .ok()?
        .says("the issuer's keys cannot be had")
        .map(drop)
}
