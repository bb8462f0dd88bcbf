//! The AWS fronts that stand between the identity provider and the cluster:
//! EKS (clusters and their identity provider configurations), STS
//! (`GetCallerIdentity`) and the IAM tokens of `aws eks get-token`.
//!
//! The Cognito and EKS calls accept any access key, as a local stand-in
//! should; STS and the IAM tokens check the signature, since who the caller
//! is *is* their answer.

pub mod eks;
pub mod iam_token;
pub mod ids;
pub mod keys;
pub mod sigv4;
pub mod sts;
