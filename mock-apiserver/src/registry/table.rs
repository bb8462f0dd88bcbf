//! Server-side printing: `as=Table` and `as=PartialObjectMetadata(List)`
//! (kubernetes, `pkg/printers/internalversion`; apiserver,
//! `handlers/response.go`).

use std::collections::HashMap;

use jiff::Timestamp;
use kube_rbac::Version;
use serde_json::{Map, Value, json};

use super::kind::{Action, Id};
use super::object::{at, human_duration, meta, meta_map, text};
use super::release::{PerMinor, texts};
use super::{Call, as_item};
use crate::wire::{self, Convert, Status, quote};

/// The columns of a kind in `minor`, and whether it has a printer of its own.
fn columns(minor: Version, kind: wire::Kind<'_>) -> (&'static Value, bool) {
    /// Of every kind, by `GROUP/KIND`; under `""` those of kinds without a
    /// printer of their own.
    static COLUMNS: PerMinor<HashMap<String, Value>> = PerMinor::new();
    let all = COLUMNS.get(minor, || {
        serde_json::from_str(texts(minor).columns).expect("the columns are JSON")
    });
    let own = all.get(&format!("{}/{}", kind.group, kind.kind));
    (own.unwrap_or_else(|| &all[""]), own.is_some())
}

/// `body`, an object or a list of the call's kind, as the client wants it.
///
/// # Errors
/// 406 where there is no such conversion, 400 for a bad `includeObject`.
pub fn convert(call: &Call<'_>, convert: &Convert, body: &Value) -> Result<Value, Status> {
    // A deletion's Status stays what it is.
    if body["kind"] == "Status" {
        return Ok(body.clone());
    }
    let list = body.get("items").and_then(Value::as_array);
    let api_version = format!("meta.k8s.io/{}", convert.version);
    let not_acceptable = |message: String| {
        let mut status = Status::not_acceptable(&[]);
        status.message = message;
        Err(status)
    };
    match (convert.kind.as_str(), list) {
        ("Table", _) => {
            let metadata = match list {
                Some(_) => body["metadata"].clone(),
                None => json!({"resourceVersion": meta(body, "resourceVersion")}),
            };
            let objects: Vec<&Value> = match list {
                Some(items) => items.iter().collect(),
                None => vec![body],
            };
            let table = Table {
                call,
                api_version: &api_version,
            };
            table.of(metadata, &objects, true)
        }
        ("PartialObjectMetadata", None) => Ok(partial(body, &api_version, true)),
        ("PartialObjectMetadataList", Some(items)) => Ok(json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": api_version,
            "metadata": body["metadata"],
            "items": items.iter().map(|o| partial(o, &api_version, true)).collect::<Vec<_>>(),
        })),
        ("PartialObjectMetadata", Some(_)) => not_acceptable(format!(
            "you requested PartialObjectMetadata, but the requested object is a list (*{}.{}List)",
            wire::internal_package(call.kind.group),
            call.kind.kind
        )),
        _ => not_acceptable(format!(
            "you requested {}, but the requested object is not a list",
            convert.kind
        )),
    }
}

/// One event's object as the client wants it; `first` is the event that
/// brings the columns.
pub fn convert_event(
    call: &Call<'_>,
    convert: &Convert,
    object: &Value,
    first: bool,
) -> Result<Value, Status> {
    let api_version = format!("meta.k8s.io/{}", convert.version);
    match convert.kind.as_str() {
        "Table" => {
            let table = Table {
                call,
                api_version: &api_version,
            };
            let metadata = json!({"resourceVersion": meta(object, "resourceVersion")});
            table.of(metadata, &[object], first)
        }
        "PartialObjectMetadata" => Ok(partial(object, &api_version, true)),
        other => {
            let mut status = Status::not_acceptable(&[]);
            status.message =
                format!("you requested {other}, but the requested object is not a list");
            Err(status)
        }
    }
}

