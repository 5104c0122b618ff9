//! The forms in which servers before Redis 7.0 kept small collections: ziplists and zipmaps (`ziplist.c` and `zipmap.c` of
//! the Redis project describe them), and sets of integers, which are in use still.
//!
//! **Ziplist**: its bytes, the offset of the last entry (32 bits each), the number of entries (16 bits, `0xffff` where there
//! are more), the entries, `0xff`. An entry is the size of the one before it (a byte, or `0xfe` and 32 bits), and
//!
//! | head (first byte in bits) | meaning |
//! |---|---|
//! | `00llllll` | string of up to 63 bytes |
//! | `01llllll llllllll` | string of up to 16383 bytes, high bits first |
//! | `10______`, 4 bytes | string, length big-endian |
//! | `0xc0`, `0xd0`, `0xe0`, `0xf0`, `0xfe` | integer of 16, 32, 64, 24, 8 bits, which follows |
//! | `0xf1` to `0xfd` | an integer, 0 to 12 |
//!
//! **Zipmap**: the number of pairs (a byte, 254 where there are more), pairs, `0xff`. A pair is a field and a value, each
//! behind its length (a byte, or `0xfe` and 32 bits); between a value and its length is a byte that says how many unused
//! bytes there are behind it.
//!
//! **Set of integers**: bytes of an integer and number of integers (32 bits each), integers in ascending order.
//!
//! Whatever is not said otherwise is little-endian.

use crate::store::encoding::flat::{Encoded, Flat};

/// Bytes in front of a ziplist's entries.
const ZIPLIST_HEAD: usize = 10;
/// A length in four bytes follows.
const WIDE: u8 = 254;
/// The end of a ziplist or zipmap.
const END: u8 = 255;

/// The elements of a ziplist; nothing unless all of it is well formed.
pub fn ziplist(bytes: &[u8]) -> Option<Flat> {
    let (head, rest) = bytes.split_at_checked(ZIPLIST_HEAD)?;
    let (total, head) = take_u32(head)?;
    let (tail, head) = take_u32(head)?;
    let count = u16::from_le_bytes(head.try_into().ok()?);
    let (&end, mut rest) = rest.split_last()?;
    if total != bytes.len() || end != END {
        return None;
    }
    let mut flat = Flat::with_room_behind(rest.len());
    let (mut before, mut last_at) = (0, None);
    while !rest.is_empty() {
        let at = bytes.len() - 1 - rest.len();
        let (former, entry) = take_len(rest)?;
        if former != before {
            return None;
        }
        let left = ziplist_element(entry, &mut flat)?;
        before = rest.len() - left.len();
        last_at = Some(at);
        rest = left;
    }
    let is_right = last_at.is_none_or(|at| at == tail)
        && tail < bytes.len()
        && (count == u16::MAX || usize::from(count) == flat.len());
    flat.shrink_to_fit();
    is_right.then_some(flat)
}

/// Puts the element that begins `entry` behind the others; what is left behind it.
fn ziplist_element<'a>(entry: &'a [u8], flat: &mut Flat) -> Option<&'a [u8]> {
    let (&first, rest) = entry.split_first()?;
    let low = usize::from(first & 0x3f);
    let (len, rest) = match first {
        0x00..=0x3f => (low, rest),
        0x40..=0x7f => {
            let (&next, rest) = rest.split_first()?;
            (low << 8 | usize::from(next), rest)
        }
        0x80..=0xbf => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*len) as usize, rest)
        }
        _ => return ziplist_integer(first, rest, flat),
    };
    let (text, rest) = rest.split_at_checked(len)?;
    flat.push_back(&Encoded::new(text));
    Some(rest)
}

fn ziplist_integer<'a>(first: u8, rest: &'a [u8], flat: &mut Flat) -> Option<&'a [u8]> {
    let width = match first {
        0xc0 => 2,
        0xd0 => 4,
        0xe0 => 8,
        0xf0 => 3,
        0xfe => 1,
        0xf1..=0xfd => {
            flat.push_back(&Encoded::int(i64::from(first & 0x0f) - 1));
            return Some(rest);
        }
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(width)?;
    flat.push_back(&Encoded::int(signed(bytes)));
    Some(rest)
}

/// The integer that up to eight bytes are.
fn signed(bytes: &[u8]) -> i64 {
    let mut le = [0; 8];
    le[..bytes.len()].copy_from_slice(bytes);
    let unused_bits = 64 - 8 * bytes.len() as u32;
    i64::from_le_bytes(le) << unused_bits >> unused_bits
}

/// The fields and values of a zipmap in turn; nothing unless all of it is well formed.
pub fn zipmap(bytes: &[u8]) -> Option<Flat> {
    let (&count, rest) = bytes.split_first()?;
    let (&end, mut rest) = rest.split_last()?;
    if end != END {
        return None;
    }
    let mut flat = Flat::with_room_behind(rest.len());
    while !rest.is_empty() {
        let (len, behind) = take_len(rest)?;
        let (field, behind) = behind.split_at_checked(len)?;
        let (len, behind) = take_len(behind)?;
        let (&unused, behind) = behind.split_first()?;
        let (value, behind) = behind.split_at_checked(len)?;
        let (_, behind) = behind.split_at_checked(unused.into())?;
        flat.push_back(&Encoded::new(field));
        flat.push_back(&Encoded::new(value));
        rest = behind;
    }
    flat.shrink_to_fit();
    // Redis never wrote one without pairs, and takes none.
    (!flat.is_empty() && (count >= WIDE || usize::from(count) == flat.len() / 2)).then_some(flat)
}

/// The integers of a set of such; nothing unless all of it is well formed.
pub fn intset(bytes: &[u8]) -> Option<impl Iterator<Item = i64>> {
    let (width, rest) = take_u32(bytes)?;
    let (count, rest) = take_u32(rest)?;
    let is_right = matches!(width, 2 | 4 | 8) && count.checked_mul(width)? == rest.len();
    let integers = || rest.chunks_exact(width.max(1)).map(signed);
    (is_right && integers().is_sorted_by(|a, b| a < b)).then(integers)
}

fn take_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number) as usize, rest))
}

/// A length in one byte or five.
fn take_len(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        END => None,
        WIDE => take_u32(rest),
        small => Some((small.into(), rest)),
    }
}
