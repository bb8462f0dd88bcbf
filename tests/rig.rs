//! A running `rolecall up` and programs under it. Nothing asserts here: a
//! program's failure is a value.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use harness::cluster::Kind;
use harness::control::Control;
use harness::instance::Ready;
use harness::login::http::HttpLogin;
use harness::login::{Login as _, Request, Session};
use http::Method;
use serde_json::{Value, json};

use crate::ledger::Stop;
use crate::programs;

/// `rolecall up` in a folder of its own; gone when dropped.
pub struct Up {
    child: Child,
    folder: tempfile::TempDir,
    ready: Ready,
}

/// What a program printed and how it ended.
pub struct Ran {
    /// What was started, for messages.
    pub what: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\nexit code {:?}\nstdout: {}\nstderr: {}",
            self.what, self.code, self.stdout, self.stderr
        )
    }
}

impl Ran {
    /// What a program left that is over; a panic of it is noted.
    pub fn of(what: String, output: &std::process::Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if stderr.contains("panicked at") {
            PANICKED.store(true, Ordering::Relaxed);
            eprintln!("a program panicked: {what}: {stderr}");
        }
        Self {
            what,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr,
        }
    }

    /// Its output, where it ended well.
    pub fn ok(self) -> Result<Self, Stop> {
        if self.code == Some(0) {
            Ok(self)
        } else {
            Err(Stop::Fail(self.to_string()))
        }
    }

    /// Itself, where it did not.
    pub fn refused(self) -> Result<Self, Stop> {
        if self.code == Some(0) {
            Err(Stop::Fail(format!("was to fail and did not: {self}")))
        } else {
            Ok(self)
        }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Result<Value, Stop> {
        serde_json::from_str(&self.stdout).map_err(|error| Stop::Fail(format!("{error}: {self}")))
    }

    /// Standard output as JSON, a line each.
    pub fn events(&self) -> Result<Vec<Value>, Stop> {
        let events = self.stdout.lines().map(serde_json::from_str);
        let events: Result<_, _> = events.collect();
        events.map_err(|error| Stop::Fail(format!("{error}: {self}")))
    }

    /// Fails unless either output holds `needle`.
    pub fn says(self, needle: &str) -> Result<Self, Stop> {
        if self.stdout.contains(needle) || self.stderr.contains(needle) {
            Ok(self)
        } else {
            Err(Stop::Fail(format!("{needle:?} is not in: {self}")))
        }
    }
}

impl Up {
    /// Starts one with `arguments` and waits until it answers.
    pub fn start(arguments: &[&str]) -> Result<Self, Stop> {
        Self::start_with(arguments, &[])
    }

    /// As [`Up::start`], on a kind of cluster; Kubernetes' own programs are the
    /// pinned ones.
    pub fn start_on(kind: Kind, arguments: &[&str]) -> Result<Self, Stop> {
        Self::start_on_with(kind, arguments, &[])
    }

    /// As [`Up::start_on`], with additions to the environment.
    pub fn start_on_with(
        kind: Kind,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self, Stop> {
        let arguments: Vec<&str> = ["--cluster", kind.name()]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        match kind {
            Kind::Embedded | Kind::Existing => Self::start_with(&arguments, env),
            Kind::ControlPlane => Self::start_of("v1.37", &arguments, env),
            Kind::Kind => {
                let path = path_with(&[programs::kind()?])?;
                let path = [("PATH", path.to_str().unwrap_or_default())];
                let _turn = Turn::of_a_node();
                Self::start_with(&arguments, &[&path, env].concat())
            }
        }
    }

    /// As [`Up::start_with`], with Kubernetes' own programs of a minor at hand.
    pub fn start_of(minor: &str, arguments: &[&str], env: &[(&str, &str)]) -> Result<Self, Stop> {
        let assets = programs::control_plane(minor)?;
        let assets = [("KUBEBUILDER_ASSETS", assets.to_str().unwrap_or_default())];
        Self::start_with(arguments, &[&assets, env].concat())
    }

    /// As [`Up::start`], with additions to the environment.
    pub fn start_with(arguments: &[&str], env: &[(&str, &str)]) -> Result<Self, Stop> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (child, ready) = started(folder.path(), arguments, env)?;
        Ok(Self {
            child,
            folder,
            ready,
        })
    }

