//! The nearest miss is the nearest: all single edits, tried one by one.
//!
//! The edits are put together here from the names that occur in the policy and
//! in the request, without a thought whether they could help; each is applied
//! and decided.

use crate::generator::{Made, made, request, runner};
use kube_rbac::explain::{BindingEdit, BindingName, RequestEdit};
use kube_rbac::{
    Attributes, Binding, Edit, OwnedAttributes, OwnedTarget, OwnedUser, Policy, PolicyRule, Role,
    RoleRef, SubjectRef, Version, bootstrap, decide, explain,
};
use proptest::prelude::*;
use proptest::sample::Index;
use rstest::rstest;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

type Names = BTreeSet<String>;

/// Every name that occurs, by where it may stand.
#[derive(Default)]
struct Occurring {
    /// Of users, groups and service accounts.
    subjects: Names,
    groups: Names,
    namespaces: Names,
    roles: Names,
    verbs: Names,
    api_groups: Names,
    resources: Names,
    subresources: Names,
    names: Names,
    paths: Names,
}

impl Occurring {
    fn of(policy: &Policy, request: &OwnedAttributes) -> Self {
        let mut all = Occurring::default();
        all.add_request(request);
        for role in policy.roles() {
            all.roles.insert(role.name.clone());
            all.namespaces.extend(role.namespace.clone());
            for rule in &role.rules {
                let no_star = |list: &[String]| -> Vec<String> {
                    list.iter().filter(|s| *s != "*").cloned().collect()
                };
                all.verbs.extend(no_star(&rule.verbs));
                all.api_groups.extend(no_star(&rule.api_groups));
                all.names.extend(rule.resource_names.clone());
                for url in no_star(&rule.non_resource_urls) {
                    all.paths.insert(url.trim_end_matches('*').to_owned());
                }
                for resource in no_star(&rule.resources) {
                    let (resource, subresource) =
                        resource.split_once('/').unwrap_or((&resource, ""));
                    all.resources
                        .extend((resource != "*").then(|| resource.to_owned()));
                    all.subresources.insert(subresource.to_owned());
                }
            }
        }
        for binding in policy.bindings() {
            all.roles.insert(binding.role_ref.name.clone());
            all.namespaces.extend(binding.namespace.clone());
            for subject in &binding.subjects {
                all.subjects.insert(subject.name.clone());
                all.namespaces.insert(subject.namespace.clone());
                if subject.kind == "Group" {
                    all.groups.insert(subject.name.clone());
                }
            }
        }
        all.namespaces.remove("");
        all
    }

    /// Every name without one of its letters, too.
    fn misspell(&mut self) {
        let sets = [
            &mut self.subjects,
            &mut self.groups,
            &mut self.namespaces,
            &mut self.roles,
            &mut self.verbs,
            &mut self.api_groups,
            &mut self.resources,
            &mut self.subresources,
            &mut self.names,
            &mut self.paths,
        ];
        for names in sets {
            let shorter = |name: &String| {
                let letters = name.chars().enumerate().filter(|(at, _)| *at != 2);
                letters.map(|(_, letter)| letter).collect()
            };
            let misspelt: Names = names.iter().map(shorter).collect();
            names.extend(misspelt);
        }
    }

    fn add_request(&mut self, request: &OwnedAttributes) {
        self.subjects.insert(request.user.name.clone());
        self.subjects.extend(request.user.groups.clone());
        // Wherever the namespace of a service account may end.
        let account = request.user.name.strip_prefix("system:serviceaccount:");
        for (at, _) in account
            .into_iter()
            .flat_map(|account| account.match_indices(':'))
        {
            let (namespace, name) = account.unwrap_or_default().split_at(at);
            self.namespaces.insert(namespace.to_owned());
            self.subjects.insert(name[1..].to_owned());
        }
        if let OwnedTarget::Resource {
            resource,
            subresource,
            namespace,
            ..
        } = &request.target
        {
            self.resources.insert(resource.clone());
            self.subresources.insert(subresource.clone());
            self.namespaces.insert(namespace.clone());
        }
    }

