//! Names, labels and annotations: which are valid, and what Kubernetes says
//! about those that are not (apimachinery, `pkg/api/validate/content` and
//! `pkg/util/validation`).

use crate::version::Version;

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

/// What is wrong with a name as a DNS-1035 label.
pub fn dns1035(name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if name.len() > 63 {
        faults.push("must be no more than 63 characters".into());
    }
    if !(is_dns_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase())) {
        faults.push("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".into());
    }
    faults
}

/// What is wrong with a name that is to stand in a path.
pub fn path_segment(name: &str) -> Vec<String> {
    if matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    path_segment_content(name)
}

fn path_segment_content(name: &str) -> Vec<String> {
    let contained = ["/", "%"].into_iter().filter(|c| name.contains(c));
    contained
        .map(|c| format!("may not contain '{c}'"))
        .collect()
}

const LABEL_REGEX: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const DNS_LABEL_REGEX: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/// What is wrong with the key of a label or an annotation, or with a finalizer.
pub fn label_key(version: Version, key: &str) -> Vec<String> {
    let unit = version.label_unit();
    let shape = format!(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
         an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
         validation is '{LABEL_REGEX}')"
    );
    let (prefix, name) = match key.split('/').collect::<Vec<_>>().as_slice() {
        [name] => (None, *name),
        [prefix, name] => (Some(*prefix), *name),
        _ => {
            let rest = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            let what = version.label_key();
            return vec![format!("{what} {shape}{rest}")];
        }
    };
    let mut faults: Vec<String> = match prefix {
        None => Vec::new(),
        Some("") => vec!["prefix part must be non-empty".into()],
        Some(prefix) => subdomain_in(prefix, unit)
            .iter()
            .map(|f| format!("prefix part {f}"))
            .collect(),
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        faults.push(format!("name part must be no more than 63 {unit}"));
    }
    if !is_label_name(name) {
        faults.push(format!("name part {shape}"));
    }
    faults
}

/// What is wrong with a label's value.
pub fn label_value(version: Version, value: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if value.len() > 63 {
        let unit = version.label_unit();
        faults.push(format!("must be no more than 63 {unit}"));
    }
    if !value.is_empty() && !is_label_name(value) {
        faults.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', \
             '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  \
             or 'my_value',  or '12345', regex used for validation is '({LABEL_REGEX})?')"
        ));
    }
    faults
}

fn is_label_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter()
        .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// What is wrong with a name as a DNS-1123 subdomain.
pub fn subdomain(name: &str) -> Vec<String> {
    subdomain_in(name, "characters")
}

/// The same fault is worded by two copies of the rule, one counting bytes.
fn subdomain_in(name: &str, unit: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if name.len() > 253 {
        faults.push(format!("must be no more than 253 {unit}"));
    }
    if !is_dns_subdomain(name) {
        faults.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character (e.g. \
             'example.com', regex used for validation is \
             '{DNS_LABEL_REGEX}(\\.{DNS_LABEL_REGEX})*')"
        ));
    }
    faults
}

/// What is wrong with a name as a DNS-1123 label.
pub fn label(name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if name.len() > 63 {
        faults.push("must be no more than 63 characters".into());
    }
    if !is_dns_label(name) {
        faults.push(if is_dns_subdomain(name) {
            "must not contain dots".into()
        } else {
            format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
                 or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  \
                 or '123-abc', regex used for validation is '{DNS_LABEL_REGEX}')"
            )
        });
    }
    faults
}

fn is_dns_subdomain(name: &str) -> bool {
    name.split('.').all(is_dns_label)
}

/// By shape; the length is checked apart.
fn is_dns_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(alphanumeric))
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const V: Version = Version::V1_37;

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
            label_key(V, &format!("{}/a", "a".repeat(254))),
            ["prefix part must be no more than 253 bytes"]
        );
        assert_eq!(
            label_value(V, &"a".repeat(64)),
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
        assert_eq!(label_key(V, key).is_empty(), valid);
    }
}
