//! How the API is spoken.

use super::*;
use rstest::rstest;

#[test]
fn an_answer_has_a_request_id_and_the_content_type_of_the_protocol() {
    let rig = Rig::new();
    let answer = run(rig.call("ListUserPools", &json!({"MaxResults": 1})));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    assert_eq!(answer.json(), json!({"UserPools": []}));
}

#[test]
fn an_error_is_told_in_the_body_and_in_headers() {
    let rig = Rig::new();
    let answer = run(rig.call("DescribeUserPool", &json!({"UserPoolId": "eu-west-2_none"})));
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json(),
        json!({
            "__type": "ResourceNotFoundException",
            "message": "User pool eu-west-2_none does not exist.",
        })
    );
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "ResourceNotFoundException:"
    );
    assert_eq!(
        answer.header("x-amzn-errormessage"),
        "User pool eu-west-2_none does not exist."
    );
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
}

#[rstest]
#[case::unknown(Some("AWSCognitoIdentityProviderService.MakeCoffee"))]
#[case::of_another_service(Some("DynamoDB_20120810.ListTables"))]
#[case::without_prefix(Some("ListUserPools"))]
#[case::in_small_letters(Some("AWSCognitoIdentityProviderService.listuserpools"))]
#[case::missing(None)]
fn a_target_that_is_no_operation_is_unknown(#[case] target: Option<&str>) {
    let rig = Rig::new();
    let mut request = Request::post("/");
    if let Some(target) = target {
        request = request.header("x-amz-target", target);
    }
    let answer = run(rig.send(request.body(Body::from("{}")).expect("a request")));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.error().0, "UnknownOperationException");
}

#[test]
fn two_targets_are_none() {
    let rig = Rig::new();
    let request = post("ListUserPools")
        .header(
            "x-amz-target",
            "AWSCognitoIdentityProviderService.ListUserPools",
        )
        .body(Body::from("{}"))
        .expect("a request");
    assert_eq!(
        run(rig.send(request)).error().0,
        "UnknownOperationException"
    );
}

