//! Where JSON becomes values and values JSON; nothing else here knows of it.

use crate::objects::{
    API_GROUP, Binding, LabelSelector, Object, PolicyRule, Requirement, Role, RoleRef, SubjectRef,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Why a JSON value is none of the RBAC kinds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not an object with a `kind` and, where it has one, the right apiVersion.
    #[error("{0} is not of rbac.authorization.k8s.io/v1")]
    NotRbac(String),
    /// A field of another type, in Go's words.
    #[error("json: cannot unmarshal {found} into Go struct field {field} of type {expected}")]
    WrongType {
        /// What is there: `string`, `number`, `bool`, `array` or `object`.
        found: &'static str,
        /// The struct and the path in it, as `PolicyRule.rules.verbs`.
        field: String,
        /// The type that should have been there, as `[]string`.
        expected: String,
    },
}

/// Reads any of the four kinds, with Kubernetes' defaults put in.
///
/// Fields that are no part of RBAC are passed over, as the API server does
/// without strict field validation. `null` is the same as absent.
///
/// # Errors
/// [`ParseError`]: of several, the first in the order of the document.
pub fn parse_object(json: &Value) -> Result<Object, ParseError> {
    let kind = rbac_kind(json)?;
    parse_kind(kind, json).map_err(|error| earliest(kind, json, error))
}

/// Go reads a document from first to last and keeps the first error, and
/// [`parse_kind`] has an order of its own. So this looks for the shortest
/// beginning of the document that is wrong.
fn earliest(kind: Kind, json: &Value, found: ParseError) -> ParseError {
    let (mut right, mut wrong) = (0, size(json));
    while right + 1 < wrong {
        let middle = right.midpoint(wrong);
        if parse_kind(kind, &beginning(json, middle)).is_err() {
            wrong = middle;
        } else {
            right = middle;
        }
    }
    parse_kind(kind, &beginning(json, wrong))
        .err()
        .unwrap_or(found)
}

/// How many values there are in a value, itself among them.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 0,
    }
}

/// The first `count` values of a document.
fn beginning(json: &Value, mut count: usize) -> Value {
    cut(json, &mut count).unwrap_or_default()
}

fn cut(value: &Value, left: &mut usize) -> Option<Value> {
    *left = left.checked_sub(1)?;
    Some(match value {
        Value::Array(items) => items.iter().map_while(|item| cut(item, left)).collect(),
        Value::Object(members) => members
            .iter()
            .map_while(|(name, member)| Some((name.clone(), cut(member, left)?)))
            .collect(),
        plain => plain.clone(),
    })
}

fn parse_kind(kind: Kind, json: &Value) -> Result<Object, ParseError> {
    let fields = Fields::root(kind.name(), json);
    let metadata = fields.child("metadata", "ObjectMeta")?;
    let name = metadata.string("name")?;
    let labels = metadata.strings_by_key("labels")?;
    let annotations = metadata.strings_by_key("annotations")?;
    let namespace = metadata.string("namespace")?;
    let namespace = matches!(kind, Kind::Role | Kind::RoleBinding).then_some(namespace);
    Ok(match kind {
        Kind::Role | Kind::ClusterRole => {
            let rules = fields.each("rules", "PolicyRule", parse_rule)?;
            let aggregation = match kind {
                Kind::ClusterRole => parse_aggregation(&fields)?,
                _ => None,
            };
            Object::Role(Role {
                namespace,
                name,
                labels,
                annotations,
                rules,
                aggregation,
            })
        }
        Kind::RoleBinding | Kind::ClusterRoleBinding => {
            let subjects = fields.each("subjects", "Subject", parse_subject)?;
            let role_ref = parse_role_ref(&fields)?;
            let binding = Binding {
                namespace,
                name,
                labels,
                annotations,
                subjects,
                role_ref,
            };
            Object::Binding(with_defaults(binding))
        }
    })
}

/// Reads a list of rules, such as the `rules` of a role.
pub fn parse_rules(json: &Value) -> Result<Vec<PolicyRule>, ParseError> {
    let wrapped = json!({ "rules": json });
    Fields::root(Kind::Role.name(), &wrapped).each("rules", "PolicyRule", parse_rule)
}

/// The object as Kubernetes' API prints it.
pub fn to_json(object: &Object) -> Value {
    let mut out = Map::new();
    out.insert("kind".into(), object.kind().into());
    out.insert("apiVersion".into(), format!("{API_GROUP}/v1").into());
    match object {
        Object::Role(role) => {
            out.insert(
                "metadata".into(),
                metadata_json(object, &role.labels, &role.annotations),
            );
            out.insert("rules".into(), rules_to_json(&role.rules));
            if let Some(selectors) = &role.aggregation {
                let selectors: Vec<_> = selectors.iter().map(selector_json).collect();
                out.insert(
                    "aggregationRule".into(),
                    json!({ "clusterRoleSelectors": selectors }),
                );
            }
        }
        Object::Binding(binding) => {
            let metadata = metadata_json(object, &binding.labels, &binding.annotations);
            out.insert("metadata".into(), metadata);
            if !binding.subjects.is_empty() {
                let subjects: Vec<_> = binding.subjects.iter().map(subject_json).collect();
                out.insert("subjects".into(), subjects.into());
            }
            out.insert("roleRef".into(), role_ref_json(&binding.role_ref));
        }
    }
    Value::Object(out)
}

