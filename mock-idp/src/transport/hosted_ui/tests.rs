//! The pages as a browser without scripts meets them.

use std::time::Duration;

use http::{Request, StatusCode};
use rstest::rstest;

use crate::domain::client::OAuthFlow;
use crate::flow::admin::NewAttribute;
use crate::transport::tests::{
    Answer, Browser, CALLBACK, DOMAIN, PASSWORD, Rig, TEMPORARY, USER, confirm, credentials,
    encode, new_password,
};

async fn login_page(rig: &Rig, browser: &mut Browser) -> Answer {
    let start = rig.at(&format!("oauth2/authorize?{}", rig.query()));
    browser.get(&start).await.follow(browser).await
}

/// Signs in with the temporary password; the page for a new one.
async fn challenged(browser: &mut Browser, login: &Answer) -> Answer {
    let asked = browser.submit(login, &credentials(TEMPORARY)).await;
    asked.follow(browser).await
}

/// The page that a refused request ends at, which is never the client's.
async fn error_page(rig: &Rig, path: &str) -> Answer {
    let mut browser = rig.browser();
    let answer = browser.get(path).await;
    let location = answer.location();
    assert!(
        location.starts_with(&rig.at("error?error=")),
        "{path} leads to {location:?}"
    );
    answer.follow(&mut browser).await
}

// ---- signing in -----------------------------------------------------------

#[tokio::test]
async fn a_temporary_password_leads_through_a_new_one_to_a_code() {
    let rig = Rig::new();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let change = challenged(&mut browser, &login).await;
    assert_eq!(change.status, StatusCode::OK);
    assert!(change.body.contains("id=\"new_password\""));
    assert!(change.body.contains("id=\"confirm_password\""));
    assert!(change.body.contains("name=\"reset_password\""));

    let back = browser
        .submit(&change, &new_password(PASSWORD, PASSWORD))
        .await;
    let callback = back.callback();
    assert_eq!(callback["state"], "s-1");
    assert_eq!(callback.len(), 2, "code and state alone: {callback:?}");
    let tokens = rig.exchange(&callback["code"]).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
    assert!(tokens.json()["id_token"].is_string());
    assert_eq!(browser.cookie("cognito-challenge"), None);

    // From now on the new one counts, and the temporary one does not.
    let mut other = rig.browser();
    let login = login_page(&rig, &mut other).await;
    let refused = other.submit(&login, &credentials(TEMPORARY)).await;
    assert_eq!(
        refused.complaint().as_deref(),
        Some("Incorrect username or password.")
    );
    let login = login_page(&rig, &mut other).await;
    let accepted = other.submit(&login, &credentials(PASSWORD)).await;
    assert!(accepted.callback().contains_key("code"));
}

#[rstest]
#[case::too_short(
    "Ab1!",
    "Ab1!",
    "Password did not conform with policy: Password not long enough"
)]
#[case::no_symbol(
    "Abcdefgh1",
    "Abcdefgh1",
    "Password did not conform with policy: Password must have symbol characters"
)]
#[case::differing(
    "Chos3n-by-me!",
    "Chos3n-by-me?",
    "The two passwords are not the same."
)]
#[tokio::test]
async fn a_refused_new_password_can_be_tried_again(
    #[case] once: &str,
    #[case] again: &str,
    #[case] complaint: &str,
) {
    let rig = Rig::new();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let change = challenged(&mut browser, &login).await;
    let refused = browser.submit(&change, &new_password(once, again)).await;
    assert_eq!(refused.status, StatusCode::OK);
    assert_eq!(refused.complaint().as_deref(), Some(complaint));
    assert!(!refused.body.contains(once), "a password in the page");
    let back = browser
        .submit(&refused, &new_password(PASSWORD, PASSWORD))
        .await;
    assert!(back.callback().contains_key("code"));
}

#[tokio::test]
async fn the_page_for_a_new_password_can_be_loaded_again_but_only_by_who_signed_in() {
    let rig = Rig::new();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let change = challenged(&mut browser, &login).await;
    assert!(change.body.contains(&format!("value=\"{USER}\"")));
    assert!(change.body.contains("At least 8 characters"));
    let uri = rig.at(&format!("changePassword?{}", rig.query()));
    assert_eq!(browser.get(&uri).await.status, StatusCode::OK);
    let mut other = rig.browser();
    let start = other.get(&uri).await.follow(&mut other).await;
    assert!(start.body.contains("signInFormUsername"));
}

