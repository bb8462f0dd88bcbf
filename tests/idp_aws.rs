//! The operations of Cognito user pools and of EKS' identity providers by the
//! real aws CLI: the members that people look at, and refusals word for word.
//!
//! Every call starts a Python program; what needs no client of somebody else's
//! is tested inside the crates, and what a case begins with is made without one. Each case has an instance of its own, which
//! costs less than one call.

use serde_json::{Value, json};

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, check, claims};
use crate::tutorial::text;

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "idp_aws::a_pool_shows_its_settings_and_an_update_resets_what_is_left_out",
            pools,
        ),
        case(
            "idp_aws::a_domain_is_one_pools_and_keeps_it_from_being_deleted",
            domains,
        ),
        case("idp_aws::groups_have_members_until_they_are_gone", groups),
        case(
            "idp_aws::in_an_email_pool_a_user_is_named_by_the_sub",
            email_pool,
        ),
        case("idp_aws::case_counts_as_the_pool_was_created", letter_case),
        case(
            "idp_aws::users_are_found_disabled_changed_and_deleted",
            users,
        ),
        case(
            "idp_aws::a_password_hears_of_the_first_rule_it_breaks",
            passwords,
        ),
        case(
            "idp_aws::a_client_has_defaults_and_an_update_resets_what_is_left_out",
            clients,
        ),
        case(
            "idp_aws::a_client_takes_the_flows_it_allows_and_no_other",
            flows,
        ),
        case(
            "idp_aws::a_temporary_password_must_be_changed_before_there_are_tokens",
            new_password,
        ),
        case(
            "idp_aws::tokens_are_refreshed_until_revoked_or_signed_out",
            tokens,
        ),
        case("idp_aws::a_pool_is_tagged_by_its_arn", tags),
        case(
            "idp_aws::an_operation_without_behaviour_names_itself",
            without_behaviour,
        ),
        case(
            "idp_aws::a_violated_constraint_is_told_before_anything_else",
            constraints,
        ),
        case("idp_aws::a_region_has_pools_of_its_own", regions),
        case("idp_aws::any_access_key_will_do", any_key),
        case("idp_aws::eks_associates_one_provider_and_lets_it_go", eks),
        case(
            "idp_aws::eks_refuses_what_a_cluster_could_not_trust",
            eks_refusals,
        ),
        case("idp_aws::eks_makes_clusters_and_deletes_them", eks_clusters),
        case("idp_aws::a_cluster_belongs_to_its_region", eks_regions),
    ]
}

const ANN: &str = "ann@example.com";
const PASSWORD: &str = "G00d-enough";
const ACCOUNT: &str = "123456789012";

/// A pool and the instance that it is in.
struct Pool {
    up: Up,
    id: String,
}

impl Pool {
    /// A pool made with `settings` in an instance of its own.
    fn create(settings: &str) -> Result<Self, Stop> {
        let up = Up::start(&[])?;
        let id = new_pool(&up, settings)?;
        Ok(Self { up, id })
    }

    /// A pool whose users sign in by their e-mail address, with Ann in it.
    fn with_ann() -> Result<Self, Stop> {
        let up = Up::start(&[])?;
        let mail = json!({"PoolName": "mail", "UsernameAttributes": ["email"]});
        let id = text(&up.cognito("CreateUserPool", mail)?["UserPool"]["Id"])?;
        up.cognito(
            "AdminCreateUser",
            json!({"UserPoolId": id, "Username": ANN}),
        )?;
        Ok(Self { up, id })
    }

    /// A client that takes passwords, and its id.
    fn password_client(&self) -> Result<String, Stop> {
        let flows = [
            "ALLOW_USER_PASSWORD_AUTH",
            "ALLOW_ADMIN_USER_PASSWORD_AUTH",
            "ALLOW_REFRESH_TOKEN_AUTH",
        ];
        let eks = json!({
            "UserPoolId": self.id, "ClientName": "eks", "ExplicitAuthFlows": flows,
        });
        let client = self.up.cognito("CreateUserPoolClient", eks)?;
        text(&client["UserPoolClient"]["ClientId"])
    }

    /// An operation on this pool.
    fn call(&self, words: &str) -> Result<Ran, Stop> {
        idp(&self.up, &format!("{words} --user-pool-id {}", self.id))
    }

    fn ok(&self, words: &str) -> Result<(), Stop> {
        self.call(words)?.ok().map(drop)
    }

    fn json(&self, words: &str) -> Result<Value, Stop> {
        self.call(words)?.ok()?.json()
    }

    fn refuses(&self, words: &str, kind: &str, message: &str) -> Result<(), Stop> {
        refused(self.call(words)?, kind, message)
    }

    fn arn(&self) -> String {
        format!(
            "arn:aws:cognito-idp:eu-west-2:{ACCOUNT}:userpool/{}",
            self.id
        )
    }
}

fn new_pool(up: &Up, settings: &str) -> Result<String, Stop> {
    let answer = idp(up, &format!("create-user-pool --pool-name mail {settings}"))?
        .ok()?
        .json()?;
    text(&answer["UserPool"]["Id"])
}

/// An operation of Cognito; no argument of ours holds a blank.
fn idp(up: &Up, words: &str) -> Result<Ran, Stop> {
    aws(up, "cognito-idp", words)
}

