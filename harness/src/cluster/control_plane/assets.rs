//! Kubernetes' own programs: where they are found, and how they are made where
//! they are not.
//!
//! Whoever has them (by setup-envtest, for one) needs no Go. The rest is built
//! out of the modules that `kubernetes/` pins, which are in this program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use foundation::clock::{Stopwatch, pause};
use kube_rbac::Version;

/// What a control plane is made of, from one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// `etcd`, of any 3.5 or later.
    pub etcd: PathBuf,
    /// `kube-apiserver`.
    pub kube_apiserver: PathBuf,
    /// `kube-controller-manager` of the same minor.
    pub kube_controller_manager: PathBuf,
    /// The API server's release, as in `v1.37.2`.
    pub release: String,
    /// Its minor.
    pub version: Version,
}

/// The three programs, as their files are called.
pub const NAMES: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];

/// Why there is no control plane to be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{what} was not found in KUBEBUILDER_ASSETS, on PATH or in {cache}{passed_over}. \
     `rolecall assets build{flag}` makes it out of Kubernetes' own modules: that takes Go 1.26 \
     and, the first time, about ten minutes"
)]
pub struct Missing {
    /// The program, with its version where one was asked for.
    what: String,
    /// Where built ones are.
    cache: String,
    /// What was found and is of another version.
    passed_over: String,
    /// ` --kubernetes-version 1.36`, where one was asked for.
    flag: String,
}

/// Looks for the programs of `wanted`, or of the first supported version that
/// there is: in `KUBEBUILDER_ASSETS`, on `PATH`, and where [`build`] puts them.
///
/// # Errors
/// [`Missing`], with the remedy.
pub fn find(wanted: Option<Version>) -> Result<Programs, Missing> {
    let search = Search::new(wanted);
    let (kube_apiserver, release, version) = search.kubernetes("kube-apiserver", wanted)?;
    let (kube_controller_manager, ..) =
        search.kubernetes("kube-controller-manager", Some(version))?;
    let etcd = search
        .candidates("etcd", version)
        .find(|path| path.is_file())
        .ok_or_else(|| search.missing("etcd", version.to_string(), &[]))?;
    Ok(Programs {
        etcd,
        kube_apiserver,
        kube_controller_manager,
        release,
        version,
    })
}

struct Search {
    wanted: Option<Version>,
    folders: Vec<PathBuf>,
    built: PathBuf,
}

impl Search {
    fn new(wanted: Option<Version>) -> Self {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = assets
            .map(PathBuf::from)
            .into_iter()
            .chain(std::env::split_paths(&path))
            .collect();
        Self {
            wanted,
            folders,
            built: built_folder(),
        }
    }

    fn candidates(&self, program: &str, version: Version) -> impl Iterator<Item = PathBuf> {
        let built = [
            self.built.join(format!("v{version}/bin")),
            self.built.join("etcd/bin"),
        ];
        let folders = self.folders.iter().cloned().chain(built);
        folders.map(move |folder| folder.join(program))
    }

    /// A program of Kubernetes', with its release and minor.
    fn kubernetes(
        &self,
        program: &str,
        wanted: Option<Version>,
    ) -> Result<(PathBuf, String, Version), Missing> {
        let mut passed_over = Vec::new();
        let versions = wanted.map_or_else(|| Version::ALL.to_vec(), |version| vec![version]);
        let mut seen = Vec::new();
        for version in versions.iter().rev() {
            for path in self.candidates(program, *version) {
                if seen.contains(&path) || !path.is_file() {
                    continue;
                }
                seen.push(path.clone());
                let release = release(&path);
                match release.as_deref().and_then(Version::of_release) {
                    Some(found) if versions.contains(&found) => {
                        return Ok((path, release.unwrap_or_default(), found));
                    }
                    _ => passed_over.push((path, release)),
                }
            }
        }
        let named = wanted.map(|v| v.to_string()).unwrap_or_default();
        Err(self.missing(program, named, &passed_over))
    }

    fn missing(
        &self,
        program: &str,
        version: String,
        passed_over: &[(PathBuf, Option<String>)],
    ) -> Missing {
        let mut text = String::new();
        for (path, release) in passed_over {
            let release = release.as_deref().unwrap_or("of no version that it tells");
            let _ = write!(text, "; {} is {release}", path.display());
        }
        Missing {
            what: format!("{program} {version}").trim_end().to_owned(),
            cache: self.built.display().to_string(),
            passed_over: text,
            flag: self
                .wanted
                .map(|version| format!(" --kubernetes-version {version}"))
                .unwrap_or_default(),
        }
    }
}

/// What `program --version` says: `Kubernetes v1.37.2`.
fn release(program: &Path) -> Option<String> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().strip_prefix("Kubernetes ").map(str::to_owned)
}

/// Where built programs are: `VERSION/bin` in it.
pub fn built_folder() -> PathBuf {
    crate::cache_folder("kubernetes")
        .unwrap_or_else(|| std::env::temp_dir().join("rolecall-kubernetes"))
}

/// A file of `kubernetes/`, in this program.
macro_rules! source {
    ($path:literal) => {
        (
            $path,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../kubernetes/",
                $path
            )),
        )
    };
}

/// What builds the programs, and each release's module.
const SOURCES: [(&str, &str); 20] = [
    source!("build"),
    source!("etcd/go.mod"),
    source!("etcd/go.sum"),
    source!("etcd/main.go"),
    source!("v1.34/go.mod"),
    source!("v1.34/go.sum"),
    source!("v1.34/cmd/kube-apiserver/main.go"),
    source!("v1.34/cmd/kube-controller-manager/main.go"),
    source!("v1.35/go.mod"),
    source!("v1.35/go.sum"),
    source!("v1.35/cmd/kube-apiserver/main.go"),
    source!("v1.35/cmd/kube-controller-manager/main.go"),
    source!("v1.36/go.mod"),
    source!("v1.36/go.sum"),
    source!("v1.36/cmd/kube-apiserver/main.go"),
    source!("v1.36/cmd/kube-controller-manager/main.go"),
    source!("v1.37/go.mod"),
    source!("v1.37/go.sum"),
    source!("v1.37/cmd/kube-apiserver/main.go"),
    source!("v1.37/cmd/kube-controller-manager/main.go"),
];

/// Builds the programs of `version` into [`built_folder`]; what it does comes on
/// standard output, and `tick` is told each second for how long already. What
/// is there already is left alone.
///
/// # Errors
/// A sentence: the builder's own explanation has gone to standard error.
pub async fn build(version: Version, tick: &mut dyn FnMut(Duration)) -> Result<(), String> {
    let sources = sources().map_err(|error| format!("the sources cannot be laid out: {error}"))?;
    let mut child = Command::new("bash")
        .arg(sources.path().join("build"))
        .args(["etcd", &format!("v{version}")])
        .args(&NAMES[1..])
        .env("ROLECALL_KUBERNETES", built_folder())
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("bash does not start: {error}"))?;
    let watch = Stopwatch::start();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(_)) => return Err("the programs could not be built".to_owned()),
            Ok(None) => {}
            Err(error) => return Err(format!("the build got lost: {error}")),
        }
        tick(watch.elapsed());
        pause(Duration::from_secs(1)).await;
    }
}

/// What is built, in a folder that goes with the value.
fn sources() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for (path, text) in SOURCES {
        let path = folder.path().join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text)?;
    }
    Ok(folder)
}
