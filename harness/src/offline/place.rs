//! Where a field stands in a YAML text, for messages that name it by its path.

use mock_apiserver::wire::json;
use mock_apiserver::wire::yaml::{self, Content, Node, documents};

/// The fields of a text, in its order.
pub struct Places(Vec<Place>);

struct Place {
    /// As Kubernetes writes it: `jwt[0].issuer.url`.
    path: String,
    line: usize,
    /// What stands there, in the words of Go's JSON decoder.
    kind: &'static str,
}

impl Places {
    /// Those of a text's first document, if it is YAML.
    pub fn of(text: &str) -> Self {
        let mut places = Vec::new();
        if let Some(Ok(document)) = documents(text).next() {
            note(&document, "", &mut places);
        }
        Self(places)
    }

    /// The line, from one, of the field `path` as Kubernetes writes it, such as
    /// `jwt[0].issuer.url`: of the nearest one above it where it is not there
    /// itself.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.0
            .iter()
            .filter(|place| is_above(&place.path, path))
            .max_by_key(|place| place.path.len())
            .map(|place| place.line)
    }

    /// The line of the first field `path` that has a `kind` of value, where the
    /// path tells no items of lists apart: `jwt.issuer.url`.
    pub fn line_of_kind(&self, path: &str, kind: &str) -> Option<usize> {
        let found = self
            .0
            .iter()
            .find(|place| place.kind == kind && without_indices(&place.path) == path);
        found.map(|place| place.line)
    }
}

fn without_indices(path: &str) -> String {
    let parts = path.split('[').enumerate().map(|(i, part)| match i {
        0 => part,
        _ => part.split_once(']').map_or("", |(_, rest)| rest),
    });
    parts.collect()
}

/// `json: cannot unmarshal KIND into …`.
fn kind_of(node: &Node) -> &'static str {
    match &node.content {
        Content::Mapping(_) => "object",
        Content::Sequence(_) => "array",
        Content::Alias(_) => "string",
        Content::Scalar { .. } => {
            yaml::convert(node).map_or("string", |read| json::kind(&read.value))
        }
    }
}

/// Whether `place` is `path` or something that it is in.
fn is_above(place: &str, path: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Notes where everything in a node stands.
fn note(node: &Node, path: &str, places: &mut Vec<Place>) {
    let mut below = |path: String, line: usize, node: &Node| {
        places.push(Place {
            kind: kind_of(node),
            line,
            path: path.clone(),
        });
        note(node, &path, places);
    };
    match &node.content {
        Content::Mapping(members) => {
            for (key, value) in members {
                let Content::Scalar { text: name, .. } = &key.content else {
                    continue;
                };
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                // The key's line counts, not where its value begins.
                below(path, key.line, value);
            }
        }
        Content::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                below(format!("{path}[{index}]"), item.line, item);
            }
        }
        Content::Scalar { .. } | Content::Alias(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TEXT: &str = "\
kind: AuthenticationConfiguration # a remark
jwt:
- issuer:
    url: https://x
    audiences:
    - one
    - two
  claimMappings: {username: {claim: sub,
    prefix: ''}}
- issuer: {url: http://y}
";

    #[rstest]
    #[case("kind", Some(1))]
    #[case("jwt", Some(2))]
    #[case("jwt[0]", Some(3))]
    #[case("jwt[0].issuer.url", Some(4))]
    #[case("jwt[0].issuer.audiences[1]", Some(7))]
    #[case("jwt[0].claimMappings.username.prefix", Some(9))]
    #[case::not_there_itself("jwt[1].claimMappings.username", Some(10))]
    #[case::no_prefix_of_a_name("jwt[0].issuer.urls", Some(3))]
    #[case("anonymous", None)]
    fn a_path_has_a_line(#[case] path: &str, #[case] line: Option<usize>) {
        assert_eq!(Places::of(TEXT).line(path), line);
    }

    #[rstest]
    #[case("jwt.issuer.url", "string", Some(4))]
    #[case("jwt.issuer.url", "number", None)]
    #[case("jwt.issuer.audiences", "array", Some(5))]
    #[case::an_item("jwt.issuer.audiences", "string", Some(6))]
    #[case("jwt.issuer", "object", Some(3))]
    #[case("jwt.claimMappings.username.prefix", "string", Some(9))]
    fn a_path_without_indices_has_one_by_what_is_there(
        #[case] path: &str,
        #[case] kind: &str,
        #[case] line: Option<usize>,
    ) {
        assert_eq!(Places::of(TEXT).line_of_kind(path, kind), line);
        let several = "a:\n- {b: x}\n- {b: 5}\n- {b: true}\n- {b: null}\n- {b: '5'}\n";
        for (kind, line) in [("string", 2), ("number", 3), ("bool", 4), ("null", 5)] {
            assert_eq!(Places::of(several).line_of_kind("a.b", kind), Some(line));
        }
    }

    #[test]
    fn what_is_no_yaml_has_none() {
        assert_eq!(Places::of("a: [").line("b"), None);
        assert_eq!(Places::of("").line("jwt"), None);
    }
}
