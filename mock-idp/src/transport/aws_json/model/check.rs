//! Holds a request's JSON against its shape, before any operation sees it.
//!
//! AWS reads the body into types first and looks at constraints afterwards, so
//! one wrong type anywhere beats every constraint ([`Refusal::Type`]), and all
//! violated constraints are reported together ([`Refusal::Constraints`]).
//!
//! The texts for wrong types are those seen from other services of the same
//! protocol; the grammar of the constraints was seen from Cognito itself (for
//! example amazon-cognito-identity-js#388, aws-cdk#14699 and #31241).

use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{Kind, Member, Range, Shape, Text};

/// How many violations a message spells out; all are counted.
const MOST_VIOLATIONS: usize = 50;
/// How many characters of a refused value a message repeats.
const MOST_OF_A_VALUE: usize = 1024;

/// Why a body is not a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A value of the wrong JSON type (`SerializationException`).
    Type(String),
    /// Violated constraints, as one message (`InvalidParameterException`).
    Constraints(String),
}

/// Checks `body` against `shape` and makes it fit for reading: `null`s and
/// members that the shape does not have are dropped and fractions of integers
/// cut off, as AWS does.
///
/// # Errors
/// [`Refusal`], with AWS's text.
pub(crate) fn check(shape: &Shape, body: &mut Value) -> Result<(), Refusal> {
    if !body.is_object() {
        let scalar = "The body is not a JSON object";
        return Err(Refusal::Type(mistyped(body, scalar)));
    }
    let mut violations = Violations::default();
    walk(shape, body, &Path::Root, &mut violations).map_err(Refusal::Type)?;
    match violations.count {
        0 => Ok(()),
        1 => Err(Refusal::Constraints(format!(
            "1 validation error detected: {}",
            violations.text
        ))),
        count => Err(Refusal::Constraints(format!(
            "{count} validation errors detected: {}",
            violations.text
        ))),
    }
}

fn walk(
    shape: &Shape,
    value: &mut Value,
    path: &Path<'_>,
    violations: &mut Violations,
) -> Result<(), String> {
    match &shape.kind {
        Kind::Structure(members) => {
            let Value::Object(fields) = value else {
                return Err(mistyped(value, "Expected null"));
            };
            fields.retain(|name, value| {
                !value.is_null() && members.iter().any(|member| member.name == name)
            });
            for Member {
                name,
                required,
                shape,
            } in *members
            {
                let path = Path::Member(path, name);
                if let Some(value) = fields.get_mut(*name) {
                    walk(shape, value, &path, violations)?;
                } else if *required {
                    violations.add(shape, None, &path, &"Member must not be null");
                }
            }
        }
        Kind::List(list) => {
            let Value::Array(items) = value else {
                return Err(mistyped(value, "Expected list or null"));
            };
            items.retain(|item| !item.is_null());
            let mut outside = false;
            for (index, item) in items.iter_mut().enumerate() {
                let path = Path::Item(path, index + 1);
                if is_nested(list.item) {
                    walk(list.item, item, &path, violations)?;
                } else {
                    outside |= !is_within(list.item, item)?;
                }
            }
            let count = items.len();
            list.length.violated("length", count, |constraint| {
                violations.add(shape, Some(value), path, constraint);
            });
            if outside {
                let constraints = format!("Member must satisfy constraint: [{}]", All(list.item));
                let told = if list.item.sensitive {
                    list.item
                } else {
                    shape
                };
                violations.add(told, Some(value), path, &constraints);
            }
        }
        Kind::Map(map) => {
            let Value::Object(entries) = value else {
                return Err(mistyped(value, "Expected null"));
            };
            entries.retain(|_, value| !value.is_null());
            let (mut keys_outside, mut values_outside) = (false, false);
            for (key, value) in entries.iter_mut() {
                keys_outside |= !is_within_text(map.key, key);
                values_outside |= !is_within(map.value, value)?;
            }
            let count = entries.len();
            map.length.violated("length", count, |constraint| {
                violations.add(shape, Some(value), path, constraint);
            });
            if keys_outside {
                let constraints = format!("Map keys must satisfy constraint: [{}]", All(map.key));
                violations.add(shape, Some(value), path, &constraints);
            }
            if values_outside {
                let constraints =
                    format!("Map value must satisfy constraint: [{}]", All(map.value));
                violations.add(shape, Some(value), path, &constraints);
            }
        }
        _ => scalar(shape, value, |value, constraint| {
            violations.add(shape, Some(value), path, constraint);
        })?,
    }
    Ok(())
}

