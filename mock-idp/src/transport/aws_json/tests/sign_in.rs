//! Signing in, by users and by administrators; signing out.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rstest::rstest;

use super::tutorial::{create_client, create_pool, text};
use super::*;

const PASSWORD: &str = "H3lloW@rlD";
const USER: &str = "test@kubedemy.io";

/// A pool, a client that takes passwords, and a confirmed user.
struct Signed {
    rig: Rig,
    pool: String,
    client: String,
}

impl Signed {
    async fn up() -> Self {
        let rig = Rig::new();
        let pool = create_pool(&rig).await;
        let flows = [
            "ALLOW_USER_PASSWORD_AUTH",
            "ALLOW_ADMIN_USER_PASSWORD_AUTH",
            "ALLOW_REFRESH_TOKEN_AUTH",
        ];
        let client = create_client(&rig, &pool, &flows).await;
        let signed = Self { rig, pool, client };
        signed
            .rig
            .answer("AdminCreateUser", signed.named(json!({})))
            .await;
        signed.set_password(PASSWORD, true).await;
        signed
    }

    /// `members` with the pool and the user.
    fn named(&self, mut members: Value) -> Value {
        members["UserPoolId"] = json!(self.pool);
        members["Username"] = json!(USER);
        members
    }

    async fn set_password(&self, password: &str, permanent: bool) {
        let body = self.named(json!({"Password": password, "Permanent": permanent}));
        let answer = self.rig.answer("AdminSetUserPassword", body).await;
        assert_eq!(answer, json!({}));
    }

    fn credentials(&self, password: &str) -> Value {
        json!({
            "ClientId": self.client,
            "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": USER, "PASSWORD": password},
        })
    }

    async fn tokens(&self) -> Value {
        let answer = self
            .rig
            .answer("InitiateAuth", self.credentials(PASSWORD))
            .await;
        answer["AuthenticationResult"].clone()
    }

    fn refresh(&self, token: &Value) -> Value {
        json!({
            "ClientId": self.client,
            "AuthFlow": "REFRESH_TOKEN_AUTH",
            "AuthParameters": {"REFRESH_TOKEN": token},
        })
    }
}

fn claims(token: &Value) -> Value {
    let token = text(token);
    let payload = token.split('.').nth(1).expect("a JWT");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64");
    serde_json::from_slice(&payload).expect("JSON")
}

#[tokio::test]
async fn a_confirmed_user_gets_three_tokens_that_refresh() {
    let signed = Signed::up().await;
    let answer = signed
        .rig
        .answer("InitiateAuth", signed.credentials(PASSWORD))
        .await;
    assert_eq!(answer["ChallengeParameters"], json!({}));
    let tokens = &answer["AuthenticationResult"];
    assert_eq!(tokens["ExpiresIn"], 3600);
    assert_eq!(tokens["TokenType"], "Bearer");
    let id = claims(&tokens["IdToken"]);
    assert_eq!(id["aud"], *signed.client);
    assert_eq!(id["email"], USER);
    assert!(id.get("email_verified").is_none(), "{id}");
    assert_eq!(claims(&tokens["AccessToken"])["token_use"], "access");
    assert_eq!(text(&tokens["RefreshToken"]).split('.').count(), 5);

    let answer = signed
        .rig
        .answer("InitiateAuth", signed.refresh(&tokens["RefreshToken"]))
        .await;
    let refreshed = &answer["AuthenticationResult"];
    assert!(refreshed.get("RefreshToken").is_none());
    assert_eq!(claims(&refreshed["IdToken"])["sub"], id["sub"]);

    let mut body = signed.refresh(&tokens["RefreshToken"]);
    body["UserPoolId"] = json!(signed.pool);
    body["AuthFlow"] = json!("REFRESH_TOKEN");
    signed.rig.answer("AdminInitiateAuth", body).await;

    let answer = signed
        .rig
        .answer(
            "GetTokensFromRefreshToken",
            json!({"RefreshToken": tokens["RefreshToken"], "ClientId": signed.client}),
        )
        .await;
    assert_eq!(
        claims(&answer["AuthenticationResult"]["IdToken"])["sub"],
        id["sub"]
    );
}

#[tokio::test]
async fn an_administrator_signs_a_user_in_by_either_name_of_the_flow() {
    let signed = Signed::up().await;
    for flow in ["ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH"] {
        let mut body = signed.credentials(PASSWORD);
        body["AuthFlow"] = json!(flow);
        assert_eq!(
            signed.rig.refusal("InitiateAuth", body.clone()).await,
            refused(
                "InvalidParameterException",
                "Initiate Auth method not supported"
            )
        );
        body["UserPoolId"] = json!(signed.pool);
        let answer = signed.rig.answer("AdminInitiateAuth", body).await;
        assert!(answer["AuthenticationResult"]["IdToken"].is_string());
    }
}

