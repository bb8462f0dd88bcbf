//! Prints the figures, each with how it was measured. They are orders of
//! magnitude on the machine at hand; nothing asserts them.
//!
//! `cargo build --release -p rolecall && cargo run --release
//! --config profile.release.package.e2e.opt-level=2 -p e2e --example figures`;
//! with `-- sign-ins` those of signing in alone.

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use foundation::clock::Clock;
use foundation::pki;
use foundation::secret::Secret;
use harness::aws::ids::Ids;
use harness::aws::keys::AccessKeys;
use harness::client::{AwsClient, Endpoint};
use harness::instance::Ready;
use harness::login::http::HttpLogin;
use harness::login::{Login as _, Request};
use serde_json::{Value, json};

type Error = Box<dyn std::error::Error>;

const USERS: usize = 1_000;
const GROUPS: usize = 5;
const SIGN_INS: usize = 2_000;
const PASSWORD: &str = "H3lloW@rlD";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    pki::install_provider();
    println!(
        "load average before: {}",
        std::fs::read_to_string("/proc/loadavg")?.trim()
    );
    if std::env::args().all(|part| part != "sign-ins") {
        starting()?;
        demo()?;
        proxied().await?;
    }
    let folder = tempfile::tempdir()?;
    let mut up = Up::start(folder.path())?;
    up.wait_ready()?;
    let bench = Bench::new(up.ready()?)?;
    bench.populate().await?;
    bench.logins().await?;
    bench.sign_ins(up.child.id()).await?;
    bench.beside().await?;
    println!(
        "VmRSS of up after all of this: {} MB",
        vm_rss(up.child.id())? / 1024
    );
    Ok(())
}

/// From process start to `ready.json`, and the memory then.
fn starting() -> Result<(), Error> {
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..21 {
        let folder = tempfile::tempdir()?;
        let begun = Instant::now();
        let up = Up::start(folder.path())?;
        up.wait_ready()?;
        times.push(begun.elapsed());
        memory.push(vm_rss(up.child.id())?);
    }
    times.sort();
    memory.sort_unstable();
    println!(
        "up ready after process start, 21 starts: min {:.0} ms, median {:.0} ms, max {:.0} ms (goal 100 ms); \
         VmRSS then: median {} MB (goal 40 MB)",
        ms(times[0]),
        ms(times[10]),
        ms(times[20]),
        memory[10] / 1024
    );
    Ok(())
}

/// What the proxy adds to a request under AWS' names: the same document, by
/// turns from the front door itself and through the proxy, on connections that
/// stay open, and on new ones.
async fn proxied() -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let mut up = Up::start_more(folder.path(), None, &["--aws-hosts"])?;
    up.wait_ready()?;
    let ready = up.ready()?;
    let pem = std::fs::read_to_string(&ready.paths.ca)?;
    let client = || -> Result<reqwest::Client, Error> {
        let roots = pki::roots_from_pem(&pem)?;
        Ok(harness::client::https(roots, None, ready.proxy.as_deref())?)
    };
    let pool = json!({"PoolName": "proxied"});
    let pool = ready
        .aws(client()?)
        .cognito("CreateUserPool", &pool)
        .await?;
    let pool = pool["UserPool"]["Id"].as_str().ok_or("no pool id")?;
    let direct = format!("{}/{pool}/.well-known/jwks.json", ready.origin);
    let through = format!("{}/{pool}/.well-known/jwks.json", ready.issuer_base);
    let ask = async |client: &reqwest::Client, url: &str| -> Result<Duration, Error> {
        let begun = Instant::now();
        let answer = client.get(url).send().await?.error_for_status()?;
        answer.bytes().await?;
        Ok(begun.elapsed())
    };
    let kept = client()?;
    let (mut open, mut fresh) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for turn in 0..2_000 {
        for (way, url) in [&direct, &through].into_iter().enumerate() {
            open[way].push(ask(&kept, url).await?);
            if turn < 200 {
                fresh[way].push(ask(&client()?, url).await?);
            }
        }
    }
    for (what, [mut direct, mut through]) in [("open", open), ("new", fresh)] {
        direct.sort();
        through.sort();
        let (direct, through) = (direct[direct.len() / 2], through[through.len() / 2]);
        println!(
            "a key set through the proxy to AWS' names, {what} connections: median {:.2} ms, \
             {:.2} ms without it: {:.2} ms more (goal 2 ms)",
            ms(through),
            ms(direct),
            ms(through) - ms(direct)
        );
    }
    Ok(())
}

