//! Going over a table: iteration, scans by cursor, fair samples, the sweep for due elements, and statistics.
//!
//! Positions are hashes: the first elements of a table are those with the smallest hash. A walk keeps a position,
//! never a pointer, so it can stop anywhere and go on after the table has changed.

use std::collections::BTreeMap;

use super::bucket::SLOTS;
use super::node::{Node, NodeRef};
use super::segment::{Place, Segment};
use super::{KeyHash, NO_DEADLINE, Root, Table};

/// Bits of a position that a scan's cursor leaves out; no segment's buckets are told apart by them.
const CURSOR_SHIFT: u32 = 16;
/// Bits of a cursor.
const CURSOR_BITS: u32 = 64 - CURSOR_SHIFT;
/// How often a sample is drawn at random before it is found by counting.
const DRAWS: usize = 64;

/// Bounds on the work of one [`Table::pop_due`].
#[derive(Clone, Copy, Debug)]
pub struct DueBudget {
    /// Removes at most so many elements.
    pub removals: usize,
    /// Goes on to no further segment after having looked at so many elements.
    pub visits: usize,
}

/// What one [`Table::pop_due`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Elements looked at.
    pub visited: usize,
    /// Elements removed.
    pub removed: usize,
    /// Whether the budget ended before the table did, so that more may be due.
    pub more: bool,
}

/// Figures about the shape of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Number of elements.
    pub elements: usize,
    /// Directory nodes below the root.
    pub pages: usize,
    /// Slots of root and pages together.
    pub directory_slots: usize,
    /// Number of segments.
    pub segments: usize,
    /// Segments that lookups read as a whole, because the hashes of their keys collide.
    pub crowded_segments: usize,
    /// Cache lines that hold elements.
    pub buckets: usize,
    /// Buckets that elements have as their home; all of a crowded segment is one.
    pub homes: usize,
    /// Slots for elements, used or free.
    pub slots: usize,
    /// Bits of hash that the deepest segment's elements share.
    pub deepest: u32,
    /// Bytes allocated by the table, without its elements.
    pub bytes: usize,
}

/// How a table's elements are spread over their homes. What has one home is a chain: a look-up may have to tell all of
/// it apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chains {
    /// Number of chains by their length; those of length 0 are homes of nothing.
    pub by_length: BTreeMap<usize, usize>,
}

impl Chains {
    /// Homes of at least one element.
    pub fn used(&self) -> usize {
        self.by_length.range(1..).map(|(_, chains)| chains).sum()
    }

    /// Elements of the longest chain.
    pub fn longest(&self) -> usize {
        self.by_length.keys().next_back().copied().unwrap_or(0)
    }
}

/// Iterates over the elements in order of hash prefix; see [`Table::iter`].
pub struct Iter<'a, N: Node, H: KeyHash> {
    table: &'a Table<N, H>,
    segment: Option<&'a Segment<N>>,
    /// Where the segment after this one begins; 0 after the last.
    next_position: u64,
    place: Place,
}

impl<'a, N: Node, H: KeyHash> Iter<'a, N, H> {
    /// Moves to the segment at a position.
    fn enter(&mut self, position: u64) {
        self.segment = self.table.segment(position);
        self.place = Place { bucket: 0, slot: 0 };
        if let Some(segment) = self.segment {
            self.next_position = end_of(segment.depth(), position);
            segment.prefetch_nodes(0);
            segment.prefetch_nodes(1);
        }
    }
}

impl<'a, N: Node, H: KeyHash> Iterator for Iter<'a, N, H> {
    type Item = NodeRef<'a, N>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let segment = self.segment?;
            while self.place.slot < SLOTS {
                let place = self.place;
                self.place.slot += 1;
                if let Some(node) = segment.node_at(place) {
                    return Some(node);
                }
            }
            self.place = Place {
                bucket: self.place.bucket + 1,
                slot: 0,
            };
            segment.prefetch_nodes(self.place.bucket + 1);
            if self.place.bucket < segment.bucket_count() {
                continue;
            }
            match self.next_position {
                0 => self.segment = None,
                position => self.enter(position),
            }
        }
    }
}

/// The first position after the prefix of so many bits at a position; 0 after the last.
pub(super) fn end_of(depth: u32, position: u64) -> u64 {
    match depth {
        0 => 0,
        _ => (position | u64::MAX >> depth).wrapping_add(1),
    }
}