    /// Starts another one in its folder, after its end.
    pub fn again(&mut self, arguments: &[&str]) -> Result<(), Stop> {
        (self.child, self.ready) = started(self.folder.path(), arguments, &[])?;
        Ok(())
    }

    /// What its `ready.json` says.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        Path::new(&self.ready.dir)
    }

    /// A folder for a case's own files.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Everything it wrote to its log so far, at the finest level.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("up.log")).unwrap_or_default()
    }

    /// Its standard output, once `last` is in it.
    pub fn said(&self, last: &str) -> Result<String, Stop> {
        let mut said = String::new();
        eventually(&format!("it says {last:?}"), || {
            said = std::fs::read_to_string(self.folder.path().join("up.out"))
                .map_err(|error| error.to_string())?;
            Ok(said.contains(last))
        })?;
        Ok(said)
    }

    /// Runs a program under it, by way of `rolecall run`.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Result<Ran, Stop> {
        self.run_with(program, arguments, &[])
    }

    /// As [`Up::run`], with additions to the environment.
    pub fn run_with(
        &self,
        program: &Path,
        arguments: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Ran, Stop> {
        let mut command = Command::new(programs::rolecall());
        command
            .arg("run")
            .arg("--dir")
            .arg(self.dir())
            .arg("--")
            .arg("/usr/bin/env");
        for (name, value) in env {
            command.arg(format!("{name}={value}"));
        }
        command.arg(program).args(arguments);
        // kubectl's discovery cache, aws' and pip's files: a home of its own.
        command.env("HOME", self.folder.path());
        command.current_dir(self.folder.path());
        ran(command)
    }

    /// The real aws CLI; the answer is JSON.
    pub fn aws(&self, arguments: &[&str]) -> Result<Ran, Stop> {
        let mut all = arguments.to_vec();
        if !all.contains(&"--output") {
            all.extend(["--output", "json"]);
        }
        self.run(&programs::aws()?, &all)
    }

    /// A pinned kubectl, as the working kubeconfig's user.
    pub fn kubectl(&self, version: &str, arguments: &[&str]) -> Result<Ran, Stop> {
        self.run(&programs::kubectl(version)?, arguments)
    }

    /// A pinned kubectl, as nobody but the bearer of `token`.
    pub fn kubectl_as(&self, version: &str, token: &str, arguments: &[&str]) -> Result<Ran, Stop> {
        let ca = self.cluster_ca()?;
        let mut all = vec![
            "--kubeconfig=/dev/null",
            "--server",
            &self.ready.api_server,
            "--certificate-authority",
            ca.to_str().unwrap_or_default(),
            "--token",
            token,
        ];
        all.extend(arguments);
        self.run(&programs::kubectl(version)?, &all)
    }

    /// The ready cluster's CA in a file, out of the administrator's kubeconfig.
    fn cluster_ca(&self) -> Result<PathBuf, Stop> {
        use base64::Engine as _;
        let path = self.folder.path().join("cluster-ca.crt");
        let text = std::fs::read_to_string(self.dir().join("admin.kubeconfig"))
            .map_err(|e| e.to_string())?;
        let data = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("certificate-authority-data: "))
            .ok_or_else(|| "no CA in admin.kubeconfig".to_owned())?;
        let pem = base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|error| error.to_string())?;
        std::fs::write(&path, pem).map_err(|error| error.to_string())?;
        Ok(path)
    }

    /// A control call of the provider.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value, Stop> {
        let token = self.ready.control_token.clone().into();
        let control = Control::new(self.https()?, &self.ready.origin, token);
        let method = method.parse().map_err(|_| "a method".to_owned())?;
        let path = format!("/_rolecall/{path}");
        let answer = block_on(control.call(method, &path, Some(body)));
        let (status, answer) = answer.map_err(|broken| broken.to_string())?;
        check(status.is_success(), || format!("{path}: {status} {answer}"))?;
        Ok(answer)
    }

    /// An HTTPS client that trusts the edge CA alone.
    pub fn https(&self) -> Result<reqwest::Client, Stop> {
        harness::client::https(self.edge_roots()?, None, self.ready.proxy.as_deref())
            .map_err(|error| Stop::Fail(error.to_string()))
    }

    /// An HTTPS client that trusts the ready cluster's CA alone.
    pub fn cluster_https(&self) -> Result<reqwest::Client, Stop> {
        let pem = std::fs::read_to_string(self.cluster_ca()?).map_err(|error| error.to_string())?;
        let roots =
            foundation::pki::roots_from_pem(&pem).map_err(|error| Stop::Fail(error.to_string()))?;
        harness::client::https(roots, None, self.ready.proxy.as_deref())
            .map_err(|error| Stop::Fail(error.to_string()))
    }

    /// The edge CA alone.
    pub fn edge_roots(&self) -> Result<rustls::RootCertStore, Stop> {
        let pem = std::fs::read_to_string(self.dir().join("ca.crt"))
            .map_err(|error| error.to_string())?;
        foundation::pki::roots_from_pem(&pem).map_err(|error| Stop::Fail(error.to_string()))
    }

    /// The form login, with scope `openid` alone, as kubelogin asks.
    pub fn login(
        &self,
        pool: &str,
        client: &str,
        username: &str,
        password: &str,
        new: &str,
    ) -> Result<Session, Stop> {
        self.try_login(pool, client, username, password, new)?
            .map_err(|refusal| Stop::Fail(refusal.to_string()))
    }

    /// As [`Up::login`], with a refusal as a value.
    pub fn try_login(
        &self,
        pool: &str,
        client: &str,
        username: &str,
        password: &str,
        new: &str,
    ) -> Result<Result<Session, harness::login::Refusal>, Stop> {
        let request = Request {
            issuer: format!("{}/{pool}", self.ready.issuer_base),
            client_id: client.to_owned(),
            username: username.to_owned(),
            password: password.to_owned().into(),
            new_password: new.to_owned().into(),
            scope: "openid".to_owned(),
            redirect_uri: "http://localhost:8000".to_owned(),
        };
        let driver = HttpLogin::new(self.edge_roots()?, self.ready.proxy.as_deref())
            .map_err(|error| Stop::Fail(error.to_string()))?;
        Ok(block_on(async { driver.login(&request).await }))
    }

    /// Waits until the provider configuration of the ready cluster is ACTIVE.
    pub fn await_active(&self, config: &str) -> Result<(), Stop> {
        eventually(&format!("{config} is ACTIVE"), || {
            Ok(self.association(config)? == "ACTIVE")
        })
    }

    /// The status of a provider configuration of the ready cluster.
    pub fn association(&self, config: &str) -> Result<String, Stop> {
        let name = &self.ready.cluster_name;
        let path = format!("/clusters/{name}/identity-provider-configs/describe");
        let which = json!({"identityProviderConfig": {"type": "oidc", "name": config}});
        let described = self
            .eks(Method::POST, &path, which)
            .map_err(|stop| stop.of(&self.updates()))?;
        crate::tutorial::text(&described["identityProviderConfig"]["oidc"]["status"])
    }

    /// What came of each update of the ready cluster, as EKS tells it.
    fn updates(&self) -> String {
        let path = format!("/clusters/{}/updates", self.ready.cluster_name);
        let asked = |path: &str| self.eks(Method::GET, path, Value::Null);
        let listed = asked(&path).unwrap_or_default();
        let ids = listed["updateIds"].as_array().into_iter().flatten();
        let ids = ids.filter_map(Value::as_str);
        let told = ids.map(|id| asked(&format!("{path}/{id}")).unwrap_or_default());
        Value::from_iter(told).to_string()
    }

    /// Tells the ready cluster of an issuer, without the wait.
    pub fn associate(&self, oidc: Value) -> Result<(), Stop> {
        let name = &self.ready.cluster_name;
        let path = format!("/clusters/{name}/identity-provider-configs/associate");
        self.eks(Method::POST, &path, json!({"oidc": oidc}))
            .map(drop)
    }

    /// Lets something be done to the working kubeconfig, which is then as before.
    pub fn keeps_kubeconfig(&self, run: impl FnOnce() -> Result<(), Stop>) -> Result<(), Stop> {
        let working = &self.ready.paths.kubeconfig;
        let before = std::fs::read(working).map_err(|error| error.to_string())?;
        run()?;
        std::fs::write(working, before).map_err(|error| Stop::Fail(error.to_string()))
    }

    /// Ends a trust, and waits until it has ended.
    pub fn disassociate(&self, config: &str) -> Result<(), Stop> {
        let name = &self.ready.cluster_name;
        let path = format!("/clusters/{name}/identity-provider-configs");
        let which = json!({"identityProviderConfig": {"type": "oidc", "name": config}});
        self.eks(Method::POST, &format!("{path}/disassociate"), which)?;
        self.await_untrusting()
    }

    /// Waits until the ready cluster has no provider configuration.
    pub fn await_untrusting(&self) -> Result<(), Stop> {
        let name = &self.ready.cluster_name;
        let path = format!("/clusters/{name}/identity-provider-configs");
        eventually("the provider configuration is gone", || {
            let listed = self.eks(Method::GET, &path, Value::Null)?;
            Ok(listed["identityProviderConfigs"] == json!([]))
        })
    }

    /// A Cognito operation, by a client of our own.
    pub fn cognito(&self, operation: &str, input: Value) -> Result<Value, Stop> {
        let aws = self.ready.aws(self.https()?);
        block_on(aws.cognito(operation, &input)).map_err(|e| Stop::Fail(e.to_string()))
    }

    /// An EKS operation, likewise.
    pub fn eks(&self, method: Method, path: &str, input: Value) -> Result<Value, Stop> {
        let aws = self.ready.aws(self.https()?);
        block_on(aws.eks(method, path, &input)).map_err(|e| Stop::Fail(e.to_string()))
    }

    /// Ends it with a signal and returns its exit code.
    pub fn signal(&mut self, signal: &str) -> Result<Option<i32>, Stop> {
        self.send(signal)?;
        self.wait()
    }

    /// Sends it a signal.
    pub fn send(&self, signal: &str) -> Result<(), Stop> {
        send(signal, self.child.id())
    }

    /// Waits for its end and returns its exit code.
    pub fn wait(&mut self) -> Result<Option<i32>, Stop> {
        let mut status = None;
        eventually("rolecall up ends", || {
            status = self.child.try_wait().map_err(|error| error.to_string())?;
            Ok(status.is_some())
        })?;
        Ok(status.and_then(|status| status.code()))
    }
}

