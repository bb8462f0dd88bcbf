//! Hand-made tokens for the traps in which a port of this code would fall, each
//! with Kubernetes' own verdict as data in `corpus/hand-made.jsonl`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::case::Case;
use super::signing::{Key, Oddity, Padding, base64};
use super::token::{Draft, text};

const NOW: &str = "2026-11-23T22:00:00Z";
const NOW_SECONDS: i64 = 1_795_471_200;

/// The tokens, under the names of what they settle.
pub fn cases() -> Vec<(&'static str, Case)> {
    let maker = Maker {
        first: Key::rsa(2048),
        second: Key::rsa(2048),
        p256: Key::ec("P-256"),
    };
    let mut cases = Vec::new();
    maker.typed_claims(&mut cases);
    maker.keys_of_objects(&mut cases);
    maker.dates(&mut cases);
    maker.base64(&mut cases);
    maker.key_choice(&mut cases);
    maker.paddings(&mut cases);
    maker.certificates(&mut cases);
    maker.headers(&mut cases);
    maker.mapping(&mut cases);
    maker.faults_in_order(&mut cases);
    maker.fetched(&mut cases);
    maker.several_issuers(&mut cases);
    cases
}

/// What is odd about a signature, with its name by a key of 2,048 and of 1,024 bits.
#[rustfmt::skip]
const PADDINGS: [(&str, &str, Oddity); 14] = {
    use Padding as P;
    const fn padding(padding: P) -> Oddity {
        Oddity::Padding(padding)
    }
    [
        ("a_block_as_it_should_be", "a_short_block_as_it_should_be", Oddity::None),
        ("a_block_without_null", "a_short_block_without_null", padding(P::NoNull)),
        ("a_block_with_a_length_in_its_long_form", "a_short_block_with_a_length_in_its_long_form", padding(P::LongLength)),
        ("a_block_of_no_length", "a_short_block_of_no_length", padding(P::NoLength)),
        ("a_block_of_the_digest_alone", "a_short_block_of_the_digest_alone", padding(P::Bare)),
        ("a_block_called_sha_1", "a_short_block_called_sha_1", padding(P::CalledSha1)),
        ("a_block_by_sha_1", "a_short_block_by_sha_1", Oddity::Sha1),
        ("a_block_of_type_0", "a_short_block_of_type_0", padding(P::Type(0))),
        ("a_block_of_type_2", "a_short_block_of_type_2", padding(P::Type(2))),
        ("a_block_padded_with_another_byte", "a_short_block_padded_with_another_byte", padding(P::Fill)),
        ("a_block_whose_first_byte_is_no_zero", "a_short_block_whose_first_byte_is_no_zero", padding(P::Bit(0))),
        ("a_block_with_one_bit_of_padding_wrong", "a_short_block_with_one_bit_of_padding_wrong", padding(P::Bit(20))),
        ("a_block_of_little_padding_and_garbage", "a_short_block_of_little_padding_and_garbage", padding(P::Garbage(8))),
        ("a_block_of_no_padding_and_garbage", "a_short_block_of_no_padding_and_garbage", padding(P::Garbage(0))),
    ]
};

struct Maker {
    first: Key,
    second: Key,
    p256: Key,
}

