//! Kubernetes' role based access control as a pure library: values in,
//! decisions out, with the reasons Kubernetes would give.
//!
//! A [`Policy`] holds roles and bindings, [`decide`] answers a request,
//! [`explain`](explain()) says by which way it was allowed or what single change would
//! have allowed it. [`escalation`] and [`validate`] are what the API server
//! asks before it stores a role or a binding, [`aggregation`] is what its
//! controller manager does afterwards, and [`bootstrap`] is what a new
//! cluster starts with.
//!
//! There is no clock, no socket and no async here. JSON is met in [`wire`]
//! alone. That the answers equal those of Kubernetes' own code is shown by
//! the cases in `corpus/`; see the README there.
//!
//! ```
//! use kube_rbac::{Attributes, Target, User, Version, bootstrap, decide};
//!
//! let policy = bootstrap::policy(Version::default());
//! let groups = ["system:authenticated".to_owned()];
//! let request = Attributes {
//!     user: User { name: "jane@example.com", groups: &groups },
//!     verb: "get",
//!     target: Target::NonResource { path: "/version" },
//! };
//! let decision = decide(&policy, &request);
//! assert!(decision.allowed);
//! ```

pub mod aggregation;
pub mod attributes;
pub mod bootstrap;
pub mod escalation;
pub mod explain;
mod hash;
mod index;
pub mod names;
pub mod objects;
pub mod policy;
mod quote;
pub mod resolve;
pub mod rights;
pub mod rules;
pub mod validate;
pub mod version;
pub mod wire;

pub use attributes::{Attributes, OwnedAttributes, OwnedTarget, OwnedUser, Target, User};
pub use explain::{Edit, Explanation, NearestMiss, explain};
pub use objects::{
    API_GROUP, Binding, LabelSelector, Object, PolicyRule, Requirement, Role, RoleRef, SubjectRef,
};
pub use policy::Policy;
pub use quote::quote;
pub use resolve::{Decision, RulesFor, authorize, decide, rules_for};
pub use version::Version;
pub use wire::{ParseError, defaulted, json_kind, parse_object, to_json};
