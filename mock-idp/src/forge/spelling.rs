//! Headers and payloads that are spelt as no issuer does, under the issuer's
//! own signature: what is refused has to be refused for the spelling.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding,
};
use serde_json::json;

use super::jws::{Jws, compact, encode, join};
use super::{Forged, Forgery, Issuer};

/// A scheme's name in a header, and the scheme.
type Scheme = (&'static str, &'static dyn RsaEncoding);

const OTHER_SCHEMES: [Scheme; 3] = [
    ("PS256", &RSA_PSS_SHA256),
    ("RS384", &RSA_PKCS1_SHA384),
    ("RS512", &RSA_PKCS1_SHA512),
];

/// Forges.
pub(super) fn forge(word: Forgery, real: &Jws<'_>, issuer: &Issuer) -> Vec<Forged> {
    let key = &issuer.key;
    let header = real.header.clone().set("kid", json!(key.kid()));
    let (head, claims) = (header.bytes(), real.claims.bytes());
    let sign = |header: &[u8], payload: &[u8]| compact(header, payload, |input| key.sign(input));
    let payload = |variant: &str, payload: Vec<u8>| Forged::new(variant, sign(&head, &payload));
    let headed = |variant: &str, header: Vec<u8>| Forged::new(variant, sign(&header, &claims));
    let by = |name: &str, alg: &str, scheme: &'static dyn RsaEncoding| {
        let header = header.clone().set("alg", json!(alg)).bytes();
        let token = compact(&header, &claims, |input| key.sign_by(scheme, input));
        Forged::new(name, token)
    };
    match word {
        Forgery::NotAnObject => vec![
            payload("a list", [b"[", claims.as_slice(), b"]"].concat()),
            payload("a string", b"\"admin\"".to_vec()),
            payload("a number", b"7".to_vec()),
            payload("null", b"null".to_vec()),
            payload("nothing", Vec::new()),
        ],
        Forgery::ByteOrderMark => vec![
            payload("in the payload", marked(&claims)),
            headed("in the header", marked(&head)),
        ],
        Forgery::NotUtf8 => vec![
            payload("in the payload", with_stray_bytes(&claims)),
            headed("in the header", with_stray_bytes(&head)),
        ],
        Forgery::DuplicateHeader => vec![
            headed("alg", header.clone().with("alg", json!("RS256")).bytes()),
            headed("kid", header.clone().with("kid", json!(key.kid())).bytes()),
        ],
        Forgery::UnknownKid => {
            let kid = json!("a-kid-that-nobody-publishes");
            vec![headed(
                "another kid",
                header.clone().set("kid", kid).bytes(),
            )]
        }
        Forgery::NoKid => vec![
            headed("no kid", header.clone().without("kid").bytes()),
            headed("an empty kid", header.clone().set("kid", json!("")).bytes()),
        ],
        Forgery::UnknownCritical => vec![
            headed(
                "exp",
                header
                    .clone()
                    .set("crit", json!(["exp"]))
                    .set("exp", 1)
                    .bytes(),
            ),
            headed(
                "a word of nobody's",
                header
                    .clone()
                    .set("crit", json!(["rolecall"]))
                    .set("rolecall", true)
                    .bytes(),
            ),
        ],
        Forgery::EmptyCritical => {
            vec![headed(
                "an empty list",
                header.clone().set("crit", "[]").bytes(),
            )]
        }
        Forgery::Unencoded => {
            let header = header
                .clone()
                .set("b64", false)
                .set("crit", json!(["b64"]))
                .bytes();
            // What is signed has the payload as it is, the token has it encoded.
            let input = [encode(&header).as_bytes(), b".", &claims].concat();
            let signature = encode(key.sign(&input));
            let token = join(&[&encode(&header), &encode(&claims), &signature]);
            vec![Forged::new("b64 false", token)]
        }
        Forgery::OtherAlgorithm => OTHER_SCHEMES
            .iter()
            .map(|(alg, scheme)| by(alg, alg, *scheme))
            .collect(),
        Forgery::OtherDigest => OTHER_SCHEMES
            .iter()
            .map(|(alg, scheme)| by(&format!("{alg} called RS256"), "RS256", *scheme))
            .chain([by("RS256 called RS512", "RS512", &RSA_PKCS1_SHA256)])
            .chain(
                paddings(&head, &claims)
                    .into_iter()
                    .map(|(variant, block)| {
                        let token = compact(&head, &claims, |_| key.sign_padded(&block));
                        Forged::new(variant, token)
                    }),
            )
            .collect(),
        _ => Vec::new(),
    }
}

/// The length of an RSA-2048 key's blocks.
const BLOCK: usize = 256;

/// Blocks that are nearly EMSA-PKCS1-v1_5 of the token by SHA-256.
fn paddings(header: &[u8], payload: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let input = join(&[&encode(header), &encode(payload)]);
    let hash = digest(&SHA256, input.as_bytes());
    let hash = hash.as_ref();
    // DigestInfo of RFC 8017 section 9.2 note 1.
    let algorithm = b"\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00";
    let info = [b"\x30\x31", &algorithm[..], b"\x04\x20", hash].concat();
    let without_null = [b"\x30\x2f\x30\x0b", &algorithm[2..13], b"\x04\x20", hash].concat();
    let long_form = [b"\x30\x81\x31", &algorithm[..], b"\x04\x20", hash].concat();
    let indefinite = [b"\x30\x80", &algorithm[..], b"\x04\x20", hash, b"\0\0"].concat();
    let of_sha1 = [
        b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        &hash[..20],
    ]
    .concat();
    let block = |kind: u8, fill: u8, info: &[u8]| {
        let padding = vec![fill; BLOCK - 3 - info.len()];
        [&[0, kind][..], &padding, &[0], info].concat()
    };
    let changed = |at: usize, to: u8| {
        let mut block = block(1, 0xff, &info);
        block[at] = to;
        block
    };
    let garbage = |padding: usize| {
        let head = [&[0, 1][..], &vec![0xff; padding], &[0], &info].concat();
        [&head[..], &vec![0x5a; BLOCK - head.len()]].concat()
    };
    vec![
        ("no NULL", block(1, 0xff, &without_null)),
        ("a length in its long form", block(1, 0xff, &long_form)),
        ("an indefinite length", block(1, 0xff, &indefinite)),
        ("the digest alone", block(1, 0xff, hash)),
        ("a digest called SHA-1", block(1, 0xff, &of_sha1)),
        ("block type 0", block(0, 0, &info)),
        ("block type 2", block(2, 0xff, &info)),
        ("padding of another byte", block(1, 0xfe, &info)),
        ("one byte of the padding", changed(100, 0xfe)),
        ("the first byte", changed(0, 1)),
        (
            "no zero behind the padding",
            changed(BLOCK - 1 - info.len(), 0xff),
        ),
        // Bleichenbacher's: what follows the digest is not looked at.
        ("short padding and garbage", garbage(8)),
        ("no padding and garbage", garbage(0)),
    ]
}

fn marked(json: &[u8]) -> Vec<u8> {
    ["\u{feff}".as_bytes(), json].concat()
}

/// With one more member, whose value is no UTF-8.
fn with_stray_bytes(json: &[u8]) -> Vec<u8> {
    let open = json.strip_suffix(b"}").unwrap_or(json);
    [open, b",\"stray\":\"\xff\xc3\"}"].concat()
}
