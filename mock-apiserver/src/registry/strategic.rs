//! Strategic merge patch, as apimachinery applies it
//! (`pkg/util/strategicpatch/patch.go`): lists merged by key, and the
//! directives `$patch`, `$retainKeys`, `$setElementOrder` and
//! `$deleteFromPrimitiveList`.
//!
//! That the outcome equals apimachinery's own is shown by the cases of
//! `corpus/patches.jsonl`.

use serde_json::{Map, Value};

use super::schema::{Node, Patch, Schema};
use crate::wire::quote;

const DIRECTIVE: &str = "$patch";
const DELETE: &str = "delete";
const REPLACE: &str = "replace";
const MERGE: &str = "merge";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_PRIMITIVES: &str = "$deleteFromPrimitiveList";
const ELEMENT_ORDER: &str = "$setElementOrder";

type Object = Map<String, Value>;

/// Why a patch could not be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The patch itself is malformed: 400.
    BadPatch(&'static str),
    /// It is well-formed and means nothing here: 422.
    Unprocessable(&'static str),
    /// Anything else: 500, as upstream.
    Other(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadPatch(text) | Self::Unprocessable(text) => f.write_str(text),
            Self::Other(text) => f.write_str(text),
        }
    }
}

const BAD_PRIMITIVE_LIST: Error = Error::BadPatch("invalid patch format of primitive list");
const BAD_RETAIN_KEYS: Error = Error::BadPatch("invalid patch format of retainKeys");
const BAD_ELEMENT_ORDER: Error = Error::BadPatch("invalid patch format of setElementOrder list");

/// Applies `patch` to `original`, both of the type `node`.
///
/// # Errors
/// In apimachinery's words.
pub fn apply(
    schema: &Schema,
    node: Node<'_>,
    original: Object,
    patch: Object,
) -> Result<Object, Error> {
    merge_map(schema, node, original, patch)
}

/// What a field is, and how it is patched.
struct Field<'a> {
    node: Node<'a>,
    patch: &'a Patch,
}

fn lookup<'a>(schema: &'a Schema, node: Node<'a>, key: &str) -> Result<Field<'a>, Error> {
    let Node::Struct(message) = node else {
        let kind = match node {
            Node::Map => "map",
            _ => "interface",
        };
        return Err(Error::Other(format!(
            "merging an object in json but data type is not struct, instead is: {kind}"
        )));
    };
    match schema.child(node, key) {
        Some((node, patch)) => Ok(Field { node, patch }),
        None => Err(Error::Other(format!(
            "unable to find api field in struct {} for the json field {}",
            message.short(),
            quote(key)
        ))),
    }
}

fn lookup_list<'a>(schema: &'a Schema, node: Node<'a>, key: &str) -> Result<Field<'a>, Error> {
    let field = lookup(schema, node, key)?;
    if schema.is_list(node, key) {
        Ok(field)
    } else {
        Err(Error::Other(
            "expected slice or array type, but got: struct".to_owned(),
        ))
    }
}

fn merge_map(
    schema: &Schema,
    node: Node<'_>,
    mut original: Object,
    mut patch: Object,
) -> Result<Object, Error> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some(REPLACE) => {
                patch.shift_remove(DIRECTIVE);
                Ok(patch)
            }
            Some(DELETE) => Ok(Object::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    merge_ordered_lists(schema, node, &mut original, &mut patch)?;
    for (key, value) in patch {
        let delete_list = key.starts_with(DELETE_PRIMITIVES);
        let key = if delete_list {
            directive_key(&key, DELETE_PRIMITIVES)
                .ok_or(BAD_PRIMITIVE_LIST)?
                .to_owned()
        } else {
            key
        };
        if value.is_null() {
            original.shift_remove(&key);
            continue;
        }
        let before = original.get_mut(&key).map(Value::take);
        let merged = match (before, value) {
            (Some(Value::Object(before)), Value::Object(value)) => {
                let field = lookup(schema, node, &key)?;
                Some(Value::Object(merge_map(schema, field.node, before, value)?))
            }
            (Some(Value::Array(before)), Value::Array(value)) => {
                let field = lookup_list(schema, node, &key)?;
                Some(Value::Array(merge_list(
                    schema,
                    &field,
                    before,
                    value,
                    delete_list,
                )?))
            }
            // Without a list of the same type there is nothing to delete from.
            (before, _) if delete_list && !same_type(before.as_ref(), &Value::Null) => before,
            (None, _) if delete_list => None,
            (before, mut value) => {
                if before.as_ref().is_none_or(|b| !same_type(Some(b), &value)) {
                    discard_nulls(&mut value);
                }
                without_directives(value)
            }
        };
        match merged {
            Some(value) => {
                original.insert(key, value);
            }
            None => {
                original.shift_remove(&key);
            }
        }
    }
    Ok(original)
}

