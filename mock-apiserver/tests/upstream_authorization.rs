//! Kubernetes' own tables of access reviews
//! (`pkg/registry/authorization/subjectaccessreview/rest_test.go`,
//! `pkg/apis/authorization/validation/validation_test.go`) and of what the audit
//! is told of a decision (apiserver,
//! `pkg/endpoints/filters/authorization_test.go`).
//!
//! Where a made-up authorizer decides there, roles and bindings do here. RBAC
//! allows or has no opinion: it never denies, and never fails. So there is no
//! status here that is `denied`, nor an `evaluationError` but for selectors.

use crate::support::{Cluster, cluster_of};
use kube_rbac::{Binding, Policy, PolicyRule, Role, RoleRef, SubjectRef};
use mock_apiserver::Config;
use rstest::rstest;
use serde_json::{Value, json};

const SELF: &str = "selfsubjectaccessreviews";
const ACCESS: &str = "subjectaccessreviews";
const LOCAL: &str = "namespaces/a/localsubjectaccessreviews";

/// The namespace of [`LOCAL`].
const NAMESPACE: &str = "a";

/// The answer's code and body. An administrator asks.
async fn review(cluster: &Cluster, resource: &str, review: &Value) -> (u16, Value) {
    let uri = format!("/apis/authorization.k8s.io/v1/{resource}");
    let answer = cluster.post(&uri, review).admin().send().await;
    (answer.code, answer.json())
}

/// Bob's rights.
#[derive(Clone, Copy)]
enum Rights {
    None,
    /// None either, by a role that does not exist.
    Missing,
    Path,
    Resource,
}

const NO_OPINION: &str =
    r#"rbac: RBAC: clusterrole.rbac.authorization.k8s.io "myreason" not found"#;

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// A cluster where bob has these rights and nobody else has any.
fn cluster(rights: Rights) -> Cluster {
    let rule = match rights {
        Rights::None | Rights::Missing => None,
        Rights::Path => Some(PolicyRule {
            verbs: words(&["get"]),
            non_resource_urls: words(&["/mypath"]),
            ..PolicyRule::default()
        }),
        Rights::Resource => Some(PolicyRule {
            verbs: words(&["create"]),
            api_groups: words(&["extensions"]),
            resources: words(&["deployments/scale"]),
            resource_names: words(&["mydeployment"]),
            ..PolicyRule::default()
        }),
    };
    let mut policy = Policy::new();
    let name = rule.as_ref().map_or("myreason", |_| "allowed");
    if let Some(rule) = rule {
        policy.put_role(Role {
            name: name.to_owned(),
            rules: vec![rule],
            ..Role::default()
        });
    }
    if !matches!(rights, Rights::None) {
        policy.put_binding(Binding {
            namespace: matches!(rights, Rights::Resource).then(|| "myns".to_owned()),
            name: "bobs".to_owned(),
            subjects: vec![SubjectRef::user("bob")],
            role_ref: RoleRef::cluster_role(name),
            ..Binding::default()
        });
    }
    cluster_of(Config {
        policy,
        ..Config::default()
    })
}

fn path() -> Value {
    json!({"user": "bob", "nonResourceAttributes": {"verb": "get", "path": "/mypath"}})
}

fn scale() -> Value {
    json!({"user": "bob", "resourceAttributes": {"namespace": "myns", "verb": "create", "group": "extensions",
        "version": "v1beta1", "resource": "deployments", "subresource": "scale", "name": "mydeployment"}})
}

fn selecting(fields: &str, labels: &str) -> Value {
    json!({"user": "bob", "resourceAttributes": {
        "fieldSelector": {"rawSelector": fields}, "labelSelector": {"rawSelector": labels}}})
}

