//! The control calls.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use rstest::rstest;
use serde_json::json;

use crate::transport::tests::{Answer, CONTROL_TOKEN, Rig, TEMPORARY, fetch};

async fn call(rig: &Rig, method: Method, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {CONTROL_TOKEN}");
    call_as(rig, method, path, body, Some(&bearer)).await
}

async fn call_as(
    rig: &Rig,
    method: Method,
    path: &str,
    body: &str,
    authorization: Option<&str>,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/_rolecall{path}"));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let request = request
        .body(Body::from(body.to_owned()))
        .expect("a request");
    fetch(&rig.router, request).await
}

#[rstest]
#[case::nothing(None)]
#[case::wrong(Some("Bearer wrong"))]
#[case::empty(Some("Bearer "))]
#[case::another_scheme(Some("Basic control-token-of-the-tests"))]
#[case::shorter(Some("Bearer control-token-of-the-test"))]
#[tokio::test]
async fn nothing_under_the_prefix_answers_without_the_token(#[case] authorization: Option<&str>) {
    let rig = Rig::new();
    for (method, path) in [
        (Method::GET, "/health"),
        (Method::GET, "/clock"),
        (Method::POST, "/clock"),
        (Method::GET, "/outbox"),
        (Method::GET, "/requests"),
        (Method::POST, "/reset"),
        (Method::POST, "/pools/x/keys/rotate"),
        (Method::POST, "/pools/x/keys/replace"),
        (Method::POST, "/forge"),
        (Method::GET, "/no/such/call"),
        (Method::GET, ""),
        (Method::GET, "/"),
    ] {
        let answer = call_as(&rig, method, path, "", authorization).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.json()["error"], "unauthorized");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    assert!(rig.idp.pool(&rig.pool).is_ok(), "nothing was reset");
}

