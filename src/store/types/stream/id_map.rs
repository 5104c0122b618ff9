//! [`IdMap`]: rows in the order of their ids, for what is pending.
//!
//! It is a [`Tree`] of chunks of equally large rows, so a clone is O(1) and a write to a shared one copies a chunk and
//! the few nodes above it, however many rows there are. Rows mostly come behind the last, as entries are delivered in
//! order, and mostly go near the front, as they are acknowledged in order.
use std::ops::Range;

use super::id::StreamId;
use crate::store::tree::{Chunk, ChunkLimit, Cursor, End, Tree};

/// Rows in a chunk: few enough that a copy of one is cheap, enough that the nodes above hardly count.
const LIMIT: ChunkLimit = ChunkLimit {
    bytes: usize::MAX,
    elements: if cfg!(test) { 4 } else { 64 },
};

/// What an [`IdMap`] holds: something small that knows its id.
pub trait Row: Copy {
    /// The id, which never changes.
    fn id(&self) -> StreamId;
}

impl Row for StreamId {
    #[inline]
    fn id(&self) -> StreamId {
        *self
    }
}

/// Rows in the order of their ids, each id once. See the module's head.
pub struct IdMap<R: Row> {
    tree: Tree<Rows<R>>,
}

/// A run of rows.
#[derive(Clone)]
struct Rows<R>(Vec<R>);

impl<R: Row> IdMap<R> {
    /// An empty map, which owns no memory.
    pub const fn new() -> Self {
        IdMap { tree: Tree::new() }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The row with the lowest id.
    pub fn first(&self) -> Option<R> {
        self.tree.end_chunk(End::Front)?.0.first().copied()
    }

    /// The row with the highest id.
    pub fn last(&self) -> Option<R> {
        self.tree.end_chunk(End::Back)?.0.last().copied()
    }

    /// The row of `id`.
    pub fn get(&self, id: StreamId) -> Option<R> {
        let (cursor, at) = self.seek(id)?;
        cursor
            .chunk()
            .0
            .get(at)
            .copied()
            .filter(|row| row.id() == id)
    }

    /// Puts a row in, in the place of the one with its id if there is such.
    pub fn insert(&mut self, row: R) {
        let id = row.id();
        match self.seek(id) {
            // Nearly always: what is delivered now comes behind what was delivered before.
            None => self.tree.push(End::Back, row, LIMIT),
            Some((cursor, at)) => {
                let index = cursor.start() + at;
                if cursor.chunk().0[at].id() == id {
                    self.tree.update(index, LIMIT, |rows, at| rows.0[at] = row);
                } else {
                    self.tree.insert(index, row, LIMIT);
                }
            }
        }
    }

    /// Takes the row of `id` out.
    pub fn remove(&mut self, id: StreamId) -> Option<R> {
        let (cursor, at) = self.seek(id)?;
        let row = cursor.chunk().0.get(at).copied()?;
        if row.id() != id {
            return None;
        }
        let index = cursor.start() + at;
        self.tree.remove(index..index + 1, LIMIT);
        Some(row)
    }

    /// The row of the lowest id that is not below `id`.
    pub fn first_from(&self, id: StreamId) -> Option<R> {
        let (cursor, at) = self.seek(id)?;
        cursor.chunk().0.get(at).copied()
    }

    /// The rows from `id` on, in order.
    pub fn iter_from(&self, id: StreamId) -> Iter<'_, R> {
        match self.seek(id) {
            Some((cursor, at)) => Iter {
                rows: cursor.chunk().0[at..].iter(),
                cursor: Some(cursor),
            },
            None => Iter {
                rows: [].iter(),
                cursor: None,
            },
        }
    }

    /// All rows in order.
    pub fn iter(&self) -> Iter<'_, R> {
        self.iter_from(StreamId::MIN)
    }

    /// Keeps the rows of which `keep` is true, by building the map anew: for the removal of many.
    pub fn retain(&mut self, keep: impl Fn(&R) -> bool) {
        let mut kept = Tree::new();
        for row in self.iter().filter(|row| keep(row)) {
            kept.push(End::Back, row, LIMIT);
        }
        self.tree = kept;
    }

    /// Bytes on the heap, estimated from some of the chunks (0 for all).
    pub fn heap_bytes(&self, samples: usize) -> usize {
        self.tree.heap_bytes(samples)
    }

    /// Where the chunks' rows lie: which chunks two maps share.
    #[cfg(test)]
    pub(super) fn chunk_addresses(&self) -> Vec<*const R> {
        let mut addresses = Vec::new();
        let mut cursor = self.tree.cursor(0);
        while let Some(reader) = &mut cursor {
            addresses.push(reader.chunk().0.as_ptr());
            if !reader.next() {
                break;
            }
        }
        addresses
    }

    /// The chunk in which the first row that is not below `id` lies, and its place there; nothing if all are below.
    #[inline]
    fn seek(&self, id: StreamId) -> Option<(Cursor<'_, Rows<R>>, usize)> {
        if self.last()?.id() < id {
            return None;
        }
        let cursor = self.tree.seek(|last| *last < id)?;
        let at = cursor.chunk().0.partition_point(|row| row.id() < id);
        Some((cursor, at))
    }
}

