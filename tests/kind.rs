//! kind's nodes: what is said where there can be none, what becomes of one that
//! dies, and that nothing is left however a run ends.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::cluster::Kind;
use serde_json::{Value, json};

use crate::cli_up::marked;
use crate::ledger::{Case, Stop, case};
use crate::rig::{
    MARK, Midway, Ran, Turn, Up, block_on, check, eventually, path_with, pause, ran, rolecall,
};
use crate::scenarios::CANNOT;
use crate::tutorial;
use crate::{programs, readme};

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case("kind::without_docker_it_says_how_to_get_it", no_docker),
        case("kind::a_daemon_that_is_not_there_is_named", no_daemon),
        case("kind::a_daemon_that_never_answers_is_given_up", hung_daemon),
        case("kind::an_image_that_cannot_be_had_is_named", no_image),
        case(
            "kind::what_an_engine_is_short_of_is_told_with_the_remedy",
            short_of,
        ),
        case(
            "kind::a_flag_that_kind_did_not_hand_on_is_noticed",
            flag_lost,
        ),
        case(
            "kind::an_engine_that_goes_before_the_scenario_is_a_broken_rig",
            engine_gone,
        ),
        case("kind::clean_takes_what_is_ours_alone", cleaned),
        case("kind::a_start_can_be_interrupted", interrupted),
        case(
            "kind::a_proxy_that_leads_nowhere_is_in_nobodys_way_and_a_frozen_node_is_noticed_within_5_s",
            black_hole,
        ),
        case(
            "kind::several_at_once_come_out_alike_and_leave_nothing_after_sigkill",
            several,
        ),
        case(
            "kind::a_node_killed_in_the_middle_of_a_scenario_is_a_broken_rig_within_5_s",
            killed,
        ),
        // One after the other: their instances have the one port.
        case(
            "kind::by_hand_with_the_file_in_the_repository_and_with_flags",
            || by_file().and_then(|()| by_flags()),
        ),
        case(
            "kind::the_file_in_the_repository_is_what_is_printed",
            file_is_rendered,
        ),
        case("kind::a_kept_cluster_is_taken_again", kept),
        case("kind::a_port_that_is_taken_is_named", taken_port),
    ]
}

/// `rolecall up --cluster kind` in an environment of its own; it is to fail.
fn refused(
    path: &std::ffi::OsStr,
    docker_host: Option<&str>,
    more: &[&str],
) -> Result<(Ran, Duration), Stop> {
    refused_with(path, docker_host, more, &[])
}

/// The same, with additions to that environment.
fn refused_with(
    path: &std::ffi::OsStr,
    docker_host: Option<&str>,
    more: &[&str],
    env: &[(&str, &str)],
) -> Result<(Ran, Duration), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = Command::new(programs::rolecall());
    command
        .args(["up", "--cluster", "kind", "--dir"])
        .arg(folder.path().join("rolecall"))
        .args(more)
        .env("PATH", path)
        .envs(env.iter().copied())
        .env_remove("DOCKER_HOST");
    if let Some(host) = docker_host {
        command.env("DOCKER_HOST", host);
    }
    let began = Instant::now();
    let run = ran(command)?.refused()?;
    check(run.code == Some(3), || run.to_string())?;
    Ok((run, began.elapsed()))
}

