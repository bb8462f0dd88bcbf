//! `rolecall up` as kube-rs finds it: typed objects, patches, watches,
//! discovery, reviews and errors, and a person who signed in at the provider.

#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for other processes by the machine's clock"
)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, PropagationPolicy,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{GroupVersionKind, Selector, Status};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Config, Error, ResourceExt};
use serde_json::{Value, json};

/// A running `rolecall up` in a folder of its own; gone when dropped.
struct Rolecall {
    child: Child,
    folder: tempfile::TempDir,
    ready: Value,
}

impl Rolecall {
    async fn start() -> Self {
        let program = std::env::var_os("ROLECALL_BIN").map_or_else(
            || {
                PathBuf::from(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/../../target/release/rolecall"
                ))
            },
            PathBuf::from,
        );
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("rolecall");
        let mut child = Command::new(&program)
            .arg("up")
            .arg("--dir")
            .arg(&dir)
            .args(["--association-delay", "0s"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("up.log")).expect("a log"))
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; build it with `cargo build --release`, or set ROLECALL_BIN",
                    program.display()
                )
            });
        let deadline = Instant::now() + Duration::from_secs(30);
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(dir.join("ready.json")) {
                break text;
            }
            if let Some(status) = child.try_wait().expect("a child") {
                panic!("rolecall up ended with {status}");
            }
            assert!(Instant::now() < deadline, "not ready after 30 s");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Self {
            child,
            folder,
            ready: serde_json::from_str(&text).expect("ready.json"),
        }
    }

    /// The administrator's configuration, out of their kubeconfig.
    async fn config(&self) -> Config {
        let path = self.folder.path().join("rolecall/admin.kubeconfig");
        let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig");
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("a configuration")
    }

    async fn client(&self) -> Client {
        Client::try_from(self.config().await).expect("a client")
    }

    /// The administrator in the part of somebody else.
    async fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        let mut config = self.config().await;
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups =
            Some(groups.iter().map(|&group| group.to_owned()).collect());
        Client::try_from(config).expect("a client")
    }

    /// The bearer of a token and nobody else.
    async fn bearer(&self, token: &str) -> Client {
        let mut config = self.config().await;
        config.auth_info.client_certificate_data = None;
        config.auth_info.client_key_data = None;
        config.auth_info.token = Some(token.to_owned().into());
        Client::try_from(config).expect("a client")
    }

    /// A call to the front door, where Cognito and EKS are.
    async fn aws(&self, path: &str, target: Option<&str>, body: &Value) -> Value {
        let origin = self.ready["origin"].as_str().expect("an origin");
        let ca = self.folder.path().join("rolecall/ca.crt");
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "aws",
            "clusters": [{"name": "aws", "cluster": {"server": origin, "certificate-authority": ca}}],
            "users": [{"name": "aws", "user": {}}],
            "contexts": [{"name": "aws", "context": {"cluster": "aws", "user": "aws"}}],
        });
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig.to_string()).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("a configuration");
        let key = self.ready["accessKeyId"].as_str().expect("a key");
        let mut request = http::Request::post(path).header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={key}/20261123/eu-west-2/cognito-idp/aws4_request, SignedHeaders=host, Signature=00"),
        );
        if let Some(operation) = target {
            request = request
                .header("content-type", "application/x-amz-json-1.1")
                .header(
                    "x-amz-target",
                    format!("AWSCognitoIdentityProviderService.{operation}"),
                );
        } else {
            request = request.header("content-type", "application/json");
        }
        let request = request
            .body(body.to_string().into_bytes())
            .expect("a request");
        let text = Client::try_from(config)
            .expect("a client")
            .request_text(request)
            .await
            .unwrap_or_else(|error| panic!("{path} {target:?}: {error}"));
        serde_json::from_str(&text).unwrap_or_default()
    }
}

impl Drop for Rolecall {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = std::fs::read_to_string(self.folder.path().join("up.log")).unwrap_or_default();
        if log.contains("panicked at") && !std::thread::panicking() {
            panic!("rolecall panicked: {log}");
        }
    }
}

fn config_map(name: &str, data: &[(&str, &str)]) -> ConfigMap {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "data": data.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
    }))
    .expect("a ConfigMap")
}

fn data(map: &ConfigMap, key: &str) -> Option<String> {
    map.data.as_ref().and_then(|data| data.get(key)).cloned()
}

/// The Status that a call ends with.
fn status<T: std::fmt::Debug>(result: kube::Result<T>) -> Status {
    match result.expect_err("a refusal") {
        Error::Api(status) => *status,
        other => panic!("no Status: {other:?}"),
    }
}

