//! Which kinds of subject and which forms of rule a request meets: what the
//! generator has to bring about often enough.

use kube_rbac::{Attributes, Binding, Policy, PolicyRule, SubjectRef, Target, User};
use std::collections::BTreeMap;

/// How often each was met.
pub type Counts = BTreeMap<&'static str, usize>;

/// All that must be met.
pub const ALL: [&str; 21] = [
    "subject: User",
    "subject: Group",
    "subject: ServiceAccount with namespace",
    "subject: ServiceAccount of the binding's namespace",
    "subject: ServiceAccount without any namespace",
    "subject: unknown kind",
    "verb: exact",
    "verb: *",
    "apiGroup: exact",
    "apiGroup: *",
    "resource: exact",
    "resource: exact/subresource",
    "resource: */subresource",
    "resource: *",
    "resourceNames: matched",
    "resourceNames: not matched",
    "nonResourceURL: exact",
    "nonResourceURL: prefix",
    "nonResourceURL: *",
    "RoleBinding of a ClusterRole",
    "role not found",
];

/// Counts what the request meets: subjects that mean the user, had they the
/// right kind, in bindings that reach it; and in the roles of the bindings
/// that apply, rules whose form matches that part of the request.
pub fn count(policy: &Policy, request: &Attributes<'_>, counts: &mut Counts) {
    let mut met: Vec<&'static str> = Vec::new();
    let namespace = request.namespace();
    for binding in policy.bindings() {
        let own = binding.namespace.as_deref();
        if own.is_some_and(|own| own != namespace) {
            continue;
        }
        let forms = binding
            .subjects
            .iter()
            .filter_map(|s| subject_form(s, binding, &request.user));
        met.extend(forms);
        if !applies(binding, &request.user) {
            continue;
        }
        match kube_rbac::resolve::referenced_role(policy, binding) {
            Err(_) => met.push("role not found"),
            Ok(role) => {
                if own.is_some() && role.namespace.is_none() {
                    met.push("RoleBinding of a ClusterRole");
                }
                role.rules
                    .iter()
                    .for_each(|rule| rule_forms(rule, request, &mut met));
            }
        }
    }
    met.sort_unstable();
    met.dedup();
    for form in met {
        *counts.entry(form).or_default() += 1;
    }
}

fn applies(binding: &Binding, user: &User<'_>) -> bool {
    binding.subjects.iter().any(|s| {
        !matches!(
            subject_form(s, binding, user),
            None | Some("subject: unknown kind" | "subject: ServiceAccount without any namespace")
        )
    })
}

fn subject_form(s: &SubjectRef, binding: &Binding, user: &User<'_>) -> Option<&'static str> {
    let account =
        |namespace: &str| user.name == format!("system:serviceaccount:{namespace}:{}", s.name);
    let has_group = user.groups.contains(&s.name);
    match (
        s.kind.as_str(),
        s.namespace.as_str(),
        binding.namespace.as_deref(),
    ) {
        ("User", ..) => (s.name == user.name).then_some("subject: User"),
        ("Group", ..) => has_group.then_some("subject: Group"),
        ("ServiceAccount", "", Some(namespace)) => {
            account(namespace).then_some("subject: ServiceAccount of the binding's namespace")
        }
        ("ServiceAccount", "", None) => {
            let named = user.name.ends_with(&format!(":{}", s.name));
            (named && user.name.starts_with("system:serviceaccount:"))
                .then_some("subject: ServiceAccount without any namespace")
        }
        ("ServiceAccount", namespace, _) => {
            account(namespace).then_some("subject: ServiceAccount with namespace")
        }
        _ => (has_group || s.name == user.name).then_some("subject: unknown kind"),
    }
}

fn rule_forms(rule: &PolicyRule, request: &Attributes<'_>, met: &mut Vec<&'static str>) {
    let mut when = |condition: bool, form| {
        if condition {
            met.push(form);
        }
    };
    let has = |list: &[String], wanted: &str| list.iter().any(|s| s == wanted);
    when(has(&rule.verbs, request.verb), "verb: exact");
    when(has(&rule.verbs, "*"), "verb: *");
    match request.target {
        Target::NonResource { path } => {
            let urls = &rule.non_resource_urls;
            when(has(urls, path), "nonResourceURL: exact");
            when(has(urls, "*"), "nonResourceURL: *");
            let prefix = |url: &String| {
                url.len() > 1 && url.ends_with('*') && path.starts_with(url.trim_end_matches('*'))
            };
            when(urls.iter().any(prefix), "nonResourceURL: prefix");
        }
        Target::Resource {
            api_group,
            resource,
            subresource,
            name,
            ..
        } => {
            when(has(&rule.api_groups, api_group), "apiGroup: exact");
            when(has(&rule.api_groups, "*"), "apiGroup: *");
            when(has(&rule.resources, "*"), "resource: *");
            if subresource.is_empty() {
                when(has(&rule.resources, resource), "resource: exact");
            } else {
                let exact = format!("{resource}/{subresource}");
                when(has(&rule.resources, &exact), "resource: exact/subresource");
                let every = format!("*/{subresource}");
                when(has(&rule.resources, &every), "resource: */subresource");
            }
            let names = &rule.resource_names;
            when(has(names, name), "resourceNames: matched");
            when(
                !names.is_empty() && !has(names, name),
                "resourceNames: not matched",
            );
        }
    }
}
