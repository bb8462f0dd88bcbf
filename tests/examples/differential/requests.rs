//! What is asked of both servers: drawn from a seed, over few names, so that
//! requests meet what earlier ones left.

use std::fmt;

use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The administrator's client certificate.
    Admin,
    /// The bearer of a person's ID token.
    Person(&'static str),
    /// Nobody.
    Anonymous,
    /// The bearer of something else.
    Junk(&'static str),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub who: Who,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

/// In one line, as one would tell somebody.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} as {:?}", self.method, self.target, self.who)?;
        for (name, value) in &self.headers {
            write!(f, ", {name}: {value}")?;
        }
        match &self.body {
            Some(body) => write!(f, ", {}", String::from_utf8_lossy(body)),
            None => Ok(()),
        }
    }
}

impl Request {
    fn new(who: Who, method: &str, target: impl Into<String>) -> Self {
        Self {
            who,
            method: method.to_owned(),
            target: target.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self.with("content-type", "application/json")
    }

    /// Whether it is answered line by line.
    pub fn watches(&self) -> bool {
        self.target.contains("watch=true") || self.target.contains("/watch/")
    }

    /// Whether it deletes something that waits for what depends on it.
    pub fn leaves_to_the_garbage_collector(&self) -> bool {
        self.method == "DELETE" && self.target.contains("propagationPolicy=Foreground")
    }

    /// Whether it changes what is allowed.
    pub fn writes_rbac(&self) -> bool {
        self.method != "GET" && self.target.contains("/apis/rbac.authorization.k8s.io/")
    }
}

/// The people, and the groups that their tokens have.
pub const PEOPLE: [(&str, &str); 3] = [
    ("ada@example.com", "admins"),
    ("bob@example.com", "developers"),
    ("eve@example.com", "nobody"),
];

/// What both clusters begin with, beside Kubernetes' own roles.
pub fn setup() -> Vec<Request> {
    let rbac = |kind: &str, name: &str, more: Value| {
        let mut object = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": name},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            object[key] = value.clone();
        }
        object
    };
    let reference = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let group = |name: &str| json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}]);
    let all = "/apis/rbac.authorization.k8s.io/v1";
    let create = |path: String, object: Value| Request::new(Who::Admin, "POST", path).json(&object);
    vec![
        create(
            "/api/v1/namespaces".to_owned(),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
        ),
        create(
            format!("{all}/clusterrolebindings"),
            rbac(
                "ClusterRoleBinding",
                "admins",
                json!({"roleRef": reference("ClusterRole", "cluster-admin"), "subjects": group("oidc:admins")}),
            ),
        ),
        create(
            format!("{all}/namespaces/shop/rolebindings"),
            rbac(
                "RoleBinding",
                "developers",
                json!({"roleRef": reference("ClusterRole", "edit"), "subjects": group("oidc:developers")}),
            ),
        ),
        create(
            format!("{all}/namespaces/default/roles"),
            rbac(
                "Role",
                "one-map",
                json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get", "update", "patch", "delete", "list", "watch"]}]}),
            ),
        ),
        create(
            format!("{all}/namespaces/default/rolebindings"),
            rbac(
                "RoleBinding",
                "one-map",
                json!({"roleRef": reference("Role", "one-map"), "subjects": group("oidc:developers")}),
            ),
        ),
        create(
            format!("{all}/clusterroles"),
            rbac(
                "ClusterRole",
                "impersonates",
                json!({"rules": [
            {"apiGroups": [""], "resources": ["users"], "resourceNames": ["jane", "system:serviceaccount:shop:default"], "verbs": ["impersonate"]},
            {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["oidc:admins", "staff"], "verbs": ["impersonate"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"], "resourceNames": ["view"], "verbs": ["impersonate"]},
            {"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]}]}),
            ),
        ),
        create(
            format!("{all}/clusterrolebindings"),
            rbac(
                "ClusterRoleBinding",
                "impersonates",
                json!({"roleRef": reference("ClusterRole", "impersonates"), "subjects": group("oidc:developers")}),
            ),
        ),
    ]
}

/// May a developer do it, and what does it answer to somebody who may nothing:
/// for every resource and subresource that Kubernetes serves, and every verb.
pub fn survey() -> Vec<Request> {
    let mut requests = Vec::new();
    for (group, version, resource, namespaced) in served() {
        let (name, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
        let namespace = if namespaced { "shop" } else { "" };
        for verb in &VERBS[..9] {
            let attributes = json!({
                "verb": verb, "group": group, "version": version, "resource": name,
                "subresource": subresource, "namespace": namespace,
            });
            requests.push(post(
                Who::Person("bob@example.com"),
                format!("{AUTHORIZATION}/selfsubjectaccessreviews"),
                &json!({
                    "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": attributes},
                }),
            ));
        }
        let base = match group.as_str() {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        let within = if namespaced { "/namespaces/shop" } else { "" };
        let all = format!("{base}{within}/{name}");
        let one = match subresource {
            "" => format!("{all}/a"),
            subresource => format!("{all}/a/{subresource}"),
        };
        for (method, target) in [
            ("GET", &all),
            ("GET", &one),
            ("POST", if subresource.is_empty() { &all } else { &one }),
            ("PUT", &one),
            ("PATCH", &one),
            ("DELETE", &one),
            ("DELETE", &all),
        ] {
            requests.push(Request::new(Who::Person("eve@example.com"), method, target));
        }
    }
    requests
}

/// Group, version, resource (with a subresource behind a slash), and whether it
/// is in a namespace, of all that Kubernetes serves.
fn served() -> Vec<(String, String, String, bool)> {
    const DISCOVERY: &str = include_str!("../../../mock-apiserver/data/v1.37/resources.json");
    let discovery: Value = serde_json::from_str(DISCOVERY).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for group in list(&discovery["items"]) {
        for version in list(&group["versions"]) {
            for resource in list(&version["resources"]) {
                let name = text(&resource["resource"]);
                let namespaced = resource["scope"] == "Namespaced";
                let place = (text(&group["metadata"]["name"]), text(&version["version"]));
                let subresources = list(&resource["subresources"]).into_iter();
                let names = subresources.map(|sub| format!("{name}/{}", text(&sub["subresource"])));
                for name in std::iter::once(name.clone()).chain(names) {
                    all.push((place.0.clone(), place.1.clone(), name, namespaced));
                }
            }
        }
    }
    all
}

/// `count` requests out of `seed`.
pub fn draw(seed: u64, count: usize) -> Vec<Request> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| one(&mut rng)).collect()
}

fn one(rng: &mut ChaCha8Rng) -> Request {
    match rng.random_range(0..100) {
        0..30 => review(rng),
        30..50 => read(rng),
        50..75 => write(rng),
        75..87 => path(rng),
        _ => impersonated(rng),
    }
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, all: &[T]) -> T {
    *all.choose(rng).expect("something to choose from")
}

fn chance(rng: &mut ChaCha8Rng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

fn who(rng: &mut ChaCha8Rng) -> Who {
    match rng.random_range(0..20) {
        0..6 => Who::Admin,
        6..16 => Who::Person(pick(rng, &PEOPLE).0),
        16..18 => Who::Anonymous,
        _ => Who::Junk(pick(rng, &["junk", "a.b.c", "e30.e30.", " ", "Zm9v"])),
    }
}

// ---- reviews ----

const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "*",
    "bind",
    "escalate",
    "impersonate",
    "use",
    "approve",
    "",
    "GET",
    "put",
];
const RESOURCES: &[(&str, &str)] = &[
    ("", "pods"),
    ("", "configmaps"),
    ("", "secrets"),
    ("", "nodes"),
    ("", "namespaces"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("apps", "deployments"),
    ("batch", "jobs"),
    ("networking.k8s.io", "ingresses"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("stable.example.com", "crontabs"),
    ("", "*"),
    ("*", "*"),
    ("", "users"),
    ("", "groups"),
    ("authentication.k8s.io", "userextras"),
    ("", "bindings"),
    ("policy", "poddisruptionbudgets"),
];
const NAMESPACES: &[&str] = &["", "default", "shop", "kube-system", "nowhere"];
const NAMES: &[&str] = &["", "", "a", "b", "c"];
const PATHS: &[&str] = &[
    "/",
    "/api",
    "/apis/apps",
    "/healthz",
    "/metrics",
    "/logs/x",
    "/logs",
    "*",
    "/version",
    "x",
];

fn review(rng: &mut ChaCha8Rng) -> Request {
    let who = who(rng);
    match rng.random_range(0..12) {
        0..4 => post(
            who,
            format!("{AUTHORIZATION}/selfsubjectaccessreviews"),
            &subject(rng, "SelfSubjectAccessReview", false),
        ),
        4..7 => post(
            who,
            format!("{AUTHORIZATION}/subjectaccessreviews"),
            &subject(rng, "SubjectAccessReview", true),
        ),
        7 => {
            let namespace = pick(rng, &["default", "shop"]);
            let mut body = subject(rng, "LocalSubjectAccessReview", true);
            if chance(rng, 70) && body["spec"]["resourceAttributes"].is_object() {
                body["spec"]["resourceAttributes"]["namespace"] = json!(namespace);
            }
            if chance(rng, 50) {
                body["metadata"] = json!({"namespace": namespace});
            }
            post(
                who,
                format!("{AUTHORIZATION}/namespaces/{namespace}/localsubjectaccessreviews"),
                &body,
            )
        }
        8 => post(
            who,
            format!("{AUTHORIZATION}/selfsubjectrulesreviews"),
            &json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": pick(rng, NAMESPACES)}}),
        ),
        9 => post(
            who,
            "/apis/authentication.k8s.io/v1/tokenreviews".to_owned(),
            &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": pick(rng, &["", "junk", "a.b.c", "x y"])}}),
        ),
        _ => post(
            who,
            "/apis/authentication.k8s.io/v1/selfsubjectreviews".to_owned(),
            &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}),
        ),
    }
}

fn post(who: Who, target: String, body: &Value) -> Request {
    Request::new(who, "POST", target).json(body)
}

/// An access review, sound or not.
fn subject(rng: &mut ChaCha8Rng, kind: &str, names_somebody: bool) -> Value {
    let mut spec = json!({});
    if chance(rng, 80) {
        let (group, resource) = pick(rng, RESOURCES);
        let mut attributes = json!({"verb": pick(rng, VERBS), "resource": resource});
        for (key, value) in [
            ("group", group),
            ("namespace", pick(rng, NAMESPACES)),
            ("name", pick(rng, NAMES)),
            (
                "subresource",
                pick(rng, &["", "", "", "status", "log", "exec", "scale", "*"]),
            ),
            ("version", pick(rng, &["", "", "v1", "*", "v1beta1"])),
        ] {
            if !value.is_empty() {
                attributes[key] = json!(value);
            }
        }
        if chance(rng, 10) {
            attributes["labelSelector"] = selector(rng);
        }
        if chance(rng, 10) {
            attributes["fieldSelector"] = selector(rng);
        }
        spec["resourceAttributes"] = attributes;
    }
    if spec["resourceAttributes"].is_null() && chance(rng, 90) || chance(rng, 4) {
        spec["nonResourceAttributes"] = json!({"verb": pick(rng, VERBS), "path": pick(rng, PATHS)});
    }
    if names_somebody {
        if chance(rng, 90) {
            spec["user"] = json!(pick(
                rng,
                &[
                    "jane",
                    "ada@example.com",
                    "system:anonymous",
                    "system:serviceaccount:shop:default",
                    ""
                ]
            ));
        }
        if chance(rng, 60) {
            spec["groups"] = json!([pick(
                rng,
                &[
                    "oidc:admins",
                    "oidc:developers",
                    "system:authenticated",
                    "system:masters",
                    "staff"
                ]
            )]);
        }
        if chance(rng, 10) {
            spec["extra"] = json!({"scopes": ["view"]});
            spec["uid"] = json!("7");
        }
    }
    let mut body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec});
    match rng.random_range(0..40) {
        0 => body["metadata"] = json!({"name": "x"}),
        1 => body["spec"]["unknown"] = json!(1),
        2 => body["spec"] = json!("no object"),
        3 => body["kind"] = json!("ConfigMap"),
        4 => body["apiVersion"] = json!("authorization.k8s.io/v1beta1"),
        _ => {}
    }
    body
}

fn selector(rng: &mut ChaCha8Rng) -> Value {
    match rng.random_range(0..4) {
        0 => json!({"rawSelector": pick(rng, &["a=b", "a in (b", "", "metadata.name=a", "!"])}),
        1 => {
            json!({"requirements": [{"key": "a", "operator": pick(rng, &["In", "NotIn", "Exists", "Nope", ""]), "values": ["b"]}]})
        }
        2 => json!({}),
        _ => json!({"requirements": []}),
    }
}

// ---- objects ----

/// Path of a collection, kind and apiVersion of what is in it.
const NAMESPACED: &[(&str, &str, &str)] = &[
    ("/api/v1", "configmaps", "ConfigMap"),
    ("/api/v1", "secrets", "Secret"),
    ("/api/v1", "serviceaccounts", "ServiceAccount"),
    ("/apis/rbac.authorization.k8s.io/v1", "roles", "Role"),
    (
        "/apis/rbac.authorization.k8s.io/v1",
        "rolebindings",
        "RoleBinding",
    ),
];
const CLUSTER: &[(&str, &str, &str)] = &[
    (
        "/apis/rbac.authorization.k8s.io/v1",
        "clusterroles",
        "ClusterRole",
    ),
    (
        "/apis/rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
    ),
];

struct Place {
    collection: String,
    kind: &'static str,
    version: String,
    namespace: Option<&'static str>,
}

fn place(rng: &mut ChaCha8Rng) -> Place {
    let version = |base: &str| {
        base.trim_start_matches("/apis/")
            .trim_start_matches("/api/")
            .to_owned()
    };
    if chance(rng, 75) {
        let (base, resource, kind) = pick(rng, NAMESPACED);
        let namespace = pick(rng, &["default", "default", "shop", "shop", "nowhere"]);
        Place {
            collection: format!("{base}/namespaces/{namespace}/{resource}"),
            kind,
            version: version(base),
            namespace: Some(namespace),
        }
    } else {
        let (base, resource, kind) = pick(rng, CLUSTER);
        Place {
            collection: format!("{base}/{resource}"),
            kind,
            version: version(base),
            namespace: None,
        }
    }
}

fn name(rng: &mut ChaCha8Rng) -> &'static str {
    pick(rng, &["a", "b", "c", "d"])
}

/// What lists and watches are asked with, some of it wrong. What cannot be decoded
/// also decides whether a name is required, and so who may.
const OPTIONS: &[&str] = &[
    "limit=500",
    "limit=-1",
    "limit=x",
    "limit=",
    "limit=%2B5",
    "limit=99999999999999999999",
    "labelSelector=a%3Db",
    "labelSelector=a+in+(b",
    "labelSelector=!a",
    "labelSelector=!!",
    "fieldSelector=metadata.name%3Da",
    "fieldSelector=metadata.name%3Da",
    "fieldSelector=metadata.name==a",
    "fieldSelector=metadata.name!=a",
    "fieldSelector=metadata.name=b,metadata.name=a",
    "fieldSelector=metadata.name=a,x",
    "fieldSelector=metadata.name=a=b",
    "fieldSelector=metadata.name=a%5Cb",
    "fieldSelector=metadata.name=a%5C",
    "fieldSelector=metadata.name=a;",
    "fieldSelector=metadata.name=a%zz",
    "fieldSelector=spec.x%3Da",
    "resourceVersion=0",
    "resourceVersion=x",
    "resourceVersion=999999999",
    "resourceVersionMatch=Exact",
    "continue=x",
    "pretty=true",
    "timeoutSeconds=x",
    "timeoutSeconds=",
    "allowWatchBookmarks=x",
    "allowWatchBookmarks=true",
    "sendInitialEvents=true",
    "watch=0",
    "unknown=1",
];

/// None to three of them.
fn options(rng: &mut ChaCha8Rng) -> String {
    let count = rng.random_range(0..=3);
    let options: Vec<&str> = (0..count).map(|_| pick(rng, OPTIONS)).collect();
    options.join("&")
}

fn read(rng: &mut ChaCha8Rng) -> Request {
    let place = place(rng);
    let who = who(rng);
    let target = if chance(rng, 50) {
        format!("{}/{}", place.collection, name(rng))
    } else {
        let options = options(rng);
        let query = if options.is_empty() { "" } else { "?" };
        let query = format!("{query}{options}");
        format!("{}{query}", place.collection)
    };
    if chance(rng, 5) {
        return watch(rng, who, &place);
    }
    let request = Request::new(who, if chance(rng, 5) { "HEAD" } else { "GET" }, target);
    match rng.random_range(0..12) {
        0 => request.with(
            "accept",
            "application/json;as=Table;v=v1;g=meta.k8s.io, application/json",
        ),
        1 => request.with(
            "accept",
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        ),
        2 => request.with("accept", "application/yaml"),
        3 => request.with("accept", "text/html"),
        4 => request.with("accept", "*/*"),
        _ => request.with("accept", "application/json"),
    }
}

/// A watch that is soon over, in both its forms.
fn watch(rng: &mut ChaCha8Rng, who: Who, place: &Place) -> Request {
    let timeout = "timeoutSeconds=1";
    let target = if chance(rng, 50) {
        format!("{}?watch=true&{timeout}", place.collection)
    } else {
        let base = if place.version == "v1" {
            "/api/v1"
        } else {
            "/apis/rbac.authorization.k8s.io/v1"
        };
        let rest = place.collection.trim_start_matches(base);
        format!("{base}/watch{rest}?{timeout}")
    };
    let options = options(rng);
    let more = if options.is_empty() { "" } else { "&" };
    let more = format!("{more}{options}");
    Request::new(who, "GET", format!("{target}{more}")).with("accept", "application/json")
}

fn object(rng: &mut ChaCha8Rng, place: &Place, name: &str) -> Value {
    let mut object = json!({
        "apiVersion": place.version, "kind": place.kind, "metadata": {"name": name},
    });
    if chance(rng, 30) {
        object["metadata"]["labels"] = json!({"a": pick(rng, &["b", "c"])});
    }
    if chance(rng, 5) {
        object["metadata"]["annotations"] = json!({"note": "x"});
    }
    if chance(rng, 3)
        && let Some(namespace) = place.namespace
    {
        object["metadata"]["namespace"] = json!(pick(rng, &[namespace, "other"]));
    }
    let rules = |rng: &mut ChaCha8Rng| {
        json!([{
            "apiGroups": [pick(rng, &["", "apps", "*"])],
            "resources": [pick(rng, &["pods", "configmaps", "secrets", "*"])],
            "verbs": [pick(rng, &["get", "list", "*", "delete"])],
        }])
    };
    match place.kind {
        "ConfigMap" => object["data"] = json!({pick(rng, &["k", "l", "not ok"]): "v"}),
        "Secret" => object["stringData"] = json!({"k": "v"}),
        "Role" | "ClusterRole" => object["rules"] = rules(rng),
        "RoleBinding" | "ClusterRoleBinding" => {
            object["roleRef"] = json!({
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": pick(rng, &["ClusterRole", "ClusterRole", "Role"]),
                "name": pick(rng, &["view", "edit", "a", "cluster-admin"]),
            });
            object["subjects"] = json!([{
                "apiGroup": "rbac.authorization.k8s.io", "kind": pick(rng, &["User", "Group"]),
                "name": pick(rng, &["jane", "staff", "eve@example.com"]),
            }]);
        }
        _ => {}
    }
    match rng.random_range(0..30) {
        0 => object["metadata"]["name"] = json!(pick(rng, &["", "Not_OK", "a/b", "-"])),
        1 => object["unknown"] = json!(true),
        2 => object["kind"] = json!("Nonsense"),
        3 => object["apiVersion"] = json!("v9"),
        4 => object["metadata"]["labels"] = json!({"-bad-": "x"}),
        5 => object["metadata"]["generateName"] = json!("g-"),
        6 => object["metadata"]["resourceVersion"] = json!("1"),
        7 => object["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000"),
        8 => object["rules"] = json!([{"verbs": []}]),
        9 => object["metadata"]["finalizers"] = json!(["no-slash"]),
        _ => {}
    }
    object
}

fn write(rng: &mut ChaCha8Rng) -> Request {
    let place = place(rng);
    // Mostly who may, so that there is something to read.
    let who = if chance(rng, 60) {
        Who::Admin
    } else {
        who(rng)
    };
    let query = pick(
        rng,
        &[
            "",
            "",
            "",
            "",
            "?dryRun=All",
            "?fieldValidation=Strict",
            "?fieldValidation=Warn",
            "?fieldValidation=Ignore",
            "?dryRun=Some",
            "?fieldValidation=x",
            "?fieldManager=me",
        ],
    );
    let name = name(rng);
    let item = format!("{}/{name}", place.collection);
    match rng.random_range(0..10) {
        0..4 => post(
            who,
            format!("{}{query}", place.collection),
            &object(rng, &place, name),
        ),
        4..6 => Request::new(who, "PUT", format!("{item}{query}")).json(&object(rng, &place, name)),
        6..8 => {
            let (kind, body) = patch(rng);
            let mut request =
                Request::new(who, "PATCH", format!("{item}{query}")).with("content-type", kind);
            request.body = Some(body.into_bytes());
            request
        }
        8 => {
            let mut request = Request::new(
                who,
                "DELETE",
                format!(
                    "{item}{}",
                    pick(
                        rng,
                        &[
                            "",
                            "?dryRun=All",
                            "?propagationPolicy=Foreground",
                            "?propagationPolicy=x",
                            "?gracePeriodSeconds=0"
                        ]
                    )
                ),
            );
            if chance(rng, 30) {
                request = request.json(&pick_value(
                    rng,
                    &[
                        json!({"apiVersion": "v1", "kind": "DeleteOptions"}),
                        json!({"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}),
                        json!({"preconditions": {"resourceVersion": "1"}}),
                        json!({"kind": "ConfigMap", "apiVersion": "v1"}),
                    ],
                ));
            }
            request
        }
        _ => Request::new(
            who,
            "DELETE",
            format!("{}?labelSelector=a%3Db", place.collection),
        ),
    }
}

fn pick_value(rng: &mut ChaCha8Rng, all: &[Value]) -> Value {
    all.choose(rng).cloned().unwrap_or_default()
}

fn patch(rng: &mut ChaCha8Rng) -> (&'static str, String) {
    let merge = pick_value(
        rng,
        &[
            json!({"metadata": {"labels": {"a": "b"}}}),
            json!({"metadata": {"labels": {"a": null}}}),
            json!({"metadata": {"labels": {"-bad-": "x"}}}),
            json!({"metadata": {"name": "other"}}),
            json!({"metadata": {"resourceVersion": "1"}}),
            json!({"unknown": 1}),
            json!({"roleRef": {"name": "admin"}}),
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
            json!({"subjects": []}),
            json!({}),
            json!([]),
        ],
    );
    match rng.random_range(0..10) {
        0..3 => ("application/merge-patch+json", merge.to_string()),
        3..6 => ("application/strategic-merge-patch+json", merge.to_string()),
        6..8 => (
            "application/json-patch+json",
            pick_value(
                rng,
                &[
                    json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "c"}}]),
                    json!([{"op": "remove", "path": "/metadata/labels"}]),
                    json!([{"op": "test", "path": "/metadata/name", "value": "zzz"}]),
                    json!([{"op": "replace", "path": "/kind", "value": "x"}]),
                    json!([{"op": "nope", "path": "/a"}]),
                    json!({"op": "add"}),
                ],
            )
            .to_string(),
        ),
        8 => ("application/json", merge.to_string()),
        _ => ("application/merge-patch+json", "{not json".to_owned()),
    }
}