#[tokio::test]
async fn objects_are_created_read_replaced_and_deleted() {
    let rolecall = Rolecall::start().await;
    let client = rolecall.client().await;

    let namespaces: Api<Namespace> = Api::all(client.clone());
    let team: Namespace =
        serde_json::from_value(json!({"metadata": {"name": "team", "labels": {"a": "b"}}}))
            .expect("a namespace");
    let made = namespaces
        .create(&PostParams::default(), &team)
        .await
        .expect("created");
    assert!(made.uid().is_some() && made.creation_timestamp().is_some());
    assert_eq!(
        made.status.and_then(|status| status.phase).as_deref(),
        Some("Active")
    );
    let names: Vec<String> = namespaces
        .list(&ListParams::default())
        .await
        .expect("a list")
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(
        names,
        [
            "default",
            "kube-node-lease",
            "kube-public",
            "kube-system",
            "team"
        ]
    );
    let labelled = namespaces
        .list(&ListParams::default().labels("a in (b, c)"))
        .await
        .expect("a list");
    assert_eq!(labelled.items.len(), 1);

    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "team");
    maps.create(
        &PostParams::default(),
        &config_map("settings", &[("colour", "blue")]),
    )
    .await
    .expect("created");
    let mut stored = maps.get("settings").await.expect("there");
    stored
        .data
        .get_or_insert_default()
        .insert("colour".to_owned(), "red".to_owned());
    let replaced = maps
        .replace("settings", &PostParams::default(), &stored)
        .await
        .expect("replaced");
    assert_eq!(data(&replaced, "colour").as_deref(), Some("red"));
    assert_ne!(replaced.resource_version(), stored.resource_version());
    let meta = maps.get_metadata("settings").await.expect("its metadata");
    assert_eq!(meta.uid(), replaced.uid());

    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    maps.create(&dry, &config_map("dry", &[]))
        .await
        .expect("as if");
    assert!(maps.get_opt("dry").await.expect("an answer").is_none());

    let gone = maps
        .delete("settings", &DeleteParams::default())
        .await
        .expect("deleted");
    assert!(gone.right().expect("a Status").is_success());
    assert!(maps.get_opt("settings").await.expect("an answer").is_none());

    let parameters = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..DeleteParams::default()
    };
    namespaces
        .delete("team", &parameters)
        .await
        .expect("deleted");
    assert!(
        namespaces
            .get_opt("team")
            .await
            .expect("an answer")
            .is_none()
    );
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let rolecall = Rolecall::start().await;
    let roles: Api<ClusterRole> = Api::all(rolecall.client().await);
    let whole = roles.list(&ListParams::default()).await.expect("a list");
    let (mut paged, mut parameters) = (Vec::new(), ListParams::default().limit(10));
    loop {
        let page = roles.list(&parameters).await.expect("a page");
        assert!(page.items.len() <= 10);
        let next = page
            .metadata
            .continue_
            .clone()
            .filter(|token| !token.is_empty());
        paged.extend(page.items);
        match next {
            Some(token) => parameters = parameters.continue_token(&token),
            None => break,
        }
    }
    assert!(whole.items.len() > 60);
    assert_eq!(paged, whole.items);
}

#[tokio::test]
async fn patches_merge_strategically_or_by_json_patch() {
    let rolecall = Rolecall::start().await;
    let client = rolecall.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(
        &PostParams::default(),
        &config_map("settings", &[("colour", "blue")]),
    )
    .await
    .expect("created");
    let patch = PatchParams::default();
    let merged = maps
        .patch(
            "settings",
            &patch,
            &Patch::Merge(json!({"data": {"size": "xl", "colour": null}})),
        )
        .await
        .expect("merged");
    assert_eq!(data(&merged, "size").as_deref(), Some("xl"));
    assert_eq!(data(&merged, "colour"), None);
    let operations = serde_json::from_value(json!([
        {"op": "test", "path": "/data/size", "value": "xl"},
        {"op": "replace", "path": "/data/size", "value": "s"},
    ]))
    .expect("a JSON patch");
    let patched = maps
        .patch("settings", &patch, &Patch::<()>::Json(operations))
        .await
        .expect("patched");
    assert_eq!(data(&patched, "size").as_deref(), Some("s"));

    let deployments: Api<Deployment> = Api::default_namespaced(client);
    let web: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1"}]},
            },
        },
    }))
    .expect("a Deployment");
    deployments
        .create(&PostParams::default(), &web)
        .await
        .expect("created");
    let strategic = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "web", "image": "nginx:2"}, {"name": "side", "image": "x"},
    ]}}}});
    let patched = deployments
        .patch("web", &patch, &Patch::Strategic(strategic))
        .await
        .expect("patched");
    let mut images: Vec<_> = patched
        .spec
        .template
        .spec
        .expect("a pod")
        .containers
        .into_iter()
        .map(|container| (container.name, container.image.unwrap_or_default()))
        .collect();
    images.sort();
    assert_eq!(
        images,
        [("side", "x"), ("web", "nginx:2")]
            .map(|(name, image)| (name.to_owned(), image.to_owned()))
    );
    assert_eq!(patched.metadata.generation, Some(2));

    // Not there yet, and said so.
    let applied = deployments
        .patch(
            "web",
            &PatchParams::apply("kube-rs"),
            &Patch::Apply(json!({"spec": {"replicas": 3}})),
        )
        .await;
    let refused = status(applied);
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (415, "UnsupportedMediaType")
    );
}

