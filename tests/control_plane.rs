//! Kubernetes' own programs as children: found, started, watched, and gone.
//! What they answer is in the suites that run on each kind of cluster.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::cluster::Kind;
use serde_json::Value;

use crate::cli_up::marked;
use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{MARK, Midway, Up, check, eventually, moments, program, ran, send};

/// The three, as `/proc/PID/comm` has them.
const PROGRAMS: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller"];
/// What makes the test binary start a cluster and panic.
pub const PANICS: &str = "ROLECALL_TEST_PANICS";

/// What starts a control plane and needs it for a while.
const A_TEST: [&str; 4] = [
    "test",
    "--cluster",
    "control-plane",
    "scenarios/tutorial.yaml",
];

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for program in PROGRAMS {
        for (signal, word) in [("KILL", "killed"), ("STOP", "hung"), ("ABRT", "crashed")] {
            all.push(case(
                format!("control_plane::{program}_{word}_is_noticed_within_5_s"),
                move || noticed(program, signal),
            ));
        }
    }
    for signal in ["INT", "TERM", "HUP", "KILL"] {
        all.push(case(
            format!(
                "control_plane::nothing_is_left_after_sig{}",
                signal.to_lowercase()
            ),
            move || gone_by(&[signal]),
        ));
    }
    all.push(case(
        "control_plane::nothing_is_left_after_two_sigints",
        || gone_by(&["INT", "INT"]),
    ));
    for signal in ["INT", "TERM", "KILL"] {
        let word = signal.to_lowercase();
        all.push(case(
            format!("control_plane::nothing_is_left_of_a_test_run_after_sig{word}"),
            move || test_ended(signal),
        ));
    }
    all.extend([
        case("control_plane::a_start_can_be_interrupted", interrupted),
        case(
            "control_plane::at_fifty_moments_nothing_is_left_after_a_signal",
            at_fifty_moments,
        ),
        case(
            "control_plane::nothing_is_left_where_a_sigkill_comes_at_once",
            at_once,
        ),
        case(
            "control_plane::eight_at_once_come_out_as_one_alone",
            eight_at_once,
        ),
        case("control_plane::two_do_not_share_a_port", one_port),
        case(
            "control_plane::half_a_set_of_programs_is_passed_over",
            half_a_set,
        ),
        case(
            "control_plane::nothing_is_left_after_a_panic",
            gone_by_panic,
        ),
        case(
            "control_plane::a_scenario_on_a_broken_one_is_broken_within_5_s",
            broken,
        ),
        case(
            "control_plane::without_programs_it_says_how_to_get_them",
            missing,
        ),
        case(
            "control_plane::a_version_that_is_not_there_is_named",
            versions,
        ),
        case(
            "control_plane::assets_build_makes_what_is_found_then",
            builds,
        ),
        case("control_plane::it_listens_on_loopback_alone", loopback),
        case("control_plane::it_takes_no_root", no_root),
    ]);
    all
}

/// An instance on a control plane whose every process is known by a mark.
struct Marked {
    up: Up,
    folder: tempfile::TempDir,
}

impl Marked {
    fn start() -> Result<Self, Stop> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mark = folder.path().display().to_string();
        let assets = programs::control_plane("v1.37")?;
        let up = Up::start_with(
            &["--cluster", Kind::ControlPlane.name()],
            &[
                ("KUBEBUILDER_ASSETS", assets.to_str().unwrap_or_default()),
                (MARK, &mark),
                ("TMPDIR", &mark),
            ],
        )?;
        let marked = Self { up, folder };
        for program in PROGRAMS {
            marked.process(program)?;
        }
        Ok(marked)
    }

    fn mark(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// The process of a program.
    fn process(&self, program: &str) -> Result<u32, Stop> {
        process(&self.mark(), program)?
            .ok_or_else(|| Stop::Fail(format!("no {program} is running")))
    }

    /// Nothing that it started, and no folder, is there any more.
    fn is_gone(&self) -> Result<(), Stop> {
        eventually("nothing is left", || {
            let folders = std::fs::read_dir(self.folder.path()).map_err(|e| e.to_string())?;
            Ok(marked(&self.mark())?.is_empty() && folders.count() == 0)
        })
    }
}

