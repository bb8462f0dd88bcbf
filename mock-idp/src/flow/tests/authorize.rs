//! The authorize request and `/logout`.

use rstest::rstest;

use crate::domain::OAuthError;
use crate::domain::client::{ClientSettings, OAuthFlow};
use crate::flow::testing::{ADA, PASSWORD, Site, client_settings, email_pool, secret};
use crate::flow::{
    AuthorizeParams, AuthorizeRefusal, LogoutParams, LogoutTarget, PageError, SignIn,
};

const CALLBACK: &str = "http://localhost:8000";

fn params(site: &Site) -> AuthorizeParams {
    AuthorizeParams {
        response_type: Some("code".into()),
        client_id: Some(site.client.as_str().into()),
        redirect_uri: Some(CALLBACK.into()),
        state: Some("a b&c".into()),
        ..AuthorizeParams::default()
    }
}

fn refused(site: &Site, params: &AuthorizeParams) -> AuthorizeRefusal {
    let request = site.idp.validate_authorize(&site.pool, params);
    request.expect_err("refused")
}

type Edit = fn(&mut AuthorizeParams);

#[rstest]
#[case::no_client(|p: &mut AuthorizeParams| p.client_id = None, PageError::InvalidRequest)]
#[case::unknown_client(|p: &mut AuthorizeParams| p.client_id = Some("x".into()), PageError::ClientDoesNotExist)]
#[case::no_redirect_uri(|p: &mut AuthorizeParams| p.redirect_uri = None, PageError::InvalidRequest)]
#[case::trailing_slash(|p: &mut AuthorizeParams| p.redirect_uri = Some(format!("{CALLBACK}/")), PageError::RedirectMismatch)]
#[case::another_port(|p: &mut AuthorizeParams| p.redirect_uri = Some("http://localhost:8001".into()), PageError::RedirectMismatch)]
#[case::hybrid(|p: &mut AuthorizeParams| p.response_type = Some("token id_token".into()), PageError::InvalidRequest)]
fn the_client_is_told_nothing_while_it_or_its_redirect_uri_is_in_doubt(
    #[case] edit: Edit,
    #[case] expected: PageError,
) {
    let site = Site::new();
    let mut params = params(&site);
    edit(&mut params);
    let AuthorizeRefusal::Page { error, client_id } = refused(&site, &params) else {
        panic!("redirected");
    };
    assert_eq!((error, client_id), (expected, params.client_id));
}

#[rstest]
#[case::no_response_type(|p: &mut AuthorizeParams| p.response_type = None, OAuthError::InvalidRequest, "invalid_request")]
#[case::method_missing(|p: &mut AuthorizeParams| p.code_challenge = Some("x".into()), OAuthError::InvalidRequest, "invalid_request")]
#[case::plain(|p: &mut AuthorizeParams| { p.code_challenge = Some("x".into()); p.code_challenge_method = Some("plain".into()) }, OAuthError::InvalidRequest, "invalid_request")]
#[case::method_alone(|p: &mut AuthorizeParams| p.code_challenge_method = Some("S256".into()), OAuthError::InvalidRequest, "invalid_request")]
#[case::unknown_scope(|p: &mut AuthorizeParams| p.scope = Some("openid nonsense".into()), OAuthError::InvalidScope, "invalid_scope")]
#[case::not_the_clients(|p: &mut AuthorizeParams| p.scope = Some("openid phone".into()), OAuthError::InvalidScope, "invalid_scope")]
#[case::email_without_openid(|p: &mut AuthorizeParams| p.scope = Some("email".into()), OAuthError::InvalidScope, "invalid_scope")]
fn other_refusals_reach_the_client_with_its_state(
    #[case] edit: Edit,
    #[case] expected: OAuthError,
    #[case] code: &str,
) {
    let site = Site::new();
    let mut params = params(&site);
    edit(&mut params);
    let location = format!("{CALLBACK}?error={code}&state=a+b%26c");
    assert_eq!(
        refused(&site, &params),
        AuthorizeRefusal::Redirect {
            location,
            error: expected
        }
    );
}

