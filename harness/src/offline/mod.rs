//! Without any server: files in, verdicts out, by the code that decides in the
//! embedded cluster.

pub mod authn;
pub mod convert;
mod eks;
mod place;
pub mod rbac;
