//! What host, call and node offer by id. Contracts are in `rondel.h`.

use std::ffi::c_void;

use crate::call::{Call, Node};
use crate::data::{Bundle, Status, Str, Tensor, Value};
use crate::entry::Host;

/// Receives borrowed text: `rondel_text_sink`.
pub type TextSink = unsafe extern "C" fn(*mut c_void, Str);

pub const RUN: &str = "rondel.run/1";
pub const BUILD: &str = "rondel.build/1";
pub const LOG: &str = "rondel.log/1";
pub const MODELS: &str = "rondel.models/1";
pub const OUTPUT: &str = "rondel.output/1";
pub const MEMORY: &str = "rondel.memory/1";
pub const CHECKPOINT: &str = "rondel.checkpoint/1";
pub const HOSTED: &str = "rondel.hosted/1";
pub const COST: &str = "rondel.cost/1";

/// Cancellation, progress and preview of one call: `rondel_run`.
#[repr(C)]
pub struct RunService {
    pub struct_size: u32,
    pub reserved: u32,
    pub cancelled: Option<unsafe extern "C" fn(*const Call) -> bool>,
    pub progress: Option<unsafe extern "C" fn(*const Call, u64, u64, Str)>,
    pub preview: Option<unsafe extern "C" fn(*const Call, *const Bundle)>,
    pub preview_wanted: Option<unsafe extern "C" fn(*const Call) -> bool>,
}

/// Host memory for bundles: `rondel_build`.
#[repr(C)]
pub struct BuildService {
    pub struct_size: u32,
    pub reserved: u32,
    pub bundle: Option<unsafe extern "C" fn(*const Host, Str, Str, *const Tensor, u64) -> *mut Bundle>,
}

/// Levels of [`LogService::log`].
pub mod level {
    pub const DEBUG: u32 = 0;
    pub const INFO: u32 = 1;
    pub const WARN: u32 = 2;
    pub const ERROR: u32 = 3;
}

/// Words of one call: `rondel_log`.
#[repr(C)]
pub struct LogService {
    pub struct_size: u32,
    pub reserved: u32,
    pub log: Option<unsafe extern "C" fn(*const Call, u32, Str)>,
}

/// Files of a model value: `rondel_models`.
#[repr(C)]
pub struct ModelsService {
    pub struct_size: u32,
    pub reserved: u32,
    pub part: Option<unsafe extern "C" fn(*const Call, Str, Str, TextSink, *mut c_void) -> Status>,
}

/// Where an effect writes, and what it may write about its run: `rondel_output`.
#[repr(C)]
pub struct OutputService {
    pub struct_size: u32,
    pub reserved: u32,
    pub folder: Option<unsafe extern "C" fn(*const Call, TextSink, *mut c_void)>,
    pub provenance: Option<unsafe extern "C" fn(*const Call, TextSink, *mut c_void)>,
}

/// Asks a plugin for memory back, with the `data` of its reservation; whether it is gone.
pub type Evict = unsafe extern "C" fn(*mut c_void) -> bool;

/// What a plugin keeps between runs, counted: `rondel_memory`.
#[repr(C)]
pub struct MemoryService {
    pub struct_size: u32,
    pub reserved: u32,
    pub reserve: Option<unsafe extern "C" fn(*const Host, u64, Str, Option<Evict>, *mut c_void) -> u64>,
    pub touch: Option<unsafe extern "C" fn(*const Host, u64)>,
    pub free: Option<unsafe extern "C" fn(*const Host, u64)>,
    pub budget: Option<unsafe extern "C" fn(*const Host) -> u64>,
    pub obtainable: Option<unsafe extern "C" fn(*const Host) -> u64>,
}

/// How far a call is, for the next attempt: `rondel_checkpoint`.
#[repr(C)]
pub struct CheckpointService {
    pub struct_size: u32,
    pub reserved: u32,
    pub put: Option<unsafe extern "C" fn(*const Call, u64, *const Bundle)>,
    pub latest: Option<unsafe extern "C" fn(*const Call, *mut u64) -> *const Bundle>,
}

/// Receives a borrowed picture: `rondel_picture_sink`.
pub type PictureSink = unsafe extern "C" fn(*mut c_void, *const Bundle);

/// Pictures from models that others run: `rondel_hosted`.
#[repr(C)]
pub struct HostedService {
    pub struct_size: u32,
    pub reserved: u32,
    pub paint:
        Option<unsafe extern "C" fn(*const Call, Str, *const Value, u64, PictureSink, TextSink, *mut c_void) -> Status>,
}

/// What a run would need: `rondel_cost`, which a node offers.
#[repr(C)]
pub struct CostDef {
    pub struct_size: u32,
    pub reserved: u32,
    pub cost: Option<unsafe extern "C" fn(*const Node, *const Call, TextSink, *mut c_void) -> Status>,
}
