//! `%q` of Go's `fmt`, which is `strconv.Quote`.

use std::fmt::Write;

/// Quotes a string as Go's `%q` does.
pub(crate) fn quote(text: &str) -> String {
    quote_bytes(text.as_bytes())
}

/// Quotes bytes that need not be UTF-8; stray bytes become `\xNN`.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut out, c, '"');
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

/// `%q` of a `[]string`: the elements quoted, separated by a space, in brackets.
pub(crate) fn quote_list<S: AsRef<str>>(list: &[S]) -> String {
    let mut out = String::from("[");
    for (i, item) in list.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(&quote(item.as_ref()));
    }
    out.push(']');
    out
}

/// A byte as `encoding/json` names it in "invalid character 'x'": the byte is
/// taken for a Latin-1 code point.
pub(crate) fn quote_json_byte(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let mut out = String::from("'");
            push_escaped(&mut out, char::from(byte), '"');
            out.push('\'');
            out
        }
    }
}

fn push_escaped(out: &mut String, c: char, quote: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        _ if c == quote => {
            out.push('\\');
            out.push(c);
        }
        _ if is_print(c) => out.push(c),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        _ => {
            let code = u32::from(c);
            let _ = if c < ' ' || c == '\x7f' {
                write!(out, "\\x{code:02x}")
            } else if code < 0x10000 {
                write!(out, "\\u{code:04x}")
            } else {
                write!(out, "\\U{code:08x}")
            };
        }
    }
}

/// `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the
/// ASCII space.
///
/// Rust's own table for `escape_debug` has the same definition. It is asked
/// through a string because a lone combining mark, which Go prints, is escaped
/// at the start of a string only. The two tables may be Unicode versions apart.
fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    let mut buffer = [b'a'; 5];
    let len = c.encode_utf8(&mut buffer[1..]).len();
    match std::str::from_utf8(&buffer[..=len]) {
        Ok(text) => text.escape_debug().eq(text.chars()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain", r#""plain""#)]
    #[case("a\"b\\c", r#""a\"b\\c""#)]
    #[case("tab\tnul\0del\x7f", r#""tab\tnul\x00del\x7f""#)]
    #[case("é\u{301}日", "\"é\u{301}日\"")]
    #[case("\u{200b}\u{ad}\u{feff}\u{a0}", r#""\u200b\u00ad\ufeff\u00a0""#)]
    #[case("\u{e0001}\u{fffd}", "\"\\U000e0001\u{fffd}\"")]
    fn strings_are_quoted_as_go_does(#[case] text: &str, #[case] quoted: &str) {
        assert_eq!(quote(text), quoted);
    }

    #[test]
    fn stray_bytes_are_printed_in_hexadecimal() {
        assert_eq!(quote_bytes(b"a\xff\xe2\x82b"), r#""a\xff\xe2\x82b""#);
    }

    #[test]
    fn a_byte_is_named_as_a_latin_1_character() {
        assert_eq!(quote_json_byte(0x80), r"'\u0080'");
        assert_eq!(quote_json_byte(0xff), "'ÿ'");
        assert_eq!(quote_json_byte(b'\''), r"'\''");
    }
}
