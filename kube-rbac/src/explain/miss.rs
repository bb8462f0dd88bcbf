//! The search for the smallest single edit that turns no into yes.
//!
//! Every binding is held against the request. Where all but one thing agree,
//! that one thing is a candidate, at a cost that is small for a slip (a
//! letter, a case, a prefix) and large for a real difference. The cheapest
//! candidate that is allowed when applied is the nearest miss.

use super::distance::{Likeness, likeness, slips};
use super::edit::{BindingEdit, Edit, RequestEdit};
use super::{BindingName, NearestMiss};
use crate::attributes::{Attributes, Target, User};
use crate::bootstrap;
use crate::objects::{Binding, PolicyRule, Role, RoleRef, SubjectRef};
use crate::policy::{Key, Policy};
use crate::resolve::{decide, referenced_role};
use crate::rules;

/// The costs of what is not a slip in a name. Slips cost from 1 to 5, see
/// [`Likeness::cost`].
mod cost {
    pub(super) const KIND: u32 = 2;
    pub(super) const SERVICE_ACCOUNT_NAMESPACE: u32 = 2;
    pub(super) const NAMESPACE: u32 = 3;
    pub(super) const ISSUER_AND_SUB: u32 = 4;
    pub(super) const API_GROUP: u32 = 4;
    pub(super) const SUBRESOURCE: u32 = 5;
    pub(super) const NAME: u32 = 6;
    pub(super) const VERB: u32 = 6;
    pub(super) const RESOURCE: u32 = 9;
    pub(super) const NEW_SUBJECT: u32 = 12;
    /// By the default roles and bindings nothing dearer is told: nobody is
    /// helped by hearing that `system:masters` may.
    pub(super) const LIMIT_FOR_DEFAULTS: u32 = 5;
}

pub(super) fn nearest(policy: &Policy, request: &Attributes<'_>) -> Option<NearestMiss> {
    let mut search = Search {
        policy,
        request,
        found: Vec::new(),
    };
    for binding in policy.bindings() {
        search.look_at(binding);
    }
    let mut found = search.found;
    found.sort_by_key(|candidate| candidate.cost);
    found.into_iter().find_map(|candidate| {
        let edit = candidate.edit();
        let (policy, request) = edit.apply(search.policy, search.request);
        decide(&policy, &request.borrow())
            .allowed
            .then(|| NearestMiss {
                edit,
                sentence: candidate.sentence(search.policy, search.request),
                distance: candidate.cost,
            })
    })
}

struct Search<'p, 'r> {
    policy: &'p Policy,
    request: &'r Attributes<'r>,
    found: Vec<Candidate<'p, 'r>>,
}

struct Candidate<'p, 'r> {
    cost: u32,
    binding: &'p Binding,
    miss: Miss<'p, 'r>,
}

