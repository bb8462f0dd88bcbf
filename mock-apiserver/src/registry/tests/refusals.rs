//! What a kube-apiserver v1.37.2 answered to the same requests (`just
//! differential`), and ours once did not.

use super::*;
use rstest::rstest;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JOB: &str = "/apis/batch/v1/namespaces/default/jobs/x/status";
const THREE: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The router looks before any handler does.
#[rstest]
#[case::one("GET", "/api/v1/namespaces/default/configmaps/a", THREE)]
#[case::unstored("GET", JOB, THREE)]
#[case::deleted("DELETE", "/api/v1/namespaces/default/configmaps/a", THREE)]
#[case::discovery("GET", "/apis/apps/v1", THREE)]
#[case::all(
    "GET",
    MAPS,
    "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
)]
#[tokio::test]
async fn what_no_route_gives_is_406(
    #[case] method: &str,
    #[case] uri: &str,
    #[case] available: &str,
) {
    let accept = [("accept", "text/html")];
    let reply = server().ask(method, uri, &accept, "").await.expect(406);
    let message = format!("406: Not Acceptable\n\nAvailable representations: {available}");
    assert_eq!(reply.message(), message);
    assert_eq!(reply.json()["details"], json!({}));
}

#[tokio::test]
async fn what_no_route_takes_is_415() {
    let headers = [("content-type", "application/json")];
    let uri = format!("{MAPS}/a");
    let reply = server()
        .ask("PATCH", &uri, &headers, "{}")
        .await
        .expect(415);
    assert_eq!(reply.message(), "415: Unsupported Media Type");
    assert_eq!(reply.json()["details"], json!({}));
}

#[rstest]
#[case("/api/v1/namespaces/default/configmaps/a")]
#[case(JOB)]
#[tokio::test]
async fn no_route_is_for_head(#[case] uri: &str) {
    server().ask("HEAD", uri, &[], "").await.expect(405);
}

/// Behind a slash the list of groups is the plain one, and has no other form.
#[tokio::test]
async fn the_list_of_groups_behind_a_slash_is_not_aggregated() {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let server = server();
    let reply = server.ask("GET", "/apis", &[("accept", accept)], "").await;
    assert_eq!(reply.json()["kind"], "APIGroupDiscoveryList");
    let reply = server.ask("GET", "/apis/", &[("accept", accept)], "").await;
    let message = format!("only the following media types are accepted: {THREE}");
    assert_eq!(reply.expect(406).message(), message);
}

/// Options, then JSON, then whether the object is there, then what the patch is.
#[rstest]
#[case::options(
    "?fieldValidation=x",
    "{not json",
    422,
    "fieldValidation: Unsupported value"
)]
#[case::json("", "{not json", 400, "invalid JSON patch")]
#[case::object("", "[]", 404, r#"configmaps "nope" not found"#)]
#[tokio::test]
async fn a_patch_is_looked_at_in_this_order(
    #[case] query: &str,
    #[case] body: &str,
    #[case] code: u16,
    #[case] message: &str,
) {
    let uri = format!("{MAPS}/nope{query}");
    let headers = [("content-type", "application/strategic-merge-patch+json")];
    let reply = server()
        .ask("PATCH", &uri, &headers, body)
        .await
        .expect(code);
    assert!(reply.message().contains(message), "{}", reply.text);
}

#[tokio::test]
async fn a_refused_object_is_warned_of_too() {
    let wrong = json!({"metadata": {"name": "Not_OK"}, "unknown": 1});
    let reply = server().post(MAPS, &wrong).await.expect(422);
    assert_eq!(
        reply.headers["warning"],
        r#"299 - "unknown field \"unknown\"""#
    );
}

#[tokio::test]
async fn a_name_beside_a_base_that_is_taken_is_no_unique_one() {
    let server = server();
    let map = json!({"metadata": {"name": "a", "generateName": "g-"}});
    server.post(MAPS, &map).await.expect(201);
    let reply = server.post(MAPS, &map).await.expect(409);
    assert_eq!(
        reply.message(),
        r#"configmaps "a" already exists, the server was not able to generate a unique name for the object"#
    );
    assert_eq!(reply.json()["details"]["retryAfterSeconds"], 1);
    assert_eq!(reply.headers["retry-after"], "1");
}

#[rstest]
#[case("ConfigMap", r#"no kind "ConfigMap" is registered for version "v1" in scheme "pkg/apis/meta/internalversion/scheme/register.go:27""#)]
#[case("Status", "decoded object cannot be converted to DeleteOptions")]
#[tokio::test]
async fn options_of_another_kind_are_refused(#[case] kind: &str, #[case] message: &str) {
    let server = server();
    server.post(MAPS, &json!({"metadata": {"name": "a"}})).await;
    let body = json!({"kind": kind, "apiVersion": "v1"}).to_string();
    let headers = [("content-type", "application/json")];
    let uri = format!("{MAPS}/a");
    let reply = server.ask("DELETE", &uri, &headers, &body).await;
    assert_eq!(reply.expect(400).message(), message);
}

/// As on a cluster whose garbage collector is at once done.
#[rstest]
#[case("Foreground", "foregroundDeletion")]
#[case("Orphan", "orphan")]
#[tokio::test]
async fn who_waits_for_dependents_gets_the_object_that_waits(
    #[case] policy: &str,
    #[case] finalizer: &str,
) {
    let server = server();
    server.post(MAPS, &json!({"metadata": {"name": "a"}})).await;
    let uri = format!("{MAPS}/a?propagationPolicy={policy}");
    let reply = server.ask("DELETE", &uri, &[], "").await.expect(200);
    let metadata = &reply.json()["metadata"];
    assert_eq!(metadata["finalizers"], json!([finalizer]));
    assert_eq!(metadata["deletionGracePeriodSeconds"], 0);
    server.get(&format!("{MAPS}/a")).await.expect(404);
}

#[tokio::test]
async fn a_list_names_what_it_cannot_be() {
    let accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let reply = server().ask("GET", MAPS, &[("accept", accept)], "").await;
    assert_eq!(
        reply.expect(406).message(),
        "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)"
    );
}

#[tokio::test]
async fn a_lists_timeout_has_to_be_a_number() {
    let reply = server().get(&format!("{MAPS}?timeoutSeconds=x")).await;
    assert_eq!(
        reply.expect(400).message(),
        r#"strconv.ParseInt: parsing "x": invalid syntax"#
    );
}
