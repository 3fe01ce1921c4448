//! Values on their way to another process: small ones in the message, bundles in memory that both see.
//!
//! All bundles of a message lie one behind the other in one piece of anonymous memory, each in its canonical bytes. The
//! sender writes it, seals it, so that nobody can write to it or make it shorter ever again, and sends its descriptor
//! along. The receiver looks for the seals before it maps anything: without them, a plugin could cut off what the host is
//! reading, which ends a process, or change what it has hashed.
//!
//! ```text
//! bundle ─ one copy ─► sealed memory ─ descriptor ─► mapped, read where it lies
//! ```
//!
//! Little memory is copied once more instead: a process may have only so many things mapped (65,530 on Linux), and a cache
//! that keeps as many masks would take them all.

#![expect(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use memmap2::Mmap;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use rondel_value::{Bundle, Json, Value, canon};
use serde::{Deserialize, Serialize};

/// Where bundles begin in the memory: at a line of the processor's cache.
const ALIGN: u64 = 64;

/// Less memory than this is copied and not mapped, which takes about as long.
const MAPPED_BYTES: u64 = 256 << 10;

/// A value in a message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Sent {
    None,
    Bool(bool),
    Int(i64),
    /// The bits, so that no digit is lost in a text.
    Float(u64),
    Seed(u64),
    Text(String),
    Json(String),
    Pair([i64; 2]),
    /// Where its canonical bytes lie in the memory that comes along.
    Bundle {
        start: u64,
        len: u64,
    },
    List(Vec<Sent>),
}

/// What is wrong with a value from the other process.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("a number is not finite")]
    NotFinite,
    #[error("a JSON value is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a bundle lies outside of the memory that came along")]
    Outside,
    #[error("a bundle cannot be read: {0}")]
    Bundle(#[from] canon::ReadError),
    #[error("the memory that came along is not sealed")]
    NotSealed,
    #[error("the memory that came along cannot be mapped: {0}")]
    Map(io::Error),
    #[error("the memory that came along cannot be read: {0}")]
    Read(io::Error),
}

/// Collects the bundles of one message.
pub(super) struct Packer {
    memory: Option<File>,
    end: u64,
    /// Without it, only shapes and metadata go along, and what is read there is zeros.
    with_content: bool,
}

impl Packer {
    pub(super) fn new() -> Packer {
        Packer { memory: None, end: 0, with_content: true }
    }

    /// For questions whose bundles are stand-ins: nothing but their shapes is written.
    pub(super) fn of_shapes() -> Packer {
        Packer { with_content: false, ..Packer::new() }
    }

    pub(super) fn value(&mut self, value: &Value) -> io::Result<Sent> {
        Ok(match value {
            Value::None => Sent::None,
            Value::Bool(b) => Sent::Bool(*b),
            Value::Int(i) => Sent::Int(*i),
            Value::Float(f) => Sent::Float(f.to_bits()),
            Value::Seed(seed) => Sent::Seed(*seed),
            Value::Text(text) => Sent::Text(text.as_ref().to_owned()),
            Value::Json(json) => Sent::Json(json.as_str().to_owned()),
            Value::Pair(pair) => Sent::Pair(*pair),
            Value::Bundle(bundle) => self.bundle(bundle)?,
            Value::List(items) => Sent::List(self.values(items)?),
        })
    }

    pub(super) fn values(&mut self, values: &[Value]) -> io::Result<Vec<Sent>> {
        values.iter().map(|value| self.value(value)).collect()
    }

    fn bundle(&mut self, bundle: &Bundle) -> io::Result<Sent> {
        let memory = match &mut self.memory {
            Some(memory) => memory,
            none => {
                let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
                none.insert(File::from(memfd_create(c"rondel", flags)?))
            }
        };
        let (start, len) = (self.end.next_multiple_of(ALIGN), canon::written_bytes(bundle));
        memory.seek(SeekFrom::Start(start))?;
        let mut out = BufWriter::new(&*memory);
        match self.with_content {
            true => canon::write(bundle, &mut out)?,
            false => canon::write_head(bundle, &mut out)?,
        }
        out.flush()?;
        drop(out);
        self.end = start + len;
        Ok(Sent::Bundle { start, len })
    }

    /// The size of the memory.
    pub(super) fn n_bytes(&self) -> u64 {
        self.end
    }

    /// The memory with all bundles, which nobody can change any more; none if there was no bundle.
    pub(super) fn seal(self) -> io::Result<Option<OwnedFd>> {
        let Some(memory) = self.memory else { return Ok(None) };
        memory.set_len(self.end)?;
        fcntl(&memory, FcntlArg::F_ADD_SEALS(seals() | SealFlag::F_SEAL_SEAL))?;
        Ok(Some(memory.into()))
    }
}

/// Without these, whoever has the descriptor could change what another process reads.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

/// The memory that came with a message.
#[derive(Default)]
pub(super) struct Parcel(Bytes);