enum Miss<'p, 'r> {
    /// The subject would apply if it were written like this.
    Subject {
        index: usize,
        subject: SubjectRef,
        slip: Slip<'r>,
    },
    /// The user's group should be called as the subject is.
    Group { have: &'r str, bound: &'p str },
    /// The RoleBinding is in another namespace.
    Elsewhere { subject: &'p SubjectRef },
    /// The rule allows all but this part of the request.
    Part {
        rule: &'p PolicyRule,
        edit: RequestEdit,
        subject: &'p SubjectRef,
    },
    /// The role is not there; this one is.
    RoleRef(RoleRef),
    /// The user is not among the subjects.
    NewSubject(SubjectRef),
}

enum Slip<'r> {
    Name { have: &'r str, likeness: Likeness },
    Kind,
    IssuerAndSub,
    EmailForIssuerAndSub,
    ServiceAccountNamespace { have: &'r str },
}

impl<'p, 'r> Search<'p, 'r> {
    fn look_at(&mut self, binding: &'p Binding) {
        let namespace = self.request.namespace();
        let reaches = binding
            .namespace
            .as_deref()
            .is_none_or(|own| own == namespace);
        let subject = applicable(binding, &self.request.user);
        let Ok(role) = referenced_role(self.policy, binding) else {
            if reaches && subject.is_some() {
                self.look_for_role(binding);
            }
            return;
        };
        let allows = role
            .rules
            .iter()
            .any(|rule| rules::allows(rule, self.request));
        match (reaches, subject, allows) {
            (true, None, true) => self.look_at_subjects(binding),
            (true, Some(subject), false) => self.look_at_rules(binding, role, subject),
            (false, Some(subject), true)
                if matches!(self.request.target, Target::Resource { .. }) =>
            {
                self.add(cost::NAMESPACE, binding, Miss::Elsewhere { subject });
            }
            _ => {}
        }
    }

    fn add(&mut self, cost: u32, binding: &'p Binding, miss: Miss<'p, 'r>) {
        if cost <= cost::LIMIT_FOR_DEFAULTS || !is_default(binding) {
            self.found.push(Candidate {
                cost,
                binding,
                miss,
            });
        }
    }

    fn look_at_subjects(&mut self, binding: &'p Binding) {
        let user = self.request.user;
        for (index, subject) in binding.subjects.iter().enumerate() {
            if is_default(binding) {
                self.look_at_default_group(binding, subject);
                continue;
            }
            for (cost, subject, slip) in near_subjects(subject, binding, &user) {
                self.add(
                    cost,
                    binding,
                    Miss::Subject {
                        index,
                        subject,
                        slip,
                    },
                );
            }
        }
        let new = own_subject(&user);
        self.add(cost::NEW_SUBJECT, binding, Miss::NewSubject(new));
    }

    /// A default binding is right as it is: if there is a slip, it is in the
    /// group.
    fn look_at_default_group(&mut self, binding: &'p Binding, subject: &'p SubjectRef) {
        if subject.kind != "Group" {
            return;
        }
        for have in self.request.user.groups {
            if let Some(likeness) = likeness(have, &subject.name)
                && !have.eq_ignore_ascii_case("system:authenticated")
            {
                let miss = Miss::Group {
                    have,
                    bound: &subject.name,
                };
                self.add(likeness.cost(), binding, miss);
            }
        }
    }

    fn look_for_role(&mut self, binding: &'p Binding) {
        let wanted = &binding.role_ref;
        for role in self.policy.roles() {
            let in_reach = role.namespace.is_none() || role.namespace == binding.namespace;
            let allows = || {
                role.rules
                    .iter()
                    .any(|rule| rules::allows(rule, self.request))
            };
            if !in_reach || !allows() {
                continue;
            }
            let cost = match likeness(&wanted.name, &role.name) {
                _ if wanted.name == role.name && wanted.kind != role.kind() => cost::KIND,
                Some(likeness) if wanted.kind == role.kind() => likeness.cost(),
                _ => continue,
            };
            let role_ref = RoleRef {
                api_group: wanted.api_group.clone(),
                kind: role.kind().into(),
                name: role.name.clone(),
            };
            self.add(cost, binding, Miss::RoleRef(role_ref));
        }
    }

    fn look_at_rules(&mut self, binding: &'p Binding, role: &'p Role, subject: &'p SubjectRef) {
        for rule in &role.rules {
            if let Some((cost, edit)) = near_part(rule, self.request) {
                self.add(
                    cost,
                    binding,
                    Miss::Part {
                        rule,
                        edit,
                        subject,
                    },
                );
            }
        }
    }
}

fn is_default(binding: &Binding) -> bool {
    binding.labels.contains_key(bootstrap::LABEL)
}

/// The first subject that applies to the user.
fn applicable<'p>(binding: &'p Binding, user: &User<'_>) -> Option<&'p SubjectRef> {
    binding.subjects.iter().find(
        |subject| match Key::of(subject, binding.namespace.as_deref()) {
            Some(Key::User(name)) => name == user.name,
            Some(Key::Group(name)) => user.groups.contains(&name),
            None => false,
        },
    )
}

/// The subject under which the user would be added to a binding.
fn own_subject(user: &User<'_>) -> SubjectRef {
    match service_account(user.name) {
        Some((namespace, name)) => SubjectRef::service_account(namespace, name),
        None => SubjectRef::user(user.name),
    }
}

fn service_account(user_name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user_name
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    (!namespace.is_empty() && !name.is_empty()).then_some((namespace, name))
}

/// The ways to write this subject that would apply to the user and differ in
/// one field.
fn near_subjects<'r>(
    subject: &SubjectRef,
    binding: &Binding,
    user: &User<'r>,
) -> Vec<(u32, SubjectRef, Slip<'r>)> {
    let mut found = Vec::new();
    let renamed = |name: &str| SubjectRef {
        name: name.into(),
        ..subject.clone()
    };
    let has_group = user.groups.contains(&subject.name);
    let account = service_account(user.name);
    match subject.kind.as_str() {
        "Group" => {
            for have in user.groups {
                if let Some(likeness) = likeness(&subject.name, have) {
                    found.push((
                        likeness.cost(),
                        renamed(have),
                        Slip::Name { have, likeness },
                    ));
                }
            }
            if subject.name == user.name {
                found.push((cost::KIND, SubjectRef::user(user.name), Slip::Kind));
            }
        }
        "User" => {
            let have = user.name;
            let issuer_and_sub = |name: &str| name.starts_with("https://") && name.contains('#');
            if issuer_and_sub(&subject.name) && !have.contains('#') {
                found.push((cost::ISSUER_AND_SUB, renamed(have), Slip::IssuerAndSub));
            } else if issuer_and_sub(have) && subject.name.contains('@') {
                found.push((
                    cost::ISSUER_AND_SUB,
                    renamed(have),
                    Slip::EmailForIssuerAndSub,
                ));
            } else if let Some(likeness) = likeness(&subject.name, have)
                && account.is_none_or(|(_, name)| name != subject.name)
            {
                found.push((
                    likeness.cost(),
                    renamed(have),
                    Slip::Name { have, likeness },
                ));
            }
            if has_group {
                found.push((cost::KIND, SubjectRef::group(&*subject.name), Slip::Kind));
            }
            if let Some((namespace, name)) = account
                && name == subject.name
            {
                let subject = SubjectRef::service_account(namespace, name);
                found.push((cost::KIND, subject, Slip::Kind));
            }
        }
        "ServiceAccount" => {
            let own = match subject.namespace.as_str() {
                "" => binding.namespace.as_deref().unwrap_or_default(),
                namespace => namespace,
            };
            if let Some((namespace, name)) = account {
                if name == subject.name && namespace != own {
                    let subject = SubjectRef {
                        namespace: namespace.into(),
                        ..subject.clone()
                    };
                    let slip = Slip::ServiceAccountNamespace { have: namespace };
                    found.push((cost::SERVICE_ACCOUNT_NAMESPACE, subject, slip));
                } else if namespace == own
                    && let Some(likeness) = likeness(&subject.name, name)
                {
                    let slip = Slip::Name {
                        have: name,
                        likeness,
                    };
                    found.push((likeness.cost(), renamed(name), slip));
                }
            }
            if subject.name == user.name {
                found.push((cost::KIND, SubjectRef::user(user.name), Slip::Kind));
            }
            if has_group {
                found.push((cost::KIND, SubjectRef::group(&*subject.name), Slip::Kind));
            }
        }
        _ => {
            let kinds = [
                SubjectRef::user(&*subject.name),
                SubjectRef::group(&*subject.name),
                SubjectRef::service_account(&*subject.namespace, &*subject.name),
            ];
            for right in kinds {
                let alike = right.kind.eq_ignore_ascii_case(&subject.kind);
                found.push((if alike { 1 } else { cost::KIND }, right, Slip::Kind));
            }
        }
    }
    found
}

/// If the rule allows all of the request but one part: that part as the rule
/// would have it.
fn near_part(rule: &PolicyRule, request: &Attributes<'_>) -> Option<(u32, RequestEdit)> {
    let verb = rules::verb_matches(rule, request.verb);
    match request.target {
        Target::NonResource { path } => match (verb, rules::url_matches(rule, path)) {
            (false, true) => near_verb(rule, request.verb),
            (true, false) => near_path(rule, path),
            _ => None,
        },
        Target::Resource {
            api_group,
            resource,
            subresource,
            name,
            ..
        } => {
            let group = rules::api_group_matches(rule, api_group);
            let kind = rules::resource_matches(rule, resource, subresource);
            let named = rules::resource_name_matches(rule, name);
            match (verb, group, kind, named) {
                (false, true, true, true) => near_verb(rule, request.verb),
                (true, false, true, true) => {
                    let group = rule.api_groups.first()?;
                    Some((cost::API_GROUP, RequestEdit::ApiGroup(group.clone())))
                }
                (true, true, false, true) => near_resource(rule, resource, subresource),
                (true, true, true, false) => near_name(rule, name),
                _ => None,
            }
        }
    }
}

fn near_verb(rule: &PolicyRule, verb: &str) -> Option<(u32, RequestEdit)> {
    const KIN: [&[&str]; 3] = [
        &["get", "list", "watch"],
        &["create", "update", "patch"],
        &["delete", "deletecollection"],
    ];
    let kin = KIN
        .iter()
        .find(|family| family.contains(&verb))
        .copied()
        .unwrap_or_default();
    let related = rule.verbs.iter().find(|own| kin.contains(&own.as_str()));
    let slip = rule.verbs.iter().find(|own| slips(own, verb, 1).is_some());
    let (cost, new) = match (slip, related) {
        (Some(new), _) => (3, new),
        (None, Some(new)) => (cost::VERB - 1, new),
        (None, None) => (cost::VERB, rule.verbs.first()?),
    };
    Some((cost, RequestEdit::Verb(new.clone())))
}

fn near_resource(
    rule: &PolicyRule,
    resource: &str,
    subresource: &str,
) -> Option<(u32, RequestEdit)> {
    let options = rule.resources.iter().map(|own| {
        let (own_resource, own_subresource) = own.split_once('/').unwrap_or((own, ""));
        let own_resource = if own_resource == "*" {
            resource
        } else {
            own_resource
        };
        let cost = if own_resource == resource {
            cost::SUBRESOURCE
        } else if own_subresource == subresource {
            likeness(resource, own_resource).map_or(cost::RESOURCE, Likeness::cost)
        } else {
            cost::RESOURCE + 1
        };
        let edit = RequestEdit::Resource {
            resource: own_resource.into(),
            subresource: own_subresource.into(),
        };
        (cost, edit)
    });
    options.min_by_key(|(cost, _)| *cost)
}

fn near_name(rule: &PolicyRule, name: &str) -> Option<(u32, RequestEdit)> {
    let options = rule.resource_names.iter().map(|own| {
        let cost = likeness(name, own).map_or(cost::NAME, Likeness::cost);
        (cost, RequestEdit::Name(own.clone()))
    });
    options.min_by_key(|(cost, _)| *cost)
}

fn near_path(rule: &PolicyRule, path: &str) -> Option<(u32, RequestEdit)> {
    let options = rule.non_resource_urls.iter().map(|url| {
        let own = url.trim_end_matches('*');
        // `/healthz/*` does not reach `/healthz`, nor `/healthz` `/healthz/`.
        let slash = own.trim_end_matches('/') == path.trim_end_matches('/');
        let near = || likeness(path, own).map_or(cost::RESOURCE, Likeness::cost);
        (
            if slash { 2 } else { near() },
            RequestEdit::Path(own.into()),
        )
    });
    options.min_by_key(|(cost, _)| *cost)
}

impl Candidate<'_, '_> {
    fn edit(&self) -> Edit {
        let of_binding = |edit| Edit::Binding {
            binding: BindingName::of(self.binding),
            edit,
        };
        match &self.miss {
            Miss::Subject { index, subject, .. } => of_binding(BindingEdit::Subject {
                index: *index,
                subject: subject.clone(),
            }),
            Miss::Group { have, bound } => Edit::Request(RequestEdit::Group {
                from: (*have).to_owned(),
                to: (*bound).to_owned(),
            }),
            Miss::Elsewhere { .. } => {
                let namespace = self.binding.namespace.clone().unwrap_or_default();
                Edit::Request(RequestEdit::Namespace(namespace))
            }
            Miss::Part { edit, .. } => Edit::Request(edit.clone()),
            Miss::RoleRef(role_ref) => of_binding(BindingEdit::RoleRef(role_ref.clone())),
            Miss::NewSubject(subject) => of_binding(BindingEdit::AddSubject(subject.clone())),
        }
    }

