//! The same requests to the embedded cluster and to a real control plane, over
//! HTTPS: status, body and audit events are compared.
//!
//! `KUBEBUILDER_ASSETS=… cargo run --release -p e2e --example differential -- [--seed N] [--requests N]`
//! prints each difference and ends in `N requests, D differences, E of them about
//! who may do what`; the exit code is 1 where there is one. What differs for a
//! reason that `compare.rs` knows is counted by it.

#![allow(
    clippy::disallowed_methods,
    reason = "it waits for other processes by the machine's clock"
)]

mod compare;
mod kubectl;
#[path = "../people/mod.rs"]
mod people;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use compare::Outcome;
use harness::cluster::Kind;
use harness::login::Driver;
use harness::rig::{Audit, Config, Rig};
use http::{HeaderName, HeaderValue, Method};
use people::Pool;
use requests::{PEOPLE, Request, Who};
use serde_json::{Value, json};

type Error = Box<dyn std::error::Error>;

/// How long a real authorizer may take to follow its storage, on a machine that has
/// other things to do.
const SETTLES: Duration = Duration::from_secs(5);

/// How often is asked until both name the same binding. Where two that will do stand
/// next to each other in Go's map of some seventy, a real server names the second of
/// them once in seventy times.
const MOST_LOOKS: usize = 600;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<std::process::ExitCode, Error> {
    foundation::pki::install_provider();
    let (seed, count) = (
        number("--seed")?.unwrap_or(1),
        number("--requests")?.unwrap_or(2_000),
    );
    let folder = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for kind in [Kind::Embedded, Kind::ControlPlane] {
        servers.push(Server::start(kind, folder.path().join(kind.name())).await?);
    }
    let kubectl = kubectl::record(&program("kubectl")?).await?;
    let drawn = usize::try_from(count)?.saturating_sub(kubectl.len());
    let survey = requests::survey();
    println!(
        "{} requests about all that is served, {} of kubectl's, {drawn} drawn",
        survey.len(),
        kubectl.len()
    );
    let all: Vec<Request> = requests::setup()
        .into_iter()
        .chain(survey)
        .chain(kubectl)
        .chain(requests::draw(seed, drawn))
        .collect();
    let began = Instant::now();
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let (mut differences, mut decisions, mut meant) = (0, 0, BTreeMap::new());
    let mut changed: Option<Instant> = None;
    for (number, request) in all.iter().enumerate() {
        let mut outcomes = ask(&mut servers, request).await?;
        let fresh = |changed: &Instant| changed.elapsed() < SETTLES;
        while differ(&outcomes) && is_safe(request) && changed.as_ref().is_some_and(fresh) {
            foundation::clock::pause(Duration::from_millis(20)).await;
            outcomes = ask(&mut servers, request).await?;
        }
        // A real server names each binding that will do, if it is asked often enough.
        let mut named = outcomes[0].bindings == outcomes[1].bindings;
        for _ in 0..MOST_LOOKS {
            if named || !is_safe(request) {
                break;
            }
            let again = ask(&mut servers, request).await?;
            named = again[0].bindings == again[1].bindings;
        }
        if request.writes_rbac() {
            changed = Some(Instant::now());
        }
        if let Ok(status) = outcomes[1].status {
            *statuses.entry(status).or_default() += 1;
        }
        if request.leaves_to_the_garbage_collector() {
            collect_garbage(&servers, request).await?;
        }
        let mut found = compare::differences(&outcomes[0], &outcomes[1]);
        let all_meant = found.iter().all(|one| one.meant().is_some());
        if found.is_empty() && outcomes[0].as_value() != outcomes[1].as_value() {
            *meant
                .entry("ours says that it does not serve it")
                .or_insert(0) += 1;
        }
        if let Some(why) = found.iter().find_map(compare::Difference::meant) {
            *meant.entry(why).or_insert(0) += 1;
        }
        found.retain(|one| one.meant().is_none());
        let by_another = is_safe(request) && !named;
        if !all_meant || by_another {
            differences += 1;
            println!("#{number} {request}");
            if by_another {
                let [ours, theirs] = [0, 1].map(|at| &outcomes[at].bindings);
                println!("    allowed by {ours:?} | {theirs:?}, and never by the same");
            }
            if outcomes[0].decision() != outcomes[1].decision() {
                decisions += 1;
                println!("    about who may do what:");
            }
            for one in found {
                println!("    {one}");
            }
        }
    }
    for server in servers {
        server.rig.stop().await;
    }
    let fell: Vec<String> = statuses
        .iter()
        .map(|(status, n)| format!("{status}: {n}"))
        .collect();
    println!(
        "seed {seed}, {:.0} s; by the real server's status {}",
        began.elapsed().as_secs_f64(),
        fell.join(", ")
    );
    for (why, count) in meant {
        println!("{count} differ as they are to: {why}");
    }
    println!(
        "{} requests, {differences} differences, {decisions} of them about who may do what",
        all.len()
    );
    Ok(std::process::ExitCode::from(u8::from(differences > 0)))
}

