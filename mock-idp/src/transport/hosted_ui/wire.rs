//! The spelling of the hosted pages: form fields, cookies, headers and the
//! pages themselves.

use std::sync::LazyLock;

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use foundation::secret::Secret;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION};
use http::header::{REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::transport::params::Params;

// ---- forms ----------------------------------------------------------------

/// What the sign-in page posts. `cognitoAsfData`, a device fingerprint, may
/// be there and is not looked at.
pub(crate) struct SignInForm {
    pub csrf: String,
    pub username: String,
    pub password: Secret<String>,
}

impl From<&Params> for SignInForm {
    fn from(form: &Params) -> Self {
        Self {
            csrf: form.text("_csrf"),
            username: form.text("username"),
            password: form.secret("password"),
        }
    }
}

/// What the page for a new password posts.
pub(crate) struct NewPasswordForm {
    pub csrf: String,
    pub new_password: Secret<String>,
    pub confirm_password: Secret<String>,
    /// Values for the required attributes that the user still lacks, by name.
    pub attributes: Vec<(String, String)>,
}

impl From<&Params> for NewPasswordForm {
    fn from(form: &Params) -> Self {
        Self {
            csrf: form.text("_csrf"),
            new_password: form.secret("new_password"),
            confirm_password: form.secret("confirm_password"),
            attributes: form
                .indexed(REQUIRED_ATTRIBUTES)
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

/// Field names of required attributes are `requiredAttributes[NAME]`.
const REQUIRED_ATTRIBUTES: &str = "requiredAttributes";

// ---- cookies --------------------------------------------------------------

/// Who is signed in at this domain, for an hour.
pub(crate) const SESSION: &str = "cognito";
/// Must equal a form's `_csrf`.
pub(crate) const CSRF: &str = "XSRF-TOKEN";
/// The challenge that a person is in the middle of.
pub(crate) const CHALLENGE: &str = "cognito-challenge";

/// The value of the cookie `name`; nothing where a browser sends two of that
/// name, because then one of them was planted from elsewhere.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// `Set-Cookie` for one of the domain's cookies (RFC 6265 section 4.1).
///
/// The path keeps two domains on one origin apart: a browser never sends the
/// cookies of `/domains/a` to `/domains/b`, nor to `/domains/ab`. What a
/// browser sends is not trusted for it all the same: a session belongs to a
/// pool on the server's side.
pub(crate) fn set_cookie(base: &str, name: &str, value: &str, lifetime: Lifetime) -> HeaderValue {
    let age = match lifetime {
        Lifetime::Browser => String::new(),
        Lifetime::Seconds(seconds) => format!("; Max-Age={seconds}"),
    };
    let path = if base.is_empty() { "/" } else { base };
    let text = format!("{name}={value}; Path={path}{age}; Secure; HttpOnly; SameSite=Lax");
    // Names, values and paths are ours, in plain ASCII.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// How long a browser is to keep a cookie.
#[derive(Clone, Copy)]
pub(crate) enum Lifetime {
    /// Until it is closed.
    Browser,
    /// So many seconds; none takes the cookie away.
    Seconds(i64),
}

impl Lifetime {
    pub(crate) const OVER: Self = Self::Seconds(0);
}

// ---- pages ----------------------------------------------------------------

/// The style sheet stands inside each page, so a page is one answer, and one
/// for a domain that does not exist looks like the others.
const STYLE: &str = include_str!("../../../templates/style.css");

/// The sign-in page.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct SignInPage {
    pub pool_name: String,
    pub client_name: String,
    /// What the user name is called here: `Email`, `Username`, …
    pub login_name: &'static str,
    /// Whether user names are e-mail addresses.
    pub email: bool,
    /// Where the form goes: this page, with its query.
    pub action: String,
    pub csrf: String,
    pub username: String,
    pub error: Option<String>,
    pub returns_to: String,
    pub scopes: String,
}

/// The page that asks for a new password.
#[derive(Template)]
#[template(path = "new_password.html")]
pub(crate) struct NewPasswordPage {
    pub pool_name: String,
    pub client_name: String,
    pub action: String,
    pub csrf: String,
    /// Who is signing in; password managers keep it with the new password.
    pub username: String,
    pub error: Option<String>,
    /// The pool's password policy, a sentence a rule.
    pub rules: Vec<String>,
    pub missing: Vec<MissingAttribute>,
}

/// A required attribute that the user does not have yet.
pub(crate) struct MissingAttribute {
    pub name: String,
    pub label: String,
    pub value: String,
}

/// A page that only says something.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub brand: String,
    pub title: String,
    pub lead: String,
    pub detail: Option<String>,
    pub facts: Vec<(&'static str, String)>,
}

/// Gives the templates what all pages have.
macro_rules! styled {
    ($($page:ty),*) => {$(
        impl $page {
            #[allow(clippy::unused_self)]
            fn style(&self) -> &'static str {
                STYLE
            }
        }
    )*};
}
styled!(SignInPage, NewPasswordPage, MessagePage);

// ---- answers --------------------------------------------------------------

/// Nothing is loaded, run or framed; the one style sheet is named by its
/// hash.
///
/// There is no `form-action` where a page has a form. Browsers hold the whole
/// chain of redirects after a form's POST against it, so naming the client's
/// callback would break every application whose callback redirects again, to
/// an address that nobody here can know.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A page with the headers that every page has.
pub(crate) fn page(status: StatusCode, page: &impl Template) -> Response {
    let Ok(html) = page.render() else {
        // Rendering writes to memory; it has nothing to fail on.
        return secured(StatusCode::INTERNAL_SERVER_ERROR, Body::empty());
    };
    let mut response = secured(status, Body::from(html));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}

/// A redirect that turns into a GET, whatever the request was (302, as
/// Cognito's; RFC 9700 section 4.12 forbids 307). `None` where `to` cannot
/// stand in a header.
pub(crate) fn redirect(to: &str) -> Option<Response> {
    let to = HeaderValue::from_bytes(to.as_bytes()).ok()?;
    let mut response = secured(StatusCode::FOUND, Body::empty());
    response.headers_mut().insert(LOCATION, to);
    Some(response)
}

/// Adds a cookie to an answer.
pub(crate) fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// The headers of pages and redirects alike: not stored, not framed, not
/// guessed at, and no address of ours (it holds `state`) told to anyone.
fn secured(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(lines: &[&'static str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (COOKIE, HeaderValue::from_static(line)))
            .collect()
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = cookies(&["lang=en; XSRF-TOKEN=a-b", "cognito=s"]);
        assert_eq!(cookie(&headers, CSRF), Some("a-b"));
        assert_eq!(cookie(&headers, SESSION), Some("s"));
        assert_eq!(cookie(&headers, "XSRF"), None);
    }

    #[test]
    fn two_cookies_of_one_name_count_as_none() {
        let headers = cookies(&["cognito=planted; cognito=mine"]);
        assert_eq!(cookie(&headers, SESSION), None);
    }

    #[test]
    fn the_policy_names_the_style_that_the_page_holds() {
        let page_ = MessagePage {
            brand: String::new(),
            title: String::new(),
            lead: String::new(),
            detail: None,
            facts: Vec::new(),
        };
        let html = page_.render().expect("renders");
        let (_, rest) = html.split_once("<style>").expect("a style element");
        let (style, _) = rest.split_once("</style>").expect("its end");
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style));
        let policy = POLICY.to_str().expect("plain text");
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
        assert!(!policy.contains("unsafe"));
    }
}
