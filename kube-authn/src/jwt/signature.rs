//! Signatures as Go's crypto packages judge them.
//!
//! aws-lc does the common work. What it does not take and Go does is checked
//! here on top of the `rsa` crate's public-key operation: RSA keys from 1,024
//! bits with SHA-384, PSS with a salt of any length, moduli beyond 8,192 bits.

use std::sync::OnceLock;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    self as lc, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};
use rsa::BoxedUint;

use super::Algorithm;

/// An RSA public key of a JWK Set. Nothing about it is checked before a
/// signature is: Go refuses at verification.
pub(crate) struct RsaKey {
    /// Without leading zeros.
    modulus: Vec<u8>,
    exponent: i64,
    bits: usize,
    /// What aws-lc prepared, one for each of [`LC_RSA`].
    prepared: [OnceLock<Option<ParsedPublicKey>>; 6],
    raw: OnceLock<Option<rsa::PublicKey>>,
}

/// Go wants this much (`crypto/rsa`, GODEBUG rsa1024min).
const MIN_RSA_BITS: usize = 1024;
/// aws-lc's range.
const LC_RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

impl RsaKey {
    pub(crate) fn new(n: &[u8], e: &[u8]) -> Self {
        let modulus: Vec<u8> = n.iter().copied().skip_while(|&b| b == 0).collect();
        let bits = modulus
            .first()
            .map_or(0, |&b| modulus.len() * 8 - b.leading_zeros() as usize);
        Self {
            modulus,
            exponent: exponent(e),
            bits,
            prepared: Default::default(),
            raw: OnceLock::new(),
        }
    }

    pub(crate) fn has_exponent(&self) -> bool {
        self.exponent != 0
    }

    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some((index, parameters)) = lc_rsa(algorithm) else {
            return false;
        };
        if !self.usable() || signature.len() != self.modulus.len() {
            return false;
        }
        if LC_RSA_BITS.contains(&self.bits) {
            let prepared = self.prepared[index].get_or_init(|| self.prepare(parameters));
            if prepared
                .as_ref()
                .is_some_and(|key| key.verify_sig(message, signature).is_ok())
            {
                return true;
            }
            // PKCS#1 has one valid encoding, so aws-lc's word is final.
            if prepared.is_some() && index < 3 {
                return false;
            }
        }
        self.verify_encoded(algorithm, message, signature)
    }

    /// `crypto/rsa`'s `checkPublicKey`.
    fn usable(&self) -> bool {
        self.bits >= MIN_RSA_BITS
            && self.modulus.last().is_some_and(|b| b & 1 == 1)
            && (2..=i64::from(i32::MAX)).contains(&self.exponent)
            && self.exponent & 1 == 1
    }

    fn prepare(&self, parameters: &'static RsaParameters) -> Option<ParsedPublicKey> {
        let exponent = self.exponent.to_be_bytes();
        let e = exponent
            .iter()
            .position(|&b| b != 0)
            .map_or(&exponent[..0], |i| &exponent[i..]);
        RsaPublicKeyComponents {
            n: self.modulus.as_slice(),
            e,
        }
        .to_parsed_public_key(parameters)
        .ok()
    }

    fn verify_encoded(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some(encoded) = self.public_operation(signature) else {
            return false;
        };
        let hashed = digest::digest(hash(algorithm), message);
        match algorithm {
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => {
                pkcs1v15(algorithm, hashed.as_ref(), encoded.len())
                    .is_some_and(|expected| expected == encoded)
            }
            _ => pss_fits(hash(algorithm), hashed.as_ref(), &encoded, self.bits - 1),
        }
    }

    /// signature ^ e mod n, as long as the modulus.
    fn public_operation(&self, signature: &[u8]) -> Option<Vec<u8>> {
        if signature >= self.modulus.as_slice() {
            return None;
        }
        let precision = u32::try_from(self.modulus.len() * 8).ok()?;
        let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, precision).ok();
        let key = self.raw.get_or_init(|| {
            let exponent = BoxedUint::from(self.exponent.cast_unsigned());
            Some(rsa::PublicKey::new_unchecked(
                number(&self.modulus)?,
                exponent,
            ))
        });
        let result = rsa::hazmat::rsa_encrypt(key.as_ref()?, &number(signature)?).ok()?;
        let bytes = result.to_be_bytes();
        let skip = bytes.len().checked_sub(self.modulus.len())?;
        Some(bytes[skip..].to_vec())
    }
}

