//! Why a login fails: the chain from issuer to cluster, looked at link by
//! link. Every check is values in, findings out; this file asks the questions
//! in between. Nothing in it is peculiar to rolecall: a real issuer and a real
//! cluster are looked at in the same way.

pub mod cache;
pub(crate) mod cluster;
mod difference;
mod finding;
pub(crate) mod issuer;
mod keys;
mod kubelogin;
pub(crate) mod pool;
pub(crate) mod request;
#[cfg(test)]
mod tests;
pub(crate) mod token;
pub(crate) mod web;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use foundation::clock::Clock;
use foundation::pki;
use foundation::secret::Secret;
use jiff::Timestamp;
use kube_authn::{Authenticator, User};
use rustls::RootCertStore;

use crate::cluster::authn::{Trust, render};
use crate::cluster::kubeconfig::read::{Exec, Kubeconfig, Server};
use keys::Keys;
use kubelogin::Beside;

pub use crate::client::Proxy;
pub(crate) use finding::excerpt;
pub use finding::{Finding, Level};
pub use request::{Error, Given, Mapping, Request, examine};

/// One cluster's side of the chain, and what is known beside it.
struct Subject {
    trust: Trust,
    /// Where that was read.
    told_by: String,
    roots: Roots,
    proxy: Proxy,
    clock: Clock,
    /// The time at the cluster.
    now: Timestamp,
    token: Option<Token>,
    server: Option<Server>,
    kubeconfig: Option<Kubeconfig>,
    client: Option<Result<pool::Client, String>>,
    cache: Option<PathBuf>,
    surroundings: Surroundings,
}

/// A token and where it came from.
#[derive(Clone)]
struct Token {
    raw: Secret<String>,
    source: &'static str,
}

/// Whose certificates are trusted.
#[derive(Clone)]
struct Roots {
    store: RootCertStore,
    /// As the end of "is not signed by …".
    named: String,
    /// Whether they are more than a machine has by itself.
    private: bool,
}

/// What programs find around them.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `PATH`.
    pub path: OsString,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `SSL_CERT_FILE`.
    pub ssl_cert_file: Option<String>,
    /// `KUBECONFIG`'s files, else `~/.kube/config`.
    pub kubeconfigs: Vec<PathBuf>,
    /// `HTTPS_PROXY` and `NO_PROXY`.
    pub proxy: Proxy,
}

impl Subject {
    async fn examine(&self) -> Vec<Finding> {
        let mut found = vec![self.described()];
        let (form, url) = issuer::form(&self.trust.issuer_url);
        found.push(form);
        let authenticator = if url.is_some() {
            self.authenticator()
                .map_err(|problem| found.push(problem))
                .ok()
        } else {
            None
        };
        let keys = match &authenticator {
            Some(authenticator) => self.issuer(authenticator, &mut found).await,
            None => Keys::Unknown,
        };
        if let Some(client) = &self.client {
            found.push(pool::examine(client, &self.trust.client_id));
        }
        if let Some(authenticator) = &authenticator {
            self.token(authenticator, &keys, &mut found).await;
        }
        if let Some(kubeconfig) = &self.kubeconfig {
            self.kubelogin(kubeconfig, &keys, &mut found).await;
        }
        found
    }

    fn described(&self) -> Finding {
        let trust = &self.trust;
        let from = |claim: Option<&str>, prefix: &Option<String>| match (claim, prefix) {
            (None, _) => "none".to_owned(),
            (Some(claim), Some(prefix)) if prefix != "-" => {
                format!("{claim} with prefix {prefix:?}")
            }
            (Some(claim), _) => claim.to_owned(),
        };
        let username = trust.username_claim.as_deref().unwrap_or("sub");
        Finding::ok(
            "trust",
            format!(
                "{} trusts {} for client {}; user from {}, groups from {}",
                self.told_by,
                trust.issuer_url,
                trust.client_id,
                from(Some(username), &trust.username_prefix),
                from(trust.groups_claim.as_deref(), &trust.groups_prefix),
            ),
        )
    }

    fn authenticator(&self) -> Result<Authenticator, Finding> {
        render(&self.trust)
            .and_then(|rendered| {
                Authenticator::new(
                    &rendered.configuration.jwt[0],
                    rendered.signing_algs.as_deref(),
                )
                .map_err(|error| error.to_string())
            })
            .map_err(|error| {
                Finding::problem(
                    "trust",
                    format!("Kubernetes would not start with this: {error}"),
                    "correct the --oidc-* flags (EKS: the identity provider configuration)",
                )
            })
    }

    /// Discovery, clock and keys.
    async fn issuer(&self, authenticator: &Authenticator, found: &mut Vec<Finding>) -> Keys {
        let http = match web::client(self.roots.store.clone(), &self.proxy) {
            Ok(http) => http,
            Err(broken) => {
                found.push(Finding::problem(
                    "reachable",
                    broken.to_string(),
                    "correct HTTPS_PROXY: it has to be http://HOST:PORT",
                ));
                return Keys::Unknown;
            }
        };
        let url = authenticator.discovery_url();
        let answer = match web::get(&http, &url).await {
            Ok(answer) => answer,
            Err(trouble) => {
                found.push(issuer::unreachable(&trouble, &url, &self.roots.named));
                return Keys::Unknown;
            }
        };
        found.push(Finding::ok("reachable", "the issuer answers"));
        found.push(Finding::ok(
            "certificate",
            format!("its certificate is signed by {}", self.roots.named),
        ));
        if let Some(date) = answer.date {
            found.push(issuer::skew(date, self.clock.now(), "the issuer's clock"));
        }
        let (findings, jwks_uri) = issuer::discovery(&answer, &url, &self.trust.issuer_url);
        found.extend(findings);
        let Some(jwks_uri) = jwks_uri else {
            return Keys::Unknown;
        };
        match web::get(&http, &jwks_uri).await {
            Ok(answer) => {
                let (finding, keys) = keys::read(&answer, &jwks_uri);
                found.push(finding);
                keys
            }
            Err(trouble) => {
                let mut finding = issuer::unreachable(&trouble, &jwks_uri, &self.roots.named);
                finding.check = "keys";
                let why = finding.what.clone();
                found.push(finding);
                Keys::Failed(why)
            }
        }
    }

