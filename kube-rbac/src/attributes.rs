//! What is asked: who wants to do what to which.

/// Who asks. `system:authenticated` must already be among the groups where it
/// is due; nothing is added here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct User<'a> {
    /// The user name as RBAC sees it, prefix included.
    pub name: &'a str,
    /// The groups as RBAC sees them, prefixes included.
    pub groups: &'a [String],
}

/// A request to be decided (`authorizer.Attributes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attributes<'a> {
    /// Who asks.
    pub user: User<'a>,
    /// `get`, `list`, …; for non-resource requests the HTTP method in lower
    /// case.
    pub verb: &'a str,
    /// What it is about.
    pub target: Target<'a>,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target<'a> {
    /// A resource of the API. Absent parts are empty.
    Resource {
        /// `""` is the core group.
        api_group: &'a str,
        /// The plural, without subresource.
        resource: &'a str,
        /// Such as `log`.
        subresource: &'a str,
        /// The object's name; empty for list and create.
        name: &'a str,
        /// Empty for cluster-wide requests.
        namespace: &'a str,
    },
    /// A path that is no resource, such as `/version`.
    NonResource {
        /// The URL's path.
        path: &'a str,
    },
}

impl<'a> Attributes<'a> {
    /// The namespace in which RoleBindings are looked for; empty for none.
    pub fn namespace(&self) -> &'a str {
        match self.target {
            Target::Resource { namespace, .. } => namespace,
            Target::NonResource { .. } => "",
        }
    }

    /// A copy that owns its strings.
    pub fn to_owned(&self) -> OwnedAttributes {
        OwnedAttributes {
            user: OwnedUser {
                name: self.user.name.into(),
                groups: self.user.groups.to_vec(),
            },
            verb: self.verb.into(),
            target: match self.target {
                Target::Resource {
                    api_group,
                    resource,
                    subresource,
                    name,
                    namespace,
                } => OwnedTarget::Resource {
                    api_group: api_group.into(),
                    resource: resource.into(),
                    subresource: subresource.into(),
                    name: name.into(),
                    namespace: namespace.into(),
                },
                Target::NonResource { path } => OwnedTarget::NonResource { path: path.into() },
            },
        }
    }
}

/// [`User`], owning its strings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnedUser {
    /// The user name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl OwnedUser {
    /// The same, borrowed.
    pub fn borrow(&self) -> User<'_> {
        User {
            name: &self.name,
            groups: &self.groups,
        }
    }
}

/// [`Attributes`], owning their strings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedAttributes {
    /// Who asks.
    pub user: OwnedUser,
    /// The verb.
    pub verb: String,
    /// What it is about.
    pub target: OwnedTarget,
}

/// [`Target`], owning its strings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OwnedTarget {
    /// A resource of the API.
    Resource {
        /// `""` is the core group.
        api_group: String,
        /// The plural, without subresource.
        resource: String,
        /// Such as `log`.
        subresource: String,
        /// The object's name.
        name: String,
        /// Empty for cluster-wide requests.
        namespace: String,
    },
    /// A path that is no resource.
    NonResource {
        /// The URL's path.
        path: String,
    },
}

impl OwnedAttributes {
    /// The same, borrowed.
    pub fn borrow(&self) -> Attributes<'_> {
        Attributes {
            user: self.user.borrow(),
            verb: &self.verb,
            target: match &self.target {
                OwnedTarget::Resource {
                    api_group,
                    resource,
                    subresource,
                    name,
                    namespace,
                } => Target::Resource {
                    api_group,
                    resource,
                    subresource,
                    name,
                    namespace,
                },
                OwnedTarget::NonResource { path } => Target::NonResource { path },
            },
        }
    }
}
