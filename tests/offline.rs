//! `rolecall authn` and `rolecall rbac`: what they say beside what a running
//! cluster says to kubectl.

use std::process::Command;

use serde_json::{Value, json};

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, block_on, check, fed, ran};
use crate::tutorial;

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "offline::a_token_is_explained_as_the_cluster_judges_it",
            token,
        ),
        case("offline::rbac_files_allow_what_kubectl_is_allowed", rights),
        case("offline::what_cannot_be_judged_is_usage", usage),
    ]
}

fn rolecall(arguments: &[&str], input: &str) -> Result<Ran, Stop> {
    let mut command = Command::new(programs::rolecall());
    command.args(arguments);
    fed(command, input)
}

fn lines(ran: &Ran) -> Result<Vec<Value>, Stop> {
    ran.stdout
        .lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| Stop::Fail(format!("{error}: {ran}")))
        })
        .collect()
}

/// One member of each line.
fn members(ran: &Ran, name: &str) -> Result<Vec<Value>, Stop> {
    Ok(lines(ran)?.iter().map(|line| line[name].clone()).collect())
}

// ---- tokens ---------------------------------------------------------------

/// What somebody has at hand who asks without a server, in the instance's
/// scratch folder: `authn.yaml`, `jwks.json`, `manifests/rbac.yaml`, and a
/// token, which is returned.
pub fn files(up: &Up) -> Result<String, Stop> {
    let (pool, client) = tutorial::made(up)?;
    tutorial::associated(up, &pool, &client)?;
    let session = tutorial::log_in(up, &pool, &client)?;
    let issuer = format!("{}/{pool}", up.ready().issuer_base);
    let config = format!(
        "apiVersion: apiserver.config.k8s.io/v1\n\
         kind: AuthenticationConfiguration\n\
         jwt:\n\
         - issuer: {{url: '{issuer}', audiences: ['{client}']}}\n\
         \x20 claimMappings:\n\
         \x20   username: {{claim: email, prefix: ''}}\n\
         \x20   groups: {{claim: 'cognito:groups', prefix: 'oidc:'}}\n"
    );
    let http = up.https()?;
    let jwks = block_on(async {
        let url = format!("{issuer}/.well-known/jwks.json");
        let answer = http.get(url).send().await.map_err(|e| e.to_string())?;
        answer.text().await.map_err(|e| e.to_string())
    })?;
    let manifests = up.scratch().join("manifests");
    std::fs::create_dir(&manifests).map_err(|error| error.to_string())?;
    for (path, text) in [
        (up.scratch().join("authn.yaml"), config.as_str()),
        (up.scratch().join("jwks.json"), &jwks),
        (manifests.join("rbac.yaml"), RBAC),
    ] {
        std::fs::write(path, text).map_err(|error| error.to_string())?;
    }
    Ok(session.id_token.expose().clone())
}

fn token() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let token = &files(&up)?;
    let file = |name: &str| up.scratch().join(name).display().to_string();
    let (config, keys) = (file("authn.yaml"), file("jwks.json"));
    rolecall(&["authn", "validate", &config], "")?
        .ok()?
        .says("trusts 1 issuer")?;
    let explain = |more: &[&str], input: &str| {
        let words = ["authn", "explain", "--config", &config, "--jwks", &keys];
        let told = rolecall(&[&words[..], more].concat(), input)?;
        let signature = token.rsplit('.').next().unwrap_or_default();
        check(
            !told.stdout.contains(signature) && !told.stderr.contains(signature),
            || "the token is printed".to_owned(),
        )?;
        Ok::<_, Stop>(told)
    };

    // By way of flags, with an audience and a mapping that EKS takes too.
    let eks = |text: &str| rolecall(&["authn", "validate", "--profile=eks", "-"], text);
    let text = std::fs::read_to_string(&config).map_err(|error| error.to_string())?;
    let host = up.ready().issuer_base.as_str();
    eks(&text.replace(host, "https://cognito-idp.eu-west-2.amazonaws.com"))?.ok()?;
    eks(&text)?
        .refused()?
        .says("jwt[0].issuer.url: EKS asks the issuer over the internet")?;
    let flags = rolecall(&["authn", "convert", &config], "")?.ok()?;
    check(flags.stderr.is_empty(), || flags.to_string())?;
    let mut words = vec!["authn", "convert", "--"];
    words.extend(flags.stdout.lines());
    let again = rolecall(&words, "")?.ok()?;
    let told = rolecall(&["authn", "validate", "-"], &again.stdout)?;
    told.ok()?.says("trusts 1 issuer")?;
    check(again.stdout.contains("claim: email"), || again.to_string())?;
    // Who the cluster says it is.
    let whoami = up
        .kubectl_as("v1.37", token, &["auth", "whoami", "-o", "json"])?
        .ok()?
        .json()?;
    let told = explain(&["--json", token], "")?.ok()?;
    let found = &lines(&told)?[0];
    let (is, says) = (&whoami["status"]["userInfo"], &found["identity"]);
    check(
        found["verdict"] == "accepted"
            && found["error"] == ""
            && found["reason"].is_string()
            && ["username", "groups", "extra"]
                .iter()
                .all(|member| is[member] == says[member] && !is[member].is_null()),
        || format!("{found}, and the cluster says {is}"),
    )?;
    // The cluster is asked at another time, and so is the file.
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    up.control("POST", "clock", &json!({"advance": "2h"}))?;
    up.kubectl_as("v1.37", token, &["auth", "whoami"])?
        .refused()?;
    let told = explain(&["--at", &later.to_string(), token], "")?.refused()?;
    check(told.code == Some(1), || told.to_string())?;
    let told = told
        .says("✓ signature")?
        .says("✗ expiry")?
        .says("refused: oidc: verify token: oidc: token is expired")?;
    check(!told.stdout.contains('\u{1b}'), || told.to_string())?;
    // Many of them.
    let told = explain(&["--json"], &format!("{token}\n\n{token}x\nno token\n"))?;
    check(told.code == Some(1), || told.to_string())?;
    let steps = members(&told, "refusedAt")?;
    check(
        steps == [json!(null), json!("signature"), json!("untrusted issuer")],
        || told.to_string(),
    )
}

