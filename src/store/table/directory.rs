//! A directory node: an array of references to children, indexed by the bits of the hash that follow its prefix.
//!
//! Both levels are made of it: pages point to segments, and the root points to pages. A child whose prefix is shorter
//! than the index fills a run of consecutive slots; the run holds one counted reference, not one for each slot,
//! and the node owns it. So it is always the runs that are walked, and a child's link changes in its whole run.
//!
//! ```text
//! reference count | lower bound of the deadlines below | 2^bits slots
//! ```
//!
//! Like a segment, a [`Directory`] is a tagged pointer: the length of its prefix (`depth`) and the number of index
//! bits are in it, so a lookup reads one slot of each level and nothing else.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, forget};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use super::bucket::POINTER_MASK;
use super::node::{NO_DEADLINE, Node, prefetch};
use super::segment::Segment;

/// Where the number of index bits and the depth begin in the tagged pointer.
const BITS_SHIFT: u32 = 52;
const DEPTH_SHIFT: u32 = 58;

/// What a directory points to.
///
/// # Safety
/// The type is `#[repr(transparent)]` over one non-null pointer, so that its bits say whether it has changed and
/// may lie in several slots at once. `depth` reads nothing but those bits.
pub(super) unsafe trait Child: Clone {
    /// How many bits of the hash all elements below share.
    fn depth(&self) -> u32;
    /// No element below has an earlier deadline.
    fn bound_ms(&self) -> u64;
    /// The bits of the reference.
    fn link(&self) -> NonNull<u8>;
}

// SAFETY: `Segment` is transparent over its link, in which the depth is packed.
unsafe impl<N: Node> Child for Segment<N> {
    #[inline]
    fn depth(&self) -> u32 {
        Segment::depth(self)
    }

    fn bound_ms(&self) -> u64 {
        Segment::bound_ms(self)
    }

    fn link(&self) -> NonNull<u8> {
        Segment::link(self)
    }
}

// SAFETY: `Directory` is transparent over its link, in which the depth is packed.
unsafe impl<C: Child> Child for Directory<C> {
    #[inline]
    fn depth(&self) -> u32 {
        Directory::depth(self)
    }

    fn bound_ms(&self) -> u64 {
        Directory::bound_ms(self)
    }

    fn link(&self) -> NonNull<u8> {
        self.link
    }
}

#[repr(C)]
struct Header {
    references: AtomicUsize,
    bound_ms: AtomicU64,
}

/// One counted reference to a directory node.
#[repr(transparent)]
pub(super) struct Directory<C: Child> {
    link: NonNull<u8>,
    children: PhantomData<C>,
}

// SAFETY: a directory is shared like an `Arc` of its children.
unsafe impl<C: Child + Send + Sync> Send for Directory<C> {}
// SAFETY: as above; through `&Directory` nothing but the atomic fields changes.
unsafe impl<C: Child + Send + Sync> Sync for Directory<C> {}

fn layout_of(bits: u32) -> Layout {
    let bytes = size_of::<Header>() + (size_of::<usize>() << bits);
    Layout::from_size_align(bytes, align_of::<Header>())
        .expect("a directory is far below isize::MAX")
}

impl<C: Child> Directory<C> {
    /// A node with one child, whose prefix it takes over.
    pub(super) fn of_one(child: C) -> Self {
        let depth = child.depth();
        let bound_ms = child.bound_ms();
        Self::build(depth, 0, bound_ms, [child])
    }

