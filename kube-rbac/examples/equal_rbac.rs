//! Asks Kubernetes' own RBAC code and ours the same questions, and counts
//! where they differ.
//!
//!     cargo run --release -p kube-rbac --example equal_rbac --
//!         [--kubernetes-version MINOR] [--oracle PROGRAM] [--seed N] [--policies N] [--write]
//!     cargo run --release -p kube-rbac --example equal_rbac -- --prove CASES [--seed N] [..]
//!
//! `--prove` asks at least as many questions as named, seed after seed. Where
//! the answers differ, the question is printed with the seed and the smallest
//! one that still shows it.
//! `--write` replaces the corpus in `kube-rbac/corpus` by these cases and the
//! oracle's verdicts, or for an older minor keeps those that the newest answers
//! otherwise; it is refused when there is a difference.

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

#[path = "../tests/generator/mod.rs"]
#[allow(dead_code, reason = "the tests read what this program writes")]
mod generator;
#[path = "../tests/named/mod.rs"]
mod named;
#[path = "../tests/question/mod.rs"]
mod question;

use generator::cases::{PolicyCases, PolicyVerdicts, short_rules, shortened};
use generator::{draw, forms, made, objects, request, rights, runner};
use kube_rbac::{OwnedTarget, Policy, PolicyRule, Version, bootstrap, wire};
use oracle::Oracle;
use question::{Question, answer_of, load, ours};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

const REQUESTS_PER_POLICY: usize = 64;
const ESCALATIONS_PER_POLICY: usize = 7;
const RULES_FOR_PER_POLICY: usize = 3;

/// Policies a seed when it is many cases: they are all in memory at once.
const BATCH: usize = 300;
/// So many differences are printed, and so many of them made small.
const PRINTED: usize = 20;
const SHRUNK: usize = 5;
/// So many validations of an older minor are kept.
const OLDER_VALIDATIONS: usize = 80;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let mut run = Run {
        oracle: match options.oracle {
            Some(oracle) => oracle,
            None => Oracle::find("oracle-rbac", &options.version.to_string())?,
        },
        version: options.version,
        seed: options.seed,
        asked: 0,
        differences: 0,
        fell: BTreeMap::new(),
    };
    run.bootstrap()?;
    if let Some(cases) = options.prove {
        return run.prove(cases);
    }
    let named = run.named()?;
    let decisions = run.decisions(options.policies)?;
    let covers = run.covers(options.policies * 13)?;
    let validations = run.validate(options.policies * 4)?;
    run.report()?;
    if !options.write {
        return Ok(());
    }
    write("upstream.jsonl", named.iter().map(named::Line::to_json))?;
    if options.version == Version::default() {
        write("decisions.jsonl", decisions.into_iter())?;
        write("covers.jsonl", covers.into_iter())?;
        write("validate.jsonl", validations.into_iter())?;
    } else {
        // 1.36 answers as 1.35 does: its corpus is that.
        if options.version == Version::V1_36 {
            return Ok(());
        }
        let name = format!("validate-v{}.jsonl", options.version);
        let older = validations.into_iter().filter(is_answered_otherwise_now);
        write(&name, older.take(OLDER_VALIDATIONS))?;
    }
    Ok(())
}

/// Whether the newest minor says something else of these objects.
fn is_answered_otherwise_now(line: &Value) -> bool {
    let old = Some(&line[1]).filter(|old| !old.is_null());
    faults(Version::default(), &line[0], old) != line[2]
}

/// The faults as they stand in a corpus, or the text of the parser.
fn faults(version: Version, new: &Value, old: Option<&Value>) -> Value {
    match question::faults(version, new, old) {
        Ok(faults) => faults.into(),
        Err(error) => error.into(),
    }
}

fn write(name: &str, lines: impl Iterator<Item = Value>) -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(())
}

