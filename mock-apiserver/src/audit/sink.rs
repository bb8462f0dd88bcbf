//! Where audit events go.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Takes audit events. It is called before the request is answered, which
/// waits for it.
pub trait Sink: Send + Sync {
    /// Takes one event: its JSON, and a line feed.
    fn write(&self, line: &[u8]);
}

/// A sink that is shared by all that is audited.
#[derive(Clone)]
pub struct AuditSink(Option<Arc<dyn Sink>>);

impl AuditSink {
    /// A sink of one's own.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self(Some(sink))
    }

    /// Nothing is recorded.
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether nothing is recorded, so that no event need be made.
    pub fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Events are appended to the file at `path`, see [`File`].
    ///
    /// # Errors
    /// The operating system's.
    pub fn file(path: &Path) -> io::Result<Self> {
        File::create(path).map(|file| Self::new(Arc::new(file)))
    }
}

impl Sink for AuditSink {
    fn write(&self, line: &[u8]) {
        if let Some(sink) = &self.0 {
            sink.write(line);
        }
    }
}

impl std::fmt::Debug for AuditSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditSink")
    }
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
    fn write(&self, line: &[u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(serde_json::from_slice(line).unwrap_or_default());
    }
}

/// Appends events to a file as JSON lines, as the log backend does in its
/// default mode, `blocking` (apiserver/pkg/server/options/audit.go): who has
/// an answer finds it in the file. A line is one `write`, which readers see
/// whole.
#[derive(Debug)]
pub struct File(Mutex<Log>);

#[derive(Debug)]
struct Log {
    file: std::fs::File,
    failed: bool,
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
        Ok(Self(Mutex::new(Log {
            file,
            failed: false,
        })))
    }
}

impl Sink for File {
    fn write(&self, line: &[u8]) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match log.file.write_all(line) {
            Ok(()) => log.failed = false,
            // Once, not for every event of a full disk.
            Err(error) if !log.failed => {
                log.failed = true;
                tracing::error!(%error, "cannot write the audit log");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_appended_line_by_line_and_readable_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("audit.log");
        let sink = File::create(&path).expect("a file");
        sink.write(b"{\"n\":1}\n");
        sink.write(b"{\"n\":2}\n");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(text, "{\"n\":1}\n{\"n\":2}\n");
        let again = File::create(&path).expect("a file");
        again.write(b"{\"n\":3}\n");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(text.ends_with("{\"n\":3}\n"));
        assert_eq!(text.lines().count(), 3);
    }
}
