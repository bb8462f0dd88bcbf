//! Where the programs are that the cases start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::ledger::{Missing, Stop};

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The `rolecall` that cargo just built, beside this test binary.
pub fn rolecall() -> PathBuf {
    let exe = std::env::current_exe().expect("a test binary has a path");
    let release = exe
        .ancestors()
        .nth(2)
        .expect("target/release/deps/e2e")
        .to_owned();
    release.join("rolecall")
}

/// The aws CLI.
pub fn aws() -> Result<PathBuf, Missing> {
    on_path("aws").ok_or_else(|| Missing("no aws CLI on PATH; pip install awscli".to_owned()))
}

/// The pinned kubectl of a Kubernetes minor, such as `v1.37`.
pub fn kubectl(version: &str) -> Result<PathBuf, Missing> {
    kubernetes(version, "kubectl")
}

/// A program of `kubernetes/`, built.
pub fn kubernetes(version: &str, program: &str) -> Result<PathBuf, Missing> {
    let folder = std::env::var_os("ROLECALL_KUBERNETES_BIN")
        .map_or_else(|| root().join("target/kubernetes"), PathBuf::from);
    let path = folder.join(version).join("bin").join(program);
    if path.is_file() {
        return Ok(path);
    }
    Err(Missing(format!(
        "no {program} {version}; build it with kubernetes/build {version} {program}"
    )))
}

/// The folder with the pinned control plane of a minor.
pub fn control_plane(version: &str) -> Result<PathBuf, Missing> {
    for program in ["etcd", "kube-controller-manager"] {
        kubernetes(version, program)?;
    }
    let server = kubernetes(version, "kube-apiserver")?;
    Ok(server.parent().map(Path::to_owned).unwrap_or_default())
}

/// The pinned kubelogin, under the name that kubectl looks for.
pub fn kubelogin() -> Result<PathBuf, Missing> {
    kubernetes("kubelogin", "kubectl-oidc_login")
}

/// The pinned kind, where there is an engine to make nodes with and an image to
/// make them of.
pub fn kind() -> Result<PathBuf, Stop> {
    let kind = kubernetes("kind", "kind")?;
    static ENGINE: OnceLock<Result<(), String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        // .ci/run has tried more than an image.
        if let Ok(reason) = std::env::var("ROLECALL_KIND_UNABLE") {
            return Err(reason);
        }
        let image = format!(
            "rolecall/node:{}",
            harness::cluster::Version::default().release()
        );
        let output = Command::new("docker")
            .args(["image", "inspect", "--format={{.Id}}", &image])
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("docker: {error}")),
        }
    });
    match engine {
        Ok(()) => Ok(kind),
        Err(reason) => {
            let missing = Missing(format!("no kind cluster can be made here: {reason}"));
            // .ci/run says so where it has started an engine.
            if std::env::var_os("ROLECALL_KIND_REQUIRED").is_some() {
                Err(Stop::Skip(missing))
            } else {
                Err(Stop::Unable(missing))
            }
        }
    }
}

/// Both pinned kubectls.
pub const KUBECTLS: [&str; 2] = ["v1.34", "v1.37"];

fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
