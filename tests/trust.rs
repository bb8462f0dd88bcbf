//! When a cluster begins to trust an issuer, and when it ceases to.

use std::path::Path;
use std::time::Duration;

use harness::cluster::Kind;
use serde_json::{Value, json};

use crate::ledger::{Case, Stop, case};
use crate::rig::{Up, block_on, check, eventually, rolecall};
use crate::{iam_tokens, tutorial};

/// All of them.
pub fn cases() -> Vec<Case> {
    let timing = case(
        "trust::with_kubernetes_timing_a_token_outlives_it_by_ten_seconds",
        outlived,
    );
    let own = case(
        "trust::a_file_of_ones_own_is_in_force_from_the_start_until_an_association",
        by_file,
    );
    let minors = std::env::var("ROLECALL_OLDER_SERVERS");
    let minors = minors.unwrap_or_else(|_| OLDER.to_owned());
    let older = minors.split(',').map(|minor| {
        let (minor, name) = (
            minor.to_owned(),
            format!("trust::of_a_real_control_plane_of_{minor}"),
        );
        case(name, move || older(&minor))
    });
    older.chain([timing, own]).collect()
}

/// Two issuers, one of which is not there, and what EKS has no words for.
const FILE: &str = r#"
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: { url: "https://issuer.invalid/elsewhere", audiences: [nobody] }
  claimMappings: { username: { claim: sub, prefix: "elsewhere:" } }
- issuer:
    url: https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_Pinned001
    audiences: [another, 1pinnedclient0000000000000]
    audienceMatchPolicy: MatchAny
  claimValidationRules: [{ claim: token_use, requiredValue: id }]
  claimMappings:
    username: { claim: email, prefix: "cognito:" }
    groups: { claim: "cognito:groups", prefix: "grp:" }
    uid: { claim: sub }
anonymous: { enabled: true, conditions: [{ path: /livez }] }
"#;

fn by_file() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("authentication.yaml");
    std::fs::write(&file, FILE).map_err(|error| error.to_string())?;
    let named = file.display().to_string();
    let pins = [
        "--aws-hosts",
        "--pin",
        "pool=eu-west-2_Pinned001",
        "--pin",
        "client=1pinnedclient0000000000000",
    ];
    let up = Up::start(&[&pins[..], &["--authentication-config", &named]].concat())?;
    let (pool, client) = tutorial::made(&up)?;
    let session = tutorial::log_in(&up, &pool, &client)?;
    let token = session.id_token.expose();
    let whoami = || up.kubectl_as("v1.37", token, &["auth", "whoami", "-o", "json"]);
    // The issuer was looked for before there was a pool, and is every ten seconds.
    up.control("POST", "clock", &json!({"advance": "10s"}))?;
    eventually("the issuer is found", || Ok(whoami()?.code == Some(0)))?;
    let known = whoami()?.ok()?.json()?;
    let user = &known["status"]["userInfo"];
    check(
        user["username"] == "cognito:test@kubedemy.io"
            && user["groups"] == json!(["grp:admins", "system:authenticated"])
            && user["uid"] == crate::rig::claims(token)["sub"],
        || user.to_string(),
    )?;
    some_is_for_everybody(&up)?;
    by_file_is_known(&up, folder.path())?;
    // The file is followed, and kept to where what came of it is not sound.
    renamed_to(&file, &FILE.replace("\"cognito:\"", "\"anew:\""))?;
    eventually("the file's new prefix is there", || {
        Ok(whoami()?.stdout.contains("\"anew:test@kubedemy.io\""))
    })?;
    for (sound, faulty, words) in [
        (
            "claim: email, prefix",
            "claim: email, prefixx",
            "failed to load authentication config: strict decoding error: unknown field",
        ),
        (
            "path: /livez",
            "path: /version",
            "failed to validate authentication config: anonymous: Forbidden: changed from initial",
        ),
    ] {
        renamed_to(&file, &FILE.replace(sound, faulty))?;
        eventually(words, || Ok(up.log().contains(words)))?;
    }
    some_is_for_everybody(&up)?;
    whoami()?.ok()?.says("\"anew:test@kubedemy.io\"")?;
    // EKS' word counts from then on.
    tutorial::associated(&up, &pool, &client)?;
    whoami()?.ok()?.says("\"test@kubedemy.io\"")?;
    some_is_for_everybody(&up)?;
    renamed_to(&file, FILE)?;
    // Nothing is to happen: in this time the file would be looked at four times.
    std::thread::sleep(Duration::from_secs(2));
    whoami()?.ok()?.says("\"test@kubedemy.io\"")?;
    // What would not do is said before anything starts.
    let faulty = FILE.replace("claim: email, prefix", "claim: email, prefixx");
    let file = folder.path().join("faulty.yaml");
    std::fs::write(&file, faulty).map_err(|error| error.to_string())?;
    let (gone, file) = (
        format!("{}.gone", file.display()),
        file.display().to_string(),
    );
    let dir = folder.path().join("up").display().to_string();
    let faulty = ["up", "--dir", &dir, "--authentication-config", &file];
    let run = rolecall(&faulty)?.refused()?;
    check(run.code == Some(2), || run.to_string())?;
    let hint = "rolecall authn validate";
    let none = ["up", "--dir", &dir, "--authentication-config", &gone];
    let none = rolecall(&none)?.refused()?;
    check(
        none.code == Some(2) && none.stderr.contains("No such file") && !none.stderr.contains(hint),
        || none.to_string(),
    )?;
    run.says("unknown field \"jwt[1].claimMappings.username.prefixx\"")?
        .says(hint)?;
    for (before, after, words) in [
        (
            "claim: email, prefix: \"cognito:\"",
            "expression: claims.email",
            "jwt[1].claimMappings.username.expression: CEL expressions are not supported yet",
        ),
        (
            "audiences: [nobody]",
            "audiences: [nobody], egressSelectorType: cluster",
            "jwt[0]: oidc: egress lookup required with egress selector type \"cluster\"",
        ),
        (
            "https://issuer.invalid/elsewhere",
            "https://kubernetes.default.svc",
            "jwt[0].issuer.url: Invalid value: \"https://kubernetes.default.svc\": URL must not overlap",
        ),
    ] {
        check(FILE.contains(before), || before.to_owned())?;
        std::fs::write(&file, FILE.replace(before, after)).map_err(|error| error.to_string())?;
        let run = rolecall(&faulty)?.refused()?;
        check(run.code == Some(2), || run.to_string())?;
        run.says(&file)?.says(words)?;
    }
    Ok(())
}

