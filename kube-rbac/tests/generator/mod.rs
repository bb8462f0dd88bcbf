//! Random policies, and requests that lie near them.
//!
//! The pools of names are small, so that requests meet rules, and hold what
//! has to be quoted, looks like a wildcard or belongs to another kind. A
//! request is aimed at one subject of one binding and at one rule of its role,
//! and then, about every other time, one thing of it is changed.

pub mod cases;
pub mod forms;
pub mod objects;

use kube_rbac::{
    Binding, LabelSelector, Object, OwnedAttributes, OwnedTarget, OwnedUser, Policy, PolicyRule,
    Requirement, Role, RoleRef, SubjectRef, Version, bootstrap, to_json,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

const USERS: &[&str] = &[
    "jane@example.com",
    "oidc:jane",
    "https://idp.example/pool#5c1f",
    "bob",
    "Bob",
    "*",
    "",
    "say \"hi\"\n",
    "zoë\u{ad}",
    "system:anonymous",
    "system:serviceaccount:dev:builder",
    "system:serviceaccount:prod:builder",
    "system:serviceaccount:dev:default",
    "system:serviceaccount:ci:a:b",
    "system:serviceaccount::builder",
];
const GROUPS: &[&str] = &[
    "oidc:admins",
    "oidc:admin",
    "admins",
    "oidc:dev team",
    "viewers",
    "jane@example.com",
    "system:authenticated",
    "system:unauthenticated",
    "system:masters",
    "system:serviceaccounts:dev",
    "*",
];
const ACCOUNTS: &[&str] = &["builder", "default", "b", "a:b", "*"];
const ACCOUNT_NAMESPACES: &[&str] = &["dev", "prod", "ci", "ci:a"];
const NAMESPACES: &[&str] = &["dev", "prod", "kube-system"];
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "impersonate",
];
const METHODS: &[&str] = &["get", "post", "put", "delete", "head"];
const API_GROUPS: &[&str] = &["", "apps", "batch", "rbac.authorization.k8s.io"];
const RESOURCES: &[&str] = &[
    "pods",
    "deployments",
    "secrets",
    "jobs",
    "clusterroles",
    "nodes",
];
const SUBRESOURCES: &[&str] = &["log", "status", "scale", "exec"];
const NAMES: &[&str] = &["web", "db", "web-1", "*", "a b", ""];
const PATHS: &[&str] = &[
    "/healthz",
    "/healthz/",
    "/healthz/etcd",
    "/metrics",
    "/apis",
    "/apis/apps",
    "/apis/apps/v1",
    "/version",
    "/",
    "/x*",
    "/foobar",
    "/a/x/b",
    "*",
];
const URLS: &[&str] = &[
    "/healthz",
    "/healthz/etcd",
    "/metrics",
    "/apis",
    "/version",
    "/",
    "/apis/apps",
];
/// With a star, which is one at the end alone.
const URL_PREFIXES: &[&str] = &[
    "/healthz/*",
    "/apis/*",
    "/foo*",
    "/apis/a**",
    "/*",
    "/x*",
    "**",
    "/a/*/b",
];
const ROLES: &[&str] = &[
    "reader",
    "writer",
    "view",
    "team:lead",
    "edit \"all\"",
    "ops",
    "Ops",
];
const LOCAL_ROLES: &[&str] = &["reader", "team:lead", "edit \"all\""];
const BINDINGS: &[&str] = &["a", "b", "c:d", "e f", "team", "oidc:admins", "z"];
const LABELS: &[&str] = &["to-admin", "to-edit", "to-view"];

/// A policy as it is before aggregation.
#[derive(Clone, Debug)]
pub struct Made {
    /// Whether Kubernetes' default policy lies under the objects.
    pub on_defaults: bool,
    pub objects: Vec<Object>,
}