    /// A node whose slots are filled by `children`, each in as many slots as its depth says.
    fn build(depth: u32, bits: u32, bound_ms: u64, children: impl IntoIterator<Item = C>) -> Self {
        let layout = layout_of(bits);
        // SAFETY: the layout is not of size zero.
        let raw = unsafe { alloc(layout) };
        let Some(raw) = NonNull::new(raw) else {
            handle_alloc_error(layout)
        };
        assert!(raw.addr().get() <= POINTER_MASK, "pointers fit 48 bits");
        let header = Header {
            references: AtomicUsize::new(1),
            bound_ms: AtomicU64::new(bound_ms),
        };
        // SAFETY: the allocation begins with room for the header, aligned for it.
        unsafe { raw.cast::<Header>().write(header) };
        let tags = (depth as usize) << DEPTH_SHIFT | (bits as usize) << BITS_SHIFT;
        let mut node = Directory {
            link: raw.map_addr(|address| address | tags),
            children: PhantomData,
        };
        let mut next = 0;
        for child in children {
            let run = node.run_of(&child);
            node.fill(next, run, child);
            next += run;
        }
        assert_eq!(next, 1 << bits, "the children cover the directory exactly");
        node
    }

    #[inline]
    fn raw(&self) -> *mut u8 {
        self.link
            .as_ptr()
            .map_addr(|address| address & POINTER_MASK)
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the allocation begins with a header and lives while this reference does.
        unsafe { &*self.raw().cast::<Header>() }
    }

    #[inline]
    fn first_slot(&self) -> *mut C {
        // SAFETY: the slots follow the header in the same allocation.
        unsafe { self.raw().add(size_of::<Header>()).cast() }
    }

    /// Length of the prefix, in bits.
    #[inline]
    pub(super) fn depth(&self) -> u32 {
        (self.link.addr().get() >> DEPTH_SHIFT) as u32
    }

    /// Number of index bits.
    #[inline]
    pub(super) fn bits(&self) -> u32 {
        (self.link.addr().get() >> BITS_SHIFT) as u32 & 63
    }

    /// The slot for a hash.
    #[inline]
    fn index(&self, hash: u64) -> usize {
        // Two shifts, as there may be no index bits at all and a shift by 64 is none.
        ((hash << self.depth()) >> 1 >> (63 - self.bits())) as usize
    }

    /// How many slots a child fills.
    fn run_of(&self, child: &C) -> usize {
        1 << (self.depth() + self.bits() - child.depth())
    }

    /// The first slot of the child for a hash, and how many slots it fills.
    fn run_at(&self, hash: u64) -> (usize, usize) {
        let run = self.run_of(self.get(hash));
        (self.index(hash) & !(run - 1), run)
    }

    /// Puts one reference into a run of slots.
    fn fill(&mut self, first: usize, run: usize, child: C) {
        assert!(first + run <= 1 << self.bits());
        for slot in first..first + run {
            // SAFETY: within the slots; bits that lie there were moved out or were never a child. The run owns
            // one reference, whose bits are copied to each slot.
            unsafe { self.first_slot().add(slot).write(std::ptr::read(&child)) };
        }
        forget(child);
    }

