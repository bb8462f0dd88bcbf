//! For scripts: one JSON object a line, one line an event.

use serde_json::{Value, json};

use kube_authn::User;

use crate::attack::{Attempt, NOT_SENT, Outcome, Report};
use crate::event::Event;
use crate::offline::authn::{Fault, Judgement, Profile};
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
        "reason": judgement.steps.last().map(|step| &step.detail),
        "refusedAt": judgement.refused_at.map(|step| step.to_string()),
        "identity": judgement.user.as_ref().map(identity),
        "steps": steps,
    })
}

/// What is wrong with a configuration.
pub fn faults(faults: &[Fault]) -> Value {
    let all: Vec<Value> = faults
        .iter()
        .map(|fault| {
            let by = match fault.by {
                Profile::Kubernetes => "kubernetes",
                Profile::Eks => "eks",
            };
            json!({"error": fault.text, "line": fault.line, "by": by})
        })
        .collect();
    json!({"valid": faults.is_empty(), "faults": all})
}

/// What somebody may or may not; with `why`, the way to it or what is missing.
pub fn answer(user: &User, question: &Question, answer: &Answer, why: bool) -> Value {
    let mut value = json!({
        "question": question.to_string(),
        "verdict": if answer.decision.allowed { "allowed" } else { "denied" },
        "error": "",
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

/// A question that is none, and why.
pub fn unreadable(question: &str, why: &str) -> Value {
    json!({
        "question": question, "verdict": "unreadable", "error": why, "reason": "",
        "identity": null, "warnings": [],
    })
}

/// What came of an attack.
pub fn attack(report: &Report) -> Value {
    let words: Vec<Value> = report.attempts.iter().map(attempt).collect();
    json!({
        "target": report.target,
        "person": identity(&report.person),
        "sent": report.sent(),
        "refused": report.count(Outcome::Refused),
        "acceptedAsByKubernetes": report.count(Outcome::AsKubernetes),
        "letIn": report.count(Outcome::LetIn),
        "broken": report.count(Outcome::Broken),
        "askedTheForger": report.lured,
        "notSent": NOT_SENT,
        "tokenReview": match &report.reviewed {
            Ok(()) => json!({"asked": true}),
            Err(why) => json!({"asked": false, "reason": why}),
        },
        "words": words,
    })
}

fn attempt(attempt: &Attempt) -> Value {
    let tokens: Vec<Value> = attempt
        .rows
        .iter()
        .map(|row| {
            json!({
                "variant": row.variant,
                "outcome": row.outcome.words(),
                "status": row.status,
                "identity": row.user.as_ref().map(identity),
                "error": row.why,
            })
        })
        .collect();
    json!({
        "word": attempt.word.word(),
        "expected": if attempt.accepted_by_kubernetes().is_some() { "accepted" } else { "refused" },
        "reason": attempt.accepted_by_kubernetes(),
        "tokens": tokens,
        "leftOut": attempt.left_out,
    })
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
        Event::ScenarioStarted {
            name,
            file,
            steps,
            cluster,
        } => on(
            json!({"event": "scenarioStarted", "name": name, "file": file, "steps": steps}),
            *cluster,
        ),
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
            cluster,
            identities,
        } => {
            let mut value = json!({
                "event": "scenarioFinished", "name": name, "file": file, "seconds": seconds,
            });
            if let Some(identities) = identities {
                value["identities"] = Value::from(identities.as_str());
            }
            with_verdict(on(value, *cluster), verdict)
        }
        Event::Difference {
            scenario,
            difference,
        } => {
            let sides: Vec<Value> = difference
                .sides
                .iter()
                .map(|(cluster, answers)| json!({"cluster": cluster, "answers": answers}))
                .collect();
            json!({
                "event": "difference", "scenario": scenario, "title": difference.title,
                "sides": sides,
            })
        }
        Event::RunFinished { tally } => json!({
            "event": "runFinished", "passed": tally.passed, "failed": tally.failed,
            "skipped": tally.skipped, "broken": tally.broken,
            "differences": tally.differences,
        }),
    };
    value.to_string()
}

fn on(mut value: Value, cluster: Option<&str>) -> Value {
    if let Some(cluster) = cluster {
        value["cluster"] = Value::from(cluster);
    }
    value
}

fn with_verdict(mut value: Value, verdict: &Verdict) -> Value {
    value["verdict"] = Value::from(verdict.word());
    if let Some(reason) = verdict.reason() {
        value["reason"] = Value::from(reason);
    }
    value
}
