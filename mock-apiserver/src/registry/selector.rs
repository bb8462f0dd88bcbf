//! Label and field selectors (apimachinery, `pkg/labels` and `pkg/fields`).

use serde_json::Value;

use super::kind::{Id, Kind};
use super::object::{at, meta, meta_map, text};
use super::query::parse_int;
use crate::wire::{aggregate, quote};
use kube_rbac::{Version, names};

/// What a list or a watch is narrowed down to.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldTerm {
    field: String,
    equal: bool,
    value: String,
}

impl Selector {
    /// Reads both selectors as they stand in a query.
    ///
    /// # Errors
    /// Kubernetes' sentence, for a 400.
    pub fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Self, String> {
        Ok(Self {
            labels: parse_labels(labels)?,
            fields: parse_fields(kind, fields)?,
        })
    }

    /// The same for the object called `name` alone.
    pub fn and_name(mut self, name: &str) -> Self {
        self.fields.push(FieldTerm {
            field: "metadata.name".to_owned(),
            equal: true,
            value: name.to_owned(),
        });
        self
    }

    /// Whether its fields leave out the object called `name`, or do not ask for a name.
    pub fn asks_for_another_than(&self, name: &str) -> bool {
        !self.fields.is_empty() && name_in(&self.fields) != Some(name)
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether `object` is selected.
    pub fn matches(&self, kind: &Kind, object: &Value) -> bool {
        let labels = meta_map(object, "labels");
        self.labels.iter().all(|requirement| {
            let value = labels
                .and_then(|l| l.get(&requirement.key))
                .and_then(Value::as_str);
            requirement.operator.matches(value)
        }) && self
            .fields
            .iter()
            .all(|term| (field_value(kind, object, &term.field) == term.value) == term.equal)
    }
}

impl Operator {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match self {
            Self::In(values) => value.is_some_and(|v| values.iter().any(|w| w == v)),
            Self::NotIn(values) => value.is_none_or(|v| !values.iter().any(|w| w == v)),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
            Self::GreaterThan(limit) => number().is_some_and(|n| n > *limit),
            Self::LessThan(limit) => number().is_some_and(|n| n < *limit),
        }
    }
}

/// The value a field selector compares with: always text.
fn field_value(kind: &Kind, object: &Value, field: &str) -> String {
    match (kind.id, field) {
        (Id::Pod, "status.podIPs") => at(object, &["status", "podIPs"])
            .as_array()
            .map(|ips| {
                let ips: Vec<&str> = ips.iter().map(|ip| text(ip, &["ip"])).collect();
                ips.join(",")
            })
            .unwrap_or_default(),
        (_, "metadata.name") => meta(object, "name").to_owned(),
        _ => {
            let path: Vec<&str> = field.split('.').collect();
            match at(object, &path) {
                Value::String(text) => text.clone(),
                Value::Bool(value) => value.to_string(),
                Value::Number(number) => number.to_string(),
                // A missing boolean is false for these two fields.
                _ if matches!(field, "spec.hostNetwork" | "spec.unschedulable") => {
                    "false".to_owned()
                }
                _ => String::new(),
            }
        }
    }
}

fn parse_fields(kind: &Kind, selector: &str) -> Result<Vec<FieldTerm>, String> {
    let terms = terms(selector)?;
    terms
        .iter()
        .try_for_each(|term| check_field(kind, &term.field))?;
    Ok(terms)
}

/// The terms of a selector of fields of whatever kind, in the order in which
/// Kubernetes looks at them (`fields.ParseSelector`).
fn terms(selector: &str) -> Result<Vec<FieldTerm>, String> {
    let mut parts = split_terms(selector);
    parts.sort_unstable();
    let parts = parts.iter().filter(|part| !part.is_empty());
    let term = |part: &String| {
        let (field, equal, value) = split_field(part)
            .ok_or_else(|| format!("invalid selector: '{selector}'; can't understand '{part}'"))?;
        Ok(FieldTerm {
            field: field.to_owned(),
            equal,
            value: unescape(value)?,
        })
    };
    let terms: Vec<FieldTerm> = parts.map(term).collect::<Result<_, String>>()?;
    // What says nothing at all is left out (`hasTerm.Transform`).
    let says = |term: &FieldTerm| !(term.field.is_empty() && term.value.is_empty());
    Ok(terms.into_iter().filter(says).collect())
}

