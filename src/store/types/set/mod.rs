//! [`Set`]: the value of a set key.
//!
//! # Life cycle
//! A set of integers begins as sorted integers at the smallest width that fits ("intset"), any other as a [`Flat`]
//! in the order of insertion ("listpack"). Integers become a listpack with the first member that is no integer, if
//! that is within the limits; whatever exceeds its limit becomes a [`Table`] of [`Member`]s ("hashtable"), and stays
//! one. Only [`Set::pop_some`] goes back: when it takes most of a set, what is left is built anew. These are the rules
//! of Redis 7.2 and later, because `OBJECT ENCODING` shows them.
//!
//! Cloning is O(1) and shares everything; a writer copies what it touches.
//!
//! Wherever an operation could change the encoding it takes the limits as a parameter. That an empty set's key is
//! removed is the keyspace's business. To add an operation, write it for each of `Repr`'s forms.

pub mod algebra;
mod intset;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ptr::NonNull;

use triomphe::Arc;

use crate::store::encoding::flat::{self, Encoded, Flat, Item, Needle};
use crate::store::member::{Member, Word};
use crate::store::table::{self, HashSeed, NodeRef, Table};
use crate::text::number::parse_i64;
use intset::IntSet;

/// No set of integers grows beyond this, whatever the limit: 1 Gi, as in Redis.
const MAX_INTEGERS: usize = 1 << 30;
/// No listpack takes more bytes than that, whatever its limits: 1 GiB, as in Redis.
const MAX_LISTPACK_BYTES: usize = 1 << 30;
/// Bytes that a listpack has besides its entries: header and final byte.
const LISTPACK_OVERHEAD: usize = 7;
/// Random members are drawn one by one as long as at most one in so many is wanted; else all are gone through.
const DRAW_UP_TO_ONE_IN: usize = 3;
/// When so many times what is to be left is taken, the rest is built anew.
const REBUILD_FACTOR: usize = 5;
/// The table of a larger set is estimated and not measured, unless all of it is asked for.
const MEASURED_MEMBERS: usize = 1 << 16;
/// Bytes that a table takes for each of many members: its slots are nine tenths full.
const SLOT_BYTES: usize = 10;

/// The limits of the small encodings, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLimits {
    /// `set-max-intset-entries`.
    pub intset_entries: usize,
    /// `set-max-listpack-entries`.
    pub listpack_entries: usize,
    /// `set-max-listpack-value`, in bytes.
    pub listpack_value: usize,
}

impl SetLimits {
    fn integers(&self) -> usize {
        self.intset_entries.min(MAX_INTEGERS)
    }

    /// Whether so many members, `first` among them, are in a table whatever the others are.
    fn demand_table(&self, members: usize, first: Item<'_>) -> bool {
        let may_be_integers = match first {
            Item::Int(_) => true,
            Item::Bytes(text) => parse_i64(text).is_some(),
        };
        members > self.listpack_entries && (!may_be_integers || members > self.integers())
    }

    /// Whether one more member, of `len` bytes of text, fits in a listpack of `bytes` with `entries`.
    fn allow_listpack(&self, entries: usize, bytes: usize, len: usize) -> bool {
        entries < self.listpack_entries
            && len <= self.listpack_value
            && bytes.saturating_add(len) <= MAX_LISTPACK_BYTES
    }
}

/// A set of byte strings. See the module's head.
#[derive(Clone, Debug)]
pub struct Set(Arc<Repr>);

#[derive(Clone)]
enum Repr {
    Ints(IntSet),
    Flat(Flat),
    Table(Box<Table<Member>>),
}

impl Default for Set {
    fn default() -> Set {
        Set::new()
    }
}

impl Set {
    /// An empty set, to which integers may be added without a change of encoding.
    pub fn new() -> Set {
        Set(Arc::new(Repr::Ints(IntSet::new())))
    }

    /// An empty set to which `count` members are about to be added, `first` being the first of them.
    pub fn for_members(first: &[u8], count: usize, limits: SetLimits) -> Set {
        let is_int = parse_i64(first).is_some();
        Set(Arc::new(if is_int && count <= limits.integers() {
            Repr::Ints(IntSet::new())
        } else if count <= limits.listpack_entries {
            Repr::Flat(Flat::new())
        } else {
            Repr::Table(new_table())
        }))
    }

