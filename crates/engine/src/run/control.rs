//! The way into a run from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::UnboundedSender;

use super::dispatcher::Message;

/// Asks a run to stop; may be used from any thread, before, while and after it runs.
#[derive(Clone, Default)]
pub struct Control(Arc<Inner>);

#[derive(Default)]
struct Inner {
    is_cancelled: AtomicBool,
    /// To the dispatcher, while it runs. A lock of a moment: nobody holds it while waiting.
    dispatcher: Mutex<Option<UnboundedSender<Message>>>,
}

impl Control {
    /// Stops starting steps and asks running ones to stop; what is done is kept.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::Release);
        if let Some(dispatcher) = &*self.0.dispatcher.lock().expect("no panic while it is held") {
            // A run that is over needs no message.
            let _ = dispatcher.send(Message::Cancel);
        }
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    pub(super) fn connect(&self, dispatcher: Option<UnboundedSender<Message>>) {
        *self.0.dispatcher.lock().expect("no panic while it is held") = dispatcher;
    }
}
