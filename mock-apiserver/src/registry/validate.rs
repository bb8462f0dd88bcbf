//! What is refused although it is well-formed (kubernetes,
//! `pkg/apis/{core,apps}/validation`; RBAC's own rules are kube-rbac's).

use std::collections::HashSet;

use base64::Engine as _;
use kube_rbac::Version;
use kube_rbac::names::{NameRule, label, label_key, label_value, subdomain};
use kube_rbac::validate::{Metadata, check_labels};
use serde_json::{Map, Value, json};

use super::addresses;
use super::kind::{Id, Kind};
use super::object::{at, text};
use crate::wire::{Cause, Fault, quote};

/// A ConfigMap's or Secret's content may have this many bytes.
const DATA_LIMIT: usize = 1024 * 1024;
const IMMUTABLE: &str = "field is immutable";

/// The faults of a new object.
pub fn create(version: Version, kind: &Kind, object: &Value) -> Vec<Cause> {
    if kind.id.is_rbac() {
        return told(kube_rbac::validate::create(version, &kind.typed(object)));
    }
    let metadata = Metadata::of(version, kind.kind, object).map(|metadata| {
        let mut errors = metadata.check(kind.namespaced, kind.names);
        errors.extend(metadata.check_finalizer_names());
        errors
    });
    let mut faults = Faults(told(metadata), version);
    faults.content(kind.id, object, None);
    faults.0
}

/// The faults of an object that replaces another. What is found twice, by the
/// registry and by the kind's own rules, is said once.
pub fn update(version: Version, kind: &Kind, new: &Value, old: &Value) -> Vec<Cause> {
    if kind.id.is_rbac() {
        let (new, old) = (kind.typed(new), kind.typed(old));
        return told(kube_rbac::validate::update(version, &new, &old));
    }
    let metadata = |object| Metadata::of(version, kind.kind, object);
    let errors = metadata(new).and_then(|new| {
        let mut errors = new.check(kind.namespaced, NameRule::PathSegment);
        errors.extend(new.check_update(&metadata(old)?));
        errors.extend(new.check_finalizer_names());
        Ok(errors)
    });
    let mut faults = Faults(told(errors), version);
    match kind.id {
        Id::Secret => {
            if text(new, &["type"]) != text(old, &["type"]) {
                faults.invalid("type", &new["type"], IMMUTABLE);
            }
            faults.sealed(new, old, &["data"]);
        }
        Id::ConfigMap => faults.sealed(new, old, &["data", "binaryData"]),
        Id::Deployment => {
            let (selector, before) = (
                at(new, &["spec", "selector"]),
                at(old, &["spec", "selector"]),
            );
            if selector != before {
                faults.invalid("spec.selector", selector, IMMUTABLE);
            }
        }
        Id::Service => faults.service_update(new, old),
        Id::Pod => faults.pod_update(new, old),
        _ => {}
    }
    faults.content(kind.id, new, Some(old));
    let mut said = HashSet::new();
    faults
        .0
        .retain(|cause| said.insert((cause.field.clone(), cause.message.clone())));
    faults.0
}

