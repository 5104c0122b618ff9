//! LZF, the compression of strings in dump files (its format is that of Marc Lehmann's liblzf).
//!
//! The compressed bytes are runs, each begun by a byte of which the high three bits say what it is:
//!
//! | high bits | then | meaning |
//! |---|---|---|
//! | 0 | n + 1 bytes | the n + 1 bytes themselves, n in the low five bits |
//! | 1 to 6 | 1 byte | a copy of that number + 2 bytes |
//! | 7 | a byte to be added to the 7, 1 byte | a longer copy, of up to 264 bytes |
//!
//! A copy is taken from what is unpacked already; the low five bits and the last byte say how far back, less one.

/// Bytes of the longest run that stands for itself.
const MAX_RUN: usize = 32;
/// Bytes of the longest copy.
const MAX_COPY: usize = 264;
/// Bytes of the shortest copy.
const MIN_COPY: usize = 3;
/// How far back a copy may reach.
const MAX_DISTANCE: usize = 1 << 13;
/// No compressed byte stands for more than so many.
const MAX_FACTOR: usize = MAX_COPY / 3;
/// Slots of the smallest and the largest table of places, as powers of two.
const MIN_TABLE_BITS: u32 = 8;
const MAX_TABLE_BITS: u32 = 16;
/// So many bytes are looked at for a place, one more than count, as they are read at once.
const WINDOW: usize = 4;
/// After so many bytes without a copy every second place is looked at, then every third.
const PATIENCE: usize = 32;

/// Unpacks `packed` into `out`, whose former content is dropped; false if the result does not have exactly `len` bytes,
/// or the input is not well formed. A length that no input of this size can have is refused before any allocation.
pub fn unpack(packed: &[u8], len: usize, out: &mut Vec<u8>) -> bool {
    out.clear();
    if len > packed.len().saturating_mul(MAX_FACTOR) {
        return false;
    }
    out.reserve_exact(len);
    let mut rest = packed;
    while let [first, tail @ ..] = rest {
        let first = usize::from(*first);
        let done = match first >> 5 {
            0 => run(tail, first + 1, len, out),
            high => copy(tail, high, first & 0x1f, len, out),
        };
        match done {
            Some(left) => rest = left,
            None => return false,
        }
    }
    out.len() == len
}

/// Takes the next `count` bytes as they are; what is left of the input.
fn run<'a>(input: &'a [u8], count: usize, len: usize, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (bytes, rest) = input.split_at_checked(count)?;
    if out.len() + count > len {
        return None;
    }
    out.extend_from_slice(bytes);
    Some(rest)
}

/// Copies from what is unpacked; what is left of the input.
fn copy<'a>(
    input: &'a [u8],
    high: usize,
    far: usize,
    len: usize,
    out: &mut Vec<u8>,
) -> Option<&'a [u8]> {
    let (count, input) = match input {
        [more, rest @ ..] if high == 7 => (high + usize::from(*more) + 2, rest),
        rest => (high + 2, rest),
    };
    let (near, rest) = input.split_first()?;
    let distance = (far << 8 | usize::from(*near)) + 1;
    let from = out.len().checked_sub(distance)?;
    if out.len() + count > len {
        return None;
    }
    // What is copied may overlap what it makes, which repeats it: each round copies all that is there of it.
    let mut left = count;
    while left > 0 {
        let part = left.min(out.len() - from);
        out.extend_from_within(from..from + part);
        left -= part;
    }
    Some(rest)
}

/// Packs strings; it keeps its table between them.
#[derive(Debug, Default)]
pub struct Packer {
    /// Where three bytes were seen last, by their hash: the place, counted over all strings from 1 on. What is below the
    /// place where a string begins was seen in an earlier one, so the table need not be emptied between them.
    places: Vec<u32>,
    /// The bytes of all strings so far.
    past: u32,
}

impl Packer {
    /// Appends the packed form of `bytes` to `out` if that takes at most `most` bytes; else false, and `out` is as it was.
    pub fn pack(&mut self, bytes: &[u8], most: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let Ok(len) = u32::try_from(bytes.len()) else {
            return false;
        };
        let bits = bytes.len().clamp(1 << MIN_TABLE_BITS, 1 << MAX_TABLE_BITS);
        self.prepare(bits.ilog2(), len);
        let run_from = self.pack_copies(bytes, bits.ilog2(), most, out);
        self.past += len;
        write_runs(&bytes[run_from..], out);
        if out.len() - start > most {
            out.truncate(start);
            return false;
        }
        true
    }

    /// Makes room in the table, and in the numbers of places for a string of `len` bytes.
    fn prepare(&mut self, bits: u32, len: u32) {
        if self.past.checked_add(len).is_none_or(|end| end == u32::MAX) {
            self.places.clear();
            self.past = 0;
        }
        if self.places.len() < 1 << bits {
            self.places.resize(1 << bits, 0);
        }
    }

