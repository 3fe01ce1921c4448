//! Which calls are alive, so that one that comes late finds nobody instead of memory that is someone else's by now.
//!
//! A plugin holds a pointer to its `rondel_call` and gives it back with every request. By contract that ends when `run`
//! returns; a thread that was not joined may not know. So the structs are never freed: they are used again, but only after
//! [`QUARANTINE`] others have ended, and in between a request through one of them is answered as if the host had nothing to
//! say. What a late thread reads through `inputs` cannot be fenced in this way.

#![expect(unsafe_code)]

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::ptr::{NonNull, null, null_mut};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use rondel_abi as abi;
use rondel_value::foreign::LentValues;

use crate::execution::{Execution, functions};

/// So many calls end before a struct is used again.
const QUARANTINE: usize = 1024;

/// Those that ended, the longest ended first. A lock of a moment.
static ENDED: Mutex<VecDeque<&'static Slot>> = Mutex::new(VecDeque::new());

/// Told when a request comes through a call that ended, with the kind that it was of.
static ON_STRAY: OnceLock<Tell> = OnceLock::new();

type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// What stays of a call.
struct Slot {
    /// Written while nobody may know of it, and read by plugins.
    call: UnsafeCell<abi::Call>,
    /// Read while a request is answered, written at the beginning and the end: the end waits for what is being answered.
    state: RwLock<State>,
}

struct State {
    execution: Option<NonNull<Execution<'static>>>,
    kind: String,
}

// SAFETY: the cell is written between uses only; the execution is shared memory of a type that is `Sync`, and alive while
// the state names it.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

/// A call that a plugin may use until this is dropped.
pub(crate) struct LiveCall<'a> {
    slot: &'static Slot,
    _inputs: &'a LentValues<'a>,
}

impl<'a> LiveCall<'a> {
    pub(crate) fn new(execution: &'a Execution<'a>, inputs: &'a LentValues<'a>) -> LiveCall<'a> {
        let mut ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = if ended.len() >= QUARANTINE { ended.pop_front() } else { None };
        drop(ended);
        let slot = reused.unwrap_or_else(|| {
            let (call, state) =
                (UnsafeCell::new(nobody()), RwLock::new(State { execution: None, kind: String::new() }));
            Box::leak(Box::new(Slot { call, state }))
        });
        let functions = functions();
        let call = slot.call.get();
        // SAFETY: the slot was taken out of the queue, so no other call writes to it. A late thread of a call that ended long
        // ago reads `host_data` alone, which always holds the same.
        unsafe {
            (&raw mut (*call).host_data).write((&raw const *slot).cast_mut().cast());
            (&raw mut (*call).inputs).write(inputs.as_ptr());
            (&raw mut (*call).n_inputs).write(inputs.len() as u64);
            (&raw mut (*call).set_output).write(functions.set_output);
            (&raw mut (*call).fail).write(functions.fail);
            (&raw mut (*call).get_extension).write(functions.get_extension);
        }
        let mut state = slot.state.write().unwrap_or_else(PoisonError::into_inner);
        execution.kind().clone_into(&mut state.kind);
        state.execution = Some(NonNull::from(execution).cast());
        drop(state);
        LiveCall { slot, _inputs: inputs }
    }

    pub(crate) fn as_ptr(&self) -> *const abi::Call {
        self.slot.call.get()
    }
}

impl Drop for LiveCall<'_> {
    fn drop(&mut self) {
        self.slot.state.write().unwrap_or_else(PoisonError::into_inner).execution = None;
        ENDED.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.slot);
    }
}

/// Lets `respond` see the execution of a call, or gives nothing if it has ended.
///
/// # Safety
///
/// `call` is null, or one that a [`LiveCall`] gave out at any time.
pub(crate) unsafe fn with_execution<T>(call: *const abi::Call, respond: impl FnOnce(&Execution<'_>) -> T) -> Option<T> {
    if call.is_null() {
        return None;
    }
    // SAFETY: calls are never freed, and `host_data` holds their slot from the first use on.
    let slot = unsafe { (&raw const (*call).host_data).read().cast::<Slot>().as_ref() }?;
    let state = slot.state.read().unwrap_or_else(PoisonError::into_inner);
    match state.execution {
        // SAFETY: the execution is alive while the state names it, and the state is held.
        Some(execution) => Some(respond(unsafe { execution.as_ref() })),
        None => {
            ON_STRAY.get().inspect(|tell| tell(&state.kind));
            None
        }
    }
}

/// Sets who is told of requests through calls that ended; the first one stays.
#[cfg(target_os = "linux")]
pub(crate) fn tell_of_strays(tell: impl Fn(&str) + Send + Sync + 'static) {
    let _ = ON_STRAY.set(Box::new(tell));
}

/// A call with nobody behind it.
fn nobody() -> abi::Call {
    abi::Call {
        struct_size: size_of::<abi::Call>() as u32,
        reserved: 0,
        host_data: null_mut(),
        inputs: null(),
        n_inputs: 0,
        set_output: None,
        fail: None,
        get_extension: None,
    }
}

#[cfg(test)]
mod tests {
    use rondel_abi::{Str, service, status};
    use rondel_value::NodeSpec;

    use super::*;
    use crate::estimate::OnlyFiles;

    #[test]
    fn a_call_that_ended_leads_to_nobody() {
        let spec: NodeSpec = serde_json::from_str(
            r#"{"kind": "test", "version": 1, "inputs": [], "outputs": [{"name": "n", "type": "Int"}]}"#,
        )
        .unwrap();
        let host = OnlyFiles(&|_, _| Ok(Vec::new()));
        let (execution, inputs) = (Execution::new(&spec, &host), LentValues::new(&[]));
        let live = LiveCall::new(&execution, &inputs);
        let call = live.as_ptr();
        // SAFETY: calls are never freed; the value is valid while it is read.
        let (is_offered, set) = unsafe {
            let value = abi::Value { tag: rondel_abi::tag::INT, reserved: 0, payload: abi::Payload { i: 7 } };
            let offered = || !(*call).get_extension.unwrap()(call, Str::new(service::RUN)).is_null();
            let set = || (*call).set_output.unwrap()(call, 0, &value);
            let before = (offered(), set());
            drop(live);
            ([before.0, offered()], [before.1, set()])
        };
        assert_eq!((is_offered, set), ([true, false], [status::OK, status::FAILED]));
    }
}
