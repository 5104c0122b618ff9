//! Bits of byte strings: counting, searching, combining, and integers of any width.
//!
//! Bit 0 is the highest bit of the first byte, as everywhere in the family. The loops run over words or over blocks of
//! plain slices, which the compiler turns into vector instructions.

use std::ops::Range;

/// So many bytes of a result are made at a time: they stay in the first-level cache while all sources are applied.
const BLOCK: usize = 4096;
/// A field of 64 bits that begins within a byte lies in so many bytes.
const FIELD_BYTES: usize = 9;

/// How many bits of `bytes` are set.
pub fn count(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole: u64 = words
        .iter()
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()))
        .sum();
    whole
        + rest
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum::<u64>()
}

/// How many of the bits in `range`, which lies within `bytes`, are set.
pub fn count_range(bytes: &[u8], range: Range<u64>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let last = range.end - 1;
    let (first_byte, last_byte) = ((range.start / 8) as usize, (last / 8) as usize);
    let before = bytes[first_byte] & !low_bits(range.start);
    let behind = bytes[last_byte] & (low_bits(last) >> 1);
    count(&bytes[first_byte..=last_byte])
        - u64::from(before.count_ones())
        - u64::from(behind.count_ones())
}

/// The bits of a byte from the place of bit `at` to its end.
fn low_bits(at: u64) -> u8 {
    0xff >> (at % 8)
}

/// The first bit in `range`, which lies within `bytes`, that is `bit`.
pub fn find(bytes: &[u8], range: Range<u64>, bit: bool) -> Option<u64> {
    if range.is_empty() {
        return None;
    }
    // With a flip the search is always for a set bit.
    let flip = if bit { 0 } else { 0xff };
    let (first, last) = ((range.start / 8) as usize, ((range.end - 1) / 8) as usize);
    let head = (bytes[first] ^ flip) & low_bits(range.start);
    let found = if head != 0 {
        first
    } else {
        first + 1 + first_other(&bytes[first + 1..=last], flip)?
    };
    let byte = if found == first {
        head
    } else {
        bytes[found] ^ flip
    };
    let at = found as u64 * 8 + u64::from(byte.leading_zeros());
    (at < range.end).then_some(at)
}

/// The index of the first byte that is not `usual`.
fn first_other(bytes: &[u8], usual: u8) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let same = u64::from_ne_bytes([usual; 8]);
    let whole = words
        .iter()
        .position(|word| u64::from_ne_bytes(*word) != same);
    let (skipped, tail): (usize, &[u8]) = match whole {
        Some(index) => (index * 8, &words[index]),
        None => (words.len() * 8, rest),
    };
    let within = tail.iter().position(|&byte| byte != usual)?;
    Some(skipped + within)
}

/// What BITOP makes of bitmaps X, Y1, Y2 and so on, of which the shorter ones go on with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The bits of all.
    And,
    /// The bits of any.
    Or,
    /// The bits of an odd number of them.
    Xor,
    /// The bits that X has not.
    Not,
    /// The bits of X that no Y has.
    Diff,
    /// The bits of any Y that X has not.
    Diff1,
    /// The bits of X that any Y has.
    AndOr,
    /// The bits of exactly one of them.
    One,
}

/// The result of `operation` on `sources`, as long as the longest of them.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut result = Vec::with_capacity(len);
    while result.len() < len {
        let (start, mut block) = (result.len(), [0; BLOCK]);
        let size = BLOCK.min(len - start);
        // The part of a source that lies in this block; it may be short or empty.
        let part = |source: &&'_ [u8]| -> Range<usize> {
            start.min(source.len())..(start + size).min(source.len())
        };
        let parts = sources.iter().map(|source| &source[part(source)]);
        combine_block(operation, parts, &mut block[..size]);
        result.extend_from_slice(&block[..size]);
    }
    result
}

