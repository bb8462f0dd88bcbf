//! The form driver: walks the hosted pages as kubelogin and a browser would,
//! without either.
//!
//! It discovers the endpoints at the issuer, follows the redirects by hand,
//! fills in whatever form it is shown, and stops at the redirect URI; it has
//! no knowledge of the provider but what the pages say.

use std::collections::BTreeMap;

use ::http::{Method, StatusCode};
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use scraper::{Html, Selector};
use url::Url;

use super::code_flow::{Authorization, CodeFlow, parse, returns_to, without_query};
use super::{Login, Refusal, Request, Session};
use crate::client::Broken;

/// More pages than any honest login has.
const MAX_HOPS: usize = 12;

/// The form driver. Logins share its connections and nothing else.
pub struct HttpLogin {
    http: reqwest::Client,
}

impl HttpLogin {
    /// A driver that trusts `roots` for the provider's pages, and finds them
    /// through the proxy `via` where there is one.
    ///
    /// # Errors
    /// [`Broken`] when TLS cannot be set up.
    pub fn new(roots: rustls::RootCertStore, via: Option<&str>) -> Result<Self, Broken> {
        let http = crate::client::https(roots, None, via)?;
        Ok(Self { http })
    }

    /// Its connections, for who walks the pages on another's behalf.
    pub(super) fn client(&self) -> reqwest::Client {
        self.http.clone()
    }

    /// Walks the pages from `start` to the redirect URI of somebody else's
    /// login, which is returned and not gone to.
    ///
    /// # Errors
    /// As a login.
    pub async fn pages(&self, start: &str, request: &Request) -> Result<Url, Refusal> {
        let mut browser = Browser::new(self.http.clone());
        browser.walk(parse(start)?, request).await
    }

    /// Goes to `callback`, as a browser would that was sent there; returns
    /// what the page says.
    ///
    /// # Errors
    /// As a login.
    pub async fn visit(&self, callback: &Url) -> Result<String, Refusal> {
        let mut browser = Browser::new(self.http.clone());
        let page = browser.fetch(Method::GET, callback.clone(), None).await?;
        Ok(page.body)
    }

    /// Exchanges a refresh token.
    ///
    /// # Errors
    /// As a login.
    pub async fn refresh(
        &self,
        issuer: &str,
        client_id: &str,
        refresh_token: &Secret<String>,
    ) -> Result<Session, Refusal> {
        let mut flow = CodeFlow::new(self.http.clone());
        let discovery = flow.discover(issuer).await?;
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", refresh_token.expose()),
        ];
        let mut session = flow.token(&discovery, &form).await?;
        session
            .refresh_token
            .get_or_insert_with(|| refresh_token.clone());
        Ok(session)
    }
}

impl Login for HttpLogin {
    fn login<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Session, Refusal>> {
        Box::pin(async move {
            let mut browser = Browser::new(self.http.clone());
            let discovery = browser.flow.discover(&request.issuer).await?;
            let authorization = Authorization::new(&discovery, request)?;
            let start = authorization.url.clone();
            let callback = browser.walk(start, request).await?;
            let code = browser.flow.code_of(&callback, &authorization)?;
            let mut session = browser.flow.exchange(&discovery, request, &code).await?;
            session.password_changed = browser.password_changed;
            Ok(session)
        })
    }
}

/// One login's cookies and the way it took.
pub(super) struct Browser {
    pub(super) flow: CodeFlow,
    cookies: BTreeMap<Cookie, String>,
    pub(super) password_changed: bool,
}

/// What tells one cookie from another (RFC 6265, section 5.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cookie {
    host: String,
    path: String,
    name: String,
}

pub(super) struct Page {
    url: Url,
    pub(super) status: StatusCode,
    location: Option<String>,
    body: String,
}

impl Page {
    pub(super) fn complaint(&self) -> String {
        page_complaint(&self.url, &self.body)
    }
}

impl Browser {
    pub(super) fn new(http: reqwest::Client) -> Self {
        Self {
            flow: CodeFlow::new(http),
            cookies: BTreeMap::new(),
            password_changed: false,
        }
    }

    /// Walks from `start` over whatever pages there are to the redirect URI,
    /// which is returned and not gone to.
    pub(super) async fn walk(&mut self, start: Url, request: &Request) -> Result<Url, Refusal> {
        let beginning = without_query(&start);
        let mut page = self.fetch(Method::GET, start, None).await?;
        let mut filled = Filled::default();
        for _ in 0..MAX_HOPS {
            if let Some(location) = page.location.take() {
                let next = page
                    .url
                    .join(&location)
                    .map_err(|error| Broken::new(&location, error))?;
                if returns_to(&request.redirect_uri, &next) {
                    return Ok(next);
                }
                page = self.fetch(Method::GET, next, None).await?;
                continue;
            }
            let form = Form::of(&page);
            let Some(form) = form else {
                return Err(self.flow.refused(page.complaint()));
            };
            let fields = match form.fill(request, &mut filled) {
                Some(fields) => fields,
                // The same form again: what was typed in was refused.
                None => return Err(self.flow.refused(page.complaint())),
            };
            let action = page
                .url
                .join(&form.action)
                .map_err(|error| Broken::new(&form.action, error))?;
            page = self.fetch(Method::POST, action, Some(&fields)).await?;
            self.password_changed = filled.new_password;
        }
        Err(Broken::new(beginning, "the login goes round in circles").into())
    }