impl Parcel {
    pub(super) fn open(memory: Option<OwnedFd>) -> Result<Parcel, UnpackError> {
        let Some(memory) = memory else { return Ok(Parcel::default()) };
        let found = fcntl(&memory, FcntlArg::F_GET_SEALS).map_err(|_| UnpackError::NotSealed)?;
        if !SealFlag::from_bits_retain(found).contains(seals()) {
            return Err(UnpackError::NotSealed);
        }
        let memory = File::from(memory);
        let n_bytes = memory.metadata().map_err(UnpackError::Read)?.len();
        if n_bytes < MAPPED_BYTES {
            let mut copy = vec![0; n_bytes as usize];
            memory.read_exact_at(&mut copy, 0).map_err(UnpackError::Read)?;
            return Ok(Parcel(copy.into()));
        }
        // SAFETY: the seals promise that nobody writes to this memory or makes it shorter while it is mapped.
        let mapped = unsafe { Mmap::map(&memory) }.map_err(UnpackError::Map)?;
        Ok(Parcel(Bytes::from_owner(mapped)))
    }

    /// The size of the memory.
    pub(super) fn n_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn value(&self, sent: Sent) -> Result<Value, UnpackError> {
        Ok(match sent {
            Sent::None => Value::None,
            Sent::Bool(b) => Value::Bool(b),
            Sent::Int(i) => Value::Int(i),
            Sent::Float(bits) => match f64::from_bits(bits) {
                f if f.is_finite() => Value::Float(f),
                _ => return Err(UnpackError::NotFinite),
            },
            Sent::Seed(seed) => Value::Seed(seed),
            Sent::Text(text) => Value::text(text),
            Sent::Json(text) => Value::Json(Json::parse(&text)?),
            Sent::Pair(pair) => Value::Pair(pair),
            Sent::Bundle { start, len } => {
                let end = start.checked_add(len).filter(|end| *end <= self.0.len() as u64);
                let end = end.ok_or(UnpackError::Outside)?;
                Value::Bundle(canon::read(&self.0.slice(start as usize..end as usize))?)
            }
            Sent::List(items) => Value::list(self.values(items)?),
        })
    }

    pub(super) fn values(&self, sent: Vec<Sent>) -> Result<Vec<Value>, UnpackError> {
        sent.into_iter().map(|sent| self.value(sent)).collect()
    }
}

#[cfg(test)]
mod tests {
    use rondel_value::{Image, Kind, Meta, Tensor};

    use super::*;

    fn picture(first: u8) -> Value {
        Value::Bundle(Image::from_u8(2, 1, 3, vec![first, 2, 3, 4, 5, 6]).unwrap().into())
    }

    #[test]
    fn every_value_arrives_as_it_was() {
        let values = [
            Value::None,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Float(-0.1),
            Value::Seed(u64::MAX),
            Value::text("fox"),
            Value::Json(Json::parse(r#"{"b":1.5,"a":[2]}"#).unwrap()),
            Value::Pair([64, -48]),
            picture(1),
            Value::list([Value::list([picture(7), picture(8)]), Value::list([])]),
            Value::Bundle(Bundle::new(Kind::Tensor, Meta::new(), [])),
        ];
        let mut packer = Packer::new();
        let sent = packer.values(&values).unwrap();
        let parcel = Parcel::open(packer.seal().unwrap()).unwrap();
        assert_eq!(parcel.values(sent).unwrap(), values);
    }

    #[test]
    fn of_stand_ins_the_shapes_arrive() {
        let tensor = Tensor::from_f32("t", vec![2, 2], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        let bundle = Bundle::new(Kind::Tensor, Meta::new(), [tensor]);
        let mut packer = Packer::of_shapes();
        let sent = packer.value(&Value::Bundle(bundle)).unwrap();
        let parcel = Parcel::open(packer.seal().unwrap()).unwrap();
        let Value::Bundle(arrived) = parcel.value(sent).unwrap() else { panic!("a bundle") };
        assert_eq!((arrived.tensors()[0].shape(), arrived.tensors()[0].data()[..4] == [0; 4]), (&[2, 2][..], true));
    }

    #[test]
    fn memory_that_its_sender_could_still_change_is_not_mapped() {
        let open = memfd_create(c"open", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
        assert!(matches!(Parcel::open(Some(open)), Err(UnpackError::NotSealed)));
        let file = tempfile::tempfile().unwrap();
        assert!(matches!(Parcel::open(Some(file.into())), Err(UnpackError::NotSealed)));
    }

    #[test]
    fn a_bundle_outside_of_the_memory_is_refused() {
        let mut packer = Packer::new();
        packer.value(&picture(1)).unwrap();
        let parcel = Parcel::open(packer.seal().unwrap()).unwrap();
        for (start, len) in [(0, 1 << 20), (u64::MAX, 2), (1 << 20, 1)] {
            assert!(matches!(parcel.value(Sent::Bundle { start, len }), Err(UnpackError::Outside)));
        }
    }

    #[test]
    fn only_what_is_large_takes_a_mapping() {
        let is_mapped = |n_bytes: usize| {
            let tensor = Tensor::from_f32("t", vec![n_bytes / 4], &vec![0.5; n_bytes / 4]).unwrap();
            let mut packer = Packer::new();
            packer.value(&Value::Bundle(Bundle::new(Kind::Tensor, Meta::new(), [tensor]))).unwrap();
            let parcel = Parcel::open(packer.seal().unwrap()).unwrap();
            let begins = format!("{:x}-", parcel.0.as_ptr() as usize);
            std::fs::read_to_string("/proc/self/maps")
                .unwrap()
                .lines()
                .any(|line| line.trim_start_matches('0').starts_with(&begins) && line.contains("memfd:"))
        };
        assert!(!is_mapped(64 << 10));
        assert!(is_mapped(1 << 20));
    }
}