/// A folder with nothing but links to these programs.
fn only(programs: &[PathBuf]) -> Result<tempfile::TempDir, Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for program in programs {
        let name = program.file_name().unwrap_or_default();
        std::os::unix::fs::symlink(program, folder.path().join(name))
            .map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

fn no_docker() -> Result<(), Stop> {
    let path = only(&[programs::kubernetes("kind", "kind")?])?;
    let (run, took) = refused(path.path().as_os_str(), None, &[])?;
    check(took < Duration::from_secs(5), || format!("{took:?}"))?;
    run.says("docker is not on PATH")?
        .says("apt-get install docker.io")?;
    // Whoever names a cluster wants it: nothing runs without.
    let mut several = Command::new(programs::rolecall());
    several
        .args([
            "test",
            "--cluster",
            "embedded,kind",
            "scenarios/tutorial.yaml",
        ])
        .current_dir(programs::root())
        .env("PATH", path.path());
    let run = ran(several)?.says("docker is not on PATH")?;
    check(
        run.code == Some(3) && !run.stdout.contains("passed"),
        || run.to_string(),
    )?;
    let empty = only(&[])?;
    let (run, _) = refused(empty.path().as_os_str(), None, &[])?;
    run.says("rolecall assets build kind").map(drop)
}

fn no_daemon() -> Result<(), Stop> {
    let path = path_with(&[programs::kind()?])?;
    let (run, took) = refused(&path, Some("unix:///nowhere/docker.sock"), &[])?;
    check(took < Duration::from_secs(5), || format!("{took:?}"))?;
    run.says("unix:///nowhere/docker.sock cannot be reached")?
        .says("DOCKER_HOST")
        .map(drop)
}

/// Somebody who accepts, and says nothing.
fn hung_daemon() -> Result<(), Stop> {
    let path = path_with(&[programs::kind()?])?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let host = format!("tcp://{address}");
    let (run, took) = refused(&path, Some(&host), &[])?;
    check(took < Duration::from_secs(7), || format!("{took:?}"))?;
    run.says(&format!("{host} has not answered within 5 s"))?
        .says("systemctl restart docker")
        .map(drop)
}

fn no_image() -> Result<(), Stop> {
    let path = path_with(&[programs::kind()?])?;
    let image = ["--kind-image", "127.0.0.1:1/nobody:v0"];
    let host = std::env::var("DOCKER_HOST").ok();
    let (run, _) = refused(&path, host.as_deref(), &image)?;
    run.says("127.0.0.1:1/nobody:v0 is not there and cannot be pulled")?
        .says("just kind-node-image")?;
    let older = ["--kubernetes-version", "1.36"];
    let (run, _) = refused(&path, host.as_deref(), &older)?;
    run.says("there is no image rolecall/node:v1.36.")?
        .says("--kind-image kindest/node:v1.36.")?;
    // An engine without images, where nothing can be pulled.
    let folder = docker_that("*image*inspect*|*inspect*image*|pull*) exit 1 ;;")?;
    let path = path_with(&[folder.path().join("docker")])?;
    let (run, _) = refused(&path, host.as_deref(), &[])?;
    run.says("the node image is not there and cannot be pulled")?
        .says("just kind-node-image")
        .map(drop)
}

/// A folder for the PATH in which `docker` answers by `cases` of a shell's `case`
/// on its words, and by the real one else.
fn docker_that(cases: &str) -> Result<tempfile::TempDir, Stop> {
    let folder = only(&[programs::kind()?])?;
    let script = format!("case \"$*\" in {cases} esac\nPATH=${{PATH#*:}} exec docker \"$@\"");
    crate::rig::program(&folder.path().join("docker"), &script)?;
    Ok(folder)
}

fn short_of() -> Result<(), Stop> {
    let host = std::env::var("DOCKER_HOST").ok();
    for (cases, says, remedy) in [
        (
            "version*) echo 1.40; exit ;;",
            "speaks API 1.40, and kind needs 1.41",
            "Update Docker to 20.10 or later",
        ),
        (
            "info*) echo permission denied >&2; exit 1 ;;",
            "cannot be reached: permission denied",
            "usermod -aG docker",
        ),
        (
            r#"network*) echo '[{"IPAM":{"Config":[{"Gateway":"203.0.113.1"}]}}]'; exit ;;"#,
            "203.0.113.1, the gateway of Docker's network kind, is not this machine",
            "Use an engine that runs here",
        ),
    ] {
        let folder = docker_that(cases)?;
        let path = path_with(&[folder.path().join("docker")])?;
        let (run, _) = refused(&path, host.as_deref(), &[])?;
        run.says(says)?.says(remedy)?;
    }
    Ok(())
}

/// A manifest has to have our flags.
fn flag_lost() -> Result<(), Stop> {
    let host = std::env::var("DOCKER_HOST").ok();
    let folder = makes_nothing()?;
    let path = path_with(&[folder.path().join("kind")])?;
    let (run, _) = refused(&path, host.as_deref(), &[])?;
    run.says("kind did not hand on --")?;
    // Whoever starts a cluster takes away first what others left.
    let cache = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (node, home) = left_behind(cache.path(), "rolecall-0ddba11e")?;
    let cache = cache.path().display().to_string();
    let env = [("XDG_CACHE_HOME", cache.as_str())];
    let (run, _) = refused_with(&path, host.as_deref(), &[], &env)?;
    run.says("kind did not hand on --")?;
    check(!exists(&node.0)? && !home.exists(), || {
        format!("{} is left", node.0)
    })
}

/// A folder for the PATH with a kind that makes nothing, and a Docker in whose node
/// the manifest is empty.
fn makes_nothing() -> Result<tempfile::TempDir, Stop> {
    let folder = docker_that("exec*) echo spec:; exit ;;")?;
    let kind = folder.path().join("kind");
    std::fs::remove_file(&kind).map_err(|error| error.to_string())?;
    crate::rig::program(&kind, "exit 0")?;
    Ok(folder)
}

/// A node that nobody holds any more, and its folder in a cache.
fn left_behind(cache: &Path, name: &str) -> Result<(Removed, PathBuf), Stop> {
    let node = Removed(format!("{name}-control-plane"));
    docker(&["create", "--name", &node.0, &node_image()])?;
    let home = cache.join("rolecall/kind").join(name);
    std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    std::fs::write(home.join("created"), "").map_err(|error| error.to_string())?;
    Ok((node, home))
}

/// Docker answers who looks before anything runs, and nobody after that.
fn engine_gone() -> Result<(), Stop> {
    let cases = "info*) [ ! -e \"$0.asked\" ] || exit 1; touch \"$0.asked\" ;;";
    let folder = docker_that(cases)?;
    let cache = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = Command::new(programs::rolecall());
    command
        .args(["test", "--cluster", "kind", "scenarios/tutorial.yaml"])
        .current_dir(programs::root())
        .env("XDG_CACHE_HOME", cache.path())
        .env("PATH", path_with(&[folder.path().join("docker")])?);
    let run = ran(command)?.refused()?;
    check(run.code == Some(3), || run.to_string())?;
    run.says("1 broken").map(drop)
}

/// What nobody holds any more, and the node that goes with it; not a stranger's.
fn cleaned() -> Result<(), Stop> {
    programs::kind()?;
    let cache = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (ours, home) = left_behind(cache.path(), "rolecall-0c1ea7ed")?;
    // One that looks like ours, and one of ours that another engine has.
    let (theirs, not_ours) = left_behind(cache.path(), "rolecall-57a96e70")?;
    std::fs::remove_dir_all(not_ours).map_err(|error| error.to_string())?;
    let (elsewhere, its_home) = left_behind(cache.path(), "rolecall-e15eee7e")?;
    std::fs::write(its_home.join("engine"), "another").map_err(|error| error.to_string())?;
    let cache = cache.path().display().to_string();
    let run = clean(&cache, &[])?.refused()?;
    check(run.code == Some(3), || run.to_string())?;
    run.says("removed the kind cluster rolecall-0c1ea7ed")?
        .says("another Docker engine has rolecall-e15eee7e; name it in DOCKER_HOST")?
        .says(&format!("forget them: rm -r {}", its_home.display()))?;
    check(!exists(&ours.0)? && !home.exists(), || {
        format!("{} is left", ours.0)
    })?;
    for node in [&theirs.0, &elsewhere.0] {
        check(exists(node)?, || format!("{node} is gone"))?;
    }
    std::fs::remove_dir_all(its_home).map_err(|error| error.to_string())?;
    clean(&cache, &[])?
        .ok()?
        .says("nothing is left of an earlier run")
        .map(drop)
}

/// The image that `just kind-node-image` makes.
fn node_image() -> String {
    let version = harness::cluster::Version::default();
    format!("rolecall/node:{}", version.release())
}

/// A container that is gone with the value.
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", "--volumes", &self.0]);
    }
}

