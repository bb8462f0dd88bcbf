//! What administrators do.

use std::collections::BTreeMap;

use rstest::rstest;

use crate::Pins;
use crate::domain::client::ClientSettings;
use crate::domain::message::Medium;
use crate::domain::password::PasswordPolicy;
use crate::domain::pool::{AdminCreateUser, AliasAttribute, PoolSettings, Tier, UsernameAttribute};
use crate::domain::user::UserStatus;
use crate::domain::{Error, PoolId};
use crate::flow::Idp;
use crate::flow::admin::{
    CreatePool, CreateUser, ListUsers, MessageAction, NewAttribute, NewClient, Page, UpdatePool,
};
use crate::flow::testing::{
    ADA, PASSWORD, REGION, Site, client_settings, config, email_pool, idp, secret,
};

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.expect_err("refused").to_string()
}

fn invitation(username: &str) -> CreateUser {
    CreateUser {
        username: username.into(),
        ..CreateUser::default()
    }
}

fn own(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = attributes.iter();
    own.map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn ids_have_the_forms_of_cognito() {
    let site = Site::new();
    site.invite(ADA, &[]);
    let (region, suffix) = site.pool.as_str().split_once('_').expect("an underscore");
    assert_eq!((region, suffix.len()), (REGION, 9));
    assert_eq!(site.client.as_str().len(), 26);
    let sub = site.idp.user(&site.pool, ADA).expect("a user").id.clone();
    assert_eq!((sub.as_str().len(), &sub.as_str()[14..16]), (36, "70"));
    let pool = site.idp.pool(&site.pool).expect("a pool");
    let arn = format!(
        "arn:aws:cognito-idp:eu-west-2:123456789012:userpool/{}",
        site.pool
    );
    assert_eq!(pool.arn(), arn);
}

#[test]
fn pins_name_what_is_made_next_once_and_in_their_region() {
    let mut config = config();
    config.pins = Pins {
        pool: Some("eu-west-2_Tj3uyJm1Q".into()),
        client: Some("ganda06c18isdkrj0i8f9g0gj".into()),
    };
    let idp = Idp::new(config);
    let pool = |region| idp.create_pool(region, email_pool()).expect("a pool");
    assert_ne!(pool("us-east-1").id.as_str(), "eu-west-2_Tj3uyJm1Q");
    let pinned = pool("eu-west-2").id.clone();
    assert_eq!(pinned.as_str(), "eu-west-2_Tj3uyJm1Q");
    assert_ne!(pool("eu-west-2").id, pinned);
    let client = || idp.create_client(&pinned, NewClient::default());
    let client = || client().expect("a client").id.clone();
    assert_eq!(client().as_str(), "ganda06c18isdkrj0i8f9g0gj");
    assert_ne!(client().as_str(), "ganda06c18isdkrj0i8f9g0gj");
}

#[tokio::test]
async fn seeded_ids_come_again_and_secrets_do_not() {
    let made = |seed| {
        let mut config = config();
        config.seed = seed;
        let idp = Idp::new(config);
        let pool = idp.create_pool(REGION, email_pool()).expect("a pool");
        let new = NewClient {
            generate_secret: true,
            ..NewClient::default()
        };
        let client = idp.create_client(&pool.id, new).expect("a client");
        let user = idp.create_user(&pool.id, invitation(ADA)).expect("a user");
        let password = idp.outbox()[0].password.expose().clone();
        let ids = [
            pool.id.as_str().to_owned(),
            client.id.as_str().to_owned(),
            user.id.as_str().to_owned(),
        ];
        (
            ids,
            client.secret.clone().expect("one").expose().clone(),
            password,
        )
    };
    let (one, again, other, random) = (made(Some(7)), made(Some(7)), made(Some(8)), made(None));
    assert_eq!(one.0, again.0);
    for place in 0..3 {
        assert_ne!(one.0[place], other.0[place]);
        assert_ne!(one.0[place], random.0[place]);
    }
    assert_ne!(one.1, again.1);
    assert_ne!(one.2, again.2);
}

#[test]
fn the_invitation_goes_by_email_to_who_has_an_email_and_no_phone() {
    let site = Site::new();
    let created = site.idp.create_user(&site.pool, invitation(ADA));
    let user = created.expect("a user");
    assert_eq!(user.status, UserStatus::ForceChangePassword);
    let outbox = site.idp.outbox();
    let [sent] = outbox.as_slice() else {
        panic!("not one message");
    };
    assert_eq!(
        (sent.medium, sent.destination.as_str()),
        (Medium::Email, ADA)
    );
    assert_eq!(sent.subject.as_deref(), Some("Your temporary password"));
    let password = sent.password.expose();
    let body = format!("Your username is {ADA} and temporary password is {password}. ");
    assert_eq!(*sent.body.expose(), body);
    let signed_in = site.idp.sign_in(&site.client, ADA, &sent.password);
    assert!(signed_in.is_ok(), "the password works");
    assert!(!format!("{sent:?}").contains(password.as_str()));
    site.idp.clear_outbox();
    assert!(site.idp.outbox().is_empty());
}

#[rstest]
#[case::phone_first(&[("phone_number", "+441234567890")], &[], None, &[Medium::Sms])]
#[case::as_asked(&[("phone_number", "+441234567890")], &[Medium::Email], None, &[Medium::Email])]
#[case::both(&[("phone_number", "+441234567890")], &[Medium::Email, Medium::Sms], None, &[Medium::Email, Medium::Sms])]
#[case::no_address(&[], &[Medium::Sms], None, &[])]
#[case::suppressed(&[], &[], Some(MessageAction::Suppress), &[])]
fn the_invitation_goes_as_asked(
    #[case] attributes: &[(&str, &str)],
    #[case] mediums: &[Medium],
    #[case] message: Option<MessageAction>,
    #[case] expected: &[Medium],
) {
    let site = Site::new();
    let new = CreateUser {
        attributes: own(attributes),
        mediums: mediums.to_vec(),
        message,
        ..invitation(ADA)
    };
    site.idp.create_user(&site.pool, new).expect("a user");
    let sent: Vec<_> = site.idp.outbox().iter().map(|m| m.medium).collect();
    assert_eq!(sent, expected);
}

#[test]
fn the_pools_own_invitation_is_used() {
    let mut pool = email_pool();
    let invite = &mut pool.settings.admin_create_user.invite;
    invite.email = Some("{username}: {####}".into());
    invite.email_subject = Some("Welcome".into());
    let site = Site::with(pool, client_settings());
    let new = CreateUser {
        temporary_password: Some(secret("{username}-1aA")),
        ..invitation(ADA)
    };
    site.idp.create_user(&site.pool, new).expect("a user");
    let sent = site.idp.outbox().remove(0);
    assert_eq!(sent.subject.as_deref(), Some("Welcome"));
    assert_eq!(sent.body.expose(), "ada@example.com: {username}-1aA");
}

#[test]
fn a_resend_makes_a_new_password_for_who_has_not_yet_signed_in() {
    let site = Site::new();
    site.invite(ADA, &[]);
    let resend = || CreateUser {
        message: Some(MessageAction::Resend),
        ..invitation(ADA)
    };
    let again = site.idp.create_user(&site.pool, resend());
    assert!(again.is_ok());
    let sent = site.idp.outbox().pop().expect("a message").password;
    assert!(site.idp.sign_in(&site.client, ADA, &sent).is_ok());
    let old = site.idp.sign_in(&site.client, ADA, &secret(PASSWORD));
    assert!(old.is_err());
    site.idp
        .set_user_password(&site.pool, ADA, &secret(PASSWORD), true)
        .expect("confirmed");
    assert_eq!(
        message(site.idp.create_user(&site.pool, resend())),
        "Resend not possible. ada@example.com status is not FORCE_CHANGE_PASSWORD"
    );
    let nobody = CreateUser {
        message: Some(MessageAction::Resend),
        ..invitation("bob@example.com")
    };
    let nobody = site.idp.create_user(&site.pool, nobody);
    assert_eq!(nobody.expect_err("unknown"), Error::UserNotFound);
}

#[test]
fn made_up_passwords_conform_to_the_policy() {
    let policy = PasswordPolicy {
        minimum_length: 20,
        ..PasswordPolicy::default()
    };
    for _ in 0..100 {
        let made = crate::flow::ids::temporary_password(&policy);
        assert_eq!(policy.check(&made), Ok(()), "{made}");
    }
}

#[test]
fn a_weak_temporary_password_makes_no_user() {
    let site = Site::new();
    let weak = CreateUser {
        temporary_password: Some(secret("weak")),
        ..invitation(ADA)
    };
    assert_eq!(
        message(site.idp.create_user(&site.pool, weak)),
        "Password did not conform with policy: Password not long enough"
    );
    let user = site.idp.user(&site.pool, ADA);
    assert_eq!(user.expect_err("unknown"), Error::UserNotFound);
}

#[rstest]
#[case(&[UsernameAttribute::Email], "ada", "Username should be an email.")]
#[case(&[UsernameAttribute::PhoneNumber], "ada", "Username should be a phone number.")]
#[case(&[UsernameAttribute::Email, UsernameAttribute::PhoneNumber], "ada", "Username should be either an email or a phone number.")]
fn a_user_name_has_the_form_of_the_pools_attribute(
    #[case] attributes: &[UsernameAttribute],
    #[case] username: &str,
    #[case] expected: &str,
) {
    let idp = idp();
    let new = CreatePool {
        username_attributes: attributes.to_vec(),
        ..CreatePool::default()
    };
    let pool = idp.create_pool(REGION, new).expect("a pool");
    let created = idp.create_user(&pool.id, invitation(username));
    assert_eq!(message(created), expected);
}

#[test]
fn a_name_is_taken_once_in_the_words_of_the_kind_of_pool() {
    let site = Site::new();
    site.invite(ADA, &[]);
    assert_eq!(
        message(site.idp.create_user(&site.pool, invitation(ADA))),
        "An account with the given email already exists."
    );
    let site = Site::with(CreatePool::default(), client_settings());
    site.invite("ada", &[]);
    assert_eq!(
        message(site.idp.create_user(&site.pool, invitation("ada"))),
        "User account already exists"
    );
}

#[test]
fn a_changed_email_is_unverified_unless_the_call_says_otherwise() {
    let site = Site::new();
    site.invite(ADA, &[("email_verified", "true")]);
    let set = |name: &str, attributes: &[(&str, &str)]| {
        let updated = site
            .idp
            .update_user_attributes(&site.pool, name, &own(attributes));
        updated.expect("updated");
    };
    let verified = |name: &str| {
        let user = site.idp.user(&site.pool, name).expect("a user");
        user.attributes.get("email_verified").map(str::to_owned)
    };
    set(ADA, &[("email", ADA)]);
    assert_eq!(verified(ADA).as_deref(), Some("true"), "the same one");
    set(ADA, &[("email", "new@example.com")]);
    assert_eq!(verified("new@example.com").as_deref(), Some("false"));
    let old = site.idp.user(&site.pool, ADA);
    assert_eq!(old.expect_err("no longer"), Error::UserNotFound);
    set(
        "new@example.com",
        &[("email", ADA), ("email_verified", "true")],
    );
    assert_eq!(verified(ADA).as_deref(), Some("true"));
}

#[rstest]
#[case(&[("team", "7")], "Invalid user attributes: user.team: Attribute does not exist in the schema.\n")]
#[case(&[("sub", "x")], "user.sub: Attribute cannot be updated.")]
#[case(&[("email_verified", "perhaps")], "Invalid user attributes: user.email_verified: The value is not a valid boolean.\n")]
#[case(&[("phone_number_verified", "true")], "Phone Number is required to verify/un-verify a phone number")]
#[case(&[("phone_number", "123")], "Invalid phone number format.")]
#[case(&[("email", "ada")], "Invalid email address format.")]
fn attributes_that_cannot_be_are_refused(
    #[case] attributes: &[(&str, &str)],
    #[case] expected: &str,
) {
    let site = Site::new();
    site.invite(ADA, &[]);
    let updated = site
        .idp
        .update_user_attributes(&site.pool, ADA, &own(attributes));
    assert_eq!(message(updated), expected);
}

#[test]
fn an_empty_value_deletes_an_attribute() {
    let site = Site::new();
    site.invite(ADA, &[("name", "Ada"), ("nickname", "A")]);
    let idp = &site.idp;
    idp.update_user_attributes(&site.pool, ADA, &own(&[("name", "")]))
        .expect("updated");
    idp.delete_user_attributes(&site.pool, ADA, &["nickname".into()])
        .expect("deleted");
    let user = idp.user(&site.pool, ADA).expect("a user");
    let names: Vec<_> = user.attributes.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["sub", "email"]);
}

