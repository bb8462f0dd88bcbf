//! How a cluster goes: as the last will of the program that made it, and so the
//! same whether it stops, is killed, or is found dead by `rolecall clean`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::docker::Docker;
use super::home::{self, Home};
use crate::child::LastWill;
use crate::files::write_private;

/// What a kubelet changes of the whole machine (`setupKernelTunables`).
const SYSCTLS: [&str; 3] = [
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
];

/// Arguments: docker, the node's container, the cluster's folder, the file of
/// sysctls. They are put back with the last node there is, ours or another's: by
/// root here, else in the node, which may write them. A `docker run` that was on
/// its way may come to a node after the first look.
const SCRIPT: &str = r#"
docker=$1 node=$2 folder=$3 sysctls=$4
put_back() {
  while read -r name value; do echo "$value" >"/proc/sys/$name"; done
}
others=$("$docker" ps --filter label=io.x-k8s.kind.cluster --format '{{.Names}}' | grep -vx "$node")
if [ -s "$sysctls" ] && [ -z "$others" ] && ! [ -w /proc/sys/kernel/panic ]; then
  "$docker" exec -i "$node" sh -c 'systemctl stop kubelet; while read -r name value; do echo "$value" >"/proc/sys/$name"; done' <"$sysctls" && rm -f "$sysctls"
fi
for again in 1 2 3; do
  "$docker" rm -f -v "$node" >/dev/null 2>&1 || sleep 1
  "$docker" container inspect "$node" >/dev/null 2>&1 || break
done
if [ -s "$sysctls" ] && [ -z "$others" ] && [ -w /proc/sys/kernel/panic ]; then
  put_back <"$sysctls"; rm -f "$sysctls"
fi
rm -rf -- "$folder"
"#;

/// Leaves word how the cluster of `home` is to go.
///
/// # Errors
/// The operating system's.
pub fn will(docker: &Docker, home: &Home) -> io::Result<LastWill> {
    let arguments: [OsString; 4] = [
        docker.program.clone().into(),
        home.node().into(),
        home.folder().into(),
        sysctls().into(),
    ];
    LastWill::new(SCRIPT, arguments)
}

/// Writes down what a kubelet is about to change, unless one has done so already:
/// then the first of ours wrote it down, or it is not ours to put back.
///
/// # Errors
/// The operating system's, with the file in it.
pub async fn note_sysctls(docker: &Docker) -> Result<(), String> {
    let nodes = ["ps", "--quiet", "--filter", "label=io.x-k8s.kind.cluster"];
    let others = docker.run(&nodes).await.map_err(|why| why.to_string())?;
    if !others.is_empty() {
        return Ok(());
    }
    let text: String = SYSCTLS
        .iter()
        .filter_map(|name| {
            let value = std::fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
            Some(format!("{name} {}\n", value.trim()))
        })
        .collect();
    let file = sysctls();
    write_private(&file, &text).map_err(|error| format!("{}: {error}", file.display()))
}

fn sysctls() -> PathBuf {
    home::all().join("sysctls")
}