/// Makes one block of a result out of the parts of the sources; `block` comes as zeros.
fn combine_block<'a>(
    operation: Operation,
    mut parts: impl Iterator<Item = &'a [u8]>,
    block: &mut [u8],
) {
    let Some(first) = parts.next() else { return };
    match operation {
        Operation::Not => {
            block[..first.len()].copy_from_slice(first);
            invert(block);
        }
        Operation::And => {
            block[..first.len()].copy_from_slice(first);
            for part in parts {
                intersect(block, part);
            }
        }
        Operation::Or => merge(block, std::iter::once(first).chain(parts)),
        Operation::Xor => {
            for part in std::iter::once(first).chain(parts) {
                zip(block, part, |byte, other| byte ^ other);
            }
        }
        Operation::Diff => {
            merge(block, parts);
            invert(block);
            intersect(block, first);
        }
        Operation::Diff1 => {
            merge(block, parts);
            zip(block, first, |byte, other| byte & !other);
        }
        Operation::AndOr => {
            merge(block, parts);
            intersect(block, first);
        }
        Operation::One => exactly_one(block, std::iter::once(first).chain(parts)),
    }
}

fn invert(block: &mut [u8]) {
    for byte in block {
        *byte = !*byte;
    }
}

/// Changes the bytes that `part` has a counterpart for.
fn zip(block: &mut [u8], part: &[u8], change: impl Fn(u8, u8) -> u8) {
    for (byte, &other) in block.iter_mut().zip(part) {
        *byte = change(*byte, other);
    }
}

fn intersect(block: &mut [u8], part: &[u8]) {
    zip(block, part, |byte, other| byte & other);
    block[part.len()..].fill(0);
}

fn merge<'a>(block: &mut [u8], parts: impl Iterator<Item = &'a [u8]>) {
    for part in parts {
        zip(block, part, |byte, other| byte | other);
    }
}

fn exactly_one<'a>(block: &mut [u8], parts: impl Iterator<Item = &'a [u8]>) {
    let mut twice = [0; BLOCK];
    for part in parts {
        for ((once, twice), &other) in block.iter_mut().zip(&mut twice).zip(part) {
            *twice |= *once & other;
            *once |= other;
        }
    }
    zip(block, &twice, |once, twice| once & !twice);
}

/// The integer of `width` bits (1 to 64) at bit `offset`, without a sign; zeros lie behind the end of `bytes`.
pub fn field(bytes: &[u8], offset: u64, width: u32) -> u64 {
    let (window, _) = field_window(bytes, offset);
    ((window << (offset % 8)) >> (u128::BITS - width)) as u64
}

/// Overwrites the `width` bits at bit `offset`, which lie within `bytes`, with the lowest ones of `value`.
pub fn set_field(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    let (window, range) = field_window(bytes, offset);
    let shift = u128::BITS - width - (offset % 8) as u32;
    let mask = (u128::MAX >> (u128::BITS - width)) << shift;
    let changed = (window & !mask) | ((u128::from(value) << shift) & mask);
    let len = range.len();
    bytes[range].copy_from_slice(&changed.to_be_bytes()[..len]);
}

