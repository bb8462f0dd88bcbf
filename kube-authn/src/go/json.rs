//! `encoding/json` as Go reads it: the syntax check with its error texts, raw
//! values that are decoded where and as they are wanted, and the two leniences
//! that decide verdicts: object keys that match a struct field in any case, and
//! invalid UTF-8 that becomes U+FFFD.
//!
//! go-jose carries a fork of the same package (`go-jose.v2/json`) that compares
//! keys exactly and refuses duplicate ones; [`Raw::unique_members`] is its object.

use std::borrow::Cow;
use std::collections::HashSet;

use super::quote::quote_json_byte;

/// How deep `encoding/json` follows nesting before it gives up.
const MAX_DEPTH: usize = 10_000;

/// A JSON value known to be well formed, without white space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a>(&'a [u8]);

/// What a value is, which in Go's type errors is its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// The word of "json: cannot unmarshal WORD into …".
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// `json.UnmarshalTypeError` outside of any struct.
    pub(crate) fn mismatch(self, go_type: &str) -> String {
        format!(
            "json: cannot unmarshal {} into Go value of type {go_type}",
            self.word()
        )
    }

    /// `json.UnmarshalTypeError` of a struct's field; `field` is its path with
    /// the struct's name first.
    pub(crate) fn field_mismatch(self, field: &str, go_type: &str) -> String {
        format!(
            "json: cannot unmarshal {} into Go struct field {field} of type {go_type}",
            self.word()
        )
    }
}

/// Reads one value that fills `data`; the error is a `json.SyntaxError`'s text.
pub(crate) fn parse(data: &[u8]) -> Result<Raw<'_>, String> {
    check(data, Some(MAX_DEPTH))?;
    Ok(Raw::trimmed(data))
}

/// As [`parse`], by go-jose's fork, which knows no limit of nesting.
pub(crate) fn parse_jose(data: &[u8]) -> Result<Raw<'_>, String> {
    check(data, None)?;
    Ok(Raw::trimmed(data))
}

impl<'a> Raw<'a> {
    fn trimmed(data: &'a [u8]) -> Self {
        let start = data
            .iter()
            .position(|&b| !is_space(b))
            .unwrap_or(data.len());
        let end = data
            .iter()
            .rposition(|&b| !is_space(b))
            .map_or(start, |i| i + 1);
        Self(&data[start..end])
    }

    /// The value as it stands in the document.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// A string's text; anything but a string gives its own spelling.
    pub(crate) fn text(self) -> Cow<'a, str> {
        unquote(self.0)
    }

    /// The members of an object in document order, duplicates included; nothing
    /// for any other value.
    pub(crate) fn members(self) -> Members<'a> {
        Members(Items::of(self.0, b'{'))
    }

    /// The elements of an array; nothing for any other value.
    pub(crate) fn elements(self) -> Elements<'a> {
        Elements(Items::of(self.0, b'['))
    }

    /// The members of an object as go-jose's fork takes them: a key that comes
    /// twice is an error, in document order.
    pub(crate) fn unique_members(
        self,
    ) -> impl Iterator<Item = Result<(Cow<'a, str>, Raw<'a>), String>> {
        let mut seen = HashSet::new();
        self.members().map(move |(key, value)| {
            if seen.insert(key.clone()) {
                Ok((key, value))
            } else {
                Err(duplicate(&key))
            }
        })
    }

    // ---- json.Unmarshal into the plain Go types the API server uses ----

    /// Into a `string`; null is the empty string.
    pub(crate) fn as_string(self) -> Result<Cow<'a, str>, String> {
        match self.kind() {
            Kind::String => Ok(self.text()),
            Kind::Null => Ok(Cow::Borrowed("")),
            kind => Err(kind.mismatch("string")),
        }
    }

    /// Into a `bool`; null is false.
    pub(crate) fn as_bool(self) -> Result<bool, String> {
        match self.kind() {
            Kind::Bool => Ok(self.0 == b"true"),
            Kind::Null => Ok(false),
            kind => Err(kind.mismatch("bool")),
        }
    }

    /// Into a `[]string`; null is no list. The error is that of the value or of
    /// the first element that is no string.
    pub(crate) fn as_strings(self) -> Result<Option<Vec<String>>, Mismatch> {
        match self.kind() {
            Kind::Null => Ok(None),
            Kind::Array => self
                .elements()
                .map(|e| match e.kind() {
                    Kind::String => Ok(e.text().into_owned()),
                    Kind::Null => Ok(String::new()),
                    kind => Err(Mismatch(kind, "string")),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            kind => Err(Mismatch(kind, "[]string")),
        }
    }
}

/// What did not fit into which Go type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch(pub(crate) Kind, pub(crate) &'static str);

impl Mismatch {
    pub(crate) fn text(self) -> String {
        self.0.mismatch(self.1)
    }
}

/// `foldName`: whether a key matches a struct field's ASCII name as Go matches
/// it when no field has exactly that name. Two letters beyond ASCII fold into
/// it: the long s and the Kelvin sign.
pub(crate) fn folds_to(key: &str, field: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(field);
    }
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(field.chars().map(fold))
}

