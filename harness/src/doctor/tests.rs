//! Tables of findings: an answer in, level and words out.

use jiff::Timestamp;
use kube_authn::{Authenticator, KeyState};
use rstest::rstest;
use rustls::CertificateError;
use serde_json::{Value, json};

use super::cache::Entry;
use super::finding::{Finding, Level};
use super::keys::Keys;
use super::kubelogin::{self, Beside};
use super::pool::Client;
use super::token::{self, Decoded};
use super::web::{Answer, Trouble};
use super::{issuer, keys};
use crate::client::Proxy;
use crate::cluster::authn::{Trust, render};
use crate::cluster::kubeconfig::read::Exec;

const ISSUER: &str = "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_Tj3uyJm1Q";

fn trust() -> Trust {
    Trust {
        issuer_url: ISSUER.to_owned(),
        client_id: "eks".to_owned(),
        username_claim: Some("email".to_owned()),
        groups_claim: Some("cognito:groups".to_owned()),
        ..Trust::default()
    }
}

fn holds(finding: &Finding, level: Level, part: &str) {
    assert_eq!(finding.level, level, "{finding:?}");
    let text = format!("{} {}", finding.what, finding.remedy);
    assert!(text.contains(part), "{part:?} is not in {finding:?}");
    assert_eq!(finding.remedy.is_empty(), level == Level::Ok, "{finding:?}");
}

#[rstest]
#[case(ISSUER, Some("eu-west-2_Tj3uyJm1Q"))]
#[case("https://127.0.0.1:1/us-gov-west-1_A/", Some("us-gov-west-1_A"))]
#[case("https://keycloak/realms/my_realm", None)]
#[case("https://login/a-b_c", None)]
fn a_user_pool_is_known_by_its_id(#[case] issuer: &str, #[case] pool: Option<&str>) {
    assert_eq!(issuer::pool_of(issuer), pool);
}

#[rstest]
#[case(ISSUER, Level::Ok, "has the form")]
#[case("https://tenant.example.com/", Level::Ok, "has the form")]
#[case(&format!("{ISSUER}/"), Level::Warning, "ends with a slash")]
#[case("http://x", Level::Problem, "does not begin with https://")]
#[case("cognito", Level::Problem, "is no URL")]
#[case("https://x?y", Level::Problem, "https://x/ has a query")]
#[case("https://x#y", Level::Problem, "fragment")]
#[case("https://me:secret@x", Level::Problem, "https://x/ holds a user name")]
fn an_issuer_url_has_a_form(#[case] url: &str, #[case] level: Level, #[case] part: &str) {
    let (finding, parsed) = issuer::form(url);
    holds(&finding, level, part);
    assert_eq!(parsed.is_some(), level != Level::Problem);
    assert!(!finding.what.contains("secret"));
}

#[rstest]
#[case(Trouble::Refused, "reachable", "x:443: connection refused")]
#[case(Trouble::Name("dns error".to_owned()), "reachable", "has no address")]
#[case(Trouble::Proxy("tunnel".to_owned()), "reachable", "NO_PROXY")]
#[case(Trouble::Silent, "reachable", "in time")]
#[case(
    Trouble::Certificate(CertificateError::UnknownIssuer),
    "certificate",
    "SSL_CERT_FILE"
)]
#[case(
    Trouble::Certificate(CertificateError::NotValidForName),
    "certificate",
    "other names"
)]
#[case(
    Trouble::Certificate(CertificateError::Expired),
    "certificate",
    "has expired"
)]
#[case(
    Trouble::Certificate(CertificateError::NotValidYet),
    "certificate",
    "not valid yet"
)]
fn what_does_not_answer_is_sorted(
    #[case] trouble: Trouble,
    #[case] check: &str,
    #[case] part: &str,
) {
    let finding = issuer::unreachable(&trouble, "https://x/y", "the system's CAs");
    assert_eq!(finding.check, check);
    holds(&finding, Level::Problem, part);
}

