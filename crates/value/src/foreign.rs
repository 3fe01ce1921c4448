//! Values as the structs of the binary boundary, in both directions.
//!
//! Host and SDK need the very same marshalling, so it stands here once. Within one linked image a bundle crosses as
//! itself: `native_tag` is the address of a static of this crate, hence equal only where the same copy of the crate is
//! linked. From another image a bundle is retained, and its tensors are read where they lie.

#![expect(unsafe_code)]

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rondel_abi::data::dlpack;
use rondel_abi::{self as abi, Str, status, tag};

use crate::bundle::{Bundle, Kind, Meta};
use crate::tensor::{DType, Tensor, TensorError};
use crate::value::{Json, Value};

/// The tag of bundles made by this copy of the crate.
fn native_tag() -> *const c_void {
    // Mutable, so that no linker may merge it with another static.
    static TAG: AtomicUsize = AtomicUsize::new(0);
    (&raw const TAG).cast()
}

/// What the other side handed over and this one cannot read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ImportError {
    #[error("a value has the unknown tag {0}")]
    Tag(u32),
    #[error("a text is not UTF-8")]
    Utf8,
    #[error("a JSON value is not JSON: {0}")]
    Json(String),
    #[error("a number is not finite")]
    NotFinite,
    #[error("a bundle is null")]
    Null,
    #[error("a bundle has the unknown kind `{0}`")]
    Kind(String),
    #[error("the metadata of a bundle is not an object of strings: {0}")]
    Meta(String),
    #[error("tensor `{tensor}` has an element type that this version does not know")]
    DType { tensor: String },
    #[error("tensor `{tensor}` could not be read: status {status}")]
    Read { tensor: String, status: abi::Status },
    #[error(transparent)]
    Shape(#[from] TensorError),
}

/// One counted share in a bundle of the boundary; let go when dropped.
pub struct Share(NonNull<abi::Bundle>);

// SAFETY: a bundle of the boundary is immutable, and `retain`, `release` and `read` are [any] by contract.
unsafe impl Send for Share {}
// SAFETY: as above.
unsafe impl Sync for Share {}

impl Share {
    /// Makes a struct of the boundary that keeps `bundle` alive until its last share goes.
    pub fn lend(bundle: &Bundle) -> Share {
        let boxed = Box::into_raw(Lent::new(bundle));
        // SAFETY: just allocated; the head is the first field and never moves. The count starts at one: this share.
        Share(unsafe { NonNull::new_unchecked(boxed.cast()) })
    }

    /// Takes a share of its own.
    ///
    /// # Safety
    ///
    /// `bundle` points to a live bundle that keeps the contract of `rondel.h`.
    pub unsafe fn retain(bundle: NonNull<abi::Bundle>) -> Share {
        // SAFETY: the caller promises a live bundle; `retain` is in the part of the layout that never changes.
        if let Some(retain) = unsafe { bundle.as_ref() }.retain {
            unsafe { retain(bundle.as_ptr()) };
        }
        Share(bundle)
    }

    /// Takes over a share that the other side counted for this one; `None` for null.
    ///
    /// # Safety
    ///
    /// `bundle` is null, or points to a live bundle that keeps the contract of `rondel.h`, with a share to give away.
    pub unsafe fn counted(bundle: *const abi::Bundle) -> Option<Share> {
        NonNull::new(bundle.cast_mut()).map(Share)
    }

    pub fn as_ptr(&self) -> *const abi::Bundle {
        self.0.as_ptr()
    }

    /// Gives the share away; whoever receives the pointer lets it go.
    pub fn into_raw(self) -> *mut abi::Bundle {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // SAFETY: this share keeps the bundle alive until here and is given back once.
        unsafe {
            if let Some(release) = self.0.as_ref().release {
                release(self.0.as_ptr());
            }
        }
    }
}

/// A bundle of this side with the struct that the other side sees.
#[repr(C)]
struct Lent {
    head: abi::Bundle,
    shares: AtomicUsize,
    bundle: Bundle,
    meta_json: String,
    shapes: Vec<Vec<i64>>,
    tensors: Vec<abi::data::Tensor>,
}

