//! Revocation and what survives it.

use crate::domain::Error;
use crate::domain::client::ClientSettings;
use crate::flow::admin::NewClient;
use crate::flow::testing::{ADA, Site, client_settings, email_pool, secret};

#[tokio::test]
async fn get_user_shows_what_the_client_reads_and_refuses_other_tokens() {
    let settings = ClientSettings {
        read_attributes: Some(vec!["email".into()]),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[("name", "Ada")]);
    let tokens = site.tokens(ADA).await;
    let account = site.idp.get_user(tokens.access.expose()).await;
    let account = account.expect("an account");
    let names: Vec<_> = account.attributes.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["sub", "email"]);
    let id = tokens.id.expect("an ID token");
    let tampered = format!("{}x", tokens.access.expose());
    for other in [id.expose(), &tampered, "", "a.b.c"] {
        let refused = site.idp.get_user(other).await.expect_err("refused");
        assert_eq!(refused.to_string(), "Invalid Access Token");
    }
    site.advance(std::time::Duration::from_secs(3600));
    let late = site.idp.get_user(tokens.access.expose()).await;
    let late = late.expect_err("expired").to_string();
    assert_eq!(late, "Access Token has expired");
}

#[tokio::test]
async fn revoking_ends_the_refresh_token_and_its_access_tokens_for_cognito_only() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let (one, other) = (site.tokens(ADA).await, site.tokens(ADA).await);
    let again = site.refresh(&one).await.expect("refreshed");
    let token = one.refresh.clone().expect("a refresh token");
    site.idp
        .revoke_token(&site.client, &token, None)
        .expect("revoked");
    let refused = site.refresh(&one).await.expect_err("revoked");
    assert_eq!(refused.to_string(), "Refresh Token has been revoked");
    for access in [&one.access, &again.access] {
        let refused = site.idp.get_user(access.expose()).await;
        let refused = refused.expect_err("revoked").to_string();
        assert_eq!(refused, "Access Token has been revoked");
    }
    // The other sign-in goes on, and so do JWTs for who verifies them offline.
    assert!(site.idp.get_user(other.access.expose()).await.is_ok());
    assert!(site.refresh(&other).await.is_ok());
    site.id_claims(&one).await;
    let twice = site.idp.revoke_token(&site.client, &token, None);
    assert_eq!(twice, Ok(()));
}

#[tokio::test]
async fn only_refresh_tokens_are_revoked_and_only_by_their_client() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    let revoke = |client, token| site.idp.revoke_token(client, token, None);
    assert!(matches!(
        revoke(&site.client, &tokens.access),
        Err(Error::UnsupportedTokenType(_))
    ));
    let unknown = secret("unknown");
    let unknown = revoke(&site.client, &unknown);
    assert_eq!(unknown, Ok(()), "RFC 7009");
    let new = |token_revocation| NewClient {
        settings: ClientSettings {
            token_revocation,
            ..client_settings()
        },
        ..NewClient::default()
    };
    let other = site.idp.create_client(&site.pool, new(None));
    let other = other.expect("a client");
    let refresh = tokens.refresh.clone().expect("a refresh token");
    assert!(matches!(
        revoke(&other.id, &refresh),
        Err(Error::Unauthorized(_))
    ));
    let without = site.idp.create_client(&site.pool, new(Some(false)));
    let without = without.expect("a client");
    assert!(matches!(
        revoke(&without.id, &refresh),
        Err(Error::UnsupportedOperation(_))
    ));
    assert!(site.refresh(&tokens).await.is_ok());
}

#[tokio::test]
async fn a_global_sign_out_ends_every_sign_in_but_no_later_one() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let (one, other) = (site.tokens(ADA).await, site.tokens(ADA).await);
    site.idp
        .admin_user_global_sign_out(&site.pool, ADA)
        .expect("signed out");
    for tokens in [&one, &other] {
        assert!(site.refresh(tokens).await.is_err());
        assert!(site.idp.get_user(tokens.access.expose()).await.is_err());
    }
    // In the same second.
    let later = site.tokens(ADA).await;
    assert!(site.idp.get_user(later.access.expose()).await.is_ok());
    let access = later.access.expose();
    site.idp.global_sign_out(access).await.expect("signed out");
    assert!(site.idp.get_user(access).await.is_err());
}

#[tokio::test]
async fn a_deleted_users_tokens_open_nothing() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    site.idp.delete_user(&site.pool, ADA).expect("deleted");
    let refused = site.idp.get_user(tokens.access.expose()).await;
    assert_eq!(refused.expect_err("deleted"), Error::UserNotFound);
    assert!(site.refresh(&tokens).await.is_err());
}
