//! Events as they are written, and policies: Kubernetes' own cases by name,
//! and a corpus that its code has answered.

use http::{HeaderValue, Method};
use kube_rbac::Version;
use rstest::rstest;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::wire::Status;

const METADATA: Recording = Recording {
    level: Level::Metadata,
    omit_stages: Stages::NONE,
    omit_managed_fields: false,
};

fn context(method: &Method, uri: &'static str, headers: &HeaderMap) -> Context {
    let uri = Uri::from_static(uri);
    let info = RequestInfo::new(method, &uri).expect("a target");
    Context::new(
        "id".to_owned(),
        "2026-11-23T10:00:00.123456789Z".parse().expect("a time"),
        &info,
        &uri,
        headers,
        Some([127, 0, 0, 1].into()),
    )
}

fn line(context: &Context) -> String {
    let sink = Memory::default();
    let now = "2026-11-23T10:00:01Z".parse().expect("a time");
    context.emit(&sink, Stage::ResponseComplete, now);
    let events = sink.events();
    String::from_utf8(crate::wire::json::bare(&events[0])).expect("UTF-8")
}

#[test]
fn an_event_has_kubernetes_fields_in_kubernetes_order() {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static("kubectl/v1.37"));
    let context = context(
        &Method::POST,
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?x=1",
        &headers,
    );
    let jane = User {
        username: "oidc:jane".to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..User::default()
    };
    context.begin(Some(&jane), METADATA);
    context.impersonated(
        &User {
            username: "bob".to_owned(),
            ..User::default()
        },
        "impersonate:user-info",
    );
    context.object(Version::default(), &json!({"metadata": {"name": "b"}}));
    context.annotate("authorization.k8s.io/decision", "allow");
    context.annotate("authorization.k8s.io/reason", "");
    context.answered(201, None);
    assert_eq!(
        line(&context),
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id","stage":"ResponseComplete","requestURI":"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?x=1","verb":"create","user":{"username":"oidc:jane","groups":["system:authenticated"]},"impersonatedUser":{"username":"bob"},"authenticationMetadata":{"impersonationConstraint":"impersonate:user-info"},"sourceIPs":["127.0.0.1"],"userAgent":"kubectl/v1.37","objectRef":{"resource":"clusterrolebindings","name":"b","apiGroup":"rbac.authorization.k8s.io","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":201},"requestReceivedTimestamp":"2026-11-23T10:00:00.123456Z","stageTimestamp":"2026-11-23T10:00:01.000000Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}"#
    );
}

#[test]
fn a_refusal_is_written_with_its_reason() {
    let context = context(&Method::GET, "/api/v1/pods", &HeaderMap::new());
    let status = Status::forbidden("", "pods", "", "why");
    context.answered(403, Some(status.to_value()));
    assert!(line(&context).contains(
        r#""responseStatus":{"metadata":{},"status":"Failure","message":"pods is forbidden: why","reason":"Forbidden","details":{"kind":"pods"},"code":403}"#
    ));
}

#[test]
fn proxies_are_listed_before_the_connection() {
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-forwarded-for",
        HeaderValue::from_static("10.0.0.1, nonsense, 10.0.0.2"),
    );
    headers.insert("x-real-ip", HeaderValue::from_static("10.0.0.1"));
    assert_eq!(
        source_ips(&headers, Some([127, 0, 0, 1].into())),
        ["10.0.0.1", "10.0.0.2", "127.0.0.1"]
    );
}

#[test]
fn a_long_user_agent_is_cut() {
    let mut headers = HeaderMap::new();
    let long = "é".repeat(600);
    headers.insert(
        "user-agent",
        HeaderValue::from_bytes(long.as_bytes()).expect("a value"),
    );
    let cut = user_agent(&headers);
    assert!(cut.ends_with("...TRUNCATED"));
    assert_eq!(cut.len(), MAX_USER_AGENT + "...TRUNCATED".len());
}

