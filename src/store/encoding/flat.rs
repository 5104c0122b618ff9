//! [`Flat`]: byte strings and integers one after the other in one growable buffer.
//!
//! Every small collection is one `Flat`, and so is each chunk of a long list. An element costs its text and two
//! bytes, a small integer two bytes in all; there is no pointer and no allocation for an element.
//!
//! # Layout
//! The buffer is `gap | entries | spare`. The gap in front and the spare capacity behind let both ends grow and
//! shrink without moving the rest. Each entry is `head body back`, and is byte for byte the entry of Redis's
//! listpack (its format is described in the listpack specification of the Redis project), so that a dump file's
//! listpack is its six-byte header, these entries, and one byte 0xff:
//!
//! | head (first byte in bits) | head bytes | meaning |
//! |---|---|---|
//! | `0vvvvvvv` | 1 | integer 0..=127 |
//! | `10llllll` | 1 | string of up to 63 bytes |
//! | `110vvvvv vvvvvvvv` | 2 | integer of 13 bits, two's complement, high bits first |
//! | `1110llll llllllll` | 2 | string of up to 4095 bytes, high bits first |
//! | `0xf0`, 4 bytes | 5 | string, length little-endian |
//! | `0xf1`, `0xf2`, `0xf3`, `0xf4` | 3, 4, 5, 9 | integer of 16, 24, 32, 64 bits, little-endian |
//!
//! `body` is the string's bytes, nothing for an integer. `back` is the size of head and body in groups of seven
//! bits, the most significant group first, every byte but the first with its high bit set: read from its end it
//! leads to the entry's start, which is what makes the sequence readable backwards.
//!
//! # Life cycle
//! Made empty (no allocation), filled, cloned without its slack, shrunk by [`Flat::shrink_to_fit`] when its owner
//! knows that it is complete. It shrinks by itself when removals leave less than a quarter in use.
//!
//! Within this module the entries are always well formed. Bytes from outside come in by [`Flat::from_entries`]
//! alone, which checks all of them. To add a kind of entry, extend `shape`, [`Encoded::new`] and `Item` decoding.
mod search;

use std::fmt;
use std::ops::Range;

use crate::text::number::parse_i64;
pub use search::Needle;
pub(in crate::store) use search::{Hit, search};

/// The longest byte string that an element may have. Longer ones are kept outside of flat buffers by their owners
/// (who do so from some kilobytes on); the layout's length field is 32 bits wide.
pub const MAX_ELEMENT_BYTES: usize = (u32::MAX - 64) as usize;

/// Below this capacity a buffer that has become empty or sparse is kept as it is.
const KEEP_BYTES: usize = 128;
/// The front gap never becomes larger than this, so that it fits its field with room for one more element.
const MAX_GAP_BYTES: usize = 1 << 30;

/// A sequence of byte strings and integers in one buffer. See the module's head.
#[derive(Default)]
pub struct Flat {
    /// `gap | entries`; the capacity behind is the spare room.
    buf: Vec<u8>,
    /// Bytes of the gap in front of the first entry.
    start: u32,
    /// Number of elements.
    count: u32,
}

/// One element, borrowed from its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item<'a> {
    /// A byte string that is not a canonical integer.
    Bytes(&'a [u8]),
    /// An integer; its text is the decimal form.
    Int(i64),
}

impl<'a> Item<'a> {
    /// The element's text; integers are printed into `scratch`.
    pub fn text<'s>(&self, scratch: &'s mut itoa::Buffer) -> &'s [u8]
    where
        'a: 's,
    {
        match self {
            Item::Bytes(bytes) => bytes,
            Item::Int(value) => scratch.format(*value).as_bytes(),
        }
    }

    /// Length of the text in bytes.
    #[allow(
        clippy::len_without_is_empty,
        reason = "the length of a text, not of a container"
    )]
    pub fn len(&self) -> usize {
        match self {
            Item::Bytes(bytes) => bytes.len(),
            Item::Int(value) => {
                let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
                digits + usize::from(*value < 0)
            }
        }
    }

    /// Appends the text to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text(&mut itoa::Buffer::new()));
    }

    /// The text as a vector of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }

    /// Whether the text is `bytes`.
    pub fn eq_bytes(&self, bytes: &[u8]) -> bool {
        match self {
            Item::Bytes(own) => *own == bytes,
            Item::Int(value) => parse_i64(bytes) == Some(*value),
        }
    }
}

