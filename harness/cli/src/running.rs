//! The words that need a running instance.

use std::fmt::Write as _;
use std::path::Path;

use harness::cluster::kubeconfig::save;
use harness::instance::{Error, Ready, Running, trusted};
use harness::login::browser;
use harness::{browse, process};
use serde_json::{Value, json};

use crate::arguments::{Browse, Instance, Json, Kubeconfig, LoginBy, Run};
use crate::{Stop, output};

pub async fn env(options: Json) -> Result<u8, Stop> {
    let running = find(&options.instance.dir).await?;
    let changes = process::changes(running.ready(), process::environment());
    if options.json {
        let all: serde_json::Map<String, Value> = changes
            .into_iter()
            .map(|change| match change {
                process::Change::Set(name, value) => (name.to_owned(), Value::from(value)),
                process::Change::Unset(name) => (name, Value::Null),
            })
            .collect();
        output::print(&format!("{}\n", Value::Object(all)));
    } else {
        output::print(&process::exports(&changes));
    }
    Ok(0)
}

pub async fn shell(options: Instance) -> Result<u8, Stop> {
    let running = find(&options.dir).await?;
    let shell = std::env::var("SHELL")
        .ok()
        .filter(|shell| !shell.is_empty())
        .unwrap_or_else(|| "/bin/sh".to_owned());
    eprintln!(
        "A shell under the instance at {}; leave it with exit.",
        running.ready().origin
    );
    start(running.ready(), &shell, &[])
}

pub async fn run(options: Run) -> Result<u8, Stop> {
    let running = find(&options.instance.dir).await?;
    let (program, arguments) = options
        .command
        .split_first()
        .ok_or_else(|| Stop::usage("name the program to run after --"))?;
    start(running.ready(), program, arguments)
}

/// The program takes our place: its signals and its exit status are its own.
fn start(ready: &Ready, program: &str, arguments: &[String]) -> Result<u8, Stop> {
    use std::os::unix::process::CommandExt as _;
    let error = process::command(ready, program, arguments).exec();
    Err(Stop::usage(format!("cannot run {program}: {error}")))
}

pub async fn kubeconfig(options: Kubeconfig) -> Result<u8, Stop> {
    let running = find(&options.instance.dir).await?;
    let LoginBy::Kubelogin = options.login;
    let entry = running
        .kubelogin_entry(options.cluster.as_deref(), &options.user, &options.context)
        .await
        .map_err(|error| match error {
            Error::NoLogin { .. } => Stop::usage(error),
            error => Stop::rig(error),
        })?;
    let ready = running.ready();
    let path = options.output.as_ref().unwrap_or(&ready.paths.kubeconfig);
    if path.as_os_str() == "-" {
        let text = entry.put_into("").map_err(Stop::rig)?;
        output::print(&text);
        return Ok(0);
    }
    let named =
        |reason: &dyn std::fmt::Display| Stop::usage(format!("{}: {reason}", path.display()));
    let existing = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(named(&error)),
    };
    let text = entry.put_into(&existing).map_err(|reason| named(&reason))?;
    save(path, &text).map_err(|error| named(&error))?;
    output::print(&format!(
        "{}: context {} is cluster {}, user {} logs in by kubelogin at {}\n\nNext: kubectl auth whoami\n",
        path.display(),
        entry.context,
        entry.cluster,
        entry.user,
        entry.issuer
    ));
    Ok(0)
}

pub async fn browse(options: Browse) -> Result<u8, Stop> {
    let running = find(&options.instance.dir).await?;
    let browser = browser::find_browser().map_err(Stop::usage)?;
    if !options.headless && !has_display() {
        return Err(Stop::usage(
            "there is no display for a window (DISPLAY and WAYLAND_DISPLAY are not set); run it where there is one, or add --headless for a browser that nobody sees",
        ));
    }
    let url = match options.url {
        Some(url) => url,
        None => browse::start_page(&running).await,
    };
    let opened = browse::open(&browser, running.ready(), &url, options.headless).await;
    opened.map_err(|error| Stop::rig(format!("cannot start {}: {error}", browser.display())))?;
    // Standard output may be somebody else's, such as kubectl's.
    eprintln!("{} shows {url}", browser.display());
    Ok(0)
}

fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

