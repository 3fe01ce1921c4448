//! `rondel.run/1`: cancellation, progress and preview of one call.

#![expect(unsafe_code)]

use rondel_abi::service::RunService;
use rondel_abi::{self as abi, Str};
use rondel_value::Image;
use rondel_value::foreign::import_bundle;

use crate::call::Level;
use crate::execution::{Execution, text};

pub(crate) static RUN: RunService = RunService {
    struct_size: size_of::<RunService>() as u32,
    reserved: 0,
    cancelled: Some(cancelled),
    progress: Some(progress),
    preview: Some(preview),
    preview_wanted: Some(preview_wanted),
};

unsafe extern "C" fn cancelled(call: *const abi::Call) -> bool {
    // SAFETY: the plugin passes the call it was given. If the host panicked, the node had better stop.
    unsafe { Execution::answering(call, true, |execution| execution.host.cancelled()) }
}

unsafe extern "C" fn progress(call: *const abi::Call, done: u64, total: u64, note: Str) {
    // SAFETY: the plugin passes the call it was given, and a note that is valid during this call.
    unsafe { Execution::answering(call, (), |execution| execution.host.progress(done, total, &text(note))) }
}

unsafe extern "C" fn preview(call: *const abi::Call, image: *const abi::Bundle) {
    // SAFETY: the plugin passes the call it was given, and a bundle that is alive during this call.
    unsafe {
        Execution::answering(call, (), |execution| {
            let image = import_bundle(image).map_err(|error| error.to_string());
            match image.and_then(|image| Image::try_from(image).map_err(|error| error.to_string())) {
                Ok(image) => execution.host.preview(image.into()),
                // Nothing depends on a preview, so a wrong one is no reason to fail.
                Err(error) => execution.host.log(Level::Warn, &format!("a preview is left out: {error}")),
            }
        });
    }
}

unsafe extern "C" fn preview_wanted(call: *const abi::Call) -> bool {
    // SAFETY: the plugin passes the call it was given.
    unsafe { Execution::answering(call, false, |execution| execution.host.preview_wanted()) }
}
