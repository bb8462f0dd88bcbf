//! `up` as a process: what it takes, says, listens on, exports and leaves.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::instance::Ready;
use serde_json::Value;

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{Up, block_on, check, eventually, ran, rolecall};
use crate::tutorial::{self, text};

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case("cli::it_listens_on_loopback_only", || loopback(&[])),
        case("cli::it_listens_on_loopback_only_under_aws_names", || {
            loopback(&["--aws-hosts"])
        }),
        case(
            "cli::after_its_end_nothing_listens_and_nobody_is_left",
            || all_gone(&[]),
        ),
        case(
            "cli::after_its_end_nothing_listens_and_nobody_is_left_under_aws_names",
            || all_gone(&["--aws-hosts"]),
        ),
        case("cli::env_exports_the_keys_and_the_roots", || exports(&[])),
        case(
            "cli::env_exports_the_keys_and_the_roots_under_aws_names",
            || exports(&["--aws-hosts"]),
        ),
        case("cli::up_takes_what_it_is_told", told),
        case("cli::fifty_at_once_have_ports_of_their_own", fifty),
        case("cli::two_regions_may_have_clusters_of_one_name", namesakes),
        case(
            "cli::without_options_it_is_found_where_it_was_started",
            defaults,
        ),
        case("cli::git_does_not_see_the_folder", git),
        case("cli::the_admins_kubeconfig_is_never_touched", untouched),
        case("cli::ready_is_last_and_whole", ready_is_last),
        case("cli::up_says_what_runs_where", says),
        case("cli::up_says_it_as_json", says_json),
    ]
}

// ---- listeners and processes ----------------------------------------------

fn loopback(arguments: &[&str]) -> Result<(), Stop> {
    let up = Up::start(arguments)?;
    second_cluster(&up)?;
    let listening = listening(up.ready().pid)?;
    let strangers: Vec<&Listener> = listening
        .iter()
        .filter(|one| one.address != LOOPBACK)
        .collect();
    check(strangers.is_empty(), || format!("{strangers:?}"))?;
    // The front door, two clusters, and the proxy where there is one.
    let expected = 3 + usize::from(up.ready().proxy.is_some());
    check(listening.len() == expected, || {
        format!("{expected} listeners were to be: {listening:?}")
    })?;
    let ports: BTreeSet<u16> = listening.iter().map(|one| one.port).collect();
    for url in told_addresses(up.ready()) {
        check(
            port_of(url).is_some_and(|port| ports.contains(&port)),
            || format!("{url} is none of {listening:?}"),
        )?;
    }
    Ok(())
}

/// Each port is bound before anybody is told of it, so nobody takes it meanwhile.
fn fifty() -> Result<(), Stop> {
    let all: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..50).map(|_| scope.spawn(|| Up::start(&[]))).collect();
        all.into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    let mut ups = Vec::new();
    let mut ports = BTreeSet::new();
    for one in all {
        let up = one.map_err(|_| Stop::Fail("a start panicked".to_owned()))??;
        ports.extend(told_addresses(up.ready()).filter_map(|url| port_of(url)));
        // As long as one is up, its ports are its own.
        ups.push(up);
    }
    check(ports.len() == 100, || format!("{} ports", ports.len()))
}

fn all_gone(arguments: &[&str]) -> Result<(), Stop> {
    // Whatever it starts has this in its environment.
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mark = folder.path().display().to_string();
    let mut up = Up::start_with(arguments, &[(crate::rig::MARK, &mark)])?;
    second_cluster(&up)?;
    let before = listening(up.ready().pid)?;
    let expected = 3 + usize::from(up.ready().proxy.is_some());
    check(before.len() == expected, || format!("{before:?}"))?;
    check(marked(&mark)? == [up.ready().pid], || {
        "the mark is not seen, or on others".to_owned()
    })?;
    let code = up.signal("TERM")?;
    check(code == Some(0), || format!("exit code {code:?}"))?;
    // By socket, not by port, which somebody else may have taken since.
    let all = all_listeners();
    let listens: Vec<&Listener> = before.iter().filter(|one| all.contains(one)).collect();
    check(listens.is_empty(), || format!("{listens:?} still listens"))?;
    let left = marked(&mark)?;
    check(left.is_empty(), || format!("{left:?} is left"))
}

