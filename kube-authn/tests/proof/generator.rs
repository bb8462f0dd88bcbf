//! Cases by the thousand: configurations, key sets and tokens drawn from
//! proptest strategies with a fixed seed, each token right but for what its
//! twists have done to it.
//!
//! The shapes are the same in every run; the keys, and with them the
//! signatures, are new, since no private key is kept.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::draw::Draw;
use super::fetched::{self, Fetch};
use super::signing::{Key, Oddity, Padding, Spelling, Zero, base64};
use super::sketch::{Sketch, Token};
use super::token::{Draft, text};

const GENERATOR: [u8; 32] = *b"rolecall: tokens and their judge";

const CONFIGURATIONS: usize = 160;
const KEY_SETS: usize = 48;

/// Draws that many. Another `seed` gives other ones.
pub fn sketches(count: usize, seed: u64) -> Vec<Sketch> {
    let mut draw = Draw::new(GENERATOR, seed);
    let pool = Pool::new();
    let configurations = draw.many(CONFIGURATIONS, &configuration());
    let sets: Vec<KeySet> = draw
        .many(KEY_SETS, &key_set())
        .iter()
        .map(|s| s.build(&pool))
        .collect();
    let recipe = recipe();
    (0..count)
        .map(|_| draw.one(&recipe).cook(&pool, &configurations, &sets))
        .collect()
}

// ---- keys ----

/// The key pairs of a run.
struct Pool(Vec<Rc<Key>>);

/// What Go refuses, wants and tolerates: below 1,024 bits, odd sizes, a small
/// exponent, every curve. Small keys come often, to keep the corpus small.
const KEYS: usize = 12;

impl Pool {
    fn new() -> Self {
        let keys = vec![
            Key::ec("P-256"),
            Key::rsa(1024),
            Key::ec("P-256"),
            Key::rsa(1024),
            Key::rsa(2048),
            Key::ec("P-384"),
            Key::ec("P-256"),
            Key::ec("P-521"),
            Key::rsa_with_exponent(1024, 3),
            Key::rsa(1025),
            Key::rsa(1536),
            Key::rsa(1008),
        ];
        Self(keys.into_iter().map(Rc::new).collect())
    }
}

