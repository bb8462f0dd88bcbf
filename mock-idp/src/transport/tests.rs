//! A pool with a domain, people and a client, and a browser to visit it with:
//! what the tests of all transports stand on. And the tests of the routing.

use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use foundation::clock::Clock;
use foundation::secret::Secret;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::domain::client::{ClientSettings, OAuthFlow};
use crate::domain::pool::{PoolSettings, UsernameAttribute};
use crate::domain::{ClientId, PoolId};
use crate::flow::Idp;
use crate::flow::admin::{
    CreatePool, CreateUser, MessageAction, NewAttribute, NewClient, NewGroup,
};
use crate::{Address, Config, KeyBank, MockIdp, Origin, Pins};

pub(crate) const ORIGIN: &str = "https://127.0.0.1:8443";
pub(crate) const CONTROL_TOKEN: &str = "control-token-of-the-tests";
pub(crate) const DOMAIN: &str = "kubedemyeksoidc";
pub(crate) const CALLBACK: &str = "http://localhost:8000";
pub(crate) const USER: &str = "test@kubedemy.io";
pub(crate) const TEMPORARY: &str = "H3lloW@rlD";
pub(crate) const PASSWORD: &str = "Chos3n-by-me!";

/// Keys for all tests of this process, each drawn once.
static KEYS: LazyLock<KeyBank> = LazyLock::new(|| KeyBank::in_memory(2));

/// One mock identity provider as the tutorial sets it up, on a clock that
/// stands still.
pub(crate) struct Rig {
    pub idp: Idp,
    pub router: Router,
    pub pool: PoolId,
    pub client: ClientId,
}

impl Rig {
    /// The pool, its domain, the group, the user with a temporary password and
    /// the client of the tutorial.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Like [`Rig::new`], with other settings of the client.
    pub(crate) fn with(change: impl FnOnce(&mut ClientSettings)) -> Self {
        Self::of(Vec::new(), change)
    }

    /// Like [`Rig::new`], with more attributes in the pool's schema, which the
    /// client may write.
    pub(crate) fn with_schema(schema: Vec<NewAttribute>) -> Self {
        Self::of(schema, |settings| settings.write_attributes = None)
    }

    fn of(schema: Vec<NewAttribute>, change: impl FnOnce(&mut ClientSettings)) -> Self {
        let mock = MockIdp::new(Config {
            clock: Clock::fixed("2026-11-23T21:00:00Z".parse().expect("a time")),
            region: "eu-west-2".to_owned(),
            account: "000000000000".to_owned(),
            address: Address::Local(Origin::parse(ORIGIN).expect("an origin")),
            pins: Pins::default(),
            seed: None,
            keybank: KEYS.clone(),
            control_token: Secret::new(CONTROL_TOKEN.to_owned()),
        });
        let idp = mock.idp().clone();
        let (pool, client) = furnish(&idp, "kubedemy", DOMAIN, schema, change);
        Self {
            idp,
            router: mock.router(),
            pool,
            client,
        }
    }

    /// A second pool like the first, with this domain.
    pub(crate) fn another_pool(&self, domain: &str) -> (PoolId, ClientId) {
        furnish(&self.idp, domain, domain, Vec::new(), |_| {})
    }

    /// A browser without cookies.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.router.clone())
    }

    /// The query of the authorize request that kubelogin sends.
    pub(crate) fn query(&self) -> String {
        self.query_with(&[])
    }

    /// That query with some parameters replaced (or added, or, where the value
    /// is empty, left out).
    pub(crate) fn query_with(&self, changes: &[(&str, &str)]) -> String {
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", self.client.as_str()),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("state", "s-1"),
            ("nonce", "n-1"),
        ];
        for (name, value) in changes {
            pairs.retain(|(key, _)| key != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        encode(&pairs)
    }

    /// The path of a page of the domain.
    pub(crate) fn at(&self, page: &str) -> String {
        format!("/domains/{DOMAIN}/{page}")
    }

    /// Gives the user the password of their own, as the forced change would.
    pub(crate) fn confirm(&self) {
        confirm(&self.idp, &self.pool);
    }

    /// Signs the user in at a fresh browser; the code for this query.
    pub(crate) async fn code(&self, query: &str) -> String {
        self.confirm();
        let mut browser = self.browser();
        let login = browser
            .get(&self.at(&format!("oauth2/authorize?{query}")))
            .await
            .follow(&mut browser)
            .await;
        let back = browser.submit(&login, &credentials(PASSWORD)).await;
        back.callback().get("code").expect("a code").clone()
    }

    /// Posts a form to the token endpoint.
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.browser()
            .post(&self.at("oauth2/token"), &encode(form), &[])
            .await
    }

    /// Exchanges a code as the public client does.
    pub(crate) async fn exchange(&self, code: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", self.client.as_str()),
            ("code", code),
            ("redirect_uri", CALLBACK),
        ])
        .await
    }

    /// Creates a user who is told so.
    pub(crate) fn invite(&self, email: &str) {
        self.idp
            .create_user(
                &self.pool,
                CreateUser {
                    username: email.to_owned(),
                    attributes: Vec::new(),
                    temporary_password: Some(Secret::new(TEMPORARY.to_owned())),
                    message: None,
                    mediums: Vec::new(),
                    force_alias: false,
                },
            )
            .expect("a user");
    }

    /// Moves the clock.
    pub(crate) fn wait(&self, duration: Duration) {
        self.idp.clock().advance(duration).expect("a fixed clock");
    }
}

