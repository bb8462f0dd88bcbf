//! Where the fronts' ids come from: chance, or a seed for snapshots.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

/// Makes ids; clones share one sequence. Secrets never come from here.
#[derive(Clone, Debug)]
pub struct Ids(Arc<Mutex<ChaCha12Rng>>);

impl Ids {
    /// From `seed`, or from the operating system without one.
    pub fn new(seed: Option<u64>) -> Self {
        let rng = match seed {
            Some(seed) => ChaCha12Rng::seed_from_u64(seed),
            None => ChaCha12Rng::from_rng(&mut rand::rng()),
        };
        Self(Arc::new(Mutex::new(rng)))
    }

    /// A UUID of version 4 (RFC 9562 section 5.4).
    pub fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.rng().fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    /// 32 hexadecimal digits in upper case, as in an EKS endpoint.
    pub fn cluster(&self) -> String {
        let bytes: [u8; 16] = self.rng().random();
        super::sigv4::hex(&bytes).to_uppercase()
    }

    /// `length` characters of `alphabet`.
    pub fn text(&self, length: usize, alphabet: &[u8]) -> String {
        let mut rng = self.rng();
        (0..length)
            .map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())]))
            .collect()
    }

    fn rng(&self) -> std::sync::MutexGuard<'_, ChaCha12Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_ids_reproducible_and_its_absence_does_not() {
        let some = |seed| {
            let ids = Ids::new(seed);
            (ids.uuid(), ids.cluster(), ids.text(8, b"ab"))
        };
        assert_eq!(some(Some(7)), some(Some(7)));
        assert_ne!(some(Some(7)), some(Some(8)));
        assert_ne!(some(None), some(None));
    }
}