// ---- rights ---------------------------------------------------------------

const RBAC: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: viewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'oidc:viewers'}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: crontabs, labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}
rules: [{apiGroups: [stable.example.com], resources: [crontabs], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: prod}
rules:
- {apiGroups: [apps], resources: [deployments, deployments/scale], verbs: [update, patch]}
- {apiGroups: [''], resources: [configmaps], resourceNames: [settings], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: prod}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: ada}]
";

const QUESTIONS: [(&str, bool); 19] = [
    ("get pods", true),
    ("list deploy -A", true),
    ("get secrets -n prod", false),
    ("update deployments.apps -n prod", true),
    ("patch deployment -n prod --subresource=scale", true),
    ("update deployments.apps", false),
    ("update cm/settings -n prod", true),
    ("update configmaps/other -n prod", false),
    ("update configmaps -n prod", false),
    ("delete nodes", false),
    ("get /version", true),
    ("get /metrics", false),
    ("* *", false),
    ("get deployments.v1.apps", true),
    ("create selfsubjectreviews.authentication", true),
    ("list ingresses.networking -n prod", true),
    ("get roles.rbac", false),
    ("create selfsubjectreviews.authentication.k8s.io", true),
    ("get pods/web --subresource=log -n prod", true),
];

fn rights() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let file = up.scratch().join("rbac.yaml");
    std::fs::write(&file, RBAC).map_err(|error| error.to_string())?;
    let file = file.display().to_string();
    let kubectl = |words: &[&str]| up.kubectl("v1.37", words);
    kubectl(&["create", "namespace", "prod"])?.ok()?;
    kubectl(&["apply", "-f", &file])?.ok()?;
    let asker = ["--user", "ada", "--group", "oidc:viewers"];
    let can = |word: &str, more: &[&str], input: &str| {
        let words = ["rbac", word, "--rbac", &file];
        rolecall(&[&words[..], &asker, more].concat(), input)
    };
    let all: String = QUESTIONS
        .iter()
        .map(|(question, _)| format!("{question}\n"))
        .collect();
    let told = can("can", &["--json"], &all)?;
    check(told.code == Some(1), || told.to_string())?;
    let answers = lines(&told)?;
    check(answers.len() == QUESTIONS.len(), || told.to_string())?;
    for ((question, expected), answer) in QUESTIONS.iter().zip(&answers) {
        let mut words = vec!["auth", "can-i", "--as=ada", "--as-group=oidc:viewers"];
        words.extend(question.split(' '));
        let theirs = kubectl(&words)?;
        let yes = theirs.stdout.trim() == "yes";
        let ours = answer["verdict"] == "allowed";
        check(yes == *expected && ours == *expected, || {
            format!("{question}: {answer}, and kubectl: {theirs}")
        })?;
    }
    // Of what is not served kubectl asks in no group at all, and hears no
    // where a cluster with the CustomResourceDefinition would say yes.
    can("can", &["get", "crontabs.stable.example.com"], "")?
        .ok()?
        .says("yes get crontabs.stable.example.com")?;
    // Others may be asked about, and what is no question keeps none from its
    // answer.
    let told = can(
        "can",
        &["--json"],
        "patch deploy -n prod\nget pods in prod\npatch deploy -n prod --as jane\nget pods --as=jane --as-group=oidc:viewers\n",
    )?;
    check(told.code == Some(2), || told.to_string())?;
    let verdicts = members(&told, "verdict")?;
    check(
        verdicts
            == [
                json!("allowed"),
                json!("unreadable"),
                json!("denied"),
                json!("allowed"),
            ],
        || told.to_string(),
    )?;
    for answer in lines(&told)? {
        for member in ["verdict", "error", "reason", "identity"] {
            check(answer.get(member).is_some(), || {
                format!("no {member} in {answer}")
            })?;
        }
    }
    let told = can("can", &[], "get pods --as\nget pods --as-group dev\n")?;
    check(told.code == Some(2), || told.to_string())?;
    told.says("--as in \"get pods --as\" has no value")?
        .says("--as-group in \"get pods --as-group dev\" is nobody's")?;
    // Where it is asked about holds for every line that does not say.
    let told = can(
        "can",
        &["--json", "-n", "prod"],
        "patch deploy\npatch deploy -n default\n",
    )?;
    let verdicts = members(&told, "verdict")?;
    check(verdicts == [json!("allowed"), json!("denied")], || {
        told.to_string()
    })?;
    let told = can(
        "can",
        &["-n", "prod", "--subresource", "scale"],
        "patch deploy\n",
    )?;
    told.ok()?
        .says("patch deploy -n prod --subresource=scale")?;
    // Since 1.37 viewers see events by the new group, too.
    let of = |minor: &str| {
        let words = ["--kubernetes-version", minor, "get", "events.events.k8s.io"];
        can("can", &words, "")
    };
    of("1.34")?.refused()?;
    of("1.37")?.ok()?;
    // By words, as kubectl takes them.
    can("can", &["patch", "deploy", "-n", "prod"], "")?
        .ok()?
        .says("yes patch deploy")?
        .says(
            "RBAC: allowed by RoleBinding \"deployer/prod\" of Role \"deployer\" to User \"ada\"",
        )?;
    can("explain", &["patch", "deploy", "-n", "prod"], "")?
        .ok()?
        .says("its rule 1 allows")?;
    can("explain", &["delete", "pods"], "")?
        .refused()?
        .says("no  delete pods")?
        .says("ClusterRoleBinding `viewers` applies by Group `oidc:viewers`")?;
    let mut piped = Command::new(programs::rolecall());
    piped.args([
        "rbac",
        "can",
        "--rbac",
        "-",
        "get",
        "crontabs.stable.example.com",
    ]);
    piped.args(asker);
    fed(piped, RBAC)?.ok()?.says("yes").map(drop)
}

