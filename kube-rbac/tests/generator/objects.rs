//! Objects with faults, for validation.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

const KINDS: [&str; 4] = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];

/// A change to an object: a path and what is put there (`null` takes it out).
type Fault = (&'static str, Value);

/// An object, and in one case of four the old one that it replaces.
pub fn case() -> impl Strategy<Value = (Value, Option<Value>)> {
    // Whose fault, and which: two draws, since an index is a place in proportion
    // and the same one would always pick from the same part of both lists.
    let faults = || prop::collection::vec((0..3u8, any::<Index>()), 0..4);
    (
        select(&KINDS[..]),
        faults(),
        prop::option::weighted(0.25, faults()),
    )
        .prop_map(|(kind, faults, old)| {
            let (any, own) = (metadata_faults(), faults_of(kind));
            let made = |faults: &[(u8, Index)], updated: bool| {
                let mut object = sound(kind);
                if updated {
                    object["metadata"]["resourceVersion"] = "7".into();
                }
                for (whose, fault) in faults {
                    // Twice as often a fault of the kind's own.
                    let (path, value) = match whose {
                        0 => fault.get(&any),
                        _ => fault.get(&own),
                    };
                    put(&mut object, path, value.clone());
                }
                object
            };
            let old = old.map(|faults| made(&faults, true));
            (made(&faults, old.is_some()), old)
        })
}

fn sound(kind: &str) -> Value {
    let mut object = json!({ "kind": kind, "metadata": { "name": "x" } });
    if !kind.starts_with("Cluster") {
        object["metadata"]["namespace"] = "dev".into();
    }
    if kind.ends_with("Binding") {
        object["subjects"] = json!([
            { "kind": "Group", "name": "oidc:admins" },
            { "kind": "ServiceAccount", "name": "builder", "namespace": "dev" },
        ]);
        object["roleRef"] = json!({ "kind": "ClusterRole", "name": "view" });
    } else {
        object["rules"] = json!([
            { "verbs": ["get"], "apiGroups": [""], "resources": ["pods"] },
            { "verbs": ["*"], "apiGroups": ["apps"], "resources": ["deployments"] },
        ]);
    }
    object
}

fn metadata_faults() -> Vec<Fault> {
    let names = [
        ".",
        "..",
        "a/b",
        "a%b",
        "a%/b",
        "",
        "oidc:admins",
        "Ünicode \u{ad}",
    ];
    let mut faults: Vec<Fault> = names
        .iter()
        .map(|name| ("metadata.name", json!(name)))
        .collect();
    let namespaces = ["", "Dev", "a.b", "-x", "a_b", &"n".repeat(64)];
    faults.extend(
        namespaces
            .iter()
            .map(|ns| ("metadata.namespace", json!(ns))),
    );
    let labels = [
        json!({ "a b": "x" }),
        json!({ "a/b/c": "x" }),
        json!({ "/x": "x" }),
        json!({ "Upper.example/x": "x" }),
        json!({ "ok": "no spaces please" }),
        json!({ "ok": "-x" }),
        json!({ "ok": "v".repeat(64) }),
        json!({ "k".repeat(64): "" }),
        json!({ "": "" }),
        json!({ "example.com/": "" }),
    ];
    faults.extend(
        labels
            .iter()
            .map(|labels| ("metadata.labels", labels.clone())),
    );
    faults.extend([
        (
            "metadata.annotations",
            json!({ "Upper.Example/X": "anything goes\n" }),
        ),
        ("metadata.annotations", json!({ "a b": "x" })),
        ("metadata.generateName", json!("a/b-")),
        ("metadata.generateName", json!("fine-")),
        ("metadata.generation", json!(-1)),
        ("metadata.generation", json!(3)),
        (
            "metadata.finalizers",
            json!(["orphan", "foregroundDeletion"]),
        ),
        (
            "metadata.finalizers",
            json!(["mine", "example.com/mine", "kubernetes"]),
        ),
        ("metadata.finalizers", json!(["not ok"])),
        ("metadata.resourceVersion", json!("")),
        ("metadata.resourceVersion", json!("8")),
        ("metadata.uid", json!("5c1f")),
        ("metadata.deletionTimestamp", json!("2026-01-01T00:00:00Z")),
        ("metadata.deletionGracePeriodSeconds", json!(30)),
        ("metadata.creationTimestamp", json!("2025-01-01T00:00:00Z")),
        ("metadata.ownerReferences", json!([{}])),
        (
            "metadata.ownerReferences",
            json!([
                { "apiVersion": "/v1", "kind": "Event" },
                { "controller": false, "uid": "<1>", "apiVersion": "a/" },
                { "blockOwnerDeletion": true, "kind": "Event", "apiVersion": "v1" },
            ]),
        ),
        (
            "metadata.ownerReferences",
            json!([{ "apiVersion": "v1", "kind": "Event", "name": "e", "uid": "1" }]),
        ),
        (
            "metadata.ownerReferences",
            json!([
                { "apiVersion": "a/b/c", "kind": "K", "name": "e", "uid": "1", "controller": true },
                { "apiVersion": "v1", "kind": "L", "name": "f", "uid": "2", "controller": true },
            ]),
        ),
        ("metadata", json!("x")),
        ("metadata.name", json!(3)),
        ("metadata.labels", json!(["x"])),
    ]);
    faults
}

fn faults_of(kind: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    if kind.ends_with("Binding") {
        for value in ["", "Role", "ClusterRole", "Group", "clusterrole"] {
            faults.push(("roleRef.kind", json!(value)));
        }
        for value in ["", "rbac.authorization.k8s.io", "apps"] {
            faults.push(("roleRef.apiGroup", json!(value)));
            faults.push(("subjects.0.apiGroup", json!(value)));
            faults.push(("subjects.1.apiGroup", json!(value)));
        }
        for value in ["", ".", "a/b", "edit", "100%"] {
            faults.push(("roleRef.name", json!(value)));
        }
        for value in ["User", "Group", "ServiceAccount", "group", "", "Ro\"bot"] {
            faults.push(("subjects.0.kind", json!(value)));
        }
        for value in ["", "subject:bad", "Upper", "a.b-c", "-x", &"s".repeat(254)] {
            faults.push(("subjects.0.name", json!(value)));
            faults.push(("subjects.1.name", json!(value)));
        }
        faults.extend([
            ("subjects.1.namespace", json!("")),
            ("subjects.1.namespace", json!("Any Thing")),
            ("subjects", Value::Null),
            ("subjects", json!([])),
            ("subjects", json!("everyone")),
            ("subjects.0", json!(1)),
            ("subjects.0.kind", json!(["User"])),
            ("roleRef", Value::Null),
            ("roleRef", json!("view")),
        ]);
        return faults;
    }
    for list in [json!([]), Value::Null, json!(["get", "*"])] {
        faults.push(("rules.0.verbs", list.clone()));
        faults.push(("rules.1.verbs", list.clone()));
        faults.push(("rules.0.apiGroups", list.clone()));
        faults.push(("rules.0.resources", list.clone()));
        faults.push(("rules.1.resourceNames", list));
    }
    faults.extend([
        ("rules.0.nonResourceURLs", json!(["/a", "/b*", "<&>"])),
        (
            "rules.1",
            json!({ "verbs": ["get"], "nonResourceURLs": ["/healthz"] }),
        ),
        (
            "rules.1",
            json!({ "nonResourceURLs": ["/healthz"], "resourceNames": ["x"] }),
        ),
        ("rules.1", json!({})),
        ("rules", json!([])),
        ("rules", Value::Null),
        ("rules", json!({})),
        ("rules.0", json!("all")),
        ("rules.0.verbs", json!("get")),
        ("rules.0.resources", json!([1])),
    ]);
    let selectors = [
        json!({}),
        json!({ "clusterRoleSelectors": [] }),
        json!({ "clusterRoleSelectors": [{}] }),
        json!({ "clusterRoleSelectors": [{ "matchLabels": { "a": "b" } }] }),
        json!({ "clusterRoleSelectors": [{ "matchLabels": { "a b": "c d" } }] }),
        json!({ "clusterRoleSelectors": [
            {},
            { "matchExpressions": [{ "key": "a", "operator": "In" }] },
        ] }),
        json!({ "clusterRoleSelectors": [
            { "matchExpressions": [{ "key": "a", "operator": "Exists", "values": ["x"] }] },
        ] }),
        json!({ "clusterRoleSelectors": [
            { "matchExpressions": [{ "key": "/", "operator": "Like", "values": ["not ok"] }] },
        ] }),
        json!({ "clusterRoleSelectors": [
            { "matchExpressions": [{ "key": "a", "operator": "NotIn", "values": ["x", "y z"] }] },
        ] }),
        json!({ "clusterRoleSelectors": "all" }),
        json!([]),
    ];
    faults.extend(selectors.into_iter().map(|s| ("aggregationRule", s)));
    faults
}

/// Sets what the dotted path leads to; passes over a path that leads nowhere.
fn put(object: &mut Value, path: &str, value: Value) {
    let (inside, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut place = object;
    for step in inside.split('.').filter(|step| !step.is_empty()) {
        let next = match step.parse::<usize>() {
            Ok(index) => place.get_mut(index),
            Err(_) => place.get_mut(step),
        };
        match next {
            Some(next) => place = next,
            None => return,
        }
    }
    match (place, last.parse::<usize>()) {
        (Value::Array(list), Ok(index)) if index < list.len() => list[index] = value,
        (Value::Object(map), Err(_)) if value.is_null() => {
            map.remove(last);
        }
        (Value::Object(map), Err(_)) => {
            map.insert(last.to_owned(), value);
        }
        _ => {}
    }
}
