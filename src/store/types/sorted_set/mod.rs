//! [`SortedSet`]: members in the order of their scores, those of equal score in the order of their bytes.
//!
//! # Life cycle
//! A sorted set begins small, as one [`Flat`] ("listpack"). When what is to be added would take it over one of its
//! [`Limits`] it becomes large ("skiplist", as Redis's is called): a [`Table`] that finds the members, and a [`Tree`] of
//! [`ScoreChunk`]s that has them in order. Both refer to the same [`Member`]s, which hold the scores. It does not become
//! small again; only one that is made as a whole ([`SortedSet::from_members`]) takes the form that its size asks for.
//! These are Redis's rules, which OBJECT ENCODING shows.
//!
//! Cloning is O(1) and shares everything; a writer copies what it touches.
//!
//! # Ranges
//! Every range, by score or by text, is turned into one of indexes ([`SortedSet::score_range`],
//! [`SortedSet::lex_range`]), which takes O(log n); counting, reading in both directions, skipping and removing are
//! then operations on indexes. To add another kind of range, add its ends to `cut`.
//!
//! A sorted set that has become empty is still one here; that its key is removed is the keyspace's business. Scores
//! are never NaN: the callers rule that out.

mod ahead;
mod chunk;
pub mod combine;
mod cut;
mod iter;
mod small;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::ops::Range;

use triomphe::Arc;

pub use ahead::{Ahead, Move};
pub use cut::{LexBound, ScoreBound};
pub use iter::Iter;

use crate::store::encoding::flat::{Flat, Item};
use crate::store::member::{Member, Word};
use crate::store::table::{HashSeed, Table};
use crate::store::tree::Tree;
use chunk::{LIMIT, ScoreChunk};
use cut::{Cut, Place, Present};

/// A small set is never larger than so many bytes, whatever its limits say.
const MOST_SMALL_BYTES: usize = 1 << 30;
/// What an element of a large set takes in table and tree together, for estimates.
const ELEMENT_OVERHEAD_BYTES: usize = 30;

/// The limits of the small form: `zset-max-listpack-entries` and `zset-max-listpack-value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Number of elements.
    pub entries: usize,
    /// Bytes of a member.
    pub value_bytes: usize,
}

/// What [`SortedSet::insert`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The member was not there.
    Added,
    /// The member had another score.
    Updated,
    /// Nothing: the member had that score, or was to be left alone.
    None,
}

/// The value of a sorted set key. See the module's head.
#[derive(Clone)]
pub struct SortedSet(Arc<Repr>);

#[derive(Clone)]
enum Repr {
    Small(Flat),
    Large(Box<Large>),
}

#[derive(Clone)]
struct Large {
    table: Table<Member>,
    tree: Tree<ScoreChunk>,
}

impl Default for SortedSet {
    fn default() -> Self {
        SortedSet::new()
    }
}

impl SortedSet {
    /// An empty one, small.
    pub fn new() -> SortedSet {
        SortedSet(Arc::new(Repr::Small(Flat::new())))
    }

    /// An empty one for a first member of so many bytes, small unless the limits rule that out.
    pub fn for_member(member_bytes: usize, limits: Limits) -> SortedSet {
        if limits.entries == 0 || member_bytes > limits.value_bytes {
            SortedSet(Arc::new(Repr::Large(Box::new(Large::new()))))
        } else {
            SortedSet::new()
        }
    }

    /// A set of these members with their scores, which need not be in order. No member may be there twice.
    pub fn from_members(mut members: Vec<Member>, limits: Limits) -> SortedSet {
        sort(&mut members);
        let longest = members.iter().map(|member| member.key().len()).max();
        let bytes: usize = members.iter().map(|member| member.key().len() + 16).sum();
        if members.len() <= limits.entries
            && longest.is_none_or(|longest| longest <= limits.value_bytes)
            && bytes <= MOST_SMALL_BYTES
        {
            let mut flat = Flat::new();
            for (at, member) in members.iter().enumerate() {
                small::insert_at(&mut flat, at, member.key(), member.score());
            }
            flat.shrink_to_fit();
            return SortedSet(Arc::new(Repr::Small(flat)));
        }
        let mut large = Large::new();
        members.into_iter().for_each(|member| large.push(member));
        SortedSet(Arc::new(Repr::Large(Box::new(large))))
    }

