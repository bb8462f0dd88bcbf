//! Groups that a token does not hold but says where they are to be had: they are
//! fetched with each request, and verified by whoever has signed them. What is
//! made of them is proven in kube-authn.

use std::time::Duration;

use crate::support::{Cluster, Issuer, Key, cluster, refusal, settle};
use foundation::clock::pause;
use mock_apiserver::Timing;
use rustls::RootCertStore;
use serde_json::{Value, json};

const EXPANDING: &str = "oidc: could not expand distributed claims";

/// A token of `issuer` whose groups are at `at`.
fn referring(issuer: &Issuer, at: &str) -> String {
    let mut claims = issuer.claims("jane@example.com", &[]);
    let claims_of = claims.as_object_mut().expect("an object");
    claims_of.remove("groups");
    claims["_claim_names"] = json!({"groups": "src"});
    claims["_claim_sources"] = json!({"src": {"endpoint": at, "access_token": "secret"}});
    issuer.key.sign(&claims)
}

/// What an issuer says about groups, for the same audience.
fn groups_of(issuer: &Issuer, groups: &[&str]) -> String {
    issuer.key.sign(&issuer.claims("", groups))
}

fn put(issuer: &Issuer, claim: String) {
    *issuer.served.claim.lock().expect("no panic") = claim;
}

fn asked(issuer: &Issuer) -> Vec<String> {
    issuer
        .served
        .authorizations
        .lock()
        .expect("no panic")
        .clone()
}

/// Asks until the other issuer's discovery, which goes on beside the requests,
/// is through, and gives the first answer and the last.
async fn first_and_last(cluster: &Cluster, token: &str) -> (Value, Value) {
    let first = cluster.token_review(token).await;
    let mut last = first.clone();
    for _ in 0..200 {
        if !last["error"]
            .as_str()
            .is_some_and(|e| e.contains("not initialized"))
        {
            break;
        }
        pause(Duration::from_millis(10)).await;
        last = cluster.token_review(token).await;
    }
    (first, last)
}

fn not_initialized(issuer: &str) -> String {
    refusal(&format!(
        r#"{EXPANDING}: verifying untrusted issuer {issuer} failed: verifier not initialized for issuer: "{issuer}""#
    ))
}

#[tokio::test]
async fn groups_are_fetched_each_time_with_the_access_token() {
    let issuer = Issuer::start().await;
    let cluster = cluster(Timing::Instant);
    cluster.trust(&issuer).await;
    put(&issuer, groups_of(&issuer, &["admins"]));
    let token = referring(&issuer, &format!("{}/groups", issuer.url));

    // Even the issuer's own claims are verified by an issuer of claims, which
    // is looked for from its first use on.
    let (first, last) = first_and_last(&cluster, &token).await;
    assert_eq!(first["error"], not_initialized(&issuer.url));
    assert_eq!(
        last["user"]["groups"],
        json!(["oidc:admins", "system:authenticated"])
    );

    let before = asked(&issuer).len();
    put(&issuer, groups_of(&issuer, &["others"]));
    let now = cluster.token_review(&token).await;
    assert_eq!(
        now["user"]["groups"],
        json!(["oidc:others", "system:authenticated"])
    );
    let asked = asked(&issuer);
    assert_eq!(asked.len(), before + 1, "nothing is kept");
    assert!(
        asked
            .iter()
            .all(|authorization| authorization == "Bearer secret")
    );
}