#[test]
fn an_alias_counts_once_verified_and_moves_to_who_verifies_it_last() {
    let new = CreatePool {
        alias_attributes: vec![AliasAttribute::Email],
        ..CreatePool::default()
    };
    let site = Site::with(new, client_settings());
    site.invite("one", &[("email", ADA)]);
    assert_eq!(
        site.idp.user(&site.pool, ADA).expect_err("unverified"),
        Error::UserNotFound
    );
    let verify = |name: &str| {
        let attributes = own(&[("email", ADA), ("email_verified", "true")]);
        let updated = site
            .idp
            .update_user_attributes(&site.pool, name, &attributes);
        updated.expect("updated");
    };
    verify("one");
    let named = || site.idp.user(&site.pool, ADA).expect("a user");
    assert_eq!(named().username, "one");
    let second = || CreateUser {
        attributes: own(&[("email", ADA), ("email_verified", "true")]),
        ..invitation("two")
    };
    let refused = site.idp.create_user(&site.pool, second());
    assert!(matches!(refused, Err(Error::AliasExists(_))));
    let forced = CreateUser {
        force_alias: true,
        ..second()
    };
    site.idp.create_user(&site.pool, forced).expect("forced");
    assert_eq!(named().username, "two");
    verify("one");
    assert_eq!(named().username, "one");
    assert_eq!(
        message(site.idp.create_user(&site.pool, invitation(ADA))),
        "Username cannot be of email format, since user pool is configured for email alias."
    );
}

