//! A cluster that kind makes in Docker: a node with a kubelet, and Kubernetes'
//! own control plane in pods on it.
//!
//! Whom it trusts is in a file of a mounted folder, as on the control plane. The
//! node finds the identity provider at the gateway of kind's network, where the
//! front door listens, too; so does this machine: there is one issuer.

pub mod by_hand;
mod config;
mod docker;
mod home;
pub mod kept;
mod preflight;
mod remove;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foundation::clock::{Stopwatch, limit, pause};
use foundation::listen::ReservedPort;
use foundation::pki::{self, Ca, Leaf};
use futures_util::future::BoxFuture;
use mock_apiserver::audit::{Policy, Unrecorded};
use tokio::sync::watch as channel;

use super::api_server::{self, PROBE, Webhook};
use super::authn::Trust;
use super::health::{PERIOD, trouble};
use super::kubeconfig::Kubeconfig;
use super::reload::{self, ApiServer, Reload};
use super::{Capabilities, Cluster, TrustError};
use crate::child::{Group, LastWill};
use crate::files::write_private;
pub use config::NodeConfig;
pub use docker::{Docker, Trouble};
pub use home::Home;
pub use kept::{Identity, Kept};
pub use preflight::{Missing, Tools, before_nodes_by_hand, docker, gateway, program};
pub use remove::{Left, are_there_nodes, changed_sysctls, left, put_back_sysctls};

/// How long kind may take: kubeadm gives up after four minutes.
const CREATE_LIMIT: Duration = Duration::from_secs(300);
/// How long the controllers may take after that.
const START_LIMIT: Duration = Duration::from_secs(60);
/// kubeadm's own name for it.
const SERVICE_ACCOUNT_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Where a node has the folder of the audit log.
const AUDIT: &str = "/etc/kubernetes/rolecall-audit";
/// Where Go looks for roots, beside the bundle: kubeadm mounts it.
const ISSUER_ROOTS: &str = "/etc/ssl/certs/rolecall-issuers.pem";
/// In a cluster's folder: that kind is done.
const CREATED: &str = "created";
/// How long Docker may take to say more about a cluster that is broken.
const LOOK_LIMIT: Duration = Duration::from_millis(500);
/// How much of the end of a log is shown, in lines.
const TAIL: usize = 12;
/// Whose requests are the cluster's own.
const PARTS: [Unrecorded<'_>; 3] = [
    Unrecorded::Users(&[
        "kubernetes-super-admin",
        "system:kube-controller-manager",
        "system:kube-scheduler",
    ]),
    Unrecorded::Groups(&[
        "kubeadm:cluster-admins",
        "system:bootstrappers",
        "system:nodes",
        "system:serviceaccounts:kube-system",
    ]),
    Unrecorded::Probes,
];

/// How a kind cluster is started.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster's name in its kubeconfig.
    pub name: String,
    /// The host of its endpoint, where that is another than its address.
    pub host: Option<String>,
    /// Its port on loopback; 0: a free one.
    pub port: u16,
    /// The node's image; none: kind's own.
    pub image: Option<String>,
    /// Where its requests are recorded.
    pub audit: Option<PathBuf>,
    /// Which of them, and how fully.
    pub audit_policy: Policy,
    /// PEM of whom it trusts as issuers' CAs, beside those of the node's image.
    pub issuer_roots: String,
    /// The proxy that issuers are asked through, instead of the environment's.
    pub proxy: Option<String>,
    /// Who else is asked about tokens.
    pub webhook: Option<Webhook>,
    /// How the cluster is made, and for whom, where it is to outlive its owner.
    pub keep: Option<(serde_json::Value, Arc<Identity>)>,
}

/// A running kind cluster.
pub struct KindCluster {
    name: String,
    release: String,
    endpoint: String,
    address: SocketAddr,
    ca: Ca,
    admin: Leaf,
    reload: tokio::sync::Mutex<Reload>,
    node: Node,
    broken: channel::Receiver<Option<String>>,
    watch: tokio::task::JoinHandle<()>,
    /// Taken when it is stopped.
    remains: Mutex<Option<Remains>>,
}

/// What has to go with the cluster, in this order: the will runs while the
/// folder is still held.
#[derive(Debug)]
struct Remains {
    /// None where the cluster is kept.
    will: Option<LastWill>,
    home: Home,
}

