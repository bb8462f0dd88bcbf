//! `aws eks update-kubeconfig` and the tokens of its `aws eks get-token`.

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Up, check, eventually};
use crate::table::Row;

/// What holds of a cluster's tokens, whatever was asked before; in turn.
pub const ROWS: [Row; 6] = [
    ("iam_tokens::the_creator_is_the_clusters_admin", creator),
    ("iam_tokens::another_identity_gets_401", |up| {
        stranger(up, true)
    }),
    ("iam_tokens::an_unknown_key_gets_401", |up| {
        stranger(up, false)
    }),
    (
        "iam_tokens::a_token_for_another_cluster_gets_401",
        other_cluster,
    ),
    (
        "iam_tokens::who_creates_another_cluster_is_the_admin_of_that_one",
        other_creator,
    ),
    // The last, since the time is another one after it.
    (
        "iam_tokens::an_old_or_tampered_token_gets_401",
        old_or_tampered,
    ),
];

/// All of them but for the rows.
pub fn cases() -> Vec<Case> {
    vec![case("iam_tokens::sts_knows_our_keys_and_no_other", sts)]
}

const DENIED: &str = "You must be logged in to the server";

fn creator(up: &Up) -> Result<(), Stop> {
    up.aws(&["eks", "update-kubeconfig", "--name", "kubedemy"])?
        .ok()?;
    for version in programs::KUBECTLS {
        up.kubectl(version, &["auth", "whoami"])?
            .ok()?
            .says("system:masters")?;
        up.kubectl(version, &["get", "nodes"])?.ok()?;
    }
    Ok(())
}

/// Creates a cluster and waits for it.
pub fn create_cluster(up: &Up, name: &str, env: &[(&str, &str)]) -> Result<(), Stop> {
    let words = [
        "eks",
        "create-cluster",
        "--name",
        name,
        "--role-arn",
        "arn:aws:iam::123456789012:role/x",
        "--resources-vpc-config",
        "subnetIds=subnet-1,subnet-2",
    ];
    let wait = ["eks", "wait", "cluster-active", "--name", name];
    for words in [&words[..], &wait] {
        up.run_with(&programs::aws()?, words, env)?.ok()?;
    }
    Ok(())
}

/// Each of the two keys is let in where it created the cluster, and there alone.
fn other_creator(up: &Up) -> Result<(), Stop> {
    let ready = up.ready();
    let other = [
        ("AWS_ACCESS_KEY_ID", ready.other_access_key_id.as_str()),
        (
            "AWS_SECRET_ACCESS_KEY",
            ready.other_secret_access_key.as_str(),
        ),
    ];
    create_cluster(up, "second", &other)?;
    let kubectl = programs::kubectl("v1.37")?;
    for (cluster, theirs) in [("second", true), ("kubedemy", false)] {
        up.aws(&["eks", "update-kubeconfig", "--name", cluster])?
            .ok()?;
        for (env, is_creator) in [(&other[..], theirs), (&[], !theirs)] {
            let whoami = up.run_with(&kubectl, &["auth", "whoami"], env)?;
            if is_creator {
                whoami.ok()?.says("system:masters")?;
            } else {
                whoami.refused()?.says(DENIED)?;
            }
        }
    }
    Ok(())
}

fn stranger(up: &Up, known: bool) -> Result<(), Stop> {
    up.aws(&["eks", "update-kubeconfig", "--name", "kubedemy"])?
        .ok()?;
    let (id, secret) = if known {
        (
            up.ready().other_access_key_id.clone(),
            up.ready().other_secret_access_key.clone(),
        )
    } else {
        (
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        )
    };
    let env = [
        ("AWS_ACCESS_KEY_ID", id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", secret.as_str()),
    ];
    up.run_with(&programs::kubectl("v1.37")?, &["get", "nodes"], &env)?
        .refused()?
        .says(DENIED)
        .map(drop)
}

fn token(up: &Up, cluster: &str) -> Result<String, Stop> {
    let answer = up
        .aws(&["eks", "get-token", "--cluster-name", cluster])?
        .ok()?
        .json()?;
    crate::tutorial::text(&answer["status"]["token"])
}

fn other_cluster(up: &Up) -> Result<(), Stop> {
    let good = token(up, "kubedemy")?;
    up.kubectl_as("v1.37", &good, &["auth", "whoami"])?.ok()?;
    let bad = token(up, "elsewhere")?;
    up.kubectl_as("v1.37", &bad, &["auth", "whoami"])?
        .refused()?
        .says(DENIED)
        .map(drop)
}

fn old_or_tampered(up: &Up) -> Result<(), Stop> {
    let good = token(up, "kubedemy")?;
    up.kubectl_as("v1.37", &good, &["auth", "whoami"])?.ok()?;
    let mut tampered = good.clone();
    let last = tampered.pop().unwrap_or('A');
    // The last character may hold bits that nobody reads; the one before counts.
    let before = tampered.pop().unwrap_or('A');
    tampered.push(if before == 'A' { 'B' } else { 'A' });
    tampered.push(last);
    up.kubectl_as("v1.37", &tampered, &["auth", "whoami"])?
        .refused()?
        .says(DENIED)?;
    up.control("POST", "clock", &serde_json::json!({"advance": "16m"}))?;
    // A real API server keeps what it accepted for ten seconds.
    eventually("the old token is refused", || {
        let whoami = up.kubectl_as("v1.37", &good, &["auth", "whoami"])?;
        Ok(whoami.code != Some(0) && whoami.says(DENIED).is_ok())
    })
}

fn sts() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let me = up.aws(&["sts", "get-caller-identity"])?.ok()?.json()?;
    check(me["Arn"] == "arn:aws:iam::123456789012:user/admin", || {
        me.to_string()
    })?;
    let other = up.aws(&["sts", "get-caller-identity", "--profile", "other"])?;
    // Environment keys come before a profile's unless the profile is named on the command line.
    let other = other.ok()?.json()?;
    check(
        other["Arn"] == "arn:aws:iam::123456789012:user/other",
        || other.to_string(),
    )?;
    up.run_with(
        &programs::aws()?,
        &["sts", "get-caller-identity"],
        &[("AWS_SECRET_ACCESS_KEY", "not-the-secret")],
    )?
    .refused()?
    .says("SignatureDoesNotMatch")?;
    up.run_with(
        &programs::aws()?,
        &["sts", "get-caller-identity"],
        &[("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")],
    )?
    .refused()?
    .says("InvalidClientTokenId")
    .map(drop)
}
