//! Docker, through its own command.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use foundation::clock::limit;
use tokio::process::Command;

/// How long a command may take that does not wait for a network.
const LIMIT: Duration = Duration::from_secs(30);

/// Docker, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Docker {
    /// The client.
    pub program: PathBuf,
    /// The engine's own id.
    pub id: String,
    /// Whether its containers have cgroup v1.
    pub cgroup_v1: bool,
    /// Whether it can hand out all capabilities, as `--privileged` asks for.
    pub privileged: bool,
}

/// Why a command came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The client does not start.
    #[error("{0}")]
    NotStarted(String),
    /// It did not end.
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    /// What it said.
    #[error("{0}")]
    Refused(String),
}

impl Docker {
    /// Runs a command; returns its standard output.
    ///
    /// # Errors
    /// [`Trouble`], with what it said.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, Trouble> {
        self.run_within(arguments, LIMIT).await
    }

    /// As [`Docker::run`], for a time of its own.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn run_within(&self, arguments: &[&str], time: Duration) -> Result<String, Trouble> {
        said(&self.program, arguments, time).await
    }

    /// A script to stand in for `docker` where kind would ask in vain for
    /// `--privileged`; none where it would not.
    pub fn wrapper(&self) -> Option<String> {
        (!self.privileged).then(|| without_privileges(&self.program))
    }

    /// Whether an image is there.
    pub async fn has_image(&self, image: &str) -> bool {
        let inspect = ["image", "inspect", "--format={{.Id}}", image];
        self.run(&inspect).await.is_ok()
    }

    /// Runs a command in a container.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<String, Trouble> {
        self.run(&[&["exec", container], command].concat()).await
    }
}

/// What a program prints within a time.
///
/// # Errors
/// [`Trouble`].
pub async fn said(program: &Path, arguments: &[&str], time: Duration) -> Result<String, Trouble> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match limit(time, command.output()).await {
        Err(_) => Err(Trouble::Silent(time)),
        Ok(Err(error)) => Err(Trouble::NotStarted(format!(
            "{} does not start: {error}",
            program.display()
        ))),
        Ok(Ok(output)) if output.status.success() => Ok(text(&output.stdout)),
        Ok(Ok(output)) => Err(Trouble::Refused(text(&output.stderr))),
    }
}

/// What stands in for `docker` where a capability is gone that `--privileged`
/// asks for: it asks for all but that one. kind calls it by name, with the
/// literal flag.
fn without_privileges(docker: &Path) -> String {
    let docker = crate::process::quote(&docker.display().to_string());
    format!(
        r#"#!/bin/sh
command=$1
for argument in "$@"; do
  shift
  if [ "$argument" != --privileged ]; then
    set -- "$@" "$argument"
  elif [ "$command" = run ]; then
    set -- "$@" --cap-add=ALL --cap-drop=SYS_RESOURCE --security-opt=systempaths=unconfined \
      --security-opt=seccomp=unconfined "--device-cgroup-rule=a *:* rwm" --device=/dev/kmsg --device=/dev/fuse
  fi
done
exec {docker} "$@"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_privileges_asks_for_all_but_one() {
        let script = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(script.path(), without_privileges(Path::new("/bin/echo"))).expect("written");
        let said = |arguments: &[&str]| {
            let mut shell = std::process::Command::new("/bin/sh");
            let output = shell.arg(script.path()).args(arguments).output();
            String::from_utf8(output.expect("a shell").stdout).expect("a text")
        };
        let run = said(&["run", "--privileged", "--name", "a b", "image"]);
        assert!(
            run.starts_with("run --cap-add=ALL --cap-drop=SYS_RESOURCE "),
            "{run}"
        );
        assert!(
            run.ends_with(" --name a b image\n") && !run.contains("privileged"),
            "{run}"
        );
        assert_eq!(
            said(&["exec", "--privileged", "node", "sh"]),
            "exec node sh\n"
        );
        assert_eq!(said(&["ps", "--all"]), "ps --all\n");
    }
}
