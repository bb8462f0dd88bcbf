//! Programs and folders that are gone when we are gone, however we went.
//!
//! A small shell waits at the end of a pipe that we hold: when we close it, or die
//! and the kernel does, the shell does what is to be done. It is there before
//! what it is for, so that there is no moment at which nobody would.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Kills the group.
const KILL: &str = r#"kill -s KILL -- "-$1""#;

/// Becomes the program when it is told that its end is provided for; if we die
/// before, it is not told and ends.
const GATE: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// Removes the folder. Who was killed with us may still be about to write into it,
/// or to make it anew: then it has to be gone at several looks.
const REMOVE: &str = r#"looks=5; [ -z "$said" ] || looks=1; n=0
until rm -rf -- "$1" && looks=$((looks - 1)) && [ "$looks" -le 0 ] || [ "$n" -ge 50 ]
do n=$((n + 1)); sleep 0.1; done"#;

/// A small script that runs when the value goes, or we do.
#[derive(Debug)]
pub struct LastWill {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl LastWill {
    /// Leaves `script` (POSIX sh) with its `arguments`, `$1` and so on. Its `$said`
    /// is empty where we went without a word, as after a SIGKILL.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new<S: AsRef<OsStr>>(
        script: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", &format!("read -r said; {script}"), "rolecall-watch"])
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
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"ended\n");
        }
        let _ = self.shell.wait();
    }
}

/// A program and what it starts; all of it ends with this value.
///
/// The child is the head of a process group of its own.
#[derive(Debug)]
pub struct Group {
    child: Child,
    will: Option<LastWill>,
}

impl Group {
    /// Starts `command` as the head of a group, with nothing to read; what it
    /// prints goes to `output`, or where what we print goes.
    ///
    /// A program that is not there, or is none, ends with the shell's status of 127
    /// or 126 and its words in the output.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(command: &Command, output: Option<File>) -> io::Result<Self> {
        let mut gated = gated(command);
        if let Some(output) = output {
            gated.stdout(output.try_clone()?).stderr(output);
        }
        let mut child = gated.spawn()?;
        let provided = LastWill::new(KILL, [child.id().to_string()]).and_then(|will| {
            let mut gate = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
            gate.write_all(b"go\n").map(|()| will)
        });
        match provided {
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

/// `command` behind [`GATE`], its word to come on standard input.
fn gated(command: &Command) -> Command {
    let mut gated = Command::new("/bin/sh");
    gated
        .args(["-c", GATE, "rolecall-child"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::piped())
        .process_group(0);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => gated.env(name, value),
            None => gated.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        gated.current_dir(folder);
    }
    gated
}

/// A new folder that only we may read; it goes with this value, or with us.
///
/// Whatever writes into it is to be a [`Group`] that ends before it.
#[derive(Debug)]
pub struct TempFolder {
    path: PathBuf,
    _will: LastWill,
}

impl TempFolder {
    /// Makes one whose name begins with `prefix`, where temporary files are.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(prefix: &str) -> io::Result<Self> {
        let made = tempfile::Builder::new().prefix(prefix).make(|path| {
            let will = LastWill::new(REMOVE, [path])?;
            match std::fs::DirBuilder::new().mode(0o700).create(path) {
                Ok(()) => Ok(will),
                Err(error) => {
                    // What has this name already is somebody else's.
                    will.revoke();
                    Err(error)
                }
            }
        })?;
        let (will, path) = made.keep().map_err(|error| error.error)?;
        Ok(Self { path, _will: will })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
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
        let folder = TempFolder::new("rolecall-test-").expect("a folder");
        let path = folder.path().to_owned();
        let note = path.join("pid");
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            "sleep 60 & echo $! >\"$1.part\"; mv \"$1.part\" \"$1\"; wait",
            "sh",
        ]);
        let group = Group::start(command.arg(&note), None).expect("a group");
        let grandchild = loop {
            if let Ok(pid) = std::fs::read_to_string(&note) {
                break pid.trim().to_owned();
            }
            std::thread::yield_now();
        };
        assert!(lives(&grandchild));
        drop(group);
        assert!(!lives(&grandchild));
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_child_has_its_environment_folder_and_output_and_nothing_to_read() {
        let folder = TempFolder::new("rolecall-test-").expect("a folder");
        let log = folder.path().join("log");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "echo \"$A,${HOME-}\"; pwd; cat; echo end >&2"])
            .env("A", "a  b")
            .env_remove("HOME")
            .current_dir(folder.path());
        let output = File::create(&log).expect("a log");
        let mut group = Group::start(&command, Some(output)).expect("a group");
        while group.ended().is_none() {
            std::thread::yield_now();
        }
        let said = std::fs::read_to_string(&log).expect("a log");
        let here = folder.path().canonicalize().expect("a path");
        assert_eq!(said, format!("a  b,\n{}\nend\n", here.display()));
    }

    #[test]
    fn without_our_word_nothing_is_started() {
        let folder = TempFolder::new("rolecall-test-").expect("a folder");
        let note = folder.path().join("note");
        let mut command = Command::new("touch");
        let mut child = gated(command.arg(&note)).spawn().expect("a shell");
        // As where we are killed before there is a watch.
        drop(child.stdin.take());
        let status = child.wait().expect("an end");
        assert!(!status.success() && !note.exists(), "{status}");
    }

    #[test]
    fn a_folder_that_comes_again_after_we_went_goes_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ours");
        let mut will = LastWill::new(REMOVE, [&path]).expect("a will");
        drop(will.pipe.take());
        std::thread::sleep(std::time::Duration::from_millis(150));
        std::fs::create_dir(&path).expect("made as by who is about to die");
        will.shell.wait().expect("an end");
        assert!(!path.exists());
    }
}
