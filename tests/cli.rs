//! The command itself: what it writes, prints and leaves behind.

use std::os::unix::fs::PermissionsExt as _;

use harness::cluster::Kind;

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Up, check, ran, rolecall};
use crate::table::Row;
use crate::tutorial;

/// What holds of an instance with any kind of cluster.
pub const ROWS: [Row; 2] = [
    ("cli::status_outbox_and_audit", words),
    ("cli::each_created_cluster_is_another_one", |up| {
        up.keeps_kubeconfig(|| clusters(up))
    }),
];

/// All of them but for the rows.
pub fn cases() -> Vec<Case> {
    vec![
        case("cli::the_binary_is_the_one_just_built", fingerprint),
        case("cli::demo_ends_in_the_identity_and_what_it_may_do", demo),
        case("cli::demo_as_json_is_one_event_a_line", demo_json),
        case(
            "cli::a_proxy_in_the_environment_is_not_asked_for_this_machine",
            proxied,
        ),
        case(
            "cli::a_failing_scenario_is_exit_code_1_and_in_the_report",
            failing,
        ),
        case(
            "cli::wrong_usage_is_exit_code_2_and_names_the_remedy",
            usage,
        ),
        case("cli::a_port_that_is_taken_is_exit_code_3", taken_port),
        case("cli::up_describes_itself_in_private_files", files),
        case("cli::sigint_leaves_only_the_audit_log", || {
            leaves_only_the_audit_log("INT")
        }),
        case("cli::sigterm_leaves_only_the_audit_log", || {
            leaves_only_the_audit_log("TERM")
        }),
        case("cli::sighup_leaves_only_the_audit_log", || {
            leaves_only_the_audit_log("HUP")
        }),
        case(
            "cli::of_two_that_start_together_one_gets_the_folder",
            started_together,
        ),
        case(
            "cli::a_folder_of_somebody_else_is_left_alone",
            strangers_folder,
        ),
        case(
            "cli::an_environment_that_is_no_text_is_no_trouble",
            not_text,
        ),
        case(
            "cli::a_service_that_nobody_stands_in_for_is_named",
            no_such_service,
        ),
        case("cli::down_stops_the_instance", down),
        case(
            "cli::two_instances_do_not_share_a_folder",
            two_in_one_folder,
        ),
        case(
            "cli::an_instance_that_was_killed_is_not_mistaken_for_a_running_one",
            killed,
        ),
        case("cli::env_unsets_what_leads_elsewhere", env),
        case(
            "cli::the_env_file_counts_on_its_readers_environment",
            sourced,
        ),
        case(
            "cli::shell_runs_under_the_instance_and_passes_its_status_on",
            shell,
        ),
        case("cli::an_instance_that_hangs_is_not_said_to_be_gone", hung),
        case(
            "cli::folders_with_colons_are_refused_and_notes_are_not",
            odd_folders,
        ),
        case("cli::pins_and_seeded_ids", pins),
        case("cli::two_fresh_starts_share_no_key", fresh_keys),
        case("cli::control_calls_need_the_bearer", control),
        case("cli::whatever_is_sent_nothing_panics", garbage),
        case("cli::completions", || {
            rolecall(&["completions", "bash"])?
                .ok()?
                .says("_rolecall")
                .map(drop)
        }),
    ]
}

fn fingerprint() -> Result<(), Stop> {
    rolecall(&["--version"])?
        .ok()?
        .says(rolecall::FINGERPRINT)
        .map(drop)
}

fn demo() -> Result<(), Stop> {
    let text = rolecall(&["demo"])?.ok()?.stdout;
    for needle in [
        "create user pool kubedemy",
        "test@kubedemy.io logs in",
        "a new password was asked for and set",
        "the cluster knows test@kubedemy.io in oidc:admins, system:authenticated",
        "RBAC: allowed by ClusterRoleBinding \"oidc:admins\" of ClusterRole \"cluster-admin\" to Group \"oidc:admins\"",
        "may * *.*",
    ] {
        check(text.contains(needle), || {
            format!("{needle:?} is not in: {text}")
        })?;
    }
    check(!text.contains('\x1b'), || {
        "colours without a terminal".to_owned()
    })
}

