//! For scripts: one JSON object a line, one line an event.

use serde_json::{Value, json};

use kube_authn::User;

use crate::event::Event;
use crate::offline::authn::{Fault, Judgement};
use crate::offline::rbac::Answer;
use crate::scenario::question::Question;
use crate::verdict::Verdict;

/// What became of a token.
pub fn judgement(judgement: &Judgement) -> Value {
    let steps: Vec<Value> = judgement
        .steps
        .iter()
        .map(|step| {
            json!({"step": step.name.to_string(), "passed": step.passed, "detail": step.detail})
        })
        .collect();
    json!({
        "verdict": if judgement.user.is_some() { "accepted" } else { "refused" },
        "error": judgement.error,
        "refusedAt": judgement.refused_at.map(|step| step.to_string()),
        "identity": judgement.user.as_ref().map(identity),
        "steps": steps,
    })
}

/// What is wrong with a configuration.
pub fn faults(faults: &[Fault]) -> Value {
    let all: Vec<Value> = faults
        .iter()
        .map(|fault| json!({"error": fault.text, "line": fault.line}))
        .collect();
    json!({"valid": faults.is_empty(), "faults": all})
}

/// What somebody may or may not; with `why`, the way to it or what is missing.
pub fn answer(user: &User, question: &Question, answer: &Answer, why: bool) -> Value {
    let mut value = json!({
        "question": question.to_string(),
        "verdict": if answer.decision.allowed { "allowed" } else { "denied" },
        "reason": answer.decision.reason,
        "identity": identity(user),
        "warnings": answer.warnings,
    });
    if why {
        let miss = answer.explanation.nearest_miss.as_ref();
        value["why"] = json!(answer.why);
        value["nearestMiss"] = json!(miss.map(|miss| &miss.sentence));
    }
    value
}

fn identity(user: &User) -> Value {
    json!({
        "username": user.username, "uid": user.uid,
        "groups": user.groups, "extra": user.extra,
    })
}

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
