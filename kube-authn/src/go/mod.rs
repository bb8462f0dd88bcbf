//! The corners of Go's standard library that Kubernetes' verdicts and error
//! texts depend on: how `encoding/json` reads, what `strconv.Quote` prints,
//! what `encoding/base64` lets through, how `time.Time`, `net/url` and
//! `mime` behave.
//!
//! Everything here answers to one question only: what would the API server,
//! which is a Go program, have done with these bytes?

pub mod base64;
pub(crate) mod json;
pub(crate) mod mime;
pub(crate) mod quote;
pub(crate) mod time;
pub(crate) mod url;
