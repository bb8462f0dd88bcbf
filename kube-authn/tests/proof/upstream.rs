//! `TestToken` of Kubernetes' `oidc_test.go`, the cases without CEL and without
//! claims to fetch, as data in `corpus/upstream-test-token.jsonl`. The tokens
//! are signed here, as they are there.

#[cfg(test)]
mod tests {
    use kube_authn::config::JwtAuthenticator;
    use kube_authn::{Authenticator, CREDENTIAL_ID_KEY, KeySet, KeyState, Outcome, User};
    use serde_json::{Value, json};

    use crate::proof::corpus;
    use crate::proof::signing::Key;
    use crate::proof::token::{Draft, text};

    /// The clock of the upstream test: 2009-11-10T23:00:00Z.
    const NOW: i64 = 1_257_894_000;

    #[test]
    fn kubernetes_own_cases_hold() {
        let keys = Keys {
            rsa: Key::rsa(2048),
            other: Key::rsa(2048),
            p521: Key::ec("P-521"),
        };
        let file = std::fs::read_to_string(corpus::path("upstream-test-token.jsonl")).unwrap();
        assert!(file.lines().count() >= 40, "the cases are there");
        for line in file.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let expected = match (&case["user"], &case["error"]) {
                (Value::Object(_), _) => Ok(Some(user(&case["user"]))),
                (_, Value::String(error)) => Err(error.clone()),
                _ => Ok(None),
            };
            assert_eq!(judge(&case, &keys), expected, "{}", case["name"]);
        }
    }

    struct Keys {
        rsa: Key,
        other: Key,
        p521: Key,
    }

    fn judge(case: &Value, keys: &Keys) -> Result<Option<User>, String> {
        let jwt = JwtAuthenticator::from_json(&configuration(case).to_string())
            .map_err(|e| e.to_string())?;
        let allowed: Option<Vec<String>> = case["allowed"].as_array().map(|list| {
            list.iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect()
        });
        let authenticator =
            Authenticator::new(&jwt, allowed.as_deref()).map_err(|e| e.to_string())?;
        let algorithm = case["algorithm"].as_str().unwrap_or("RS256");
        let signer = if algorithm == "ES512" {
            &keys.p521
        } else {
            &keys.rsa
        };
        let served = if case["served"] == "other" {
            &keys.other
        } else {
            signer
        };
        let set = KeySet::parse(json!({"keys": [served.jwk()]}).to_string().as_bytes()).unwrap();
        let mut draft = Draft::new(algorithm, None)
            .claim("iss", &text("https://auth.example.com"))
            .claim("aud", &text("my-client"))
            .claim(
                "exp",
                &(NOW + case["exp"].as_i64().unwrap_or(3600)).to_string(),
            );
        for (claim, value) in case["claims"].as_object().unwrap() {
            draft.set(claim, &value.to_string());
        }
        let now = jiff::Timestamp::from_second(NOW).unwrap();
        match authenticator.authenticate(&draft.token(signer), KeyState::Fetched(&set), now) {
            Outcome::Accepted(user) => Ok(Some(user)),
            Outcome::NotMine => Ok(None),
            Outcome::Rejected(error) => Err(error.to_string()),
            Outcome::NeedsKeys => unreachable!("the keys are final"),
        }
    }

    fn configuration(case: &Value) -> Value {
        let audiences = if case["audiences"].is_array() {
            case["audiences"].clone()
        } else {
            json!(["my-client"])
        };
        let mut jwt = json!({
            "issuer": {
                "url": case["issuer"].as_str().unwrap_or("https://auth.example.com"),
                "audiences": audiences,
                "audienceMatchPolicy": "MatchAny",
            },
            "claimMappings": {"username": case["username"]},
        });
        for (field, target) in [("groups", "groups"), ("required", "")] {
            match (field, case.get(field)) {
                ("groups", Some(value)) => jwt["claimMappings"][target] = value.clone(),
                (_, Some(value)) => jwt["claimValidationRules"] = value.clone(),
                _ => {}
            }
        }
        if let Some(claim) = case.get("uid") {
            jwt["claimMappings"]["uid"] = json!({ "claim": claim });
        }
        if let Some(egress) = case.get("egress") {
            jwt["issuer"]["egressSelectorType"] = egress.clone();
        }
        jwt
    }

    fn user(value: &Value) -> User {
        let strings = |value: &Value| -> Vec<String> {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect()
        };
        let mut user = User {
            username: value["username"].as_str().unwrap().to_owned(),
            uid: value["uid"].as_str().unwrap_or_default().to_owned(),
            groups: strings(&value["groups"]),
            ..User::default()
        };
        if let Some(id) = value["extra"].get(CREDENTIAL_ID_KEY) {
            user.extra.insert(CREDENTIAL_ID_KEY.to_owned(), strings(id));
        }
        user
    }
}