fn partial(object: &Value, api_version: &str, typed: bool) -> Value {
    let mut out = Map::new();
    if typed {
        out.insert("kind".to_owned(), "PartialObjectMetadata".into());
        out.insert("apiVersion".to_owned(), api_version.into());
    }
    out.insert("metadata".to_owned(), object["metadata"].clone());
    Value::Object(out)
}

struct Table<'a> {
    call: &'a Call<'a>,
    api_version: &'a str,
}

impl Table<'_> {
    fn of(&self, metadata: Value, objects: &[&Value], headers: bool) -> Result<Value, Status> {
        let include = self.call.query.get("includeObject");
        let now = self.call.now;
        let kind = self.call.kind;
        let scale = self.call.action == Some(Action::Scale);
        let mut rows = Vec::with_capacity(objects.len());
        for object in objects {
            let mut row = Map::new();
            let cells = if scale {
                scale_cells(object, now)
            } else {
                cells(self.call.minor, kind.id, object, now)
            };
            row.insert("cells".to_owned(), cells.into());
            if kind.id == Id::Pod {
                let phase = text(object, &["status", "phase"]);
                if matches!(phase, "Succeeded" | "Failed") {
                    let message = match phase {
                        "Succeeded" => "The pod has completed successfully.",
                        _ => "The pod failed.",
                    };
                    row.insert(
                        "conditions".to_owned(),
                        json!([{"type": "Completed", "status": "True", "reason": phase, "message": message}]),
                    );
                }
            }
            let shown = match include {
                "" | "Metadata" => partial(object, self.api_version, true),
                "None" => Value::Null,
                "Object" => {
                    let mut whole = Map::new();
                    let shown = self.call.form().kind;
                    whole.insert("kind".to_owned(), shown.kind.into());
                    whole.insert("apiVersion".to_owned(), shown.api_version().into());
                    if let Value::Object(rest) = as_item(object) {
                        whole.extend(rest);
                    }
                    Value::Object(whole)
                }
                other => {
                    return Err(Status::bad_request(format!(
                        "unrecognized includeObject value: {}",
                        quote(other)
                    )));
                }
            };
            row.insert("object".to_owned(), shown);
            rows.push(Value::Object(row));
        }
        let (columns, own) = columns(self.call.minor, self.call.form().kind);
        let rows = match rows.is_empty() && !own {
            // The common printer makes no list before there is a row.
            true => Value::Null,
            false => rows.into(),
        };
        Ok(wire::json::object([
            ("kind", "Table".into()),
            ("apiVersion", self.api_version.into()),
            ("metadata", metadata),
            (
                "columnDefinitions",
                if headers {
                    columns.clone()
                } else {
                    Value::Null
                },
            ),
            ("rows", rows),
        ]))
    }
}

fn scale_cells(scale: &Value, now: Timestamp) -> Vec<Value> {
    let replicas = |of: &str| Value::from(at(scale, &[of, "replicas"]).as_i64().unwrap_or(0));
    vec![
        meta(scale, "name").into(),
        replicas("spec"),
        replicas("status"),
        since(meta(scale, "creationTimestamp"), now).into(),
    ]
}

fn cells(minor: Version, id: Id, object: &Value, now: Timestamp) -> Vec<Value> {
    let name = || Value::from(meta(object, "name"));
    let age = || Value::from(since(meta(object, "creationTimestamp"), now));
    match id {
        Id::Pod => pod(object, now),
        Id::Node => node(minor, object, age()),
        Id::Namespace => vec![name(), text(object, &["status", "phase"]).into(), age()],
        Id::Secret => vec![
            name(),
            text(object, &["type"]).into(),
            len(object, "data").into(),
            age(),
        ],
        Id::ConfigMap => vec![
            name(),
            (len(object, "data") + len(object, "binaryData")).into(),
            age(),
        ],
        Id::ServiceAccount if minor.prints_secrets_of_accounts() => {
            vec![name(), list(object, &["secrets"]).len().into(), age()]
        }
        Id::ServiceAccount => vec![name(), age()],
        Id::Service => service(object, age()),
        Id::Deployment => deployment(object, age()),
        Id::RoleBinding | Id::ClusterRoleBinding => binding(object, age()),
        Id::Role | Id::ClusterRole => vec![name(), meta(object, "creationTimestamp").into()],
        // There are none.
        Id::Unstored => Vec::new(),
    }
}

