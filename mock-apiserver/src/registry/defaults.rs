//! What the API server fills in when it decodes an object (kubernetes,
//! `pkg/apis/{core,apps,rbac}/v1/defaults.go`).
//!
//! Without these a `kubectl apply` of the same file twice would not say
//! "unchanged" for the reasons it does on a cluster.

use serde_json::{Map, Value, json};

use super::kind::Id;
use super::object::{at, default, default_in, meta, object_mut, set, text};

/// Fills in the defaults of a kind.
pub fn apply(id: Id, object: &mut Value) {
    match id {
        Id::Namespace => namespace(object),
        Id::Secret => {
            merge_string_data(object);
            default(object, &[], "type", "Opaque");
        }
        Id::Service => service(object),
        Id::Pod => {
            if let Some(spec) = object_mut(object, &["spec"]) {
                pod(spec);
                pod_spec(spec);
            }
        }
        Id::Deployment => deployment(object),
        Id::Role | Id::ClusterRole | Id::RoleBinding | Id::ClusterRoleBinding => {
            kube_rbac::defaulted(object);
        }
        Id::Node => pod_ranges(object),
        Id::ConfigMap | Id::ServiceAccount | Id::Unstored => {}
    }
}

fn namespace(object: &mut Value) {
    let name = meta(object, "name").to_owned();
    if !name.is_empty() {
        set(
            object,
            &["metadata", "labels"],
            "kubernetes.io/metadata.name",
            name,
        );
    }
    default(object, &["status"], "phase", "Active");
}

/// A node's one range is the first of its ranges.
fn pod_ranges(object: &mut Value) {
    let first = text(object, &["spec", "podCIDR"]).to_owned();
    if !first.is_empty() {
        default(object, &["spec"], "podCIDRs", json!([first]));
    }
}

/// `stringData` is for writing only: it ends up in `data`.
fn merge_string_data(object: &mut Value) {
    use base64::Engine as _;
    let Some(Value::Object(strings)) = object
        .as_object_mut()
        .and_then(|map| map.shift_remove("stringData"))
    else {
        return;
    };
    for (key, value) in strings {
        let value = value.as_str().unwrap_or_default();
        let encoded = base64::engine::general_purpose::STANDARD.encode(value);
        set(object, &["data"], &key, encoded);
    }
}

fn service(object: &mut Value) {
    let Some(spec) = object_mut(object, &["spec"]) else {
        return;
    };
    default_in(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "None" {
        spec.shift_remove("sessionAffinityConfig");
    } else if spec["sessionAffinity"] == "ClientIP" {
        let config = spec
            .entry("sessionAffinityConfig")
            .or_insert_with(|| json!({}));
        if at(config, &["clientIP", "timeoutSeconds"]).is_null() {
            *config = json!({"clientIP": {"timeoutSeconds": 10_800}});
        }
    }
    default_in(spec, "type", "ClusterIP");
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    for port in items_mut(spec, "ports") {
        default_in(port, "protocol", "TCP");
        let unset = match port.get("targetPort") {
            None => true,
            Some(target) => target == 0 || target == "",
        };
        if unset {
            let target = port.get("port").cloned().unwrap_or_else(|| 0.into());
            port.insert("targetPort".to_owned(), target);
        }
    }
    let external_ips = spec
        .get("externalIPs")
        .and_then(Value::as_array)
        .is_some_and(|ips| !ips.is_empty());
    let external = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
        || (kind == "ClusterIP" && external_ips);
    if external {
        default_in(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        default_in(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default_in(spec, "allocateLoadBalancerNodePorts", true);
    }
}

fn deployment(object: &mut Value) {
    let Some(spec) = object_mut(object, &["spec"]) else {
        return;
    };
    default_in(spec, "replicas", 1);
    default_in(spec, "revisionHistoryLimit", 10);
    default_in(spec, "progressDeadlineSeconds", 600);
    let strategy = spec.entry("strategy").or_insert_with(|| json!({}));
    default(strategy, &[], "type", "RollingUpdate");
    if text(strategy, &["type"]) == "RollingUpdate" {
        default(strategy, &["rollingUpdate"], "maxUnavailable", "25%");
        default(strategy, &["rollingUpdate"], "maxSurge", "25%");
    }
    let template = spec.entry("template").or_insert_with(|| json!({}));
    if let Some(spec) = object_mut(template, &["spec"]) {
        pod_spec(spec);
    }
}

/// What pods get and templates of pods do not.
fn pod(spec: &mut Map<String, Value>) {
    for list in ["containers", "initContainers"] {
        for container in items_mut(spec, list) {
            let limits = container
                .get("resources")
                .map(|r| at(r, &["limits"]).clone());
            if let Some(Value::Object(limits)) = limits {
                let resources = container.entry("resources").or_insert_with(|| json!({}));
                for (name, limit) in limits {
                    default(resources, &["requests"], &name, limit);
                }
            }
        }
    }
    default_in(spec, "enableServiceLinks", true);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        for list in ["containers", "initContainers"] {
            for container in items_mut(spec, list) {
                for port in items_mut(container, "ports") {
                    if let Some(number) = port.get("containerPort").cloned() {
                        default_in(port, "hostPort", number);
                    }
                }
            }
        }
    }
}

fn pod_spec(spec: &mut Map<String, Value>) {
    let account = ["serviceAccountName", "serviceAccount"]
        .iter()
        .filter_map(|key| spec.get(*key).and_then(Value::as_str))
        .find(|name| !name.is_empty())
        .map(str::to_owned);
    if let Some(account) = account {
        spec.insert("serviceAccountName".to_owned(), account.clone().into());
        spec.insert("serviceAccount".to_owned(), account.into());
    }
    default_in(spec, "dnsPolicy", "ClusterFirst");
    default_in(spec, "restartPolicy", "Always");
    default_in(spec, "securityContext", json!({}));
    default_in(spec, "terminationGracePeriodSeconds", 30);
    default_in(spec, "schedulerName", "default-scheduler");
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items_mut(spec, list) {
            self::container(container);
        }
    }
    for volume in items_mut(spec, "volumes") {
        self::volume(volume);
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let policy = if is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    };
    default_in(container, "imagePullPolicy", policy);
    default_in(container, "terminationMessagePath", "/dev/termination-log");
    default_in(container, "terminationMessagePolicy", "File");
    for port in items_mut(container, "ports") {
        default_in(port, "protocol", "TCP");
    }
    for variable in items_mut(container, "env") {
        if let Some(source) = variable.get_mut("valueFrom")
            && !at(source, &["fieldRef"]).is_null()
        {
            default(source, &["fieldRef"], "apiVersion", "v1");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(Value::Object(probe)) = container.get_mut(probe) {
            for (key, value) in [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ] {
                if probe.get(key).is_none_or(|n| n == 0) {
                    probe.insert(key.to_owned(), value.into());
                }
            }
            http_get(probe);
            if let Some(Value::Object(grpc)) = probe.get_mut("grpc") {
                default_in(grpc, "service", "");
            }
        }
    }
    if let Some(Value::Object(lifecycle)) = container.get_mut("lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(Value::Object(hook)) = lifecycle.get_mut(hook) {
                http_get(hook);
            }
        }
    }
}

