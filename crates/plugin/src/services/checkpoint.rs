//! `rondel.checkpoint/1`: how far a call is, for the next attempt at it.

#![expect(unsafe_code)]

use rondel_abi as abi;
use rondel_abi::service::CheckpointService;
use rondel_value::foreign::{Share, import_bundle};

use crate::call::Level;
use crate::execution::Execution;

pub(crate) static CHECKPOINT: CheckpointService = CheckpointService {
    struct_size: size_of::<CheckpointService>() as u32,
    reserved: 0,
    put: Some(put),
    latest: Some(latest),
};

unsafe extern "C" fn put(call: *const abi::Call, step: u64, state: *const abi::Bundle) {
    // SAFETY: the plugin passes the call it was given, and a bundle that is alive during this call.
    unsafe {
        Execution::answering(call, (), |execution| match import_bundle(state) {
            Ok(state) => execution.host.put_checkpoint(step, state),
            // The step goes on without; only a later attempt is the poorer.
            Err(error) => execution.host.log(Level::Warn, &format!("a checkpoint is left out: {error}")),
        });
    }
}

unsafe extern "C" fn latest(call: *const abi::Call, step: *mut u64) -> *const abi::Bundle {
    // SAFETY: the plugin passes the call it was given, and null or a place for a number.
    unsafe {
        Execution::answering(call, std::ptr::null(), |execution| {
            let Some((at, state)) = execution.host.latest_checkpoint() else { return std::ptr::null() };
            if let Some(step) = step.as_mut() {
                *step = at;
            }
            // The one share that it is lent with is the caller's.
            Share::lend(&state).into_raw()
        })
    }
}
