//! The front half from outside: requests in, answers and audit events out,
//! with an issuer on a real HTTPS listener where tokens are judged.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::support::{Cluster, Issuer, Key, cluster, configuration, refusal};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use foundation::listen::Listener;
use kube_authn::User;
use kube_authn::config::AuthenticationConfiguration;
use mock_apiserver::authn::{Progress, Review, TokenWebhook};
use mock_apiserver::{Timing, wire};
use rstest::rstest;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const UNAUTHORIZED: &str = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}\n";
const WHOAMI: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const CAN_I: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const RULES: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
const SAR: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const LOCAL: &str = "/apis/authorization.k8s.io/v1/namespaces/dev/localsubjectaccessreviews";

async fn whoami(cluster: &Cluster, token: &str) -> crate::support::Answer {
    cluster.post(WHOAMI, &json!({})).bearer(token).send().await
}

mod authentication {
    use super::*;

    #[tokio::test]
    async fn a_token_of_a_trusted_issuer_is_who_its_claims_say() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let mut claims = issuer.claims("jane@example.com", &["admins", "dev"]);
        claims["jti"] = json!("j-1");
        let answer = whoami(&cluster, &issuer.key.sign(&claims)).await;
        assert_eq!(answer.code, 201);
        assert_eq!(
            answer.text,
            "{\"kind\":\"SelfSubjectReview\",\"apiVersion\":\"authentication.k8s.io/v1\",\"metadata\":{\"creationTimestamp\":\"2026-11-23T10:00:00Z\"},\"status\":{\"userInfo\":{\"username\":\"jane@example.com\",\"groups\":[\"oidc:admins\",\"oidc:dev\",\"system:authenticated\"],\"extra\":{\"authentication.kubernetes.io/credential-id\":[\"JTI=j-1\"]}}}}\n"
        );
        assert_eq!(answer.headers["cache-control"], "no-cache, private");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["audit-id"].len(), 36);
    }

    #[tokio::test]
    async fn every_refusal_is_the_same_401_and_its_reason_is_in_token_review_only() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let good = issuer.claims("jane@example.com", &[]);
        let with = |key: &str, value: Value| {
            let mut claims = good.clone();
            claims[key] = value;
            issuer.key.sign(&claims)
        };
        let stranger = Key::new("k1").sign(&good);
        for (token, reason) in [
            (
                with("aud", json!("other")),
                r#"oidc: verify token: oidc: expected audience "kubernetes" got ["other"]"#,
            ),
            (
                with("exp", json!(1_257_890_400)),
                "oidc: verify token: oidc: token is expired (Token Expiry: 2009-11-10 22:00:00 +0000 UTC)",
            ),
            (
                with("email_verified", json!(false)),
                "oidc: email not verified",
            ),
            (
                stranger,
                "oidc: verify token: failed to verify signature: failed to verify id token signature",
            ),
            (
                with("iss", json!("https://other.example")),
                "invalid bearer token",
            ),
            ("nonsense".to_owned(), "invalid bearer token"),
        ] {
            let answer = whoami(&cluster, &token).await;
            assert_eq!((answer.code, answer.text.as_str()), (401, UNAUTHORIZED));
            assert!(!answer.headers.contains_key("www-authenticate"));
            let status = cluster.token_review(&token).await;
            assert_eq!(status, json!({"user": {}, "error": refusal(reason)}));
        }
    }

    #[tokio::test]
    async fn token_review_tells_the_user_of_a_good_token() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let status = cluster.token_review(&issuer.token("jane", &["a"])).await;
        assert_eq!(
            status,
            json!({"authenticated": true,
                "user": {"username": "jane", "groups": ["oidc:a", "system:authenticated"]},
                "audiences": ["https://kubernetes.default.svc"]})
        );
        let other = json!({"spec": {"token": issuer.token("jane", &[]), "audiences": ["vault"]}});
        let answer = cluster
            .post("/apis/authentication.k8s.io/v1/tokenreviews", &other)
            .admin()
            .send()
            .await;
        assert_eq!(
            answer.json()["status"],
            json!({"user": {}, "error": "invalid bearer token"})
        );
    }

    #[tokio::test]
    async fn a_token_review_without_a_token_is_a_bad_request() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .post("/apis/authentication.k8s.io/v1/tokenreviews", &json!({}))
            .admin()
            .send()
            .await;
        assert_eq!(answer.code, 400);
        assert_eq!(
            answer.json()["message"],
            "token is required for TokenReview in authentication"
        );
    }

    #[tokio::test]
    async fn until_discovery_has_succeeded_tokens_are_refused_and_it_is_tried_every_ten_seconds() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        issuer.served.down.store(true, Ordering::SeqCst);
        cluster
            .server
            .set_authentication(issuer.configuration(), None, issuer.roots.clone())
            .expect("a valid configuration");
        let error = cluster
            .server
            .issuers_ready()
            .await
            .expect_err("it is down");
        assert!(error.contains("503 Service Unavailable"), "{error}");
        assert!(matches!(
            cluster.server.issuers()[0].progress,
            Progress::Failed(_)
        ));
        let token = issuer.token("jane", &[]);
        let status = cluster.token_review(&token).await;
        assert_eq!(
            status["error"],
            refusal("oidc: authenticator not initialized")
        );
        issuer.served.down.store(false, Ordering::SeqCst);
        assert_eq!(issuer.served.discoveries.load(Ordering::SeqCst), 1);
        // The retry may not be asleep yet when the clock moves for the first time.
        for _ in 0..200 {
            if cluster.server.issuers()[0].progress == Progress::Ready {
                break;
            }
            cluster.advance(10);
            foundation::clock::pause(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(cluster.server.issuers()[0].progress, Progress::Ready);
        assert_eq!(issuer.served.discoveries.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_issuer_that_calls_itself_otherwise_is_not_trusted() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        issuer.served.discovery.lock().expect("no panic")["issuer"] = json!("https://other");
        cluster
            .server
            .set_authentication(issuer.configuration(), None, issuer.roots.clone())
            .expect("a valid configuration");
        let error = cluster.server.issuers_ready().await.expect_err("another");
        assert!(
            error.ends_with(&format!(
                r#"oidc: issuer did not match the issuer returned by provider, expected "{}" got "https://other""#,
                issuer.url
            )),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_issuer_whose_certificate_nobody_vouches_for_is_not_trusted() {
        let (issuer, other, cluster) = (
            Issuer::start().await,
            Issuer::start().await,
            cluster(Timing::Instant),
        );
        cluster
            .server
            .set_authentication(issuer.configuration(), None, other.roots.clone())
            .expect("a valid configuration");
        let error = cluster
            .server
            .issuers_ready()
            .await
            .expect_err("unknown CA");
        assert!(error.contains("certificate"), "{error}");
        assert_eq!(issuer.served.discoveries.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn fresh_keys_are_not_fetched_again_for_a_token_they_do_not_verify() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let fetches = || issuer.served.fetches.load(Ordering::SeqCst);
        assert_eq!(whoami(&cluster, &issuer.token("jane", &[])).await.code, 201);
        assert_eq!(fetches(), 1);
        let next = Key::new("k2");
        issuer.publish(&[&issuer.key, &next]);
        let token = next.sign(&issuer.claims("jane", &[]));
        assert_eq!(whoami(&cluster, &token).await.code, 401);
        assert_eq!(fetches(), 1);
        // The set was fresh for an hour; half a minute before that is over it
        // may be fetched again.
        cluster.advance(3570);
        assert_eq!(whoami(&cluster, &token).await.code, 401);
        assert_eq!(fetches(), 1);
        cluster.advance(1);
        assert_eq!(whoami(&cluster, &token).await.code, 201);
        assert_eq!(fetches(), 2);
    }

    #[tokio::test]
    async fn without_cache_headers_an_unknown_key_is_looked_for_at_once() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        issuer
            .served
            .cache_control
            .lock()
            .expect("no panic")
            .clear();
        cluster.trust(&issuer).await;
        assert_eq!(whoami(&cluster, &issuer.token("jane", &[])).await.code, 201);
        let next = Key::new("k2");
        issuer.publish(&[&next]);
        // The old key is known as long as nothing makes the set be fetched.
        assert_eq!(whoami(&cluster, &issuer.token("jane", &[])).await.code, 201);
        let token = next.sign(&issuer.claims("jane", &[]));
        assert_eq!(whoami(&cluster, &token).await.code, 201);
        assert_eq!(whoami(&cluster, &issuer.token("jane", &[])).await.code, 401);
    }

    #[tokio::test]
    async fn many_tokens_at_once_make_one_fetch() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let token = issuer.token("jane", &[]);
        let asked = (0..20).map(|_| whoami(&cluster, &token));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer.code, 201);
        }
        assert_eq!(issuer.served.fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn keys_that_cannot_be_fetched_are_named_as_the_reason() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        *issuer.served.keys.lock().expect("no panic") = json!({"keys": [{"kty": "AKP"}]});
        let status = cluster.token_review(&issuer.token("jane", &[])).await;
        let error = status["error"].as_str().expect("an error");
        assert!(
            error.starts_with("[invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: failed to decode keys: "),
            "{error}"
        );
    }

    #[tokio::test]
    async fn with_kubernetes_timing_an_accepted_token_stays_so_for_ten_seconds() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Kubernetes));
        cluster.trust(&issuer).await;
        let mut claims = issuer.claims("jane", &[]);
        let start: jiff::Timestamp = crate::support::START.parse().expect("a time");
        claims["exp"] = json!(start.as_second() + 1);
        let token = issuer.key.sign(&claims);
        assert_eq!(whoami(&cluster, &token).await.code, 201);
        cluster.advance(9);
        assert_eq!(whoami(&cluster, &token).await.code, 201);
        cluster.advance(1);
        assert_eq!(whoami(&cluster, &token).await.code, 401);
    }

    #[tokio::test]
    async fn with_instant_timing_a_token_ends_with_its_second() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let token = issuer.token("jane", &[]);
        cluster.advance(3600);
        assert_eq!(whoami(&cluster, &token).await.code, 201);
        cluster.advance(1);
        assert_eq!(whoami(&cluster, &token).await.code, 401);
    }

    #[tokio::test]
    async fn an_issuer_that_is_taken_out_is_nobody() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let token = issuer.token("jane", &[]);
        assert_eq!(whoami(&cluster, &token).await.code, 201);
        cluster
            .server
            .set_authentication(Default::default(), None, issuer.roots.clone())
            .expect("a valid configuration");
        assert_eq!(
            cluster.token_review(&token).await["error"],
            "invalid bearer token"
        );
    }

    #[tokio::test]
    async fn a_configuration_set_again_keeps_the_keys() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let token = issuer.token("jane", &[]);
        assert_eq!(whoami(&cluster, &token).await.code, 201);
        cluster.trust(&issuer).await;
        assert_eq!(whoami(&cluster, &token).await.code, 201);
        assert_eq!(issuer.served.fetches.load(Ordering::SeqCst), 1);
        assert_eq!(issuer.served.discoveries.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_invalid_configuration_changes_nothing() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let bad = configuration("http://insecure.example");
        assert!(
            cluster
                .server
                .set_authentication(bad, None, issuer.roots.clone())
                .is_err()
        );
        assert_eq!(whoami(&cluster, &issuer.token("jane", &[])).await.code, 201);
    }

    #[tokio::test]
    async fn without_a_prefix_a_claim_can_make_anybody_a_superuser() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        let mut configuration = issuer.configuration();
        configuration.jwt[0].claim_mappings.groups.prefix = Some(String::new());
        cluster
            .server
            .set_authentication(configuration, None, issuer.roots.clone())
            .expect("a valid configuration");
        cluster
            .server
            .issuers_ready()
            .await
            .expect("a healthy issuer");
        let token = issuer.token("jane", &["system:masters", "system:authenticated"]);
        let answer = whoami(&cluster, &token).await;
        assert_eq!(
            answer.json()["status"]["userInfo"]["groups"],
            json!(["system:masters", "system:authenticated"])
        );
        assert_eq!(
            cluster.get("/metrics").bearer(&token).send().await.code,
            404
        );
        assert_eq!(
            cluster
                .get("/api/v1/nodes")
                .bearer(&token)
                .send()
                .await
                .code,
            200
        );
    }

    #[tokio::test]
    async fn only_the_algorithms_of_the_flags_are_taken() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster
            .server
            .set_authentication(
                issuer.configuration(),
                Some(vec!["RS256".to_owned()]),
                issuer.roots.clone(),
            )
            .expect("a valid configuration");
        cluster
            .server
            .issuers_ready()
            .await
            .expect("a healthy issuer");
        assert_eq!(
            cluster.token_review(&issuer.token("jane", &[])).await["error"],
            refusal(
                r#"oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "ES256""#
            )
        );
        // Setting it again without the list is another configuration.
        cluster.trust(&issuer).await;
        assert_eq!(whoami(&cluster, &issuer.token("jane", &[])).await.code, 201);
    }

    /// Browsers cannot set a header on a websocket, and say the token as a
    /// subprotocol. A real kube-apiserver v1.37.2 gives these codes.
    #[rstest]
    #[case("TOKEN, v4.channel.k8s.io", &[], "jane")]
    #[case("v4.channel.k8s.io,TOKEN", &[], "jane")]
    #[case("TOKEN, v4.channel.k8s.io", &[("authorization", "Bearer junk")], "jane")]
    #[case("TOKEN", &[], "")]
    #[case("TOKEN, TOKEN, v4.channel.k8s.io", &[], "")]
    #[case("base64url.bearer.authorization.k8s.io.YWJj, v4.channel.k8s.io", &[], "")]
    #[case("base64url.bearer.authorization.k8s.io.!!!, v4.channel.k8s.io", &[], "")]
    #[case("v4.channel.k8s.io", &[], "system:anonymous")]
    #[case("base64url.bearer.authorization.k8s.io., v4.channel.k8s.io", &[], "system:anonymous")]
    #[case("TOKEN, v4.channel.k8s.io", &[("upgrade", "h2c")], "system:anonymous")]
    #[case("TOKEN, v4.channel.k8s.io", &[("connection", "keep-alive")], "system:anonymous")]
    #[case("TOKEN, v4.channel.k8s.io", &[("connection", "keep-alive, Upgrade")], "jane")]
    #[tokio::test]
    async fn a_websocket_says_its_token_as_a_subprotocol(
        #[case] protocols: &str,
        #[case] others: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let token = BASE64.encode(issuer.token("jane", &[]));
        let token = format!("base64url.bearer.authorization.k8s.io.{token}");
        let mut ask = cluster.get("/api/v1/namespaces/default");
        for (name, usual) in [("connection", "Upgrade"), ("upgrade", "websocket")] {
            let other = others.iter().find(|(other, _)| *other == name);
            ask = ask.header(name, other.map_or(usual, |(_, value)| *value));
        }
        for (name, value) in others.iter().filter(|(name, _)| *name == "authorization") {
            ask = ask.header(name, value);
        }
        let protocols = protocols.replace("TOKEN", &token);
        let answer = ask
            .header("sec-websocket-protocol", &protocols)
            .send()
            .await;
        let event = cluster.audit.events().pop().expect("an event");
        assert_eq!(
            event["user"]["username"].as_str().unwrap_or_default(),
            expected
        );
        assert_eq!(answer.code, if expected.is_empty() { 401 } else { 403 });
        let written = format!("{event}{}", answer.text);
        assert!(!written.contains(&token), "{written}");
    }

    #[tokio::test]
    async fn a_key_set_without_end_is_cut_off() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        *issuer.served.keys.lock().expect("no panic") =
            json!({"keys": [], "filler": "x".repeat(9 * 1024 * 1024)});
        let status = cluster.token_review(&issuer.token("jane", &[])).await;
        assert_eq!(
            status["error"],
            refusal(
                "oidc: verify token: failed to verify signature: fetching keys unable to read response body: larger than 8388608 bytes"
            )
        );
    }

    /// Where a server without TLS is, which leads from `/1` to `/2` and so on, from
    /// `/to/HOST` there, and has `keys` elsewhere; and what it was asked with as a
    /// bearer.
    async fn leading(keys: String) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await;
        let listener = listener.expect("a free port");
        let host = listener.addr().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, here) = (Arc::clone(&asked), host.clone());
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let header = request.headers().get("authorization");
            let bearer = header.map_or("", |value| value.to_str().expect("text"));
            noted.lock().expect("no panic").push(bearer.to_owned());
            let path = request.uri().path().trim_start_matches('/');
            let next = path
                .parse::<u32>()
                .ok()
                .map(|n| format!("{here}/{}", n + 1));
            let next = next.or(path.strip_prefix("to/").map(str::to_owned));
            let answer = http::Response::builder();
            let answer = match next {
                Some(next) => answer
                    .status(302)
                    .header("location", format!("http://{next}")),
                None => answer,
            };
            let answer = answer.body(Body::from(keys.clone()));
            async { Ok::<_, std::convert::Infallible>(answer.expect("an answer")) }
        });
        tokio::spawn(listener.serve_plain(service, CancellationToken::new()));
        (host, asked)
    }

    /// Go's client asks wherever it is led, without TLS, too, and gives up instead
    /// of following a tenth redirect.
    #[tokio::test]
    async fn keys_are_fetched_where_discovery_leads() {
        let issuer = Issuer::start().await;
        let keys = json!({"keys": [issuer.key.jwk()]}).to_string();
        let (one, asked) = leading(keys.clone()).await;
        let (two, _) = leading(keys).await;
        let token = issuer.token("jane", &[]);
        let status_by = async |at: String| {
            *issuer.served.discovery.lock().expect("no panic") =
                json!({"issuer": issuer.url, "jwks_uri": at});
            let cluster = cluster(Timing::Instant);
            cluster.trust(&issuer).await;
            cluster.token_review(&token).await
        };
        let asked = || std::mem::take(&mut *asked.lock().expect("no panic")).len();
        for path in ["keys".to_owned(), format!("to/{two}/keys")] {
            let status = status_by(format!("http://{one}/{path}")).await;
            assert_eq!(status["authenticated"], true, "{status}");
            assert_eq!(asked(), 1);
        }
        let status = status_by(format!("http://{one}/1")).await;
        let why = format!(
            "oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed Get \"http://{one}/11\": stopped after 10 redirects"
        );
        assert_eq!(status["error"], refusal(&why));
        assert_eq!(asked(), 10);
    }

    /// A source's access token goes along within a host, whatever the port, and
    /// nowhere else, nor back from there.
    #[tokio::test]
    async fn an_access_token_stays_with_its_host() {
        let (issuer, cluster) = (Issuer::start().await, cluster(Timing::Instant));
        cluster.trust(&issuer).await;
        let (one, asked_one) = leading(String::new()).await;
        let (two, asked_two) = leading(String::new()).await;
        let elsewhere = one.replace("127.0.0.1", "localhost");
        let mut claims = issuer.claims("jane", &[]);
        claims.as_object_mut().expect("an object").remove("groups");
        claims["_claim_names"] = json!({"groups": "src"});
        for at in [
            format!("http://{one}/to/{two}/groups"),
            format!("http://{two}/to/{elsewhere}/to/{two}/groups"),
        ] {
            claims["_claim_sources"] = json!({"src": {"endpoint": at, "access_token": "secret"}});
            cluster.token_review(&issuer.key.sign(&claims)).await;
        }
        let asked = |asked: &Mutex<Vec<String>>| asked.lock().expect("no panic").clone();
        assert_eq!(asked(&asked_one), ["Bearer secret", ""]);
        assert_eq!(asked(&asked_two), ["Bearer secret", "Bearer secret", ""]);
    }

    #[tokio::test]
    async fn where_a_token_says_its_keys_are_is_not_looked_at() {
        let (issuer, elsewhere, cluster) = (
            Issuer::start().await,
            Issuer::start().await,
            cluster(Timing::Instant),
        );
        cluster.trust(&issuer).await;
        let jku = format!("{}/jwks.json", elsewhere.url);
        let token = elsewhere.key.sign_with(
            &json!({"jku": jku, "x5u": jku}),
            &issuer.claims("jane", &[]),
        );
        assert_eq!(whoami(&cluster, &token).await.code, 401);
        assert_eq!(elsewhere.served.fetches.load(Ordering::SeqCst), 0);
    }

    /// Knows one token, and refuses another with a reason.
    struct Webhook;

    impl TokenWebhook for Webhook {
        fn review<'a>(&'a self, token: &'a str) -> Review<'a> {
            Box::pin(async move {
                match token {
                    "k8s-aws-v1.good" => Ok(Some(User {
                        username: "arn:aws:iam::123:user/x".to_owned(),
                        ..User::default()
                    })),
                    "k8s-aws-v1.bad" => Err("access key is unknown".to_owned()),
                    _ => Ok(None),
                }
            })
        }
    }

    #[tokio::test]
    async fn a_webhook_is_asked_about_tokens_that_are_nobody_elses() {
        let cluster = cluster(Timing::Instant);
        cluster.server.set_token_webhook(Some(Arc::new(Webhook)));
        let status = cluster.token_review("k8s-aws-v1.good").await;
        assert_eq!(status["user"]["username"], "arn:aws:iam::123:user/x");
        assert_eq!(status["user"]["groups"], json!(["system:authenticated"]));
        let status = cluster.token_review("k8s-aws-v1.bad").await;
        assert_eq!(status["error"], refusal("access key is unknown"));
        let status = cluster.token_review("other").await;
        assert_eq!(status["error"], "invalid bearer token");
        cluster.server.set_token_webhook(None);
        assert_eq!(whoami(&cluster, "k8s-aws-v1.good").await.code, 401);
    }

    #[tokio::test]
    async fn a_client_certificate_wins_over_a_bearer_token() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .post(WHOAMI, &json!({}))
            .bearer("nonsense")
            .certificate("jane", Some("dev"))
            .send()
            .await;
        let user = answer.json()["status"]["userInfo"].clone();
        assert_eq!(user["username"], "jane");
        assert_eq!(user["groups"], json!(["dev", "system:authenticated"]));
        let id = user["extra"]["authentication.kubernetes.io/credential-id"][0]
            .as_str()
            .expect("an id");
        assert!(id.starts_with("X509SHA256="), "{id}");
    }

    #[tokio::test]
    async fn anonymous_can_be_limited_to_paths_or_shut_out() {
        let cluster = cluster(Timing::Instant);
        let configure = |anonymous: Value| {
            let configuration = AuthenticationConfiguration::from_json(
                &json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
                    "jwt": [], "anonymous": anonymous})
                .to_string(),
            )
            .expect("a valid configuration");
            cluster
                .server
                .set_authentication(configuration, None, rustls::RootCertStore::empty())
                .expect("a valid configuration");
        };
        configure(json!({"enabled": true, "conditions": [{"path": "/livez"}]}));
        assert_eq!(cluster.get("/livez").send().await.code, 200);
        let refused = cluster.get("/readyz").send().await;
        assert_eq!((refused.code, refused.text.as_str()), (401, UNAUTHORIZED));
        configure(json!({"enabled": false}));
        assert_eq!(cluster.get("/livez").send().await.code, 401);
    }

    #[tokio::test]
    async fn the_service_accounts_own_issuer_cannot_be_configured() {
        let cluster = cluster(Timing::Instant);
        let error = cluster
            .server
            .set_authentication(
                configuration("https://kubernetes.default.svc"),
                None,
                rustls::RootCertStore::empty(),
            )
            .expect_err("it is the API server's");
        assert!(
            error.to_string().contains(
                "URL must not overlap with disallowed issuers: [https://kubernetes.default.svc]"
            ),
            "{error}"
        );
    }

    #[tokio::test]
    async fn headers_of_a_front_proxy_name_nobody() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .get("/api/v1/pods")
            .header("x-remote-user", "admin")
            .header("x-remote-group", "system:masters")
            .send()
            .await;
        assert_eq!(answer.code, 403);
        assert!(answer.text.contains("system:anonymous"));
    }

    #[rstest]
    #[case("Bearer", None)]
    #[case("Bearer ", None)]
    #[case("Basic dTpw", None)]
    #[case(
        "Bearer  token",
        Some(
            "299 - \"the provided Authorization header contains extra space before the bearer token, and is ignored\""
        )
    )]
    #[tokio::test]
    async fn no_token_is_anonymous(#[case] value: &str, #[case] warning: Option<&str>) {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .get("/version")
            .header("authorization", value)
            .send()
            .await;
        assert_eq!(answer.code, 200);
        let found = answer
            .headers
            .get("warning")
            .map(|v| v.to_str().expect("text"));
        assert_eq!(found, warning);
    }
}