#[rstest]
#[case::for_users("InitiateAuth", "RespondToAuthChallenge")]
#[case::for_administrators("AdminInitiateAuth", "AdminRespondToAuthChallenge")]
#[tokio::test]
async fn a_temporary_password_must_be_changed(#[case] initiate: &str, #[case] respond: &str) {
    let signed = Signed::up().await;
    signed.set_password("Temp0rary!", false).await;
    let admin = initiate.starts_with("Admin");
    let with_pool = |mut body: Value| {
        if admin {
            body["UserPoolId"] = json!(signed.pool);
        }
        body
    };
    let mut body = signed.credentials("Temp0rary!");
    if admin {
        body["AuthFlow"] = json!("ADMIN_USER_PASSWORD_AUTH");
    }
    let answer = signed.rig.answer(initiate, with_pool(body)).await;
    assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    assert!(answer.get("AuthenticationResult").is_none());
    let parameters = &answer["ChallengeParameters"];
    assert_eq!(parameters["requiredAttributes"], "[]");
    assert_eq!(
        parameters["userAttributes"],
        format!(r#"{{"email":"{USER}"}}"#)
    );
    let user_id = &parameters["USER_ID_FOR_SRP"];
    assert_eq!(user_id.as_str().map(str::len), Some(36));

    let session = &answer["Session"];
    let reply = |password: &str| {
        with_pool(json!({
            "ClientId": signed.client,
            "ChallengeName": "NEW_PASSWORD_REQUIRED",
            "Session": session,
            "ChallengeResponses": {"USERNAME": user_id, "NEW_PASSWORD": password},
        }))
    };
    let (kind, _) = signed.rig.refusal(respond, reply("weak")).await;
    assert_eq!(kind, "InvalidPasswordException");
    let answer = signed.rig.answer(respond, reply("Br@ndNew1")).await;
    let id = claims(&answer["AuthenticationResult"]["IdToken"]);
    assert_eq!(id["email"], USER);
    assert_eq!(
        signed.rig.refusal(respond, reply("Br@ndNew1")).await,
        refused(
            "NotAuthorizedException",
            "Invalid session for the user, session can only be used once."
        )
    );
    let answer = signed
        .rig
        .answer("AdminGetUser", signed.named(json!({})))
        .await;
    assert_eq!(answer["UserStatus"], "CONFIRMED");
}

#[tokio::test]
async fn signing_in_is_refused_in_the_words_of_cognito() {
    let signed = Signed::up().await;
    let rig = &signed.rig;
    assert_eq!(
        rig.refusal("InitiateAuth", signed.credentials("wrong"))
            .await,
        refused("NotAuthorizedException", "Incorrect username or password.")
    );
    let mut nobody = signed.credentials(PASSWORD);
    nobody["AuthParameters"]["USERNAME"] = json!("nobody@kubedemy.io");
    assert_eq!(
        rig.refusal("InitiateAuth", nobody).await,
        refused("UserNotFoundException", "User does not exist.")
    );
    let mut unnamed = signed.credentials(PASSWORD);
    unnamed["AuthParameters"] = json!({"PASSWORD": PASSWORD});
    assert_eq!(
        rig.refusal("InitiateAuth", unnamed).await,
        refused(
            "InvalidParameterException",
            "Missing required parameter USERNAME"
        )
    );
    let mut elsewhere = signed.credentials(PASSWORD);
    elsewhere["ClientId"] = json!("nosuchclient");
    let (kind, _) = rig.refusal("InitiateAuth", elsewhere).await;
    assert_eq!(kind, "ResourceNotFoundException");

    let default = create_client(rig, &signed.pool, &[]).await;
    let mut closed = signed.credentials(PASSWORD);
    closed["ClientId"] = json!(default);
    assert_eq!(
        rig.refusal("InitiateAuth", closed).await,
        refused(
            "InvalidParameterException",
            "USER_PASSWORD_AUTH flow not enabled for this client"
        )
    );

    rig.answer("AdminDisableUser", signed.named(json!({})))
        .await;
    assert_eq!(
        rig.refusal("InitiateAuth", signed.credentials(PASSWORD))
            .await,
        refused("NotAuthorizedException", "User is disabled.")
    );
}

#[tokio::test]
async fn a_challenge_without_behaviour_names_itself() {
    let signed = Signed::up().await;
    let body = json!({
        "ClientId": signed.client,
        "ChallengeName": "SMS_MFA",
        "ChallengeResponses": {"USERNAME": USER},
    });
    let answer = signed.rig.call("RespondToAuthChallenge", &body).await;
    assert_eq!(answer.status, 501);
    assert!(answer.error().1.contains("SMS_MFA"));
}

#[tokio::test]
async fn a_client_with_a_secret_asks_for_its_hash() {
    let signed = Signed::up().await;
    let rig = &signed.rig;
    let answer = rig
        .answer(
            "CreateUserPoolClient",
            json!({
                "UserPoolId": signed.pool,
                "ClientName": "web",
                "GenerateSecret": true,
                "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"],
            }),
        )
        .await;
    let client = text(&answer["UserPoolClient"]["ClientId"]);
    let secret = text(&answer["UserPoolClient"]["ClientSecret"]);
    let hash = |username: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let message = format!("{username}{client}");
        BASE64_STANDARD.encode(hmac::sign(&key, message.as_bytes()))
    };
    let mut body = signed.credentials(PASSWORD);
    body["ClientId"] = json!(client);
    assert_eq!(
        rig.refusal("InitiateAuth", body.clone()).await,
        refused(
            "NotAuthorizedException",
            &format!("Client {client} is configured with secret but SECRET_HASH was not received")
        )
    );
    body["AuthParameters"]["SECRET_HASH"] = json!(hash("somebody else"));
    assert_eq!(
        rig.refusal("InitiateAuth", body.clone()).await,
        refused(
            "NotAuthorizedException",
            &format!("SecretHash does not match for the client: {client}")
        )
    );
    body["AuthParameters"]["SECRET_HASH"] = json!(hash(USER));
    let answer = rig.answer("InitiateAuth", body).await;
    assert!(answer["AuthenticationResult"]["IdToken"].is_string());
}

