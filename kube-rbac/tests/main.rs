//! Decisions about rights: Kubernetes' tables, the corpus, and what is drawn.

mod aggregation;
mod bootstrap;
mod build;
mod corpus;
mod decide;
mod explain;
#[allow(dead_code, reason = "equal_rbac uses the rest")]
mod generator;
#[allow(dead_code, reason = "equal_rbac uses the rest")]
mod named;
mod nearest;
mod policy;
#[allow(dead_code, reason = "equal_rbac uses the rest")]
mod question;
mod shrinking;
mod upstream;
mod validation;
mod writes;
