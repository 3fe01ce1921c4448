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
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

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
    /// Read by plugins, at any time. What leads here is written once, before anyone knows of it; the inputs, which a late thread
    /// has no business with, are written between two uses.
    call: UnsafeCell<abi::Call>,
    /// A lock of a moment. It is not held while a request is answered: that may run code of the plugin, which asks again.
    state: Mutex<State>,
    /// Told when nothing is being answered any more.
    answered: Condvar,
}

struct State {
    execution: Option<NonNull<Execution<'static>>>,
    kind: String,
    /// Requests that are being answered; the end waits for them.
    n_answering: usize,
}

// SAFETY: the constants of the cell are written before a slot is shared, and the rest between uses only; the execution is
// shared memory of a type that is `Sync`, and alive while the state names it or something is being answered.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// A slot for the rest of the process, with nobody behind it.
    fn leak() -> &'static Slot {
        let functions = functions();
        let call = abi::Call {
            struct_size: size_of::<abi::Call>() as u32,
            reserved: 0,
            host_data: null_mut(),
            inputs: null(),
            n_inputs: 0,
            set_output: functions.set_output,
            fail: functions.fail,
            get_extension: functions.get_extension,
        };
        let state = Mutex::new(State { execution: None, kind: String::new(), n_answering: 0 });
        let slot: &'static Slot =
            Box::leak(Box::new(Slot { call: UnsafeCell::new(call), state, answered: Condvar::new() }));
        // SAFETY: nobody else knows of the slot yet.
        unsafe { (&raw mut (*slot.call.get()).host_data).write((&raw const *slot).cast_mut().cast()) };
        slot
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        let slot = reused.unwrap_or_else(Slot::leak);
        let call = slot.call.get();
        // SAFETY: the slot was taken out of the queue, so no other call writes to it, and by contract nobody reads its inputs
        // between two runs: not even a late thread, which asks by way of the other fields.
        unsafe {
            (&raw mut (*call).inputs).write(inputs.as_ptr());
            (&raw mut (*call).n_inputs).write(inputs.len() as u64);
        }
        let mut state = slot.state();
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
        let mut state = self.slot.state();
        state.execution = None;
        let is_answering = |state: &mut State| state.n_answering > 0;
        drop(self.slot.answered.wait_while(state, is_answering).unwrap_or_else(PoisonError::into_inner));
        ENDED.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.slot);
    }
}

/// Holds the end of a call until a request is answered, however the answering ends.
struct Answering(&'static Slot);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.n_answering -= 1;
        if state.n_answering == 0 {
            self.0.answered.notify_all();
        }
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
    // SAFETY: calls are never freed, and `host_data` holds their slot before anyone knows of them.
    let slot: &'static Slot = unsafe { (&raw const (*call).host_data).read().cast::<Slot>().as_ref() }?;
    let mut state = slot.state();
    match state.execution {
        Some(execution) => {
            state.n_answering += 1;
            drop(state);
            let _answering = Answering(slot);
            // SAFETY: the execution is alive until the end of its call, which waits for what is being answered.
            Some(respond(unsafe { execution.as_ref() }))
        }
        None => {
            let kind = state.kind.clone();
            drop(state);
            ON_STRAY.get().inspect(|tell| tell(&kind));
            None
        }
    }
}

/// Sets who is told of requests through calls that ended, each time with the kind that the call was of; the first one stays.
///
/// Told on the thread that asks, which is the plugin's.
pub fn tell_of_strays(tell: impl Fn(&str) + Send + Sync + 'static) {
    let _ = ON_STRAY.set(Box::new(tell));
}

#[cfg(test)]
mod tests {
    use rondel_abi::{Str, service, status};
    use rondel_value::NodeSpec;

    use super::*;
    use crate::estimate::OnlyFiles;

    fn spec() -> NodeSpec {
        serde_json::from_str(
            r#"{"kind": "test", "version": 1, "inputs": [], "outputs": [{"name": "n", "type": "Int"}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_call_that_ended_leads_to_nobody() {
        let spec = spec();
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

    #[test]
    fn a_request_within_another_is_answered_while_the_call_waits_for_its_end() {
        let spec = spec();
        let host = OnlyFiles(&|_, _| Ok(Vec::new()));
        let (execution, inputs) = (Execution::new(&spec, &host), LentValues::new(&[]));
        let live = LiveCall::new(&execution, &inputs);
        let (slot, call) = (live.slot, live.as_ptr().addr());
        let call = move || std::ptr::with_exposed_provenance::<abi::Call>(call);
        let (begins, began) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let late = scope.spawn(move || {
                // SAFETY: calls are never freed.
                unsafe {
                    with_execution(call(), |_| {
                        begins.send(()).unwrap();
                        // The end of the call waits from here on.
                        while slot.state().execution.is_some() {
                            std::thread::yield_now();
                        }
                        with_execution(call(), |_| ()).is_none()
                    })
                }
            });
            began.recv().unwrap();
            drop(live);
            assert_eq!(late.join().unwrap(), Some(true));
        });
    }
}