/// The rules as they stand in a role's `rules`; `null` for none, as Go prints
/// a slice that was never made.
pub fn rules_to_json(rules: &[PolicyRule]) -> Value {
    if rules.is_empty() {
        return Value::Null;
    }
    rules.iter().map(rule_to_json).collect()
}

/// One rule; lists that are empty are left out, but for the verbs.
pub fn rule_to_json(rule: &PolicyRule) -> Value {
    let mut out = Map::new();
    out.insert("verbs".into(), rule.verbs.clone().into());
    let rest = [
        ("apiGroups", &rule.api_groups),
        ("resources", &rule.resources),
        ("resourceNames", &rule.resource_names),
        ("nonResourceURLs", &rule.non_resource_urls),
    ];
    for (name, list) in rest {
        if !list.is_empty() {
            out.insert(name.into(), list.clone().into());
        }
    }
    Value::Object(out)
}

/// Puts Kubernetes' defaults into a binding's JSON (`pkg/apis/rbac/v1/defaults.go`):
/// the apiGroup of roleRef and of User and Group subjects. Other kinds are
/// left as they are.
pub fn defaulted(json: &mut Value) {
    let kind = json.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !matches!(kind, "RoleBinding" | "ClusterRoleBinding") {
        return;
    }
    if let Some(Value::Object(role_ref)) = json.get_mut("roleRef") {
        default_api_group(role_ref);
    }
    let subjects = json.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        if matches!(
            subject.get("kind").and_then(Value::as_str),
            Some("User" | "Group")
        ) {
            default_api_group(subject);
        }
    }
}

fn default_api_group(object: &mut Map<String, Value>) {
    let absent = matches!(object.get("apiGroup"), None | Some(Value::Null));
    if absent || object.get("apiGroup").and_then(Value::as_str) == Some("") {
        object.insert("apiGroup".into(), API_GROUP.into());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Role,
    ClusterRole,
    RoleBinding,
    ClusterRoleBinding,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Role => "Role",
            Kind::ClusterRole => "ClusterRole",
            Kind::RoleBinding => "RoleBinding",
            Kind::ClusterRoleBinding => "ClusterRoleBinding",
        }
    }
}

/// An object without apiVersion passes: the callers know what they sent for.
pub(crate) fn rbac_kind(json: &Value) -> Result<Kind, ParseError> {
    let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    let api_version = text("apiVersion");
    let known = match text("kind") {
        "Role" => Some(Kind::Role),
        "ClusterRole" => Some(Kind::ClusterRole),
        "RoleBinding" => Some(Kind::RoleBinding),
        "ClusterRoleBinding" => Some(Kind::ClusterRoleBinding),
        _ => None,
    };
    known
        .filter(|_| matches!(api_version, "" | "rbac.authorization.k8s.io/v1"))
        .ok_or_else(|| ParseError::NotRbac(format!("{api_version} {}", text("kind"))))
}

fn with_defaults(mut binding: Binding) -> Binding {
    let groups = binding
        .subjects
        .iter_mut()
        .filter(|s| matches!(s.kind.as_str(), "User" | "Group"))
        .map(|s| &mut s.api_group)
        .chain([&mut binding.role_ref.api_group]);
    for group in groups.filter(|g| g.is_empty()) {
        *group = API_GROUP.into();
    }
    binding
}

fn parse_rule(fields: &Fields<'_>) -> Result<PolicyRule, ParseError> {
    Ok(PolicyRule {
        verbs: fields.strings("verbs")?,
        api_groups: fields.strings("apiGroups")?,
        resources: fields.strings("resources")?,
        resource_names: fields.strings("resourceNames")?,
        non_resource_urls: fields.strings("nonResourceURLs")?,
    })
}

fn parse_subject(fields: &Fields<'_>) -> Result<SubjectRef, ParseError> {
    Ok(SubjectRef {
        kind: fields.string("kind")?,
        api_group: fields.string("apiGroup")?,
        name: fields.string("name")?,
        namespace: fields.string("namespace")?,
    })
}

fn parse_role_ref(binding: &Fields<'_>) -> Result<RoleRef, ParseError> {
    let fields = binding.child("roleRef", "RoleRef")?;
    Ok(RoleRef {
        api_group: fields.string("apiGroup")?,
        kind: fields.string("kind")?,
        name: fields.string("name")?,
    })
}

fn parse_aggregation(role: &Fields<'_>) -> Result<Option<Vec<LabelSelector>>, ParseError> {
    if role.get("aggregationRule").is_none() {
        return Ok(None);
    }
    let fields = role.child("aggregationRule", "AggregationRule")?;
    fields
        .each("clusterRoleSelectors", "LabelSelector", parse_selector)
        .map(Some)
}

