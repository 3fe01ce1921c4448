//! One call of the host: its inputs, its outputs, and the services it lends.

#![expect(unsafe_code)]

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;

use rondel_abi::service::{
    self, CheckpointService, HostedService, LogService, ModelsService, OutputService, RunService,
};
use rondel_abi::{self as abi, Status, Str, status};
use rondel_value::foreign::{ImportError, LentValues, Share, import_bundle, import_values};
use rondel_value::{Bundle, Value};

use crate::host::{collect, offered};

/// A call in progress; dead when `run` returns, hence the lifetime.
#[derive(Clone, Copy)]
pub struct Call<'call> {
    raw: NonNull<abi::Call>,
    _lent: PhantomData<&'call abi::Call>,
}

impl<'call> Call<'call> {
    /// # Safety
    ///
    /// `call` is null, or a call that keeps the contract of `rondel.h` during `'call`.
    pub(crate) unsafe fn new(call: *const abi::Call) -> Option<Call<'call>> {
        NonNull::new(call.cast_mut()).map(|raw| Call { raw, _lent: PhantomData })
    }

    pub(crate) fn inputs(self) -> Result<Vec<Value>, ImportError> {
        // SAFETY: the call is live, and so is what it lends.
        unsafe {
            let call = self.raw.as_ref();
            import_values(call.inputs, call.n_inputs)
        }
    }

    /// Hands the outputs over, in order. On failure, the port that the host refused.
    pub(crate) fn set_outputs(self, values: &[Value]) -> Result<(), usize> {
        let set = |port: usize| self.set_output(port, &values[port]).ok_or(port);
        (0..values.len()).try_for_each(set)
    }

    /// Hands one output over; `None` if the host refused it.
    pub(crate) fn set_output(self, port: usize, value: &Value) -> Option<()> {
        let set = offered!(self.raw.as_ptr(), abi::Call, set_output)?;
        let lent = LentValues::new(std::slice::from_ref(value));
        // SAFETY: call and value are live; the host copies text and retains bundles.
        let status = unsafe { set(self.raw.as_ptr(), port as u32, lent.as_ptr()) };
        (status == status::OK).then_some(())
    }

    /// Says why the call fails. `input` is the index of the one at fault.
    pub(crate) fn fail(self, input: Option<usize>, message: &str) {
        if let Some(fail) = offered!(self.raw.as_ptr(), abi::Call, fail) {
            let input = input.map_or(-1, |index| index as i32);
            // SAFETY: the call is live; the host copies the message.
            unsafe { fail(self.raw.as_ptr(), input, Str::new(message)) }
        }
    }

    fn service<T>(self, id: &str) -> Option<NonNull<T>> {
        let get = offered!(self.raw.as_ptr(), abi::Call, get_extension)?;
        // SAFETY: the call is live; each caller names the struct that belongs to the id.
        let service: *const c_void = unsafe { get(self.raw.as_ptr(), Str::new(id)) };
        NonNull::new(service.cast_mut().cast())
    }

    pub(crate) fn cancelled(self) -> bool {
        self.service::<RunService>(service::RUN)
            .and_then(|run| offered!(run.as_ptr(), RunService, cancelled))
            // SAFETY: the call is live.
            .is_some_and(|cancelled| unsafe { cancelled(self.raw.as_ptr()) })
    }

    pub(crate) fn progress(self, done: u64, total: u64, note: &str) {
        let run = self.service::<RunService>(service::RUN);
        if let Some(progress) = run.and_then(|run| offered!(run.as_ptr(), RunService, progress)) {
            // SAFETY: the call is live; the host copies the note.
            unsafe { progress(self.raw.as_ptr(), done, total, Str::new(note)) }
        }
    }

    pub(crate) fn preview(self, image: &Bundle) {
        let run = self.service::<RunService>(service::RUN);
        if let Some(preview) = run.and_then(|run| offered!(run.as_ptr(), RunService, preview)) {
            let share = Share::lend(image);
            // SAFETY: the call is live; the host retains the bundle if it wants to keep it.
            unsafe { preview(self.raw.as_ptr(), share.as_ptr()) }
        }
    }

    /// Not wanted where a host does not say.
    pub(crate) fn preview_wanted(self) -> bool {
        let run = self.service::<RunService>(service::RUN);
        let wanted = run.and_then(|run| offered!(run.as_ptr(), RunService, preview_wanted));
        // SAFETY: the call is live.
        wanted.is_some_and(|wanted| unsafe { wanted(self.raw.as_ptr()) })
    }

    pub(crate) fn put_checkpoint(self, step: u64, state: &Bundle) {
        let checkpoint = self.service::<CheckpointService>(service::CHECKPOINT);
        if let Some(put) = checkpoint.and_then(|it| offered!(it.as_ptr(), CheckpointService, put)) {
            let share = Share::lend(state);
            // SAFETY: the call is live; the host copies or retains the bundle.
            unsafe { put(self.raw.as_ptr(), step, share.as_ptr()) }
        }
    }

    /// What an earlier call kept; nothing without the service, or if it is no bundle.
    pub(crate) fn latest_checkpoint(self) -> Option<(u64, Bundle)> {
        let checkpoint = self.service::<CheckpointService>(service::CHECKPOINT)?;
        let latest = offered!(checkpoint.as_ptr(), CheckpointService, latest)?;
        let mut step = 0;
        // SAFETY: the call is live; what comes back is null or a bundle that is counted once for us.
        let share = unsafe { Share::counted(latest(self.raw.as_ptr(), &mut step)) }?;
        // SAFETY: the share keeps the bundle alive during this call; what outlives it has a share of its own.
        let state = unsafe { import_bundle(share.as_ptr()) }.ok()?;
        Some((step, state))
    }

    pub(crate) fn log(self, level: u32, text: &str) {
        let log = self.service::<LogService>(service::LOG);
        if let Some(log) = log.and_then(|log| offered!(log.as_ptr(), LogService, log)) {
            // SAFETY: the call is live; the host copies the text.
            unsafe { log(self.raw.as_ptr(), level, Str::new(text)) }
        }
    }

    /// The files of one part of a model; on failure the status and the host's reason. `None` without the service.
    pub(crate) fn model_part(self, model: &str, part: &str) -> Option<Result<Vec<String>, (Status, String)>> {
        let models = self.service::<ModelsService>(service::MODELS)?;
        let ask = offered!(models.as_ptr(), ModelsService, part)?;
        let mut status = status::OK;
        let texts = collect(|sink, data| {
            // SAFETY: the call is live; the sink is called before this returns.
            status = unsafe { ask(self.raw.as_ptr(), Str::new(model), Str::new(part), sink, data) };
        });
        Some(if status == status::OK { Ok(texts) } else { Err((status, texts.join("; "))) })
    }

    /// Pictures from a hosted model and the details in JSON; on failure the status and the host's reason. `None` without the
    /// service.
    pub(crate) fn paint(self, request: &str, references: &[Value]) -> Option<Result<Heard, (Status, String)>> {
        let hosted = self.service::<HostedService>(service::HOSTED)?;
        let paint = offered!(hosted.as_ptr(), HostedService, paint)?;
        let lent = LentValues::new(references);
        let mut heard = Heard::default();
        let data = (&raw mut heard).cast();
        // SAFETY: call, request and references are live; the sinks are called before this returns.
        let status = unsafe {
            paint(self.raw.as_ptr(), Str::new(request), lent.as_ptr(), lent.len() as u64, hear_picture, hear_text, data)
        };
        Some(if status == status::OK { Ok(heard) } else { Err((status, heard.text)) })
    }

    /// Where relative output paths start. `None` without the service.
    pub(crate) fn output_folder(self) -> Option<String> {
        let output = self.service::<OutputService>(service::OUTPUT)?;
        let folder = offered!(output.as_ptr(), OutputService, folder)?;
        // SAFETY: the call is live; the sink is called before this returns.
        collect(|sink, data| unsafe { folder(self.raw.as_ptr(), sink, data) }).pop()
    }

    /// What a written file may say of its run, as JSON. `None` without the service.
    pub(crate) fn provenance(self) -> Option<String> {
        let output = self.service::<OutputService>(service::OUTPUT)?;
        let provenance = offered!(output.as_ptr(), OutputService, provenance)?;
        // SAFETY: as above.
        collect(|sink, data| unsafe { provenance(self.raw.as_ptr(), sink, data) }).pop()
    }
}

/// What the sinks of one request got.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) pictures: Vec<Bundle>,
    pub(crate) text: String,
}

unsafe extern "C" fn hear_picture(data: *mut c_void, picture: *const abi::Bundle) {
    // SAFETY: `data` is a `Heard` that outlives the request, and the picture is alive while this function runs.
    unsafe {
        if let Ok(picture) = import_bundle(picture) {
            (*data.cast::<Heard>()).pictures.push(picture);
        }
    }
}

unsafe extern "C" fn hear_text(data: *mut c_void, text: Str) {
    // SAFETY: as above.
    unsafe { (*data.cast::<Heard>()).text = text.get().unwrap_or_default().to_owned() }
}
