//! The host as plugins see it, with what its services keep.

#![expect(unsafe_code)]

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use rondel_abi::{self as abi, Str, service};

use crate::execution::never_unwinding;
use crate::registry::HostOptions;
use crate::services::build::BUILD;
use crate::services::memory::{MEMORY, Memory};

/// The host struct of one registry, and what stands behind its services.
#[repr(C)]
pub(crate) struct HostSide {
    /// First, so that a pointer to it is one to the whole.
    head: abi::Host,
    options: HostOptions,
    memory: Memory,
    built_bundles_alive: AtomicUsize,
}

// SAFETY: the pointers of `head` lead into the same struct, which never moves or changes after it was made.
unsafe impl Send for HostSide {}
// SAFETY: as above.
unsafe impl Sync for HostSide {}

impl HostSide {
    /// Makes a host that stays for the rest of the process: a plugin may use its pointer at any time.
    pub(crate) fn leak(options: HostOptions, memory: Memory) -> &'static HostSide {
        let head = abi::Host {
            struct_size: size_of::<abi::Host>() as u32,
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            host_data: std::ptr::null_mut(),
            name: Str::new(""),
            version: Str::new(""),
            get_extension: Some(get_extension),
        };
        let host = Box::leak(Box::new(HostSide { head, options, memory, built_bundles_alive: AtomicUsize::new(0) }));
        // Only now do the texts have the addresses that the head points at.
        host.head.name = Str::new(&host.options.name);
        host.head.version = Str::new(&host.options.version);
        host
    }

    pub(crate) fn as_ptr(&'static self) -> *const abi::Host {
        (&raw const *self).cast()
    }

    /// The host behind the pointer that a plugin passes back.
    ///
    /// # Safety
    ///
    /// `host` is null or was handed out by this module.
    pub(crate) unsafe fn behind(host: *const abi::Host) -> Option<&'static HostSide> {
        // SAFETY: only ever heads of leaked `HostSide`s are handed out.
        unsafe { host.cast::<HostSide>().as_ref() }
    }

    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "isolation is for Linux"))]
    pub(crate) fn options(&self) -> &HostOptions {
        &self.options
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn built_bundles_alive(&self) -> usize {
        self.built_bundles_alive.load(Ordering::Acquire)
    }

    pub(crate) fn bundle_is_built(&self) {
        self.built_bundles_alive.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn bundle_is_gone(&self) {
        self.built_bundles_alive.fetch_sub(1, Ordering::Release);
    }
}

unsafe extern "C" fn get_extension(_: *const abi::Host, id: Str) -> *const c_void {
    never_unwinding(std::ptr::null(), || {
        // SAFETY: the id is valid during this call.
        match unsafe { id.get() } {
            Some(service::BUILD) => (&raw const BUILD).cast(),
            Some(service::MEMORY) => (&raw const MEMORY).cast(),
            _ => std::ptr::null(),
        }
    })
}