/// The front door's, at the gateway or on loopback, and the API server's.
fn taken_port() -> Result<(), Stop> {
    let path = path_with(&[programs::kind()?])?;
    let host = std::env::var("DOCKER_HOST").ok();
    let gateway = block_on(harness::cluster::kind::gateway()).map_err(|why| why.to_string())?;
    for (address, option) in [
        (gateway.to_string(), "--port"),
        ("127.0.0.1".to_owned(), "--port"),
        ("127.0.0.1".to_owned(), "--api-port"),
    ] {
        let socket = std::net::TcpListener::bind((address.as_str(), 0));
        let socket = socket.map_err(|error| error.to_string())?;
        let port = socket
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        let port = port.to_string();
        let (run, took) = refused(&path, host.as_deref(), &[option, &port])?;
        check(took < Duration::from_secs(5), || format!("{took:?}: {run}"))?;
        run.says(&format!("{address}:{port}"))?
            .says("Address already in use")?
            .says(&format!("(process {})", std::process::id()))?;
    }
    // Beside a cluster of one's own.
    let socket = std::net::TcpListener::bind((gateway, 0)).map_err(|error| error.to_string())?;
    let address = socket.local_addr().map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = folder.path().join("up").display().to_string();
    let port = address.port().to_string();
    let run = rolecall(&["up", "--for-kind", "--port", &port, "--dir", &dir])?.refused()?;
    check(run.code == Some(3), || run.to_string())?;
    run.says(&format!("{address}: Address already in use"))
        .map(drop)
}

fn docker(arguments: &[&str]) -> Result<String, Stop> {
    let mut command = Command::new("docker");
    command.args(arguments);
    Ok(ran(command)?.ok()?.stdout.trim().to_owned())
}

/// The node whose API server listens there.
fn node_of(up: &Up) -> Result<String, Stop> {
    let port = up.ready().api_server.rsplit(':').next().unwrap_or_default();
    let port = format!(":{port}->");
    let all = docker(&[
        "ps",
        "--all",
        "--filter",
        "label=io.x-k8s.kind.cluster",
        "--format",
        "{{.Names}} {{.Ports}}",
    ])?;
    let line = all.lines().find(|line| line.contains(&port));
    let name = line.and_then(|line| line.split(' ').next());
    name.map(str::to_owned)
        .ok_or_else(|| Stop::Fail(format!("no node has {port}: {all}")))
}

fn exists(node: &str) -> Result<bool, Stop> {
    let filter = format!("name={node}");
    Ok(!docker(&["ps", "--all", "--quiet", "--filter", &filter])?.is_empty())
}

/// The cluster's folder.
fn home_of(node: &str) -> PathBuf {
    homes().join(node.trim_end_matches("-control-plane"))
}

/// Where the folders of clusters are.
fn homes() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache")
    });
    cache.join("rolecall/kind")
}

/// What becomes of an instance whose node is frozen.
fn frozen_is_noticed(mut up: Up) -> Result<(), Stop> {
    let node = node_of(&up)?;
    let ready = up.dir().join("ready.json");
    // Of a node that works hard runc cannot freeze everything at the first try, by
    // cgroup v1, and lets go of what it had.
    let (mut said, mut began) = (Ok(String::new()), Instant::now());
    eventually(&format!("docker pause {node}"), || {
        began = Instant::now();
        said = docker(&["pause", &node]);
        Ok(said.is_ok() || !ready.exists())
    })
    .map_err(|late| said.err().unwrap_or(late))?;
    // That it is up is said no more before the rest goes, which takes its own time.
    while ready.exists() && began.elapsed() < Duration::from_secs(60) {
        pause();
    }
    let took = began.elapsed();
    check(took < Duration::from_secs(5), || format!("{took:?}"))?;
    let code = up.wait()?;
    let said = up.log();
    check(
        code == Some(3) && said.contains("the cluster broke"),
        || said,
    )?;
    check(!exists(&node)? && !home_of(&node).exists(), || {
        format!("{node} is left")
    })
}

