//! The operations of administrators, beyond the tutorial's way.

use rstest::rstest;

use super::tutorial::{create_client, create_pool, text};
use super::*;

/// A pool whose users have names of their own.
async fn create_plain_pool(rig: &Rig) -> String {
    let answer = rig.answer("CreateUserPool", json!({"PoolName": "p"})).await;
    text(&answer["UserPool"]["Id"])
}

async fn create_user(rig: &Rig, pool: &str, name: &str) {
    rig.answer(
        "AdminCreateUser",
        json!({"UserPoolId": pool, "Username": name}),
    )
    .await;
}

/// Follows a list to its end, for the items; `token` is the list's name for
/// the next page.
async fn all_pages(
    rig: &Rig,
    operation: &str,
    mut body: Value,
    items: &str,
    token: &str,
) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let answer = rig.answer(operation, body.clone()).await;
        let page = answer[items].as_array().expect("a list").clone();
        assert!(!page.is_empty(), "an empty page: {answer}");
        all.extend(page);
        match answer.get(token) {
            Some(next) => body[token] = next.clone(),
            None => return all,
        }
    }
}

#[test]
fn a_pool_made_with_a_name_alone_has_the_defaults_of_the_api() {
    let rig = Rig::new();
    run(async {
        let answer = rig.answer("CreateUserPool", json!({"PoolName": "p"})).await;
        let pool = &answer["UserPool"];
        assert_eq!(
            pool["Policies"]["PasswordPolicy"],
            json!({
                "MinimumLength": 8,
                "RequireUppercase": true,
                "RequireLowercase": true,
                "RequireNumbers": true,
                "RequireSymbols": true,
                "TemporaryPasswordValidityDays": 7,
            })
        );
        assert_eq!(
            pool["AdminCreateUserConfig"],
            json!({"AllowAdminCreateUserOnly": false, "UnusedAccountValidityDays": 7})
        );
        assert_eq!(pool["DeletionProtection"], "INACTIVE");
        assert_eq!(pool["UserPoolTier"], "ESSENTIALS");
        for absent in [
            "UsernameAttributes",
            "AliasAttributes",
            "UsernameConfiguration",
        ] {
            assert!(pool.get(absent).is_none(), "{absent}");
        }
    });
}

#[test]
fn a_given_password_policy_leaves_out_what_it_does_not_name() {
    let rig = Rig::new();
    run(async {
        let policy = json!({"MinimumLength": 6, "RequireNumbers": true});
        let body = json!({"PoolName": "p", "Policies": {"PasswordPolicy": policy}});
        let answer = rig.answer("CreateUserPool", body).await;
        assert_eq!(
            answer["UserPool"]["Policies"]["PasswordPolicy"],
            json!({
                "MinimumLength": 6,
                "RequireUppercase": false,
                "RequireLowercase": false,
                "RequireNumbers": true,
                "RequireSymbols": false,
                "TemporaryPasswordValidityDays": 7,
            })
        );
    });
}

#[test]
fn updating_a_pool_resets_what_is_left_out_but_the_tier() {
    let rig = Rig::new();
    run(async {
        let answer = rig
            .answer(
                "CreateUserPool",
                json!({
                    "PoolName": "p",
                    "DeletionProtection": "ACTIVE",
                    "UserPoolTier": "PLUS",
                    "UserPoolTags": {"owner": "kubedemy"},
                    "Policies": {"PasswordPolicy": {"MinimumLength": 12}},
                    "LambdaConfig": {
                        "PreSignUp": "arn:aws:lambda:eu-west-2:123456789012:function:f",
                    },
                }),
            )
            .await;
        let pool = &answer["UserPool"];
        assert_eq!(pool["DeletionProtection"], "ACTIVE");
        assert_eq!(pool["Policies"]["PasswordPolicy"]["MinimumLength"], 12);
        assert_eq!(
            pool["LambdaConfig"]["PreSignUp"],
            "arn:aws:lambda:eu-west-2:123456789012:function:f"
        );
        let named = json!({"UserPoolId": pool["Id"]});
        let update = json!({"UserPoolId": pool["Id"], "MfaConfiguration": "OFF"});
        assert_eq!(rig.answer("UpdateUserPool", update).await, json!({}));
        let answer = rig.answer("DescribeUserPool", named).await;
        let pool = &answer["UserPool"];
        assert_eq!(pool["Name"], "p");
        assert_eq!(pool["DeletionProtection"], "INACTIVE");
        assert_eq!(pool["Policies"]["PasswordPolicy"]["MinimumLength"], 8);
        assert_eq!(pool["LambdaConfig"], json!({}));
        assert_eq!(pool["UserPoolTags"], json!({}));
        assert_eq!(pool["UserPoolTier"], "PLUS");
    });
}

