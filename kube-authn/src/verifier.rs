//! What makes a token of an issuer good: go-oidc's `IDTokenVerifier.Verify`, and
//! the look at several audiences that `oidc.go: idTokenVerifier` takes after it.
//! The issuer's own tokens go through it, and distributed claims once more.

use jiff::Timestamp;

use crate::authenticator::KeyState;
use crate::error::StepName;
use crate::explain::Observer;
use crate::go::json;
use crate::go::quote::{quote, quote_list};
use crate::go::time::Time;
use crate::jwt::Algorithm;
use crate::jwt::claims::Typed;
use crate::jwt::jose::Jws;
use crate::jwt::keys::KeySet;
use crate::version::Version;

/// The one leniency about time: `nbf` may lie this many seconds ahead.
const NOT_BEFORE_LEEWAY_SECONDS: i64 = 60;

/// Google's issuer may leave its scheme out of a token.
pub(crate) const GOOGLE: &str = "https://accounts.google.com";
pub(crate) const GOOGLE_WITHOUT_SCHEME: &str = "accounts.google.com";

/// What tokens of one issuer are held against.
pub(crate) struct Verifier<'a> {
    pub(crate) version: Version,
    pub(crate) issuer: &'a str,
    pub(crate) algorithms: &'a [Algorithm],
    /// Sorted, as error texts list them.
    pub(crate) audiences: &'a [String],
}

/// Keys to verify with, where discovery has succeeded.
#[derive(Clone, Copy)]
pub(crate) enum Keys<'a> {
    Cached(&'a KeySet),
    Fetched(&'a KeySet),
    FetchFailed(&'a str),
}

impl<'a> Keys<'a> {
    pub(crate) fn of(state: KeyState<'a>) -> Option<Self> {
        match state {
            KeyState::NotInitialized => None,
            KeyState::Cached(set) => Some(Self::Cached(set)),
            KeyState::Fetched(set) => Some(Self::Fetched(set)),
            KeyState::FetchFailed(why) => Some(Self::FetchFailed(why)),
        }
    }
}

/// Why a token is not verified, or not yet.
pub(crate) enum Unverified {
    NeedsKeys,
    /// The step, and go-oidc's text.
    Refused(StepName, String),
}

impl Verifier<'_> {
    /// Reads a token; nothing of it is verified then.
    pub(crate) fn parse(token: &str, observer: &mut impl Observer) -> Result<Jws, Unverified> {
        let jws = Jws::parse(token)
            .map_err(|e| refused(StepName::Parse, format!("oidc: malformed jwt: {e}")))?;
        observer.passed(StepName::Parse, || {
            format!("kid {}", quote(&jws.header.key_id))
        });
        Ok(jws)
    }

    /// Verifies what was read, and gives its claims.
    pub(crate) fn verify<'j>(
        &self,
        jws: &'j Jws,
        keys: Keys<'_>,
        now: Timestamp,
        observer: &mut impl Observer,
    ) -> Result<json::Raw<'j>, Unverified> {
        let (claims, typed);
        if self.version.checks_claims_first() {
            (claims, typed) = self.check_claims(&jws.payload, now, observer)?;
            self.check_signature(jws, keys, observer)?;
        } else {
            self.check_signature(jws, keys, observer)?;
            (claims, typed) = self.check_claims(&jws.payload, now, observer)?;
        }
        if self.audiences.len() != 1 {
            self.check_several_audiences(&typed, observer)?;
        }
        Ok(claims)
    }

    fn check_signature(
        &self,
        jws: &Jws,
        keys: Keys<'_>,
        observer: &mut impl Observer,
    ) -> Result<(), Unverified> {
        let Some(algorithm) = self
            .algorithms
            .iter()
            .copied()
            .find(|a| a.name() == jws.header.algorithm)
        else {
            let (expected, got) = (quote_list(self.algorithms), quote(&jws.header.algorithm));
            let text = format!(
                "oidc: id token signed with unsupported algorithm, expected {expected} got {got}"
            );
            return Err(refused(StepName::Algorithm, text));
        };
        observer.passed(StepName::Algorithm, || algorithm.name().to_owned());
        let failed = |why: &str| {
            Err(refused(
                StepName::Signature,
                format!("failed to verify signature: {why}"),
            ))
        };
        let (set, is_final) = match keys {
            Keys::Cached(set) => (set, false),
            Keys::Fetched(set) => (set, true),
            Keys::FetchFailed(why) => return failed(&format!("fetching keys {why}")),
        };
        if set.verify(jws, algorithm) {
            observer.passed(StepName::Signature, || {
                format!("verified with one of {} keys", set.len())
            });
            Ok(())
        } else if is_final {
            failed("failed to verify id token signature")
        } else {
            Err(Unverified::NeedsKeys)
        }
    }

    /// The claims of a fixed type, the issuer, a single audience and the dates.
    fn check_claims<'p>(
        &self,
        payload: &'p [u8],
        now: Timestamp,
        observer: &mut impl Observer,
    ) -> Result<(json::Raw<'p>, Typed<'p>), Unverified> {
        let (claims, typed) = json::parse(payload)
            .and_then(|claims| Ok((claims, Typed::decode(claims)?)))
            .map_err(|e| {
                let text = format!("oidc: failed to unmarshal claims: {e}");
                refused(StepName::TypedClaims, text)
            })?;
        observer.passed(StepName::TypedClaims, || {
            "the registered claims have their types".to_owned()
        });
        check_claim_names(&typed, observer)?;
        self.check_issuer(&typed, observer)?;
        if let [audience] = self.audiences {
            check_audience(audience, &typed, observer)?;
        }
        check_dates(&typed, now, observer)?;
        Ok((claims, typed))
    }

    fn check_issuer(
        &self,
        typed: &Typed<'_>,
        observer: &mut impl Observer,
    ) -> Result<(), Unverified> {
        let is_google = self.issuer == GOOGLE && typed.issuer == GOOGLE_WITHOUT_SCHEME;
        if typed.issuer != self.issuer && !is_google {
            let (expected, got) = (quote(self.issuer), quote(&typed.issuer));
            let text = format!(
                "oidc: id token issued by a different provider, expected {expected} got {got}"
            );
            return Err(refused(StepName::Issuer, text));
        }
        observer.passed(StepName::Issuer, || {
            format!("issued by {}", quote(self.issuer))
        });
        Ok(())
    }

    /// go-oidc is told to leave several audiences to Kubernetes, which looks at
    /// them when all else is verified.
    fn check_several_audiences(
        &self,
        typed: &Typed<'_>,
        observer: &mut impl Observer,
    ) -> Result<(), Unverified> {
        let known = |audience: &String| typed.audience.contains(audience);
        if !self.audiences.iter().any(known) {
            let (expected, got) = (quote_list(self.audiences), quote_list(&typed.audience));
            let text = format!("oidc: expected audience in {expected} got {got}");
            return Err(refused(StepName::Audience, text));
        }
        observer.passed(StepName::Audience, || {
            format!("aud is {}", quote_list(&typed.audience))
        });
        Ok(())
    }
}

