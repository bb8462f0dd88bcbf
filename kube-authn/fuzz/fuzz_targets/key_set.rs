//! Any bytes as a JSON Web Key Set, and a token that is verified with what is
//! in it: whatever keys there are, nobody's signature is theirs.
#![no_main]

use kube_authn::config::AuthenticationConfiguration;
use kube_authn::{Authenticator, KeySet, KeyState, Outcome};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let configuration = AuthenticationConfiguration::from_json(CONFIGURATION).expect("one");
    Authenticator::new(&configuration.jwt[0], None).expect("an authenticator")
});

const CONFIGURATION: &str = r#"{
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthenticationConfiguration",
    "jwt": [{
        "issuer": {"url": "https://issuer.example", "audiences": ["kubernetes"]},
        "claimMappings": {"username": {"claim": "sub", "prefix": ""}}
    }]
}"#;

/// Of issuer https://issuer.example for audience kubernetes, with a junk
/// signature.
const TOKENS: [&str; 2] = [
    concat!(
        "eyJhbGciOiJSUzI1NiJ9.",
        "eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoia3ViZXJuZXRlcyJ9.",
        "AAAA"
    ),
    concat!(
        "eyJhbGciOiJFUzI1NiJ9.",
        "eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoia3ViZXJuZXRlcyJ9.",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    ),
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(keys) = KeySet::parse(bytes) else {
        return;
    };
    for token in TOKENS {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let outcome = AUTHENTICATOR.authenticate(token, KeyState::Fetched(&keys), now);
        assert!(!matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
});
