//! Names without regard to ASCII case, taken eight bytes at a time: to find a command by its name.

/// A name whose ASCII letters are in lower case, or the sixteen bytes at its ends if it is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    head: u64,
    tail: u64,
    len: usize,
}

impl Folded {
    /// Folds a name.
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        // Where the name is short the two words overlap, which its length makes unambiguous.
        let (head, tail) = match (name.first_chunk(), name.last_chunk()) {
            (Some(&head), Some(&tail)) => (u64::from_le_bytes(head), u64::from_le_bytes(tail)),
            _ => match (name.first_chunk(), name.last_chunk()) {
                (Some(&head), Some(&tail)) => (
                    u64::from(u32::from_le_bytes(head)),
                    u64::from(u32::from_le_bytes(tail)),
                ),
                _ => (
                    name.iter()
                        .fold(0, |word, &byte| word << 8 | u64::from(byte)),
                    0,
                ),
            },
        };
        Folded {
            head: lower(head),
            tail: lower(tail),
            len: name.len(),
        }
    }

    /// Whether this is all of the name: two such are equal only if their names are.
    #[inline]
    pub fn is_whole(self) -> bool {
        self.len <= 2 * size_of::<u64>()
    }

    /// A hash whose upper half is well mixed.
    #[inline]
    pub fn hash(self) -> u64 {
        // An odd number without a pattern in its bits: 2^64 divided by the golden ratio.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let ends = self.head ^ self.tail.rotate_left(23) ^ self.len as u64;
        let mixed = ends.wrapping_mul(FACTOR);
        (mixed ^ mixed >> 32).wrapping_mul(FACTOR)
    }
}

/// Eight bytes with the ASCII letters among them in lower case.
#[inline]
fn lower(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * EACH;
    // A byte's top bit becomes set if its other bits are at least those of `A`, and those behind `Z`.
    let low_bits = word & !TOP;
    let from_a = low_bits + (0x80 - u64::from(b'A')) * EACH;
    let behind_z = low_bits + (0x7f - u64::from(b'Z')) * EACH;
    let capitals = (from_a ^ behind_z) & !word & TOP;
    word | capitals >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_folded_as_ascii_says() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = *b"AZaz@[`{";
                bytes[at] = byte;
                let folded = lower(u64::from_le_bytes(bytes));
                assert_eq!(
                    folded.to_le_bytes(),
                    bytes.map(|byte| byte.to_ascii_lowercase())
                );
            }
        }
    }

    #[test]
    fn names_are_the_same_whatever_their_case_and_differ_by_any_byte() {
        let long = *b"abcdefghijklmnopqrst";
        for len in 0..=long.len() {
            let name = &long[..len];
            let folded = Folded::of(name);
            assert_eq!(folded, Folded::of(&name.to_ascii_uppercase()), "{len}");
            assert_eq!(folded.hash(), Folded::of(&name.to_ascii_uppercase()).hash());
            assert_eq!(folded.is_whole(), len <= 16);
            for at in (0..len).filter(|_| len <= 16) {
                let mut other = name.to_vec();
                other[at] ^= 0x80;
                assert_ne!(folded, Folded::of(&other), "{len}, {at}");
            }
            assert_ne!(folded, Folded::of(&[name, b"\0"].concat()));
        }
    }
}
