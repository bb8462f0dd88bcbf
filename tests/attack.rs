//! `rolecall attack`: on clusters that let nobody in, and on servers that let in
//! whoever comes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use foundation::listen::Listener;
use foundation::pki::Ca;
use harness::attack::Forgery;
use harness::cluster::Version;
use harness::offline::authn::Judge;
use http::StatusCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::doctor::{CONFIG, Chain, PASSWORD, Setup, USER};
use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, block_on, check, fed};
use crate::table::Row;

/// What holds on any kind of cluster.
pub const ROWS: [Row; 1] = [(
    "attack::nothing_is_let_in_and_a_whole_chain_has_no_problem",
    sound,
)];

/// All of them but for the row.
pub fn cases() -> Vec<Case> {
    let mut all = vec![
        case(
            "attack::a_cluster_by_its_kubeconfig_alone_without_what_only_the_issuer_can_forge",
            by_kubeconfig,
        ),
        case(
            "attack::who_lets_everybody_in_is_told_so_and_so_is_who_asks_the_forger",
            let_in,
        ),
        case(
            "attack::who_refuses_everybody_has_proven_nothing",
            refuses_all,
        ),
        case("attack::who_does_not_answer_has_refused_nothing", no_answer),
        case("attack::what_is_missing_is_usage", usage),
        case("attack::every_word_stands_in_a_scenario", words),
        case(
            "attack::every_forged_token_gets_kubernetes_own_verdict",
            oracle,
        ),
    ];
    all.push(case(
        "attack::a_word_changes_what_it_says_and_nothing_else",
        only_that,
    ));
    all
}

/// `rolecall attack`, in a folder of its own. No token is ever printed.
pub fn attack(folder: &Path, arguments: &[&str], input: &str) -> Result<Ran, Stop> {
    let mut command = Command::new(programs::rolecall());
    command
        .arg("attack")
        .args(arguments)
        .current_dir(folder)
        .env("RUST_LOG", "trace");
    let mut ran = fed(command, input)?;
    for said in [&ran.stdout, &ran.stderr] {
        check(!said.contains("eyJ"), || "a token was printed".to_owned())?;
        check(!said.contains(PASSWORD), || {
            "a password was printed".to_owned()
        })?;
    }
    // The log was for the secrets alone.
    if ran.code != Some(2) {
        let log = std::mem::take(&mut ran.stderr);
        let own = log.lines().filter(|line| line.starts_with("rolecall: "));
        ran.stderr = own.collect();
    }
    Ok(ran)
}

fn word<'a>(report: &'a Value, word: &str) -> Result<&'a Value, Stop> {
    let mut words = report["words"].as_array().into_iter().flatten();
    let found = words.find(|one| one["word"] == word);
    found.ok_or_else(|| Stop::Fail(format!("{word} is not in the report")))
}

fn tokens(word: &Value) -> impl Iterator<Item = &Value> {
    word["tokens"].as_array().into_iter().flatten()
}

/// The words of which nothing was sent.
fn left_out(report: &Value) -> Vec<&str> {
    let words = report["words"].as_array().into_iter().flatten();
    words
        .filter(|one| tokens(one).next().is_none())
        .filter_map(|one| one["word"].as_str())
        .collect()
}

/// What is sound, as those who look for faults see it, and those who make them.
fn sound(up: &Up) -> Result<(), Stop> {
    let chain = Chain::on(up, &Setup::default())?;
    chain.no_problem()?;
    nothing(&chain)?;
    up.disassociate(CONFIG)
}

