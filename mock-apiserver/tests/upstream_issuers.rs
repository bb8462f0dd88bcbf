//! Kubernetes' own cases about issuers that take more than a token, a
//! configuration and keys to decide: `TestToken` of the authenticator and the
//! integration's tests of OIDC (`test/integration/apiserver/oidc`). The rest
//! is in `kube-authn/corpus/upstream-token.jsonl`.
//!
//! CEL that only joins a prefix to a claim, or compares one, is written without
//! it here. Metrics are not served, so none are looked at.

use std::sync::atomic::Ordering;

use crate::support::{Cluster, Issuer, Key, START, cluster};
use foundation::listen::ReservedPort;
use kube_authn::config::AuthenticationConfiguration;
use mock_apiserver::Timing;
use mock_apiserver::authn::Progress;
use rstest::rstest;
use rustls::RootCertStore;
use serde_json::{Value, json};

const CLIENT: &str = "f403b682-603f-4ec9-b3e4-cf111ef36f7c";
const WHOAMI: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const PODS: &str = "/api/v1/namespaces/default/pods";
/// More than the token cache keeps an answer, and the time between two looks
/// at a new configuration's health.
const ROUND: u64 = 15;
/// A new configuration has this long to become healthy.
const RELOAD_LIMIT: u64 = 60;

fn parse(jwt: &Value) -> AuthenticationConfiguration {
    let file = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt});
    AuthenticationConfiguration::from_value(&file).expect("a configuration")
}

/// One issuer, whose `sub` with a prefix is the name; it is trusted by the
/// certificate in the file, or by none where that is empty.
fn trusting(issuer: &Issuer, ca: &str, prefix: &str) -> Value {
    json!([{
        "issuer": {"url": issuer.url, "audiences": [CLIENT, "another-audience"],
            "audienceMatchPolicy": "MatchAny", "certificateAuthority": ca},
        "claimMappings": {"username": {"claim": "sub", "prefix": prefix}},
    }])
}

fn claims(issuer: &str) -> Value {
    let start: jiff::Timestamp = START.parse().expect("a time");
    json!({"iss": issuer, "sub": "john_doe", "aud": CLIENT, "exp": start.as_second() + 1200})
}

fn with(mut claims: Value, key: &str, value: Value) -> Value {
    claims[key] = value;
    claims
}

/// Sets a configuration that trusts no certificate but its own.
fn set(cluster: &Cluster, jwt: &Value) -> Result<(), String> {
    cluster
        .server
        .set_authentication(parse(jwt), None, RootCertStore::empty())
        .map_err(|error| error.to_string())
}

async fn ready(cluster: &Cluster) {
    cluster
        .server
        .issuers_ready()
        .await
        .expect("a healthy issuer");
}

/// Lets `k8s-john_doe` list pods in the namespace default.
async fn let_john_list_pods(cluster: &Cluster) {
    let of = |kind: &str, name: &str| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}});
    let role = with(
        of("Role", "developer-role"),
        "rules",
        json!([{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}]),
    );
    let binding = with(
        with(
            of("RoleBinding", "developer-role-binding"),
            "roleRef",
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "developer-role"}),
        ),
        "subjects",
        json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "k8s-john_doe"}]),
    );
    for (resource, object) in [("roles", role), ("rolebindings", binding)] {
        let uri = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/default/{resource}");
        let answer = cluster.post(&uri, &object).admin().send().await;
        assert_eq!(answer.code, 201, "{}", answer.text);
    }
}

/// Code and message of a list of pods; no message where it is allowed.
async fn list_pods(cluster: &Cluster, token: Option<&str>) -> (u16, String) {
    let request = cluster.get(PODS);
    let answer = match token {
        Some(token) => request.bearer(token),
        None => request,
    };
    let answer = answer.send().await;
    let message = answer.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.code, message)
}

fn forbidden(user: &str) -> (u16, String) {
    let message = format!(
        r#"pods is forbidden: User "{user}" cannot list resource "pods" in API group "" in the namespace "default""#
    );
    (403, message)
}