impl<R: Row> Clone for IdMap<R> {
    /// Shares everything: O(1).
    fn clone(&self) -> Self {
        IdMap {
            tree: self.tree.clone(),
        }
    }
}

impl<R: Row> Default for IdMap<R> {
    fn default() -> Self {
        IdMap::new()
    }
}

impl<R: Row + std::fmt::Debug> std::fmt::Debug for IdMap<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Rows of an [`IdMap`] in order.
pub struct Iter<'a, R: Row> {
    cursor: Option<Cursor<'a, Rows<R>>>,
    rows: std::slice::Iter<'a, R>,
}

impl<R: Row> Iterator for Iter<'_, R> {
    type Item = R;

    #[inline]
    fn next(&mut self) -> Option<R> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(*row);
            }
            let cursor = self.cursor.as_mut()?;
            if !cursor.next() {
                self.cursor = None;
                return None;
            }
            self.rows = cursor.chunk().0.iter();
        }
    }
}

impl<R: Row> Chunk for Rows<R> {
    type New<'a> = R;
    type Key = StreamId;

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self) -> usize {
        self.0.len() * size_of::<R>()
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<R>()
    }

    #[inline]
    fn key(&self) -> StreamId {
        self.0.last().map(Row::id).unwrap_or_default()
    }

    #[inline]
    fn fits(&self, _new: &R, limit: ChunkLimit) -> bool {
        self.0.len() < limit.elements
    }

    fn single(new: R, _room: Option<(End, usize)>) -> Self {
        Rows(vec![new])
    }

    #[inline]
    fn insert(&mut self, at: usize, new: R) {
        self.0.insert(at, new);
    }

    fn remove(&mut self, range: Range<usize>) {
        self.0.drain(range);
    }

    fn split_off(&mut self, at: usize) -> Self {
        Rows(self.0.split_off(at))
    }

    fn mergeable(&self, _right: &Self) -> bool {
        true
    }

    fn append(&mut self, right: &Self) {
        self.0.extend_from_slice(&right.0);
    }

    fn complete(&mut self) {
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(u64),
        Remove(u64),
        RetainFrom(u64),
        Snapshot,
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            8 => (0..80u64).prop_map(Change::Insert),
            6 => (0..80u64).prop_map(Change::Remove),
            1 => (0..80u64).prop_map(Change::RetainFrom),
            1 => Just(Change::Snapshot),
        ]
    }

    proptest! {
        #[test]
        fn a_map_behaves_as_a_sorted_set_and_its_clones_stay_as_they_were(
            changes in proptest::collection::vec(change(), 0..200),
        ) {
            let id = |number: u64| StreamId::new(number / 10, number % 10);
            let mut map = IdMap::new();
            let mut model = BTreeSet::new();
            let mut snapshots = Vec::new();
            for change in changes {
                match change {
                    Change::Insert(number) => {
                        map.insert(id(number));
                        model.insert(id(number));
                    }
                    Change::Remove(number) => {
                        let removed = map.remove(id(number)).is_some();
                        prop_assert_eq!(removed, model.remove(&id(number)));
                    }
                    Change::RetainFrom(number) => {
                        map.retain(|row| *row >= id(number));
                        model.retain(|row| *row >= id(number));
                    }
                    Change::Snapshot => snapshots.push((map.clone(), model.clone())),
                }
                let probe = id(40);
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.first_from(probe), model.range(probe..).next().copied());
                prop_assert_eq!(map.get(probe), model.get(&probe).copied());
                prop_assert_eq!(map.first(), model.first().copied());
                prop_assert_eq!(map.last(), model.last().copied());
            }
            snapshots.push((map, model));
            for (map, model) in snapshots {
                prop_assert!(map.iter().eq(model.iter().copied()));
                prop_assert!(map.iter_from(id(33)).eq(model.range(id(33)..).copied()));
            }
        }
    }
}
