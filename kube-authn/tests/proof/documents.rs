//! Configuration documents, sound and less so, drawn by a seed. CEL is left
//! out: Kubernetes compiles it, and this crate does not yet.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;

use super::draw::Draw;
use super::validation::File;

const GENERATOR: [u8; 32] = *b"rolecall: documents of servers!!";
/// An issuer that the server has of its own.
const OWN: &str = "https://kubernetes.default.svc";
/// A certificate authority that is sound, as JSON.
const CA: &str = concat!(
    r#""-----BEGIN CERTIFICATE-----\n"#,
    r#"MIIBcDCCARegAwIBAgIUFNlJzbM1VDEXYakAPHsgC1OczP4wCgYIKoZIzj0EAwIw\n"#,
    r#"DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI3MDY1MzAzWhgPMjEyNjExMDMwNjUzMDNa\n"#,
    r#"MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfLhVmeNv\n"#,
    r#"tm6RhFiq4orl+YHAxLsPpkZV659TkTRviULWlR0BoWEZ0bb39JdkHT6VVikDb1x3\n"#,
    r#"fjFIbaUG+HaOLqNTMFEwHQYDVR0OBBYEFIqR4TKL7cANP8I2BaI8LBc4WIITMB8G\n"#,
    r#"A1UdIwQYMBaAFIqR4TKL7cANP8I2BaI8LBc4WIITMA8GA1UdEwEB/wQFMAMBAf8w\n"#,
    r#"CgYIKoZIzj0EAwIDRwAwRAIgFw3Ye3BoLiBXvtf3I4lMLjasusc9XlnpwjJK/3TV\n"#,
    r#"Ll4CICzz4boRpWwRZF8SjnYSSZx/ABiTdJdD2QYD/LcLb441\n"#,
    r#"-----END CERTIFICATE-----\n""#,
);
/// The same with a fault, or with more.
const SPOILT_CA: [(&str, &str); 8] = [
    // Another type of block, and none at all.
    ("CERTIFICATE", "PUBLIC KEY"),
    ("-----BEGIN CERTIFICATE-----\\n", ""),
    // Base64 that is none, and DER that is none.
    ("MIIB", "MI*B"),
    ("MIIB", "AAAA"),
    // A header, a text before it, no end, and spaces instead of line breaks.
    (
        "-----BEGIN CERTIFICATE-----\\n",
        "-----BEGIN CERTIFICATE-----\\na: b\\n\\n",
    ),
    ("-----BEGIN", "the CA of the company\\n-----BEGIN"),
    ("-----END CERTIFICATE-----\\n", ""),
    ("\\n", " "),
];

/// Draws that many. Another `seed` gives other ones.
pub fn files(count: usize, seed: u64) -> Vec<File> {
    let texts = Draw::new(GENERATOR, seed).many(count, &document());
    let file = |(i, text)| File {
        name: format!("document {i} of seed {seed}"),
        text,
        disallowed_issuers: vec![OWN.to_owned()],
        error: None,
        older: BTreeMap::new(),
        not_yet: None,
    };
    texts.into_iter().enumerate().map(file).collect()
}

/// A value's JSON: `usual` ones far more often than `odd` ones; an empty text
/// leaves the member out.
fn value(usual: &[&'static str], odd: &[&'static str]) -> BoxedStrategy<String> {
    prop_oneof![
        30 => select(usual.to_vec()),
        1 => select(odd.to_vec()),
    ]
    .prop_map(str::to_owned)
    .boxed()
}