#[test]
fn a_custom_attribute_gets_its_prefix() {
    let rig = Rig::new();
    run(async {
        let answer = rig
            .answer(
                "CreateUserPool",
                json!({
                    "PoolName": "p",
                    "Schema": [
                        {"Name": "email", "Required": true, "AttributeDataType": "String", "Mutable": true},
                        {
                            "Name": "team",
                            "AttributeDataType": "String",
                            "StringAttributeConstraints": {"MaxLength": "9"},
                        },
                    ],
                }),
            )
            .await;
        let schema = answer["UserPool"]["SchemaAttributes"]
            .as_array()
            .expect("a list");
        let team = schema
            .iter()
            .find(|a| a["Name"] == "custom:team")
            .expect("it");
        assert_eq!(
            team["StringAttributeConstraints"],
            json!({"MaxLength": "9"})
        );
        let email = schema.iter().find(|a| a["Name"] == "email").expect("it");
        assert_eq!(email["Required"], true);
        assert_eq!(
            rig.refusal(
                "CreateUserPool",
                json!({"PoolName": "p", "Schema": [{"Name": "x", "Required": true}]}),
            )
            .await,
            refused(
                "InvalidParameterException",
                "Required custom attributes are not supported currently."
            )
        );
    });
}

#[test]
fn a_pool_with_a_domain_cannot_be_deleted() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        let named = json!({"UserPoolId": pool});
        let domain = json!({"UserPoolId": pool, "Domain": "team-a"});
        rig.answer("CreateUserPoolDomain", domain.clone()).await;
        assert_eq!(
            rig.refusal("DeleteUserPool", named.clone()).await,
            refused(
                "InvalidParameterException",
                "User pool cannot be deleted. It has a domain configured that should be deleted first."
            )
        );
        assert_eq!(rig.answer("DeleteUserPoolDomain", domain).await, json!({}));
        assert_eq!(
            rig.answer("DeleteUserPool", named.clone()).await,
            Value::Null
        );
        assert_eq!(
            rig.refusal("DescribeUserPool", named).await,
            refused(
                "ResourceNotFoundException",
                &format!("User pool {pool} does not exist.")
            )
        );
    });
}

#[test]
fn a_protected_pool_cannot_be_deleted() {
    let rig = Rig::new();
    run(async {
        let answer = rig
            .answer(
                "CreateUserPool",
                json!({"PoolName": "p", "DeletionProtection": "ACTIVE"}),
            )
            .await;
        let named = json!({"UserPoolId": answer["UserPool"]["Id"]});
        let (kind, message) = rig.refusal("DeleteUserPool", named).await;
        assert_eq!(kind, "InvalidParameterException");
        assert!(message.contains("deletion protection"), "{message}");
    });
}

#[rstest]
#[case::reserved("mycognito", "Domain cannot contain reserved word: cognito")]
#[case::dotted(
    "a.b",
    "1 validation error detected: Value 'a.b' at 'domain' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9](?:[a-z0-9\\-]{0,61}[a-z0-9])?$"
)]
#[case::taken("taken", "Domain already associated with another user pool.")]
fn a_domain_is_refused(#[case] domain: &str, #[case] expected: &str) {
    let rig = Rig::new();
    run(async {
        let other = create_pool(&rig).await;
        rig.answer(
            "CreateUserPoolDomain",
            json!({"UserPoolId": other, "Domain": "taken"}),
        )
        .await;
        let pool = create_pool(&rig).await;
        let body = json!({"UserPoolId": pool, "Domain": domain});
        assert_eq!(
            rig.refusal("CreateUserPoolDomain", body).await,
            refused("InvalidParameterException", expected)
        );
    });
}

