//! What a check has found.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Right in some places and wrong in others.
    Warning,
    /// A login fails for this.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: &'static str,
    /// How it came out.
    pub level: Level,
    /// A sentence with the values seen; never a token or a secret.
    pub what: String,
    /// A sentence on what to do; empty when there is nothing to do.
    pub remedy: String,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, what, "")
    }

    /// It may be what is wrong.
    pub fn warning(
        check: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(check, Level::Warning, what, remedy)
    }

    /// It is wrong.
    pub fn problem(
        check: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(check, Level::Problem, what, remedy)
    }

    fn new(
        check: &'static str,
        level: Level,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            check,
            level,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// `text`, as much of it as fits into a sentence.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 200;
    let text = text.trim();
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}