/// Creates a cluster beside the ready one.
fn second_cluster(up: &Up) -> Result<(), Stop> {
    crate::iam_tokens::create_cluster(up, "second", &[])
}

/// The addresses of an instance that are its own, not AWS'.
fn told_addresses(ready: &Ready) -> impl Iterator<Item = &String> {
    let api = ready.proxy.is_none().then_some(&ready.api_server);
    [&ready.origin]
        .into_iter()
        .chain(api)
        .chain(ready.proxy.as_ref())
}

fn port_of(url: &str) -> Option<u16> {
    url.rsplit(':').next()?.parse().ok()
}

/// 127.0.0.1, as /proc/net/tcp spells it.
pub const LOOPBACK: &str = "0100007F";

/// A line of /proc/net/tcp or tcp6 in state LISTEN.
#[derive(Debug, PartialEq, Eq)]
pub struct Listener {
    /// As /proc/net/tcp spells it.
    pub address: String,
    port: u16,
    inode: String,
}

/// Where a process listens: the sockets among its open files.
pub fn listening(pid: u32) -> Result<Vec<Listener>, Stop> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_err(|error| error.to_string())?;
    let open: BTreeSet<String> = files
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?;
            let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let mut listeners = all_listeners();
    listeners.retain(|one| open.contains(&one.inode));
    Ok(listeners)
}

/// Where anybody listens.
fn all_listeners() -> Vec<Listener> {
    let read = |table| std::fs::read_to_string(table).unwrap_or_default();
    let text = ["/proc/net/tcp", "/proc/net/tcp6"].map(read).concat();
    let listener = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        let (address, port) = local.split_once(':')?;
        (*state == "0A").then_some(Listener {
            address: address.to_owned(),
            port: u16::from_str_radix(port, 16).ok()?,
            inode: (*inode).to_owned(),
        })
    };
    text.lines().filter_map(listener).collect()
}

/// The processes whose environment holds `mark`.
pub fn marked(mark: &str) -> Result<Vec<u32>, Stop> {
    let all = std::fs::read_dir("/proc").map_err(|error| error.to_string())?;
    Ok(all
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(mark)
        })
        .collect())
}

// ---- env ------------------------------------------------------------------

fn exports(arguments: &[&str]) -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let system = folder.path().join("system.pem").display().to_string();
    let mut foreign = Vec::new();
    for name in ["one foreign CA", "another foreign CA"] {
        let ca = foundation::pki::Ca::new(name, jiff::Timestamp::now());
        foreign.push(ca.map_err(|error| error.to_string())?.pem().to_owned());
    }
    // The last line has no end, which must not spoil what comes after it.
    std::fs::write(&system, foreign.concat().trim_end()).map_err(|error| error.to_string())?;
    let up = Up::start_with(arguments, &[("SSL_CERT_FILE", &system)])?;
    let mut command = Command::new(programs::rolecall());
    command
        .args(["env", "--json", "--dir"])
        .arg(up.dir())
        .env("AWS_SESSION_TOKEN", "of a real account");
    let env = ran(command)?.ok()?.json()?;
    let ready = up.ready();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", &ready.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &ready.secret_access_key),
        ("AWS_REGION", &ready.region),
    ] {
        check(!value.is_empty() && env[name] == value.as_str(), || {
            format!("{name}: {env}")
        })?;
    }
    let token = env.get("AWS_SESSION_TOKEN");
    check(token.is_some_and(Value::is_null), || env.to_string())?;
    let ours = certificates_of(&up.dir().join("ca.crt"))?;
    check(ours.len() == 1, || format!("{ours:?} in ca.crt"))?;
    let all: BTreeSet<String> = certificates(&foreign.concat())
        .into_iter()
        .chain(ours.clone())
        .collect();
    check(all.len() == 3, || format!("{all:?}"))?;
    let exported = |name: &str| certificates_of(Path::new(&text(&env[name])?));
    check(exported("AWS_CA_BUNDLE")?.is_superset(&ours), || {
        "AWS_CA_BUNDLE does not hold our CA".to_owned()
    })?;
    let mut roots = vec!["SSL_CERT_FILE"];
    if ready.proxy.is_some() {
        roots.extend(["REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"]);
    }
    for name in roots {
        check(exported(name)? == all, || {
            format!("{name} does not hold the system's roots and ours")
        })?;
    }
    Ok(())
}