mod refusals {
    use super::*;

    #[tokio::test]
    async fn anonymous_is_forbidden_in_kubernetes_words() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .get("/api/v1/namespaces/default/pods/p/log")
            .send()
            .await;
        assert_eq!(answer.code, 403);
        assert_eq!(
            answer.text,
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"pods \\\"p\\\" is forbidden: User \\\"system:anonymous\\\" cannot get resource \\\"pods/log\\\" in API group \\\"\\\" in the namespace \\\"default\\\"\",\"reason\":\"Forbidden\",\"details\":{\"name\":\"p\",\"kind\":\"pods\"},\"code\":403}\n"
        );
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let answer = cluster.get("/%3Cb%3E").send().await;
        assert!(
            answer
                .text
                .contains(r#"cannot get path \"/\u0026lt;b\u0026gt;\"""#),
            "{}",
            answer.text
        );
    }

    #[tokio::test]
    async fn people_get_indented_json_and_protobuf_clients_protobuf() {
        let cluster = cluster(Timing::Instant);
        let pretty = cluster
            .get("/metrics")
            .header("user-agent", "curl/8.1")
            .send()
            .await;
        assert!(
            pretty.text.starts_with("{\n  \"kind\": \"Status\",\n"),
            "{}",
            pretty.text
        );
        let answer = cluster
            .get("/metrics")
            .header("accept", "application/vnd.kubernetes.protobuf")
            .send()
            .await;
        assert_eq!(answer.code, 403);
        assert_eq!(
            answer.headers["content-type"],
            "application/vnd.kubernetes.protobuf"
        );
        assert!(answer.text.starts_with("k8s\0"));
        let yaml = cluster
            .get("/metrics")
            .header("accept", "application/yaml")
            .send()
            .await;
        assert!(yaml.text.contains("reason: Forbidden"), "{}", yaml.text);
    }

