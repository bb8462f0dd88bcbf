//! Asks Kubernetes' own RBAC code and ours the same questions, and counts
//! where they differ.
//!
//!     cargo run --release -p kube-rbac --example equal_rbac -- [--oracle PROGRAM]
//!         [--seed N] [--policies N] [--write]
//!     cargo run --release -p kube-rbac --example equal_rbac -- --prove CASES [--seed N]
//!
//! `--prove` asks at least as many questions as named, seed after seed.
//! `--write` replaces the corpus in `kube-rbac/corpus` by these cases and the
//! oracle's verdicts; it is refused when there is a difference.

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

#[path = "../tests/generator/mod.rs"]
#[allow(dead_code, reason = "the tests read what this program writes")]
mod generator;
#[path = "../tests/named/mod.rs"]
mod named;

use generator::cases::{
    PolicyCases, PolicyVerdicts, our_faults, our_missing, short_rules, shortened,
};
use generator::{draw, forms, made, objects, request, rights, runner};
use kube_rbac::{Object, OwnedTarget, PolicyRule, bootstrap, to_json, wire};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const REQUESTS_PER_POLICY: usize = 64;
const ESCALATIONS_PER_POLICY: usize = 7;
const RULES_FOR_PER_POLICY: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let mut run = Run {
        oracle: Oracle::new(options.oracle),
        asked: 0,
        differences: 0,
    };
    run.bootstrap()?;
    if let Some(cases) = options.prove {
        return run.prove(cases, options.seed);
    }
    let named = run.named()?;
    let corpus = [
        (
            "decisions.jsonl",
            run.decisions(options.seed, options.policies)?,
        ),
        (
            "covers.jsonl",
            run.covers(options.seed, options.policies * 13)?,
        ),
        (
            "validate.jsonl",
            run.validate(options.seed, options.policies * 4)?,
        ),
    ];
    println!("{} differences", run.differences);
    if run.differences > 0 {
        return Err("Kubernetes' code and ours differ".into());
    }
    if options.write {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for (name, lines) in corpus {
            let mut file = BufWriter::new(std::fs::File::create(folder.join(name))?);
            lines.iter().try_for_each(|line| writeln!(file, "{line}"))?;
            file.flush()?;
        }
        let mut file = BufWriter::new(std::fs::File::create(named::path())?);
        named
            .iter()
            .try_for_each(|line| writeln!(file, "{}", line.to_json()))?;
        file.flush()?;
    }
    Ok(())
}

struct Options {
    oracle: PathBuf,
    seed: u64,
    policies: usize,
    write: bool,
    prove: Option<usize>,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kubernetes/v1.37/bin");
        let oracle = target.join("oracle-rbac");
        let mut options = Options {
            oracle,
            seed: 1,
            policies: 157,
            write: false,
            prove: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--oracle" => options.oracle = value()?.into(),
                "--seed" => options.seed = value()?.parse()?,
                "--policies" => options.policies = value()?.parse()?,
                "--write" => options.write = true,
                "--prove" => options.prove = Some(value()?.parse()?),
                other => return Err(format!("unknown argument {other}").into()),
            }
        }
        Ok(options)
    }
}

/// Kubernetes' code: a line in, a line out.
struct Oracle {
    program: PathBuf,
}

impl Oracle {
    fn new(program: PathBuf) -> Self {
        Oracle { program }
    }

    fn ask(&self, questions: &[Value]) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", self.program.display()))?;
        let mut input = BufWriter::new(child.stdin.take().ok_or("no stdin")?);
        let output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let answers = std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                questions
                    .iter()
                    .try_for_each(|question| writeln!(input, "{question}"))
            });
            let answers: Result<Vec<Value>, Box<dyn Error>> = output
                .lines()
                .map(|line| Ok(serde_json::from_str(&line?)?))
                .collect();
            let written = writer.join().map_err(|_| "the writer panicked")?;
            written.map_err(Box::<dyn Error>::from).and(answers)
        })?;
        child.wait()?;
        if answers.len() != questions.len() {
            return Err(format!("{} answers to {}", answers.len(), questions.len()).into());
        }
        Ok(answers)
    }
}

