//! The same requests to the embedded cluster and to a real control plane, over
//! HTTPS: status, body and audit events are compared.
//!
//! `KUBEBUILDER_ASSETS=… cargo run --release -p e2e --example differential -- [--seed N] [--requests N]`
//! prints each difference and ends in `N requests, D differences, E of them about
//! who may do what`; the exit code is 1 where E is not 0.

#![allow(
    clippy::disallowed_methods,
    reason = "it waits for other processes by the machine's clock"
)]

mod compare;
mod requests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use compare::Outcome;
use harness::cluster::Kind;
use harness::login::Driver;
use harness::rig::{Audit, Config, Rig};
use http::{HeaderName, HeaderValue, Method};
use requests::{PEOPLE, Request, Who};
use serde_json::{Value, json};

type Error = Box<dyn std::error::Error>;

const PASSWORD: &str = "H3lloW@rlD";
/// How long a real authorizer may take to follow its storage.
const SETTLES: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<std::process::ExitCode, Error> {
    foundation::pki::install_provider();
    let (seed, count) = (
        number("--seed")?.unwrap_or(1),
        number("--requests")?.unwrap_or(2_000),
    );
    let folder = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for kind in Kind::ALL {
        servers.push(Server::start(kind, folder.path().join(kind.name())).await?);
    }
    let all: Vec<Request> = requests::setup()
        .into_iter()
        .chain(requests::draw(seed, usize::try_from(count)?))
        .collect();
    let began = Instant::now();
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let (mut differences, mut decisions) = (0, 0);
    let mut changed: Option<Instant> = None;
    for (number, request) in all.iter().enumerate() {
        let mut outcomes = ask(&mut servers, request).await?;
        let fresh = |changed: &Instant| changed.elapsed() < SETTLES;
        while outcomes[0].status != outcomes[1].status
            && is_safe(request)
            && changed.as_ref().is_some_and(fresh)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
            outcomes = ask(&mut servers, request).await?;
        }
        if request.writes_rbac() {
            changed = Some(Instant::now());
        }
        if let Ok(status) = outcomes[1].status {
            *statuses.entry(status).or_default() += 1;
        }
        if outcomes[0] != outcomes[1] {
            differences += 1;
            println!("#{number} {request}");
            if outcomes[0].decision() != outcomes[1].decision() {
                decisions += 1;
                println!("    about who may do what:");
            }
            for line in compare::differences(&outcomes[0], &outcomes[1]) {
                println!("    {line}");
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
    println!(
        "{} requests, {differences} differences, {decisions} of them about who may do what",
        all.len()
    );
    Ok(std::process::ExitCode::from(u8::from(decisions > 0)))
}

fn number(flag: &str) -> Result<Option<u64>, Error> {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag);
    match (arguments.next(), arguments.next()) {
        (Some(_), Some(value)) => Ok(Some(value.parse()?)),
        (Some(_), None) => Err(format!("{flag} wants a number").into()),
        _ => Ok(None),
    }
}

/// Whether it can be asked again without a change.
fn is_safe(request: &Request) -> bool {
    matches!(request.method, "GET" | "HEAD") || request.target.contains("review")
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
    audit: PathBuf,
    read: usize,
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
        let admin = harness::client::https(roots.clone(), Some(cluster.admin()), None)?;
        let bearer = harness::client::https(roots, None, None)?;
        let words = vec![
            (cluster.address().to_string(), "API SERVER"),
            (rig.origin().to_owned(), "ORIGIN"),
        ];
        let tokens = people(&rig).await?;
        Ok(Self {
            rig,
            admin,
            bearer,
            tokens,
            words,
            audit,
            read: 0,
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
                });
            }
        };
        let status = answer.status().as_u16();
        let header = |name: &str| {
            let value = answer.headers().get(name)?.to_str().ok()?;
            Some((name.to_owned(), value.to_owned()))
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
        } else {
            serde_json::from_str(&text).ok()
        };
        let mut body = parsed.unwrap_or(Value::String(text));
        let user = body
            .get_mut("status")
            .and_then(|status| status.get_mut("userInfo"));
        compare::mask_credentials(user);
        Ok(Outcome {
            status: Ok(status),
            media,
            headers,
            body: compare::common(&body, &self.words),
            events: self.events()?,
        })
    }

    /// The audit events since the last look.
    fn events(&mut self) -> Result<Vec<Value>, Error> {
        let log = std::fs::read(&self.audit)?;
        let new = String::from_utf8_lossy(&log[self.read..]).into_owned();
        self.read = log.len();
        Ok(new
            .lines()
            .map(|line| compare::event(line, &self.words))
            .collect())
    }
}

/// A pool with the people in it, which the cluster trusts; their ID tokens.
async fn people(rig: &Rig) -> Result<BTreeMap<&'static str, String>, Error> {
    let bench = rig.bench(Driver::Http).map_err(|why| why.to_string())?;
    let pool = json!({"PoolName": "people", "UsernameAttributes": ["email"]});
    let pool = bench.aws.cognito("CreateUserPool", &pool).await?;
    let pool = pool["UserPool"]["Id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let call = async |operation: &str, mut input: Value| -> Result<Value, Error> {
        input["UserPoolId"] = json!(pool);
        Ok(bench.aws.cognito(operation, &input).await?)
    };
    let client =
        json!({"ClientName": "c", "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]});
    let client = call("CreateUserPoolClient", client).await?;
    let client = client["UserPoolClient"]["ClientId"].clone();
    let trust = json!({"oidc": {
        "identityProviderConfigName": "people", "issuerUrl": format!("{}/{pool}", rig.issuer_base()),
        "clientId": client, "usernameClaim": "email", "groupsClaim": "cognito:groups", "groupsPrefix": "oidc:",
    }});
    let configs = format!("/clusters/{}/identity-provider-configs", bench.cluster_name);
    bench
        .aws
        .eks(Method::POST, &format!("{configs}/associate"), &trust)
        .await?;
    let described = json!({"identityProviderConfig": {"type": "oidc", "name": "people"}});
    loop {
        let answer = bench
            .aws
            .eks(Method::POST, &format!("{configs}/describe"), &described)
            .await?;
        if answer["identityProviderConfig"]["oidc"]["status"] == "ACTIVE" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut tokens = BTreeMap::new();
    for (name, group) in PEOPLE {
        call("CreateGroup", json!({"GroupName": group})).await?;
        call("AdminCreateUser", json!({"Username": name})).await?;
        call(
            "AdminSetUserPassword",
            json!({"Username": name, "Password": PASSWORD, "Permanent": true}),
        )
        .await?;
        call(
            "AdminAddUserToGroup",
            json!({"Username": name, "GroupName": group}),
        )
        .await?;
        let signed_in = call(
            "AdminInitiateAuth",
            json!({
                "ClientId": client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
                "AuthParameters": {"USERNAME": name, "PASSWORD": PASSWORD},
            }),
        )
        .await?;
        let token = signed_in["AuthenticationResult"]["IdToken"]
            .as_str()
            .unwrap_or_default();
        tokens.insert(name, token.to_owned());
    }
    Ok(tokens)
}
