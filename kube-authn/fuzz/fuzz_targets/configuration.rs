//! Any text as an AuthenticationConfiguration: it is one or it is refused, and
//! what is valid makes authenticators.
#![no_main]

use kube_authn::Authenticator;
use kube_authn::config::AuthenticationConfiguration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(configuration) = AuthenticationConfiguration::from_json(text) else {
        return;
    };
    if configuration.validate(&[]).is_empty() {
        for jwt in &configuration.jwt {
            // CEL is valid and refused here.
            let _ = Authenticator::new(jwt, None);
        }
    }
});
