//! What go-oidc makes of an issuer's answers: the discovery document and the
//! key set, each with the errors that end up in the API server's log.

use std::borrow::Cow;

use crate::go::json::{self, Kind};
use crate::go::mime;
use crate::go::quote::quote;
use crate::jwt::keys::{KeySet, KeySetError};

/// What is used of a discovery document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The issuer, equal to the one asked for.
    pub issuer: String,
    /// Where the keys are.
    pub jwks_uri: String,
}

/// Where an issuer's discovery document is, unless it is said to be elsewhere
/// (go-oidc's `NewProvider`).
#[must_use]
pub fn well_known(issuer: &str) -> String {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    format!("{base}/.well-known/openid-configuration")
}

/// Reads the body of an answer 200 at the discovery URL, which is taken to have
/// come with `Content-Type: application/json`.
///
/// # Errors
/// See [`discovery_response`].
pub fn parse_discovery(body: &[u8], expected_issuer: &str) -> Result<Discovery, KeySetError> {
    discovery_response("200 OK", Some("application/json"), body, expected_issuer)
}

/// Reads the answer to a GET of the discovery URL as [`provider_response`] and
/// Kubernetes' check of `jwks_uri` do, which there is where
/// [`checks_jwks_uri`](crate::Version::checks_jwks_uri) says so.
///
/// # Errors
/// Their texts, to follow "oidc authenticator: initializing plugin: " in a log.
pub fn discovery_response(
    status: &str,
    content_type: Option<&str>,
    body: &[u8],
    expected_issuer: &str,
) -> Result<Discovery, KeySetError> {
    let document = provider_response(status, content_type, body, expected_issuer)?;
    if document.jwks_uri.is_empty() {
        return Err(KeySetError("provider did not return JWKS URL".to_owned()));
    }
    Ok(document)
}

/// Reads the answer to a GET of a discovery URL as go-oidc's `NewProvider` does.
/// `status` is code and reason, "404 Not Found"; `jwks_uri` may be empty.
///
/// # Errors
/// go-oidc's.
pub fn provider_response(
    status: &str,
    content_type: Option<&str>,
    body: &[u8],
    expected_issuer: &str,
) -> Result<Discovery, KeySetError> {
    if !is_ok(status) {
        return Err(KeySetError(format!(
            "{status}: {}",
            String::from_utf8_lossy(body)
        )));
    }
    let document = decode(body).map_err(|e| {
        let why = unmarshal_response(content_type, &e);
        KeySetError(format!(
            "oidc: failed to decode provider discovery object: {why}"
        ))
    })?;
    if document.issuer != expected_issuer {
        return Err(KeySetError(format!(
            "oidc: issuer did not match the issuer returned by provider, expected {} got {}",
            quote(expected_issuer),
            quote(&document.issuer)
        )));
    }
    Ok(document)
}

/// Reads the answer to a GET of a distributed claim's endpoint: the token to go
/// into [`ClaimState::Fetched`](crate::ClaimState::Fetched), or the text for
/// [`ClaimState::FetchFailed`](crate::ClaimState::FetchFailed)
/// (`oidc.go: getClaimJWT`).
///
/// # Errors
/// The status, where it is none of success.
pub fn claim_response(status: &str, body: &[u8]) -> Result<String, KeySetError> {
    let code = status.split(' ').next().unwrap_or_default();
    if code
        .parse()
        .is_ok_and(|code: u16| (200..=226).contains(&code))
    {
        Ok(String::from_utf8_lossy(body).into_owned())
    } else {
        Err(KeySetError(format!(
            "error while getting distributed claim JWT: {status}"
        )))
    }
}

