//! Faults of the machine around all clusters; those of one kind are in its suite.

use std::process::Command;

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{Ran, check, ran};

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "faults::localhost_that_is_ipv6_alone_is_in_nobodys_way",
            localhost_is_ipv6,
        ),
        case(
            "faults::without_a_loopback_the_rig_is_broken",
            without_loopback,
        ),
    ]
}

/// Brings the loopback of a fresh network namespace up, by Python: nothing else is
/// sure to be there.
const UP: &str = r#"import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 1))"#;

/// `rolecall test` of the tutorial on `clusters`, after `before`, in namespaces of
/// its own.
fn secluded(before: &str, clusters: &str) -> Result<Ran, Stop> {
    let possible = Command::new("unshare")
        .args(["--net", "--mount", "true"])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return Err(Stop::Unable(Missing(
            "no network namespace may be made here".to_owned(),
        )));
    }
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "sh", "-euc"])
        .arg(format!("{before}; exec \"$@\""))
        .arg("sh")
        .arg(programs::rolecall())
        .args(["test", "--cluster", clusters, "scenarios/tutorial.yaml"])
        .current_dir(programs::root())
        .env("KUBEBUILDER_ASSETS", programs::control_plane("v1.37")?);
    ran(command)
}

/// Addresses are numbers here, so it is nobody's business what localhost is.
fn localhost_is_ipv6() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "::1 localhost ip6-localhost\n").map_err(|error| error.to_string())?;
    let python = programs::aws()?.with_file_name("python");
    let before = format!(
        "'{}' -c '{UP}'; mount --bind '{}' /etc/hosts; test \"$(getent ahosts localhost | cut -d' ' -f1 | sort -u)\" = ::1",
        python.display(),
        hosts.display()
    );
    let run = secluded(&before, "embedded,control-plane")?.ok()?;
    run.says("2 passed, 0 failed").map(drop)
}

/// Neither passed nor denied.
fn without_loopback() -> Result<(), Stop> {
    let run = secluded("true", "embedded")?.refused()?;
    check(run.code == Some(3), || run.to_string())?;
    run.says("Network is unreachable")?
        .says("0 passed, 0 failed, 1 broken")
        .map(drop)
}