#[test]
fn a_permanent_password_confirms_and_any_other_must_be_changed() {
    let site = Site::new();
    site.invite(ADA, &[("email_verified", "false")]);
    let set = |password: &str, permanent| {
        let password = secret(password);
        site.idp
            .set_user_password(&site.pool, ADA, &password, permanent)
    };
    let status = || site.idp.user(&site.pool, ADA).expect("a user").status;
    set(PASSWORD, true).expect("set");
    assert_eq!(status(), UserStatus::Confirmed);
    set(PASSWORD, false).expect("set");
    assert_eq!(status(), UserStatus::ForceChangePassword);
    assert_eq!(
        message(set("password", true)),
        "Password did not conform with policy: Password must have uppercase characters"
    );
    let user = site.idp.user(&site.pool, ADA).expect("a user");
    assert_eq!(user.attributes.get("email_verified"), Some("false"));
}

#[test]
fn updating_a_pool_resets_what_is_left_out_but_its_tier() {
    let idp = idp();
    let new = CreatePool {
        settings: PoolSettings {
            deletion_protection: true,
            tier: Tier::Plus,
            admin_create_user: AdminCreateUser {
                only_admins: true,
                ..AdminCreateUser::default()
            },
            password_policy: PasswordPolicy {
                minimum_length: 20,
                ..PasswordPolicy::default()
            },
            ..PoolSettings::default()
        },
        tags: BTreeMap::from([("owner".into(), "kubedemy".into())]),
        ..email_pool()
    };
    let pool = idp.create_pool(REGION, new).expect("a pool");
    let updated = idp.update_pool(&pool.id, UpdatePool::default());
    let updated = updated.expect("updated");
    let expected = PoolSettings {
        tier: Tier::Plus,
        ..PoolSettings::default()
    };
    assert_eq!(updated.settings, expected);
    assert!(updated.tags.is_empty());
    // These cannot change.
    assert_eq!(updated.username_attributes, pool.username_attributes);
    assert_eq!(updated.name, "kubedemy");
}

