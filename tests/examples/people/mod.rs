//! A pool that a cluster is told to trust, and people who sign in to it, all by
//! AWS' API.

use harness::client::AwsClient;
use http::Method;
use serde_json::{Value, json};

use crate::Error;

const PASSWORD: &str = "H3lloW@rlD";

/// A pool whose people log in with their e-mail addresses.
pub struct Pool<'a> {
    aws: &'a AwsClient,
    id: String,
    client: Value,
}

impl<'a> Pool<'a> {
    /// Makes it, with a client, and tells the cluster to trust it: in effect a
    /// moment later. Groups are prefixed with `oidc:`.
    pub async fn trusted(
        aws: &'a AwsClient,
        issuer_base: &str,
        cluster: &str,
    ) -> Result<Self, Error> {
        let input = json!({"PoolName": "people", "UsernameAttributes": ["email"]});
        let made = aws.cognito("CreateUserPool", &input).await?;
        let id = made["UserPool"]["Id"].as_str().ok_or("no pool")?.to_owned();
        let mut pool = Self {
            aws,
            id,
            client: Value::Null,
        };
        let input =
            json!({"ClientName": "c", "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]});
        let made = pool.call("CreateUserPoolClient", input).await?;
        pool.client = made["UserPoolClient"]["ClientId"].clone();
        let trust = json!({"oidc": {
            "identityProviderConfigName": "people", "issuerUrl": format!("{issuer_base}/{}", pool.id),
            "clientId": pool.client, "usernameClaim": "email",
            "groupsClaim": "cognito:groups", "groupsPrefix": "oidc:",
        }});
        let associate = format!("/clusters/{cluster}/identity-provider-configs/associate");
        aws.eks(Method::POST, &associate, &trust).await?;
        Ok(pool)
    }

    async fn call(&self, operation: &str, mut input: Value) -> Result<Value, Error> {
        input["UserPoolId"] = json!(self.id);
        Ok(self.aws.cognito(operation, &input).await?)
    }

    /// Somebody new, in a group of their own where one is named: their ID token.
    pub async fn sign_in(&self, name: &str, group: Option<&str>) -> Result<String, Error> {
        self.call("AdminCreateUser", json!({"Username": name}))
            .await?;
        let password = json!({"Username": name, "Password": PASSWORD, "Permanent": true});
        self.call("AdminSetUserPassword", password).await?;
        if let Some(group) = group {
            self.call("CreateGroup", json!({"GroupName": group}))
                .await?;
            let joins = json!({"Username": name, "GroupName": group});
            self.call("AdminAddUserToGroup", joins).await?;
        }
        let sign_in = json!({
            "ClientId": self.client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": name, "PASSWORD": PASSWORD},
        });
        let answer = self.call("AdminInitiateAuth", sign_in).await?;
        let token = answer["AuthenticationResult"]["IdToken"].as_str();
        Ok(token.ok_or("no ID token")?.to_owned())
    }
}
