//! GET: single objects and lists (apiserver, `handlers/get.go` and
//! `storage/etcd3`).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::cursor::{Cursor, expired};
use super::kind::Action;
use super::query::{Query, parse_uint};
use super::selector::Selector;
use super::store::{State, Stored, key};
use super::{Answer, Call, Inner, as_item, list_of};
use crate::wire::{Status, quote};

/// What a list is asked to be, after its parameters were checked.
pub struct ListOptions {
    pub selector: Selector,
    pub limit: usize,
    pub revision: Option<u64>,
    exact: bool,
    cursor: Option<Cursor>,
}

/// A page of a list.
pub struct Page {
    pub items: Vec<Arc<Stored>>,
    /// `metadata` of the list.
    pub metadata: Value,
}

impl Inner {
    pub(super) fn get(&self, call: &Call<'_>) -> Result<Answer, Status> {
        let revision = parse_revision(call.query.get("resourceVersion"));
        let revision = revision.map_err(Status::unclassified)?;
        self.store.with(|state| {
            check_not_from_the_future(state, revision)?;
            let stored = state
                .get(call.kind.id, &call.key())
                .ok_or_else(|| call.not_found())?;
            let body = match call.action {
                Some(Action::Scale) => super::write::scale_of(&stored.value),
                _ => stored.value.clone(),
            };
            Ok(Answer::ok(body))
        })
    }

    pub(super) fn list(&self, call: &Call<'_>) -> Result<Answer, Status> {
        let options = ListOptions::parse(call)?;
        let page = self.store.with(|state| page(state, call, &options))?;
        let items = page.items.iter().map(|o| as_item(&o.value)).collect();
        Ok(Answer::ok(list_of(call.kind, page.metadata, items)))
    }
}

impl ListOptions {
    /// # Errors
    /// 400 and 422 in Kubernetes' words.
    pub fn parse(call: &Call<'_>) -> Result<Self, Status> {
        call.query.validate_list_options()?;
        Self::parse_query(call, &call.query)
    }

    /// The same for a query that is not quite the call's own.
    ///
    /// # Errors
    /// 400 and 422 in Kubernetes' words.
    pub fn parse_query(call: &Call<'_>, query: &Query) -> Result<Self, Status> {
        let version = query.get("resourceVersion");
        let matching = query.get("resourceVersionMatch");
        let continued = query.get("continue");
        let selector = Selector::parse(
            call.kind,
            query.get("labelSelector"),
            query.get("fieldSelector"),
        )
        .map_err(Status::bad_request)?;
        // Where the path names an object, or seems to, the selector may name no other.
        if !call.name.is_empty() && selector.asks_for_another_than(call.name) {
            return Err(Status::bad_request(
                "fieldSelector metadata.name doesn't match requested name",
            ));
        }
        let cursor = match continued {
            "" => None,
            token => Some(Cursor::parse(token)?),
        };
        if !continued.is_empty() && !matches!(version, "" | "0") {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let limit = query.number("limit").map_err(Status::bad_request)?;
        Ok(Self {
            selector,
            limit: usize::try_from(limit.unwrap_or(0)).unwrap_or(0),
            revision: parse_revision(version)
                .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?,
            exact: matching == "Exact",
            cursor,
        })
    }
}

/// A resource version as the client gave it; `None` for the empty one.
///
/// # Errors
/// Kubernetes' sentence for what is no number.
pub fn parse_revision(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_uint(text).map(Some).map_err(|why| {
        let quoted = quote(text);
        format!(
            "resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: {why}"
        )
    })
}

fn check_not_from_the_future(state: &State, revision: Option<u64>) -> Result<(), Status> {
    match revision {
        Some(asked) if asked > state.revision() => {
            Err(Status::too_large_resource_version(asked, state.revision()))
        }
        _ => Ok(()),
    }
}

/// The page that `options` ask for.
///
/// # Errors
/// 410 when it is of a past that is forgotten, 504 when it is of the future.
pub fn page(state: &State, call: &Call<'_>, options: &ListOptions) -> Result<Page, Status> {
    check_not_from_the_future(state, options.revision)?;
    let cursor = options.cursor.as_ref();
    let start = cursor.map_or_else(String::new, |c| key(call.namespace, &c.start));
    // Only an exact or a continued list is of the past; every other sees
    // what is newest, which "not older than" allows.
    let past = match cursor {
        Some(cursor) => cursor.revision,
        None if options.exact => options.revision,
        None => None,
    };
    let (revision, candidates): (u64, Vec<(String, Arc<Stored>)>) = match past {
        Some(revision) => {
            let objects = state
                .range_at(call.kind.id, call.namespace, &start, revision)
                .map_err(|_| expired(cursor))?;
            (revision, objects)
        }
        None => (
            state.revision(),
            state
                .range(call.kind.id, call.namespace, &start)
                .map(|(k, o)| (k.clone(), Arc::clone(o)))
                .collect(),
        ),
    };
    let mut selected = candidates
        .into_iter()
        .filter(|(_, o)| options.selector.matches(call.kind, &o.value));
    let mut items = Vec::new();
    let mut last = String::new();
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
    for (key, object) in selected.by_ref() {
        last = key;
        items.push(object);
        if options.limit > 0 && items.len() == options.limit {
            break;
        }
    }
    let left = selected.count();
    if left > 0 {
        let start = relative(call.namespace, &last);
        let token = Cursor::token(Some(revision), &format!("{start}\0"));
        metadata.insert("continue".to_owned(), token.into());
        // The rest is only counted where no selector would have to be tried.
        if options.selector.is_empty() {
            metadata.insert("remainingItemCount".to_owned(), left.into());
        }
    }
    Ok(Page {
        items,
        metadata: Value::Object(metadata),
    })
}

/// Keys in continue tokens are relative to the list's own prefix.
fn relative<'a>(namespace: &str, key: &'a str) -> &'a str {
    key.strip_prefix(namespace)
        .filter(|_| !namespace.is_empty())
        .and_then(|k| k.strip_prefix('/'))
        .unwrap_or(key)
}