/// An object of members, sometimes with one that nobody knows, one that comes
/// twice, or something else in its place.
fn object(members: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<String> {
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    let twist = prop_oneof![
        150 => Just(""),
        1 => Just("unknown"),
        1 => Just("twice"),
        1 => Just("case"),
        1 => Just("null"),
        1 => Just("list"),
        1 => Just("text"),
    ];
    (values, twist, any::<prop::sample::Index>())
        .prop_map(move |(values, twist, at)| {
            let mut all: Vec<String> = names
                .iter()
                .zip(&values)
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| format!("{name:?}:{value}"))
                .collect();
            match twist {
                "unknown" => all.push(r#""unheardOf":{"a":[1]}"#.to_owned()),
                "twice" if !all.is_empty() => all.push(all[at.index(all.len())].clone()),
                "case" if !all.is_empty() => {
                    let one = at.index(all.len());
                    all[one] = all[one].replacen('"', "\"X", 1);
                }
                "null" => return "null".to_owned(),
                "list" => return "[]".to_owned(),
                "text" => return "\"text\"".to_owned(),
                _ => {}
            }
            format!("{{{}}}", all.join(","))
        })
        .boxed()
}

fn list(of: BoxedStrategy<String>, most: usize) -> BoxedStrategy<String> {
    prop::collection::vec(of, 0..=most)
        .prop_map(|items| format!("[{}]", items.join(",")))
        .boxed()
}

/// One of two, the second one rarely.
fn either(often: BoxedStrategy<String>, seldom: BoxedStrategy<String>) -> BoxedStrategy<String> {
    prop_oneof![8 => often, 1 => seldom].boxed()
}

fn certificate_authority() -> BoxedStrategy<String> {
    let spoilt = select(SPOILT_CA.to_vec()).prop_map(|(from, to)| CA.replace(from, to));
    let followed = CA.replacen(
        "-----END CERTIFICATE-----\\n",
        "-----END CERTIFICATE-----\\nmore",
        1,
    );
    prop_oneof![
        30 => value(&["", "", CA], &[r#""no PEM""#, r#""""#, "7", "null"]),
        1 => spoilt,
        1 => Just(followed),
    ]
    .boxed()
}

fn issuer() -> BoxedStrategy<String> {
    object(vec![
        (
            "url",
            value(
                &[
                    r#""https://issuer.example""#,
                    r#""https://issuer.example/pool_1""#,
                    r#""https://other.example:8443/a/b""#,
                ],
                &[
                    "",
                    r#""""#,
                    r#""http://issuer.example""#,
                    r#""https://issuer.example?a=b""#,
                    r#""https://issuer.example#a""#,
                    r#""https://user:word@issuer.example""#,
                    r#""https://""#,
                    r#""https://issuer.example:99999""#,
                    r#""https://issuer .example""#,
                    r#""https://[::1""#,
                    r#""://issuer""#,
                    r#""issuer.example""#,
                    r#""https://%zz""#,
                    r#""https://kubernetes.default.svc""#,
                    "7",
                    "null",
                    "[]",
                ],
            ),
        ),
        (
            "discoveryURL",
            value(
                &["", "", r#""https://discovery.example/.well-known""#],
                &[
                    r#""https://issuer.example""#,
                    r#""https://issuer.example/""#,
                    r#""http://discovery.example""#,
                    r#""https://discovery.example?a""#,
                    r#""https://a:b@discovery.example""#,
                    r#""https://discovery.example#""#,
                    r#""""#,
                    "7",
                ],
            ),
        ),
        ("certificateAuthority", certificate_authority()),
        (
            "audiences",
            value(
                &[r#"["a"]"#, r#"["a"]"#, r#"["a","b"]"#],
                &[
                    "",
                    "[]",
                    "null",
                    r#"["a","a"]"#,
                    r#"[""]"#,
                    r#"["a",""]"#,
                    r#"[7]"#,
                    r#"[null]"#,
                    r#""a""#,
                    "{}",
                ],
            ),
        ),
        (
            "audienceMatchPolicy",
            value(
                &["", r#""MatchAny""#],
                &[r#""""#, r#""matchAny""#, r#""MatchAll""#, "7", "null"],
            ),
        ),
        (
            "egressSelectorType",
            value(
                &["", "", "", r#""cluster""#],
                &[r#""controlplane""#, r#""master""#, r#""""#, "true"],
            ),
        ),
    ])
}

fn prefixed(absent: bool) -> BoxedStrategy<String> {
    let mapping = object(vec![
        (
            "claim",
            value(
                &[r#""sub""#, r#""email""#, r#""cognito:groups""#],
                &["", r#""""#, "7", "null", "{}"],
            ),
        ),
        (
            "prefix",
            value(&[r#""""#, r#""oidc:""#], &["", "null", "7", r#""-""#]),
        ),
        ("expression", value(&["", "", ""], &[r#""""#, "null", "7"])),
    ]);
    if absent {
        prop_oneof![mapping, Just(String::new())].boxed()
    } else {
        mapping
    }
}

fn mappings() -> BoxedStrategy<String> {
    object(vec![
        ("username", prefixed(false)),
        ("groups", prefixed(true)),
        (
            "uid",
            value(
                &["", "", r#"{"claim":"sub"}"#],
                &[r#"{"claim":""}"#, "{}", "null", "7", r#"{"claim":7}"#],
            ),
        ),
        (
            "extra",
            value(
                &["", "", ""],
                &[
                    "[]",
                    "null",
                    r#"[{"key":"example.com/a"}]"#,
                    r#"[{"key":""}]"#,
                    r#"[{"key":"Example.com/a","valueExpression":""}]"#,
                    r#"[{"key":"a","valueExpression":""}]"#,
                    r#"[{"key":"k8s.io/a","valueExpression":""}]"#,
                    r#"[{}]"#,
                    r#"[7]"#,
                ],
            ),
        ),
    ])
}

fn rule() -> BoxedStrategy<String> {
    object(vec![
        (
            "claim",
            value(&[r#""hd""#, r#""token_use""#], &["", r#""""#, "7"]),
        ),
        (
            "requiredValue",
            value(&[r#""a""#, r#""b""#], &["", r#""""#, "7"]),
        ),
        ("message", value(&["", "", ""], &[r#""m""#, r#""""#])),
        ("expression", value(&["", "", ""], &[r#""""#, "null"])),
    ])
}

fn entry() -> BoxedStrategy<String> {
    object(vec![
        ("issuer", either(issuer(), Just(String::new()).boxed())),
        (
            "claimMappings",
            either(mappings(), Just(String::new()).boxed()),
        ),
        (
            "claimValidationRules",
            prop_oneof![2 => Just(String::new()), 1 => list(rule(), 3)].boxed(),
        ),
        (
            "userValidationRules",
            value(
                &["", "", ""],
                &["[]", "null", r#"[{}]"#, r#"[{"message":"m"}]"#, "7"],
            ),
        ),
    ])
}

fn document() -> BoxedStrategy<String> {
    let whole = object(vec![
        (
            "apiVersion",
            value(
                &[
                    r#""apiserver.config.k8s.io/v1""#,
                    r#""apiserver.config.k8s.io/v1""#,
                    r#""apiserver.config.k8s.io/v1beta1""#,
                ],
                &[
                    "",
                    r#""apiserver.config.k8s.io/v1alpha1""#,
                    r#""apiserver.config.k8s.io/v2""#,
                    r#""v1""#,
                    r#""a/b/c""#,
                    r#""""#,
                    "7",
                ],
            ),
        ),
        (
            "kind",
            value(
                &[r#""AuthenticationConfiguration""#],
                &[
                    "",
                    r#""AuthorizationConfiguration""#,
                    r#""authenticationConfiguration""#,
                    r#""""#,
                    "7",
                ],
            ),
        ),
        (
            "jwt",
            either(list(entry(), 3), value(&["", "null"], &["7", "{}"])),
        ),
        (
            "anonymous",
            value(
                &["", "", ""],
                &[
                    "null",
                    "{}",
                    r#"{"enabled":true}"#,
                    r#"{"enabled":false}"#,
                    r#"{"enabled":true,"conditions":[{"path":"/healthz"}]}"#,
                    r#"{"enabled":false,"conditions":[{"path":"/healthz"}]}"#,
                    r#"{"conditions":[{"path":""}]}"#,
                    r#"{"enabled":"yes"}"#,
                    r#"{"enabled":true,"conditions":[{"path":7}]}"#,
                    r#"{"enabled":true,"conditions":[{"paths":"/"}]}"#,
                    "7",
                ],
            ),
        ),
    ]);
    // What is no JSON is YAML to Kubernetes, whose parser has words of its own.
    prop_oneof![
        60 => whole,
        1 => select(vec!["", "null", "[]", "7", "{}", "\"a\""]).prop_map(str::to_owned),
    ]
    .boxed()
}