fn since(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>() {
        Ok(then) => human_duration(now.as_second() - then.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

fn len(object: &Value, key: &str) -> usize {
    object[key].as_object().map_or(0, Map::len)
}

fn list<'a>(value: &'a Value, path: &[&str]) -> Vec<&'a Value> {
    at(value, path).as_array().into_iter().flatten().collect()
}

fn or_none(text: &str) -> Value {
    if text.is_empty() { "<none>" } else { text }.into()
}

fn joined<'a>(items: impl IntoIterator<Item = &'a str>, by: &str) -> String {
    items.into_iter().collect::<Vec<_>>().join(by)
}

fn pod(pod: &Value, now: Timestamp) -> Vec<Value> {
    let mut reason = [
        text(pod, &["status", "reason"]),
        text(pod, &["status", "phase"]),
    ]
    .into_iter()
    .find(|r| !r.is_empty())
    .unwrap_or_default()
    .to_owned();
    let conditions = list(pod, &["status", "conditions"]);
    if conditions
        .iter()
        .any(|c| text(c, &["type"]) == "PodScheduled" && text(c, &["reason"]) == "SchedulingGated")
    {
        "SchedulingGated".clone_into(&mut reason);
    }
    let total = list(pod, &["spec", "containers"]).len();
    let (mut ready, mut restarts) = (0, 0);
    let mut running = false;
    for container in list(pod, &["status", "containerStatuses"]).iter().rev() {
        restarts += at(container, &["restartCount"]).as_i64().unwrap_or(0);
        let waiting = text(container, &["state", "waiting", "reason"]);
        let terminated = at(container, &["state", "terminated"]);
        if !waiting.is_empty() {
            waiting.clone_into(&mut reason);
        } else if !terminated.is_null() {
            reason = match text(terminated, &["reason"]) {
                "" => format!("ExitCode:{}", at(terminated, &["exitCode"])),
                reason => reason.to_owned(),
            };
        } else if container["ready"] == true && !at(container, &["state", "running"]).is_null() {
            ready += 1;
            running = true;
        }
    }
    if reason == "Completed" && running {
        let is_ready = conditions
            .iter()
            .any(|c| text(c, &["type"]) == "Ready" && text(c, &["status"]) == "True");
        reason = if is_ready { "Running" } else { "NotReady" }.to_owned();
    }
    let phase = text(pod, &["status", "phase"]);
    if !meta(pod, "deletionTimestamp").is_empty() && !matches!(phase, "Succeeded" | "Failed") {
        "Terminating".clone_into(&mut reason);
    }
    let gates = list(pod, &["spec", "readinessGates"]);
    let gates = if gates.is_empty() {
        "<none>".to_owned()
    } else {
        let met = gates
            .iter()
            .filter(|gate| {
                conditions
                    .iter()
                    .any(|c| c["type"] == gate["conditionType"] && text(c, &["status"]) == "True")
            })
            .count();
        format!("{met}/{}", gates.len())
    };
    let ip = list(pod, &["status", "podIPs"])
        .first()
        .map_or("", |ip| text(ip, &["ip"]));
    vec![
        meta(pod, "name").into(),
        format!("{ready}/{total}").into(),
        reason.into(),
        restarts.to_string().into(),
        since(meta(pod, "creationTimestamp"), now).into(),
        or_none(ip),
        or_none(text(pod, &["spec", "nodeName"])),
        or_none(text(pod, &["status", "nominatedNodeName"])),
        gates.into(),
    ]
}

