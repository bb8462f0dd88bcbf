//! Whom a real API server trusts: a file that it watches, and how we know that
//! it has read it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foundation::clock::{Clock, Stopwatch, pause};
use foundation::pki::{self, Leaf};
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use kube_authn::ConfigError;
use serde_json::{Value, json};

use super::TrustError;
use super::authn::{self, Trust};
use crate::aws::sigv4::hex;
use crate::client::{self, As, KubeClient};
use crate::files::replace_private;

/// `NewBuiltInAuthenticationOptions`: how long an accepted token stays so.
pub const SUCCESS_CACHE: Duration = Duration::from_secs(10);
/// When a new configuration's issuers are looked at for the second time: the
/// first look comes before they can be there.
pub const HEALTH_CHECK: Duration = Duration::from_secs(10);
/// The informers of the authorizer follow within milliseconds; a machine that
/// is busy with something else takes longer.
pub const SETTLES: Duration = Duration::from_secs(5);
/// `UpdateAuthenticationConfigTimeout` is a minute, and what the file said before may
/// have one, too, where it failed; a busy machine needs more.
const RELOAD_LIMIT: Duration = Duration::from_secs(150);
/// 2100, in seconds since 1970.
const NEVER: u64 = 4_102_444_800;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// `pkg/server/options/authenticationconfig/metrics`: the configuration in
/// force, and the reloads that came to nothing.
const IN_FORCE: &str = "apiserver_authentication_config_controller_last_config_info{";
const FAILURES: &str = "apiserver_authentication_config_controller_automatic_reloads_total{";

/// A real API server, as we get at it.
pub struct ApiServer<'a> {
    /// `https://127.0.0.1:PORT`.
    pub origin: String,
    /// PEM of its CA.
    pub ca_pem: &'a str,
    /// Whom we look as.
    pub probe: &'a Leaf,
    /// Its service accounts' issuer.
    pub service_account_issuer: &'static str,
}

/// The API server's log.
pub trait Log: Send + Sync {
    /// Its last line that has `part` in it.
    fn last_line_with<'a>(&'a self, part: &'a str) -> BoxFuture<'a, Option<String>>;
}

/// The watched file, and our own way to the API server.
pub struct Reload {
    file: PathBuf,
    origin: String,
    service_account_issuer: &'static str,
    http: reqwest::Client,
    kube: KubeClient,
    /// The file's text.
    current: String,
    /// Whether it is in force, and nobody is let in any more whom it does not name.
    settled: bool,
    /// Whether what was in force last lets somebody in.
    trusts: bool,
}

