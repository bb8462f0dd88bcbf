//! `rolecall doctor`: a chain that is whole, and each way in which it breaks.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::doctor::cache::Key;
use harness::instance::Running;
use http::Method;
use serde_json::{Value, json};

use crate::foreign_issuer::Issuer;
use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, block_on, check, eventually, fed, pause, program, rolecall};

/// Who is in the pool, and what they sign in with.
pub const USER: &str = "ada@example.com";
pub const PASSWORD: &str = "H3lloW@rlD";
/// What the chain's association is called.
pub const CONFIG: &str = "doctors";

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case("doctor::under_aws_names_too", aws_names),
        case("doctor::a_foreign_issuer_by_flags_alone", foreign),
        case("doctor::a_cluster_by_its_kubeconfig_alone", cluster_alone),
        case("doctor::proxies_that_lead_there_and_stale_ones", proxies),
        case("doctor::an_issuer_that_is_down", down),
        case("doctor::a_ca_that_is_not_the_issuers", wrong_ca),
        case("doctor::an_issuer_with_a_slash_at_its_end", slash),
        case("doctor::a_pool_without_a_domain", no_domain),
        case("doctor::an_access_token", access_token),
        case("doctor::an_expired_token", expired),
        case("doctor::a_token_of_another_client", wrong_client),
        case("doctor::a_client_without_email", no_email),
        case("doctor::a_client_that_leads_elsewhere", callbacks),
        case("doctor::new_keys_and_a_token_that_kubelogin_kept", rotated),
        case(
            "doctor::kubelogin_shows_the_token_that_was_found",
            as_kubelogin,
        ),
        case("doctor::a_kubeconfig_of_another_login", other_login),
        case("doctor::a_kubelogin_that_is_not_there", no_program),
        case("doctor::nothing_to_look_at_is_usage", usage),
    ]
}

/// An instance, a pool with a person in a group, and a cluster that trusts it.
pub struct Chain<U = Box<Up>> {
    pub up: U,
    pub pool: String,
    pub client: String,
}

/// How a chain differs from the tutorial's.
pub struct Setup {
    pub arguments: &'static [&'static str],
    pub domain: bool,
    pub readable: &'static [&'static str],
    pub callbacks: &'static [&'static str],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            arguments: &[],
            domain: true,
            readable: &["email"],
            callbacks: &["http://localhost:8000", "http://localhost:18000"],
        }
    }
}

impl Chain {
    /// An embedded one.
    pub fn new(setup: &Setup) -> Result<Self, Stop> {
        Self::on(Box::new(Up::start(setup.arguments)?), setup)
    }
}

impl<U: Deref<Target = Up>> Chain<U> {
    /// On an instance that runs; its arguments are what they are.
    pub fn on(up: U, setup: &Setup) -> Result<Self, Stop> {
        let (pool, client) = block_on(make(&up, setup))?;
        Ok(Self { up, pool, client })
    }

    pub fn issuer(&self) -> String {
        format!("{}/{}", self.up.ready().issuer_base, self.pool)
    }

    /// The ID and the access token of the person.
    pub fn tokens(&self) -> Result<(String, String), Stop> {
        let session = self
            .up
            .login(&self.pool, &self.client, USER, PASSWORD, "")?;
        let text = |token: &foundation::secret::Secret<String>| token.expose().clone();
        let access = session
            .access_token
            .ok_or_else(|| "no access token".to_owned())?;
        Ok((text(&session.id_token), text(&access)))
    }

    /// What the doctor finds in it: nothing.
    pub fn no_problem(&self) -> Result<(), Stop> {
        let (id, _) = self.tokens()?;
        self.cached(&id)?;
        let kubeconfig = self.kubeconfig(&self.issuer(), &self.client, &[])?;
        let all = [
            "trust",
            "issuer URL",
            "reachable",
            "certificate",
            "clock",
            "discovery",
            "issuer",
            "login pages",
            "keys",
            "client",
            "token",
            "token's key",
            "identity",
            "cluster",
            "kubelogin",
            "kubelogin's issuer",
            "kubelogin's client",
            "redirect",
            "kubelogin's CA",
            "kubelogin's cache",
        ];
        let doctor = self
            .doctor()
            .token(&id)
            .kubeconfig(&kubeconfig)
            .programs(&BOTH)?;
        doctor.well(&all)?;
        doctor
            .run(false)?
            .says("user ada@example.com, groups oidc:admins")?;
        self.doctor().well(&["keys"])
    }

