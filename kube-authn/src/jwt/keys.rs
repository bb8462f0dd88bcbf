//! JSON Web Keys as go-jose v2.6.3 reads them, and the issuer's set of them.
//!
//! One key that cannot be parsed makes the whole set fail. A key's `alg`, `use`
//! and `key_ops` are not consulted when a signature is verified. Private and
//! symmetric keys parse, and never verify anything.

use std::sync::Arc;

use super::Algorithm;
use super::jose::Jws;
use super::rsa_private::PrivateNumbers;
use super::signature::{Curve, EcKey, RsaKey, exponent};
use crate::go::base64::{decode_raw_url, decode_std};
use crate::go::json::{self, Kind, Raw};
use crate::go::quote::quote_json_byte;

/// The keys of an issuer, prepared for verification; none by default. Cheap to
/// clone.
#[derive(Clone)]
pub struct KeySet {
    keys: Arc<[Jwk]>,
}

impl Default for KeySet {
    fn default() -> Self {
        Self { keys: [].into() }
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.id))
            .finish()
    }
}

/// A key set that could not be decoded; the text is Go's, without what the
/// caller puts around it ([`crate::jwks_response`] does).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeySetError(pub(crate) String);

impl KeySet {
    /// Parses a JWK Set (RFC 7517 section 5).
    ///
    /// # Errors
    /// What `json.Unmarshal` into go-jose's `JSONWebKeySet` says.
    pub fn parse(jwks_json: &[u8]) -> Result<Self, KeySetError> {
        Self::decode(jwks_json).map_err(KeySetError)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies a compact JWS by itself and gives its payload, whatever that
    /// is: go-oidc's `KeySet.VerifySignature`, with the nine algorithms alone.
    ///
    /// # Errors
    /// `oidc: malformed jwt: …` or `failed to verify id token signature`.
    pub fn verify_signature(&self, jws: &str) -> Result<Vec<u8>, KeySetError> {
        let jws = Jws::parse(jws).map_err(|e| KeySetError(format!("oidc: malformed jwt: {e}")))?;
        match Algorithm::from_name(&jws.header.algorithm) {
            Some(algorithm) if self.verify(&jws, algorithm) => Ok(jws.payload),
            _ => Err(KeySetError(
                "failed to verify id token signature".to_owned(),
            )),
        }
    }

    fn decode(jwks_json: &[u8]) -> Result<Self, String> {
        let raw = json::parse(jwks_json)?;
        match raw.kind() {
            Kind::Object | Kind::Null => {}
            kind => return Err(kind.mismatch("jose.JSONWebKeySet")),
        }
        let mut keys = Vec::new();
        let mut mismatch = None;
        for (name, value) in raw.members() {
            // This object is read by Go's own JSON package: any case will do
            // and the last duplicate wins. The keys in it are not.
            if !json::folds_to(&name, "keys") {
                continue;
            }
            match value.kind() {
                Kind::Array => keys = value.elements().map(Jwk::parse).collect::<Result<_, _>>()?,
                Kind::Null => keys.clear(),
                kind => {
                    let error = || kind.field_mismatch("JSONWebKeySet.keys", "[]jose.JSONWebKey");
                    mismatch.get_or_insert_with(error);
                }
            }
        }
        match mismatch {
            Some(error) => Err(error),
            None => Ok(Self { keys: keys.into() }),
        }
    }

    /// go-oidc's `remoteKeySet.verify`: every key of that id, or every key at
    /// all for a token without one, until a signature fits.
    pub(crate) fn verify(&self, jws: &Jws, algorithm: Algorithm) -> bool {
        let (header, input) = (&jws.header, jws.signing_input());
        header.critical_understood
            && self
                .keys
                .iter()
                .filter(|key| header.key_id.is_empty() || key.id == header.key_id)
                .any(|key| key.verify(algorithm, &input, &jws.signature))
    }
}

/// One JSON Web Key.
pub(crate) struct Jwk {
    id: String,
    material: Material,
}

enum Material {
    Rsa(Box<RsaKey>),
    Ec(Box<EcKey>),
    /// Ed25519 is public, and signs with none of the nine algorithms.
    Ed25519,
    /// Private or symmetric.
    Secret,
}

/// `rawJSONWebKey`'s members that are used; a buffer that is `Some` but empty
/// counts as present.
#[derive(Default)]
struct RawJwk {
    kty: String,
    kid: String,
    crv: String,
    k: Buffer,
    x: Buffer,
    y: Buffer,
    n: Buffer,
    e: Buffer,
    d: Buffer,
    p: Buffer,
    q: Buffer,
    dp: Buffer,
    dq: Buffer,
    qi: Buffer,
    x5c: Vec<String>,
    x5t: String,
    x5t_sha256: String,
}

type Buffer = Option<Vec<u8>>;

impl Jwk {
    /// `JSONWebKey.UnmarshalJSON`.
    pub(crate) fn parse(raw: Raw<'_>) -> Result<Self, String> {
        let raw = RawJwk::decode(raw)?;
        let chain = parse_chain(&raw.x5c)
            .map_err(|e| format!("go-jose/go-jose: failed to unmarshal x5c field: {e}"))?;
        let known = |leaf: &Certificate| leaf.key != CertificateKey::Unknown;
        let material = raw.material(chain.first().is_some_and(known))?;
        if let Some(leaf) = chain.first() {
            raw.check_certificate(leaf)?;
        }
        raw.check_thumbprints(chain.first())?;
        Ok(Self {
            id: raw.kid,
            material,
        })
    }

