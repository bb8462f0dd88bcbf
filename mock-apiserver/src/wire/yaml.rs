//! YAML bodies, read into and written from JSON values.

use serde_json::{Map, Value};
use serde_saphyr::options::DuplicateKeyPolicy;

/// Reads one YAML document.
///
/// # Errors
/// The parser's text; anchors are expanded within its own budget, so that an
/// alias bomb is an error and not memory.
pub fn decode(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("error converting YAML to JSON: yaml: {e}"))?;
    serde_saphyr::from_str::<Value>(text)
        .map_err(|e| format!("error converting YAML to JSON: yaml: {e}"))
}

/// Reads the first document of a file, as apimachinery does: of keys given
/// twice the last one counts, and a file without a document is `null`.
///
/// # Errors
/// The parser's text.
pub fn first_document(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    serde_saphyr::from_multiple_with_options::<Value>(text, options)
        .map(|documents| documents.into_iter().next().unwrap_or_default())
        .map_err(|e| format!("yaml: {e}"))
}

/// Writes `value` with its keys sorted, as Kubernetes does.
pub fn encode(value: &Value) -> Vec<u8> {
    let sorted = sort(value);
    // A JSON value has nothing that YAML cannot spell.
    serde_saphyr::to_string(&sorted)
        .unwrap_or_default()
        .into_bytes()
}

fn sort(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let sorted: Map<String, Value> = keys
                .into_iter()
                .map(|key| (key.clone(), sort(&map[key])))
                .collect();
            Value::Object(sorted)
        }
        Value::Array(items) => items.iter().map(sort).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_survives_the_way_there_and_back() {
        let object = json!({"kind": "A", "n": 1, "list": ["x", {"y": "true"}], "empty": {}, "no": null, "text": "a: b\n"});
        assert_eq!(decode(&encode(&object)), Ok(object));
    }

    #[test]
    fn an_alias_bomb_is_an_error() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let previous = level - 1;
            let refs = vec![format!("*a{previous}"); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert!(decode(bomb.as_bytes()).is_err());
    }
}