fn process(mark: &str, program: &str) -> Result<Option<u32>, Stop> {
    let comm = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm"));
    let is = |pid: &u32| comm(pid).is_ok_and(|comm| comm.trim() == program);
    Ok(marked(mark)?.into_iter().find(is))
}

fn noticed(program: &str, signal: &str) -> Result<(), Stop> {
    let mut marked = Marked::start()?;
    send(signal, marked.process(program)?)?;
    let since = Instant::now();
    let code = marked.up.wait()?;
    let took = since.elapsed();
    let log = marked.up.log();
    check(code == Some(3), || format!("exit code {code:?}: {log}"))?;
    check(took < Duration::from_secs(5), || format!("after {took:?}"))?;
    let silent = "does not answer: ";
    let said: &[&str] = match signal {
        "KILL" => &["ended (signal: 9 (SIGKILL)); the end of its log:"],
        // What Go makes of it, as of a panic, once it has written down all that it did.
        "ABRT" => &["ended (exit status: 2); the end of its log:", silent],
        _ => &[silent],
    };
    let named = format!("the cluster broke: {program}");
    check(
        log.contains(&named)
            && said.iter().any(|said| log.contains(said))
            && log.contains("; the end of its log:\n"),
        || format!("{named:?} and {said:?}, with the end of a log, are not in {log}"),
    )?;
    marked.is_gone()
}

fn gone_by(signals: &[&str]) -> Result<(), Stop> {
    let mut marked = Marked::start()?;
    for signal in signals {
        marked.up.send(signal)?;
    }
    let code = marked.up.wait()?;
    let wanted = if signals == ["KILL"] { None } else { Some(0) };
    check(code == wanted, || format!("exit code {code:?}"))?;
    marked.is_gone()
}

/// `program` with its arguments on a control plane, marked, and not waited for.
fn started(mark: &str, arguments: &[&str]) -> Result<std::process::Child, Stop> {
    let child = Command::new(programs::rolecall())
        .args(arguments)
        .current_dir(programs::root())
        .env("KUBEBUILDER_ASSETS", programs::control_plane("v1.37")?)
        .env(MARK, mark)
        .env("TMPDIR", mark)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    Ok(child)
}

/// Waits for a program of the control plane, sends the signal to who has
/// started it, and looks that all is gone.
fn ended_by(signal: &str, arguments: &[&str], program: &str) -> Result<Option<i32>, Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mark = folder.path().display().to_string();
    let mut child = started(&mark, arguments)?;
    eventually("the program is running", || {
        Ok(process(&mark, program)?.is_some())
    })?;
    send(signal, child.id())?;
    let since = Instant::now();
    let status = child.wait().map_err(|error| error.to_string())?;
    let took = since.elapsed();
    check(took < Duration::from_secs(5), || format!("after {took:?}"))?;
    left_nothing("nothing is left", folder.path())?;
    Ok(status.code())
}

/// Of what was started with `folder` as its mark there is no process any more, and
/// no cluster's folder.
fn left_nothing(what: &str, folder: &Path) -> Result<(), Stop> {
    let mark = folder.display().to_string();
    eventually(what, || {
        let mut left = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
        let clusters = left.any(|entry| {
            let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
            name.to_string_lossy().starts_with("rolecall-cluster-")
        });
        Ok(marked(&mark)?.is_empty() && !clusters)
    })
}

fn test_ended(signal: &str) -> Result<(), Stop> {
    ended_by(signal, &A_TEST, "kube-controller").map(drop)
}

fn interrupted() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = folder.path().join("instance").display().to_string();
    let arguments = ["up", "--cluster", "control-plane", "--dir", &dir];
    let code = ended_by("INT", &arguments, "etcd")?;
    check(code == Some(0), || format!("exit code {code:?}"))?;
    let left: Vec<_> = std::fs::read_dir(&dir)
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    check(left == ["audit.log"], || format!("{left:?} is left"))
}

