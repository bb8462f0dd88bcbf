//! One trusted issuer: its authenticator, its keys, and the claims of its tokens
//! that are to be had elsewhere (apiserver,
//! `plugin/pkg/authenticator/token/oidc`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foundation::clock::Clock;
use jiff::Timestamp;
use kube_authn::config::JwtAuthenticator;
use kube_authn::{
    Authenticator, ClaimState, ConfigError, DistributedClaim, KeySet, KeyState, Needed, Outcome,
    Version, claim_response, well_known,
};
use rustls::RootCertStore;
use tokio::sync::watch;

use super::egress::Egress;
use super::fetch::{Failed, client, get};
use super::keys::{Progress, RemoteKeys, Source};

/// So many other issuers' keys are looked for. Upstream takes there to be few,
/// and sets no limit; who answers for a claim may name any.
const MAX_OTHERS: usize = 64;

/// What an API server without an egress selector's configuration, which there is
/// none of here, says of an issuer that wants one (`oidc.New`).
pub fn egress_refusal(jwt: &JwtAuthenticator) -> Option<String> {
    let selector = &jwt.issuer.egress_selector_type;
    let error = "oidc: egress lookup required with egress selector type";
    (!selector.is_empty()).then(|| format!("{error} {}", crate::wire::quote(selector)))
}

/// An issuer that is trusted until this is dropped.
pub struct Issuer {
    authenticator: Authenticator,
    signing_algs: Option<Vec<String>>,
    roots: RootCertStore,
    client: reqwest::Client,
    clock: Clock,
    keys: RemoteKeys,
    /// Those who have signed distributed claims.
    others: Mutex<HashMap<String, RemoteKeys>>,
}

