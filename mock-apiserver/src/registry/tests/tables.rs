//! Tables have the columns of Kubernetes' printers.

use super::*;

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
