//! The faults that Kubernetes' own validation tests look for
//! (`pkg/apis/rbac/validation/validation_test.go`), as the API server words
//! them, and the ways between JSON and values.

use kube_rbac::validate::{self, FieldError};
use kube_rbac::{Object, ParseError, Version, defaulted, parse_object, to_json};
use rstest::rstest;
use serde_json::{Value, json};

fn cluster_role_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "master" },
        "roleRef": { "kind": "ClusterRole", "name": "valid" },
        "subjects": [
            { "kind": "User", "name": "validsaname" },
            { "kind": "Group", "name": "oidc:admins" },
            { "kind": "ServiceAccount", "name": "validsaname", "namespace": "foo" },
        ],
    })
}

fn role_binding() -> Value {
    let mut binding = cluster_role_binding();
    binding["kind"] = "RoleBinding".into();
    binding["metadata"]["namespace"] = "default".into();
    binding
}

fn role(kind: &str, rule: Value) -> Value {
    let mut role = json!({ "kind": kind, "metadata": { "name": "r" }, "rules": [rule] });
    if kind == "Role" {
        role["metadata"]["namespace"] = "default".into();
    }
    role
}

fn faults(object: &Value) -> Vec<String> {
    validate::create(Version::V1_37, object)
        .unwrap()
        .iter()
        .map(FieldError::to_string)
        .collect()
}

#[test]
fn sound_bindings_have_no_faults() {
    assert_eq!(faults(&cluster_role_binding()), [""; 0]);
    assert_eq!(faults(&role_binding()), [""; 0]);
}

#[rstest]
#[case::bad_group("/roleRef/apiGroup", json!("rbac.GroupName"), r#"roleRef.apiGroup: Unsupported value: "rbac.GroupName": supported values: "rbac.authorization.k8s.io""#)]
#[case::bad_kind("/roleRef/kind", json!("Type"), r#"roleRef.kind: Unsupported value: "Type": supported values: "ClusterRole""#)]
#[case::reference_to_a_role("/roleRef/kind", json!("Role"), r#"roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole""#)]
#[case::no_name("/metadata/name", json!(""), "metadata.name: Required value: name or generateName is required")]
#[case::no_role("/roleRef/name", json!(""), "roleRef.name: Required value")]
#[case::bad_role("/roleRef/name", json!("a/b"), r#"roleRef.name: Invalid value: "a/b": may not contain '/'"#)]
#[case::bad_subject_kind("/subjects/0/kind", json!("subject"), r#"subjects[0].kind: Unsupported value: "subject": supported values: "ServiceAccount", "User", "Group""#)]
#[case::bad_subject_group("/subjects/1/apiGroup", json!("x"), r#"subjects[1].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io""#)]
#[case::group_of_an_account("/subjects/2/apiGroup", json!("x"), r#"subjects[2].apiGroup: Unsupported value: "x": supported values: """#)]
#[case::bad_account("/subjects/2/name", json!("subject:bad"), r#"subjects[2].name: Invalid value: "subject:bad": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#)]
#[case::no_namespace_of_an_account("/subjects/2/namespace", json!(""), "subjects[2].namespace: Required value")]
#[case::no_subject_name("/subjects/0/name", json!(""), "subjects[0].name: Required value")]
fn a_faulty_cluster_role_binding_is_refused(
    #[case] place: &str,
    #[case] value: Value,
    #[case] expected: &str,
) {
    let mut object = cluster_role_binding();
    let (parent, last) = place.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[last] = value;
    assert_eq!(faults(&object), [expected]);
}

#[test]
fn a_role_binding_may_refer_to_a_role_and_leave_an_accounts_namespace_out() {
    let mut object = role_binding();
    object["roleRef"]["kind"] = "Role".into();
    object["subjects"][2]["namespace"] = "".into();
    assert_eq!(faults(&object), [""; 0]);
    object["metadata"]["namespace"] = "".into();
    assert_eq!(faults(&object), ["metadata.namespace: Required value"]);
}

