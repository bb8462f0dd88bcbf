//! Whether a subject means the one who asks, and how else it would.

use super::distance::near_subject_name;
use crate::attributes::User;
use crate::objects::SubjectRef;

const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// Whether the subject of a binding in that namespace means the user.
pub(crate) fn applies(subject: &SubjectRef, namespace: Option<&str>, user: &User<'_>) -> bool {
    match subject.kind.as_str() {
        "User" => subject.name == user.name,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => {
            let name = account_name(user.name, own_namespace(subject, namespace));
            name == Some(&subject.name)
        }
        _ => false,
    }
}

/// The subject under which the user would be added to a binding.
pub(crate) fn own_subject(user: &User<'_>) -> SubjectRef {
    let account = user
        .name
        .strip_prefix(ACCOUNT_PREFIX)
        .and_then(|account| account.split_once(':'));
    match account {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            SubjectRef::service_account(namespace, name)
        }
        _ => SubjectRef::user(user.name),
    }
}

/// The ways to write this subject of a binding in that namespace that mean
/// the user and differ in one field: first the kind, then the name if it is
/// alike, then the namespace.
pub(crate) fn ways_to_mean(
    subject: &SubjectRef,
    namespace: Option<&str>,
    user: &User<'_>,
) -> Vec<SubjectRef> {
    let mut ways = other_kinds(subject, namespace, user);
    let kind = subject.kind.as_str();
    let mut rename = |name: &str| {
        let is_near = near_subject_name(kind, &subject.name, name).is_some();
        ways.extend(is_near.then(|| SubjectRef {
            name: name.into(),
            ..subject.clone()
        }));
    };
    match kind {
        "User" => rename(user.name),
        "Group" => user.groups.iter().for_each(|group| rename(group)),
        "ServiceAccount" => {
            let own = own_namespace(subject, namespace);
            account_name(user.name, own).into_iter().for_each(rename);
            ways.extend(
                account_namespace(user.name, &subject.name).map(|namespace| SubjectRef {
                    namespace: namespace.into(),
                    ..subject.clone()
                }),
            );
        }
        _ => {}
    }
    ways
}

fn other_kinds(subject: &SubjectRef, namespace: Option<&str>, user: &User<'_>) -> Vec<SubjectRef> {
    let (kind, name) = (subject.kind.as_str(), subject.name.as_str());
    let mut kinds = Vec::new();
    if kind != "User" && name == user.name {
        kinds.push(SubjectRef::user(name));
    }
    if kind != "Group" && user.groups.contains(&subject.name) {
        kinds.push(SubjectRef::group(name));
    }
    if kind != "ServiceAccount"
        && let Some(own) = account_namespace(user.name, name)
    {
        let account = match subject.namespace.as_str() {
            "" => SubjectRef::service_account(own, name),
            written => SubjectRef::service_account(written, name),
        };
        if applies(&account, namespace, user) {
            kinds.push(account);
        }
    }
    kinds
}

fn own_namespace<'a>(subject: &'a SubjectRef, namespace: Option<&'a str>) -> &'a str {
    match subject.namespace.as_str() {
        "" => namespace.unwrap_or_default(),
        namespace => namespace,
    }
}

/// The name of the service account, if it is one of that namespace.
fn account_name<'u>(user_name: &'u str, namespace: &str) -> Option<&'u str> {
    let account = user_name.strip_prefix(ACCOUNT_PREFIX)?;
    let name = account.strip_prefix(namespace)?.strip_prefix(':')?;
    (!namespace.is_empty()).then_some(name)
}

/// The namespace of the service account, if it is one of that name.
fn account_namespace<'u>(user_name: &'u str, name: &str) -> Option<&'u str> {
    let account = user_name.strip_prefix(ACCOUNT_PREFIX)?;
    let namespace = account.strip_suffix(name)?.strip_suffix(':')?;
    (!namespace.is_empty()).then_some(namespace)
}