    /// The child for a hash.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> &C {
        let index = self.index(hash);
        debug_assert!(index < 1 << self.bits());
        // SAFETY: the index has `bits` bits, and every slot holds the bits of a child that this node owns.
        unsafe { &*self.first_slot().add(index) }
    }

    /// The children, each once, in order of hash.
    pub(super) fn children(&self) -> impl Iterator<Item = &C> {
        let mut next = 0;
        std::iter::from_fn(move || {
            if next >= 1 << self.bits() {
                return None;
            }
            // SAFETY: within the slots, which all hold children.
            let child = unsafe { &*self.first_slot().add(next) };
            next += self.run_of(child);
            Some(child)
        })
    }

    /// The child that shares all of this hash's child's prefix but the last bit, if it lies in this node.
    pub(super) fn buddy(&self, hash: u64) -> Option<&C> {
        let child = self.get(hash);
        if child.depth() == self.depth() {
            return None;
        }
        let buddy = self.get(hash ^ (1 << (64 - child.depth())));
        (buddy.depth() == child.depth()).then_some(buddy)
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        layout_of(self.bits()).size()
    }

    /// No element below has an earlier deadline than this.
    #[inline]
    pub(super) fn bound_ms(&self) -> u64 {
        self.header().bound_ms.load(Ordering::Relaxed)
    }

    /// Sets the lower bound. Also right while shared: the bound speaks of content that all owners share.
    pub(super) fn set_bound_ms(&self, bound_ms: u64) {
        self.header().bound_ms.store(bound_ms, Ordering::Relaxed);
    }

    /// Sets the bound to the least of the children's.
    pub(super) fn renew_bound(&self) {
        let bounds = self.children().map(C::bound_ms);
        self.set_bound_ms(bounds.min().unwrap_or(NO_DEADLINE));
    }

    /// Whether this is the only reference (see `Segment::is_unique`).
    #[inline]
    pub(super) fn is_unique(&self) -> bool {
        self.header().references.load(Ordering::Acquire) == 1
    }

    /// Replaces a shared node by a copy of its own, which counts each child once more.
    pub(super) fn make_unique(&mut self) {
        if self.is_unique() {
            return;
        }
        // Each child's count is on a line of its own, and there may be hundreds.
        for child in self.children() {
            prefetch(child.link().as_ptr().map_addr(|link| link & POINTER_MASK));
        }
        let children = self.children().cloned();
        *self = Self::build(self.depth(), self.bits(), self.bound_ms(), children);
    }
}

/// Changing the structure. The node has one owner.
impl<C: Child> Directory<C> {
    /// The child for a hash, to be changed below its link.
    ///
    /// # Safety
    /// The caller leaves the link itself as it is: its copies in the run would dangle.
    #[inline]
    pub(super) unsafe fn child_mut(&mut self, hash: u64) -> &mut C {
        debug_assert!(self.is_unique());
        let index = self.index(hash);
        // SAFETY: as in `get`; the node has one owner, which is borrowed mutably.
        unsafe { &mut *self.first_slot().add(index) }
    }

    /// Lets `change` replace the child for a hash, and its link in the whole run. It must keep the child's depth.
    pub(super) fn modify<R>(&mut self, hash: u64, change: impl FnOnce(&mut C) -> R) -> R {
        let (first, run) = self.run_at(hash);
        // SAFETY: the link is rewritten in its run below, in every way out of here.
        let child = unsafe { self.child_mut(hash) };
        let before = child.link();
        let no_unwind = AbortOnUnwind;
        let result = change(child);
        forget(no_unwind);
        if child.link() != before {
            // SAFETY: the bits are moved from their slot to the run, which includes that slot.
            let child = unsafe { std::ptr::read(child) };
            debug_assert!(self.run_of(&child) == run);
            self.fill(first, run, child);
        }
        result
    }

    /// Whether the child for a hash fills more than one slot, so that it can be split in place.
    pub(super) fn can_split_child(&self, hash: u64) -> bool {
        self.run_at(hash).1 > 1
    }

    /// Replaces the child for a hash by two, one bit deeper.
    pub(super) fn split_child(&mut self, hash: u64, split: impl FnOnce(C) -> (C, C)) {
        let (first, run) = self.run_at(hash);
        assert!(run > 1, "only a child of several slots splits in place");
        // SAFETY: the reference is moved out here, and the whole run is filled anew before anything reads it.
        let child = unsafe { self.first_slot().add(first).read() };
        let no_unwind = AbortOnUnwind;
        let (low, high) = split(child);
        forget(no_unwind);
        self.fill(first, run / 2, low);
        self.fill(first + run / 2, run / 2, high);
    }

    /// Replaces the child for a hash and its buddy, which exists, by one that is one bit less deep.
    pub(super) fn merge_buddies(&mut self, hash: u64, merge: impl FnOnce(C, C) -> C) {
        assert!(self.buddy(hash).is_some());
        let (first, run) = self.run_at(hash);
        let first = first & !run;
        // SAFETY: both references are moved out, and both runs are filled anew before anything reads them.
        let pair = unsafe {
            let slots = self.first_slot();
            (slots.add(first).read(), slots.add(first + run).read())
        };
        let no_unwind = AbortOnUnwind;
        let merged = merge(pair.0, pair.1);
        forget(no_unwind);
        self.fill(first, 2 * run, merged);
    }