impl Lent {
    fn new(bundle: &Bundle) -> Box<Lent> {
        let shapes = bundle.tensors().iter().map(|t| t.shape().iter().map(|&n| n as i64).collect()).collect();
        let mut lent = Box::new(Lent {
            head: abi::Bundle {
                struct_size: size_of::<abi::Bundle>() as u32,
                reserved: 0,
                retain: Some(retain),
                release: Some(release),
                maker_data: std::ptr::null_mut(),
                kind: Str::new(bundle.kind().name()),
                meta_json: Str::new(""),
                tensors: std::ptr::null(),
                n_tensors: 0,
                read: Some(read),
                native_tag: native_tag(),
                native: std::ptr::null(),
            },
            shares: AtomicUsize::new(1),
            bundle: bundle.clone(),
            meta_json: serde_json::to_string(bundle.meta()).expect("text to text"),
            shapes,
            tensors: Vec::new(),
        });
        // Only now, on the heap, do the parts have the addresses that the struct points at.
        lent.tensors =
            bundle.tensors().iter().zip(&lent.shapes).map(|(tensor, shape)| describe(tensor, shape)).collect();
        lent.head.meta_json = Str::new(&lent.meta_json);
        lent.head.tensors = lent.tensors.as_ptr();
        lent.head.n_tensors = lent.tensors.len() as u64;
        lent.head.native = (&raw const lent.bundle).cast();
        lent
    }
}

/// Describes `tensor` for the other side; `shape` must live as long as the description.
fn describe(tensor: &Tensor, shape: &[i64]) -> abi::data::Tensor {
    let (code, bits) = dlpack_of(tensor.dtype());
    abi::data::Tensor {
        name: Str::new(tensor.name()),
        dtype_code: code,
        dtype_bits: bits,
        dtype_lanes: 1,
        device_type: dlpack::CPU,
        device_id: 0,
        ndim: shape.len() as i32,
        shape: shape.as_ptr(),
        strides: std::ptr::null(),
        data: tensor.data().as_ptr().cast_mut().cast(),
        byte_offset: 0,
        byte_len: tensor.data().len() as u64,
    }
}

unsafe extern "C" fn retain(bundle: *const abi::Bundle) {
    // SAFETY: only ever set on the head of a `Lent`, which the caller's share keeps alive.
    let lent = unsafe { &*bundle.cast::<Lent>() };
    lent.shares.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn release(bundle: *const abi::Bundle) {
    // SAFETY: as in `retain`; the last share frees. Release and acquire order every use before the drop.
    unsafe {
        if (*bundle.cast::<Lent>()).shares.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(Box::from_raw(bundle.cast::<Lent>().cast_mut()));
        }
    }
}

unsafe extern "C" fn read(bundle: *const abi::Bundle, index: u64, to: *mut c_void, len: u64) -> abi::Status {
    // SAFETY: as in `retain`; the caller promises `len` writable bytes at `to`.
    unsafe {
        let lent = &*bundle.cast::<Lent>();
        match lent.bundle.tensors().get(index as usize) {
            Some(tensor) if tensor.data().len() as u64 == len => {
                std::ptr::copy_nonoverlapping(tensor.data().as_ptr(), to.cast(), len as usize);
                status::OK
            }
            _ => status::INVALID_INPUT,
        }
    }
}

/// DLPack's code and bits.
pub fn dlpack_of(dtype: DType) -> (u8, u8) {
    let code = match dtype {
        DType::Bool => dlpack::BOOL,
        DType::U8 | DType::U32 => dlpack::UINT,
        DType::I32 | DType::I64 => dlpack::INT,
        DType::F16 | DType::F32 | DType::F64 => dlpack::FLOAT,
        DType::Bf16 => dlpack::BFLOAT,
    };
    (code, dtype.bytes() as u8 * 8)
}

/// The element type with DLPack's code and bits.
pub fn dtype_of(code: u8, bits: u8) -> Option<DType> {
    DType::ALL.into_iter().find(|dtype| dlpack_of(*dtype) == (code, bits))
}

/// Reads a bundle of the boundary: as itself if this image made it, else by sharing its memory.
///
/// # Safety
///
/// `bundle` is null, or points to a live bundle that keeps the contract of `rondel.h`.
pub unsafe fn import_bundle(bundle: *const abi::Bundle) -> Result<Bundle, ImportError> {
    let pointer = NonNull::new(bundle.cast_mut()).ok_or(ImportError::Null)?;
    // SAFETY: the caller promises a live bundle for the time of this call; all that outlives it goes through `share`.
    unsafe {
        let head = pointer.as_ref();
        if head.native_tag == native_tag() {
            return Ok((*head.native.cast::<Bundle>()).clone());
        }
        let kind = head.kind.get().ok_or(ImportError::Utf8)?;
        let kind = Kind::named(kind).ok_or_else(|| ImportError::Kind(kind.to_owned()))?;
        let meta: Meta = match head.meta_json.get().ok_or(ImportError::Utf8)? {
            "" => Meta::new(),
            json => serde_json::from_str(json).map_err(|error| ImportError::Meta(error.to_string()))?,
        };
        let tensors = slice(head.tensors, head.n_tensors);
        let tensors = tensors.iter().enumerate().map(|(i, tensor)| import_tensor(pointer, i, tensor));
        Ok(Bundle::new(kind, meta, tensors.collect::<Result<Vec<_>, _>>()?))
    }
}

