//! For people: a line a step, with what was answered beneath it.

use std::fmt::Write as _;

use kube_authn::StepName;

use crate::attack::{Attempt, NOT_SENT, Outcome, Report};
use crate::doctor::{Finding, Level};
use crate::event::Event;
use crate::offline::authn::{Fault, Judgement, Profile};
use crate::offline::rbac::Answer;
use crate::scenario::question::Question;
use crate::verdict::Verdict;

/// Whether escape sequences are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For terminals.
    Colour,
    /// For files and pipes.
    Plain,
}

/// How much is said of what went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Every step with its answers.
    Full,
    /// A line a scenario; steps only where something is wrong.
    Brief,
}

/// The text for an event. What a scenario's author or a server wrote cannot
/// reach the terminal's controls.
pub fn render(event: &Event, style: Style, detail: Detail) -> String {
    match event {
        Event::ScenarioStarted {
            name,
            file,
            cluster,
            ..
        } if detail == Detail::Full => {
            format!(
                "{}{}  {}\n",
                paint(style, BOLD, &printable(name)),
                on(*cluster),
                paint(style, DIM, &printable(file))
            )
        }
        Event::ScenarioStarted { .. } => String::new(),
        Event::StepFinished {
            title,
            verdict,
            details,
            ..
        } => step(title, verdict, details, style, detail),
        Event::ScenarioFinished {
            name,
            file,
            verdict,
            seconds,
            cluster,
            identities,
        } => {
            let (mark, colour) = mark(verdict);
            let name = format!("{}{}", printable(name), on(*cluster));
            let took = format!("{}, {}", printable(file), duration(*seconds));
            let took = paint(style, DIM, &took);
            let gap = if detail == Detail::Full { "\n" } else { "" };
            let mut text = format!(
                "{gap}{} {name}  {took}\n",
                paint(style, colour, &format!("{mark} {}", verdict.word()))
            );
            if let Some(identities) = identities {
                let line = format!("identities {}", printable(identities));
                let _ = writeln!(text, "  {}", paint(style, DIM, &line));
            }
            text
        }
        Event::Difference { difference, .. } => {
            let text = printable_lines(&difference.to_string());
            format!("  {} {text}", paint(style, MAGENTA, "≠"))
        }
        Event::RunFinished { tally } => {
            let mut text = format!("\n{} passed, {} failed", tally.passed, tally.failed);
            if tally.skipped > 0 {
                let _ = write!(text, ", {} skipped", tally.skipped);
            }
            if tally.broken > 0 {
                let _ = write!(text, ", {} broken", tally.broken);
            }
            if tally.differences > 0 {
                let _ = write!(text, ", {} steps differ", tally.differences);
            }
            text.push('\n');
            text
        }
    }
}

fn step(
    title: &str,
    verdict: &Verdict,
    details: &[String],
    style: Style,
    detail: Detail,
) -> String {
    if *verdict == Verdict::Pass && detail == Detail::Brief {
        return String::new();
    }
    let (mark, colour) = mark(verdict);
    let title = printable(title);
    let mut text = format!("  {} {title}\n", paint(style, colour, mark));
    for line in details {
        let _ = writeln!(text, "      {}", paint(style, DIM, &printable(line)));
    }
    if let Some(reason) = verdict.reason() {
        for line in reason.lines() {
            let _ = writeln!(text, "      {}", paint(style, colour, &printable(line)));
        }
    }
    text
}

/// The text for a doctor's finding, its remedy beneath it.
pub fn finding(finding: &Finding, style: Style) -> String {
    let (mark, colour) = match finding.level {
        Level::Ok => ("✓", GREEN),
        Level::Warning => ("!", YELLOW),
        Level::Problem => ("✗", RED),
    };
    let mut text = format!(
        "{} {}: {}\n",
        paint(style, colour, mark),
        paint(style, BOLD, finding.check),
        printable(&finding.what)
    );
    if !finding.remedy.is_empty() {
        let remedy = printable(&finding.remedy);
        let _ = writeln!(text, "    {}", paint(style, colour, &remedy));
    }
    text
}

