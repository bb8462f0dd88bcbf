//! The nouns of Cognito user pools and their rules, in Cognito's words.
//!
//! Nothing here knows of HTTP, JSON, locks or the time: `now` is an argument.

pub mod client;
pub mod error;
pub mod grant;
pub mod group;
pub mod id;
pub mod keys;
pub mod message;
pub mod password;
pub mod pool;
pub mod scope;
pub mod token;
pub mod user;

pub use client::Client;
pub use error::{Error, OAuthError};
pub use group::Group;
pub use id::{ClientId, PoolId, UserId};
pub use password::PasswordPolicy;
pub use pool::Pool;
pub use token::TokenSet;
pub use user::User;