/// Moments and signals of a seed, over a start and the scenario after it.
fn at_fifty_moments() -> Result<(), Stop> {
    const AT_ONCE: usize = 10;
    let mut moments = moments(50, 15_000);
    // As long ones beside each other, as short ones.
    moments.sort_by_key(|(_, moment)| *moment);
    for some in moments.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let all: Vec<_> = some
                .iter()
                .map(|&(signal, moment)| scope.spawn(move || at_moment(signal, moment)))
                .collect();
            all.into_iter().try_for_each(|one| {
                one.join()
                    .unwrap_or_else(|_| Err(Stop::Fail("a case panicked".to_owned())))
            })
        })?;
    }
    Ok(())
}

fn at_moment(signal: &str, moment: u64) -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mark = folder.path().display().to_string();
    let mut child = started(&mark, &A_TEST)?;
    // The moment is what the case is about, whatever is going on then.
    std::thread::sleep(Duration::from_millis(moment));
    // It may have ended by itself on a machine that is fast.
    if child.try_wait().is_ok_and(|ended| ended.is_none()) {
        send(signal, child.id())?;
    }
    child.wait().map_err(|error| error.to_string())?;
    let what = format!("nothing is left of a SIG{signal} after {moment} ms");
    left_nothing(&what, folder.path())
}

/// Killed as soon as the folder is there, and as soon as a program is about to be:
/// moments that a seed does not hit.
fn at_once() -> Result<(), Stop> {
    for file in ["", "etcd.log", "kube-apiserver.log"] {
        for _ in 0..3 {
            killed_when_there_is(file)?;
        }
    }
    Ok(())
}

/// `file` is one of the cluster's folder, or that folder itself.
fn killed_when_there_is(file: &str) -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mark = folder.path().display().to_string();
    let mut child = started(&mark, &A_TEST)?;
    let is_there = || {
        let entries = std::fs::read_dir(folder.path()).into_iter().flatten();
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with("rolecall-cluster-")
                && entry.path().join(file).exists()
        })
    };
    // Without a pause: what comes next is a fraction of a millisecond away.
    while !is_there() {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Err(Stop::Fail(format!("no {file:?} before its end: {status}")));
        }
    }
    child.kill().map_err(|error| error.to_string())?;
    child.wait().map_err(|error| error.to_string())?;
    left_nothing(
        &format!("nothing is left of a SIGKILL with {file:?} just made"),
        folder.path(),
    )
}

