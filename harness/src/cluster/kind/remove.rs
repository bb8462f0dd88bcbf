//! How a cluster goes: as the last will of the program that made it, and so the
//! same whether it stops, is killed, or is found dead by `rolecall clean`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::docker::Docker;
use super::home::{self, Home};
use crate::child::LastWill;
use crate::files::write_private;

/// In a cluster's folder: which engine has its node.
const ENGINE: &str = "engine";
/// What a kubelet changes of the whole machine, and to what (`setupKernelTunables`).
const SYSCTLS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];
/// In [`PROC`]: which start of the machine this is.
const BOOT_ID: &str = "kernel/random/boot_id";

/// Where the machine's sysctls are.
const PROC: &str = "/proc/sys";

/// Arguments: docker, the node's container, the cluster's folder, the file of
/// sysctls, the folder of all clusters, where the machine's sysctls are. The cluster's
/// folder goes only when Docker has said that the node is gone: it is the one record
/// of it. The node may be on its way out already, by somebody else's hand, or, where
/// kind was in the middle of it, on its way in.
///
/// The sysctls are put back with the last node there is, ours or another's, and
/// the last folder, which comes before its node: by root here, else in the node,
/// which may write them. Only what is as a kubelet has it is: else somebody has said
/// since how it is to be. The file stays, for whoever had nodes beside ours, in a
/// cache that we do not know.
const SCRIPT: &str = r#"
node=$2 folder=$3 sysctls=$4 homes=$5 proc=$6
docker() { timeout 30 "$docker" "$@"; }
docker=$1
put_back='while read -r name value; do
  case $name in
    vm/overcommit_memory|kernel/panic_on_oops) theirs=1 ;;
    vm/panic_on_oom) theirs=0 ;;
    kernel/panic) theirs=10 ;;
    kernel/keys/root_maxkeys) theirs=1000000 ;;
    kernel/keys/root_maxbytes) theirs=25000000 ;;
    *) continue ;;
  esac
  [ "$(cat "$proc/$name")" != $theirs ] || echo "$value" >"$proc/$name"
done'
# Whether there is something to be put back that was noted since the machine started.
noted() { [ "$(head -n 1 "$sysctls" 2>/dev/null)" = "boot $(cat "$proc/kernel/random/boot_id" 2>/dev/null)" ]; }
# A container runtime in the node that was killed in the middle of a pod may have
# left it frozen (cgroup v1), and what is frozen does not die.
thaw() {
  find /sys/fs/cgroup/freezer -path "*$id*" -name freezer.state 2>/dev/null | while read -r state; do
    [ "$(cat "$state" 2>/dev/null)" = THAWED ] || echo THAWED >"$state" 2>/dev/null
  done
}
# Whether anybody else has a node, or is about to.
others() {
  names=$(docker ps --filter label=io.x-k8s.kind.cluster --format '{{.Names}}') || return 0
  [ -n "$(echo "$names" | grep -vx "$node")" ] && return 0
  for home in "$homes"/rolecall-*; do
    [ -e "$home" ] && [ "$home" != "$folder" ] && return 0
  done
  return 1
}
if noted && ! [ -w "$proc/kernel/panic" ] && ! others; then
  docker exec -i "$node" sh -c "systemctl stop kubelet; proc=/proc/sys; $put_back" <"$sysctls"
fi
gone=0
for again in $(seq 40); do
  id=$(docker ps -aq --no-trunc --filter "name=^/$node\$") || exit 1
  if [ -z "$id" ]; then
    gone=$((gone + 1))
    if [ -e "$folder/created" ] || [ $gone -gt 3 ]; then break; fi
  else
    gone=0
    docker rm -f -v "$node" >/dev/null 2>&1 &
    while kill -0 $! 2>/dev/null; do sleep 0.2; thaw; done
    wait $!
    continue
  fi
  sleep 0.5
done
[ -z "$id" ] || exit 1
[ -z "$folder" ] || rm -rf -- "$folder"
if noted && [ -w "$proc/kernel/panic" ] && ! others; then
  eval "$put_back" <"$sysctls"
fi
"#;

/// A cluster that was left behind: nobody runs any more who made it.
#[derive(Debug)]
pub struct Left(Home);

/// All of them; those that were to be kept only where `kept`.
pub fn left(kept: bool) -> Vec<Left> {
    Home::left(kept).into_iter().map(Left).collect()
}

impl Left {
    /// Its name at kind.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Its folder, which is all that is known of it.
    pub fn folder(&self) -> &Path {
        self.0.folder()
    }

    /// Whether it was made with this engine, and not with another of the machine's.
    pub fn is_of(&self, docker: &Docker) -> bool {
        is_of(&self.0, docker)
    }