/// kubectl of the control plane's own version, from beside it.
fn program(name: &str) -> Result<PathBuf, Error> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").ok_or("KUBEBUILDER_ASSETS is not set")?;
    Ok(PathBuf::from(assets).join(name))
}

fn number(flag: &str) -> Result<Option<u64>, Error> {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag);
    match (arguments.next(), arguments.next()) {
        (Some(_), Some(value)) => Ok(Some(value.parse()?)),
        (Some(_), None) => Err(format!("{flag} wants a number").into()),
        _ => Ok(None),
    }
}

/// Takes off what a garbage collector would: the real control plane has none.
async fn collect_garbage(servers: &[Server], request: &Request) -> Result<(), Error> {
    let (path, _) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    for server in servers {
        let url = format!("{}{path}", server.rig.ready_cluster().endpoint());
        let sent = server
            .admin
            .patch(url)
            .header("content-type", "application/merge-patch+json")
            .body(r#"{"metadata":{"finalizers":null}}"#);
        sent.send().await?;
    }
    Ok(())
}

/// Whether they differ otherwise than they are to, in a reason for instance, which
/// follows the storage as decisions do.
fn differ(outcomes: &[Outcome]) -> bool {
    let found = compare::differences(&outcomes[0], &outcomes[1]);
    found.iter().any(|one| one.meant().is_none())
}

/// Whether it can be asked again without a change.
fn is_safe(request: &Request) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD") || request.target.contains("review")
}

async fn ask(servers: &mut [Server], request: &Request) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::new();
    for server in servers {
        outcomes.push(server.ask(request).await?);
    }
    Ok(outcomes)
}

/// One cluster with its identity provider, people and audit log.
struct Server {
    rig: Rig,
    admin: reqwest::Client,
    bearer: reqwest::Client,
    tokens: BTreeMap<&'static str, String>,
    words: Vec<(String, &'static str)>,
    audit: std::fs::File,
}

impl Server {
    async fn start(kind: Kind, audit: PathBuf) -> Result<Self, Error> {
        let rig = Rig::start(Config {
            cluster: kind,
            audit: Audit::File(audit.clone()),
            seeded_ids: Some(1),
            association_delay: Duration::ZERO,
            ..Config::default()
        })
        .await?;
        let cluster = rig.ready_cluster();
        let roots = foundation::pki::roots_from_pem(cluster.ca_pem())?;
        let admin = harness::client::https(roots.clone(), cluster.admin(), None)?;
        let bearer = harness::client::https(roots, None, None)?;
        let words = vec![
            (
                cluster.endpoint().trim_start_matches("https://").to_owned(),
                "API SERVER",
            ),
            (rig.origin().to_owned(), "ORIGIN"),
        ];
        let tokens = people(&rig).await?;
        Ok(Self {
            rig,
            admin,
            bearer,
            tokens,
            words,
            audit: std::fs::File::open(audit)?,
        })
    }

