//! Acting as somebody else: the `Impersonate-*` headers (apiserver,
//! `endpoints/filters/impersonation`).
//!
//! Since 1.36 the constrained modes are tried before the older verb
//! `impersonate`, and where all refuse it is the first refusal that is told;
//! so a plain denial names `impersonate-on:user-info:…`. Before, there is the
//! older verb alone. The ten-second caches of upstream's modes are left out:
//! they change no answer but one within ten seconds of a revocation.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName};
use kube_authn::User;
use kube_rbac::Target;
use percent_encoding::percent_decode_str;

use crate::authn::{service_account_groups, service_account_of, with_standard_group};
use crate::authz::{Authorizer, Request, forbidden};
use crate::request::RequestInfo;
use crate::wire::{Status, aggregate, quote};
use kube_rbac::names;

const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";

const AUTHENTICATION_GROUP: &str = "authentication.k8s.io";
const PRIVILEGED: &str = "system:masters";
const NODES: &str = "system:nodes";
/// The extra key under which a service account's token names its node.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// From so many values on, one check for all of them is tried first.
const MANY: usize = 4;
/// Requestors whose last mode is remembered.
const REMEMBERED: usize = 10_000;

/// Whom a request acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonated {
    /// The user from here on.
    pub user: User,
    /// The verb of the constrained mode that allowed it; empty for the older
    /// `impersonate`.
    pub constraint: String,
}

/// Checks impersonations, and remembers which mode worked last for whom: it
/// is tried first the next time, which decides about the words of a refusal.
#[derive(Clone)]
pub struct Impersonation {
    authorizer: Authorizer,
    last: Arc<Mutex<HashMap<String, Mode>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Legacy,
}

impl Mode {
    const ALL: [Self; 5] = [
        Self::AssociatedNode,
        Self::ArbitraryNode,
        Self::ServiceAccount,
        Self::UserInfo,
        Self::Legacy,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::AssociatedNode => "associated-node",
            Self::ArbitraryNode => "arbitrary-node",
            Self::ServiceAccount => "serviceaccount",
            Self::UserInfo => "user-info",
            Self::Legacy => "",
        }
    }

    fn verb(self) -> String {
        match self {
            Self::Legacy => "impersonate".to_owned(),
            mode => format!("impersonate:{}", mode.name()),
        }
    }

    /// Whether the mode is meant for this kind of user at all.
    fn applies(self, wanted: &User, requestor: &User) -> bool {
        let name_only =
            wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let node = node_of(&wanted.username);
        let service_account = service_account_of(&wanted.username);
        match self {
            Self::AssociatedNode => {
                let own = match requestor.extra.get(NODE_NAME).map(Vec::as_slice) {
                    Some([own]) => own.as_str(),
                    _ => "",
                };
                name_only && node == Some(own) && service_account_of(&requestor.username).is_some()
            }
            Self::ArbitraryNode => name_only && node.is_some(),
            Self::ServiceAccount => name_only && service_account.is_some(),
            Self::UserInfo => node.is_none() && service_account.is_none(),
            Self::Legacy => true,
        }
    }
}

impl Impersonation {
    /// Checks against `authorizer`.
    pub fn new(authorizer: Authorizer) -> Self {
        Self {
            authorizer,
            last: Arc::default(),
        }
    }

