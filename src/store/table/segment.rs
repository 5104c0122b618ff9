//! A segment: the elements under one prefix of the hash, at most some 1040 of them, in one allocation.
//!
//! ```text
//! line 0      header: reference count, lower bound of the deadlines, count, number of buckets
//! line 1..    buckets, in order of hash
//! ```
//!
//! **Place of an element.** Its home bucket is chosen by its hash bits, in order; when that is full, it goes to one
//! of eight alternates at fixed distances from home, and the home notes which in a bit set, so that looking for
//! an absent key visits few lines. When all nine are full, one element is moved to an alternate of its own.
//! So segments fill to 15/16 with 1.1 lines read for a hit and 1.2 to 1.7 for a miss.
//!
//! **Hash bits.** A slot keeps a *window* of 16 hash bits. It begins at bit `base` of the hash, at or before the
//! bit where the segment's prefix ends (`depth`); `shift` says how many of its bits the prefix covers by now.
//! Growing, splitting, and merging need these bits alone; only one split in [`MAX_SHIFT`] reads the keys anew.
//!
//! **Life cycle.** A segment begins with one bucket, grows by allocation sizes that the allocator wastes nothing
//! on, splits in two at the largest, steps down when emptied, and merges with its buddy. Elements whose hashes
//! agree so far that none of that helps (forced collisions) make a *crowded* segment: it has no homes, and a lookup
//! reads all of it. A segment is counted; whoever changes it must be its only owner ([`Segment::is_unique`]).
//!
//! A [`Segment`] is a tagged pointer that carries all that a lookup needs, so the header is not read for it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, forget};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use super::bucket::{Bucket, POINTER_MASK, SLOTS, tag_of};
use super::node::{NO_DEADLINE, Node, NodeRef, prefetch};
use crate::text::short::same;

/// Lines (header and buckets) of the sizes that a segment has: four to each doubling, as allocators have them. The largest is one of
/// which the allocator wastes nothing, and a table of a million elements consists of it.
const LINE_CLASSES: [usize; 25] = [
    2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160,
];
/// Buckets of the largest segment that splits rather than grows.
pub(super) const MAX_BUCKETS: usize = 159;
/// Distances, in buckets, from a home to its alternates: spread, so that full stretches do not run together.
const ALTERNATES: [usize; 8] = [1, 2, 3, 5, 8, 13, 21, 34];
/// How many bits of the window the prefix may cover: twelve remain to choose a home among 159.
const MAX_SHIFT: u32 = 4;
/// How far ahead a walk over all elements fetches them, in buckets.
const AHEAD: usize = 2;

/// Where the packed geometry begins in the tagged pointer.
const GEOMETRY_SHIFT: u32 = 48;
/// Low bits of the tagged pointer, free because segments are aligned to lines.
const BASE_MASK: usize = 63;

/// First line of a segment.
#[repr(C, align(64))]
struct Header {
    references: AtomicUsize,
    /// No element of the segment has an earlier deadline.
    bound_ms: AtomicU64,
    count: usize,
    buckets: usize,
}

/// Where the hash bits of a segment lie, and how many homes it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Geometry {
    /// First hash bit of the windows.
    base: u32,
    /// Bits of the window that the segment's prefix covers.
    shift: u32,
    /// Number of home buckets; 0 for a crowded segment.
    homes: usize,
}

impl Geometry {
    /// The window of a hash in this segment.
    #[inline]
    fn window(self, hash: u64) -> u16 {
        ((hash << self.base) >> 48) as u16
    }

    /// The home bucket of a window.
    #[inline]
    fn home(self, window: u16) -> usize {
        (usize::from(window << self.shift) * self.homes) >> 16
    }

    /// The i-th alternate of a home.
    #[inline]
    fn alternate(self, home: usize, index: usize) -> usize {
        let bucket = home + ALTERNATES[index];
        let Some(wrapped) = bucket.checked_sub(self.homes) else {
            return bucket;
        };
        // Only the smallest segments wrap more than once; the others need no division.
        if wrapped < self.homes {
            wrapped
        } else {
            wrapped % self.homes
        }
    }
}

/// The place of an element in its segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) bucket: usize,
    pub(super) slot: usize,
}

