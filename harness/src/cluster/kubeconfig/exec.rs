//! A kubeconfig's program that fetches credentials, as `aws eks get-token` is.
//!
//! Source: Kubernetes' "client-go credential plugins" and
//! `staging/src/k8s.io/client-go/plugin/pkg/client/auth/exec/exec.go`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use foundation::clock::{Clock, limit};
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::read::{Exec, Kubeconfig};
use crate::client::{Broken, TokenSource};

/// Nobody is there to type something in, so it is over before this.
const LIMIT: Duration = Duration::from_secs(60);
/// A token that ends within this is fetched anew.
const EARLY: Duration = Duration::from_secs(30);

/// Runs the program when its last token is about to end.
pub struct Plugin {
    exec: Exec,
    program: PathBuf,
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Secret<String>,
    until: Option<Timestamp>,
}

impl Plugin {
    /// The program of a context's user.
    pub fn new(exec: Exec, kubeconfig: &Kubeconfig) -> Self {
        let folder = kubeconfig.path.parent().unwrap_or(Path::new("."));
        let program = if exec.command.contains('/') {
            folder.join(&exec.command)
        } else {
            PathBuf::from(&exec.command)
        };
        Self {
            exec,
            program,
            held: Mutex::new(None),
        }
    }

    async fn fetch(&self) -> Result<Held, String> {
        let info = json!({
            "apiVersion": self.exec.api_version, "kind": "ExecCredential",
            "spec": {"interactive": false},
        });
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.exec.args)
            .envs(self.exec.env.iter().map(|(name, value)| (name, value)))
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = limit(LIMIT, command.output())
            .await
            .map_err(|_| format!("it does not end within {} s", LIMIT.as_secs()))?
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let last = errors.lines().rfind(|line| !line.trim().is_empty());
            return Err(format!("{}: {}", output.status, last.unwrap_or_default()));
        }
        let answer: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| "what it prints is no ExecCredential".to_owned())?;
        read(&answer)
    }
}

fn read(answer: &Value) -> Result<Held, String> {
    let status = &answer["status"];
    let token = status["token"].as_str().filter(|token| !token.is_empty());
    let token = token.ok_or(if status["clientCertificateData"].is_string() {
        "it brings a certificate, and only tokens are taken here"
    } else {
        "the ExecCredential that it prints has no status.token"
    })?;
    Ok(Held {
        token: Secret::new(token.to_owned()),
        until: status["expirationTimestamp"]
            .as_str()
            .and_then(|text| text.parse().ok()),
    })
}

impl TokenSource for Plugin {
    fn token(&self) -> BoxFuture<'_, Result<Secret<String>, Broken>> {
        Box::pin(async move {
            let mut held = self.held.lock().await;
            // It was told by the machine's clock, as the cluster's is.
            let soon = Clock::system().now().saturating_add(EARLY);
            let lasts = |held: &Held| match (held.until, &soon) {
                (None, _) => true,
                (Some(until), Ok(soon)) => until > *soon,
                (Some(_), Err(_)) => false,
            };
            if let Some(held) = held.as_ref().filter(|held| lasts(held)) {
                return Ok(held.token.clone());
            }
            let what = format!("the kubeconfig's program {}", self.program.display());
            let fresh = self.fetch().await;
            let fresh = fresh.map_err(|why| Broken::new(what, why))?;
            Ok(held.insert(fresh).token.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(script: &str) -> Plugin {
        let exec = Exec {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec![("GREETING".to_owned(), "hello".to_owned())],
        };
        Plugin::new(exec, &Kubeconfig::default())
    }

    #[tokio::test]
    async fn a_token_is_kept_as_long_as_it_lasts() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = folder.path().join("count");
        let script = |until: &str| {
            let count = count.display();
            format!(
                "echo x >>{count}; printf '{{\"status\":{{\"token\":\"%s\"{until}}}}}' \"$GREETING\""
            )
        };
        let times = || std::fs::read_to_string(&count).map_or(0, |text| text.lines().count());
        let lasting = plugin(&script(",\"expirationTimestamp\":\"2100-01-01T00:00:00Z\""));
        for _ in 0..2 {
            assert_eq!(lasting.token().await.expect("a token").expose(), "hello");
        }
        assert_eq!(times(), 1);
        let over = plugin(&script(",\"expirationTimestamp\":\"2000-01-01T00:00:00Z\""));
        for _ in 0..2 {
            over.token().await.expect("a token");
        }
        assert_eq!(times(), 3);
    }

    #[tokio::test]
    async fn a_program_that_fails_is_named_with_its_last_words() {
        for (script, words) in [
            ("echo no credentials >&2; exit 3", "no credentials"),
            ("echo {}", "no status.token"),
            ("echo nonsense", "no ExecCredential"),
            (
                "echo '{\"status\":{\"clientCertificateData\":\"x\"}}'",
                "certificate",
            ),
        ] {
            let error = plugin(script).token().await.expect_err("refused");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
