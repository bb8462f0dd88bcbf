//! JSON patch (RFC 6902) and JSON merge patch (RFC 7386), with the habits of
//! the library that Kubernetes uses (evanphx/json-patch v4): negative indices
//! count from the end, and `replace` makes a key that is missing. What it has looked
//! into comes out in the order of its keys (Go's maps), which only shows where an
//! error shows the outcome.

use serde_json::{Map, Value};

/// All copies of one patch together may have this many bytes
/// (`JSONPatchMaxCopyBytes`).
const COPY_LIMIT: usize = 3 * 1024 * 1024;

/// The patch cannot be applied. Upstream does not say why either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotApply;

/// Applies the operations in turn.
///
/// # Errors
/// When one of them does not apply.
pub fn apply(document: &Value, operations: &[Value]) -> Result<Value, CannotApply> {
    let mut document = document.clone();
    sort_keys(&mut document);
    let mut copied_bytes = 0;
    for operation in operations {
        let text = |key: &str| operation.get(key).and_then(Value::as_str);
        let value = || operation.get("value").cloned().unwrap_or(Value::Null);
        let path = text("path").ok_or(CannotApply)?;
        match text("op").unwrap_or_default() {
            "add" => add(&mut document, path, value())?,
            "remove" => {
                remove(&mut document, path)?;
            }
            "replace" => replace(&mut document, path, value())?,
            "move" => {
                let moved = remove(&mut document, text("from").ok_or(CannotApply)?)?;
                add(&mut document, path, moved)?;
            }
            "copy" => {
                let copied = get(&mut document, text("from").ok_or(CannotApply)?)?;
                copied_bytes += crate::wire::json::bare(&copied).len();
                if copied_bytes > COPY_LIMIT {
                    return Err(CannotApply);
                }
                add(&mut document, path, copied)?;
            }
            "test" => {
                let found = if path.is_empty() {
                    document.clone()
                } else {
                    get(&mut document, path)?
                };
                if found != value() {
                    return Err(CannotApply);
                }
                // It was looked into from top to bottom.
                if let Ok(found) = value_at(&mut document, path) {
                    found.sort_all_objects();
                }
            }
            _ => return Err(CannotApply),
        }
    }
    Ok(document)
}

/// Merges `patch` into `document`: nulls remove.
pub fn merge(document: Value, patch: Value) -> Value {
    match (document, patch) {
        (Value::Object(mut document), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    document.shift_remove(&key);
                    continue;
                }
                let merged = match document.get_mut(&key).map(Value::take) {
                    None | Some(Value::Null) => without_nulls(value),
                    Some(before) => merge(before, value),
                };
                document.insert(key, merged);
            }
            document.sort_keys();
            Value::Object(document)
        }
        (Value::Object(_), patch) => patch,
        (_, patch) => without_nulls(patch),
    }
}

/// Keys that are null go, items of lists that are null stay.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let members = map.into_iter().filter(|(_, value)| !value.is_null());
            let mut map: Map<_, _> = members
                .map(|(key, value)| (key, without_nulls(value)))
                .collect();
            map.sort_keys();
            Value::Object(map)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn sort_keys(value: &mut Value) {
    if let Value::Object(map) = value {
        map.sort_keys();
    }
}

/// An object or a list, as what holds the last part of a path.
enum Container<'a> {
    Object(&'a mut Map<String, Value>),
    List(&'a mut Vec<Value>),
}

fn container<'a>(value: &'a mut Value) -> Result<Container<'a>, CannotApply> {
    sort_keys(value);
    match value {
        Value::Object(map) => Ok(Container::Object(map)),
        Value::Array(items) => Ok(Container::List(items)),
        _ => Err(CannotApply),
    }
}

/// The container that `path` ends in, and the decoded last part.
fn find<'a>(document: &'a mut Value, path: &str) -> Result<(Container<'a>, String), CannotApply> {
    let mut parts: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let last = parts.pop().ok_or(CannotApply)?;
    let mut value = document;
    for part in parts {
        value = match container(value)? {
            Container::Object(map) => map.get_mut(&part).ok_or(CannotApply)?,
            Container::List(items) => {
                let at = index(&part, items.len())?;
                items.get_mut(at).ok_or(CannotApply)?
            }
        };
    }
    Ok((container(value)?, last))
}

/// An index into a list of `len` items; it may be negative, and `len` itself
/// is for the caller to judge.
fn index(part: &str, len: usize) -> Result<usize, CannotApply> {
    let at: i64 = part.parse().map_err(|_| CannotApply)?;
    let at = if at < 0 {
        at + i64::try_from(len).map_err(|_| CannotApply)?
    } else {
        at
    };
    usize::try_from(at).map_err(|_| CannotApply)
}

fn value_at<'a>(document: &'a mut Value, path: &str) -> Result<&'a mut Value, CannotApply> {
    let found = match find(document, path)? {
        (Container::Object(map), key) => map.get_mut(&key),
        (Container::List(items), key) => {
            let at = index(&key, items.len())?;
            items.get_mut(at)
        }
    };
    found.ok_or(CannotApply)
}

fn get(document: &mut Value, path: &str) -> Result<Value, CannotApply> {
    match find(document, path)? {
        (Container::Object(map), key) => Ok(map.get(&key).cloned().unwrap_or(Value::Null)),
        (Container::List(items), key) => {
            let at = index(&key, items.len())?;
            items.get(at).cloned().ok_or(CannotApply)
        }
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), CannotApply> {
    match find(document, path)? {
        (Container::Object(map), key) => {
            map.insert(key, value);
            map.sort_keys();
        }
        (Container::List(items), key) if key == "-" => items.push(value),
        (Container::List(items), key) => {
            // The new item counts: -1 is behind the last one.
            let at = index(&key, items.len() + 1)?;
            if at > items.len() {
                return Err(CannotApply);
            }
            items.insert(at, value);
        }
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str) -> Result<Value, CannotApply> {
    match find(document, path)? {
        (Container::Object(map), key) => map.shift_remove(&key).ok_or(CannotApply),
        (Container::List(items), key) => {
            let at = index(&key, items.len())?;
            if at >= items.len() {
                return Err(CannotApply);
            }
            Ok(items.remove(at))
        }
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), CannotApply> {
    if path.is_empty() {
        if !(value.is_object() || value.is_array()) {
            return Err(CannotApply);
        }
        *document = value;
        sort_keys(document);
        return Ok(());
    }
    match find(document, path)? {
        (Container::Object(map), key) => {
            map.insert(key, value);
            map.sort_keys();
        }
        (Container::List(items), key) => {
            let at = index(&key, items.len())?;
            *items.get_mut(at).ok_or(CannotApply)? = value;
        }
    }
    Ok(())
}