fn eight_at_once() -> Result<(), Stop> {
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let kubeconfig = home.path().join("config");
    std::fs::write(&kubeconfig, "theirs").map_err(|error| error.to_string())?;
    let verdicts = || -> Result<Vec<String>, Stop> {
        let mut command = Command::new(programs::rolecall());
        command
            .args(["test", "--json", "--cluster", "control-plane"])
            .args(["scenarios/tutorial.yaml"])
            .current_dir(programs::root())
            .env("KUBECONFIG", &kubeconfig)
            .env("KUBEBUILDER_ASSETS", programs::control_plane("v1.37")?);
        let lines = ran(command)?.ok()?.stdout;
        let events = lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let steps = events.filter(|event: &Value| event["event"] == "stepFinished");
        Ok(steps
            .map(|step| format!("{} {}", step["title"], step["verdict"]))
            .collect())
    };
    let alone = verdicts()?;
    let together: Vec<_> = std::thread::scope(|scope| {
        let count = crate::rig::at_once(8);
        let all: Vec<_> = (0..count).map(|_| scope.spawn(verdicts)).collect();
        all.into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    for one in together {
        let one = one.map_err(|_| Stop::Fail("a case panicked".to_owned()))??;
        check(one == alone, || format!("{one:?}, alone {alone:?}"))?;
    }
    let kept = std::fs::read_to_string(&kubeconfig).unwrap_or_default();
    check(kept == "theirs", || format!("KUBECONFIG has {kept}"))
}

fn one_port() -> Result<(), Stop> {
    let up = Up::start_on(Kind::ControlPlane, &[])?;
    let (_, port) = up.ready().api_server.rsplit_once(':').unwrap_or_default();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut second = Command::new(programs::rolecall());
    second
        .args([
            "up",
            "--cluster",
            "control-plane",
            "--api-port",
            port,
            "--dir",
        ])
        .arg(folder.path().join("second"))
        .env("KUBEBUILDER_ASSETS", programs::control_plane("v1.37")?);
    let run = ran(second)?;
    check(run.code == Some(3), || run.to_string())?;
    run.says(&format!(
        "cannot listen on 127.0.0.1:{port}: Address already in use"
    ))?
    .says("(process ")
    .map(drop)
}

/// This very binary, which starts a cluster and panics.
fn gone_by_panic() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mark = folder.path().display().to_string();
    let mut child = Command::new(std::env::current_exe().map_err(|error| error.to_string())?)
        .env("KUBEBUILDER_ASSETS", programs::control_plane("v1.37")?)
        .env(PANICS, "1")
        .env(MARK, &mark)
        .env("TMPDIR", &mark)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let status = child.wait().map_err(|error| error.to_string())?;
    check(status.code() == Some(101), || {
        format!("it was to panic with its cluster up: {status}")
    })?;
    eventually("nothing is left", || {
        let folders = std::fs::read_dir(folder.path()).map_err(|error| error.to_string())?;
        Ok(marked(&mark)?.is_empty() && folders.count() == 0)
    })
}

/// What the test binary does where [`PANICS`] is set.
pub fn panic() -> std::process::ExitCode {
    let config = harness::rig::Config {
        cluster: Kind::ControlPlane,
        ..harness::rig::Config::default()
    };
    crate::rig::block_on(async {
        match harness::rig::Rig::start(config).await {
            Ok(rig) => panic!("with {} up", rig.ready_cluster().endpoint()),
            Err(_) => std::process::ExitCode::FAILURE,
        }
    })
}

/// Each program, killed and frozen, at moments of a scenario; at as many of a seed as
/// `ROLECALL_MOMENTS` says (docs/fidelity.md has when it was twenty).
fn broken() -> Result<(), Stop> {
    let asked = std::env::var("ROLECALL_MOMENTS").ok();
    let count = asked.and_then(|text| text.parse().ok()).unwrap_or(3);
    let faults = ["KILL", "STOP"].iter().cycle();
    let faults = faults.zip(PROGRAMS.iter().cycle());
    for ((_, moment), (signal, program)) in moments(count, 6_000).into_iter().zip(faults) {
        broken_by(signal, program, moment)
            .map_err(|stop| stop.of(&format!("SIG{signal} of {program} after {moment} ms")))?;
    }
    Ok(())
}

fn broken_by(signal: &str, program: &str, moment: u64) -> Result<(), Stop> {
    let assets = programs::control_plane("v1.37")?;
    let mut run = Midway::on(Kind::ControlPlane, |command, folder| {
        command
            .env("KUBEBUILDER_ASSETS", assets)
            .env("TMPDIR", folder);
    })?;
    let mark = run.folder().display().to_string();
    let child = process(&mark, program)?.ok_or_else(|| run.events())?;
    // The moment is what the case is about, whatever is going on then.
    std::thread::sleep(Duration::from_millis(moment));
    send(signal, child)?;
    let since = Instant::now();
    run.until("\"verdict\":\"broken\"")?;
    let took = since.elapsed();
    let last = run.broken()?;
    check(took < Duration::from_secs(5), || format!("after {took:?}"))?;
    let said = match signal {
        "KILL" => "ended (signal: 9",
        _ => "does not answer",
    };
    let reason = last["reason"].to_string();
    check(reason.contains(program) && reason.contains(said), || reason)?;
    left_nothing("nothing is left", run.folder())
}

/// `rolecall` where no program of Kubernetes' is to be found.
fn bare(folder: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::rolecall());
    command
        .args(arguments)
        .current_dir(folder)
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_CACHE_HOME", folder)
        .env_remove("KUBEBUILDER_ASSETS");
    command
}

