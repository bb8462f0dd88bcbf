//! The registry through its own door, without sockets: what a client would
//! get, byte for byte where that matters.

use axum::body::{Body, to_bytes};
use foundation::clock::Clock;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube_authn::User;
use kube_rbac::Version;
use rstest::rstest;
use serde_json::{Value, json};
use std::time::Duration;

use super::Registry;
use crate::authz::Authorizer;
use crate::request::RequestInfo;

mod served;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

struct Server {
    registry: Registry,
    authorizer: Authorizer,
    clock: Clock,
    user: User,
}

struct Reply {
    code: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The body with what differs from run to run replaced.
    fn masked(&self) -> String {
        let mut value = self.json();
        for field in ["uid", "resourceVersion"] {
            if !value["metadata"][field].is_null() {
                value["metadata"][field] = field.to_uppercase().into();
            }
        }
        if !value["details"]["uid"].is_null() {
            value["details"]["uid"] = "UID".into();
        }
        value.to_string()
    }

    #[track_caller]
    fn expect(self, code: u16) -> Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }
}

fn admin() -> User {
    User {
        username: "admin".to_owned(),
        groups: vec![
            "system:masters".to_owned(),
            "system:authenticated".to_owned(),
        ],
        ..User::default()
    }
}

fn start() -> Timestamp {
    "2009-11-10T23:00:00Z".parse().expect("a time")
}

fn server() -> Server {
    let clock = Clock::fixed(start());
    let policy = kube_rbac::bootstrap::policy(Version::default());
    let authorizer = Authorizer::new(Version::default(), policy);
    Server {
        registry: Registry::new(clock.clone(), authorizer.clone()),
        authorizer,
        clock,
        user: admin(),
    }
}

impl Server {
    async fn send(&self, request: Request<Body>) -> axum::response::Response {
        let (parts, body) = request.into_parts();
        let info = RequestInfo::new(&parts.method, &parts.uri).expect("a target");
        self.registry
            .handle(info, self.user.clone(), parts, body)
            .await
    }

    async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        for (key, value) in headers {
            request = request.header(*key, *value);
        }
        let request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let response = self.send(request).await;
        let code = response.status().as_u16();
        let headers = response.headers().clone();
        let body = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        Reply {
            code,
            headers,
            text: String::from_utf8(body.to_vec()).expect("UTF-8"),
        }
    }

    async fn get(&self, uri: &str) -> Reply {
        self.ask("GET", uri, &[], "").await
    }

    async fn table(&self, uri: &str) -> Value {
        self.ask("GET", uri, &[("accept", TABLE)], "")
            .await
            .expect(200)
            .json()
    }

    async fn post(&self, uri: &str, body: &Value) -> Reply {
        self.ask("POST", uri, &[], &body.to_string()).await
    }

    async fn put(&self, uri: &str, body: &Value) -> Reply {
        self.ask("PUT", uri, &[], &body.to_string()).await
    }

    async fn patch(&self, uri: &str, format: &str, body: &Value) -> Reply {
        self.ask("PATCH", uri, &[("content-type", format)], &body.to_string())
            .await
    }

    async fn delete(&self, uri: &str) -> Reply {
        self.ask("DELETE", uri, &[], "").await
    }

    async fn watch(&self, uri: &str, accept: &str) -> Watch {
        let request = Request::builder()
            .uri(uri)
            .header("accept", accept)
            .body(Body::empty())
            .expect("a request");
        let response = self.send(request).await;
        assert_eq!(response.status(), 200);
        Watch(response.into_body())
    }

    async fn names(&self, uri: &str) -> Vec<String> {
        let list = self.get(uri).await.expect(200).json();
        list["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|o| o["metadata"]["name"].as_str().expect("a name").to_owned())
            .collect()
    }
}

struct Watch(Body);

impl Watch {
    async fn next(&mut self) -> Option<Value> {
        let frame = self.0.frame().await?.expect("a frame");
        let data = frame.into_data().expect("data");
        assert!(data.ends_with(b"\n"), "one object a line");
        Some(serde_json::from_slice(&data).expect("JSON"))
    }

    /// Type, name and resource version of the next event.
    async fn brief(&mut self) -> (String, String) {
        let event = self.next().await.expect("an event");
        (
            event["type"].as_str().expect("a type").to_owned(),
            event["object"]["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    }
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

fn cluster_role_binding(name: &str, role: &str, group: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "subjects": [{"kind": "Group", "name": group}], "roleRef": {"kind": "ClusterRole", "name": role}})
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}}, "spec": {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}})
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}})
}

fn can_list_pods(server: &Server, group: &str) -> bool {
    let user = User {
        username: "jane".to_owned(),
        groups: vec![group.to_owned()],
        ..User::default()
    };
    let target = kube_rbac::Target::Resource {
        api_group: "",
        resource: "pods",
        subresource: "",
        name: "",
        namespace: "",
    };
    let request = crate::authz::Request {
        verb: "list",
        target,
    };
    server.authorizer.authorize(&user, &request).allowed
}

#[tokio::test]
async fn a_cluster_starts_with_the_systems_namespaces_and_what_belongs_in_them() {
    let server = server();
    assert_eq!(
        server.names("/api/v1/namespaces").await,
        ["default", "kube-node-lease", "kube-public", "kube-system"]
    );
    assert_eq!(
        server
            .names("/api/v1/namespaces/default/serviceaccounts")
            .await,
        ["default"]
    );
    assert_eq!(
        server
            .names("/api/v1/namespaces/kube-system/configmaps")
            .await,
        ["kube-root-ca.crt"]
    );
    assert_eq!(server.names("/api/v1/services").await, ["kubernetes"]);
    assert_eq!(
        server.get("/api/v1/namespaces/default").await.masked(),
        r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"default","uid":"UID","resourceVersion":"RESOURCEVERSION","creationTimestamp":"2009-11-10T23:00:00Z","labels":{"kubernetes.io/metadata.name":"default"}},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}"#
    );
    let roles = server.names(&format!("{RBAC}/clusterroles")).await;
    assert_eq!(roles.len(), 73);
    let bindings = server.names(&format!("{RBAC}/clusterrolebindings")).await;
    assert_eq!(bindings.len(), 54);
    assert_eq!(server.names(&format!("{RBAC}/roles")).await.len(), 7);
    let admin = server
        .get(&format!("{RBAC}/clusterroles/cluster-admin"))
        .await;
    assert_eq!(
        admin.masked(),
        r#"{"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"cluster-admin","uid":"UID","resourceVersion":"RESOURCEVERSION","creationTimestamp":"2009-11-10T23:00:00Z","labels":{"kubernetes.io/bootstrapping":"rbac-defaults"},"annotations":{"rbac.authorization.kubernetes.io/autoupdate":"true"}},"rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]},{"verbs":["*"],"nonResourceURLs":["*"]}]}"#
    );
}

#[tokio::test]
async fn a_binding_is_in_force_as_soon_as_it_is_made_and_no_longer_than_it_is_there() {
    let server = server();
    let uri = format!("{RBAC}/clusterrolebindings");
    assert!(!can_list_pods(&server, "oidc:admins"));
    let binding = cluster_role_binding("oidc:admins", "cluster-admin", "oidc:admins");
    let created = server
        .post(
            &format!("{uri}?fieldManager=kubectl-create&fieldValidation=Strict"),
            &binding,
        )
        .await
        .expect(201);
    assert_eq!(
        created.masked(),
        r#"{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"oidc:admins","uid":"UID","resourceVersion":"RESOURCEVERSION","creationTimestamp":"2009-11-10T23:00:00Z"},"subjects":[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"oidc:admins"}],"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}}"#
    );
    assert!(can_list_pods(&server, "oidc:admins"));
    let again = server.post(&uri, &binding).await.expect(409);
    assert_eq!(
        again.text,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"clusterrolebindings.rbac.authorization.k8s.io \\\"oidc:admins\\\" already exists\",\"reason\":\"AlreadyExists\",\"details\":{\"name\":\"oidc:admins\",\"group\":\"rbac.authorization.k8s.io\",\"kind\":\"clusterrolebindings\"},\"code\":409}\n"
    );
    let one = format!("{uri}/oidc:admins");
    let gone = server.delete(&one).await.expect(200);
    assert_eq!(
        gone.masked(),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"oidc:admins","group":"rbac.authorization.k8s.io","kind":"clusterrolebindings","uid":"UID"}}"#
    );
    assert!(!can_list_pods(&server, "oidc:admins"));
    let missing = server.get(&one).await.expect(404);
    assert_eq!(
        missing.text,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"clusterrolebindings.rbac.authorization.k8s.io \\\"oidc:admins\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"oidc:admins\",\"group\":\"rbac.authorization.k8s.io\",\"kind\":\"clusterrolebindings\"},\"code\":404}\n"
    );
}

