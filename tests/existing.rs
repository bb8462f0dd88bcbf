//! `--cluster kubeconfig`: instances stand for clusters of strangers, which have
//! their kubeconfig, their audit log, and nothing to do with the run's issuer.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use foundation::pki::Ca;
use harness::client::Proxy;
use harness::cluster::Kind;
use harness::cluster::existing::Access;
use harness::event::Event;
use harness::login::Driver;
use harness::rig::{Config, Rig};
use harness::runner;
use harness::scenario::{load, plan};
use harness::verdict::Verdict;
use serde_json::{Value, json};

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, check, eventually, ran, send};
use crate::table::Row;
use crate::tutorial;

/// What holds of any cluster, whatever was asked of it before.
pub const ROWS: [Row; 2] = [
    ("existing::it_is_only_read", only_read),
    ("existing::what_is_made_is_labelled_and_removed", writes),
];

/// All of them but for the rows.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "existing::no_context_is_used_that_was_not_named",
            no_context,
        ),
        case(
            "existing::a_binding_that_says_something_else_is_told",
            drift,
        ),
        case(
            "existing::what_the_administrator_may_not_is_said",
            may_not_impersonate,
        ),
        case(
            "existing::what_was_there_before_is_never_deleted",
            never_deleted,
        ),
        case(
            "existing::who_may_impersonate_users_and_groups_may_enough",
            users_and_groups,
        ),
        case("existing::an_interrupt_while_it_tidies_up", while_tidying),
        case("existing::by_the_kubeconfig_of_aws_eks", by_aws_eks),
        case("existing::what_cannot_be_seen_is_skipped", unseen),
        case(
            "existing::a_proxy_that_leads_nowhere_is_in_nobodys_way",
            black_hole,
        ),
        case("existing::an_interrupt_leaves_nothing", || {
            interrupted(Kind::Embedded)
        }),
        case(
            "existing::an_interrupt_leaves_nothing on a real control plane",
            || interrupted(Kind::ControlPlane),
        ),
        case(
            "existing::a_cluster_that_goes_in_the_middle_is_a_broken_rig",
            gone_midway,
        ),
        case("existing::clean_removes_what_a_kill_left", cleaned),
        case("existing::up_says_what_it_is_for", up),
    ]
}

const TUTORIAL: &str = "scenarios/tutorial.yaml";

/// Somebody else's cluster.
struct Stranger<'a> {
    up: &'a Up,
    /// A kubeconfig with contexts of theirs beside the one that leads there.
    kubeconfig: PathBuf,
    /// How often something was written to it before.
    before: usize,
}

impl<'a> Stranger<'a> {
    fn of(up: &'a Up) -> Result<Self, Stop> {
        let text = std::fs::read_to_string(up.dir().join("admin.kubeconfig"));
        let text = text.map_err(|error| error.to_string())?;
        // Whoever takes the current context is led astray.
        let text = text
            .replace("current-context: kubedemy", "current-context: elsewhere")
            .replace(
                "contexts:\n",
                "contexts:\n- name: elsewhere\n  context:\n    cluster: gone\n    user: gone\n",
            );
        let kubeconfig = up.scratch().join("theirs.kubeconfig");
        std::fs::write(&kubeconfig, text).map_err(|error| error.to_string())?;
        let mut stranger = Self {
            up,
            kubeconfig,
            before: 0,
        };
        stranger.before = stranger.written()?.len();
        Ok(stranger)
    }

