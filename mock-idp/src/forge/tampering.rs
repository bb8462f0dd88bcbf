//! What anybody can do to a real token after it was signed.

use serde_json::{Value, json};

use super::jws::{Jws, encode, join};
use super::{Forged, Forgery, Impossible};

/// Forges.
///
/// # Errors
/// [`Impossible`]: the token has nothing of the kind to change.
pub(super) fn forge(word: Forgery, real: &Jws<'_>) -> Result<Vec<Forged>, Impossible> {
    Ok(match word {
        Forgery::AlgNone => alg_none(real),
        Forgery::RelabelledAlgorithm => relabelled(real),
        Forgery::ZeroSignature => zeros(real),
        Forgery::DerSignature => vec![Forged::new("DER", real.resigned(&der(real)?))],
        Forgery::Tampered => tampered(real),
        Forgery::TamperedSignature => at_each_byte(&real.signature, "byte", 512)
            .into_iter()
            .map(|(name, signature)| Forged::new(name, real.resigned(&signature)))
            .collect(),
        Forgery::TruncatedSignature => truncated(real),
        Forgery::WrongPartCount => wrong_part_count(real),
        Forgery::Encrypted => encrypted(real),
        Forgery::JsonSerialised => json_serialised(real),
        Forgery::Padded => each_part(real, "padded", |part| {
            let missing = (4 - part.len() % 4) % 4;
            Some(format!("{part}{}", "=".repeat(missing.max(1))))
        }),
        Forgery::StandardAlphabet => standard_alphabet(real),
        Forgery::SpareBits => each_part(real, "a bit more", with_spare_bits),
        Forgery::WhiteSpace => white_space(real),
        _ => Vec::new(),
    })
}

fn alg_none(real: &Jws<'_>) -> Vec<Forged> {
    let [_, payload, _] = real.parts;
    let named = |alg: &str| encode(real.header.clone().set("alg", json!(alg)).bytes());
    let unsigned = |variant: &str, header: &str| Forged::new(variant, join(&[header, payload, ""]));
    let mut all: Vec<Forged> = ["none", "None", "NONE", "nOnE", ""]
        .iter()
        .map(|alg| unsigned(&format!("{alg:?}"), &named(alg)))
        .collect();
    let none = real.header.clone().set("alg", json!("none"));
    all.push(unsigned(
        "no alg",
        &encode(real.header.clone().without("alg").bytes()),
    ));
    all.push(Forged::new(
        "\"none\" over the real signature",
        real.relabelled(&none),
    ));
    all
}

fn relabelled(real: &Jws<'_>) -> Vec<Forged> {
    let own = real.header.text("alg").unwrap_or_default();
    [
        "HS256", "RS512", "RS256", "PS256", "ES256", "ES512", "EdDSA",
    ]
    .iter()
    .filter(|alg| **alg != own)
    .map(|alg| {
        let header = real.header.clone().set("alg", json!(alg));
        Forged::new(*alg, real.relabelled(&header))
    })
    .collect()
}

/// ECDSA's r and s must not be zero (FIPS 186-5 section 6.4.2).
fn zeros(real: &Jws<'_>) -> Vec<Forged> {
    let [_, payload, _] = real.parts;
    let es256 = encode(real.header.clone().set("alg", json!("ES256")).bytes());
    let with = |variant: &str, r: u8, s: u8| {
        let signature = [[r; 32], [s; 32]].concat();
        Forged::new(variant, join(&[&es256, payload, &encode(signature)]))
    };
    vec![
        Forged::new(
            "as long as the real one",
            real.resigned(&vec![0; real.signature.len()]),
        ),
        with("ES256, r and s are zero", 0, 0),
        with("ES256, r is zero", 0, 1),
        with("ES256, s is zero", 1, 0),
    ]
}

/// The real signature `r ‖ s` (RFC 7518 section 3.4) as an `Ecdsa-Sig-Value`.
fn der(real: &Jws<'_>) -> Result<Vec<u8>, Impossible> {
    let alg = real.header.text("alg").unwrap_or_default();
    if !alg.starts_with("ES") {
        return Err(Impossible::new(format!(
            "the token is signed by {alg}, and only ECDSA's signatures have two forms"
        )));
    }
    let (r, s) = real.signature.split_at(real.signature.len() / 2);
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = &number[zeros..];
        let sign: &[u8] = if digits.first().is_none_or(|byte| *byte > 0x7f) {
            &[0]
        } else {
            &[]
        };
        element(2, &[sign, digits].concat())
    };
    Ok(element(0x30, &[integer(r), integer(s)].concat()))
}

/// A DER element of less than 256 bytes.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u8::try_from(contents.len()).unwrap_or(u8::MAX);
    let long: &[u8] = if length > 0x7f { &[0x81] } else { &[] };
    [&[tag], long, &[length], contents].concat()
}

fn tampered(real: &Jws<'_>) -> Vec<Forged> {
    let [header, payload, signature] = real.parts;
    let exp = real.claims.integer("exp").unwrap_or_default();
    let later = real.claims.clone().set("exp", json!(exp + 315_360_000));
    let other = real.claims.clone().set("sub", json!("somebody-else"));
    let claims = |variant: &str, claims: Vec<u8>| {
        Forged::new(variant, join(&[header, &encode(claims), signature]))
    };
    let mut all = vec![
        claims("exp ten years later", later.bytes()),
        claims("another sub", other.bytes()),
    ];
    let flipped = at_each_byte(&real.claims.bytes(), "payload byte", 64);
    all.extend(
        flipped
            .into_iter()
            .map(|(name, bytes)| claims(&name, bytes)),
    );
    let flipped = at_each_byte(&real.header.bytes(), "header byte", 64);
    all.extend(
        flipped
            .into_iter()
            .map(|(name, bytes)| Forged::new(name, join(&[&encode(bytes), payload, signature]))),
    );
    all
}

