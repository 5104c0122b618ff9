//! The small form: members and scores alternate in one [`Flat`], in order, as in Redis's listpack. A score is stored as
//! its text, an integral one as an integer.

use std::ops::Range;

use super::cut::{Cut, Place};
use crate::store::encoding::flat::{Encoded, Flat, Item, Needle};
use crate::text::double;

/// The score that an item is.
#[inline]
pub(super) fn score_of(item: Item<'_>) -> f64 {
    match item {
        Item::Int(value) => value as f64,
        Item::Bytes(text) => double::parse(text).unwrap_or_default(),
    }
}

/// The elements in order: what [`Flat`] has in pairs.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a>(crate::store::encoding::flat::Iter<'a>);

impl<'a> Pairs<'a> {
    /// The elements from `index` on.
    pub(super) fn from(flat: &'a Flat, index: usize) -> Self {
        Pairs(flat.iter_from(index * 2))
    }

    /// The elements in front of `index`, to be read backwards.
    pub(super) fn until(flat: &'a Flat, index: usize) -> Self {
        Pairs(flat.iter_until(index * 2))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let member = self.0.next()?;
        Some((member, score_of(self.0.next()?)))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = score_of(self.0.next_back()?);
        Some((self.0.next_back()?, score))
    }
}

/// Number of elements.
pub(super) fn len(flat: &Flat) -> usize {
    flat.len() / 2
}

/// Whether the elements are in the order of a sorted set, none of them twice in a row.
pub(super) fn is_in_order(flat: &Flat) -> bool {
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
    let mut last: Option<(Item<'_>, f64)> = None;
    Pairs::from(flat, 0).all(|(member, score)| {
        let [own, before] = &mut digits;
        let behind = last.is_none_or(|(last, last_score)| {
            last_score < score || (last_score == score && last.text(before) < member.text(own))
        });
        last = Some((member, score));
        behind
    })
}

/// Index and score of a member.
pub(super) fn find(flat: &Flat, member: &[u8]) -> Option<(usize, f64)> {
    let (index, mut found) = flat.find_from(&Needle::new(member), 2)?;
    Some((index / 2, score_of(found.nth(1)?)))
}

/// How many elements lie in front of a cut.
pub(super) fn count_in_front(flat: &Flat, cut: &impl Cut) -> usize {
    let mut scratch = itoa::Buffer::new();
    Pairs::from(flat, 0)
        .position(|(member, score)| !cut.is_behind(score, || member.text(&mut scratch)))
        .unwrap_or(len(flat))
}

/// Puts an element in that is not there yet.
pub(super) fn insert(flat: &mut Flat, member: &[u8], score: f64) {
    let at = count_in_front(flat, &Place { score, member });
    insert_at(flat, at, member, score);
}

/// Puts an element in at an index.
pub(super) fn insert_at(flat: &mut Flat, at: usize, member: &[u8], score: f64) {
    flat.insert(at * 2, &Encoded::new(member));
    with_encoded(score, |score| flat.insert(at * 2 + 1, score));
}

/// Gives the element at `at` another score.
pub(super) fn rescore(flat: &mut Flat, at: usize, member: &[u8], score: f64) {
    let place = Place { score, member };
    let mut scratch = itoa::Buffer::new();
    let mut in_front = |neighbour: Option<(Item<'_>, f64)>| {
        neighbour.map(|(member, score)| place.is_behind(score, || member.text(&mut scratch)))
    };
    let before = in_front(Pairs::until(flat, at).next_back());
    let after = in_front(Pairs::from(flat, at + 1).next());
    if before != Some(false) && after != Some(true) {
        with_encoded(score, |score| flat.replace(at * 2 + 1, score));
    } else {
        remove(flat, at..at + 1);
        insert(flat, member, score);
    }
}

/// Removes the elements in a range of indexes.
pub(super) fn remove(flat: &mut Flat, range: Range<usize>) {
    flat.remove(range.start * 2..range.end * 2);
}

/// Hands a score's stored form to `then`. A negative zero loses its sign, as in Redis's small sorted sets.
fn with_encoded<R>(score: f64, then: impl FnOnce(&Encoded<'_>) -> R) -> R {
    match double::integral(score + 0.0) {
        Some(integer) => then(&Encoded::int(integer)),
        None => then(&Encoded::new(
            double::Buffer::new().format(score).as_bytes(),
        )),
    }
}
