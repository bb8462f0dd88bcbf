//! The behaviour of every store. [`Memory`] is the only one so far.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Memory, Refused, Store};
use crate::KeyBank;
use crate::domain::grant::{ChallengeSession, CodeGrant, Grant, RefreshGrant, SecretKey, Via};
use crate::domain::pool::{Domain, PoolSettings, UsernameAttribute, standard_schema};
use crate::domain::scope::Scopes;
use crate::domain::user::{Attributes, Failures, UserStatus};
use crate::domain::{Client, ClientId, Error, Group, Pool, PoolId, User, UserId};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn stores() -> [Box<dyn Store>; 1] {
    [Box::new(Memory::new())]
}

fn pool(id: &str) -> Pool {
    Pool {
        id: id.into(),
        region: "r".into(),
        account: "a".into(),
        name: "n".into(),
        username_attributes: vec![UsernameAttribute::Email],
        alias_attributes: Vec::new(),
        case_sensitivity: Some(false),
        schema: standard_schema(),
        settings: PoolSettings::default(),
        domain: None,
        tags: Default::default(),
        created: NOW,
        modified: NOW,
    }
}

fn user(pool: &PoolId, id: &str, email: &str) -> User {
    let id = UserId::from(id);
    let mut attributes = Attributes::of(&id);
    attributes.set("email", email);
    User {
        pool: pool.clone(),
        username: id.as_str().to_owned(),
        attributes,
        status: UserStatus::Confirmed,
        enabled: true,
        password: None,
        temporary_until: None,
        failures: Failures::default(),
        signed_out: None,
        created: NOW,
        modified: NOW,
        id,
    }
}

fn group(pool: &PoolId, name: &str) -> Group {
    Group {
        pool: pool.clone(),
        name: name.into(),
        description: None,
        role_arn: None,
        precedence: None,
        created: NOW,
        modified: NOW,
    }
}

fn client(pool: &PoolId, id: &str) -> Client {
    Client {
        id: id.into(),
        pool: pool.clone(),
        name: "n".into(),
        secret: None,
        settings: Default::default(),
        created: NOW,
        modified: NOW,
    }
}

fn grant(pool: &PoolId, client: &str, user: &str) -> Grant {
    Grant {
        pool: pool.clone(),
        client: client.into(),
        user: user.into(),
        via: Via::Api,
        scopes: Scopes::user_admin(),
        auth_time: NOW,
        origin_jti: format!("origin-{user}"),
        event_id: "e".into(),
        nonce: None,
    }
}

fn insert(store: &dyn Store, id: &str) -> PoolId {
    let ring = KeyBank::in_memory(0).ring();
    let pool = store.insert_pool(pool(id), ring).expect("a pool");
    pool.id.clone()
}

fn domain(name: &str) -> Domain {
    Domain {
        name: name.into(),
        certificate_arn: None,
        managed_login_version: None,
        created: NOW,
    }
}

#[test]
fn ids_and_domains_are_unique() {
    for store in stores() {
        let one = insert(&*store, "r_1");
        let ring = KeyBank::in_memory(0).ring();
        assert_eq!(
            store.insert_pool(pool("r_1"), ring).err(),
            Some(Refused::Taken)
        );
        let other = insert(&*store, "r_2");
        let claim = |pool: &PoolId, name: &str| {
            let claimed = store.update_pool(pool, &mut |pool| {
                pool.domain = Some(domain(name));
                Ok(())
            });
            claimed.map(drop)
        };
        assert_eq!(claim(&one, "d"), Ok(()));
        assert_eq!(claim(&other, "d"), Err(Refused::Taken));
        assert_eq!(store.pool(&other).and_then(|p| p.domain.clone()), None);
        assert_eq!(claim(&one, "e"), Ok(()));
        assert_eq!(claim(&other, "d"), Ok(()), "it was given up");
        assert_eq!(store.pool_by_domain("d").map(|p| p.id.clone()), Some(other));
        store.insert_client(client(&one, "c")).expect("a client");
        assert!(store.insert_client(client(&one, "c")).is_err());
    }
}

#[test]
fn a_change_that_fails_changes_nothing() {
    for store in stores() {
        let pool = insert(&*store, "r_1");
        let id = UserId::from("u");
        store.insert_user(user(&pool, "u", "a@x")).expect("a user");
        let refused = store.update_user(&pool, &id, &mut |user| {
            user.attributes.set("email", "b@x");
            Err(Error::UserNotFound)
        });
        assert_eq!(refused, Err(Refused::Rule(Error::UserNotFound)));
        assert!(store.find_user(&pool, "a@x").is_some());
        assert!(store.find_user(&pool, "b@x").is_none());
    }
}

