//! From path, method and query to what is asked of the API (apiserver,
//! `pkg/endpoints/request/requestinfo.go`).

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

/// What a request asks for: an API resource, or another path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether this is about an API resource.
    pub is_resource_request: bool,
    /// The decoded path.
    pub path: String,
    /// The Kubernetes verb, or the lower-case method of a non-resource
    /// request; empty for a method no verb belongs to.
    pub verb: String,
    /// `api` or `apis`.
    pub api_prefix: String,
    /// The API group, empty for core.
    pub api_group: String,
    /// For example `v1`.
    pub api_version: String,
    /// The namespace, empty at the cluster scope. The object
    /// `/api/v1/namespaces/x` counts as being in `x`.
    pub namespace: String,
    /// For example `pods`.
    pub resource: String,
    /// For example `log`.
    pub subresource: String,
    /// The object's name, where the URL (or the field selector
    /// `metadata.name=`) says it.
    pub name: String,
    /// The parts of the path from the resource on.
    pub parts: Vec<String>,
    /// The unparsed field selector of a list, watch or deletecollection.
    pub field_selector: String,
    /// The unparsed label selector of a list, watch or deletecollection.
    pub label_selector: String,
}

/// A path that starts with `/watch` or `/proxy` and says nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTarget(String);

impl std::fmt::Display for UnknownTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "unable to determine kind and namespace from url, {}",
            self.0
        )
    }
}

impl std::error::Error for UnknownTarget {}

impl RequestInfo {
    /// Reads a request's method and URI. HEAD is read as GET.
    ///
    /// # Errors
    /// [`UnknownTarget`] for `/api/v1/watch` and its kin without a resource.
    pub fn new(method: &Method, uri: &Uri) -> Result<Self, UnknownTarget> {
        let path = decode_path(uri.path());
        let mut info = Self {
            verb: method.as_str().to_ascii_lowercase(),
            ..Self::default()
        };
        let trimmed = path.trim_matches('/').to_owned();
        info.path = path;
        let parts: Vec<&str> = trimmed.split('/').collect();
        let rest = match parts.as_slice() {
            ["api", rest @ ..] if rest.len() >= 2 => {
                "api".clone_into(&mut info.api_prefix);
                rest
            }
            ["apis", group, rest @ ..] if rest.len() >= 2 => {
                "apis".clone_into(&mut info.api_prefix);
                (*group).clone_into(&mut info.api_group);
                rest
            }
            // Kept as upstream keeps it: the prefix is known, the rest is not.
            ["apis", _, _] => {
                "apis".clone_into(&mut info.api_prefix);
                return Ok(info);
            }
            _ => return Ok(info),
        };
        info.is_resource_request = true;
        let (version, mut rest) = rest.split_first().unwrap_or((&"", &[]));
        (*version).clone_into(&mut info.api_version);

        let mut verb_by_path = false;
        if let [verb @ ("proxy" | "watch"), after @ ..] = rest {
            if after.is_empty() {
                return Err(UnknownTarget(uri.to_string()));
            }
            (*verb).clone_into(&mut info.verb);
            rest = after;
            verb_by_path = true;
        } else {
            verb_of(method).clone_into(&mut info.verb);
        }

        if let ["namespaces", namespace, after @ ..] = rest {
            (*namespace).clone_into(&mut info.namespace);
            if !matches!(after, [] | ["status" | "finalize", ..]) {
                rest = after;
            }
        }
        info.parts = rest.iter().map(|part| (*part).to_owned()).collect();
        if let [resource, after @ ..] = rest {
            (*resource).clone_into(&mut info.resource);
            if let [name, after @ ..] = after {
                (*name).clone_into(&mut info.name);
                if let [subresource, ..] = after
                    && info.verb != "proxy"
                {
                    (*subresource).clone_into(&mut info.subresource);
                }
            }
        }

        info.read_query(uri.query().unwrap_or_default(), verb_by_path);
        Ok(info)
    }

