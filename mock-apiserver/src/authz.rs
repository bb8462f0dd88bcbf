//! Authorization: the policy's one home, the union of authorizers, and the
//! words of a refusal (apiserver, `authorization/union` and
//! `responsewriters/errors.go`).

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use kube_authn::User;
use kube_rbac::{API_GROUP, Decision, Object, Policy, RulesFor, Target, Version, escalation};
use serde_json::Value;

use crate::request::RequestInfo;
use crate::wire::{Status, quote};

/// What is asked of the authorizer, less who asks.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The verb.
    pub verb: &'a str,
    /// What it is about.
    pub target: Target<'a>,
}

impl RequestInfo {
    /// The request as the authorizer sees it.
    pub fn authz(&self) -> Request<'_> {
        let target = if self.is_resource_request {
            Target::Resource {
                api_group: &self.api_group,
                resource: &self.resource,
                subresource: &self.subresource,
                name: &self.name,
                namespace: &self.namespace,
            }
        } else {
            Target::NonResource { path: &self.path }
        };
        Request {
            verb: &self.verb,
            target,
        }
    }
}

/// Decides, by the policy that it alone holds. A change is seen by the next
/// request. Cloning it gives another handle on the same policy.
#[derive(Clone, Debug)]
pub struct Authorizer {
    version: Version,
    policy: Arc<ArcSwap<Policy>>,
    /// Held while the policy is changed, so that no change is lost.
    writing: Arc<Mutex<()>>,
}

impl Authorizer {
    /// An authorizer that starts with `policy`.
    pub fn new(version: Version, policy: Policy) -> Self {
        Self {
            version,
            policy: Arc::new(ArcSwap::from_pointee(policy)),
            writing: Arc::default(),
        }
    }

    /// The Kubernetes release whose words are used.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The policy as it is now.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Changes the policy. Readers see all of the change or none of it.
    pub fn update<R>(&self, change: impl FnOnce(&mut Policy) -> R) -> R {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut policy = Policy::clone(&self.policy.load());
        let result = change(&mut policy);
        self.policy.store(Arc::new(policy));
        result
    }

    /// Decides: members of `system:masters` may everything, the rest is RBAC.
    pub fn authorize(&self, user: &User, request: &Request<'_>) -> Decision {
        let attributes = kube_rbac::Attributes {
            user: subject(user),
            verb: request.verb,
            target: request.target,
        };
        kube_rbac::authorize(&self.policy.load(), &attributes, self.version)
    }

    /// Decides, with a refusal in Kubernetes' words.
    ///
    /// # Errors
    /// 403.
    pub fn check(&self, user: &User, request: &Request<'_>) -> Result<(), Status> {
        let decision = self.authorize(user, request);
        if decision.allowed {
            Ok(())
        } else {
            Err(forbidden(user, request, &decision.reason))
        }
    }

    /// The rules that apply to `user` in `namespace`.
    pub fn rules_for(&self, user: &User, namespace: &str) -> RulesFor {
        kube_rbac::rules_for(&self.policy.load(), &subject(user), namespace)
    }

    /// Whether `user` may store the role `new`: it may not hold rights that
    /// the user does not have (`registry/rbac/*/policybased`). `info` is the
    /// request's, `old` the role as it is on update and patch.
    ///
    /// # Errors
    /// 403, or 400 for what is no role.
    pub fn check_role_write(
        &self,
        user: &User,
        info: &RequestInfo,
        new: &Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let Object::Role(new) = parse(new)? else {
            return Err(Status::internal("a role was expected"));
        };
        let old = match old.map(parse).transpose()? {
            Some(Object::Role(old)) => Some(old),
            _ => None,
        };
        let resource = if new.namespace.is_some() {
            "roles"
        } else {
            "clusterroles"
        };
        let write = escalation::RoleWrite {
            user: subject(user),
            request_name: &info.name,
            new: &new,
            old: old.as_ref(),
        };
        escalation::role_write(&self.policy.load(), self.version, &write)
            .map_err(|refusal| refused(refusal, resource, &new.name))
    }

    /// Whether `user` may store the binding: by the verb `bind` on the role,
    /// or by having all that it allows.
    ///
    /// # Errors
    /// 403, 404 for a role that does not exist, or 400 for what is no binding.
    pub fn check_binding_write(&self, user: &User, binding: &Value) -> Result<(), Status> {
        let Object::Binding(binding) = parse(binding)? else {
            return Err(Status::internal("a binding was expected"));
        };
        let resource = if binding.namespace.is_some() {
            "rolebindings"
        } else {
            "clusterrolebindings"
        };
        escalation::binding_write(&self.policy.load(), self.version, &subject(user), &binding)
            .map_err(|refusal| refused(refusal, resource, &binding.name))
    }
}