    fn sentence(&self, policy: &Policy, request: &Attributes<'_>) -> String {
        let binding = BindingName::of(self.binding);
        let role = &self.binding.role_ref;
        match &self.miss {
            Miss::Subject {
                index,
                subject,
                slip,
            } => {
                let written = &self.binding.subjects[*index];
                slip_sentence(policy, request, &binding, written, subject, slip)
            }
            Miss::Group { have, bound } => nowhere_else(policy, "group", have, bound, &binding),
            Miss::Elsewhere { subject } => {
                let own = self.binding.namespace.as_deref().unwrap_or_default();
                let here = match request.namespace() {
                    "" => "the request is for no namespace".to_owned(),
                    namespace => format!("the request in `{namespace}`"),
                };
                format!(
                    "the RoleBinding is in `{own}`, {here}: RoleBinding `{}` gives {} {} `{}`",
                    self.binding.name,
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
            Miss::RoleRef(right) => format!(
                "{binding} refers to {} `{}`, which does not exist; {} `{}` does",
                role.kind, role.name, right.kind, right.name
            ),
            Miss::NewSubject(subject) => format!(
                "nothing that allows this names user `{}` or a group of theirs; \
                 {binding} gives {} `{}`, which does, but not to {}",
                request.user.name,
                role.kind,
                role.name,
                describe_subject(subject)
            ),
        }
    }
}

fn slip_sentence(
    policy: &Policy,
    request: &Attributes<'_>,
    binding: &BindingName,
    written: &SubjectRef,
    right: &SubjectRef,
    slip: &Slip<'_>,
) -> String {
    let kind = kind_in_words(&written.kind);
    let name = &written.name;
    match slip {
        Slip::Name {
            have,
            likeness: Likeness::Slips(_),
        } => nowhere_else(policy, kind, have, name, binding),
        Slip::Name {
            have,
            likeness: Likeness::Case,
        } => format!(
            "{binding} names {kind} `{name}`, but the {kind} here is `{have}`: \
             upper and lower case differ"
        ),
        Slip::Name {
            have,
            likeness: Likeness::PrefixMissing(length),
        } => format!(
            "{binding} names {kind} `{name}`, but the {kind} here is `{have}`: \
             the prefix `{}` is missing in the binding",
            &have[..*length]
        ),
        Slip::Name {
            have,
            likeness: Likeness::PrefixTooMany(length),
        } => format!(
            "{binding} names {kind} `{name}`, but the {kind} here is `{have}`, \
             without the prefix `{}`",
            &name[..*length]
        ),
        Slip::Kind if !matches!(written.kind.as_str(), "User" | "Group" | "ServiceAccount") => {
            format!(
                "{binding} names `{name}` as a `{}`, which matches nobody; it is a {}",
                written.kind, right.kind
            )
        }
        Slip::Kind => format!(
            "{binding} names {kind} `{name}`, but `{name}` is a {}",
            kind_in_words(&right.kind)
        ),
        Slip::IssuerAndSub => {
            let user = request.user.name;
            let what = if user.contains('@') {
                "the e-mail "
            } else {
                ""
            };
            format!(
                "the binding names user `{name}`, as kubelogin's setup prints it, \
                 but the user name here is {what}`{user}` ({binding})"
            )
        }
        Slip::EmailForIssuerAndSub => format!(
            "the binding names user `{name}`, but the user name here is `{}`, \
             the issuer and the sub ({binding})",
            request.user.name
        ),
        Slip::ServiceAccountNamespace { have } => match written.namespace.as_str() {
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
        },
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
        "group" => policy.binds_group(have),
        "user" => policy.binds_user(have),
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
