//! `TestRBAC` of Kubernetes' integration tests: who gets which code for which
//! request, as RBAC has it.
//!
//! Jobs and limit ranges are not stored here: whoever may make one is told so,
//! whoever may not is forbidden as there. So that the other codes are met too,
//! the requests are sent a second time about a resource that is stored and of
//! which the same holds. Server-side apply is not there yet.

use crate::support::{Answer, Ask, Cluster, cluster};
use mock_apiserver::Timing;
use rstest::rstest;
use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";
const SUPERUSER: &str = "superuser";

/// What the requests are about in place of jobs or limit ranges.
#[derive(Clone, Copy)]
struct Resource {
    plural: &'static str,
    group: &'static str,
    stored: bool,
}

const PODS: Resource = stored("pods", "");
const JOBS: Resource = missing("jobs", "batch");
const DEPLOYMENTS: Resource = stored("deployments", "apps");
const LIMIT_RANGES: Resource = missing("limitranges", "");
/// A PUT makes them where they are not, as it does limit ranges.
const SERVICES: Resource = stored("services", "");

const fn stored(plural: &'static str, group: &'static str) -> Resource {
    Resource {
        plural,
        group,
        stored: true,
    }
}

const fn missing(plural: &'static str, group: &'static str) -> Resource {
    Resource {
        plural,
        group,
        stored: false,
    }
}

/// Who, method, `[NAMESPACE/]RESOURCE[/NAME]`, code; `*` is the resource.
const READ_PODS: &str = "
    superuser   POST  namespaces/pod-namespace  201
    superuser   GET   *                         200
    superuser   GET   pod-namespace/*/a         404
    superuser   POST  pod-namespace/*/a         201
    superuser   GET   pod-namespace/*/a         200
    bob         GET   *                         403
    bob         GET   pod-namespace/*/a         403
    pod-reader  GET   *                         200
    pod-reader  POST  pod-namespace/*/a         403
";

const WRITE_JOBS: &str = "
    superuser                         POST    namespaces/job-namespace             201
    superuser                         POST    namespaces/forbidden-namespace       201
    user-with-no-permissions          POST    job-namespace/*/pi                   403
    user-with-no-permissions          GET     job-namespace/*/pi                   403
    job-writer-namespace              GET     forbidden-namespace/*                403
    job-writer-namespace              GET     forbidden-namespace/*/pi             403
    job-writer-namespace              POST    forbidden-namespace/*/pi             403
    job-writer-namespace              GET     forbidden-namespace/*/pi             403
    job-writer                        GET     forbidden-namespace/*                200
    job-writer                        GET     forbidden-namespace/*/pi             404
    job-writer                        POST    forbidden-namespace/*/pi             201
    job-writer                        GET     forbidden-namespace/*/pi             200
    job-writer-namespace              GET     job-namespace/*                      200
    job-writer-namespace              GET     job-namespace/*/pi                   404
    job-writer-namespace              POST    job-namespace/*/pi                   201
    job-writer-namespace              GET     job-namespace/*/pi                   200
    user-with-no-permissions          POST    job-namespace/rolebindings/pi        403
    any-rolebinding-writer-namespace  POST    forbidden-namespace/rolebindings/pi  403
    job-writer-namespace              POST    forbidden-namespace/rolebindings/pi  403
    job-writer-namespace              POST    job-namespace/rolebindings/pi        201
    superuser                         DELETE  job-namespace/rolebindings/pi        200
    job-writer                        POST    forbidden-namespace/rolebindings/pi  201
    superuser                         DELETE  forbidden-namespace/rolebindings/pi  200
    nonescalating-rolebinding-writer  POST    job-namespace/rolebindings/pi        403
    any-rolebinding-writer            POST    job-namespace/rolebindings/pi        201
    superuser                         DELETE  job-namespace/rolebindings/pi        200
    any-rolebinding-writer-namespace  POST    job-namespace/rolebindings/pi        201
    superuser                         DELETE  job-namespace/rolebindings/pi        200
";

const UPDATE_LIMIT_RANGES: &str = "
    superuser           POST  namespaces/limitrange-namespace  201
    limitrange-updater  PUT   limitrange-namespace/*/a         403
    superuser           PUT   limitrange-namespace/*/a         201
    superuser           PUT   limitrange-namespace/*/a         200
    limitrange-updater  PUT   limitrange-namespace/*/a         200
";

const PATCH_LIMIT_RANGES: &str = "
    superuser           POST   namespaces/limitrange-namespace  201
    limitrange-patcher  PATCH  limitrange-namespace/*/a         403
    superuser           PATCH  limitrange-namespace/*/a         201
    superuser           PATCH  limitrange-namespace/*/a         200
    limitrange-patcher  PATCH  limitrange-namespace/*/a         200