impl Made {
    /// The objects as JSON, those of the default policy among them.
    pub fn to_json(&self, version: Version) -> Vec<Value> {
        let own = self.objects.iter().map(to_json);
        if !self.on_defaults {
            return own.collect();
        }
        let replaced = |json: &Value| {
            let same = |object: &Object| {
                json["kind"] == object.kind() && json["metadata"]["name"] == object.name()
            };
            self.objects.iter().any(same)
        };
        let mut objects = bootstrap::objects(version);
        objects.retain(|json| !replaced(json));
        objects.extend(own);
        objects
    }

    pub fn policy(&self, version: Version) -> Policy {
        let mut policy = match self.on_defaults {
            true => bootstrap::policy(version),
            false => Policy::new(),
        };
        policy.extend(self.objects.iter().cloned());
        kube_rbac::aggregation::aggregate(&mut policy);
        policy
    }
}

/// Draws from a strategy, the same values for the same seed.
pub fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(
        Config {
            failure_persistence: None,
            ..Config::default()
        },
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
    )
}

pub fn draw<S: Strategy>(runner: &mut TestRunner, strategy: &S) -> S::Value {
    strategy
        .new_tree(runner)
        .expect("these strategies reject nothing")
        .current()
}

pub fn made() -> impl Strategy<Value = Made> {
    let aggregation = prop::option::weighted(0.25, aggregation());
    let roles = prop::collection::vec((role(), aggregation), ROLES.len());
    let local_roles = prop::collection::vec((namespace(), select(LOCAL_ROLES), role()), 5..9);
    let cluster_bindings = prop::collection::vec(binding(None), 2..6);
    let bindings = prop::collection::vec(namespace().prop_flat_map(|ns| binding(Some(ns))), 3..9);
    (
        prop::bool::weighted(0.06),
        roles,
        local_roles,
        cluster_bindings,
        bindings,
    )
        .prop_map(
            |(on_defaults, roles, local_roles, cluster_bindings, bindings)| {
                let mut objects: Vec<Object> = Vec::new();
                let mut add = |object: Object| {
                    let same = |o: &Object| {
                        (o.kind(), o.namespace(), o.name())
                            == (object.kind(), object.namespace(), object.name())
                    };
                    if !objects.iter().any(same) {
                        objects.push(object);
                    }
                };
                for (name, (role, aggregation)) in ROLES.iter().zip(roles) {
                    let name = (*name).to_owned();
                    add(Object::Role(Role {
                        name,
                        aggregation,
                        ..role
                    }));
                }
                for (namespace, name, role) in local_roles {
                    let (name, namespace) = (name.to_owned(), Some(namespace));
                    add(Object::Role(Role {
                        name,
                        namespace,
                        ..role
                    }));
                }
                for binding in cluster_bindings.into_iter().chain(bindings) {
                    add(Object::Binding(binding));
                }
                Made {
                    on_defaults,
                    objects,
                }
            },
        )
}

/// Lists of rules for the comparison of rights: those of an owner, and those
/// requested, which are often made of the owner's.
pub fn rights() -> impl Strategy<Value = (Vec<PolicyRule>, Vec<PolicyRule>)> {
    let owner = prop::collection::vec(rule(), 0..4);
    (
        owner,
        prop::collection::vec(rule(), 0..2),
        prop::collection::vec((any::<Index>(), rule(), 0..8u8), 0..3),
    )
        .prop_map(|(owner, mut requested, narrowed)| {
            for (which, other, part) in narrowed {
                if owner.is_empty() {
                    continue;
                }
                requested.push(narrow(which.get(&owner), &other, part));
            }
            (owner, requested)
        })
}

/// The rule without its stars, or with one part taken from another rule.
fn narrow(rule: &PolicyRule, other: &PolicyRule, part: u8) -> PolicyRule {
    let mut rule = rule.clone();
    match part {
        0 => rule.verbs.clone_from(&other.verbs),
        1 => rule.api_groups.clone_from(&other.api_groups),
        2 => rule.resources.clone_from(&other.resources),
        3 => rule.resource_names.clone_from(&other.resource_names),
        4 => rule.non_resource_urls.clone_from(&other.non_resource_urls),
        5 => {
            for (list, plain) in [
                (&mut rule.verbs, "get"),
                (&mut rule.api_groups, "apps"),
                (&mut rule.resources, "pods/log"),
                (&mut rule.non_resource_urls, "/healthz/etcd"),
            ] {
                list.iter_mut()
                    .filter(|s| *s == "*")
                    .for_each(|s| *s = plain.into());
            }
        }
        6 => rule.non_resource_urls.iter_mut().for_each(|url| {
            *url = url.replace('*', "etcd/*");
        }),
        _ => {}
    }
    rule
}

