//! Bodies as they travel: JSON, YAML and protobuf, and the `Status` every
//! refusal is.

mod body;
pub mod json;
mod media;
mod parse;
pub mod protobuf;
mod status;
pub mod yaml;

pub use body::{
    Decoded, Kind, cannot_be_handled, check_conversion, decode_body, internal_package,
    not_registered, read_body, read_object, split_api_version, type_of, with_type,
};
pub use kube_rbac::quote;
pub use media::{
    Convert, Media, Negotiated, ObjectSent, Route, SUPPORTED, first_accepted, negotiate,
    negotiate_with, no_sniff, plain_not_found, plain_text, route, status_response, warning,
};
pub use parse::json as parse_json;
pub use status::{Cause, Details, Fault, MAX_REQUEST_BODY, Status, aggregate, qualified};
