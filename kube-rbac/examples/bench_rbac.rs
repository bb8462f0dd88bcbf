//! Decisions a second on one core, with 10,000 and with 100,000 bindings and the
//! mix of requests of the corpus.
//!
//!     cargo run --release -p kube-rbac --example bench_rbac
//!
//! The policy is Kubernetes' default one and copies of the corpus' policies,
//! each with names of its own, so that a user meets as many bindings as in the
//! corpus. Every request carries `system:authenticated`, to which the default
//! policy binds three roles.

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

#[path = "../tests/generator/mod.rs"]
#[allow(dead_code, reason = "only the corpus is read here")]
mod generator;

use generator::cases::{PolicyCases, list};
use kube_rbac::{
    Binding, Object, OwnedAttributes, OwnedTarget, Policy, RoleRef, SubjectRef, Version, bootstrap,
    decide, explain,
};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const BINDINGS: usize = 10_000;
const MANY: usize = 100_000;
/// So many requests, whatever the number of bindings: what is measured is the
/// policy, not what a list of requests does to the caches.
const REQUESTS: usize = 10_000;

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/decisions.jsonl");
    let text = std::fs::read_to_string(path).expect("the corpus is there");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("the corpus is JSON"));
    let corpus: Vec<PolicyCases> = lines
        .map(|line: serde_json::Value| {
            assert!(!list(&line["requests"]).is_empty());
            PolicyCases::from_line(&line).0
        })
        .collect();

    let (mut policy, requests) = populated(&corpus, BINDINGS);
    let start = Instant::now();
    black_box(policy.clone());
    println!("a copy of the policy made in {:?}", start.elapsed());
    let few = measure(&policy, &requests);
    {
        // The first of the many are the few, so both can be asked the same.
        let (policy, spread) = populated(&corpus, MANY);
        let many = measure(&policy, &requests);
        println!(
            "{MANY} bindings: {:.2} times as slow as {BINDINGS} for the same requests (goal: at most 2)",
            few / many
        );
        let many = measure(&policy, &spread);
        println!(
            "{MANY} bindings: {:.2} times as slow as {BINDINGS} for requests of ten times as many people",
            few / many
        );
    }

    explain_denials("a denial", &policy, &requests);

    // One who has 500 different bindings, to roles that do not allow it, while
    // thousands of others would.
    let everybody = SubjectRef::group("system:authenticated");
    let roles: Vec<_> = policy.roles().map(AsRef::as_ref).cloned().collect();
    for role in roles
        .iter()
        .filter(|role| role.namespace.is_none())
        .take(500)
    {
        policy.put_binding(Binding {
            name: format!("everybody:{}", role.name),
            subjects: vec![everybody.clone()],
            role_ref: RoleRef::cluster_role(format!("{}-gone", role.name)),
            ..Binding::default()
        });
    }
    explain_denials("a denial in spite of 500 bindings", &policy, &requests);
}

/// The default policy with copies of the corpus' until there are so many
/// bindings, and requests to them.
fn populated(corpus: &[PolicyCases], wanted: usize) -> (Policy, Vec<OwnedAttributes>) {
    let start = Instant::now();
    let mut policy = bootstrap::policy(Version::V1_37);
    println!("default policy read in {:?}", start.elapsed());

    let mut requests: Vec<OwnedAttributes> = Vec::new();
    let mut objects = Vec::new();
    let mut bindings = policy.bindings().count();
    for copy in 0.. {
        if bindings >= wanted {
            break;
        }
        let cases = &corpus[copy % corpus.len()];
        let suffix = format!("-{copy}");
        for object in cases
            .made
            .policy(Version::V1_37)
            .roles()
            .filter(|role| !is_default(role))
        {
            objects.push(renamed(Object::Role((**object).clone()), &suffix));
        }
        for object in &cases.made.objects {
            if matches!(object, Object::Binding(_)) {
                bindings += 1;
                objects.push(renamed(object.clone(), &suffix));
            }
        }
        requests.extend(
            cases
                .requests
                .iter()
                .map(|request| moved(request.clone(), &suffix)),
        );
    }
    let start = Instant::now();
    policy.extend(objects);
    println!("{bindings} bindings loaded in {:?}", start.elapsed());

    let every = requests.len().div_ceil(REQUESTS);
    // One after the other in memory, as what has just been read is at hand.
    let requests = requests.iter().step_by(every).cloned().collect();
    (policy, requests)
}

