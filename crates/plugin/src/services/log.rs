//! `rondel.log/1`: words of one call.

#![expect(unsafe_code)]

use rondel_abi::service::{LogService, level};
use rondel_abi::{self as abi, Str};

use crate::call::Level;
use crate::execution::{Execution, text};

pub(crate) static LOG: LogService =
    LogService { struct_size: size_of::<LogService>() as u32, reserved: 0, log: Some(log) };

unsafe extern "C" fn log(call: *const abi::Call, how_much: u32, words: Str) {
    let how_much = match how_much {
        level::DEBUG => Level::Debug,
        level::INFO => Level::Info,
        level::WARN => Level::Warn,
        // A level of a later version matters more, not less.
        level::ERROR.. => Level::Error,
    };
    // SAFETY: the plugin passes the call it was given, and a text that is valid during this call.
    unsafe { Execution::answering(call, (), |execution| execution.log(how_much, &text(words))) }
}
