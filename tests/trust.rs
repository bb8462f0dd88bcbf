//! When a cluster begins to trust an issuer, and when it ceases to.

use harness::cluster::Kind;
use serde_json::json;

use crate::ledger::{Case, Stop, on_each};
use crate::rig::{Up, check};
use crate::tutorial;

/// All of them.
pub fn cases() -> Vec<Case> {
    on_each(
        "trust::it_begins_when_the_configuration_is_active_and_ends_with_it",
        begins_and_ends,
    )
    .into()
}

fn begins_and_ends(kind: Kind) -> Result<(), Stop> {
    let up = Up::start_on(kind, &["--association-delay", "10m"])?;
    let (pool, client) = tutorial::steps_1_to_5(&up)?;
    let session = tutorial::log_in(&up, &pool, &client)?;
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
    let later = || up.control("POST", "clock", &json!({"advance": "10m"}));
    let is = |wanted: &str| {
        let status = up.association("kubedemy")?;
        check(status == wanted, || format!("{status}, not {wanted}"))
    };

    denied()?;
    tutorial::associate(&up, &pool, &client)?;
    is("CREATING")?;
    denied()?;
    later()?;
    up.await_active("kubedemy")?;
    known()?;
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
    crate::rig::eventually("the configuration is gone", || {
        let described = up.aws(&[
            "eks",
            "list-identity-provider-configs",
            "--cluster-name",
            "kubedemy",
        ])?;
        Ok(described.ok()?.json()?["identityProviderConfigs"] == json!([]))
    })?;
    denied()
}