fn certificates_of(file: &Path) -> Result<BTreeSet<String>, Stop> {
    std::fs::read_to_string(file)
        .map(|text| certificates(&text))
        .map_err(|error| Stop::Fail(format!("{}: {error}", file.display())))
}

/// The certificates of a PEM file, without its white space; only what is
/// framed as it should be counts.
fn certificates(pem: &str) -> BTreeSet<String> {
    pem.split("-----BEGIN CERTIFICATE-----\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n-----END CERTIFICATE-----\n"))
        .map(|(body, _)| body.split_whitespace().collect())
        .collect()
}

// ---- arguments ------------------------------------------------------------

fn told() -> Result<(), Stop> {
    let [port, api] = free_ports()?;
    let up = Up::start(&[
        "--port",
        &port.to_string(),
        "--api-port",
        &api.to_string(),
        "--region",
        "us-west-1",
        "--account",
        "210987654321",
        "--cluster-name",
        "elsewhere",
    ])?;
    let ready = up.ready();
    for (told, wanted) in [
        (&ready.origin, format!("https://127.0.0.1:{port}")),
        (&ready.api_server, format!("https://127.0.0.1:{api}")),
        (&ready.region, "us-west-1".to_owned()),
        (&ready.account, "210987654321".to_owned()),
        (&ready.cluster_name, "elsewhere".to_owned()),
    ] {
        check(*told == wanted, || format!("{told} is not {wanted}"))?;
    }
    let ports: BTreeSet<u16> = listening(ready.pid)?.iter().map(|one| one.port).collect();
    check(ports == BTreeSet::from([port, api]), || {
        format!("{ports:?}, not {port} and {api}")
    })?;
    let cluster = up
        .aws(&["eks", "describe-cluster", "--name", "elsewhere"])?
        .ok()?
        .json()?["cluster"]
        .clone();
    check(
        cluster["arn"] == "arn:aws:eks:us-west-1:210987654321:cluster/elsewhere"
            && cluster["endpoint"] == ready.api_server.as_str(),
        || cluster.to_string(),
    )?;
    let pool = up
        .aws(&["cognito-idp", "create-user-pool", "--pool-name", "p"])?
        .ok()?
        .json()?["UserPool"]
        .clone();
    let id = text(&pool["Id"])?;
    check(
        id.starts_with("us-west-1_")
            && pool["Arn"] == format!("arn:aws:cognito-idp:us-west-1:210987654321:userpool/{id}"),
        || pool.to_string(),
    )?;
    let caller = up.aws(&["sts", "get-caller-identity"])?.ok()?.json()?;
    check(
        caller["Account"] == "210987654321"
            && text(&caller["Arn"])?.starts_with("arn:aws:iam::210987654321:"),
        || caller.to_string(),
    )?;
    up.kubectl("v1.37", &["get", "namespaces"])?.ok().map(drop)
}