/// The refusal of `request`, as `responsewriters.ForbiddenStatusError` words
/// it. What could be HTML in the inner message is escaped, the reason is not.
pub fn forbidden(user: &User, request: &Request<'_>, reason: &str) -> Status {
    let name = quote(&user.username);
    let verb = request.verb;
    let (inner, group, resource, object) = match request.target {
        Target::NonResource { path } => (
            format!("User {name} cannot {verb} path {}", quote(path)),
            "",
            "",
            "",
        ),
        Target::Resource {
            api_group,
            resource,
            subresource,
            name: object,
            namespace,
        } => {
            let full = if subresource.is_empty() {
                resource.to_owned()
            } else {
                format!("{resource}/{subresource}")
            };
            let scope = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {}", quote(namespace))
            };
            let inner = format!(
                "User {name} cannot {verb} resource {} in API group {} {scope}",
                quote(&full),
                quote(api_group)
            );
            (inner, api_group, resource, object)
        }
    };
    let mut why = escape_html(&inner);
    if !reason.is_empty() {
        why.push_str(": ");
        why.push_str(reason);
    }
    Status::forbidden(group, resource, object, &why)
}

/// Refusals must not look like HTML to a browser (`responsewriters`).
pub(crate) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn subject(user: &User) -> kube_rbac::User<'_> {
    kube_rbac::User {
        name: &user.username,
        groups: &user.groups,
    }
}

fn parse(object: &Value) -> Result<Object, Status> {
    kube_rbac::parse_object(object).map_err(|error| Status::bad_request(error.to_string()))
}