fn aws(up: &Up, service: &str, words: &str) -> Result<Ran, Stop> {
    let arguments: Vec<&str> = std::iter::once(service)
        .chain(words.split_whitespace())
        .collect();
    up.aws(&arguments)
}

/// Holds when the call failed by this error, with this message and no other.
fn refused(ran: Ran, kind: &str, message: &str) -> Result<(), Stop> {
    let ran = ran.refused()?;
    let said = ran.stderr.trim();
    let holds = said.contains(&format!("An error occurred ({kind}) when calling the "))
        && said.ends_with(&format!(" operation: {message}"));
    check(holds, || {
        format!("expected {kind}: {message:?}, but it is: {ran}")
    })
}

/// Fails unless `actual` is `expected`, member for member.
#[expect(
    clippy::needless_pass_by_value,
    reason = "every caller writes json!(…) in place"
)]
fn same(what: &str, actual: &Value, expected: Value) -> Result<(), Stop> {
    check(*actual == expected, || {
        format!("{what}: {actual} instead of {expected}")
    })
}

fn pools() -> Result<(), Stop> {
    let pool = Pool::create(
        "--policies PasswordPolicy={MinimumLength=12,RequireUppercase=true} \
         --user-pool-tags owner=us --username-attributes email",
    )?;
    let unlike = pool.id.strip_prefix("eu-west-2_").unwrap_or_default();
    check(
        unlike.len() == 9 && unlike.chars().all(|c| c.is_ascii_alphanumeric()),
        || format!("{} is no pool id", pool.id),
    )?;
    let made = &pool.json("describe-user-pool")?["UserPool"];
    for (member, expected) in [
        ("Name", json!("mail")),
        ("Arn", json!(pool.arn())),
        ("UsernameAttributes", json!(["email"])),
        ("UserPoolTags", json!({"owner": "us"})),
        ("MfaConfiguration", json!("OFF")),
        ("DeletionProtection", json!("INACTIVE")),
        ("UserPoolTier", json!("ESSENTIALS")),
        ("EstimatedNumberOfUsers", json!(0)),
        ("LambdaConfig", json!({})),
        (
            "AdminCreateUserConfig",
            json!({"AllowAdminCreateUserOnly": false, "UnusedAccountValidityDays": 7}),
        ),
    ] {
        same(member, &made[member], expected)?;
    }
    let policy = &made["Policies"]["PasswordPolicy"];
    same("policy", &policy["MinimumLength"], json!(12))?;

    pool.ok("update-user-pool --auto-verified-attributes email")?;
    let changed = &pool.json("describe-user-pool")?["UserPool"];
    for (member, expected) in [
        ("AutoVerifiedAttributes", json!(["email"])),
        ("Name", json!("mail")),
        ("UserPoolTags", json!({})),
        ("UserPoolTier", json!("ESSENTIALS")),
        (
            "Policies",
            json!({"PasswordPolicy": {
                "MinimumLength": 8,
                "RequireUppercase": true,
                "RequireLowercase": true,
                "RequireNumbers": true,
                "RequireSymbols": true,
                "TemporaryPasswordValidityDays": 7,
            }}),
        ),
    ] {
        same(member, &changed[member], expected)?;
    }

    let listed = idp(&pool.up, "list-user-pools --max-results 60")?
        .ok()?
        .json()?;
    same(
        "listed",
        &listed["UserPools"][0]["Id"],
        json!(pool.id.as_str()),
    )?;
    pool.ok("delete-user-pool")?;
    let gone = format!("User pool {} does not exist.", pool.id);
    pool.refuses("describe-user-pool", "ResourceNotFoundException", &gone)?;
    pool.refuses("delete-user-pool", "ResourceNotFoundException", &gone)
}

fn domains() -> Result<(), Stop> {
    let pool = Pool::create("")?;
    for (domain, word) in [("mycognito", "cognito"), ("lawsuit", "aws")] {
        pool.refuses(
            &format!("create-user-pool-domain --domain {domain}"),
            "InvalidParameterException",
            &format!("Domain cannot contain reserved word: {word}"),
        )?;
    }
    pool.ok("create-user-pool-domain --domain mine")?;
    pool.refuses(
        "create-user-pool-domain --domain second",
        "InvalidParameterException",
        "User pool already has a domain configured.",
    )?;
    let other = new_pool(&pool.up, "")?;
    refused(
        idp(
            &pool.up,
            &format!("create-user-pool-domain --domain mine --user-pool-id {other}"),
        )?,
        "InvalidParameterException",
        "Domain already associated with another user pool.",
    )?;
    let told = idp(&pool.up, "describe-user-pool-domain --domain mine")?
        .ok()?
        .json()?;
    let told = &told["DomainDescription"];
    for (member, expected) in [
        ("UserPoolId", json!(pool.id.as_str())),
        ("AWSAccountId", json!(ACCOUNT)),
        ("Domain", json!("mine")),
        ("Status", json!("ACTIVE")),
        ("ManagedLoginVersion", json!(1)),
    ] {
        same(member, &told[member], expected)?;
    }
    let unknown = idp(&pool.up, "describe-user-pool-domain --domain nobodys")?
        .ok()?
        .json()?;
    same("unknown", &unknown, json!({"DomainDescription": {}}))?;
    same(
        "the pool's",
        &pool.json("describe-user-pool")?["UserPool"]["Domain"],
        json!("mine"),
    )?;
    pool.refuses(
        "delete-user-pool",
        "InvalidParameterException",
        "User pool cannot be deleted. It has a domain configured that should be deleted first.",
    )?;
    pool.ok("delete-user-pool-domain --domain mine")?;
    pool.refuses(
        "delete-user-pool-domain --domain mine",
        "InvalidParameterException",
        "No such domain or user pool exists.",
    )?;
    pool.ok("delete-user-pool")
}