impl Remains {
    /// Whom a kept cluster trusted is not there any more.
    fn release(self) {
        if self.will.is_none() {
            let _ = reload::trust_nobody(&authentication(&self.home));
        }
    }
}

/// The container that is the node.
#[derive(Clone, Debug)]
struct Node {
    docker: Docker,
    name: String,
}

impl KindCluster {
    /// Makes a cluster; returns when the API server is ready and the controllers
    /// work.
    ///
    /// # Errors
    /// A sentence, with the end of a log: what does not start.
    pub async fn start(tools: &Tools, config: Config) -> Result<Self, String> {
        // Docker would say so after the node was made.
        if config.port != 0 {
            let address = (Ipv4Addr::LOCALHOST, config.port).into();
            drop(ReservedPort::bind(address).map_err(|error| error.to_string())?);
        }
        // What a run left that was killed with all that belonged to it.
        for left in remove::left(false) {
            if left.is_of(&tools.docker) {
                left.remove(&tools.docker).await?;
            }
        }
        let ca = Ca::new(&ca_name(&config), pki::today()).map_err(|error| error.to_string())?;
        let home = Home::create()?;
        let will = remove::note_engine(&tools.docker, &home)
            .and_then(|()| remove::will(&tools.docker, &home))
            .map_err(|error| format!("{}: {error}", home.folder().display()))?;
        // From here on whatever there is goes with this value.
        let remains = Remains {
            will: Some(will),
            home,
        };
        let home = &remains.home;
        remove::note_sysctls(&tools.docker).await?;
        let node = Node::of(tools, home);
        let told = write(home, &ca, &config, tools.docker.cgroup_v1)?;
        create(tools, home, &node, &config, &told).await?;
        node.check_flags(&told).await?;
        Self::on(node, ca, config, remains).await
    }

