//! A set of roles and bindings, arranged so that a decision looks only at the
//! bindings that name the one who asks.
//!
//! A clone costs a few reference counts and shares all that is not changed
//! later, the default roles too.

use crate::hash::BuildNameHasher;
use crate::index::{Index, Names};
use crate::objects::{Binding, Object, PolicyRule, Role, SubjectRef};
use imbl::shared_ptr::DefaultSharedPtr;
use imbl::{GenericHashMap, OrdMap};
use std::sync::Arc;

/// Roles and bindings. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The objects, in order.
    cluster: Scope,
    namespaces: OrdMap<Arc<str>, Scope>,
    /// The same once more, where a decision looks for them. It meets names
    /// that are bound nowhere more often than others, and learns that at the
    /// first look.
    roles: Index<Placed<Stored>>,
    /// Users, and service accounts by their user name.
    users: Index<Placed<Postings>>,
    groups: Index<Placed<Postings>>,
    /// Every list of rules once, and of how many roles it is: namespaces are
    /// given the same roles, and what is one in memory stays in the caches.
    rules: GenericHashMap<Arc<[PolicyRule]>, usize, BuildNameHasher, DefaultSharedPtr>,
}

#[derive(Clone, Debug)]
struct Stored {
    role: Arc<Role>,
    /// Equal to the role's.
    rules: Arc<[PolicyRule]>,
}

/// The objects that live in one namespace, or in none.
#[derive(Clone, Debug, Default)]
struct Scope {
    roles: OrdMap<Arc<str>, Arc<Role>>,
    bindings: OrdMap<Arc<str>, Arc<Binding>>,
}

/// What one name stands for in the cluster, and what in a namespace.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    cluster: Option<T>,
    local: Local<T>,
}

/// By namespace. Most names are of one.
#[derive(Clone, Debug)]
enum Local<T> {
    One(Arc<str>, T),
    Several(Names<T>),
}

/// The bindings that name one subject, in order of their names. Most name
/// somebody who has no other.
#[derive(Clone, Debug)]
pub(crate) enum Postings {
    One(Posting),
    Several(Arc<Vec<Posting>>),
}

#[derive(Clone, Debug)]
pub(crate) struct Posting {
    pub(crate) binding: Arc<Binding>,
    /// The first of the binding's subjects that is this one.
    pub(crate) subject: u32,
    pub(crate) role: RoleKey,
}

/// The role that a binding refers to, so that a decision need not look into
/// the binding. The name is the one that the policy has the role by.
#[derive(Clone, Debug)]
pub(crate) enum RoleKey {
    Role(Arc<str>),
    ClusterRole(Arc<str>),
    /// A reference of another kind.
    Unsupported,
}

impl Policy {
    /// A policy in which nothing is allowed to anyone.
    pub fn new() -> Self {
        Policy::default()
    }

    /// Adds the role, or replaces the one of its name.
    pub fn put_role(&mut self, role: Role) {
        self.put_shared_role(Arc::new(role));
    }

    /// [`put_role`](Self::put_role) of a role that is shared.
    pub fn put_shared_role(&mut self, role: Arc<Role>) {
        let namespace = role.namespace.as_deref();
        self.remove_role(namespace, &role.name);
        let name = self.role_name(&role.name);
        let stored = Stored {
            role: role.clone(),
            rules: self.share(&role.rules),
        };
        let placed = self.roles.get_or_default(name.clone());
        placed.put(namespace, stored);
        self.scope_mut(namespace).roles.insert(name, role.clone());
    }

    /// Takes the role out; the bindings that refer to it stay.
    pub fn remove_role(&mut self, namespace: Option<&str>, name: &str) -> Option<Arc<Role>> {
        let role = self.scope_mut(namespace).roles.remove(name);
        self.forget_if_empty(namespace);
        let role = role?;
        self.release(&role.rules);
        let placed = self.roles.get_or_default(name.into());
        placed.remove(namespace);
        if placed.is_empty() {
            self.roles.remove(name);
        }
        Some(role)
    }

    /// Adds the binding, or replaces the one of its name.
    pub fn put_binding(&mut self, binding: Binding) {
        self.put_shared_binding(Arc::new(binding));
    }

    /// [`put_binding`](Self::put_binding) of a binding that is shared.
    pub fn put_shared_binding(&mut self, binding: Arc<Binding>) {
        let namespace = binding.namespace.as_deref();
        self.remove_binding(namespace, &binding.name);
        let role = match binding.role_ref.kind.as_str() {
            "Role" => RoleKey::Role(self.role_name(&binding.role_ref.name)),
            "ClusterRole" => RoleKey::ClusterRole(self.role_name(&binding.role_ref.name)),
            _ => RoleKey::Unsupported,
        };
        for (subject, key) in keys(&binding) {
            let (index, name) = self.postings_mut(key);
            let posting = Posting {
                binding: binding.clone(),
                subject,
                role: role.clone(),
            };
            index.get_or_default(name.into()).post(namespace, posting);
        }
        let name = binding.name.as_str().into();
        self.scope_mut(namespace)
            .bindings
            .insert(name, binding.clone());
    }