/// Reads the answer to a GET of the `jwks_uri`. The error is what
/// [`crate::KeyState::FetchFailed`] takes.
///
/// # Errors
/// go-oidc's texts: `oidc: get keys failed: …`, `oidc: failed to decode keys: …`.
pub fn jwks_response(
    status: &str,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<KeySet, KeySetError> {
    let text = String::from_utf8_lossy(body);
    if !is_ok(status) {
        return Err(KeySetError(format!(
            "oidc: get keys failed: {status} {text}"
        )));
    }
    KeySet::parse(body).map_err(|e| {
        let why = unmarshal_response(content_type, &e.0);
        KeySetError(format!("oidc: failed to decode keys: {why} {text}"))
    })
}

fn is_ok(status: &str) -> bool {
    status.split(' ').next() == Some("200")
}

/// `unmarshalResp`'s error.
fn unmarshal_response(content_type: Option<&str>, error: &str) -> String {
    let content_type = content_type.unwrap_or_default();
    if mime::is(content_type, "application/json") {
        format!("got Content-Type = application/json, but could not unmarshal as JSON: {error}")
    } else {
        format!(
            "expected Content-Type = application/json, got {}: {error}",
            quote(content_type)
        )
    }
}

/// `providerJSON`: its strings and the list of algorithms, which is not used
/// and yet must have its type.
fn decode(body: &[u8]) -> Result<Discovery, String> {
    let raw = json::parse(body)?;
    let mut document = Discovery {
        issuer: String::new(),
        jwks_uri: String::new(),
    };
    match raw.kind() {
        Kind::Object => {}
        Kind::Null => return Ok(document),
        kind => return Err(kind.mismatch("oidc.providerJSON")),
    }
    let fields = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "id_token_signing_alg_values_supported",
    ];
    let mut mismatch = None;
    for (key, value) in raw.members() {
        let Some(field) = fields.into_iter().find(|field| json::folds_to(&key, field)) else {
            continue;
        };
        let path = format!("providerJSON.{field}");
        if field == "id_token_signing_alg_values_supported" {
            if let Err(m) = value.as_strings() {
                mismatch.get_or_insert_with(|| m.0.field_mismatch(&path, m.1));
            }
            continue;
        }
        match (value.kind(), field) {
            (Kind::Null, _) => {}
            (Kind::String, "issuer") => document.issuer = Cow::into_owned(value.text()),
            (Kind::String, "jwks_uri") => document.jwks_uri = Cow::into_owned(value.text()),
            (Kind::String, _) => {}
            (kind, _) => {
                mismatch.get_or_insert_with(|| kind.field_mismatch(&path, "string"));
            }
        }
    }
    mismatch.map_or(Ok(document), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ISSUER: &str = "https://issuer.example";

    #[rstest]
    #[case(
        r#"{"issuer":"https://issuer.example/","jwks_uri":"x"}"#,
        r#"oidc: issuer did not match the issuer returned by provider, expected "https://issuer.example" got "https://issuer.example/""#
    )]
    #[case(
        r#"{"issuer":"https://issuer.example"}"#,
        "provider did not return JWKS URL"
    )]
    #[case(
        "<html>",
        "oidc: failed to decode provider discovery object: got Content-Type = application/json, but could not \
         unmarshal as JSON: invalid character '<' looking for beginning of value"
    )]
    #[case(
        r#"{"issuer":1}"#,
        "oidc: failed to decode provider discovery object: got Content-Type = application/json, but could not \
         unmarshal as JSON: json: cannot unmarshal number into Go struct field providerJSON.issuer of type string"
    )]
    fn a_discovery_document_is_refused(#[case] body: &str, #[case] error: &str) {
        assert_eq!(
            parse_discovery(body.as_bytes(), ISSUER),
            Err(KeySetError(error.to_owned()))
        );
    }

    #[test]
    fn an_answer_that_is_no_200_is_quoted() {
        let error = discovery_response("404 Not Found", None, b"gone", ISSUER).unwrap_err();
        assert_eq!(error.to_string(), "404 Not Found: gone");
        let error = jwks_response("404 Not Found", None, b"gone").unwrap_err();
        assert_eq!(
            error.to_string(),
            "oidc: get keys failed: 404 Not Found gone"
        );
    }

    #[test]
    fn one_unknown_key_spoils_the_set() {
        let error =
            jwks_response("200 OK", Some("text/html"), br#"{"keys":[{"kty":"AKP"}]}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "oidc: failed to decode keys: expected Content-Type = application/json, got \"text/html\": \
             go-jose/go-jose: unknown json web key type 'AKP' {\"keys\":[{\"kty\":\"AKP\"}]}"
        );
    }
}