    /// The set of the members and scores that a listpack has, if they are in order and few enough for the small form;
    /// what is not comes back.
    pub fn from_listpack(pairs: Flat, limits: Limits) -> Result<SortedSet, Flat> {
        if small::len(&pairs) <= limits.entries && small::is_in_order(&pairs) {
            Ok(SortedSet(Arc::new(Repr::Small(pairs))))
        } else {
            Err(pairs)
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match &*self.0 {
            Repr::Small(flat) => small::len(flat),
            Repr::Large(large) => large.table.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING calls its form.
    pub fn encoding_name(&self) -> &'static str {
        match &*self.0 {
            Repr::Small(_) => "listpack",
            Repr::Large(_) => "skiplist",
        }
    }

    /// The small form's buffer of members and scores in turn, as a dump file has it.
    pub fn flat(&self) -> Option<&Flat> {
        match &*self.0 {
            Repr::Small(flat) => Some(flat),
            Repr::Large(_) => None,
        }
    }

    /// The large form's table of members.
    pub fn table(&self) -> Option<&Table<Member>> {
        match &*self.0 {
            Repr::Small(_) => None,
            Repr::Large(large) => Some(&large.table),
        }
    }

    /// Bytes that it takes on the heap, estimated from `samples` of its elements (0 for all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        let own = size_of::<Repr>() + size_of::<usize>();
        own + match &*self.0 {
            Repr::Small(flat) => flat.heap_bytes(),
            Repr::Large(large) => large.memory_bytes(samples),
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &*self.0 {
            Repr::Small(flat) => small::find(flat, member).map(|(_, score)| score),
            Repr::Large(large) => large.table.get(member).map(|member| member.score()),
        }
    }

    /// Whether a member is there.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.score(member).is_some()
    }

    /// Index and score of a member.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &*self.0 {
            Repr::Small(flat) => small::find(flat, member),
            Repr::Large(large) => {
                let score = large.table.get(member)?.score();
                Some((large.tree.rank(&Place { score, member }), score))
            }
        }
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> Option<(Item<'_>, f64)> {
        self.iter_from(index).next()
    }

    /// An element drawn at random, each with the same chance.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Item<'_>, f64)> {
        match self.len() {
            0 => None,
            len => self.get(rng.usize(..len)),
        }
    }

    /// The elements in order.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// The elements from the last to the first.
    pub fn iter_rev(&self) -> Iter<'_> {
        self.iter_back_from(self.len())
    }

    /// The elements in a range of indexes, as far as there are such, from the last to the first if `backwards`.
    pub fn range(&self, range: Range<usize>, backwards: bool) -> std::iter::Take<Iter<'_>> {
        let range = range.start..range.end.min(self.len());
        if backwards {
            self.iter_back_from(range.end).take(range.len())
        } else {
            self.iter_from(range.start).take(range.len())
        }
    }

    /// The indexes of the elements with scores from `min` to `max`.
    pub fn score_range(&self, min: ScoreBound, max: ScoreBound) -> Range<usize> {
        self.between(&min.begin(), &max.end())
    }

    /// The indexes of the members from `min` to `max`, in a set in which all scores are equal.
    pub fn lex_range(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        self.between(&min.begin(), &max.end())
    }

    fn between(&self, begin: &impl Cut, end: &impl Cut) -> Range<usize> {
        let begin = self.count_in_front(begin);
        begin..self.count_in_front(end).max(begin)
    }

    fn count_in_front(&self, cut: &impl Cut) -> usize {
        match &*self.0 {
            Repr::Small(flat) => small::count_in_front(flat, cut),
            Repr::Large(large) => large.tree.rank(cut),
        }
    }

    /// Adds a member or gives it another score.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: Limits) -> Change {
        match self.upsert(member, limits, |_| Ok::<_, Infallible>(Some(score))) {
            Ok(change) => change,
        }
    }

    /// Adds a member or gives it another score, as `decide` says when it knows the present one: the new score, nothing
    /// to leave all as it is, or an error, which is handed on.
    #[inline]
    pub fn upsert<E>(
        &mut self,
        member: &[u8],
        limits: Limits,
        decide: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<Change, E> {
        match Arc::make_mut(&mut self.0) {
            Repr::Large(large) => large.upsert(member, decide),
            Repr::Small(_) => self.upsert_small(member, limits, decide),
        }
    }

    fn upsert_small<E>(
        &mut self,
        member: &[u8],
        limits: Limits,
        decide: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<Change, E> {
        let Repr::Small(flat) = Arc::make_mut(&mut self.0) else {
            unreachable!("the caller has looked");
        };
        let found = small::find(flat, member);
        let Some(score) = decide(found.map(|(_, score)| score))? else {
            return Ok(Change::None);
        };
        match found {
            Some((_, old)) if old == score => return Ok(Change::None),
            Some((at, _)) => {
                small::rescore(flat, at, member, score);
                return Ok(Change::Updated);
            }
            None => {}
        }
        let fits = small::len(flat) < limits.entries
            && member.len() <= limits.value_bytes
            && flat.bytes() + member.len() < MOST_SMALL_BYTES;
        if fits {
            small::insert(flat, member, score);
        } else {
            let mut large = Large::of_flat(flat);
            large.upsert(member, |_| Ok(Some(score)))?;
            self.0 = Arc::new(Repr::Large(Box::new(large)));
        }
        Ok(Change::Added)
    }

    /// Removes a member and returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match Arc::make_mut(&mut self.0) {
            Repr::Small(flat) => {
                let (at, score) = small::find(flat, member)?;
                small::remove(flat, at..at + 1);
                Some(score)
            }
            Repr::Large(large) => large.remove(member),
        }
    }

    /// Removes the elements in a range of indexes, as far as there are such.
    pub fn remove_range(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return;
        }
        match Arc::make_mut(&mut self.0) {
            Repr::Small(flat) => small::remove(flat, range),
            Repr::Large(large) => large.remove_range(range),
        }
    }

    /// Visits some elements of a large set, as [`Table::scan`] does, and returns the next cursor; of a small set all,
    /// and the cursor 0.
    pub fn scan(&self, cursor: u64, visit: &mut dyn FnMut(Item<'_>, f64)) -> u64 {
        match &*self.0 {
            Repr::Small(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                0
            }
            Repr::Large(large) => large.table.scan(cursor, &mut |member| {
                visit(Item::Bytes(member.key()), member.score());
            }),
        }
    }
}