/// An element in its stored form, ready to be written; its size is known before a place is chosen for it.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    head: [u8; 9],
    head_len: u8,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Encodes a byte string, as an integer if it is the canonical text of one.
    ///
    /// # Panics
    /// If `bytes` is longer than [`MAX_ELEMENT_BYTES`], which owners of flat buffers rule out long before.
    #[inline(always)]
    pub fn new(bytes: &'a [u8]) -> Encoded<'a> {
        match parse_i64(bytes) {
            Some(value) => Encoded::int(value),
            None => Encoded::string(bytes),
        }
    }

    /// Encodes an integer.
    pub fn int(value: i64) -> Encoded<'static> {
        let le = value.to_le_bytes();
        let mut head = [0; 9];
        let head_len = match value {
            0..=127 => {
                head[0] = le[0];
                1
            }
            -4096..=4095 => {
                head[0] = 0xc0 | (le[1] & 0x1f);
                head[1] = le[0];
                2
            }
            _ => {
                let (mark, width) = match value {
                    -0x8000..=0x7fff => (0xf1, 2),
                    -0x80_0000..=0x7f_ffff => (0xf2, 3),
                    -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
                    _ => (0xf4, 8),
                };
                head[0] = mark;
                head[1..=width].copy_from_slice(&le[..width]);
                width as u8 + 1
            }
        };
        Encoded {
            head,
            head_len,
            body: &[],
        }
    }

    #[inline(always)]
    fn string(body: &'a [u8]) -> Encoded<'a> {
        assert!(
            body.len() <= MAX_ELEMENT_BYTES,
            "an element this long is never put into a flat buffer"
        );
        let len = body.len() as u32;
        let le = len.to_le_bytes();
        let mut head = [0; 9];
        let head_len = match len {
            0..=63 => {
                head[0] = 0x80 | le[0];
                1
            }
            64..=4095 => {
                head[0] = 0xe0 | le[1];
                head[1] = le[0];
                2
            }
            _ => {
                head[0] = 0xf0;
                head[1..5].copy_from_slice(&le);
                5
            }
        };
        Encoded {
            head,
            head_len,
            body,
        }
    }

    /// Bytes that the element takes in a buffer, its back length included.
    #[inline]
    pub fn size(&self) -> usize {
        let inner = usize::from(self.head_len) + self.body.len();
        inner + back_len(inner)
    }

    /// Appends the element to `out`, which should have room for it.
    #[inline]
    fn append_to(&self, out: &mut Vec<u8>) {
        let head_len = usize::from(self.head_len);
        let inner = head_len + self.body.len();
        if head_len == 1 {
            out.push(self.head[0]);
        } else {
            out.extend_from_slice(&self.head[..head_len]);
        }
        out.extend_from_slice(self.body);
        if inner <= 127 {
            out.push(inner as u8);
        } else {
            let mut back = [0; 5];
            let back = &mut back[..back_len(inner)];
            write_back(inner, back);
            out.extend_from_slice(back);
        }
    }

    /// Fills `room`, which is exactly [`size`](Self::size) bytes long.
    #[inline(always)]
    pub(in crate::store) fn write(&self, room: &mut [u8]) {
        let head_len = usize::from(self.head_len);
        let inner = head_len + self.body.len();
        if head_len == 1 {
            room[0] = self.head[0];
        } else {
            room[..head_len].copy_from_slice(&self.head[..head_len]);
        }
        room[head_len..inner].copy_from_slice(self.body);
        if inner <= 127 {
            room[inner] = inner as u8;
        } else {
            write_back(inner, &mut room[inner..]);
        }
    }
}