    /// Removes its node, its folder, and what its kubelet changed of the machine.
    ///
    /// # Errors
    /// A sentence: Docker does not let it go.
    pub async fn remove(self, docker: &Docker) -> Result<(), String> {
        let will = will(docker, &self.0).map_err(|error| format!("/bin/sh: {error}"))?;
        // A panic of it was counted by the panic hook.
        let _ = tokio::task::spawn_blocking(move || drop(will)).await;
        let node = self.0.node();
        if self.0.folder().exists() {
            return Err(format!(
                "{node} is still there, or Docker does not answer; look at `docker rm -f {node}`"
            ));
        }
        Ok(())
    }
}

/// Leaves word how the cluster of `home` is to go.
///
/// # Errors
/// The operating system's.
pub fn will(docker: &Docker, home: &Home) -> io::Result<LastWill> {
    will_of(docker, home.node().into(), home.folder().into())
}

fn will_of(docker: &Docker, node: OsString, folder: OsString) -> io::Result<LastWill> {
    let arguments: [OsString; 6] = [
        docker.program.clone().into(),
        node,
        folder,
        sysctls().into(),
        home::all().into(),
        PROC.into(),
    ];
    LastWill::new(SCRIPT, arguments)
}

/// Puts back what kubelets changed, where no node is left; with the last of ours
/// somebody else's may still have run.
pub async fn put_back_sysctls(docker: &Docker) {
    let will = will_of(docker, "rolecall-none".into(), OsString::new());
    let _ = tokio::task::spawn_blocking(move || will.map(drop)).await;
}

/// Whether the node of `home` is this engine's, as far as is known.
pub fn is_of(home: &Home, docker: &Docker) -> bool {
    let engine = read(&home.path(ENGINE));
    engine.is_empty() || engine == docker.id
}

/// Notes in the folder of a new cluster which engine has its node.
///
/// # Errors
/// The operating system's.
pub fn note_engine(docker: &Docker, home: &Home) -> io::Result<()> {
    write_private(&home.path(ENGINE), &docker.id)
}

/// What is to be put back, and to what, as sysctl(8) takes it.
pub fn changed_sysctls() -> Vec<String> {
    changed(&sysctls(), Path::new(PROC))
}

fn changed(file: &Path, proc: &Path) -> Vec<String> {
    let file = read(file);
    let noted = file.strip_prefix(&boot(proc)).unwrap_or_default();
    let lines = noted.lines().filter_map(|line| line.split_once(' '));
    let is_a_kubelets = |name: &str| {
        let theirs = SYSCTLS.iter().find(|(known, _)| *known == name);
        theirs.is_some_and(|(_, value)| read(&proc.join(name)).trim() == *value)
    };
    lines
        .filter(|(name, _)| is_a_kubelets(name))
        .map(|(name, value)| format!("{}={value}", name.replace('/', ".")))
        .collect()
}

/// Whether anybody has a node at this engine.
///
/// # Errors
/// Docker's, in a sentence.
pub async fn are_there_nodes(docker: &Docker) -> Result<bool, String> {
    let nodes = ["ps", "--quiet", "--filter", "label=io.x-k8s.kind.cluster"];
    let nodes = docker.run(&nodes).await.map_err(|why| why.to_string())?;
    Ok(!nodes.is_empty())
}