/// What is left of an instance after a signal; who is asked by the first, and asked
/// again, does not wait for what goes by itself.
pub fn nothing_is_left(mut up: Up, signal: &str) -> Result<(), Stop> {
    let node = node_of(&up)?;
    check(exists(&node)? && home_of(&node).exists(), || {
        format!("no {node}")
    })?;
    let named = "{{range .Mounts}}{{if eq .Type \"volume\"}}{{.Name}} {{end}}{{end}}";
    let volumes = docker(&["inspect", "--format", named, &node])?;
    check(!volumes.is_empty(), || format!("{node} has no volume"))?;
    up.send(signal)?;
    if signal == "INT" {
        let ready = up.dir().join("ready.json");
        eventually("it has heard the first", || Ok(!ready.exists()))?;
        up.send(signal)?;
    }
    let code = up.wait()?;
    check((code == Some(0)) == (signal != "KILL"), || {
        format!("{code:?}")
    })?;
    eventually("the node and its folder are gone", || {
        Ok(!exists(&node)? && !home_of(&node).exists())
    })?;
    let left = docker(&["volume", "ls", "--quiet"])?;
    check(!volumes.split(' ').any(|one| left.contains(one)), || {
        format!("of {volumes} some are left: {left}")
    })
}

/// The folder of the cluster that a process makes.
fn home_of_process(pid: u32) -> Option<PathBuf> {
    let homes = std::fs::read_dir(homes()).into_iter().flatten().flatten();
    homes.map(|entry| entry.path()).find(|home| {
        std::fs::read_to_string(home.join("lock")).is_ok_and(|text| text == format!("{pid}\n"))
    })
}

/// At moments of a start, in the middle of what kind does, of `up` and `test` in
/// turn; at as many of a seed as `ROLECALL_MOMENTS` says (docs/fidelity.md has when
/// it was fifty).
fn interrupted() -> Result<(), Stop> {
    let path = path_with(&[programs::kind()?])?;
    let mut moments = vec![
        ("INT", 500),
        ("TERM", 1500),
        ("INT", 4000),
        ("KILL", 6000),
        ("HUP", 9000),
    ];
    let asked = std::env::var("ROLECALL_MOMENTS").ok();
    if let Some(count) = asked.and_then(|text| text.parse::<usize>().ok()) {
        moments = crate::rig::moments(count, 12_000);
    }
    for ((signal, moment), subcommand) in moments.into_iter().zip(["up", "test"].iter().cycle()) {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let _turn = Turn::of_a_node();
        let mut command = Command::new(programs::rolecall());
        command.args([subcommand, "--cluster", "kind"]);
        match *subcommand {
            "up" => command.arg("--dir").arg(folder.path().join("rolecall")),
            _ => command.arg("scenarios/tutorial.yaml"),
        };
        let mut child: Child = command
            .current_dir(programs::root())
            .env("PATH", &path)
            .env(MARK, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let pid = child.id();
        eventually("kind is at it", || {
            Ok(home_of_process(pid).is_some_and(|home| home.join("kind.log").exists()))
        })?;
        let home = home_of_process(pid).unwrap_or_default();
        let name = home
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let node = format!("{name}-control-plane");
        std::thread::sleep(Duration::from_millis(moment));
        crate::rig::send(signal, pid)?;
        if signal == "HUP" {
            // Whoever asks twice does not wait for what goes by itself.
            std::thread::sleep(Duration::from_millis(300));
            crate::rig::send("INT", pid)?;
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        // A scenario that was not run has not passed.
        check(
            status.success() == (*subcommand == "up") || signal == "KILL",
            || format!("{subcommand}, {signal}: {status}"),
        )?;
        let mark = folder.path().display().to_string();
        eventually(
            &format!(
                "after SIG{signal} at {moment} ms {node}, its folder and who made it are gone"
            ),
            || Ok(!home.exists() && !exists(&node)? && marked(&mark)?.is_empty()),
        )?;
    }
    Ok(())
}

/// A proxy that leads nowhere: what is on this machine and in the node is asked
/// without one.
fn black_hole() -> Result<(), Stop> {
    let up = Up::start_on_with(Kind::Kind, &[], &crate::rig::BLACK_HOLE)?;
    let (pool, client) = tutorial::made(&up)?;
    tutorial::associate(&up, &pool, &client)?;
    up.await_active("kubedemy")?;
    let session = tutorial::log_in(&up, &pool, &client)?;
    up.kubectl_as("v1.37", session.id_token.expose(), &["auth", "whoami"])?
        .ok()?
        .says("test@kubedemy.io")?;
    frozen_is_noticed(up)
}

/// As many as `ROLECALL_AT_ONCE` says (docs/fidelity.md has when it was four), each
/// with the tutorial's trust and person. Nor is anybody's own kubeconfig touched.
fn several() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let named = folder.path().join("config");
    let lock = folder.path().join("config.lock");
    let usual = folder.path().join(".kube/config");
    std::fs::create_dir(folder.path().join(".kube")).map_err(|error| error.to_string())?;
    for file in [&named, &usual] {
        std::fs::write(file, "theirs").map_err(|error| error.to_string())?;
    }
    // Of a program that died.
    std::fs::write(&lock, "").map_err(|error| error.to_string())?;
    let text = |path: &Path| path.display().to_string();
    let homes = homes();
    let cache = homes.ancestors().nth(2).unwrap_or(&homes);
    let env = [
        ("HOME", text(folder.path())),
        ("XDG_CACHE_HOME", text(cache)),
        ("KUBECONFIG", text(&named)),
    ];
    let count = crate::rig::at_once(2);
    let alone = folder.path().join("cache");
    let started = |number: usize| -> Result<(Up, Value), Stop> {
        // Every other one has the usual place alone; what the last one leaves is
        // nobody's else to take away.
        let env = &env[..3 - number % 2];
        let mut env: Vec<(&str, &str)> =
            env.iter().map(|(name, value)| (*name, &**value)).collect();
        let alone = text(&alone);
        if number + 1 == count {
            env.push(("XDG_CACHE_HOME", &alone));
        }
        let up = Up::start_on_with(Kind::Kind, &[], &env)?;
        let user = known(&up).map_err(|stop| stop.of(&up.log()))?;
        Ok((up, user))
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let started = &started;
        let all: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || started(number)))
            .collect();
        all.into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    let mut ups = Vec::new();
    let (mut nodes, mut said) = (BTreeSet::new(), BTreeSet::new());
    for one in all {
        let (up, user) = one.map_err(|_| Stop::Fail("a start panicked".to_owned()))??;
        let node = node_of(&up)?;
        let label = format!(
            "rolecall.dev/cluster={}",
            node.trim_end_matches("-control-plane")
        );
        up.kubectl("v1.37", &["get", "nodes", "-l", &label, "-o", "name"])?
            .ok()?
            .says(&node)?;
        said.insert(user.to_string());
        nodes.insert(node);
        ups.push(up);
    }
    check(nodes.len() == ups.len() && said.len() == 1, || {
        format!("{nodes:?} say {said:?}")
    })?;
    for file in [&named, &usual] {
        let kept = std::fs::read_to_string(file).unwrap_or_default();
        check(kept == "theirs" && lock.exists(), || {
            format!("{} has {kept}", file.display())
        })?;
    }
    let last = ups.pop();
    if let Some(up) = &last {
        certificate_wins(up)?;
    }
    let mut signals = ["KILL", "INT", "TERM"].into_iter().cycle();
    for up in ups {
        nothing_is_left(up, signals.next().unwrap_or_default())?;
    }
    last.map_or(Ok(()), |up| {
        nobody_is_left_to_do_it(up, folder.path(), &alone)
    })
}

