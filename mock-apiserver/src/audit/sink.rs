//! Where audit events go.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::wire::json;

/// Takes audit events. It is called while a request is answered, so it must
/// not wait for anything.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn write(&self, event: &Value);
}

/// A sink that is shared by all that is audited.
#[derive(Clone)]
pub struct AuditSink(Arc<dyn Sink>);

impl AuditSink {
    /// A sink of one's own.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self(sink)
    }

    /// Events are forgotten.
    pub fn off() -> Self {
        Self(Arc::new(Discard))
    }

    /// Events are appended to the file at `path`, see [`File`].
    ///
    /// # Errors
    /// The operating system's.
    pub fn file(path: &Path) -> io::Result<Self> {
        File::create(path).map(|file| Self(Arc::new(file)))
    }
}

impl Sink for AuditSink {
    fn write(&self, event: &Value) {
        self.0.write(event);
    }
}

impl std::fmt::Debug for AuditSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditSink")
    }
}

/// Forgets every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn write(&self, _: &Value) {}
}

/// Keeps every event, for tests.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<Value>>);

impl Memory {
    /// The events so far, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Sink for Memory {
    fn write(&self, event: &Value) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone());
    }
}

/// Appends events to a file as JSON lines.
///
/// A thread of its own writes them, in one `write` for all that wait, so a
/// slow disk holds nobody up and a reader never sees half a line for long.
/// Dropping it writes out what is left.
#[derive(Debug)]
pub struct File {
    queue: Option<Sender<Message>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    Flush(Sender<()>),
}

impl File {
    /// Opens `path` for appending, made with mode 0600 where it is new: user
    /// names are in it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let (queue, waiting) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(file, &waiting))?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(writer),
        })
    }

    /// Waits until every event taken so far is in the file. It blocks; not to
    /// be called from async code.
    pub fn flush(&self) {
        let (done, wait) = mpsc::channel();
        if let Some(queue) = &self.queue
            && queue.send(Message::Flush(done)).is_ok()
        {
            let _ = wait.recv();
        }
    }
}

impl Sink for File {
    fn write(&self, event: &Value) {
        if let Some(queue) = &self.queue {
            // The receiver lives as long as the thread, which only ends with us.
            let _ = queue.send(Message::Line(json::compact(event)));
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_all(mut file: std::fs::File, waiting: &Receiver<Message>) {
    let mut failed = false;
    while let Ok(first) = waiting.recv() {
        let mut lines = Vec::new();
        let mut flushes = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => lines.extend(line),
                Message::Flush(done) => flushes.push(done),
            }
            next = waiting.try_recv().ok();
        }
        match file.write_all(&lines) {
            Ok(()) => failed = false,
            // Once, not for every event of a full disk.
            Err(error) if !failed => {
                failed = true;
                tracing::error!(%error, "cannot write the audit log");
            }
            Err(_) => {}
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_appended_line_by_line_and_readable_after_a_flush() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("audit.log");
        let sink = File::create(&path).expect("a file");
        sink.write(&json!({"n": 1}));
        sink.write(&json!({"n": "<2>"}));
        sink.flush();
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(text, "{\"n\":1}\n{\"n\":\"\\u003c2\\u003e\"}\n");
        drop(sink);
        let sink = File::create(&path).expect("a file");
        sink.write(&json!({"n": 3}));
        drop(sink);
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(text.ends_with("{\"n\":3}\n"));
        assert_eq!(text.lines().count(), 3);
    }
}
