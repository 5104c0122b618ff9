//! [`Stream`]: a log of entries with ids, and the groups that consume it.
//!
//! * [`id`]: what orders entries.
//! * [`chunk`]: how a run of entries is stored.
//! * [`log`]: all entries, a [tree](crate::store::tree) of such chunks.
//! * [`group`]: consumers, and what was delivered to them; [`id_map`] holds that.
//! * [`trim`]: removing entries from the front.
//!
//! # Life cycle
//! Entries come in at the end alone, each with an id above all that there were before, and are removed anywhere. A
//! stream remembers the highest id that it ever gave out, how many entries there ever were and the highest id that
//! was removed from its midst, from which follows how far behind a group is ([`Extent::lag`]). It may be empty, and its
//! groups live on then.
//!
//! # Sharing
//! A clone shares everything and costs nothing. The first write after that copies the few words here, the list of
//! groups, and of the changed group the list of its consumers; of the trees it copies the one path that it changes.
//!
//! To let streams remember something more, add it to `Repr` and to `memory_bytes`.
pub mod chunk;
pub mod group;
pub mod id;
pub mod id_map;
pub mod log;
pub mod trim;

use std::cmp::Ordering;

use triomphe::Arc;

pub use chunk::{Entry, EntryChunk, NewEntry};
pub use group::{Consumer, ConsumerId, Delivery, Group};
pub use id::StreamId;
pub use log::{Log, NodeLimit};
pub use trim::{References, Threshold, Trim, Trimmed};

/// The value of a stream key. Cloning is O(1) and shares everything; a writer copies what it touches.
#[derive(Clone, Default)]
pub struct Stream(Arc<Repr>);

#[derive(Clone, Default)]
struct Repr {
    log: Log,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    /// In the order of the names.
    groups: Vec<Arc<Group>>,
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Stream {
        Stream::default()
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.log.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.log.is_empty()
    }

    /// What OBJECT ENCODING calls its form.
    pub fn encoding_name(&self) -> &'static str {
        "stream"
    }

    /// Bytes that it takes on the heap, estimated from `samples` of its chunks (0 for all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        let groups = self.0.groups.iter().map(|group| {
            let header = size_of::<usize>() + size_of::<Group>();
            header + group.heap_bytes(samples)
        });
        size_of::<usize>()
            + size_of::<Repr>()
            + self.0.log.tree.heap_bytes(samples)
            + self.0.groups.capacity() * size_of::<Arc<Group>>()
            + groups.sum::<usize>()
    }

    #[inline]
    fn repr_mut(&mut self) -> &mut Repr {
        Arc::make_mut(&mut self.0)
    }

    /// The entries.
    #[inline]
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The highest id that was ever given out.
    #[inline]
    pub fn last_id(&self) -> StreamId {
        self.0.last_id
    }

    /// The id of the first entry, `0-0` if there is none.
    pub fn first_id(&self) -> StreamId {
        self.0.log.first_id().unwrap_or_default()
    }

    /// The highest id of an entry that was deleted other than from the front, `0-0` if none was.
    pub fn max_deleted_id(&self) -> StreamId {
        self.0.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.0.entries_added
    }

    /// Sets what a stream remembers of its past; the last id must not be below that of an entry.
    pub fn set_past(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        let repr = self.repr_mut();
        repr.last_id = last_id;
        repr.entries_added = entries_added.unwrap_or(repr.entries_added);
        repr.max_deleted_id = max_deleted_id.unwrap_or(repr.max_deleted_id);
    }

    /// Puts an entry, whose id must be above [`Stream::last_id`], behind the last.
    #[inline]
    pub fn push(&mut self, new: NewEntry<'_>, limit: NodeLimit) {
        debug_assert!(new.id > self.last_id());
        let repr = self.repr_mut();
        repr.last_id = new.id;
        repr.entries_added = repr.entries_added.wrapping_add(1);
        repr.log.push(new, limit);
    }

    /// Puts a whole chunk behind the last; false, and nothing is done, unless its ids are above all that there are. The
    /// past is the caller's to set. An empty chunk is dropped.
    pub fn push_chunk(&mut self, chunk: EntryChunk) -> bool {
        let Some(first) = chunk.entries().next() else {
            return true;
        };
        let is_behind = first.id > self.log().last_id().unwrap_or_default();
        if is_behind {
            let repr = self.repr_mut();
            repr.last_id = chunk.last_id();
            repr.log.tree.push_chunk(chunk);
        }
        is_behind
    }

    /// Deletes an entry; false if there is none with this id.
    pub fn delete(&mut self, id: StreamId, limit: NodeLimit) -> bool {
        let repr = self.repr_mut();
        let deleted = repr.log.remove(id, limit);
        if deleted {
            repr.max_deleted_id = repr.max_deleted_id.max(id);
        }
        deleted
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.0.groups.iter().map(|group| &**group)
    }

    /// The group of that name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        let place = self.0.place_of(name).ok()?;
        Some(&self.0.groups[place])
    }

    /// The group of that name to be changed, beside the entries.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Log, &mut Group)> {
        let place = self.0.place_of(name).ok()?;
        let repr = self.repr_mut();
        Some((&repr.log, Arc::make_mut(&mut repr.groups[place])))
    }

    /// Makes a group; false if there is one of that name.
    pub fn create_group(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<i64>,
    ) -> bool {
        let Err(place) = self.0.place_of(name) else {
            return false;
        };
        let group = Arc::new(Group::new(name, last_id, entries_read));
        self.repr_mut().groups.insert(place, group);
        true
    }

    /// Takes a group out, as a stream without entries that holds it alone, to be dropped where that hurts nobody.
    pub fn take_group(&mut self, name: &[u8]) -> Option<Stream> {
        let place = self.0.place_of(name).ok()?;
        let group = self.repr_mut().groups.remove(place);
        Some(Stream(Arc::new(Repr {
            groups: vec![group],
            ..Repr::default()
        })))
    }

    /// Removes what any group holds of an entry; false if none holds anything.
    pub fn drop_references(&mut self, id: StreamId) -> bool {
        let is_pending = self.0.is_pending(id);
        if is_pending {
            self.repr_mut().ack_everywhere(id);
        }
        is_pending
    }

    /// Whether a group has the entry pending, or will yet deliver it.
    pub fn is_referenced(&self, id: StreamId) -> bool {
        id > self.0.seen_by_all() || self.0.is_pending(id)
    }

    /// The ends of the stream and its past, by which the progress of groups is told.
    pub fn extent(&self) -> Extent {
        Extent {
            len: self.len() as i64,
            first_id: self.first_id(),
            last_id: self.last_id(),
            max_deleted_id: self.max_deleted_id(),
            entries_added: self.entries_added() as i64,
        }
    }
}

