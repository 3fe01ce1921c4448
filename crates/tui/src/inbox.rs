//! What waits for the screen, in order, and no more of it than anybody would want to see.
//!
//! A screen that is drawn slowly, or not at all while an editor has the terminal, falls behind. What changes the state of a run
//! waits for it, all of it. Of the rest only the newest does: how far a step is and its preview, gauges, the last lines that
//! were said. A channel of the standard library would keep everything.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rondel_event::{StepName, What};

use crate::news::News;
use crate::screen::Incoming;

/// While fewer wait than this, all are kept: they will be seen before the next frame.
const FEW: usize = 64;

/// The most lines that wait; a log that is full drops its first ones, too.
const LINES: usize = 1000;

/// A way into an inbox, from any thread.
pub struct Sender(Arc<Shared>);

/// Where the screen finds what it was sent.
pub struct Inbox(Arc<Shared>);

/// The screen that something was sent to is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the screen is closed")]
pub struct IsClosed;

struct Shared {
    /// A lock of a moment: whoever sends looks for what it replaces, whoever takes takes one.
    waiting: Mutex<Waiting>,
    has_more: Condvar,
}

struct Waiting {
    queue: VecDeque<Incoming>,
    n_lines: usize,
    n_senders: usize,
    is_open: bool,
}

/// An inbox, and the first way into it.
pub fn inbox() -> (Sender, Inbox) {
    let waiting = Waiting { queue: VecDeque::new(), n_lines: 0, n_senders: 1, is_open: true };
    let shared = Arc::new(Shared { waiting: Mutex::new(waiting), has_more: Condvar::new() });
    (Sender(shared.clone()), Inbox(shared))
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no panic while it is held")
    }
}

impl Sender {
    /// Never waits; fails if nobody will look any more.
    pub fn send(&self, incoming: Incoming) -> Result<(), IsClosed> {
        let mut waiting = self.0.waiting();
        if !waiting.is_open {
            return Err(IsClosed);
        }
        waiting.push(incoming);
        drop(waiting);
        self.0.has_more.notify_one();
        Ok(())
    }
}

impl Clone for Sender {
    fn clone(&self) -> Sender {
        self.0.waiting().n_senders += 1;
        Sender(self.0.clone())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.waiting().n_senders -= 1;
        self.0.has_more.notify_one();
    }
}

impl Inbox {
    /// Another way into it.
    pub fn sender(&self) -> Sender {
        self.0.waiting().n_senders += 1;
        Sender(self.0.clone())
    }

    /// Waits for the next, until then if there is a time; none if it is over, or if nobody can send any more.
    pub fn next(&self, until: Option<Instant>) -> Option<Incoming> {
        let mut waiting = self.0.waiting();
        loop {
            if let Some(incoming) = waiting.pop() {
                return Some(incoming);
            }
            if waiting.n_senders == 0 {
                return None;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            waiting = match left {
                Some(Duration::ZERO) => return None,
                Some(left) => self.0.has_more.wait_timeout(waiting, left).expect("no panic while it is held").0,
                None => self.0.has_more.wait(waiting).expect("no panic while it is held"),
            };
        }
    }

    /// One that is there already.
    pub fn try_next(&self) -> Option<Incoming> {
        self.0.waiting().pop()
    }

    /// Whether nobody can send any more, and all that was sent is taken.
    pub fn is_over(&self) -> bool {
        let waiting = self.0.waiting();
        waiting.n_senders == 0 && waiting.queue.is_empty()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.is_open = false;
        waiting.queue.clear();
    }
}

impl Waiting {
    fn push(&mut self, incoming: Incoming) {
        if self.queue.len() >= FEW
            && let Some(kind) = kind(&incoming)
            // The newest of its kind is near the end.
            && let Some(at) = self.queue.iter().rposition(|other| self::kind(other) == Some(kind))
        {
            self.queue.remove(at);
        }
        if is_line(&incoming) {
            if self.n_lines == LINES
                && let Some(first) = self.queue.iter().position(is_line)
            {
                self.queue.remove(first);
                self.n_lines -= 1;
            }
            self.n_lines += 1;
        }
        self.queue.push_back(incoming);
    }