fn allowed() -> (u16, String) {
    (200, String::new())
}

fn unauthorized() -> (u16, String) {
    (401, "Unauthorized".to_owned())
}

/// Who a token is, without the time; null where it is nobody's.
async fn whoami(cluster: &Cluster, token: &str) -> Value {
    let answer = cluster.post(WHOAMI, &json!({})).bearer(token).send().await;
    answer.json()["status"]["userInfo"].clone()
}

fn user(name: &str) -> Value {
    json!({"username": name, "groups": ["system:authenticated"]})
}

/// TestToken/health check failure
#[tokio::test]
async fn an_issuer_that_is_not_there_is_not_healthy() {
    // A name that nobody knows would be looked up in whatever network the
    // test runs; a port that nobody listens on is refused everywhere.
    let free = ReservedPort::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let url = format!("https://{}", free.addr());
    let cluster = cluster(Timing::Kubernetes);
    let jwt = json!([{"issuer": {"url": url, "audiences": ["my-client"]},
        "claimMappings": {"username": {"claim": "username", "prefix": "prefix:"}}}]);
    set(&cluster, &jwt).expect("a valid configuration");
    let error = cluster
        .server
        .issuers_ready()
        .await
        .expect_err("nobody listens");
    let expected = format!(r#"{url}: Get "{url}/.well-known/openid-configuration": "#);
    assert!(error.starts_with(&expected), "{error}");
    assert!(matches!(
        cluster.server.issuers()[0].progress,
        Progress::Failed(_)
    ));
}

/// TestToken/valid egress type with no egress config
#[rstest]
#[case("controlplane")]
#[case("cluster")]
#[tokio::test]
async fn an_egress_selector_needs_a_configuration_that_is_none_here(#[case] selector: &str) {
    let issuer = Issuer::start().await;
    let mut jwt = trusting(&issuer, &issuer.ca, "k8s-");
    jwt[0]["issuer"]["egressSelectorType"] = json!(selector);
    assert_eq!(
        set(&cluster(Timing::Instant), &jwt),
        Err(format!(
            "oidc: egress lookup required with egress selector type \"{selector}\""
        ))
    );
}

/// `TestOIDC` and `TestStructuredAuthenticationConfig` by requests.
mod requests {
    use super::*;

    enum Expected {
        Allowed,
        Unauthorized,
        Forbidden(&'static str),
    }
    use Expected::{Allowed, Forbidden, Unauthorized};

    /// By `--oidc-*` flags where `flags`, by a file otherwise.
    async fn check(
        flags: bool,
        prefix: &str,
        token: impl Fn(&Issuer) -> Option<String>,
        expected: Expected,
    ) {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Kubernetes));
        let_john_list_pods(&cluster).await;
        let jwt = trusting(&issuer, &issuer.ca, prefix);
        let algorithms = flags.then(|| vec!["ES256".to_owned()]);
        cluster
            .server
            .set_authentication(parse(&jwt), algorithms, RootCertStore::empty())
            .expect("a valid configuration");
        ready(&cluster).await;
        let expected = match expected {
            Allowed => allowed(),
            Unauthorized => unauthorized(),
            Forbidden(user) => forbidden(user),
        };
        let token = token(&issuer);
        assert_eq!(list_pods(&cluster, token.as_deref()).await, expected);
    }

    fn good(issuer: &Issuer) -> Option<String> {
        Some(issuer.key.sign(&claims(&issuer.url)))
    }

    fn expired(issuer: &Issuer) -> Option<String> {
        let exp = claims(&issuer.url)["exp"].as_i64().expect("a number") - 2400;
        Some(
            issuer
                .key
                .sign(&with(claims(&issuer.url), "exp", json!(exp))),
        )
    }

    fn none(_: &Issuer) -> Option<String> {
        None
    }

    fn of_another_key(issuer: &Issuer) -> Option<String> {
        issuer.publish(&[&Key::new("k1")]);
        good(issuer)
    }

    fn nameless(issuer: &Issuer) -> Option<String> {
        Some(
            issuer
                .key
                .sign(&with(claims(&issuer.url), "sub", json!(""))),
        )
    }

    /// TestOIDC/refresh flow does not return ID Token,
    /// TestStructuredAuthenticationConfig/refresh flow does not return ID Token
    #[rstest]
    #[case::id_token_is_ok("k8s-", good, Allowed)]
    #[case::id_token_is_expired("k8s-", expired, Unauthorized)]
    #[case::refresh_flow_does_not_return_id_token("k8s-", none, Forbidden("system:anonymous"))]
    #[case::id_token_signature_can_not_be_verified_due_to_wrong_jwks(
        "k8s-",
        of_another_key,
        Unauthorized
    )]
    #[case::id_token_is_okay_but_username_is_empty("", nameless, Forbidden(""))]
    #[tokio::test]
    async fn a_token_lists_pods(
        #[values(true, false)] flags: bool,
        #[case] prefix: &str,
        #[case] token: fn(&Issuer) -> Option<String>,
        #[case] expected: Expected,
    ) {
        check(flags, prefix, token, expected).await;
    }
}

