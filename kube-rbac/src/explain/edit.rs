//! One change to a binding or to the request, as data that can be applied.

use super::{BindingName, distance};
use crate::attributes::{Attributes, OwnedAttributes, OwnedTarget};
use crate::objects::{Binding, RoleRef, SubjectRef};
use crate::policy::Policy;

/// A single edit.
///
/// The nearest miss is the one with the smallest [`distance`](Self::distance)
/// of all the edits after which the request is allowed. These are the edits
/// there are. Names are put in only if they occur in the policy or in the
/// request; *alike* are two names that differ by case (1), by a prefix such as
/// `oidc:` (2), or by n slips of the fingers, at most three (2 + n).
///
/// | of a binding | distance |
/// |---|---|
/// | a subject is of another kind; a service account gets its namespace with it | 2; 1 if only the case differs |
/// | a subject has another name | if alike; 4 for `ISSUER#SUB` in place of an e-mail and the reverse; else 16 |
/// | a service account is of another namespace | 2 |
/// | the one who asks is a subject too | 12 + w |
/// | it refers to another role that is there: name, kind or both | as for a name, a kind or their sum, and 1 more if the role now referred to is there too; where the names are not alike 8 + w for a role that is missing, else 14 + w |
/// | a RoleBinding is in another namespace, where none has its name | 3 |
///
/// | of the request | distance |
/// |---|---|
/// | another verb, as a rule has it | if alike, else 5 within read, write or delete, else 6 |
/// | another API group, as a rule has it | if alike, at most 4 |
/// | another resource or subresource, as a rule has it | the subresource 5; the resource if alike, else 9; both 10 |
/// | another name of the object, as a rule has it | if alike, else 6 |
/// | another namespace, as a RoleBinding has it | 3 |
/// | another path, as a rule has it but for its stars | a slash at the end 2; if alike; else 9 |
/// | a group of the user is spelled as a subject is; never `system:authenticated`, which the server adds | if alike, else 16 |
///
/// The distance says what people are likely to have meant. Adding a subject is
/// dearer than mending what is written, giving all subjects another role is
/// dearer still, and w counts the stars of the rule that would allow the
/// request, so that the narrowest role is the nearest.
///
/// The default roles and bindings of Kubernetes are right as they are: such a
/// binding is not edited, through such a binding alone nothing dearer than 5
/// is told, and of such roles only `admin`, `edit` and `view` are referred to
/// in place of a name that is not alike. Nobody is helped by hearing that
/// `system:masters` may or that `cluster-admin` would.
///
/// Between equals the first binding decides (ClusterRoleBindings by name, then
/// RoleBindings by namespace and name), then the order of subjects, rules and
/// names in it, then the role that has fewer rules, then its name.
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
    /// The RoleBinding is in this namespace.
    Namespace(String),
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
                    policy.remove_binding(binding.namespace.as_deref(), &binding.name);
                    edit.apply(&mut binding);
                    policy.put_binding(binding);
                }
            }
        }
        (policy, request)
    }

    /// How far it is to the edited policy or request. `None` for what is no
    /// single edit, among others for one that changes nothing.
    pub fn distance(&self, policy: &Policy, request: &Attributes<'_>) -> Option<u32> {
        match self {
            Edit::Request(edit) => distance::of_request(edit, request),
            Edit::Binding { binding, edit } => {
                let held = policy.binding(binding.namespace.as_deref(), &binding.name)?;
                distance::of_binding(edit, held, policy, request)
            }
        }
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
            BindingEdit::Namespace(namespace) => binding.namespace = Some(namespace.clone()),
        }
    }
}