fn nothing(chain: &Chain<&Up>) -> Result<(), Stop> {
    let dir = chain.up.ready().dir.clone();
    let login = ["--dir", &dir, "--user", USER, "--password", "-"];
    let folder = chain.up.scratch();
    let ran = attack(folder, &[&login[..], &["--json"]].concat(), PASSWORD)?.ok()?;
    let report = ran.json()?;
    check(report["person"]["username"] == USER, || ran.to_string())?;
    check(
        report["letIn"] == 0 && report["broken"] == 0 && report["askedTheForger"] == json!([]),
        || ran.to_string(),
    )?;
    check(report["sent"].as_u64() > Some(500), || ran.to_string())?;
    // The person's e-mail was never verified, and the pool signs by RS256.
    let left = left_out(&report);
    check(left == ["no-email-verified", "der-signature"], || {
        format!("{left:?}")
    })?;
    // Every reason is the API server's own.
    let expired = word(&report, "expired")?;
    let reasons: Vec<&str> = tokens(expired)
        .filter_map(|one| one["error"].as_str())
        .collect();
    check(
        reasons.len() == 2
            && reasons
                .iter()
                .all(|why| why.contains("oidc: token is expired")),
        || format!("{reasons:?}"),
    )?;
    // And what Kubernetes accepts is accepted: the cluster is not just strict.
    let spare = word(&report, "spare-bits")?;
    let accepted = |one: &Value| {
        one["outcome"] == "accepted as by Kubernetes" && one["identity"]["username"] == USER
    };
    check(
        spare["expected"] == "accepted" && tokens(spare).all(accepted),
        || spare.to_string(),
    )?;
    // Line breaks come by review alone, and are accepted there.
    let white = word(&report, "white-space")?;
    let reviewed = |one: &&Value| one["status"].is_null() && !one["identity"].is_null();
    check(tokens(white).filter(reviewed).count() == 2, || {
        white.to_string()
    })?;
    // For people, and only some of them.
    let some = [&login[..], &["tampered", "alg-none", "--verbose"]].concat();
    let told = attack(folder, &some, PASSWORD)?
        .ok()?
        .says("✓ alg-none")?
        .says("✓ exp ten years later: refused: [invalid bearer token, oidc: verify token: failed")?
        .says("0 broken, 0 LET IN")?;
    check(!told.stdout.contains('\u{1b}'), || told.to_string())?;
    check(!told.stdout.contains("expired"), || told.to_string())
}

fn by_kubeconfig() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let (id, _) = chain.tokens()?;
    let paths = &chain.up.ready().paths;
    let kubeconfig = paths.admin_kubeconfig.display().to_string();
    let ca = paths.ca.display().to_string();
    let folder = chain.up.scratch();
    let flags = ["--kubeconfig", &kubeconfig, "--token", "-", "--json"];
    let ran = attack(folder, &[&flags[..], &["--ca", &ca]].concat(), &id)?.ok()?;
    let report = ran.json()?;
    check(
        report["letIn"] == 0 && report["sent"].as_u64() > Some(300),
        || ran.to_string(),
    )?;
    let mut expected: BTreeSet<&str> = Forgery::ALL
        .iter()
        .filter(|word| word.takes_the_issuer())
        .map(|word| word.word())
        .collect();
    expected.extend(["der-signature", "access-token"]);
    let left: BTreeSet<&str> = left_out(&report).into_iter().collect();
    check(left == expected, || format!("{left:?}"))?;
    let why = &word(&report, "expired")?["leftOut"][0];
    check(why == "only the issuer's own key can sign it", || {
        why.to_string()
    })?;
    // Without the issuer's CA its keys are not known; the rest goes on.
    let report = attack(folder, &flags, &id)?.ok()?.json()?;
    let why = word(&report, "hmac-with-public-key")?["leftOut"][0].to_string();
    check(why.contains("is not signed by"), || why.clone())?;
    check(tokens(word(&report, "wrong-key")?).count() == 2, || {
        report.to_string()
    })
}

/// A server that takes itself for an API server.
struct Impostor {
    kubeconfig: PathBuf,
    shutdown: CancellationToken,
    _runtime: tokio::runtime::Runtime,
}

