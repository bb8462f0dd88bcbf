//! Request bodies: their size, their format, and which kind they say they
//! are (apiserver, `handlers/create.go`, `handlers/rest.go`).

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::media::{Media, SUPPORTED};
use super::status::{MAX_REQUEST_BODY, Status};
use super::{json, parse, protobuf, yaml};

/// How much of a body that is too large is read on and thrown away. A client
/// that is still writing when the connection ends may never see the answer.
const DRAINED: usize = 32 * 1024 * 1024;

/// A kind, fully qualified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind<'a> {
    /// The API group, empty for core.
    pub group: &'a str,
    /// For example `v1`.
    pub version: &'a str,
    /// For example `Pod`.
    pub kind: &'a str,
}

impl Kind<'_> {
    /// `group/version`, or the version alone for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// An object out of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object, with `apiVersion` and `kind` filled in.
    pub object: Value,
    /// Fields that were given twice, as Kubernetes names them for strict
    /// validation: `duplicate field "spec.x"`. The last one counts.
    pub duplicates: Vec<String>,
}

/// Reads a body up to the API server's own limit.
///
/// # Errors
/// 413 for a larger one, 400 where the client stops in the middle.
pub async fn read_body(mut body: Body) -> Result<Bytes, Status> {
    match Limited::new(&mut body, MAX_REQUEST_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            drain(body).await;
            Err(Status::request_entity_too_large(MAX_REQUEST_BODY))
        }
        Err(_) => Err(Status::bad_request("unexpected EOF")),
    }
}

async fn drain(mut body: Body) {
    let mut left = DRAINED;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}

/// Reads the object that a request to an endpoint of `expected` carries.
/// `apiVersion` and `kind` may be missing, and are filled in then.
///
/// # Errors
/// 415 for an unknown format, 400 for what cannot be read or is another kind.
pub fn decode_body(
    content_type: Option<&str>,
    bytes: &[u8],
    expected: Kind<'_>,
) -> Result<Decoded, Status> {
    let media = Media::of_content_type(content_type)
        .ok_or_else(|| Status::unsupported_media_type(&SUPPORTED))?;
    let decoded = match media {
        Media::Json => parse_json(bytes, expected)?,
        Media::Yaml => Decoded {
            object: yaml::decode(bytes).map_err(|why| unrecognized(expected, &why, bytes))?,
            duplicates: Vec::new(),
        },
        Media::Protobuf => return decode_protobuf(bytes, expected),
    };
    let Decoded { object, duplicates } = decoded;
    let (kind, api_version) =
        type_of(&object).map_err(|why| unrecognized(expected, &why, bytes))?;
    check_kind(kind, api_version, expected)?;
    Ok(Decoded {
        object: with_type(object, expected),
        duplicates,
    })
}

/// Reads an object that was answered, in whatever spelling.
pub fn read_object(content_type: Option<&str>, bytes: &[u8]) -> Option<Value> {
    match Media::of_content_type(content_type)? {
        Media::Json => serde_json::from_slice(bytes).ok(),
        Media::Yaml => yaml::decode(bytes).ok(),
        Media::Protobuf => {
            let envelope = protobuf::open(bytes).ok()?;
            let object = envelope.decode_as(&envelope.api_version, &envelope.kind)?;
            let (group, version) = split_api_version(&envelope.api_version);
            let kind = Kind {
                group,
                version,
                kind: &envelope.kind,
            };
            Some(with_type(Value::Object(object.ok()?), kind))
        }
    }
}

fn decode_protobuf(bytes: &[u8], expected: Kind<'_>) -> Result<Decoded, Status> {
    let envelope = protobuf::open(bytes).map_err(|why| unrecognized(expected, &why, bytes))?;
    check_kind(&envelope.kind, &envelope.api_version, expected)?;
    let object = envelope
        .decode_as(&expected.api_version(), expected.kind)
        .ok_or_else(|| {
            // Kinds without generated messages have no protobuf upstream either.
            Status::unsupported_media_type(&SUPPORTED[..2])
        })?
        .map_err(|why| cannot_be_handled(expected, &why))?;
    Ok(Decoded {
        object: Value::Object(object),
        duplicates: Vec::new(),
    })
}

fn parse_json(bytes: &[u8], expected: Kind<'_>) -> Result<Decoded, Status> {
    match parse::json(bytes) {
        Ok((object, duplicates)) => Ok(Decoded { object, duplicates }),
        Err(why) => {
            let why = format!("couldn't get version/kind; json parse error: {why}");
            Err(unrecognized(expected, &why, bytes))
        }
    }
}

