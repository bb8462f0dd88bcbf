//! What happens at each endpoint.

use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foundation::secret::Secret;
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::header::{PRAGMA, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::error::{self, UserInfoRefusal};
use super::wire::{Discovery, Key, KeySet, Message, NotUnderstood, TokenResponse};
use crate::address::Host;
use crate::domain::token::TokenSet;
use crate::domain::{Error, OAuthError, PoolId};
use crate::flow::Idp;
use crate::flow::exchange::{ClientAuth, TokenRequest};
use crate::transport::params::Params;

/// Longer than any token request.
const FORM_LIMIT: usize = 64 * 1024;

// ---- the issuer -----------------------------------------------------------

/// `GET /POOL_ID/.well-known/openid-configuration`
/// (OpenID Connect Discovery 1.0 section 4).
pub(crate) async fn discovery(
    State(idp): State<Idp>,
    Path(pool): Path<String>,
    at: Option<Extension<Host>>,
) -> Response {
    let pool = PoolId::from(pool);
    match idp
        .pool(&pool)
        .and_then(|found| here(&pool, at).map(|()| found))
    {
        Ok(pool) => public(&Discovery::from(idp.address().endpoints(&pool))),
        Err(error) => no_pool(error.to_string()),
    }
}

/// `GET /POOL_ID/.well-known/jwks.json` (RFC 7517 section 5).
pub(crate) async fn keys(
    State(idp): State<Idp>,
    Path(pool): Path<String>,
    at: Option<Extension<Host>>,
) -> Response {
    let pool = PoolId::from(pool);
    if let Err(error) = here(&pool, at) {
        return no_pool(error.to_string());
    }
    match idp.keys(&pool).await {
        Ok(keys) => public(&KeySet {
            keys: keys.published().map(|key| Key::from(&**key)).collect(),
        }),
        Err(error) => no_pool(error.to_string()),
    }
}

/// Whether a pool can be at the host of AWS' that was asked, if it was one:
/// each region has a host of its own.
fn here(pool: &PoolId, at: Option<Extension<Host>>) -> Result<(), Error> {
    match at {
        Some(Extension(Host::Service { region })) if pool.region() != Some(&region) => {
            Err(Error::no_pool(pool))
        }
        _ => Ok(()),
    }
}

/// Metadata and keys may be kept but are asked after each time.
///
/// This decides when a rotated key is noticed: kube-apiserver's key set does
/// not look again before the answer's lifetime is over, whatever `kid` a token
/// names. What lifetime AWS gives is not known for sure; with none, a test
/// that rotates keys sees the new ones at once, as does a cluster that saw
/// the pool before it had a domain.
fn public(body: &impl Serialize) -> Response {
    let mut response = json(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    headers.remove(PRAGMA);
    response
}

fn no_pool(message: String) -> Response {
    json(StatusCode::BAD_REQUEST, &Message { message })
}

/// The service host's answer to what it has no operation for.
pub(crate) fn not_understood() -> Response {
    json(StatusCode::BAD_REQUEST, &NotUnderstood::BODY)
}

// ---- the domain -----------------------------------------------------------

/// `POST /oauth2/token` (RFC 6749 section 3.2). Anything but a POST of a form
/// gets 405 and an empty body, as from Cognito.
pub(crate) async fn token(
    State(idp): State<Idp>,
    Path(domain): Path<String>,
    request: Request,
) -> Response {
    let Some(pool) = idp.pool_by_domain(&domain) else {
        return no_domain();
    };
    let Some(form) = posted(request).await else {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    };
    match exchange(&idp, &pool.id, form).await {
        Ok(tokens) => json(StatusCode::OK, &TokenResponse::from(tokens)),
        Err(error) => error::token(error),
    }
}

async fn exchange(idp: &Idp, pool: &PoolId, form: Form) -> Result<TokenSet, OAuthError> {
    let params = form.params?;
    let client = client_auth(&form.headers, &params)?;
    idp.exchange(pool, &client, &TokenRequest::from(&params))
        .await
}

/// `POST /oauth2/revoke` (RFC 7009 section 2.1): also for a token that is
/// unknown or revoked already, an empty 200.
pub(crate) async fn revoke(
    State(idp): State<Idp>,
    Path(domain): Path<String>,
    request: Request,
) -> Response {
    let Some(pool) = idp.pool_by_domain(&domain) else {
        return no_domain();
    };
    let Some(form) = posted(request).await else {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    };
    match call_off(&idp, &pool.id, form) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => error::revocation(error),
    }
}

fn call_off(idp: &Idp, pool: &PoolId, form: Form) -> Result<(), OAuthError> {
    let params = form.params?;
    let client = client_auth(&form.headers, &params)?;
    idp.oauth_revoke(pool, &client, params.get("token"))
}

/// `GET /oauth2/userInfo` (OpenID Connect Core 1.0 section 5.3). All values
/// are strings, `email_verified` too: so it is at Cognito, against section
/// 5.1.
pub(crate) async fn user_info(
    State(idp): State<Idp>,
    Path(domain): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(pool) = idp.pool_by_domain(&domain) else {
        return no_domain();
    };
    match claims(&idp, &pool.id, &headers).await {
        Ok(claims) => json(StatusCode::OK, &claims),
        Err(refusal) => refusal.into_response(),
    }
}

async fn claims(
    idp: &Idp,
    pool: &PoolId,
    headers: &HeaderMap,
) -> Result<serde_json::Map<String, serde_json::Value>, UserInfoRefusal> {
    let token = authorization(headers, "Bearer").ok_or(UserInfoRefusal::BadRequest)?;
    let claims = idp
        .user_info(pool, token)
        .await
        .map_err(|_| UserInfoRefusal::InvalidToken)?;
    Ok(claims
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect())
}

fn no_domain() -> Response {
    let message = "There is no such domain.".to_owned();
    json(StatusCode::NOT_FOUND, &Message { message })
}

// ---- reading --------------------------------------------------------------

/// What was posted to an OAuth endpoint.
struct Form {
    headers: HeaderMap,
    params: Result<Params, OAuthError>,
}

/// The form in `request`, or nothing where it is no POST of one.
async fn posted(request: Request) -> Option<Form> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if parts.method != Method::POST || !is_form {
        return None;
    }
    Some(Form {
        headers: parts.headers,
        params: read(body).await,
    })
}

