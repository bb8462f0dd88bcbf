//! The selectors inside access reviews: what is wrong with them, and whether
//! they can be understood. RBAC looks at neither (apimachinery,
//! `meta/v1/validation`, and `registry/authorization/util`).

use serde_json::json;

use super::wire::{Requirement, Selector};
use kube_rbac::{Version, names};

use crate::registry::selector;
use crate::wire::{Cause, Fault};

/// Which of the two selectors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `fieldSelector`.
    Field,
    /// `labelSelector`.
    Label,
}

impl Which {
    /// The field's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Field => "fieldSelector",
            Self::Label => "labelSelector",
        }
    }
}

/// The faults of a selector.
pub fn validate(version: Version, selector: &Selector, which: Which) -> Vec<Cause> {
    let path = format!("spec.resourceAttributes.{}", which.name());
    let mut causes = Vec::new();
    let raw = !selector.raw_selector.is_empty();
    if raw && !selector.requirements.is_empty() {
        causes.push(Cause::new(
            &format!("{path}.rawSelector"),
            Fault::Invalid,
            Some(&json!(selector.raw_selector)),
            "may not specified at the same time as requirements",
        ));
    }
    if !raw && selector.requirements.is_empty() {
        causes.push(Cause::new(
            &format!("{path}.requirements"),
            Fault::Required,
            None,
            &format!("when {path} is specified, requirements or rawSelector is required"),
        ));
    }
    for (at, requirement) in selector.requirements.iter().enumerate() {
        let path = format!("{path}.requirements[{at}]");
        match which {
            Which::Field => {
                if requirement.key.is_empty() {
                    let key = format!("{path}.key");
                    causes.push(Cause::new(&key, Fault::Required, None, "must be specified"));
                }
                causes.extend(operator_fault(requirement, &path));
            }
            Which::Label => {
                causes.extend(operator_fault(requirement, &path));
                causes.extend(label_faults(version, requirement, &path));
            }
        }
    }
    causes
}

/// Unknown operators are let through: newer clients may know more.
fn operator_fault(requirement: &Requirement, path: &str) -> Option<Cause> {
    let (fault, detail) = match requirement.operator.as_str() {
        "In" | "NotIn" if requirement.values.is_empty() => (
            Fault::Required,
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
        "Exists" | "DoesNotExist" if !requirement.values.is_empty() => (
            Fault::Forbidden,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        _ => return None,
    };
    Some(Cause::new(&format!("{path}.values"), fault, None, detail))
}

/// A requirement's key and values have to be those of labels.
fn label_faults(version: Version, requirement: &Requirement, path: &str) -> Vec<Cause> {
    let invalid = |field: String, value: &str, faults: Vec<String>| {
        faults
            .into_iter()
            .map(move |fault| Cause::new(&field, Fault::Invalid, Some(&json!(value)), &fault))
            .collect::<Vec<_>>()
    };
    let key = &requirement.key;
    let mut causes = invalid(format!("{path}.key"), key, names::label_key(version, key));
    for (at, value) in requirement.values.iter().enumerate() {
        let faults = names::label_value(version, value);
        causes.extend(invalid(format!("{path}.values[{at}]"), value, faults));
    }
    causes
}

/// What the review's `evaluationError` says of a selector, where it cannot
/// be understood in whole.
pub fn evaluation_error(selector: &Selector, which: Which) -> Option<String> {
    let (understood, errors) = if selector.raw_selector.is_empty() {
        let understood = selector
            .requirements
            .iter()
            .filter(|r| is_understood(r, which))
            .count();
        (understood, understood < selector.requirements.len())
    } else {
        (0, !is_parseable(&selector.raw_selector, which))
    };
    errors.then(|| {
        let partially = if understood > 0 { "partially " } else { "" };
        format!(
            "spec.resourceAttributes.{} {partially}ignored due to parse error",
            which.name()
        )
    })
}

/// Of a requirement without faults.
fn is_understood(requirement: &Requirement, which: Which) -> bool {
    match (which, requirement.operator.as_str()) {
        (Which::Field, "In" | "NotIn") => requirement.values.len() == 1,
        (Which::Field, _) => false,
        (Which::Label, operator) => {
            matches!(operator, "In" | "NotIn" | "Exists" | "DoesNotExist")
        }
    }
}

/// Whether the selector can be read at all.
fn is_parseable(raw: &str, which: Which) -> bool {
    match which {
        Which::Field => selector::is_of_fields(raw),
        Which::Label => selector::is_of_labels(raw),
    }
}