/// One counted reference to a segment.
#[repr(transparent)]
pub(super) struct Segment<N: Node> {
    link: NonNull<u8>,
    nodes: PhantomData<N>,
}

// SAFETY: a segment is shared like an `Arc` of nodes, and nodes are `Send + Sync` by their trait.
unsafe impl<N: Node> Send for Segment<N> {}
// SAFETY: as above; through `&Segment` nothing but the atomic fields changes.
unsafe impl<N: Node> Sync for Segment<N> {}

/// The largest number of elements that a segment of so many buckets takes before it grows.
const fn fill_limit(buckets: usize) -> usize {
    let slots = buckets * SLOTS;
    slots - slots / 16
}

/// Buckets of the smallest size that takes `count` elements.
fn buckets_for(count: usize) -> usize {
    let fitting = LINE_CLASSES
        .iter()
        .map(|lines| lines - 1)
        .find(|&buckets| fill_limit(buckets) >= count);
    fitting.unwrap_or_else(|| count.div_ceil(SLOTS) * 9 / 8)
}

/// Buckets of the next size up.
fn buckets_after(buckets: usize) -> usize {
    let larger = LINE_CLASSES
        .iter()
        .map(|lines| lines - 1)
        .find(|&larger| larger > buckets);
    larger.unwrap_or(buckets + buckets / 4)
}

fn layout_of(buckets: usize) -> Layout {
    let line = size_of::<Header>();
    Layout::from_size_align((buckets + 1) * line, line).expect("a segment is far below isize::MAX")
}

impl<N: Node> Segment<N> {
    /// An empty segment under a prefix of `depth` bits, with room for `count` elements, or as many as it can take.
    pub(super) fn empty(depth: u32, count: usize) -> Self {
        let homes = buckets_for(count.clamp(1, fill_limit(MAX_BUCKETS)));
        let geometry = Geometry {
            base: depth,
            shift: 0,
            homes,
        };
        Self::allocate(geometry, homes, NO_DEADLINE)
    }

    fn allocate(geometry: Geometry, buckets: usize, bound_ms: u64) -> Self {
        let layout = layout_of(buckets);
        // SAFETY: the layout is not of size zero.
        let raw = unsafe { alloc_zeroed(layout) };
        let Some(raw) = NonNull::new(raw) else {
            handle_alloc_error(layout)
        };
        assert!(raw.addr().get() <= POINTER_MASK, "pointers fit 48 bits");
        let header = Header {
            references: AtomicUsize::new(1),
            bound_ms: AtomicU64::new(bound_ms),
            count: 0,
            buckets,
        };
        // SAFETY: the first line of the allocation is for the header, and aligned for it.
        unsafe { raw.cast::<Header>().write(header) };
        let mut segment = Segment {
            link: raw,
            nodes: PhantomData,
        };
        segment.set_geometry(geometry);
        segment
    }

    /// Changes the geometry that the tagged pointer carries.
    fn set_geometry(&mut self, geometry: Geometry) {
        debug_assert!(geometry.homes < 1 << 12 && geometry.shift < 16 && geometry.base < 64);
        let tags = (geometry.homes << 4 | geometry.shift as usize) << GEOMETRY_SHIFT
            | geometry.base as usize;
        let tagged = self.raw().map_addr(|address| address | tags);
        self.link = NonNull::new(tagged).expect("made from a pointer that is not null");
    }

    #[inline]
    fn geometry(&self) -> Geometry {
        let address = self.link.addr().get();
        Geometry {
            base: (address & BASE_MASK) as u32,
            shift: (address >> GEOMETRY_SHIFT) as u32 & 15,
            homes: address >> (GEOMETRY_SHIFT + 4),
        }
    }

    #[inline]
    fn raw(&self) -> *mut u8 {
        self.link
            .as_ptr()
            .map_addr(|address| address & POINTER_MASK & !BASE_MASK)
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the allocation begins with a header and lives while this reference does.
        unsafe { &*self.raw().cast::<Header>() }
    }

    fn header_mut(&mut self) -> &mut Header {
        debug_assert!(self.is_unique());
        // SAFETY: as in `header`; who changes a segment is its only owner.
        unsafe { &mut *self.raw().cast::<Header>() }
    }