static PANICKED: AtomicBool = AtomicBool::new(false);

/// `rolecall up` with a folder of its own in `folder`, once it answers.
fn started(
    folder: &Path,
    arguments: &[&str],
    env: &[(&str, &str)],
) -> Result<(Child, Ready), Stop> {
    let dir = folder.join("rolecall");
    let file = |name: &str| {
        std::fs::File::create(folder.join(name)).map_err(|error| Stop::Fail(error.to_string()))
    };
    let mut child = Command::new(programs::rolecall())
        .arg("up")
        .arg("--dir")
        .arg(&dir)
        .args(arguments)
        .envs(env.iter().copied())
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(file("up.out")?)
        .stderr(file("up.log")?)
        .spawn()
        .map_err(|error| format!("cannot start rolecall: {error}"))?;
    match await_ready(&mut child, &dir, folder) {
        Ok(ready) => Ok((child, ready)),
        Err(stop) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(stop)
        }
    }
}

/// Whether any instance of this run panicked, in whatever case.
pub fn panicked() -> bool {
    PANICKED.load(Ordering::Relaxed)
}

/// Longer than the program itself waits for a control plane, and than kind takes.
const READY_LIMIT: Duration = Duration::from_secs(130);

fn await_ready(child: &mut Child, dir: &Path, folder: &Path) -> Result<Ready, Stop> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        if let Ok(text) = std::fs::read_to_string(dir.join("ready.json")) {
            let ready = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            return Ok(ready);
        }
        let log = || std::fs::read_to_string(folder.join("up.log")).unwrap_or_default();
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Stop::Fail(format!(
                "rolecall up ended with {status}: {}",
                log()
            )));
        }
        check(Instant::now() < deadline, || {
            let limit = READY_LIMIT.as_secs();
            format!("rolecall up is not ready after {limit} s: {}", log())
        })?;
        pause();
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.log().contains("panicked at") {
            PANICKED.store(true, Ordering::Relaxed);
            eprintln!("an instance panicked: {}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a case starts has this in its environment, and a value that is the case's:
/// `cli_up::marked` finds it.
pub const MARK: &str = "ROLECALL_TEST_MARK";

/// `rolecall test` of the tutorial, in the middle: it waits for the association,
/// which takes its time.
pub struct Midway {
    child: Child,
    folder: tempfile::TempDir,
}

impl Midway {
    /// Runs it on a kind of cluster, with what `set` adds for the run's own folder,
    /// until it has got so far.
    pub fn on(kind: Kind, set: impl FnOnce(&mut Command, &Path)) -> Result<Self, Stop> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = |name: &str| folder.path().join(name);
        let out = std::fs::File::create(path("events")).map_err(|error| error.to_string())?;
        let mut command = Command::new(programs::rolecall());
        command
            .args(["test", "--json", "--cluster", kind.name()])
            .arg(format!("--report=junit={}", path("junit.xml").display()))
            .arg("scenarios/tutorial.yaml")
            .current_dir(programs::root())
            .env(MARK, folder.path())
            .stdout(out)
            .stderr(Stdio::null());
        set(&mut command, folder.path());
        let _turn = (kind == Kind::Kind).then(Turn::of_a_node);
        let child = command.spawn().map_err(|error| error.to_string())?;
        let midway = Self { child, folder };
        midway.until("create app client")?;
        Ok(midway)
    }

    /// Its own folder, which is its mark, too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it told so far, a JSON value a line.
    pub fn events(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("events")).unwrap_or_default()
    }

    /// Waits until it has told something.
    pub fn until(&self, what: &str) -> Result<(), Stop> {
        eventually(what, || Ok(self.events().contains(what)))
    }

    /// Waits for its end, which is that of a broken rig; its last step.
    pub fn broken(&mut self) -> Result<Value, Stop> {
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let events = self.events();
        let mut lines = events.lines().rev();
        let last = lines
            .find(|line| line.contains("stepFinished"))
            .and_then(|line| serde_json::from_str::<Value>(line).ok())
            .unwrap_or_default();
        check(
            status.code() == Some(3) && last["verdict"] == "broken",
            || format!("{status}: {events}"),
        )?;
        let junit = std::fs::read_to_string(self.folder.path().join("junit.xml"));
        let junit = junit.map_err(|error| error.to_string())?;
        check(
            junit.contains("<error ") && !junit.contains("<failure"),
            || junit.clone(),
        )?;
        Ok(last)
    }
}