struct Options {
    version: Version,
    oracle: Option<Oracle>,
    seed: u64,
    policies: usize,
    write: bool,
    prove: Option<usize>,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut options = Options {
            version: Version::default(),
            oracle: None,
            seed: 1,
            policies: 157,
            write: false,
            prove: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--kubernetes-version" => options.version = value()?.parse()?,
                "--oracle" => options.oracle = Some(Oracle::at(value()?.into())),
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

struct Run {
    oracle: Oracle,
    version: Version,
    seed: u64,
    asked: usize,
    differences: usize,
    /// How the questions fell.
    fell: BTreeMap<String, usize>,
}

impl Run {
    /// As many questions as asked, seed after seed.
    fn prove(&mut self, cases: usize) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        while self.asked < cases {
            self.decisions(BATCH)?;
            self.covers(BATCH * 13)?;
            self.validate(BATCH * 4)?;
            println!(
                "seed {}: {} of {cases} cases, {} disagreements, {:.0} s",
                self.seed,
                self.asked,
                self.differences,
                start.elapsed().as_secs_f64()
            );
            self.seed += 1;
        }
        self.report()
    }

    fn report(&self) -> Result<(), Box<dyn Error>> {
        println!("Kubernetes {}; how the cases fell", self.version);
        for (how, count) in &self.fell {
            println!("  {count:>9}  {how}");
        }
        println!("{} cases, {} disagreements", self.asked, self.differences);
        if self.differences > 0 {
            return Err("Kubernetes' code and ours differ".into());
        }
        Ok(())
    }

    fn fell(&mut self, how: &str) {
        *self.fell.entry(how.to_owned()).or_default() += 1;
    }

    /// Counts a question, and where the answers differ prints it and the
    /// smallest that they still differ on.
    fn compare(
        &mut self,
        question: impl FnOnce() -> Question,
        theirs: &Value,
        ours: Option<&Value>,
    ) -> Result<(), String> {
        self.asked += 1;
        if Some(theirs) == ours {
            return Ok(());
        }
        self.differences += 1;
        if self.differences > PRINTED {
            return Ok(());
        }
        let question = question();
        let answers = |theirs: &Value, ours: Option<&Value>| {
            let ours = ours.map_or("nothing".to_owned(), Value::to_string);
            format!("theirs {theirs}\n  ours   {ours}")
        };
        println!(
            "DIFFERENT, seed {}: {}\n  {}",
            self.seed,
            question.ask,
            answers(theirs, ours)
        );
        if self.differences <= SHRUNK {
            let (oracle, version) = (&self.oracle, self.version);
            let asked = |questions: &[Question]| question::theirs(oracle, questions);
            let least = question.smallest(asked, |question| question.ours(version))?;
            let theirs = asked(std::slice::from_ref(&least))?.pop().flatten();
            println!(
                "  smallest {}\n  about    {}\n  {}",
                least.ask,
                least.objects,
                answers(&theirs.unwrap_or_default(), least.ours(version).as_ref())
            );
        }
        Ok(())
    }

    /// The embedded default policy is the one that the oracle prints now.
    fn bootstrap(&mut self) -> Result<(), Box<dyn Error>> {
        let theirs = self.oracle.print("bootstrap")?;
        let theirs = theirs["items"].as_array().ok_or("no items")?;
        let ours = bootstrap::objects(self.version);
        println!("{} default objects, ours {}", theirs.len(), ours.len());
        let differing = theirs.iter().zip(&ours).filter(|(a, b)| a != b);
        for (theirs, ours) in differing.clone().take(SHRUNK) {
            println!("DIFFERENT default object\n  theirs {theirs}\n  ours   {ours}");
        }
        self.differences += differing.count() + theirs.len().abs_diff(ours.len());
        Ok(())
    }

    /// Kubernetes' own tables, with the answers that it gives now.
    fn named(&mut self) -> Result<Vec<named::Line>, Box<dyn Error>> {
        let mut lines = named::read();
        let questions: Vec<Value> = lines.iter().map(named::Line::to_oracle).collect();
        for (line, now) in lines.iter_mut().zip(self.oracle.ask(&questions)?) {
            line.answered(self.version, answer_of(now));
        }
        let differing = named::differing(&lines, self.version);
        differing.iter().for_each(|one| println!("DIFFERENT {one}"));
        self.differences += differing.len();
        println!("{} lines of Kubernetes' own tables", lines.len());
        Ok(lines)
    }

    fn decisions(&mut self, policies: usize) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut runner = runner(self.seed);
        let all: Vec<PolicyCases> = (0..policies)
            .map(|_| policy_cases(&mut runner, self.version))
            .collect();
        let objects: Vec<Value> = all
            .iter()
            .map(|cases| cases.made.to_json(self.version).into())
            .collect();
        let asks: Vec<Vec<Value>> = all
            .iter()
            .enumerate()
            .map(|(i, cases)| asks(&i.to_string(), cases))
            .collect();
        let mut lines = Vec::new();
        for (i, (objects, asks)) in objects.iter().zip(&asks).enumerate() {
            lines.push(load(&i.to_string(), objects));
            lines.extend(asks.iter().cloned());
        }
        let mut answers = self.oracle.ask(&lines)?.into_iter();

        let mut corpus = Vec::new();
        for ((cases, objects), asks) in all.iter().zip(objects).zip(asks) {
            let loaded = answers.next().ok_or("no answer")?;
            if loaded["ok"] != true {
                return Err(format!("{objects}: {loaded}").into());
            }
            let theirs: Vec<Value> = answers.by_ref().take(asks.len()).map(answer_of).collect();
            let policy = cases.made.policy(self.version);
            for (ask, theirs) in asks.into_iter().zip(&theirs) {
                let ours = ours(self.version, Some(&policy), &ask);
                let question = || Question {
                    objects: objects.clone(),
                    ask,
                };
                self.compare(question, theirs, ours.as_ref())?;
            }
            let theirs = policy_verdicts(cases, theirs);
            self.count_decisions(&policy, cases, &theirs);
            corpus.push(cases.to_line(&theirs));
        }
        Ok(corpus)
    }

