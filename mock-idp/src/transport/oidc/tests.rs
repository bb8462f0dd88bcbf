//! The endpoints as OIDC clients meet them.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use foundation::secret::Secret;
use http::{Request, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::client::ClientSettings;
use crate::domain::{ClientId, PoolId};
use crate::flow::admin::NewClient;
use crate::transport::tests::{Answer, CALLBACK, ORIGIN, Rig, USER, encode};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn claims(token: &Value) -> Value {
    let payload = token.as_str().expect("a token").split('.').nth(1);
    let json = URL_SAFE_NO_PAD
        .decode(payload.expect("a payload"))
        .expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

async fn get(rig: &Rig, uri: &str) -> Answer {
    rig.browser().get(uri).await
}

// ---- discovery and keys ---------------------------------------------------

#[tokio::test]
async fn discovery_names_the_domain_once_there_is_one() {
    let rig = Rig::new();
    let issuer = format!("{ORIGIN}/{}", rig.pool);
    let document = get(
        &rig,
        &format!("/{}/.well-known/openid-configuration", rig.pool),
    )
    .await;
    assert_eq!(document.status, StatusCode::OK);
    let base = format!("{ORIGIN}/domains/kubedemyeksoidc");
    let expected = format!(
        "{{\"authorization_endpoint\":\"{base}/oauth2/authorize\",\
         \"end_session_endpoint\":\"{base}/logout\",\
         \"id_token_signing_alg_values_supported\":[\"RS256\"],\
         \"issuer\":\"{issuer}\",\
         \"jwks_uri\":\"{issuer}/.well-known/jwks.json\",\
         \"response_types_supported\":[\"code\",\"token\"],\
         \"revocation_endpoint\":\"{base}/oauth2/revoke\",\
         \"scopes_supported\":[\"openid\",\"email\",\"phone\",\"profile\"],\
         \"subject_types_supported\":[\"public\"],\
         \"token_endpoint\":\"{base}/oauth2/token\",\
         \"token_endpoint_auth_methods_supported\":[\"client_secret_basic\",\"client_secret_post\"],\
         \"userinfo_endpoint\":\"{base}/oauth2/userInfo\"}}"
    );
    assert_eq!(document.body, expected);
}

#[tokio::test]
async fn without_a_domain_discovery_names_addresses_that_do_not_answer() {
    let rig = Rig::new();
    rig.idp
        .delete_domain(&rig.pool, "kubedemyeksoidc")
        .expect("a domain");
    let uri = format!("/{}/.well-known/openid-configuration", rig.pool);
    let document = get(&rig, &uri).await.json();
    let members: Vec<_> = document
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        members,
        [
            "authorization_endpoint",
            "id_token_signing_alg_values_supported",
            "issuer",
            "jwks_uri",
            "response_types_supported",
            "scopes_supported",
            "subject_types_supported",
            "token_endpoint",
            "token_endpoint_auth_methods_supported",
            "userinfo_endpoint",
        ]
    );
    let issuer = document["issuer"].as_str().expect("an issuer");
    for (member, page) in [
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "token"),
        ("userinfo_endpoint", "userInfo"),
    ] {
        assert_eq!(document[member], format!("{issuer}/{page}"));
        let dead = get(&rig, &format!("/{}/{page}", rig.pool)).await;
        assert_eq!(dead.status, StatusCode::BAD_REQUEST);
        assert_eq!(dead.json()["code"], "BadRequest");
    }
    let page = get(&rig, &rig.at(&format!("login?{}", rig.query()))).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND, "the pages are gone");
}

#[tokio::test]
async fn the_base_address_of_a_pool_is_not_understood() {
    let rig = Rig::new();
    let answer = get(&rig, &format!("/{}", rig.pool)).await;
    assert_eq!(
        answer.body,
        r#"{"code":"BadRequest","message":"The server did not understand the operation that was requested.","type":"client"}"#
    );
}

#[tokio::test]
async fn a_pool_has_two_keys_and_publishes_no_private_part() {
    let rig = Rig::new();
    let uri = format!("/{}/.well-known/jwks.json", rig.pool);
    let answer = get(&rig, &uri).await;
    let body = answer.json();
    let keys = body["keys"].as_array().expect("a list");
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0]["kid"], keys[1]["kid"]);
    for key in keys {
        let members: Vec<_> = key.as_object().expect("a key").keys().collect();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!(key["alg"], "RS256");
        assert_eq!(key["kty"], "RSA");
        assert_eq!(key["use"], "sig");
    }
    assert_eq!(answer.header("cache-control"), "public, no-cache");
}

