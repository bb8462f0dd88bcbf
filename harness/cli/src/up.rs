//! `rolecall up`.

use std::fmt::{Display, Write as _};
use std::path::Path;

use harness::cluster::{Kind, Version, kind};
use harness::instance::{Error, Instance, Ready};
use harness::offline::authn::sound;
use harness::process::quote;
use harness::rig::{self, AuditPolicy, AuthenticationFile};

use crate::arguments::{ClusterName, Up};
use crate::signals::Signals;
use crate::{Stop, output};

pub async fn up(mut options: Up) -> Result<u8, Stop> {
    if options.cluster == ClusterName::Kubeconfig {
        return Err(Stop::usage(
            "a cluster that is there already is for `rolecall test --cluster kubeconfig`; beside a kind cluster of your own there is `rolecall up --for-kind`",
        ));
    }
    if (options.keep || options.reuse) && options.cluster != ClusterName::Kind {
        return Err(Stop::usage(
            "--keep and --reuse are for --cluster kind: the others are there in a moment",
        ));
    }
    if options.listen.is_some() && options.cluster == ClusterName::Kind {
        return Err(Stop::usage(
            "--listen is not for --cluster kind, whose nodes find the front door at their network's gateway",
        ));
    }
    if options.for_kind {
        if options.aws_hosts {
            return Err(Stop::usage(FOR_KIND_BY_OWN_NAMES));
        }
        pin_for_kind(&mut options);
    }
    let ports = [options.port, options.api_port, options.proxy_port];
    let mut chosen: Vec<u16> = ports.into_iter().filter(|port| *port != 0).collect();
    chosen.sort_unstable();
    if chosen.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Stop::usage(
            "--port, --api-port and --proxy-port must differ: each listener needs a port of its own",
        ));
    }
    let config = rig::Config {
        port: options.port,
        api_port: options.api_port,
        region: options.region.clone(),
        account: options.account.clone(),
        cluster_name: options.cluster_name.clone(),
        association_delay: options.association_delay,
        pins: options.pins().map_err(Stop::usage)?,
        seeded_ids: options.seeded_ids,
        seed: options.seed.clone(),
        names: options.names(),
        cluster: options.cluster.into(),
        kubernetes_version: options.kubernetes_version,
        kind_image: options.kind_image.clone(),
        listen: options.listen,
        for_kind: options.for_kind,
        keep: options.keep,
        reuse: options.reuse,
        audit_policy: match &options.audit_policy_file {
            Some(path) => audit_policy(path, options.kubernetes_version)?,
            None => AuditPolicy::default(),
        },
        authentication: match &options.authentication_config {
            Some(path) => Some(authentication(path, &options)?),
            None => None,
        },
        timing: options.timing.into(),
        ..rig::Config::default()
    };
    if config.cluster != Kind::Embedded {
        eprintln!("rolecall: starting a {} cluster", config.cluster.name());
    }
    // Asked for before the first file is written: a signal that comes early
    // must find somebody who cleans up.
    let mut signals = Signals::new().map_err(Stop::rig)?;
    let nodes = Nodes::before(&[options.cluster.into()]);
    let dir = options.instance.dir.clone();
    let mut starting = Box::pin(async move { Instance::start(&dir, config).await });
    let started = tokio::select! {
        started = &mut starting => started,
        () = signals.next() => {
            // What was made so far goes with it, which may take Docker its time.
            let gone = tokio::task::spawn_blocking(move || drop(starting));
            tokio::select! {
                _ = gone => {}
                () = signals.next() => {}
            }
            nodes.tell();
            return Ok(0);
        }
    };
    if started.is_err() {
        nodes.tell();
    }
    let instance = started.map_err(|error| match error {
        Error::Taken { .. }
        | Error::NotOurs { .. }
        | Error::Colon { .. }
        | Error::Rig(rig::Error::Seed { .. }) => Stop::usage(error),
        error => Stop::rig(error),
    })?;
    if options.reuse && !instance.reused() {
        eprintln!(
            "rolecall: no kept cluster was made as this one is wanted, so this is a new one{}",
            if options.keep {
                ""
            } else {
                ", which goes when it ends (--keep leaves it)"
            }
        );
    }
    if options.json {
        // The control token and the keys stay in ready.json, which is private.
        let dir = serde_json::Value::from(instance.ready().dir.as_str());
        output::print(&format!(
            "{}\n",
            serde_json::json!({
                "ready": true,
                "dir": dir,
                "origin": instance.ready().origin,
                "apiServer": instance.ready().api_server,
                "pid": instance.ready().pid,
                "clusterKind": instance.ready().cluster_kind,
                "kubernetes": instance.ready().kubernetes,
                "proxy": instance.ready().proxy,
            })
        ));
    } else {
        output::print(&table(instance.ready(), &options));
    }
    if options.for_kind
        && let Ok(docker) = kind::docker().await
        && !docker.privileged
    {
        eprintln!("rolecall: {NO_PRIVILEGES}");
    }
    let broken = tokio::select! {
        () = signals.next() => None,
        () = instance.asked_to_stop() => None,
        why = instance.broken() => Some(why),
    };
    // Whoever asks a second time does not wait for what goes by itself.
    tokio::select! {
        () = instance.stop() => {}
        () = signals.next() => {}
    }
    nodes.tell();
    match broken {
        None => Ok(0),
        Some(why) => Err(Stop::rig(format!("the cluster broke: {why}"))),
    }
}

