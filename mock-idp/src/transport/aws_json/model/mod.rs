//! Cognito's own service model: which operations there are, what they take
//! and within what bounds. [`check`] holds a request against it.
//!
//! The table is generated (`mock-idp/generate`); this file has its words only.

use std::sync::OnceLock;

use regex::Regex;

pub(crate) mod check;
#[rustfmt::skip]
mod table;

pub(crate) use table::OPERATIONS;

/// One operation of `AWSCognitoIdentityProviderService`.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Whether a caller needs AWS credentials (`authtype` is not `none`).
    pub(crate) signed: bool,
    pub(crate) input: &'static Shape,
    /// Without an output shape the answer's body is empty, not `{}`.
    pub(crate) output: Option<&'static Shape>,
    /// The errors the model names, unqualified.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests compare with them"))]
    pub(crate) errors: &'static [&'static str],
}

impl Operation {
    /// The operation called `name`, letter for letter.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        OPERATIONS
            .binary_search_by(|operation| operation.name.cmp(name))
            .ok()
            .map(|index| &OPERATIONS[index])
    }
}

/// A type of the model with its constraints.
pub(crate) struct Shape {
    /// Values of it never appear in a message.
    pub(crate) sensitive: bool,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Structure(&'static [Member]),
    List(List),
    Map(Map),
    String(Text),
    Integer(Range),
    Long(Range),
    Boolean,
    /// Bytes, as base64; the bounds are on the bytes.
    Blob(Range),
    Timestamp,
    /// Any JSON.
    Document,
}

pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: &'static Shape,
}

pub(crate) struct List {
    pub(crate) item: &'static Shape,
    pub(crate) length: Range,
}

pub(crate) struct Map {
    pub(crate) key: &'static Shape,
    pub(crate) value: &'static Shape,
    pub(crate) length: Range,
}

pub(crate) struct Text {
    /// In characters: Smithy's length trait counts Unicode scalar values.
    pub(crate) length: Range,
    pub(crate) pattern: Option<&'static Pattern>,
    /// The allowed values; empty where all are.
    pub(crate) values: &'static [&'static str],
}

pub(crate) struct Range {
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
}

/// A regular expression that the whole of a string must match, compiled when
/// it is first asked: the classes of all Unicode letters are not small.
pub(crate) struct Pattern {
    /// As the model spells it, for messages.
    source: &'static str,
    /// As the regex crate spells it.
    translated: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    const fn new(source: &'static str, translated: &'static str) -> Self {
        Self {
            source,
            translated,
            compiled: OnceLock::new(),
        }
    }

    fn matches(&self, text: &str) -> bool {
        self.compiled
            .get_or_init(|| Regex::new(&format!(r"\A(?:{})\z", self.translated)).ok())
            // A test compiles every pattern, so there is always one.
            .as_ref()
            .is_none_or(|regex| regex.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_table_has_every_operation_in_order() {
        assert_eq!(OPERATIONS.len(), 122);
        assert!(OPERATIONS.is_sorted_by_key(|operation| operation.name));
        for operation in &OPERATIONS {
            assert!(std::ptr::eq(
                Operation::named(operation.name).expect("is found"),
                operation
            ));
            assert!(matches!(operation.input.kind, Kind::Structure(_)));
        }
        assert!(Operation::named("createuserpool").is_none());
    }

    #[test]
    fn operations_of_a_signed_in_person_need_no_aws_credentials() {
        let unsigned = |name| !Operation::named(name).expect("known").signed;
        assert!(unsigned("InitiateAuth"));
        assert!(unsigned("GetUser"));
        assert!(!unsigned("AdminInitiateAuth"));
        assert_eq!(OPERATIONS.iter().filter(|o| !o.signed).count(), 32);
    }

    #[test]
    fn every_pattern_compiles() {
        for pattern in table::PATTERNS {
            pattern.matches("");
            assert!(
                pattern.compiled.get().is_some_and(Option::is_some),
                "{}",
                pattern.translated
            );
        }
    }

    #[rstest]
    #[case::whole_string(r"[\w-]+_[0-9a-zA-Z]+", "eu-west-2_Tj3uyJm1Q", true)]
    #[case::not_a_part(r"[\w-]+_[0-9a-zA-Z]+", "eu-west-2_Tj3uyJm1Q!", false)]
    #[case::word_is_ascii(r"[\w\s+=,.@-]+", "kubedemy pool", true)]
    #[case::word_is_ascii_only(r"[\w\s+=,.@-]+", "k\u{fc}bedemy", false)]
    #[case::emoji_is_a_symbol(r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "\u{1f600}", true)]
    #[case::a_joiner_is_not(r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "\u{1f468}\u{200d}\u{1f469}", false)]
    #[case::no_space(r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "a b", false)]
    #[case::wide_space_is_no_java_space(r"[\S]+", "a\u{a0}b", true)]
    #[case::space(r"[\S]+", "a b", false)]
    #[case::bucket(r"^[0-9A-Za-z\.\-_]*(?<!\.)$", "my.bucket", true)]
    #[case::bucket_ends_in_a_stop(r"^[0-9A-Za-z\.\-_]*(?<!\.)$", "my.bucket.", false)]
    #[case::trailing_newline(r"^[\w\- ]+$", "a\n", false)]
    fn patterns_read_as_in_java(#[case] source: &str, #[case] text: &str, #[case] expected: bool) {
        let pattern = table::PATTERNS
            .into_iter()
            .find(|pattern| pattern.source == source)
            .expect("a pattern of the model");
        assert_eq!(pattern.matches(text), expected);
    }
}
