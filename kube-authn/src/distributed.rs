//! Distributed claims (OpenID Connect Core 1.0, section 5.6.2): a token says
//! where its groups are to be had, and what is there is a token of its own,
//! which any issuer may have signed (`oidc.go: claimResolver`).
//!
//! Nothing is fetched here. [`Authenticator::judge`] says what it needs, and
//! takes what was found the next time.

use std::fmt;

use jiff::Timestamp;

use crate::authenticator::{Authenticator, KeyState, Stop, rejected};
use crate::error::{Error, StepName};
use crate::go::json;
use crate::go::quote::quote;
use crate::go::url;
use crate::jwt::claims::{Claims, untrusted_issuer};
use crate::jwt::jose::Jws;
use crate::verifier::{Keys, Unverified, Verifier};

/// Where a claim is to be had.
#[derive(Clone, PartialEq, Eq)]
pub struct DistributedClaim {
    /// The URL to GET, which is not looked at further than that it is one.
    pub endpoint: String,
    /// The bearer token to send, unless it is empty.
    pub access_token: String,
}

/// Without the access token.
impl fmt::Debug for DistributedClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DistributedClaim")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// What is known of the claim that a token may refer to.
#[derive(Debug, Clone, Copy)]
pub enum ClaimState<'a> {
    /// Nobody has asked for it.
    Unknown,
    /// Asking failed; the text follows `while getting distributed claim "groups": `.
    FetchFailed(&'a str),
    /// The token that is the answer, and of its issuer's keys what is known,
    /// once it is known whose they have to be.
    Fetched(&'a str, Option<KeyState<'a>>),
}

/// What has to be fetched before a token can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// A claim; the answer to [`ClaimState::Unknown`].
    Claim(DistributedClaim),
    /// The keys of that issuer, which has to have signed the claim's token; the
    /// answer to [`ClaimState::Fetched`] without keys, or with cached ones that do
    /// not fit.
    ClaimKeys(String),
}

impl Needed {
    /// What is said where nothing can be fetched. It is not Kubernetes', which
    /// always can.
    #[must_use]
    pub fn refusal(&self) -> Error {
        let what = match self {
            Self::Claim(claim) => format!("the claim at {}", claim.endpoint),
            Self::ClaimKeys(issuer) => format!("the keys of {issuer}"),
        };
        let text = format!(
            "oidc: could not expand distributed claims: {what} would have to be fetched, by a server"
        );
        Error::new(StepName::DistributedClaims, text)
    }
}

/// The token that an endpoint answered with, before it is verified.
pub(crate) struct ClaimToken<'a> {
    endpoint: String,
    issuer: String,
    keys: Keys<'a>,
    jws: Jws,
}

impl Authenticator {
    /// The token in which the groups claim is, where it is distributed and not
    /// there already.
    pub(crate) fn claim_token<'a>(
        &self,
        claims: &Claims<'_>,
        state: ClaimState<'a>,
    ) -> Result<Option<ClaimToken<'a>>, Stop> {
        let claim = self.groups_claim();
        let Some(source) = claims.distributed(claim).map_err(unexpanded)? else {
            return Ok(None);
        };
        let failed = |why: &str| {
            let claim = quote(claim);
            unexpanded(format!("while getting distributed claim {claim}: {why}"))
        };
        let DistributedClaim { endpoint, .. } = &source;
        if let Err(error) = url::parse(endpoint) {
            return Err(failed(&format!("while calling {endpoint}: {error}")));
        }
        let (token, keys) = match state {
            ClaimState::Unknown => return Err(Stop::Needs(Needed::Claim(source))),
            ClaimState::FetchFailed(why) => return Err(failed(why)),
            ClaimState::Fetched(token, keys) => (token, keys),
        };
        let issuer = untrusted_issuer(token).map_err(|e| {
            let claim = quote(claim);
            unexpanded(format!(
                "getting untrusted issuer from endpoint {endpoint} failed for claim {claim}: {e}"
            ))
        })?;
        let Some(keys) = keys else {
            return Err(Stop::Needs(Needed::ClaimKeys(issuer)));
        };
        let keys = Keys::of(keys).ok_or_else(|| {
            let quoted = quote(&issuer);
            unexpanded(format!(
                "verifying untrusted issuer {issuer} failed: verifier not initialized for issuer: {quoted}"
            ))
        })?;
        let jws = Verifier::parse(token, &mut ()).map_err(|e| unverified(e, &issuer))?;
        Ok(Some(ClaimToken {
            endpoint: source.endpoint,
            issuer,
            keys,
            jws,
        }))
    }

    /// Verifies that token, as one of its issuer's for the same audiences, and
    /// takes the claim out of it.
    pub(crate) fn distributed_claim<'t>(
        &self,
        token: &'t ClaimToken<'_>,
        now: Timestamp,
    ) -> Result<json::Raw<'t>, Stop> {
        let claims = self
            .verifier(&token.issuer)
            .verify(&token.jws, token.keys, now, &mut ())
            .map_err(|e| unverified(e, &token.issuer))?;
        let claim = self.groups_claim();
        Claims::of(claims).get(claim).ok_or_else(|| {
            unexpanded(format!(
                "jwt returned by distributed claim endpoint {} did not contain claim: {claim}",
                quote(&token.endpoint)
            ))
        })
    }
}

fn unverified(error: Unverified, issuer: &str) -> Stop {
    match error {
        Unverified::NeedsKeys => Stop::Needs(Needed::ClaimKeys(issuer.to_owned())),
        Unverified::Refused(_, text) => {
            unexpanded(format!("verify distributed claim token: {text}"))
        }
    }
}

fn unexpanded(why: String) -> Stop {
    rejected(
        StepName::DistributedClaims,
        format!("oidc: could not expand distributed claims: {why}"),
    )
}
