//! The tutorial's commands, steps 1–7 and 9, by the real aws and kubectl.

use harness::cluster::Kind;
use harness::login::Session;
use serde_json::{Value, json};

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Up, check, eventually};
use crate::table::Row;

/// Who logs in.
pub const USER: &str = "test@kubedemy.io";
const TEMPORARY: &str = "H3lloW@rlD";
/// The person's own, from the first login on.
pub const PASSWORD: &str = "N3w-H3lloW@rlD";

/// The whole way, with the newest kubectl.
pub const ROWS: [Row; 1] = [("tutorial::steps_1_to_9_with_kubectl_v1.37", |up| {
    up.keeps_kubeconfig(|| steps(up, "v1.37"))?;
    up.disassociate("kubedemy")
})];

/// The whole way under AWS' names; and what kubectl has to do with it by the older
/// one, where what comes before is made without the aws CLI.
pub fn cases() -> Vec<Case> {
    let all: [(&str, &str, Kind, &[&str]); 6] = [
        ("v1.34", "", Kind::Embedded, &[]),
        ("v1.34", "_on_a_real_control_plane", Kind::ControlPlane, &[]),
        (
            "v1.34",
            "_under_aws_names",
            Kind::Embedded,
            &["--aws-hosts"],
        ),
        (
            "v1.37",
            "_under_aws_names",
            Kind::Embedded,
            &["--aws-hosts"],
        ),
        (
            "v1.37",
            "_on_a_real_control_plane_under_aws_names",
            Kind::ControlPlane,
            &["--aws-hosts"],
        ),
        (
            "v1.37",
            "_on_kind_under_aws_names",
            Kind::Kind,
            &["--aws-hosts"],
        ),
    ];
    all.map(|(version, mode, kind, arguments)| {
        case(
            format!("tutorial::steps_1_to_9_with_kubectl_{version}{mode}"),
            move || steps(&Up::start_on(kind, arguments)?, version),
        )
    })
    .into()
}

fn steps(up: &Up, kubectl: &'static str) -> Result<(), Stop> {
    let (pool, client) = if kubectl == programs::KUBECTLS[0] {
        let (pool, client) = made(up)?;
        associated(up, &pool, &client)?;
        (pool, client)
    } else {
        let (pool, client) = steps_1_to_5(up)?;
        step_6(up, &pool, &client)?;
        (pool, client)
    };
    up.kubectl(
        kubectl,
        &[
            "create",
            "clusterrolebinding",
            "oidc:admins",
            "--clusterrole",
            "cluster-admin",
            "--group",
            "oidc:admins",
        ],
    )?
    .ok()?
    .says("clusterrolebinding.rbac.authorization.k8s.io/oidc:admins created")?;
    let session = log_in(up, &pool, &client)?;
    check(session.password_changed, || {
        "no new password was asked for".to_owned()
    })?;
    let token = session.id_token.expose().clone();
    step_9(up, kubectl, &token)?;

    let whoami = up
        .kubectl(kubectl, &["auth", "whoami", "-o", "json"])?
        .ok()?
        .json()?;
    let user = &whoami["status"]["userInfo"];
    check(user["username"] == USER, || format!("whoami says {user}"))?;
    check(
        user["groups"] == serde_json::json!(["oidc:admins", "system:authenticated"]),
        || format!("whoami says {user}"),
    )?;
    let list = up
        .kubectl(kubectl, &["auth", "can-i", "--list"])?
        .ok()?
        .stdout;
    let rows: Vec<Vec<&str>> = list
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    check(rows.contains(&vec!["*.*", "[]", "[]", "[*]"]), || {
        list.clone()
    })?;
    check(rows.contains(&vec!["[*]", "[]", "[*]"]), || list.clone())?;
    up.kubectl(kubectl, &["auth", "can-i", "delete", "nodes"])?
        .ok()?
        .says("yes")?;
    up.kubectl(kubectl, &["get", "nodes"])?.ok()?;

    let admin = up.dir().join("admin.kubeconfig");
    let admin = format!("--kubeconfig={}", admin.display());
    up.kubectl(
        kubectl,
        &[&admin, "delete", "clusterrolebinding", "oidc:admins"],
    )?
    .ok()?;
    // A real authorizer follows its storage by some milliseconds.
    eventually("the binding's end is seen", || {
        let may = up.kubectl(kubectl, &["auth", "can-i", "delete", "nodes"])?;
        Ok(may.code == Some(1) && may.says("no").is_ok())
    })?;
    up.kubectl(kubectl, &["get", "nodes"])?.refused()?.says(
        "nodes is forbidden: User \"test@kubedemy.io\" cannot list resource \"nodes\" in API group \"\" at the cluster scope",
    )?;

    let audit = std::fs::read_to_string(up.dir().join("audit.log")).map_err(|e| e.to_string())?;
    check(audit.contains(USER), || {
        "the audit log does not hold the e-mail".to_owned()
    })?;
    let events: Vec<Value> = audit
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    check(events.len() == audit.lines().count(), || {
        "a line of the audit log is not JSON".to_owned()
    })?;
    for (decision, reason) in [
        (
            "allow",
            "RBAC: allowed by ClusterRoleBinding \"oidc:admins\" of ClusterRole \"cluster-admin\" to Group \"oidc:admins\"",
        ),
        ("forbid", ""),
    ] {
        let found = events.iter().any(|event| {
            event["user"]["username"] == USER
                && event["annotations"]["authorization.k8s.io/decision"] == decision
                && event["annotations"]["authorization.k8s.io/reason"] == reason
        });
        check(found, || {
            format!("no {decision} of {USER} with reason {reason:?} in the audit log")
        })?;
    }
    for secret in [token.as_str(), TEMPORARY, PASSWORD] {
        check(!audit.contains(secret), || {
            "a secret is in the audit log".to_owned()
        })?;
        check(!up.log().contains(secret), || {
            "a secret is in the log".to_owned()
        })?;
    }
    Ok(())
}

