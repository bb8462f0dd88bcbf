//! Any text as a token, held against real keys: what is accepted is the one
//! token that was signed, in whatever spelling.
#![no_main]

use kube_authn::config::{AuthenticationConfiguration, JwtAuthenticator};
use kube_authn::{Authenticator, KeySet, KeyState, Outcome, User};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

struct Case {
    authenticator: Authenticator,
    keys: KeySet,
    now: jiff::Timestamp,
    user: User,
}

/// A case of the corpus that is accepted.
static CASE: LazyLock<Case> = LazyLock::new(|| {
    let case: serde_json::Value =
        serde_json::from_str(include_str!("../case.json")).expect("a case");
    let configuration = serde_json::json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [case["configuration"]["jwt"]],
    });
    let configuration =
        AuthenticationConfiguration::from_value(&configuration).expect("a configuration");
    let jwt: &JwtAuthenticator = &configuration.jwt[0];
    let text = |name: &str| case[name].as_str().expect("text").to_owned();
    let authenticator = Authenticator::new(jwt, None).expect("an authenticator");
    let keys = KeySet::parse(text("keys").as_bytes()).expect("keys");
    let now = text("now").parse().expect("a time");
    let Outcome::Accepted(user) =
        authenticator.authenticate(&text("token"), KeyState::Fetched(&keys), now)
    else {
        panic!("the case is to be accepted");
    };
    Case {
        authenticator,
        keys,
        now,
        user,
    }
});

fuzz_target!(|token: &str| {
    let case = &*CASE;
    let states = [KeyState::Fetched(&case.keys), KeyState::NotInitialized];
    for state in states {
        let outcome = case.authenticator.authenticate(token, state, case.now);
        if let Outcome::Accepted(user) = outcome {
            assert_eq!(user, case.user);
        }
        // The explanation walks the same way.
        let _ = case.authenticator.explain(token, state, case.now);
    }
});
