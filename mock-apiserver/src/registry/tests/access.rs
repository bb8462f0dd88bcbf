//! Who may: what bindings and aggregation do, and what nobody grants.

use super::*;

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
