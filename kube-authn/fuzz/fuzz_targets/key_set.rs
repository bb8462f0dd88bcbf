//! Any bytes as a JSON Web Key Set, and a token that is verified with what is
//! in it: whatever keys there are, nobody's signature is theirs.
#![no_main]

use kube_authn::KeySet;
use libfuzzer_sys::fuzz_target;

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
        let verified = keys.verify_signature(token);
        assert!(verified.is_err(), "{verified:?}");
    }
});
