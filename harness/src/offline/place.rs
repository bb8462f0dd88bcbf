//! Where a field stands in a YAML text, for messages that name it by its path.

use granit_parser::{Event, Parser, Span};

/// The fields of a text, by their paths, and their lines.
pub struct Places(Vec<(String, usize)>);

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
            .filter(|(place, _)| is_above(place, path))
            .max_by_key(|(place, _)| place.len())
            .map(|(_, line)| *line)
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
    places: &mut Vec<(String, usize)>,
) {
    if !path.is_empty() {
        places.push((path.to_owned(), span.start.line()));
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
                places.push((child.clone(), at.start.line()));
                let Some((value, at)) = events.next() else {
                    return;
                };
                // What the key's line says counts, not where its value begins.
                let mut within = Vec::new();
                node(&value, at, events, &child, &mut within);
                places.extend(within.into_iter().filter(|(place, _)| *place != child));
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

    #[test]
    fn what_is_no_yaml_has_none() {
        assert_eq!(Places::of("a: [").line("b"), None);
        assert_eq!(Places::of("").line("jwt"), None);
    }
}