#[rstest]
#[case::urls_in_a_cluster_role("ClusterRole", json!({ "verbs": ["get"], "nonResourceURLs": ["/*"] }), &[])]
#[case::urls_in_a_role("Role", json!({ "verbs": ["get"], "nonResourceURLs": ["/*"] }), &[
    r#"rules[0].nonResourceURLs: Invalid value: ["/*"]: namespaced rules cannot apply to non-resource URLs"#,
])]
#[case::both("ClusterRole", json!({ "verbs": ["get"], "apiGroups": ["a"], "nonResourceURLs": ["/*"] }), &[
    r#"rules[0].nonResourceURLs: Invalid value: ["/*"]: rules cannot apply to both regular resources and non-resource URLs"#,
])]
#[case::no_verbs("ClusterRole", json!({ "apiGroups": ["a"], "resources": ["r"] }), &["rules[0].verbs: Required value"])]
#[case::no_api_group("ClusterRole", json!({ "verbs": ["get"], "resources": ["r"] }), &[
    "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
])]
#[case::no_resources("ClusterRole", json!({ "verbs": ["get"], "apiGroups": ["a"] }), &[
    "rules[0].resources: Required value: resource rules must supply at least one resource",
])]
#[case::nothing("Role", json!({}), &[
    "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
    "rules[0].resources: Required value: resource rules must supply at least one resource",
    "rules[0].verbs: Required value",
])]
#[case::anything_goes_that_is_there("ClusterRole", json!({ "verbs": ["fly"], "apiGroups": ["no.such"], "resources": ["x/*"] }), &[])]
fn rules_are_checked(#[case] kind: &str, #[case] rule: Value, #[case] expected: &[&str]) {
    assert_eq!(faults(&role(kind, rule)), expected);
}

#[test]
fn an_aggregation_rule_needs_a_selector() {
    let mut object = role(
        "ClusterRole",
        json!({ "verbs": ["get"], "nonResourceURLs": ["/"] }),
    );
    object["aggregationRule"] = json!({});
    assert_eq!(
        faults(&object),
        [
            "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector \
          required if aggregationRule is non-nil"
        ]
    );
}

#[test]
fn names_of_rbac_objects_may_hold_almost_anything() {
    let named = |name: &str| {
        let mut object = cluster_role_binding();
        object["metadata"]["name"] = name.into();
        faults(&object)
    };
    for name in ["oidc:admins", "system:Foo", "with space", "https:#x", "…"] {
        assert_eq!(named(name), [""; 0], "{name}");
    }
    assert_eq!(
        named(".."),
        ["metadata.name: Invalid value: \"..\": may not be '..'"]
    );
    assert_eq!(
        named("50%/x"),
        [
            "metadata.name: Invalid value: \"50%/x\": may not contain '/'",
            "metadata.name: Invalid value: \"50%/x\": may not contain '%'",
        ]
    );
}

#[test]
fn the_role_of_a_binding_cannot_be_changed() {
    let mut old = role_binding();
    old["metadata"]["resourceVersion"] = "1".into();
    let mut new = old.clone();
    new["roleRef"]["name"] = "changed".into();
    let errors = validate::update(Version::V1_37, &new, &old).unwrap();
    assert_eq!(
        FieldError::join(&errors),
        r#"roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"changed"}: field is immutable"#
    );
    assert_eq!(errors[0].reason(), "FieldValueInvalid");
    assert_eq!(validate::update(Version::V1_37, &old, &old), Ok(vec![]));
}

#[test]
fn annotations_have_a_limit_together() {
    let mut object = cluster_role_binding();
    object["metadata"]["annotations"] = json!({ "big": "x".repeat(262_144) });
    assert_eq!(
        faults(&object),
        ["metadata.annotations: Too long: may not be more than 262144 bytes"]
    );
}

