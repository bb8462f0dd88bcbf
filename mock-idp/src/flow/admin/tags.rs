//! Tags, which only pools have.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{Error, Pool, PoolId};
use crate::flow::Idp;

impl Idp {
    /// Adds tags to the pool with this resource name.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn tag(&self, arn: &str, tags: BTreeMap<String, String>) -> Result<(), Error> {
        self.change_tags(arn, |all| {
            all.extend(tags.iter().map(|(k, v)| (k.clone(), v.clone())));
        })
    }

    /// Takes tags away from it.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn untag(&self, arn: &str, keys: &[String]) -> Result<(), Error> {
        self.change_tags(arn, |all| all.retain(|key, _| !keys.contains(key)))
    }

    /// Its tags.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn tags(&self, arn: &str) -> Result<BTreeMap<String, String>, Error> {
        Ok(self.by_arn(arn)?.tags.clone())
    }

    fn by_arn(&self, arn: &str) -> Result<Arc<Pool>, Error> {
        let id = arn.rsplit('/').next().unwrap_or_default();
        let pool = self.pool(&PoolId::from(id))?;
        if pool.arn() == arn {
            Ok(pool)
        } else {
            Err(Error::no_pool(id))
        }
    }

    fn change_tags(
        &self,
        arn: &str,
        change: impl Fn(&mut BTreeMap<String, String>),
    ) -> Result<(), Error> {
        let id = &self.by_arn(arn)?.id;
        let updated = self.store().update_pool(id, &mut |pool| {
            change(&mut pool.tags);
            Ok(())
        });
        updated
            .map(drop)
            .map_err(|refused| refused.or(|| Error::no_pool(id), || Error::no_pool(id)))
    }
}