/// Proxies that lead nowhere, for every address.
pub const BLACK_HOLE: [(&str, &str); 8] = {
    let hole = "http://127.0.0.1:9";
    [
        ("NO_PROXY", ""),
        ("no_proxy", ""),
        ("HTTP_PROXY", hole),
        ("HTTPS_PROXY", hole),
        ("ALL_PROXY", hole),
        ("http_proxy", hole),
        ("https_proxy", hole),
        ("all_proxy", hole),
    ]
};

/// How many are started at once where that is to be shown: `ROLECALL_AT_ONCE`, or
/// as many as fit a machine of CI's.
pub fn at_once(fit: usize) -> usize {
    let asked = std::env::var("ROLECALL_AT_ONCE").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(fit)
}

/// Starting nodes of kind: two at once, or as many as are to be shown. One takes both
/// cores of CI's machine for half a minute, and where five start nothing of theirs
/// answers within its limits.
static NODES: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Somebody's turn to start one.
pub struct Turn(());

impl Turn {
    /// Waits for it.
    pub fn of_a_node() -> Self {
        let starting = NODES.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = at_once(2).max(2);
        let starting = NODES.1.wait_while(starting, |starting| *starting >= most);
        *starting.unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *NODES.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        NODES.1.notify_one();
    }
}