#[test]
fn an_unknown_domain_is_described_as_nothing() {
    let rig = Rig::new();
    let answer = run(rig.answer("DescribeUserPoolDomain", json!({"Domain": "nowhere"})));
    assert_eq!(answer, json!({"DomainDescription": {}}));
}

#[test]
fn pools_are_listed_page_by_page() {
    let rig = Rig::new();
    run(async {
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(create_plain_pool(&rig).await);
        }
        let body = json!({"MaxResults": 2});
        let pools = all_pages(&rig, "ListUserPools", body, "UserPools", "NextToken").await;
        let mut listed: Vec<_> = pools.iter().map(|pool| text(&pool["Id"])).collect();
        listed.sort();
        made.sort();
        assert_eq!(listed, made);
        assert_eq!(pools[0]["LambdaConfig"], json!({}));
        assert_eq!(pools[0]["Name"], "p");
    });
}

#[test]
fn tags_come_and_go() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        let arn = format!("arn:aws:cognito-idp:eu-west-2:123456789012:userpool/{pool}");
        let tags = json!({"ResourceArn": arn, "Tags": {"stage": "dev"}});
        assert_eq!(rig.answer("TagResource", tags).await, json!({}));
        let named = json!({"ResourceArn": arn});
        assert_eq!(
            rig.answer("ListTagsForResource", named.clone()).await,
            json!({"Tags": {"owner": "kubedemy", "stage": "dev"}})
        );
        let keys = json!({"ResourceArn": arn, "TagKeys": ["owner"]});
        assert_eq!(rig.answer("UntagResource", keys).await, json!({}));
        assert_eq!(
            rig.answer("ListTagsForResource", named).await,
            json!({"Tags": {"stage": "dev"}})
        );
        let nowhere = json!({
            "ResourceArn": "arn:aws:cognito-idp:eu-west-2:123456789012:userpool/eu-west-2_none",
        });
        let (kind, _) = rig.refusal("ListTagsForResource", nowhere).await;
        assert_eq!(kind, "ResourceNotFoundException");
    });
}

#[test]
fn groups_are_made_read_changed_and_deleted() {
    let rig = Rig::new();
    run(async {
        let pool = create_plain_pool(&rig).await;
        let group = |name: &str| json!({"UserPoolId": pool, "GroupName": name});
        for name in ["devs", "ops", "system:masters"] {
            rig.answer("CreateGroup", group(name)).await;
        }
        assert_eq!(
            rig.refusal("CreateGroup", group("devs")).await,
            refused(
                "GroupExistsException",
                "A group with the name already exists."
            )
        );
        let change = json!({
            "UserPoolId": pool,
            "GroupName": "ops",
            "Precedence": 3,
            "RoleArn": "arn:aws:iam::123456789012:role/ops",
        });
        let answer = rig.answer("UpdateGroup", change).await;
        assert_eq!(answer["Group"]["Precedence"], 3);
        let answer = rig.answer("GetGroup", group("ops")).await;
        assert_eq!(
            answer["Group"]["RoleArn"],
            "arn:aws:iam::123456789012:role/ops"
        );
        let body = json!({"UserPoolId": pool, "Limit": 1});
        let groups = all_pages(&rig, "ListGroups", body, "Groups", "NextToken").await;
        assert_eq!(groups.len(), 3);
        assert_eq!(rig.answer("DeleteGroup", group("ops")).await, Value::Null);
        assert_eq!(
            rig.refusal("GetGroup", group("ops")).await,
            refused("ResourceNotFoundException", "Group not found.")
        );
    });
}

