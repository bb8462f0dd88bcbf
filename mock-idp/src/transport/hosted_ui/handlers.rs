//! What happens at each page.

use std::sync::Arc;

use axum::RequestPartsExt as _;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use foundation::secret::{Secret, constant_time_eq};
use http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::{Refusal, error_page, wrong_method};
use super::wire::{self, Lifetime, MissingAttribute, NewPasswordForm, NewPasswordPage};
use super::wire::{SignInForm, SignInPage, cookie, set_cookie, with_cookie};
use crate::domain::password::PasswordPolicy;
use crate::domain::pool::UsernameAttribute;
use crate::domain::{Client, Error, OAuthError, Pool};
use crate::flow::Idp;
use crate::flow::authorize::{AuthorizeParams, AuthorizeRequest};
use crate::flow::authorize::{LogoutParams, LogoutTarget, PageError};
use crate::flow::sign_in::{Authenticated, NewPasswordChallenge, SignIn};
use crate::transport::params::Params;

/// No form of ours is near this size.
const FORM_LIMIT: usize = 64 * 1024;

/// How long a browser stays signed in.
const SESSION_SECONDS: i64 = 3600;

/// The page for a new password.
const CHANGE: &str = "changePassword";

/// A domain and the pool it stands for, and what the browser sent to it.
pub(crate) struct Site {
    domain: String,
    /// The path that the domain's pages and cookies are below.
    base: String,
    pool: Arc<Pool>,
    query: String,
    params: Params,
    headers: HeaderMap,
    /// The host and port that the browser asked for.
    host: Option<String>,
}

impl FromRequestParts<Idp> for Site {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, idp: &Idp) -> Result<Self, Refusal> {
        let domain = match parts.extract::<Path<String>>().await {
            Ok(Path(domain)) => domain,
            Err(_) => return Err(Refusal::NoSuchDomain(String::new())),
        };
        let Some((pool, found)) = idp.domain(&domain) else {
            return Err(Refusal::NoSuchDomain(domain));
        };
        let query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self {
            base: idp.address().domain_path(&found),
            domain: found.name,
            pool,
            params: Params::parse(query.as_bytes()),
            query,
            headers: parts.headers.clone(),
            host: host(parts),
        })
    }
}

/// The `Host` header, or what HTTP/2 has in its place.
fn host(parts: &Parts) -> Option<String> {
    let authority = parts.uri.authority().map(|a| a.as_str().to_owned());
    authority.or_else(|| Some(parts.headers.get(HOST)?.to_str().ok()?.to_owned()))
}

impl Site {
    /// Another page of the domain, asked for with the same query.
    fn path(&self, page: &str) -> String {
        format!("{}/{page}?{}", self.base, self.query)
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        cookie(&self.headers, name)
    }

    fn set_cookie(&self, name: &str, value: &str, lifetime: Lifetime) -> HeaderValue {
        set_cookie(&self.base, name, value, lifetime)
    }

    /// The token for a form, and the cookie that it has to equal. One that is
    /// there already stays: a second tab must not spoil the form in the first.
    fn csrf(&self) -> (String, HeaderValue) {
        let token = match self.cookie(wire::CSRF) {
            Some(token) if uuid::Uuid::parse_str(token).is_ok() => token.to_owned(),
            _ => uuid::Uuid::new_v4().to_string(),
        };
        let cookie = self.set_cookie(wire::CSRF, &token, Lifetime::Browser);
        (token, cookie)
    }

    fn refuse(&self, error: PageError) -> Refusal {
        Refusal::Page {
            base: self.base.clone(),
            error,
            client_id: self.params.text("client_id"),
        }
    }
}

/// Someone at a page with a request for authorization that is in order. The
/// request stands in the query of every page, so it is looked at every time.
pub(crate) struct Visit {
    site: Site,
    client: Arc<Client>,
    request: AuthorizeRequest,
}

impl FromRequestParts<Idp> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, idp: &Idp) -> Result<Self, Refusal> {
        let site = Site::from_request_parts(parts, idp).await?;
        // Of two addresses to return to neither can be told of it.
        if site.params.repeats(&["client_id", "redirect_uri"]) {
            return Err(site.refuse(PageError::InvalidRequest));
        }
        let request = idp
            .validate_authorize(&site.pool.id, &AuthorizeParams::from(&site.params))
            .map_err(|refusal| Refusal::of_authorize(&site.base, refusal))?;
        if let Some(error) = misspelt(&site.params) {
            let location = idp.refuse(&request, error);
            return Err(Refusal::Client { location });
        }
        let client = request.client.clone();
        Ok(Self {
            site,
            client,
            request,
        })
    }
}

