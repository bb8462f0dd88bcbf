//! YAML as Kubernetes reads it (`sigs.k8s.io/yaml`, which is go-yaml 2 and its
//! YAML 1.1), into JSON values, and written from them.

mod node;
mod scalar;

use std::collections::{HashMap, HashSet};
use std::fmt;

use granit_parser::Span;
use serde_json::{Map, Value};

pub use node::{Content, Node, documents};

/// Why a text is no YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from one, where there is one to name.
    pub line: Option<usize>,
    /// What is wrong.
    pub text: String,
}

impl Fault {
    fn new(span: Span, text: &str) -> Self {
        Self {
            line: Some(span.start.line()),
            text: text.to_owned(),
        }
    }

    fn nowhere(text: impl Into<String>) -> Self {
        Self {
            line: None,
            text: text.into(),
        }
    }
}

/// As go-yaml prints it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            // It is encoding/json that says so.
            None if self.text.starts_with("json: ") => f.write_str(&self.text),
            None => write!(f, "yaml: {}", self.text),
            Some(line) => write!(f, "yaml: line {line}: {}", self.text),
        }
    }
}

/// What a document says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// As JSON, with sorted keys; of keys that come twice the last one.
    pub value: Value,
    /// Keys that come twice, as go-yaml's strict reading tells of them:
    /// `line 4: key "kind" already set in map`.
    pub repeated: Vec<String>,
}

impl Read {
    /// go-yaml's one error for all keys that come twice.
    pub fn strict_error(&self) -> Option<String> {
        let lines = self.repeated.join("\n  ");
        (!lines.is_empty()).then(|| format!("yaml: unmarshal errors:\n  {lines}"))
    }
}

/// Reads the first document, as Kubernetes does: what comes after it is not
/// looked at. A text without a document is `null`.
///
/// # Errors
/// [`Fault`]; aliases are followed as far as go-yaml does, so that an alias bomb
/// is an error and not memory.
pub fn read(text: &str) -> Result<Read, Fault> {
    match documents(text).next() {
        Some(document) => convert(&document?),
        None => Ok(Read::default()),
    }
}

/// A document as JSON.
///
/// # Errors
/// [`Fault`].
pub fn convert(document: &Node) -> Result<Read, Fault> {
    let mut converter = Converter::default();
    converter.anchor(document);
    let mut value = converter.node(document)?;
    value.sort_all_objects();
    Ok(Read {
        value,
        repeated: converter.repeated,
    })
}

/// go-yaml's `decoder`, into no type of its own.
#[derive(Default)]
struct Converter<'n> {
    anchors: HashMap<usize, &'n Node>,
    /// The anchors whose value is being read, by an alias.
    followed: HashSet<usize>,
    read: u32,
    read_again: u32,
    repeated: Vec<String>,
}

impl<'n> Converter<'n> {
    fn anchor(&mut self, node: &'n Node) {
        if node.anchor != 0 {
            self.anchors.insert(node.anchor, node);
        }
        match &node.content {
            Content::Sequence(items) => items.iter().for_each(|item| self.anchor(item)),
            Content::Mapping(members) => {
                for (key, value) in members {
                    self.anchor(key);
                    self.anchor(value);
                }
            }
            Content::Scalar { .. } | Content::Alias(_) => {}
        }
    }

    fn node(&mut self, node: &'n Node) -> Result<Value, Fault> {
        self.read += 1;
        if !self.followed.is_empty() {
            self.read_again += 1;
        }
        let share = f64::from(self.read_again) / f64::from(self.read);
        if self.read_again > 100 && self.read > 1000 && share > allowed_alias_ratio(self.read) {
            return Err(Fault::nowhere("document contains excessive aliasing"));
        }
        match &node.content {
            Content::Scalar { text, plain } => {
                scalar::value(&node.tag, text, *plain).map_err(Fault::nowhere)
            }
            Content::Sequence(items) => items.iter().map(|item| self.node(item)).collect(),
            Content::Mapping(members) => {
                let mut map = Map::new();
                self.mapping(members, &mut map)?;
                Ok(Value::Object(map))
            }
            Content::Alias(anchor) => self.alias(*anchor, Self::node),
        }
    }

