//! The three processes: started, watched, and gone with us.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;

use crate::child::Group;
use crate::cluster::reload;

/// How much of a log's end is shown, in bytes and lines.
const TAIL: (u64, usize) = (16 * 1024, 12);

/// One of the programs, running.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    log: PathBuf,
    group: Mutex<Option<Group>>,
}

impl Process {
    /// Starts `command`; its output goes to `NAME.log` in `logs`.
    ///
    /// # Errors
    /// The operating system's, with the program in it.
    pub fn start(name: &'static str, mut command: Command, logs: &Path) -> Result<Self, String> {
        let log = logs.join(format!("{name}.log"));
        // Kubernetes prints times of its own zone into refusals.
        command.env("TZ", "UTC");
        let output = File::options().append(true).create_new(true).open(&log);
        match output.and_then(|output| Group::start(&command, Some(output))) {
            Ok(group) => Ok(Self {
                name,
                log,
                group: Mutex::new(Some(group)),
            }),
            Err(error) => Err(format!("{name} does not start: {error}")),
        }
    }

    /// Why it is not running any more, with the end of its log; nothing as long
    /// as it is.
    pub fn ended(&self) -> Option<String> {
        let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        let status = group.as_mut()?.ended()?;
        Some(self.with_log(&format!("{} ended ({status})", self.name)))
    }

    /// `what`, and the end of the log below it.
    pub fn with_log(&self, what: &str) -> String {
        let tail = tail(&self.log).unwrap_or_default();
        if tail.is_empty() {
            format!("{what}; it wrote no log")
        } else {
            // The file itself goes with the cluster.
            format!("{what}; the end of its log:\n{tail}")
        }
    }

    /// Ends it and waits until it is gone.
    pub fn kill(&self) {
        let group = self
            .group
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(group);
    }
}

impl reload::Log for Process {
    fn last_line_with<'a>(&'a self, part: &'a str) -> BoxFuture<'a, Option<String>> {
        let line = std::fs::read_to_string(&self.log).ok().and_then(|text| {
            let line = text.lines().rev().find(|line| line.contains(part))?;
            Some(line.to_owned())
        });
        Box::pin(std::future::ready(line))
    }
}

fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL.0)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL.1)..].join("\n"))
}
