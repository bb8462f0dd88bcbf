//! What Kubernetes serves: discovery and OpenAPI of all of it, and what becomes
//! of requests for what is not stored.

use axum::body::{Body, to_bytes};
use http::Request;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use kube_rbac::Version;

use super::{MERGE_PATCH, STRATEGIC_PATCH, TABLE, server, server_of};
use crate::registry::discovery::hex;

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// The tags of a real kube-apiserver v1.37.2, which are hashes of everything
/// in the documents.
const REAL_TAGS: [(&str, &str); 2] = [
    (
        "/api",
        "\"4D7E1BED90B364BC86049DD9E636494980AEF65B7F8CFAA267616FA062B514A8A3CC2C2851CC9337B8D28B4C80960E2353DE5E0B152E87CC223E02EA3C5C37AC\"",
    ),
    (
        "/apis",
        "\"C1F1010597FE58AB064229356A99E46C1A393186FA4A195FB7F52CC9716570130AA2FD3A1637DC37D5C215C4A3A6022B5C46487215FF916DE5BA1DD781D395AE\"",
    ),
];

#[tokio::test]
async fn aggregated_discovery_is_that_of_a_real_server() {
    let server = server();
    for (path, tag) in REAL_TAGS {
        let reply = server.ask("GET", path, &[("accept", AGGREGATED)], "").await;
        let headers = &reply.headers;
        let media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        assert_eq!(headers["content-type"], media);
        assert_eq!(headers["vary"], "Accept");
        assert_eq!(headers["cache-control"], "public");
        assert_eq!(headers["etag"], tag);
        assert_eq!(reply.json()["kind"], "APIGroupDiscoveryList");
        let ask_again = [("accept", AGGREGATED), ("if-none-match", tag)];
        let known = server.ask("GET", path, &ask_again, "").await;
        assert_eq!((known.code, known.text.as_str()), (304, ""));
        let plain = server.get(path).await;
        assert_eq!(plain.headers["content-type"], "application/json");
        assert!(!plain.headers.contains_key("vary"));
    }
}

/// The second column begins the SHA-256 of what a real kube-apiserver v1.37.2
/// answers.
#[rstest]
#[case("/apis", "23831701DEB4691E")]
#[case("/api/v1", "308E3CAEA9809AB7")]
#[case("/apis/admissionregistration.k8s.io/v1", "DF1F33D917EBA697")]
#[case("/apis/apiextensions.k8s.io/v1", "78031CFD4F9352B3")]
#[case("/apis/apiregistration.k8s.io/v1", "EA23FB6CF466B67E")]
#[case("/apis/apps/v1", "A0BDFAD68D502386")]
#[case("/apis/authentication.k8s.io/v1", "72736880A3F6D0C2")]
#[case("/apis/authorization.k8s.io/v1", "647384F357001AFE")]
#[case("/apis/autoscaling/v1", "DD866C310DE13F8C")]
#[case("/apis/autoscaling/v2", "E9A3BAF0872FF369")]
#[case("/apis/batch/v1", "34051ACC4223B858")]
#[case("/apis/certificates.k8s.io/v1", "887BC9F4208A8BC4")]
#[case("/apis/coordination.k8s.io/v1", "899EFD97E330B56F")]
#[case("/apis/discovery.k8s.io/v1", "9710BB4483BDC53C")]
#[case("/apis/events.k8s.io/v1", "3F25880DD4F6D966")]
#[case("/apis/flowcontrol.apiserver.k8s.io/v1", "B07D3FA6D0218802")]
#[case("/apis/networking.k8s.io/v1", "D5C55EE7490B25B7")]
#[case("/apis/node.k8s.io/v1", "723F0DCB94C28E3F")]
#[case("/apis/policy/v1", "FAB037F07D279A12")]
#[case("/apis/rbac.authorization.k8s.io/v1", "C6708C9252FAE007")]
#[case("/apis/resource.k8s.io/v1", "662F59E2BFBAA510")]
#[case("/apis/scheduling.k8s.io/v1", "7F941543A83FBF59")]
#[case("/apis/storage.k8s.io/v1", "551E291E214C79FA")]
#[case("/apis/storagemigration.k8s.io/v1", "1AED3C5047C46219")]
#[tokio::test]
async fn plain_discovery_is_that_of_a_real_server(#[case] path: &str, #[case] hash: &str) {
    let text = server().get(path).await.expect(200).text;
    let ours = hex(&Sha256::digest(&text));
    assert!(ours.starts_with(hash), "{text}");
}

