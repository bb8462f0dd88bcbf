//! The file format, one module a version.

pub mod v1;
