//! Users as administrators handle them.

use foundation::secret::Secret;
use serde_json::Value;

use super::super::wire::users as wire;
use super::super::wire::values;
use super::{Call, Outcome, done, read, reply};
use crate::flow::admin::{CreateUser, ListUsers};

pub(super) fn create(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::CreateRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let command = CreateUser {
        username: request.username,
        attributes: wire::pairs(request.user_attributes),
        temporary_password: request.temporary_password.map(Secret::new),
        message: request.message_action.map(|word| word.0),
        mediums: values(request.desired_delivery_mediums),
        force_alias: request.force_alias_creation,
    };
    let user = call.idp.create_user(&pool, command)?;
    reply(&wire::UserAnswer {
        user: wire::UserType::of(&user),
    })
}

pub(super) fn get(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::UserRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let user = call.idp.user(&pool, request.username)?;
    reply(&wire::GetAnswer::of(&user))
}

pub(super) fn delete(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::UserRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(call.idp.delete_user(&pool, request.username))
}

pub(super) fn enable(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::UserRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(call.idp.enable_user(&pool, request.username))
}

pub(super) fn disable(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::UserRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(call.idp.disable_user(&pool, request.username))
}

pub(super) fn sign_out(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::UserRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(call.idp.admin_user_global_sign_out(&pool, request.username))
}

pub(super) fn set_password(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::SetPasswordRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let password = Secret::new(request.password);
    done(
        call.idp
            .set_user_password(&pool, request.username, &password, request.permanent),
    )
}

pub(super) fn update_attributes(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::UpdateAttributesRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let attributes = wire::pairs(request.user_attributes);
    done(
        call.idp
            .update_user_attributes(&pool, request.username, &attributes),
    )
}

pub(super) fn delete_attributes(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::DeleteAttributesRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(
        call.idp
            .delete_user_attributes(&pool, request.username, &request.user_attribute_names),
    )
}

pub(super) fn list(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::ListRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let wanted = request.attributes_to_get;
    let of = [
        "ListUsers",
        pool.as_str(),
        request.filter.unwrap_or_default(),
    ];
    let list = call.list(&of);
    let users = call.idp.users(
        &pool,
        ListUsers {
            filter: request.filter.map(str::to_owned),
            attributes: wanted.clone(),
            page: list.page(request.limit, request.pagination_token)?,
        },
    )?;
    reply(&wire::ListAnswer {
        users: users
            .items
            .iter()
            .map(|user| wire::UserType::with(user, wanted.as_deref()))
            .collect(),
        pagination_token: list.next(&users),
    })
}