#[tokio::test]
async fn required_attributes_that_are_missing_are_asked_for_too() {
    let rig = Rig::with_schema(vec![NewAttribute {
        name: "given_name".to_owned(),
        required: Some(true),
        mutable: Some(true),
        ..NewAttribute::default()
    }]);
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let change = challenged(&mut browser, &login).await;
    assert!(
        change.body.contains(">Given name</label>"),
        "{}",
        change.body
    );

    let name = ("requiredAttributes[given_name]", "Ada <3".to_owned());
    let mut typed = new_password("short", "short").to_vec();
    typed.push(name.clone());
    let refused = browser.submit(&change, &typed).await;
    assert!(refused.complaint().is_some());
    assert!(
        refused
            .hidden_fields()
            .contains(&(name.0.to_owned(), name.1))
    );

    let back = browser
        .submit(&refused, &new_password(PASSWORD, PASSWORD))
        .await;
    assert!(back.callback().contains_key("code"));
    let user = rig.idp.user(&rig.pool, USER).expect("a user");
    assert_eq!(user.attributes.get("given_name"), Some("Ada <3"));
}

#[tokio::test]
async fn a_challenge_that_is_over_leads_back_to_signing_in() {
    let rig = Rig::new();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let change = challenged(&mut browser, &login).await;
    rig.wait(Duration::from_secs(4 * 60));
    let over = browser
        .submit(&change, &new_password(PASSWORD, PASSWORD))
        .await;
    assert!(over.body.contains("signInFormUsername"), "{}", over.body);
    assert!(over.complaint().is_some());
    assert_eq!(browser.cookie("cognito-challenge"), None);
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_cognitos_words() {
    let rig = Rig::new();
    rig.confirm();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let refused = browser.submit(&login, &credentials("Wr0ng-wrong!")).await;
    assert_eq!(refused.status, StatusCode::OK);
    assert_eq!(
        refused.complaint().as_deref(),
        Some("Incorrect username or password.")
    );
    assert!(refused.body.contains(&format!("value=\"{USER}\"")));
    assert!(!refused.body.contains("Wr0ng-wrong!"));
    assert_eq!(browser.cookie("cognito"), None);
    let back = browser.submit(&refused, &credentials(PASSWORD)).await;
    assert!(back.callback().contains_key("code"));
}

#[tokio::test]
async fn who_is_signed_in_goes_straight_back() {
    let rig = Rig::new();
    rig.confirm();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    browser.submit(&login, &credentials(PASSWORD)).await;
    for page in ["oauth2/authorize", "authorize", "login"] {
        let again = browser
            .get(&rig.at(&format!("{page}?{}", rig.query())))
            .await;
        assert!(again.callback().contains_key("code"), "{page}");
    }
    let asked = rig.query_with(&[("prompt", "login")]);
    let page = browser
        .get(&rig.at(&format!("oauth2/authorize?{asked}")))
        .await
        .follow(&mut browser)
        .await;
    assert_eq!(page.status, StatusCode::OK, "prompt=login asks again");

    rig.wait(Duration::from_secs(3601));
    let later = login_page(&rig, &mut browser).await;
    assert_eq!(later.status, StatusCode::OK, "a session lasts an hour");
}

#[tokio::test]
async fn every_sign_in_opens_a_session_of_its_own() {
    let rig = Rig::new();
    rig.confirm();
    let mut browser = rig.browser();
    browser.cookies.push((
        format!("/domains/{DOMAIN}"),
        "cognito".to_owned(),
        "fixed-by-somebody-else".to_owned(),
    ));
    let login = login_page(&rig, &mut browser).await;
    browser.submit(&login, &credentials(PASSWORD)).await;
    let first = browser.cookie("cognito").expect("a session").to_owned();
    assert_ne!(first, "fixed-by-somebody-else");

    let asked = rig.query_with(&[("prompt", "login")]);
    let again = browser.get(&rig.at(&format!("login?{asked}"))).await;
    browser.submit(&again, &credentials(PASSWORD)).await;
    assert_ne!(browser.cookie("cognito"), Some(first.as_str()));

    let mut thief = rig.browser();
    thief.cookies = vec![(format!("/domains/{DOMAIN}"), "cognito".to_owned(), first)];
    let page = login_page(&rig, &mut thief).await;
    assert_eq!(page.status, StatusCode::OK, "the former session is over");
}

#[tokio::test]
async fn nobody_is_asked_where_the_client_forbids_it() {
    let rig = Rig::new();
    let query = rig.query_with(&[("prompt", "none")]);
    let answer = rig
        .browser()
        .get(&rig.at(&format!("oauth2/authorize?{query}")))
        .await;
    let callback = answer.callback();
    assert_eq!(callback["error"], "login_required");
    assert_eq!(callback["state"], "s-1");
}

#[tokio::test]
async fn a_login_hint_fills_in_the_user_name() {
    let rig = Rig::new();
    let query = rig.query_with(&[("login_hint", "ada@example.org")]);
    let page = rig.browser().get(&rig.at(&format!("login?{query}"))).await;
    assert!(page.body.contains("value=\"ada@example.org\""));
}

// ---- forgery, cookies, headers --------------------------------------------

#[rstest]
#[case::none("", None, &[])]
#[case::not_in_the_form("", Some("5e6a1b1e-6f0f-4c55-9a53-0d4f4f7b5f10"), &[])]
#[case::not_in_a_cookie("5e6a1b1e-6f0f-4c55-9a53-0d4f4f7b5f10", None, &[])]
#[case::another_sessions(
    "5e6a1b1e-6f0f-4c55-9a53-0d4f4f7b5f10",
    Some("00000000-6f0f-4c55-9a53-0d4f4f7b5f10"),
    &[]
)]
#[case::from_another_origin(
    "5e6a1b1e-6f0f-4c55-9a53-0d4f4f7b5f10",
    Some("5e6a1b1e-6f0f-4c55-9a53-0d4f4f7b5f10"),
    &[("origin", "https://evil.example")]
)]
#[case::from_another_site(
    "5e6a1b1e-6f0f-4c55-9a53-0d4f4f7b5f10",
    Some("5e6a1b1e-6f0f-4c55-9a53-0d4f4f7b5f10"),
    &[("origin", "null"), ("sec-fetch-site", "cross-site")]
)]
#[tokio::test]
async fn a_form_from_elsewhere_is_refused(
    #[case] field: &str,
    #[case] cookie: Option<&str>,
    #[case] headers: &[(&str, &str)],
) {
    let rig = Rig::new();
    rig.confirm();
    let form = encode(&[("_csrf", field), ("username", USER), ("password", PASSWORD)]);
    for page in ["login", "changePassword"] {
        let mut browser = rig.browser();
        if let Some(cookie) = cookie {
            let path = format!("/domains/{DOMAIN}");
            let cookie = (path, "XSRF-TOKEN".to_owned(), cookie.to_owned());
            browser.cookies.push(cookie);
        }
        let uri = rig.at(&format!("{page}?{}", rig.query()));
        let answer = browser.post(&uri, &form, headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.header("content-type").starts_with("text/html"));
        assert_eq!(browser.cookie("cognito"), None);
    }
}

