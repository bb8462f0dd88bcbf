//! Refusals → pages and redirects.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::wire::{MessagePage, page, redirect};
use crate::domain::Error;
use crate::flow::authorize::{AuthorizeRefusal, PageError};
use crate::transport::params::Params;

/// Why a page did not do what it was asked for.
pub(crate) enum Refusal {
    /// Nothing lives under this domain name.
    NoSuchDomain(String),
    /// There is nobody to tell but the person: the page at `/error` does, and
    /// the browser is never sent on to an address that is not known to be the
    /// client's (RFC 6749 section 4.1.2.1).
    Page {
        /// The path that the domain's pages are below.
        base: String,
        error: PageError,
        client_id: String,
    },
    /// The client is told, at its callback.
    Client { location: String },
    /// The form did not come from a page of ours.
    Forged { domain: String },
    /// The body is no form.
    NotAForm { domain: String },
    /// The body is larger than any form of ours.
    TooLarge { domain: String },
    /// Something of ours failed.
    Failed,
}

impl Refusal {
    /// The answer to a request for authorization that cannot be, at the pages
    /// below `base`.
    pub(crate) fn of_authorize(base: &str, refusal: AuthorizeRefusal) -> Self {
        match refusal {
            AuthorizeRefusal::Page { error, client_id } => Self::Page {
                base: base.to_owned(),
                error,
                client_id: client_id.unwrap_or_default(),
            },
            AuthorizeRefusal::Redirect { location, .. } => Self::Client { location },
        }
    }
}

impl From<Error> for Refusal {
    fn from(_: Error) -> Self {
        Self::Failed
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NoSuchDomain(domain) => message(
                StatusCode::NOT_FOUND,
                String::new(),
                "There is no such domain.",
                "No user pool has it. Domains are made by CreateUserPoolDomain \
                 and live until the instance ends.",
                vec![("Domain", domain)],
            ),
            Self::Page {
                base,
                error,
                client_id,
            } => redirect(&error_location(&base, error, &client_id)).unwrap_or_else(failed),
            Self::Client { location } => redirect(&location).unwrap_or_else(failed),
            Self::Forged { domain } => message(
                StatusCode::FORBIDDEN,
                domain,
                "This form has gone stale.",
                "It does not belong to the page that your browser was last given. \
                 Go back, load the page again and send it once more.",
                vec![("Error", "csrf_mismatch".to_owned())],
            ),
            Self::NotAForm { domain } => message(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                domain,
                "An error was encountered with the requested page.",
                "What was sent is not a form (application/x-www-form-urlencoded).",
                Vec::new(),
            ),
            Self::TooLarge { domain } => message(
                StatusCode::PAYLOAD_TOO_LARGE,
                domain,
                "An error was encountered with the requested page.",
                "The form that was sent is too large.",
                Vec::new(),
            ),
            Self::Failed => failed(),
        }
    }
}

/// The page of an address under `/domains` that nothing answers to.
pub(crate) fn no_such_page() -> Response {
    message(
        StatusCode::NOT_FOUND,
        String::new(),
        "There is no such page.",
        "The pages of a domain are /oauth2/authorize, /login and /logout.",
        Vec::new(),
    )
}

/// The page of a method that an address does not take.
pub(crate) fn wrong_method() -> Response {
    message(
        StatusCode::METHOD_NOT_ALLOWED,
        String::new(),
        "An error was encountered with the requested page.",
        "It cannot be asked for in this way.",
        Vec::new(),
    )
}

fn failed() -> Response {
    message(
        StatusCode::INTERNAL_SERVER_ERROR,
        String::new(),
        "Something went wrong.",
        "The fault is on this side. Trying again may help.",
        Vec::new(),
    )
}

fn message(
    status: StatusCode,
    brand: String,
    title: &str,
    lead: &str,
    facts: Vec<(&'static str, String)>,
) -> Response {
    let message = MessagePage {
        brand: if brand.is_empty() {
            "rolecall".to_owned()
        } else {
            brand
        },
        title: title.to_owned(),
        lead: lead.to_owned(),
        detail: None,
        facts,
    };
    page(status, &message)
}

// ---- the page at /error ---------------------------------------------------

fn error_location(base: &str, error: PageError, client_id: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("error", page_code(error));
    if !client_id.is_empty() && client_id.len() <= 128 {
        query.append_pair("client_id", client_id);
    }
    format!("{base}/error?{}", query.finish())
}

/// The word for an error in the address of the error page.
fn page_code(error: PageError) -> &'static str {
    match error {
        PageError::InvalidRequest => "invalid_request",
        PageError::ClientDoesNotExist => "client_does_not_exist",
        PageError::RedirectMismatch => "redirect_mismatch",
        PageError::NoIdentityProvider => "login_pages_unavailable",
    }
}

/// The page that `query` asks for: what is wrong, and what to do about it.
/// Words of the address itself are shown as far as they are known ones.
pub(crate) fn error_page(domain: &str, query: &Params) -> Response {
    let explained = [
        PageError::InvalidRequest,
        PageError::ClientDoesNotExist,
        PageError::RedirectMismatch,
        PageError::NoIdentityProvider,
    ]
    .into_iter()
    .find(|error| query.get("error") == Some(page_code(*error)));
    let (title, lead, detail) = explained.map_or(UNEXPLAINED, explain);
    let mut facts = Vec::new();
    if let Some(error) = explained {
        facts.push(("Error", page_code(error).to_owned()));
    }
    if let Some(client) = query.get("client_id").filter(|id| id.len() <= 128) {
        facts.push(("Client", client.to_owned()));
    }
    let message = MessagePage {
        brand: domain.to_owned(),
        title: title.to_owned(),
        lead: lead.to_owned(),
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        facts,
    };
    page(StatusCode::BAD_REQUEST, &message)
}

type Explanation = (&'static str, &'static str, &'static str);

const ENCOUNTERED: &str = "An error was encountered with the requested page.";
const UNEXPLAINED: Explanation = (ENCOUNTERED, "Nothing more is known about it.", "");

fn explain(error: PageError) -> Explanation {
    match error {
        PageError::InvalidRequest => (
            ENCOUNTERED,
            "The request lacks something, or says it twice.",
            "client_id and redirect_uri are needed, each once; at /logout, client_id with \
             logout_uri or with redirect_uri.",
        ),
        PageError::ClientDoesNotExist => (
            ENCOUNTERED,
            "Client does not exist.",
            "No app client of this domain’s user pool has this id.",
        ),
        PageError::RedirectMismatch => (
            ENCOUNTERED,
            "The address to return to is not one of this client’s.",
            "Callback and logout URLs are compared as strings: scheme, host, port, path and a \
             trailing slash all count.",
        ),
        PageError::NoIdentityProvider => (
            "Login pages unavailable",
            "Nobody can sign in with this client here.",
            "It needs COGNITO among its SupportedIdentityProviders, and \
             AllowedOAuthFlowsUserPoolClient.",
        ),
    }
}