fn groups() -> Result<(), Stop> {
    let pool = Pool::with_ann()?;
    let made = pool.json("create-group --group-name admins --description Admins --precedence 1")?;
    let group = &made["Group"];
    for (member, expected) in [
        ("GroupName", json!("admins")),
        ("UserPoolId", json!(pool.id.as_str())),
        ("Description", json!("Admins")),
        ("Precedence", json!(1)),
    ] {
        same(member, &group[member], expected)?;
    }
    pool.refuses(
        "create-group --group-name admins",
        "GroupExistsException",
        "A group with the name already exists.",
    )?;
    // Cognito lets a group be called so; it is the cluster that must not believe it.
    pool.ok("create-group --group-name system:masters")?;
    let first = pool.json("list-groups --limit 1")?;
    same("a page", &first["Groups"][0], group.clone())?;
    let next = text(&first["NextToken"])?;
    let second = pool.json(&format!("list-groups --limit 1 --next-token {next}"))?;
    same(
        "the next page",
        &second["Groups"][0]["GroupName"],
        json!("system:masters"),
    )?;
    for missing in [
        "get-group --group-name nobodys".to_owned(),
        format!("admin-add-user-to-group --group-name nobodys --username {ANN}"),
    ] {
        pool.refuses(&missing, "ResourceNotFoundException", "Group not found.")?;
    }
    pool.refuses(
        "admin-add-user-to-group --group-name admins --username zoe@example.com",
        "UserNotFoundException",
        "User does not exist.",
    )?;
    let add = format!("admin-add-user-to-group --group-name admins --username {ANN}");
    pool.ok(&add)?;
    pool.ok(&add)?;
    let of_ann = format!("admin-list-groups-for-user --username {ANN}");
    same("hers", &pool.json(&of_ann)?["Groups"], json!([group]))?;
    let members = pool.json("list-users-in-group --group-name admins")?;
    let got = pool.json("get-group --group-name admins")?;
    same("the group itself", &got["Group"], group.clone())?;
    same(
        "members",
        &members["Users"][0]["Attributes"][1],
        json!({"Name": "email", "Value": ANN}),
    )?;
    pool.ok(&format!(
        "admin-remove-user-from-group --group-name admins --username {ANN}"
    ))?;
    same("hers now", &pool.json(&of_ann)?["Groups"], json!([]))?;
    pool.ok(&add)?;
    pool.ok("delete-group --group-name admins")?;
    same("hers at last", &pool.json(&of_ann)?["Groups"], json!([]))
}

fn email_pool() -> Result<(), Stop> {
    let pool = Pool::create("--username-attributes email")?;
    let made = &pool.json(&format!("admin-create-user --username {ANN}"))?["User"];
    let sub = &made["Username"];
    // `email_verified` is not among them: nobody said anything about it.
    let attributes = json!([
        {"Name": "sub", "Value": sub},
        {"Name": "email", "Value": ANN},
    ]);
    same("made", &made["Attributes"], attributes.clone())?;
    same(
        "status",
        &made["UserStatus"],
        json!("FORCE_CHANGE_PASSWORD"),
    )?;
    same("enabled", &made["Enabled"], json!(true))?;
    let sub = text(sub)?;
    for name in [ANN, &sub] {
        let got = pool.json(&format!("admin-get-user --username {name}"))?;
        same("name", &got["Username"], json!(sub))?;
        same("got", &got["UserAttributes"], attributes.clone())?;
    }
    pool.refuses(
        &format!("admin-create-user --username {ANN}"),
        "UsernameExistsException",
        "An account with the given email already exists.",
    )?;
    pool.refuses(
        "admin-create-user --username bob",
        "InvalidParameterException",
        "Username should be an email.",
    )?;
    let bob = pool.json(
        "admin-create-user --username bob@example.com --user-attributes Name=email_verified,Value=true",
    )?;
    check(
        bob["User"]["Attributes"]
            .as_array()
            .is_some_and(|all| all.contains(&json!({"Name": "email_verified", "Value": "true"}))),
        || format!("email_verified was given: {bob}"),
    )
}

fn letter_case() -> Result<(), Stop> {
    let counts = Pool::create("")?;
    counts.ok("admin-create-user --username ann")?;
    counts.ok("admin-create-user --username Ann")?;
    counts.refuses(
        "admin-create-user --username ann",
        "UsernameExistsException",
        "User account already exists",
    )?;
    counts.refuses(
        "admin-get-user --username ANN",
        "UserNotFoundException",
        "User does not exist.",
    )?;

    let id = new_pool(&counts.up, "--username-configuration CaseSensitive=false")?;
    let ignored = Pool { id, up: counts.up };
    ignored.ok("admin-create-user --username Ann")?;
    ignored.refuses(
        "admin-create-user --username ann",
        "UsernameExistsException",
        "User account already exists",
    )?;
    ignored.ok("admin-get-user --username ANN")
}

