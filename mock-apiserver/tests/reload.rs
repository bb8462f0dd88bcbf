//! How a new AuthenticationConfiguration takes over with Kubernetes' own timing:
//! when all its issuers are healthy, looked at every ten seconds for a minute,
//! and again at every poll.

use std::sync::atomic::Ordering;

use crate::support::{Cluster, Issuer, cluster, cluster_of, settle};
use kube_authn::config::AuthenticationConfiguration;
use kube_rbac::Version;
use mock_apiserver::authn::ConfigFile;
use mock_apiserver::{Config, Timing};
use rustls::RootCertStore;
use serde_json::{Value, json};

/// A file with these parts.
fn file(jwt: &Value, more: &Value) -> AuthenticationConfiguration {
    AuthenticationConfiguration::from_json(&text(jwt, more)).expect("a file")
}

fn text(jwt: &Value, more: &Value) -> String {
    let mut document = json!({"apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration", "jwt": jwt});
    for (key, value) in more.as_object().into_iter().flatten() {
        document[key] = value.clone();
    }
    document.to_string()
}

/// Trust in an issuer whose users have this prefix.
fn trusting(issuer: &Issuer, prefix: &str) -> Value {
    json!([{"issuer": {"url": issuer.url, "audiences": ["kubernetes"], "certificateAuthority": issuer.ca},
        "claimMappings": {"username": {"claim": "email", "prefix": prefix}}}])
}

fn set(cluster: &Cluster, jwt: &Value) {
    cluster
        .server
        .set_authentication(file(jwt, &json!({})), None, RootCertStore::empty())
        .expect("a valid configuration");
}

/// Two issuers, and a cluster whose file trusts the first: its users are `a:`.
async fn trusting_the_first() -> (Issuer, Issuer, Cluster) {
    let (first, second, cluster) = (
        Issuer::start().await,
        Issuer::start().await,
        cluster(Timing::Kubernetes),
    );
    set(&cluster, &trusting(&first, "a:"));
    cluster.server.issuers_ready().await.expect("healthy");
    (first, second, cluster)
}

/// Who the issuer's Jane is; nobody where her token is refused. Every token is
/// another, so that the cache has none.
async fn jane(cluster: &Cluster, issuer: &Issuer, time: u32) -> String {
    let mut claims = issuer.claims("jane", &[]);
    claims["jti"] = json!(time);
    claims["exp"] = json!(claims["exp"].as_i64().expect("a number") + 36_000);
    let status = cluster.token_review(&issuer.key.sign(&claims)).await;
    let name = status["user"]["username"].as_str();
    name.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_first_file_is_in_force_at_once_and_a_later_one_ten_seconds_after() {
    let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Kubernetes));
    set(&cluster, &trusting(&issuer, "a:"));
    cluster.server.issuers_ready().await.expect("healthy");
    assert_eq!(jane(&cluster, &issuer, 0).await, "a:jane");
    set(&cluster, &trusting(&issuer, "b:"));
    cluster.server.issuers_ready().await.expect("healthy");
    cluster.later(5).await;
    assert_eq!(jane(&cluster, &issuer, 1).await, "a:jane");
    cluster.later(5).await;
    assert_eq!(jane(&cluster, &issuer, 2).await, "b:jane");
}

#[tokio::test]
async fn after_an_empty_file_too_issuers_have_to_be_healthy() {
    let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Kubernetes));
    set(&cluster, &json!([]));
    set(&cluster, &trusting(&issuer, "a:"));
    settle().await;
    assert_eq!(jane(&cluster, &issuer, 0).await, "");
    cluster.later(10).await;
    assert_eq!(jane(&cluster, &issuer, 1).await, "a:jane");
    // And without issuers there is nothing to wait for.
    set(&cluster, &json!([]));
    assert_eq!(jane(&cluster, &issuer, 2).await, "");
}

#[tokio::test]
async fn what_is_not_healthy_in_a_minute_is_tried_again_at_the_next_poll() {
    let (first, second, cluster) = trusting_the_first().await;
    // Twenty seconds after a poll.
    cluster.later(20).await;
    second.served.down.store(true, Ordering::SeqCst);
    set(&cluster, &trusting(&second, "b:"));
    let error = cluster
        .server
        .issuers_ready()
        .await
        .expect_err("it is down");
    assert!(error.contains("503"), "{error}");
    // The minute is over at 80 seconds, and the next poll is at 120.
    cluster.later(65).await;
    second.served.down.store(false, Ordering::SeqCst);
    let asked = second.served.discoveries.load(Ordering::SeqCst);
    cluster.later(30).await;
    assert_eq!(second.served.discoveries.load(Ordering::SeqCst), asked);
    assert_eq!(jane(&cluster, &first, 0).await, "a:jane");
    assert_eq!(jane(&cluster, &second, 0).await, "");
    // It is made anew then, and looked at ten seconds later.
    cluster.later(5).await;
    assert!(second.served.discoveries.load(Ordering::SeqCst) > asked);
    cluster.later(10).await;
    assert_eq!(jane(&cluster, &first, 1).await, "");
    assert_eq!(jane(&cluster, &second, 1).await, "b:jane");
}