#[test]
fn members_of_a_group_are_listed_and_leave() {
    let rig = Rig::new();
    run(async {
        let pool = create_plain_pool(&rig).await;
        rig.answer(
            "CreateGroup",
            json!({"UserPoolId": pool, "GroupName": "devs"}),
        )
        .await;
        for name in ["ada", "bob", "cyd"] {
            create_user(&rig, &pool, name).await;
            rig.answer(
                "AdminAddUserToGroup",
                json!({"UserPoolId": pool, "GroupName": "devs", "Username": name}),
            )
            .await;
        }
        let body = json!({"UserPoolId": pool, "GroupName": "devs", "Limit": 2});
        let users = all_pages(&rig, "ListUsersInGroup", body, "Users", "NextToken").await;
        let mut names: Vec<_> = users.iter().map(|user| text(&user["Username"])).collect();
        names.sort();
        assert_eq!(names, ["ada", "bob", "cyd"]);
        assert_eq!(users[0]["Attributes"][0]["Name"], "sub");

        let leave = json!({"UserPoolId": pool, "GroupName": "devs", "Username": "bob"});
        let answer = rig.answer("AdminRemoveUserFromGroup", leave).await;
        assert_eq!(answer, Value::Null);
        let bob = json!({"UserPoolId": pool, "Username": "bob"});
        let answer = rig.answer("AdminListGroupsForUser", bob).await;
        assert_eq!(answer, json!({"Groups": []}));
        let nowhere = json!({"UserPoolId": pool, "GroupName": "none", "Username": "bob"});
        assert_eq!(
            rig.refusal("AdminAddUserToGroup", nowhere).await,
            refused("ResourceNotFoundException", "Group not found.")
        );
        let nobody = json!({"UserPoolId": pool, "GroupName": "devs", "Username": "eve"});
        assert_eq!(
            rig.refusal("AdminAddUserToGroup", nobody).await,
            refused("UserNotFoundException", "User does not exist.")
        );
    });
}

#[test]
fn a_user_is_made_once() {
    let rig = Rig::new();
    run(async {
        let plain = create_plain_pool(&rig).await;
        create_user(&rig, &plain, "ada").await;
        let again = json!({"UserPoolId": plain, "Username": "ada"});
        assert_eq!(
            rig.refusal("AdminCreateUser", again).await,
            refused("UsernameExistsException", "User account already exists")
        );
        let emails = create_pool(&rig).await;
        create_user(&rig, &emails, "ada@example.com").await;
        let again = json!({"UserPoolId": emails, "Username": "ADA@example.com"});
        assert_eq!(
            rig.refusal("AdminCreateUser", again).await,
            refused(
                "UsernameExistsException",
                "An account with the given email already exists."
            )
        );
        let named = json!({"UserPoolId": emails, "Username": "ada"});
        assert_eq!(
            rig.refusal("AdminCreateUser", named).await,
            refused("InvalidParameterException", "Username should be an email.")
        );
    });
}

#[test]
fn of_a_hundred_at_once_one_makes_the_user() {
    let rig = Rig::new();
    let pool = run(create_pool(&rig));
    let body = json!({"UserPoolId": pool, "Username": "ada@example.com"});
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|_| scope.spawn(|| run(rig.call("AdminCreateUser", &body)).status))
            .collect();
        let answers = threads
            .into_iter()
            .map(|thread| thread.join().expect("ends"));
        answers.filter(|status| *status == StatusCode::OK).count()
    });
    assert_eq!(made, 1);
    assert_eq!(
        run(rig.answer("ListUsers", json!({"UserPoolId": pool})))["Users"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[rstest]
#[case("Aa1!", "Password not long enough")]
#[case("aaaaaaa1!", "Password must have uppercase characters")]
#[case("AAAAAAA1!", "Password must have lowercase characters")]
#[case("Aaaaaaaa!", "Password must have numeric characters")]
#[case("Aaaaaaaa1", "Password must have symbol characters")]
#[case("a", "Password not long enough")]
fn a_password_is_refused_for_the_first_rule_it_breaks(
    #[case] password: &str,
    #[case] problem: &str,
) {
    let rig = Rig::new();
    run(async {
        let pool = create_plain_pool(&rig).await;
        create_user(&rig, &pool, "ada").await;
        let body = json!({"UserPoolId": pool, "Username": "ada", "Password": password});
        assert_eq!(
            rig.refusal("AdminSetUserPassword", body).await,
            refused(
                "InvalidPasswordException",
                &format!("Password did not conform with policy: {problem}")
            )
        );
    });
}

#[test]
fn a_user_is_disabled_enabled_and_deleted() {
    let rig = Rig::new();
    run(async {
        let pool = create_plain_pool(&rig).await;
        create_user(&rig, &pool, "ada").await;
        let ada = json!({"UserPoolId": pool, "Username": "ada"});
        let answer = rig.answer("AdminDisableUser", ada.clone()).await;
        assert_eq!(answer, json!({}));
        let answer = rig.answer("AdminGetUser", ada.clone()).await;
        assert_eq!(answer["Enabled"], false);
        let answer = rig.answer("AdminEnableUser", ada.clone()).await;
        assert_eq!(answer, json!({}));
        let answer = rig.answer("AdminGetUser", ada.clone()).await;
        assert_eq!(answer["Enabled"], true);
        let answer = rig.answer("AdminUserGlobalSignOut", ada.clone()).await;
        assert_eq!(answer, json!({}));
        let answer = rig.answer("AdminDeleteUser", ada.clone()).await;
        assert_eq!(answer, Value::Null);
        for operation in ["AdminGetUser", "AdminDeleteUser", "AdminDisableUser"] {
            assert_eq!(
                rig.refusal(operation, ada.clone()).await,
                refused("UserNotFoundException", "User does not exist.")
            );
        }
    });
}

#[test]
fn changing_the_email_calls_it_unverified() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        create_user(&rig, &pool, "ada@example.com").await;
        let ada = |attributes: Value| {
            json!({
                "UserPoolId": pool,
                "Username": "ada@example.com",
                "UserAttributes": attributes,
            })
        };
        let change = ada(json!([{"Name": "email", "Value": "ada@example.org"}]));
        let answer = rig.answer("AdminUpdateUserAttributes", change).await;
        assert_eq!(answer, json!({}));
        let named = json!({"UserPoolId": pool, "Username": "ada@example.org"});
        let answer = rig.answer("AdminGetUser", named).await;
        let attributes = answer["UserAttributes"].as_array().expect("a list");
        assert!(attributes.contains(&json!({"Name": "email_verified", "Value": "false"})));
    });
}