/// Types and constraints of everything that has nothing within.
fn scalar(
    shape: &Shape,
    value: &mut Value,
    mut violated: impl FnMut(&Value, &dyn fmt::Display),
) -> Result<(), String> {
    match &shape.kind {
        Kind::String(text) => {
            let Value::String(string) = &*value else {
                return Err(unconvertible(value, "a String"));
            };
            text.violated(string, |constraint| violated(value, constraint));
        }
        Kind::Integer(range) => {
            let number = whole(value)
                .filter(|number| i32::try_from(*number).is_ok())
                .ok_or_else(|| unconvertible(value, "an Integer"))?;
            range.violated("value", number, |constraint| violated(value, constraint));
            *value = Value::from(number);
        }
        Kind::Long(range) => {
            let number = whole(value).ok_or_else(|| unconvertible(value, "a Long"))?;
            range.violated("value", number, |constraint| violated(value, constraint));
            *value = Value::from(number);
        }
        Kind::Boolean => {
            if !value.is_boolean() {
                return Err(unconvertible(value, "a Boolean"));
            }
        }
        Kind::Blob(range) => {
            let bytes = value
                .as_str()
                .and_then(|text| BASE64_STANDARD.decode(text).ok())
                .ok_or_else(|| unconvertible(value, "a Blob"))?;
            range.violated("length", bytes.len(), |constraint| {
                violated(value, constraint)
            });
        }
        Kind::Timestamp => {
            if !value.is_number() && !value.is_string() {
                return Err(unconvertible(value, "a Timestamp"));
            }
        }
        Kind::Document => {}
        Kind::Structure(_) | Kind::List(_) | Kind::Map(_) => {
            return Err("a collection within a map".to_owned());
        }
    }
    Ok(())
}

fn is_nested(shape: &Shape) -> bool {
    matches!(
        shape.kind,
        Kind::Structure(_) | Kind::List(_) | Kind::Map(_)
    )
}

fn is_within(shape: &Shape, value: &mut Value) -> Result<bool, String> {
    let mut within = true;
    scalar(shape, value, |_, _| within = false)?;
    Ok(within)
}

fn is_within_text(shape: &Shape, text: &str) -> bool {
    let mut within = true;
    if let Kind::String(constraints) = &shape.kind {
        constraints.violated(text, |_| within = false);
    }
    within
}

/// The integer that a JSON number stands for, its fraction cut off.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        // Within these bounds the conversion is exact but for the fraction.
        #[expect(clippy::cast_possible_truncation, reason = "that is what AWS does")]
        (float.abs() < 9e15).then_some(float as i64)
    })
}

impl Text {
    /// Calls `violated` with each constraint that `text` breaks.
    fn violated(&self, text: &str, mut violated: impl FnMut(&dyn fmt::Display)) {
        // The length in bytes is never less than the length in characters.
        if self.length.min.is_some() || exceeds(text.len(), self.length.max) {
            let characters = text.chars().count();
            self.length.violated("length", characters, &mut violated);
        }
        if let Some(pattern) = self.pattern
            && !pattern.matches(text)
        {
            violated(&Tail::Pattern(pattern.source));
        }
        if !self.values.is_empty() && !self.values.contains(&text) {
            violated(&Tail::Values(self.values));
        }
    }
}

fn exceeds(length: usize, max: Option<i64>) -> bool {
    max.is_some_and(|max| i64::try_from(length).unwrap_or(i64::MAX) > max)
}

impl Range {
    fn violated(
        &self,
        what: &'static str,
        number: impl TryInto<i64>,
        mut violated: impl FnMut(&dyn fmt::Display),
    ) {
        let number = number.try_into().unwrap_or(i64::MAX);
        if let Some(max) = self.max.filter(|max| number > *max) {
            violated(&Tail::AtMost(what, max));
        }
        if let Some(min) = self.min.filter(|min| number < *min) {
            violated(&Tail::AtLeast(what, min));
        }
    }
}

/// What a value must do, in AWS's words.
enum Tail {
    AtMost(&'static str, i64),
    AtLeast(&'static str, i64),
    Pattern(&'static str),
    Values(&'static [&'static str]),
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(what, max) => {
                write!(f, "Member must have {what} less than or equal to {max}")
            }
            Self::AtLeast(what, min) => {
                write!(f, "Member must have {what} greater than or equal to {min}")
            }
            Self::Pattern(source) => {
                write!(
                    f,
                    "Member must satisfy regular expression pattern: {source}"
                )
            }
            Self::Values(values) => {
                write!(
                    f,
                    "Member must satisfy enum value set: [{}]",
                    values.join(", ")
                )
            }
        }
    }
}