/// Writes down what a kubelet is about to change, where no node is that may have
/// changed it. What is as a kubelet has it may be one's doing: of that, what was
/// written down since the machine was started counts.
///
/// # Errors
/// The operating system's, with the file in it.
pub async fn note_sysctls(docker: &Docker) -> Result<(), String> {
    // Of runs that begin at once one writes at a time, wherever their caches are.
    let folder = sysctls().parent().map(Path::to_owned).unwrap_or_default();
    let _alone = tokio::task::spawn_blocking(move || home::hold(&folder)).await;
    if !are_there_nodes(docker).await? {
        let file = sysctls();
        note(&file, Path::new(PROC)).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

fn note(file: &Path, proc: &Path) -> io::Result<()> {
    let mut now = boot(proc);
    let before = read(file);
    let noted = before.strip_prefix(&now).unwrap_or_default();
    for (name, of_kubelets) in SYSCTLS {
        let Ok(value) = std::fs::read_to_string(proc.join(name)) else {
            continue;
        };
        let line = if value.trim() == of_kubelets {
            let before = format!("{name} ");
            let mut lines = noted.lines();
            lines
                .find(|line| line.starts_with(&before))
                .map(str::to_owned)
        } else {
            Some(format!("{name} {}", value.trim()))
        };
        now.extend(line.map(|line| line + "\n"));
    }
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
    write_private(file, &now)
}

/// The first line of a note: since when it holds.
fn boot(proc: &Path) -> String {
    format!("boot {}\n", read(&proc.join(BOOT_ID)).trim())
}

/// A file's text; nothing where it cannot be read.
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// One file for all of somebody's runs, wherever else their cache is: there is
/// one machine.
fn sysctls() -> PathBuf {
    match std::env::var_os("HOME").filter(|home| !home.is_empty()) {
        Some(home) => Path::new(&home).join(".cache/rolecall/sysctls"),
        None => home::all().join("sysctls"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What a kubelet left of a machine, after the end of a node whose folder is
    /// `rolecall-a`: beside the nodes that `docker ps` tells, and other folders.
    fn left_of_the_machine(nodes: &str, others: &[&str], boot: &str) -> [String; 7] {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(at(name), text).expect("a file");
        for name in ["vm", "kernel/random", "kernel/keys", "homes/rolecall-a"] {
            std::fs::create_dir_all(at(name)).expect("a folder");
        }
        write(BOOT_ID, "1\n");
        for name in others {
            std::fs::create_dir(at("homes").join(name)).expect("a folder");
        }
        write("homes/rolecall-a/created", "");
        let names: Vec<&str> = SYSCTLS.iter().map(|(name, _)| *name).collect();
        let names: [&str; 7] = [&names[..], &["kernel/else"]]
            .concat()
            .try_into()
            .expect("7");
        let mut noted = format!("boot {boot}\n");
        for (name, (value, before)) in names.iter().zip(CHANGED.iter().zip(BEFORE)) {
            write(name, value);
            noted += &format!("{name} {before}\n");
        }
        write("sysctls", &noted);
        let ps = format!("#!/bin/sh\ncase $* in 'ps --filter'*) echo '{nodes}' ;; esac\n");
        write("docker", &ps);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(at("docker"), mode).expect("a program");
        // As long as another test's child has the file open, it is busy.
        while std::process::Command::new(at("docker")).output().is_err() {}
        let arguments = [
            at("docker").into(),
            OsString::from("rolecall-a-control-plane"),
            at("homes/rolecall-a").into(),
            at("sysctls").into(),
            at("homes").into(),
            folder.path().into(),
        ];
        drop(LastWill::new(SCRIPT, arguments).expect("a shell"));
        assert!(!at("homes/rolecall-a").exists());
        names.map(|name| {
            std::fs::read_to_string(at(name))
                .expect("a value")
                .trim()
                .to_owned()
        })
    }

    /// Of a kubelet's somebody has changed the fourth since.
    const CHANGED: [&str; 7] = ["1", "0", "10", "5", "1000000", "25000000", "1"];
    const BEFORE: [&str; 7] = ["0", "2", "1", "0", "200", "20000", "0"];

    #[test]
    fn what_kubelets_change_is_put_back_with_the_last_node() {
        let mut back = BEFORE;
        (back[3], back[6]) = (CHANGED[3], CHANGED[6]);
        assert_eq!(left_of_the_machine("", &[], "1"), back);
        assert_eq!(
            left_of_the_machine("rolecall-a-control-plane", &[], "1"),
            back
        );
        assert_eq!(
            left_of_the_machine("theirs-control-plane", &[], "1"),
            CHANGED
        );
        assert_eq!(left_of_the_machine("", &["rolecall-b"], "1"), CHANGED);
        assert_eq!(left_of_the_machine("", &[], "of another day"), CHANGED);
    }

    #[test]
    fn what_a_kubelet_changed_is_not_taken_for_the_machines_own() {
        let proc = tempfile::tempdir().expect("a folder");
        let file = proc.path().join("cache/sysctls");
        let set = |name: &str, value: &str| {
            let path = proc.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, format!("{value}\n")).expect("written");
        };
        let noted = || {
            note(&file, proc.path()).expect("noted");
            std::fs::read_to_string(&file).expect("a note")
        };
        set(BOOT_ID, "a");
        set("vm/overcommit_memory", "0");
        set("kernel/panic", "10");
        assert_eq!(noted(), "boot a\nvm/overcommit_memory 0\n");
        set("vm/overcommit_memory", "1");
        set("kernel/panic", "3");
        assert_eq!(noted(), "boot a\nvm/overcommit_memory 0\nkernel/panic 3\n");
        assert_eq!(changed(&file, proc.path()), ["vm.overcommit_memory=0"]);
        set(BOOT_ID, "b");
        set("kernel/panic", "10");
        assert_eq!(changed(&file, proc.path()), [""; 0]);
        assert_eq!(noted(), "boot b\n");
    }
}