#[test]
fn updating_a_client_resets_what_is_left_out() {
    let site = Site::new();
    let settings = ClientSettings::default();
    let updated = site
        .idp
        .update_client(&site.pool, &site.client, None, settings.clone());
    let updated = updated.expect("updated");
    assert_eq!(
        (&updated.settings, updated.name.as_str()),
        (&settings, "eks")
    );
}

#[test]
fn a_pool_with_a_domain_or_under_protection_is_not_deleted() {
    let site = Site::new();
    let delete = || site.idp.delete_pool(&site.pool);
    assert_eq!(
        message(delete()),
        "User pool cannot be deleted. It has a domain configured that should be deleted first."
    );
    let protection = |deletion_protection| UpdatePool {
        settings: PoolSettings {
            deletion_protection,
            ..PoolSettings::default()
        },
        ..UpdatePool::default()
    };
    let update = |on| site.idp.update_pool(&site.pool, protection(on));
    update(true).expect("updated");
    assert_eq!(
        message(delete()),
        "The user pool cannot be deleted because deletion protection is activated. Deletion \
         protection must be inactivated first."
    );
    update(false).expect("updated");
    let idp = &site.idp;
    idp.delete_domain(&site.pool, "kubedemy").expect("deleted");
    delete().expect("deleted");
    let gone = format!("User pool {} does not exist.", site.pool);
    assert_eq!(message(delete()), gone);
    assert_eq!(
        message(idp.client(&site.client)),
        format!("User pool client {} does not exist.", site.client)
    );
}

