//! An entry of the keyspace: key, deadline, access clock and value in one allocation.
//!
//! Layout, in this order (all offsets are multiples of 8 up to the key):
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`Header`]: reference count, lengths of the key and of an inline value, kind, flags, access clock |
//! | 8 | both lengths as 32-bit numbers, if one does not fit in the header's byte |
//! | 8 | the deadline in Unix milliseconds, if the key has one |
//! | 8 or 16 or 0 | an integer value (8), an [`Object`] (16), nothing for an inline string |
//! | n | the key |
//! | n | an inline string value |
//!
//! So a key of 16 bytes with a value of 8 takes 32 bytes, which is one of the allocator's sizes.
//!
//! Entries are reference-counted because a snapshot shares them with the living data set. Whoever holds
//! the only reference may change an entry in place; [`Entry`]'s mutating methods copy a shared
//! one first, so a snapshot never sees a change. To add a type of value, add it to [`Object`].

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering, fence};

use super::member::Member;
use super::table::{Node, NodeRef, Table};
use super::types::hash::Hash;
use super::types::list::List;
use super::types::set::Set;
use super::types::sorted_set::SortedSet;
use super::types::stream::Stream;

/// The longest string that lies in the entry itself; a longer one is shared by reference.
pub const MAX_INLINE: usize = 1024;
/// The deadline of an entry that never expires.
pub const NEVER: u64 = u64::MAX;

/// A string or list of so many bytes is heavy to drop: pages go back to the system, or a hundred chunks to the allocator.
const HEAVY_BYTES: usize = 1 << 20;
/// A list's size is estimated from so many of its chunks.
const HEAVY_SAMPLES: usize = 4;

/// A value that does not lie in the entry itself.
#[derive(Clone, Debug)]
pub enum Object {
    /// A long string.
    String(Arc<Vec<u8>>),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A hash.
    Hash(Hash),
    /// A sorted set.
    SortedSet(SortedSet),
    /// A stream.
    Stream(Stream),
}

impl Object {
    /// The table of a large set, hash or sorted set.
    #[inline]
    pub fn table(&self) -> Option<&Table<Member>> {
        match self {
            Object::Set(set) => set.table(),
            Object::Hash(hash) => hash.table(),
            Object::SortedSet(set) => set.table(),
            Object::String(_) | Object::List(_) | Object::Stream(_) => None,
        }
    }

    /// Bytes that it takes on the heap, estimated from `samples` of a collection's elements (0 for all).
    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            // The reference count, and the vector's own words.
            Object::String(bytes) => {
                2 * size_of::<usize>() + size_of::<Vec<u8>>() + bytes.capacity()
            }
            Object::List(list) => list.memory_bytes(samples),
            Object::Set(set) => set.memory_bytes(samples),
            Object::Hash(hash) => hash.memory_bytes(samples),
            Object::SortedSet(set) => set.memory_bytes(samples),
            Object::Stream(stream) => stream.memory_bytes(samples),
        }
    }
}

const _: () = assert!(
    size_of::<Object>() == 16,
    "an entry has 16 bytes for an object"
);

