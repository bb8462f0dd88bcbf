//! The options of a request, from its query.

use serde_json::Value;

use crate::wire::{Cause, Fault, Status};

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
                    crate::wire::quote(text)
                ))
            }),
        }
    }

    /// Whether nothing shall be kept.
    ///
    /// # Errors
    /// 422 for a value other than `All`.
    pub fn dry_run(&self, options: &str) -> Result<bool, Status> {
        let values: Vec<&str> = self
            .0
            .iter()
            .filter(|(k, _)| k == "dryRun")
            .map(|(_, v)| v.as_str())
            .collect();
        check_dry_run(&values, options)
    }

    /// What happens to fields nobody knows: a warning, unless it is said.
    ///
    /// # Errors
    /// 422 for an unknown directive.
    pub fn field_validation(&self, options: &str) -> Result<FieldValidation, Status> {
        match self.get("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Strict" => Ok(FieldValidation::Strict),
            "Ignore" => Ok(FieldValidation::Ignore),
            other => Err(invalid_options(
                options,
                Cause::new(
                    "fieldValidation",
                    Fault::NotSupported,
                    Some(&Value::from(other)),
                    r#"supported values: "Ignore", "Strict", "Warn""#,
                ),
            )),
        }
    }
}

/// # Errors
/// 422 for a value other than `All`.
pub fn check_dry_run(values: &[&str], options: &str) -> Result<bool, Status> {
    match values.iter().find(|v| **v != "All") {
        Some(other) => Err(invalid_options(
            options,
            Cause::new(
                "dryRun",
                Fault::NotSupported,
                Some(&Value::from(vec![*other])),
                r#"supported values: "All""#,
            ),
        )),
        None => Ok(!values.is_empty()),
    }
}

/// 422 about the options of a request.
pub fn invalid_options(options: &str, cause: Cause) -> Status {
    Status::invalid("meta.k8s.io", options, "", vec![cause])
}