    fn edits(&self, policy: &Policy, request: &OwnedAttributes) -> Vec<Edit> {
        let mut edits: Vec<Edit> = self
            .of_request(request)
            .into_iter()
            .map(Edit::Request)
            .collect();
        for binding in policy.bindings() {
            let name = BindingName {
                namespace: binding.namespace.clone(),
                name: binding.name.clone(),
            };
            edits.extend(
                self.of_binding(binding, request)
                    .into_iter()
                    .map(|edit| Edit::Binding {
                        binding: name.clone(),
                        edit,
                    }),
            );
        }
        edits
    }

    fn of_request(&self, request: &OwnedAttributes) -> Vec<RequestEdit> {
        let mut edits: Vec<RequestEdit> = Vec::new();
        edits.extend(self.verbs.iter().cloned().map(RequestEdit::Verb));
        edits.extend(self.api_groups.iter().cloned().map(RequestEdit::ApiGroup));
        edits.extend(self.names.iter().cloned().map(RequestEdit::Name));
        edits.extend(self.namespaces.iter().cloned().map(RequestEdit::Namespace));
        edits.extend(self.paths.iter().cloned().map(RequestEdit::Path));
        for resource in &self.resources {
            for subresource in &self.subresources {
                edits.push(RequestEdit::Resource {
                    resource: resource.clone(),
                    subresource: subresource.clone(),
                });
            }
        }
        for from in &request.user.groups {
            for to in &self.groups {
                edits.push(RequestEdit::Group {
                    from: from.clone(),
                    to: to.clone(),
                });
            }
        }
        edits
    }

    fn of_binding(&self, binding: &Binding, request: &OwnedAttributes) -> Vec<BindingEdit> {
        let mut edits = Vec::new();
        for (index, subject) in binding.subjects.iter().enumerate() {
            let subjects = self.instead_of(subject).into_iter();
            edits.extend(subjects.map(|subject| BindingEdit::Subject { index, subject }));
        }
        let user = SubjectRef::user(&*request.user.name);
        edits.push(BindingEdit::AddSubject(user));
        for role in &self.roles {
            edits.push(BindingEdit::RoleRef(RoleRef::cluster_role(&**role)));
            edits.push(BindingEdit::RoleRef(RoleRef::role(&**role)));
        }
        edits.extend(self.namespaces.iter().cloned().map(BindingEdit::Namespace));
        edits
    }

    fn instead_of(&self, subject: &SubjectRef) -> Vec<SubjectRef> {
        let mut subjects = vec![
            SubjectRef::user(&*subject.name),
            SubjectRef::group(&*subject.name),
            SubjectRef::service_account(&*subject.namespace, &*subject.name),
        ];
        for namespace in &self.namespaces {
            subjects.push(SubjectRef::service_account(&**namespace, &*subject.name));
        }
        for name in &self.subjects {
            subjects.push(SubjectRef {
                name: name.clone(),
                ..subject.clone()
            });
        }
        subjects
    }
}

/// Whether the edit makes the request allowed, and not by a default binding
/// from which it is far.
fn would_do(edit: &Edit, distance: u32, policy: &Policy, request: &Attributes<'_>) -> bool {
    let (mut edited, asked) = edit.apply(policy, request);
    if !decide(&edited, &asked.borrow()).allowed {
        return false;
    }
    let is_default = |binding: &&Binding| binding.labels.contains_key(bootstrap::LABEL);
    if distance > 5 {
        for default in policy.bindings().map(AsRef::as_ref).filter(is_default) {
            edited.remove_binding(default.namespace.as_deref(), &default.name);
        }
    }
    decide(&edited, &asked.borrow()).allowed
}