/// The text for what became of a token: a line a step, then the identity or
/// the refusal.
pub fn judgement(judgement: &Judgement, style: Style) -> String {
    let mut text = String::new();
    for step in &judgement.steps {
        let (mark, colour) = if step.passed {
            ("✓", GREEN)
        } else {
            ("✗", RED)
        };
        // It is called after its failure.
        let name = match step.name {
            StepName::UntrustedIssuer if step.passed => "issuer".to_owned(),
            name => name.to_string(),
        };
        let _ = writeln!(
            text,
            "{} {}: {}",
            paint(style, colour, mark),
            paint(style, BOLD, &name),
            printable(&step.detail)
        );
    }
    match &judgement.user {
        None => {
            let _ = writeln!(
                text,
                "{}: {}",
                paint(style, RED, "refused"),
                printable(&judgement.error)
            );
        }
        Some(user) => {
            let _ = writeln!(text, "{}", paint(style, GREEN, "accepted"));
            let mut row = |name: &str, value: &str| {
                if !value.is_empty() {
                    let _ = writeln!(text, "  {name:9} {}", printable(value));
                }
            };
            row("username", &user.username);
            row("uid", &user.uid);
            row("groups", &user.groups.join(", "));
            for (key, values) in &user.extra {
                row("extra", &format!("{key}={}", values.join(", ")));
            }
        }
    }
    text
}

/// The text for a fault of a file, as compilers have it.
pub fn fault(file: &str, fault: &Fault, style: Style) -> String {
    let place = match fault.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    };
    let mark = match fault.by {
        Profile::Kubernetes => paint(style, RED, "✗"),
        Profile::Eks => paint(style, YELLOW, "!"),
    };
    format!("{mark} {}: {}\n", printable(&place), printable(&fault.text))
}

/// The text for an answer: yes or no and the API server's reason; with `why`,
/// the way to it or what is missing.
pub fn answer(question: &Question, answer: &Answer, why: bool, style: Style) -> String {
    // As wide as each other, before there are colours in them.
    let (word, colour) = if answer.decision.allowed {
        ("yes", GREEN)
    } else {
        ("no ", RED)
    };
    let mut text = format!(
        "{} {}\n",
        paint(style, colour, word),
        printable(&question.to_string())
    );
    let mut line = |words: &str| {
        if !words.is_empty() {
            let _ = writeln!(text, "    {}", paint(style, DIM, &printable(words)));
        }
    };
    line(&answer.decision.reason);
    if why {
        line(&answer.why);
        for passed in &answer.explanation.passed_over {
            line(&match &passed.outcome {
                Ok(rules) => {
                    let none = match rules {
                        0 => "its role has no rules".to_owned(),
                        1 => "its one rule does not allow this".to_owned(),
                        _ => format!("none of its {rules} rules allows this"),
                    };
                    format!(
                        "{} applies by {} `{}`, and {none}",
                        passed.binding, passed.subject.kind, passed.subject.name
                    )
                }
                Err(error) => format!("{}: {error}", passed.binding),
            });
        }
    }
    text
}

