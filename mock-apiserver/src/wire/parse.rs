//! JSON in: values, the fields given twice, and Go's words for what is not
//! JSON.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Upstream stops listing strict errors at this number (sigs.k8s.io/json).
const MAX_DUPLICATES: usize = 100;

/// Reads one JSON value, and lists `duplicate field "path"` for every field
/// that stands twice in an object. The last one counts, as in Go.
///
/// # Errors
/// Go's text for the first syntax error. Invalid UTF-8 is none: it becomes
/// U+FFFD.
pub fn json(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let text = String::from_utf8_lossy(bytes);
    let mut state = State::default();
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let parsed = Seed(&mut state)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match parsed {
        Ok(value) => Ok((value, state.duplicates)),
        Err(error) => Err(scan(bytes).unwrap_or_else(|| error.to_string())),
    }
}

#[derive(Default)]
struct State {
    path: Vec<Segment>,
    duplicates: Vec<String>,
}

enum Segment {
    Key(String),
    Index(usize),
}

impl State {
    fn duplicate(&mut self, key: &str) {
        if self.duplicates.len() >= MAX_DUPLICATES {
            return;
        }
        let mut path = String::new();
        for segment in &self.path {
            match segment {
                Segment::Key(key) if path.is_empty() => path.push_str(key),
                Segment::Key(key) => {
                    let _ = write!(path, ".{key}");
                }
                Segment::Index(index) => {
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        self.duplicates
            .push(format!("duplicate field {}", super::quote(&path)));
    }
}

struct Seed<'a>(&'a mut State);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let state = self.0;
        let mut items = Vec::new();
        loop {
            state.path.push(Segment::Index(items.len()));
            let item = access.next_element_seed(Seed(state))?;
            state.path.pop();
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let state = self.0;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                state.duplicate(&key);
            }
            state.path.push(Segment::Key(key));
            let value = access.next_value_seed(Seed(state))?;
            if let Some(Segment::Key(key)) = state.path.pop() {
                map.insert(key, value);
            }
        }
        Ok(Value::Object(map))
    }
}

/// What a syntax error is called by Go's `encoding/json` scanner; `None` for
/// text that Go would accept.
fn scan(bytes: &[u8]) -> Option<String> {
    let mut scanner = Scanner { bytes, at: 0 };
    scanner.space();
    let error = match scanner.value(0) {
        Err(error) => error,
        Ok(()) => {
            scanner.space();
            scanner.peek()?;
            scanner.unexpected("after top-level value")
        }
    };
    Some(error)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Scanned = Result<(), String>;

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, context: &str) -> String {
        match self.peek() {
            None => "unexpected end of JSON input".to_owned(),
            // Go quotes the single byte as a rune.
            Some(byte) => format!("invalid character {} {context}", quote_char(byte as char)),
        }
    }

    fn value(&mut self, depth: usize) -> Scanned {
        const LOOKING: &str = "looking for beginning of value";
        if depth > 10_000 {
            return Err("exceeded max depth".to_owned());
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected(LOOKING)),
        }
    }

    fn object(&mut self, depth: usize) -> Scanned {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.space();
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Scanned {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("after array element")),
            }
            self.space();
        }
    }

    fn string(&mut self) -> Scanned {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {
                            self.at += 1;
                        }
                        Some(b'u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                                    return Err(
                                        self.unexpected("in \\u hexadecimal character escape")
                                    );
                                }
                                self.at += 1;
                            }
                        }
                        _ => return Err(self.unexpected("in string escape code")),
                    }
                }
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn literal(&mut self, word: &str) -> Scanned {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                return Err(self.unexpected(&format!(
                    "in literal {word} (expecting {})",
                    quote_char(expected as char)
                )));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Scanned {
        if self.peek() == Some(b'-') {
            self.at += 1;
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return Err(self.unexpected("in numeric literal"));
            }
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

/// Go's `quoteChar`.
fn quote_char(c: char) -> String {
    match c {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        c => {
            let quoted = super::quote(&c.to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn fields_given_twice_are_named_by_their_path() {
        let text = br#"{"a":1,"spec":{"c":[{"x":1},{"y":1,"y":2}],"c2":{}},"a":3}"#;
        let (value, duplicates) = super::json(text).expect("JSON");
        assert_eq!(
            value,
            json!({"a": 3, "spec": {"c": [{"x": 1}, {"y": 2}], "c2": {}}})
        );
        assert_eq!(
            duplicates,
            [r#"duplicate field "spec.c[1].y""#, r#"duplicate field "a""#]
        );
    }

    #[rstest]
    #[case("", "unexpected end of JSON input")]
    #[case("{", "unexpected end of JSON input")]
    #[case(
        "{a}",
        "invalid character 'a' looking for beginning of object key string"
    )]
    #[case(r#"{"a" 1}"#, "invalid character '1' after object key")]
    #[case(
        r#"{"a":1 "b"}"#,
        r#"invalid character '"' after object key:value pair"#
    )]
    #[case("[1 2]", "invalid character '2' after array element")]
    #[case("{} x", "invalid character 'x' after top-level value")]
    #[case("tru!", "invalid character '!' in literal true (expecting 'e')")]
    #[case("\"a\nb\"", r"invalid character '\n' in string literal")]
    #[case(r#""\q""#, "invalid character 'q' in string escape code")]
    #[case("-x", "invalid character 'x' in numeric literal")]
    fn syntax_errors_are_worded_as_in_go(#[case] text: &str, #[case] error: &str) {
        assert_eq!(super::json(text.as_bytes()), Err(error.to_owned()));
    }

    #[test]
    fn a_deep_nest_is_an_error_and_no_crash() {
        let deep = "[".repeat(100_000);
        assert!(super::json(deep.as_bytes()).is_err());
    }
}