    fn doctor(&self) -> Doctor {
        let mut doctor = Doctor::new(self.up.scratch().to_owned());
        doctor.arguments = vec!["--dir".to_owned(), self.up.ready().dir.clone()];
        doctor
    }

    /// Without the instance's folder: the flags of kube-apiserver.
    fn by_flags(&self) -> Doctor {
        let ca = self.up.ready().paths.ca.display().to_string();
        let doctor = Doctor::new(self.up.scratch().to_owned());
        doctor.with(&[
            "--issuer-url",
            &self.issuer(),
            "--client-id",
            &self.client,
            "--username-claim",
            "email",
            "--groups-claim",
            "cognito:groups",
            "--groups-prefix",
            "oidc:",
            "--ca",
            &ca,
        ])
    }

    /// A kubeconfig with kubelogin as its user, in the words of step 9.
    fn kubeconfig(&self, issuer: &str, client: &str, more: &[&str]) -> Result<PathBuf, Stop> {
        let admin = std::fs::read_to_string(self.up.dir().join("admin.kubeconfig"));
        let admin = admin.map_err(|error| error.to_string())?;
        let (rest, _) = admin.split_once("users:").ok_or("no users".to_owned())?;
        let user = admin
            .lines()
            .find_map(|line| line.trim().strip_prefix("user: "))
            .unwrap_or_default();
        let mut args = vec![
            "oidc-login".to_owned(),
            "get-token".to_owned(),
            format!("--oidc-issuer-url={issuer}"),
            format!("--oidc-client-id={client}"),
            format!(
                "--certificate-authority={}",
                self.up.ready().paths.ca.display()
            ),
        ];
        args.extend(more.iter().map(|flag| (*flag).to_owned()));
        let exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "kubectl", "args": args,
        });
        let path = self.up.scratch().join("oidc.kubeconfig");
        let text = format!("{rest}users:\n- name: {user}\n  user: {{exec: {exec}}}\n");
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        Ok(path)
    }

    /// Leaves a token where kubelogin would, with that kubeconfig.
    fn cached(&self, token: &str) -> Result<PathBuf, Stop> {
        let key = Key {
            issuer_url: self.issuer(),
            client_id: self.client.clone(),
            ca_cert_filename: self.up.ready().paths.ca.display().to_string(),
            ..Key::default()
        };
        let folder = self.up.scratch().join(".kube/cache/oidc-login");
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let path = folder.join(key.file_name());
        let text = json!({"id_token": token, "refresh_token": "refresh-secret"}).to_string();
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        Ok(path)
    }
}

async fn make(up: &Up, setup: &Setup) -> Result<(String, String), Stop> {
    let running = Running::find(up.dir()).await.map_err(|e| e.to_string())?;
    let aws = running.aws();
    let call = async |operation: &str, input: Value| {
        let answer = aws.cognito(operation, &input).await;
        answer.map_err(|error| Stop::Fail(format!("{operation}: {error}")))
    };
    let id = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let input = json!({"PoolName": "p", "UsernameAttributes": ["email"]});
    let pool = id(&call("CreateUserPool", input).await?["UserPool"]["Id"]);
    if setup.domain {
        let input = json!({"UserPoolId": pool, "Domain": "doctors"});
        call("CreateUserPoolDomain", input).await?;
    }
    let client = json!({
        "UserPoolId": pool, "ClientName": "c", "ReadAttributes": setup.readable,
        "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        "SupportedIdentityProviders": ["COGNITO"], "CallbackURLs": setup.callbacks,
        "AllowedOAuthFlows": ["code"], "AllowedOAuthScopes": ["openid", "email"],
        "AllowedOAuthFlowsUserPoolClient": true,
    });
    let client = id(&call("CreateUserPoolClient", client).await?["UserPoolClient"]["ClientId"]);
    let named = json!({"UserPoolId": pool, "GroupName": "admins"});
    call("CreateGroup", named).await?;
    let person = json!({"UserPoolId": pool, "Username": USER});
    call("AdminCreateUser", person).await?;
    let member = json!({"UserPoolId": pool, "Username": USER, "GroupName": "admins"});
    call("AdminAddUserToGroup", member).await?;
    let password =
        json!({"UserPoolId": pool, "Username": USER, "Password": PASSWORD, "Permanent": true});
    call("AdminSetUserPassword", password).await?;
    let oidc = json!({"oidc": {
        "identityProviderConfigName": CONFIG,
        "issuerUrl": format!("{}/{pool}", up.ready().issuer_base), "clientId": client,
        "usernameClaim": "email", "groupsClaim": "cognito:groups", "groupsPrefix": "oidc:",
    }});
    let path = "/clusters/kubedemy/identity-provider-configs/associate";
    let answer = aws.eks(Method::POST, path, &oidc).await;
    answer.map_err(|error| format!("associate: {error}"))?;
    loop {
        let status = running.status().await.map_err(|e| e.to_string())?;
        if status["clusters"][0]["identityProvider"]["status"] == "ACTIVE" {
            return Ok((pool, client));
        }
        pause();
    }
}