/// Runs a command to its end.
pub fn ran(command: Command) -> Result<Ran, Stop> {
    fed(command, "")
}

/// Runs a command to its end, with `input` on its standard input.
pub fn fed(mut command: Command, input: &str) -> Result<Ran, Stop> {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let what = words.join(" ");
    let wrong = |error: std::io::Error| format!("{what}: {error}");
    let output = if input.is_empty() {
        command.stdin(Stdio::null()).output().map_err(wrong)?
    } else {
        let piped = || Stdio::piped();
        command.stdin(piped()).stdout(piped()).stderr(piped());
        let mut child = command.spawn().map_err(wrong)?;
        let stdin = child.stdin.take();
        // Beside the reading: who answers line by line waits for a reader when
        // its pipe is full.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if let Some(mut stdin) = stdin {
                    // Who ends before having read it all is told by the exit code.
                    let _ = stdin.write_all(input.as_bytes());
                }
            });
            child.wait_with_output()
        })
        .map_err(wrong)?
    };
    Ok(Ran::of(what, &output))
}

/// Sends a process a signal.
pub fn send(signal: &str, pid: u32) -> Result<(), Stop> {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{signal}")).arg(pid.to_string());
    ran(kill)?.ok().map(drop)
}

/// Signals and moments in milliseconds, drawn from a seed.
pub fn moments(count: usize, before: u64) -> Vec<(&'static str, u64)> {
    use rand::{RngExt as _, SeedableRng as _};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(6);
    (0..count)
        .map(|_| {
            let signal = ["INT", "TERM", "HUP", "KILL"][random.random_range(0..4)];
            (signal, random.random_range(0..before))
        })
        .collect()
}