/// What upstream's tables ask about (`pkg/audit/policy/checker_test.go`).
fn request(name: &str) -> (Option<User>, RequestInfo) {
    let tim = User {
        username: "tim@k8s.io".to_owned(),
        groups: vec!["humans".to_owned(), "developers".to_owned()],
        ..User::default()
    };
    let row = match name {
        "namespaced" | "Unauthorized" => ["get", "default", "", "pods", "", "busybox"],
        "cluster" => [
            "get",
            "",
            "rbac.authorization.k8s.io",
            "clusterroles",
            "",
            "edit",
        ],
        "nonResource" => ["get", "", "", "", "", ""],
        "subresource" => ["get", "default", "", "pods", "log", "busybox"],
        "ClusterRoleUpdate" => [
            "update",
            "",
            "rbac.authorization.k8s.io",
            "clusterroles",
            "status",
            "somerole",
        ],
        _ => panic!("no such request: {name}"),
    };
    let [verb, namespace, group, resource, subresource, name_of] = row.map(str::to_owned);
    let info = RequestInfo {
        is_resource_request: name != "nonResource",
        path: "/logs/kubelet.log".to_owned(),
        verb,
        namespace,
        api_group: group,
        resource,
        subresource,
        name: name_of,
        ..RequestInfo::default()
    };
    ((name != "Unauthorized").then_some(tim), info)
}

/// The rules of upstream's tables.
fn named_rule(name: &str) -> Value {
    match name {
        "default" => json!({"level": "Metadata"}),
        "create" => json!({"level": "Request", "verbs": ["create"]}),
        "tims" => json!({"level": "Metadata", "users": ["tim@k8s.io"]}),
        "humans" => json!({"level": "Metadata", "userGroups": ["humans"]}),
        "serviceAccounts" => json!({"level": "Request", "userGroups": ["system:serviceaccounts"]}),
        "getPods" => {
            json!({"level": "RequestResponse", "verbs": ["get"], "resources": [{"resources": ["pods"]}]})
        }
        "getPodLogs" => {
            json!({"level": "Request", "verbs": ["get"], "resources": [{"resources": ["pods/log"]}]})
        }
        "getPodWildcardMatching" => {
            json!({"level": "Request", "verbs": ["get"], "resources": [{"resources": ["*"]}]})
        }
        "getPodResourceWildcardMatching" => {
            json!({"level": "Request", "verbs": ["get"], "resources": [{"resources": ["*/log"]}]})
        }
        "getPodSubResourceWildcardMatching" => {
            json!({"level": "Request", "verbs": ["get"], "resources": [{"resources": ["pods/*"]}]})
        }
        "getClusterRoles" => {
            json!({"level": "RequestResponse", "verbs": ["get"], "namespaces": [""],
                "resources": [{"group": "rbac.authorization.k8s.io", "resources": ["clusterroles"]}]})
        }
        "getGroupWildCardMatchingWithSubresourceWildcardMatching" => {
            json!({"level": "RequestResponse", "verbs": ["update"], "resources": [{"group": "*", "resources": ["*/status"]}]})
        }
        "getLogs" => {
            json!({"level": "RequestResponse", "verbs": ["get"], "nonResourceURLs": ["/logs*"]})
        }
        "getMetrics" => {
            json!({"level": "Request", "verbs": ["get"], "nonResourceURLs": ["/metrics"]})
        }
        "clusterRoleEdit" => {
            json!({"level": "Request", "resources": [{"group": "rbac.authorization.k8s.io",
                "resources": ["clusterroles"], "resourceNames": ["edit"]}]})
        }
        "omit RequestReceived" => {
            json!({"level": "Request", "omitStages": ["RequestReceived"]})
        }
        "only audit panic" => {
            json!({"level": "Request", "omitStages": ["RequestReceived", "ResponseStarted", "ResponseComplete"]})
        }
        _ => panic!("no such rule: {name}"),
    }
}

fn policy(omit_stages: &[&str], rules: &[&str]) -> Policy {
    let rules: Vec<Value> = rules.iter().map(|name| named_rule(name)).collect();
    let document = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitStages": omit_stages, "rules": rules});
    Policy::parse(&document.to_string(), Version::default()).expect("a policy")
}

const RECEIVED: &str = "RequestReceived";
const STARTED: &str = "ResponseStarted";
const COMPLETE: &str = "ResponseComplete";