/// All constraints of a shape: for items of a list and entries of a map AWS
/// names them all, not the violated ones.
struct All<'a>(&'a Shape);

impl fmt::Display for All<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tails = Vec::new();
        let mut range = |what, range: &Range| {
            tails.extend(range.max.map(|max| Tail::AtMost(what, max)));
            tails.extend(range.min.map(|min| Tail::AtLeast(what, min)));
        };
        match &self.0.kind {
            Kind::String(text) => {
                range("length", &text.length);
                tails.extend(text.pattern.map(|pattern| Tail::Pattern(pattern.source)));
                if !text.values.is_empty() {
                    tails.push(Tail::Values(text.values));
                }
            }
            Kind::Integer(value) | Kind::Long(value) => range("value", value),
            _ => {}
        }
        for (index, tail) in tails.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{tail}")?;
        }
        Ok(())
    }
}

/// The violated constraints so far, as text.
#[derive(Default)]
struct Violations {
    count: usize,
    text: String,
}

impl Violations {
    fn add(
        &mut self,
        shape: &Shape,
        value: Option<&Value>,
        path: &Path<'_>,
        constraint: &(impl fmt::Display + ?Sized),
    ) {
        self.count += 1;
        if self.count > MOST_VIOLATIONS {
            return;
        }
        if self.count > 1 {
            self.text.push_str("; ");
        }
        self.text.push_str("Value ");
        match value {
            _ if shape.sensitive => {}
            None => self.text.push_str("null "),
            Some(value) => {
                self.text.push('\'');
                self.text.push_str(&shown(value));
                self.text.push_str("' ");
            }
        }
        // Writing to a string cannot fail.
        let _ = write!(
            self.text,
            "at '{path}' failed to satisfy constraint: {constraint}"
        );
    }
}

