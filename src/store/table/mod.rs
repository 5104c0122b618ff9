//! The table: a copy-on-write extendible hash table of [`Node`]s, used for the keyspace and for large collections.
//!
//! ```text
//! Table -> root (Directory) -> pages (Directory) -> segments (Segment) -> elements (Node)
//! ```
//!
//! The first bits of a key's hash select a page, the next a segment, and the next a bucket of one cache line
//! there. Directories stay in the processor's caches, so a lookup costs about two misses: bucket and element.
//! Everything is in order of hash, which makes [`Table::scan`] stateless and exact while the table changes.
//!
//! **Growth.** A segment grows in steps and splits in two at its largest, its page doubles up to
//! `PAGE_BITS` index bits and then splits too, and the root doubles when a page needs one bit more than it has.
//! Removal goes the same way back. No operation ever touches more than one segment, one page, and the root.
//!
//! **Snapshots.** `Table::clone` counts the root once more and is done. A writer that meets a shared root, page or
//! segment copies that one alone, from the root down, before it changes anything (`Table::unshare`).
//! A node that belongs to one owner is changed in place.
//!
//! **Deadlines.** Segments, pages and the root carry a lower bound of the deadlines below, so that
//! [`Table::pop_due`] goes only where something may be due. Writers lower the bounds; the sweep raises them.
//!
//! To change the layout of a slot or bucket, see `bucket.rs`; where elements go and how segments are resized,
//! `segment.rs`; the index above them, `directory.rs`; iteration, scan, sampling and expiry, `walk.rs`; taking a
//! snapshot apart, `parts.rs`.

mod bucket;
mod directory;
mod guard;
mod node;
mod parts;
mod segment;
#[cfg(test)]
mod tests;
mod walk;

pub use guard::Slot;
pub(in crate::store) use node::prefetch;
pub use node::{HashSeed, KeyHash, NO_DEADLINE, Node, NodeRef};
pub use parts::{Part, Parts};
pub use walk::{Chains, DueBudget, Iter, Swept, TableStats};

use directory::Directory;
use segment::{Place, Segment};

type Page<N> = Directory<Segment<N>>;
type Root<N> = Directory<Page<N>>;

/// Index bits of the largest page: 512 slots in 4 KiB, so that copying one takes a few microseconds.
const PAGE_BITS: u32 = 9;
/// The deepest prefix that a segment may have. Windows then end within the first 48 bits of the hash, which is
/// what a scan's cursor holds.
const MAX_DEPTH: u32 = 32;
/// Elements that a segment gets on the average in a table that is made in its size: so many that hardly one gets more
/// than it can take.
const LAID_OUT_COUNT: usize = 900;
/// Buddies that together have at most so many elements are merged: well below half of a full segment, so that a
/// merged one does not split again at once.
const MERGE_COUNT: usize = 320;
/// Pages with at most so many index bits are merged with a buddy that has no more.
const MERGE_PAGE_BITS: u32 = 6;

/// A hash table of reference-counted nodes that can be cloned in no time. See the module's head.
///
/// The same key is in it at most once. All methods that take a hash expect what [`Table::hash`] answers for the key.
pub struct Table<N: Node, H: KeyHash = HashSeed> {
    /// `None` while the table is empty.
    root: Option<Root<N>>,
    len: usize,
    hasher: H,
    /// Where the next sweep for due elements begins, as a position in hash order.
    sweep_position: u64,
}

impl<N: Node, H: KeyHash> Clone for Table<N, H> {
    /// A snapshot: O(1), whatever the size. Both tables can be changed afterwards, each without the other.
    fn clone(&self) -> Self {
        Table {
            root: self.root.clone(),
            ..*self
        }
    }
}

impl<N: Node, H: KeyHash> Table<N, H> {
    /// An empty table. It allocates nothing before the first insert.
    pub fn new(hasher: H) -> Self {
        Table {
            root: None,
            len: 0,
            hasher,
            sweep_position: 0,
        }
    }