#[rstest]
#[case::unknown(
    "custom:none",
    "Invalid user attributes: user.custom:none: Attribute does not exist in the schema.\n"
)]
#[case::sub("sub", "user.sub: Attribute cannot be updated.")]
fn an_attribute_is_refused(#[case] name: &str, #[case] expected: &str) {
    let rig = Rig::new();
    run(async {
        let pool = create_plain_pool(&rig).await;
        create_user(&rig, &pool, "ada").await;
        let body = json!({
            "UserPoolId": pool,
            "Username": "ada",
            "UserAttributes": [{"Name": name, "Value": "x"}],
        });
        assert_eq!(
            rig.refusal("AdminUpdateUserAttributes", body).await,
            refused("InvalidParameterException", expected)
        );
    });
}

#[test]
fn an_attribute_goes_when_it_is_deleted_or_blank() {
    let rig = Rig::new();
    run(async {
        let pool = create_plain_pool(&rig).await;
        rig.answer(
            "AdminCreateUser",
            json!({
                "UserPoolId": pool,
                "Username": "ada",
                "UserAttributes": [
                    {"Name": "name", "Value": "Ada"},
                    {"Name": "nickname", "Value": "A"},
                ],
            }),
        )
        .await;
        rig.answer(
            "AdminDeleteUserAttributes",
            json!({"UserPoolId": pool, "Username": "ada", "UserAttributeNames": ["name"]}),
        )
        .await;
        rig.answer(
            "AdminUpdateUserAttributes",
            json!({
                "UserPoolId": pool,
                "Username": "ada",
                "UserAttributes": [{"Name": "nickname", "Value": ""}],
            }),
        )
        .await;
        let answer = rig
            .answer(
                "AdminGetUser",
                json!({"UserPoolId": pool, "Username": "ada"}),
            )
            .await;
        assert_eq!(answer["UserAttributes"].as_array().map(Vec::len), Some(1));
    });
}

async fn pool_with_users(rig: &Rig) -> String {
    let pool = create_pool(rig).await;
    for name in ["ada", "adam", "bob", "cyd", "dee"] {
        let email = format!("{name}@example.com");
        rig.answer(
            "AdminCreateUser",
            json!({
                "UserPoolId": pool,
                "Username": email,
                "UserAttributes": [{"Name": "name", "Value": name}],
            }),
        )
        .await;
    }
    rig.answer(
        "AdminDisableUser",
        json!({"UserPoolId": pool, "Username": "dee@example.com"}),
    )
    .await;
    pool
}

