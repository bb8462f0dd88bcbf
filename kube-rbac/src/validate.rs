//! What the API server refuses to store, in its own words
//! (`pkg/apis/rbac/validation`, `apimachinery/pkg/api/validation`, and the
//! declarative rules of `pkg/apis/rbac/v1/zz_generated.validations.go`).
//!
//! Where declarative rules count ([`Version`]) they win over hand-written ones
//! that see the same fault: theirs come last and carry no explanation.

use crate::objects::{API_GROUP, Binding, LabelSelector, Object, PolicyRule, Role, SubjectRef};
use crate::quote::quote;
use crate::version::Version;
use crate::wire::{Fields, ParseError, parse_object, rbac_kind, role_ref_json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// One fault of an object. Displayed as Kubernetes prints it: `field: body`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The path, as `subjects[0].namespace`.
    pub field: String,
    /// What kind of fault.
    pub kind: FieldErrorKind,
    /// The value as printed, where the kind prints one.
    pub value: String,
    /// The explanation; may be empty.
    pub detail: String,
}

/// The kinds of [`FieldError`] that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// Something that must be there is not.
    Required,
    /// A malformed value.
    Invalid,
    /// Not one of the values that there are.
    NotSupported,
    /// Not allowed here.
    Forbidden,
    /// Too many bytes.
    TooLong,
}

impl FieldError {
    /// The text without the field, as in `status.details.causes[].message`.
    pub fn body(&self) -> String {
        let mut text = self.kind.text().to_owned();
        if matches!(
            self.kind,
            FieldErrorKind::Invalid | FieldErrorKind::NotSupported
        ) {
            text.push_str(": ");
            text.push_str(&self.value);
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    /// As in `status.details.causes[].reason`.
    pub fn reason(&self) -> &'static str {
        match self.kind {
            FieldErrorKind::Required => "FieldValueRequired",
            FieldErrorKind::Invalid => "FieldValueInvalid",
            FieldErrorKind::NotSupported => "FieldValueNotSupported",
            FieldErrorKind::Forbidden => "FieldValueForbidden",
            FieldErrorKind::TooLong => "FieldValueTooLong",
        }
    }

    fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(FieldErrorKind::Required, field, String::new(), detail)
    }

    fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(FieldErrorKind::Forbidden, field, String::new(), detail)
    }

    fn invalid(field: impl Into<String>, value: &str, detail: &str) -> Self {
        Self::new(FieldErrorKind::Invalid, field, quote(value), detail)
    }

    fn invalid_json(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(FieldErrorKind::Invalid, field, go_json(value), detail)
    }

    fn not_supported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|s| quote(s)).collect();
        let detail = format!("supported values: {}", list.join(", "));
        Self::new(FieldErrorKind::NotSupported, field, quote(value), &detail)
    }

    fn new(kind: FieldErrorKind, field: impl Into<String>, value: String, detail: &str) -> Self {
        FieldError {
            field: field.into(),
            kind,
            value,
            detail: detail.into(),
        }
    }
}

