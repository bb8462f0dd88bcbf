//! Any text as an AuthenticationConfiguration, JSON or YAML: it is one or it is
//! refused, and what is valid makes authenticators.
#![no_main]

use kube_authn::config::AuthenticationConfiguration;
use kube_authn::{Authenticator, Version};
use libfuzzer_sys::fuzz_target;

// By itself: the API server's crate is a minute more to compile.
#[path = "../../../mock-apiserver/src/wire/yaml/mod.rs"]
#[allow(dead_code, reason = "the API server uses the rest")]
mod yaml;

fuzz_target!(|text: &str| {
    let version = Version::default();
    let configuration = if text.trim_start().starts_with('{') {
        AuthenticationConfiguration::from_json_of(text, version)
    } else {
        let Ok(document) = yaml::read(text) else {
            return;
        };
        let (json, strict) = (document.value.to_string(), document.strict_error());
        AuthenticationConfiguration::from_converted(&json, text, strict, version)
    };
    let Ok(configuration) = configuration else {
        return;
    };
    if configuration.validate(&[]).is_empty() {
        for jwt in &configuration.jwt {
            // CEL is valid and refused here.
            let _ = Authenticator::new(jwt, None);
        }
    }
});
