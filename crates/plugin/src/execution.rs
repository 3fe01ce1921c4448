//! One run of a node: what the plugin sees of it, and what becomes of its answer.
//!
//! The struct lives on the stack of [`NodeKind::run`](crate::NodeKind::run). The plugin gets a [`LiveCall`](crate::live) that
//! leads to it and hands that back with every request, from the thread of the run or from threads that it joins.

#![expect(unsafe_code)]

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rondel_abi::{self as abi, Status, Str, service, status};
use rondel_value::foreign::import_value;
use rondel_value::{Bundle, Conditioning, Image, Kind, Latent, Mask, NodeSpec, OutputSpec, Value, ViewError, coerce};

use crate::call::{CallHost, FailureKind, Level, NodeFailure};
use crate::live;
use crate::services::{checkpoint::CHECKPOINT, hosted::HOSTED, log::LOG, models::MODELS, output::OUTPUT, run::RUN};
use crate::talk::Talk;

/// One run of a node.
pub(crate) struct Execution<'a> {
    spec: &'a NodeSpec,
    pub(crate) host: &'a dyn CallHost,
    talk: Talk,
    /// Nothing runs: the node is only asked what a run would need.
    is_estimate: bool,
    /// A lock, because a node may answer from several of its threads; it is never held while anyone else's code runs.
    answer: Mutex<Answer>,
}

/// What the plugin said so far.
struct Answer {
    /// One for each output port: the value, or why it is none.
    outputs: Vec<Option<Result<Value, String>>>,
    /// A request that makes no sense whatever follows.
    broken: Option<String>,
    /// The input at fault and the reason.
    reason: Option<(Option<usize>, String)>,
    /// A panic of the host, held until the plugin has returned.
    panic: Option<Box<dyn Any + Send>>,
}

impl<'a> Execution<'a> {
    pub(crate) fn new(spec: &'a NodeSpec, host: &'a dyn CallHost) -> Execution<'a> {
        let outputs = spec.outputs.iter().map(|_| None).collect();
        let answer = Mutex::new(Answer { outputs, broken: None, reason: None, panic: None });
        Execution { spec, host, talk: Talk::default(), is_estimate: false, answer }
    }

    /// A question to the node what a run would need; `host` is asked for files of models and nothing else.
    pub(crate) fn estimate(spec: &'a NodeSpec, host: &'a dyn CallHost) -> Execution<'a> {
        Execution { is_estimate: true, ..Execution::new(spec, host) }
    }

    /// Tells words of the plugin.
    pub(crate) fn log(&self, level: Level, text: &str) {
        self.talk.tell(self.host, level, text);
    }

    /// The kind that runs.
    pub(crate) fn kind(&self) -> &str {
        &self.spec.kind
    }

    /// Turns the status, and what was said before it, into outputs or a failure.
    ///
    /// Goes on with the panic of a function of the host, if there was one.
    pub(crate) fn end(self, status: Status) -> Result<Vec<Value>, NodeFailure> {
        let Execution { spec, host, is_estimate, answer, .. } = self;
        let answer = answer.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(panic) = answer.panic {
            resume_unwind(panic);
        }
        let kind = match status {
            status::OK => return outputs(spec, answer, is_estimate),
            status::FAILED => FailureKind::Failed,
            status::INVALID_INPUT => FailureKind::InvalidInput,
            status::TRANSIENT => FailureKind::Transient,
            status::CANCELLED if !host.cancelled() => {
                return misbehaved("it says that it was cancelled, which it was not".to_owned());
            }
            status::CANCELLED => FailureKind::Cancelled,
            status::OUT_OF_MEMORY => FailureKind::OutOfMemory,
            status::UNSUPPORTED => FailureKind::Unsupported,
            status::PANICKED => FailureKind::Panicked,
            status::NEEDS_INPUT => {
                return misbehaved("it waits for an input, and all of them are there".to_owned());
            }
            unknown => return misbehaved(format!("it ended with the unknown status {unknown}")),
        };
        let (input, message) = answer.reason.unwrap_or_default();
        let input = input.and_then(|index| spec.inputs.get(index)).map(|input| input.name.clone());
        let message = match (message.trim(), kind) {
            ("", FailureKind::Cancelled) => "cancelled".to_owned(),
            ("", FailureKind::Panicked) => "it panicked without a message".to_owned(),
            // What it could not hand over is the best that is known of its failure.
            ("", _) => first_problem(answer.broken, &answer.outputs).unwrap_or("it gave no reason".to_owned()),
            (message, _) => message.to_owned(),
        };
        Err(NodeFailure { kind, input, message })
    }

    fn answer(&self) -> MutexGuard<'_, Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request of the plugin; `otherwise` if that panics, or if the run has ended.
    ///
    /// # Safety
    ///
    /// `call` is null, or one that a [`live::LiveCall`] gave out at any time.
    pub(crate) unsafe fn answering<T: Copy>(
        call: *const abi::Call,
        otherwise: T,
        respond: impl FnOnce(&Execution<'_>) -> T,
    ) -> T {
        let respond = |execution: &Execution<'_>| match catch_unwind(AssertUnwindSafe(|| respond(execution))) {
            Ok(answer) => answer,
            Err(panic) => {
                execution.answer().panic.get_or_insert(panic);
                otherwise
            }
        };
        // SAFETY: promised by the caller.
        unsafe { live::with_execution(call, respond) }.unwrap_or(otherwise)
    }
}

