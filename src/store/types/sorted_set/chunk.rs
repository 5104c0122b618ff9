//! [`ScoreChunk`]: a run of members of a large sorted set, in order.
//!
//! A chunk holds the scores and beside them the counted pointers to the members, each in an array of its own: a search
//! reads a few lines of the scores, and goes to members only where scores are equal. The score is in the member too,
//! for it is the member that the table finds; both are changed together ([`ScoreChunk::rescore`]).
//!
//! The arrays grow through the allocator's own block sizes, of which there are four for each power of two. So an
//! element takes 16 bytes here and some 2 of slack and nodes, whatever the order in which elements came.

use std::ops::Range;

use super::cut::{Cut, Place};
use crate::store::member::{Member, Word};
use crate::store::table::prefetch;
use crate::store::tree::{Chunk, ChunkLimit, End, Point};

/// The most elements of a chunk. Few in tests, so that some hundred make a tree of several levels.
const MOST: usize = if cfg!(test) { 8 } else { 128 };
/// Bytes of an element in the two arrays.
const ELEMENT_BYTES: usize = size_of::<f64>() + size_of::<Member>();

/// Scores, or references to members, of a cache line.
const LINE: usize = 64 / size_of::<f64>();
/// So many elements of equal score are fetched ahead.
pub(super) const MOST_TIES: usize = 4;

/// The size of chunks.
pub(super) const LIMIT: ChunkLimit = ChunkLimit {
    bytes: MOST * ELEMENT_BYTES,
    elements: MOST,
};

/// A run of members in the order of score and member.
#[derive(Clone, Debug, Default)]
pub(super) struct ScoreChunk {
    scores: Vec<f64>,
    members: Vec<Member>,
}

/// The number of elements for which arrays with at least `len` are made: one that fills a block of the allocator.
fn capacity_for(len: usize) -> usize {
    match len {
        0..=4 => 4,
        5..=8 => len,
        _ => len.next_multiple_of(1 << ((len - 1).ilog2() - 2)),
    }
}

/// How many of some scores, which are in order, are below a threshold. All of them are compared, without branches and two
/// or more at once: their lines are read side by side, where each step of a binary search would wait for a line.
#[inline]
fn count_below(scores: &[f64], threshold: f64) -> usize {
    let below = scores.iter().map(|&score| u64::from(score < threshold));
    below.sum::<u64>() as usize
}

impl ScoreChunk {
    /// The score and the member at `at`.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<(f64, &Member)> {
        Some((*self.scores.get(at)?, self.members.get(at)?))
    }

    /// Changes the score of the member at `at`, to which `other` is the second reference. If its new place is in this
    /// chunk it goes there; if not, or if that cannot be told here, it is taken out and returned.
    pub(super) fn rescore(&mut self, at: usize, other: &mut Member, score: f64) -> Option<Member> {
        other.set_word_with(&mut self.members[at], Word::Score(score));
        let place = Place {
            score,
            member: other.key(),
        };
        let last = self.scores.len() - 1;
        let is_behind = |i: usize| place.is_behind(self.scores[i], || self.members[i].key());
        // Among its neighbours it stays, which is known where there is one on either side.
        if at > 0 && at < last && is_behind(at - 1) && !is_behind(at + 1) {
            self.scores[at] = score;
            return None;
        }
        // The element itself has its old score, so that the order is right up to it and behind it.
        let to = if is_behind(last) || !is_behind(0) {
            None
        } else if at < last && is_behind(at + 1) {
            Some(at + self.count_in_front(&place, at + 1..last + 1))
        } else {
            Some(self.count_in_front(&place, 0..at))
        };
        match to {
            Some(to) => {
                self.scores[at] = score;
                if to > at {
                    self.scores[at..=to].rotate_left(1);
                    self.members[at..=to].rotate_left(1);
                } else {
                    self.scores[to..=at].rotate_right(1);
                    self.members[to..=at].rotate_right(1);
                }
                None
            }
            None => {
                self.scores.remove(at);
                Some(self.members.remove(at))
            }
        }
    }

    /// Asks the processor to fetch the scores.
    #[inline]
    pub(super) fn prefetch_scores(&self) {
        self.scores
            .chunks(LINE)
            .for_each(|line| prefetch(line.as_ptr().cast()));
    }

    /// Asks for the references from the place of a score on, which are moved when something is put in or taken out there.
    /// Returns the places of some elements that have this score.
    #[inline]
    pub(super) fn prefetch_references(&self, score: f64) -> Range<usize> {
        let low = count_below(&self.scores, score);
        let (ties, behind) = (&self.scores[low..], &self.members[low..]);
        behind
            .chunks(LINE)
            .for_each(|line| prefetch(line.as_ptr().cast()));
        let equal = ties.iter().take(MOST_TIES).take_while(|&&tie| tie == score);
        low..low + equal.count()
    }

    /// Asks for some members.
    #[inline]
    pub(super) fn prefetch_members(&self, range: Range<usize>) {
        let members = self.members.get(range).unwrap_or_default();
        members.iter().for_each(Member::prefetch);
    }

    /// How many of the elements in `range` lie in front of a cut.
    #[inline]
    fn count_in_front(&self, cut: &impl Cut, range: Range<usize>) -> usize {
        let scores = &self.scores[range.clone()];
        let Some(threshold) = cut.threshold() else {
            return cut.count_members(&self.members[range]);
        };
        let low = count_below(scores, threshold);
        if scores.get(low).is_none_or(|&score| score != threshold) {
            return low;
        }
        let ties = scores[low..].partition_point(|&score| score == threshold);
        low + cut.count_members(&self.members[range][low..low + ties])
    }

    /// Gives memory back when much of it is unused.
    fn shrink(&mut self) {
        let len = self.scores.len();
        if self.scores.capacity() > capacity_for(len + len / 4 + 4) {
            let keep = capacity_for(len + 1);
            self.scores.shrink_to(keep);
            self.members.shrink_to(keep);
        }
    }
}