/// Whether both are of the same Go type after decoding.
fn same_type(a: Option<&Value>, b: &Value) -> bool {
    a.is_some_and(|a| go_type(a) == go_type(b))
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn bad_type(expected: &Value, found: &Value) -> Error {
    Error::Other(format!(
        "expected a {}, but received a {}",
        go_type(expected),
        go_type(found)
    ))
}

fn not_an_object(found: &Value) -> Error {
    bad_type(&Value::Object(Object::new()), found)
}

fn unknown_directive(directive: &Value, map: &Object) -> Error {
    Error::Other(format!(
        "unknown patch type: {} in map: {}",
        match directive {
            // What %s makes of something that is no string.
            Value::Null => "%!s(<nil>)".to_owned(),
            Value::Bool(_) | Value::Number(_) => {
                format!("%!s({}={directive})", go_type(directive))
            }
            other => go_format(other),
        },
        go_format_map(map)
    ))
}

fn no_merge_key(map: &Object, key: &str) -> Error {
    Error::Other(format!(
        "map: {} does not contain declared merge key: {key}",
        go_format_map(map)
    ))
}

/// `x` of `$directive/x`.
fn directive_key<'a>(key: &'a str, directive: &str) -> Option<&'a str> {
    key.strip_prefix(directive)?.strip_prefix('/')
}

/// `$retainKeys` lists all keys that shall be left, those of the patch
/// included.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), Error> {
    let Some(listed) = patch.shift_remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(listed) = listed else {
        return Err(BAD_RETAIN_KEYS);
    };
    let retained = |key: &str| listed.iter().any(|l| l == key);
    let stray = patch.iter().any(|(key, value)| {
        !value.is_null()
            && !key.starts_with(DELETE_PRIMITIVES)
            && !key.starts_with(ELEMENT_ORDER)
            && !retained(key)
    });
    if stray {
        return Err(BAD_RETAIN_KEYS);
    }
    original.retain(|key, _| retained(key));
    Ok(())
}

/// Merges the lists whose order the patch gives, and takes them out of it.
fn merge_ordered_lists(
    schema: &Schema,
    node: Node<'_>,
    original: &mut Object,
    patch: &mut Object,
) -> Result<(), Error> {
    let keys: Vec<String> = patch
        .keys()
        .filter(|key| key.starts_with(ELEMENT_ORDER))
        .cloned()
        .collect();
    for directive in keys {
        let order = match patch.shift_remove(&directive) {
            Some(Value::Array(order)) => order,
            Some(other) => return Err(bad_type(&Value::Array(Vec::new()), &other)),
            None => continue,
        };
        let key = directive_key(&directive, ELEMENT_ORDER).ok_or(BAD_ELEMENT_ORDER)?;
        let list = |value: Option<&Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(bad_type(&Value::Array(Vec::new()), other)),
        };
        let before = list(original.get(key))?;
        let changes = list(patch.get(key))?;
        let field = lookup_list(schema, node, key)?;
        let merge_key = field.patch.merge_key.as_deref().unwrap_or_default();
        check_order(changes.as_deref().unwrap_or_default(), &order, merge_key)?;
        let server_order = match (&before, &changes) {
            (Some(before), Some(changes)) if field.patch.merge && !merge_key.is_empty() => {
                order_left_behind(before, changes, merge_key)
            }
            _ => before.clone().unwrap_or_default(),
        };
        let kind = element_type(&[
            before.as_deref().unwrap_or_default(),
            changes.as_deref().unwrap_or_default(),
        ]);
        let merged = match (before, changes) {
            (None, None) => continue,
            (Some(before), None) => before,
            (None, Some(changes)) => changes.into_iter().filter_map(without_directives).collect(),
            (Some(before), Some(changes)) => merge_list(schema, &field, before, changes, false)?,
        };
        let (ours, servers) = partition(merged, &order, merge_key)?;
        let kind = kind?;
        let both = in_order(ours, servers, &order, &server_order, merge_key, kind)?;
        original.insert(key.to_owned(), Value::Array(both));
        patch.shift_remove(key);
    }
    Ok(())
}

