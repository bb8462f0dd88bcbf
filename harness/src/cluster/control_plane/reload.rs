//! Whom the API server trusts: a file that it watches, and how we know that it
//! has read it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foundation::clock::{Stopwatch, pause};
use foundation::pki;
use http::{Method, StatusCode};
use kube_authn::ConfigError;
use serde_json::{Value, json};

use super::SUCCESS_CACHE;
use super::children::Process;
use super::settings::{self, Certificates, Folder, SERVICE_ACCOUNT_ISSUER};
use crate::aws::sigv4::hex;
use crate::client::{self, As, KubeClient};
use crate::cluster::TrustError;
use crate::cluster::authn::{self, Trust};

/// `UpdateAuthenticationConfigTimeout` is a minute; a busy machine needs more.
const RELOAD_LIMIT: Duration = Duration::from_secs(90);
/// 2100, in seconds since 1970.
const NEVER: u64 = 4_102_444_800;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// `pkg/server/options/authenticationconfig/metrics`: the configuration in
/// force, and the reloads that came to nothing.
const IN_FORCE: &str = "apiserver_authentication_config_controller_last_config_info{";
const FAILURES: &str = "apiserver_authentication_config_controller_automatic_reloads_total{";

/// The watched file, and our own way to the API server.
pub struct Reload {
    file: PathBuf,
    origin: String,
    http: reqwest::Client,
    kube: KubeClient,
    /// The file's text.
    current: String,
    /// Whether it lets somebody in.
    trusts: bool,
}

impl Reload {
    /// Writes the first file, which trusts nobody.
    ///
    /// # Errors
    /// A sentence about the file or TLS.
    pub fn new(
        folder: &Folder,
        address: SocketAddr,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let file = folder.authentication();
        if let Some(folder) = file.parent() {
            std::fs::create_dir(folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let current = text(&authn::Rendered::default());
        settings::write_authentication(&file, &current)?;
        let origin = format!("https://{address}");
        let (ca, probe) = (certificates.ca.pem(), &certificates.probe);
        let roots = pki::roots_from_pem(ca).map_err(|error| error.to_string())?;
        let broken = |broken: client::Broken| broken.to_string();
        Ok(Self {
            http: client::https(roots, Some(probe), None).map_err(broken)?,
            kube: KubeClient::new(&origin, ca, probe, None).map_err(broken)?,
            file,
            origin,
            current,
            trusts: false,
        })
    }

    /// What asks the API server as ourselves.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Whether the API server says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let answer = self
            .http
            .get(format!("{}/readyz", self.origin))
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Whether the controllers have made what is in every namespace.
    pub async fn has_what_namespaces_have(&self) -> bool {
        let count = async |what: &str| -> Option<usize> {
            let path = format!("/api/v1/{what}");
            let answer = self.kube.request(&As::Admin, Method::GET, &path, None);
            Some(answer.await.ok()?.1["items"].as_array()?.len())
        };
        let (namespaces, accounts, roots) = tokio::join!(
            count("namespaces"),
            count("serviceaccounts?fieldSelector=metadata.name%3Ddefault"),
            count("configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt")
        );
        namespaces.is_some_and(|n| n > 3) && accounts == namespaces && roots == namespaces
    }

    /// Writes the file and returns when it is in force: a token of the issuer
    /// with a junk signature then fails for its signature, and no token is
    /// accepted any more because it was before.
    ///
    /// # Errors
    /// [`TrustError`].
    pub async fn trust(
        &mut self,
        trust: Option<&Trust>,
        api_server: &Process,
    ) -> Result<(), TrustError> {
        let rendered = match trust {
            Some(trust) => authn::render(trust).map_err(TrustError::Invalid)?,
            None => authn::Rendered::default(),
        };
        let errors = rendered
            .configuration
            .validate(&[SERVICE_ACCOUNT_ISSUER.to_owned()]);
        if !errors.is_empty() {
            return Err(TrustError::Invalid(
                ConfigError::Invalid(errors).to_string(),
            ));
        }
        let text = text(&rendered);
        if text != self.current {
            let failures = self.failures().await?;
            settings::write_authentication(&self.file, &text).map_err(TrustError::Broken)?;
            self.in_force(&text, failures, api_server).await?;
            // What was accepted a moment ago is still in the token cache.
            if self.trusts {
                pause(SUCCESS_CACHE).await;
            }
            // Only now: where this was not waited for it is to be done again.
            self.current = text;
            self.trusts = trust.is_some();
        }
        match trust {
            Some(trust) => self.knows_keys(trust).await,
            None => Ok(()),
        }
    }

    /// Waits until the API server says that it goes by `text`.
    async fn in_force(
        &self,
        text: &str,
        failures: u64,
        api_server: &Process,
    ) -> Result<(), TrustError> {
        let hash = hex(digest(&SHA256, text.as_bytes()).as_ref());
        let wanted = format!("hash=\"sha256:{hash}\"");
        let watch = Stopwatch::start();
        loop {
            let metrics = self.metrics().await?;
            if metrics
                .lines()
                .any(|line| line.starts_with(IN_FORCE) && line.contains(&wanted))
            {
                return Ok(());
            }
            if failed_reloads(&metrics) > failures {
                let line = api_server.last_line_with("authentication config");
                let why = line.unwrap_or_else(|| "the reload failed".to_owned());
                return Err(TrustError::IssuerUnreachable(why));
            }
            if watch.elapsed() > RELOAD_LIMIT {
                return Err(TrustError::Broken(format!(
                    "kube-apiserver has not reloaded {} after {} s",
                    self.file.display(),
                    RELOAD_LIMIT.as_secs()
                )));
            }
            pause(LOOK).await;
        }
    }

    /// Asks about a token with a junk signature until it fails for that. All
    /// else is right with it: older minors look at the claims first.
    async fn knows_keys(&self, trust: &Trust) -> Result<(), TrustError> {
        let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let token = format!(
            "{}.{}.anVuaw",
            part(json!({"alg": "RS256"})),
            part(json!({"iss": trust.issuer_url, "aud": trust.client_id, "exp": NEVER}))
        );
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token},
        });
        let watch = Stopwatch::start();
        loop {
            let answer = self
                .kube
                .review(&As::Admin, "authentication.k8s.io", "tokenreviews", &review)
                .await
                .map_err(|broken| TrustError::Broken(broken.to_string()))?
                .map_err(|refused| TrustError::Broken(refused.to_string()))?;
            let error = answer["error"].as_str().unwrap_or_default();
            if error.contains("failed to verify id token signature") {
                return Ok(());
            }
            if watch.elapsed() > Duration::from_secs(10) {
                return Err(TrustError::IssuerUnreachable(error.to_owned()));
            }
            pause(LOOK).await;
        }
    }

    async fn failures(&self) -> Result<u64, TrustError> {
        Ok(failed_reloads(&self.metrics().await?))
    }

    async fn metrics(&self) -> Result<String, TrustError> {
        let ask = async {
            let answer = self.http.get(format!("{}/metrics", self.origin)).send();
            answer.await?.error_for_status()?.text().await
        };
        ask.await.map_err(|error: reqwest::Error| {
            TrustError::Broken(format!("/metrics: {}", client::chain(&error)))
        })
    }
}

fn failed_reloads(metrics: &str) -> u64 {
    metrics
        .lines()
        .filter(|line| line.starts_with(FAILURES) && line.contains("status=\"failure\""))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}

fn text(rendered: &authn::Rendered) -> String {
    authn::document(&rendered.configuration).to_string()
}