/// go-jose takes the low 64 bits of an exponent of any length.
pub(super) fn exponent(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |value, &b| value << 8 | i64::from(b))
}

fn lc_rsa(algorithm: Algorithm) -> Option<(usize, &'static RsaParameters)> {
    match algorithm {
        Algorithm::Rs256 => Some((0, &lc::RSA_PKCS1_2048_8192_SHA256)),
        Algorithm::Rs384 => Some((1, &lc::RSA_PKCS1_2048_8192_SHA384)),
        Algorithm::Rs512 => Some((2, &lc::RSA_PKCS1_2048_8192_SHA512)),
        Algorithm::Ps256 => Some((3, &lc::RSA_PSS_2048_8192_SHA256)),
        Algorithm::Ps384 => Some((4, &lc::RSA_PSS_2048_8192_SHA384)),
        Algorithm::Ps512 => Some((5, &lc::RSA_PSS_2048_8192_SHA512)),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => None,
    }
}

fn hash(algorithm: Algorithm) -> &'static digest::Algorithm {
    match algorithm {
        Algorithm::Es256 | Algorithm::Ps256 | Algorithm::Rs256 => &digest::SHA256,
        Algorithm::Es384 | Algorithm::Ps384 | Algorithm::Rs384 => &digest::SHA384,
        Algorithm::Es512 | Algorithm::Ps512 | Algorithm::Rs512 => &digest::SHA512,
    }
}

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2).
fn pkcs1v15(algorithm: Algorithm, hashed: &[u8], size: usize) -> Option<Vec<u8>> {
    // DigestInfo up to the hash; the last byte but two names SHA-256, -384, -512.
    let (oid, length) = match algorithm {
        Algorithm::Rs256 => (1, 0x20),
        Algorithm::Rs384 => (2, 0x30),
        _ => (3, 0x40),
    };
    let prefix = [
        0x30,
        0x11 + length,
        0x30,
        0x0d,
        0x06,
        0x09,
        0x60,
        0x86,
        0x48,
        0x01,
        0x65,
        0x03,
        0x04,
        0x02,
        oid,
        0x05,
        0x00,
        0x04,
        length,
    ];
    let padding = size
        .checked_sub(prefix.len() + hashed.len() + 3)
        .filter(|&n| n >= 8)?;
    let mut encoded = vec![0, 1];
    encoded.resize(2 + padding, 0xff);
    encoded.push(0);
    encoded.extend_from_slice(&prefix);
    encoded.extend_from_slice(hashed);
    Some(encoded)
}

/// EMSA-PSS-VERIFY (RFC 8017 section 9.1.2), the salt's length being whatever
/// the padding leaves.
fn pss_fits(hash: &'static digest::Algorithm, hashed: &[u8], encoded: &[u8], bits: usize) -> bool {
    let size = bits.div_ceil(8);
    let hash_size = hashed.len();
    let Some(extra) = encoded.len().checked_sub(size) else {
        return false;
    };
    let (leading, encoded) = encoded.split_at(extra);
    if leading.iter().any(|&b| b != 0) || size < hash_size + 2 || encoded[size - 1] != 0xbc {
        return false;
    }
    let (masked, rest) = encoded.split_at(size - hash_size - 1);
    let seed = &rest[..hash_size];
    let mask = 0xffu8 >> (8 * size - bits);
    if masked[0] & !mask != 0 {
        return false;
    }
    let mut block = masked.to_vec();
    for (counter, chunk) in (0u32..).zip(block.chunks_mut(hash_size)) {
        let stream = digest::digest(hash, &[seed, &counter.to_be_bytes()].concat());
        for (byte, key) in chunk.iter_mut().zip(stream.as_ref()) {
            *byte ^= key;
        }
    }
    block[0] &= mask;
    let Some(one) = block
        .iter()
        .position(|&b| b != 0)
        .filter(|&i| block[i] == 1)
    else {
        return false;
    };
    let salted = [&[0; 8], hashed, &block[one + 1..]].concat();
    digest::digest(hash, &salted).as_ref() == seed
}

