//! What a cluster serves, from its own discovery: names of every kind to
//! group and plural.

use http::Method;
use kube_rbac::Version;
use mock_apiserver::registry::{PerMinor, resources_of_kubernetes};
use serde_json::Value;

use crate::client::{As, Broken, KubeClient, Refused};

/// One resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The API group; empty for the core.
    pub group: String,
    version: String,
    /// As in URLs.
    pub plural: String,
    singular: String,
    kind: String,
    short_names: Vec<String>,
    namespaced: bool,
    /// Whether its objects can be listed and deleted.
    removable: bool,
}

impl Resource {
    /// The collection's path in `namespace`.
    pub fn collection(&self, namespace: &str) -> String {
        let base = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if self.namespaced {
            format!("{base}/namespaces/{namespace}/{}", self.plural)
        } else {
            format!("{base}/{}", self.plural)
        }
    }

    /// The path of all its objects, in every namespace.
    pub fn everywhere(&self) -> String {
        let all = Self {
            namespaced: false,
            ..self.clone()
        };
        all.collection("")
    }

    /// The path of one object; `namespace` is of no account where it is in none.
    pub fn object(&self, namespace: &str, name: &str) -> String {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        format!("{}/{name}", self.collection(namespace))
    }

    /// Whether its objects are in namespaces.
    pub fn namespaced(&self) -> bool {
        self.namespaced
    }

    fn goes_by(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.plural == name
            || self.singular == name
            || self.kind.to_lowercase() == name
            || self.short_names.contains(&name)
    }
}

/// All resources of a cluster.
#[derive(Clone, Debug)]
pub struct Resources(Vec<Resource>);

impl Resources {
    /// Asks the cluster.
    ///
    /// # Errors
    /// [`Broken`] when discovery does not answer.
    pub async fn discover(kube: &KubeClient) -> Result<Self, Broken> {
        let groups = get(kube, "/apis").await?;
        let mut versions = vec![("/api/v1".to_owned(), String::new(), "v1".to_owned())];
        for group in groups["groups"].as_array().into_iter().flatten() {
            let preferred = &group["preferredVersion"];
            let (Some(name), Some(path), Some(version)) = (
                group["name"].as_str(),
                preferred["groupVersion"].as_str(),
                preferred["version"].as_str(),
            ) else {
                continue;
            };
            versions.push((format!("/apis/{path}"), name.to_owned(), version.to_owned()));
        }
        let mut all = Vec::new();
        for (path, group, version) in versions {
            let list = match get(kube, &path).await {
                Ok(list) => list,
                // An aggregated API may be away without the others being so.
                Err(_) if !group.is_empty() => continue,
                Err(broken) => return Err(broken),
            };
            for resource in list["resources"].as_array().into_iter().flatten() {
                let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
                if text("name").contains('/') {
                    continue;
                }
                all.push(Resource {
                    group: group.clone(),
                    version: version.clone(),
                    plural: text("name"),
                    singular: text("singularName"),
                    kind: text("kind"),
                    short_names: resource["shortNames"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|name| name.as_str().map(str::to_owned))
                        .collect(),
                    namespaced: resource["namespaced"].as_bool().unwrap_or_default(),
                    removable: ["list", "delete"].iter().all(|verb| {
                        let mut verbs = resource["verbs"].as_array().into_iter().flatten();
                        verbs.any(|one| one == verb)
                    }),
                });
            }
        }
        Ok(Self(all))
    }

