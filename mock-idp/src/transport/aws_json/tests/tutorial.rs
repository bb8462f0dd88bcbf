//! Steps 1 to 5 of the tutorial, with the JSON that the aws CLI sends for
//! them.

use super::*;

/// A pool as step 1 makes it, for its id.
pub(super) async fn create_pool(rig: &Rig) -> String {
    let answer = rig
        .answer(
            "CreateUserPool",
            json!({
                "PoolName": "kubedemy",
                "Policies": {
                    "PasswordPolicy": {
                        "MinimumLength": 8,
                        "RequireUppercase": true,
                        "RequireLowercase": true,
                        "RequireNumbers": true,
                        "RequireSymbols": true,
                        "TemporaryPasswordValidityDays": 7,
                    },
                },
                "DeletionProtection": "INACTIVE",
                "UsernameAttributes": ["email"],
                "UsernameConfiguration": {"CaseSensitive": false},
                "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true},
                "UserPoolTags": {"owner": "kubedemy"},
            }),
        )
        .await;
    text(&answer["UserPool"]["Id"])
}

/// A client as step 5 makes it, for its id; `flows` as given.
pub(super) async fn create_client(rig: &Rig, pool: &str, flows: &[&str]) -> String {
    let mut body = json!({
        "UserPoolId": pool,
        "ClientName": "eks",
        "GenerateSecret": false,
        "ReadAttributes": ["profile", "email"],
        "WriteAttributes": ["profile"],
        "SupportedIdentityProviders": ["COGNITO"],
        "CallbackURLs": ["http://localhost:8000", "http://localhost:18000"],
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid", "profile", "email"],
        "AllowedOAuthFlowsUserPoolClient": true,
    });
    if !flows.is_empty() {
        body["ExplicitAuthFlows"] = json!(flows);
    }
    let answer = rig.answer("CreateUserPoolClient", body).await;
    text(&answer["UserPoolClient"]["ClientId"])
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

#[test]
fn step_1_creates_the_pool_with_every_setting_shown() {
    let rig = Rig::new();
    run(async {
        let id = create_pool(&rig).await;
        assert!(id.starts_with("eu-west-2_"));
        assert_eq!(id.len(), "eu-west-2_Tj3uyJm1Q".len());
        let answer = rig
            .answer("DescribeUserPool", json!({"UserPoolId": id}))
            .await;
        let mut pool = answer["UserPool"].clone();
        let schema = pool
            .as_object_mut()
            .and_then(|pool| pool.remove("SchemaAttributes"))
            .expect("a schema");
        assert_eq!(
            pool,
            json!({
                "Id": id,
                "Name": "kubedemy",
                "Policies": {
                    "PasswordPolicy": {
                        "MinimumLength": 8,
                        "RequireUppercase": true,
                        "RequireLowercase": true,
                        "RequireNumbers": true,
                        "RequireSymbols": true,
                        "TemporaryPasswordValidityDays": 7,
                    },
                },
                "DeletionProtection": "INACTIVE",
                "LambdaConfig": {},
                "LastModifiedDate": 1_795_435_200.25,
                "CreationDate": 1_795_435_200.25,
                "UsernameAttributes": ["email"],
                "VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_CODE"},
                "MfaConfiguration": "OFF",
                "EstimatedNumberOfUsers": 0,
                "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
                "UserPoolTags": {"owner": "kubedemy"},
                "AdminCreateUserConfig": {
                    "AllowAdminCreateUserOnly": true,
                    "UnusedAccountValidityDays": 7,
                },
                "UsernameConfiguration": {"CaseSensitive": false},
                "Arn": format!("arn:aws:cognito-idp:eu-west-2:123456789012:userpool/{id}"),
                "UserPoolTier": "ESSENTIALS",
            })
        );
        let attribute = |name: &str| {
            let mut entries = schema.as_array().expect("a list").iter();
            entries
                .find(|entry| entry["Name"] == name)
                .unwrap_or_else(|| panic!("no attribute {name}"))
        };
        assert_eq!(
            attribute("sub"),
            &json!({
                "Name": "sub",
                "AttributeDataType": "String",
                "DeveloperOnlyAttribute": false,
                "Mutable": false,
                "Required": true,
                "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "2048"},
            })
        );
        assert_eq!(
            attribute("email_verified"),
            &json!({
                "Name": "email_verified",
                "AttributeDataType": "Boolean",
                "DeveloperOnlyAttribute": false,
                "Mutable": true,
                "Required": false,
            })
        );
        assert_eq!(
            attribute("updated_at")["NumberAttributeConstraints"],
            json!({"MinValue": "0"})
        );
    });
}