/// Who asks the instance about its cluster hears of both issuers of the file.
fn by_file_is_known(up: &Up, folder: &Path) -> Result<(), Stop> {
    let dir = up.dir().display().to_string();
    let status = rolecall(&["status", "--dir", &dir])?
        .ok()?
        .says("trusts https://issuer.invalid/elsewhere, client nobody (--authentication-config)\n  but its keys cannot be had: ")?
        .says("client another, 1pinnedclient0000000000000 (--authentication-config)\n")?;
    check(!status.stdout.contains("trusts no issuer"), || {
        status.to_string()
    })?;
    let status = rolecall(&["status", "--json", "--dir", &dir])?
        .ok()?
        .json()?;
    let cluster = &status["clusters"][0];
    let told = &cluster["authenticationConfiguration"];
    check(
        cluster["identityProvider"].is_null()
            && told[0]["usernamePrefix"] == "elsewhere:"
            && told[1]["trouble"].is_null()
            && told[1]["groupsPrefix"] == "grp:"
            && told[1]["requiredClaims"] == json!({"token_use": "id"}),
        || cluster.to_string(),
    )?;
    // Of the two the one that is here is who people log in at.
    rolecall(&["kubeconfig", "--login", "kubelogin", "--dir", &dir])?.ok()?;
    let entry = std::fs::read_to_string(up.dir().join("kubeconfig")).unwrap_or_default();
    check(
        entry.contains(
            "--oidc-issuer-url=https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_Pinned001",
        ) && entry.contains("--oidc-client-id=1pinnedclient0000000000000")
            && !entry.contains("issuer.invalid"),
        || entry,
    )?;
    let words = [
        "--dir",
        &dir,
        "--user",
        tutorial::USER,
        "--password",
        "-",
        "tampered",
        "expired",
    ];
    crate::attack::attack(folder, &words, tutorial::PASSWORD)?
        .ok()?
        .says("0 broken, 0 LET IN")?;
    let doctor = rolecall(&["doctor", "--dir", &dir])?.refused()?;
    check(
        doctor.code == Some(1) && !doctor.stdout.contains("trusts no issuer"),
        || doctor.to_string(),
    )
}

/// Who shows no token is let in where the file says so, whoever else is trusted.
fn some_is_for_everybody(up: &Up) -> Result<(), Stop> {
    for (path, status) in [("livez", 200), ("version", 401)] {
        let url = format!("{}/{path}", up.ready().api_server);
        let http = up.cluster_https()?;
        let answer =
            block_on(async { http.get(url).send().await }).map_err(|error| error.to_string())?;
        check(answer.status() == status, || {
            format!("{path}: {}", answer.status())
        })?;
    }
    Ok(())
}