/// The whole program, with keys in the bank and with none.
fn demo() -> Result<(), Error> {
    let cache = tempfile::tempdir()?;
    let run = || -> Result<Duration, Error> {
        let begun = Instant::now();
        let status = Command::new(rolecall()?)
            .arg("demo")
            .env("XDG_CACHE_HOME", cache.path())
            .stdout(Stdio::null())
            .status()?;
        if status.success() {
            Ok(begun.elapsed())
        } else {
            Err("the demo failed".into())
        }
    };
    let cold = run()?;
    // An instance that stands for a while fills the bank.
    let folder = tempfile::tempdir()?;
    let up = Up::start_with(folder.path(), Some(cache.path()))?;
    up.wait_ready()?;
    std::thread::sleep(Duration::from_secs(8));
    drop(up);
    let warm = run()?;
    println!(
        "demo, whole process: {:.0} ms with keys in the bank (goal 1,000 ms), {:.0} ms with an empty one",
        ms(warm),
        ms(cold)
    );
    Ok(())
}

struct Bench {
    aws: AwsClient,
    login: HttpLogin,
    cluster: reqwest::Client,
    ready: Ready,
    ids: std::sync::OnceLock<(String, String)>,
    token: std::sync::OnceLock<String>,
}

impl Bench {
    fn new(ready: Ready) -> Result<Self, Error> {
        let dir = Path::new(&ready.dir);
        let edge = pki::roots_from_pem(&std::fs::read_to_string(dir.join("ca.crt"))?)?;
        let kubeconfig = std::fs::read_to_string(dir.join("admin.kubeconfig"))?;
        let ca = kubeconfig
            .lines()
            .find_map(|line| line.trim().strip_prefix("certificate-authority-data: "))
            .ok_or("no CA in admin.kubeconfig")?;
        let ca = {
            use base64::Engine as _;
            String::from_utf8(base64::engine::general_purpose::STANDARD.decode(ca)?)?
        };
        Ok(Self {
            aws: AwsClient::new(
                as_the_aws_cli(&edge)?,
                Endpoint::Origin(ready.origin.clone()),
                &ready.region,
                AccessKeys::generate(&ready.account, &Ids::new(None))
                    .admin()
                    .clone(),
                Clock::system(),
            ),
            login: HttpLogin::new(edge, None)?,
            cluster: harness::client::https(pki::roots_from_pem(&ca)?, None, None)?,
            ready,
            ids: std::sync::OnceLock::new(),
            token: std::sync::OnceLock::new(),
        })
    }