    /// Takes a cluster over that was kept, with what is in it; it trusts nobody.
    ///
    /// # Errors
    /// A sentence, with the end of a log: what does not start.
    pub async fn again(tools: &Tools, config: Config, home: Home) -> Result<Self, String> {
        let read = |name: &str| {
            let path = home.path(name);
            std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let ca = Ca::again(&ca_name(&config), &read("ca.crt")?, &read("ca.key")?)
            .map_err(|error| error.to_string())?;
        if let Some(log) = &config.audit {
            share_again(log, &home.path("audit/audit.log"))
                .map_err(|error| format!("{}: {error}", log.display()))?;
        }
        let file = authentication(&home);
        let trusted = !reload::trusts_nobody_for_long(&file);
        if trusted {
            reload::trust_nobody(&file)?;
        }
        let node = Node::of(tools, &home);
        // The machine may have been started anew.
        tools
            .docker
            .run(&["start", &node.name])
            .await
            .map_err(|why| {
                format!(
                    "docker start {}: {why}. Where the node is gone, `rolecall clean --kept` forgets it",
                    node.name
                )
            })?;
        let remains = Remains { will: None, home };
        let cluster = Self::on(node, ca, config, remains).await.map_err(|why| {
            format!("{why}\nWhere Docker has given it another address since, as after a new start of the machine, `rolecall clean --kept` removes it")
        })?;
        if trusted {
            let reload = cluster.reload.lock().await;
            let settled = reload.let_go(&cluster.node).await;
            settled.map_err(|why| why.to_string())?;
        }
        Ok(cluster)
    }

    /// The cluster on a node that was started.
    async fn on(node: Node, ca: Ca, config: Config, mut remains: Remains) -> Result<Self, String> {
        let masters = Some("system:masters");
        let issue = |user: &str| {
            ca.issue_client(user, masters, pki::today())
                .map_err(|error| error.to_string())
        };
        let (admin, probe) = (issue("kubernetes-admin")?, issue(PROBE)?);
        let address = node.address().await?;
        let reload = Reload::new(
            authentication(&remains.home),
            ApiServer {
                origin: format!("https://{address}"),
                ca_pem: ca.pem(),
                probe: &probe,
                service_account_issuer: SERVICE_ACCOUNT_ISSUER,
            },
        )?;
        node.until("the API server", || reload.is_ready()).await?;
        node.until("the controllers", || reload.has_what_namespaces_have())
            .await?;
        let release = reload.release().await?;
        // It works, so it is worth keeping.
        if let Some((made_as, identity)) = &config.keep
            && let Some(will) = remains.will.take()
        {
            kept::keep(&remains.home, made_as, identity)
                .map_err(|error| format!("{}: {error}", remains.home.folder().display()))?;
            will.revoke();
        }

        let (tell, broken) = channel::channel(None);
        let watch = tokio::spawn({
            let (node, http) = (node.clone(), reload.http().clone());
            async move {
                let _ = tell.send(Some(node.watch(&http, address).await));
                // Whoever asks later is told, too.
                tell.closed().await;
            }
        });
        Ok(Self {
            endpoint: match &config.host {
                Some(host) => format!("https://{host}"),
                None => format!("https://{address}"),
            },
            name: config.name,
            release,
            address,
            ca,
            admin,
            reload: tokio::sync::Mutex::new(reload),
            node,
            broken,
            watch,
            remains: Mutex::new(Some(remains)),
        })
    }
}

/// The file that says whom a cluster trusts.
fn authentication(home: &Home) -> PathBuf {
    home.path("node").join(config::AUTHENTICATION)
}

fn ca_name(config: &Config) -> String {
    format!("rolecall cluster {}", config.name)
}

/// Writes what the node gets to see; returns what kind is told of it.
fn write(home: &Home, ca: &Ca, config: &Config, cgroup_v1: bool) -> Result<NodeConfig, String> {
    let folders = ["node", "audit", "bin"];
    for folder in folders {
        let path = home.path(folder);
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut files = vec![
        ("ca.crt", ca.pem().to_owned()),
        ("ca.key", ca.key_pem()),
        ("issuers.crt", config.issuer_roots.clone()),
        (
            "node/audit-policy.json",
            api_server::audit_policy(&config.audit_policy, &PARTS),
        ),
    ];
    if let Some(webhook) = &config.webhook {
        files.push(("node/webhook.kubeconfig", webhook.kubeconfig()));
    }
    for (name, text) in files {
        let path = home.path(name);
        write_private(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    }

    reload::trust_nobody(&authentication(home))?;
    let mut told = NodeConfig {
        name: Some(home.name().to_owned()),
        api_port: (config.port != 0).then_some(config.port),
        names: config.host.iter().cloned().collect(),
        cgroup_v1,
        ..NodeConfig::default()
    };
    told.trusts_by_file(&home.path("node"));
    // kubeadm takes a CA that it finds: so we can vouch for people, too.
    for file in ["ca.crt", "ca.key"] {
        told.mount(&home.path(file), &format!("/etc/kubernetes/pki/{file}"));
    }
    told.mount(&home.path("issuers.crt"), ISSUER_ROOTS);
    let seen = |name: &str| Path::new(config::FOLDER).join(name);
    let (policy, log) = (
        seen("audit-policy.json"),
        Path::new(AUDIT).join("audit.log"),
    );
    if let Some(log) = &config.audit {
        let failed = |error: io::Error| format!("{}: {error}", log.display());
        if config.keep.is_some() {
            // It goes on in another instance, whose file is another.
            share(log, &home.path("audit/audit.log")).map_err(failed)?;
            told.shows(&home.path("audit"), AUDIT, true);
        } else {
            let theirs = std::path::absolute(log).map_err(failed)?;
            if !theirs.exists() {
                write_private(&theirs, "").map_err(failed)?;
            }
            told.mount(&theirs, &format!("{AUDIT}/audit.log"));
            told.volumes.push((AUDIT.to_owned(), true));
        }
    }
    let asked = config.webhook.as_ref().map(|_| seen("webhook.kubeconfig"));
    let recorded = config.audit.as_ref().map(|_| (&*policy, &*log));
    for (name, value) in api_server::flags(asked.as_deref(), recorded) {
        told.flag(name, &value);
    }
    Ok(told)
}

/// Makes `ours` the file `theirs` by another name, so that it stays ours and
/// outlives the cluster; across file systems, a link to it.
fn share(theirs: &Path, ours: &Path) -> io::Result<()> {
    if !theirs.exists() {
        write_private(theirs, "")?;
    }
    if std::fs::hard_link(theirs, ours).is_ok() {
        return Ok(());
    }
    std::fs::copy(theirs, ours)?;
    std::fs::remove_file(theirs)?;
    std::os::unix::fs::symlink(ours, theirs)
}

/// As [`share`], for a log of ours that goes on; what was theirs is kept beside.
fn share_again(theirs: &Path, ours: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let id = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino()));
    if let (Ok(a), Ok(b)) = (id(theirs), id(ours))
        && a == b
    {
        return Ok(());
    }
    if theirs.exists() {
        std::fs::rename(theirs, theirs.with_extension("log.old"))?;
    }
    let _ = std::fs::remove_file(theirs);
    std::fs::hard_link(ours, theirs).or_else(|_| std::os::unix::fs::symlink(ours, theirs))
}

/// Runs `kind create cluster`.
async fn create(
    tools: &Tools,
    home: &Home,
    node: &Node,
    config: &Config,
    told: &NodeConfig,
) -> Result<(), String> {
    let (file, log) = (home.path("kind.yaml"), home.path("kind.log"));
    write_private(&file, &told.render()).map_err(|error| error.to_string())?;
    let mut command = Command::new(&tools.kind);
    command
        .args(["create", "cluster", "--retain", "--name", home.name()])
        .arg("--config")
        .arg(&file)
        .arg("--kubeconfig")
        .arg(home.path("kubeconfig"))
        .env("KIND_EXPERIMENTAL_PROVIDER", "docker")
        .env_remove("KUBECONFIG")
        .env_remove("KIND_EXPERIMENTAL_DOCKER_NETWORK");
    if let Some(image) = &config.image {
        command.args(["--image", image]);
    }
    if let Some(proxy) = &config.proxy {
        // kind adds its own networks to NO_PROXY, the gateway among them.
        api_server::ask_through(&mut command, proxy);
    }
    if let Some(wrapper) = tools.docker.wrapper() {
        command.env("PATH", path_with_wrapper(home, &wrapper)?);
    }
    let mut group = std::fs::File::create(&log)
        .and_then(|output| Group::start(&command, Some(output)))
        .map_err(|error| format!("kind does not start: {error}"))?;
    let watch = Stopwatch::start();
    let failed = loop {
        match group.ended() {
            Some(status) if status.success() => {
                return write_private(&home.path(CREATED), "").map_err(|error| error.to_string());
            }
            Some(status) => break format!("kind create cluster failed ({status})"),
            None if watch.elapsed() > CREATE_LIMIT => {
                let seconds = CREATE_LIMIT.as_secs();
                break format!("kind create cluster is not done after {seconds} s");
            }
            None => pause(Duration::from_millis(50)).await,
        }
    };
    drop(group);
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let said = end_of(&said);
    if is_of_the_image(&said) {
        return Err(format!(
            "{failed}: the node image is not there and cannot be pulled; load it from an archive (docker load), make one (just kind-node-image), or name another with --kind-image\n{said}"
        ));
    }
    let server = node.log_of_api_server().await;
    Err(format!(
        "{failed}; the end of its log:\n{said}\nof the API server's:\n{server}"
    ))
}

/// Whether it was the image that kind could not have, or had not yet.
fn is_of_the_image(said: &str) -> bool {
    let asked = said.contains("Ensuring node image");
    said.contains("failed to pull image") || (asked && !said.contains("✓ Ensuring node image"))
}

/// `PATH` with a `docker` in front that does without `--privileged`.
fn path_with_wrapper(home: &Home, wrapper: &str) -> Result<std::ffi::OsString, String> {
    let folder = home.path("bin");
    let program = folder.join("docker");
    std::fs::write(&program, wrapper)
        .and_then(|()| std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)))
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).map_err(|error| format!("PATH: {error}"))
}

fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

impl Node {
    fn of(tools: &Tools, home: &Home) -> Self {
        Self {
            docker: tools.docker.clone(),
            name: home.node(),
        }
    }

    /// Waits until it is `ready`.
    async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        ready: impl Fn() -> F,
    ) -> Result<(), String> {
        let watch = Stopwatch::start();
        while !ready().await {
            if watch.elapsed() > START_LIMIT {
                let (seconds, log) = (START_LIMIT.as_secs(), self.log_of_api_server().await);
                return Err(format!(
                    "{what} of {} not ready within {seconds} s; the end of the API server's log:\n{log}",
                    self.name
                ));
            }
            pause(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Whether the API server was told what we told kind: what kubeadm does not
    /// understand of a patch it leaves out without a word.
    async fn check_flags(&self, told: &NodeConfig) -> Result<(), String> {
        let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
        let text = self
            .docker
            .exec(&self.name, &["cat", manifest])
            .await
            .map_err(|why| format!("{manifest} of {}: {why}", self.name))?;
        match told.lacking_in(&text) {
            None => Ok(()),
            Some(flag) => Err(format!(
                "kind did not hand on --{flag}: {manifest} of {} does not have it. kind 0.32 or later is needed for Kubernetes 1.36 and later",
                self.name
            )),
        }
    }

    /// Where this machine reaches its API server.
    async fn address(&self) -> Result<SocketAddr, String> {
        let port = self
            .docker
            .run(&["port", &self.name, "6443/tcp"])
            .await
            .map_err(|why| format!("docker port {}: {why}", self.name))?;
        port.lines()
            .find_map(|line| line.parse().ok())
            .ok_or_else(|| format!("docker port {}: {port:?}", self.name))
    }

    /// Looks at it until it does not work any more, and says why.
    async fn watch(&self, http: &reqwest::Client, address: SocketAddr) -> String {
        loop {
            if let Some(why) = trouble(http, format!("https://{address}/livez")).await {
                let state = ["inspect", "--format={{.State.Status}}", &self.name];
                let state = self.docker.run_within(&state, LOOK_LIMIT).await;
                return match state.as_deref() {
                    Ok("running") => {
                        let log = limit(LOOK_LIMIT, self.log_of_api_server()).await;
                        let log = log.unwrap_or_else(|_| "(not to be had)".to_owned());
                        format!("kube-apiserver does not answer: {why}; the end of its log:\n{log}")
                    }
                    Ok(state) => format!("the node {} is {state}: {why}", self.name),
                    Err(error) => format!("the node {}: {error}: {why}", self.name),
                };
            }
            pause(PERIOD).await;
        }
    }

    /// The end of the API server's log.
    async fn log_of_api_server(&self) -> String {
        let read = format!(
            "tail -q -n {TAIL} /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log"
        );
        let read = ["sh", "-c", &read];
        match self.docker.exec(&self.name, &read).await {
            Ok(text) => end_of(&text),
            Err(why) => why.to_string(),
        }
    }
}

impl reload::Log for Node {
    fn last_line_with<'a>(&'a self, part: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            let read = "grep -hF -e \"$1\" /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log | tail -n 1";
            let read = ["sh", "-c", read, "sh", part];
            let line = self.docker.exec(&self.name, &read).await.ok()?;
            (!line.is_empty()).then_some(line)
        })
    }
}

