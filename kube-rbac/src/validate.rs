//! What the API server refuses to store, in its own words
//! (`pkg/apis/rbac/validation`, `apimachinery/pkg/api/validation`, and the
//! declarative rules of `pkg/apis/rbac/v1/zz_generated.validations.go`).
//!
//! Where declarative rules count ([`Version`]) they win over hand-written ones
//! that see the same fault: theirs come last and carry no explanation.

mod metadata;

pub use metadata::{Metadata, check_labels};

use crate::names::{NameRule, label_key, label_value, path_segment, subdomain};
use crate::objects::{API_GROUP, Binding, LabelSelector, Object, PolicyRule, Role, SubjectRef};
use crate::quote::quote;
use crate::version::Version;
use crate::wire::{ParseError, parse_object, rbac_kind, role_ref_json};
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
    let metadata = Metadata::of(version, rbac_kind(json)?.name(), json)?;
    // A second look at the metadata by the generic registry finds nothing
    // that the first did not: it has the same rules for names.
    let errors = check_own(&metadata, &object, None);
    Ok(settle(version, errors, || declared(&object, None)))
}

/// The faults for which the old object is not updated to the new one.
pub fn update(version: Version, new: &Value, old: &Value) -> Result<Vec<FieldError>, ParseError> {
    let (new_object, old_object) = (parse_object(new)?, parse_object(old)?);
    let metadata = Metadata::of(version, rbac_kind(new)?.name(), new)?;
    let old_metadata = Metadata::of(version, rbac_kind(old)?.name(), old)?;

    // The generic registry looks first, and here in full; then the kind's own
    // rules look at the same metadata again.
    let mut errors = metadata.check(new_object.namespace().is_some(), NameRule::PathSegment);
    errors.extend(metadata.check_update(&old_metadata));
    for _ in 0..version.looks_at_updates() {
        errors.extend(check_own(&metadata, &new_object, Some(&old_object)));
    }
    errors.extend(metadata.check_update(&old_metadata));
    errors.extend(metadata.check_finalizer_names());
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
    let mut errors = metadata.check(object.namespace().is_some(), NameRule::PathSegment);
    errors.extend(metadata.check_finalizer_names());
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
    for fault in path_segment(&role_ref.name) {
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
                for fault in subdomain(&subject.name) {
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
        for fault in label_key(version, &requirement.key) {
            errors.push(FieldError::invalid(
                format!("{field}.key"),
                &requirement.key,
                &fault,
            ));
        }
        for (j, value) in requirement.values.iter().enumerate().filter(|_| !lenient) {
            for fault in label_value(version, value) {
                errors.push(FieldError::invalid(format!("{values}[{j}]"), value, &fault));
            }
        }
    }
    errors
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
