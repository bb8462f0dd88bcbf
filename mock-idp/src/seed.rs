//! Seed files: a pool, its client and its people in one small file, made
//! through the same flows as by the AWS API. A seed file is what a scenario
//! has under `idp`.
//!
//! ```yaml
//! pool: { usernameAttributes: [email], domain: kubedemy, groups: [admins] }
//! client: { readAttributes: [profile, email] }
//! people:
//!   ada@example.com: { groups: [admins], password: "H3lloW@rlD" }
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use foundation::secret::Secret;
use serde::{Deserialize, Deserializer};

use crate::domain::client::{ClientSettings, ExplicitAuthFlow, OAuthFlow, TimeUnit, ValidityUnits};
use crate::domain::password::PasswordPolicy;
use crate::domain::pool::{AdminCreateUser, PoolSettings, UsernameAttribute};
use crate::domain::{self, PoolId};
use crate::flow::Idp;
use crate::flow::admin::{CreatePool, CreateUser, MessageAction, NewClient, NewGroup};

/// A seed file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seed {
    /// The pool.
    #[serde(default)]
    pub pool: Pool,
    /// Its client.
    #[serde(default)]
    pub client: Client,
    /// Its people, by the name they sign in with.
    #[serde(default)]
    pub people: BTreeMap<String, Person>,
    /// Further pools, by name.
    #[serde(default)]
    pub other_pools: BTreeMap<String, OtherPool>,
}

/// A further pool.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtherPool {
    /// The pool.
    #[serde(default)]
    pub pool: Pool,
    /// Its client.
    #[serde(default)]
    pub client: Client,
    /// Its people.
    #[serde(default)]
    pub people: BTreeMap<String, Person>,
}

/// A pool in a seed file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// `PoolName`; `rolecall` by default.
    pub name: Option<String>,
    /// Its region; the default region otherwise.
    pub region: Option<String>,
    /// `email`, `phone_number`.
    #[serde(default)]
    pub username_attributes: Vec<String>,
    /// `CaseSensitive`.
    pub case_sensitive: Option<bool>,
    /// What is left out is as in a pool created without a policy.
    pub password_policy: Option<Policy>,
    /// `AllowAdminCreateUserOnly`.
    pub admin_create_user_only: Option<bool>,
    /// Its groups.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Its domain's prefix.
    pub domain: Option<String>,
}

/// A password policy in a seed file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "named as in Cognito")]
pub struct Policy {
    pub minimum_length: Option<u32>,
    pub require_uppercase: Option<bool>,
    pub require_lowercase: Option<bool>,
    pub require_numbers: Option<bool>,
    pub require_symbols: Option<bool>,
    pub temporary_password_validity_days: Option<u32>,
}

/// A group: its name, or more about it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Group {
    /// Its name alone.
    Name(String),
    /// All about it.
    Full(FullGroup),
}

/// All about a group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "named as in Cognito")]
pub struct FullGroup {
    pub name: String,
    pub description: Option<String>,
    pub role_arn: Option<String>,
    pub precedence: Option<u32>,
}

/// A client in a seed file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Client {
    /// `ClientName`; `rolecall` by default.
    pub name: Option<String>,
    /// `ReadAttributes`.
    pub read_attributes: Option<Vec<String>>,
    /// `WriteAttributes`.
    pub write_attributes: Option<Vec<String>>,
    /// `CallbackURLs`; kubelogin's by default.
    pub callback_urls: Option<Vec<String>>,
    /// `LogoutURLs`.
    #[serde(default)]
    pub logout_urls: Vec<String>,
    /// `AllowedOAuthScopes`; `openid`, `profile` and `email` by default.
    pub scopes: Option<Vec<String>>,
    /// Whether passwords can be used by the API too (`ALLOW_USER_PASSWORD_AUTH`
    /// and `ALLOW_ADMIN_USER_PASSWORD_AUTH`), not only on the hosted pages.
    #[serde(default)]
    pub password_auth: bool,
    /// `GenerateSecret`.
    #[serde(default)]
    pub generate_secret: bool,
    /// How long ID and access tokens are valid, such as `15m`.
    pub token_validity: Option<String>,
}

/// A person in a seed file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// Groups, which must be the pool's.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Attributes.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// A password to be changed at the first sign-in. Without any password one
    /// is made up and sent to the outbox.
    #[serde(default, deserialize_with = "secret")]
    pub temporary_password: Option<Secret<String>>,
    /// A password that stays.
    #[serde(default, deserialize_with = "secret")]
    pub password: Option<Secret<String>>,
    /// Whether an administrator has disabled them.
    #[serde(default)]
    pub disabled: bool,
}

fn secret<'de, D: Deserializer<'de>>(de: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(de)?.map(Secret::new))
}

/// Why a seed file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// It is not YAML or JSON of the expected form.
    #[error("{0}")]
    Malformed(String),
    /// What it describes cannot be.
    #[error("{what}: {error}")]
    Refused {
        /// Which part of it.
        what: String,
        /// Cognito's message.
        error: domain::Error,
    },
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// The pool.
    pub pool: Arc<domain::Pool>,
    /// The client.
    pub client: Arc<domain::Client>,
}

