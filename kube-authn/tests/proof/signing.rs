//! Keys made for one run, and signatures of every shape with them. No private
//! key is ever written down.

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::BoxedUint;
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};

/// A key pair.
pub enum Key {
    Rsa {
        private: Box<rsa::PrivateKey>,
        size: usize,
    },
    Ec {
        pair: Box<EcdsaKeyPair>,
        curve: &'static str,
    },
}

/// Ways to sign that are not the everyday one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    None,
    /// PSS with a salt of this many bytes; `usize::MAX` is the longest that fits.
    Salt(usize),
    /// PSS that ends in another byte than 0xbc.
    Trailer,
    /// PSS that has a one before its first bit, where the key leaves room.
    Leading,
    /// PKCS#1 v1.5 that is not quite as RFC 8017 section 9.2 has it.
    Padding(Padding),
    /// PKCS#1 v1.5 by SHA-1, whatever the algorithm says; not drawn.
    Sha1,
    /// An ECDSA signature as ASN.1 DER.
    Der,
    /// An r of zero, an s, or both.
    Zero(Zero),
    /// An HMAC with the public key as its secret.
    Hmac(Spelling),
}

/// What is wrong with a block of PKCS#1 v1.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// No NULL after the hash's OID.
    NoNull,
    /// The length of the digest's description in its long form.
    LongLength,
    /// That length left to two zeros at its end.
    NoLength,
    /// The digest without a description.
    Bare,
    /// The digest's beginning under the name of SHA-1.
    CalledSha1,
    /// Another type of block; that of 0 is padded with zeros.
    Type(u8),
    /// Padded with another byte than 0xff.
    Fill,
    /// The lowest bit of the byte at this place is another.
    Bit(usize),
    /// So many bytes of padding; what is left stands behind the digest
    /// (Bleichenbacher's forgery, 2006).
    Garbage(usize),
}

/// How a public key is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Its JWK.
    Jwk,
    /// Its `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    Der,
    /// That as text (RFC 7468).
    Pem,
    /// The modulus or the x of a point, as a number and as it stands in the JWK.
    Number,
    Text,
    /// No bytes at all.
    Nothing,
}

/// Which of the two numbers of an ECDSA signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    R,
    S,
    Both,
}

impl Key {
    pub fn rsa(bits: usize) -> Self {
        Self::rsa_with_exponent(bits, 65_537)
    }

    pub fn rsa_with_exponent(bits: usize, exponent: u64) -> Self {
        let mut rng = rand::rng();
        let private =
            rsa::PrivateKey::new_with_exp_unchecked(&mut rng, bits, BoxedUint::from(exponent))
                .expect("an RSA key can be made");
        Self::Rsa {
            private: Box::new(private),
            size: bits.div_ceil(8),
        }
    }

    pub fn ec(curve: &'static str) -> Self {
        let algorithm = match curve {
            "P-256" => &lc::ECDSA_P256_SHA256_FIXED_SIGNING,
            "P-384" => &lc::ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &lc::ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        let pair = EcdsaKeyPair::generate(algorithm).expect("an EC key can be made");
        Self::Ec {
            pair: Box::new(pair),
            curve,
        }
    }

    /// The public key as a JWK with nothing but what is necessary.
    pub fn jwk(&self) -> Value {
        match self {
            Self::Rsa { private, .. } => Self::public_rsa_jwk(private.as_ref()),
            Self::Ec { pair, curve } => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": base64(x), "y": base64(y)})
            }
        }
    }

    /// An RSA public key as a JWK.
    fn public_rsa_jwk(key: &impl PublicKeyParts) -> Value {
        let strip = |n: &BoxedUint| -> Vec<u8> {
            n.to_be_bytes()
                .iter()
                .copied()
                .skip_while(|&b| b == 0)
                .collect()
        };
        json!({"kty": "RSA", "n": base64(&strip(key.n())), "e": base64(&strip(key.e()))})
    }