    /// `rolecall test` on it.
    fn test(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::rolecall());
        command
            .args(["test", "--json", "--cluster", "kubeconfig", "--context"])
            .args(["kubedemy"])
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .current_dir(programs::root());
        command
    }

    /// The same, begun.
    fn begun(&self, arguments: &[&str]) -> Result<Child, Stop> {
        self.test(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Stop::Fail(error.to_string()))
    }

    fn tested(&self, arguments: &[&str]) -> Result<Ran, Stop> {
        ran(self.test(arguments))
    }

    /// What it was asked that could have changed something, as verb and URI.
    fn written(&self) -> Result<Vec<String>, Stop> {
        let log = std::fs::read_to_string(self.up.dir().join("audit.log"));
        let log = log.map_err(|error| error.to_string())?;
        let mut written = Vec::new();
        for line in log.lines() {
            let event: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (verb, uri) = (text(&event["verb"]), text(&event["requestURI"]));
            let reads = ["get", "list", "watch"].contains(&verb.as_str());
            let by_us = event["user"]["username"] == "kubernetes-admin";
            let over = event["stage"] == "ResponseComplete";
            if by_us && over && !reads && !uri.contains("reviews") {
                written.push(format!("{verb} {uri}"));
            }
        }
        Ok(written.split_off(self.before))
    }

    /// A kubeconfig in which the user of `kubedemy` has this token.
    fn by_token(&self, name: &str, token: &str) -> Result<String, Stop> {
        let theirs = std::fs::read_to_string(&self.kubeconfig).map_err(|e| e.to_string())?;
        let lines = theirs.lines();
        let without = lines.filter(|line| !line.trim_start().starts_with("client-"));
        let without = without.collect::<Vec<_>>().join("\n") + "\n";
        let theirs = without.replace("  user:\n", &format!("  user:\n    token: {token}\n"));
        let file = self.up.scratch().join(format!("{name}.kubeconfig"));
        std::fs::write(&file, theirs).map_err(|error| error.to_string())?;
        Ok(file.display().to_string())
    }

    /// The binding of the tutorial, by kubectl.
    fn bind(&self, group: &str) -> Result<(), Stop> {
        let group = format!("--group={group}");
        let arguments = [
            "create",
            "clusterrolebinding",
            "oidc:admins",
            "--clusterrole=cluster-admin",
            &group,
        ];
        self.up.kubectl("v1.37", &arguments)?.ok().map(drop)
    }

    fn unbind(&self) -> Result<(), Stop> {
        let arguments = ["delete", "clusterrolebinding", "oidc:admins"];
        self.up.kubectl("v1.37", &arguments)?.ok().map(drop)
    }

    fn labelled(&self) -> Result<Vec<String>, Stop> {
        let arguments = [
            "get",
            "clusterrolebindings,configmaps,namespaces",
            "-A",
            "-l",
            "app.kubernetes.io/managed-by=rolecall",
            "-o",
            "json",
        ];
        let list = self.up.kubectl("v1.37", &arguments)?.ok()?.json()?;
        let items = list["items"].as_array().into_iter().flatten();
        Ok(items
            .map(|item| item["metadata"]["name"].to_string())
            .collect())
    }
}

fn finished(run: &Ran) -> Result<Value, Stop> {
    let mut all = run.events()?.into_iter();
    all.find(|event| event["event"] == "scenarioFinished")
        .ok_or_else(|| Stop::Fail(run.to_string()))
}

fn came_out(run: &Ran, verdict: &str) -> Result<Value, Stop> {
    let finished = finished(run)?;
    check(finished["verdict"] == verdict, || run.to_string())?;
    Ok(finished)
}

