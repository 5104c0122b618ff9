//! [`Ahead`]: fetching what a change of scores will touch, for several members at once.
//!
//! A change of a score goes down the tree twice, to the chunk where the member is and to the one where it belongs, and what
//! it reads there has mostly to come from memory: each chunk's node, then its scores. Each of these steps is done for all
//! members of a batch before the next one begins, so that they wait together.

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

/// The chunks that a change of a score will go to, on their way from memory.
#[derive(Clone, Copy)]
pub struct Chunks<'a> {
    from: Option<Leaf<'a, ScoreChunk>>,
    to: Leaf<'a, ScoreChunk>,
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
    /// Fetches the nodes of the chunks for giving `score` to the member with a hash, which has been fetched
    /// ([`Table::prefetch_node`]) if it is there.
    #[inline]
    pub fn chunks(&self, hash: u64, score: f64) -> Chunks<'a> {
        // What equal scores would need is left out: the place by score alone is nearly always right.
        let at = |score| self.tree.leaf(&Place { score, member: b"" });
        Chunks {
            from: self.table.likely(hash).map(|member| at(member.score())),
            to: at(score),
        }
    }
}

impl Chunks<'_> {
    /// Fetches the scores, when the nodes have arrived.
    #[inline]
    pub fn fetch_scores(&self) {
        for leaf in self.from.iter().chain([&self.to]) {
            if let Some(chunk) = leaf.chunk() {
                chunk.prefetch();
            }
        }
    }
}

/// experiment
pub fn variant() -> u32 {
    static V: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *V.get_or_init(|| std::env::var("ZV").ok().and_then(|v| v.parse().ok()).unwrap_or(2))
}
