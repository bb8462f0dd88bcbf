//! What Kubernetes makes of each word, by the code that decides in the embedded
//! cluster.

use foundation::clock::Clock;
use foundation::secret::Secret;
use jiff::Timestamp;
use kube_authn::{Authenticator, KeySet, KeyState, Outcome as Verdict, User};
use mock_idp::domain::PoolId;
use mock_idp::domain::client::{ClientSettings, ExplicitAuthFlow};
use mock_idp::domain::pool::UsernameAttribute;
use mock_idp::flow::admin::{CreatePool, CreateUser, NewClient, NewGroup};
use mock_idp::flow::{AuthFlow, AuthOutcome, Forge, InitiateAuth};
use mock_idp::forge::{Forged, Forgery, Material, Stranger};
use mock_idp::{Address, Config, KeyBank, MockIdp, Origin, Pins};
use serde_json::{Value, json};

use super::kubernetes;
use super::reference::{Expected, Reference};
use super::report::{Attempt, Outcome};
use super::target::Answer;
use crate::cluster::authn::{Trust, render};

const ADA: &str = "ada@example.com";

/// A provider, ada's tokens, and a cluster that trusts it.
struct Chain {
    idp: MockIdp,
    pool: PoolId,
    id: Secret<String>,
    access: Secret<String>,
    trust: Trust,
}

impl Chain {
    async fn new() -> Self {
        let idp = MockIdp::new(Config {
            clock: Clock::fixed(now()),
            region: "eu-west-2".to_owned(),
            account: "123456789012".to_owned(),
            address: Address::Local(Origin::parse("https://127.0.0.1:8443").expect("an origin")),
            pins: Pins::default(),
            seed: None,
            keybank: KeyBank::in_memory(0),
            control_token: Secret::new("control".to_owned()),
        });
        let flows = idp.idp();
        let new = CreatePool {
            username_attributes: vec![UsernameAttribute::Email],
            ..CreatePool::default()
        };
        let pool = flows
            .create_pool("eu-west-2", new)
            .expect("a pool")
            .id
            .clone();
        let group = NewGroup {
            name: "admins".to_owned(),
            ..NewGroup::default()
        };
        flows.create_group(&pool, group).expect("a group");
        let user = CreateUser {
            username: ADA.to_owned(),
            attributes: vec![("email_verified".to_owned(), "true".to_owned())],
            ..CreateUser::default()
        };
        flows.create_user(&pool, user).expect("a user");
        let password: Secret<String> = "H3lloW@rlD".to_owned().into();
        flows
            .set_user_password(&pool, ADA, &password, true)
            .expect("a password");
        flows
            .add_user_to_group(&pool, ADA, "admins")
            .expect("a member");
        let settings = ClientSettings {
            explicit_auth_flows: Some(vec![ExplicitAuthFlow::AllowUserPasswordAuth]),
            ..ClientSettings::default()
        };
        let new = NewClient {
            name: "eks".to_owned(),
            settings,
            ..NewClient::default()
        };
        let client = flows
            .create_client(&pool, new)
            .expect("a client")
            .id
            .clone();
        let call = InitiateAuth {
            pool: None,
            client: client.clone(),
            flow: AuthFlow::UserPassword,
            username: Some(ADA.to_owned()),
            password: Some(password),
            refresh_token: None,
            secret_hash: None,
        };
        let Ok(AuthOutcome::Tokens(tokens)) = flows.initiate_auth(call).await else {
            panic!("nobody is logged in");
        };
        let trust = Trust {
            issuer_url: flows.address().issuer(&pool),
            client_id: client.to_string(),
            username_claim: Some("email".to_owned()),
            groups_claim: Some("cognito:groups".to_owned()),
            groups_prefix: Some("oidc:".to_owned()),
            ..Trust::default()
        };
        Self {
            pool,
            id: tokens.id.expect("an ID token"),
            access: tokens.access,
            trust,
            idp,
        }
    }

    async fn forge(&self, word: Forgery) -> Result<Vec<Forged>, String> {
        let order = Forge {
            word,
            id: self.id.clone(),
            access: Some(self.access.clone()),
            username_claim: Some("email".to_owned()),
            groups_claim: Some("cognito:groups".to_owned()),
        };
        let forged = self.idp.idp().forge(order).await;
        forged.map_err(|error| error.to_string())
    }