impl Reload {
    /// Looks after `file`, which [`trust_nobody`] has written.
    ///
    /// # Errors
    /// A sentence about TLS.
    pub fn new(file: PathBuf, server: ApiServer<'_>) -> Result<Self, String> {
        let roots = pki::roots_from_pem(server.ca_pem).map_err(|error| error.to_string())?;
        let broken = |broken: client::Broken| broken.to_string();
        Ok(Self {
            http: client::https(roots, Some(server.probe), None).map_err(broken)?,
            kube: KubeClient::new(&server.origin, server.ca_pem, server.probe, None)
                .map_err(broken)?,
            file,
            origin: server.origin,
            service_account_issuer: server.service_account_issuer,
            current: text(&authn::Rendered::default()),
            settled: true,
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

    /// The release that it says it is of, as in `v1.37.2`.
    ///
    /// # Errors
    /// A sentence: it does not say.
    pub async fn release(&self) -> Result<String, String> {
        let answer = self.kube.request(&As::Admin, Method::GET, "/version", None);
        let (_, version) = answer.await.map_err(|broken| broken.to_string())?;
        let release = version["gitVersion"].as_str();
        release
            .map(str::to_owned)
            .ok_or_else(|| format!("/version: {version}"))
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
    pub async fn trust(&mut self, trust: Option<&Trust>, log: &dyn Log) -> Result<(), TrustError> {
        let rendered = match trust {
            Some(trust) => authn::render(trust).map_err(TrustError::Invalid)?,
            None => authn::Rendered::default(),
        };
        let errors = rendered
            .configuration
            .validate(&[self.service_account_issuer.to_owned()]);
        if !errors.is_empty() {
            return Err(TrustError::Invalid(
                ConfigError::Invalid(errors).to_string(),
            ));
        }
        let text = text(&rendered);
        // Where it was not waited for, or failed, it is to be done again.
        if text != self.current || !self.settled {
            let failures = self.failures().await?;
            if text != self.current {
                replace_private(&self.file, &text).map_err(TrustError::Broken)?;
                self.current = text;
                self.settled = false;
            }
            let issuer = trust.map(|trust| trust.issuer_url.as_str());
            self.in_force(issuer, failures, log).await?;
            // What was accepted a moment ago is still in the token cache.
            if self.trusts {
                pause(SUCCESS_CACHE).await;
            }
            self.trusts = trust.is_some();
            self.settled = true;
        }
        match trust {
            Some(trust) => self.knows_keys(trust).await,
            None => Ok(()),
        }
    }

    /// Waits until it trusts nobody, as its file says, whomever it trusted.
    ///
    /// # Errors
    /// [`TrustError`].
    pub async fn let_go(&self, log: &dyn Log) -> Result<(), TrustError> {
        let failures = self.failures().await?;
        self.in_force(None, failures, log).await?;
        pause(SUCCESS_CACHE).await;
        Ok(())
    }

    /// Waits until the API server says that it goes by the file, which names `issuer`.
    ///
    /// A reload that fails may be that of what the file said before: an API server
    /// tries for a minute, whatever is written meanwhile.
    async fn in_force(
        &self,
        issuer: Option<&str>,
        mut failures: u64,
        log: &dyn Log,
    ) -> Result<(), TrustError> {
        let watch = Stopwatch::start();
        loop {
            let metrics = self.metrics().await?;
            if goes_by(&metrics, &self.current) {
                return Ok(());
            }
            let failed = failed_reloads(&metrics);
            if failed > failures {
                failures = failed;
                let line = log.last_line_with("authentication config").await;
                let names = |issuer| line.as_ref().is_none_or(|line| line.contains(issuer));
                if issuer.is_some_and(names) {
                    let why = line.unwrap_or_else(|| "the reload failed".to_owned());
                    return Err(TrustError::IssuerUnreachable(why));
                }
            }
            if watch.elapsed() > RELOAD_LIMIT {
                return Err(TrustError::Broken(format!(
                    "kube-apiserver has not reloaded {} after {} s",
                    self.file.display(),
                    RELOAD_LIMIT.as_secs()
                )));
            }
            pause(until_next_look(watch.elapsed())).await;
        }
    }

    /// Asks about a token with a junk signature until it fails for that. All
    /// else is right with it: older minors look at the claims first.
    async fn knows_keys(&self, trust: &Trust) -> Result<(), TrustError> {
        let token = junk_token(trust);
        let watch = Stopwatch::start();
        loop {
            let answer = self
                .kube
                .review_token(&token)
                .await
                .map_err(|broken| TrustError::Broken(broken.to_string()))?
                .map_err(|refused| TrustError::Broken(refused.to_string()))?;
            let error = answer["error"].as_str().unwrap_or_default();
            if error.contains(BAD_SIGNATURE) {
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

/// How long to wait before the metrics are looked at again: they are two megabytes,
/// which take a kube-apiserver as long as some hundred requests. A configuration that
/// trusts nobody, or is refused, counts at once; any other at the second health check.
fn until_next_look(since: Duration) -> Duration {
    match HEALTH_CHECK.checked_sub(since) {
        Some(left) if left > LOOK => since.clamp(LOOK, left),
        _ if since < HEALTH_CHECK * 3 / 2 => LOOK,
        _ => 5 * LOOK,
    }
}

/// What is said of a token when its issuer's keys are known and none has signed it.
pub const BAD_SIGNATURE: &str = "failed to verify id token signature";

/// A token of an issuer, for its client, with a signature that is junk.
pub fn junk_token(trust: &Trust) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!(
        "{}.{}.anVuaw",
        part(json!({"alg": "RS256"})),
        part(json!({"iss": trust.issuer_url, "aud": trust.client_id, "exp": NEVER}))
    )
}

/// Whether the configuration in force is `text`.
fn goes_by(metrics: &str, text: &str) -> bool {
    let hash = hex(digest(&SHA256, text.as_bytes()).as_ref());
    let wanted = format!("hash=\"sha256:{hash}\"");
    metrics
        .lines()
        .any(|line| line.starts_with(IN_FORCE) && line.contains(&wanted))
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

/// Whether a file has trusted nobody for so long that no token is accepted any
/// more because it was before.
pub fn trusts_nobody_for_long(file: &Path) -> bool {
    let nobody = text(&authn::Rendered::default());
    let written = std::fs::metadata(file).and_then(|file| file.modified());
    let since = written
        .ok()
        .and_then(|at| jiff::Timestamp::try_from(at).ok());
    let long = since.is_some_and(|since| {
        let age = Clock::system().now().duration_since(since);
        // As long for the reload, to be sure.
        age.unsigned_abs() > 2 * SUCCESS_CACHE
    });
    long && std::fs::read_to_string(file).is_ok_and(|text| text == nobody)
}

/// Writes the file that an API server starts with.
///
/// # Errors
/// The operating system's, with the file in it.
pub fn trust_nobody(file: &Path) -> Result<(), String> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    replace_private(file, &text(&authn::Rendered::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_looked_at_seldom_until_the_health_check_and_soon_after_it() {
        let (mut since, mut looks) = (Duration::ZERO, 0);
        while since < HEALTH_CHECK {
            since += until_next_look(since);
            looks += 1;
        }
        assert!(looks < 10, "{looks} looks");
        assert!(since < HEALTH_CHECK + 2 * LOOK, "{since:?}");
        assert_eq!(until_next_look(since), LOOK);
    }
}