/// The functions of a call.
pub(crate) struct Functions {
    pub(crate) set_output: Option<unsafe extern "C" fn(*const abi::Call, u32, *const abi::Value) -> Status>,
    pub(crate) fail: Option<unsafe extern "C" fn(*const abi::Call, i32, Str)>,
    pub(crate) get_extension: Option<unsafe extern "C" fn(*const abi::Call, Str) -> *const c_void>,
}

pub(crate) fn functions() -> Functions {
    Functions { set_output: Some(set_output), fail: Some(fail), get_extension: Some(get_extension) }
}

/// Calls `body`, or answers `otherwise` if it panics: nothing unwinds into a plugin.
pub(crate) fn never_unwinding<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

fn misbehaved<T>(message: String) -> Result<T, NodeFailure> {
    Err(NodeFailure { kind: FailureKind::Misbehaved, input: None, message })
}

fn first_problem(broken: Option<String>, outputs: &[Option<Result<Value, String>>]) -> Option<String> {
    broken.or_else(|| outputs.iter().flatten().find_map(|output| output.as_ref().err().cloned()))
}

/// The outputs of a run, or in an estimate what is known of them.
fn outputs(spec: &NodeSpec, answer: Answer, is_estimate: bool) -> Result<Vec<Value>, NodeFailure> {
    if let Some((_, message)) = answer.reason {
        return misbehaved(format!("it says that it is done, and that it failed: {message}"));
    }
    if let Some(broken) = answer.broken {
        return misbehaved(broken);
    }
    let output = |(port, answer): (&OutputSpec, Option<Result<Value, String>>)| match answer {
        Some(Ok(value)) => Ok(value),
        Some(Err(problem)) => misbehaved(problem),
        None if port.ty.is_optional() || is_estimate => Ok(Value::None),
        None => misbehaved(format!("it did not set its output `{}`", port.name)),
    };
    spec.outputs.iter().zip(answer.outputs).map(output).collect()
}

unsafe extern "C" fn set_output(call: *const abi::Call, port: u32, value: *const abi::Value) -> Status {
    // SAFETY: the plugin passes the call it was given.
    unsafe {
        Execution::answering(call, status::FAILED, |execution| {
            let Some(spec) = execution.spec.outputs.get(port as usize) else {
                let n_outputs = execution.spec.outputs.len();
                let broken =
                    format!("it set output number {port}, and outputs are numbered from 0 to {}", n_outputs - 1);
                execution.answer().broken.get_or_insert(broken);
                return status::INVALID_INPUT;
            };
            // SAFETY: the value is valid during this call, with all that it points at.
            let value = value.as_ref().map(|value| import_value(value));
            let value = match value {
                None => Err("null".to_owned()),
                Some(Err(error)) => Err(error.to_string()),
                Some(Ok(value)) => fitting(&value, spec),
            };
            let value = value.map_err(|problem| format!("its output `{}` is wrong: {problem}", spec.name));
            let status = if value.is_ok() { status::OK } else { status::INVALID_INPUT };
            // What was set before goes only after the lock: letting go of a bundle may run code of the plugin.
            let before = execution.answer().outputs[port as usize].replace(value);
            drop(before);
            status
        })
    }
}

