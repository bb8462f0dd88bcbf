//! What verifying a token adds to the check of its signature, at RS256 and 1 KB.
//!
//!     cargo run --release -p kube-authn --example bench_authn

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kube_authn::config::AuthenticationConfiguration;
use kube_authn::{Authenticator, KeySet, KeyState, Outcome};
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::json;

const ROUNDS: usize = 7;
const A_ROUND: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let public = rsa::PublicKey::from_pkcs1_der(key.public_key().as_ref())?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let keys = json!({"keys": [{
        "kty": "RSA", "kid": "k", "alg": "RS256",
        "n": encode(&public.n_bytes()), "e": encode(&public.e_bytes()),
    }]});
    let keys = KeySet::parse(keys.to_string().as_bytes())?;
    let signed = format!(
        "{}.{}",
        encode(br#"{"kid":"k","alg":"RS256"}"#),
        encode(claims().to_string().as_bytes())
    );
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )?;
    let token = format!("{signed}.{}", encode(&signature));
    let configuration = AuthenticationConfiguration::from_value(&json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {"url": "https://issuer.example/pool", "audiences": ["client"]},
            "claimMappings": {
                "username": {"claim": "email", "prefix": ""},
                "groups": {"claim": "cognito:groups", "prefix": "oidc:"},
            },
        }],
    }))?;
    let authenticator = Authenticator::new(&configuration.jwt[0], None)?;
    let now = jiff::Timestamp::from_second(1_000)?;

    let der = key.public_key().as_der()?;
    let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_ref())?;
    let check = || {
        let checked = parsed.verify_sig(black_box(signed.as_bytes()), black_box(&signature));
        assert!(checked.is_ok());
    };
    let verify = || {
        let outcome = authenticator.authenticate(black_box(&token), KeyState::Cached(&keys), now);
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    };
    // By turns, so that what else the machine does meets both.
    let (mut checks, mut verifications) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        checks.push(microseconds(check));
        verifications.push(microseconds(verify));
    }
    let median = |all: &mut Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[ROUNDS / 2]
    };
    let (check, verify) = (median(&mut checks), median(&mut verifications));
    println!(
        "a token of {} bytes: {verify:.1} µs, its signature alone {check:.1} µs: {:.1} µs more (goal: at most 8 µs)",
        token.len(),
        verify - check
    );
    Ok(())
}

/// As Cognito's, filled up to a token of a kilobyte.
fn claims() -> serde_json::Value {
    json!({
        "sub": "6fb66201-2d5c-7029-1628-37aabd0e072f", "email_verified": true,
        "cognito:groups": ["admins", "developers"], "iss": "https://issuer.example/pool",
        "cognito:username": "6fb66201-2d5c-7029-1628-37aabd0e072f", "aud": "client",
        "origin_jti": "0b0b2a3e-5d5c-4029-8628-37aabd0e072f", "token_use": "id",
        "event_id": "1b0b2a3e-5d5c-4029-8628-37aabd0e072f", "auth_time": 900, "exp": 4500,
        "iat": 900, "jti": "2b0b2a3e-5d5c-4029-8628-37aabd0e072f", "email": "ada@example.com",
    })
}

fn microseconds(work: impl Fn()) -> f64 {
    let began = Instant::now();
    let mut times = 0;
    while began.elapsed() < A_ROUND {
        for _ in 0..100 {
            work();
        }
        times += 100;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}
