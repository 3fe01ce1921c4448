//! The host as a plugin sees it, and its services.
//!
//! A `Host` is valid from `init` until `deinit` returns; [`crate::export::Plugin`] sees to it that none is used later.

#![expect(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use rondel_abi::service::{self, Evict, MemoryService, TextSink};
use rondel_abi::{self as abi, Str};

use crate::memory::MemoryNow;

/// Reads a function of a struct of the boundary, if the struct is long enough to have it and it is offered.
macro_rules! offered {
    ($pointer:expr, $of:ty, $function:ident) => {{
        let pointer: *const $of = $pointer;
        // SAFETY: the struct is live and at least as long as its `struct_size` says, which is read first.
        unsafe {
            let end = std::mem::offset_of!($of, $function) + size_of::<*const ()>();
            if (*pointer).struct_size as usize >= end { (*pointer).$function } else { None }
        }
    }};
}
pub(crate) use offered;

/// A host that this plugin was handed in `init`.
#[derive(Clone, Copy)]
pub(crate) struct Host(NonNull<abi::Host>);

// SAFETY: all that is done through it is [any] by contract.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    /// # Safety
    ///
    /// `host` is null or a host that outlives every use of the result.
    pub(crate) unsafe fn new(host: *const abi::Host) -> Option<Host> {
        NonNull::new(host.cast_mut()).map(Host)
    }

    fn memory(self) -> Option<NonNull<MemoryService>> {
        let get = offered!(self.0.as_ptr(), abi::Host, get_extension)?;
        // SAFETY: the host is live; what it answers for this id is a `rondel_memory` that lives as long as the host.
        let service = unsafe { get(self.0.as_ptr(), Str::new(service::MEMORY)) };
        NonNull::new(service.cast_mut().cast())
    }

    /// Counts bytes that the plugin uses. The number beside `evict` is what it is called with; without one the bytes are not
    /// asked back.
    ///
    /// Without a memory service nobody counts, and everything may be kept.
    pub(crate) fn reserve(self, bytes: u64, name: &str, evict: Option<(Evict, usize)>) -> Reservation {
        let Some(memory) = self.memory() else { return Reservation::Uncounted };
        let Some(reserve) = offered!(memory.as_ptr(), MemoryService, reserve) else { return Reservation::Uncounted };
        // The number travels in the place of a pointer: an eviction that comes late finds nothing, instead of freed memory.
        let data = std::ptr::without_provenance_mut::<c_void>(evict.map_or(0, |(_, id)| id));
        let evict = evict.map(|(evict, _)| evict);
        // SAFETY: host and service are live, the name is copied, and `evict` never reads through `data`.
        match unsafe { reserve(self.0.as_ptr(), bytes, Str::new(name), evict, data) } {
            0 => Reservation::Refused,
            number => Reservation::Counted(Ticket { host: self, number }),
        }
    }
}

impl Host {
    /// How much memory there may be; no limit from a host that does not say.
    pub(crate) fn memory_now(self) -> MemoryNow {
        let memory = self.memory();
        let (budget, obtainable) = match memory {
            Some(memory) => {
                (offered!(memory.as_ptr(), MemoryService, budget), offered!(memory.as_ptr(), MemoryService, obtainable))
            }
            None => (None, None),
        };
        // SAFETY: host and service are live.
        let ask = |function: Option<unsafe extern "C" fn(*const abi::Host) -> u64>| {
            function.map(|function| unsafe { function(self.0.as_ptr()) }).filter(|bytes| *bytes != u64::MAX)
        };
        MemoryNow { budget_bytes: ask(budget), obtainable_bytes: ask(obtainable) }
    }
}

/// What the host said to [`Host::reserve`].
pub(crate) enum Reservation {
    Counted(Ticket),
    Uncounted,
    Refused,
}

/// Bytes that the host counts for this plugin.
pub(crate) struct Ticket {
    host: Host,
    number: u64,
}

impl Ticket {
    /// Says that the bytes were of use just now.
    pub(crate) fn touch(&self) {
        if let Some(memory) = self.host.memory()
            && let Some(touch) = offered!(memory.as_ptr(), MemoryService, touch)
        {
            // SAFETY: a ticket is let go before the `deinit` of its host returns, so host and service are live.
            unsafe { touch(self.host.0.as_ptr(), self.number) }
        }
    }

    /// Says that the plugin let go by itself.
    pub(crate) fn free(self) {
        if let Some(memory) = self.host.memory()
            && let Some(free) = offered!(memory.as_ptr(), MemoryService, free)
        {
            // SAFETY: as in `touch`.
            unsafe { free(self.host.0.as_ptr(), self.number) }
        }
    }
}

/// Collects what a service says into `sink`.
pub(crate) fn collect(call: impl FnOnce(TextSink, *mut c_void)) -> Vec<String> {
    unsafe extern "C" fn push(data: *mut c_void, text: Str) {
        // SAFETY: `data` is the list below, which outlives the call; text is valid while this function runs.
        unsafe {
            if let Some(text) = text.get() {
                (*data.cast::<Vec<String>>()).push(text.to_owned());
            }
        }
    }
    let mut texts: Vec<String> = Vec::new();
    call(push, (&raw mut texts).cast());
    texts
}