impl Impostor {
    /// Starts one that answers to a bearer with a status; its kubeconfig is put
    /// into `folder`.
    fn start(
        folder: &Path,
        judge: impl Fn(&str) -> StatusCode + Clone + Send + Sync + 'static,
    ) -> Result<Self, Stop> {
        let text = |error: &dyn std::fmt::Display| Stop::Fail(error.to_string());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| text(&error))?;
        let now = foundation::pki::today();
        let ca = Ca::new("an impostor", now).map_err(|error| text(&error))?;
        let leaf = ca
            .issue_server(&["127.0.0.1"], now)
            .map_err(|error| text(&error))?;
        let tls = leaf.server_config().map_err(|error| text(&error))?;
        let listener = runtime
            .block_on(Listener::bind(([127, 0, 0, 1], 0).into()))
            .map_err(|error| text(&error))?;
        let kubeconfig = folder.join("impostor.kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "users": [{"name": "x", "user": {}}],
            "clusters": [{"name": "x", "cluster": {
                "server": format!("https://{}", listener.addr()),
                "certificate-authority-data": STANDARD.encode(ca.pem()),
            }}],
        });
        std::fs::write(&kubeconfig, config.to_string()).map_err(|error| text(&error))?;
        let answer = move |headers: http::HeaderMap| async move {
            let bearer = headers.get(http::header::AUTHORIZATION);
            let bearer = bearer
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let status = judge(bearer.trim_start_matches("Bearer "));
            let body = if status == StatusCode::CREATED {
                json!({"status": {"userInfo": {"username": USER, "groups": ["everybody"]}}})
            } else {
                json!({"message": "no"})
            };
            (status, body.to_string())
        };
        let router = axum::Router::new().route(
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            axum::routing::post(answer),
        );
        let shutdown = CancellationToken::new();
        runtime.spawn(listener.serve(tls, router, shutdown.clone()));
        Ok(Self {
            kubeconfig,
            shutdown,
            _runtime: runtime,
        })
    }

    fn attacked(&self, folder: &Path, token: &str, more: &[&str]) -> Result<Ran, Stop> {
        let kubeconfig = self.kubeconfig.display().to_string();
        let flags = ["--kubeconfig", &kubeconfig, "--token", "-"];
        attack(folder, &[&flags[..], more].concat(), token)
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Nobody's token, of the right shape.
fn token() -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({"alg": "RS256", "kid": "k"}));
    let claims = json!({"iss": "https://issuer.invalid", "sub": "ada", "exp": 1_900_000_000});
    format!(
        "{header}.{}.{}",
        encode(claims),
        URL_SAFE_NO_PAD.encode([0xfb; 256])
    )
}

fn folder() -> Result<tempfile::TempDir, Stop> {
    tempfile::tempdir().map_err(|error| Stop::Fail(error.to_string()))
}

/// Goes where the token says that its keys are.
fn fetch_keys(bearer: &str) {
    let header = URL_SAFE_NO_PAD.decode(bearer.split('.').next().unwrap_or_default());
    let header: Value = serde_json::from_slice(&header.unwrap_or_default()).unwrap_or_default();
    let Some(rest) = header["jku"]
        .as_str()
        .and_then(|url| url.strip_prefix("http://"))
    else {
        return;
    };
    let (host, path) = rest.split_once('/').unwrap_or_default();
    let Ok(mut stream) = TcpStream::connect(host) else {
        return;
    };
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_end(&mut Vec::new());
}

