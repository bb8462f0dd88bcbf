//! Kubernetes' JWT authenticators, without a server: a configuration and a
//! token in, an identity or the API server's own refusal out.
//!
//! The crate is pure. It does no I/O, holds no clock and knows no runtime:
//! whoever calls it brings the keys ([`KeyState`]), the claims that are to be had
//! elsewhere ([`ClaimState`]) and the time. The order of the steps and every
//! error text are those of `k8s.io/apiserver/plugin/pkg/authenticator/token/oidc`
//! and of the libraries under it, go-oidc v2 and go-jose v2, in each minor of
//! [`Version`]; `corpus/README.md` says how that is proven.
//!
//! ```
//! use kube_authn::{Authenticator, KeyState, Outcome, config::AuthenticationConfiguration};
//!
//! let configuration = AuthenticationConfiguration::from_json(
//!     r#"{
//!         "apiVersion": "apiserver.config.k8s.io/v1",
//!         "kind": "AuthenticationConfiguration",
//!         "jwt": [{
//!             "issuer": {"url": "https://issuer.example", "audiences": ["kubernetes"]},
//!             "claimMappings": {"username": {"claim": "email", "prefix": ""}}
//!         }]
//!     }"#,
//! )?;
//! let authenticator = Authenticator::new(&configuration.jwt[0], None)?;
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! assert!(matches!(authenticator.authenticate("no token", KeyState::NotInitialized, now), Outcome::NotMine));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authenticator;
pub mod config;
mod discovery;
mod distributed;
mod error;
mod explain;
mod go;
mod jwt;
mod verifier;
pub mod version;

pub use authenticator::{Authenticator, CREDENTIAL_ID_KEY, KeyState, Outcome, User};
pub use discovery::{
    Discovery, claim_response, discovery_response, jwks_response, parse_discovery,
    provider_response, well_known,
};
pub use distributed::{ClaimState, DistributedClaim, Needed};
pub use error::{ConfigError, Error, StepName};
pub use explain::Step;
pub use go::base64;
pub use jwt::Algorithm;
pub use jwt::keys::{KeySet, KeySetError};
pub use version::Version;
