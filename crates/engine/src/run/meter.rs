//! The most memory that the process held while a step ran.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::plan::StepId;

/// Measures the memory of the process; the program's allocator knows.
pub trait MemoryProbe: Send + Sync {
    /// The most bytes held since the last call; the next count starts from what is held now.
    fn take_peak(&self) -> u64;
}

/// Splits the peaks of the process among the steps that run at the same time.
///
/// At each start and end of a step the peak since the last one belongs to every step that was running: a step's figure is what the
/// process needed meanwhile, its neighbours' share included.
pub struct Meter {
    probe: Option<Arc<dyn MemoryProbe>>,
    running: Mutex<HashMap<StepId, u64>>,
}

impl Meter {
    pub fn new(probe: Option<Arc<dyn MemoryProbe>>) -> Meter {
        Meter { probe, running: Mutex::default() }
    }

    pub fn start(&self, step: StepId) {
        self.turn(|running| {
            running.insert(step, 0);
        });
    }

    /// The peak in bytes since the step's start, which goes on.
    pub fn so_far(&self, step: StepId) -> u64 {
        self.turn(|running| running.get(&step).copied()).unwrap_or_default()
    }

    /// The peak in bytes since the step's start; 0 without a probe.
    pub fn end(&self, step: StepId) -> u64 {
        self.turn(|running| running.remove(&step)).unwrap_or_default()
    }

    fn turn<T>(&self, change: impl FnOnce(&mut HashMap<StepId, u64>) -> T) -> T {
        let mut running = self.running.lock().expect("no panic while it is held");
        let peak = self.probe.as_ref().map_or(0, |probe| probe.take_peak());
        running.values_mut().for_each(|most| *most = peak.max(*most));
        change(&mut running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script(Mutex<Vec<u64>>);

    impl MemoryProbe for Script {
        fn take_peak(&self) -> u64 {
            self.0.lock().unwrap().remove(0)
        }
    }

    #[test]
    fn steps_that_run_together_share_a_peak() {
        let probe = Script(Mutex::new(vec![100, 10, 50, 20]));
        let meter = Meter::new(Some(Arc::new(probe)));
        let (a, b) = (StepId::new(0), StepId::new(1));
        meter.start(a);
        meter.start(b);
        assert_eq!(meter.end(a), 50);
        assert_eq!(meter.end(b), 50);
    }
}
