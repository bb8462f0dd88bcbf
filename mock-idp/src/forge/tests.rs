//! What every word has in common, and what only a token of another issuer shows.

use std::collections::BTreeSet;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::keybank::KeyBank;

const CLAIMS: &str = r#"{"sub":"ada","email":"ada@example.com","email_verified":true,"cognito:groups":["admins"],"iss":"https://issuer.example/pool","aud":"client","exp":1795474800,"iat":1795471200}"#;

fn forger() -> Stranger {
    let key = KeyBank::for_tests().draw().expect("a key");
    Stranger::new(key).expect("a forger")
}

/// The forms of every word that can be made of a token like Cognito's.
fn forged() -> (String, Vec<(Forgery, Vec<Forged>)>) {
    let bank = KeyBank::for_tests();
    let draw = || Arc::new(bank.draw().expect("a key"));
    let (key, other, retired) = (draw(), draw(), draw());
    let stranger = Stranger::new(bank.draw().expect("a key")).expect("a forger");
    let header = format!(r#"{{"kid":"{}","alg":"RS256"}}"#, key.kid());
    let real = jws::compact(header.as_bytes(), CLAIMS.as_bytes(), |input| {
        key.sign(input)
    });
    let issuer = Issuer {
        key: Arc::clone(&key),
        now: Timestamp::from_second(1_795_471_200).expect("a time"),
        username_claim: "email".to_owned(),
        groups_claim: "cognito:groups".to_owned(),
        other_pool: Some(("https://issuer.example/other".to_owned(), other)),
        retired: Some(retired),
    };
    let id = Secret::new(real.clone());
    let access = Secret::new("the.access.token".to_owned());
    let keys = json!({"keys": [jwk(&key)]});
    let material = Material {
        id: &id,
        access: Some(&access),
        keys: Some(&keys),
        stranger: &stranger,
        lure: "http://127.0.0.1:1",
        issuer: Some(&issuer),
    };
    let forge = |word: &Forgery| Some((*word, word.forge(&material).ok()?));
    (real, Forgery::ALL.iter().filter_map(forge).collect())
}

#[test]
fn no_two_forgeries_are_alike_and_none_is_the_real_token() {
    let (real, all) = forged();
    assert_eq!(all.len(), Forgery::ALL.len() - 1);
    let mut seen = BTreeSet::from([real]);
    for (word, forged) in &all {
        assert!(!forged.is_empty(), "{word}");
        let mut variants = BTreeSet::new();
        for one in forged {
            assert!(variants.insert(&one.variant), "{word}: {}", one.variant);
            let new = seen.insert(one.token.expose().clone());
            assert!(new, "{word}: {}", one.variant);
        }
    }
}

#[test]
fn a_forgery_changes_nothing_but_what_its_word_says() {
    let (real, all) = forged();
    let claims = |token: &str| -> Value {
        let payload = token.split('.').nth(1).expect("a payload");
        let bytes = URL_SAFE_NO_PAD.decode(payload).expect("base64");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let first = |wanted: Forgery| {
        let (_, forged) = all.iter().find(|(word, _)| *word == wanted).expect("it");
        claims(forged[0].token.expose())
    };
    let mut expired = first(Forgery::Expired);
    assert_eq!(expired["exp"], 1_795_467_600);
    expired["exp"] = json!(1_795_474_800);
    assert_eq!(expired.to_string(), CLAIMS, "in the same order, too");
    for word in [
        Forgery::WrongKey,
        Forgery::HmacWithPublicKey,
        Forgery::OtherDigest,
        Forgery::RetiredKey,
    ] {
        assert_eq!(first(word), claims(&real), "{word}");
    }
}

#[test]
fn der_is_another_form_of_the_same_signature() {
    let rng = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let stranger = forger();
    // r and s begin with a zero, or with a bit that needs one, every so often.
    for _ in 0..600 {
        let real = jws::compact(br#"{"alg":"ES256"}"#, CLAIMS.as_bytes(), |input| {
            key.sign(&rng, input).expect("signed").as_ref().to_vec()
        });
        let material = Material {
            id: &Secret::new(real),
            access: None,
            keys: None,
            stranger: &stranger,
            lure: "",
            issuer: None,
        };
        let forged = Forgery::DerSignature.forge(&material).expect("forged");
        let token = forged[0].token.expose();
        let (input, signature) = token.rsplit_once('.').expect("a signature");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref())
            .verify(input.as_bytes(), &signature)
            .expect("the signature holds");
    }
}

#[test]
fn what_is_no_token_and_what_has_no_keys_is_said_so() {
    let stranger = forger();
    let forge = |word: Forgery, id: &str, keys: Option<&Value>| {
        let material = Material {
            id: &Secret::new(id.to_owned()),
            access: None,
            keys,
            stranger: &stranger,
            lure: "",
            issuer: None,
        };
        let forged = word.forge(&material);
        forged.expect_err("nothing to forge").to_string()
    };
    for id in ["", "a.b", "e30.e30.%", "e30.W10.x", "e30.e30.e30.e30"] {
        let why = forge(Forgery::AlgNone, id, None);
        assert_eq!(why, "the token is no JWT of three parts", "{id}");
    }
    let hmac = |keys: Option<&Value>| forge(Forgery::HmacWithPublicKey, "e30.e30.x0", keys);
    assert_eq!(hmac(None), "the issuer's keys are not known");
    let none = json!({"keys": []});
    assert_eq!(hmac(Some(&none)), "the issuer publishes no keys");
    let why = forge(Forgery::Expired, "e30.e30.x0", None);
    assert_eq!(why, "only the issuer's own key can sign it");
}