    async fn populate(&self) -> Result<(), Error> {
        let call = async |operation: &str, input: Value| self.aws.cognito(operation, &input).await;
        let pool = call(
            "CreateUserPool",
            json!({"PoolName": "bench", "UsernameAttributes": ["email"]}),
        )
        .await?;
        let pool = pool["UserPool"]["Id"]
            .as_str()
            .ok_or("no pool id")?
            .to_owned();
        call(
            "CreateUserPoolDomain",
            json!({"UserPoolId": pool, "Domain": "bench"}),
        )
        .await?;
        for group in 0..GROUPS {
            call(
                "CreateGroup",
                json!({"UserPoolId": pool, "GroupName": format!("group-{group}")}),
            )
            .await?;
        }
        let client = call(
            "CreateUserPoolClient",
            json!({
                "UserPoolId": pool, "ClientName": "bench", "ReadAttributes": ["email"],
                "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
                "SupportedIdentityProviders": ["COGNITO"], "CallbackURLs": ["http://localhost:8000"],
                "AllowedOAuthFlows": ["code"], "AllowedOAuthScopes": ["openid"],
                "AllowedOAuthFlowsUserPoolClient": true,
            }),
        )
        .await?;
        let client = client["UserPoolClient"]["ClientId"]
            .as_str()
            .ok_or("no client id")?
            .to_owned();
        for user in 0..USERS {
            let name = format!("user-{user}@example.com");
            call(
                "AdminCreateUser",
                json!({"UserPoolId": pool, "Username": name, "MessageAction": "SUPPRESS"}),
            )
            .await?;
            for group in 0..GROUPS {
                let group = format!("group-{group}");
                call(
                    "AdminAddUserToGroup",
                    json!({"UserPoolId": pool, "Username": name, "GroupName": group}),
                )
                .await?;
            }
            call(
                "AdminSetUserPassword",
                json!({"UserPoolId": pool, "Username": name, "Password": PASSWORD, "Permanent": true}),
            )
            .await?;
        }
        let oidc = json!({
            "identityProviderConfigName": "bench", "issuerUrl": format!("{}/{pool}", self.ready.issuer_base),
            "clientId": client, "usernameClaim": "email", "groupsClaim": "cognito:groups",
        });
        let base = format!(
            "/clusters/{}/identity-provider-configs",
            self.ready.cluster_name
        );
        self.aws
            .eks(
                http::Method::POST,
                &format!("{base}/associate"),
                &json!({ "oidc": oidc }),
            )
            .await?;
        let config = json!({"identityProviderConfig": {"type": "oidc", "name": "bench"}});
        loop {
            let answer = self
                .aws
                .eks(http::Method::POST, &format!("{base}/describe"), &config)
                .await?;
            if answer["identityProviderConfig"]["oidc"]["status"] == "ACTIVE" {
                break;
            }
            foundation::clock::pause(Duration::from_millis(20)).await;
        }
        self.ids
            .set((pool, client))
            .map_err(|_| "populated twice")?;
        Ok(())
    }

    fn ids(&self) -> Result<&(String, String), Error> {
        self.ids.get().ok_or_else(|| "not populated".into())
    }

    /// Login by the hosted pages, token, whoami.
    async fn logins(&self) -> Result<(), Error> {
        let (pool, client) = self.ids()?;
        let mut times = Vec::new();
        for user in 0..101 {
            let request = Request {
                issuer: format!("{}/{pool}", self.ready.issuer_base),
                client_id: client.clone(),
                username: format!("user-{user}@example.com"),
                password: Secret::new(PASSWORD.to_owned()),
                new_password: Secret::new(String::new()),
                scope: "openid".to_owned(),
                redirect_uri: "http://localhost:8000".to_owned(),
            };
            let begun = Instant::now();
            let session = self.login.login(&request).await?;
            let token = session.id_token.expose();
            let answer = self.whoami(token).await?;
            times.push(begun.elapsed());
            if answer["status"]["userInfo"]["username"] != request.username.as_str() {
                return Err(format!("whoami says {answer}").into());
            }
            self.token.get_or_init(|| token.clone());
        }
        times.sort();
        println!(
            "login by the hosted pages, token, whoami over kept-alive HTTPS, 101 confirmed users: \
             median {:.1} ms, p90 {:.1} ms (goal 10 ms)",
            ms(times[50]),
            ms(times[90])
        );
        Ok(())
    }

