//! Prints what one password sign-in costs beside the two RSA-2048 signatures
//! in it: 2,000 sign-ins of 1,000 users in 5 groups each, on one thread, by
//! the flow alone and through the router (JSON in and out, no socket), and as
//! many pairs of raw signatures in the same run. All are the thread's
//! processor time as Linux keeps it, so that other load on the machine counts
//! little.
//!
//! `cargo run --release -p mock-idp --example initiate_auth`

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use axum::body::Body;
use axum::http::Request;
use foundation::clock::Clock;
use foundation::secret::Secret;
use mock_idp::domain::client::{ClientSettings, ExplicitAuthFlow};
use mock_idp::domain::pool::UsernameAttribute;
use mock_idp::domain::{ClientId, Error};
use mock_idp::flow::admin::{CreatePool, CreateUser, MessageAction, NewClient, NewGroup};
use mock_idp::flow::{AuthFlow, AuthOutcome, InitiateAuth};
use mock_idp::{Address, Config, Idp, KeyBank, MockIdp, Origin, Pins};
use tower::ServiceExt as _;

const USERS: usize = 1_000;
const GROUPS: usize = 5;
const SIGN_INS: usize = 2_000;
const PASSWORD: &str = "H3lloW@rlD";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mock = MockIdp::new(Config {
        clock: Clock::system(),
        region: "eu-west-2".into(),
        account: "123456789012".into(),
        address: Address::Local(Origin::parse("https://127.0.0.1:8443")?),
        pins: Pins::default(),
        seed: None,
        keybank: KeyBank::in_memory(0),
        control_token: Secret::new("unused".into()),
    });
    let (idp, router) = (mock.idp(), mock.router());
    let client = populate(idp)?;
    for round in 1..=3 {
        let flows = sign_ins(idp, &client).await?;
        let raw = signatures()?;
        let routed = requests(&router, &client).await?;
        println!(
            "round {round}: two signatures {raw:.1} µs, flow {flows:.1} µs ({:.3}), \
             router {routed:.1} µs ({:.3})",
            flows / raw,
            routed / raw
        );
    }
    Ok(())
}

fn populate(idp: &Idp) -> Result<ClientId, Error> {
    let new = CreatePool {
        name: "bench".into(),
        username_attributes: vec![UsernameAttribute::Email],
        ..CreatePool::default()
    };
    let pool = idp.create_pool("eu-west-2", new)?.id.clone();
    for group in 0..GROUPS {
        let new = NewGroup {
            name: format!("group-{group}"),
            ..NewGroup::default()
        };
        idp.create_group(&pool, new)?;
    }
    for user in 0..USERS {
        let name = email(user);
        let new = CreateUser {
            username: name.clone(),
            message: Some(MessageAction::Suppress),
            ..CreateUser::default()
        };
        idp.create_user(&pool, new)?;
        idp.set_user_password(&pool, &name, &Secret::new(PASSWORD.into()), true)?;
        for group in 0..GROUPS {
            idp.add_user_to_group(&pool, &name, &format!("group-{group}"))?;
        }
    }
    let settings = ClientSettings {
        explicit_auth_flows: Some(vec![ExplicitAuthFlow::AllowUserPasswordAuth]),
        ..ClientSettings::default()
    };
    let new = NewClient {
        name: "bench".into(),
        settings,
        ..NewClient::default()
    };
    Ok(idp.create_client(&pool, new)?.id.clone())
}

fn email(user: usize) -> String {
    format!("user-{user}@example.com")
}

/// Microseconds for each sign-in.
async fn sign_ins(idp: &Idp, client: &ClientId) -> Result<f64, Box<dyn std::error::Error>> {
    // The pool's keys are there after the first one.
    sign_in(idp, client, 0).await?;
    let start = processor_time()?;
    for n in 0..SIGN_INS {
        sign_in(idp, client, n % USERS).await?;
    }
    Ok((processor_time()? - start) / SIGN_INS as f64)
}

async fn sign_in(idp: &Idp, client: &ClientId, user: usize) -> Result<AuthOutcome, Error> {
    idp.initiate_auth(InitiateAuth {
        pool: None,
        client: client.clone(),
        flow: AuthFlow::UserPassword,
        username: Some(email(user)),
        password: Some(Secret::new(PASSWORD.into())),
        refresh_token: None,
        secret_hash: None,
    })
    .await
}

/// Microseconds for each sign-in through the router.
async fn requests(
    router: &axum::Router,
    client: &ClientId,
) -> Result<f64, Box<dyn std::error::Error>> {
    let start = processor_time()?;
    for n in 0..SIGN_INS {
        let body = format!(
            r#"{{"ClientId":"{client}","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{{"USERNAME":"{}","PASSWORD":"{PASSWORD}"}}}}"#,
            email(n % USERS)
        );
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header(
                "x-amz-target",
                "AWSCognitoIdentityProviderService.InitiateAuth",
            )
            .body(Body::from(body))?;
        let response = router.clone().oneshot(request).await?;
        if !response.status().is_success() {
            return Err(format!("the router answers {}", response.status()).into());
        }
        axum::body::to_bytes(response.into_body(), usize::MAX).await?;
    }
    Ok((processor_time()? - start) / SIGN_INS as f64)
}

/// Microseconds for each pair of signatures.
fn signatures() -> Result<f64, Box<dyn std::error::Error>> {
    let keys = [
        KeyPair::generate(KeySize::Rsa2048)?,
        KeyPair::generate(KeySize::Rsa2048)?,
    ];
    let random = SystemRandom::new();
    let message = [b'x'; 800];
    let mut signature = vec![0; 256];
    let start = processor_time()?;
    for _ in 0..SIGN_INS {
        for key in &keys {
            key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature)?;
        }
    }
    Ok((processor_time()? - start) / SIGN_INS as f64)
}

/// Microseconds for which this thread has had a processor (proc(5),
/// `/proc/PID/schedstat`).
fn processor_time() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = stat.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e3)
}