    #[inline]
    fn first_bucket(&self) -> *mut Bucket<N> {
        // SAFETY: the buckets follow the header in the same allocation.
        unsafe { self.raw().add(size_of::<Header>()).cast() }
    }

    #[inline]
    fn buckets(&self) -> &[Bucket<N>] {
        let homes = self.geometry().homes;
        let length = if homes != 0 {
            homes
        } else {
            self.header().buckets
        };
        // SAFETY: so many initialised buckets follow the header. Nobody changes them while they are borrowed:
        // changes go through `&mut Segment` and only while the segment has one owner.
        unsafe { std::slice::from_raw_parts(self.first_bucket(), length) }
    }

    fn buckets_mut(&mut self) -> &mut [Bucket<N>] {
        debug_assert!(self.is_unique());
        let length = self.buckets().len();
        // SAFETY: as in `buckets`; the segment has one owner, which is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.first_bucket(), length) }
    }

    /// Where the pointer of an element lies, for a guard that outlives the borrow.
    #[inline]
    pub(super) fn slot_pointer(&self, place: Place) -> NonNull<*mut u8> {
        assert!(place.bucket < self.buckets().len());
        // SAFETY: the bucket is within the allocation, as just checked.
        unsafe { Bucket::slot_pointer(self.first_bucket().add(place.bucket), place.slot) }
    }

    /// How many bits of the hash all elements share.
    #[inline]
    pub(super) fn depth(&self) -> u32 {
        let geometry = self.geometry();
        geometry.base + geometry.shift
    }

    pub(super) fn link(&self) -> NonNull<u8> {
        self.link
    }

    pub(super) fn count(&self) -> usize {
        self.header().count
    }

    /// Buckets, without the header's line.
    pub(super) fn bucket_count(&self) -> usize {
        self.header().buckets
    }

    /// Buckets that elements have as their home; all of a crowded segment is one.
    pub(super) fn home_count(&self) -> usize {
        self.geometry().homes.max(1)
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.geometry().homes == 0
    }

    /// How many elements are at home in each bucket, wherever they lie; a crowded segment is one home.
    pub(super) fn home_counts(&self) -> Vec<usize> {
        let geometry = self.geometry();
        if geometry.homes == 0 {
            return vec![self.count()];
        }
        let mut counts = vec![0; geometry.homes];
        for bucket in self.buckets() {
            for slot in bucket.used() {
                counts[geometry.home(bucket.window(slot))] += 1;
            }
        }
        counts
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        layout_of(self.header().buckets).size()
    }

    /// No element has an earlier deadline than this.
    #[inline]
    pub(super) fn bound_ms(&self) -> u64 {
        self.header().bound_ms.load(Ordering::Relaxed)
    }

    /// Sets the lower bound. Also right while shared: the bound speaks of content that all owners share.
    pub(super) fn set_bound_ms(&self, bound_ms: u64) {
        self.header().bound_ms.store(bound_ms, Ordering::Relaxed);
    }

    /// Whether this is the only reference. `Acquire`, because the last other owner may have read the segment
    /// on another thread, and those reads must be over before we write.
    #[inline]
    pub(super) fn is_unique(&self) -> bool {
        self.header().references.load(Ordering::Acquire) == 1
    }

    /// Replaces a shared segment by a copy of its own, which counts each element once more.
    pub(super) fn make_unique(&mut self) {
        if self.is_unique() {
            return;
        }
        let mut copy = Self::allocate(self.geometry(), self.header().buckets, self.bound_ms());
        copy.header_mut().count = self.count();
        // SAFETY: both have the same number of buckets and are different allocations. The copied pointers hold no
        // counts until the loop below has added them; nothing in between can panic or drop the copy.
        unsafe {
            copy.first_bucket()
                .copy_from_nonoverlapping(self.first_bucket(), self.header().buckets);
        }
        self.for_each(|_, node| forget(N::clone(&node)));
        *self = copy;
    }

    /// Calls `visit` for every element, bucket after bucket, fetching elements ahead of their visit.
    pub(super) fn for_each<'a>(&'a self, mut visit: impl FnMut(Place, NodeRef<'a, N>)) {
        let buckets = self.buckets();
        for index in 0..buckets.len().min(AHEAD) {
            self.prefetch_nodes(index);
        }
        for (index, bucket) in buckets.iter().enumerate() {
            self.prefetch_nodes(index + AHEAD);
            for slot in bucket.used() {
                let place = Place {
                    bucket: index,
                    slot,
                };
                if let Some(node) = bucket.node(slot) {
                    visit(place, node);
                }
            }
        }
    }