impl FieldErrorKind {
    fn text(self) -> &'static str {
        match self {
            FieldErrorKind::Required => "Required value",
            FieldErrorKind::Invalid => "Invalid value",
            FieldErrorKind::NotSupported => "Unsupported value",
            FieldErrorKind::Forbidden => "Forbidden",
            FieldErrorKind::TooLong => "Too long",
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// The faults for which an object is not created; defaults are put in first.
/// The namespace must be there already, as the API server takes it from the
/// URL.
pub fn create(version: Version, json: &Value) -> Result<Vec<FieldError>, ParseError> {
    let object = parse_object(json)?;
    let metadata = Metadata::of(version, json)?;
    // A second look at the metadata by the generic registry finds nothing
    // that the first did not: it has the same rules for names.
    let errors = check_own(&metadata, &object, None);
    Ok(settle(version, errors, || declared(&object, None)))
}

/// The faults for which the old object is not updated to the new one.
pub fn update(version: Version, new: &Value, old: &Value) -> Result<Vec<FieldError>, ParseError> {
    let (new_object, old_object) = (parse_object(new)?, parse_object(old)?);
    let metadata = Metadata::of(version, new)?;
    let old_metadata = Metadata::of(version, old)?;

    // The generic registry looks first, and here in full; then the kind's own
    // rules look at the same metadata again.
    let mut errors = metadata.check(new_object.namespace().is_some());
    errors.extend(metadata.check_update(&old_metadata));
    for _ in 0..version.looks_at_updates() {
        errors.extend(check_own(&metadata, &new_object, Some(&old_object)));
    }
    errors.extend(metadata.check_update(&old_metadata));
    errors.extend(check_finalizer_names(&metadata.finalizers));
    if let (Object::Binding(new), Object::Binding(old)) = (&new_object, &old_object)
        && new.role_ref != old.role_ref
    {
        let value = internal_role_ref(&new.role_ref);
        let detail = version.role_ref_changed();
        errors.push(FieldError::invalid_json("roleRef", &value, detail));
    }
    Ok(settle(version, errors, || {
        declared(&new_object, Some(&old_object))
    }))
}

const IMMUTABLE: &str = "field is immutable";

/// The types that the registry works on carry no JSON names.
fn internal_role_ref(role_ref: &crate::objects::RoleRef) -> Value {
    let json = role_ref_json(role_ref);
    json!({ "APIGroup": json["apiGroup"], "Kind": json["kind"], "Name": json["name"] })
}

/// The kind's own rules, which begin with the metadata.
fn check_own(metadata: &Metadata, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
    let mut errors = metadata.check(object.namespace().is_some());
    errors.extend(check_finalizer_names(&metadata.finalizers));
    errors.extend(match object {
        Object::Role(role) => {
            // Selectors that were not valid before may stay so.
            let lenient = matches!(old, Some(Object::Role(old)) if has_invalid_selector(old));
            check_role(metadata.version, role, lenient)
        }
        Object::Binding(binding) => check_binding(binding),
    });
    errors
}

fn check_role(version: Version, role: &Role, lenient: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (i, rule) in role.rules.iter().enumerate() {
        errors.extend(check_rule(
            rule,
            role.namespace.is_some(),
            &format!("rules[{i}]"),
        ));
    }
    let Some(selectors) = &role.aggregation else {
        return errors;
    };
    let field = "aggregationRule.clusterRoleSelectors";
    if selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.push(FieldError::required(field, detail));
    }
    for (i, selector) in selectors.iter().enumerate() {
        let field = format!("{field}[{i}]");
        errors.extend(check_selector(version, selector, lenient, &field));
        if selector.matches(&BTreeMap::new()).is_none() {
            errors.push(FieldError::invalid_json(
                field,
                &Value::Null,
                "invalid label selector.",
            ));
        }
    }
    errors
}

fn has_invalid_selector(role: &Role) -> bool {
    role.aggregation
        .iter()
        .flatten()
        .any(|s| !check_selector(Version::default(), s, false, "").is_empty())
}

/// Checks one rule of a Role (`namespaced`) or ClusterRole; `field` is its
/// path.
pub fn check_rule(rule: &PolicyRule, namespaced: bool, field: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if rule.verbs.is_empty() {
        let detail = "verbs must contain at least one value";
        errors.push(FieldError::required(format!("{field}.verbs"), detail));
    }
    if !rule.non_resource_urls.is_empty() {
        let mut refuse = |detail| {
            let value = rule.non_resource_urls.clone().into();
            let field = format!("{field}.nonResourceURLs");
            errors.push(FieldError::invalid_json(field, &value, detail));
        };
        if namespaced {
            refuse("namespaced rules cannot apply to non-resource URLs");
        }
        let about_resources = [&rule.api_groups, &rule.resources, &rule.resource_names];
        if about_resources.iter().any(|list| !list.is_empty()) {
            refuse("rules cannot apply to both regular resources and non-resource URLs");
        }
        return errors;
    }
    if rule.api_groups.is_empty() {
        let detail = "resource rules must supply at least one api group";
        errors.push(FieldError::required(format!("{field}.apiGroups"), detail));
    }
    if rule.resources.is_empty() {
        let detail = "resource rules must supply at least one resource";
        errors.push(FieldError::required(format!("{field}.resources"), detail));
    }
    errors
}

fn check_binding(binding: &Binding) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let role_ref = &binding.role_ref;
    if role_ref.api_group != API_GROUP {
        let field = "roleRef.apiGroup";
        errors.push(FieldError::not_supported(
            field,
            &role_ref.api_group,
            &[API_GROUP],
        ));
    }
    let kinds: &[&str] = match binding.namespace {
        Some(_) => &["Role", "ClusterRole"],
        None => &["ClusterRole"],
    };
    if !kinds.contains(&role_ref.kind.as_str()) {
        errors.push(FieldError::not_supported(
            "roleRef.kind",
            &role_ref.kind,
            kinds,
        ));
    }
    if role_ref.name.is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
    for fault in path_segment_faults(&role_ref.name) {
        errors.push(FieldError::invalid("roleRef.name", &role_ref.name, &fault));
    }
    for (i, subject) in binding.subjects.iter().enumerate() {
        let field = format!("subjects[{i}]");
        errors.extend(check_subject(subject, binding.namespace.is_some(), &field));
    }
    errors
}