/// `TestCreate` of `subjectaccessreview/rest_test.go`, its case without
/// attributes apart. That what is asked arrives in its place is seen by a rule
/// that allows this and nothing else.
#[rstest]
#[case::nonresource_rejected(Rights::Missing, path(), json!({"allowed": false, "reason": NO_OPINION}))]
#[case::nonresource_allowed(Rights::Path, path(), json!({"allowed": true, "reason": r#"RBAC: allowed by ClusterRoleBinding "bobs" of ClusterRole "allowed" to User "bob""#}))]
#[case::resource_rejected(Rights::Missing, scale(), json!({"allowed": false, "reason": NO_OPINION}))]
#[case::resource_allowed(Rights::Resource, scale(), json!({"allowed": true, "reason": r#"RBAC: allowed by RoleBinding "bobs/myns" of ClusterRole "allowed" to User "bob""#}))]
#[case::resource_denied(Rights::None, json!({"user": "bob", "resourceAttributes": {}}), json!({"allowed": false}))]
#[case::resource_denied_valid_selectors(Rights::None, selecting("foo=bar", "key=value"), json!({"allowed": false}))]
#[case::resource_denied_invalid_selectors(Rights::None, selecting("key in value", "&"), json!({"allowed": false, "evaluationError": "spec.resourceAttributes.fieldSelector ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to parse error"}))]
#[tokio::test]
async fn a_review_is_answered(
    #[case] rights: Rights,
    #[case] spec: Value,
    #[case] expected: Value,
) {
    let (code, answer) = review(&cluster(rights), ACCESS, &json!({ "spec": spec })).await;
    assert_eq!((code, &answer["status"]), (201, &expected), "{answer}");
    assert_eq!(answer["spec"], spec);
}

/// Its case without attributes.
#[tokio::test]
async fn an_empty_review_is_refused() {
    let (code, answer) = review(&cluster(Rights::None), ACCESS, &json!({})).await;
    let faults = faults(&answer);
    let expected = [
        format!("spec: Invalid value: null: {EITHER}"),
        format!("spec.user: Invalid value: \"\": {SOMEBODY}"),
    ];
    assert_eq!((code, faults), (422, expected.to_vec()));
}

const EITHER: &str = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
const SOMEBODY: &str = "at least one of user or group must be specified";
const LABEL_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const WANTED: &str = "values: Required value: must be specified when `operator` is 'In' or 'NotIn'";
const UNWANTED: &str =
    "values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'";

fn faults(answer: &Value) -> Vec<String> {
    let causes = answer["details"]["causes"].as_array();
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
    let fault = |cause| format!("{}: {}", text(cause, "field"), text(cause, "message"));
    causes.into_iter().flatten().map(fault).collect()
}

/// Asks as `me` about resources with that selector.
fn selector(which: &str, selector: Value) -> Value {
    json!({"user": "me", "resourceAttributes": {which: selector}})
}

fn requirement(which: &str, requirement: Value) -> Value {
    selector(which, json!({"requirements": [requirement]}))
}

fn operator(which: &str, operator: &str, values: &[&str]) -> Value {
    requirement(
        which,
        json!({"key": "k", "operator": operator, "values": values}),
    )
}

/// Sends it as the review of that resource. A local one is always in a
/// namespace here, which its attributes then have to name.
async fn send(resource: &str, spec: &Value) -> (u16, Value) {
    let mut spec = spec.clone();
    if let Some(attributes) = spec.get_mut("resourceAttributes")
        && resource == LOCAL
    {
        attributes["namespace"] = NAMESPACE.into();
    }
    review(&cluster(Rights::None), resource, &json!({ "spec": spec })).await
}

/// `TestValidateSARSpec`, what is without fault. Upstream's cases have no names
/// but comments.
#[rstest]
#[case::resource_attributes(json!({"user": "me", "resourceAttributes": {}}))]
#[case::field_raw_selector(selector("fieldSelector", json!({"rawSelector": "***foo"})))]
#[case::label_raw_selector(selector("labelSelector", json!({"rawSelector": "***foo"})))]
#[case::unknown_field_operator(operator("fieldSelector", "fake", &["val"]))]
#[case::unknown_label_operator(operator("labelSelector", "fake", &["val"]))]
#[tokio::test]
async fn a_review_without_fault_is_answered(
    #[case] spec: Value,
    #[values(ACCESS, LOCAL)] resource: &str,
) {
    let (code, answer) = send(resource, &spec).await;
    assert_eq!(code, 201, "{answer}");
}

