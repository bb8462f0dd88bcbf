//! Where ids and secrets come from.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use uuid::Uuid;

const LOWER_ALNUM: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ALNUM: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What an id is for. Each kind has a stream of its own, so that one more
/// sign-in does not change the next pool's id.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Pool,
    Client,
    User,
    Token,
}

/// Makes ids: random ones, or the same ones again for the same seed.
pub(super) struct Ids(Option<[Mutex<ChaCha20Rng>; 4]>);

impl Ids {
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self(seed.map(|seed| {
            [0, 1, 2, 3].map(|stream| {
                let mut rng = ChaCha20Rng::seed_from_u64(seed);
                rng.set_stream(stream);
                Mutex::new(rng)
            })
        }))
    }

    fn with<T>(&self, kind: Kind, make: impl FnOnce(&mut dyn Rng) -> T) -> T {
        match &self.0 {
            Some(streams) => {
                let stream = &streams[kind as usize];
                make(&mut *stream.lock().unwrap_or_else(PoisonError::into_inner))
            }
            None => make(&mut rand::rng()),
        }
    }

    /// `REGION_` and nine letters and digits.
    pub(super) fn pool(&self, region: &str) -> String {
        let suffix = self.with(Kind::Pool, |mut rng| text(&mut rng, ALNUM, 9));
        format!("{region}_{suffix}")
    }

    /// 26 lower-case letters and digits.
    pub(super) fn client(&self) -> String {
        self.with(Kind::Client, |mut rng| text(&mut rng, LOWER_ALNUM, 26))
    }

    /// A UUID whose third group starts with `70`, as those that Cognito makes
    /// today; it is of no RFC 9562 version.
    pub(super) fn sub(&self) -> String {
        let mut bytes = self.with(Kind::User, bytes::<16>);
        bytes[6] = 0x70;
        Uuid::from_bytes(bytes).hyphenated().to_string()
    }

    /// A random UUID (RFC 9562 version 4).
    pub(super) fn uuid(&self, kind: Kind) -> String {
        uuid(self.with(kind, bytes::<16>))
    }
}

fn bytes<const N: usize>(rng: &mut dyn Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn uuid(bytes: [u8; 16]) -> String {
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .hyphenated()
        .to_string()
}

fn text(rng: &mut impl Rng, alphabet: &[u8], length: usize) -> String {
    (0..length)
        .map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())]))
        .collect()
}

// What follows are secrets: random whatever the seed.

/// An authorization code, a UUID.
pub(super) fn code() -> String {
    uuid(bytes(&mut rand::rng()))
}

/// A client secret.
pub(super) fn client_secret() -> String {
    text(&mut rand::rng(), LOWER_ALNUM, 51)
}

/// The session of a challenge, which on AWS is an encrypted blob that starts
/// like this.
pub(super) fn challenge_session() -> String {
    let random: [u8; 96] = bytes(&mut rand::rng());
    format!("AYABe{}", URL_SAFE_NO_PAD.encode(random))
}

/// A browser session's cookie.
pub(super) fn browser_session() -> String {
    let random: [u8; 32] = bytes(&mut rand::rng());
    URL_SAFE_NO_PAD.encode(random)
}

/// The header of a refresh token, `{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}`.
const REFRESH_HEADER: &str = "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ";

/// A refresh token. It has the outer form of Cognito's, a JWE in compact
/// serialization (RFC 7516 section 7.1), but nothing is encrypted in it: what
/// it stands for is kept here.
pub(super) fn refresh_token() -> String {
    let random: [u8; 924] = bytes(&mut rand::rng());
    let mut token = String::with_capacity(1_300);
    token.push_str(REFRESH_HEADER);
    for part in [
        &random[..256],
        &random[256..268],
        &random[268..908],
        &random[908..],
    ] {
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(part, &mut token);
    }
    token
}

/// Whether `token` has the form of a refresh token.
pub(super) fn is_refresh_token(token: &str) -> bool {
    token.split('.').count() == 5
}

/// A temporary password that conforms to `policy`.
pub(super) fn temporary_password(policy: &crate::domain::password::PasswordPolicy) -> String {
    const CLASSES: [&[u8]; 4] = [
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        b"abcdefghijklmnopqrstuvwxyz",
        b"0123456789",
        b"!#$%&()*+-.:;<=>?@[]^_{|}~",
    ];
    let rng = &mut rand::rng();
    let length = (policy.minimum_length as usize).max(8);
    let mut password: Vec<u8> = (0..length)
        .map(|at| {
            let class = CLASSES[at % CLASSES.len()];
            class[rng.random_range(0..class.len())]
        })
        .collect();
    // Shuffled, so that the classes do not alternate.
    for at in (1..password.len()).rev() {
        password.swap(at, rng.random_range(0..=at));
    }
    password.into_iter().map(char::from).collect()
}

/// An id for a page token: opaque to callers, readable to us.
pub(super) fn opaque(text: &str) -> String {
    STANDARD.encode(text)
}

/// The text in a page token.
pub(super) fn readable(token: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(token).ok()?).ok()
}