impl Seed {
    /// Parses YAML or JSON.
    ///
    /// # Errors
    /// [`Error::Malformed`], with the place.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // The lines around an error would show passwords.
        serde_saphyr::from_str(text).map_err(|error: serde_saphyr::Error| {
            Error::Malformed(error.without_snippet().to_string())
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Malformed`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&fs::read_to_string(path)?)
    }

    /// Makes all of it, the first pool first.
    ///
    /// # Errors
    /// [`Error::Refused`] for the first thing that cannot be made; what came
    /// before it stays.
    pub fn load(self, idp: &Idp) -> Result<Vec<Seeded>, Error> {
        let first = OtherPool {
            pool: self.pool,
            client: self.client,
            people: self.people,
        };
        let others = self.other_pools.into_iter().map(|(name, mut other)| {
            other.pool.name.get_or_insert(name);
            other
        });
        std::iter::once(first)
            .chain(others)
            .map(|entry| entry.load(idp))
            .collect()
    }
}

impl OtherPool {
    fn load(self, idp: &Idp) -> Result<Seeded, Error> {
        let groups = self.pool.groups.iter().map(Group::command).collect();
        let pool = self.pool.load(idp, groups)?;
        let client = idp
            .create_client(&pool.id, self.client.command()?)
            .map_err(refused("client"))?;
        for (name, person) in self.people {
            let what = format!("people.{name}");
            person.load(idp, &pool.id, &name).map_err(refused(&what))?;
        }
        Ok(Seeded { pool, client })
    }
}

fn refused(what: &str) -> impl FnOnce(domain::Error) -> Error {
    let what = what.to_owned();
    move |error| Error::Refused { what, error }
}

impl Pool {
    fn load(self, idp: &Idp, groups: Vec<NewGroup>) -> Result<Arc<domain::Pool>, Error> {
        let region = self.region.as_deref().unwrap_or(idp.region()).to_owned();
        let domain = self.domain.clone();
        let command = self.command()?;
        let pool = idp.create_pool(&region, command).map_err(refused("pool"))?;
        for group in groups {
            let what = format!("pool.groups.{}", group.name);
            idp.create_group(&pool.id, group).map_err(refused(&what))?;
        }
        match domain {
            Some(domain) => idp
                .create_domain(&pool.id, &domain, None, None)
                .map_err(refused("pool.domain")),
            None => Ok(pool),
        }
    }

    fn command(self) -> Result<CreatePool, Error> {
        let username_attributes = self
            .username_attributes
            .iter()
            .map(|attribute| match attribute.as_str() {
                "email" => Ok(UsernameAttribute::Email),
                "phone_number" => Ok(UsernameAttribute::PhoneNumber),
                other => Err(Error::Malformed(format!(
                    "pool.usernameAttributes: {other:?} is neither \"email\" nor \"phone_number\""
                ))),
            })
            .collect::<Result<_, _>>()?;
        Ok(CreatePool {
            name: self.name.unwrap_or_else(|| "rolecall".into()),
            username_attributes,
            case_sensitivity: self.case_sensitive,
            settings: PoolSettings {
                password_policy: self.password_policy.map(Policy::policy).unwrap_or_default(),
                admin_create_user: AdminCreateUser {
                    only_admins: self.admin_create_user_only.unwrap_or(false),
                    ..AdminCreateUser::default()
                },
                ..PoolSettings::default()
            },
            ..CreatePool::default()
        })
    }
}

impl Policy {
    fn policy(self) -> PasswordPolicy {
        let default = PasswordPolicy::default();
        PasswordPolicy {
            minimum_length: self.minimum_length.unwrap_or(default.minimum_length),
            require_uppercase: self.require_uppercase.unwrap_or(default.require_uppercase),
            require_lowercase: self.require_lowercase.unwrap_or(default.require_lowercase),
            require_numbers: self.require_numbers.unwrap_or(default.require_numbers),
            require_symbols: self.require_symbols.unwrap_or(default.require_symbols),
            temporary_validity_days: self
                .temporary_password_validity_days
                .unwrap_or(default.temporary_validity_days),
            history_size: None,
        }
    }
}

impl Group {
    fn command(&self) -> NewGroup {
        match self {
            Self::Name(name) => NewGroup {
                name: name.clone(),
                ..NewGroup::default()
            },
            Self::Full(group) => NewGroup {
                name: group.name.clone(),
                description: group.description.clone(),
                role_arn: group.role_arn.clone(),
                precedence: group.precedence,
            },
        }
    }
}

impl Client {
    fn command(self) -> Result<NewClient, Error> {
        let kubelogin = || {
            vec![
                "http://localhost:8000".to_owned(),
                "http://localhost:18000".to_owned(),
            ]
        };
        let scopes = || ["openid", "profile", "email"].map(str::to_owned).into();
        let flows = [
            ExplicitAuthFlow::AllowUserPasswordAuth,
            ExplicitAuthFlow::AllowAdminUserPasswordAuth,
            ExplicitAuthFlow::AllowUserSrpAuth,
            ExplicitAuthFlow::AllowRefreshTokenAuth,
        ];
        let validity = self.token_validity.as_deref().map(seconds).transpose()?;
        Ok(NewClient {
            name: self.name.unwrap_or_else(|| "rolecall".into()),
            generate_secret: self.generate_secret,
            secret: None,
            settings: ClientSettings {
                read_attributes: self.read_attributes,
                write_attributes: self.write_attributes,
                explicit_auth_flows: self.password_auth.then(|| flows.into()),
                callback_urls: self.callback_urls.unwrap_or_else(kubelogin),
                logout_urls: self.logout_urls,
                allowed_oauth_flows: vec![OAuthFlow::Code],
                allowed_oauth_scopes: self.scopes.unwrap_or_else(scopes),
                oauth_enabled: true,
                identity_providers: vec!["COGNITO".into()],
                access_validity: validity,
                id_validity: validity,
                units: validity.map(|_| ValidityUnits {
                    access: Some(TimeUnit::Seconds),
                    id: Some(TimeUnit::Seconds),
                    refresh: None,
                }),
                ..ClientSettings::default()
            },
        })
    }
}

fn seconds(text: &str) -> Result<u32, Error> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| u32::try_from(duration.as_secs()).ok())
        .ok_or_else(|| {
            Error::Malformed(format!(
                "client.tokenValidity: {text:?} is no duration such as 15m"
            ))
        })
}

impl Person {
    fn load(self, idp: &Idp, pool: &PoolId, name: &str) -> Result<(), domain::Error> {
        let given = self.password.is_some() || self.temporary_password.is_some();
        idp.create_user(
            pool,
            CreateUser {
                username: name.to_owned(),
                attributes: self.attributes.into_iter().collect(),
                temporary_password: self.temporary_password,
                message: given.then_some(MessageAction::Suppress),
                ..CreateUser::default()
            },
        )?;
        if let Some(password) = &self.password {
            idp.set_user_password(pool, name, password, true)?;
        }
        for group in &self.groups {
            idp.add_user_to_group(pool, name, group)?;
        }
        if self.disabled {
            idp.disable_user(pool, name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::UserStatus;
    use crate::flow::testing;

    #[test]
    fn a_seed_file_makes_pool_domain_groups_client_and_people() {
        let idp = testing::idp();
        let seed = r#"
            pool: { usernameAttributes: [email], domain: kubedemy, groups: [admins, { name: developers, precedence: 2 }] }
            client: { readAttributes: [profile, email], tokenValidity: 15m }
            people:
              ada@example.com: { groups: [admins, developers], password: "H3lloW@rlD" }
              bob@example.com: { temporaryPassword: "H3lloW@rlD", attributes: { email_verified: "false" } }
              eve@example.com: { disabled: true }
            otherPools:
              stranger: { people: { carol: { password: "H3lloW@rlD" } } }
        "#;
        let made = Seed::parse(seed).expect("a seed").load(&idp).expect("made");
        let pool = &made[0].pool;
        assert_eq!(
            pool.domain.as_ref().map(|d| d.name.as_str()),
            Some("kubedemy")
        );
        assert_eq!(made[0].client.id_validity().as_secs(), 900);
        let user = |name| idp.user(&pool.id, name).expect("a user");
        assert_eq!(user("ada@example.com").status, UserStatus::Confirmed);
        let groups = idp.groups_of_user(&pool.id, "ada@example.com", Default::default());
        assert_eq!(groups.expect("groups").items.len(), 2);
        assert_eq!(
            user("bob@example.com").status,
            UserStatus::ForceChangePassword
        );
        assert!(!user("eve@example.com").enabled);
        // Only who has no password in the file is told one.
        let told: Vec<_> = idp.outbox().into_iter().map(|m| m.destination).collect();
        assert_eq!(told, ["eve@example.com"]);
        assert_eq!(made[1].pool.name, "stranger");
        assert_eq!(
            idp.user(&made[1].pool.id, "carol").map(|u| u.status),
            Ok(UserStatus::Confirmed)
        );
    }

    #[test]
    fn a_seed_that_cannot_be_made_says_which_part() {
        let load = |text: &str| {
            let seed = Seed::parse(text)?;
            seed.load(&testing::idp()).map(drop)
        };
        let error = |text| load(text).expect_err("refused").to_string();
        assert_eq!(
            error("people: { ada: { password: short } }"),
            "people.ada: Password did not conform with policy: Password not long enough"
        );
        assert_eq!(
            error("people: { ada: { groups: [admins], password: H3lloW@rlD } }"),
            "people.ada: Group not found."
        );
        assert!(error("people: { ada: { grups: [admins] } }").contains("grups"));
    }

    #[test]
    fn a_seed_does_not_print_its_passwords() {
        let seed = Seed::parse("people: { ada: { password: H3lloW@rlD } }").expect("a seed");
        assert!(!format!("{seed:?}").contains("H3lloW@rlD"));
    }
}