fn kind_of(edit: &Edit) -> &'static str {
    match edit {
        Edit::Request(edit) => match edit {
            RequestEdit::Verb(_) => "verb",
            RequestEdit::ApiGroup(_) => "API group",
            RequestEdit::Resource { .. } => "resource",
            RequestEdit::Name(_) => "name",
            RequestEdit::Namespace(_) => "namespace",
            RequestEdit::Path(_) => "path",
            RequestEdit::Group { .. } => "group",
        },
        Edit::Binding { edit, .. } => match edit {
            BindingEdit::Subject { .. } => "subject",
            BindingEdit::AddSubject(_) => "new subject",
            BindingEdit::RoleRef(_) => "role",
            BindingEdit::Namespace(_) => "namespace of the binding",
        },
    }
}

/// A policy, and requests with an edit for each, often a slip, by which what
/// was allowed may be so no longer.
fn cases() -> impl Strategy<Value = (Made, Vec<(OwnedAttributes, Index)>)> {
    made().prop_flat_map(|made| {
        let request = (request(&made.policy(Version::V1_37)), any::<Index>());
        (Just(made), prop::collection::vec(request, 12))
    })
}

fn denied(
    policy: &Policy,
    request: OwnedAttributes,
    which: &Index,
) -> Option<(Policy, OwnedAttributes)> {
    let is_allowed =
        |policy: &Policy, request: &OwnedAttributes| decide(policy, &request.borrow()).allowed;
    if !is_allowed(policy, &request) {
        return Some((policy.clone(), request));
    }
    let mut names = Occurring::of(policy, &request);
    names.misspell();
    let edits = names.edits(policy, &request);
    let edited = which.get(&edits).apply(policy, &request.borrow());
    (!is_allowed(&edited.0, &edited.1)).then_some(edited)
}

#[test]
fn no_single_edit_that_is_allowed_is_nearer_than_the_nearest_miss() {
    let seen = RefCell::new(BTreeMap::<_, u32>::new());
    let saw = |kind| *seen.borrow_mut().entry(kind).or_default() += 1;
    let result = runner(17).run(&cases(), |(made, requests)| {
        let policy = made.policy(Version::V1_37);
        for (request, which) in requests {
            let Some((policy, request)) = denied(&policy, request, &which) else {
                continue;
            };
            let asked = request.borrow();
            let miss = explain(&policy, &asked).nearest_miss;
            let nearest = miss.as_ref().map(|miss| miss.distance);
            for edit in Occurring::of(&policy, &request).edits(&policy, &request) {
                let Some(distance) = edit.distance(&policy, &asked) else {
                    continue;
                };
                let nearer = nearest.is_none_or(|nearest| distance < nearest);
                prop_assert!(
                    !nearer || !would_do(&edit, distance, &policy, &asked),
                    "{edit:?} at {distance} is nearer than {miss:?}"
                );
            }
            let Some(miss) = miss else {
                saw("nothing");
                continue;
            };
            prop_assert_eq!(miss.edit.distance(&policy, &asked), Some(miss.distance));
            prop_assert!(would_do(&miss.edit, miss.distance, &policy, &asked));
            saw(kind_of(&miss.edit));
        }
        Ok(())
    });
    result.unwrap();
    // Groups are misspelt in the request only for the default bindings, and
    // these lie under few of the policies.
    let kinds = [
        "API group",
        "name",
        "namespace",
        "namespace of the binding",
        "new subject",
        "nothing",
        "path",
        "resource",
        "role",
        "subject",
        "verb",
    ];
    let seen = seen.into_inner();
    let unseen: Vec<_> = kinds.iter().filter(|k| !seen.contains_key(*k)).collect();
    assert!(unseen.is_empty(), "{unseen:?} of {seen:?}");
}

/// A policy in which `jane@example.com` of `oidc:admins` is meant by the
/// RoleBinding `b` in `dev`, whose role is `reader`.
fn policy_of_b(role: &str, subject: SubjectRef) -> Policy {
    let rule = |all: &str| PolicyRule {
        verbs: vec![all.into()],
        api_groups: vec![all.into()],
        resources: vec![all.into()],
        ..PolicyRule::default()
    };
    let role_of = |name: &str, all: &str| Role {
        name: name.into(),
        rules: vec![rule(all)],
        ..Role::default()
    };
    let mut policy = bootstrap::policy(Version::V1_37);
    for (name, all) in [("reader", "x"), ("readers", "x"), ("everything", "*")] {
        policy.put_role(role_of(name, all));
    }
    policy.put_binding(Binding {
        namespace: Some("dev".into()),
        name: "b".into(),
        subjects: vec![subject],
        role_ref: RoleRef::cluster_role(role),
        ..Binding::default()
    });
    policy
}