fn node(minor: Version, node: &Value, age: Value) -> Vec<Value> {
    let ready = list(node, &["status", "conditions"])
        .into_iter()
        .find(|c| text(c, &["type"]) == "Ready");
    let mut status = match ready.map(|c| text(c, &["status"])) {
        None => "Unknown",
        Some("True") => "Ready",
        Some(_) => "NotReady",
    }
    .to_owned();
    if at(node, &["spec", "unschedulable"]) == true {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles: Vec<&str> = meta_map(node, "labels")
        .into_iter()
        .flatten()
        .filter_map(
            |(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) => Some(role),
                None if key == "kubernetes.io/role" => value.as_str(),
                None => None,
            },
        )
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    let address = |kind: &str| {
        list(node, &["status", "addresses"])
            .into_iter()
            .find(|a| text(a, &["type"]) == kind)
            .map_or("", |a| text(a, &["address"]))
            .to_owned()
    };
    let info = |key: &str| text(node, &["status", "nodeInfo", key]);
    let or_unknown = |text: &str| if text.is_empty() { "<unknown>" } else { text }.to_owned();
    let mut kernel = or_unknown(info("kernelVersion"));
    if minor.prints_architecture() && !info("architecture").is_empty() {
        kernel = format!("{kernel} ({})", info("architecture"));
    }
    vec![
        meta(node, "name").into(),
        status.into(),
        or_none(&roles.join(",")),
        age,
        info("kubeletVersion").into(),
        or_none(&address("InternalIP")),
        or_none(&address("ExternalIP")),
        or_unknown(info("osImage")).into(),
        kernel.into(),
        or_unknown(info("containerRuntimeVersion")).into(),
    ]
}

fn service(service: &Value, age: Value) -> Vec<Value> {
    let spec = at(service, &["spec"]);
    let external_ips = joined(
        list(spec, &["externalIPs"])
            .into_iter()
            .filter_map(Value::as_str),
        ",",
    );
    let external = match text(spec, &["type"]) {
        "ClusterIP" | "NodePort" => or_none(&external_ips),
        "LoadBalancer" => {
            let balancers = list(service, &["status", "loadBalancer", "ingress"]);
            let addresses = balancers.iter().map(|i| match text(i, &["ip"]) {
                "" => text(i, &["hostname"]),
                ip => ip,
            });
            let all = joined(
                addresses
                    .chain([external_ips.as_str()])
                    .filter(|a| !a.is_empty()),
                ",",
            );
            if all.is_empty() {
                "<pending>".into()
            } else {
                all.into()
            }
        }
        "ExternalName" => text(spec, &["externalName"]).into(),
        _ => "<unknown>".into(),
    };
    let ports: Vec<String> = list(spec, &["ports"])
        .iter()
        .map(|p| {
            let protocol = text(p, &["protocol"]);
            match at(p, &["nodePort"]).as_u64() {
                Some(node_port) if node_port > 0 => {
                    format!("{}:{node_port}/{protocol}", p["port"])
                }
                _ => format!("{}/{protocol}", p["port"]),
            }
        })
        .collect();
    let ip = list(spec, &["clusterIPs"])
        .first()
        .and_then(|ip| ip.as_str())
        .unwrap_or_default();
    vec![
        meta(service, "name").into(),
        text(spec, &["type"]).into(),
        or_none(ip),
        external,
        or_none(&ports.join(",")),
        age,
        or_none(&format_labels(at(spec, &["selector"]))),
    ]
}

