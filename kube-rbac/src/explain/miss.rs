//! The search for the smallest single edit that turns no into yes.
//!
//! An edit that does so makes one binding allow the request: it names the one
//! who asks, it reaches the request, and a rule of its role allows it. So every
//! binding is held against the request. Where all but one of the three agree,
//! the edits of that one are candidates, and of those that cannot differ but
//! in distance the nearest. The space of edits and the distances are at
//! [`Edit`](super::Edit).
//!
//! Left out is what is never the nearest: another name that is not alike,
//! where adding a subject is smaller, and the spelling of a group in the
//! request, where the binding may be edited instead and is as near.

use super::distance::{self, LIMIT_FOR_DEFAULTS, NAMESPACE};
use super::edit::{BindingEdit, Edit, RequestEdit};
use super::subject::{applies, own_subject, ways_to_mean};
use super::words;
use super::{BindingName, NearestMiss};
use crate::attributes::{Attributes, Target};
use crate::objects::{Binding, PolicyRule, Role, RoleRef, SubjectRef};
use crate::policy::Policy;
use crate::resolve::{decide, referenced_role, role_of};
use crate::rules;
use std::collections::{BTreeSet, HashSet};

pub(super) fn nearest(policy: &Policy, request: &Attributes<'_>) -> Option<NearestMiss> {
    let mut search = Search::new(policy, request);
    for binding in policy.bindings() {
        search.look_at(binding);
    }
    let mut found = search.found;
    found.sort_by_key(|candidate| candidate.distance);
    found.into_iter().find_map(|candidate| {
        let edit = candidate.edit(request);
        let (edited, asked) = edit.apply(policy, request);
        decide(&edited, &asked.borrow())
            .allowed
            .then(|| NearestMiss {
                edit,
                sentence: words::sentence(&candidate, policy, request),
                distance: candidate.distance,
            })
    })
}