    /// Fetches the elements of one bucket; none past the end.
    pub(super) fn prefetch_nodes(&self, bucket: usize) {
        if let Some(bucket) = self.buckets().get(bucket) {
            for slot in bucket.used() {
                prefetch(bucket.pointer(slot));
            }
        }
    }

    /// The slots in use of a bucket and the bucket's elements; `None` past the end.
    pub(super) fn node_at(&self, place: Place) -> Option<NodeRef<'_, N>> {
        self.buckets()
            .get(place.bucket)
            .and_then(|bucket| bucket.node(place.slot))
    }

    /// The elements of one bucket, in no order; none past the end.
    pub(super) fn nodes_of(&self, bucket: usize) -> impl Iterator<Item = NodeRef<'_, N>> {
        self.buckets()
            .get(bucket)
            .into_iter()
            .flat_map(|bucket| bucket.used().filter_map(|slot| bucket.node(slot)))
    }
}

/// Looking up.
impl<N: Node> Segment<N> {
    /// The place of `key`, whose hash is `hash`.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let geometry = self.geometry();
        if geometry.homes == 0 {
            return self.find_crowded(hash, key);
        }
        let (tag, window) = (tag_of(hash), geometry.window(hash));
        let home = geometry.home(window);
        let home_bucket = &self.buckets()[home];
        if let Some(slot) = Self::find_in(home_bucket, tag, window, key) {
            return Some(Place { bucket: home, slot });
        }
        let mut alternates = home_bucket.alternates();
        while alternates != 0 {
            let index = alternates.trailing_zeros() as usize;
            let bucket = geometry.alternate(home, index);
            if let Some(slot) = Self::find_in(&self.buckets()[bucket], tag, window, key) {
                return Some(Place { bucket, slot });
            }
            alternates &= alternates - 1;
        }
        None
    }

    #[inline(always)]
    #[expect(clippy::manual_find, reason = "the closure would not be inlined")]
    fn find_in(bucket: &Bucket<N>, tag: u8, window: u16, key: &[u8]) -> Option<usize> {
        for slot in bucket.matching(tag) {
            if bucket.window(slot) == window
                && bucket.node(slot).is_some_and(|node| same(node.key(), key))
            {
                return Some(slot);
            }
        }
        None
    }

    #[cold]
    fn find_crowded(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let (tag, window) = (tag_of(hash), self.geometry().window(hash));
        let mut buckets = self.buckets().iter().enumerate();
        buckets.find_map(|(index, bucket)| {
            let slot = Self::find_in(bucket, tag, window, key)?;
            Some(Place {
                bucket: index,
                slot,
            })
        })
    }

    /// Fetches the line of the bucket where `hash` is at home.
    #[inline]
    pub(super) fn prefetch_home(&self, hash: u64) {
        let geometry = self.geometry();
        let home = geometry.home(geometry.window(hash));
        prefetch(self.first_bucket().wrapping_add(home).cast());
    }

    /// Fetches the first two lines of the first element in the home bucket that has the bits of `hash`.
    #[inline]
    pub(super) fn prefetch_match(&self, hash: u64) {
        let geometry = self.geometry();
        let window = geometry.window(hash);
        let bucket = &self.buckets()[geometry.home(window)];
        let mut matching = bucket.matching(tag_of(hash));
        if let Some(slot) = matching.find(|&slot| bucket.window(slot) == window) {
            let element = bucket.pointer(slot);
            prefetch(element);
            prefetch(element.wrapping_add(64));
        }
    }

    /// The first element in the home bucket that has the bits of `hash`.
    #[inline]
    pub(super) fn likely(&self, hash: u64) -> Option<NodeRef<'_, N>> {
        let geometry = self.geometry();
        let window = geometry.window(hash);
        let bucket = self.buckets().get(geometry.home(window))?;
        let mut matching = bucket.matching(tag_of(hash));
        let slot = matching.find(|&slot| bucket.window(slot) == window)?;
        bucket.node(slot)
    }

    /// The bucket where the position `hash` in hash order falls, with the range of positions that have that home:
    /// its first, and the first after it (0 when that is past the last position of all).
    pub(super) fn span_at(&self, hash: u64) -> (usize, u64, u64) {
        let geometry = self.geometry();
        let depth = self.depth();
        let prefix = if depth == 0 {
            0
        } else {
            hash & !(u64::MAX >> depth)
        };
        // The first position of a bucket: its first window that is whole at the window's precision.
        let first = |bucket: usize| {
            if bucket >= geometry.homes {
                return match depth {
                    0 => 0,
                    _ => prefix.wrapping_add(1 << (64 - depth)),
                };
            }
            let window = (bucket << 16).div_ceil(geometry.homes) as u64;
            let whole = window.next_multiple_of(1 << geometry.shift);
            prefix | (whole << 48) >> depth
        };
        if geometry.homes == 0 {
            return (0, prefix, first(0));
        }
        let home = geometry.home(geometry.window(hash));
        (home, first(home), first(home + 1))
    }

    /// Calls `visit` for each element whose home is `home`; for every element of a crowded segment.
    pub(super) fn for_each_at_home(&self, home: usize, mut visit: impl FnMut(NodeRef<'_, N>)) {
        let geometry = self.geometry();
        if geometry.homes == 0 {
            return self.for_each(|_, node| visit(node));
        }
        let alternates = self.buckets()[home].alternates();
        let places = (0..ALTERNATES.len())
            .filter(|index| alternates >> index & 1 == 1)
            .map(|index| geometry.alternate(home, index));
        let mut seen = [home; 1 + ALTERNATES.len()];
        for (nth, index) in std::iter::once(home).chain(places).enumerate() {
            // In the smallest segments several alternates are the same bucket.
            if seen[..nth].contains(&index) {
                continue;
            }
            seen[nth] = index;
            let bucket = &self.buckets()[index];
            for slot in bucket.used() {
                if geometry.home(bucket.window(slot)) == home
                    && let Some(node) = bucket.node(slot)
                {
                    visit(node);
                }
            }
        }
    }
}