    /// The algorithm that goes with the key.
    pub fn native(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::Ec { curve: "P-256", .. } => "ES256",
            Self::Ec { curve: "P-384", .. } => "ES384",
            Self::Ec { .. } => "ES512",
        }
    }

    /// Signs as the algorithm of that name says; one that does not go with the
    /// key gives a signature that is as good as noise.
    pub fn sign(&self, algorithm: &str, message: &[u8], oddity: Oddity) -> Vec<u8> {
        let hash = match algorithm.get(2..) {
            _ if oddity == Oddity::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Some("384") => &digest::SHA384,
            Some("512") => &digest::SHA512,
            _ => &digest::SHA256,
        };
        if let Oddity::Hmac(spelling) = oddity {
            return self.hmac(hash, message, spelling);
        }
        match self {
            Self::Rsa { private, size } => {
                let hashed = digest::digest(hash, message);
                let encoded = if algorithm.starts_with("PS") {
                    pss(
                        hash,
                        hashed.as_ref(),
                        private.n().bit_width_vartime() as usize - 1,
                        oddity,
                    )
                } else {
                    pkcs1(hashed.as_ref(), *size, oddity)
                };
                raw_rsa(private, &encoded, *size)
            }
            Self::Ec { pair, .. } => ecdsa(pair, algorithm, hash, message, oddity),
        }
    }

    /// A certificate that the key signs for itself, as DER.
    pub fn certificate(&self) -> Vec<u8> {
        let params = rcgen::CertificateParams::new(Vec::new()).expect("no names are names");
        let certificate = params.self_signed(&Certified {
            public: self.public(),
            key: self,
        });
        certificate
            .expect("a certificate can be made")
            .der()
            .to_vec()
    }

    /// What a certificate has of the key, without its algorithm.
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa { private, .. } => {
                let der = private.to_public_key().to_pkcs1_der();
                der.expect("an RSA key has a DER").as_bytes().to_vec()
            }
            Self::Ec { pair, .. } => pair.public_key().as_ref().to_vec(),
        }
    }

    fn spki(&self) -> Vec<u8> {
        match self {
            Self::Rsa { private, .. } => {
                let der = private.to_public_key().to_public_key_der();
                der.expect("an RSA key has a DER").as_bytes().to_vec()
            }
            Self::Ec { pair, .. } => {
                let der: Result<PublicKeyX509Der<'_>, _> = pair.public_key().as_der();
                der.expect("an EC key has a DER").as_ref().to_vec()
            }
        }
    }

    fn hmac(
        &self,
        hash: &'static digest::Algorithm,
        message: &[u8],
        spelling: Spelling,
    ) -> Vec<u8> {
        let jwk = self.jwk();
        let number = jwk["n"].as_str().or(jwk["x"].as_str()).unwrap_or_default();
        let secret = match spelling {
            Spelling::Jwk => jwk.to_string().into_bytes(),
            Spelling::Der => self.spki(),
            Spelling::Pem => pem(&self.spki()).into_bytes(),
            Spelling::Number => URL_SAFE_NO_PAD.decode(number).expect("base64 of our own"),
            Spelling::Text => number.as_bytes().to_vec(),
            Spelling::Nothing => Vec::new(),
        };
        let algorithm = match hash.output_len() {
            48 => hmac::HMAC_SHA384,
            64 => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        let key = hmac::Key::new(algorithm, &secret);
        hmac::sign(&key, message).as_ref().to_vec()
    }
}

/// A key as rcgen takes one.
struct Certified<'k> {
    key: &'k Key,
    public: Vec<u8>,
}

impl rcgen::PublicKeyData for Certified<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.key.native() {
            "RS256" => &rcgen::PKCS_RSA_SHA256,
            "ES256" => &rcgen::PKCS_ECDSA_P256_SHA256,
            "ES384" => &rcgen::PKCS_ECDSA_P384_SHA384,
            _ => &rcgen::PKCS_ECDSA_P521_SHA512,
        }
    }
}

impl rcgen::SigningKey for Certified<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(self.key.native(), message, Oddity::Der))
    }
}

/// A public key as PEM.
fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines = base64.as_bytes().chunks(64);
    let lines: String = lines
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect();
    format!("-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n")
}

fn ecdsa(
    pair: &EcdsaKeyPair,
    algorithm: &str,
    hash: &'static digest::Algorithm,
    message: &[u8],
    oddity: Oddity,
) -> Vec<u8> {
    let part: usize = match algorithm {
        "ES384" => 48,
        "ES512" => 66,
        _ => 32,
    };
    // ECDSA takes the leftmost bits of a longer hash, so the key's own hash
    // algorithm can be made to sign the bits of another's.
    let own = pair.public_key().as_ref().len() / 2;
    let own_hash = match own {
        32 => &digest::SHA256,
        48 => &digest::SHA384,
        _ => &digest::SHA512,
    };
    let mut bits = digest::digest(hash, message).as_ref().to_vec();
    bits.resize(own_hash.output_len(), 0);
    let fixed = if hash == own_hash {
        pair.sign(&SystemRandom::new(), message)
    } else {
        pair.sign_digest(
            &digest::Digest::import_less_safe(&bits, own_hash).expect("the length fits"),
        )
    };
    let fixed = fixed.expect("a message can be signed").as_ref().to_vec();
    let (r, s) = fixed.split_at(own);
    if oddity == Oddity::Der {
        return der(r, s);
    }
    let resize = |number: &[u8]| {
        let mut out = vec![0; part.saturating_sub(number.len())];
        out.extend_from_slice(&number[number.len().saturating_sub(part)..]);
        out
    };
    let (mut r, mut s) = (resize(r), resize(s));
    match oddity {
        Oddity::Zero(Zero::R) => r.fill(0),
        Oddity::Zero(Zero::S) => s.fill(0),
        Oddity::Zero(Zero::Both) => [&mut r, &mut s].into_iter().for_each(|n| n.fill(0)),
        _ => {}
    }
    [r, s].concat()
}

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [r, s] {
        body.extend_from_slice(&[2, u8::try_from(number.len() + 1).unwrap(), 0]);
        body.extend_from_slice(number);
    }
    [&[0x30, u8::try_from(body.len()).unwrap_or(0)], &body[..]].concat()
}

