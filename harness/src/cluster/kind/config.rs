//! What kind is told of a node (`kind.x-k8s.io/v1alpha4`), and through it
//! kubeadm.
//!
//! Whom the API server trusts is spelt in either of two ways: in a file of a
//! mounted folder, which a running API server reads anew, or by `--oidc-*` flags,
//! which stay what they are. Patches are maps without an apiVersion: kind turns
//! them into the kubeadm version at hand, where a list, or a version that is not
//! the node's, is left out without a word.

use std::fmt::Write as _;
use std::path::Path;

use crate::cluster::authn::Trust;

/// Where a node has our folder; kubeadm's own mounts do not reach it.
pub const FOLDER: &str = "/etc/kubernetes/rolecall";
/// The file in it that says whom to trust.
pub const AUTHENTICATION: &str = "authentication.json";
/// Where a node has the issuer's CA: below a folder that kubeadm mounts.
const CA: &str = "/etc/kubernetes/pki/rolecall-issuer.crt";

/// The label of our nodes; its value is the cluster's name, which their containers
/// have in kind's own label.
pub const LABEL: &str = "rolecall.dev/cluster";

/// How a kind cluster is described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeConfig {
    /// The cluster's name; none: kind's own.
    pub name: Option<String>,
    /// The API server's port on loopback; none: a free one.
    pub api_port: Option<u16>,
    /// Files and folders of this machine, and where the node has them.
    pub mounts: Vec<(String, String)>,
    /// The API server's flags, without dashes.
    pub flags: Vec<(String, String)>,
    /// Folders of the node that the API server sees, and whether it writes there.
    pub volumes: Vec<(String, bool)>,
    /// Names of the API server, beside its own.
    pub names: Vec<String>,
    /// Whether the kubelet is to take a machine with cgroup v1, which it refuses
    /// since 1.35 (`failCgroupV1`).
    pub cgroup_v1: bool,
}

impl NodeConfig {
    /// Whom to trust in a file of the folder `folder`: `authentication.json` in it,
    /// which is put there by a rename.
    pub fn trusts_by_file(&mut self, folder: &Path) {
        self.shows(folder, FOLDER, false);
        self.flag(
            "authentication-config",
            &format!("{FOLDER}/{AUTHENTICATION}"),
        );
    }

    /// Gives the API server a folder of this machine, at `place`.
    pub fn shows(&mut self, folder: &Path, place: &str, writes: bool) {
        self.mount(folder, place);
        self.volumes.push((place.to_owned(), writes));
    }

    /// Gives the node a file or folder of this machine, at `place`.
    pub fn mount(&mut self, path: &Path, place: &str) {
        self.mounts
            .push((path.display().to_string(), place.to_owned()));
    }

    /// Whom to trust by `--oidc-*` flags; `ca` is the issuer's CA's file.
    ///
    /// # Errors
    /// A sentence: several claims are required. Each is a flag of its own, since what
    /// is behind the first `=` is a value, commas and all
    /// (`NewMapStringStringNoSplit`), and a map has a flag once.
    pub fn trusts_by_flags(&mut self, trust: &Trust, ca: Option<&Path>) -> Result<(), String> {
        self.flag("oidc-issuer-url", &trust.issuer_url);
        self.flag("oidc-client-id", &trust.client_id);
        if let Some(ca) = ca {
            self.mount(ca, CA);
            self.flag("oidc-ca-file", CA);
        }
        for (name, value) in [
            ("oidc-username-claim", &trust.username_claim),
            ("oidc-username-prefix", &trust.username_prefix),
            ("oidc-groups-claim", &trust.groups_claim),
            ("oidc-groups-prefix", &trust.groups_prefix),
        ] {
            if let Some(value) = value {
                self.flag(name, value);
            }
        }
        if trust.required_claims.len() > 1 {
            return Err("kind's configuration has each flag once, and so one required claim; require several with --spelling file".to_owned());
        }
        for (claim, value) in &trust.required_claims {
            self.flag("oidc-required-claim", &format!("{claim}={value}"));
        }
        Ok(())
    }

    /// One of the API server's flags, without dashes.
    pub fn flag(&mut self, name: &str, value: &str) {
        self.flags.push((name.to_owned(), value.to_owned()));
    }

    /// A flag that an API server's manifest does not have.
    pub fn lacking_in(&self, manifest: &str) -> Option<&str> {
        let has = |name: &str, value: &str| {
            let bare = format!("--{name}={value}");
            let args = manifest
                .lines()
                .filter_map(|line| line.trim().strip_prefix("- "));
            args.map(|arg| arg.trim_matches(['\'', '"']))
                .any(|arg| arg == bare)
        };
        let lacking = self.flags.iter().find(|(name, value)| !has(name, value));
        lacking.map(|(name, _)| name.as_str())
    }

