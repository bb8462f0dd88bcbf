//! From path, method and query to what is asked of the API (apiserver,
//! `pkg/endpoints/request/requestinfo.go`).

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use crate::registry::query::Query;
use crate::registry::selector::required_name;

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
        let query = Query::parse(query);
        if self.name.is_empty() && self.verb == "get" {
            let watch = query.flag("watch");
            let verb = if watch { "watch" } else { "list" };
            verb.clone_into(&mut self.verb);
            // Whatever is wrong with the query, it names nothing then.
            if query.check_list_options().is_ok() {
                let name = required_name(query.get("fieldSelector"));
                self.name = name
                    .filter(|name| is_path_segment(name))
                    .unwrap_or_default();
            }
        }
        if self.name.is_empty() && self.verb == "delete" {
            "deletecollection".clone_into(&mut self.verb);
        }
        let selects = matches!(self.verb.as_str(), "list" | "watch" | "deletecollection");
        if selects && !verb_by_path {
            query
                .get("fieldSelector")
                .clone_into(&mut self.field_selector);
            query
                .get("labelSelector")
                .clone_into(&mut self.label_selector);
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

/// So many parameters a query may have (Go's `urlParamsWithinMax`); of one with more
/// none counts.
const MOST_PARAMETERS: usize = 10_000;

/// The decoded pairs of a query string, in order. What cannot be decoded, and what has
/// a semicolon in it, is left out (Go's `url.ParseQuery`).
pub fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let escaped = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let many = query.bytes().filter(|byte| *byte == b'&').count() >= MOST_PARAMETERS;
    let query = if many { "" } else { query };
    let pairs = query
        .split('&')
        .filter(move |pair| !pair.contains(';') && pair.split('%').skip(1).all(escaped));
    pairs
        .flat_map(|pair| url::form_urlencoded::parse(pair.as_bytes()))
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

/// `content.IsPathSegmentName` (apimachinery, `pkg/api/validate/content`).
fn is_path_segment(name: &str) -> bool {
    !matches!(name, "." | "..") && !name.contains(['/', '%'])
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
    type Row<'a> = [&'a str; 8];

    fn read(info: &RequestInfo) -> Row<'_> {
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
        found.map(String::as_str)
    }

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
    #[case("GET", "/api/v1/pods?fieldSelector=metadata.name=a&limit=x", ["list", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/pods?fieldSelector=metadata.name=a&labelSelector=!!&watch=1", ["watch", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/pods?fieldSelector=metadata.name=a&labelSelector=a%3E-5", ["list", "api", "", "v1", "", "pods", "", ""])]
    #[case("GET", "/api/v1/pods?fieldSelector=metadata.name=a,=", ["list", "api", "", "v1", "", "pods", "", "a"])]
    #[case("GET", "/api/v1/pods?fieldSelector=metadata.name=a&timeoutSeconds=", ["list", "api", "", "v1", "", "pods", "", ""])]
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
    fn resource_requests(#[case] method: &str, #[case] uri: &str, #[case] row: Row<'_>) {
        let info = info(method, uri);
        assert!(info.is_resource_request);
        assert_eq!(read(&info), row);
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

    /// Kubernetes' `TestGetAPIRequestInfo` (apiserver, `pkg/endpoints/request`), with the
    /// parts of the path; of a prefix it says nothing.
    #[rstest]
    #[case("GET", "/api/v1/namespaces", ["list", "", "v1", "", "namespaces", "", ""], "namespaces")]
    #[case("GET", "/api/v1/namespaces/other", ["get", "", "v1", "other", "namespaces", "", "other"], "namespaces other")]
    #[case("GET", "/api/v1/namespaces/other/pods", ["list", "", "v1", "other", "pods", "", ""], "pods")]
    #[case("GET", "/api/v1/namespaces/other/pods/foo", ["get", "", "v1", "other", "pods", "", "foo"], "pods foo")]
    #[case("HEAD", "/api/v1/namespaces/other/pods/foo", ["get", "", "v1", "other", "pods", "", "foo"], "pods foo")]
    #[case("GET", "/api/v1/pods", ["list", "", "v1", "", "pods", "", ""], "pods")]
    #[case("HEAD", "/api/v1/pods", ["list", "", "v1", "", "pods", "", ""], "pods")]
    #[case("GET", "/api/v1/proxy/namespaces/other/pods/foo", ["proxy", "", "v1", "other", "pods", "", "foo"], "pods foo")]
    #[case("GET", "/api/v1/proxy/namespaces/other/pods/foo/subpath/not/a/subresource", ["proxy", "", "v1", "other", "pods", "", "foo"], "pods foo subpath not a subresource")]
    #[case("GET", "/api/v1/watch/pods", ["watch", "", "v1", "", "pods", "", ""], "pods")]
    #[case("GET", "/api/v1/pods?watch=true", ["watch", "", "v1", "", "pods", "", ""], "pods")]
    #[case("GET", "/api/v1/pods?watch=false", ["list", "", "v1", "", "pods", "", ""], "pods")]
    #[case("GET", "/api/v1/watch/namespaces/other/pods", ["watch", "", "v1", "other", "pods", "", ""], "pods")]
    #[case("GET", "/api/v1/namespaces/other/pods?watch=1", ["watch", "", "v1", "other", "pods", "", ""], "pods")]
    #[case("GET", "/api/v1/namespaces/other/pods?watch=0", ["list", "", "v1", "other", "pods", "", ""], "pods")]
    #[case("GET", "/api/v1/namespaces/other/pods/foo/status", ["get", "", "v1", "other", "pods", "status", "foo"], "pods foo status")]
    #[case("GET", "/api/v1/namespaces/other/pods/foo/proxy/subpath", ["get", "", "v1", "other", "pods", "proxy", "foo"], "pods foo proxy subpath")]
    #[case("PUT", "/api/v1/namespaces/other/finalize", ["update", "", "v1", "other", "namespaces", "finalize", "other"], "namespaces other finalize")]
    #[case("PUT", "/api/v1/namespaces/other/status", ["update", "", "v1", "other", "namespaces", "status", "other"], "namespaces other status")]
    #[case("PATCH", "/api/v1/namespaces/other/pods/foo", ["patch", "", "v1", "other", "pods", "", "foo"], "pods foo")]
    #[case("DELETE", "/api/v1/namespaces/other/pods/foo", ["delete", "", "v1", "other", "pods", "", "foo"], "pods foo")]
    #[case("POST", "/api/v1/namespaces/other/pods", ["create", "", "v1", "other", "pods", "", ""], "pods")]
    #[case("DELETE", "/api/v1/nodes", ["deletecollection", "", "v1", "", "nodes", "", ""], "nodes")]
    #[case("DELETE", "/api/v1/namespaces", ["deletecollection", "", "v1", "", "namespaces", "", ""], "namespaces")]
    #[case("DELETE", "/api/v1/namespaces/other/pods", ["deletecollection", "", "v1", "other", "pods", "", ""], "pods")]
    #[case("DELETE", "/apis/extensions/v1/namespaces/other/pods", ["deletecollection", "extensions", "v1", "other", "pods", "", ""], "pods")]
    #[case("POST", "/apis/extensions/v1/namespaces/other/pods", ["create", "extensions", "v1", "other", "pods", "", ""], "pods")]
    #[case("POST", "/apis/extensions/v1beta3/namespaces/other/pods", ["create", "extensions", "v1beta3", "other", "pods", "", ""], "pods")]
    fn upstream_get_api_request_info(
        #[case] method: &str,
        #[case] uri: &str,
        #[case] row: [&str; 7],
        #[case] parts: &str,
    ) {
        let info = info(method, uri);
        assert!(info.is_resource_request);
        let [verb, _, of_the_path @ ..] = read(&info);
        assert_eq!((verb, &of_the_path[..]), (row[0], &row[1..]));
        assert_eq!(info.parts.join(" "), parts);
    }

    /// The rest of that test, and `TestGetNonAPIRequestInfo` beside it.
    #[rstest]
    #[case("/", false)]
    #[case("/api/version/", false)]
    #[case("/apis/group/version/", false)]
    #[case("/badprefix/version/resource", false)]
    #[case("/apis/version/resource", false)]
    #[case("/api/version/resource", true)]
    #[case("/apis/group/version/resource/name/subresource", true)]
    #[case("/api/version/resource/name/subresource", true)]
    #[case("/apis/batch/v1/job", true)]
    #[case("/apis/batch/v1/job/foo", true)]
    #[case("/apis/batch/v1/job/foo/scale", true)]
    #[case("/not-api/version/resource", false)]
    #[case("/apis/extensions/v1beta1", false)]
    #[case("/apis/extensions/v1beta1/", false)]
    #[case("/api/version", false)]
    #[case("/api", false)]
    fn upstream_get_non_api_request_info(#[case] uri: &str, #[case] is_resource: bool) {
        assert_eq!(info("GET", uri).is_resource_request, is_resource);
    }

    /// Kubernetes' `TestSelectorParsing` of the same package: name, verb, selectors of
    /// fields and of labels.
    #[rstest]
    #[case("GET", "resource", ["", "list", "", ""])]
    #[case("GET", "resource?fieldSelector=metadata.name=name1", ["name1", "list", "metadata.name=name1", ""])]
    #[case("GET", "resource?watch=true&fieldSelector=metadata.name=name1", ["name1", "watch", "metadata.name=name1", ""])]
    #[case("GET", "resource?fieldSelector=foo=bar&labelSelector=baz=qux", ["", "list", "foo=bar", "baz=qux"])]
    #[case("GET", "resource?fieldSelector=metadata.name=name1,foo", ["", "list", "metadata.name=name1,foo", ""])]
    #[case("GET", "resource?fieldSelector=metadata.name=name1,foo&watch=true", ["", "watch", "metadata.name=name1,foo", ""])]
    #[case("GET", "resource?fieldSelector=metadata.name=name1,foo&watch=false", ["", "list", "metadata.name=name1,foo", ""])]
    #[case("DELETE", "resource?fieldSelector=foo=bar&labelSelector=baz=qux", ["", "deletecollection", "foo=bar", "baz=qux"])]
    #[case("GET", "resource?fieldSelector=metadata.name=foo&fieldSelector=metadata.name=bar&labelSelector=foo=bar&labelSelector=foo=baz", ["foo", "list", "metadata.name=foo", "foo=bar"])]
    #[case("GET", "resource/name?fieldSelector=foo=bar&labelSelector=foo=bar", ["name", "get", "", ""])]
    #[case("GET", "watch/resource?fieldSelector=metadata.name=foo&labelSelector=foo=bar", ["", "watch", "", ""])]
    #[case("GET", "watch/resource/name?fieldSelector=metadata.name=foo&labelSelector=foo=bar", ["name", "watch", "", ""])]
    fn upstream_selector_parsing(#[case] method: &str, #[case] rest: &str, #[case] row: [&str; 4]) {
        let info = info(method, &format!("/apis/group/version/{rest}"));
        let found = [
            &info.name,
            &info.verb,
            &info.field_selector,
            &info.label_selector,
        ];
        assert_eq!(found.map(String::as_str), row);
    }

    #[rstest]
    #[case("a=1&b=2%263&a=&c&=d&&e=%C3%A9+x", &[("a", "1"), ("b", "2&3"), ("a", ""), ("c", ""), ("", "d"), ("e", "é x")])]
    #[case("a=1;b=2&c=3", &[("c", "3")])]
    #[case("a=%zz&b=%4&c=%&d=%25", &[("d", "%")])]
    #[case(&("a=1".to_owned() + &"&".repeat(9_999)), &[("a", "1")])]
    #[case(&("a=1".to_owned() + &"&".repeat(10_000)), &[])]
    fn a_query_is_read_as_go_does(#[case] query: &str, #[case] pairs: &[(&str, &str)]) {
        let found: Vec<_> = query_pairs(query).collect();
        let found: Vec<_> = found
            .iter()
            .map(|(key, value)| (&**key, &**value))
            .collect();
        assert_eq!(found, pairs);
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