    /// A table of so many elements, which all have different keys. It is made in their size: a table that grows is mostly
    /// nearly full, and if they come in the order of another table's, each of its segments fills from one side.
    pub fn of_distinct(count: usize, nodes: impl Iterator<Item = N>, hasher: H) -> Self {
        let mut table = Table::new(hasher);
        let mut nodes = nodes.peekable();
        if nodes.peek().is_some() {
            table.lay_out(count);
        }
        for node in nodes {
            debug_assert!(!table.contains(node.key()));
            table.insert_absent(table.hash(node.key()), node);
        }
        table
    }

    /// Makes an empty table in the size of so many elements, which are to come.
    pub fn expect(&mut self, count: usize) {
        if self.len == 0 && count > 0 {
            self.lay_out(count);
        }
    }

    /// Makes the table smaller if less than half of the elements that it was made for have come.
    pub fn end_expectation(&mut self, count: usize)
    where
        N: Clone,
    {
        if self.len < count / 2 {
            let nodes = self.iter().map(|node| N::clone(&node));
            *self = Table::of_distinct(self.len, nodes, self.hasher);
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash of a key in this table, for the methods that take one.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// The element with this key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<NodeRef<'_, N>> {
        self.get_hashed(self.hash(key), key)
    }

    /// [`get`](Table::get) with the key's hash at hand.
    #[inline]
    pub fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<NodeRef<'_, N>> {
        let segment = self.segment(hash)?;
        segment.node_at(segment.find(hash, key)?)
    }

    /// Whether there is an element with this key.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// The element with this key, for changing it or replacing it by one with the same key.
    ///
    /// The table's part of the path is no longer shared with any snapshot; the node itself may be.
    #[inline]
    pub fn get_mut(&mut self, key: &[u8]) -> Option<Slot<'_, N>> {
        self.get_mut_hashed(self.hash(key), key)
    }

    /// [`get_mut`](Table::get_mut) with the key's hash at hand.
    #[inline(always)]
    pub fn get_mut_hashed(&mut self, hash: u64, key: &[u8]) -> Option<Slot<'_, N>> {
        let root = self.root.as_ref()?;
        let page = root.get(hash);
        let segment = page.get(hash);
        let place = segment.find(hash, key)?;
        if !(root.is_unique() && page.is_unique() && segment.is_unique()) {
            self.copy_path(hash);
            return Some(self.slot(hash, place));
        }
        let slot = segment.slot_pointer(place);
        let root = self.root.as_ref()?;
        // SAFETY: the path is not shared, and the guard borrows the table mutably.
        Some(unsafe { Slot::new(root, hash, slot) })
    }

    /// The element with this key; if there is none, the one that `make` makes is inserted first.
    /// Answers too whether it was. `make` must make a node with this key, and is called at most once.
    pub fn find_or_insert_with(
        &mut self,
        key: &[u8],
        make: impl FnOnce() -> N,
    ) -> (Slot<'_, N>, bool) {
        self.find_or_insert_hashed(self.hash(key), key, make)
    }

    /// [`find_or_insert_with`](Table::find_or_insert_with) with the key's hash at hand.
    #[inline]
    pub fn find_or_insert_hashed(
        &mut self,
        hash: u64,
        key: &[u8],
        make: impl FnOnce() -> N,
    ) -> (Slot<'_, N>, bool) {
        let found = self
            .segment(hash)
            .and_then(|segment| segment.find(hash, key));
        let place = match found {
            Some(place) => {
                self.unshare(hash);
                place
            }
            None => {
                let node = make();
                debug_assert!(node.key() == key);
                self.insert_absent(hash, node)
            }
        };
        (self.slot(hash, place), found.is_none())
    }

    /// Puts an element in the table and answers the one with the same key that it replaces.
    pub fn insert(&mut self, node: N) -> Option<N> {
        self.insert_hashed(self.hash(node.key()), node)
    }

    /// [`insert`](Table::insert) with the key's hash at hand.
    pub fn insert_hashed(&mut self, hash: u64, node: N) -> Option<N> {
        if let Some(mut slot) = self.get_mut_hashed(hash, node.key()) {
            return Some(std::mem::replace(&mut *slot, node));
        }
        self.insert_absent(hash, node);
        None
    }

    /// Takes the element with this key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<N> {
        self.remove_hashed(self.hash(key), key)
    }

    /// [`remove`](Table::remove) with the key's hash at hand.
    pub fn remove_hashed(&mut self, hash: u64, key: &[u8]) -> Option<N> {
        let place = self.segment(hash)?.find(hash, key)?;
        self.unshare(hash);
        let node = self.segment_mut(hash)?.remove(place);
        self.len -= usize::from(node.is_some());
        self.tidy(hash, 1);
        node
    }

    /// Removes all elements. What snapshots share with the table stays with them.
    pub fn clear(&mut self) {
        self.root = None;
        self.len = 0;
    }

    /// First stage of a prefetch for a key that is used soon: fetches the line of its home bucket.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            segment.prefetch_home(hash);
        }
    }

    /// Second stage, when the bucket's line has arrived: fetches the first 128 bytes of the key's element, going by
    /// the hash bits in its bucket.
    #[inline]
    pub fn prefetch_node(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            segment.prefetch_match(hash);
        }
    }
}