fn let_in() -> Result<(), Stop> {
    let folder = folder()?;
    let everybody = Impostor::start(folder.path(), |bearer| {
        fetch_keys(bearer);
        StatusCode::CREATED
    })?;
    let ran = everybody.attacked(folder.path(), &token(), &["--json"])?;
    check(ran.code == Some(1), || ran.to_string())?;
    let report = ran.json()?;
    check(report["refused"] == 0 && report["broken"] == 0, || {
        ran.to_string()
    })?;
    let none = word(&report, "alg-none")?;
    check(
        tokens(none).all(|one| one["outcome"] == "LET IN" && one["identity"]["username"] == USER),
        || none.to_string(),
    )?;
    let asked = report["askedTheForger"].as_array().map(Vec::len);
    check(asked == Some(2), || report["askedTheForger"].to_string())?;
    let ran = everybody.attacked(folder.path(), &token(), &["alg-none", "remote-key"])?;
    check(ran.code == Some(1), || ran.to_string())?;
    ran.says("✗ alg-none")?
        .says(&format!("✗ \"None\": LET IN as \"{USER}\""))?
        .says("✗ the cluster asked the forger for /jku")
        .map(drop)
}

fn refuses_all() -> Result<(), Stop> {
    let folder = folder()?;
    let nobody = Impostor::start(folder.path(), |_| StatusCode::UNAUTHORIZED)?;
    let ran = nobody.attacked(folder.path(), &token(), &[])?;
    check(ran.code == Some(3), || ran.to_string())?;
    ran.says("nothing was proven: the real token is refused: 401 no")
        .map(drop)
}

fn no_answer() -> Result<(), Stop> {
    let folder = folder()?;
    let real = token();
    let known = real.clone();
    let broken = Impostor::start(folder.path(), move |bearer| {
        if bearer == known {
            StatusCode::CREATED
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    })?;
    let ran = broken.attacked(folder.path(), &real, &["alg-none"])?;
    check(ran.code == Some(3), || ran.to_string())?;
    ran.says("! alg-none")?.says("7 broken").map(drop)
}

fn usage() -> Result<(), Stop> {
    let empty = folder()?;
    let refused = |arguments: &[&str], says: &str| {
        let ran = attack(empty.path(), arguments, "")?;
        check(ran.code == Some(2), || ran.to_string())?;
        ran.says(says).map(drop)
    };
    refused(&[], "no instance is running")?;
    refused(&["expird"], "did you mean expired?")?;
    refused(&["nonsense"], "there are expired, ")?;
    let none = empty.path().join("none");
    std::fs::write(&none, "\n").map_err(|error| error.to_string())?;
    refused(
        &["--kubeconfig", "x", "--token", &none.display().to_string()],
        "none: it holds no JSON Web Token",
    )?;
    refused(&["--user", USER], "--password")?;
    refused(&["--kubeconfig", "x"], "--token")?;
    refused(&["--kubeconfig", "x", "--token", "/nowhere"], "/nowhere")?;
    let chain = Chain::new(&Setup::default())?;
    let dir = chain.up.ready().dir.as_str();
    refused(&["--dir", dir], "--user and --password")?;
    refused(
        &["--dir", dir, "--user", USER, "--password", "wrong"],
        "cannot log in",
    )?;
    refused(
        &[
            "--dir",
            dir,
            "--cluster",
            "other",
            "--user",
            USER,
            "--password",
            "x",
        ],
        "there is no cluster other",
    )
}

/// But the one that takes a token of another algorithm than Cognito's.
fn words() -> Result<(), Stop> {
    let mut text = String::new();
    let files = std::fs::read_dir(programs::root().join("scenarios/attacks"));
    for file in files.map_err(|error| error.to_string())? {
        let file = file.map_err(|error| error.to_string())?.path();
        text += &std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    }
    let missing: Vec<&str> = Forgery::ALL
        .iter()
        .map(|word| word.word())
        .filter(|word| !text.contains(&format!("token: {word},")))
        .collect();
    check(missing == ["der-signature"], || format!("{missing:?}"))
}

/// Asks Kubernetes' own code of each minor about each form of each word, and ours.
fn oracle() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let (id, access) = chain.tokens()?;
    let mut forged = Vec::new();
    for word in Forgery::ALL {
        let order = json!({"word": word.word(), "token": id, "access_token": access});
        // What cannot be made of this token is another case's matter.
        let Ok(answer) = chain.up.control("POST", "forge", &order) else {
            continue;
        };
        let all = answer["tokens"].as_array().cloned().unwrap_or_default();
        let named = |one: &Value| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            (format!("{word}, {}", text("variant")), text("token"))
        };
        forged.extend(all.iter().map(named));
    }
    check(forged.len() > 500, || format!("{} tokens", forged.len()))?;
    let jwt = json!({
        "issuer": {"url": chain.issuer(), "audiences": [chain.client]},
        "claimMappings": {
            "username": {"claim": "email", "prefix": ""},
            "groups": {"claim": "cognito:groups", "prefix": "oidc:"},
        },
    });
    let keys = published(&chain)?;
    let now = jiff::Timestamp::now();
    let questions: String = forged
        .iter()
        .map(|(_, token)| json!({"now": now.to_string(), "token": token, "keys": keys, "jwt": jwt}))
        .map(|question| format!("{question}\n"))
        .collect();
    let config = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [jwt],
    });
    for version in Version::ALL {
        let judge =
            Judge::new(&config.to_string(), keys.as_bytes(), version).map_err(|e| e.to_string())?;
        let oracle = programs::kubernetes(&format!("v{version}"), "oracle-authn")?;
        let answered = fed(Command::new(oracle), &questions)?.ok()?;
        judged_alike(&forged, &answered, &judge, now)?;
    }
    Ok(())
}

