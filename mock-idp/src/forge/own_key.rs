//! Signatures with a key of the forger's own, and ways to make a verifier take
//! it for the issuer's.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::jws::{Jws, Object, compact};
use super::{Forged, Forgery, Impossible, Material};
use crate::domain::Error;
use crate::domain::keys::{Key, element};
use crate::keybank::KeyBank;

/// A key that is nobody's, with a certificate that it signed itself.
#[derive(Debug)]
pub struct Stranger {
    key: Key,
    certificate: Vec<u8>,
}

impl Stranger {
    /// A forger whose key is `key`.
    ///
    /// # Errors
    /// [`Error::Internal`] when there is no certificate for it, which there is.
    pub fn new(key: Key) -> Result<Self, Error> {
        let internal = |why: &dyn std::fmt::Display| {
            Error::Internal(format!("A certificate could not be made: {why}"))
        };
        let pkcs8 = key.pkcs8().map_err(|error| internal(&error))?;
        let now = foundation::pki::today();
        let certificate = foundation::pki::self_signed("a forger", pkcs8.as_ref(), now)
            .map_err(|error| internal(&error))?;
        Ok(Self {
            key,
            certificate: certificate.to_vec(),
        })
    }

    /// A forger with a new key: never on an async thread.
    ///
    /// # Errors
    /// [`Error::Internal`] when no key can be made.
    pub fn generate() -> Result<Self, Error> {
        Self::new(KeyBank::in_memory(0).draw()?)
    }

    /// What the forger serves to who comes for `jku`.
    pub fn key_set(&self) -> Value {
        json!({"keys": [jwk(&self.key)]})
    }

    /// What the forger serves to who comes for `x5u`.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    fn signed(&self, header: &Object, claims: &Object) -> String {
        compact(&header.bytes(), &claims.bytes(), |input| {
            self.key.sign(input)
        })
    }
}

/// A public key as pools publish it (RFC 7517 section 4).
pub(crate) fn jwk(key: &Key) -> Value {
    json!({
        "alg": "RS256", "e": key.exponent(), "kid": key.kid(),
        "kty": "RSA", "n": key.modulus(), "use": "sig",
    })
}

/// Forges.
///
/// # Errors
/// [`Impossible`]: the issuer's keys are not known, or of no kind that will do.
pub(super) fn forge(
    word: Forgery,
    real: &Jws<'_>,
    material: &Material<'_>,
) -> Result<Vec<Forged>, Impossible> {
    let stranger = material.stranger;
    if word == Forgery::HmacWithPublicKey {
        return hmac_with_public_key(real, material.keys);
    }
    let own = real
        .header
        .clone()
        .set("alg", json!("RS256"))
        .set("kid", json!(stranger.key.kid()));
    let known = own.clone().set("kid", real.kid());
    let signed = |variant: &str, header: Object| {
        Forged::new(variant, stranger.signed(&header, &real.claims))
    };
    Ok(match word {
        Forgery::UnknownKey => vec![signed("its own kid", own)],
        Forgery::WrongKey => vec![
            signed("the real kid", known),
            signed("no kid", own.without("kid")),
        ],
        Forgery::HostileKid => hostile_kids(real, &own, material),
        Forgery::RemoteKey => {
            let jku = json!(format!("{}/jku", material.lure));
            let x5u = json!(format!("{}/x5u", material.lure));
            vec![
                signed("jku", own.clone().set("jku", &jku)),
                signed("jku under the real kid", known.set("jku", &jku)),
                signed("x5u", own.set("x5u", x5u)),
            ]
        }
        Forgery::EmbeddedKey => {
            let jwk = jwk(&stranger.key);
            let chain = json!([STANDARD.encode(&stranger.certificate)]);
            vec![
                signed("jwk", own.clone().set("jwk", &jwk)),
                signed("jwk under the real kid", known.clone().set("jwk", &jwk)),
                signed(
                    "jwk without a kid",
                    own.clone().without("kid").set("jwk", &jwk),
                ),
                signed("x5c", own.set("x5c", &chain)),
                signed("x5c under the real kid", known.set("x5c", &chain)),
            ]
        }
        _ => Vec::new(),
    })
}

