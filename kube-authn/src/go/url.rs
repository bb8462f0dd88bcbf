//! `url.Parse` as far as the validation of an issuer looks at its result, with
//! its errors. No normalisation happens here: an issuer is compared byte by
//! byte, so only acceptance and refusal matter.

use std::net::Ipv6Addr;

use super::quote::quote;

/// What validation asks about a URL.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) has_user: bool,
    pub(crate) raw_query: String,
    pub(crate) fragment: String,
}

/// Parses a URL; the error is `url.Error`'s text.
pub(crate) fn parse(raw: &str) -> Result<Url, String> {
    let (url, fragment) = raw.split_once('#').unwrap_or((raw, ""));
    let mut parsed =
        parse_without_fragment(url).map_err(|e| format!("parse {}: {e}", quote(url)))?;
    if !fragment.is_empty() {
        check_escapes(fragment, Mode::Other).map_err(|e| format!("parse {}: {e}", quote(raw)))?;
        fragment.clone_into(&mut parsed.fragment);
    }
    Ok(parsed)
}

fn parse_without_fragment(raw: &str) -> Result<Url, String> {
    if raw.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if raw == "*" {
        return Ok(Url::default());
    }
    let (scheme, rest) = split_scheme(raw)?;
    let mut url = Url {
        scheme: scheme.to_ascii_lowercase(),
        ..Url::default()
    };
    let rest = if rest.ends_with('?') && rest.matches('?').count() == 1 {
        &rest[..rest.len() - 1]
    } else {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        query.clone_into(&mut url.raw_query);
        rest
    };
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            return Ok(url); // opaque
        }
        let segment = rest.split_once('/').map_or(rest, |(segment, _)| segment);
        if segment.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let path = match rest.strip_prefix("//") {
        Some(after) if !url.scheme.is_empty() || !after.starts_with('/') => {
            let (authority, path) = match after.find('/') {
                Some(i) => after.split_at(i),
                None => (after, ""),
            };
            url.has_user = check_authority(&url.scheme, authority)?;
            path
        }
        _ => rest,
    };
    check_escapes(path, Mode::Other)?;
    Ok(url)
}

fn split_scheme(raw: &str) -> Result<(&str, &str), String> {
    for (i, byte) in raw.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&raw[..i], &raw[i + 1..])),
            _ => return Ok(("", raw)),
        }
    }
    Ok(("", raw))
}

/// Whether there is userinfo.
fn check_authority(scheme: &str, authority: &str) -> Result<bool, String> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    check_host(scheme, host)?;
    let Some(user) = user else { return Ok(false) };
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(valid) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    check_escapes(name, Mode::Other)?;
    check_escapes(password, Mode::Other)?;
    Ok(true)
}

fn check_host(scheme: &str, host: &str) -> Result<(), String> {
    match host.rfind('[') {
        Some(at) if at > 0 => return Err("invalid IP-literal".to_owned()),
        Some(_) => return check_ip_literal(host),
        None => {}
    }
    if let (Some(first), Some(last)) = (host.find(':'), host.rfind(':')) {
        let at = if matches!(scheme, "http" | "https") {
            first
        } else {
            last
        };
        check_port(&host[at..])?;
    }
    check_escapes(host, Mode::Host)
}

fn check_ip_literal(host: &str) -> Result<(), String> {
    let Some(close) = host.rfind(']') else {
        return Err("missing ']' in host".to_owned());
    };
    check_port(&host[close + 1..])?;
    check_escapes(&host[close + 1..], Mode::Host)?;
    let name = &host[1..close];
    let (address, zone) = name.find("%25").map_or((name, ""), |i| name.split_at(i));
    check_escapes(address, Mode::Host)?;
    check_escapes(zone, Mode::Zone)?;
    // netip.ParseAddr words its errors in many ways; this is the common one.
    let whole = format!("{address}{}", zone.replacen("%25", "%", 1));
    match address.parse::<Ipv6Addr>() {
        Ok(_) => Ok(()),
        Err(_) if address.parse::<std::net::Ipv4Addr>().is_ok() => {
            Err("invalid IP-literal".to_owned())
        }
        Err(_) => Err(format!(
            "invalid host: ParseAddr({}): unable to parse IP",
            quote(&whole)
        )),
    }
}

fn check_port(port: &str) -> Result<(), String> {
    match port.strip_prefix(':') {
        _ if port.is_empty() => Ok(()),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => Err(format!("invalid port {} after host", quote(port))),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Host,
    Zone,
    Other,
}

fn check_escapes(text: &str, mode: Mode) -> Result<(), String> {
    let bytes = text.as_bytes();
    let bad = |end: usize, at: usize| {
        let escape = String::from_utf8_lossy(&bytes[at..end.min(bytes.len())]).into_owned();
        Err(format!("invalid URL escape {}", quote(&escape)))
    };
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            if mode != Mode::Other && bytes[at] < 0x80 && !may_stand_in_host(bytes[at]) {
                let c = quote(&char::from(bytes[at]).to_string());
                return Err(format!("invalid character {c} in host name"));
            }
            at += 1;
            continue;
        }
        let digit = |i: usize| bytes.get(i).and_then(|&b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
            return bad(at + 3, at);
        };
        let is_percent = &bytes[at..at + 3] == b"%25";
        let value = u8::try_from(high << 4 | low).unwrap_or(0);
        match mode {
            Mode::Host if high < 8 && !is_percent => return bad(at + 3, at),
            Mode::Zone if !is_percent && value != b' ' && !may_stand_in_host(value) => {
                return bad(at + 3, at);
            }
            _ => {}
        }
        at += 3;
    }
    Ok(())
}

/// The ASCII characters that Go leaves alone in a host.
fn may_stand_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]<>\"".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "https://h:bad",
        r#"parse "https://h:bad": invalid port ":bad" after host"#
    )]
    #[case(
        "https://h:1:2",
        r#"parse "https://h:1:2": invalid port ":1:2" after host"#
    )]
    #[case(":x", r#"parse ":x": missing protocol scheme"#)]
    #[case(
        "https://a b/",
        r#"parse "https://a b/": invalid character " " in host name"#
    )]
    #[case("https://a/%zz", r#"parse "https://a/%zz": invalid URL escape "%zz""#)]
    #[case("https://a%2f", r#"parse "https://a%2f": invalid URL escape "%2f""#)]
    #[case(
        "https://a\n/",
        r#"parse "https://a\n/": net/url: invalid control character in URL"#
    )]
    #[case("https://[::1", r#"parse "https://[::1": missing ']' in host"#)]
    #[case(
        "1:2",
        r#"parse "1:2": first path segment in URL cannot contain colon"#
    )]
    fn refusals_are_worded_as_go_does(#[case] raw: &str, #[case] error: &str) {
        assert_eq!(parse(raw), Err(error.to_owned()));
    }

    #[rstest]
    #[case("HTTPS://example.com/x", "https", false, "", "")]
    #[case("https://u:p@example.com?a=b#c", "https", true, "a=b", "c")]
    #[case("https://[::1]:8443/", "https", false, "", "")]
    #[case("mailto:x", "mailto", false, "", "")]
    #[case("example.com", "", false, "", "")]
    fn parts_are_found(
        #[case] raw: &str,
        #[case] scheme: &str,
        #[case] has_user: bool,
        #[case] query: &str,
        #[case] fragment: &str,
    ) {
        let expected = Url {
            scheme: scheme.into(),
            has_user,
            raw_query: query.into(),
            fragment: fragment.into(),
        };
        assert_eq!(parse(raw), Ok(expected));
    }
}
