//! Watches: changes as they happen, one JSON object a line (apiserver,
//! `handlers/watch.go` and `storage/cacher`).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube_authn::User;
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use super::query::Query;
use super::read::{ListOptions, parse_revision};
use super::selector::Selector;
use super::store::{Compacted, Event, State, Stored};
use super::{Call, Registry, table};
use crate::request::RequestInfo;
use crate::wire::{Media, Negotiated, Status, json as spelling};

/// A watch without `timeoutSeconds` ends after this long and up to as long
/// again, so that not all clients come back at once.
const MIN_TIMEOUT: Duration = Duration::from_secs(1800);
/// How often a bookmark tells a client that asked for them where it is.
const BOOKMARK_INTERVAL: SignedDuration = SignedDuration::from_secs(60);
/// The last bookmark comes this long before a watch ends.
const LAST_BOOKMARK: SignedDuration = SignedDuration::from_secs(2);

const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A watch that goes on. It owns what it needs of the request.
struct Watch {
    registry: Registry,
    kind: &'static super::kind::Kind,
    namespace: String,
    selector: Selector,
    negotiated: Negotiated,
    query: Query,
    info: RequestInfo,
    user: User,
    parts: http::request::Parts,
    changed: Receiver<u64>,
    /// Everything up to here was sent, or is in `pending`.
    revision: u64,
    pending: VecDeque<Change>,
    columns_sent: bool,
    bookmarks: bool,
    next_bookmark: Timestamp,
    deadline: Timestamp,
    ended: bool,
}