fn refused(refusal: escalation::Refusal, resource: &str, name: &str) -> Status {
    match refusal {
        escalation::Refusal::Forbidden(why) => Status::forbidden(API_GROUP, resource, name, &why),
        escalation::Refusal::RoleNotFound { resource, name } => {
            Status::not_found(API_GROUP, resource, &name)
        }
        escalation::Refusal::Other(why) => Status::internal(why),
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, Uri};
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn jane() -> User {
        User {
            username: "oidc:jane".to_owned(),
            groups: vec!["system:authenticated".to_owned()],
            ..User::default()
        }
    }

    fn resource<'a>(
        verb: &'a str,
        api_group: &'a str,
        resource: &'a str,
        subresource: &'a str,
        name: &'a str,
        namespace: &'a str,
    ) -> Request<'a> {
        Request {
            verb,
            target: Target::Resource {
                api_group,
                resource,
                subresource,
                name,
                namespace,
            },
        }
    }

    #[rstest]
    #[case(resource("list", "", "nodes", "", "", ""), r#"nodes is forbidden: User "oidc:jane" cannot list resource "nodes" in API group "" at the cluster scope"#, json!({"kind": "nodes"}))]
    #[case(resource("get", "", "nodes", "", "n1", ""), r#"nodes "n1" is forbidden: User "oidc:jane" cannot get resource "nodes" in API group "" at the cluster scope"#, json!({"name": "n1", "kind": "nodes"}))]
    #[case(resource("create", "apps", "deployments", "", "", "default"), r#"deployments.apps is forbidden: User "oidc:jane" cannot create resource "deployments" in API group "apps" in the namespace "default""#, json!({"group": "apps", "kind": "deployments"}))]
    #[case(resource("get", "", "pods", "log", "p", "default"), r#"pods "p" is forbidden: User "oidc:jane" cannot get resource "pods/log" in API group "" in the namespace "default""#, json!({"name": "p", "kind": "pods"}))]
    #[case(resource("get", "", "namespaces", "", "foo", "foo"), r#"namespaces "foo" is forbidden: User "oidc:jane" cannot get resource "namespaces" in API group "" in the namespace "foo""#, json!({"name": "foo", "kind": "namespaces"}))]
    #[case(Request { verb: "get", target: Target::NonResource { path: "/metrics" } }, r#"forbidden: User "oidc:jane" cannot get path "/metrics""#, json!({}))]
    #[case(Request { verb: "get", target: Target::NonResource { path: "/<b>&" } }, r#"forbidden: User "oidc:jane" cannot get path "/&lt;b&gt;&amp;""#, json!({}))]
    fn a_refusal_says_who_may_not_do_what_where(
        #[case] request: Request<'_>,
        #[case] message: &str,
        #[case] details: Value,
    ) {
        let status = forbidden(&jane(), &request, "");
        assert_eq!(status.message, message);
        assert_eq!(status.to_value()["details"], details);
    }

    #[test]
    fn a_missing_role_is_named_behind_the_refusal() {
        let authorizer = Authorizer::new(Version::V1_37, Policy::new());
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": "oidc:jane"}],
            "roleRef": {"kind": "ClusterRole", "name": "x"}});
        authorizer.update(|policy| policy.put(parse(&binding).expect("a binding")));
        let request = resource("list", "", "pods", "", "", "");
        let status = authorizer
            .check(&jane(), &request)
            .expect_err("nothing is allowed");
        assert_eq!(
            status.message,
            r#"pods is forbidden: User "oidc:jane" cannot list resource "pods" in API group "" at the cluster scope: rbac: RBAC: clusterrole.rbac.authorization.k8s.io "x" not found"#
        );
    }

    #[test]
    fn a_change_is_seen_by_the_next_request() {
        let authorizer = Authorizer::new(Version::V1_37, Policy::new());
        let other = authorizer.clone();
        let request = resource("list", "", "pods", "", "", "");
        assert!(other.check(&jane(), &request).is_err());
        authorizer.update(|policy| *policy = kube_rbac::bootstrap::policy(Version::V1_37));
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": "oidc:jane"}],
            "roleRef": {"kind": "ClusterRole", "name": "view"}});
        authorizer.update(|policy| policy.put(parse(&binding).expect("a binding")));
        assert!(other.check(&jane(), &request).is_ok());
    }

    #[test]
    fn nobody_gives_away_what_they_do_not_have() {
        let policy = kube_rbac::bootstrap::policy(Version::V1_37);
        let authorizer = Authorizer::new(Version::V1_37, policy);
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "x"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]});
        let refused = authorizer
            .check_role_write(&jane(), &RequestInfo::default(), &role, None)
            .expect_err("escalation");
        assert_eq!(
            refused.message,
            "clusterroles.rbac.authorization.k8s.io \"x\" is forbidden: user \"oidc:jane\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}"
        );
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "gone"}});
        let missing = authorizer
            .check_binding_write(&jane(), &binding)
            .expect_err("no such role");
        assert_eq!(
            missing.message,
            r#"clusterroles.rbac.authorization.k8s.io "gone" not found"#
        );
    }

    fn other<'a>(verb: &'a str, path: &'a str) -> Request<'a> {
        Request {
            verb,
            target: Target::NonResource { path },
        }
    }

    /// `TestGetAuthorizerAttributes` (apiserver,
    /// `pkg/endpoints/filters/authorization_test.go`): method, URI, what is
    /// asked of the authorizer, the version, and the selectors of fields and
    /// labels. RBAC looks at none, so they are kept as they came; how they are
    /// read is a table of `registry/selector.rs`.
    #[rstest]
    #[case::non_resource_root("POST", "/", other("post", "/"), "", ["", ""])]
    #[case::non_resource_api_prefix("GET", "/api/", other("get", "/api/"), "", ["", ""])]
    #[case::non_resource_group_api_prefix("GET", "/apis/extensions/", other("get", "/apis/extensions/"), "", ["", ""])]
    #[case::resource("POST", "/api/v1/nodes/mynode", resource("create", "", "nodes", "", "mynode", ""), "v1", ["", ""])]
    #[case::namespaced_resource("PUT", "/api/v1/namespaces/myns/pods/mypod", resource("update", "", "pods", "", "mypod", "myns"), "v1", ["", ""])]
    #[case::api_group_resource("GET", "/apis/batch/v1/namespaces/myns/jobs", jobs(), "v1", ["", ""])]
    #[case::disabled_ignore_good_field_selector("GET", "/apis/batch/v1/namespaces/myns/jobs?fieldSelector%=foo%3Dbar", jobs(), "v1", ["", ""])]
    #[case::enabled_good_field_selector("GET", "/apis/batch/v1/namespaces/myns/jobs?fieldSelector=foo%3D%3Dbar", jobs(), "v1", ["foo==bar", ""])]
    #[case::enabled_bad_field_selector("GET", "/apis/batch/v1/namespaces/myns/jobs?fieldSelector=%2Abar", jobs(), "v1", ["*bar", ""])]
    #[case::disabled_ignore_good_label_selector("GET", "/apis/batch/v1/namespaces/myns/jobs?labelSelector%=foo%3Dbar", jobs(), "v1", ["", ""])]
    #[case::enabled_good_label_selector("GET", "/apis/batch/v1/namespaces/myns/jobs?labelSelector=foo%3D%3Dbar", jobs(), "v1", ["", "foo==bar"])]
    #[case::enabled_bad_label_selector("GET", "/apis/batch/v1/namespaces/myns/jobs?labelSelector=%2Abar", jobs(), "v1", ["", "*bar"])]
    fn what_is_asked_comes_from_method_and_uri(
        #[case] method: &str,
        #[case] uri: &str,
        #[case] expected: Request<'_>,
        #[case] version: &str,
        #[case] selectors: [&str; 2],
    ) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let uri: Uri = uri.parse().expect("a URI");
        let info = RequestInfo::new(&method, &uri).expect("a target");
        let found = info.authz();
        assert_eq!((found.verb, found.target), (expected.verb, expected.target));
        let is_resource = matches!(expected.target, Target::Resource { .. });
        assert_eq!(info.is_resource_request, is_resource);
        assert_eq!(
            (info.path.as_str(), info.api_version.as_str()),
            (uri.path(), version)
        );
        assert_eq!(
            [info.field_selector.as_str(), info.label_selector.as_str()],
            selectors
        );
    }

    fn jobs() -> Request<'static> {
        resource("list", "batch", "jobs", "", "", "myns")
    }
}
