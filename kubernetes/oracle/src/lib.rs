//! Kubernetes' own code on a pipe, as `kubernetes/README.md` describes it, and
//! of a question on which it and ours disagree the smallest that still shows it.
//!
//! Tests and examples stand on this crate, nothing that is shipped does. It
//! knows nothing of what is asked.

#![forbid(unsafe_code)]

mod shrink;

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub use shrink::{Smaller, smallest};

/// A program that answers a line with a line.
#[derive(Clone, Debug)]
pub struct Oracle {
    program: PathBuf,
}

impl Oracle {
    /// The oracle of that name for a minor such as `1.37`: the one that the
    /// environment names (`ROLECALL_ORACLE_AUTHN` for `oracle-authn`), or the one
    /// that `kubernetes/build` has built.
    ///
    /// # Errors
    /// How to build it, where it is not there.
    pub fn find(name: &str, minor: &str) -> Result<Self, String> {
        let variable = format!("ROLECALL_{}", name.to_uppercase().replace('-', "_"));
        let built = format!("../../target/kubernetes/v{minor}/bin/{name}");
        let program = std::env::var_os(&variable).map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join(built),
            PathBuf::from,
        );
        if program.is_file() {
            Ok(Self { program })
        } else {
            Err(format!(
                "no {name} of {minor}: kubernetes/build v{minor} {name}, or name one in {variable}"
            ))
        }
    }

    /// The oracle at that path.
    #[must_use]
    pub fn at(program: PathBuf) -> Self {
        Self { program }
    }

    /// Asks all questions, and gives the answers in the same order.
    ///
    /// # Errors
    /// When the program cannot be run, or does not answer each line.
    pub fn ask(&self, questions: &[Value]) -> Result<Vec<Value>, String> {
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", self.program.display());
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(&"it has no pipes"));
        };
        let mut input = BufWriter::new(input);
        let answers = std::thread::scope(|scope| {
            // Closes the pipe at its end, which tells the program that this is all.
            let writer = scope.spawn(move || -> std::io::Result<()> {
                for question in questions {
                    writeln!(input, "{question}")?;
                }
                input.flush()
            });
            let answers: Result<Vec<Value>, String> = BufReader::new(output)
                .lines()
                .map(|line| {
                    let line = line.map_err(|error| failed(&error))?;
                    serde_json::from_str(&line).map_err(|error| failed(&error))
                })
                .collect();
            match writer.join() {
                // What it said wrong is why it was not written to any more.
                Ok(written) => answers.and_then(|answers| {
                    written.map_err(|error| failed(&error))?;
                    Ok(answers)
                }),
                Err(_) => Err(failed(&"the writer panicked")),
            }
        })?;
        let status = child.wait().map_err(|error| failed(&error))?;
        if !status.success() {
            return Err(failed(&status));
        }
        if answers.len() == questions.len() {
            Ok(answers)
        } else {
            let counts = format!("{} answers to {}", answers.len(), questions.len());
            Err(failed(&counts))
        }
    }

    /// What the program prints when it is run with that argument, as JSON.
    ///
    /// # Errors
    /// When it cannot be run, or prints something else.
    pub fn print(&self, argument: &str) -> Result<Value, String> {
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", self.program.display());
        let output = Command::new(&self.program)
            .arg(argument)
            .output()
            .map_err(|error| failed(&error))?;
        if !output.status.success() {
            return Err(failed(&output.status));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))
    }
}

/// Which rule an error of field validation is about: its field, without the
/// indices, and what kind of error it is. Of others, their first words.
pub fn rule(error: &str) -> String {
    let quoted = error.find(['"', '{', '`']).unwrap_or(error.len());
    let mut parts = error[..quoted].splitn(3, ": ");
    let words = match (parts.next(), parts.next()) {
        (Some(field), Some(kind)) => format!("{field}: {kind}"),
        (words, _) => words.unwrap_or_default().to_owned(),
    };
    let mut rule = String::new();
    let mut within = false;
    for letter in words.trim_start_matches('[').chars() {
        within = match letter {
            '[' => true,
            ']' => false,
            _ => within,
        };
        if !within || letter == '[' {
            rule.push(letter);
        }
    }
    let rule = rule.trim().trim_end_matches(':');
    rule.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::rule;

    #[test]
    fn errors_are_told_apart_by_field_and_kind() {
        for (error, expected) in [
            (
                "rules[12].verbs: Required value: verbs must contain at least one value",
                "rules[].verbs: Required value",
            ),
            (
                "[jwt[0].issuer.url: Invalid value: \"x\": no, b]",
                "jwt[].issuer.url: Invalid value",
            ),
            (
                "metadata.labels: Invalid value: \"a b\": c",
                "metadata.labels: Invalid value",
            ),
            (
                "strict decoding error: unknown field \"x\"",
                "strict decoding error: unknown field",
            ),
            ("yaml: line 3", "yaml: line 3"),
        ] {
            assert_eq!(rule(error), expected);
        }
    }
}
