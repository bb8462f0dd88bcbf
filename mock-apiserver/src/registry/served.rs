//! What Kubernetes serves by itself in stable versions, stored here or not:
//! groups, resources, verbs and subresources, out of its own discovery.

use kube_rbac::Version as Minor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::release::{PerMinor, texts};

/// Discovery of everything that Kubernetes of `minor` serves by itself in stable
/// versions, stored here or not, in the aggregated form (apidiscovery.k8s.io/v2)
/// and with the hashes of the plain one.
pub fn resources_of_kubernetes(minor: Minor) -> Value {
    serde_json::from_str(texts(minor).resources).expect("the embedded discovery is JSON")
}

/// `APIGroupDiscovery`. The fields of this and the following types are in the
/// order of Kubernetes' (k8s.io/api, `apidiscovery/v2/types.go`), which is that
/// of the documents.
#[derive(Serialize, Deserialize)]
pub struct Group {
    metadata: Metadata,
    /// Its versions, the preferred one first.
    pub versions: Vec<Version>,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
}

/// `APIVersionDiscovery`.
#[derive(Serialize, Deserialize)]
pub struct Version {
    /// `v1`.
    pub version: String,
    /// What is in it.
    pub resources: Vec<Resource>,
    freshness: String,
}

/// `APIResourceDiscovery`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its name in URLs: `deployments`.
    pub resource: String,
    /// What it answers with.
    pub response_kind: ResponseKind,
    scope: Scope,
    /// `deployment`.
    pub singular_resource: String,
    /// What may be done with it.
    pub verbs: Vec<String>,
    /// What kubectl accepts for short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short_names: Vec<String>,
    /// Groups of kinds, such as `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// What hangs below an object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subresources: Vec<Subresource>,
    /// The hash of the version that is stored, which the plain form alone has.
    #[serde(default, skip_serializing)]
    pub storage_version_hash: String,
}

/// `ResourceScope`.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
enum Scope {
    Cluster,
    Namespaced,
}

/// `metav1.GroupVersionKind`; group and version are empty where they are the
/// resource's own.
#[derive(Serialize, Deserialize)]
pub struct ResponseKind {
    /// The API group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// The kind.
    pub kind: String,
}

/// `APISubresourceDiscovery`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subresource {
    /// The last part of the path.
    pub subresource: String,
    /// What it answers with.
    pub response_kind: ResponseKind,
    /// What may be done with it.
    pub verbs: Vec<String>,
}

/// All groups of `minor` in the order of discovery, the core group first.
pub fn groups(minor: Minor) -> &'static [Group] {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Group>,
    }
    static GROUPS: PerMinor<Vec<Group>> = PerMinor::new();
    GROUPS.get(minor, || {
        let list: List = serde_json::from_str(texts(minor).resources)
            .expect("the embedded discovery is what was dumped");
        list.items
    })
}

/// The group of this name in `minor`.
pub fn group(minor: Minor, name: &str) -> Option<&'static Group> {
    groups(minor).iter().find(|group| group.name() == name)
}

/// The resource of a group and version in `minor`.
pub fn find(
    minor: Minor,
    group_name: &str,
    version: &str,
    resource: &str,
) -> Option<&'static Resource> {
    group(minor, group_name)?
        .version(version)?
        .resources
        .iter()
        .find(|r| r.resource == resource)
}

impl Group {
    /// Empty for core.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The version of this name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|v| v.version == name)
    }
}

impl Resource {
    /// Whether objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    /// Its verbs, of those in `wanted`.
    pub fn verbs_among(&self, wanted: &[&str]) -> Vec<&str> {
        let verbs = self.verbs.iter().map(String::as_str);
        verbs.filter(|verb| wanted.contains(verb)).collect()
    }

    /// The verbs of a subresource; none if there is none of this name.
    pub fn subresource_verbs(&self, name: &str) -> Vec<&str> {
        let found = self.subresources.iter().find(|s| s.subresource == name);
        let verbs = found.into_iter().flat_map(|s| &s.verbs);
        verbs.map(String::as_str).collect()
    }
}