    /// Takes the binding out.
    pub fn remove_binding(&mut self, namespace: Option<&str>, name: &str) -> Option<Arc<Binding>> {
        let binding = self.scope_mut(namespace).bindings.remove(name);
        self.forget_if_empty(namespace);
        let binding = binding?;
        for (_, key) in keys(&binding) {
            let (index, subject) = self.postings_mut(key);
            let placed = index.get_or_default(subject.as_str().into());
            placed.withdraw(namespace, name);
            if placed.is_empty() {
                index.remove(&subject);
            }
        }
        Some(binding)
    }

    /// Adds or replaces an object of any of the four kinds.
    pub fn put(&mut self, object: Object) {
        match object {
            Object::Role(role) => self.put_role(role),
            Object::Binding(binding) => self.put_binding(binding),
        }
    }

    /// The role of that name; a ClusterRole when the namespace is `None`.
    pub fn role(&self, namespace: Option<&str>, name: &str) -> Option<&Arc<Role>> {
        Some(&self.stored(namespace, name)?.role)
    }

    /// The rules of the [`role`](Self::role) of that name.
    pub(crate) fn rules(&self, namespace: Option<&str>, name: &str) -> Option<&[PolicyRule]> {
        Some(&self.stored(namespace, name)?.rules)
    }

    /// The binding of that name; a ClusterRoleBinding when the namespace is
    /// `None`.
    pub fn binding(&self, namespace: Option<&str>, name: &str) -> Option<&Arc<Binding>> {
        self.scope(namespace)?.bindings.get(name)
    }

    /// All ClusterRoles, then all Roles by namespace, each by name.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.scopes().flat_map(|scope| scope.roles.values())
    }

    /// All ClusterRoleBindings, then all RoleBindings by namespace, each by
    /// name.
    pub fn bindings(&self) -> impl Iterator<Item = &Arc<Binding>> {
        self.scopes().flat_map(|scope| scope.bindings.values())
    }

    /// The bindings, anywhere, that name the user or the service account
    /// whose user name this is.
    pub(crate) fn of_user(&self, name: &str) -> Option<&Placed<Postings>> {
        self.users.get(name)
    }

    /// The bindings, anywhere, that name the group.
    pub(crate) fn of_group(&self, name: &str) -> Option<&Placed<Postings>> {
        self.groups.get(name)
    }

    fn stored(&self, namespace: Option<&str>, name: &str) -> Option<&Stored> {
        self.roles.get(name)?.get(namespace)
    }

    fn share(&mut self, rules: &[PolicyRule]) -> Arc<[PolicyRule]> {
        let known = self.rules.get_key_value(rules);
        let (rules, roles) = known.map_or_else(|| (rules.into(), 0), |(r, n)| (r.clone(), *n));
        self.rules.insert(rules.clone(), roles + 1);
        rules
    }

    fn release(&mut self, rules: &[PolicyRule]) {
        match self.rules.get_mut(rules) {
            Some(roles) if *roles > 1 => *roles -= 1,
            _ => {
                self.rules.remove(rules);
            }
        }
    }

    fn scope(&self, namespace: Option<&str>) -> Option<&Scope> {
        match namespace {
            None => Some(&self.cluster),
            Some(namespace) => self.namespaces.get(namespace),
        }
    }

    fn scopes(&self) -> impl Iterator<Item = &Scope> {
        std::iter::once(&self.cluster).chain(self.namespaces.values())
    }

    fn scope_mut(&mut self, namespace: Option<&str>) -> &mut Scope {
        match namespace {
            None => &mut self.cluster,
            Some(namespace) => self.namespaces.entry(namespace.into()).or_default(),
        }
    }

    fn forget_if_empty(&mut self, namespace: Option<&str>) {
        let Some(namespace) = namespace else { return };
        if self.namespaces.get(namespace).is_some_and(Scope::is_empty) {
            self.namespaces.remove(namespace);
        }
    }

    /// The name as the policy has it already, where it has.
    fn role_name(&self, name: &str) -> Arc<str> {
        self.roles
            .name(name)
            .map_or_else(|| name.into(), Arc::clone)
    }

    fn postings_mut(&mut self, key: Key) -> (&mut Index<Placed<Postings>>, String) {
        match key {
            Key::User(name) => (&mut self.users, name),
            Key::Group(name) => (&mut self.groups, name),
        }
    }
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.roles().eq(other.roles()) && self.bindings().eq(other.bindings())
    }
}

impl FromIterator<Object> for Policy {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        let mut policy = Policy::new();
        policy.extend(objects);
        policy
    }
}

impl Extend<Object> for Policy {
    fn extend<I: IntoIterator<Item = Object>>(&mut self, objects: I) {
        objects.into_iter().for_each(|object| self.put(object));
    }
}

impl Scope {
    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.bindings.is_empty()
    }
}

impl<T> Default for Placed<T> {
    fn default() -> Self {
        Placed {
            cluster: None,
            local: Local::Several(Names::default()),
        }
    }
}

impl<T: Clone> Placed<T> {
    /// What the name stands for in the namespace, or in the cluster.
    pub(crate) fn get(&self, namespace: Option<&str>) -> Option<&T> {
        match namespace {
            None => self.cluster.as_ref(),
            Some(namespace) => self.local.get(namespace),
        }
    }