#[tokio::test]
async fn a_patched_and_a_replaced_binding_change_who_may() {
    let server = server();
    let uri = format!("{RBAC}/clusterrolebindings");
    server
        .post(&uri, &cluster_role_binding("b", "view", "one"))
        .await
        .expect(201);
    let one = format!("{uri}/b");
    let patch = json!({"subjects": [{"kind": "Group", "name": "two", "apiGroup": "rbac.authorization.k8s.io"}]});
    server
        .patch(&one, STRATEGIC_PATCH, &patch)
        .await
        .expect(200);
    assert!(!can_list_pods(&server, "one") && can_list_pods(&server, "two"));
    server
        .put(&one, &cluster_role_binding("b", "view", "three"))
        .await
        .expect(200);
    assert!(!can_list_pods(&server, "two") && can_list_pods(&server, "three"));
    // roleRef is for ever.
    let refused = server
        .put(&one, &cluster_role_binding("b", "edit", "three"))
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#"ClusterRoleBinding.rbac.authorization.k8s.io "b" is invalid: roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"edit"}: field is immutable"#
    );
}

#[tokio::test]
async fn aggregated_roles_follow_the_roles_they_select() {
    let server = server();
    let roles = format!("{RBAC}/clusterroles");
    server
        .post(
            &format!("{RBAC}/clusterrolebindings"),
            &cluster_role_binding("b", "view", "viewers"),
        )
        .await
        .expect(201);
    let view = server
        .get(&format!("{roles}/view"))
        .await
        .expect(200)
        .json();
    let mut watch = server
        .watch(
            &format!(
                "{roles}?watch=1&resourceVersion={}",
                server.get(&roles).await.json()["metadata"]["resourceVersion"]
                    .as_str()
                    .expect("a version")
            ),
            "application/json",
        )
        .await;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "crontabs", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["stable.example.com"], "resources": ["crontabs"], "verbs": ["get"]}]});
    server.post(&roles, &role).await.expect(201);
    let wider = server
        .get(&format!("{roles}/view"))
        .await
        .expect(200)
        .json();
    let rules = |role: &Value| role["rules"].as_array().expect("rules").len();
    assert_eq!(rules(&wider), rules(&view) + 1);
    assert_eq!(
        watch.brief().await,
        ("ADDED".to_owned(), "crontabs".to_owned())
    );
    // view, and through it edit and admin.
    let mut changed = vec![
        watch.brief().await.1,
        watch.brief().await.1,
        watch.brief().await.1,
    ];
    changed.sort();
    assert_eq!(changed, ["admin", "edit", "view"]);
    server
        .delete(&format!("{roles}/crontabs"))
        .await
        .expect(200);
    assert_eq!(
        rules(&server.get(&format!("{roles}/view")).await.json()),
        rules(&view)
    );
}

#[tokio::test]
async fn nobody_grants_what_they_have_not() {
    let mut server = server();
    server.user = User {
        username: "jane".to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..User::default()
    };
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    let refused = server
        .post(&format!("{RBAC}/namespaces/default/roles"), &role)
        .await
        .expect(403);
    assert!(
        refused.message().starts_with("roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"jane\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}"),
        "{}",
        refused.message()
    );
    let binding = cluster_role_binding("b", "cluster-admin", "g");
    let refused = server
        .post(&format!("{RBAC}/clusterrolebindings"), &binding)
        .await
        .expect(403);
    assert!(
        refused
            .message()
            .contains("is attempting to grant RBAC permissions not currently held")
    );
    // Making by PUT takes the verb create besides.
    let mine = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": []});
    let refused = server
        .put(&format!("{RBAC}/namespaces/default/roles/r"), &mine)
        .await
        .expect(403);
    assert_eq!(
        refused.message(),
        r#"roles.rbac.authorization.k8s.io "r" is forbidden: User "jane" cannot create resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "default""#
    );
    server.user = admin();
    server
        .put(&format!("{RBAC}/namespaces/default/roles/r"), &mine)
        .await
        .expect(201);
}

#[tokio::test]
async fn nothing_is_made_in_a_namespace_that_is_missing() {
    let server = server();
    let refused = server
        .post("/api/v1/namespaces/nowhere/configmaps", &config_map("c"))
        .await
        .expect(404);
    assert_eq!(
        refused.text,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"namespaces \\\"nowhere\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"nowhere\",\"kind\":\"namespaces\"},\"code\":404}\n"
    );
}

#[tokio::test]
async fn deleting_a_namespace_takes_everything_in_it() {
    let server = server();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dev"}});
    let created = server
        .post("/api/v1/namespaces", &namespace)
        .await
        .expect(201);
    assert_eq!(
        created.masked(),
        r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"dev","uid":"UID","resourceVersion":"RESOURCEVERSION","creationTimestamp":"2009-11-10T23:00:00Z","labels":{"kubernetes.io/metadata.name":"dev"}},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}"#
    );
    server
        .post("/api/v1/namespaces/dev/configmaps", &config_map("c"))
        .await
        .expect(201);
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
        "subjects": [{"kind": "Group", "name": "g"}], "roleRef": {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"}});
    server
        .post(&format!("{RBAC}/namespaces/dev/rolebindings"), &binding)
        .await
        .expect(201);
    assert!(
        server
            .authorizer
            .policy()
            .binding(Some("dev"), "b")
            .is_some()
    );
    let rv = server.get("/api/v1/namespaces").await.json()["metadata"]["resourceVersion"].clone();
    let mut watch = server
        .watch(
            &format!(
                "/api/v1/namespaces?watch=1&fieldSelector=metadata.name=dev&resourceVersion={}",
                rv.as_str().expect("a version")
            ),
            "",
        )
        .await;
    let going = server
        .delete("/api/v1/namespaces/dev")
        .await
        .expect(200)
        .json();
    assert_eq!(going["status"]["phase"], "Terminating");
    assert_eq!(
        going["metadata"]["deletionTimestamp"],
        "2009-11-10T23:00:00Z"
    );
    server.get("/api/v1/namespaces/dev").await.expect(404);
    assert!(
        server
            .names("/api/v1/namespaces/dev/configmaps")
            .await
            .is_empty()
    );
    assert!(
        server
            .authorizer
            .policy()
            .binding(Some("dev"), "b")
            .is_none()
    );
    assert_eq!(watch.brief().await.0, "MODIFIED");
    assert_eq!(watch.brief().await.0, "DELETED");
    let kept = server
        .delete("/api/v1/namespaces/default")
        .await
        .expect(403);
    assert_eq!(
        kept.message(),
        r#"namespaces "default" is forbidden: this namespace may not be deleted"#
    );
}

