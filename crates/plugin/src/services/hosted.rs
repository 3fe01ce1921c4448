//! `rondel.hosted/1`: pictures from models that others run.

#![expect(unsafe_code)]

use std::ffi::c_void;

use rondel_abi::service::{HostedService, PictureSink, TextSink};
use rondel_abi::{self as abi, Status, Str, status};
use rondel_value::foreign::{Share, import_values};
use rondel_value::{HostedRequest, Image, Value};

use crate::call::{FailureKind, NodeFailure};
use crate::execution::{Execution, text};

pub(crate) static HOSTED: HostedService =
    HostedService { struct_size: size_of::<HostedService>() as u32, reserved: 0, paint: Some(paint) };

unsafe extern "C" fn paint(
    call: *const abi::Call,
    request_json: Str,
    references: *const abi::Value,
    n: u64,
    picture: PictureSink,
    words: TextSink,
    data: *mut c_void,
) -> Status {
    // SAFETY: the plugin passes the call it was given, and a text and values that are valid during this call; what goes to the
    // sinks is valid while they run.
    unsafe {
        Execution::answering(call, status::FAILED, |execution| {
            let values = import_values(references, n).map_err(|error| error.to_string());
            let painted = read(&text(request_json), values)
                .and_then(|(request, references)| execution.host.paint(&request, &references));
            match painted {
                Ok(painted) => {
                    painted.pictures.iter().for_each(|made| picture(data, Share::lend(made.bundle()).as_ptr()));
                    let details = serde_json::to_string(&painted.details).expect("texts and numbers have a JSON form");
                    words(data, Str::new(&details));
                    status::OK
                }
                Err(failure) => {
                    words(data, Str::new(&failure.message));
                    status_of(failure.kind)
                }
            }
        })
    }
}

/// The request and its references; else what is wrong with them.
fn read(request: &str, values: Result<Vec<Value>, String>) -> Result<(HostedRequest, Vec<Image>), NodeFailure> {
    let wrong = |message| NodeFailure { kind: FailureKind::InvalidInput, input: None, message };
    let request = serde_json::from_str(request).map_err(|error| wrong(format!("this is no request: {error}")))?;
    let image = |value| match value {
        Value::Bundle(bundle) => Image::try_from(bundle).map_err(|error| error.to_string()),
        other => Err(format!("a reference is a picture, not {}", other.display(60))),
    };
    let images = values.and_then(|values| values.into_iter().map(image).collect());
    Ok((request, images.map_err(wrong)?))
}

fn status_of(kind: FailureKind) -> Status {
    match kind {
        FailureKind::Failed | FailureKind::Panicked | FailureKind::Misbehaved | FailureKind::Crashed => status::FAILED,
        FailureKind::InvalidInput => status::INVALID_INPUT,
        FailureKind::Transient => status::TRANSIENT,
        FailureKind::Cancelled => status::CANCELLED,
        FailureKind::OutOfMemory => status::OUT_OF_MEMORY,
        FailureKind::Unsupported => status::UNSUPPORTED,
    }
}
