//! The token endpoint, userInfo.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foundation::secret::Secret;
use serde_json::json;

use crate::domain::client::ClientSettings;
use crate::domain::{OAuthError, TokenSet};
use crate::flow::admin::NewClient;
use crate::flow::testing::{ADA, PASSWORD, Site, client_settings, email_pool, secret};
use crate::flow::{AuthorizeParams, ClientAuth, SignIn, TokenRequest};

const CALLBACK: &str = "http://localhost:8000";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn params(site: &Site, scope: &str) -> AuthorizeParams {
    AuthorizeParams {
        response_type: Some("code".into()),
        client_id: Some(site.client.as_str().into()),
        redirect_uri: Some(CALLBACK.into()),
        scope: Some(scope.into()),
        ..AuthorizeParams::default()
    }
}

/// Signs ADA in on the pages and gives the code of the answer.
async fn code(site: &Site, params: &AuthorizeParams) -> String {
    let request = site.idp.validate_authorize(&site.pool, params);
    let request = request.expect("a request in order");
    let signed_in = site.idp.sign_in(&request.client.id, ADA, &secret(PASSWORD));
    let Ok(SignIn::Authenticated(who)) = signed_in else {
        panic!("not signed in");
    };
    let location = site.idp.authorized(&request, &who).await.expect("a code");
    let code = location.strip_prefix(CALLBACK).expect("the callback");
    let code = code.strip_prefix("?code=").expect("a code");
    code.split('&').next().expect("a code").to_owned()
}

fn public(site: &Site) -> ClientAuth {
    ClientAuth {
        id: Some(site.client.as_str().into()),
        secret: None,
    }
}

fn request(code: &str) -> TokenRequest {
    TokenRequest {
        grant_type: Some("authorization_code".into()),
        code: Some(secret(code)),
        redirect_uri: Some(CALLBACK.into()),
        ..TokenRequest::default()
    }
}

async fn exchange(
    site: &Site,
    auth: &ClientAuth,
    request: TokenRequest,
) -> Result<TokenSet, OAuthError> {
    site.idp.exchange(&site.pool, auth, &request).await
}

async fn log_in(site: &Site, params: &AuthorizeParams) -> TokenSet {
    let code = code(site, params).await;
    let tokens = exchange(site, &public(site), request(&code)).await;
    tokens.expect("tokens")
}

fn site() -> Site {
    let site = Site::new();
    site.confirmed(ADA, &[("name", "Ada")]);
    site.join(ADA, "admins");
    site
}