fn parse_selector(fields: &Fields<'_>) -> Result<LabelSelector, ParseError> {
    Ok(LabelSelector {
        match_labels: fields.strings_by_key("matchLabels")?,
        match_expressions: fields.each(
            "matchExpressions",
            "LabelSelectorRequirement",
            |fields| {
                Ok(Requirement {
                    key: fields.string("key")?,
                    operator: fields.string("operator")?,
                    values: fields.strings("values")?,
                })
            },
        )?,
    })
}

/// The fields of one JSON object, and where it stands, for the errors.
pub(crate) struct Fields<'j> {
    go_type: &'static str,
    path: String,
    json: Option<&'j Map<String, Value>>,
}

impl<'j> Fields<'j> {
    /// The fields of the object itself.
    pub(crate) fn root(go_type: &'static str, json: &'j Value) -> Self {
        Fields {
            go_type,
            path: String::new(),
            json: json.as_object(),
        }
    }

    /// The fields of an object inside this one.
    pub(crate) fn child(
        &self,
        name: &str,
        go_type: &'static str,
    ) -> Result<Fields<'j>, ParseError> {
        match self.get(name) {
            None => Ok(Fields {
                go_type,
                path: self.inside(name),
                json: None,
            }),
            Some(json) => self.item(name, go_type, json),
        }
    }

    fn item(
        &self,
        name: &str,
        go_type: &'static str,
        json: &'j Value,
    ) -> Result<Fields<'j>, ParseError> {
        let json = match json {
            Value::Null => None,
            Value::Object(map) => Some(map),
            other => return Err(self.wrong(name, other, &format!("v1.{go_type}"))),
        };
        Ok(Fields {
            go_type,
            path: self.inside(name),
            json,
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'j Value> {
        self.json?.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn string(&self, name: &str) -> Result<String, ParseError> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(self.wrong(name, other, "string")),
        }
    }

    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>, ParseError> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(|item| self.element(name, item)).collect(),
            Some(other) => Err(self.wrong(name, other, "[]string")),
        }
    }

    pub(crate) fn strings_by_key(
        &self,
        name: &str,
    ) -> Result<BTreeMap<String, String>, ParseError> {
        match self.get(name) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(map)) => map
                .iter()
                .map(|(key, v)| Ok((key.clone(), self.element(name, v)?)))
                .collect(),
            Some(other) => Err(self.wrong(name, other, "map[string]string")),
        }
    }

    pub(crate) fn each<T>(
        &self,
        name: &str,
        go_type: &'static str,
        parse: impl Fn(&Fields<'j>) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list
                .iter()
                .map(|item| parse(&self.item(name, go_type, item)?))
                .collect(),
            Some(other) => Err(self.wrong(name, other, &format!("[]v1.{go_type}"))),
        }
    }

    fn element(&self, name: &str, item: &Value) -> Result<String, ParseError> {
        match item {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            other => Err(self.wrong(name, other, "string")),
        }
    }

    fn inside(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn wrong(&self, name: &str, found: &Value, expected: &str) -> ParseError {
        let field = format!("{}.{}", self.go_type, self.inside(name));
        ParseError::WrongType {
            found: json_kind(found),
            field,
            expected: expected.to_owned(),
        }
    }
}

/// What kind of JSON a value is, as errors of Go's packages name it.
pub fn json_kind(json: &Value) -> &'static str {
    match json {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn metadata_json(
    object: &Object,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), object.name().into());
    if let Some(namespace) = object.namespace() {
        out.insert("namespace".into(), namespace.into());
    }
    for (name, map) in [("labels", labels), ("annotations", annotations)] {
        if !map.is_empty() {
            out.insert(name.into(), map_json(map));
        }
    }
    Value::Object(out)
}

fn map_json(map: &BTreeMap<String, String>) -> Value {
    map.iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect()
}

fn selector_json(selector: &LabelSelector) -> Value {
    let mut out = Map::new();
    if !selector.match_labels.is_empty() {
        out.insert("matchLabels".into(), map_json(&selector.match_labels));
    }
    if !selector.match_expressions.is_empty() {
        let list = selector.match_expressions.iter().map(|r| {
            let mut out = Map::new();
            out.insert("key".into(), r.key.as_str().into());
            out.insert("operator".into(), r.operator.as_str().into());
            if !r.values.is_empty() {
                out.insert("values".into(), r.values.clone().into());
            }
            Value::Object(out)
        });
        out.insert("matchExpressions".into(), list.collect());
    }
    Value::Object(out)
}

fn subject_json(subject: &SubjectRef) -> Value {
    let mut out = Map::new();
    out.insert("kind".into(), subject.kind.as_str().into());
    if !subject.api_group.is_empty() {
        out.insert("apiGroup".into(), subject.api_group.as_str().into());
    }
    out.insert("name".into(), subject.name.as_str().into());
    if !subject.namespace.is_empty() {
        out.insert("namespace".into(), subject.namespace.as_str().into());
    }
    Value::Object(out)
}

pub(crate) fn role_ref_json(role_ref: &RoleRef) -> Value {
    json!({ "apiGroup": role_ref.api_group, "kind": role_ref.kind, "name": role_ref.name })
}
