//! [`Member`]: an element of a large collection, in one allocation: a member of a set, a field of a hash with its
//! value, a member of a sorted set with its score.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | [`Header`]: reference count, flags, lengths of key and value |
//! | 8 | both lengths as 32-bit numbers, if one does not fit in the header's byte |
//! | 8 | the *word*: the deadline of a hash's field in Unix milliseconds, or the score of a sorted set's member |
//! | n | the key |
//! | n | the value (hashes only) |
//!
//! So a member of 17 bytes takes 21 bytes, with a score 29, and with a value of 11 bytes 32: the allocator's sizes
//! above them are 24, 32 and 32.
//!
//! Members are counted like the entries of the keyspace ([`crate::store::entry`]), and for the same reason: a snapshot
//! shares them, and a sorted set's tree and table share them with each other. A member with one reference is changed in
//! place, another is copied first.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering, fence};

use super::table::{NO_DEADLINE, Node, NodeRef};

/// The lengths are in a field of their own.
const WIDE: u16 = 1;
/// The word is there and is a deadline.
const DEADLINE: u16 = 1 << 1;
/// The word is there and is a score.
const SCORE: u16 = 1 << 2;
const FLAGS: u16 = WIDE | DEADLINE | SCORE;
/// One reference: the count lies above the flags.
const ONE: u16 = 1 << 3;
/// A member that is referred to so often is not counted any more and never freed: copies of one key made by COPY can each
/// refer to it, as many as somebody likes to make.
const MAX_REFS: u16 = u16::MAX / ONE;
/// Everything is laid out for this alignment: words are read unaligned.
const ALIGN: usize = 4;

#[repr(C, align(4))]
struct Header {
    /// Flags, which never change, in the low bits; the number of references above.
    refs: AtomicU16,
    /// The lengths, where they fit ([`WIDE`] says where they do not).
    key_len: u8,
    value_len: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct WideLengths {
    key_len: u32,
    value_len: u32,
}

/// What a member carries beside key and value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    /// Nothing.
    None,
    /// When it expires, in Unix milliseconds; [`NO_DEADLINE`] is the same as nothing.
    Deadline(u64),
    /// What it is ordered by.
    Score(f64),
}

impl Word {
    fn flag(self) -> u16 {
        match self {
            Word::None | Word::Deadline(NO_DEADLINE) => 0,
            Word::Deadline(_) => DEADLINE,
            Word::Score(_) => SCORE,
        }
    }
}

/// A reference to a member.
#[repr(transparent)]
pub struct Member(NonNull<Header>);

// SAFETY: a member owns plain bytes; its count is atomic, and everything else changes only through the one reference
// that is left.
unsafe impl Send for Member {}
// SAFETY: as above.
unsafe impl Sync for Member {}

/// Where the parts of a member lie.
#[derive(Clone, Copy)]
struct Shape {
    flags: u16,
    key_len: usize,
    value_len: usize,
}

impl Shape {
    fn of(key_len: usize, value_len: usize, word: Word) -> Self {
        let is_wide = key_len > usize::from(u8::MAX) || value_len > usize::from(u8::MAX);
        let wide = if is_wide { WIDE } else { 0 };
        Shape {
            flags: word.flag() | wide,
            key_len,
            value_len,
        }
    }

    #[inline]
    fn word_at(self) -> usize {
        let lengths = if self.flags & WIDE != 0 {
            size_of::<WideLengths>()
        } else {
            0
        };
        size_of::<Header>() + lengths
    }

    #[inline]
    fn key_at(self) -> usize {
        self.word_at()
            + if self.flags & (DEADLINE | SCORE) != 0 {
                8
            } else {
                0
            }
    }

    #[inline]
    fn value_at(self) -> usize {
        self.key_at() + self.key_len
    }

    fn layout(self) -> Layout {
        Layout::from_size_align(self.value_at() + self.value_len, ALIGN)
            .expect("a member is smaller than the address space: its parts came as arguments")
    }
}

impl Member {
    /// A new member; `value` is empty where the collection has none.
    pub fn new(key: &[u8], value: &[u8], word: Word) -> Self {
        let shape = Shape::of(key.len(), value.len(), word);
        let layout = shape.layout();
        // SAFETY: the layout is never empty, it holds at least the header.
        let block = unsafe { alloc(layout) };
        let Some(header) = NonNull::new(block.cast::<Header>()) else {
            handle_alloc_error(layout)
        };
        let mut member = Member(header);
        // SAFETY: the block was laid out for exactly these parts, and nobody else knows it yet.
        unsafe {
            header.write(Header {
                refs: AtomicU16::new(ONE | shape.flags),
                key_len: key.len() as u8,
                value_len: value.len() as u8,
            });
            if shape.flags & WIDE != 0 {
                let len = |len: usize| {
                    u32::try_from(len).expect("an argument, and those are below 4 GiB")
                };
                header.add(1).cast::<WideLengths>().write(WideLengths {
                    key_len: len(key.len()),
                    value_len: len(value.len()),
                });
            }
            std::ptr::copy_nonoverlapping(key.as_ptr(), member.at(shape.key_at()), key.len());
            std::ptr::copy_nonoverlapping(value.as_ptr(), member.at(shape.value_at()), value.len());
        }
        member.put_word(word);
        member
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the reference that self holds keeps the block alive.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: offsets come from the member's own shape and lie within its block.
        unsafe { self.0.cast::<u8>().as_ptr().add(offset) }
    }