fn only_read(up: &Up) -> Result<(), Stop> {
    let stranger = Stranger::of(up)?;
    let before = std::fs::read(&stranger.kubeconfig).map_err(|e| e.to_string())?;
    let run = stranger.tested(&[TUTORIAL])?;
    came_out(&run, "skip")?;
    let run = run.says("clusterrolebindings/oidc%3Aadmins is not in the cluster")?;
    run.says("--allow-writes")?;
    let written = stranger.written()?;
    check(written.is_empty(), || format!("{written:?}"))?;

    stranger.bind("oidc:admins")?;
    let bound = stranger.written()?.len();
    let report = stranger.up.scratch().join("report.xml");
    let run = stranger.tested(&[TUTORIAL, "--report", &format!("junit={}", report.display())]);
    let run = run?.ok()?;
    let report = std::fs::read_to_string(report).map_err(|error| error.to_string())?;
    check(
        report.contains("name=\"identities\" value=\"by impersonation, as "),
        || report.clone(),
    )?;
    let said = came_out(&run, "pass")?;
    let said = said["identities"].as_str().unwrap_or_default().to_owned();
    check(
        said.starts_with("by impersonation, as \"kubernetes-admin\" of context \"kubedemy\"")
            && said.contains("the cluster does not trust https://127.0.0.1:"),
        || said.clone(),
    )?;
    run.says("is there already, and stays as it is")?
        .says("the cluster knows test@kubedemy.io in oidc:admins, system:authenticated")?;
    let written = stranger.written()?;
    check(written.len() == bound, || format!("{written:?}"))?;
    let after = std::fs::read(&stranger.kubeconfig).map_err(|e| e.to_string())?;
    check(before == after, || "the kubeconfig was written".to_owned())?;
    // Beside a cluster of ours: whether somebody's own has drifted.
    let mut beside = Command::new(programs::rolecall());
    beside
        .args(["test", "--json", "--cluster", "embedded,kubeconfig"])
        .args(["--context", "kubedemy", TUTORIAL, "--kubeconfig"])
        .arg(&stranger.kubeconfig)
        .current_dir(programs::root());
    ran(beside)?.ok()?.says("\"differences\":0")?;
    // As people see it.
    let mut command = Command::new(programs::rolecall());
    command
        .args(["test", "--cluster", "kubeconfig", "--context", "kubedemy"])
        .args([TUTORIAL, "--kubeconfig"])
        .arg(&stranger.kubeconfig)
        .current_dir(programs::root());
    ran(command)?.ok()?.says("  identities by impersonation")?;
    stranger.unbind()
}

fn writes(up: &Up) -> Result<(), Stop> {
    let stranger = Stranger::of(up)?;
    let kubeconfig = || std::fs::read(&stranger.kubeconfig).map_err(|error| error.to_string());
    let theirs = kubeconfig()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("namespaced.yaml");
    std::fs::write(&file, NAMESPACED).map_err(|error| error.to_string())?;
    let file = file.display().to_string();
    let run = stranger.tested(&["--allow-writes", &file])?.ok()?;
    came_out(&run, "pass")?;
    run.says("made /api/v1/namespaces/rolecall%2Dtry, which goes at the end")?
        .says("removed /api/v1/namespaces/rolecall%2Dtry")?;
    let left = stranger.labelled()?;
    check(left.is_empty(), || format!("{left:?} is left"))?;
    let written = stranger.written()?;
    let deleted = |all: &[String]| all.iter().filter(|one| one.starts_with("delete ")).count();
    let created = |all: &[String]| all.iter().filter(|one| one.starts_with("create ")).count();
    check(created(&written) == 3 && deleted(&written) == 3, || {
        format!("{written:?}")
    })?;

    // What was there before is not touched, and the second run is as the first.
    stranger.bind("oidc:admins")?;
    let run = stranger.tested(&["--allow-writes", TUTORIAL])?.ok()?;
    run.says("is there already, and stays as it is")?;
    stranger.tested(&["--allow-writes", &file])?.ok()?;
    check(kubeconfig()? == theirs, || {
        "the kubeconfig was written".to_owned()
    })?;
    stranger.unbind()
}

