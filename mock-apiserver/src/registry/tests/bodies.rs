//! How bodies are read: types, unknown fields, patches, formats.

use super::*;

#[rstest]
#[case(Version::V1_34, "schedulingGroup", json!({"podGroupName": "g"}), true)]
#[case(Version::V1_36, "schedulingGroup", json!({"podGroupName": "g"}), false)]
#[case(Version::V1_36, "evictionResponders", json!([]), true)]
#[case(Version::V1_37, "evictionResponders", json!([]), false)]
#[tokio::test]
async fn what_came_later_is_an_unknown_field_before(
    #[case] minor: Version,
    #[case] field: &str,
    #[case] value: Value,
    #[case] unknown: bool,
) {
    let server = server_of(minor);
    let uri = "/api/v1/namespaces/default/pods";
    let told = format!(r#"unknown field "spec.{field}""#);
    let mut of_later = pod("p");
    of_later["spec"][field] = value.clone();
    let answer = server
        .post(&format!("{uri}?fieldValidation=Strict"), &of_later)
        .await;
    assert_eq!(answer.code, if unknown { 400 } else { 201 });
    assert_eq!(answer.message().contains(&told), unknown);
    // By a patch, too.
    server.post(uri, &pod("q")).await.expect(201);
    let patch = json!({"spec": {field: value}});
    let patched = server
        .patch(
            &format!("{uri}/q?fieldValidation=Strict"),
            STRATEGIC_PATCH,
            &patch,
        )
        .await;
    assert_eq!(patched.message().contains(&told), unknown);
    // Most of a pod's fields stay as they are.
    assert!(matches!(patched.code, 200 | 422), "{}", patched.text);
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

/// Of an object that was looked into, the library that merges has the keys in order.
#[tokio::test]
async fn a_refused_patch_shows_what_it_would_have_made() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    server.post(uri, &config_map("c")).await.expect(201);
    let at = |validation: &str| format!("{uri}/c?fieldValidation={validation}");
    let operations = json!([{"op": "add", "path": "/c", "value": {"b": 1, "a": 2}}]);
    for (format, patch, shown) in [
        (
            MERGE_PATCH,
            json!({"x": {"b": {"d": 1, "c": null, "a": 2}}}),
            r#"\"x\":{\"b\":{\"a\":2,\"d\":1}}}"#,
        ),
        (
            JSON_PATCH,
            operations,
            r#"\"v1\",\"c\":{\"b\":1,\"a\":2},\"data\":{"#,
        ),
    ] {
        let refused = server
            .patch(&at("Strict"), format, &patch)
            .await
            .expect(422);
        let message = refused.message();
        let begins = r#" "" is invalid: patch: Invalid value: "{\"apiVersion\":\"v1\","#;
        assert!(message.starts_with(begins), "{message}");
        assert!(message.contains(shown), "{message}");
    }
    let list = json!([{"b": null, "a": 1}]);
    let refused = server
        .patch(&at("Ignore"), MERGE_PATCH, &list)
        .await
        .expect(422);
    let begins = r#" "" is invalid: patch: Invalid value: "[{\"a\":1}]": couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion"#;
    assert!(
        refused.message().starts_with(begins),
        "{}",
        refused.message()
    );
    let refused = server
        .patch(&at("Strict"), MERGE_PATCH, &list)
        .await
        .expect(400);
    assert_eq!(
        refused.message(),
        "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
    );
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
