//! A kind cluster that somebody makes with kind itself, beside an instance.
//!
//! A file in a repository can name what it trusts only where that is known before
//! there is anything: so port and ids are pinned, and whom to trust stands in a
//! folder that the instance writes.

use std::path::Path;

use super::config::{AUTHENTICATION, NodeConfig};
use crate::cluster::authn::{self, Trust};
use crate::files::replace_private;

/// The front door's port, where no other was asked for.
pub const PORT: u16 = 9443;
/// The first pool's id, after the region.
pub const POOL: &str = "rolecall1";
/// The first client's id.
pub const CLIENT: &str = "1rolecallclientforkind0000";

/// Whom a cluster made by hand is to trust, unless it is told otherwise: claims
/// and prefix are the tutorial's.
pub fn trust(issuer_base: &str, pool: &str, client: &str) -> Trust {
    Trust {
        issuer_url: format!("{issuer_base}/{pool}"),
        client_id: client.to_owned(),
        username_claim: Some("email".to_owned()),
        groups_claim: Some("cognito:groups".to_owned()),
        groups_prefix: Some("oidc:".to_owned()),
        ..Trust::default()
    }
}

/// Writes the file of `folder` that says whom to trust; `ca_pem` is the issuer's
/// CA.
///
/// # Errors
/// Kubernetes' own text for what it would refuse; the operating system's.
pub fn write(folder: &Path, trust: &Trust, ca_pem: Option<&str>) -> Result<(), String> {
    let mut configuration = authn::render(trust)?.configuration;
    for jwt in &mut configuration.jwt {
        jwt.issuer.certificate_authority = ca_pem.unwrap_or_default().to_owned();
    }
    let file = folder.join(AUTHENTICATION);
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    replace_private(&file, &authn::document(&configuration).to_string())
}

/// What kind is told of a node that trusts whom the file of `folder` names.
pub fn by_file(folder: &Path) -> NodeConfig {
    let mut config = plain();
    config.trusts_by_file(folder);
    config
}

/// What kind is told of a node that trusts `trust` for good; `ca` is the file of
/// the issuer's CA.
///
/// # Errors
/// Kubernetes' own text for what it would refuse, or what flags cannot say.
pub fn by_flags(trust: &Trust, ca: Option<&Path>) -> Result<NodeConfig, String> {
    authn::render(trust)?;
    let mut config = plain();
    config.trusts_by_flags(trust, ca)?;
    Ok(config)
}

/// A node for any machine: where there is no cgroup v1 the word for it says
/// nothing.
fn plain() -> NodeConfig {
    NodeConfig {
        cgroup_v1: true,
        ..NodeConfig::default()
    }
}
