//! Signing in and out, and what a signed-in user asks.

use std::collections::BTreeMap;

use foundation::secret::Secret;
use serde_json::Value;

use super::super::error::Exception;
use super::super::wire::sign_in as wire;
use super::{Call, Outcome, done, read, reply};
use crate::domain::PoolId;
use crate::flow::sign_in::{AuthOutcome, InitiateAuth, NewPasswordAnswer};

pub(super) async fn initiate(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::InitiateRequest<'_> = read(input)?;
    let parameter = |name| request.auth_parameters.get(name);
    let secret = |name| parameter(name).map(Secret::new);
    let command = InitiateAuth {
        pool: pool(call, request.user_pool_id)?,
        client: call.client(request.client_id)?,
        flow: request.auth_flow.0,
        username: parameter("USERNAME"),
        password: secret("PASSWORD"),
        refresh_token: secret("REFRESH_TOKEN"),
        secret_hash: parameter("SECRET_HASH"),
    };
    outcome(&call.idp.initiate_auth(command).await?)
}

pub(super) async fn respond(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::RespondRequest<'_> = read(input)?;
    if request.challenge_name != wire::NEW_PASSWORD_REQUIRED {
        return Err(Exception::not_implemented(format_args!(
            "the challenge {}",
            request.challenge_name
        )));
    }
    let response = |name| request.challenge_responses.get(name);
    let command = NewPasswordAnswer {
        pool: pool(call, request.user_pool_id)?,
        client: call.client(request.client_id)?,
        session: request
            .session
            .map(|session| Secret::new(session.to_owned())),
        username: response("USERNAME"),
        new_password: response("NEW_PASSWORD").map(Secret::new),
        secret_hash: response("SECRET_HASH"),
        attributes: request.challenge_responses.user_attributes(),
    };
    outcome(&call.idp.respond_new_password(command).await?)
}

/// The pool that the operations of administrators name.
fn pool(call: &Call<'_>, id: Option<&str>) -> Result<Option<PoolId>, Exception> {
    id.map(|id| call.pool(id)).transpose()
}

fn outcome(outcome: &AuthOutcome) -> Outcome {
    match outcome {
        AuthOutcome::Tokens(tokens) => reply(&wire::TokensAnswer::of(tokens)),
        AuthOutcome::NewPasswordRequired(challenge) => {
            let required: Vec<_> = challenge
                .required
                .iter()
                .map(|name| format!("userAttributes.{name}"))
                .collect();
            let current: BTreeMap<_, _> = challenge
                .user
                .attributes
                .iter()
                .filter(|(name, _)| *name != "sub")
                .collect();
            reply(&wire::ChallengeAnswer {
                challenge_name: wire::NEW_PASSWORD_REQUIRED,
                session: challenge.session.expose(),
                challenge_parameters: wire::NewPasswordParameters {
                    user_id: &challenge.user.username,
                    required_attributes: serde_json::to_string(&required).unwrap_or_default(),
                    user_attributes: serde_json::to_string(&current).unwrap_or_default(),
                },
            })
        }
    }
}

pub(super) async fn refresh(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::RefreshRequest<'_> = read(input)?;
    let tokens = call
        .idp
        .tokens_from_refresh_token(
            &call.client(request.client_id)?,
            &Secret::new(request.refresh_token),
            request.client_secret,
        )
        .await?;
    reply(&wire::RefreshAnswer::of(&tokens))
}

pub(super) async fn get_user(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::AccessTokenRequest<'_> = read(input)?;
    let account = call
        .idp
        .get_user(call.access_token(request.access_token)?)
        .await?;
    reply(&wire::GetUserAnswer {
        username: &account.username,
        user_attributes: account
            .attributes
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
    })
}

pub(super) async fn sign_out(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::AccessTokenRequest<'_> = read(input)?;
    done(
        call.idp
            .global_sign_out(call.access_token(request.access_token)?)
            .await,
    )
}

pub(super) fn revoke(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::RevokeRequest<'_> = read(input)?;
    done(call.idp.revoke_token(
        &call.client(request.client_id)?,
        &Secret::new(request.token),
        request.client_secret,
    ))
}
