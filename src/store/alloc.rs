//! The allocator's wrapper: counts the bytes in use, for INFO and the memory limit.
//!
//! Every thread counts in one of several cells, so that threads do not fight for one cache line; the sum is exact
//! whenever no allocation is under way.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

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

/// Bytes that are allocated now; 0 in a program that has not installed [`Counting`].
pub fn used_bytes() -> usize {
    let sum: isize = CELL.iter().map(|cell| cell.0.load(Ordering::Relaxed)).sum();
    usize::try_from(sum).unwrap_or(0)
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