fn furnish(
    idp: &Idp,
    name: &str,
    domain: &str,
    schema: Vec<NewAttribute>,
    change: impl FnOnce(&mut ClientSettings),
) -> (PoolId, ClientId) {
    let pool = idp
        .create_pool(
            "eu-west-2",
            CreatePool {
                name: name.to_owned(),
                settings: PoolSettings::default(),
                username_attributes: vec![UsernameAttribute::Email],
                alias_attributes: Vec::new(),
                case_sensitivity: Some(false),
                schema,
                tags: [].into(),
            },
        )
        .expect("a pool")
        .id
        .clone();
    idp.create_domain(&pool, domain, None, None)
        .expect("a domain");
    idp.create_group(
        &pool,
        NewGroup {
            name: "admins".to_owned(),
            description: None,
            role_arn: None,
            precedence: None,
        },
    )
    .expect("a group");
    idp.create_user(
        &pool,
        CreateUser {
            username: USER.to_owned(),
            attributes: Vec::new(),
            temporary_password: Some(Secret::new(TEMPORARY.to_owned())),
            message: Some(MessageAction::Suppress),
            mediums: Vec::new(),
            force_alias: false,
        },
    )
    .expect("a user");
    idp.add_user_to_group(&pool, USER, "admins")
        .expect("a member");
    let mut settings = ClientSettings {
        read_attributes: Some(vec!["profile".to_owned(), "email".to_owned()]),
        write_attributes: Some(vec!["profile".to_owned()]),
        callback_urls: vec![CALLBACK.to_owned(), "http://localhost:18000".to_owned()],
        allowed_oauth_flows: vec![OAuthFlow::Code],
        allowed_oauth_scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
        oauth_enabled: true,
        identity_providers: vec!["COGNITO".to_owned()],
        ..ClientSettings::default()
    };
    change(&mut settings);
    let client = idp
        .create_client(
            &pool,
            NewClient {
                name: "eks".to_owned(),
                generate_secret: false,
                secret: None,
                settings,
            },
        )
        .expect("a client");
    (pool, client.id.clone())
}

/// Makes [`PASSWORD`] the permanent password of [`USER`].
pub(crate) fn confirm(idp: &Idp, pool: &PoolId) {
    idp.set_user_password(pool, USER, &Secret::new(PASSWORD.to_owned()), true)
        .expect("a password that conforms");
}