#[tokio::test]
async fn a_watcher_sees_what_comes_and_goes() {
    let rolecall = Rolecall::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(rolecall.client().await);
    maps.create(&PostParams::default(), &config_map("before", &[]))
        .await
        .expect("created");
    // Both ways to begin: a list and then a watch, and a watch that begins
    // with a list (KEP-3157).
    for streaming in [false, true] {
        let mut config = watcher::Config::default().fields("metadata.name!=kube-root-ca.crt");
        if streaming {
            config = config.streaming_lists();
        }
        let mut events = watcher(maps.clone(), config).boxed();
        let mut next = async || {
            tokio::time::timeout(Duration::from_secs(30), events.try_next())
                .await
                .expect("in time")
                .expect("an event")
                .expect("no end")
        };
        assert!(matches!(next().await, watcher::Event::Init));
        assert!(
            matches!(next().await, watcher::Event::InitApply(map) if map.name_any() == "before")
        );
        assert!(matches!(next().await, watcher::Event::InitDone));
        maps.create(&PostParams::default(), &config_map("during", &[]))
            .await
            .expect("created");
        assert!(matches!(next().await, watcher::Event::Apply(map) if map.name_any() == "during"));
        maps.patch(
            "during",
            &PatchParams::default(),
            &Patch::Merge(json!({"data": {"a": "b"}})),
        )
        .await
        .expect("patched");
        assert!(
            matches!(next().await, watcher::Event::Apply(map) if data(&map, "a").as_deref() == Some("b"))
        );
        maps.delete("during", &DeleteParams::default())
            .await
            .expect("deleted");
        assert!(matches!(next().await, watcher::Event::Delete(map) if map.name_any() == "during"));
    }
    let bindings: Api<ClusterRoleBinding> = Api::all(rolecall.client().await);
    let first = watcher(bindings, watcher::Config::default())
        .applied_objects()
        .boxed()
        .try_next()
        .await
        .expect("an event")
        .expect("no end");
    assert_eq!(first.name_any(), "cluster-admin");
}

/// The groups that a kube-apiserver 1.37 has a stable version of, by name.
const GROUPS: [&str; 22] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

#[tokio::test]
async fn discovery_tells_kinds_scopes_and_verbs() {
    let rolecall = Rolecall::start().await;
    let client = rolecall.client().await;
    let version = client.apiserver_version().await.expect("a version");
    assert_eq!(
        (version.major.as_str(), version.minor.as_str()),
        ("1", "37")
    );
    for discovery in [
        Discovery::new(client.clone()).run().await.expect("plain"),
        Discovery::new(client.clone())
            .run_aggregated()
            .await
            .expect("aggregated"),
    ] {
        let groups: Vec<&str> = discovery
            .groups_alphabetical()
            .iter()
            .map(|group| group.name())
            .collect();
        assert_eq!(groups, GROUPS);
        let kind = GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding");
        let (resource, capabilities) = discovery.resolve_gvk(&kind).expect("known");
        assert_eq!(resource.plural, "clusterrolebindings");
        assert_eq!(capabilities.scope, Scope::Cluster);
        assert!(capabilities.supports_operation(verbs::WATCH));
        let dynamic: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let object = dynamic.get("cluster-admin").await.expect("there");
        assert_eq!(object.data["roleRef"]["name"], "cluster-admin");
    }
}