#[tokio::test]
async fn a_namespace_waits_for_the_finalizers_in_it() {
    let server = server();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dev"}});
    server
        .post("/api/v1/namespaces", &namespace)
        .await
        .expect(201);
    let mut held = config_map("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    server
        .post("/api/v1/namespaces/dev/configmaps", &held)
        .await
        .expect(201);
    server.delete("/api/v1/namespaces/dev").await.expect(200);
    let waiting = server
        .get("/api/v1/namespaces/dev")
        .await
        .expect(200)
        .json();
    assert_eq!(waiting["status"]["phase"], "Terminating");
    let refused = server
        .post("/api/v1/namespaces/dev/configmaps", &config_map("new"))
        .await
        .expect(403);
    assert_eq!(
        refused.text,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"configmaps \\\"new\\\" is forbidden: unable to create new content in namespace dev because it is being terminated\",\"reason\":\"Forbidden\",\"details\":{\"name\":\"new\",\"kind\":\"configmaps\",\"causes\":[{\"reason\":\"NamespaceTerminating\",\"message\":\"namespace dev is being terminated\",\"field\":\"metadata.namespace\"}]},\"code\":403}\n"
    );
    let one = "/api/v1/namespaces/dev/configmaps/held";
    server
        .patch(one, MERGE_PATCH, &json!({"metadata": {"finalizers": null}}))
        .await
        .expect(200);
    server.get(one).await.expect(404);
    server.get("/api/v1/namespaces/dev").await.expect(404);
}

#[tokio::test]
async fn an_update_of_an_older_version_is_a_conflict() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let first = server.post(uri, &config_map("c")).await.expect(201).json();
    let one = format!("{uri}/c");
    let mut second = first.clone();
    second["data"] = json!({"k": "w"});
    let second = server.put(&one, &second).await.expect(200).json();
    assert_ne!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
    let mut late = first.clone();
    late["data"] = json!({"k": "x"});
    let refused = server.put(&one, &late).await.expect(409);
    assert_eq!(
        refused.message(),
        r#"Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your changes to the latest version and try again"#
    );
    // Without a version it is unconditional, and writing the same is no write.
    let mut same = second.clone();
    same["metadata"]
        .as_object_mut()
        .expect("metadata")
        .shift_remove("resourceVersion");
    let unchanged = server.put(&one, &same).await.expect(200).json();
    assert_eq!(
        unchanged["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
    let mut other = second.clone();
    other["metadata"]["uid"] = "another".into();
    let refused = server.put(&one, &other).await.expect(409);
    assert!(
        refused
            .message()
            .contains("Precondition failed: UID in precondition: another, UID in object meta: "),
        "{}",
        refused.message()
    );
    let refused = server.put(&one, &config_map("d")).await.expect(400);
    assert_eq!(
        refused.message(),
        "the name of the object (d) does not match the name on the URL (c)"
    );
}

/// As a real kube-apiserver v1.37.2 says it.
#[rstest]
#[case("POST", "fieldValidation=x", r#"CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn""#)]
#[case("PUT", "fieldValidation=strict", r#"UpdateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn""#)]
#[case("PATCH", "force=true", r#"PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch"#)]
#[case("POST", "dryRun=All&dryRun=x", r#"CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["All","x"]: supported values: "All""#)]
#[case("POST", "fieldManager=a%01b", r#"CreateOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\x01b": invalid character U+0001 (at position 1)"#)]
#[case("POST", &format!("fieldValidation=x&dryRun=y&fieldManager={}", "a".repeat(129)), r#"CreateOptions.meta.k8s.io "" is invalid: [fieldManager: Too long: may not be more than 128 bytes, dryRun: Unsupported value: ["y"]: supported values: "All", fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"]"#)]
#[case("DELETE", "propagationPolicy=x&dryRun=y", r#"DeleteOptions.meta.k8s.io "" is invalid: [propagationPolicy: Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil", dryRun: Unsupported value: ["y"]: supported values: "All"]"#)]
#[tokio::test]
async fn options_that_cannot_be_are_refused(
    #[case] method: &str,
    #[case] query: &str,
    #[case] message: &str,
) {
    let name = if method == "POST" { "" } else { "/a" };
    let uri = format!("/api/v1/namespaces/default/configmaps{name}?{query}");
    let headers = [("content-type", MERGE_PATCH)];
    let headers = if method == "PATCH" { &headers[..] } else { &[] };
    let body = if method == "DELETE" {
        ""
    } else {
        r#"{"metadata":{"name":"a"}}"#
    };
    let refused = server().ask(method, &uri, headers, body).await;
    assert_eq!(refused.expect(422).message(), message);
}

#[tokio::test]
async fn what_is_being_deleted_is_told_to_be() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let map = json!({"metadata": {"name": "a", "finalizers": ["example.com/x"]}});
    server.post(uri, &map).await.expect(201);
    server.delete(&format!("{uri}/a")).await.expect(200);
    assert_eq!(
        server.post(uri, &map).await.expect(409).message(),
        "object is being deleted: configmaps \"a\" already exists"
    );
}

#[tokio::test]
async fn a_dry_run_leaves_nothing_behind() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let dry = server
        .post(&format!("{uri}?dryRun=All"), &config_map("c"))
        .await
        .expect(201)
        .json();
    assert!(!dry["metadata"]["uid"].is_null());
    server.get(&format!("{uri}/c")).await.expect(404);
    server.post(uri, &config_map("c")).await.expect(201);
    server
        .patch(
            &format!("{uri}/c?dryRun=All"),
            MERGE_PATCH,
            &json!({"data": {"k": "w"}}),
        )
        .await
        .expect(200);
    server
        .delete(&format!("{uri}/c?dryRun=All"))
        .await
        .expect(200);
    assert_eq!(
        server.get(&format!("{uri}/c")).await.expect(200).json()["data"]["k"],
        "v"
    );
    let refused = server
        .post(&format!("{uri}?dryRun=Some"), &config_map("d"))
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#"CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All""#
    );
}

