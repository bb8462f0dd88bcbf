//! What an audit policy lets through, event by event. The same policy and most
//! of these requests were given to a kube-apiserver v1.37.2, which wrote the
//! same events.

use std::sync::Arc;

use crate::support::{Ask, Cluster, cluster_of};
use kube_rbac::Version;
use mock_apiserver::audit::Policy;
use mock_apiserver::authn::{Review, TokenWebhook};
use mock_apiserver::{Config, Timing};
use serde_json::{Value, json};

const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- level: None
  users: [nobody]
- level: None
  nonResourceURLs: ["/healthz*"]
- level: Metadata
  resources: [{group: "", resources: [secrets]}]
  omitStages: [RequestReceived]
- level: Request
  resources: [{group: rbac.authorization.k8s.io}]
- level: Request
  verbs: [deletecollection]
- level: Metadata
  nonResourceURLs: [/version]
- level: RequestResponse
"#;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn recorded() -> Cluster {
    cluster_of(Config {
        timing: Timing::Instant,
        audit_policy: Policy::parse(POLICY, Version::default()).expect("a policy"),
        ..Config::default()
    })
}

/// The events that one request leaves.
async fn events(cluster: &Cluster, ask: Ask<'_>) -> Vec<Value> {
    let before = cluster.audit.events().len();
    ask.send().await;
    cluster.audit.events().split_off(before)
}

/// Level and stage of each event.
fn brief(events: &[Value]) -> Vec<String> {
    let each = events.iter().map(|event| {
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        format!("{} {}", text("level"), text("stage"))
    });
    each.collect()
}

#[tokio::test]
async fn each_request_leaves_the_events_of_its_level() {
    let cluster = recorded();
    let both = |level: &str| {
        vec![
            format!("{level} RequestReceived"),
            format!("{level} ResponseComplete"),
        ]
    };
    let admin = |method, uri| cluster.ask(method, uri).admin();
    for (ask, expected) in [
        (cluster.get(MAPS).certificate("nobody", None), vec![]),
        (admin("GET", "/healthz/ping"), vec![]),
        (admin("GET", "/version"), both("Metadata")),
        (
            admin("GET", "/api/v1/namespaces/default/secrets"),
            vec!["Metadata ResponseComplete".to_owned()],
        ),
        (
            admin("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/x"),
            both("Request"),
        ),
        (admin("DELETE", MAPS), both("Request")),
        (admin("GET", "/nothing"), both("RequestResponse")),
        (admin("GET", "/apis/batch/v1/jobs"), both("RequestResponse")),
        (
            cluster.get(MAPS).bearer("junk"),
            vec!["RequestResponse ResponseStarted".to_owned()],
        ),
        (cluster.get("/healthz").bearer("junk"), vec![]),
    ] {
        assert_eq!(brief(&events(&cluster, ask).await), expected);
    }
}

#[tokio::test]
async fn a_request_that_came_has_no_answer_and_one_time() {
    let cluster = recorded();
    let events = events(&cluster, cluster.get("/version").admin()).await;
    assert_eq!(events[0].get("responseStatus"), None);
    assert_eq!(events[0].get("annotations"), None);
    assert_eq!(
        events[0]["stageTimestamp"],
        events[0]["requestReceivedTimestamp"]
    );
    assert_eq!(
        events[1]["responseStatus"],
        json!({"metadata": {}, "code": 200})
    );
    // What is no object is not recorded.
    assert_eq!(events[1].get("responseObject"), None);
}

