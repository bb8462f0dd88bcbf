//! The app client, where the user pool can be asked: at a running instance.

use serde_json::{Value, json};

use super::finding::Finding;
use crate::client::{AwsClient, AwsError};

/// What a login depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Where a login may lead back to.
    pub callbacks: Vec<String>,
    /// Whether it has to show a secret.
    pub has_secret: bool,
    /// Whether the pages hand out codes for it.
    pub gives_codes: bool,
    /// What may be asked for.
    pub scopes: Vec<String>,
}

/// Asks for a client.
///
/// # Errors
/// As the service answers.
pub async fn describe(aws: &AwsClient, pool: &str, client: &str) -> Result<Client, AwsError> {
    let input = json!({"UserPoolId": pool, "ClientId": client});
    let answer = aws.cognito("DescribeUserPoolClient", &input).await?;
    Ok(parse(&answer["UserPoolClient"]))
}

fn parse(client: &Value) -> Client {
    let list = |name: &str| -> Vec<String> {
        let all = client[name].as_array().into_iter().flatten();
        all.filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    Client {
        callbacks: list("CallbackURLs"),
        has_secret: client["ClientSecret"].is_string(),
        gives_codes: client["AllowedOAuthFlowsUserPoolClient"] == true
            && list("AllowedOAuthFlows").contains(&"code".to_owned()),
        scopes: list("AllowedOAuthScopes"),
    }
}

/// Whether a browser can log in with the client, and where it leads.
pub fn examine(client: &Result<Client, String>, id: &str) -> Finding {
    const CHECK: &str = "client";
    let anew =
        "aws cognito-idp update-user-pool-client (name its other settings again, or they are lost)";
    let client = match client {
        Ok(client) => client,
        Err(why) => {
            return Finding::problem(
                CHECK,
                format!("the pool does not know the client {id}: {why}"),
                "give the cluster a client of this pool: aws cognito-idp list-user-pool-clients",
            );
        }
    };
    if !client.gives_codes || !client.scopes.iter().any(|scope| scope == "openid") {
        return Finding::problem(
            CHECK,
            format!("the client {id} does not let the login pages give out codes for openid"),
            format!(
                "set --allowed-o-auth-flows code --allowed-o-auth-scopes openid profile email --allowed-o-auth-flows-user-pool-client with {anew}"
            ),
        );
    }
    let kubelogins = ["http://localhost:8000", "http://localhost:18000"];
    if !client
        .callbacks
        .iter()
        .any(|uri| kubelogins.contains(&uri.as_str()))
    {
        return Finding::warning(
            CHECK,
            format!(
                "the client {id} leads back to {}, and kubelogin listens at {}",
                client.callbacks.join(", "),
                kubelogins.join(" and ")
            ),
            format!("add these to --callback-urls with {anew}"),
        );
    }
    Finding::ok(
        CHECK,
        format!(
            "the client {id} gives out codes and leads back to {}",
            client.callbacks.join(" and ")
        ),
    )
}