/// Whom a node knows the tutorial's person as.
fn known(up: &Up) -> Result<Value, Stop> {
    let (pool, client) = tutorial::made(up)?;
    tutorial::associated(up, &pool, &client)?;
    let session = tutorial::log_in(up, &pool, &client)?;
    let whoami = ["auth", "whoami", "-o", "json"];
    let run = up.kubectl_as("v1.37", session.id_token.expose(), &whoami)?;
    let user = &run.ok()?.json()?["status"]["userInfo"];
    Ok(json!([user["username"], user["groups"]]))
}

/// An instance, of this home and this cache, that is killed with all that would go
/// after it: what it leaves is found by `rolecall clean`.
fn nobody_is_left_to_do_it(mut up: Up, home: &Path, cache: &Path) -> Result<(), Stop> {
    let node = node_of(&up)?;
    let name = node.trim_end_matches("-control-plane");
    let folder = cache.join("rolecall/kind").join(name);
    let pid = up.ready().pid;
    // It starts nothing more, and then nobody sees its pipe close.
    crate::rig::send("STOP", pid)?;
    let mut watchers = Command::new("pkill");
    watchers.args(["-KILL", "--parent", &pid.to_string()]);
    ran(watchers)?.ok()?;
    up.signal("KILL")?;
    check(exists(&node)? && folder.exists(), || {
        format!("{node} went by itself")
    })?;
    let mut clean = Command::new(programs::rolecall());
    clean
        .arg("clean")
        .env("HOME", home)
        .env("XDG_CACHE_HOME", cache);
    ran(clean)?
        .ok()?
        .says(&format!("removed the kind cluster {name}"))?;
    check(!exists(&node)? && !folder.exists(), || {
        format!("{node} is left")
    })
}

/// A kubeconfig's certificate comes before `--token`: whoever tests like that
/// tests the administrator. Our own checks go without one, and would tell.
fn certificate_wins(up: &Up) -> Result<(), Stop> {
    up.kubectl("v1.37", &["auth", "whoami", "--token=nonsense"])?
        .ok()?
        .says("kubernetes-admin")?;
    up.kubectl_as("v1.37", "nonsense", &["auth", "whoami"])?
        .refused()?
        .says("You must be logged in to the server")
        .map(drop)
}

