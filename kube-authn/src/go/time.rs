//! Go's `time.Time` as far as a token's dates need it: seconds since year 1 in
//! an `int64` that wraps, and the `%v` that error texts show.
//!
//! The range matters. `exp` may hold any 64-bit number; Go adds an offset that
//! overflows for the largest ones, so that a token "valid for ever" has expired.

use std::fmt;

use jiff::Timestamp;

/// Seconds from January 1 of year 1 to the Unix epoch.
const UNIX_TO_INTERNAL: i64 = (1969 * 365 + 1969 / 4 - 1969 / 100 + 1969 / 400) * SECONDS_PER_DAY;
const SECONDS_PER_DAY: i64 = 86_400;

/// The year from which Go's calendar computations count, as -`ABSOLUTE_YEARS`.
const ABSOLUTE_YEARS: i64 = 292_277_022_400;
/// Days from March 1 to the end of the year.
const MARCH_THROUGH_DECEMBER: i64 = 306;
#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is below 2^63; Go has the same constant"
)]
const INTERNAL_TO_ABSOLUTE: i64 = ((ABSOLUTE_YEARS as i128 * 3_652_425 / 10_000
    + MARCH_THROUGH_DECEMBER as i128)
    * SECONDS_PER_DAY as i128) as i64;

/// A point in time, in UTC. The default is Go's zero time, year 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Time {
    seconds: i64,
    nanoseconds: u32,
}

impl Time {
    /// `time.Unix(seconds, 0)`.
    pub(crate) fn unix(seconds: i64) -> Self {
        Self {
            seconds: seconds.wrapping_add(UNIX_TO_INTERNAL),
            nanoseconds: 0,
        }
    }

    pub(crate) fn plus_seconds(self, seconds: i64) -> Self {
        Self {
            seconds: self.seconds.saturating_add(seconds),
            ..self
        }
    }
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        let nanoseconds = at.as_nanosecond();
        let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        let rest = u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0);
        Self {
            nanoseconds: rest,
            ..Self::unix(seconds)
        }
    }
}

/// `Time.String` without the monotonic reading, which the real server adds to
/// its own clock's time.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let absolute = self
            .seconds
            .wrapping_add(INTERNAL_TO_ABSOLUTE)
            .cast_unsigned();
        let day_seconds = absolute % SECONDS_PER_DAY.cast_unsigned();
        let (hour, minute, second) = (day_seconds / 3600, day_seconds / 60 % 60, day_seconds % 60);
        let (year, month, day) = date(absolute / SECONDS_PER_DAY.cast_unsigned());
        let sign = if year < 0 { "-" } else { "" };
        write!(
            f,
            "{sign}{:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}",
            year.unsigned_abs()
        )?;
        if self.nanoseconds > 0 {
            let fraction = format!("{:09}", self.nanoseconds);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str(" +0000 UTC")
    }
}

/// The date of a day counted from March 1 of the absolute year 0 (Neri and
/// Schneider's Euclidean affine functions, as in Go since 1.24).
fn date(days: u64) -> (i64, u64, u64) {
    let d = 4 * days + 3;
    let century = d / 146_097;
    let cd = (d % 146_097) | 3;
    let (cyear, ayday) = (cd / 1461, cd % 1461 / 4);
    let month = (5 * ayday + 461) / 153;
    let day = (5 * ayday + 461) % 153 / 5 + 1;
    let january_or_february = u64::from(ayday >= MARCH_THROUGH_DECEMBER.cast_unsigned());
    let year = (century * 100 + cyear + january_or_february).cast_signed() - ABSOLUTE_YEARS;
    (year, month - 12 * january_or_february, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "1970-01-01 00:00:00 +0000 UTC")]
    #[case(1_257_894_000, "2009-11-10 23:00:00 +0000 UTC")]
    #[case(951_782_400, "2000-02-29 00:00:00 +0000 UTC")]
    #[case(-62_135_596_800, "0001-01-01 00:00:00 +0000 UTC")]
    #[case(253_402_300_800, "10000-01-01 00:00:00 +0000 UTC")]
    #[case(-99_999_999_999, "-1199-02-15 14:13:21 +0000 UTC")]
    fn a_date_is_printed_as_go_does(#[case] seconds: i64, #[case] text: &str) {
        assert_eq!(Time::unix(seconds).to_string(), text);
    }

    #[test]
    fn the_zero_time_is_year_one() {
        assert_eq!(Time::default().to_string(), "0001-01-01 00:00:00 +0000 UTC");
    }

    #[test]
    fn the_largest_number_of_seconds_wraps_into_the_past() {
        assert!(Time::unix(i64::MAX) < Time::default());
    }

    #[test]
    fn a_fraction_is_printed_without_trailing_zeros() {
        let at: Timestamp = "2009-11-10T23:00:00.120Z".parse().unwrap();
        assert_eq!(
            Time::from(at).to_string(),
            "2009-11-10 23:00:00.12 +0000 UTC"
        );
    }
}