/// Whether both can be read, as far as that is no matter of what is selected.
///
/// # Errors
/// Kubernetes' sentence, for a 400.
pub fn check_syntax(labels: &str, fields: &str) -> Result<(), String> {
    parse_labels(labels)?;
    terms(fields).map(drop)
}

/// The one name that a selector of fields can match.
pub fn required_name(fields: &str) -> Option<String> {
    let terms = terms(fields).ok()?;
    name_in(&terms).map(str::to_owned)
}

/// `RequiresExactMatch` of `metadata.name`.
fn name_in(terms: &[FieldTerm]) -> Option<&str> {
    let mut terms = terms.iter();
    let name = terms.find(|term| term.equal && term.field == "metadata.name");
    name.map(|term| term.value.as_str())
}

/// Whether this is a selector of labels at all.
pub fn is_of_labels(selector: &str) -> bool {
    parse_labels(selector).is_ok()
}

/// Whether this is a selector of fields at all, of whatever kind.
pub fn is_of_fields(selector: &str) -> bool {
    terms(selector).is_ok()
}

/// Splits at commas that are not escaped.
fn split_terms(selector: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for c in selector.chars() {
        if c == ',' && !escaped {
            terms.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(last) = terms.last_mut() {
            last.push(c);
        }
    }
    terms
}

fn split_field(term: &str) -> Option<(&str, bool, &str)> {
    // The first operator counts, whatever it is.
    let at = term.find(['=', '!'])?;
    let (field, rest) = term.split_at(at);
    for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some(value) = rest.strip_prefix(operator) {
            return Some((field, equal, value));
        }
    }
    None
}

/// `fields.UnescapeValue`.
fn unescape(value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                other => {
                    let sequence: String = ['\\'].into_iter().chain(other).collect();
                    return Err(format!(
                        "invalid field selector: invalid escape sequence: {sequence}"
                    ));
                }
            },
            // Go prints the letter as a number.
            ',' | '=' => {
                return Err(format!(
                    "invalid field selector: unescaped character in value: {}",
                    u32::from(c)
                ));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn check_field(kind: &Kind, field: &str) -> Result<(), String> {
    if field == "metadata.name" || (field == "metadata.namespace" && kind.namespaced) {
        return Ok(());
    }
    match kind.fields {
        Some(fields) if fields.contains(&field) => Ok(()),
        Some(_) => Err(match (kind.group, kind.kind) {
            ("batch", "Job") => format!("field label {} not supported for Job", quote(field)),
            ("resource.k8s.io", "ResourceSlice") => format!(
                "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}"
            ),
            _ => format!("field label not supported: {field}"),
        }),
        None if field == "metadata.namespace" => Ok(()),
        None => Err(format!(
            "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            quote(field)
        )),
    }
}

fn parse_labels(selector: &str) -> Result<Vec<Requirement>, String> {
    let mut lexer = Lexer::new(selector);
    let mut requirements = Vec::new();
    match lexer.peek() {
        Token::End => return Ok(requirements),
        Token::Word(_) | Token::Not => {}
        other => {
            return Err(format!(
                "found '{}', expected: !, identifier, or 'end of string'",
                other.text()
            ));
        }
    }
    loop {
        requirements.push(
            lexer
                .requirement()
                .map_err(|why| format!("unable to parse requirement: {why}"))?,
        );
        match lexer.next() {
            Token::End => return Ok(requirements),
            Token::Comma => match lexer.peek() {
                Token::Word(_) | Token::Not => {}
                other => {
                    return Err(format!(
                        "found '{}', expected: identifier after ','",
                        other.text()
                    ));
                }
            },
            other => {
                return Err(format!(
                    "found '{}', expected: ',' or 'end of string'",
                    other.text()
                ));
            }
        }
    }
}

/// `labels.isWhitespace`.
fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    End,
    Word(String),
    Comma,
    Open,
    Close,
    Not,
    Equal,
    DoubleEqual,
    NotEqual,
    Greater,
    Less,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::End => "",
            Self::Word(word) => word,
            Self::Comma => ",",
            Self::Open => "(",
            Self::Close => ")",
            Self::Not => "!",
            Self::Equal => "=",
            Self::DoubleEqual => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
        }
    }
}

