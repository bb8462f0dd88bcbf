//! Kubernetes' own cases of impersonation (apiserver,
//! `endpoints/filters/impersonation`, and `test/integration/auth/auth_test.go`), as
//! data in `upstream_impersonation.jsonl`: a request, who sends it, whom they want to
//! be (extra keys as they stand in a header), and whom they are then, by which
//! constraint, or the refusal; between the requests of the integration's, what
//! somebody is granted.
//!
//! The authorizers of those tests are written as RBAC here, whose refusals have
//! no reason of their own. What is cached for ten seconds is left out, and metrics.

use std::sync::Arc;

use crate::support::{Cluster, cluster_of};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kube_authn::User;
use kube_rbac::{Policy, Version};
use mock_apiserver::Config;
use mock_apiserver::authn::{Review, TokenWebhook};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const CASES: &str = include_str!("upstream_impersonation.jsonl");
const AUTHENTICATION: &str = "authentication.k8s.io";

/// A subject (`user:` or `group:` and the name), and verb, API group, resource
/// and, if not all, the name of what it may.
type Grant<'a> = (&'a str, &'a str, &'a str, &'a str, Option<&'a str>);

/// `impersonateAuthorizer` of `impersonation_test.go`.
const LEGACY: &[Grant<'static>] = &[
    ("user:system:admin", "*", "*", "*", None),
    ("group:wheel", "impersonate", "", "users", None),
    (
        "group:sa-impersonater",
        "impersonate",
        "",
        "serviceaccounts",
        None,
    ),
    (
        "group:regular-impersonater",
        "impersonate",
        "",
        "users",
        None,
    ),
    (
        "group:group-impersonater",
        "impersonate",
        "",
        "groups",
        None,
    ),
    (
        "group:extra-setter-scopes",
        "impersonate",
        AUTHENTICATION,
        "userextras/scopes",
        None,
    ),
    ("group:escaped-scopes", "*", "*", "*", None),
    ("group:almost-escaped-scopes", "*", "*", "*", None),
    (
        "group:extra-setter-particular-scopes",
        "impersonate",
        AUTHENTICATION,
        "userextras/scopes",
        Some("scope-a"),
    ),
    (
        "group:extra-setter-project",
        "impersonate",
        AUTHENTICATION,
        "userextras/project",
        None,
    ),
    (
        "group:everything-impersonater",
        "impersonate",
        "",
        "users",
        None,
    ),
    (
        "group:everything-impersonater",
        "impersonate",
        AUTHENTICATION,
        "uids",
        Some("some-uid"),
    ),
    (
        "group:everything-impersonater",
        "impersonate",
        "",
        "groups",
        None,
    ),
    (
        "group:everything-impersonater",
        "impersonate",
        AUTHENTICATION,
        "userextras/scopes",
        None,
    ),
];