#[rstest]
#[case("openid-configuration")]
#[case("jwks.json")]
#[tokio::test]
async fn a_pool_that_does_not_exist_is_named(#[case] document: &str) {
    let rig = Rig::new();
    let uri = format!("/eu-west-2_nosuchpoo/.well-known/{document}");
    let answer = get(&rig, &uri).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.json(),
        json!({"message": "User pool eu-west-2_nosuchpoo does not exist."})
    );
}

// ---- the token endpoint ---------------------------------------------------

#[tokio::test]
async fn a_code_is_exchanged_for_three_tokens() {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    let answer = rig.exchange(&code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.header("content-type"),
        "application/json;charset=UTF-8"
    );
    let tokens = answer.json();
    let members: Vec<_> = tokens.as_object().expect("an object").keys().collect();
    assert_eq!(
        members,
        [
            "id_token",
            "access_token",
            "refresh_token",
            "expires_in",
            "token_type"
        ]
    );
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["token_type"], "Bearer");

    let id = claims(&tokens["id_token"]);
    assert_eq!(id["iss"], format!("{ORIGIN}/{}", rig.pool));
    assert_eq!(id["aud"], rig.client.as_str());
    assert_eq!(id["email"], USER);
    assert_eq!(id["cognito:groups"], json!(["admins"]));
    assert_eq!(id["nonce"], "n-1");
    assert!(id.get("email_verified").is_none());
    let access = claims(&tokens["access_token"]);
    assert!(access.get("aud").is_none());
    assert_eq!(access["scope"], "openid");
}

#[tokio::test]
async fn without_openid_there_is_no_id_token() {
    let rig = Rig::with(|settings| {
        settings
            .allowed_oauth_scopes
            .push("aws.cognito.signin.user.admin".to_owned());
    });
    let query = rig.query_with(&[("scope", "aws.cognito.signin.user.admin")]);
    let code = rig.code(&query).await;
    let tokens = rig.exchange(&code).await.json();
    assert!(tokens.get("id_token").is_none(), "{tokens}");
    assert!(tokens["access_token"].is_string());
}

#[tokio::test]
async fn a_code_works_once() {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    assert_eq!(rig.exchange(&code).await.status, StatusCode::OK);
    let second = rig.exchange(&code).await;
    assert_eq!(second.status, StatusCode::BAD_REQUEST);
    assert_eq!(second.body, r#"{"error":"invalid_grant"}"#);
    assert_eq!(second.header("cache-control"), "no-store");
}

#[tokio::test]
async fn of_many_exchanges_at_once_one_succeeds() {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let router = rig.router.clone();
            let form = encode(&[
                ("grant_type", "authorization_code"),
                ("client_id", rig.client.as_str()),
                ("code", &code),
                ("redirect_uri", CALLBACK),
            ]);
            let request = Request::post(rig.at("oauth2/token"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(form))
                .expect("a request");
            tokio::spawn(async move {
                crate::transport::tests::fetch(&router, request)
                    .await
                    .status
            })
        })
        .collect();
    let mut succeeded = 0;
    for task in tasks {
        succeeded += usize::from(task.await.expect("an answer") == StatusCode::OK);
    }
    assert_eq!(succeeded, 1);
}

#[tokio::test]
async fn a_code_lasts_five_minutes() {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    rig.wait(Duration::from_secs(301));
    let late = rig.exchange(&code).await;
    assert_eq!(late.body, r#"{"error":"invalid_grant"}"#);
}

#[rstest]
#[case::no_grant_type(&[("grant_type", "")], "invalid_request")]
#[case::unknown_grant(&[("grant_type", "magic")], "unsupported_grant_type")]
#[case::password_grant(&[("grant_type", "password")], "unsupported_grant_type")]
#[case::no_code(&[("code", "")], "invalid_request")]
#[case::unknown_code(&[("code", "5e6a1b1e-6f0f-4c55-9a53-0d4f4f7b5f10")], "invalid_grant")]
#[case::no_client(&[("client_id", "")], "invalid_request")]
#[case::unknown_client(&[("client_id", "nosuchclient00000000000000")], "invalid_client")]
#[case::other_redirect(&[("redirect_uri", "http://localhost:18000")], "unauthorized_client")]
#[case::trailing_slash(&[("redirect_uri", "http://localhost:8000/")], "unauthorized_client")]
#[case::uninvited_verifier(&[("code_verifier", VERIFIER)], "invalid_grant")]
#[tokio::test]
async fn a_request_for_tokens_that_is_wrong_is_refused(
    #[case] changes: &[(&str, &str)],
    #[case] error: &str,
) {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", rig.client.as_str()),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
    ];
    for (name, value) in changes {
        form.retain(|(key, _)| key != name);
        if !value.is_empty() {
            form.push((name, value));
        }
    }
    let answer = rig.token(&form).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body, format!("{{\"error\":\"{error}\"}}"));
    assert_eq!(
        answer.header("content-type"),
        "application/json;charset=UTF-8"
    );
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_parameter_given_twice_is_refused_and_costs_no_code() {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    let twice = rig
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", rig.client.as_str()),
            ("code", &code),
            ("code", &code),
            ("redirect_uri", CALLBACK),
        ])
        .await;
    assert_eq!(twice.body, r#"{"error":"invalid_request"}"#);
    assert_eq!(rig.exchange(&code).await.status, StatusCode::OK);
}

