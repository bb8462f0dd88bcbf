//! The pinned kubelogin: kubectl's plugin, its flows and its cache. The pages
//! are walked by the form driver; `browser` and `tutorial_unedited` have a
//! real browser do that.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::login::browser::{self, BrowserLogin, Trust};
use harness::login::http::HttpLogin;
use harness::login::kubelogin::{KubeloginLogin, take_turn};
use harness::login::{Login, Request};
use serde_json::Value;

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{
    Ran, Up, block_on, check, claims, eventually, lasting_claims, path_with, program,
};
use crate::tutorial::{self, text};

const USER: &str = "test@kubedemy.io";
const TEMPORARY: &str = "H3lloW@rlD";
const PASSWORD: &str = "N3w-H3lloW@rlD";
/// Where kubelogin listens first.
const LISTENS: &str = "127.0.0.1:8000";

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("kubelogin::kubectl_lists_it_as_a_plugin", plugin),
        case(
            "kubelogin::a_wrong_password_is_refused_on_the_way",
            wrong_password,
        ),
        case("kubelogin::the_code_can_be_typed_in", keyboard),
        case(
            "kubelogin::the_browser_is_opened_by_a_command",
            browser_command,
        ),
        case(
            "kubelogin::the_password_grant_is_refused_as_on_aws",
            password_grant,
        ),
        case(
            "kubelogin::its_cache_is_used_until_the_token_ends_and_then_it_refreshes",
            cache,
        ),
        case(
            "kubelogin::a_kubeconfig_for_nobody_says_what_is_missing",
            nobody,
        ),
    ];
    for aws_hosts in [false, true] {
        let names = if aws_hosts {
            "under_aws_names"
        } else {
            "on_its_own_origin"
        };
        cases.extend([
            case(
                format!("kubelogin::setup_prints_the_token_and_what_to_do_next_{names}"),
                move || setup(aws_hosts),
            ),
            case(
                format!("kubelogin::kubectl_logs_in_by_it_{names}"),
                move || kubectl_logs_in(aws_hosts),
            ),
            case(
                format!("kubelogin::its_claims_are_those_of_the_other_drivers_{names}"),
                move || claims_agree(aws_hosts),
            ),
            case(
                format!("kubelogin::every_scenario_runs_with_it_as_the_driver_{names}"),
                move || scenarios(aws_hosts),
            ),
        ]);
    }
    cases
}

/// An instance after steps 1 to 6, with somebody who can log in.
struct Site {
    up: Up,
    pool: String,
    client: String,
    kubelogin: PathBuf,
}

impl Site {
    fn new(arguments: &[&str]) -> Result<Self, Stop> {
        let kubelogin = programs::kubelogin()?;
        let up = Up::start(arguments)?;
        let (pool, client) = tutorial::made(&up)?;
        tutorial::associated(&up, &pool, &client)?;
        Ok(Self {
            up,
            pool,
            client,
            kubelogin,
        })
    }

    fn issuer(&self) -> String {
        format!("{}/{}", self.up.ready().issuer_base, self.pool)
    }

    fn request(&self) -> Request {
        Request {
            issuer: self.issuer(),
            client_id: self.client.clone(),
            username: USER.to_owned(),
            password: TEMPORARY.to_owned().into(),
            new_password: PASSWORD.to_owned().into(),
            scope: "openid".to_owned(),
            redirect_uri: "http://localhost:8000".to_owned(),
        }
    }

    fn pages(&self) -> Result<HttpLogin, Stop> {
        let roots = self.up.edge_roots()?;
        HttpLogin::new(roots, self.up.ready().proxy.as_deref())
            .map_err(|error| Stop::Fail(error.to_string()))
    }

    /// kubelogin's arguments for this pool, after a word such as `get-token`.
    fn arguments(&self, word: &str) -> Vec<String> {
        vec![
            word.to_owned(),
            format!("--oidc-issuer-url={}", self.issuer()),
            format!("--oidc-client-id={}", self.client),
            format!(
                "--certificate-authority={}",
                self.up.dir().join("ca.crt").display()
            ),
            format!(
                "--token-cache-dir={}",
                self.up.scratch().join("cache").display()
            ),
        ]
    }