/// What upstream takes for the server's order: the list as it was, but that
/// items were deleted out of it in place, and that the first new ones were
/// appended where they had made room. Clients see the difference in where
/// new items end up.
fn order_left_behind(before: &[Value], changes: &[Value], merge_key: &str) -> Vec<Value> {
    let mut order = before.to_vec();
    let mut len = order.len();
    let position = |items: &[Value], value: Option<&Value>| {
        items
            .iter()
            .position(|item| value.is_some() && item.get(merge_key) == value)
    };
    for item in changes {
        if item.get(DIRECTIVE).is_some_and(|d| d == DELETE) {
            while let Some(at) = position(&order[..len], item.get(merge_key)) {
                order[at..len].rotate_left(1);
                len -= 1;
                // The last place keeps what was in it.
                if len > at {
                    order[len] = order[len - 1].clone();
                }
            }
        }
    }
    let replaced = changes
        .iter()
        .any(|item| item.get(DIRECTIVE).is_some_and(|d| d == REPLACE));
    for item in changes {
        if replaced || len == order.len() {
            break;
        }
        let is_new =
            item.get(DIRECTIVE).is_none() && position(&order[..len], item.get(merge_key)).is_none();
        if is_new {
            order[len] = item.clone();
            len += 1;
        }
    }
    order
}

/// The patch's items have to stand in the order that it gives itself.
fn check_order(items: &[Value], order: &[Value], merge_key: &str) -> Result<(), Error> {
    if items.is_empty() || order.is_empty() {
        return Ok(());
    }
    let kept: Vec<&Value> = if merge_key.is_empty() {
        items.iter().collect()
    } else {
        let (kept, _) = split_deleted(items.iter())?;
        kept
    };
    let (mut item, mut at) = (0, 0);
    while item < kept.len() && at < order.len() {
        let directive = kept[item]
            .as_object()
            .is_some_and(|map| map.contains_key(DIRECTIVE));
        if directive {
            item += 1;
            continue;
        }
        if same_key(kept[item], &order[at], merge_key)? {
            item += 1;
        }
        at += 1;
    }
    if item < kept.len() && at >= order.len() {
        return Err(Error::Other(format!(
            "The order in patch list:\n{}\n doesn't match {ELEMENT_ORDER} list:\n{}\n",
            go_format_list(items),
            go_format_list(order)
        )));
    }
    Ok(())
}

fn same_key(a: &Value, b: &Value, merge_key: &str) -> Result<bool, Error> {
    if merge_key.is_empty() {
        return Ok(a == b);
    }
    let key_of = |value: &Value| -> Result<Value, Error> {
        let map = value.as_object().ok_or_else(|| not_an_object(value))?;
        map.get(merge_key)
            .cloned()
            .ok_or_else(|| no_merge_key(map, merge_key))
    };
    Ok(key_of(a)? == key_of(b)?)
}

