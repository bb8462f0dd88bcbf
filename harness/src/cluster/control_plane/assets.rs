//! Kubernetes' own programs: where they are found, and how they are made where
//! they are not.
//!
//! Whoever has them needs no Go (setup-envtest brings all but
//! kube-controller-manager). The rest is built out of the modules that
//! `kubernetes/` pins, which are in this program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use foundation::clock::{Stopwatch, pause};
use kube_rbac::Version;

use crate::child::Group;

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

/// Looks for the programs of `wanted`, or of the newest supported version that
/// is there as a whole: in `KUBEBUILDER_ASSETS`, on `PATH`, and where [`build`]
/// puts them.
///
/// # Errors
/// [`Missing`], with the remedy.
pub fn find(wanted: Option<Version>) -> Result<Programs, Missing> {
    let search = Search::new(wanted);
    let mut missing = None;
    for version in search.versions.iter().rev() {
        let Some((kube_apiserver, release)) = search.kubernetes("kube-apiserver", *version) else {
            continue;
        };
        let controllers = search.kubernetes("kube-controller-manager", *version);
        let etcd = search.candidates("etcd", *version).find(|p| p.is_file());
        let lacks = match (controllers, etcd) {
            (Some((kube_controller_manager, _)), Some(etcd)) => {
                return Ok(Programs {
                    etcd,
                    kube_apiserver,
                    kube_controller_manager,
                    release,
                    version: *version,
                });
            }
            (None, _) => "kube-controller-manager",
            (_, None) => "etcd",
        };
        missing.get_or_insert((lacks, Some(*version)));
    }
    let (lacks, version) = missing.unwrap_or(("kube-apiserver", wanted));
    Err(search.missing(lacks, version))
}

struct Search {
    versions: Vec<Version>,
    folders: Vec<PathBuf>,
    built: PathBuf,
    /// What each program that was looked at says it is.
    releases: RefCell<BTreeMap<PathBuf, Option<String>>>,
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
            versions: wanted.map_or_else(|| Version::ALL.to_vec(), |version| vec![version]),
            folders,
            built: built_folder(),
            releases: RefCell::default(),
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

    /// A program of Kubernetes' of this minor, with its release.
    fn kubernetes(&self, program: &str, version: Version) -> Option<(PathBuf, String)> {
        let mut files = self.candidates(program, version).filter(|p| p.is_file());
        files.find_map(|path| {
            let mut releases = self.releases.borrow_mut();
            let known = releases.entry(path.clone());
            let release = known.or_insert_with(|| release(&path)).clone()?;
            (Version::of_release(&release)? == version).then_some((path, release))
        })
    }

    fn missing(&self, program: &str, version: Option<Version>) -> Missing {
        let mut passed_over = String::new();
        for (path, release) in self.releases.borrow().iter() {
            if path.ends_with(program) {
                let release = release.as_deref().unwrap_or("of no version that it tells");
                let _ = write!(passed_over, "; {} is {release}", path.display());
            }
        }
        let of = |before: &str| version.map(|v| format!("{before}{v}")).unwrap_or_default();
        Missing {
            what: format!("{program}{}", of(" ")),
            cache: self.built.display().to_string(),
            passed_over,
            flag: of(" --kubernetes-version "),
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
    let mut command = Command::new("bash");
    command
        .arg(sources.path().join("build"))
        .args(["etcd", &format!("v{version}")])
        .args(&NAMES[1..])
        .env("ROLECALL_KUBERNETES", built_folder())
        .stdin(Stdio::null());
    let mut build = Group::start(&mut command, sources.path())
        .map_err(|error| format!("bash does not start: {error}"))?;
    let watch = Stopwatch::start();
    loop {
        match build.ended() {
            Some(status) if status.success() => return Ok(()),
            Some(_) => return Err("the programs could not be built".to_owned()),
            None => tick(watch.elapsed()),
        }
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