    /// The file.
    pub fn render(&self) -> String {
        let mut text = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n".to_owned();
        if let Some(name) = &self.name {
            let _ = writeln!(text, "name: {}", quoted(name));
        }
        if let Some(port) = self.api_port {
            let _ = writeln!(
                text,
                "networking:\n  apiServerAddress: 127.0.0.1\n  apiServerPort: {port}"
            );
        }
        text += "nodes:\n- role: control-plane\n";
        // The kubelet refuses labels of Kubernetes' own domains.
        if let Some(name) = &self.name {
            let _ = writeln!(text, "  labels:\n    {LABEL}: {}", quoted(name));
        }
        if !self.mounts.is_empty() {
            text += "  extraMounts:\n";
        }
        for (host, node) in &self.mounts {
            let _ = writeln!(
                text,
                "  - hostPath: {}\n    containerPath: {}",
                quoted(host),
                quoted(node)
            );
        }
        text += "  kubeadmConfigPatches:\n";
        text += "  - |\n    kind: ClusterConfiguration\n    apiServer:\n";
        if !self.names.is_empty() {
            text += "      certSANs:\n";
        }
        for name in &self.names {
            let _ = writeln!(text, "      - {}", quoted(name));
        }
        text += "      extraArgs:\n";
        for (name, value) in &self.flags {
            let _ = writeln!(text, "        {name}: {}", quoted(value));
        }
        if !self.volumes.is_empty() {
            text += "      extraVolumes:\n";
        }
        for (number, (folder, writes)) in self.volumes.iter().enumerate() {
            let folder = quoted(folder);
            let _ = writeln!(
                text,
                "      - name: rolecall-{number}\n        hostPath: {folder}\n        mountPath: {folder}\n        readOnly: {}\n        pathType: Directory",
                !writes
            );
        }
        if self.cgroup_v1 {
            text += "  - |\n    kind: KubeletConfiguration\n    failCgroupV1: false\n";
        }
        text
    }
}

/// A JSON string is YAML, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Value {
        mock_apiserver::wire::yaml::read(text).expect("YAML").value
    }

    fn patch(config: &NodeConfig, kind: &str) -> Value {
        let file = read(&config.render());
        let patches = file["nodes"][0]["kubeadmConfigPatches"].clone();
        let patches = patches.as_array().cloned().unwrap_or_default();
        let read = patches
            .iter()
            .map(|text| read(text.as_str().expect("text")));
        let mut fitting = read.filter(|patch| patch["kind"] == kind);
        fitting.next().unwrap_or_default()
    }

    #[test]
    fn a_folder_is_mounted_where_a_rename_is_seen() {
        let mut config = NodeConfig::default();
        config.trusts_by_file(Path::new("/tmp/a b"));
        let file = read(&config.render());
        assert_eq!(
            file["nodes"][0]["extraMounts"],
            json!([{"hostPath": "/tmp/a b", "containerPath": FOLDER}])
        );
        let patch = patch(&config, "ClusterConfiguration");
        // Neither a list nor a version: both would be left out by some.
        assert_eq!(patch["apiVersion"], Value::Null);
        assert_eq!(
            patch["apiServer"]["extraArgs"],
            json!({"authentication-config": "/etc/kubernetes/rolecall/authentication.json"})
        );
        assert_eq!(
            patch["apiServer"]["extraVolumes"],
            json!([{"name": "rolecall-0", "hostPath": FOLDER, "mountPath": FOLDER, "readOnly": true, "pathType": "Directory"}])
        );
    }

    #[test]
    fn our_own_nodes_are_labelled() {
        let labels = |name: Option<&str>| {
            let config = NodeConfig {
                name: name.map(str::to_owned),
                ..NodeConfig::default()
            };
            read(&config.render())["nodes"][0]["labels"].clone()
        };
        assert_eq!(labels(Some("rolecall-1")), json!({LABEL: "rolecall-1"}));
        assert_eq!(labels(None), Value::Null);
    }

    #[test]
    fn a_flag_that_was_left_out_is_noticed() {
        let mut config = NodeConfig::default();
        config.trusts_by_file(Path::new("/tmp/a"));
        config.flag("audit-log-path", "/a.log");
        let with = |flags: &str| format!("  - command:\n    - kube-apiserver\n{flags}");
        let one = "    - --authentication-config=/etc/kubernetes/rolecall/authentication.json\n";
        assert_eq!(config.lacking_in(&with(one)), Some("audit-log-path"));
        let other = format!("{one}    - --audit-log-path=/b.log\n");
        assert_eq!(config.lacking_in(&with(&other)), Some("audit-log-path"));
        let all = format!("{one}    - --audit-log-path=/a.log\n");
        assert_eq!(config.lacking_in(&with(&all)), None);
    }

    #[test]
    fn flags_say_what_the_trust_says() {
        let mut config = NodeConfig {
            name: Some("a".to_owned()),
            api_port: Some(6443),
            cgroup_v1: true,
            ..NodeConfig::default()
        };
        let trust = Trust {
            issuer_url: "https://172.19.0.1:9443/p".to_owned(),
            client_id: "c".to_owned(),
            username_claim: Some("email".to_owned()),
            groups_claim: Some("cognito:groups".to_owned()),
            groups_prefix: Some("oidc:".to_owned()),
            required_claims: BTreeMap::from([("token_use".to_owned(), "id".to_owned())]),
            ..Trust::default()
        };
        let told = config.trusts_by_flags(&trust, Some(Path::new("/x/ca.crt")));
        assert_eq!(told, Ok(()));
        let mut several = trust.clone();
        let more = ("a".to_owned(), "b".to_owned());
        several.required_claims.extend([more]);
        let refused = NodeConfig::default().trusts_by_flags(&several, None);
        assert!(refused.is_err_and(|why| why.contains("--spelling file")));
        let file = read(&config.render());
        assert_eq!(file["name"], "a");
        assert_eq!(file["networking"]["apiServerPort"], 6443);
        assert_eq!(
            patch(&config, "ClusterConfiguration")["apiServer"]["extraArgs"],
            json!({
                "oidc-issuer-url": "https://172.19.0.1:9443/p", "oidc-client-id": "c",
                "oidc-ca-file": CA, "oidc-username-claim": "email",
                "oidc-groups-claim": "cognito:groups", "oidc-groups-prefix": "oidc:",
                "oidc-required-claim": "token_use=id",
            })
        );
        assert_eq!(
            patch(&config, "KubeletConfiguration")["failCgroupV1"],
            false
        );
        assert_eq!(
            patch(&NodeConfig::default(), "KubeletConfiguration"),
            Value::Null
        );
    }
}