impl Drop for KindCluster {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Cluster for KindCluster {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    fn admin_kubeconfig(&self) -> Option<Kubeconfig> {
        let admin = Kubeconfig::of_admin(&self.name, &self.endpoint, self.ca.pem(), &self.admin);
        Some(admin)
    }

    fn admin(&self) -> Option<&Leaf> {
        Some(&self.admin)
    }

    fn release(&self) -> &str {
        &self.release
    }

    fn trust<'a>(&'a self, trust: Option<&'a Trust>) -> BoxFuture<'a, Result<(), TrustError>> {
        Box::pin(async move {
            let mut reload = self.reload.lock().await;
            let asked = reload.trust(trust, &self.node);
            super::unless_broken(asked, self.broken()).await
        })
    }

    fn capabilities(&self) -> Capabilities {
        api_server::capabilities(super::Kind::Kind)
    }

    fn broken(&self) -> BoxFuture<'_, String> {
        super::told(&self.broken)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.watch.abort();
            let remains = self
                .remains
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            // A panic of it was counted by the panic hook.
            let _ = tokio::task::spawn_blocking(move || remains.map(Remains::release)).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(" • Ensuring node image (kindest/node:v1.35.0) 🖼  ...\n", true)]
    #[case(
        " ✗ Ensuring node image (i) 🖼\nERROR: failed to pull image \"i\": no\n",
        true
    )]
    #[case(
        " • Ensuring node image (i) 🖼  ...\n ✓ Ensuring node image (i) 🖼\n • Preparing nodes 📦   ...\n",
        false
    )]
    #[case("", false)]
    fn an_image_that_is_not_had_is_told_from_other_trouble(#[case] said: &str, #[case] is: bool) {
        assert_eq!(is_of_the_image(said), is);
    }
}