fn jane() -> OwnedAttributes {
    OwnedAttributes {
        user: OwnedUser {
            name: "jane@example.com".into(),
            groups: vec!["oidc:admins".into(), "system:authenticated".into()],
        },
        verb: "list".into(),
        target: OwnedTarget::Resource {
            api_group: "apps".into(),
            resource: "deployments".into(),
            subresource: "scale".into(),
            name: "web".into(),
            namespace: "prod".into(),
        },
    }
}

#[rstest]
#[case::nothing(RequestEdit::Verb("list".into()), None)]
#[case::case(RequestEdit::Verb("LIST".into()), Some(1))]
#[case::slip(RequestEdit::Verb("lst".into()), Some(3))]
#[case::kin(RequestEdit::Verb("watch".into()), Some(5))]
#[case::verb(RequestEdit::Verb("delete".into()), Some(6))]
#[case::slip_of_a_group(RequestEdit::ApiGroup("app".into()), Some(3))]
#[case::api_group(RequestEdit::ApiGroup(String::new()), Some(4))]
#[case::subresource(resource("deployments", ""), Some(5))]
#[case::slips_of_a_resource(resource("deploymnet", "scale"), Some(4))]
#[case::resource(resource("pods", "scale"), Some(9))]
#[case::both(resource("pods", "log"), Some(10))]
#[case::name(RequestEdit::Name("db".into()), Some(6))]
#[case::namespace(RequestEdit::Namespace("dev".into()), Some(3))]
#[case::not_a_path(RequestEdit::Path("/healthz".into()), None)]
#[case::prefix_of_a_group(group("oidc:admins", "admins"), Some(2))]
#[case::group(group("oidc:admins", "viewers"), Some(16))]
#[case::not_a_group_of_hers(group("viewers", "viewer"), None)]
#[case::added_by_the_server(group("system:authenticated", "authenticated"), None)]
fn the_distances_of_edits_of_a_request(#[case] edit: RequestEdit, #[case] expected: Option<u32>) {
    let policy = policy_of_b("reader", SubjectRef::user("jane"));
    let distance = Edit::Request(edit).distance(&policy, &jane().borrow());
    assert_eq!(distance, expected);
}

#[rstest]
#[case::a_slash("/healthz/", 2)]
#[case::slip("/healtz", 3)]
#[case::other("/metrics", 9)]
fn the_distances_of_paths(#[case] path: &str, #[case] expected: u32) {
    let request = OwnedAttributes {
        target: OwnedTarget::NonResource {
            path: "/healthz".into(),
        },
        ..jane()
    };
    let edit = Edit::Request(RequestEdit::Path(path.into()));
    let distance = edit.distance(&Policy::new(), &request.borrow());
    assert_eq!(distance, Some(expected));
}

fn resource(resource: &str, subresource: &str) -> RequestEdit {
    RequestEdit::Resource {
        resource: resource.into(),
        subresource: subresource.into(),
    }
}

fn group(from: &str, to: &str) -> RequestEdit {
    RequestEdit::Group {
        from: from.into(),
        to: to.into(),
    }
}

