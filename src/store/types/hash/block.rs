//! [`Block`]: the entries of a small hash in one allocation, with their count and the number of their owners.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | how many refer to the block |
//! | 4 | bytes of the entries |
//! | 4 | number of the entries; the highest bit says that each third one is a deadline |
//! | n | the entries, as [`crate::store::encoding::flat`] lays them out |
//!
//! There is neither spare room nor a second allocation: servers hold millions of small hashes, and ten fields such as
//! `field:0` with `value:0` take 192 bytes this way, which is one of the allocator's sizes. The allocator knows the
//! room in its own block, so that growing by an entry mostly stays in place.
//!
//! A block with one owner is changed in place, another is copied first.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use crate::store::encoding::flat::{Encoded, Iter};

/// The bit of the count that says that the entries are field, value, deadline and not field, value.
const TIMED: u32 = 1 << 31;
/// Owners of one block: one for each snapshot or copy that still shares it.
const MAX_REFS: u32 = u32::MAX / 2;

#[repr(C)]
struct Header {
    refs: AtomicU32,
    bytes: u32,
    count: u32,
}

/// A reference to a block.
#[repr(transparent)]
pub(super) struct Block(NonNull<Header>);

// SAFETY: a block is plain bytes; its count of owners is atomic, and the rest changes only through a single owner.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(size_of::<Header>() + bytes, align_of::<Header>())
        .expect("a small hash is smaller than the address space")
}

impl Block {
    /// A block of `count` entries that are laid out in `entries`.
    ///
    /// # Panics
    /// If the entries are 4 GiB or more, which the owner rules out.
    pub(super) fn new(entries: &[u8], count: u32, timed: bool) -> Self {
        let mut block = Block::allocate(entries.len());
        block.set_count(count, timed);
        block.entries_mut().copy_from_slice(entries);
        block
    }

    /// A block whose entries are still to be written.
    fn allocate(bytes: usize) -> Self {
        let layout = layout(bytes);
        // SAFETY: the layout is never empty, it holds at least the header.
        let raw = unsafe { alloc(layout) };
        let Some(header) = NonNull::new(raw.cast::<Header>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the block is laid out for the header and so many bytes. They are written as zeros, so that the
        // entries are initialised whatever becomes of the caller.
        unsafe {
            header.write(Header {
                refs: AtomicU32::new(1),
                bytes: bytes_field(bytes),
                count: 0,
            });
            header.add(1).cast::<u8>().write_bytes(0, bytes);
        }
        Block(header)
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the reference that self holds keeps the block alive.
        unsafe { self.0.as_ref() }
    }

    /// The entries.
    #[inline]
    pub(super) fn entries(&self) -> &[u8] {
        let bytes = self.header().bytes as usize;
        // SAFETY: so many initialised bytes lie behind the header.
        unsafe { std::slice::from_raw_parts(self.0.add(1).cast().as_ptr(), bytes) }
    }

    /// The entries of a block that has no other owner.
    fn entries_mut(&mut self) -> &mut [u8] {
        debug_assert!(self.is_unique());
        let bytes = self.header().bytes as usize;
        // SAFETY: as for `entries`, and nobody else refers to the block.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(1).cast().as_ptr(), bytes) }
    }

    /// Number of the entries.
    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.header().count & !TIMED
    }

    /// Whether each third entry is a deadline.
    #[inline]
    pub(super) fn is_timed(&self) -> bool {
        self.header().count & TIMED != 0
    }

    /// The entries, one after the other.
    #[inline]
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter::over(self.entries(), self.count())
    }

    /// Bytes of the allocation.
    pub(super) fn heap_bytes(&self) -> usize {
        layout(self.entries().len()).size()
    }

    fn is_unique(&self) -> bool {
        self.header().refs.load(Ordering::Acquire) == 1
    }

    fn set_count(&mut self, count: u32, timed: bool) {
        debug_assert!(self.is_unique() && count & TIMED == 0);
        // SAFETY: nobody else refers to the block.
        unsafe { (*self.0.as_ptr()).count = count | if timed { TIMED } else { 0 } }
    }

    /// Puts `new` in the place of the `removed` entries that take the bytes of `range`.
    pub(super) fn splice(&mut self, range: Range<usize>, removed: u32, new: &[Encoded<'_>]) {
        let size: usize = new.iter().map(Encoded::size).sum();
        let (timed, count) = (self.is_timed(), self.count() - removed + new.len() as u32);
        self.open(range.clone(), size);
        self.set_count(count, timed);
        let mut room = &mut self.entries_mut()[range.start..range.start + size];
        for element in new {
            let (own, rest) = room.split_at_mut(element.size());
            element.write(own);
            room = rest;
        }
    }

    /// Makes the bytes of `range` `size` bytes wide, for the caller to write; the block is its own afterwards.
    fn open(&mut self, range: Range<usize>, size: usize) {
        let old = self.entries().len();
        let new = old - range.len() + size;
        if !self.is_unique() {
            let mut copy = Block::allocate(new);
            let (from, to) = (self.entries(), copy.entries_mut());
            to[..range.start].copy_from_slice(&from[..range.start]);
            to[range.start + size..].copy_from_slice(&from[range.end..]);
            *self = copy;
            return;
        }
        if new > old {
            self.resize(new);
        }
        if size != range.len() {
            self.entries_mut()
                .copy_within(range.end..old, range.start + size);
        }
        if new < old {
            self.resize(new);
        }
    }

    /// Gives a block without other owners room for so many bytes; those that are new are zeros.
    fn resize(&mut self, bytes: usize) {
        debug_assert!(self.is_unique());
        let old = self.header().bytes as usize;
        let field = bytes_field(bytes);
        let (from, to) = (layout(old), layout(bytes));
        // SAFETY: the block was allocated with the layout of its old size, and nobody else refers to it.
        let raw = unsafe { realloc(self.0.as_ptr().cast(), from, to.size()) };
        let Some(header) = NonNull::new(raw.cast::<Header>()) else {
            handle_alloc_error(to)
        };
        self.0 = header;
        // SAFETY: the block is laid out for so many bytes now, of which the first `old` have been kept.
        unsafe {
            if bytes > old {
                let behind = header.add(1).cast::<u8>().add(old);
                behind.write_bytes(0, bytes - old);
            }
            (*header.as_ptr()).bytes = field;
        }
    }
}

fn bytes_field(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("the owner keeps small hashes below a gigabyte")
}

impl Clone for Block {
    fn clone(&self) -> Self {
        let before = self.header().refs.fetch_add(1, Ordering::Relaxed);
        assert!(
            before < MAX_REFS,
            "a block is referred to once a snapshot or copy, and memory ends before those do"
        );
        Block(self.0)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.header().refs.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        let layout = layout(self.header().bytes as usize);
        // SAFETY: this was the last reference, and the block was allocated with the same layout.
        unsafe { dealloc(self.0.as_ptr().cast(), layout) }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