#[tokio::test]
async fn the_clock_is_read_advanced_and_set() {
    let rig = Rig::new();
    let now = call(&rig, Method::GET, "/clock", "").await.json();
    assert_eq!(now, json!({"now": "2026-11-23T21:00:00Z", "movable": true}));
    let later = call(&rig, Method::POST, "/clock", r#"{"advance":"1h 30m"}"#).await;
    assert_eq!(later.json()["now"], "2026-11-23T22:30:00Z");
    let iso = call(&rig, Method::POST, "/clock", r#"{"advance":"PT30M"}"#).await;
    assert_eq!(iso.json()["now"], "2026-11-23T23:00:00Z");
    let back = r#"{"set":"2026-01-01T00:00:00Z"}"#;
    let back = call(&rig, Method::POST, "/clock", back).await;
    assert_eq!(back.json()["now"], "2026-01-01T00:00:00Z");
    assert_eq!(rig.idp.clock().now().to_string(), "2026-01-01T00:00:00Z");
}

#[rstest]
#[case::nothing("")]
#[case::other("{}")]
#[case::misspelt(r#"{"advanced":"1h"}"#)]
#[case::backwards(r#"{"advance":"-1h"}"#)]
#[case::no_duration(r#"{"advance":"soon"}"#)]
#[case::no_time(r#"{"set":"tomorrow"}"#)]
#[case::both(r#"{"advance":"1h","set":"2026-01-01T00:00:00Z"}"#)]
#[tokio::test]
async fn a_clock_is_not_moved_by_what_it_does_not_understand(#[case] body: &str) {
    let rig = Rig::new();
    let answer = call(&rig, Method::POST, "/clock", body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"], "bad_request");
    assert_eq!(rig.idp.clock().now().to_string(), "2026-11-23T21:00:00Z");
}

#[tokio::test]
async fn rotated_keys_are_published_beside_the_old_ones() {
    let rig = Rig::new();
    let jwks = format!("/{}/.well-known/jwks.json", rig.pool);
    let kids = |answer: Answer| -> Vec<String> {
        let body = answer.json();
        let keys = body["keys"].as_array().expect("a list");
        let kids = keys.iter().map(|key| key["kid"].as_str().expect("a kid"));
        kids.map(str::to_owned).collect()
    };
    let before = kids(rig.browser().get(&jwks).await);
    let path = format!("/pools/{}/keys/rotate", rig.pool);
    let rotated = call(&rig, Method::POST, &path, "").await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.body);
    let rotated = rotated.json();
    let after = kids(rig.browser().get(&jwks).await);
    assert_eq!(after.len(), 4);
    for kid in &before {
        assert!(after.contains(kid), "{kid} is still published");
        assert_ne!(rotated["id_token_kid"], **kid);
        assert_ne!(rotated["access_token_kid"], **kid);
    }
    let missing = call(
        &rig,
        Method::POST,
        "/pools/eu-west-2_nosuch/keys/rotate",
        "",
    )
    .await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn replaced_keys_are_gone() {
    let rig = Rig::new();
    let path = format!("/pools/{}/keys/replace", rig.pool);
    let replaced = call(&rig, Method::POST, &path, "").await;
    assert_eq!(replaced.status, StatusCode::OK, "{}", replaced.body);
    let replaced = replaced.json();
    assert_eq!(replaced["retired"], serde_json::json!([]));
    let jwks = format!("/{}/.well-known/jwks.json", rig.pool);
    let keys = rig.browser().get(&jwks).await.json();
    let kids: Vec<&str> = keys["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|key| key["kid"].as_str())
        .collect();
    assert_eq!(
        kids,
        [&replaced["id_token_kid"], &replaced["access_token_kid"]]
    );
}

#[tokio::test]
async fn the_outbox_shows_what_would_have_been_sent() {
    let rig = Rig::new();
    let empty = call(&rig, Method::GET, "/outbox", "").await.json();
    assert_eq!(empty, json!({"messages": []}));
    rig.invite("ada@example.org");
    let outbox = call(&rig, Method::GET, "/outbox", "").await.json();
    let message = &outbox["messages"][0];
    assert_eq!(message["medium"], "email");
    assert_eq!(message["destination"], "ada@example.org");
    assert_eq!(message["occasion"], "invitation");
    assert_eq!(message["password"], TEMPORARY);
    let body = message["body"].as_str().expect("a text");
    assert!(body.contains(TEMPORARY) && body.contains("ada@example.org"));
    let cleared = call(&rig, Method::DELETE, "/outbox", "").await;
    assert_eq!(cleared.status, StatusCode::NO_CONTENT);
    let empty = call(&rig, Method::GET, "/outbox", "").await.json();
    assert_eq!(empty, json!({"messages": []}));
}

#[tokio::test]
async fn a_reset_leaves_nothing_but_the_clock() {
    let rig = Rig::new();
    rig.browser().get("/x").await;
    let answer = call(&rig, Method::POST, "/reset", "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(rig.idp.pool(&rig.pool).is_err());
    let requests = call(&rig, Method::GET, "/requests", "").await.json();
    assert_eq!(requests, json!({"requests": []}));
}

#[rstest]
#[case(Method::GET, "/nothing", 404)]
#[case(Method::GET, "", 404)]
#[case(Method::GET, "/", 404)]
#[case(Method::DELETE, "/clock", 405)]
#[case(Method::GET, "/reset", 405)]
#[tokio::test]
async fn what_is_no_control_call_is_said_so(
    #[case] method: Method,
    #[case] path: &str,
    #[case] status: u16,
) {
    let rig = Rig::new();
    let answer = call(&rig, method, path, "").await;
    assert_eq!(answer.status.as_u16(), status);
    assert!(answer.json()["message"].is_string());
}

#[tokio::test]
async fn it_says_that_it_is_well() {
    let answer = call(&Rig::new(), Method::GET, "/health", "").await;
    assert_eq!(answer.json()["status"], "ok");
    assert_eq!(answer.header("cache-control"), "no-store");
}

/// The forged tokens of an ID token of the tutorial's user.
async fn forge(rig: &Rig, word: &str, more: &str) -> Answer {
    let code = rig.code(&rig.query()).await;
    let token = rig.exchange(&code).await.json()["id_token"].clone();
    let body = format!(r#"{{"word":"{word}","token":{token}{more}}}"#);
    call(rig, Method::POST, "/forge", &body).await
}

#[tokio::test]
async fn a_forged_token_is_one_word() {
    let rig = Rig::new();
    let answer = forge(&rig, "expired", "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let forged = answer.json();
    assert_eq!(forged["tokens"][0]["variant"], "an hour ago");
    let token = forged["tokens"][0]["token"].as_str().expect("a token");
    let exp = crate::issuer::unverified_claim(token, "exp").expect("exp");
    let now = rig.idp.clock().now().as_second();
    assert_eq!(exp.as_i64(), Some(now - 3600));

    let nameless = forge(&rig, "missing-username", r#","username_claim":"sub""#).await;
    let token = nameless.json()["tokens"][0]["token"].clone();
    let token = token.as_str().expect("a token");
    let claim = |name| crate::issuer::unverified_claim(token, name);
    assert!(claim("sub").is_none() && claim("email").is_some());
}

#[tokio::test]
async fn what_cannot_be_forged_is_said_so() {
    let rig = Rig::new();
    for (word, says) in [
        ("expird", "there is no forged token called"),
        ("access-token", "the access token of the same login"),
        ("der-signature", "only ECDSA's signatures have two forms"),
    ] {
        let answer = forge(&rig, word, "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{word}");
        let message = answer.json()["message"].to_string();
        assert!(message.contains(says), "{message}");
    }
    for body in [
        r#"{"word":"expired"}"#,
        r#"{"word":"expired","token":"a.b.c"}"#,
        r#"{"word":"expired","token":"e30.eyJpc3MiOiJodHRwczovL3gifQ.x"}"#,
    ] {
        let answer = call(&rig, Method::POST, "/forge", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
}