    /// Doubles the index.
    pub(super) fn expand(&mut self) {
        self.rebuild(self.bits() + 1);
    }

    /// Gives back index bits that no child needs.
    pub(super) fn trim(&mut self) {
        let deepest = self.children().map(C::depth).max();
        let bits = deepest.unwrap_or(self.depth()) - self.depth();
        if bits < self.bits() {
            self.rebuild(bits);
        }
    }

    fn rebuild(&mut self, bits: u32) {
        let (depth, bound_ms) = (self.depth(), self.bound_ms());
        let old = std::mem::replace(self, Self::build_from(depth, bits, bound_ms, [&*self]));
        old.free_shell();
    }

    /// A node with the children of others, whose references it takes over: their shells must be freed alone.
    fn build_from<const K: usize>(depth: u32, bits: u32, bound_ms: u64, from: [&Self; K]) -> Self {
        let children = from.into_iter().flat_map(|node| {
            // SAFETY: each reference is moved out once, and the shell of its node is freed without dropping it.
            node.children()
                .map(|child| unsafe { std::ptr::read(child) })
        });
        Self::build(depth, bits, bound_ms, children)
    }

    /// Splits by the first index bit. No child fills the whole node.
    pub(super) fn split(self) -> (Self, Self) {
        let depth = self.depth() + 1;
        let half_run = 1 << (self.bits() - 1);
        let half = |first: usize| {
            let mut next = first;
            let mut deepest = depth;
            let mut children = Vec::new();
            while next < first + half_run {
                // SAFETY: each reference is moved out once, by one of the two halves; the shell is freed alone.
                let child = unsafe { self.first_slot().add(next).read() };
                next += self.run_of(&child);
                deepest = deepest.max(child.depth());
                children.push(child);
            }
            Self::build(depth, deepest - depth, self.bound_ms(), children)
        };
        let halves = (half(0), half(half_run));
        self.free_shell();
        halves
    }

    /// Joins two buddies, each with one owner.
    pub(super) fn merge(low: Self, high: Self) -> Self {
        let bits = low.bits().max(high.bits()) + 1;
        let bound_ms = low.bound_ms().min(high.bound_ms());
        let merged = Self::build_from(low.depth() - 1, bits, bound_ms, [&low, &high]);
        low.free_shell();
        high.free_shell();
        merged
    }

    /// Frees the memory but not the references in it, which another node has taken over.
    fn free_shell(self) {
        let node = ManuallyDrop::new(self);
        debug_assert!(node.is_unique());
        // SAFETY: allocated with this layout; the only reference to it ends here.
        unsafe { dealloc(node.raw(), layout_of(node.bits())) };
    }
}

/// Ends the process if it is dropped: references that are moved out and not yet back must not be dropped twice.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}

impl<C: Child> Clone for Directory<C> {
    fn clone(&self) -> Self {
        // Relaxed: the new reference is made from one that we hold.
        self.header().references.fetch_add(1, Ordering::Relaxed);
        Directory {
            link: self.link,
            children: PhantomData,
        }
    }
}

impl<C: Child> Drop for Directory<C> {
    fn drop(&mut self) {
        if self.header().references.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Other owners' uses happened before their decrement; this makes them happen before the release.
        fence(Ordering::Acquire);
        let mut next = 0;
        while next < 1 << self.bits() {
            // SAFETY: within the slots; the first slot of each run gives up the run's one reference.
            let child = unsafe { self.first_slot().add(next).read() };
            next += self.run_of(&child);
        }
        // SAFETY: allocated with this layout, and this was the last reference.
        unsafe { dealloc(self.raw(), layout_of(self.bits())) };
    }
}
