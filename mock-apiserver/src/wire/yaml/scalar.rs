//! What a word of YAML 1.1 stands for: go-yaml's `resolve`.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_rbac::quote;
use serde_json::{Number, Value};

const STR: &str = "!!str";

/// The value of a word.
///
/// # Errors
/// go-yaml's text, where it is not what its tag says or JSON has no word for it.
pub(super) fn value(tag: &str, text: &str, plain: bool) -> Result<Value, String> {
    match tag {
        "" if !plain => Ok(Value::from(text)),
        "" | STR | "!!bool" | "!!int" | "!!float" | "!!null" => {
            let resolved = if tag == STR {
                Resolved::Str
            } else {
                resolve(text)
            };
            as_tagged(resolved, tag, text)
        }
        "!!binary" => {
            let bytes = STANDARD
                .decode(text.replace(['\n', '\r'], ""))
                .map_err(|_| "!!binary value contains invalid base64 data")?;
            Ok(Value::from(String::from_utf8_lossy(&bytes)))
        }
        // One's own tags say nothing.
        _ => Ok(Value::from(text)),
    }
}

/// What a plain word is as a key: its name in JSON, and how Go prints it.
///
/// # Errors
/// As [`value`]; and what is no name.
pub(super) fn key(tag: &str, text: &str, plain: bool) -> Result<(String, String), String> {
    if tag.is_empty()
        && plain
        && let Resolved::Float(number) = resolve(text)
    {
        return Ok((float_key(number), go_float(&format!("{number:e}"), number)));
    }
    match value(tag, text, plain)? {
        Value::Null => Err("unsupported map key of type: <nil>".to_owned()),
        Value::String(name) => {
            let printed = quote(&name);
            Ok((name, printed))
        }
        other => Ok((other.to_string(), other.to_string())),
    }
}

/// `strconv.FormatFloat(…, 'g', -1, 32)`, and YAML's words for what is no number.
fn float_key(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "as sigs.k8s.io/yaml does")]
    let single = number as f32;
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    go_float(&format!("{single:e}"), single)
}

/// Go's shortest form of a number: Rust's, with an exponent (`scientific`, as in
/// `1.5e7`) where that is below -4 or above 5.
fn go_float(scientific: &str, plain: impl Display) -> String {
    let exponent = scientific.split_once('e').and_then(|(digits, exponent)| {
        let exponent: i32 = exponent.parse().ok()?;
        (!(-4..6).contains(&exponent)).then_some((digits, exponent))
    });
    match exponent {
        Some((digits, exponent)) => format!("{digits}e{exponent:+03}"),
        None => plain.to_string(),
    }
}

enum Resolved {
    Null,
    Bool(bool),
    Int(Number),
    Float(f64),
    Str,
}

impl Resolved {
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Str => STR,
        }
    }
}

fn as_tagged(resolved: Resolved, tag: &str, text: &str) -> Result<Value, String> {
    let found = resolved.tag();
    let fits = matches!(tag, "" | STR)
        || tag == found
        || (tag == "!!float" && matches!(resolved, Resolved::Int(_)));
    if !fits {
        return Err(format!("cannot decode {found} `{text}` as a {tag}"));
    }
    match resolved {
        Resolved::Null => Ok(Value::Null),
        Resolved::Bool(yes) => Ok(Value::Bool(yes)),
        Resolved::Int(number) => Ok(Value::Number(number)),
        Resolved::Float(number) => float(number),
        Resolved::Str => Ok(Value::from(text)),
    }
}

/// As `encoding/json` writes it: what is whole has no fraction.
fn float(number: f64) -> Result<Value, String> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only where nothing is lost"
    )]
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return Ok(Value::from(number as i64));
    }
    let infinite = if number > 0.0 { "+Inf" } else { "-Inf" };
    Number::from_f64(number).map(Value::Number).ok_or_else(|| {
        let word = if number.is_nan() { "NaN" } else { infinite };
        format!("json: unsupported value: {word}")
    })
}

fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Resolved::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => separated(text)
            .and_then(|plain| finite(&plain))
            .map_or(Resolved::Str, Resolved::Float),
        b'0'..=b'9' | b'+' | b'-' => {
            let plain = text.replace('_', "");
            integer(&plain)
                .map(Resolved::Int)
                .or_else(|| is_float(&plain).then(|| finite(&plain).map(Resolved::Float))?)
                .unwrap_or(Resolved::Str)
        }
        _ => Resolved::Str,
    }
}

/// Without underscores, where each of them is between two digits
/// (`strconv.underscoreOK`).
fn separated(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| {
        let byte = at.and_then(|at| bytes.get(at));
        byte.is_some_and(u8::is_ascii_digit)
    };
    let mut underscores = (0..bytes.len()).filter(|at| bytes[*at] == b'_');
    underscores
        .all(|at| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)))
        .then(|| text.replace('_', ""))
}

/// `strconv.ParseFloat`, for which too large a number is an error.
fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `strconv.ParseInt`, then `ParseUint`, of base 0.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = digits.len() < text.len();
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // Rust's own parser would take a sign here.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Number::from);
    }
    // What has a sign is no unsigned number.
    (!signed || i64::try_from(magnitude).is_ok()).then(|| Number::from(magnitude))
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(rest);
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = digits(fraction);
        if whole == 0 && length == 0 {
            return false;
        }
        rest = &fraction[length..];
    } else if whole == 0 {
        return false;
    }
    match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        None => rest.is_empty(),
    }
}