";

struct Row<'a> {
    who: &'a str,
    method: &'a str,
    what: &'a str,
    code: u16,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    table
        .lines()
        .filter_map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                [who, method, what, code] => Some(Row {
                    who,
                    method,
                    what,
                    code: code.parse().expect("a code"),
                }),
                [] => None,
                _ => panic!("no row: {line}"),
            },
        )
        .collect()
}

impl Row<'_> {
    /// The URI and the body.
    fn request(&self, resource: Resource) -> (String, Option<Value>) {
        let parts: Vec<&str> = self.what.split('/').collect();
        let (namespace, plural, name) = match parts[..] {
            [plural] => ("", plural, ""),
            ["namespaces", name] => ("", "namespaces", name),
            [namespace, plural] => (namespace, plural, ""),
            [namespace, plural, name] => (namespace, plural, name),
            _ => panic!("no resource: {}", self.what),
        };
        let (plural, group) = match plural {
            "*" => (resource.plural, resource.group),
            "rolebindings" => (plural, RBAC),
            _ => (plural, ""),
        };
        let mut uri = match group {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/v1"),
        };
        if !namespace.is_empty() {
            uri += &format!("/namespaces/{namespace}");
        }
        uri += &format!("/{plural}");
        if self.method != "POST" && !name.is_empty() {
            uri += &format!("/{name}");
        }
        if self.method == "PATCH" {
            uri += "?fieldManager=rbac_test";
        }
        let writes = matches!(self.method, "POST" | "PUT" | "PATCH");
        (uri, writes.then(|| object(plural, name)))
    }

    /// Upstream's code, or ours where something is not there.
    fn expected(&self, resource: Resource) -> u16 {
        let missing = self.what.contains('*') && !resource.stored;
        match (self.method, self.code) {
            ("PATCH", _) => 415,
            ("GET", 200) if missing && self.what.matches('/').count() == 2 => 404,
            // The limit range is still missing, and may not be made by all.
            ("PUT", _) if missing && self.who != SUPERUSER => 403,
            ("POST" | "PUT", 200 | 201) if missing => 405,
            (_, code) => code,
        }
    }
}

fn object(plural: &str, name: &str) -> Value {
    let container = json!({"name": "pi", "image": "perl"});
    let template = json!({"metadata": {"labels": {"name": "pijob"}},
        "spec": {"containers": [container], "restartPolicy": "Never"}});
    let (api_version, kind, more) = match plural {
        "namespaces" => ("v1", "Namespace", json!({})),
        "pods" => ("v1", "Pod", json!({"spec": {"containers": [container]}})),
        "jobs" => ("batch/v1", "Job", json!({"spec": {"template": template}})),
        "deployments" => {
            let template = json!({"metadata": {"labels": {"name": "pijob"}}, "spec": {"containers": [container]}});
            let spec =
                json!({"selector": {"matchLabels": {"name": "pijob"}}, "template": template});
            ("apps/v1", "Deployment", json!({ "spec": spec }))
        }
        "limitranges" => ("v1", "LimitRange", json!({})),
        "services" => ("v1", "Service", json!({"spec": {"ports": [{"port": 80}]}})),
        "rolebindings" => (
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            json!({"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "write-jobs"},
                "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "admin"}]}),
        ),
        _ => panic!("no object of {plural}"),
    };
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    for (key, value) in more.as_object().expect("an object") {
        object[key] = value.clone();
    }
    object
}

async fn send(request: Ask<'_>, who: &str) -> Answer {
    match who {
        SUPERUSER => request.certificate("admin", Some("system:masters")),
        who => request.certificate(who, None),
    }
    .send()
    .await
}

/// Makes a ClusterRole of that name.
async fn role(cluster: &Cluster, name: &str, verbs: &[&str], group: &str, resource: &str) {
    let object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"verbs": verbs, "apiGroups": [group], "resources": [resource]}]});
    let uri = format!("/apis/{RBAC}/v1/clusterroles");
    let answer = send(cluster.post(&uri, &object), SUPERUSER).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
}

/// Binds it under its name, cluster-wide where there is no namespace.
async fn bind(cluster: &Cluster, role: &str, namespace: Option<&str>, users: &[&str]) {
    let subjects: Vec<Value> = users
        .iter()
        .map(|user| json!({"kind": "User", "name": user}))
        .collect();
    let (kind, uri) = match namespace {
        Some(namespace) => (
            "RoleBinding",
            format!("/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings"),
        ),
        None => (
            "ClusterRoleBinding",
            format!("/apis/{RBAC}/v1/clusterrolebindings"),
        ),
    };
    let object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": role},
        "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": subjects});
    let answer = send(cluster.post(&uri, &object), SUPERUSER).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
}

