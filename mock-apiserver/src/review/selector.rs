//! The selectors inside access reviews: what is wrong with them, and whether
//! they can be understood. RBAC looks at neither (apimachinery,
//! `meta/v1/validation`, and `registry/authorization/util`).

use serde_json::json;

use super::wire::{Requirement, Selector};
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
            is_label_key(&requirement.key)
                && requirement.values.iter().all(|value| is_label_value(value))
        }
        (Which::Label, _) => false,
    }
}

/// A rough reading of the selector syntaxes: enough to tell `a=b,c!=d` from
/// what is no selector.
fn is_parseable(raw: &str, which: Which) -> bool {
    match which {
        Which::Field => raw
            .split(',')
            .all(|term| term.is_empty() || term.contains('=')),
        Which::Label => split_terms(raw).into_iter().all(is_label_term),
    }
}

/// Splits at the commas outside parentheses.
fn split_terms(raw: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    raw.split(move |c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    })
    .collect()
}

fn is_label_term(term: &str) -> bool {
    let term = term.trim();
    for operator in [" notin ", " in "] {
        if let Some((key, list)) = term.split_once(operator) {
            let list = list.trim();
            return is_label_key(key.trim())
                && list
                    .strip_prefix('(')
                    .and_then(|rest| rest.strip_suffix(')'))
                    .is_some_and(|values| values.split(',').all(|v| is_label_value(v.trim())));
        }
    }
    for operator in ["!=", "==", "=", ">", "<"] {
        if let Some((key, value)) = term.split_once(operator) {
            return is_label_key(key.trim()) && is_label_value(value.trim());
        }
    }
    is_label_key(term.strip_prefix('!').unwrap_or(term).trim())
}

fn is_label_key(key: &str) -> bool {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() <= 63
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && bytes.first().is_none_or(u8::is_ascii_alphanumeric)
        && bytes.last().is_none_or(u8::is_ascii_alphanumeric)
}