fn merge_list(
    schema: &Schema,
    field: &Field<'_>,
    original: Vec<Value>,
    patch: Vec<Value>,
    delete_list: bool,
) -> Result<Vec<Value>, Error> {
    if !(field.patch.merge || delete_list) {
        return Ok(patch);
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let kind = element_type(&[&original, &patch])?;
    let merge_key = field.patch.merge_key.as_deref().unwrap_or_default();
    if kind != Kind::Map {
        if delete_list {
            let kept = original.into_iter().filter(|item| !patch.contains(item));
            return Ok(kept.collect());
        }
        let both: Vec<Value> = original.iter().chain(&patch).cloned().collect();
        let merged = without_duplicates(both);
        let (ours, servers) = partition(merged, &patch, merge_key)?;
        return in_order(ours, servers, &patch, &original, merge_key, kind);
    }
    if merge_key.is_empty() {
        return Err(Error::Other(
            "cannot merge lists without merge key for struct".to_owned(),
        ));
    }
    let (original, patch) = apply_list_directives(original, patch, merge_key)?;
    let merged = merge_items(schema, field.node, original.clone(), &patch, merge_key)?;
    let (ours, servers) = partition(merged, &patch, merge_key)?;
    in_order(ours, servers, &patch, &original, merge_key, kind)
}

/// Deletes and replaces what items with `$patch` ask for; what is left of
/// both lists.
fn apply_list_directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let mut plain = Vec::new();
    let mut replace = false;
    for item in patch {
        let Value::Object(map) = &item else {
            return Err(not_an_object(&item));
        };
        match map.get(DIRECTIVE) {
            None => plain.push(item),
            Some(directive) => match directive.as_str() {
                Some(DELETE) => {
                    let value = map
                        .get(merge_key)
                        .ok_or_else(|| no_merge_key(map, merge_key))?;
                    while let Some(at) = find(&original, merge_key, value)? {
                        original.remove(at);
                    }
                }
                Some(REPLACE) => replace = true,
                Some(MERGE) => {
                    return Err(Error::Other(
                        "merging lists cannot yet be specified in the patch".to_owned(),
                    ));
                }
                _ => return Err(unknown_directive(directive, map)),
            },
        }
    }
    Ok(if replace {
        (plain, Vec::new())
    } else {
        (original, plain)
    })
}

fn merge_items(
    schema: &Schema,
    node: Node<'_>,
    mut original: Vec<Value>,
    patch: &[Value],
    merge_key: &str,
) -> Result<Vec<Value>, Error> {
    for item in patch {
        let Value::Object(map) = item else {
            return Err(not_an_object(item));
        };
        let value = map
            .get(merge_key)
            .ok_or_else(|| no_merge_key(map, merge_key))?;
        match find(&original, merge_key, value)? {
            Some(at) => {
                let Value::Object(before) = original[at].take() else {
                    continue;
                };
                original[at] = Value::Object(merge_map(schema, node, before, map.clone())?);
            }
            None => original.push(item.clone()),
        }
    }
    Ok(original)
}