/// Number of bytes of the back length of an entry whose head and body take `inner` bytes. The odd limits are the
/// listpack's own: it leaves the last value of each width to the next one.
#[inline]
fn back_len(inner: usize) -> usize {
    match inner {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

fn write_back(inner: usize, room: &mut [u8]) {
    let last = room.len() - 1;
    for (i, byte) in room.iter_mut().enumerate() {
        let group = (inner >> (7 * (last - i))) as u8 & 0x7f;
        *byte = if i == 0 { group } else { group | 0x80 };
    }
}

/// Reads the back length that ends `bytes`: (size of head and body, bytes of the back length itself).
#[inline]
fn read_back(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut inner = 0;
    for (i, &byte) in bytes.iter().rev().take(5).enumerate() {
        inner |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((inner, i + 1));
        }
    }
    None
}

/// Bytes of head and of body of the entry that starts `bytes`; nothing if it is cut off or no entry at all.
#[inline]
fn shape(bytes: &[u8]) -> Option<(usize, usize)> {
    Some(match *bytes.first()? {
        0x00..=0x7f => (1, 0),
        first @ 0x80..=0xbf => (1, usize::from(first & 0x3f)),
        0xc0..=0xdf => (2, 0),
        first @ 0xe0..=0xef => (
            2,
            usize::from(first & 0x0f) << 8 | usize::from(*bytes.get(1)?),
        ),
        0xf0 => (
            5,
            u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?) as usize,
        ),
        0xf1 => (3, 0),
        0xf2 => (4, 0),
        0xf3 => (5, 0),
        0xf4 => (9, 0),
        _ => return None,
    })
}

/// Size of the whole entry that starts `bytes`. Entries inside a [`Flat`] are well formed; should one not be, the
/// rest counts as one entry, so that no reader can run past the end or stand still.
#[inline]
fn entry_size(bytes: &[u8]) -> usize {
    let size = match bytes.first() {
        // The two kinds that nearly all entries are, whose head and back length take a byte each.
        Some(0x00..=0x7f) => 2,
        Some(&first @ 0x80..=0xbf) => usize::from(first & 0x3f) + 2,
        _ => match shape(bytes) {
            Some((head, body)) => head + body + back_len(head + body),
            None => bytes.len(),
        },
    };
    size.min(bytes.len())
}

/// The element that starts `bytes`.
#[inline]
fn decode(bytes: &[u8]) -> Item<'_> {
    match bytes {
        [first @ 0x80..=0xbf, rest @ ..] => {
            Item::Bytes(rest.get(..usize::from(first & 0x3f)).unwrap_or_default())
        }
        [small @ 0x00..=0x7f, ..] => Item::Int(i64::from(*small)),
        _ => decode_long(bytes),
    }
}

/// The element that starts `bytes`, and the size of its whole entry: in one look, for readers of many elements.
#[inline]
fn decode_sized(bytes: &[u8]) -> (Item<'_>, usize) {
    if let [first @ 0xe0..=0xef, low, rest @ ..] = bytes {
        let len = usize::from(first & 0x0f) << 8 | usize::from(*low);
        let size = 2 + len + back_len(2 + len);
        let body = rest.get(..len).unwrap_or_default();
        return (Item::Bytes(body), size.min(bytes.len()));
    }
    (decode(bytes), entry_size(bytes))
}

/// The element that starts `bytes` if its head is longer than one byte.
fn decode_long(bytes: &[u8]) -> Item<'_> {
    let Some((head, body)) = shape(bytes) else {
        return Item::Bytes(&[]);
    };
    match bytes[0] {
        0xe0..=0xf0 => Item::Bytes(bytes.get(head..head + body).unwrap_or_default()),
        high @ 0xc0..=0xdf => {
            let raw = i64::from(high & 0x1f) << 8 | bytes.get(1).map_or(0, |&low| i64::from(low));
            Item::Int(raw << 51 >> 51)
        }
        _ => {
            let mut le = [0; 8];
            let width = head - 1;
            le[..width].copy_from_slice(bytes.get(1..head).unwrap_or(&[0; 8][..width]));
            let unused_bits = 64 - 8 * width as u32;
            Item::Int(i64::from_le_bytes(le) << unused_bits >> unused_bits)
        }
    }
}

/// How many bytes to add to a buffer of `used` bytes that lacks room for `need` more: half again while it is small,
/// a quarter from then on, so that the slack of large buffers stays below 20 % of their capacity.
fn growth(used: usize, need: usize) -> usize {
    let step = if used < 512 { used / 2 } else { used / 4 };
    need.max(step.min(MAX_GAP_BYTES))
}

impl Flat {
    /// An empty sequence, which owns no memory.
    pub const fn new() -> Flat {
        Flat {
            buf: Vec::new(),
            start: 0,
            count: 0,
        }
    }

    /// An empty sequence with room for `bytes` of entries, all of it behind.
    pub fn with_room_behind(bytes: usize) -> Flat {
        Flat {
            buf: Vec::with_capacity(bytes),
            start: 0,
            count: 0,
        }
    }