/// One run of `rolecall doctor`, in an environment of its own.
struct Doctor {
    home: PathBuf,
    arguments: Vec<String>,
    env: Vec<(&'static str, String)>,
    path: PathBuf,
    token: Option<String>,
    secrets: Vec<String>,
}

impl Doctor {
    fn new(home: PathBuf) -> Self {
        Self {
            arguments: Vec::new(),
            env: Vec::new(),
            path: home.join("bin"),
            token: None,
            secrets: vec![PASSWORD.to_owned(), "refresh-secret".to_owned()],
            home,
        }
    }

    fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|word| (*word).to_owned()));
        self
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self.with(&["--token", "-"])
    }

    fn kubeconfig(self, path: &Path) -> Self {
        let path = path.display().to_string();
        self.with(&["--kubeconfig", &path])
    }

    /// Programs of these names, which do nothing.
    fn programs(self, names: &[&str]) -> Result<Self, Stop> {
        std::fs::create_dir_all(&self.path).map_err(|error| error.to_string())?;
        for name in names {
            program(&self.path.join(name), "")?;
        }
        Ok(self)
    }

    fn run(&self, json: bool) -> Result<Ran, Stop> {
        let mut command = Command::new(programs::rolecall());
        command
            .arg("doctor")
            .args(&self.arguments)
            .args(json.then_some("--json"))
            .current_dir(&self.home)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", &self.path)
            .env("RUST_LOG", "trace")
            .envs(self.env.iter().map(|(name, value)| (*name, value)));
        let token = self.token.as_deref().unwrap_or_default();
        let mut ran = fed(command, &format!("{token}\n"))?;
        // Of a JWT, the signature is what must not be seen.
        let signatures = self
            .token
            .iter()
            .filter_map(|token| token.rsplit('.').next());
        for secret in self.secrets.iter().map(String::as_str).chain(signatures) {
            check(
                !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                || format!("a secret was printed: {ran}"),
            )?;
        }
        // The log was for the secrets alone.
        ran.stderr = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("rolecall: "))
            .collect();
        Ok(ran)
    }

    /// Nothing is wrong, and `check` is among what was looked at.
    fn well(&self, checks: &[&str]) -> Result<(), Stop> {
        let ran = self.run(true)?;
        check(ran.code == Some(0), || ran.to_string())?;
        let found = ran.json()?;
        for name in checks {
            let there = findings(&found).any(|one| one["check"] == *name && one["level"] == "ok");
            check(there, || format!("no {name} that is ok in: {ran}"))?;
        }
        self.run(false)?.ok()?.says("0 problems").map(drop)
    }

    /// The only problems are these: what was looked at, and a part of the
    /// sentence or the remedy.
    fn finds(&self, problems: &[(&str, &str)]) -> Result<(), Stop> {
        let ran = self.run(true)?;
        check(ran.code == Some(1), || ran.to_string())?;
        let found = ran.json()?;
        let wrong: Vec<&Value> = findings(&found)
            .filter(|one| one["level"] == "problem")
            .collect();
        check(wrong.len() == problems.len(), || {
            format!("not just {problems:?}: {ran}")
        })?;
        for (name, part) in problems {
            let there = wrong.iter().any(|one| {
                let holds = |key: &str| one[key].as_str().unwrap_or_default().contains(part);
                one["check"] == *name && (holds("what") || holds("remedy")) && one["remedy"] != ""
            });
            check(there, || format!("no {name} with {part:?} in: {ran}"))?;
        }
        let text = self.run(false)?;
        check(
            text.code == Some(1) && text.stdout.contains('✗') && !text.stdout.contains('\u{1b}'),
            || text.to_string(),
        )
    }
}

