//! What somebody may do by the RBAC objects of some files.

use std::path::Path;

use kube_authn::User;
use kube_rbac::validate::FieldError;
use kube_rbac::{Decision, Explanation, Policy, User as RbacUser, Version, aggregation, bootstrap};
use mock_apiserver::authn;
use serde_json::{Value, json};

use crate::manifests;
use crate::resources::Resources;
use crate::scenario::question::{Question, Target};

/// A cluster's roles and bindings: those of files, and Kubernetes' own beside
/// them.
pub struct Rights {
    policy: Policy,
    version: Version,
}

/// The answer to a question.
pub struct Answer {
    /// As the API server decides it.
    pub decision: Decision,
    /// Why, in one sentence.
    pub why: String,
    /// By which way, or what single change would allow it.
    pub explanation: Explanation,
    /// What kubectl would warn of.
    pub warnings: Vec<String>,
}

/// Who asks: `groups` and what the API server adds by itself, as when somebody
/// is impersonated (`kubectl --as`).
pub fn user(name: &str, groups: &[String]) -> User {
    let mut groups = groups.to_vec();
    if let Some((namespace, _)) = authn::service_account_of(name)
        && groups.is_empty()
    {
        groups = authn::service_account_groups(namespace);
    }
    authn::with_standard_group(User {
        username: name.to_owned(),
        groups,
        ..User::default()
    })
}

/// All verbs that kubectl knows (`kubectl/pkg/cmd/auth/cani.go`).
const VERBS: [&str; 16] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "use",
    "bind",
    "impersonate",
    "escalate",
    "proxy",
    "approve",
    "sign",
    "*",
];

impl Rights {
    /// Those that every new cluster of a minor has.
    pub fn new(version: Version) -> Self {
        Self {
            policy: bootstrap::policy(version),
            version,
        }
    }

    /// Adds the objects of a file or a folder.
    ///
    /// # Errors
    /// As [`Rights::add`], with the file before it.
    pub fn add_files(&mut self, path: &Path) -> Result<usize, String> {
        let mut added = 0;
        for file in manifests::files(path)? {
            let named = |error: String| format!("{}: {error}", file.display());
            let text = std::fs::read_to_string(&file).map_err(|error| named(error.to_string()))?;
            added += self.add(&text).map_err(named)?;
        }
        Ok(added)
    }

    /// Adds the RBAC objects of a text and tells their number; whatever else is
    /// in it is passed over. A role or binding of a namespace that names none
    /// is one of `default`, as with kubectl apply.
    ///
    /// # Errors
    /// What is wrong with the text, or an object that the API server would
    /// refuse, in its words.
    pub fn add(&mut self, text: &str) -> Result<usize, String> {
        let mut added = 0;
        for mut object in manifests::parse(text)? {
            let version = object["apiVersion"].as_str().unwrap_or_default();
            if version.split('/').next() != Some(kube_rbac::API_GROUP) {
                continue;
            }
            let namespaced = matches!(object["kind"].as_str(), Some("Role" | "RoleBinding"));
            if namespaced && object["metadata"]["namespace"].is_null() {
                object["metadata"]["namespace"] = json!("default");
            }
            self.put(&object)?;
            added += 1;
        }
        aggregation::aggregate(&mut self.policy);
        Ok(added)
    }

