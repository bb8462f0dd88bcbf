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
pub fn validate(selector: &Selector, which: Which) -> Vec<Cause> {
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
        causes.extend(validate_requirement(
            requirement,
            which,
            &format!("{path}.requirements[{at}]"),
        ));
    }
    causes
}

/// Unknown operators are let through: newer clients may know more.
fn validate_requirement(requirement: &Requirement, which: Which, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    match requirement.operator.as_str() {
        "In" | "NotIn" if requirement.values.is_empty() => causes.push(Cause::new(
            &format!("{path}.values"),
            Fault::Required,
            None,
            "must be specified when `operator` is 'In' or 'NotIn'",
        )),
        "Exists" | "DoesNotExist" if !requirement.values.is_empty() => causes.push(Cause::new(
            &format!("{path}.values"),
            Fault::Forbidden,
            None,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        )),
        _ => {}
    }
    if which == Which::Field && requirement.key.is_empty() {
        causes.push(Cause::new(
            &format!("{path}.key"),
            Fault::Required,
            None,
            "must be specified",
        ));
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

fn is_understood(requirement: &Requirement, which: Which) -> bool {
    match (which, requirement.operator.as_str()) {
        (Which::Field, "In" | "NotIn") => requirement.values.len() == 1,
        (Which::Field, _) => false,
        (Which::Label, "In" | "NotIn" | "Exists" | "DoesNotExist") => {
            names::label_key(Version::default(), &requirement.key).is_empty()
                && requirement
                    .values
                    .iter()
                    .all(|value| names::label_value(Version::default(), value).is_empty())
        }
        (Which::Label, _) => false,
    }
}

/// Whether the selector can be read at all.
fn is_parseable(raw: &str, which: Which) -> bool {
    match which {
        Which::Field => selector::is_of_fields(raw),
        Which::Label => selector::is_of_labels(raw),
    }
}