fn check_subject(subject: &SubjectRef, namespaced: bool, field: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if subject.name.is_empty() {
        errors.push(FieldError::required(format!("{field}.name"), ""));
    }
    let api_group = format!("{field}.apiGroup");
    match subject.kind.as_str() {
        "ServiceAccount" => {
            if !subject.name.is_empty() {
                for fault in dns_subdomain_faults(&subject.name, "characters") {
                    let field = format!("{field}.name");
                    errors.push(FieldError::invalid(field, &subject.name, &fault));
                }
            }
            if !subject.api_group.is_empty() {
                errors.push(FieldError::not_supported(
                    api_group,
                    &subject.api_group,
                    &[""],
                ));
            }
            if !namespaced && subject.namespace.is_empty() {
                errors.push(FieldError::required(format!("{field}.namespace"), ""));
            }
        }
        "User" | "Group" => {
            if subject.api_group != API_GROUP {
                errors.push(FieldError::not_supported(
                    api_group,
                    &subject.api_group,
                    &[API_GROUP],
                ));
            }
        }
        kind => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.push(FieldError::not_supported(
                format!("{field}.kind"),
                kind,
                &kinds,
            ));
        }
    }
    errors
}

fn check_selector(
    version: Version,
    selector: &LabelSelector,
    lenient: bool,
    field: &str,
) -> Vec<FieldError> {
    let labels = format!("{field}.matchLabels");
    let mut errors = check_labels(version, &selector.match_labels, &labels);
    for (i, requirement) in selector.match_expressions.iter().enumerate() {
        let field = format!("{field}.matchExpressions[{i}]");
        let values = format!("{field}.values");
        match requirement.operator.as_str() {
            "In" | "NotIn" if requirement.values.is_empty() => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(values.clone(), detail));
            }
            "Exists" | "DoesNotExist" if !requirement.values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(values.clone(), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            operator => {
                // A named string type is printed as JSON, not with %q.
                let value = Value::from(operator);
                let detail = "not a valid selector operator";
                errors.push(FieldError::invalid_json(
                    format!("{field}.operator"),
                    &value,
                    detail,
                ));
            }
        }
        for fault in label_key_faults(version, &requirement.key) {
            errors.push(FieldError::invalid(
                format!("{field}.key"),
                &requirement.key,
                &fault,
            ));
        }
        for (j, value) in requirement.values.iter().enumerate().filter(|_| !lenient) {
            for fault in label_value_faults(version, value) {
                errors.push(FieldError::invalid(format!("{values}[{j}]"), value, &fault));
            }
        }
    }
    errors
}

fn check_labels(
    version: Version,
    labels: &BTreeMap<String, String>,
    field: &str,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels {
        errors.extend(
            label_key_faults(version, key)
                .iter()
                .map(|f| FieldError::invalid(field, key, f)),
        );
        let faults = label_value_faults(version, value);
        errors.extend(faults.iter().map(|f| FieldError::invalid(field, value, f)));
    }
    errors
}

