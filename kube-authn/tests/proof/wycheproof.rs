//! Project Wycheproof's vectors, read from where `ROLECALL_VECTORS` says. They
//! are not part of the repository; where they are absent the tests say so.

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use kube_authn::KeySet;
    use serde_json::{Value, json};

    /// Vectors that Wycheproof wants refused and go-jose, and so Kubernetes,
    /// accepts; all 427 vectors were put to go-jose v2.6.3, with this result.
    const ACCEPTED_BY_KUBERNETES: [(&str, &[u64], &str); 10] = [
        ("rs256", &[6], "a key's use is not consulted"),
        ("jws_rsa_roca_key", &[7], "weak primes are not looked for"),
        ("keysize_too_small", &[8], "1,024 bits are enough"),
        ("wrong_algorithm", &[19], "a key's alg is not consulted"),
        ("invalid_algorithm", &[20], "a key's alg is not consulted"),
        ("invalid_use", &[21], "a key's use is not consulted"),
        (
            "ps256",
            &[281, 282, 283, 284, 285, 286],
            "PSS takes a salt of any length",
        ),
        (
            "ps512",
            &[332, 334, 336, 338, 340],
            "a key's alg is not consulted",
        ),
        (
            "rsa_encryption",
            &[353, 355],
            "a key's use and key_ops are not consulted",
        ),
        (
            "ec_key_for_encryption",
            &[354, 356],
            "a key's use and key_ops are not consulted",
        ),
    ];

    #[test]
    fn signatures_are_judged_as_wycheproof_says() {
        let Some(groups) = vectors("json_web_signature_test.json") else {
            return;
        };
        let judged = judge(&groups);
        assert_eq!((judged.accepted, judged.refused), (51, 350), "{judged:?}");
    }

    #[test]
    fn key_sets_are_judged_as_wycheproof_says() {
        let Some(groups) = vectors("json_web_key_test.json") else {
            return;
        };
        let judged = judge(&groups);
        assert_eq!(judged.accepted + judged.refused, 26, "{judged:?}");
    }

    #[derive(Debug, Default)]
    struct Judged {
        accepted: usize,
        refused: usize,
    }

    fn judge(groups: &[Value]) -> Judged {
        let mut judged = Judged::default();
        for group in groups {
            let key = [&group["public"], &group["private"]]
                .into_iter()
                .find(|key| key.is_object())
                .unwrap();
            let set = if key.get("keys").is_some() {
                key.clone()
            } else {
                json!({ "keys": [key] })
            };
            let set = KeySet::parse(set.to_string().as_bytes());
            let comment = group["comment"].as_str().unwrap();
            for test in group["tests"].as_array().unwrap() {
                let (id, jws) = (
                    test["tcId"].as_u64().unwrap(),
                    test["jws"].as_str().unwrap(),
                );
                let accepted = set
                    .as_ref()
                    .is_ok_and(|set| set.verify_signature(jws).is_ok());
                let excused = ACCEPTED_BY_KUBERNETES
                    .iter()
                    .any(|(group, ids, _)| *group == comment && ids.contains(&id));
                if test["result"] == "invalid" {
                    assert!(!accepted || excused, "{comment} {id} is to be refused");
                } else {
                    assert_eq!(
                        accepted,
                        has_one_of_nine_algorithms(jws),
                        "{comment} {id} is valid"
                    );
                }
                if accepted {
                    judged.accepted += 1;
                } else {
                    judged.refused += 1;
                }
            }
        }
        judged
    }

    /// HMAC is no algorithm for an issuer's tokens: their headers hold `"HS`,
    /// which base64 spells in one of three ways.
    fn has_one_of_nine_algorithms(jws: &str) -> bool {
        let header = jws.split('.').next().unwrap();
        !["IkhT", "JIU", "iSF"]
            .iter()
            .any(|spelling| header.contains(spelling))
    }

    /// The vectors live outside the repository, so their absence is no fault;
    /// it is said, and noted where CI keeps its ledger of skips.
    fn skipped(name: &str, path: &std::path::Path) {
        use std::io::Write as _;
        let reason = "ROLECALL_VECTORS names no folder that holds them";
        println!("skipped: no {}: {reason}", path.display());
        if let Some(ledger) = std::env::var_os("ROLECALL_LEDGER") {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(ledger);
            file.and_then(|mut file| writeln!(file, "wycheproof {name}: {reason}"))
                .unwrap();
        }
    }

    fn vectors(name: &str) -> Option<Vec<Value>> {
        let folder = std::env::var_os("ROLECALL_VECTORS").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
            PathBuf::from,
        );
        let path = folder.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else {
            skipped(name, &path);
            return None;
        };
        let document: Value = serde_json::from_str(&text).unwrap();
        Some(document["testGroups"].as_array().unwrap().clone())
    }
}