/// A cluster that trusts the very issuer of the run, by claims and prefixes of its
/// own: people show it their tokens. Of an instance that was started with `edge` as
/// its machine's own, and records what the administrator writes.
pub fn own_trust(up: &Up, edge: &Arc<Ca>) -> Result<(), Stop> {
    let stranger = Stranger::of(up)?;
    stranger.bind("somebody")?;
    stranger.unbind()?;
    let before = stranger.written()?;
    check(before.len() == 2, || format!("{before:?}"))?;
    let files = [stranger.kubeconfig.clone()];
    let access = Access::find(&files, Some("kubedemy"), false, &Proxy::default());
    let config = Config {
        cluster: Kind::Existing,
        existing: Some(Arc::new(access.map_err(|why| why.to_string())?)),
        edge: Some(Arc::clone(edge)),
        for_kind: up.ready().cluster_kind == Kind::Kind.name(),
        ..Config::default()
    };
    let file = stranger.up.scratch().join("own.yaml");
    std::fs::write(&file, OWN).map_err(|error| error.to_string())?;
    let plan = load::load(&file).map_err(|error| error.to_string())?;
    let plan = plan::plan(plan).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let mut said = Vec::new();
    let mut told = Ok(());
    let verdict = runtime.block_on(async {
        let rig = Rig::start(config).await.map_err(|e| e.to_string())?;
        let bench = rig.bench(Driver::Http).map_err(|e| e.to_string())?;
        let mut sink = |event: Event| {
            said.push(format!("{event:?}"));
            // Whose cluster it is makes it trust the issuer as soon as there is one.
            if matches!(&event, Event::StepFinished { title, .. } if title.contains("app client")) {
                // Not on a thread that drives the run.
                let thread = std::thread::scope(|scope| scope.spawn(|| trust_it(up, &said)).join());
                told = thread.unwrap_or_else(|_| Err(Stop::Fail("it panicked".to_owned())));
            }
        };
        let verdict = runner::run(plan, bench, None, &mut sink).await;
        rig.stop().await;
        Ok::<_, Stop>(verdict)
    })?;
    told?;
    let said = said.join("\n");
    check(verdict == Verdict::Pass, || said.clone())?;
    check(
        said.contains("identities: Some(\"by the cluster's own trust in https://"),
        || said.clone(),
    )?;
    let written = stranger.written()?;
    check(written == before, || format!("{written:?}"))?;
    up.disassociate("theirs")
}

/// Associates the issuer and client that a run told of.
fn trust_it(up: &Up, said: &[String]) -> Result<(), Stop> {
    let said = said.join("\n");
    let after = |mark: &str| {
        let (_, rest) = said.split_once(mark)?;
        rest.split(['"', ',']).next().map(str::to_owned)
    };
    let (Some(issuer), Some(client)) = (after(", issuer "), after("[\"client ")) else {
        return Err(Stop::Fail(said));
    };
    up.associate(json!({
        "identityProviderConfigName": "theirs", "issuerUrl": issuer, "clientId": client,
        "usernameClaim": "email", "groupsClaim": "cognito:groups", "groupsPrefix": "theirs:",
    }))?;
    up.await_active("theirs")
}

const OWN: &str = r#"
rolecall: 1
name: a cluster with a trust of its own
idp:
  pool: { usernameAttributes: [email], groups: [devs] }
  people:
    dev@example.com: { groups: [devs] }
trust: { username: email, groups: "cognito:groups", groupsPrefix: "oidc:" }
expect:
  - who: dev@example.com
    is: { username: dev@example.com, groups: ["theirs:devs"] }
    can: [get /version]
    cannot: [list pods -n default]
  - { who: dev@example.com, token: alg-none, cluster: 401 }
  - { who: dev@example.com, token: access-token, cluster: 401 }
"#;

/// A namespace, and what is in it.
const NAMESPACED: &str = r#"
rolecall: 1
name: a namespace of its own
idp:
  pool: { usernameAttributes: [email], groups: [devs] }
  people:
    dev@example.com: { groups: [devs] }
trust: { username: email, groups: "cognito:groups", groupsPrefix: "oidc:" }
rbac:
  - apiVersion: v1
    kind: Namespace
    metadata: { name: rolecall-try }
  - apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata: { name: reader, namespace: rolecall-try }
    rules: [{ apiGroups: [""], resources: [pods], verbs: [get, list] }]
  - apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata: { name: readers, namespace: rolecall-try }
    roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader }
    subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: "oidc:devs" }]
expect:
  - who: dev@example.com
    is: { username: dev@example.com, groups: ["oidc:devs"] }
    can: [list pods -n rolecall-try]
    cannot: [list pods -n default, delete pods -n rolecall-try]
"#;

