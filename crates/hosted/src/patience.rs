//! How often something is tried, and how long one waits in between.

use std::time::Duration;

/// What is waited for, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    pub connect: Duration,
    /// How long a question or a download may be silent before it is asked again. What is paid for has until the deadline.
    pub silence: Duration,
    /// How often a request that is paid for is sent, in all.
    pub submits: u32,
    /// Failures in a row while a job is asked after.
    pub polls: u32,
    /// How often a picture is fetched, in all.
    pub downloads: u32,
    /// The first wait after a failure; twice as long after each further one.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// The longest wait that a provider may ask for.
    pub longest_asked: Duration,
    /// Between two questions after a job, at first and later.
    pub poll_first: Duration,
    pub poll_later: Duration,
    /// For one call, from the first request to the last picture.
    pub deadline: Duration,
    /// A job that is not done by then goes on, and is not called off.
    pub leaves_jobs: bool,
    /// For what is left to do after a cancel.
    pub farewell: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            submits: 3,
            polls: 10,
            downloads: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(20),
            longest_asked: Duration::from_secs(60),
            poll_first: Duration::from_millis(500),
            poll_later: Duration::from_millis(2500),
            deadline: Duration::from_secs(300),
            leaves_jobs: false,
            farewell: Duration::from_secs(5),
        }
    }
}

impl Patience {
    /// The wait after so many failures, from 0, drawn from the whole span so that many clients do not come back at once.
    pub fn wait(&self, failures: u32, draw: u64) -> Duration {
        let most = self.first_wait.saturating_mul(1 << failures.min(16)).min(self.longest_wait);
        most.mul_f64((draw >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// The wait before question number `n` after a job.
    pub fn poll(&self, n: u32) -> Duration {
        self.poll_first.mul_f64(1.0 + f64::from(n) / 8.0).min(self.poll_later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_below_their_limits() {
        let patience = Patience::default();
        assert_eq!(patience.wait(0, u64::MAX).as_secs_f64().round(), 1.0);
        assert_eq!(patience.wait(9, u64::MAX).as_secs_f64().round(), 20.0);
        assert_eq!(patience.wait(9, 0), Duration::ZERO);
        assert_eq!((patience.poll(0), patience.poll(100)), (patience.poll_first, patience.poll_later));
    }
}
