//! How far apart two names are, and what is before and after an edit: the
//! table at [`Edit`](super::Edit) as code.

use super::edit::{BindingEdit, RequestEdit};
use super::subject::applies;
use crate::attributes::{Attributes, Target};
use crate::bootstrap;
use crate::objects::{Binding, PolicyRule, Role, RoleRef, SubjectRef};
use crate::policy::Policy;
use crate::resolve::{referenced_role, role_of};
use crate::rules;

const KIND: u32 = 2;
const SERVICE_ACCOUNT_NAMESPACE: u32 = 2;
const SLASH: u32 = 2;
pub(crate) const NAMESPACE: u32 = 3;
const ISSUER_AND_SUB: u32 = 4;
const API_GROUP: u32 = 4;
const SUBRESOURCE: u32 = 5;
const KIN_VERB: u32 = 5;
const NAME: u32 = 6;
const VERB: u32 = 6;
const MISSING_ROLE: u32 = 8;
const RESOURCE: u32 = 9;
const PATH: u32 = 9;
const RESOURCE_AND_SUBRESOURCE: u32 = 10;
const NEW_SUBJECT: u32 = 12;
const OTHER_ROLE: u32 = 14;
/// More than a new subject by the widest rule, so that nobody is told to
/// write one name over another.
const RENAMED: u32 = 16;
/// Through the default bindings nothing dearer is told.
pub(crate) const LIMIT_FOR_DEFAULTS: u32 = 5;

pub(crate) fn of_request(edit: &RequestEdit, request: &Attributes<'_>) -> Option<u32> {
    match (edit, request.target) {
        (RequestEdit::Verb(new), _) => (new != request.verb).then(|| verb(request.verb, new)),
        (RequestEdit::Group { from, to }, _) => {
            (from != to && request.user.groups.contains(from)).then(|| group(from, to))?
        }
        (RequestEdit::Path(new), Target::NonResource { path: asked }) => {
            (new != asked).then(|| path(asked, new))
        }
        (RequestEdit::ApiGroup(new), Target::Resource { api_group: own, .. }) => {
            (new != own).then(|| api_group(own, new))
        }
        (
            RequestEdit::Resource {
                resource: new,
                subresource: new_sub,
            },
            Target::Resource {
                resource: own,
                subresource: own_sub,
                ..
            },
        ) => ((new.as_str(), new_sub.as_str()) != (own, own_sub))
            .then(|| resource((own, own_sub), (new, new_sub))),
        (RequestEdit::Name(new), Target::Resource { name: own, .. }) => {
            (new != own).then(|| name(own, new))
        }
        (RequestEdit::Namespace(new), Target::Resource { namespace, .. }) => {
            (new != namespace).then_some(NAMESPACE)
        }
        _ => None,
    }
}

pub(crate) fn of_binding(
    edit: &BindingEdit,
    binding: &Binding,
    policy: &Policy,
    request: &Attributes<'_>,
) -> Option<u32> {
    if is_default(&binding.name, &binding.labels) {
        return None;
    }
    match edit {
        BindingEdit::Subject { index, subject } => {
            self::subject(binding.subjects.get(*index)?, subject)
        }
        BindingEdit::AddSubject(new) => {
            let role = referenced_role(policy, binding).ok();
            let asks = applies(new, binding.namespace.as_deref(), &request.user);
            (asks && new.kind != "Group").then(|| new_subject(role, request))
        }
        BindingEdit::RoleRef(new) => {
            let target = role_of(policy, new, binding.namespace.as_deref()).ok()?;
            let missing = referenced_role(policy, binding).is_err();
            role_ref(&binding.role_ref, missing, target, || {
                width(target, request)
            })
        }
        BindingEdit::Namespace(new) => {
            let free = policy.binding(Some(new), &binding.name).is_none();
            (binding.namespace.is_some() && free).then_some(NAMESPACE)
        }
    }
}

pub(crate) fn verb(asked: &str, new: &str) -> u32 {
    const KIN: [&[&str]; 3] = [
        &["get", "list", "watch"],
        &["create", "update", "patch"],
        &["delete", "deletecollection"],
    ];
    let are_kin = KIN
        .iter()
        .any(|family| family.contains(&asked) && family.contains(&new));
    let unlike = if are_kin { KIN_VERB } else { VERB };
    alike(asked, new).map_or(unlike, |cost| cost.min(unlike))
}

pub(crate) fn api_group(asked: &str, new: &str) -> u32 {
    alike(asked, new).map_or(API_GROUP, |cost| cost.min(API_GROUP))
}

pub(crate) fn resource((asked, asked_sub): (&str, &str), (new, new_sub): (&str, &str)) -> u32 {
    if asked == new {
        SUBRESOURCE
    } else if asked_sub == new_sub {
        alike(asked, new).unwrap_or(RESOURCE)
    } else {
        RESOURCE_AND_SUBRESOURCE
    }
}