    #[tokio::test]
    async fn a_watch_of_nothing_is_a_plain_internal_error() {
        let answer = cluster(Timing::Instant).get("/api/v1/watch").send().await;
        assert_eq!(answer.code, 500);
        assert_eq!(
            answer.text,
            "Internal Server Error: \"/api/v1/watch\": failed to create RequestInfo: unable to determine kind and namespace from url, /api/v1/watch\n"
        );
    }

    #[rstest]
    #[case("//api/v1/pods", 404)]
    #[case("/api/v1/pods/", 200)]
    #[case("/api/../apis", 404)]
    #[case("/api/v1/namespaces/a%2Fb", 404)]
    #[case("/%2e%2e/api/v1/pods", 404)]
    #[tokio::test]
    async fn no_object_is_served_by_another_path(#[case] uri: &str, #[case] code: u16) {
        let answer = cluster(Timing::Instant).get(uri).admin().send().await;
        assert_eq!(answer.code, code, "{}", answer.text);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 400,
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn whatever_is_sent_is_answered_and_never_our_fault(
            method in "GET|POST|PUT|PATCH|DELETE|OPTIONS|HEAD|BREW",
            prefix in r"|/|/api|/api/v1|/apis/authorization\.k8s\.io/v1|/apis/authentication\.k8s\.io/v1|/openapi|/version|/healthz",
            rest in "(/(pods|namespaces|default|tokenreviews|subjectaccessreviews|selfsubjectrulesreviews|watch|%[0-9a-f]{2}|[a-z:.]{0,3})){0,5}",
            query in r"|\?(watch|limit|fieldSelector|labelSelector|pretty|as|continue)=[a-z0-9%=,!]{0,6}",
            content in r"application/json|application/yaml|application/vnd\.kubernetes\.protobuf|text/plain|",
            accept in r"application/json|\*/\*|application/yaml|application/vnd\.kubernetes\.protobuf|text/html|;;,=|",
            body in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
            json in r#"\{"spec":(null|1|\{"(resourceAttributes|token|groups)":(null|\{\}|\[\]|"x")\})\}"#,
            raw in proptest::bool::ANY,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let uri = format!("{prefix}{rest}{query}");
            let uri = if uri.starts_with('/') { uri } else { format!("/{uri}") };
            // A watch goes on until its client leaves.
            if uri.parse::<http::Uri>().is_ok() && !uri.contains("watch") {
                let cluster = cluster(Timing::Instant);
                let ask = cluster
                    .ask(&method, &uri)
                    .admin()
                    .header("content-type", &content)
                    .header("accept", &accept)
                    .body(if raw { body } else { json.into_bytes() });
                let answer = runtime.block_on(ask.send());
                proptest::prop_assert!(answer.code < 500, "{method} {uri}: {} {}", answer.code, answer.text);
                proptest::prop_assert_eq!(cluster.audit.events().len(), 1);
            }
        }
    }