fn proxied() -> Result<(), Stop> {
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = proxy.local_addr().map_err(|error| error.to_string())?;
    let mut command = std::process::Command::new(crate::programs::rolecall());
    command.arg("demo");
    for (name, nowhere) in crate::rig::BLACK_HOLE {
        let is_asked = !nowhere.is_empty();
        let value = is_asked.then(|| format!("http://{address}"));
        command.env(name, value.unwrap_or_default());
    }
    crate::rig::ran(command)?.ok()?.says("pass the tutorial")?;
    // Who asked it stands in the queue still, whatever came of that.
    proxy
        .set_nonblocking(true)
        .map_err(|error| error.to_string())?;
    check(proxy.accept().is_err(), || "the proxy was asked".to_owned())
}

fn demo_json() -> Result<(), Stop> {
    let text = rolecall(&["demo", "--json"])?.ok()?.stdout;
    let events: Vec<serde_json::Value> = text
        .lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| Stop::Fail(format!("{error}: {line}")))
        })
        .collect::<Result<_, _>>()?;
    let last = events.last().ok_or_else(|| "no events".to_owned())?;
    check(
        last["event"] == "runFinished" && last["passed"] == 1,
        || last.to_string(),
    )
}

fn failing() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (file, report) = (
        folder.path().join("wrong.yaml"),
        folder.path().join("report.xml"),
    );
    let text = "rolecall: 1\nname: wrong\nidp: {people: {ada: {}}}\ntrust: {username: sub}\n\
                expect: [{who: ada, can: [delete nodes]}]\n";
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let run = rolecall(&[
        "test",
        &file.display().to_string(),
        "--report",
        &format!("junit={}", report.display()),
    ])?;
    check(run.code == Some(1), || run.to_string())?;
    run.says("delete nodes is denied")?;
    let xml = std::fs::read_to_string(&report).map_err(|error| error.to_string())?;
    check(
        xml.contains("<failure message=\"delete nodes is denied"),
        || xml,
    )
}

fn usage() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = folder.path().join("rolecall").display().to_string();
    let broken = folder.path().join("s.yaml");
    std::fs::write(&broken, "rolecall: 1\nname: x\nidp: {}\nexpct: []\n")
        .map_err(|error| error.to_string())?;
    for (arguments, remedy) in [
        (vec!["test", "no-such-folder"], "no such file"),
        (vec!["test", &broken.display().to_string()], "expct"),
        (vec!["status", "--dir", &dir], "rolecall up"),
        (vec!["up", "--dir", &dir, "--pin", "pol=x"], "pool=ID"),
        (
            vec!["up", "--dir", &dir, "--seed", "/no/such/file"],
            "/no/such/file",
        ),
        (vec!["up", "--account", "1"], "twelve digits"),
        (
            vec!["up", "--dir", &dir, "--cluster-name", "bad name"],
            "0-9A-Za-z",
        ),
        (
            vec!["up", "--dir", &dir, "--port", "4711", "--api-port", "4711"],
            "must differ",
        ),
        (vec!["nonsense"], "unrecognized subcommand"),
    ] {
        let run = rolecall(&arguments)?;
        check(run.code == Some(2), || run.to_string())?;
        run.says(remedy)?;
    }
    Ok(())
}

fn taken_port() -> Result<(), Stop> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = taken
        .local_addr()
        .map_err(|error| error.to_string())?
        .port()
        .to_string();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = folder.path().display().to_string();
    for (option, more) in [
        ("--port", &[][..]),
        ("--api-port", &[]),
        ("--proxy-port", &["--aws-hosts"]),
    ] {
        let began = std::time::Instant::now();
        let up = ["up", "--dir", &dir, option, &port];
        let run = rolecall(&[&up[..], more].concat())?;
        check(run.code == Some(3), || run.to_string())?;
        let took = began.elapsed();
        check(took < std::time::Duration::from_secs(5), || {
            format!("{took:?}")
        })?;
        run.says(&format!("127.0.0.1:{port}"))?
            .says(&format!("(process {})", std::process::id()))?;
    }
    Ok(())
}