    pub(super) async fn fetch(
        &mut self,
        method: Method,
        url: Url,
        form: Option<&[(String, String)]>,
    ) -> Result<Page, Refusal> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|(cookie, _)| cookie.is_for(&url))
            .map(|(cookie, value)| format!("{}={value}", cookie.name))
            .collect();
        let cookies = (!cookies.is_empty()).then(|| cookies.join("; "));
        let answer = self.flow.send(method, &url, cookies, form).await?;
        for header in answer.headers.get_all("set-cookie") {
            self.keep(&url, header.to_str().unwrap_or_default());
        }
        let location = answer
            .headers
            .get("location")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(Page {
            url,
            status: answer.status,
            location: location.filter(|_| answer.status.is_redirection()),
            body: answer.body,
        })
    }

    /// RFC 6265 as far as a login needs it: name, value, host, path, deletion.
    fn keep(&mut self, url: &Url, header: &str) {
        let mut parts = header.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let mut path = "/".to_owned();
        let mut gone = value.is_empty();
        for part in parts {
            match part.split_once('=') {
                Some((key, value)) if key.eq_ignore_ascii_case("path") => path = value.to_owned(),
                Some((key, "0")) if key.eq_ignore_ascii_case("max-age") => gone = true,
                _ => {}
            }
        }
        let key = Cookie {
            host: authority(url),
            path,
            name: name.to_owned(),
        };
        if gone {
            self.cookies.remove(&key);
        } else {
            self.cookies.insert(key, value.to_owned());
        }
    }
}

impl Cookie {
    /// RFC 6265, section 5.1.4; the port counts too, since loopback has many.
    fn is_for(&self, url: &Url) -> bool {
        let below = url.path().strip_prefix(self.path.as_str());
        self.host == authority(url)
            && below.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
            })
    }
}

fn authority(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Which forms were filled in already.
#[derive(Default)]
struct Filled {
    password: bool,
    new_password: bool,
}

struct Form {
    action: String,
    hidden: Vec<(String, String)>,
    names: Vec<String>,
}

impl Form {
    fn of(page: &Page) -> Option<Self> {
        let html = Html::parse_document(&page.body);
        let (form, input) = (selector("form"), selector("input"));
        html.select(&form)
            .filter(|form| {
                form.attr("method")
                    .is_some_and(|m| m.eq_ignore_ascii_case("post"))
            })
            .map(|form| {
                let inputs: Vec<_> = form
                    .select(&input)
                    .filter_map(|input| Some((input, input.attr("name")?.to_owned())))
                    .collect();
                Self {
                    action: form.attr("action").unwrap_or_default().to_owned(),
                    hidden: inputs
                        .iter()
                        .filter(|(input, _)| input.attr("type") == Some("hidden"))
                        .map(|(input, name)| {
                            (
                                name.clone(),
                                input.attr("value").unwrap_or_default().to_owned(),
                            )
                        })
                        .collect(),
                    names: inputs.into_iter().map(|(_, name)| name).collect(),
                }
            })
            .find(|form| form.has("password") || form.has("new_password"))
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    /// What is sent back, or nothing when this form was sent before.
    fn fill(&self, request: &Request, filled: &mut Filled) -> Option<Vec<(String, String)>> {
        let mut fields = self.hidden.clone();
        let mut put = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
        let before = if self.has("new_password") {
            put("new_password", request.new_password.expose());
            put("confirm_password", request.new_password.expose());
            &mut filled.new_password
        } else {
            put("username", &request.username);
            put("password", request.password.expose());
            &mut filled.password
        };
        (!std::mem::replace(before, true)).then_some(fields)
    }
}

/// What the page at `url` complains about, after the error's name in its
/// address where it has one.
pub(super) fn page_complaint(url: &Url, body: &str) -> String {
    let text = complaint(body);
    match url.query_pairs().find(|(key, _)| key == "error") {
        Some((_, name)) => format!("{name}: {text}"),
        None => text,
    }
}

/// What a page complains about: its alert, or its heading.
pub(super) fn complaint(body: &str) -> String {
    let html = Html::parse_document(body);
    ["#loginErrorMessage", "[role=alert]", "h1", "title"]
        .iter()
        .find_map(|css| {
            let text: String = html
                .select(&selector(css))
                .next()?
                .text()
                .collect::<Vec<_>>()
                .join(" ");
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            (!text.is_empty()).then_some(text)
        })
        .unwrap_or_else(|| body.chars().take(200).collect())
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).expect("a literal selector is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_complains_about_is_its_alert_before_its_heading() {
        let page = "<title>t</title><h1>Sign in</h1>\
            <p id=loginErrorMessage> Incorrect username\n or password.</p>";
        assert_eq!(complaint(page), "Incorrect username or password.");
        assert_eq!(complaint("<h1>Bad &amp; worse</h1>"), "Bad & worse");
    }

    #[test]
    fn cookies_are_for_their_host_and_path_until_deleted() {
        let mut browser = Browser::new(
            crate::client::https(rustls::RootCertStore::empty(), None, None).expect("a client"),
        );
        let at = |text: &str| parse(text).expect("a URL");
        let (one, two) = (at("https://a:1/domains/one/login"), at("https://b/login"));
        browser.keep(&one, "cognito=a; Path=/domains/one; Secure; HttpOnly");
        browser.keep(&two, "cognito=b; Path=/; Secure; HttpOnly");
        let sent = |browser: &Browser, url: &Url| {
            let cookies = browser.cookies.keys();
            cookies.filter(|cookie| cookie.is_for(url)).count()
        };
        assert_eq!((sent(&browser, &one), sent(&browser, &two)), (1, 1));
        assert_eq!(sent(&browser, &at("https://a:1/domains/one-more")), 0);
        assert_eq!(sent(&browser, &at("https://a/domains/one/login")), 0);
        browser.keep(&one, "cognito=; Path=/domains/one; Max-Age=0");
        assert_eq!((sent(&browser, &one), sent(&browser, &two)), (0, 1));
    }
}