pub(crate) fn name(asked: &str, new: &str) -> u32 {
    alike(asked, new).unwrap_or(NAME)
}

/// `/healthz/*` does not reach `/healthz`, nor `/healthz` `/healthz/`.
pub(crate) fn path(asked: &str, new: &str) -> u32 {
    if asked.trim_end_matches('/') == new.trim_end_matches('/') {
        return SLASH;
    }
    alike(asked, new).unwrap_or(PATH)
}

/// Nobody misspells the group that the server adds.
pub(crate) fn group(have: &str, bound: &str) -> Option<u32> {
    (!have.eq_ignore_ascii_case("system:authenticated"))
        .then(|| alike(have, bound).unwrap_or(RENAMED))
}

/// `None` when more than one field differs, or none.
pub(crate) fn subject(written: &SubjectRef, right: &SubjectRef) -> Option<u32> {
    let same_name = written.name == right.name;
    let same_namespace = written.namespace == right.namespace;
    let is_account = right.kind == "ServiceAccount";
    if written.kind != right.kind {
        let namespace_of_kind = written.namespace.is_empty() || !is_account;
        return (same_name && (same_namespace || namespace_of_kind))
            .then(|| kind(&written.kind, &right.kind));
    }
    match (same_name, same_namespace) {
        (false, true) => Some(subject_name(&right.kind, &written.name, &right.name)),
        (true, false) if is_account => Some(SERVICE_ACCOUNT_NAMESPACE),
        _ => None,
    }
}

fn subject_name(kind: &str, written: &str, have: &str) -> u32 {
    near_subject_name(kind, written, have).unwrap_or(RENAMED)
}

/// `None` for a name that is not alike, where a new subject is nearer.
pub(crate) fn near_subject_name(kind: &str, written: &str, have: &str) -> Option<u32> {
    match kind == "User"
        && (is_issuer_for_email(written, have) || is_email_for_issuer(written, have))
    {
        true => Some(ISSUER_AND_SUB),
        false => alike(written, have),
    }
}

/// The subject is written as kubelogin's setup prints it.
pub(crate) fn is_issuer_for_email(written: &str, have: &str) -> bool {
    is_issuer_and_sub(written) && !have.contains('#')
}

pub(crate) fn is_email_for_issuer(written: &str, have: &str) -> bool {
    is_issuer_and_sub(have) && written.contains('@')
}

fn is_issuer_and_sub(name: &str) -> bool {
    name.starts_with("https://") && name.contains('#')
}

fn kind(written: &str, right: &str) -> u32 {
    if written.eq_ignore_ascii_case(right) {
        1
    } else {
        KIND
    }
}

/// What the binding gives is looked at: rather a narrow role than a wide one.
pub(crate) fn new_subject(role: Option<&Role>, request: &Attributes<'_>) -> u32 {
    NEW_SUBJECT + role.map_or(0, |role| width(role, request))
}

/// `None` when the role is the same, or not one to refer to.
pub(crate) fn role_ref(
    written: &RoleRef,
    missing: bool,
    target: &Role,
    width: impl FnOnce() -> u32,
) -> Option<u32> {
    let kind_cost = match written.kind == target.kind() {
        true => 0,
        false => kind(&written.kind, target.kind()),
    };
    let name_cost = match written.name == target.name {
        true => Some(0),
        false => alike(&written.name, &target.name),
    };
    match name_cost.map(|cost| cost + kind_cost) {
        Some(0) => None,
        Some(slip) => Some(slip + u32::from(!missing)),
        None if !is_for_people(target) => None,
        None if missing => Some(MISSING_ROLE + width()),
        None => Some(OTHER_ROLE + width()),
    }
}

/// Of Kubernetes' own roles most are for its components.
fn is_for_people(role: &Role) -> bool {
    !is_default(&role.name, &role.labels) || ["admin", "edit", "view"].contains(&role.name.as_str())
}

/// The fewest stars in a rule of the role that allows the request.
pub(crate) fn width(role: &Role, request: &Attributes<'_>) -> u32 {
    let allowing = role
        .rules
        .iter()
        .filter(|rule| rules::allows(rule, request));
    allowing.map(|rule| stars(rule, request)).min().unwrap_or(0)
}

fn stars(rule: &PolicyRule, request: &Attributes<'_>) -> u32 {
    let is_open = |list: &[String]| u32::from(list.iter().any(|item| item == "*"));
    let about = match request.target {
        Target::Resource { .. } => is_open(&rule.api_groups) + is_open(&rule.resources),
        Target::NonResource { .. } => is_open(&rule.non_resource_urls),
    };
    about + is_open(&rule.verbs)
}

