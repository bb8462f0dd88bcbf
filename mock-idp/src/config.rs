//! What a mock identity provider is made with.

use foundation::clock::Clock;
use foundation::secret::Secret;

use crate::address::Address;
use crate::keybank::KeyBank;

/// Everything that [`crate::MockIdp::new`] needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The time.
    pub clock: Clock,
    /// The region where a request names none.
    pub region: String,
    /// The account that everything belongs to, twelve digits.
    pub account: String,
    /// Where it is to be found.
    pub address: Address,
    /// Ids for what is made next.
    pub pins: Pins,
    /// Makes ids reproducible. Keys, secrets, codes and passwords stay random.
    pub seed: Option<u64>,
    /// Where signing keys come from.
    pub keybank: KeyBank,
    /// The bearer that control calls need.
    pub control_token: Secret<String>,
}

/// Ids that the pool and the client created next get, once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Such as `eu-west-2_Tj3uyJm1Q`; the pool's region is its first part.
    pub pool: Option<String>,
    /// Such as `ganda06c18isdkrj0i8f9g0gj`.
    pub client: Option<String>,
}