    async fn whoami(&self, token: &str) -> Result<Value, Error> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let answer = self
            .cluster
            .post(format!(
                "{}/apis/authentication.k8s.io/v1/selfsubjectreviews",
                self.ready.api_server
            ))
            .bearer_auth(token)
            .json(&review)
            .send()
            .await?;
        Ok(answer.json().await?)
    }

    async fn sign_in(&self, number: usize) -> Result<Value, Error> {
        let (_, client) = self.ids()?;
        let input = json!({
            "AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client,
            "AuthParameters": {
                "USERNAME": format!("user-{}@example.com", number % USERS), "PASSWORD": PASSWORD,
            },
        });
        Ok(self.aws.cognito("InitiateAuth", &input).await?)
    }

    /// What who asks the cluster sees of others who sign in: one worker does
    /// both.
    async fn beside(&self) -> Result<(), Error> {
        let token = self.token.get().ok_or("nobody has logged in")?;
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for turn in 0..200 {
            let begun = Instant::now();
            self.whoami(token).await?;
            alone.push(begun.elapsed());
            let sign_ins = (0..4).map(|n| self.sign_in(4 * turn + n));
            let begun = Instant::now();
            let asked = async {
                self.whoami(token).await?;
                Ok::<_, Error>(begun.elapsed())
            };
            let (signed_in, asked) =
                futures_util::future::join(futures_util::future::join_all(sign_ins), asked).await;
            signed_in.into_iter().collect::<Result<Vec<_>, _>>()?;
            beside.push(asked?);
        }
        alone.sort();
        beside.sort();
        println!(
            "whoami alone: median {:.2} ms; while four people sign in by password: median {:.2} ms, p90 {:.2} ms",
            ms(alone[100]),
            ms(beside[100]),
            ms(beside[180])
        );
        Ok(())
    }

    /// Processor time of `up` for a password sign-in beside two signatures: of
    /// one client, which leaves it asleep between two calls, and of four.
    async fn sign_ins(&self, pid: u32) -> Result<(), Error> {
        for at_once in [1, 4, 1, 4, 1, 4] {
            let before = processor_time(&pid.to_string())?;
            for first in (0..SIGN_INS).step_by(at_once) {
                let all = (first..first + at_once).map(|number| self.sign_in(number));
                for answer in futures_util::future::join_all(all).await {
                    answer?;
                }
            }
            let used = processor_time(&pid.to_string())? - before;
            let raw = two_signatures()?;
            let each = used.as_secs_f64() / SIGN_INS as f64;
            println!(
                "InitiateAuth, {at_once} at once: utime+stime of up over {SIGN_INS} by {USERS} users in {GROUPS} groups each \
                 {:.0} µs; two RSA-2048 signatures {:.0} µs; ratio {:.2} (goal 1.25)",
                each * 1e6,
                raw * 1e6,
                each / raw
            );
        }
        Ok(())
    }
}

/// HTTP/1.1 alone, which is what botocore, and so the aws CLI, speaks.
fn as_the_aws_cli(edge: &rustls::RootCertStore) -> Result<reqwest::Client, Error> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(pki::client_config(edge.clone())?)
        .http1_only()
        .no_proxy()
        .build()?)
}

/// Seconds of processor time for two signatures, over as many as the
/// sign-ins made.
fn two_signatures() -> Result<f64, Error> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let rng = SystemRandom::new();
    let mut signature = vec![0; key.public_modulus_len()];
    let before = processor_time("self")?;
    for number in 0..2 * SIGN_INS {
        key.sign(
            &RSA_PKCS1_SHA256,
            &rng,
            &number.to_le_bytes(),
            &mut signature,
        )?;
    }
    Ok((processor_time("self")? - before).as_secs_f64() / SIGN_INS as f64)
}

struct Up {
    child: Child,
    dir: PathBuf,
}

impl Up {
    fn start(folder: &Path) -> Result<Self, Error> {
        Self::start_with(folder, None)
    }

    fn start_with(folder: &Path, cache: Option<&Path>) -> Result<Self, Error> {
        Self::start_more(folder, cache, &[])
    }

    fn start_more(folder: &Path, cache: Option<&Path>, more: &[&str]) -> Result<Self, Error> {
        let dir = folder.join("up");
        let mut command = Command::new(rolecall()?);
        command
            .arg("up")
            .arg("--dir")
            .arg(&dir)
            .args(more)
            .stdout(Stdio::null());
        if let Some(cache) = cache {
            command.env("XDG_CACHE_HOME", cache);
        }
        Ok(Self {
            child: command.spawn()?,
            dir,
        })
    }

    fn wait_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.dir.join("ready.json").exists() {
            if Instant::now() > deadline {
                return Err("up is not ready".into());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(())
    }

    fn ready(&mut self) -> Result<Ready, Error> {
        Ok(serde_json::from_str(&std::fs::read_to_string(
            self.dir.join("ready.json"),
        )?)?)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program beside this one, in target/release.
fn rolecall() -> Result<PathBuf, Error> {
    let path = std::env::current_exe()?
        .ancestors()
        .nth(2)
        .ok_or("not in target/release/examples")?
        .join("rolecall");
    if path.exists() {
        Ok(path)
    } else {
        Err("build it first: cargo build --release -p rolecall".into())
    }
}

/// Kilobytes.
fn vm_rss(pid: u32) -> Result<u64, Error> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
}

/// utime + stime of a process; Linux counts in hundredths of a second.
fn processor_time(pid: &str) -> Result<Duration, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().ok_or("no fields")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