    #[inline]
    fn shape(&self) -> Shape {
        let header = self.header();
        let flags = header.refs.load(Ordering::Relaxed) & FLAGS;
        let (key_len, value_len) = if flags & WIDE == 0 {
            (usize::from(header.key_len), usize::from(header.value_len))
        } else {
            // SAFETY: the flag says that the lengths lie behind the header, where they were written.
            let wide = unsafe { self.0.add(1).cast::<WideLengths>().read() };
            (wide.key_len as usize, wide.value_len as usize)
        };
        Shape {
            flags,
            key_len,
            value_len,
        }
    }

    #[inline]
    fn raw_word(&self, shape: Shape) -> u64 {
        // SAFETY: the callers have seen the flag that says that the word is there.
        unsafe { self.at(shape.word_at()).cast::<u64>().read_unaligned() }
    }

    /// Writes the word of a member whose shape has room for it. The caller has `&mut` of all references to it.
    #[inline]
    fn put_word(&mut self, word: Word) {
        let bits = match word {
            Word::None | Word::Deadline(NO_DEADLINE) => return,
            Word::Deadline(deadline_ms) => deadline_ms,
            Word::Score(score) => score.to_bits(),
        };
        debug_assert!(self.shape().flags & word.flag() != 0);
        // SAFETY: the callers hold all references to the member mutably, and its shape has room for the word.
        unsafe {
            self.at(self.shape().word_at())
                .cast::<u64>()
                .write_unaligned(bits);
        }
    }

    /// What the table finds it by: a set's or sorted set's member, a hash's field.
    #[inline]
    pub fn key(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: key_len bytes of key were written there when the member was made.
        unsafe { std::slice::from_raw_parts(self.at(shape.key_at()), shape.key_len) }
    }

    /// The value of a hash's field.
    #[inline]
    pub fn value(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: value_len bytes of value were written there when the member was made.
        unsafe { std::slice::from_raw_parts(self.at(shape.value_at()), shape.value_len) }
    }

    /// When a hash's field expires, in Unix milliseconds; [`NO_DEADLINE`] for never.
    #[inline]
    pub fn deadline_ms(&self) -> u64 {
        let shape = self.shape();
        if shape.flags & DEADLINE == 0 {
            return NO_DEADLINE;
        }
        self.raw_word(shape)
    }

    /// The score of a sorted set's member; 0 for what has none.
    #[inline]
    pub fn score(&self) -> f64 {
        let shape = self.shape();
        if shape.flags & SCORE == 0 {
            return 0.0;
        }
        f64::from_bits(self.raw_word(shape))
    }

    /// The word as it was given.
    pub fn word(&self) -> Word {
        let shape = self.shape();
        match shape.flags & (DEADLINE | SCORE) {
            DEADLINE => Word::Deadline(self.raw_word(shape)),
            SCORE => Word::Score(f64::from_bits(self.raw_word(shape))),
            _ => Word::None,
        }
    }

    /// Gives it another word: in place if nobody else refers to it and there is room, else as a copy.
    pub fn set_word(&mut self, word: Word) {
        let had = self.shape().flags & (DEADLINE | SCORE);
        if had == word.flag() && self.is_unique() {
            self.put_word(word);
        } else {
            *self = Member::new(self.key(), self.value(), word);
        }
    }

    /// Gives it another word together with `other`, which is a second reference to it if the collection keeps two: in
    /// place if nobody else refers to it and there is room, else both refer to a copy afterwards.
    pub fn set_word_with(&mut self, other: &mut Member, word: Word) {
        let had = self.shape().flags & (DEADLINE | SCORE);
        let refs = self.header().refs.load(Ordering::Acquire) / ONE;
        if had == word.flag() && refs == 2 && self.is_same(other) {
            self.put_word(word);
        } else {
            self.set_word(word);
            *other = self.clone();
        }
    }

    /// Gives it another value: in place if nobody else refers to it and the length is the same, else as a copy.
    pub fn set_value(&mut self, value: &[u8]) {
        let shape = self.shape();
        if shape.value_len == value.len() && self.is_unique() {
            // SAFETY: unique, and its value is exactly that long; `value` is not part of it, for self is borrowed
            // mutably.
            unsafe {
                let to = self.at(shape.value_at());
                std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len());
            }
        } else {
            *self = Member::new(self.key(), value, self.word());
        }
    }

    /// Whether nobody else refers to the member.
    #[inline]
    pub fn is_unique(&self) -> bool {
        self.header().refs.load(Ordering::Acquire) / ONE == 1
    }

    /// Bytes of its block.
    pub fn block_bytes(&self) -> usize {
        self.shape().layout().size()
    }

    /// The address of its block, which is that of no other member while this reference is held.
    #[inline]
    pub fn address(&self) -> usize {
        self.0.addr().get()
    }

    /// Asks the processor to fetch the block's first line.
    #[inline]
    pub fn prefetch(&self) {
        super::table::prefetch(self.0.cast().as_ptr());
    }

    /// Whether both refer to the same block.
    pub fn is_same(&self, other: &Member) -> bool {
        self.0 == other.0
    }
}