#[test]
fn step_2_gives_the_pool_a_domain() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        let domain = json!({"UserPoolId": pool, "Domain": "kubedemyeksoidc"});
        assert_eq!(rig.answer("CreateUserPoolDomain", domain).await, json!({}));
        let answer = rig
            .answer("DescribeUserPool", json!({"UserPoolId": pool}))
            .await;
        assert_eq!(answer["UserPool"]["Domain"], "kubedemyeksoidc");
        let answer = rig
            .answer(
                "DescribeUserPoolDomain",
                json!({"Domain": "kubedemyeksoidc"}),
            )
            .await;
        let description = &answer["DomainDescription"];
        assert_eq!(description["UserPoolId"], *pool);
        assert_eq!(description["Status"], "ACTIVE");
        assert_eq!(description["AWSAccountId"], "123456789012");
        assert_eq!(description["CustomDomainConfig"], json!({}));
    });
}

#[test]
fn steps_3_and_4_make_a_group_and_a_user_in_it() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        let answer = rig
            .answer(
                "CreateGroup",
                json!({
                    "UserPoolId": pool,
                    "GroupName": "admins",
                    "Description": "Kubernetes Admins",
                }),
            )
            .await;
        assert_eq!(
            answer["Group"],
            json!({
                "GroupName": "admins",
                "UserPoolId": pool,
                "Description": "Kubernetes Admins",
                "LastModifiedDate": 1_795_435_200.25,
                "CreationDate": 1_795_435_200.25,
            })
        );

        let named = json!({"UserPoolId": pool, "Username": "test@kubedemy.io"});
        let answer = rig.answer("AdminCreateUser", named.clone()).await;
        let sub = text(&answer["User"]["Username"]);
        assert_eq!(
            answer["User"],
            json!({
                "Username": sub,
                "Attributes": [
                    {"Name": "sub", "Value": sub},
                    {"Name": "email", "Value": "test@kubedemy.io"},
                ],
                "UserCreateDate": 1_795_435_200.25,
                "UserLastModifiedDate": 1_795_435_200.25,
                "Enabled": true,
                "UserStatus": "FORCE_CHANGE_PASSWORD",
            }),
            "the name is the sub, the e-mail is filled in and not said to be verified"
        );

        let member = json!({
            "UserPoolId": pool,
            "Username": "test@kubedemy.io",
            "GroupName": "admins",
        });
        for _ in 0..2 {
            let answer = rig.answer("AdminAddUserToGroup", member.clone()).await;
            assert_eq!(answer, Value::Null, "again is no error");
        }
        let answer = rig
            .answer(
                "AdminSetUserPassword",
                json!({
                    "UserPoolId": pool,
                    "Username": "test@kubedemy.io",
                    "Password": "H3lloW@rlD",
                    "Permanent": false,
                }),
            )
            .await;
        assert_eq!(answer, json!({}));
        let answer = rig.answer("AdminListGroupsForUser", named.clone()).await;
        assert_eq!(answer["Groups"][0]["GroupName"], "admins");
        let answer = rig.answer("AdminGetUser", named).await;
        assert_eq!(answer["UserStatus"], "FORCE_CHANGE_PASSWORD");
        assert_eq!(
            answer["UserAttributes"],
            json!([
                {"Name": "sub", "Value": sub},
                {"Name": "email", "Value": "test@kubedemy.io"},
            ])
        );
    });
}

#[test]
fn step_5_makes_a_public_client() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        let client = create_client(&rig, &pool, &[]).await;
        let described = rig
            .answer(
                "DescribeUserPoolClient",
                json!({"UserPoolId": pool, "ClientId": client}),
            )
            .await;
        assert_eq!(
            described["UserPoolClient"],
            json!({
                "UserPoolId": pool,
                "ClientName": "eks",
                "ClientId": client,
                "LastModifiedDate": 1_795_435_200.25,
                "CreationDate": 1_795_435_200.25,
                "RefreshTokenValidity": 30,
                "TokenValidityUnits": {},
                "ReadAttributes": ["profile", "email"],
                "WriteAttributes": ["profile"],
                "SupportedIdentityProviders": ["COGNITO"],
                "CallbackURLs": ["http://localhost:8000", "http://localhost:18000"],
                "AllowedOAuthFlows": ["code"],
                "AllowedOAuthScopes": ["openid", "profile", "email"],
                "AllowedOAuthFlowsUserPoolClient": true,
                "EnableTokenRevocation": true,
                "EnablePropagateAdditionalUserContextData": false,
                "AuthSessionValidity": 3,
            })
        );
    });
}

#[test]
fn the_ids_of_the_tutorial_can_be_pinned() {
    let rig = Rig::with(Pins {
        pool: Some("eu-west-2_Tj3uyJm1Q".into()),
        client: Some("ganda06c18isdkrj0i8f9g0gj".into()),
    });
    run(async {
        let pool = create_pool(&rig).await;
        assert_eq!(pool, "eu-west-2_Tj3uyJm1Q");
        assert_eq!(
            create_client(&rig, &pool, &[]).await,
            "ganda06c18isdkrj0i8f9g0gj"
        );
    });
}