/// An event as the client sees it.
enum Change {
    /// ADDED or MODIFIED, with what was written.
    Written(&'static str, Arc<Stored>),
    /// DELETED: what was there, and the revision of its end.
    Deleted(Arc<Stored>, u64),
    Bookmark {
        revision: u64,
        initial_end: bool,
    },
    Error(Status),
}

/// Starts a watch.
///
/// # Errors
/// What is wrong with the request; what goes wrong later is an event.
pub fn start(registry: &Registry, call: &Call<'_>) -> Result<Response, Status> {
    call.query.validate_list_options()?;
    if call.negotiated.media == Media::Yaml {
        return Err(Status::not_acceptable(&[
            "application/json;stream=watch",
            "application/vnd.kubernetes.protobuf;stream=watch",
        ]));
    }
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let initial = call.query.sends_initial_events();
    let mut options = call.query.clone();
    options.remove("resourceVersion");
    options.remove("resourceVersionMatch");
    options.remove("limit");
    options.remove("continue");
    let selector = ListOptions::parse_query(call, &options)?.selector;
    // The watch of a single object is one with a selector for its name.
    let selector = if call.name.is_empty() {
        selector
    } else {
        selector.and_name(call.name)
    };
    let from = parse_revision(call.query.get("resourceVersion")).map_err(Status::unclassified)?;
    let inner = &registry.0;
    let now = inner.clock.now();
    let timeout = match call
        .query
        .number("timeoutSeconds")
        .map_err(Status::bad_request)?
    {
        // What is below nothing is over at once.
        Some(seconds) if seconds != 0 => Duration::from_secs(seconds.max(0).unsigned_abs()),
        _ => MIN_TIMEOUT.mul_f64(1.0 + rand::rng().random_range(0.0..1.0)),
    };
    let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
    let mut watch = Watch {
        registry: registry.clone(),
        kind: call.kind,
        namespace: call.namespace.to_owned(),
        selector,
        negotiated: call.negotiated.clone(),
        query: call.query.clone(),
        info: call.info.clone(),
        user: call.user.clone(),
        parts: without_extensions(call.parts),
        changed: inner.store.subscribe(),
        revision: 0,
        pending: VecDeque::new(),
        columns_sent: false,
        bookmarks,
        next_bookmark: bookmark_after(now, add(now, timeout)),
        deadline: add(now, timeout),
        ended: false,
    };
    inner.store.with(|state| watch.begin(state, from, initial));
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next_line().await?;
        Some((Ok::<_, Infallible>(line), watch))
    });
    let mut response = Response::new(Body::from_stream(lines));
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn add(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The parts of a request without what its connection left in them.
fn without_extensions(parts: &http::request::Parts) -> http::request::Parts {
    let mut request = http::Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request.into_parts().0
}

/// When the next bookmark is due: after the deadline, where there is none any more
/// (`cacheWatcher.nextBookmarkTime`).
fn bookmark_after(now: Timestamp, deadline: Timestamp) -> Timestamp {
    let regular = add(now, BOOKMARK_INTERVAL);
    let last = add(deadline, -LAST_BOOKMARK);
    if last > now {
        regular.min(last)
    } else {
        regular
    }
}

impl Watch {
    /// Decides where the watch starts.
    fn begin(&mut self, state: &State, from: Option<u64>, initial: Option<bool>) {
        let current = state.revision();
        let with_objects = initial.unwrap_or(matches!(from, None | Some(0)));
        if with_objects {
            if let Some(asked) = from.filter(|asked| *asked > current) {
                let status = Status::too_large_resource_version(asked, current);
                self.pending.push_back(Change::Error(status));
                return;
            }
            for (_, stored) in state.range(self.kind.id, &self.namespace, "") {
                if self.selector.matches(self.kind, &stored.value) {
                    let stored = Arc::clone(stored);
                    self.pending.push_back(Change::Written("ADDED", stored));
                }
            }
            if initial == Some(true) && self.bookmarks {
                self.pending.push_back(Change::Bookmark {
                    revision: current,
                    initial_end: true,
                });
            }
            self.revision = current;
            return;
        }
        // A revision of the future is waited for.
        self.revision = from.filter(|rv| *rv > 0).unwrap_or(current);
        if let Err(Compacted { oldest }) = state.since(self.revision).map(|_| ()) {
            // Upstream tells this as the watch's only event.
            self.pending
                .push_back(Change::Error(too_old(self.revision, oldest)));
        }
    }

    /// The next line, when there is one; nothing once the watch is over.
    async fn next_line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return Some(self.line(change));
            }
            if self.ended {
                return None;
            }
            // Marked as seen before looking, so that no change is missed.
            self.changed.borrow_and_update();
            self.collect();
            if !self.pending.is_empty() {
                continue;
            }
            let clock = self.registry.0.clock.clone();
            let wake = if self.bookmarks {
                self.deadline.min(self.next_bookmark)
            } else {
                self.deadline
            };
            tokio::select! {
                changed = self.changed.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                }
                () = clock.sleep_until(wake) => self.on_time(clock.now()),
            }
        }
    }

    fn on_time(&mut self, now: Timestamp) {
        // What happened before the clock did comes first.
        self.collect();
        if now >= self.deadline {
            self.ended = true;
        }
        if self.bookmarks && now >= self.next_bookmark {
            self.pending.push_back(Change::Bookmark {
                revision: self.revision,
                initial_end: false,
            });
            self.next_bookmark = bookmark_after(now, self.deadline);
        }
    }

    /// Takes over what was written since the last look.
    fn collect(&mut self) {
        let registry = self.registry.clone();
        registry
            .0
            .store
            .with(|state| match state.since(self.revision) {
                Ok(events) => {
                    for event in events {
                        self.pending.extend(self.change_of(event));
                    }
                    self.revision = self.revision.max(state.revision());
                }
                Err(Compacted { oldest }) => {
                    self.pending
                        .push_back(Change::Error(too_old(self.revision, oldest)));
                }
            });
    }

    /// What an event is to this client: an object that starts to match the
    /// selector is added, one that stops is deleted.
    fn change_of(&self, event: &Event) -> Option<Change> {
        if event.kind != self.kind.id {
            return None;
        }
        if !self.namespace.is_empty() {
            let inside = event
                .key
                .strip_prefix(self.namespace.as_str())
                .is_some_and(|rest| rest.starts_with('/'));
            if !inside {
                return None;
            }
        }
        let matches = |value: &Value| self.selector.matches(self.kind, value);
        let before = event.previous.as_ref().is_some_and(|o| matches(&o.value));
        let after = !event.deleted && matches(&event.object.value);
        let change = match (before, after) {
            (false, true) => Change::Written("ADDED", Arc::clone(&event.object)),
            (true, true) => Change::Written("MODIFIED", Arc::clone(&event.object)),
            // The client gets the last state that it knew, at the revision of
            // the change that took it away.
            (true, false) => Change::Deleted(Arc::clone(event.previous.as_ref()?), event.revision),
            (false, false) => return None,
        };
        Some(change)
    }

    fn line(&mut self, change: Change) -> Bytes {
        let event = match change {
            Change::Written(kind, stored) => self.event(kind, stored.value.clone()),
            Change::Deleted(stored, revision) => {
                let mut object = stored.value.clone();
                super::object::set_meta(&mut object, "resourceVersion", revision.to_string());
                self.event("DELETED", object)
            }
            Change::Bookmark {
                revision,
                initial_end,
            } => self.event("BOOKMARK", self.bookmark(revision, initial_end)),
            Change::Error(status) => self.fail(&status),
        };
        Bytes::from(spelling::compact(&event))
    }

    fn event(&mut self, kind: &str, object: Value) -> Value {
        match self.convert(object) {
            Ok(object) => spelling::object([("type", kind.into()), ("object", object)]),
            Err(status) => self.fail(&status),
        }
    }

    fn fail(&mut self, status: &Status) -> Value {
        self.ended = true;
        self.pending.clear();
        json!({"type": "ERROR", "object": status.to_value()})
    }

    fn bookmark(&self, revision: u64, initial_end: bool) -> Value {
        let mut object = json!({
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": {"resourceVersion": revision.to_string()},
        });
        if initial_end {
            object["metadata"]["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        // A bookmark is an empty object of the kind, with what Go prints then.
        super::admission::canonical(self.kind.id, object)
    }

    fn convert(&mut self, object: Value) -> Result<Value, Status> {
        let Some(convert) = self.negotiated.convert.clone() else {
            return Ok(object);
        };
        let first = !std::mem::replace(&mut self.columns_sent, true);
        let call = Call {
            minor: self.registry.0.authorizer.version(),
            kind: self.kind,
            action: None,
            namespace: &self.namespace,
            name: "",
            info: &self.info,
            user: &self.user,
            query: self.query.clone(),
            parts: &self.parts,
            negotiated: self.negotiated.clone(),
            warnings: Mutex::default(),
            now: self.registry.0.clock.now(),
        };
        table::convert_event(&call, &convert, &object, first)
    }
}

fn too_old(asked: u64, oldest: u64) -> Status {
    Status::expired(format!("too old resource version: {asked} ({oldest})"))
}