fn files() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let mode = |name: &str| -> Result<u32, Stop> {
        let metadata = std::fs::metadata(up.dir().join(name))
            .map_err(|error| Stop::Fail(format!("{name}: {error}")))?;
        Ok(metadata.permissions().mode() & 0o777)
    };
    check(mode(".")? == 0o700, || "the folder is not 0700".to_owned())?;
    for name in [
        "ca.crt",
        "admin.kubeconfig",
        "kubeconfig",
        "audit.log",
        "env",
        "ready.json",
    ] {
        let mode = mode(name)?;
        check(mode == 0o600, || format!("{name} is {mode:o}"))?;
    }
    let read = |name: &str| {
        std::fs::read_to_string(up.dir().join(name)).map_err(|error| error.to_string())
    };
    check(read("kubeconfig")? == read("admin.kubeconfig")?, || {
        "the kubeconfigs differ".to_owned()
    })?;
    check(read("env")?.contains("export AWS_ENDPOINT_URL="), || {
        "no exports in env".to_owned()
    })
}

fn leaves_only_the_audit_log(signal: &str) -> Result<(), Stop> {
    let mut up = Up::start(&[])?;
    up.kubectl("v1.37", &["auth", "whoami"])?.ok()?;
    let code = up.signal(signal)?;
    check(code == Some(0), || format!("exit code {code:?}"))?;
    let left: Vec<String> = std::fs::read_dir(up.dir())
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    check(left == ["audit.log"], || format!("{left:?} is left"))?;
    let reachable =
        std::net::TcpStream::connect(up.ready().origin.trim_start_matches("https://")).is_ok();
    check(!reachable, || "something still listens".to_owned())
}

fn down() -> Result<(), Stop> {
    let mut up = Up::start(&[])?;
    let dir = up.dir().display().to_string();
    rolecall(&["down", "--dir", &dir])?.ok()?.says("stopped")?;
    let code = up.wait()?;
    check(code == Some(0), || format!("exit code {code:?}"))?;
    let again = rolecall(&["down", "--dir", &dir])?;
    check(again.code == Some(2), || again.to_string())
}

fn two_in_one_folder() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let second = rolecall(&["up", "--dir", &up.dir().display().to_string()])?;
    check(second.code == Some(2), || second.to_string())?;
    second
        .says("rolecall down")?
        .says(&format!("(pid {})", up.ready().pid))?;
    up.kubectl("v1.37", &["auth", "whoami"])?.ok().map(drop)
}

fn started_together() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = folder.path().join("one folder").display().to_string();
    let start = || {
        std::process::Command::new(programs::rolecall())
            .args(["up", "--dir", &dir])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())
    };
    let mut children = [start()?, start()?, start()?];
    // Whoever does not get the folder ends by itself; the one that does stays.
    let ended = |children: &mut [std::process::Child; 3]| -> Vec<Option<i32>> {
        children
            .iter_mut()
            .filter_map(|child| child.try_wait().ok().flatten().map(|status| status.code()))
            .collect()
    };
    for _ in 0..1_000 {
        if ended(&mut children).len() >= 2 {
            break;
        }
        crate::rig::pause();
    }
    let codes = ended(&mut children);
    for _ in 0..1_000 {
        if std::path::Path::new(&dir).join("ready.json").exists() {
            break;
        }
        crate::rig::pause();
    }
    let status = rolecall(&["status", "--dir", &dir]);
    for child in &mut children {
        let _ = child.kill();
        let _ = child.wait();
    }
    check(codes == [Some(2), Some(2)], || format!("{codes:?}"))?;
    status?.ok().map(drop)
}

fn strangers_folder() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let theirs = folder.path().join("kubeconfig");
    std::fs::write(&theirs, "theirs").map_err(|error| error.to_string())?;
    let run = rolecall(&["up", "--dir", &folder.path().display().to_string()])?;
    check(run.code == Some(2), || run.to_string())?;
    run.says("which no instance made")?;
    let left = std::fs::read_to_string(&theirs).map_err(|error| error.to_string())?;
    check(left == "theirs", || left)
}

fn not_text() -> Result<(), Stop> {
    use std::os::unix::ffi::OsStrExt as _;
    let up = Up::start(&[])?;
    for word in ["env", "status"] {
        let mut command = std::process::Command::new(programs::rolecall());
        command
            .arg(word)
            .arg("--dir")
            .arg(up.dir())
            .env("ODD", std::ffi::OsStr::from_bytes(b"\xff\xfe"));
        ran(command)?.ok()?;
    }
    Ok(())
}

fn no_such_service() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    for arguments in [
        ["iam", "list-users"],
        ["s3", "ls"],
        ["ec2", "describe-instances"],
        ["dynamodb", "list-tables"],
        ["ecs", "list-clusters"],
        ["sts", "get-session-token"],
    ] {
        up.aws(&arguments)?
            .refused()?
            .says("NotImplementedException")?;
    }
    Ok(())
}

