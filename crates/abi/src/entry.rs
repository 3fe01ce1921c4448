//! Host, factory, and the one symbol that a plugin exports.

use std::ffi::c_void;

use crate::call::Node;
use crate::data::{Status, Str};

/// The host loads entries of its own major.
pub const ABI_MAJOR: u16 = 1;
/// A higher minor only adds.
pub const ABI_MINOR: u16 = 2;
/// Id of the [`NodeFactory`].
pub const NODE_FACTORY: &str = "rondel.nodes/1";

/// What a plugin sees of its host: `rondel_host`.
#[repr(C)]
pub struct Host {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub host_data: *mut c_void,
    pub name: Str,
    pub version: Str,
    pub get_extension: Option<unsafe extern "C" fn(*const Host, Str) -> *const c_void>,
}

/// The kinds of one plugin: `rondel_node_factory`.
#[repr(C)]
pub struct NodeFactory {
    pub struct_size: u32,
    pub reserved: u32,
    pub count: Option<unsafe extern "C" fn(*const NodeFactory) -> u32>,
    pub get: Option<unsafe extern "C" fn(*const NodeFactory, u32) -> *const Node>,
}

/// Bits of [`Entry::flags`].
pub mod entry_flags {
    /// Built so that a panic ends the process.
    pub const ABORTS_ON_PANIC: u64 = 1;
}

/// The exported symbol, `rondel_entry_<library name>`: `rondel_entry`.
#[repr(C)]
pub struct Entry {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub flags: u64,
    pub name: Str,
    pub version: Str,
    pub build: Str,
    pub init: Option<unsafe extern "C" fn(*const Host, Str) -> Status>,
    pub deinit: Option<unsafe extern "C" fn()>,
    pub get_factory: Option<unsafe extern "C" fn(Str) -> *const c_void>,
}

// SAFETY: an entry is immutable after it was made, its text is static, and its functions are [any] or
// ordered by the loader.
unsafe impl Sync for Entry {}