fn http_get(handler: &mut Map<String, Value>) {
    if let Some(Value::Object(get)) = handler.get_mut("httpGet") {
        default_in(get, "path", "/");
        default_in(get, "scheme", "HTTP");
    }
}

fn volume(volume: &mut Map<String, Value>) {
    const MODE: i32 = 0o644;
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(Value::Object(source)) = volume.get_mut(source) {
            default_in(source, "defaultMode", MODE);
        }
    }
    for source in ["downwardAPI", "projected"] {
        let Some(Value::Object(source)) = volume.get_mut(source) else {
            continue;
        };
        field_refs(source);
        for projection in items_mut(source, "sources") {
            if let Some(Value::Object(token)) = projection.get_mut("serviceAccountToken") {
                default_in(token, "expirationSeconds", 3600);
            }
            if let Some(Value::Object(downward)) = projection.get_mut("downwardAPI") {
                field_refs(downward);
            }
        }
    }
    if let Some(Value::Object(path)) = volume.get_mut("hostPath")
        && !path.contains_key("type")
    {
        path.insert("type".to_owned(), "".into());
    }
}

fn field_refs(downward: &mut Map<String, Value>) {
    for item in items_mut(downward, "items") {
        if let Some(Value::Object(reference)) = item.get_mut("fieldRef") {
            default_in(reference, "apiVersion", "v1");
        }
    }
}

/// Whether an image reference means the tag `latest`: said or unsaid, but
/// not beside a digest.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => !image.is_empty(),
    }
}

/// The objects in the list `map[key]`.
fn items_mut<'a>(
    map: &'a mut Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    map.get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("nginx", true)]
    #[case("nginx:latest", true)]
    #[case("nginx:1.29", false)]
    #[case("registry:5000/nginx", true)]
    #[case("nginx@sha256:abc", false)]
    #[case("", false)]
    fn only_latest_is_always_pulled(#[case] image: &str, #[case] expected: bool) {
        assert_eq!(is_latest(image), expected);
    }

    #[test]
    fn a_secrets_string_data_is_encoded_into_its_data() {
        let mut secret = json!({"data": {"a": "eA=="}, "stringData": {"a": "1", "b": "2"}});
        apply(Id::Secret, &mut secret);
        assert_eq!(
            secret,
            json!({"data": {"a": "MQ==", "b": "Mg=="}, "type": "Opaque"})
        );
    }

    #[test]
    fn a_service_gets_its_ports_and_policies() {
        let mut service = json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}});
        apply(Id::Service, &mut service);
        assert_eq!(
            service,
            json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
                "sessionAffinity": "None", "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster"}})
        );
    }
}