/// One request near the policy, which must be the aggregated one.
pub fn request(policy: &Policy) -> impl Strategy<Value = OwnedAttributes> + use<> {
    let aims = Aims::of(policy);
    let aim = (0..100u32, any::<Index>(), any::<Index>());
    (aim, user(), target(), any::<[Index; 5]>(), change()).prop_map(
        move |((kind, which, subject), user, target, picks, change)| {
            let stray = OwnedAttributes {
                user,
                verb: pick(VERBS, &picks[0]),
                target,
            };
            let mut request = match aims.choose(kind, &which) {
                None => stray,
                Some(aim) => aim.request(&subject, stray, &picks),
            };
            change.apply(&mut request);
            request
        },
    )
}

pub fn user() -> impl Strategy<Value = OwnedUser> {
    (select(USERS), prop::sample::subsequence(GROUPS, 0..3)).prop_map(|(name, groups)| OwnedUser {
        name: name.into(),
        groups: groups.into_iter().map(str::to_owned).collect(),
    })
}

fn namespace() -> impl Strategy<Value = String> {
    select(NAMESPACES).prop_map(str::to_owned)
}

fn strings(pool: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(select(pool), 1..=most)
        .prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

fn star_or(
    weight: u32,
    pool: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        4 * weight => Just(vec!["*".to_owned()]),
        39 - 4 * weight => strings(pool, most),
        1 => strings(pool, most).prop_map(|list| [list, vec!["*".to_owned()]].concat()),
    ]
}

pub fn rule() -> impl Strategy<Value = PolicyRule> {
    prop_oneof![
        11 => resource_rule(),
        8 => url_rule(),
        1 => odd_rule(),
    ]
}

fn resource_rule() -> impl Strategy<Value = PolicyRule> {
    let resource = prop_oneof![
        5 => select(RESOURCES).prop_map(str::to_owned),
        3 => Just("*".to_owned()),
        5 => (select(RESOURCES), select(SUBRESOURCES)).prop_map(|(r, s)| format!("{r}/{s}")),
        5 => select(SUBRESOURCES).prop_map(|s| format!("*/{s}")),
        1 => select(RESOURCES).prop_map(|r| format!("{r}/*")),
    ];
    (
        star_or(3, VERBS, 3),
        star_or(3, API_GROUPS, 2),
        prop::collection::vec(resource, 1..3),
        prop::option::weighted(0.3, strings(NAMES, 2)),
    )
        .prop_map(|(verbs, api_groups, resources, names)| PolicyRule {
            verbs,
            api_groups,
            resources,
            resource_names: names.unwrap_or_default(),
            non_resource_urls: Vec::new(),
        })
}

fn url_rule() -> impl Strategy<Value = PolicyRule> {
    let urls = prop_oneof![
        7 => strings(URLS, 2),
        5 => strings(URL_PREFIXES, 2),
        4 => Just(vec!["*".to_owned()]),
    ];
    (star_or(4, METHODS, 2), urls).prop_map(|(verbs, non_resource_urls)| PolicyRule {
        verbs,
        non_resource_urls,
        ..PolicyRule::default()
    })
}

/// What validation would refuse, but a server of an older release may hold.
fn odd_rule() -> impl Strategy<Value = PolicyRule> {
    (resource_rule(), url_rule(), 0..4u8).prop_map(|(mut rule, urls, part)| {
        match part {
            0 => rule.non_resource_urls = urls.non_resource_urls,
            1 => rule.verbs.clear(),
            2 => rule.api_groups.clear(),
            _ => rule.resources.clear(),
        }
        rule
    })
}