    /// Whom the headers want `requestor` to be, and takes them out; `None`
    /// where they do not say.
    ///
    /// # Errors
    /// 400 for a group without a user, 403 where it is not allowed.
    pub fn check(
        &self,
        headers: &mut HeaderMap,
        requestor: &User,
        info: &RequestInfo,
    ) -> Result<Option<Impersonated>, Status> {
        let constrained = self.authorizer.version().constrains_impersonation();
        let Some(wanted) = take_headers(headers, constrained)? else {
            return Ok(None);
        };
        if !constrained {
            return self
                .check_mode(Mode::Legacy, &wanted, requestor, info)
                .map(Some);
        }
        let last = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&requestor.username)
            .copied();
        let modes = last
            .into_iter()
            .chain(Mode::ALL.into_iter().filter(|mode| Some(*mode) != last));
        let mut refusal = None;
        for mode in modes {
            if !mode.applies(&wanted, requestor) {
                continue;
            }
            match self.check_mode(mode, &wanted, requestor, info) {
                Ok(impersonated) => {
                    self.remember(&requestor.username, mode);
                    return Ok(Some(impersonated));
                }
                Err(status) => {
                    refusal.get_or_insert(status);
                }
            }
        }
        // The oldest mode applies to everybody, so there is a refusal.
        Err(refusal.unwrap_or_else(|| Status::internal("all impersonation modes failed")))
    }

    fn remember(&self, requestor: &str, mode: Mode) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED {
            last.clear();
        }
        last.insert(requestor.to_owned(), mode);
    }

    fn check_mode(
        &self,
        mode: Mode,
        wanted: &User,
        requestor: &User,
        info: &RequestInfo,
    ) -> Result<Impersonated, Status> {
        if mode != Mode::Legacy {
            let verb = format!("impersonate-on:{}:{}", mode.name(), info.verb);
            let request = Request {
                verb: &verb,
                target: info.authz().target,
            };
            self.authorizer.check(requestor, &request)?;
        }
        let check = Check {
            authorizer: &self.authorizer,
            requestor,
            verb: mode.verb(),
            mode,
        };
        let mut user = wanted.clone();
        check.username(wanted, &mut user)?;
        // Which refusal is told is a matter of order: the uid was last.
        if self.authorizer.version().constrains_impersonation() {
            check.uid(&wanted.uid)?;
            check.groups(&wanted.groups)?;
            check.extra(&wanted.extra)?;
        } else {
            check.groups(&wanted.groups)?;
            check.extra(&wanted.extra)?;
            check.uid(&wanted.uid)?;
        }
        user = with_standard_group(user);
        Ok(Impersonated {
            user,
            constraint: if mode == Mode::Legacy {
                String::new()
            } else {
                check.verb
            },
        })
    }
}

/// The checks of one mode, one for each value that is wanted.
struct Check<'a> {
    authorizer: &'a Authorizer,
    requestor: &'a User,
    verb: String,
    mode: Mode,
}

impl Check<'_> {
    fn constrained(&self) -> bool {
        self.mode != Mode::Legacy
    }

    /// Users and groups are in the core group for the older verb.
    fn group(&self) -> &'static str {
        if self.constrained() {
            AUTHENTICATION_GROUP
        } else {
            ""
        }
    }

    fn username(&self, wanted: &User, user: &mut User) -> Result<(), Status> {
        let (mut resource, mut namespace, mut name) = ("users", "", wanted.username.as_str());
        if self.constrained()
            && let Some(node) = node_of(&wanted.username)
        {
            // Upstream's cache does not tell nodes apart for their own service
            // accounts, so these need the right to all of them.
            let own = self.mode == Mode::AssociatedNode;
            (resource, name) = ("nodes", if own { "*" } else { node });
            user.groups = vec![NODES.to_owned()];
        }
        if let Some((of, account)) = service_account_of(&wanted.username) {
            (resource, namespace, name) = ("serviceaccounts", of, account);
            if wanted.groups.is_empty() {
                user.groups = service_account_groups(of);
            }
        }
        self.allowed(Target::Resource {
            api_group: self.group(),
            resource,
            subresource: "",
            name,
            namespace,
        })
    }

    fn uid(&self, uid: &str) -> Result<(), Status> {
        if uid.is_empty() {
            return Ok(());
        }
        self.authentication("uids", "", uid)
    }

    fn groups(&self, groups: &[String]) -> Result<(), Status> {
        let target = |name| Target::Resource {
            api_group: self.group(),
            resource: "groups",
            subresource: "",
            name,
            namespace: "",
        };
        if self.constrained() {
            if groups.iter().any(String::is_empty) {
                let why = "impersonating the empty string group is not allowed";
                return Err(self.refused(target(""), why));
            }
            if groups.iter().any(|group| group == PRIVILEGED) {
                let why = "impersonating the system:masters group is not allowed";
                return Err(self.refused(target(PRIVILEGED), why));
            }
            if groups.len() >= MANY && self.allowed(target("*")).is_ok() {
                return Ok(());
            }
        }
        groups
            .iter()
            .try_for_each(|group| self.allowed(target(group)))
    }

    fn extra(&self, extra: &BTreeMap<String, Vec<String>>) -> Result<(), Status> {
        if extra.is_empty() {
            return Ok(());
        }
        if self.constrained() {
            if let Err(why) = check_extra(extra) {
                let target = Target::Resource {
                    api_group: AUTHENTICATION_GROUP,
                    resource: "userextras",
                    subresource: "",
                    name: "",
                    namespace: "",
                };
                return Err(self.refused(target, &why));
            }
            let values: usize = extra.values().map(Vec::len).sum();
            let many = extra.len() >= MANY || values >= MANY;
            if many && self.authentication("userextras", "*", "*").is_ok() {
                return Ok(());
            }
        }
        for (key, values) in extra {
            for value in values {
                self.authentication("userextras", key, value)?;
            }
        }
        Ok(())
    }

    fn authentication(&self, resource: &str, subresource: &str, name: &str) -> Result<(), Status> {
        self.allowed(Target::Resource {
            api_group: AUTHENTICATION_GROUP,
            resource,
            subresource,
            name,
            namespace: "",
        })
    }

    fn allowed(&self, target: Target<'_>) -> Result<(), Status> {
        let request = Request {
            verb: &self.verb,
            target,
        };
        self.authorizer.check(self.requestor, &request)
    }

    fn refused(&self, target: Target<'_>, why: &str) -> Status {
        let request = Request {
            verb: &self.verb,
            target,
        };
        forbidden(self.requestor, &request, why)
    }
}

