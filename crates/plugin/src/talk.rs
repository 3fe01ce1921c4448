//! What a plugin may say in one call: not without end, since whoever listens keeps it.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::call::{CallHost, Level};

/// So many messages are told.
const MOST_MESSAGES: u32 = 1000;

/// And of each so many characters.
const MOST_OF_ONE: usize = 2000;

/// How much was said so far.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    n_messages: AtomicU32,
}

impl Talk {
    pub(crate) fn tell(&self, host: &dyn CallHost, level: Level, text: &str) {
        // It may talk from several threads. Nobody says four thousand million things in one call before it is ended.
        let n_before = self.n_messages.fetch_add(1, Ordering::Relaxed);
        if n_before == MOST_MESSAGES {
            host.log(Level::Warn, &format!("it says more than {MOST_MESSAGES} things; the rest is left out"));
        }
        if n_before < MOST_MESSAGES {
            match text.char_indices().nth(MOST_OF_ONE) {
                None => host.log(level, text),
                Some((end, _)) => host.log(level, &format!("{}…", &text[..end])),
            }
        }
    }
}
