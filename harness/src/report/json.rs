//! For scripts: one JSON object a line, one line an event.

use serde_json::{Value, json};

use crate::event::Event;
use crate::verdict::Verdict;

/// The line for an event, without its end.
pub fn render(event: &Event) -> String {
    let value = match event {
        Event::ScenarioStarted { name, file, steps } => json!({
            "event": "scenarioStarted", "name": name, "file": file, "steps": steps,
        }),
        Event::StepFinished {
            number,
            title,
            verdict,
            details,
            seconds,
        } => with_verdict(
            json!({
                "event": "stepFinished", "number": number, "title": title,
                "details": details, "seconds": seconds,
            }),
            verdict,
        ),
        Event::ScenarioFinished {
            name,
            file,
            verdict,
            seconds,
        } => with_verdict(
            json!({"event": "scenarioFinished", "name": name, "file": file, "seconds": seconds}),
            verdict,
        ),
        Event::RunFinished { tally } => json!({
            "event": "runFinished", "passed": tally.passed, "failed": tally.failed,
            "skipped": tally.skipped, "broken": tally.broken,
        }),
    };
    value.to_string()
}

fn with_verdict(mut value: Value, verdict: &Verdict) -> Value {
    value["verdict"] = Value::from(verdict.word());
    if let Some(reason) = verdict.reason() {
        value["reason"] = Value::from(reason);
    }
    value
}
