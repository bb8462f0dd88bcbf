//! STS: `GetCallerIdentity`, the one call that the tutorial's tools make.
//!
//! Source: AWS STS API Reference, query protocol.

use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};

use super::keys::{AccessKey, AccessKeys};
use super::sigv4::{Presigned, Scope};

/// The identity that a key proves, as STS spells it.
fn identity_xml(key: &AccessKey, account: &str, request_id: &str) -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>{}</Arn><UserId>{}</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></GetCallerIdentityResponse>",
        key.arn, key.user_id
    )
}

/// Answers one STS request: a form with `Action=GetCallerIdentity`, or a
/// presigned GET.
pub fn respond(
    keys: &AccessKeys,
    request: &Request<bytes::Bytes>,
    origin: &str,
    now: Timestamp,
) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let form = std::str::from_utf8(request.body()).unwrap_or_default();
    let action = [query, form]
        .iter()
        .flat_map(|text| url::form_urlencoded::parse(text.as_bytes()))
        .find(|(name, _)| name == "Action")
        .map(|(_, value)| value.into_owned());
    match action.as_deref() {
        Some("GetCallerIdentity") => {}
        Some(other) if OPERATIONS.contains(&other) => {
            return error(
                StatusCode::NOT_IMPLEMENTED,
                "NotImplementedException",
                &format!(
                    "rolecall does not implement STS {other}; docs/fidelity.md lists what it does"
                ),
            );
        }
        Some(other) => {
            return error(
                StatusCode::BAD_REQUEST,
                "InvalidAction",
                &format!(
                    "Could not find operation {} for version 2011-06-15",
                    escape(other)
                ),
            );
        }
        None => return error(StatusCode::BAD_REQUEST, "MissingAction", "Missing Action"),
    }
    match caller(keys, request, origin, now) {
        Ok(key) => xml(
            StatusCode::OK,
            &identity_xml(key, keys.account(), &uuid::Uuid::new_v4().to_string()),
        ),
        Err((code, message)) => error(StatusCode::FORBIDDEN, code, message),
    }
}

/// What STS has beside GetCallerIdentity (botocore's service model).
const OPERATIONS: [&str; 10] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "DecodeAuthorizationMessage",
    "GetAccessKeyInfo",
    "GetDelegatedAccessToken",
    "GetFederationToken",
    "GetSessionToken",
    "GetWebIdentityToken",
];

type Refused = (&'static str, &'static str);

const NO_TOKEN: Refused = (
    "MissingAuthenticationToken",
    "Request is missing Authentication Token",
);
const UNKNOWN_KEY: Refused = (
    "InvalidClientTokenId",
    "The security token included in the request is invalid.",
);
const BAD_SIGNATURE: Refused = (
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
);

fn caller<'k>(
    keys: &'k AccessKeys,
    request: &Request<bytes::Bytes>,
    origin: &str,
    now: Timestamp,
) -> Result<&'k AccessKey, Refused> {
    let header_of = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    if let Some(authorization) = header_of("authorization") {
        let scope = Scope::of_authorization(&authorization).ok_or(NO_TOKEN)?;
        let key = keys.find(&scope.access_key_id).ok_or(UNKNOWN_KEY)?;
        return if super::sigv4::verify_headers(&key.secret, &scope, &authorization, request, origin)
        {
            Ok(key)
        } else {
            Err(BAD_SIGNATURE)
        };
    }
    let url = format!("{origin}{}", request.uri());
    let presigned = Presigned::parse(&url).map_err(|_| NO_TOKEN)?;
    let key = keys
        .find(&presigned.scope.access_key_id)
        .ok_or(UNKNOWN_KEY)?;
    presigned
        .verify(&key.secret, header_of, now, SignedDuration::from_mins(15))
        .map_err(|_| BAD_SIGNATURE)?;
    Ok(key)
}

/// The identity behind a presigned `GetCallerIdentity` URL, checked with
/// `header` for the headers under the signature.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn identity_of_presigned<'k>(
    keys: &'k AccessKeys,
    presigned: &Presigned,
    header: impl Fn(&str) -> Option<String>,
    now: Timestamp,
    window: SignedDuration,
) -> Result<&'k AccessKey, String> {
    let key = keys
        .find(&presigned.scope.access_key_id)
        .ok_or_else(|| "no such access key".to_owned())?;
    presigned
        .verify(&key.secret, header, now, window)
        .map_err(|refusal| refusal.to_string())?;
    Ok(key)
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    xml(
        status,
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
             <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>{}</RequestId></ErrorResponse>",
            uuid::Uuid::new_v4()
        ),
    )
}

fn xml(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/xml"),
    );
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