// ---- paths ----

fn path(rng: &mut ChaCha8Rng) -> Request {
    let target = pick(
        rng,
        &[
            "/",
            "/api",
            "/api/",
            "/api/v1",
            "/apis",
            "/apis/",
            "/version",
            "/version/",
            "/healthz",
            "/healthz/",
            "/livez",
            "/readyz",
            "/healthz/ping",
            "/livez/ping",
            "/nothing",
            "/api/v2",
            "/apis/nothing.example.com",
            "/apis/apps",
            "/apis/apps/v1",
            "/apis/apps/v9",
            "/api/v1/nothing",
            "/api/v1/namespaces/shop/nothing",
            "/api/v1/namespaces/shop/configmaps/a/status",
            "/api/v1/namespaces/shop/configmaps/a/b/c/d",
            "/api//v1",
            "/api/v1/namespaces/%2e%2e/configmaps",
            "/api/v1/namespaces/sh%6fp/configmaps/a",
            "/apis/rbac.authorization.k8s.io/v1",
            "/apis/batch/v1/namespaces/shop/jobs/x/status",
            "/logs/",
            "/logs/x",
            "/metrics/nothing",
            "/openapi",
            "/openapi/v9",
            "/.well-known/nothing",
            "/API/V1",
            "/api/v1/watch/namespaces/nowhere/nothing",
            "/apis/authorization.k8s.io/v1",
        ],
    );
    let method = pick(
        rng,
        &[
            "GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH",
        ],
    );
    let request = Request::new(who(rng), method, target);
    match rng.random_range(0..8) {
        0 => request.with(
            "accept",
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        ),
        1 => request.with("accept", "text/plain"),
        2 => request.with("authorization", "Basic YTpi"),
        _ => request.with("accept", "application/json"),
    }
}