fn deployment(deployment: &Value, age: Value) -> Vec<Value> {
    let number = |path: &[&str]| at(deployment, path).as_i64().unwrap_or(0);
    let containers = list(deployment, &["spec", "template", "spec", "containers"]);
    let of = |key: &str| joined(containers.iter().map(|c| text(c, &[key])), ",");
    vec![
        meta(deployment, "name").into(),
        format!(
            "{}/{}",
            number(&["status", "readyReplicas"]),
            number(&["spec", "replicas"])
        )
        .into(),
        number(&["status", "updatedReplicas"]).into(),
        number(&["status", "availableReplicas"]).into(),
        age,
        of("name").into(),
        of("image").into(),
        format_selector(at(deployment, &["spec", "selector"])).into(),
    ]
}

fn binding(binding: &Value, age: Value) -> Vec<Value> {
    let subjects = list(binding, &["subjects"]);
    let of = |kind: &str| -> Value {
        let names: Vec<String> = subjects
            .iter()
            .filter(|s| text(s, &["kind"]) == kind)
            .map(|s| match (kind, text(s, &["namespace"])) {
                ("ServiceAccount", namespace) if !namespace.is_empty() => {
                    format!("{namespace}/{}", text(s, &["name"]))
                }
                _ => text(s, &["name"]).to_owned(),
            })
            .collect();
        names.join(", ").into()
    };
    vec![
        meta(binding, "name").into(),
        format!(
            "{}/{}",
            text(binding, &["roleRef", "kind"]),
            text(binding, &["roleRef", "name"])
        )
        .into(),
        age,
        of("User"),
        of("Group"),
        of("ServiceAccount"),
    ]
}

/// `labels.FormatLabels`, without its `<none>`.
fn format_labels(labels: &Value) -> String {
    let mut pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort_unstable();
    pairs.join(",")
}

/// A `LabelSelector` in a selector's own syntax, requirements sorted by key.
pub fn format_selector(selector: &Value) -> String {
    let mut terms: Vec<(String, String)> = at(selector, &["matchLabels"])
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| {
            let value = value.as_str().unwrap_or_default();
            (key.clone(), format!("{key}={value}"))
        })
        .collect();
    for expression in list(selector, &["matchExpressions"]) {
        let key = text(expression, &["key"]);
        let mut values: Vec<&str> = list(expression, &["values"])
            .into_iter()
            .filter_map(Value::as_str)
            .collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match text(expression, &["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort_by(|(a, _), (b, _)| a.cmp(b));
    joined(terms.iter().map(|(_, term)| term.as_str()), ",")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::registry::kind::KINDS;

    #[test]
    fn every_row_has_a_cell_for_each_column_of_its_minor() {
        for minor in Version::ALL {
            for kind in KINDS.iter().filter(|kind| kind.id != Id::Unstored) {
                let (columns, _) = columns(minor, kind.form().kind);
                let cells = cells(minor, kind.id, &json!({}), Timestamp::UNIX_EPOCH);
                let columns = columns.as_array().expect("columns");
                assert_eq!(columns.len(), cells.len(), "{} of {minor}", kind.kind);
            }
        }
    }

    #[rstest]
    #[case(Version::V1_34, json!(["a", 2, "<unknown>"]), "6.1")]
    #[case(Version::V1_35, json!(["a", "<unknown>"]), "6.1")]
    #[case(Version::V1_36, json!(["a", "<unknown>"]), "6.1 (amd64)")]
    fn what_a_minor_prints_is_its_own(
        #[case] minor: Version,
        #[case] account: Value,
        #[case] kernel: &str,
    ) {
        let of = |id, object: Value| Value::from(cells(minor, id, &object, Timestamp::UNIX_EPOCH));
        let secrets = json!({"metadata": {"name": "a"}, "secrets": [{"name": "b"}, {"name": "c"}]});
        assert_eq!(of(Id::ServiceAccount, secrets), account);
        let info = json!({"kernelVersion": "6.1", "architecture": "amd64"});
        let node = of(Id::Node, json!({"status": {"nodeInfo": info}}));
        assert_eq!(node[8], kernel);
    }
}