    fn read_query(&mut self, query: &str, verb_by_path: bool) {
        let first = |wanted: &str| {
            query_pairs(query)
                .find(|(key, _)| key == wanted)
                .map(|(_, value)| value)
        };
        if self.name.is_empty() && self.verb == "get" {
            let watch = first("watch").is_some_and(|value| is_true(&value));
            let verb = if watch { "watch" } else { "list" };
            verb.clone_into(&mut self.verb);
            if let Some(name) = first("fieldSelector").as_deref().and_then(exact_name) {
                self.name = name;
            }
        }
        if self.name.is_empty() && self.verb == "delete" {
            "deletecollection".clone_into(&mut self.verb);
        }
        let selects = matches!(self.verb.as_str(), "list" | "watch" | "deletecollection");
        if selects && !verb_by_path {
            self.field_selector = first("fieldSelector").unwrap_or_default();
            self.label_selector = first("labelSelector").unwrap_or_default();
        }
    }

    /// Whether answers go on for as long as the client likes: watches.
    pub fn is_long_running(&self) -> bool {
        self.is_resource_request && matches!(self.verb.as_str(), "watch" | "proxy")
            || matches!(
                self.subresource.as_str(),
                "attach" | "exec" | "log" | "portforward" | "proxy"
            )
    }

    /// `resource`, or `resource/subresource`.
    pub fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

/// The decoded pairs of a query string, in order.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(query.as_bytes())
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
}

fn verb_of(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

fn decode_path(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// How Kubernetes reads booleans in a query: everything but these is true,
/// the empty value too.
fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "false" | "0")
}