    /// An empty sequence with room for `bytes` of entries (a gigabyte at most), all of it in front.
    pub fn with_room_in_front(bytes: usize) -> Flat {
        let bytes = bytes.min(MAX_GAP_BYTES);
        Flat {
            buf: vec![0; bytes],
            start: bytes as u32,
            count: 0,
        }
    }

    /// Takes over entries that were written elsewhere, such as those of a dump file's listpack without its header
    /// and its final byte. Nothing is returned unless every byte of them is well formed.
    pub fn from_entries(entries: Vec<u8>) -> Option<Flat> {
        let mut count: u32 = 0;
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let (head, body) = shape(rest)?;
            let inner = head.checked_add(body)?;
            let size = inner.checked_add(back_len(inner))?;
            let entry = rest.get(..size)?;
            if read_back(entry) != Some((inner, size - inner)) {
                return None;
            }
            rest = &rest[size..];
            count = count.checked_add(1)?;
        }
        Some(Flat {
            buf: entries,
            start: 0,
            count,
        })
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the entries take, without any slack.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.buf.len() - self.start as usize
    }

    /// The entries as they are stored: the inside of a listpack.
    pub fn entries(&self) -> &[u8] {
        &self.buf[self.start as usize..]
    }

    /// Bytes of the one allocation behind this value.
    pub fn heap_bytes(&self) -> usize {
        self.buf.capacity()
    }

    /// Returns all slack, in front and behind, to the allocator.
    pub fn shrink_to_fit(&mut self) {
        if self.buf.capacity() > self.bytes() {
            self.rebuild(0);
        }
    }

    /// Moves the entries to a buffer of their size and `spare` bytes.
    fn rebuild(&mut self, spare: usize) {
        let mut buf = Vec::with_capacity(self.bytes() + spare);
        buf.extend_from_slice(self.entries());
        self.buf = buf;
        self.start = 0;
    }

    /// Byte position (from the first entry) of the element at `index`, counted from the nearer end; the position
    /// behind the last element for `index == len()`.
    fn offset_of(&self, index: usize) -> usize {
        let entries = self.entries();
        let len = self.len();
        if index <= len / 2 {
            let mut at = 0;
            for _ in 0..index {
                at += entry_size(&entries[at..]);
            }
            return at;
        }
        let mut at = entries.len();
        for _ in index..len {
            at = previous(entries, at);
        }
        at
    }

    /// The element at `index`; nothing if there are not so many.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        match index {
            0 => return self.first(),
            _ if index + 1 == self.len() => return self.last(),
            _ if index >= self.len() => return None,
            _ => {}
        }
        Some(decode(&self.entries()[self.offset_of(index)..]))
    }

    /// The first element.
    #[inline]
    pub fn first(&self) -> Option<Item<'_>> {
        (self.count > 0).then(|| decode(self.entries()))
    }

    /// The last element.
    #[inline]
    pub fn last(&self) -> Option<Item<'_>> {
        let entries = self.entries();
        (self.count > 0).then(|| decode(&entries[previous(entries, entries.len())..]))
    }

    /// Adds an element behind the last.
    #[inline]
    pub fn push_back(&mut self, element: &Encoded<'_>) {
        self.count += 1;
        self.reserve_behind(element.size());
        element.append_to(&mut self.buf);
    }

    /// Adds an element in front of the first.
    #[inline(always)]
    pub fn push_front(&mut self, element: &Encoded<'_>) {
        let size = element.size();
        self.count += 1;
        self.reserve_in_front(size);
        let end = self.start as usize;
        self.start -= size as u32;
        element.write(&mut self.buf[end - size..end]);
    }

    /// Puts an element in front of the one at `index`, or behind all for an index of `len()` or more.
    pub fn insert(&mut self, index: usize, element: &Encoded<'_>) {
        if index >= self.len() {
            return self.push_back(element);
        }
        let at = self.offset_of(index);
        self.count += 1;
        element.write(self.open(at, element.size()));
    }

    /// Removes the first element; false if there is none.
    pub fn pop_front(&mut self) -> bool {
        if self.count == 0 {
            return false;
        }
        self.count -= 1;
        self.close(0, entry_size(self.entries()));
        true
    }

    /// Removes the last element; false if there is none.
    pub fn pop_back(&mut self) -> bool {
        if self.count == 0 {
            return false;
        }
        self.count -= 1;
        let end = self.bytes();
        let at = previous(self.entries(), end);
        self.close(at, end - at);
        true
    }

    /// Removes the elements in `range`, as far as there are such.
    pub fn remove(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len());
        if range.len() <= 1 {
            match range.start {
                _ if range.is_empty() => return,
                0 => {
                    self.pop_front();
                    return;
                }
                last if last + 1 == self.len() => {
                    self.pop_back();
                    return;
                }
                _ => {}
            }
        }
        let from = self.offset_of(range.start);
        let mut to = from;
        if range.end == self.len() {
            to = self.bytes();
        } else {
            for _ in range.clone() {
                to += entry_size(&self.entries()[to..]);
            }
        }
        self.count -= range.len() as u32;
        self.close(from, to - from);
    }

    /// Puts `element` in the place of the one at `index`; false if there is none.
    pub fn replace(&mut self, index: usize, element: &Encoded<'_>) -> bool {
        if index >= self.len() {
            return false;
        }
        let at = self.offset_of(index);
        let old = entry_size(&self.entries()[at..]);
        let new = element.size();
        if new > old {
            self.open(at, new - old);
        } else {
            self.close(at, old - new);
        }
        let from = self.start as usize + at;
        element.write(&mut self.buf[from..from + new]);
        true
    }

    /// Index of the first element with the text of `needle` among those at 0, `step`, 2 `step` and so on: 1 searches
    /// all, 2 the names of name-value pairs.
    pub fn find(&self, needle: &Needle<'_>, step: usize) -> Option<usize> {
        search(self.entries(), needle, step.max(1)).map(|hit| hit.index)
    }

    /// As [`Flat::find`], with the elements from the one that has been found on.
    #[inline]
    pub fn find_from(&self, needle: &Needle<'_>, step: usize) -> Option<(usize, Iter<'_>)> {
        let Hit { index, start } = search(self.entries(), needle, step.max(1))?;
        let rest = self.entries().split_at(start).1;
        Some((index, Iter::over(rest, self.count - index as u32)))
    }

    /// Keeps the elements in front of `index` and returns those from there on.
    pub fn split_off(&mut self, index: usize) -> Flat {
        let index = index.min(self.len());
        let at = self.offset_of(index);
        let end = self.bytes();
        let right = Flat {
            buf: self.entries()[at..].to_vec(),
            start: 0,
            count: self.count - index as u32,
        };
        self.count = index as u32;
        self.close(at, end - at);
        right
    }

    /// Adds all elements of `other` behind the last.
    pub fn append(&mut self, other: &Flat) {
        self.count += other.count;
        let at = self.bytes();
        self.open(at, other.bytes())
            .copy_from_slice(other.entries());
    }

    /// The elements in order, readable from both ends.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            rest: self.entries(),
            left: self.count,
        }
    }

    /// The elements from `index` on; none if there are not so many.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        let index = index.min(self.len());
        Iter {
            rest: &self.entries()[self.offset_of(index)..],
            left: self.count - index as u32,
        }
    }

    /// The elements in front of `index` (all of them if there are fewer), to be read backwards from there.
    pub fn iter_until(&self, index: usize) -> Iter<'_> {
        let index = index.min(self.len());
        Iter {
            rest: &self.entries()[..self.offset_of(index)],
            left: index as u32,
        }
    }

    /// Opens a hole of `size` bytes at byte position `at` of the entries, on the side where less has to move.
    #[inline]
    fn open(&mut self, at: usize, size: usize) -> &mut [u8] {
        let used = self.bytes();
        let in_front = at < used && (at == 0 || (at < used / 2 && self.start as usize >= size));
        if in_front {
            self.reserve_in_front(size);
            let old = self.start as usize;
            self.start -= size as u32;
            let start = self.start as usize;
            if at > 0 {
                self.buf.copy_within(old..old + at, start);
            }
        } else {
            self.reserve_behind(size);
            let end = self.buf.len();
            let from = self.start as usize + at;
            self.buf.resize(end + size, 0);
            if from < end {
                self.buf.copy_within(from..end, from + size);
            }
        }
        let from = self.start as usize + at;
        &mut self.buf[from..from + size]
    }

    /// Closes the hole of `size` bytes at byte position `at`, moving the shorter side, and gives memory back when
    /// little is left.
    fn close(&mut self, at: usize, size: usize) {
        let used = self.bytes();
        let start = self.start as usize;
        let behind = used - at - size;
        if at < behind && start + size <= MAX_GAP_BYTES {
            if at > 0 {
                self.buf.copy_within(start..start + at, start + size);
            }
            self.start += size as u32;
        } else {
            if behind > 0 {
                self.buf.copy_within(start + at + size.., start + at);
            }
            self.buf.truncate(start + used - size);
        }
        let used = used - size;
        if used == 0 {
            self.buf.clear();
            self.start = 0;
        }
        if self.buf.capacity() > KEEP_BYTES.max(used * 4) {
            self.rebuild(used / 4);
        }
    }

    /// Makes the gap in front at least `size` bytes wide.
    #[inline]
    fn reserve_in_front(&mut self, size: usize) {
        if (self.start as usize) < size {
            self.widen_gap(size);
        }
    }

    #[cold]
    fn widen_gap(&mut self, size: usize) {
        let start = self.start as usize;
        let end = self.buf.len();
        let spare = self.buf.capacity() - end;
        let want = growth(end - start, size);
        // Spare room behind serves as well as new memory, if it will last for a while.
        let add = if spare >= size.max(want / 2) {
            want.min(spare)
        } else {
            want
        };
        self.buf.reserve_exact(add);
        self.buf.resize(end + add, 0);
        self.buf.copy_within(start..end, start + add);
        self.start += add as u32;
    }

    /// Makes the spare room behind at least `size` bytes wide.
    #[inline]
    fn reserve_behind(&mut self, size: usize) {
        if self.buf.capacity() - self.buf.len() < size {
            self.widen_spare(size);
        }
    }

    #[cold]
    fn widen_spare(&mut self, size: usize) {
        let start = self.start as usize;
        let want = growth(self.bytes(), size);
        let spare = self.buf.capacity() - self.buf.len();
        // The gap that removals left in front serves as well as new memory, if it will last for a while.
        if start + spare >= size.max(want / 2) && start >= want / 4 {
            self.buf.copy_within(start.., 0);
            self.buf.truncate(self.buf.len() - start);
            self.start = 0;
        } else {
            self.buf.reserve_exact(want);
        }
    }
}

