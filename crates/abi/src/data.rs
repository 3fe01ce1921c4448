//! What crosses the boundary: text, tensors, bundles and values.

use std::ffi::c_void;

/// Borrowed UTF-8, not terminated: `rondel_str`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    pub ptr: *const u8,
    pub len: u64,
}

// SAFETY: a `Str` is a pointer and a length without ownership; whoever reads through it upholds the
// contract of the call that passed it. Entries keep `Str`s of static text in statics.
unsafe impl Sync for Str {}
// SAFETY: as above.
unsafe impl Send for Str {}

impl Str {
    /// Borrows `text` for as long as the caller keeps it alive.
    pub const fn new(text: &str) -> Str {
        Str { ptr: text.as_ptr(), len: text.len() as u64 }
    }

    /// The text, or `None` if the bytes are not UTF-8.
    ///
    /// # Safety
    ///
    /// `ptr` must be null with length 0, or valid for `len` bytes during `'a`.
    pub unsafe fn get<'a>(self) -> Option<&'a str> {
        if self.ptr.is_null() {
            return (self.len == 0).then_some("");
        }
        // SAFETY: the caller promises `len` readable bytes for `'a`.
        let bytes = unsafe { std::slice::from_raw_parts(self.ptr, self.len as usize) };
        std::str::from_utf8(bytes).ok()
    }
}

/// How a call ended: `rondel_status`.
pub type Status = i32;

/// The values of [`Status`].
pub mod status {
    use super::Status;

    pub const OK: Status = 0;
    pub const FAILED: Status = 1;
    pub const INVALID_INPUT: Status = 2;
    pub const TRANSIENT: Status = 3;
    pub const CANCELLED: Status = 4;
    pub const OUT_OF_MEMORY: Status = 5;
    pub const UNSUPPORTED: Status = 6;
    pub const PANICKED: Status = 7;
    pub const NEEDS_INPUT: Status = 8;
}

/// One tensor of a bundle: `rondel_tensor`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    pub name: Str,
    pub dtype_code: u8,
    pub dtype_bits: u8,
    pub dtype_lanes: u16,
    pub device_type: i32,
    pub device_id: i32,
    pub ndim: i32,
    pub shape: *const i64,
    pub strides: *const i64,
    pub data: *mut c_void,
    pub byte_offset: u64,
    pub byte_len: u64,
}

/// DLPack's codes, as far as they are used.
pub mod dlpack {
    pub const INT: u8 = 0;
    pub const UINT: u8 = 1;
    pub const FLOAT: u8 = 2;
    pub const BFLOAT: u8 = 4;
    pub const BOOL: u8 = 6;
    /// Host memory, as a device type.
    pub const CPU: i32 = 1;
}

/// Named tensors plus a little text, counted: `rondel_bundle`.
#[repr(C)]
pub struct Bundle {
    pub struct_size: u32,
    pub reserved: u32,
    pub retain: Option<unsafe extern "C" fn(*const Bundle)>,
    pub release: Option<unsafe extern "C" fn(*const Bundle)>,
    pub maker_data: *mut c_void,
    pub kind: Str,
    pub meta_json: Str,
    pub tensors: *const Tensor,
    pub n_tensors: u64,
    pub read: Option<unsafe extern "C" fn(*const Bundle, u64, *mut c_void, u64) -> Status>,
    pub native_tag: *const c_void,
    pub native: *const c_void,
}

/// Which member of [`Payload`] holds.
pub mod tag {
    pub const NONE: u32 = 0;
    pub const BOOL: u32 = 1;
    pub const INT: u32 = 2;
    pub const FLOAT: u32 = 3;
    pub const SEED: u32 = 4;
    pub const TEXT: u32 = 5;
    pub const JSON: u32 = 6;
    pub const BUNDLE: u32 = 7;
    pub const LIST: u32 = 8;
    pub const PAIR: u32 = 9;
}

/// A borrowed run of values.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct List {
    pub items: *const Value,
    pub len: u64,
}

/// The union inside [`Value`]; `tag` says which member holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Payload {
    pub b: bool,
    pub i: i64,
    pub f: f64,
    pub seed: u64,
    pub pair: [i64; 2],
    pub text: Str,
    pub bundle: *const Bundle,
    pub list: List,
}

/// One value on its way in or out: `rondel_value`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Value {
    pub tag: u32,
    pub reserved: u32,
    pub payload: Payload,
}
