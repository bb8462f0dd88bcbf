//! Counts panics: there must be none, whatever is sent to us.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Counts every panic from now on, beside what the hook before it does.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            COUNT.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
    });
}

/// How many there were.
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}
