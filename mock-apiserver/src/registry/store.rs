//! The objects and their history: one place, one lock, one counter that only
//! rises.
//!
//! Every write gets the next revision, as in etcd, and leaves an event behind.
//! Watches read the events from where they are; old events are forgotten, and
//! a watch or a continued list that would need them is told so (410).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use super::kind::{COUNT, Id};
use super::object;

/// How many events are kept for watches that lag behind.
const HISTORY: usize = 4096;

/// An object as it was at one revision.
#[derive(Debug)]
pub struct Stored {
    /// The object, with the revision of the write that made it in its
    /// metadata.
    pub value: Value,
}

/// A write.
#[derive(Clone, Debug)]
pub struct Event {
    /// The revision of the write.
    pub revision: u64,
    /// What kind of object was written.
    pub kind: Id,
    /// Its key.
    pub key: String,
    /// The object afterwards; for a deletion its last state, with the
    /// deletion's revision.
    pub object: Arc<Stored>,
    /// The object before; `None` when it was created.
    pub previous: Option<Arc<Stored>>,
    /// Whether it is gone.
    pub deleted: bool,
}

/// The history does not reach back far enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest revision that can still be asked for.
    pub oldest: u64,
}

/// All objects.
pub struct Store {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

/// What the lock guards.
pub struct State {
    revision: u64,
    compacted: u64,
    objects: [BTreeMap<String, Arc<Stored>>; COUNT],
    history: VecDeque<Event>,
    /// Whether the bootstrap RBAC objects are in; they are put in when one is
    /// first asked for.
    pub bootstrapped: bool,
}

/// The key of an object: as in etcd, so that lists have the same order.
pub fn key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                revision: 0,
                compacted: 0,
                objects: std::array::from_fn(|_| BTreeMap::new()),
                history: VecDeque::new(),
                bootstrapped: false,
            }),
            changed: watch::Sender::new(0),
        }
    }

    /// Looks at, or changes, the objects; whoever watches is woken after it.
    pub fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let before = state.revision;
        let result = f(&mut state);
        if state.revision != before {
            self.changed.send_replace(state.revision);
        }
        result
    }

    /// Tells when the store changes.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves whole objects behind: each
        // write is a single insertion.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The revision of the last write.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Keeps the next `count` revisions for [`State::seed`].
    pub fn reserve(&mut self, count: u64) {
        self.revision += count;
        self.compacted = self.revision;
    }

    /// Puts in an object that was there from the start, at a revision that
    /// was reserved for it. No event tells of it.
    pub fn seed(&mut self, kind: Id, mut value: Value, revision: u64) {
        object::set_meta(&mut value, "resourceVersion", revision.to_string());
        let key = key_of(&value);
        self.objects[kind as usize].insert(key, Arc::new(Stored { value }));
    }

    /// Forgets the events so far, as after a compaction.
    pub fn compact(&mut self) {
        self.history.clear();
        self.compacted = self.revision;
    }

    /// One object.
    pub fn get(&self, kind: Id, key: &str) -> Option<&Arc<Stored>> {
        self.objects[kind as usize].get(key)
    }

    /// The objects of a kind in a namespace (all, when it is empty) in key
    /// order, from `start` on.
    pub fn range<'a>(
        &'a self,
        kind: Id,
        namespace: &'a str,
        start: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Arc<Stored>)> + 'a {
        let prefix = if namespace.is_empty() {
            String::new()
        } else {
            format!("{namespace}/")
        };
        let from = if start > prefix.as_str() {
            start.to_owned()
        } else {
            prefix.clone()
        };
        self.objects[kind as usize]
            .range(from..)
            .take_while(move |(key, _)| key.starts_with(&prefix))
    }

    /// The objects of a kind in a namespace as they were at `revision`.
    ///
    /// # Errors
    /// When the history does not reach back so far.
    pub fn range_at(
        &self,
        kind: Id,
        namespace: &str,
        start: &str,
        revision: u64,
    ) -> Result<Vec<(String, Arc<Stored>)>, Compacted> {
        if revision < self.compacted {
            return Err(Compacted {
                oldest: self.compacted,
            });
        }
        let mut objects: BTreeMap<String, Arc<Stored>> = self
            .range(kind, namespace, start)
            .map(|(k, v)| (k.clone(), Arc::clone(v)))
            .collect();
        let prefix = key(namespace, "");
        for event in self.history.iter().rev() {
            if event.revision <= revision {
                break;
            }
            let inside = namespace.is_empty() || event.key.starts_with(&prefix);
            if event.kind != kind || !inside || event.key.as_str() < start {
                continue;
            }
            match &event.previous {
                Some(previous) => objects.insert(event.key.clone(), Arc::clone(previous)),
                None => objects.remove(&event.key),
            };
        }
        Ok(objects.into_iter().collect())
    }

    /// Writes an object, new or not, and gives it the next revision.
    pub fn put(&mut self, kind: Id, mut value: Value) -> Arc<Stored> {
        self.revision += 1;
        let revision = self.revision;
        object::set_meta(&mut value, "resourceVersion", revision.to_string());
        let key = key_of(&value);
        let stored = Arc::new(Stored { value });
        let previous = self.objects[kind as usize].insert(key.clone(), Arc::clone(&stored));
        self.record(Event {
            revision,
            kind,
            key,
            object: Arc::clone(&stored),
            previous,
            deleted: false,
        });
        stored
    }

    /// Removes an object. The result is its last state, with the revision of
    /// the removal.
    pub fn remove(&mut self, kind: Id, key: &str) -> Option<Arc<Stored>> {
        let previous = self.objects[kind as usize].remove(key)?;
        self.revision += 1;
        let revision = self.revision;
        let mut value = previous.value.clone();
        object::set_meta(&mut value, "resourceVersion", revision.to_string());
        let stored = Arc::new(Stored { value });
        self.record(Event {
            revision,
            kind,
            key: key.to_owned(),
            object: Arc::clone(&stored),
            previous: Some(previous),
            deleted: true,
        });
        Some(stored)
    }

    /// The writes after `revision`, oldest first.
    ///
    /// # Errors
    /// When some of them are forgotten.
    pub fn since(&self, revision: u64) -> Result<impl Iterator<Item = &Event>, Compacted> {
        if revision < self.compacted {
            return Err(Compacted {
                oldest: self.compacted,
            });
        }
        let from = self.history.partition_point(|e| e.revision <= revision);
        Ok(self.history.range(from..))
    }

    fn record(&mut self, event: Event) {
        if self.history.len() == HISTORY
            && let Some(oldest) = self.history.pop_front()
        {
            self.compacted = oldest.revision;
        }
        self.history.push_back(event);
    }
}

