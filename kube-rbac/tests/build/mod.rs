//! Short ways to write roles, bindings and requests down.

use kube_rbac::{Attributes, Binding, PolicyRule, Role, RoleRef, SubjectRef, Target, User};

pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| if word == "core" { "" } else { word }.to_owned())
        .collect()
}

/// `rule("get list", "core apps", "pods */scale")`
pub fn rule(verbs: &str, groups: &str, resources: &str) -> PolicyRule {
    PolicyRule {
        verbs: words(verbs),
        api_groups: words(groups),
        resources: words(resources),
        ..PolicyRule::default()
    }
}

pub fn named(rule: PolicyRule, names: &str) -> PolicyRule {
    PolicyRule {
        resource_names: words(names),
        ..rule
    }
}

pub fn urls(verbs: &str, urls: &str) -> PolicyRule {
    PolicyRule {
        verbs: words(verbs),
        non_resource_urls: words(urls),
        ..PolicyRule::default()
    }
}

pub fn role(namespace: Option<&str>, name: &str, rules: Vec<PolicyRule>) -> Role {
    Role {
        namespace: namespace.map(str::to_owned),
        name: name.into(),
        rules,
        ..Role::default()
    }
}

pub fn binding(
    namespace: Option<&str>,
    name: &str,
    role_ref: RoleRef,
    subjects: Vec<SubjectRef>,
) -> Binding {
    Binding {
        namespace: namespace.map(str::to_owned),
        name: name.into(),
        subjects,
        role_ref,
        ..Binding::default()
    }
}

pub fn user<'a>(name: &'a str, groups: &'a [String]) -> User<'a> {
    User { name, groups }
}

/// `"deployments/scale"` in the API group, or a path when it starts with `/`.
pub fn ask<'a>(
    user: User<'a>,
    verb: &'a str,
    group: &'a str,
    what: &'a str,
    name: &'a str,
    namespace: &'a str,
) -> Attributes<'a> {
    let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
    let target = match what.starts_with('/') {
        true => Target::NonResource { path: what },
        false => Target::Resource {
            api_group: group,
            resource,
            subresource,
            name,
            namespace,
        },
    };
    Attributes { user, verb, target }
}