mod reload {
    use super::*;

    /// An issuer, John's token, and a cluster that has read the first file.
    async fn started(jwt: impl Fn(&Issuer) -> Value) -> (Issuer, String, Cluster) {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Kubernetes));
        let_john_list_pods(&cluster).await;
        set(&cluster, &jwt(&issuer)).expect("a valid configuration");
        let _ = cluster.server.issuers_ready().await;
        let token = issuer.key.sign(&claims(&issuer.url));
        (issuer, token, cluster)
    }

    /// Waits until the new file, whose issuer is there, is in force.
    async fn becomes(cluster: &Cluster, token: &str, expected: &Value) {
        // Its issuer has to be healthy before a minute of the clock is over.
        ready(cluster).await;
        for _ in 0..20 {
            if whoami(cluster, token).await == *expected {
                return;
            }
            cluster.later(ROUND).await;
        }
        assert_eq!(whoami(cluster, token).await, *expected);
    }

    /// TestStructuredAuthenticationConfigReload/old valid config to new valid config
    #[tokio::test]
    async fn a_valid_file_takes_the_place_of_a_valid_one() {
        let (issuer, token, cluster) = started(|issuer| trusting(issuer, &issuer.ca, "k8s-")).await;
        assert_eq!(whoami(&cluster, &token).await, user("k8s-john_doe"));
        assert_eq!(list_pods(&cluster, Some(&token)).await, allowed());
        set(&cluster, &trusting(&issuer, &issuer.ca, "panda-")).expect("valid");
        becomes(&cluster, &token, &user("panda-john_doe")).await;
        assert_eq!(
            list_pods(&cluster, Some(&token)).await,
            forbidden("panda-john_doe")
        );
    }

    /// TestStructuredAuthenticationConfigReload/old empty config to new valid config
    #[tokio::test]
    async fn a_valid_file_takes_the_place_of_an_empty_one() {
        let (issuer, token, cluster) = started(|_| json!([])).await;
        assert_eq!(list_pods(&cluster, Some(&token)).await, unauthorized());
        set(&cluster, &trusting(&issuer, &issuer.ca, "snorlax-")).expect("valid");
        becomes(&cluster, &token, &user("snorlax-john_doe")).await;
        assert_eq!(
            list_pods(&cluster, Some(&token)).await,
            forbidden("snorlax-john_doe")
        );
    }

    /// TestStructuredAuthenticationConfigReload/old invalid config to new valid config
    #[tokio::test]
    async fn a_valid_file_takes_the_place_of_one_without_the_ca() {
        let (issuer, token, cluster) = started(|issuer| trusting(issuer, "", "k8s-")).await;
        assert_eq!(list_pods(&cluster, Some(&token)).await, unauthorized());
        set(&cluster, &trusting(&issuer, &issuer.ca, "k8s-")).expect("valid");
        becomes(&cluster, &token, &user("k8s-john_doe")).await;
        assert_eq!(list_pods(&cluster, Some(&token)).await, allowed());
    }

    /// TestStructuredAuthenticationConfigReload/old valid config to new structurally invalid config (should be ignored)
    #[tokio::test]
    async fn a_file_that_is_not_valid_is_ignored() {
        let (issuer, token, cluster) = started(|issuer| trusting(issuer, &issuer.ca, "k8s-")).await;
        assert_eq!(list_pods(&cluster, Some(&token)).await, allowed());
        let mut broken = trusting(&issuer, &issuer.ca, "panda-");
        broken[0]["claimMappings"]["username"]["claim"] = json!("");
        set(&cluster, &broken).expect_err("no claim");
        cluster.later(RELOAD_LIMIT + ROUND).await;
        assert_eq!(whoami(&cluster, &token).await, user("k8s-john_doe"));
        assert_eq!(list_pods(&cluster, Some(&token)).await, allowed());
    }

    /// TestStructuredAuthenticationConfigReload/old valid config to new valid empty config (should cause tokens to stop working)
    #[tokio::test]
    async fn after_an_empty_file_tokens_stop_working() {
        let (_issuer, token, cluster) =
            started(|issuer| trusting(issuer, &issuer.ca, "k8s-")).await;
        assert_eq!(list_pods(&cluster, Some(&token)).await, allowed());
        set(&cluster, &json!([])).expect("valid");
        cluster.later(ROUND).await;
        assert_eq!(list_pods(&cluster, Some(&token)).await, unauthorized());
    }

    /// TestJWKSMetricsCleanupOnIssuerRemoval
    #[tokio::test]
    async fn of_two_issuers_one_can_be_let_go() {
        let (first, second, cluster) = (
            Issuer::start().await,
            Issuer::start().await,
            cluster(Timing::Kubernetes),
        );
        let mut both = trusting(&first, &first.ca, "k8s-");
        let parts = both.as_array_mut().expect("a list");
        parts.push(trusting(&second, &second.ca, "k8s-")[0].take());
        set(&cluster, &both).expect("a valid configuration");
        ready(&cluster).await;
        let tokens = [&first, &second].map(|issuer| issuer.key.sign(&claims(&issuer.url)));
        for token in &tokens {
            assert_eq!(whoami(&cluster, token).await, user("k8s-john_doe"));
        }
        set(&cluster, &trusting(&first, &first.ca, "k8s-")).expect("a valid configuration");
        ready(&cluster).await;
        cluster.later(ROUND).await;
        let asked = |issuer: &Issuer| issuer.served.fetches.load(Ordering::SeqCst);
        let before = asked(&second);
        assert!(before > 0);
        assert_eq!(whoami(&cluster, &tokens[0]).await, user("k8s-john_doe"));
        assert_eq!(list_pods(&cluster, Some(&tokens[1])).await, unauthorized());
        let unknown = Key::new("k1").sign(&claims(&second.url));
        assert_eq!(list_pods(&cluster, Some(&unknown)).await, unauthorized());
        assert_eq!(asked(&second), before);
    }

    /// TestStructuredAuthenticationConfigReload/old valid config to new valid config with typo (should be ignored)
    #[tokio::test]
    async fn a_file_whose_issuer_is_never_healthy_is_ignored() {
        let (issuer, token, cluster) = started(|issuer| trusting(issuer, &issuer.ca, "k8s-")).await;
        assert_eq!(list_pods(&cluster, Some(&token)).await, allowed());
        set(&cluster, &trusting(&issuer, "", "panda-")).expect("valid");
        cluster
            .server
            .issuers_ready()
            .await
            .expect_err("no CA vouches for it");
        cluster.later(RELOAD_LIMIT + ROUND).await;
        assert_eq!(whoami(&cluster, &token).await, user("k8s-john_doe"));
        assert_eq!(list_pods(&cluster, Some(&token)).await, allowed());
    }
}

