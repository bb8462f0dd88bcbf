//! A pool's signing keys: two at a time, one for ID tokens and one for access
//! tokens, each with a `kid` of its own.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaEncoding, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;

/// An RSA-2048 key with its `kid`.
pub struct Key {
    kid: String,
    header: String,
    modulus: String,
    exponent: String,
    pair: KeyPair,
}

impl Key {
    /// Names `pair` by `kid`, which is base64 and needs no escaping in JSON.
    pub fn new(kid: String, pair: KeyPair) -> Self {
        let (n, e) = components(pair.public_key().as_ref());
        Self {
            header: URL_SAFE_NO_PAD.encode(format!(r#"{{"kid":"{kid}","alg":"RS256"}}"#)),
            modulus: URL_SAFE_NO_PAD.encode(n),
            exponent: URL_SAFE_NO_PAD.encode(e),
            kid,
            pair,
        }
    }

    /// The `kid` header value.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The JWS header of what this key signs, encoded: exactly `kid` and
    /// `alg`, in this order.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The modulus `n`, base64url (RFC 7518 section 6.3.1.1).
    pub fn modulus(&self) -> &str {
        &self.modulus
    }

    /// The exponent `e`, base64url (RFC 7518 section 6.3.1.2).
    pub fn exponent(&self) -> &str {
        &self.exponent
    }

    /// Signs with RS256. Only [`crate::issuer`] and [`crate::forge`] call this.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.sign_by(&RSA_PKCS1_SHA256, message)
    }

    /// Signs by another scheme, which no pool does: for [`crate::forge`] alone.
    pub(crate) fn sign_by(&self, scheme: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        // Blinding takes its randomness from aws-lc itself, so neither the
        // generator nor the length can be wrong here.
        self.pair
            .sign(scheme, &SystemRandom::new(), message, &mut signature)
            .expect("an RSA-2048 key signs any message");
        signature
    }

    /// Signs what is padded already, however that may be (RSASP1 of RFC 8017 section
    /// 5.2.1): for [`crate::forge`] alone.
    pub(crate) fn sign_padded(&self, encoded: &[u8]) -> Vec<u8> {
        let der = self.pair.as_der().expect("aws-lc writes its own key");
        let private = rsa::PrivateKey::from_pkcs8_der(der.as_ref()).expect("an RSA key");
        let precision = private.n().as_ref().bits_precision();
        let number = rsa::BoxedUint::from_be_slice(encoded, precision).expect("as long as the key");
        let signed = rsa::hazmat::rsa_decrypt::<rand::rngs::ThreadRng>(None, &private, &number)
            .expect("what begins with a zero is less than the modulus");
        let bytes = signed.to_be_bytes();
        bytes[bytes.len() - self.pair.public_modulus_len()..].to_vec()
    }

    /// The private key as PKCS #8.
    ///
    /// # Errors
    /// When aws-lc cannot write it, which it can.
    pub(crate) fn pkcs8(&self) -> Result<Pkcs8V1Der<'static>, Unspecified> {
        self.pair.as_der()
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }
}

/// Prints the `kid` alone.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).finish()
    }
}

/// Modulus and exponent of an `RSAPublicKey` in DER (RFC 8017 appendix A.1.1),
/// without leading zeros, as JWK wants them.
fn components(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = element(der);
    let (modulus, rest) = element(sequence);
    let (exponent, _) = element(rest);
    let trim = |integer: &'_ [u8]| integer.iter().take_while(|b| **b == 0).count();
    (&modulus[trim(modulus)..], &exponent[trim(exponent)..])
}

/// The contents of the first element, and what follows it. The DER is our
/// own, so it is well-formed.
pub(crate) fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ ..0x80 => (usize::from(short), 2),
        long => {
            let octets = &der[2..][..usize::from(long & 0x7f)];
            let length = octets.iter().fold(0, |n, b| n << 8 | usize::from(*b));
            (length, 2 + octets.len())
        }
    };
    der[start..].split_at(length)
}

/// The keys of one pool.
#[derive(Clone, Debug)]
pub struct PoolKeys {
    /// Signs ID tokens.
    pub id: Arc<Key>,
    /// Signs access tokens.
    pub access: Arc<Key>,
    /// Keys no longer used that are still published.
    pub retired: Vec<Arc<Key>>,
    /// The last key of ID tokens that is no longer published: what it signed is
    /// good for nothing, and a forgery is signed with it.
    pub gone: Option<Arc<Key>>,
}

impl PoolKeys {
    /// All keys the pool publishes, the current ones first.
    pub fn published(&self) -> impl Iterator<Item = &Arc<Key>> {
        [&self.id, &self.access].into_iter().chain(&self.retired)
    }

    /// The published key called `kid`.
    pub fn by_kid(&self, kid: &str) -> Option<&Arc<Key>> {
        self.published().find(|key| key.kid() == kid)
    }
}