#[tokio::test]
async fn a_list_in_pages_is_of_one_moment() {
    let server = server();
    let uri = "/api/v1/namespaces/default/secrets";
    for name in ["a", "b", "c", "d", "e"] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        server.post(uri, &secret).await.expect(201);
    }
    let first = server
        .get(&format!("{uri}?limit=2"))
        .await
        .expect(200)
        .json();
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    server.delete(&format!("{uri}/d")).await.expect(200);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let rest = server
        .get(&format!("{uri}?limit=3&continue={token}"))
        .await
        .expect(200)
        .json();
    let names: Vec<&str> = rest["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|o| o["metadata"]["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["c", "d", "e"]);
    assert_eq!(
        rest["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert!(rest["metadata"]["continue"].is_null());
    assert!(
        rest["items"][0]["kind"].is_null(),
        "items of a list have no kind of their own"
    );
    let refused = server
        .get(&format!("{uri}?continue=nonsense!"))
        .await
        .expect(400);
    assert_eq!(
        refused.message(),
        "invalid continue token: continue key is not valid: illegal base64 data at input byte 8"
    );
    // More changes than are kept.
    for n in 0..4200 {
        let patch = json!({"data": {"n": format!("{n}")}});
        server
            .patch(
                "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
                MERGE_PATCH,
                &patch,
            )
            .await
            .expect(200);
    }
    let refused = server
        .get(&format!("{uri}?limit=3&continue={token}"))
        .await
        .expect(410);
    assert_eq!(refused.json()["reason"], "Expired");
    let mut watch = server
        .watch(&format!("{uri}?watch=1&resourceVersion=300"), "")
        .await;
    let event = watch.next().await.expect("an event");
    assert_eq!(event["type"], "ERROR");
    assert_eq!(event["object"]["code"], 410);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_version_from_the_future_is_a_timeout() {
    let server = server();
    for uri in [
        "/api/v1/pods?resourceVersion=99999",
        "/api/v1/namespaces/default?resourceVersion=99999",
    ] {
        let refused = server.get(uri).await.expect(504);
        assert!(
            refused
                .message()
                .starts_with("Timeout: Too large resource version: 99999, current: "),
            "{}",
            refused.message()
        );
        assert_eq!(refused.headers["retry-after"], "1");
    }
}

/// A watch waits for it, unless it is to begin with what is there.
#[tokio::test]
async fn a_watch_from_the_future_is_silent_until_then() {
    let server = server();
    let uri = "/api/v1/configmaps?watch=1&resourceVersion=99999";
    let initial =
        "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = server.watch(&format!("{uri}{initial}"), "").await;
    let error = watch.next().await.expect("an event");
    assert_eq!(error["object"]["reason"], "Timeout");
    assert_eq!(watch.0.frame().await.map(|_| ()), None);
    let now = server.get("/api/v1/configmaps").await.json();
    let now = now["metadata"]["resourceVersion"]
        .as_str()
        .map(str::parse::<u64>);
    let next = now.expect("a version").expect("a number") + 1;
    let uri = format!("/api/v1/configmaps?watch=1&resourceVersion={next}");
    let mut watch = server.watch(&uri, "").await;
    let maps = "/api/v1/namespaces/default/configmaps";
    for name in ["a", "b"] {
        let map = json!({"metadata": {"name": name}});
        server.post(maps, &map).await.expect(201);
    }
    assert_eq!(watch.brief().await, ("ADDED".to_owned(), "b".to_owned()));
}

/// As a real kube-apiserver v1.37.2 says it, which has no reason for some.
#[rstest]
#[case("/api/v1/pods?resourceVersion=zz", 400, "invalid resource version: ")]
#[case("/api/v1/namespaces/default?resourceVersion=zz", 500, "")]
#[case("/api/v1/pods?watch=1&resourceVersion=zz", 500, "")]
#[tokio::test]
async fn a_version_that_is_no_number_is_refused(
    #[case] uri: &str,
    #[case] code: u16,
    #[case] before: &str,
) {
    let refused = server().get(uri).await.expect(code);
    assert_eq!(
        refused.message(),
        format!(
            r#"{before}resourceVersion: Invalid value: "zz": strconv.ParseUint: parsing "zz": invalid syntax"#
        )
    );
    let reason = &refused.json()["reason"];
    assert_eq!(reason.is_null(), code == 500, "{reason}");
}

#[rstest]
#[case("labelSelector=app%3Dweb", &["a"])]
#[case("labelSelector=app", &["a", "b"])]
#[case("labelSelector=app!%3Dweb", &["b", "c", "kube-root-ca.crt"])]
#[case("fieldSelector=metadata.name%3Db", &["b"])]
#[case("labelSelector=app&fieldSelector=metadata.name!%3Db", &["a"])]
#[tokio::test]
async fn lists_are_narrowed_down(#[case] query: &str, #[case] expected: &[&str]) {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    for (name, app) in [("a", Some("web")), ("b", Some("db")), ("c", None)] {
        let mut object = config_map(name);
        if let Some(app) = app {
            object["metadata"]["labels"] = json!({"app": app});
        }
        server.post(uri, &object).await.expect(201);
    }
    assert_eq!(server.names(&format!("{uri}?{query}")).await, expected);
}

#[tokio::test]
async fn an_unknown_field_is_refused_warned_of_or_ignored_as_asked() {
    let server = server();
    let uri = "/apis/apps/v1/namespaces/default/deployments";
    let mut wrong = deployment("d");
    wrong["spec"]["replica"] = 1.into();
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always".into();
    let refused = server
        .post(&format!("{uri}?fieldValidation=Strict"), &wrong)
        .await
        .expect(400);
    assert_eq!(
        refused.message(),
        r#"Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.template.spec.containers[0].imagePullPolice", unknown field "spec.replica""#
    );
    let warned = server
        .post(&format!("{uri}?dryRun=All"), &wrong)
        .await
        .expect(201);
    let warnings: Vec<&str> = warned
        .headers
        .get_all("warning")
        .iter()
        .map(|v| v.to_str().expect("text"))
        .collect();
    assert_eq!(
        warnings,
        [
            r#"299 - "unknown field \"spec.template.spec.containers[0].imagePullPolice\"""#,
            r#"299 - "unknown field \"spec.replica\"""#
        ]
    );
    let ignored = server
        .post(&format!("{uri}?fieldValidation=Ignore"), &wrong)
        .await
        .expect(201);
    assert!(ignored.headers.get("warning").is_none());
    assert!(ignored.json()["spec"]["replica"].is_null());
    // A patch too.
    let patch = json!({"spec": {"paussed": true}});
    let refused = server
        .patch(
            &format!("{uri}/d?fieldValidation=Strict"),
            STRATEGIC_PATCH,
            &patch,
        )
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#" "" is invalid: patch: Invalid value: "map[spec:map[paussed:true]]": strict decoding error: unknown field "spec.paussed""#
    );
    server
        .patch(
            &format!("{uri}/d?fieldValidation=Ignore"),
            STRATEGIC_PATCH,
            &patch,
        )
        .await
        .expect(200);
    let stray = json!([{"op": "test", "path": "/kind", "value": "Deployment", "reason": "x"}]);
    let refused = server
        .patch(
            &format!("{uri}/d?fieldValidation=Strict"),
            JSON_PATCH,
            &stray,
        )
        .await
        .expect(422);
    assert!(
        refused
            .message()
            .ends_with("strict decoding error: json patch unknown field \"[0].reason\""),
        "{}",
        refused.message()
    );
    let twice = r#"{"metadata":{"labels":{"a":"b"}},"metadata":{}}"#;
    let refused = server
        .ask(
            "PATCH",
            &format!("{uri}/d?fieldValidation=Strict"),
            &[("content-type", STRATEGIC_PATCH)],
            twice,
        )
        .await
        .expect(422);
    assert!(
        refused
            .message()
            .ends_with("strict decoding error: duplicate field \"metadata\""),
        "{}",
        refused.message()
    );
    let duplicate = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"},"data":{"a":"2"}}"#;
    let refused = server
        .ask(
            "POST",
            "/api/v1/namespaces/default/configmaps?fieldValidation=Strict",
            &[],
            duplicate,
        )
        .await
        .expect(400);
    assert_eq!(
        refused.message(),
        r#"ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data""#
    );
}

#[tokio::test]
async fn a_wrong_type_is_told_in_gos_words() {
    let server = server();
    let uri = "/apis/apps/v1/namespaces/default/deployments";
    let mut wrong = deployment("d");
    wrong["spec"]["replicas"] = "3".into();
    let refused = server.post(uri, &wrong).await.expect(400);
    assert_eq!(
        refused.message(),
        r#"Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"#
    );
    server.post(uri, &deployment("d")).await.expect(201);
    let refused = server
        .patch(
            &format!("{uri}/d"),
            STRATEGIC_PATCH,
            &json!({"spec": {"replicas": "3"}}),
        )
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#" "" is invalid: patch: Invalid value: "map[spec:map[replicas:3]]": unrecognized type: int32"#
    );
}

#[tokio::test]
async fn each_patch_format_is_applied_and_another_is_415() {
    let server = server();
    let uri = "/apis/apps/v1/namespaces/default/deployments";
    let created = server.post(uri, &deployment("d")).await.expect(201).json();
    assert_eq!(created["metadata"]["generation"], 1);
    let one = format!("{uri}/d");
    let patched = server
        .patch(
            &one,
            JSON_PATCH,
            &json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            &patched["spec"]["replicas"],
            &patched["metadata"]["generation"]
        ),
        (&json!(2), &json!(2))
    );
    let patched = server
        .patch(
            &one,
            MERGE_PATCH,
            &json!({"metadata": {"labels": {"x": "y"}}}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(patched["metadata"]["labels"], json!({"app": "d", "x": "y"}));
    assert_eq!(patched["metadata"]["generation"], 2);
    let patch = json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "new"}, {"name": "c"}], "containers": [{"name": "new", "image": "busybox:1"}]}}}});
    let patched = server
        .patch(&one, STRATEGIC_PATCH, &patch)
        .await
        .expect(200)
        .json();
    let containers = &patched["spec"]["template"]["spec"]["containers"];
    assert_eq!(
        (&containers[0]["name"], &containers[1]["name"]),
        (&json!("new"), &json!("c"))
    );
    assert_eq!(containers[0]["imagePullPolicy"], "IfNotPresent");
    let refused = server
        .patch(&one, "application/apply-patch+yaml", &json!({}))
        .await
        .expect(415);
    assert_eq!(
        refused.message(),
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
    );
    let refused = server
        .patch(
            &one,
            JSON_PATCH,
            &json!([{"op": "remove", "path": "/nothing/here"}]),
        )
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        "the server rejected our request due to an error in our request"
    );
    let stale = json!({"metadata": {"resourceVersion": "1"}});
    server.patch(&one, MERGE_PATCH, &stale).await.expect(409);
    server
        .patch(&format!("{uri}/missing"), MERGE_PATCH, &json!({}))
        .await
        .expect(404);
    let renamed = server
        .patch(&one, MERGE_PATCH, &json!({"metadata": {"name": "e"}}))
        .await
        .expect(400);
    assert_eq!(
        renamed.message(),
        "the name of the object (e) does not match the name on the URL (d)"
    );
}

