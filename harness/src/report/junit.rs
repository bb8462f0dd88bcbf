//! For CI: JUnit XML, a suite a scenario, a case a step.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::event::Event;
use crate::verdict::Verdict;

/// Collects events into one report.
pub struct Junit {
    report: Report,
    suite: Option<TestSuite>,
}

impl Default for Junit {
    fn default() -> Self {
        Self {
            report: Report::new("rolecall"),
            suite: None,
        }
    }
}

impl Junit {
    /// Takes in one event.
    pub fn listen(&mut self, event: &Event) {
        match event {
            Event::ScenarioStarted { name, cluster, .. } => {
                self.suite = Some(TestSuite::new(match cluster {
                    Some(cluster) => format!("{name} ({cluster})"),
                    None => name.clone(),
                }));
            }
            Event::StepFinished {
                title,
                verdict,
                details,
                seconds,
                ..
            } => {
                let mut case = TestCase::new(title, status(verdict));
                case.set_time(Duration::from_secs_f64(*seconds));
                case.set_system_out(details.join("\n"));
                if let Some(suite) = &mut self.suite {
                    suite.add_test_case(case);
                }
            }
            Event::ScenarioFinished {
                seconds,
                identities,
                ..
            } => {
                if let Some(mut suite) = self.suite.take() {
                    suite.set_time(Duration::from_secs_f64(*seconds));
                    if let Some(identities) = identities {
                        suite.add_property(("identities", identities.as_str()));
                    }
                    self.report.add_test_suite(suite);
                }
            }
            Event::Difference {
                scenario,
                difference,
            } => {
                let verdict = Verdict::Fail {
                    because: difference.to_string(),
                };
                let mut suite = TestSuite::new(format!("{scenario} (differences)"));
                suite.add_test_case(TestCase::new(&difference.title, status(&verdict)));
                self.report.add_test_suite(suite);
            }
            Event::RunFinished { .. } => {}
        }
    }

    /// The report as XML.
    ///
    /// # Errors
    /// When it cannot be written as XML.
    pub fn xml(&self) -> Result<String, String> {
        self.report.to_string().map_err(|error| error.to_string())
    }
}

/// A broken rig is an *error* in JUnit's words, never a *failure*.
fn status(verdict: &Verdict) -> TestCaseStatus {
    let mut status = match verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Skip { .. } => TestCaseStatus::skipped(),
        Verdict::Fail { .. } => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Broken { .. } => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    status.set_message(verdict.reason().unwrap_or_default());
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_and_a_broken_rig_are_told_apart() {
        let mut junit = Junit::default();
        junit.listen(&Event::ScenarioStarted {
            name: "s".to_owned(),
            file: "s.yaml".to_owned(),
            steps: 2,
            cluster: None,
        });
        for verdict in [
            Verdict::Fail {
                because: "denied <here>".to_owned(),
            },
            Verdict::Broken {
                r#where: "no answer".to_owned(),
            },
        ] {
            junit.listen(&Event::StepFinished {
                number: 1,
                title: "t".to_owned(),
                verdict: verdict.clone(),
                details: Vec::new(),
                seconds: 0.1,
            });
        }
        junit.listen(&Event::ScenarioFinished {
            name: "s".to_owned(),
            file: "s.yaml".to_owned(),
            verdict: Verdict::Pass,
            seconds: 0.2,
            cluster: None,
            identities: Some("by impersonation".to_owned()),
        });
        let xml = junit.xml().expect("XML");
        assert!(
            xml.contains("<property name=\"identities\" value=\"by impersonation\""),
            "{xml}"
        );
        assert!(
            xml.contains("<failure message=\"denied &lt;here&gt;\""),
            "{xml}"
        );
        assert!(xml.contains("<error message=\"no answer\""), "{xml}");
    }
}
