//! Whether one rule allows one request
//! (`pkg/apis/rbac/v1/evaluation_helpers.go`).

use crate::attributes::{Attributes, Target};
use crate::objects::PolicyRule;

/// Whether the rule allows the request; who asks is not looked at.
pub fn allows(rule: &PolicyRule, request: &Attributes<'_>) -> bool {
    match request.target {
        Target::Resource {
            api_group,
            resource,
            subresource,
            name,
            ..
        } => {
            verb_matches(rule, request.verb)
                && api_group_matches(rule, api_group)
                && resource_matches(rule, resource, subresource)
                && resource_name_matches(rule, name)
        }
        Target::NonResource { path } => verb_matches(rule, request.verb) && url_matches(rule, path),
    }
}

pub(crate) fn verb_matches(rule: &PolicyRule, verb: &str) -> bool {
    rule.verbs.iter().any(|v| v == "*" || v == verb)
}

pub(crate) fn api_group_matches(rule: &PolicyRule, group: &str) -> bool {
    rule.api_groups.iter().any(|g| g == "*" || g == group)
}

pub(crate) fn resource_matches(rule: &PolicyRule, resource: &str, subresource: &str) -> bool {
    rule.resources
        .iter()
        .any(|r| r == "*" || is_resource(r, resource, subresource))
}

/// `pods/*` is no wildcard, and `*` alone reaches subresources too: only
/// `*/subresource` stands for every resource's.
fn is_resource(rule: &str, resource: &str, subresource: &str) -> bool {
    if subresource.is_empty() {
        return rule == resource;
    }
    rule.strip_suffix(subresource)
        .and_then(|rest| rest.strip_suffix('/'))
        .is_some_and(|rest| rest == resource || rest == "*")
}

pub(crate) fn resource_name_matches(rule: &PolicyRule, name: &str) -> bool {
    rule.resource_names.is_empty() || rule.resource_names.iter().any(|n| n == name)
}

pub(crate) fn url_matches(rule: &PolicyRule, path: &str) -> bool {
    rule.non_resource_urls
        .iter()
        .any(|url| url_covers(url, path))
}

/// All trailing stars are one star: `/x**` is `/x*`.
pub(crate) fn url_covers(url: &str, path: &str) -> bool {
    url == path || (url.ends_with('*') && path.starts_with(url.trim_end_matches('*')))
}