/// The kind and the API version that a value says it is, as far as it does.
/// `null` says nothing, and is an empty object.
///
/// # Errors
/// Kubernetes' text where they cannot be read.
pub fn type_of(value: &Value) -> Result<(&str, &str), String> {
    const WHOLE: &str = "value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";
    let cannot = |value: &Value, target: &str| {
        let name = json::kind(value);
        Err(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {name} into Go {target}"
        ))
    };
    let object = match value {
        Value::Null => return Ok(("", "")),
        Value::Object(object) => object,
        other => return cannot(other, WHOLE),
    };
    let (mut kind, mut api_version) = ("", "");
    for (key, value) in object {
        let place = match key.as_str() {
            "kind" => &mut kind,
            "apiVersion" => &mut api_version,
            _ => continue,
        };
        match value {
            Value::String(text) => *place = text,
            Value::Null => {}
            other => return cannot(other, &format!("struct field .{key} of type string")),
        }
    }
    if api_version.matches('/').count() > 1 {
        return Err(format!("unexpected GroupVersion string: {api_version}"));
    }
    Ok((kind, api_version))
}

/// 400: a body that is no object of this kind.
pub fn cannot_be_handled(kind: Kind<'_>, why: &str) -> Status {
    Status::bad_request(format!(
        "{} in version {} cannot be handled as a {}: {why}",
        kind.kind,
        super::quote(kind.version),
        kind.kind
    ))
}

/// What a scheme says of a kind that it does not know
/// (apimachinery, `pkg/runtime/error.go: notRegisteredErr`).
pub fn not_registered(kind: &str, api_version: &str, scheme: &str) -> String {
    format!(
        "no kind {} is registered for version {} in scheme {}",
        super::quote(kind),
        super::quote(api_version),
        super::quote(scheme)
    )
}

/// Whether an object that says it is `kind` of `api_version` can become
/// `expected`; what it does not say is filled in.
///
/// # Errors
/// What Kubernetes' scheme and converter say of another kind.
pub fn check_conversion(kind: &str, api_version: &str, expected: Kind<'_>) -> Result<(), String> {
    if kind == expected.kind && was_served(api_version, expected) {
        return Ok(());
    }
    if !protobuf::knows(api_version, kind) {
        let scheme = "pkg/api/legacyscheme/scheme.go:30";
        return Err(not_registered(kind, api_version, scheme));
    }
    if kind == expected.kind {
        return Ok(());
    }
    Err(format!(
        "converting (v1.{kind}) to ({}.{}): unknown conversion",
        internal_package(expected.group),
        expected.kind
    ))
}

/// Whether the kind is registered in an earlier version of its group, too.
fn was_served(api_version: &str, expected: Kind<'_>) -> bool {
    let (group, version) = split_api_version(api_version);
    let versions: &[&str] = match (expected.group, expected.kind) {
        ("authentication.k8s.io", "SelfSubjectReview") | ("rbac.authorization.k8s.io", _) => {
            &["v1alpha1", "v1beta1"]
        }
        ("authentication.k8s.io" | "authorization.k8s.io", _) => &["v1beta1"],
        ("apps", _) => &["v1beta1", "v1beta2"],
        _ => &[],
    };
    group == expected.group && versions.contains(&version)
}

/// The two mismatches that Kubernetes words differently: another version of
/// the kind, and another kind.
fn check_kind(kind: &str, api_version: &str, expected: Kind<'_>) -> Result<(), Status> {
    let kind = if kind.is_empty() { expected.kind } else { kind };
    let wanted = expected.api_version();
    let api_version = if api_version.is_empty() {
        wanted.as_str()
    } else {
        api_version
    };
    if kind == expected.kind && api_version == wanted {
        return Ok(());
    }
    check_conversion(kind, api_version, expected).map_err(|why| {
        let (_, version) = split_api_version(api_version);
        Status::bad_request(format!(
            "{kind} in version {} cannot be handled as a {}: {why}",
            super::quote(version),
            expected.kind
        ))
    })?;
    Err(Status::bad_request(format!(
        "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
    )))
}

/// Splits `group/version`.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The Go package of a group's internal types, which Kubernetes' conversion
/// errors name.
pub fn internal_package(group: &str) -> &str {
    match group.split('.').next().unwrap_or_default() {
        "" => "core",
        package => package,
    }
}

/// `object` as one of the expected kind, whatever it says it is.
pub fn with_type(object: Value, expected: Kind<'_>) -> Value {
    let mut out = Map::new();
    out.insert("kind".to_owned(), expected.kind.into());
    out.insert("apiVersion".to_owned(), expected.api_version().into());
    if let Value::Object(object) = object {
        let rest = object.into_iter();
        out.extend(rest.filter(|(key, _)| key != "kind" && key != "apiVersion"));
    }
    Value::Object(out)
}

fn unrecognized(expected: Kind<'_>, why: &str, bytes: &[u8]) -> Status {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {why} ({})",
        expected.kind,
        summary(bytes)
    ))
}

