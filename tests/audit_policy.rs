//! `up --audit-policy-file`: the same events on either kind of cluster.

use serde_json::Value;

use crate::ledger::{Case, Stop, case};
use crate::rig::{Up, check, eventually, rolecall};

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![case(
        "audit_policy::a_policy_that_is_none_is_refused_in_kubernetes_words",
        refused,
    )]
}

/// What [`followed`] wants to be told at the start.
pub const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  resources: [{group: "", resources: [secrets]}]
- level: Request
  verbs: [create]
  resources: [{group: "", resources: [configmaps]}]
- level: Metadata
  users: [kubernetes-admin]
  omitStages: [RequestReceived]
  resources: [{group: "", resources: [serviceaccounts]}]
- level: Metadata
  users: [kubernetes-admin]
  omitStages: [RequestReceived]
  verbs: [create, update, patch, delete, deletecollection]
"#;

/// A file with a policy, and the folder that it goes with.
pub fn written(policy: &str) -> Result<(tempfile::TempDir, String), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("policy.yaml");
    std::fs::write(&path, policy).map_err(|error| error.to_string())?;
    let path = path.display().to_string();
    Ok((folder, path))
}

/// Of an instance that was asked nothing yet.
pub fn followed(up: &Up) -> Result<(), Stop> {
    for line in [
        "create secret generic hidden",
        "create configmap settings --from-literal=colour=blue",
        "get configmaps",
        "get serviceaccounts",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        up.kubectl("v1.37", &words)?.ok()?;
    }
    let log = up.dir().join("audit.log");
    let mut events = Vec::new();
    eventually("the last request's event", || {
        let text = std::fs::read_to_string(&log).map_err(|error| error.to_string())?;
        events = text
            .lines()
            .map(|line| serde_json::from_str(line).map_err(|error| error.to_string()))
            .collect::<Result<Vec<Value>, _>>()?;
        Ok(events
            .last()
            .is_some_and(|event| event["objectRef"]["resource"] == "serviceaccounts"))
    })?;
    let brief: Vec<String> = events
        .iter()
        .map(|event| {
            let resource = &event["objectRef"]["resource"];
            let (level, stage, verb) = (&event["level"], &event["stage"], &event["verb"]);
            let colour = &event["requestObject"]["data"]["colour"];
            format!("{level} {stage} {verb} {resource} {colour}").replace('"', "")
        })
        .collect();
    let expected = [
        "Request RequestReceived create configmaps null",
        "Request ResponseComplete create configmaps blue",
        "Metadata ResponseComplete list serviceaccounts null",
    ];
    check(brief == expected, || format!("{brief:#?}"))?;
    let table = rolecall(&["audit", "--dir", &up.dir().display().to_string()])?.ok()?;
    let statuses: Vec<&str> = table
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("20")?.split_whitespace().nth(1))
        .collect();
    check(statuses == ["-", "201", "200"], || table.to_string())
}

fn refused() -> Result<(), Stop> {
    let (_folder, path) = written("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{}]\n")?;
    let dir = std::path::Path::new(&path).with_file_name("instance");
    let ran = rolecall(&[
        "up",
        "--dir",
        &dir.display().to_string(),
        "--audit-policy-file",
        &path,
    ])?;
    check(ran.code == Some(2) && !dir.exists(), || ran.to_string())?;
    ran.says(&format!(
        "--audit-policy-file {path}: rules[0].level: Required value"
    ))
    .map(drop)
}
