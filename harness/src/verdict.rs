//! What can come of a step: four words that never stand in for each other.

/// The outcome of a step or a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Pass,
    /// The product under test is not as expected.
    Fail {
        /// Expected and received.
        because: String,
    },
    /// Not tried, since something is missing here.
    Skip {
        /// What is missing.
        missing: String,
    },
    /// The rig failed: nothing was learned about the product.
    Broken {
        /// Which part of the rig, and how.
        r#where: String,
    },
}

impl Verdict {
    /// The worse of two: broken, then fail, then skip, then pass.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if other.rank() > self.rank() {
            other
        } else {
            self
        }
    }

    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail { .. } => "fail",
            Self::Skip { .. } => "skip",
            Self::Broken { .. } => "broken",
        }
    }

    /// The sentence that goes with every word but `pass`.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Fail { because } => Some(because),
            Self::Skip { missing } => Some(missing),
            Self::Broken { r#where } => Some(r#where),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Skip { .. } => 1,
            Self::Fail { .. } => 2,
            Self::Broken { .. } => 3,
        }
    }
}

/// How many scenarios came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// As expected.
    pub passed: usize,
    /// Not as expected.
    pub failed: usize,
    /// Not tried, or not tried in full.
    pub skipped: usize,
    /// The rig failed.
    pub broken: usize,
    /// Steps that came out differently on several kinds of cluster.
    pub differences: usize,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail { .. } => self.failed += 1,
            Verdict::Skip { .. } => self.skipped += 1,
            Verdict::Broken { .. } => self.broken += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_is_never_hidden_by_fail() {
        let fail = Verdict::Fail {
            because: "x".to_owned(),
        };
        let broken = Verdict::Broken {
            r#where: "y".to_owned(),
        };
        assert_eq!(fail.clone().worst(broken.clone()), broken);
        assert_eq!(broken.clone().worst(fail), broken);
    }
}
