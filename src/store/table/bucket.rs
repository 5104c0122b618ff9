//! A bucket: one cache line of a segment, with seven slots.
//!
//! ```text
//! byte 0..7   seven tags, one for each slot: 0 for a free slot, else the low byte of the hash (0 becomes 1)
//! byte 7      alternates: bit i is set when an element whose home is this bucket lies in its i-th alternate
//! byte 8..64  seven slots: 48 bits of pointer, above them 16 bits of the hash (the segment's window)
//! ```
//!
//! All seven tags are compared at once, in one register. The hash bits beside the pointer make a false match
//! of the tag cost nothing, and let a segment be resized without reading its elements.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::node::{Node, NodeRef};

/// Slots in a bucket.
pub(super) const SLOTS: usize = 7;

/// Where the upper 16 bits of a slot begin.
const WINDOW_SHIFT: u32 = 48;
/// The bits of a slot that are the pointer.
pub(super) const POINTER_MASK: usize = (1 << WINDOW_SHIFT) - 1;
/// One in each tag byte, none in the byte of alternates.
const ONES: u64 = 0x0001_0101_0101_0101;
/// The highest bit of each tag byte.
const HIGHS: u64 = 0x0080_8080_8080_8080;
/// All but the highest bit of every byte.
const LOWS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
/// Where the byte of alternates begins.
const ALTERNATES_SHIFT: u32 = 56;

/// The tag of an element with this hash: never 0, which marks a free slot.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    (hash as u8).max(1)
}

/// A set of slots of one bucket; iterating gives their indices.
#[derive(Clone, Copy)]
pub(super) struct SlotSet(u64);

impl SlotSet {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl Iterator for SlotSet {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let index = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0 - 1;
        Some(index)
    }
}

/// One cache line of slots. A slot with a tag other than 0 holds one reference to an `N`.
///
/// Zeroed memory is an empty bucket. Dropping a bucket does nothing: its segment owns the references.
#[repr(C, align(64))]
pub(super) struct Bucket<N> {
    word: u64,
    slots: [*mut u8; SLOTS],
    nodes: PhantomData<N>,
}

const _: () = assert!(size_of::<Bucket<()>>() == 64, "a bucket is one cache line");
const _: () = assert!(
    usize::BITS == 64,
    "slots pack hash bits above a 48-bit pointer"
);

impl<N: Node> Bucket<N> {
    /// The slots whose tag is `tag`, exactly: no false match, also not beside a true one.
    #[inline]
    pub(super) fn matching(&self, tag: u8) -> SlotSet {
        let differing = self.word ^ (ONES * u64::from(tag));
        let not_zero = ((differing & LOWS) + LOWS) | differing;
        SlotSet(!not_zero & HIGHS)
    }

    /// The free slots.
    #[inline]
    pub(super) fn free(&self) -> SlotSet {
        self.matching(0)
    }

    /// The slots in use.
    #[inline]
    pub(super) fn used(&self) -> SlotSet {
        SlotSet(self.free().0 ^ HIGHS)
    }

    /// Which alternates hold elements whose home is this bucket, as a bit set.
    #[inline]
    pub(super) fn alternates(&self) -> u8 {
        (self.word >> ALTERNATES_SHIFT) as u8
    }

    pub(super) fn set_alternate(&mut self, index: usize) {
        self.word |= 1 << (ALTERNATES_SHIFT as usize + index);
    }

    pub(super) fn clear_alternate(&mut self, index: usize) {
        self.word &= !(1 << (ALTERNATES_SHIFT as usize + index));
    }

    /// The hash bits beside the pointer of a slot.
    #[inline]
    pub(super) fn window(&self, slot: usize) -> u16 {
        window_of(self.slots[slot])
    }

    pub(super) fn set_window(&mut self, slot: usize, window: u16) {
        self.slots[slot] = pack(self.pointer(slot), window);
    }

    pub(super) fn tag(&self, slot: usize) -> u8 {
        (self.word >> (8 * slot)) as u8
    }

    /// The node in a slot, if it is in use.
    #[inline]
    pub(super) fn node(&self, slot: usize) -> Option<NodeRef<'_, N>> {
        let raw = NonNull::new(self.pointer(slot))?;
        // SAFETY: a slot that is not null holds a reference, which cannot leave while the bucket is borrowed.
        Some(unsafe { NodeRef::new(raw) })
    }

    /// The pointer in a slot, null when it is free, for a prefetch or to move it.
    #[inline]
    pub(super) fn pointer(&self, slot: usize) -> *mut u8 {
        unpack(self.slots[slot])
    }

    /// Where the pointer of a slot lies.
    ///
    /// # Safety
    /// `bucket` points to a bucket.
    pub(super) unsafe fn slot_pointer(bucket: *mut Self, slot: usize) -> NonNull<*mut u8> {
        assert!(slot < SLOTS);
        // SAFETY: within the bucket, as just checked; no reference to the bucket is made.
        unsafe { NonNull::new_unchecked((&raw mut (*bucket).slots).cast::<*mut u8>().add(slot)) }
    }

    /// Puts a node in a free slot, which then owns the reference.
    pub(super) fn put(&mut self, slot: usize, tag: u8, window: u16, raw: NonNull<u8>) {
        debug_assert!(tag != 0 && self.slots[slot].is_null());
        // Also in release builds: an address this high would silently lose bits.
        assert!(raw.addr().get() <= POINTER_MASK, "pointers fit 48 bits");
        self.slots[slot] = pack(raw.as_ptr(), window);
        self.word |= u64::from(tag) << (8 * slot);
    }

    /// Frees a slot; the caller then owns the reference it held.
    pub(super) fn take(&mut self, slot: usize) -> Option<NonNull<u8>> {
        self.word &= !(0xff << (8 * slot));
        let packed = std::mem::replace(&mut self.slots[slot], std::ptr::null_mut());
        NonNull::new(unpack(packed))
    }
}

/// A pointer with hash bits above it.
#[inline]
pub(super) fn pack(pointer: *mut u8, window: u16) -> *mut u8 {
    pointer.map_addr(|address| address | usize::from(window) << WINDOW_SHIFT)
}

/// The hash bits above a pointer.
#[inline]
pub(super) fn window_of(packed: *mut u8) -> u16 {
    (packed.addr() >> WINDOW_SHIFT) as u16
}

/// The pointer alone.
#[inline]
pub(super) fn unpack(packed: *mut u8) -> *mut u8 {
    packed.map_addr(|address| address & POINTER_MASK)
}
