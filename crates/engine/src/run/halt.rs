//! How one running step is asked to stop.

use std::sync::atomic::{AtomicU8, Ordering};

const GOES_ON: u8 = 0;
const IS_ASKED: u8 = 1;
const IS_LEFT: u8 = 2;

/// Shared by the dispatcher, which asks, and the thread of the step, which looks.
#[derive(Default)]
pub struct Halt(AtomicU8);

impl Halt {
    /// Asks the step to stop.
    pub fn ask(&self) {
        self.0.fetch_max(IS_ASKED, Ordering::AcqRel);
    }

    /// Gives up on the step: it is over for the run, and what it still says is not heard.
    pub fn leave(&self) {
        self.0.store(IS_LEFT, Ordering::Release);
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire) != GOES_ON
    }

    pub fn is_left(&self) -> bool {
        self.0.load(Ordering::Acquire) == IS_LEFT
    }
}
