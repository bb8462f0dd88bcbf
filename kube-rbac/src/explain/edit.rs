//! One change to a binding or to the request, as data that can be applied.

use super::BindingName;
use crate::attributes::{Attributes, OwnedAttributes, OwnedTarget};
use crate::objects::{Binding, RoleRef, SubjectRef};
use crate::policy::Policy;

/// A single edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Something else is asked, or by somebody else.
    Request(RequestEdit),
    /// A binding is changed.
    Binding {
        /// Which one.
        binding: BindingName,
        /// How.
        edit: BindingEdit,
    },
}

/// A change to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestEdit {
    /// Another verb.
    Verb(String),
    /// Another API group.
    ApiGroup(String),
    /// Another resource or subresource.
    Resource {
        /// The resource.
        resource: String,
        /// The subresource, or nothing.
        subresource: String,
    },
    /// Another name, or one where there was none.
    Name(String),
    /// Another namespace.
    Namespace(String),
    /// Another path.
    Path(String),
    /// One of the user's groups has another name.
    Group {
        /// As it is.
        from: String,
        /// As it should be.
        to: String,
    },
}

/// A change to a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingEdit {
    /// The subject at this place becomes this one.
    Subject {
        /// The place in the binding.
        index: usize,
        /// With one of its fields changed.
        subject: SubjectRef,
    },
    /// This subject is added.
    AddSubject(SubjectRef),
    /// The role is another one.
    RoleRef(RoleRef),
}

impl Edit {
    /// The policy and the request after the edit; what is not edited is as it
    /// was. An edit of a binding that is not there changes nothing.
    pub fn apply(&self, policy: &Policy, request: &Attributes<'_>) -> (Policy, OwnedAttributes) {
        let (mut policy, mut request) = (policy.clone(), request.to_owned());
        match self {
            Edit::Request(edit) => edit.apply(&mut request),
            Edit::Binding { binding, edit } => {
                let held = policy.binding(binding.namespace.as_deref(), &binding.name);
                if let Some(mut binding) = held.map(|held| Binding::clone(held)) {
                    edit.apply(&mut binding);
                    policy.put_binding(binding);
                }
            }
        }
        (policy, request)
    }
}

impl RequestEdit {
    fn apply(&self, request: &mut OwnedAttributes) {
        match (self, &mut request.target) {
            (RequestEdit::Verb(new), _) => request.verb.clone_from(new),
            (RequestEdit::Group { from, to }, _) => {
                let groups = request.user.groups.iter_mut();
                groups
                    .filter(|group| *group == from)
                    .for_each(|group| group.clone_from(to));
            }
            (RequestEdit::Path(new), OwnedTarget::NonResource { path }) => path.clone_from(new),
            (RequestEdit::ApiGroup(new), OwnedTarget::Resource { api_group, .. }) => {
                api_group.clone_from(new);
            }
            (
                RequestEdit::Resource {
                    resource: new,
                    subresource: new_sub,
                },
                OwnedTarget::Resource {
                    resource,
                    subresource,
                    ..
                },
            ) => {
                resource.clone_from(new);
                subresource.clone_from(new_sub);
            }
            (RequestEdit::Name(new), OwnedTarget::Resource { name, .. }) => name.clone_from(new),
            (RequestEdit::Namespace(new), OwnedTarget::Resource { namespace, .. }) => {
                namespace.clone_from(new);
            }
            // A part that this kind of request does not have.
            (RequestEdit::Path(_), OwnedTarget::Resource { .. })
            | (
                RequestEdit::ApiGroup(_)
                | RequestEdit::Resource { .. }
                | RequestEdit::Name(_)
                | RequestEdit::Namespace(_),
                OwnedTarget::NonResource { .. },
            ) => {}
        }
    }
}

impl BindingEdit {
    fn apply(&self, binding: &mut Binding) {
        match self {
            BindingEdit::Subject { index, subject } => {
                if let Some(place) = binding.subjects.get_mut(*index) {
                    place.clone_from(subject);
                }
            }
            BindingEdit::AddSubject(subject) => binding.subjects.push(subject.clone()),
            BindingEdit::RoleRef(role_ref) => binding.role_ref.clone_from(role_ref),
        }
    }
}