/// A value to be stored.
#[derive(Debug)]
pub enum NewValue<'a> {
    /// A string that is stored as an integer where it is the canonical text of one.
    String(&'a [u8]),
    /// A string that is stored as it is, and that OBJECT ENCODING calls raw (the result of APPEND, SETRANGE).
    Raw(&'a [u8]),
    /// A string that is stored as it is.
    Text(&'a [u8]),
    /// An integer.
    Int(i64),
    /// A long string, or a collection.
    Object(Object),
}

impl<'a> NewValue<'a> {
    /// The name of its type, as TYPE answers it.
    pub fn type_name(&self) -> &'static str {
        match self {
            NewValue::Object(object) => super::db::type_name(Value::Object(object)),
            _ => "string",
        }
    }

    /// The string `bytes`, taken over from `shared` where it is long and arrived as a buffer of its own.
    pub fn from_argument(bytes: &'a [u8], shared: Option<&Arc<Vec<u8>>>) -> Self {
        match shared {
            Some(shared) if bytes.len() > MAX_INLINE => {
                NewValue::Object(Object::String(Arc::clone(shared)))
            }
            _ => NewValue::String(bytes),
        }
    }

    /// The stored form: a long string becomes an object, a number an integer.
    fn normalise(self) -> Self {
        match self {
            NewValue::String(bytes) | NewValue::Text(bytes) | NewValue::Raw(bytes)
                if bytes.len() > MAX_INLINE =>
            {
                NewValue::Object(Object::String(Arc::new(bytes.to_vec())))
            }
            NewValue::String(bytes) => match crate::text::number::parse_i64(bytes) {
                Some(value) => NewValue::Int(value),
                None => NewValue::Text(bytes),
            },
            other => other,
        }
    }
}

/// A stored value, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A string that is the canonical text of this integer.
    Int(i64),
    /// A string that lies in the entry.
    Inline(&'a [u8]),
    /// A long string, or a collection.
    Object(&'a Object),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Inline,
    Object,
}

/// The bits of the header's word that hold the kind; the flags and the clock are above them.
const KIND_MASK: u32 = 3;
const HAS_DEADLINE: u32 = 1 << 2;
/// The string was built by a change in place, so OBJECT ENCODING says raw whatever its length.
const RAW: u32 = 1 << 3;
/// The lengths are in a field of their own.
const WIDE: u32 = 1 << 4;
/// Where the 24 bits of the access clock begin.
const CLOCK_SHIFT: u32 = 8;
/// References to one entry: one for each snapshot that still shares it.
const MAX_REFS: u16 = u16::MAX / 2;

#[repr(C, align(8))]
struct Header {
    /// Kind and flags in the low byte, the access clock above. The low byte changes only while nobody else refers to
    /// the entry; the clock at any time, by the holder of the data set's lock.
    word: AtomicU32,
    refs: AtomicU16,
    /// The lengths, where they fit ([`WIDE`] says where they do not).
    key_len: u8,
    inline_len: u8,
}

/// The lengths that do not fit in the header.
#[repr(C)]
#[derive(Clone, Copy)]
struct WideLengths {
    key_len: u32,
    inline_len: u32,
}

/// A reference to an entry.
#[repr(transparent)]
pub struct Entry(NonNull<Header>);

// SAFETY: an entry owns its key and value, which are Send and Sync; the count and the access clock are
// atomic, and everything else changes only through the one reference that is left.
unsafe impl Send for Entry {}
// SAFETY: as above: through a shared reference only the atomics change.
unsafe impl Sync for Entry {}

/// Where the parts of an entry lie.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    kind: Kind,
    deadline: bool,
    key_len: usize,
    inline_len: usize,
}

impl Shape {
    #[inline]
    fn is_wide(self) -> bool {
        self.key_len > usize::from(u8::MAX) || self.inline_len > usize::from(u8::MAX)
    }

    #[inline]
    fn deadline_at(self) -> usize {
        size_of::<Header>()
            + if self.is_wide() {
                size_of::<WideLengths>()
            } else {
                0
            }
    }

    #[inline]
    fn payload_at(self) -> usize {
        self.deadline_at() + if self.deadline { 8 } else { 0 }
    }

    #[inline]
    fn key_at(self) -> usize {
        self.payload_at()
            + match self.kind {
                Kind::Int => 8,
                Kind::Inline => 0,
                Kind::Object => size_of::<Object>(),
            }
    }

    fn layout(self) -> Layout {
        let size = self.key_at() + self.key_len + self.inline_len;
        Layout::from_size_align(size, 8)
            .expect("an entry is smaller than the address space: its key came as one argument")
    }
}

impl Entry {
    /// A new entry; `deadline_ms` is [`NEVER`] for one that does not expire.
    pub fn new(key: &[u8], value: NewValue<'_>, deadline_ms: u64) -> Self {
        let raw = matches!(value, NewValue::Raw(_));
        let value = value.normalise();
        let (kind, inline): (_, &[u8]) = match &value {
            NewValue::Int(_) => (Kind::Int, &[]),
            NewValue::Object(_) => (Kind::Object, &[]),
            NewValue::String(bytes) | NewValue::Raw(bytes) | NewValue::Text(bytes) => {
                (Kind::Inline, bytes)
            }
        };
        let shape = Shape {
            kind,
            deadline: deadline_ms != NEVER,
            key_len: key.len(),
            inline_len: inline.len(),
        };
        let mut entry = Self::allocate(shape, if raw { RAW } else { 0 });
        // SAFETY: the block was laid out for exactly these parts, and nobody else knows it yet.
        unsafe {
            std::ptr::copy_nonoverlapping(key.as_ptr(), entry.at(shape.key_at()), key.len());
            std::ptr::copy_nonoverlapping(
                inline.as_ptr(),
                entry.at(shape.key_at() + key.len()),
                inline.len(),
            );
            match value {
                NewValue::Int(number) => entry.at(shape.payload_at()).cast::<i64>().write(number),
                NewValue::Object(object) => {
                    entry.at(shape.payload_at()).cast::<Object>().write(object)
                }
                _ => {}
            }
        }
        if shape.deadline {
            entry.write_deadline(deadline_ms);
        }
        entry
    }

    /// A block with its header; key, deadline and value are still to be written.
    fn allocate(shape: Shape, flags: u32) -> Self {
        let layout = shape.layout();
        // SAFETY: the layout is never empty, it holds at least the header.
        let block = unsafe { alloc(layout) };
        let Some(header) = NonNull::new(block.cast::<Header>()) else {
            handle_alloc_error(layout)
        };
        let len = |len: usize| {
            u32::try_from(len).expect("a key is an argument, and those are below 4 GiB")
        };
        let mut word = shape.kind as u32 | flags;
        if shape.deadline {
            word |= HAS_DEADLINE;
        }
        if shape.is_wide() {
            word |= WIDE;
        }
        // SAFETY: the block is at least a header long and aligned to 8; a wide shape has the lengths behind it.
        unsafe {
            header.write(Header {
                word: AtomicU32::new(word),
                refs: AtomicU16::new(1),
                key_len: shape.key_len as u8,
                inline_len: shape.inline_len as u8,
            });
            if shape.is_wide() {
                let lengths = WideLengths {
                    key_len: len(shape.key_len),
                    inline_len: len(shape.inline_len),
                };
                header.add(1).cast::<WideLengths>().write(lengths);
            }
        }
        Entry(header)
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the reference that self holds keeps the block alive.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: offsets come from the entry's own shape and lie within its block.
        unsafe { self.0.cast::<u8>().as_ptr().add(offset) }
    }

    /// Kind and flags; the clock above them.
    #[inline]
    fn word(&self) -> u32 {
        self.header().word.load(Ordering::Relaxed)
    }

    #[inline]
    fn shape(&self) -> Shape {
        let (header, word) = (self.header(), self.word());
        let (key_len, inline_len) = if word & WIDE == 0 {
            (usize::from(header.key_len), usize::from(header.inline_len))
        } else {
            // SAFETY: the flag says that the lengths lie behind the header, where they were written.
            let wide = unsafe { self.0.add(1).cast::<WideLengths>().read() };
            (wide.key_len as usize, wide.inline_len as usize)
        };
        let kind = match word & KIND_MASK {
            0 => Kind::Int,
            1 => Kind::Inline,
            _ => Kind::Object,
        };
        Shape {
            kind,
            deadline: word & HAS_DEADLINE != 0,
            key_len,
            inline_len,
        }
    }

    /// Sets or clears flags of a unique entry.
    #[inline]
    fn set_flags(&mut self, flags: u32, on: bool) {
        debug_assert!(self.is_unique());
        let word = self.word();
        let word = if on { word | flags } else { word & !flags };
        self.header().word.store(word, Ordering::Relaxed);
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: key_len bytes of key were written there when the entry was made.
        unsafe { std::slice::from_raw_parts(self.at(shape.key_at()), shape.key_len) }
    }

    /// The deadline in Unix milliseconds, [`NEVER`] without one.
    #[inline]
    pub fn deadline_ms(&self) -> u64 {
        if self.word() & HAS_DEADLINE == 0 {
            return NEVER;
        }
        // SAFETY: the flag says that the deadline lies behind the header, where it was written.
        unsafe { self.at(self.shape().deadline_at()).cast::<u64>().read() }
    }

    fn write_deadline(&mut self, deadline_ms: u64) {
        debug_assert!(self.shape().deadline);
        // SAFETY: the entry is unique and its shape has room for the deadline behind the header.
        unsafe {
            self.at(self.shape().deadline_at())
                .cast::<u64>()
                .write(deadline_ms)
        }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> Value<'_> {
        let shape = self.shape();
        // SAFETY: the kind says what was written as the payload, and it lives as long as the entry.
        unsafe {
            match shape.kind {
                Kind::Int => Value::Int(self.at(shape.payload_at()).cast::<i64>().read()),
                Kind::Object => Value::Object(&*self.at(shape.payload_at()).cast::<Object>()),
                Kind::Inline => Value::Inline(std::slice::from_raw_parts(
                    self.at(shape.key_at() + shape.key_len),
                    shape.inline_len,
                )),
            }
        }
    }

    /// Whether the string was last built by a change in place (APPEND, SETRANGE).
    pub fn is_raw(&self) -> bool {
        self.word() & RAW != 0
    }

    /// The access clock: what LRU and LFU remember of the last use, 24 bits.
    #[inline]
    pub fn access(&self) -> u32 {
        self.word() >> CLOCK_SHIFT
    }

    /// Sets the access clock. In place even where the entry is shared: a snapshot does not mind. Called by the holder of
    /// the data set's lock alone, so that a load and a store are enough.
    #[inline]
    pub fn set_access(&self, clock: u32) {
        let word = self.word();
        let changed = (word & ((1 << CLOCK_SHIFT) - 1)) | (clock << CLOCK_SHIFT);
        // A store would dirty the cache line; most reads come within the same tick.
        if word != changed {
            self.header().word.store(changed, Ordering::Relaxed);
        }
    }

    /// Where the entry lies, to fetch it ahead.
    #[inline]
    pub(in crate::store) fn address(&self) -> *const u8 {
        self.0.as_ptr().cast::<u8>().cast_const()
    }

    /// Whether nobody else refers to this entry, so that it may be changed in place.
    #[inline]
    pub fn is_unique(&self) -> bool {
        self.header().refs.load(Ordering::Acquire) == 1
    }

    /// Whether this is `other` itself, and nothing has changed since one was cloned from the other.
    #[inline]
    pub fn is_same(&self, other: &Entry) -> bool {
        self.0 == other.0
    }

    /// Bytes of the entry's own block, without what an object refers to.
    pub fn block_bytes(&self) -> usize {
        self.shape().layout().size()
    }

    /// Replaces value and deadline; in place where the sizes agree, else by a new block.
    #[inline]
    pub fn replace(&mut self, value: NewValue<'_>, deadline_ms: u64) {
        let deadline = deadline_ms != NEVER;
        if let NewValue::String(bytes) = value
            && self.is_unique()
            && self.shape().deadline == deadline
            && self.overwrite_string(bytes)
        {
            if deadline {
                self.write_deadline(deadline_ms);
            }
            return;
        }
        self.rebuild(value, deadline_ms);
    }

    /// Overwrites a string by another that needs the same room; false if it cannot.
    fn overwrite_string(&mut self, bytes: &[u8]) -> bool {
        let shape = self.shape();
        match (shape.kind, crate::text::number::parse_i64(bytes)) {
            (Kind::Int, Some(number)) => self.write_int(number),
            (Kind::Inline, None) if shape.inline_len == bytes.len() => {
                self.set_flags(RAW, false);
                // SAFETY: unique, and the inline value is exactly that long.
                unsafe {
                    let to = self.at(shape.key_at() + shape.key_len);
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
                }
            }
            _ => return false,
        }
        true
    }

    fn write_int(&mut self, number: i64) {
        let at = self.shape().payload_at();
        // SAFETY: unique, and the payload of this kind is an i64.
        unsafe { self.at(at).cast::<i64>().write(number) }
    }

    #[cold]
    fn rebuild(&mut self, value: NewValue<'_>, deadline_ms: u64) {
        let rebuilt = Entry::new(self.key(), value, deadline_ms);
        rebuilt.set_access(self.access());
        *self = rebuilt;
    }

    /// Sets an integer value, keeping the deadline; without allocation where there was an integer.
    #[inline]
    pub fn set_int(&mut self, number: i64) {
        if self.shape().kind == Kind::Int && self.is_unique() {
            self.write_int(number);
        } else {
            self.rebuild(NewValue::Int(number), self.deadline_ms());
        }
    }

    /// Sets or, with [`NEVER`], removes the deadline.
    pub fn set_deadline(&mut self, deadline_ms: u64) {
        let has = self.shape().deadline;
        if has == (deadline_ms != NEVER) {
            if has {
                self.make_unique();
                self.write_deadline(deadline_ms);
            }
            return;
        }
        let raw = self.is_raw();
        let value = match self.take_or_clone_object() {
            Some(object) => NewValue::Object(object),
            None => match self.value() {
                Value::Int(number) => NewValue::Int(number),
                Value::Inline(bytes) if raw => NewValue::Raw(bytes),
                Value::Inline(bytes) => NewValue::Text(bytes),
                Value::Object(_) => unreachable!("an object was taken above"),
            },
        };
        let rebuilt = Entry::new(self.key(), value, deadline_ms);
        rebuilt.set_access(self.access());
        *self = rebuilt;
    }

    /// The object, to be changed in place; `None` for a short string or an integer.
    ///
    /// A shared entry is copied first, so its object is never seen changing by a snapshot.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        if self.shape().kind != Kind::Object {
            return None;
        }
        self.make_unique();
        let at = self.shape().payload_at();
        // SAFETY: unique, and the kind says that an object lies there.
        Some(unsafe { &mut *self.at(at).cast::<Object>() })
    }

    /// The bytes of an inline string, to be changed in place; `None` for anything else.
    pub fn inline_mut(&mut self) -> Option<&mut [u8]> {
        if self.shape().kind != Kind::Inline {
            return None;
        }
        self.make_unique();
        self.set_flags(RAW, true);
        let shape = self.shape();
        // SAFETY: unique, and the inline value is that long.
        Some(unsafe {
            std::slice::from_raw_parts_mut(
                self.at(shape.key_at() + shape.key_len),
                shape.inline_len,
            )
        })
    }

    /// Bytes of the entry with all that it refers to. A collection is estimated from `samples` of its parts (0: all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        let object = match self.value() {
            Value::Int(_) | Value::Inline(_) => 0,
            Value::Object(object) => object.memory_bytes(samples),
        };
        self.block_bytes() + object
    }

    /// A copy of this entry under another key.
    pub fn with_key(&self, key: &[u8]) -> Entry {
        self.copy_as(key, self.deadline_ms())
    }

    /// Whether dropping this entry takes so long (some 50 microseconds and more) that it is better not done while
    /// others wait.
    pub fn is_heavy(&self) -> bool {
        match self.value() {
            Value::Int(_) | Value::Inline(_) => false,
            Value::Object(object) => object.memory_bytes(HEAVY_SAMPLES) >= HEAVY_BYTES,
        }
    }

    fn copy_as(&self, key: &[u8], deadline_ms: u64) -> Entry {
        let value = match self.value() {
            Value::Int(number) => NewValue::Int(number),
            Value::Inline(bytes) if self.is_raw() => NewValue::Raw(bytes),
            Value::Inline(bytes) => NewValue::Text(bytes),
            Value::Object(object) => NewValue::Object(object.clone()),
        };
        let copy = Entry::new(key, value, deadline_ms);
        copy.set_access(self.access());
        copy
    }

    #[inline]
    fn make_unique(&mut self) {
        if !self.is_unique() {
            self.become_copy();
        }
    }

    #[cold]
    fn become_copy(&mut self) {
        *self = self.copy_as(self.key(), self.deadline_ms());
    }

    /// The object, moved out of a unique entry (an empty list stays in its place) or cloned.
    fn take_or_clone_object(&mut self) -> Option<Object> {
        let unique = self.is_unique();
        let object = match self.value() {
            Value::Object(object) if !unique => return Some(object.clone()),
            Value::Object(_) => self.object_mut()?,
            _ => return None,
        };
        Some(std::mem::replace(object, Object::List(List::default())))
    }
}