/// The index of the object whose `key` is `value`.
fn find(list: &[Value], key: &str, value: &Value) -> Result<Option<usize>, Error> {
    for (index, item) in list.iter().enumerate() {
        let Value::Object(map) = item else {
            return Err(Error::Other(format!("value for key {index} is not a map")));
        };
        if map.get(key) == Some(value) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Map,
    Scalar,
}

/// The type that all elements have in common.
fn element_type(lists: &[&[Value]]) -> Result<Kind, Error> {
    let mut first: Option<&Value> = None;
    for item in lists.iter().copied().flatten() {
        match first {
            None => {
                if item.is_array() {
                    return Err(Error::Unprocessable("lists of lists are not supported"));
                }
                first = Some(item);
            }
            Some(first) if go_type(first) != go_type(item) => {
                let lists: Vec<String> = lists.iter().map(|list| go_format_list(list)).collect();
                return Err(Error::Other(format!(
                    "list element types are not identical: [{}]",
                    lists.join(" ")
                )));
            }
            Some(_) => {}
        }
    }
    match first {
        Some(Value::Object(_)) => Ok(Kind::Map),
        Some(_) => Ok(Kind::Scalar),
        None => Err(Error::Other(
            "no elements in any of the given slices".to_owned(),
        )),
    }
}

/// Items in place of the last take over from those that repeat another, as
/// upstream's in-place algorithm has it.
fn without_duplicates(mut items: Vec<Value>) -> Vec<Value> {
    let mut i = 0;
    while i + 1 < items.len() {
        let mut j = i + 1;
        while j < items.len() {
            if items[i] == items[j] {
                items.swap_remove(j);
            } else {
                j += 1;
            }
        }
        i += 1;
    }
    items
}

/// Splits into the items that `by` has too, and those it has not.
fn partition(
    items: Vec<Value>,
    by: &[Value],
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for item in items {
        let found = if merge_key.is_empty() {
            by.contains(&item)
        } else {
            let map = item.as_object().ok_or_else(|| not_an_object(&item))?;
            let value = map
                .get(merge_key)
                .ok_or_else(|| no_merge_key(map, merge_key))?;
            find(by, merge_key, value)?.is_some()
        };
        if found {
            inside.push(item);
        } else {
            outside.push(item);
        }
    }
    Ok((inside, outside))
}

/// The patch's items in the patch's order and the server's in the server's,
/// zipped so that the server's order between them holds as far as it can.
fn in_order(
    ours: Vec<Value>,
    servers: Vec<Value>,
    order: &[Value],
    server_order: &[Value],
    merge_key: &str,
    kind: Kind,
) -> Result<Vec<Value>, Error> {
    let mut ours = sorted(ours, order, merge_key, kind)?.into_iter().peekable();
    let mut servers = sorted(servers, server_order, merge_key, kind)?
        .into_iter()
        .peekable();
    let mut all = Vec::new();
    loop {
        let server_first = match (servers.peek(), ours.peek()) {
            (None, None) => return Ok(all),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(server), Some(our)) => {
                let place = |item| index(server_order, item, merge_key, kind);
                matches!((place(server), place(our)), (Some(s), Some(o)) if s < o)
            }
        };
        all.extend(if server_first {
            servers.next()
        } else {
            ours.next()
        });
    }
}

fn sorted(
    items: Vec<Value>,
    order: &[Value],
    merge_key: &str,
    kind: Kind,
) -> Result<Vec<Value>, Error> {
    let (mut items, deleted) = if kind == Kind::Map {
        check_merge_keys(&items, merge_key)?;
        check_merge_keys(order, merge_key)?;
        let (kept, deleted) = split_deleted(items.iter())?;
        (
            kept.into_iter().cloned().collect(),
            deleted.into_iter().cloned().collect(),
        )
    } else {
        (items, Vec::new())
    };
    // Go's stable sort on short lists is an insertion sort. It has to be one
    // here too, for upstream's comparison says "less" of whatever it does not
    // find, which is no order that any sort could rely on.
    let less = |a: &Value, b: &Value| match (
        index(order, a, merge_key, kind),
        index(order, b, merge_key, kind),
    ) {
        (Some(a), Some(b)) => a < b,
        _ => true,
    };
    for i in 1..items.len() {
        let mut j = i;
        while j > 0 && less(&items[j], &items[j - 1]) {
            items.swap(j, j - 1);
            j -= 1;
        }
    }
    items.extend(deleted);
    Ok(items)
}

fn check_merge_keys(items: &[Value], merge_key: &str) -> Result<(), Error> {
    for item in items {
        let map = item.as_object().ok_or_else(|| not_an_object(item))?;
        if !map.contains_key(merge_key) {
            return Err(no_merge_key(map, merge_key));
        }
    }
    Ok(())
}

fn split_deleted<'a>(
    items: impl Iterator<Item = &'a Value>,
) -> Result<(Vec<&'a Value>, Vec<&'a Value>), Error> {
    let (mut kept, mut deleted) = (Vec::new(), Vec::new());
    for item in items {
        let map = item.as_object().ok_or_else(|| not_an_object(item))?;
        if map.get(DIRECTIVE).is_some_and(|d| d == DELETE) {
            deleted.push(item);
        } else {
            kept.push(item);
        }
    }
    Ok((kept, deleted))
}

