//! Looking for an element by its text, from the first entry on.
//!
//! Small hashes, sets and sorted sets are searched this way at every access, so an entry that is passed over costs a look
//! at its first byte, and one of the same length a look at its last: names mostly begin alike (`field:1`, `field:2`).

use super::{Item, decode, entry_size};
use crate::text::number::parse_i64;

/// What is looked for: parsed once, then compared with many elements.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a> {
    bytes: &'a [u8],
    int: Option<i64>,
}

impl<'a> Needle<'a> {
    /// Prepares `bytes` for comparison.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Needle<'a> {
        Needle {
            bytes,
            int: parse_i64(bytes),
        }
    }

    /// Whether `item` has this text.
    #[inline]
    pub fn matches(&self, item: Item<'_>) -> bool {
        match item {
            Item::Bytes(own) => own == self.bytes,
            Item::Int(value) => self.int == Some(value),
        }
    }

    /// Whether `bytes` is this text.
    pub fn matches_bytes(&self, bytes: &[u8]) -> bool {
        bytes == self.bytes
    }

    /// Whether the entry that begins with `first`, and goes on with `rest`, has this text.
    #[inline]
    fn matches_entry(&self, first: u8, rest: &[u8]) -> bool {
        match first {
            0x00..=0x7f => self.int == Some(i64::from(first)),
            0x80..=0xbf => {
                let len = usize::from(first & 0x3f);
                len == self.bytes.len()
                    && rest
                        .get(..len)
                        .is_some_and(|own| own.last() == self.bytes.last() && own == self.bytes)
            }
            _ => false,
        }
    }
}

/// Where an element lies among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Hit {
    /// Its index.
    pub(in crate::store) index: usize,
    /// Where its entry begins.
    pub(in crate::store) start: usize,
}

/// The first of `entries` with the text of `needle` among those at 0, `step`, 2 `step` and so on. There must be whole
/// steps of them.
#[inline]
pub(in crate::store) fn search(entries: &[u8], needle: &Needle<'_>, step: usize) -> Option<Hit> {
    let (mut rest, mut index) = (entries, 0);
    while let [first, behind @ ..] = rest {
        let is_short = *first < 0xc0;
        if needle.matches_entry(*first, behind) || (!is_short && needle.matches(decode(rest))) {
            let start = entries.len() - rest.len();
            return Some(Hit { index, start });
        }
        for _ in 0..step {
            rest = &rest[entry_size(rest)..];
        }
        index += step;
    }
    None
}
