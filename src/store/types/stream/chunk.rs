//! [`EntryChunk`]: a run of entries in one buffer, and how an entry is read from it ([`Entry`]).
//!
//! # Layout
//! The buffer is a [`Flat`] whose elements are those of the listpack in a node of Redis's streams (described in Redis's
//! `t_stream.c`) behind its first two, the numbers of live and of deleted entries, which are not stored: the one is the
//! chunk's count, the other always 0, because what is deleted is removed. So the listpack of a dump file is these
//! elements with two integers in front.
//!
//! | elements | what |
//! |---|---|
//! | `n`, `name` * n, `0` | the head: the field names of the first entry that was put in |
//! | `2`, `ms`, `seq`, `value` * n, `n + 3` | an entry with the field names of the head |
//! | `0`, `ms`, `seq`, `m`, (`name`, `value`) * m, `2 m + 4` | an entry with other field names |
//!
//! `ms` and `seq` are differences to the chunk's base, the id of the first entry that was put in; they wrap around. The
//! last element of an entry is the number of those in front of it, by which the entries can be read backwards.
//!
//! To store more with an entry, define a flag for it here and in the reader.
use std::cmp::Ordering;
use std::ops::Range;

use super::id::StreamId;
use crate::store::encoding::flat::{self, Encoded, Flat, Item};
use crate::store::tree::{Chunk, ChunkLimit, End};

/// The entry's field names are those of the head.
const SAME_FIELDS: i64 = 2;
/// The entry is deleted: a flag that Redis sets and this store does not.
const DELETED: i64 = 1;
/// What a listpack has beside the elements that are stored here: its own header and end, and the two counts.
const LISTPACK_OVERHEAD: usize = 7 + 4;
/// Elements of an entry beside names and values: flags, time, number, and the count at its end.
const FRAME: usize = 4;

/// Some consecutive entries. See the module's head.
#[derive(Clone, Debug)]
pub struct EntryChunk {
    /// What the ids are stored as differences to.
    base: StreamId,
    /// The id of the last entry.
    last: StreamId,
    flat: Flat,
    /// Number of entries.
    count: u32,
    /// Number of field names in the head.
    names: u32,
}

/// An entry to be put in.
#[derive(Clone, Copy)]
pub struct NewEntry<'a> {
    /// Its id.
    pub id: StreamId,
    pairs: usize,
    text_bytes: usize,
    word: &'a dyn Fn(usize) -> &'a [u8],
}

impl<'a> NewEntry<'a> {
    /// An entry of so many pairs of a field and a value, which `word` hands out by their place: field, value, field
    /// and so on.
    pub fn new(id: StreamId, pairs: usize, word: &'a dyn Fn(usize) -> &'a [u8]) -> NewEntry<'a> {
        let text_bytes = (0..2 * pairs).map(|at| word(at).len()).sum();
        NewEntry {
            id,
            pairs,
            text_bytes,
            word,
        }
    }

    /// Bytes of all fields and values.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }
}

/// An entry, borrowed from its chunk.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// The field names of the head, if they are the entry's.
    names: Option<flat::Iter<'a>>,
    /// The values, between their names if those are not in the head.
    words: flat::Iter<'a>,
}

impl<'a> Entry<'a> {
    /// Number of pairs.
    pub fn pairs(&self) -> usize {
        match self.names {
            Some(_) => self.words.len(),
            None => self.words.len() / 2,
        }
    }

    /// The fields with their values, in the order in which they were given.
    pub fn fields(&self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> + use<'a> {
        let mut names = self.names.clone();
        let mut words = self.words.clone();
        std::iter::from_fn(move || {
            let name = match &mut names {
                Some(names) => names.next()?,
                None => words.next()?,
            };
            Some((name, words.next()?))
        })
    }
}

/// The next element, which must be an integer.
fn integer(items: &mut flat::Iter<'_>) -> Option<i64> {
    match items.next()? {
        Item::Int(value) => Some(value),
        Item::Bytes(_) => None,
    }
}