    async fn token(&self, authenticator: &Authenticator, keys: &Keys, found: &mut Vec<Finding>) {
        let Some(token) = &self.token else {
            return;
        };
        let raw = token.raw.expose();
        let Some(decoded) = token::decode(raw) else {
            found.push(Finding::problem(
                "token",
                format!("{} is no JWT", token.source),
                "show the whole ID token, three parts divided by dots, without quotes or line breaks",
            ));
            return;
        };
        found.push(token::shown(&decoded, token.source, self.now));
        found.extend(token::signed_by(&decoded, keys));
        let (findings, user) =
            token::walk(raw, &decoded, authenticator, &self.trust, keys, self.now);
        found.extend(findings);
        found.extend(self.cluster(token, user.as_ref()).await);
    }

    async fn cluster(&self, token: &Token, user: Option<&User>) -> Option<Finding> {
        let server = self.server.as_ref()?;
        Some(cluster::ask(server, &token.raw, user, &self.surroundings.proxy).await)
    }

    async fn kubelogin(&self, kubeconfig: &Kubeconfig, keys: &Keys, found: &mut Vec<Finding>) {
        let file = kubeconfig.path.display();
        let user = &kubeconfig.user;
        let Some((exec, arguments)) = kubeconfig
            .exec
            .as_ref()
            .and_then(|exec| Some((exec, kubelogin::arguments(exec)?)))
        else {
            found.push(Finding::ok(
                "kubelogin",
                format!("user {user} of {file} does not log in with kubelogin"),
            ));
            return;
        };
        let home = self.surroundings.home.as_deref();
        let beside = Beside {
            trust: &self.trust,
            client: self.client.as_ref().and_then(|client| client.as_ref().ok()),
            path: &self.surroundings.path,
            folder: kubeconfig.path.parent().unwrap_or(Path::new(".")),
            needed: &self.proxy,
            surrounding: &self.surroundings.proxy,
        };
        found.extend(kubelogin::examine(exec, &arguments, &beside));
        found.push(self.kubelogins_roots(exec, &arguments).await);
        let folder = self.cache.clone().or_else(|| arguments.cache_folder(home));
        let entries = folder
            .map(|folder| cache::find(&folder, &arguments.key(home)))
            .unwrap_or_default();
        let ours = self.clock.now();
        found.extend(
            entries
                .iter()
                .map(|entry| kubelogin::cached(entry, &self.trust, keys, self.now, ours)),
        );
    }

    /// Whether kubelogin's own CA file makes it trust the issuer: tried, not
    /// guessed.
    async fn kubelogins_roots(&self, exec: &Exec, arguments: &kubelogin::Arguments) -> Finding {
        const CHECK: &str = "kubelogin's CA";
        let remedy = "give it the issuer's CA: --certificate-authority=FILE";
        if arguments.has_own_roots() {
            return Finding::ok(CHECK, "it is in the arguments, or not looked at");
        }
        let files = arguments.authorities();
        if files.is_empty() {
            return self.environments_roots(exec);
        }
        let mut store = RootCertStore::empty();
        for file in files {
            let path = kubelogin::expand(file, self.surroundings.home.as_deref());
            let text = path.and_then(|path| std::fs::read_to_string(path).ok());
            let roots = text.and_then(|text| pki::roots_from_pem(&text).ok());
            let Some(roots) = roots else {
                return Finding::problem(
                    CHECK,
                    format!(
                        "--certificate-authority names {file}, which is no file with certificates"
                    ),
                    remedy,
                );
            };
            store.roots.extend(roots.roots);
        }
        let url = crate::login::discovery_url(&self.trust.issuer_url);
        match web::client(store, &self.proxy) {
            Ok(http) => match web::get(&http, &url).await {
                Err(web::Trouble::Certificate(why)) => Finding::problem(
                    CHECK,
                    format!(
                        "the issuer's certificate is not signed by the --certificate-authority: {why}"
                    ),
                    remedy,
                ),
                _ => Finding::ok(CHECK, "the --certificate-authority is the issuer's"),
            },
            Err(broken) => Finding::warning(CHECK, broken.to_string(), remedy),
        }
    }

    fn environments_roots(&self, exec: &Exec) -> Finding {
        const CHECK: &str = "kubelogin's CA";
        let remedy = "give it the issuer's CA: --certificate-authority=FILE (on macOS, SSL_CERT_FILE does not do)";
        if !self.roots.private {
            return Finding::ok(
                CHECK,
                "it trusts the system's roots, and the issuer's is among them",
            );
        }
        let own = exec.env.iter().any(|(name, _)| name == "SSL_CERT_FILE");
        if own || self.surroundings.ssl_cert_file.is_some() {
            let what = "it has no --certificate-authority and goes by SSL_CERT_FILE";
            return if cfg!(target_os = "macos") {
                Finding::problem(CHECK, what, remedy)
            } else {
                Finding::ok(CHECK, what)
            };
        }
        Finding::problem(
            CHECK,
            "the issuer's CA is a private one, and kubelogin has neither --certificate-authority nor SSL_CERT_FILE",
            remedy,
        )
    }
}
