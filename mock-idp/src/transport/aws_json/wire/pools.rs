//! User pools, their domains and tags.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Epoch, Word, values, worded, words};
use crate::domain::message::InviteTemplate;
use crate::domain::password::PasswordPolicy;
use crate::domain::pool::{
    AdminCreateUser, AliasAttribute, AttributeType, Domain, Mfa, Pool, PoolSettings,
    SchemaAttribute, Tier, UsernameAttribute, Verbatim,
};

worded!(UsernameAttribute { PhoneNumber = "phone_number", Email = "email" });
worded!(AliasAttribute {
    PhoneNumber = "phone_number",
    Email = "email",
    PreferredUsername = "preferred_username",
});
worded!(AttributeType {
    String = "String",
    Number = "Number",
    DateTime = "DateTime",
    Boolean = "Boolean",
});
worded!(Mfa { Off = "OFF", On = "ON", Optional = "OPTIONAL" });
worded!(Tier { Lite = "LITE", Essentials = "ESSENTIALS", Plus = "PLUS" });
worded!(Activity { Active = "ACTIVE", Inactive = "INACTIVE" });

/// `DeletionProtection`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Activity {
    Active,
    Inactive,
}

/// What `CreateUserPool` and `UpdateUserPool` both take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SettingsRequest {
    policies: Option<Policies>,
    deletion_protection: Option<Word<Activity>>,
    #[serde(default)]
    auto_verified_attributes: Vec<Word<UsernameAttribute>>,
    mfa_configuration: Option<Word<Mfa>>,
    admin_create_user_config: Option<AdminCreateUserConfig>,
    pub(crate) user_pool_tier: Option<Word<Tier>>,
    pub(crate) user_pool_tags: Option<BTreeMap<String, String>>,
}

impl SettingsRequest {
    /// The settings, with `tier` where the request names none.
    pub(crate) fn into_settings(self, tier: Tier, verbatim: Verbatim) -> PoolSettings {
        PoolSettings {
            password_policy: self
                .policies
                .and_then(|policies| policies.password_policy)
                .map_or_else(PasswordPolicy::default, PasswordPolicyType::into_policy),
            deletion_protection: self
                .deletion_protection
                .is_some_and(|word| word.0 == Activity::Active),
            mfa: self.mfa_configuration.map_or(Mfa::Off, |word| word.0),
            admin_create_user: self
                .admin_create_user_config
                .map_or_else(AdminCreateUser::default, AdminCreateUserConfig::into_domain),
            auto_verified_attributes: values(self.auto_verified_attributes),
            tier: self.user_pool_tier.map_or(tier, |word| word.0),
            verbatim,
        }
    }
}

/// What `CreateUserPool` alone takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateRequest {
    pub(crate) pool_name: String,
    #[serde(default)]
    pub(crate) alias_attributes: Vec<Word<AliasAttribute>>,
    #[serde(default)]
    pub(crate) username_attributes: Vec<Word<UsernameAttribute>>,
    #[serde(default)]
    pub(crate) schema: Vec<SchemaAttributeRequest>,
    pub(crate) username_configuration: Option<UsernameConfiguration>,
}

/// What `UpdateUserPool` alone takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateRequest {
    pub(crate) user_pool_id: String,
    pub(crate) pool_name: Option<String>,
}

/// A request that names a pool and nothing else that matters.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PoolRequest {
    pub(crate) user_pool_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListRequest<'a> {
    pub(crate) max_results: u32,
    pub(crate) next_token: Option<&'a str>,
}

/// Settings that have no behaviour here, under their own names.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct VerbatimSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    lambda_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms_verification_message: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verification_message: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verification_subject: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_message_template: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms_authentication_message: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_attribute_update_settings: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_configuration: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_configuration: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms_configuration: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_pool_add_ons: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_recovery_setting: Option<Value>,
}