    /// Whether a token's header may carry it: `Valid() && IsPublic()`.
    pub(crate) fn may_be_embedded(&self) -> bool {
        match &self.material {
            Material::Rsa(key) => key.has_exponent(),
            Material::Ec(_) | Material::Ed25519 => true,
            Material::Secret => false,
        }
    }

    fn verify(&self, algorithm: Algorithm, signing_input: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa(key) => key.verify(algorithm, signing_input, signature),
            Material::Ec(key) => key.verify(algorithm, signing_input, signature),
            Material::Ed25519 | Material::Secret => false,
        }
    }
}

impl RawJwk {
    fn decode(raw: Raw<'_>) -> Result<Self, String> {
        let mut jwk = Self::default();
        match raw.kind() {
            Kind::Object => {}
            Kind::Null => return Ok(jwk),
            kind => return Err(kind.mismatch("jose.rawJSONWebKey")),
        }
        // A number in a string's place ends the decoding at once, other
        // mismatches are reported after everything else has been read.
        let mut mismatch: Option<String> = None;
        for member in raw.unique_members() {
            let (key, value) = member?;
            let text = match &*key {
                "kty" => Some(&mut jwk.kty),
                "kid" => Some(&mut jwk.kid),
                "crv" => Some(&mut jwk.crv),
                "x5t" => Some(&mut jwk.x5t),
                "x5t#S256" => Some(&mut jwk.x5t_sha256),
                _ => None,
            };
            if let Some(text) = text {
                match value.as_string() {
                    Ok(_) if value.kind() == Kind::Null => {}
                    Ok(value) => *text = value.into_owned(),
                    Err(error) if value.kind() == Kind::Number => return Err(error),
                    Err(error) => {
                        mismatch.get_or_insert(error);
                    }
                }
                continue;
            }
            match &*key {
                "k" => jwk.k = buffer(value)?,
                "x" => jwk.x = buffer(value)?,
                "y" => jwk.y = buffer(value)?,
                "n" => jwk.n = buffer(value)?,
                "e" => jwk.e = buffer(value)?,
                "d" => jwk.d = buffer(value)?,
                "p" => jwk.p = buffer(value)?,
                "q" => jwk.q = buffer(value)?,
                "dp" => jwk.dp = buffer(value)?,
                "dq" => jwk.dq = buffer(value)?,
                "qi" => jwk.qi = buffer(value)?,
                "use" | "alg" => match value.as_string() {
                    Ok(_) => {}
                    Err(error) if value.kind() == Kind::Number => return Err(error),
                    Err(error) => {
                        mismatch.get_or_insert(error);
                    }
                },
                "x5c" => match value.as_strings() {
                    Ok(chain) => jwk.x5c = chain.unwrap_or_default(),
                    Err(error) if error.0 == Kind::Number => return Err(error.text()),
                    Err(error) => {
                        mismatch.get_or_insert(error.text());
                    }
                },
                // A Go url.URL is a struct without a JSON form: a URL in a
                // string makes the key, and with it the set, unusable.
                "x5u" => match value.kind() {
                    Kind::Object | Kind::Null => {}
                    Kind::Number => return Err(Kind::Number.mismatch("url.URL")),
                    kind => {
                        mismatch.get_or_insert_with(|| kind.mismatch("url.URL"));
                    }
                },
                _ => {}
            }
        }
        mismatch.map_or(Ok(jwk), Err)
    }