fn users() -> Result<(), Stop> {
    let pool = Pool::with_ann()?;
    pool.ok(
        "admin-create-user --username bob@example.com --user-attributes Name=email_verified,Value=true",
    )?;
    for (filter, found) in [
        (r#"email="ann@example.com""#, 1),
        (r#"email^="b""#, 1),
        (r#"cognito:user_status="CONFIRMED""#, 0),
    ] {
        let users = pool.json(&format!("list-users --filter {filter}"))?;
        same(
            filter,
            &json!(users["Users"].as_array().map(Vec::len)),
            json!(found),
        )?;
    }
    for (filter, message) in [
        (r#"email^="ann"#, "Error while parsing filter"),
        (r#"custom:x="1""#, "Invalid search attribute: custom:x"),
    ] {
        pool.refuses(
            &format!("list-users --filter {filter}"),
            "InvalidParameterException",
            message,
        )?;
    }

    let get = "admin-get-user --username bob@example.com";
    pool.ok("admin-disable-user --username bob@example.com")?;
    same("disabled", &pool.json(get)?["Enabled"], json!(false))?;
    pool.ok("admin-enable-user --username bob@example.com")?;
    same("enabled", &pool.json(get)?["Enabled"], json!(true))?;

    pool.ok(
        "admin-update-user-attributes --username bob@example.com --user-attributes Name=email,Value=rob@example.com",
    )?;
    let rob = pool.json("admin-get-user --username rob@example.com")?;
    let attributes = rob["UserAttributes"].as_array().cloned();
    check(
        attributes
            .is_some_and(|all| all.contains(&json!({"Name": "email_verified", "Value": "false"}))),
        || format!("a new address is not verified: {rob}"),
    )?;
    pool.refuses(
        "admin-update-user-attributes --username rob@example.com --user-attributes Name=shoe,Value=9",
        "InvalidParameterException",
        "Invalid user attributes: user.shoe: Attribute does not exist in the schema.",
    )?;
    pool.ok("admin-delete-user --username rob@example.com")?;
    for gone in ["admin-get-user", "admin-delete-user", "admin-disable-user"] {
        pool.refuses(
            &format!("{gone} --username rob@example.com"),
            "UserNotFoundException",
            "User does not exist.",
        )?;
    }
    Ok(())
}

fn passwords() -> Result<(), Stop> {
    let pool = Pool::with_ann()?;
    for (password, rule) in [
        ("aA1", "Password not long enough"),
        ("aaaa1111", "Password must have uppercase characters"),
        ("AAAA1111", "Password must have lowercase characters"),
        ("AAAAaaaa", "Password must have numeric characters"),
        ("AAAAaaa1", "Password must have symbol characters"),
    ] {
        pool.refuses(
            &format!("admin-set-user-password --username {ANN} --password {password} --permanent"),
            "InvalidPasswordException",
            &format!("Password did not conform with policy: {rule}"),
        )?;
    }
    pool.refuses(
        "admin-create-user --username bob@example.com --temporary-password weak",
        "InvalidPasswordException",
        "Password did not conform with policy: Password not long enough",
    )?;
    for (permanence, status) in [
        ("--permanent", "CONFIRMED"),
        ("--no-permanent", "FORCE_CHANGE_PASSWORD"),
    ] {
        pool.ok(&format!(
            "admin-set-user-password --username {ANN} --password {PASSWORD} {permanence}"
        ))?;
        let user = pool.json(&format!("admin-get-user --username {ANN}"))?;
        same(permanence, &user["UserStatus"], json!(status))?;
    }
    Ok(())
}

fn clients() -> Result<(), Stop> {
    let pool = Pool::create("")?;
    let made = &pool.json("create-user-pool-client --client-name plain")?["UserPoolClient"];
    let id = text(&made["ClientId"])?;
    check(
        id.len() == 26
            && id
                .chars()
                .all(|c| c.is_ascii_digit() || c.is_ascii_lowercase()),
        || format!("{id} is no client id"),
    )?;
    let described = pool.json(&format!("describe-user-pool-client --client-id {id}"))?;
    same("described", &described["UserPoolClient"], made.clone())?;
    for (member, expected) in [
        ("UserPoolId", json!(pool.id.as_str())),
        ("ClientName", json!("plain")),
        ("RefreshTokenValidity", json!(30)),
        ("AllowedOAuthFlowsUserPoolClient", json!(false)),
        ("EnableTokenRevocation", json!(true)),
        ("AuthSessionValidity", json!(3)),
        ("ClientSecret", Value::Null),
        ("CallbackURLs", Value::Null),
        ("ReadAttributes", Value::Null),
    ] {
        same(member, &made[member], expected)?;
    }
    // A single URL would be fetched: this CLI takes it for where the value is.
    let changed = pool.json(&format!(
        "update-user-pool-client --client-id {id} --id-token-validity 2 --read-attributes email \
         --callback-urls http://localhost:8000 http://localhost:18000"
    ))?;
    same(
        "validity",
        &changed["UserPoolClient"]["IdTokenValidity"],
        json!(2),
    )?;
    let told = &pool.json(&format!(
        "update-user-pool-client --client-id {id} --callback-urls http://localhost:8000 http://localhost:9000"
    ))?["UserPoolClient"];
    for (member, expected) in [
        ("ClientName", json!("plain")),
        (
            "CallbackURLs",
            json!(["http://localhost:8000", "http://localhost:9000"]),
        ),
        ("IdTokenValidity", Value::Null),
        ("ReadAttributes", Value::Null),
    ] {
        same(member, &told[member], expected)?;
    }
    let secret = pool.json("create-user-pool-client --client-name secret --generate-secret")?;
    let secret = text(&secret["UserPoolClient"]["ClientSecret"])?;
    check(secret.len() > 40, || "a secret is short".to_owned())?;
    let listed = pool.json("list-user-pool-clients")?;
    same(
        "listed",
        &listed["UserPoolClients"][0],
        json!({"ClientId": id, "UserPoolId": pool.id, "ClientName": "plain"}),
    )?;
    pool.ok(&format!("delete-user-pool-client --client-id {id}"))?;
    pool.refuses(
        &format!("describe-user-pool-client --client-id {id}"),
        "ResourceNotFoundException",
        &format!("User pool client {id} does not exist."),
    )
}

fn flows() -> Result<(), Stop> {
    let pool = Pool::with_ann()?;
    let plain = pool.json("create-user-pool-client --client-name plain")?;
    let plain = text(&plain["UserPoolClient"]["ClientId"])?;
    let start = |client: &str, flow: &str, parameters: &str| {
        idp(
            &pool.up,
            &format!(
                "initiate-auth --client-id {client} --auth-flow {flow} --auth-parameters {parameters}"
            ),
        )
    };
    let ann = format!("USERNAME={ANN},PASSWORD=wrong");
    refused(
        start(&plain, "USER_PASSWORD_AUTH", &ann)?,
        "InvalidParameterException",
        "USER_PASSWORD_AUTH flow not enabled for this client",
    )?;
    pool.refuses(
        &format!(
            "admin-initiate-auth --client-id {plain} --auth-flow ADMIN_USER_PASSWORD_AUTH --auth-parameters {ann}"
        ),
        "InvalidParameterException",
        "Auth flow not enabled for this client",
    )?;
    let client = pool.password_client()?;
    for (flow, parameters, kind, message) in [
        (
            "USER_PASSWORD_AUTH",
            ann.as_str(),
            "NotAuthorizedException",
            "Incorrect username or password.",
        ),
        (
            "USER_PASSWORD_AUTH",
            "USERNAME=zoe@example.com,PASSWORD=wrong",
            "UserNotFoundException",
            "User does not exist.",
        ),
        (
            "USER_PASSWORD_AUTH",
            "PASSWORD=wrong",
            "InvalidParameterException",
            "Missing required parameter USERNAME",
        ),
        (
            "ADMIN_USER_PASSWORD_AUTH",
            ann.as_str(),
            "InvalidParameterException",
            "Initiate Auth method not supported",
        ),
    ] {
        refused(start(&client, flow, parameters)?, kind, message)?;
    }
    pool.ok(&format!("admin-disable-user --username {ANN}"))?;
    refused(
        start(&client, "USER_PASSWORD_AUTH", &ann)?,
        "NotAuthorizedException",
        "User is disabled.",
    )?;
    refused(
        start("unknown", "USER_PASSWORD_AUTH", &ann)?,
        "ResourceNotFoundException",
        "User pool client unknown does not exist.",
    )
}

fn new_password() -> Result<(), Stop> {
    let pool = Pool::with_ann()?;
    let client = pool.password_client()?;
    pool.ok(&format!(
        "admin-set-user-password --username {ANN} --password {PASSWORD} --no-permanent"
    ))?;
    let challenge = idp(
        &pool.up,
        &format!(
            "initiate-auth --client-id {client} --auth-flow USER_PASSWORD_AUTH --auth-parameters USERNAME={ANN},PASSWORD={PASSWORD}"
        ),
    )?
    .ok()?
    .json()?;
    same(
        "challenge",
        &challenge["ChallengeName"],
        json!("NEW_PASSWORD_REQUIRED"),
    )?;
    same(
        "no tokens yet",
        &challenge["AuthenticationResult"],
        Value::Null,
    )?;
    let parameters = &challenge["ChallengeParameters"];
    same("required", &parameters["requiredAttributes"], json!("[]"))?;
    same(
        "attributes",
        &parameters["userAttributes"],
        json!(format!("{{\"email\":\"{ANN}\"}}")),
    )?;
    let session = text(&challenge["Session"])?;
    let answer = |operation: &str, password: &str| {
        format!(
            "{operation} --client-id {client} --challenge-name NEW_PASSWORD_REQUIRED --session {session} \
             --challenge-responses USERNAME={ANN},NEW_PASSWORD={password}"
        )
    };
    refused(
        idp(&pool.up, &answer("respond-to-auth-challenge", "weak"))?,
        "InvalidPasswordException",
        "Password did not conform with policy: Password not long enough",
    )?;
    let done = idp(
        &pool.up,
        &answer("respond-to-auth-challenge", "An0ther-one"),
    )?
    .ok()?
    .json()?;
    let result = &done["AuthenticationResult"];
    same("type", &result["TokenType"], json!("Bearer"))?;
    same("lifetime", &result["ExpiresIn"], json!(3600))?;
    let claims = claims(&text(&result["IdToken"])?);
    same("email", &claims["email"], json!(ANN))?;
    same("email_verified", &claims["email_verified"], Value::Null)?;
    same("groups", &claims["cognito:groups"], Value::Null)?;
    pool.refuses(
        &answer("admin-respond-to-auth-challenge", "An0ther-one"),
        "NotAuthorizedException",
        "Invalid session for the user, session can only be used once.",
    )?;
    let user = pool.json(&format!("admin-get-user --username {ANN}"))?;
    same("status", &user["UserStatus"], json!("CONFIRMED"))?;

    // The administrator's way.
    pool.ok(&format!(
        "admin-set-user-password --username {ANN} --password {PASSWORD} --no-permanent"
    ))?;
    let challenge = pool.json(&format!(
        "admin-initiate-auth --client-id {client} --auth-flow ADMIN_USER_PASSWORD_AUTH --auth-parameters USERNAME={ANN},PASSWORD={PASSWORD}"
    ))?;
    let session = text(&challenge["Session"])?;
    let done = pool.json(&format!(
        "admin-respond-to-auth-challenge --client-id {client} --challenge-name NEW_PASSWORD_REQUIRED --session {session} \
         --challenge-responses USERNAME={ANN},NEW_PASSWORD=Y3t-another"
    ))?;
    let token = text(&done["AuthenticationResult"]["IdToken"])?;
    same("who", &crate::rig::claims(&token)["email"], json!(ANN))
}

fn tokens() -> Result<(), Stop> {
    let pool = Pool::with_ann()?;
    let client = pool.password_client()?;
    pool.ok(&format!(
        "admin-set-user-password --username {ANN} --password {PASSWORD} --permanent"
    ))?;
    let sign_in = || -> Result<(String, String), Stop> {
        let answer = pool.json(&format!(
            "admin-initiate-auth --client-id {client} --auth-flow ADMIN_USER_PASSWORD_AUTH --auth-parameters USERNAME={ANN},PASSWORD={PASSWORD}"
        ))?;
        let result = &answer["AuthenticationResult"];
        Ok((
            text(&result["AccessToken"])?,
            text(&result["RefreshToken"])?,
        ))
    };
    let refresh = |token: &str| {
        idp(
            &pool.up,
            &format!(
                "initiate-auth --client-id {client} --auth-flow REFRESH_TOKEN_AUTH --auth-parameters REFRESH_TOKEN={token}"
            ),
        )
    };
    let who = |token: &str| idp(&pool.up, &format!("get-user --access-token {token}"));

    let (access, first) = sign_in()?;
    let me = who(&access)?.ok()?.json()?;
    same(
        "me",
        &me["UserAttributes"],
        json!([
            {"Name": "sub", "Value": me["Username"]},
            {"Name": "email", "Value": ANN},
        ]),
    )?;
    same("a status is not shown", &me["UserStatus"], Value::Null)?;
    let fresh = refresh(&first)?.ok()?.json()?;
    let fresh = &fresh["AuthenticationResult"];
    check(fresh["IdToken"].is_string(), || {
        "no new ID token".to_owned()
    })?;
    same(
        "no other refresh token",
        &fresh["RefreshToken"],
        Value::Null,
    )?;
    idp(
        &pool.up,
        &format!("revoke-token --client-id {client} --token {first}"),
    )?
    .ok()?;
    let revoked = "NotAuthorizedException";
    refused(refresh(&first)?, revoked, "Refresh Token has been revoked")?;
    refused(who(&access)?, revoked, "Access Token has been revoked")?;

    let (access, second) = sign_in()?;
    pool.ok(&format!("admin-user-global-sign-out --username {ANN}"))?;
    refused(refresh(&second)?, revoked, "Refresh Token has been revoked")?;
    refused(who(&access)?, revoked, "Access Token has been revoked")?;
    refused(who("not.a.token")?, revoked, "Invalid Access Token")
}

fn tags() -> Result<(), Stop> {
    let pool = Pool::create("--user-pool-tags owner=us")?;
    let arn = pool.arn();
    idp(
        &pool.up,
        &format!("tag-resource --resource-arn {arn} --tags team=blue,owner=them"),
    )?
    .ok()?;
    idp(
        &pool.up,
        &format!("untag-resource --resource-arn {arn} --tag-keys team"),
    )?
    .ok()?;
    let told = idp(
        &pool.up,
        &format!("list-tags-for-resource --resource-arn {arn}"),
    )?
    .ok()?
    .json()?;
    same("tags", &told["Tags"], json!({"owner": "them"}))?;
    refused(
        idp(
            &pool.up,
            &format!("list-tags-for-resource --resource-arn {arn}x"),
        )?,
        "ResourceNotFoundException",
        &format!("User pool {}x does not exist.", pool.id),
    )
}

fn without_behaviour() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    for (words, operation) in [
        (
            "describe-risk-configuration --user-pool-id eu-west-2_aaaaaaaaa",
            "DescribeRiskConfiguration",
        ),
        ("list-devices --access-token a", "ListDevices"),
    ] {
        refused(
            idp(&up, words)?,
            "NotImplementedException",
            &format!("rolecall's mock of Cognito does not implement {operation} yet"),
        )?;
    }
    refused(
        aws(&up, "eks", "list-nodegroups --cluster-name kubedemy")?,
        "NotImplementedException",
        "rolecall's EKS front does not implement GET /clusters/kubedemy/node-groups; docs/fidelity.md lists what it does",
    )
}

fn constraints() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    // The CLI checks what must be there and minima itself; the rest is ours.
    for (words, violation) in [
        (
            "create-user-pool --pool-name what?!",
            r"Value 'what?!' at 'poolName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w\s+=,.@-]+",
        ),
        (
            "list-user-pools --max-results 61",
            "Value '61' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 60",
        ),
        (
            "create-user-pool --pool-name mail --username-attributes shoe",
            "Value '[shoe]' at 'usernameAttributes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [phone_number, email]]",
        ),
    ] {
        refused(
            idp(&up, words)?,
            "InvalidParameterException",
            &format!("1 validation error detected: {violation}"),
        )?;
    }
    Ok(())
}

fn regions() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let id = new_pool(&up, "--region us-east-1")?;
    check(id.starts_with("us-east-1_"), || {
        format!("{id} is not of the region that was asked")
    })?;
    idp(
        &up,
        &format!("describe-user-pool --user-pool-id {id} --region us-east-1"),
    )?
    .ok()?
    .says(&format!(
        "arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/{id}"
    ))?;
    refused(
        idp(&up, &format!("describe-user-pool --user-pool-id {id}"))?,
        "ResourceNotFoundException",
        &format!("User pool {id} does not exist."),
    )
}

fn any_key() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "nobodys"),
    ];
    for words in [
        ["cognito-idp", "list-user-pools", "--max-results=1"].as_slice(),
        &["eks", "list-clusters"],
    ] {
        up.run_with(&programs::aws()?, words, &keys)?.ok()?;
    }
    // STS is where keys are told apart.
    up.run_with(&programs::aws()?, &["sts", "get-caller-identity"], &keys)?
        .refused()?
        .says("InvalidClientTokenId")
        .map(drop)
}