fn findings(found: &Value) -> impl Iterator<Item = &Value> {
    found["findings"].as_array().into_iter().flatten()
}

const BOTH: [&str; 2] = ["kubectl", "kubectl-oidc_login"];

fn aws_names() -> Result<(), Stop> {
    let setup = Setup {
        arguments: &["--aws-hosts"],
        ..Setup::default()
    };
    let chain = Chain::new(&setup)?;
    let (id, _) = chain.tokens()?;
    let all = [
        "reachable",
        "login pages",
        "keys",
        "client",
        "identity",
        "cluster",
    ];
    chain.doctor().token(&id).well(&all)
}

fn foreign() -> Result<(), Stop> {
    let issuer = Issuer::start()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &issuer.ca_pem).map_err(|error| error.to_string())?;
    let ca = ca.display().to_string();
    let named = [
        "--issuer-url",
        issuer.url.as_str(),
        "--client-id",
        "kubernetes",
    ];
    let mapping = [
        "--username-prefix",
        "-",
        "--groups-claim",
        "roles",
        "--ca",
        &ca,
    ];
    let token = issuer.token(&crate::foreign_issuer::claims(&issuer))?;
    let doctor = || {
        Doctor::new(folder.path().to_owned())
            .with(&named)
            .token(&token)
    };
    let checks = ["issuer", "keys", "token's key", "identity"];
    doctor().with(&mapping).well(&checks)?;
    doctor()
        .with(&mapping)
        .run(false)?
        .says("user grace, groups ops")?;
    doctor().finds(&[("certificate", "--oidc-ca-file"), ("identity", "discovery")])
}

/// No instance is named: the issuer and the mapping by flags, the cluster by a
/// kubeconfig, as where neither is ours.
fn cluster_alone() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let (id, _) = chain.tokens()?;
    let kubeconfig = chain.kubeconfig(&chain.issuer(), &chain.client, &[])?;
    let doctor = chain.by_flags().token(&id).kubeconfig(&kubeconfig);
    let doctor = doctor.programs(&BOTH)?;
    doctor.well(&["reachable", "keys", "identity", "cluster", "kubelogin"])?;
    doctor
        .run(false)?
        .says("user ada@example.com, groups oidc:admins")?;
    // The cluster trusts nobody any more.
    let config = "type=oidc,name=doctors";
    let words = ["--cluster-name", "kubedemy", "--identity-provider-config"];
    let command = ["eks", "disassociate-identity-provider-config"];
    chain
        .up
        .aws(&[&command[..], &words, &[config]].concat())?
        .ok()?;
    let ask = || chain.up.kubectl_as("v1.37", &id, &["auth", "whoami"]);
    eventually("the cluster ceases to trust", || Ok(ask()?.code != Some(0)))?;
    doctor.finds(&[("cluster", "answers 401")])
}