/// As many of the next elements as the integer in front of them says.
fn take<'a>(items: &mut flat::Iter<'a>) -> Option<flat::Iter<'a>> {
    let count = usize::try_from(integer(items)?).ok()?;
    (count <= items.len()).then(|| items.split_front(count))
}

/// The entries of a chunk, or some of them, readable from both ends.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    base: StreamId,
    names: flat::Iter<'a>,
    rest: flat::Iter<'a>,
}

/// A number among the elements. What stands there is one by the layout; anything else would count as 0.
#[inline]
fn number(item: Option<Item<'_>>) -> i64 {
    match item {
        Some(Item::Int(value)) => value,
        _ => 0,
    }
}

impl<'a> Entries<'a> {
    /// Reads the beginning of an entry up to its names and values, and tells how many elements those are.
    #[inline]
    fn read_head(&self, items: &mut flat::Iter<'a>) -> (StreamId, bool, usize) {
        let same = number(items.next()) & SAME_FIELDS != 0;
        let ms = self.base.ms.wrapping_add(number(items.next()) as u64);
        let seq = self.base.seq.wrapping_add(number(items.next()) as u64);
        let words = if same {
            self.names.len()
        } else {
            2 * usize::try_from(number(items.next())).unwrap_or(0)
        };
        (StreamId::new(ms, seq), same, words)
    }

    #[inline]
    fn entry(&self, id: StreamId, same: bool, words: flat::Iter<'a>) -> Entry<'a> {
        let names = same.then(|| self.names.clone());
        Entry { id, names, words }
    }

    /// Goes over the next entry, if there is one, and tells its id.
    #[inline]
    fn skip_id(&mut self) -> Option<StreamId> {
        if self.rest.len() == 0 {
            return None;
        }
        let mut rest = self.rest.clone();
        let (id, _, words) = self.read_head(&mut rest);
        rest.split_front(words + 1);
        self.rest = rest;
        Some(id)
    }
}

impl<'a> Entries<'a> {
    /// The next entry of a listpack that is not known to be well formed, and whether it is marked as deleted; nothing
    /// if it is not laid out as one.
    fn next_checked(&mut self) -> Option<(Entry<'a>, bool)> {
        let flags = integer(&mut self.rest)?;
        let ms = integer(&mut self.rest)? as u64;
        let seq = integer(&mut self.rest)? as u64;
        let same = flags & SAME_FIELDS != 0;
        let words = if same {
            self.names.len()
        } else {
            2 * usize::try_from(integer(&mut self.rest)?)
                .ok()
                .filter(|&pairs| pairs <= self.rest.len())?
        };
        if words > self.rest.len() {
            return None;
        }
        let words = self.rest.split_front(words);
        let frame = if same { FRAME - 1 } else { FRAME };
        if usize::try_from(integer(&mut self.rest)?).ok()? != words.len() + frame {
            return None;
        }
        let id = StreamId::new(
            self.base.ms.wrapping_add(ms),
            self.base.seq.wrapping_add(seq),
        );
        Some((self.entry(id, same, words), flags & DELETED != 0))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.rest.len() == 0 {
            return None;
        }
        let mut rest = self.rest.clone();
        let (id, same, words) = self.read_head(&mut rest);
        let words = rest.split_front(words);
        rest.split_front(1);
        self.rest = rest;
        Some(self.entry(id, same, words))
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let elements = usize::try_from(number(self.rest.next_back())).unwrap_or(0);
        let mut items = self.rest.split_back(elements);
        if items.len() == 0 {
            return None;
        }
        let (id, same, words) = self.read_head(&mut items);
        let words = items.split_front(words);
        Some(self.entry(id, same, words))
    }
}

impl EntryChunk {
    fn empty(room_bytes: usize) -> EntryChunk {
        EntryChunk {
            base: StreamId::MIN,
            last: StreamId::MIN,
            flat: Flat::with_room_behind(room_bytes),
            count: 0,
            names: 0,
        }
    }