struct Lexer {
    tokens: Vec<Token>,
    at: usize,
}

impl Lexer {
    fn new(selector: &str) -> Self {
        let mut tokens = Vec::new();
        let mut chars = selector.chars().peekable();
        while let Some(c) = chars.next() {
            let mut followed = |expected: char, yes: Token, no: Token| {
                if chars.peek() == Some(&expected) {
                    chars.next();
                    yes
                } else {
                    no
                }
            };
            let token = match c {
                c if is_white(c) => continue,
                // Go's lexer takes it for the end.
                '\0' => break,
                ',' => Token::Comma,
                '(' => Token::Open,
                ')' => Token::Close,
                '>' => Token::Greater,
                '<' => Token::Less,
                '!' => followed('=', Token::NotEqual, Token::Not),
                '=' => followed('=', Token::DoubleEqual, Token::Equal),
                c => {
                    let mut word = String::from(c);
                    while let Some(&next) = chars.peek() {
                        if is_white(next) || ",()><!=".contains(next) {
                            break;
                        }
                        chars.next();
                        if next == '\0' {
                            break;
                        }
                        word.push(next);
                    }
                    Token::Word(word)
                }
            };
            tokens.push(token);
        }
        tokens.push(Token::End);
        Self { tokens, at: 0 }
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.peek() == &Token::Not;
        if negated {
            self.next();
        }
        let key = match self.next() {
            Token::Word(word) => word,
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        };
        let faults = names::label_key(Version::default(), &key);
        if !faults.is_empty() {
            return Err(format!(
                "<nil>: Invalid value: {}: {}",
                quote(&key),
                faults.join("; ")
            ));
        }
        if negated {
            return Ok(Requirement {
                key,
                operator: Operator::DoesNotExist,
            });
        }
        let operator = match self.peek().clone() {
            Token::End | Token::Comma => Operator::Exists,
            Token::Equal | Token::DoubleEqual => {
                self.next();
                Operator::In(vec![self.exact_value()?])
            }
            Token::NotEqual => {
                self.next();
                Operator::NotIn(vec![self.exact_value()?])
            }
            Token::Greater => {
                self.next();
                return self.compared(key, Operator::GreaterThan);
            }
            Token::Less => {
                self.next();
                return self.compared(key, Operator::LessThan);
            }
            Token::Word(word) if word == "in" || word == "notin" => {
                self.next();
                let values = self.values()?;
                if word == "in" {
                    Operator::In(values)
                } else {
                    Operator::NotIn(values)
                }
            }
            other => {
                return Err(format!(
                    "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                    other.text()
                ));
            }
        };
        if let Operator::In(values) | Operator::NotIn(values) = &operator {
            one_of(value_faults(&key, values))?;
        }
        Ok(Requirement { key, operator })
    }

    /// What follows `>` or `<`: a number, that is a label's value too.
    fn compared(
        &mut self,
        key: String,
        operator: impl FnOnce(i64) -> Operator,
    ) -> Result<Requirement, String> {
        let value = self.exact_value()?;
        let number = parse_int(&value);
        let mut faults = Vec::new();
        if number.is_err() {
            faults.push(format!(
                "values[0]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer",
                quote(&value)
            ));
        }
        faults.extend(value_faults(&key, std::slice::from_ref(&value)));
        one_of(faults)?;
        Ok(Requirement {
            key,
            operator: operator(number.unwrap_or_default()),
        })
    }

