//! A real browser: headless Chromium, driven over WebDriver, fills in the
//! hosted pages.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use harness::login::browser::{self, Browser, Credentials, Trust};
//!
//! let trust = Trust { spki: "…".to_owned(), proxy: None };
//! let browser = Browser::start(&browser::find()?, &trust).await?;
//! let test = Credentials::new("test@kubedemy.io", "H3lloW@rlD", "N3w-H3lloW@rlD");
//! let arrival = browser.sign_in("http://localhost:8000", &test).await?;
//! assert_eq!(arrival.page.title, "Authenticated");
//! # Ok(())
//! # }
//! ```

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use foundation::clock::{Stopwatch, pause};
use foundation::secret::Secret;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use thirtyfour::error::WebDriverError;
use thirtyfour::{By, WebDriver, WebElement};
use tokio::sync::Mutex;
use url::Url;

mod programs;

pub use programs::{Missing, Programs, Trust, find, find_browser};

use super::code_flow::{Authorization, CodeFlow, parse, without_query};
use super::{Login, Refusal, Request, Session};
use crate::child::{Group, TempFolder};
use crate::client::Broken;

/// How long chromedriver may take to listen, and a page to come.
const LIMIT: Duration = Duration::from_secs(30);

/// More pages than any honest login has.
const MAX_PAGES: usize = 6;

/// A window's height; longer pages are shown as a whole.
const HEIGHT: u64 = 800;

/// What Chromium shows where nobody answered.
const ERROR_PAGE: &str = "chrome-error://";

/// A headless browser with an empty profile of its own. It is gone, with its
/// profile and all of its processes, when this value is, or this process.
///
/// It may be used from any runtime, by one task at a time.
pub struct Browser {
    /// Taken when it ends.
    driver: Option<WebDriver>,
    /// Before the folder, which it writes to.
    _group: Group,
    folder: TempFolder,
}

/// What is typed into the pages.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Into the first field.
    pub username: String,
    /// Into the second.
    pub password: Secret<String>,
    /// What is chosen when a new password is asked for.
    pub new_password: Secret<String>,
}

impl Credentials {
    /// All three.
    pub fn new(username: &str, password: &str, new_password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned().into(),
            new_password: new_password.to_owned().into(),
        }
    }
}

/// What the browser shows.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its address; where nobody answered, the one that was asked for.
    pub url: Url,
    /// Whether anybody answered there.
    pub answered: bool,
    /// Its title.
    pub title: String,
    /// Its text, as people see it.
    pub text: String,
    /// Its document.
    pub html: String,
    form: Option<Form>,
}

impl Page {
    /// Whether the page asks for a user name and a password.
    pub fn asks_for_password(&self) -> bool {
        self.form == Some(Form::SignIn)
    }

    /// Whether the page asks for a new password.
    pub fn asks_for_new_password(&self) -> bool {
        self.form == Some(Form::NewPassword)
    }
}

/// The end of a login that went well.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The first page that is none of the provider's: the redirect URI, with
    /// its code, whether or not anybody listens there.
    pub page: Page,
    /// Whether a new password was asked for and set.
    pub password_changed: bool,
    /// The pages on the way, without queries.
    pub trace: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    SignIn,
    NewPassword,
}

impl Browser {
    /// Starts a browser.
    ///
    /// # Errors
    /// [`Broken`], with what chromedriver said.
    pub async fn start(programs: &Programs, trust: &Trust) -> Result<Self, Broken> {
        Self::start_with(programs, trust, &[]).await
    }

