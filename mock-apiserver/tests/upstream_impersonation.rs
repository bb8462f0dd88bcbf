//! Kubernetes' own cases of impersonation (apiserver,
//! `endpoints/filters/impersonation`), as data in `upstream_impersonation.jsonl`:
//! a request, who sends it, whom they want to be (extra keys as they stand in a
//! header), and whom they are then, by which constraint, or the refusal.
//!
//! The authorizers of those tests are written as RBAC here, whose refusals have
//! no reason of their own. What is cached for ten seconds is left out.

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
type Grant = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

/// `impersonateAuthorizer` of `impersonation_test.go`.
const LEGACY: &[Grant] = &[
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
const CONSTRAINED: &[Grant] = &[
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

fn policy(grants: &[Grant], constrained: bool) -> Policy {
    let mut policy = Policy::new();
    let mut put = |name: &str, subjects: Value, rules: Value| {
        let role = json!({"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
        let binding = json!({"kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"kind": "ClusterRole", "name": name}, "subjects": subjects});
        for mut object in [role, binding] {
            object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
            policy.put(kube_rbac::parse_object(&object).expect("an object"));
        }
    };
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
        put(&format!("grant-{i:02}"), subjects, json!([rule]));
    }
    // The handler behind the filter is one that lets everybody in.
    let everybody = json!([{"kind": "Group", "name": "system:authenticated"},
        {"kind": "Group", "name": "system:unauthenticated"}]);
    let mut verbs: Vec<String> = ["get", "list"].map(str::to_owned).to_vec();
    if constrained {
        let on = |mode| ["get", "list"].map(|verb| format!("impersonate-on:{mode}:{verb}"));
        verbs.extend(MODES.into_iter().flat_map(on));
    }
    put(
        "everybody",
        everybody,
        json!([{"verbs": verbs, "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": verbs, "nonResourceURLs": ["*"]}]),
    );
    policy
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
    let mut ask = cluster
        .ask(method, uri)
        .bearer(&BASE64.encode(case["requestor"].to_string()));
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

fn cluster(version: Version, grants: &[Grant], constrained: bool) -> Cluster {
    let cluster = cluster_of(Config {
        version,
        policy: policy(grants, constrained),
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
    #[case] grants: &[Grant],
    #[case] count: usize,
) {
    let cases = cases(test);
    assert_eq!(cases.len(), count, "all cases are there");
    let mut faults = Vec::new();
    for (name, requests) in &cases {
        // What was allowed last is tried first, so each case is on its own.
        let cluster = cluster(version, grants, test.contains("Constrained"));
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
        let cluster = Arc::new(cluster(Version::default(), CONSTRAINED, true));
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