#[tokio::test]
async fn a_file_that_comes_meanwhile_is_tried_afterwards() {
    let (first, second, cluster) = trusting_the_first().await;
    second.served.down.store(true, Ordering::SeqCst);
    set(&cluster, &trusting(&second, "b:"));
    cluster.later(20).await;
    set(&cluster, &trusting(&first, "c:"));
    cluster.later(35).await;
    assert_eq!(jane(&cluster, &first, 0).await, "a:jane");
    // At 60 seconds the one is given up and the other begun with.
    cluster.later(15).await;
    assert_eq!(jane(&cluster, &first, 1).await, "c:jane");
}

/// The file is read for each try, so what stood in it before is tried no more.
#[tokio::test]
async fn a_file_that_failed_is_not_tried_again_once_it_is_faulty() {
    let (first, second, cluster) = trusting_the_first().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("authn.json");
    let sound = |jwt: &Value| text(jwt, &json!({}));
    let started = sound(&trusting(&first, "a:"));
    std::fs::write(&path, &started).expect("a file");
    let mut file = ConfigFile::new(&path, started, Version::default()).expect("it is sound");
    let mut saved = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        let roots = RootCertStore::empty();
        cluster.server.look_at_configuration(&mut file, &roots);
    };
    second.served.down.store(true, Ordering::SeqCst);
    saved(&sound(&trusting(&second, "b:")));
    cluster.later(65).await;
    saved("kind: Nothing");
    second.served.down.store(false, Ordering::SeqCst);
    let asked = second.served.discoveries.load(Ordering::SeqCst);
    assert!(asked > 0);
    cluster.later(120).await;
    assert_eq!(second.served.discoveries.load(Ordering::SeqCst), asked);
    assert_eq!(jane(&cluster, &first, 0).await, "a:jane");
    assert_eq!(jane(&cluster, &second, 0).await, "");
    let settled = cluster.server.configuration_in_force().await;
    settled.expect("nothing is tried");
    saved(&sound(&trusting(&second, "b:")));
    cluster.later(15).await;
    assert_eq!(jane(&cluster, &second, 1).await, "b:jane");
}

/// The old file again is no file to wait for.
#[tokio::test]
async fn the_file_in_force_set_again_ends_the_trying() {
    let (first, second, cluster) = trusting_the_first().await;
    let asked = first.served.discoveries.load(Ordering::SeqCst);
    second.served.down.store(true, Ordering::SeqCst);
    set(&cluster, &trusting(&second, "b:"));
    cluster.later(60).await;
    set(&cluster, &trusting(&first, "a:"));
    settle().await;
    let others = second.served.discoveries.load(Ordering::SeqCst);
    cluster.later(120).await;
    assert_eq!(jane(&cluster, &first, 0).await, "a:jane");
    assert_eq!(first.served.discoveries.load(Ordering::SeqCst), asked);
    assert_eq!(second.served.discoveries.load(Ordering::SeqCst), others);
}

/// Kubernetes does not look whether an issuer is still the same.
#[tokio::test]
async fn an_issuer_that_stays_is_made_anew() {
    let (first, second, cluster) = trusting_the_first().await;
    let both = json!([trusting(&first, "a:")[0], trusting(&second, "b:")[0]]);
    set(&cluster, &both);
    cluster.later(10).await;
    assert_eq!(first.served.discoveries.load(Ordering::SeqCst), 2);
    assert_eq!(jane(&cluster, &second, 0).await, "b:jane");
}

#[tokio::test]
async fn who_is_anonymous_may_not_change() {
    let closed = json!({"anonymous": {"enabled": false}});
    for (timing, refused) in [(Timing::Kubernetes, true), (Timing::Instant, false)] {
        let cluster = cluster_of(Config {
            timing,
            ..Config::default()
        });
        let set = |more: &Value| {
            let file = file(&json!([]), more);
            let set = cluster
                .server
                .set_authentication(file, None, RootCertStore::empty());
            set.map_err(|error| error.to_string())
        };
        set(&json!({})).expect("the first file");
        let changed = set(&closed);
        let expected = "anonymous: Forbidden: changed from initial configuration file";
        assert_eq!(changed.is_err(), refused);
        assert!(changed.err().is_none_or(|error| error.contains(expected)));
        let code = cluster.get("/healthz").send().await.code;
        assert_eq!(code, if refused { 200 } else { 401 });
    }
}
