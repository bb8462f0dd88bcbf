use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn decode(kind: &str, value: Value) -> Result<Decoded, String> {
    let schema = newest();
    schema.decode(schema.message(kind).expect("a kind"), &value)
}

const DEPLOYMENT: &str = "k8s.io.api.apps.v1.Deployment";
const POD: &str = "k8s.io.api.core.v1.Pod";

#[test]
fn what_go_leaves_out_and_puts_in_is_left_out_and_put_in() {
    let decoded = decode(
        POD,
        json!({
            "spec": {"containers": [{"image": "i", "name": "c", "resources": {"limits": {"cpu": "1000m"}}}], "nodeSelector": {}},
            "metadata": {"labels": {"b": "1", "a": "2"}, "creationTimestamp": null, "name": "p"},
            "kind": "Pod", "apiVersion": "v1"
        }),
    )
    .expect("a pod");
    assert_eq!(
        decoded.value.to_string(),
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","labels":{"a":"2","b":"1"}},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1"}}}]},"status":{}}"#
    );
}

#[test]
fn unknown_fields_are_named_with_their_path_at_any_depth() {
    let decoded = decode(
        DEPLOYMENT,
        json!({"spec": {"replica": 1, "template": {"spec": {"containers": [{"name": "a"}, {"nam": "b"}]}}}, "foo": 1}),
    )
    .expect("a deployment");
    assert_eq!(
        decoded.unknown,
        [
            r#"unknown field "spec.replica""#,
            r#"unknown field "spec.template.spec.containers[1].nam""#,
            r#"unknown field "foo""#
        ]
    );
}

#[rstest]
#[case(json!({"spec": {"replicas": "2"}}), "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32")]
#[case(json!({"spec": {"replicas": 1.5}}), "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32")]
#[case(json!({"metadata": {"labels": {"a": 1}}}), "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string")]
#[case(json!({"spec": {"template": {"spec": {"containers": {}}}}}), "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container")]
#[case(json!({"spec": {"template": {"spec": {"restartPolicy": 5}}}}), "json: cannot unmarshal number into Go struct field PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy")]
#[case(json!({"spec": {"template": {"spec": {"overhead": []}}}}), "json: cannot unmarshal array into Go struct field PodSpec.spec.template.spec.overhead of type v1.ResourceList")]
#[case(json!({"spec": []}), "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec")]
#[case(json!([]), "json: cannot unmarshal array into Go value of type v1.Deployment")]
fn type_errors_are_in_gos_words(#[case] value: Value, #[case] error: &str) {
    assert_eq!(decode(DEPLOYMENT, value).err().as_deref(), Some(error));
}

/// What the corpus' patches made, encoded: nothing changes any more.
#[test]
fn encoding_twice_is_encoding_once() {
    let schema = newest();
    let mut encoded = 0;
    for line in include_str!("../corpus/patches.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let short = case["kind"].as_str().and_then(|k| k.rsplit('/').next());
        let kind = crate::registry::kind::KINDS
            .iter()
            .find(|k| Some(k.kind) == short)
            .expect("served");
        let message = schema.message(kind.message).expect("a type");
        let Ok(once) = schema.decode(message, &case["result"]) else {
            continue;
        };
        let twice = schema.decode(message, &once.value).expect("still readable");
        assert_eq!(once.value.to_string(), twice.value.to_string());
        assert!(twice.unknown.is_empty());
        encoded += 1;
    }
    assert!(encoded > 200, "{encoded}");
}

#[test]
fn an_object_in_memory_is_refused_in_the_converters_words() {
    let schema = newest();
    let message = schema.message(DEPLOYMENT).expect("a kind");
    for (value, error) in [
        (
            json!({"spec": {"replicas": "2"}}),
            "unrecognized type: int32",
        ),
        (json!({"spec": "x"}), "cannot restore struct from: string"),
        (
            json!({"metadata": {"labels": []}}),
            "cannot restore map from slice",
        ),
        (
            json!({"metadata": {"finalizers": {}}}),
            "cannot restore slice from map",
        ),
    ] {
        let refused = schema.convert(message, &value).err();
        assert_eq!(refused.as_deref(), Some(error));
    }
    let unknown = schema
        .convert(message, &json!({"spec": {"z": 1}, "a": 1}))
        .expect("readable")
        .unknown;
    assert_eq!(unknown, ["unknown field \"a\"", "unknown field \"spec.z\""]);
}

#[test]
fn patch_strategies_come_from_openapi() {
    let schema = newest();
    let pod_spec = schema
        .message("k8s.io.api.core.v1.PodSpec")
        .expect("a message");
    let containers = pod_spec.patch("containers").expect("a field");
    assert!(containers.merge && !containers.retain_keys);
    assert_eq!(containers.merge_key.as_deref(), Some("name"));
    let volumes = pod_spec.patch("volumes").expect("a field");
    assert!(volumes.merge && volumes.retain_keys);
    let strategy = schema
        .message("k8s.io.api.apps.v1.DeploymentSpec")
        .and_then(|m| m.patch("strategy"))
        .expect("a field");
    assert!(strategy.retain_keys && !strategy.merge);
    let all = schema
        .messages
        .iter()
        .flat_map(|m| &m.fields)
        .filter(|f| f.patch != Patch::default())
        .count();
    assert!(all >= 39, "{all}");
}