fn no_context() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    let test = |arguments: &[&str]| {
        let mut command = Command::new(programs::rolecall());
        command
            .args(["test", TUTORIAL])
            .args(arguments)
            .env("KUBECONFIG", &stranger.kubeconfig)
            .current_dir(programs::root());
        ran(command)
    };
    let run = test(&["--cluster", "kubeconfig"])?.refused()?;
    check(run.code == Some(2), || run.to_string())?;
    run.says("name the context with --context; there is elsewhere, kubedemy")?;
    let run = test(&["--cluster", "kubeconfig", "--context", "nowhere"])?.refused()?;
    run.says("no context \"nowhere\"; there is elsewhere, kubedemy")?;
    let run = test(&["--context", "kubedemy"])?.refused()?;
    run.says("are for --cluster kubeconfig")?;
    let by_hand = ["--cluster", "kubeconfig", "--context", "kubedemy"];
    let run = test(&[&by_hand[..], &["--for-kind", "--dir", "nowhere"]].concat())?.refused()?;
    check(run.code == Some(2), || run.to_string())?;
    run.says("nowhere/kind, which a cluster made by hand mounts")?;
    // It is there, and nobody answers.
    let theirs = std::fs::read_to_string(&stranger.kubeconfig).map_err(|e| e.to_string())?;
    let port = stranger.up.ready().api_server.clone();
    let theirs = theirs.replace(&port, "https://127.0.0.1:1");
    let file = stranger.up.scratch().join("gone.kubeconfig");
    std::fs::write(&file, theirs).map_err(|error| error.to_string())?;
    let file = file.display().to_string();
    let gone = [
        "--cluster",
        "kubeconfig",
        "--context",
        "kubedemy",
        "--kubeconfig",
    ];
    let run = test(&[&gone[..], &[&file]].concat())?.refused()?;
    check(run.code == Some(3), || run.to_string())?;
    run.says("kubectl --context \"kubedemy\" version").map(drop)
}

fn drift() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    stranger.bind("admins")?;
    for arguments in [&[TUTORIAL][..], &[TUTORIAL, "--allow-writes"]] {
        let run = stranger.tested(arguments)?.refused()?;
        check(run.code == Some(1), || run.to_string())?;
        came_out(&run, "fail")?;
        run.says("says something else than the scenario")?;
    }
    // Beside a cluster that has what the scenario says it is a difference.
    let run = stranger.tested(&["--cluster", "embedded", TUTORIAL])?;
    check(run.code == Some(1), || run.to_string())?;
    let told = run.events()?;
    let difference = told.iter().find(|event| event["event"] == "difference");
    let over = told.iter().find(|event| event["event"] == "runFinished");
    check(
        difference.is_some() && over.is_some_and(|over| over["differences"].as_u64() > Some(0)),
        || run.to_string(),
    )?;
    let binding = ["get", "clusterrolebinding", "oidc:admins", "-o", "json"];
    let binding = stranger.up.kubectl("v1.37", &binding)?.ok()?.json()?;
    check(binding["subjects"][0]["name"] == "admins", || {
        binding.to_string()
    })
}

/// A scenario that takes a binding away, on a cluster that has it already.
fn never_deleted() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    let gone = "scenarios/negatives/binding-gone.yaml";
    let run = stranger.tested(&["--allow-writes", gone])?.ok()?;
    came_out(&run, "pass")?;
    run.says("removed /apis/rbac.authorization.k8s.io/v1/clusterrolebindings/")?;
    let text = std::fs::read_to_string(programs::root().join(gone)).map_err(|e| e.to_string())?;
    let name = text
        .split("name: \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let name = name.ok_or_else(|| format!("no binding in {text}"))?;
    check(name == "oidc:admins", || name.to_owned())?;
    stranger.bind(name)?;
    let run = stranger.tested(&["--allow-writes", gone])?;
    came_out(&run, "skip")?;
    run.says("only such are deleted in a cluster that was there before")?;
    let binding = ["get", "clusterrolebinding", name];
    stranger.up.kubectl("v1.37", &binding)?.ok().map(drop)
}