/// A `kid` is a name, and neither a file's nor a query's (RFC 8725 section 2.9).
fn hostile_kids(real: &Jws<'_>, own: &Object, material: &Material<'_>) -> Vec<Forged> {
    let signed = |variant: &str, kid: Value| {
        let header = own.clone().set("kid", kid);
        Forged::new(variant, material.stranger.signed(&header, &real.claims))
    };
    // An HMAC with what is in that file.
    let null = own
        .clone()
        .set("alg", json!("HS256"))
        .set("kid", json!("../../../../../../dev/null"));
    vec![
        Forged::new("a path to nothing", maced(&null, &real.claims, b"")),
        signed("a query", json!("x' UNION SELECT 'x';--")),
        signed("a URL", json!(format!("{}/kid", material.lure))),
        signed("a NUL", json!("\0")),
        signed("64 KiB", json!("k".repeat(1 << 16))),
        signed("1 MiB", json!("k".repeat(1 << 20))),
        signed("a number", json!(7)),
        signed("an object", json!({"$ne": ""})),
        signed("a list", json!([real.header.text("kid")])),
    ]
}

fn maced(header: &Object, claims: &Object, secret: &[u8]) -> String {
    compact(&header.bytes(), &claims.bytes(), |input| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        hmac::sign(&key, input).as_ref().to_vec()
    })
}

/// A verifier that asks the header for the algorithm takes the public key, which
/// anybody has, for a secret (RFC 8725 section 2.1).
fn hmac_with_public_key(real: &Jws<'_>, keys: Option<&Value>) -> Result<Vec<Forged>, Impossible> {
    let keys = keys.ok_or_else(|| Impossible::new("the issuer's keys are not known"))?;
    let all = keys["keys"].as_array().into_iter().flatten();
    let kid: Value = serde_json::from_str(real.kid()).unwrap_or_default();
    let jwk = all
        .clone()
        .find(|jwk| jwk["kid"] == kid)
        .or_else(|| all.clone().next())
        .ok_or_else(|| Impossible::new("the issuer publishes no keys"))?;
    let header = real.header.clone().set("alg", json!("HS256"));
    Ok(spellings(jwk)
        .into_iter()
        .map(|(variant, secret)| Forged::new(variant, maced(&header, &real.claims, &secret)))
        .collect())
}

/// The forms in which a program may hold a public key.
fn spellings(jwk: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let decoded = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
    let set = json!({"keys": [jwk]}).to_string();
    let mut all = Vec::new();
    if let (Some(n), Some(e)) = (decoded("n"), decoded("e")) {
        let components = RsaPublicKeyComponents { n: &n, e: &e };
        if let Ok(der) = components.as_der() {
            let spki: PublicKeyX509Der<'_> = der;
            let spki = spki.as_ref();
            // The bit string in it, without the count of unused bits, is the
            // `RSAPublicKey` (RFC 3279 section 2.3.1).
            let pkcs1 = &element(element(element(spki).0).1).0[1..];
            let text = pem("PUBLIC KEY", spki);
            all.extend([
                ("PEM", text.clone().into_bytes()),
                ("PEM without its last line break", text.trim_end().into()),
                ("PKCS #1 PEM", pem("RSA PUBLIC KEY", pkcs1).into_bytes()),
                ("DER", spki.to_vec()),
                ("PKCS #1 DER", pkcs1.to_vec()),
            ]);
        }
        all.push(("the modulus", n));
    }
    all.extend([
        ("JWK", jwk.to_string().into_bytes()),
        ("JWKS", set.into_bytes()),
    ]);
    all
}

/// PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