    async fn start_with(
        programs: &Programs,
        trust: &Trust,
        more: &[String],
    ) -> Result<Self, Broken> {
        let broken = |error: &dyn std::fmt::Display| Broken::new("start a browser", error);
        let folder = TempFolder::new("rolecall-browser-").map_err(|error| broken(&error))?;
        let (mut group, log) = start_driver(programs, folder.path())?;
        let address = address_of_driver(&mut group, &log).await?;
        let profile = folder.path().join("profile");
        std::fs::create_dir(&profile).map_err(|error| broken(&error))?;
        let mut arguments = trust.arguments(&profile);
        arguments
            .extend(["--headless", "--disable-gpu", "--disable-dev-shm-usage"].map(str::to_owned));
        arguments.extend_from_slice(more);
        let driver = WebDriver::builder(address, capabilities(programs, &arguments))
            .client(crate::client::plain(LIMIT * 2)?)
            .connect()
            .await
            .map_err(|error| broken(&brief(&error)))?;
        let browser = Self {
            driver: Some(driver),
            _group: group,
            folder,
        };
        // kubelogin's last page closes itself before anybody has read it.
        browser
            .devtools(
                "Page.addScriptToEvaluateOnNewDocument",
                json!({"source": "window.close = () => {};"}),
            )
            .await?;
        Ok(browser)
    }

    /// The folder of its profile, which goes when it goes.
    pub fn profile(&self) -> &Path {
        self.folder.path()
    }

    /// Opens an address and follows where it leads.
    ///
    /// # Errors
    /// [`Broken`] when the browser does not do as it is told. That nobody
    /// answers is no error: see [`Page::answered`].
    pub async fn open(&self, url: &str) -> Result<Page, Broken> {
        match self.driver()?.goto(url).await {
            // Chromium shows a page of its own then, under the same address.
            Err(error) if !error.to_string().contains("net::ERR_") => {
                Err(Broken::new(format!("open {url}"), brief(&error)))
            }
            _ => self.page().await,
        }
    }

    /// What it shows now.
    ///
    /// # Errors
    /// [`Broken`] when the browser does not answer.
    pub async fn page(&self) -> Result<Page, Broken> {
        const READ: &str = "
            const shown = (name) => Array.from(document.getElementsByName(name))
                .some((field) => field.offsetParent !== null);
            return {
                where: location.href,
                title: document.title,
                text: document.body ? document.body.innerText : '',
                html: document.documentElement.outerHTML,
                form: shown('new_password') ? 'new' : shown('password') ? 'sign-in' : '',
            };";
        let url = self.driver()?.current_url().await.map_err(unreadable)?;
        let read = self.script(READ).await?;
        let text = |name: &str| read[name].as_str().unwrap_or_default().to_owned();
        Ok(Page {
            url,
            answered: !text("where").starts_with(ERROR_PAGE),
            title: text("title"),
            text: text("text"),
            html: text("html"),
            form: match text("form").as_str() {
                "new" => Some(Form::NewPassword),
                "sign-in" => Some(Form::SignIn),
                _ => None,
            },
        })
    }

    /// Logs somebody in: opens `start_url`, fills in the forms that it is
    /// shown, and ends at the first page that is none of the provider's.
    ///
    /// `start_url` is the provider's authorization endpoint, with its query,
    /// or a page of an application that leads there, such as kubelogin's
    /// `http://localhost:8000`. Whoever is signed in already, in this
    /// browser, is not asked again.
    ///
    /// # Errors
    /// [`Refusal::Refused`] with the words of the page that complains;
    /// [`Refusal::Broken`] when a page does not come.
    pub async fn sign_in(&self, start_url: &str, who: &Credentials) -> Result<Arrival, Refusal> {
        let start = parse(start_url)?;
        let mut page = self.open(start_url).await?;
        let asks_provider = start.path().ends_with("/authorize");
        let provider = if asks_provider { &start } else { &page.url }.origin();
        if !asks_provider && provider == start.origin() {
            return arrived(answered(page)?, false, Vec::new());
        }
        let mut trace = vec![format!("opened {}", without_query(&page.url))];
        let mut filled: Vec<Form> = Vec::new();
        for _ in 0..MAX_PAGES {
            if page.url.origin() != provider {
                let changed = filled.contains(&Form::NewPassword);
                return arrived(page, changed, trace);
            }
            page = answered(page)?;
            let form = match page.form {
                // The same form again: what was typed in was refused.
                Some(form) if !filled.contains(&form) => form,
                _ => {
                    return Err(refused(
                        super::http::page_complaint(&page.url, &page.html),
                        trace,
                    ));
                }
            };
            filled.push(form);
            self.fill(form, who).await?;
            if let Some(complaint) = self.complains_of_input().await? {
                return Err(refused(complaint, trace));
            }
            page = self.submit(form).await?;
            trace.push(format!("came to {}", without_query(&page.url)));
        }
        Err(Broken::new(start_url, "the login goes round in circles").into())
    }