#[test]
fn a_flow_the_client_may_not_use_is_refused_in_the_fragment_where_tokens_were_asked_for() {
    let site = Site::new();
    let params = AuthorizeParams {
        response_type: Some("token".into()),
        state: None,
        ..params(&site)
    };
    let AuthorizeRefusal::Redirect { location, .. } = refused(&site, &params) else {
        panic!("not redirected");
    };
    assert_eq!(location, format!("{CALLBACK}#error=unauthorized_client"));
}

#[test]
fn a_client_without_identity_provider_signs_nobody_in() {
    let settings = ClientSettings {
        identity_providers: Vec::new(),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    assert!(matches!(
        refused(&site, &params(&site)),
        AuthorizeRefusal::Page {
            error: PageError::NoIdentityProvider,
            ..
        }
    ));
}

#[test]
fn no_scope_means_all_of_the_clients() {
    let site = Site::new();
    let request = site.idp.validate_authorize(&site.pool, &params(&site));
    let scopes = request.expect("in order").scopes.to_string();
    assert_eq!(scopes, "openid profile email");
}

#[test]
fn a_client_of_another_pool_does_not_exist_here() {
    let site = Site::new();
    let other = site.idp.create_pool("eu-west-2", email_pool());
    let other = other.expect("a pool");
    let request = site.idp.validate_authorize(&other.id, &params(&site));
    assert!(matches!(
        request.expect_err("refused"),
        AuthorizeRefusal::Page {
            error: PageError::ClientDoesNotExist,
            ..
        }
    ));
}

#[tokio::test]
async fn the_implicit_flow_answers_with_tokens_in_the_fragment() {
    let settings = ClientSettings {
        allowed_oauth_flows: vec![OAuthFlow::Implicit],
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[]);
    let params = AuthorizeParams {
        response_type: Some("token".into()),
        scope: Some("openid".into()),
        ..params(&site)
    };
    let request = site.idp.validate_authorize(&site.pool, &params);
    let request = request.expect("in order");
    let signed_in = site.idp.sign_in(&site.client, ADA, &secret(PASSWORD));
    let Ok(SignIn::Authenticated(who)) = signed_in else {
        panic!("not signed in");
    };
    let location = site.idp.authorized(&request, &who).await.expect("tokens");
    let fragment = location.strip_prefix(CALLBACK).expect("the callback");
    let fragment = fragment.strip_prefix('#').expect("a fragment");
    let pairs: Vec<_> = url::form_urlencoded::parse(fragment.as_bytes()).collect();
    let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(
        names,
        [
            "id_token",
            "access_token",
            "expires_in",
            "token_type",
            "state"
        ]
    );
    site.verify(&pairs[0].1, Some(site.client.as_str())).await;
}

#[test]
fn logout_leads_only_where_the_client_says() {
    let site = Site::new();
    let ask = |logout_uri: Option<&str>, redirect_uri: Option<&str>| {
        let params = LogoutParams {
            client_id: Some(site.client.as_str().into()),
            logout_uri: logout_uri.map(str::to_owned),
            redirect_uri: redirect_uri.map(str::to_owned),
            response_type: redirect_uri.map(|_| "code".to_owned()),
        };
        site.idp.logout_target(&site.pool, &params)
    };
    let bye = "http://localhost:8000/bye";
    assert_eq!(ask(Some(bye), None), Ok(LogoutTarget::Uri(bye.into())));
    assert_eq!(
        ask(Some("http://localhost:8000/"), None),
        Err(PageError::RedirectMismatch)
    );
    assert_eq!(ask(None, Some(CALLBACK)), Ok(LogoutTarget::Login));
    assert_eq!(
        ask(None, Some("https://evil.example")),
        Err(PageError::RedirectMismatch)
    );
    assert_eq!(ask(None, None), Err(PageError::InvalidRequest));
}
