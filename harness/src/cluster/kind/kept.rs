//! A cluster that outlives the rig that made it, for the next one.
//!
//! What a node was told when it was made stays so: where the front door is, its
//! CA, what the token webhook is shown. So the next rig takes them over.

use std::io;
use std::sync::Arc;

use foundation::pki::Ca;
use foundation::secret::Secret;
use serde_json::{Value, json};

use super::docker::Docker;
use super::home::Home;
use super::remove;

/// The edge CA's name.
pub const EDGE: &str = "rolecall edge";

/// Who a rig is to its clusters.
#[derive(Debug)]
pub struct Identity {
    /// The front door's port.
    pub port: u16,
    /// The proxy's, where there is one.
    pub proxy_port: u16,
    /// The ready cluster's id, as in its endpoint on EKS, where it is fixed.
    pub cluster_id: Option<String>,
    /// The front door's CA.
    pub edge: Arc<Ca>,
    /// What the token webhook is shown, and control calls.
    pub control_token: Secret<String>,
}

/// A kept cluster, and who made it.
#[derive(Debug)]
pub struct Kept {
    /// Its folder, which we hold now.
    pub home: Home,
    /// Who the rig was.
    pub identity: Identity,
}

/// A kept cluster of this engine that nobody uses, and that was made as one is wanted
/// now.
pub fn find(made_as: &Value, docker: &Docker) -> Option<Kept> {
    let left = Home::left(true).into_iter();
    let mut left = left.filter(|home| remove::is_of(home, docker));
    left.find_map(|home| {
        let note: Value = serde_json::from_str(&home.note()?).ok()?;
        let identity = (note["madeAs"] == *made_as).then(|| read(&note))??;
        Some(Kept { home, identity })
    })
}

/// Writes down that the cluster of `home` is kept, and for whom.
///
/// # Errors
/// The operating system's.
pub fn keep(home: &Home, made_as: &Value, identity: &Identity) -> io::Result<()> {
    let note = json!({
        "madeAs": made_as,
        "port": identity.port,
        "proxyPort": identity.proxy_port,
        "clusterId": identity.cluster_id,
        "edge": identity.edge.pem(),
        "edgeKey": identity.edge.key_pem(),
        "controlToken": identity.control_token.expose(),
    });
    home.keep(&note.to_string())
}

fn read(note: &Value) -> Option<Identity> {
    let port = |name: &str| u16::try_from(note[name].as_u64()?).ok();
    Some(Identity {
        port: port("port")?,
        proxy_port: port("proxyPort")?,
        cluster_id: note["clusterId"].as_str().map(str::to_owned),
        edge: Arc::new(Ca::again(EDGE, note["edge"].as_str()?, note["edgeKey"].as_str()?).ok()?),
        control_token: Secret::new(note["controlToken"].as_str()?.to_owned()),
    })
}