fn check_claim_names(typed: &Typed<'_>, observer: &mut impl Observer) -> Result<(), Unverified> {
    let refused = |text: &str| Err(refused(StepName::ClaimNames, text.to_owned()));
    for source in typed.claim_names.values() {
        if source.is_empty() {
            return refused("oidc: failed to obtain source from claim name");
        }
        if !typed.claim_sources.contains(source) {
            return refused("oidc: source does not exist");
        }
    }
    observer.passed(StepName::ClaimNames, || {
        format!("{} distributed claims", typed.claim_names.len())
    });
    Ok(())
}

fn check_audience(
    audience: &String,
    typed: &Typed<'_>,
    observer: &mut impl Observer,
) -> Result<(), Unverified> {
    if !typed.audience.contains(audience) {
        let (expected, got) = (quote(audience), quote_list(&typed.audience));
        let text = format!("oidc: expected audience {expected} got {got}");
        return Err(refused(StepName::Audience, text));
    }
    observer.passed(StepName::Audience, || {
        format!("aud holds {}", quote(audience))
    });
    Ok(())
}

fn check_dates(
    typed: &Typed<'_>,
    now: Timestamp,
    observer: &mut impl Observer,
) -> Result<(), Unverified> {
    let now = Time::from(now);
    if typed.expiry < now {
        let text = format!("oidc: token is expired (Token Expiry: {})", typed.expiry);
        return Err(refused(StepName::Expiry, text));
    }
    observer.passed(StepName::Expiry, || format!("expires {}", typed.expiry));
    if let Some(not_before) = typed.not_before
        && now.plus_seconds(NOT_BEFORE_LEEWAY_SECONDS) < not_before
    {
        let text =
            format!("oidc: current time {now} before the nbf (not before) time: {not_before}");
        return Err(refused(StepName::NotBefore, text));
    }
    observer.passed(StepName::NotBefore, || match typed.not_before {
        Some(not_before) => format!("valid from {not_before}"),
        None => "no nbf".to_owned(),
    });
    Ok(())
}

fn refused(step: StepName, text: String) -> Unverified {
    Unverified::Refused(step, text)
}
