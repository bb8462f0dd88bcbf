//! App clients.

use foundation::secret::Secret;
use serde_json::Value;

use super::super::wire::clients as wire;
use super::{Call, Outcome, client_id, done, read, reply};
use crate::flow::admin::NewClient;

pub(super) fn create(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::CreateRequest<'_> = read(input)?;
    let settings: wire::SettingsRequest = read(input)?;
    let command = NewClient {
        name: request.client_name.to_owned(),
        generate_secret: request.generate_secret,
        secret: request.client_secret.map(Secret::new),
        settings: settings.into_settings(),
    };
    let pool = call.pool(request.user_pool_id)?;
    let client = call.idp.create_client(&pool, command)?;
    reply(&wire::ClientAnswer::of(&client))
}

pub(super) fn describe(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::ClientRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let client = call.idp.client_in(&pool, &client_id(request.client_id))?;
    reply(&wire::ClientAnswer::of(&client))
}

pub(super) fn update(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::UpdateRequest<'_> = read(input)?;
    let settings: wire::SettingsRequest = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let client = call.idp.update_client(
        &pool,
        &client_id(request.client_id),
        request.client_name.map(str::to_owned),
        settings.into_settings(),
    )?;
    reply(&wire::ClientAnswer::of(&client))
}

pub(super) fn list(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::ListRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let of = ["ListUserPoolClients", pool.as_str()];
    let list = call.list(&of);
    let page = list.page(request.max_results, request.next_token)?;
    let clients = call.idp.clients(&pool, page)?;
    reply(&wire::ListAnswer {
        user_pool_clients: clients
            .items
            .iter()
            .map(|client| wire::UserPoolClientDescription::of(client))
            .collect(),
        next_token: list.next(&clients),
    })
}

pub(super) fn delete(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::ClientRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(call.idp.delete_client(&pool, &client_id(request.client_id)))
}