/// `TestStructuredAuthenticationDiscoveryURL`
#[rstest]
#[case::discovery_url_and_issuer_url_with_no_path("https://example.com", "")]
#[case::discovery_url_has_path_issuer_url_has_no_path("https://example.com", "/c/d/bar")]
#[case::discovery_url_has_no_path_issuer_url_has_path("https://example.com/a/b/foo", "")]
#[case::discovery_url_and_issuer_url_have_paths("https://example.com/a/b/foo", "/c/d/bar")]
#[tokio::test]
async fn discovery_is_where_the_file_says_and_the_issuer_is_who_it_says(
    #[case] url: &str,
    #[case] path: &str,
) {
    let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Kubernetes));
    issuer.served.discovery.lock().expect("no panic")["issuer"] = json!(url);
    let base = issuer.url.strip_suffix("/pool").expect("a path");
    let jwt = json!([{
        "issuer": {"url": url, "discoveryURL": format!("{base}{path}/.well-known/openid-configuration"),
            "audiences": ["foo"], "audienceMatchPolicy": "MatchAny", "certificateAuthority": issuer.ca},
        "claimMappings": {"username": {"claim": "sub", "prefix": "k8s-"}},
        "claimValidationRules": [{"claim": "hd", "requiredValue": "example.com"}],
    }]);
    set(&cluster, &jwt).expect("a valid configuration");
    ready(&cluster).await;
    let claims = with(
        with(claims(url), "aud", json!("foo")),
        "hd",
        json!("example.com"),
    );
    let token = issuer.key.sign(&claims);
    assert_eq!(whoami(&cluster, &token).await, user("k8s-john_doe"));
    let other = issuer.key.sign(&with(claims, "hd", json!("example.org")));
    assert_eq!(list_pods(&cluster, Some(&other)).await, unauthorized());
}

