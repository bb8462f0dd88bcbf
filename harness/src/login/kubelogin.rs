//! kubelogin as the client: the real program asks for the login, waits for the
//! code on its own listener and exchanges it; the pages in between are walked
//! by the form driver.
//!
//! kubelogin listens where the app client's redirect URI says, which is a
//! fixed port, so logins take turns, over all processes of this machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use ::http::Method;
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use url::Url;

use super::code_flow::parse;
use super::http::{Browser, HttpLogin};
use super::{Login, Refusal, Request, Session};
use crate::client::Broken;

/// What kubelogin is called: as kubectl's plugin, and alone.
const NAMES: [&str; 2] = ["kubectl-oidc_login", "kubelogin"];

/// How long kubelogin waits for the pages.
const LIMIT_SECONDS: &str = "60";

/// The driver. It needs the program and the form driver.
pub struct KubeloginLogin {
    program: PathBuf,
    pages: Arc<HttpLogin>,
    ca_pem: String,
    proxy: Option<String>,
}

impl KubeloginLogin {
    /// A driver that starts `program` and trusts `ca_pem`, and asks through
    /// `proxy` where there is one.
    pub fn new(program: PathBuf, pages: Arc<HttpLogin>, ca_pem: &str, proxy: Option<&str>) -> Self {
        Self {
            program,
            pages,
            ca_pem: ca_pem.to_owned(),
            proxy: proxy.map(str::to_owned),
        }
    }

    /// The program on the PATH.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn find() -> Result<PathBuf, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .flat_map(|folder| NAMES.map(|name| folder.join(name)))
            .find(|candidate| candidate.is_file())
            .ok_or_else(|| {
                "kubelogin is not on the PATH, neither as kubectl-oidc_login nor as kubelogin; `kubernetes/build kubelogin` makes it"
                    .to_owned()
            })
    }

    async fn run(&self, request: &Request) -> Result<Session, Refusal> {
        let folder = tempfile::tempdir().map_err(|error| self.broken(error))?;
        let ca = folder.path().join("ca.crt");
        std::fs::write(&ca, &self.ca_pem).map_err(|error| self.broken(error))?;
        let address = listen_address(&request.redirect_uri)?;
        let _turn = turn(&address).await?;
        let mut child = self.start(request, &address, folder.path(), &ca)?;
        let start = self.first_page(&mut child).await?;
        let mut browser = Browser::new(self.pages.client());
        let callback = browser.walk(parse(&start)?, request).await?;
        let (trace, password_changed) = browser.came_to(&callback).await?;
        let credential = self.finish(child).await?;
        let id_token = credential["status"]["token"]
            .as_str()
            .ok_or_else(|| self.broken("no token in its ExecCredential"))?;
        Ok(Session {
            id_token: Secret::new(id_token.to_owned()),
            access_token: None,
            refresh_token: refresh_token(&folder.path().join("cache")),
            password_changed,
            trace,
        })
    }

    fn start(
        &self,
        request: &Request,
        address: &str,
        home: &Path,
        ca: &Path,
    ) -> Result<Child, Refusal> {
        let mut command = Command::new(&self.program);
        command
            .arg("get-token")
            .arg(format!("--oidc-issuer-url={}", request.issuer))
            .arg(format!("--oidc-client-id={}", request.client_id))
            .arg(format!("--listen-address={address}"))
            .arg("--skip-open-browser")
            .arg(format!("--authentication-timeout-sec={LIMIT_SECONDS}"))
            .arg(format!("--certificate-authority={}", ca.display()))
            .arg(format!(
                "--token-cache-dir={}",
                home.join("cache").display()
            ))
            .args(
                request
                    .scope
                    .split_whitespace()
                    .filter(|scope| *scope != "openid")
                    .map(|scope| format!("--oidc-extra-scope={scope}")),
            )
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for name in ["HTTPS_PROXY", "https_proxy"] {
            match &self.proxy {
                Some(proxy) => command.env(name, proxy),
                None => command.env_remove(name),
            };
        }
        command.spawn().map_err(|error| self.broken(error).into())
    }

    /// Where it says that the browser has to go.
    async fn first_page(&self, child: &mut Child) -> Result<String, Refusal> {
        let stderr = child
            .stderr
            .as_mut()
            .ok_or_else(|| self.broken("no output"))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        while let Some(line) = lines
            .next_line()
            .await
            .map_err(|error| self.broken(error))?
        {
            if let Some((_, url)) = line.split_once("in your browser: ") {
                return Ok(url.trim().to_owned());
            }
            said = line;
        }
        Err(self.broken(said).into())
    }

    /// Its ExecCredential (client.authentication.k8s.io).
    async fn finish(&self, mut child: Child) -> Result<Value, Refusal> {
        let (mut out, mut err) = (String::new(), String::new());
        if let Some(mut stdout) = child.stdout.take() {
            stdout
                .read_to_string(&mut out)
                .await
                .map_err(|error| self.broken(error))?;
        }
        if let Some(mut stderr) = child.stderr.take() {
            // What it says besides is for people.
            let _ = stderr.read_to_string(&mut err).await;
        }
        let status = child.wait().await.map_err(|error| self.broken(error))?;
        if status.success() {
            return serde_json::from_str(&out).map_err(|error| self.broken(error).into());
        }
        let said = err.lines().last().unwrap_or_default().to_owned();
        // The provider's own no comes through Go's oauth2 package.
        if said.contains("oauth2: ") || said.contains("authorization error") {
            return Err(Refusal::Refused {
                because: said,
                trace: Vec::new(),
            });
        }
        Err(self.broken(format!("{status}: {said}")).into())
    }

    fn broken(&self, reason: impl std::fmt::Display) -> Broken {
        Broken::new(self.program.display().to_string(), reason)
    }
}