/// Changing the elements. The segment has one owner.
impl<N: Node> Segment<N> {
    /// Whether one more element is within the limit to which this size is filled.
    fn has_room(&self) -> bool {
        self.count() < fill_limit(self.header().buckets)
    }

    /// Puts a node whose key is absent. Gives it back when the segment has to grow or split first.
    pub(super) fn insert(&mut self, hash: u64, node: N) -> Result<Place, N> {
        if !self.has_room() {
            return Err(node);
        }
        let raw = node.into_raw();
        let window = self.geometry().window(hash);
        match self.put(tag_of(hash), window, raw) {
            Some(place) => Ok(place),
            // SAFETY: `raw` was made two lines above and has been put nowhere.
            None => Err(unsafe { N::from_raw(raw) }),
        }
    }

    /// Finds a slot for an element and puts it there; `None` when its buckets are full.
    fn put(&mut self, tag: u8, window: u16, raw: NonNull<u8>) -> Option<Place> {
        let place = self.free_place(window)?;
        self.buckets_mut()[place.bucket].put(place.slot, tag, window, raw);
        self.header_mut().count += 1;
        Some(place)
    }

    /// A free slot for an element with this window, noted in its home if it is elsewhere.
    fn free_place(&mut self, window: u16) -> Option<Place> {
        let geometry = self.geometry();
        if geometry.homes == 0 {
            return self.free_place_crowded();
        }
        let home = geometry.home(window);
        if let Some(slot) = self.buckets()[home].free().next() {
            return Some(Place { bucket: home, slot });
        }
        let index = match self.roomy_alternate(home) {
            Some(index) => index,
            None => {
                let place = self.make_place(home)?;
                if place.bucket == home {
                    return Some(place);
                }
                self.alternate_index(home, place.bucket)?
            }
        };
        self.buckets_mut()[home].set_alternate(index);
        let bucket = geometry.alternate(home, index);
        let slot = self.buckets()[bucket].free().next()?;
        Some(Place { bucket, slot })
    }