    #[tokio::test]
    async fn an_audit_id_is_taken_from_the_client() {
        let answer = cluster(Timing::Instant)
            .get("/version")
            .header("audit-id", "mine")
            .send()
            .await;
        assert_eq!(answer.headers["audit-id"], "mine");
    }

    /// What Kubernetes serves by routes of its own has no HEAD; what a plain
    /// handler serves has whatever is asked.
    #[rstest]
    #[case("/version", 405)]
    #[case("/api", 405)]
    #[case("/apis/apps/v1", 405)]
    #[case("/api/v1/namespaces", 405)]
    #[case("/api/v1/namespaces/default", 405)]
    #[case("/api/v1/nopes", 404)]
    #[case("/apis", 200)]
    #[case("/apis/apps", 200)]
    #[case("/openapi/v2", 200)]
    #[case("/openapi/v3/api/v1", 200)]
    #[case("/healthz", 200)]
    #[case("/", 200)]
    #[tokio::test]
    async fn head_is_answered_without_a_body_where_it_is(#[case] path: &str, #[case] code: u16) {
        let cluster = cluster(Timing::Instant);
        let answer = cluster.ask("HEAD", path).admin().send().await;
        assert_eq!((answer.code, answer.text.as_str()), (code, ""));
        assert_ne!(answer.headers["content-length"], "0");
    }

