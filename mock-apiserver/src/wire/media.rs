//! Content negotiation and the writing of responses (apiserver,
//! `handlers/negotiation` and `handlers/responsewriters`).

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::Value;

use super::status::Status;
use super::{json, protobuf, yaml};

/// The media types bodies may have, in the order Kubernetes lists them.
pub const SUPPORTED: [&str; 3] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];

/// How a body is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

impl Media {
    /// The media type's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => SUPPORTED[0],
            Self::Yaml => SUPPORTED[1],
            Self::Protobuf => SUPPORTED[2],
        }
    }

    /// The media that `content_type` names; none given means JSON.
    pub fn of_content_type(content_type: Option<&str>) -> Option<Self> {
        let given = content_type.unwrap_or_default();
        let essence = given.split(';').next().unwrap_or_default().trim();
        if given.is_empty() {
            return Some(Self::Json);
        }
        [Self::Json, Self::Yaml, Self::Protobuf]
            .into_iter()
            .find(|media| media.name().eq_ignore_ascii_case(essence))
    }
}

/// Another type that the client wants the answer as: `as=Table;v=v1;g=meta.k8s.io`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Convert {
    /// `as=`.
    pub kind: String,
    /// `g=`.
    pub group: String,
    /// `v=`.
    pub version: String,
}

/// What was agreed on for a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// How the body is spelt.
    pub media: Media,
    /// Whether JSON is indented, for people.
    pub pretty: bool,
    /// The type to convert the answer to.
    pub convert: Option<Convert>,
}

/// What a route takes and gives.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The media types of bodies; none: any.
    pub consumes: Option<&'static [&'static str]>,
    /// The media types of answers.
    pub produces: &'static [&'static str],
}

impl Route {
    /// One that takes any body and gives objects.
    pub const PLAIN: Self = Self {
        consumes: None,
        produces: &SUPPORTED,
    };
    /// A list, which can be watched, too.
    pub const LIST: Self = Self {
        produces: &[
            SUPPORTED[0],
            SUPPORTED[1],
            SUPPORTED[2],
            "application/json;stream=watch",
            "application/vnd.kubernetes.protobuf;stream=watch",
        ],
        ..Self::PLAIN
    };
    /// One that gives JSON alone.
    pub const JSON: Self = Self {
        produces: &[SUPPORTED[0]],
        ..Self::PLAIN
    };
}

