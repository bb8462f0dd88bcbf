//! The options of a request, from its query.

use std::num::IntErrorKind;

use serde_json::Value;

use super::selector;
use crate::wire::{Cause, Fault, Status, quote};

/// The query's parameters. Unknown ones are ignored, as upstream.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

/// What happens to fields nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and a warning says so.
    Warn,
    /// The request is refused.
    Strict,
}

/// What is asked for by `CreateOptions`, `UpdateOptions` and `PatchOptions`
/// (apimachinery, `pkg/apis/meta/v1/validation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Whether nothing is kept.
    pub dry_run: bool,
    /// What happens to fields nobody knows.
    pub validation: FieldValidation,
}

/// A 64-bit number of decimal digits, with or without a sign (Go's `strconv.ParseInt`).
///
/// # Errors
/// Go's words for what is wrong.
pub fn parse_int(text: &str) -> Result<i64, &'static str> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = i128::from(parse_uint(digits)?);
    let number = if negative { -number } else { number };
    number.try_into().map_err(|_| OUT_OF_RANGE)
}

/// A 64-bit number of decimal digits (Go's `strconv.ParseUint`).
///
/// # Errors
/// Go's words for what is wrong.
pub fn parse_uint(text: &str) -> Result<u64, &'static str> {
    match text.parse::<u64>() {
        _ if text.starts_with('+') => Err("invalid syntax"),
        Ok(number) => Ok(number),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(OUT_OF_RANGE),
        Err(_) => Err("invalid syntax"),
    }
}

const OUT_OF_RANGE: &str = "value out of range";

impl Query {
    /// Reads a query string.
    pub fn parse(query: &str) -> Self {
        Self(crate::request::query_pairs(query).collect())
    }

