//! Names, labels and annotations: which are valid, and what Kubernetes says
//! about those that are not (apimachinery, `pkg/api/validate/content`).

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::wire::{Cause, Fault};

const LABEL_FMT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED_FMT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
/// All keys and values of the annotations together may have this many bytes.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// How the names of a kind's objects are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// A DNS-1123 subdomain: most kinds.
    Subdomain,
    /// A DNS-1123 label: namespaces.
    Label,
    /// A DNS-1035 label: services.
    Dns1035,
    /// Anything that can stand in a path: the RBAC kinds.
    PathSegment,
}

impl NameRule {
    /// What is wrong with `name`; nothing for a valid one.
    pub fn faults(self, name: &str) -> Vec<String> {
        match self {
            Self::Subdomain => subdomain(name),
            Self::Label => label(name),
            Self::Dns1035 => dns1035(name),
            Self::PathSegment => path_segment(name),
        }
    }

    /// What is wrong with `prefix` as a `generateName`. The trailing dash is
    /// allowed, since more follows.
    pub fn prefix_faults(self, prefix: &str) -> Vec<String> {
        if self == Self::PathSegment {
            return path_segment_content(prefix);
        }
        let masked = match prefix.strip_suffix('-') {
            Some(rest) if !rest.is_empty() => format!("{rest}a"),
            _ => prefix.to_owned(),
        };
        self.faults(&masked)
    }
}

/// A DNS-1123 subdomain.
pub fn subdomain(name: &str) -> Vec<String> {
    subdomain_in(name, "characters")
}

fn subdomain_in(name: &str, unit: &str) -> Vec<String> {
    let mut faults = too_long(name, 253, unit);
    if !name.split('.').all(is_label) {
        faults.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{LABEL_FMT}(\\.{LABEL_FMT})*')"
        ));
    }
    faults
}

/// A DNS-1123 label.
pub fn label(name: &str) -> Vec<String> {
    let mut faults = too_long(name, 63, "characters");
    if !is_label(name) {
        if name.split('.').all(is_label) {
            faults.push("must not contain dots".to_owned());
        } else {
            faults.push(format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL_FMT}')"
            ));
        }
    }
    faults
}

fn dns1035(name: &str) -> Vec<String> {
    let mut faults = too_long(name, 63, "characters");
    if !(is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase())) {
        faults.push("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".to_owned());
    }
    faults
}

/// What can stand in a path.
pub fn path_segment(name: &str) -> Vec<String> {
    if matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    path_segment_content(name)
}

fn path_segment_content(name: &str) -> Vec<String> {
    ["/", "%"]
        .iter()
        .filter(|illegal| name.contains(*illegal))
        .map(|illegal| format!("may not contain '{illegal}'"))
        .collect()
}

/// Bytes are counted; they are called characters where the older of
/// Kubernetes' two packages does it (`util/validation`).
fn too_long(text: &str, limit: usize, unit: &str) -> Vec<String> {
    if text.len() > limit {
        vec![format!("must be no more than {limit} {unit}")]
    } else {
        Vec::new()
    }
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_qualified(text: &str) -> bool {
    let outer = |c: char| c.is_ascii_alphanumeric();
    !text.is_empty()
        && text.starts_with(outer)
        && text.ends_with(outer)
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// What is wrong with a label's (or an annotation's) key.
pub fn label_key(key: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut parts = key.split('/');
    let (first, second, more) = (
        parts.next().unwrap_or_default(),
        parts.next(),
        parts.next().is_some(),
    );
    let name = match (second, more) {
        (None, _) => first,
        (Some(name), false) => {
            if first.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else {
                faults.extend(
                    subdomain_in(first, "bytes")
                        .into_iter()
                        .map(|f| format!("prefix part {f}")),
                );
            }
            name
        }
        (Some(_), true) => {
            return vec![format!(
                "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED_FMT}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        faults.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_qualified(name) {
        faults.push(format!(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED_FMT}')"
        ));
    }
    faults
}

/// What is wrong with a label's value.
pub fn label_value(value: &str) -> Vec<String> {
    let mut faults = too_long(value, 63, "bytes");
    if !(value.is_empty() || is_qualified(value)) {
        faults.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '({QUALIFIED_FMT})?')"
        ));
    }
    faults
}

/// What is wrong with an IP address.
pub fn address_fault(text: &str) -> Option<&'static str> {
    match text.parse::<IpAddr>() {
        Ok(address) if is_mapped(address) => Some("must not be an IPv4-mapped IPv6 address"),
        Ok(_) => None,
        Err(_) if without_zeros(text).parse::<IpAddr>().is_ok() => Some("must not have leading 0s"),
        Err(_) => Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    }
}

/// What is wrong with a range of addresses, such as `10.0.0.0/24`.
pub fn range_fault(text: &str) -> Option<&'static str> {
    const MALFORMED: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    let Some((address, length)) = text.split_once('/') else {
        return Some(MALFORMED);
    };
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    let (Ok(parsed), Ok(bits)) = (
        without_zeros(address).parse::<IpAddr>(),
        length.parse::<u32>(),
    ) else {
        return Some(MALFORMED);
    };
    if !digits || bits > width(parsed) {
        return Some(MALFORMED);
    }
    if address.parse::<IpAddr>().is_err() || (length.len() > 1 && length.starts_with('0')) {
        return Some("must not have leading 0s in IP or prefix length");
    }
    if is_mapped(parsed) {
        return Some("must not have an IPv4-mapped IPv6 address");
    }
    has_bits_beyond(parsed, bits).then_some("must not have bits set beyond the prefix length")
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

const fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn has_bits_beyond(address: IpAddr, length: u32) -> bool {
    let bits = match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let beyond = width(address) - length;
    bits.trailing_zeros() < beyond && bits != 0
}

/// An IPv4 address as Kubernetes used to read it, zeros in front skipped.
fn without_zeros(address: &str) -> String {
    if address.contains(':') {
        return address.to_owned();
    }
    let parts = address.split('.').map(|part| {
        let digits = part.trim_start_matches('0');
        if digits.is_empty() && !part.is_empty() {
            "0"
        } else {
            digits
        }
    });
    parts.collect::<Vec<_>>().join(".")
}

/// The faults of a map of labels that stands at `path`.
pub fn labels(labels: &Map<String, Value>, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in labels {
        for fault in label_key(key) {
            causes.push(Cause::new(
                path,
                Fault::Invalid,
                Some(&Value::from(key.as_str())),
                &fault,
            ));
        }
        for fault in label_value(value.as_str().unwrap_or_default()) {
            causes.push(Cause::new(path, Fault::Invalid, Some(value), &fault));
        }
    }
    causes
}

/// The faults of a map of annotations that stands at `path`.
pub fn annotations(annotations: &Map<String, Value>, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.as_str().map_or(0, str::len);
        for fault in label_key(&key.to_lowercase()) {
            causes.push(Cause::new(
                path,
                Fault::Invalid,
                Some(&Value::from(key.as_str())),
                &fault,
            ));
        }
    }
    if size > ANNOTATIONS_LIMIT {
        causes.push(Cause {
            reason: "FieldValueTooLong".to_owned(),
            message: format!("Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"),
            field: path.to_owned(),
        });
    }
    causes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(NameRule::Subdomain, "a.b-c", true)]
    #[case(NameRule::Subdomain, "A", false)]
    #[case(NameRule::Subdomain, "a..b", false)]
    #[case(NameRule::Subdomain, "-a", false)]
    #[case(NameRule::Label, "a.b", false)]
    #[case(NameRule::Label, "1a", true)]
    #[case(NameRule::Dns1035, "1a", false)]
    #[case(NameRule::PathSegment, "oidc:Admins x", true)]
    #[case(NameRule::PathSegment, "a/b", false)]
    #[case(NameRule::PathSegment, "..", false)]
    fn each_rule_accepts_its_names(
        #[case] rule: NameRule,
        #[case] name: &str,
        #[case] valid: bool,
    ) {
        assert_eq!(rule.faults(name).is_empty(), valid);
    }

    #[test]
    fn a_generate_name_may_end_in_a_dash() {
        assert!(NameRule::Subdomain.prefix_faults("web-").is_empty());
        assert!(!NameRule::Subdomain.prefix_faults("web-?").is_empty());
        assert!(!NameRule::Subdomain.prefix_faults("-").is_empty());
    }

    #[test]
    fn a_name_with_capitals_gets_kubernetes_sentence() {
        assert_eq!(
            label("Dev"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(label("a.b"), ["must not contain dots"]);
        assert_eq!(
            label(&"a".repeat(64)),
            ["must be no more than 63 characters"]
        );
        assert_eq!(
            label_key(&format!("{}/a", "a".repeat(254))),
            ["prefix part must be no more than 253 bytes"]
        );
        assert_eq!(
            label_value(&"a".repeat(64)),
            ["must be no more than 63 bytes"]
        );
    }

    #[rstest]
    #[case("app", true)]
    #[case("example.com/App_1", true)]
    #[case("/app", false)]
    #[case("a/b/c", false)]
    #[case("", false)]
    #[case("example.com/", false)]
    fn label_keys_have_an_optional_prefix(#[case] key: &str, #[case] valid: bool) {
        assert_eq!(label_key(key).is_empty(), valid);
    }

    #[rstest]
    #[case("10.96.0.5", None)]
    #[case("::1", None)]
    #[case("010.1.1.1", Some("must not have leading 0s"))]
    #[case("::ffff:1.2.3.4", Some("must not be an IPv4-mapped IPv6 address"))]
    #[case(
        "10.0.0.300",
        Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    )]
    #[case(
        "1.2.3.4/24",
        Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    )]
    #[case(
        "1..2.3",
        Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    )]
    fn an_address_is_looked_at(#[case] text: &str, #[case] fault: Option<&str>) {
        assert_eq!(address_fault(text), fault);
    }

    #[rstest]
    #[case("10.0.0.0/24", None)]
    #[case("0.0.0.0/0", None)]
    #[case("fd00::/64", None)]
    #[case("10.0.0.5/24", Some("must not have bits set beyond the prefix length"))]
    #[case(
        "10.00.0.0/24",
        Some("must not have leading 0s in IP or prefix length")
    )]
    #[case("10.0.0.0/08", Some("must not have leading 0s in IP or prefix length"))]
    #[case(
        "::ffff:1.2.3.0/120",
        Some("must not have an IPv4-mapped IPv6 address")
    )]
    #[case(
        "10.0.0.0/33",
        Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    )]
    #[case(
        "10.0.0.0/+8",
        Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    )]
    #[case(
        "10.0.0.0",
        Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    )]
    #[case(
        "x",
        Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    )]
    fn a_range_is_looked_at(#[case] text: &str, #[case] fault: Option<&str>) {
        assert_eq!(range_fault(text), fault);
    }
}
