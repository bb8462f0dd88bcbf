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

use crate::child::{Group, TempFolder};

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

/// Looks for the programs of `wanted`, or of any supported version: in
/// `KUBEBUILDER_ASSETS`, then on `PATH`, then where [`build`] puts them, there
/// the newest first. The first kube-apiserver counts that the others go with,
/// wherever they are.
///
/// # Errors
/// [`Missing`], with the remedy.
pub fn find(wanted: Option<Version>) -> Result<Programs, Missing> {
    Search::new(wanted).find(wanted)
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

    fn find(&self, wanted: Option<Version>) -> Result<Programs, Missing> {
        let mut missing = None;
        for (kube_apiserver, release, version) in self.api_servers() {
            let controllers = self.kubernetes("kube-controller-manager", version);
            let etcd = self.candidates("etcd", version).find(|p| p.is_file());
            let lacks = match (controllers, etcd) {
                (Some(kube_controller_manager), Some(etcd)) => {
                    return Ok(Programs {
                        etcd,
                        kube_apiserver,
                        kube_controller_manager,
                        release,
                        version,
                    });
                }
                (None, _) => "kube-controller-manager",
                (_, None) => "etcd",
            };
            missing.get_or_insert((lacks, Some(version)));
        }
        let (lacks, version) = missing.unwrap_or(("kube-apiserver", wanted));
        Err(self.missing(lacks, version))
    }

    /// Where built programs of a version are.
    fn built(&self, version: Version) -> PathBuf {
        self.built.join(format!("v{version}/bin"))
    }

    /// Every kube-apiserver of a version that is looked for, the first that
    /// counts first.
    fn api_servers(&self) -> impl Iterator<Item = (PathBuf, String, Version)> {
        let newest_first = self.versions.iter().rev();
        let built = newest_first.map(|version| self.built(*version));
        let folders = self.folders.iter().cloned().chain(built);
        folders.filter_map(|folder| {
            let path = folder.join("kube-apiserver");
            let release = self.release(&path)?;
            let version = Version::of_release(&release)?;
            let wanted = self.versions.contains(&version);
            wanted.then_some((path, release, version))
        })
    }

    /// Where a program may be that goes with an API server of that version.
    fn candidates(&self, program: &str, version: Version) -> impl Iterator<Item = PathBuf> {
        let built = [self.built(version), self.built.join("etcd/bin")];
        let folders = self.folders.iter().cloned().chain(built);
        folders.map(move |folder| folder.join(program))
    }

    /// A program of Kubernetes' of this minor.
    fn kubernetes(&self, program: &str, version: Version) -> Option<PathBuf> {
        self.candidates(program, version).find(|path| {
            let release = self.release(path);
            release.and_then(|release| Version::of_release(&release)) == Some(version)
        })
    }

    /// What a file says it is of, if it is there.
    fn release(&self, path: &Path) -> Option<String> {
        if !path.is_file() {
            return None;
        }
        let mut releases = self.releases.borrow_mut();
        let known = releases.entry(path.to_owned());
        known.or_insert_with(|| release(path)).clone()
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
const SOURCES: [(&str, &str); 22] = [
    source!("build"),
    source!("etcd/go.mod"),
    source!("etcd/go.sum"),
    source!("etcd/main.go"),
    source!("kind/go.mod"),
    source!("kind/go.sum"),
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

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// The three programs of a minor.
    ControlPlane(Version),
    /// kind.
    Kind,
}

/// Builds what is `wanted` into [`built_folder`]; what it does comes on
/// standard output, and `tick` is told each second for how long already. What
/// is there already is left alone.
///
/// # Errors
/// A sentence: the builder's own explanation has gone to standard error.
pub async fn build(wanted: Wanted, tick: &mut dyn FnMut(Duration)) -> Result<(), String> {
    let sources = sources().map_err(|error| format!("the sources cannot be laid out: {error}"))?;
    let mut command = Command::new("bash");
    command.arg(sources.path().join("build"));
    match wanted {
        Wanted::ControlPlane(version) => command
            .args(["etcd", &format!("v{version}")])
            .args(&NAMES[1..]),
        Wanted::Kind => command.arg("kind"),
    };
    command.env("ROLECALL_KUBERNETES", built_folder());
    let mut build =
        Group::start(&command, None).map_err(|error| format!("bash does not start: {error}"))?;
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
fn sources() -> std::io::Result<TempFolder> {
    let folder = TempFolder::new("rolecall-sources-")?;
    for (path, text) in SOURCES {
        let path = folder.path().join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn program(path: &Path, says: &str) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, format!("#!/bin/sh\necho Kubernetes {says}\n")).expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// What is named comes before what happens to be on PATH, and that before
    /// what was built, whichever is newer.
    #[test]
    fn the_first_place_counts_and_not_the_newest_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        for (name, release) in [
            ("assets", "v1.34.4"),
            ("path", "v1.37.2"),
            ("built/v1.35/bin", "v1.35.4"),
            ("built/v1.36/bin", "v1.36.3"),
        ] {
            for one in NAMES {
                program(&place(name).join(one), release);
            }
        }
        let search = |folders: &[&str], versions: &[Version]| Search {
            versions: versions.to_vec(),
            folders: folders.iter().map(|name| place(name)).collect(),
            built: place("built"),
            releases: RefCell::default(),
        };
        let found = |folders: &[&str], versions: &[Version]| {
            let programs = search(folders, versions).find(None).expect("programs");
            assert_eq!(
                programs.kube_controller_manager.parent(),
                programs.kube_apiserver.parent()
            );
            programs.release
        };
        assert_eq!(found(&["assets", "path"], &Version::ALL), "v1.34.4");
        assert_eq!(found(&["path", "assets"], &Version::ALL), "v1.37.2");
        assert_eq!(found(&["empty"], &Version::ALL), "v1.36.3");
        assert_eq!(found(&["assets"], &[Version::V1_35]), "v1.35.4");
        // Where a set is not whole, the next one counts, but for its own version
        // the rest may come from elsewhere.
        std::fs::remove_file(place("assets/kube-controller-manager")).expect("gone");
        assert_eq!(found(&["assets", "path"], &Version::ALL), "v1.37.2");
        std::fs::rename(place("path/etcd"), place("elsewhere")).expect("moved");
        let mixed = search(&["path", "assets"], &[Version::V1_37]).find(None);
        assert_eq!(mixed.expect("programs").etcd, place("assets/etcd"));
    }
}