async fn read(body: Body) -> Result<Params, OAuthError> {
    let bytes = axum::body::to_bytes(body, FORM_LIMIT)
        .await
        .map_err(|_| OAuthError::InvalidRequest)?;
    let params = Params::parse(&bytes);
    // RFC 6749 section 3.2: parameters must not be included more than once.
    let once = [
        "grant_type",
        "client_id",
        "client_secret",
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "scope",
        "token",
    ];
    if params.repeats(&once) {
        return Err(OAuthError::InvalidRequest);
    }
    Ok(params)
}

impl From<&Params> for TokenRequest {
    fn from(form: &Params) -> Self {
        let given = |name: &str| form.get(name).map(str::to_owned);
        let secret = |name: &str| given(name).map(Secret::new);
        Self {
            grant_type: given("grant_type"),
            code: secret("code"),
            redirect_uri: given("redirect_uri"),
            code_verifier: secret("code_verifier"),
            refresh_token: secret("refresh_token"),
        }
    }
}

/// The client's name and proof, from the `Authorization` header or from the
/// form (RFC 6749 section 2.3.1), never from both.
///
/// Go's OAuth client tries Basic first and the form when that fails, for a
/// public client with an empty password: that counts as no proof, not as a
/// wrong one.
fn client_auth(headers: &HeaderMap, form: &Params) -> Result<ClientAuth, OAuthError> {
    let posted = ClientAuth {
        id: form.get("client_id").map(str::to_owned),
        secret: form.get("client_secret").map(|s| Secret::new(s.to_owned())),
    };
    if !headers.contains_key(AUTHORIZATION) {
        return Ok(posted);
    }
    let basic = basic(headers).ok_or(OAuthError::InvalidClient)?;
    let other_id = posted.id.is_some() && posted.id != basic.id;
    if other_id || posted.secret.is_some() {
        return Err(OAuthError::InvalidClient);
    }
    Ok(basic)
}

fn basic(headers: &HeaderMap) -> Option<ClientAuth> {
    let decoded = STANDARD.decode(authorization(headers, "Basic")?).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    // Both halves are form-encoded before they are joined.
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let text = percent_encoding::percent_decode_str(&text);
        text.decode_utf8().ok().map(|text| text.into_owned())
    };
    let secret = decode(secret)?;
    Some(ClientAuth {
        id: Some(decode(id)?),
        secret: (!secret.is_empty()).then(|| Secret::new(secret)),
    })
}

/// The credentials of the one `Authorization` header, if it has this scheme.
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let only = all.next().filter(|_| all.next().is_none())?;
    let (given, credentials) = only.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    (given.eq_ignore_ascii_case(scheme) && !credentials.is_empty()).then_some(credentials)
}

// ---- writing --------------------------------------------------------------

/// A JSON answer that is not to be kept (RFC 6749 section 5.1).
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(bytes) = serde_json::to_vec(body) else {
        // Our wire types are plain strings and numbers.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "application/json;charset=UTF-8"),
        (CACHE_CONTROL, "no-store"),
        (PRAGMA, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets scripts of any origin ask and read the answer, refusals too. Nothing
/// here looks at cookies, so there is nothing of a person's to steal.
pub(crate) async fn cross_origin(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
            (ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    } else {
        next.run(request).await
    };
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
