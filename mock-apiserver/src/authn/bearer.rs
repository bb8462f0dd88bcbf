//! Where a request carries a bearer token (apiserver,
//! `authentication/request/bearertoken` and `…/websocket`).

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONNECTION, HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use kube_authn::base64;

/// What the warning says about `Bearer  token`.
pub const EXTRA_SPACE: &str = "the provided Authorization header contains extra space before the bearer token, and is ignored";

const PROTOCOL_PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// What the `Authorization` header holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header<'a> {
    /// No bearer token: no header, another scheme, or an empty token.
    Nothing,
    /// A token behind too much space, which is ignored with a warning.
    ExtraSpace,
    /// A token.
    Token(&'a str),
}

/// The first `Authorization` header. Go's strings hold whatever bytes there are;
/// what stands for them here is in no token that anybody accepts.
pub fn authorization(headers: &HeaderMap) -> Cow<'_, str> {
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    String::from_utf8_lossy(value.unwrap_or_default())
}

/// Reads an `Authorization` header.
pub fn header(value: &str) -> Header<'_> {
    let mut parts = value.trim().splitn(3, ' ');
    let scheme = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        _ if !scheme.eq_ignore_ascii_case("bearer") => Header::Nothing,
        (Some(""), Some(_)) => Header::ExtraSpace,
        (None | Some(""), _) => Header::Nothing,
        (Some(token), _) => Header::Token(token),
    }
}

/// The token that a websocket client sends among its subprotocols, since
/// browsers let it set no header.
///
/// # Errors
/// Kubernetes' text for a token that is there and unusable.
pub fn websocket(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    if !is_websocket(headers) {
        return Ok(None);
    }
    let mut token: Option<String> = None;
    let mut others = 0;
    for protocol in protocols(headers) {
        let Some(encoded) = protocol.strip_prefix(PROTOCOL_PREFIX) else {
            others += 1;
            continue;
        };
        if token.is_some() {
            return Err("multiple base64.bearer.authorization tokens specified");
        }
        let decoded = base64::decode_raw_url(encoded.as_bytes())
            .map_err(|_| "invalid base64.bearer.authorization token encoding")?;
        let decoded =
            String::from_utf8(decoded).map_err(|_| "invalid base64.bearer.authorization token")?;
        token = Some(decoded);
    }
    match token.filter(|token| !token.is_empty()) {
        // The client expects one of its protocols back, and it must not be
        // the one with the token in it.
        Some(_) if others == 0 => Err("missing additional subprotocol"),
        token => Ok(token),
    }
}

/// Takes the token out of the subprotocols, so that nothing further in sees
/// or echoes it.
pub fn remove_websocket_token(headers: &mut HeaderMap) {
    let rest: Vec<&str> = protocols(headers)
        .filter(|protocol| !protocol.starts_with(PROTOCOL_PREFIX))
        .collect();
    if let Ok(rest) = HeaderValue::from_str(&rest.join(",")) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, rest);
    }
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// `wsstream.IsWebSocketRequest` of k8s.io/streaming.
fn is_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).and_then(|v| v.to_str().ok());
    let mut connection = headers.get_all(CONNECTION).into_iter();
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
        && connection.any(|v| {
            let value = v.to_str().unwrap_or_default();
            value.to_ascii_lowercase().contains("upgrade")
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], Header::Nothing)]
    #[case(&[""], Header::Nothing)]
    #[case(&["Bearer"], Header::Nothing)]
    #[case(&["Bearer "], Header::Nothing)]
    #[case(&["Bearer tok"], Header::Token("tok"))]
    #[case(&["bearer tok"], Header::Token("tok"))]
    #[case(&["BEARER tok"], Header::Token("tok"))]
    #[case(&["  Bearer tok  "], Header::Token("tok"))]
    #[case(&["Bearer tok trailing words"], Header::Token("tok"))]
    #[case(&["Bearer  tok"], Header::ExtraSpace)]
    #[case(&["Bearer\ttok"], Header::Nothing)]
    #[case(&["Basic dXNlcjpwYXNz"], Header::Nothing)]
    #[case(&["Negotiate x"], Header::Nothing)]
    #[case(&["Bearer good", "Bearer bad"], Header::Token("good"))]
    #[case(&["Basic x", "Bearer tok"], Header::Nothing)]
    #[case(&["Bearer t\u{f6}k"], Header::Token("t\u{f6}k"))]
    fn the_authorization_header_is_read_as_kubernetes_does(
        #[case] values: &[&str],
        #[case] expected: Header<'_>,
    ) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                AUTHORIZATION,
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        assert_eq!(header(&authorization(&headers)), expected);
    }

    #[test]
    fn what_is_no_text_is_a_token_all_the_same() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"Bearer \xff").expect("a value");
        headers.insert(AUTHORIZATION, value);
        assert_eq!(header(&authorization(&headers)), Header::Token("\u{fffd}"));
    }

    const TOKEN: &str = "base64url.bearer.authorization.k8s.io.dG9r";

    #[rstest]
    #[case(&["v4.channel.k8s.io, ", TOKEN], true, Ok(Some("tok")))]
    #[case(&[TOKEN], true, Err("missing additional subprotocol"))]
    #[case(&[TOKEN, TOKEN, "x"], true, Err("multiple base64.bearer.authorization tokens specified"))]
    #[case(&["x", "base64url.bearer.authorization.k8s.io.dG9rZQ=="], true, Err("invalid base64.bearer.authorization token encoding"))]
    #[case(&["x", "base64url.bearer.authorization.k8s.io._w"], true, Err("invalid base64.bearer.authorization token"))]
    #[case(&["x"], true, Ok(None))]
    #[case(&[TOKEN, "x"], false, Ok(None))]
    fn a_token_among_subprotocols(
        #[case] values: &[&str],
        #[case] upgrade: bool,
        #[case] expected: Result<Option<&str>, &str>,
    ) {
        let mut headers = HeaderMap::new();
        if upgrade {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        for value in values {
            headers.append(
                SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_str(value).expect("a value"),
            );
        }
        let found = websocket(&headers);
        assert_eq!(
            found.as_ref().map(Option::as_deref).map_err(|e| *e),
            expected
        );
        remove_websocket_token(&mut headers);
        assert!(!format!("{headers:?}").contains("dG9r"));
    }
}