fn missing() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let tutorial = programs::root().join("scenarios/tutorial.yaml");
    let tutorial = tutorial.display().to_string();
    for arguments in [
        &["up", "--cluster", "control-plane"][..],
        &["test", "--cluster", "embedded,control-plane", &tutorial],
    ] {
        let run = ran(bare(folder.path(), arguments))?;
        check(run.code == Some(3), || run.to_string())?;
        run.says("kube-apiserver was not found in KUBEBUILDER_ASSETS, on PATH or in ")?
            .says("`rolecall assets build` makes it")?;
    }
    let list = ran(bare(folder.path(), &["assets", "list"]))?;
    check(list.code == Some(1), || list.to_string())?;
    list.says("`rolecall assets build --kubernetes-version 1.35`")?
        .says("`rolecall assets build kind`")
        .map(drop)
}

fn versions() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let assets = programs::control_plane("v1.37")?;
    let wanted = [
        "up",
        "--cluster",
        "control-plane",
        "--kubernetes-version",
        "1.35",
    ];
    let mut command = bare(folder.path(), &wanted);
    command.env("KUBEBUILDER_ASSETS", &assets);
    let run = ran(command)?;
    check(run.code == Some(3), || run.to_string())?;
    run.says("kube-apiserver 1.35 was not found")?
        .says("kube-apiserver is v1.37.2")?
        .says("`rolecall assets build --kubernetes-version 1.35`")?;
    let mut list = bare(folder.path(), &["assets", "list", "--json"]);
    list.env("KUBEBUILDER_ASSETS", &assets);
    let list = ran(list)?.ok()?;
    let newest: Value = serde_json::from_str(list.stdout.lines().next().unwrap_or_default())
        .map_err(|error| format!("{error}: {list}"))?;
    check(
        newest["release"] == "v1.37.2"
            && newest["kubeApiserver"] == assets.join("kube-apiserver").display().to_string(),
        || newest.to_string(),
    )
}