/// JSON and merge patches leave a text that says what it is; a strategic one
/// patches the type of its path.
#[rstest]
#[case(json!({"kind": "ConfigMap"}), "converting (v1.ConfigMap) to (core.Pod): unknown conversion")]
#[case(json!({"kind": "Deployment", "apiVersion": "apps/v1"}), "converting (v1.Deployment) to (core.Pod): unknown conversion")]
#[case(json!({"kind": "Pot"}), r#"no kind "Pot" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30""#)]
#[case(json!({"apiVersion": "v2"}), r#"no kind "Pod" is registered for version "v2" in scheme "pkg/api/legacyscheme/scheme.go:30""#)]
#[case(json!({"apiVersion": "a/b/c"}), "unexpected GroupVersion string: a/b/c")]
#[case(json!({"apiVersion": 1}), "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .apiVersion of type string")]
#[case(json!({"apiVersion": null}), r#"strict decoding error: unknown field "metadata", unknown field "spec", unknown field "status""#)]
#[tokio::test]
async fn a_patch_cannot_say_that_an_object_is_of_another_kind(
    #[case] patch: Value,
    #[case] why: &str,
) {
    let server = server();
    let uri = "/api/v1/namespaces/default/pods";
    let before = server.post(uri, &pod("p")).await.expect(201).text;
    let one = format!("{uri}/p");
    let strict = format!("{one}?fieldValidation=Strict");
    let operations: Vec<Value> = patch
        .as_object()
        .expect("an object")
        .iter()
        .map(|(key, value)| match value {
            Value::Null => json!({"op": "remove", "path": format!("/{key}")}),
            value => json!({"op": "replace", "path": format!("/{key}"), "value": value}),
        })
        .collect();
    for (format, patch) in [(MERGE_PATCH, &patch), (JSON_PATCH, &operations.into())] {
        let refused = server.patch(&strict, format, patch).await.expect(422);
        let message = refused.message();
        assert!(
            message.starts_with(r#" "" is invalid: patch: Invalid value: "{\""#),
            "{message}"
        );
        assert!(message.ends_with(&format!("}}\": {why}")), "{message}");
    }
    assert_eq!(server.get(&one).await.text, before);
}

#[tokio::test]
async fn an_object_keeps_its_kind_where_a_patch_is_taken() {
    let server = server();
    let uri = "/api/v1/namespaces/default/pods";
    server.post(uri, &pod("p")).await.expect(201);
    let one = format!("{uri}/p");
    for (format, patch) in [
        (
            STRATEGIC_PATCH,
            json!({"kind": "ConfigMap", "apiVersion": "v9"}),
        ),
        (MERGE_PATCH, json!({"kind": null})),
        (MERGE_PATCH, json!({"kind": ""})),
    ] {
        let patched = server.patch(&one, format, &patch).await.expect(200).json();
        assert_eq!(
            (&patched["kind"], &patched["apiVersion"]),
            (&json!("Pod"), &json!("v1"))
        );
    }
    // Without a version nothing of the object is read, its name included.
    let refused = server
        .patch(&one, MERGE_PATCH, &json!({"apiVersion": null}))
        .await
        .expect(400);
    assert_eq!(
        refused.message(),
        "the name of the object (p based on URL) was undeterminable: name must be provided"
    );
}

/// What a role may hold is checked by its path.
#[tokio::test]
async fn a_role_does_not_escape_its_rules_by_calling_itself_something_else() {
    let mut server = server();
    let roles = format!("{RBAC}/namespaces/default/roles");
    let role = json!({"metadata": {"name": "r"}, "rules": []});
    server.post(&roles, &role).await.expect(201);
    server.user = User {
        username: "jane".to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..User::default()
    };
    for kind in ["Role", "RoleBinding", "ConfigMap"] {
        let patch = json!({"kind": kind, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
        let one = format!("{roles}/r");
        server
            .patch(&one, STRATEGIC_PATCH, &patch)
            .await
            .expect(403);
        let merged = server.patch(&one, MERGE_PATCH, &patch).await;
        assert_eq!(merged.code, if kind == "Role" { 403 } else { 422 });
    }
}

/// 3 MiB of copies are what `JSONPatchMaxCopyBytes` allows.
#[tokio::test]
async fn a_patch_copies_only_so_much() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let mut map = config_map("c");
    map["data"] = json!({"k": "v".repeat(100 * 1024)});
    server.post(uri, &map).await.expect(201);
    let copies = |count: usize| -> Value {
        (0..count)
            .map(|_| json!({"op": "copy", "from": "/data/k", "path": "/data/l"}))
            .collect()
    };
    let one = format!("{uri}/c");
    server
        .patch(&one, JSON_PATCH, &copies(30))
        .await
        .expect(200);
    let refused = server
        .patch(&one, JSON_PATCH, &copies(31))
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        "the server rejected our request due to an error in our request"
    );
    // Each doubles what is there.
    let bomb: Value = (0..100)
        .map(|n| json!({"op": "copy", "from": "/data", "path": format!("/data/x{n}")}))
        .collect();
    server.patch(&one, JSON_PATCH, &bomb).await.expect(422);
}

#[tokio::test]
async fn an_invalid_name_is_told_field_by_field() {
    let server = server();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "Dev"}});
    let refused = server
        .post("/api/v1/namespaces", &namespace)
        .await
        .expect(422);
    assert_eq!(
        refused.text,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Namespace \\\"Dev\\\" is invalid: metadata.name: Invalid value: \\\"Dev\\\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\",\"reason\":\"Invalid\",\"details\":{\"name\":\"Dev\",\"kind\":\"Namespace\",\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\"Dev\\\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\",\"field\":\"metadata.name\"}]},\"code\":422}\n"
    );
}

#[rstest]
#[case("/apis/apps/v1/namespaces/default/deployments", json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}), r#"Deployment.apps "d" is invalid: spec.template.metadata.labels: Invalid value: {"a":"c"}: `selector` does not match template `labels`"#)]
#[case("/api/v1/namespaces/default/pods", json!({"metadata": {"name": "p"}, "spec": {"containers": []}}), r#"Pod "p" is invalid: spec.containers: Required value"#)]
#[case("/api/v1/namespaces/default/pods", json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}, {"name": "c", "image": "i"}]}}), r#"Pod "p" is invalid: [spec.containers[0].image: Required value, spec.containers[1].name: Duplicate value: "c"]"#)]
#[case("/api/v1/namespaces/default/services", json!({"metadata": {"name": "s"}, "spec": {}}), r#"Service "s" is invalid: spec.ports: Required value"#)]
#[case("/api/v1/namespaces/default/services", json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 70000}]}}), r#"Service "s" is invalid: [spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive]"#)]
#[case("/api/v1/namespaces/default/secrets", json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}}), r#"Secret "s" is invalid: data[tls.key]: Required value"#)]
#[case("/api/v1/namespaces/default/configmaps", json!({"metadata": {"name": "c"}, "data": {"a b": "1"}}), r#"ConfigMap "c" is invalid: data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"#)]
#[case("/api/v1/namespaces/default/services", json!({"metadata": {"name": "s"}, "spec": {"clusterIP": "abc", "ports": [{"port": 80}]}}), r#"Service "s" is invalid: spec.clusterIPs[0]: Invalid value: "abc": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#)]
#[case("/api/v1/nodes", json!({"metadata": {"name": "n"}, "spec": {"podCIDR": "x"}}), r#"Node "n" is invalid: spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#)]
#[case("/api/v1/nodes", json!({"metadata": {"name": "n"}, "spec": {"podCIDRs": ["10.0.0.0/24", "10.1.0.0/24"]}}), r#"Node "n" is invalid: spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one CIDR for each IP family"#)]
#[case("/api/v1/nodes", json!({"metadata": {"name": "n"}, "spec": {"taints": [{"key": "a", "effect": "Bad"}, {"key": "z", "effect": "NoSchedule"}, {"key": "z", "effect": "NoSchedule"}]}}), r#"Node "n" is invalid: [metadata.taints[0].effect: Unsupported value: "Bad": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute", metadata.taints[2]: Duplicate value: {"Key":"z","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair]"#)]
#[case(
    "/api/v1/namespaces/default/configmaps",
    Value::Null,
    r#"ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required"#
)]
#[case("/api/v1/namespaces/default/configmaps", json!({"metadata": {}}), r#"ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required"#)]
#[tokio::test]
async fn an_invalid_object_is_refused(
    #[case] uri: &str,
    #[case] object: Value,
    #[case] message: &str,
) {
    let refused = server().post(uri, &object).await.expect(422);
    assert_eq!(refused.message(), message);
}