fn answer(status: &str, body: &str) -> Answer {
    Answer {
        status: status.to_owned(),
        content_type: Some("application/json".to_owned()),
        date: None,
        body: body.as_bytes().to_vec(),
    }
}

fn document(issuer: &str, authorization: &str) -> String {
    json!({"issuer": issuer, "jwks_uri": "https://k", "authorization_endpoint": authorization})
        .to_string()
}

#[rstest]
#[case("404 Not Found", "", "discovery", "answers 404 Not Found")]
#[case("200 OK", "<html>", "discovery", "no discovery document")]
#[case("200 OK", &document(&format!("{ISSUER}/"), "https://d"), "issuer", "it has a slash at its end")]
#[case("200 OK", &document(&ISSUER.to_uppercase(), "https://d"), "issuer", "other capital letters")]
#[case("200 OK", &json!({"issuer": ISSUER}).to_string(), "discovery", "JWKS URL")]
fn a_discovery_document_can_be_wrong(
    #[case] status: &str,
    #[case] body: &str,
    #[case] check: &str,
    #[case] part: &str,
) {
    let (findings, keys) = issuer::discovery(&answer(status, body), "https://u", ISSUER);
    assert_eq!(keys, None);
    assert_eq!(findings[0].check, check);
    holds(&findings[0], Level::Problem, part);
}

#[rstest]
#[case(ISSUER, &format!("{ISSUER}/oauth2/authorize"), Level::Problem, "create-user-pool-domain --user-pool-id eu-west-2_Tj3uyJm1Q")]
#[case(
    ISSUER,
    "https://d.auth.eu-west-2.amazoncognito.com/oauth2/authorize",
    Level::Ok,
    "log in at"
)]
#[case(
    "https://keycloak/realms/r",
    "https://keycloak/realms/r/auth",
    Level::Ok,
    "log in at"
)]
fn login_pages_are_where_the_document_says(
    #[case] issuer: &str,
    #[case] authorization: &str,
    #[case] level: Level,
    #[case] part: &str,
) {
    let body = document(issuer, authorization);
    let (findings, keys) = issuer::discovery(&answer("200 OK", &body), "https://u", issuer);
    assert_eq!(keys.as_deref(), Some("https://k"));
    holds(&findings[2], level, part);
}

#[rstest]
#[case(0, Level::Ok)]
#[case(-30, Level::Ok)]
#[case(31, Level::Warning)]
#[case(-300, Level::Warning)]
#[case(301, Level::Problem)]
fn clocks_may_differ_by_so_much(#[case] ahead: i64, #[case] level: Level) {
    let ours = Timestamp::UNIX_EPOCH;
    let theirs = Timestamp::from_second(ahead).expect("a time");
    assert_eq!(
        issuer::skew(theirs, ours, "the issuer's clock").level,
        level
    );
}

#[rstest]
#[case("500 Internal Server Error", "", Level::Problem, "cannot be used")]
#[case("200 OK", r#"{"keys":[]}"#, Level::Problem, "none of the 0 keys")]
#[case(
    "200 OK",
    r#"{"keys":[{"kty":"RSA","kid":"k","use":"sig","n":"sXch","e":"AQAB"}]}"#,
    Level::Ok,
    "1 keys for RS256: k"
)]
fn keys_are_counted(
    #[case] status: &str,
    #[case] body: &str,
    #[case] level: Level,
    #[case] part: &str,
) {
    holds(
        &keys::read(&answer(status, body), "https://k").0,
        level,
        part,
    );
}

fn jwt(claims: &Value) -> String {
    use base64::Engine as _;
    let encode =
        |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "kid": "k"});
    format!("{}.{}.AAAA", encode(&header), encode(claims))
}

fn decoded(claims: Value) -> Decoded {
    Decoded {
        header: json!({"alg": "RS256", "kid": "k"}),
        claims,
    }
}

#[test]
fn what_is_no_jwt_is_not_decoded() {
    for text in [
        "",
        "a.b.c",
        "k8s-aws-v1.abc",
        "e30.e30",
        "e30.e30.x.y",
        "e30.MQ.x",
    ] {
        assert!(token::decode(text).is_none(), "{text}");
    }
    assert!(token::decode("e30.e30.x").is_some());
}

