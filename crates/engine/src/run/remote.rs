//! The remote tier in a run: what is told of it, and the wait for what is on its way there.

use std::time::Duration;

use rondel_cache::{Cache, RemoteCounts};
use rondel_event::{Level, RemoteUse, What};

use super::Control;
use super::emitter::Emitter;
use crate::plan::Plan;

/// How long a run waits at its end for results to go up.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// Tells of what went wrong with the remote tier since this was last called.
pub fn tell(cache: &Cache, emitter: &mut Emitter<'_>) {
    for trouble in cache.take_remote_troubles() {
        emitter.log(None, Level::Warn, format!("the remote tier {trouble}"));
    }
}

/// Waits for what is on its way to the remote tier, but not in a run that was told to stop, and tells what the tier did.
pub fn end(plan: &Plan, cache: &Cache, control: &Control, emitter: &mut Emitter<'_>) {
    cache.drain(DRAIN_LIMIT, &|| !control.is_stopping());
    tell(cache, emitter);
    if let Some(counts) = cache.remote_counts() {
        // The process may have made other runs before.
        let counts = counts.since(plan.remote_before.get().unwrap_or(&RemoteCounts::default()));
        emitter.emit(What::RemoteUsed(RemoteUse {
            n_found: counts.n_found,
            n_blobs: counts.n_blobs,
            blob_bytes: counts.blob_bytes,
            n_put: counts.n_put,
            put_bytes: counts.put_bytes,
            n_left: counts.n_left(),
            n_failed: counts.n_failed,
        }));
    }
}
