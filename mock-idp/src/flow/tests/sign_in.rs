//! Passwords, challenges, locks, secrets.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rstest::rstest;

use crate::domain::Error;
use crate::domain::client::{ClientSettings, PreventUserExistenceErrors};
use crate::domain::password::{PasswordPolicy, PasswordRule};
use crate::domain::user::UserStatus;
use crate::flow::admin::{CreatePool, NewAttribute, NewClient};
use crate::flow::testing::{ADA, PASSWORD, Site, client_settings, email_pool, secret};
use crate::flow::{
    AuthFlow, AuthOutcome, InitiateAuth, NewPasswordAnswer, NewPasswordChallenge, SignIn,
};

const NEW: &str = "N3w-Passw0rd";

async fn challenged(site: &Site) -> NewPasswordChallenge {
    match site.initiate(ADA, PASSWORD).await {
        Ok(AuthOutcome::NewPasswordRequired(challenge)) => challenge,
        other => panic!("no challenge: {other:?}"),
    }
}

fn answer(site: &Site, challenge: &NewPasswordChallenge, password: &str) -> NewPasswordAnswer {
    NewPasswordAnswer {
        pool: None,
        client: site.client.clone(),
        session: Some(challenge.session.clone()),
        username: Some(challenge.user.username.clone()),
        new_password: Some(secret(password)),
        secret_hash: None,
        attributes: Vec::new(),
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.expect_err("refused").to_string()
}

#[tokio::test]
async fn a_temporary_password_must_be_changed_and_then_the_user_is_confirmed() {
    let site = Site::new();
    site.invite(ADA, &[]);
    let challenge = challenged(&site).await;
    let answered = site
        .idp
        .respond_new_password(answer(&site, &challenge, NEW));
    let Ok(AuthOutcome::Tokens(tokens)) = answered.await else {
        panic!("no tokens");
    };
    assert_eq!(site.id_claims(&tokens).await["email"], ADA);
    let user = site.idp.user(&site.pool, ADA).expect("a user");
    assert_eq!(user.status, UserStatus::Confirmed);
    // Changing the password verifies nothing.
    assert_eq!(user.attributes.get("email_verified"), None);
    assert!(site.initiate(ADA, NEW).await.is_ok());
    assert_eq!(
        refusal(site.initiate(ADA, PASSWORD).await),
        "Incorrect username or password."
    );
}

#[tokio::test]
async fn the_hosted_pages_ask_for_a_new_password_too() {
    let site = Site::new();
    site.invite(ADA, &[]);
    let signed_in = site.idp.sign_in(&site.client, ADA, &secret(PASSWORD));
    let Ok(SignIn::NewPasswordRequired(challenge)) = signed_in else {
        panic!("no challenge");
    };
    let shown = site.idp.challenge(&site.client, &challenge.session);
    assert_eq!(shown.expect("still open").user.id, challenge.user.id);
    let who = site
        .idp
        .set_new_password(&site.client, &challenge.session, &secret(NEW), &[]);
    assert_eq!(who.expect("signed in").user.status, UserStatus::Confirmed);
}

#[tokio::test]
async fn a_wrong_temporary_password_gets_no_challenge() {
    let site = Site::new();
    site.invite(ADA, &[]);
    let wrong = site.initiate(ADA, "Wr0ng-Password").await;
    assert_eq!(refusal(wrong), "Incorrect username or password.");
}

#[tokio::test]
async fn a_session_is_used_once_and_not_up_by_a_weak_password() {
    let site = Site::new();
    site.invite(ADA, &[]);
    let challenge = challenged(&site).await;
    let respond = |password| {
        site.idp
            .respond_new_password(answer(&site, &challenge, password))
    };
    assert_eq!(
        refusal(respond("short").await),
        "Password did not conform with policy: Password not long enough"
    );
    assert!(respond(NEW).await.is_ok());
    assert_eq!(
        refusal(respond(NEW).await),
        "Invalid session for the user, session can only be used once."
    );
}

#[tokio::test]
async fn a_session_ends_with_the_temporary_password_it_was_given_for() {
    let site = Site::new();
    site.invite(ADA, &[]);
    let spent = "Invalid session for the user, session can only be used once.";
    let respond = |challenge: &NewPasswordChallenge| {
        site.idp.respond_new_password(answer(&site, challenge, NEW))
    };
    let replaced = challenged(&site).await;
    let idp = &site.idp;
    idp.set_user_password(&site.pool, ADA, &secret("An0ther-Password"), false)
        .expect("set");
    assert_eq!(refusal(respond(&replaced).await), spent);
    idp.set_user_password(&site.pool, ADA, &secret(PASSWORD), false)
        .expect("set");
    let (one, other) = (challenged(&site).await, challenged(&site).await);
    assert!(respond(&one).await.is_ok());
    assert_eq!(refusal(respond(&other).await), spent);
}

#[tokio::test]
async fn a_session_expires_after_three_minutes() {
    let site = Site::new();
    site.invite(ADA, &[]);
    let challenge = challenged(&site).await;
    site.advance(Duration::from_secs(180));
    let late = site
        .idp
        .respond_new_password(answer(&site, &challenge, NEW));
    assert_eq!(
        refusal(late.await),
        "Invalid session for the user, session is expired."
    );
}

#[tokio::test]
async fn a_session_answers_for_its_own_user_and_client_only() {
    let site = Site::new();
    site.invite(ADA, &[]);
    site.invite("bob@example.com", &[]);
    let challenge = challenged(&site).await;
    let spent = "Invalid session for the user, session can only be used once.";
    let bob = NewPasswordAnswer {
        username: Some("bob@example.com".into()),
        ..answer(&site, &challenge, NEW)
    };
    assert_eq!(refusal(site.idp.respond_new_password(bob).await), spent);
    let new = NewClient {
        settings: client_settings(),
        ..NewClient::default()
    };
    let other = site.idp.create_client(&site.pool, new).expect("a client");
    let other = NewPasswordAnswer {
        client: other.id.clone(),
        ..answer(&site, &challenge, NEW)
    };
    assert_eq!(refusal(site.idp.respond_new_password(other).await), spent);
    let own = answer(&site, &challenge, NEW);
    assert!(site.idp.respond_new_password(own).await.is_ok());
}

#[tokio::test]
async fn required_attributes_are_asked_for_with_the_new_password() {
    let mut pool = email_pool();
    pool.schema.push(NewAttribute {
        name: "name".into(),
        required: Some(true),
        ..NewAttribute::default()
    });
    let site = Site::with(pool, client_settings());
    site.invite(ADA, &[]);
    let challenge = challenged(&site).await;
    assert_eq!(challenge.required, ["name"]);
    let respond = |name: &str, value: &str| {
        let attributes = vec![(name.to_owned(), value.to_owned())];
        site.idp.respond_new_password(NewPasswordAnswer {
            attributes,
            ..answer(&site, &challenge, NEW)
        })
    };
    assert_eq!(
        refusal(respond("nickname", "A").await),
        "Attributes did not conform to the schema: name: The attribute is required\n"
    );
    assert_eq!(
        refusal(respond("email", "eve@example.com").await),
        "Cannot modify an already provided email"
    );
    assert_eq!(
        refusal(respond("email_verified", "true").await),
        "A client attempted to write unauthorized attribute"
    );
    assert!(respond("name", "Ada").await.is_ok());
    let user = site.idp.user(&site.pool, ADA).expect("a user");
    assert_eq!(user.attributes.get("name"), Some("Ada"));
}

#[tokio::test]
async fn a_temporary_password_expires_with_the_policys_days() {
    let site = Site::new();
    site.invite(ADA, &[]);
    site.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(
        refusal(site.initiate(ADA, PASSWORD).await),
        "Temporary password has expired and must be reset by an administrator."
    );
}

#[rstest]
#[case("Ab1-", Err(PasswordRule::Length))]
#[case("ab1-abcd", Err(PasswordRule::Uppercase))]
#[case("AB1-ABCD", Err(PasswordRule::Lowercase))]
#[case("Abc-abcd", Err(PasswordRule::Numbers))]
#[case("Abc1abcd", Err(PasswordRule::Symbols))]
#[case(" Abc1abcd ", Err(PasswordRule::Symbols))]
#[case("Abc1 abcd", Ok(()))]
#[case("H3lloW@rlD", Ok(()))]
#[case("short", Err(PasswordRule::Length))]
fn a_password_is_refused_for_the_first_rule_it_breaks_only(
    #[case] password: &str,
    #[case] expected: Result<(), PasswordRule>,
) {
    assert_eq!(PasswordPolicy::default().check(password), expected);
}

#[test]
fn a_policy_asks_for_no_more_than_it_says() {
    let policy = PasswordPolicy {
        minimum_length: 6,
        require_uppercase: false,
        require_lowercase: false,
        require_numbers: false,
        require_symbols: false,
        ..PasswordPolicy::default()
    };
    assert_eq!(policy.check("aaaaaa"), Ok(()));
}

#[tokio::test]
async fn the_default_client_does_not_take_passwords_by_the_api_but_on_the_pages() {
    let settings = ClientSettings {
        explicit_auth_flows: None,
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[]);
    assert_eq!(
        refusal(site.initiate(ADA, PASSWORD).await),
        "USER_PASSWORD_AUTH flow not enabled for this client"
    );
    let admin = InitiateAuth {
        pool: Some(site.pool.clone()),
        flow: AuthFlow::AdminUserPassword,
        ..site.call(ADA, PASSWORD)
    };
    assert_eq!(
        refusal(site.idp.initiate_auth(admin).await),
        "Auth flow not enabled for this client"
    );
    let pages = site.idp.sign_in(&site.client, ADA, &secret(PASSWORD));
    assert!(matches!(pages, Ok(SignIn::Authenticated(_))));
}

#[tokio::test]
async fn the_admin_flow_is_not_for_initiate_auth() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let call = |pool| InitiateAuth {
        pool,
        flow: AuthFlow::AdminUserPassword,
        ..site.call(ADA, PASSWORD)
    };
    assert_eq!(
        refusal(site.idp.initiate_auth(call(None)).await),
        "Initiate Auth method not supported"
    );
    let admin = site.idp.initiate_auth(call(Some(site.pool.clone()))).await;
    assert!(admin.is_ok());
}