    /// A program under the instance that talks to us while it runs.
    fn start(&self, program: &Path, arguments: &[String]) -> Result<Talk, Stop> {
        let mut command = Command::new(programs::rolecall());
        command
            .args(["run", "--dir"])
            .arg(self.up.dir())
            .arg("--")
            .arg(program)
            .args(arguments)
            .env("PATH", self.path()?)
            .env("HOME", self.up.scratch())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| error.to_string())?;
        Ok(Talk {
            child,
            said: String::new(),
        })
    }

    /// The pinned kubectl and kubelogin before everything else.
    fn path(&self) -> Result<std::ffi::OsString, Stop> {
        path_with(&[programs::kubectl("v1.37")?, self.kubelogin.clone()])
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<Talk, Stop> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        self.start(&programs::kubectl("v1.37")?, &arguments)
    }

    /// Does what the person in front of the browser does.
    fn log_in_at(&self, start: &str) -> Result<String, Stop> {
        let (pages, request) = (self.pages()?, self.request());
        block_on(async {
            let callback = pages.pages(start, &request).await?;
            pages.visit(&callback).await
        })
        .map_err(|refusal| Stop::Fail(refusal.to_string()))
    }
}

/// A running program and what it said to standard error so far.
struct Talk {
    child: Child,
    said: String,
}

impl Talk {
    /// Reads on until it names an address to go to.
    fn address(&mut self) -> Result<String, Stop> {
        let stderr = self
            .child
            .stderr
            .as_mut()
            .ok_or_else(|| "no stderr".to_owned())?;
        let mut lines = BufReader::new(stderr);
        loop {
            let mut line = String::new();
            let read = lines
                .read_line(&mut line)
                .map_err(|error| error.to_string())?;
            if let Some((_, rest)) = line.split_once("http") {
                let end = rest.find(|c: char| c.is_whitespace() || c == '\'');
                return Ok(format!("http{}", &rest[..end.unwrap_or(rest.len())]));
            }
            if read == 0 {
                return Err(Stop::Fail(format!("it named no address: {}", self.said)));
            }
            self.said.push_str(&line);
        }
    }

    fn end(mut self, what: &str) -> Result<Ran, Stop> {
        drop(self.child.stdin.take());
        let mut stderr = self.said;
        if let Some(mut rest) = self.child.stderr.take() {
            let mut text = String::new();
            rest.read_to_string(&mut text)
                .map_err(|error| error.to_string())?;
            stderr.push_str(&text);
        }
        let mut stdout = String::new();
        if let Some(mut rest) = self.child.stdout.take() {
            rest.read_to_string(&mut stdout)
                .map_err(|error| error.to_string())?;
        }
        let status = self.child.wait().map_err(|error| error.to_string())?;
        Ok(Ran {
            what: what.to_owned(),
            code: status.code(),
            stdout,
            stderr,
        })
    }
}

fn turn() -> Result<std::fs::File, Stop> {
    take_turn(LISTENS).map_err(|error| Stop::Fail(error.to_string()))
}

fn plugin() -> Result<(), Stop> {
    let site = Site::new(&[])?;
    site.kubectl(&["plugin", "list"])?
        .end("kubectl plugin list")?
        .ok()?
        .says("kubectl-oidc_login")?;
    site.kubectl(&["oidc-login", "version"])?
        .end("kubectl oidc-login version")?
        .ok()?
        .says("v1.28.0")
        .map(drop)
}

fn setup(aws_hosts: bool) -> Result<(), Stop> {
    let site = Site::new(if aws_hosts { &["--aws-hosts"] } else { &[] })?;
    let _turn = turn()?;
    let mut arguments = site.arguments("setup");
    arguments.retain(|argument| !argument.starts_with("--token-cache-dir"));
    arguments.push("--skip-open-browser".to_owned());
    let mut talk = site.start(&site.kubelogin, &arguments)?;
    let start = talk.address()?;
    site.log_in_at(&start)?;
    let ran = talk.end("kubelogin setup")?.ok()?;
    ran.says(&format!("\"iss\": \"{}\"", site.issuer()))?
        .says("\"cognito:groups\"")?
        // Its advice names the issuer and the sub, which matches nobody here.
        .says(&format!("--user='{}#", site.issuer()))
        .map(drop)
}