const CONFIG: &str = "--cluster-name kubedemy --identity-provider-config type=oidc,name=pool";

fn associate(options: &str) -> String {
    format!(
        "associate-identity-provider-config --cluster-name kubedemy \
         --oidc identityProviderConfigName=pool,clientId=c,{options}"
    )
}

fn eks() -> Result<(), Stop> {
    let up = Up::start(&["--association-delay", "10m"])?;
    let json = |words: &str| -> Result<Value, Stop> { aws(&up, "eks", words)?.ok()?.json() };
    // An issuer that does not answer is no reason to refuse: the tokens fail.
    let issuer = "https://127.0.0.1:1/pool";
    let asked = json(&format!(
        "{} --tags owner=us",
        associate(&format!("issuerUrl={issuer},groupsPrefix=oidc:"))
    ))?;
    let update = &asked["update"];
    same("status", &update["status"], json!("InProgress"))?;
    same(
        "type",
        &update["type"],
        json!("AssociateIdentityProviderConfig"),
    )?;
    let update = text(&update["id"])?;
    let describe = format!("describe-identity-provider-config {CONFIG}");
    let told = &json(&describe)?["identityProviderConfig"]["oidc"];
    for (member, expected) in [
        ("identityProviderConfigName", json!("pool")),
        ("clusterName", json!("kubedemy")),
        ("issuerUrl", json!(issuer)),
        ("clientId", json!("c")),
        ("groupsPrefix", json!("oidc:")),
        ("usernameClaim", Value::Null),
        ("tags", json!({"owner": "us"})),
        ("status", json!("CREATING")),
    ] {
        same(member, &told[member], expected)?;
    }
    refused(
        aws(
            &up,
            "eks",
            &associate("issuerUrl=https://127.0.0.1:1/other"),
        )?,
        "ResourceInUseException",
        "Cluster kubedemy already has an identity provider configuration associated: pool",
    )?;
    refused(
        aws(
            &up,
            "eks",
            &format!("disassociate-identity-provider-config {CONFIG}"),
        )?,
        "ResourceInUseException",
        "Identity provider config pool is being updated",
    )?;

    up.control("POST", "clock", &json!({"advance": "10m"}))?;
    up.await_active("pool")?;
    let update = json(&format!(
        "describe-update --name kubedemy --update-id {update}"
    ))?;
    same("update", &update["update"]["status"], json!("Successful"))?;
    let listed = json("list-identity-provider-configs --cluster-name kubedemy")?;
    same(
        "listed",
        &listed["identityProviderConfigs"],
        json!([{"type": "oidc", "name": "pool"}]),
    )?;
    let arn = text(&told["identityProviderConfigArn"])?;
    aws(
        &up,
        "eks",
        &format!("tag-resource --resource-arn {arn} --tags team=blue"),
    )?
    .ok()?;
    let tags = json(&format!("list-tags-for-resource --resource-arn {arn}"))?;
    same(
        "tags",
        &tags["tags"],
        json!({"owner": "us", "team": "blue"}),
    )?;

    let asked = json(&format!("disassociate-identity-provider-config {CONFIG}"))?;
    same(
        "type",
        &asked["update"]["type"],
        json!("DisassociateIdentityProviderConfig"),
    )?;
    same(
        "on its way",
        &json(&describe)?["identityProviderConfig"]["oidc"]["status"],
        json!("DELETING"),
    )?;
    up.control("POST", "clock", &json!({"advance": "10m"}))?;
    refused(
        aws(&up, "eks", &describe)?,
        "ResourceNotFoundException",
        "No identity provider config found for name: pool.",
    )
}

