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
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// Fails as if that might pass, some times, then passes its number on.
#[derive(Node)]
#[node(kind = "stub.flaky", version = 1, lane = Net, category = "stub")]
pub struct Flaky {
    /// What comes out in the end.
    pub a: i64,
    /// How often it fails.
    #[param(default = 1)]
    pub times: u64,
    /// A file that grows by a byte with every failure; no part of what is computed.
    pub count: String,
}

impl Run for Flaky {
    type Output = i64;

    fn run(self, _cx: &mut Cx) -> NodeResult<i64> {
        let mut count = std::fs::read(&self.count).unwrap_or_default();
        if count.len() as u64 >= self.times {
            return Ok(self.a);
        }
        count.push(b'.');
        std::fs::write(&self.count, &count)?;
        Err(NodeError::failed(format!("busy, {} of {}", count.len(), self.times)).transient())
    }
}

/// Says `waiting`, and ends when a file is there, whatever else it is asked.
#[derive(Node)]
#[node(kind = "stub.deaf", version = 1, lane = Gpu, category = "stub")]
pub struct Deaf {
    /// What comes out.
    pub a: i64,
    /// The file; no part of what is computed.
    pub until: String,
}

impl Run for Deaf {
    type Output = i64;

    fn run(self, cx: &mut Cx) -> NodeResult<i64> {
        cx.log(Level::Info, "waiting");
        while !std::path::Path::new(&self.until).exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(self.a)
    }
}

/// Counts its calls in this process, and does not say so.
#[derive(Node)]
#[node(kind = "stub.sly", version = 1, lane = Cpu, category = "stub")]
pub struct Sly {
    /// What is passed on beside the count.
    pub a: i64,
}

/// What [`Sly`] makes.
#[derive(Outputs)]
pub struct SlyCount {
    /// The number.
    pub value: i64,
    /// How often it was called.
    pub n: i64,
}

impl Run for Sly {
    type Output = SlyCount;

    fn run(self, _cx: &mut Cx) -> NodeResult<SlyCount> {
        static N_CALLS: AtomicI64 = AtomicI64::new(0);
        Ok(SlyCount { value: self.a, n: N_CALLS.fetch_add(1, Ordering::Relaxed) })
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