    /// Writes copies and the runs between them, up to the last copy or until it takes too many bytes; where the last run
    /// begins.
    fn pack_copies(&mut self, bytes: &[u8], bits: u32, most: usize, out: &mut Vec<u8>) -> usize {
        let (start, first_place) = (out.len(), self.past + 1);
        let (mut at, mut run_from) = (0, 0);
        while let Some(next) = bytes.get(at..at + WINDOW) {
            if out.len() - start + (at - run_from) > most {
                break;
            }
            let seen = &mut self.places[slot(next, bits)];
            let distance = (first_place + at as u32).wrapping_sub(*seen) as usize;
            *seen = first_place + at as u32;
            let count = if distance <= at.min(MAX_DISTANCE) {
                common(bytes, at - distance, at)
            } else {
                0
            };
            if count < MIN_COPY {
                // The longer nothing repeats, the less is looked at.
                at += 1 + (at - run_from) / PATIENCE;
                continue;
            }
            write_runs(&bytes[run_from..at], out);
            write_copy(count, distance, out);
            at += count;
            run_from = at;
        }
        run_from
    }
}

/// The slot of the first three of four bytes.
#[inline]
fn slot(bytes: &[u8], bits: u32) -> usize {
    let word = bytes
        .first_chunk()
        .map_or(0, |word| u32::from_le_bytes(*word));
    ((word << 8).wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
}

/// How many bytes from `seen` on are those from `at` on, up to what a copy holds.
#[inline]
fn common(bytes: &[u8], seen: usize, at: usize) -> usize {
    let most = MAX_COPY.min(bytes.len() - at);
    let (old, new) = (&bytes[seen..seen + most], &bytes[at..at + most]);
    let (old_words, old_rest) = old.as_chunks::<8>();
    let (new_words, new_rest) = new.as_chunks::<8>();
    for (index, (a, b)) in old_words.iter().zip(new_words).enumerate() {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return 8 * index + differing.trailing_zeros() as usize / 8;
        }
    }
    let same = old_rest.iter().zip(new_rest).take_while(|(a, b)| a == b);
    8 * old_words.len() + same.count()
}

fn write_runs(bytes: &[u8], out: &mut Vec<u8>) {
    for run in bytes.chunks(MAX_RUN) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn write_copy(count: usize, distance: usize, out: &mut Vec<u8>) {
    let (count, distance) = (count - 2, distance - 1);
    let far = (distance >> 8) as u8;
    if count < 7 {
        out.push((count as u8) << 5 | far);
    } else {
        out.extend([7 << 5 | far, (count - 7) as u8]);
    }
    out.push(distance as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(Packer::default().pack(bytes, usize::MAX, &mut out));
        out
    }

    fn unpacked(packed: &[u8], len: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        unpack(packed, len, &mut out).then_some(out)
    }

    #[test]
    fn repetition_is_packed_into_few_bytes() {
        let bytes = b"ab".repeat(4000);
        let packed = packed(&bytes);
        assert!(packed.len() < 200, "{}", packed.len());
        assert_eq!(unpacked(&packed, bytes.len()), Some(bytes));
    }

    #[test]
    fn what_would_take_too_many_bytes_is_not_packed() {
        let mut out = b"before".to_vec();
        assert!(!Packer::default().pack(b"abcdefghijklmnopqrstuvwxyz", 22, &mut out));
        assert_eq!(out, b"before");
    }

    #[test]
    fn input_that_is_not_well_formed_is_refused() {
        let cases: [(&[u8], usize); 7] = [
            (&[5, 1], 6),
            (&[0x20, 0], 3),
            (&[0, b'a', 0x20], 4),
            (&[0, b'a', 0xe0, 1], 10),
            (&[0, b'a'], 2),
            (&[1, b'a', b'b'], 1),
            (&[0, b'a'], usize::MAX),
        ];
        for (packed, len) in cases {
            assert_eq!(unpacked(packed, len), None, "{packed:?} {len}");
        }
        assert_eq!(unpacked(&[0, b'a', 0x20, 0], 4), Some(b"aaaa".to_vec()));
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            parts in proptest::collection::vec(
                (proptest::collection::vec(0..4u8, 0..40), 1..400usize), 0..12),
        ) {
            let bytes: Vec<u8> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            let packed = packed(&bytes);
            prop_assert_eq!(unpacked(&packed, bytes.len()), Some(bytes));
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(packed in any::<Vec<u8>>(), len in 0..10_000usize) {
            if let Some(bytes) = unpacked(&packed, len) {
                prop_assert_eq!(bytes.len(), len);
            }
        }
    }
}
