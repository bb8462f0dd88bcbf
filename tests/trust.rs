//! When a cluster begins to trust an issuer, and when it ceases to.

use harness::cluster::Kind;
use serde_json::json;

use crate::ledger::{Case, Stop, case};
use crate::rig::{Up, check, rolecall};
use crate::tutorial;

/// All of them.
pub fn cases() -> Vec<Case> {
    OLDER
        .map(|minor| {
            case(
                format!("trust::of_a_real_control_plane_of_{minor}"),
                move || older(minor),
            )
        })
        .into()
}

/// The oldest of the minors. CI builds no servers of those between.
const OLDER: [&str; 1] = ["1.34"];

/// Older API servers look at a token's claims before its signature, which the
/// question whether they know the keys has to survive.
fn older(minor: &str) -> Result<(), Stop> {
    let arguments = ["--cluster", "control-plane", "--kubernetes-version", minor];
    let up = Up::start_of(&format!("v{minor}"), &arguments, &[])?;
    let runs = up.ready().kubernetes.clone();
    check(runs.starts_with(&format!("v{minor}.")), || runs)?;
    let (pool, client) = tutorial::made(&up)?;
    let session = tutorial::log_in(&up, &pool, &client)?;
    tutorial::associate(&up, &pool, &client)?;
    up.await_active("kubedemy")?;
    let dir = up.dir().display().to_string();
    let status = rolecall(&["status", "--json", "--dir", &dir])?
        .ok()?
        .json()?;
    let provider = &status["clusters"][0]["identityProvider"];
    check(provider["trouble"].is_null(), || provider.to_string())?;
    up.kubectl_as("v1.37", session.id_token.expose(), &["auth", "whoami"])?
        .ok()?
        .says("test@kubedemy.io")
        .map(drop)
}

/// How long an association takes in [`begins_and_ends`]: longer than to see that
/// it is not there, and short enough to be waited for.
pub const DELAY: &str = "20s";

/// Of an instance whose associations take [`DELAY`].
pub fn begins_and_ends(up: &Up) -> Result<(), Stop> {
    let (pool, client) = tutorial::made(up)?;
    let session = tutorial::log_in(up, &pool, &client)?;
    let token = session.id_token.expose();
    let denied = || {
        up.kubectl_as("v1.37", token, &["auth", "whoami"])?
            .refused()?
            .says("You must be logged in to the server")
            .map(drop)
    };
    let known = || {
        up.kubectl_as("v1.37", token, &["auth", "whoami"])?
            .ok()?
            .says("test@kubedemy.io")
            .map(drop)
    };
    let later = || up.control("POST", "clock", &json!({"advance": DELAY}));
    let is = |wanted: &str| {
        let status = up.association("kubedemy")?;
        check(status == wanted, || format!("{status}, not {wanted}"))
    };

    denied()?;
    let started = api_server_started(up)?;
    tutorial::associate(up, &pool, &client)?;
    is("CREATING")?;
    denied()?;
    later()?;
    up.await_active("kubedemy")?;
    junk_fails_for_its_signature(up, token)?;
    known()?;
    // It is the server that it was.
    check(api_server_started(up)? == started, || {
        "the API server was started anew".to_owned()
    })?;
    up.aws(&[
        "eks",
        "disassociate-identity-provider-config",
        "--cluster-name",
        "kubedemy",
        "--identity-provider-config",
        "type=oidc,name=kubedemy",
    ])?
    .ok()?;
    is("DELETING")?;
    known()?;
    later()?;
    up.await_untrusting()?;
    let listed = up
        .aws(&[
            "eks",
            "list-identity-provider-configs",
            "--cluster-name",
            "kubedemy",
        ])?
        .ok()?
        .json()?;
    check(listed["identityProviderConfigs"] == json!([]), || {
        listed.to_string()
    })?;
    denied()
}

/// Which is how one knows that the cluster has the issuer's keys.
fn junk_fails_for_its_signature(up: &Up, token: &str) -> Result<(), Stop> {
    let (signed, _) = token.rsplit_once('.').unwrap_or_default();
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": {"token": format!("{signed}.anVuaw")},
    });
    let file = up.scratch().join("review.json");
    std::fs::write(&file, review.to_string()).map_err(|error| error.to_string())?;
    let file = file.display().to_string();
    up.kubectl("v1.37", &["create", "-f", &file, "-o", "json"])?
        .ok()?
        .says("failed to verify id token signature")
        .map(drop)
}

/// The seconds since 1970 at which the API server's process began, where it has
/// one of its own.
fn api_server_started(up: &Up) -> Result<Option<String>, Stop> {
    let metrics = up.kubectl("v1.37", &["get", "--raw", "/metrics"])?;
    let line = metrics
        .stdout
        .lines()
        .find(|line| line.starts_with("process_start_time_seconds "));
    let is_real = up.ready().cluster_kind != Kind::Embedded.name();
    check(line.is_some() == is_real, || metrics.to_string())?;
    Ok(line.map(str::to_owned))
}