#[tokio::test]
async fn a_group_and_the_core_versions_are_told_by_themselves() {
    let server = server();
    assert_eq!(
        server.get("/apis/autoscaling").await.expect(200).text,
        r#"{"kind":"APIGroup","apiVersion":"v1","name":"autoscaling","versions":[{"groupVersion":"autoscaling/v2","version":"v2"},{"groupVersion":"autoscaling/v1","version":"v1"}],"preferredVersion":{"groupVersion":"autoscaling/v2","version":"v2"}}"#
            .to_owned()
            + "\n"
    );
    let core = server
        .ask("GET", "/api", &[("host", "127.0.0.1:6443")], "")
        .await;
    assert_eq!(
        core.expect(200).text,
        "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[{\"clientCIDR\":\"0.0.0.0/0\",\"serverAddress\":\"127.0.0.1:6443\"}]}\n"
    );
    // The aggregator looks at no method.
    for path in ["/apis", "/apis/apps"] {
        server.ask("DELETE", path, &[], "").await.expect(200);
    }
}

/// What came later is no more there than what never was.
#[rstest]
#[case(Version::V1_34, 404)]
#[case(Version::V1_36, 404)]
#[case(Version::V1_37, 200)]
#[tokio::test]
async fn an_older_minor_serves_what_it_had(#[case] minor: Version, #[case] code: u16) {
    let server = server_of(minor);
    let group = "/apis/storagemigration.k8s.io";
    for uri in [
        group.to_owned(),
        format!("{group}/v1/storageversionmigrations"),
        "/openapi/v3/apis/storagemigration.k8s.io/v1".to_owned(),
    ] {
        assert_eq!(server.get(&uri).await.code, code, "{uri}");
    }
    for uri in ["/apis", "/openapi/v3", "/openapi/v2"] {
        let text = server.get(uri).await.expect(200).text;
        let named = text.contains("storagemigration.k8s.io/v1");
        assert_eq!(named, code == 200, "{uri}");
    }
}

/// There are none, and who asks is told why.
#[rstest]
#[case("/apis/batch/v1/namespaces/default/jobs", "JobList", "batch/v1")]
#[case("/apis/batch/v1/jobs", "JobList", "batch/v1")]
#[case("/api/v1/namespaces/default/endpoints", "EndpointsList", "v1")]
#[case(
    "/apis/autoscaling/v2/horizontalpodautoscalers",
    "HorizontalPodAutoscalerList",
    "autoscaling/v2"
)]
#[case(
    "/apis/storage.k8s.io/v1/storageclasses",
    "StorageClassList",
    "storage.k8s.io/v1"
)]
#[tokio::test]
async fn what_is_not_stored_is_listed_as_empty_with_a_warning(
    #[case] uri: &str,
    #[case] kind: &str,
    #[case] api_version: &str,
) {
    let server = server();
    let mut replies = vec![server.get(uri).await.expect(200)];
    let body = replies[0].json();
    let none = "299 - \"this cluster does not store some of the kinds that were asked for: there are none, and none can be created\"";
    // Kubernetes' own comes first.
    let deprecated =
        "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\"";
    let deprecated = uri.ends_with("endpoints").then_some(deprecated);
    let expected: Vec<&str> = deprecated.into_iter().chain([none]).collect();
    // Of all namespaces nothing can be deleted.
    if uri.contains("/namespaces/") || uri.contains("storageclasses") {
        replies.push(server.delete(uri).await.expect(200));
    }
    for reply in replies {
        let warnings = reply.headers.get_all("warning").iter();
        let warnings: Vec<&str> = warnings.filter_map(|w| w.to_str().ok()).collect();
        assert_eq!(warnings, expected);
    }
    assert_eq!(
        (&body["kind"], &body["apiVersion"], &body["items"]),
        (&json!(kind), &json!(api_version), &json!([]))
    );
    assert_eq!(server.table(uri).await["rows"], json!([]));
    let mut watch = server.watch(&format!("{uri}?watch=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&allowWatchBookmarks=true"), TABLE).await;
    assert_eq!(watch.next().await.expect("an event")["type"], "BOOKMARK");
}