#[tokio::test]
async fn what_cannot_change_does_not() {
    let server = server();
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "1"}});
    let created = server.post(secrets, &secret).await.expect(201).json();
    assert_eq!(
        (&created["type"], &created["data"]),
        (&json!("Opaque"), &json!({"a": "MQ=="}))
    );
    let refused = server
        .patch(
            &format!("{secrets}/s"),
            MERGE_PATCH,
            &json!({"type": "other"}),
        )
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#"Secret "s" is invalid: type: Invalid value: "other": field is immutable"#
    );
    let maps = "/api/v1/namespaces/default/configmaps";
    let mut sealed = config_map("c");
    sealed["immutable"] = true.into();
    server.post(maps, &sealed).await.expect(201);
    let refused = server
        .patch(
            &format!("{maps}/c"),
            MERGE_PATCH,
            &json!({"data": {"k": "w"}}),
        )
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#"ConfigMap "c" is invalid: data: Forbidden: field is immutable when `immutable` is set"#
    );
    server
        .post(
            "/apis/apps/v1/namespaces/default/deployments",
            &deployment("d"),
        )
        .await
        .expect(201);
    let other = json!({"spec": {"selector": {"matchLabels": {"app": "e"}}, "template": {"metadata": {"labels": {"app": "e"}}}}});
    let refused = server
        .patch(
            "/apis/apps/v1/namespaces/default/deployments/d",
            MERGE_PATCH,
            &other,
        )
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#"Deployment.apps "d" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"e"}}: field is immutable"#
    );
    server
        .post("/api/v1/namespaces/default/pods", &pod("p"))
        .await
        .expect(201);
    let refused = server
        .patch(
            "/api/v1/namespaces/default/pods/p",
            MERGE_PATCH,
            &json!({"spec": {"nodeName": "n"}}),
        )
        .await
        .expect(422);
    assert!(
        refused.message().starts_with(
            r#"Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than "#
        ),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn services_get_addresses_and_ports() {
    let server = server();
    let uri = "/api/v1/namespaces/default/services";
    let service = |name: &str, spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
    let one = server
        .post(uri, &service("one", json!({"ports": [{"port": 80}]})))
        .await
        .expect(201)
        .json();
    let two = server
        .post(
            uri,
            &service("two", json!({"type": "NodePort", "ports": [{"port": 80}]})),
        )
        .await
        .expect(201)
        .json();
    assert_ne!(one["spec"]["clusterIP"], two["spec"]["clusterIP"]);
    assert_eq!(one["spec"]["clusterIPs"], json!([one["spec"]["clusterIP"]]));
    assert_eq!(two["spec"]["ports"][0]["nodePort"], 30000);
    let name = server
        .post(
            uri,
            &service(
                "name",
                json!({"type": "ExternalName", "externalName": "example.com"}),
            ),
        )
        .await
        .expect(201)
        .json();
    assert!(name["spec"]["clusterIP"].is_null());
    let headless = server
        .post(uri, &service("headless", json!({"clusterIP": "None"})))
        .await
        .expect(201)
        .json();
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    // PUT without the address keeps it.
    let kept = server
        .put(
            &format!("{uri}/one"),
            &service("one", json!({"ports": [{"port": 81}]})),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(kept["spec"]["clusterIP"], one["spec"]["clusterIP"]);
    let taken = server
        .post(
            uri,
            &service(
                "taken",
                json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30000}]}),
            ),
        )
        .await
        .expect(422);
    assert_eq!(
        taken.message(),
        r#"Service "taken" is invalid: spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated"#
    );
}

