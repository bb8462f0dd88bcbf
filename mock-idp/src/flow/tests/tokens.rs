//! What is in tokens.

use serde_json::{Value, json};

use crate::domain::client::{ClientSettings, TimeUnit, ValidityUnits};
use crate::flow::admin::{CreatePool, NewGroup};
use crate::flow::testing::{ADA, Site, client_settings, email_pool};

#[tokio::test]
async fn in_an_email_pool_the_username_is_the_sub_and_the_email_is_filled_in() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let user = site.idp.user(&site.pool, ADA).expect("a user");
    assert_eq!(user.username, user.id.as_str());
    let id = site.id_claims(&site.tokens(ADA).await).await;
    assert_eq!(id["sub"], user.id.as_str());
    assert_eq!(id["cognito:username"], user.id.as_str());
    assert_eq!(id["email"], ADA);
}

#[tokio::test]
async fn in_a_pool_of_user_names_the_username_is_the_one_given() {
    let site = Site::with(CreatePool::default(), client_settings());
    site.confirmed("ada", &[]);
    let tokens = site.tokens("ada").await;
    let id = site.id_claims(&tokens).await;
    assert_eq!(id["cognito:username"], "ada");
    assert_ne!(id["sub"], "ada");
    assert_eq!(site.access_claims(&tokens).await["username"], "ada");
    assert!(!id.contains_key("email"));
}

#[tokio::test]
async fn email_verified_is_absent_unless_given_and_then_the_claim_is_absent() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let user = site.idp.user(&site.pool, ADA).expect("a user");
    assert_eq!(user.attributes.get("email_verified"), None);
    let id = site.id_claims(&site.tokens(ADA).await).await;
    assert!(!id.contains_key("email_verified"));
}

#[tokio::test]
async fn email_verified_is_a_boolean_claim() {
    let site = Site::new();
    site.confirmed("yes@example.com", &[("email_verified", "true")]);
    site.confirmed("no@example.com", &[("email_verified", "false")]);
    for (name, expected) in [("yes@example.com", true), ("no@example.com", false)] {
        let id = site.id_claims(&site.tokens(name).await).await;
        assert_eq!(id["email_verified"], Value::Bool(expected));
    }
}

#[tokio::test]
async fn read_attributes_filter_claims() {
    let settings = ClientSettings {
        read_attributes: Some(vec!["email".into(), "custom:team".into()]),
        ..client_settings()
    };
    let mut pool = email_pool();
    pool.schema.push(crate::flow::admin::NewAttribute {
        name: "team".into(),
        ..Default::default()
    });
    let site = Site::with(pool, settings);
    let attributes = [
        ("email_verified", "false"),
        ("name", "Ada"),
        ("custom:team", "7"),
    ];
    site.confirmed(ADA, &attributes);
    let id = site.id_claims(&site.tokens(ADA).await).await;
    assert_eq!(id["email"], ADA);
    assert_eq!(id["custom:team"], "7");
    assert!(!id.contains_key("email_verified") && !id.contains_key("name"));
}

#[tokio::test]
async fn a_client_that_lists_nothing_reads_all_but_custom_attributes() {
    let mut pool = email_pool();
    pool.schema.push(crate::flow::admin::NewAttribute {
        name: "team".into(),
        ..Default::default()
    });
    let site = Site::with(pool, client_settings());
    site.confirmed(ADA, &[("name", "Ada"), ("custom:team", "7")]);
    let id = site.id_claims(&site.tokens(ADA).await).await;
    assert_eq!(id["name"], "Ada");
    assert!(!id.contains_key("custom:team"));
}

#[tokio::test]
async fn a_client_that_does_not_read_the_email_gets_no_email_claim() {
    let settings = ClientSettings {
        read_attributes: Some(vec!["profile".into()]),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[]);
    let id = site.id_claims(&site.tokens(ADA).await).await;
    assert!(!id.contains_key("email"));
}

#[tokio::test]
async fn cognito_groups_is_omitted_when_there_are_none() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    assert!(!site.id_claims(&tokens).await.contains_key("cognito:groups"));
    let access = site.access_claims(&tokens).await;
    assert!(!access.contains_key("cognito:groups"));
}

#[tokio::test]
async fn cognito_groups_is_ordered_by_precedence_in_both_tokens() {
    let site = Site::new();
    site.group("later", Some(9));
    site.group("first", Some(0));
    site.confirmed(ADA, &[]);
    for group in ["admins", "later", "first"] {
        site.join(ADA, group);
    }
    let tokens = site.tokens(ADA).await;
    let expected = json!(["first", "later", "admins"]);
    assert_eq!(site.id_claims(&tokens).await["cognito:groups"], expected);
    assert_eq!(
        site.access_claims(&tokens).await["cognito:groups"],
        expected
    );
}

#[tokio::test]
async fn the_preferred_role_is_that_of_the_best_group_and_omitted_on_a_tie() {
    let site = Site::new();
    let group = |name: &str, precedence, role: &str| NewGroup {
        name: name.into(),
        precedence: Some(precedence),
        role_arn: Some(format!("arn:aws:iam::123456789012:role/{role}")),
        description: None,
    };
    for new in [group("a", 1, "a"), group("b", 2, "b"), group("c", 1, "c")] {
        site.idp.create_group(&site.pool, new).expect("a group");
    }
    site.confirmed(ADA, &[]);
    site.join(ADA, "b");
    site.join(ADA, "a");
    let id = site.id_claims(&site.tokens(ADA).await).await;
    assert_eq!(
        id["cognito:preferred_role"],
        "arn:aws:iam::123456789012:role/a"
    );
    assert_eq!(
        id["cognito:roles"],
        json!([
            "arn:aws:iam::123456789012:role/a",
            "arn:aws:iam::123456789012:role/b"
        ])
    );
    site.join(ADA, "c");
    let id = site.id_claims(&site.tokens(ADA).await).await;
    assert!(!id.contains_key("cognito:preferred_role"));
}