/// Under AWS' names everything is behind the proxy, which is named in three
/// places: the environment, the kubeconfig and the environment of its entry.
fn proxies() -> Result<(), Stop> {
    let setup = Setup {
        arguments: &["--aws-hosts"],
        ..Setup::default()
    };
    let chain = Chain::new(&setup)?;
    let (id, _) = chain.tokens()?;
    let proxy = chain.up.ready().proxy.clone().unwrap_or_default();
    let stale = "http://127.0.0.1:1";
    let file = chain.kubeconfig(&chain.issuer(), &chain.client, &[])?;
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let server = format!("server: {}", chain.up.ready().api_server);
    // The two in the kubeconfig.
    let write = |cluster: &str, entry: &str| {
        check(
            text.contains(&server) && !text.contains("proxy-url"),
            || text.clone(),
        )?;
        let entry = json!([{"name": "HTTPS_PROXY", "value": entry}]);
        let text = text
            .replace(&server, &format!("{server}\n    proxy-url: {cluster}"))
            .replace("exec: {", &format!("exec: {{\"env\":{entry},"));
        std::fs::write(&file, text).map_err(|error| Stop::Fail(error.to_string()))
    };
    let alone = || {
        let doctor = chain.by_flags().token(&id).kubeconfig(&file);
        doctor.programs(&BOTH)
    };
    let ours = || {
        let doctor = chain.doctor().token(&id).kubeconfig(&file);
        doctor.programs(&BOTH)
    };
    let all = ["keys", "identity", "cluster", "kubelogin"];

    // As after eval "$(rolecall env)": the kubeconfig says nothing.
    alone()?.env("HTTPS_PROXY", &proxy).well(&all)?;
    // As rolecall kubeconfig writes it, with nothing in the environment.
    write(&proxy, &proxy)?;
    ours()?.well(&all)?;
    // Left from an instance that is gone, and the environment is right.
    write(stale, stale)?;
    let stale_ones = [
        ("cluster", "the API server did not answer"),
        ("kubelogin's proxy", stale),
    ];
    ours()?.finds(&stale_ones)?;
    alone()?.env("HTTPS_PROXY", &proxy).finds(&stale_ones)
}

fn down() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let free = free.map_err(|error| error.to_string())?;
    let issuer = format!("https://{free}/eu-west-2_AbCdEfGhI");
    Doctor::new(folder.path().to_owned())
        .with(&["--issuer-url", &issuer, "--client-id", "x"])
        .finds(&[("reachable", "connection refused")])?;
    Doctor::new(folder.path().to_owned())
        .with(&["--issuer-url", "http://x/y?z", "--client-id", "x"])
        .finds(&[("issuer URL", "does not begin with https://")])
}

fn wrong_ca() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let other = foundation::pki::Ca::new("another", jiff::Timestamp::now());
    let other = other.map_err(|error| error.to_string())?;
    let ca = chain.up.scratch().join("other.crt");
    std::fs::write(&ca, other.pem()).map_err(|error| error.to_string())?;
    chain
        .doctor()
        .with(&["--ca", &ca.display().to_string()])
        .finds(&[("certificate", "--certificate-authority")])
}

fn slash() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let issuer = format!("{}/", chain.issuer());
    let flags = [
        "--issuer-url",
        issuer.as_str(),
        "--client-id",
        &chain.client,
    ];
    chain
        .doctor()
        .with(&flags)
        .finds(&[("issuer", "it has no slash at its end")])
}

fn no_domain() -> Result<(), Stop> {
    let setup = Setup {
        domain: false,
        ..Setup::default()
    };
    Chain::new(&setup)?
        .doctor()
        .finds(&[("login pages", "aws cognito-idp create-user-pool-domain")])
}

fn access_token() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let (_, access) = chain.tokens()?;
    chain
        .doctor()
        .token(&access)
        .finds(&[("identity", "it is an access token"), ("cluster", "401")])
}

fn expired() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let (id, _) = chain.tokens()?;
    chain
        .up
        .control("POST", "clock", &json!({"advance": "2h"}))?;
    // The instance's clock is wrong then, too, as seen from here.
    chain.doctor().token(&id).finds(&[
        ("clock", "the instance's clock is 2 h 0 min ahead"),
        ("identity", "it expired 60 min ago"),
        ("cluster", "401"),
    ])
}

fn wrong_client() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let (id, _) = chain.tokens()?;
    chain
        .doctor()
        .token(&id)
        .with(&["--client-id", "another"])
        .finds(&[
            ("client", "does not know the client another"),
            ("identity", "and the cluster's is another"),
            ("cluster", "not what the mapping above leads to"),
        ])
}

fn no_email() -> Result<(), Stop> {
    let setup = Setup {
        readable: &["profile"],
        ..Setup::default()
    };
    let chain = Chain::new(&setup)?;
    let (id, _) = chain.tokens()?;
    chain
        .doctor()
        .token(&id)
        .finds(&[("identity", "ReadAttributes"), ("cluster", "401")])
}