#[test]
fn several_faults_are_joined_as_a_status_lists_them() {
    let mut object = cluster_role_binding();
    object["roleRef"] = json!({ "kind": "Role", "name": "a%b" });
    let errors = validate::create(Version::V1_37, &object).unwrap();
    assert_eq!(
        FieldError::join(&errors),
        r#"[roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole", roleRef.name: Invalid value: "a%b": may not contain '%']"#
    );
}

#[test]
fn api_groups_are_defaulted_in_values_and_in_json() {
    let mut json = cluster_role_binding();
    let Object::Binding(binding) = parse_object(&json).unwrap() else {
        unreachable!()
    };
    let group = "rbac.authorization.k8s.io";
    assert_eq!(binding.role_ref.api_group, group);
    let groups: Vec<&str> = binding
        .subjects
        .iter()
        .map(|s| s.api_group.as_str())
        .collect();
    assert_eq!(groups, [group, group, ""]);
    defaulted(&mut json);
    assert_eq!(json["roleRef"]["apiGroup"], group);
    assert_eq!(json["subjects"][0]["apiGroup"], group);
    assert_eq!(json["subjects"][2].get("apiGroup"), None);
    assert_eq!(to_json(&Object::Binding(binding)), json);
}

#[test]
fn null_is_the_same_as_absent() {
    let json = json!({
        "kind": "ClusterRole",
        "metadata": { "name": "r", "labels": null },
        "rules": null,
        "aggregationRule": null,
    });
    let Object::Role(role) = parse_object(&json).unwrap() else {
        unreachable!()
    };
    assert!(role.rules.is_empty() && role.aggregation.is_none());
    assert_eq!(to_json(&Object::Role(role))["rules"], Value::Null);
}

#[rstest]
#[case::another_kind(json!({ "kind": "Pod", "apiVersion": "v1" }), "v1 Pod is not of rbac.authorization.k8s.io/v1")]
#[case::another_version(json!({ "kind": "Role", "apiVersion": "rbac.authorization.k8s.io/v1beta1" }), "rbac.authorization.k8s.io/v1beta1 Role is not of rbac.authorization.k8s.io/v1")]
#[case::no_list(json!({ "kind": "Role", "rules": [{ "verbs": "get" }] }), "json: cannot unmarshal string into Go struct field PolicyRule.rules.verbs of type []string")]
#[case::no_text(json!({ "kind": "RoleBinding", "subjects": [{ "name": 1 }] }), "json: cannot unmarshal number into Go struct field Subject.subjects.name of type string")]
#[case::no_rules(json!({ "kind": "Role", "rules": "all" }), "json: cannot unmarshal string into Go struct field Role.rules of type []v1.PolicyRule")]
fn what_cannot_be_read_is_said_in_gos_words(#[case] json: Value, #[case] expected: &str) {
    let error: ParseError = parse_object(&json).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

/// Found by the comparison: both layers of the API server see the same fault
/// of an update, and it is said once.
#[test]
fn a_fault_seen_twice_on_update_is_said_once() {
    let mut old = role_binding();
    old["metadata"]["resourceVersion"] = "1".into();
    let mut new = old.clone();
    new["metadata"]["name"] = "..".into();
    let errors = validate::update(Version::V1_37, &new, &old).unwrap();
    let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
    assert_eq!(
        texts,
        [
            "metadata.name: Invalid value: \"..\": may not be '..'",
            "metadata.name: Invalid value: \"..\": field is immutable",
        ]
    );
}

/// Found by the comparison: Kubernetes has the rules for DNS names twice, and
/// the copies count in different units.
#[test]
fn names_are_too_long_in_characters_and_labels_in_bytes() {
    let mut object = role_binding();
    object["metadata"]["namespace"] = "n".repeat(64).into();
    object["metadata"]["labels"] = json!({ "ok": "v".repeat(64) });
    object["subjects"][2]["name"] = "s".repeat(254).into();
    let ends = [
        "no more than 63 characters",
        "no more than 63 bytes",
        "no more than 253 characters",
    ];
    let faults = faults(&object);
    assert_eq!(faults.len(), 3);
    assert!(
        faults
            .iter()
            .zip(ends)
            .all(|(fault, end)| fault.ends_with(end)),
        "{faults:?}"
    );
    object["metadata"]["labels"] = json!({ format!("{}/x", "p".repeat(254)): "" });
    assert!(self::faults(&object)[1].ends_with("prefix part must be no more than 253 bytes"));
}

/// Found by the comparison: where only the declarative rules were asked on
/// create, an unchanged fault keeps its explanation on update.
#[test]
fn an_unchanged_fault_keeps_its_explanation_on_update() {
    let mut old = role(
        "ClusterRole",
        json!({ "apiGroups": ["a"], "resources": ["r"] }),
    );
    old["metadata"]["resourceVersion"] = "1".into();
    let errors = validate::update(Version::V1_37, &old, &old).unwrap();
    let expected = "rules[0].verbs: Required value: verbs must contain at least one value";
    assert_eq!(FieldError::join(&errors), expected);
    let created = validate::create(Version::V1_37, &old).unwrap();
    assert_eq!(FieldError::join(&created), "rules[0].verbs: Required value");
}

/// Go keeps the first error of a document, from first to last. `just prove`
/// drew these two; ours had looked at the members in an order of its own.
#[rstest]
#[case::role_ref_before_subjects(
    r#"{"kind":"ClusterRoleBinding","metadata":{"name":"x"},"roleRef":"view","subjects":"everyone"}"#,
    "json: cannot unmarshal string into Go struct field ClusterRoleBinding.roleRef of type v1.RoleRef"
)]
#[case::aggregation_before_rules(
    r#"{"kind":"ClusterRole","metadata":{"name":"x"},"aggregationRule":{"clusterRoleSelectors":"all"},"rules":{}}"#,
    "json: cannot unmarshal string into Go struct field AggregationRule.aggregationRule.clusterRoleSelectors of type []v1.LabelSelector"
)]
#[case::the_second_rule_before_the_metadata(
    r#"{"kind":"ClusterRole","rules":[{"verbs":["get"]},{"verbs":[7],"apiGroups":8}],"metadata":9}"#,
    "json: cannot unmarshal number into Go struct field PolicyRule.rules.verbs of type string"
)]
fn of_several_wrong_types_the_first_in_the_document_is_named(
    #[case] text: &str,
    #[case] error: &str,
) {
    let object: Value = serde_json::from_str(text).unwrap();
    assert_eq!(parse_object(&object).unwrap_err().to_string(), error);
}

