//! [`Log`]: the entries of a stream in the order of their ids.
use super::chunk::{Entries, Entry, EntryChunk, NewEntry};
use super::id::StreamId;
use crate::store::tree::{ChunkLimit, Cursor, End, Tree};

/// The most bytes of a chunk of several entries, and of the texts of one entry, whatever the configuration says.
pub const MAX_CHUNK_BYTES: usize = 1 << 30;

/// How large the chunks of a stream may grow: Redis's `stream-node-max-bytes` and `stream-node-max-entries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimit {
    /// Bytes of a chunk, 0 for no limit.
    pub bytes: usize,
    /// Entries in a chunk, 0 for no limit.
    pub entries: usize,
}

impl NodeLimit {
    #[inline]
    pub(super) fn chunk_limit(self) -> ChunkLimit {
        let or_none = |value, none| if value == 0 { none } else { value };
        ChunkLimit {
            bytes: or_none(self.bytes, MAX_CHUNK_BYTES).min(MAX_CHUNK_BYTES),
            elements: or_none(self.entries, usize::MAX),
        }
    }
}

/// Entries in the order of their ids. Cloning shares everything.
#[derive(Clone, Default)]
pub struct Log {
    pub(super) tree: Tree<EntryChunk>,
}

impl Log {
    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The id of the first entry.
    pub fn first_id(&self) -> Option<StreamId> {
        Some(self.tree.end_chunk(End::Front)?.entries().next()?.id)
    }

    /// The id of the last entry.
    #[inline]
    pub fn last_id(&self) -> Option<StreamId> {
        Some(self.tree.end_chunk(End::Back)?.last_id())
    }

    /// The number of entries with an id below `id`, which is the index of the first other one.
    pub fn position(&self, id: StreamId) -> usize {
        if id == StreamId::MIN {
            return 0;
        }
        match self.seek(id) {
            Some((cursor, at)) => cursor.start() + at,
            None => self.len(),
        }
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let cursor = self.seek_chunk(id)?;
        cursor.chunk().find(id).map(|(_, entry)| entry)
    }

    /// Whether there is an entry with this id.
    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// The indexes of the entries from `start` to `end`, both included.
    pub fn indexes(&self, start: StreamId, end: StreamId) -> std::ops::Range<usize> {
        let from = self.position(start);
        let to = match end.next() {
            Some(behind) if self.last_id().is_some_and(|last| last >= behind) => {
                self.position(behind)
            }
            _ => self.len(),
        };
        from..to.max(from)
    }

    /// The entries from the one at `index` on, in order.
    pub fn iter_from(&self, index: usize) -> Forward<'_> {
        let cursor = self.tree.cursor(index);
        let entries = cursor
            .as_ref()
            .map(|cursor| cursor.chunk().entries_from(index - cursor.start()));
        Forward { cursor, entries }
    }

    /// The entries in front of the one at `index`, the last of them first.
    pub fn iter_until(&self, index: usize) -> Backward<'_> {
        let cursor = index.checked_sub(1).and_then(|last| self.tree.cursor(last));
        let entries = cursor
            .as_ref()
            .map(|cursor| cursor.chunk().entries_until(index - cursor.start()));
        Backward { cursor, entries }
    }

    /// The chunks in order.
    pub fn chunks(&self) -> impl Iterator<Item = &EntryChunk> {
        let mut cursor = self.tree.cursor(0);
        std::iter::from_fn(move || {
            let reader = cursor.as_mut()?;
            let chunk = reader.chunk();
            if !reader.next() {
                cursor = None;
            }
            Some(chunk)
        })
    }

    /// Number of chunks.
    pub fn chunk_count(&self) -> usize {
        self.tree.chunk_count()
    }

    /// Puts an entry, whose id is above all others, behind the last.
    #[inline]
    pub(super) fn push(&mut self, new: NewEntry<'_>, limit: NodeLimit) {
        self.tree.push(End::Back, new, limit.chunk_limit());
    }

    /// Removes the entry with this id; false if there is none.
    pub(super) fn remove(&mut self, id: StreamId, limit: NodeLimit) -> bool {
        let index = self.seek_chunk(id).and_then(|cursor| {
            let (at, _) = cursor.chunk().find(id)?;
            Some(cursor.start() + at)
        });
        if let Some(index) = index {
            self.tree.remove(index..index + 1, limit.chunk_limit());
        }
        index.is_some()
    }

    /// The chunk with the first entry that is not below `id`, and the entry's place there.
    fn seek(&self, id: StreamId) -> Option<(Cursor<'_, EntryChunk>, usize)> {
        let cursor = self.seek_chunk(id)?;
        let at = cursor.chunk().position(id);
        Some((cursor, at))
    }

    /// The chunk with the first entry that is not below `id`.
    #[inline]
    fn seek_chunk(&self, id: StreamId) -> Option<Cursor<'_, EntryChunk>> {
        self.tree.seek(|last| *last < id)
    }
}

/// Entries of a [`Log`] in order.
pub struct Forward<'a> {
    cursor: Option<Cursor<'a, EntryChunk>>,
    entries: Option<Entries<'a>>,
}

impl<'a> Iterator for Forward<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some(entry) = self.entries.as_mut()?.next() {
                return Some(entry);
            }
            let cursor = self.cursor.as_mut()?;
            self.entries = cursor.next().then(|| cursor.chunk().entries());
        }
    }
}

/// Entries of a [`Log`], the last first.
pub struct Backward<'a> {
    cursor: Option<Cursor<'a, EntryChunk>>,
    entries: Option<Entries<'a>>,
}

impl<'a> Iterator for Backward<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some(entry) = self.entries.as_mut()?.next_back() {
                return Some(entry);
            }
            let cursor = self.cursor.as_mut()?;
            self.entries = cursor.prev().then(|| cursor.chunk().entries());
        }
    }
}
