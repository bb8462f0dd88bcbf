//! How long a key set stays fresh by its HTTP headers, as go-oidc reads them
//! (`jwks.go: updateKeys`) with `pquerna/cachecontrol` v0.1.0, for a cache that many
//! share: what forbids to store an answer does not count, and one thing that cannot
//! be read makes all of it count for nothing.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, DATE, EXPIRES, HeaderName, LAST_MODIFIED};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Go's longest duration, some 292 years.
const LONGEST: SignedDuration = SignedDuration::from_nanos(i64::MAX);
/// The longest that a guess from `Last-Modified` lasts.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Until when an answer received at `now` is fresh; `now` itself where its
/// headers do not say, or cannot be read.
pub fn expiry(headers: &HeaderMap, now: Timestamp) -> Timestamp {
    lifetime(headers, now)
        .filter(SignedDuration::is_positive)
        .and_then(|lifetime| now.checked_add(lifetime.min(LONGEST)).ok())
        .unwrap_or(now)
}

fn lifetime(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let first = |name: HeaderName| {
        let value = headers.get(name).map(http::HeaderValue::as_bytes);
        value.filter(|value| !value.is_empty())
    };
    let directives = Directives::read(first(CACHE_CONTROL).unwrap_or_default())?;
    // A date that is there and cannot be read ends it, whatever else is said; but
    // `Expires: 0`, which some servers send, is as none.
    let date = |name| match first(name) {
        None => Some(None),
        Some(text) => http_date(text).map(is_told),
    };
    let expires = first(EXPIRES).and_then(http_date).and_then(is_told);
    let (sent, modified) = (date(DATE)?, date(LAST_MODIFIED)?);
    match (
        directives.s_maxage.or(directives.max_age),
        expires,
        modified,
    ) {
        (Some(seconds), ..) => Some(SignedDuration::from_secs(i64::from(seconds))),
        (None, Some(expires), _) => Some(expires.duration_since(sent.unwrap_or(now))),
        (None, None, Some(modified)) => Some((now.duration_since(modified) / 10).min(DAY)),
        (None, None, None) => None,
    }
}

/// Go's zero time, the first second of the year 1, tells nothing.
fn is_told(at: Timestamp) -> Option<Timestamp> {
    const ZERO: i64 = -62_135_596_800;
    (at.as_second() != ZERO).then_some(at)
}

/// What `Cache-Control` says, as far as it matters.
#[derive(Default)]
struct Directives {
    max_age: Option<u32>,
    s_maxage: Option<u32>,
}

impl Directives {
    /// Reads the header; none where a directive has no value and should, or has one
    /// and should not, or one that is no number.
    fn read(header: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut rest = header;
        while let Some(first) = rest.first() {
            if is_blank(*first) || *first == b',' {
                rest = &rest[1..];
                continue;
            }
            // A name begins with whatever stands there.
            let length = 1 + rest[1..].iter().take_while(|byte| is_token(**byte)).count();
            let name = rest[..length].to_ascii_lowercase();
            rest = &rest[length..];
            // An equals sign at the very end is a name of its own.
            let value = match rest {
                [b'=', b'"', quoted @ ..] => {
                    let (value, after) = unquote(quoted)?;
                    rest = after;
                    Some(value)
                }
                [b'=', value @ ..] if !value.is_empty() => {
                    let lists = matches!(name.as_slice(), b"no-cache" | b"private");
                    let ends = |byte: &u8| is_blank(*byte) || (*byte == b',' && !lists);
                    let end = value.iter().position(ends).unwrap_or(value.len());
                    rest = &value[end..];
                    Some(value[..end].to_vec())
                }
                _ => None,
            };
            found.take(&name, value.as_deref())?;
        }
        Some(found)
    }

    fn take(&mut self, name: &[u8], value: Option<&[u8]>) -> Option<()> {
        match (name, value) {
            (b"max-age", Some(value)) => self.max_age = Some(delta_seconds(value)?),
            (b"s-maxage", Some(value)) => self.s_maxage = Some(delta_seconds(value)?),
            (b"stale-if-error" | b"stale-while-revalidate", Some(value)) => {
                delta_seconds(value)?;
            }
            (b"max-age" | b"s-maxage" | b"stale-if-error" | b"stale-while-revalidate", None)
            | (
                b"must-revalidate" | b"no-store" | b"no-transform" | b"public"
                | b"proxy-revalidate" | b"immutable",
                Some(_),
            ) => return None,
            _ => {}
        }
        Some(())
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A token's character (RFC 2616 section 2.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}

/// What is in quotes, up to the closing one, and what follows; of a character behind
/// a backslash only that it is no digit.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', _, after @ ..] => {
                value.push(b'?');
                rest = after;
            }
            [b'\\'] | [] => return None,
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}

/// Seconds, without a sign; too many are as many as there can be, whatever follows
/// (`strconv.ParseUint`).
fn delta_seconds(text: &[u8]) -> Option<u32> {
    const MOST: u32 = i32::MAX.unsigned_abs();
    if text.is_empty() {
        return None;
    }
    let mut seconds: u32 = 0;
    for byte in text {
        let digit = u32::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
        let next = seconds
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(digit));
        let Some(next) = next else { return Some(MOST) };
        seconds = next;
    }
    Some(seconds.min(MOST))
}