/// Steps 1 to 5; returns the pool's and the client's id.
fn steps_1_to_5(up: &Up) -> Result<(String, String), Stop> {
    let pool = up
        .aws(&[
            "cognito-idp", "create-user-pool", "--pool-name", "kubedemy",
            "--policies", "PasswordPolicy={MinimumLength=8,RequireUppercase=true,RequireLowercase=true,RequireNumbers=true,RequireSymbols=true,TemporaryPasswordValidityDays=7}",
            "--deletion-protection", "INACTIVE",
            "--username-attributes", "email",
            "--username-configuration", "CaseSensitive=false",
            "--admin-create-user-config", "AllowAdminCreateUserOnly=true",
            "--user-pool-tags", "owner=kubedemy",
        ])?
        .ok()?
        .json()?;
    let pool = text(&pool["UserPool"]["Id"])?;
    // The tutorial opens the base address before there is a domain, and again after.
    let base = format!("{}/{pool}", up.ready().issuer_base);
    let dead = r#"{"code":"BadRequest","message":"The server did not understand the operation that was requested.","type":"client"}"#;
    check(get(up, &base)?.trim() == dead, || {
        "the base address answers something else".to_owned()
    })?;
    let before = discovery(up, &base)?;
    check(
        text(&before["authorization_endpoint"])?.starts_with(&base),
        || before.to_string(),
    )?;
    check(
        get(up, &text(&before["authorization_endpoint"])?)?.trim() == dead,
        || "the endpoint without a domain is not dead".to_owned(),
    )?;
    up.aws(&[
        "cognito-idp",
        "create-user-pool-domain",
        "--user-pool-id",
        &pool,
        "--domain",
        "kubedemyeksoidc",
    ])?
    .ok()?;
    let after = discovery(up, &base)?;
    let domain = match up.ready().proxy {
        None => format!("{}/domains/kubedemyeksoidc", up.ready().origin),
        Some(_) => "https://kubedemyeksoidc.auth.eu-west-2.amazoncognito.com".to_owned(),
    };
    let authorize = format!("{domain}/oauth2/authorize");
    check(text(&after["authorization_endpoint"])? == authorize, || {
        after.to_string()
    })?;
    check(after["issuer"] == base.as_str(), || {
        "the issuer is not the URL asked".to_owned()
    })?;
    up.aws(&[
        "cognito-idp",
        "create-group",
        "--user-pool-id",
        &pool,
        "--group-name",
        "admins",
        "--description",
        "Kubernetes Admins",
    ])?
    .ok()?;
    up.aws(&[
        "cognito-idp",
        "admin-create-user",
        "--user-pool-id",
        &pool,
        "--username",
        USER,
    ])?
    .ok()?;
    up.aws(&[
        "cognito-idp",
        "admin-add-user-to-group",
        "--user-pool-id",
        &pool,
        "--username",
        USER,
        "--group-name",
        "admins",
    ])?
    .ok()?;
    up.aws(&[
        "cognito-idp",
        "admin-set-user-password",
        "--user-pool-id",
        &pool,
        "--username",
        USER,
        "--password",
        TEMPORARY,
        "--no-permanent",
    ])?
    .ok()?;
    let client = up
        .aws(&[
            "cognito-idp",
            "create-user-pool-client",
            "--user-pool-id",
            &pool,
            "--client-name",
            "eks",
            "--no-generate-secret",
            "--read-attributes",
            "profile",
            "email",
            "--write-attributes",
            "profile",
            "--supported-identity-providers",
            "COGNITO",
            "--callback-urls",
            "http://localhost:8000",
            "http://localhost:18000",
            "--allowed-o-auth-flows",
            "code",
            "--allowed-o-auth-scopes",
            "openid",
            "profile",
            "email",
            "--allowed-o-auth-flows-user-pool-client",
        ])?
        .ok()?
        .json()?;
    Ok((pool, text(&client["UserPoolClient"]["ClientId"])?))
}

