//! Users as administrators see them.

use serde::{Deserialize, Serialize, Serializer};

use super::{Epoch, Word, worded};
use crate::domain::User;
use crate::domain::message::Medium;
use crate::domain::user::UserStatus;
use crate::flow::admin::MessageAction;

worded!(UserStatus {
    Unconfirmed = "UNCONFIRMED",
    Confirmed = "CONFIRMED",
    ResetRequired = "RESET_REQUIRED",
    ForceChangePassword = "FORCE_CHANGE_PASSWORD",
});
worded!(Medium { Sms = "SMS", Email = "EMAIL" });
worded!(MessageAction { Resend = "RESEND", Suppress = "SUPPRESS" });

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) user_attributes: Vec<AttributeType>,
    pub(crate) temporary_password: Option<String>,
    #[serde(default)]
    pub(crate) force_alias_creation: bool,
    pub(crate) message_action: Option<Word<MessageAction>>,
    #[serde(default)]
    pub(crate) desired_delivery_mediums: Vec<Word<Medium>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributeType {
    name: String,
    /// A value left out deletes, as an empty one does.
    #[serde(default)]
    value: String,
}

/// Names and values of a request's attributes.
pub(crate) fn pairs(attributes: Vec<AttributeType>) -> Vec<(String, String)> {
    attributes
        .into_iter()
        .map(|attribute| (attribute.name, attribute.value))
        .collect()
}

/// A request that names a user and nothing else that matters.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) username: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateAttributesRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) user_attributes: Vec<AttributeType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteAttributesRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) user_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SetPasswordRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) password: String,
    #[serde(default)]
    pub(crate) permanent: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) attributes_to_get: Option<Vec<String>>,
    pub(crate) limit: Option<u32>,
    pub(crate) pagination_token: Option<&'a str>,
    pub(crate) filter: Option<&'a str>,
}

/// `AdminListGroupsForUser`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GroupsRequest<'a> {
    pub(crate) user_pool_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) limit: Option<u32>,
    pub(crate) next_token: Option<&'a str>,
}

/// Attributes as a list of names and values.
pub(crate) struct AttributeList<'a>(Vec<(&'a str, &'a str)>);

impl<'a> FromIterator<(&'a str, &'a str)> for AttributeList<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

impl Serialize for AttributeList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Attribute<'a> {
            name: &'a str,
            value: &'a str,
        }

        let attributes = self.0.iter();
        serializer.collect_seq(attributes.map(|(name, value)| Attribute { name, value }))
    }
}

/// The answer of `AdminCreateUser`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserAnswer<'a> {
    pub(crate) user: UserType<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserType<'a> {
    username: &'a str,
    attributes: AttributeList<'a>,
    user_create_date: Epoch,
    user_last_modified_date: Epoch,
    enabled: bool,
    user_status: Word<UserStatus>,
}

impl<'a> UserType<'a> {
    pub(crate) fn of(user: &'a User) -> Self {
        Self::with(user, None)
    }

    /// With the attributes asked for only.
    pub(crate) fn with(user: &'a User, wanted: Option<&'a [String]>) -> Self {
        Self {
            username: &user.username,
            attributes: user
                .attributes
                .iter()
                .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.iter().any(|w| w == name)))
                .collect(),
            user_create_date: Epoch(user.created),
            user_last_modified_date: Epoch(user.modified),
            enabled: user.enabled,
            user_status: Word(user.status),
        }
    }
}

/// The answer of `AdminGetUser`, which calls the attributes otherwise.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetAnswer<'a> {
    username: &'a str,
    user_attributes: AttributeList<'a>,
    user_create_date: Epoch,
    user_last_modified_date: Epoch,
    enabled: bool,
    user_status: Word<UserStatus>,
}

impl<'a> GetAnswer<'a> {
    pub(crate) fn of(user: &'a User) -> Self {
        Self {
            username: &user.username,
            user_attributes: user.attributes.iter().collect(),
            user_create_date: Epoch(user.created),
            user_last_modified_date: Epoch(user.modified),
            enabled: user.enabled,
            user_status: Word(user.status),
        }
    }
}

/// The answer of `ListUsers`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListAnswer<'a> {
    pub(crate) users: Vec<UserType<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pagination_token: Option<String>,
}

/// The answer of `ListUsersInGroup`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MembersAnswer<'a> {
    pub(crate) users: Vec<UserType<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}