impl Chunk for ScoreChunk {
    type New<'a> = (f64, Member);
    type Key = f64;

    #[inline]
    fn len(&self) -> usize {
        self.scores.len()
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.scores.len() * ELEMENT_BYTES
    }

    fn heap_bytes(&self) -> usize {
        self.scores.capacity() * size_of::<f64>() + self.members.capacity() * size_of::<Member>()
    }

    #[inline]
    fn key(&self) -> f64 {
        self.scores.last().copied().unwrap_or_default()
    }

    #[inline]
    fn fits(&self, _new: &(f64, Member), limit: ChunkLimit) -> bool {
        self.scores.len() < limit.elements
    }

    fn single((score, member): (f64, Member), room: Option<(End, usize)>) -> ScoreChunk {
        let capacity = capacity_for(room.map_or(1, |(_, bytes)| bytes / ELEMENT_BYTES));
        let mut chunk = ScoreChunk {
            scores: Vec::with_capacity(capacity),
            members: Vec::with_capacity(capacity),
        };
        chunk.scores.push(score);
        chunk.members.push(member);
        chunk
    }

    #[inline]
    fn insert(&mut self, at: usize, (score, member): (f64, Member)) {
        let len = self.scores.len();
        if len == self.scores.capacity() || len == self.members.capacity() {
            let more = capacity_for(len + 1) - len;
            self.scores.reserve_exact(more);
            self.members.reserve_exact(more);
        }
        self.scores.insert(at, score);
        self.members.insert(at, member);
    }

    fn remove(&mut self, range: Range<usize>) {
        self.scores.drain(range.clone());
        self.members.drain(range);
        self.shrink();
    }

    fn split_off(&mut self, at: usize) -> ScoreChunk {
        let right = ScoreChunk {
            scores: self.scores.split_off(at),
            members: self.members.split_off(at),
        };
        self.shrink();
        right
    }

    fn mergeable(&self, _right: &ScoreChunk) -> bool {
        true
    }

    fn append(&mut self, right: &ScoreChunk) {
        let len = self.scores.len();
        let more = capacity_for(len + right.scores.len()) - len;
        self.scores.reserve_exact(more);
        self.members.reserve_exact(more);
        self.scores.extend_from_slice(&right.scores);
        self.members.extend_from_slice(&right.members);
    }

    fn complete(&mut self) {
        let len = capacity_for(self.scores.len());
        self.scores.shrink_to(len);
        self.members.shrink_to(len);
    }
}

impl<T: Cut> Point<ScoreChunk> for T {
    #[inline]
    fn is_behind_key(&self, score: &f64) -> Option<bool> {
        self.is_behind_score(*score)
    }

    #[inline]
    fn keys_in_front(&self, keys: &[f64]) -> usize {
        self.threshold()
            .map_or(0, |threshold| count_below(keys, threshold))
    }

    fn is_behind_last(&self, chunk: &ScoreChunk) -> bool {
        chunk
            .members
            .last()
            .is_some_and(|member| self.is_behind(member.score(), || member.key()))
    }

    #[inline]
    fn place(&self, chunk: &ScoreChunk) -> usize {
        chunk.count_in_front(self, 0..chunk.scores.len())
    }
}