async fn prepare(cluster: &Cluster, table: &str, resource: Resource) {
    match table {
        READ_PODS => {
            role(cluster, "allow-all", &["*"], "*", "*").await;
            role(cluster, "read-pods", &["list", "get", "watch"], "", "pods").await;
            bind(cluster, "read-pods", None, &["pod-reader"]).await;
        }
        WRITE_JOBS => {
            let home = Some("job-namespace");
            role(cluster, "write-jobs", &["*"], resource.group, "*").await;
            role(
                cluster,
                "create-rolebindings",
                &["create"],
                RBAC,
                "rolebindings",
            )
            .await;
            role(
                cluster,
                "bind-any-clusterrole",
                &["bind"],
                RBAC,
                "clusterroles",
            )
            .await;
            bind(cluster, "write-jobs", None, &["job-writer"]).await;
            let writers = [
                "job-writer",
                "nonescalating-rolebinding-writer",
                "any-rolebinding-writer",
            ];
            bind(cluster, "create-rolebindings", None, &writers).await;
            bind(
                cluster,
                "bind-any-clusterrole",
                None,
                &["any-rolebinding-writer"],
            )
            .await;
            bind(cluster, "write-jobs", home, &["job-writer-namespace"]).await;
            let writers = ["job-writer-namespace", "any-rolebinding-writer-namespace"];
            bind(cluster, "create-rolebindings", home, &writers).await;
            let binders = ["any-rolebinding-writer-namespace"];
            bind(cluster, "bind-any-clusterrole", home, &binders).await;
        }
        UPDATE_LIMIT_RANGES => {
            role(cluster, "allow-all", &["*"], "*", "*").await;
            role(
                cluster,
                "update-limitranges",
                &["update"],
                resource.group,
                resource.plural,
            )
            .await;
            bind(cluster, "update-limitranges", None, &["limitrange-updater"]).await;
        }
        PATCH_LIMIT_RANGES => {
            role(cluster, "allow-all", &["*"], "*", "*").await;
            role(
                cluster,
                "patch-limitranges",
                &["patch"],
                resource.group,
                resource.plural,
            )
            .await;
            bind(cluster, "patch-limitranges", None, &["limitrange-patcher"]).await;
        }
        _ => panic!("no scenario"),
    }
}

#[rstest]
#[case::read_pods(READ_PODS, PODS, 9)]
#[case::write_jobs(WRITE_JOBS, JOBS, 28)]
#[case::write_jobs_by_deployments(WRITE_JOBS, DEPLOYMENTS, 28)]
#[case::update_limit_ranges(UPDATE_LIMIT_RANGES, LIMIT_RANGES, 5)]
#[case::update_limit_ranges_by_services(UPDATE_LIMIT_RANGES, SERVICES, 5)]
#[case::patch_limit_ranges(PATCH_LIMIT_RANGES, LIMIT_RANGES, 5)]
#[case::patch_limit_ranges_by_services(PATCH_LIMIT_RANGES, SERVICES, 5)]
#[tokio::test]
async fn requests_get_kubernetes_own_codes(
    #[case] table: &str,
    #[case] resource: Resource,
    #[case] count: usize,
) {
    let cluster = cluster(Timing::Kubernetes);
    let rows = rows(table);
    assert_eq!(rows.len(), count, "all requests are there");
    // Roles come before namespaces there, without the admission that minds.
    let (namespaces, rest): (Vec<&Row<'_>>, Vec<&Row<'_>>) = rows
        .iter()
        .partition(|row| row.what.starts_with("namespaces/"));
    let mut faults = Vec::new();
    let mut check = async |row: &Row<'_>| {
        let (uri, body) = row.request(resource);
        let mut request = cluster.ask(row.method, &uri);
        if row.method == "PATCH" {
            request = request.header("content-type", "application/apply-patch+yaml");
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = send(request, row.who).await;
        let expected = row.expected(resource);
        if answer.code != expected {
            let Row { who, method, .. } = row;
            faults.push(format!(
                "{who} {method} {uri}: {} instead of {expected}: {}",
                answer.code, answer.text
            ));
        }
    };
    for row in namespaces {
        check(row).await;
    }
    prepare(&cluster, table, resource).await;
    for row in rest {
        check(row).await;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
