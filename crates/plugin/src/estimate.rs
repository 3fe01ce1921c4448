//! What a run of a kind would need, asked before anything is loaded: `rondel.cost/1`.
//!
//! The plugin sees a call as for a run, with a host that knows the files of models and nothing else. It answers with a
//! [`Cost`] in JSON, and may set outputs to stand-ins: values of the right shape whose content means nothing, from which the
//! steps that take them can tell what *they* will need.

#![expect(unsafe_code)]

use std::ffi::c_void;
use std::path::PathBuf;
use std::ptr::NonNull;

use rondel_abi::service::{self, CostDef, TextSink};
use rondel_abi::{self as abi, Status, Str};
use rondel_value::foreign::LentValues;
use rondel_value::{Cost, ModelRef, NodeSpec, Value};

use crate::call::{CallHost, FailureKind, Level, NodeFailure};
use crate::execution::{Execution, never_unwinding, text};
use crate::live::LiveCall;

/// Finds the files of one part of a model, or says why there are none.
pub type FindPart<'a> = &'a (dyn Fn(&ModelRef, &str) -> Result<Vec<PathBuf>, String> + Sync);

/// What a run would need, and what is known of what it would make.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    pub cost: Cost,
    /// One for each output: a stand-in of its shape, or nothing.
    pub outputs: Vec<Value>,
}

/// The function of a node that estimates.
pub(crate) type CostFunction =
    unsafe extern "C" fn(*const abi::Node, *const abi::Call, TextSink, *mut c_void) -> Status;

/// The cost function of a node, if it offers one.
///
/// # Safety
///
/// `node` is valid and keeps the contract of `rondel.h`.
pub(crate) unsafe fn cost_function(node: NonNull<abi::Node>) -> Option<CostFunction> {
    // SAFETY: promised by the caller; what comes back is null or a `rondel_cost` that lives as long as the node, and its
    // size, which stands first, says whether the function is there.
    unsafe {
        let get = node.as_ref().get_extension?;
        let offered: *const CostDef = get(node.as_ptr(), Str::new(service::COST)).cast();
        let has_cost = offered.as_ref().is_some_and(|def| def.struct_size as usize >= size_of::<CostDef>());
        if has_cost { (*offered).cost } else { None }
    }
}

/// Asks a node what a run with these inputs would need; `None` if it cannot say.
///
/// # Safety
///
/// `node` is valid, `cost` is its function, and both keep the contract of `rondel.h`.
pub(crate) unsafe fn estimate(
    spec: &NodeSpec,
    (node, cost): (NonNull<abi::Node>, CostFunction),
    inputs: &[Value],
    find_part: FindPart<'_>,
) -> Result<Option<Estimate>, NodeFailure> {
    unsafe extern "C" fn hear(data: *mut c_void, words: Str) {
        // SAFETY: `data` is the list below, which outlives the call; the text is valid while this function runs.
        never_unwinding((), || unsafe { (*data.cast::<Vec<String>>()).push(text(words)) });
    }
    let mut heard: Vec<String> = Vec::new();
    let (lent, host) = (LentValues::new(inputs), OnlyFiles(find_part));
    let execution = Execution::estimate(spec, &host);
    let live = LiveCall::new(&execution, &lent);
    // SAFETY: promised by the caller; call, execution, inputs and list live until the function has returned.
    let status = unsafe { cost(node.as_ptr(), live.as_ptr(), hear, (&raw mut heard).cast()) };
    drop(live);
    let outputs = execution.end(status)?;
    let Some(json) = heard.pop() else { return Ok(None) };
    match serde_json::from_str(&json) {
        Ok(cost) => Ok(Some(Estimate { cost, outputs })),
        Err(error) => {
            let message = format!("what it says of its cost cannot be read: {error}");
            Err(NodeFailure { kind: FailureKind::Misbehaved, input: None, message })
        }
    }
}

/// The host of a call that is no run.
pub(crate) struct OnlyFiles<'a>(pub(crate) FindPart<'a>);

impl CallHost for OnlyFiles<'_> {
    fn model_part(&self, model: &ModelRef, part: &str) -> Result<Vec<PathBuf>, String> {
        (self.0)(model, part)
    }

    // None of the following can be reached: an estimate offers no service that would.

    fn cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _done: u64, _total: u64, _note: &str) {}

    fn log(&self, _level: Level, _text: &str) {}

    fn output_folder(&self) -> PathBuf {
        PathBuf::new()
    }

    fn provenance(&self) -> String {
        String::new()
    }
}