    #[tokio::test]
    async fn a_body_over_three_mebibytes_is_refused() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .ask("POST", WHOAMI)
            .admin()
            .body(vec![b' '; wire::MAX_REQUEST_BODY + 1])
            .send()
            .await;
        assert_eq!(answer.code, 413);
        assert_eq!(
            answer.json()["message"],
            "Request entity too large: limit is 3145728"
        );
    }
}

mod reviews {
    use super::*;

    #[tokio::test]
    async fn may_i_tells_yes_with_the_reason_and_no_without() {
        let cluster = cluster(Timing::Instant);
        let ask = json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {"resourceAttributes": {"resource": "selfsubjectreviews", "group": "authentication.k8s.io", "verb": "create"}}});
        let answer = cluster
            .post(CAN_I, &ask)
            .certificate("jane", None)
            .send()
            .await;
        assert_eq!(answer.code, 201);
        assert_eq!(
            answer.text,
            "{\"kind\":\"SelfSubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/v1\",\"metadata\":{},\"spec\":{\"resourceAttributes\":{\"verb\":\"create\",\"group\":\"authentication.k8s.io\",\"resource\":\"selfsubjectreviews\"}},\"status\":{\"allowed\":true,\"reason\":\"RBAC: allowed by ClusterRoleBinding \\\"system:basic-user\\\" of ClusterRole \\\"system:basic-user\\\" to Group \\\"system:authenticated\\\"\"}}\n"
        );
        let ask = json!({"spec": {"resourceAttributes": {"resource": "pods", "verb": "list"}}});
        let answer = cluster
            .post(CAN_I, &ask)
            .certificate("jane", None)
            .send()
            .await;
        assert_eq!(answer.json()["status"], json!({"allowed": false}));
        let answer = cluster.post(CAN_I, &ask).admin().send().await;
        assert_eq!(answer.json()["status"], json!({"allowed": true}));
    }

    #[tokio::test]
    async fn others_are_judged_by_exactly_the_groups_given() {
        let cluster = cluster(Timing::Instant);
        let version = |groups: Value| json!({"spec": {"user": "jane", "groups": groups, "nonResourceAttributes": {"path": "/api", "verb": "get"}}});
        let answer = cluster.post(SAR, &version(json!([]))).admin().send().await;
        assert_eq!(answer.json()["status"], json!({"allowed": false}));
        let answer = cluster
            .post(SAR, &version(json!(["system:authenticated"])))
            .admin()
            .send()
            .await;
        assert_eq!(answer.json()["status"]["allowed"], json!(true));
    }

    #[rstest]
    #[case(CAN_I, json!({}), r#".authorization.k8s.io "" is invalid: spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"#)]
    #[case(CAN_I, json!({"resourceAttributes": {}, "nonResourceAttributes": {"path": "/x"}}), r#".authorization.k8s.io "" is invalid: spec: Invalid value: {"Path":"/x","Verb":""}: exactly one of nonResourceAttributes or resourceAttributes must be specified"#)]
    #[case(SAR, json!({"resourceAttributes": {}}), r#".authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified"#)]
    #[case(SAR, json!({"user": "u", "resourceAttributes": {"fieldSelector": {}}}), r#".authorization.k8s.io "" is invalid: spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required"#)]
    #[case(LOCAL, json!({"user": "u", "resourceAttributes": {"namespace": "prod"}}), r#".authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "prod": must match metadata.namespace"#)]
    #[case(LOCAL, json!({"user": "u", "nonResourceAttributes": {"path": "/x"}}), r#".authorization.k8s.io "" is invalid: spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":""}: disallowed on this kind of request"#)]
    #[tokio::test]
    async fn an_invalid_review_is_told_what_is_wrong(
        #[case] uri: &str,
        #[case] spec: Value,
        #[case] message: &str,
    ) {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .post(uri, &json!({"spec": spec}))
            .admin()
            .send()
            .await;
        assert_eq!(answer.code, 422);
        assert_eq!(answer.json()["message"], message);
    }

    #[tokio::test]
    async fn metadata_must_be_empty() {
        let cluster = cluster(Timing::Instant);
        let ask = json!({"metadata": {"name": "x"}, "spec": {"resourceAttributes": {}}});
        let answer = cluster.post(CAN_I, &ask).admin().send().await;
        assert_eq!(
            answer.json()["message"],
            r#".authorization.k8s.io "" is invalid: metadata: Invalid value: {"name":"x"}: must be empty"#
        );
    }

    #[tokio::test]
    async fn a_local_review_is_about_its_namespace() {
        let cluster = cluster(Timing::Instant);
        let ask = json!({"spec": {"user": "u", "resourceAttributes": {"namespace": "dev", "verb": "get", "resource": "pods"}}});
        let answer = cluster.post(LOCAL, &ask).admin().send().await;
        assert_eq!(answer.code, 201, "{}", answer.text);
        assert_eq!(answer.json()["metadata"], json!({"namespace": "dev"}));
    }

    #[tokio::test]
    async fn a_selector_that_cannot_be_read_is_ignored_and_named() {
        let cluster = cluster(Timing::Instant);
        let ask = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "pods",
            "fieldSelector": {"requirements": [
                {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
                {"key": "x", "operator": "Gt", "values": ["1"]}]},
            "labelSelector": {"requirements": [{"key": "x", "operator": "Gt", "values": ["1"]}]}}}});
        let answer = cluster.post(CAN_I, &ask).admin().send().await;
        assert_eq!(
            answer.json()["status"]["evaluationError"],
            "spec.resourceAttributes.fieldSelector partially ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to parse error"
        );
        for (raw, read) in [
            ("a=b,c in (d,e),!f,x.io/g>1", true),
            ("a in (b", false),
            ("UPPER/x=y", false),
            ("a b", false),
        ] {
            let ask = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "pods",
                "labelSelector": {"rawSelector": raw}}}});
            let answer = cluster.post(CAN_I, &ask).admin().send().await;
            let error = &answer.json()["status"]["evaluationError"];
            assert_eq!(error.is_null(), read, "{raw}: {error}");
        }
    }

    #[tokio::test]
    async fn the_rules_that_apply_are_listed() {
        let cluster = cluster(Timing::Instant);
        let ask = json!({"spec": {"namespace": "default"}});
        let answer = cluster
            .post(RULES, &ask)
            .certificate("jane", None)
            .send()
            .await;
        let review = answer.json();
        assert_eq!(review["spec"], json!({}));
        let status = &review["status"];
        assert_eq!(status["incomplete"], json!(false));
        let lists = |key: &str| status[key].as_array().expect("a list").clone();
        assert!(lists("resourceRules").contains(&json!({"verbs": ["create"],
            "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]})));
        assert!(lists("nonResourceRules").iter().any(|rule| {
            rule["nonResourceURLs"]
                .as_array()
                .expect("URLs")
                .contains(&json!("/version"))
        }));
        let answer = cluster.post(RULES, &json!({})).admin().send().await;
        assert_eq!(
            (answer.code, &answer.json()["message"]),
            (400, &json!("no namespace on request"))
        );
    }

    #[tokio::test]
    async fn a_protobuf_body_is_read() {
        let cluster = cluster(Timing::Instant);
        let ask = json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
            "spec": {"nonResourceAttributes": {"path": "/version", "verb": "get"}}, "status": {"allowed": false}});
        let body = wire::protobuf::encode(&ask).expect("a kind in the table");
        let answer = cluster
            .ask("POST", CAN_I)
            .header("content-type", "application/vnd.kubernetes.protobuf")
            .header(
                "accept",
                "application/vnd.kubernetes.protobuf,application/json",
            )
            .body(body)
            .certificate("jane", None)
            .send()
            .await;
        assert_eq!(answer.code, 201, "{}", answer.text);
        assert_eq!(answer.json()["status"]["allowed"], json!(true));
    }

    #[tokio::test]
    async fn a_misspelt_field_is_warned_of_refused_or_ignored_as_asked() {
        let cluster = cluster(Timing::Instant);
        let body = r#"{"spec":{"resourceAttributes":{"verbs":"get","verb":"get","verb":"list"}}}"#;
        let ask = |validation: &str| {
            cluster
                .ask("POST", &format!("{CAN_I}?fieldValidation={validation}"))
                .admin()
                .body(body)
                .send()
        };
        let answer = ask("").await;
        assert_eq!(answer.code, 201);
        let warnings: Vec<_> = answer.headers.get_all("warning").iter().collect();
        assert_eq!(
            warnings,
            [
                "299 - \"duplicate field \\\"spec.resourceAttributes.verb\\\"\"",
                "299 - \"unknown field \\\"spec.resourceAttributes.verbs\\\"\""
            ]
        );
        let answer = ask("Strict").await;
        assert_eq!(answer.code, 400);
        assert_eq!(
            answer.json()["message"],
            r#"SelfSubjectAccessReview in version "v1" cannot be handled as a SelfSubjectAccessReview: strict decoding error: duplicate field "spec.resourceAttributes.verb", unknown field "spec.resourceAttributes.verbs""#
        );
        let answer = ask("Ignore").await;
        assert_eq!(answer.code, 201);
        assert!(!answer.headers.contains_key("warning"));
        let answer = ask("Perhaps").await;
        assert_eq!(
            answer.json()["message"],
            r#"CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Perhaps": supported values: "", "Ignore", "Strict", "Warn""#
        );
    }

    #[tokio::test]
    async fn a_review_can_only_be_created() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster.get(CAN_I).admin().send().await;
        assert_eq!(answer.code, 405);
        assert_eq!(
            answer.json()["message"],
            "the server does not allow this method on the requested resource"
        );
    }

    #[tokio::test]
    async fn a_body_that_is_no_json_or_no_review_is_a_bad_request() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster.ask("POST", CAN_I).admin().body("{").send().await;
        assert_eq!(
            answer.json()["message"],
            "the object provided is unrecognized (must be of type SelfSubjectAccessReview): couldn't get version/kind; json parse error: unexpected end of JSON input ({)"
        );
        let answer = cluster
            .post(CAN_I, &json!({"spec": {"resourceAttributes": {"verb": 1}}}))
            .admin()
            .send()
            .await;
        assert_eq!(answer.code, 400);
        let answer = cluster
            .ask("POST", CAN_I)
            .admin()
            .header("content-type", "text/plain")
            .body("x")
            .send()
            .await;
        assert_eq!(answer.code, 415);
    }
}