#[tokio::test]
async fn a_form_from_our_own_origin_is_taken() {
    let rig = Rig::new();
    rig.confirm();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let csrf = browser.cookie("XSRF-TOKEN").expect("a token").to_owned();
    let form = encode(&[
        ("_csrf", &csrf),
        ("username", USER),
        ("password", PASSWORD),
        ("cognitoAsfData", "ignored"),
        ("signInSubmitButton", "Sign in"),
    ]);
    let headers = [("origin", "https://127.0.0.1:8443")];
    let back = browser.post(&login.form_action(), &form, &headers).await;
    assert!(back.callback().contains_key("code"));
}

#[tokio::test]
async fn a_second_tab_does_not_spoil_the_form_in_the_first() {
    let rig = Rig::new();
    rig.confirm();
    let mut browser = rig.browser();
    let first = login_page(&rig, &mut browser).await;
    login_page(&rig, &mut browser).await;
    let back = browser.submit(&first, &credentials(PASSWORD)).await;
    assert!(back.callback().contains_key("code"));
}

#[tokio::test]
async fn cookies_are_for_their_domain_for_https_and_not_for_scripts() {
    let rig = Rig::new();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let asked = browser.submit(&login, &credentials(TEMPORARY)).await;
    let change = asked.follow(&mut browser).await;
    let back = browser
        .submit(&change, &new_password(PASSWORD, PASSWORD))
        .await;
    let out = browser
        .get(&rig.at(&format!("logout?{}", rig.query())))
        .await;
    let all: Vec<_> = [&login, &asked, &change, &back, &out]
        .into_iter()
        .flat_map(|answer| answer.cookies())
        .collect();
    for name in ["XSRF-TOKEN=", "cognito-challenge=", "cognito="] {
        assert!(all.iter().any(|line| line.starts_with(name)), "{name}");
    }
    for line in all {
        let flags: Vec<_> = line.split("; ").skip(1).collect();
        assert!(flags.contains(&"Path=/domains/kubedemyeksoidc"), "{line}");
        for flag in ["Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(flags.contains(&flag), "{flag} in {line}");
        }
    }
    let session = back.cookies().find(|line| line.starts_with("cognito="));
    assert!(session.is_some_and(|line| line.contains("; Max-Age=3600;")));
}

