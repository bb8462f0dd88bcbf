//! How long a key set stays fresh by its HTTP headers, as go-oidc reads them
//! with `pquerna/cachecontrol` as a private cache's opposite: a shared one.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

/// Until when an answer received at `now` is fresh; `now` itself where its
/// headers do not say, or cannot be read.
pub fn expiry(headers: &HeaderMap, now: Timestamp) -> Timestamp {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let Some(directives) = directives(text("cache-control").unwrap_or_default()) else {
        return now;
    };
    let seconds = match (directives.s_maxage, directives.max_age) {
        (Some(seconds), _) | (None, Some(seconds)) => Some(SignedDuration::from_secs(seconds)),
        (None, None) => None,
    };
    let lifetime = seconds.or_else(|| {
        let date = |name| text(name).and_then(http_date);
        match (date("expires"), date("last-modified")) {
            (Some(expires), _) => Some(expires.duration_since(date("date").unwrap_or(now))),
            (None, Some(modified)) => {
                let tenth = now.duration_since(modified) / 10;
                Some(tenth.min(SignedDuration::from_hours(24)))
            }
            (None, None) => None,
        }
    });
    lifetime
        .filter(SignedDuration::is_positive)
        .and_then(|lifetime| now.checked_add(lifetime).ok())
        .unwrap_or(now)
}

#[derive(Default)]
struct Directives {
    max_age: Option<i64>,
    s_maxage: Option<i64>,
}

/// `None` where a lifetime is no number: the whole header counts for nothing
/// then.
fn directives(header: &str) -> Option<Directives> {
    let mut found = Directives::default();
    for directive in header.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let slot = match name.trim().to_ascii_lowercase().as_str() {
            "max-age" => &mut found.max_age,
            "s-maxage" => &mut found.s_maxage,
            _ => continue,
        };
        let seconds: i64 = value.trim().trim_matches('"').parse().ok()?;
        *slot = Some(seconds.clamp(0, i64::from(i32::MAX)));
    }
    Some(found)
}

/// An HTTP date (RFC 9110 §5.6.7) in its preferred form.
fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix(" GMT")?;
    let at = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S", text).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(at).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], 0)]
    #[case(&[("cache-control", "max-age=3600")], 3600)]
    #[case(&[("cache-control", "public, max-age=86400")], 86400)]
    #[case(&[("cache-control", "max-age=10, s-maxage=20")], 20)]
    #[case(&[("cache-control", "max-age=nonsense")], 0)]
    #[case(&[("cache-control", "no-cache")], 0)]
    #[case(&[("cache-control", "max-age=0"), ("expires", "Tue, 10 Nov 2009 23:10:00 GMT")], 0)]
    #[case(&[("expires", "Tue, 10 Nov 2009 23:10:00 GMT")], 600)]
    #[case(&[("expires", "Tue, 10 Nov 2009 23:10:00 GMT"), ("date", "Tue, 10 Nov 2009 23:05:00 GMT")], 300)]
    #[case(&[("expires", "0")], 0)]
    #[case(&[("last-modified", "Tue, 10 Nov 2009 13:00:00 GMT")], 3600)]
    #[case(&[("last-modified", "Sat, 10 Nov 2007 13:00:00 GMT")], 86400)]
    fn keys_stay_fresh_as_long_as_their_headers_say(
        #[case] pairs: &[(&'static str, &'static str)],
        #[case] seconds: i64,
    ) {
        let now: Timestamp = "2009-11-10T23:00:00Z".parse().expect("a time");
        let headers: HeaderMap = pairs
            .iter()
            .map(|(k, v)| {
                (
                    http::HeaderName::from_static(k),
                    HeaderValue::from_static(v),
                )
            })
            .collect();
        assert_eq!(expiry(&headers, now).duration_since(now).as_secs(), seconds);
    }
}