    fn count_decisions(&mut self, policy: &Policy, cases: &PolicyCases, theirs: &PolicyVerdicts) {
        let mut counts = forms::Counts::new();
        for (request, verdict) in cases.requests.iter().zip(&theirs.requests) {
            forms::count(policy, &request.borrow(), &mut counts);
            self.fell(match verdict[0] == true {
                true => "request allowed",
                false => "request denied",
            });
        }
        for (form, count) in counts {
            *self.fell.entry(format!("request, {form}")).or_default() += count;
        }
        for refused in &theirs.escalations {
            self.fell(match refused == "" {
                true => "escalation let be",
                false => "escalation refused",
            });
        }
        *self.fell.entry("rules of a user".to_owned()).or_default() += theirs.rules_for.len();
    }

    fn covers(&mut self, count: usize) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut runner = runner(self.seed ^ 0xc0);
        let cases: Vec<(Vec<PolicyRule>, Vec<PolicyRule>)> =
            (0..count).map(|_| draw(&mut runner, &rights())).collect();
        let json = |rules: &[PolicyRule]| rules.iter().map(wire::rule_to_json).collect::<Value>();
        let asks: Vec<Value> = cases
            .iter()
            .map(|(owner, requested)| {
                json!({ "covers": { "owner": json(owner), "requested": json(requested) } })
            })
            .collect();
        let answers = self.oracle.ask(&asks)?.into_iter().map(answer_of);
        let mut corpus = Vec::new();
        for (((owner, requested), ask), theirs) in cases.iter().zip(asks).zip(answers) {
            self.compare_alone(ask, &theirs)?;
            let covered = theirs["covered"] == true;
            self.fell(match covered {
                true => "rights covered",
                false => "rights not covered",
            });
            let missing = match covered {
                true => Value::Null,
                false => shortened(&theirs["missing"]),
            };
            corpus.push(json!([short_rules(owner), short_rules(requested), missing]));
        }
        Ok(corpus)
    }

    fn validate(&mut self, count: usize) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut runner = runner(self.seed ^ 0x5a);
        let cases: Vec<(Value, Option<Value>)> = (0..count)
            .map(|_| draw(&mut runner, &objects::case()))
            .collect();
        let asks: Vec<Value> = cases
            .iter()
            .map(|(new, old)| match old {
                None => json!({ "validate": new }),
                Some(old) => json!({ "validate": new, "old": old }),
            })
            .collect();
        let answers = self.oracle.ask(&asks)?.into_iter().map(answer_of);
        let mut corpus = Vec::new();
        for (((new, old), ask), theirs) in cases.into_iter().zip(asks).zip(answers) {
            self.compare_alone(ask, &theirs)?;
            let of = if old.is_none() { "new" } else { "updated" };
            match theirs["errors"].as_array().map(Vec::as_slice) {
                None => self.fell(&format!("{of} object not decoded")),
                Some([]) => self.fell(&format!("{of} object without fault")),
                Some(errors) => {
                    self.fell(&format!("{of} object with faults"));
                    for error in errors.iter().filter_map(Value::as_str) {
                        self.fell(&format!("{of}, {}", oracle::rule(error)));
                    }
                }
            }
            let theirs = theirs.get("malformed").unwrap_or(&theirs["errors"]);
            corpus.push(json!([new, old, theirs]));
        }
        Ok(corpus)
    }

    /// As [`Self::compare`], of a question that needs no policy.
    fn compare_alone(&mut self, ask: Value, theirs: &Value) -> Result<(), String> {
        let ours = ours(self.version, None, &ask);
        let question = || Question {
            objects: Value::Null,
            ask,
        };
        self.compare(question, theirs, ours.as_ref())
    }
}