    async fn published(&self) -> Value {
        let keys = self.idp.idp().keys(&self.pool).await.expect("keys");
        let keys: Vec<Value> = keys
            .published()
            .map(|key| {
                json!({
                    "kty": "RSA", "kid": key.kid(), "n": key.modulus(), "e": key.exponent(),
                })
            })
            .collect();
        json!({ "keys": keys })
    }

    /// `accepted as NAME`, or the API server's error; `algorithms` are those of
    /// its list.
    async fn verdict(&self, token: &str, algorithms: Option<&[String]>) -> String {
        let keys = KeySet::parse(self.published().await.to_string().as_bytes()).expect("keys");
        let rendered = render(&self.trust).expect("a configuration");
        let authenticator = Authenticator::new(&rendered.configuration.jwt[0], algorithms);
        let authenticator = authenticator.expect("a sound configuration");
        match authenticator.authenticate(token, KeyState::Fetched(&keys), now()) {
            Verdict::Accepted(user) => format!("accepted as {}", user.username),
            Verdict::Rejected(error) => error.to_string(),
            Verdict::NotMine | Verdict::NeedsKeys => "invalid bearer token".to_owned(),
        }
    }
}

fn now() -> Timestamp {
    "2026-11-23T22:00:00Z".parse().expect("a time")
}

const BAD_SIGNATURE: &str = "failed to verify signature: failed to verify id token signature";
const NOT_MINE: &str = "invalid bearer token";
const ACCEPTED: &str = "accepted as ada@example.com";

/// Each word by itself, and what the API server says to it (steps 0 to 14 of its
/// `AuthenticateToken`), where RS256 alone is on its list, as at EKS.
const VERDICTS: [(Forgery, &str); 57] = [
    (Forgery::Expired, "oidc: token is expired (Token Expiry: "),
    (Forgery::NotYetValid, "before the nbf (not before) time: "),
    (Forgery::NearlyValid, ACCEPTED),
    (Forgery::WrongAudience, "got [\"somebody-else\"]"),
    (Forgery::SeveralAudiences, ACCEPTED),
    (Forgery::WrongIssuer, NOT_MINE),
    (Forgery::MissingExp, "(Token Expiry: 0001-01-01"),
    (
        Forgery::BadExp,
        "strconv.ParseFloat: parsing \"\": invalid syntax",
    ),
    (Forgery::ExpAsString, ACCEPTED),
    (Forgery::FractionalExp, ACCEPTED),
    (Forgery::BadNbf, "json: invalid number literal"),
    (Forgery::BadIat, "json: invalid number literal"),
    (Forgery::OddIat, ACCEPTED),
    (
        Forgery::MissingUsername,
        "oidc: parse username claims \"email\": claim not present",
    ),
    (
        Forgery::BadUsername,
        "cannot unmarshal number into Go value of type string",
    ),
    (Forgery::EmptyUsername, "accepted as "),
    (Forgery::LongUsername, "accepted as aaaaaaaa"),
    (Forgery::EmailUnverified, "oidc: email not verified"),
    (Forgery::NoEmailVerified, ACCEPTED),
    (
        Forgery::BadGroups,
        "oidc: parse groups claim \"cognito:groups\": json: cannot",
    ),
    (Forgery::GroupsAsString, ACCEPTED),
    (Forgery::ManyGroups, ACCEPTED),
    (Forgery::DuplicateClaim, "accepted as the-last-one"),
    (Forgery::ClaimCase, ACCEPTED),
    (Forgery::NotAnObject, NOT_MINE),
    (Forgery::ByteOrderMark, NOT_MINE),
    (Forgery::NotUtf8, ACCEPTED),
    (
        Forgery::DuplicateHeader,
        "malformed jwt: json: duplicate key 'alg' in object",
    ),
    (Forgery::UnknownKid, BAD_SIGNATURE),
    (Forgery::NoKid, ACCEPTED),
    (Forgery::UnknownCritical, BAD_SIGNATURE),
    (Forgery::EmptyCritical, ACCEPTED),
    (Forgery::Unencoded, ACCEPTED),
    (
        Forgery::OtherAlgorithm,
        "expected [\"RS256\"] got \"PS256\"",
    ),
    (Forgery::OtherDigest, BAD_SIGNATURE),
    (Forgery::OtherPool, NOT_MINE),
    (Forgery::RetiredKey, BAD_SIGNATURE),
    (
        Forgery::AlgNone,
        "unsupported algorithm, expected [\"RS256\"] got \"none\"",
    ),
    (
        Forgery::RelabelledAlgorithm,
        "expected [\"RS256\"] got \"HS256\"",
    ),
    (Forgery::ZeroSignature, BAD_SIGNATURE),
    (Forgery::Tampered, BAD_SIGNATURE),
    (Forgery::TamperedSignature, BAD_SIGNATURE),
    (Forgery::TruncatedSignature, BAD_SIGNATURE),
    (Forgery::WrongPartCount, NOT_MINE),
    (Forgery::Encrypted, NOT_MINE),
    (Forgery::JsonSerialised, NOT_MINE),
    (
        Forgery::Padded,
        "malformed jwt: illegal base64 data at input byte 342",
    ),
    (
        Forgery::StandardAlphabet,
        "malformed jwt: illegal base64 data at input byte",
    ),
    (Forgery::SpareBits, ACCEPTED),
    (Forgery::WhiteSpace, ACCEPTED),
    (
        Forgery::HmacWithPublicKey,
        "expected [\"RS256\"] got \"HS256\"",
    ),
    (Forgery::UnknownKey, BAD_SIGNATURE),
    (Forgery::WrongKey, BAD_SIGNATURE),
    (Forgery::HostileKid, "expected [\"RS256\"] got \"HS256\""),
    (Forgery::RemoteKey, BAD_SIGNATURE),
    (Forgery::EmbeddedKey, BAD_SIGNATURE),
    (Forgery::AccessToken, "oidc: expected audience"),
];