    fn get_mut(&mut self, namespace: Option<&str>) -> Option<&mut T> {
        match namespace {
            None => self.cluster.as_mut(),
            Some(namespace) => self.local.get_mut(namespace),
        }
    }

    fn put(&mut self, namespace: Option<&str>, value: T) {
        match namespace {
            None => self.cluster = Some(value),
            Some(namespace) => self.local.put(namespace, value),
        }
    }

    fn remove(&mut self, namespace: Option<&str>) {
        match namespace {
            None => self.cluster = None,
            Some(namespace) => self.local.remove(namespace),
        }
    }

    fn is_empty(&self) -> bool {
        self.cluster.is_none() && self.local.is_empty()
    }
}

impl<T: Clone> Local<T> {
    fn get(&self, namespace: &str) -> Option<&T> {
        match self {
            Local::One(only, value) => (**only == *namespace).then_some(value),
            Local::Several(several) => several.get(namespace),
        }
    }

    fn get_mut(&mut self, namespace: &str) -> Option<&mut T> {
        match self {
            Local::One(only, value) => (**only == *namespace).then_some(value),
            Local::Several(several) => several.get_mut(namespace),
        }
    }

    fn put(&mut self, namespace: &str, value: T) {
        match self {
            Local::Several(several) if several.is_empty() => {
                *self = Local::One(namespace.into(), value);
            }
            Local::One(only, first) if **only != *namespace => {
                let mut several = Names::default();
                several.insert(only.clone(), first.clone());
                several.insert(namespace.into(), value);
                *self = Local::Several(several);
            }
            Local::One(_, first) => *first = value,
            Local::Several(several) => {
                several.insert(namespace.into(), value);
            }
        }
    }

    fn remove(&mut self, namespace: &str) {
        match self {
            Local::One(only, _) if **only == *namespace => {
                *self = Local::Several(Names::default());
            }
            Local::One(..) => {}
            Local::Several(several) => {
                several.remove(namespace);
            }
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Local::Several(several) if several.is_empty())
    }
}

impl Placed<Postings> {
    /// Adds the posting, unless an earlier subject of its binding is the same.
    fn post(&mut self, namespace: Option<&str>, posting: Posting) {
        match self.get_mut(namespace) {
            None => self.put(namespace, Postings::One(posting)),
            Some(postings) => postings.add(posting),
        }
    }

    /// Takes the binding of that name out.
    fn withdraw(&mut self, namespace: Option<&str>, binding: &str) {
        let left = self.get_mut(namespace).map(|p| p.without(binding));
        if left.is_some_and(<[_]>::is_empty) {
            self.remove(namespace);
        }
    }
}

impl Postings {
    pub(crate) fn as_slice(&self) -> &[Posting] {
        match self {
            Postings::One(posting) => std::slice::from_ref(posting),
            Postings::Several(postings) => postings,
        }
    }

    fn add(&mut self, posting: Posting) {
        let name = posting.binding.name.as_str();
        let by_name = |p: &Posting| p.binding.name.as_str().cmp(name);
        let Err(place) = self.as_slice().binary_search_by(by_name) else {
            return;
        };
        match self {
            Postings::One(first) => {
                let mut both = vec![first.clone()];
                both.insert(place, posting);
                *self = Postings::Several(Arc::new(both));
            }
            Postings::Several(postings) => Arc::make_mut(postings).insert(place, posting),
        }
    }

    /// Takes the binding out; gives what is left.
    fn without(&mut self, binding: &str) -> &[Posting] {
        match self {
            Postings::One(posting) if posting.binding.name == binding => &[],
            Postings::One(_) => self.as_slice(),
            Postings::Several(postings) => {
                Arc::make_mut(postings).retain(|p| p.binding.name != binding);
                postings
            }
        }
    }
}

/// The subjects that apply to somebody, with their places in the binding.
fn keys(binding: &Binding) -> impl Iterator<Item = (u32, Key)> {
    let namespace = binding.namespace.as_deref();
    let keys = binding.subjects.iter().map(move |s| Key::of(s, namespace));
    (0..)
        .zip(keys)
        .filter_map(|(place, key)| Some((place, key?)))
}

/// What of the one who asks must equal a subject for the subject to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    User(String),
    Group(String),
}

impl Key {
    /// `None` for a subject that applies to nobody: of an unknown kind, or a
    /// service account for which there is no namespace.
    pub(crate) fn of(subject: &SubjectRef, binding_namespace: Option<&str>) -> Option<Key> {
        match subject.kind.as_str() {
            "User" => Some(Key::User(subject.name.clone())),
            "Group" => Some(Key::Group(subject.name.clone())),
            "ServiceAccount" => {
                let namespace = match subject.namespace.as_str() {
                    "" => binding_namespace.unwrap_or_default(),
                    namespace => namespace,
                };
                let name = &subject.name;
                (!namespace.is_empty())
                    .then(|| Key::User(format!("system:serviceaccount:{namespace}:{name}")))
            }
            _ => None,
        }
    }
}
