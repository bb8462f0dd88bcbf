//! The last requests, for tests that ask what a client has done.
//!
//! A record holds nothing secret: paths have no secrets in them, and queries
//! (codes, states), headers and bodies are not kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use foundation::clock::Clock;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;

/// How many are kept.
const KEPT: usize = 512;
/// The longest path that is kept whole.
const LONGEST_PATH: usize = 256;

/// One request and how it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub at: Timestamp,
    pub method: Method,
    pub path: String,
    /// The AWS operation named by `X-Amz-Target`.
    pub operation: Option<String>,
    pub status: StatusCode,
}

/// The last requests, shared by all clones.
#[derive(Clone)]
pub(crate) struct Recorder {
    clock: Clock,
    requests: Arc<Mutex<VecDeque<Recorded>>>,
}

impl Recorder {
    /// Nothing recorded yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            requests: Arc::default(),
        }
    }

    /// What is kept, oldest first.
    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        self.lock().iter().cloned().collect()
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn add(&self, recorded: Recorded) {
        let mut requests = self.lock();
        if requests.len() == KEPT {
            requests.pop_front();
        }
        requests.push_back(recorded);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Recorded>> {
        // Nothing panics while it holds the lock, and a list is never half
        // changed.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records each request with the status it got.
pub(crate) async fn record(
    State(recorder): State<Recorder>,
    request: Request,
    next: Next,
) -> Response {
    let at = recorder.clock.now();
    let method = request.method().clone();
    let path = request.uri().path().chars().take(LONGEST_PATH).collect();
    let operation = operation(request.headers());
    let response = next.run(request).await;
    recorder.add(Recorded {
        at,
        method,
        path,
        operation,
        status: response.status(),
    });
    response
}

/// `Operation` of `X-Amz-Target: Service.Operation`, where it looks like one.
fn operation(headers: &HeaderMap) -> Option<String> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    let (_, operation) = target.rsplit_once('.')?;
    let plain = operation.bytes().all(|b| b.is_ascii_alphanumeric());
    (plain && operation.len() <= 128).then(|| operation.to_owned())
}
