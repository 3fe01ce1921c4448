//! The program's memory: counted, and kept once it was had.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use rondel_engine::MemoryProbe;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator with a count of what is held.
///
/// Mapped files are not counted, nor what a shared object allocates by itself.
pub struct Counting;

/// What is held at this moment.
pub fn held_bytes() -> u64 {
    HELD.load(Ordering::Relaxed) as u64
}

fn grown(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    // Nearly always a load only: the peak is rarely passed.
    if held > PEAK.load(Ordering::Relaxed) {
        PEAK.fetch_max(held, Ordering::Relaxed);
    }
}

fn shrunk(bytes: usize) {
    HELD.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: every call is handed to the system's allocator with the same arguments; counting touches nothing else.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the system allocator's.
        let memory = unsafe { System.alloc(layout) };
        if !memory.is_null() {
            grown(layout.size());
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if !memory.is_null() {
            grown(layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) };
        shrunk(layout.size());
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(memory, layout, new_size) };
        if !moved.is_null() {
            shrunk(layout.size());
            grown(new_size);
        }
        moved
    }
}

/// Reads the count for the engine.
pub struct Probe;

impl MemoryProbe for Probe {
    fn take_peak(&self) -> u64 {
        PEAK.swap(HELD.load(Ordering::Relaxed), Ordering::Relaxed) as u64
    }
}

/// Hands what is free back to the system, though the allocator was asked to keep it: for after large things went.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes the allocator's own locks and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Asks the system's allocator to keep what is freed.
///
/// By default glibc gives large blocks back at once and takes page faults for each new one, which costs tensor operations
/// up to half of their time. One arena, so that a block freed by one lane serves another.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only sets numbers, under the allocator's own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// What the process holds of the machine's memory.
    fn resident_bytes() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("a file of the system");
        let pages: usize = pages.split(' ').nth(1).expect("a number").parse().expect("a number");
        pages * 4096
    }

    #[test]
    fn what_was_let_go_is_handed_back_when_asked() {
        const BLOCK: usize = 1 << 20;
        keep_freed_memory();
        let mut blocks: Vec<Vec<u8>> = (0..256).map(|i| vec![i as u8; BLOCK]).collect();
        // The last one stays above the others, so that they are holes and not the end of the heap.
        let last = blocks.pop();
        drop(blocks);
        let kept = resident_bytes();
        give_back_freed_memory();
        let left = resident_bytes();
        assert!(left + 200 * BLOCK < kept, "{kept} bytes before, {left} after");
        assert_eq!(last.map(|block| block.len()), Some(BLOCK));
    }
}