/// What steps 1 to 5 make, for cases that are about something else: the same calls,
/// without a second of Python for each.
pub fn made(up: &Up) -> Result<(String, String), Stop> {
    let pool = up.cognito(
        "CreateUserPool",
        json!({
            "PoolName": "kubedemy", "UsernameAttributes": ["email"],
            "UsernameConfiguration": {"CaseSensitive": false},
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true},
        }),
    )?;
    let pool = text(&pool["UserPool"]["Id"])?;
    let person = json!({"UserPoolId": pool, "Username": USER});
    let with = |more: Value| {
        let mut all = person.clone();
        let members = more.as_object().into_iter().flatten();
        members.for_each(|(name, value)| all[name] = value.clone());
        all
    };
    up.cognito(
        "CreateUserPoolDomain",
        json!({"UserPoolId": pool, "Domain": "kubedemyeksoidc"}),
    )?;
    let group = json!({"GroupName": "admins"});
    up.cognito(
        "CreateGroup",
        json!({"UserPoolId": pool, "GroupName": "admins"}),
    )?;
    up.cognito("AdminCreateUser", person.clone())?;
    up.cognito("AdminAddUserToGroup", with(group))?;
    let password = json!({"Password": TEMPORARY, "Permanent": false});
    up.cognito("AdminSetUserPassword", with(password))?;
    let client = up.cognito(
        "CreateUserPoolClient",
        json!({
            "UserPoolId": pool, "ClientName": "eks", "GenerateSecret": false,
            "ReadAttributes": ["profile", "email"], "WriteAttributes": ["profile"],
            "SupportedIdentityProviders": ["COGNITO"],
            "CallbackURLs": ["http://localhost:8000", "http://localhost:18000"],
            "AllowedOAuthFlows": ["code"],
            "AllowedOAuthScopes": ["openid", "profile", "email"],
            "AllowedOAuthFlowsUserPoolClient": true,
        }),
    )?;
    Ok((pool, text(&client["UserPoolClient"]["ClientId"])?))
}

/// Takes back what steps 1 to 5 made.
pub fn without_pool(up: &Up, pool: &str) -> Result<(), Stop> {
    let domain = json!({"UserPoolId": pool, "Domain": "kubedemyeksoidc"});
    up.cognito("DeleteUserPoolDomain", domain)?;
    up.cognito("DeleteUserPool", json!({"UserPoolId": pool}))
        .map(drop)
}

