//! The words, each with what it changes, the rows of our catalogue of bad input
//! that it stands for (J1 to J43, on tokens), and how it is made. Of J44, hostile
//! key sets, nothing can be sent: they are kube-authn's fuzz target `key_set`,
//! its generator's and Wycheproof's.

use std::fmt;
use std::str::FromStr;

/// How a forgery is made, and so what it takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Craft {
    /// Other claims under the issuer's signature.
    Claims,
    /// Header and payload spelt otherwise, under the issuer's signature.
    Spelling,
    /// Another key of the provider's.
    OtherKey,
    /// The real token, changed after it was signed.
    Tampering,
    /// A key of the forger's own.
    OwnKey,
    /// The other token of the same login.
    Access,
}

use Craft::{Access, Claims, OtherKey, OwnKey, Spelling, Tampering};

/// Declares the words once.
macro_rules! forgeries {
    ($($(#[$doc:meta])+ $name:ident = $word:literal, $rows:literal, $craft:expr;)+) => {
        /// One thing that is changed in a token, or several that are alike. A
        /// correct API server refuses it, unless something else is said.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Forgery {
            $($(#[$doc])+ #[doc = concat!("(", $rows, ")")] $name,)+
        }

        /// A row a word.
        const WORDS: &[(Forgery, &str, Craft)] = &[
            $((Forgery::$name, $word, $craft),)+
        ];

        impl Forgery {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

forgeries! {
    /// `exp` is over.
    Expired = "expired", "J36", Claims;
    /// `nbf` lies ahead, further than any leeway.
    NotYetValid = "not-yet-valid", "J36, J38", Claims;
    /// `nbf` lies ahead by less than Kubernetes' leeway: accepted.
    NearlyValid = "nearly-valid", "J36", Claims;
    /// `aud` is somebody else's, or none.
    WrongAudience = "wrong-audience", "J34", Claims;
    /// `aud` is a list with the right one in it: accepted.
    SeveralAudiences = "several-audiences", "J35", Claims;
    /// `iss` is another one, if only by a slash.
    WrongIssuer = "wrong-issuer", "J33", Claims;
    /// There is no `exp`.
    MissingExp = "missing-exp", "J37", Claims;
    /// `exp` is no time (CVE-2026-25537).
    BadExp = "bad-exp", "J37", Claims;
    /// `exp` is a number in quotes, which Go reads: accepted.
    ExpAsString = "exp-as-string", "J37", Claims;
    /// `exp` has a fraction, which Go cuts off: accepted.
    FractionalExp = "fractional-exp", "J37", Claims;
    /// `nbf` is no time.
    BadNbf = "bad-nbf", "J38", Claims;
    /// `iat` is no time.
    BadIat = "bad-iat", "J38", Claims;
    /// `iat` lies ahead, or is not there, which nobody looks at: accepted.
    OddIat = "odd-iat", "J38", Claims;
    /// The claim that names the user is not there.
    MissingUsername = "missing-username", "J39", Claims;
    /// The claim that names the user is no string.
    BadUsername = "bad-username", "J39", Claims;
    /// The claim that names the user is empty: accepted.
    EmptyUsername = "empty-username", "J39", Claims;
    /// The claim that names the user has 64 KiB, or one MiB: accepted.
    LongUsername = "long-username", "J39", Claims;
    /// `email_verified` is there and not true; it counts where `email` names
    /// the user.
    EmailUnverified = "email-unverified", "J40", Claims;
    /// `email_verified` is not there: accepted.
    NoEmailVerified = "no-email-verified", "J40", Claims;
    /// The groups are no strings.
    BadGroups = "bad-groups", "J41", Claims;
    /// One group as a string instead of a list: accepted.
    GroupsAsString = "groups-as-string", "J41", Claims;
    /// 10,000 groups, or one twice: accepted.
    ManyGroups = "many-groups", "J41", Claims;
    /// A claim is there twice, and to Go the last one counts: accepted.
    DuplicateClaim = "duplicate-claim", "J24", Claims;
    /// A claim is spelt in capitals, which Go takes for the same: accepted.
    ClaimCase = "claim-case", "J26", Claims;
    /// The payload is JSON and no object.
    NotAnObject = "not-an-object", "J23", Spelling;
    /// A byte order mark stands before the JSON.
    ByteOrderMark = "byte-order-mark", "J22", Spelling;
    /// Bytes that are no UTF-8, which Go replaces: accepted.
    NotUtf8 = "not-utf8", "J21", Spelling;
    /// A header parameter is there twice.
    DuplicateHeader = "duplicate-header", "J25", Spelling;
    /// The issuer's own signature under a `kid` that it does not publish.
    UnknownKid = "unknown-kid", "J27", Spelling;
    /// No `kid`, so that every key is tried, and one fits: accepted.
    NoKid = "no-kid", "J28", Spelling;
    /// `crit` names what nobody understands (RFC 7515 section 4.1.11).
    UnknownCritical = "unknown-critical", "J32", Spelling;
    /// `crit` names nothing, which go-jose lets pass: accepted.
    EmptyCritical = "empty-critical", "J32", Spelling;
    /// The payload was signed unencoded, with `b64: false` (RFC 7797), which
    /// go-jose understands: accepted.
    Unencoded = "unencoded", "J32", Spelling;
    /// The issuer's own signature by another algorithm than it publishes:
    /// accepted where the algorithm is on the API server's list.
    OtherAlgorithm = "other-algorithm", "J6, J7", Spelling;
    /// The issuer's own signature by another algorithm than the header's, or by its
    /// algorithm with another padding than RFC 8017 section 9.2 has.
    OtherDigest = "other-digest", "J11", Spelling;
    /// A token of another pool of the provider's.
    OtherPool = "other-pool", "J43", OtherKey;
    /// Signed with a key that is no longer published.
    RetiredKey = "retired-key", "J43", OtherKey;
    /// `alg: none` in whatever case, with a signature and without one.
    AlgNone = "alg-none", "J1, J2, J3", Tampering;
    /// The header names another algorithm over the real signature.
    RelabelledAlgorithm = "relabelled-algorithm", "J7, J10", Tampering;
    /// The signature is all zeros (CVE-2022-21449).
    ZeroSignature = "zero-signature", "J8", Tampering;
    /// The real ECDSA signature in DER, which is not JWS' form of it.
    DerSignature = "der-signature", "J9", Tampering;
    /// Payload or header are not those that were signed.
    Tampered = "tampered", "J13", Tampering;
    /// One bit of the signature is another one, at each of its bytes.
    TamperedSignature = "tampered-signature", "J12", Tampering;
    /// The signature is shorter or longer than it was.
    TruncatedSignature = "truncated-signature", "J12", Tampering;
    /// Less or more than three parts.
    WrongPartCount = "wrong-part-count", "J14", Tampering;
    /// The five parts of an encrypted token (RFC 7516).
    Encrypted = "encrypted", "J15", Tampering;
    /// The JSON serialisation (RFC 7515 section 7.2).
    JsonSerialised = "json-serialised", "J16", Tampering;
    /// base64 with its padding.
    Padded = "padded", "J17", Tampering;
    /// base64 in the standard alphabet, or in none.
    StandardAlphabet = "standard-alphabet", "J18", Tampering;
    /// The last character of the base64 has bits that say nothing, which
    /// go-jose does not mind: accepted.
    SpareBits = "spare-bits", "J19", Tampering;
    /// White space inside, some of which go-jose takes out: accepted.
    WhiteSpace = "white-space", "J20", Tampering;
    /// An HMAC whose key is the issuer's public key.
    HmacWithPublicKey = "hmac-with-public-key", "J4, J5", OwnKey;
    /// Signed with a key of the forger's own, which has a `kid` of its own.
    UnknownKey = "unknown-key", "J27", OwnKey;
    /// Signed with a key of the forger's own under the real `kid`.
    WrongKey = "wrong-key", "J27, J28", OwnKey;
    /// The `kid` is a path, a query, enormous or no string.
    HostileKid = "hostile-kid", "J29", OwnKey;
    /// `jku` and `x5u` lead to the forger's key, and nobody is to go there.
    RemoteKey = "remote-key", "J30", OwnKey;
    /// `jwk` and `x5c` hold the forger's key.
    EmbeddedKey = "embedded-key", "J31", OwnKey;
    /// The person's access token.
    AccessToken = "access-token", "J42", Access;
}

impl Forgery {
    /// The word.
    pub fn word(self) -> &'static str {
        self.entry().1
    }

    /// Whether only the issuer, or who holds its keys, can make it.
    pub fn takes_the_issuer(self) -> bool {
        matches!(self.craft(), Claims | Spelling | OtherKey)
    }

    pub(super) fn craft(self) -> Craft {
        self.entry().2
    }

    fn entry(self) -> &'static (Self, &'static str, Craft) {
        // The table is in the order of the variants.
        &WORDS[self as usize]
    }
}

impl fmt::Display for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// There is no such word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no forged token called {0:?}")]
pub struct UnknownWord(pub String);

impl FromStr for Forgery {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        WORDS
            .iter()
            .find(|(_, word, ..)| *word == text)
            .map(|(forgery, ..)| *forgery)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_no_other() {
        for forgery in Forgery::ALL {
            assert_eq!(forgery.word().parse(), Ok(*forgery));
        }
        assert_eq!(
            "Expired".parse::<Forgery>(),
            Err(UnknownWord("Expired".to_owned()))
        );
    }
}
