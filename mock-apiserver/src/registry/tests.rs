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

mod access;
mod bodies;
mod kinds;
mod lifecycle;
mod lists;
mod refusals;
mod served;
mod tables;

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
    server_of(Version::default())
}

fn server_of(minor: Version) -> Server {
    let clock = Clock::fixed(start());
    let policy = kube_rbac::bootstrap::policy(minor);
    let authorizer = Authorizer::new(minor, policy);
    Server {
        registry: Registry::new(clock.clone(), authorizer.clone(), "the CA".to_owned()),
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
