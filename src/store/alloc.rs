//! The allocator's wrapper: counts the bytes in use, for INFO and the memory limit.
//!
//! Every thread counts in one of several cells, so that threads do not fight for one cache line; the sum is exact
//! whenever no allocation is under way.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use libmimalloc_sys::{
    mi_collect, mi_free, mi_malloc, mi_malloc_aligned, mi_option_set_default, mi_option_t,
    mi_realloc, mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};

const CELLS: usize = 16;

#[repr(align(128))]
struct Padded(AtomicIsize);

static CELL: [Padded; CELLS] = [const { Padded(AtomicIsize::new(0)) }; CELLS];
static NEXT_CELL: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's cell; `CELLS` until the first allocation. Needs no destructor, so it works to the thread's end.
    static MINE: Cell<usize> = const { Cell::new(CELLS) };
}

#[inline]
fn count(bytes: isize) {
    let cell = MINE.try_with(|mine| {
        let mut cell = mine.get();
        if cell == CELLS {
            cell = NEXT_CELL.fetch_add(1, Ordering::Relaxed) % CELLS;
            mine.set(cell);
        }
        cell
    });
    CELL[cell.unwrap_or(0)]
        .0
        .fetch_add(bytes, Ordering::Relaxed);
}

/// Gives memory back to the system that was freed: mimalloc waits with that, lest it be needed again at once, and looks
/// again only when something is allocated, which in a server at rest may be never.
pub fn release_unused() {
    // SAFETY: the function may be called at any time from any thread; it touches no block that is in use.
    unsafe { mi_collect(true) }
}

/// The number of mimalloc's option for how long memory that was freed is kept, in milliseconds (`mi_option_purge_delay` in its
/// header, which the binding does not name).
const PURGE_DELAY: mi_option_t = 15;

/// Has memory that was freed kept for so many milliseconds, if nobody [releases](release_unused) it and the environment
/// (`MIMALLOC_PURGE_DELAY`) says nothing else.
pub fn keep_freed_for(delay_ms: u16) {
    // SAFETY: the function may be called at any time; an option changes what is kept and no block.
    unsafe { mi_option_set_default(PURGE_DELAY, delay_ms.into()) }
}

/// Bytes that are allocated now; 0 in a program that has not installed [`Counting`].
pub fn used_bytes() -> usize {
    let sum: isize = CELL.iter().map(|cell| cell.0.load(Ordering::Relaxed)).sum();
    usize::try_from(sum).unwrap_or(0)
}

/// The alignment that every block of mimalloc has at least, as `.cargo/config.toml` has it built.
const NATURAL_ALIGN: usize = 8;

/// mimalloc, called without its aligned functions wherever its natural alignment is enough.
///
/// The aligned functions, which the `mimalloc` crate always calls, allocate more than is asked for to find an aligned
/// place within: a bucket array of 5120 bytes takes 6392 that way, and 5369 this way.
#[derive(Debug)]
pub struct Mimalloc;

/// Whether a block of that layout from the plain functions is aligned as asked.
#[inline]
fn is_natural(layout: Layout) -> bool {
    layout.align() <= NATURAL_ALIGN
}

/// The size at which larger alignments mostly come by themselves: a multiple of them. Lua asks for 16 bytes' alignment of
/// everything.
#[inline]
fn size_of_multiples(layout: Layout) -> usize {
    layout.size().next_multiple_of(layout.align())
}

/// The block, if it is aligned to `align` (or null); else it is freed.
///
/// # Safety
/// `block` is null or a live block of mimalloc's that nobody uses yet.
#[inline]
unsafe fn aligned_or_freed(block: *mut c_void, align: usize) -> Option<*mut u8> {
    if block.addr().is_multiple_of(align) {
        return Some(block.cast());
    }
    // SAFETY: the block is live and unused, by the caller's promise.
    unsafe { mi_free(block) };
    None
}

// SAFETY: the functions of mimalloc behave as an allocator's must; every block is aligned as its layout asks.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: mimalloc takes any size; the aligned function any power of two.
        unsafe {
            if is_natural(layout) {
                return mi_malloc(layout.size()).cast();
            }
            let block = mi_malloc(size_of_multiples(layout));
            aligned_or_freed(block, layout.align())
                .unwrap_or_else(|| mi_malloc_aligned(layout.size(), layout.align()).cast())
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe {
            if is_natural(layout) {
                return mi_zalloc(layout.size()).cast();
            }
            let block = mi_zalloc(size_of_multiples(layout));
            aligned_or_freed(block, layout.align())
                .unwrap_or_else(|| mi_zalloc_aligned(layout.size(), layout.align()).cast())
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the block came from one of the functions above.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the block came from one of the functions above.
        unsafe {
            if is_natural(layout) {
                return mi_realloc(block.cast(), new_size).cast();
            }
            mi_realloc_aligned(block.cast(), new_size, layout.align()).cast()
        }
    }
}

/// An allocator that counts what passes through it to `A`.
#[derive(Debug)]
pub struct Counting<A>(pub A);

// SAFETY: every call goes to the inner allocator unchanged; counting allocates nothing.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.realloc(block, layout, new_size) }
    }
}
