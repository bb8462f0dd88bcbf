//! A token: what it says of itself, and what the cluster makes of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use kube_authn::{Authenticator, KeyState, Outcome, StepName, User};
use serde_json::Value;

use super::difference::difference;
use super::finding::{Finding, excerpt};
use super::issuer::{duration, pool_of};
use super::keys::Keys;
use crate::cluster::authn::Trust;

/// Header and claims, unverified.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// `alg`, `kid`.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

/// Reads a compact JWS without verifying it; none where it is no JWT.
pub fn decode(token: &str) -> Option<Decoded> {
    let mut parts = token.split('.');
    let mut object = || -> Option<Value> {
        let bytes = URL_SAFE_NO_PAD
            .decode(parts.next()?.trim_end_matches('='))
            .ok()?;
        let value: Value = serde_json::from_slice(&bytes).ok()?;
        value.is_object().then_some(value)
    };
    let (header, claims) = (object()?, object()?);
    (parts.count() == 1).then_some(Decoded { header, claims })
}

impl Decoded {
    /// A claim that is a string.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims[claim].as_str()
    }

    /// The name of the key that signed it.
    pub fn kid(&self) -> &str {
        self.header["kid"].as_str().unwrap_or_default()
    }

    /// `aud`, one or several.
    pub fn audiences(&self) -> Vec<&str> {
        match &self.claims["aud"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// `exp`.
    pub fn expiry(&self) -> Option<i64> {
        self.claims["exp"].as_f64().map(|seconds| seconds as i64)
    }

    /// Since how many seconds it has expired; negative: how long it lasts.
    pub fn expired_for(&self, now: Timestamp) -> Option<i64> {
        self.expiry()
            .map(|expiry| now.as_second().saturating_sub(expiry))
    }
}

/// What the token says of itself.
pub fn shown(token: &Decoded, source: &str, now: Timestamp) -> Finding {
    let text = |claim: &str| excerpt(token.text(claim).unwrap_or("nobody"));
    let kind = match token.text("token_use") {
        Some("id") => "an ID token",
        Some("access") => "an access token",
        _ => "a token",
    };
    let who = ["email", "username", "cognito:username", "sub"]
        .into_iter()
        .find_map(|claim| token.text(claim))
        .unwrap_or("nobody");
    let until = match token.expired_for(now) {
        None => "never expires".to_owned(),
        Some(since) if since > 0 => format!("expired {} ago", duration(since.unsigned_abs())),
        Some(left) => format!("lasts another {}", duration(left.unsigned_abs())),
    };
    Finding::ok(
        "token",
        format!(
            "{source} is {kind} of {} for {}, by {}, {} with key {}, and {until}",
            excerpt(who),
            excerpt(&token.audiences().join(", ")),
            text("iss"),
            excerpt(token.header["alg"].as_str().unwrap_or("signed by nothing")),
            excerpt(token.kid()),
        ),
    )
}

/// Whether the key that signed it is among the issuer's.
pub fn signed_by(token: &Decoded, keys: &Keys) -> Option<Finding> {
    const CHECK: &str = "token's key";
    let Keys::Had { kids, .. } = keys else {
        return None;
    };
    let kid = excerpt(token.kid());
    Some(if kids.iter().any(|known| known == token.kid()) {
        Finding::ok(CHECK, format!("{kid} is among the issuer's keys"))
    } else {
        Finding::problem(
            CHECK,
            format!(
                "{kid} is not among the issuer's keys: the token is another issuer's, or the keys have changed since"
            ),
            "log in again; with kubelogin, delete its cached token first",
        )
    })
}

/// Walks the token through the cluster's configuration with the code that
/// decides in the embedded cluster, and says whom it becomes.
pub fn walk(
    raw: &str,
    token: &Decoded,
    authenticator: &Authenticator,
    trust: &Trust,
    keys: &Keys,
    now: Timestamp,
) -> (Vec<Finding>, Option<User>) {
    let state = match keys {
        Keys::Unknown => KeyState::NotInitialized,
        Keys::Failed(text) => KeyState::FetchFailed(text),
        Keys::Had { set, .. } => KeyState::Fetched(set),
    };
    match authenticator.authenticate(raw, state, now) {
        Outcome::Accepted(user) => {
            let mut findings = vec![accepted(&user)];
            findings.extend(groups(&user, token, trust));
            (findings, Some(user))
        }
        _ => {
            let steps = authenticator.explain(raw, state, now);
            let (step, refusal) = steps
                .last()
                .map_or((StepName::Parse, String::new()), |step| {
                    (step.name, step.detail.clone())
                });
            (vec![refused(step, &refusal, token, trust, now)], None)
        }
    }
}

fn accepted(user: &User) -> Finding {
    let groups = if user.groups.is_empty() {
        "no groups".to_owned()
    } else {
        format!("groups {}", excerpt(&user.groups.join(", ")))
    };
    Finding::ok(
        "identity",
        format!(
            "the token becomes user {}, {groups}",
            excerpt(&user.username)
        ),
    )
}

/// Nobody is refused for having no groups, but no binding to a group holds.
fn groups(user: &User, token: &Decoded, trust: &Trust) -> Option<Finding> {
    const CHECK: &str = "groups";
    if !user.groups.is_empty() {
        return None;
    }
    match trust.groups_claim.as_deref() {
        Some(claim) => Some(Finding::warning(
            CHECK,
            format!("the token has nothing in {claim}, so its user has no groups"),
            "put the person into a group (aws cognito-idp admin-add-user-to-group) and log in again: a token keeps the groups that there were when it was made",
        )),
        None if !token.claims["cognito:groups"].is_null() => Some(Finding::warning(
            CHECK,
            "the token has cognito:groups, and the cluster does not look at it",
            "set --oidc-groups-claim (EKS: groupsClaim) to cognito:groups",
        )),
        None => None,
    }
}

/// Kubernetes' refusal, and why in the terms of who made the token.
pub fn refused(
    step: StepName,
    refusal: &str,
    token: &Decoded,
    trust: &Trust,
    now: Timestamp,
) -> Finding {
    let (why, remedy) = reason(step, token, trust, now);
    Finding::problem(
        "identity",
        format!(
            "the cluster refuses the token at \"{step}\" ({}): {why}",
            excerpt(refusal)
        ),
        remedy,
    )
}

fn reason(step: StepName, token: &Decoded, trust: &Trust, now: Timestamp) -> (String, String) {
    let issuer = &trust.issuer_url;
    let own = |why: &str, remedy: &str| (why.to_owned(), remedy.to_owned());
    if step > StepName::Issuer && token.text("token_use") == Some("access") {
        return own(
            "it is an access token, which has client_id where aud would be; clusters take ID tokens",
            "show the id_token of the same answer (aws: AuthenticationResult.IdToken; kubelogin: without --oidc-use-access-token)",
        );
    }
    match step {
        StepName::UntrustedIssuer | StepName::Issuer => {
            let got = token.text("iss").unwrap_or_default();
            let how = difference(issuer, got).unwrap_or_else(|| "it has no iss".to_owned());
            (
                format!(
                    "its iss {} is not the cluster's issuer {issuer}: {how}",
                    excerpt(got)
                ),
                "log in at the cluster's issuer, or give the cluster exactly that iss as issuer"
                    .to_owned(),
            )
        }
        StepName::VerifierReady => own(
            "the issuer's discovery document could not be had",
            "see to the findings above first",
        ),
        StepName::Algorithm => own(
            "it is signed in a way that the cluster does not take",
            "have the issuer sign with RS256, or name the algorithm with --oidc-signing-algs",
        ),
        StepName::Signature => own(
            "no key of the issuer made its signature: the keys have changed since, or it was cut short or altered",
            "log in again; with kubelogin, delete its cached token first",
        ),
        StepName::Audience => {
            let clients = excerpt(&token.audiences().join(", "));
            (
                format!(
                    "it is for the client {clients}, and the cluster's is {}",
                    trust.client_id
                ),
                format!(
                    "log in with client {} (kubelogin: --oidc-client-id), or give the cluster the other one",
                    trust.client_id
                ),
            )
        }
        StepName::Expiry => {
            let since = token.expired_for(now).unwrap_or_default();
            (
                format!("it expired {} ago", duration(since.unsigned_abs())),
                "log in again, or refresh it; how long they last is the client's IdTokenValidity"
                    .to_owned(),
            )
        }
        StepName::NotBefore => own(
            "it is not valid yet",
            "look at the clocks of issuer, API server and this machine",
        ),
        StepName::Username => username(token, trust),
        StepName::Groups => own(
            "its groups are neither a list of strings nor a string",
            "set --oidc-groups-claim (EKS: groupsClaim) to a claim that is, such as cognito:groups",
        ),
        StepName::RequiredClaims => own(
            "a claim that the cluster requires is missing or has another value",
            "log in with the client that sets it, or take it out of --oidc-required-claim (EKS: requiredClaims)",
        ),
        _ => own(
            "it cannot be read",
            "show the whole ID token, three parts divided by dots, without quotes or line breaks",
        ),
    }
}

fn username(token: &Decoded, trust: &Trust) -> (String, String) {
    let claim = trust.username_claim.as_deref().unwrap_or("sub");
    let pool = pool_of(&trust.issuer_url).unwrap_or("POOL_ID");
    let client = &trust.client_id;
    if !token.claims[claim].is_null() {
        return (
            "the e-mail address is not verified".to_owned(),
            format!(
                "aws cognito-idp admin-update-user-attributes --user-pool-id {pool} --username NAME --user-attributes Name=email_verified,Value=true, and log in again"
            ),
        );
    }
    (
        format!(
            "it has no {claim}: the client may not read that attribute, the person has none, or the scope leaves it out"
        ),
        format!(
            "see that {claim} is among the client's ReadAttributes (aws cognito-idp describe-user-pool-client --user-pool-id {pool} --client-id {client}) and the person's attributes, and log in again; or choose another claim with --oidc-username-claim (EKS: usernameClaim)"
        ),
    )
}