#[test]
fn a_signed_operation_asks_for_a_signature_and_takes_any() {
    let rig = Rig::new();
    let body = || Body::from(r#"{"MaxResults":1}"#);
    let request = post("ListUserPools").body(body()).expect("a request");
    assert_eq!(
        run(rig.send(request)).error(),
        refused(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token"
        )
    );
    for garbled in ["Bearer x", "AWS4-HMAC-SHA256 Credential=AKIA/eu-west-2"] {
        let request = post("ListUserPools")
            .header("authorization", garbled)
            .body(body())
            .expect("a request");
        assert_eq!(
            run(rig.send(request)).error().0,
            "IncompleteSignatureException"
        );
    }
    let answer = run(rig.send(signed("ListUserPools", "eu-west-2", body())));
    assert_eq!(answer.status, 200);
}

#[test]
fn an_operation_of_a_user_needs_no_signature() {
    let rig = Rig::new();
    let request = post("GetUser")
        .body(Body::from(r#"{"AccessToken":"x"}"#))
        .expect("a request");
    assert_eq!(
        run(rig.send(request)).error(),
        refused("NotAuthorizedException", "Invalid Access Token")
    );
}

#[test]
fn the_region_is_that_of_the_credential_scope() {
    let rig = Rig::new();
    let create = |region: &str| {
        let request = signed("CreateUserPool", region, r#"{"PoolName":"p"}"#);
        run(rig.send(request)).json()["UserPool"].clone()
    };
    for region in ["eu-west-2", "ap-northeast-1"] {
        let pool = create(region);
        let id = pool["Id"].as_str().expect("an id");
        assert!(id.starts_with(&format!("{region}_")), "{id}");
        assert_eq!(
            pool["Arn"],
            format!("arn:aws:cognito-idp:{region}:123456789012:userpool/{id}")
        );
    }
    let list = |region: &str| {
        let request = signed("ListUserPools", region, r#"{"MaxResults":60}"#);
        run(rig.send(request)).json()["UserPools"]
            .as_array()
            .expect("a list")
            .len()
    };
    assert_eq!((list("eu-west-2"), list("us-east-1")), (1, 0));
}

#[test]
fn a_pool_of_another_region_does_not_exist() {
    let rig = Rig::new();
    let request = signed("CreateUserPool", "us-east-1", r#"{"PoolName":"p"}"#);
    let pool = run(rig.send(request)).json()["UserPool"]["Id"].clone();
    let (kind, message) = run(rig.refusal("DescribeUserPool", json!({"UserPoolId": pool})));
    assert_eq!(kind, "ResourceNotFoundException");
    assert!(message.ends_with(" does not exist."));
}

#[rstest]
#[case::truncated(r#"{"MaxResults":1"#)]
#[case::trailing_comma(r#"{"MaxResults":1,}"#)]
#[case::two_documents(r#"{"MaxResults":1}{}"#)]
#[case::empty("")]
#[case::beyond_a_number(r#"{"MaxResults":1e400}"#)]
#[case::not_utf8(b"{\"NextToken\":\"\xff\"}".as_slice())]
#[case::a_list("[]")]
#[case::a_string("\"{}\"")]
#[case::null("null")]
#[case::a_wrong_type(r#"{"MaxResults":"1"}"#)]
#[case::very_deep("[".repeat(10_000))]
#[case::very_deep_within(format!(r#"{{"x":{}"#, r#"{"x":"#.repeat(10_000)))]
fn a_body_that_cannot_be_read_is_a_serialization_error(#[case] body: impl Into<Body>) {
    let rig = Rig::new();
    let answer = run(rig.send(signed("ListUserPools", "eu-west-2", body)));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.error().0, "SerializationException");
}

#[test]
fn a_body_beyond_the_limit_is_refused_unread() {
    let rig = Rig::new();
    let padding = " ".repeat(1024 * 1024);
    let body = format!(r#"{{"MaxResults":1}}{padding}"#);
    let answer = run(rig.send(signed("ListUserPools", "eu-west-2", body)));
    assert_eq!(answer.status, 413);
    assert_eq!(answer.error().0, "RequestEntityTooLargeException");
}

#[test]
fn ever_so_many_unknown_members_are_ignored() {
    let rig = Rig::new();
    let members: String = (0..50_000).map(|n| format!(r#""{n}":0,"#)).collect();
    let body = format!(r#"{{{members}"MaxResults":1}}"#);
    let answer = run(rig.send(signed("ListUserPools", "eu-west-2", body)));
    assert_eq!(answer.status, 200);
}

#[test]
fn browsers_may_call_from_anywhere_and_read_errors_too() {
    let rig = Rig::new();
    let request = Request::options("/")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "content-type,x-amz-target,x-amz-user-agent",
        )
        .body(Body::empty())
        .expect("a request");
    let answer = run(rig.send(request));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(
        answer.header("access-control-allow-headers"),
        "content-type,x-amz-target,x-amz-user-agent"
    );
    assert_eq!(answer.header("access-control-allow-methods"), "POST");

    let answer = run(rig.call("GetUser", &json!({"AccessToken": "x"})));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("x-amzn-ErrorType")
    );
}

#[test]
fn other_methods_are_not_the_api() {
    let rig = Rig::new();
    for method in [Method::GET, Method::PUT] {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .body(Body::empty())
            .expect("a request");
        let answer = run(rig.send(request));
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("allow"), "POST, OPTIONS");
        assert_eq!(answer.json()["code"], "BadRequest");
    }
}

#[test]
fn a_violated_constraint_is_refused_before_anything_is_looked_for() {
    let rig = Rig::new();
    assert_eq!(
        run(rig.refusal(
            "AdminGetUser",
            json!({"UserPoolId": "nowhere!", "Username": "u"})
        )),
        refused(
            "InvalidParameterException",
            r"1 validation error detected: Value 'nowhere!' at 'userPoolId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w-]+_[0-9a-zA-Z]+"
        )
    );
}

/// What there is behaviour for; everything else says that there is none.
const IMPLEMENTED: [&str; 43] = [
    "AdminAddUserToGroup",
    "AdminCreateUser",
    "AdminDeleteUser",
    "AdminDeleteUserAttributes",
    "AdminDisableUser",
    "AdminEnableUser",
    "AdminGetUser",
    "AdminInitiateAuth",
    "AdminListGroupsForUser",
    "AdminRemoveUserFromGroup",
    "AdminRespondToAuthChallenge",
    "AdminSetUserPassword",
    "AdminUpdateUserAttributes",
    "AdminUserGlobalSignOut",
    "CreateGroup",
    "CreateUserPool",
    "CreateUserPoolClient",
    "CreateUserPoolDomain",
    "DeleteGroup",
    "DeleteUserPool",
    "DeleteUserPoolClient",
    "DeleteUserPoolDomain",
    "DescribeUserPool",
    "DescribeUserPoolClient",
    "DescribeUserPoolDomain",
    "GetGroup",
    "GetTokensFromRefreshToken",
    "GetUser",
    "GlobalSignOut",
    "InitiateAuth",
    "ListGroups",
    "ListTagsForResource",
    "ListUserPoolClients",
    "ListUserPools",
    "ListUsers",
    "ListUsersInGroup",
    "RespondToAuthChallenge",
    "RevokeToken",
    "TagResource",
    "UntagResource",
    "UpdateGroup",
    "UpdateUserPool",
    "UpdateUserPoolClient",
];

#[test]
fn an_operation_without_behaviour_names_itself_and_never_succeeds() {
    let rig = Rig::new();
    for operation in &OPERATIONS {
        let body = sample(operation.input);
        let answer = run(rig.call(operation.name, &body));
        let unknown = format!(
            "rolecall's mock of Cognito does not implement {} yet",
            operation.name
        );
        if IMPLEMENTED.contains(&operation.name) {
            assert_ne!(answer.status, 500, "{}", operation.name);
            let told = String::from_utf8_lossy(&answer.bytes);
            assert!(!told.contains(&unknown), "{}", operation.name);
            continue;
        }
        assert_eq!(answer.status, 501, "{} {body}", operation.name);
        assert_eq!(answer.error(), refused("NotImplementedException", &unknown));
    }
}

/// A value that fits a shape, with what is required and nothing else.
fn sample(shape: &'static Shape) -> Value {
    let fits = |candidate: Value| {
        let mut fields = json!({ "it": candidate });
        let member = [super::super::model::Member {
            name: "it",
            required: true,
            shape,
        }];
        let wrapped = Shape {
            sensitive: false,
            kind: Kind::Structure(Box::leak(Box::new(member))),
        };
        check::check(&wrapped, &mut fields).is_ok()
    };
    match &shape.kind {
        Kind::Structure(members) => members
            .iter()
            .filter(|member| member.required)
            .map(|member| (member.name.to_owned(), sample(member.shape)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Kind::List(list) => json!([sample(list.item)]),
        Kind::Map(map) => {
            let key = sample(map.key);
            json!({ key.as_str().expect("a key"): sample(map.value) })
        }
        Kind::String(text) if !text.values.is_empty() => json!(text.values[0]),
        Kind::String(_) => [
            "a",
            "aaaaaa",
            "123456",
            "eu-west-2_a",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "import-1",
            "a@b.c",
            "arn:aws:cognito-idp:eu-west-2:123456789012:userpool/eu-west-2_a",
            "00000000-0000-4000-8000-000000000000",
            "cognito:default",
            "terms-of-use",
        ]
        .into_iter()
        .map(Value::from)
        .find(|candidate| fits(candidate.clone()))
        .expect("a candidate fits"),
        Kind::Integer(range) | Kind::Long(range) => json!(range.min.unwrap_or(0)),
        Kind::Boolean => json!(false),
        Kind::Blob(_) => json!("AAAA"),
        Kind::Timestamp => json!(0),
        Kind::Document => json!({}),
    }
}