/// The text for a forged word: a line, and beneath it the tokens that were let
/// in or told nothing; with [`Detail::Full`], every token.
pub fn attempt(attempt: &Attempt, style: Style, detail: Detail) -> String {
    let counted: Vec<(Outcome, usize)> = Outcome::ALL
        .iter()
        .map(|outcome| (*outcome, attempt.count(*outcome)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let (mark, colour) = counted
        .iter()
        .map(|(outcome, _)| outcome_mark(*outcome))
        .next_back()
        .unwrap_or(("-", YELLOW));
    let counts: Vec<String> = counted
        .iter()
        .map(|(outcome, count)| format!("{count} {}", outcome.words()))
        .collect();
    let counts = if counts.is_empty() {
        "left out".to_owned()
    } else {
        counts.join(", ")
    };
    let why = match attempt.accepted_by_kubernetes() {
        Some(reason) if attempt.count(Outcome::AsKubernetes) > 0 => reason,
        _ => attempt.rows.first().map_or("", |row| row.why.as_str()),
    };
    let mut text = format!(
        "{} {:20} {counts}  {}\n",
        paint(style, colour, mark),
        attempt.word.word(),
        paint(style, DIM, &printable(why))
    );
    for row in &attempt.rows {
        let (mark, colour) = outcome_mark(row.outcome);
        if detail == Detail::Full || matches!(row.outcome, Outcome::LetIn | Outcome::Broken) {
            let line = format!("{mark} {}: {row}", row.variant);
            let _ = writeln!(text, "    {}", paint(style, colour, &printable(&line)));
        }
    }
    for why in &attempt.left_out {
        let _ = writeln!(text, "    {}", paint(style, DIM, &printable(why)));
    }
    text
}

/// The text for the end of an attack.
pub fn attack(report: &Report, style: Style) -> String {
    let counts: Vec<String> = Outcome::ALL
        .iter()
        .map(|outcome| format!("{} {}", report.count(*outcome), outcome.words()))
        .collect();
    let mut text = format!(
        "\n{} forged tokens of {} sent to {}: {}",
        report.sent(),
        printable(&report.person.username),
        printable(&report.target),
        counts.join(", ")
    );
    match report.left_out() {
        0 => {}
        1 => text.push_str("; 1 word left out"),
        words => {
            let _ = write!(text, "; {words} words left out");
        }
    }
    text.push('\n');
    if let Err(why) = &report.reviewed {
        let line = format!("! only shown as bearers, without TokenReview: {why}");
        let _ = writeln!(text, "{}", paint(style, YELLOW, &printable(&line)));
    }
    let _ = writeln!(text, "not sent: {NOT_SENT}");
    for path in &report.lured {
        let line = format!("✗ the cluster asked the forger for {path}");
        let _ = writeln!(text, "{}", paint(style, RED, &printable(&line)));
    }
    text
}

fn outcome_mark(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Refused => ("✓", GREEN),
        Outcome::AsKubernetes => ("=", GREEN),
        Outcome::Broken => ("!", MAGENTA),
        Outcome::LetIn => ("✗", RED),
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const MAGENTA: &str = "35";

fn mark(verdict: &Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Pass => ("✓", GREEN),
        Verdict::Fail { .. } => ("✗", RED),
        Verdict::Skip { .. } => ("-", YELLOW),
        Verdict::Broken { .. } => ("!", MAGENTA),
    }
}

fn paint(style: Style, code: &str, text: &str) -> String {
    match style {
        Style::Plain => text.to_owned(),
        Style::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
    }
}

/// `text` with its control characters written out, as in `\u{1b}`.
fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        if c.is_control() {
            all.extend(c.escape_default());
        } else {
            all.push(c);
        }
        all
    })
}

fn printable_lines(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", printable(line)))
        .collect()
}

/// On what a scenario runs, where it runs on several.
fn on(cluster: Option<&str>) -> String {
    cluster
        .map(|cluster| format!(" on {cluster}"))
        .unwrap_or_default()
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Event {
        Event::StepFinished {
            number: 1,
            title: "ada can get pods".to_owned(),
            verdict: Verdict::Fail {
                because: "get pods is denied".to_owned(),
            },
            details: vec!["the cluster knows ada".to_owned()],
            seconds: 0.0,
        }
    }

    #[test]
    fn plain_text_has_no_escapes_and_the_reason_stands_below() {
        assert_eq!(
            render(&failed(), Style::Plain, Detail::Full),
            "  ✗ ada can get pods\n      the cluster knows ada\n      get pods is denied\n"
        );
        assert!(render(&failed(), Style::Colour, Detail::Full).contains("\x1b[31m✗"));
    }

    #[test]
    fn control_characters_are_written_out() {
        let started = Event::ScenarioStarted {
            name: "\u{1b}[31mred".to_owned(),
            file: "a\nb".to_owned(),
            steps: 1,
            cluster: None,
        };
        let text = render(&started, Style::Plain, Detail::Full);
        assert_eq!(text, "\\u{1b}[31mred  a\\nb\n");
    }

    #[test]
    fn brief_hides_what_went_well_and_nothing_else() {
        let Event::StepFinished { title, details, .. } = failed() else {
            unreachable!("made above")
        };
        let passed = Event::StepFinished {
            number: 1,
            title,
            verdict: Verdict::Pass,
            details,
            seconds: 0.0,
        };
        assert_eq!(render(&passed, Style::Plain, Detail::Brief), "");
        assert_ne!(render(&failed(), Style::Plain, Detail::Brief), "");
    }
}