impl<'a> NodeRef<'a, Entry> {
    /// The value, for as long as the table is borrowed.
    #[inline]
    pub fn value(self) -> Value<'a> {
        // SAFETY: what a value borrows is the entry's block, not the reference to it, and the table keeps the
        // block during 'a.
        unsafe { std::mem::transmute::<Value<'_>, Value<'a>>(Entry::value(&self)) }
    }

    /// The key, for as long as the table is borrowed.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        // SAFETY: as for the value.
        unsafe { std::mem::transmute::<&[u8], &'a [u8]>(Entry::key(&self)) }
    }
}

impl Clone for Entry {
    fn clone(&self) -> Self {
        let before = self.header().refs.fetch_add(1, Ordering::Relaxed);
        assert!(
            before < MAX_REFS,
            "an entry is referred to once a snapshot, and those are few"
        );
        Entry(self.0)
    }
}

impl Drop for Entry {
    #[inline]
    fn drop(&mut self) {
        if self.header().refs.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        let shape = self.shape();
        // SAFETY: this was the last reference; the object, if any, is dropped once, then the block that
        // was allocated with the same layout.
        unsafe {
            if shape.kind == Kind::Object {
                std::ptr::drop_in_place(self.at(shape.payload_at()).cast::<Object>());
            }
            dealloc(self.0.as_ptr().cast(), shape.layout());
        }
    }
}