/// The one that stands ready has the port that was asked for, and is the one
/// that is meant.
fn namesakes() -> Result<(), Stop> {
    let [_, api] = free_ports()?;
    let up = Up::start(&["--api-port", &api.to_string()])?;
    let there = [("AWS_DEFAULT_REGION", "us-east-1")];
    crate::iam_tokens::create_cluster(&up, &up.ready().cluster_name, &there)?;
    let dir = up.dir().display().to_string();
    rolecall(&["status", "--dir", &dir])?
        .ok()?
        .says("cluster kubedemy ACTIVE")?
        .says("cluster kubedemy in us-east-1 ACTIVE")?;
    let status = rolecall(&["status", "--json", "--dir", &dir])?
        .ok()?
        .json()?;
    let regions: BTreeSet<String> = status["clusters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cluster| cluster["region"].as_str().unwrap_or_default().to_owned())
        .collect();
    check(regions.len() == 2, || status.to_string())
}

/// As a beginner types it: no folder is named, and who forgets to wait for the
/// association finds out here, not on AWS.
fn defaults() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = Command::new(programs::rolecall());
    command.arg("up").current_dir(folder.path());
    command.env_remove("ROLECALL_DIR");
    let mut started = Started::new(command)?;
    let ready = started.ready(&folder.path().join(".rolecall"))?;
    let mut shell = Command::new("/bin/sh");
    let script = format!(
        "eval \"$({} env)\"; echo \"$AWS_ENDPOINT_URL $AWS_REGION\"",
        programs::rolecall().display()
    );
    shell.args(["-euc", &script]).current_dir(folder.path());
    shell.env_remove("ROLECALL_DIR");
    ran(shell)?
        .ok()?
        .says(&format!("{} eu-west-2", ready.origin))?;

    let roots = std::fs::read_to_string(&ready.paths.ca).map_err(|error| error.to_string())?;
    let roots = foundation::pki::roots_from_pem(&roots).map_err(|error| error.to_string())?;
    let http = harness::client::https(roots, None, None).map_err(|error| error.to_string())?;
    let aws = ready.aws(http);
    let base = format!("/clusters/{}/identity-provider-configs", ready.cluster_name);
    let named = serde_json::json!({"identityProviderConfig": {"type": "oidc", "name": "n"}});
    let call = |path: &str, input: &Value| {
        let path = format!("{base}/{path}");
        block_on(aws.eks(http::Method::POST, &path, input))
            .map_err(|error| Stop::Fail(error.to_string()))
    };
    let pool = block_on(aws.cognito("CreateUserPool", &serde_json::json!({"PoolName": "p"})));
    let pool = text(&pool.map_err(|error| error.to_string())?["UserPool"]["Id"])?;
    let begun = Instant::now();
    let oidc = serde_json::json!({"oidc": {
        "identityProviderConfigName": "n", "clientId": "c",
        "issuerUrl": format!("{}/{pool}", ready.issuer_base),
    }});
    call("associate", &oidc)?;
    let status = || -> Result<String, Stop> {
        text(&call("describe", &named)?["identityProviderConfig"]["oidc"]["status"])
    };
    let at_once = status()?;
    // A machine that stood still for a second has missed it.
    check(
        at_once == "CREATING" || begun.elapsed() >= Duration::from_secs(1),
        || at_once.clone(),
    )?;
    eventually("it is ACTIVE", || Ok(status()? == "ACTIVE"))?;
    check(begun.elapsed() >= Duration::from_secs(1), || {
        format!("ACTIVE after {:?}", begun.elapsed())
    })?;
    rolecall(&["down", "--dir", &ready.dir])?.ok()?;
    started.wait()
}

/// Two ports below those that the system gives out by itself.
fn free_ports() -> Result<[u16; 2], Stop> {
    // Cases that ask at the same time get different ones.
    static ASKED: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let asked = ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let start = u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    let start = 15_000 + start + 1_000 * (asked % 4);
    let mut free = (start..start + 1_000)
        .filter(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
    match (free.next(), free.next()) {
        (Some(one), Some(other)) => Ok([one, other]),
        _ => Err(Stop::Fail(format!("no free ports from {start} on"))),
    }
}

// ---- files ----------------------------------------------------------------

fn git() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments)
            .current_dir(folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        ran(git)
    };
    if git(&["--version"]).is_err() {
        return Err(Missing("no git on the PATH".to_owned()).into());
    }
    git(&["init", "--quiet"])?.ok()?;
    let status = || -> Result<String, Stop> {
        let seen = git(&["status", "--porcelain", "--untracked-files=all"])?;
        Ok(seen.ok()?.stdout)
    };
    let mut command = Command::new(programs::rolecall());
    command
        .args(["up", "--dir", ".rolecall"])
        .current_dir(folder.path());
    let mut started = Started::new(command)?;
    let dir = folder.path().join(".rolecall");
    let ready = started.ready(&dir)?;
    check(ready.paths.audit_log.is_file(), || {
        "there is nothing to be seen".to_owned()
    })?;
    let seen = status()?;
    check(seen.is_empty(), || format!("git sees {seen}"))?;
    let down = rolecall(&["down", "--dir", &dir.display().to_string()])?;
    down.ok()?;
    started.wait()?;
    let seen = status()?;
    check(seen == "?? .rolecall/audit.log\n", || {
        format!("git sees {seen:?}")
    })
}