/// `TestChecker` and `TestCheckerPolicyOmitStages`: each is asked with no stage
/// omitted and with two.
#[rstest]
#[case("namespaced", Level::Metadata, &["default"])]
#[case("namespaced", Level::None, &["create"])]
#[case("namespaced", Level::Metadata, &["tims"])]
#[case("namespaced", Level::Metadata, &["humans"])]
#[case("namespaced", Level::None, &["serviceAccounts"])]
#[case("namespaced", Level::RequestResponse, &["getPods"])]
#[case("namespaced", Level::None, &["getClusterRoles"])]
#[case("namespaced", Level::None, &["getLogs"])]
#[case("namespaced", Level::None, &["getMetrics"])]
#[case("namespaced", Level::Metadata, &["getMetrics", "serviceAccounts", "default"])]
#[case("namespaced", Level::RequestResponse, &["getMetrics", "getPods", "default"])]
#[case("namespaced", Level::RequestResponse, &["getPodLogs", "getPods"])]
#[case("cluster", Level::Metadata, &["default"])]
#[case("cluster", Level::None, &["create"])]
#[case("cluster", Level::Metadata, &["tims"])]
#[case("cluster", Level::Metadata, &["humans"])]
#[case("cluster", Level::None, &["serviceAccounts"])]
#[case("cluster", Level::None, &["getPods"])]
#[case("cluster", Level::RequestResponse, &["getClusterRoles"])]
#[case("cluster", Level::Request, &["clusterRoleEdit", "getClusterRoles"])]
#[case("cluster", Level::None, &["getLogs"])]
#[case("cluster", Level::None, &["getMetrics"])]
#[case("cluster", Level::Metadata, &["getMetrics", "serviceAccounts", "default"])]
#[case("cluster", Level::RequestResponse, &["getMetrics", "getClusterRoles", "default"])]
#[case("cluster", Level::None, &["getPodLogs", "getPods"])]
#[case("nonResource", Level::Metadata, &["default"])]
#[case("nonResource", Level::None, &["create"])]
#[case("nonResource", Level::Metadata, &["tims"])]
#[case("nonResource", Level::Metadata, &["humans"])]
#[case("nonResource", Level::None, &["serviceAccounts"])]
#[case("nonResource", Level::None, &["getPods"])]
#[case("nonResource", Level::None, &["getClusterRoles"])]
#[case("nonResource", Level::RequestResponse, &["getLogs"])]
#[case("nonResource", Level::None, &["getMetrics"])]
#[case("nonResource", Level::Metadata, &["getMetrics", "serviceAccounts", "default"])]
#[case("nonResource", Level::RequestResponse, &["getLogs", "getClusterRoles", "default"])]
#[case("nonResource", Level::None, &["getPodLogs", "getPods"])]
#[case("subresource", Level::Request, &["getPodLogs", "getPods"])]
#[case("subresource", Level::Request, &["getPodWildcardMatching"])]
#[case("subresource", Level::Request, &["getPodResourceWildcardMatching"])]
#[case("subresource", Level::Request, &["getPodSubResourceWildcardMatching"])]
#[case("Unauthorized", Level::None, &["tims"])]
#[case("Unauthorized", Level::Metadata, &["tims", "default"])]
#[case("Unauthorized", Level::None, &["humans"])]
#[case("Unauthorized", Level::Metadata, &["humans", "default"])]
#[case("ClusterRoleUpdate", Level::RequestResponse, &["getGroupWildCardMatchingWithSubresourceWildcardMatching"])]
fn the_first_rule_that_matches_decides(
    #[case] name: &str,
    #[case] level: Level,
    #[case] rules: &[&str],
) {
    let (user, info) = request(name);
    for omitted in [&[][..], &[RECEIVED, STARTED]] {
        let recording = policy(omitted, rules).evaluate(user.as_ref(), &info);
        let omit_stages = named_stages(omitted);
        assert_eq!(
            (recording.level, recording.omit_stages),
            (level, omit_stages)
        );
    }
}

fn named_stages(names: &[&str]) -> Stages {
    let all = Stage::ALL.into_iter();
    all.filter(|stage| names.contains(&stage.name())).collect()
}

#[rstest]
#[case(&[], &["omit RequestReceived", "getPods", "default"], &[RECEIVED])]
#[case(&[], &["only audit panic", "getPods", "default"], &[RECEIVED, STARTED, COMPLETE])]
#[case(&[RECEIVED, STARTED], &["omit RequestReceived", "getPods", "default"], &[RECEIVED, STARTED])]
#[case(&[RECEIVED, STARTED], &["only audit panic", "getPods", "default"], &[RECEIVED, STARTED, COMPLETE])]
#[case(&[RECEIVED, STARTED], &["default", "omit RequestReceived", "getPods"], &[RECEIVED, STARTED])]
// `TestUnionStages`.
#[case(&[], &["default"], &[])]
#[case(&[RECEIVED], &["default"], &[RECEIVED])]
#[case(&[RECEIVED, RECEIVED], &["omit RequestReceived"], &[RECEIVED])]
#[case(&["Panic", RECEIVED], &["omit RequestReceived"], &[RECEIVED, "Panic"])]
fn stages_are_omitted_by_the_policy_and_by_the_rule(
    #[case] policy_wide: &[&str],
    #[case] rules: &[&str],
    #[case] omitted: &[&str],
) {
    for name in ["namespaced", "cluster", "nonResource"] {
        let (user, info) = request(name);
        let recording = policy(policy_wide, rules).evaluate(user.as_ref(), &info);
        assert_eq!(recording.omit_stages, named_stages(omitted), "{name}");
    }
}

