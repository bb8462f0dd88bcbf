//! Lists and watches.

use super::*;

#[tokio::test]
async fn a_list_in_pages_is_of_one_moment() {
    let server = server();
    let uri = "/api/v1/namespaces/default/secrets";
    for name in ["a", "b", "c", "d", "e"] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        server.post(uri, &secret).await.expect(201);
    }
    let first = server
        .get(&format!("{uri}?limit=2"))
        .await
        .expect(200)
        .json();
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    server.delete(&format!("{uri}/d")).await.expect(200);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let rest = server
        .get(&format!("{uri}?limit=3&continue={token}"))
        .await
        .expect(200)
        .json();
    let names: Vec<&str> = rest["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|o| o["metadata"]["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["c", "d", "e"]);
    assert_eq!(
        rest["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert!(rest["metadata"]["continue"].is_null());
    assert!(
        rest["items"][0]["kind"].is_null(),
        "items of a list have no kind of their own"
    );
    let refused = server
        .get(&format!("{uri}?continue=nonsense!"))
        .await
        .expect(400);
    assert_eq!(
        refused.message(),
        "invalid continue token: continue key is not valid: illegal base64 data at input byte 8"
    );
    // More changes than are kept.
    for n in 0..4200 {
        let patch = json!({"data": {"n": format!("{n}")}});
        server
            .patch(
                "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
                MERGE_PATCH,
                &patch,
            )
            .await
            .expect(200);
    }
    let refused = server
        .get(&format!("{uri}?limit=3&continue={token}"))
        .await
        .expect(410);
    assert_eq!(refused.json()["reason"], "Expired");
    let mut watch = server
        .watch(&format!("{uri}?watch=1&resourceVersion=300"), "")
        .await;
    let event = watch.next().await.expect("an event");
    assert_eq!(event["type"], "ERROR");
    assert_eq!(event["object"]["code"], 410);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_version_from_the_future_is_a_timeout() {
    let server = server();
    for uri in [
        "/api/v1/pods?resourceVersion=99999",
        "/api/v1/namespaces/default?resourceVersion=99999",
    ] {
        let refused = server.get(uri).await.expect(504);
        assert!(
            refused
                .message()
                .starts_with("Timeout: Too large resource version: 99999, current: "),
            "{}",
            refused.message()
        );
        assert_eq!(refused.headers["retry-after"], "1");
    }
}

/// A watch waits for it, unless it is to begin with what is there.
#[tokio::test]
async fn a_watch_from_the_future_is_silent_until_then() {
    let server = server();
    let uri = "/api/v1/configmaps?watch=1&resourceVersion=99999";
    let initial =
        "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = server.watch(&format!("{uri}{initial}"), "").await;
    let error = watch.next().await.expect("an event");
    assert_eq!(error["object"]["reason"], "Timeout");
    assert_eq!(watch.0.frame().await.map(|_| ()), None);
    let now = server.get("/api/v1/configmaps").await.json();
    let now = now["metadata"]["resourceVersion"]
        .as_str()
        .map(str::parse::<u64>);
    let next = now.expect("a version").expect("a number") + 1;
    let uri = format!("/api/v1/configmaps?watch=1&resourceVersion={next}");
    let mut watch = server.watch(&uri, "").await;
    let maps = "/api/v1/namespaces/default/configmaps";
    for name in ["a", "b"] {
        let map = json!({"metadata": {"name": name}});
        server.post(maps, &map).await.expect(201);
    }
    assert_eq!(watch.brief().await, ("ADDED".to_owned(), "b".to_owned()));
}

/// As a real kube-apiserver v1.37.2 says it, which has no reason for some.
#[rstest]
#[case("/api/v1/pods?resourceVersion=zz", 400, "invalid resource version: ")]
#[case("/api/v1/namespaces/default?resourceVersion=zz", 500, "")]
#[case("/api/v1/pods?watch=1&resourceVersion=zz", 500, "")]
#[tokio::test]
async fn a_version_that_is_no_number_is_refused(
    #[case] uri: &str,
    #[case] code: u16,
    #[case] before: &str,
) {
    let refused = server().get(uri).await.expect(code);
    assert_eq!(
        refused.message(),
        format!(
            r#"{before}resourceVersion: Invalid value: "zz": strconv.ParseUint: parsing "zz": invalid syntax"#
        )
    );
    let reason = &refused.json()["reason"];
    assert_eq!(reason.is_null(), code == 500, "{reason}");
}

#[rstest]
#[case("labelSelector=app%3Dweb", &["a"])]
#[case("labelSelector=app", &["a", "b"])]
#[case("labelSelector=app!%3Dweb", &["b", "c", "kube-root-ca.crt"])]
#[case("fieldSelector=metadata.name%3Db", &["b"])]
#[case("labelSelector=app&fieldSelector=metadata.name!%3Db", &["a"])]
#[tokio::test]
async fn lists_are_narrowed_down(#[case] query: &str, #[case] expected: &[&str]) {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    for (name, app) in [("a", Some("web")), ("b", Some("db")), ("c", None)] {
        let mut object = config_map(name);
        if let Some(app) = app {
            object["metadata"]["labels"] = json!({"app": app});
        }
        server.post(uri, &object).await.expect(201);
    }
    assert_eq!(server.names(&format!("{uri}?{query}")).await, expected);
}

#[tokio::test]
async fn a_watch_tells_what_happens_to_what_it_selects() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let mut first = config_map("first");
    first["metadata"]["labels"] = json!({"app": "web"});
    server.post(uri, &first).await.expect(201);
    let mut watch = server
        .watch(
            &format!("{uri}?watch=true&labelSelector=app%3Dweb"),
            "application/json",
        )
        .await;
    assert_eq!(
        watch.brief().await,
        ("ADDED".to_owned(), "first".to_owned())
    );
    server.post(uri, &config_map("second")).await.expect(201);
    server
        .patch(
            &format!("{uri}/second"),
            MERGE_PATCH,
            &json!({"metadata": {"labels": {"app": "web"}}}),
        )
        .await
        .expect(200);
    assert_eq!(
        watch.brief().await,
        ("ADDED".to_owned(), "second".to_owned())
    );
    server
        .patch(
            &format!("{uri}/second"),
            MERGE_PATCH,
            &json!({"data": {"x": "y"}}),
        )
        .await
        .expect(200);
    assert_eq!(
        watch.brief().await,
        ("MODIFIED".to_owned(), "second".to_owned())
    );
    let crossed = server
        .patch(
            &format!("{uri}/second"),
            MERGE_PATCH,
            &json!({"metadata": {"labels": null}}),
        )
        .await
        .expect(200)
        .json();
    let event = watch.next().await.expect("an event");
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["metadata"]["labels"]["app"], "web");
    assert_eq!(
        event["object"]["metadata"]["resourceVersion"],
        crossed["metadata"]["resourceVersion"]
    );
    server.delete(&format!("{uri}/first")).await.expect(200);
    assert_eq!(
        watch.brief().await,
        ("DELETED".to_owned(), "first".to_owned())
    );
}