/// Brings members in the order of a sorted set.
pub fn sort(members: &mut [Member]) {
    members.sort_unstable_by(|a, b| {
        let by_score = a.score().partial_cmp(&b.score());
        by_score
            .unwrap_or(std::cmp::Ordering::Equal)
            .then_with(|| a.key().cmp(b.key()))
    });
}

impl Large {
    fn new() -> Large {
        Large {
            table: Table::new(HashSeed::of_process()),
            tree: Tree::new(),
        }
    }

    #[cold]
    fn of_flat(flat: &Flat) -> Large {
        let mut large = Large::new();
        let mut scratch = itoa::Buffer::new();
        for (member, score) in small::Pairs::from(flat, 0) {
            let member = member.text(&mut scratch);
            large.push(Member::new(member, &[], Word::Score(score)));
        }
        large
    }

    /// Adds a member that belongs behind all others.
    fn push(&mut self, member: Member) {
        use crate::store::tree::End;
        self.tree
            .push(End::Back, (member.score(), member.clone()), LIMIT);
        self.table.insert(member);
    }

    #[inline]
    fn upsert<E>(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<Change, E> {
        let hash = self.table.hash(member);
        let Some(mut slot) = self.table.get_mut_hashed(hash, member) else {
            let Some(score) = decide(None)? else {
                return Ok(Change::None);
            };
            let node = Member::new(member, &[], Word::Score(score));
            let place = Place { score, member };
            self.tree.insert_at(&place, (score, node.clone()), LIMIT);
            self.table.insert_hashed(hash, node);
            return Ok(Change::Added);
        };
        let old_score = slot.score();
        let Some(score) = decide(Some(old_score))?.filter(|&score| score != old_score) else {
            return Ok(Change::None);
        };
        let old = Present {
            place: Place {
                score: old_score,
                member,
            },
            address: slot.address(),
        };
        let moved = self
            .tree
            .update_at(&old, LIMIT, |chunk, at| chunk.rescore(at, &mut slot, score));
        if let Some(node) = moved.flatten() {
            self.tree
                .insert_at(&Place { score, member }, (score, node), LIMIT);
        }
        Ok(Change::Updated)
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let removed = self.table.remove(member)?;
        let score = removed.score();
        let present = Present {
            place: Place { score, member },
            address: removed.address(),
        };
        self.tree.update_at(&present, LIMIT, |chunk, at| {
            use crate::store::tree::Chunk;
            chunk.remove(at..at + 1);
        });
        Some(score)
    }

    fn remove_range(&mut self, range: Range<usize>) {
        for member in iter::members(&self.tree, range.clone()) {
            self.table.remove(member.key());
        }
        self.tree.remove(range, LIMIT);
    }

    fn memory_bytes(&self, samples: usize) -> usize {
        let len = self.table.len();
        let looked_at = if samples == 0 { len } else { samples.min(len) };
        let members: usize = iter::members(&self.tree, 0..looked_at)
            .map(Member::block_bytes)
            .sum();
        let of_all = (members as f64 / looked_at.max(1) as f64 * len as f64) as usize;
        let index = if looked_at == len {
            self.table.stats().bytes + self.tree.heap_bytes(0)
        } else {
            len * ELEMENT_OVERHEAD_BYTES
        };
        size_of::<Large>() + of_all + index
    }
}

impl std::fmt::Debug for SortedSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts = self.iter().map(|(member, score)| {
            (
                String::from_utf8_lossy(&member.to_vec()).into_owned(),
                score,
            )
        });
        f.debug_list().entries(texts).finish()
    }
}