/// # Safety
///
/// `tensor` is tensor number `index` of the live bundle.
unsafe fn import_tensor(
    bundle: NonNull<abi::Bundle>,
    index: usize,
    tensor: &abi::data::Tensor,
) -> Result<Tensor, ImportError> {
    // SAFETY: name, shape and strides are valid while the bundle lives.
    let (name, shape, strides) = unsafe {
        let name = tensor.name.get().ok_or(ImportError::Utf8)?.to_owned();
        let strides = (!tensor.strides.is_null()).then(|| slice(tensor.strides, tensor.ndim as u64));
        (name, slice(tensor.shape, tensor.ndim as u64), strides)
    };
    let unknown = || ImportError::DType { tensor: name.clone() };
    let dtype = match tensor.dtype_lanes {
        1 => dtype_of(tensor.dtype_code, tensor.dtype_bits).ok_or_else(unknown)?,
        _ => return Err(unknown()),
    };
    let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
    let is_contiguous = strides.is_none_or(|strides| {
        let mut expected = 1;
        strides.iter().zip(&shape).rev().all(|(&stride, &n)| {
            let fits = stride == expected || n == 1;
            expected *= n as i64;
            fits
        })
    });
    let data = if is_contiguous && tensor.device_type == dlpack::CPU && !tensor.data.is_null() {
        Bytes::from_owner(SharedBytes {
            // SAFETY: the bundle is live, and a share of its own keeps it so.
            _share: unsafe { Share::retain(bundle) },
            start: unsafe { tensor.data.cast_const().cast::<u8>().add(tensor.byte_offset as usize) },
            len: tensor.byte_len as usize,
        })
    } else {
        let bytes = shape.iter().try_fold(dtype.bytes(), |bytes, &n| bytes.checked_mul(n)).unwrap_or(0);
        let mut copy = vec![0u8; bytes];
        // SAFETY: `read` copies exactly `len` bytes in row-major order to where we own them.
        let status = match unsafe { bundle.as_ref() }.read {
            Some(read) => unsafe { read(bundle.as_ptr(), index as u64, copy.as_mut_ptr().cast(), bytes as u64) },
            None => status::UNSUPPORTED,
        };
        if status != status::OK {
            return Err(ImportError::Read { tensor: name, status });
        }
        copy.into()
    };
    Ok(Tensor::new(name, dtype, shape, data)?)
}

/// Memory of a bundle from another image, which a share keeps alive.
struct SharedBytes {
    _share: Share,
    start: *const u8,
    len: usize,
}

// SAFETY: immutable memory that the share keeps alive on any thread.
unsafe impl Send for SharedBytes {}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the maker promised `byte_len` readable bytes for as long as the bundle lives.
        unsafe { slice(self.start, self.len as u64) }
    }
}

/// A slice that may come as null with length 0.
///
/// # Safety
///
/// `start` is valid for `len` items during `'a`, or `len` is 0.
unsafe fn slice<'a, T>(start: *const T, len: u64) -> &'a [T] {
    match len {
        0 => &[],
        // SAFETY: promised by the caller.
        len => unsafe { std::slice::from_raw_parts(start, len as usize) },
    }
}

/// A row of values as the other side sees them, borrowed from `values`.
pub struct LentValues<'a> {
    values: Vec<abi::Value>,
    /// What the values point at: kept until the row goes.
    _shares: Vec<Share>,
    _lists: Vec<LentValues<'a>>,
    _borrowed: PhantomData<&'a [Value]>,
}

