//! Listpacks: small collections in one string.
//!
//! A listpack is its bytes as 32 bits, the number of its elements as 16 (`0xffff` where there are more), both
//! little-endian, the entries of a [`Flat`], and `0xff`.

use std::collections::HashSet;
use std::hash::BuildHasher;

use crate::store::encoding::flat::{Flat, Item};
use crate::text::number::parse_i64;

/// Bytes in front of the entries.
const HEAD_BYTES: usize = 6;
/// What is behind the entries.
const END: u8 = 0xff;
/// So many elements are few: as many as small collections have by default.
const MAX_FEW: usize = 128;
/// The count that says nothing.
const UNCOUNTED: u16 = u16::MAX;

/// The elements of a listpack; nothing unless all of it is well formed.
pub fn parse(mut listpack: Vec<u8>) -> Option<Flat> {
    let (head, _) = listpack.split_first_chunk::<HEAD_BYTES>()?;
    let [b0, b1, b2, b3, c0, c1] = *head;
    let (bytes, count) = (
        u32::from_le_bytes([b0, b1, b2, b3]),
        u16::from_le_bytes([c0, c1]),
    );
    if bytes as usize != listpack.len() || listpack.len() == HEAD_BYTES || listpack.pop()? != END {
        return None;
    }
    listpack.drain(..HEAD_BYTES);
    let flat = Flat::from_entries(listpack)?;
    (count == UNCOUNTED || usize::from(count) == flat.len()).then_some(flat)
}

/// Writes a listpack of these parts of entries, `count` in all, in the place of what `out` held; false if it would be
/// larger than a listpack may be.
pub fn write(parts: &[&[u8]], count: usize, out: &mut Vec<u8>) -> bool {
    out.clear();
    let entries: usize = parts.iter().map(|part| part.len()).sum();
    let Ok(bytes) = u32::try_from(entries + HEAD_BYTES + 1) else {
        return false;
    };
    out.reserve(bytes as usize);
    out.extend(bytes.to_le_bytes());
    out.extend(u16::try_from(count).unwrap_or(UNCOUNTED).to_le_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.push(END);
    true
}

/// What an element is looked up by: texts of integers are the same whatever their form.
#[derive(PartialEq, Eq, Hash)]
enum Name<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Name<'a> {
    fn of(item: Item<'a>) -> Self {
        match item {
            Item::Int(value) => Name::Int(value),
            Item::Bytes(bytes) => parse_i64(bytes).map_or(Name::Bytes(bytes), Name::Int),
        }
    }
}

/// Whether all elements at 0, `step`, 2 `step` and so on are different.
pub fn are_distinct(flat: &Flat, step: usize) -> bool {
    let count = flat.len().div_ceil(step);
    if count <= MAX_FEW && have_distinct_hashes(flat, step) {
        return true;
    }
    let mut seen: HashSet<Name<'_>, foldhash::quality::RandomState> = HashSet::default();
    seen.reserve(count);
    flat.iter()
        .step_by(step)
        .all(|item| seen.insert(Name::of(item)))
}

/// Whether no two of at most [`MAX_FEW`] elements have the same hash, in which case they are different. It takes no memory,
/// which matters as nearly every small collection of a file comes by here.
fn have_distinct_hashes(flat: &Flat, step: usize) -> bool {
    let state = foldhash::fast::FixedState::default();
    let mut table = [0u32; 2 * MAX_FEW];
    flat.iter().step_by(step).all(|item| {
        // Zero is an empty slot's.
        let hash = state.hash_one(Name::of(item)) as u32 | 1;
        let mut slot = hash as usize >> 1;
        loop {
            slot %= table.len();
            match table[slot] {
                0 => break,
                other if other == hash => return false,
                _ => slot += 1,
            }
        }
        table[slot] = hash;
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::encoding::flat::Encoded;

    fn flat(texts: &[&str]) -> Flat {
        let mut flat = Flat::new();
        texts
            .iter()
            .for_each(|text| flat.push_back(&Encoded::new(text.as_bytes())));
        flat
    }

    #[test]
    fn a_listpack_is_read_as_it_was_written_and_refused_if_anything_is_wrong() {
        let elements = flat(&["a", "12", "", "-70000"]);
        let mut bytes = Vec::new();
        assert!(write(&[elements.entries()], elements.len(), &mut bytes));
        let read = parse(bytes.clone()).expect("it is well formed");
        assert_eq!(read.entries(), elements.entries());
        for at in 0..bytes.len() {
            let mut cut = bytes.clone();
            cut.truncate(at);
            assert!(parse(cut).is_none(), "cut at {at}");
        }
        for (at, value) in [(0, 0), (4, 3), (bytes.len() - 1, 0xfe), (6, 0xff)] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            assert!(parse(wrong).is_none(), "{value} at {at}");
        }
    }

    #[test]
    fn the_same_text_in_two_forms_is_there_twice() {
        assert!(are_distinct(&flat(&["1", "a", "2", "a"]), 2));
        assert!(!are_distinct(&flat(&["1", "a", "2", "a"]), 1));
        let two_forms = Flat::from_entries(vec![0x81, b'1', 2, 0x01, 1]).expect("well formed");
        assert!(!are_distinct(&two_forms, 1));
    }

    #[test]
    fn few_and_many_elements_are_looked_at_alike() {
        for count in [1, 2, MAX_FEW - 1, MAX_FEW, MAX_FEW + 1, 3 * MAX_FEW] {
            let mut all = Flat::new();
            (0..count).for_each(|number| {
                all.push_back(&Encoded::int(number as i64 * 64));
                all.push_back(&Encoded::new(b"value"));
            });
            assert!(are_distinct(&all, 2), "{count}");
            all.push_back(&Encoded::int(64 * (count as i64 / 2)));
            assert!(!are_distinct(&all, 2), "{count}");
        }
    }
}