/// What a person types into the sign-in page.
pub(crate) fn credentials(password: &str) -> [(&'static str, String); 2] {
    [
        ("username", USER.to_owned()),
        ("password", password.to_owned()),
    ]
}

/// What a person types into the page for a new password.
pub(crate) fn new_password(once: &str, again: &str) -> [(&'static str, String); 2] {
    [
        ("new_password", once.to_owned()),
        ("confirm_password", again.to_owned()),
    ]
}

/// `application/x-www-form-urlencoded` text.
pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// A browser in what matters here: cookies by path, forms, no scripts.
pub(crate) struct Browser {
    router: Router,
    /// Path, name, value.
    pub cookies: Vec<(String, String, String)>,
}

/// What came back.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Browser {
    fn new(router: Router) -> Self {
        Self {
            router,
            cookies: Vec::new(),
        }
    }

    pub(crate) async fn get(&mut self, uri: &str) -> Answer {
        self.send(Request::get(uri), Body::empty()).await
    }

    pub(crate) async fn post(&mut self, uri: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            Request::post(uri).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, Body::from(form.to_owned())).await
    }

    /// Fills in the form on `page` and sends it to where the form says.
    pub(crate) async fn submit(&mut self, page: &Answer, typed: &[(&str, String)]) -> Answer {
        let mut fields = page.hidden_fields();
        for (name, value) in typed {
            fields.retain(|(field, _)| field != name);
            fields.push(((*name).to_owned(), value.clone()));
        }
        let fields: Vec<_> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        let headers = [("sec-fetch-site", "same-origin"), ("origin", "null")];
        self.post(&page.form_action(), &encode(&fields), &headers)
            .await
    }

    pub(crate) async fn send(&mut self, request: http::request::Builder, body: Body) -> Answer {
        let path = request
            .uri_ref()
            .map(|uri| uri.path().to_owned())
            .unwrap_or_default();
        let sent: Vec<_> = self
            .cookies
            .iter()
            .filter(|(at, ..)| path == *at || path.starts_with(&format!("{at}/")))
            .map(|(_, name, value)| format!("{name}={value}"))
            .collect();
        let request = match sent.is_empty() {
            true => request,
            false => request.header(COOKIE, sent.join("; ")),
        };
        let request = request
            .header("host", "127.0.0.1:8443")
            .body(body)
            .expect("a request");
        let answer = fetch(&self.router, request).await;
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.cookies() {
            let mut parts = line.split("; ");
            let (name, value) = parts
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a name and a value");
            let path = parts
                .find_map(|part| part.strip_prefix("Path="))
                .expect("a path");
            self.cookies
                .retain(|(at, known, _)| (&**at, &**known) != (path, name));
            if !line.contains("Max-Age=0") {
                self.cookies
                    .push((path.to_owned(), name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The value of the cookie `name`.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies
            .iter()
            .find(|(_, known, _)| known == name)
            .map(|(.., value)| value.as_str())
    }
}

/// Sends one request.
pub(crate) async fn fetch(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .expect("a body");
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).expect("text"),
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("plain text"))
            .unwrap_or_default()
    }

    pub(crate) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    pub(crate) fn cookies(&self) -> impl Iterator<Item = &str> {
        self.headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("plain text"))
    }

    /// Follows a redirect inside our own origin.
    pub(crate) async fn follow(&self, browser: &mut Browser) -> Self {
        assert_eq!(self.status, StatusCode::FOUND, "{}", self.body);
        let location = self.location().to_owned();
        assert!(location.starts_with('/'), "leads away: {location}");
        browser.get(&location).await
    }

    /// The parameters of a redirect to the client's callback.
    pub(crate) fn callback(&self) -> std::collections::BTreeMap<String, String> {
        assert_eq!(self.status, StatusCode::FOUND, "{}", self.body);
        let location = self.location();
        let (uri, query) = location.split_once('?').expect("a query");
        assert_eq!(uri, CALLBACK);
        url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    /// Where the page's form goes.
    pub(crate) fn form_action(&self) -> String {
        between(&self.body, "action=\"", "\"").expect("a form")
    }

    /// The page's fields that have a value already.
    pub(crate) fn hidden_fields(&self) -> Vec<(String, String)> {
        self.body
            .split("<input ")
            .skip(1)
            .filter_map(|input| {
                let input = input.split('>').next()?;
                Some((
                    between(input, "name=\"", "\"")?,
                    between(input, "value=\"", "\"")?,
                ))
            })
            .collect()
    }

    /// What the page complains of.
    pub(crate) fn complaint(&self) -> Option<String> {
        let (_, rest) = self.body.split_once("id=\"loginErrorMessage\"")?;
        between(rest, ">", "</p>")
    }
}

/// The text between two marks, with HTML's five escapes undone.
fn between(text: &str, from: &str, to: &str) -> Option<String> {
    let (_, rest) = text.split_once(from)?;
    let (inside, _) = rest.split_once(to)?;
    let mut inside = inside.to_owned();
    for (escaped, plain) in [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ] {
        inside = inside.replace(escaped, plain);
    }
    Some(inside)
}

// ---- routing --------------------------------------------------------------

#[rstest]
#[case::nowhere("/nowhere")]
#[case::the_root("/favicon.ico")]
#[case::deep("/a/b/c")]
#[tokio::test]
async fn an_unknown_path_is_not_understood(#[case] path: &str) {
    let answer = Rig::new().browser().get(path).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.body,
        r#"{"code":"BadRequest","message":"The server did not understand the operation that was requested.","type":"client"}"#
    );
}

#[tokio::test]
async fn an_unknown_page_of_a_domain_is_a_page() {
    let rig = Rig::new();
    for path in [rig.at("nothing"), rig.at("oauth2/nothing")] {
        let answer = rig.browser().get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.header("content-type").starts_with("text/html"));
    }
}

#[tokio::test]
async fn a_request_is_recorded_without_what_is_secret() {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    rig.exchange(&code).await;
    let describe = Request::post("/")
        .header(
            "x-amz-target",
            "AWSCognitoIdentityProviderService.ListUserPools",
        )
        .header("content-type", "application/x-amz-json-1.1");
    let body = Body::from(r#"{"MaxResults":1,"NextToken":"s-1"}"#);
    rig.browser().send(describe, body).await;
    let request = Request::builder()
        .method(Method::GET)
        .uri("/_rolecall/requests")
        .header("authorization", format!("Bearer {CONTROL_TOKEN}"))
        .body(Body::empty())
        .expect("a request");
    let answer = fetch(&rig.router, request).await;
    let body = answer.json();
    let requests = body["requests"].as_array().expect("a list");
    assert_eq!(requests[4]["operation"], "ListUserPools");
    let seen: Vec<_> = requests[..4]
        .iter()
        .map(|r| json!([r["method"], r["path"], r["status"]]))
        .collect();
    assert_eq!(
        seen,
        [
            json!(["GET", rig.at("oauth2/authorize"), 302]),
            json!(["GET", rig.at("login"), 200]),
            json!(["POST", rig.at("login"), 302]),
            json!(["POST", rig.at("oauth2/token"), 200]),
        ]
    );
    for secret in [code.as_str(), PASSWORD, "s-1"] {
        assert!(!answer.body.contains(secret), "{secret} in {}", answer.body);
    }
}
