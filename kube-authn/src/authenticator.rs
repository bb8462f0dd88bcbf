//! `jwtAuthenticator.AuthenticateToken`, step by step.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::config::{JwtAuthenticator, validate};
use crate::discovery::well_known;
use crate::distributed::{ClaimState, Needed};
use crate::error::{ConfigError, Error, StepName};
use crate::explain::Observer;
use crate::go::quote::{quote, quote_list};
use crate::jwt::Algorithm;
use crate::jwt::claims::{Claims, untrusted_issuer};
use crate::jwt::keys::KeySet;
use crate::verifier::{Keys, Unverified, Verifier};
use crate::version::Version;

/// The key under which a user's extra carries the token's `jti`.
pub const CREDENTIAL_ID_KEY: &str = "authentication.kubernetes.io/credential-id";

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
    version: Version,
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
            version: Version::default(),
            configuration: jwt.clone(),
            algorithms,
            audiences,
            required_claims,
        })
    }

    /// The same as that minor has it, instead of the newest.
    #[must_use]
    pub fn of(mut self, version: Version) -> Self {
        self.version = version;
        self
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
            "" => well_known(self.issuer_url()),
            url => url.to_owned(),
        }
    }

    /// The configuration it was made of.
    #[must_use]
    pub fn configuration(&self) -> &JwtAuthenticator {
        &self.configuration
    }

    /// Judges a token. A claim that is to be had elsewhere cannot be had here:
    /// see [`Self::judge`].
    #[must_use]
    pub fn authenticate(&self, token: &str, keys: KeyState<'_>, now: Timestamp) -> Outcome {
        match self.judge(token, keys, ClaimState::Unknown, now) {
            Ok(outcome) => outcome,
            Err(needed) => Outcome::Rejected(needed.refusal()),
        }
    }

    /// Judges a token with what is known of a claim that it may refer to.
    ///
    /// # Errors
    /// What of it has to be fetched.
    pub fn judge(
        &self,
        token: &str,
        keys: KeyState<'_>,
        claim: ClaimState<'_>,
        now: Timestamp,
    ) -> Result<Outcome, Needed> {
        Ok(match self.walk(token, keys, claim, now, &mut ()) {
            Ok(user) => Outcome::Accepted(user),
            Err(Stop::NotMine) => Outcome::NotMine,
            Err(Stop::NeedsKeys) => Outcome::NeedsKeys,
            Err(Stop::Needs(needed)) => return Err(needed),
            Err(Stop::Rejected(error)) => Outcome::Rejected(error),
        })
    }

    pub(crate) fn walk<O: Observer>(
        &self,
        token: &str,
        keys: KeyState<'_>,
        claim: ClaimState<'_>,
        now: Timestamp,
        observer: &mut O,
    ) -> Result<User, Stop> {
        self.check_untrusted_issuer(token, observer)?;
        let Some(keys) = Keys::of(keys) else {
            return refuse(
                StepName::VerifierReady,
                "oidc: authenticator not initialized",
            );
        };
        observer.passed(StepName::VerifierReady, || {
            "discovery has succeeded".to_owned()
        });
        let jws = Verifier::parse(token, observer).map_err(unverified)?;
        let payload = self
            .verifier(self.issuer_url())
            .verify(&jws, keys, now, observer)
            .map_err(unverified)?;
        let mut claims = Claims::of(payload);
        let fetched = self.claim_token(&claims, claim)?;
        if let Some(token) = &fetched {
            claims.insert(self.groups_claim(), self.distributed_claim(token, now)?);
        }
        if !self.groups_claim().is_empty() {
            // Whoever looks on has not fetched any.
            observer.passed(StepName::DistributedClaims, || "none to fetch".to_owned());
        }
        let user = User {
            username: self.username(&claims, observer)?,
            groups: self.groups(&claims, observer)?,
            uid: self.uid(&claims, observer)?,
            extra: credential_id(&claims),
        };
        self.check_required(&claims, observer)?;
        Ok(user)
    }

    /// What tokens of an issuer are held against: those of its own, or of
    /// another that signed a distributed claim.
    pub(crate) fn verifier<'v>(&'v self, issuer: &'v str) -> Verifier<'v> {
        Verifier {
            version: self.version,
            issuer,
            algorithms: &self.algorithms,
            audiences: &self.audiences,
        }
    }

    /// The claim that groups are taken from; empty where there is none.
    pub(crate) fn groups_claim(&self) -> &str {
        &self.configuration.claim_mappings.groups.claim
    }

    fn check_untrusted_issuer<O: Observer>(
        &self,
        token: &str,
        observer: &mut O,
    ) -> Result<(), Stop> {
        let step = StepName::UntrustedIssuer;
        let not_mine = |observer: &mut O, why: &dyn Fn() -> String| {
            observer.failed(step, why);
            Err(Stop::NotMine)
        };
        let issuer = match untrusted_issuer(token) {
            Ok(issuer) => issuer,
            Err(error) => return not_mine(observer, &|| error.in_words().to_owned()),
        };
        if issuer == self.issuer_url() {
            observer.passed(step, || format!("iss is {}", quote(&issuer)));
            return Ok(());
        }
        not_mine(observer, &|| {
            format!(
                "iss is {}, this authenticator's is {}",
                quote(&issuer),
                quote(self.issuer_url())
            )
        })
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
    Needs(Needed),
    Rejected(Error),
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

fn unverified(error: Unverified) -> Stop {
    match error {
        Unverified::NeedsKeys => Stop::NeedsKeys,
        Unverified::Refused(step, text) => rejected(step, format!("oidc: verify token: {text}")),
    }
}

pub(crate) fn rejected(step: StepName, text: String) -> Stop {
    Stop::Rejected(Error::new(step, text))
}

fn refuse<T>(step: StepName, text: impl Into<String>) -> Result<T, Stop> {
    Err(rejected(step, text.into()))
}
