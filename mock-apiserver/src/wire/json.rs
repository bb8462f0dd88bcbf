//! JSON as Go writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped, compact
//! with a line feed at the end, or indented by two spaces without one
//! (apimachinery, `serializer/json: doEncode`).

use std::io::{self, Write};

pub use kube_rbac::json_kind as kind;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// `value` on one line, with the line feed that Go's encoder ends with.
pub fn compact<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = bare(value);
    out.push(b'\n');
    out
}

/// `value` on one line, as Go's `json.Marshal` gives it.
pub fn bare<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut out, Html(CompactFormatter));
    // Serialising values of our own into memory cannot fail.
    let _ = value.serialize(&mut serializer);
    out
}

/// `value` indented by two spaces.
pub fn pretty(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut serializer = Serializer::with_formatter(&mut out, Html(PrettyFormatter::new()));
    let _ = value.serialize(&mut serializer);
    out
}

/// An object of these members, which are moved: `json!` copies what it is given.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.into_iter().collect())
}

/// A formatter that escapes what Go escapes and leaves the rest to another.
struct Html<F>(F);

impl<F: Formatter> Formatter for Html<F> {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // The two separators begin with this byte; most text has none of these.
        let plain = |byte: u8| !matches!(byte, b'<' | b'>' | b'&' | 0xe2);
        if fragment.bytes().all(plain) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut start = 0;
        for (at, c) in fragment.char_indices() {
            let escape = match c {
                '<' => "\\u003c",
                '>' => "\\u003e",
                '&' => "\\u0026",
                '\u{2028}' => "\\u2028",
                '\u{2029}' => "\\u2029",
                _ => continue,
            };
            writer.write_all(&fragment.as_bytes()[start..at])?;
            writer.write_all(escape.as_bytes())?;
            start = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[start..])
    }

    fn begin_array<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_array(w)
    }
    fn end_array<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_array(w)
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(w, first)
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_array_value(w)
    }
    fn begin_object<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_object(w)
    }
    fn end_object<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_object(w)
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(w, first)
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_object_value(w)
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_object_value(w)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_could_be_html_is_escaped_as_go_does() {
        assert_eq!(
            String::from_utf8(compact(&json!({"a": "<b>&\u{2028}\"\n"}))).expect("UTF-8"),
            "{\"a\":\"\\u003cb\\u003e\\u0026\\u2028\\\"\\n\"}\n"
        );
    }

    #[test]
    fn pretty_has_two_spaces_and_no_line_feed_at_the_end() {
        assert_eq!(
            String::from_utf8(pretty(&json!({"a": {}, "b": [1]}))).expect("UTF-8"),
            "{\n  \"a\": {},\n  \"b\": [\n    1\n  ]\n}"
        );
    }
}