#[tokio::test]
async fn a_watch_goes_on_from_a_list() {
    let server = server();
    let uri = "/api/v1/namespaces/default/configmaps";
    let list = server.get(uri).await.expect(200).json();
    let rv = list["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version")
        .to_owned();
    server.post(uri, &config_map("c")).await.expect(201);
    let other = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    server
        .post("/api/v1/namespaces/default/secrets", &other)
        .await
        .expect(201);
    let mut watch = server
        .watch(&format!("{uri}?watch=true&resourceVersion={rv}"), "")
        .await;
    let event = watch.next().await.expect("an event");
    assert_eq!(event["type"], "ADDED");
    assert_eq!(event["object"]["kind"], "ConfigMap");
    assert_eq!(event["object"]["metadata"]["name"], "c");
}

#[tokio::test]
async fn a_watch_ends_on_the_clock_with_a_bookmark_before() {
    let server = server();
    let uri = "/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=90&allowWatchBookmarks=true";
    let mut watch = server.watch(uri, "").await;
    // Whoever starts from nowhere is told when that is over.
    let begun = watch.next().await.expect("a bookmark");
    let annotations = &begun["object"]["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");
    server
        .clock
        .advance(Duration::from_secs(60))
        .expect("movable");
    let bookmark = watch.next().await.expect("a bookmark");
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["kind"], "Pod");
    assert!(bookmark["object"]["metadata"]["annotations"].is_null());
    server
        .clock
        .advance(Duration::from_secs(28))
        .expect("movable");
    assert_eq!(watch.next().await.expect("a bookmark")["type"], "BOOKMARK");
    server
        .clock
        .advance(Duration::from_secs(2))
        .expect("movable");
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_short_watch_has_a_bookmark_too() {
    let server = server();
    let uri = "/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=30&allowWatchBookmarks=true";
    let mut watch = server.watch(uri, "").await;
    watch.next().await.expect("the end of what was there");
    for (later, wanted) in [(28, Some("BOOKMARK")), (2, None)] {
        server
            .clock
            .advance(Duration::from_secs(later))
            .expect("movable");
        let event = watch.next().await;
        let kind = event.as_ref().map(|event| event["type"].as_str());
        assert_eq!(kind.flatten(), wanted);
    }
}