#[rstest]
#[case::equal(r#"email = "ada@example.com""#, &["ada"])]
#[case::prefix(r#"email ^= "ada""#, &["ada", "adam"])]
#[case::no_spaces(r#"email^="ada""#, &["ada", "adam"])]
#[case::quoted_attribute(r#""name"="bob""#, &["bob"])]
#[case::disabled(r#"status = "Disabled""#, &["dee"])]
#[case::status(r#"cognito:user_status = "CONFIRMED""#, &[])]
#[case::nobody(r#"name = "eve""#, &[])]
fn users_are_filtered(#[case] filter: &str, #[case] expected: &[&str]) {
    let rig = Rig::new();
    run(async {
        let pool = pool_with_users(&rig).await;
        let body = json!({"UserPoolId": pool, "Filter": filter});
        let answer = rig.answer("ListUsers", body).await;
        let users = answer["Users"].as_array().expect("a list");
        let mut names: Vec<_> = users
            .iter()
            .filter_map(|user| user["Attributes"].as_array())
            .filter_map(|attributes| attributes.iter().find(|a| a["Name"] == "name"))
            .map(|attribute| text(&attribute["Value"]))
            .collect();
        names.sort();
        assert_eq!(names, expected);
    });
}

#[rstest]
#[case::unbalanced(r#"email = "ada"#)]
#[case::no_operator("email")]
#[case::two(r#"email = "a" or "1"="1""#)]
#[case::custom(r#"custom:team = "a""#)]
#[case::unknown(r#"favourite = "a""#)]
fn a_filter_is_refused(#[case] filter: &str) {
    let rig = Rig::new();
    run(async {
        let pool = pool_with_users(&rig).await;
        let body = json!({"UserPoolId": pool, "Filter": filter});
        let (kind, _) = rig.refusal("ListUsers", body).await;
        assert_eq!(kind, "InvalidParameterException");
    });
}

#[test]
fn users_are_listed_page_by_page_with_the_attributes_asked_for() {
    let rig = Rig::new();
    run(async {
        let pool = pool_with_users(&rig).await;
        let body = json!({"UserPoolId": pool, "Limit": 2, "AttributesToGet": ["email"]});
        let users = all_pages(&rig, "ListUsers", body, "Users", "PaginationToken").await;
        assert_eq!(users.len(), 5);
        for user in users {
            let attributes = user["Attributes"].as_array().expect("a list");
            assert_eq!(attributes.len(), 1);
            assert_eq!(attributes[0]["Name"], "email");
        }
    });
}

#[test]
fn a_page_of_one_list_is_no_page_of_another() {
    let rig = Rig::new();
    run(async {
        let pool = pool_with_users(&rig).await;
        let other = pool_with_users(&rig).await;
        let body = json!({"UserPoolId": pool, "Limit": 1});
        let answer = rig.answer("ListUsers", body).await;
        let token = text(&answer["PaginationToken"]);
        let mut forged = token.clone();
        forged.replace_range(0..1, if token.starts_with('A') { "B" } else { "A" });
        for body in [
            json!({"UserPoolId": other, "PaginationToken": token}),
            json!({"UserPoolId": pool, "PaginationToken": forged}),
            json!({"UserPoolId": pool, "PaginationToken": "none"}),
            json!({"UserPoolId": pool, "PaginationToken": token, "Filter": r#"name ^= "a""#}),
        ] {
            let (kind, _) = rig.refusal("ListUsers", body).await;
            assert_eq!(kind, "InvalidParameterException");
        }
        let (kind, _) = rig
            .refusal(
                "ListGroups",
                json!({"UserPoolId": pool, "NextToken": token}),
            )
            .await;
        assert_eq!(kind, "InvalidParameterException");
    });
}

#[test]
fn a_client_can_have_a_secret() {
    let rig = Rig::new();
    run(async {
        let pool = create_plain_pool(&rig).await;
        let body = json!({"UserPoolId": pool, "ClientName": "web", "GenerateSecret": true});
        let answer = rig.answer("CreateUserPoolClient", body).await;
        let client = &answer["UserPoolClient"];
        let secret = text(&client["ClientSecret"]);
        assert!(secret.len() >= 50, "{}", secret.len());
        let named = json!({"UserPoolId": pool, "ClientId": client["ClientId"]});
        let described = rig.answer("DescribeUserPoolClient", named).await;
        assert_eq!(described["UserPoolClient"]["ClientSecret"], *secret);
    });
}

#[test]
fn updating_a_client_resets_what_is_left_out() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        let client = create_client(&rig, &pool, &["ALLOW_USER_PASSWORD_AUTH"]).await;
        let body = json!({
            "UserPoolId": pool,
            "ClientId": client,
            "ReadAttributes": ["profile"],
            "AccessTokenValidity": 10,
            "TokenValidityUnits": {"AccessToken": "minutes"},
            "PreventUserExistenceErrors": "ENABLED",
            "RefreshTokenRotation": {"Feature": "ENABLED", "RetryGracePeriodSeconds": 30},
        });
        let answer = rig.answer("UpdateUserPoolClient", body).await;
        let client = &answer["UserPoolClient"];
        assert_eq!(client["ClientName"], "eks");
        assert_eq!(client["ReadAttributes"], json!(["profile"]));
        assert_eq!(client["AccessTokenValidity"], 10);
        assert_eq!(
            client["TokenValidityUnits"],
            json!({"AccessToken": "minutes"})
        );
        assert_eq!(client["PreventUserExistenceErrors"], "ENABLED");
        assert_eq!(
            client["RefreshTokenRotation"],
            json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": 30})
        );
        assert_eq!(client["AllowedOAuthFlowsUserPoolClient"], false);
        for reset in [
            "CallbackURLs",
            "ExplicitAuthFlows",
            "AllowedOAuthFlows",
            "WriteAttributes",
        ] {
            assert!(client.get(reset).is_none(), "{reset}");
        }
    });
}

