//! The issuer's keys.

use kube_authn::KeySet;
use serde_json::Value;

use super::finding::{Finding, excerpt};
use super::web::Answer;

/// What is known of the keys.
#[derive(Debug)]
pub enum Keys {
    /// Discovery did not lead to any.
    Unknown,
    /// They were asked for, and this came of it.
    Failed(String),
    /// They are here.
    Had {
        /// For verification.
        set: KeySet,
        /// Their names.
        kids: Vec<String>,
    },
}

/// Reads the answer from the `jwks_uri` as the API server does.
pub fn read(answer: &Answer, url: &str) -> (Finding, Keys) {
    const CHECK: &str = "keys";
    let set =
        kube_authn::jwks_response(&answer.status, answer.content_type.as_deref(), &answer.body);
    let set = match set {
        Ok(set) => set,
        Err(error) => {
            let text = error.to_string();
            let finding = Finding::problem(
                CHECK,
                format!("the keys at {url} cannot be used: {}", excerpt(&text)),
                "see with curl what answers there: it has to be a JSON Web Key Set",
            );
            return (finding, Keys::Failed(text));
        }
    };
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let all = document["keys"].as_array().cloned().unwrap_or_default();
    let usable: Vec<&Value> = all.iter().filter(|key| is_rs256(key)).collect();
    let names: Vec<&str> = usable
        .iter()
        .filter_map(|key| key["kid"].as_str())
        .collect();
    let kids = all
        .iter()
        .filter_map(|key| key["kid"].as_str().map(str::to_owned))
        .collect();
    let finding = if usable.is_empty() {
        Finding::problem(
            CHECK,
            format!("none of the {} keys at {url} is for RS256", all.len()),
            "have the issuer sign with RS256, or name its algorithm with --oidc-signing-algs (EKS has no word for it)",
        )
    } else {
        Finding::ok(
            CHECK,
            format!(
                "{} keys for RS256: {}",
                usable.len(),
                excerpt(&names.join(", "))
            ),
        )
    };
    (finding, Keys::Had { set, kids })
}

fn is_rs256(key: &Value) -> bool {
    let is = |name: &str, value: &str| key[name].is_null() || key[name] == value;
    key["kty"] == "RSA" && key["n"].is_string() && is("alg", "RS256") && is("use", "sig")
}