struct Run {
    oracle: Oracle,
    asked: usize,
    differences: usize,
}

/// Policies a seed when it is many cases: they are all in memory at once.
const BATCH: usize = 300;

impl Run {
    fn differ(&mut self, question: &Value, theirs: &Value, ours: &Value) {
        self.differences += 1;
        if self.differences <= 20 {
            println!("DIFFERENT {question}\n  theirs {theirs}\n  ours   {ours}");
        }
    }

    /// As many questions as asked, seed after seed.
    fn prove(&mut self, cases: usize, seed: u64) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        for seed in seed.. {
            if self.asked >= cases {
                break;
            }
            self.decisions(seed, BATCH)?;
            self.covers(seed, BATCH * 13)?;
            self.validate(seed, BATCH * 4)?;
            println!(
                "seed {seed}: {} of {cases} cases, {} disagreements, {:.0} s",
                self.asked,
                self.differences,
                start.elapsed().as_secs_f64()
            );
        }
        println!("{} cases, {} disagreements", self.asked, self.differences);
        if self.differences > 0 {
            return Err("Kubernetes' code and ours differ".into());
        }
        Ok(())
    }

    /// The embedded default policy is the one that the oracle prints now.
    fn bootstrap(&mut self) -> Result<(), Box<dyn Error>> {
        let output = Command::new(&self.oracle.program)
            .arg("bootstrap")
            .output()?;
        let theirs: Value = serde_json::from_slice(&output.stdout)?;
        let ours = bootstrap::objects(kube_rbac::Version::V1_37);
        let theirs = theirs["items"].as_array().ok_or("no items")?;
        println!("{} default objects, ours {}", theirs.len(), ours.len());
        for (theirs, ours) in theirs.iter().zip(&ours) {
            if theirs != ours {
                self.differ(&json!("bootstrap"), theirs, ours);
            }
        }
        self.differences += theirs.len().abs_diff(ours.len());
        Ok(())
    }

    /// Kubernetes' own tables, with the answers that it gives now.
    fn named(&mut self) -> Result<Vec<named::Line>, Box<dyn Error>> {
        let mut lines = named::read();
        let questions: Vec<Value> = lines.iter().map(named::Line::to_oracle).collect();
        let answers = self.oracle.ask(&questions)?;
        for (line, mut now) in lines.iter_mut().zip(answers) {
            if let named::Line::Case { answer, .. } = line {
                now.as_object_mut().ok_or("no object")?.shift_remove("id");
                *answer = now;
            }
        }
        let differing = named::differing(&lines);
        differing.iter().for_each(|one| println!("DIFFERENT {one}"));
        self.differences += differing.len();
        println!("{} lines of Kubernetes' own tables", lines.len());
        Ok(lines)
    }

    fn decisions(&mut self, seed: u64, policies: usize) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut runner = runner(seed);
        let all: Vec<PolicyCases> = (0..policies).map(|_| policy_cases(&mut runner)).collect();
        let questions: Vec<Vec<Value>> = all
            .iter()
            .enumerate()
            .map(|(i, cases)| policy_questions(&i.to_string(), cases))
            .collect();

        let start = Instant::now();
        let answers = self.oracle.ask(&questions.concat())?;
        println!(
            "the oracle took {:?} over {} lines",
            start.elapsed(),
            answers.len()
        );

        let mut counts = forms::Counts::new();
        let (mut requests, mut allowed) = (0, 0);
        let mut lines = Vec::new();
        let mut answers = answers.into_iter();
        for (cases, questions) in all.iter().zip(&questions) {
            let mut answers = answers.by_ref().take(questions.len());
            let loaded = answers.next().ok_or("no answer")?;
            if loaded["ok"] != true {
                return Err(format!("{}: {loaded}", questions[0]).into());
            }
            let theirs = policy_verdicts(cases, &mut answers);
            let policy = cases.made.policy();
            let ours = cases.ours(&policy);
            let pairs = |v: &PolicyVerdicts| {
                [
                    v.requests.clone(),
                    v.rules_for.clone(),
                    v.escalations.clone(),
                ]
                .concat()
            };
            self.asked += questions.len() - 1;
            for ((question, theirs), ours) in
                questions[1..].iter().zip(pairs(&theirs)).zip(pairs(&ours))
            {
                if theirs != ours {
                    self.differ(question, &theirs, &ours);
                }
            }
            for (request, verdict) in cases.requests.iter().zip(&theirs.requests) {
                forms::count(&policy, &request.borrow(), &mut counts);
                requests += 1;
                allowed += usize::from(verdict[0] == true);
            }
            lines.push(cases.to_line(&theirs));
        }
        println!("{requests} requests, {allowed} allowed");
        for form in forms::ALL {
            println!(
                "  {:6} {form}",
                counts.get(form).copied().unwrap_or_default()
            );
        }
        let refused = lines
            .iter()
            .flat_map(|line| line["escalate"].as_array())
            .flatten();
        let texts: Vec<&Value> = refused.filter_map(|case| case.get(2)).collect();
        let refused = texts.iter().filter(|text| **text != "").count();
        println!("{} escalations, {refused} refused", texts.len());
        Ok(lines)
    }

    fn covers(&mut self, seed: u64, count: usize) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut runner = runner(seed ^ 0xc0);
        let cases: Vec<(Vec<PolicyRule>, Vec<PolicyRule>)> =
            (0..count).map(|_| draw(&mut runner, &rights())).collect();
        let json = |rules: &[PolicyRule]| rules.iter().map(wire::rule_to_json).collect::<Value>();
        let questions: Vec<Value> = cases
            .iter()
            .map(|(owner, requested)| {
                json!({ "id": 0, "covers": { "owner": json(owner), "requested": json(requested) } })
            })
            .collect();
        let answers = self.oracle.ask(&questions)?;
        self.asked += answers.len();
        let mut lines = Vec::new();
        let mut covered = 0;
        for (((owner, requested), question), answer) in cases.iter().zip(&questions).zip(answers) {
            let theirs = if answer["covered"] == true {
                Value::Null
            } else {
                shortened(&answer["missing"])
            };
            let ours = our_missing(owner, requested);
            if theirs != ours {
                self.differ(question, &theirs, &ours);
            }
            covered += usize::from(theirs.is_null() && !requested.is_empty());
            lines.push(json!([short_rules(owner), short_rules(requested), theirs]));
        }
        println!("{count} comparisons of rights, {covered} covered");
        Ok(lines)
    }

    fn validate(&mut self, seed: u64, count: usize) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut runner = runner(seed ^ 0x5a);
        let cases: Vec<(Value, Option<Value>)> = (0..count)
            .map(|_| draw(&mut runner, &objects::case()))
            .collect();
        let questions: Vec<Value> = cases
            .iter()
            .map(|(new, old)| match old {
                None => json!({ "id": 0, "validate": new }),
                Some(old) => json!({ "id": 0, "validate": new, "old": old }),
            })
            .collect();
        let answers = self.oracle.ask(&questions)?;
        self.asked += answers.len();
        let mut lines = Vec::new();
        let mut sound = 0;
        for (((new, old), question), answer) in cases.iter().zip(&questions).zip(answers) {
            let theirs = match &answer["malformed"] {
                Value::String(text) => text.strip_prefix("old: ").unwrap_or(text).into(),
                _ => answer["errors"].clone(),
            };
            let ours = our_faults(new, old.as_ref());
            if theirs != ours {
                self.differ(question, &theirs, &ours);
            }
            sound += usize::from(theirs == json!([]));
            lines.push(json!([new, old, theirs]));
        }
        println!("{count} validations, {sound} without fault");
        Ok(lines)
    }
}

