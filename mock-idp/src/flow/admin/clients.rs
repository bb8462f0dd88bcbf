//! App clients.

use std::sync::Arc;

use foundation::secret::Secret;

use crate::domain::client::ClientSettings;
use crate::domain::scope::STANDARD;
use crate::domain::{Client, ClientId, Error, Pool, PoolId};
use crate::flow::page::{Page, Paged};
use crate::flow::{Idp, ids};

/// `CreateUserPoolClient`.
#[derive(Clone, Debug, Default)]
pub struct NewClient {
    /// Its name.
    pub name: String,
    /// Whether a secret is to be made.
    pub generate_secret: bool,
    /// A secret of the caller's own.
    pub secret: Option<Secret<String>>,
    /// Its settings.
    pub settings: ClientSettings,
}

impl Idp {
    /// Makes a client, or one with the pinned id.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], and the refusals of its settings.
    pub fn create_client(&self, pool: &PoolId, new: NewClient) -> Result<Arc<Client>, Error> {
        let pool = self.pool(pool)?;
        if new.generate_secret && new.secret.is_some() {
            return Err(Error::invalid(
                "ClientSecret can not be combined with GenerateSecret.",
            ));
        }
        let generated = new
            .generate_secret
            .then(|| Secret::new(ids::client_secret()));
        let secret = new.secret.or(generated);
        check(&pool, &new.settings, secret.is_some())?;
        let id = self.take_client_pin();
        let now = self.now();
        let client = Client {
            id: ClientId::from(id.unwrap_or_else(|| self.0.ids.client())),
            pool: pool.id.clone(),
            name: new.name,
            secret,
            settings: new.settings,
            created: now,
            modified: now,
        };
        let inserted = self.store().insert_client(client);
        inserted.map_err(|refused| {
            refused.or(
                || Error::no_pool(&pool.id),
                || Error::invalid("A user pool client with this id already exists."),
            )
        })
    }

    /// Replaces a client's settings; what is left out goes back to its
    /// default.
    ///
    /// # Errors
    /// As [`Idp::create_client`].
    pub fn update_client(
        &self,
        pool: &PoolId,
        id: &ClientId,
        name: Option<String>,
        settings: ClientSettings,
    ) -> Result<Arc<Client>, Error> {
        let client = self.client_in(pool, id)?;
        check(&*self.pool(pool)?, &settings, client.secret.is_some())?;
        let now = self.now();
        let updated = self.store().update_client(id, &mut |client| {
            client.settings = settings.clone();
            if let Some(name) = &name {
                client.name.clone_from(name);
            }
            client.modified = now;
            Ok(())
        });
        updated.map_err(|refused| refused.or(|| Error::no_client(id), || Error::no_client(id)))
    }

    /// A pool's clients.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], or a wrong page token.
    pub fn clients(&self, pool: &PoolId, page: Page) -> Result<Paged<Arc<Client>>, Error> {
        self.pool(pool)?;
        page.of(self.store().clients(pool))
    }

    /// Deletes a client, and the grants made for it.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`].
    pub fn delete_client(&self, pool: &PoolId, id: &ClientId) -> Result<(), Error> {
        self.client_in(pool, id)?;
        self.store().remove_client(id);
        Ok(())
    }
}

fn check(pool: &Pool, settings: &ClientSettings, has_secret: bool) -> Result<(), Error> {
    settings.check(has_secret)?;
    let unknown_scope = settings
        .allowed_oauth_scopes
        .iter()
        .find(|scope| !STANDARD.contains(&scope.as_str()));
    if let Some(scope) = unknown_scope {
        return Err(Error::ScopeDoesNotExist(format!(
            "Invalid scope requested: {scope}"
        )));
    }
    let providers = &settings.identity_providers;
    if let Some(provider) = providers.iter().find(|p| *p != "COGNITO") {
        return Err(Error::invalid(format!(
            "The provider {provider} does not exist for User Pool {}.",
            pool.id
        )));
    }
    let lists = [&settings.read_attributes, &settings.write_attributes];
    let listed = lists.into_iter().flatten().flatten();
    let unknown = |name: &&String| pool.attribute(name).is_none();
    match listed.into_iter().find(unknown) {
        Some(name) => Err(Error::invalid(format!(
            "Invalid attribute specified while creating a client: {name}"
        ))),
        None => Ok(()),
    }
}
