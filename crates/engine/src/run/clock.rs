//! What a run waits by: the time of day's even pace, or a hand.
//!
//! Time limits and the waits between attempts are measured by it. In tests it is moved by hand, so that they take no time
//! and always come to the same.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Says how late it is, and waits until it is later.
#[derive(Clone)]
pub struct Clock(Pace);

#[derive(Clone)]
enum Pace {
    Steady(Instant),
    ByHand(watch::Sender<Duration>),
}

impl Clock {
    /// One that goes by itself, from now on.
    pub fn steady() -> Clock {
        Clock(Pace::Steady(Instant::now()))
    }

    /// One that stands still but for [`Clock::advance`].
    pub fn by_hand() -> Clock {
        Clock(Pace::ByHand(watch::Sender::new(Duration::ZERO)))
    }

    /// Moves a clock that stands still; one that goes by itself takes no notice.
    pub fn advance(&self, by: Duration) {
        if let Pace::ByHand(now) = &self.0 {
            now.send_modify(|now| *now += by);
        }
    }

    /// The time since the clock was made.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Pace::Steady(began) => began.elapsed(),
            Pace::ByHand(now) => *now.borrow(),
        }
    }

    /// Waits until it is so late.
    pub(super) async fn until(&self, due: Duration) {
        match &self.0 {
            Pace::Steady(began) => tokio::time::sleep_until((*began + due).into()).await,
            Pace::ByHand(now) => {
                // The sender is held right here, so the channel is never closed.
                let _ = now.subscribe().wait_for(|now| *now >= due).await;
            }
        }
    }
}