fn policy_cases(runner: &mut proptest::test_runner::TestRunner) -> PolicyCases {
    let made = draw(runner, &made());
    let policy = made.policy();
    let near = request(&policy);
    let requests: Vec<_> = (0..REQUESTS_PER_POLICY)
        .map(|_| draw(runner, &near))
        .collect();
    let escalations = (0..ESCALATIONS_PER_POLICY)
        .map(|i| {
            let (_, mut rules) = draw(runner, &rights());
            // Half of what is to be granted is taken from what there is.
            let roles: Vec<_> = policy.roles().filter(|role| role.rules.len() < 5).collect();
            if let Some(role) = roles.get((i * 7) % roles.len().max(1)) {
                rules.extend(role.rules.iter().take(2).cloned());
            }
            (i, rules)
        })
        .collect();
    let rules_for = (0..RULES_FOR_PER_POLICY).collect();
    PolicyCases {
        made,
        requests,
        rules_for,
        escalations,
    }
}

fn policy_questions(name: &str, cases: &PolicyCases) -> Vec<Value> {
    let user = |user: &kube_rbac::OwnedUser| json!({ "name": user.name, "groups": user.groups });
    let mut objects = Vec::new();
    if cases.made.on_defaults {
        objects.extend(bootstrap::objects(kube_rbac::Version::V1_37));
        let replaced = |json: &Value, object: &Object| {
            json["kind"] == object.kind() && json["metadata"]["name"] == object.name()
        };
        objects.retain(|json| {
            !cases
                .made
                .objects
                .iter()
                .any(|object| replaced(json, object))
        });
    }
    objects.extend(cases.made.objects.iter().map(to_json));
    let mut lines = vec![json!({ "policy": name, "objects": objects, "aggregate": true })];
    lines.extend(cases.requests.iter().map(|request| match &request.target {
        OwnedTarget::NonResource { path } => json!({
            "id": 0, "policy": name, "user": user(&request.user), "verb": request.verb, "path": path,
        }),
        OwnedTarget::Resource { api_group, resource, subresource, name: object, namespace } => {
            json!({
                "id": 0, "policy": name, "user": user(&request.user), "verb": request.verb,
                "apiGroup": api_group, "resource": resource, "subresource": subresource,
                "name": object, "namespace": namespace,
            })
        }
    }));
    lines.extend(cases.rules_for.iter().map(|which| {
        let (who, namespace) = cases.asker(*which);
        json!({ "id": 0, "policy": name, "rulesFor": { "user": user(who), "namespace": namespace } })
    }));
    lines.extend(cases.escalations.iter().map(|(which, rules)| {
        let (who, namespace) = cases.asker(*which);
        json!({ "id": 0, "policy": name, "escalate": {
            "user": user(who), "namespace": namespace, "rules": wire::rules_to_json(rules),
        } })
    }));
    lines
}

fn policy_verdicts(
    cases: &PolicyCases,
    answers: &mut impl Iterator<Item = Value>,
) -> PolicyVerdicts {
    let mut take = |count: usize, verdict: fn(Value) -> Value| -> Vec<Value> {
        answers.by_ref().take(count).map(verdict).collect()
    };
    PolicyVerdicts {
        requests: take(cases.requests.len(), |a| {
            // RBAC never fails: an error would show as a third part.
            match a["error"].as_str() {
                Some("") => json!([a["allowed"], a["reason"]]),
                _ => json!([a["allowed"], a["reason"], a["error"]]),
            }
        }),
        rules_for: take(cases.rules_for.len(), |a| {
            json!([shortened(&a["rules"]), a["error"]])
        }),
        escalations: take(cases.escalations.len(), |a| a["error"].clone()),
    }
}