/// Rights that administrators give: to ask for users and groups, to read RBAC, and
/// to ask about tokens. Nothing of theirs is `system:masters`.
fn users_and_groups() -> Result<(), Stop> {
    let up = Up::start_on(Kind::ControlPlane, &[])?;
    let stranger = Stranger::of(&up)?;
    let rights = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tester", "namespace": "default"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "tester"}, "rules": [
            {"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]},
            {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        ]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "tester"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tester"},
         "subjects": [{"kind": "ServiceAccount", "name": "tester", "namespace": "default"}]},
    ]});
    let file = up.scratch().join("rights.json");
    std::fs::write(&file, rights.to_string()).map_err(|error| error.to_string())?;
    let create = ["create", "-f", file.to_str().unwrap_or_default()];
    up.kubectl("v1.37", &create)?.ok()?;
    stranger.bind("oidc:admins")?;
    let token = up.kubectl("v1.37", &["create", "token", "tester"])?.ok()?;
    let file = stranger.by_token("tester", token.stdout.trim())?;
    let run = stranger.tested(&[TUTORIAL, "--kubeconfig", &file])?.ok()?;
    came_out(&run, "pass").map(drop)
}

/// A finalizer keeps what was made, and the signal comes while that is waited for.
fn while_tidying() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    let held = r#"
  - apiVersion: v1
    kind: ConfigMap
    metadata: { name: first, namespace: default }
  - apiVersion: v1
    kind: ConfigMap
    metadata: { name: held, namespace: default, finalizers: [example.com/held] }
expect:"#;
    let (before, after) = NAMESPACED.split_once("rbac:\n").unwrap_or_default();
    let (_, expect) = after.split_once("\nexpect:").unwrap_or_default();
    let expect = expect.replace("can: [list pods -n rolecall-try]", "can: [get /version]");
    let file = stranger.up.scratch().join("held.yaml");
    std::fs::write(&file, format!("{before}rbac:{held}{expect}")).map_err(|e| e.to_string())?;
    let child = stranger.begun(&["--allow-writes", file.to_str().unwrap_or_default()])?;
    let deletes = |times| {
        let written = stranger.written()?;
        let all = written.iter().filter(|one| one.starts_with("delete "));
        Ok(all.count() >= times)
    };
    eventually("it tidies up", || deletes(1))?;
    send("INT", child.id())?;
    // Whose finalizer it is lets go, and what waits for that goes on.
    eventually("it begins anew", || deletes(2))?;
    let patch = ["patch", "configmap", "held", "--type=merge", "-p"];
    let free = [&patch[..], &[r#"{"metadata":{"finalizers":null}}"#]].concat();
    stranger.up.kubectl("v1.37", &free)?.ok()?;
    ended(child)?.says("interrupted; what was made in the cluster is removed")?;
    let left = stranger.labelled()?;
    check(left.is_empty(), || format!("{left:?} is left"))
}

/// A kubeconfig with a token of somebody who may look at everything and no more.
fn may_not_impersonate() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    stranger.bind("oidc:admins")?;
    let (pool, client) = tutorial::made(&up)?;
    let session = tutorial::log_in(&up, &pool, &client)?;
    tutorial::associated(&up, &pool, &client)?;
    up.kubectl("v1.37", &["delete", "clusterrolebinding", "oidc:admins"])?
        .ok()?;
    let view = [
        "create",
        "clusterrolebinding",
        "viewers",
        "--clusterrole=view",
        "--group=oidc:admins",
    ];
    up.kubectl("v1.37", &view)?.ok()?;
    let token = session.id_token.expose();
    let file = stranger.by_token("viewer", token)?;

    let nothing = up.scratch().join("nothing.yaml");
    let text = NAMESPACED.split("rbac:\n").next().unwrap_or_default();
    let text = format!("{text}expect: [{{ who: dev@example.com, can: [get /version] }}]\n");
    std::fs::write(&nothing, text).map_err(|error| error.to_string())?;
    let nothing = nothing.display().to_string();
    let run = stranger.tested(&[&nothing, "--kubeconfig", &file])?;
    came_out(&run, "skip")?;
    let run = run
        .says("why could not be asked: 403 tokenreviews.authentication.k8s.io is forbidden")?
        .says("identities are by impersonation, and 403")?
        .says("cannot impersonate")?;
    check(!run.to_string().contains(token), || {
        "the token was printed".to_owned()
    })
}