fn role() -> impl Strategy<Value = Role> {
    let labels = prop::collection::btree_map(select(LABELS), select(&["true", "no"][..]), 0..3);
    (select(ROLES), labels, prop::collection::vec(rule(), 0..4)).prop_map(
        |(name, labels, rules)| Role {
            name: name.into(),
            labels: labels
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            rules,
            ..Role::default()
        },
    )
}

fn aggregation() -> impl Strategy<Value = Vec<LabelSelector>> {
    let by_label = select(LABELS).prop_map(|label| LabelSelector {
        match_labels: [(label.to_owned(), "true".to_owned())].into(),
        match_expressions: Vec::new(),
    });
    let by_expression = (
        select(LABELS),
        select(&["In", "NotIn", "Exists", "DoesNotExist"][..]),
    )
        .prop_map(|(key, operator)| {
            let values = match operator {
                "In" | "NotIn" => vec!["true".to_owned()],
                _ => Vec::new(),
            };
            let requirement = Requirement {
                key: key.into(),
                operator: operator.into(),
                values,
            };
            LabelSelector {
                match_expressions: vec![requirement],
                ..LabelSelector::default()
            }
        });
    prop::collection::vec(prop_oneof![4 => by_label, 1 => by_expression], 0..3)
}

fn subject(in_namespace: bool) -> impl Strategy<Value = SubjectRef> {
    let own_account = select(ACCOUNTS).prop_map(|name| SubjectRef::service_account("", name));
    prop_oneof![
        12 => select(USERS).prop_map(SubjectRef::user),
        12 => select(GROUPS).prop_map(SubjectRef::group),
        5 => (select(ACCOUNT_NAMESPACES), select(ACCOUNTS))
            .prop_map(|(namespace, name)| SubjectRef::service_account(namespace, name)),
        if in_namespace { 15 } else { 2 } => own_account,
        2 => (select(&["group", "Robot", ""][..]), select(GROUPS))
            .prop_map(|(kind, name)| SubjectRef { kind: kind.into(), ..SubjectRef::group(name) }),
        1 => (subject_of_any_group(), select(&["apps", "rbac.authorization.k8s.io"][..]))
            .prop_map(|(subject, group)| SubjectRef { api_group: group.into(), ..subject }),
    ]
}

/// One whose API group may be any, since nobody looks at it.
fn subject_of_any_group() -> impl Strategy<Value = SubjectRef> {
    prop_oneof![
        select(USERS).prop_map(SubjectRef::user),
        select(GROUPS).prop_map(SubjectRef::group),
        (select(ACCOUNT_NAMESPACES), select(ACCOUNTS))
            .prop_map(|(namespace, name)| SubjectRef::service_account(namespace, name)),
    ]
}

fn binding(namespace: Option<String>) -> impl Strategy<Value = Binding> {
    let cluster_role =
        prop_oneof![28 => select(ROLES), 1 => Just("gone"), 1 => Just("was \"here\"")]
            .prop_map(|name| ("ClusterRole", name));
    let role =
        prop_oneof![14 => select(LOCAL_ROLES), 1 => Just("gone")].prop_map(|name| ("Role", name));
    let other = select(
        &[
            ("Group", "view"),
            ("role", "reader"),
            ("clusterrole", "view"),
            ("", "view"),
        ][..],
    );
    let role_ref = match namespace {
        Some(_) => prop_oneof![12 => cluster_role, 8 => role, 1 => other].boxed(),
        None => prop_oneof![60 => cluster_role, 2 => role, 1 => other].boxed(),
    };
    let subjects = prop::collection::vec(subject(namespace.is_some()), 0..4);
    (select(BINDINGS), subjects, role_ref).prop_map(move |(name, subjects, (kind, role))| Binding {
        namespace: namespace.clone(),
        name: name.into(),
        subjects,
        role_ref: RoleRef {
            kind: kind.into(),
            ..RoleRef::cluster_role(role)
        },
        ..Binding::default()
    })
}