fn key_of(value: &Value) -> String {
    key(
        object::meta(value, "namespace"),
        object::meta(value, "name"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(namespace: &str, name: &str, n: u32) -> Value {
        json!({"metadata": {"namespace": namespace, "name": name}, "n": n})
    }

    fn keys(state: &State, namespace: &str, start: &str) -> Vec<String> {
        state
            .range(Id::Pod, namespace, start)
            .map(|(k, _)| k.clone())
            .collect()
    }

    #[test]
    fn revisions_only_rise_and_lists_have_etcds_order() {
        let store = Store::new();
        store.with(|state| {
            state.put(Id::Pod, pod("a", "x", 1));
            state.put(Id::Pod, pod("a-b", "x", 1));
            state.put(Id::Pod, pod("b", "y", 1));
            let gone = state.remove(Id::Pod, "b/y").expect("it was there");
            assert_eq!(gone.value["metadata"]["resourceVersion"], "4");
            assert_eq!(keys(state, "", ""), ["a-b/x", "a/x"]);
            assert_eq!(keys(state, "a", ""), ["a/x"]);
            assert_eq!(keys(state, "", "a-b/x\0"), ["a/x"]);
        });
    }

    #[test]
    fn the_past_can_be_listed_until_it_is_forgotten() {
        let store = Store::new();
        store.with(|state| {
            state.put(Id::Pod, pod("a", "x", 1));
            state.put(Id::Pod, pod("a", "y", 1));
            let then = state.revision();
            state.put(Id::Pod, pod("a", "x", 2));
            state.remove(Id::Pod, "a/y");
            state.put(Id::Pod, pod("a", "z", 1));
            let past = state.range_at(Id::Pod, "a", "", then).expect("kept");
            let past: Vec<(&str, &Value)> = past
                .iter()
                .map(|(k, o)| (k.as_str(), &o.value["n"]))
                .collect();
            assert_eq!(past, [("a/x", &json!(1)), ("a/y", &json!(1))]);
            assert_eq!(state.since(then).expect("kept").count(), 3);
            state.compact();
            assert!(state.range_at(Id::Pod, "a", "", then).is_err());
            assert!(state.since(then).is_err());
            assert_eq!(state.since(state.revision()).expect("kept").count(), 0);
        });
    }

    #[tokio::test]
    async fn a_write_wakes_and_a_look_does_not() {
        let store = Store::new();
        let mut changed = store.subscribe();
        store.with(|state| state.revision());
        assert!(!changed.has_changed().expect("open"));
        store.with(|state| {
            state.put(Id::Pod, pod("a", "x", 1));
        });
        assert!(changed.has_changed().expect("open"));
        assert_eq!(*changed.borrow_and_update(), 1);
    }
}