fn pkcs1(hashed: &[u8], size: usize, oddity: Oddity) -> Vec<u8> {
    let padding = match oddity {
        Oddity::Padding(padding) => Some(padding),
        _ => None,
    };
    let info = digest_info(hashed, padding);
    let room = size - info.len() - 3;
    let (kind, fill, padded) = match padding {
        Some(Padding::Type(0)) => (0, 0, room),
        Some(Padding::Type(kind)) => (kind, 0xff, room),
        Some(Padding::Fill) => (1, 0xfe, room),
        Some(Padding::Garbage(count)) => (1, 0xff, count.min(room)),
        _ => (1, 0xff, room),
    };
    let mut encoded = vec![0, kind];
    encoded.resize(2 + padded, fill);
    encoded.push(0);
    encoded.extend_from_slice(&info);
    encoded.resize(size, 0x5a);
    if let Some(Padding::Bit(at)) = padding {
        encoded[at % size] ^= 1;
    }
    encoded
}

/// `DigestInfo` (RFC 8017 section 9.2, note 1).
fn digest_info(hashed: &[u8], padding: Option<Padding>) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("a short form will do");
    let value = |tag: u8, bytes: &[u8]| [&[tag, length(bytes)], bytes].concat();
    let hashed = match padding {
        Some(Padding::Bare) => return hashed.to_vec(),
        Some(Padding::CalledSha1) => &hashed[..20],
        _ => hashed,
    };
    let oid: &[u8] = match length(hashed) {
        20 => &[0x2b, 0x0e, 3, 2, 0x1a],
        sha2 => &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, sha2 / 16 - 1],
    };
    let null = match padding {
        Some(Padding::NoNull) => Vec::new(),
        _ => value(5, &[]),
    };
    let algorithm = value(0x30, &[value(6, oid), null].concat());
    let body = [algorithm, value(4, hashed)].concat();
    match padding {
        Some(Padding::LongLength) => [&[0x30, 0x81, length(&body)], &body[..]].concat(),
        Some(Padding::NoLength) => [&[0x30, 0x80], &body[..], &[0, 0]].concat(),
        _ => value(0x30, &body),
    }
}

fn pss(hash: &'static digest::Algorithm, hashed: &[u8], bits: usize, oddity: Oddity) -> Vec<u8> {
    let size = bits.div_ceil(8);
    let longest = size - hashed.len() - 2;
    let salt_size = match oddity {
        Oddity::Salt(n) => n.min(longest),
        _ => hashed.len().min(longest),
    };
    let salt = vec![0xa5; salt_size];
    let seed = digest::digest(hash, &[&[0; 8], hashed, &salt].concat());
    let mut block = vec![0; size - hashed.len() - 1 - salt_size - 1];
    block.push(1);
    block.extend_from_slice(&salt);
    for (counter, chunk) in (0u32..).zip(block.chunks_mut(hashed.len())) {
        let stream = digest::digest(hash, &[seed.as_ref(), &counter.to_be_bytes()].concat());
        chunk
            .iter_mut()
            .zip(stream.as_ref())
            .for_each(|(byte, key)| *byte ^= key);
    }
    block[0] &= 0xff >> (8 * size - bits);
    let trailer = if oddity == Oddity::Trailer {
        0xbd
    } else {
        0xbc
    };
    let encoded = [&block, seed.as_ref(), &[trailer]].concat();
    match oddity {
        Oddity::Leading if bits.is_multiple_of(8) => [&[1], &encoded[..]].concat(),
        _ => encoded,
    }
}

fn raw_rsa(private: &rsa::PrivateKey, encoded: &[u8], size: usize) -> Vec<u8> {
    let precision = private.n().as_ref().bits_precision();
    let number = BoxedUint::from_be_slice(encoded, precision).expect("the message fits");
    if number >= **private.n() {
        // There is no such signature.
        return vec![1; size];
    }
    let signed = rsa::hazmat::rsa_decrypt::<rand::rngs::ThreadRng>(None, private, &number)
        .expect("RSA works");
    let bytes = signed.to_be_bytes();
    bytes[bytes.len() - size..].to_vec()
}

/// base64url without padding.
pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