    fn put(&mut self, object: &Value) -> Result<(), String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let named = |error: String| format!("{kind} {name:?}: {error}");
        let faults = kube_rbac::validate::create(self.version, object)
            .map_err(|error| named(error.to_string()))?;
        if !faults.is_empty() {
            return Err(named(FieldError::join(&faults)));
        }
        let object = kube_rbac::parse_object(object).map_err(|error| named(error.to_string()))?;
        self.policy.put(object);
        Ok(())
    }

    /// Whether `user` may, and why.
    pub fn ask(&self, user: &User, question: &Question) -> Answer {
        let (group, resource) = self.resolve(&question.target);
        let asker = RbacUser {
            name: &user.username,
            groups: &user.groups,
        };
        let request = question.asked_by(asker, &group, &resource);
        let decision = kube_rbac::authorize(&self.policy, &request, self.version);
        let explanation = kube_rbac::explain(&self.policy, &request);
        let why = if decision.allowed && !explanation.decision.allowed {
            "members of group `system:masters` are allowed everything".to_owned()
        } else {
            explanation.sentence(&asker)
        };
        Answer {
            decision,
            why,
            explanation,
            warnings: self.warnings(question),
        }
    }

    /// Group and plural, as kubectl finds them out by discovery: here of a cluster
    /// that has nothing but Kubernetes' own resources.
    fn resolve(&self, target: &Target) -> (String, String) {
        match target {
            Target::Path(_) => Default::default(),
            Target::Resource {
                resource, group, ..
            } => Resources::of_kubernetes(self.version)
                .resolve(resource, group.as_deref())
                .unwrap_or_else(|| (group.clone().unwrap_or_default(), resource.clone())),
        }
    }

    fn warnings(&self, question: &Question) -> Vec<String> {
        let Target::Resource {
            resource,
            group,
            namespace,
            ..
        } = &question.target
        else {
            return Vec::new();
        };
        let mut warnings = Vec::new();
        if !VERBS.contains(&question.verb.as_str()) {
            warnings.push(format!("verb '{}' is not a known verb", question.verb));
        }
        let known = Resources::of_kubernetes(self.version);
        match known.find(resource, group.as_deref()) {
            Some(found) if !found.namespaced() && !["", "default"].contains(&namespace.as_str()) => {
                warnings.push(format!(
                    "resource '{}' is not namespace scoped",
                    found.plural
                ));
            }
            Some(_) => {}
            None if resource == "*" => {}
            None => match group {
                None => warnings.push(format!(
                    "Kubernetes has no resource '{resource}' of its own; for one of a CustomResourceDefinition write RESOURCE.GROUP"
                )),
                Some(group) if known.has_group(group) => warnings.push(format!(
                    "Kubernetes has no resource '{resource}' in group '{group}'"
                )),
                Some(_) => {}
            },
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const FILES: &str = r"
apiVersion: v1
kind: ConfigMap
metadata: {name: passed-over}
---
apiVersion: v1
kind: List
items:
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: viewers}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
  subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'oidc:viewers'}]
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: crontabs, labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}
  rules: [{apiGroups: [stable.example.com], resources: [crontabs], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web}
rules: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'oidc:viewers'}]
";

    fn ask(groups: &[&str], question: &str) -> Answer {
        let mut rights = Rights::new(Version::default());
        assert_eq!(rights.add(FILES).expect("sound"), 4);
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        rights.ask(
            &user("ada", &groups),
            &Question::parse(question).expect("a question"),
        )
    }

    #[rstest]
    #[case::the_default_role("get pods -n prod", true)]
    #[case::by_short_name("list deploy -A", true)]
    #[case::not_secrets("get secrets", false)]
    #[case::aggregated("get crontabs.stable.example.com", true)]
    #[case::without_its_group("get crontabs", false)]
    #[case::the_group_of_kubernetes("create ingresses", true)]
    #[case::of_the_default_namespace_alone("create ing -n prod", false)]
    #[case::a_path_of_nobodys("get /metrics", false)]
    fn files_and_default_roles_decide(#[case] question: &str, #[case] allowed: bool) {
        let answer = ask(&["oidc:viewers"], question);
        assert_eq!(answer.decision.allowed, allowed, "{}", answer.why);
        assert_eq!(answer.explanation.path.is_some(), allowed);
    }

    #[rstest]
    #[case("ada", &["system:authenticated"])]
    #[case("system:anonymous", &["system:unauthenticated"])]
    #[case("system:serviceaccount:ns:sa", &["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"])]
    fn groups_come_by_themselves(#[case] name: &str, #[case] groups: &[&str]) {
        assert_eq!(user(name, &[]).groups, groups);
    }

    #[test]
    fn masters_may_do_everything() {
        let answer = ask(&["system:masters"], "delete nodes");
        assert!(answer.decision.allowed && answer.why.contains("system:masters"));
    }

    #[rstest]
    #[case("get crontabs", "RESOURCE.GROUP")]
    #[case("get deploymentz.apps", "in group 'apps'")]
    #[case("fetch pods", "verb 'fetch' is not a known verb")]
    #[case("get nodes -n prod", "not namespace scoped")]
    fn what_kubectl_warns_of_is_said(#[case] question: &str, #[case] warning: &str) {
        let warnings = ask(&[], question).warnings;
        assert!(
            warnings.iter().any(|one| one.contains(warning)),
            "{warnings:?}"
        );
    }

    #[rstest]
    #[case(Version::V1_36, 1)]
    #[case(Version::V1_37, 0)]
    fn a_resource_is_one_of_its_minor(#[case] minor: Version, #[case] warnings: usize) {
        let question = Question::parse("get storageversionmigrations").expect("a question");
        let answer = Rights::new(minor).ask(&user("ada", &[]), &question);
        assert_eq!(answer.warnings.len(), warnings, "{:?}", answer.warnings);
    }

    #[rstest]
    #[case(
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, rules: [{verbs: []}]}",
        "rules[0].verbs: Required value"
    )]
    #[case(
        "{apiVersion: rbac.authorization.k8s.io/v1beta1, kind: Role, metadata: {name: r}}",
        "is not of rbac.authorization.k8s.io/v1"
    )]
    #[case(
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, rules: 7}",
        "cannot unmarshal number"
    )]
    #[case("a: [", "line")]
    fn what_the_api_server_would_refuse_is_refused_in_its_words(
        #[case] text: &str,
        #[case] words: &str,
    ) {
        let error = Rights::new(Version::default())
            .add(text)
            .expect_err("wrong");
        assert!(error.contains(words), "{error}");
    }
}