    fn alias<T>(
        &mut self,
        anchor: usize,
        read: impl FnOnce(&mut Self, &'n Node) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Some(node) = self.anchors.get(&anchor).copied() else {
            return Err(Fault::nowhere("unknown anchor referenced"));
        };
        if !self.followed.insert(anchor) {
            return Err(Fault::nowhere("anchor value contains itself"));
        }
        let value = read(self, node);
        self.followed.remove(&anchor);
        value
    }

    fn mapping(
        &mut self,
        members: &'n [(Node, Node)],
        map: &mut Map<String, Value>,
    ) -> Result<(), Fault> {
        for (key, value) in members {
            if is_merge(key) {
                self.merge(value, map)?;
                continue;
            }
            let (name, printed) = self.key(key)?;
            let line = value.line;
            let value = self.node(value)?;
            if map.insert(name, value).is_some() {
                let told = format!("line {line}: key {printed} already set in map");
                self.repeated.push(told);
            }
        }
        Ok(())
    }

    /// A key as JSON has it, and as Go prints it.
    fn key(&mut self, key: &'n Node) -> Result<(String, String), Fault> {
        match &key.content {
            Content::Scalar { text, plain } => {
                scalar::key(&key.tag, text, *plain).map_err(Fault::nowhere)
            }
            Content::Alias(anchor) => self.alias(*anchor, Self::key),
            _ => Err(Fault::nowhere("invalid map key: it is a list or a map")),
        }
    }

    /// What stands behind `<<`: mappings, whose members are put into this one.
    fn merge(&mut self, from: &'n Node, map: &mut Map<String, Value>) -> Result<(), Fault> {
        match &from.content {
            Content::Mapping(members) => self.mapping(members, map),
            Content::Alias(anchor) => self.alias(*anchor, |this, node| match &node.content {
                Content::Mapping(members) => this.mapping(members, map),
                _ => Err(no_merge()),
            }),
            // The first one counts most.
            Content::Sequence(items) => items.iter().rev().try_for_each(|item| {
                if matches!(item.content, Content::Sequence(_)) {
                    return Err(no_merge());
                }
                self.merge(item, map)
            }),
            Content::Scalar { .. } => Err(no_merge()),
        }
    }
}

fn no_merge() -> Fault {
    Fault::nowhere("map merge requires map or sequence of maps as the value")
}

fn is_merge(key: &Node) -> bool {
    matches!(&key.content, Content::Scalar { text, plain } if text == "<<"
        && (*plain && key.tag.is_empty() || key.tag == "!!merge"))
}

/// Up to 400,000 nodes nearly all may come of aliases; of 4,000,000 a tenth.
fn allowed_alias_ratio(read: u32) -> f64 {
    const LOW: u32 = 400_000;
    const HIGH: u32 = 4_000_000;
    let above = f64::from(read.clamp(LOW, HIGH) - LOW) / f64::from(HIGH - LOW);
    0.99 - 0.89 * above
}

/// Reads one YAML document of a request's body.
///
/// # Errors
/// A text as Kubernetes words it.
pub fn decode(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("error converting YAML to JSON: yaml: {e}"))?;
    read(text)
        .map(|read| read.value)
        .map_err(|fault| format!("error converting YAML to JSON: {fault}"))
}

/// Writes `value` with its keys sorted, as Kubernetes does.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    // A JSON value has nothing that YAML cannot spell.
    serde_saphyr::to_string(&sorted)
        .unwrap_or_default()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_survives_the_way_there_and_back() {
        let object = json!({"kind": "A", "n": 1, "list": ["x", {"y": "true"}], "empty": {}, "no": null, "text": "a: b\n"});
        assert_eq!(decode(&encode(&object)), Ok(object));
    }

    #[test]
    fn an_alias_bomb_is_an_error() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let previous = level - 1;
            let refs = vec![format!("*a{previous}"); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert!(decode(bomb.as_bytes()).is_err());
    }
}
