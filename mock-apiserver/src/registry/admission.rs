//! What the API server's admission plugins and the few controllers that are
//! played here do: namespaces with their contents, defaults for pods, and
//! addresses for services.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kind::{Id, KINDS, Kind};
use super::object::{self, at, default, meta, set, set_meta, text};
use super::schema::newest;
use super::store::{State, key};
use crate::wire::{Cause, Status};

/// The namespaces every cluster has.
pub const SYSTEM_NAMESPACES: [&str; 4] =
    ["default", "kube-node-lease", "kube-public", "kube-system"];
/// Of these, the ones that may not be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Cluster addresses come from 10.100.0.0/16, as EKS has it.
const SERVICE_NETWORK: [u8; 2] = [10, 100];
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// A namespace as it stands in the store.
pub fn namespace(name: &str, created: &str) -> Value {
    json!({
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "uid": object::new_uid(),
            "resourceVersion": "",
            "creationTimestamp": created,
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

/// The service that clients in a cluster find the API server by.
pub fn kubernetes_service(created: &str) -> Value {
    json!({
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "uid": object::new_uid(),
            "resourceVersion": "",
            "creationTimestamp": created,
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 443}],
            "clusterIP": "10.100.0.1",
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "clusterIPs": ["10.100.0.1"],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    })
}

/// Puts into a namespace what the controller manager would: the default
/// service account and the cluster's CA, `ca_pem`, for pods.
pub fn furnish_namespace(state: &mut State, name: &str, created: &str, ca_pem: &str) {
    let metadata = |object: &str| {
        json!({
            "name": object,
            "namespace": name,
            "uid": object::new_uid(),
            "resourceVersion": "",
            "creationTimestamp": created,
        })
    };
    if state
        .get(Id::ServiceAccount, &key(name, "default"))
        .is_none()
    {
        state.put(
            Id::ServiceAccount,
            json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": metadata("default")}),
        );
    }
    if state
        .get(Id::ConfigMap, &key(name, "kube-root-ca.crt"))
        .is_none()
    {
        let mut config_map = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata("kube-root-ca.crt"), "data": {"ca.crt": ca_pem}});
        set(
            &mut config_map,
            &["metadata", "annotations"],
            "kubernetes.io/description",
            "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
        );
        state.put(Id::ConfigMap, config_map);
    }
}

/// NamespaceLifecycle: nothing is made in a namespace that is missing or
/// going.
///
/// # Errors
/// 404 and 403 in Kubernetes' words.
pub fn check_namespace(
    state: &State,
    kind: &Kind,
    namespace: &str,
    name: &str,
) -> Result<(), Status> {
    if !kind.namespaced {
        return Ok(());
    }
    let Some(found) = state.get(Id::Namespace, namespace) else {
        return Err(Status::not_found("", "namespaces", namespace));
    };
    if meta(&found.value, "deletionTimestamp").is_empty() {
        return Ok(());
    }
    let mut status = Status::forbidden(
        kind.group,
        kind.plural,
        name,
        &format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        ),
    );
    if let Some(details) = &mut status.details {
        details.causes.push(Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        });
    }
    Err(status)
}

