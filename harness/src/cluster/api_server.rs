//! What every real API server is told alike, wherever it runs: whom it asks
//! about tokens, and what it records.

use std::path::Path;
use std::process::Command;

use foundation::secret::Secret;
use mock_apiserver::audit::{Policy, Unrecorded};

use super::kubeconfig::{Credential, Kubeconfig};
use super::{Capabilities, Kind, reload};

/// The user of our own looks at a cluster; not in the audit log.
pub const PROBE: &str = "rolecall";

/// A token webhook: TokenReviews are posted to it.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where it is.
    pub url: String,
    /// PEM of its CA.
    pub ca_pem: String,
    /// What the API server shows to it.
    pub token: Secret<String>,
}

impl Webhook {
    /// The file for `--authentication-token-webhook-config-file`.
    pub fn kubeconfig(&self) -> String {
        Kubeconfig {
            name: "webhook".to_owned(),
            server: self.url.clone(),
            ca_pem: self.ca_pem.clone(),
            user: "kube-apiserver".to_owned(),
            credential: Credential::Token(self.token.clone()),
        }
        .render()
    }
}

/// What a real API server can and cannot do.
pub fn capabilities(kind: Kind) -> Capabilities {
    Capabilities {
        name: kind.name(),
        follows_our_clock: false,
        takes_all_algorithms: true,
        reloads_in: reload::HEALTH_CHECK,
        cached_for: reload::SUCCESS_CACHE,
        settles: reload::SETTLES,
    }
}

/// Lets a program, and what it starts, ask issuers through `proxy`, in place of
/// the environment's.
pub fn ask_through(command: &mut Command, proxy: &str) {
    command
        .envs(["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].map(|name| (name, proxy)))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
}

/// What is asked for, without what Kubernetes itself and we ask, and the
/// cluster's own `parts`.
pub fn audit_policy(policy: &Policy, parts: &[Unrecorded<'_>]) -> String {
    let ours = [Unrecorded::Users(&["system:apiserver", PROBE])];
    policy
        .clone()
        .without(&[&ours, parts].concat())
        .to_document()
        .to_string()
}

/// The API server's flags, without dashes: `webhook` is a kubeconfig; `audit` a
/// policy and a log.
pub fn flags(
    webhook: Option<&Path>,
    audit: Option<(&Path, &Path)>,
) -> impl Iterator<Item = (&'static str, String)> {
    let path = |path: &Path| path.display().to_string();
    let asked = webhook.map(|file| {
        [
            ("authentication-token-webhook-config-file", path(file)),
            ("authentication-token-webhook-version", "v1".to_owned()),
            ("authentication-token-webhook-cache-ttl", "0s".to_owned()),
        ]
    });
    let recorded = audit.map(|(policy, log)| {
        [
            ("audit-policy-file", path(policy)),
            ("audit-log-path", path(log)),
            // An answer comes after its event, and the file stays one.
            ("audit-log-mode", "blocking".to_owned()),
            ("audit-log-maxsize", "1000000".to_owned()),
        ]
    });
    let recorded = recorded.into_iter().flatten();
    asked.into_iter().flatten().chain(recorded)
}