fn index(list: &[Value], wanted: &Value, merge_key: &str, kind: Kind) -> Option<usize> {
    let key_of = |item: &Value| match kind {
        Kind::Map => item.get(merge_key).cloned(),
        Kind::Scalar => Some(item.clone()),
    };
    let wanted = key_of(wanted);
    list.iter().position(|item| key_of(item) == wanted)
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// The value without the objects that are directives; nothing if it is one.
fn without_directives(value: Value) -> Option<Value> {
    Some(match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => return None,
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter_map(|(key, value)| without_directives(value).map(|v| (key, v)))
                .collect(),
        ),
        Value::Array(items) => {
            Value::Array(items.into_iter().filter_map(without_directives).collect())
        }
        other => other,
    })
}

/// A value as Go's `%v` prints it after decoding.
pub fn go_format(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => go_format_list(items),
        Value::Object(map) => go_format_map(map),
    }
}

fn go_format_list(items: &[Value]) -> String {
    let items: Vec<String> = items.iter().map(go_format).collect();
    format!("[{}]", items.join(" "))
}

fn go_format_map(map: &Object) -> String {
    let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
    pairs.sort_unstable_by_key(|(key, _)| *key);
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(key, value)| format!("{key}:{}", go_format(value)))
        .collect();
    format!("map[{}]", pairs.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registry::kind::KINDS;
    use crate::registry::schema::newest;

    /// One line of the corpus: a patch, and what Kubernetes made of it.
    #[derive(serde::Deserialize)]
    struct Case {
        kind: String,
        original: Value,
        patch: Value,
        #[serde(rename = "type")]
        format: String,
        #[serde(default)]
        result: Value,
        error: Option<String>,
        #[serde(default)]
        code: u16,
    }

    fn ours(case: &Case) -> Result<Value, (u16, String)> {
        use crate::registry::patch::{Patch, Sent};
        use crate::registry::query::FieldValidation;
        let short = case.kind.rsplit('/').next().expect("a kind");
        let kind = KINDS.iter().find(|k| k.kind == short).expect("served");
        let media = match case.format.as_str() {
            "json" => "application/json-patch+json",
            "merge" => "application/merge-patch+json",
            _ => "application/strategic-merge-patch+json",
        };
        let body = bytes::Bytes::from(case.patch.to_string());
        Sent::read(media, &body)
            .and_then(|sent| Patch::decode(sent, FieldValidation::Warn))
            .and_then(|patch| {
                let message = newest().message(kind.message);
                patch.apply(&case.original, newest(), message)
            })
            .map(|patched| patched.value)
            .map_err(|status| (status.code, status.message))
    }

    #[test]
    fn patches_give_what_kubernetes_gives() {
        let mut failures = Vec::new();
        let (mut count, mut strategic) = (0, 0);
        // See corpus/generate.py for longer runs.
        let more = std::env::var("ROLECALL_PATCH_CASES")
            .map(|path| std::fs::read_to_string(path).expect("a file of cases"))
            .unwrap_or_default();
        let kept = include_str!("corpus/patches.jsonl");
        for line in kept.lines().chain(more.lines()) {
            let case: Case = serde_json::from_str(line).expect("a case");
            let expected = match &case.error {
                Some(error) => Err((case.code, error.clone())),
                None => Ok(case.result.clone()),
            };
            let found = ours(&case);
            // Of the other two formats only the code is told.
            let agree = match (&found, &expected) {
                (Err(found), Err(expected)) if case.format != "strategic" => found.0 == expected.0,
                _ => found == expected,
            };
            if !agree {
                failures.push(format!(
                    "{} {}\n  original {}\n  patch    {}\n  expected {expected:?}\n  found    {found:?}",
                    case.format, case.kind, case.original, case.patch
                ));
            }
            count += 1;
            strategic += usize::from(case.format == "strategic");
        }
        assert!(strategic >= 200, "{strategic}");
        assert!(
            failures.is_empty(),
            "{} of {count} differ:\n{}",
            failures.len(),
            failures[..failures.len().min(12)].join("\n")
        );
    }

    #[test]
    fn values_are_printed_as_go_prints_them() {
        assert_eq!(
            go_format(&json!({"b": [1, "x", null], "a": {"t": true}})),
            "map[a:map[t:true] b:[1 x <nil>]]"
        );
    }
}