impl<'a> NodeRef<'a, Member> {
    /// [`Member::key`], for as long as the table is borrowed.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        // SAFETY: what is borrowed is the member's block, not the reference to it, and the table keeps the block
        // during 'a.
        unsafe { std::mem::transmute::<&[u8], &'a [u8]>(Member::key(&self)) }
    }

    /// [`Member::value`], for as long as the table is borrowed.
    #[inline]
    pub fn value(self) -> &'a [u8] {
        // SAFETY: as for the key.
        unsafe { std::mem::transmute::<&[u8], &'a [u8]>(Member::value(&self)) }
    }
}

impl Clone for Member {
    #[inline]
    fn clone(&self) -> Self {
        // Where the count has ended, the reference is one that is not counted.
        let _ = self
            .header()
            .refs
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |refs| {
                (refs / ONE < MAX_REFS).then(|| refs + ONE)
            });
        Member(self.0)
    }
}

impl Drop for Member {
    #[inline]
    fn drop(&mut self) {
        let before =
            self.header()
                .refs
                .fetch_update(Ordering::Release, Ordering::Relaxed, |refs| {
                    (refs / ONE < MAX_REFS).then(|| refs - ONE)
                });
        if before.map_or(MAX_REFS, |before| before / ONE) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        let layout = self.shape().layout();
        // SAFETY: this was the last reference, and the block was allocated with the same layout.
        unsafe { dealloc(self.0.as_ptr().cast(), layout) }
    }
}

// SAFETY: Member is transparent over its pointer, which comes from the allocator (user-space addresses are below 2^48);
// a clone has the same address; key and deadline only read the block, and a key never changes.
unsafe impl Node for Member {
    fn into_raw(self) -> NonNull<u8> {
        let raw = self.0.cast();
        std::mem::forget(self);
        raw
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Member(raw.cast())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        Member::key(self)
    }

    #[inline]
    fn deadline_ms(&self) -> u64 {
        Member::deadline_ms(self)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("value", &String::from_utf8_lossy(self.value()))
            .field("word", &self.word())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sizes_are_those_of_the_head() {
        let bytes = |value: &[u8], word| Member::new(&[b'm'; 17], value, word).block_bytes();
        assert_eq!(bytes(b"", Word::None), 21);
        assert_eq!(bytes(b"", Word::Score(1.5)), 29);
        assert_eq!(bytes(&[b'v'; 11], Word::None), 32);
    }

    /// A member that has been shared so often is never freed, so it is kept here, lest it be taken for a leak.
    static SHARED_WITHOUT_END: std::sync::OnceLock<Member> = std::sync::OnceLock::new();

    #[test]
    fn a_member_can_be_shared_without_end() {
        let member = Member::new(b"key", b"value", Word::None);
        SHARED_WITHOUT_END.get_or_init(|| member.clone());
        let mut shared: Vec<_> = (0..20_000).map(|_| member.clone()).collect();
        shared.truncate(10);
        assert!(!member.is_unique());
        shared[0].set_value(b"other");
        drop(member);
        assert_eq!(
            (shared[0].value(), shared[1].value()),
            (&b"other"[..], &b"value"[..])
        );
    }

    fn word() -> impl Strategy<Value = Word> {
        prop_oneof![
            Just(Word::None),
            any::<u64>().prop_map(Word::Deadline),
            any::<i32>().prop_map(|score| Word::Score(score.into())),
        ]
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..20),
            1 => prop::collection::vec(any::<u8>(), 250..300),
        ]
    }

    proptest! {
        #[test]
        fn changes_are_seen_by_their_owner_alone(
            key in text(), first in (text(), word()), later in prop::collection::vec((text(), word(), any::<bool>()), 0..8),
        ) {
            let mut member = Member::new(&key, &first.0, first.1);
            let mut expected = first;
            let mut snapshots = Vec::new();
            for (value, word, snapshot) in later {
                if snapshot {
                    snapshots.push((member.clone(), expected.clone()));
                }
                member.set_value(&value);
                member.set_word(word);
                expected = (value, word);
            }
            snapshots.push((member, expected));
            for (member, (value, word)) in snapshots {
                prop_assert_eq!(member.key(), key.as_slice());
                prop_assert_eq!(member.value(), value.as_slice());
                match word {
                    Word::Deadline(NO_DEADLINE) => prop_assert_eq!(member.word(), Word::None),
                    word => prop_assert_eq!(member.word(), word),
                }
            }
        }
    }
}