fn target() -> impl Strategy<Value = OwnedTarget> {
    prop_oneof![
        3 => (
            select(API_GROUPS),
            select(RESOURCES),
            prop::option::of(select(SUBRESOURCES)),
            prop::option::of(select(NAMES)),
            prop::option::weighted(0.7, namespace()),
        )
            .prop_map(|(api_group, resource, subresource, name, namespace)| {
                OwnedTarget::Resource {
                    api_group: api_group.into(),
                    resource: resource.into(),
                    subresource: subresource.unwrap_or_default().into(),
                    name: name.unwrap_or_default().into(),
                    namespace: namespace.unwrap_or_default(),
                }
            }),
        1 => select(PATHS).prop_map(|path| OwnedTarget::NonResource { path: path.into() }),
    ]
}

fn pick(pool: &[&str], index: &Index) -> String {
    (*index.get(pool)).to_owned()
}

/// What requests can be aimed at.
#[derive(Clone, Debug)]
struct Aims {
    resources: Vec<Aim>,
    urls: Vec<Aim>,
    /// At bindings whose role is not there.
    nothing: Vec<Aim>,
}

#[derive(Clone, Debug)]
struct Aim {
    binding: Binding,
    rule: PolicyRule,
}

impl Aims {
    fn of(policy: &Policy) -> Self {
        let mut aims = Aims {
            resources: Vec::new(),
            urls: Vec::new(),
            nothing: Vec::new(),
        };
        for binding in policy.bindings().filter(|b| !b.subjects.is_empty()) {
            let Ok(role) = kube_rbac::resolve::referenced_role(policy, binding) else {
                let binding = (**binding).clone();
                aims.nothing.push(Aim {
                    binding,
                    rule: PolicyRule::default(),
                });
                continue;
            };
            for rule in &role.rules {
                // The many rules of the default roles would drown the rest.
                if binding.labels.contains_key(kube_rbac::bootstrap::LABEL) && rule.verbs.len() > 1
                {
                    continue;
                }
                let aim = Aim {
                    binding: (**binding).clone(),
                    rule: rule.clone(),
                };
                let is_url = !rule.non_resource_urls.is_empty() && binding.namespace.is_none();
                if is_url {
                    aims.urls.push(aim)
                } else {
                    aims.resources.push(aim)
                }
            }
        }
        aims
    }

    fn choose(&self, kind: u32, which: &Index) -> Option<&Aim> {
        let list = match kind {
            0..40 => &self.urls,
            40..90 => &self.resources,
            90..95 => &self.nothing,
            _ => return None,
        };
        (!list.is_empty()).then(|| which.get(list))
    }
}

impl Aim {
    fn request(
        &self,
        subject: &Index,
        stray: OwnedAttributes,
        picks: &[Index; 5],
    ) -> OwnedAttributes {
        let subject = subject.get(&self.binding.subjects);
        let user = meant(subject, self.binding.namespace.as_deref(), stray.user);
        let one_of = |list: &[String], pool: &[&str], index: &Index| match list {
            [] => pick(pool, index),
            list => match index.get(list).as_str() {
                "*" => pick(pool, index),
                own => own.to_owned(),
            },
        };
        let rule = &self.rule;
        if !rule.non_resource_urls.is_empty() {
            let url = picks[1].get(&rule.non_resource_urls);
            let path = match url.as_str() {
                "*" => pick(PATHS, &picks[2]),
                url => url.replace('*', &pick(&["", "x", "apps/v1"], &picks[2])),
            };
            let verb = one_of(&rule.verbs, METHODS, &picks[0]);
            return OwnedAttributes {
                user,
                verb,
                target: OwnedTarget::NonResource { path },
            };
        }
        let resource = one_of(&rule.resources, RESOURCES, &picks[2]);
        let (resource, subresource) = match resource.split_once('/') {
            Some(("*", sub)) => (pick(RESOURCES, &picks[3]), sub.to_owned()),
            Some((resource, sub)) => (resource.to_owned(), sub.to_owned()),
            None => (resource, String::new()),
        };
        let names = &["", "web", "db"];
        let name = if rule.resource_names.is_empty() {
            pick(names, &picks[4])
        } else {
            picks[4].get(&rule.resource_names).clone()
        };
        let namespace = match &self.binding.namespace {
            Some(namespace) => namespace.clone(),
            None => pick(&["", "", "dev", "prod"], &picks[3]),
        };
        OwnedAttributes {
            user,
            verb: one_of(&rule.verbs, VERBS, &picks[0]),
            target: OwnedTarget::Resource {
                api_group: one_of(&rule.api_groups, API_GROUPS, &picks[1]),
                resource,
                subresource,
                name,
                namespace,
            },
        }
    }
}