/// A curve of RFC 7518 section 6.2.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The size of a coordinate in octets.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// An elliptic curve public key of a JWK Set.
pub(crate) struct EcKey {
    curve: Curve,
    point: Vec<u8>,
    prepared: [OnceLock<Option<ParsedPublicKey>>; 3],
}

impl EcKey {
    /// Nothing if the point is not on the curve.
    pub(crate) fn new(curve: Curve, x: &[u8], y: &[u8]) -> Option<Self> {
        let point = [&[4], x, y].concat();
        let native = match curve {
            Curve::P256 => Algorithm::Es256,
            Curve::P384 => Algorithm::Es384,
            Curve::P521 => Algorithm::Es512,
        };
        let (index, _, verification) = lc_ecdsa(curve, native)?;
        let parsed = ParsedPublicKey::new(verification, &point).ok()?;
        let key = Self {
            curve,
            point,
            prepared: Default::default(),
        };
        key.prepared[index].get_or_init(|| Some(parsed));
        Some(key)
    }

    /// go-jose goes by the algorithm for the hash and the signature's length,
    /// and never asks whether the curve is the algorithm's own.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some((index, size, verification)) = lc_ecdsa(self.curve, algorithm) else {
            return false;
        };
        if signature.len() != 2 * size {
            return false;
        }
        let (r, s) = signature.split_at(size);
        self.prepared[index]
            .get_or_init(|| ParsedPublicKey::new(verification, &self.point).ok())
            .as_ref()
            .is_some_and(|key| key.verify_sig(message, &der_signature(r, s)).is_ok())
    }
}

/// Index of the hash, size of r and of s, aws-lc's algorithm.
fn lc_ecdsa(
    curve: Curve,
    algorithm: Algorithm,
) -> Option<(usize, usize, &'static EcdsaVerificationAlgorithm)> {
    let (index, size) = match algorithm {
        Algorithm::Es256 => (0, 32),
        Algorithm::Es384 => (1, 48),
        Algorithm::Es512 => (2, 66),
        _ => return None,
    };
    let verification = match (curve, index) {
        (Curve::P256, 0) => &lc::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, 1) => &lc::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, _) => &lc::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, 0) => &lc::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, 1) => &lc::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, _) => &lc::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, 0) => &lc::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, 1) => &lc::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, _) => &lc::ECDSA_P521_SHA512_ASN1,
    };
    Some((index, size, verification))
}

/// r and s as an ASN.1 ECDSA-Sig-Value (RFC 3279 section 2.2.3).
fn der_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(r.len() + s.len() + 8);
    for number in [r, s] {
        let start = number
            .iter()
            .position(|&b| b != 0)
            .unwrap_or(number.len() - 1);
        let digits = &number[start..];
        let pad = usize::from(digits[0] >= 0x80);
        body.push(0x02);
        push_length(&mut body, digits.len() + pad);
        body.resize(body.len() + pad, 0);
        body.extend_from_slice(digits);
    }
    let mut out = Vec::with_capacity(body.len() + 3);
    out.push(0x30);
    push_length(&mut out, body.len());
    out.extend_from_slice(&body);
    out
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    // A signature's parts are far below 256 octets.
    let [.., low] = length.to_be_bytes();
    if low >= 0x80 {
        out.push(0x81);
    }
    out.push(low);
}
