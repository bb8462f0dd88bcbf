//! The same scenario on several clusters: where their answers differ.
//!
//! What cannot be the same is taken out of both before: the run's own
//! addresses, the time, the place of a fault in a token that has an address in
//! it, which of several bindings that allow something is named (Go's maps have
//! no order), which algorithms are allowed (a configuration file has no word
//! for them), and what is only said of clusters that were there before.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use crate::event::Event;
use crate::verdict::Verdict;

/// What differs from run to run, and what to call it instead.
static UNEQUAL: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?( \+0000)? UTC( m=\+[\d.]+)?",
            "TIME",
        ),
        (r"input byte \d+", "input byte N"),
        (r"RBAC: allowed by .*", "RBAC: allowed"),
        (
            r#"expected \[("[A-Z]S\d+" ?)+\] got"#,
            "expected [ALGORITHMS] got",
        ),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).expect("a valid pattern"), name))
});

/// How a cluster of somebody else's is dealt with is no answer of it.
fn is_of_the_way(line: &str) -> bool {
    let begins = ["identities ", "made ", "removed "];
    begins.iter().any(|word| line.starts_with(word))
        || line.contains(" is there already, and stays as it is")
}

/// What one cluster made of a scenario.
#[derive(Clone, Debug)]
pub struct Side {
    /// The cluster's kind.
    pub cluster: &'static str,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    title: String,
    verdict: Verdict,
    answers: Vec<String>,
}

/// One step that came out differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The step.
    pub title: String,
    /// What each cluster said that not all said, in the clusters' order.
    pub sides: Vec<(&'static str, Vec<String>)>,
}

/// The step, and below it a column a cluster: its name and what it said.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let width = self.sides.iter().map(|(name, _)| name.len()).max();
        let width = width.unwrap_or_default();
        for (cluster, answers) in &self.sides {
            let mut name = *cluster;
            if answers.is_empty() {
                writeln!(f, "      {name:width$}  (nothing of its own)")?;
            }
            for answer in answers {
                writeln!(f, "      {name:width$}  {answer}")?;
                name = "";
            }
        }
        Ok(())
    }
}

impl Side {
    /// Nothing yet.
    pub fn new(cluster: &'static str) -> Self {
        Self {
            cluster,
            steps: Vec::new(),
        }
    }

    /// Takes in an event of the run. `own` are the words that only this run
    /// has, such as its address, and what to call them instead.
    pub fn listen(&mut self, event: &Event, own: &[(String, &str)]) {
        if let Event::StepFinished {
            title,
            verdict,
            details,
            ..
        } = event
        {
            let common = |line: &String| {
                let line = own.iter().fold(line.clone(), |line, (word, name)| {
                    line.replace(word.as_str(), name)
                });
                UNEQUAL.iter().fold(line, |line, (unequal, name)| {
                    unequal.replace_all(&line, *name).into_owned()
                })
            };
            self.steps.push(Step {
                title: title.clone(),
                verdict: verdict.clone(),
                answers: verdict
                    .reason()
                    .map(str::to_owned)
                    .iter()
                    .chain(details.iter().filter(|line| !is_of_the_way(line)))
                    .map(common)
                    .collect(),
            });
        }
    }
}

/// Where the sides differ. One that skipped a step, or broke in it, is asked no
/// more: the rest of it has nothing in common with the others.
pub fn differences(sides: &[Side]) -> Vec<Difference> {
    let mut left: Vec<&Side> = sides.iter().collect();
    let mut found = Vec::new();
    for at in 0.. {
        left.retain(|side| side.steps.get(at).is_some_and(Step::was_tried));
        if left.len() < 2 {
            break;
        }
        let lines: Vec<Vec<String>> = left.iter().map(|side| side.steps[at].lines()).collect();
        if lines.windows(2).all(|pair| pair[0] == pair[1]) {
            continue;
        }
        let shared = |line: &String| lines.iter().all(|other| other.contains(line));
        found.push(Difference {
            title: left[0].steps[at].title.clone(),
            sides: left
                .iter()
                .zip(&lines)
                .map(|(side, lines)| {
                    let own = lines.iter().filter(|line| !shared(line)).cloned();
                    (side.cluster, own.collect())
                })
                .collect(),
        });
    }
    found
}

impl Step {
    fn was_tried(&self) -> bool {
        !matches!(self.verdict, Verdict::Skip { .. } | Verdict::Broken { .. })
    }