#[tokio::test]
async fn every_page_and_redirect_has_the_security_headers() {
    let rig = Rig::new();
    let mut browser = rig.browser();
    let query = rig.query();
    let login = browser.get(&rig.at(&format!("login?{query}"))).await;
    let answers = [
        browser
            .get(&rig.at(&format!("oauth2/authorize?{query}")))
            .await,
        challenged(&mut browser, &login).await,
        browser.get(&rig.at("error?error=redirect_mismatch")).await,
        browser.get(&rig.at("nothing")).await,
        browser.get("/domains/nosuchdomain/login").await,
        browser
            .post(&rig.at(&format!("login?{query}")), "", &[])
            .await,
        browser
            .send(Request::put(rig.at("login")), axum::body::Body::empty())
            .await,
        login,
    ];
    for answer in answers {
        let name = format!("{} {}", answer.status, answer.location());
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{name}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{name}");
        assert!(
            answer.header("cache-control").contains("no-store"),
            "{name}"
        );
        if answer.status != StatusCode::FOUND {
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("default-src 'none'"), "{name}");
            assert!(policy.contains("frame-ancestors 'none'"), "{name}");
            assert!(!answer.body.contains("<script"), "{name}");
            assert!(!answer.body.contains(" style="), "{name}");
        }
    }
}

#[tokio::test]
async fn two_pools_on_one_origin_never_share_a_session() {
    let rig = Rig::new();
    rig.confirm();
    // The second name begins with the first: their paths must not mix either.
    let (pool, client) = rig.another_pool("kubedemyeksoidc2");
    confirm(&rig.idp, &pool);
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    browser.submit(&login, &credentials(PASSWORD)).await;
    let query = rig.query_with(&[("client_id", client.as_str())]);
    let start = format!("/domains/kubedemyeksoidc2/oauth2/authorize?{query}");
    let page = browser.get(&start).await.follow(&mut browser).await;
    assert_eq!(page.status, StatusCode::OK, "the browser sends no cookie");

    // Nor where somebody carries the cookie over by hand.
    let session = browser.cookie("cognito").expect("a session").to_owned();
    let path = "/domains/kubedemyeksoidc2".to_owned();
    browser.cookies.push((path, "cognito".to_owned(), session));
    let page = browser.get(&start).await.follow(&mut browser).await;
    assert_eq!(page.status, StatusCode::OK, "the pool does not know it");
}

#[tokio::test]
async fn a_client_of_another_pool_is_unknown_at_this_domain() {
    let rig = Rig::new();
    let (_, client) = rig.another_pool("another");
    let query = rig.query_with(&[("client_id", client.as_str())]);
    let page = error_page(&rig, &rig.at(&format!("oauth2/authorize?{query}"))).await;
    assert!(page.body.contains("Client does not exist."));
}

// ---- requests that are not in order ---------------------------------------

