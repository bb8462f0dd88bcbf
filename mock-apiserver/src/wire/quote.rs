//! Go's `%q`, in which nearly every message of the API server is written.

use std::fmt::Write as _;

/// `text` as Go's `strconv.Quote` prints it.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if is_print(c) => out.push(c),
            c if (c as u32) < 0x80 => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if (c as u32) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// A list of strings as Go's `%q` prints a slice: `["a" "b"]`.
pub fn quote_list<S: AsRef<str>>(list: impl IntoIterator<Item = S>) -> String {
    let quoted: Vec<String> = list.into_iter().map(|s| quote(s.as_ref())).collect();
    format!("[{}]", quoted.join(" "))
}

/// Close to Go's `strconv.IsPrint`: what is neither a control character, nor
/// a space other than U+0020, nor an invisible format character. Unassigned
/// code points are not looked up; they do not occur in names people type.
fn is_print(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
                | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}'))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("oidc:jane", r#""oidc:jane""#)]
    #[case(r#"a"b\c"#, r#""a\"b\\c""#)]
    #[case("tab\tnul\0del\u{7f}", r#""tab\tnul\x00del\x7f""#)]
    #[case("zoë 漢", r#""zoë 漢""#)]
    #[case("\u{200b}\u{2028}", r#""\u200b\u2028""#)]
    #[case("<&>", r#""<&>""#)]
    fn strings_are_quoted_as_go_does(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(quote(text), expected);
    }

    #[test]
    fn a_list_is_quoted_with_spaces_between() {
        assert_eq!(quote_list(["a", "b c"]), r#"["a" "b c"]"#);
        assert_eq!(quote_list::<&str>([]), "[]");
    }
}