/// Each step, and what is said of it; that the walk stops where it should is
/// proven in kube-authn and, with true signatures, in `tests/doctor.rs`.
#[rstest]
#[case(json!({"iss": format!("{ISSUER}/")}), kube_authn::StepName::UntrustedIssuer, "it has a slash at its end")]
#[case(json!({"iss": ISSUER}), kube_authn::StepName::Signature, "no key of the issuer")]
#[case(json!({"iss": ISSUER, "token_use": "access", "client_id": "eks"}), kube_authn::StepName::Audience, "access token")]
#[case(json!({"iss": ISSUER, "aud": "other"}), kube_authn::StepName::Audience, "for the client other")]
#[case(json!({"iss": ISSUER, "exp": 0}), kube_authn::StepName::Expiry, "it expired 60 s ago")]
#[case(json!({"iss": ISSUER}), kube_authn::StepName::Username, "ReadAttributes")]
#[case(json!({"email": "a@b", "email_verified": false}), kube_authn::StepName::Username, "email_verified,Value=true")]
#[case(json!({}), kube_authn::StepName::RequiredClaims, "requiredClaims")]
fn a_refusal_is_told_in_the_terms_of_cognito(
    #[case] claims: Value,
    #[case] step: kube_authn::StepName,
    #[case] part: &str,
) {
    let now = Timestamp::from_second(60).expect("a time");
    let finding = token::refused(step, "refused", &decoded(claims), &trust(), now);
    holds(&finding, Level::Problem, part);
}

#[test]
fn a_walk_without_discovery_says_so() {
    let rendered = render(&trust()).expect("a configuration");
    let authenticator =
        Authenticator::new(&rendered.configuration.jwt[0], None).expect("an authenticator");
    let claims = json!({"iss": ISSUER, "aud": "eks", "exp": 600});
    let raw = jwt(&claims);
    let read = token::decode(&raw).expect("a token");
    let now = Timestamp::UNIX_EPOCH;
    let (findings, user) = token::walk(&raw, &read, &authenticator, &trust(), &Keys::Unknown, now);
    assert_eq!(user, None);
    holds(
        &findings[0],
        Level::Problem,
        "oidc: authenticator not initialized",
    );
    // Kubernetes says the same.
    assert!(matches!(
        authenticator.authenticate(&raw, KeyState::NotInitialized, now),
        kube_authn::Outcome::Rejected(_)
    ));
}

fn client() -> Client {
    Client {
        callbacks: vec![
            "http://localhost:8000".to_owned(),
            "http://localhost:18000".to_owned(),
        ],
        has_secret: false,
        gives_codes: true,
        scopes: vec!["openid".to_owned()],
    }
}

fn exec(more: &[&str]) -> Exec {
    let issuer = format!("--oidc-issuer-url={ISSUER}");
    let all = [
        "oidc-login",
        "get-token",
        &issuer,
        "--oidc-client-id",
        "eks",
    ];
    Exec {
        api_version: "client.authentication.k8s.io/v1beta1".to_owned(),
        command: "kubectl".to_owned(),
        args: all
            .iter()
            .chain(more)
            .map(|word| (*word).to_owned())
            .collect(),
        env: Vec::new(),
        ..Exec::default()
    }
}

fn wrong(exec: &Exec, client: &Client) -> Vec<Finding> {
    let arguments = kubelogin::arguments(exec).expect("kubelogin");
    let beside = Beside {
        trust: &trust(),
        client: Some(client),
        path: &std::ffi::OsString::from("/nowhere"),
        folder: std::path::Path::new("/nowhere"),
        needed: &Proxy::default(),
        surrounding: &Proxy::default(),
    };
    // That the program is missing is tried in tests/doctor.rs.
    let all = kubelogin::examine(exec, &arguments, &beside);
    all.into_iter()
        .skip(1)
        .filter(|finding| finding.level != Level::Ok)
        .collect()
}