/// `Authorize` of `constrained_impersonation_test.go`, but for everybody's
/// right to `get` and `list` as another.
const CONSTRAINED: &[Grant<'static>] = &[
    (
        "user:sa-impersonater",
        "impersonate:serviceaccount",
        AUTHENTICATION,
        "serviceaccounts",
        None,
    ),
    (
        "user:node-impersonater",
        "impersonate:arbitrary-node",
        AUTHENTICATION,
        "nodes",
        None,
    ),
    (
        "group:associate-node-impersonater",
        "impersonate:associated-node",
        AUTHENTICATION,
        "nodes",
        None,
    ),
    (
        "user:user-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "users",
        None,
    ),
    (
        "user:user-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "uids",
        None,
    ),
    (
        "group:group-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "groups",
        None,
    ),
    (
        "group:extra-setter-scopes",
        "impersonate:user-info",
        AUTHENTICATION,
        "userextras/pandas.io/scopes",
        None,
    ),
    ("user:legacy-impersonater", "impersonate", "*", "*", None),
    (
        "user:many-groups-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "users",
        None,
    ),
    (
        "user:many-groups-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "groups",
        Some("*"),
    ),
    (
        "user:many-extras-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "users",
        None,
    ),
    (
        "user:many-extras-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "userextras/*",
        Some("*"),
    ),
    (
        "user:mixed-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "users",
        None,
    ),
    // Any group there but the star.
    (
        "user:mixed-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "groups",
        Some("dev"),
    ),
    (
        "user:mixed-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "groups",
        Some("ops"),
    ),
    (
        "user:mixed-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "groups",
        Some("security"),
    ),
    (
        "user:mixed-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "groups",
        Some("audit"),
    ),
    (
        "user:mixed-impersonater",
        "impersonate:user-info",
        AUTHENTICATION,
        "userextras/tags.io/env",
        None,
    ),
];

const MODES: [&str; 4] = [
    "associated-node",
    "arbitrary-node",
    "serviceaccount",
    "user-info",
];

/// Nothing but what is granted.
fn granted(grants: &[Grant<'_>]) -> Policy {
    let mut policy = Policy::new();
    for (i, (subject, verb, group, resource, name)) in grants.iter().enumerate() {
        let (kind, who) = match subject.split_once(':').expect("a kind") {
            ("user", who) => ("User", who),
            (_, who) => ("Group", who),
        };
        let mut rule = json!({"verbs": [verb], "apiGroups": [group], "resources": [resource]});
        if let Some(name) = name {
            rule["resourceNames"] = json!([name]);
        }
        let subjects = json!([{"kind": kind, "name": who}]);
        put(
            &mut policy,
            &format!("grant-{i:02}"),
            subjects,
            json!([rule]),
        );
    }
    policy
}

/// The handler behind the filter is one that lets everybody in.
fn policy(grants: &[Grant<'_>], constrained: bool) -> Policy {
    let mut policy = granted(grants);
    let everybody = json!([{"kind": "Group", "name": "system:authenticated"},
        {"kind": "Group", "name": "system:unauthenticated"}]);
    let mut verbs: Vec<String> = ["get", "list"].map(str::to_owned).to_vec();
    if constrained {
        let on = |mode| ["get", "list"].map(|verb| format!("impersonate-on:{mode}:{verb}"));
        verbs.extend(MODES.into_iter().flat_map(on));
    }
    put(
        &mut policy,
        "everybody",
        everybody,
        json!([{"verbs": verbs, "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": verbs, "nonResourceURLs": ["*"]}]),
    );
    policy
}

fn put(policy: &mut Policy, name: &str, subjects: Value, rules: Value) {
    let role = json!({"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
    let binding = json!({"kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"kind": "ClusterRole", "name": name}, "subjects": subjects});
    for mut object in [role, binding] {
        object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
        policy.put(kube_rbac::parse_object(&object).expect("an object"));
    }
}

/// A token is its user, as JSON in base64.
struct Anybody;

impl TokenWebhook for Anybody {
    fn review<'a>(&'a self, token: &'a str) -> Review<'a> {
        Box::pin(async move {
            let bytes = BASE64.decode(token).map_err(|error| error.to_string())?;
            let user: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            let extra = user["extra"].as_object().into_iter().flatten();
            Ok(Some(User {
                username: text(&user["username"]),
                uid: text(&user["uid"]),
                groups: texts(&user["groups"]),
                extra: extra
                    .map(|(key, values)| (key.clone(), texts(values)))
                    .collect(),
            }))
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// What is wrong with the answer, in words.
async fn fault(cluster: &Cluster, case: &Value) -> Option<String> {
    let request = text(&case["request"]);
    let (method, uri) = request.split_once(' ').expect("a method");
    let mut ask = cluster.ask(method, uri);
    if let Some(requestor) = case.get("requestor") {
        ask = ask.bearer(&BASE64.encode(requestor.to_string()));
    }
    let wanted = &case["wanted"];
    for (field, header) in [("username", "impersonate-user"), ("uid", "impersonate-uid")] {
        if let Some(value) = wanted[field].as_str() {
            ask = ask.header(header, value);
        }
    }
    for group in texts(&wanted["groups"]) {
        ask = ask.header("impersonate-group", &group);
    }
    for (key, values) in wanted["extra"].as_object().into_iter().flatten() {
        for value in texts(values) {
            ask = ask.header(&format!("impersonate-extra-{key}"), &value);
        }
    }
    let answer = ask.send().await;
    let id = answer.headers["audit-id"].to_str().expect("text");
    let events = cluster.audit.events();
    let event = events.iter().find(|event| event["auditID"] == id);
    let event = event.expect("each request leaves an event");

    let (became, constraint) = (
        event.get("impersonatedUser"),
        text(&event["authenticationMetadata"]["impersonationConstraint"]),
    );
    let as_expected = match case["code"].as_u64() {
        Some(code) => {
            let message = case.get("message");
            u64::from(answer.code) == code
                && became.is_none()
                && message.is_none_or(|message| answer.json()["message"] == *message)
        }
        None => {
            let by = case.get("constraint").map(text);
            !matches!(answer.code, 400 | 401 | 403)
                && became == case.get("user")
                && by.is_none_or(|by| by == constraint)
                && event["user"]["username"] == case["requestor"]["username"]
        }
    };
    (!as_expected).then(|| {
        format!(
            "{case}\n  {} {}\n  became {became:?} by {constraint:?}",
            answer.code, answer.text
        )
    })
}

fn cases(test: &str) -> Vec<(String, Vec<Value>)> {
    let cases = CASES.lines().map(|line| {
        let case: Value = serde_json::from_str(line).expect("a line is JSON");
        let requests = case["requests"].as_array().expect("requests").clone();
        (text(&case["name"]), requests)
    });
    cases
        .filter(|(name, _)| name.split('/').next() == Some(test))
        .collect()
}

fn cluster(version: Version, policy: Policy) -> Cluster {
    let cluster = cluster_of(Config {
        version,
        policy,
        ..Config::default()
    });
    cluster.server.set_token_webhook(Some(Arc::new(Anybody)));
    cluster
}

#[rstest]
#[case::filter_1_34(Version::V1_34, "TestImpersonationFilter", LEGACY, 25)]
#[case::filter_1_35(Version::V1_35, "TestImpersonationFilter", LEGACY, 25)]
#[case::filter_1_36(Version::V1_36, "TestImpersonationFilter", LEGACY, 25)]
#[case::filter_1_37(Version::V1_37, "TestImpersonationFilter", LEGACY, 25)]
#[case::constrained_1_36(Version::V1_36, "TestConstrainedImpersonationFilter", CONSTRAINED, 21)]
#[case::constrained_1_37(Version::V1_37, "TestConstrainedImpersonationFilter", CONSTRAINED, 21)]
#[tokio::test]
async fn everybody_is_who_they_may_be(
    #[case] version: Version,
    #[case] test: &str,
    #[case] grants: &[Grant<'_>],
    #[case] count: usize,
) {
    let cases = cases(test);
    assert_eq!(cases.len(), count, "all cases are there");
    let mut faults = Vec::new();
    for (name, requests) in &cases {
        // What was allowed last is tried first, so each case is on its own.
        let cluster = cluster(version, policy(grants, test.contains("Constrained")));
        for request in requests {
            if let Some(fault) = fault(&cluster, request).await {
                faults.push(format!("{name}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_the_same_time_do_not_meddle_with_each_other() {
    let cases = cases("TestConstrainedImpersonationParallel");
    assert_eq!(cases.len(), 5, "all cases are there");
    let mut faults = Vec::new();
    for (name, requests) in cases {
        let cluster = Arc::new(cluster(Version::default(), policy(CONSTRAINED, true)));
        let mut all = JoinSet::new();
        for request in requests {
            let cluster = Arc::clone(&cluster);
            all.spawn(async move { fault(&cluster, &request).await });
        }
        let found = all.join_all().await.into_iter().flatten();
        faults.extend(found.map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A version without constrained impersonation is as one that has it turned off.
#[rstest]
#[case::uid_1_36(Version::V1_36, "TestImpersonateWithUID", 3)]
#[case::uid_1_37(Version::V1_37, "TestImpersonateWithUID", 3)]
#[case::constrained_1_36(Version::V1_36, "TestConstrainedImpersonation", 4)]
#[case::constrained_1_37(Version::V1_37, "TestConstrainedImpersonation", 4)]
#[case::disabled_1_34(Version::V1_34, "TestConstrainedImpersonationDisabled", 2)]
#[case::disabled_1_35(Version::V1_35, "TestConstrainedImpersonationDisabled", 2)]
#[tokio::test]
async fn what_is_granted_counts_from_then_on(
    #[case] version: Version,
    #[case] test: &str,
    #[case] count: usize,
) {
    let cases = cases(test);
    assert_eq!(cases.len(), count, "all cases are there");
    let mut faults = Vec::new();
    for (name, steps) in &cases {
        let mut grants = Vec::new();
        for step in steps {
            if let Some(grant) = step.get("grant") {
                grants.push(read(grant));
                continue;
            }
            // What was allowed last is tried first, so each request is on its own.
            let cluster = cluster(version, granted(&grants));
            if let Some(fault) = fault(&cluster, step).await {
                faults.push(format!("{name}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn read(grant: &Value) -> Grant<'_> {
    let words: Vec<&str> = grant
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match words[..] {
        [subject, verb, group, resource] => (subject, verb, group, resource, None),
        [subject, verb, group, resource, name] => (subject, verb, group, resource, Some(name)),
        _ => panic!("no grant: {grant}"),
    }
}

/// What `getTestRequests` sends, each once, by path; bodies do not matter to what is
/// looked at.
const REQUESTS: &str = "
    GET /api/v1/pods
    GET,POST,OPTIONS,HEAD,TRACE,NOSUCHVERB /api/v1/namespaces/NS/pods
    PUT,GET,PATCH,DELETE,OPTIONS,HEAD,TRACE /api/v1/namespaces/NS/pods/a
    GET,POST,PUT /api/v1/namespaces/NS/pods/a/exec
    GET,POST,PUT /api/v1/namespaces/NS/pods/a/portforward
    GET /api/v1/services
    GET,POST /api/v1/namespaces/NS/services
    PUT,GET,DELETE /api/v1/namespaces/NS/services/a
    GET /api/v1/namespaces/NS/services/a/proxy/
    GET /api/v1/replicationcontrollers
    GET,POST /api/v1/namespaces/NS/replicationcontrollers
    PUT,GET,DELETE /api/v1/namespaces/NS/replicationcontrollers/a
    GET /api/v1/endpoints
    GET,POST /api/v1/namespaces/NS/endpoints
    PUT,GET,DELETE /api/v1/namespaces/NS/endpoints/a
    GET,POST /api/v1/nodes
    PUT,GET,DELETE /api/v1/nodes/a
    GET /api/v1/events
    GET,POST /api/v1/namespaces/NS/events
    PUT,GET,DELETE /api/v1/namespaces/NS/events/a
    GET,POST /api/v1/namespaces/NS/bindings
    PUT,GET,DELETE /api/v1/namespaces/NS/bindings/a
    GET /api/v1/foo
    POST,DELETE /api/v1/namespaces/NS/foo
    PUT,GET /api/v1/namespaces/NS/foo/a
    GET /api/v1/namespaces/NS/nodes/a/proxy
    GET /api/v1/redirect/namespaces/NS/nodes/a
    GET /
    GET /api
    GET /healthz
    GET /version
    GET /invalidURL
";

/// `TestImpersonateIsForbidden`: alice may do everything but be somebody else, bob may
/// be anybody and nothing else, and accounts of services may do everything. As each of
/// its four blocks asks, all requests are forbidden, or none.
#[rstest]
#[case::bob_cannot_perform_actions_himself("bob", None, true)]
#[case::bob_can_impersonate_alice("bob", Some("alice"), false)]
#[case::alice_cannot_impersonate_bob("alice", Some("bob"), true)]
#[case::bob_can_impersonate_a_service_account(
    "bob",
    Some("system:serviceaccount:default:default"),
    false
)]
#[tokio::test]
async fn all_is_forbidden_or_nothing(
    #[values(Version::V1_34, Version::V1_35, Version::V1_36, Version::V1_37)] version: Version,
    #[case] who: &str,
    #[case] wanted: Option<&str>,
    #[case] forbidden: bool,
) {
    // A method that is none has no verb.
    let deeds = [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
        "",
    ];
    let all = |verbs: &[&str]| {
        json!([{"verbs": verbs, "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": verbs, "nonResourceURLs": ["*"]}])
    };
    let mut policy = Policy::new();
    let accounts = json!([{"kind": "Group", "name": "system:serviceaccounts"},
        {"kind": "User", "name": "alice"}]);
    put(&mut policy, "deeds", accounts, all(&deeds));
    let bob = json!([{"kind": "User", "name": "bob"}]);
    put(&mut policy, "impersonate", bob, all(&["impersonate"]));
    let cluster = cluster(version, policy);

    let mut asked = 0;
    let mut otherwise = Vec::new();
    for line in REQUESTS.lines().filter(|line| !line.is_empty()) {
        let (methods, path) = line.trim().split_once(' ').expect("methods and a path");
        for method in methods.split(',') {
            let mut ask = cluster
                .ask(method, &path.replace("NS", "auth-impersonate-forbidden"))
                .bearer(&BASE64.encode(json!({"username": who}).to_string()));
            if let Some(wanted) = wanted {
                ask = ask.header("impersonate-user", wanted);
            }
            let answer = ask.send().await;
            asked += 1;
            if (answer.code == 403) != forbidden || answer.code == 401 {
                otherwise.push(format!("{method} {path}: {} {}", answer.code, answer.text));
            }
        }
    }
    assert_eq!(asked, 67, "all requests were sent");
    assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
}