struct Search<'p, 'r> {
    policy: &'p Policy,
    request: &'r Attributes<'r>,
    found: Vec<Candidate<'p, 'r>>,
    /// The roles that allow the request, with their widths, and the paths of
    /// all rules; once they are asked for.
    allowing: Option<Vec<(&'p Role, u32)>>,
    paths: Option<BTreeSet<&'p str>>,
    /// The references for which roles were looked for: kind, name, and whether
    /// of a ClusterRoleBinding. The same again is no nearer.
    references: HashSet<(&'p str, &'p str, bool)>,
}

pub(super) struct Candidate<'p, 'r> {
    distance: u32,
    pub(super) binding: &'p Binding,
    pub(super) miss: Miss<'p, 'r>,
}

pub(super) enum Miss<'p, 'r> {
    /// The subject would apply if it were written like this.
    Subject { index: usize, right: SubjectRef },
    /// The user's group should be called as the subject is.
    Group { have: &'r str, bound: &'p str },
    /// The RoleBinding is in another namespace.
    Elsewhere { subject: &'p SubjectRef },
    /// The same, and it would do only if it were in the request's.
    Moved { subject: &'p SubjectRef },
    /// The rule allows all but this part of the request.
    Part {
        rule: &'p PolicyRule,
        edit: RequestEdit,
        subject: &'p SubjectRef,
    },
    /// The role is not there or does not allow this; this one does.
    RoleRef { missing: bool, right: &'p Role },
    /// The user is not among the subjects.
    NewSubject,
}

impl<'p, 'r> Search<'p, 'r> {
    fn new(policy: &'p Policy, request: &'r Attributes<'r>) -> Self {
        Search {
            policy,
            request,
            found: Vec::new(),
            allowing: None,
            paths: None,
            references: HashSet::new(),
        }
    }

    fn look_at(&mut self, binding: &'p Binding) {
        match binding.namespace.as_deref() {
            Some(own) if own != self.request.namespace() => self.look_elsewhere(binding),
            _ => self.look_here(binding),
        }
    }

    fn look_here(&mut self, binding: &'p Binding) {
        let subject = self.applicable(binding, binding.namespace.as_deref());
        let role = referenced_role(self.policy, binding).ok();
        let allowing = role.filter(|role| self.is_allowed_by(role));
        match (subject, allowing) {
            (None, Some(role)) => self.look_at_subjects(binding, role),
            (Some(subject), None) => {
                if let Some(role) = role {
                    self.look_at_rules(binding, role, subject);
                }
                self.look_for_role(binding, role.is_none());
            }
            _ => {}
        }
    }

    /// Most bindings are in another namespace and for others: their roles are
    /// not even looked up.
    fn look_elsewhere(&mut self, binding: &'p Binding) {
        if matches!(self.request.target, Target::NonResource { .. }) {
            return;
        }
        if let Some(subject) = self.applicable(binding, binding.namespace.as_deref())
            && let Ok(role) = referenced_role(self.policy, binding)
            && self.is_allowed_by(role)
        {
            self.add(NAMESPACE, binding, Miss::Elsewhere { subject });
        } else if !self.request.namespace().is_empty() {
            self.look_at_move(binding);
        }
    }

    fn add(&mut self, distance: u32, binding: &'p Binding, miss: Miss<'p, 'r>) {
        if distance <= LIMIT_FOR_DEFAULTS || !is_default(binding) {
            self.found.push(Candidate {
                distance,
                binding,
                miss,
            });
        }
    }

    fn is_allowed_by(&self, role: &Role) -> bool {
        allows(role, self.request)
    }

    /// The first subject that applies to the user, were the binding there.
    fn applicable(&self, binding: &'p Binding, namespace: Option<&str>) -> Option<&'p SubjectRef> {
        let mut subjects = binding.subjects.iter();
        subjects.find(|subject| applies(subject, namespace, &self.request.user))
    }

    fn look_at_subjects(&mut self, binding: &'p Binding, role: &Role) {
        if is_default(binding) {
            self.look_at_default_groups(binding);
            return;
        }
        let (namespace, user) = (binding.namespace.as_deref(), &self.request.user);
        for (index, subject) in binding.subjects.iter().enumerate() {
            for right in ways_to_mean(subject, namespace, user) {
                if let Some(near) = distance::subject(subject, &right) {
                    self.add(near, binding, Miss::Subject { index, right });
                }
            }
        }
        let new = distance::new_subject(Some(role), self.request);
        self.add(new, binding, Miss::NewSubject);
    }

    /// A default binding is right as it is: if there is a slip, it is in the
    /// group.
    fn look_at_default_groups(&mut self, binding: &'p Binding) {
        let groups = binding.subjects.iter().filter(|s| s.kind == "Group");
        for bound in groups.map(|subject| subject.name.as_str()) {
            for have in self.request.user.groups {
                if let Some(near) = distance::group(have, bound) {
                    self.add(near, binding, Miss::Group { have, bound });
                }
            }
        }
    }

    /// Where the binding is now it does not do; in the request's namespace it
    /// may, if its role or its service accounts are those of a namespace.
    fn look_at_move(&mut self, binding: &'p Binding) {
        let namespace = Some(self.request.namespace());
        let Some(subject) = self.applicable(binding, namespace) else {
            return;
        };
        let is_free = self.policy.binding(namespace, &binding.name).is_none();
        let role = role_of(self.policy, &binding.role_ref, namespace);
        let would_do = role.is_ok_and(|role| self.is_allowed_by(role));
        if would_do && is_free && !is_default(binding) {
            self.add(NAMESPACE, binding, Miss::Moved { subject });
        }
    }

    fn look_for_role(&mut self, binding: &'p Binding, missing: bool) {
        let RoleRef { kind, name, .. } = &binding.role_ref;
        let in_cluster = binding.namespace.is_none();
        if is_default(binding) || !self.references.insert((kind, name, in_cluster)) {
            return;
        }
        let near = self.allowing().iter().filter_map(|&(role, width)| {
            let in_reach = role.namespace.is_none() || role.namespace == binding.namespace;
            let distance = || distance::role_ref(&binding.role_ref, missing, role, || width);
            let distance = in_reach.then(distance)??;
            Some((distance, role))
        });
        let nearest = near.min_by_key(|(near, role)| (*near, role.rules.len(), &role.name));
        if let Some((near, right)) = nearest {
            self.add(near, binding, Miss::RoleRef { missing, right });
        }
    }

    fn allowing(&mut self) -> &[(&'p Role, u32)] {
        let (policy, request) = (self.policy, self.request);
        self.allowing.get_or_insert_with(|| {
            let here = Some(request.namespace());
            let in_reach =
                |role: &&Role| role.namespace.is_none() || role.namespace.as_deref() == here;
            let roles = policy.roles().map(AsRef::as_ref).filter(in_reach);
            roles
                .filter(|role| allows(role, request))
                .map(|role| (role, distance::width(role, request)))
                .collect()
        })
    }

    fn look_at_rules(&mut self, binding: &'p Binding, role: &'p Role, subject: &'p SubjectRef) {
        for rule in &role.rules {
            if let Some((near, edit)) = self.near_part(rule) {
                let miss = Miss::Part {
                    rule,
                    edit,
                    subject,
                };
                self.add(near, binding, miss);
            }
        }
    }

    /// If the rule allows all of the request but one part: that part as the
    /// rule would have it.
    fn near_part(&mut self, rule: &'p PolicyRule) -> Option<(u32, RequestEdit)> {
        let asked = self.request.verb;
        let verb = rules::verb_matches(rule, asked);
        match self.request.target {
            Target::NonResource { path } => match (verb, rules::url_matches(rule, path)) {
                (false, true) => near_verb(rule, asked),
                (true, false) => self.near_path(rule, path),
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
                    (false, true, true, true) => near_verb(rule, asked),
                    (true, false, true, true) => near_api_group(rule, api_group),
                    (true, true, false, true) => near_resource(rule, resource, subresource),
                    (true, true, true, false) => near_name(rule, name),
                    _ => None,
                }
            }
        }
    }

    /// A rule for `/apis/*` allows the paths of other rules too.
    fn near_path(&mut self, rule: &'p PolicyRule, asked: &str) -> Option<(u32, RequestEdit)> {
        let own = rule.non_resource_urls.iter().map(|url| without_stars(url));
        let others = self.paths().iter().copied();
        let covered = others.filter(|path| rules::url_matches(rule, path));
        nearest_of(own.chain(covered), |path| {
            (distance::path(asked, path), RequestEdit::Path(path.into()))
        })
    }

    fn paths(&mut self) -> &BTreeSet<&'p str> {
        let policy = self.policy;
        self.paths.get_or_insert_with(|| {
            let rules = policy.roles().flat_map(|role| &role.rules);
            let urls = rules.flat_map(|rule| &rule.non_resource_urls);
            urls.map(|url| without_stars(url)).collect()
        })
    }
}

fn allows(role: &Role, request: &Attributes<'_>) -> bool {
    role.rules.iter().any(|rule| rules::allows(rule, request))
}

fn is_default(binding: &Binding) -> bool {
    distance::is_default(&binding.name, &binding.labels)
}

fn without_stars(url: &str) -> &str {
    url.trim_end_matches('*')
}

/// The first of the nearest.
fn nearest_of<T>(
    options: impl Iterator<Item = T>,
    edit: impl Fn(T) -> (u32, RequestEdit),
) -> Option<(u32, RequestEdit)> {
    options.map(edit).min_by_key(|(distance, _)| *distance)
}

fn near_verb(rule: &PolicyRule, asked: &str) -> Option<(u32, RequestEdit)> {
    nearest_of(rule.verbs.iter(), |own| {
        (distance::verb(asked, own), RequestEdit::Verb(own.clone()))
    })
}

fn near_api_group(rule: &PolicyRule, asked: &str) -> Option<(u32, RequestEdit)> {
    nearest_of(rule.api_groups.iter(), |own| {
        let edit = RequestEdit::ApiGroup(own.clone());
        (distance::api_group(asked, own), edit)
    })
}

fn near_name(rule: &PolicyRule, asked: &str) -> Option<(u32, RequestEdit)> {
    nearest_of(rule.resource_names.iter(), |own| {
        (distance::name(asked, own), RequestEdit::Name(own.clone()))
    })
}

fn near_resource(rule: &PolicyRule, asked: &str, asked_sub: &str) -> Option<(u32, RequestEdit)> {
    nearest_of(rule.resources.iter(), |own| {
        let (own, own_sub) = own.split_once('/').unwrap_or((own, ""));
        let own = if own == "*" { asked } else { own };
        let edit = RequestEdit::Resource {
            resource: own.into(),
            subresource: own_sub.into(),
        };
        let distance = distance::resource((asked, asked_sub), (own, own_sub));
        (distance, edit)
    })
}

impl Candidate<'_, '_> {
    fn edit(&self, request: &Attributes<'_>) -> Edit {
        let of_binding = |edit| Edit::Binding {
            binding: BindingName::of(self.binding),
            edit,
        };
        match &self.miss {
            Miss::Subject { index, right } => of_binding(BindingEdit::Subject {
                index: *index,
                subject: right.clone(),
            }),
            Miss::Group { have, bound } => Edit::Request(RequestEdit::Group {
                from: (*have).to_owned(),
                to: (*bound).to_owned(),
            }),
            Miss::Elsewhere { .. } => {
                let namespace = self.binding.namespace.clone().unwrap_or_default();
                Edit::Request(RequestEdit::Namespace(namespace))
            }
            Miss::Moved { .. } => of_binding(BindingEdit::Namespace(request.namespace().into())),
            Miss::Part { edit, .. } => Edit::Request(edit.clone()),
            Miss::RoleRef { right, .. } => of_binding(BindingEdit::RoleRef(RoleRef {
                api_group: self.binding.role_ref.api_group.clone(),
                kind: right.kind().into(),
                name: right.name.clone(),
            })),
            Miss::NewSubject => of_binding(BindingEdit::AddSubject(own_subject(&request.user))),
        }
    }
}