fn usage() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let wrong = folder.path().join("wrong.yaml");
    let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: [{issuer: {url: 'http://x', audiences: [a]}}]\n";
    std::fs::write(&wrong, text).map_err(|error| error.to_string())?;
    let wrong = wrong.display().to_string();
    let told = rolecall(&["authn", "validate", &wrong], "")?;
    check(told.code == Some(1), || told.to_string())?;
    told.says(&format!("{wrong}:3: jwt[0].issuer.url: Invalid value"))?;
    let told = rolecall(&["authn", "validate", "-", "--json"], text)?;
    check(told.code == Some(1), || told.to_string())?;
    check(lines(&told)?[0]["faults"][0]["line"] == 3, || {
        told.to_string()
    })?;
    let by_expression = folder.path().join("cel.yaml");
    let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: [{issuer: {url: 'https://x', audiences: [a]}, claimMappings: {username: {expression: claims.sub}}}]\n";
    std::fs::write(&by_expression, text).map_err(|error| error.to_string())?;
    let by_expression = by_expression.display().to_string();
    for (arguments, words) in [
        (
            vec![
                "authn",
                "explain",
                "--config",
                &wrong,
                "--jwks",
                "/dev/null",
                "t",
            ],
            "jwt[0].issuer.url: Invalid value: \"http://x\"",
        ),
        (
            vec![
                "authn",
                "explain",
                "--config",
                "/nowhere",
                "--jwks",
                "/dev/null",
                "t",
            ],
            "/nowhere",
        ),
        (
            vec!["authn", "explain", "--config", "-", "--jwks", "-", "t"],
            "standard input can be one of",
        ),
        (
            vec!["authn", "convert", &by_expression],
            "claimMappings.username.expression: flags name a claim",
        ),
        (
            vec![
                "rbac", "can", "--rbac", &wrong, "--user", "ada", "get", "pods", "in", "prod",
            ],
            "unexpected argument",
        ),
        (
            vec![
                "rbac", "can", "--rbac", "/nowhere", "--user", "ada", "get", "pods",
            ],
            "/nowhere",
        ),
        (
            vec!["rbac", "can", "--rbac", &wrong, "--user", "ada"],
            "nothing came on standard input",
        ),
    ] {
        let mut command = Command::new(programs::rolecall());
        command.args(&arguments);
        let told = ran(command)?;
        check(told.code == Some(2), || told.to_string())?;
        told.says(words)?;
    }
    Ok(())
}
