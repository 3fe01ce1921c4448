//! Results by content: memory and disk tiers behind one trait.
//!
//! A step's *recipe key* leads to its *action key*, that to a [`Record`], and the record to blobs:
//!
//! ```text
//! recipe key ──► action key ──► record { outputs: port → digest, cost, parts of the key } ──► blobs
//! ```
//!
//! - [`record`]: what is known of an executed step; [`sealed`]: files that know whether they are whole
//! - [`tier`]: what every place that keeps results can do; [`memory`], [`disk`]: the places
//! - [`remote`]: what a place that several machines share can do beside
//! - [`cache`]: memory over disk over a remote tier, what a run holds
//! - [`checkpoint`]: how far unfinished steps are; [`claim`]: one computation of a step at a time
//! - `size`: how large it is, without counting
//! - [`notice`]: what was found amiss and dealt with
//! - [`upkeep`]: stats, verify, pins, archives of runs, gc, clear
//! - [`conformance`]: the suite that each tier runs

pub mod cache;
pub mod checkpoint;
pub mod claim;
pub mod conformance;
pub mod disk;
pub mod memory;
pub mod notice;
pub mod record;
pub mod remote;
pub mod sealed;
mod size;
pub mod tier;
pub mod upkeep;

pub use cache::{Cache, CacheOptions};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use claim::{Claim, Claimed};
pub use disk::DiskTier;
pub use memory::MemoryTier;
pub use notice::Notice;
pub use record::{Part, Record, Stored, StoredValue};
pub use remote::{Offer, Remote, RemoteCounts};
pub use tier::{CacheError, Tier};
