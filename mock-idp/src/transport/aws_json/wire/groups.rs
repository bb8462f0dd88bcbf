//! Groups and who is in them.

use serde::{Deserialize, Serialize};

use super::Epoch;
use crate::domain::Group;

/// `CreateGroup` and `UpdateGroup`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EditRequest<'a> {
    pub(crate) group_name: String,
    pub(crate) user_pool_id: &'a str,
    pub(crate) description: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) precedence: Option<u32>,
}

/// `GetGroup` and `DeleteGroup`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupRequest<'a> {
    pub(crate) group_name: &'a str,
    pub(crate) user_pool_id: &'a str,
}

/// `ListGroups` and, with a group, `ListUsersInGroup`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    #[serde(default)]
    pub(crate) group_name: &'a str,
    pub(crate) limit: Option<u32>,
    pub(crate) next_token: Option<&'a str>,
}

/// `AdminAddUserToGroup` and `AdminRemoveUserFromGroup`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MembershipRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) group_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupAnswer<'a> {
    pub(crate) group: GroupType<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupType<'a> {
    group_name: &'a str,
    user_pool_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precedence: Option<u32>,
    last_modified_date: Epoch,
    creation_date: Epoch,
}

impl<'a> GroupType<'a> {
    pub(crate) fn of(group: &'a Group) -> Self {
        Self {
            group_name: &group.name,
            user_pool_id: group.pool.as_str(),
            description: group.description.as_deref(),
            role_arn: group.role_arn.as_deref(),
            precedence: group.precedence,
            last_modified_date: Epoch(group.modified),
            creation_date: Epoch(group.created),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupsAnswer<'a> {
    pub(crate) groups: Vec<GroupType<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}