/// What is wrong with the form of a request, apart from its sense.
fn misspelt(params: &Params) -> Option<OAuthError> {
    // RFC 6749 section 3.1: parameters must not be included more than once.
    let once = [
        "response_type",
        "scope",
        "state",
        "nonce",
        "prompt",
        "response_mode",
        "code_challenge",
        "code_challenge_method",
    ];
    // Codes go into the query, tokens into the fragment, and nothing is posted.
    let mode = match params.get("response_type") {
        Some("token") => "fragment",
        _ => "query",
    };
    let unsupported = |given: &str| given != mode;
    // OpenID Connect Core 1.0 section 3.1.2.1: `none` stands alone.
    let contradicts = |prompt: &str| prompt.contains(' ') && words(prompt).any(|w| w == "none");
    let wrong = params.repeats(&once)
        || params.get("response_mode").is_some_and(unsupported)
        || params.get("prompt").is_some_and(contradicts);
    wrong.then_some(OAuthError::InvalidRequest)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

// ---- handlers -------------------------------------------------------------

/// `GET /oauth2/authorize` (RFC 6749 section 4.1.1): straight back with a code
/// for who is signed in, to the sign-in page for who is not.
pub(crate) async fn authorize(State(idp): State<Idp>, visit: Visit) -> Result<Response, Refusal> {
    match visit.returning(&idp).await? {
        Some(back) => Ok(back),
        None => redirect(&visit.site.path("login")),
    }
}

/// `GET /login`: the sign-in page.
pub(crate) async fn show_sign_in(
    State(idp): State<Idp>,
    visit: Visit,
) -> Result<Response, Refusal> {
    match visit.returning(&idp).await? {
        Some(back) => Ok(back),
        None => Ok(visit.sign_in_page(visit.site.params.text("login_hint"), None)),
    }
}

/// `POST /login`: a user name and a password.
pub(crate) async fn sign_in(
    State(idp): State<Idp>,
    visit: Visit,
    body: Body,
) -> Result<Response, Refusal> {
    let form = SignInForm::from(&visit.site.form(body).await?);
    visit.site.check_forgery(&form.csrf)?;
    match idp.sign_in(&visit.client.id, &form.username, &form.password) {
        Ok(SignIn::Authenticated(who)) => visit.signed_in(&idp, &who).await,
        Ok(SignIn::NewPasswordRequired(challenge)) => {
            let session = challenge.session.expose();
            let site = &visit.site;
            let cookie = site.set_cookie(wire::CHALLENGE, session, Lifetime::Browser);
            Ok(with_cookie(redirect(&site.path(CHANGE))?, cookie))
        }
        Err(Error::Internal(_)) => Err(Refusal::Failed),
        Err(error) => Ok(visit.sign_in_page(form.username, Some(error.to_string()))),
    }
}

/// `GET /changePassword`: the page for someone who has signed in with a
/// temporary password; for everybody else, back to the start.
pub(crate) async fn show_new_password(
    State(idp): State<Idp>,
    visit: Visit,
) -> Result<Response, Refusal> {
    match visit.challenge(&idp) {
        Some(challenge) => Ok(visit.new_password_page(&challenge, &[], None)),
        None => redirect(&visit.site.path("login")),
    }
}

/// `POST /changePassword`: a password of one's own.
pub(crate) async fn set_new_password(
    State(idp): State<Idp>,
    visit: Visit,
    body: Body,
) -> Result<Response, Refusal> {
    let form = NewPasswordForm::from(&visit.site.form(body).await?);
    visit.site.check_forgery(&form.csrf)?;
    match visit.accept(&idp, &form) {
        Ok(who) => visit.signed_in(&idp, &who).await,
        Err(Error::Internal(_)) => Err(Refusal::Failed),
        Err(error) => match visit.challenge(&idp) {
            Some(challenge) => {
                let error = Some(error.to_string());
                Ok(visit.new_password_page(&challenge, &form.attributes, error))
            }
            // The challenge is over, and only a new sign-in helps.
            None => {
                let page = visit.sign_in_page(String::new(), Some(error.to_string()));
                let gone = visit.site.set_cookie(wire::CHALLENGE, "", Lifetime::OVER);
                Ok(with_cookie(page, gone))
            }
        },
    }
}

/// `GET /logout`: ends the session of this browser and of no other; tokens
/// stay good (Cognito developer guide, "Logout endpoint").
pub(crate) async fn logout(State(idp): State<Idp>, site: Site) -> Result<Response, Refusal> {
    let given = &site.params;
    if given.repeats(&["client_id", "logout_uri", "redirect_uri"]) {
        return Err(site.refuse(PageError::InvalidRequest));
    }
    let target = idp
        .logout_target(&site.pool.id, &LogoutParams::from(given))
        .map_err(|error| site.refuse(error))?;
    if let Some(session) = site.cookie(wire::SESSION) {
        idp.close_session(&site.pool.id, session);
    }
    let response = match target {
        LogoutTarget::Uri(uri) => redirect(&uri)?,
        LogoutTarget::Login => redirect(&site.path("login"))?,
    };
    let gone = site.set_cookie(wire::SESSION, "", Lifetime::OVER);
    Ok(with_cookie(response, gone))
}

/// `GET /error`: what the person is told where nobody else can be.
pub(crate) async fn show_error(site: Site) -> Response {
    error_page(&site.domain, &site.params)
}

/// Any other method at a page.
pub(crate) async fn not_allowed() -> Response {
    wrong_method()
}

// ---- signing in -----------------------------------------------------------

impl Visit {
    /// The way back for someone who need not sign in, or must not be asked to
    /// (OpenID Connect Core 1.0 section 3.1.2.1, `prompt`).
    async fn returning(&self, idp: &Idp) -> Result<Option<Response>, Refusal> {
        let prompt = self.site.params.text("prompt");
        let asks_for = |wanted: &str| words(&prompt).any(|word| word == wanted);
        let session = self.site.cookie(wire::SESSION);
        let who = session.and_then(|session| idp.session(&self.site.pool.id, session));
        match who {
            Some(who) if !asks_for("login") && !asks_for("select_account") => {
                let location = idp.authorized(&self.request, &who).await?;
                redirect(&location).map(Some)
            }
            None if asks_for("none") => {
                let location = idp.refuse(&self.request, OAuthError::LoginRequired);
                redirect(&location).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Opens a session, always a new one lest somebody else know its name, and
    /// goes back to the client with a code.
    async fn signed_in(&self, idp: &Idp, who: &Authenticated) -> Result<Response, Refusal> {
        let location = idp.authorized(&self.request, who).await?;
        if let Some(former) = self.site.cookie(wire::SESSION) {
            idp.close_session(&self.site.pool.id, former);
        }
        let session = idp.open_session(who);
        let lifetime = Lifetime::Seconds(SESSION_SECONDS);
        let opened = self
            .site
            .set_cookie(wire::SESSION, session.expose(), lifetime);
        let answered = self.site.set_cookie(wire::CHALLENGE, "", Lifetime::OVER);
        let response = redirect(&location)?;
        Ok(with_cookie(with_cookie(response, opened), answered))
    }

    /// The challenge that this browser is in the middle of.
    fn challenge(&self, idp: &Idp) -> Option<NewPasswordChallenge> {
        let session = Secret::new(self.site.cookie(wire::CHALLENGE)?.to_owned());
        idp.challenge(&self.client.id, &session).ok()
    }

    fn accept(&self, idp: &Idp, form: &NewPasswordForm) -> Result<Authenticated, Error> {
        let (once, again) = (&form.new_password, &form.confirm_password);
        if once.expose() != again.expose() {
            return Err(Error::invalid("The two passwords are not the same."));
        }
        let session = self.site.cookie(wire::CHALLENGE).unwrap_or_default();
        let session = Secret::new(session.to_owned());
        idp.set_new_password(&self.client.id, &session, once, &form.attributes)
    }

    fn sign_in_page(&self, username: String, error: Option<String>) -> Response {
        let (csrf, cookie) = self.site.csrf();
        let (login_name, email) = login_name(&self.site.pool);
        let page = SignInPage {
            pool_name: self.site.pool.name.clone(),
            client_name: self.client.name.clone(),
            login_name,
            email,
            action: self.site.path("login"),
            csrf,
            username,
            error,
            returns_to: self.request.redirect_uri.clone(),
            scopes: self.request.scopes.to_string(),
        };
        with_cookie(wire::page(StatusCode::OK, &page), cookie)
    }

    fn new_password_page(
        &self,
        challenge: &NewPasswordChallenge,
        typed: &[(String, String)],
        error: Option<String>,
    ) -> Response {
        let (csrf, cookie) = self.site.csrf();
        let user = &challenge.user;
        let missing = challenge.required.iter().map(|name| {
            let value = typed.iter().find(|(typed, _)| typed == name);
            missing(name, value.map_or("", |(_, value)| value))
        });
        let page = NewPasswordPage {
            pool_name: self.site.pool.name.clone(),
            client_name: self.client.name.clone(),
            action: self.site.path(CHANGE),
            csrf,
            username: match self.site.pool.names_by_attribute() {
                true => user
                    .attributes
                    .get("email")
                    .or(user.attributes.get("phone_number")),
                false => None,
            }
            .unwrap_or(&user.username)
            .to_owned(),
            error,
            rules: rules(&self.site.pool.settings.password_policy),
            missing: missing.collect(),
        };
        with_cookie(wire::page(StatusCode::OK, &page), cookie)
    }
}

/// What the pool's users sign in with, and whether it is an e-mail address.
fn login_name(pool: &Pool) -> (&'static str, bool) {
    match pool.username_attributes[..] {
        [UsernameAttribute::Email] => ("Email", true),
        [UsernameAttribute::PhoneNumber] => ("Phone number", false),
        [] => ("Username", false),
        _ => ("Email or phone number", false),
    }
}

/// The policy in words, so that nobody learns its rules one refusal at a time.
fn rules(policy: &PasswordPolicy) -> Vec<String> {
    let least = format!("At least {} characters", policy.minimum_length);
    let contents = [
        (policy.require_uppercase, "An uppercase letter"),
        (policy.require_lowercase, "A lowercase letter"),
        (policy.require_numbers, "A number"),
        (policy.require_symbols, "A symbol"),
    ];
    let required = contents.into_iter().filter(|(required, _)| *required);
    std::iter::once(least)
        .chain(required.map(|(_, rule)| rule.to_owned()))
        .collect()
}

fn missing(name: &str, value: &str) -> MissingAttribute {
    let spaced = name.trim_start_matches("custom:").replace('_', " ");
    let mut letters = spaced.chars();
    let label = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default();
    MissingAttribute {
        name: name.to_owned(),
        label,
        value: value.to_owned(),
    }
}

fn redirect(to: &str) -> Result<Response, Refusal> {
    wire::redirect(to).ok_or(Refusal::Failed)
}

impl From<&Params> for AuthorizeParams {
    fn from(query: &Params) -> Self {
        let given = |name: &str| query.get(name).map(str::to_owned);
        Self {
            response_type: given("response_type"),
            client_id: given("client_id"),
            redirect_uri: given("redirect_uri"),
            state: given("state"),
            scope: given("scope"),
            nonce: given("nonce"),
            code_challenge: given("code_challenge"),
            code_challenge_method: given("code_challenge_method"),
        }
    }
}

impl From<&Params> for LogoutParams {
    fn from(query: &Params) -> Self {
        let given = |name: &str| query.get(name).map(str::to_owned);
        Self {
            client_id: given("client_id"),
            logout_uri: given("logout_uri"),
            redirect_uri: given("redirect_uri"),
            response_type: given("response_type"),
        }
    }
}

// ---- forms ----------------------------------------------------------------

impl Site {
    /// Reads a form.
    async fn form(&self, body: Body) -> Result<Params, Refusal> {
        let domain = || self.domain.clone();
        let kind = self.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if !kind.is_some_and(|kind| kind.starts_with(b"application/x-www-form-urlencoded")) {
            return Err(Refusal::NotAForm { domain: domain() });
        }
        match axum::body::to_bytes(body, FORM_LIMIT).await {
            Ok(bytes) => Ok(Params::parse(&bytes)),
            Err(_) => Err(Refusal::TooLarge { domain: domain() }),
        }
    }

    /// A form counts if its `_csrf` equals the cookie, which no other site can
    /// read or set, and if the browser does not name another site as the
    /// sender. With our `Referrer-Policy` browsers send `Origin: null` from
    /// our own pages too, so that value says nothing; `Sec-Fetch-Site` does.
    fn check_forgery(&self, csrf: &str) -> Result<(), Refusal> {
        let header = |name: HeaderName| self.headers.get(name).and_then(|v| v.to_str().ok());
        let expected = self.cookie(wire::CSRF).unwrap_or_default();
        let same = !expected.is_empty() && constant_time_eq(expected.as_bytes(), csrf.as_bytes());
        let foreign_site = header(HeaderName::from_static("sec-fetch-site"))
            .is_some_and(|site| site != "same-origin" && site != "none");
        let foreign_origin =
            header(ORIGIN).is_some_and(|origin| origin != "null" && !self.is_ours(origin));
        if same && !foreign_site && !foreign_origin {
            Ok(())
        } else {
            Err(Refusal::Forged {
                domain: self.domain.clone(),
            })
        }
    }

    fn is_ours(&self, origin: &str) -> bool {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == self.host.as_deref()
    }
}
