//! The behaviours that decide whether login leads to RBAC, each by its name.

mod admin;
mod authorize;
mod exchange;
mod sign_in;
mod sign_out;
mod tokens;