/// kubectl lists these on its own account: events when it describes something,
/// definitions before it takes a file with an unknown kind.
#[rstest]
#[case("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp")]
#[case("/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dp")]
#[case("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")]
#[tokio::test]
async fn what_kubectl_lists_by_the_way_is_empty_without_a_warning(#[case] uri: &str) {
    let list = server().get(uri).await.expect(200);
    assert_eq!(list.json()["items"], json!([]));
    assert!(!list.headers.contains_key("warning"));
}

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

#[tokio::test]
async fn what_is_not_stored_is_not_found_by_name_and_not_made() {
    let server = server();
    let job = json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "j"}});
    let one = format!("{JOBS}/j");
    for sent in ["", "{"] {
        let put = server.ask("PUT", &format!("{one}/status"), &[], sent).await;
        let message = put.expect(400).message();
        assert!(
            message.starts_with("the object provided is unrecognized (must be of type Job)"),
            "{message}"
        );
    }
    for reply in [
        server.get(&one).await,
        server.get(&format!("{one}/status")).await,
        server.put(&format!("{one}/status"), &job).await,
        server.put(&one, &job).await,
        server.patch(&one, MERGE_PATCH, &json!({})).await,
        server.patch(&one, STRATEGIC_PATCH, &json!({})).await,
        server.delete(&one).await,
    ] {
        let reply = reply.expect(404);
        assert_eq!(reply.message(), "jobs.batch \"j\" not found");
    }
    let none = server.delete(JOBS).await.expect(200).json();
    assert_eq!(none["items"], json!([]));
    let refused = server.post(JOBS, &job).await.expect(405);
    assert_eq!(
        refused.text,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"create is not supported on resources of kind \\\"jobs.batch\\\": this cluster does not store them\",\"reason\":\"MethodNotAllowed\",\"details\":{\"group\":\"batch\",\"kind\":\"jobs\"},\"code\":405}\n"
    );
    let uri = "/api/v1/namespaces/default/bindings";
    let binding = server.post(uri, &json!({})).await;
    assert_eq!(
        binding.expect(405).message(),
        "create is not supported on resources of kind \"bindings\": this cluster does not store them"
    );
}

/// Fields that a selector may name, in the words of each kind.
#[rstest]
#[case("/apis/batch/v1/jobs?fieldSelector=status.successful%3D1", "")]
#[case(
    "/apis/batch/v1/jobs?fieldSelector=spec.x%3D1",
    "field label \"spec.x\" not supported for Job"
)]
#[case("/api/v1/replicationcontrollers?fieldSelector=status.replicas%3D1", "")]
#[case(
    "/apis/apps/v1/replicasets?fieldSelector=spec.x%3D1",
    "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
)]
#[case(
    "/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.driver%3Dd",
    ""
)]
#[case(
    "/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.x%3Dd",
    "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.x"
)]
#[case(
    "/apis/certificates.k8s.io/v1/certificatesigningrequests?fieldSelector=spec.signerName%3Ds",
    ""
)]
#[case(
    "/apis/certificates.k8s.io/v1/certificatesigningrequests?fieldSelector=metadata.namespace%3Ds",
    "field label not supported: metadata.namespace"
)]
#[tokio::test]
async fn fields_of_what_is_not_stored_are_known(#[case] uri: &str, #[case] error: &str) {
    let reply = server().get(uri).await;
    assert_eq!(reply.code, if error.is_empty() { 200 } else { 400 });
    assert_eq!(reply.message(), error);
}

async fn with_a_pod() -> super::Server {
    let server = server();
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    server
        .post("/api/v1/namespaces/default/pods", &pod)
        .await
        .expect(201);
    server
}

