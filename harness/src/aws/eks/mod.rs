//! Amazon EKS: clusters and their OIDC identity provider configurations.
//!
//! `mod.rs` routes, `wire.rs` spells, `handlers.rs` joins them with
//! [`state`], `error.rs` renders refusals. Source: EKS API Reference and the
//! service model of 2017-11-01.

mod error;
mod handlers;
pub mod state;
mod wire;

pub use error::Error;
pub use handlers::{Caller, handle};
pub use wire::CLUSTER_UNREACHABLE;