#[tokio::test]
async fn pods_get_an_account_a_token_and_tolerations() {
    let server = server();
    let created = server
        .post("/api/v1/namespaces/default/pods", &pod("p"))
        .await
        .expect(201)
        .json();
    let spec = &created["spec"];
    assert_eq!(spec["serviceAccountName"], "default");
    assert_eq!(
        spec["containers"][0]["volumeMounts"][0]["name"],
        spec["volumes"][0]["name"]
    );
    assert_eq!(spec["tolerations"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        created["status"],
        json!({"phase": "Pending", "qosClass": "BestEffort"})
    );
    let mut stranger = pod("q");
    stranger["spec"]["serviceAccountName"] = "nobody".into();
    let refused = server
        .post("/api/v1/namespaces/default/pods", &stranger)
        .await
        .expect(403);
    assert_eq!(
        refused.message(),
        r#"pods "q" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found"#
    );
    // The last one standing is put back.
    server
        .delete("/api/v1/namespaces/default/serviceaccounts/default")
        .await
        .expect(200);
    server
        .get("/api/v1/namespaces/default/serviceaccounts/default")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_deployment_is_scaled_by_its_subresource() {
    let server = server();
    let uri = "/apis/apps/v1/namespaces/default/deployments";
    server.post(uri, &deployment("d")).await.expect(201);
    let scale = server.get(&format!("{uri}/d/scale")).await.expect(200);
    assert_eq!(
        scale.masked(),
        r#"{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"d","namespace":"default","uid":"UID","resourceVersion":"RESOURCEVERSION","creationTimestamp":"2009-11-10T23:00:00Z"},"spec":{"replicas":1},"status":{"replicas":0,"selector":"app=d"}}"#
    );
    server
        .patch(
            &format!("{uri}/d/scale"),
            MERGE_PATCH,
            &json!({"spec": {"replicas": 5}}),
        )
        .await
        .expect(200);
    assert_eq!(
        server.get(&format!("{uri}/d")).await.json()["spec"]["replicas"],
        5
    );
    let mut replaced = scale.json();
    replaced["spec"]["replicas"] = 2.into();
    server
        .put(&format!("{uri}/d/scale"), &replaced)
        .await
        .expect(409);
    replaced["metadata"]["resourceVersion"] = "".into();
    server
        .put(&format!("{uri}/d/scale"), &replaced)
        .await
        .expect(200);
    assert_eq!(
        server.get(&format!("{uri}/d")).await.json()["spec"]["replicas"],
        2
    );
}

#[rstest]
#[case("", json!({"spec": {"replicas": 3_000_000_000_u32}}), 400, r#"Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal number 3000000000 into Go struct field ScaleSpec.spec.replicas of type int32"#)]
#[case("", json!({"spec": {"replicas": "3"}}), 400, r#"Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32"#)]
#[case("?fieldValidation=Strict", json!({"spec": {"replicas": 1, "x": 1}, "y": 2}), 400, r#"Scale in version "v1" cannot be handled as a Scale: strict decoding error: unknown field "spec.x", unknown field "y""#)]
#[case("", json!({"spec": {"replicas": -1}}), 422, r#"Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#)]
#[case("", json!({"metadata": {"name": "e"}}), 400, "the name of the object (e) does not match the name on the URL (d)")]
#[case("", json!({"metadata": {"name": "d", "namespace": "other"}}), 400, "the namespace of the provided object does not match the namespace sent on the request")]
#[case("", json!({"metadata": {"name": "d", "uid": "u"}}), 409, r#"Operation cannot be fulfilled on deployments/scale.apps "d": Precondition failed: UID in precondition: u, UID in object meta: UID"#)]
#[case("", json!({"kind": "Deployment", "apiVersion": "apps/v1"}), 400, r#"Deployment in version "v1" cannot be handled as a Scale: converting (v1.Deployment) to (autoscaling.Scale): unknown conversion"#)]
#[tokio::test]
async fn a_scale_is_read_as_strictly_as_any_object(
    #[case] query: &str,
    #[case] fields: Value,
    #[case] code: u16,
    #[case] message: &str,
) {
    let server = server();
    let uri = "/apis/apps/v1/namespaces/default/deployments";
    let made = server.post(uri, &deployment("d")).await.expect(201).json();
    let mut scale = json!({"metadata": {"name": "d"}});
    for (key, value) in fields.as_object().expect("an object") {
        scale[key] = value.clone();
    }
    let refused = server
        .put(&format!("{uri}/d/scale{query}"), &scale)
        .await
        .expect(code);
    let uid = made["metadata"]["uid"].as_str().expect("a UID");
    assert_eq!(refused.message().replace(uid, "UID"), message);
    assert_eq!(server.get(&format!("{uri}/d")).await.json(), made);
}

#[tokio::test]
async fn a_patched_scale_is_read_as_strictly() {
    let server = server();
    let uri = "/apis/apps/v1/namespaces/default/deployments";
    server.post(uri, &deployment("d")).await.expect(201);
    let strict = format!("{uri}/d/scale?fieldValidation=Strict");
    for (patch, why) in [
        (
            json!({"spec": {"replicas": 3_000_000_000_u32}}),
            "json: cannot unmarshal number 3000000000 into Go struct field ScaleSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"replica": 3}}),
            r#"strict decoding error: unknown field "spec.replica""#,
        ),
        (
            json!({"kind": "Deployment", "apiVersion": "apps/v1"}),
            "converting (v1.Deployment) to (autoscaling.Scale): unknown conversion",
        ),
    ] {
        let refused = server.patch(&strict, MERGE_PATCH, &patch).await.expect(422);
        assert!(refused.message().ends_with(why), "{}", refused.message());
    }
    let warned = server
        .patch(
            &format!("{uri}/d/scale"),
            STRATEGIC_PATCH,
            &json!({"spec": {"replicas": 4, "replica": 3}}),
        )
        .await
        .expect(200);
    assert_eq!(warned.json()["spec"], json!({"replicas": 4}));
    assert_eq!(
        warned.headers["warning"],
        r#"299 - "unknown field \"spec.replica\"""#
    );
}

#[tokio::test]
async fn the_status_is_written_by_its_subresource_alone() {
    let server = server();
    let uri = "/api/v1/namespaces/default/pods";
    let created = server.post(uri, &pod("p")).await.expect(201).json();
    let mut changed = created.clone();
    changed["status"]["phase"] = "Running".into();
    changed["metadata"]["labels"] = json!({"a": "b"});
    let updated = server
        .put(&format!("{uri}/p"), &changed)
        .await
        .expect(200)
        .json();
    assert_eq!(updated["status"]["phase"], "Pending");
    assert_eq!(updated["metadata"]["labels"]["a"], "b");
    let patched = server
        .patch(
            &format!("{uri}/p/status"),
            MERGE_PATCH,
            &json!({"status": {"phase": "Running"}, "spec": {"nodeName": "n"}}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(patched["status"]["phase"], "Running");
    assert!(patched["spec"]["nodeName"].is_null());
}

#[tokio::test]
async fn preconditions_guard_a_deletion() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let created = server.post(uri, &config_map("c")).await.expect(201).json();
    let options =
        json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "another"}});
    let refused = server
        .ask("DELETE", &format!("{uri}/c"), &[], &options.to_string())
        .await
        .expect(409);
    assert_eq!(
        refused.message(),
        format!(
            "Operation cannot be fulfilled on ConfigMap \"c\": the UID in the precondition (another) does not match the UID in record ({}). The object might have been deleted and then recreated",
            created["metadata"]["uid"].as_str().expect("a uid")
        )
    );
    let options = json!({"kind": "DeleteOptions", "apiVersion": "apps/v1", "propagationPolicy": "Background", "preconditions": {"uid": created["metadata"]["uid"]}});
    server
        .ask("DELETE", &format!("{uri}/c"), &[], &options.to_string())
        .await
        .expect(200);
    for name in ["x", "y"] {
        let mut object = config_map(name);
        object["metadata"]["labels"] = json!({"app": "z"});
        server.post(uri, &object).await.expect(201);
    }
    let gone = server
        .delete(&format!("{uri}?labelSelector=app%3Dz"))
        .await
        .expect(200)
        .json();
    assert_eq!(gone["kind"], "ConfigMapList");
    assert_eq!(gone["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.names(uri).await, ["kube-root-ca.crt"]);
}

#[tokio::test]
async fn a_name_is_generated_from_its_beginning() {
    let server = server();
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "web-"}});
    let created = server
        .post("/api/v1/namespaces/default/configmaps", &object)
        .await
        .expect(201)
        .json();
    let name = created["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
}

#[tokio::test]
async fn a_watch_tells_what_happens_to_what_it_selects() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let mut first = config_map("first");
    first["metadata"]["labels"] = json!({"app": "web"});
    server.post(uri, &first).await.expect(201);
    let mut watch = server
        .watch(
            &format!("{uri}?watch=true&labelSelector=app%3Dweb"),
            "application/json",
        )
        .await;
    assert_eq!(
        watch.brief().await,
        ("ADDED".to_owned(), "first".to_owned())
    );
    server.post(uri, &config_map("second")).await.expect(201);
    server
        .patch(
            &format!("{uri}/second"),
            MERGE_PATCH,
            &json!({"metadata": {"labels": {"app": "web"}}}),
        )
        .await
        .expect(200);
    assert_eq!(
        watch.brief().await,
        ("ADDED".to_owned(), "second".to_owned())
    );
    server
        .patch(
            &format!("{uri}/second"),
            MERGE_PATCH,
            &json!({"data": {"x": "y"}}),
        )
        .await
        .expect(200);
    assert_eq!(
        watch.brief().await,
        ("MODIFIED".to_owned(), "second".to_owned())
    );
    let crossed = server
        .patch(
            &format!("{uri}/second"),
            MERGE_PATCH,
            &json!({"metadata": {"labels": null}}),
        )
        .await
        .expect(200)
        .json();
    let event = watch.next().await.expect("an event");
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["metadata"]["labels"]["app"], "web");
    assert_eq!(
        event["object"]["metadata"]["resourceVersion"],
        crossed["metadata"]["resourceVersion"]
    );
    server.delete(&format!("{uri}/first")).await.expect(200);
    assert_eq!(
        watch.brief().await,
        ("DELETED".to_owned(), "first".to_owned())
    );
}

#[tokio::test]
async fn a_watch_goes_on_from_a_list() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let list = server.get(uri).await.expect(200).json();
    let rv = list["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version")
        .to_owned();
    server.post(uri, &config_map("c")).await.expect(201);
    let other = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    server
        .post("/api/v1/namespaces/default/secrets", &other)
        .await
        .expect(201);
    let mut watch = server
        .watch(&format!("{uri}?watch=true&resourceVersion={rv}"), "")
        .await;
    let event = watch.next().await.expect("an event");
    assert_eq!(event["type"], "ADDED");
    assert_eq!(event["object"]["kind"], "ConfigMap");
    assert_eq!(event["object"]["metadata"]["name"], "c");
}

#[tokio::test]
async fn a_watch_ends_on_the_clock_with_a_bookmark_before() {
    let server = server();
    let uri = "/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=90&allowWatchBookmarks=true";
    let mut watch = server.watch(uri, "").await;
    server
        .clock
        .advance(Duration::from_secs(60))
        .expect("movable");
    let bookmark = watch.next().await.expect("a bookmark");
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["kind"], "Pod");
    assert!(bookmark["object"]["metadata"]["annotations"].is_null());
    server
        .clock
        .advance(Duration::from_secs(28))
        .expect("movable");
    assert_eq!(watch.next().await.expect("a bookmark")["type"], "BOOKMARK");
    server
        .clock
        .advance(Duration::from_secs(2))
        .expect("movable");
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_streaming_list_ends_its_objects_with_a_bookmark() {
    let server = server();
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = server
        .watch(&format!("/api/v1/namespaces?{query}"), "")
        .await;
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        assert_eq!(watch.brief().await, ("ADDED".to_owned(), name.to_owned()));
    }
    let end = watch.next().await.expect("a bookmark");
    assert_eq!(end["type"], "BOOKMARK");
    assert_eq!(
        end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    let refused = server
        .get("/api/v1/namespaces?watch=1&sendInitialEvents=true")
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"#
    );
}

