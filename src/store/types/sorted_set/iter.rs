//! [`Iter`]: the elements of a sorted set in order, in one of the two directions.

use std::ops::Range;

use super::chunk::ScoreChunk;
use super::small::Pairs;
use super::{Repr, SortedSet};
use crate::store::encoding::flat::Item;
use crate::store::member::Member;
use crate::store::tree::{Chunk, Cursor, Tree};

/// Elements of a [`SortedSet`]: members with their scores.
#[derive(Clone)]
pub struct Iter<'a> {
    run: Run<'a>,
    backwards: bool,
}

#[derive(Clone)]
enum Run<'a> {
    Small(Pairs<'a>),
    Large(Walk<'a>),
    Done,
}

/// A place between two elements of a tree.
#[derive(Clone)]
struct Walk<'a> {
    cursor: Cursor<'a, ScoreChunk>,
    chunk: &'a ScoreChunk,
    /// How many elements of the chunk lie in front.
    at: usize,
}

impl<'a> Walk<'a> {
    /// The place in front of the element at `index`.
    fn from(tree: &'a Tree<ScoreChunk>, index: usize) -> Option<Self> {
        let cursor = tree.cursor(index)?;
        Some(Walk {
            chunk: cursor.chunk(),
            at: index - cursor.start(),
            cursor,
        })
    }

    /// The place behind the element in front of `index`.
    fn until(tree: &'a Tree<ScoreChunk>, index: usize) -> Option<Self> {
        let mut walk = Walk::from(tree, index.min(tree.len()).checked_sub(1)?)?;
        walk.at += 1;
        Some(walk)
    }

    #[inline]
    fn next(&mut self) -> Option<(f64, &'a Member)> {
        if self.at == self.chunk.len() {
            if !self.cursor.next() {
                return None;
            }
            self.chunk = self.cursor.chunk();
            self.at = 0;
        }
        self.at += 1;
        self.chunk.get(self.at - 1)
    }

    #[inline]
    fn next_back(&mut self) -> Option<(f64, &'a Member)> {
        if self.at == 0 {
            if !self.cursor.prev() {
                return None;
            }
            self.chunk = self.cursor.chunk();
            self.at = self.chunk.len();
        }
        self.at -= 1;
        self.chunk.get(self.at)
    }
}

impl SortedSet {
    /// The elements from `index` to the last.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        let run = match &*self.0 {
            Repr::Small(flat) => Run::Small(Pairs::from(flat, index.min(self.len()))),
            Repr::Large(large) => Walk::from(&large.tree, index).map_or(Run::Done, Run::Large),
        };
        Iter {
            run,
            backwards: false,
        }
    }

    /// The elements in front of `index` (all, if there are fewer), from there to the first.
    pub fn iter_back_from(&self, index: usize) -> Iter<'_> {
        let run = match &*self.0 {
            Repr::Small(flat) => Run::Small(Pairs::until(flat, index.min(self.len()))),
            Repr::Large(large) => Walk::until(&large.tree, index).map_or(Run::Done, Run::Large),
        };
        Iter {
            run,
            backwards: true,
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let large = match &mut self.run {
            Run::Done => return None,
            Run::Small(pairs) if self.backwards => return pairs.next_back(),
            Run::Small(pairs) => return pairs.next(),
            Run::Large(walk) if self.backwards => walk.next_back(),
            Run::Large(walk) => walk.next(),
        };
        large.map(|(score, member)| (Item::Bytes(member.key()), score))
    }
}

/// The members of a tree in a range of indexes.
pub(super) fn members(
    tree: &Tree<ScoreChunk>,
    range: Range<usize>,
) -> impl Iterator<Item = &Member> {
    let mut walk = Walk::from(tree, range.start);
    std::iter::from_fn(move || walk.as_mut()?.next())
        .take(range.len())
        .map(|(_, member)| member)
}