    /// Forgets a parameter.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key);
    }

    /// The first value of a parameter; empty without one.
    pub fn get(&self, key: &str) -> &str {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map_or("", |(_, v)| v.as_str())
    }

    /// Whether the parameter is there at all.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }

    /// A boolean parameter: as `conversion.Convert_Slice_string_To_bool`
    /// reads it, anything but `0` and `false` is true.
    pub fn flag(&self, key: &str) -> bool {
        self.has(key) && !matches!(self.get(key).to_ascii_lowercase().as_str(), "0" | "false")
    }

    /// A whole number; `None` where it is missing (Go's `strconv.ParseInt`).
    ///
    /// # Errors
    /// Go's sentence, for a 400.
    pub fn number(&self, key: &str) -> Result<Option<i64>, String> {
        if !self.has(key) {
            return Ok(None);
        }
        let text = self.get(key);
        parse_int(text)
            .map(Some)
            .map_err(|why| format!("strconv.ParseInt: parsing {}: {why}", quote(text)))
    }

    /// Whether it can be ListOptions, of whatever kind of object
    /// (`ParameterCodec.DecodeParameters`).
    ///
    /// # Errors
    /// Kubernetes' sentence, for a 400.
    pub fn check_list_options(&self) -> Result<(), String> {
        for key in ["timeoutSeconds", "limit"] {
            self.number(key)?;
        }
        selector::check_syntax(self.get("labelSelector"), self.get("fieldSelector"))
    }

    /// Whether a watch sends what is there before anything else; by default where it
    /// begins nowhere (`SetListOptionsDefaults`, which does not know watches by path).
    pub fn sends_initial_events(&self) -> Option<bool> {
        if self.has("sendInitialEvents") {
            return Some(self.flag("sendInitialEvents"));
        }
        let from_nowhere = matches!(self.get("resourceVersion"), "" | "0");
        let by_default =
            from_nowhere && self.flag("watch") && self.get("resourceVersionMatch").is_empty();
        by_default.then_some(true)
    }

    /// Checks the ListOptions in it (apimachinery,
    /// `pkg/apis/meta/internalversion/validation`).
    ///
    /// # Errors
    /// 400 for what cannot be decoded, 422 for what does not go together.
    pub fn validate_list_options(&self) -> Result<(), Status> {
        self.check_list_options().map_err(Status::bad_request)?;
        let mut causes = Vec::new();
        let initial = self.has("sendInitialEvents");
        let matching = match self.get("resourceVersionMatch") {
            "" if !initial && self.sends_initial_events().is_some() => "NotOlderThan",
            given => given,
        };
        let forbidden =
            |field: &str, detail: &str| Cause::new(field, Fault::Forbidden, None, detail);
        let unsupported = |supported: &str| {
            let value = Value::from(matching);
            let detail = format!("supported values: {supported}");
            Cause::new(
                "resourceVersionMatch",
                Fault::NotSupported,
                Some(&value),
                &detail,
            )
        };
        let of_match = |detail: &str| forbidden("resourceVersionMatch", detail);
        let continued = !self.get("continue").is_empty();
        let with_continue =
            || of_match("resourceVersionMatch is forbidden when continue is provided");
        if self.flag("watch") {
            let newer = matching == "NotOlderThan";
            if initial && !newer {
                causes.push(of_match(
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ));
            }
            if !matching.is_empty() {
                if self.sends_initial_events().is_none() {
                    causes.push(of_match("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
                }
                if !newer {
                    causes.push(unsupported(r#""NotOlderThan""#));
                }
                if continued {
                    causes.push(with_continue());
                }
            }
        } else {
            if !matching.is_empty() {
                let version = self.get("resourceVersion");
                if version.is_empty() {
                    causes.push(of_match(
                        "resourceVersionMatch is forbidden unless resourceVersion is provided",
                    ));
                }
                if continued {
                    causes.push(with_continue());
                }
                if !matches!(matching, "Exact" | "NotOlderThan") {
                    causes.push(unsupported(r#""Exact", "NotOlderThan", """#));
                }
                if matching == "Exact" && version == "0" {
                    causes.push(of_match(
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                    ));
                }
            }
            if initial {
                causes.push(forbidden(
                    "sendInitialEvents",
                    "sendInitialEvents is forbidden for list",
                ));
            }
        }
        match causes.is_empty() {
            true => Ok(()),
            false => Err(invalid_options("ListOptions", causes)),
        }
    }

    /// The options of a write, `kind` being `CreateOptions` and so on.
    ///
    /// # Errors
    /// 422 for what they cannot be.
    pub fn write_options(&self, kind: &str) -> Result<WriteOptions, Status> {
        let mut causes = Vec::new();
        if kind == "PatchOptions" && !self.get("force").is_empty() {
            let detail = "may not be specified for non-apply patch";
            causes.push(Cause::new("force", Fault::Forbidden, None, detail));
        }
        check_field_manager(self.get("fieldManager"), &mut causes);
        let dry_run = check_dry_run(&self.all("dryRun"), &mut causes);
        let validation = match self.get("fieldValidation") {
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            "" | "Warn" => FieldValidation::Warn,
            other => {
                causes.push(Cause::new(
                    "fieldValidation",
                    Fault::NotSupported,
                    Some(&Value::from(other)),
                    r#"supported values: "", "Ignore", "Strict", "Warn""#,
                ));
                FieldValidation::Warn
            }
        };
        if !causes.is_empty() {
            return Err(invalid_options(kind, causes));
        }
        Ok(WriteOptions {
            dry_run,
            validation,
        })
    }

    /// All values of a parameter.
    pub fn all(&self, key: &str) -> Vec<&str> {
        let pairs = self.0.iter().filter(|(k, _)| k == key);
        pairs.map(|(_, value)| value.as_str()).collect()
    }
}

fn check_field_manager(name: &str, causes: &mut Vec<Cause>) {
    const LIMIT: usize = 128;
    if name.len() > LIMIT {
        causes.push(Cause {
            reason: "FieldValueTooLong".to_owned(),
            message: format!("Too long: may not be more than {LIMIT} bytes"),
            field: "fieldManager".to_owned(),
        });
    }
    // What is not printed as it is, Go does not hold printable.
    let printable = |c: char| matches!(c, '\\' | '"') || !quote(&c.to_string()).contains('\\');
    for (at, c) in name.char_indices().filter(|(_, c)| !printable(*c)) {
        let detail = format!(
            "invalid character U+{:04X} (at position {at})",
            u32::from(c)
        );
        let value = Value::from(name);
        causes.push(Cause::new(
            "fieldManager",
            Fault::Invalid,
            Some(&value),
            &detail,
        ));
    }
}

/// Whether nothing shall be kept; values other than `All` are at fault.
pub fn check_dry_run(values: &[&str], causes: &mut Vec<Cause>) -> bool {
    if values.iter().any(|value| *value != "All") {
        causes.push(Cause::new(
            "dryRun",
            Fault::NotSupported,
            Some(&Value::from(values)),
            r#"supported values: "All""#,
        ));
    }
    !values.is_empty()
}

/// 422 about the options of a request.
pub fn invalid_options(options: &str, causes: Vec<Cause>) -> Status {
    Status::invalid("meta.k8s.io", options, "", causes)
}
