//! [`IntSet`]: integers in ascending order, packed at the smallest width that fits them all.
//!
//! The form is that of Redis's intset: 2, 4 or 8 bytes for each integer, little-endian, in one buffer. The width only
//! ever grows, when an integer comes that needs it; so it shows what has been in the set, as Redis's does.

use std::cmp::Ordering;

/// Bytes of the head that Redis keeps in front of the integers: their width and their number.
const HEAD_BYTES: usize = 8;

/// Bytes of each integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    fn of(value: i64) -> Width {
        if i16::try_from(value).is_ok() {
            Width::Two
        } else if i32::try_from(value).is_ok() {
            Width::Four
        } else {
            Width::Eight
        }
    }
}

/// A sorted array of distinct integers.
#[derive(Clone, Debug)]
pub(super) struct IntSet {
    bytes: Vec<u8>,
    width: Width,
}

impl IntSet {
    pub(super) const fn new() -> IntSet {
        IntSet {
            bytes: Vec::new(),
            width: Width::Two,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.width as usize
    }

    /// Bytes of its buffer.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes that Redis's intset of the same integers takes, in memory and in a dump file.
    pub(super) fn blob_bytes(&self) -> usize {
        HEAD_BYTES + self.bytes.len()
    }

    /// The integer at `index`.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<i64> {
        let width = self.width as usize;
        let bytes = self.bytes.get(index * width..(index + 1) * width)?;
        Some(match self.width {
            Width::Two => i16::from_le_bytes(bytes.try_into().ok()?).into(),
            Width::Four => i32::from_le_bytes(bytes.try_into().ok()?).into(),
            Width::Eight => i64::from_le_bytes(bytes.try_into().ok()?),
        })
    }

    pub(super) fn first(&self) -> Option<i64> {
        self.get(0)
    }

    pub(super) fn last(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Where `value` is, or where it would have to be put.
    pub(super) fn find(&self, value: i64) -> Result<usize, usize> {
        // Ascending integers, the usual case, are found to be the largest at once.
        if self.last().is_none_or(|last| last < value) {
            return Err(self.len());
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(found) = self.get(middle) else { break };
            match found.cmp(&value) {
                Ordering::Equal => return Ok(middle),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Adds an integer; false if it is there already.
    pub(super) fn insert(&mut self, value: i64) -> bool {
        let Err(index) = self.find(value) else {
            return false;
        };
        if Width::of(value) > self.width {
            self.widen(Width::of(value));
        }
        let width = self.width as usize;
        if self.bytes.capacity() - self.bytes.len() < width {
            let more = (self.bytes.len() / 4).next_multiple_of(width).max(width);
            self.bytes.reserve_exact(more);
        }
        let (at, end) = (index * width, self.bytes.len());
        self.bytes.resize(end + width, 0);
        self.bytes.copy_within(at..end, at + width);
        self.bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        true
    }

    fn widen(&mut self, width: Width) {
        let mut wide = IntSet {
            bytes: Vec::with_capacity((self.len() + 1) * width as usize),
            width,
        };
        self.iter().for_each(|value| wide.push(value));
        *self = wide;
    }

    /// Adds an integer that is larger than all others and fits the width.
    fn push(&mut self, value: i64) {
        let width = self.width as usize;
        self.bytes.extend_from_slice(&value.to_le_bytes()[..width]);
    }

    /// Removes the integer at `index`.
    pub(super) fn remove(&mut self, index: usize) {
        let width = self.width as usize;
        let at = index * width;
        self.bytes.drain(at..at + width);
        if self.bytes.capacity() / 4 > self.bytes.len() {
            self.bytes.shrink_to_fit();
        }
    }

    /// Keeps the integers for whose index `keep` says so; it is asked for each in turn.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize, i64) -> bool) {
        let mut kept = IntSet {
            bytes: Vec::new(),
            width: self.width,
        };
        for (index, value) in self.iter().enumerate() {
            if keep(index, value) {
                kept.push(value);
            }
        }
        kept.bytes.shrink_to_fit();
        *self = kept;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = i64> + Clone {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_width_grows_with_the_integers_and_never_shrinks() {
        let mut set = IntSet::new();
        for (value, bytes) in [
            (5, 10),
            (-32_768, 12),
            (32_767, 14),
            (32_768, 24),
            (-1, 28),
            (i64::MIN, 56),
        ] {
            assert!(set.insert(value), "{value}");
            assert!(!set.insert(value), "{value}");
            assert_eq!(set.blob_bytes(), bytes, "{value}");
        }
        let place = set.find(i64::MIN);
        assert_eq!(place, Ok(0));
        set.remove(0);
        assert_eq!(set.blob_bytes(), 48);
    }

    fn value() -> impl Strategy<Value = i64> {
        prop_oneof![4 => -40i64..40, 2 => any::<i16>().prop_map(i64::from), 1 => any::<i32>().prop_map(i64::from), 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn it_holds_what_a_tree_set_holds(ops in prop::collection::vec((value(), any::<bool>()), 0..200)) {
            let (mut set, mut model) = (IntSet::new(), BTreeSet::new());
            for (value, insert) in ops {
                if insert {
                    prop_assert_eq!(set.insert(value), model.insert(value));
                } else {
                    let found = set.find(value);
                    prop_assert_eq!(found.is_ok(), model.remove(&value));
                    if let Ok(index) = found {
                        set.remove(index);
                    }
                }
                prop_assert_eq!((set.first(), set.last()), (model.first().copied(), model.last().copied()));
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            set.retain(|index, _| index % 3 == 0);
            prop_assert!(set.iter().eq(model.iter().copied().step_by(3)));
        }
    }
}