mod impersonation {
    use super::*;

    #[tokio::test]
    async fn an_admin_is_whom_they_want_to_be_and_audit_names_both() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .post(WHOAMI, &json!({}))
            .admin()
            .header("impersonate-user", "bob")
            .header("impersonate-group", "dev")
            .send()
            .await;
        assert_eq!(
            answer.json()["status"]["userInfo"],
            json!({"username": "bob", "groups": ["dev", "system:authenticated"]})
        );
        let event = &cluster.audit.events()[0];
        assert_eq!(event["user"]["username"], "kubernetes-admin");
        assert_eq!(event["impersonatedUser"]["username"], "bob");
        assert_eq!(
            event["authenticationMetadata"]["impersonationConstraint"],
            "impersonate:user-info"
        );
    }

    #[tokio::test]
    async fn whoever_may_not_is_forbidden_and_no_decision_is_recorded() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .get("/api/v1/namespaces/default/pods")
            .certificate("alice", None)
            .header("impersonate-user", "bob")
            .send()
            .await;
        assert_eq!(answer.code, 403);
        assert_eq!(
            answer.json()["message"],
            r#"pods is forbidden: User "alice" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "default""#
        );
        assert_eq!(cluster.audit.events()[0].get("annotations"), None);
    }

    #[tokio::test]
    async fn a_group_without_a_user_is_a_bad_request() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .get("/version")
            .admin()
            .header("impersonate-group", "g")
            .send()
            .await;
        assert_eq!(answer.code, 400);
    }
}