/// The parts of `metadata` that are checked.
struct Metadata {
    version: Version,
    name: String,
    generate_name: String,
    namespace: String,
    resource_version: String,
    uid: String,
    generation: i64,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owner_references: Vec<OwnerReference>,
    finalizers: Vec<String>,
    creation_timestamp: Value,
    deletion_timestamp: Value,
    deletion_grace_period_seconds: Value,
}

struct OwnerReference {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
    is_controller: bool,
    json: Value,
}

impl Metadata {
    fn of(version: Version, json: &Value) -> Result<Self, ParseError> {
        let kind = rbac_kind(json)?;
        let fields = Fields::root(kind, json).child("metadata", "ObjectMeta")?;
        let owner_references =
            fields.each("ownerReferences", "OwnerReference", OwnerReference::of)?;
        let as_is = |name: &str| fields.get(name).cloned().unwrap_or_default();
        Ok(Metadata {
            version,
            name: fields.string("name")?,
            generate_name: fields.string("generateName")?,
            namespace: fields.string("namespace")?,
            resource_version: fields.string("resourceVersion")?,
            uid: fields.string("uid")?,
            generation: fields
                .get("generation")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            labels: fields.strings_by_key("labels")?,
            annotations: fields.strings_by_key("annotations")?,
            owner_references,
            finalizers: fields.strings("finalizers")?,
            creation_timestamp: as_is("creationTimestamp"),
            deletion_timestamp: as_is("deletionTimestamp"),
            deletion_grace_period_seconds: as_is("deletionGracePeriodSeconds"),
        })
    }

    fn check(&self, namespaced: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for fault in path_segment_faults(&self.generate_name) {
            errors.push(FieldError::invalid(
                "metadata.generateName",
                &self.generate_name,
                &fault,
            ));
        }
        if self.name.is_empty() {
            errors.push(FieldError::required(
                "metadata.name",
                "name or generateName is required",
            ));
        }
        for fault in path_segment_faults(&self.name) {
            errors.push(FieldError::invalid("metadata.name", &self.name, &fault));
        }
        let namespace = "metadata.namespace";
        match (namespaced, self.namespace.as_str()) {
            (true, "") => errors.push(FieldError::required(namespace, "")),
            (true, name) => errors.extend(
                dns_label_faults(name)
                    .iter()
                    .map(|f| FieldError::invalid(namespace, name, f)),
            ),
            (false, "") => {}
            (false, _) => errors.push(FieldError::forbidden(namespace, "not allowed on this type")),
        }
        errors.extend(self.check_generation());
        errors.extend(check_labels(self.version, &self.labels, "metadata.labels"));
        errors.extend(self.check_annotations());
        errors.extend(self.check_owner_references());
        errors.extend(self.check_finalizers());
        errors
    }

    fn check_update(&self, old: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !old.deletion_timestamp.is_null() {
            let mut added: Vec<&String> = self
                .finalizers
                .iter()
                .filter(|f| !old.finalizers.contains(f))
                .collect();
            added.sort();
            added.dedup();
            if !added.is_empty() {
                let list: Vec<String> = added.iter().map(|f| quote(f)).collect();
                let detail = format!(
                    "no new finalizers can be added if the object is being deleted, \
                     found new finalizers []string{{{}}}",
                    list.join(", ")
                );
                errors.push(FieldError::forbidden("metadata.finalizers", &detail));
            }
        }
        if self.resource_version.is_empty() {
            let detail = "must be specified for an update";
            errors.push(FieldError::invalid("metadata.resourceVersion", "", detail));
        }
        if self.version.has_declarable_metadata() {
            errors.extend(self.check_generation());
        }
        if self.generation < old.generation {
            let (field, value) = ("metadata.generation", self.generation.into());
            errors.push(FieldError::invalid_json(
                field,
                &value,
                "must not be decremented",
            ));
        }
        let fixed = [
            ("metadata.name", &self.name, &old.name),
            ("metadata.namespace", &self.namespace, &old.namespace),
            ("metadata.uid", &self.uid, &old.uid),
        ];
        for (field, new, _) in fixed.into_iter().filter(|(_, new, old)| new != old) {
            errors.push(FieldError::invalid(field, new, IMMUTABLE));
        }
        for (field, new, old) in self.settings_of_the_server(old) {
            if new != old {
                let field = format!("metadata.{field}");
                errors.push(FieldError::invalid_json(field, new, IMMUTABLE));
            }
        }
        errors.extend(check_labels(self.version, &self.labels, "metadata.labels"));
        errors.extend(self.check_annotations());
        errors.extend(self.check_owner_references());
        errors
    }