#[tokio::test]
async fn flows_without_behaviour_are_refused_by_name() {
    use crate::domain::client::ExplicitAuthFlow as Flow;
    let settings = ClientSettings {
        explicit_auth_flows: Some(vec![Flow::AllowUserSrpAuth, Flow::AllowUserAuth]),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    for (flow, name) in [
        (AuthFlow::UserSrp, "USER_SRP_AUTH"),
        (AuthFlow::UserAuth, "USER_AUTH"),
    ] {
        let call = InitiateAuth {
            flow,
            ..site.call(ADA, PASSWORD)
        };
        let refused = site.idp.initiate_auth(call).await.expect_err("refused");
        assert!(matches!(&refused, Error::UnsupportedOperation(m) if m.contains(name)));
    }
}

#[tokio::test]
async fn refusals_come_in_cognitos_order() {
    let site = Site::new();
    let unknown = InitiateAuth {
        client: "nobody".into(),
        ..site.call(ADA, PASSWORD)
    };
    assert_eq!(
        refusal(site.idp.initiate_auth(unknown).await),
        "User pool client nobody does not exist."
    );
    let nameless = InitiateAuth {
        username: None,
        ..site.call(ADA, PASSWORD)
    };
    assert_eq!(
        refusal(site.idp.initiate_auth(nameless).await),
        "Missing required parameter USERNAME"
    );
    assert_eq!(
        site.initiate(ADA, PASSWORD).await.expect_err("unknown"),
        Error::UserNotFound
    );
    site.confirmed(ADA, &[]);
    site.idp.disable_user(&site.pool, ADA).expect("disabled");
    for password in [PASSWORD, "Wr0ng-Password"] {
        let refused = site.initiate(ADA, password).await;
        assert_eq!(refusal(refused), "User is disabled.");
    }
    site.idp.enable_user(&site.pool, ADA).expect("enabled");
    assert!(site.initiate(ADA, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_client_that_hides_users_says_the_same_of_unknown_ones() {
    let settings = ClientSettings {
        prevent_user_existence_errors: Some(PreventUserExistenceErrors::Enabled),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    assert_eq!(
        refusal(site.initiate(ADA, PASSWORD).await),
        "Incorrect username or password."
    );
}

#[rstest]
#[case(None, "ADA@Example.com", false)]
#[case(Some(true), "ADA@Example.com", false)]
#[case(Some(false), "ADA@Example.com", true)]
#[case(None, ADA, true)]
#[tokio::test]
async fn case_counts_as_the_pool_was_created(
    #[case] case_sensitivity: Option<bool>,
    #[case] typed: &str,
    #[case] expected: bool,
) {
    let pool = CreatePool {
        case_sensitivity,
        ..email_pool()
    };
    let site = Site::with(pool, client_settings());
    site.confirmed(ADA, &[]);
    assert_eq!(site.initiate(typed, PASSWORD).await.is_ok(), expected);
}

#[tokio::test]
async fn from_the_fifth_failure_on_passwords_wait() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    for _ in 0..5 {
        let wrong = site.initiate(ADA, "Wr0ng-Password").await;
        assert_eq!(refusal(wrong), "Incorrect username or password.");
    }
    let locked = "Password attempts exceeded";
    assert_eq!(refusal(site.initiate(ADA, PASSWORD).await), locked);
    site.advance(Duration::from_secs(1));
    let wrong = site.initiate(ADA, "Wr0ng-Password").await;
    assert_eq!(refusal(wrong), "Incorrect username or password.");
    site.advance(Duration::from_secs(1));
    // The lock has doubled.
    assert_eq!(refusal(site.initiate(ADA, PASSWORD).await), locked);
    site.advance(Duration::from_secs(1));
    assert!(site.initiate(ADA, PASSWORD).await.is_ok());
    let wrong = site.initiate(ADA, "Wr0ng-Password").await;
    assert_eq!(refusal(wrong), "Incorrect username or password.");
    assert!(site.initiate(ADA, PASSWORD).await.is_ok(), "forgotten");
}

#[tokio::test]
async fn a_client_with_a_secret_needs_the_secret_hash() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let new = NewClient {
        generate_secret: true,
        settings: client_settings(),
        ..NewClient::default()
    };
    let client = site.idp.create_client(&site.pool, new).expect("a client");
    let id = client.id.as_str();
    let call = |secret_hash: Option<String>| {
        site.idp.initiate_auth(InitiateAuth {
            client: client.id.clone(),
            secret_hash,
            ..site.call(ADA, PASSWORD)
        })
    };
    let own = client.secret.as_ref().expect("a secret").expose();
    let hash = |secret: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        STANDARD.encode(hmac::sign(&key, format!("{ADA}{id}").as_bytes()))
    };
    assert_eq!(
        refusal(call(None).await),
        format!("Client {id} is configured with secret but SECRET_HASH was not received")
    );
    assert_eq!(
        refusal(call(Some(hash("wrong"))).await),
        format!("SecretHash does not match for the client: {id}")
    );
    assert!(call(Some(hash(own))).await.is_ok());
}

#[tokio::test]
async fn refresh_reads_groups_and_attributes_again_and_keeps_auth_time_and_origin() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    site.join(ADA, "admins");
    let first = site.tokens(ADA).await;
    let before = site.id_claims(&first).await;
    site.advance(Duration::from_secs(1800));
    let again = site.refresh(&first).await.expect("refreshed");
    assert!(again.refresh.is_none(), "no new refresh token");
    let after = site.id_claims(&again).await;
    assert_eq!(after["cognito:groups"], serde_json::json!(["admins"]));
    for name in ["auth_time", "origin_jti", "sub"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_ne!(after["iat"], before["iat"]);
    assert_ne!(after["jti"], before["jti"]);
    site.idp
        .remove_user_from_group(&site.pool, ADA, "admins")
        .expect("removed");
    site.idp
        .update_user_attributes(&site.pool, ADA, &[("name".into(), "Ada".into())])
        .expect("updated");
    let again = site.refresh(&first).await.expect("refreshed");
    let after = site.id_claims(&again).await;
    assert!(!after.contains_key("cognito:groups"));
    assert_eq!(after["name"], "Ada");
}

#[tokio::test]
async fn refresh_is_refused_once_disabled_and_once_expired() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    site.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(
        refusal(site.refresh(&tokens).await),
        "Refresh Token has expired"
    );
    let tokens = site.tokens(ADA).await;
    site.idp.disable_user(&site.pool, ADA).expect("disabled");
    assert_eq!(refusal(site.refresh(&tokens).await), "User is disabled.");
    site.idp.enable_user(&site.pool, ADA).expect("enabled");
    assert_eq!(
        refusal(site.refresh(&tokens).await),
        "Refresh Token has been revoked"
    );
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_own() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    let new = NewClient {
        settings: client_settings(),
        ..NewClient::default()
    };
    let other = site.idp.create_client(&site.pool, new).expect("a client");
    let token = tokens.refresh.expect("a refresh token");
    let stolen = site
        .idp
        .tokens_from_refresh_token(&other.id, &token, None)
        .await;
    assert_eq!(refusal(stolen), "Invalid Refresh Token");
}

#[tokio::test]
async fn where_refresh_tokens_rotate_the_former_one_is_reuse() {
    let settings = ClientSettings {
        rotation: Some(crate::domain::client::RefreshRotation {
            enabled: true,
            grace_seconds: Some(30),
        }),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    assert!(site.refresh(&tokens).await.is_err(), "not by InitiateAuth");
    let old = tokens.refresh.expect("a refresh token");
    let refresh = |token| {
        site.idp
            .tokens_from_refresh_token(&site.client, token, None)
    };
    let rotated = refresh(&old).await.expect("refreshed");
    let new = rotated.refresh.expect("a new refresh token");
    assert!(refresh(&old).await.is_ok(), "within the grace period");
    site.advance(Duration::from_secs(30));
    assert!(matches!(
        refresh(&old).await,
        Err(Error::RefreshTokenReuse(_))
    ));
    assert!(refresh(&new).await.is_ok());
}

#[tokio::test]
async fn two_pools_on_one_origin_never_share_a_session() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let signed_in = site.idp.sign_in(&site.client, ADA, &secret(PASSWORD));
    let Ok(SignIn::Authenticated(who)) = signed_in else {
        panic!("not signed in");
    };
    let cookie = site.idp.open_session(&who);
    let cookie = cookie.expose();
    let other = site.idp.create_pool("eu-west-2", email_pool());
    let other = other.expect("a pool");
    assert!(site.idp.session(&other.id, cookie).is_none());
    site.idp.close_session(&other.id, cookie);
    let session = site.idp.session(&site.pool, cookie);
    assert_eq!(session.expect("a session").user.id, who.user.id);
    site.advance(Duration::from_secs(3600));
    assert!(site.idp.session(&site.pool, cookie).is_none(), "an hour");
}

#[tokio::test]
async fn a_closed_session_and_a_disabled_users_session_are_none() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let open = || {
        let signed_in = site.idp.sign_in(&site.client, ADA, &secret(PASSWORD));
        let Ok(SignIn::Authenticated(who)) = signed_in else {
            panic!("not signed in");
        };
        site.idp.open_session(&who)
    };
    let (one, other) = (open(), open());
    site.idp.close_session(&site.pool, one.expose());
    assert!(site.idp.session(&site.pool, one.expose()).is_none());
    assert!(site.idp.session(&site.pool, other.expose()).is_some());
    site.idp.disable_user(&site.pool, ADA).expect("disabled");
    assert!(site.idp.session(&site.pool, other.expose()).is_none());
}