/// Checks what go-jose's fork checks when it decodes a value into an
/// `interface{}`: no key twice, no number beyond a float64.
///
/// One pass without recursion: the fork sets no limit to nesting, and a token
/// is anybody's to make.
pub(crate) fn check_jose_any(value: Raw<'_>) -> Result<(), String> {
    let data = value.0;
    let mut overflow = None;
    // The keys seen so far in each open object; nothing for an array.
    let mut open: Vec<Option<HashSet<Cow<'_, str>>>> = Vec::new();
    let mut key_comes = false;
    let mut at = 0;
    while at < data.len() {
        let start = at;
        match data[at] {
            b'{' | b'[' => {
                key_comes = data[at] == b'{';
                open.push(key_comes.then(HashSet::new));
                at += 1;
            }
            b'}' | b']' => {
                open.pop();
                at += 1;
            }
            b',' => {
                key_comes = open.last().is_some_and(Option::is_some);
                at += 1;
            }
            b':' => {
                key_comes = false;
                at += 1;
            }
            b'"' => {
                at = end_of_string(data, at);
                let key = unquote(&data[start..at]);
                if key_comes
                    && let Some(Some(keys)) = open.last_mut()
                    && !keys.insert(key.clone())
                {
                    return Err(duplicate(&key));
                }
            }
            b'-' | b'0'..=b'9' => {
                at = end_of_value(data, at);
                let text = unquote(&data[start..at]);
                if overflow.is_none() && parse_float(&text).is_err() {
                    overflow = Some(format!(
                        "json: cannot unmarshal number {text} into Go value of type float64"
                    ));
                }
            }
            _ => at += 1,
        }
    }
    overflow.map_or(Ok(()), Err)
}

fn duplicate(key: &str) -> String {
    format!("json: duplicate key '{key}' in object")
}

/// `json.Number`'s literals: what `isValidNumber` lets through.
pub(crate) fn is_valid_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty() && number(bytes, 0) == Ok(bytes.len())
}

/// `strconv.ParseInt(text, 10, 64)` of a JSON number's literal.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    // Rust takes a leading plus sign as Go does, and no JSON number has one.
    text.parse().ok()
}

/// `strconv.ParseFloat(text, 64)` with its error texts.
pub(crate) fn parse_float(text: &str) -> Result<f64, String> {
    let fail = |why: &str| {
        format!(
            "strconv.ParseFloat: parsing {}: {why}",
            super::quote::quote(text)
        )
    };
    match text.parse::<f64>() {
        Ok(value) if value.is_infinite() => Err(fail("value out of range")),
        Ok(value) => Ok(value),
        Err(_) => Err(fail("invalid syntax")),
    }
}

// ---- walking through well-formed text ----

struct Items<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    fn of(data: &'a [u8], open: u8) -> Self {
        match data.split_first() {
            Some((&first, inner)) if first == open => Self {
                data: inner.split_last().map_or(inner, |(_, inner)| inner),
                at: 0,
            },
            _ => Self { data: &[], at: 0 },
        }
    }

    /// The next value, past white space, a comma or a colon.
    fn next(&mut self) -> Option<&'a [u8]> {
        while self
            .data
            .get(self.at)
            .is_some_and(|&b| is_space(b) || b == b',' || b == b':')
        {
            self.at += 1;
        }
        let start = self.at;
        if start >= self.data.len() {
            return None;
        }
        self.at = end_of_value(self.data, start);
        Some(&self.data[start..self.at])
    }
}