#[tokio::test]
async fn objects_are_recorded_as_they_came_and_as_they_went() {
    let cluster = recorded();
    let map = json!({"metadata": {"name": "a", "managedFields": [{"manager": "x"}]}, "data": {"k": "v"}, "zzz": 1});
    let made = events(&cluster, cluster.post(MAPS, &map).admin()).await;
    let made = &made[1];
    assert_eq!(
        made["requestObject"].to_string(),
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"}}"#
    );
    assert_eq!(made["responseObject"]["metadata"]["namespace"], "default");
    assert_eq!(made["objectRef"]["name"], "a");
    let patch = cluster
        .ask("PATCH", &format!("{MAPS}/a"))
        .body(r#"{"data":{"k":"w"}}"#);
    let patch = patch
        .header("content-type", "application/merge-patch+json")
        .admin();
    let patched = &events(&cluster, patch).await[1];
    assert_eq!(patched["requestObject"], json!({"data": {"k": "w"}}));
    assert_eq!(patched["responseObject"]["data"], json!({"k": "w"}));
    assert_eq!(patched["objectRef"].get("uid"), None);
    let options = json!({"propagationPolicy": "Background", "gracePeriodSeconds": 0});
    let delete = cluster
        .ask("DELETE", &format!("{MAPS}/a"))
        .body(options.to_string());
    let deleted = &events(&cluster, delete.admin()).await[1];
    assert_eq!(
        deleted["requestObject"].to_string(),
        r#"{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/__internal","gracePeriodSeconds":0,"propagationPolicy":"Background"}"#
    );
    assert_eq!(deleted["responseStatus"]["status"], "Success");
    assert_eq!(deleted["responseStatus"]["details"]["name"], "a");
    let refused = &events(&cluster, cluster.get(&format!("{MAPS}/a")).admin()).await[1];
    assert_eq!(refused["responseObject"]["reason"], "NotFound");
    assert_eq!(refused["responseStatus"].get("kind"), None);
}

#[tokio::test]
async fn at_level_request_the_answer_is_left_out() {
    let cluster = recorded();
    let role = json!({"metadata": {"name": "r"}, "rules": []});
    let uri = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let made = &events(&cluster, cluster.post(uri, &role).admin()).await[1];
    assert_eq!(made["requestObject"]["metadata"]["name"], "r");
    assert_eq!(made.get("responseObject"), None);
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}});
    let made = cluster.post("/api/v1/namespaces/default/secrets", &secret);
    let made = &events(&cluster, made.admin()).await[0];
    assert_eq!(made.get("requestObject"), None);
    assert_eq!(made["objectRef"]["name"], "s");
}

/// Answers are recorded in JSON, however they went.
#[tokio::test]
async fn an_answer_in_another_spelling_is_recorded_all_the_same() {
    let cluster = recorded();
    let uri = "/api/v1/namespaces/kube-system";
    for accept in ["application/yaml", "application/vnd.kubernetes.protobuf"] {
        let ask = cluster.get(uri).header("accept", accept).admin();
        let told = &events(&cluster, ask).await[1];
        assert_eq!(told["responseObject"]["kind"], "Namespace", "{accept}");
        assert_eq!(told["responseObject"]["metadata"]["name"], "kube-system");
    }
    let aggregated =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let ask = cluster.get("/apis").header("accept", aggregated).admin();
    let told = &events(&cluster, ask).await[1];
    assert_eq!(told["responseObject"]["kind"], "APIGroupDiscoveryList");
}

#[tokio::test]
async fn a_watch_is_recorded_when_it_starts_and_when_it_ends() {
    let cluster = recorded();
    let ask = cluster
        .get(&format!("{MAPS}?watch=1&resourceVersion=zz"))
        .admin();
    assert_eq!(
        brief(&events(&cluster, ask).await),
        [
            "RequestResponse RequestReceived",
            "RequestResponse ResponseStarted",
            "RequestResponse ResponseComplete"
        ]
    );
}

struct Panics;

impl TokenWebhook for Panics {
    fn review<'a>(&'a self, _: &'a str) -> Review<'a> {
        panic!("the webhook is broken")
    }
}

#[tokio::test]
async fn a_panic_is_an_event_of_its_own() {
    let cluster = recorded();
    cluster.server.set_token_webhook(Some(Arc::new(Panics)));
    let review = json!({"spec": {"token": "t"}});
    let uri = "/apis/authentication.k8s.io/v1/tokenreviews";
    let events = events(&cluster, cluster.post(uri, &review).admin()).await;
    assert_eq!(
        brief(&events),
        ["RequestResponse RequestReceived", "RequestResponse Panic"]
    );
    assert_eq!(
        events[1]["responseStatus"].to_string(),
        r#"{"metadata":{},"status":"Failure","message":"APIServer panic'd: the webhook is broken","reason":"InternalError","code":500}"#
    );
}

/// The refusal is no object where the client takes none.
#[tokio::test]
async fn how_somebody_tried_to_authenticate_is_told_where_the_refusal_is_not() {
    let cluster = recorded();
    let ask = cluster
        .get(MAPS)
        .bearer("junk")
        .header("accept", "text/html");
    let failed = &events(&cluster, ask).await[0];
    assert_eq!(
        failed["responseStatus"],
        json!({"metadata": {}, "message": "Authentication failed, attempted: bearer", "code": 401})
    );
    assert_eq!(failed.get("responseObject"), None);
}