#[rstest]
#[case::kind(SubjectRef::user("admins"), SubjectRef::group("admins"), Some(2))]
#[case::case_of_the_kind(
    SubjectRef { kind: "group".into(), ..SubjectRef::group("admins") },
    SubjectRef::group("admins"),
    Some(1)
)]
#[case::kind_and_its_namespace(
    SubjectRef::user("builder"),
    SubjectRef::service_account("dev", "builder"),
    Some(2)
)]
#[case::namespace(
    SubjectRef::service_account("dev", "builder"),
    SubjectRef::service_account("prod", "builder"),
    Some(2)
)]
#[case::prefix(SubjectRef::group("admins"), SubjectRef::group("oidc:admins"), Some(2))]
#[case::two_slips(
    SubjectRef::group("oidc:admni"),
    SubjectRef::group("oidc:admins"),
    Some(4)
)]
#[case::issuer_and_sub(
    SubjectRef::user("https://idp.example/pool#5c1f"),
    SubjectRef::user("jane@example.com"),
    Some(4)
)]
#[case::another_name(
    SubjectRef::user("bob"),
    SubjectRef::user("jane@example.com"),
    Some(16)
)]
#[case::two_fields(SubjectRef::user("admin"), SubjectRef::group("admins"), None)]
#[case::nothing(SubjectRef::user("bob"), SubjectRef::user("bob"), None)]
fn the_distances_of_subjects(
    #[case] written: SubjectRef,
    #[case] subject: SubjectRef,
    #[case] expected: Option<u32>,
) {
    let policy = policy_of_b("reader", written);
    let edit = BindingEdit::Subject { index: 0, subject };
    assert_eq!(distance_in_b(&policy, edit), expected);
}

#[rstest]
#[case::the_same("reader", RoleRef::cluster_role("reader"), None)]
#[case::a_slip("raeder", RoleRef::cluster_role("reader"), Some(3))]
#[case::a_slip_from_a_role("readers", RoleRef::cluster_role("reader"), Some(4))]
#[case::not_there("reader", RoleRef::cluster_role("reeder"), None)]
#[case::not_there_as_a_role("reader", RoleRef::role("reader"), None)]
#[case::instead_of_a_missing("gone", RoleRef::cluster_role("reader"), Some(8))]
#[case::instead_of_a_missing_the_widest("gone", RoleRef::cluster_role("everything"), Some(11))]
#[case::instead_of_another("reader", RoleRef::cluster_role("everything"), Some(17))]
#[case::for_people("reader", RoleRef::cluster_role("view"), Some(14))]
#[case::not_for_people("reader", RoleRef::cluster_role("cluster-admin"), None)]
#[case::not_for_people_but_alike("cluster-amdin", RoleRef::cluster_role("cluster-admin"), Some(3))]
fn the_distances_of_roles(
    #[case] written: &str,
    #[case] role_ref: RoleRef,
    #[case] expected: Option<u32>,
) {
    let policy = policy_of_b(written, SubjectRef::user("jane"));
    let edit = BindingEdit::RoleRef(role_ref);
    assert_eq!(distance_in_b(&policy, edit), expected);
}

#[rstest]
#[case::the_one_who_asks("reader", SubjectRef::user("jane@example.com"), Some(12))]
#[case::by_the_widest_role("everything", SubjectRef::user("jane@example.com"), Some(15))]
#[case::all_of_a_group("reader", SubjectRef::group("oidc:admins"), None)]
#[case::somebody_else("reader", SubjectRef::user("bob"), None)]
fn the_distances_of_new_subjects(
    #[case] role: &str,
    #[case] subject: SubjectRef,
    #[case] expected: Option<u32>,
) {
    let policy = policy_of_b(role, SubjectRef::user("jane"));
    let edit = BindingEdit::AddSubject(subject);
    assert_eq!(distance_in_b(&policy, edit), expected);
}

#[test]
fn a_binding_is_moved_to_where_none_has_its_name() {
    let mut policy = policy_of_b("reader", SubjectRef::user("jane"));
    let edit = || BindingEdit::Namespace("prod".into());
    assert_eq!(distance_in_b(&policy, edit()), Some(3));
    let same = (**policy.binding(Some("dev"), "b").unwrap()).clone();
    policy.put_binding(Binding {
        namespace: Some("prod".into()),
        ..same
    });
    assert_eq!(distance_in_b(&policy, edit()), None);
}

fn distance_in_b(policy: &Policy, edit: BindingEdit) -> Option<u32> {
    let binding = BindingName {
        namespace: Some("dev".into()),
        name: "b".into(),
    };
    Edit::Binding { binding, edit }.distance(policy, &jane().borrow())
}
