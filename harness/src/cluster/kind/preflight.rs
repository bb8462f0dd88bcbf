//! What a kind cluster needs of this machine, and what is missing of it, each
//! with the remedy; asked before anything is made.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use foundation::listen::Listener;
use kube_rbac::Version;
use serde_json::Value;

use super::docker::{Docker, Trouble, said};
use super::home;
use super::remove::note_sysctls;
use crate::cluster::control_plane::assets;
use crate::process::on_path;

/// How long Docker's daemon may take to say that it is there.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long an image may take to come over the network.
const PULL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// The network that kind puts its nodes into.
const NETWORK: &str = "kind";
/// What kind gives that network for IPv6: of its name's hash.
const IPV6_SUBNET: &str = "fc00:f853:ccd:e793::/64";
/// The API of Docker 20.10, the first that knows `--cgroupns`, which kind passes.
const OLDEST_API: (u32, u32) = (1, 41);
/// The minor of kind 0.x that makes nodes of Kubernetes 1.36 and later.
const OLDEST_KIND: u32 = 32;
/// CAP_SYS_RESOURCE (linux/capability.h), in `CapBnd`.
const SYS_RESOURCE: u32 = 24;
/// Sysctls of `fs.inotify`, and how much of each systemd and the kubelet of one
/// node take, with some room.
const INOTIFY: [(&str, u64); 2] = [("max_user_instances", 64), ("max_user_watches", 512)];

/// All that a kind cluster is made with.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Docker.
    pub docker: Docker,
    /// The kind program.
    pub kind: PathBuf,
    /// Where containers on kind's network reach this machine.
    pub gateway: Ipv4Addr,
    /// What the program says of its own version.
    version: String,
    /// The node image that was asked for.
    image: Option<String>,
}

impl Tools {
    /// Looks for everything; `image` is the node image, where one was asked for.
    ///
    /// # Errors
    /// [`Missing`].
    pub async fn find(image: Option<&str>) -> Result<Self, Missing> {
        let kind = program().ok_or_else(|| {
            Missing::new(
                format!("kind is not on PATH or in {}", assets::built_folder().display()),
                "`rolecall assets build kind` makes it (Go 1.26, half a minute), or install it from https://kind.sigs.k8s.io",
            )
        })?;
        let (docker, version) = tokio::join!(docker(), version_of(&kind));
        let (docker, version) = (docker?, version?);
        check_inotify(Path::new("/proc"))?;
        if let Some(image) = image {
            has_image(&docker, image).await?;
        }
        let gateway = gateway_by(&docker).await?;
        Ok(Self {
            docker,
            kind,
            gateway,
            version,
            image: image.map(str::to_owned),
        })
    }

    /// The node image for a minor: the one that was asked for, or that which
    /// `just kind-node-image` makes; none: kind's own.
    ///
    /// # Errors
    /// [`Missing`]: kind's own is of another minor, maybe; or kind is too old for ours.
    pub async fn image(&self, version: Option<Version>) -> Result<Option<String>, Missing> {
        if self.image.is_some() {
            return Ok(self.image.clone());
        }
        let ours = format!("rolecall/node:{}", version.unwrap_or_default().release());
        if self.docker.has_image(&ours).await {
            check_kind(&self.version)?;
            return Ok(Some(ours));
        }
        match version {
            None => Ok(None),
            Some(version) => Err(Missing::new(
                format!("there is no image {ours}"),
                format!(
                    "`just kind-node-image` makes one of 1.37; for {version} name another, as in --kind-image kindest/node:v{version}.0"
                ),
            )),
        }
    }
}

/// What `kind version` prints.
async fn version_of(kind: &Path) -> Result<String, Missing> {
    said(kind, &["version"], ANSWER_LIMIT).await.map_err(|why| {
        let what = format!("{} version: {why}", kind.display());
        Missing::new(what, "`rolecall assets build kind` makes one")
    })
}

/// Whether kind writes kubeadm's configuration as our image's kubeadm reads it
/// (`v1beta4`, of kind 0.32 and later).
fn check_kind(version: &str) -> Result<(), Missing> {
    let number = version.split_once("kind v0.").map(|(_, rest)| rest);
    let number = number.and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    match number {
        Some(minor) if minor < OLDEST_KIND => Err(Missing::new(
            format!(
                "{version} makes no nodes of Kubernetes 1.36 and later: kind 0.{OLDEST_KIND} does"
            ),
            "`rolecall assets build kind` makes one, which counts where there is none on PATH; or name an older node's image with --kind-image",
        )),
        // One of somebody's own says what it likes.
        _ => Ok(()),
    }
}