fn untouched() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let (pool, client) = tutorial::made(&up)?;
    tutorial::associated(&up, &pool, &client)?;
    let (admin, working) = (
        up.dir().join("admin.kubeconfig"),
        up.dir().join("kubeconfig"),
    );
    let read = |file: &Path| std::fs::read(file).map_err(|error| error.to_string());
    let (before, mut last) = (read(&admin)?, read(&working)?);
    // Each of them writes, and into the other one.
    let mut written = |by: &str| -> Result<(), Stop> {
        let now = read(&working)?;
        check(now != last, || format!("{by} wrote nothing"))?;
        last = now;
        check(read(&admin)? == before, || {
            format!("{by} touched the administrator's kubeconfig")
        })
    };
    up.aws(&["eks", "update-kubeconfig", "--name", "kubedemy"])?
        .ok()?;
    written("aws eks update-kubeconfig")?;
    let set = ["config", "set-credentials", "somebody", "--token=x"];
    for version in programs::KUBECTLS {
        let name = format!("somebody-{version}");
        up.kubectl(version, &[set[0], set[1], &name, set[3]])?
            .ok()?;
        written("kubectl config set-credentials")?;
    }
    let dir = up.dir().display().to_string();
    rolecall(&["kubeconfig", "--login", "kubelogin", "--dir", &dir])?.ok()?;
    written("rolecall kubeconfig")?;
    // And it still is the administrator's.
    let admin = format!("--kubeconfig={}", admin.display());
    up.kubectl("v1.37", &[&admin, "auth", "whoami"])?
        .ok()?
        .says("kubernetes-admin")
        .map(drop)
}

fn ready_is_last() -> Result<(), Stop> {
    for arguments in [&[][..], &["--aws-hosts"], &[]] {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let dir = folder.path().join("rolecall");
        let mut command = Command::new(programs::rolecall());
        command.arg("up").arg("--dir").arg(&dir).args(arguments);
        let mut started = Started::new(command)?;
        let mut looked = 0_u32;
        let deadline = Instant::now() + Duration::from_secs(30);
        // As often as can be, until it has been there a hundred times.
        while looked < 100 {
            if let Ok(text) = std::fs::read_to_string(dir.join("ready.json")) {
                looked += 1;
                whole(&text, &dir, started.id())?;
            }
            check(Instant::now() < deadline, || "it is not ready".to_owned())?;
        }
        let ready = started.ready(&dir)?;
        // What is described answers at once.
        let status = rolecall(&["status", "--json", "--dir", &ready.dir])?;
        status.ok()?;
    }
    Ok(())
}

fn whole(text: &str, dir: &Path, pid: u32) -> Result<(), Stop> {
    let ready: Ready = serde_json::from_str(text).map_err(|error| format!("{error}: {text:?}"))?;
    check(ready.pid == pid, || format!("{} is not {pid}", ready.pid))?;
    let paths = &ready.paths;
    let named = [
        &paths.ca,
        &paths.roots,
        &paths.admin_kubeconfig,
        &paths.kubeconfig,
        &paths.audit_log,
        &paths.env,
        &paths.browse,
    ];
    let besides = ["aws-config", "aws-credentials", ".gitignore"].map(|name| dir.join(name));
    for path in named.into_iter().chain(&besides) {
        let there = std::fs::metadata(path)
            .is_ok_and(|file| file.is_file() && (file.len() > 0 || *path == paths.audit_log));
        check(there, || format!("{} is not there", path.display()))?;
    }
    check(!dir.join("ready.json.part").exists(), || {
        "there is a part beside it".to_owned()
    })
}

// ---- what it says ---------------------------------------------------------