fn kubectl_logs_in(aws_hosts: bool) -> Result<(), Stop> {
    let site = Site::new(if aws_hosts { &["--aws-hosts"] } else { &[] })?;
    site.kubectl(&[
        "create",
        "clusterrolebinding",
        "oidc:admins",
        "--clusterrole=cluster-admin",
        "--group=oidc:admins",
    ])?
    .end("kubectl create clusterrolebinding")?
    .ok()?;
    let dir = site.up.dir().display().to_string();
    crate::rig::rolecall(&["kubeconfig", "--login", "kubelogin", "--dir", &dir])?
        .ok()?
        .says("kubectl auth whoami")?;
    let _turn = turn()?;
    let mut talk = site.kubectl(&["auth", "whoami", "-o", "json"])?;
    let start = talk.address()?;
    site.log_in_at(&start)?;
    let user = talk.end("kubectl auth whoami")?.ok()?.json()?["status"]["userInfo"].clone();
    check(user["username"] == USER, || user.to_string())?;
    check(
        user["groups"] == serde_json::json!(["oidc:admins", "system:authenticated"]),
        || user.to_string(),
    )?;
    // The second time there is a token in the cache, and no browser.
    site.kubectl(&["auth", "can-i", "delete", "nodes"])?
        .end("kubectl auth can-i")?
        .ok()?
        .says("yes")?;
    let audit = std::fs::read_to_string(site.up.dir().join("audit.log")).unwrap_or_default();
    check(audit.contains(USER), || {
        "the audit log does not hold the e-mail".to_owned()
    })
}

fn scenarios(aws_hosts: bool) -> Result<(), Stop> {
    let kubelogin = programs::kubelogin()?;
    let mut command = Command::new(programs::rolecall());
    command
        .args(["test", "--driver", "kubelogin", "--json"])
        .args(aws_hosts.then_some("--aws-hosts"))
        .env("PATH", kubelogin.parent().unwrap_or(Path::new("/")))
        .current_dir(programs::root());
    let text = crate::rig::ran(command)?.ok()?.stdout;
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let tally = events.last().ok_or_else(|| "no events".to_owned())?;
    check(tally["failed"] == 0 && tally["broken"] == 0, || {
        format!("{tally}: {text}")
    })?;
    // An access token is never seen, one redirect URI cannot be asked for, and
    // no browser is on this PATH.
    let skipped: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "scenarioFinished" && event["verdict"] == "skip")
        .filter_map(|event| event["file"].as_str()?.rsplit_once("scenarios/"))
        .map(|(_, file)| file)
        .collect();
    let expected = [
        "attacks/spelling.yaml",
        "logins/browser.yaml",
        "negatives/access-token.yaml",
        "negatives/wrong-redirect-uri.yaml",
    ];
    check(skipped == expected, || {
        format!("{skipped:?} are skipped: {text}")
    })
}

fn wrong_password() -> Result<(), Stop> {
    let site = Site::new(&[])?;
    let _turn = turn()?;
    let mut arguments = site.arguments("get-token");
    arguments.push("--skip-open-browser".to_owned());
    let mut talk = site.start(&site.kubelogin, &arguments)?;
    let start = talk.address()?;
    let request = Request {
        password: "wrong".to_owned().into(),
        ..site.request()
    };
    let refused = block_on(async {
        site.pages()?
            .pages(&start, &request)
            .await
            .map_err(|r| Stop::Fail(r.to_string()))
    });
    let _ = talk.child.kill();
    let _ = talk.child.wait();
    match refused {
        Err(Stop::Fail(text)) => check(text.contains("Incorrect username or password."), || {
            text.clone()
        }),
        _ => Err(Stop::Fail("it was not refused".to_owned())),
    }
}