#[rstest]
#[case::unregistered("https://evil.example/")]
#[case::trailing_slash("http://localhost:8000/")]
#[case::suffix("http://localhost:8000evil")]
#[case::subdomain("http://localhost:8000.evil.example")]
#[case::climbing("http://localhost:8000/../evil")]
#[case::query("http://localhost:8000?x=1")]
#[case::other_port("http://localhost:8001")]
#[case::other_scheme("https://localhost:8000")]
#[case::other_name("http://127.0.0.1:8000")]
#[case::upper_case("http://LOCALHOST:8000")]
#[case::user_info("http://localhost:8000@evil.example")]
#[case::backslash("http://localhost:8000\\@evil.example")]
#[case::encoded("http://localhost:8000/%2f%2e%2e")]
#[case::protocol_relative("//evil.example")]
#[case::tab("http://localhost:8000\t.evil.example")]
#[case::newline("http://localhost:8000\r\nSet-Cookie: x=y")]
#[case::fragment("http://localhost:8000#x")]
#[case::script("javascript:alert(1)")]
#[case::data("data:text/html,x")]
#[tokio::test]
async fn no_one_is_sent_where_the_client_is_not_known_to_be(#[case] redirect_uri: &str) {
    let rig = Rig::new();
    let query = rig.query_with(&[("redirect_uri", redirect_uri)]);
    for page in ["oauth2/authorize", "login"] {
        let shown = error_page(&rig, &rig.at(&format!("{page}?{query}"))).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
        assert!(shown.body.contains("redirect_mismatch"), "{}", shown.body);
        assert!(
            shown
                .body
                .contains("An error was encountered with the requested page.")
        );
        assert_eq!(shown.location(), "");
    }
}

#[rstest]
#[case::unknown_client(&[("client_id", "nosuchclient00000000000000")], "Client does not exist.")]
#[case::hostile_client(&[("client_id", "<script>alert(1)</script>")], "Client does not exist.")]
#[case::no_client(&[("client_id", "")], "An error was encountered")]
#[tokio::test]
async fn a_client_that_is_unknown_is_told_to_the_person(
    #[case] changes: &[(&str, &str)],
    #[case] text: &str,
) {
    let rig = Rig::new();
    let query = rig.query_with(changes);
    let page = error_page(&rig, &rig.at(&format!("oauth2/authorize?{query}"))).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains(text), "{}", page.body);
    assert!(!page.body.contains("<script"));
}

#[tokio::test]
async fn an_endless_client_id_is_not_repeated() {
    let rig = Rig::new();
    let long = "a".repeat(10 * 1024);
    let query = rig.query_with(&[("client_id", &long)]);
    let page = error_page(&rig, &rig.at(&format!("oauth2/authorize?{query}"))).await;
    assert!(!page.body.contains(&long[..200]));
}

#[rstest]
#[case::redirect_uri("redirect_uri", "http://localhost:18000")]
#[case::client_id("client_id", "other")]
#[tokio::test]
async fn where_to_return_to_is_said_once(#[case] name: &str, #[case] second: &str) {
    let rig = Rig::new();
    let query = format!("{}&{}", rig.query(), encode(&[(name, second)]));
    let page = error_page(&rig, &rig.at(&format!("oauth2/authorize?{query}"))).await;
    assert!(page.body.contains("invalid_request"));
}

#[rstest]
#[case::no_response_type(&[("response_type", "")], "invalid_request")]
#[case::implicit_not_allowed(&[("response_type", "token")], "unauthorized_client")]
#[case::unknown_scope(&[("scope", "openid nonsense")], "invalid_scope")]
#[case::plain_pkce(
    &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), ("code_challenge_method", "plain")],
    "invalid_request"
)]
#[case::pkce_without_method(
    &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")],
    "invalid_request"
)]
#[case::form_post(&[("response_mode", "form_post")], "invalid_request")]
#[case::contradictory_prompt(&[("prompt", "none login")], "invalid_request")]
#[tokio::test]
async fn other_errors_go_to_the_client_with_its_state(
    #[case] changes: &[(&str, &str)],
    #[case] error: &str,
) {
    let rig = Rig::new();
    let query = rig.query_with(changes);
    let answer = rig
        .browser()
        .get(&rig.at(&format!("oauth2/authorize?{query}")))
        .await;
    let location = answer.location();
    assert!(location.starts_with(CALLBACK), "{location}");
    assert!(location.contains(&format!("error={error}")), "{location}");
    assert!(location.contains("state=s-1"), "{location}");
    assert!(!location.contains("code="), "{location}");
}