/// Step 6 in the same way, without the wait.
pub fn associate(up: &Up, pool: &str, client: &str) -> Result<(), Stop> {
    let issuer = format!("{}/{pool}", up.ready().issuer_base);
    up.associate(json!({
        "identityProviderConfigName": "kubedemy", "issuerUrl": issuer, "clientId": client,
        "usernameClaim": "email", "groupsClaim": "cognito:groups", "groupsPrefix": "oidc:",
    }))
}

/// Step 6 in the same way, and the wait.
pub fn associated(up: &Up, pool: &str, client: &str) -> Result<(), Stop> {
    associate(up, pool, client)?;
    up.await_active("kubedemy")
}

/// The person logs in for the first time, and chooses a password.
pub fn log_in(up: &Up, pool: &str, client: &str) -> Result<Session, Stop> {
    up.login(pool, client, USER, TEMPORARY, PASSWORD)
}

/// Step 6, and the wait.
fn step_6(up: &Up, pool: &str, client: &str) -> Result<(), Stop> {
    let issuer = format!("{}/{pool}", up.ready().issuer_base);
    up.aws(&[
        "eks", "associate-identity-provider-config", "--cluster-name", "kubedemy",
        "--oidc", &format!("identityProviderConfigName=kubedemy,issuerUrl={issuer},clientId={client},usernameClaim=email,groupsClaim=cognito:groups,groupsPrefix=oidc:"),
        "--tags", "owner=kubedemy",
    ])?
    .ok()?;
    up.await_active("kubedemy")?;
    let described = up.aws(&[
        "eks",
        "describe-identity-provider-config",
        "--cluster-name",
        "kubedemy",
        "--identity-provider-config",
        "type=oidc,name=kubedemy",
    ])?;
    let described = described.ok()?.json()?;
    let status = &described["identityProviderConfig"]["oidc"]["status"];
    check(status == "ACTIVE", || described.to_string())
}

/// Step 9; the user entry carries the token until kubelogin comes.
fn step_9(up: &Up, kubectl: &str, token: &str) -> Result<(), Stop> {
    let endpoint = up
        .aws(&[
            "eks",
            "describe-cluster",
            "--name",
            "kubedemy",
            "--query",
            "cluster.endpoint",
            "--output",
            "text",
        ])?
        .ok()?
        .stdout;
    let ca = up
        .aws(&[
            "eks",
            "describe-cluster",
            "--name",
            "kubedemy",
            "--query",
            "cluster.certificateAuthority",
            "--output",
            "text",
        ])?
        .ok()?
        .stdout;
    let ca_file = up.scratch().join("ca.crt");
    let pem = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD
            .decode(ca.trim())
            .map_err(|error| error.to_string())?
    };
    std::fs::write(&ca_file, pem).map_err(|error| error.to_string())?;
    let server = format!("--server={}", endpoint.trim());
    let authority = format!("--certificate-authority={}", ca_file.display());
    up.kubectl(
        kubectl,
        &[
            "config",
            "set-cluster",
            "kubedemy",
            &server,
            &authority,
            "--embed-certs=true",
        ],
    )?
    .ok()?;
    up.kubectl(
        kubectl,
        &[
            "config",
            "set-credentials",
            "oidc",
            &format!("--token={token}"),
        ],
    )?
    .ok()?;
    up.kubectl(
        kubectl,
        &[
            "config",
            "set-context",
            "default",
            "--cluster",
            "kubedemy",
            "--user",
            "oidc",
        ],
    )?
    .ok()?;
    up.kubectl(kubectl, &["config", "use-context", "default"])?
        .ok()?;
    Ok(())
}

fn discovery(up: &Up, base: &str) -> Result<Value, Stop> {
    let text = get(up, &format!("{base}/.well-known/openid-configuration"))?;
    serde_json::from_str(&text).map_err(|error| Stop::Fail(format!("{error}: {text}")))
}

fn get(up: &Up, url: &str) -> Result<String, Stop> {
    let http = up.https()?;
    crate::rig::block_on(async {
        let response = http
            .get(url)
            .send()
            .await
            .map_err(|error| error.to_string())?;
        response
            .text()
            .await
            .map_err(|error| Stop::Fail(error.to_string()))
    })
}

/// A JSON string.
pub fn text(value: &Value) -> Result<String, Stop> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Stop::Fail(format!("{value} is not a string")))
}