/// A value as Java's `toString` prints it, cut short.
fn shown(value: &Value) -> String {
    let mut text = java(value);
    if let Some((end, _)) = text.char_indices().nth(MOST_OF_A_VALUE) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn java(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().take(MOST_OF_A_VALUE).map(java).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .take(MOST_OF_A_VALUE)
                .map(|(key, value)| format!("{key}={}", java(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Where in the request a value is: `schema.1.member.name`.
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'static str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Member(parent, name) => {
                if !matches!(parent, Path::Root) {
                    write!(f, "{parent}.")?;
                }
                let mut characters = name.chars();
                if let Some(first) = characters.next() {
                    f.write_char(first.to_ascii_lowercase())?;
                }
                f.write_str(characters.as_str())
            }
            Path::Item(parent, number) => write!(f, "{parent}.{number}.member"),
        }
    }
}

fn mistyped(value: &Value, for_scalars: &str) -> String {
    match value {
        Value::Array(_) => "Start of list found where not expected".to_owned(),
        Value::Object(_) => "Start of structure or map found where not expected.".to_owned(),
        _ => for_scalars.to_owned(),
    }
}

fn unconvertible(value: &Value, target: &str) -> String {
    let token = match value {
        Value::String(_) => "STRING_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Null => "NULL_VALUE",
        Value::Array(_) | Value::Object(_) => return mistyped(value, ""),
    };
    format!("{token} can not be converted to {target}")
}

#[cfg(test)]
mod tests {
    use super::super::Operation;
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn checked(operation: &str, mut body: Value) -> Result<Value, Refusal> {
        let operation = Operation::named(operation).expect("known");
        check(operation.input, &mut body).map(|()| body)
    }

    fn constraint(operation: &str, body: Value) -> String {
        match checked(operation, body) {
            Err(Refusal::Constraints(message)) => message,
            other => panic!("expected violated constraints, got {other:?}"),
        }
    }

    #[rstest]
    #[case::required(
        "DescribeUserPool", json!({}),
        "1 validation error detected: Value null at 'userPoolId' failed to satisfy constraint: Member must not be null"
    )]
    #[case::null_is_absent(
        "DescribeUserPool", json!({"UserPoolId": null}),
        "1 validation error detected: Value null at 'userPoolId' failed to satisfy constraint: Member must not be null"
    )]
    #[case::a_secret_is_not_repeated(
        "AdminSetUserPassword", json!({"UserPoolId": "r_1", "Username": "u"}),
        "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null"
    )]
    #[case::pattern(
        "AdminConfirmSignUp", json!({"UserPoolId": "YOUR-USER-POOL-ID", "Username": "u"}),
        r"1 validation error detected: Value 'YOUR-USER-POOL-ID' at 'userPoolId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w-]+_[0-9a-zA-Z]+"
    )]
    #[case::pattern_of_a_secret(
        "AdminGetUser", json!({"UserPoolId": "r_1", "Username": "a b"}),
        r"1 validation error detected: Value at 'username' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
    )]
    #[case::several(
        "AdminGetUser", json!({"UserPoolId": "r_1", "Username": ""}),
        r"2 validation errors detected: Value at 'username' failed to satisfy constraint: Member must have length greater than or equal to 1; Value at 'username' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
    )]
    #[case::too_long(
        "CreateGroup", json!({"UserPoolId": "r_1", "GroupName": "g", "Description": "d".repeat(2049)}),
        &format!("1 validation error detected: Value '{}…' at 'description' failed to satisfy constraint: Member must have length less than or equal to 2048", "d".repeat(1024))
    )]
    #[case::value_too_small(
        "CreateGroup", json!({"UserPoolId": "r_1", "GroupName": "g", "Precedence": -1}),
        "1 validation error detected: Value '-1' at 'precedence' failed to satisfy constraint: Member must have value greater than or equal to 0"
    )]
    #[case::value_too_great(
        "ListUserPools", json!({"MaxResults": 61}),
        "1 validation error detected: Value '61' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 60"
    )]
    #[case::enumeration(
        "CreateUserPool", json!({"PoolName": "p", "MfaConfiguration": "MAYBE"}),
        "1 validation error detected: Value 'MAYBE' at 'mfaConfiguration' failed to satisfy constraint: Member must satisfy enum value set: [OFF, ON, OPTIONAL]"
    )]
    #[case::nested(
        "CreateUserPool", json!({"PoolName": "p", "Policies": {"PasswordPolicy": {"MinimumLength": 5}}}),
        "1 validation error detected: Value '5' at 'policies.passwordPolicy.minimumLength' failed to satisfy constraint: Member must have value greater than or equal to 6"
    )]
    #[case::structure_in_a_list(
        "CreateUserPool", json!({"PoolName": "p", "Schema": [{"Name": "phone_number_verified"}]}),
        "1 validation error detected: Value 'phone_number_verified' at 'schema.1.member.name' failed to satisfy constraint: Member must have length less than or equal to 20"
    )]
    #[case::item_of_a_list(
        "CreateUserPool", json!({"PoolName": "p", "UsernameAttributes": ["email", "name"]}),
        "1 validation error detected: Value '[email, name]' at 'usernameAttributes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [phone_number, email]]"
    )]
    #[case::length_of_a_list(
        "CreateUserPool", json!({"PoolName": "p", "Schema": []}),
        "1 validation error detected: Value '[]' at 'schema' failed to satisfy constraint: Member must have length greater than or equal to 1"
    )]
    #[case::value_of_a_map(
        "TagResource", json!({"ResourceArn": "arn:aws:cognito-idp:r:1:userpool/r_1", "Tags": {"owner": "x".repeat(257)}}),
        &format!("1 validation error detected: Value '{{owner={}}}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or equal to 0]", "x".repeat(257))
    )]
    #[case::key_of_a_map(
        "TagResource", json!({"ResourceArn": "arn:aws:cognito-idp:r:1:userpool/r_1", "Tags": {"": "x"}}),
        "1 validation error detected: Value '{=x}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
    )]
    fn a_violated_constraint_is_told_in_the_words_of_aws(
        #[case] operation: &str,
        #[case] body: Value,
        #[case] expected: &str,
    ) {
        assert_eq!(constraint(operation, body), expected);
    }

    #[test]
    fn a_sensitive_map_keeps_its_values_to_itself() {
        let message = constraint(
            "InitiateAuth",
            json!({
                "ClientId": "c",
                "AuthFlow": "USER_PASSWORD_AUTH",
                "AuthParameters": {"PASSWORD": "hunter2".repeat(20_000)},
            }),
        );
        assert!(!message.contains("hunter2"), "{message}");
        assert!(
            message.contains("Value at 'authParameters' failed"),
            "{message}"
        );
    }

    #[rstest]
    #[case::number_for_string(json!({"PoolName": 1}), "NUMBER_VALUE can not be converted to a String")]
    #[case::bool_for_string(json!({"PoolName": true}), "TRUE_VALUE can not be converted to a String")]
    #[case::list_for_string(json!({"PoolName": ["p"]}), "Start of list found where not expected")]
    #[case::map_for_string(
        json!({"PoolName": {}}),
        "Start of structure or map found where not expected."
    )]
    #[case::string_for_bool(
        json!({"PoolName": "p", "UsernameConfiguration": {"CaseSensitive": "false"}}),
        "STRING_VALUE can not be converted to a Boolean"
    )]
    #[case::string_for_integer(
        json!({"PoolName": "p", "Policies": {"PasswordPolicy": {"MinimumLength": "8"}}}),
        "STRING_VALUE can not be converted to an Integer"
    )]
    #[case::beyond_an_integer(
        json!({"PoolName": "p", "Policies": {"PasswordPolicy": {"MinimumLength": 1e300}}}),
        "NUMBER_VALUE can not be converted to an Integer"
    )]
    #[case::string_for_list(json!({"PoolName": "p", "Schema": "x"}), "Expected list or null")]
    #[case::map_for_list(
        json!({"PoolName": "p", "Schema": {}}),
        "Start of structure or map found where not expected."
    )]
    #[case::string_for_structure(json!({"PoolName": "p", "Policies": "x"}), "Expected null")]
    #[case::list_for_structure(
        json!({"PoolName": "p", "Policies": []}),
        "Start of list found where not expected"
    )]
    #[case::string_for_map(json!({"PoolName": "p", "UserPoolTags": "x"}), "Expected null")]
    #[case::number_in_a_map(
        json!({"PoolName": "p", "UserPoolTags": {"a": 1}}),
        "NUMBER_VALUE can not be converted to a String"
    )]
    #[case::number_in_a_list(
        json!({"PoolName": "p", "AliasAttributes": [1]}),
        "NUMBER_VALUE can not be converted to a String"
    )]
    #[case::beats_a_constraint(
        json!({"PoolName": "", "MfaConfiguration": 1}),
        "NUMBER_VALUE can not be converted to a String"
    )]
    #[case::no_structure_at_all(json!(["p"]), "Start of list found where not expected")]
    #[case::no_collection_at_all(json!("p"), "The body is not a JSON object")]
    #[case::nothing_at_all(json!(null), "The body is not a JSON object")]
    fn a_wrong_type_is_a_serialization_error(#[case] body: Value, #[case] expected: &str) {
        assert_eq!(
            checked("CreateUserPool", body),
            Err(Refusal::Type(expected.to_owned()))
        );
    }

    #[test]
    fn nulls_and_fractions_are_made_fit_for_reading() {
        let body = checked(
            "CreateUserPool",
            json!({
                "PoolName": "p",
                "AliasAttributes": ["email", null],
                "UserPoolTags": {"a": null, "b": "c"},
                "Policies": {"PasswordPolicy": {"MinimumLength": 8.9}},
                "NoSuchMember": {"is": ["ignored"]},
                "LambdaConfig": null,
            }),
        )
        .expect("fits");
        assert_eq!(body["AliasAttributes"], json!(["email"]));
        assert_eq!(body["UserPoolTags"], json!({"b": "c"}));
        assert!(body.get("NoSuchMember").is_none());
        assert!(body.get("LambdaConfig").is_none());
        assert_eq!(
            body["Policies"]["PasswordPolicy"]["MinimumLength"],
            json!(8)
        );
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let named = |name: String| json!({"UserPoolId": "r_1", "Username": name});
        assert!(checked("AdminGetUser", named("\u{1f600}".repeat(128))).is_ok());
        assert!(checked("AdminGetUser", named("\u{1f600}".repeat(129))).is_err());
    }

    #[test]
    fn ever_so_many_violations_make_a_short_message() {
        let message = constraint(
            "AdminCreateUser",
            json!({
                "UserPoolId": "r_1",
                "Username": "u",
                "UserAttributes": vec![json!({"Name": ""}); 10_000],
            }),
        );
        assert!(message.starts_with("20000 validation errors detected: "));
        assert!(message.len() < 16_000);
    }

    /// Wrong types and missing members for every member of every operation.
    #[test]
    fn every_member_of_every_operation_is_checked() {
        for operation in &super::super::OPERATIONS {
            let Kind::Structure(members) = &operation.input.kind else {
                panic!("{} takes no structure", operation.name);
            };
            for member in *members {
                let wrong = match member.shape.kind {
                    Kind::String(_) | Kind::Blob(_) => json!(1),
                    Kind::Document => continue,
                    _ => json!(true),
                };
                let wrong = if matches!(member.shape.kind, Kind::Boolean) {
                    json!("true")
                } else {
                    wrong
                };
                let body = json!({ member.name: wrong });
                assert!(
                    matches!(checked(operation.name, body), Err(Refusal::Type(_))),
                    "{}.{} takes a value of the wrong type",
                    operation.name,
                    member.name
                );
                if member.required {
                    let path = Path::Member(&Path::Root, member.name).to_string();
                    assert!(
                        constraint(operation.name, json!({})).contains(&format!("'{path}'")),
                        "{}.{} may be left out",
                        operation.name,
                        member.name
                    );
                }
            }
        }
    }
}