impl Login for KubeloginLogin {
    fn login<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Session, Refusal>> {
        Box::pin(self.run(request))
    }
}

impl Browser {
    /// Follows the way back to kubelogin's listener; what it took, and whether
    /// a new password was set.
    async fn came_to(mut self, callback: &Url) -> Result<(Vec<String>, bool), Refusal> {
        let page = self.fetch(Method::GET, callback.clone(), None).await?;
        if page.status.is_client_error() {
            return Err(self.flow.refused(page.complaint()));
        }
        Ok((self.flow.trace, self.password_changed))
    }
}

/// `127.0.0.1:8000` of `http://localhost:8000`, which is the one form of
/// redirect URI that kubelogin sends unless it is told of a certificate.
fn listen_address(redirect_uri: &str) -> Result<String, Refusal> {
    let unable = || Refusal::Unable(format!("kubelogin cannot come back to {redirect_uri}"));
    let url = parse(redirect_uri)?;
    let port = url.port().ok_or_else(unable)?;
    if redirect_uri == format!("http://localhost:{port}") {
        Ok(format!("127.0.0.1:{port}"))
    } else {
        Err(unable())
    }
}

/// Waits for the port, which one kubelogin at a time can have.
async fn turn(address: &str) -> Result<std::fs::File, Broken> {
    let what = format!("wait for {address}");
    let address = address.to_owned();
    match tokio::task::spawn_blocking(move || take_turn(&address)).await {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(Broken::new(what, error)),
        Err(error) => Err(Broken::new(what, error)),
    }
}

/// Waits until nobody else on this machine who asks here uses `address`, and
/// holds it as long as the file is held. It blocks.
///
/// # Errors
/// The operating system's.
pub fn take_turn(address: &str) -> std::io::Result<std::fs::File> {
    let name = format!("rolecall-{}.lock", address.replace(':', "-"));
    let path = std::env::temp_dir().join(name);
    // It may be another user's, who made it: to lock it, reading is enough.
    let file = std::fs::File::open(&path).or_else(|_| {
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true).open(&path)
    })?;
    file.lock()?;
    Ok(file)
}

/// What kubelogin keeps beside the ID token (its `pkg/tokencache`): one file
/// an issuer and client, of which this folder has one.
fn refresh_token(cache: &Path) -> Option<Secret<String>> {
    let file = std::fs::read_dir(cache).ok()?.flatten().next()?;
    let text = std::fs::read_to_string(file.path()).ok()?;
    let entry: Value = serde_json::from_str(&text).ok()?;
    let token = entry["refresh_token"].as_str()?;
    Some(Secret::new(token.to_owned()))
}