    /// A crowded segment has no homes, so any bucket does. The last ones are the likeliest to have room.
    #[cold]
    fn free_place_crowded(&self) -> Option<Place> {
        let mut buckets = self.buckets().iter().enumerate().rev();
        buckets.find_map(|(index, bucket)| {
            let slot = bucket.free().next()?;
            Some(Place {
                bucket: index,
                slot,
            })
        })
    }

    /// The best alternate of a home that has room: one already in use by the home, so that lookups visit no
    /// further line; else the first with two free slots; else any.
    fn roomy_alternate(&self, home: usize) -> Option<usize> {
        let geometry = self.geometry();
        // In the smallest segments an alternate may be the home itself.
        let room = |index: usize| match geometry.alternate(home, index) {
            bucket if bucket == home => 0,
            bucket => self.buckets()[bucket].free().len(),
        };
        let in_use = self.buckets()[home].alternates();
        let mut all = 0..ALTERNATES.len();
        if let Some(index) = all.clone().find(|&i| in_use >> i & 1 == 1 && room(i) > 0) {
            return Some(index);
        }
        all.clone()
            .find(|&i| room(i) > 1)
            .or_else(|| all.find(|&i| room(i) > 0))
    }

    /// Frees a slot in a home or one of its alternates by moving an element to where else it may lie.
    #[cold]
    fn make_place(&mut self, home: usize) -> Option<Place> {
        let geometry = self.geometry();
        for step in 0..=ALTERNATES.len() {
            let bucket = match step {
                0 => home,
                _ => geometry.alternate(home, step - 1),
            };
            for slot in self.buckets()[bucket].used() {
                let owner = geometry.home(self.buckets()[bucket].window(slot));
                if owner != home && self.move_away(Place { bucket, slot }, owner) {
                    return Some(Place { bucket, slot });
                }
            }
        }
        None
    }

    /// Moves an element with this home to its home or an alternate; false when neither has room.
    fn move_away(&mut self, from: Place, home: usize) -> bool {
        let geometry = self.geometry();
        let alternate = if self.buckets()[home].free().is_empty() {
            let Some(index) = self.roomy_alternate(home) else {
                return false;
            };
            Some(index)
        } else {
            None
        };
        let to = alternate.map_or(home, |index| geometry.alternate(home, index));
        let Some(slot) = self.buckets()[to].free().next() else {
            return false;
        };
        let buckets = self.buckets_mut();
        let (tag, window) = (
            buckets[from.bucket].tag(from.slot),
            buckets[from.bucket].window(from.slot),
        );
        let Some(raw) = buckets[from.bucket].take(from.slot) else {
            return false;
        };
        buckets[to].put(slot, tag, window, raw);
        if let Some(index) = alternate {
            buckets[home].set_alternate(index);
        }
        self.forget_alternate(home, from.bucket);
        true
    }

    /// Which alternate of `home` a bucket is: the first, where several fall on the same bucket.
    fn alternate_index(&self, home: usize, bucket: usize) -> Option<usize> {
        let geometry = self.geometry();
        (0..ALTERNATES.len()).find(|&index| geometry.alternate(home, index) == bucket)
    }

    /// Clears the home's note of a bucket that holds none of its elements any more.
    fn forget_alternate(&mut self, home: usize, bucket: usize) {
        if home == bucket {
            return;
        }
        let geometry = self.geometry();
        let lodger = &self.buckets()[bucket];
        if lodger
            .used()
            .any(|slot| geometry.home(lodger.window(slot)) == home)
        {
            return;
        }
        if let Some(index) = self.alternate_index(home, bucket) {
            self.buckets_mut()[home].clear_alternate(index);
        }
    }

    /// Takes an element out.
    pub(super) fn remove(&mut self, place: Place) -> Option<N> {
        let geometry = self.geometry();
        let bucket = &mut self.buckets_mut()[place.bucket];
        let window = bucket.window(place.slot);
        let raw = bucket.take(place.slot)?;
        self.header_mut().count -= 1;
        if geometry.homes != 0 {
            self.forget_alternate(geometry.home(window), place.bucket);
        }
        // SAFETY: the slot held this reference and has just given it up.
        Some(unsafe { N::from_raw(raw) })
    }
}

/// Changing the size. The segment has one owner.
impl<N: Node> Segment<N> {
    /// Whether the next step up is a split and not a larger size.
    pub(super) fn is_largest(&self) -> bool {
        self.header().buckets >= MAX_BUCKETS
    }