/// Each token, by Kubernetes' answers and by ours.
fn judged_alike(
    forged: &[(String, String)],
    answered: &Ran,
    judge: &Judge,
    now: jiff::Timestamp,
) -> Result<(), Stop> {
    check(answered.stdout.lines().count() == forged.len(), || {
        "the oracle ended early".to_owned()
    })?;
    for ((name, token), line) in forged.iter().zip(answered.stdout.lines()) {
        let theirs: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let error = theirs["error"].as_str().unwrap_or(match &theirs["result"] {
            result if result == "not-mine" => "invalid bearer token",
            _ => "",
        });
        let ours = judge.judge(token, Some(now));
        let user = ours.user.as_ref().map(|user| user.username.as_str());
        // The process' own clock stands behind a time that it reads.
        let same = without_monotonic(error) == ours.error;
        check(same && theirs["user"]["username"].as_str() == user, || {
            format!("{name}: {} and {line}", ours.error)
        })?;
    }
    Ok(())
}

/// Holds what is forged against the token that it was made of.
fn only_that() -> Result<(), Stop> {
    let chain = Chain::new(&Setup::default())?;
    let (id, access) = chain.tokens()?;
    let allowed: BTreeMap<&str, BTreeSet<&str>> = CHANGES
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(word, changes)| (word, changes.split(", ").collect()))
        .collect();
    let mut left_out = Vec::new();
    for word in Forgery::ALL {
        let order = json!({"word": word.word(), "token": id, "access_token": access});
        let Ok(answer) = chain.up.control("POST", "forge", &order) else {
            left_out.push(word.word());
            continue;
        };
        let tokens = answer["tokens"].as_array().into_iter().flatten();
        let tokens: Vec<&str> = tokens.filter_map(|one| one["token"].as_str()).collect();
        for token in &tokens {
            let changes = changes(&id, token);
            // A bit anywhere.
            let right = match allowed.get(word.word()) {
                None => *word == Forgery::Tampered && changes.len() < 3,
                Some(allowed) => changes.iter().all(|one| allowed.contains(one.as_str())),
            };
            check(right && !changes.is_empty(), || {
                format!("{word} changes {changes:?}")
            })?;
        }
        check(!tokens.is_empty(), || format!("{word} makes no token"))?;
    }
    // The person has not the one's claim, and the other is a signature by no RSA key.
    let unfit = ["no-email-verified", "der-signature"];
    check(left_out == unfit, || format!("{left_out:?}"))
}

