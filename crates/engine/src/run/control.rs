//! The way into a run from outside.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rondel_value::Digest;
use tokio::sync::mpsc::UnboundedSender;

use super::dispatcher::Message;

/// Asks a run to stop; may be used from any thread, before, while and after it runs.
#[derive(Clone, Default)]
pub struct Control(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Nothing more is started.
    is_stopping: AtomicBool,
    /// What runs is to stop as well.
    is_cancelled: AtomicBool,
    /// Nothing more is started for the time being.
    is_paused: AtomicBool,
    /// Somebody looks at previews of what runs.
    is_looked_at: AtomicBool,
    /// To the dispatcher, while it runs. A lock of a moment: nobody holds it while waiting.
    dispatcher: Mutex<Option<UnboundedSender<Message>>>,
}

impl Control {
    /// Stops starting steps and asks running ones to stop; what is done is kept.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::Release);
        self.stop(Message::Cancel);
    }

    /// Makes way for another plan: stops starting steps, and asks those to stop whose recipe is not among `wanted`, the
    /// recipes of the other plan. The others come to their end, for the other plan to find their results.
    pub fn give_way(&self, wanted: HashSet<Digest>) {
        self.stop(Message::GiveWay { wanted });
    }

    /// Starts no more steps for the time being, or goes on; what runs is left alone.
    pub fn pause(&self, is_paused: bool) {
        self.0.is_paused.store(is_paused, Ordering::Release);
        self.send(Message::Paused);
    }

    /// Somebody begins to look at previews, or looks away. A step that asks whether to make them learns of it the next time.
    pub fn look_at_previews(&self, is_looked_at: bool) {
        self.0.is_looked_at.store(is_looked_at, Ordering::Release);
    }

    fn stop(&self, message: Message) {
        self.0.is_stopping.store(true, Ordering::Release);
        self.send(message);
    }

    fn send(&self, message: Message) {
        if let Some(dispatcher) = &*self.0.dispatcher.lock().expect("no panic while it is held") {
            // A run that is over needs no message.
            let _ = dispatcher.send(message);
        }
    }

    /// Whether nothing more is to be started.
    pub fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Acquire)
    }

    /// Whether what runs is to stop, too.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    /// Whether nothing more is to be started for the time being.
    pub fn is_paused(&self) -> bool {
        self.0.is_paused.load(Ordering::Acquire)
    }

    /// Whether somebody looks at previews.
    pub fn is_looked_at(&self) -> bool {
        self.0.is_looked_at.load(Ordering::Acquire)
    }

    pub(super) fn connect(&self, dispatcher: Option<UnboundedSender<Message>>) {
        *self.0.dispatcher.lock().expect("no panic while it is held") = dispatcher;
    }
}