/// As people have it on EKS: a program brings the token.
fn by_aws_eks() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let file = up.scratch().join("eks.kubeconfig").display().to_string();
    let arguments = [
        "eks",
        "update-kubeconfig",
        "--name",
        "kubedemy",
        "--alias",
        "eks",
        "--kubeconfig",
        &file,
        "--output",
        "text",
    ];
    up.aws(&arguments)?.ok()?;
    let scenario = up.scratch().join("namespaced.yaml");
    std::fs::write(&scenario, NAMESPACED).map_err(|error| error.to_string())?;
    let scenario = scenario.display().to_string();
    let aws = programs::aws()?;
    let folder = aws.parent().unwrap_or(Path::new("/"));
    let path = format!(
        "{}:{}",
        folder.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let test = [
        "test",
        "--cluster",
        "kubeconfig",
        "--context",
        "eks",
        "--kubeconfig",
        &file,
        "--allow-writes",
        &scenario,
    ];
    let run = up.run_with(&programs::rolecall(), &test, &[("PATH", &path)])?;
    let run = run.ok()?;
    run.says("of context \"eks\"")?;
    // A token that the cluster refuses is fetched anew, as kubectl has it.
    let first = up.scratch().join("first");
    std::fs::create_dir(&first).map_err(|error| error.to_string())?;
    let stale = first.join("aws");
    let script = format!(
        "if [ -e $0.ran ]; then exec {aws} \"$@\"; fi\ntouch $0.ran\n{aws} \"$@\" | sed 's/k8s-aws-v1[.][^\"]*/k8s-aws-v1.stale/'\n",
        aws = aws.display()
    );
    crate::rig::program(&stale, &script)?;
    let stale_path = format!("{}:{path}", first.display());
    let run = up.run_with(&programs::rolecall(), &test, &[("PATH", &stale_path)])?;
    run.ok()?;
    check(first.join("aws.ran").exists(), || {
        "the stale token was never fetched".to_owned()
    })?;
    // Without the program it is said which.
    let run = up.run_with(&programs::rolecall(), &test, &[("PATH", "/nowhere")])?;
    let run = run.refused()?;
    check(run.code == Some(3), || run.to_string())?;
    run.says("the kubeconfig's program aws").map(drop)
}

/// A refusal is the business of a cluster that knows the issuer.
fn unseen() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    for (file, why) in [
        (
            "scenarios/negatives/email-not-verified.yaml",
            "whether the cluster refuses a token cannot be seen",
        ),
        (
            "scenarios/negatives/expired.yaml",
            "the kubeconfig cluster does not follow our clock",
        ),
    ] {
        let run = stranger.tested(&["--allow-writes", file])?;
        came_out(&run, "skip")?;
        let run = run.says(why)?;
        let strict = stranger.tested(&["--allow-writes", "--no-skip", file])?;
        check(strict.code == Some(3), || run.to_string())?;
    }
    Ok(())
}

/// What is on this machine is asked without one, as kubectl asks it.
fn black_hole() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    let mut command = stranger.test(&["--allow-writes", TUTORIAL]);
    command.envs(crate::rig::BLACK_HOLE);
    came_out(&ran(command)?.ok()?, "pass").map(drop)
}

/// Makes so much that there is time to do something in the middle.
fn long(stranger: &Stranger) -> Result<String, Stop> {
    let mut objects = String::from("rbac:\n");
    for number in 0..3000 {
        objects += &format!(
            "  - {}\n",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("long-{number}"), "namespace": "default"}})
        );
    }
    let (before, after) = NAMESPACED.split_once("rbac:\n").unwrap_or_default();
    let (_, expect) = after.split_once("expect:").unwrap_or_default();
    let file = stranger.up.scratch().join("long.yaml");
    std::fs::write(&file, format!("{before}{objects}expect:{expect}"))
        .map_err(|error| error.to_string())?;
    Ok(file.display().to_string())
}