/// The `rolecall` just built, to its end.
pub fn rolecall(arguments: &[&str]) -> Result<Ran, Stop> {
    let mut command = Command::new(programs::rolecall());
    command.args(arguments).current_dir(programs::root());
    ran(command)
}

/// The first line that somebody writes to a file.
pub fn await_line(file: &Path) -> Result<String, Stop> {
    let mut line = None;
    eventually(&format!("somebody writes to {}", file.display()), || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        line = text.split_once('\n').map(|(line, _)| line.to_owned());
        Ok(line.is_some())
    })?;
    Ok(line.unwrap_or_default())
}

/// A program at `path`, made of a script.
///
/// Another process writes it: as long as a file is open for writing anywhere,
/// it cannot be run ("Text file busy"), and what other cases start at that
/// moment inherits this process' open files.
pub fn program(path: &Path, script: &str) -> Result<(), Stop> {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-euc", "cat >\"$0\"; chmod 700 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped());
    let mut shell = command.spawn().map_err(|error| error.to_string())?;
    let mut input = shell.stdin.take().ok_or_else(|| "no stdin".to_owned())?;
    input
        .write_all(format!("#!/bin/sh\n{script}\n").as_bytes())
        .map_err(|error| error.to_string())?;
    drop(input);
    let status = shell.wait().map_err(|error| error.to_string())?;
    check(status.success(), || {
        format!("{} cannot be made", path.display())
    })
}

/// A PATH on which these programs come first.
pub fn path_with(programs: &[PathBuf]) -> Result<OsString, Stop> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = programs
        .iter()
        .filter_map(|program| program.parent().map(Path::to_owned))
        .chain(std::env::split_paths(&old));
    std::env::join_paths(folders).map_err(|error| Stop::Fail(error.to_string()))
}

/// What a token says; the signature is others' matter.
pub fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
    serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default()
}

/// The claims that do not differ from one login to the next.
pub fn lasting_claims(token: &str) -> Value {
    let mut claims = claims(token);
    if let Some(claims) = claims.as_object_mut() {
        for passing in [
            "at_hash",
            "auth_time",
            "event_id",
            "exp",
            "iat",
            "jti",
            "nonce",
            "origin_jti",
        ] {
            claims.remove(passing);
        }
    }
    claims
}

/// Runs a future on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Looks until something is so, for a minute and a half: who else is at it on the
/// machine may start eight control planes at once.
pub fn eventually(what: &str, mut look: impl FnMut() -> Result<bool, Stop>) -> Result<(), Stop> {
    let began = Instant::now();
    while !look()? {
        check(began.elapsed() < Duration::from_secs(90), || {
            format!("after 90 s it is not so that {what}")
        })?;
        // The longer it was waited for, the later a moment more is: looks cost.
        let pause = began.elapsed() / 10;
        std::thread::sleep(pause.clamp(PAUSE, Duration::from_millis(250)));
    }
    Ok(())
}

/// Between two looks at a process that is not ours to be told by.
pub fn pause() {
    std::thread::sleep(PAUSE);
}

const PAUSE: Duration = Duration::from_millis(10);

/// Fails with `text` unless `holds`.
pub fn check(holds: bool, text: impl FnOnce() -> String) -> Result<(), Stop> {
    if holds {
        Ok(())
    } else {
        Err(Stop::Fail(text()))
    }
}
