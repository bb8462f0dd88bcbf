//! The API's exact spelling (`API_Operations` of the Amazon Cognito user
//! pools reference; botocore's service model).
//!
//! A request is read only after [`super::model`] found that it fits, so
//! reading it cannot fail but for a mistake of ours. What has no behaviour
//! here is kept as it came and given back (`verbatim`).

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

pub(crate) mod clients;
pub(crate) mod groups;
pub(crate) mod pools;
pub(crate) mod sign_in;
pub(crate) mod users;

/// A point in time as the API writes it: seconds since 1970 with three
/// decimals (AWS CLI examples, `admin-create-user`).
pub(crate) struct Epoch(pub(crate) Timestamp);

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Milliseconds of our time fit an f64 exactly, and dividing by 1000
        // rounds to the decimal that prints with three digits.
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
        let seconds = self.0.as_millisecond() as f64 / 1000.0;
        serializer.serialize_f64(seconds)
    }
}

/// A value of one of our enumerations in the API's word for it.
#[derive(Clone, Copy)]
pub(crate) struct Word<T>(pub(crate) T);

/// Enumerations that have words in the API.
pub(crate) trait Worded: Copy + PartialEq + 'static {
    /// Every value with its word.
    const WORDS: &'static [(Self, &'static str)];
}

impl<T: Worded> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word = T::WORDS.iter().find(|(value, _)| *value == self.0);
        serializer.serialize_str(word.map_or("", |(_, word)| word))
    }
}

impl<'de, T: Worded> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let known = T::WORDS.iter().find(|(_, word)| *word == text);
        known
            .map(|(value, _)| Self(*value))
            .ok_or_else(|| D::Error::custom("a word that the table has and we do not"))
    }
}

/// A list of [`Word`]s.
pub(crate) fn words<T: Worded>(values: &[T]) -> Vec<Word<T>> {
    values.iter().copied().map(Word).collect()
}

/// The values of a list of [`Word`]s.
pub(crate) fn values<T>(words: Vec<Word<T>>) -> Vec<T> {
    words.into_iter().map(|word| word.0).collect()
}

/// Implements [`Worded`].
macro_rules! worded {
    ($type:ty { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $crate::transport::aws_json::wire::Worded for $type {
            const WORDS: &'static [(Self, &'static str)] =
                &[$((<$type>::$variant, $word)),+];
        }
    };
}
pub(crate) use worded;

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2019-01-21T19:38:15.428Z", "1548099495.428")]
    #[case("2019-01-21T19:38:15.001999999Z", "1548099495.001")]
    #[case("2019-01-21T19:38:15Z", "1548099495.0")]
    fn times_are_seconds_with_milliseconds(#[case] at: Timestamp, #[case] expected: &str) {
        assert_eq!(
            serde_json::to_string(&Epoch(at)).expect("a number"),
            expected
        );
    }
}