impl<N: Node, H: KeyHash> Table<N, H> {
    /// All elements, segment after segment in order of hash; within a segment in no order.
    pub fn iter(&self) -> Iter<'_, N, H> {
        let mut iter = Iter {
            table: self,
            segment: None,
            next_position: 0,
            place: Place { bucket: 0, slot: 0 },
        };
        iter.enter(0);
        iter
    }

    /// Visits the elements of one small range of hashes, those from `cursor` to the cursor it answers.
    ///
    /// A scan begins with cursor 0 and ends when 0 is answered. A cursor is the first 48 bits of a hash, and so means
    /// the same whatever happens to the table in between: an element that is there during the whole scan is visited
    /// exactly once, and no element twice. A range holds some seven elements, sometimes none, but all of
    /// those whose hashes agree in their first 48 bits. Bits of `cursor` above the 48th are ignored.
    pub fn scan(&self, cursor: u64, visit: &mut dyn FnMut(NodeRef<'_, N>)) -> u64 {
        let cursor = cursor & (u64::MAX >> CURSOR_SHIFT);
        let position = cursor << CURSOR_SHIFT;
        let Some(segment) = self.segment(position) else {
            return 0;
        };
        let (home, first, next) = segment.span_at(position);
        // The cursor lies within a bucket when the segment has changed its size since it was answered.
        let is_whole = first == position;
        segment.for_each_at_home(home, |node| {
            if is_whole || self.hash(node.key()) >> CURSOR_SHIFT >= cursor {
                visit(node);
            }
        });
        debug_assert!(next.trailing_zeros() >= CURSOR_SHIFT && CURSOR_BITS == 48);
        next >> CURSOR_SHIFT
    }

    /// An element drawn at random, each with the same chance.
    ///
    /// A random hash selects a segment, and the segment is kept with a chance in proportion to how densely it
    /// is filled for its share of all hashes; then slots are tried in it. It takes a few cache misses, whatever the size.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<NodeRef<'_, N>> {
        if self.is_empty() {
            return None;
        }
        // Far above the densest segment of any table with well-mixed hashes, as counts vary by some 5 %.
        let densest = self.len as f64 * 1.5;
        for _ in 0..DRAWS {
            let segment = self.segment(rng.u64(..))?;
            let density = segment.count() as f64 * (1u64 << segment.depth()) as f64;
            if rng.f64() * densest >= density {
                continue;
            }
            for _ in 0..DRAWS {
                let place = Place {
                    bucket: rng.usize(..segment.bucket_count()),
                    slot: rng.usize(..SLOTS),
                };
                if let Some(node) = segment.node_at(place) {
                    return Some(node);
                }
            }
        }
        self.nth(rng.usize(..self.len))
    }

    /// The n-th element in order of iteration, found by the counts of the segments.
    #[cold]
    fn nth(&self, mut n: usize) -> Option<NodeRef<'_, N>> {
        for page in self.root.as_ref()?.children() {
            for segment in page.children() {
                if n >= segment.count() {
                    n -= segment.count();
                    continue;
                }
                return (0..segment.bucket_count())
                    .flat_map(|bucket| segment.nodes_of(bucket))
                    .nth(n);
            }
        }
        None
    }

    /// A lower bound of all deadlines, in milliseconds of Unix time: no element is due before;
    /// [`NO_DEADLINE`] when none has one.
    pub fn earliest_deadline_ms(&self) -> u64 {
        self.root
            .as_ref()
            .map_or(NO_DEADLINE, |root| root.bound_ms())
    }

    /// Removes elements whose deadline is `now_ms` or earlier and appends them to `due`, within a budget.
    ///
    /// It looks only at segments whose bound is due, and goes on where the last call stopped; one call goes
    /// around the table once at most. Bounds of segments and pages that were gone through rise to what is left in them.
    pub fn pop_due(&mut self, now_ms: u64, budget: DueBudget, due: &mut Vec<N>) -> Swept {
        let mut swept = Swept {
            visited: 0,
            removed: 0,
            more: false,
        };
        let start = self.sweep_position;
        let mut position = start;
        let mut is_around = false;
        while let Some(root) = &self.root {
            let page = root.get(position);
            let end = if page.bound_ms() > now_ms {
                end_of(page.depth(), position)
            } else {
                if swept.removed >= budget.removals || swept.visited >= budget.visits {
                    swept.more = true;
                    break;
                }
                let end = end_of(page.get(position).depth(), position);
                if !self.sweep_segment(position, now_ms, budget.removals, due, &mut swept) {
                    swept.more = true;
                    break;
                }
                end
            };
            position = end;
            let is_second_end = position == 0 && std::mem::replace(&mut is_around, true);
            // The start may lie within the last segment by now, so that the way around ends there.
            if is_second_end || is_around && position >= start {
                break;
            }
        }
        if !swept.more
            && let Some(root) = &self.root
        {
            root.renew_bound();
        }
        self.sweep_position = position;
        swept
    }

    /// Removes due elements from the segment at a position. False when the limit of removals ended it early.
    fn sweep_segment(
        &mut self,
        position: u64,
        now_ms: u64,
        removals: usize,
        due: &mut Vec<N>,
        swept: &mut Swept,
    ) -> bool {
        let Some(segment) = self.segment(position) else {
            return true;
        };
        let depth = segment.depth();
        let mut is_whole = true;
        if segment.bound_ms() <= now_ms {
            let mut places = Vec::new();
            let mut earliest = NO_DEADLINE;
            segment.for_each(|place, node| {
                let deadline_ms = node.deadline_ms();
                if deadline_ms > now_ms {
                    earliest = earliest.min(deadline_ms);
                } else if swept.removed + places.len() < removals {
                    places.push(place);
                } else {
                    is_whole = false;
                }
            });
            swept.visited += segment.count();
            swept.removed += places.len();
            let bound_ms = if is_whole {
                earliest
            } else {
                segment.bound_ms()
            };
            self.remove_places(position, &places, bound_ms, due);
        }
        let is_last_of_page = self.root.as_ref().is_some_and(|root| {
            let page = root.get(position);
            end_of(depth, position) == end_of(page.depth(), position)
        });
        if is_last_of_page && let Some(root) = &self.root {
            root.get(position).renew_bound();
        }
        is_whole
    }

    /// Removes the elements at some places of the segment at a position and sets the bound of what is left.
    fn remove_places(&mut self, position: u64, places: &[Place], bound_ms: u64, due: &mut Vec<N>) {
        if !places.is_empty() {
            self.unshare(position);
        }
        // With nothing to remove the segment may be shared: the bound is true for all its owners.
        if let Some(segment) = self.segment(position) {
            segment.set_bound_ms(bound_ms);
        }
        if places.is_empty() {
            return;
        }
        let before = due.len();
        if let Some(segment) = self.segment_mut(position) {
            due.extend(places.iter().filter_map(|&place| segment.remove(place)));
        }
        let removed = due.len() - before;
        self.len -= removed;
        self.tidy(position, removed);
    }

    /// Bytes allocated by the table, without its elements. What it shares with snapshots is counted in full.
    pub fn allocated_bytes(&self) -> usize {
        self.stats().bytes
    }

    /// Figures about the table's shape; looks at every segment.
    pub fn stats(&self) -> TableStats {
        let mut stats = TableStats {
            elements: self.len,
            ..TableStats::default()
        };
        let Some(root) = &self.root else {
            return stats;
        };
        stats.bytes += root.allocated_bytes();
        stats.directory_slots += 1 << root.bits();
        for page in root.children() {
            stats.pages += 1;
            stats.directory_slots += 1 << page.bits();
            stats.bytes += page.allocated_bytes();
            for segment in page.children() {
                stats.segments += 1;
                stats.crowded_segments += usize::from(segment.is_crowded());
                stats.buckets += segment.bucket_count();
                stats.homes += segment.home_count();
                stats.bytes += segment.allocated_bytes();
                stats.deepest = stats.deepest.max(segment.depth());
            }
        }
        stats.slots = stats.buckets * SLOTS;
        stats
    }

    /// How the elements are spread over their homes; looks at every bucket.
    pub fn chains(&self) -> Chains {
        let mut chains = Chains::default();
        for page in self.root.iter().flat_map(Root::children) {
            for length in page.children().flat_map(Segment::home_counts) {
                *chains.by_length.entry(length).or_default() += 1;
            }
        }
        chains
    }
}