/// The first 30 bytes of a body that could not be read: as they stand where
/// they look like JSON, in hexadecimal else.
fn summary(bytes: &[u8]) -> String {
    const LENGTH: usize = 30;
    if bytes.is_empty() {
        return "<empty>".to_owned();
    }
    let head = &bytes[..bytes.len().min(LENGTH)];
    let mut text = if bytes[0] == b'{' {
        String::from_utf8_lossy(head).into_owned()
    } else {
        head.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    if bytes.len() > LENGTH {
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const POD: Kind<'static> = Kind {
        group: "",
        version: "v1",
        kind: "Pod",
    };

    fn refused(content_type: &str, body: &[u8]) -> String {
        decode_body(Some(content_type), body, POD)
            .expect_err("refused")
            .message
    }

    #[test]
    fn the_type_may_be_left_out() {
        let decoded = decode_body(None, br#"{"metadata":{"name":"p"}}"#, POD).expect("a pod");
        assert_eq!(
            decoded.object,
            json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}})
        );
    }

    /// Go reads `null` as nothing at all.
    #[test]
    fn null_is_an_empty_object() {
        for body in ["null", r#"{"kind":null,"apiVersion":null}"#] {
            let decoded = decode_body(None, body.as_bytes(), POD).expect("a pod");
            assert_eq!(decoded.object, json!({"kind": "Pod", "apiVersion": "v1"}));
        }
    }

    #[test]
    fn yaml_and_protobuf_give_the_same_object_as_json() {
        let object = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}});
        let yaml =
            b"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c}]}\n";
        let decoded = decode_body(Some("application/yaml"), yaml, POD).expect("a pod");
        assert_eq!(decoded.object, object);
        let bytes = protobuf::encode(&object).expect("Pod is in the table");
        let decoded =
            decode_body(Some("application/vnd.kubernetes.protobuf"), &bytes, POD).expect("a pod");
        assert_eq!(decoded.object["metadata"], object["metadata"]);
        assert_eq!(decoded.object["spec"]["containers"][0]["name"], "c");
    }

    #[rstest]
    #[case(br#"{"kind":"ConfigMap","apiVersion":"v1"}"#, r#"ConfigMap in version "v1" cannot be handled as a Pod: converting (v1.ConfigMap) to (core.Pod): unknown conversion"#)]
    #[case(br#"{"kind":"Pot","apiVersion":"v1"}"#, r#"Pot in version "v1" cannot be handled as a Pod: no kind "Pot" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30""#)]
    #[case(
        b"",
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"
    )]
    #[case(
        b"{\"a\": nonsense and more and more",
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: invalid character 'o' in literal null (expecting 'u') ({\"a\": nonsense and more and mo ...)"
    )]
    #[case("{\"kind\":\"\u{61c}\u{378}\",\"apiVersion\":\"v1\"}".as_bytes(), "\u{61c}\u{378} in version \"v1\" cannot be handled as a Pod: no kind \"\\u061c\\u0378\" is registered for version \"v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"")]
    #[case(
        b"[]",
        r#"the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" } (5b5d)"#
    )]
    #[case(
        br#"{"apiVersion":1,"kind":"Pod"}"#,
        r#"the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .apiVersion of type string ({"apiVersion":1,"kind":"Pod"})"#
    )]
    #[case(
        br#"{"kind":{},"apiVersion":2}"#,
        r#"the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: json: cannot unmarshal object into Go struct field .kind of type string ({"kind":{},"apiVersion":2})"#
    )]
    #[case(
        br#"{"apiVersion":"a/b/c"}"#,
        r#"the object provided is unrecognized (must be of type Pod): unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c"})"#
    )]
    #[case(
        b"hello",
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: invalid character 'h' looking for beginning of value (68656c6c6f)"
    )]
    fn what_is_no_pod_is_refused_in_kubernetes_words(#[case] body: &[u8], #[case] message: &str) {
        assert_eq!(refused("application/json", body), message);
    }

    #[test]
    fn another_format_is_415() {
        let status = decode_body(Some("text/plain"), b"x", POD).expect_err("refused");
        assert_eq!(status.code, 415);
        assert_eq!(
            status.message,
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        );
    }

    /// The client may still be writing; see [`DRAINED`].
    #[tokio::test]
    async fn what_follows_a_body_that_is_too_large_is_read_within_bounds() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        const PIECE: usize = 1024 * 1024;
        for (pieces, read) in [(8, 8), (1000, 3 + DRAINED / PIECE + 2)] {
            let count = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&count);
            let stream = (0..pieces).map(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![b' '; PIECE])))
            });
            let body = Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(
                stream,
            )));
            assert_eq!(read_body(body).await.expect_err("too large").code, 413);
            assert_eq!(count.load(Ordering::Relaxed), read);
        }
    }

    #[tokio::test]
    async fn a_body_over_three_mebibytes_is_413() {
        assert_eq!(
            read_body(Body::from(vec![b' '; MAX_REQUEST_BODY]))
                .await
                .map(|b| b.len()),
            Ok(3_145_728)
        );
        let status = read_body(Body::from(vec![b' '; MAX_REQUEST_BODY + 1]))
            .await
            .expect_err("too large");
        assert_eq!(status.code, 413);
        assert_eq!(status.message, "Request entity too large: limit is 3145728");
    }
}