/// `bytes` with the lowest bit turned over at each byte; at no more than `most`
/// of them, evenly spread.
fn at_each_byte(bytes: &[u8], what: &str, most: usize) -> Vec<(String, Vec<u8>)> {
    let step = bytes.len().div_ceil(most).max(1);
    let flipped = |at: usize| {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        (format!("{what} {at}"), changed)
    };
    (0..bytes.len()).step_by(step).map(flipped).collect()
}

fn truncated(real: &Jws<'_>) -> Vec<Forged> {
    let signature = real.signature.as_slice();
    let length = signature.len();
    let with = |variant: &str, signature: &[u8]| Forged::new(variant, real.resigned(signature));
    vec![
        with("a byte less", &signature[..length.saturating_sub(1)]),
        with("half of it", &signature[..length / 2]),
        with("one byte", &signature[..length.min(1)]),
        with("nothing", &[]),
        with("without its first byte", &signature[length.min(1)..]),
        with("a zero more", &[signature, &[0]].concat()),
        with("a zero before it", &[&[0], signature].concat()),
        with("twice", &[signature, signature].concat()),
    ]
}

/// No part at all is no token, and who comes without one is anonymous.
fn wrong_part_count(real: &Jws<'_>) -> Vec<Forged> {
    let [header, payload, signature] = real.parts;
    [
        ("two parts", vec![header, payload]),
        ("one part", vec![payload]),
        ("four parts", vec![header, payload, signature, signature]),
        ("five parts", vec![header, payload, signature, "", ""]),
        ("a dot before it", vec!["", header, payload, signature]),
        ("no header", vec!["", payload, signature]),
    ]
    .into_iter()
    .map(|(variant, parts)| Forged::new(variant, join(&parts)))
    .collect()
}

/// Only the shape: nothing is encrypted to anybody.
fn encrypted(real: &Jws<'_>) -> Vec<Forged> {
    let [_, payload, signature] = real.parts;
    [("dir", ""), ("RSA-OAEP", signature)]
        .into_iter()
        .map(|(alg, key)| {
            let header = json!({"alg": alg, "enc": "A256GCM", "cty": "JWT"});
            let header = encode(header.to_string());
            let (iv, tag) = (encode([7; 12]), encode([7; 16]));
            Forged::new(alg, join(&[&header, key, &iv, payload, &tag]))
        })
        .collect()
}

fn json_serialised(real: &Jws<'_>) -> Vec<Forged> {
    let [protected, payload, signature] = real.parts;
    let flattened = json!({"payload": payload, "protected": protected, "signature": signature});
    let general = json!({
        "payload": payload,
        "signatures": [{"protected": protected, "signature": signature}],
    });
    [("flattened", flattened), ("general", general)]
        .into_iter()
        .map(|(variant, token): (_, Value)| Forged::new(variant, token.to_string()))
        .collect()
}

/// The token with one part changed, for each part that can be; the signature
/// comes first.
fn each_part(real: &Jws<'_>, what: &str, change: impl Fn(&str) -> Option<String>) -> Vec<Forged> {
    [(2, "signature"), (1, "payload"), (0, "header")]
        .into_iter()
        .filter_map(|(at, name)| {
            let changed = change(real.parts[at])?;
            let mut parts = real.parts;
            parts[at] = &changed;
            Some(Forged::new(format!("{name} {what}"), join(&parts)))
        })
        .collect()
}

/// Where there is neither `-` nor `_`, both alphabets spell a part alike.
fn standard_alphabet(real: &Jws<'_>) -> Vec<Forged> {
    let mut all = each_part(real, "in it", |part| {
        let standard = part.replace('-', "+").replace('_', "/");
        let middle = part.len() / 2;
        Some(if standard == part && !part.is_empty() {
            format!("{}+{}", &part[..middle], &part[middle + 1..])
        } else {
            standard
        })
    });
    all.push(Forged::new(
        "a letter of no alphabet",
        within(real, 2, "\u{e9}"),
    ));
    all
}

/// Sets the lowest of the bits that belong to no byte, where there are any
/// (RFC 4648 section 3.5).
fn with_spare_bits(part: &str) -> Option<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if part.len().is_multiple_of(4) {
        return None;
    }
    let (rest, last) = part.split_at(part.len() - 1);
    let value = ALPHABET.iter().position(|c| [*c] == last.as_bytes())?;
    Some(format!("{rest}{}", char::from(ALPHABET[value ^ 1])))
}

/// A header carries the first three of these; the others can only be asked about.
fn white_space(real: &Jws<'_>) -> Vec<Forged> {
    vec![
        Forged::new("a tab in the signature", within(real, 2, "\t")),
        Forged::new("a space in the signature", within(real, 2, " ")),
        Forged::new("a tab in the payload", within(real, 1, "\t")),
        Forged::new("a line break in the payload", within(real, 1, "\r\n")),
        Forged::new(
            "a line break at the end",
            format!("{}\n", join(&real.parts)),
        ),
        Forged::new("a NUL in the signature", within(real, 2, "\0")),
    ]
}

/// The token with `what` in the middle of a part.
fn within(real: &Jws<'_>, at: usize, what: &str) -> String {
    let (start, end) = real.parts[at].split_at(real.parts[at].len() / 2);
    let changed = [start, what, end].concat();
    let mut parts = real.parts;
    parts[at] = &changed;
    join(&parts)
}