/// # Errors
/// 403 for the namespaces a cluster cannot be without.
pub fn check_mortal(name: &str) -> Result<(), Status> {
    if IMMORTAL.contains(&name) {
        return Err(Status::forbidden(
            "",
            "namespaces",
            name,
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}

/// Changes a new object as the admission plugins that are on by default do.
///
/// # Errors
/// 403 where a plugin refuses.
pub fn mutate_new(state: &State, id: Id, object: &mut Value) -> Result<(), Status> {
    match id {
        Id::Pod => pod(state, object),
        _ => Ok(()),
    }
}

/// ServiceAccount, DefaultTolerationSeconds and Priority.
fn pod(state: &State, pod: &mut Value) -> Result<(), Status> {
    let namespace = meta(pod, "namespace").to_owned();
    default(pod, &["spec"], "serviceAccountName", "default");
    let account = text(pod, &["spec", "serviceAccountName"]).to_owned();
    set(pod, &["spec"], "serviceAccount", account.as_str());
    let Some(found) = state.get(Id::ServiceAccount, &key(&namespace, &account)) else {
        return Err(Status::forbidden(
            "",
            "pods",
            meta(pod, "name"),
            &format!(
                "error looking up service account {namespace}/{account}: serviceaccount {} not found",
                crate::wire::quote(&account)
            ),
        ));
    };
    let wants_token = at(pod, &["spec", "automountServiceAccountToken"])
        .as_bool()
        .or_else(|| at(&found.value, &["automountServiceAccountToken"]).as_bool())
        .unwrap_or(true);
    if wants_token {
        mount_token(pod);
    }
    for taint in ["not-ready", "unreachable"] {
        let taint = format!("node.kubernetes.io/{taint}");
        let Some(spec) = object::object_mut(pod, &["spec"]) else {
            continue;
        };
        let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
        if let Some(list) = tolerations.as_array_mut()
            && !list.iter().any(|t| {
                let (key, effect) = (text(t, &["key"]), text(t, &["effect"]));
                (key == taint || key.is_empty()) && matches!(effect, "" | "NoExecute")
            })
        {
            list.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    default(pod, &["spec"], "priority", 0);
    default(pod, &["spec"], "preemptionPolicy", "PreemptLowerPriority");
    Ok(())
}

/// The projected volume with a token, the cluster's CA and the namespace.
fn mount_token(pod: &mut Value) {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let volume = format!("kube-api-access-{}", object::random_suffix());
    let mut used = false;
    for list in ["initContainers", "containers"] {
        let Some(containers) = pod
            .get_mut("spec")
            .and_then(|s| s.get_mut(list))
            .and_then(Value::as_array_mut)
        else {
            continue;
        };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
            if let Some(mounts) = mounts.as_array_mut()
                && !mounts.iter().any(|m| text(m, &["mountPath"]) == PATH)
            {
                mounts.push(json!({"name": volume, "readOnly": true, "mountPath": PATH}));
                used = true;
            }
        }
    }
    if !used {
        return;
    }
    let Some(spec) = object::object_mut(pod, &["spec"]) else {
        return;
    };
    if let Some(volumes) = spec
        .entry("volumes")
        .or_insert_with(|| json!([]))
        .as_array_mut()
    {
        volumes.push(json!({
            "name": volume,
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
                ],
                "defaultMode": 420,
            },
        }));
    }
}

/// What a kind's strategy sets on a new object, before it is validated.
pub fn prepare_new(id: Id, object: &mut Value) {
    match id {
        Id::Namespace => {
            set(object, &["spec"], "finalizers", json!(["kubernetes"]));
            object["status"] = json!({"phase": "Active"});
            // The label for generated names, which defaulting could not know.
            super::defaults::apply(id, object);
        }
        Id::Pod => {
            set_meta(object, "generation", 1);
            let class = qos_class(object);
            object["status"] = json!({"phase": "Pending", "qosClass": class});
        }
        Id::Deployment => {
            set_meta(object, "generation", 1);
            object["status"] = json!({});
        }
        Id::Service => object["status"] = json!({"loadBalancer": {}}),
        _ => {}
    }
}

/// A pod's quality of service, from its containers' requests and limits.
fn qos_class(pod: &Value) -> &'static str {
    let containers = ["containers", "initContainers"]
        .iter()
        .filter_map(|list| at(pod, &["spec", list]).as_array())
        .flatten();
    let (mut any, mut all) = (false, true);
    for container in containers {
        let of = |what: &str, name: &str| at(container, &["resources", what, name]).clone();
        for name in ["cpu", "memory"] {
            let (request, limit) = (of("requests", name), of("limits", name));
            any = any || !request.is_null() || !limit.is_null();
            all = all && !limit.is_null() && (request.is_null() || request == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Gives a service what it needs of the cluster's addresses and ports; `old`
/// keeps its own.
///
/// # Errors
/// 422 where it asks for something that is taken or out of range.
pub fn allocate(state: &State, service: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    let kind = text(service, &["spec", "type"]).to_owned();
    if kind == "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let Some(spec) = object::object_mut(service, &["spec"]) {
                spec.shift_remove(field);
            }
        }
        return Ok(());
    }
    if let Some(old) = old
        && text(old, &["spec", "type"]) != "ExternalName"
    {
        // What was given stays, whoever writes the object without it.
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            let before = at(old, &["spec", field]).clone();
            if !before.is_null() {
                default(service, &["spec"], field, before);
            }
        }
    }
    let name = meta(service, "name").to_owned();
    let me = key(meta(service, "namespace"), &name);
    let others = || {
        state
            .range(Id::Service, "", "")
            .filter(|(key, _)| **key != me)
            .map(|(_, stored)| &stored.value)
    };
    let invalid = |field: &str, value: Value, detail: &str| {
        Status::invalid(
            "",
            "Service",
            &name,
            vec![Cause::new(
                field,
                crate::wire::Fault::Invalid,
                Some(&value),
                detail,
            )],
        )
    };
    let taken: BTreeSet<&str> = others().map(|s| text(s, &["spec", "clusterIP"])).collect();
    let address = text(service, &["spec", "clusterIP"]).to_owned();
    if address.is_empty() {
        let free = (10_u16..=u16::MAX - 1)
            .map(|n| {
                let [high, low] = n.to_be_bytes();
                format!("{}.{}.{high}.{low}", SERVICE_NETWORK[0], SERVICE_NETWORK[1])
            })
            .find(|address| !taken.contains(address.as_str()))
            .ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?;
        set(service, &["spec"], "clusterIP", free);
    } else if address != "None" && taken.contains(address.as_str()) {
        return Err(invalid(
            "spec.clusterIPs",
            json!([address]),
            &format!("failed to allocate IP {address}: provided IP is already allocated"),
        ));
    }
    let address = text(service, &["spec", "clusterIP"]).to_owned();
    set(service, &["spec"], "clusterIPs", json!([address]));
    default(service, &["spec"], "ipFamilies", json!(["IPv4"]));
    default(service, &["spec"], "ipFamilyPolicy", "SingleStack");
    if !matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        return Ok(());
    }
    let mut ports: BTreeSet<u64> = others()
        .filter_map(|s| at(s, &["spec", "ports"]).as_array())
        .flatten()
        .filter_map(|p| at(p, &["nodePort"]).as_u64())
        .collect();
    let before = old.and_then(|old| at(old, &["spec", "ports"]).as_array().cloned());
    let Some(list) = service
        .get_mut("spec")
        .and_then(|s| s.get_mut("ports"))
        .and_then(Value::as_array_mut)
    else {
        return Ok(());
    };
    for (index, port) in list.iter_mut().enumerate() {
        if at(port, &["nodePort"]).as_u64().unwrap_or(0) == 0 {
            let same = before.iter().flatten().find(|p| {
                at(p, &["port"]) == at(port, &["port"])
                    && at(p, &["protocol"]) == at(port, &["protocol"])
            });
            let kept = same.and_then(|p| at(p, &["nodePort"]).as_u64());
            let free = kept
                .filter(|port| !ports.contains(port))
                .or_else(|| NODE_PORTS.map(u64::from).find(|port| !ports.contains(port)))
                .ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?;
            set(port, &[], "nodePort", free);
        } else {
            let asked = at(port, &["nodePort"]).as_u64().unwrap_or(0);
            let field = format!("spec.ports[{index}].nodePort");
            if !NODE_PORTS.contains(&u16::try_from(asked).unwrap_or(0)) {
                return Err(invalid(
                    &field,
                    asked.into(),
                    &format!(
                        "provided port is not in the valid range. The range of valid ports is {}-{}",
                        NODE_PORTS.start(),
                        NODE_PORTS.end()
                    ),
                ));
            }
            if ports.contains(&asked) {
                return Err(invalid(
                    &field,
                    asked.into(),
                    "provided port is already allocated",
                ));
            }
        }
        ports.extend(at(port, &["nodePort"]).as_u64());
    }
    Ok(())
}