    fn exact_value(&mut self) -> Result<String, String> {
        match self.peek().clone() {
            Token::End | Token::Comma => Ok(String::new()),
            Token::Word(word) => {
                self.next();
                Ok(word)
            }
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    /// The values of a set, in order and each once.
    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Token::Open => {}
            other => return Err(format!("found '{}' expected: '('", other.text())),
        }
        let mut values = match self.peek() {
            Token::Close => vec![String::new()],
            Token::Word(_) | Token::Comma => self.identifiers()?,
            other => {
                return Err(format!(
                    "found '{}', expected: ',', ')' or identifier",
                    other.text()
                ));
            }
        };
        // It is the bracket: nothing else ends the identifiers.
        self.next();
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    /// Identifiers, some of them empty, up to the bracket (`parseIdentifiersList`).
    fn identifiers(&mut self) -> Result<Vec<String>, String> {
        let mut values = Vec::new();
        loop {
            match self.next() {
                Token::Word(word) => {
                    values.push(word);
                    match self.peek() {
                        Token::Comma => {}
                        Token::Close => return Ok(values),
                        other => {
                            let found = other.text();
                            return Err(format!("found '{found}', expected: ',' or ')'"));
                        }
                    }
                }
                Token::Comma => {
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    match self.peek() {
                        Token::Close => {
                            values.push(String::new());
                            return Ok(values);
                        }
                        Token::Comma => values.push(String::new()),
                        _ => {}
                    }
                }
                other => {
                    let found = other.text();
                    return Err(format!("found '{found}', expected: ',', or identifier"));
                }
            }
        }
    }
}

/// What is wrong with values of the label `key`.
fn value_faults(key: &str, values: &[String]) -> Vec<String> {
    let of_one = |(index, value): (usize, &String)| {
        let faults = names::label_value(Version::default(), value);
        (!faults.is_empty()).then(|| {
            format!(
                "values[{index}][{key}]: Invalid value: {}: {}",
                quote(value),
                faults.join("; ")
            )
        })
    };
    values.iter().enumerate().filter_map(of_one).collect()
}

/// All faults as one error, where there are any.
fn one_of(faults: Vec<String>) -> Result<(), String> {
    match faults.is_empty() {
        true => Ok(()),
        false => Err(aggregate(faults)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("", true)]
    #[case("app=web", true)]
    #[case("app==web,tier", true)]
    #[case("app!=web", false)]
    #[case("app in (db, web)", true)]
    #[case("app notin (db)", true)]
    #[case("app notin (web)", false)]
    #[case("missing notin (web)", true)]
    #[case("!missing", true)]
    #[case("!app", false)]
    #[case("count>3,count<5", true)]
    #[case("count>4", false)]
    #[case("empty=", true)]
    #[case("app in (db,,web,)", true)]
    #[case("app=web \0nonsense", true)]
    #[case("app=web\0,nonsense", false)]
    #[case("missing=", false)]
    #[case("x in (),app", false)]
    fn labels_are_matched(#[case] selector: &str, #[case] expected: bool) {
        let object =
            json!({"metadata": {"labels": {"app": "web", "tier": "", "count": "4", "empty": ""}}});
        let kind = Id::Pod.kind();
        let selector = Selector::parse(kind, selector, "").expect("a selector");
        assert_eq!(selector.matches(kind, &object), expected);
    }

    #[rstest]
    #[case("app in", "unable to parse requirement: found '' expected: '('")]
    #[case("app,", "found '', expected: identifier after ','")]
    #[case(
        "a b",
        "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"
    )]
    #[case("a=b=c", "found '=', expected: ',' or 'end of string'")]
    #[case(",", "found ',', expected: !, identifier, or 'end of string'")]
    #[case(
        "x in (",
        "unable to parse requirement: found '', expected: ',', ')' or identifier"
    )]
    #[case(
        "x in (a,",
        "unable to parse requirement: found '', expected: ',', or identifier"
    )]
    #[case(
        "a>x",
        "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"
    )]
    #[case(
        "a>-5",
        "unable to parse requirement: values[0][a]: Invalid value: \"-5\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )]
    #[case(
        "/a=b",
        "unable to parse requirement: <nil>: Invalid value: \"/a\": prefix part must be non-empty"
    )]
    fn a_label_selector_that_cannot_be_read_says_why(#[case] selector: &str, #[case] why: &str) {
        let error = Selector::parse(Id::Pod.kind(), selector, "").expect_err("refused");
        assert_eq!(error, why);
    }

    #[rstest]
    #[case(Id::Pod, "metadata.name=p,spec.nodeName=", true)]
    #[case(Id::Pod, "status.phase!=Running", true)]
    #[case(Id::Pod, "spec.hostNetwork=false", true)]
    #[case(Id::Pod, "metadata.namespace==other", false)]
    #[case(Id::Secret, "type=Opaque", true)]
    #[case(Id::Secret, "=,type=Opaque,!=", true)]
    fn fields_are_matched(#[case] id: Id, #[case] fields: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"name": "p", "namespace": "dev"}, "status": {"phase": "Pending"}, "type": "Opaque"});
        let selector = Selector::parse(id.kind(), "", fields).expect("a selector");
        assert_eq!(selector.matches(id.kind(), &object), expected);
    }

    #[rstest]
    #[case(Id::Pod, "spec.image=x", "field label not supported: spec.image")]
    #[case(
        Id::ConfigMap,
        "data=x",
        r#""data" is not a known field selector: only "metadata.name", "metadata.namespace""#
    )]
    #[case(
        Id::Pod,
        "nonsense",
        "invalid selector: 'nonsense'; can't understand 'nonsense'"
    )]
    #[case(
        Id::Pod,
        "spec.nodeName=a,nonsense,ah",
        "invalid selector: 'spec.nodeName=a,nonsense,ah'; can't understand 'ah'"
    )]
    #[case(
        Id::Pod,
        "metadata.name=a=b",
        "invalid field selector: unescaped character in value: 61"
    )]
    #[case(
        Id::Pod,
        r"metadata.name=a\b",
        r"invalid field selector: invalid escape sequence: \b"
    )]
    #[case(
        Id::Pod,
        r"metadata.name=a\",
        r"invalid field selector: invalid escape sequence: \"
    )]
    fn an_unknown_field_is_refused(#[case] id: Id, #[case] fields: &str, #[case] why: &str) {
        assert_eq!(
            Selector::parse(id.kind(), "", fields).expect_err("refused"),
            why
        );
    }

    #[rstest]
    #[case("metadata.name=a", Some("a"))]
    #[case("metadata.name==a", Some("a"))]
    #[case(r"metadata.name=a\,b", Some("a,b"))]
    #[case("x=y,metadata.name=b,metadata.name=a", Some("a"))]
    #[case("metadata.name!=a", None)]
    #[case("metadata.name=a,x", None)]
    #[case("metadata.names=a", None)]
    fn a_name_is_required(#[case] fields: &str, #[case] name: Option<&str>) {
        assert_eq!(required_name(fields).as_deref(), name);
    }

    /// The selectors of `TestGetAuthorizerAttributes` (apiserver,
    /// `pkg/endpoints/filters/authorization_test.go`); the rest of that table is
    /// in `authz.rs`.
    #[rstest]
    #[case::enabled_good_label_selector("foo==bar", Ok(("foo", "bar")))]
    #[case::enabled_bad_label_selector(
        "*bar",
        Err(
            "unable to parse requirement: <nil>: Invalid value: \"*bar\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
    )]
    fn a_label_selector_is_read(
        #[case] selector: &str,
        #[case] expected: Result<(&str, &str), &str>,
    ) {
        let expected = expected.map(|(key, value)| {
            let operator = Operator::In(vec![value.to_owned()]);
            let key = key.to_owned();
            vec![Requirement { key, operator }]
        });
        assert_eq!(parse_labels(selector), expected.map_err(str::to_owned));
    }

    /// The same for fields. Which fields there are is not looked at there, so
    /// the good one is `metadata.name` here and not `foo`.
    #[rstest]
    #[case::enabled_good_field_selector("metadata.name==bar", Ok(("metadata.name", "bar")))]
    #[case::enabled_bad_field_selector(
        "*bar",
        Err("invalid selector: '*bar'; can't understand '*bar'")
    )]
    fn a_field_selector_is_read(
        #[case] selector: &str,
        #[case] expected: Result<(&str, &str), &str>,
    ) {
        let expected = expected.map(|(field, value)| {
            vec![FieldTerm {
                field: field.to_owned(),
                equal: true,
                value: value.to_owned(),
            }]
        });
        let found = parse_fields(Id::Pod.kind(), selector);
        assert_eq!(found, expected.map_err(str::to_owned));
    }
}
