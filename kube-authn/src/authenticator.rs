//! `jwtAuthenticator.AuthenticateToken`, step by step.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::config::{JwtAuthenticator, validate};
use crate::error::{ConfigError, Error, StepName};
use crate::explain::Observer;
use crate::go::base64::decode_raw_url;
use crate::go::json;
use crate::go::quote::{quote, quote_list};
use crate::go::time::Time;
use crate::jwt::Algorithm;
use crate::jwt::claims::{Claims, Typed, untrusted_issuer};
use crate::jwt::jose::Jws;
use crate::jwt::keys::KeySet;

/// The key under which a user's extra carries the token's `jti`.
pub const CREDENTIAL_ID_KEY: &str = "authentication.kubernetes.io/credential-id";

/// The one leniency about time: `nbf` may lie this many seconds ahead.
const NOT_BEFORE_LEEWAY_SECONDS: i64 = 60;

const GOOGLE: &str = "https://accounts.google.com";
const GOOGLE_WITHOUT_SCHEME: &str = "accounts.google.com";

/// Who a token speaks for, before the API server adds `system:authenticated`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The name with its prefix. It may be empty.
    pub username: String,
    /// The uid claim, empty where none is configured.
    pub uid: String,
    /// The groups with their prefix, in the token's order, duplicates kept.
    pub groups: Vec<String>,
    /// The credential id, where the token has a `jti`.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What became of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It speaks for this user.
    Accepted(User),
    /// It names another issuer, or is no JWT at all: somebody else's business.
    NotMine,
    /// It is refused.
    Rejected(Error),
    /// No known key verifies it; the caller may fetch fresh ones and ask once
    /// more. Only the answer to [`KeyState::Cached`].
    NeedsKeys,
}