    fn material(&self, has_certificate_key: bool) -> Result<Material, String> {
        match self.kty.as_str() {
            "EC" if self.d.is_some() => self.check_ec_private(),
            "EC" => self.ec().map(Box::new).map(Material::Ec),
            "RSA" if self.d.is_some() => self.check_rsa_private(),
            "RSA" => match (&self.n, &self.e) {
                (Some(n), Some(e)) => Ok(Material::Rsa(Box::new(RsaKey::new(n, e)))),
                _ => Err("go-jose/go-jose: invalid RSA key, missing n/e values".to_owned()),
            },
            "oct" if has_certificate_key => Err(
                "go-jose/go-jose: invalid JWK, found 'oct' (symmetric) key with cert chain"
                    .to_owned(),
            ),
            "oct" if self.k.is_none() => {
                Err("go-jose/go-jose: invalid OCT (symmetric) key, missing k value".to_owned())
            }
            "oct" => Ok(Material::Secret),
            "OKP" if self.crv == "Ed25519" && self.x.is_some() => Ok(if self.d.is_some() {
                Material::Secret
            } else {
                Material::Ed25519
            }),
            "OKP" => Err(format!("go-jose/go-jose: unknown curve {}'", self.crv)),
            other => Err(format!(
                "go-jose/go-jose: unknown json web key type '{other}'"
            )),
        }
    }

    fn ec(&self) -> Result<EcKey, String> {
        let curve = self.curve()?;
        let (Some(x), Some(y)) = (&self.x, &self.y) else {
            return Err("go-jose/go-jose: invalid EC key, missing x/y values".to_owned());
        };
        for (name, coordinate) in [("x", x), ("y", y)] {
            if coordinate.len() != curve.size() {
                return Err(format!(
                    "go-jose/go-jose: invalid EC public key, wrong length for {name}"
                ));
            }
        }
        EcKey::new(curve, x, y).ok_or_else(|| {
            "go-jose/go-jose: invalid EC key, X/Y are not on declared curve".to_owned()
        })
    }

    fn check_ec_private(&self) -> Result<Material, String> {
        let curve = self.curve()?;
        let (Some(x), Some(y), Some(d)) = (&self.x, &self.y, &self.d) else {
            return Err("go-jose/go-jose: invalid EC private key, missing x/y/d values".to_owned());
        };
        for (name, part) in [("x", x), ("y", y), ("d", d)] {
            if part.len() != curve.size() {
                return Err(format!(
                    "go-jose/go-jose: invalid EC private key, wrong length for {name}"
                ));
            }
        }
        EcKey::new(curve, x, y)
            .map(|_| Material::Secret)
            .ok_or_else(|| {
                "go-jose/go-jose: invalid EC key, X/Y are not on declared curve".to_owned()
            })
    }

    fn curve(&self) -> Result<Curve, String> {
        match self.crv.as_str() {
            "P-256" => Ok(Curve::P256),
            "P-384" => Ok(Curve::P384),
            "P-521" => Ok(Curve::P521),
            other => Err(format!(
                "go-jose/go-jose: unsupported elliptic curve '{other}'"
            )),
        }
    }

    fn check_rsa_private(&self) -> Result<Material, String> {
        // go-jose means to list what is missing and stops at the first.
        let n = present("N", &self.n)?;
        let e = present("E", &self.e)?;
        let d = present("D", &self.d)?;
        let p = present("P", &self.p)?;
        let q = present("Q", &self.q)?;
        let precomputed = match (&self.dp, &self.dq, &self.qi) {
            (Some(dp), Some(dq), Some(qi)) => Some([&**dp, &**dq, &**qi]),
            _ => None,
        };
        let numbers = PrivateNumbers {
            n,
            e: exponent(e),
            d,
            p,
            q,
            precomputed,
        };
        numbers.check()?;
        Ok(Material::Secret)
    }

    /// A key with a certificate must be the certificate's.
    fn check_certificate(&self, leaf: &Certificate) -> Result<(), String> {
        // Go has no key to compare for an algorithm that it does not know.
        let same = leaf.key == CertificateKey::Unknown || leaf.matches(self);
        if same {
            Ok(())
        } else {
            Err(
                "go-jose/go-jose: invalid JWK, public keys in key and x5c fields to not match"
                    .to_owned(),
            )
        }
    }