/// Looks whether a route takes the request's body and gives what its client
/// accepts, as go-restful does before any handler is asked
/// (`jsr311.go: detectRoute`, `route.go: matchesAccept`).
///
/// # Errors
/// 415 and 406, in its words.
pub fn route(headers: &HeaderMap, route: Route) -> Result<(), Status> {
    let given = |name| {
        let value = headers
            .get(name)
            .and_then(|v: &HeaderValue| v.to_str().ok());
        value.filter(|value| !value.is_empty())
    };
    let essences = |media: &str| -> Vec<String> {
        let essence = |media: &str| {
            media
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        media.split(',').map(essence).collect()
    };
    if let Some(consumes) = route.consumes {
        let sent = essences(given(CONTENT_TYPE).unwrap_or("application/octet-stream"));
        let taken = |sent: &String| sent == "*/*" || consumes.contains(&sent.as_str());
        if !sent.iter().any(taken) {
            return Err(Status::unroutable(415, "415: Unsupported Media Type"));
        }
    }
    let accepted = essences(given(ACCEPT).unwrap_or("*/*"));
    let has = |wanted: &String| wanted == "*/*" || route.produces.contains(&wanted.as_str());
    if accepted.iter().any(has) {
        return Ok(());
    }
    let available = route.produces.join(", ");
    let message = format!("406: Not Acceptable\n\nAvailable representations: {available}");
    Err(Status::unroutable(406, &message))
}

/// Agrees on the response's media type, with the conversions that resources
/// have: tables and partial metadata.
///
/// # Errors
/// 406 when nothing the client accepts can be had.
pub fn negotiate(headers: &HeaderMap, uri: &Uri) -> Result<Negotiated, Status> {
    negotiate_with(headers, uri, |convert, media| {
        let Some(convert) = convert else { return true };
        convert.group == "meta.k8s.io"
            && matches!(convert.version.as_str(), "v1" | "v1beta1")
            && match convert.kind.as_str() {
                "Table" => media != Media::Protobuf,
                "PartialObjectMetadata" | "PartialObjectMetadataList" => true,
                _ => false,
            }
    })
}

/// Agrees on the response's media type; `allowed` says which conversions this
/// endpoint has (`None` asks whether it answers without one).
///
/// Objects are JSON here, so JSON (or YAML) is taken where the client accepts
/// it at all, even if it names protobuf first; protobuf is for clients that
/// accept nothing else.
///
/// # Errors
/// 406 when nothing the client accepts can be had.
pub fn negotiate_with(
    headers: &HeaderMap,
    uri: &Uri,
    allowed: impl Fn(Option<&Convert>, Media) -> bool,
) -> Result<Negotiated, Status> {
    let pretty = wants_pretty(headers, uri);
    let accept = headers
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if accept.is_empty() {
        return Ok(Negotiated {
            media: Media::Json,
            pretty,
            convert: None,
        });
    }
    let mut protobuf = None;
    for clause in parse_accept(accept) {
        for media in [Media::Json, Media::Yaml, Media::Protobuf] {
            if !clause.matches(media) {
                continue;
            }
            let Some(found) = clause.options(media, pretty, &allowed) else {
                continue;
            };
            if media == Media::Protobuf {
                protobuf.get_or_insert(found);
            } else {
                return Ok(found);
            }
        }
    }
    protobuf.ok_or_else(|| Status::not_acceptable(&SUPPORTED))
}

/// Among a response's extensions where its body is an object, which the audit
/// filter tells (`responsewriters.WriteObjectNegotiated`).
#[derive(Clone, Debug)]
pub struct ObjectSent {
    /// The object where it is a `Status`.
    pub status: Option<Value>,
}

impl ObjectSent {
    /// What is told of `object`.
    pub fn of(object: &Value) -> Self {
        let is_status = object["kind"] == "Status" && object["apiVersion"] == "v1";
        Self {
            status: is_status.then(|| object.clone()),
        }
    }
}

/// Writes `status` as far as the request's headers can be honoured; where
/// they cannot, in indented JSON, since the original refusal matters more.
pub fn status_response(headers: &HeaderMap, uri: &Uri, status: &Status) -> Response {
    match negotiate_with(headers, uri, |convert, _| convert.is_none()) {
        Ok(negotiated) => negotiated.status(status),
        Err(_) => raw_json(status),
    }
}

impl Negotiated {
    /// Plain JSON, as for a request without `Accept`.
    pub const fn json() -> Self {
        Self {
            media: Media::Json,
            pretty: false,
            convert: None,
        }
    }

    /// A response with `object` as its body.
    pub fn object(&self, code: StatusCode, object: &Value) -> Response {
        let body = match self.media {
            Media::Json if self.pretty => json::pretty(object),
            Media::Json => json::compact(object),
            Media::Yaml => yaml::encode(object),
            Media::Protobuf => match protobuf::encode(object) {
                Some(body) => body,
                None => return raw_json(&Status::not_acceptable(&SUPPORTED[..2])),
            },
        };
        let mut response = with_body(code, self.media.name(), body);
        response.extensions_mut().insert(ObjectSent::of(object));
        response
    }

    /// A response with `status` as its body and its code.
    pub fn status(&self, status: &Status) -> Response {
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = self.object(code, &status.to_value());
        finish(&mut response, status);
        response
    }
}

/// Go's answer for a path nobody serves: plain text.
pub fn plain_not_found() -> Response {
    let mut response = with_body(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        b"404 page not found\n".to_vec(),
    );
    no_sniff(&mut response);
    response
}

/// A plain text answer.
pub fn plain_text(code: StatusCode, text: impl Into<String>) -> Response {
    let mut response = with_body(code, "text/plain; charset=utf-8", text.into().into_bytes());
    no_sniff(&mut response);
    response
}

/// Forbids browsers to guess the body's type, as upstream on refusals.
pub fn no_sniff(response: &mut Response) {
    response.headers_mut().insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
}

/// The value of a `Warning` header (RFC 7234 §5.5) that kubectl prints.
pub fn warning(text: &str) -> Option<HeaderValue> {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let escaped = clean.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::from_bytes(format!("299 - \"{escaped}\"").as_bytes()).ok()
}

fn raw_json(status: &Status) -> Response {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = with_body(code, SUPPORTED[0], json::pretty(&status.to_value()));
    finish(&mut response, status);
    response
}

fn finish(response: &mut Response, status: &Status) {
    if let Some(details) = &status.details
        && details.retry_after_seconds > 0
    {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(details.retry_after_seconds));
    }
}