fn says() -> Result<(), Stop> {
    for arguments in [&[][..], &["--aws-hosts"]] {
        let up = Up::start(arguments)?;
        let said = up.said("Ctrl-C ends it.")?;
        let ready = up.ready();
        let program = programs::rolecall().canonicalize();
        let program = program.map_err(|error| error.to_string())?;
        let mut wanted = vec![
            format!("{}/POOL_ID", ready.issuer_base),
            format!("{} at {}", ready.cluster_name, ready.api_server),
            ready.dir.clone(),
            format!(
                "  eval \"$({} env --dir {})\"\n",
                program.display(),
                ready.dir
            ),
        ];
        match &ready.proxy {
            None => wanted.extend([
                format!("{}\n", ready.origin),
                format!("{}/domains/DOMAIN", ready.origin),
            ]),
            Some(proxy) => wanted.extend([
                format!("{proxy}\n"),
                format!("https://DOMAIN.auth.{}.amazoncognito.com", ready.region),
            ]),
        }
        for line in wanted {
            check(said.contains(&line), || format!("no {line:?} in {said}"))?;
        }
        // The next thing to type does what it says.
        let eval = said.lines().find(|line| line.trim().starts_with("eval "));
        let mut shell = Command::new("/bin/sh");
        let script = format!("{}; echo \"$KUBECONFIG\"", eval.unwrap_or("false"));
        shell.args(["-euc", &script]);
        let kubeconfig = ready.paths.kubeconfig.display().to_string();
        ran(shell)?.ok()?.says(&kubeconfig)?;
        for secret in [&ready.control_token, &ready.secret_access_key] {
            check(!said.contains(secret.as_str()), || {
                "a secret is said".to_owned()
            })?;
        }
    }
    Ok(())
}

fn says_json() -> Result<(), Stop> {
    for arguments in [&["--json"][..], &["--json", "--aws-hosts"]] {
        let up = Up::start(arguments)?;
        let said = up.said("\n")?;
        let said: Value =
            serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))?;
        let ready = std::fs::read_to_string(up.dir().join("ready.json"))
            .map_err(|error| error.to_string())?;
        let ready: Value = serde_json::from_str(&ready).map_err(|error| error.to_string())?;
        check(said["ready"] == true, || said.to_string())?;
        for name in ["dir", "origin", "apiServer", "pid", "proxy"] {
            check(
                said.get(name).is_some() && said[name] == ready[name],
                || format!("{name}: {said}, not {ready}"),
            )?;
        }
        check(
            said["proxy"].is_null() == up.ready().proxy.is_none(),
            || said.to_string(),
        )?;
    }
    // Whoever waits for the line finds somebody who answers.
    let up = Up::start(&["--json"])?;
    let said: Value = serde_json::from_str(&up.said("\n")?).map_err(|error| error.to_string())?;
    let (origin, http) = (text(&said["origin"])?, up.https()?);
    block_on(async {
        let answer = http.get(origin).send().await;
        answer
            .map(drop)
            .map_err(|error| Stop::Fail(error.to_string()))
    })
}

// ---- what they run on -----------------------------------------------------

/// An `up` that a case started in its own way; killed when dropped.
struct Started(Child);

impl Started {
    fn new(mut command: Command) -> Result<Self, Stop> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map(Self)
            .map_err(|error| Stop::Fail(format!("cannot start rolecall: {error}")))
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    /// What its `ready.json` says, once it is there.
    fn ready(&mut self, dir: &Path) -> Result<Ready, Stop> {
        let mut ready = None;
        eventually("it is ready", || {
            let ended = self.0.try_wait().map_err(|error| error.to_string())?;
            check(ended.is_none(), || format!("it ended: {ended:?}"))?;
            ready = std::fs::read_to_string(dir.join("ready.json")).ok();
            Ok(ready.is_some())
        })?;
        let text = ready.unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| Stop::Fail(format!("{error}: {text:?}")))
    }

    /// Waits for its end, which is to be a good one.
    fn wait(&mut self) -> Result<(), Stop> {
        let mut ended = None;
        eventually("it ends", || {
            ended = self.0.try_wait().map_err(|error| error.to_string())?;
            Ok(ended.is_some())
        })?;
        check(ended.is_some_and(|status| status.success()), || {
            format!("{ended:?}")
        })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