fn killed() -> Result<(), Stop> {
    let path = path_with(&[programs::kind()?])?;
    let mut run = Midway::on(Kind::Kind, |command, folder| {
        command.env("PATH", path).env("XDG_CACHE_HOME", folder);
    })?;
    let homes = std::fs::read_dir(run.folder().join("rolecall/kind"));
    let homes = homes.map_err(|error| error.to_string())?;
    let name = homes
        .flatten()
        .find_map(|entry| entry.file_name().into_string().ok())
        .ok_or_else(|| run.events())?;
    let node = format!("{name}-control-plane");
    docker(&["kill", &node])?;
    let began = Instant::now();
    run.until("\"verdict\":\"broken\"")?;
    let took = began.elapsed();
    run.broken()?;
    check(took < Duration::from_secs(5), || {
        format!("{took:?}: {}", run.events())
    })?;
    let mark = run.folder().display().to_string();
    eventually("nothing is left", || {
        Ok(!exists(&node)? && marked(&mark)?.is_empty())
    })
}

/// A node that kind makes by a file, beside an instance; gone with the value.
struct ByHand {
    kind: PathBuf,
    path: std::ffi::OsString,
    name: String,
    folder: tempfile::TempDir,
}

impl ByHand {
    fn create(config: &Path, current: &Path) -> Result<Self, Stop> {
        let kind = programs::kind()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut path = path_with(std::slice::from_ref(&kind))?;
        let docker = block_on(harness::cluster::kind::docker());
        let docker = docker.map_err(|missing| missing.to_string())?;
        if let Some(wrapper) = docker.wrapper() {
            let program = folder.path().join("docker");
            crate::rig::program(&program, &wrapper)?;
            let folders =
                std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&path));
            path = std::env::join_paths(folders).map_err(|error| error.to_string())?;
        }
        let by_hand = Self {
            kind,
            path,
            name: format!("hand-{}-{:04x}", std::process::id(), rand::random::<u16>()),
            folder,
        };
        let image = node_image();
        let config = config.display().to_string();
        let arguments = ["create", "cluster", "--config", &config, "--image", &image];
        let mut command = by_hand.command(&arguments);
        command.current_dir(current);
        let _turn = Turn::of_a_node();
        ran(command)?.ok()?;
        Ok(by_hand)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kind);
        command
            .args(arguments)
            .args(["--name", &self.name, "--kubeconfig"])
            .arg(self.kubeconfig())
            .env("PATH", &self.path);
        command
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "cluster"]).output();
    }
}

/// A cluster that was made by hand, and the instance that it trusts.
struct Hand {
    up: Up,
    cluster: ByHand,
    _place: tempfile::TempDir,
}

/// kind by hand, as the README has it, beside an instance that has the port and ids
/// that go with the configuration's folder; one that is `late` is not there when the
/// API server starts, and comes with another CA, of which the mounted file tells.
fn by_hand(late: bool, config: impl Fn(&Up) -> Result<PathBuf, Stop>) -> Result<Hand, Stop> {
    programs::kind()?;
    let mut up = Up::start(&["--for-kind"])?;
    let engine = block_on(harness::cluster::kind::docker()).map_err(|why| why.to_string())?;
    eventually("what kind's nodes lack here is said", || {
        Ok(up.log().contains("CAP_SYS_RESOURCE") != engine.privileged)
    })?;
    let config = config(&up)?;
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    std::os::unix::fs::symlink(up.dir(), place.path().join(".rolecall"))
        .map_err(|error| error.to_string())?;
    if late {
        up.signal("TERM")?;
    }
    let cluster = ByHand::create(&config, place.path())?;
    let kubectl = |arguments: &[&str]| {
        let mut command = Command::new(programs::kubectl("v1.37")?);
        command
            .args(arguments)
            .env("KUBECONFIG", cluster.kubeconfig());
        ran(command)
    };
    if late {
        let review = place.path().join("review.json");
        let junk = review_of_junk(&up)?.to_string();
        std::fs::write(&review, junk).map_err(|error| error.to_string())?;
        let review = review.display().to_string();
        kubectl(&["create", "-f", &review, "-o", "json"])?
            .ok()?
            .says("authenticator not initialized")?;
        up.again(&["--for-kind"])?;
    }
    let (pool, client) = tutorial::made(&up)?;
    check(
        pool == "eu-west-2_rolecall1" && client == "1rolecallclientforkind0000",
        || format!("{pool}, {client}"),
    )?;
    let session = tutorial::log_in(&up, &pool, &client)?;
    let view = kubectl(&["config", "view", "--minify", "--raw", "-o", "json"])?
        .ok()?
        .json()?;
    let server = &view["clusters"][0]["cluster"];
    let text = |name: &str| server[name].as_str().unwrap_or_default().to_owned();
    let ca = place.path().join("ca.crt");
    let pem = base64::engine::general_purpose::STANDARD
        .decode(text("certificate-authority-data"))
        .map_err(|error| error.to_string())?;
    std::fs::write(&ca, pem).map_err(|error| error.to_string())?;
    let as_person = |token: &str| {
        let mut command = Command::new(programs::kubectl("v1.37")?);
        command
            .args(["--kubeconfig=/dev/null", "auth", "whoami", "-o", "json"])
            .arg(format!("--server={}", text("server")))
            .arg(format!("--certificate-authority={}", ca.display()))
            .arg(format!("--token={token}"));
        ran(command)
    };
    // The API server asks for the issuer anew every ten seconds.
    eventually("the token is taken", || {
        Ok(as_person(session.id_token.expose())?.code == Some(0))
    })?;
    let known = as_person(session.id_token.expose())?.ok()?.json()?;
    let user = &known["status"]["userInfo"];
    check(
        user["username"] == "test@kubedemy.io" && user["groups"][0] == "oidc:admins",
        || user.to_string(),
    )?;
    as_person("nonsense")?.refused()?;
    // The same in the README's words.
    let words = readme::block("by-token")?;
    check(words.contains("--context kind-kind "), || words.clone())?;
    let context = format!("--context kind-{} ", cluster.name);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-euc", &words.replace("--context kind-kind ", &context)])
        .env("PATH", path_with(&[programs::kubectl("v1.37")?])?)
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("TOKEN", session.id_token.expose())
        .current_dir(place.path());
    ran(command)?.ok()?.says("test@kubedemy.io")?;
    Ok(Hand {
        up,
        cluster,
        _place: place,
    })
}