    /// What a server puts back before it looks, so that no client is told.
    fn settings_of_the_server<'m>(
        &'m self,
        old: &'m Metadata,
    ) -> [(&'static str, &'m Value, &'m Value); 3] {
        [
            (
                "creationTimestamp",
                &self.creation_timestamp,
                &old.creation_timestamp,
            ),
            (
                "deletionTimestamp",
                &self.deletion_timestamp,
                &old.deletion_timestamp,
            ),
            (
                "deletionGracePeriodSeconds",
                &self.deletion_grace_period_seconds,
                &old.deletion_grace_period_seconds,
            ),
        ]
    }

    fn check_generation(&self) -> Option<FieldError> {
        let detail = "must be greater than or equal to 0";
        (self.generation < 0).then(|| {
            FieldError::invalid_json("metadata.generation", &self.generation.into(), detail)
        })
    }

    fn check_annotations(&self) -> Vec<FieldError> {
        let field = "metadata.annotations";
        let mut errors = Vec::new();
        for key in self.annotations.keys() {
            let faults = label_key_faults(self.version, &key.to_lowercase());
            errors.extend(faults.iter().map(|f| FieldError::invalid(field, key, f)));
        }
        let size: usize = self
            .annotations
            .iter()
            .map(|(k, v)| k.len() + v.len())
            .sum();
        if size > 256 << 10 {
            let detail = "may not be more than 262144 bytes";
            let kind = FieldErrorKind::TooLong;
            errors.push(FieldError::new(kind, field, String::new(), detail));
        }
        errors
    }

    fn check_owner_references(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut controller: Option<String> = None;
        for (i, reference) in self.owner_references.iter().enumerate() {
            errors.extend(if self.version.has_declarable_metadata() {
                reference.check(&format!("metadata.ownerReferences[{i}]"))
            } else {
                reference.check_as_before("metadata.ownerReferences")
            });
            if !reference.is_controller {
                continue;
            }
            let this = format!("{}/{}", reference.kind, reference.name);
            match &controller {
                None => controller = Some(this),
                Some(first) => {
                    let all = self
                        .owner_references
                        .iter()
                        .map(|r| r.json.clone())
                        .collect();
                    let detail = format!(
                        "Only one reference can have Controller set to true. \
                         Found \"true\" in references for {first} and {this}"
                    );
                    let field = "metadata.ownerReferences";
                    errors.push(FieldError::invalid_json(field, &all, &detail));
                }
            }
        }
        errors
    }

    fn check_finalizers(&self) -> Vec<FieldError> {
        let field = "metadata.finalizers";
        let mut errors = Vec::new();
        for name in &self.finalizers {
            let faults = label_key_faults(self.version, name);
            errors.extend(faults.iter().map(|f| FieldError::invalid(field, name, f)));
        }
        let has = |name: &str| self.finalizers.iter().any(|f| f == name);
        if has("orphan") && has("foregroundDeletion") {
            let value = self.finalizers.clone().into();
            let detail = "finalizer orphan and foregroundDeletion cannot be both set";
            errors.push(FieldError::invalid_json(field, &value, detail));
        }
        errors
    }
}

impl OwnerReference {
    fn of(fields: &Fields<'_>) -> Result<Self, ParseError> {
        let (api_version, kind) = (fields.string("apiVersion")?, fields.string("kind")?);
        let (name, uid) = (fields.string("name")?, fields.string("uid")?);
        // As Go prints the type, whose optional fields are two.
        let mut json = json!({ "apiVersion": api_version, "kind": kind, "name": name, "uid": uid });
        for field in ["controller", "blockOwnerDeletion"] {
            if let Some(value) = fields.get(field).filter(|value| value.is_boolean()) {
                json[field] = value.clone();
            }
        }
        Ok(Self {
            api_version,
            kind,
            name,
            uid,
            is_controller: json["controller"] == true,
            json,
        })
    }

