//! The nearest miss, in words.

use super::BindingName;
use super::distance::{Likeness, is_email_for_issuer, is_issuer_for_email, likeness};
use super::edit::RequestEdit;
use super::miss::{Candidate, Miss};
use super::subject::own_subject;
use crate::attributes::{Attributes, Target};
use crate::objects::{PolicyRule, SubjectRef};
use crate::policy::Policy;

/// What is wrong, for people.
pub(super) fn sentence(
    candidate: &Candidate<'_, '_>,
    policy: &Policy,
    request: &Attributes<'_>,
) -> String {
    let binding = BindingName::of(candidate.binding);
    let role = &candidate.binding.role_ref;
    match &candidate.miss {
        Miss::Subject { index, right } => {
            let written = &candidate.binding.subjects[*index];
            slip_sentence(policy, request, &binding, written, right)
        }
        Miss::Group { have, bound } => nowhere_else(policy, "group", have, bound, &binding),
        Miss::Elsewhere { subject } => {
            let own = candidate.binding.namespace.as_deref().unwrap_or_default();
            let here = match request.namespace() {
                "" => "the request is for no namespace".to_owned(),
                namespace => format!("the request in `{namespace}`"),
            };
            format!(
                "the RoleBinding is in `{own}`, {here}: RoleBinding `{}` gives {} {} `{}`",
                candidate.binding.name,
                describe_subject(subject),
                role.kind,
                role.name
            )
        }
        Miss::Part {
            rule,
            edit,
            subject,
        } => {
            let (has, lacks) = part_in_words(rule, edit, request);
            format!(
                "{} `{}`, which {binding} gives {}, allows {has}, not {lacks}",
                role.kind,
                role.name,
                describe_subject(subject)
            )
        }
        Miss::Moved { subject } => format!(
            "the RoleBinding is in `{}`, the request in `{}`: there RoleBinding `{}` would give \
             {} {} `{}`",
            candidate.binding.namespace.as_deref().unwrap_or_default(),
            request.namespace(),
            candidate.binding.name,
            describe_subject(subject),
            role.kind,
            role.name
        ),
        Miss::RoleRef { missing, right } => {
            let alike = right.name == role.name || likeness(&role.name, &right.name).is_some();
            let (lacks, has) = match (missing, alike) {
                (true, true) => ("does not exist", "does"),
                (true, false) => ("does not exist", "would allow this"),
                (false, _) => ("does not allow this", "does"),
            };
            format!(
                "{binding} refers to {} `{}`, which {lacks}; {} `{}` {has}",
                role.kind,
                role.name,
                right.kind(),
                right.name
            )
        }
        Miss::NewSubject => format!(
            "nothing that allows this names user `{}` or a group of theirs; \
             {binding} gives {} `{}`, which does, but not to {}",
            request.user.name,
            role.kind,
            role.name,
            describe_subject(&own_subject(&request.user))
        ),
    }
}

fn slip_sentence(
    policy: &Policy,
    request: &Attributes<'_>,
    binding: &BindingName,
    written: &SubjectRef,
    right: &SubjectRef,
) -> String {
    let name = &written.name;
    if written.kind != right.kind {
        return kind_sentence(binding, written, right);
    }
    if written.namespace != right.namespace {
        return namespace_sentence(binding, written, &right.namespace);
    }
    let user = request.user.name;
    if written.kind == "User" && is_issuer_for_email(name, user) {
        let what = if user.contains('@') {
            "the e-mail "
        } else {
            ""
        };
        return format!(
            "the binding names user `{name}`, as kubelogin's setup prints it, \
             but the user name here is {what}`{user}` ({binding})"
        );
    }
    if written.kind == "User" && is_email_for_issuer(name, user) {
        return format!(
            "the binding names user `{name}`, but the user name here is `{user}`, \
             the issuer and the sub ({binding})"
        );
    }
    name_sentence(policy, binding, written, &right.name)
}

fn kind_sentence(binding: &BindingName, written: &SubjectRef, right: &SubjectRef) -> String {
    let name = &written.name;
    match written.kind.as_str() {
        "User" | "Group" | "ServiceAccount" => format!(
            "{binding} names {} `{name}`, but `{name}` is a {}",
            kind_in_words(&written.kind),
            kind_in_words(&right.kind)
        ),
        unknown => format!(
            "{binding} names `{name}` as a `{unknown}`, which matches nobody; it is a {}",
            right.kind
        ),
    }
}

