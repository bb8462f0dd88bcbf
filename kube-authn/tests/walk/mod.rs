//! What the corpus cannot show: the states of the keys, the walk told step by
//! step, and that no input whatever brings the walk down.

use jiff::Timestamp;
use kube_authn::config::{AuthenticationConfiguration, JwtAuthenticator};
use kube_authn::{
    Authenticator, ClaimState, DistributedClaim, KeySet, KeyState, Needed, Outcome, StepName,
    Version, jwks_response, parse_discovery,
};
use proptest::prelude::*;
use rstest::rstest;

use crate::proof::signing::{self, Key, Oddity};
use crate::proof::token::{Draft, text};

const ISSUER: &str = "https://issuer.example";

fn jwt() -> JwtAuthenticator {
    JwtAuthenticator::from_json(
        r#"{
            "issuer": {"url": "https://issuer.example", "audiences": ["kubernetes"]},
            "claimMappings": {
                "username": {"claim": "email", "prefix": ""},
                "groups": {"claim": "cognito:groups", "prefix": "oidc:"},
                "uid": {"claim": "sub"}
            },
            "claimValidationRules": [{"claim": "token_use", "requiredValue": "id"}]
        }"#,
    )
    .expect("the configuration is right")
}

fn authenticator() -> Authenticator {
    Authenticator::new(&jwt(), None).expect("the configuration is valid")
}

