//! What each kind of cluster costs, measured as somebody who runs the tutorial's
//! scenario on it would see it: from the start of the program to the first request
//! that a person is allowed, its end, and what was in memory in between.
//!
//! The README's table is this program's output:
//!
//!     cargo run --release -p e2e --example clusters
//!
//! It needs what `--cluster control-plane` and `kind` need.

#![allow(
    clippy::disallowed_methods,
    reason = "it measures other programs by the machine's clock"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs a kind; the median is what is printed.
const RUNS: usize = 3;
const TUTORIAL: &str = "scenarios/tutorial.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("| | create to first allowed request | end | memory |");
    println!("|---|---|---|---|");
    for cluster in ["embedded", "control-plane", "kind"] {
        row(cluster, || run(&["--cluster", cluster]))?;
    }
    let stranger = Stranger::start()?;
    let kubeconfig = stranger.kubeconfig();
    let context = ["--cluster", "kubeconfig", "--context", "kubedemy"];
    let there = ["--allow-writes", "--kubeconfig", kubeconfig.as_str()];
    row("kubeconfig", || run(&[&context[..], &there].concat()))
}

/// What one run took.
struct Cost {
    allowed: Duration,
    ended: Duration,
    /// Bytes, shared pages by share.
    memory: u64,
}

fn row(
    name: &str,
    mut run: impl FnMut() -> Result<Cost, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut costs = Vec::new();
    for _ in 0..RUNS {
        costs.push(run()?);
    }
    let median = |of: &dyn Fn(&Cost) -> f64| {
        let mut all: Vec<f64> = costs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!(
        "| `{name}` | {:.2} s | {:.2} s | {:.0} MiB |",
        median(&|cost| cost.allowed.as_secs_f64()),
        median(&|cost| cost.ended.as_secs_f64()),
        median(&|cost| cost.memory as f64 / f64::from(1 << 20)),
    );
    Ok(())
}

/// `rolecall test` of the tutorial; it is stopped for a moment when the person was
/// allowed something, so that there is something to measure.
fn run(arguments: &[&str]) -> Result<Cost, Box<dyn Error>> {
    let nodes_before = nodes()?;
    let began = Instant::now();
    let mut child = rolecall()
        .args(["test", "--json", TUTORIAL])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let pid = child.id();
    // What is over in a tenth of a second is over before it can be stopped.
    let early = std::thread::spawn(move || {
        let mut most = 0;
        while began.elapsed() < Duration::from_millis(300) {
            most = most.max(memory(pid, &[]).unwrap_or_default());
            // Between two samples, for which nothing can be waited.
            std::thread::sleep(Duration::from_millis(2));
        }
        most
    });
    let output = child.stdout.take().ok_or("no output")?;
    let mut lines = BufReader::new(output).lines();
    let allowed = loop {
        let line = lines.next().ok_or("it ended early")??;
        let event: Value = serde_json::from_str(&line)?;
        let details = event["details"].as_array().into_iter().flatten();
        let texts = details.filter_map(Value::as_str);
        if texts.into_iter().any(|text| text.contains(": allowed")) {
            break began.elapsed();
        }
        if event["event"] == "scenarioFinished" {
            return Err(format!("nobody was allowed anything: {line}").into());
        }
    };
    let stopped = signal(pid, "STOP").is_ok();
    let nodes: Vec<String> = nodes()?.difference(&nodes_before).cloned().collect();
    let late = memory(pid, &nodes)?;
    if stopped {
        signal(pid, "CONT")?;
    }
    let began = Instant::now();
    for line in lines {
        line?;
    }
    let status = child.wait()?;
    let ended = began.elapsed();
    let early = early.join().map_err(|_| "it panicked")?;
    if !status.success() {
        return Err(format!("rolecall test: {status}").into());
    }
    Ok(Cost {
        allowed,
        ended,
        memory: late.max(early),
    })
}

fn signal(pid: u32, name: &str) -> Result<(), Box<dyn Error>> {
    let pid = pid.to_string();
    let status = Command::new("kill").args(["-s", name, &pid]).status()?;
    status.success().then_some(()).ok_or("kill failed".into())
}

/// The containers that kind runs.
fn nodes() -> Result<BTreeSet<String>, Box<dyn Error>> {
    let filter = "label=io.x-k8s.kind.cluster";
    let output = Command::new("docker")
        .args(["ps", "--quiet", "--filter", filter])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The proportional set sizes of a process, of all that it started, and of what
/// runs in containers.
fn memory(pid: u32, containers: &[String]) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("ps").args(["-eo", "pid=,ppid="]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let pairs: Vec<(u32, u32)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect();
    let mut ours = vec![pid];
    for container in containers {
        // Whatever runs in there stems from its first process.
        let output = Command::new("docker")
            .args(["inspect", "--format={{.State.Pid}}", container])
            .output()?;
        ours.push(String::from_utf8(output.stdout)?.trim().parse()?);
    }
    let mut at = 0;
    while at < ours.len() {
        let parent = ours[at];
        ours.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|p| p.0));
        at += 1;
    }
    Ok(ours.into_iter().filter_map(proportional).sum())
}

/// In bytes; none where the process is over.
fn proportional(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// A control plane of somebody else's.
struct Stranger {
    child: Child,
    folder: tempfile::TempDir,
}

impl Stranger {
    fn start() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let mut child = rolecall()
            .args(["up", "--json", "--cluster", "control-plane", "--dir"])
            .arg(folder.path().join("rolecall"))
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let stranger = Self { child, folder };
        // It prints a line when it answers.
        BufReader::new(output)
            .lines()
            .next()
            .ok_or("no control plane")??;
        Ok(stranger)
    }

    fn kubeconfig(&self) -> String {
        let file = self.folder.path().join("rolecall/admin.kubeconfig");
        file.display().to_string()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = signal(self.child.id(), "TERM");
        let _ = self.child.wait();
    }
}

fn rolecall() -> Command {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut command = Command::new(root.join("target/release/rolecall"));
    command
        .current_dir(&root)
        .env(
            "KUBEBUILDER_ASSETS",
            root.join("target/kubernetes/v1.37/bin"),
        )
        .stdin(Stdio::null());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let kind = root.join("target/kubernetes/kind/bin");
    let folders = std::iter::once(kind).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PATH", path);
    }
    command
}