fn policy_cases(runner: &mut proptest::test_runner::TestRunner, version: Version) -> PolicyCases {
    let made = draw(runner, &made());
    let policy = made.policy(version);
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

/// What is asked about a policy of that name.
fn asks(name: &str, cases: &PolicyCases) -> Vec<Value> {
    let user = |user: &kube_rbac::OwnedUser| json!({ "name": user.name, "groups": user.groups });
    let requests = cases.requests.iter().map(|request| match &request.target {
        OwnedTarget::NonResource { path } => json!({
            "policy": name, "user": user(&request.user), "verb": request.verb, "path": path,
        }),
        OwnedTarget::Resource {
            api_group,
            resource,
            subresource,
            name: object,
            namespace,
        } => {
            json!({
                "policy": name, "user": user(&request.user), "verb": request.verb,
                "apiGroup": api_group, "resource": resource, "subresource": subresource,
                "name": object, "namespace": namespace,
            })
        }
    });
    let rules_for = cases.rules_for.iter().map(|which| {
        let (who, namespace) = cases.asker(*which);
        json!({ "policy": name, "rulesFor": { "user": user(who), "namespace": namespace } })
    });
    let escalations = cases.escalations.iter().map(|(which, rules)| {
        let (who, namespace) = cases.asker(*which);
        json!({ "policy": name, "escalate": {
            "user": user(who), "namespace": namespace, "rules": wire::rules_to_json(rules),
        } })
    });
    requests.chain(rules_for).chain(escalations).collect()
}

/// The oracle's answers to [`asks`] as they stand in the corpus.
fn policy_verdicts(cases: &PolicyCases, answers: Vec<Value>) -> PolicyVerdicts {
    let mut answers = answers.into_iter();
    let mut take = |count: usize, verdict: fn(Value) -> Value| -> Vec<Value> {
        answers.by_ref().take(count).map(verdict).collect()
    };
    PolicyVerdicts {
        requests: take(cases.requests.len(), |a| json!([a["allowed"], a["reason"]])),
        rules_for: take(cases.rules_for.len(), |a| {
            json!([shortened(&a["rules"]), a["error"]])
        }),
        escalations: take(cases.escalations.len(), |a| a["error"].clone()),
    }
}