#[tokio::test]
async fn a_code_becomes_tokens_with_at_hash_and_nonce() {
    let site = site();
    let params = AuthorizeParams {
        nonce: Some("n-0S6_WzA2Mj".into()),
        ..params(&site, "openid")
    };
    let tokens = log_in(&site, &params).await;
    let id = site.id_claims(&tokens).await;
    assert_eq!(id["nonce"], "n-0S6_WzA2Mj");
    assert_eq!(id["cognito:groups"], json!(["admins"]));
    let hash = digest(&SHA256, tokens.access.expose().as_bytes());
    assert_eq!(id["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    let access = site.access_claims(&tokens).await;
    assert_eq!(access["version"], 2);
    assert_eq!(access["scope"], "openid");
    assert!(!access.contains_key("aud"));
}

#[tokio::test]
async fn openid_alone_shows_all_readable_attributes_and_other_scopes_narrow() {
    let site = site();
    let id = site
        .id_claims(&log_in(&site, &params(&site, "openid")).await)
        .await;
    assert_eq!((&id["email"], &id["name"]), (&json!(ADA), &json!("Ada")));
    let narrowed = log_in(&site, &params(&site, "openid email")).await;
    let id = site.id_claims(&narrowed).await;
    assert_eq!(id["email"], ADA);
    assert!(!id.contains_key("name"));
    assert_eq!(id["cognito:groups"], json!(["admins"]), "no scope's matter");
}

#[tokio::test]
async fn without_openid_there_is_no_id_token() {
    let settings = ClientSettings {
        allowed_oauth_scopes: vec!["openid".into(), "aws.cognito.signin.user.admin".into()],
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[]);
    let tokens = log_in(&site, &params(&site, "aws.cognito.signin.user.admin")).await;
    assert!(tokens.id.is_none());
    let account = site.idp.get_user(tokens.access.expose()).await;
    assert!(account.is_ok(), "but the API takes the access token");
}

#[tokio::test]
async fn email_asked_for_by_a_client_that_does_not_read_email_verified_is_invalid_grant() {
    let settings = ClientSettings {
        read_attributes: Some(vec!["profile".into(), "email".into()]),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[]);
    let asked = code(&site, &params(&site, "openid email")).await;
    let refused = exchange(&site, &public(&site), request(&asked)).await;
    assert_eq!(refused.expect_err("refused"), OAuthError::InvalidGrant);
    // What kubelogin asks for works.
    let id = site
        .id_claims(&log_in(&site, &params(&site, "openid")).await)
        .await;
    assert_eq!(id["email"], ADA);
}

#[tokio::test]
async fn a_code_is_good_once_and_for_five_minutes() {
    let site = site();
    let once = code(&site, &params(&site, "openid")).await;
    assert!(
        exchange(&site, &public(&site), request(&once))
            .await
            .is_ok()
    );
    let again = exchange(&site, &public(&site), request(&once)).await;
    assert_eq!(again.expect_err("used up"), OAuthError::InvalidGrant);
    let late = code(&site, &params(&site, "openid")).await;
    site.advance(Duration::from_secs(300));
    let late = exchange(&site, &public(&site), request(&late)).await;
    assert_eq!(late.expect_err("expired"), OAuthError::InvalidGrant);
}

#[tokio::test]
async fn a_client_that_fails_to_authenticate_does_not_use_up_the_code() {
    let site = site();
    let new = NewClient {
        generate_secret: true,
        settings: client_settings(),
        ..NewClient::default()
    };
    let client = site.idp.create_client(&site.pool, new).expect("a client");
    let asked = AuthorizeParams {
        client_id: Some(client.id.as_str().into()),
        ..params(&site, "openid")
    };
    let code = code(&site, &asked).await;
    let auth = |secret: Option<Secret<String>>| ClientAuth {
        id: Some(client.id.as_str().into()),
        secret,
    };
    for wrong in [None, Some(secret("wrong")), Some(secret(""))] {
        let refused = exchange(&site, &auth(wrong), request(&code)).await;
        assert_eq!(refused.expect_err("refused"), OAuthError::InvalidClient);
    }
    // Nor can another client use it up.
    let other = exchange(&site, &public(&site), request(&code)).await;
    assert_eq!(other.expect_err("refused"), OAuthError::InvalidGrant);
    let right = auth(client.secret.clone());
    assert!(exchange(&site, &right, request(&code)).await.is_ok());
}

#[tokio::test]
async fn a_public_client_may_send_an_empty_secret_but_no_other() {
    let site = site();
    let code = code(&site, &params(&site, "openid")).await;
    let auth = |text: &str| ClientAuth {
        secret: Some(secret(text)),
        ..public(&site)
    };
    let refused = exchange(&site, &auth("x"), request(&code)).await;
    assert_eq!(refused.expect_err("refused"), OAuthError::InvalidClient);
    assert!(exchange(&site, &auth(""), request(&code)).await.is_ok());
}

#[tokio::test]
async fn pkce_is_honoured_when_sent_and_never_required() {
    let site = site();
    let challenged = AuthorizeParams {
        code_challenge: Some(CHALLENGE.into()),
        code_challenge_method: Some("S256".into()),
        ..params(&site, "openid")
    };
    let with = |code: &str, verifier: Option<&str>| TokenRequest {
        code_verifier: verifier.map(secret),
        ..request(code)
    };
    for (verifier, good) in [
        (Some(VERIFIER), true),
        (Some(CHALLENGE), false),
        (Some("wrong"), false),
        (None, false),
    ] {
        let code = code(&site, &challenged).await;
        let tokens = exchange(&site, &public(&site), with(&code, verifier)).await;
        assert_eq!(tokens.is_ok(), good, "{verifier:?}");
    }
    // A verifier where no challenge was sent is an attack (RFC 9700 section
    // 4.8.2).
    let plain = code(&site, &params(&site, "openid")).await;
    let refused = exchange(&site, &public(&site), with(&plain, Some(VERIFIER))).await;
    assert_eq!(refused.expect_err("refused"), OAuthError::InvalidGrant);
}

#[tokio::test]
async fn another_redirect_uri_than_that_of_the_request_is_refused() {
    let site = site();
    let code = code(&site, &params(&site, "openid")).await;
    let slash = TokenRequest {
        redirect_uri: Some(format!("{CALLBACK}/")),
        ..request(&code)
    };
    let refused = exchange(&site, &public(&site), slash).await;
    assert_eq!(
        refused.expect_err("refused"),
        OAuthError::UnauthorizedClient
    );
}

#[tokio::test]
async fn a_user_disabled_after_the_sign_in_gets_no_tokens() {
    let site = site();
    let code = code(&site, &params(&site, "openid")).await;
    site.idp.disable_user(&site.pool, ADA).expect("disabled");
    let refused = exchange(&site, &public(&site), request(&code)).await;
    assert_eq!(refused.expect_err("refused"), OAuthError::InvalidGrant);
}

#[tokio::test]
async fn what_is_missing_or_unknown_has_its_own_error() {
    let site = site();
    let ask = async |auth: ClientAuth, request: TokenRequest| {
        let refused = exchange(&site, &auth, request).await;
        refused.expect_err("refused")
    };
    let nobody = ClientAuth {
        id: Some("nobody".into()),
        secret: None,
    };
    let grant_type = |name: &str| TokenRequest {
        grant_type: Some(name.into()),
        ..TokenRequest::default()
    };
    let invalid = OAuthError::InvalidRequest;
    assert_eq!(ask(public(&site), TokenRequest::default()).await, invalid);
    assert_eq!(ask(ClientAuth::default(), request("x")).await, invalid);
    assert_eq!(ask(nobody, request("x")).await, OAuthError::InvalidClient);
    assert_eq!(
        ask(public(&site), grant_type("password")).await,
        OAuthError::UnsupportedGrantType
    );
    for name in ["authorization_code", "refresh_token"] {
        assert_eq!(ask(public(&site), grant_type(name)).await, invalid);
    }
}

#[tokio::test]
async fn a_refresh_at_the_token_endpoint_reads_groups_again_and_repeats_no_nonce() {
    let site = site();
    let params = AuthorizeParams {
        nonce: Some("once".into()),
        ..params(&site, "openid")
    };
    let first = log_in(&site, &params).await;
    site.idp
        .remove_user_from_group(&site.pool, ADA, "admins")
        .expect("removed");
    site.advance(Duration::from_secs(60));
    let refresh = || TokenRequest {
        grant_type: Some("refresh_token".into()),
        refresh_token: first.refresh.clone(),
        ..TokenRequest::default()
    };
    let again = exchange(&site, &public(&site), refresh()).await;
    let again = again.expect("refreshed");
    assert!(again.refresh.is_none());
    let (before, after) = (site.id_claims(&first).await, site.id_claims(&again).await);
    assert!(!after.contains_key("cognito:groups") && !after.contains_key("nonce"));
    assert_eq!(after["auth_time"], before["auth_time"]);
    assert_eq!(after["origin_jti"], before["origin_jti"]);
    assert!(after.contains_key("at_hash"));
    site.idp.disable_user(&site.pool, ADA).expect("disabled");
    let refused = exchange(&site, &public(&site), refresh()).await;
    assert_eq!(refused.expect_err("refused"), OAuthError::InvalidGrant);
}

#[tokio::test]
async fn user_info_has_strings_and_needs_an_oauth_token_of_this_pool() {
    let site = Site::new();
    site.confirmed(ADA, &[("email_verified", "true")]);
    let tokens = log_in(&site, &params(&site, "openid")).await;
    let ask = async |token: &Secret<String>| site.idp.user_info(&site.pool, token.expose()).await;
    let claims = ask(&tokens.access).await.expect("claims");
    let claim = |name: &str| {
        let found = claims.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(claim("email_verified"), Some("true"));
    assert_eq!(claim("email"), Some(ADA));
    assert!(claim("username").is_some() && claim("cognito:groups").is_none());
    assert!(ask(&tokens.id.clone().expect("an ID token")).await.is_err());
    assert!(ask(&site.tokens(ADA).await.access).await.is_err());
    let other = site.idp.create_pool("eu-west-2", email_pool());
    let other = other.expect("a pool");
    let foreign = site.idp.user_info(&other.id, tokens.access.expose()).await;
    assert!(foreign.is_err());
    site.advance(Duration::from_secs(3600));
    assert!(ask(&tokens.access).await.is_err(), "expired");
}