fn namespace_sentence(binding: &BindingName, written: &SubjectRef, have: &str) -> String {
    let name = &written.name;
    match written.namespace.as_str() {
        "" if binding.namespace.is_none() => {
            format!("{binding} names service account `{name}` without its namespace, `{have}`")
        }
        "" => format!(
            "{binding} names service account `{name}` of its own namespace, \
             but the one here is of `{have}`"
        ),
        own => format!(
            "{binding} names service account `{name}` of `{own}`, but the one here is of `{have}`"
        ),
    }
}

fn name_sentence(
    policy: &Policy,
    binding: &BindingName,
    written: &SubjectRef,
    have: &str,
) -> String {
    let (kind, name) = (kind_in_words(&written.kind), &written.name);
    match likeness(name, have) {
        Some(Likeness::Case) => format!(
            "{binding} names {kind} `{name}`, but the {kind} here is `{have}`: \
             upper and lower case differ"
        ),
        Some(Likeness::PrefixMissing(length)) => format!(
            "{binding} names {kind} `{name}`, but the {kind} here is `{have}`: \
             the prefix `{}` is missing in the binding",
            &have[..length]
        ),
        Some(Likeness::PrefixTooMany(length)) => format!(
            "{binding} names {kind} `{name}`, but the {kind} here is `{have}`, \
             without the prefix `{}`",
            &name[..length]
        ),
        Some(Likeness::Slips(_)) | None => nowhere_else(policy, kind, have, name, binding),
    }
}

fn nowhere_else(
    policy: &Policy,
    kind: &str,
    have: &str,
    bound: &str,
    binding: &BindingName,
) -> String {
    let is_bound = match kind {
        "group" => policy.of_group(have).is_some(),
        "user" => policy.of_user(have).is_some(),
        _ => false,
    };
    let nowhere = if is_bound {
        "to nothing that allows this"
    } else {
        "nowhere"
    };
    format!("{kind} `{have}` is bound {nowhere}; `{bound}` is, by {binding}")
}

fn kind_in_words(kind: &str) -> &str {
    match kind {
        "User" => "user",
        "Group" => "group",
        "ServiceAccount" => "service account",
        other => other,
    }
}

fn describe_subject(subject: &SubjectRef) -> String {
    format!("{} `{}`", kind_in_words(&subject.kind), subject.name)
}

/// What the rule has of the part in which the request differs, and what the
/// request has.
fn part_in_words(
    rule: &PolicyRule,
    edit: &RequestEdit,
    request: &Attributes<'_>,
) -> (String, String) {
    let quoted = |list: &[String]| {
        let list: Vec<String> = list.iter().map(|item| format!("`{item}`")).collect();
        list.join(", ")
    };
    let about = match request.target {
        Target::NonResource { path } => format!("`{path}`"),
        Target::Resource {
            resource,
            subresource: "",
            ..
        } => format!("`{resource}`"),
        Target::Resource {
            resource,
            subresource,
            ..
        } => format!("`{resource}/{subresource}`"),
    };
    let in_group = |group: &str| match group {
        "" => "the core API group".to_owned(),
        group => format!("API group `{group}`"),
    };
    match (edit, request.target) {
        (RequestEdit::Verb(_), _) => (
            format!("{} on {about}", quoted(&rule.verbs)),
            format!("`{}`", request.verb),
        ),
        (RequestEdit::ApiGroup(_), Target::Resource { api_group, .. }) => {
            let groups: Vec<String> = rule.api_groups.iter().map(|g| in_group(g)).collect();
            (
                format!("{about} in {}", groups.join(", ")),
                format!("in {}", in_group(api_group)),
            )
        }
        (RequestEdit::Name(_), Target::Resource { name, .. }) => {
            let lacks = match name {
                "" => "a request that names none".to_owned(),
                name => format!("`{name}`"),
            };
            (
                format!("{about} by the names {} only", quoted(&rule.resource_names)),
                lacks,
            )
        }
        (RequestEdit::Path(_), _) => (quoted(&rule.non_resource_urls), about),
        _ => (quoted(&rule.resources), about),
    }
}