#[rstest]
#[case("state=other")]
#[case("scope=email")]
#[case("response_type=token")]
#[tokio::test]
async fn a_parameter_given_twice_is_the_clients_error(#[case] second: &str) {
    let rig = Rig::new();
    let query = format!("{}&{second}", rig.query());
    let answer = rig
        .browser()
        .get(&rig.at(&format!("oauth2/authorize?{query}")))
        .await;
    assert_eq!(answer.callback()["error"], "invalid_request");
}

#[rstest]
#[case::query_like("a=b&code=evil&error=x")]
#[case::header_split("x\r\nSet-Cookie: cognito=evil")]
#[case::html("\"><script>alert(1)</script>")]
#[case::unicode("žluťoučký 🐎 + %20")]
#[tokio::test]
async fn a_state_comes_back_as_it_was_sent(#[case] state: &str) {
    let rig = Rig::new();
    rig.confirm();
    let query = rig.query_with(&[("state", state)]);
    let mut browser = rig.browser();
    let login = browser.get(&rig.at(&format!("login?{query}"))).await;
    assert!(!login.body.contains("<script"), "{}", login.body);
    let back = browser.submit(&login, &credentials(PASSWORD)).await;
    assert_eq!(back.callback()["state"], state);
    assert_eq!(back.cookies().filter(|c| c.contains("evil")).count(), 0);
}

#[tokio::test]
async fn a_long_state_comes_back_whole_and_none_is_not_invented() {
    let rig = Rig::new();
    let long = "ab&".repeat(2730);
    for (state, expected) in [(long.as_str(), Some(long.as_str())), ("", None)] {
        let query = rig.query_with(&[("state", state), ("prompt", "none")]);
        let answer = rig
            .browser()
            .get(&rig.at(&format!("oauth2/authorize?{query}")))
            .await;
        let callback = answer.callback();
        assert_eq!(callback.get("state").map(String::as_str), expected);
    }
}

#[rstest]
#[case::html("\"><script>alert(1)</script>")]
#[case::attribute("' onfocus='alert(1)")]
#[case::right_to_left("\u{202e}moc.elpmaxe@eda")]
#[case::header_split("a\r\nSet-Cookie: x=y")]
#[case::sql("' OR 1=1 --")]
#[tokio::test]
async fn a_hostile_user_name_is_shown_as_text(#[case] name: &str) {
    let rig = Rig::new();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    let typed = [
        ("username", name.to_owned()),
        ("password", "Wr0ng-wrong!".to_owned()),
    ];
    let page = browser.submit(&login, &typed).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.complaint().is_some());
    assert!(!page.body.contains("<script"));
    assert!(!page.body.contains("' onfocus='"));
    let fields = page.hidden_fields();
    let shown = fields.iter().find(|(field, _)| field == "username");
    assert_eq!(shown.map(|(_, value)| value.as_str()), Some(name));
}

