//! User pools: what can be set, what never changes, the schema, the domain.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::id::PoolId;
use super::message::InviteTemplate;
use super::password::PasswordPolicy;

/// A user pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Its region.
    pub region: String,
    /// The account it belongs to, twelve digits.
    pub account: String,
    /// Its name, for people.
    pub name: String,
    /// What users sign in with instead of a name of their own; immutable.
    pub username_attributes: Vec<UsernameAttribute>,
    /// What users can sign in with beside their name; immutable.
    pub alias_attributes: Vec<AliasAttribute>,
    /// `CaseSensitive` as given; immutable. See [`Pool::case_sensitive`].
    pub case_sensitivity: Option<bool>,
    /// Standard and custom attributes; grows only.
    pub schema: Vec<SchemaAttribute>,
    /// What `UpdateUserPool` replaces as a whole.
    pub settings: PoolSettings,
    /// Its domain, if it has one.
    pub domain: Option<Domain>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
}

impl Pool {
    /// Its Amazon resource name.
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:cognito-idp:{}:{}:userpool/{}",
            self.region, self.account, self.id
        )
    }

    /// Whether `A@x` and `a@x` are two users: yes unless the pool was created
    /// otherwise (Cognito developer guide, "User pool case sensitivity": the
    /// default of the API, not of the console).
    pub fn case_sensitive(&self) -> bool {
        self.case_sensitivity.unwrap_or(true)
    }

    /// A user name or alias in the form in which two are compared.
    pub fn fold(&self, name: &str) -> String {
        if self.case_sensitive() {
            name.to_owned()
        } else {
            name.to_lowercase()
        }
    }

    /// Whether users are named by a UUID and sign in with e-mail or phone.
    pub fn names_by_attribute(&self) -> bool {
        !self.username_attributes.is_empty()
    }

    /// The schema's entry for `attribute`.
    pub fn attribute(&self, attribute: &str) -> Option<&SchemaAttribute> {
        self.schema.iter().find(|entry| entry.name == attribute)
    }
}

/// What stands for the user name, `UsernameAttributes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum UsernameAttribute {
    Email,
    PhoneNumber,
}

/// What a user can sign in with beside the name, `AliasAttributes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum AliasAttribute {
    Email,
    PhoneNumber,
    PreferredUsername,
}

/// What `UpdateUserPool` sets, and resets where omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolSettings {
    /// Password policy.
    pub password_policy: PasswordPolicy,
    /// Whether `DeleteUserPool` is refused.
    pub deletion_protection: bool,
    /// Whether MFA is asked for; only [`Mfa::Off`] has behaviour.
    pub mfa: Mfa,
    /// How administrators make users.
    pub admin_create_user: AdminCreateUser,
    /// Attributes verified by a code at sign-up.
    pub auto_verified_attributes: Vec<UsernameAttribute>,
    /// The tier; the one setting that `UpdateUserPool` keeps where omitted.
    pub tier: Tier,
    /// Settings without behaviour here.
    pub verbatim: Verbatim,
}

/// Settings that have no behaviour here, in the notation of the front that
/// they came from, kept and given back unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verbatim(pub Option<Arc<str>>);

/// `MfaConfiguration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Mfa {
    #[default]
    Off,
    Optional,
    On,
}

/// `UserPoolTier`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Tier {
    Lite,
    #[default]
    Essentials,
    Plus,
}

/// `AdminCreateUserConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminCreateUser {
    /// Whether nobody can sign up by themselves.
    pub only_admins: bool,
    /// `UnusedAccountValidityDays`, superseded by the password policy's days.
    pub unused_account_days: Option<u32>,
    /// The invitation.
    pub invite: InviteTemplate,
}

/// The host under which the hosted pages live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The prefix, or the whole name of a custom domain.
    pub name: String,
    /// The certificate of a custom domain; a prefix has none.
    pub certificate_arn: Option<String>,
    /// 1 is the classic hosted UI, 2 managed login; as given.
    pub managed_login_version: Option<u32>,
    /// When it was made.
    pub created: Timestamp,
}

/// One entry of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaAttribute {
    /// Its name, with `custom:` where it is custom.
    pub name: String,
    /// Its type.
    pub data_type: AttributeType,
    /// Writable by administrators alone.
    pub developer_only: bool,
    /// Whether it can change.
    pub mutable: bool,
    /// Whether every user must have it.
    pub required: bool,
    /// Least length of a string or least number, as written.
    pub min: Option<String>,
    /// Greatest length of a string or greatest number, as written.
    pub max: Option<String>,
}

/// `AttributeDataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum AttributeType {
    String,
    Number,
    DateTime,
    Boolean,
}

/// The attributes every pool has, in the order AWS lists them (AWS CLI
/// examples, `create-user-pool`).
pub fn standard_schema() -> Vec<SchemaAttribute> {
    const NAMES: [&str; 21] = [
        "profile",
        "address",
        "birthdate",
        "gender",
        "preferred_username",
        "updated_at",
        "website",
        "picture",
        "identities",
        "sub",
        "phone_number",
        "phone_number_verified",
        "zoneinfo",
        "locale",
        "email",
        "email_verified",
        "given_name",
        "family_name",
        "middle_name",
        "name",
        "nickname",
    ];
    NAMES.into_iter().map(standard_attribute).collect()
}

fn standard_attribute(name: &str) -> SchemaAttribute {
    let data_type = match name {
        "email_verified" | "phone_number_verified" => AttributeType::Boolean,
        "updated_at" => AttributeType::Number,
        _ => AttributeType::String,
    };
    let (min, max) = match name {
        "sub" => (Some("1"), Some("2048")),
        "birthdate" => (Some("10"), Some("10")),
        "updated_at" => (Some("0"), None),
        "identities" | "email_verified" | "phone_number_verified" => (None, None),
        _ => (Some("0"), Some("2048")),
    };
    SchemaAttribute {
        name: name.to_owned(),
        data_type,
        developer_only: false,
        mutable: name != "sub",
        required: name == "sub",
        min: min.map(str::to_owned),
        max: max.map(str::to_owned),
    }
}