fn eks_refusals() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    for (options, message) in [
        (
            "issuerUrl=https://127.0.0.1:1/pool,groupsPrefix=system:",
            "The groupsPrefix must not contain \"system:\"",
        ),
        (
            "issuerUrl=https://127.0.0.1:1/pool,usernamePrefix=system:",
            "The usernamePrefix must not contain \"system:\"",
        ),
        (
            "issuerUrl=http://127.0.0.1:1/pool",
            "jwt[0].issuer.url: Invalid value: \"http://127.0.0.1:1/pool\": URL scheme must be https",
        ),
    ] {
        refused(
            aws(&up, "eks", &associate(options))?,
            "InvalidParameterException",
            message,
        )?;
    }
    let nameless = associate("issuerUrl=https://127.0.0.1:1/pool").replace(
        "identityProviderConfigName=pool",
        "identityProviderConfigName=",
    );
    refused(
        aws(&up, "eks", &nameless)?,
        "InvalidParameterException",
        "identityProviderConfigName must have 1 to 100 characters",
    )?;
    let nowhere = associate("issuerUrl=https://127.0.0.1:1/pool").replace("kubedemy", "nowhere");
    for words in [
        nowhere.as_str(),
        "describe-cluster --name nowhere",
        "list-identity-provider-configs --cluster-name nowhere",
    ] {
        refused(
            aws(&up, "eks", words)?,
            "ResourceNotFoundException",
            "No cluster found for name: nowhere.",
        )?;
    }
    refused(
        aws(
            &up,
            "eks",
            "describe-update --name kubedemy --update-id none",
        )?,
        "ResourceNotFoundException",
        "No update found for ID: none",
    )
}