/// What older minors say otherwise, each in its own words.
#[rstest]
#[case::verbs(
    role("ClusterRole", json!({ "apiGroups": ["a"], "resources": ["r"] })),
    &[Version::V1_34, Version::V1_35, Version::V1_36],
    "rules[0].verbs: Required value: verbs must contain at least one value",
    "rules[0].verbs: Required value"
)]
#[case::the_length_of_a_label(
    with(cluster_role_binding(), "labels", json!({ "ok": "v".repeat(64) })),
    &[Version::V1_34],
    &format!("metadata.labels: Invalid value: {:?}: must be no more than 63 characters", "v".repeat(64)),
    &format!("metadata.labels: Invalid value: {:?}: must be no more than 63 bytes", "v".repeat(64))
)]
#[case::an_owner_without_a_version(
    with(cluster_role_binding(), "ownerReferences", json!([{ "apiVersion": "a/b/c", "kind": "K", "name": "n", "uid": "1" }])),
    &[Version::V1_34, Version::V1_35, Version::V1_36],
    r#"metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty"#,
    r#"metadata.ownerReferences[0].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>"#
)]
#[case::an_owner_without_a_uid(
    with(cluster_role_binding(), "ownerReferences", json!([{ "apiVersion": "v1", "kind": "K", "name": "n" }])),
    &[Version::V1_34, Version::V1_35, Version::V1_36],
    r#"metadata.ownerReferences.uid: Invalid value: "": must not be empty"#,
    "metadata.ownerReferences[0].uid: Required value: must not be empty"
)]
fn a_fault_is_worded_as_its_minor_does(
    #[case] object: Value,
    #[case] older: &[Version],
    #[case] before: &str,
    #[case] now: &str,
) {
    for version in Version::ALL {
        let errors = validate::create(version, &object).unwrap();
        let expected = if older.contains(&version) {
            before
        } else {
            now
        };
        assert_eq!(FieldError::join(&errors), expected, "{version}");
    }
}