/// The one of these that no local review may ask.
#[tokio::test]
async fn a_review_without_fault_is_answered_for_non_resource_attributes() {
    let spec = json!({"groups": ["my-group"], "nonResourceAttributes": {}});
    let (code, answer) = send(ACCESS, &spec).await;
    assert_eq!(code, 201, "{answer}");
}

/// `TestValidateSARSpec`, what is at fault, and how. The first fault counts
/// there; more may follow.
#[rstest]
#[case::neither_request(json!({"user": "me"}), &format!("spec: Invalid value: null: {EITHER}"))]
#[case::both_requests(json!({"user": "me", "resourceAttributes": {}, "nonResourceAttributes": {}}), &format!("spec: Invalid value: {{\"Path\":\"\",\"Verb\":\"\"}}: {EITHER}"))]
#[case::no_subject(json!({"resourceAttributes": {}}), &format!("spec.user: Invalid value: \"\": {SOMEBODY}"))]
#[case::resource_attributes_field_selector_specify_both(selector("fieldSelector", json!({"rawSelector": "foo", "requirements": [{}]})), r#"spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: "foo": may not specified at the same time as requirements"#)]
#[case::resource_attributes_field_selector_specify_neither(selector("fieldSelector", json!({})), "spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required")]
#[case::resource_attributes_field_selector_no_key(requirement("fieldSelector", json!({"key": ""})), "spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be specified")]
#[case::resource_attributes_field_selector_no_value_for_in(operator("fieldSelector", "In", &[]), &format!("{FIELDS}{WANTED}"))]
#[case::resource_attributes_field_selector_no_value_for_not_in(operator("fieldSelector", "NotIn", &[]), &format!("{FIELDS}{WANTED}"))]
#[case::resource_attributes_field_selector_values_for_exists(operator("fieldSelector", "Exists", &["val"]), &format!("{FIELDS}{UNWANTED}"))]
#[case::resource_attributes_field_selector_values_for_not_exists(operator("fieldSelector", "DoesNotExist", &["val"]), &format!("{FIELDS}{UNWANTED}"))]
#[case::resource_attributes_label_selector_specify_both(selector("labelSelector", json!({"rawSelector": "foo", "requirements": [{}]})), BOTH_LABELS)]
#[case::resource_attributes_label_selector_specify_neither(selector("labelSelector", json!({})), "spec.resourceAttributes.labelSelector.requirements: Required value: when spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is required")]
#[case::resource_attributes_label_selector_no_key(requirement("labelSelector", json!({"key": ""})), &format!("{LABELS}key: Invalid value: \"\": name part must be non-empty"))]
#[case::resource_attributes_label_selector_invalid_label_name(requirement("labelSelector", json!({"key": "()foo"})), &format!("{LABELS}key: Invalid value: \"()foo\": {LABEL_NAME}"))]
#[case::resource_attributes_label_selector_no_value_for_in(operator("labelSelector", "In", &[]), &format!("{LABELS}{WANTED}"))]
#[case::resource_attributes_label_selector_no_value_for_not_in(operator("labelSelector", "NotIn", &[]), &format!("{LABELS}{WANTED}"))]
#[case::resource_attributes_label_selector_values_for_exists(operator("labelSelector", "Exists", &["val"]), &format!("{LABELS}{UNWANTED}"))]
#[case::resource_attributes_label_selector_values_for_not_exists(operator("labelSelector", "DoesNotExist", &["val"]), &format!("{LABELS}{UNWANTED}"))]
#[tokio::test]
async fn a_review_at_fault_is_told_so(
    #[case] spec: Value,
    #[case] expected: &str,
    #[values(ACCESS, LOCAL)] resource: &str,
) {
    let (code, answer) = send(resource, &spec).await;
    let faults = faults(&answer);
    assert_eq!((code, faults[0].as_str()), (422, expected), "{answer}");
}

