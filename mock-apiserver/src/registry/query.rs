//! The options of a request, from its query.

use serde_json::Value;

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

    /// A whole number; `None` where it is missing.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn number(&self, key: &str) -> Result<Option<i64>, Status> {
        match self.get(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!(
                    "strconv.ParseInt: parsing {}: invalid syntax",
                    quote(text)
                ))
            }),
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
