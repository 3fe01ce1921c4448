//! One execution of a node, and the node itself.

use std::ffi::c_void;

use crate::data::{Status, Str, Value};

/// Made by the host for one `run` and dead when it returns: `rondel_call`.
#[repr(C)]
pub struct Call {
    pub struct_size: u32,
    pub reserved: u32,
    pub host_data: *mut c_void,
    pub inputs: *const Value,
    pub n_inputs: u64,
    pub set_output: Option<unsafe extern "C" fn(*const Call, u32, *const Value) -> Status>,
    pub fail: Option<unsafe extern "C" fn(*const Call, i32, Str)>,
    pub get_extension: Option<unsafe extern "C" fn(*const Call, Str) -> *const c_void>,
}

/// A kind of node, owned by its plugin: `rondel_node`.
#[repr(C)]
pub struct Node {
    pub struct_size: u32,
    pub reserved: u32,
    pub plugin_data: *mut c_void,
    pub spec_json: Str,
    pub run: Option<unsafe extern "C" fn(*const Node, *const Call) -> Status>,
    pub get_extension: Option<unsafe extern "C" fn(*const Node, Str) -> *const c_void>,
}