/// Reads the headers and takes them out, so that nothing further in can tell.
fn take_headers(headers: &mut HeaderMap, constrained: bool) -> Result<Option<User>, Status> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = |name: &str| headers.get(name).map(text).unwrap_or_default();
    let mut wanted = User {
        username: first(USER),
        uid: first(UID),
        groups: headers.get_all(GROUP).iter().map(text).collect(),
        ..User::default()
    };
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    for name in &names {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            let values = headers.get_all(name).iter().map(text);
            wanted
                .extra
                .entry(unescape(key))
                .or_default()
                .extend(values);
        }
    }
    if wanted.username.is_empty() {
        if wanted == User::default() {
            return Ok(None);
        }
        return Err(Status::bad_request(if constrained {
            let wanted = go_syntax(&wanted);
            format!("requested {wanted} without impersonating a user name")
        } else {
            let wanted = references(&wanted);
            format!("requested {wanted} without impersonating a user")
        }));
    }
    for name in names {
        if matches!(name.as_str(), USER | UID | GROUP) || name.as_str().starts_with(EXTRA) {
            headers.remove(name);
        }
    }
    Ok(Some(wanted))
}

/// An extra key as it is in the header, percent-encoded; kept as it is where
/// that is broken.
fn unescape(key: &str) -> String {
    let broken = key.match_indices('%').any(|(at, _)| {
        !key.get(at + 1..at + 3)
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    if broken {
        return key.to_owned();
    }
    percent_decode_str(key).decode_utf8_lossy().into_owned()
}

/// A `user.DefaultInfo` as Go's `%#v` prints it, which the message of a
/// nameless impersonation contains.
fn go_syntax(user: &User) -> String {
    let strings = |list: &[String]| {
        let quoted: Vec<String> = list.iter().map(|s| quote(s)).collect();
        format!("[]string{{{}}}", quoted.join(", "))
    };
    let groups = if user.groups.is_empty() {
        "[]string(nil)".to_owned()
    } else {
        strings(&user.groups)
    };
    let extra = if user.extra.is_empty() {
        "map[string][]string(nil)".to_owned()
    } else {
        let entries: Vec<String> = user
            .extra
            .iter()
            .map(|(key, values)| format!("{}:{}", quote(key), strings(values)))
            .collect();
        format!("map[string][]string{{{}}}", entries.join(", "))
    };
    format!(
        "&user.DefaultInfo{{Name:{}, UID:{}, Groups:{groups}, Extra:{extra}}}",
        quote(&user.username),
        quote(&user.uid)
    )
}

/// What is wanted beside a name as Go's `%v` prints the list of
/// `v1.ObjectReference` that the minors without constraints make of it: kind,
/// namespace, name, uid, API version, resource version and field path.
fn references(user: &User) -> String {
    let groups = user
        .groups
        .iter()
        .map(|name| format!("{{Group  {name}    }}"));
    let extra = user.extra.iter().flat_map(|(key, values)| {
        let values = values.iter();
        values.map(move |value| format!("{{UserExtra  {value}  authentication.k8s.io/v1  {key}}}"))
    });
    let uid = Some(&user.uid).filter(|uid| !uid.is_empty());
    let uid = uid.map(|uid| format!("{{UID  {uid}  authentication.k8s.io/v1  }}"));
    let all: Vec<String> = groups.chain(extra).chain(uid).collect();
    format!("[{}]", all.join(" "))
}

fn check_extra(extra: &BTreeMap<String, Vec<String>>) -> Result<(), String> {
    for (key, values) in extra {
        if key.is_empty() {
            return Err("impersonating the empty string key in extra is not allowed".to_owned());
        }
        check_domain_prefixed(key).map_err(|why| {
            format!("impersonating an invalid key in extra is not allowed: {why}")
        })?;
        if key.to_lowercase() != *key {
            return Err(format!(
                "impersonating a non-lowercase key in extra is not allowed: {}",
                quote(key)
            ));
        }
        if values.is_empty() {
            return Err("impersonating empty values in extra is not allowed".to_owned());
        }
        if values.iter().any(String::is_empty) {
            return Err("impersonating the empty string value in extra is not allowed".to_owned());
        }
    }
    Ok(())
}

/// `acme.io/foo`: a domain, a slash, a path (apimachinery,
/// `IsDomainPrefixedPath`).
fn check_domain_prefixed(key: &str) -> Result<(), String> {
    const SHAPE: &str = "must be a domain-prefixed path (such as \"acme.io/foo\")";
    const PATH: &str =
        "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
    let invalid =
        |value: &str, why: &str| format!("extra.key: Invalid value: {}: {why}", quote(value));
    let parts = key.split_once('/');
    let Some((domain, path)) = parts.filter(|(d, p)| !d.is_empty() && !p.is_empty()) else {
        return Err(invalid(key, SHAPE));
    };
    let mut faults: Vec<String> = names::subdomain(domain)
        .iter()
        .map(|why| invalid(domain, why))
        .collect();
    let in_path = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    if !path.bytes().all(in_path) {
        faults.push(invalid(path, PATH));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(aggregate(faults))
    }
}

/// The name in `system:node:NAME`.
fn node_of(username: &str) -> Option<&str> {
    username
        .strip_prefix("system:node:")
        .filter(|name| is_dns_subdomain(name))
}

fn is_dns_subdomain(name: &str) -> bool {
    names::subdomain(name).is_empty()
}

/// For the log: who acts as whom, as upstream's `userString`.
pub(crate) fn describe(user: &User) -> String {
    let name = if user.username.is_empty() {
        "<empty>"
    } else {
        &user.username
    };
    let groups: Vec<String> = user.groups.iter().map(|group| quote(group)).collect();
    format!("{name}[{}]", groups.join(" "))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, Uri};
    use kube_rbac::{Policy, Version};
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::authn::AUTHENTICATED;

    fn alice() -> User {
        User {
            username: "alice".to_owned(),
            groups: vec![AUTHENTICATED.to_owned()],
            ..User::default()
        }
    }

    /// Alice may do what `rules` say.
    fn impersonation(rules: Value) -> Impersonation {
        impersonation_of("alice", rules)
    }

    fn impersonation_of(user: &str, rules: Value) -> Impersonation {
        impersonation_by(Version::V1_37, user, rules)
    }

    fn impersonation_by(version: Version, user: &str, rules: Value) -> Impersonation {
        let mut policy = Policy::new();
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "r"}, "rules": rules});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": user}],
            "roleRef": {"kind": "ClusterRole", "name": "r"}});
        for object in [role, binding] {
            policy.put(kube_rbac::parse_object(&object).expect("an object"));
        }
        Impersonation::new(Authorizer::new(version, policy))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (key, value) in pairs {
            headers.append(*key, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    fn list_pods() -> RequestInfo {
        RequestInfo::new(
            &Method::GET,
            &Uri::from_static("/api/v1/namespaces/default/pods"),
        )
        .expect("a target")
    }

    fn legacy(resources: &[&str]) -> Value {
        json!([
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": resources},
            {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["uids", "userextras/scopes"]}
        ])
    }

    #[rstest]
    #[case(&[("impersonate-user", "bob")], "bob", &["system:authenticated"])]
    #[case(&[("impersonate-user", "bob"), ("impersonate-group", "g1"), ("impersonate-group", "g2")], "bob", &["g1", "g2", "system:authenticated"])]
    #[case(&[("impersonate-user", "bob"), ("impersonate-group", "system:authenticated")], "bob", &["system:authenticated"])]
    #[case(&[("impersonate-user", "bob"), ("impersonate-group", "system:unauthenticated")], "bob", &["system:unauthenticated"])]
    #[case(&[("impersonate-user", "bob"), ("impersonate-group", "system:masters")], "bob", &["system:masters", "system:authenticated"])]
    #[case(&[("impersonate-user", "system:anonymous")], "system:anonymous", &["system:unauthenticated"])]
    #[case(&[("impersonate-user", "system:serviceaccount:ns:sa")], "system:serviceaccount:ns:sa", &["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"])]
    #[case(&[("impersonate-user", "system:serviceaccount:ns:sa"), ("impersonate-group", "g")], "system:serviceaccount:ns:sa", &["g", "system:authenticated"])]
    fn groups_follow_from_what_is_asked(
        #[case] pairs: &[(&'static str, &str)],
        #[case] name: &str,
        #[case] groups: &[&str],
    ) {
        let all = impersonation(legacy(&["users", "groups", "serviceaccounts"]));
        let mut headers = headers(pairs);
        let found = all
            .check(&mut headers, &alice(), &list_pods())
            .expect("allowed")
            .expect("asked for");
        assert_eq!(found.user.username, name);
        assert_eq!(found.user.groups, groups);
        assert_eq!(found.constraint, "");
        assert!(headers.is_empty());
    }

    #[test]
    fn uid_and_extra_come_along() {
        let all = impersonation(legacy(&["users"]));
        let mut headers = headers(&[
            ("impersonate-user", "bob"),
            ("impersonate-uid", "u-1"),
            ("impersonate-extra-scopes", "view"),
            ("impersonate-extra-scopes", "edit"),
        ]);
        let found = all
            .check(&mut headers, &alice(), &list_pods())
            .expect("allowed")
            .expect("asked for");
        assert_eq!(found.user.uid, "u-1");
        assert_eq!(found.user.extra["scopes"], ["view", "edit"]);
    }

    #[rstest]
    #[case(&[("impersonate-group", "g")], r#"requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"g"}, Extra:map[string][]string(nil)} without impersonating a user name"#)]
    #[case(&[("impersonate-uid", "u")], r#"requested &user.DefaultInfo{Name:"", UID:"u", Groups:[]string(nil), Extra:map[string][]string(nil)} without impersonating a user name"#)]
    #[case(&[("impersonate-extra-a%2fb", "v")], r#"requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"a/b":[]string{"v"}}} without impersonating a user name"#)]
    fn without_a_user_it_is_a_bad_request(
        #[case] pairs: &[(&'static str, &str)],
        #[case] message: &str,
    ) {
        let refused = impersonation(json!([]))
            .check(&mut headers(pairs), &alice(), &list_pods())
            .expect_err("no user");
        assert_eq!((refused.code, refused.message.as_str()), (400, message));
    }

    #[rstest]
    #[case(&[("impersonate-group", "g"), ("impersonate-group", "h i")], "[{Group  g    } {Group  h i    }]")]
    #[case(&[("impersonate-uid", "u")], "[{UID  u  authentication.k8s.io/v1  }]")]
    #[case(&[("impersonate-extra-a%2fb", "v"), ("impersonate-group", "g")], "[{Group  g    } {UserExtra  v  authentication.k8s.io/v1  a/b}]")]
    fn before_constraints_it_is_a_bad_request_in_other_words(
        #[case] pairs: &[(&'static str, &str)],
        #[case] wanted: &str,
        #[values(Version::V1_34, Version::V1_35)] version: Version,
    ) {
        let refused = impersonation_by(version, "alice", json!([]))
            .check(&mut headers(pairs), &alice(), &list_pods())
            .expect_err("no user");
        let message = format!("requested {wanted} without impersonating a user");
        assert_eq!((refused.code, refused.message), (400, message));
    }

    /// The first thing that is not allowed is told: name, groups, extra, uid; and
    /// no mode but the older verb is asked about.
    #[rstest]
    #[case(&[], r#"users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope"#)]
    #[case(&["users"], r#"groups "g" is forbidden: User "alice" cannot impersonate resource "groups" in API group "" at the cluster scope"#)]
    #[case(&["users", "groups"], r#"userextras.authentication.k8s.io "v" is forbidden: User "alice" cannot impersonate resource "userextras/k" in API group "authentication.k8s.io" at the cluster scope"#)]
    #[case(&["users", "groups", "userextras/k"], r#"uids.authentication.k8s.io "u" is forbidden: User "alice" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope"#)]
    fn before_constraints_the_uid_comes_last(
        #[case] allowed: &[&str],
        #[case] message: &str,
        #[values(Version::V1_34, Version::V1_35)] version: Version,
    ) {
        let rules = json!([{"verbs": ["impersonate"], "apiGroups": ["*"], "resources": allowed}]);
        let wanted = [
            ("impersonate-user", "bob"),
            ("impersonate-uid", "u"),
            ("impersonate-extra-k", "v"),
            ("impersonate-group", "g"),
        ];
        let refused = impersonation_by(version, "alice", rules)
            .check(&mut headers(&wanted), &alice(), &list_pods())
            .expect_err("not allowed");
        assert_eq!((refused.code, refused.message.as_str()), (403, message));
    }

    #[test]
    fn before_constraints_their_verbs_mean_nothing() {
        let rules = json!([
            {"verbs": ["impersonate-on:user-info:list"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["impersonate:user-info"], "apiGroups": ["authentication.k8s.io"], "resources": ["users"]}
        ]);
        let wanted = [("impersonate-user", "bob")];
        impersonation_by(Version::V1_35, "alice", rules)
            .check(&mut headers(&wanted), &alice(), &list_pods())
            .expect_err("not allowed");
    }

    #[rstest]
    #[case("bob", "", r#"pods is forbidden: User "alice" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "default""#)]
    #[case("system:serviceaccount:ns:sa", "", r#"pods is forbidden: User "alice" cannot impersonate-on:serviceaccount:list resource "pods" in API group "" in the namespace "default""#)]
    #[case("system:serviceaccount:ns:sa", "g", r#"serviceaccounts "sa" is forbidden: User "alice" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "ns""#)]
    #[case("system:node:n1", "", r#"pods is forbidden: User "alice" cannot impersonate-on:arbitrary-node:list resource "pods" in API group "" in the namespace "default""#)]
    #[case("system:node:n1", "g", r#"users "system:node:n1" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope"#)]
    fn the_first_refusal_is_told(#[case] user: &str, #[case] group: &str, #[case] message: &str) {
        let mut pairs = vec![("impersonate-user", user)];
        if !group.is_empty() {
            pairs.push(("impersonate-group", group));
        }
        let refused = impersonation(json!([]))
            .check(&mut headers(&pairs), &alice(), &list_pods())
            .expect_err("not allowed");
        assert_eq!(refused.code, 403);
        assert_eq!(refused.message, message);
    }

    #[test]
    fn a_constrained_mode_needs_both_verbs_and_is_named() {
        let rules = json!([
            {"verbs": ["impersonate-on:user-info:list"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["impersonate:user-info"], "apiGroups": ["authentication.k8s.io"], "resources": ["users"], "resourceNames": ["bob"]}
        ]);
        let constrained = impersonation(rules);
        let found = constrained
            .check(
                &mut headers(&[("impersonate-user", "bob")]),
                &alice(),
                &list_pods(),
            )
            .expect("allowed")
            .expect("asked for");
        assert_eq!(found.constraint, "impersonate:user-info");
        assert_eq!(found.user.groups, [AUTHENTICATED]);
        let refused = constrained
            .check(
                &mut headers(&[("impersonate-user", "carol")]),
                &alice(),
                &list_pods(),
            )
            .expect_err("another user");
        assert_eq!(
            refused.message,
            r#"users.authentication.k8s.io "carol" is forbidden: User "alice" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope"#
        );
    }

    /// The service account that runs on `node1`.
    fn on_node_1() -> User {
        User {
            username: "system:serviceaccount:ns:sa".to_owned(),
            groups: vec![AUTHENTICATED.to_owned()],
            extra: BTreeMap::from([(NODE_NAME.to_owned(), vec!["node1".to_owned()])]),
            ..User::default()
        }
    }

    #[rstest]
    #[case(json!([]), true)]
    #[case(json!(["*"]), true)]
    #[case(json!(["node1"]), false)]
    fn to_be_its_own_node_takes_the_right_to_all(#[case] names: Value, #[case] allowed: bool) {
        let rules = json!([
            {"verbs": ["impersonate-on:associated-node:list"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["impersonate:associated-node"], "apiGroups": ["authentication.k8s.io"], "resources": ["nodes"], "resourceNames": names}
        ]);
        let checked = impersonation_of("system:serviceaccount:ns:sa", rules).check(
            &mut headers(&[("impersonate-user", "system:node:node1")]),
            &on_node_1(),
            &list_pods(),
        );
        match checked {
            Ok(found) => {
                let found = found.expect("asked for");
                assert!(allowed);
                assert_eq!(found.user.groups, [NODES, AUTHENTICATED]);
                assert_eq!(found.constraint, "impersonate:associated-node");
            }
            Err(refused) => {
                assert!(!allowed);
                assert_eq!(
                    refused.message,
                    r#"nodes.authentication.k8s.io "*" is forbidden: User "system:serviceaccount:ns:sa" cannot impersonate:associated-node resource "nodes" in API group "authentication.k8s.io" at the cluster scope"#
                );
            }
        }
    }

    #[rstest]
    #[case("acme.io/foo", None)]
    #[case("foo", Some(r#"extra.key: Invalid value: "foo": must be a domain-prefixed path (such as "acme.io/foo")"#))]
    #[case("/foo", Some(r#"extra.key: Invalid value: "/foo": must be a domain-prefixed path (such as "acme.io/foo")"#))]
    #[case("acme.io/f@o", Some(r#"extra.key: Invalid value: "f@o": Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')"#))]
    #[case("a_b/f@o", Some(r#"[extra.key: Invalid value: "a_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), extra.key: Invalid value: "f@o": Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')]"#))]
    fn an_extra_key_has_a_domain(#[case] key: &str, #[case] error: Option<&str>) {
        assert_eq!(check_domain_prefixed(key).err().as_deref(), error);
    }

    #[test]
    fn after_a_success_of_the_old_verb_its_refusal_is_told_first() {
        let some = impersonation(json!([
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"]}
        ]));
        some.check(
            &mut headers(&[("impersonate-user", "bob")]),
            &alice(),
            &list_pods(),
        )
        .expect("allowed");
        let refused = some
            .check(
                &mut headers(&[("impersonate-user", "carol")]),
                &alice(),
                &list_pods(),
            )
            .expect_err("another user");
        assert_eq!(
            refused.message,
            r#"users "carol" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope"#
        );
    }

    #[test]
    fn without_the_headers_nothing_happens() {
        let found = impersonation(json!([]))
            .check(&mut headers(&[("accept", "*/*")]), &alice(), &list_pods())
            .expect("nothing asked");
        assert_eq!(found, None);
    }
}
