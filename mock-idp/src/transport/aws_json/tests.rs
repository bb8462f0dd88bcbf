//! The API through its route, without a socket: how it is spoken, and each
//! operation's happy path and main refusals.
//!
//! Every answer is held against the service model: no member that Cognito's
//! answer has not, no value that its shape forbids, no error that the
//! operation cannot give.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use foundation::clock::Clock;
use foundation::secret::Secret;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::model::check::{self, Refusal};
use super::model::{Kind, OPERATIONS, Operation, Shape};
use crate::{Address, Config, Idp, KeyBank, Origin, Pins};

mod operations;
mod protocol;
mod sign_in;
mod tutorial;

/// Errors that any operation may answer without its model saying so.
const COMMON: [&str; 7] = [
    "AccessDeniedException",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
    "NotImplementedException",
    "RequestEntityTooLargeException",
    "SerializationException",
    "UnknownOperationException",
];

/// One identity provider and its route.
struct Rig {
    idp: Idp,
    router: Router,
    clock: Clock,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Rig {
    fn new() -> Self {
        Self::with(Pins::default())
    }

    fn with(pins: Pins) -> Self {
        let at = "2026-11-23T12:00:00.25Z".parse().expect("a time");
        let clock = Clock::fixed(at);
        let idp = Idp::new(Config {
            clock: clock.clone(),
            region: "us-east-1".into(),
            account: "123456789012".into(),
            address: Address::Local(Origin::parse("https://127.0.0.1:8443").expect("an origin")),
            pins,
            seed: None,
            keybank: KeyBank::for_tests(),
            control_token: Secret::new("control".into()),
        });
        Self {
            router: super::router(idp.clone()),
            idp,
            clock,
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            bytes: body.collect().await.expect("a body").to_bytes().to_vec(),
        }
    }

    async fn call(&self, operation: &str, body: &Value) -> Answer {
        self.send(signed(operation, "eu-west-2", body.to_string()))
            .await
    }

    /// Calls an operation that succeeds, for its answer; null stands for an
    /// empty body.
    async fn answer(&self, operation: &str, body: Value) -> Value {
        let answer = self.call(operation, &body).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{operation} {body}: {}",
            String::from_utf8_lossy(&answer.bytes)
        );
        let model = Operation::named(operation).expect("known");
        let Some(output) = model.output else {
            assert!(answer.bytes.is_empty(), "{operation} answers with a body");
            return Value::Null;
        };
        let value = answer.json();
        let mut checked = value.clone();
        match check::check(output, &mut checked) {
            Ok(()) => {}
            // AWS breaks two of its own constraints: the name has 21
            // characters, and a prefix domain has an empty configuration
            // (AWS CLI examples, `create-user-pool`, `describe-user-pool-domain`).
            Err(Refusal::Constraints(told))
                if told.starts_with("1 ")
                    && (told.contains("'phone_number_verified' at")
                        || told.contains("customDomainConfig.certificateArn")) => {}
            Err(refusal) => panic!("{operation}: {refusal:?}: {value}"),
        }
        // Checking drops what the shape does not have.
        assert_eq!(checked, value, "{operation}");
        value
    }

    /// Calls an operation that is refused, for the exception and its message.
    async fn refusal(&self, operation: &str, body: Value) -> (String, String) {
        let answer = self.call(operation, &body).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{operation} {body}: {}",
            String::from_utf8_lossy(&answer.bytes)
        );
        let (kind, message) = answer.error();
        let model = Operation::named(operation).expect("known");
        assert!(
            model.errors.contains(&kind.as_str()) || COMMON.contains(&kind.as_str()),
            "{operation} cannot answer {kind} ({message})"
        );
        (kind, message)
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }

    fn error(&self) -> (String, String) {
        let body = self.json();
        let text = |name: &str| body[name].as_str().expect(name).to_owned();
        (text("__type"), text("message"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name}"))
            .to_str()
            .expect("ASCII")
    }
}

fn post(operation: &str) -> http::request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "x-amz-target",
            format!("AWSCognitoIdentityProviderService.{operation}"),
        )
}

fn signed(operation: &str, region: &str, body: impl Into<Body>) -> Request<Body> {
    post(operation)
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261123/{region}/cognito-idp/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=00"
            ),
        )
        .body(body.into())
        .expect("a request")
}

/// Runs what never waits. Outside of a runtime no pool begins to make keys,
/// which would take longer than all these tests.
fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits: this needs a runtime"),
    }
}

fn refused(kind: &str, message: &str) -> (String, String) {
    (kind.to_owned(), message.to_owned())
}