/// See [`Raw::members`].
pub(crate) struct Members<'a>(Items<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?;
        let value = self.0.next()?;
        Some((unquote(key), Raw(value)))
    }
}

/// See [`Raw::elements`].
pub(crate) struct Elements<'a>(Items<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Raw)
    }
}

fn end_of_value(data: &[u8], start: usize) -> usize {
    let mut at = start;
    match data[at] {
        b'"' => end_of_string(data, at),
        b'{' | b'[' => {
            let mut depth = 0usize;
            while at < data.len() {
                match data[at] {
                    b'"' => {
                        at = end_of_string(data, at);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return at + 1;
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            at
        }
        _ => {
            while at < data.len()
                && !matches!(data[at], b',' | b':' | b'}' | b']')
                && !is_space(data[at])
            {
                at += 1;
            }
            at
        }
    }
}

fn end_of_string(data: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < data.len() {
        match data[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    data.len()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A quoted string's text. What is no valid UTF-8 becomes U+FFFD byte by byte
/// (Rust's own lossy conversion replaces a truncated sequence as one), a lone
/// surrogate becomes U+FFFD too.
fn unquote(quoted: &[u8]) -> Cow<'_, str> {
    let inner = match quoted {
        [b'"', inner @ .., b'"'] => inner,
        _ => quoted,
    };
    if !inner.contains(&b'\\')
        && let Ok(text) = std::str::from_utf8(inner)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(inner.len() + 8);
    let mut rest = inner;
    while !rest.is_empty() {
        let plain = rest.iter().position(|&b| b == b'\\').unwrap_or(rest.len());
        push_utf8(&mut out, &rest[..plain]);
        rest = &rest[plain..];
        if rest.len() >= 2 {
            rest = push_escape(&mut out, rest);
        } else {
            break;
        }
    }
    Cow::Owned(out)
}

fn push_utf8(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

/// Takes one escape sequence off the front of `rest`.
fn push_escape<'a>(out: &mut String, rest: &'a [u8]) -> &'a [u8] {
    match rest[1] {
        b'b' => out.push('\x08'),
        b'f' => out.push('\x0c'),
        b'n' => out.push('\n'),
        b'r' => out.push('\r'),
        b't' => out.push('\t'),
        b'u' => {
            let first = hex4(rest);
            let rest = &rest[rest.len().min(6)..];
            if let Some(c) = char::from_u32(first) {
                out.push(c);
                return rest;
            }
            if rest.starts_with(b"\\u") && first < 0xdc00 {
                let second = hex4(rest);
                if (0xdc00..0xe000).contains(&second) {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    return &rest[6..];
                }
            }
            out.push(char::REPLACEMENT_CHARACTER);
            return rest;
        }
        other => out.push(char::from(other)),
    }
    &rest[2..]
}

/// The four hexadecimal digits of a `\u` escape that has passed the check.
fn hex4(escape: &[u8]) -> u32 {
    escape
        .iter()
        .skip(2)
        .take(4)
        .filter_map(|&b| char::from(b).to_digit(16))
        .fold(0, |n, d| n << 4 | d)
}

// ---- the syntax check ----

#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    After,
}

fn check(data: &[u8], max_depth: Option<usize>) -> Result<(), String> {
    let mut open: Vec<u8> = Vec::new();
    let mut expect = Expect::Value;
    let mut at = 0;
    loop {
        at = skip_space(data, at);
        let Some(&byte) = data.get(at) else {
            return if expect == Expect::After && open.is_empty() {
                Ok(())
            } else {
                unexpected_end()
            };
        };
        match (expect, byte) {
            (Expect::After, _) => {
                let (separator, close, next, place) = match open.last() {
                    None => return invalid(byte, "after top-level value"),
                    Some(b'{') => (b',', b'}', Expect::Key, "after object key:value pair"),
                    Some(_) => (b',', b']', Expect::Value, "after array element"),
                };
                if byte == separator {
                    expect = next;
                } else if byte == close {
                    open.pop();
                } else {
                    return invalid(byte, place);
                }
                at += 1;
            }
            (Expect::KeyOrEnd, b'}') | (Expect::ValueOrEnd, b']') => {
                open.pop();
                expect = Expect::After;
                at += 1;
            }
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                at = skip_space(data, string(data, at)?);
                match data.get(at) {
                    None => return unexpected_end(),
                    Some(b':') => at += 1,
                    Some(&byte) => return invalid(byte, "after object key"),
                }
                expect = Expect::Value;
            }
            (Expect::Key | Expect::KeyOrEnd, _) => {
                return invalid(byte, "looking for beginning of object key string");
            }
            (_, b'{' | b'[') => {
                open.push(byte);
                if max_depth.is_some_and(|max| open.len() > max) {
                    return invalid(byte, "exceeded max depth");
                }
                expect = if byte == b'{' {
                    Expect::KeyOrEnd
                } else {
                    Expect::ValueOrEnd
                };
                at += 1;
            }
            (_, b'"') => {
                at = string(data, at)?;
                expect = Expect::After;
            }
            (_, b'-' | b'0'..=b'9') => {
                at = number(data, at)?;
                expect = Expect::After;
            }
            (_, b't') => {
                at = literal(data, at, "true")?;
                expect = Expect::After;
            }
            (_, b'f') => {
                at = literal(data, at, "false")?;
                expect = Expect::After;
            }
            (_, b'n') => {
                at = literal(data, at, "null")?;
                expect = Expect::After;
            }
            _ => return invalid(byte, "looking for beginning of value"),
        }
    }
}

fn skip_space(data: &[u8], mut at: usize) -> usize {
    while data.get(at).is_some_and(|&b| is_space(b)) {
        at += 1;
    }
    at
}

/// The byte at `at`. At the end of the input Go's scanner is fed a space to see
/// whether the value is complete, and complains about that.
fn peek(data: &[u8], at: usize) -> u8 {
    data.get(at).copied().unwrap_or(b' ')
}

fn string(data: &[u8], start: usize) -> Result<usize, String> {
    let mut at = start + 1;
    loop {
        match data.get(at) {
            None => return unexpected_end(),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match peek(data, at + 1) {
                b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => at += 2,
                b'u' => {
                    for i in at + 2..at + 6 {
                        if !peek(data, i).is_ascii_hexdigit() {
                            return invalid(peek(data, i), "in \\u hexadecimal character escape");
                        }
                    }
                    at += 6;
                }
                other => return invalid(other, "in string escape code"),
            },
            Some(&byte) if byte < b' ' => return invalid(byte, "in string literal"),
            Some(_) => at += 1,
        }
    }
}

fn number(data: &[u8], start: usize) -> Result<usize, String> {
    let digits = |mut at: usize| {
        while data.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = start;
    if peek(data, at) == b'-' {
        at += 1;
    }
    match peek(data, at) {
        b'0' => at += 1,
        b'1'..=b'9' => at = digits(at),
        other => return invalid(other, "in numeric literal"),
    }
    if data.get(at) == Some(&b'.') {
        at += 1;
        if !peek(data, at).is_ascii_digit() {
            return invalid(peek(data, at), "after decimal point in numeric literal");
        }
        at = digits(at);
    }
    if matches!(data.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(data.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        if !peek(data, at).is_ascii_digit() {
            return invalid(peek(data, at), "in exponent of numeric literal");
        }
        at = digits(at);
    }
    Ok(at)
}

fn literal(data: &[u8], start: usize, word: &str) -> Result<usize, String> {
    for (i, expected) in word.bytes().enumerate().skip(1) {
        let found = peek(data, start + i);
        if found != expected {
            return invalid(
                found,
                &format!("in literal {word} (expecting '{}')", char::from(expected)),
            );
        }
    }
    Ok(start + word.len())
}

fn invalid<T>(byte: u8, place: &str) -> Result<T, String> {
    Err(format!(
        "invalid character {} {place}",
        quote_json_byte(byte)
    ))
}

fn unexpected_end<T>() -> Result<T, String> {
    Err("unexpected end of JSON input".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "unexpected end of JSON input")]
    #[case("{\"a\"", "unexpected end of JSON input")]
    #[case("{\"a\" 1}", "invalid character '1' after object key")]
    #[case(
        "{a:1}",
        "invalid character 'a' looking for beginning of object key string"
    )]
    #[case(
        "{\"a\":1,}",
        "invalid character '}' looking for beginning of object key string"
    )]
    #[case("[1,]", "invalid character ']' looking for beginning of value")]
    #[case("[1 2]", "invalid character '2' after array element")]
    #[case(
        "{\"a\":1 \"b\"}",
        "invalid character '\"' after object key:value pair"
    )]
    #[case("{} x", "invalid character 'x' after top-level value")]
    #[case("\"a\nb\"", r"invalid character '\n' in string literal")]
    #[case(r#""\x""#, "invalid character 'x' in string escape code")]
    #[case(
        r#""\u12g4""#,
        r"invalid character 'g' in \u hexadecimal character escape"
    )]
    #[case("-", "invalid character ' ' in numeric literal")]
    #[case("01", "invalid character '1' after top-level value")]
    #[case("1.", "invalid character ' ' after decimal point in numeric literal")]
    #[case("1e+", "invalid character ' ' in exponent of numeric literal")]
    #[case("tru", "invalid character ' ' in literal true (expecting 'e')")]
    #[case("nUll", "invalid character 'U' in literal null (expecting 'u')")]
    #[case("\u{feff}{}", "invalid character 'ï' looking for beginning of value")]
    fn a_syntax_error_is_worded_as_go_does(#[case] text: &str, #[case] error: &str) {
        assert_eq!(parse(text.as_bytes()), Err(error.to_owned()));
    }

    #[test]
    fn nesting_ends_at_ten_thousand() {
        let text = |n| "[".repeat(n) + &"]".repeat(n);
        assert!(parse(text(10_000).as_bytes()).is_ok());
        assert_eq!(
            parse(text(10_001).as_bytes()),
            Err("invalid character '[' exceeded max depth".to_owned())
        );
        assert!(parse_jose(text(20_000).as_bytes()).is_ok());
        assert_eq!(
            check_jose_any(parse_jose(text(20_000).as_bytes()).unwrap()),
            Ok(())
        );
    }

    #[rstest]
    #[case(b"\"\\u00e9\\ud83d\\ude00\"", "é😀")]
    #[case(b"\"\\ud83dx\\ude00\\ud800\\u0041\"", "\u{fffd}x\u{fffd}\u{fffd}A")]
    #[case(b"\"a\xe2\x82b\xff\"", "a\u{fffd}\u{fffd}b\u{fffd}")]
    #[case(b"\"\\/\\\\\\n\\\"\"", "/\\\n\"")]
    fn strings_are_unquoted_as_go_does(#[case] quoted: &[u8], #[case] text: &str) {
        assert_eq!(parse(quoted).unwrap().text(), text);
    }

    #[test]
    fn members_come_in_order_with_duplicates() {
        let raw = parse(br#" { "a" : [1, {"b":"]}"}] , "a":null,"c":-1.5e3} "#).unwrap();
        let members: Vec<_> = raw
            .members()
            .map(|(k, v)| (k.into_owned(), v.bytes()))
            .collect();
        assert_eq!(
            members,
            [
                ("a".to_owned(), br#"[1, {"b":"]}"}]"#.as_slice()),
                ("a".to_owned(), b"null"),
                ("c".to_owned(), b"-1.5e3")
            ]
        );
        let error = raw.unique_members().find_map(Result::err);
        assert_eq!(error.as_deref(), Some("json: duplicate key 'a' in object"));
    }

    #[test]
    fn keys_fold_as_unicode_simple_folding_says() {
        assert!(folds_to("ISS", "iss"));
        assert!(folds_to("i\u{17f}s", "iss"));
        assert!(folds_to("access_to\u{212a}en", "access_token"));
        assert!(!folds_to("issé", "iss"));
    }

    #[test]
    fn a_key_given_twice_inside_a_header_value_is_found() {
        let raw = parse_jose(br#"{"x":[{"k":1,"k":2}]}"#).unwrap();
        assert_eq!(
            check_jose_any(raw),
            Err("json: duplicate key 'k' in object".to_owned())
        );
        let raw = parse_jose(br#"[1e999]"#).unwrap();
        assert_eq!(
            check_jose_any(raw),
            Err("json: cannot unmarshal number 1e999 into Go value of type float64".to_owned())
        );
    }
}