    /// Whether so few elements remain that a smaller size pays.
    pub(super) fn is_sparse(&self) -> bool {
        let buckets = self.header().buckets;
        buckets > 1 && self.count() * 5 < buckets * SLOTS * 2
    }

    /// Moves to the next larger size.
    pub(super) fn grow(&mut self) {
        let buckets = buckets_after(self.header().buckets);
        self.resize(buckets);
    }

    /// Moves to the smallest size that leaves room for a quarter more.
    pub(super) fn shrink(&mut self) {
        let count = self.count();
        self.resize(buckets_for(count + count / 4));
    }

    fn resize(&mut self, buckets: usize) {
        let resized = Self::assemble(self.geometry(), buckets, self.bound_ms(), |to| {
            to.take_all(self, Some)
        });
        std::mem::replace(self, resized).free_shell();
    }

    /// Builds a segment of at least `buckets` buckets with what `fill` puts there, trying larger sizes until all
    /// finds room, and a crowded one when elements collide so much that size does not help.
    fn assemble(
        geometry: Geometry,
        mut buckets: usize,
        bound_ms: u64,
        fill: impl Fn(&mut Self) -> bool,
    ) -> Self {
        let mut smallest = None;
        loop {
            let homes = if buckets <= MAX_BUCKETS { buckets } else { 0 };
            let mut segment = Self::allocate(Geometry { homes, ..geometry }, buckets, bound_ms);
            if fill(&mut segment) {
                return segment;
            }
            smallest.get_or_insert(buckets);
            let is_thin = segment.count() * 2 < buckets * SLOTS;
            segment.free_shell();
            buckets = if is_thin || homes == 0 {
                break;
            } else {
                buckets_after(buckets)
            };
        }
        let mut buckets = smallest.unwrap_or(buckets);
        let crowded = Geometry {
            homes: 0,
            ..geometry
        };
        loop {
            let mut segment = Self::allocate(crowded, buckets, bound_ms);
            if fill(&mut segment) {
                return segment;
            }
            segment.free_shell();
            buckets = buckets_after(buckets);
        }
    }

    /// Puts copies of the pointers of all elements of `from` for which `map` answers the new window; false when
    /// one finds no room. The references still belong to `from`: one of the two shells must be freed alone.
    fn take_all(&mut self, from: &Self, map: impl Fn(u16) -> Option<u16>) -> bool {
        for bucket in from.buckets() {
            for slot in bucket.used() {
                let Some(window) = map(bucket.window(slot)) else {
                    continue;
                };
                let Some(raw) = NonNull::new(bucket.pointer(slot)) else {
                    continue;
                };
                if self.put(bucket.tag(slot), window, raw).is_none() {
                    return false;
                }
            }
        }
        true
    }

    /// Whether the windows must be read anew from the keys before the segment can split.
    pub(super) fn needs_new_windows(&self) -> bool {
        self.geometry().shift == MAX_SHIFT
    }

    /// Makes the windows begin where the prefix ends, taking the bits from the keys' hashes. It leaves elements
    /// where they are, which is not where the finer windows want them, so [`Segment::split`] must follow.
    pub(super) fn renew_windows(&mut self, hash: impl Fn(&[u8]) -> u64) {
        let geometry = Geometry {
            base: self.depth(),
            shift: 0,
            ..self.geometry()
        };
        for index in 0..self.buckets().len() {
            if index == 0 {
                (0..AHEAD).for_each(|ahead| self.prefetch_nodes(ahead));
            }
            self.prefetch_nodes(index + AHEAD);
            for slot in self.buckets()[index].used() {
                let window = self.buckets()[index]
                    .node(slot)
                    .map(|node| geometry.window(hash(node.key())));
                if let Some(window) = window {
                    self.buckets_mut()[index].set_window(slot, window);
                }
            }
        }
        self.set_geometry(geometry);
    }

