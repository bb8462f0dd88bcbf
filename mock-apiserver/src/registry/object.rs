//! Reading and writing an object's metadata. Objects are JSON and nothing
//! else; these helpers know the few paths that every kind has.

use jiff::Timestamp;
use rand::RngExt as _;
use serde_json::{Map, Value};

/// What `map[key]` is when it is missing.
static EMPTY: Value = Value::Null;

/// The value under a path of keys; `null` where there is none.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    let mut value = value;
    for key in path {
        value = value.get(key).unwrap_or(&EMPTY);
    }
    value
}

/// The text under a path of keys; empty where there is none.
pub fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// A string of the object's metadata.
pub fn meta<'a>(object: &'a Value, key: &str) -> &'a str {
    text(object, &["metadata", key])
}

/// The map under `metadata.KEY`, such as labels.
pub fn meta_map<'a>(object: &'a Value, key: &str) -> Option<&'a Map<String, Value>> {
    at(object, &["metadata", key]).as_object()
}

/// The object under `path`, made where it is missing. `None` where something
/// else is in the way.
pub fn object_mut<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut value = value;
    for key in path {
        let map = value.as_object_mut()?;
        let entry = map.entry((*key).to_owned()).or_insert(Value::Null);
        if entry.is_null() {
            *entry = Value::Object(Map::new());
        }
        value = entry;
    }
    value.as_object_mut()
}

/// Sets `value[path[0]]…[key]`.
pub fn set(value: &mut Value, path: &[&str], key: &str, new: impl Into<Value>) {
    if let Some(map) = object_mut(value, path) {
        map.insert(key.to_owned(), new.into());
    }
}

/// Sets `value[path[0]]…[key]` where it is missing, null or empty text.
pub fn default(value: &mut Value, path: &[&str], key: &str, new: impl Into<Value>) {
    if let Some(map) = object_mut(value, path) {
        default_in(map, key, new);
    }
}

/// Sets `map[key]` where it is missing, null or empty text.
pub fn default_in(map: &mut Map<String, Value>, key: &str, new: impl Into<Value>) {
    let missing = match map.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    };
    if missing {
        map.insert(key.to_owned(), new.into());
    }
}

/// Sets `metadata.KEY`.
pub fn set_meta(object: &mut Value, key: &str, new: impl Into<Value>) {
    set(object, &["metadata"], key, new);
}

/// Removes `metadata.KEY`.
pub fn remove_meta(object: &mut Value, key: &str) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove(key);
    }
}

/// Makes `metadata.KEY` of `object` what it is in `other`, or missing.
pub fn copy_meta(object: &mut Value, other: &Value, key: &str) {
    match other.get("metadata").and_then(|m| m.get(key)) {
        Some(value) => set_meta(object, key, value.clone()),
        None => remove_meta(object, key),
    }
}

/// Makes a top-level field of `object` what it is in `other`, or missing.
pub fn copy_top(object: &mut Value, other: &Value, key: &str) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    match other.get(key) {
        Some(value) => {
            map.insert(key.to_owned(), value.clone());
        }
        None => {
            map.shift_remove(key);
        }
    }
}

/// A time as `metav1.Time` is encoded: whole seconds, UTC.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A fresh uid.
pub fn new_uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Letters and digits without vowels and look-alikes, so that no generated
/// name is a word (apimachinery, `util/rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Five random characters, as they follow a `generateName`.
pub fn random_suffix() -> String {
    let mut rng = rand::rng();
    (0..5)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

/// `base` with a random suffix, cut so that the whole has 63 characters at
/// most (apiserver, `pkg/storage/names`).
pub fn generate_name(base: &str) -> String {
    let cut: String = base.chars().take(58).collect();
    format!("{cut}{}", random_suffix())
}

/// An age as kubectl shows it (apimachinery, `util/duration`:
/// `HumanDuration`), for a difference in seconds.
pub fn human_duration(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let with = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{small_unit}")
        }
    };
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        with(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        with(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 24 * 8 {
        with(hours / 24, "d", hours % 24, "h")
    } else if hours < 24 * 365 * 2 {
        format!("{}d", hours / 24)
    } else if hours < 24 * 365 * 8 {
        let days = hours / 24;
        with(days / 365, "y", days % 365, "d")
    } else {
        format!("{}y", hours / 24 / 365)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(-5, "<invalid>")]
    #[case(-1, "0s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(125, "2m5s")]
    #[case(600, "10m")]
    #[case(10_799, "179m")]
    #[case(10_800, "3h")]
    #[case(11_100, "3h5m")]
    #[case(28_800, "8h")]
    #[case(172_800, "2d")]
    #[case(176_400, "2d1h")]
    #[case(691_200, "8d")]
    #[case(63_072_000, "2y")]
    #[case(63_158_400, "2y1d")]
    #[case(252_288_000, "8y")]
    fn ages_are_shown_as_kubectl_does(#[case] seconds: i64, #[case] expected: &str) {
        assert_eq!(human_duration(seconds), expected);
    }

    #[test]
    fn generated_names_keep_the_base_and_add_five_characters() {
        let name = generate_name("web-");
        assert!(name.starts_with("web-") && name.len() == 9);
        assert_eq!(generate_name(&"a".repeat(80)).len(), 63);
    }
}