#[tokio::test]
async fn a_watch_of_tables_brings_its_columns_once() {
    let server = server();
    let mut watch = server.watch("/api/v1/namespaces?watch=1", TABLE).await;
    let first = watch.next().await.expect("an event");
    assert_eq!(first["object"]["kind"], "Table");
    assert_eq!(
        first["object"]["rows"][0]["cells"],
        json!(["default", "Active", "0s"])
    );
    assert!(first["object"]["columnDefinitions"].is_array());
    let second = watch.next().await.expect("an event");
    assert!(second["object"]["columnDefinitions"].is_null());
}

#[tokio::test]
async fn tables_have_kubernetes_columns() {
    let server = server();
    server
        .post("/api/v1/namespaces/default/pods", &pod("p"))
        .await
        .expect(201);
    server
        .post(
            "/apis/apps/v1/namespaces/default/deployments",
            &deployment("d"),
        )
        .await
        .expect(201);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.37.2"}, "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}});
    server.post("/api/v1/nodes", &node).await.expect(201);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "MQ=="}});
    server
        .post("/api/v1/namespaces/default/secrets", &secret)
        .await
        .expect(201);
    server
        .post(
            &format!("{RBAC}/clusterrolebindings"),
            &cluster_role_binding("a", "view", "g"),
        )
        .await
        .expect(201);
    server
        .clock
        .advance(Duration::from_secs(300))
        .expect("movable");
    let row = |table: &Value, at: usize| table["rows"][at]["cells"].clone();
    let columns = |table: &Value| -> Vec<String> {
        table["columnDefinitions"]
            .as_array()
            .expect("columns")
            .iter()
            .map(|c| format!("{}:{}", c["name"].as_str().expect("a name"), c["priority"]))
            .collect()
    };
    let pods = server.table("/api/v1/namespaces/default/pods").await;
    assert_eq!(
        row(&pods, 0),
        json!([
            "p", "0/1", "Pending", "0", "5m", "<none>", "<none>", "<none>", "<none>"
        ])
    );
    assert_eq!(
        columns(&pods),
        [
            "Name:0",
            "Ready:0",
            "Status:0",
            "Restarts:0",
            "Age:0",
            "IP:1",
            "Node:1",
            "Nominated Node:1",
            "Readiness Gates:1"
        ]
    );
    assert_eq!(pods["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let deployments = server
        .table("/apis/apps/v1/namespaces/default/deployments")
        .await;
    assert_eq!(
        row(&deployments, 0),
        json!(["d", "0/1", 0, 0, "5m", "c", "nginx", "app=d"])
    );
    let nodes = server.table("/api/v1/nodes").await;
    assert_eq!(
        row(&nodes, 0),
        json!([
            "n",
            "Ready",
            "control-plane",
            "5m",
            "v1.37.2",
            "10.0.0.1",
            "<none>",
            "<unknown>",
            "<unknown>",
            "<unknown>"
        ])
    );
    let services = server.table("/api/v1/namespaces/default/services").await;
    assert_eq!(
        row(&services, 0),
        json!([
            "kubernetes",
            "ClusterIP",
            "10.100.0.1",
            "<none>",
            "443/TCP",
            "5m",
            "<none>"
        ])
    );
    let secrets = server.table("/api/v1/namespaces/default/secrets").await;
    assert_eq!(row(&secrets, 0), json!(["s", "Opaque", 1, "5m"]));
    let accounts = server
        .table("/api/v1/namespaces/default/serviceaccounts")
        .await;
    assert_eq!(row(&accounts, 0), json!(["default", "5m"]));
    let maps = server.table("/api/v1/namespaces/default/configmaps").await;
    assert_eq!(row(&maps, 0), json!(["kube-root-ca.crt", 1, "5m"]));
    let bindings = server.table(&format!("{RBAC}/clusterrolebindings")).await;
    assert_eq!(
        row(&bindings, 0),
        json!(["a", "ClusterRole/view", "5m", "", "g", ""])
    );
    let roles = server.table(&format!("{RBAC}/clusterroles")).await;
    assert_eq!(row(&roles, 0), json!(["admin", "2009-11-10T23:00:00Z"]));
    assert_eq!(columns(&roles), ["Name:0", "Created At:0"]);
    let one = server
        .table("/api/v1/namespaces/default/pods/p?includeObject=Object")
        .await;
    assert_eq!(one["rows"][0]["object"]["kind"], "Pod");
    let none = server
        .table("/api/v1/namespaces/default/pods?includeObject=None")
        .await;
    assert!(none["rows"][0]["object"].is_null());
    let metadata = server
        .ask(
            "GET",
            "/api/v1/namespaces",
            &[(
                "accept",
                "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
            )],
            "",
        )
        .await
        .expect(200)
        .json();
    assert_eq!(metadata["kind"], "PartialObjectMetadataList");
    assert!(metadata["items"][0]["spec"].is_null());
    let events = server
        .table("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp")
        .await;
    assert_eq!(events["rows"], json!([]));
}

#[tokio::test]
async fn a_scale_has_columns_of_its_own() {
    let server = server();
    let uri = "/apis/apps/v1/namespaces/default/deployments";
    server.post(uri, &deployment("d")).await.expect(201);
    let table = server.table(&format!("{uri}/d/scale")).await;
    let names: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();
    assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
    assert_eq!(table["rows"][0]["cells"], json!(["d", 1, 0, "0s"]));
    let whole = server
        .table(&format!("{uri}/d/scale?includeObject=Object"))
        .await;
    assert_eq!(whole["rows"][0]["object"]["kind"], "Scale");
}

#[tokio::test]
async fn a_list_does_not_send_initial_events() {
    let server = server();
    for query in [
        "sendInitialEvents=true",
        "sendInitialEvents=false&resourceVersion=1&resourceVersionMatch=NotOlderThan",
    ] {
        let refused = server
            .get(&format!("/api/v1/pods?{query}"))
            .await
            .expect(422);
        assert_eq!(
            refused.message(),
            r#"ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"#
        );
    }
}

#[tokio::test]
async fn paths_and_verbs_that_a_kind_has_not_are_refused() {
    let server = server();
    for (method, uri, code) in [
        ("GET", "/api/v1/widgets", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/namespaces/default/pods/p/logs", 404),
        ("GET", "/apis/apps/v9/deployments", 404),
        ("GET", "/apis/apps/v9", 404),
        ("POST", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("POST", "/api/v1/namespaces/default/pods/p", 405),
        ("DELETE", "/api/v1/namespaces/default/pods/p/status", 405),
        ("DELETE", "/api/v1/componentstatuses/etcd", 405),
        ("GET", "/api/v1/namespaces/default/bindings", 405),
        ("OPTIONS", "/api/v1/namespaces", 405),
        ("POST", "/api", 405),
        ("POST", "/apis/apps/v1", 405),
    ] {
        let reply = server.ask(method, uri, &[], "{}").await;
        assert_eq!(
            (method, uri, reply.code),
            (method, uri, code),
            "{}",
            reply.text
        );
        assert_eq!(reply.json()["kind"], "Status");
    }
    let nobody = server.get("/apis/example.com/v1/widgets").await.expect(404);
    assert_eq!(nobody.text, "404 page not found\n");
    let nobody = server.get("/nothing").await.expect(404);
    assert_eq!(nobody.text, "404 page not found\n");
}

#[tokio::test]
async fn yaml_and_protobuf_bodies_are_read() {
    let server = server();
    let yaml = "apiVersion: v1\nkind: Namespace\nmetadata: {name: yaml}\n";
    server
        .ask(
            "POST",
            "/api/v1/namespaces",
            &[("content-type", "application/yaml")],
            yaml,
        )
        .await
        .expect(201);
    let namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "proto"}});
    let bytes = crate::wire::protobuf::encode(&namespace).expect("known");
    let request = Request::post("/api/v1/namespaces")
        .header("content-type", "application/vnd.kubernetes.protobuf")
        .body(Body::from(bytes))
        .expect("a request");
    assert_eq!(server.send(request).await.status(), 201);
    server.get("/api/v1/namespaces/proto").await.expect(200);
}