/// The kind program, on PATH or built.
pub fn program() -> Option<PathBuf> {
    let built = assets::built_folder().join("kind/bin/kind");
    on_path("kind").or_else(|| built.is_file().then_some(built))
}

/// Where containers on the network `kind` reach this machine.
///
/// # Errors
/// [`Missing`]: Docker, or its network.
pub async fn gateway() -> Result<Ipv4Addr, Missing> {
    gateway_by(&docker().await?).await
}

/// The same, where somebody is about to make a node: what its kubelet changes of the
/// machine is written down, and [`super::put_back_sysctls`] (`rolecall clean`) puts
/// it back.
///
/// # Errors
/// [`Missing`]: Docker, its network, or a place for the note.
pub async fn before_nodes_by_hand() -> Result<Ipv4Addr, Missing> {
    let docker = docker().await?;
    note_sysctls(&docker).await.map_err(|why| {
        Missing::new(
            format!("what kubelets change of this machine cannot be written down: {why}"),
            "Look at the file's folder and who may write there",
        )
    })?;
    gateway_by(&docker).await
}

/// kind never deletes the network, so the address outlives its clusters.
async fn gateway_by(docker: &Docker) -> Result<Ipv4Addr, Missing> {
    let inspect = ["network", "inspect", NETWORK];
    let mut found = docker.run(&inspect).await;
    if found.is_err() {
        found = made_network(docker, &inspect).await;
    }
    let text = found.map_err(|why| {
        Missing::new(
            format!("Docker's network {NETWORK} cannot be had: {why}"),
            "Look at `docker network ls`, and remove one that is in the way",
        )
    })?;
    let gateway = gateway_of(&text).ok_or_else(|| {
        Missing::new(
            format!("Docker's network {NETWORK} has no gateway for IPv4"),
            format!("Without a cluster on it, remove it: docker network rm {NETWORK}"),
        )
    })?;
    match Listener::bind((gateway, 0).into()).await {
        Ok(_) => Ok(gateway),
        Err(error) => Err(Missing::new(
            format!(
                "{gateway}, the gateway of Docker's network {NETWORK}, is not this machine: {error}"
            ),
            "Use an engine that runs here, as root, and not in a virtual machine or elsewhere (DOCKER_HOST, docker context)",
        )),
    }
}

/// Makes the network as kind does, where there is no IPv6 without, and inspects it.
///
/// Docker lets two have one name, and then takes neither by it: of runs that begin
/// at once on a new engine one makes it.
async fn made_network(docker: &Docker, inspect: &[&str]) -> Result<String, Trouble> {
    // Without the lock it is as it would be without other runs.
    let _alone = tokio::task::spawn_blocking(home::alone).await;
    if let Ok(found) = docker.run(inspect).await {
        return Ok(found);
    }
    let create = [
        "network",
        "create",
        "--driver=bridge",
        "--opt=com.docker.network.bridge.enable_ip_masquerade=true",
    ];
    let ipv6 = ["--ipv6", "--subnet", IPV6_SUBNET, NETWORK];
    if docker.run(&[&create[..], &ipv6].concat()).await.is_err() {
        // kind may have made it meanwhile, whose subnet that is.
        if let Ok(found) = docker.run(inspect).await {
            return Ok(found);
        }
        let _ = docker.run(&[&create[..], &[NETWORK]].concat()).await;
    }
    docker.run(inspect).await
}

/// The gateway in what `docker network inspect` says; the order of its entries
/// is not promised.
fn gateway_of(inspected: &str) -> Option<Ipv4Addr> {
    let networks: Value = serde_json::from_str(inspected).ok()?;
    let entries = networks[0]["IPAM"]["Config"].as_array()?;
    entries.iter().find_map(|entry| {
        let gateway = entry["Gateway"].as_str()?;
        gateway.parse().ok()
    })
}

async fn has_image(docker: &Docker, image: &str) -> Result<(), Missing> {
    if docker.has_image(image).await {
        return Ok(());
    }
    docker
        .run_within(&["pull", "--quiet", image], PULL_LIMIT)
        .await
        .map(drop)
        .map_err(|why| {
            Missing::new(
                format!("the image {image} is not there and cannot be pulled: {why}"),
                "Load it from an archive (docker load), or make one where there is no registry: just kind-node-image",
            )
        })
}

/// Why there is no kind cluster to be had: what is missing, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}. {remedy}")]
pub struct Missing {
    what: String,
    remedy: String,
}