/// The bytes in which a field at `offset` can lie, from the highest byte on, and where in `bytes` they are.
fn field_window(bytes: &[u8], offset: u64) -> (u128, Range<usize>) {
    let start = usize::try_from(offset / 8).map_or(bytes.len(), |start| start.min(bytes.len()));
    let range = start..bytes.len().min(start + FIELD_BYTES);
    let mut window = [0; size_of::<u128>()];
    window[..range.len()].copy_from_slice(&bytes[range.clone()]);
    (u128::from_be_bytes(window), range)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn bit_at(bytes: &[u8], at: u64) -> bool {
        bytes
            .get((at / 8) as usize)
            .is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0)
    }

    /// Byte strings with long runs of the same byte, in which searches have to skip.
    fn bitmap() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0u8), Just(0xff), any::<u8>()];
        vec((byte, 1..20usize), 0..12).prop_map(|runs| {
            let runs = runs.into_iter();
            runs.flat_map(|(byte, len)| vec![byte; len]).collect()
        })
    }

    /// A bitmap and a range of its bits.
    fn bitmap_and_range() -> impl Strategy<Value = (Vec<u8>, Range<u64>)> {
        bitmap().prop_flat_map(|bytes| {
            let bits = bytes.len() as u64 * 8;
            (Just(bytes), 0..=bits, 0..=bits).prop_map(|(bytes, a, b)| (bytes, a.min(b)..a.max(b)))
        })
    }

    const OPERATIONS: [Operation; 8] = [
        Operation::And,
        Operation::Or,
        Operation::Xor,
        Operation::Not,
        Operation::Diff,
        Operation::Diff1,
        Operation::AndOr,
        Operation::One,
    ];

    /// One bit of a result, from the definition.
    fn combined(operation: Operation, bits: &[bool]) -> bool {
        let (x, y) = (bits[0], bits[1..].contains(&true));
        let set = bits.iter().filter(|bit| **bit).count();
        match operation {
            Operation::And => set == bits.len(),
            Operation::Or => set > 0,
            Operation::Xor => set % 2 == 1,
            Operation::Not => !x,
            Operation::Diff => x && !y,
            Operation::Diff1 => !x && y,
            Operation::AndOr => x && y,
            Operation::One => set == 1,
        }
    }

    proptest! {
        #[test]
        fn counting_and_searching_agree_with_a_look_at_every_bit((bytes, range) in bitmap_and_range()) {
            let set = range.clone().filter(|&at| bit_at(&bytes, at)).count() as u64;
            prop_assert_eq!(count_range(&bytes, range.clone()), set);
            for bit in [false, true] {
                let first = range.clone().find(|&at| bit_at(&bytes, at) == bit);
                prop_assert_eq!(find(&bytes, range.clone(), bit), first);
            }
        }

        #[test]
        fn combining_agrees_with_a_look_at_every_bit(
            sources in vec(bitmap(), 1..5),
            stretch in prop_oneof![Just(0), Just(BLOCK - 3)],
        ) {
            // Some begin so late that what matters crosses the border of a block.
            let sources: Vec<Vec<u8>> = sources
                .into_iter()
                .map(|source| [vec![0x5a; stretch], source].concat())
                .collect();
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let len = slices.iter().map(|source| source.len()).max().unwrap_or(0);
            for operation in OPERATIONS {
                let result = combine(operation, &slices);
                prop_assert_eq!(result.len(), len);
                let same: Vec<bool> = slices.iter().map(|_| true).collect();
                for at in [0, stretch / 2] {
                    // The stretch is the same byte in all sources.
                    let alike = at >= stretch || bit_at(&result, at as u64 * 8 + 1) == combined(operation, &same);
                    prop_assert!(alike, "{:?} {}", operation, at);
                }
                for at in stretch as u64 * 8..len as u64 * 8 {
                    let bits: Vec<bool> = slices.iter().map(|source| bit_at(source, at)).collect();
                    prop_assert_eq!(bit_at(&result, at), combined(operation, &bits), "{:?} {}", operation, at);
                }
            }
        }

        #[test]
        fn a_field_reads_back_and_its_neighbours_stay(
            bytes in vec(any::<u8>(), 0..24),
            offset in 0..200u64,
            width in 1..=64u32,
            value in any::<u64>(),
        ) {
            let mut value = value;
            let mut changed = bytes.clone();
            let end = offset + u64::from(width);
            changed.resize(changed.len().max(end.div_ceil(8) as usize), 0);
            let before: Vec<bool> = (0..changed.len() as u64 * 8).map(|at| bit_at(&changed, at)).collect();
            let read = (offset..end).fold(0, |read, at| read << 1 | u64::from(bit_at(&bytes, at)));
            prop_assert_eq!(field(&bytes, offset, width), read);
            set_field(&mut changed, offset, width, value);
            value &= u64::MAX >> (64 - width);
            prop_assert_eq!(field(&changed, offset, width), value);
            for (at, was) in before.into_iter().enumerate() {
                let at = at as u64;
                if !(offset..end).contains(&at) {
                    prop_assert_eq!(bit_at(&changed, at), was);
                }
            }
        }
    }

    #[test]
    fn a_field_far_behind_the_end_is_zero() {
        assert_eq!(field(b"\xff", u64::MAX - 64, 64), 0);
        assert_eq!(field(b"\xff", 4, 8), 0xf0);
    }
}