    /// All that Kubernetes of `minor` serves by itself, in stable versions; read
    /// once a process.
    pub fn of_kubernetes(minor: Version) -> &'static Self {
        static ALL: PerMinor<Resources> = PerMinor::new();
        ALL.get(minor, || Self::read(minor))
    }

    fn read(minor: Version) -> Self {
        let list = resources_of_kubernetes(minor);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut all = Vec::new();
        for group in each(&list["items"]) {
            // The first version is the preferred one.
            let version = &group["versions"][0];
            for resource in each(&version["resources"]) {
                all.push(Resource {
                    group: text(&group["metadata"]["name"]),
                    version: text(&version["version"]),
                    plural: text(&resource["resource"]),
                    singular: text(&resource["singularResource"]),
                    kind: text(&resource["responseKind"]["kind"]),
                    short_names: each(&resource["shortNames"]).iter().map(text).collect(),
                    namespaced: resource["scope"] == "Namespaced",
                    removable: false,
                });
            }
        }
        Self(all)
    }

    /// Those whose objects can be found and removed.
    pub fn removable(&self) -> impl Iterator<Item = &Resource> {
        self.0.iter().filter(|resource| resource.removable)
    }

    /// Group and plural of what goes by `name`; `*` is all of a group, the core's
    /// where none is named (`CanIOptions.resourceFor`).
    pub fn resolve(&self, name: &str, group: Option<&str>) -> Option<(String, String)> {
        if name == "*" {
            return Some((group.unwrap_or_default().to_owned(), "*".to_owned()));
        }
        let found = self.find(name, group)?;
        Some((found.group.clone(), found.plural.clone()))
    }

    /// The resource that goes by `name` (plural, singular, kind or short name), as
    /// kubectl finds it: a group may have its version before it, and its end may be
    /// left out (`schema.ParseResourceArg`, `DefaultRESTMapper.ResourcesFor`).
    pub fn find(&self, name: &str, group: Option<&str>) -> Option<&Resource> {
        let of = |fits: &dyn Fn(&str) -> bool| {
            let mut all = self.0.iter();
            all.find(|resource| resource.goes_by(name) && fits(&resource.group))
        };
        let Some(group) = group.map(str::to_lowercase) else {
            return of(&|_| true);
        };
        let after_version = group
            .split_once('.')
            .filter(|(version, _)| is_version(version))
            .and_then(|(_, group)| of(&|of| of == group));
        after_version
            .or_else(|| of(&|of| of == group))
            .or_else(|| of(&|of| of.starts_with(&group)))
    }

    /// Whether there is such a group.
    pub fn has_group(&self, group: &str) -> bool {
        self.0.iter().any(|resource| resource.group == group)
    }

    /// The resource of an object's `kind` and `apiVersion`.
    pub fn by_kind(&self, kind: &str, api_version: Option<&str>) -> Option<&Resource> {
        let group = api_version.map(|v| v.split_once('/').map_or("", |(group, _)| group));
        self.0
            .iter()
            .find(|resource| resource.kind == kind && group.is_none_or(|g| resource.group == g))
    }
}

/// `v1`, `v2beta1`.
fn is_version(text: &str) -> bool {
    let mut digits = text.strip_prefix('v').unwrap_or_default().chars();
    digits.next().is_some_and(|c| c.is_ascii_digit())
}

async fn get(kube: &KubeClient, path: &str) -> Result<Value, Broken> {
    let (status, answer) = kube.request(&As::Admin, Method::GET, path, None).await?;
    if status.is_success() {
        Ok(answer)
    } else {
        Err(Broken::new(path, Refused::of(status, &answer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("pods", None, Some(("", "pods")))]
    #[case("deploy", Some("apps"), Some(("apps", "deployments")))]
    #[case::the_end_of_the_group_is_left_out("roles", Some("rbac"), Some(("rbac.authorization.k8s.io", "roles")))]
    #[case::so_it_is("storageclass", Some("storage"), Some(("storage.k8s.io", "storageclasses")))]
    #[case::with_a_version("deployments", Some("v1.apps"), Some(("apps", "deployments")))]
    #[case::of_the_core("pods", Some("v1."), Some(("", "pods")))]
    #[case::in_capitals("Deployment", Some("Apps"), Some(("apps", "deployments")))]
    #[case("deployments", Some("batch"), None)]
    #[case("*", None, Some(("", "*")))]
    #[case("*", Some("apps"), Some(("apps", "*")))]
    fn a_resource_is_found_as_kubectl_finds_it(
        #[case] name: &str,
        #[case] group: Option<&str>,
        #[case] found: Option<(&str, &str)>,
    ) {
        let resolved = Resources::of_kubernetes(Version::default()).resolve(name, group);
        let found = found.map(|(group, plural)| (group.to_owned(), plural.to_owned()));
        assert_eq!(resolved, found);
    }
}