#[tokio::test]
async fn a_streaming_list_ends_its_objects_with_a_bookmark() {
    let server = server();
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = server
        .watch(&format!("/api/v1/namespaces?{query}"), "")
        .await;
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        assert_eq!(watch.brief().await, ("ADDED".to_owned(), name.to_owned()));
    }
    let end = watch.next().await.expect("a bookmark");
    assert_eq!(end["type"], "BOOKMARK");
    assert_eq!(
        end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    let refused = server
        .get("/api/v1/namespaces?watch=1&sendInitialEvents=true")
        .await
        .expect(422);
    assert_eq!(
        refused.message(),
        r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"#
    );
}

#[tokio::test]
async fn a_watch_of_tables_brings_its_columns_once() {
    let server = server();
    let mut watch = server.watch("/api/v1/namespaces?watch=1", TABLE).await;
    let first = watch.next().await.expect("an event");
    assert_eq!(first["object"]["kind"], "Table");
    assert_eq!(
        first["object"]["rows"][0]["cells"],
        json!(["default", "Active", "0s"])
    );
    assert!(first["object"]["columnDefinitions"].is_array());
    let second = watch.next().await.expect("an event");
    assert!(second["object"]["columnDefinitions"].is_null());
}

#[tokio::test]
async fn a_list_does_not_send_initial_events() {
    let server = server();
    for query in [
        "sendInitialEvents=true",
        "sendInitialEvents=false&resourceVersion=1&resourceVersionMatch=NotOlderThan",
    ] {
        let refused = server
            .get(&format!("/api/v1/pods?{query}"))
            .await
            .expect(422);
        assert_eq!(
            refused.message(),
            r#"ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"#
        );
    }
}

/// What a real server said of requests with more than one thing wrong, and of some with
/// nothing wrong that were refused here (`just differential`).
#[rstest]
#[case("/api/v1/pods?resourceVersionMatch=Exact&continue=x", 422, r#"ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided]"#)]
#[case(
    "/api/v1/pods?continue=x&resourceVersion=9",
    400,
    "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"
)]
#[case(
    "/api/v1/pods?limit=x&fieldSelector=nonsense&resourceVersionMatch=y",
    400,
    r#"strconv.ParseInt: parsing "x": invalid syntax"#
)]
#[case(
    "/api/v1/pods?limit=",
    400,
    r#"strconv.ParseInt: parsing "": invalid syntax"#
)]
#[case(
    "/api/v1/pods?limit=99999999999999999999",
    400,
    r#"strconv.ParseInt: parsing "99999999999999999999": value out of range"#
)]
#[case(
    "/api/v1/pods?timeoutSeconds=--1",
    400,
    r#"strconv.ParseInt: parsing "--1": invalid syntax"#
)]
#[case("/api/v1/pods?limit=%2B5", 200, "")]
#[case("/api/v1/pods?fieldSelector=nonsense;&limit=5", 200, "")]
#[case(
    "/api/v1/pods?watch=1&limit=x",
    400,
    r#"strconv.ParseInt: parsing "x": invalid syntax"#
)]
#[case("/api/v1/pods?watch=1&continue=x&resourceVersionMatch=Exact", 422, r#"ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan", resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided]"#)]
#[case("/api/v1/pods?watch=1&continue=x", 422, r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"#)]
#[case(
    "/api/v1/watch/namespaces/default/pods/p?fieldSelector=metadata.name=q",
    400,
    "fieldSelector metadata.name doesn't match requested name"
)]
#[tokio::test]
async fn options_of_lists_are_read_and_checked_as_kubernetes_does(
    #[case] uri: &str,
    #[case] code: u16,
    #[case] message: &str,
) {
    let reply = server().get(uri).await.expect(code);
    assert_eq!(reply.message(), message);
}

#[tokio::test]
async fn a_watch_without_bookmarks_has_no_end_of_what_was_there() {
    let server = server();
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let mut watch = server
        .watch(&format!("/api/v1/namespaces?{query}"), "")
        .await;
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        assert_eq!(watch.brief().await, ("ADDED".to_owned(), name.to_owned()));
    }
    let uri = "/api/v1/namespaces";
    let namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "n"}});
    server.post(uri, &namespace).await.expect(201);
    assert_eq!(watch.brief().await, ("ADDED".to_owned(), "n".to_owned()));
}
