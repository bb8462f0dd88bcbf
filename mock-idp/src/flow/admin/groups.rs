//! Groups and who is in them.

use std::sync::Arc;

use crate::domain::{Error, Group, PoolId, User};
use crate::flow::Idp;
use crate::flow::page::{Page, Paged};

/// `CreateGroup` and `UpdateGroup`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of `Group`")]
pub struct NewGroup {
    pub name: String,
    pub description: Option<String>,
    pub role_arn: Option<String>,
    pub precedence: Option<u32>,
}

impl Idp {
    /// Makes a group.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], [`Error::GroupExists`].
    pub fn create_group(&self, pool: &PoolId, new: NewGroup) -> Result<Arc<Group>, Error> {
        let now = self.now();
        let group = Group {
            pool: pool.clone(),
            name: new.name,
            description: new.description,
            role_arn: new.role_arn,
            precedence: new.precedence,
            created: now,
            modified: now,
        };
        let inserted = self.store().insert_group(group);
        inserted.map_err(|refused| refused.or(|| Error::no_pool(pool), || Error::GroupExists))
    }

    /// A group.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn group(&self, pool: &PoolId, name: &str) -> Result<Arc<Group>, Error> {
        self.pool(pool)?;
        self.store().group(pool, name).ok_or_else(Error::no_group)
    }

    /// Changes what is given of a group.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn update_group(&self, pool: &PoolId, update: NewGroup) -> Result<Arc<Group>, Error> {
        self.pool(pool)?;
        let now = self.now();
        let updated = self.store().update_group(pool, &update.name, &mut |group| {
            let NewGroup {
                description,
                role_arn,
                precedence,
                ..
            } = update.clone();
            group.description = description.or(group.description.take());
            group.role_arn = role_arn.or(group.role_arn.take());
            group.precedence = precedence.or(group.precedence);
            group.modified = now;
            Ok(())
        });
        updated.map_err(|refused| refused.or(Error::no_group, Error::no_group))
    }

    /// Deletes a group, members or not.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn delete_group(&self, pool: &PoolId, name: &str) -> Result<(), Error> {
        self.pool(pool)?;
        let removed = self.store().remove_group(pool, name);
        removed.map(drop).ok_or_else(Error::no_group)
    }

    /// A pool's groups.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], or a wrong page token.
    pub fn groups(&self, pool: &PoolId, page: Page) -> Result<Paged<Arc<Group>>, Error> {
        self.pool(pool)?;
        page.of(self.store().groups(pool))
    }

    /// Who is in a group.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], or a wrong page token.
    pub fn users_in_group(
        &self,
        pool: &PoolId,
        group: &str,
        page: Page,
    ) -> Result<Paged<Arc<User>>, Error> {
        self.group(pool, group)?;
        page.of(self.store().members(pool, group))
    }

    /// Puts a user into a group; twice is once.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::ResourceNotFound`].
    pub fn add_user_to_group(
        &self,
        pool: &PoolId,
        username: &str,
        group: &str,
    ) -> Result<(), Error> {
        let user = self.user(pool, username)?;
        let added = self.store().add_member(pool, group, &user.id);
        added.map_err(|refused| refused.or(Error::no_group, Error::no_group))
    }

    /// Takes a user out of a group.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::ResourceNotFound`].
    pub fn remove_user_from_group(
        &self,
        pool: &PoolId,
        username: &str,
        group: &str,
    ) -> Result<(), Error> {
        let user = self.user(pool, username)?;
        let removed = self.store().remove_member(pool, group, &user.id);
        removed.map_err(|refused| refused.or(Error::no_group, Error::no_group))
    }

    /// A user's groups.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], [`Error::ResourceNotFound`], or a wrong page
    /// token.
    pub fn groups_of_user(
        &self,
        pool: &PoolId,
        username: &str,
        page: Page,
    ) -> Result<Paged<Arc<Group>>, Error> {
        let user = self.user(pool, username)?;
        page.of(self.store().groups_of(pool, &user.id))
    }
}