/// Marks an object as being deleted; it stays until its finalizers are gone.
pub fn mark_deleted(object: &mut Value, now: Timestamp) {
    if meta(object, "deletionTimestamp").is_empty() {
        set_meta(object, "deletionTimestamp", object::time(now));
        set_meta(object, "deletionGracePeriodSeconds", 0);
        if let Some(generation) = at(object, &["metadata", "generation"]).as_u64() {
            set_meta(object, "generation", generation + 1);
        }
    }
}

/// Removes what a namespace that is being deleted holds, and then itself, as
/// the namespace controller does. Objects with finalizers of their own stay,
/// and the namespace with them. Whether RBAC objects went with it is told.
pub fn finish_namespace(state: &mut State, name: &str, now: Timestamp) -> Vec<(Id, Value)> {
    let mut gone = Vec::new();
    let mut left = false;
    for kind in KINDS.iter().filter(|k| k.namespaced) {
        let keys: Vec<String> = state
            .range(kind.id, name, "")
            .map(|(k, _)| k.clone())
            .collect();
        for key in keys {
            match delete_or_mark(state, kind.id, &key, now) {
                Some(value) if kind.id.is_rbac() => gone.push((kind.id, value)),
                Some(_) => {}
                None => left = true,
            }
        }
    }
    if left {
        return gone;
    }
    let Some(namespace) = state.get(Id::Namespace, name) else {
        return gone;
    };
    let mut value = namespace.value.clone();
    let finalizers: Vec<Value> = at(&value, &["spec", "finalizers"])
        .as_array()
        .into_iter()
        .flatten()
        .filter(|f| **f != "kubernetes")
        .cloned()
        .collect();
    let done = finalizers.is_empty() && !has_finalizers(&value);
    if done {
        state.remove(Id::Namespace, name);
    } else {
        set(&mut value, &["spec"], "finalizers", finalizers);
        let value = canonical(Id::Namespace, value);
        if value != namespace.value {
            state.put(Id::Namespace, value);
        }
    }
    gone
}