mod audit {
    use super::*;

    #[tokio::test]
    async fn a_failed_authentication_leaves_one_event_without_user_or_token() {
        let cluster = cluster(Timing::Instant);
        let answer = cluster
            .get("/api/v1/pods")
            .bearer("s3cret.t0ken.x")
            .send()
            .await;
        assert_eq!(answer.code, 401);
        let events = cluster.audit.events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["stage"], "ResponseStarted");
        assert_eq!(events[0]["user"], json!({}));
        assert_eq!(events[0]["responseStatus"]["code"], 401);
        assert!(!events[0].to_string().contains("s3cret"));
    }

    #[tokio::test]
    async fn a_decision_is_recorded_with_its_reason() {
        let cluster = cluster(Timing::Instant);
        cluster
            .get("/version")
            .certificate("jane", None)
            .send()
            .await;
        cluster
            .get("/api/v1/nodes")
            .certificate("jane", None)
            .send()
            .await;
        cluster.get("/version").admin().send().await;
        let events = cluster.audit.events();
        let annotations = |at: usize| {
            let a = &events[at]["annotations"];
            [
                a["authorization.k8s.io/decision"].clone(),
                a["authorization.k8s.io/reason"].clone(),
            ]
        };
        let [decision, reason] = annotations(0);
        assert_eq!(decision, "allow");
        assert!(
            reason
                .as_str()
                .expect("text")
                .starts_with("RBAC: allowed by ClusterRoleBinding"),
            "{reason}"
        );
        assert_eq!(annotations(1), ["forbid", ""]);
        assert_eq!(annotations(2), ["allow", ""]);
        assert_eq!(events[1]["responseStatus"]["reason"], "Forbidden");
        assert_eq!(events[0]["sourceIPs"], json!(["127.0.0.1"]));
        assert!(events.iter().all(|e| e["stage"] == "ResponseComplete"));
    }

    #[tokio::test]
    async fn the_body_of_a_token_review_is_not_recorded() {
        let cluster = cluster(Timing::Instant);
        cluster.token_review("s3cret").await;
        assert!(!json!(cluster.audit.events()).to_string().contains("s3cret"));
    }
}

