//! Answers and audit events without what no two servers have in common.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};

/// What one server made of a request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The status, or why there is none.
    pub status: Result<u16, String>,
    /// `content-type`.
    pub media: String,
    /// Headers that say something to clients.
    pub headers: Vec<(String, String)>,
    /// The body: JSON where it is some.
    pub body: Value,
    /// The audit events that it left.
    pub events: Vec<Value>,
    /// By which bindings it was allowed, as body and events say. Of several that
    /// would do a real server names another each time: up to Go's maps.
    pub bindings: BTreeSet<String>,
}

/// A place at which two outcomes differ, and both sides.
pub struct Difference {
    place: String,
    ours: Value,
    theirs: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} | {}", self.place, self.ours, self.theirs)
    }
}

/// What differs and is to: the place, or what is in the other's text, and the
/// reason, which `docs/equality.md` has at length.
const MEANT: [(&str, &str, &str); 10] = [
    (
        "body.paths",
        "",
        "the paths are those of the server's own parts",
    ),
    (
        "body",
        "[+]etcd ok",
        "the checks are those of the server's own parts",
    ),
    (
        "",
        "/openapi/v3/",
        "OpenAPI has no documents of groups and other paths, and hashes of its own",
    ),
    ("body.gitVersion", "", "the build is another"),
    ("body.gitCommit", "", "the build is another"),
    ("body.gitTreeState", "", "the build is another"),
    ("body.goVersion", "", "the build is another"),
    ("", "\"managedFields\":[", "managedFields are not kept"),
    (
        "headers.warning",
        "spec.groups",
        "fields of versions that are not served are not known",
    ),
    (
        "headers.warning",
        "",
        "warnings say what is not stored here",
    ),
];

/// What of ours says that it is not served here.
const NOT_SERVED: &str = ": this cluster does not serve it";

impl Difference {
    /// Why it is to differ.
    pub fn meant(&self) -> Option<&'static str> {
        let theirs = self.theirs.to_string().replace('\\', "");
        let is = |place: &str, text: &str| {
            (place.is_empty() || self.place == place) && theirs.contains(text)
        };
        let ours = self.ours.to_string();
        let about_us = |why: &str| {
            why != MEANT[9].2 || ours.contains("this cluster does not store some of the kinds")
        };
        let mut all = MEANT.iter();
        let found = all.find(|(place, text, why)| is(place, text) && about_us(why));
        found.map(|(_, _, why)| *why)
    }
}

/// Where two outcomes differ; where ours says that it does not serve it, in what
/// was decided before that.
pub fn differences(ours: &Outcome, theirs: &Outcome) -> Vec<Difference> {
    let mut found = Vec::new();
    let message = ours.body["message"].as_str().unwrap_or_default();
    if message.ends_with(NOT_SERVED) {
        walk("decision", &ours.decision(), &theirs.decision(), &mut found);
        return found;
    }
    walk("", &ours.as_value(), &theirs.as_value(), &mut found);
    found
}

impl Outcome {
    /// Who it was and whether they might: a refusal's status, what a review
    /// answers, and of each audit event the users and the decision.
    pub fn decision(&self) -> Value {
        let refused = self
            .status
            .as_ref()
            .ok()
            .filter(|status| [401, 403].contains(*status));
        let events: Vec<Value> = self
            .events
            .iter()
            .map(|event| {
                json!([
                    event["user"],
                    event["impersonatedUser"],
                    event["annotations"]["authorization.k8s.io/decision"],
                ])
            })
            .collect();
        json!([refused, self.verdict(), events])
    }

    /// What a review says beside its reasons.
    fn verdict(&self) -> Option<Value> {
        let kind = self.body["kind"].as_str()?;
        let status = self.body["status"].as_object()?;
        let said = status
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "reason" | "evaluationError" | "error"));
        kind.ends_with("Review").then(|| {
            said.map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })
    }

    /// All that is compared, but for the bindings.
    pub fn as_value(&self) -> Value {
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({
            "status": match &self.status {
                Ok(status) => json!(status),
                Err(error) => json!(error),
            },
            "media": self.media,
            "headers": headers,
            "body": self.body,
            "events": self.events,
        })
    }
}

fn walk(at: &str, ours: &Value, theirs: &Value, found: &mut Vec<Difference>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a
                .keys()
                .chain(b.keys().filter(|name| !a.contains_key(*name)));
            for name in names {
                let get = |members: &Map<String, Value>| members.get(name).cloned();
                let absent = || json!("(absent)");
                let (a, b) = (get(a), get(b));
                let (a, b) = (a.unwrap_or_else(absent), b.unwrap_or_else(absent));
                walk(&format!("{at}.{name}"), &a, &b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{at}[{index}]"), a, b, found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push(Difference {
            place: at.trim_start_matches('.').to_owned(),
            ours: ours.clone(),
            theirs: theirs.clone(),
        }),
    }
}

/// Members that differ from server to server, wherever they are.
const OWN: [&str; 8] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    // It has the revision in it.
    "continue",
    "auditID",
    "requestReceivedTimestamp",
    "stageTimestamp",
];