pub async fn status(options: Json) -> Result<u8, Stop> {
    let running = find(&options.instance.dir).await?;
    let status = running.status().await.map_err(Stop::rig)?;
    let ready = running.ready();
    if options.json {
        let mut answer = json!({
            "origin": ready.origin, "apiServer": ready.api_server, "pid": ready.pid,
            "dir": ready.dir, "region": ready.region,
        });
        for part in ["clusters", "proxy", "otherHosts"] {
            if let Some(value) = status.get(part) {
                answer[part] = value.clone();
            }
        }
        output::print(&format!("{answer}\n"));
        return Ok(0);
    }
    let mut text = format!("up at {} (pid {})\n", ready.origin, ready.pid);
    for cluster in status["clusters"].as_array().into_iter().flatten() {
        let elsewhere = if cluster["region"] == ready.region.as_str() {
            String::new()
        } else {
            format!(" in {}", word(&cluster["region"]))
        };
        let _ = writeln!(
            text,
            "cluster {}{elsewhere} {} {}",
            word(&cluster["name"]),
            word(&cluster["status"]),
            word(&cluster["endpoint"])
        );
        for limit in cluster["limits"].as_array().into_iter().flatten() {
            let _ = writeln!(text, "  {}", word(limit));
        }
        let trusted = trusted(cluster);
        for issuer in &trusted {
            let (status, name) = match issuer["name"].as_str() {
                Some(name) => (word(&issuer["status"]), name),
                None => ("trusts", "--authentication-config"),
            };
            let clients = issuer["audiences"].as_array().into_iter().flatten();
            let clients: Vec<&str> = clients.map(word).collect();
            let clients = match clients.as_slice() {
                [] => word(&issuer["clientId"]).to_owned(),
                all => all.join(", "),
            };
            let issuer_url = word(&issuer["issuer"]);
            let _ = writeln!(text, "  {status} {issuer_url}, client {clients} ({name})");
            if let Some(trouble) = issuer["trouble"].as_str() {
                let _ = writeln!(text, "  but {trouble}");
            }
        }
        if trusted.is_empty() {
            text.push_str("  trusts no issuer yet: aws eks associate-identity-provider-config\n");
        }
    }
    if let Some(proxy) = status["proxy"].as_str() {
        let _ = writeln!(text, "proxy to AWS' names {proxy}");
        let hosts = &status["otherHosts"];
        let became = if hosts["allowed"] == true {
            "let through"
        } else {
            "refused"
        };
        for host in hosts["askedFor"].as_array().into_iter().flatten() {
            let times = match host["times"].as_u64() {
                Some(times) if times > 1 => format!(", {times} times"),
                _ => String::new(),
            };
            let _ = writeln!(text, "  {became} {}{times}", word(&host["host"]));
        }
    }
    output::print(&text);
    Ok(0)
}

pub async fn outbox(options: Json) -> Result<u8, Stop> {
    let running = find(&options.instance.dir).await?;
    let answer = running.outbox().await.map_err(Stop::rig)?;
    if options.json {
        output::print(&format!("{answer}\n"));
        return Ok(0);
    }
    let mut text = String::new();
    for message in answer["messages"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "by {} to {}: {}\n{}\n",
            word(&message["medium"]),
            word(&message["destination"]),
            word(&message["subject"]),
            word(&message["body"])
        );
    }
    if text.is_empty() {
        text.push_str("nothing was sent\n");
    }
    output::print(&text);
    Ok(0)
}

pub fn audit(options: Json) -> Result<u8, Stop> {
    let path = options.instance.dir.join("audit.log");
    let log = std::fs::read_to_string(&path).map_err(|error| {
        Stop::usage(format!(
            "{}: {error}; an instance writes it: rolecall up",
            path.display()
        ))
    })?;
    if options.json {
        output::print(&log);
        return Ok(0);
    }
    let mut text = String::new();
    for line in log.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let annotations = &event["annotations"];
        let _ = writeln!(
            text,
            "{} {:3} {:6} {} {} {}",
            word(&event["stageTimestamp"]),
            // A request that was only received has no answer yet.
            match &event["responseStatus"]["code"] {
                Value::Null => "-".to_owned(),
                code => code.to_string(),
            },
            word(&annotations["authorization.k8s.io/decision"]),
            event["user"]["username"].as_str().unwrap_or("-"),
            word(&event["verb"]),
            word(&event["requestURI"]),
        );
        let reason = word(&annotations["authorization.k8s.io/reason"]);
        if !reason.is_empty() {
            let _ = writeln!(text, "    {reason}");
        }
    }
    output::print(&text);
    Ok(0)
}

pub async fn down(options: Instance) -> Result<u8, Stop> {
    let running = find(&options.dir).await?;
    running.stop().await.map_err(Stop::rig)?;
    if running.ended().await {
        output::print("stopped\n");
        return Ok(0);
    }
    Err(Stop::rig(format!(
        "the instance (pid {}) does not end",
        running.ready().pid
    )))
}

async fn find(dir: &Path) -> Result<Running, Stop> {
    Running::find(dir).await.map_err(|error| match error {
        Error::NotRunning { .. } => Stop::usage(error),
        error => Stop::rig(error),
    })
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