type Cases = Vec<(&'static str, Case)>;

impl Maker {
    fn draft(&self) -> Draft {
        Draft::new("RS256", Some("first"))
            .claim("iss", &text("https://issuer.example"))
            .claim("aud", &text("kubernetes"))
            .claim("sub", &text("jane"))
            .claim("exp", &(NOW_SECONDS + 3600).to_string())
    }

    fn with(&self, change: impl FnOnce(&mut Draft)) -> String {
        let mut draft = self.draft();
        change(&mut draft);
        draft.token(&self.first)
    }

    fn keys(&self) -> Value {
        json!({"keys": [named(&self.first, "first"), named(&self.second, "second"), named(&self.p256, "p256")]})
    }

    fn case(&self, token: String) -> Case {
        self.case_with(token, json!({}))
    }

    /// `more` is merged into the claim mappings' level of the configuration.
    fn case_with(&self, token: String, more: Value) -> Case {
        let mut jwt = json!({
            "issuer": {"url": "https://issuer.example", "audiences": ["kubernetes"]},
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "oidc:"},
                "groups": {"claim": "groups", "prefix": "oidc:"},
            },
        });
        for (key, value) in more.as_object().expect("an object") {
            jwt[key] = value.clone();
        }
        Case {
            now: NOW.into(),
            token,
            keys: self.keys().to_string(),
            configuration: json!({"jwt": jwt}),
            http: Value::Null,
        }
    }

    /// Another issuer is trusted as well, with the second key, and is tried first.
    fn several_issuers(&self, cases: &mut Cases) {
        let others = json!([{
            "jwt": {
                "issuer": {"url": "https://other.example", "audiences": ["others"]},
                "claimMappings": {"username": {"claim": "name", "prefix": "other:"}},
            },
            "keys": {"keys": [named(&self.second, "second")]},
        }]);
        let mut add = |name, token: String, others: &Value| {
            let mut case = self.case(token);
            case.configuration["others"] = others.clone();
            cases.push((name, case));
        };
        let theirs = || {
            let mut draft = self.draft().claim("name", &text("john"));
            draft.set("iss", &text("https://other.example"));
            draft.set("aud", &text("others"));
            draft.head("kid", &text("second"));
            draft
        };
        let own = || self.with(|_| {});
        add("of_two_issuers_the_second_knows_its_token", own(), &others);
        add(
            "of_two_issuers_each_has_its_own_mapping",
            theirs().token(&self.second),
            &others,
        );
        add(
            "an_issuers_key_signs_for_no_other_issuer",
            theirs().token(&self.first),
            &others,
        );
        let mut confused = theirs();
        confused.set("aud", &text("kubernetes"));
        add(
            "an_audience_of_one_issuer_is_none_of_the_other",
            confused.token(&self.second),
            &others,
        );
        let mut foreign = theirs();
        foreign.set("iss", &text("https://third.example"));
        add(
            "a_third_issuer_is_neither",
            foreign.token(&self.second),
            &others,
        );
        let mut twice = others.clone();
        twice[0]["jwt"]["issuer"]["url"] = "https://issuer.example".into();
        add("an_issuer_is_configured_twice", own(), &twice);
        // All are the server's own entries: what is wrong with one is with all.
        let mut unsound = others;
        unsound[0]["jwt"]["issuer"]["url"] = "http://other.example".into();
        add("another_issuer_without_tls", own(), &unsound);
    }

    fn typed_claims(&self, cases: &mut Cases) {
        let mut add = |name, key: &str, value: &str| {
            cases.push((name, self.case(self.with(|d| d.set(key, value)))));
        };
        add("sub_of_a_number_is_refused_before_it_is_wanted", "sub", "7");
        add("nonce_of_a_number_is_refused", "nonce", "7");
        add("iat_in_a_string_is_a_number", "iat", "\"1700000000\"");
        add("iat_that_is_no_number_is_refused", "iat", "\"yesterday\"");
        add("aud_of_null_is_the_empty_audience", "aud", "null");
        add("aud_of_an_empty_list_prints_empty", "aud", "[]");
        add(
            "aud_with_a_number_among_strings_is_refused",
            "aud",
            "[\"kubernetes\",7]",
        );
        add(
            "claim_names_that_are_no_object_are_refused",
            "_claim_names",
            "[]",
        );
        add(
            "a_claim_name_with_an_empty_source_is_refused",
            "_claim_names",
            r#"{"groups":""}"#,
        );
        add(
            "a_claim_name_without_its_source_is_refused",
            "_claim_names",
            r#"{"other":"src"}"#,
        );
        let two = self.with(|d| {
            d.set("sub", "7");
            d.set("exp", "null");
        });
        cases.push((
            "a_date_that_fails_wins_over_a_mismatch_before_it",
            self.case(two),
        ));
    }

    fn keys_of_objects(&self, cases: &mut Cases) {
        let with = |extra: &[(&str, &str)]| {
            let extra: Vec<_> = extra
                .iter()
                .map(|(k, v)| (text(k), (*v).to_owned()))
                .collect();
            self.case(self.with(|d| d.claims.extend(extra)))
        };
        cases.push(("the_last_of_two_exp_counts", with(&[("exp", "1")])));
        cases.push(("exp_in_capitals_counts_too", with(&[("EXP", "1")])));
        cases.push((
            "the_last_of_two_iss_counts",
            with(&[("iss", "\"https://other.example\"")]),
        ));
        cases.push((
            "iss_with_a_long_s_counts",
            with(&[("i\u{17f}\u{17f}", "\"https://other.example\"")]),
        ));
        cases.push((
            "the_last_of_two_sub_is_the_user",
            with(&[("sub", "\"joan\"")]),
        ));
        cases.push((
            "sub_in_capitals_is_not_the_user",
            with(&[("SUB", "\"joan\"")]),
        ));
        cases.push((
            "groups_in_capitals_are_no_groups",
            with(&[("Groups", "[\"admins\"]")]),
        ));
    }

    fn dates(&self, cases: &mut Cases) {
        let mut add = |name, key: &str, value: String| {
            cases.push((name, self.case(self.with(|d| d.set(key, &value)))));
        };
        add(
            "a_token_lives_through_the_instant_of_exp",
            "exp",
            NOW_SECONDS.to_string(),
        );
        add(
            "a_token_is_dead_a_second_after_exp",
            "exp",
            (NOW_SECONDS - 1).to_string(),
        );
        add(
            "exp_with_a_fraction_is_cut_off",
            "exp",
            format!("{NOW_SECONDS}.9"),
        );
        add(
            "exp_in_a_string_is_a_number",
            "exp",
            format!("\"{NOW_SECONDS}\""),
        );
        add(
            "exp_beyond_64_bits_is_long_past",
            "exp",
            "9223372036854775808".into(),
        );
        add(
            "the_largest_exp_wraps_into_the_past",
            "exp",
            "9223372036854775807".into(),
        );
        add("exp_beyond_a_double_is_refused", "exp", "1e400".into());
        add("exp_of_null_is_refused", "exp", "null".into());
        add("nbf_of_null_is_absent", "nbf", "null".into());
        add(
            "nbf_has_a_minute_of_leeway",
            "nbf",
            (NOW_SECONDS + 60).to_string(),
        );
        add(
            "nbf_has_no_more_than_a_minute",
            "nbf",
            (NOW_SECONDS + 61).to_string(),
        );
        let without = self.with(|d| d.remove("exp"));
        cases.push((
            "a_token_without_exp_expired_in_year_one",
            self.case(without),
        ));
    }

    fn base64(&self, cases: &mut Cases) {
        // A payload whose last character has bits to spare.
        let token = self.with(|d| {
            while d.payload_bytes().len() % 3 != 1 {
                d.claims[2].1.insert(1, 'x');
            }
        });
        let parts: Vec<&str> = token.split('.').collect();
        let join = |payload: &str, signature: &str| format!("{}.{payload}.{signature}", parts[0]);
        let spare = |part: &str| {
            let last = part.chars().last().expect("a part has characters");
            let other = if last == 'Q' {
                'R'
            } else {
                char::from_u32(last as u32 + 1).expect("ASCII")
            };
            format!("{}{other}", &part[..part.len() - 1])
        };
        cases.push((
            "spare_bits_of_the_payload_do_not_matter",
            self.case(join(&spare(parts[1]), parts[2])),
        ));
        cases.push((
            "padding_of_the_payload_is_refused",
            self.case(join(&format!("{}==", parts[1]), parts[2])),
        ));
        cases.push((
            "padding_of_the_signature_is_refused",
            self.case(join(parts[1], &format!("{}=", parts[2]))),
        ));
        let broken = format!("{}\r\n{}", &parts[1][..8], &parts[1][8..]);
        cases.push((
            "a_line_break_in_the_payload_does_not_matter",
            self.case(join(&broken, parts[2])),
        ));
        let spaced = format!(
            " {}",
            join(parts[1], &format!("{} {}", &parts[2][..4], &parts[2][4..]))
        );
        cases.push((
            "a_space_in_the_signature_does_not_matter",
            self.case(spaced),
        ));
        let spaced = join(&format!("{} {}", &parts[1][..8], &parts[1][8..]), parts[2]);
        cases.push((
            "a_space_in_the_payload_makes_it_somebody_elses",
            self.case(spaced),
        ));
    }

    fn key_choice(&self, cases: &mut Cases) {
        let kid = |kid: Option<&str>, key: &Key| {
            let mut draft = self.draft();
            match kid {
                Some(kid) => draft.head("kid", &text(kid)),
                None => draft.header.truncate(1),
            }
            draft.token(key)
        };
        cases.push((
            "another_keys_kid_is_refused",
            self.case(kid(Some("first"), &self.second)),
        ));
        cases.push((
            "an_unknown_kid_is_refused",
            self.case(kid(Some("third"), &self.first)),
        ));
        cases.push((
            "without_a_kid_every_key_is_tried",
            self.case(kid(None, &self.second)),
        ));
        cases.push((
            "with_an_empty_kid_every_key_is_tried",
            self.case(kid(Some(""), &self.second)),
        ));
        let mut twice = self.case(kid(Some("first"), &self.first));
        twice.keys = json!({"keys": [named(&self.second, "first"), named(&self.first, "first")]})
            .to_string();
        cases.push(("of_two_keys_with_one_kid_both_are_tried", twice));
        let mut case = self.case(kid(Some("first"), &self.first));
        let mut jwk = named(&self.first, "first");
        jwk["alg"] = "ES256".into();
        jwk["use"] = "enc".into();
        case.keys = json!({"keys": [jwk]}).to_string();
        cases.push(("alg_and_use_of_a_key_do_not_matter", case));
        let mut spoilt = self.case(kid(Some("first"), &self.first));
        spoilt.keys = json!({"keys": [named(&self.first, "first"), {"kty": "AKP", "kid": "new"}]})
            .to_string();
        cases.push(("one_key_of_an_unknown_type_spoils_the_set", spoilt));
        let mut private = self.case(kid(Some("first"), &self.first));
        private.keys = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}]}"#.to_owned();
        cases.push((
            "a_private_key_without_primes_names_the_first_part_missing",
            private,
        ));
        let mut draft = self.draft();
        draft.head("alg", "\"ES512\"");
        draft.head("kid", "\"p256\"");
        draft.algorithm = "ES512".into();
        cases.push((
            "a_p256_key_may_sign_with_es512",
            self.case(draft.token(&self.p256)),
        ));
        let mut draft = self.draft();
        draft.head("alg", "\"PS256\"");
        draft.algorithm = "PS256".into();
        draft.oddity = Oddity::Salt(7);
        cases.push((
            "pss_takes_a_salt_of_any_length",
            self.case(draft.token(&self.first)),
        ));
    }

    /// Blocks of PKCS#1 v1.5 that are not quite right, by a key that is checked by
    /// aws-lc-rs here, and by one that is too short for it.
    fn paddings(&self, cases: &mut Cases) {
        let short = Key::rsa(1024);
        let mut add = |name, key: &Key, oddity| {
            let mut draft = self.draft();
            draft.oddity = oddity;
            let mut case = self.case(draft.token(key));
            case.keys = json!({"keys": [named(key, "first")]}).to_string();
            cases.push((name, case));
        };
        for (name, name_of_short, oddity) in PADDINGS {
            add(name, &self.first, oddity);
            add(name_of_short, &short, oddity);
        }
    }

    /// Issuers such as Microsoft's and Keycloak publish certificates with keys.
    fn certificates(&self, cases: &mut Cases) {
        let mut add = |name, certified: Value| {
            let mut case = self.case(self.with(|_| {}));
            case.keys = json!({"keys": [certified, named(&self.first, "first")]}).to_string();
            cases.push((name, case));
        };
        let (ec, rsa) = (certified(&Key::ec("P-256")), certified(&Key::rsa(2048)));
        add("an_ec_key_with_its_certificate_is_taken", ec.clone());
        add("an_rsa_key_with_its_certificate_is_taken", rsa.clone());
        let mut wrong = certified(&Key::ec("P-256"));
        wrong["x5c"] = ec["x5c"].clone();
        add("another_keys_certificate_spoils_the_set", wrong);
        let mut wrong = ec.clone();
        wrong["x5c"] = rsa["x5c"].clone();
        add("a_certificate_of_another_kind_spoils_the_set", wrong);
        let mut wrong = ec.clone();
        wrong["x5t#S256"] = rsa["x5t#S256"].clone();
        add("another_certificates_thumbprint_spoils_the_set", wrong);
        let mut wrong = ec.clone();
        wrong["x5t"] = base64(&[7; 20]).into();
        add(
            "another_certificates_sha_1_thumbprint_spoils_the_set",
            wrong,
        );
        let mut hexadecimal = ec.clone();
        hexadecimal["x5t#S256"] = base64("g".repeat(64).as_bytes()).into();
        add(
            "a_thumbprint_that_is_no_hexadecimal_spoils_the_set",
            hexadecimal,
        );
        let mut symmetric = ec;
        symmetric["kty"] = "oct".into();
        symmetric["k"] = "AA".into();
        add(
            "a_symmetric_key_with_a_certificate_spoils_the_set",
            symmetric,
        );
    }

    fn headers(&self, cases: &mut Cases) {
        let mut add = |name, header: &str| {
            let token = self.with(|d| d.raw_header = Some(header.as_bytes().to_vec()));
            cases.push((name, self.case(token)));
        };
        add(
            "alg_twice_in_the_header_is_refused",
            r#"{"alg":"RS256","alg":"RS256","kid":"first"}"#,
        );
        add(
            "alg_in_capitals_is_no_alg",
            r#"{"ALG":"RS256","kid":"first"}"#,
        );
        add("alg_none_is_refused", r#"{"alg":"none"}"#);
        add(
            "an_unknown_critical_header_is_refused",
            r#"{"alg":"RS256","kid":"first","crit":["exp"],"exp":1}"#,
        );
        add("a_header_of_null_has_no_alg", "null");
        add(
            "a_key_twice_deep_in_the_header_is_refused",
            r#"{"alg":"RS256","kid":"first","x":[{"a":1,"a":2}]}"#,
        );
        let token = self.with(|d| {
            d.head("crit", r#"["b64"]"#);
            d.head("b64", "false");
            d.unencoded = true;
        });
        cases.push(("an_unencoded_payload_verifies", self.case(token)));
        let token = format!(
            "{}.{}.",
            base64(b"{}"),
            base64(&self.draft().payload_bytes())
        );
        cases.push(("an_empty_header_has_no_alg", self.case(token)));
    }

    fn mapping(&self, cases: &mut Cases) {
        let mapping = |username: &str, groups: &str| {
            json!({"claimMappings": {
                "username": {"claim": username, "prefix": ""},
                "groups": {"claim": groups, "prefix": "g:"},
            }})
        };
        let mut add = |name, mapping: &Value, claims: &[(&str, &str)]| {
            let token = self.with(|d| claims.iter().for_each(|(k, v)| d.set(k, v)));
            cases.push((name, self.case_with(token, mapping.clone())));
        };
        let email = mapping("email", "cognito:groups");
        let address = ("email", "\"jane@example.com\"");
        add(
            "an_email_without_email_verified_is_taken",
            &email,
            &[address],
        );
        add(
            "an_email_with_email_verified_false_is_refused",
            &email,
            &[address, ("email_verified", "false")],
        );
        add(
            "email_verified_in_a_string_is_refused",
            &email,
            &[address, ("email_verified", "\"true\"")],
        );
        add(
            "email_verified_of_null_is_false",
            &email,
            &[address, ("email_verified", "null")],
        );
        add("a_null_username_is_empty", &email, &[("email", "null")]);
        add("an_empty_username_is_taken", &email, &[("email", "\"\"")]);
        add(
            "a_jti_is_the_credential_id",
            &email,
            &[address, ("jti", "\"1234\"")],
        );
        add(
            "a_jti_of_a_number_is_no_credential_id",
            &email,
            &[address, ("jti", "1234")],
        );
        add(
            "groups_of_one_string_are_one_group",
            &email,
            &[address, ("cognito:groups", "\"admins\"")],
        );
        add(
            "null_groups_are_none",
            &email,
            &[address, ("cognito:groups", "null")],
        );
        add(
            "groups_of_lists_are_refused",
            &email,
            &[address, ("cognito:groups", "[[\"a\"]]")],
        );
        add(
            "null_among_groups_is_an_empty_group",
            &email,
            &[address, ("cognito:groups", "[\"a\",null]")],
        );
        add(
            "a_number_as_username_is_refused",
            &mapping("n", "groups"),
            &[("n", "7")],
        );
        let mut with_uid = email.clone();
        with_uid["claimMappings"]["uid"] = json!({"claim": "uid"});
        add(
            "a_uid_claim_is_the_uid",
            &with_uid,
            &[address, ("uid", "\"1234\"")],
        );
        add(
            "claim_names_without_sources_are_refused",
            &mapping("sub", "groups"),
            &[("_claim_names", "{}")],
        );
        let token = self.with(|d| {
            let mut payload = d.payload_bytes();
            payload.truncate(payload.len() - 1);
            payload.extend_from_slice(b",\"name\":\"a\xe2\x82b\\ud83d\"}");
            d.raw_payload = Some(payload);
        });
        cases.push((
            "invalid_utf_8_becomes_replacement_characters",
            self.case_with(token, mapping("name", "x")),
        ));
        let two = json!({"issuer": {
            "url": "https://issuer.example",
            "audiences": ["zebra", "antelope"],
            "audienceMatchPolicy": "MatchAny",
        }});
        let expired = self.with(|d| d.set("exp", "1"));
        cases.push((
            "with_two_audiences_expiry_comes_first",
            self.case_with(expired, two.clone()),
        ));
        cases.push((
            "two_audiences_are_printed_sorted",
            self.case_with(self.with(|_| {}), two),
        ));
        let google =
            json!({"issuer": {"url": "https://accounts.google.com", "audiences": ["kubernetes"]}});
        let token = self.with(|d| d.set("iss", "\"accounts.google.com\""));
        cases.push((
            "google_may_leave_the_scheme_out",
            self.case_with(token, google),
        ));
    }
}

impl Maker {
    /// Of two faults the one that is told depends on the minor: up to 1.35 the
    /// claims come first, but for several audiences.
    fn faults_in_order(&self, cases: &mut Cases) {
        let badly_signed = |change: &dyn Fn(&mut Draft)| {
            let mut draft = self.draft();
            change(&mut draft);
            self.case(draft.token(&self.second))
        };
        cases.push((
            "expired_and_badly_signed",
            badly_signed(&|draft| draft.set("exp", "1")),
        ));
        cases.push((
            "for_another_audience_and_badly_signed",
            badly_signed(&|draft| draft.set("aud", "\"other\"")),
        ));
        cases.push((
            "not_yet_valid_and_badly_signed",
            badly_signed(&|draft| draft.set("nbf", "99999999999")),
        ));
        cases.push((
            "with_a_number_as_sub_and_badly_signed",
            badly_signed(&|draft| draft.set("sub", "7")),
        ));
        cases.push((
            "without_the_source_of_a_claim_and_by_no_algorithm",
            badly_signed(&|draft| {
                draft.set("_claim_names", r#"{"groups":"src"}"#);
                draft.head("alg", "\"none\"");
            }),
        ));
        let several = json!({"issuer": {
            "url": "https://issuer.example",
            "audiences": ["zebra", "antelope"],
            "audienceMatchPolicy": "MatchAny",
        }});
        cases.push((
            "for_none_of_several_audiences_and_badly_signed",
            self.case_with(self.draft().token(&self.second), several),
        ));
    }

    /// Groups that are to be had elsewhere.
    fn fetched(&self, cases: &mut Cases) {
        const ENDPOINT: &str = "https://claims.example/groups";
        let refers = |draft: &mut Draft| {
            draft.set("_claim_names", r#"{"groups":"src"}"#);
            let source = json!({"src": {"endpoint": ENDPOINT, "access_token": "secret"}});
            draft.set("_claim_sources", &source.to_string());
        };
        let claim = |change: &dyn Fn(&mut Draft)| {
            self.with(|draft| {
                draft.remove("sub");
                draft.set("groups", "[\"admins\"]");
                change(draft);
            })
        };
        let mut add = |name, answer: Value| {
            let mut case = self.case(self.with(refers));
            case.http = json!({ ENDPOINT: answer });
            cases.push((name, case));
        };
        let right = claim(&|_| {});
        add(
            "groups_are_fetched_with_the_access_token",
            json!({"body": right, "authorization": "Bearer secret"}),
        );
        add(
            "an_endpoint_that_wants_another_token_is_told_by_its_status",
            json!({"body": right, "authorization": "Bearer other"}),
        );
        add(
            "a_status_of_success_other_than_200_is_one",
            json!({"body": right, "status": 226}),
        );
        add(
            "a_page_in_the_place_of_a_claim_is_no_token",
            json!({"body": "<html></html>"}),
        );
        add(
            "white_space_around_a_fetched_token_does_not_matter",
            json!({"body": format!("{right}\n")}),
        );
        add(
            "a_fetched_token_is_held_against_the_same_audience_and_time",
            json!({"body": claim(&|draft| draft.set("exp", "1"))}),
        );
        add(
            "a_fetched_token_has_its_types_as_any",
            json!({"body": claim(&|draft| draft.set("sub", "7"))}),
        );
        add(
            "the_claims_of_a_fetched_token_are_not_fetched_in_turn",
            json!({"body": claim(&|draft| {
                draft.remove("groups");
                refers(draft);
            })}),
        );
        add(
            "a_fetched_token_of_an_issuer_that_is_not_there",
            json!({"body": claim(&|draft| draft.set("iss", "\"https://nobody.example\""))}),
        );
        let both = self.with(|draft| {
            refers(draft);
            draft.set("groups", "[\"here\"]");
        });
        cases.push(("groups_that_are_there_are_not_fetched", self.case(both)));
        let elsewhere = self.with(|draft| {
            refers(draft);
            let source = r#"{"src":{"endpoint":"https://claims.example/%zz"}}"#;
            draft.set("_claim_sources", source);
        });
        cases.push((
            "an_endpoint_that_is_no_url_is_not_called",
            self.case(elsewhere),
        ));
    }
}

fn named(key: &Key, kid: &str) -> Value {
    let mut jwk = key.jwk();
    jwk["kid"] = kid.into();
    jwk
}

/// A key as a JWK with its certificate and thumbprint.
fn certified(key: &Key) -> Value {
    let mut jwk = named(key, "certified");
    let der = key.certificate();
    // In the standard alphabet, with padding (RFC 7517 section 4.7).
    jwk["x5c"] = json!([STANDARD.encode(&der)]);
    let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    jwk["x5t#S256"] = base64(thumbprint.as_ref()).into();
    jwk
}
