//! How objects come, change and go, whatever they are.

use super::*;

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
    // What the storage would not take comes back as it was sent.
    let mut versioned = config_map("c");
    versioned["metadata"]["resourceVersion"] = json!("1");
    let dry = server.post(&format!("{uri}?dryRun=All"), &versioned).await;
    assert_eq!(dry.expect(201).json()["metadata"]["resourceVersion"], "1");
    server.post(uri, &versioned).await.expect(500);
    let role = json!({
        "kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "r", "resourceVersion": "1"}, "rules": [],
    });
    let one = "/apis/rbac.authorization.k8s.io/v1/clusterroles/r";
    let dry = server.put(&format!("{one}?dryRun=All"), &role).await;
    assert_eq!(dry.expect(201).json()["metadata"]["resourceVersion"], "1");
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