#[tokio::test]
async fn id_and_access_tokens_are_signed_with_different_keys_of_the_two_published() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    let id = tokens.id.as_ref().expect("an ID token").expose();
    let (id, _) = site.verify(id, Some(site.client.as_str())).await;
    let (access, _) = site.verify(tokens.access.expose(), None).await;
    assert_ne!(id["kid"], access["kid"]);
    for header in [id, access] {
        assert_eq!(header["alg"], "RS256");
        assert_eq!(header.len(), 2, "kid and alg and nothing else");
        let kid = header["kid"].as_str().expect("text");
        assert_eq!((kid.len(), kid.ends_with('=')), (44, true));
    }
    let keys = site.idp.keys(&site.pool).await.expect("keys");
    assert_eq!(keys.published().count(), 2);
}

#[tokio::test]
async fn the_access_token_has_no_aud_and_the_claims_of_the_api() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    let access = site.access_claims(&tokens).await;
    let names: Vec<_> = access.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "auth_time",
            "client_id",
            "event_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "origin_jti",
            "scope",
            "sub",
            "token_use",
            "username",
        ]
    );
    assert_eq!(access["token_use"], "access");
    assert_eq!(access["scope"], "aws.cognito.signin.user.admin");
    assert_eq!(access["client_id"], site.client.as_str());
}

#[tokio::test]
async fn the_id_token_of_the_api_has_these_claims_and_no_others() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    let id = site.id_claims(&tokens).await;
    let names: Vec<_> = id.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "aud",
            "auth_time",
            "cognito:username",
            "email",
            "event_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "origin_jti",
            "sub",
            "token_use",
        ]
    );
    assert_eq!(id["iss"], site.idp.address().issuer(&site.pool));
    assert_eq!(id["aud"], site.client.as_str());
    let now = site.idp.clock().now().as_second();
    assert_eq!(id["iat"], now);
    assert_eq!(id["exp"], now + 3600);
    let access = site.access_claims(&tokens).await;
    assert_eq!(id["origin_jti"], access["origin_jti"]);
    assert_ne!(id["jti"], access["jti"]);
}

#[tokio::test]
async fn without_token_revocation_there_is_neither_origin_jti_nor_jti() {
    let settings = ClientSettings {
        token_revocation: Some(false),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    for claims in [
        site.id_claims(&tokens).await,
        site.access_claims(&tokens).await,
    ] {
        assert!(!claims.contains_key("origin_jti") && !claims.contains_key("jti"));
    }
}

#[tokio::test]
async fn validities_have_their_units() {
    let settings = ClientSettings {
        access_validity: Some(10),
        id_validity: Some(2),
        units: Some(ValidityUnits {
            access: Some(TimeUnit::Minutes),
            id: None,
            refresh: None,
        }),
        ..client_settings()
    };
    let site = Site::with(email_pool(), settings);
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    let now = site.idp.clock().now().as_second();
    assert_eq!(tokens.expires_in.as_secs(), 600);
    assert_eq!(site.access_claims(&tokens).await["exp"], now + 600);
    assert_eq!(site.id_claims(&tokens).await["exp"], now + 7200);
}

#[tokio::test]
async fn attributes_reach_claims_whatever_is_in_them() {
    let site = Site::new();
    let odd = "\"\\\n\t\u{1}é☃";
    let attributes = [
        ("name", odd),
        ("address", "12 St James's Square"),
        ("updated_at", "1700000000"),
    ];
    site.confirmed(ADA, &attributes);
    let id = site.id_claims(&site.tokens(ADA).await).await;
    assert_eq!(id["name"], odd);
    assert_eq!(id["address"], json!({"formatted": "12 St James's Square"}));
    assert_eq!(id["updated_at"], 1_700_000_000);
}

#[tokio::test]
async fn rotated_keys_sign_what_comes_after() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let before = site.tokens(ADA).await;
    site.idp
        .rotate_keys(&site.pool, true)
        .await
        .expect("rotated");
    let after = site.tokens(ADA).await;
    // Both verify: the old keys are still published.
    site.id_claims(&before).await;
    site.id_claims(&after).await;
}

#[tokio::test]
async fn debug_output_holds_no_secret() {
    let site = Site::new();
    site.confirmed(ADA, &[]);
    let tokens = site.tokens(ADA).await;
    let user = site.idp.user(&site.pool, ADA).expect("a user");
    let keys = site.idp.keys(&site.pool).await.expect("keys");
    let text = format!(
        "{tokens:?} {user:?} {keys:?} {:?} {:?} {:?}",
        site.idp,
        site.call(ADA, crate::flow::testing::PASSWORD),
        site.idp.outbox(),
    );
    let signature = tokens.access.expose().rsplit('.').next().expect("one");
    assert!(!text.contains(signature));
    assert!(!text.contains(crate::flow::testing::PASSWORD));
    assert!(!text.contains(keys.id.modulus()));
    let hash = user.password.as_ref().expect("a password").expose();
    assert!(!text.contains(&format!("{hash:?}")));
    assert!(text.contains("[password hash]"));
}