fn shell() -> Result<(), Stop> {
    use std::io::Write as _;
    let up = Up::start(&[])?;
    let script = format!(
        "test \"$AWS_ENDPOINT_URL\" = {} && exit 7",
        up.ready().origin
    );
    let mut child = std::process::Command::new(programs::rolecall())
        .args(["shell", "--dir"])
        .arg(up.dir())
        .env("SHELL", "")
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{script}").map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    check(status.code() == Some(7), || {
        format!("the shell ended with {status}")
    })
}

fn sourced() -> Result<(), Stop> {
    let up = Up::start_with(&[], &[("NO_PROXY", "of-up.example.com")])?;
    let script = format!(
        ". {}/env; echo \"${{AWS_ENDPOINT_URL_S3-gone}} $NO_PROXY\"",
        up.dir().display()
    );
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .args(["-euc", &script])
        .env("AWS_ENDPOINT_URL_S3", "https://s3.example.com")
        .env("NO_PROXY", "mine.example.com");
    ran(shell)?
        .ok()?
        .says("gone mine.example.com,127.0.0.1,localhost,::1\n")
        .map(drop)
}

fn hung() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    up.send("STOP")?;
    let status = rolecall(&["status", "--dir", &up.dir().display().to_string()])?;
    up.send("CONT")?;
    check(status.code == Some(3), || status.to_string())?;
    status.says("does not answer").map(drop)
}

fn odd_folders() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let colon = folder.path().join("co:lon").display().to_string();
    let run = rolecall(&["up", "--dir", &colon])?;
    check(run.code == Some(2), || run.to_string())?;
    run.says("colons divide")?;
    // What somebody keeps in our folder is no reason to refuse it.
    let mut up = Up::start(&[])?;
    std::fs::write(up.dir().join("notes.txt"), "mine").map_err(|error| error.to_string())?;
    up.signal("TERM")?;
    let dir = up.dir().display().to_string();
    let mut again = std::process::Command::new(programs::rolecall())
        .args(["up", "--dir", &dir])
        .stdout(std::process::Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let ready = up.dir().join("ready.json");
    while !ready.exists() && std::time::Instant::now() < deadline {
        crate::rig::pause();
    }
    let stood = ready.exists();
    let stopped = rolecall(&["down", "--dir", &dir])?.ok();
    let _ = again.kill();
    let _ = again.wait();
    stopped?;
    check(stood, || "it does not start again".to_owned())
}

fn killed() -> Result<(), Stop> {
    let mut up = Up::start(&[])?;
    up.signal("KILL")?;
    let dir = up.dir().display().to_string();
    check(up.dir().join("ready.json").exists(), || {
        "SIGKILL left nothing to be mistaken for".to_owned()
    })?;
    let status = rolecall(&["status", "--dir", &dir])?;
    check(status.code == Some(2), || status.to_string())?;
    status.says("no instance is running").map(drop)
}

fn env() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let mut command = std::process::Command::new(programs::rolecall());
    command
        .args(["env", "--json", "--dir"])
        .arg(up.dir())
        .env("AWS_PROFILE", "production")
        .env("AWS_ENDPOINT_URL_DYNAMODB", "https://dynamodb.example.com")
        .env("NO_PROXY", "intranet.example.com");
    let env = ran(command)?.ok()?.json()?;
    for name in [
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_EKS",
    ] {
        check(
            env.get(name).is_some_and(serde_json::Value::is_null),
            || format!("{name} stays: {env}"),
        )?;
    }
    check(
        env["AWS_ENDPOINT_URL"] == up.ready().origin.as_str(),
        || env.to_string(),
    )?;
    check(
        env["NO_PROXY"] == "intranet.example.com,127.0.0.1,localhost,::1",
        || env.to_string(),
    )?;
    // The shell spelling does the same to a real program.
    let script = format!(
        "export AWS_PROFILE=production; eval \"$({} env --dir {})\"; echo \"${{AWS_PROFILE-gone}} $AWS_ENDPOINT_URL\"",
        programs::rolecall().display(),
        up.dir().display()
    );
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", &script]);
    ran(shell)?
        .ok()?
        .says(&format!("gone {}", up.ready().origin))
        .map(drop)
}

