//! The document of version 2 in protobuf, by the messages of
//! `gnostic-models/openapiv2/OpenAPIv2.proto`, as far as it has the fields.

use serde_json::Value;

use crate::wire::protobuf::{put_bytes, put_varint_field};

/// A message as it is written, field by field. What is absent is left out.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn text(&mut self, number: u64, value: &Value) {
        if let Some(text) = value.as_str() {
            put_bytes(&mut self.0, number, text.as_bytes());
        }
    }

    fn texts(&mut self, number: u64, values: &Value) {
        for value in values.as_array().into_iter().flatten() {
            self.text(number, value);
        }
    }

    fn flag(&mut self, number: u64, value: &Value) {
        if value == true {
            put_varint_field(&mut self.0, number, 1);
        }
    }

    fn message(&mut self, number: u64, message: &Self) {
        put_bytes(&mut self.0, number, &message.0);
    }

    /// The members of a map, each in a message of its name and its value.
    fn members(&mut self, number: u64, map: &Value, each: fn(&Value) -> Self) {
        for (name, value) in map.as_object().into_iter().flatten() {
            self.named(number, name, &each(value));
        }
    }

    fn named(&mut self, number: u64, name: &str, value: &Self) {
        let mut named = Self::default();
        put_bytes(&mut named.0, 1, name.as_bytes());
        named.message(2, value);
        self.message(number, &named);
    }

    /// Extensions are YAML, of which JSON is some.
    fn extensions(&mut self, number: u64, of: &Value) {
        for (name, value) in of.as_object().into_iter().flatten() {
            if name.starts_with("x-") {
                let mut any = Self::default();
                put_bytes(&mut any.0, 2, value.to_string().as_bytes());
                self.named(number, name, &any);
            }
        }
    }
}

/// `value` as the field `number` of a message that has no other.
fn wrapped(number: u64, value: &Message) -> Message {
    let mut out = Message::default();
    out.message(number, value);
    out
}

/// `Document`.
pub fn document(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, &document["swagger"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(2, &document["info"]["version"]);
    out.message(2, &info);
    let mut paths = Message::default();
    paths.members(2, &document["paths"], path_item);
    out.message(8, &paths);
    let mut definitions = Message::default();
    definitions.members(1, &document["definitions"], schema);
    out.message(9, &definitions);
    out.0
}

fn path_item(item: &Value) -> Message {
    let mut out = Message::default();
    for (number, method) in (2..).zip(["get", "put", "post", "delete", "options", "head", "patch"])
    {
        if let Some(found) = item.get(method) {
            out.message(number, &operation(found));
        }
    }
    parameters(&mut out, 9, &item["parameters"]);
    out
}

fn operation(operation: &Value) -> Message {
    let mut out = Message::default();
    out.texts(1, &operation["tags"]);
    out.text(3, &operation["description"]);
    out.text(5, &operation["operationId"]);
    out.texts(6, &operation["produces"]);
    out.texts(7, &operation["consumes"]);
    parameters(&mut out, 8, &operation["parameters"]);
    let mut responses = Message::default();
    responses.members(1, &operation["responses"], response);
    out.message(9, &responses);
    out.texts(10, &operation["schemes"]);
    out.extensions(13, operation);
    out
}

fn response(response: &Value) -> Message {
    let mut out = Message::default();
    out.text(1, &response["description"]);
    if let Some(found) = response.get("schema") {
        out.message(2, &wrapped(1, &schema(found)));
    }
    wrapped(1, &out)
}

fn parameters(out: &mut Message, number: u64, parameters: &Value) {
    for parameter in parameters.as_array().into_iter().flatten() {
        let parameter = match parameter["in"].as_str() {
            Some("body") => wrapped(1, &body(parameter)),
            Some("query") => wrapped(2, &wrapped(3, &query(parameter))),
            _ => wrapped(2, &wrapped(4, &path(parameter))),
        };
        out.message(number, &wrapped(1, &parameter));
    }
}

fn body(parameter: &Value) -> Message {
    let mut out = Message::default();
    out.text(1, &parameter["description"]);
    out.text(2, &parameter["name"]);
    out.text(3, &parameter["in"]);
    out.flag(4, &parameter["required"]);
    out.message(5, &schema(&parameter["schema"]));
    out
}

fn query(parameter: &Value) -> Message {
    let mut out = path_or_query(parameter);
    out.text(6, &parameter["type"]);
    out.flag(20, &parameter["uniqueItems"]);
    out
}

fn path(parameter: &Value) -> Message {
    let mut out = path_or_query(parameter);
    out.text(5, &parameter["type"]);
    out.flag(19, &parameter["uniqueItems"]);
    out
}

fn path_or_query(parameter: &Value) -> Message {
    let mut out = Message::default();
    out.flag(1, &parameter["required"]);
    out.text(2, &parameter["in"]);
    out.text(3, &parameter["description"]);
    out.text(4, &parameter["name"]);
    out
}

fn schema(of: &Value) -> Message {
    let mut out = Message::default();
    out.text(1, &of["$ref"]);
    out.text(2, &of["format"]);
    out.text(4, &of["description"]);
    out.texts(19, &of["required"]);
    match &of["additionalProperties"] {
        Value::Null => {}
        Value::Bool(flag) => {
            let mut any = Message::default();
            put_varint_field(&mut any.0, 2, u64::from(*flag));
            out.message(21, &any);
        }
        values => out.message(21, &wrapped(1, &schema(values))),
    }
    if of["type"].is_string() {
        let mut kind = Message::default();
        kind.text(1, &of["type"]);
        out.message(22, &kind);
    }
    if let Some(items) = of.get("items") {
        out.message(23, &wrapped(1, &schema(items)));
    }
    if let Some(properties) = of.get("properties") {
        let mut all = Message::default();
        all.members(1, properties, schema);
        out.message(25, &all);
    }
    out.extensions(31, of);
    out
}