/// What is known of the issuer's keys.
#[derive(Debug, Clone, Copy)]
pub enum KeyState<'a> {
    /// Discovery has not succeeded yet.
    NotInitialized,
    /// Keys of an earlier fetch, which may be outdated.
    Cached(&'a KeySet),
    /// Keys that are final: just fetched, or too fresh to be fetched again
    /// (go-oidc does not while they are fresh for 30 more seconds).
    Fetched(&'a KeySet),
    /// Fetching failed; the text follows "fetching keys" in the error.
    FetchFailed(&'a str),
}

/// One entry of an AuthenticationConfiguration's `jwt`, ready for use.
#[derive(Debug, Clone)]
pub struct Authenticator {
    configuration: JwtAuthenticator,
    algorithms: Vec<Algorithm>,
    /// Sorted, as error texts list them.
    audiences: Vec<String>,
    /// `requiredClaims` of `oidc.go`: a map there, so of two rules for one claim
    /// the later one counts, and the order of checking is random. Here it is
    /// that of the configuration.
    required_claims: Vec<(String, String)>,
}

impl Authenticator {
    /// Checks and prepares one entry. Without a list of algorithms all nine are
    /// allowed, as for a configuration file; the `--oidc-*` flags bring a list.
    ///
    /// # Errors
    /// What Kubernetes' `oidc.New` says, and a refusal of CEL expressions.
    pub fn new(
        jwt: &JwtAuthenticator,
        signing_algs: Option<&[String]>,
    ) -> Result<Self, ConfigError> {
        let errors = validate::jwt_authenticator(jwt, &[], "");
        if !errors.is_empty() {
            return Err(ConfigError::Invalid(errors));
        }
        if let Some(field) = jwt.first_expression() {
            return Err(ConfigError::Cel(field));
        }
        let algorithms = match signing_algs {
            None => Algorithm::ALL.to_vec(),
            Some([]) => vec![Algorithm::Rs256],
            Some(names) => names
                .iter()
                .map(|name| {
                    Algorithm::from_name(name)
                        .ok_or_else(|| ConfigError::UnsupportedAlgorithm(name.clone()))
                })
                .collect::<Result<_, _>>()?,
        };
        let mut audiences = jwt.issuer.audiences.clone();
        audiences.sort();
        audiences.dedup();
        let mut required_claims: Vec<(String, String)> = Vec::new();
        for rule in jwt
            .claim_validation_rules
            .iter()
            .filter(|rule| !rule.claim.is_empty())
        {
            required_claims.retain(|(claim, _)| *claim != rule.claim);
            required_claims.push((rule.claim.clone(), rule.required_value.clone()));
        }
        Ok(Self {
            configuration: jwt.clone(),
            algorithms,
            audiences,
            required_claims,
        })
    }

    /// The issuer, compared byte by byte with tokens and discovery.
    #[must_use]
    pub fn issuer_url(&self) -> &str {
        &self.configuration.issuer.url
    }

    /// Where the discovery document is to be fetched.
    #[must_use]
    pub fn discovery_url(&self) -> String {
        match self.configuration.issuer.discovery_url.as_str() {
            "" => {
                let issuer = self.issuer_url();
                let base = issuer.strip_suffix('/').unwrap_or(issuer);
                format!("{base}/.well-known/openid-configuration")
            }
            url => url.to_owned(),
        }
    }

    /// The configuration it was made of.
    #[must_use]
    pub fn configuration(&self) -> &JwtAuthenticator {
        &self.configuration
    }

    /// Judges a token.
    #[must_use]
    pub fn authenticate(&self, token: &str, keys: KeyState<'_>, now: Timestamp) -> Outcome {
        match self.walk(token, keys, now, &mut ()) {
            Ok(user) => Outcome::Accepted(user),
            Err(Stop::NotMine) => Outcome::NotMine,
            Err(Stop::NeedsKeys) => Outcome::NeedsKeys,
            Err(Stop::Rejected(error)) => Outcome::Rejected(error),
        }
    }

    pub(crate) fn walk<O: Observer>(
        &self,
        token: &str,
        keys: KeyState<'_>,
        now: Timestamp,
        observer: &mut O,
    ) -> Result<User, Stop> {
        self.check_untrusted_issuer(token, observer)?;
        if matches!(keys, KeyState::NotInitialized) {
            return refuse(
                StepName::VerifierReady,
                "oidc: authenticator not initialized",
            );
        }
        observer.passed(StepName::VerifierReady, || {
            "discovery has succeeded".to_owned()
        });
        let payload = self.verified_payload(token, keys, observer)?;
        let raw = json::parse(&payload)
            .map_err(|e| unverified(StepName::TypedClaims, &unmarshal_failed(&e)))?;
        self.check_typed_claims(raw, now, observer)?;
        let claims = Claims::of(raw);
        self.check_distributed(&claims, observer)?;
        let user = User {
            username: self.username(&claims, observer)?,
            groups: self.groups(&claims, observer)?,
            uid: self.uid(&claims, observer)?,
            extra: credential_id(&claims),
        };
        self.check_required(&claims, observer)?;
        Ok(user)
    }

    fn check_untrusted_issuer<O: Observer>(
        &self,
        token: &str,
        observer: &mut O,
    ) -> Result<(), Stop> {
        let step = StepName::UntrustedIssuer;
        let not_mine = |observer: &mut O, why: &str| {
            observer.failed(step, || why.to_owned());
            Err(Stop::NotMine)
        };
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return not_mine(observer, "the token has no three parts separated by dots");
        };
        if token.trim_start().starts_with('{') {
            return not_mine(observer, "the token is no compact JWT");
        }
        let Ok(payload) = decode_raw_url(payload.as_bytes()) else {
            return not_mine(observer, "the payload is not base64url");
        };
        let Some(issuer) = untrusted_issuer(&payload) else {
            return not_mine(
                observer,
                "the payload is no JSON object with a string as iss",
            );
        };
        let issuer = if issuer == GOOGLE_WITHOUT_SCHEME {
            GOOGLE
        } else {
            &*issuer
        };
        if issuer == self.issuer_url() {
            observer.passed(step, || format!("iss is {}", quote(issuer)));
            Ok(())
        } else {
            let expected = quote(self.issuer_url());
            not_mine(
                observer,
                &format!(
                    "iss is {}, this authenticator's is {expected}",
                    quote(issuer)
                ),
            )
        }
    }

    /// go-oidc's `Verify` up to the signature.
    fn verified_payload<O: Observer>(
        &self,
        token: &str,
        keys: KeyState<'_>,
        observer: &mut O,
    ) -> Result<Vec<u8>, Stop> {
        let jws = Jws::parse(token)
            .map_err(|e| unverified(StepName::Parse, &format!("oidc: malformed jwt: {e}")))?;
        observer.passed(StepName::Parse, || {
            format!("kid {}", quote(&jws.header.key_id))
        });
        let Some(algorithm) = self
            .algorithms
            .iter()
            .copied()
            .find(|a| a.name() == jws.header.algorithm)
        else {
            let (expected, got) = (quote_list(&self.algorithms), quote(&jws.header.algorithm));
            let text = format!(
                "oidc: id token signed with unsupported algorithm, expected {expected} got {got}"
            );
            return Err(unverified(StepName::Algorithm, &text));
        };
        observer.passed(StepName::Algorithm, || algorithm.name().to_owned());
        let failed = |why: &str| {
            Err(unverified(
                StepName::Signature,
                &format!("failed to verify signature: {why}"),
            ))
        };
        let (set, is_final) = match keys {
            KeyState::Cached(set) => (set, false),
            KeyState::Fetched(set) => (set, true),
            KeyState::FetchFailed(why) => return failed(&format!("fetching keys {why}")),
            KeyState::NotInitialized => {
                return refuse(
                    StepName::VerifierReady,
                    "oidc: authenticator not initialized",
                );
            }
        };
        if set.verify(&jws, algorithm) {
            observer.passed(StepName::Signature, || {
                format!("verified with one of {} keys", set.len())
            });
            Ok(jws.payload)
        } else if is_final {
            failed("failed to verify id token signature")
        } else {
            Err(Stop::NeedsKeys)
        }
    }

    /// The rest of `Verify`.
    fn check_typed_claims<O: Observer>(
        &self,
        payload: json::Raw<'_>,
        now: Timestamp,
        observer: &mut O,
    ) -> Result<(), Stop> {
        let typed = Typed::decode(payload)
            .map_err(|e| unverified(StepName::TypedClaims, &unmarshal_failed(&e)))?;
        observer.passed(StepName::TypedClaims, || {
            "the registered claims have their types".to_owned()
        });
        for source in typed.claim_names.values() {
            if source.is_empty() {
                return Err(unverified(
                    StepName::ClaimNames,
                    "oidc: failed to obtain source from claim name",
                ));
            }
            if !typed.claim_sources.contains(source) {
                return Err(unverified(
                    StepName::ClaimNames,
                    "oidc: source does not exist",
                ));
            }
        }
        observer.passed(StepName::ClaimNames, || {
            format!("{} distributed claims", typed.claim_names.len())
        });
        let issuer = self.issuer_url();
        if typed.issuer != issuer && !(issuer == GOOGLE && typed.issuer == GOOGLE_WITHOUT_SCHEME) {
            let (expected, got) = (quote(issuer), quote(&typed.issuer));
            let text = format!(
                "oidc: id token issued by a different provider, expected {expected} got {got}"
            );
            return Err(unverified(StepName::Issuer, &text));
        }
        observer.passed(StepName::Issuer, || format!("issued by {}", quote(issuer)));
        // With one audience go-oidc checks it here, with several Kubernetes
        // does after the dates.
        match self.audiences.as_slice() {
            [audience] => {
                if !typed.audience.contains(audience) {
                    let (expected, got) = (quote(audience), quote_list(&typed.audience));
                    return Err(unverified(
                        StepName::Audience,
                        &format!("oidc: expected audience {expected} got {got}"),
                    ));
                }
                observer.passed(StepName::Audience, || {
                    format!("aud holds {}", quote(audience))
                });
                check_dates(&typed, now, observer)
            }
            audiences => {
                check_dates(&typed, now, observer)?;
                if !audiences
                    .iter()
                    .any(|audience| typed.audience.contains(audience))
                {
                    let (expected, got) = (quote_list(audiences), quote_list(&typed.audience));
                    return Err(unverified(
                        StepName::Audience,
                        &format!("oidc: expected audience in {expected} got {got}"),
                    ));
                }
                observer.passed(StepName::Audience, || {
                    format!("aud is {}", quote_list(&typed.audience))
                });
                Ok(())
            }
        }
    }

    fn check_distributed<O: Observer>(
        &self,
        claims: &Claims<'_>,
        observer: &mut O,
    ) -> Result<(), Stop> {
        let groups = &self.configuration.claim_mappings.groups.claim;
        if groups.is_empty() {
            return Ok(());
        }
        claims.check_distributed(groups).map_err(|e| {
            rejected(
                StepName::DistributedClaims,
                format!("oidc: could not expand distributed claims: {e}"),
            )
        })?;
        observer.passed(StepName::DistributedClaims, || "none to fetch".to_owned());
        Ok(())
    }

    fn username<O: Observer>(&self, claims: &Claims<'_>, observer: &mut O) -> Result<String, Stop> {
        let step = StepName::Username;
        let mapping = &self.configuration.claim_mappings.username;
        let name = claims.string(&mapping.claim).map_err(|e| {
            rejected(
                step,
                format!("oidc: parse username claims {}: {e}", quote(&mapping.claim)),
            )
        })?;
        if mapping.claim == "email"
            && let Some(verified) = claims.get("email_verified")
        {
            let verified = verified
                .as_bool()
                .map_err(|e| rejected(step, format!("oidc: parse 'email_verified' claim: {e}")))?;
            if !verified {
                return refuse(step, "oidc: email not verified");
            }
        }
        let username = format!("{}{name}", mapping.prefix.as_deref().unwrap_or_default());
        observer.passed(step, || {
            format!("claim {} gives {}", quote(&mapping.claim), quote(&username))
        });
        Ok(username)
    }

    fn groups<O: Observer>(
        &self,
        claims: &Claims<'_>,
        observer: &mut O,
    ) -> Result<Vec<String>, Stop> {
        let step = StepName::Groups;
        let mapping = &self.configuration.claim_mappings.groups;
        let value = if mapping.claim.is_empty() {
            None
        } else {
            claims.get(&mapping.claim)
        };
        let Some(value) = value else {
            observer.passed(step, || {
                "none: no groups claim is configured or present".to_owned()
            });
            return Ok(Vec::new());
        };
        // A list of strings or, failing that, a string.
        let mut groups = match value.as_strings() {
            Ok(list) => list.unwrap_or_default(),
            Err(_) => value
                .as_string()
                .map(|group| vec![group.into_owned()])
                .map_err(|e| {
                    rejected(
                        step,
                        format!("oidc: parse groups claim {}: {e}", quote(&mapping.claim)),
                    )
                })?,
        };
        if let Some(prefix) = mapping
            .prefix
            .as_deref()
            .filter(|prefix| !prefix.is_empty())
        {
            for group in &mut groups {
                group.insert_str(0, prefix);
            }
        }
        observer.passed(step, || {
            format!(
                "claim {} gives {}",
                quote(&mapping.claim),
                quote_list(&groups)
            )
        });
        Ok(groups)
    }

    fn uid<O: Observer>(&self, claims: &Claims<'_>, observer: &mut O) -> Result<String, Stop> {
        let claim = &self.configuration.claim_mappings.uid.claim;
        if claim.is_empty() {
            return Ok(String::new());
        }
        let uid = claims.string(claim).map_err(|e| {
            rejected(
                StepName::Uid,
                format!("oidc: parse uid claim {}: {e}", quote(claim)),
            )
        })?;
        observer.passed(StepName::Uid, || {
            format!("claim {} gives {}", quote(claim), quote(&uid))
        });
        Ok(uid.into_owned())
    }

    fn check_required<O: Observer>(
        &self,
        claims: &Claims<'_>,
        observer: &mut O,
    ) -> Result<(), Stop> {
        let step = StepName::RequiredClaims;
        for (claim, wanted) in &self.required_claims {
            let Some(value) = claims.get(claim) else {
                return refuse(
                    step,
                    format!("oidc: required claim {claim} not present in ID token"),
                );
            };
            let got = value
                .as_string()
                .map_err(|e| rejected(step, format!("oidc: parse claim {claim}: {e}")))?;
            if got != *wanted {
                return refuse(
                    step,
                    format!(
                        "oidc: required claim {claim} value does not match. Got = {got}, want = {wanted}"
                    ),
                );
            }
        }
        observer.passed(step, || {
            format!("{} required claims match", self.required_claims.len())
        });
        Ok(())
    }
}

/// Why the walk ended before an identity.
pub(crate) enum Stop {
    NotMine,
    NeedsKeys,
    Rejected(Error),
}

fn check_dates<O: Observer>(
    typed: &Typed<'_>,
    now: Timestamp,
    observer: &mut O,
) -> Result<(), Stop> {
    let now = Time::from(now);
    if typed.expiry < now {
        let text = format!("oidc: token is expired (Token Expiry: {})", typed.expiry);
        return Err(unverified(StepName::Expiry, &text));
    }
    observer.passed(StepName::Expiry, || format!("expires {}", typed.expiry));
    if let Some(not_before) = typed.not_before
        && now.plus_seconds(NOT_BEFORE_LEEWAY_SECONDS) < not_before
    {
        let text =
            format!("oidc: current time {now} before the nbf (not before) time: {not_before}");
        return Err(unverified(StepName::NotBefore, &text));
    }
    observer.passed(StepName::NotBefore, || match typed.not_before {
        Some(not_before) => format!("valid from {not_before}"),
        None => "no nbf".to_owned(),
    });
    Ok(())
}

/// `jti` becomes the credential id; one that is no string is silently ignored.
fn credential_id(claims: &Claims<'_>) -> BTreeMap<String, Vec<String>> {
    match claims.string("jti") {
        Ok(jti) if !jti.is_empty() => {
            BTreeMap::from([(CREDENTIAL_ID_KEY.to_owned(), vec![format!("JTI={jti}")])])
        }
        _ => BTreeMap::new(),
    }
}

fn unmarshal_failed(why: &str) -> String {
    format!("oidc: failed to unmarshal claims: {why}")
}

fn unverified(step: StepName, text: &str) -> Stop {
    rejected(step, format!("oidc: verify token: {text}"))
}

fn rejected(step: StepName, text: String) -> Stop {
    Stop::Rejected(Error::new(step, text))
}

fn refuse<T>(step: StepName, text: impl Into<String>) -> Result<T, Stop> {
    Err(rejected(step, text.into()))
}