/// A TokenReview of a token of the instance's issuer, signed by nobody.
fn review_of_junk(up: &Up) -> Result<Value, Stop> {
    let issuer = &trusted(up)?["issuer"];
    let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let token = format!(
        "{}.{}.anVuaw",
        part(json!({"alg": "RS256"})),
        part(
            json!({"iss": issuer["url"], "aud": issuer["audiences"][0], "exp": 4_102_444_800_u64})
        )
    );
    Ok(json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
    }))
}

impl Hand {
    /// Its port is free then, and whom the cluster trusts is said anew.
    fn tested(mut self) -> Result<(), Stop> {
        self.up.signal("TERM")?;
        let mut test = Command::new(programs::rolecall());
        test.args(["test", "--json", "--cluster", "embedded,kubeconfig"])
            .args(["--for-kind", "--allow-writes", "--context"])
            .arg(format!("kind-{}", self.cluster.name))
            .arg("--kubeconfig")
            .arg(self.cluster.kubeconfig())
            .arg("--dir")
            .arg(self.up.dir())
            .arg("scenarios")
            // For the scenario that logs in by it.
            .env("PATH", path_with(&[programs::kubelogin()?])?)
            .current_dir(programs::root());
        let run = ran(test)?.ok()?;
        let events = run.events()?;
        let came_out = |verdict: &str| {
            let ends = events.iter().filter(|event| {
                event["event"] == "scenarioFinished"
                    && event["cluster"] == "kubeconfig"
                    && event["verdict"] == verdict
            });
            ends.count()
        };
        let differences = events.last().map(|end| &end["differences"]);
        check(
            came_out("pass") == 18 && came_out("fail") == 0 && differences == Some(&json!(0)),
            || run.to_string(),
        )?;
        let skipped: BTreeSet<(&str, &str)> = events
            .iter()
            .filter(|event| event["cluster"] == "kubeconfig" && event["verdict"] == "skip")
            .filter_map(|event| {
                let reason = event["reason"].as_str()?;
                let reason = reason.strip_prefix("the kubeconfig cluster ")?;
                let known = CANNOT.iter().find(|(_, known)| reason.starts_with(known))?;
                Some((event["file"].as_str()?, known.1))
            })
            .collect();
        check(
            came_out("skip") == 3 && skipped == BTreeSet::from(CANNOT),
            || format!("{skipped:?}: {run}"),
        )?;
        run.says("by the cluster's own trust in https://")?
            .says("the cluster knows test@kubedemy.io in oidc:admins, system:authenticated")
            .map(drop)
    }
}

/// Whom the instance's folder for kind says to trust.
fn trusted(up: &Up) -> Result<Value, Stop> {
    let file = up.dir().join("kind/authentication.json");
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let mut file: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(file["jwt"][0].take())
}

/// The file in the repository.
fn by_file() -> Result<(), Stop> {
    by_hand(true, |_| Ok(programs::root().join("kind-config.yaml")))?.tested()
}

/// The same trust, spelt as `--oidc-*` flags, and one claim more.
fn by_flags() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let by_flags = by_hand(false, |up| {
        let trust = trusted(up)?;
        let mappings = &trust["claimMappings"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ca = up.dir().join("ca.crt").display().to_string();
        let said = [
            ("--issuer-url", text(&trust["issuer"]["url"])),
            ("--client-id", text(&trust["issuer"]["audiences"][0])),
            ("--username-claim", text(&mappings["username"]["claim"])),
            ("--username-prefix", "-".to_owned()),
            ("--groups-claim", text(&mappings["groups"]["claim"])),
            ("--groups-prefix", text(&mappings["groups"]["prefix"])),
            ("--required-claim", "token_use=id".to_owned()),
            ("--ca", ca),
        ];
        let mut arguments = vec!["kind-config", "--spelling", "flags"];
        arguments.extend(said.iter().flat_map(|(name, value)| [*name, value]));
        let printed = rolecall(&arguments)?.ok()?.stdout;
        for flag in ["oidc-issuer-url", "oidc-ca-file", "oidc-required-claim"] {
            check(printed.contains(flag), || printed.clone())?;
        }
        let config = folder.path().join("kind.yaml");
        std::fs::write(&config, printed).map_err(|error| error.to_string())?;
        Ok(config)
    });
    by_flags.map(drop)
}