/// As setup-envtest leaves it: an API server and etcd without controllers.
fn half_a_set() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let half = folder.path().join("envtest");
    std::fs::create_dir(&half).map_err(|error| error.to_string())?;
    program(&half.join("kube-apiserver"), "echo Kubernetes v1.36.3")?;
    let mut up = bare(folder.path(), &["up", "--cluster", "control-plane"]);
    up.env("KUBEBUILDER_ASSETS", &half);
    let run = ran(up)?;
    check(run.code == Some(3), || run.to_string())?;
    run.says("kube-controller-manager 1.36 was not found")?
        .says("`rolecall assets build --kubernetes-version 1.36`")?;
    // What is there as a whole is taken, though it is of another minor.
    let whole = programs::control_plane("v1.37")?;
    let mut list = bare(folder.path(), &["assets", "list"]);
    list.env("KUBEBUILDER_ASSETS", &half)
        .env("PATH", format!("{}:/usr/bin:/bin", whole.display()));
    ran(list)?.says(&whole.join("kube-apiserver").display().to_string())?;
    let dir = folder.path().join("instance");
    let mut up = bare(
        folder.path(),
        &["up", "--cluster", "control-plane", "--json"],
    );
    up.arg("--dir")
        .arg(&dir)
        .env("KUBEBUILDER_ASSETS", &half)
        .env("PATH", format!("{}:/usr/bin:/bin", whole.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = up.spawn().map_err(|error| error.to_string())?;
    let ready = eventually("it is up", || {
        Ok(dir.join("ready.json").exists() || child.try_wait().is_ok_and(|s| s.is_some()))
    });
    let text = std::fs::read_to_string(dir.join("ready.json")).unwrap_or_default();
    send("INT", child.id())?;
    child.wait().map_err(|error| error.to_string())?;
    ready?;
    check(text.contains("v1.37.2"), || {
        format!("{text:?} is ready.json")
    })
}

/// With Go's own caches, so that it takes the linker's time alone.
fn builds() -> Result<(), Stop> {
    programs::control_plane("v1.37")?;
    let go = |name: &str| -> Result<String, Stop> {
        let mut command = Command::new("go");
        command.args(["env", name]);
        let run = ran(command).map_err(|_| Missing("no go on PATH".to_owned()))?;
        Ok(run.ok()?.stdout.trim().to_owned())
    };
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (cache, modules, root) = (go("GOCACHE")?, go("GOMODCACHE")?, go("GOROOT")?);
    let build = |what: &[&str]| {
        let mut command = bare(folder.path(), &[&["assets", "build"], what].concat());
        command
            .env("GOCACHE", &cache)
            .env("GOMODCACHE", &modules)
            .env("GOPROXY", "off")
            .env("PATH", format!("{root}/bin:/usr/bin:/bin"));
        ran(command)?.ok()
    };
    build(&[])?
        .says("The first time this takes about ten minutes")?
        .says("kubernetes etcd etcd: built in")?
        .says("kubernetes v1.37 kube-apiserver: built in")?
        .says("kubernetes v1.37 kube-controller-manager: built in")?;
    build(&[])?.says("kubernetes v1.37 kube-apiserver: up to date")?;
    build(&["kind"])?
        .says("The first time this takes about half a minute")?
        .says("kubernetes kind kind: built in")?;
    let list = ran(bare(folder.path(), &["assets", "list"]))?.ok()?;
    list.says("rolecall/kubernetes/v1.37/bin/kube-apiserver")?
        .says("rolecall/kubernetes/kind/bin/kind")
        .map(drop)
}

fn loopback() -> Result<(), Stop> {
    let marked = Marked::start()?;
    let mut strangers = Vec::new();
    let mut ports = 0;
    for program in PROGRAMS {
        for one in crate::cli_up::listening(marked.process(program)?)? {
            ports += 1;
            if one.address != crate::cli_up::LOOPBACK {
                strangers.push(format!("{program}: {one:?}"));
            }
        }
    }
    check(strangers.is_empty(), || format!("{strangers:?}"))?;
    // The API server's and the controllers'; etcd has none.
    check(ports == 2, || format!("{ports} ports"))
}

/// As nobody, who may read copies of the programs and write into a folder.
fn no_root() -> Result<(), Stop> {
    const NOBODY: u32 = 65_534;
    let assets = programs::control_plane("v1.37")?;
    let broken = |error: std::io::Error| Stop::Fail(error.to_string());
    let folder = tempfile::tempdir().map_err(broken)?;
    let place = folder.path();
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o755)).map_err(broken)?;
    let tutorial = programs::root().join("scenarios/tutorial.yaml");
    let needed = ["etcd", "kube-apiserver", "kube-controller-manager"];
    let needed = needed.map(|program| assets.join(program));
    for file in needed.iter().chain([&programs::rolecall(), &tutorial]) {
        let name = file.file_name().unwrap_or_default();
        std::fs::copy(file, place.join(name)).map_err(broken)?;
    }
    let home = place.join("home");
    std::fs::create_dir(&home).map_err(broken)?;
    let mut command = Command::new(place.join("rolecall"));
    command
        .args(["test", "--cluster", "control-plane", "../tutorial.yaml"])
        .current_dir(&home)
        .env("KUBEBUILDER_ASSETS", place)
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_RUNTIME_DIR");
    // Whoever is not root runs every case without it.
    if std::fs::metadata("/proc/self").map_err(broken)?.uid() == 0 {
        std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).map_err(broken)?;
        command.uid(NOBODY).gid(NOBODY);
    }
    ran(command)?.ok().map(drop)
}
