//! Go's `%q`, in which Kubernetes prints names in reasons and errors.

use std::fmt::Write;

/// Quotes as Go's `strconv.Quote` does: what is not printable is escaped, in
/// Go's notation.
pub fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    push_quoted(&mut out, s);
    out
}

pub(crate) fn push_quoted(out: &mut String, s: &str) {
    out.push('"');
    if s.bytes()
        .all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
    {
        out.push_str(s);
    } else {
        s.chars().for_each(|c| push_escaped(out, c));
    }
    out.push('"');
}

/// A list of strings as Go prints `%q` of a slice: `["a" "b"]`.
pub(crate) fn push_quoted_list<S: AsRef<str>>(out: &mut String, list: &[S]) {
    out.push('[');
    for (i, s) in list.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        push_quoted(out, s.as_ref());
    }
    out.push(']');
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if is_printable(c) => out.push(c),
        c => {
            let code = u32::from(c);
            let escaped = if code < 0x20 || code == 0x7f {
                write!(out, "\\x{code:02x}")
            } else if code < 0x1_0000 {
                write!(out, "\\u{code:04x}")
            } else {
                write!(out, "\\U{code:08x}")
            };
            escaped.expect("a String takes whatever is written to it");
        }
    }
}

/// Go and Rust draw the line at the same Unicode categories, but Rust's is
/// only to be seen through `escape_debug`, which also escapes a combining
/// mark when it stands first; hence the letter before it.
fn is_printable(c: char) -> bool {
    if matches!(c, '\'' | '\0') {
        return c == '\'';
    }
    let mut pair = String::with_capacity(8);
    pair.push('a');
    pair.push(c);
    pair.escape_debug().eq(pair.chars())
}

#[cfg(test)]
mod tests {
    use super::quote;
    use rstest::rstest;

    #[rstest]
    #[case("oidc:admins", r#""oidc:admins""#)]
    #[case("a \"b\" \\", r#""a \"b\" \\""#)]
    #[case("it's", r#""it's""#)]
    #[case("tab\there\n", r#""tab\there\n""#)]
    #[case("\0\x07\x1b\x7f", r#""\x00\a\x1b\x7f""#)]
    #[case("jäne", r#""jäne""#)]
    #[case("e\u{301}", "\"e\u{301}\"")]
    #[case("\u{301}", "\"\u{301}\"")]
    #[case("soft\u{ad}hyphen", r#""soft\u00adhyphen""#)]
    #[case("no\u{a0}break", r#""no\u00a0break""#)]
    #[case("\u{200b}", r#""\u200b""#)]
    #[case("😀", "\"😀\"")]
    #[case("\u{e0001}", r#""\U000e0001""#)]
    fn names_are_quoted_as_go_does(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(quote(name), expected);
    }
}