    fn lines(&self) -> Vec<String> {
        let verdict = self.verdict.word().to_owned();
        std::iter::once(verdict)
            .chain(self.answers.iter().cloned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(cluster: &'static str, port: u16, last: Verdict, answer: &str) -> Side {
        let mut side = Side::new(cluster);
        let own = [(format!("127.0.0.1:{port}"), "ORIGIN")];
        for (title, verdict, answer) in [
            (
                "a",
                Verdict::Pass,
                format!("issuer https://127.0.0.1:{port}/p"),
            ),
            ("b", last, answer.to_owned()),
        ] {
            side.listen(
                &Event::StepFinished {
                    number: 1,
                    title: title.to_owned(),
                    verdict,
                    details: vec!["the same".to_owned(), answer],
                    seconds: 0.0,
                },
                &own,
            );
        }
        side
    }

    #[test]
    fn what_one_says_and_not_the_other_is_a_difference() {
        let embedded = side("embedded", 1, Verdict::Pass, "get pods: allowed");
        let real = side("control-plane", 2, Verdict::Pass, "get pods: denied");
        assert_eq!(
            differences(&[embedded.clone(), real]),
            [Difference {
                title: "b".to_owned(),
                sides: vec![
                    ("embedded", vec!["get pods: allowed".to_owned()]),
                    ("control-plane", vec!["get pods: denied".to_owned()]),
                ],
            }]
        );
        let told = differences(&[
            side("embedded", 1, Verdict::Pass, "get pods: allowed"),
            side("control-plane", 2, Verdict::Pass, "the same"),
        ]);
        assert_eq!(
            told[0].to_string(),
            "b\n      embedded       get pods: allowed\n      control-plane  (nothing of its own)\n"
        );
        let failed = |cluster, because: &str| {
            let because = because.to_owned();
            side(cluster, 1, Verdict::Fail { because }, "get pods: denied")
        };
        let of_two_reasons = [failed("embedded", "a"), failed("control-plane", "b")];
        assert_eq!(differences(&of_two_reasons).len(), 1);
        let same = side("control-plane", 2, Verdict::Pass, "get pods: allowed");
        assert_eq!(differences(&[embedded, same]), []);
    }

    #[test]
    fn what_cannot_be_equal_is_no_difference() {
        for (ours, theirs) in [
            (
                r#"expected ["RS256"] got "none""#,
                r#"expected ["ES256" "PS512" "RS256"] got "none""#,
            ),
            (
                "current time 2026-11-25 22:03:44.35 +0000 UTC before",
                "current time 2026-11-25 22:03:57.79 +0000 UTC m=+15.13 before",
            ),
            (
                "illegal base64 data at input byte 37",
                "illegal base64 data at input byte 9",
            ),
            (
                r#"get /version: allowed, RBAC: allowed by ClusterRoleBinding "a""#,
                r#"get /version: allowed, RBAC: allowed by ClusterRoleBinding "b""#,
            ),
        ] {
            let embedded = side("embedded", 1, Verdict::Pass, ours);
            let real = side("control-plane", 2, Verdict::Pass, theirs);
            assert_eq!(differences(&[embedded, real]), [], "{ours}");
        }
    }

    #[test]
    fn how_a_strangers_cluster_is_dealt_with_is_no_difference() {
        let told = |cluster, details: &[&str]| {
            let mut side = Side::new(cluster);
            side.listen(
                &Event::StepFinished {
                    number: 1,
                    title: "a".to_owned(),
                    verdict: Verdict::Pass,
                    details: details.iter().map(|line| (*line).to_owned()).collect(),
                    seconds: 0.0,
                },
                &[],
            );
            side
        };
        let embedded = told("embedded", &["p is ACTIVE"]);
        let theirs = [
            "p is ACTIVE",
            "identities by impersonation, as …",
            "made /api/v1/…, which goes at the end",
            "/apis/… is there already, and stays as it is",
        ];
        assert_eq!(
            differences(&[embedded.clone(), told("kubeconfig", &theirs)]),
            []
        );
        let more = told("kubeconfig", &["p is ACTIVE", "get pods: denied"]);
        assert_eq!(differences(&[embedded, more]).len(), 1);
    }

    #[test]
    fn what_was_not_tried_is_none() {
        let skip = Verdict::Skip {
            missing: "its clock does not follow ours".to_owned(),
        };
        let embedded = side("embedded", 1, Verdict::Pass, "it is noon now");
        let real = side("control-plane", 2, skip, "");
        assert_eq!(differences(&[embedded.clone(), real.clone()]), []);
        // The others are compared all the same.
        let kind = side("kind", 3, Verdict::Pass, "it is midnight");
        let told = differences(&[embedded, real, kind]);
        let said = |text: &str| vec![text.to_owned()];
        assert_eq!(
            told[0].sides,
            [
                ("embedded", said("it is noon now")),
                ("kind", said("it is midnight"))
            ]
        );
    }
}
