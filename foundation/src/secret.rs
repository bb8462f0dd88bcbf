//! Values that do not print: what must never reach a log, an error or a
//! snapshot travels in a [`Secret`].

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A value whose `Debug` output is a fixed word, and which is wiped when it
/// goes.
///
/// There is no `Display` and no `Serialize`: whoever wants the value says so
/// with [`Secret::expose`], which is easy to find in a review.
#[derive(Clone, Default)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<String> {
    /// Whether `candidate` is the secret, in time that depends on lengths
    /// only.
    pub fn matches(&self, candidate: &str) -> bool {
        constant_time_eq(self.0.as_bytes(), candidate.as_bytes())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

/// Compares two byte strings without stopping at the first difference.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0_u8, |d, (x, y)| d | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("H3lloW@rlD".to_owned());
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert!(secret.matches("H3lloW@rlD"));
        assert!(!secret.matches("H3lloW@rlE"));
        assert!(!secret.matches("H3lloW@rl"));
    }
}