    /// Splits by the next bit of the hash: elements that have 0 there, and those that have 1.
    pub(super) fn split(self) -> (Self, Self) {
        let geometry = self.geometry();
        let bit_of = |window: u16| usize::from(window << geometry.shift >> 15);
        let mut counts = [0; 2];
        for bucket in self.buckets() {
            for slot in bucket.used() {
                counts[bit_of(bucket.window(slot))] += 1;
            }
        }
        let below = Geometry {
            shift: geometry.shift + 1,
            ..geometry
        };
        let half = |bit: usize| {
            Self::assemble(below, buckets_for(counts[bit]), self.bound_ms(), |to| {
                to.take_all(&self, |window| (bit_of(window) == bit).then_some(window))
            })
        };
        let halves = (half(0), half(1));
        self.free_shell();
        halves
    }

    /// Joins two buddies, which share all of their prefix but its last bit; `position` is any hash under it.
    pub(super) fn merge(low: Self, high: Self, position: u64) -> Self {
        let depth = low.depth() - 1;
        let base = low.geometry().base.min(high.geometry().base).min(depth);
        let geometry = Geometry {
            base,
            shift: depth - base,
            homes: 1,
        };
        let count = low.count() + high.count();
        let bound_ms = low.bound_ms().min(high.bound_ms());
        let last_bit = 1 << (63 - depth);
        // What a slot knows of its hash: the segment's prefix and the window. The rest is cut off again.
        let widen = |from: &Self, prefix: u64| {
            let (base, covered) = (from.geometry().base, !(u64::MAX >> from.geometry().base));
            let prefix = prefix & covered;
            move |window: u16| {
                let known = prefix | (u64::from(window) << 48) >> base;
                Some(geometry.window(known))
            }
        };
        let low_map = widen(&low, position & !last_bit);
        let high_map = widen(&high, position | last_bit);
        let merged = Self::assemble(geometry, buckets_for(count + count / 4), bound_ms, |to| {
            to.take_all(&low, low_map) && to.take_all(&high, high_map)
        });
        low.free_shell();
        high.free_shell();
        merged
    }

    /// Frees the memory but not the references in it, which another segment has taken over.
    fn free_shell(self) {
        let segment = ManuallyDrop::new(self);
        debug_assert!(segment.is_unique());
        let layout = layout_of(segment.header().buckets);
        // SAFETY: allocated with this layout; the only reference to it ends here.
        unsafe { dealloc(segment.raw(), layout) };
    }
}

impl<N: Node> Clone for Segment<N> {
    fn clone(&self) -> Self {
        // Relaxed: the new reference is made from one that we hold.
        self.header().references.fetch_add(1, Ordering::Relaxed);
        Segment {
            link: self.link,
            nodes: PhantomData,
        }
    }
}

impl<N: Node> Drop for Segment<N> {
    fn drop(&mut self) {
        if self.header().references.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Other owners' uses happened before their decrement; this makes them happen before the release.
        fence(Ordering::Acquire);
        self.for_each(|_, node| {
            // SAFETY: the slot holds this reference, and the memory is freed without being read again.
            drop(unsafe { N::from_raw(node.as_raw()) });
        });
        let layout = layout_of(self.header().buckets);
        // SAFETY: allocated with this layout, and this was the last reference.
        unsafe { dealloc(self.raw(), layout) };
    }
}

#[cfg(test)]
impl<N: Node> Segment<N> {
    /// Panics unless every element can be found from its home and every note of an alternate is needed.
    pub(super) fn check(&self, prefix: u64, hash: impl Fn(&[u8]) -> u64) {
        let geometry = self.geometry();
        let mut count = 0;
        let mut noted = vec![0u8; self.buckets().len()];
        self.for_each(|place, node| {
            count += 1;
            let hash = hash(node.key());
            assert_eq!(
                (hash ^ prefix).checked_shr(64 - self.depth()).unwrap_or(0),
                0
            );
            let bucket = &self.buckets()[place.bucket];
            assert_eq!(bucket.window(place.slot), geometry.window(hash));
            assert_eq!(bucket.tag(place.slot), tag_of(hash));
            assert!(node.deadline_ms() >= self.bound_ms());
            let home = geometry.home(bucket.window(place.slot));
            if geometry.homes != 0 && home != place.bucket {
                let index = self.alternate_index(home, place.bucket).unwrap();
                noted[home] |= 1 << index;
            }
        });
        assert_eq!(count, self.count());
        for (bucket, noted) in self.buckets().iter().zip(noted) {
            assert_eq!(bucket.alternates(), noted, "alternates");
        }
    }
}