    fn check_thumbprints(&self, leaf: Option<&Certificate>) -> Result<(), String> {
        let parts = [(&self.x5t, "x5t", 20), (&self.x5t_sha256, "x5t#S256", 32)];
        for (text, name, size) in parts {
            let mut bytes = decode_raw_url(text.as_bytes()).map_err(|_| {
                format!("go-jose/go-jose: invalid JWK, {name} header has invalid encoding")
            })?;
            if bytes.len() == 2 * size {
                bytes = from_hex(&bytes).map_err(|e| {
                    format!("go-jose/go-jose: invalid JWK, unable to hex decode {name}: {e}")
                })?;
            }
            if !bytes.is_empty() && bytes.len() != size {
                return Err(format!(
                    "go-jose/go-jose: invalid JWK, {name} header is of incorrect size"
                ));
            }
            if let Some(leaf) = leaf
                && !bytes.is_empty()
            {
                let digest = if size == 20 {
                    &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY
                } else {
                    &aws_lc_rs::digest::SHA256
                };
                if aws_lc_rs::digest::digest(digest, &leaf.der).as_ref() != bytes {
                    return Err(format!(
                        "go-jose/go-jose: invalid JWK, x5c thumbprint does not match {name} value"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A `byteBuffer`: null is absent, the empty string is present and empty.
fn buffer(value: Raw<'_>) -> Result<Buffer, String> {
    if value.kind() == Kind::Null {
        return Ok(None);
    }
    let text = value.as_string()?;
    decode_raw_url(text.as_bytes())
        .map(Some)
        .map_err(|e| e.to_string())
}

/// A number that a private RSA key has to have.
fn present<'b>(name: &str, part: &'b Buffer) -> Result<&'b [u8], String> {
    part.as_deref()
        .ok_or_else(|| format!("go-jose/go-jose: invalid RSA private key, missing {name} value(s)"))
}

fn from_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
            .ok_or_else(|| {
                format!(
                    "encoding/hex: invalid byte: U+{b:04X} {}",
                    quote_json_byte(b)
                )
            })
    };
    text.chunks(2)
        .map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// A certificate of an `x5c` chain, as far as the key is concerned.
pub(crate) struct Certificate {
    der: Vec<u8>,
    key: CertificateKey,
    public: Vec<u8>,
    exponent: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum CertificateKey {
    Rsa,
    Ec,
    Ed25519,
    /// Of a kind that Go knows, and a key set does not (DSA).
    Foreign,
    /// Of a kind that Go does not know.
    Unknown,
}

impl Certificate {
    fn matches(&self, jwk: &RawJwk) -> bool {
        let strip =
            |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().skip_while(|&b| b == 0).collect() };
        match (self.key, jwk.kty.as_str()) {
            (CertificateKey::Rsa, "RSA") => match (&jwk.n, &jwk.e) {
                (Some(n), Some(e)) => {
                    strip(n) == strip(&self.public) && exponent(e) == exponent(&self.exponent)
                }
                _ => false,
            },
            (CertificateKey::Ec, "EC") => match (&jwk.x, &jwk.y, self.public.split_first()) {
                (Some(x), Some(y), Some((_, point))) => point == [&x[..], &y[..]].concat(),
                _ => false,
            },
            // go-jose takes 32 bytes of what is there.
            (CertificateKey::Ed25519, "OKP") => jwk.x.as_ref().is_some_and(|x| {
                let padded = x.iter().copied().chain(std::iter::repeat(0));
                padded.take(32).eq(self.public.iter().copied())
            }),
            _ => false,
        }
    }
}

/// `parseCertificateChain`: standard base64 of DER. Of the errors of Go's X.509
/// parser only the commonest text is reproduced.
pub(crate) fn parse_chain(chain: &[String]) -> Result<Vec<Certificate>, String> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    use x509_parser::public_key::PublicKey;

    let malformed = || "x509: malformed certificate".to_owned();
    chain
        .iter()
        .map(|text| {
            let der = decode_std(text.as_bytes()).map_err(|e| e.to_string())?;
            let (rest, certificate) = X509Certificate::from_der(&der).map_err(|_| malformed())?;
            if !rest.is_empty() {
                return Err("x509: trailing data".to_owned());
            }
            let (key, public, exponent) = match certificate.public_key().parsed() {
                Ok(PublicKey::RSA(rsa)) => (
                    CertificateKey::Rsa,
                    rsa.modulus.to_vec(),
                    rsa.exponent.to_vec(),
                ),
                Ok(PublicKey::EC(point)) => (CertificateKey::Ec, point.data().to_vec(), Vec::new()),
                Ok(PublicKey::DSA(_)) => (CertificateKey::Foreign, Vec::new(), Vec::new()),
                Ok(PublicKey::Unknown(key)) => {
                    let kind = &certificate.public_key().algorithm.algorithm;
                    // RFC 8410 section 3.
                    let key_kind = if kind.to_id_string() == "1.3.101.112" {
                        CertificateKey::Ed25519
                    } else {
                        CertificateKey::Unknown
                    };
                    (key_kind, key.to_vec(), Vec::new())
                }
                _ => (CertificateKey::Unknown, Vec::new(), Vec::new()),
            };
            Ok(Certificate {
                key,
                public,
                exponent,
                der: der.clone(),
            })
        })
        .collect()
}