/// The ends of a stream and its past. The rules by which the progress of groups follows from it are those of Redis 8
/// (`t_stream.c`).
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    len: i64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: i64,
}

impl Extent {
    /// How many entries a group has not read yet, where that can be known.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 || self.len == 0 {
            return Some(0);
        }
        if group.last_id < self.first_id && self.max_deleted_id < self.first_id {
            return Some(self.len);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_gap_from(group.last_id) => read,
            _ => self.entries_up_to(group.last_id)?,
        };
        Some(self.entries_added.wrapping_sub(read))
    }

    /// The number of entries that a group has read when it has just got the one with this id, behind its last.
    pub fn entries_read(&self, group: &Group, id: StreamId) -> Option<i64> {
        match group.entries_read {
            Some(read) if !self.has_gap_from(id) => Some(read.wrapping_add(1)),
            read if self.entries_added == 0 => read,
            _ => self.entries_up_to(id),
        }
    }

    /// Whether an entry may have been deleted between `id` and the end.
    fn has_gap_from(&self, id: StreamId) -> bool {
        self.len > 0 && self.max_deleted_id != StreamId::MIN && id <= self.max_deleted_id
    }

    /// How many entries were ever added up to the one with this id, where that can be known: at the ends of what is
    /// left, if nothing was deleted in between.
    pub fn entries_up_to(&self, id: StreamId) -> Option<i64> {
        let added = self.entries_added;
        if added == 0 || (self.len == 0 && id <= self.last_id) || id == self.last_id {
            return Some(added);
        }
        let has_gap = self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= self.first_id;
        if id > self.last_id || has_gap {
            return None;
        }
        match id.cmp(&self.first_id) {
            Ordering::Less => Some(added.wrapping_sub(self.len)),
            Ordering::Equal => Some(added.wrapping_sub(self.len).wrapping_add(1)),
            Ordering::Greater => None,
        }
    }
}

impl Repr {
    fn place_of(&self, name: &[u8]) -> Result<usize, usize> {
        self.groups.binary_search_by(|group| group.name().cmp(name))
    }

    /// The id up to which every group has seen the entries.
    fn seen_by_all(&self) -> StreamId {
        let last_ids = self.groups.iter().map(|group| group.last_id);
        last_ids.min().unwrap_or(StreamId::MAX)
    }

    fn is_pending(&self, id: StreamId) -> bool {
        let mut groups = self.groups.iter();
        groups.any(|group| group.pending().get(id).is_some())
    }

    fn ack_everywhere(&mut self, id: StreamId) {
        for group in &mut self.groups {
            if group.pending().get(id).is_some() {
                Arc::make_mut(group).ack(id);
            }
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("len", &self.len())
            .field("last_id", &self.last_id())
            .field("groups", &self.0.groups)
            .finish()
    }
}

#[cfg(test)]
mod tests;
