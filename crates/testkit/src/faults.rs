//! Kinds that do not do what one hopes for.

use std::sync::atomic::{AtomicI64, Ordering};

use rondel_sdk::prelude::*;

/// Fails.
#[derive(Node)]
#[node(kind = "stub.fail", version = 1, lane = Cpu, category = "stub")]
pub struct Fail {
    /// Anything.
    #[param(default = 0)]
    pub a: i64,
    /// What it says.
    #[param(default = "as asked")]
    pub message: String,
    /// Whether `a` is at fault.
    #[param(default = false)]
    pub blame: bool,
}

impl Run for Fail {
    type Output = i64;

    fn run(self, _cx: &mut Cx) -> NodeResult<i64> {
        match self.blame {
            true => Err(NodeError::input("a", self.message)),
            false => Err(NodeError::failed(self.message)),
        }
    }
}

/// Panics.
#[derive(Node)]
#[node(kind = "stub.panic", version = 1, lane = Cpu, category = "stub")]
pub struct Panic {
    /// Anything.
    #[param(default = 0)]
    pub a: i64,
}

impl Run for Panic {
    type Output = i64;

    fn run(self, _cx: &mut Cx) -> NodeResult<i64> {
        panic!("{} is too much", self.a)
    }
}

/// Notes `waiting` beside its progress, and ends when the run is cancelled.
#[derive(Node)]
#[node(kind = "stub.until_cancelled", version = 1, lane = Cpu, category = "stub")]
pub struct UntilCancelled {
    /// Anything.
    #[param(default = 0)]
    pub a: i64,
}

impl Run for UntilCancelled {
    type Output = i64;

    fn run(self, cx: &mut Cx) -> NodeResult<i64> {
        cx.note("waiting")?;
        loop {
            cx.check()?;
            std::thread::yield_now();
        }
    }
}

/// Counts its calls in this process.
#[derive(Node)]
#[node(kind = "stub.impure", version = 1, lane = Cpu, category = "stub", impure)]
pub struct Impure {}

impl Run for Impure {
    type Output = i64;

    fn run(self, _cx: &mut Cx) -> NodeResult<i64> {
        static N_CALLS: AtomicI64 = AtomicI64::new(0);
        Ok(N_CALLS.fetch_add(1, Ordering::Relaxed))
    }
}
