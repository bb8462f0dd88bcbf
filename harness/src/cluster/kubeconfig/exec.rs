//! A kubeconfig's program that fetches credentials, as `aws eks get-token` is.
//!
//! Source: Kubernetes' "client-go credential plugins" and
//! `staging/src/k8s.io/client-go/plugin/pkg/client/auth/exec/exec.go`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foundation::clock::{Clock, limit};
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::read::{Exec, Server};
use crate::client::{Broken, TokenSource};

/// Nobody is there to type something in, so it is over before this.
const LIMIT: Duration = Duration::from_secs(60);
/// A token that ends within this is fetched anew.
const EARLY: Duration = Duration::from_secs(30);

/// Runs the program when its last token is about to end.
pub struct Plugin {
    exec: Exec,
    program: PathBuf,
    /// `KUBERNETES_EXEC_INFO`.
    info: Value,
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Secret<String>,
    until: Option<Timestamp>,
}

impl Plugin {
    /// The program of a context's user.
    ///
    /// # Errors
    /// It asks for somebody who types.
    pub fn new(exec: Exec, server: &Server) -> Result<Self, String> {
        if exec.needs_a_terminal {
            return Err(format!(
                "its program {} asks for a terminal (interactiveMode: Always), which there is none for",
                exec.command
            ));
        }
        let program = if exec.command.contains('/') {
            exec.folder.join(&exec.command)
        } else {
            PathBuf::from(&exec.command)
        };
        let mut spec = json!({"interactive": false});
        if exec.provide_cluster_info {
            let ca = server.ca_pem.as_deref().unwrap_or_default();
            spec["cluster"] = json!({
                "server": server.url,
                "certificate-authority-data": STANDARD.encode(ca),
            });
            if let Some(proxy) = &server.proxy {
                spec["cluster"]["proxy-url"] = Value::from(proxy.as_str());
            }
        }
        let info = json!({
            "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec,
        });
        Ok(Self {
            exec,
            program,
            info,
            held: Mutex::new(None),
        })
    }

    async fn fetch(&self) -> Result<Held, String> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.exec.args)
            .envs(self.exec.env.iter().map(|(name, value)| (name, value)))
            .env("KUBERNETES_EXEC_INFO", self.info.to_string())
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
        if answer["kind"] != "ExecCredential" || answer["apiVersion"] != self.info["apiVersion"] {
            return Err(format!(
                "what it prints is {} {}, and the kubeconfig says ExecCredential {}",
                answer["kind"], answer["apiVersion"], self.info["apiVersion"]
            ));
        }
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
    let until = match status["expirationTimestamp"].as_str() {
        None => None,
        Some(text) => match text.parse() {
            Ok(until) => Some(until),
            Err(_) => return Err("its expirationTimestamp is no time".to_owned()),
        },
    };
    Ok(Held {
        token: Secret::new(token.to_owned()),
        until,
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

    fn refused(&self, token: &Secret<String>) -> BoxFuture<'_, bool> {
        let token = token.clone();
        Box::pin(async move {
            let mut held = self.held.lock().await;
            // Another request may have had a fresh one fetched already.
            held.take_if(|held| held.token.expose() == token.expose());
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "client.authentication.k8s.io/v1";

    fn exec(script: &str) -> Exec {
        Exec {
            api_version: V1.to_owned(),
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec![("GREETING".to_owned(), "hello".to_owned())],
            ..Exec::default()
        }
    }

    fn plugin(script: &str) -> Plugin {
        Plugin::new(exec(script), &Server::default()).expect("a plugin")
    }

    /// A script that prints a credential with `status`.
    fn printing(folder: &tempfile::TempDir, status: &Value) -> String {
        let credential = json!({"apiVersion": V1, "kind": "ExecCredential", "status": status});
        let file = folder.path().join("credential");
        std::fs::write(&file, credential.to_string()).expect("a file");
        format!("sed \"s/GREETING/$GREETING/\" {}", file.display())
    }

    #[tokio::test]
    async fn a_token_is_kept_as_long_as_it_lasts() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = folder.path().join("count");
        let until = |year: u32| {
            let until = format!("{year}-01-01T00:00:00Z");
            let status = json!({"token": "GREETING", "expirationTimestamp": until});
            let print = printing(&folder, &status);
            plugin(&format!("echo x >>{}; {print}", count.display()))
        };
        let times = || std::fs::read_to_string(&count).map_or(0, |text| text.lines().count());
        let lasting = until(2100);
        for _ in 0..2 {
            assert_eq!(lasting.token().await.expect("a token").expose(), "hello");
        }
        assert_eq!(times(), 1);
        // But for one that the cluster refuses.
        let refused = lasting.token().await.expect("a token");
        assert!(lasting.refused(&refused).await);
        lasting.token().await.expect("a token");
        assert_eq!(times(), 2);
        let other = Secret::new("another".to_owned());
        assert!(lasting.refused(&other).await);
        lasting.token().await.expect("a token");
        assert_eq!(times(), 2);
        let over = until(2000);
        for _ in 0..2 {
            over.token().await.expect("a token");
        }
        assert_eq!(times(), 4);
    }

    #[tokio::test]
    async fn it_is_told_of_the_cluster_where_it_asks() {
        let server = Server {
            url: "https://c".to_owned(),
            ca_pem: Some("PEM".to_owned()),
            ..Server::default()
        };
        let told = |asks| {
            let exec = Exec {
                provide_cluster_info: asks,
                ..exec("")
            };
            Plugin::new(exec, &server).expect("a plugin").info["spec"].clone()
        };
        assert_eq!(told(false), json!({"interactive": false}));
        assert_eq!(told(true)["cluster"]["server"], "https://c");
        assert_eq!(told(true)["cluster"]["certificate-authority-data"], "UEVN");
    }

    #[test]
    fn nobody_is_there_to_type() {
        let exec = Exec {
            needs_a_terminal: true,
            ..exec("")
        };
        let refused = Plugin::new(exec, &Server::default());
        assert!(refused.is_err_and(|why| why.contains("interactiveMode")));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_named_with_its_last_words() {
        let folder = tempfile::tempdir().expect("a folder");
        for (said, words) in [
            (Err("echo no credentials >&2; exit 3"), "no credentials"),
            (Err("echo {}"), "ExecCredential"),
            (Err("echo nonsense"), "no ExecCredential"),
            (Ok(json!({})), "no status.token"),
            (Ok(json!({"clientCertificateData": "x"})), "certificate"),
            (
                Ok(json!({"token": "t", "expirationTimestamp": "soon"})),
                "no time",
            ),
        ] {
            let script = match said {
                Ok(status) => printing(&folder, &status),
                Err(script) => script.to_owned(),
            };
            let error = plugin(&script).token().await.expect_err("refused");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
