//! What every other crate of rolecall stands on: the clock, a small PKI, the
//! accept loop and values that do not print.
//!
//! It knows nothing of Cognito, OIDC or Kubernetes. It is the only crate that
//! reads the time ([`clock`]) and the only one that binds a socket ([`listen`]).

pub mod clock;
pub mod listen;
mod owner;
pub mod pki;
pub mod secret;