#[test]
fn a_code_is_taken_once_and_by_its_client() {
    for store in stores() {
        let pool = insert(&*store, "r_1");
        let key = SecretKey::of("code");
        let code = CodeGrant {
            grant: grant(&pool, "c", "u"),
            redirect_uri: "x".into(),
            pkce: None,
            expires: NOW,
        };
        store.put_code(key, code.clone(), NOW);
        assert_eq!(store.take_code(&key, &ClientId::from("d")), None);
        assert_eq!(store.take_code(&key, &ClientId::from("c")), Some(code));
        assert_eq!(store.take_code(&key, &ClientId::from("c")), None);
    }
}

#[test]
fn of_many_who_take_a_challenge_at_once_one_gets_it() {
    for store in stores() {
        let pool = insert(&*store, "r_1");
        let key = SecretKey::of("session");
        let session = ChallengeSession {
            pool: pool.clone(),
            client: "c".into(),
            user: "u".into(),
            password: None,
            expires: NOW,
        };
        store.put_challenge(key, session, NOW);
        let taken = std::thread::scope(|threads| {
            let take = || threads.spawn(|| store.take_challenge(&key).is_some());
            let takers: Vec<_> = [(); 8].iter().map(|()| take()).collect();
            let taken = takers.into_iter().map(|t| t.join().expect("took"));
            taken.filter(|taken| *taken).count()
        });
        assert_eq!(taken, 1);
    }
}

#[test]
fn revocation_reaches_all_that_share_an_origin_and_nothing_else() {
    for store in stores() {
        let pool = insert(&*store, "r_1");
        let put = |token: &str, user: &str| {
            let refresh = RefreshGrant {
                grant: grant(&pool, "c", user),
                expires: NOW,
                replaced: None,
                revoked: false,
            };
            store.put_refresh(SecretKey::of(token), refresh, NOW);
        };
        for (token, user) in [("1", "ada"), ("2", "ada"), ("3", "bob")] {
            put(token, user);
        }
        let revoked = |token| {
            let refresh = store.refresh(&SecretKey::of(token));
            refresh.expect("kept").revoked
        };
        assert!(store.revoke_refresh(&SecretKey::of("1")));
        assert!(!store.revoke_refresh(&SecretKey::of("unknown")));
        assert!(revoked("1") && revoked("2") && !revoked("3"));
        assert!(store.is_revoked("origin-ada") && !store.is_revoked("origin-bob"));
        store.revoke_user(&pool, &UserId::from("bob"));
        assert!(revoked("3") && store.is_revoked("origin-bob"));
    }
}

#[test]
fn a_refresh_token_is_replaced_once() {
    for store in stores() {
        let pool = insert(&*store, "r_1");
        let key = SecretKey::of("token");
        let refresh = RefreshGrant {
            grant: grant(&pool, "c", "u"),
            expires: NOW,
            replaced: None,
            revoked: false,
        };
        store.put_refresh(key, refresh, NOW);
        assert!(store.replace_refresh(&key, NOW));
        assert!(!store.replace_refresh(&key, NOW));
        assert!(!store.replace_refresh(&SecretKey::of("unknown"), NOW));
    }
}

#[test]
fn what_has_expired_is_forgotten_and_nothing_else() {
    for store in stores() {
        let pool = insert(&*store, "r_1");
        let session = |expires| ChallengeSession {
            pool: pool.clone(),
            client: "c".into(),
            user: "u".into(),
            password: None,
            expires,
        };
        let later = NOW + Duration::from_secs(60);
        store.put_challenge(SecretKey::of("lasting"), session(later), NOW);
        store.put_challenge(SecretKey::of("first"), session(NOW), NOW);
        for n in 0..3_000 {
            let key = SecretKey::of(&n.to_string());
            store.put_challenge(key, session(NOW), NOW + Duration::from_secs(1));
        }
        assert!(store.challenge(&SecretKey::of("lasting")).is_some());
        assert!(store.challenge(&SecretKey::of("first")).is_none());
    }
}

