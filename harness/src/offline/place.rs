//! Where a field stands in a YAML text, for messages that name it by its path.

use granit_parser::{Event, Parser, ScalarStyle, Span};

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
    /// Those of a text, as far as it is YAML.
    pub fn of(text: &str) -> Self {
        let mut places = Vec::new();
        let mut events = Parser::new_from_str(text)
            .map_while(Result::ok)
            .filter(|(event, _)| !matches!(event, Event::Comment(..)));
        while let Some((event, span)) = events.next() {
            node(&event, span, &mut events, "", &mut places);
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
fn kind_of(event: &Event<'_>) -> &'static str {
    match event {
        Event::MappingStart(..) => "object",
        Event::SequenceStart(..) => "array",
        Event::Scalar(text, ScalarStyle::Plain, ..) => match text.as_ref() {
            "" | "~" | "null" | "Null" | "NULL" => "null",
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "bool",
            other if other.parse::<f64>().is_ok() => "number",
            _ => "string",
        },
        _ => "string",
    }
}

/// Whether `place` is `path` or something that it is in.
fn is_above(place: &str, path: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Notes where everything in a node stands, and reads to its end.
fn node<'t>(
    event: &Event<'t>,
    span: Span,
    events: &mut impl Iterator<Item = (Event<'t>, Span)>,
    path: &str,
    places: &mut Vec<Place>,
) {
    if !path.is_empty() {
        places.push(Place {
            path: path.to_owned(),
            line: span.start.line(),
            kind: kind_of(event),
        });
    }
    match event {
        Event::MappingStart(..) => {
            while let Some((key, at)) = events.next() {
                let name = match &key {
                    Event::MappingEnd => return,
                    Event::Scalar(name, ..) => name.as_ref(),
                    _ => "",
                };
                let child = if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}.{name}")
                };
                // A key that is a node itself is read over.
                node(&key, at, events, "", &mut Vec::new());
                let line = at.start.line();
                let Some((value, at)) = events.next() else {
                    return;
                };
                let first = places.len();
                node(&value, at, events, &child, places);
                // The key's line counts, not where its value begins.
                if let Some(place) = places.get_mut(first) {
                    place.line = line;
                }
            }
        }
        Event::SequenceStart(..) => {
            let mut index = 0;
            while let Some((item, at)) = events.next() {
                if matches!(item, Event::SequenceEnd) {
                    return;
                }
                node(&item, at, events, &format!("{path}[{index}]"), places);
                index += 1;
            }
        }
        _ => {}
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