/// `rolecall test`, ended by a signal when it has begun to make something.
fn ended_by(stranger: &Stranger, signal: &str) -> Result<Ran, Stop> {
    let file = long(stranger)?;
    let before = stranger.written()?.len();
    let child = stranger.begun(&["--allow-writes", &file])?;
    eventually("something is made", || {
        Ok(stranger.written()?.len() > before + 20)
    })?;
    send(signal, child.id())?;
    ended(child)
}

/// Waits for the end of what was begun.
fn ended(child: Child) -> Result<Ran, Stop> {
    let output = child.wait_with_output();
    let output = output.map_err(|error| error.to_string())?;
    Ok(Ran::of("rolecall test".to_owned(), &output))
}

fn interrupted(kind: Kind) -> Result<(), Stop> {
    let up = Up::start_on(kind, &[])?;
    let stranger = Stranger::of(&up)?;
    for signal in ["INT", "TERM"] {
        let run = ended_by(&stranger, signal)?;
        check(run.code == Some(3), || run.stderr.clone())?;
        run.says("interrupted; what was made in the cluster is removed")?;
        let left = stranger.labelled()?;
        check(left.is_empty(), || format!("{} are left", left.len()))?;
    }
    Ok(())
}

/// Its cluster is gone in the middle: the rig is broken, nothing failed, and what
/// may be left is told with the remedy.
fn gone_midway() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    let file = long(&stranger)?;
    let report = stranger.up.scratch().join("gone.xml");
    let junit = format!("junit={}", report.display());
    let child = stranger.begun(&["--allow-writes", "--report", &junit, &file])?;
    eventually("something is made", || Ok(stranger.written()?.len() > 20))?;
    stranger.up.send("KILL")?;
    let run = ended(child)?;
    check(run.code == Some(3), || run.to_string())?;
    run.says("\"failed\":0,\"skipped\":0,\"broken\":1")?
        .says("still in the cluster: ")?
        .says("rolecall clean --context")?;
    let report = std::fs::read_to_string(report).map_err(|error| error.to_string())?;
    check(
        report.contains("<error ") && !report.contains("<failure"),
        || report,
    )
}

fn cleaned() -> Result<(), Stop> {
    let up = Up::start_on(Kind::Embedded, &[])?;
    let stranger = Stranger::of(&up)?;
    let mine = ["create", "configmap", "mine"];
    stranger.up.kubectl("v1.37", &mine)?.ok()?;
    ended_by(&stranger, "KILL")?;
    let left = stranger.labelled()?;
    check(!left.is_empty(), || "nothing was made".to_owned())?;
    let kubeconfig = || std::fs::read(&stranger.kubeconfig).map_err(|error| error.to_string());
    let theirs = kubeconfig()?;
    let clean = || {
        let mut command = Command::new(programs::rolecall());
        command
            .args(["clean", "--context", "kubedemy", "--kubeconfig"])
            .arg(&stranger.kubeconfig);
        ran(command)
    };
    clean()?
        .ok()?
        .says("removed /api/v1/namespaces/default/configmaps/")?;
    check(stranger.labelled()?.is_empty(), || {
        "some are left".to_owned()
    })?;
    let mine = ["get", "configmap", "mine"];
    stranger.up.kubectl("v1.37", &mine)?.ok()?;
    clean()?.ok()?.says("nothing is left")?;
    check(kubeconfig()? == theirs, || {
        "the kubeconfig was written".to_owned()
    })
}

fn up() -> Result<(), Stop> {
    let mut command = Command::new(programs::rolecall());
    command.args(["up", "--cluster", "kubeconfig"]);
    let run = ran(command)?.refused()?;
    check(run.code == Some(2), || run.to_string())?;
    run.says("rolecall test --cluster kubeconfig").map(drop)
}
