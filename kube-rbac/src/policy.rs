//! A set of roles and bindings, arranged so that a decision looks only at the
//! bindings that name the one who asks.
//!
//! Everything inside is a persistent map: a clone costs a few reference
//! counts and shares all that is not changed later, the default roles too.

use crate::hash::BuildNameHasher;
use crate::objects::{Binding, Object, Role, SubjectRef};
use imbl::shared_ptr::DefaultSharedPtr;
use imbl::{GenericHashMap, OrdMap, OrdSet};
use std::sync::Arc;

/// A persistent map by name.
type Names<V> = GenericHashMap<Arc<str>, V, BuildNameHasher, DefaultSharedPtr>;

/// Roles and bindings. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    cluster: Scope,
    namespaces: Names<Scope>,
    /// The names of the namespaces, in order.
    order: OrdSet<Arc<str>>,
}

/// What lives in one namespace, or in none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    roles: OrdMap<Arc<str>, Arc<Role>>,
    /// The same roles, where a decision looks for them.
    roles_by_name: Names<Arc<Role>>,
    bindings: OrdMap<Arc<str>, Arc<Binding>>,
    /// Users, and service accounts by their user name.
    users: Names<Postings>,
    groups: Names<Postings>,
}

/// The bindings that name one subject, in order of their names.
type Postings = Arc<Vec<Posting>>;

#[derive(Clone, Debug)]
pub(crate) struct Posting {
    pub(crate) binding: Arc<Binding>,
    /// The first of the binding's subjects that is this one.
    pub(crate) subject: usize,
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
        let name: Arc<str> = role.name.as_str().into();
        let scope = self.scope_mut(role.namespace.as_deref());
        scope.roles_by_name.insert(name.clone(), role.clone());
        scope.roles.insert(name, role);
    }

    /// Takes the role out; the bindings that refer to it stay.
    pub fn remove_role(&mut self, namespace: Option<&str>, name: &str) -> Option<Arc<Role>> {
        let scope = self.scope_mut(namespace);
        scope.roles_by_name.remove(name);
        let role = scope.roles.remove(name);
        self.forget_if_empty(namespace);
        role
    }

    /// Adds the binding, or replaces the one of its name.
    pub fn put_binding(&mut self, binding: Binding) {
        self.put_shared_binding(Arc::new(binding));
    }

    /// [`put_binding`](Self::put_binding) of a binding that is shared.
    pub fn put_shared_binding(&mut self, binding: Arc<Binding>) {
        self.scope_mut(binding.namespace.as_deref())
            .put_binding(binding);
    }

    /// Takes the binding out.
    pub fn remove_binding(&mut self, namespace: Option<&str>, name: &str) -> Option<Arc<Binding>> {
        let binding = self.scope_mut(namespace).remove_binding(name);
        self.forget_if_empty(namespace);
        binding
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
        self.scope(namespace)?.roles_by_name.get(name)
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

    /// The scope of a namespace, or the cluster's.
    pub(crate) fn scope(&self, namespace: Option<&str>) -> Option<&Scope> {
        match namespace {
            None => Some(&self.cluster),
            Some(namespace) => self.namespaces.get(namespace),
        }
    }

    /// Whether any binding, anywhere, names the group.
    pub(crate) fn binds_group(&self, group: &str) -> bool {
        self.scopes().any(|scope| !scope.group(group).is_empty())
    }

    /// Whether any binding, anywhere, names the user, or the service account
    /// whose user name this is.
    pub(crate) fn binds_user(&self, user: &str) -> bool {
        self.scopes().any(|scope| !scope.user(user).is_empty())
    }

    fn scopes(&self) -> impl Iterator<Item = &Scope> {
        let namespaces = self
            .order
            .iter()
            .filter_map(|name| self.namespaces.get(name));
        std::iter::once(&self.cluster).chain(namespaces)
    }

    fn scope_mut(&mut self, namespace: Option<&str>) -> &mut Scope {
        match namespace {
            None => &mut self.cluster,
            Some(namespace) => {
                if !self.namespaces.contains_key(namespace) {
                    self.order.insert(namespace.into());
                }
                self.namespaces.entry(namespace.into()).or_default()
            }
        }
    }

    fn forget_if_empty(&mut self, namespace: Option<&str>) {
        let Some(namespace) = namespace else { return };
        if self.namespaces.get(namespace).is_some_and(Scope::is_empty) {
            self.namespaces.remove(namespace);
            self.order.remove(namespace);
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
    pub(crate) fn user(&self, name: &str) -> &[Posting] {
        self.users
            .get(name)
            .map_or(&[], |postings| postings.as_slice())
    }

    pub(crate) fn group(&self, name: &str) -> &[Posting] {
        self.groups
            .get(name)
            .map_or(&[], |postings| postings.as_slice())
    }

    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.bindings.is_empty()
    }

    fn put_binding(&mut self, binding: Arc<Binding>) {
        self.remove_binding(&binding.name);
        for (index, subject) in binding.subjects.iter().enumerate() {
            let Some(key) = Key::of(subject, binding.namespace.as_deref()) else {
                continue;
            };
            let (map, name) = self.postings_mut(key);
            let postings = Arc::make_mut(map.entry(name.into()).or_default());
            let place = postings.binary_search_by(|p| p.binding.name.cmp(&binding.name));
            if let Err(place) = place {
                postings.insert(
                    place,
                    Posting {
                        binding: binding.clone(),
                        subject: index,
                    },
                );
            }
        }
        self.bindings.insert(binding.name.as_str().into(), binding);
    }

    fn remove_binding(&mut self, name: &str) -> Option<Arc<Binding>> {
        let binding = self.bindings.remove(name)?;
        for subject in &binding.subjects {
            let Some(key) = Key::of(subject, binding.namespace.as_deref()) else {
                continue;
            };
            let (map, subject) = self.postings_mut(key);
            let Some(postings) = map.get_mut(subject.as_str()) else {
                continue;
            };
            Arc::make_mut(postings).retain(|p| p.binding.name != name);
            if postings.is_empty() {
                map.remove(subject.as_str());
            }
        }
        Some(binding)
    }

    fn postings_mut(&mut self, key: Key) -> (&mut Names<Postings>, String) {
        match key {
            Key::User(name) => (&mut self.users, name),
            Key::Group(name) => (&mut self.groups, name),
        }
    }
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