    fn check(&self, field: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let must = "must not be empty";
        let parts: Vec<&str> = self.api_version.split('/').collect();
        let version = parts.last().copied().unwrap_or_default();
        if self.api_version.is_empty() {
            errors.push(FieldError::required(format!("{field}.apiVersion"), must));
        } else if parts.len() > 2 || version.is_empty() {
            let detail = "must be <group>/<version> or <version>";
            let field = format!("{field}.apiVersion");
            errors.push(FieldError::invalid(field, &self.api_version, detail));
        }
        for (name, value) in [
            ("kind", &self.kind),
            ("name", &self.name),
            ("uid", &self.uid),
        ] {
            if value.is_empty() {
                errors.push(FieldError::required(format!("{field}.{name}"), must));
            }
        }
        errors.extend(self.check_owner(field));
        errors
    }

    /// The rules and words of the releases without declarable metadata.
    fn check_as_before(&self, field: &str) -> Vec<FieldError> {
        let version = match self.api_version.split('/').collect::<Vec<_>>()[..] {
            [version] | [_, version] => version,
            _ => "",
        };
        let (empty, must) = ("version must not be empty", "must not be empty");
        let faults = [
            ("apiVersion", self.api_version.as_str(), version, empty),
            ("kind", &self.kind, &self.kind, must),
            ("name", &self.name, &self.name, must),
            ("uid", &self.uid, &self.uid, must),
        ];
        let mut errors: Vec<FieldError> = faults
            .into_iter()
            .filter(|(_, _, wanted, _)| wanted.is_empty())
            .map(|(name, value, _, detail)| {
                FieldError::invalid(format!("{field}.{name}"), value, detail)
            })
            .collect();
        errors.extend(self.check_owner(field));
        errors
    }

    fn check_owner(&self, field: &str) -> Option<FieldError> {
        let detail = "/v1, Kind=Event is disallowed from being an owner";
        (matches!(self.api_version.as_str(), "v1" | "/v1") && self.kind == "Event")
            .then(|| FieldError::invalid_json(field, &self.json, detail))
    }
}

fn check_finalizer_names(finalizers: &[String]) -> Vec<FieldError> {
    let standard = ["kubernetes", "orphan", "foregroundDeletion"];
    let detail = "name is neither a standard finalizer name nor is it fully qualified";
    finalizers
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.contains('/') && !standard.contains(&name.as_str()))
        .map(|(i, name)| FieldError::invalid(format!("metadata.finalizers[{i}]"), name, detail))
        .collect()
}

/// The faults that the declarative rules find. On update they look only at
/// what has changed.
fn declared(object: &Object, old: Option<&Object>) -> Vec<FieldError> {
    let mut fields = Vec::new();
    match (object, old) {
        (Object::Role(role), old) => {
            if matches!(old, Some(Object::Role(old)) if old.rules == role.rules) {
                return Vec::new();
            }
            let empty = role
                .rules
                .iter()
                .enumerate()
                .filter(|(_, rule)| rule.verbs.is_empty());
            fields.extend(empty.map(|(i, _)| format!("rules[{i}].verbs")));
        }
        (Object::Binding(binding), old) => {
            let old = match old {
                Some(Object::Binding(old)) => Some(old),
                _ => None,
            };
            if old.is_none_or(|old| old.subjects != binding.subjects) {
                let subjects = binding.subjects.iter().enumerate();
                let empty = subjects.filter(|(_, subject)| subject.name.is_empty());
                fields.extend(empty.map(|(i, _)| format!("subjects[{i}].name")));
            }
            if old.is_none() && binding.role_ref.name.is_empty() {
                fields.push("roleRef.name".to_owned());
            }
        }
    }
    fields
        .into_iter()
        .map(|field| FieldError::required(field, ""))
        .collect()
}