#[rstest]
#[case(&["--oidc-issuer-url=https://x"], Level::Problem, "its host is x")]
#[case(&["--oidc-client-id=x"], Level::Problem, "it is x, and the cluster's is eks")]
#[case(&["--oidc-extra-scopes=email"], Level::Problem, "write --oidc-extra-scope")]
#[case(&["--server-id=x"], Level::Warning, "knows no flag --server-id")]
#[case(&["--grant-type authcode"], Level::Problem, "one argument divided by white space")]
#[case(&["--listen-address"], Level::Problem, "has no value")]
#[case(&["extra"], Level::Problem, "followed by words")]
#[case(&["--oidc-use-access-token"], Level::Problem, "no aud")]
#[case(&["--grant-type=password"], Level::Problem, "has neither")]
#[case(&["--oidc-client-secret=hush"], Level::Warning, "the client has none")]
#[case(&["--listen-address=127.0.0.1:9000"], Level::Problem, "listens at http://localhost:9000")]
#[case(&["--oidc-redirect-url-hostname=127.0.0.1"], Level::Problem, "http://127.0.0.1:8000")]
fn kubelogins_arguments_are_looked_at(
    #[case] more: &[&str],
    #[case] level: Level,
    #[case] part: &str,
) {
    let findings = wrong(&exec(more), &client());
    assert_eq!(findings.len(), 1, "{findings:?}");
    holds(&findings[0], level, part);
    assert!(!format!("{findings:?}").contains("hush"));
}

#[rstest]
#[case(&[])]
#[case(&["-v1", "-v", "1", "--v=1", "--skip-open-browser", "--oidc-use-pkce=true"])]
#[case(&["--listen-address", "127.0.0.1:8000,127.0.0.1:18000", "--oidc-extra-scope=email"])]
fn sound_arguments_are_left_alone(#[case] more: &[&str]) {
    assert_eq!(wrong(&exec(more), &client()), []);
}

#[test]
fn an_entry_may_be_wrong_elsewhere() {
    let mut no_get_token = exec(&[]);
    no_get_token.args.remove(1);
    holds(
        &wrong(&no_get_token, &client())[0],
        Level::Problem,
        "not get-token",
    );
    let mut v1 = exec(&[]);
    v1.api_version = "client.authentication.k8s.io/v1".to_owned();
    holds(&wrong(&v1, &client())[0], Level::Warning, "v1beta1");
    let secret = Client {
        has_secret: true,
        ..client()
    };
    holds(
        &wrong(&exec(&[]), &secret)[0],
        Level::Problem,
        "--no-generate-secret",
    );
    let other = Exec {
        command: "aws".to_owned(),
        ..exec(&[])
    };
    assert!(kubelogin::arguments(&other).is_none());
}

#[rstest]
#[case(json!({"exp": 50, "cognito:groups": ["a"]}), "k", 100, Level::Ok, "kubelogin fetches another")]
#[case(json!({"exp": 500, "cognito:groups": ["a"]}), "k", 100, Level::Ok, "lasts another 6 min")]
#[case(json!({"exp": 500, "cognito:groups": ["a"]}), "other", 100, Level::Problem, "rm /c/f")]
#[case(json!({"exp": 500, "cognito:groups": ["a"]}), "k", 900, Level::Problem, "by the cluster's clock")]
#[case(json!({"exp": 500}), "k", 100, Level::Warning, "without cognito:groups")]
fn a_cached_token_is_judged(
    #[case] claims: Value,
    #[case] kid: &str,
    #[case] cluster: i64,
    #[case] level: Level,
    #[case] part: &str,
) {
    let entry = Entry {
        path: "/c/f".into(),
        token: decoded(claims),
    };
    let set = kube_authn::jwks_response("200 OK", None, br#"{"keys":[]}"#).expect("keys");
    let keys = Keys::Had {
        set,
        kids: vec![kid.to_owned()],
    };
    let at = |second| Timestamp::from_second(second).expect("a time");
    let finding = kubelogin::cached(&entry, &trust(), &keys, at(cluster), at(100));
    holds(&finding, level, part);
}