fn callbacks() -> Result<(), Stop> {
    let setup = Setup {
        callbacks: &["https://app.example.com/"],
        ..Setup::default()
    };
    let chain = Chain::new(&setup)?;
    let kubeconfig = chain.kubeconfig(&chain.issuer(), &chain.client, &[])?;
    let doctor = chain.doctor().kubeconfig(&kubeconfig).programs(&BOTH)?;
    doctor.finds(&[(
        "redirect",
        "http://localhost:8000 and http://localhost:18000",
    )])
}

fn rotated() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let (id, _) = chain.tokens()?;
    let file = chain.cached(&id)?.display().to_string();
    let path = format!("pools/{}/keys/replace", chain.pool);
    chain.up.control("POST", &path, &json!({}))?;
    let kubeconfig = chain.kubeconfig(&chain.issuer(), &chain.client, &[])?;
    let mut doctor = chain.doctor().kubeconfig(&kubeconfig).programs(&BOTH)?;
    doctor.secrets.push(id.clone());
    doctor.finds(&[("kubelogin's cache", &format!("rm {file}"))])?;
    // The same token by itself.
    chain
        .doctor()
        .token(&id)
        .run(true)?
        .says("is not among the issuer's keys")?;
    // A file named in another way is found by what is in it.
    let other = chain.up.scratch().join(".kube/cache/oidc-login/another");
    std::fs::rename(&file, &other).map_err(|error| error.to_string())?;
    doctor.finds(&[("kubelogin's cache", "oidc-login/another")])
}

/// The file that doctor looks at is the one that kubelogin reads.
fn as_kubelogin() -> Result<(), Stop> {
    let kubelogin = programs::kubelogin()?;
    let chain = Chain::new(&Setup::default())?;
    let (id, _) = chain.tokens()?;
    chain.cached(&id)?;
    let mut command = Command::new(kubelogin);
    command
        .arg("get-token")
        .arg(format!("--oidc-issuer-url={}", chain.issuer()))
        .arg(format!("--oidc-client-id={}", chain.client))
        .arg(format!(
            "--certificate-authority={}",
            chain.up.ready().paths.ca.display()
        ))
        // Anything but the cached token would have to be asked for there.
        .args([
            "--listen-address=127.0.0.1:0",
            "--skip-open-browser",
            "--authentication-timeout-sec=5",
        ])
        .env("HOME", chain.up.scratch());
    let shown = crate::rig::ran(command)?.ok()?.json()?;
    check(shown["status"]["token"] == id.as_str(), || {
        "kubelogin shows another token".to_owned()
    })
}

fn other_login() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let issuer = format!("{}/", chain.issuer());
    let secret = [
        "--oidc-client-secrt=do-not-show",
        "--oidc-extra-scope=email",
    ];
    let kubeconfig = chain.kubeconfig(&issuer, "another", &secret)?;
    let mut doctor = chain.doctor().kubeconfig(&kubeconfig).programs(&BOTH)?;
    doctor.secrets.push("do-not-show".to_owned());
    doctor.finds(&[
        ("kubelogin's issuer", "it has a slash at its end"),
        ("kubelogin's client", "it is another"),
        ("kubelogin", "write --oidc-client-secret"),
    ])
}

fn no_program() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let kubeconfig = chain.kubeconfig(&chain.issuer(), &chain.client, &[])?;
    let doctor = chain
        .doctor()
        .kubeconfig(&kubeconfig)
        .programs(&["kubectl"])?;
    doctor.finds(&[("kubelogin", "there is no kubectl-oidc_login on the PATH")])
}

fn usage() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = folder.path().join("nobody").display().to_string();
    let ran = rolecall(&["doctor", "--dir", &dir])?;
    check(ran.code == Some(2), || ran.to_string())?;
    ran.says("--issuer-url and --client-id")?;
    let up = Up::start(&[])?;
    let dir = up.ready().dir.clone();
    Doctor::new(folder.path().to_owned())
        .with(&["--dir", &dir])
        .finds(&[("trust", "aws eks associate-identity-provider-config")])
}
