//! Files with secrets in them.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// As [`write_private`], in one step: whoever watches sees the old text or the new.
///
/// # Errors
/// The operating system's, with the file in it.
pub fn replace_private(path: &Path, text: &str) -> Result<(), String> {
    let part = path.with_extension("part");
    write_private(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a file for its owner alone, in place of one that may be there.
///
/// # Errors
/// The operating system's.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    // A file of an earlier run may have another mode, which `mode` leaves alone.
    let _ = std::fs::remove_file(path);
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
}