/// `TestOmitManagedFields`.
#[rstest]
#[case::global_default_is_false_rule_does_not_override(false, None, "get", false)]
#[case::global_default_is_true_rule_does_not_override(true, None, "get", true)]
#[case::global_default_is_true_rule_overrides_to_false(true, Some(false), "get", false)]
#[case::global_default_is_false_rule_overrides_to_true(false, Some(true), "get", true)]
#[case::global_default_is_false_no_rule_matches(false, Some(true), "create", false)]
#[case::global_default_is_true_no_rule_matches(true, Some(false), "create", true)]
fn managed_fields_are_omitted_by_the_rule_or_else_by_the_policy(
    #[case] policy_wide: bool,
    #[case] rule: Option<bool>,
    #[case] verb: &str,
    #[case] omitted: bool,
) {
    let document = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitManagedFields": policy_wide,
        "rules": [{"level": "RequestResponse", "verbs": [verb], "omitManagedFields": rule}]});
    let policy = Policy::parse(&document.to_string(), Version::default()).expect("a policy");
    let info = RequestInfo {
        verb: "get".to_owned(),
        ..RequestInfo::default()
    };
    assert_eq!(policy.evaluate(None, &info).omit_managed_fields, omitted);
}

/// A line of the corpus.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    policy: String,
    error: Option<String>,
    #[serde(default)]
    requests: Vec<Asked>,
    #[serde(default)]
    answers: Vec<Answered>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Asked {
    user: Option<String>,
    groups: Vec<String>,
    verb: String,
    namespace: String,
    api_group: String,
    resource: String,
    subresource: String,
    name: String,
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    level: String,
    omit_stages: Vec<String>,
    omit_managed_fields: bool,
}

impl Asked {
    fn evaluate(self, policy: &Policy) -> Recording {
        let groups = self.groups;
        let user = self.user.map(|username| User {
            username,
            groups,
            ..User::default()
        });
        let info = RequestInfo {
            is_resource_request: self.path.is_empty(),
            path: self.path,
            verb: self.verb,
            namespace: self.namespace,
            api_group: self.api_group,
            resource: self.resource,
            subresource: self.subresource,
            name: self.name,
            ..RequestInfo::default()
        };
        policy.evaluate(user.as_ref(), &info)
    }
}

/// `corpus/generate.py` makes the cases; ROLECALL_AUDIT_CASES names a file with
/// more of them.
#[test]
fn policies_are_read_and_followed_as_kubernetes_does() {
    let mut cases = include_str!("corpus/policies.jsonl").to_owned();
    if let Some(path) = std::env::var_os("ROLECALL_AUDIT_CASES") {
        cases += &std::fs::read_to_string(path).expect("readable");
    }
    let mut count = 0;
    for line in cases.lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let policy = Policy::parse(&case.policy, Version::default());
        let error = policy.as_ref().err().map(ToString::to_string);
        assert_eq!(error, case.error, "{}", case.policy);
        let Ok(policy) = policy else { continue };
        let document = policy.to_document().to_string();
        assert_eq!(
            Policy::parse(&document, Version::default()).as_ref(),
            Ok(&policy),
            "{document}"
        );
        for (asked, answered) in case.requests.into_iter().zip(case.answers) {
            let stages: Vec<&str> = answered.omit_stages.iter().map(String::as_str).collect();
            let recording = asked.evaluate(&policy);
            assert_eq!(recording.level.name(), answered.level, "{}", case.policy);
            assert_eq!(recording.omit_stages, named_stages(&stages));
            assert_eq!(recording.omit_managed_fields, answered.omit_managed_fields);
            count += 1;
        }
    }
    assert!(count >= 960);
}

#[test]
fn the_default_policy_is_what_it_says() {
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
    assert_eq!(
        Policy::parse(text, Version::default()),
        Ok(Policy::default())
    );
}

/// Upstream's words for YAML that is none are another parser's.
#[rstest]
#[case("a: b: c\n")]
#[case("a: \"b\n")]
fn what_is_no_yaml_is_refused(#[case] text: &str) {
    let error = Policy::parse(text, Version::default())
        .expect_err("no YAML")
        .to_string();
    assert!(error.starts_with("failed decoding: yaml: "), "{error}");
}
