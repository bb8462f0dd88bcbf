//! Groups and who is in them.

use std::sync::Arc;

use serde_json::Value;

use super::super::wire::groups as wire;
use super::super::wire::users::{GroupsRequest, MembersAnswer, UserType};
use super::{Call, Outcome, done, read, reply};
use crate::domain::Group;
use crate::flow::admin::NewGroup;

pub(super) fn create(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::EditRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let group = call.idp.create_group(&pool, command(request))?;
    shown(&group)
}

pub(super) fn update(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::EditRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let group = call.idp.update_group(&pool, command(request))?;
    shown(&group)
}

fn command(request: wire::EditRequest<'_>) -> NewGroup {
    NewGroup {
        name: request.group_name,
        description: request.description,
        role_arn: request.role_arn,
        precedence: request.precedence,
    }
}

pub(super) fn get(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::GroupRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let group = call.idp.group(&pool, request.group_name)?;
    shown(&group)
}

fn shown(group: &Group) -> Outcome {
    reply(&wire::GroupAnswer {
        group: wire::GroupType::of(group),
    })
}

pub(super) fn delete(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::GroupRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(call.idp.delete_group(&pool, request.group_name))
}

pub(super) fn list(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::ListRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let of = ["ListGroups", pool.as_str()];
    let list = call.list(&of);
    let page = list.page(request.limit, request.next_token)?;
    let groups = call.idp.groups(&pool, page)?;
    reply(&wire::GroupsAnswer {
        groups: groups.items.iter().map(shape).collect(),
        next_token: list.next(&groups),
    })
}

pub(super) fn list_for_user(call: &Call<'_>, input: &Value) -> Outcome {
    let request: GroupsRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let of = ["AdminListGroupsForUser", pool.as_str(), request.username];
    let list = call.list(&of);
    let page = list.page(request.limit, request.next_token)?;
    let groups = call.idp.groups_of_user(&pool, request.username, page)?;
    reply(&wire::GroupsAnswer {
        groups: groups.items.iter().map(shape).collect(),
        next_token: list.next(&groups),
    })
}

fn shape(group: &Arc<Group>) -> wire::GroupType<'_> {
    wire::GroupType::of(group)
}

pub(super) fn list_users(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::ListRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    let of = ["ListUsersInGroup", pool.as_str(), request.group_name];
    let list = call.list(&of);
    let page = list.page(request.limit, request.next_token)?;
    let users = call.idp.users_in_group(&pool, request.group_name, page)?;
    reply(&MembersAnswer {
        users: users.items.iter().map(|user| UserType::of(user)).collect(),
        next_token: list.next(&users),
    })
}

pub(super) fn add_user(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::MembershipRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(
        call.idp
            .add_user_to_group(&pool, request.username, request.group_name),
    )
}

pub(super) fn remove_user(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::MembershipRequest<'_> = read(input)?;
    let pool = call.pool(request.user_pool_id)?;
    done(
        call.idp
            .remove_user_from_group(&pool, request.username, request.group_name),
    )
}
