//! Kubernetes' own authenticator, as a program on a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Where the oracle is, if it has been built.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("ROLECALL_ORACLE_AUTHN")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("../target/kubernetes/v1.37/bin/oracle-authn")
        });
    path.is_file().then_some(path)
}

/// Asks all questions, and gives the answers in the same order.
pub fn ask(oracle: &Path, questions: Vec<Value>) -> Vec<Value> {
    let count = questions.len();
    let mut child = Command::new(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}", oracle.display()));
    let mut input = child.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn(move || {
        for question in questions {
            writeln!(input, "{question}").expect("the oracle reads");
        }
    });
    let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let answers: Vec<Value> = output
        .lines()
        .map(|line| {
            serde_json::from_str(&line.expect("the oracle writes text"))
                .expect("the oracle writes JSON")
        })
        .collect();
    writer.join().expect("the writer ends");
    child.wait().expect("the oracle ends");
    assert_eq!(answers.len(), count, "the oracle answers every question");
    answers
}