/// TestMultipleJWTAuthenticators
#[tokio::test]
async fn each_of_two_issuers_speaks_by_its_own_part_of_the_file() {
    let (first, second, cluster) = (
        Issuer::start().await,
        Issuer::start().await,
        cluster(Timing::Kubernetes),
    );
    second.served.discovery.lock().expect("no panic")["issuer"] = json!("https://example.com");
    let jwt = json!([
        {
            "issuer": {"url": first.url, "audiences": ["foo"], "audienceMatchPolicy": "MatchAny",
                "certificateAuthority": first.ca},
            "claimMappings": {"username": {"claim": "sub", "prefix": "k8s-"}},
            "claimValidationRules": [{"claim": "hd", "requiredValue": "example.com"}],
        },
        {
            "issuer": {"url": "https://example.com", "audiences": ["bar"], "audienceMatchPolicy": "MatchAny",
                "discoveryURL": format!("{}/.well-known/openid-configuration", second.url),
                "certificateAuthority": second.ca},
            "claimMappings": {"username": {"claim": "sub", "prefix": "k8s-"},
                "groups": {"claim": "roles", "prefix": "system:"}, "uid": {"claim": "uid"}},
        },
    ]);
    set(&cluster, &jwt).expect("a valid configuration");
    ready(&cluster).await;
    let of = |issuer: &str, audience: &str, more: Value| {
        let mut claims = with(claims(issuer), "aud", json!(audience));
        for (key, value) in more.as_object().expect("an object") {
            claims[key] = value.clone();
        }
        claims
    };
    let roles = json!({"sub": "not_john_doe", "roles": ["role1", "role2", "role3", "role4"], "uid": "1234"});
    let john = of(&first.url, "foo", json!({"hd": "example.com"}));
    let other = of("https://example.com", "bar", roles);
    assert_eq!(
        whoami(&cluster, &first.key.sign(&john)).await,
        user("k8s-john_doe")
    );
    assert_eq!(
        whoami(&cluster, &second.key.sign(&other)).await,
        json!({"username": "k8s-not_john_doe", "uid": "1234",
            "groups": ["system:role1", "system:role2", "system:role3", "system:role4", "system:authenticated"]})
    );
    // Neither issuer's key is good for the other's tokens.
    let crossed = [second.key.sign(&john), first.key.sign(&other)];
    for token in crossed {
        assert_eq!(list_pods(&cluster, Some(&token)).await, unauthorized());
    }
}