/// Checks what came back from elsewhere as if it had been set here.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "isolation is for Linux"))]
pub(crate) fn check_outputs(spec: &NodeSpec, values: Vec<Value>, is_estimate: bool) -> Result<Vec<Value>, NodeFailure> {
    let mut set: Vec<Option<Result<Value, String>>> = spec.outputs.iter().map(|_| None).collect();
    for ((slot, value), port) in set.iter_mut().zip(values).zip(&spec.outputs) {
        if !matches!(value, Value::None) {
            let fits = fitting(&value, port);
            *slot = Some(fits.map_err(|problem| format!("its output `{}` is wrong: {problem}", port.name)));
        }
    }
    outputs(spec, Answer { outputs: set, broken: None, reason: None, panic: None }, is_estimate)
}

/// The value in the form of the port's type, or why it has none.
fn fitting(value: &Value, port: &OutputSpec) -> Result<Value, String> {
    let value = coerce::to(value, &port.ty).map_err(|error| error.to_string())?;
    check_bundles(&value).map_err(|error| error.to_string())?;
    Ok(value)
}

/// Checks that every bundle holds what its kind promises, so that nobody later meets a picture without pixels.
fn check_bundles(value: &Value) -> Result<(), ViewError> {
    let check = |bundle: &Bundle| match bundle.kind() {
        Kind::Image => Image::try_from(bundle.clone()).map(drop),
        Kind::Mask => Mask::try_from(bundle.clone()).map(drop),
        Kind::Latent => Latent::try_from(bundle.clone()).map(drop),
        Kind::Conditioning => Conditioning::try_from(bundle.clone()).map(drop),
        Kind::Tensor => Ok(()),
    };
    match value {
        Value::Bundle(bundle) => check(bundle),
        Value::List(items) => items.iter().try_for_each(check_bundles),
        _ => Ok(()),
    }
}

unsafe extern "C" fn fail(call: *const abi::Call, input: i32, message: Str) {
    // SAFETY: the plugin passes the call it was given, and a message that is valid during this call.
    unsafe {
        Execution::answering(call, (), |execution| {
            let reason = (usize::try_from(input).ok(), text(message));
            execution.answer().reason = Some(reason);
        });
    }
}

unsafe extern "C" fn get_extension(call: *const abi::Call, id: Str) -> *const c_void {
    // SAFETY: the plugin passes the call it was given, and an id that is valid during this call.
    unsafe {
        Execution::answering(call, std::ptr::null(), |execution| match id.get() {
            Some(service::MODELS) => (&raw const MODELS).cast(),
            _ if execution.is_estimate => std::ptr::null(),
            Some(service::RUN) => (&raw const RUN).cast(),
            Some(service::LOG) => (&raw const LOG).cast(),
            Some(service::OUTPUT) => (&raw const OUTPUT).cast(),
            Some(service::CHECKPOINT) => (&raw const CHECKPOINT).cast(),
            Some(service::HOSTED) => (&raw const HOSTED).cast(),
            _ => std::ptr::null(),
        })
    }
}

/// A copy of a text for people; what is not UTF-8 in it is replaced.
///
/// # Safety
///
/// `text` is valid during this call.
pub(crate) unsafe fn text(text: Str) -> String {
    match text.ptr.is_null() {
        true => String::new(),
        // SAFETY: promised by the caller.
        false => {
            let bytes = unsafe { std::slice::from_raw_parts(text.ptr, text.len as usize) };
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}