// SAFETY: Entry is transparent over its pointer, which comes from the allocator (user-space addresses are below 2^48);
// a clone has the same address; key and deadline only read the block, and a key never changes.
unsafe impl Node for Entry {
    fn into_raw(self) -> NonNull<u8> {
        let raw = self.0.cast();
        std::mem::forget(self);
        raw
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Entry(raw.cast())
    }

    fn key(&self) -> &[u8] {
        Entry::key(self)
    }

    fn deadline_ms(&self) -> u64 {
        Entry::deadline_ms(self)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("value", &self.value())
            .field("deadline_ms", &self.deadline_ms())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::tree::End;
    use crate::store::types::list::Fill;

    /// The text of a string value.
    fn text(entry: &Entry) -> Vec<u8> {
        match entry.value() {
            Value::Int(number) => number.to_string().into_bytes(),
            Value::Inline(bytes) => bytes.to_vec(),
            Value::Object(Object::String(bytes)) => bytes.to_vec(),
            Value::Object(other) => panic!("{other:?} is no string"),
        }
    }

    fn list_of(values: &[&str]) -> Object {
        let mut list = List::new();
        for value in values {
            list.push(End::Back, value.as_bytes(), Fill::default());
        }
        Object::List(list)
    }

    #[test]
    fn strings_take_the_form_that_fits_them() {
        let long = vec![b'x'; MAX_INLINE + 1];
        let cases: [(&[u8], fn(Value<'_>) -> bool); 5] = [
            (b"12345", |value| matches!(value, Value::Int(12345))),
            (b"-1", |value| matches!(value, Value::Int(-1))),
            (b"007", |value| matches!(value, Value::Inline(b"007"))),
            (b"", |value| matches!(value, Value::Inline(b""))),
            (&long, |value| {
                matches!(value, Value::Object(Object::String(_)))
            }),
        ];
        for (bytes, fits) in cases {
            let entry = Entry::new(b"key", NewValue::String(bytes), NEVER);
            assert!(fits(entry.value()), "{:?}", entry.value());
            assert_eq!(
                (text(&entry).as_slice(), entry.key()),
                (bytes, b"key".as_slice())
            );
        }
    }

    #[test]
    fn a_snapshot_of_an_entry_does_not_see_later_changes() {
        let mut entry = Entry::new(b"list", NewValue::Object(list_of(&["a"])), 5000);
        let snapshot = entry.clone();
        assert!(!entry.is_unique());
        if let Some(Object::List(list)) = entry.object_mut() {
            list.push(End::Back, b"b".as_slice(), Fill::default());
        }
        entry.set_deadline(NEVER);
        let len = |entry: &Entry| match entry.value() {
            Value::Object(Object::List(list)) => list.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!((len(&entry), entry.deadline_ms()), (2, NEVER));
        assert_eq!((len(&snapshot), snapshot.deadline_ms()), (1, 5000));
    }

    #[test]
    fn an_overwrite_of_the_same_size_stays_in_place() {
        let mut entry = Entry::new(b"k", NewValue::String(b"abc"), 77);
        let before = entry.0;
        entry.replace(NewValue::String(b"xyz"), 78);
        assert_eq!(
            (entry.0, text(&entry), entry.deadline_ms()),
            (before, b"xyz".to_vec(), 78)
        );
        entry.replace(NewValue::String(b"longer"), 78);
        assert_eq!(text(&entry), b"longer");
        let mut number = Entry::new(b"n", NewValue::Int(1), NEVER);
        let before = number.0;
        number.set_int(i64::MIN);
        assert_eq!(
            (number.0, text(&number)),
            (before, i64::MIN.to_string().into_bytes())
        );
    }

    #[test]
    fn a_change_in_place_is_remembered_as_raw_until_the_next_set() {
        let mut entry = Entry::new(b"k", NewValue::Raw(b"abc"), NEVER);
        assert!(entry.is_raw());
        entry.set_deadline(5);
        assert!(entry.is_raw() && entry.with_key(b"other").is_raw());
        entry.replace(NewValue::String(b"abd"), 5);
        assert!(!entry.is_raw());
        assert_eq!(entry.inline_mut().map(|bytes| bytes.len()), Some(3));
        assert!(entry.is_raw());
    }

    /// One change to an entry.
    #[derive(Clone, Debug)]
    enum Change {
        Replace(Vec<u8>, u64),
        SetInt(i64),
        SetDeadline(u64),
        Snapshot,
    }

    fn deadline() -> impl Strategy<Value = u64> {
        prop_oneof![Just(NEVER), 0..10_000u64]
    }

    fn change() -> impl Strategy<Value = Change> {
        let bytes = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            any::<i64>().prop_map(|number| number.to_string().into_bytes()),
            Just(vec![b'l'; MAX_INLINE + 7]),
        ];
        prop_oneof![
            (bytes, deadline()).prop_map(|(bytes, at)| Change::Replace(bytes, at)),
            any::<i64>().prop_map(Change::SetInt),
            deadline().prop_map(Change::SetDeadline),
            Just(Change::Snapshot),
        ]
    }

    proptest! {
        #[test]
        fn an_entry_behaves_as_a_key_a_text_and_a_deadline(
            key in proptest::collection::vec(any::<u8>(), 0..30),
            changes in proptest::collection::vec(change(), 0..30),
        ) {
            let mut entry = Entry::new(&key, NewValue::String(b"start"), NEVER);
            let mut model = (b"start".to_vec(), NEVER);
            let mut snapshots = Vec::new();
            for change in changes {
                match change {
                    Change::Replace(bytes, at) => {
                        entry.replace(NewValue::String(&bytes), at);
                        model = (bytes, at);
                    }
                    Change::SetInt(number) => {
                        entry.set_int(number);
                        model.0 = number.to_string().into_bytes();
                    }
                    Change::SetDeadline(at) => {
                        entry.set_deadline(at);
                        model.1 = at;
                    }
                    Change::Snapshot => snapshots.push((entry.clone(), model.clone())),
                }
                prop_assert_eq!((text(&entry), entry.deadline_ms()), model.clone());
                prop_assert_eq!(entry.key(), key.as_slice());
            }
            for (entry, model) in snapshots {
                prop_assert_eq!((text(&entry), entry.deadline_ms()), model);
            }
        }
    }
}