impl<'a> LentValues<'a> {
    pub fn new(values: &'a [Value]) -> LentValues<'a> {
        let mut lent = LentValues {
            values: Vec::with_capacity(values.len()),
            _shares: Vec::new(),
            _lists: Vec::new(),
            _borrowed: PhantomData,
        };
        for value in values {
            let payload = lent.payload(value);
            lent.values.push(abi::Value { tag: value.tag(), reserved: 0, payload });
        }
        lent
    }

    fn payload(&mut self, value: &'a Value) -> abi::Payload {
        match value {
            Value::None => abi::Payload { i: 0 },
            Value::Bool(b) => abi::Payload { b: *b },
            Value::Int(i) => abi::Payload { i: *i },
            Value::Float(f) => abi::Payload { f: *f },
            Value::Seed(seed) => abi::Payload { seed: *seed },
            Value::Pair(pair) => abi::Payload { pair: *pair },
            Value::Text(text) => abi::Payload { text: Str::new(text) },
            Value::Json(json) => abi::Payload { text: Str::new(json.as_str()) },
            Value::Bundle(bundle) => {
                let share = Share::lend(bundle);
                let bundle = share.as_ptr();
                self._shares.push(share);
                abi::Payload { bundle }
            }
            Value::List(items) => {
                let items = LentValues::new(items);
                let list = abi::List { items: items.as_ptr(), len: items.values.len() as u64 };
                self._lists.push(items);
                abi::Payload { list }
            }
        }
    }

    pub fn as_ptr(&self) -> *const abi::Value {
        self.values.as_ptr()
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Reads a row of values of the boundary; texts are copied, bundles retained.
///
/// # Safety
///
/// `items` is valid for `len` values during this call, and they keep the contract of `rondel.h`.
pub unsafe fn import_values(items: *const abi::Value, len: u64) -> Result<Vec<Value>, ImportError> {
    // SAFETY: promised by the caller, for the row and for what it points at.
    unsafe { slice(items, len) }.iter().map(|value| unsafe { import_value(value) }).collect()
}

/// Reads a value of the boundary; text is copied, bundles are retained.
///
/// # Safety
///
/// The value keeps the contract of `rondel.h` during this call: its tag says which member holds, and pointers are live.
pub unsafe fn import_value(value: &abi::Value) -> Result<Value, ImportError> {
    let payload = &value.payload;
    // SAFETY: the tag says which member holds.
    unsafe {
        Ok(match value.tag {
            tag::NONE => Value::None,
            // Read as a byte: a foreign bool may hold anything.
            tag::BOOL => Value::Bool((&raw const payload.b).cast::<u8>().read() != 0),
            tag::INT => Value::Int(payload.i),
            tag::FLOAT if !payload.f.is_finite() => return Err(ImportError::NotFinite),
            tag::FLOAT => Value::Float(payload.f),
            tag::SEED => Value::Seed(payload.seed),
            tag::PAIR => Value::Pair(payload.pair),
            tag::TEXT => Value::text(payload.text.get().ok_or(ImportError::Utf8)?),
            tag::JSON => {
                let text = payload.text.get().ok_or(ImportError::Utf8)?;
                Value::Json(Json::parse(text).map_err(|error| ImportError::Json(error.to_string()))?)
            }
            tag::BUNDLE => Value::Bundle(import_bundle(payload.bundle)?),
            tag::LIST => Value::list(import_values(payload.list.items, payload.list.len)?),
            tag => return Err(ImportError::Tag(tag)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;

    fn picture() -> Bundle {
        Image::from_u8(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap().into()
    }

    fn every_value() -> Vec<Value> {
        vec![
            Value::None,
            Value::Bool(true),
            Value::Int(-7),
            Value::Float(2.5),
            Value::Seed(u64::MAX),
            Value::text("fox"),
            Value::Json(Json::parse(r#"{"b":1,"a":[2]}"#).unwrap()),
            Value::Pair([64, 48]),
            Value::Bundle(picture()),
            Value::list([Value::Int(1), Value::list([Value::Bundle(picture())])]),
            Value::list([]),
        ]
    }

    #[test]
    fn every_value_crosses_unchanged() {
        let values = every_value();
        let lent = LentValues::new(&values);
        // SAFETY: the row was just made from values that live on.
        let back = unsafe { import_values(lent.as_ptr(), lent.len() as u64) }.unwrap();
        assert_eq!(back, values);
    }

    #[test]
    fn a_bundle_from_another_image_shares_its_memory_and_is_let_go() {
        let bundle = picture();
        let share = Share::lend(&bundle);
        let foreign = share.as_ptr().cast_mut();
        let lent = foreign.cast::<Lent>();
        // SAFETY: the share keeps the struct alive; without the tag it looks like one of another image.
        let imported = unsafe {
            (*foreign).native_tag = std::ptr::null();
            import_bundle(foreign).unwrap()
        };
        assert_eq!(imported, bundle);
        assert_eq!(imported.tensors()[0].data().as_ptr(), bundle.tensors()[0].data().as_ptr());
        // SAFETY: as above.
        let shares = || unsafe { (*lent).shares.load(Ordering::Relaxed) };
        assert_eq!(shares(), 2);
        drop(imported);
        assert_eq!(shares(), 1);
    }

    #[test]
    fn a_strided_tensor_is_copied_by_its_maker() {
        let share = Share::lend(&picture());
        let foreign = share.as_ptr().cast_mut();
        let strides = [1i64, 1, 1];
        // SAFETY: as above; the strides outlive the call.
        let imported = unsafe {
            (*foreign).native_tag = std::ptr::null();
            (*(*foreign).tensors.cast_mut()).strides = strides.as_ptr();
            import_bundle(foreign).unwrap()
        };
        assert_eq!(imported, picture());
    }

    #[test]
    fn an_unknown_tag_is_refused() {
        let value = abi::Value { tag: 99, reserved: 0, payload: abi::Payload { i: 0 } };
        // SAFETY: nothing is read through an unknown tag.
        assert_eq!(unsafe { import_value(&value) }.unwrap_err().to_string(), "a value has the unknown tag 99");
    }
}