/// In what a token differs from another: claims, members of the header, the
/// signature where nothing else does, or the way it is spelt.
fn changes(original: &str, token: &str) -> Vec<String> {
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (parts(original), parts(token));
    let [old_header, old_claims, old_signature] = &old[..] else {
        return vec!["no JWT".to_owned()];
    };
    let [new_header, new_claims, new_signature] = &new[..] else {
        return vec!["parts".to_owned()];
    };
    let mut changes = Vec::new();
    for (what, old, new) in [
        ("header", old_header, new_header),
        ("claim", old_claims, new_claims),
    ] {
        match (object(old), object(new)) {
            (Some(old), Some(new)) => {
                let names = old.keys().chain(new.keys());
                let differing = names.filter(|name| old.get(*name) != new.get(*name));
                changes.extend(differing.map(|name| format!("{what} {name}")));
            }
            _ => changes.push(format!("{what} text")),
        }
        if changes.is_empty() && old != new {
            changes.push(format!("{what} text"));
        }
    }
    if changes.is_empty() && old_signature != new_signature {
        changes.push("signature".to_owned());
    }
    if changes.is_empty() && original != token {
        changes.push("parts".to_owned());
    }
    changes
}

fn object(part: &str) -> Option<serde_json::Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part);
    serde_json::from_slice(&bytes.ok()?).ok()
}

/// What each word changes at most, and something of it for sure: how a token can be
/// spelt otherwise depends on its length.
const CHANGES: &str = "\
expired: claim exp
not-yet-valid: claim nbf
nearly-valid: claim nbf
wrong-audience: claim aud
several-audiences: claim aud
wrong-issuer: claim iss
missing-exp: claim exp
bad-exp: claim exp, claim text
exp-as-string: claim exp
fractional-exp: claim exp
bad-nbf: claim nbf
bad-iat: claim iat
odd-iat: claim iat
missing-username: claim email
bad-username: claim email
empty-username: claim email
long-username: claim email
email-unverified: claim email_verified
bad-groups: claim cognito:groups
groups-as-string: claim cognito:groups
many-groups: claim cognito:groups
duplicate-claim: claim cognito:groups, claim email, claim text
claim-case: claim AUD, claim EXP, claim ISS, claim aud, claim exp, claim iss
not-an-object: claim text
byte-order-mark: claim text, header text
not-utf8: claim text, header text
duplicate-header: header text
unknown-kid: header kid
no-kid: header kid
unknown-critical: header crit, header exp, header rolecall
empty-critical: header crit
unencoded: header b64, header crit
other-algorithm: header alg
other-digest: header alg, signature
other-pool: claim iss, header kid
retired-key: header kid
alg-none: header alg
relabelled-algorithm: header alg
zero-signature: header alg, signature
tampered-signature: signature
truncated-signature: signature
wrong-part-count: header text, parts
encrypted: parts
json-serialised: parts
padded: claim text, header text, signature
standard-alphabet: claim text, header text, signature
spare-bits: claim text, header text, signature
white-space: claim text, signature
hmac-with-public-key: header alg
unknown-key: header kid
wrong-key: header kid, signature
hostile-kid: header alg, header kid
remote-key: header jku, header kid, header x5u
embedded-key: header jwk, header kid, header x5c
access-token: claim at_hash, claim aud, claim client_id, claim cognito:username, claim email, claim jti, claim nonce, claim scope, claim token_use, claim username, claim version, header kid
";

/// An error text without Go's `m=+0.1`.
fn without_monotonic(text: &str) -> String {
    match text.split_once(" m=+") {
        None => text.to_owned(),
        Some((start, rest)) => {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            format!("{start}{rest}")
        }
    }
}

fn published(chain: &Chain) -> Result<String, Stop> {
    let url = format!("{}/.well-known/jwks.json", chain.issuer());
    let http = chain.up.https()?;
    block_on(async {
        let answer = http.get(url).send().await.map_err(|e| e.to_string())?;
        Ok(answer.text().await.map_err(|e| e.to_string())?)
    })
}