fn draft() -> Draft {
    Draft::new("ES256", Some("one"))
        .claim("iss", &text(ISSUER))
        .claim("aud", &text("kubernetes"))
        .claim("exp", "1000")
        .claim("sub", &text("8f14e45f"))
        .claim("email", &text("jane@example.com"))
        .claim("cognito:groups", r#"["admins"]"#)
        .claim("token_use", &text("id"))
}

fn key_set(key: &Key, kid: &str) -> KeySet {
    let mut jwk = key.jwk();
    jwk["kid"] = kid.into();
    KeySet::parse(serde_json::json!({"keys": [jwk]}).to_string().as_bytes())
        .expect("the set is right")
}

fn rejection(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected(error) => error.to_string(),
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn before_discovery_a_token_of_the_issuer_is_refused_and_another_is_not_ours() {
    let key = Key::ec("P-256");
    let now = Timestamp::UNIX_EPOCH;
    let outcome = authenticator().authenticate(&draft().token(&key), KeyState::NotInitialized, now);
    assert_eq!(rejection(outcome), "oidc: authenticator not initialized");
    let mut other = draft();
    other.set("iss", "\"https://other.example\"");
    let outcome = authenticator().authenticate(&other.token(&key), KeyState::NotInitialized, now);
    assert_eq!(outcome, Outcome::NotMine);
}

#[test]
fn only_cached_keys_that_do_not_fit_ask_for_fresh_ones() {
    let (old, new) = (Key::ec("P-256"), Key::ec("P-256"));
    let token = draft().token(&new);
    let now = Timestamp::UNIX_EPOCH;
    let (outdated, fresh) = (key_set(&old, "one"), key_set(&new, "one"));
    let authenticator = authenticator();
    assert_eq!(
        authenticator.authenticate(&token, KeyState::Cached(&outdated), now),
        Outcome::NeedsKeys
    );
    assert!(matches!(
        authenticator.authenticate(&token, KeyState::Cached(&fresh), now),
        Outcome::Accepted(_)
    ));
    assert!(matches!(
        authenticator.authenticate(&token, KeyState::Fetched(&fresh), now),
        Outcome::Accepted(_)
    ));
    assert_eq!(
        rejection(authenticator.authenticate(&token, KeyState::Fetched(&outdated), now)),
        "oidc: verify token: failed to verify signature: failed to verify id token signature"
    );
    let why = jwks_response("503 Service Unavailable", None, b"later")
        .unwrap_err()
        .to_string();
    assert_eq!(
        rejection(authenticator.authenticate(&token, KeyState::FetchFailed(&why), now)),
        "oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 503 Service \
         Unavailable later"
    );
}

#[test]
fn a_forbidden_algorithm_is_refused_before_any_key_is_asked_for() {
    let authenticator = Authenticator::new(&jwt(), Some(&["RS256".to_owned()])).unwrap();
    let token = draft().token(&Key::ec("P-256"));
    let empty = KeySet::parse(b"{}").unwrap();
    let outcome =
        authenticator.authenticate(&token, KeyState::Cached(&empty), Timestamp::UNIX_EPOCH);
    assert_eq!(
        rejection(outcome),
        r#"oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "ES256""#
    );
}

/// What Kubernetes says of key sets (`corpus/key_sets.py`): the set, and its words,
/// which are none where it takes it.
fn key_sets() -> Vec<(String, String)> {
    let cases = include_str!("../../corpus/key-sets.txt");
    let (tables, cases) = cases.split_once('\n').expect("tables");
    let tables: serde_json::Value = serde_json::from_str(tables).expect("JSON");
    let set = |line: &str| {
        let (error, text) = line.split_once(' ').expect("a case");
        let theirs = &tables["errors"][error.parse::<usize>().expect("a number")];
        let words = tables["words"].as_array().into_iter().flatten().enumerate();
        let text = words.fold(text.to_owned(), |text, (number, word)| {
            text.replace(&format!("\"~{number}\""), &word.to_string())
        });
        (text, theirs.as_str().unwrap_or_default().to_owned())
    };
    cases.lines().map(set).collect()
}

/// Our words for it.
fn told_of(set: &str) -> String {
    let error = KeySet::parse(set.as_bytes()).err();
    error.map(|error| error.to_string()).unwrap_or_default()
}

/// Of what the two once made different things.
#[rstest]
#[case::a_private_key_whose_numbers_do_not_go_with_each_other(r#""AQAB","d":"Bw","p":"#, false)]
#[case::an_exponent_longer_than_64_bits(r#""e":"AQAAAAAAAQAB""#, true)]
fn what_was_found_in_key_sets_is_kept(#[case] member: &str, #[case] taken: bool) {
    let kept = key_sets().into_iter();
    let mut kept = kept.filter(|(set, theirs)| set.contains(member) && theirs.is_empty() == taken);
    let (set, theirs) = kept.next().expect("one");
    assert_eq!(told_of(&set), theirs);
}

#[test]
fn key_sets_are_decoded_as_kubernetes_decodes_them() {
    let mut count = [0, 0];
    for (text, theirs) in key_sets() {
        let error = told_of(&text);
        assert_eq!(error, theirs, "{text}");
        count[usize::from(error.is_empty())] += 1;
    }
    assert!(count[0] > 600 && count[1] > 250, "{count:?}");
    // Go's limit of nesting (encoding/json, `maxNestingDepth`).
    for (depth, fits) in [(9_998, true), (9_999, true), (10_000, false)] {
        let nested = format!(
            r#"{{"keys":[],"x":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        assert_eq!(KeySet::parse(nested.as_bytes()).is_ok(), fits, "{depth}");
    }
}

/// EMSA-PSS-VERIFY (RFC 8017 section 9.1.2), with a salt of any length.
#[test]
fn a_pss_padding_is_looked_at_from_end_to_end() {
    let (key, odd) = (Key::rsa(2048), Key::rsa(1025));
    let fits = |key: &Key, algorithm: &str, oddity, more: usize| {
        let set = key_set(key, "one");
        let mut draft = draft();
        draft.header[0].1 = text(algorithm);
        algorithm.clone_into(&mut draft.algorithm);
        draft.oddity = oddity;
        set.verify_signature(&draft.claim("n", &more.to_string()).token(key))
            .is_ok()
    };
    for algorithm in ["PS256", "PS384", "PS512"] {
        for size in [0, 7, 64, usize::MAX] {
            assert!(fits(&key, algorithm, Oddity::Salt(size), 0), "{size}");
            assert!(fits(&odd, algorithm, Oddity::Salt(size), 0), "{size}");
        }
        assert!(!fits(&key, algorithm, Oddity::Trailer, 0));
    }
    // Half of these numbers are larger than the modulus, and nothing then.
    for more in 0..32 {
        assert!(!fits(&odd, "PS256", Oddity::Leading, more));
    }
}

#[test]
fn a_set_of_many_keys_has_them_all() {
    let key = Key::ec("P-256");
    let jwk = key.jwk().to_string();
    let text = format!(r#"{{"keys":[{}]}}"#, vec![&*jwk; 10_000].join(","));
    let set = KeySet::parse(text.as_bytes()).expect("keys");
    assert_eq!(set.len(), 10_000);
    assert!(!set.is_empty() && KeySet::default().is_empty());
}

#[test]
fn a_jws_is_verified_by_itself() {
    let key = Key::ec("P-256");
    let set = key_set(&key, "one");
    assert_eq!(format!("{set:?}"), r#"["one"]"#);
    let token = draft().token(&key);
    let payload = set.verify_signature(&token).expect("verified");
    let claims: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(claims["iss"], ISSUER);
    let refused = |token: &str| set.verify_signature(token).unwrap_err().to_string();
    let (_, rest) = token.split_once('.').expect("three parts");
    // {"alg":"none"}
    for other in [
        draft().token(&Key::ec("P-256")),
        format!("eyJhbGciOiJub25lIn0.{rest}"),
    ] {
        assert_eq!(refused(&other), "failed to verify id token signature");
    }
    assert!(refused("a.b").starts_with("oidc: malformed jwt: "));
}

/// `e30` is `{}`, `W10` is `[]`.
#[rstest]
#[case(r#"{"payload": ""}"#, "the token is no compact JWT")]
#[case("e30.e30", "the token has no three parts separated by dots")]
#[case("e30.e30.c2ln.x", "the token has no three parts separated by dots")]
#[case("e30.e3=.c2ln", "the payload is not base64url")]
#[case("e30.W10.c2ln", "the payload is no JSON object with a string as iss")]
#[case(
    "e30.e30.c2ln",
    "iss is \"\", this authenticator's is \"https://issuer.example\""
)]
fn what_has_no_issuer_is_told(#[case] token: &str, #[case] why: &str) {
    let steps = authenticator().explain(token, KeyState::NotInitialized, Timestamp::UNIX_EPOCH);
    let told: Vec<_> = steps
        .iter()
        .map(|s| (s.name, s.passed, &*s.detail))
        .collect();
    assert_eq!(told, [(StepName::UntrustedIssuer, false, why)]);
}

#[test]
fn the_walk_is_told_step_by_step() {
    let key = Key::ec("P-256");
    let set = key_set(&key, "one");
    let steps = |draft: Draft| -> Vec<(StepName, bool, String)> {
        let steps = authenticator().explain(
            &draft.token(&key),
            KeyState::Fetched(&set),
            Timestamp::UNIX_EPOCH,
        );
        steps
            .into_iter()
            .map(|step| (step.name, step.passed, step.detail))
            .collect()
    };
    let all = steps(draft());
    assert!(all.iter().all(|(_, passed, _)| *passed), "{all:?}");
    assert_eq!(
        all.iter().map(|(name, ..)| *name).collect::<Vec<_>>(),
        StepName::ALL
    );
    assert!(all.contains(&(
        StepName::Groups,
        true,
        r#"claim "cognito:groups" gives ["oidc:admins"]"#.to_owned()
    )));

    let mut access = draft();
    access.remove("aud");
    let refused = steps(access);
    assert_eq!(
        refused.last(),
        Some(&(
            StepName::Audience,
            false,
            r#"oidc: verify token: oidc: expected audience "kubernetes" got []"#.to_owned()
        ))
    );
    let mut other = draft();
    other.set("iss", "\"https://issuer.example/\"");
    assert_eq!(
        steps(other),
        [(
            StepName::UntrustedIssuer,
            false,
            r#"iss is "https://issuer.example/", this authenticator's is "https://issuer.example""#
                .to_owned()
        )]
    );
}

/// go-oidc 2.3.0 looks at the claims before it asks for keys.
#[test]
fn before_1_36_the_claims_come_before_algorithm_and_signature() {
    use StepName as S;
    let key = Key::ec("P-256");
    let (set, none) = (key_set(&key, "one"), KeySet::default());
    let now = Timestamp::UNIX_EPOCH;
    let of = |version| authenticator().of(version);
    let token = draft().token(&key);
    let steps = of(Version::V1_35).explain(&token, KeyState::Fetched(&set), now);
    let names: Vec<StepName> = steps.iter().map(|step| step.name).collect();
    let first = [
        S::UntrustedIssuer,
        S::VerifierReady,
        S::Parse,
        S::TypedClaims,
        S::ClaimNames,
    ];
    let then = [
        S::Issuer,
        S::Audience,
        S::Expiry,
        S::NotBefore,
        S::Algorithm,
        S::Signature,
    ];
    let last = [
        S::DistributedClaims,
        S::Username,
        S::Groups,
        S::Uid,
        S::RequiredClaims,
    ];
    assert_eq!(names, [&first[..], &then, &last].concat());

    let mut expired = draft();
    expired.set("exp", "-1");
    let expired = expired.token(&key);
    for version in Version::ALL {
        let outcome = of(version).authenticate(&expired, KeyState::Cached(&none), now);
        if version <= Version::V1_35 {
            let text = rejection(outcome);
            assert!(
                text.starts_with("oidc: verify token: oidc: token is expired"),
                "{text}"
            );
        } else {
            assert_eq!(outcome, Outcome::NeedsKeys, "{version}");
        }
    }
}

/// Keys are looked at before several audiences, whatever the minor: go-oidc
/// leaves these to Kubernetes.
#[test]
fn several_audiences_come_last_in_every_minor() {
    let mut jwt = jwt();
    jwt.issuer.audiences = vec!["a".to_owned(), "b".to_owned()];
    jwt.issuer.audience_match_policy = "MatchAny".to_owned();
    let key = Key::ec("P-256");
    let token = draft().token(&key);
    for version in Version::ALL {
        let authenticator = Authenticator::new(&jwt, None).expect("valid").of(version);
        let set = key_set(&Key::ec("P-256"), "one");
        let judge = |keys| authenticator.authenticate(&token, keys, Timestamp::UNIX_EPOCH);
        assert_eq!(
            judge(KeyState::Cached(&set)),
            Outcome::NeedsKeys,
            "{version}"
        );
        let set = key_set(&key, "one");
        assert_eq!(
            rejection(judge(KeyState::Fetched(&set))),
            r#"oidc: verify token: oidc: expected audience in ["a" "b"] got ["kubernetes"]"#
        );
    }
}

/// What is needed for a claim that is to be had elsewhere is said one at a time,
/// and where nothing can be fetched the token is refused.
#[test]
fn a_distributed_claim_is_asked_for_and_then_its_keys() {
    const AT: &str = "https://claims.example/groups";
    let (key, other) = (Key::ec("P-256"), Key::ec("P-256"));
    let set = key_set(&key, "one");
    let now = Timestamp::UNIX_EPOCH;
    let mut draft = draft();
    draft.remove("cognito:groups");
    draft.set("_claim_names", r#"{"cognito:groups":"src"}"#);
    let source = serde_json::json!({"src": {"endpoint": AT, "access_token": "secret"}});
    draft.set("_claim_sources", &source.to_string());
    let token = draft.token(&key);
    let authenticator = authenticator();
    let judge = |claim| authenticator.judge(&token, KeyState::Fetched(&set), claim, now);

    let claim = DistributedClaim {
        endpoint: AT.to_owned(),
        access_token: "secret".to_owned(),
    };
    let shown = format!("{claim:?}");
    assert!(shown.contains(AT) && !shown.contains("secret"), "{shown}");
    assert_eq!(judge(ClaimState::Unknown), Err(Needed::Claim(claim)));

    let groups = Draft::new("ES256", Some("two"))
        .claim("iss", &text("https://claims.example"))
        .claim("aud", &text("kubernetes"))
        .claim("exp", "1000")
        .claim("cognito:groups", r#"["dev"]"#)
        .token(&other);
    let keys = Err(Needed::ClaimKeys("https://claims.example".to_owned()));
    assert_eq!(judge(ClaimState::Fetched(&groups, None)), keys);
    let cached = KeySet::default();
    let known = Some(KeyState::Cached(&cached));
    assert_eq!(judge(ClaimState::Fetched(&groups, known)), keys);
    let fetched = key_set(&other, "two");
    let known = Some(KeyState::Fetched(&fetched));
    match judge(ClaimState::Fetched(&groups, known)) {
        Ok(Outcome::Accepted(user)) => assert_eq!(user.groups, ["oidc:dev"]),
        judged => panic!("{judged:?}"),
    }

    let refused = authenticator.authenticate(&token, KeyState::Fetched(&set), now);
    let expected = "oidc: could not expand distributed claims: the claim at \
         https://claims.example/groups would have to be fetched, by a server";
    assert_eq!(rejection(refused), expected);
    let steps = authenticator.explain(&token, KeyState::Fetched(&set), now);
    let last = steps.last().expect("a step");
    assert_eq!(
        (last.name, last.passed),
        (StepName::DistributedClaims, false)
    );
    assert_eq!(last.detail, expected);
}

#[rstest]
#[case(
    "https://issuer.example",
    "",
    "https://issuer.example/.well-known/openid-configuration"
)]
#[case(
    "https://issuer.example/p/",
    "",
    "https://issuer.example/p/.well-known/openid-configuration"
)]
#[case(
    "https://issuer.example/p//",
    "",
    "https://issuer.example/p//.well-known/openid-configuration"
)]
#[case(
    "https://issuer.example",
    "https://inside.example/x",
    "https://inside.example/x"
)]
fn discovery_is_under_the_issuer_or_where_it_is_said_to_be(
    #[case] issuer: &str,
    #[case] discovery: &str,
    #[case] url: &str,
) {
    let mut jwt = jwt();
    jwt.issuer.url = issuer.to_owned();
    jwt.issuer.discovery_url = discovery.to_owned();
    assert_eq!(Authenticator::new(&jwt, None).unwrap().discovery_url(), url);
}

