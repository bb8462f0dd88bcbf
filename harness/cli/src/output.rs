//! Where text goes and whether it may have colours.

use std::io::{IsTerminal as _, Write as _};

use harness::report::terminal::Style;

/// Colours only on terminals, and not when `NO_COLOR` is set
/// (<https://no-color.org>).
pub fn style() -> Style {
    let wanted = std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { Style::Colour } else { Style::Plain }
}

/// Prints to standard output. A reader that went away (`| head`) is no error.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Bold on terminals.
pub fn bold(text: &str) -> String {
    match style() {
        Style::Colour => {
            let bold = anstyle::Style::new().bold();
            format!("{bold}{text}{bold:#}")
        }
        Style::Plain => text.to_owned(),
    }
}
