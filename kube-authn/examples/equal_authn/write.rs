//! Writes what `tests/proof/corpus.rs` reads.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::proof::case::{Case, Verdict, Verdicts};
use crate::proof::corpus::{keys_of_others, path};
use crate::proof::signing::base64;

/// A line's first members, and what it asks, if anything.
pub type Line<'a> = (Map<String, Value>, Option<(&'a Case, &'a Verdicts)>);

/// A case, its name if it has one, and Kubernetes' verdicts.
pub type Kept = (Option<String>, Case, Verdicts);

/// Cases as lines; one without a name is known by its number.
pub fn lines(kept: &[Kept]) -> impl Iterator<Item = Line<'_>> {
    kept.iter().map(|(name, case, verdicts)| {
        let name = name
            .iter()
            .map(|name| ("name".to_owned(), name.as_str().into()));
        (name.collect(), Some((case, verdicts)))
    })
}

/// Writes a corpus.
pub fn write<'a>(name: &str, lines: impl Iterator<Item = Line<'a>>) {
    let mut out = String::new();
    let mut tables: HashMap<(&str, String), usize> = HashMap::new();
    let mut sizes: HashMap<&str, usize> = HashMap::new();
    for (mut line, asked) in lines {
        let mut refer = |table: &'static str, value: &Value| {
            let next = sizes.entry(table).or_default();
            *tables.entry((table, value.to_string())).or_insert_with(|| {
                let _ = writeln!(out, "{}", json!({ table: value }));
                *next += 1;
                *next - 1
            })
        };
        if let Some((case, verdicts)) = asked {
            let keys = refer("keys", &case.keys.as_str().into());
            let mut configuration = case.configuration.clone();
            for keys in keys_of_others(&mut configuration) {
                *keys = refer("keys", keys).into();
            }
            let configuration = refer("configuration", &configuration);
            let verdict = refer("verdict", &to_json(&verdicts.newest));
            line.insert("n".into(), case.now.as_str().into());
            line.insert("k".into(), keys.into());
            line.insert("c".into(), configuration.into());
            match parts(&case.token) {
                Some((header, payload, signature)) => {
                    line.insert("h".into(), refer("header", &header.into()).into());
                    line.insert("p".into(), payload.into());
                    line.insert("s".into(), signature.into());
                }
                None => {
                    line.insert("t".into(), case.token.as_str().into());
                }
            }
            line.insert("v".into(), verdict.into());
            if !case.http.is_null() {
                line.insert("http".into(), case.http.clone());
            }
            let older = verdicts.older.iter().map(|(version, verdict)| {
                (
                    version.to_string(),
                    refer("verdict", &to_json(verdict)).into(),
                )
            });
            let older: Map<String, Value> = older.collect();
            if !older.is_empty() {
                line.insert("older".into(), older.into());
            }
        }
        let _ = writeln!(out, "{}", Value::Object(line));
    }
    let path = path(name);
    std::fs::write(&path, out).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// A verdict in the oracle's own form.
fn to_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Accepted {
            username,
            uid,
            groups,
            extra,
        } => {
            let user = json!({"username": username, "uid": uid, "groups": groups, "extra": extra});
            json!({"result": "accepted", "user": user})
        }
        Verdict::Rejected(error) => json!({"result": "rejected", "error": error}),
        Verdict::NotMine => json!({"result": "not-mine"}),
        Verdict::InvalidConfig(error) => json!({"result": "invalid-config", "error": error}),
    }
}

/// A token's header and payload as text, where that loses nothing.
fn parts(token: &str) -> Option<(String, String, String)> {
    let mut parts = token.split('.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let decode = |part: &str| {
        let text = String::from_utf8(decode(part)?).ok()?;
        (base64(text.as_bytes()) == part).then_some(text)
    };
    let (header, payload) = (decode(header)?, decode(payload)?);
    parts
        .next()
        .is_none()
        .then(|| (header, payload, signature.to_owned()))
}

fn decode(part: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| -> Option<u32> {
        Some(match b {
            b'A'..=b'Z' => u32::from(b - b'A'),
            b'a'..=b'z' => u32::from(b - b'a') + 26,
            b'0'..=b'9' => u32::from(b - b'0') + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        })
    };
    let mut out = Vec::new();
    for chunk in part.as_bytes().chunks(4) {
        let mut bits = 0;
        for &b in chunk {
            bits = bits << 6 | digit(b)?;
        }
        bits <<= 6 * (4 - chunk.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}
