//! Continue tokens: where a list that is read in pages goes on (apiserver,
//! `pkg/storage/continue.go`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kube_authn::base64::decode_raw_url;
use serde_json::{Map, Value, json};

use crate::wire::{Status, json, parse_json};

const VERSION: &str = "meta.k8s.io/v1";

/// At which revision and after which key a list goes on.
pub struct Cursor {
    /// `None` for what is newest.
    pub revision: Option<u64>,
    /// The key, relative to the list's own prefix.
    pub start: String,
}

/// 410: the past that is asked for is forgotten. Who was reading page by page
/// may go on in the present.
pub fn expired(cursor: Option<&Cursor>) -> Status {
    let Some(cursor) = cursor else {
        return Status::expired("The resourceVersion for the provided list is too old.");
    };
    let mut status = Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    status.continue_token = Cursor::token(None, &cursor.start);
    status
}

impl Cursor {
    /// The token that clients get.
    pub fn token(revision: Option<u64>, start: &str) -> String {
        let revision = revision.map_or(Value::from(-1), Value::from);
        let token = json!({"v": VERSION, "rv": revision, "start": start});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 in Kubernetes' words.
    pub fn parse(token: &str) -> Result<Self, Status> {
        Self::read(token).map_err(|why| {
            Status::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        })
    }

    fn read(token: &str) -> Result<Self, String> {
        let bytes = decode_raw_url(token.as_bytes()).map_err(|error| error.to_string())?;
        let fields = fields(&bytes)?;
        let version = text(&fields, "v")?;
        let revision = number(&fields, "rv")?;
        let start = text(&fields, "start")?;
        if version != VERSION {
            return Err(format!(
                "server does not recognize this encoded version {version}"
            ));
        }
        if revision == 0 {
            return Err(format!(
                "incorrect encoded start resourceVersion (version {VERSION})"
            ));
        }
        if start.is_empty() {
            return Err(format!("encoded start key empty (version {VERSION})"));
        }
        // What path.Clean would change could leave the list's own prefix.
        let relative = start.strip_prefix('/').unwrap_or(start);
        if relative.split('/').any(|p| matches!(p, "." | ".." | "")) {
            return Err(start.to_owned());
        }
        Ok(Self {
            revision: u64::try_from(revision).ok(),
            start: relative.to_owned(),
        })
    }
}

fn fields(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match parse_json(bytes)?.0 {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        other => Err(format!(
            "json: cannot unmarshal {} into Go value of type storage.continueToken",
            json::kind(&other)
        )),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong_type(key, json::kind(other), "string")),
    }
}

fn number(fields: &Map<String, Value>, key: &str) -> Result<i64, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Number(number)) => number
            .as_i64()
            .ok_or_else(|| wrong_type(key, &format!("number {number}"), "int64")),
        Some(other) => Err(wrong_type(key, json::kind(other), "int64")),
    }
}

fn wrong_type(key: &str, found: &str, wanted: &str) -> String {
    format!(
        "json: cannot unmarshal {found} into Go struct field continueToken.{key} of type {wanted}"
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// As a real kube-apiserver v1.37.2 says it.
    #[rstest]
    #[case("zz", "invalid character 'Ï' looking for beginning of value")]
    #[case("z", "illegal base64 data at input byte 0")]
    #[case("!!", "illegal base64 data at input byte 0")]
    #[case("a=", "illegal base64 data at input byte 1")]
    #[case("YQ==", "illegal base64 data at input byte 2")]
    #[case("YWFh*", "illegal base64 data at input byte 4")]
    #[case("ew", "unexpected end of JSON input")]
    #[case(&URL_SAFE_NO_PAD.encode("{}"), "server does not recognize this encoded version ")]
    #[case(&URL_SAFE_NO_PAD.encode(r#"{"v":"x"}"#), "server does not recognize this encoded version x")]
    #[case(&URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1"}"#), "incorrect encoded start resourceVersion (version meta.k8s.io/v1)")]
    #[case(&URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":1}"#), "encoded start key empty (version meta.k8s.io/v1)")]
    #[case(&URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../a"}"#), "../a")]
    #[case(&URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":"1","start":"a"}"#), "json: cannot unmarshal string into Go struct field continueToken.rv of type int64")]
    #[case(&URL_SAFE_NO_PAD.encode("[]"), "json: cannot unmarshal array into Go value of type storage.continueToken")]
    #[case(&URL_SAFE_NO_PAD.encode("5"), "json: cannot unmarshal number into Go value of type storage.continueToken")]
    #[case(&URL_SAFE_NO_PAD.encode(r#"{"v":1}"#), "json: cannot unmarshal number into Go struct field continueToken.v of type string")]
    fn a_token_that_is_none_is_told_why(#[case] token: &str, #[case] why: &str) {
        let error = Cursor::parse(token).err().expect("no token");
        assert_eq!(
            error.message,
            format!("invalid continue token: continue key is not valid: {why}")
        );
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for (revision, start) in [(Some(7), "ns/a\0"), (None, "a\0")] {
            let cursor = Cursor::parse(&Cursor::token(revision, start)).expect("a token");
            assert_eq!((cursor.revision, cursor.start.as_str()), (revision, start));
        }
    }
}