#[tokio::test]
async fn each_word_gets_kubernetes_verdict() {
    let chain = Chain::new().await;
    let rs256 = ["RS256".to_owned()];
    assert_eq!(
        chain.verdict(chain.id.expose(), Some(&rs256)).await,
        ACCEPTED
    );
    for word in Forgery::ALL {
        let forged = chain.forge(*word).await;
        let Some((_, expected)) = VERDICTS.iter().find(|(known, _)| known == word) else {
            assert_eq!(*word, Forgery::DerSignature);
            assert!(
                forged
                    .expect_err("RS256 has one form")
                    .contains("only ECDSA")
            );
            continue;
        };
        let forged = forged.unwrap_or_else(|why| panic!("{word}: {why}"));
        let verdict = chain.verdict(forged[0].token.expose(), Some(&rs256)).await;
        assert!(verdict.contains(expected), "{word}: {verdict}");
    }
}

/// The list of algorithms hides what the keys would let pass, so all nine are
/// on it here.
#[tokio::test]
async fn every_form_is_refused_but_of_the_words_that_kubernetes_accepts() {
    let chain = Chain::new().await;
    for word in Forgery::ALL {
        let forged = chain.forge(*word).await.unwrap_or_default();
        let mut accepted = 0;
        for one in &forged {
            assert_ne!(one.token.expose(), chain.id.expose(), "{word}");
            let verdict = chain.verdict(one.token.expose(), None).await;
            let refused = !verdict.starts_with("accepted");
            accepted += usize::from(!refused);
            assert!(
                refused || kubernetes::accepts(*word).is_some(),
                "{word}, {}: {verdict}",
                one.variant
            );
        }
        assert_eq!(kubernetes::accepts(*word).is_some(), accepted > 0, "{word}");
    }
}