    /// The entries that the listpack of a node has whose key is `base`, without those that are marked as deleted.
    /// Nothing unless it is laid out as such a listpack, with ids that ascend.
    pub fn from_listpack(base: StreamId, mut listpack: Flat) -> Option<EntryChunk> {
        let mut items = listpack.iter();
        let live = usize::try_from(integer(&mut items)?).ok()?;
        let deleted = usize::try_from(integer(&mut items)?).ok()?;
        let names = take(&mut items)?;
        if integer(&mut items)? != 0 {
            return None;
        }
        let count = names.len() as u32;
        let mut rest = Entries {
            base,
            names,
            rest: items,
        };
        let mut kept = EntryChunk::empty(0);
        let (mut seen, mut last) = (0, None);
        for _ in 0..live.checked_add(deleted)? {
            let (entry, is_deleted) = rest.next_checked()?;
            if is_deleted {
                continue;
            }
            if last.is_some_and(|last| last >= entry.id) {
                return None;
            }
            last = Some(entry.id);
            seen += 1;
            if deleted > 0 {
                kept.push_entry(&entry);
            }
        }
        if rest.rest.len() > 0 || seen != live {
            return None;
        }
        if deleted > 0 {
            return Some(kept);
        }
        listpack.remove(0..2);
        Some(EntryChunk {
            base,
            last: last.unwrap_or_default(),
            flat: listpack,
            count: live as u32,
            names: count,
        })
    }

    /// The id of the last entry.
    #[inline]
    pub fn last_id(&self) -> StreamId {
        self.last
    }

    /// The id to which the ids of the entries are stored as differences.
    pub fn base_id(&self) -> StreamId {
        self.base
    }

    /// Number of entries.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// The elements as they are stored; see the module's head.
    pub fn elements(&self) -> &Flat {
        &self.flat
    }

    /// Elements of the head.
    fn head_len(&self) -> usize {
        self.names as usize + 2
    }

    /// The field names of the head.
    fn names(&self) -> flat::Iter<'_> {
        let mut items = self.flat.iter();
        items.split_front(1);
        items.split_front(self.names as usize)
    }

    /// All entries in order.
    #[inline]
    pub fn entries(&self) -> Entries<'_> {
        let mut rest = self.flat.iter();
        rest.split_front(1);
        let names = rest.split_front(self.names as usize);
        rest.split_front(1);
        Entries {
            base: self.base,
            names,
            rest,
        }
    }

    /// The entries from the one at `at` on.
    pub fn entries_from(&self, at: usize) -> Entries<'_> {
        let mut entries = self.entries();
        for _ in 0..at {
            entries.skip_id();
        }
        entries
    }

    /// The entries in front of the one at `at`, to be read backwards from there.
    pub fn entries_until(&self, at: usize) -> Entries<'_> {
        let mut entries = self.entries();
        for _ in at..self.len() {
            entries.next_back();
        }
        entries
    }

    /// The number of entries with an id below `id`.
    pub fn position(&self, id: StreamId) -> usize {
        if id > self.last {
            return self.len();
        }
        let mut entries = self.entries();
        let mut at = 0;
        while entries.skip_id().is_some_and(|own| own < id) {
            at += 1;
        }
        at
    }

    /// The place of the entry with this id, and the entry.
    pub fn find(&self, id: StreamId) -> Option<(usize, Entry<'_>)> {
        let mut entries = self.entries();
        for at in 0.. {
            let mut here = entries.clone();
            match entries.skip_id()?.cmp(&id) {
                Ordering::Less => {}
                Ordering::Equal => return here.next().map(|entry| (at, entry)),
                Ordering::Greater => break,
            }
        }
        None
    }

    /// Puts an entry behind the last.
    #[inline]
    fn push(&mut self, new: &NewEntry<'_>) {
        if self.count == 0 {
            self.begin(new);
        }
        let pairs = new.pairs;
        let same = self.has_names_of(new);
        let flat = &mut self.flat;
        let ms = new.id.ms.wrapping_sub(self.base.ms) as i64;
        let seq = new.id.seq.wrapping_sub(self.base.seq) as i64;
        flat.push_back(&Encoded::int(if same { SAME_FIELDS } else { 0 }));
        flat.push_back(&Encoded::int(ms));
        flat.push_back(&Encoded::int(seq));
        let elements = if same {
            (0..pairs).for_each(|at| flat.push_back(&Encoded::new((new.word)(2 * at + 1))));
            pairs + FRAME - 1
        } else {
            flat.push_back(&Encoded::int(pairs as i64));
            (0..2 * pairs).for_each(|at| flat.push_back(&Encoded::new((new.word)(at))));
            2 * pairs + FRAME
        };
        flat.push_back(&Encoded::int(elements as i64));
        self.last = new.id;
        self.count += 1;
    }

    /// Writes the head for a first entry.
    fn begin(&mut self, first: &NewEntry<'_>) {
        self.flat.remove(0..self.flat.len());
        self.base = first.id;
        self.names = first.pairs as u32;
        self.flat.push_back(&Encoded::int(first.pairs as i64));
        for at in 0..first.pairs {
            self.flat.push_back(&Encoded::new((first.word)(2 * at)));
        }
        self.flat.push_back(&Encoded::int(0));
    }

    #[inline]
    fn has_names_of(&self, new: &NewEntry<'_>) -> bool {
        let mut at = 0;
        new.pairs == self.names as usize
            && self.names().all(|name| {
                at += 2;
                name.eq_bytes((new.word)(at - 2))
            })
    }

    /// Puts an entry of another chunk behind the last.
    fn push_entry(&mut self, entry: &Entry<'_>) {
        let words: Vec<Vec<u8>> = entry
            .fields()
            .flat_map(|(name, value)| [name.to_vec(), value.to_vec()])
            .collect();
        self.push(&NewEntry::new(entry.id, words.len() / 2, &|at| &words[at]));
    }
}