fn explain_denials(what: &str, policy: &Policy, requests: &[OwnedAttributes]) {
    let denied: Vec<&OwnedAttributes> = requests
        .iter()
        .filter(|request| !decide(policy, &request.borrow()).allowed)
        .step_by(500)
        .collect();
    let (mut misses, mut worst) = (0, Duration::ZERO);
    let (start, cpu) = (Instant::now(), cpu_seconds());
    for request in &denied {
        let start = Instant::now();
        let explanation = black_box(explain(policy, &request.borrow()));
        misses += usize::from(explanation.nearest_miss.is_some());
        worst = worst.max(start.elapsed());
    }
    let wall = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds()
        .zip(cpu)
        .map_or(wall, |(now, then)| now - then);
    let on_average = |seconds: f64| 1000.0 * seconds / denied.len().max(1) as f64;
    println!(
        "{what} explained in {:.1} ms of one core's time, {:.1} ms by the clock, {worst:?} at most \
         ({misses} of {} with a nearest miss)",
        on_average(cpu),
        on_average(wall),
        denied.len()
    );
}

/// Decisions a second of one core's time.
fn measure(policy: &Policy, requests: &[OwnedAttributes]) -> f64 {
    let (mut decisions, mut allowed) = (0_u64, 0_u64);
    let (start, cpu) = (Instant::now(), cpu_seconds());
    while start.elapsed() < Duration::from_secs(3) {
        for request in requests {
            let decision = black_box(decide(policy, &request.borrow()));
            allowed += u64::from(decision.allowed);
        }
        decisions += requests.len() as u64;
    }
    let wall = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds()
        .zip(cpu)
        .map_or(wall, |(now, then)| now - then);
    println!(
        "{:.0} decisions a second of one core's time, {:.0} a second by the clock \
         ({decisions} of {} different requests, {} % allowed)",
        decisions as f64 / cpu,
        decisions as f64 / wall,
        requests.len(),
        100 * allowed / decisions
    );
    decisions as f64 / cpu
}

/// utime and stime of this process, so that a busy machine does not matter.
/// They are counted in hundredths of a second on every Linux.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

fn is_default(role: &kube_rbac::Role) -> bool {
    role.labels.contains_key(bootstrap::LABEL)
}

fn renamed(mut object: Object, suffix: &str) -> Object {
    let add = |name: &mut String| name.push_str(suffix);
    match &mut object {
        Object::Role(role) => {
            add(&mut role.name);
            role.namespace.iter_mut().for_each(add);
        }
        Object::Binding(binding) => {
            add(&mut binding.name);
            binding.namespace.iter_mut().for_each(add);
            add(&mut binding.role_ref.name);
            for subject in &mut binding.subjects {
                match subject.kind.as_str() {
                    "ServiceAccount" if subject.namespace.is_empty() => {}
                    "ServiceAccount" => add(&mut subject.namespace),
                    _ => subject.name = moved_user(&subject.name, suffix),
                }
            }
        }
    }
    object
}

fn moved(mut request: OwnedAttributes, suffix: &str) -> OwnedAttributes {
    request.user.name = moved_user(&request.user.name, suffix);
    for group in &mut request.user.groups {
        group.push_str(suffix);
    }
    request.user.groups.push("system:authenticated".into());
    if let OwnedTarget::Resource { namespace, .. } = &mut request.target
        && !namespace.is_empty()
    {
        namespace.push_str(suffix);
    }
    request
}

fn moved_user(name: &str, suffix: &str) -> String {
    const PREFIX: &str = "system:serviceaccount:";
    match name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.rsplit_once(':'))
    {
        Some((namespace, name)) => format!("{PREFIX}{namespace}{suffix}:{name}"),
        None => format!("{name}{suffix}"),
    }
}
