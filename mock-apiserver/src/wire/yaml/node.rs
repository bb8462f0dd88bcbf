//! A YAML document as a tree, with the lines that things stand on.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::Fault;

/// What a document consists of.
#[derive(Debug)]
pub struct Node {
    /// Where it begins, from one.
    pub line: usize,
    /// By what aliases mean it; 0: by nothing.
    pub(super) anchor: usize,
    /// In its short form, `!!int`; empty: none.
    pub(super) tag: String,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Debug)]
pub enum Content {
    /// A word.
    Scalar {
        /// As written, without quotes and escapes.
        text: String,
        /// Without quotes, so that it may be something else than a string.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the text.
    Mapping(Vec<(Node, Node)>),
    /// Another node once more, by its anchor.
    Alias(usize),
}

type Events<'e, 't> = &'e mut dyn Iterator<Item = Result<(Event<'t>, Span), ScanError>>;

/// The documents of a text, as far as they are read.
pub fn documents(text: &str) -> impl Iterator<Item = Result<Node, Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut events =
        Parser::new_from_str(text).filter(|event| !matches!(event, Ok((Event::Comment(..), _))));
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let document = document(&mut events).transpose();
        ended = !matches!(document, Some(Ok(_)));
        document
    })
}

/// The next document; nothing at the end of the text.
fn document(events: Events<'_, '_>) -> Result<Option<Node>, Fault> {
    loop {
        let Some((event, span)) = next(events)? else {
            return Ok(None);
        };
        match event {
            Event::DocumentStart(_, version) => {
                if version.is_some_and(|version| (version.major, version.minor) != (1, 1)) {
                    return Err(Fault::new(span, "found incompatible YAML document"));
                }
            }
            Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => return Ok(None),
            event => return node(event, span, events).map(Some),
        }
    }
}

fn next<'t>(events: Events<'_, 't>) -> Result<Option<(Event<'t>, Span)>, Fault> {
    events.next().transpose().map_err(|error| Fault {
        line: Some(error.marker().line()),
        text: error.info(),
    })
}

fn node<'t>(event: Event<'t>, span: Span, events: Events<'_, 't>) -> Result<Node, Fault> {
    let line = span.start.line();
    let (anchor, tag, content) = match event {
        Event::Scalar(text, style, anchor, tag) => {
            let plain = style == ScalarStyle::Plain;
            let text = text.into_owned();
            (anchor, tag, Content::Scalar { text, plain })
        }
        Event::SequenceStart(_, anchor, tag) => (anchor, tag, sequence(events)?),
        Event::MappingStart(_, anchor, tag) => (anchor, tag, mapping(events)?),
        Event::Alias(anchor) => (0, None, Content::Alias(anchor)),
        _ => return Err(Fault::new(span, "did not find expected node content")),
    };
    Ok(Node {
        line,
        anchor,
        tag: tag.as_deref().map(short).unwrap_or_default(),
        content,
    })
}

fn sequence(events: Events<'_, '_>) -> Result<Content, Fault> {
    let mut items = Vec::new();
    while let Some((event, span)) = next(events)? {
        if matches!(event, Event::SequenceEnd) {
            break;
        }
        items.push(node(event, span, events)?);
    }
    Ok(Content::Sequence(items))
}

fn mapping(events: Events<'_, '_>) -> Result<Content, Fault> {
    let mut members = Vec::new();
    while let Some((event, span)) = next(events)? {
        if matches!(event, Event::MappingEnd) {
            break;
        }
        let key = node(event, span, events)?;
        let Some((event, span)) = next(events)? else {
            break;
        };
        members.push((key, node(event, span, events)?));
    }
    Ok(Content::Mapping(members))
}

/// `shortTag`.
fn short(tag: &Tag) -> String {
    let (handle, suffix) = (tag.handle(), tag.suffix());
    match handle {
        "tag:yaml.org,2002:" => format!("!!{suffix}"),
        handle => format!("{handle}{suffix}"),
    }
}