/// What the repository's file says is what the command prints.
fn file_is_rendered() -> Result<(), Stop> {
    let file = std::fs::read_to_string(programs::root().join("kind-config.yaml"))
        .map_err(|error| error.to_string())?;
    let said: String = file
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let printed = rolecall(&["kind-config"])?.ok()?.stdout;
    check(said == printed, || printed)?;
    of_any_trust()
}

/// A file for a trust of one's own, and what is missing where it cannot be written.
fn of_any_trust() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = folder.path().join("trust").display().to_string();
    let whom = ["--issuer-url", "https://a.example", "--client-id", "c"];
    let by = |spelling: &str, more: &[&str]| {
        rolecall(&[&["kind-config", "--spelling", spelling][..], more].concat())
    };
    by("file", &[&whom[..], &["--folder", &folder]].concat())?
        .ok()?
        .says(&folder)?
        .says("authentication-config: ")?;
    let file = format!("{folder}/authentication.json");
    rolecall(&["authn", "validate", &file])?.ok()?;
    let document = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    check(document.contains("https://a.example"), || document)?;
    let no_file = [&whom[..], &["--ca", "/nowhere/ca.crt"]].concat();
    for (spelling, more, says) in [
        ("file", &whom[..], "name a --folder"),
        ("flags", &[], "name the trust with --issuer-url"),
        ("flags", &no_file, "/nowhere/ca.crt: "),
    ] {
        let run = by(spelling, more)?.refused()?;
        check(run.code == Some(2), || run.to_string())?;
        run.says(says)?;
    }
    Ok(())
}

/// `rolecall clean` of a cache.
fn clean(cache: &str, arguments: &[&str]) -> Result<Ran, Stop> {
    let mut command = Command::new(programs::rolecall());
    command
        .arg("clean")
        .args(arguments)
        .env("XDG_CACHE_HOME", cache);
    ran(command)
}

/// What is kept in a cache, gone with the value.
struct Kept<'a>(&'a str);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let _ = clean(self.0, &["--kept"]);
    }
}

/// A cluster that was kept is there for the next one, with what is in it, and
/// trusts nobody until it is told to.
fn kept() -> Result<(), Stop> {
    let cache = tempfile::tempdir().map_err(|error| error.to_string())?;
    let cache = cache.path().display().to_string();
    let env = [("XDG_CACHE_HOME", cache.as_str())];
    let clean = |arguments: &[&str]| clean(&cache, arguments)?.ok();
    let _kept = Kept(&cache);
    let mut one = Up::start_on_with(Kind::Kind, &["--keep", "--reuse"], &env)?;
    check(one.log().contains("no kept cluster was made"), || one.log())?;
    let node = node_of(&one)?;
    let (pool, client) = tutorial::made(&one)?;
    tutorial::associate(&one, &pool, &client)?;
    one.await_active("kubedemy")?;
    one.kubectl("v1.37", &["create", "namespace", "left"])?
        .ok()?;
    let session = tutorial::log_in(&one, &pool, &client)?;
    let whoami = ["auth", "whoami"];
    one.kubectl_as("v1.37", session.id_token.expose(), &whoami)?
        .ok()?;
    let origin = one.ready().origin.clone();
    one.signal("KILL")?;
    let cleaned = clean(&[])?;
    check(!cleaned.stdout.contains("removed"), || {
        "it was not kept".to_owned()
    })?;
    cleaned.says("but what was kept (rolecall clean --kept): ")?;
    check(exists(&node)?, || format!("{node} is gone"))?;

    // One that was made otherwise is not taken, nor is it touched.
    let otherwise = ["--reuse", "--region", "us-east-1"];
    let host = std::env::var("DOCKER_HOST").ok();
    let folder = makes_nothing()?;
    let path = path_with(&[folder.path().join("kind")])?;
    let (run, _) = refused_with(&path, host.as_deref(), &otherwise, &env)?;
    run.says("kind did not hand on --")?;
    check(exists(&node)?, || format!("{node} is gone"))?;

    let began = Instant::now();
    let mut two = Up::start_on_with(Kind::Kind, &["--reuse"], &env)?;
    let took = began.elapsed();
    check(
        node_of(&two)? == node && two.ready().origin == origin,
        || format!("another one, {took:?}"),
    )?;
    check(!two.log().contains("no kept cluster"), || two.log())?;
    two.kubectl("v1.37", &["get", "namespace", "left"])?.ok()?;
    two.kubectl_as("v1.37", session.id_token.expose(), &whoami)?
        .refused()?;
    let (pool, client) = tutorial::made(&two)?;
    tutorial::associate(&two, &pool, &client)?;
    two.await_active("kubedemy")?;
    let session = tutorial::log_in(&two, &pool, &client)?;
    two.kubectl_as("v1.37", session.id_token.expose(), &whoami)?
        .ok()?;
    two.signal("TERM")?;
    check(exists(&node)?, || format!("{node} is gone"))?;
    clean(&["--kept"])?.says(node.trim_end_matches("-control-plane"))?;
    check(!exists(&node)?, || format!("{node} is left"))
}