// ---- impersonation ----

fn impersonated(rng: &mut ChaCha8Rng) -> Request {
    let mut request = match rng.random_range(0..3) {
        0 => post(
            Who::Admin,
            "/apis/authentication.k8s.io/v1/selfsubjectreviews".to_owned(),
            &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}),
        ),
        1 => post(
            Who::Admin,
            format!("{AUTHORIZATION}/selfsubjectaccessreviews"),
            &subject(rng, "SelfSubjectAccessReview", false),
        ),
        _ => read(rng),
    };
    request.who = match rng.random_range(0..10) {
        0..4 => Who::Admin,
        4..9 => Who::Person(pick(rng, &PEOPLE).0),
        _ => Who::Anonymous,
    };
    if chance(rng, 92) {
        let user = pick(
            rng,
            &[
                "jane",
                "jane",
                "eve@example.com",
                "system:serviceaccount:shop:default",
                "system:serviceaccount:shop:",
                "system:anonymous",
                "system:node:n1",
                "",
                "a b",
            ],
        );
        request = request.with("impersonate-user", user);
    }
    for _ in 0..rng.random_range(0..3) {
        request = request.with(
            "impersonate-group",
            pick(
                rng,
                &[
                    "oidc:admins",
                    "staff",
                    "system:masters",
                    "system:authenticated",
                    "system:unauthenticated",
                    "",
                ],
            ),
        );
    }
    if chance(rng, 15) {
        request = request.with("impersonate-uid", pick(rng, &["7", ""]));
    }
    if chance(rng, 20) {
        let header = pick(
            rng,
            &[
                "impersonate-extra-scopes",
                "impersonate-extra-Acme.com%2fproject",
                "impersonate-extra-",
                "impersonate-extra-a%zz",
            ],
        );
        request = request.with(header, pick(rng, &["view", "edit"]));
    }
    request
}
