//! The API server as a client meets it. One program: each would link the whole
//! server.

mod audit_policy;
mod distributed_claims;
mod front;
mod reload;
mod support;
mod upstream_authorization;
mod upstream_impersonation;
mod upstream_issuers;
mod upstream_rbac;
mod versions;
