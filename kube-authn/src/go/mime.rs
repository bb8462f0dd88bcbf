//! Media types as `mime.ParseMediaType` reads them.

use std::collections::HashMap;

/// Whether a header names `media_type` (in lower case), with parameters in which Go
/// finds no error.
pub(crate) fn is(header: &str, media_type: &str) -> bool {
    let base = header.split(';').next().unwrap_or_default();
    base.to_lowercase().trim() == media_type && are_parameters(&header[base.len()..])
}

fn are_parameters(mut rest: &str) -> bool {
    let mut values: HashMap<String, String> = HashMap::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return true;
        }
        let Some((name, value, after)) = parameter(rest) else {
            // A last semicolon is let pass.
            return rest.trim() == ";";
        };
        rest = after;
        if let Some(other) = values.insert(name, value.clone())
            && other != value
        {
            return false;
        }
    }
}

/// `consumeMediaParam`: a name, its value and what comes after.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let (name, rest) = token(text.strip_prefix(';')?.trim_start());
    if name.is_empty() {
        return None;
    }
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => match token(rest) {
            ("", _) => return None,
            (value, rest) => (value.to_owned(), rest),
        },
    };
    Some((name.to_lowercase(), value, rest))
}

fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// What stands after a quotation mark. A backslash is one but before what it has to
/// escape, as MSIE had it.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\r' | '\n' => return None,
            '\\' => match chars.next_if(|(_, next)| "()<>@,;:\\\"/[]?=".contains(*next)) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push(c),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::alone("application/json", true)]
    #[case::in_capitals(" Application/JSON ", true)]
    #[case::with_a_parameter("application/json; charset=utf-8", true)]
    #[case::with_a_quoted_one("application/json;a=\"b;\\\"c\"", true)]
    #[case::twice_the_same("application/json;a=b;A=b", true)]
    #[case::twice("application/json;a=b;a=c", false)]
    #[case::a_last_semicolon("application/json; ; ", false)]
    #[case::one_last_semicolon("application/json ; ", true)]
    #[case::a_name_alone("application/json; charset", false)]
    #[case::no_name("application/json; =utf-8", false)]
    #[case::no_end("application/json; a=\"b", false)]
    #[case::another("application/jwk-set+json", false)]
    #[case::two("application/json, text/html", false)]
    #[case::none("", false)]
    fn a_header_names_it_or_not(#[case] header: &str, #[case] expected: bool) {
        assert_eq!(is(header, "application/json"), expected);
    }
}