#[rstest]
#[case(
    r#"{"username":{"expression":"claims.sub"}}"#,
    "claimMappings.username.expression"
)]
#[case(
    r#"{"username":{"claim":"sub","prefix":""},"uid":{"expression":"claims.sub"}}"#,
    "claimMappings.uid.expression"
)]
#[case(
    r#"{"username":{"claim":"sub","prefix":""},"extra":[{"key":"a.io/b","valueExpression":"claims.sub"}]}"#,
    "claimMappings.extra[0].valueExpression"
)]
fn cel_is_refused_by_name(#[case] mappings: &str, #[case] field: &str) {
    let text = format!(
        r#"{{"issuer":{{"url":"{ISSUER}","audiences":["a"]}},"claimMappings":{mappings}}}"#
    );
    let error = Authenticator::new(&JwtAuthenticator::from_json(&text).unwrap(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{field}: CEL expressions are not supported yet")
    );
}

#[test]
fn nesting_without_end_takes_neither_the_stack_nor_the_day() {
    let deep = "[".repeat(400_000);
    let header = format!(r#"{{"alg":"RS256","x":{deep}{}}}"#, "]".repeat(400_000));
    let mut draft = draft();
    draft.raw_header = Some(header.into_bytes());
    let token = draft.token(&Key::ec("P-256"));
    let set = KeySet::parse(b"{}").unwrap();
    let outcome =
        authenticator().authenticate(&token, KeyState::Fetched(&set), Timestamp::UNIX_EPOCH);
    assert_eq!(
        rejection(outcome),
        "oidc: verify token: failed to verify signature: failed to verify id token signature"
    );
    let error = KeySet::parse(format!(r#"{{"keys":[{deep}"#).as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid character '[' exceeded max depth"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_brings_the_walk_down(
        header in json_like(),
        payload in json_like(),
        signature in "\\PC{0,40}",
        keys in json_like(),
    ) {
        let parts = [header, payload].map(|part| signing::base64(&part));
        let token = format!("{}.{}.{signature}", parts[0], parts[1]);
        if let Ok(set) = KeySet::parse(&keys) {
            let _ = set.verify_signature(&token);
            let _ = authenticator().explain(&token, KeyState::Fetched(&set), Timestamp::UNIX_EPOCH);
        }
        let _ = parse_discovery(&keys, ISSUER);
        let _ = AuthenticationConfiguration::from_json(&String::from_utf8_lossy(&keys));
    }

    #[test]
    fn a_token_that_is_bent_is_not_accepted_as_another(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        thread_local! {
            static GIVEN: (String, KeySet) = {
                let key = Key::ec("P-256");
                (draft().token(&key), key_set(&key, "one"))
            };
        }
        GIVEN.with(|(token, set)| {
            let mut bytes = token.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let Ok(bent) = String::from_utf8(bytes) else { return };
            let judge = |token: &str| {
                authenticator().authenticate(token, KeyState::Fetched(set), Timestamp::UNIX_EPOCH)
            };
            // Spare bits and white space may change; nothing that is said may.
            if let Outcome::Accepted(user) = judge(&bent) {
                assert_eq!(Outcome::Accepted(user), judge(token));
            }
        });
    }
}

/// JSON, often of the kind that means something here, and often broken.
fn json_like() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "true",
        "1",
        "-1e9",
        "\"iss\"",
        "\"alg\"",
        "\"keys\"",
        "\"kty\"",
        "\"RSA\"",
        "\"n\"",
        "\"exp\"",
        "\"\\ud800\"",
        "\"jwt\"",
        "\"x5c\"",
        "\"AQAB\"",
        " ",
        "\"https://issuer.example\"",
    ]);
    prop_oneof![
        prop::collection::vec(word, 0..24).prop_map(|words| words.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..64),
        Just(br#"{"iss":"https://issuer.example","aud":"kubernetes","exp":1}"#.to_vec()),
        Just(br#"{"alg":"ES256","kid":"one"}"#.to_vec()),
        Just(br#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#.to_vec()),
    ]
}
