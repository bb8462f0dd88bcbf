//! `rolecall assets`: Kubernetes' own programs.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use harness::cluster::control_plane::assets::{self, Programs};
use harness::cluster::{Version, kind};

use crate::arguments::{Assets, Built};
use crate::{Stop, output};

pub async fn assets(command: Assets) -> Result<u8, Stop> {
    match command {
        Assets::List { json } => list(json),
        Assets::Build {
            what,
            kubernetes_version,
        } => build(what, kubernetes_version).await,
    }
}

/// Which versions there are, newest first, and kind; 1 where there is no version.
fn list(json: bool) -> Result<u8, Stop> {
    let mut none = true;
    for version in Version::ALL.into_iter().rev() {
        let found = assets::find(Some(version));
        none &= found.is_err();
        let text = match (&found, json) {
            (Ok(programs), true) => described(programs).to_string(),
            (Err(missing), true) => {
                serde_json::json!({"version": version.to_string(), "missing": missing.to_string()})
                    .to_string()
            }
            (Ok(programs), false) => {
                let rows = paths(programs).map(|(_, path)| format!("\n  {path}"));
                format!("{}{}", output::bold(&programs.release), rows.concat())
            }
            (Err(missing), false) => format!("{}\n  {missing}", output::bold(&version.to_string())),
        };
        output::print(&format!("{text}\n"));
    }
    let kind = kind::program();
    let found = kind.as_deref().map(Path::display);
    output::print(&match (found, json) {
        (found, true) => {
            let path = found.map(|path| path.to_string());
            format!("{}\n", serde_json::json!({"program": "kind", "path": path}))
        }
        (Some(path), false) => format!("{}\n  {path}\n", output::bold("kind")),
        (None, false) => format!(
            "{}\n  not on PATH; `rolecall assets build kind` makes it\n",
            output::bold("kind")
        ),
    });
    Ok(u8::from(none))
}

fn paths(programs: &Programs) -> [(&'static str, String); 3] {
    [
        ("etcd", programs.etcd.display().to_string()),
        (
            "kubeApiserver",
            programs.kube_apiserver.display().to_string(),
        ),
        (
            "kubeControllerManager",
            programs.kube_controller_manager.display().to_string(),
        ),
    ]
}

fn described(programs: &Programs) -> serde_json::Value {
    let mut value = serde_json::json!({
        "version": programs.version.to_string(), "release": programs.release,
    });
    for (name, path) in paths(programs) {
        value[name] = path.into();
    }
    value
}

async fn build(what: Built, version: Version) -> Result<u8, Stop> {
    let folder = assets::built_folder();
    let folder = folder.display();
    let wanted = match what {
        Built::ControlPlane => {
            eprintln!(
                "Building etcd, kube-apiserver and kube-controller-manager {} into {folder}.\n\
                 The first time this takes about ten minutes on two cores, Go 1.26, and 5 GB for Go's caches.",
                version.release(),
            );
            assets::Wanted::ControlPlane(version)
        }
        Built::Kind => {
            eprintln!(
                "Building kind into {folder}.\nThe first time this takes about half a minute, and Go 1.26."
            );
            assets::Wanted::Kind
        }
    };
    let shows = std::io::stderr().is_terminal();
    let mut tick = |since: Duration| {
        if shows {
            let seconds = since.as_secs();
            eprint!("\r\x1b[K{}:{:02}", seconds / 60, seconds % 60);
        }
    };
    let built = assets::build(wanted, &mut tick).await;
    if shows {
        eprint!("\r\x1b[K");
    }
    built.map_err(Stop::rig)?;
    Ok(0)
}