/// What a real API server is said not to be able to.
const LIMITS: [&str; 5] = [
    "its clock does not follow ours: a token of another time is forged at the identity provider instead",
    "it takes all nine signing algorithms, where EKS takes RS256",
    "another issuer takes it about 10 s to trust",
    "a token that it accepted it accepts for 10 s more",
    "a change of RBAC takes effect a moment later",
];

fn words(up: &Up) -> Result<(), Stop> {
    let dir = up.dir().display().to_string();
    let word = |name: &str, json: bool| {
        let mut arguments = vec![name, "--dir", dir.as_str()];
        if json {
            arguments.push("--json");
        }
        rolecall(&arguments)
    };
    word("outbox", false)?.ok()?.says("nothing was sent")?;
    let status = word("status", false)?.ok()?.says("trusts no issuer yet")?;
    let limits: &[&str] = if up.ready().cluster_kind == Kind::Embedded.name() {
        &[]
    } else {
        &LIMITS
    };
    LIMITS.into_iter().try_for_each(|limit| {
        check(
            status.stdout.contains(limit) == limits.contains(&limit),
            || status.to_string(),
        )
    })?;
    let (pool, client) = tutorial::made(up)?;
    tutorial::associated(up, &pool, &client)?;
    word("outbox", false)?
        .ok()?
        .says("by email to test@kubedemy.io")?;
    let outbox = word("outbox", true)?.ok()?.json()?;
    let message = &outbox["messages"][0];
    check(message["medium"] == "email", || {
        format!("the invitation did not go by e-mail: {outbox}")
    })?;
    let status = word("status", true)?.ok()?.json()?;
    let cluster = &status["clusters"][0];
    check(cluster["limits"] == serde_json::json!(limits), || {
        status.to_string()
    })?;
    let provider = &cluster["identityProvider"];
    check(
        provider["status"] == "ACTIVE" && provider["trouble"].is_null(),
        || status.to_string(),
    )?;
    up.kubectl("v1.37", &["auth", "whoami"])?.ok()?;
    word("audit", false)?.ok()?.says("kubernetes-admin")?;
    word("audit", true)?.ok()?.says("audit.k8s.io/v1")?;
    up.disassociate("kubedemy")?;
    tutorial::without_pool(up, &pool)
}

fn pins() -> Result<(), Stop> {
    let start = || {
        Up::start(&[
            "--pin",
            "pool=eu-west-2_Tj3uyJm1Q",
            "--pin",
            "client=ganda06c18isdkrj0i8f9g0gj",
            "--pin",
            "cluster-endpoint=CB99422E7A48EA91F00A17D969FB455C",
            "--seeded-ids",
            "7",
        ])
    };
    let made = |up: &Up| -> Result<Vec<String>, Stop> {
        let (pool, client) = tutorial::made(up)?;
        let user = up
            .aws(&[
                "cognito-idp",
                "admin-get-user",
                "--user-pool-id",
                &pool,
                "--username",
                "test@kubedemy.io",
            ])?
            .ok()?
            .json()?;
        let cluster = up
            .aws(&["eks", "describe-cluster", "--name", "kubedemy"])?
            .ok()?
            .json()?;
        Ok(vec![
            pool,
            client,
            tutorial::text(&user["Username"])?,
            tutorial::text(&cluster["cluster"]["identity"]["oidc"]["issuer"])?,
        ])
    };
    let first = made(&start()?)?;
    check(first[0] == "eu-west-2_Tj3uyJm1Q", || format!("{first:?}"))?;
    check(first[1] == "ganda06c18isdkrj0i8f9g0gj", || {
        format!("{first:?}")
    })?;
    check(
        first[3].ends_with("/id/CB99422E7A48EA91F00A17D969FB455C"),
        || format!("{first:?}"),
    )?;
    let second = made(&start()?)?;
    check(first == second, || format!("{first:?} and {second:?}"))
}