#[rstest]
#[case("GET", "log", "get")]
#[case("GET", "exec", "get")]
#[case("POST", "attach", "create")]
#[case("GET", "proxy/some/path", "get")]
#[case("PATCH", "ephemeralcontainers", "patch")]
#[tokio::test]
async fn a_subresource_that_is_not_served_says_so_of_what_is_there(
    #[case] method: &str,
    #[case] subresource: &str,
    #[case] verb: &str,
) {
    let server = with_a_pod().await;
    let uri = |name: &str| format!("/api/v1/namespaces/default/pods/{name}/{subresource}");
    let patches = [("content-type", "application/merge-patch+json")];
    let headers = if method == "PATCH" { &patches[..] } else { &[] };
    let missing = server.ask(method, &uri("nope"), headers, "{}").await;
    assert_eq!(missing.expect(404).message(), "pods \"nope\" not found");
    let there = server.ask(method, &uri("p"), headers, "{}").await;
    let name = subresource.split('/').next().expect("a name");
    assert_eq!(
        there.expect(405).message(),
        format!(
            "{verb} is not supported on resources of kind \"pods/{name}\": this cluster does not serve it"
        )
    );
}

#[tokio::test]
async fn a_pod_that_is_evicted_is_gone() {
    let server = with_a_pod().await;
    let uri = "/api/v1/namespaces/default/pods/p/eviction";
    let eviction = |name: &str, options: Value| json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": options});
    let other = server.post(uri, &eviction("q", json!({}))).await;
    assert_eq!(
        other.expect(400).message(),
        "name in URL does not match name in Eviction object"
    );
    let stale = json!({"preconditions": {"uid": "x"}});
    server.post(uri, &eviction("p", stale)).await.expect(409);
    for dry in [
        eviction("p", json!({"dryRun": ["All"]})),
        eviction("p", json!({})),
    ] {
        let evicted = server.post(uri, &dry).await.expect(201);
        assert_eq!(
            evicted.text,
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"code\":201}\n"
        );
    }
    let gone = server.post(uri, &eviction("p", json!({}))).await;
    assert_eq!(gone.expect(404).message(), "pods \"p\" not found");
}

#[tokio::test]
async fn the_schemas_are_published() {
    let server = server();
    let index = server.get("/openapi/v3").await.expect(200).json();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .expect("a URL")
        .to_owned();
    assert!(url.starts_with("/openapi/v3/apis/apps/v1?hash="));
    let document = server.get(&url).await.expect(200);
    assert!(document.json()["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"].is_object());
    assert_eq!(document.headers["cache-control"], "public, immutable");
    let etag = document.headers["etag"].to_str().expect("text").to_owned();
    assert_eq!(
        server
            .ask("GET", &url, &[("if-none-match", &etag)], "")
            .await
            .code,
        304
    );
}

#[tokio::test]
async fn the_older_document_is_given_in_both_its_spellings() {
    let server = server();
    let json = server.get("/openapi/v2").await.expect(200);
    assert_eq!(json.headers["content-type"], "application/json");
    assert_eq!(json.headers["vary"], "Accept");
    let document = json.json();
    assert_eq!(document["swagger"], "2.0");
    let patch = &document["paths"]["/api/v1/namespaces/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "", "kind": "Namespace", "version": "v1"})
    );
    assert_eq!(patch["parameters"][0]["in"], "body");
    let parameters = patch["parameters"].as_array().expect("a list");
    assert!(parameters.iter().any(|p| p["name"] == "fieldValidation"));
    // What clients ask for and what they get differ by a character.
    let accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let ask = |headers: &[(&str, &str)]| {
        let request = headers
            .iter()
            .fold(Request::get("/openapi/v2"), |r, (k, v)| r.header(*k, *v));
        request.body(Body::empty()).expect("a request")
    };
    let response = server.send(ask(&[("accept", accept)])).await;
    assert_eq!(
        response.headers()["content-type"],
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    );
    let etag = response.headers()["etag"]
        .to_str()
        .expect("text")
        .to_owned();
    let body = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    assert!(body.starts_with(b"\x0a\x032.0\x12\x12\x0a\x0aKubernetes\x12\x041.37"));
    let known = ask(&[("accept", accept), ("if-none-match", &etag)]);
    assert_eq!(server.send(known).await.status(), 304);
    assert_eq!(
        server.send(ask(&[("accept", "text/html")])).await.status(),
        406
    );
}