fn told(result: Result<Vec<kube_rbac::validate::FieldError>, kube_rbac::ParseError>) -> Vec<Cause> {
    match result {
        Ok(errors) => errors
            .iter()
            .map(|error| Cause {
                reason: error.reason().to_owned(),
                message: error.body(),
                field: error.field.clone(),
            })
            .collect(),
        Err(error) => vec![Cause::new("", Fault::Invalid, None, &error.to_string())],
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A collection of causes that knows how they are spelt, in a minor's words.
struct Faults(Vec<Cause>, Version);

impl Faults {
    fn required(&mut self, field: &str, detail: &str) {
        self.0
            .push(Cause::new(field, Fault::Required, None, detail));
    }

    fn invalid(&mut self, field: &str, value: &Value, detail: &str) {
        self.0
            .push(Cause::new(field, Fault::Invalid, Some(value), detail));
    }

    fn labels(&mut self, labels: &Map<String, Value>, field: &str) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = labels.iter().map(|(key, value)| (key.clone(), text(value)));
        let errors = check_labels(self.1, &labels.collect(), field);
        self.0.extend(told(Ok(errors)));
    }

    fn forbidden(&mut self, field: &str, detail: &str) {
        self.0
            .push(Cause::new(field, Fault::Forbidden, None, detail));
    }

    fn duplicate(&mut self, field: &str, value: &Value) {
        self.0
            .push(Cause::new(field, Fault::Duplicate, Some(value), ""));
    }

    fn supported(&mut self, field: &str, value: &Value, supported: &[&str]) {
        let text = value.as_str().unwrap_or_default();
        if supported.contains(&text) {
            return;
        }
        let list: Vec<String> = supported.iter().map(|s| format!("\"{s}\"")).collect();
        self.0.push(Cause::new(
            field,
            Fault::NotSupported,
            Some(&text.into()),
            &format!("supported values: {}", list.join(", ")),
        ));
    }

    fn not_negative(&mut self, field: &str, value: &Value) {
        if value.as_i64().is_some_and(|n| n < 0) {
            self.invalid(field, value, "must be greater than or equal to 0");
        }
    }

    fn content(&mut self, id: Id, object: &Value, old: Option<&Value>) {
        match id {
            Id::ConfigMap => self.config_map(object),
            Id::Secret => self.secret(object),
            Id::Service => self.service(object, old),
            Id::Pod if old.is_none() => self.pod_spec(object, "spec", &["spec"]),
            Id::Deployment => self.deployment(object),
            Id::Node => self.node(object, old),
            _ => {}
        }
    }

    /// On an update, ranges that were given stay, and are not looked at.
    fn node(&mut self, node: &Value, old: Option<&Value>) {
        self.taints(at(node, &["spec", "taints"]));
        let field = "spec.podCIDRs";
        let (ranges, before) = (
            at(node, &["spec", "podCIDRs"]),
            old.map_or(&Value::Null, |old| at(old, &["spec", "podCIDRs"])),
        );
        if !before.is_null() {
            if ranges != before {
                self.forbidden(
                    field,
                    "node updates may not change podCIDR except from \"\" to valid",
                );
            }
            return;
        }
        let mut families = HashSet::new();
        for (index, range) in items(ranges).enumerate() {
            let text = range.as_str().unwrap_or_default();
            if let Some(fault) = addresses::range_fault(text) {
                self.invalid(&format!("{field}[{index}]"), range, fault);
            }
            if !families.insert(text.contains(':')) {
                self.invalid(
                    field,
                    ranges,
                    "may specify no more than one CIDR for each IP family",
                );
                break;
            }
        }
    }

    fn taints(&mut self, taints: &Value) {
        let mut seen = HashSet::new();
        for (index, taint) in items(taints).enumerate() {
            let field = |name: &str| format!("metadata.taints[{index}].{name}");
            let (key, value, effect) = (
                text(taint, &["key"]),
                text(taint, &["value"]),
                text(taint, &["effect"]),
            );
            for fault in label_key(self.1, key) {
                self.invalid(&field("key"), &key.into(), &fault);
            }
            let faults = label_value(self.1, value);
            if !faults.is_empty() {
                self.invalid(&field("value"), &value.into(), &faults.join(";"));
            }
            if effect.is_empty() {
                self.required(&field("effect"), "");
            } else {
                self.supported(
                    &field("effect"),
                    &taint["effect"],
                    &["NoSchedule", "PreferNoSchedule", "NoExecute"],
                );
            }
            if !seen.insert((key, effect)) {
                self.0.push(Cause::new(
                    &format!("metadata.taints[{index}]"),
                    Fault::Duplicate,
                    Some(&json!({"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint["timeAdded"]})),
                    "taints must be unique by key and effect pair",
                ));
            }
        }
    }

    /// An address that is asked for; one that was given already stays.
    fn cluster_ip(&mut self, spec: &Value, old: Option<&Value>) {
        let address = text(spec, &["clusterIP"]);
        let kept = old.is_some_and(|old| text(old, &["spec", "clusterIP"]) == address);
        if matches!(address, "" | "None") || kept {
            return;
        }
        if let Some(fault) = addresses::address_fault(address) {
            self.invalid("spec.clusterIPs[0]", &address.into(), fault);
        }
    }

    /// `immutable: true` seals a ConfigMap or Secret for ever.
    fn sealed(&mut self, new: &Value, old: &Value, fields: &[&str]) {
        const SEALED: &str = "field is immutable when `immutable` is set";
        if old["immutable"] != true {
            return;
        }
        if new["immutable"] != true {
            self.forbidden("immutable", SEALED);
        }
        for field in fields {
            if at(new, &[field]) != at(old, &[field]) {
                self.forbidden(field, SEALED);
            }
        }
    }

    fn data_keys(&mut self, field: &str, data: &Map<String, Value>) {
        for key in data.keys() {
            let valid = !key.is_empty()
                && key
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            let value = Value::from(key.as_str());
            let field = format!("{field}[{key}]");
            if key.len() > 253 {
                self.invalid(&field, &value, "must be no more than 253 bytes");
            }
            if !valid {
                self.invalid(&field, &value, "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
            }
            match key.as_str() {
                "." => self.invalid(&field, &value, "must not be '.'"),
                ".." => self.invalid(&field, &value, "must not be '..'"),
                key if key.starts_with("..") => {
                    self.invalid(&field, &value, "must not start with '..'");
                }
                _ => {}
            }
        }
    }

    fn too_long(&mut self, field: &str) {
        self.0.push(Cause {
            reason: "FieldValueTooLong".to_owned(),
            message: format!("Too long: may not be more than {DATA_LIMIT} bytes"),
            field: field.to_owned(),
        });
    }

    fn config_map(&mut self, object: &Value) {
        let data = at(object, &["data"]).as_object();
        let binary = at(object, &["binaryData"]).as_object();
        let mut size = 0;
        if let Some(data) = data {
            self.data_keys("data", data);
            for (key, value) in data {
                size += value.as_str().map_or(0, str::len);
                if binary.is_some_and(|b| b.contains_key(key)) {
                    self.invalid(
                        &format!("data[{key}]"),
                        &key.as_str().into(),
                        "duplicate of key present in binaryData",
                    );
                }
            }
        }
        if let Some(binary) = binary {
            self.data_keys("binaryData", binary);
            size += binary.values().map(decoded_len).sum::<usize>();
        }
        if size > DATA_LIMIT {
            self.too_long("");
        }
    }

    fn secret(&mut self, object: &Value) {
        let none = Map::new();
        let data = at(object, &["data"]).as_object().unwrap_or(&none);
        self.data_keys("data", data);
        if data.values().map(decoded_len).sum::<usize>() > DATA_LIMIT {
            self.too_long("data");
        }
        let kind = text(object, &["type"]);
        match kind {
            "kubernetes.io/service-account-token" => {
                const NAME: &str = "kubernetes.io/service-account.name";
                if text(object, &["metadata", "annotations", NAME]).is_empty() {
                    self.required(&format!("metadata.annotations[{NAME}]"), "");
                }
            }
            "kubernetes.io/dockercfg" => self.json_key(data, ".dockercfg"),
            "kubernetes.io/dockerconfigjson" => self.json_key(data, ".dockerconfigjson"),
            "kubernetes.io/basic-auth"
                if !data.contains_key("username") && !data.contains_key("password") =>
            {
                self.required("data[username]", "");
                self.required("data[password]", "");
            }
            "kubernetes.io/ssh-auth" if data.get("ssh-privatekey").is_none_or(|v| v == "") => {
                self.required("data[ssh-privatekey]", "");
            }
            "kubernetes.io/tls" => {
                for key in ["tls.crt", "tls.key"] {
                    if !data.contains_key(key) {
                        self.required(&format!("data[{key}]"), "");
                    }
                }
            }
            _ => {}
        }
    }

    /// A key whose value has to be a JSON object. The value is a secret, and
    /// stays out of the message.
    fn json_key(&mut self, data: &Map<String, Value>, key: &str) {
        let field = format!("data[{key}]");
        let Some(value) = data.get(key) else {
            return self.required(&field, "");
        };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(value.as_str().unwrap_or_default())
            .unwrap_or_default();
        if serde_json::from_slice::<Map<String, Value>>(&bytes).is_err() {
            let why = if bytes.is_empty() {
                "unexpected end of JSON input"
            } else {
                "invalid character looking for beginning of value"
            };
            self.invalid(&field, &"<secret contents redacted>".into(), why);
        }
    }

    fn service(&mut self, object: &Value, old: Option<&Value>) {
        let spec = at(object, &["spec"]);
        let kind = text(spec, &["type"]);
        self.supported(
            "spec.type",
            &spec["type"],
            &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        );
        let headless = text(spec, &["clusterIP"]) == "None";
        let ports: Vec<&Value> = items(at(spec, &["ports"])).collect();
        if ports.is_empty() && !headless && kind != "ExternalName" {
            self.required("spec.ports", "");
        }
        match kind {
            "ExternalName" => {
                let target = text(spec, &["externalName"]).trim_end_matches('.');
                if target.is_empty() {
                    self.required("spec.externalName", "");
                } else {
                    for fault in subdomain(target) {
                        self.invalid("spec.externalName", &target.into(), &fault);
                    }
                }
            }
            "LoadBalancer" if headless => self.invalid(
                "spec.clusterIPs[0]",
                &"None".into(),
                "may not be set to 'None' for LoadBalancer services",
            ),
            "NodePort" if headless => self.invalid(
                "spec.clusterIPs[0]",
                &"None".into(),
                "may not be set to 'None' for NodePort services",
            ),
            _ => {}
        }
        if kind != "ExternalName" {
            self.cluster_ip(spec, old);
        }
        self.supported(
            "spec.sessionAffinity",
            &spec["sessionAffinity"],
            &["ClientIP", "None"],
        );
        let mut seen_names = HashSet::new();
        let mut seen_ports = HashSet::new();
        for (index, port) in ports.iter().enumerate() {
            let field = |name: &str| format!("spec.ports[{index}].{name}");
            let name = text(port, &["name"]);
            if name.is_empty() {
                if ports.len() > 1 {
                    self.required(&field("name"), "");
                }
            } else {
                for fault in label(name) {
                    self.invalid(&field("name"), &name.into(), &fault);
                }
                if !seen_names.insert(name) {
                    self.duplicate(&field("name"), &name.into());
                }
            }
            self.port_number(&field("port"), at(port, &["port"]));
            self.supported(
                &field("protocol"),
                &port["protocol"],
                &["SCTP", "TCP", "UDP"],
            );
            let target = at(port, &["targetPort"]);
            if let Some(target_name) = target.as_str() {
                for fault in port_name(target_name) {
                    self.invalid(&field("targetPort"), target, fault);
                }
            } else {
                self.port_number(&field("targetPort"), target);
            }
            let pair = (port["port"].as_i64(), text(port, &["protocol"]).to_owned());
            if !seen_ports.insert(pair) {
                self.duplicate(
                    &format!("spec.ports[{index}]"),
                    &json!({"port": port["port"], "protocol": port["protocol"]}),
                );
            }
        }
        if let Some(labels) = at(spec, &["selector"]).as_object() {
            self.labels(labels, "spec.selector");
        }
    }

    fn service_update(&mut self, new: &Value, old: &Value) {
        let (kind, before) = (text(new, &["spec", "type"]), text(old, &["spec", "type"]));
        if kind == "ExternalName" || before == "ExternalName" {
            return;
        }
        let (ip, ip_before) = (
            text(new, &["spec", "clusterIP"]),
            text(old, &["spec", "clusterIP"]),
        );
        if !ip_before.is_empty() && !ip.is_empty() && ip != ip_before {
            self.invalid("spec.clusterIPs[0]", &json!([ip]), IMMUTABLE);
        }
    }

    fn port_number(&mut self, field: &str, value: &Value) {
        if !value.as_i64().is_some_and(|n| (1..=65_535).contains(&n)) {
            let value = if value.is_null() { &json!(0) } else { value };
            self.invalid(field, value, "must be between 1 and 65535, inclusive");
        }
    }

    fn deployment(&mut self, object: &Value) {
        let spec = at(object, &["spec"]);
        self.not_negative("spec.replicas", at(spec, &["replicas"]));
        let selector = at(spec, &["selector"]);
        let labels = at(spec, &["template", "metadata", "labels"]);
        if selector.is_null() {
            self.required("spec.selector", "");
        } else {
            self.label_selector("spec.selector", selector);
        }
        if let Some(labels) = labels.as_object() {
            self.labels(labels, "spec.template.metadata.labels");
        }
        if selector.is_null() || !selects(selector, labels) {
            let shown = if labels.is_null() {
                &json!(null)
            } else {
                labels
            };
            self.invalid(
                "spec.template.metadata.labels",
                shown,
                "`selector` does not match template `labels`",
            );
        }
        self.pod_spec(object, "spec.template.spec", &["spec", "template", "spec"]);
        let restart = at(spec, &["template", "spec", "restartPolicy"]);
        if restart != "Always" {
            self.supported("spec.template.spec.restartPolicy", restart, &["Always"]);
        }
        let strategy = at(spec, &["strategy"]);
        match text(strategy, &["type"]) {
            "RollingUpdate" => {}
            "Recreate" => {
                if !at(strategy, &["rollingUpdate"]).is_null() {
                    self.forbidden(
                        "spec.strategy.rollingUpdate",
                        "may not be specified when strategy `type` is 'Recreate'",
                    );
                }
            }
            _ => self.0.push(Cause::new(
                "spec.strategy",
                Fault::NotSupported,
                Some(strategy),
                r#"supported values: "Recreate", "RollingUpdate""#,
            )),
        }
        self.not_negative("spec.minReadySeconds", at(spec, &["minReadySeconds"]));
        self.not_negative(
            "spec.revisionHistoryLimit",
            at(spec, &["revisionHistoryLimit"]),
        );
        let deadline = at(spec, &["progressDeadlineSeconds"]);
        self.not_negative("spec.progressDeadlineSeconds", deadline);
        let ready = at(spec, &["minReadySeconds"]).as_i64().unwrap_or(0);
        if deadline.as_i64().is_some_and(|d| d <= ready) {
            self.invalid(
                "spec.progressDeadlineSeconds",
                deadline,
                "must be greater than minReadySeconds",
            );
        }
    }

    fn label_selector(&mut self, field: &str, selector: &Value) {
        let none = Map::new();
        let labels = at(selector, &["matchLabels"]).as_object().unwrap_or(&none);
        self.labels(labels, &format!("{field}.matchLabels"));
        let expressions: Vec<&Value> = items(at(selector, &["matchExpressions"])).collect();
        for (index, expression) in expressions.iter().enumerate() {
            let field = format!("{field}.matchExpressions[{index}]");
            let empty = items(at(expression, &["values"])).next().is_none();
            match text(expression, &["operator"]) {
                "In" | "NotIn" if empty => self.required(
                    &format!("{field}.values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                ),
                "Exists" | "DoesNotExist" if !empty => self.forbidden(
                    &format!("{field}.values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                ),
                "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
                _ => self.invalid(
                    &format!("{field}.operator"),
                    &text(expression, &["operator"]).into(),
                    "not a valid selector operator",
                ),
            }
            for fault in label_key(self.1, text(expression, &["key"])) {
                self.invalid(&format!("{field}.key"), &expression["key"], &fault);
            }
        }
        if labels.is_empty() && expressions.is_empty() {
            self.invalid(field, selector, "empty selector is invalid for deployment");
        }
    }

    fn pod_spec(&mut self, object: &Value, field: &str, path: &[&str]) {
        let spec = at(object, path);
        let mut volume_names = HashSet::new();
        for (index, volume) in items(at(spec, &["volumes"])).enumerate() {
            let field = format!("{field}.volumes[{index}].name");
            let name = text(volume, &["name"]);
            self.name(&field, name, &mut volume_names);
        }
        let mut container_names = HashSet::new();
        let containers: Vec<&Value> = items(at(spec, &["containers"])).collect();
        if containers.is_empty() {
            self.required(&format!("{field}.containers"), "");
        }
        for list in ["containers", "initContainers"] {
            for (index, container) in items(at(spec, &[list])).enumerate() {
                let field = format!("{field}.{list}[{index}]");
                self.name(
                    &format!("{field}.name"),
                    text(container, &["name"]),
                    &mut container_names,
                );
                self.container(&field, container, &volume_names);
            }
        }
        self.supported(
            &format!("{field}.restartPolicy"),
            &spec["restartPolicy"],
            &["Always", "Never", "OnFailure"],
        );
        self.supported(
            &format!("{field}.dnsPolicy"),
            &spec["dnsPolicy"],
            &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
        );
    }

    fn name<'a>(&mut self, field: &str, name: &'a str, seen: &mut HashSet<&'a str>) {
        if name.is_empty() {
            return self.required(field, "");
        }
        for fault in label(name) {
            self.invalid(field, &name.into(), &fault);
        }
        if !seen.insert(name) {
            self.duplicate(field, &name.into());
        }
    }

    fn container(&mut self, field: &str, container: &Value, volumes: &HashSet<&str>) {
        let image = text(container, &["image"]);
        if image.is_empty() {
            self.required(&format!("{field}.image"), "");
        } else if image.trim() != image {
            self.invalid(
                &format!("{field}.image"),
                &image.into(),
                "must not have leading or trailing whitespace",
            );
        }
        self.supported(
            &format!("{field}.imagePullPolicy"),
            &container["imagePullPolicy"],
            &["Always", "IfNotPresent", "Never"],
        );
        for (index, port) in items(at(container, &["ports"])).enumerate() {
            let field = format!("{field}.ports[{index}]");
            if at(port, &["containerPort"]).as_i64().unwrap_or(0) == 0 {
                self.required(&format!("{field}.containerPort"), "");
            } else {
                self.port_number(&format!("{field}.containerPort"), &port["containerPort"]);
            }
            self.supported(
                &format!("{field}.protocol"),
                &port["protocol"],
                &["SCTP", "TCP", "UDP"],
            );
        }
        for (index, variable) in items(at(container, &["env"])).enumerate() {
            if text(variable, &["name"]).is_empty() {
                self.required(&format!("{field}.env[{index}].name"), "");
            }
        }
        for (index, mount) in items(at(container, &["volumeMounts"])).enumerate() {
            let field = format!("{field}.volumeMounts[{index}]");
            let name = text(mount, &["name"]);
            if name.is_empty() {
                self.required(&format!("{field}.name"), "");
            } else if !volumes.contains(name) {
                self.0.push(Cause {
                    reason: "FieldValueNotFound".to_owned(),
                    message: format!("Not found: {}", quote(name)),
                    field: format!("{field}.name"),
                });
            }
            if text(mount, &["mountPath"]).is_empty() {
                self.required(&format!("{field}.mountPath"), "");
            }
        }
    }

    fn pod_update(&mut self, new: &Value, old: &Value) {
        // Everything else of the spec stays as it was created.
        let frozen = |pod: &Value| {
            let mut spec = at(pod, &["spec"]).clone();
            for list in ["containers", "initContainers"] {
                for container in spec
                    .get_mut(list)
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_object_mut)
                {
                    container.shift_remove("image");
                }
            }
            if let Some(spec) = spec.as_object_mut() {
                for field in ["activeDeadlineSeconds", "tolerations"] {
                    spec.shift_remove(field);
                }
            }
            spec
        };
        if frozen(new) != frozen(old) {
            self.forbidden("spec", "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n");
        }
        for list in ["containers", "initContainers"] {
            for (index, container) in items(at(new, &["spec", list])).enumerate() {
                if text(container, &["image"]).is_empty() {
                    self.required(&format!("spec.{list}[{index}].image"), "");
                }
            }
        }
    }
}

fn decoded_len(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

fn port_name(name: &str) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if name.len() > 15 {
        faults.push("must be no more than 15 characters long");
    }
    if !name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        faults.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        faults.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        faults.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        faults.push("must not begin or end with a hyphen");
    }
    faults
}

/// Whether a `LabelSelector` selects these labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    let by_labels = at(selector, &["matchLabels"])
        .as_object()
        .is_none_or(|wanted| wanted.iter().all(|(k, v)| label(k) == v.as_str()));
    by_labels
        && items(at(selector, &["matchExpressions"])).all(|expression| {
            let value = label(text(expression, &["key"]));
            let listed = items(at(expression, &["values"])).any(|v| v.as_str() == value);
            match text(expression, &["operator"]) {
                "In" => value.is_some() && listed,
                "NotIn" => value.is_none() || !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}