/// The name that a field selector pins, where it could be a path segment.
fn exact_name(selector: &str) -> Option<String> {
    let name = selector.split(',').find_map(|term| {
        let (field, value) = term.split_once('=')?;
        let value = value.strip_prefix('=').unwrap_or(value);
        (field == "metadata.name").then_some(value)
    })?;
    // Backslashes escape in field selectors; names have no use for them.
    let usable =
        !name.is_empty() && !matches!(name, "." | "..") && !name.contains(['/', '%', '\\']);
    usable.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn info(method: &str, uri: &str) -> RequestInfo {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        RequestInfo::new(&method, &uri.parse().expect("a URI")).expect("a target")
    }

    /// verb, prefix, group, version, namespace, resource, subresource, name
    type Row = [&'static str; 8];

    #[rstest]
    #[case("GET", "/api/v1/namespaces", ["list", "api", "", "v1", "", "namespaces", "", ""])]
    #[case("GET", "/api/v1/namespaces/other", ["get", "api", "", "v1", "other", "namespaces", "", "other"])]
    #[case("GET", "/api/v1/namespaces/other/pods", ["list", "api", "", "v1", "other", "pods", "", ""])]
    #[case("GET", "/api/v1/namespaces/other/pods/foo", ["get", "api", "", "v1", "other", "pods", "", "foo"])]
    #[case("HEAD", "/api/v1/namespaces/other/pods/foo", ["get", "api", "", "v1", "other", "pods", "", "foo"])]
    #[case("GET", "/api/v1/pods", ["list", "api", "", "v1", "", "pods", "", ""])]
    #[case("HEAD", "/api/v1/pods", ["list", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/watch/pods", ["watch", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/pods?watch=true", ["watch", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/pods?watch=false", ["list", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/pods?watch=", ["watch", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/watch/namespaces/other/pods", ["watch", "api", "", "v1", "other", "pods", "", ""])]
    #[case("GET", "/api/v1/namespaces/other/pods?watch=1&fieldSelector=metadata.name=foo", ["watch", "api", "", "v1", "other", "pods", "", "foo"])]
    #[case("GET", "/api/v1/namespaces/other/pods?fieldSelector=metadata.name%3Dfoo", ["list", "api", "", "v1", "other", "pods", "", "foo"])]
    #[case("GET", "/api/v1/namespaces/other/pods?fieldSelector=metadata.name=a/b", ["list", "api", "", "v1", "other", "pods", "", ""])]
    #[case("GET", "/api/v1/proxy/namespaces/other/pods/foo", ["proxy", "api", "", "v1", "other", "pods", "", "foo"])]
    #[case("GET", "/api/v1/proxy/namespaces/other/pods/foo/sub/path", ["proxy", "api", "", "v1", "other", "pods", "", "foo"])]
    #[case("GET", "/api/v1/namespaces/other/pods/foo/log", ["get", "api", "", "v1", "other", "pods", "log", "foo"])]
    #[case("GET", "/api/v1/namespaces/other/status", ["get", "api", "", "v1", "other", "namespaces", "status", "other"])]
    #[case("PUT", "/api/v1/namespaces/other/finalize", ["update", "api", "", "v1", "other", "namespaces", "finalize", "other"])]
    #[case("POST", "/api/v1/namespaces/other/pods", ["create", "api", "", "v1", "other", "pods", "", ""])]
    #[case("PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale", ["patch", "apis", "apps", "v1", "n", "deployments", "scale", "d"])]
    #[case("DELETE", "/api/v1/namespaces/other/pods", ["deletecollection", "api", "", "v1", "other", "pods", "", ""])]
    #[case("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/oidc:x", ["delete", "apis", "rbac.authorization.k8s.io", "v1", "", "clusterroles", "", "oidc:x"])]
    #[case("OPTIONS", "/api/v1/pods", ["", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/namespaces/a%2Fb/pods", ["get", "api", "", "v1", "a", "b", "", "pods"])]
    fn resource_requests(#[case] method: &str, #[case] uri: &str, #[case] row: Row) {
        let info = info(method, uri);
        assert!(info.is_resource_request);
        let found = [
            &info.verb,
            &info.api_prefix,
            &info.api_group,
            &info.api_version,
            &info.namespace,
            &info.resource,
            &info.subresource,
            &info.name,
        ];
        assert_eq!(found.map(String::as_str), row);
    }

    #[rstest]
    #[case("GET", "/", "get")]
    #[case("GET", "//", "get")]
    #[case("GET", "/api", "get")]
    #[case("GET", "/api/v1", "get")]
    #[case("GET", "/apis", "get")]
    #[case("GET", "/apis/apps", "get")]
    #[case("GET", "/apis/apps/v1", "get")]
    #[case("GET", "/version", "get")]
    #[case("HEAD", "/healthz", "head")]
    #[case("POST", "/openapi/v3/api/v1", "post")]
    #[case("GET", "/metrics", "get")]
    #[case("GET", "/random/api/v1/pods", "get")]
    fn other_paths_have_the_method_as_verb(
        #[case] method: &str,
        #[case] uri: &str,
        #[case] verb: &str,
    ) {
        let info = info(method, uri);
        assert!(!info.is_resource_request);
        assert_eq!((info.verb.as_str(), info.path.as_str()), (verb, uri));
    }

    #[test]
    fn selectors_are_kept_for_lists_only() {
        let list = info(
            "GET",
            "/api/v1/pods?labelSelector=a%3Db&fieldSelector=spec.x=y",
        );
        assert_eq!(
            (list.label_selector.as_str(), list.field_selector.as_str()),
            ("a=b", "spec.x=y")
        );
        let get = info("GET", "/api/v1/namespaces/n/pods/p?labelSelector=a%3Db");
        assert_eq!(get.label_selector, "");
        let watch = info("GET", "/api/v1/watch/pods?labelSelector=a%3Db");
        assert_eq!(watch.label_selector, "");
    }

    #[test]
    fn a_watch_of_nothing_is_an_error() {
        let error = RequestInfo::new(&Method::GET, &Uri::from_static("/api/v1/watch"))
            .expect_err("nothing to watch");
        assert_eq!(
            error.to_string(),
            "unable to determine kind and namespace from url, /api/v1/watch"
        );
    }
}