#[test]
fn with_a_pool_goes_all_that_is_in_it() {
    for store in stores() {
        let pool = insert(&*store, "r_1");
        let other = insert(&*store, "r_2");
        for pool in [&pool, &other] {
            let name = pool.as_str();
            store.insert_client(client(pool, name)).expect("a client");
            store.insert_user(user(pool, "u", "a@x")).expect("a user");
        }
        let refuse = |_: &Pool| Err(Error::UserNotFound);
        let refused = Refused::Rule(Error::UserNotFound);
        assert_eq!(store.remove_pool(&pool, &refuse), Err(refused));
        assert_eq!(store.remove_pool(&pool, &|_| Ok(())), Ok(()));
        assert_eq!(store.remove_pool(&pool, &|_| Ok(())), Err(Refused::Missing));
        assert!(store.client(&ClientId::from("r_1")).is_none());
        assert!(store.client(&ClientId::from("r_2")).is_some());
        assert!(store.find_user(&pool, "a@x").is_none());
        assert!(store.find_user(&other, "a@x").is_some());
        store.reset();
        assert!(store.pools().is_empty());
    }
}

/// Something that can happen to the users and groups of a pool.
#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u8),
    Rename(u8, u8),
    Remove(u8),
    InsertGroup(u8),
    RemoveGroup(u8),
    Join(u8, u8),
    Leave(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..6_u8;
    let email = 0..4_u8;
    let group = 0..3_u8;
    prop_oneof![
        (user.clone(), email.clone()).prop_map(|(u, e)| Step::Insert(u, e)),
        (user.clone(), email).prop_map(|(u, e)| Step::Rename(u, e)),
        user.clone().prop_map(Step::Remove),
        group.clone().prop_map(Step::InsertGroup),
        group.clone().prop_map(Step::RemoveGroup),
        (user.clone(), group.clone()).prop_map(|(u, g)| Step::Join(u, g)),
        (user, group).prop_map(|(u, g)| Step::Leave(u, g)),
    ]
}

fn take(store: &dyn Store, pool: &PoolId, step: &Step) {
    let user_id = |n: &u8| UserId::from(format!("user-{n}"));
    // Folded, because the pool does not tell cases apart.
    let email = |n: &u8| format!("Mail-{n}@x");
    let group_name = |n: &u8| format!("group-{n}");
    match step {
        Step::Insert(u, e) => {
            let _ = store.insert_user(user(pool, user_id(u).as_str(), &email(e)));
        }
        Step::Rename(u, e) => {
            let _ = store.update_user(pool, &user_id(u), &mut |user| {
                user.attributes.set("email", &email(e));
                Ok(())
            });
        }
        Step::Remove(u) => drop(store.remove_user(pool, &user_id(u))),
        Step::InsertGroup(g) => drop(store.insert_group(group(pool, &group_name(g)))),
        Step::RemoveGroup(g) => drop(store.remove_group(pool, &group_name(g))),
        Step::Join(u, g) => drop(store.add_member(pool, &group_name(g), &user_id(u))),
        Step::Leave(u, g) => drop(store.remove_member(pool, &group_name(g), &user_id(u))),
    }
}

proptest! {
    /// Whatever happened: every name leads to the one user who has it, and
    /// members and memberships say the same.
    #[test]
    fn names_and_memberships_stay_consistent(steps in proptest::collection::vec(step(), 0..60)) {
        for store in stores() {
            let pool = insert(&*store, "r_1");
            for step in &steps {
                take(&*store, &pool, step);
            }
            let users: Vec<_> = store.users(&pool).into_iter().map(|(_, user)| user).collect();
            prop_assert_eq!(users.len(), store.user_count(&pool));
            let record = store.pool(&pool).expect("a pool");
            let mut seen = std::collections::HashSet::new();
            for user in &users {
                for name in user.names(&record) {
                    prop_assert!(seen.insert(name.clone()), "{} is two users", name);
                    let found = store.find_user(&pool, &name.to_uppercase());
                    prop_assert_eq!(found.as_ref(), Some(user));
                }
            }
            for n in 0..4 {
                let name = format!("mail-{n}@x");
                prop_assert_eq!(store.find_user(&pool, &name).is_some(), seen.contains(&name));
            }
            for (_, group) in store.groups(&pool) {
                for user in &users {
                    let members = store.members(&pool, &group.name);
                    let member = members.iter().any(|(_, member)| member == user);
                    let groups = store.groups_of(&pool, &user.id);
                    prop_assert_eq!(member, groups.iter().any(|(_, g)| *g == group));
                }
            }
        }
    }
}