#[rstest]
#[case::no_scopes(
    json!({"AllowedOAuthFlowsUserPoolClient": true, "AllowedOAuthFlows": ["code"]}),
    "InvalidParameterException",
    "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows."
)]
#[case::credentials_without_secret(
    json!({"AllowedOAuthFlows": ["client_credentials"]}),
    "InvalidOAuthFlowException",
    "client_credentials flow can not be selected if client does not have a client secret."
)]
#[case::validity(
    json!({"AccessTokenValidity": 25}),
    "InvalidParameterException",
    "Invalid range for token validity."
)]
fn a_client_is_refused(#[case] settings: Value, #[case] kind: &str, #[case] message: &str) {
    let rig = Rig::new();
    run(async {
        let pool = create_plain_pool(&rig).await;
        let mut body = json!({"UserPoolId": pool, "ClientName": "web"});
        for (name, value) in settings.as_object().expect("settings") {
            body[name] = value.clone();
        }
        assert_eq!(
            rig.refusal("CreateUserPoolClient", body).await,
            refused(kind, message)
        );
    });
}

#[test]
fn clients_are_listed_by_name_and_id_alone_and_deleted() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        for _ in 0..3 {
            create_client(&rig, &pool, &[]).await;
        }
        let body = json!({"UserPoolId": pool, "MaxResults": 2});
        let clients = all_pages(
            &rig,
            "ListUserPoolClients",
            body,
            "UserPoolClients",
            "NextToken",
        )
        .await;
        assert_eq!(clients.len(), 3);
        let id = text(&clients[0]["ClientId"]);
        assert_eq!(
            clients[0],
            json!({"ClientId": id, "UserPoolId": pool, "ClientName": "eks"})
        );
        let named = json!({"UserPoolId": pool, "ClientId": id});
        let answer = rig.answer("DeleteUserPoolClient", named.clone()).await;
        assert_eq!(answer, Value::Null);
        assert_eq!(
            rig.refusal("DescribeUserPoolClient", named).await,
            refused(
                "ResourceNotFoundException",
                &format!("User pool client {id} does not exist.")
            )
        );
    });
}

#[test]
fn a_client_of_another_pool_does_not_exist() {
    let rig = Rig::new();
    run(async {
        let pool = create_pool(&rig).await;
        let other = create_pool(&rig).await;
        let client = create_client(&rig, &other, &[]).await;
        let named = json!({"UserPoolId": pool, "ClientId": client});
        let (kind, _) = rig.refusal("DescribeUserPoolClient", named).await;
        assert_eq!(kind, "ResourceNotFoundException");
    });
}
