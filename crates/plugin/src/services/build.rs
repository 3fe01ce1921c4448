//! `rondel.build/1`: bundles in host memory, for plugins without an allocator and a count of their own.
//!
//! The plugin gets a bundle with zeroed tensors, writes into `tensors[].data`, hands the bundle on and releases its share.
//! From the first handing on, the bundle is as immutable as any other.

#![expect(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use rondel_abi::data::dlpack;
use rondel_abi::service::BuildService;
use rondel_abi::{self as abi, Status, Str, status};
use rondel_value::foreign::{dlpack_of, dtype_of};
use rondel_value::{DType, Kind, Meta};

use crate::execution::never_unwinding;
use crate::host::HostSide;

pub(crate) static BUILD: BuildService =
    BuildService { struct_size: size_of::<BuildService>() as u32, reserved: 0, bundle: Some(bundle) };

/// Wide enough for every vector instruction.
const ALIGN: usize = 64;

unsafe extern "C" fn bundle(
    host: *const abi::Host,
    kind: Str,
    meta_json: Str,
    shapes: *const abi::Tensor,
    n: u64,
) -> *mut abi::Bundle {
    never_unwinding(std::ptr::null_mut(), || {
        // SAFETY: the plugin passes the host it was given, and texts and `n` shapes that are valid during this call.
        let built = unsafe { HostSide::behind(host).and_then(|host| build(host, kind, meta_json, shapes, n)) };
        built.map_or(std::ptr::null_mut(), |built| Box::into_raw(built).cast())
    })
}

/// A bundle that the host built, with what its struct points at.
#[repr(C)]
struct Built {
    /// First, so that a pointer to it is one to the whole.
    head: abi::Bundle,
    shares: AtomicUsize,
    host: &'static HostSide,
    meta_json: String,
    blocks: Vec<Block>,
    tensors: Vec<abi::Tensor>,
}

/// Name, shape and memory of one tensor.
struct Block {
    name: String,
    dtype: DType,
    shape: Vec<i64>,
    memory: NonNull<u8>,
    layout: Layout,
    bytes: usize,
}

impl Block {
    /// Zeroed memory for a tensor; none if there is not enough of it or the numbers make no sense.
    fn new(name: String, dtype: DType, shape: Vec<i64>) -> Option<Block> {
        let sides = shape.iter().map(|&side| usize::try_from(side).ok());
        let bytes = sides.into_iter().try_fold(dtype.bytes(), |bytes, side| bytes.checked_mul(side?))?;
        // An empty tensor has an address, too.
        let layout = Layout::from_size_align(bytes.max(1), ALIGN).ok()?;
        // SAFETY: the layout is not empty.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Block { name, dtype, shape, memory, layout, bytes })
    }

    /// The tensor as the other side sees it; it points into `self`.
    fn tensor(&self) -> abi::Tensor {
        let (dtype_code, dtype_bits) = dlpack_of(self.dtype);
        abi::Tensor {
            name: Str::new(&self.name),
            dtype_code,
            dtype_bits,
            dtype_lanes: 1,
            device_type: dlpack::CPU,
            device_id: 0,
            ndim: self.shape.len() as i32,
            shape: self.shape.as_ptr(),
            strides: std::ptr::null(),
            data: self.memory.as_ptr().cast(),
            byte_offset: 0,
            byte_len: self.bytes as u64,
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this very layout.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

/// # Safety
///
/// The texts and the `n` shapes, with what they point at, are valid during this call.
unsafe fn build(
    host: &'static HostSide,
    kind: Str,
    meta_json: Str,
    shapes: *const abi::Tensor,
    n: u64,
) -> Option<Box<Built>> {
    // SAFETY: promised by the caller.
    let (kind, meta_json) = unsafe { (Kind::named(kind.get()?)?, meta_json.get()?) };
    if !meta_json.is_empty() && serde_json::from_str::<Meta>(meta_json).is_err() {
        return None;
    }
    let mut blocks = (0..usize::try_from(n).ok()?)
        // SAFETY: promised by the caller.
        .map(|index| unsafe { block(shapes.as_ref().map(|_| &*shapes.add(index))?) })
        .collect::<Option<Vec<Block>>>()?;
    blocks.sort_by(|a, b| a.name.cmp(&b.name));
    if blocks.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return None;
    }
    let head = abi::Bundle {
        struct_size: size_of::<abi::Bundle>() as u32,
        reserved: 0,
        retain: Some(retain),
        release: Some(release),
        maker_data: std::ptr::null_mut(),
        kind: Str::new(kind.name()),
        meta_json: Str::new(""),
        tensors: std::ptr::null(),
        n_tensors: blocks.len() as u64,
        read: Some(read),
        native_tag: std::ptr::null(),
        native: std::ptr::null(),
    };
    let meta_json = meta_json.to_owned();
    let mut built = Box::new(Built { head, shares: AtomicUsize::new(1), host, meta_json, blocks, tensors: Vec::new() });
    // Only now, on the heap, do the parts have the addresses that the struct points at.
    built.tensors = built.blocks.iter().map(Block::tensor).collect();
    built.head.meta_json = Str::new(&built.meta_json);
    built.head.tensors = built.tensors.as_ptr();
    host.bundle_is_built();
    Some(built)
}

/// # Safety
///
/// Name and shape of `wanted` are valid during this call.
unsafe fn block(wanted: &abi::Tensor) -> Option<Block> {
    let n_sides = usize::try_from(wanted.ndim).ok()?;
    // SAFETY: promised by the caller.
    let shape = match n_sides {
        0 => Vec::new(),
        _ if wanted.shape.is_null() => return None,
        _ => unsafe { std::slice::from_raw_parts(wanted.shape, n_sides) }.to_vec(),
    };
    let dtype = dtype_of(wanted.dtype_code, wanted.dtype_bits).filter(|_| wanted.dtype_lanes == 1)?;
    // SAFETY: as above.
    Block::new(unsafe { wanted.name.get() }?.to_owned(), dtype, shape)
}

unsafe extern "C" fn retain(bundle: *const abi::Bundle) {
    // SAFETY: only ever set on the head of a `Built`, which the caller's share keeps alive.
    unsafe { (*bundle.cast::<Built>()).shares.fetch_add(1, Ordering::Relaxed) };
}

unsafe extern "C" fn release(bundle: *const abi::Bundle) {
    never_unwinding((), || {
        // SAFETY: as in `retain`; the last share frees. Release and acquire order every use before the drop.
        unsafe {
            if (*bundle.cast::<Built>()).shares.fetch_sub(1, Ordering::AcqRel) == 1 {
                let built = Box::from_raw(bundle.cast::<Built>().cast_mut());
                let host = built.host;
                drop(built);
                host.bundle_is_gone();
            }
        }
    });
}

unsafe extern "C" fn read(bundle: *const abi::Bundle, index: u64, to: *mut c_void, len: u64) -> Status {
    // SAFETY: as in `retain`; the caller promises `len` writable bytes at `to`.
    unsafe {
        let built = &*bundle.cast::<Built>();
        match built.blocks.get(index as usize) {
            Some(block) if block.bytes as u64 == len => {
                std::ptr::copy_nonoverlapping(block.memory.as_ptr(), to.cast(), block.bytes);
                status::OK
            }
            _ => status::INVALID_INPUT,
        }
    }
}