    /// The set of the members that a listpack has, each of them once.
    pub fn from_listpack(members: Flat, limits: SetLimits) -> Set {
        let is_small = members.len() <= limits.listpack_entries;
        let mut set = Set(Arc::new(Repr::Flat(members)));
        if !is_small {
            set.as_table();
        }
        set
    }

    /// A set of members that are all different: what adding them one after the other comes to.
    pub fn of_distinct<'m>(
        members: impl ExactSizeIterator<Item = Item<'m>>,
        limits: SetLimits,
    ) -> Set {
        let (count, mut members) = (members.len(), members.peekable());
        let first = members.peek();
        if first.is_some_and(|&first| limits.demand_table(count, first)) {
            let mut digits = itoa::Buffer::new();
            let members = members.map(|item| Member::new(item.text(&mut digits), &[], Word::None));
            let table = Table::of_distinct(count, members, HashSeed::of_process());
            return Set(Arc::new(Repr::Table(Box::new(table))));
        }
        let mut set = Set::new();
        let mut digits = itoa::Buffer::new();
        for item in members {
            match (&*set.0, item) {
                (Repr::Ints(_), Item::Int(value)) => set.insert_int(value, limits),
                _ => set.insert_absent(item.text(&mut digits), limits),
            };
        }
        set
    }

    /// The integers in ascending order, if the set is stored as those.
    pub fn integers(&self) -> Option<impl Iterator<Item = i64> + Clone> {
        match &*self.0 {
            Repr::Ints(ints) => Some(ints.iter()),
            _ => None,
        }
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match &*self.0 {
            Repr::Ints(ints) => ints.len(),
            Repr::Flat(flat) => flat.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING calls its form.
    pub fn encoding_name(&self) -> &'static str {
        match *self.0 {
            Repr::Ints(_) => "intset",
            Repr::Flat(_) => "listpack",
            Repr::Table(_) => "hashtable",
        }
    }

    /// Whether it is stored as a listpack.
    fn is_listpack(&self) -> bool {
        matches!(*self.0, Repr::Flat(_))
    }

    /// Whether both are one and the same: the value of one key, read twice.
    pub fn is_same(&self, other: &Set) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether `text` is a member.
    #[inline]
    pub fn contains(&self, text: &[u8]) -> bool {
        match &*self.0 {
            Repr::Ints(ints) => parse_i64(text).is_some_and(|value| ints.find(value).is_ok()),
            Repr::Flat(flat) => flat.find(&Needle::new(text), 1).is_some(),
            Repr::Table(table) => table.contains(text),
        }
    }

    /// Whether the text of `item`, a member of some set, is a member of this one.
    pub fn contains_item(&self, item: Item<'_>) -> bool {
        match (&*self.0, item) {
            (Repr::Ints(ints), Item::Int(value)) => ints.find(value).is_ok(),
            _ => self.contains(item.text(&mut itoa::Buffer::new())),
        }
    }

    /// All members: integers in ascending order, small sets in the order of insertion, others in no order. Members of a
    /// table are [`Item::Bytes`] even where they are the text of an integer.
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &*self.0 {
            Repr::Ints(ints) => Left::Ints(ints, 0),
            Repr::Flat(flat) => Left::Flat(flat.iter()),
            Repr::Table(table) => Left::Table(table.iter(), table.len()),
        })
    }

    /// Changes the encoding now if `count` members are about to be added and are more than it may hold.
    pub fn reserve(&mut self, count: usize, limits: SetLimits) {
        let most = match *self.0 {
            Repr::Ints(_) => limits.integers(),
            Repr::Flat(_) => limits.listpack_entries,
            Repr::Table(_) => return,
        };
        if count > most {
            self.as_table();
        }
    }

    /// Adds a member; false if it is there already.
    #[inline]
    pub fn insert(&mut self, text: &[u8], limits: SetLimits) -> bool {
        match Arc::make_mut(&mut self.0) {
            Repr::Table(table) => insert_member(table, text),
            Repr::Flat(flat) if flat.find(&Needle::new(text), 1).is_some() => false,
            _ => self.insert_absent(text, limits),
        }
    }

    /// Adds a member of which a listpack is not to be searched, for it is not there; false if it is there already.
    fn insert_absent(&mut self, text: &[u8], limits: SetLimits) -> bool {
        match Arc::make_mut(&mut self.0) {
            Repr::Table(table) => insert_member(table, text),
            Repr::Flat(flat) => {
                if limits.allow_listpack(flat.len(), flat.bytes(), text.len()) {
                    flat.push_back(&Encoded::new(text));
                    return true;
                }
                insert_member(self.as_table(), text)
            }
            Repr::Ints(_) => match parse_i64(text) {
                Some(value) => self.insert_int(value, limits),
                None => self.insert_first_text(text, limits),
            },
        }
    }

    /// Adds the text of a member of another set; false if it is there already.
    pub fn insert_item(&mut self, item: Item<'_>, limits: SetLimits) -> bool {
        match (&*self.0, item) {
            (Repr::Ints(_), Item::Int(value)) => self.insert_int(value, limits),
            _ => self.insert(item.text(&mut itoa::Buffer::new()), limits),
        }
    }

    /// Adds an integer to a set of integers.
    fn insert_int(&mut self, value: i64, limits: SetLimits) -> bool {
        let Repr::Ints(ints) = Arc::make_mut(&mut self.0) else {
            return self.insert(itoa::Buffer::new().format(value).as_bytes(), limits);
        };
        let is_new = ints.insert(value);
        if is_new && ints.len() > limits.integers() {
            self.as_table();
        }
        is_new
    }

    /// Adds the first member that is no integer to a set of integers.
    fn insert_first_text(&mut self, text: &[u8], limits: SetLimits) -> bool {
        let repr = Arc::make_mut(&mut self.0);
        if let Repr::Ints(ints) = repr {
            let longest = [ints.first(), ints.last()]
                .into_iter()
                .flatten()
                .map(|value| Item::Int(value).len())
                .max();
            // An integer's entry takes 11 bytes at most.
            if longest.is_none_or(|len| len <= limits.listpack_value)
                && limits.allow_listpack(ints.len(), ints.len() * 11, text.len())
            {
                let mut flat = Flat::new();
                ints.iter()
                    .for_each(|value| flat.push_back(&Encoded::int(value)));
                flat.push_back(&Encoded::new(text));
                flat.shrink_to_fit();
                *repr = Repr::Flat(flat);
                return true;
            }
        }
        insert_member(self.as_table(), text)
    }

    /// The table that the set is, or is made now.
    fn as_table(&mut self) -> &mut Table<Member> {
        if !matches!(*self.0, Repr::Table(_)) {
            let mut table = new_table();
            let mut digits = itoa::Buffer::new();
            for item in self.iter() {
                table.insert(Member::new(item.text(&mut digits), &[], Word::None));
            }
            self.0 = Arc::new(Repr::Table(table));
        }
        match Arc::make_mut(&mut self.0) {
            Repr::Table(table) => table,
            _ => unreachable!("it has just been made one"),
        }
    }

    /// Removes a member; false if it is not there.
    pub fn remove(&mut self, text: &[u8]) -> bool {
        let index = match &*self.0 {
            Repr::Ints(ints) => parse_i64(text).and_then(|value| ints.find(value).ok()),
            Repr::Flat(flat) => flat.find(&Needle::new(text), 1),
            Repr::Table(_) => None,
        };
        match Arc::make_mut(&mut self.0) {
            Repr::Table(table) => table.remove(text).is_some(),
            small => index.map(|index| small.remove_at(index)).is_some(),
        }
    }

    /// Removes the text of a member of another set; false if it is not there.
    pub fn remove_item(&mut self, item: Item<'_>) -> bool {
        self.remove(item.text(&mut itoa::Buffer::new()))
    }

    /// A member drawn at random, each with the same chance.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Item<'_>> {
        match &*self.0 {
            Repr::Table(table) => table.random(rng).map(item_of),
            _ if self.is_empty() => None,
            small => small.get(rng.usize(..self.len())),
        }
    }

    /// Draws members at random, the same one possibly more than once, until `each` answers false.
    pub fn draw(&self, rng: &mut fastrand::Rng, mut each: impl FnMut(Item<'_>) -> bool) {
        if self.is_empty() {
            return;
        }
        if let Repr::Flat(flat) = &*self.0 {
            // Finding each by its index would go through half of the buffer.
            let items: Vec<Item<'_>> = flat.iter().collect();
            while each(items[rng.usize(..items.len())]) {}
            return;
        }
        while self.random(rng).is_some_and(&mut each) {}
    }

    /// Visits `count` different members drawn at random (all, if there are no more), every choice of so many being
    /// as likely as any other. Their order is of no meaning.
    pub fn sample(&self, count: usize, rng: &mut fastrand::Rng, mut each: impl FnMut(Item<'_>)) {
        let len = self.len();
        if let Repr::Table(table) = &*self.0
            && count <= len / DRAW_UP_TO_ONE_IN
        {
            let mut drawn: HashSet<NonNull<u8>> = HashSet::with_capacity(count);
            while drawn.len() < count
                && let Some(member) = table.random(rng)
            {
                if drawn.insert(member.as_raw()) {
                    each(item_of(member));
                }
            }
            return;
        }
        let mut choice = Choice::new(count, len);
        for item in self.iter() {
            if choice.takes_next(rng) {
                each(item);
            }
        }
    }

    /// Removes a member drawn at random, after showing it to `read`.
    pub fn pop<R>(
        &mut self,
        rng: &mut fastrand::Rng,
        read: impl FnOnce(Item<'_>) -> R,
    ) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let len = self.len();
        match Arc::make_mut(&mut self.0) {
            Repr::Table(table) => {
                // Counting a reference is cheaper than a copy of its text.
                let member = Member::clone(&*table.random(rng)?);
                table.remove(member.key());
                Some(read(Item::Bytes(member.key())))
            }
            small => {
                let index = rng.usize(..len);
                let result = small.get(index).map(read);
                small.remove_at(index);
                result
            }
        }
    }

    /// Removes `count` members drawn at random, fewer than there are, after showing them to `each`.
    pub fn pop_some(
        &mut self,
        count: usize,
        rng: &mut fastrand::Rng,
        limits: SetLimits,
        mut each: impl FnMut(Item<'_>),
    ) {
        let len = self.len();
        let left = len.saturating_sub(count);
        if matches!(*self.0, Repr::Table(_)) {
            if left * REBUILD_FACTOR > count {
                for _ in 0..count {
                    self.pop(rng, &mut each);
                }
                return;
            }
            let mut rest = Set(Arc::new(Repr::Flat(Flat::new())));
            self.sample(left, rng, |item| {
                rest.insert_item(item, limits);
            });
            for item in self.iter() {
                if !rest.contains_item(item) {
                    each(item);
                }
            }
            *self = rest;
            return;
        }
        let mut choice = Choice::new(count, len);
        Arc::make_mut(&mut self.0).retain(|item| {
            let taken = choice.takes_next(rng);
            if taken {
                each(item);
            }
            !taken
        });
    }

    /// Visits a part of the members and answers where to go on, 0 at the end: a small set is one part, of a large one
    /// [`Table::scan`] says what is visited.
    pub fn scan(&self, cursor: u64, visit: &mut dyn FnMut(Item<'_>)) -> u64 {
        match &*self.0 {
            Repr::Table(table) => table.scan(cursor, &mut |member| visit(item_of(member))),
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// Bytes that it takes on the heap, estimated from `samples` of its members (0 for all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        // The reference count stands in front.
        let own = size_of::<Repr>() + size_of::<usize>();
        own + match &*self.0 {
            Repr::Ints(ints) => ints.heap_bytes(),
            Repr::Flat(flat) => flat.heap_bytes(),
            Repr::Table(table) => table_bytes(table, samples),
        }
    }

    /// Bytes of the one buffer that Redis keeps a small set in; nothing for a table.
    pub fn blob_bytes(&self) -> Option<usize> {
        match &*self.0 {
            Repr::Ints(ints) => Some(ints.blob_bytes()),
            Repr::Flat(flat) => Some(flat.bytes() + LISTPACK_OVERHEAD),
            Repr::Table(_) => None,
        }
    }

    /// The table that a large set is, for DEBUG.
    pub fn table(&self) -> Option<&Table<Member>> {
        match &*self.0 {
            Repr::Table(table) => Some(table),
            _ => None,
        }
    }
}

fn new_table() -> Box<Table<Member>> {
    Box::new(Table::new(HashSeed::of_process()))
}

fn item_of(member: NodeRef<'_, Member>) -> Item<'_> {
    Item::Bytes(member.key())
}

#[inline]
fn insert_member(table: &mut Table<Member>, text: &[u8]) -> bool {
    let (_, is_new) = table.find_or_insert_with(text, || Member::new(text, &[], Word::None));
    is_new
}

fn table_bytes(table: &Table<Member>, samples: usize) -> usize {
    let len = table.len();
    let sum = |count: usize| -> usize {
        let sampled = table.iter().take(count);
        sampled.map(|member| member.block_bytes()).sum()
    };
    let own = size_of::<Table<Member>>();
    if samples == 0 || len <= samples {
        return own + table.allocated_bytes() + sum(len);
    }
    let slots = if len <= MEASURED_MEMBERS {
        table.allocated_bytes()
    } else {
        len * SLOT_BYTES
    };
    own + slots + (sum(samples) as f64 / samples as f64 * len as f64) as usize
}

/// The operations on small sets that go by an index. A table has none, and answers nothing.
impl Repr {
    fn get(&self, index: usize) -> Option<Item<'_>> {
        match self {
            Repr::Ints(ints) => ints.get(index).map(Item::Int),
            Repr::Flat(flat) => flat.get(index),
            Repr::Table(_) => None,
        }
    }

    fn remove_at(&mut self, index: usize) {
        match self {
            Repr::Ints(ints) => ints.remove(index),
            Repr::Flat(flat) => flat.remove(index..index + 1),
            Repr::Table(_) => {}
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(Item<'_>) -> bool) {
        match self {
            Repr::Ints(ints) => ints.retain(|_, value| keep(Item::Int(value))),
            Repr::Flat(flat) => {
                let mut kept = Flat::new();
                for item in flat.iter().filter(|&item| keep(item)) {
                    kept.push_back(&encoded(item));
                }
                *flat = kept;
            }
            Repr::Table(_) => {}
        }
    }
}

fn encoded(item: Item<'_>) -> Encoded<'_> {
    match item {
        Item::Bytes(bytes) => Encoded::new(bytes),
        Item::Int(value) => Encoded::int(value),
    }
}

/// Chooses some of a sequence while going through it, every choice of so many being as likely as any other: each is
/// taken with the chance that what is still wanted has of what is still to come (Knuth's algorithm S).
struct Choice {
    wanted: usize,
    to_come: usize,
}

impl Choice {
    fn new(wanted: usize, len: usize) -> Choice {
        Choice {
            wanted: wanted.min(len),
            to_come: len,
        }
    }

    fn takes_next(&mut self, rng: &mut fastrand::Rng) -> bool {
        let takes = self.to_come > 0 && rng.usize(..self.to_come) < self.wanted;
        self.to_come = self.to_come.saturating_sub(1);
        self.wanted -= usize::from(takes);
        takes
    }
}

/// The members of a set; see [`Set::iter`].
pub struct Iter<'a>(Left<'a>);

enum Left<'a> {
    /// The integers, and the index of the next one.
    Ints(&'a IntSet, usize),
    Flat(flat::Iter<'a>),
    /// The members, and how many are left.
    Table(table::Iter<'a, Member, HashSeed>, usize),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match &mut self.0 {
            Left::Ints(ints, index) => {
                let value = ints.get(*index)?;
                *index += 1;
                Some(Item::Int(value))
            }
            Left::Flat(iter) => iter.next(),
            Left::Table(iter, left) => {
                let member = iter.next()?;
                *left -= 1;
                Some(item_of(member))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Left::Ints(ints, index) => ints.len() - index,
            Left::Flat(iter) => iter.len(),
            Left::Table(_, left) => *left,
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl std::fmt::Debug for Repr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Repr::Ints(ints) => ints.fmt(f),
            Repr::Flat(flat) => flat.fmt(f),
            Repr::Table(table) => f.debug_set().entries(table.iter().map(item_of)).finish(),
        }
    }
}
