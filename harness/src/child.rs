//! Programs that are gone when we are gone, however we went.
//!
//! A child is the head of a process group of its own. A small shell beside it
//! waits at the end of a pipe that we hold: when we close it, or die and the
//! kernel does, the shell kills the group.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Kills the group, and removes its folder: again where what is about to die, or
/// another group that has the same folder, wrote into it meanwhile.
const WATCH: &str = r#"kill -s KILL -- "-$1"; [ -n "$2" ] || exit 0; n=0
until rm -rf -- "$2" || [ "$n" -ge 50 ]; do n=$((n + 1)); sleep 0.1; done"#;

/// A small script that runs when the value goes, or we do.
#[derive(Debug)]
pub struct LastWill {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl LastWill {
    /// Leaves `script` (POSIX sh) with its `arguments`, `$1` and so on.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new<S: AsRef<OsStr>>(
        script: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", &format!("read -r _; {script}"), "rolecall-watch"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self {
            pipe: shell.stdin.take(),
            shell,
        })
    }

    /// Takes it back: the script does not run.
    pub fn revoke(mut self) {
        let _ = self.shell.kill();
    }
}

impl Drop for LastWill {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}

/// A program and what it starts; all of it ends with this value.
#[derive(Debug)]
pub struct Group {
    child: Child,
    will: Option<LastWill>,
}

impl Group {
    /// Starts `command` as the head of a group; `folder` goes when it goes.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(command: &mut Command, folder: Option<&Path>) -> io::Result<Self> {
        let mut child = command.process_group(0).spawn()?;
        let group = child.id().to_string();
        let folder = folder.map(Path::as_os_str).unwrap_or_default();
        match LastWill::new(WATCH, [OsStr::new(&group), folder]) {
            Ok(will) => Ok(Self {
                child,
                will: Some(will),
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.will.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a process is there, and no mere entry that waits to be reaped.
    fn lives(pid: &str) -> bool {
        let mut ps = Command::new("ps");
        let output = ps.args(["-o", "stat=", "-p", pid]).output().expect("ps");
        let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        !state.is_empty() && !state.starts_with('Z')
    }

    #[test]
    fn what_a_child_started_goes_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).expect("a folder in it");
        let note = folder.path().join("pid");
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            "sleep 60 & echo $! >\"$1.part\"; mv \"$1.part\" \"$1\"; wait",
            "sh",
        ]);
        let group = Group::start(command.arg(&note), Some(&inner)).expect("a group");
        let grandchild = loop {
            if let Ok(pid) = std::fs::read_to_string(&note) {
                break pid.trim().to_owned();
            }
            std::thread::yield_now();
        };
        assert!(lives(&grandchild));
        drop(group);
        assert!(!lives(&grandchild));
        assert!(!inner.exists());
    }
}