fn fresh_keys() -> Result<(), Stop> {
    let (a, b) = (Up::start(&[])?, Up::start(&[])?);
    let keys = |up: &Up| -> Result<Vec<String>, Stop> {
        let (pool, _) = tutorial::made(up)?;
        let url = format!("{}/{pool}/.well-known/jwks.json", up.ready().issuer_base);
        let http = up.https()?;
        let jwks: serde_json::Value = crate::rig::block_on(async {
            let response = http
                .get(url)
                .send()
                .await
                .map_err(|error| error.to_string())?;
            response.json().await.map_err(|error| error.to_string())
        })?;
        let mut moduli = Vec::new();
        for key in jwks["keys"].as_array().into_iter().flatten() {
            moduli.push(tutorial::text(&key["n"])?);
        }
        check(moduli.len() == 2, || jwks.to_string())?;
        for name in ["ca.crt", "admin.kubeconfig"] {
            moduli.push(
                std::fs::read_to_string(up.dir().join(name)).map_err(|error| error.to_string())?,
            );
        }
        Ok(moduli)
    };
    let (a, b) = (keys(&a)?, keys(&b)?);
    check(a.iter().all(|key| !b.contains(key)), || {
        "two starts share a key".to_owned()
    })
}

fn control() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let http = up.https()?;
    for path in [
        "/_rolecall/outbox",
        "/_rolecall/clock",
        "/_rolecall/rig/status",
    ] {
        for bearer in [None, Some("wrong")] {
            let status = crate::rig::block_on(async {
                let mut request = http.get(format!("{}{path}", up.ready().origin));
                if let Some(bearer) = bearer {
                    request = request.bearer_auth(bearer);
                }
                request
                    .send()
                    .await
                    .map(|response| response.status().as_u16())
                    .map_err(|error| error.to_string())
            })?;
            check(status == 401, || {
                format!("{path} with {bearer:?}: {status}")
            })?;
        }
    }
    check(!up.log().contains(&up.ready().control_token), || {
        "the bearer is in the log".to_owned()
    })
}

fn clusters(up: &Up) -> Result<(), Stop> {
    let describe = |name: &str| -> Result<serde_json::Value, Stop> {
        Ok(up
            .aws(&["eks", "describe-cluster", "--name", name])?
            .ok()?
            .json()?["cluster"]
            .clone())
    };
    let create = [
        "eks",
        "create-cluster",
        "--name",
        "second",
        "--role-arn",
        "arn:aws:iam::123456789012:role/x",
        "--resources-vpc-config",
        "subnetIds=subnet-1,subnet-2",
    ];
    let created = up.aws(&create)?.ok()?.json()?;
    check(
        created["cluster"]["status"] == "CREATING" && created["cluster"]["endpoint"].is_null(),
        || created.to_string(),
    )?;
    up.aws(&create)?.refused()?.says("ResourceInUseException")?;
    up.aws(&["eks", "wait", "cluster-active", "--name", "second"])?
        .ok()?;
    let (first, second) = (describe("kubedemy")?, describe("second")?);
    for part in ["endpoint", "certificateAuthority"] {
        check(first[part] != second[part], || {
            format!("two clusters share their {part}")
        })?;
    }
    let names = up.aws(&["eks", "list-clusters"])?.ok()?.json()?;
    check(
        names["clusters"] == serde_json::json!(["kubedemy", "second"]),
        || names.to_string(),
    )?;
    up.aws(&["eks", "update-kubeconfig", "--name", "second"])?
        .ok()?;
    up.kubectl("v1.37", &["create", "namespace", "only-here"])?
        .ok()?;
    let admin = format!(
        "--kubeconfig={}",
        up.dir().join("admin.kubeconfig").display()
    );
    up.kubectl("v1.37", &[&admin, "get", "namespace", "only-here"])?
        .refused()?
        .says("not found")?;
    up.aws(&["eks", "delete-cluster", "--name", "second"])?
        .ok()?;
    up.aws(&["eks", "describe-cluster", "--name", "second"])?
        .refused()?
        .says("No cluster found for name: second.")
        .map(drop)
}

/// Method, URL, headers, body.
type Sent = (String, String, Vec<(String, String)>, Vec<u8>);