const FIELDS: &str = "spec.resourceAttributes.fieldSelector.requirements[0].";
const LABELS: &str = "spec.resourceAttributes.labelSelector.requirements[0].";
const BOTH_LABELS: &str = r#"spec.resourceAttributes.labelSelector.rawSelector: Invalid value: "foo": may not specified at the same time as requirements"#;

/// `TestValidateSelfSAR`: `None` for what is without fault.
#[rstest]
#[case::resource_attributes(json!({"resourceAttributes": {}}), None)]
#[case::neither_request(json!({}), Some(format!("spec: Invalid value: null: {EITHER}")))]
#[case::both_requests(json!({"resourceAttributes": {}, "nonResourceAttributes": {}}), Some(format!("spec: Invalid value: {{\"Path\":\"\",\"Verb\":\"\"}}: {EITHER}")))]
#[case::resource_attributes_label_selector_specify_both(json!({"resourceAttributes": {"labelSelector": {"rawSelector": "foo", "requirements": [{}]}}}), Some(BOTH_LABELS.to_owned()))]
#[tokio::test]
async fn a_review_of_oneself_is_looked_at(#[case] spec: Value, #[case] expected: Option<String>) {
    let (code, answer) = send(SELF, &spec).await;
    let wanted = if expected.is_some() { 422 } else { 201 };
    assert_eq!(
        (code, faults(&answer).first()),
        (wanted, expected.as_ref()),
        "{answer}"
    );
}

/// `TestValidateLocalSAR`, likewise. The namespace is that of the URL, which
/// there is none of in the case without fault and in the last. The metadata at
/// fault have `managedFields`, too, where those are kept.
#[rstest]
#[case::resource_attributes(json!({"spec": {"user": "user", "resourceAttributes": {"namespace": NAMESPACE}}}), None)]
#[case::name(json!({"metadata": {"name": "a"}, "spec": {"user": "user", "resourceAttributes": {"namespace": NAMESPACE}}}), Some(r#"metadata: Invalid value: {"name":"a","namespace":"a"}: must be empty except for namespace"#))]
#[case::namespace_conflict(json!({"metadata": {"namespace": "a"}, "spec": {"user": "user", "resourceAttributes": {}}}), Some(r#"spec.resourceAttributes.namespace: Invalid value: "": must match metadata.namespace"#))]
#[case::nonresource(json!({"metadata": {"namespace": "a"}, "spec": {"user": "user", "nonResourceAttributes": {}}}), Some(r#"spec.nonResourceAttributes: Invalid value: {"Path":"","Verb":""}: disallowed on this kind of request"#))]
#[case::resource_attributes_label_selector_specify_both(json!({"spec": {"user": "user", "resourceAttributes": {"namespace": NAMESPACE, "labelSelector": {"rawSelector": "foo", "requirements": [{}]}}}}), Some(BOTH_LABELS))]
#[tokio::test]
async fn a_local_review_is_looked_at(#[case] object: Value, #[case] expected: Option<&str>) {
    let (code, answer) = review(&cluster(Rights::None), LOCAL, &object).await;
    let faults = faults(&answer);
    let wanted = if expected.is_some() { 422 } else { 201 };
    assert_eq!(
        (code, faults.first().map(String::as_str)),
        (wanted, expected),
        "{answer}"
    );
}

/// `TestAuditAnnotation`, but for the case of an authorizer that fails: RBAC
/// does not. Bob asks for what he may and for what he may not.
#[rstest]
#[case::decision_allow(
    Rights::Path,
    "allow",
    r#"RBAC: allowed by ClusterRoleBinding "bobs" of ClusterRole "allowed" to User "bob""#
)]
#[case::decision_forbid(Rights::Missing, "forbid", NO_OPINION)]
#[tokio::test]
async fn the_audit_is_told_the_decision_and_its_reason(
    #[case] rights: Rights,
    #[case] decision: &str,
    #[case] reason: &str,
) {
    let cluster = cluster(rights);
    cluster.get("/mypath").certificate("bob", None).send().await;
    let event = cluster.audit.events().pop().expect("an event");
    let expected =
        json!({"authorization.k8s.io/decision": decision, "authorization.k8s.io/reason": reason});
    assert_eq!(event["annotations"], expected);
}