#[tokio::test]
async fn a_user_asks_who_they_are_until_signed_out() {
    let signed = Signed::up().await;
    let rig = &signed.rig;
    let tokens = signed.tokens().await;
    let me = json!({"AccessToken": tokens["AccessToken"]});
    let answer = rig.answer("GetUser", me.clone()).await;
    assert_eq!(
        answer,
        json!({
            "Username": answer["Username"],
            "UserAttributes": [
                {"Name": "sub", "Value": answer["Username"]},
                {"Name": "email", "Value": USER},
            ],
        }),
        "no status and no dates"
    );
    let wrong = json!({"AccessToken": tokens["IdToken"]});
    assert_eq!(
        rig.refusal("GetUser", wrong).await,
        refused("NotAuthorizedException", "Invalid Access Token")
    );

    // Tokens know their time to the second.
    signed
        .rig
        .clock
        .advance(Duration::from_secs(2))
        .expect("movable");
    let answer = rig
        .answer("AdminUserGlobalSignOut", signed.named(json!({})))
        .await;
    assert_eq!(answer, json!({}));
    assert_eq!(
        rig.refusal("GetUser", me).await,
        refused("NotAuthorizedException", "Access Token has been revoked")
    );
    let (kind, _) = rig
        .refusal("InitiateAuth", signed.refresh(&tokens["RefreshToken"]))
        .await;
    assert_eq!(kind, "NotAuthorizedException");
}

#[tokio::test]
async fn a_user_signs_out_everywhere() {
    let signed = Signed::up().await;
    let tokens = signed.tokens().await;
    let me = json!({"AccessToken": tokens["AccessToken"]});
    signed
        .rig
        .clock
        .advance(Duration::from_secs(2))
        .expect("movable");
    let answer = signed.rig.answer("GlobalSignOut", me.clone()).await;
    assert_eq!(answer, json!({}));
    let (kind, _) = signed.rig.refusal("GetUser", me).await;
    assert_eq!(kind, "NotAuthorizedException");
}

#[tokio::test]
async fn a_revoked_refresh_token_ends_its_access_tokens_too() {
    let signed = Signed::up().await;
    let rig = &signed.rig;
    let tokens = signed.tokens().await;
    let revoke = |token: &Value| json!({"Token": token, "ClientId": signed.client});
    let (kind, _) = rig
        .refusal("RevokeToken", revoke(&tokens["AccessToken"]))
        .await;
    assert_eq!(kind, "UnsupportedTokenTypeException");
    for _ in 0..2 {
        let answer = rig
            .answer("RevokeToken", revoke(&tokens["RefreshToken"]))
            .await;
        assert_eq!(answer, json!({}), "again is no error");
    }
    assert_eq!(
        rig.refusal("InitiateAuth", signed.refresh(&tokens["RefreshToken"]))
            .await,
        refused("NotAuthorizedException", "Refresh Token has been revoked")
    );
    let (kind, _) = rig
        .refusal("GetUser", json!({"AccessToken": tokens["AccessToken"]}))
        .await;
    assert_eq!(kind, "NotAuthorizedException");
}

#[tokio::test]
async fn an_expired_access_token_is_refused() {
    let signed = Signed::up().await;
    let tokens = signed.tokens().await;
    signed
        .rig
        .clock
        .advance(Duration::from_secs(3601))
        .expect("movable");
    assert_eq!(
        signed
            .rig
            .refusal("GetUser", json!({"AccessToken": tokens["AccessToken"]}))
            .await,
        refused("NotAuthorizedException", "Access Token has expired")
    );
}

#[tokio::test]
async fn an_invitation_goes_out_by_email() {
    let signed = Signed::up().await;
    let outbox = signed.rig.idp.outbox();
    assert_eq!(outbox.len(), 1);
    assert_eq!(outbox[0].destination, USER);
}