/// What whoever makes nodes by hand would read in Docker's words.
const NO_PRIVILEGES: &str = "Docker starts no privileged container here, as kind's nodes are, since CAP_SYS_RESOURCE has been taken from everybody on this machine: `kind create cluster` will fail. --cluster kind gets round that; or make the node where the capability is there";

/// What an earlier run has left of kind's nodes, before we make some.
pub struct Nodes(Option<Vec<String>>);

impl Nodes {
    /// Looks, where one of these is a cluster of kind.
    pub fn before(clusters: &[Kind]) -> Self {
        Self(clusters.contains(&Kind::Kind).then(left))
    }

    /// Says which are left since, as far as Docker has not said that they are gone.
    pub fn tell(&self) {
        let Some(before) = &self.0 else { return };
        for name in left().iter().filter(|name| !before.contains(name)) {
            eprintln!(
                "rolecall: the kind cluster {name} may still be there, since Docker has not said that it is gone: rolecall clean removes it"
            );
        }
    }
}

fn left() -> Vec<String> {
    let left = kind::left(false);
    left.iter().map(|left| left.name().to_owned()).collect()
}

/// Why --for-kind and --aws-hosts do not go together.
pub const FOR_KIND_BY_OWN_NAMES: &str = "--for-kind is for nodes that you make with kind, which do not find AWS' host names: leave --aws-hosts out, or take --cluster kind --aws-hosts, whose node finds them";

/// What nobody chose is what goes with kind-config.yaml.
fn pin_for_kind(options: &mut Up) {
    let pinned = rig::Config::for_kind(&options.region);
    if options.port == 0 {
        options.port = pinned.port;
    }
    for (what, id) in [("pool", pinned.pins.pool), ("client", pinned.pins.client)] {
        let chosen = |pin: &String| pin.starts_with(&format!("{what}="));
        if let Some(id) = id.filter(|_| !options.pin.iter().any(chosen)) {
            options.pin.push(format!("{what}={id}"));
        }
    }
}

/// Whom a cluster is to trust.
fn authentication(path: &Path, options: &Up) -> Result<AuthenticationFile, Stop> {
    if options.cluster != ClusterName::Embedded {
        return Err(Stop::usage(
            "--authentication-config is for the embedded cluster: EKS is told by associating an identity provider, and so are the others here",
        ));
    }
    let file = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|why| Stop::usage(format!("--authentication-config {file}: {why}")))?;
    let version = options.kubernetes_version.unwrap_or_default();
    // What is sound, and needs something that is not here, has no line to be told.
    let is_sound = sound(&text, version).is_ok();
    AuthenticationFile::new(path, text, version).map_err(|faults| {
        let hint = format!("\n(rolecall authn validate {file} says in which lines)");
        let hint = if is_sound { "" } else { &hint };
        Stop::usage(format!("--authentication-config {file}: {faults}{hint}"))
    })
}

fn audit_policy(path: &Path, version: Option<Version>) -> Result<AuditPolicy, Stop> {
    let wrong = |why: &dyn Display| {
        let path = path.display();
        Stop::usage(format!("--audit-policy-file {path}: {why}"))
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    AuditPolicy::parse(&text, version.unwrap_or_default()).map_err(|error| wrong(&error))
}

fn table(ready: &Ready, options: &Up) -> String {
    let dir = &ready.dir;
    let pages = match &ready.proxy {
        None => format!("{}/domains/DOMAIN", ready.origin),
        Some(_) => format!("https://DOMAIN.auth.{}.amazoncognito.com", ready.region),
    };
    let mut rows = vec![
        ("Cognito, EKS, STS", ready.origin.clone()),
        ("issuer of a pool", format!("{}/POOL_ID", ready.issuer_base)),
        ("hosted pages", pages),
        (
            "cluster",
            format!(
                "{} at {}, {} {}",
                ready.cluster_name, ready.api_server, ready.cluster_kind, ready.kubernetes
            ),
        ),
        ("CA, kubeconfig, audit log", dir.clone()),
    ];
    if let Some(proxy) = &ready.proxy {
        rows[0].1 = "their own host names".to_owned();
        rows.insert(0, ("proxy to AWS' names", proxy.clone()));
    }
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    let mut text = format!("{}\n\n", output::bold("rolecall is up"));
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:width$}  {value}");
    }
    if !ready.limits.is_empty() {
        let _ = writeln!(text, "\nOf this cluster:\n");
        for limit in &ready.limits {
            let _ = writeln!(text, "  {limit}");
        }
    }
    if let Some(address) = options.listen {
        let _ = writeln!(
            text,
            "\nOther machines may reach it at {address}, and so may whoever is there."
        );
    } else if !ready.origin.contains("127.0.0.1") {
        text += "\nContainers on kind's network reach the front door, too, and so may whoever runs them.\n";
    }
    let flag = if options.instance.dir.as_os_str() == ".rolecall" {
        String::new()
    } else {
        format!(" --dir {}", quote(dir))
    };
    let program = program();
    let _ = write!(
        text,
        "\nNext, in another terminal:\n\n  eval \"$({program} env{flag})\"\n  \
         aws cognito-idp create-user-pool --pool-name kubedemy --username-attributes email\n\n\
         Ctrl-C ends it.\n"
    );
    text
}

/// How this program is called from another terminal: by its name where that
/// leads here, else by its path.
fn program() -> String {
    let Ok(here) = std::env::current_exe() else {
        return "rolecall".to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        .map(|folder| folder.join("rolecall"))
        .find_map(|candidate| candidate.canonicalize().ok());
    if on_path.as_ref() == Some(&here) {
        "rolecall".to_owned()
    } else {
        quote(&here.display().to_string())
    }
}
