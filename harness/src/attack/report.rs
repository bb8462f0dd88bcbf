//! What came of an attack.

use std::collections::BTreeSet;
use std::fmt;

use kube_authn::User;
use mock_idp::forge::Forgery;

use super::kubernetes;
use super::reference::Expected;
use super::target::Answer;
use crate::doctor::excerpt;

/// What no token shows, and so is not sent.
pub const NOT_SENT: &str = "a live token of somebody who was disabled, which an API server takes until it ends, and key sets that are odd themselves";

/// What a cluster did with a forged token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It was refused.
    Refused,
    /// It was accepted, and Kubernetes accepts it, too.
    AsKubernetes,
    /// Nothing was learnt.
    Broken,
    /// It was accepted.
    LetIn,
}

impl Outcome {
    /// All of them, from the best to the worst: to be let in at one door is to
    /// be let in.
    pub const ALL: [Self; 4] = [Self::Refused, Self::AsKubernetes, Self::Broken, Self::LetIn];

    /// One word, or a few.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::AsKubernetes => "accepted as by Kubernetes",
            Self::LetIn => "LET IN",
            Self::Broken => "broken",
        }
    }
}

/// One forged token.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which form of the word.
    pub variant: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The HTTP status, where it was shown as a bearer and answered.
    pub status: Option<u16>,
    /// Whom it was taken for.
    pub user: Option<User>,
    /// The API server's reason, or why nothing was learnt.
    pub why: String,
}

/// What came of it, in a sentence.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.outcome.words())?;
        if let Some(user) = &self.user {
            write!(f, " as {:?}", excerpt(&user.username))?;
        }
        if !self.why.is_empty() {
            write!(f, ": {}", self.why)?;
        }
        Ok(())
    }
}

/// One word, in all its forms.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The word.
    pub word: Forgery,
    /// The tokens that were sent.
    pub rows: Vec<Row>,
    /// What was not, and why.
    pub left_out: Vec<String>,
}

impl Attempt {
    pub(super) fn new(word: Forgery) -> Self {
        Self {
            word,
            rows: Vec::new(),
            left_out: Vec::new(),
        }
    }

    pub(super) fn without(word: Forgery, why: String) -> Self {
        Self {
            left_out: vec![why],
            ..Self::new(word)
        }
    }

    /// Why Kubernetes accepts it; none where it is to be refused.
    pub fn accepted_by_kubernetes(&self) -> Option<&'static str> {
        kubernetes::accepts(self.word)
    }

    /// How many of its tokens came out like this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.rows
            .iter()
            .filter(|row| row.outcome == outcome)
            .count()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.count(Outcome::Broken) > 0
    }

    pub(super) fn leave_out(&mut self, what: String) {
        self.left_out.push(what);
    }

    /// Notes what came of one token, at both doors.
    pub(super) fn add(
        &mut self,
        variant: String,
        shown: Option<Answer>,
        reviewed: Option<Answer>,
        expected: &Expected,
        person: &User,
    ) {
        if shown.is_none() && reviewed.is_none() {
            self.leave_out(format!(
                "{variant}: it cannot stand in a header, and nobody is there who may ask about it"
            ));
            return;
        }
        let status = match &shown {
            Some(Answer::Refused { status, .. } | Answer::Accepted { status, .. }) => Some(*status),
            _ => None,
        };
        let mut row = Row {
            variant,
            outcome: Outcome::Refused,
            status,
            user: None,
            why: String::new(),
        };
        // The review's words come last: they are the reason.
        for answer in [shown, reviewed].into_iter().flatten() {
            let (outcome, why) = match answer {
                Answer::Accepted { status, user } => {
                    // A refusal to somebody who is known names no groups.
                    let groups = (status != 403).then_some(&user.groups);
                    let outcome = self.judge(&user.username, groups, expected, person);
                    row.user.get_or_insert(user);
                    (outcome, None)
                }
                Answer::Refused { why, .. } => (Outcome::Refused, Some(why)),
                Answer::Broken(why) => (Outcome::Broken, Some(why)),
            };
            if outcome >= row.outcome {
                row.why = why.unwrap_or_default();
                row.outcome = outcome;
            }
        }
        self.rows.push(row);
    }

    /// What it is to accept a token as somebody.
    fn judge(
        &self,
        name: &str,
        groups: Option<&Vec<String>>,
        expected: &Expected,
        person: &User,
    ) -> Outcome {
        let sorted = |groups: &[String]| groups.iter().cloned().collect::<BTreeSet<_>>();
        let is = |user: &User| {
            let same = groups.is_none_or(|groups| sorted(groups) == sorted(&user.groups));
            user.username == name && same
        };
        let as_kubernetes = match expected {
            Expected::Refused => false,
            Expected::Accepted(Some(user)) => is(user),
            Expected::Accepted(None) => is(person),
            Expected::Unknown => is(person) || kubernetes::renames(self.word),
        };
        if self.accepted_by_kubernetes().is_some() && as_kubernetes {
            Outcome::AsKubernetes
        } else {
            Outcome::LetIn
        }
    }
}

/// A whole attack.
#[derive(Clone, Debug)]
pub struct Report {
    /// The API server.
    pub target: String,
    /// Whom it takes the bearer of the real token for.
    pub person: User,
    /// Whether TokenReview was asked, too; if not, why.
    pub reviewed: Result<(), String>,
    /// Every word.
    pub attempts: Vec<Attempt>,
    /// What the cluster asked the forger for, of whom a token said that it has
    /// keys. Only a cluster on this machine finds the way.
    pub lured: Vec<String>,
}

impl Report {
    /// How many tokens there were.
    pub fn sent(&self) -> usize {
        self.attempts.iter().map(|attempt| attempt.rows.len()).sum()
    }

    /// How many tokens came out like this.
    pub fn count(&self, outcome: Outcome) -> usize {
        let all = self.attempts.iter();
        all.map(|attempt| attempt.count(outcome)).sum()
    }

    /// The words of which nothing was sent.
    pub fn left_out(&self) -> usize {
        let all = self.attempts.iter();
        all.filter(|attempt| attempt.rows.is_empty()).count()
    }
}
