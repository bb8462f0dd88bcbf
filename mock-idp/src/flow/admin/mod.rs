//! What administrators do: pools, domains, groups, users, clients, tags.

mod clients;
mod domains;
mod filter;
mod groups;
mod pools;
mod tags;
mod users;

pub use clients::NewClient;
pub use groups::NewGroup;
pub use pools::{CreatePool, NewAttribute, UpdatePool};
pub use users::{CreateUser, ListUsers, MessageAction};

pub use super::page::{Page, Paged};
use crate::domain::Error;

pub(super) fn alias_exists() -> Error {
    Error::AliasExists("An account with the given email already exists.".into())
}