/// Requests that no client sends, to both listeners: each gets an answer that
/// is no server error, and the panic hook counts nothing.
fn garbage() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let (pool, _) = tutorial::made(&up)?;
    let long = "x".repeat(20_000);
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let target = |operation: &str| {
        (
            "x-amz-target".to_owned(),
            format!("AWSCognitoIdentityProviderService.{operation}"),
        )
    };
    let json = (
        "content-type".to_owned(),
        "application/x-amz-json-1.1".to_owned(),
    );
    let form = (
        "content-type".to_owned(),
        "application/x-www-form-urlencoded".to_owned(),
    );
    let bearer = |token: &str| ("authorization".to_owned(), format!("Bearer {token}"));
    let front = up.ready().origin.clone();
    let api = up.ready().api_server.clone();
    let domain = format!("{front}/domains/kubedemyeksoidc");
    let mut requests: Vec<Sent> = Vec::new();
    for body in [
        "",
        "{",
        "null",
        "[]",
        "{\"PoolName\":1}",
        "\u{0}",
        "{\"PoolName\":\"\\ud800\"}",
        deep.as_str(),
    ] {
        for operation in ["CreateUserPool", "InitiateAuth", "Nonsense", ""] {
            requests.push((
                "POST".into(),
                front.clone(),
                vec![target(operation), json.clone()],
                body.into(),
            ));
        }
        for path in [
            "/clusters",
            "/clusters/kubedemy/identity-provider-configs/associate",
            "/tags/arn:aws:eks:x",
        ] {
            requests.push(("POST".into(), format!("{front}{path}"), vec![], body.into()));
        }
        for path in [
            "/api/v1/namespaces",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        ] {
            for kind in [
                "application/json",
                "application/vnd.kubernetes.protobuf",
                "application/yaml",
                "text/plain",
            ] {
                requests.push((
                    "POST".into(),
                    format!("{api}{path}"),
                    vec![("content-type".into(), kind.into())],
                    body.into(),
                ));
            }
        }
    }
    for path in [
        "/",
        "/%ff%fe",
        "/..//..",
        "/a?b=%zz",
        "/oauth2/authorize",
        "/_rolecall",
        &format!("/{long}"),
    ] {
        for base in [&front, &api, &domain] {
            for method in ["GET", "POST", "DELETE", "PATCH", "OPTIONS"] {
                requests.push((
                    method.into(),
                    format!("{base}{path}"),
                    vec![],
                    vec![0xff, 0xfe],
                ));
            }
        }
    }
    for query in [
        "",
        "?client_id=",
        "?client_id=x&response_type=code&redirect_uri=javascript:alert(1)",
        "?response_type=code&response_type=token",
        "?code_challenge=%00",
    ] {
        for path in [
            "/oauth2/authorize",
            "/login",
            "/logout",
            "/oauth2/token",
            "/oauth2/userInfo",
            "/oauth2/revoke",
            "/changePassword",
        ] {
            requests.push((
                "GET".into(),
                format!("{domain}{path}{query}"),
                vec![],
                vec![],
            ));
            requests.push((
                "POST".into(),
                format!("{domain}{path}{query}"),
                vec![form.clone()],
                b"%ff=%&a&=&username=%00".to_vec(),
            ));
        }
    }
    for token in [
        "",
        "a",
        "..",
        "e30.e30.",
        "k8s-aws-v1.",
        "k8s-aws-v1.aHR0cHM6Ly94",
        &long,
        "\u{e9}",
    ] {
        requests.push((
            "GET".into(),
            format!("{api}/api"),
            vec![bearer(token)],
            vec![],
        ));
        requests.push((
            "GET".into(),
            format!("{domain}/oauth2/userInfo"),
            vec![bearer(token)],
            vec![],
        ));
    }
    requests.push((
        "GET".into(),
        format!("{front}/{pool}/.well-known/jwks.json"),
        vec![],
        vec![],
    ));
    let http = up.https()?;
    let kube = up.cluster_https()?;
    let count = requests.len();
    crate::rig::block_on(async {
        for (method, url, headers, body) in requests {
            let client = if url.starts_with(&api) { &kube } else { &http };
            let mut request = client
                .request(
                    method.parse().map_err(|_| "a method".to_owned())?,
                    url.as_str(),
                )
                .body(body);
            for (name, value) in &headers {
                let value = http::HeaderValue::from_bytes(value.as_bytes())
                    .map_err(|error| error.to_string())?;
                request = request.header(name, value);
            }
            // A path that hyper itself refuses ends the connection or gets 414.
            let Ok(response) = request.send().await else {
                continue;
            };
            let status = response.status();
            // 501 names an operation that there is no behaviour for.
            check(!status.is_server_error() || status.as_u16() == 501, || {
                format!(
                    "{method} {} {headers:?}: {status}",
                    &url[..url.len().min(120)]
                )
            })?;
        }
        Ok::<(), Stop>(())
    })?;
    let status = up.control("GET", "rig/status", &serde_json::Value::Null)?;
    check(status["panics"] == 0, || {
        format!("after {count} requests: {status}")
    })?;
    check(!up.log().contains("panicked"), || up.log())
}