impl Issuer {
    /// Trusts an issuer as that minor does, and starts to look for its keys at
    /// once. Needs a tokio runtime.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        version: kube_rbac::Version,
        jwt: &JwtAuthenticator,
        signing_algs: Option<&[String]>,
        roots: &RootCertStore,
        egress: &Egress,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let version = authn_version(version);
        let authenticator = Authenticator::new(jwt, signing_algs)?.of(version);
        if let Some(error) = egress_refusal(jwt) {
            return Err(ConfigError::Invalid(vec![error]));
        }
        let roots = match jwt.issuer.certificate_authority.as_str() {
            "" => roots.clone(),
            pem => foundation::pki::roots_from_pem(pem)
                .map_err(|error| ConfigError::Invalid(vec![error.to_string()]))?,
        };
        let client =
            client(roots.clone(), egress).map_err(|error| ConfigError::Invalid(vec![error]))?;
        let keys = RemoteKeys::new(Source {
            issuer: authenticator.issuer_url().to_owned(),
            discovery_url: authenticator.discovery_url(),
            wants_jwks_uri: version.checks_jwks_uri(),
            complaint: "oidc authenticator: initializing plugin".to_owned(),
            client: client.clone(),
            clock: clock.clone(),
        });
        Ok(Self {
            authenticator,
            signing_algs: signing_algs.map(<[_]>::to_vec),
            roots,
            client,
            clock,
            keys,
            others: Mutex::default(),
        })
    }

    /// Whether this is what [`Issuer::new`] would make of the same, so that it
    /// can stay as it is when the configuration is set anew.
    pub fn is_same(
        &self,
        jwt: &JwtAuthenticator,
        signing_algs: Option<&[String]>,
        roots: &RootCertStore,
    ) -> bool {
        let own = !jwt.issuer.certificate_authority.is_empty();
        self.authenticator.configuration() == jwt
            && self.signing_algs.as_deref() == signing_algs
            && (own || self.roots.roots == roots.roots)
    }

    /// What it was made of.
    pub fn configuration(&self) -> &JwtAuthenticator {
        self.authenticator.configuration()
    }

    /// The issuer's URL.
    pub fn url(&self) -> &str {
        self.authenticator.issuer_url()
    }

    /// How far initialisation is, now and as it goes on.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.keys.progress()
    }

    /// Judges a token, and fetches keys and a claim where upstream would.
    pub async fn authenticate(&self, token: &str) -> Outcome {
        let now = self.clock.now();
        let judge = |keys: KeyState<'_>| {
            let judged = self
                .authenticator
                .judge(token, keys, ClaimState::Unknown, now);
            let verified_by = match keys {
                KeyState::Cached(keys) | KeyState::Fetched(keys) => keys.clone(),
                KeyState::NotInitialized | KeyState::FetchFailed(_) => KeySet::default(),
            };
            (judged, verified_by)
        };
        let lacks_keys = |(judged, _): &(_, _)| *judged == Ok(Outcome::NeedsKeys);
        match self.keys.judge(judge, lacks_keys).await {
            (Err(Needed::Claim(claim)), keys) => self.with_claim(token, &keys, &claim, now).await,
            (judged, _) => settled(judged),
        }
    }

    /// Judges a token, which `keys` verify, by a claim that is to be had
    /// elsewhere. It is asked for each time (`claimResolver.resolve`).
    async fn with_claim(
        &self,
        token: &str,
        keys: &KeySet,
        claim: &DistributedClaim,
        now: Timestamp,
    ) -> Outcome {
        let judge = |claim: ClaimState<'_>| {
            let keys = KeyState::Fetched(keys);
            self.authenticator.judge(token, keys, claim, now)
        };
        let fetched = match self.fetch(claim).await {
            Ok(fetched) => fetched,
            Err(why) => return settled(judge(ClaimState::FetchFailed(&why))),
        };
        let issuer = match judge(ClaimState::Fetched(&fetched, None)) {
            Err(Needed::ClaimKeys(issuer)) => issuer,
            judged => return settled(judged),
        };
        let lacks_keys = |judged: &_| matches!(judged, Err(Needed::ClaimKeys(_)));
        let judge = |keys: KeyState<'_>| judge(ClaimState::Fetched(&fetched, Some(keys)));
        settled(match self.other(&issuer) {
            Some(other) => other.judge(judge, lacks_keys).await,
            None => judge(KeyState::NotInitialized),
        })
    }

    async fn fetch(&self, claim: &DistributedClaim) -> Result<String, String> {
        let answer = get(&self.client, &claim.endpoint, &claim.access_token)
            .await
            .map_err(|failed| match failed {
                Failed::Request(why) => why,
                Failed::Body(_) => "could not decode distributed claim response".to_owned(),
            })?;
        claim_response(&answer.status, &answer.body).map_err(|error| error.to_string())
    }

    /// The keys of an issuer of claims, which are looked for from its first use
    /// on, beside the request: that one finds none.
    fn other(&self, issuer: &str) -> Option<RemoteKeys> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(issuer) {
            return Some(known.clone());
        }
        if others.len() >= MAX_OTHERS {
            return None;
        }
        // Its document at the usual place is this issuer's, which may be elsewhere.
        let usual = well_known(issuer);
        let discovery_url = if usual == well_known(self.url()) {
            self.authenticator.discovery_url()
        } else {
            usual
        };
        let quoted = crate::wire::quote(issuer);
        let keys = RemoteKeys::new(Source {
            issuer: issuer.to_owned(),
            discovery_url,
            wants_jwks_uri: false,
            complaint: format!(
                "oidc authenticator: async token verifier for issuer: {quoted}: init verifier failed"
            ),
            client: self.client.clone(),
            clock: self.clock.clone(),
        });
        others.insert(issuer.to_owned(), keys.clone());
        Some(keys)
    }
}

/// The last word. What is still needed has been asked for, and is not to be had.
fn settled(judged: Result<Outcome, Needed>) -> Outcome {
    judged.unwrap_or_else(|needed| Outcome::Rejected(needed.refusal()))
}

/// The same minor, as the crate that judges tokens names it.
pub fn authn_version(version: kube_rbac::Version) -> Version {
    match version {
        kube_rbac::Version::V1_34 => Version::V1_34,
        kube_rbac::Version::V1_35 => Version::V1_35,
        kube_rbac::Version::V1_36 => Version::V1_36,
        kube_rbac::Version::V1_37 => Version::V1_37,
    }
}