#[rstest]
#[case::get("GET", "application/x-www-form-urlencoded")]
#[case::put("PUT", "application/x-www-form-urlencoded")]
#[case::json("POST", "application/json")]
#[case::plain("POST", "text/plain")]
#[case::nothing("POST", "")]
#[tokio::test]
async fn anything_but_a_posted_form_is_405_and_empty(#[case] method: &str, #[case] kind: &str) {
    let rig = Rig::new();
    for endpoint in ["oauth2/token", "oauth2/revoke"] {
        let mut request = Request::builder().method(method).uri(rig.at(endpoint));
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let answer = rig.browser().send(request, Body::from("{}")).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.body, "");
    }
}

// ---- PKCE -----------------------------------------------------------------

#[test]
fn the_verifier_of_the_tests_is_the_one_of_the_rfc() {
    let hashed = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    assert_eq!(hashed, CHALLENGE, "RFC 7636 appendix B");
}

#[rstest]
#[case::good(Some(VERIFIER), true)]
#[case::absent(None, false)]
#[case::wrong(Some("another-verifier-that-is-forty-three-chars-x"), false)]
#[case::the_challenge_itself(Some(CHALLENGE), false)]
#[tokio::test]
async fn a_challenge_has_to_be_answered(#[case] verifier: Option<&str>, #[case] accepted: bool) {
    let rig = Rig::new();
    let query = rig.query_with(&[
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let code = rig.code(&query).await;
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", rig.client.as_str()),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
    ];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    let answer = rig.token(&form).await;
    if accepted {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    } else {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.body, r#"{"error":"invalid_grant"}"#);
    }
}

// ---- clients with a secret ------------------------------------------------

const SECRET: &str = "fourscore-and-seven-years-ago-our-fathers";

/// A client like the rig's, with a secret.
fn confidential(rig: &Rig, pool: &PoolId) -> ClientId {
    let public = rig.idp.client(&rig.client).expect("a client");
    let new = NewClient {
        name: "web".to_owned(),
        generate_secret: false,
        secret: Some(Secret::new(SECRET.to_owned())),
        settings: ClientSettings {
            ..public.settings.clone()
        },
    };
    let client = rig.idp.create_client(pool, new).expect("a client");
    client.id.clone()
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[tokio::test]
async fn a_client_that_fails_to_prove_itself_does_not_cost_the_code() {
    let mut rig = Rig::new();
    rig.client = confidential(&rig, &rig.pool);
    let code = rig.code(&rig.query()).await;
    let id = rig.client.as_str();
    let attempt = async |more: &[(&str, &str)], basic: Option<String>| {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
        ];
        form.extend_from_slice(more);
        let headers: Vec<_> = basic.iter().map(|v| ("authorization", &**v)).collect();
        let uri = rig.at("oauth2/token");
        rig.browser().post(&uri, &encode(&form), &headers).await
    };
    let named = ("client_id", id);
    for (case, more, header) in [
        ("no secret", vec![named], None),
        ("a wrong one", vec![named, ("client_secret", "wrong")], None),
        ("a wrong one by Basic", vec![], Some(basic(id, "wrong"))),
        ("another's name", vec![named], Some(basic("other", SECRET))),
        (
            "both ways at once",
            vec![named, ("client_secret", SECRET)],
            Some(basic(id, SECRET)),
        ),
        ("Basic without base64", vec![], Some("Basic ?".to_owned())),
    ] {
        let answer = attempt(&more, header).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{case}");
        assert_eq!(answer.body, r#"{"error":"invalid_client"}"#, "{case}");
    }
    let answer = attempt(&[], Some(basic(id, SECRET))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn a_secret_in_the_form_does_as_well() {
    let mut rig = Rig::new();
    rig.client = confidential(&rig, &rig.pool);
    let code = rig.code(&rig.query()).await;
    let answer = rig
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", rig.client.as_str()),
            ("client_secret", SECRET),
            ("code", &code),
            ("redirect_uri", CALLBACK),
        ])
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn a_public_client_may_come_with_an_empty_password() {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    let header = basic(rig.client.as_str(), "");
    let form = encode(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
    ]);
    let answer = rig
        .browser()
        .post(
            &rig.at("oauth2/token"),
            &form,
            &[("authorization", &header)],
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn a_code_is_of_no_use_to_another_client_or_pool() {
    let rig = Rig::new();
    let code = rig.code(&rig.query()).await;
    let (_, elsewhere) = rig.another_pool("another");
    let at_another = encode(&[
        ("grant_type", "authorization_code"),
        ("client_id", elsewhere.as_str()),
        ("code", &code),
        ("redirect_uri", CALLBACK),
    ]);
    let answer = rig
        .browser()
        .post("/domains/another/oauth2/token", &at_another, &[])
        .await;
    assert_eq!(answer.body, r#"{"error":"invalid_grant"}"#);

    let code = rig.code(&rig.query()).await;
    let other = confidential(&rig, &rig.pool);
    let by_another = rig
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", other.as_str()),
            ("client_secret", SECRET),
            ("code", &code),
            ("redirect_uri", CALLBACK),
        ])
        .await;
    assert_eq!(by_another.body, r#"{"error":"invalid_grant"}"#);
}

// ---- refreshing and revoking ----------------------------------------------

async fn refresh(rig: &Rig, token: &str) -> Answer {
    rig.token(&[
        ("grant_type", "refresh_token"),
        ("client_id", rig.client.as_str()),
        ("refresh_token", token),
    ])
    .await
}

async fn tokens(rig: &Rig) -> Value {
    let code = rig.code(&rig.query()).await;
    rig.exchange(&code).await.json()
}

#[tokio::test]
async fn refreshing_gives_new_tokens_with_the_groups_of_now() {
    let rig = Rig::new();
    let first = tokens(&rig).await;
    rig.idp
        .remove_user_from_group(&rig.pool, USER, "admins")
        .expect("a member");
    rig.wait(Duration::from_secs(60));
    let answer = refresh(&rig, first["refresh_token"].as_str().expect("a token")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let second = answer.json();
    assert!(second.get("refresh_token").is_none());
    let (before, after) = (claims(&first["id_token"]), claims(&second["id_token"]));
    assert_eq!(before["cognito:groups"], json!(["admins"]));
    assert!(after.get("cognito:groups").is_none());
    assert_eq!(before["auth_time"], after["auth_time"]);
    assert_ne!(before["iat"], after["iat"]);
}

#[rstest]
#[case::unknown("eyJjdHkiOiJKV1QifQ.a.b.c.d")]
#[case::empty_but_there(" ")]
#[tokio::test]
async fn what_is_no_refresh_token_is_refused(#[case] token: &str) {
    let answer = refresh(&Rig::new(), token).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body, r#"{"error":"invalid_grant"}"#);
}

#[tokio::test]
async fn other_tokens_and_pieces_are_no_refresh_tokens() {
    let rig = Rig::new();
    let tokens = tokens(&rig).await;
    let good = tokens["refresh_token"].as_str().expect("a token");
    for bad in [
        tokens["id_token"].as_str().expect("a token"),
        tokens["access_token"].as_str().expect("a token"),
        &good[..good.len() - 1],
        &format!("{good}x"),
    ] {
        let answer = refresh(&rig, bad).await;
        assert_eq!(answer.body, r#"{"error":"invalid_grant"}"#);
    }
}

#[tokio::test]
async fn a_disabled_user_gets_no_fresh_tokens() {
    let rig = Rig::new();
    let tokens = tokens(&rig).await;
    rig.idp.disable_user(&rig.pool, USER).expect("a user");
    let answer = refresh(&rig, tokens["refresh_token"].as_str().expect("a token")).await;
    assert_eq!(answer.body, r#"{"error":"invalid_grant"}"#);
}

#[tokio::test]
async fn a_revoked_refresh_token_takes_its_access_tokens_along() {
    let rig = Rig::new();
    let tokens = tokens(&rig).await;
    let access = tokens["access_token"].as_str().expect("a token");
    let token = tokens["refresh_token"].as_str().expect("a token");
    assert_eq!(user_info(&rig, access).await.status, StatusCode::OK);
    let form = [("token", token), ("client_id", rig.client.as_str())];
    for _ in 0..2 {
        let revoked = rig
            .browser()
            .post(&rig.at("oauth2/revoke"), &encode(&form), &[])
            .await;
        assert_eq!(revoked.status, StatusCode::OK, "{}", revoked.body);
        assert_eq!(revoked.body, "");
    }
    let refused = refresh(&rig, token).await;
    assert_eq!(refused.body, r#"{"error":"invalid_grant"}"#);
    assert_eq!(
        user_info(&rig, access).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn revoking_has_refusals_of_its_own() {
    let rig = Rig::new();
    let access = tokens(&rig).await["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let other = confidential(&rig, &rig.pool);
    let client = rig.client.as_str();
    for (form, status, body) in [
        (
            vec![("client_id", client)],
            400,
            r#"{"error":"invalid_request"}"#,
        ),
        (
            vec![("client_id", client), ("token", access.as_str())],
            400,
            r#"{"error":"unsupported_token_type"}"#,
        ),
        (
            vec![("client_id", other.as_str()), ("token", "x")],
            401,
            r#"{"error":"invalid_client"}"#,
        ),
        (vec![("client_id", client), ("token", "unknown")], 200, ""),
    ] {
        let answer = rig
            .browser()
            .post(&rig.at("oauth2/revoke"), &encode(&form), &[])
            .await;
        assert_eq!(answer.status.as_u16(), status, "{form:?}");
        assert_eq!(answer.body, body, "{form:?}");
    }
}

// ---- userInfo -------------------------------------------------------------

async fn user_info(rig: &Rig, token: &str) -> Answer {
    let request =
        Request::get(rig.at("oauth2/userInfo")).header("authorization", format!("Bearer {token}"));
    rig.browser().send(request, Body::empty()).await
}

#[tokio::test]
async fn user_info_says_everything_in_strings() {
    let rig = Rig::with(|settings| settings.read_attributes = None);
    rig.idp
        .update_user_attributes(
            &rig.pool,
            USER,
            &[("email_verified".to_owned(), "true".to_owned())],
        )
        .expect("a user");
    let tokens = tokens(&rig).await;
    let answer = user_info(&rig, tokens["access_token"].as_str().expect("a token")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let info = answer.json();
    let sub = claims(&tokens["id_token"])["sub"].clone();
    assert_eq!(
        info,
        json!({"sub": sub, "email": USER, "email_verified": "true", "username": sub})
    );
    assert_eq!(
        claims(&tokens["id_token"])["email_verified"],
        true,
        "the ID token has a boolean"
    );
}

#[tokio::test]
async fn user_info_needs_a_good_access_token_with_openid() {
    let rig = Rig::new();
    let tokens = tokens(&rig).await;
    let bad =
        "error=\"invalid_request\", error_description=\"Bad OAuth2 request at UserInfo Endpoint\"";
    let gone = "error=\"invalid_token\", error_description=\"Access token is expired, disabled, or deleted, or the user has globally signed out.\"";
    let none = rig.browser().get(&rig.at("oauth2/userInfo")).await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
    assert_eq!(none.header("www-authenticate"), bad);

    let id_token = tokens["id_token"].as_str().expect("a token");
    for token in ["nonsense", "a.b.c", id_token] {
        let answer = user_info(&rig, token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
        assert_eq!(answer.header("www-authenticate"), gone);
        assert_eq!(answer.json()["error"], "invalid_token");
    }
    let access = tokens["access_token"].as_str().expect("a token");
    rig.another_pool("another");
    let request = Request::get("/domains/another/oauth2/userInfo")
        .header("authorization", format!("Bearer {access}"));
    let elsewhere = rig.browser().send(request, Body::empty()).await;
    assert_eq!(elsewhere.status, StatusCode::UNAUTHORIZED, "another pool's");

    rig.wait(Duration::from_secs(3601));
    let late = user_info(&rig, access).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
}

// ---- other origins --------------------------------------------------------

#[tokio::test]
async fn scripts_of_any_origin_can_read_answers_and_refusals() {
    let rig = Rig::new();
    let pool = &rig.pool;
    for uri in [
        format!("/{pool}/.well-known/openid-configuration"),
        format!("/{pool}/.well-known/jwks.json"),
        "/eu-west-2_nosuchpoo/.well-known/jwks.json".to_owned(),
        rig.at("oauth2/token"),
        rig.at("oauth2/userInfo"),
        rig.at("oauth2/revoke"),
    ] {
        let answer = get(&rig, &uri).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{uri}");
        let preflight = Request::options(&uri)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        let answer = rig.browser().send(preflight, Body::empty()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{uri}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(
            answer
                .header("access-control-allow-headers")
                .contains("authorization")
        );
    }
    let page = get(&rig, &rig.at(&format!("login?{}", rig.query()))).await;
    assert_eq!(page.header("access-control-allow-origin"), "");
}