    /// Opens the provider's logout endpoint, with its query, and says where
    /// that led.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub async fn sign_out(&self, logout_url: &str) -> Result<Page, Broken> {
        self.open(logout_url).await
    }

    /// Forgets who is signed in, everywhere.
    ///
    /// # Errors
    /// [`Broken`] when the browser does not answer.
    pub async fn forget(&self) -> Result<(), Broken> {
        self.devtools("Network.clearBrowserCookies", json!({}))
            .await
    }

    /// Writes what it shows to a PNG, `width` pixels wide and as long as the
    /// page, to somebody who likes it `dark` or light. Returns how wide the
    /// page is, in pixels: more than `width` where one has to scroll.
    ///
    /// # Errors
    /// [`Broken`] when the browser or the file fails.
    pub async fn screenshot(&self, path: &Path, width: u32, dark: bool) -> Result<u64, Broken> {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}))
            .await?;
        self.resize(width, HEIGHT).await?;
        let size = self
            .script(
                "const { scrollWidth, scrollHeight } = document.documentElement;
                 return [scrollWidth, scrollHeight];",
            )
            .await?;
        self.resize(width, size[1].as_u64().unwrap_or(HEIGHT))
            .await?;
        let png = self
            .driver()?
            .screenshot_as_png()
            .await
            .map_err(unreadable)?;
        std::fs::write(path, png)
            .map_err(|error| Broken::new(path.display().to_string(), error))?;
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({}))
            .await?;
        self.devtools("Emulation.setEmulatedMedia", json!({"features": []}))
            .await?;
        size[0]
            .as_u64()
            .ok_or_else(|| Broken::new("measure the page", size))
    }

    async fn resize(&self, width: u32, height: u64) -> Result<(), Broken> {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await
    }

    async fn fill(&self, form: Form, who: &Credentials) -> Result<(), Broken> {
        let fields = match form {
            Form::SignIn => [
                ("username", who.username.as_str()),
                ("password", who.password.expose()),
            ],
            Form::NewPassword => [
                ("new_password", who.new_password.expose().as_str()),
                ("confirm_password", who.new_password.expose()),
            ],
        };
        for (name, value) in fields {
            let typed = async {
                let field = self.shown(&format!("input[name={name}]")).await?;
                field.clear().await?;
                field.send_keys(value).await
            };
            let what = || format!("fill in {name}");
            typed
                .await
                .map_err(|error: WebDriverError| Broken::new(what(), brief(&error)))?;
        }
        Ok(())
    }

    /// What the browser itself says against the input, which it does not send
    /// then.
    async fn complains_of_input(&self) -> Result<Option<String>, Broken> {
        let said = self
            .script(
                "const wrong = document.querySelector('input:invalid');
                 return wrong ? wrong.validationMessage : null;",
            )
            .await?;
        Ok(said.as_str().map(str::to_owned))
    }

    /// Sends the form and waits for what comes of it.
    async fn submit(&self, form: Form) -> Result<Page, Broken> {
        let field = match form {
            Form::SignIn => "password",
            Form::NewPassword => "new_password",
        };
        self.script("window.sent = true").await?;
        let button = format!("form:has(input[name={field}]) [type=submit]");
        let clicked = async { self.shown(&button).await?.click().await };
        clicked
            .await
            .map_err(|error| Broken::new("send the form", brief(&error)))?;
        let watch = Stopwatch::start();
        while watch.elapsed() < LIMIT {
            // Between two documents there is nothing to ask.
            let came = self
                .script("return !window.sent && document.readyState === 'complete'")
                .await;
            if came.is_ok_and(|came| came == true) {
                return self.page().await;
            }
            pause(Duration::from_millis(10)).await;
        }
        Err(Broken::new("send the form", "no page comes of it"))
    }

    /// The element that people see of those that `css` selects.
    async fn shown(&self, css: &str) -> Result<WebElement, WebDriverError> {
        let driver = self.driver.as_ref().ok_or_else(gone)?;
        for element in driver.find_all(By::Css(css)).await? {
            if element.is_displayed().await? {
                return Ok(element);
            }
        }
        Err(WebDriverError::RequestFailed(format!(
            "the page shows no {css}"
        )))
    }

    async fn script(&self, text: &str) -> Result<Value, Broken> {
        let answer = self.driver()?.execute(text, Vec::new()).await;
        answer
            .map(|answer| answer.json().clone())
            .map_err(unreadable)
    }

    async fn devtools(&self, command: &str, arguments: Value) -> Result<(), Broken> {
        self.driver()?
            .cdp()
            .send_raw(command, arguments)
            .await
            .map(drop)
            .map_err(|error| Broken::new(command, brief(&error)))
    }

    fn driver(&self) -> Result<&WebDriver, Broken> {
        self.driver.as_ref().ok_or_else(|| unreadable(gone()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its processes are killed: there is no session to end.
        if let Some(driver) = self.driver.take() {
            let _ = driver.leak();
        }
    }
}

/// Starts chromedriver, which writes what it says to a file.
fn start_driver(programs: &Programs, folder: &Path) -> Result<(Group, std::path::PathBuf), Broken> {
    let what = programs.driver.display().to_string();
    let log = folder.join("chromedriver.log");
    let mut command = Command::new(&programs.driver);
    command
        .arg("--port=0")
        // What else Chromium keeps is to go with the profile.
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_CACHE_HOME");
    let group = std::fs::File::create(&log)
        .and_then(|output| Group::start(&command, Some(output)))
        .map_err(|error| Broken::new(what, error))?;
    Ok((group, log))
}

/// Waits until chromedriver has said where it listens.
async fn address_of_driver(group: &mut Group, log: &Path) -> Result<String, Broken> {
    let watch = Stopwatch::start();
    loop {
        let ended = group.ended();
        let said = std::fs::read_to_string(log).unwrap_or_default();
        let port = said
            .split_once("started successfully on port ")
            .and_then(|(_, rest)| rest.split_once('.'));
        if let Some((port, _)) = port {
            return Ok(format!("http://127.0.0.1:{port}"));
        }
        if ended.is_some() || watch.elapsed() > LIMIT {
            return Err(Broken::new("chromedriver does not listen", said.trim()));
        }
        pause(Duration::from_millis(10)).await;
    }
}

fn capabilities(programs: &Programs, arguments: &[String]) -> thirtyfour::Capabilities {
    let wanted = json!({
        "browserName": "chrome",
        "timeouts": {"pageLoad": LIMIT.as_millis() as u64},
        "goog:chromeOptions": {"binary": programs.browser, "args": arguments},
    });
    match wanted {
        Value::Object(wanted) => wanted.into(),
        _ => thirtyfour::Capabilities::new(),
    }
}

/// A page that somebody answered with.
fn answered(page: Page) -> Result<Page, Broken> {
    if page.answered {
        Ok(page)
    } else {
        let said = page.text.split_whitespace().collect::<Vec<_>>().join(" ");
        Err(Broken::new(without_query(&page.url), said))
    }
}

fn arrived(page: Page, password_changed: bool, trace: Vec<String>) -> Result<Arrival, Refusal> {
    Ok(Arrival {
        page,
        password_changed,
        trace,
    })
}

fn refused(because: String, trace: Vec<String>) -> Refusal {
    Refusal::Refused { because, trace }
}

fn gone() -> WebDriverError {
    WebDriverError::RequestFailed("it has ended".to_owned())
}

fn unreadable(error: WebDriverError) -> Broken {
    Broken::new("the browser", brief(&error))
}

/// What is wrong, without chromedriver's stack.
fn brief(error: &WebDriverError) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .take_while(|line| !line.starts_with('#') && !line.starts_with("Stacktrace"))
        .take(6)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The browser as a way to log in.
///
/// Logins take turns in one browser, which is started with the first and
/// forgets its cookies before each. It is kept from the redirect URI: the
/// code is read from the address, and nobody else gets it.
pub struct BrowserLogin {
    programs: Programs,
    trust: Trust,
    http: reqwest::Client,
    kept: Mutex<Option<Kept>>,
}

/// A browser, and the host and port that it does not go to.
struct Kept {
    browser: Browser,
    unreached: String,
}

impl BrowserLogin {
    /// A driver that trusts `roots` where it discovers the provider and
    /// exchanges codes, and `trust` in the browser.
    ///
    /// # Errors
    /// [`Broken`] when TLS cannot be set up.
    pub fn new(
        programs: Programs,
        trust: Trust,
        roots: rustls::RootCertStore,
    ) -> Result<Self, Broken> {
        let http = crate::client::https(roots, None, trust.proxy.as_deref())?;
        Ok(Self {
            programs,
            trust,
            http,
            kept: Mutex::new(None),
        })
    }

    async fn run(&self, request: &Request) -> Result<Session, Refusal> {
        let mut flow = CodeFlow::new(self.http.clone());
        let discovery = flow.discover(&request.issuer).await?;
        let authorization = Authorization::new(&discovery, request)?;
        let arrival = self.walk(&authorization, request).await?;
        flow.trace.extend(arrival.trace);
        if !authorization.is_callback(&arrival.page.url) {
            let url = without_query(&arrival.page.url);
            return Err(Broken::new(url, "the login ended there, not at the redirect URI").into());
        }
        let code = flow.code_of(&arrival.page.url, &authorization)?;
        let mut session = flow.exchange(&discovery, request, &code).await?;
        session.password_changed = arrival.password_changed;
        Ok(session)
    }

    async fn walk(
        &self,
        authorization: &Authorization,
        request: &Request,
    ) -> Result<Arrival, Refusal> {
        let unreached = host_and_port(&parse(&request.redirect_uri)?);
        let mut kept = self.kept.lock().await;
        let usable = kept.take().filter(|kept| kept.unreached == unreached);
        let Kept { browser, .. } = match usable {
            Some(usable) => usable,
            None => self.start(&unreached).await?,
        };
        browser.forget().await?;
        let who = Credentials {
            username: request.username.clone(),
            password: request.password.clone(),
            new_password: request.new_password.clone(),
        };
        let outcome = browser.sign_in(authorization.url.as_str(), &who).await;
        // One that failed is not trusted with the next login.
        if !matches!(outcome, Err(Refusal::Broken(_))) {
            *kept = Some(Kept { browser, unreached });
        }
        outcome
    }

    async fn start(&self, unreached: &str) -> Result<Kept, Broken> {
        let rule = format!("--host-resolver-rules=MAP {unreached} ~NOTFOUND");
        Ok(Kept {
            browser: Browser::start_with(&self.programs, &self.trust, &[rule]).await?,
            unreached: unreached.to_owned(),
        })
    }
}

impl Login for BrowserLogin {
    fn login<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Session, Refusal>> {
        Box::pin(self.run(request))
    }
}

fn host_and_port(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or(80);
    format!("{}:{port}", url.host_str().unwrap_or_default())
}