impl Missing {
    fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// Looks for Docker, and whether its daemon answers.
///
/// # Errors
/// [`Missing`].
pub async fn docker() -> Result<Docker, Missing> {
    let program = on_path("docker").ok_or_else(|| {
        Missing::new(
            "docker is not on PATH, and kind makes nodes with it",
            "Install Docker 20.10 or later (Debian: apt-get install docker.io)",
        )
    })?;
    let (info, version) = tokio::join!(
        said(&program, &["info", "--format", "{{json .}}"], ANSWER_LIMIT),
        said(
            &program,
            &["version", "--format", "{{.Server.APIVersion}}"],
            ANSWER_LIMIT
        ),
    );
    let info = read_info(info)?;
    match version {
        Ok(version) => check_api(&version)?,
        Err(trouble) => drop(read_info(Err(trouble))?),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Ok(engine(program, &info, &status))
}

/// An engine by what it says of itself, and by what processes of this machine may
/// do (`/proc/self/status`).
fn engine(program: PathBuf, info: &Value, status: &str) -> Docker {
    Docker {
        program,
        id: info["ID"].as_str().unwrap_or_default().to_owned(),
        cgroup_v1: info["CgroupVersion"] == "1",
        privileged: has_sys_resource(status),
    }
}

/// What `docker info` says.
fn read_info(info: Result<String, Trouble>) -> Result<Value, Missing> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "its default socket".to_owned());
    let said = match info {
        Ok(text) => {
            let info: Value = serde_json::from_str(&text).unwrap_or_default();
            if info["ServerVersion"]
                .as_str()
                .is_some_and(|version| !version.is_empty())
            {
                return Ok(info);
            }
            let errors = info["ServerErrors"].as_array().into_iter().flatten();
            let said: Vec<&str> = errors.filter_map(Value::as_str).collect();
            said.join("; ")
        }
        Err(Trouble::Silent(limit)) => {
            return Err(Missing::new(
                format!(
                    "Docker's daemon at {host} has not answered within {} s",
                    limit.as_secs()
                ),
                "Restart it (systemctl restart docker), or name another in DOCKER_HOST",
            ));
        }
        Err(trouble) => trouble.to_string(),
    };
    let remedy = if said.contains("permission denied") {
        "Add yourself to the group docker (usermod -aG docker $USER) and log in anew"
    } else {
        "Start it (systemctl start docker), or name another in DOCKER_HOST"
    };
    Err(Missing::new(
        format!("Docker's daemon at {host} cannot be reached: {said}"),
        remedy,
    ))
}

/// Whether the daemon's API (`docker version`, `Server.ApiVersion`) is new enough.
///
/// # Errors
/// [`Missing`].
pub fn check_api(version: &str) -> Result<(), Missing> {
    let number = version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    match number {
        Some(number) if number >= OLDEST_API => Ok(()),
        _ => Err(Missing::new(
            format!("Docker's daemon speaks API {version}, and kind needs 1.41"),
            "Update Docker to 20.10 or later",
        )),
    }
}

/// `CapBnd` of `/proc/self/status`. Where the bit is gone nobody on the machine
/// gets it back, and Docker fails to start what is `--privileged`.
fn has_sys_resource(status: &str) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    // Where there is no such file it is no Linux, and Docker has a machine of
    // its own.
    bits.is_none_or(|bits| bits >> SYS_RESOURCE & 1 == 1)
}