    fn pop(&mut self) -> Option<Incoming> {
        let incoming = self.queue.pop_front()?;
        self.n_lines -= usize::from(is_line(&incoming));
        Some(incoming)
    }
}

/// Of what only the newest counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind<'a> {
    Progress(&'a StepName),
    Preview(&'a StepName),
    Gauges,
    Changed,
}

fn kind(incoming: &Incoming) -> Option<Kind<'_>> {
    match incoming {
        Incoming::News(News::Event(event)) => match &event.what {
            What::StepProgress { step, .. } => Some(Kind::Progress(step)),
            What::StepPreview { step, .. } => Some(Kind::Preview(step)),
            _ => None,
        },
        Incoming::News(News::Resources { .. }) => Some(Kind::Gauges),
        Incoming::News(News::Changed(_)) => Some(Kind::Changed),
        _ => None,
    }
}

fn is_line(incoming: &Incoming) -> bool {
    match incoming {
        Incoming::News(News::Said(_)) => true,
        Incoming::News(News::Event(event)) => matches!(event.what, What::Log { .. }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rondel_event::{Event, How};

    use super::*;

    fn event(what: What) -> Incoming {
        Incoming::News(News::Event(Box::new(Event { seq: 0, at_ms: 0.0, run: "r".into(), what })))
    }

    fn progress(step: &str, done: u64) -> Incoming {
        event(What::StepProgress { step: step.into(), done, total: 100_000, note: String::new() })
    }

    /// All that waits, as short text.
    fn waiting(inbox: &Inbox) -> Vec<String> {
        std::iter::from_fn(|| inbox.try_next())
            .map(|incoming| match incoming {
                Incoming::News(News::Event(event)) => match event.what {
                    What::StepProgress { step, done, .. } => format!("{step} {done}"),
                    What::StepFinished { step, .. } => format!("{step} finished"),
                    other => format!("{other:?}"),
                },
                Incoming::News(News::Said(text)) => text,
                _ => "other".to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_screen_that_falls_behind_finds_all_that_is_done_and_the_newest_of_the_rest() {
        let (sender, inbox) = inbox();
        for done in 0..50_000 {
            sender.send(progress("latent", done)).unwrap();
            if done % 1000 == 0 {
                let outputs = Vec::new();
                let step = format!("s{done}").as_str().into();
                sender
                    .send(event(What::StepFinished {
                        step,
                        how: How::Ran,
                        action: None,
                        outputs,
                        ms: 0.0,
                        peak_bytes: 0,
                    }))
                    .unwrap();
            }
            sender.send(Incoming::News(News::Said(format!("line {done}")))).unwrap();
        }
        let found = waiting(&inbox);
        assert_eq!(found.iter().filter(|text| text.ends_with("finished")).count(), 50);
        assert_eq!(found.iter().filter(|text| text.starts_with("line")).count(), LINES);
        assert_eq!(found.last().unwrap(), "line 49999");
        assert!(found.contains(&"latent 49999".to_owned()));
        assert!(found.len() < LINES + 50 + FEW, "{}", found.len());
    }

    #[test]
    fn what_is_taken_at_once_is_taken_whole() {
        let (sender, inbox) = inbox();
        for done in 0..3 {
            sender.send(progress("latent", done)).unwrap();
        }
        assert_eq!(waiting(&inbox), ["latent 0", "latent 1", "latent 2"]);
    }

    #[test]
    fn whoever_is_gone_is_missed_on_the_other_side() {
        let (sender, waits) = inbox();
        drop(sender.clone());
        assert!(!waits.is_over());
        sender.send(progress("latent", 1)).unwrap();
        drop(sender);
        assert!(waits.next(None).is_some());
        assert!(waits.next(None).is_none() && waits.is_over());
        let (sender, waits) = inbox();
        drop(waits);
        assert_eq!(sender.send(progress("latent", 1)), Err(IsClosed));
    }
}
