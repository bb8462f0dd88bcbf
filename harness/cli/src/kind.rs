//! `rolecall clean` and `rolecall kind-config`.

use std::path::{Path, PathBuf};

use harness::cluster::authn::Trust;
use harness::cluster::existing::remove_all_of_any_run;
use harness::cluster::kind::{self, Left, by_hand};
use harness::instance::FOR_KIND;
use harness::process::quote;

use crate::arguments::{Clean, KindConfig, Spelling};
use crate::testing::reach;
use crate::{Stop, output};

/// Says what it removes; nothing is removed that somebody still runs.
pub async fn clean(options: Clean) -> Result<u8, Stop> {
    if let Some(context) = &options.context {
        return clean_cluster(context, &options).await;
    }
    let left = kind::left(options.kept);
    let mut names = Vec::new();
    let mut elsewhere = Vec::new();
    let changed = !kind::changed_sysctls().is_empty();
    let mut nodes = false;
    if !left.is_empty() || changed {
        let docker = kind::docker().await.map_err(Stop::rig)?;
        for one in left {
            let name = one.name().to_owned();
            if !one.is_of(&docker) {
                elsewhere.push(one);
                continue;
            }
            one.remove(&docker).await.map_err(Stop::rig)?;
            if !options.json {
                output::print(&format!("removed the kind cluster {name}\n"));
            }
            names.push(name);
        }
        kind::put_back_sysctls(&docker).await;
        nodes = kind::are_there_nodes(&docker).await.map_err(Stop::rig)?;
    }
    let kept: Vec<String> = match options.kept {
        true => Vec::new(),
        false => kind::left(true)
            .iter()
            .map(|kept| kept.name().to_owned())
            .collect(),
    };
    let still = kind::changed_sysctls();
    if options.json {
        output::print(&format!("{}\n", serde_json::Value::from(names)));
    } else {
        if changed && still.is_empty() {
            output::print("put back what a kubelet had changed of this machine\n");
        } else if names.is_empty() && elsewhere.is_empty() {
            output::print(&match kept.as_slice() {
                [] => "nothing is left of an earlier run\n".to_owned(),
                kept => format!(
                    "nothing is left of an earlier run but what was kept (rolecall clean --kept): {}\n",
                    kept.join(", ")
                ),
            });
        }
        if !still.is_empty() && nodes {
            output::print(
                "what a kubelet has changed of this machine is put back with the last node\n",
            );
        }
    }
    let mut remedies = Vec::new();
    if !elsewhere.is_empty() {
        let folders = elsewhere
            .iter()
            .map(|left| left.folder().display().to_string());
        let folders: Vec<String> = folders.map(|folder| quote(&folder)).collect();
        let names: Vec<&str> = elsewhere.iter().map(Left::name).collect();
        remedies.push(format!(
            "another Docker engine has {}; name it in DOCKER_HOST, or, where it is gone for good, forget them: rm -r {}",
            names.join(", "),
            folders.join(" ")
        ));
    }
    if !still.is_empty() && !nodes {
        let changed = "what a kubelet has changed of this machine";
        if let [_, ..] = kept.as_slice() {
            let said =
                format!("{changed} is put back with the kept cluster: rolecall clean --kept\n");
            output::print(if options.json { "" } else { &said });
        } else if elsewhere.is_empty() {
            let still = still.join(" ");
            remedies.push(format!(
                "{changed} only root can put back: sudo sysctl -w {still}"
            ));
        } else {
            // Their folders stand for nodes that may still run.
            let still = still.join(" ");
            remedies.push(format!(
                "{changed} is put back once they are gone, or by sudo sysctl -w {still}"
            ));
        }
    }
    match remedies.is_empty() {
        true => Ok(0),
        false => Err(Stop::rig(remedies.join("\n"))),
    }
}

/// Takes out of somebody else's cluster what is ours.
async fn clean_cluster(context: &str, options: &Clean) -> Result<u8, Stop> {
    let (access, _) = reach(options.kubeconfig.as_deref(), Some(context), true).await?;
    let removed = remove_all_of_any_run(access.kube()).await;
    let removed = removed.map_err(Stop::rig)?;
    if options.json {
        output::print(&format!("{}\n", serde_json::json!(removed.gone)));
    } else if removed.gone.is_empty() && removed.left.is_empty() {
        output::print("nothing is left of an earlier run\n");
    } else {
        for path in &removed.gone {
            output::print(&format!("removed {path}\n"));
        }
    }
    match removed.left.as_slice() {
        [] => Ok(0),
        left => Err(Stop::rig(format!(
            "still there, and kubectl --context {context:?} delete may have a reason why: {}",
            left.join("; ")
        ))),
    }
}

/// Prints what `kind create cluster --config` takes.
pub fn config(options: &KindConfig) -> Result<u8, Stop> {
    let trust = trust(options);
    let folder = match &options.folder {
        Some(folder) => folder.clone(),
        None if trust.is_none() => options.dir.join(FOR_KIND),
        // An instance's folder says whom that one's clusters trust.
        None if options.spelling == Spelling::File => {
            return Err(Stop::usage(
                "name a --folder, which gets the AuthenticationConfiguration and is mounted; or take --spelling flags",
            ));
        }
        None => PathBuf::new(),
    };
    let config = match (options.spelling, trust) {
        // What an instance says is in the folder already, or will be.
        (Spelling::File, None) => by_hand::by_file(&folder),
        (Spelling::File, Some(trust)) => {
            let ca = options.ca.as_deref().map(read).transpose()?;
            by_hand::write(&folder, &trust, ca.as_deref()).map_err(Stop::usage)?;
            by_hand::by_file(&folder)
        }
        (Spelling::Flags, Some(trust)) => {
            // Docker makes a folder of a file that is not there.
            options.ca.as_deref().map(read).transpose()?;
            let ca = options.ca.as_deref().map(std::path::absolute).transpose();
            let ca = ca.map_err(Stop::usage)?;
            by_hand::by_flags(&trust, ca.as_deref()).map_err(Stop::usage)?
        }
        (Spelling::Flags, None) => {
            return Err(Stop::usage(
                "--spelling flags: name the trust with --issuer-url and --client-id, since flags stay what they are",
            ));
        }
    };
    output::print(&config.render());
    Ok(0)
}

fn trust(options: &KindConfig) -> Option<Trust> {
    let required = options.required_claim.iter();
    Some(Trust {
        issuer_url: options.issuer_url.clone()?,
        client_id: options.client_id.clone()?,
        username_claim: options.username_claim.clone(),
        username_prefix: options.username_prefix.clone(),
        groups_claim: options.groups_claim.clone(),
        groups_prefix: options.groups_prefix.clone(),
        required_claims: required.cloned().collect(),
    })
}

fn read(path: &Path) -> Result<String, Stop> {
    std::fs::read_to_string(path)
        .map_err(|error| Stop::usage(format!("{}: {error}", path.display())))
}