impl VerbatimSettings {
    fn of(verbatim: &Verbatim) -> Self {
        let mut settings: Self = read(verbatim);
        // What a pool has where nobody asked for anything.
        settings
            .lambda_config
            .get_or_insert_with(|| serde_json::json!({}));
        settings
            .verification_message_template
            .get_or_insert_with(|| serde_json::json!({"DefaultEmailOption": "CONFIRM_WITH_CODE"}));
        settings
            .email_configuration
            .get_or_insert_with(|| serde_json::json!({"EmailSendingAccount": "COGNITO_DEFAULT"}));
        settings
    }

    /// As the domain keeps it.
    pub(crate) fn into_verbatim(self) -> Verbatim {
        write(&self)
    }
}

/// Reads what [`write`] wrote; what was never written is the default.
pub(crate) fn read<T: Default + for<'a> Deserialize<'a>>(verbatim: &Verbatim) -> T {
    verbatim
        .0
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Settings without behaviour in the form in which the domain keeps them.
pub(crate) fn write(settings: &impl Serialize) -> Verbatim {
    let text = serde_json::to_string(settings).unwrap_or_default();
    Verbatim((text != "{}").then(|| text.into()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policies {
    password_policy: Option<PasswordPolicyType>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PasswordPolicyType {
    minimum_length: Option<u32>,
    require_uppercase: Option<bool>,
    require_lowercase: Option<bool>,
    require_numbers: Option<bool>,
    require_symbols: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_history_size: Option<u32>,
    temporary_password_validity_days: Option<u32>,
}

impl PasswordPolicyType {
    /// A policy that is given at all leaves out what it does not name.
    fn into_policy(self) -> PasswordPolicy {
        let default = PasswordPolicy::default();
        PasswordPolicy {
            minimum_length: self.minimum_length.unwrap_or(default.minimum_length),
            require_uppercase: self.require_uppercase.unwrap_or(false),
            require_lowercase: self.require_lowercase.unwrap_or(false),
            require_numbers: self.require_numbers.unwrap_or(false),
            require_symbols: self.require_symbols.unwrap_or(false),
            temporary_validity_days: self
                .temporary_password_validity_days
                .unwrap_or(default.temporary_validity_days),
            history_size: self.password_history_size,
        }
    }

    fn of(policy: &PasswordPolicy) -> Self {
        Self {
            minimum_length: Some(policy.minimum_length),
            require_uppercase: Some(policy.require_uppercase),
            require_lowercase: Some(policy.require_lowercase),
            require_numbers: Some(policy.require_numbers),
            require_symbols: Some(policy.require_symbols),
            password_history_size: policy.history_size,
            temporary_password_validity_days: Some(policy.temporary_validity_days),
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AdminCreateUserConfig {
    allow_admin_create_user_only: Option<bool>,
    unused_account_validity_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_message_template: Option<InviteMessageTemplate>,
}

#[derive(Deserialize, Serialize)]
struct InviteMessageTemplate {
    #[serde(rename = "SMSMessage", skip_serializing_if = "Option::is_none")]
    sms: Option<String>,
    #[serde(rename = "EmailMessage", skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(rename = "EmailSubject", skip_serializing_if = "Option::is_none")]
    email_subject: Option<String>,
}

impl AdminCreateUserConfig {
    fn into_domain(self) -> AdminCreateUser {
        AdminCreateUser {
            only_admins: self.allow_admin_create_user_only.unwrap_or(false),
            unused_account_days: self.unused_account_validity_days,
            invite: self
                .invite_message_template
                .map_or_else(InviteTemplate::default, |template| InviteTemplate {
                    sms: template.sms,
                    email: template.email,
                    email_subject: template.email_subject,
                }),
        }
    }

    fn of(settings: &PoolSettings) -> Self {
        let AdminCreateUser {
            only_admins,
            unused_account_days,
            invite,
        } = &settings.admin_create_user;
        Self {
            allow_admin_create_user_only: Some(*only_admins),
            // The policy's days supersede it, and AWS shows them here.
            unused_account_validity_days: Some(
                unused_account_days.unwrap_or(settings.password_policy.temporary_validity_days),
            ),
            invite_message_template: (*invite != InviteTemplate::default()).then(|| {
                InviteMessageTemplate {
                    sms: invite.sms.clone(),
                    email: invite.email.clone(),
                    email_subject: invite.email_subject.clone(),
                }
            }),
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UsernameConfiguration {
    pub(crate) case_sensitive: bool,
}

/// `SchemaAttributeType`, where everything may be left out.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SchemaAttributeRequest {
    pub(crate) name: Option<String>,
    pub(crate) attribute_data_type: Option<Word<AttributeType>>,
    pub(crate) developer_only_attribute: Option<bool>,
    pub(crate) mutable: Option<bool>,
    pub(crate) required: Option<bool>,
    number_attribute_constraints: Option<NumberConstraints>,
    string_attribute_constraints: Option<StringConstraints>,
}

impl SchemaAttributeRequest {
    /// Least and greatest, of whichever kind is given.
    pub(crate) fn bounds(&mut self) -> (Option<String>, Option<String>) {
        let string = self.string_attribute_constraints.take();
        let number = self.number_attribute_constraints.take();
        string
            .map(|string| (string.min_length, string.max_length))
            .or(number.map(|number| (number.min_value, number.max_value)))
            .unwrap_or_default()
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NumberConstraints {
    #[serde(skip_serializing_if = "Option::is_none")]
    min_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_value: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StringConstraints {
    #[serde(skip_serializing_if = "Option::is_none")]
    min_length: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<String>,
}

/// `SchemaAttributeType`, as pools show it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SchemaAttributeType<'a> {
    name: &'a str,
    attribute_data_type: Word<AttributeType>,
    developer_only_attribute: bool,
    mutable: bool,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_attribute_constraints: Option<NumberConstraints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_attribute_constraints: Option<StringConstraints>,
}

impl<'a> SchemaAttributeType<'a> {
    fn of(attribute: &'a SchemaAttribute) -> Self {
        let (min, max) = (attribute.min.clone(), attribute.max.clone());
        Self {
            name: &attribute.name,
            attribute_data_type: Word(attribute.data_type),
            developer_only_attribute: attribute.developer_only,
            mutable: attribute.mutable,
            required: attribute.required,
            number_attribute_constraints: (attribute.data_type == AttributeType::Number).then(
                || NumberConstraints {
                    min_value: min.clone(),
                    max_value: max.clone(),
                },
            ),
            string_attribute_constraints: (attribute.data_type == AttributeType::String).then(
                || StringConstraints {
                    min_length: min.clone(),
                    max_length: max.clone(),
                },
            ),
        }
    }
}

/// The answer of `CreateUserPool` and `DescribeUserPool`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PoolAnswer<'a> {
    user_pool: UserPoolType<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserPoolType<'a> {
    id: &'a str,
    name: &'a str,
    policies: PoliciesAnswer,
    deletion_protection: Word<Activity>,
    last_modified_date: Epoch,
    creation_date: Epoch,
    schema_attributes: Vec<SchemaAttributeType<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    auto_verified_attributes: Vec<Word<UsernameAttribute>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alias_attributes: Vec<Word<AliasAttribute>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    username_attributes: Vec<Word<UsernameAttribute>>,
    mfa_configuration: Word<Mfa>,
    estimated_number_of_users: usize,
    user_pool_tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_domain: Option<&'a str>,
    admin_create_user_config: AdminCreateUserConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    username_configuration: Option<UsernameConfiguration>,
    arn: String,
    user_pool_tier: Word<Tier>,
    #[serde(flatten)]
    verbatim: VerbatimSettings,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PoliciesAnswer {
    password_policy: PasswordPolicyType,
}

impl<'a> PoolAnswer<'a> {
    pub(crate) fn of(pool: &'a Pool, users: usize) -> Self {
        let domain = |custom: bool| {
            let domain = pool.domain.as_ref();
            domain
                .filter(|domain| domain.certificate_arn.is_some() == custom)
                .map(|domain| domain.name.as_str())
        };
        Self {
            user_pool: UserPoolType {
                id: pool.id.as_str(),
                name: &pool.name,
                policies: PoliciesAnswer {
                    password_policy: PasswordPolicyType::of(&pool.settings.password_policy),
                },
                deletion_protection: Word(if pool.settings.deletion_protection {
                    Activity::Active
                } else {
                    Activity::Inactive
                }),
                last_modified_date: Epoch(pool.modified),
                creation_date: Epoch(pool.created),
                schema_attributes: pool.schema.iter().map(SchemaAttributeType::of).collect(),
                auto_verified_attributes: words(&pool.settings.auto_verified_attributes),
                alias_attributes: words(&pool.alias_attributes),
                username_attributes: words(&pool.username_attributes),
                mfa_configuration: Word(pool.settings.mfa),
                estimated_number_of_users: users,
                user_pool_tags: &pool.tags,
                domain: domain(false),
                custom_domain: domain(true),
                admin_create_user_config: AdminCreateUserConfig::of(&pool.settings),
                username_configuration: pool
                    .case_sensitivity
                    .map(|case_sensitive| UsernameConfiguration { case_sensitive }),
                arn: pool.arn(),
                user_pool_tier: Word(pool.settings.tier),
                verbatim: VerbatimSettings::of(&pool.settings.verbatim),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListAnswer<'a> {
    pub(crate) user_pools: Vec<UserPoolDescription<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserPoolDescription<'a> {
    id: &'a str,
    name: &'a str,
    lambda_config: Value,
    last_modified_date: Epoch,
    creation_date: Epoch,
}

impl<'a> UserPoolDescription<'a> {
    pub(crate) fn of(pool: &'a Pool) -> Self {
        Self {
            id: pool.id.as_str(),
            name: &pool.name,
            lambda_config: VerbatimSettings::of(&pool.settings.verbatim)
                .lambda_config
                .unwrap_or_default(),
            last_modified_date: Epoch(pool.modified),
            creation_date: Epoch(pool.created),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateDomainRequest {
    pub(crate) domain: String,
    pub(crate) user_pool_id: String,
    pub(crate) managed_login_version: Option<u32>,
    pub(crate) custom_domain_config: Option<CustomDomainConfig>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CustomDomainConfig {
    pub(crate) certificate_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateDomainAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) managed_login_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cloud_front_domain: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeDomainRequest {
    pub(crate) domain: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteDomainRequest {
    pub(crate) domain: String,
    pub(crate) user_pool_id: String,
}

/// The answer of `DescribeUserPoolDomain`: an unknown domain's description
/// is empty, not an error.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeDomainAnswer<'a> {
    domain_description: DomainDescription<'a>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DomainDescription<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_pool_id: Option<&'a str>,
    #[serde(rename = "AWSAccountId", skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(rename = "S3Bucket", skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_front_distribution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_domain_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed_login_version: Option<u32>,
}

impl<'a> DescribeDomainAnswer<'a> {
    pub(crate) fn unknown() -> Self {
        Self {
            domain_description: DomainDescription::default(),
        }
    }

    pub(crate) fn of(pool: &'a Pool, domain: &'a Domain) -> Self {
        Self {
            domain_description: DomainDescription {
                user_pool_id: Some(pool.id.as_str()),
                account: Some(&pool.account),
                domain: Some(&domain.name),
                // Names of AWS's insides: there, so that who reads them
                // finds something of their form.
                bucket: Some(format!("aws-cognito-prod-{}-assets", pool.region)),
                cloud_front_distribution: Some(format!("{}.cloudfront.invalid", domain.name)),
                version: Some(domain.created.strftime("%Y%m%d%H%M%S").to_string()),
                status: Some("ACTIVE"),
                custom_domain_config: Some(match &domain.certificate_arn {
                    Some(arn) => serde_json::json!({ "CertificateArn": arn }),
                    None => serde_json::json!({}),
                }),
                managed_login_version: Some(domain.managed_login_version.unwrap_or(1)),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagRequest {
    pub(crate) resource_arn: String,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) tag_keys: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagsAnswer<'a> {
    pub(crate) tags: &'a BTreeMap<String, String>,
}