impl<N: Node, H: KeyHash> Table<N, H> {
    /// The element that a key with this hash most likely has, when its bucket and the element have been fetched: its hash
    /// bits are the same and its key has not been compared. Nothing if it lies where a look-up would go on.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<NodeRef<'_, N>> {
        self.segment(hash)?.likely(hash)
    }
}

/// The path from the root to a segment, and its structure.
impl<N: Node, H: KeyHash> Table<N, H> {
    #[inline]
    fn segment(&self, hash: u64) -> Option<&Segment<N>> {
        Some(self.root.as_ref()?.get(hash).get(hash))
    }

    /// The segment for a hash, to be changed below its link. The path is not shared.
    fn segment_mut(&mut self, hash: u64) -> Option<&mut Segment<N>> {
        let root = self.root.as_mut()?;
        // SAFETY: the links stay as they are: what is returned is used only to change elements within the segment.
        unsafe { Some(root.child_mut(hash).child_mut(hash)) }
    }

    /// The guard of an element. The path is not shared.
    #[inline]
    fn slot(&mut self, hash: u64, place: Place) -> Slot<'_, N> {
        let root = self
            .root
            .as_ref()
            .expect("the place was found below a root");
        let slot = root.get(hash).get(hash).slot_pointer(place);
        // SAFETY: the callers have unshared the path, and the guard borrows the table mutably.
        unsafe { Slot::new(root, hash, slot) }
    }

    /// Makes root, page and segment for a hash this table's own.
    #[inline]
    fn unshare(&mut self, hash: u64) {
        if let Some(root) = &self.root {
            let page = root.get(hash);
            if !(root.is_unique() && page.is_unique() && page.get(hash).is_unique()) {
                self.copy_path(hash);
            }
        }
    }

    #[cold]
    fn copy_path(&mut self, hash: u64) {
        self.own_page(hash, |page| page.modify(hash, Segment::make_unique));
    }

    /// Calls `change` with the page for a hash, which is then this table's own, as is the root.
    fn own_page<R>(&mut self, hash: u64, change: impl FnOnce(&mut Page<N>) -> R) -> Option<R> {
        let root = self.root.as_mut()?;
        root.make_unique();
        Some(root.modify(hash, |page| {
            page.make_unique();
            change(page)
        }))
    }

    /// Gives an empty table segments with room for `count` elements.
    fn lay_out(&mut self, count: usize) {
        let segments = count.div_ceil(LAID_OUT_COUNT).next_power_of_two();
        let depth = segments.ilog2().min(MAX_DEPTH);
        let room = count.div_ceil(segments);
        let room = room + room / 16;
        self.root = Some(Root::of_one(Page::of_one(Segment::empty(0, room))));
        for above in 0..depth {
            let room = if above + 1 == depth { room } else { 0 };
            for prefix in 0..1_u64 << above {
                let hash = prefix.checked_shl(64 - above).unwrap_or(0);
                self.widen_page(hash);
                self.own_page(hash, |page| {
                    let half = || Segment::empty(above + 1, room);
                    page.split_child(hash, |_| (half(), half()));
                });
            }
        }
    }

    /// Inserts a node whose key is absent.
    fn insert_absent(&mut self, hash: u64, mut node: N) -> Place {
        if self.root.is_none() {
            self.root = Some(Root::of_one(Page::of_one(Segment::empty(0, 1))));
        }
        self.unshare(hash);
        let deadline_ms = node.deadline_ms();
        let place = loop {
            let segment = self.segment_mut(hash).expect("there is a root by now");
            match segment.insert(hash, node) {
                Ok(place) => break place,
                Err(back) => node = back,
            }
            self.make_room(hash);
        };
        self.len += 1;
        if let Some(root) = &self.root {
            lower_bounds(root, hash, deadline_ms);
        }
        place
    }

    /// How deep a segment may be in a table of this size. Well-mixed hashes stay eight levels below; the limit
    /// keeps colliding ones from doubling the directory without end.
    fn depth_limit(&self) -> u32 {
        ((self.len / 64 + 1).ilog2() + 8).min(MAX_DEPTH)
    }

    /// Grows or splits the segment for a hash. The path is not shared.
    #[cold]
    fn make_room(&mut self, hash: u64) {
        let limit = self.depth_limit();
        let splits = self
            .segment(hash)
            .is_some_and(|segment| segment.is_largest() && segment.depth() < limit);
        if !splits {
            self.own_page(hash, |page| page.modify(hash, Segment::grow));
            return;
        }
        self.widen_page(hash);
        let hasher = self.hasher;
        self.own_page(hash, |page| {
            if page.get(hash).needs_new_windows() {
                page.modify(hash, |segment| {
                    segment.renew_windows(|key| hasher.hash(key));
                });
            }
            page.split_child(hash, Segment::split);
        });
    }

    /// Makes the segment for a hash fill at least two slots of its page, so that it can be split there.
    fn widen_page(&mut self, hash: u64) {
        loop {
            let Some(root) = self.root.as_mut() else {
                return;
            };
            if root.get(hash).can_split_child(hash) {
                return;
            }
            if root.get(hash).bits() < PAGE_BITS {
                root.modify(hash, Directory::expand);
                return;
            }
            if !root.can_split_child(hash) {
                root.expand();
            }
            root.split_child(hash, Directory::split);
        }
    }

    /// After removals from the segment for a hash: gives memory back. The path is not shared.
    fn tidy(&mut self, hash: u64, removed: usize) {
        if self.len == 0 {
            self.clear();
            return;
        }
        let Some(segment) = self.segment(hash) else {
            return;
        };
        let count = segment.count();
        if segment.is_sparse() {
            self.own_page(hash, |page| page.modify(hash, Segment::shrink));
        }
        // Looking at the buddy costs a cache miss, so this is for every 16th removal.
        if count <= MERGE_COUNT && count / 16 != (count + removed) / 16 {
            self.merge(hash);
        }
    }

    /// Merges the segment for a hash with its buddy, and their page with its buddy, as far as they are small enough.
    #[cold]
    fn merge(&mut self, hash: u64) {
        loop {
            let Some(root) = self.root.as_mut() else {
                return;
            };
            let page = root.get(hash);
            let joint = |buddy: &Segment<N>| page.get(hash).count() + buddy.count();
            if page
                .buddy(hash)
                .map(joint)
                .is_some_and(|count| count <= MERGE_COUNT)
            {
                root.modify(hash, |page| {
                    page.merge_buddies(hash, |mut low, mut high| {
                        low.make_unique();
                        high.make_unique();
                        Segment::merge(low, high, hash)
                    });
                    page.trim();
                });
                continue;
            }
            let small = |page: &Page<N>| page.bits() <= MERGE_PAGE_BITS;
            if !(small(page) && root.buddy(hash).is_some_and(small)) {
                return;
            }
            root.merge_buddies(hash, |mut low, mut high| {
                low.make_unique();
                high.make_unique();
                Directory::merge(low, high)
            });
            root.trim();
        }
    }
}

/// Lowers the bounds along the path for a hash to a deadline.
#[inline]
fn lower_bounds<N: Node>(root: &Root<N>, hash: u64, deadline_ms: u64) {
    if deadline_ms == u64::MAX {
        // No bound is higher.
        return;
    }
    let page = root.get(hash);
    let segment = page.get(hash);
    if deadline_ms >= segment.bound_ms() {
        // The bounds above are no higher.
        return;
    }
    segment.set_bound_ms(deadline_ms);
    page.set_bound_ms(page.bound_ms().min(deadline_ms));
    root.set_bound_ms(root.bound_ms().min(deadline_ms));
}