/// An HTTP date in one of its three forms (RFC 9110 section 5.6.7), as Go's
/// `http.ParseTime` takes it: whatever day of the week is named, with as many blanks
/// as there are, and names in any case.
fn http_date(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let at = preferred(text)
        .or_else(|| rfc850(text))
        .or_else(|| asctime(text))?;
    // The last day there is has no time here, and is too far away to tell.
    Some(TimeZone::UTC.to_timestamp(at).unwrap_or(Timestamp::MAX))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn preferred(text: &str) -> Option<DateTime> {
    let mut text = Scanner(text);
    text.name(&DAYS)?;
    text.literal(",")?;
    text.blanks()?;
    let day = text.digits(2, 2)?;
    text.blanks()?;
    let month = text.name(&MONTHS)?;
    text.blanks()?;
    let year = text.digits(4, 4)?;
    text.blanks()?;
    let time = text.time()?;
    text.blanks()?;
    text.literal("GMT")?;
    text.end(year, month, day, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`.
fn rfc850(text: &str) -> Option<DateTime> {
    let mut text = Scanner(text);
    text.name(&LONG_DAYS)?;
    text.literal(",")?;
    text.blanks()?;
    let day = text.digits(2, 2)?;
    text.literal("-")?;
    let month = text.name(&MONTHS)?;
    text.literal("-")?;
    let year = text.digits(2, 2)?;
    text.blanks()?;
    let time = text.time()?;
    text.blanks()?;
    // A zone that nobody knows by its letters is as UTC.
    let letters = text.0.bytes().take_while(u8::is_ascii_uppercase).count();
    let zone = text.0.get(..letters)?;
    let is_zone = match letters {
        3 => true,
        4 => zone.ends_with('T') || zone == "WITA",
        5 => zone.ends_with('T'),
        _ => false,
    };
    text.0 = &text.0[letters..];
    let century = if year < 69 { 2000 } else { 1900 };
    is_zone.then_some(())?;
    text.end(century + year, month, day, time)
}

/// `Sun Nov  6 08:49:37 1994`.
fn asctime(text: &str) -> Option<DateTime> {
    let mut text = Scanner(text);
    text.name(&DAYS)?;
    text.blanks()?;
    let month = text.name(&MONTHS)?;
    text.blanks()?;
    let day = text.digits(1, 2)?;
    text.blanks()?;
    let time = text.time()?;
    text.blanks()?;
    let year = text.digits(4, 4)?;
    text.end(year, month, day, time)
}

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const LONG_DAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// What is left of a date's text.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn literal(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn blanks(&mut self) -> Option<()> {
        let rest = self.0.trim_start_matches(' ');
        let some = rest.len() < self.0.len();
        self.0 = rest;
        some.then_some(())
    }

    /// The place of a name among `names`, from one.
    fn name(&mut self, names: &[&str]) -> Option<i16> {
        let is_next = |name: &&str| {
            let start = self.0.get(..name.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        let at = names.iter().position(is_next)?;
        self.0 = &self.0[names[at].len()..];
        i16::try_from(at + 1).ok()
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i16> {
        let count = self
            .0
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let number = (count >= least).then(|| self.0[..count].parse().ok())??;
        self.0 = &self.0[count..];
        Some(number)
    }

    /// Hours of one digit or two, minutes and seconds of two, and a fraction.
    fn time(&mut self) -> Option<Time> {
        let hour = self.digits(1, 2)?;
        self.literal(":")?;
        let minute = self.digits(2, 2)?;
        self.literal(":")?;
        let second = self.digits(2, 2)?;
        let mut nanoseconds = 0;
        if let Some(fraction) = self.0.strip_prefix(['.', ',']) {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0 {
                let counted = &fraction[..digits.min(9)];
                nanoseconds = format!("{counted:0<9}").parse().ok()?;
                self.0 = &fraction[digits..];
            }
        }
        let part = |number: i16| i8::try_from(number).ok();
        Time::new(part(hour)?, part(minute)?, part(second)?, nanoseconds).ok()
    }

    /// The whole, where nothing is left.
    fn end(&self, year: i16, month: i16, day: i16, time: Time) -> Option<DateTime> {
        let part = |number: i16| i8::try_from(number).ok();
        let date = Date::new(year, part(month)?, part(day)?).ok()?;
        self.0.is_empty().then(|| date.to_datetime(time))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        now: Timestamp,
        headers: Vec<(String, String)>,
        seconds: i64,
    }

    /// `corpus/generate.py` makes the cases; ROLECALL_FRESHNESS_CASES names a file
    /// with more of them.
    #[test]
    fn keys_stay_fresh_as_long_as_their_headers_say() {
        let mut cases = include_str!("corpus/freshness.jsonl").to_owned();
        if let Some(path) = std::env::var_os("ROLECALL_FRESHNESS_CASES") {
            cases += &std::fs::read_to_string(path).expect("readable");
        }
        let (mut fresh, mut stale) = (0, 0);
        for line in cases.lines() {
            let case: Case = serde_json::from_str(line).expect("a case");
            let mut headers = HeaderMap::new();
            for (name, value) in &case.headers {
                let name: HeaderName = name.parse().expect("a name");
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
                headers.append(name, value);
            }
            let lasts = expiry(&headers, case.now).duration_since(case.now);
            assert_eq!(lasts.as_secs(), case.seconds, "{line}");
            if case.seconds > 0 {
                fresh += 1;
            } else {
                stale += 1;
            }
        }
        assert!(fresh >= 250 && stale >= 250, "{fresh} fresh, {stale} stale");
    }
}