#[rstest]
#[case::huge(&[("password", "x")], 413, true)]
#[case::other_type(&[], 415, false)]
#[tokio::test]
async fn what_is_no_form_of_ours_gets_a_page(
    #[case] form: &[(&str, &str)],
    #[case] status: u16,
    #[case] huge: bool,
) {
    let rig = Rig::new();
    let uri = rig.at(&format!("login?{}", rig.query()));
    let answer = if huge {
        let body = encode(form) + &"x".repeat(1024 * 1024);
        rig.browser().post(&uri, &body, &[]).await
    } else {
        let json = Request::post(&uri).header("content-type", "application/json");
        rig.browser().send(json, axum::body::Body::from("{}")).await
    };
    assert_eq!(answer.status.as_u16(), status);
    assert!(answer.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn a_client_without_an_identity_provider_has_no_login_pages() {
    let rig = Rig::with(|settings| settings.identity_providers.clear());
    let page = error_page(&rig, &rig.at(&format!("oauth2/authorize?{}", rig.query()))).await;
    assert!(page.body.contains("Login pages unavailable"));
}

#[tokio::test]
async fn an_implicit_client_gets_tokens_in_the_fragment() {
    let rig = Rig::with(|settings| settings.allowed_oauth_flows = vec![OAuthFlow::Implicit]);
    rig.confirm();
    let query = rig.query_with(&[("response_type", "token")]);
    let mut browser = rig.browser();
    let login = browser.get(&rig.at(&format!("login?{query}"))).await;
    let back = browser.submit(&login, &credentials(PASSWORD)).await;
    let location = back.location();
    assert!(location.starts_with(&format!("{CALLBACK}#")), "{location}");
    assert!(location.contains("access_token="), "{location}");
    assert!(location.contains("state=s-1"), "{location}");
}

// ---- errors and logout ----------------------------------------------------

#[tokio::test]
async fn the_error_page_repeats_nothing_that_it_does_not_know() {
    let rig = Rig::new();
    let query = encode(&[
        ("error", "<b>you have won</b>"),
        ("client_id", "<i>click here</i>"),
    ]);
    let page = rig.browser().get(&rig.at(&format!("error?{query}"))).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(!page.body.contains("you have won"));
    assert!(!page.body.contains("<i>"));
}

#[tokio::test]
async fn a_domain_that_nobody_has_is_not_found() {
    let answer = Rig::new()
        .browser()
        .get("/domains/%3Cscript%3E/login?x=1")
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(!answer.body.contains("<script"));
}

#[tokio::test]
async fn logging_out_ends_the_session_and_goes_where_the_client_says() {
    let rig = Rig::with(|settings| settings.logout_urls = vec!["https://app.example/bye".into()]);
    rig.confirm();
    let mut browser = rig.browser();
    let login = login_page(&rig, &mut browser).await;
    browser.submit(&login, &credentials(PASSWORD)).await;
    let session = browser.cookie("cognito").expect("a session").to_owned();
    let query = encode(&[
        ("client_id", rig.client.as_str()),
        ("logout_uri", "https://app.example/bye"),
    ]);
    let out = browser.get(&rig.at(&format!("logout?{query}"))).await;
    assert_eq!(out.status, StatusCode::FOUND);
    assert_eq!(out.location(), "https://app.example/bye");
    assert_eq!(browser.cookie("cognito"), None);

    // Gone on the server's side too.
    let path = format!("/domains/{DOMAIN}");
    browser.cookies.push((path, "cognito".to_owned(), session));
    let page = login_page(&rig, &mut browser).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn logging_out_can_lead_to_the_sign_in_page() {
    let rig = Rig::new();
    let mut browser = rig.browser();
    let out = browser
        .get(&rig.at(&format!("logout?{}", rig.query())))
        .await;
    let login = out.follow(&mut browser).await;
    assert_eq!(login.status, StatusCode::OK);
    assert!(login.body.contains("signInFormUsername"));
}

#[rstest]
#[case::unregistered(&[("logout_uri", "https://evil.example/")])]
#[case::longer(&[("logout_uri", "https://app.example/bye?foo=bar")])]
#[case::protocol_relative(&[("logout_uri", "//evil.example")])]
#[case::callback_instead(&[("logout_uri", CALLBACK)])]
#[case::nothing(&[])]
#[case::bad_redirect(&[("redirect_uri", "https://evil.example/"), ("response_type", "code")])]
#[tokio::test]
async fn logging_out_sends_nobody_elsewhere(#[case] given: &[(&str, &str)]) {
    let rig = Rig::with(|settings| settings.logout_urls = vec!["https://app.example/bye".into()]);
    let mut pairs = vec![("client_id", rig.client.as_str())];
    pairs.extend_from_slice(given);
    let page = error_page(&rig, &rig.at(&format!("logout?{}", encode(&pairs)))).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn logging_out_needs_to_know_the_client() {
    let rig = Rig::with(|settings| settings.logout_urls = vec!["https://app.example/bye".into()]);
    let query = encode(&[("logout_uri", "https://app.example/bye")]);
    error_page(&rig, &rig.at(&format!("logout?{query}"))).await;
}