impl Chunk for EntryChunk {
    type New<'a> = NewEntry<'a>;
    type Key = StreamId;

    #[inline]
    fn len(&self) -> usize {
        self.count as usize
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.flat.bytes()
    }

    fn heap_bytes(&self) -> usize {
        self.flat.heap_bytes()
    }

    #[inline]
    fn key(&self) -> StreamId {
        self.last
    }

    /// As Redis decides it: the listpack's bytes and the texts' must stay below the limit.
    #[inline]
    fn fits(&self, new: &NewEntry<'_>, limit: ChunkLimit) -> bool {
        self.flat.bytes() + LISTPACK_OVERHEAD + new.text_bytes < limit.bytes
            && self.len() < limit.elements
    }

    fn single(new: NewEntry<'_>, room: Option<(End, usize)>) -> EntryChunk {
        let mut chunk = EntryChunk::empty(room.map_or(0, |(_, bytes)| bytes));
        chunk.push(&new);
        chunk
    }

    #[inline]
    fn insert(&mut self, at: usize, new: NewEntry<'_>) {
        if at >= self.len() {
            return self.push(&new);
        }
        let behind = self.split_off(at);
        self.push(&new);
        self.append(&behind);
    }

    fn remove(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return;
        }
        self.count -= range.len() as u32;
        if self.count == 0 {
            self.flat.remove(0..self.flat.len());
            return;
        }
        let mut entries = self.entries();
        let all = entries.rest.len();
        for _ in 0..range.start {
            entries.skip_id();
        }
        let from = all - entries.rest.len();
        for _ in range.clone() {
            entries.skip_id();
        }
        let to = all - entries.rest.len();
        let head = self.head_len();
        self.flat.remove(head + from..head + to);
        if to == all {
            self.last = self
                .entries()
                .next_back()
                .map(|entry| entry.id)
                .unwrap_or_default();
        }
    }

    fn split_off(&mut self, at: usize) -> EntryChunk {
        let mut right = EntryChunk::empty(0);
        for entry in self.entries_from(at) {
            right.push_entry(&entry);
        }
        self.remove(at..self.len());
        right
    }

    /// Ids and names have to be encoded anew for the head of the left chunk, so any two chunks can be one.
    fn mergeable(&self, _right: &EntryChunk) -> bool {
        true
    }

    fn append(&mut self, right: &EntryChunk) {
        for entry in right.entries() {
            self.push_entry(&entry);
        }
    }

    fn complete(&mut self) {
        self.flat.shrink_to_fit();
    }
}