/// Where declared rules count, what was found twice by hand is said once, and
/// the declared faults take the place of the same ones found by hand.
fn settle(
    version: Version,
    mut errors: Vec<FieldError>,
    declared: impl FnOnce() -> Vec<FieldError>,
) -> Vec<FieldError> {
    if !version.heeds_declared_rules() {
        return errors;
    }
    let declared = declared();
    let mut said = std::collections::HashSet::new();
    errors.retain(|e| said.insert(e.to_string()));
    errors.retain(|e| {
        !declared
            .iter()
            .any(|d| d.kind == e.kind && d.field == e.field)
    });
    errors.extend(declared);
    errors
}

pub(crate) fn is_label_key(key: &str) -> bool {
    label_key_faults(Version::default(), key).is_empty()
}

pub(crate) fn is_label_value(value: &str) -> bool {
    label_value_faults(Version::default(), value).is_empty()
}

fn path_segment_faults(name: &str) -> Vec<String> {
    if matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    let contained = ["/", "%"].into_iter().filter(|c| name.contains(c));
    contained
        .map(|c| format!("may not contain '{c}'"))
        .collect()
}

const LABEL_REGEX: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const DNS_LABEL_REGEX: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

fn label_key_faults(version: Version, key: &str) -> Vec<String> {
    let unit = version.label_unit();
    let shape = format!(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
         an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
         validation is '{LABEL_REGEX}')"
    );
    let (prefix, name) = match key.split('/').collect::<Vec<_>>().as_slice() {
        [name] => (None, *name),
        [prefix, name] => (Some(*prefix), *name),
        _ => {
            let rest = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            let what = version.label_key();
            return vec![format!("{what} {shape}{rest}")];
        }
    };
    let mut faults: Vec<String> = match prefix {
        None => Vec::new(),
        Some("") => vec!["prefix part must be non-empty".into()],
        Some(prefix) => dns_subdomain_faults(prefix, unit)
            .iter()
            .map(|f| format!("prefix part {f}"))
            .collect(),
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        faults.push(format!("name part must be no more than 63 {unit}"));
    }
    if !is_label_name(name) {
        faults.push(format!("name part {shape}"));
    }
    faults
}

fn label_value_faults(version: Version, value: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if value.len() > 63 {
        let unit = version.label_unit();
        faults.push(format!("must be no more than 63 {unit}"));
    }
    if !value.is_empty() && !is_label_name(value) {
        faults.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', \
             '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  \
             or 'my_value',  or '12345', regex used for validation is '({LABEL_REGEX})?')"
        ));
    }
    faults
}

fn is_label_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter()
        .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The same fault is worded by two copies of the rule, one counting bytes.
fn dns_subdomain_faults(name: &str, unit: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if name.len() > 253 {
        faults.push(format!("must be no more than 253 {unit}"));
    }
    if !is_dns_subdomain(name) {
        faults.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character (e.g. \
             'example.com', regex used for validation is \
             '{DNS_LABEL_REGEX}(\\.{DNS_LABEL_REGEX})*')"
        ));
    }
    faults
}

fn dns_label_faults(name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if name.len() > 63 {
        faults.push("must be no more than 63 characters".into());
    }
    if !is_dns_label(name) {
        faults.push(if is_dns_subdomain(name) {
            "must not contain dots".into()
        } else {
            format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
                 or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  \
                 or '123-abc', regex used for validation is '{DNS_LABEL_REGEX}')"
            )
        });
    }
    faults
}

fn is_dns_subdomain(name: &str) -> bool {
    name.split('.').all(is_dns_label)
}

/// By shape; the length is checked apart.
fn is_dns_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(alphanumeric))
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

/// JSON as Go prints it: without spaces, and with `<`, `>` and `&` escaped.
fn go_json(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => text.push(c),
        }
    }
    text
}

impl FieldError {
    /// `Display` of several, as the body of an `Invalid` status lists them.
    pub fn join(errors: &[FieldError]) -> String {
        let mut texts: Vec<String> = Vec::new();
        for text in errors.iter().map(FieldError::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        match texts.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        }
    }
}