/// As an editor saves, and a ConfigMap is updated.
fn renamed_to(file: &Path, text: &str) -> Result<(), Stop> {
    let part = file.with_extension("part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, file))
        .map_err(|error| Stop::Fail(error.to_string()))
}

/// As a real cluster does, an embedded one that is told to goes on accepting what it
/// has accepted, and takes its time to trust somebody.
fn outlived() -> Result<(), Stop> {
    let up = Up::start(&["--timing", "kubernetes", "--association-delay", "0s"])?;
    let limits = up.ready().limits.join("; ");
    check(
        limits.contains("about 10 s to trust") && limits.contains("accepts for 10 s more"),
        || limits.clone(),
    )?;
    let (pool, client) = tutorial::made(&up)?;
    let session = tutorial::log_in(&up, &pool, &client)?;
    let whoami = || up.kubectl_as("v1.37", session.id_token.expose(), &["auth", "whoami"]);
    whoami()?.refused()?;
    tutorial::associated(&up, &pool, &client)?;
    whoami()?.ok()?.says("test@kubedemy.io")?;
    up.disassociate("kubedemy")?;
    whoami()?.ok()?.says("test@kubedemy.io")?;
    up.control("POST", "clock", &json!({"advance": "11s"}))?;
    whoami()?
        .refused()?
        .says("You must be logged in to the server")
        .map(drop)
}

/// The oldest of the minors. CI builds no servers of those between; who has built
/// some names them in `ROLECALL_OLDER_SERVERS` (1.35,1.36).
const OLDER: &str = "1.34";

/// Older API servers look at a token's claims before its signature, which the
/// question whether they know the keys has to survive.
fn older(minor: &str) -> Result<(), Stop> {
    let arguments = ["--cluster", "control-plane", "--kubernetes-version", minor];
    let up = Up::start_of(&format!("v{minor}"), &arguments, &[])?;
    let runs = up.ready().kubernetes.clone();
    check(runs.starts_with(&format!("v{minor}.")), || runs)?;
    let (pool, client) = tutorial::made(&up)?;
    let session = tutorial::log_in(&up, &pool, &client)?;
    tutorial::associate(&up, &pool, &client)?;
    up.await_active("kubedemy")?;
    publishes_the_same(&up, session.id_token.expose(), minor)?;
    let dir = up.dir().display().to_string();
    let status = rolecall(&["status", "--json", "--dir", &dir])?
        .ok()?
        .json()?;
    let provider = &status["clusters"][0]["identityProvider"];
    check(provider["trouble"].is_null(), || provider.to_string())?;
    up.kubectl_as("v1.37", session.id_token.expose(), &["auth", "whoami"])?
        .ok()?
        .says("test@kubedemy.io")?;
    up.disassociate("kubedemy")?;
    tutorial::without_pool(&up, &pool)?;
    // And what holds on any cluster: the tutorial, with bindings and audit log, and
    // the tokens that the webhook is asked about.
    let rows = tutorial::ROWS.into_iter().chain(iam_tokens::ROWS);
    for (name, row) in rows {
        row(&up).map_err(|stop| stop.of(name))?;
    }
    Ok(())
}

/// An embedded cluster of `minor` says of itself what the real one does: which
/// resources there are, byte for byte, and how they are made.
fn publishes_the_same(real: &Up, token: &str, minor: &str) -> Result<(), Stop> {
    const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let ours = Up::start(&["--kubernetes-version", minor])?;
    let (pool, client) = tutorial::made(&ours)?;
    let session = tutorial::log_in(&ours, &pool, &client)?;
    tutorial::associated(&ours, &pool, &client)?;
    let ask = |up: &Up, token: &str, path: &str, accept: &str| -> Result<String, Stop> {
        let url = format!("{}{path}", up.ready().api_server);
        let request = up.cluster_https()?.get(url).bearer_auth(token);
        block_on(async {
            let answer = request.header("accept", accept).send().await?;
            answer.error_for_status()?.text().await
        })
        .map_err(|error| error.to_string().into())
    };
    let both = |path: &str, accept: &str| -> Result<[String; 2], Stop> {
        Ok([
            ask(real, token, path, accept)?,
            ask(&ours, session.id_token.expose(), path, accept)?,
        ])
    };
    let parsed =
        |text: &str| serde_json::from_str::<Value>(text).map_err(|e| format!("{e}: {text}"));
    let same = |what: &str, real: &str, ours: &str| {
        check(real == ours, || format!("{what}: {real}\nis here {ours}"))
    };
    for path in ["/api", "/apis"] {
        let [real, ours] = both(path, AGGREGATED)?;
        same(path, &real, &ours)?;
    }
    let [groups, ours] = both("/apis", "application/json")?;
    same("/apis", &groups, &ours)?;
    let groups = parsed(&groups)?;
    let groups = groups["groups"].as_array().into_iter().flatten();
    let versions = groups.flat_map(|group| group["versions"].as_array().into_iter().flatten());
    let versions = versions.filter_map(|version| version["groupVersion"].as_str());
    let paths = versions.map(|version| format!("apis/{version}"));
    let paths: Vec<String> = paths.chain(["api/v1".to_owned()]).collect();
    check(paths.len() > 20, || paths.join(" "))?;
    for path in paths {
        let [real, ours] = both(&format!("/{path}"), "application/json")?;
        same(&path, &real, &ours)?;
        let [real, ours] = both(&format!("/openapi/v3/{path}"), "application/json")?;
        let (real, ours) = (parsed(&real)?, parsed(&ours)?);
        check(real["paths"].is_object(), || real.to_string())?;
        for (name, real) in real.as_object().into_iter().flatten() {
            check(*real == ours[name], || {
                format!("{name} of the OpenAPI document of {path} are not the same")
            })?;
        }
    }
    Ok(())
}

/// How long an association takes in [`begins_and_ends`]: longer than to see that
/// it is not there, and short enough to be waited for.
pub const DELAY: &str = "20s";

/// Of an instance whose associations take [`DELAY`].
pub fn begins_and_ends(up: &Up) -> Result<(), Stop> {
    let (pool, client) = tutorial::made(up)?;
    let session = tutorial::log_in(up, &pool, &client)?;
    let token = session.id_token.expose();
    let denied = || {
        up.kubectl_as("v1.37", token, &["auth", "whoami"])?
            .refused()?
            .says("You must be logged in to the server")
            .map(drop)
    };
    let known = || {
        up.kubectl_as("v1.37", token, &["auth", "whoami"])?
            .ok()?
            .says("test@kubedemy.io")
            .map(drop)
    };
    let later = || up.control("POST", "clock", &json!({"advance": DELAY}));
    let is = |wanted: &str| {
        let status = up.association("kubedemy")?;
        check(status == wanted, || format!("{status}, not {wanted}"))
    };

    denied()?;
    let started = api_server_started(up)?;
    tutorial::associate(up, &pool, &client)?;
    is("CREATING")?;
    denied()?;
    later()?;
    up.await_active("kubedemy")?;
    junk_fails_for_its_signature(up, token)?;
    known()?;
    // It is the server that it was.
    check(api_server_started(up)? == started, || {
        "the API server was started anew".to_owned()
    })?;
    up.aws(&[
        "eks",
        "disassociate-identity-provider-config",
        "--cluster-name",
        "kubedemy",
        "--identity-provider-config",
        "type=oidc,name=kubedemy",
    ])?
    .ok()?;
    is("DELETING")?;
    known()?;
    later()?;
    up.await_untrusting()?;
    let listed = up
        .aws(&[
            "eks",
            "list-identity-provider-configs",
            "--cluster-name",
            "kubedemy",
        ])?
        .ok()?
        .json()?;
    check(listed["identityProviderConfigs"] == json!([]), || {
        listed.to_string()
    })?;
    denied()
}

/// Which is how one knows that the cluster has the issuer's keys.
fn junk_fails_for_its_signature(up: &Up, token: &str) -> Result<(), Stop> {
    let (signed, _) = token.rsplit_once('.').unwrap_or_default();
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": {"token": format!("{signed}.anVuaw")},
    });
    let file = up.scratch().join("review.json");
    std::fs::write(&file, review.to_string()).map_err(|error| error.to_string())?;
    let file = file.display().to_string();
    up.kubectl("v1.37", &["create", "-f", &file, "-o", "json"])?
        .ok()?
        .says("failed to verify id token signature")
        .map(drop)
}

/// The seconds since 1970 at which the API server's process began, where it has
/// one of its own.
fn api_server_started(up: &Up) -> Result<Option<String>, Stop> {
    let metrics = up.kubectl("v1.37", &["get", "--raw", "/metrics"])?;
    let line = metrics
        .stdout
        .lines()
        .find(|line| line.starts_with("process_start_time_seconds "));
    let is_real = up.ready().cluster_kind != Kind::Embedded.name();
    check(line.is_some() == is_real, || metrics.to_string())?;
    Ok(line.map(str::to_owned))
}
