//! Values drawn from proptest's strategies by a number.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The same values for the same generator and number.
pub struct Draw(TestRunner);

impl Draw {
    pub fn new(generator: [u8; 32], seed: u64) -> Self {
        let mut bytes = generator;
        for (byte, of_seed) in bytes.iter_mut().rev().zip(seed.to_le_bytes()) {
            *byte ^= of_seed;
        }
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self(TestRunner::new_with_rng(Config::default(), rng))
    }

    pub fn one<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        strategy
            .new_tree(&mut self.0)
            .expect("no strategy rejects")
            .current()
    }

    pub fn many<S: Strategy>(&mut self, count: usize, strategy: &S) -> Vec<S::Value> {
        (0..count).map(|_| self.one(strategy)).collect()
    }
}