#[tokio::test]
async fn errors_are_status_objects() {
    let rolecall = Rolecall::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(rolecall.client().await);

    let missing = status(maps.get("nope").await);
    assert!(missing.is_not_found());
    assert_eq!(missing.code, 404);
    assert_eq!(missing.message, "configmaps \"nope\" not found");
    let details = missing.details.expect("details");
    assert_eq!(
        (details.name.as_str(), details.kind.as_str()),
        ("nope", "configmaps")
    );

    let map = config_map("settings", &[]);
    let old = maps
        .create(&PostParams::default(), &map)
        .await
        .expect("created");
    let twice = status(maps.create(&PostParams::default(), &map).await);
    assert!(twice.is_already_exists());
    assert_eq!(twice.code, 409);
    assert_eq!(twice.message, "configmaps \"settings\" already exists");

    maps.patch(
        "settings",
        &PatchParams::default(),
        &Patch::Merge(json!({"data": {"a": "b"}})),
    )
    .await
    .expect("patched");
    let stale = status(maps.replace("settings", &PostParams::default(), &old).await);
    assert!(stale.is_conflict());
    assert_eq!(stale.code, 409);
    assert_eq!(
        stale.message,
        "Operation cannot be fulfilled on configmaps \"settings\": the object has been modified; please apply your changes to the latest version and try again"
    );

    let wrong = status(
        maps.create(&PostParams::default(), &config_map("Wrong_Name", &[]))
            .await,
    );
    assert!(wrong.is_invalid());
    assert_eq!(wrong.code, 422);
    assert_eq!(
        wrong.details.expect("details").causes[0].field,
        "metadata.name"
    );

    let bob: Api<Pod> = Api::default_namespaced(rolecall.client_as("bob", &[]).await);
    let forbidden = status(bob.list(&ListParams::default()).await);
    assert!(forbidden.is_forbidden());
    assert_eq!(forbidden.code, 403);
    assert_eq!(
        forbidden.message,
        "pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );

    let nobody: Api<Pod> = Api::default_namespaced(rolecall.bearer("junk").await);
    let unauthorized = status(nobody.list(&ListParams::default()).await);
    assert_eq!(unauthorized.code, 401);
    assert_eq!(unauthorized.message, "Unauthorized");
}

async fn may(client: &Client, verb: &str, resource: &str) -> bool {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                resource: Some(resource.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &review)
        .await
        .expect("a review")
        .status
        .expect("a verdict")
        .allowed
}

async fn whoami(client: &Client) -> (String, Vec<String>) {
    let user = Api::all(client.clone())
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .expect("a review")
        .status
        .and_then(|status| status.user_info)
        .expect("a user");
    (
        user.username.unwrap_or_default(),
        user.groups.unwrap_or_default(),
    )
}

fn binding(name: &str, role: &str, group: &str) -> ClusterRoleBinding {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"made-by": "kube-rs"}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    }))
    .expect("a ClusterRoleBinding")
}

#[tokio::test]
async fn reviews_follow_the_bindings() {
    let rolecall = Rolecall::start().await;
    let client = rolecall.client().await;
    let (name, groups) = whoami(&client).await;
    assert_eq!(name, "kubernetes-admin");
    assert_eq!(groups, ["system:masters", "system:authenticated"]);
    assert!(may(&client, "*", "*").await);

    let grace = rolecall.client_as("grace", &["oidc:viewers"]).await;
    assert_eq!(
        whoami(&grace).await,
        (
            "grace".to_owned(),
            vec!["oidc:viewers".to_owned(), "system:authenticated".to_owned()]
        )
    );
    assert!(!may(&grace, "list", "pods").await);
    let bindings: Api<ClusterRoleBinding> = Api::all(client);
    bindings
        .create(
            &PostParams::default(),
            &binding("viewers", "view", "oidc:viewers"),
        )
        .await
        .expect("created");
    assert!(may(&grace, "list", "pods").await);
    assert!(!may(&grace, "list", "secrets").await);

    // A binding keeps its role; its subjects may change.
    let role = json!({"roleRef": {"name": "edit"}});
    let refused = status(
        bindings
            .patch("viewers", &PatchParams::default(), &Patch::Merge(role))
            .await,
    );
    assert!(refused.is_invalid());
    assert!(
        refused.message.contains("roleRef: Invalid value: "),
        "{}",
        refused.message
    );
    let others = json!({"subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "oidc:others"},
    ]});
    let patched = bindings
        .patch(
            "viewers",
            &PatchParams::default(),
            &Patch::Strategic(others),
        )
        .await
        .expect("patched");
    assert_eq!(patched.subjects.map(|subjects| subjects.len()), Some(1));
    assert!(!may(&grace, "list", "pods").await);

    let selector: Selector = [("made-by", "kube-rs")].into_iter().collect();
    bindings
        .delete_collection(
            &DeleteParams::default(),
            &ListParams::default().labels_from(&selector),
        )
        .await
        .expect("deleted");
    assert!(
        bindings
            .get_opt("viewers")
            .await
            .expect("an answer")
            .is_none()
    );
    assert!(
        bindings
            .get_opt("cluster-admin")
            .await
            .expect("an answer")
            .is_some()
    );
}