    async fn ask(&mut self, request: &Request) -> Result<Outcome, Error> {
        // What somebody else left in the log meanwhile is none of this.
        self.events()?;
        let client = match request.who {
            Who::Admin => &self.admin,
            _ => &self.bearer,
        };
        let url = format!("{}{}", self.rig.ready_cluster().endpoint(), request.target);
        let mut sent = client.request(Method::from_bytes(request.method.as_bytes())?, url);
        match request.who {
            Who::Person(name) => sent = sent.bearer_auth(&self.tokens[name]),
            Who::Junk(token) => sent = sent.header("authorization", format!("Bearer {token}")),
            Who::Admin | Who::Anonymous => {}
        }
        for (name, value) in &request.headers {
            sent = sent.header(
                HeaderName::from_bytes(name.as_bytes())?,
                HeaderValue::from_str(value)?,
            );
        }
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        let answer = match sent.send().await {
            Ok(answer) => answer,
            Err(error) => {
                return Ok(Outcome {
                    status: Err(error.to_string()),
                    media: String::new(),
                    headers: Vec::new(),
                    body: Value::Null,
                    events: Vec::new(),
                    bindings: BTreeSet::new(),
                });
            }
        };
        let status = answer.status().as_u16();
        let header = |name: &str| {
            let values = answer.headers().get_all(name).iter();
            let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
            (!values.is_empty()).then(|| (name.to_owned(), values.join("\n")))
        };
        let headers = [
            "warning",
            "www-authenticate",
            "location",
            "allow",
            "retry-after",
        ];
        let headers = headers.into_iter().filter_map(header).collect();
        let media = header("content-type")
            .map(|(_, value)| value)
            .unwrap_or_default();
        let text = answer.text().await?;
        let parsed = if media.starts_with("application/yaml") {
            serde_saphyr::from_str(&text).ok()
        } else if status == 200 && request.watches() {
            lines_of(&text)
        } else {
            serde_json::from_str(&text).ok()
        };
        let mut body = parsed.unwrap_or(Value::String(text));
        let user = body
            .get_mut("status")
            .and_then(|status| status.get_mut("userInfo"));
        compare::mask_credentials(user);
        let events = self.events()?;
        let mut bindings = BTreeSet::new();
        compare::bindings(&body, &mut bindings);
        events
            .iter()
            .for_each(|event| compare::bindings(event, &mut bindings));
        let event = |event| compare::event(event, &self.words);
        Ok(Outcome {
            status: Ok(status),
            media,
            headers,
            body: compare::common(&body, &self.words),
            events: events.into_iter().map(event).collect(),
            bindings,
        })
    }

    /// The audit events since the last look.
    fn events(&mut self) -> Result<Vec<Value>, Error> {
        let mut new = Vec::new();
        self.audit.read_to_end(&mut new)?;
        let read =
            |line| serde_json::from_str(line).unwrap_or_else(|_| json!({"unreadable": line}));
        Ok(String::from_utf8_lossy(&new).lines().map(read).collect())
    }
}

/// What a watch answers: a JSON value a line.
fn lines_of(text: &str) -> Option<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines
        .collect::<Result<Vec<Value>, _>>()
        .ok()
        .map(Value::from)
}

/// A pool with the people in it, which the cluster trusts; their ID tokens.
async fn people(rig: &Rig) -> Result<BTreeMap<&'static str, String>, Error> {
    let bench = rig.bench(Driver::Http).map_err(|why| why.to_string())?;
    let pool = Pool::trusted(&bench.aws, &rig.issuer_base(), &bench.cluster_name).await?;
    let path = format!(
        "/clusters/{}/identity-provider-configs/describe",
        bench.cluster_name
    );
    let described = json!({"identityProviderConfig": {"type": "oidc", "name": "people"}});
    loop {
        let answer = bench.aws.eks(Method::POST, &path, &described).await?;
        if answer["identityProviderConfig"]["oidc"]["status"] == "ACTIVE" {
            break;
        }
        foundation::clock::pause(Duration::from_millis(50)).await;
    }
    let mut tokens = BTreeMap::new();
    for (name, group) in PEOPLE {
        tokens.insert(name, pool.sign_in(name, Some(group)).await?);
    }
    Ok(tokens)
}
