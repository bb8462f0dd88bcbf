//! AWS Cognito user pools and their OpenID Connect provider, in process, as an
//! axum router: the AWS API that the `aws` command line speaks, the hosted
//! pages, the OAuth 2.0 endpoints, discovery and keys.
//!
//! It knows nothing of Kubernetes and binds no socket.

pub mod address;
pub mod config;
pub mod domain;
pub mod flow;
pub mod forge;
pub mod issuer;
pub mod keybank;
pub mod seed;
pub mod store;
pub mod transport;

use std::path::Path;

pub use address::{Address, Host, Origin};
pub use config::{Config, Pins};
pub use domain::message::Message;
pub use flow::Idp;
pub use keybank::KeyBank;
pub use seed::{Seed, Seeded};

/// A mock identity provider: a cheap handle on one.
#[derive(Clone, Debug)]
pub struct MockIdp(Idp);

impl MockIdp {
    /// Makes one that holds nothing yet. Keys begin to be made in the
    /// background.
    pub fn new(config: Config) -> Self {
        config.keybank.refill();
        Self(Idp::new(config))
    }

    /// Every route it serves.
    pub fn router(&self) -> axum::Router {
        transport::router(self.0.clone())
    }

    /// What stands behind a host of AWS', or behind a pool's custom domain.
    pub fn at(&self, host: &str) -> Option<Host> {
        Host::parse(host, |name| {
            let (pool, domain) = self.0.domain(name)?;
            Some((pool.region.clone(), domain.certificate_arn.is_some()))
        })
    }

    /// What its pools would have sent, oldest first.
    pub fn outbox(&self) -> Vec<Message> {
        self.0.outbox()
    }

    /// Makes what a seed file describes.
    ///
    /// # Errors
    /// [`seed::Error`], naming the part that is wrong.
    pub fn seed_file(&self, path: &Path) -> Result<Vec<Seeded>, seed::Error> {
        Seed::read(path)?.load(&self.0)
    }

    /// The flows, for who needs no HTTP in between.
    pub fn idp(&self) -> &Idp {
        &self.0
    }
}
