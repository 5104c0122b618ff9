//! [`Ahead`]: fetching from memory what changes of scores will touch, for the members of a batch together.
//!
//! A change of a score goes to two chunks, the one where the member is and the one where it belongs, and what it reads and
//! moves there comes from memory: the chunk's node, its scores, the references behind the place, and members of equal
//! score, whose names decide. Each of these says where the next one is, so there are four steps ([`Ahead::start`] and
//! the methods of [`Move`]). Every step is to be done for all members before the next begins: then they wait together.
//!
//! Nothing is changed, and where something is guessed wrong the command itself will find what is right.

use std::ops::Range;

use super::chunk::ScoreChunk;
use super::cut::Place;
use super::{Repr, SortedSet};
use crate::store::member::Member;
use crate::store::table::Table;
use crate::store::tree::{self, Leaf};

/// A large sorted set, to be looked ahead in.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    table: &'a Table<Member>,
    tree: tree::Ahead<'a, ScoreChunk>,
}

/// A change of a score that will be made soon.
#[derive(Clone)]
pub struct Move<'a> {
    /// Where the member is, if it is there.
    from: Option<Spot<'a>>,
    to: Spot<'a>,
    /// Members of the new score in its chunk.
    ties: Range<usize>,
}

#[derive(Clone, Copy)]
struct Spot<'a> {
    leaf: Leaf<'a, ScoreChunk>,
    score: f64,
}

impl SortedSet {
    /// For looking ahead; nothing for a small set.
    pub fn ahead(&self) -> Option<Ahead<'_>> {
        match &*self.0 {
            Repr::Small(_) => None,
            Repr::Large(large) => Some(Ahead {
                table: &large.table,
                tree: large.tree.ahead()?,
            }),
        }
    }
}

impl<'a> Ahead<'a> {
    /// Fetches the nodes of the chunks for a member with this hash, which has itself been fetched
    /// ([`Table::prefetch_node`]). `decide` says which score it gets when it knows the present one.
    #[inline]
    pub fn start(&self, hash: u64, decide: impl FnOnce(Option<f64>) -> f64) -> Move<'a> {
        let old = self.table.likely(hash).map(|member| member.score());
        Move {
            from: old.map(|score| self.spot(score)),
            to: self.spot(decide(old)),
            ties: 0..0,
        }
    }

    #[inline]
    fn spot(&self, score: f64) -> Spot<'a> {
        // In front of all of the same score: which of several chunks it would be is not worth looking at members for.
        let leaf = self.tree.leaf(&Place { score, member: b"" });
        Spot { leaf, score }
    }
}

impl Move<'_> {
    /// Fetches the scores of both chunks, when their nodes have arrived.
    #[inline]
    pub fn fetch_scores(&self) {
        for spot in self.from.iter().chain([&self.to]) {
            if let Some(chunk) = spot.leaf.chunk() {
                chunk.prefetch_scores();
            }
        }
    }

    /// Fetches the references to members from both places on, when the scores have arrived.
    #[inline]
    pub fn fetch_references(&mut self) {
        for spot in self.from.iter().chain([&self.to]) {
            if let Some(chunk) = spot.leaf.chunk() {
                self.ties = chunk.prefetch_references(spot.score);
            }
        }
    }

    /// Fetches the members among which the new place has to be found by name, when the references have arrived.
    #[inline]
    pub fn fetch_ties(&self) {
        if let Some(chunk) = self.to.leaf.chunk() {
            chunk.prefetch_members(self.ties.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, SortedSet};

    const LARGE: Limits = Limits {
        entries: 0,
        value_bytes: 0,
    };

    /// Members with scores of their own, in chunks enough for a tree of several levels.
    fn set_of(members: u32) -> SortedSet {
        let mut set = SortedSet::for_member(1, LARGE);
        for number in 0..members {
            let score = f64::from(number * 7 % members);
            set.insert(format!("m{number}").as_bytes(), score, LARGE);
        }
        set
    }

    #[test]
    fn a_move_goes_to_the_chunks_of_both_scores_and_to_ties() {
        const MEMBERS: u32 = 1000;
        let set = set_of(MEMBERS);
        let (ahead, table) = (set.ahead().unwrap(), set.table().unwrap());
        let mut found = 0;
        for (index, (member, score)) in set.iter().enumerate() {
            let new = f64::from((index as u32 * 13 + 5) % MEMBERS);
            let mut seen = None;
            let mut to_come = ahead.start(table.hash(&member.to_vec()), |old| {
                seen = old;
                new
            });
            to_come.fetch_scores();
            to_come.fetch_references();
            to_come.fetch_ties();
            let chunk = to_come.to.leaf.chunk().unwrap();
            let ties: Vec<_> = to_come
                .ties
                .clone()
                .map(|at| chunk.get(at).unwrap().0)
                .collect();
            assert_eq!(ties, [new]);
            // An element that is not at home in its bucket is not looked for.
            if seen == Some(score) {
                found += 1;
                let chunk = to_come.from.unwrap().leaf.chunk().unwrap();
                let scores: Vec<_> = (0..)
                    .map_while(|at| chunk.get(at))
                    .map(|(score, _)| score)
                    .collect();
                assert!(scores.contains(&score), "{score} in {scores:?}");
            }
        }
        assert!(found > MEMBERS / 2, "{found} of {MEMBERS} were found");
    }

    #[test]
    fn any_score_can_be_looked_ahead_for() {
        let same = |members: u32| {
            let mut set = SortedSet::for_member(1, LARGE);
            (0..members).for_each(|number| {
                set.insert(&number.to_be_bytes(), 1.0, LARGE);
            });
            set
        };
        assert!(SortedSet::new().ahead().is_none());
        assert!(same(0).ahead().is_none(), "there is no tree yet");
        for set in [set_of(1), set_of(9), set_of(500), same(1), same(500)] {
            let ahead = set.ahead().unwrap();
            for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1.0, 1e300] {
                for hash in [0, u64::MAX, set.table().unwrap().hash(b"m1")] {
                    let mut to_come = ahead.start(hash, |_| score);
                    to_come.fetch_scores();
                    to_come.fetch_references();
                    to_come.fetch_ties();
                    assert!(to_come.ties.len() <= super::super::chunk::MOST_TIES);
                }
            }
        }
    }
}