fn keyboard() -> Result<(), Stop> {
    let site = Site::new(&[])?;
    let mut arguments = site.arguments("get-token");
    arguments.push("--grant-type=authcode-keyboard".to_owned());
    arguments.push("--oidc-redirect-url-authcode-keyboard=http://localhost:8000".to_owned());
    let mut talk = site.start(&site.kubelogin, &arguments)?;
    let start = talk.address()?;
    let (pages, request) = (site.pages()?, site.request());
    let callback = block_on(async { pages.pages(&start, &request).await })
        .map_err(|refusal| Stop::Fail(refusal.to_string()))?;
    let code = callback
        .query_pairs()
        .find(|(name, _)| name == "code")
        .map(|(_, code)| code.into_owned())
        .ok_or_else(|| format!("no code in {callback}"))?;
    if let Some(stdin) = &mut talk.child.stdin {
        writeln!(stdin, "{code}").map_err(|error| error.to_string())?;
    }
    let credential = talk.end("kubelogin get-token")?.ok()?.json()?;
    check(credential["kind"] == "ExecCredential", || {
        credential["kind"].to_string()
    })
}

/// A command of one's own, and the one that `up` writes for it, which starts
/// the browser of `rolecall browse`.
fn browser_command() -> Result<(), Stop> {
    let site = Site::new(&[])?;
    let _turn = turn()?;
    let browse = site.up.ready().paths.browse.clone();
    for ours in [false, true] {
        let urls = site.up.scratch().join(format!("urls-{ours}"));
        let script = site.up.scratch().join(format!("open-{ours}"));
        let note = format!(
            "for last; do :; done; echo \"$last\" >>'{}'",
            urls.display()
        );
        program(&script, &note)?;
        let command = if ours { &browse } else { &script };
        let mut arguments = vec![
            "DISPLAY=:0".to_owned(),
            format!("CHROME={}", script.display()),
            site.kubelogin.display().to_string(),
        ];
        arguments.extend(site.arguments("get-token"));
        arguments.push(format!("--browser-command={}", command.display()));
        // What the first one got is not for the second.
        let _ = std::fs::remove_dir_all(site.up.scratch().join("cache"));
        let talk = site.start(Path::new("/usr/bin/env"), &arguments)?;
        let start = crate::rig::await_line(&urls)?;
        check(start.starts_with("http://localhost:8000"), || start.clone())?;
        let request = Request {
            password: if ours { PASSWORD } else { TEMPORARY }.to_owned().into(),
            ..site.request()
        };
        let pages = site.pages()?;
        block_on(async {
            let callback = pages.pages(&start, &request).await?;
            pages.visit(&callback).await
        })
        .map_err(|refusal| Stop::Fail(refusal.to_string()))?;
        talk.end("kubelogin get-token")?
            .ok()?
            .says("ExecCredential")?;
    }
    Ok(())
}

/// Cognito's token endpoint has no password grant, and kubelogin no other way
/// to send one: what fails here fails on AWS.
fn password_grant() -> Result<(), Stop> {
    let site = Site::new(&[])?;
    let mut arguments = site.arguments("get-token");
    arguments.extend(
        [
            "--grant-type=password",
            "--username=test@kubedemy.io",
            "--password=H3lloW@rlD",
        ]
        .map(str::to_owned),
    );
    site.start(&site.kubelogin, &arguments)?
        .end("kubelogin get-token")?
        .refused()?
        .says("unsupported_grant_type")?;
    // The tutorial's version has no grant for machines.
    let mut arguments = site.arguments("get-token");
    arguments.push("--grant-type=client-credentials".to_owned());
    site.start(&site.kubelogin, &arguments)?
        .end("kubelogin get-token")?
        .refused()?
        .says("grant-type must be one of (auto|authcode|authcode-keyboard|password|device-code)")
        .map(drop)
}