/// A user whom the subject means, or would mean if it were of another kind.
fn meant(subject: &SubjectRef, namespace: Option<&str>, mut stray: OwnedUser) -> OwnedUser {
    match subject.kind.as_str() {
        "User" => stray.name.clone_from(&subject.name),
        "ServiceAccount" => {
            let namespace = match subject.namespace.as_str() {
                "" => namespace.unwrap_or("dev"),
                namespace => namespace,
            };
            stray.name = format!("system:serviceaccount:{namespace}:{}", subject.name);
        }
        kind => {
            if kind != "Group" {
                stray.name.clone_from(&subject.name);
            }
            if !stray.groups.contains(&subject.name) {
                stray.groups.push(subject.name.clone());
            }
        }
    }
    stray
}

/// What is changed in a request that was aimed.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    User(OwnedUser),
    UserName(String),
    Groups(Vec<String>),
    Verb(String),
    Part(u8, OwnedTarget),
    /// Asks for all groups, all resources, or all of both, as `can-i '*' '*'` does.
    Star(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        20 => Just(Change::Nothing),
        1 => user().prop_map(Change::User),
        1 => select(USERS).prop_map(|name| Change::UserName(name.into())),
        1 => prop::sample::subsequence(GROUPS, 0..4)
            .prop_map(|list| Change::Groups(list.into_iter().map(str::to_owned).collect())),
        2 => prop_oneof![2 => select(VERBS), 1 => select(&["GET", "", "*"][..])]
            .prop_map(|verb| Change::Verb(verb.into())),
        1 => (0..3u8).prop_map(Change::Star),
        6 => (0..6u8, target()).prop_map(|(part, target)| Change::Part(part, target)),
    ]
}

impl Change {
    fn apply(self, request: &mut OwnedAttributes) {
        match self {
            Change::Nothing => {}
            Change::User(user) => request.user = user,
            Change::UserName(name) => request.user.name = name,
            Change::Groups(groups) => request.user.groups = groups,
            Change::Verb(verb) => request.verb = verb,
            Change::Star(part) => {
                if let OwnedTarget::Resource {
                    api_group,
                    resource,
                    ..
                } = &mut request.target
                {
                    if part != 1 {
                        "*".clone_into(api_group);
                    }
                    if part != 0 {
                        "*".clone_into(resource);
                    }
                }
            }
            Change::Part(part, from) => match (&mut request.target, from) {
                (
                    OwnedTarget::Resource {
                        api_group,
                        resource,
                        subresource,
                        name,
                        namespace,
                    },
                    OwnedTarget::Resource {
                        api_group: group2,
                        resource: resource2,
                        subresource: sub2,
                        name: name2,
                        namespace: namespace2,
                    },
                ) => match part {
                    0 => *api_group = group2,
                    1 => *resource = resource2,
                    2 => *subresource = sub2,
                    3 => *name = name2,
                    4 => *namespace = namespace2,
                    _ => subresource.clear(),
                },
                (OwnedTarget::NonResource { path }, OwnedTarget::NonResource { path: other }) => {
                    *path = other;
                }
                (OwnedTarget::NonResource { path }, _) => path.push_str("/x"),
                (OwnedTarget::Resource { name, .. }, _) => name.clear(),
            },
        }
    }
}
