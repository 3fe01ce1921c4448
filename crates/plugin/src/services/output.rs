//! `rondel.output/1`: where an effect writes, and what it may write about its run.

#![expect(unsafe_code)]

use std::ffi::c_void;

use rondel_abi::service::{OutputService, TextSink};
use rondel_abi::{self as abi, Str};

use crate::execution::Execution;

pub(crate) static OUTPUT: OutputService = OutputService {
    struct_size: size_of::<OutputService>() as u32,
    reserved: 0,
    folder: Some(folder),
    provenance: Some(provenance),
};

unsafe extern "C" fn folder(call: *const abi::Call, sink: TextSink, data: *mut c_void) {
    // SAFETY: the plugin passes the call it was given; the text is valid while the sink runs.
    unsafe {
        Execution::answering(call, (), |execution| {
            let folder = execution.host.output_folder();
            sink(data, Str::new(&folder.to_string_lossy()));
        });
    }
}

unsafe extern "C" fn provenance(call: *const abi::Call, sink: TextSink, data: *mut c_void) {
    // SAFETY: as above.
    unsafe { Execution::answering(call, (), |execution| sink(data, Str::new(&execution.host.provenance()))) }
}
