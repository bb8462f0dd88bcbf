//! Pools.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::pool::{
    AliasAttribute, AttributeType, PoolSettings, SchemaAttribute, Tier, UsernameAttribute,
    standard_schema,
};
use crate::domain::{Error, Pool, PoolId};
use crate::flow::Idp;
use crate::flow::page::{Page, Paged};

/// `CreateUserPool`. Settings left out are [`PoolSettings::default`]'s.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of `Pool`")]
pub struct CreatePool {
    pub name: String,
    pub settings: PoolSettings,
    pub username_attributes: Vec<UsernameAttribute>,
    pub alias_attributes: Vec<AliasAttribute>,
    pub case_sensitivity: Option<bool>,
    pub schema: Vec<NewAttribute>,
    pub tags: BTreeMap<String, String>,
}

/// An entry of `Schema`: a custom attribute, or other constraints for a
/// standard one.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of `SchemaAttribute`")]
pub struct NewAttribute {
    pub name: String,
    pub data_type: Option<AttributeType>,
    pub developer_only: bool,
    pub mutable: Option<bool>,
    pub required: Option<bool>,
    pub min: Option<String>,
    pub max: Option<String>,
}

/// `UpdateUserPool`: what is left out goes back to its default, but for the
/// name and the tier.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of `Pool`")]
pub struct UpdatePool {
    pub name: Option<String>,
    pub settings: PoolSettings,
    pub tier: Option<Tier>,
    pub tags: BTreeMap<String, String>,
}

impl Idp {
    /// Makes a pool in `region`, with the pinned id if that is of this region.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for attributes that do not go together.
    pub fn create_pool(&self, region: &str, new: CreatePool) -> Result<Arc<Pool>, Error> {
        if !new.username_attributes.is_empty() && !new.alias_attributes.is_empty() {
            return Err(Error::invalid(
                "Only one of the aliasAttributes or usernameAttributes can be set in a user pool.",
            ));
        }
        let mut schema = standard_schema();
        for attribute in &new.schema {
            define(&mut schema, attribute)?;
        }
        let id = self.take_pool_pin(region);
        let id = PoolId::from(id.unwrap_or_else(|| self.0.ids.pool(region)));
        let now = self.now();
        let pool = Pool {
            region: region.to_owned(),
            account: self.account().to_owned(),
            name: new.name,
            username_attributes: new.username_attributes,
            alias_attributes: new.alias_attributes,
            case_sensitivity: new.case_sensitivity,
            schema,
            settings: new.settings,
            domain: None,
            tags: new.tags,
            created: now,
            modified: now,
            id,
        };
        let ring = self.0.keybank.ring();
        let pool = self
            .store()
            .insert_pool(pool, Arc::clone(&ring))
            .map_err(|_| Error::invalid("A user pool with this id already exists."))?;
        ring.prefetch();
        Ok(pool)
    }

    /// The pools of `region`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a wrong page token.
    pub fn pools(&self, region: &str, page: Page) -> Result<Paged<Arc<Pool>>, Error> {
        let mut pools = self.store().pools();
        pools.retain(|(_, pool)| pool.region == region);
        page.of(pools)
    }

    /// Every pool there is, in whatever region.
    pub fn all_pools(&self) -> Vec<Arc<Pool>> {
        let pools = self.store().pools();
        pools.into_iter().map(|(_, pool)| pool).collect()
    }

    /// How many users a pool has.
    pub fn user_count(&self, pool: &PoolId) -> usize {
        self.store().user_count(pool)
    }

    /// Replaces a pool's settings.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn update_pool(&self, id: &PoolId, update: UpdatePool) -> Result<Arc<Pool>, Error> {
        let now = self.now();
        let updated = self.store().update_pool(id, &mut |pool| {
            let tier = update.tier.unwrap_or(pool.settings.tier);
            pool.settings = PoolSettings {
                tier,
                ..update.settings.clone()
            };
            if let Some(name) = &update.name {
                pool.name.clone_from(name);
            }
            pool.tags.clone_from(&update.tags);
            pool.modified = now;
            Ok(())
        });
        updated.map_err(|refused| refused.or(|| Error::no_pool(id), || Error::no_pool(id)))
    }

    /// Deletes a pool and all that is in it.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] while it has a domain or is protected.
    pub fn delete_pool(&self, id: &PoolId) -> Result<(), Error> {
        let rule = |pool: &Pool| {
            if pool.settings.deletion_protection {
                return Err(Error::invalid(
                    "The user pool cannot be deleted because deletion protection is activated. \
                     Deletion protection must be inactivated first.",
                ));
            }
            if pool.domain.is_some() {
                return Err(Error::invalid(
                    "User pool cannot be deleted. It has a domain configured that should be \
                     deleted first.",
                ));
            }
            Ok(())
        };
        let removed = self.store().remove_pool(id, &rule);
        removed.map_err(|refused| refused.or(|| Error::no_pool(id), || Error::no_pool(id)))
    }
}

fn define(schema: &mut Vec<SchemaAttribute>, new: &NewAttribute) -> Result<(), Error> {
    if let Some(standard) = schema.iter_mut().find(|entry| entry.name == new.name) {
        standard.required = new.required.unwrap_or(standard.required);
        standard.mutable = new.mutable.unwrap_or(standard.mutable);
        standard.developer_only |= new.developer_only;
        standard.min = new.min.clone().or(standard.min.take());
        standard.max = new.max.clone().or(standard.max.take());
        return Ok(());
    }
    if new.required == Some(true) {
        return Err(Error::invalid(
            "Required custom attributes are not supported currently.",
        ));
    }
    let prefix = if new.developer_only {
        "dev:custom:"
    } else {
        "custom:"
    };
    schema.push(SchemaAttribute {
        name: format!("{prefix}{}", new.name),
        data_type: new.data_type.unwrap_or(AttributeType::String),
        developer_only: new.developer_only,
        mutable: new.mutable.unwrap_or(true),
        required: false,
        min: new.min.clone(),
        max: new.max.clone(),
    });
    Ok(())
}
