//! Which blocks stay in memory, and the reading of the others, one ahead of their use.
//!
//! With memory for all of them, every block is read once. With less, the first ones stay, and each of the others is
//! read from its file while the one before it computes, and let go after its turn. What is computed is the same: the
//! same code reads the same bytes.

use std::ops::ControlFlow;
use std::thread::{Scope, ScopedJoinHandle};

use crate::layers::Linear;
use crate::{LoadError, Result};

/// Something whose large weights can be read and let go.
pub(super) trait Weighted: Sync {
    fn linears(&self) -> Vec<&Linear>;

    /// Reads what is not in memory.
    fn load(&self) -> Result<()> {
        self.linears().into_iter().try_for_each(|linear| linear.load_weight().map(drop))
    }

    /// Lets go of what was read.
    fn release(&self) {
        self.linears().into_iter().for_each(Linear::release_weight);
    }

    /// The bytes of memory that the weights take.
    fn resident_bytes(&self) -> u64 {
        self.linears().into_iter().map(Linear::resident_bytes).sum()
    }
}

/// How many blocks, from the first, stay in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Residence {
    pub n_kept: usize,
    /// The most bytes that are in memory at once, those outside of the blocks included.
    pub peak_bytes: u64,
}

impl Residence {
    /// Finds what fits into a budget.
    ///
    /// `outside_bytes` are those of weights that always stay. Fails if not even two blocks beside them fit: the one
    /// that computes and the next.
    pub fn within(budget_bytes: Option<u64>, outside_bytes: u64, blocks: &[u64]) -> Result<Self, LoadError> {
        let total_bytes = outside_bytes + blocks.iter().sum::<u64>();
        let all = Self { n_kept: blocks.len(), peak_bytes: total_bytes };
        let Some(budget_bytes) = budget_bytes.filter(|budget| *budget < total_bytes) else { return Ok(all) };
        let pairs = blocks.windows(2).map(|pair| pair[0] + pair[1]);
        let moving_bytes = pairs.max().or(blocks.first().copied()).unwrap_or(0);
        let least_bytes = outside_bytes + moving_bytes;
        if least_bytes > budget_bytes {
            return Err(LoadError::OverBudget { total_bytes, least_bytes, budget_bytes });
        }
        let (mut n_kept, mut peak_bytes) = (0, least_bytes);
        for bytes in blocks {
            if peak_bytes + bytes > budget_bytes {
                break;
            }
            n_kept += 1;
            peak_bytes += bytes;
        }
        Ok(Self { n_kept, peak_bytes })
    }
}

/// One pass over all blocks, in which the next one is read while one computes.
pub(super) struct Turns<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    blocks: Vec<&'env dyn Weighted>,
    n_kept: usize,
    next: Option<ScopedJoinHandle<'scope, Result<()>>>,
    go_on: &'env dyn Fn() -> ControlFlow<()>,
}

impl<'scope, 'env: 'scope> Turns<'scope, 'env> {
    /// `go_on` is asked before each block whether it is still wanted.
    pub fn new(
        scope: &'scope Scope<'scope, 'env>,
        blocks: Vec<&'env dyn Weighted>,
        residence: Residence,
        go_on: &'env dyn Fn() -> ControlFlow<()>,
    ) -> Self {
        Self { scope, blocks, n_kept: residence.n_kept, next: None, go_on }
    }

    /// Waits until block `idx` is in memory and begins to read the one after it; fails if the pass is not wanted any more.
    pub fn begin(&mut self, idx: usize) -> Result<()> {
        if (self.go_on)().is_break() {
            return Err(candle_core::Error::msg("the pass was cancelled"));
        }
        match self.next.take() {
            Some(reading) => reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?,
            None => self.blocks[idx].load()?,
        }
        // What stays is read at its first use; a thread for each pass would be in vain.
        self.next = (idx + 1..self.blocks.len()).next().filter(|next| *next >= self.n_kept).map(|next| {
            let block = self.blocks[next];
            self.scope.spawn(move || block.load())
        });
        Ok(())
    }

    /// Lets go of block `idx` unless it stays.
    pub fn end(&self, idx: usize) {
        if idx >= self.n_kept {
            self.blocks[idx].release();
        }
    }
}

impl Drop for Turns<'_, '_> {
    /// Lets go of what does not stay, also after a pass that ended early.
    fn drop(&mut self) {
        if let Some(reading) = self.next.take() {
            // What went wrong there is told by the pass that needs the block.
            let _ = reading.join();
        }
        self.blocks.iter().skip(self.n_kept).for_each(|block| block.release());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn with_enough_memory_everything_stays() {
        let all = Residence { n_kept: 3, peak_bytes: 40 };
        assert_eq!(Residence::within(None, 10, &[10, 10, 10]).unwrap(), all);
        assert_eq!(Residence::within(Some(40), 10, &[10, 10, 10]).unwrap(), all);
    }

    #[test]
    fn with_less_the_first_blocks_stay_beside_two_that_move() {
        let found = Residence::within(Some(45), 10, &[10, 10, 5, 5, 20]).unwrap();
        assert_eq!(found, Residence { n_kept: 1, peak_bytes: 45 });
    }

    #[test]
    fn with_too_little_the_sum_is_told() {
        let refused = Residence::within(Some(29), 10, &[10, 10, 10]).unwrap_err();
        let LoadError::OverBudget { total_bytes, least_bytes, budget_bytes } = refused else { panic!("{refused}") };
        assert_eq!((total_bytes, least_bytes, budget_bytes), (40, 30, 29));
    }

    /// Notes what happens to it.
    struct Noting<'a>(usize, &'a Mutex<Vec<String>>);

    impl Weighted for Noting<'_> {
        fn linears(&self) -> Vec<&Linear> {
            Vec::new()
        }

        fn load(&self) -> Result<()> {
            self.1.lock().unwrap().push(format!("load {}", self.0));
            Ok(())
        }

        fn release(&self) {
            self.1.lock().unwrap().push(format!("release {}", self.0));
        }
    }

    #[test]
    fn a_block_is_read_before_its_turn_and_let_go_after_it() {
        let notes = Mutex::default();
        let blocks = [0, 1, 2].map(|idx| Noting(idx, &notes));
        let residence = Residence { n_kept: 1, peak_bytes: 3 };
        std::thread::scope(|scope| {
            let weighted = blocks.iter().map(|block| block as &dyn Weighted).collect();
            let mut turns = Turns::new(scope, weighted, residence, &|| ControlFlow::Continue(()));
            for idx in 0..3 {
                turns.begin(idx).unwrap();
                turns.end(idx);
            }
        });
        let notes = notes.into_inner().unwrap();
        let place = |note: &str| notes.iter().position(|found| found == note);
        assert!(!notes.contains(&"release 0".to_owned()));
        assert!(place("load 1") < place("release 1") && place("load 2") < place("release 2"));
        // Both that moved are let go once more at the end, in case the pass ended early.
        assert_eq!(notes.len(), 7);
    }
}