/// The chain of the tutorial, without a line of anybody's command-line tools.
#[tokio::test]
async fn a_person_of_the_user_pool_is_who_the_cluster_sees() {
    let rolecall = Rolecall::start().await;
    let cognito =
        async |operation: &str, body: Value| rolecall.aws("/", Some(operation), &body).await;
    let pool = cognito(
        "CreateUserPool",
        json!({"PoolName": "people", "UsernameAttributes": ["email"]}),
    )
    .await["UserPool"]["Id"]
        .clone();
    let client_id = cognito(
        "CreateUserPoolClient",
        json!({"UserPoolId": pool, "ClientName": "c", "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]}),
    )
    .await["UserPoolClient"]["ClientId"]
        .clone();
    let (name, password) = ("ada@example.com", "H3lloW@rlD");
    cognito(
        "CreateGroup",
        json!({"UserPoolId": pool, "GroupName": "admins"}),
    )
    .await;
    cognito(
        "AdminCreateUser",
        json!({"UserPoolId": pool, "Username": name, "MessageAction": "SUPPRESS",
               "UserAttributes": [{"Name": "email_verified", "Value": "true"}]}),
    )
    .await;
    cognito(
        "AdminSetUserPassword",
        json!({"UserPoolId": pool, "Username": name, "Password": password, "Permanent": true}),
    )
    .await;
    cognito(
        "AdminAddUserToGroup",
        json!({"UserPoolId": pool, "Username": name, "GroupName": "admins"}),
    )
    .await;
    let token = cognito(
        "InitiateAuth",
        json!({"ClientId": client_id, "AuthFlow": "USER_PASSWORD_AUTH",
               "AuthParameters": {"USERNAME": name, "PASSWORD": password}}),
    )
    .await["AuthenticationResult"]["IdToken"]
        .as_str()
        .expect("an ID token")
        .to_owned();

    let ada = rolecall.bearer(&token).await;
    let nodes: Api<Namespace> = Api::all(ada.clone());
    assert_eq!(status(nodes.list(&ListParams::default()).await).code, 401);

    let (base, cluster) = (
        &rolecall.ready["issuerBase"],
        &rolecall.ready["clusterName"],
    );
    let issuer = format!(
        "{}/{}",
        base.as_str().expect("a base"),
        pool.as_str().expect("an id")
    );
    let path = format!(
        "/clusters/{}/identity-provider-configs/associate",
        cluster.as_str().expect("a name")
    );
    rolecall
        .aws(
            &path,
            None,
            &json!({"oidc": {
                "identityProviderConfigName": "people", "issuerUrl": issuer, "clientId": client_id,
                "usernameClaim": "email", "groupsClaim": "cognito:groups", "groupsPrefix": "oidc:",
            }}),
        )
        .await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = nodes.list(&ListParams::default()).await {
        // Trust takes effect when the configuration is ACTIVE.
        let Error::Api(refused) = error else {
            panic!("{error}")
        };
        if refused.is_forbidden() {
            break;
        }
        assert!(Instant::now() < deadline, "{}", refused.message);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        whoami(&ada).await,
        (
            name.to_owned(),
            vec!["oidc:admins".to_owned(), "system:authenticated".to_owned()]
        )
    );
    let bindings: Api<ClusterRoleBinding> = Api::all(rolecall.client().await);
    bindings
        .create(
            &PostParams::default(),
            &binding("admins", "cluster-admin", "oidc:admins"),
        )
        .await
        .expect("created");
    assert!(nodes.list(&ListParams::default()).await.is_ok());
    bindings
        .delete("admins", &DeleteParams::default())
        .await
        .expect("deleted");
    assert_eq!(
        status(nodes.list(&ListParams::default()).await).message,
        "namespaces is forbidden: User \"ada@example.com\" cannot list resource \"namespaces\" in API group \"\" at the cluster scope"
    );
}
