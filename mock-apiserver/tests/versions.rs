//! What the front of an API server says otherwise as an older minor. The rest of
//! the differences are kube-authn's and kube-rbac's, and proven there.

use crate::support::{Cluster, Issuer, cluster_of, refusal};
use kube_rbac::Version;
use mock_apiserver::Config;
use rstest::rstest;
use serde_json::{Value, json};

fn cluster(version: Version) -> Cluster {
    cluster_of(Config {
        version,
        policy: kube_rbac::bootstrap::policy(version),
        ..Config::default()
    })
}

const EITHER: &str = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
const BOTH: &str = "cannot be specified in combination with resourceAttributes";

/// `pkg/apis/authorization/validation`
#[rstest]
#[case::neither(json!({}), "spec.resourceAttributes", "null", EITHER)]
#[case::both(
    json!({"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"verb": "get", "path": "/"}}),
    "spec.nonResourceAttributes",
    r#"{"Path":"/","Verb":"get"}"#,
    BOTH
)]
#[tokio::test]
async fn a_review_of_neither_or_both_is_refused_in_the_words_of_its_minor(
    #[case] spec: Value,
    #[case] field: &str,
    #[case] value: &str,
    #[case] detail: &str,
    #[values("selfsubjectaccessreviews", "subjectaccessreviews")] resource: &str,
) {
    let mut spec = spec;
    if resource == "subjectaccessreviews" {
        spec["user"] = "jane".into();
    }
    for version in Version::ALL {
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "spec": spec});
        let uri = format!("/apis/authorization.k8s.io/v1/{resource}");
        let answer = cluster(version).post(&uri, &review).admin().send().await;
        let (field, detail) = match version {
            Version::V1_37 => ("spec", EITHER),
            _ => (field, detail),
        };
        let cause = &answer.json()["details"]["causes"][0];
        let message = format!("Invalid value: {value}: {detail}");
        assert_eq!(cause["field"], field, "{version}: {}", answer.text);
        assert_eq!(cause["message"], message, "{version}");
    }
}

/// The metrics about keys came with 1.35, and with them the look at `jwks_uri`.
#[rstest]
#[case(Version::V1_34, r#"oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed Get "": unsupported protocol scheme """#)]
#[case(Version::V1_35, "oidc: authenticator not initialized")]
#[tokio::test]
async fn an_issuer_that_does_not_say_where_its_keys_are(
    #[case] version: Version,
    #[case] reason: &str,
) {
    let issuer = Issuer::start().await;
    *issuer.served.discovery.lock().expect("no panic") = json!({"issuer": issuer.url});
    let cluster = cluster(version);
    cluster
        .server
        .set_authentication(issuer.configuration(), None, issuer.roots.clone())
        .expect("a valid configuration");
    let ready = cluster.server.issuers_ready().await;
    assert_eq!(ready.is_ok(), version == Version::V1_34, "{ready:?}");
    let token = issuer.token("jane@example.com", &[]);
    let status = cluster.token_review(&token).await;
    assert_eq!(status["error"], refusal(reason));
}

/// 1.35 looks at the claims first, so that it asks for no keys in vain.
#[rstest]
#[case(Version::V1_34, 0)]
#[case(Version::V1_35, 0)]
#[case(Version::V1_36, 1)]
#[case(Version::V1_37, 1)]
#[tokio::test]
async fn keys_are_fetched_for_an_expired_token_or_not(
    #[case] version: Version,
    #[case] fetches: usize,
) {
    let issuer = Issuer::start().await;
    let cluster = cluster(version);
    cluster.trust(&issuer).await;
    let mut claims = issuer.claims("jane@example.com", &[]);
    claims["exp"] = 1.into();
    let status = cluster.token_review(&issuer.key.sign(&claims)).await;
    let expired =
        "oidc: verify token: oidc: token is expired (Token Expiry: 1970-01-01 00:00:01 +0000 UTC)";
    assert_eq!(status["error"], refusal(expired));
    let asked = issuer
        .served
        .fetches
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(asked, fetches);
}

/// Since there are constraints, the one that was met is in the audit event
/// (`audit.LogImpersonatedUser`); an administrator meets the first.
#[rstest]
#[tokio::test]
async fn an_audit_event_names_a_constraint_where_there_are_any(
    #[values(Version::V1_34, Version::V1_35, Version::V1_36, Version::V1_37)] version: Version,
) {
    let cluster = cluster(version);
    let request = cluster.get("/api/v1/namespaces").admin();
    let answer = request.header("impersonate-user", "jane").send().await;
    assert_eq!(answer.code, 403, "{}", answer.text);
    let events = cluster.audit.events();
    let mut impersonations = events
        .iter()
        .filter(|e| e["impersonatedUser"]["username"] == "jane");
    let event = impersonations.next().expect("an impersonation");
    let constraint = &event["authenticationMetadata"]["impersonationConstraint"];
    let expected = match version.constrains_impersonation() {
        true => json!("impersonate:user-info"),
        false => Value::Null,
    };
    assert_eq!(*constraint, expected, "{version}");
}

#[tokio::test]
async fn the_stored_roles_and_the_version_are_those_of_the_minor() {
    for version in Version::ALL {
        let cluster = cluster(version);
        let told = cluster.get("/version").admin().send().await.json();
        assert_eq!(
            told["gitVersion"],
            format!("{}+rolecall", version.release())
        );
        assert_eq!(
            format!("{}.{}", told["major"], told["minor"]).replace('"', ""),
            version.minor()
        );
        for (plural, kind) in [
            ("clusterroles", "ClusterRole"),
            ("clusterrolebindings", "ClusterRoleBinding"),
        ] {
            let uri = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
            let list = cluster.get(&uri).admin().send().await.json();
            let rights = |object: &Value| {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let (rules, subjects) = (&object["rules"], &object["subjects"]);
                (name.to_owned(), rules.clone(), subjects.clone())
            };
            let mut stored: Vec<_> = list["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(rights)
                .collect();
            let own = kube_rbac::bootstrap::objects(version);
            let of_kind = own.iter().filter(|object| object["kind"] == kind);
            let mut wanted: Vec<_> = of_kind.map(rights).collect();
            stored.sort_by(|a, b| a.0.cmp(&b.0));
            wanted.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(stored, wanted, "{version} {plural}");
        }
    }
}