/// Whoever accepts a form that Kubernetes refuses has let it in, though others of its
/// word are accepted; and so has who takes somebody for another, or in more groups.
#[tokio::test]
async fn what_kubernetes_accepts_is_told_apart_form_by_form() {
    let chain = Chain::new().await;
    let published = chain.published().await;
    let reference = |trust| {
        let id = chain.id.expose();
        Reference::new(id, Some(&published), trust, Some(now()))
    };
    let (knows, half) = (reference(Some(&chain.trust)), reference(None));
    let person = User {
        username: ADA.to_owned(),
        groups: ["oidc:admins", "system:authenticated"]
            .map(str::to_owned)
            .into(),
        ..User::default()
    };
    let judged = |reference: &Reference, word: Forgery, one: &Forged, user: &User| {
        let expected = reference.expects(one.token.expose());
        let mut attempt = Attempt::new(word);
        let user = user.clone();
        let shown = Some(Answer::Accepted { status: 201, user });
        attempt.add(one.variant.clone(), shown, None, &expected, &person);
        attempt.rows[0].outcome
    };
    let mut accepted = Vec::new();
    for word in Forgery::ALL {
        for one in chain.forge(*word).await.unwrap_or_default() {
            let form = format!("{word}, {}", one.variant);
            let verdict = chain.verdict(one.token.expose(), None).await;
            let Expected::Accepted(Some(known)) = knows.expects(one.token.expose()) else {
                assert!(!verdict.starts_with("accepted"), "{form}: {verdict}");
                assert_eq!(
                    judged(&knows, *word, &one, &person),
                    Outcome::LetIn,
                    "{form}"
                );
                continue;
            };
            assert_eq!(verdict, format!("accepted as {}", known.username), "{form}");
            let mut master = known.clone();
            master.groups.push("system:masters".to_owned());
            let like = Outcome::AsKubernetes;
            assert_eq!(judged(&knows, *word, &one, &known), like, "{form}");
            assert_eq!(
                judged(&knows, *word, &one, &master),
                Outcome::LetIn,
                "{form}"
            );
            if known == person {
                assert_eq!(judged(&half, *word, &one, &person), like, "{form}");
                assert_eq!(
                    judged(&half, *word, &one, &master),
                    Outcome::LetIn,
                    "{form}"
                );
            }
            accepted.push(form);
        }
    }
    let is_accepted = |form: &str| accepted.iter().any(|one| one == form);
    assert!(is_accepted("white-space, a tab in the signature"));
    assert!(!is_accepted("white-space, a NUL in the signature"));
    assert!(is_accepted("many-groups, one group twice"));
    assert!(accepted.len() > 30, "{accepted:?}");
}

#[tokio::test]
async fn a_token_and_the_published_keys_will_do_for_what_takes_no_issuer() {
    let chain = Chain::new().await;
    let published = chain.published().await;
    let stranger = Stranger::generate().expect("a forger");
    let material = Material {
        id: &chain.id,
        access: Some(&chain.access),
        keys: Some(&published),
        stranger: &stranger,
        lure: "http://127.0.0.1:1",
        issuer: None,
    };
    for word in Forgery::ALL {
        let forged = word.forge(&material);
        if word.takes_the_issuer() {
            let why = forged.expect_err("no key").to_string();
            assert_eq!(why, "only the issuer's own key can sign it", "{word}");
        } else if *word != Forgery::DerSignature {
            let forged = forged.unwrap_or_else(|why| panic!("{word}: {why}"));
            let verdict = chain.verdict(forged[0].token.expose(), None).await;
            let refused = !verdict.starts_with("accepted");
            assert_eq!(refused, kubernetes::accepts(*word).is_none(), "{word}");
        }
    }
}

#[tokio::test]
async fn a_key_that_was_replaced_is_the_retired_one_and_another_pool_is_a_real_one() {
    let chain = Chain::new().await;
    let flows = chain.idp.idp();
    let kid = |token: &Secret<String>| {
        let header = token.expose().split('.').next().map(str::to_owned);
        let header = crate::doctor::token::decode(&format!("{}.e30.x", header.expect("a header")));
        header.expect("a token").kid().to_owned()
    };
    let retired = kid(&chain.id);
    flows
        .rotate_keys(&chain.pool, false)
        .await
        .expect("new keys");
    let forged = chain.forge(Forgery::RetiredKey).await.expect("forged");
    assert_eq!(kid(&forged[0].token), retired);
    let expired = chain.forge(Forgery::Expired).await.expect("forged");
    assert_ne!(
        kid(&expired[0].token),
        retired,
        "signed with the key of today"
    );

    let forged = chain.forge(Forgery::OtherPool).await.expect("forged");
    assert_eq!(forged[0].variant, "a token of a pool that there is not");
    let other = flows.create_pool("eu-west-2", CreatePool::default());
    let other = flows.address().issuer(&other.expect("a pool").id);
    let forged = chain.forge(Forgery::OtherPool).await.expect("forged");
    let decoded = crate::doctor::token::decode(forged[0].token.expose());
    assert_eq!(decoded.expect("a token").text("iss"), Some(other.as_str()));
}
