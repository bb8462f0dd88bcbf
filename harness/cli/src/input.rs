//! What is read from standard input, where a secret is in nobody's history.

use std::io::Read as _;

use crate::Stop;

/// A word without the white space around it; `option` is what asked for it.
pub fn standard(option: &str) -> Result<String, Stop> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(|error| Stop::usage(format!("{option} -: {error}")))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Stop::usage(format!(
            "{option} -: nothing came on standard input"
        )));
    }
    Ok(text.to_owned())
}