fn with_body(code: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Whether the answer is for a person: `?pretty=` decides, else the client's
/// name does.
fn wants_pretty(headers: &HeaderMap, uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    let asked = crate::request::query_pairs(query)
        .find(|(key, _)| key == "pretty")
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty());
    if let Some(asked) = asked {
        return matches!(asked.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = headers
        .get(USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"]
        .iter()
        .any(|prefix| agent.starts_with(prefix))
}

struct Clause {
    kind: String,
    subtype: String,
    quality: f32,
    params: Vec<(String, String)>,
}

impl Clause {
    fn matches(&self, media: Media) -> bool {
        let (kind, subtype) = media.name().split_once('/').unwrap_or_default();
        (self.kind == kind && (self.subtype == subtype || self.subtype == "*"))
            || (self.kind == "*" && self.subtype == "*")
    }

    fn options(
        &self,
        media: Media,
        pretty: bool,
        allowed: &impl Fn(Option<&Convert>, Media) -> bool,
    ) -> Option<Negotiated> {
        let mut convert: Option<Convert> = None;
        let mut pretty = pretty;
        for (key, value) in &self.params {
            match key.as_str() {
                "as" => convert.get_or_insert_default().kind.clone_from(value),
                "g" => convert.get_or_insert_default().group.clone_from(value),
                "v" => convert.get_or_insert_default().version.clone_from(value),
                "stream" if !value.is_empty() && value != "watch" => return None,
                "sv" if !value.is_empty() => return None,
                "pretty" => pretty = pretty || value == "1",
                _ => {}
            }
        }
        allowed(convert.as_ref(), media).then_some(Negotiated {
            media,
            pretty,
            convert,
        })
    }
}

/// The first of `offered` that the client accepts, by the order of its own
/// clauses; the first of all where it does not say.
pub fn first_accepted<'a>(accept: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    let accept = accept.filter(|a| !a.is_empty()).unwrap_or("*/*");
    parse_accept(accept).iter().find_map(|clause| {
        let found = offered.iter().find(|media| {
            let (kind, subtype) = media.split_once('/').unwrap_or_default();
            (clause.kind == kind || clause.kind == "*")
                && (clause.subtype == subtype || clause.subtype == "*")
        });
        found.copied()
    })
}

/// Parses an `Accept` header as goautoneg does: by quality, then the more
/// specific first, else in the order given.
fn parse_accept(header: &str) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = header
        .split(',')
        .filter_map(|part| {
            let mut pieces = part.split(';');
            let essence = pieces.next()?.trim();
            let (kind, subtype) = match essence.split_once('/') {
                Some((kind, subtype)) => (kind.trim(), subtype.trim()),
                None if essence == "*" => ("*", "*"),
                None => return None,
            };
            let mut clause = Clause {
                kind: kind.to_owned(),
                subtype: subtype.to_owned(),
                quality: 1.0,
                params: Vec::new(),
            };
            for piece in pieces {
                let (key, value) = piece.split_once('=')?;
                let (key, value) = (key.trim(), value.trim());
                if key == "q" {
                    clause.quality = value.parse().unwrap_or(1.0);
                } else {
                    clause.params.push((key.to_owned(), value.to_owned()));
                }
            }
            Some(clause)
        })
        .collect();
    clauses.sort_by(|a, b| {
        b.quality
            .total_cmp(&a.quality)
            .then_with(|| (a.kind == "*").cmp(&(b.kind == "*")))
            .then_with(|| (a.subtype == "*").cmp(&(b.subtype == "*")))
    });
    clauses
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| {
                (
                    http::HeaderName::from_static(k),
                    HeaderValue::from_str(v).expect("a header value"),
                )
            })
            .collect()
    }

    #[rstest]
    #[case("", Some((Media::Json, "")))]
    #[case("*/*", Some((Media::Json, "")))]
    #[case("application/*", Some((Media::Json, "")))]
    #[case("application/yaml", Some((Media::Yaml, "")))]
    #[case("application/vnd.kubernetes.protobuf", Some((Media::Protobuf, "")))]
    #[case("application/vnd.kubernetes.protobuf,application/json", Some((Media::Json, "")))]
    #[case("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some((Media::Json, "Table")))]
    #[case("application/json;as=Chair;v=v1;g=meta.k8s.io,application/json", Some((Media::Json, "")))]
    #[case("application/json;q=0.1, application/yaml", Some((Media::Yaml, "")))]
    #[case("text/html", None)]
    #[case(
        "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io",
        None
    )]
    fn the_first_acceptable_clause_decides(
        #[case] accept: &str,
        #[case] expected: Option<(Media, &str)>,
    ) {
        let found = negotiate(&headers(&[("accept", accept)]), &Uri::from_static("/api")).ok();
        let found = found.map(|n| (n.media, n.convert.unwrap_or_default().kind));
        assert_eq!(found, expected.map(|(m, k)| (m, k.to_owned())));
    }

    #[test]
    fn nothing_acceptable_is_406_and_lists_what_is() {
        let refused = negotiate(
            &headers(&[("accept", "text/html")]),
            &Uri::from_static("/api"),
        )
        .expect_err("nothing fits");
        assert_eq!(refused.code, 406);
        assert_eq!(
            refused.message,
            "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        );
    }

    #[rstest]
    #[case("/api?pretty=true", "kubectl", true)]
    #[case("/api?pretty=false", "curl/8", false)]
    #[case("/api?pretty=", "curl/8", true)]
    #[case("/api", "curl/8", true)]
    #[case("/api", "Mozilla/5.0 (X11)", true)]
    #[case("/api", "kubectl/v1.37", false)]
    fn people_get_indented_json(#[case] uri: &str, #[case] agent: &str, #[case] expected: bool) {
        let uri: Uri = uri.parse().expect("a URI");
        assert_eq!(
            wants_pretty(&headers(&[("user-agent", agent)]), &uri),
            expected
        );
    }

    #[test]
    fn a_refusal_keeps_its_code_where_nothing_is_acceptable() {
        let response = status_response(
            &headers(&[("accept", "text/html")]),
            &Uri::from_static("/api"),
            &Status::unauthorized(),
        );
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn a_warning_is_quoted() {
        assert_eq!(
            warning("unknown field \"a\"").expect("a header"),
            "299 - \"unknown field \\\"a\\\"\""
        );
    }
}
