//! What a kind cluster needs of this machine, and what is missing of it, each
//! with the remedy; asked before anything is made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use foundation::clock::limit;
use serde_json::Value;
use tokio::process::Command;

/// How long Docker's daemon may take to say that it is there.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The API of Docker 20.10, the first that knows `--cgroupns`, which kind passes.
const OLDEST_API: (u32, u32) = (1, 41);
/// CAP_SYS_RESOURCE (linux/capability.h), in `CapBnd`.
const SYS_RESOURCE: u32 = 24;
/// kind, "Known Issues": pod errors due to "too many open files".
const INOTIFY_INSTANCES: u64 = 64;

/// Docker, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Docker {
    /// The client.
    pub program: PathBuf,
    /// The daemon's version, as in `20.10.24+dfsg1`.
    pub version: String,
    /// Whether its containers have cgroup v1.
    pub cgroup_v1: bool,
    /// Whether it can hand out all capabilities, as `--privileged` asks for.
    pub privileged: bool,
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
    let mut command = Command::new(&program);
    command
        .args(["info", "--format", "{{json .}}"])
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "its default socket".to_owned());
    let output = match limit(ANSWER_LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            return Err(Missing::new(
                format!("{} does not start: {error}", program.display()),
                "Install Docker anew",
            ));
        }
        Err(_) => {
            return Err(Missing::new(
                format!(
                    "Docker's daemon at {host} has not answered within {} s",
                    ANSWER_LIMIT.as_secs()
                ),
                "Restart it (systemctl restart docker), or name another in DOCKER_HOST",
            ));
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let info = serde_json::from_slice(&output.stdout).unwrap_or_default();
    of_info(program, &info, &text(&output.stderr))
}

/// What `docker info` says, and what the client said beside it.
fn of_info(program: PathBuf, info: &Value, stderr: &str) -> Result<Docker, Missing> {
    let version = info["ServerVersion"].as_str().unwrap_or_default();
    if version.is_empty() {
        let errors = info["ServerErrors"].as_array().into_iter().flatten();
        let said: Vec<&str> = errors.filter_map(Value::as_str).chain([stderr]).collect();
        let said = said.join("; ");
        let remedy = if said.contains("permission denied") {
            "Add yourself to the group docker (usermod -aG docker $USER) and log in anew"
        } else {
            "Start it (systemctl start docker), or name another in DOCKER_HOST"
        };
        return Err(Missing::new(
            format!("Docker's daemon cannot be reached: {said}"),
            remedy,
        ));
    }
    Ok(Docker {
        program,
        version: version.to_owned(),
        cgroup_v1: info["CgroupVersion"] == "1",
        privileged: has_sys_resource(
            &std::fs::read_to_string("/proc/self/status").unwrap_or_default(),
        ),
    })
}

/// Whether the daemon's API (`docker version`, `Server.ApiVersion`) is new enough.
///
/// # Errors
/// [`Missing`].
pub fn check_api(version: &str) -> Result<(), Missing> {
    let number = version.split_once('.').and_then(|(major, minor)| {
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
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

/// Whether systemd and the kubelet get as many inotify instances as they need.
///
/// # Errors
/// [`Missing`], with the sysctl.
pub fn check_inotify(proc: &Path) -> Result<(), Missing> {
    let file = proc.join("sys/fs/inotify/max_user_instances");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    match text.trim().parse::<u64>() {
        Ok(instances) if instances < INOTIFY_INSTANCES => Err(Missing::new(
            format!(
                "fs.inotify.max_user_instances is {instances}, and a node needs {INOTIFY_INSTANCES}"
            ),
            format!("sysctl fs.inotify.max_user_instances={INOTIFY_INSTANCES}"),
        )),
        _ => Ok(()),
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"ServerErrors": ["Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"]}), "", "Start it")]
    #[case(json!({}), "permission denied while trying to connect to the Docker daemon socket", "group docker")]
    #[case(Value::Null, "", "Start it")]
    fn a_daemon_that_is_not_there_is_told_with_the_remedy(
        #[case] info: Value,
        #[case] stderr: &str,
        #[case] remedy: &str,
    ) {
        let missing = of_info(PathBuf::from("docker"), &info, stderr).expect_err("no daemon");
        assert!(missing.to_string().contains(remedy), "{missing}");
        assert!(missing.to_string().contains("cannot be reached"), "{missing}");
    }

    #[test]
    fn what_docker_is_is_read() {
        let info = json!({"ServerVersion": "20.10.24+dfsg1", "CgroupVersion": "1"});
        let docker = of_info(PathBuf::from("docker"), &info, "").expect("a daemon");
        assert!(docker.cgroup_v1);
        let info = json!({"ServerVersion": "28.2.2", "CgroupVersion": "2"});
        let docker = of_info(PathBuf::from("docker"), &info, "").expect("a daemon");
        assert!(!docker.cgroup_v1);
    }

    #[rstest]
    #[case("1.41", true)]
    #[case("1.50", true)]
    #[case("2.0", true)]
    #[case("1.40", false)]
    #[case("", false)]
    fn old_daemons_are_refused(#[case] version: &str, #[case] fits: bool) {
        assert_eq!(check_api(version).is_ok(), fits);
    }

    #[rstest]
    #[case("CapBnd:\t000001fffeffffff\n", false)]
    #[case("CapBnd:\t000001ffffffffff\n", true)]
    #[case("", true)]
    fn a_capability_that_is_gone_is_noticed(#[case] status: &str, #[case] has: bool) {
        assert_eq!(has_sys_resource(status), has);
    }

    #[test]
    fn few_inotify_instances_are_told() {
        let proc = tempfile::tempdir().expect("a folder");
        let folder = proc.path().join("sys/fs/inotify");
        std::fs::create_dir_all(&folder).expect("made");
        assert_eq!(check_inotify(proc.path()), Ok(()));
        let file = folder.join("max_user_instances");
        std::fs::write(&file, "32\n").expect("written");
        let missing = check_inotify(proc.path()).expect_err("too few").to_string();
        assert!(missing.ends_with("sysctl fs.inotify.max_user_instances=64"), "{missing}");
        std::fs::write(&file, "8192\n").expect("written");
        assert_eq!(check_inotify(proc.path()), Ok(()));
    }
}
