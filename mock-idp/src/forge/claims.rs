//! Other claims under the issuer's own signature: what is refused has to be
//! refused for the claim.

use serde_json::{Value, json};

use super::jws::{Jws, Object, compact};
use super::{Forged, Forgery, Impossible, Issuer};

/// Forges.
///
/// # Errors
/// [`Impossible`]: the token lacks what is to be changed.
pub(super) fn forge(
    word: Forgery,
    real: &Jws<'_>,
    issuer: &Issuer,
) -> Result<Vec<Forged>, Impossible> {
    let header = real.header.clone().set("kid", json!(issuer.key.kid()));
    let variants = if matches!(
        word,
        Forgery::BadGroups | Forgery::GroupsAsString | Forgery::ManyGroups
    ) {
        groups(word, &real.claims, &issuer.groups_claim)
    } else {
        variants(word, &real.claims, issuer)?
    };
    Ok(variants
        .into_iter()
        .map(|(variant, claims)| {
            let sign = |input: &[u8]| issuer.key.sign(input);
            Forged::new(variant, compact(&header.bytes(), &claims.bytes(), sign))
        })
        .collect())
}

type Variants = Vec<(&'static str, Object)>;

/// The claims of every variant.
fn variants(word: Forgery, real: &Object, issuer: &Issuer) -> Result<Variants, Impossible> {
    let set = |name: &str, value: Value| real.clone().set(name, value);
    let raw = |name: &str, json: &str| real.clone().set(name, json);
    let without = |name: &str| real.clone().without(name);
    let missing = |name: &str| Impossible::new(format!("the token has no {name}"));
    let now = issuer.now.as_second();
    let exp = real.integer("exp").ok_or_else(|| missing("exp"))?;
    let username = issuer.username_claim.as_str();
    Ok(match word {
        Forgery::Expired => vec![
            ("an hour ago", set("exp", json!(now - 3600))),
            ("a second ago", set("exp", json!(now - 1))),
        ],
        Forgery::NotYetValid => vec![
            ("in an hour", set("nbf", json!(now + 3600))),
            ("in two minutes", set("nbf", json!(now + 120))),
            ("in quotes", set("nbf", json!((now + 3600).to_string()))),
        ],
        Forgery::NearlyValid => vec![("in 50 s", set("nbf", json!(now + 50)))],
        Forgery::WrongAudience => vec![
            ("somebody else's", set("aud", json!("somebody-else"))),
            ("a list without it", set("aud", json!(["somebody-else"]))),
            ("an empty list", set("aud", json!([]))),
            ("null", set("aud", Value::Null)),
            ("missing", without("aud")),
            ("a number", set("aud", json!(7))),
        ],
        Forgery::SeveralAudiences => {
            let own = real.json("aud").ok_or_else(|| missing("aud"))?;
            let list = format!("[\"somebody-else\",{}]", own.trim_matches(['[', ']']));
            vec![("a list with it", raw("aud", &list))]
        }
        Forgery::WrongIssuer => wrong_issuers(real),
        Forgery::MissingExp => vec![("missing", without("exp"))],
        Forgery::BadExp => vec![
            ("null", set("exp", Value::Null)),
            ("true", set("exp", json!(true))),
            ("a word", set("exp", json!("never"))),
            ("a list", set("exp", json!([exp]))),
            ("negative", set("exp", json!(-1))),
            ("zero", set("exp", json!(0))),
            ("beyond 64 bits", raw("exp", "9223372036854775808")),
            ("beyond a double", raw("exp", "1e400")),
        ],
        Forgery::ExpAsString => vec![("in quotes", set("exp", json!(exp.to_string())))],
        Forgery::FractionalExp => vec![("half a second", raw("exp", &format!("{exp}.5")))],
        Forgery::BadNbf => vec![
            ("a word", set("nbf", json!("tomorrow"))),
            ("true", set("nbf", json!(true))),
        ],
        Forgery::BadIat => vec![
            ("a word", set("iat", json!("yesterday"))),
            ("true", set("iat", json!(true))),
        ],
        Forgery::OddIat => vec![
            ("in an hour", set("iat", json!(now + 3600))),
            ("missing", without("iat")),
            ("in quotes", set("iat", json!(now.to_string()))),
        ],
        Forgery::MissingUsername => vec![("missing", without(username))],
        Forgery::BadUsername => vec![
            ("a number", set(username, json!(7))),
            ("a list", set(username, json!(["admin"]))),
            ("an object", set(username, json!({"name": "admin"}))),
            ("true", set(username, json!(true))),
        ],
        Forgery::EmptyUsername => vec![
            ("empty", set(username, json!(""))),
            ("null", set(username, Value::Null)),
        ],
        Forgery::LongUsername => vec![
            ("64 KiB", set(username, json!("a".repeat(1 << 16)))),
            ("1 MiB", set(username, json!("a".repeat(1 << 20)))),
        ],
        Forgery::EmailUnverified => vec![
            ("false", set("email_verified", json!(false))),
            ("true as a string", set("email_verified", json!("true"))),
            ("null", set("email_verified", Value::Null)),
        ],
        Forgery::NoEmailVerified => {
            let there = real.json("email_verified").is_some();
            let gone = there.then(|| without("email_verified"));
            vec![(
                "missing",
                gone.ok_or_else(|| missing("email_verified to leave out"))?,
            )]
        }
        Forgery::DuplicateClaim => {
            let twice = |name: &str, value: Value| real.clone().with(name, value);
            vec![
                ("the user", twice(username, json!("the-last-one"))),
                (
                    "the groups",
                    twice(&issuer.groups_claim, json!(["the-last"])),
                ),
                ("exp", twice("exp", json!(exp))),
            ]
        }
        Forgery::ClaimCase => vec![
            ("EXP", real.clone().renamed("exp", "EXP")),
            ("ISS", real.clone().renamed("iss", "ISS")),
            ("AUD", real.clone().renamed("aud", "AUD")),
        ],
        _ => Vec::new(),
    })
}

fn groups(word: Forgery, real: &Object, claim: &str) -> Variants {
    let set = |value: Value| real.clone().set(claim, value);
    match word {
        Forgery::BadGroups => vec![
            ("a number", set(json!(7))),
            ("a list in a list", set(json!([["admins"]]))),
            ("an object", set(json!({"admins": true}))),
            ("true", set(json!(true))),
        ],
        Forgery::GroupsAsString => vec![("one group", set(json!("as-a-string")))],
        _ => {
            let many: Vec<String> = (0..10_000).map(|i| format!("g{i:04}")).collect();
            vec![
                ("10,000 groups", set(json!(many))),
                ("one group twice", set(json!(["twice", "twice"]))),
            ]
        }
    }
}

/// Whatever a byte-by-byte comparison tells apart, the spellings that RFC 3986
/// section 6 has for the same URL among them.
fn wrong_issuers(real: &Object) -> Variants {
    let iss = real.text("iss").unwrap_or_default();
    let set = |value: String| real.clone().set("iss", json!(value));
    let path = iss.splitn(4, '/').nth(3).unwrap_or_default();
    let mut all = vec![
        (
            "another host",
            set(format!("https://issuer.invalid/{path}")),
        ),
        ("a slash at its end", set(format!("{iss}/"))),
        ("in capitals", set(iss.to_ascii_uppercase())),
        ("http for https", set(iss.replacen("https:", "http:", 1))),
        ("empty", set(String::new())),
        ("missing", real.clone().without("iss")),
    ];
    let host = iss.split('/').nth(2).unwrap_or_default();
    let at = |host_now: String| set(iss.replacen(host, &host_now, 1));
    all.push(("somebody before its host", at(format!("x@{host}"))));
    all.push(("a dot in its path", at(format!("{host}/."))));
    match host.rsplit_once(':') {
        None => all.push(("with its default port", at(format!("{host}:443")))),
        Some((name, port)) => {
            all.push(("a zero before its port", at(format!("{name}:0{port}"))));
            all.push(("without its port", at(name.to_owned())));
        }
    }
    all
}