/// Position of the entry that ends at `end`.
#[inline]
fn previous(entries: &[u8], end: usize) -> usize {
    match read_back(&entries[..end]) {
        Some((inner, back)) => end.saturating_sub(inner + back),
        None => 0,
    }
}

impl Clone for Flat {
    /// A copy without slack: a clone is mostly a snapshot that nobody will write to.
    fn clone(&self) -> Flat {
        Flat {
            buf: self.entries().to_vec(),
            start: 0,
            count: self.count,
        }
    }
}

impl fmt::Debug for Flat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Flat {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Elements of a [`Flat`] in order, from both ends.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iter<'a> {
    /// The `count` elements whose entries are exactly `entries`: written by [`Encoded`], and kept elsewhere than in a
    /// [`Flat`].
    pub(in crate::store) fn over(entries: &'a [u8], count: u32) -> Iter<'a> {
        Iter {
            rest: entries,
            left: count,
        }
    }

    /// Bytes of the entries that are still to come.
    #[inline]
    pub(in crate::store) fn rest_bytes(&self) -> usize {
        self.rest.len()
    }

    /// Takes the next `count` elements off without reading them, as a sequence of their own.
    #[inline]
    pub fn split_front(&mut self, count: usize) -> Iter<'a> {
        let count = count.min(self.left as usize);
        let mut at = 0;
        for _ in 0..count {
            at += entry_size(&self.rest[at..]);
        }
        let (taken, rest) = self.rest.split_at(at);
        self.rest = rest;
        self.left -= count as u32;
        Iter {
            rest: taken,
            left: count as u32,
        }
    }

    /// Takes the last `count` elements off without reading them, as a sequence of their own.
    #[inline]
    pub fn split_back(&mut self, count: usize) -> Iter<'a> {
        let count = count.min(self.left as usize);
        let mut at = self.rest.len();
        for _ in 0..count {
            at = previous(self.rest, at);
        }
        let (rest, taken) = self.rest.split_at(at);
        self.rest = rest;
        self.left -= count as u32;
        Iter {
            rest: taken,
            left: count as u32,
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let (item, size) = decode_sized(self.rest);
        self.rest = &self.rest[size..];
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let at = previous(self.rest, self.rest.len());
        let item = decode(&self.rest[at..]);
        self.rest = &self.rest[..at];
        Some(item)
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