/// A body or an event without them. `words` are the server's own words, and
/// what to call them.
pub fn common(value: &Value, words: &[(String, &str)]) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members
                .iter()
                // Ours has none of the former, and the latter come with what
                // takes long.
                .filter(|(name, _)| {
                    *name != "managedFields" && !name.starts_with("apiserver.latency.k8s.io/")
                })
                .map(|(name, value)| {
                    let own = is_own(name, value) && !value.is_null() && value != "";
                    let value = if own {
                        json!("(its own)")
                    } else {
                        common(value, words)
                    };
                    (name.clone(), value)
                });
            let mut kept: Map<String, Value> = kept.collect();
            kept.sort_keys();
            // Rules come in the order of Go's maps.
            for rules in ["resourceRules", "nonResourceRules"] {
                if let Some(rules) = kept.get_mut(rules).and_then(Value::as_array_mut) {
                    rules.sort_by_key(Value::to_string);
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            let items = items.iter().filter(|item| !is_of_its_own_parts(item));
            Value::Array(items.map(|item| common(item, words)).collect())
        }
        Value::String(text) if text.starts_with("-----BEGIN CERTIFICATE-----") => {
            json!("a certificate")
        }
        Value::String(text) if text.starts_with("10.100.") => json!("an address"),
        Value::String(text) if text.len() == 20 && text.parse::<jiff::Timestamp>().is_ok() => {
            json!("a time")
        }
        Value::String(text) if is_age(text) => json!("an age"),
        Value::String(text) => Value::String(plain(&without_own(text), words)),
        other => other.clone(),
    }
}

/// A text that quotes an object, without its own of what differs from server to server.
fn without_own(text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["uid", "resourceVersion", "creationTimestamp"] {
        let before = format!("\\\"{name}\\\":\\\"");
        let mut parts = text.split(before.as_str());
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            kept += &before;
            kept += part.find("\\\"").map_or(part, |end| &part[end..]);
        }
        text = kept;
    }
    text
}

/// What a real server's own parts keep in the cluster.
fn is_of_its_own_parts(item: &Value) -> bool {
    let name = item["metadata"]["name"].as_str().unwrap_or_default();
    item["metadata"]["namespace"] == "kube-system"
        && matches!(
            name,
            "extension-apiserver-authentication"
                | "kube-apiserver-legacy-service-account-token-tracking"
        )
}

/// As tables have it: `44s`.
fn is_age(text: &str) -> bool {
    let number = text.strip_suffix(['s', 'm']).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// `uid` of a user who has one by choice is compared.
fn is_own(name: &str, value: &Value) -> bool {
    match name {
        // Of a build: the rest of it is told apart by name.
        "compiler" | "goVersion" | "buildDate" => true,
        "uid" => value
            .as_str()
            .is_some_and(|uid| uid.len() == 36 && !uid.starts_with("00000000")),
        _ => OWN.contains(&name),
    }
}

/// What stands before the binding by which something is allowed.
const ALLOWED_BY: &str = "RBAC: allowed by ";

/// The bindings that a body or an event names.
pub fn bindings(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|value| bindings(value, found)),
        Value::Array(items) => items.iter().for_each(|item| bindings(item, found)),
        Value::String(text) => {
            found.extend(text.split_once(ALLOWED_BY).map(|(_, by)| by.to_owned()));
        }
        _ => {}
    }
}

fn plain(text: &str, words: &[(String, &str)]) -> String {
    // Compared by itself: see `Outcome::bindings`.
    let text = match text.split_once(ALLOWED_BY) {
        Some((before, _)) => format!("{before}RBAC: allowed"),
        None => text.to_owned(),
    };
    // And in which order what is missing is.
    let text = match text.split_once("RBAC: [") {
        Some((before, errors)) => {
            let mut errors: Vec<&str> = errors.trim_end_matches(']').split(", ").collect();
            errors.sort_unstable();
            format!("{before}RBAC: [{}]", errors.join(", "))
        }
        None => text,
    };
    let text = words
        .iter()
        .fold(text, |text, (word, name)| text.replace(word.as_str(), name));
    // A module's own path is in the name of a scheme that was built from it.
    let text = without(&text, "in scheme \"", |c| c != '"');
    // How much has been written so far.
    let text = without(&text, ", current: ", |c| c.is_ascii_digit());
    let text = without(&text, "the UID in record (", |c| c != ')');
    let text = without(&text, "the ResourceVersion in record (", |c| c != ')');
    let text = without(&text, "kube-api-access-", |c| c.is_ascii_alphanumeric());
    without(&text, "UID in object meta: ", |c| {
        c.is_ascii_hexdigit() || c == '-'
    })
}

/// The text without what follows each `mark`, as long as it is `own`.
fn without(text: &str, mark: &str, own: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(mark);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(&own);
        format!("{text}{mark}…{rest}")
    })
}

/// An audit event: who, what, and what came of it.
pub fn event(mut event: Value, words: &[(String, &str)]) -> Value {
    for user in ["user", "impersonatedUser"] {
        mask_credentials(event.get_mut(user));
    }
    common(&event, words)
}

/// Which credential somebody showed: each cluster has its own certificates, and
/// each provider its own tokens.
pub fn mask_credentials(user: Option<&mut Value>) {
    let ids = user.and_then(|user| {
        user.get_mut("extra")?
            .get_mut("authentication.kubernetes.io/credential-id")?
            .as_array_mut()
    });
    for id in ids.into_iter().flatten() {
        let kind = id
            .as_str()
            .and_then(|id| id.split_once('='))
            .map(|(kind, _)| kind);
        *id = json!(kind.unwrap_or_default());
    }
}