/// Whether systemd and the kubelet get as many of inotify's instances and watches
/// as they need.
///
/// # Errors
/// [`Missing`], with the sysctl.
pub fn check_inotify(proc: &Path) -> Result<(), Missing> {
    for (name, needed) in INOTIFY {
        let file = proc.join("sys/fs/inotify").join(name);
        let text = std::fs::read_to_string(file).unwrap_or_default();
        match text.trim().parse::<u64>() {
            Ok(limit) if limit < needed => {
                return Err(Missing::new(
                    format!("fs.inotify.{name} is {limit}, and a node needs {needed}"),
                    format!("sysctl fs.inotify.{name}={needed}"),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::no_daemon(Ok(r#"{"ServerErrors": ["Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"]}"#.to_owned()), "Start it")]
    #[case::not_allowed(Err(Trouble::Refused("permission denied while trying to connect".to_owned())), "group docker")]
    #[case::hung(
        Err(Trouble::Silent(Duration::from_secs(5))),
        "has not answered within 5 s"
    )]
    #[case::nothing(Ok(String::new()), "Start it")]
    fn a_daemon_that_is_not_there_is_told_with_the_remedy(
        #[case] info: Result<String, Trouble>,
        #[case] words: &str,
    ) {
        let missing = read_info(info).expect_err("no daemon").to_string();
        assert!(missing.contains(words), "{missing}");
        assert!(
            missing.contains("DOCKER_HOST") || missing.contains("usermod"),
            "{missing}"
        );
    }

    #[rstest]
    #[case("1", "CapBnd:\t000001fffeffffff", true, true)]
    #[case("2", "CapBnd:\t000001ffffffffff", false, false)]
    fn what_a_node_is_made_with_goes_by_the_engine(
        #[case] cgroup: &str,
        #[case] status: &str,
        #[case] is_v1: bool,
        #[case] is_wrapped: bool,
    ) {
        let info = json!({"ServerVersion": "20.10.24+dfsg1", "ID": "A", "CgroupVersion": cgroup});
        let info = read_info(Ok(info.to_string())).expect("a daemon");
        let docker = engine("docker".into(), &info, status);
        assert_eq!((docker.id.as_str(), docker.cgroup_v1), ("A", is_v1));
        assert_eq!(docker.wrapper().is_some(), is_wrapped);
    }

    #[rstest]
    #[case("kind v0.30.0 go1.24.6 linux/amd64", false)]
    #[case("kind v0.32.0 go1.26.1 linux/amd64", true)]
    #[case("kind v0.33.0-alpha+0a1b2c go1.26 linux/arm64", true)]
    #[case("kind v1.0.0 go1.27 linux/amd64", true)]
    #[case("", true)]
    fn an_old_kind_is_told_with_the_remedy(#[case] version: &str, #[case] will_do: bool) {
        let checked = check_kind(version);
        assert_eq!(checked.is_ok(), will_do, "{checked:?}");
        if let Err(missing) = checked {
            let said = missing.to_string();
            assert!(said.contains("rolecall assets build kind"), "{said}");
        }
    }

    #[test]
    fn the_gateway_is_the_one_for_ipv4() {
        let inspected = r#"[{"IPAM": {"Config": [
            {"Subnet": "fc00:f853:ccd:e793::/64", "Gateway": "fc00:f853:ccd:e793::1"},
            {"Subnet": "172.19.0.0/16", "Gateway": "172.19.0.1"}]}}]"#;
        assert_eq!(gateway_of(inspected), Some(Ipv4Addr::new(172, 19, 0, 1)));
        assert_eq!(
            gateway_of(r#"[{"IPAM": {"Config": [{"Subnet": "fc00::/64"}]}}]"#),
            None
        );
        assert_eq!(gateway_of(""), None);
    }

    #[rstest]
    #[case("1.41", true)]
    #[case("1.50", true)]
    #[case("2.0", true)]
    #[case("1.40", false)]
    #[case("", false)]
    fn old_daemons_are_refused(#[case] version: &str, #[case] fits: bool) {
        let checked = check_api(version);
        assert_eq!(checked.is_ok(), fits);
        if let Err(missing) = checked {
            let missing = missing.to_string();
            assert!(
                missing.ends_with("Update Docker to 20.10 or later"),
                "{missing}"
            );
        }
    }

    #[rstest]
    #[case("CapBnd:\t000001fffeffffff\n", false)]
    #[case("CapBnd:\t000001ffffffffff\n", true)]
    #[case("", true)]
    fn a_capability_that_is_gone_is_noticed(#[case] status: &str, #[case] has: bool) {
        assert_eq!(has_sys_resource(status), has);
    }

    #[rstest]
    #[case("max_user_instances", 64)]
    #[case("max_user_watches", 512)]
    fn a_low_limit_of_inotify_is_told(#[case] name: &str, #[case] needed: u64) {
        let proc = tempfile::tempdir().expect("a folder");
        let folder = proc.path().join("sys/fs/inotify");
        std::fs::create_dir_all(&folder).expect("made");
        assert_eq!(check_inotify(proc.path()), Ok(()));
        let file = folder.join(name);
        std::fs::write(&file, format!("{}\n", needed - 1)).expect("written");
        let missing = check_inotify(proc.path()).expect_err("too few").to_string();
        assert!(
            missing.ends_with(&format!("sysctl fs.inotify.{name}={needed}")),
            "{missing}"
        );
        std::fs::write(&file, format!("{needed}\n")).expect("written");
        assert_eq!(check_inotify(proc.path()), Ok(()));
    }
}