/// Whether it is Kubernetes' own, by its label, or kubeadm's, which has none.
pub(crate) fn is_default(name: &str, labels: &std::collections::BTreeMap<String, String>) -> bool {
    labels.contains_key(bootstrap::LABEL) || name.starts_with("kubeadm:")
}

fn alike(written: &str, wanted: &str) -> Option<u32> {
    likeness(written, wanted).map(Likeness::cost)
}

/// Letters added, left out, changed or swapped with their neighbour; counted
/// up to `limit`, and `None` beyond.
pub(crate) fn slips(a: &str, b: &str, limit: usize) -> Option<usize> {
    if a.is_ascii() && b.is_ascii() {
        return slips_of_letters(a.as_bytes(), b.as_bytes(), limit);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    slips_of_letters(&a, &b, limit)
}

fn slips_of_letters<T: Copy + Into<u32> + PartialEq>(
    a: &[T],
    b: &[T],
    limit: usize,
) -> Option<usize> {
    // A slip takes at most one letter away and brings at most one.
    let differing = (letters(a) ^ letters(b)).count_ones() as usize;
    if a.len().abs_diff(b.len()) > limit || differing > 2 * limit {
        return None;
    }
    let beyond = limit + 1;
    let mut before_last = vec![beyond; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = before_last.clone();
    for i in 1..=a.len() {
        // Further from the diagonal there is nothing within the limit.
        let from = i.saturating_sub(limit).max(1);
        let to = (i + limit).min(b.len());
        row.fill(beyond);
        row[0] = i;
        for j in from..=to {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        if row.iter().all(|&cost| cost > limit) {
            return None;
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last.last().copied().filter(|&cost| cost <= limit)
}

/// The set of the letters; some share a place.
fn letters<T: Copy + Into<u32>>(name: &[T]) -> u64 {
    name.iter()
        .fold(0, |set, &letter| set | 1 << (letter.into() % 64))
}

/// What one name is to another that it was meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// The same but for upper and lower case.
    Case,
    /// `wanted` is this prefix and then `written`.
    PrefixMissing(usize),
    /// `written` is a prefix of so many bytes and then `wanted`.
    PrefixTooMany(usize),
    /// So many slips.
    Slips(usize),
}

impl Likeness {
    pub(crate) fn cost(self) -> u32 {
        match self {
            Likeness::Case => 1,
            Likeness::PrefixMissing(_) | Likeness::PrefixTooMany(_) => 2,
            Likeness::Slips(n) => 2 + u32::try_from(n).unwrap_or(u32::MAX / 2),
        }
    }
}

/// How `written` may have been meant to be `wanted`; `None` when they are not
/// alike, or equal.
pub(crate) fn likeness(written: &str, wanted: &str) -> Option<Likeness> {
    if written == wanted || written.is_empty() || wanted.is_empty() {
        return None;
    }
    if lower_case(written).eq(lower_case(wanted)) {
        return Some(Likeness::Case);
    }
    if let Some(prefix) = prefix_of(wanted, written) {
        return Some(Likeness::PrefixMissing(prefix));
    }
    if let Some(prefix) = prefix_of(written, wanted) {
        return Some(Likeness::PrefixTooMany(prefix));
    }
    let shorter = written.chars().count().min(wanted.chars().count());
    slips(written, wanted, (shorter / 4).clamp(1, 3)).map(Likeness::Slips)
}

fn lower_case(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase)
}

/// The length of the prefix that `long` has before `short`, where it ends in
/// a sign that prefixes end in.
fn prefix_of(long: &str, short: &str) -> Option<usize> {
    let prefix = long.strip_suffix(short)?;
    prefix
        .ends_with([':', '/', '#', '-', '_', '.', '|'])
        .then_some(prefix.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("admins", "admins", Some(0))]
    #[case("admin", "admins", Some(1))]
    #[case("amdins", "admins", Some(1))]
    #[case("admiral", "admins", Some(3))]
    #[case("ädmins", "admins", Some(1))]
    #[case("view", "cluster-admin", None)]
    fn slips_are_counted(#[case] a: &str, #[case] b: &str, #[case] expected: Option<usize>) {
        assert_eq!(slips(a, b, 3), expected);
        assert_eq!(slips(b, a, 3), expected);
    }

    #[rstest]
    #[case("admins", "oidc:admins", Some(Likeness::PrefixMissing(5)))]
    #[case("oidc:admins", "admins", Some(Likeness::PrefixTooMany(5)))]
    #[case("OIDC:admins", "oidc:Admins", Some(Likeness::Case))]
    #[case("oidc:admin", "oidc:admins", Some(Likeness::Slips(1)))]
    #[case("dev", "prod", None)]
    #[case("same", "same", None)]
    fn names_are_alike_in_these_ways(
        #[case] written: &str,
        #[case] wanted: &str,
        #[case] expected: Option<Likeness>,
    ) {
        assert_eq!(likeness(written, wanted), expected);
    }
}