#[tokio::test]
async fn another_issuer_may_have_signed_them() {
    let (issuer, other) = (Issuer::start().await, Issuer::start().await);
    let mut roots = RootCertStore::empty();
    roots.roots.extend(issuer.roots.roots.iter().cloned());
    roots.roots.extend(other.roots.roots.iter().cloned());
    let cluster = cluster(Timing::Instant);
    cluster
        .server
        .set_authentication(issuer.configuration(), None, roots)
        .expect("a valid configuration");
    cluster
        .server
        .issuers_ready()
        .await
        .expect("a healthy issuer");

    put(&other, groups_of(&other, &["admins"]));
    let token = referring(&issuer, &format!("{}/groups", other.url));
    let (first, last) = first_and_last(&cluster, &token).await;
    assert_eq!(first["error"], not_initialized(&other.url));
    assert_eq!(
        last["user"]["groups"],
        json!(["oidc:admins", "system:authenticated"])
    );

    // The keys that are fresh are not fetched for a signature that does not fit.
    let fetches = other
        .served
        .fetches
        .load(std::sync::atomic::Ordering::SeqCst);
    put(&other, Key::new("k1").sign(&other.claims("", &["admins"])));
    let forged = cluster.token_review(&token).await;
    let why = "verify distributed claim token: failed to verify signature: failed to verify id token signature";
    assert_eq!(forged["error"], refusal(&format!("{EXPANDING}: {why}")));
    let now = other
        .served
        .fetches
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(now, fetches);
}

#[tokio::test]
async fn why_they_cannot_be_had_is_told() {
    let issuer = Issuer::start().await;
    let cluster = cluster(Timing::Instant);
    cluster.trust(&issuer).await;
    let told =
        async |at: &str| cluster.token_review(&referring(&issuer, at)).await["error"].clone();
    let getting = |why: &str| {
        refusal(&format!(
            r#"{EXPANDING}: while getting distributed claim "groups": {why}"#
        ))
    };
    let url = format!("{}/groups", issuer.url);
    assert_eq!(
        told(&url).await,
        getting("error while getting distributed claim JWT: 503 Service Unavailable")
    );
    put(&issuer, "<html></html>".to_owned());
    assert_eq!(
        told(&url).await,
        refusal(&format!(
            r#"{EXPANDING}: getting untrusted issuer from endpoint {url} failed for claim "groups": malformed token"#
        ))
    );
    assert_eq!(
        told("groups").await,
        getting(r#"Get "groups": unsupported protocol scheme """#)
    );
    assert_eq!(
        told("https://%zz").await,
        getting(r#"while calling https://%zz: parse "https://%zz": invalid URL escape "%zz""#)
    );
}

#[tokio::test]
async fn groups_that_are_there_are_not_asked_for() {
    let issuer = Issuer::start().await;
    let cluster = cluster(Timing::Instant);
    cluster.trust(&issuer).await;
    let mut claims = issuer.claims("jane@example.com", &["here"]);
    claims["_claim_names"] = json!({"groups": "src"});
    claims["_claim_sources"] = json!({"src": {"endpoint": format!("{}/groups", issuer.url)}});
    let status = cluster.token_review(&issuer.key.sign(&claims)).await;
    assert_eq!(
        status["user"]["groups"],
        json!(["oidc:here", "system:authenticated"])
    );
    assert!(asked(&issuer).is_empty());
}

/// As long as the issuer of a claim cannot be discovered it is tried again, every
/// ten seconds.
#[tokio::test]
async fn an_issuer_of_claims_is_looked_for_until_it_is_found() {
    let issuer = Issuer::start().await;
    let cluster = cluster(Timing::Instant);
    cluster.trust(&issuer).await;
    put(&issuer, groups_of(&issuer, &["admins"]));
    let document = std::mem::take(&mut *issuer.served.discovery.lock().expect("no panic"));
    let token = referring(&issuer, &format!("{}/groups", issuer.url));
    let before = issuer
        .served
        .discoveries
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(
        cluster.token_review(&token).await["error"],
        not_initialized(&issuer.url)
    );
    while issuer
        .served
        .discoveries
        .load(std::sync::atomic::Ordering::SeqCst)
        == before
    {
        pause(Duration::from_millis(5)).await;
    }
    *issuer.served.discovery.lock().expect("no panic") = document;
    settle().await;
    cluster.advance(11);
    let (_, last) = first_and_last(&cluster, &token).await;
    assert_eq!(
        last["user"]["groups"],
        json!(["oidc:admins", "system:authenticated"])
    );
}
