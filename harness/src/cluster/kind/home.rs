//! A cluster's folder, which says whose it is: `~/.cache/rolecall/kind/NAME`.
//!
//! As long as the program that made it lives it holds the folder's lock. A folder
//! that nobody holds, and that was not to be kept, was left behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::files::write_private;

/// What names of clusters begin with.
const PREFIX: &str = "rolecall-";
/// In a folder: its owner's lock.
const LOCK: &str = "lock";
/// In a folder: that the cluster is to outlive its owner.
const KEPT: &str = "kept";

/// Waits until no other run makes what all of them share, as Docker's network;
/// that is so until the file is dropped.
///
/// # Errors
/// The operating system's.
pub fn alone() -> io::Result<File> {
    hold(&all())
}

/// A folder that we hold.
#[derive(Debug)]
pub struct Home {
    name: String,
    folder: PathBuf,
    _lock: File,
}

impl Home {
    /// A folder for a new cluster, with a name of its own.
    ///
    /// # Errors
    /// The operating system's, with the folder in it.
    pub fn create() -> Result<Self, String> {
        let name = format!("{PREFIX}{:08x}", rand::random::<u32>());
        let folder = all().join(&name);
        let make = || -> io::Result<File> {
            // Nobody is to find it before it is held.
            let hidden = all().join(format!(".{name}"));
            let lock = hold(&hidden)?;
            // For people who look who holds it.
            (&lock).write_all(format!("{}\n", std::process::id()).as_bytes())?;
            std::fs::rename(&hidden, &folder)?;
            Ok(lock)
        };
        let lock = make().map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self {
            name,
            folder,
            _lock: lock,
        })
    }

    /// What was left behind: folders that nobody holds. Those that were to be
    /// kept are among them only where `kept`.
    pub fn left(kept: bool) -> Vec<Self> {
        let entries = std::fs::read_dir(all()).into_iter().flatten().flatten();
        let mut left: Vec<Self> = entries
            .filter_map(|entry| Self::take(entry.path()))
            .filter(|home| kept || !home.is_kept())
            .collect();
        left.sort_by(|a, b| a.name.cmp(&b.name));
        left
    }

    /// The folder at `folder`, where nobody holds it.
    fn take(folder: PathBuf) -> Option<Self> {
        let name = folder.file_name()?.to_str()?.to_owned();
        if !name.starts_with(PREFIX) {
            return None;
        }
        let lock = open_lock(&folder).ok()?;
        lock.try_lock().ok()?;
        Some(Self {
            name,
            folder,
            _lock: lock,
        })
    }

    /// The cluster's name at kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The container that its one node is.
    pub fn node(&self) -> String {
        format!("{}-control-plane", self.name)
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the cluster is to outlive its owner.
    pub fn is_kept(&self) -> bool {
        self.path(KEPT).exists()
    }

    /// Lets the cluster outlive its owner, with a note for the next one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn keep(&self, note: &str) -> io::Result<()> {
        write_private(&self.path(KEPT), note)
    }

    /// The note that its last owner left.
    pub fn note(&self) -> Option<String> {
        std::fs::read_to_string(self.path(KEPT)).ok()
    }
}

/// Where the folders are.
pub fn all() -> PathBuf {
    crate::cache_folder("kind").unwrap_or_else(|| std::env::temp_dir().join("rolecall-kind"))
}

/// Makes a folder for us alone where there is none, and waits for its lock.
pub fn hold(folder: &Path) -> io::Result<File> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let lock = open_lock(folder)?;
    lock.lock()?;
    Ok(lock)
}

fn open_lock(folder: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(folder.join(LOCK))
}
