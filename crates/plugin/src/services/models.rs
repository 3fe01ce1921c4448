//! `rondel.models/1`: the files of a model value.

#![expect(unsafe_code)]

use std::ffi::c_void;
use std::path::PathBuf;

use rondel_abi::service::{ModelsService, TextSink};
use rondel_abi::{self as abi, Status, Str, status};
use rondel_value::ModelRef;

use crate::execution::{Execution, text};

pub(crate) static MODELS: ModelsService =
    ModelsService { struct_size: size_of::<ModelsService>() as u32, reserved: 0, part: Some(part) };

unsafe extern "C" fn part(
    call: *const abi::Call,
    model_json: Str,
    part: Str,
    sink: TextSink,
    data: *mut c_void,
) -> Status {
    // SAFETY: the plugin passes the call it was given and texts that are valid during this call; each text for its sink
    // is valid while the sink runs.
    unsafe {
        Execution::answering(call, status::FAILED, |execution| {
            let model: ModelRef = match serde_json::from_str(&text(model_json)) {
                Ok(model) => model,
                Err(error) => {
                    sink(data, Str::new(&format!("this is no model: {error}")));
                    return status::INVALID_INPUT;
                }
            };
            match execution.host.model_part(&model, &text(part)).and_then(as_texts) {
                Ok(paths) => {
                    paths.iter().for_each(|path| sink(data, Str::new(path)));
                    status::OK
                }
                Err(reason) => {
                    sink(data, Str::new(&reason));
                    status::FAILED
                }
            }
        })
    }
}

/// The paths as UTF-8, all of them or a reason: a sink must not have to tell half a list from a reason.
fn as_texts(paths: Vec<PathBuf>) -> Result<Vec<String>, String> {
    let text = |path: PathBuf| path.into_os_string().into_string();
    let as_text = |path| text(path).map_err(|path| format!("a path is not UTF-8: {}", path.display()));
    paths.into_iter().map(as_text).collect()
}