#[derive(Debug, Clone)]
struct KeySetRecipe {
    members: Vec<usize>,
    twist: KeySetTwist,
    kids: Kids,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kids {
    Own,
    None,
    Shared,
}

#[derive(Debug, Clone, Copy)]
enum KeySetTwist {
    None,
    Empty,
    /// A member of this JSON beside the good keys.
    Beside(&'static str),
    /// The whole body.
    Body(&'static str),
    LeadingZeros,
    WrongAlgAndUse,
    NullAlg,
    CapitalKeys,
    TwiceKeys,
    EvenExponent,
    ExponentOfOne,
    LongExponent,
}

/// A served key set and which of the pool's keys are in it.
struct KeySet {
    body: String,
    members: Vec<usize>,
    kids: Kids,
}

/// The key of which large sets are made.
const FILLER: usize = 0;

impl KeySet {
    /// The body with that many members more in front, each with a name of its own
    /// if the others have one.
    fn among(&self, count: usize, filler: &Key) -> String {
        let member = |i| {
            let mut jwk = filler.jwk();
            if self.kids != Kids::None {
                jwk["kid"] = format!("many-{i}").into();
            }
            format!("{jwk},")
        };
        let members: String = (0..count).map(member).collect();
        self.body.replacen('[', &format!("[{members}"), 1)
    }
}

fn key_set() -> impl Strategy<Value = KeySetRecipe> {
    use KeySetTwist as T;
    let beside = select(vec![
        r#"{"kty":"oct","k":"c2VjcmV0","kid":"k0"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k1"}"#,
        r#"{"kty":"RSA","n":"","e":"AQAB","kid":"k2"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"","x5c":[]}"#,
        r#"{"kty":"RSA","n":"3dYzQQ","e":"AQAB","extra":{"a":1,"a":2},"kid":null}"#,
    ]);
    let spoiler = select(vec![
        r#"{"kty":"AKP"}"#,
        r#"{"kty":"rsa","n":"AQAB","e":"AQAB"}"#,
        r#"{"KTY":"RSA","n":"AQAB","e":"AQAB"}"#,
        "{\"\u{212a}ty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        r#"{"kty":"RSA","n":"AQAB"}"#,
        r#"{"kty":"RSA","n":"AQA=","e":"AQAB"}"#,
        r#"{"kty":"RSA","n":7,"e":"AQAB"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":7}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":[]}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kty":"RSA"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","x5u":"https://issuer.example/cert"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":"MII"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["-"]}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["AAAA"]}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","x5t":"AAAA"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","x5t#S256":"+"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#,
        r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AA"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA","d":"AA"}"#,
        r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#,
        r#"{"kty":"oct"}"#,
        r#"{"kty":"oct","k":true}"#,
        "null",
        "7",
        "\"key\"",
        "[]",
    ]);
    let body = select(vec![
        "",
        "<html></html>",
        "null",
        "[]",
        "7",
        "{}",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":"none"}"#,
        r#"{"keys":[}"#,
        r#"{"keys":[]} x"#,
    ]);
    let twist = prop_oneof![
        30 => Just(T::None),
        1 => Just(T::Empty),
        3 => beside.prop_map(T::Beside),
        3 => spoiler.prop_map(T::Beside),
        1 => body.prop_map(T::Body),
        2 => Just(T::LeadingZeros),
        2 => Just(T::WrongAlgAndUse),
        1 => Just(T::NullAlg),
        1 => Just(T::CapitalKeys),
        1 => Just(T::TwiceKeys),
        1 => Just(T::EvenExponent),
        1 => Just(T::ExponentOfOne),
        1 => Just(T::LongExponent),
    ];
    let kids = prop_oneof![8 => Just(Kids::Own), 1 => Just(Kids::None), 1 => Just(Kids::Shared)];
    let members = subsequence((0..KEYS).collect::<Vec<_>>(), 1..=6).prop_shuffle();
    (members, twist, kids).prop_map(|(members, twist, kids)| KeySetRecipe {
        members,
        twist,
        kids,
    })
}

impl KeySetRecipe {
    fn build(&self, pool: &Pool) -> KeySet {
        let mut keys: Vec<Value> = self
            .members
            .iter()
            .map(|&i| self.jwk(i, &pool.0[i]))
            .collect();
        let mut name = "keys";
        let mut more = String::new();
        match self.twist {
            KeySetTwist::Empty => keys.clear(),
            KeySetTwist::Beside(json) => more = format!(",{json}"),
            KeySetTwist::CapitalKeys => name = "KEYS",
            _ => {}
        }
        let list = keys
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(",");
        let body = match self.twist {
            KeySetTwist::Body(body) => body.to_owned(),
            KeySetTwist::TwiceKeys => {
                format!(
                    r#"{{"keys":[{}],"keys":[{list}]}}"#,
                    keys.first().unwrap_or(&Value::Null)
                )
            }
            _ => format!(r#"{{"{name}":[{list}{more}]}}"#),
        };
        KeySet {
            body,
            members: self.members.clone(),
            kids: self.kids,
        }
    }

    fn jwk(&self, index: usize, key: &Key) -> Value {
        let mut jwk = key.jwk();
        match self.kids {
            Kids::Own => jwk["kid"] = kid(index).into(),
            Kids::Shared => jwk["kid"] = "shared".into(),
            Kids::None => {}
        }
        let is_rsa = jwk["kty"] == "RSA";
        match self.twist {
            KeySetTwist::LeadingZeros if is_rsa => {
                jwk["n"] = format!("AAAA{}", jwk["n"].as_str().unwrap_or_default()).into();
            }
            KeySetTwist::WrongAlgAndUse => {
                // For some keys it is the right one after all.
                jwk["alg"] = ["HS256", "RS256", "none", "ES256", ""][index % 5].into();
                jwk["use"] = "enc".into();
                jwk["key_ops"] = json!(["sign"]);
            }
            KeySetTwist::NullAlg => jwk["alg"] = Value::Null,
            KeySetTwist::EvenExponent if is_rsa => jwk["e"] = "AQAA".into(),
            KeySetTwist::ExponentOfOne if is_rsa => jwk["e"] = "AQ".into(),
            // Go takes the low 64 bits: these are 65,537 again.
            KeySetTwist::LongExponent if is_rsa => {
                jwk["e"] = base64(&[9, 0, 0, 0, 0, 0, 1, 0, 1]).into()
            }
            _ => {}
        }
        jwk
    }
}

fn kid(index: usize) -> String {
    format!("key-{index}")
}

// ---- configurations ----

const ISSUERS: [&str; 4] = [
    "https://issuer.example",
    "https://issuer.example/pool_1",
    "https://issuer.example/slash/",
    "https://accounts.google.com",
];
const AUDIENCES: [&str; 4] = ["kubernetes", "3h4ndr2p", "a b", "zürich\u{200b}"];
const NAMES: [&str; 6] = [
    "sub",
    "email",
    "preferred_username",
    "cognito:username",
    "name",
    "missing\u{ad}\"claim",
];
const GROUPS: [&str; 4] = ["groups", "cognito:groups", "roles", "sub"];
const UIDS: [&str; 3] = ["sub", "uid", "jti"];
const REQUIRED: [(&str, &str); 6] = [
    ("token_use", "id"),
    ("hd", "example.com"),
    ("email", "jane@example.com"),
    ("empty", ""),
    ("aud", "kubernetes"),
    ("Tenant", "blue"),
];
const PREFIXES: [&str; 5] = ["", "oidc:", "-", "https://issuer.example#", "é\u{301}:"];
const ALGORITHMS: [&str; 9] = [
    "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
];

/// A configuration and what has to be known of it to write a fitting token.
#[derive(Debug, Clone)]
struct Configuration {
    json: Value,
    issuer: &'static str,
    audiences: Vec<&'static str>,
    algorithms: Vec<&'static str>,
    username: &'static str,
    groups: Option<&'static str>,
    uid: Option<&'static str>,
    required: Vec<(&'static str, &'static str)>,
}

fn configuration() -> impl Strategy<Value = Configuration> {
    let audiences = prop_oneof![
        5 => subsequence(AUDIENCES.to_vec(), 1),
        2 => subsequence(AUDIENCES.to_vec(), 2..=3).prop_shuffle(),
    ];
    let required = prop_oneof![
        3 => Just(Vec::new()),
        2 => subsequence(REQUIRED.to_vec(), 1..=1),
        1 => subsequence(REQUIRED.to_vec(), 2..=4),
    ];
    let algorithms = prop_oneof![
        4 => Just(None),
        1 => subsequence(ALGORITHMS.to_vec(), 3..=8).prop_shuffle().prop_map(Some),
    ];
    (
        (select(ISSUERS.to_vec()), audiences, required, algorithms),
        select(NAMES.to_vec()),
        proptest::option::weighted(0.75, select(GROUPS.to_vec())),
        proptest::option::weighted(0.5, select(UIDS.to_vec())),
        (select(PREFIXES.to_vec()), select(PREFIXES.to_vec())),
        proptest::bool::weighted(0.25),
    )
        .prop_map(
            |(
                (issuer, audiences, required, algorithms),
                username,
                groups,
                uid,
                prefixes,
                as_flags,
            )| {
                let mut made = Configuration {
                    json: Value::Null,
                    issuer,
                    audiences,
                    algorithms: algorithms.clone().unwrap_or_else(|| ALGORITHMS.to_vec()),
                    username,
                    groups,
                    uid,
                    required,
                };
                if as_flags {
                    made.audiences.truncate(1);
                    made.uid = None;
                    made.algorithms = algorithms.clone().unwrap_or_else(|| vec!["RS256"]);
                    made.json = flags(&made, prefixes, algorithms.is_some());
                } else {
                    made.json = file(&made, prefixes, algorithms.is_some());
                }
                made
            },
        )
}

fn flags(c: &Configuration, prefixes: (&str, &str), with_algorithms: bool) -> Value {
    let mut flags = json!({
        "issuerURL": c.issuer,
        "clientID": c.audiences[0],
        "usernameClaim": c.username,
        "usernamePrefix": prefixes.0,
    });
    if let Some(groups) = c.groups {
        flags["groupsClaim"] = groups.into();
        flags["groupsPrefix"] = prefixes.1.into();
    }
    if with_algorithms {
        flags["signingAlgs"] = json!(c.algorithms);
    }
    for (claim, value) in &c.required {
        flags["requiredClaims"][claim] = (*value).into();
    }
    json!({ "flags": flags })
}

fn file(c: &Configuration, prefixes: (&str, &str), with_algorithms: bool) -> Value {
    let mut jwt = json!({
        "issuer": {"url": c.issuer, "audiences": c.audiences},
        "claimMappings": {"username": {"claim": c.username, "prefix": prefixes.0}},
    });
    if c.audiences.len() > 1 {
        jwt["issuer"]["audienceMatchPolicy"] = "MatchAny".into();
    }
    if let Some(groups) = c.groups {
        jwt["claimMappings"]["groups"] = json!({"claim": groups, "prefix": prefixes.1});
    }
    if let Some(uid) = c.uid {
        jwt["claimMappings"]["uid"] = json!({ "claim": uid });
    }
    for (claim, value) in &c.required {
        let rules = jwt
            .as_object_mut()
            .expect("an object")
            .entry("claimValidationRules")
            .or_insert(json!([]));
        rules
            .as_array_mut()
            .expect("a list")
            .push(json!({"claim": claim, "requiredValue": value}));
    }
    if with_algorithms {
        json!({"jwt": jwt, "algs": c.algorithms})
    } else {
        json!({ "jwt": jwt })
    }
}

// ---- tokens ----

/// The choices that make a token; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
struct Recipe {
    configuration: usize,
    keys: usize,
    /// Configurations that are tried before, with the key sets of their issuers.
    others: Vec<(usize, usize)>,
    signer: usize,
    algorithm: usize,
    now: i64,
    nanoseconds: u32,
    life: i64,
    subject: &'static str,
    extras: Vec<(&'static str, &'static str)>,
    kid: KidChoice,
    twists: Vec<Twist>,
}

#[derive(Debug, Clone, Copy)]
enum KidChoice {
    Own,
    Absent,
    Empty,
}

/// What is done to a token that was right.
#[derive(Debug, Clone)]
enum Twist {
    /// Sets a claim, whatever it was.
    Claim(&'static str, &'static str),
    /// Adds a member, even where there is one.
    Again(&'static str, &'static str),
    Remove(&'static str),
    /// Sets the claim that the configuration takes the username, groups, uid or
    /// the required values from.
    Username(&'static str),
    Groups(&'static str),
    Uid(&'static str),
    Required(usize, &'static str),
    WithoutUsername,
    WithoutUid,
    WithoutRequired(usize),
    OtherIssuer(usize),
    /// Claims to come from another issuer that is trusted, too.
    OtherTrusted(usize),
    Audience(&'static str),
    /// `exp`, `nbf` or `iat` that far from now, as a number or otherwise.
    Date(&'static str, i64, DateStyle),
    Header(&'static str, &'static str),
    RawHeader(&'static [u8]),
    RawPayload(&'static [u8]),
    PayloadSuffix(&'static [u8]),
    OtherKey(usize),
    Sign(Oddity),
    Unencoded(bool),
    /// Signed by nobody, under this name of `none`.
    Unsigned(&'static str),
    /// An HMAC, by this algorithm and what everybody knows of the key.
    Hmac(&'static str, Spelling),
    /// Signed by that key, which is in the header in that form.
    Embedded(usize, Carrier),
    /// Something long, of all that a token can hold.
    Long(Long),
    /// A letter of a part becomes another.
    Flip(usize, usize),
    CutSignature(usize),
    SpareBits(usize),
    Insert(usize, usize, &'static str),
    ForeignPayload,
    Parts(&'static str),
    /// Adds several members, where groups may be left out for them.
    Members(Vec<(&'static str, &'static str)>),
    /// Says that the groups are to be had elsewhere.
    Fetched(Box<Fetch>),
}

impl Twist {
    fn is_header(&self) -> bool {
        matches!(
            self,
            Self::Header(..)
                | Self::Unsigned(_)
                | Self::Hmac(..)
                | Self::Embedded(..)
                | Self::Long(Long::Kid | Long::DeepHeader(_))
        )
    }

    /// Whether it is done to the token when it is signed.
    fn bends(&self) -> bool {
        matches!(
            self,
            Self::Flip(..)
                | Self::Unsigned(_)
                | Self::CutSignature(_)
                | Self::SpareBits(_)
                | Self::Insert(..)
                | Self::ForeignPayload
                | Self::Parts(_)
        )
    }

    fn is_names(&self) -> bool {
        matches!(
            self,
            Self::Members(_)
                | Self::Fetched(_)
                | Self::Again("_claim_names" | "_CLAIM_NAMES" | "_claim_sources", _)
        )
    }
}

/// Where a header has a key.
#[derive(Debug, Clone, Copy)]
enum Carrier {
    /// `jwk`, as it is.
    Jwk,
    /// `x5c`, in a certificate that it signed itself.
    Certificate,
}

#[derive(Debug, Clone, Copy)]
enum DateStyle {
    Number,
    Quoted,
    Fraction,
    QuotedFraction,
    Exponent,
}

/// What Go reads to some length or depth, or to any.
#[derive(Debug, Clone, Copy)]
enum Long {
    /// A username or key id of a megabyte.
    Username,
    Kid,
    /// That many groups.
    Groups(usize),
    /// A set of that many keys more, which come before the others.
    Keys(usize),
    /// Lists in lists, that many.
    DeepHeader(usize),
    DeepPayload(usize),
}

fn long() -> impl Strategy<Value = Long> {
    let depth = || prop_oneof![9_996usize..10_003, Just(20_000)];
    prop_oneof![
        1 => Just(Long::Username),
        1 => Just(Long::Kid),
        1 => select(vec![1_000usize, 10_000]).prop_map(Long::Groups),
        1 => select(vec![1_000usize, 10_000]).prop_map(Long::Keys),
        2 => depth().prop_map(Long::DeepHeader),
        3 => depth().prop_map(Long::DeepPayload),
    ]
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let subject = select(vec![
        "jane",
        "jane@example.com",
        "J\u{e4}ne \u{1f600}",
        "system:admin",
        "",
        "a\"b\\c\u{7}",
    ]);
    let extras = subsequence(
        vec![
            ("jti", "\"7c6d\""),
            ("jti", "7"),
            ("jti", "\"\""),
            ("nonce", "\"n\""),
            ("at_hash", "null"),
            ("iat", "1700000000"),
            ("email", "\"jane@example.com\""),
            ("email_verified", "true"),
            ("groups", "[\"admins\",\"dev\"]"),
            ("cognito:groups", "\"dev\""),
            ("Groups", "7"),
            ("EMAIL", "7"),
            ("unknown", r#"{"a":[1,{"b":null}],"a":"\u0041"}"#),
            ("token_use", "\"access\""),
            ("client_id", "\"3h4ndr2p\""),
        ],
        0..=4,
    );
    let kid = prop_oneof![8 => Just(KidChoice::Own), 1 => Just(KidChoice::Absent), 1 => Just(KidChoice::Empty)];
    let twists = prop_oneof![
        4 => Just(Vec::new()),
        9 => vec(twist(), 1..=1),
        2 => vec(twist(), 2..=2),
    ];
    let other = (0..CONFIGURATIONS, 0..KEY_SETS);
    let others = prop_oneof![3 => Just(Vec::new()), 1 => vec(other, 1..=3)];
    (
        (
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
        ),
        (any::<prop::sample::Index>(), others),
        (
            1_257_894_000i64..4_000_000_000,
            prop_oneof![2 => Just(0), 1 => 1u32..1_000_000_000],
        ),
        prop_oneof![Just(3600), 1i64..100_000],
        (subject, extras, kid, twists),
    )
        .prop_map(
            |(
                (configuration, keys, signer),
                (algorithm, others),
                (now, nanoseconds),
                life,
                rest,
            )| {
                let (subject, extras, kid, twists) = rest;
                Recipe {
                    configuration: configuration.index(CONFIGURATIONS),
                    keys: keys.index(KEY_SETS),
                    others,
                    signer: signer.index(1000),
                    algorithm: algorithm.index(1000),
                    now,
                    nanoseconds,
                    life,
                    subject,
                    extras,
                    kid,
                    twists,
                }
            },
        )
}

const WRONG: [&str; 7] = ["7", "true", "[]", "{}", "[7]", "[[\"a\"]]", "-0.5e3"];
const ODD_STRINGS: [&str; 6] = [
    "null",
    "\"\"",
    "\"\\u00e9\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\/\\\"\"",
    "\"a\u{2028}\u{200b}\"",
];

fn twist() -> impl Strategy<Value = Twist> {
    use Twist as T;
    let wrong = || select(WRONG.to_vec());
    let odd = || select(ODD_STRINGS.to_vec());
    let typed = select(vec![
        "sub",
        "nonce",
        "at_hash",
        "SUB",
        "\u{17f}ub",
        "NONCE",
        "At_Hash",
        "at_ha\u{17f}h",
    ]);
    let date = || select(vec!["exp", "iat", "nbf", "EXP", "nBf", "IAT"]);
    let date_style = prop_oneof![
        Just(DateStyle::Number),
        Just(DateStyle::Quoted),
        Just(DateStyle::Fraction),
        Just(DateStyle::QuotedFraction),
        Just(DateStyle::Exponent)
    ];
    let odd_date = select(vec![
        "null",
        "true",
        "\"\"",
        "\"soon\"",
        "\"1 \"",
        "\"01\"",
        "[]",
        "{}",
        "1e400",
        "-1e400",
        "\"1e400\"",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "9223371974719179007",
        "9223371974719179008",
        "1e18",
        "253402300800",
        "99999999999999",
        "-62135596801",
        "-1e15",
        "0.999",
        "-0.5",
        "-1.5",
        "-0.999",
        "\"1.5\"",
        "\"-1.5\"",
        "\"1e9\"",
        "\"1e-1\"",
        "-0",
    ]);
    let offset = prop_oneof![
        Just(-1i64),
        Just(0),
        Just(1),
        Just(59),
        Just(60),
        Just(61),
        -90_000i64..90_000
    ];
    let names = select(vec![
        "{}",
        "null",
        "[]",
        "\"x\"",
        r#"{"groups":""}"#,
        r#"{"groups":null}"#,
        r#"{"groups":7}"#,
        r#"{"groups":"src"}"#,
        r#"{"other":"src"}"#,
        r#"{"a":"src","b":"src"}"#,
    ]);
    let sources = select(vec![
        "{}",
        "null",
        "7",
        r#"{"src":{}}"#,
        r#"{"src":null}"#,
        r#"{"src":7}"#,
        r#"{"src":{"endpoint":7}}"#,
        r#"{"src":{"ENDPOINT":7}}"#,
        r#"{"src":{"JWT":7}}"#,
        r#"{"src":{"jwt":"a.b.c"}}"#,
        r#"{"src":{"acce\u017f\u017f_token":[]}}"#,
        r#"{"src":{"endpoint":""},"src":{"endpoint":null}}"#,
    ]);
    let distributed = select(vec![
        vec![("_claim_names", "{}")],
        vec![("_claim_names", "null")],
        vec![
            ("_claim_names", r#"{"groups":"src"}"#),
            ("_claim_sources", r#"{"src":{"JWT":"a.b.c"}}"#),
        ],
        vec![
            ("_claim_names", r#"{"roles":"src"}"#),
            ("_claim_sources", r#"{"src":{"JWT":{}}}"#),
        ],
        vec![
            ("_claim_names", r#"{"groups":"src"}"#),
            ("_CLAIM_SOURCES", r#"{"src":{}}"#),
        ],
        vec![
            ("_claim_sources", r#"{"src":{}}"#),
            (
                "_claim_names",
                r#"{"groups":"src","roles":"src","cognito:groups":"src"}"#,
            ),
            ("_claim_sources", "{}"),
        ],
    ]);
    let header = select(vec![
        ("alg", "\"none\""),
        ("alg", "\"None\""),
        ("alg", "\"HS256\""),
        ("alg", "\"EdDSA\""),
        ("alg", "\"rs256\""),
        ("alg", "\"RS256\\u200b\""),
        ("alg", "null"),
        ("alg", "\"\""),
        ("alg", "256"),
        ("alg", "[\"RS256\"]"),
        ("kid", "7"),
        ("kid", "null"),
        ("kid", "{}"),
        ("kid", "\"unknown\""),
        ("kid", "\"../../dev/null\""),
        ("kid", "\"key-0\""),
        ("kid", "\"shared\""),
        ("kid", "\"key-0\\u0000\""),
        ("kid", "\"' OR '1'='1\""),
        ("kid", "[\"key-0\"]"),
        ("\u{212a}id", "\"key-0\""),
        ("nonce", "7"),
        ("nonce", "\"n\""),
        ("typ", "\"JWT\""),
        ("typ", "7"),
        ("cty", "[1e400]"),
        ("zip", "{\"a\":1,\"a\":2}"),
        ("crit", "[\"exp\"]"),
        ("crit", "[]"),
        ("crit", "null"),
        ("crit", "[\"b64\"]"),
        ("crit", "[\"b64\",null]"),
        ("crit", "7"),
        ("b64", "false"),
        ("b64", "true"),
        ("b64", "\"false\""),
        ("jku", "\"https://attacker.example/keys\""),
        ("jwk", "null"),
        ("jwk", "{}"),
        ("jwk", "{\"kty\":\"oct\",\"k\":\"AA\"}"),
        ("jwk", "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}"),
        ("jwk", "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AA\"}"),
        ("jwk", "{\"kty\":\"RSA\",\"kty\":\"RSA\"}"),
        ("x5u", "\"https://attacker.example/cert\""),
        ("x5c", "[]"),
        ("x5c", "\"MII\""),
        ("x5c", "[\"MII\"]"),
        ("x5c", "[7]"),
        ("ALG", "\"none\""),
        ("a\\u0041", "\"é\""),
    ]);
    let raw_header: Vec<&'static [u8]> = vec![
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b"\"x\"",
        b"true",
        b"{\"alg\":\"RS256\",\"alg\":\"RS256\"}",
        b"{\"alg\":\"RS256\",\"al\\u0067\":\"none\"}",
        b"\xef\xbb\xbf{\"alg\":\"RS256\"}",
        b"{\"alg\":\"RS256\"} x",
        b"{\"alg\":\"RS256\",}",
        b"{\"alg\":\"RS256\",\"kid\":\"\xff\"}",
        b"{\"alg\":\"RS256\",\"x\":tru}",
        b"{\"alg\":\"RS256\",\"x\":01}",
        b"{\"alg\":\"RS256\",\"x\":\"\\x\"}",
        b"{\"alg\":\"R\tS256\"}",
        b" {\"alg\" : \"RS256\" }\n",
    ];
    let raw_payload: Vec<&'static [u8]> = vec![
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"\"x\"",
        b"7",
        b"\xef\xbb\xbf{}",
        b"{\"iss\":7}",
        b"{\"iss\":null}",
    ];
    let suffix: Vec<&'static [u8]> = vec![
        b",\"sub\":\"a\xffb\"}",
        b",\"email\":\"\xe2\x82\"}",
        b",\"name\":\"\xed\xa0\x80\"}",
        b",\"groups\":[\"\xf0\x9f\x98\"]}",
        b",\"s\xffub\":7}",
        b" , \"sub\" : \"spaced\" } \r\n",
        b"}x",
        b",}",
    ];
    let padding = prop_oneof![
        6 => select(vec![
            Padding::NoNull,
            Padding::LongLength,
            Padding::NoLength,
            Padding::Bare,
            Padding::CalledSha1,
            Padding::Type(0),
            Padding::Type(2),
            Padding::Fill,
        ]),
        2 => any::<usize>().prop_map(Padding::Bit),
        1 => select(vec![0usize, 8, 40]).prop_map(Padding::Garbage),
    ];
    let oddity = prop_oneof![
        1 => Just(Oddity::Salt(0)),
        1 => Just(Oddity::Salt(11)),
        1 => Just(Oddity::Salt(usize::MAX)),
        3 => padding.prop_map(Oddity::Padding),
        1 => Just(Oddity::Trailer),
        1 => Just(Oddity::Leading),
        1 => Just(Oddity::Der),
        1 => select(vec![Zero::R, Zero::S, Zero::Both]).prop_map(Oddity::Zero),
    ];
    let insert = select(vec![
        "=", "==", "\n", "\r\n", "\r", " ", "\t", "\u{b}", "\0", "\u{a0}", "+", "/", ".", "A", "*",
        "é", "{",
    ]);
    let whole = select(vec![
        "",
        ".",
        "..",
        "a.b",
        "...",
        "a.b.c.d",
        "a.b.c.d.e",
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAA.AAAA.AAAA",
        "{\"payload\":\"\"}",
        " {}..",
        "e30.e30.",
        "☃",
    ]);

    // The weights see to it that each step of Kubernetes' walk is the one that
    // decides often enough.
    let identity = prop_oneof![
        3 => odd().prop_map(T::Username),
        4 => wrong().prop_map(T::Username),
        3 => Just(T::WithoutUsername),
        2 => odd().prop_map(T::Groups),
        10 => wrong().prop_map(T::Groups),
        1 => select(vec!["[]", "[\"a\",null]", "[\"\",\"a\",\"a\"]", "[\"a\",7]"]).prop_map(T::Groups),
        4 => wrong().prop_map(T::Uid),
        2 => odd().prop_map(T::Uid),
        6 => Just(T::WithoutUid),
        4 => (0usize..4, wrong()).prop_map(|(i, v)| T::Required(i, v)),
        4 => (0usize..4, odd()).prop_map(|(i, v)| T::Required(i, v)),
        4 => (0usize..4).prop_map(T::WithoutRequired),
        4 => select(vec!["false", "true", "null", "\"true\"", "1", "[]"])
            .prop_map(|v| T::Claim("email_verified", v)),
        2 => select(vec!["\"x\"", "7", "null", "\"\""]).prop_map(|v| T::Claim("jti", v)),
    ];
    let claims = prop_oneof![
        2 => (typed, wrong()).prop_map(|(k, v)| T::Again(k, v)),
        2 => (date(), odd_date).prop_map(|(k, v)| T::Again(k, v)),
        3 => (date(), offset, date_style).prop_map(|(k, o, s)| T::Date(k, o, s)),
        1 => Just(T::Date("exp", -1, DateStyle::Number)),
        2 => Just(T::Date("nbf", 3600, DateStyle::Number)),
        1 => select(vec!["exp", "aud", "sub", "iat"]).prop_map(T::Remove),
        3 => (prop_oneof![5 => Just("_claim_names"), 1 => Just("_CLAIM_NAMES")], names)
            .prop_map(|(k, v)| T::Again(k, v)),
        1 => sources.prop_map(|v| T::Again("_claim_sources", v)),
        1 => select(vec!["\"other\"", "[]", "null", "[\"other\",\"another\"]", "7", "[7]", "{}", "[null]"])
            .prop_map(T::Audience),
        1 => (
            select(vec!["AUD", "aud"]),
            select(vec!["\"other\"", "[\"other\"]", "\"kubernetes\""]),
        )
            .prop_map(|(k, v)| T::Again(k, v)),
    ];
    let issuer = prop_oneof![
        3 => (0usize..10).prop_map(T::OtherIssuer),
        6 => (0usize..3).prop_map(T::OtherTrusted),
        1 => (
            select(vec!["ISS", "iss"]),
            select(vec!["7", "null", "\"https://issuer.example\"", "[]"]),
        )
            .prop_map(|(k, v)| T::Again(k, v)),
        1 => select(vec!["\"https://other.example\"", "\"\""]).prop_map(|v| T::Again("i\u{17f}s", v)),
        1 => Just(T::Remove("iss")),
        1 => select(raw_payload).prop_map(T::RawPayload),
        1 => whole.prop_map(T::Parts),
    ];
    let jose = prop_oneof![
        6 => header.prop_map(|(k, v)| T::Header(k, v)),
        3 => select(raw_header).prop_map(T::RawHeader),
        2 => select(suffix).prop_map(T::PayloadSuffix),
        3 => (0usize..3, any::<usize>(), insert).prop_map(|(p, at, s)| T::Insert(p, at, s)),
    ];
    let signature = prop_oneof![
        2 => any::<usize>().prop_map(T::OtherKey),
        4 => oddity.prop_map(T::Sign),
        1 => any::<bool>().prop_map(T::Unencoded),
        1 => select(vec!["none", "None", "NONE", "nOnE", ""]).prop_map(T::Unsigned),
        1 => (
            select(vec!["HS256", "HS384", "HS512", "RS256", "ES256"]),
            select(vec![
                Spelling::Jwk,
                Spelling::Der,
                Spelling::Pem,
                Spelling::Number,
                Spelling::Text,
                Spelling::Nothing,
            ]),
        )
            .prop_map(|(algorithm, spelling)| T::Hmac(algorithm, spelling)),
        2 => (any::<usize>(), select(vec![Carrier::Jwk, Carrier::Certificate]))
            .prop_map(|(key, carrier)| T::Embedded(key, carrier)),
        3 => (prop_oneof![2 => Just(2usize), 1 => 0usize..2], any::<usize>())
            .prop_map(|(part, at)| T::Flip(part, at)),
        1 => (0usize..300).prop_map(T::CutSignature),
        2 => (0usize..3).prop_map(T::SpareBits),
        1 => Just(T::ForeignPayload),
    ];
    let several = distributed.prop_map(T::Members);
    let fetched = fetched::fetch().prop_map(|fetch| T::Fetched(Box::new(fetch)));
    prop_oneof![
        200 => identity,
        160 => claims,
        20 => several,
        80 => fetched,
        40 => issuer,
        80 => jose,
        60 => signature,
        // They take long to ask about.
        1 => long().prop_map(T::Long),
    ]
}

impl Carrier {
    fn member(self, key: &Key) -> (&'static str, Value) {
        match self {
            Self::Jwk => ("jwk", key.jwk()),
            Self::Certificate => ("x5c", json!([STANDARD.encode(key.certificate())])),
        }
    }
}

impl Recipe {
    fn cook(&self, pool: &Pool, configurations: &[Configuration], sets: &[KeySet]) -> Sketch {
        let configuration = &configurations[self.configuration];
        let set = &sets[self.keys];
        let mut signer = set.members[self.signer % set.members.len()];
        let algorithm = self.algorithm(configuration, &pool.0[signer]);
        let key_id = match (self.kid, set.kids) {
            (KidChoice::Absent, _) | (_, Kids::None) => None,
            (KidChoice::Empty, _) => Some(String::new()),
            (KidChoice::Own, Kids::Own) => Some(kid(signer)),
            (KidChoice::Own, Kids::Shared) => Some("shared".to_owned()),
        };
        let mut draft = self.draft(configuration, algorithm, key_id.as_deref());
        let mut twists: Vec<&Twist> = Vec::new();
        for twist in &self.twists {
            // Which of two bad header members, or of two claim names, Kubernetes
            // reports is up to Go's random order of maps.
            let is_random = |other: &&Twist| {
                twist.is_header() && other.is_header() || twist.is_names() && other.is_names()
            };
            if !twists.iter().any(is_random) {
                twists.push(twist);
            }
        }
        for twist in &twists {
            self.twist(twist, configuration, &mut draft, &mut signer);
        }
        let carrier = twists.iter().find_map(|twist| match twist {
            Twist::Embedded(_, carrier) => Some(carrier),
            _ => None,
        });
        if let Some(carrier) = carrier {
            let (name, value) = carrier.member(&pool.0[signer]);
            draft.head(name, &value.to_string());
        }
        let trusted = self.with_others(configuration, configurations, sets);
        for twist in &twists {
            if let Twist::OtherTrusted(i) = twist
                && let Some(others) = trusted["others"].as_array()
            {
                let issuer = &others[i % others.len()]["jwt"]["issuer"]["url"];
                draft.set("iss", &issuer.to_string());
            }
        }
        let fetch = twists.iter().find_map(|twist| match twist {
            Twist::Fetched(fetch) => Some(fetch),
            _ => None,
        });
        let served = fetch.map(|fetch| {
            let context = self.context(configuration, pool, signer, key_id, algorithm)?;
            Some(fetch.apply(&mut draft, &context))
        });
        let bends = twists.iter().filter(|twist| twist.bends()).map(|twist| {
            let (twist, configuration) = ((*twist).clone(), configuration.clone());
            let bend = move |token| bend(&twist, token, &configuration);
            Rc::new(bend) as Rc<dyn Fn(String) -> String>
        });
        let many = twists.iter().find_map(|twist| match twist {
            Twist::Long(Long::Keys(count)) => Some(set.among(*count, &pool.0[FILLER])),
            _ => None,
        });
        let now = jiff::Timestamp::new(
            self.now,
            i32::try_from(self.nanoseconds).expect("below a second"),
        );
        Sketch {
            now: now.expect("now is in range").to_string(),
            token: Token::Signed {
                bends: bends.collect(),
                draft,
                key: Rc::clone(&pool.0[signer]),
            },
            keys: many.unwrap_or_else(|| set.body.clone()),
            configuration: trusted,
            served: served.flatten().unwrap_or_default(),
        }
    }

    /// A configuration in a file, with those before it whose issuers are others.
    fn with_others(
        &self,
        own: &Configuration,
        configurations: &[Configuration],
        sets: &[KeySet],
    ) -> Value {
        let mut json = own.json.clone();
        let mut issuers = vec![own.issuer];
        let mut others = Vec::new();
        for &(configuration, keys) in &self.others {
            let other = &configurations[configuration];
            let jwt = &other.json["jwt"];
            if json["flags"].is_null() && !jwt.is_null() && !issuers.contains(&other.issuer) {
                issuers.push(other.issuer);
                others.push(json!({"jwt": jwt, "keys": sets[keys].body}));
            }
        }
        if !others.is_empty() {
            json["others"] = others.into();
        }
        json
    }

    /// What a distributed claim has to fit; nothing where the configuration takes
    /// no groups that can be elsewhere.
    fn context<'p>(
        &self,
        configuration: &Configuration,
        pool: &'p Pool,
        signer: usize,
        kid: Option<String>,
        algorithm: &'static str,
    ) -> Option<fetched::Context<'p>> {
        let other = (signer + 1) % KEYS;
        Some(fetched::Context {
            claim: configuration.groups.filter(|&claim| claim != "sub")?,
            issuer: configuration.issuer,
            audience: configuration.audiences[0],
            now: self.now,
            key: &pool.0[signer],
            kid,
            algorithm,
            other: &pool.0[other],
            other_algorithm: self.algorithm(configuration, &pool.0[other]),
        })
    }

    /// One that goes with the key and, if there is any such, is allowed.
    fn algorithm(&self, configuration: &Configuration, key: &Key) -> &'static str {
        let fits = |name: &&&'static str| match key {
            Key::Rsa { .. } => !name.starts_with("ES"),
            // A P-256 key may sign with any; the others' r and s do not fit
            // into a shorter signature.
            Key::Ec { curve: "P-256", .. } => name.starts_with("ES"),
            Key::Ec { curve: "P-384", .. } => ["ES384", "ES512"].contains(name),
            Key::Ec { .. } => **name == key.native(),
        };
        let fitting: Vec<_> = configuration
            .algorithms
            .iter()
            .filter(fits)
            .copied()
            .collect();
        if fitting.is_empty() {
            key.native()
        } else {
            fitting[self.algorithm % fitting.len()]
        }
    }

    fn draft(&self, configuration: &Configuration, algorithm: &str, kid: Option<&str>) -> Draft {
        let mut draft = Draft::new(algorithm, kid);
        for (key, value) in &self.extras {
            draft.claims.push((text(key), (*value).to_owned()));
        }
        draft.set("iss", &text(configuration.issuer));
        let audience = configuration.audiences[self.signer % configuration.audiences.len()];
        let audience = match self.signer % 3 {
            0 => text(audience),
            1 => json!([audience]).to_string(),
            _ => json!(["other", audience]).to_string(),
        };
        draft.set("aud", &audience);
        draft.set("exp", &(self.now + self.life).to_string());
        if self.signer.is_multiple_of(4) {
            draft.set("nbf", &(self.now - self.life).to_string());
        }
        if !draft.claims.iter().any(|(key, _)| *key == text("sub")) {
            draft.set("sub", &text(self.subject));
        }
        for (claim, value) in &configuration.required {
            if *claim != "aud" {
                draft.set(claim, &text(value));
            } else if !self.signer.is_multiple_of(3) {
                draft.set("aud", &text(audience_of(configuration)));
            }
        }
        if !draft
            .claims
            .iter()
            .any(|(key, _)| *key == text(configuration.username))
        {
            draft.set(configuration.username, &text(self.subject));
        }
        if let Some(uid) = configuration.uid
            && !draft
                .claims
                .iter()
                .any(|(key, value)| *key == text(uid) && value.starts_with('"'))
        {
            draft.set(uid, "\"u-1\"");
        }
        draft
    }

    fn twist(
        &self,
        twist: &Twist,
        configuration: &Configuration,
        draft: &mut Draft,
        signer: &mut usize,
    ) {
        let required = |i: usize| {
            configuration
                .required
                .get(i % configuration.required.len().max(1))
        };
        match twist {
            Twist::Claim(key, value) => draft.set(key, value),
            Twist::Again(key, value) => draft.claims.push((text(key), (*value).to_owned())),
            Twist::Members(members) => {
                if let Some(groups) = configuration.groups.filter(|&claim| claim != "sub") {
                    draft.remove(groups);
                }
                draft
                    .claims
                    .extend(members.iter().map(|(k, v)| (text(k), (*v).to_owned())));
            }
            Twist::Remove(key) => draft.remove(key),
            Twist::Username(value) => draft.set(configuration.username, value),
            Twist::WithoutUsername => draft.remove(configuration.username),
            Twist::Groups(value) => {
                if let Some(claim) = configuration.groups {
                    draft.set(claim, value);
                }
            }
            Twist::Uid(value) => {
                if let Some(claim) = configuration.uid {
                    draft.set(claim, value);
                }
            }
            Twist::WithoutUid => {
                if let Some(claim) = configuration.uid {
                    draft.remove(claim);
                }
            }
            Twist::Required(i, value) => {
                if let Some((claim, _)) = required(*i) {
                    draft.set(claim, value);
                }
            }
            Twist::WithoutRequired(i) => {
                if let Some((claim, _)) = required(*i) {
                    draft.remove(claim);
                }
            }
            // What stands before it is known where the configuration is made.
            Twist::OtherTrusted(_) => {}
            Twist::OtherIssuer(i) => {
                draft.set("iss", &text(&other_issuer(configuration.issuer, *i)))
            }
            Twist::Audience(value) => draft.set("aud", value),
            Twist::Date(claim, offset, style) => {
                let seconds = self.now + offset;
                draft.set(
                    claim,
                    &match style {
                        DateStyle::Number => seconds.to_string(),
                        DateStyle::Quoted => format!("\"{seconds}\""),
                        DateStyle::Fraction => format!("{seconds}.75"),
                        DateStyle::QuotedFraction => format!("\"{seconds}.75\""),
                        DateStyle::Exponent => format!("{seconds}0e-1"),
                    },
                );
            }
            Twist::Header(key, value) => {
                if let Some(algorithm) = ALGORITHMS
                    .iter()
                    .find(|name| *key == "alg" && text(name) == *value)
                {
                    (*algorithm).clone_into(&mut draft.algorithm);
                }
                draft.head(key, value);
                draft.unencoded |= *key == "b64" && *value == "false";
            }
            Twist::RawHeader(bytes) => draft.raw_header = Some(bytes.to_vec()),
            Twist::RawPayload(bytes) => draft.raw_payload = Some(bytes.to_vec()),
            Twist::PayloadSuffix(bytes) => {
                let mut payload = draft.payload_bytes();
                payload.pop();
                payload.extend_from_slice(bytes);
                draft.raw_payload = Some(payload);
            }
            Twist::OtherKey(i) | Twist::Embedded(i, _) => *signer = i % KEYS,
            Twist::Unsigned(name) => draft.head("alg", &text(name)),
            Twist::Hmac(algorithm, spelling) => {
                draft.head("alg", &text(algorithm));
                (*algorithm).clone_into(&mut draft.algorithm);
                draft.oddity = Oddity::Hmac(*spelling);
            }
            Twist::Long(long) => {
                let much = || text(&"a".repeat(1 << 20));
                match long {
                    Long::Username => draft.set(configuration.username, &much()),
                    Long::Kid => draft.head("kid", &much()),
                    Long::Groups(count) => {
                        let groups: Vec<String> = (0..*count).map(|i| format!("g{i}")).collect();
                        if let Some(claim) = configuration.groups {
                            draft.set(claim, &json!(groups).to_string());
                        }
                    }
                    // The key set is another, not the token.
                    Long::Keys(_) => {}
                    Long::DeepHeader(depth) => draft.head("deep", &nested(*depth)),
                    Long::DeepPayload(depth) => draft.set("deep", &nested(*depth)),
                }
            }
            Twist::Sign(oddity) => draft.oddity = *oddity,
            Twist::Unencoded(critical) => {
                draft.unencoded = true;
                draft.head("b64", "false");
                if *critical {
                    draft.head("crit", "[\"b64\"]");
                }
            }
            Twist::Fetched(_)
            | Twist::Flip(..)
            | Twist::CutSignature(_)
            | Twist::SpareBits(_)
            | Twist::Insert(..)
            | Twist::ForeignPayload
            | Twist::Parts(_) => {}
        }
    }
}

fn audience_of(configuration: &Configuration) -> &'static str {
    configuration
        .audiences
        .iter()
        .find(|a| **a == "kubernetes")
        .unwrap_or(&configuration.audiences[0])
}

fn other_issuer(issuer: &str, i: usize) -> String {
    match i {
        0 => format!("{issuer}/"),
        1 => issuer.replacen("https", "http", 1),
        2 => issuer.to_uppercase(),
        3 => issuer.trim_end_matches('/').to_owned(),
        4 => "accounts.google.com".to_owned(),
        5 => format!(" {issuer}"),
        6 => issuer.replacen("://", "://x@", 1),
        7 => issuer.replacen(".example", ".example:443", 1),
        8 => issuer.replacen("issuer", "other", 1),
        _ => String::new(),
    }
}

/// What is done to the token when it is signed.
fn bend(twist: &Twist, token: String, configuration: &Configuration) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let [_, payload, signature] = &mut parts[..] else {
        return token;
    };
    match twist {
        // Another twist may have put letters of several bytes there.
        Twist::CutSignature(_) if !signature.is_ascii() => {}
        Twist::Flip(part, at) => {
            let part = &mut parts[*part];
            if !part.is_empty() && part.is_ascii() {
                let at = at % part.len();
                let other = if part.as_bytes()[at] == b'A' {
                    "B"
                } else {
                    "A"
                };
                part.replace_range(at..=at, other);
            }
        }
        Twist::Unsigned(_) => signature.clear(),
        Twist::CutSignature(keep) => signature.truncate(*keep),
        Twist::SpareBits(part) => {
            if let Some(last) = parts[*part].pop() {
                let next = match last {
                    'Z' => 'a',
                    'z' => '0',
                    '9' => '-',
                    '-' | '_' => '_',
                    c => char::from_u32(c as u32 + 1).unwrap_or(c),
                };
                parts[*part].push(next);
            }
        }
        Twist::Insert(part, at, inserted) => {
            let part = &mut parts[*part];
            let mut at = at % (part.len() + 1);
            while !part.is_char_boundary(at) {
                at -= 1;
            }
            part.insert_str(at, inserted);
        }
        Twist::ForeignPayload => {
            let claims = json!({"iss": configuration.issuer, "aud": configuration.audiences, "sub": "mallory"});
            *payload = base64(claims.to_string().as_bytes());
        }
        Twist::Parts(token) => return (*token).to_owned(),
        _ => return token,
    }
    parts.join(".")
}
