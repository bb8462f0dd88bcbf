//! How two issuer URLs differ that have to be equal byte for byte.

use url::Url;

/// The end of a sentence such as "… differs: it has a slash at its end".
/// Nothing where they are equal. `got` is "it".
pub fn difference(expected: &str, got: &str) -> Option<String> {
    if expected == got {
        return None;
    }
    Some(how(expected, got))
}

fn how(expected: &str, got: &str) -> String {
    if got.trim() == expected.trim() {
        return "one of them has white space around it".to_owned();
    }
    if got.strip_suffix('/') == Some(expected) {
        return "it has a slash at its end".to_owned();
    }
    if expected.strip_suffix('/') == Some(got) {
        return "it has no slash at its end".to_owned();
    }
    if got.eq_ignore_ascii_case(expected) {
        return "it has other capital letters".to_owned();
    }
    let (Ok(a), Ok(b)) = (Url::parse(expected), Url::parse(got)) else {
        return "it is no URL".to_owned();
    };
    let port = |url: &Url| url.port_or_known_default().unwrap_or_default().to_string();
    let host = |url: &Url| url.host_str().unwrap_or_default().to_owned();
    let parts = [
        ("scheme", a.scheme().to_owned(), b.scheme().to_owned()),
        ("host", host(&a), host(&b)),
        ("port", port(&a), port(&b)),
        ("path", a.path().to_owned(), b.path().to_owned()),
    ];
    let differing: Vec<String> = parts
        .into_iter()
        .filter(|(_, a, b)| a != b)
        .map(|(part, a, b)| format!("its {part} is {b}, not {a}"))
        .collect();
    if differing.is_empty() {
        "it is spelt in another way".to_owned()
    } else {
        differing.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://a/p/", "it has a slash at its end")]
    #[case("https://a/P", "it has other capital letters")]
    #[case("https://b/p", "its host is b, not a")]
    #[case(
        "http://a:1/p",
        "its scheme is http, not https, its port is 1, not 443"
    )]
    #[case("https://a/q", "its path is /q, not /p")]
    #[case("https://a:443/p", "it is spelt in another way")]
    #[case(" https://a/p", "one of them has white space around it")]
    #[case("a", "it is no URL")]
    fn the_difference_is_named(#[case] got: &str, #[case] how: &str) {
        assert_eq!(difference("https://a/p", got).as_deref(), Some(how));
    }

    #[test]
    fn equal_is_no_difference() {
        assert_eq!(difference("https://a", "https://a"), None);
        assert_eq!(
            difference("https://a/p/", "https://a/p").as_deref(),
            Some("it has no slash at its end")
        );
    }
}