fn eks_clusters() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let create = "create-cluster --name second --role-arn arn:aws:iam::123456789012:role/eks --resources-vpc-config subnetIds=subnet-1,subnet-2";
    refused(
        aws(&up, "eks", &format!("{create} --kubernetes-version 9.99"))?,
        "InvalidParameterException",
        "unsupported Kubernetes version 9.99",
    )?;
    let made = aws(&up, "eks", create)?.ok()?.json()?;
    same("status", &made["cluster"]["status"], json!("CREATING"))?;
    refused(
        aws(&up, "eks", create)?,
        "ResourceInUseException",
        "Cluster already exists with name: second",
    )?;
    aws(&up, "eks", "wait cluster-active --name second")?.ok()?;
    let listed = aws(&up, "eks", "list-clusters")?.ok()?.json()?;
    same("listed", &listed["clusters"], json!(["kubedemy", "second"]))?;
    let endpoint = |name: &str| -> Result<Value, Stop> {
        let told = aws(&up, "eks", &format!("describe-cluster --name {name}"))?
            .ok()?
            .json()?;
        Ok(told["cluster"]["endpoint"].clone())
    };
    let (first, second) = (endpoint("kubedemy")?, endpoint("second")?);
    check(second.is_string() && first != second, || {
        format!("{first} and {second} are to be two addresses")
    })?;
    let gone = aws(&up, "eks", "delete-cluster --name second")?
        .ok()?
        .json()?;
    same("deleted", &gone["cluster"]["status"], json!("DELETING"))?;
    refused(
        aws(&up, "eks", "describe-cluster --name second")?,
        "ResourceNotFoundException",
        "No cluster found for name: second.",
    )
}

fn eks_regions() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let there = |words: &str| aws(&up, "eks", &format!("{words} --region us-east-1"));
    let listed = there("list-clusters")?.ok()?.json()?;
    same("listed", &listed["clusters"], json!([]))?;
    refused(
        there("describe-cluster --name kubedemy")?,
        "ResourceNotFoundException",
        "No cluster found for name: kubedemy.",
    )?;
    let made = there("create-cluster --name kubedemy --role-arn arn:aws:iam::123456789012:role/eks --resources-vpc-config subnetIds=subnet-1,subnet-2")?
        .ok()?
        .json()?;
    same(
        "its ARN",
        &made["cluster"]["arn"],
        json!("arn:aws:eks:us-east-1:123456789012:cluster/kubedemy"),
    )?;
    there("wait cluster-active --name kubedemy")?.ok()?;
    there("delete-cluster --name kubedemy")?.ok()?;
    aws(&up, "eks", "describe-cluster --name kubedemy")?
        .ok()
        .map(drop)
}