/// The label key that has no form at all is named differently, too.
#[test]
fn a_key_of_labels_is_a_qualified_name_in_1_34() {
    let object = with(cluster_role_binding(), "labels", json!({ "a/b/c": "" }));
    for (version, what) in [
        (Version::V1_34, "a qualified name must"),
        (Version::V1_35, "a valid label key must"),
    ] {
        let errors = validate::create(version, &object).unwrap();
        assert!(
            errors[0].detail.starts_with(what),
            "{version}: {}",
            errors[0]
        );
    }
}

/// Before the registry joined both kinds of rules it repeated itself: the
/// generic look, the kind's own, and in 1.34 that one twice.
#[rstest]
#[case(Version::V1_34, 3, "cannot change roleRef")]
#[case(Version::V1_35, 2, "cannot change roleRef")]
#[case(Version::V1_36, 2, "cannot change roleRef")]
#[case(Version::V1_37, 1, "field is immutable")]
fn an_update_is_told_its_faults_as_often_as_its_minor_looks(
    #[case] version: Version,
    #[case] times: usize,
    #[case] role_ref: &str,
) {
    let old = with(role_binding(), "resourceVersion", json!("1"));
    let mut new = with(old.clone(), "generateName", json!("a/b-"));
    new["roleRef"]["name"] = "changed".into();
    let errors = validate::update(version, &new, &old).unwrap();
    let (last, faults) = errors.split_last().unwrap();
    assert_eq!(last.detail, role_ref);
    assert_eq!(faults.len(), times, "{faults:?}");
    assert!(
        faults
            .iter()
            .all(|fault| fault.field == "metadata.generateName")
    );
}

/// Found by the comparison once the generator drew such metadata: a server puts
/// these back before it looks, and validation looks at them all the same.
#[rstest]
#[case("deletionTimestamp", json!("2026-01-01T00:00:00Z"))]
#[case("creationTimestamp", json!("2025-01-01T00:00:00Z"))]
#[case("deletionGracePeriodSeconds", json!(30))]
fn what_the_server_sets_cannot_be_changed(#[case] field: &str, #[case] value: Value) {
    let old = with(role_binding(), "resourceVersion", json!("1"));
    let new = with(old.clone(), field, value.clone());
    let told = |new, old| FieldError::join(&validate::update(Version::V1_37, new, old).unwrap());
    assert_eq!(
        told(&new, &old),
        format!("metadata.{field}: Invalid value: {value}: field is immutable")
    );
    assert_eq!(
        told(&old, &new),
        format!("metadata.{field}: Invalid value: null: field is immutable")
    );
}

/// Found by the comparison: an owner is printed as Go prints the type, whose
/// strings are always there, in its own order.
#[rstest]
#[case::without_a_name(
    json!({ "kind": "Event", "apiVersion": "v1", "uid": "1" }),
    r#"{"apiVersion":"v1","kind":"Event","name":"","uid":"1"}"#
)]
#[case::with_a_controller(
    json!({ "controller": false, "name": "n", "apiVersion": "/v1", "kind": "Event", "uid": "1" }),
    r#"{"apiVersion":"/v1","kind":"Event","name":"n","uid":"1","controller":false}"#
)]
fn an_event_owns_nothing(#[case] owner: Value, #[case] printed: &str) {
    let object = with(cluster_role_binding(), "ownerReferences", json!([owner]));
    let last = faults(&object).pop().unwrap();
    assert_eq!(
        last,
        format!(
            "metadata.ownerReferences[0]: Invalid value: {printed}: /v1, Kind=Event is disallowed from being an owner"
        )
    );
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object["metadata"][field] = value;
    object
}