fn cache() -> Result<(), Stop> {
    let site = Site::new(&[])?;
    let _turn = turn()?;
    // The provider's clock is put back, so that by kubelogin's the token is
    // about to end.
    let clock = site.up.control("GET", "clock", &Value::Null)?;
    let now: jiff::Timestamp = text(&clock["now"])?
        .parse()
        .map_err(|_| "no time".to_owned())?;
    let earlier = now - jiff::SignedDuration::from_secs(3600 - 25);
    site.up.control(
        "POST",
        "clock",
        &serde_json::json!({"set": earlier.to_string()}),
    )?;
    let mut arguments = site.arguments("get-token");
    arguments.push("--skip-open-browser".to_owned());
    let token = |ran: Ran| -> Result<String, Stop> { text(&ran.ok()?.json()?["status"]["token"]) };
    let mut talk = site.start(&site.kubelogin, &arguments)?;
    let start = talk.address()?;
    site.log_in_at(&start)?;
    let first = token(talk.end("the first")?)?;
    let second = token(site.start(&site.kubelogin, &arguments)?.end("the second")?)?;
    check(first == second, || "the cache was not used".to_owned())?;
    let expiry = claims(&first)["exp"].as_i64().unwrap_or_default();
    eventually("the token has ended", || {
        Ok(jiff::Timestamp::now().as_second() > expiry)
    })?;
    let later = jiff::Timestamp::now().to_string();
    site.up
        .control("POST", "clock", &serde_json::json!({"set": later}))?;
    let third = token(site.start(&site.kubelogin, &arguments)?.end("the third")?)?;
    let (old, new) = (claims(&first), claims(&third));
    check(
        old["exp"] != new["exp"] && old["auth_time"] == new["auth_time"],
        || format!("{old} was not refreshed, but became {new}"),
    )
}

fn nobody() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let dir = up.dir().display().to_string();
    let run = crate::rig::rolecall(&["kubeconfig", "--login", "kubelogin", "--dir", &dir])?;
    check(run.code == Some(2), || run.to_string())?;
    run.says("aws eks associate-identity-provider-config")?;
    let run = crate::rig::rolecall(&[
        "kubeconfig",
        "--login",
        "kubelogin",
        "--cluster",
        "nowhere",
        "--dir",
        &dir,
    ])?;
    check(run.code == Some(2), || run.to_string())?;
    run.says("aws eks list-clusters").map(drop)
}

/// All three drivers, one after the other, for one person.
fn claims_agree(aws_hosts: bool) -> Result<(), Stop> {
    let programs = browser::find().map_err(|missing| Missing(missing.to_string()))?;
    let site = Site::new(aws_hosts.then_some("--aws-hosts").as_slice())?;
    let ready = site.up.ready();
    let ca = std::fs::read_to_string(&ready.paths.ca).map_err(|error| error.to_string())?;
    let (proxy, pages) = (ready.proxy.as_deref(), site.pages()?.into());
    let kubelogin = KubeloginLogin::new(site.kubelogin.clone(), pages, &ca, proxy);
    let trust = Trust {
        spki: ready.edge_spki.clone(),
        proxy: ready.proxy.clone(),
    };
    let browser = BrowserLogin::new(programs, trust, site.up.edge_roots()?);
    let browser = browser.map_err(|broken| broken.to_string())?;
    let http = site.pages()?;
    let drivers: [(&str, &dyn Login); 3] = [
        ("kubelogin", &kubelogin),
        ("browser", &browser),
        ("http", &http),
    ];
    let mut all = Vec::new();
    for (name, driver) in drivers {
        // The first one comes with the temporary password.
        let mut request = site.request();
        if !all.is_empty() {
            request.password = PASSWORD.to_owned().into();
        }
        let session = block_on(driver.login(&request))
            .map_err(|refusal| Stop::Fail(format!("{name}: {refusal}")))?;
        check(session.password_changed == all.is_empty(), || {
            format!("{name}: {:?}", session.trace)
        })?;
        check(session.refresh_token.is_some(), || {
            format!("{name} has no refresh token")
        })?;
        all.push((name, lasting_claims(session.id_token.expose())));
    }
    let (_, first) = &all[0];
    check(
        first["email"] == USER && first["iss"] == site.issuer().as_str(),
        || first.to_string(),
    )?;
    for (name, claims) in &all {
        check(claims == first, || format!("{name}: {claims}, not {first}"))?;
    }
    Ok(())
}