#[test]
fn a_domain_is_one_pools_only_and_holds_no_reserved_word() {
    let site = Site::new();
    let other = site.idp.create_pool(REGION, email_pool()).expect("a pool");
    let create = |pool: &PoolId, name: &str| site.idp.create_domain(pool, name, None, None);
    assert_eq!(
        message(create(&other.id, "kubedemy")),
        "Domain already associated with another user pool."
    );
    assert_eq!(
        message(create(&site.pool, "second")),
        "User pool already has a domain configured."
    );
    for (name, word) in [
        ("mycognito", "cognito"),
        ("aws-x", "aws"),
        ("xamazon", "amazon"),
    ] {
        let expected = format!("Domain cannot contain reserved word: {word}");
        assert_eq!(message(create(&other.id, name)), expected);
    }
    let unknown = "No such domain or user pool exists.";
    let delete = |pool: &PoolId, name: &str| site.idp.delete_domain(pool, name);
    assert_eq!(message(delete(&other.id, "kubedemy")), unknown);
    assert_eq!(message(delete(&site.pool, "second")), unknown);
    assert!(site.idp.domain("second").is_none());
    delete(&site.pool, "kubedemy").expect("deleted");
    assert!(create(&other.id, "kubedemy").is_ok());
}

#[test]
fn membership_is_idempotent_and_ends_with_the_group() {
    let site = Site::new();
    site.invite(ADA, &[]);
    site.join(ADA, "admins");
    site.join(ADA, "admins");
    let groups = || {
        let groups = site.idp.groups_of_user(&site.pool, ADA, Page::default());
        let groups = groups.expect("groups").items;
        groups.iter().map(|g| g.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(groups(), ["admins"]);
    let members = site
        .idp
        .users_in_group(&site.pool, "admins", Page::default());
    assert_eq!(members.expect("members").items.len(), 1);
    let nowhere = site.idp.add_user_to_group(&site.pool, ADA, "nowhere");
    assert_eq!(message(nowhere), "Group not found.");
    let nobody = site.idp.add_user_to_group(&site.pool, "x@y", "admins");
    assert_eq!(message(nobody), "User does not exist.");
    let again = site.idp.create_group(
        &site.pool,
        crate::flow::admin::NewGroup {
            name: "admins".into(),
            ..Default::default()
        },
    );
    assert_eq!(message(again), "A group with the name already exists.");
    let idp = &site.idp;
    idp.delete_group(&site.pool, "admins").expect("deleted");
    assert!(groups().is_empty());
}

#[test]
fn an_email_pool_is_not_an_alias_pool() {
    let both = CreatePool {
        alias_attributes: vec![AliasAttribute::PreferredUsername],
        ..email_pool()
    };
    assert_eq!(
        message(idp().create_pool(REGION, both)),
        "Only one of the aliasAttributes or usernameAttributes can be set in a user pool."
    );
}

#[test]
fn custom_attributes_have_a_prefix_and_cannot_be_required() {
    let attribute = |required| CreatePool {
        schema: vec![NewAttribute {
            name: "team".into(),
            required,
            ..NewAttribute::default()
        }],
        ..CreatePool::default()
    };
    let idp = idp();
    assert_eq!(
        message(idp.create_pool(REGION, attribute(Some(true)))),
        "Required custom attributes are not supported currently."
    );
    let pool = idp.create_pool(REGION, attribute(None)).expect("a pool");
    assert!(pool.attribute("custom:team").is_some());
    assert_eq!(pool.schema.len(), 22);
}

type EditClient = fn(&mut ClientSettings);

#[rstest]
#[case::oauth_without_scopes(|c: &mut ClientSettings| c.allowed_oauth_scopes.clear(), "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.")]
#[case::short(|c: &mut ClientSettings| c.refresh_validity = Some(10 * 366), "Invalid range for token validity.")]
#[case::provider(|c: &mut ClientSettings| c.identity_providers = vec!["Google".into()], "The provider Google does not exist for User Pool POOL.")]
#[case::http(|c: &mut ClientSettings| c.callback_urls = vec!["http://example.com".into()], "http://example.com cannot use the HTTP protocol.")]
#[case::scope(|c: &mut ClientSettings| c.allowed_oauth_scopes = vec!["x/y".into()], "Invalid scope requested: x/y")]
fn client_settings_that_cannot_be_are_refused(#[case] edit: EditClient, #[case] expected: &str) {
    let site = Site::new();
    let mut settings = client_settings();
    edit(&mut settings);
    let new = NewClient {
        settings,
        ..NewClient::default()
    };
    let created = site.idp.create_client(&site.pool, new);
    let expected = expected.replace("POOL", site.pool.as_str());
    assert_eq!(message(created), expected);
}

#[rstest]
#[case("http://localhost:8000", true)]
#[case("http://127.0.0.1:1/x?y", true)]
#[case("http://[::1]:80/", true)]
#[case("https://example.com/", true)]
#[case("myapp://callback", true)]
#[case("http://localhost.example.com", false)]
#[case("http://evil/localhost", false)]
#[case("http://localhost:80@evil/", false)]
#[case("https://example.com/#x", false)]
#[case("javascript:alert(1)", false)]
#[case("data:text/html,x", false)]
#[case("file:///etc/passwd", false)]
#[case("nothing", false)]
fn callback_urls_are_https_or_local_or_an_apps_own(#[case] url: &str, #[case] good: bool) {
    let site = Site::new();
    let settings = ClientSettings {
        callback_urls: vec![url.into()],
        ..client_settings()
    };
    let updated = site
        .idp
        .update_client(&site.pool, &site.client, None, settings);
    assert_eq!(updated.is_ok(), good);
}

#[rstest]
#[case(r#"email = "ada@example.com""#, Ok(&["ada@example.com"][..]))]
#[case(r#"email^="A""#, Ok(&["ada@example.com"][..]))]
#[case(r#"status = "Disabled""#, Ok(&["bob@example.com"][..]))]
#[case(r#"cognito:user_status="FORCE_CHANGE_PASSWORD""#, Ok(&["ada@example.com", "bob@example.com"][..]))]
#[case(r#"username = "ada@example.com""#, Ok(&[][..]))]
#[case("", Ok(&["ada@example.com", "bob@example.com"][..]))]
#[case("email", Err("Error while parsing filter"))]
#[case("email = ada", Err("Error while parsing filter"))]
#[case(r#"email = "a" or "1"="1""#, Err("Error while parsing filter"))]
#[case(r#"custom:team = "7""#, Err("Invalid search attribute: custom:team"))]
fn users_are_listed_by_filter(#[case] filter: &str, #[case] expected: Result<&[&str], &str>) {
    let site = Site::new();
    site.invite(ADA, &[]);
    site.invite("bob@example.com", &[]);
    site.idp
        .disable_user(&site.pool, "bob@example.com")
        .expect("disabled");
    let list = ListUsers {
        filter: Some(filter.into()),
        ..ListUsers::default()
    };
    let found = site.idp.users(&site.pool, list);
    let found = found.map(|page| {
        let emails = page.items.iter().map(|user| user.attributes.get("email"));
        emails.flatten().map(str::to_owned).collect::<Vec<_>>()
    });
    match expected {
        Ok(expected) => assert_eq!(found.expect("users"), expected),
        Err(expected) => assert_eq!(message(found), expected),
    }
}

#[test]
fn tags_are_the_pools() {
    let site = Site::new();
    let arn = site.idp.pool(&site.pool).expect("a pool").arn();
    let tags = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".into(), "2".into())]);
    site.idp.tag(&arn, tags).expect("tagged");
    site.idp.untag(&arn, &["a".into()]).expect("untagged");
    let tags = site.idp.tags(&arn).expect("tags");
    assert_eq!(tags, BTreeMap::from([("b".to_owned(), "2".to_owned())]));
    let elsewhere = arn.replace("eu-west-2:", "eu-west-1:");
    assert!(site.idp.tags(&elsewhere).is_err());
}

#[test]
fn a_reset_forgets_everything() {
    let site = Site::new();
    site.invite(ADA, &[]);
    site.idp.reset();
    assert!(site.idp.pool(&site.pool).is_err());
    assert!(site.idp.outbox().is_empty());
}
