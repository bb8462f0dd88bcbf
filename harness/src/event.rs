//! What the runner says while it works: the contract between it and every
//! report.

use crate::side_by_side::Difference;
use crate::verdict::{Tally, Verdict};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A scenario file is about to run.
    ScenarioStarted {
        /// Its `name`.
        name: String,
        /// Its path, as given.
        file: String,
        /// How many steps it has.
        steps: usize,
        /// On what, where it runs on several kinds of cluster.
        cluster: Option<&'static str>,
    },
    /// One step is over.
    StepFinished {
        /// Counting from one.
        number: usize,
        /// What was done or asked, in a few words.
        title: String,
        /// What came of it.
        verdict: Verdict,
        /// What was answered and decided, a line each.
        details: Vec<String>,
        /// How long it took, in real time.
        seconds: f64,
    },
    /// The scenario is over.
    ScenarioFinished {
        /// Its `name`.
        name: String,
        /// Its path, as given.
        file: String,
        /// The worst of its steps.
        verdict: Verdict,
        /// How long it took, in real time.
        seconds: f64,
        /// On what, where it runs on several kinds of cluster.
        cluster: Option<&'static str>,
        /// How people became identities at a cluster that was there before.
        identities: Option<String>,
    },
    /// A step of it came out differently on several kinds of cluster.
    Difference {
        /// The scenario's `name`.
        scenario: String,
        /// What each said that not all said.
        difference: Difference,
    },
    /// All scenarios are over.
    RunFinished {
        /// How many came out how.
        tally: Tally,
    },
}
