//! What single kinds do on their own: validation, defaults, subresources.

use super::*;

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