mod other_paths {
    use super::*;

    #[tokio::test]
    async fn version_has_the_shape_of_the_release() {
        let answer = cluster(Timing::Instant).get("/version").send().await;
        assert!(
            answer
                .text
                .starts_with("{\n  \"major\": \"1\",\n  \"minor\": \"37\"")
        );
        let version = answer.json();
        assert_eq!(version["gitVersion"], "v1.37.2+rolecall");
    }

    #[rstest]
    #[case("/healthz", "ok")]
    #[case("/livez", "ok")]
    #[case("/readyz", "ok")]
    #[case(
        "/readyz?verbose",
        "[+]ping ok\n[+]poststarthook/rbac/bootstrap-roles ok\nreadyz check passed\n"
    )]
    #[case(
        "/livez?verbose&exclude=ping&exclude=x",
        "[+]ping excluded: ok\n[+]poststarthook/rbac/bootstrap-roles ok\nwarn: some health checks cannot be excluded: no matches for \"x\"\nlivez check passed\n"
    )]
    #[tokio::test]
    async fn health_is_told_to_everybody(#[case] uri: &str, #[case] text: &str) {
        let answer = cluster(Timing::Instant).get(uri).send().await;
        assert_eq!((answer.code, answer.text.as_str()), (200, text));
    }

    #[tokio::test]
    async fn the_root_lists_paths_and_an_unknown_one_is_not_found() {
        let cluster = cluster(Timing::Instant);
        let paths = cluster.get("/").admin().send().await.json();
        let paths = paths["paths"].as_array().expect("paths");
        for path in ["/api", "/apis/batch/v1", "/healthz/ping", "/version"] {
            assert!(paths.contains(&json!(path)), "{path}");
        }
        for path in [
            "/nothing",
            "/healthz/",
            "/healthz/nope",
            "//",
            "/openapi/v2/",
        ] {
            let answer = cluster.get(path).admin().send().await;
            assert_eq!(
                (answer.code, answer.text.as_str()),
                (404, "404 page not found\n")
            );
        }
        let answer = cluster.get("/version/x").admin().send().await;
        assert_eq!(
            (answer.code, answer.json()["kind"].clone()),
            (404, json!("Status"))
        );
        let answer = cluster.get("/healthz/ping").admin().send().await;
        assert_eq!((answer.code, answer.text.as_str()), (200, "ok"));
    }
}
