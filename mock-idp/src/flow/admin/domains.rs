//! Domains: where the hosted pages of a pool are.

use std::sync::Arc;

use crate::domain::pool::Domain;
use crate::domain::{Error, Pool, PoolId};
use crate::flow::Idp;

/// Refused anywhere in a prefix.
const RESERVED: [&str; 3] = ["cognito", "aws", "amazon"];

impl Idp {
    /// Gives a pool its domain: a prefix, or a custom one with a certificate.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a reserved word, for a name that
    /// another pool has, and for a second domain.
    pub fn create_domain(
        &self,
        id: &PoolId,
        name: &str,
        certificate_arn: Option<String>,
        managed_login_version: Option<u32>,
    ) -> Result<Arc<Pool>, Error> {
        self.pool(id)?;
        let reserved = RESERVED.iter().find(|word| name.contains(*word));
        if let (Some(word), None) = (reserved, &certificate_arn) {
            return Err(Error::invalid(format!(
                "Domain cannot contain reserved word: {word}"
            )));
        }
        let domain = Domain {
            name: name.to_owned(),
            certificate_arn,
            managed_login_version,
            created: self.now(),
        };
        let updated = self.store().update_pool(id, &mut |pool| {
            if pool.domain.is_some() {
                return Err(Error::invalid("User pool already has a domain configured."));
            }
            pool.domain = Some(domain.clone());
            Ok(())
        });
        updated.map_err(|refused| {
            refused.or(
                || Error::no_pool(id),
                || Error::invalid("Domain already associated with another user pool."),
            )
        })
    }

    /// The domain called `name` and its pool; an unknown one is no error
    /// (`DescribeUserPoolDomain`).
    pub fn domain(&self, name: &str) -> Option<(Arc<Pool>, Domain)> {
        let pool = self.pool_by_domain(name)?;
        let domain = pool.domain.clone()?;
        Some((pool, domain))
    }

    /// Takes a pool's domain away.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where the pool does not have this domain.
    pub fn delete_domain(&self, id: &PoolId, name: &str) -> Result<(), Error> {
        let unknown = || Error::invalid("No such domain or user pool exists.");
        let updated = self.store().update_pool(id, &mut |pool| {
            pool.domain
                .take_if(|domain| domain.name == name)
                .map(drop)
                .ok_or_else(unknown)
        });
        updated
            .map(drop)
            .map_err(|refused| refused.or(unknown, unknown))
    }
}
