//! The corpus: lines of JSON in which keys, configurations, headers and verdicts
//! stand once, in tables, and are referred to by number under their initial.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

use super::case::{Case, Verdict, Verdicts};
use super::signing::base64;

/// Where the data is.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name)
}

/// Reads a corpus: names, cases, verdicts.
pub fn read(name: &str) -> Vec<(String, Case, Verdicts)> {
    let asked = lines(name).into_iter().filter_map(|(line, asked)| {
        let name = line["name"].as_str().map(str::to_owned);
        asked.map(|(case, verdicts)| (name, case, verdicts))
    });
    asked
        .enumerate()
        .map(|(i, (name, case, verdicts))| {
            (name.unwrap_or_else(|| format!("case {i}")), case, verdicts)
        })
        .collect()
}

/// Those of the other issuers that a configuration has, which are rows of a table, too.
pub fn keys_of_others(configuration: &mut Value) -> impl Iterator<Item = &mut Value> {
    let others = configuration
        .get_mut("others")
        .and_then(Value::as_array_mut);
    others
        .into_iter()
        .flatten()
        .filter_map(|other| other.get_mut("keys"))
}

/// The lines that are no rows of tables, each with what it asks, if anything.
pub fn lines(name: &str) -> Vec<(Value, Option<(Case, Verdicts)>)> {
    let path = path(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut tables: HashMap<String, Vec<Value>> = HashMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let object = line.as_object().expect("a line is an object");
        if let Some((table, value)) = object.iter().next().filter(|_| object.len() == 1) {
            tables.entry(table.clone()).or_default().push(value.clone());
            continue;
        }
        let Some(now) = line["n"].as_str() else {
            lines.push((line, None));
            continue;
        };
        let row = |table: &str, place: &Value| {
            let index = place.as_u64().expect("a reference is a number");
            tables[table][usize::try_from(index).expect("a table fits into memory")].clone()
        };
        let look = |table: &str| row(table, &line[&table[..1]]);
        let mut configuration = look("configuration");
        for keys in keys_of_others(&mut configuration) {
            *keys = row("keys", keys);
        }
        let token = match line["t"].as_str() {
            Some(token) => token.to_owned(),
            None => {
                let part =
                    |value: &Value| base64(value.as_str().expect("a part is text").as_bytes());
                let signature = line["s"].as_str().expect("a signature is text");
                format!("{}.{}.{signature}", part(&look("header")), part(&line["p"]))
            }
        };
        let case = Case {
            now: now.to_owned(),
            token,
            keys: look("keys").as_str().expect("keys are text").to_owned(),
            configuration,
            http: line["http"].clone(),
        };
        let older = line["older"].as_object().into_iter().flatten();
        let verdicts = Verdicts {
            newest: Verdict::from_json(&look("verdict")),
            older: older
                .map(|(version, place)| {
                    let version = version.parse().expect("a minor");
                    (version, Verdict::from_json(&row("verdict", place)))
                })
                .collect(),
        };
        lines.push((line, Some((case, verdicts))));
    }
    lines
}