/// Removes an object, or marks it when it has finalizers. The object, if it
/// went.
fn delete_or_mark(state: &mut State, id: Id, key: &str, now: Timestamp) -> Option<Value> {
    let stored = state.get(id, key)?;
    if !has_finalizers(&stored.value) {
        return state.remove(id, key).map(|gone| gone.value.clone());
    }
    if meta(&stored.value, "deletionTimestamp").is_empty() {
        let mut value = stored.value.clone();
        mark_deleted(&mut value, now);
        state.put(id, canonical(id, value));
    }
    None
}

/// Whether something has to happen before the object may go.
pub fn has_finalizers(object: &Value) -> bool {
    at(object, &["metadata", "finalizers"])
        .as_array()
        .is_some_and(|f| !f.is_empty())
}

/// The object as it would be encoded: fields in order, empty ones left out.
pub fn canonical(id: Id, value: Value) -> Value {
    let schema = newest();
    let mut value = schema
        .message(id.kind().message)
        .and_then(|message| schema.decode(message, &value).ok())
        .map_or(value, |decoded| decoded.value);
    // The storage's protobuf knows no list that is there and empty; of all that
    // is stored these alone are written where they are not there.
    if matches!(id, Id::Role | Id::ClusterRole) && value["rules"] == json!([]) {
        value["rules"] = Value::Null;
    }
    value
}
