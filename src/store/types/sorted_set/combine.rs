//! Several sets at once: union, intersection and difference of sorted sets, and of sets, whose members all have the
//! score 1.
//!
//! The inputs are clones, which share everything with what is stored, so that a result may take the place of one of
//! them.

use std::cmp::Reverse;

use super::SortedSet;
use crate::store::encoding::flat::Item;
use crate::store::member::{Member, Word};
use crate::store::table::{HashSeed, Table};
use crate::store::types::set::Set;

/// The score of a set's member.
const SET_SCORE: f64 = 1.0;

/// An input that is there.
#[derive(Clone, Debug)]
pub enum Source {
    /// A sorted set.
    Sorted(SortedSet),
    /// A set.
    Plain(Set),
}

/// An input with the factor for its scores.
#[derive(Clone, Debug)]
pub struct Input {
    /// Nothing for a key that is not there.
    pub source: Option<Source>,
    /// The factor.
    pub weight: f64,
}

/// What is made of the scores of a member that several inputs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Aggregate {
    fn of(self, score: f64, other: f64) -> f64 {
        match self {
            // The sum of the two infinities is 0 here.
            Aggregate::Sum => zero_for_nan(score + other),
            Aggregate::Min if other < score => other,
            Aggregate::Max if other > score => other,
            Aggregate::Min | Aggregate::Max => score,
        }
    }
}

/// 0 times infinity is 0 here.
fn zero_for_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

impl Input {
    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.source {
            Some(Source::Sorted(set)) => set.len(),
            Some(Source::Plain(set)) => set.len(),
            None => 0,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self.source.as_ref()? {
            Source::Sorted(set) => set.score(member),
            Source::Plain(set) => set.contains(member).then_some(SET_SCORE),
        }
    }

    /// Visits members with their scores until `each` says false.
    fn visit(&self, mut each: impl FnMut(Item<'_>, f64) -> bool) {
        match &self.source {
            Some(Source::Sorted(set)) => {
                set.iter().all(|(member, score)| each(member, score));
            }
            Some(Source::Plain(set)) => {
                set.iter().all(|member| each(member, SET_SCORE));
            }
            None => {}
        }
    }
}

/// The members that any of the inputs has, in no order.
pub fn union(inputs: &mut [Input], aggregate: Aggregate) -> Vec<Member> {
    // Sums of doubles depend on the order: the smallest input comes first.
    inputs.sort_by_key(Input::len);
    let mut union: Table<Member> = Table::new(HashSeed::of_process());
    let mut scratch = itoa::Buffer::new();
    for input in inputs.iter() {
        input.visit(|member, score| {
            let score = zero_for_nan(score * input.weight);
            let member = member.text(&mut scratch);
            let (mut slot, inserted) =
                union.find_or_insert_with(member, || Member::new(member, &[], Word::Score(score)));
            if !inserted {
                let score = aggregate.of(slot.score(), score);
                slot.set_word(Word::Score(score));
            }
            true
        });
    }
    union.iter().map(|member| Member::clone(&member)).collect()
}

/// Visits the members that all of the inputs have, with their scores, until `each` says false.
pub fn intersection(
    inputs: &mut [Input],
    aggregate: Aggregate,
    mut each: impl FnMut(&[u8], f64) -> bool,
) {
    inputs.sort_by_key(Input::len);
    let Some((first, others)) = inputs.split_first() else {
        return;
    };
    let mut scratch = itoa::Buffer::new();
    first.visit(|member, score| {
        let member = member.text(&mut scratch);
        let mut score = zero_for_nan(score * first.weight);
        for other in others {
            match other.score(member) {
                Some(value) => score = aggregate.of(score, value * other.weight),
                None => return true,
            }
        }
        each(member, score)
    });
}

/// The members of the first input that none of the others has, with their scores in the first.
pub fn difference(inputs: &mut [Input]) -> Vec<Member> {
    let Some((first, others)) = inputs.split_first_mut() else {
        return Vec::new();
    };
    // The larger one is, the sooner it tells that a member has to go.
    others.sort_by_key(|input| Reverse(input.len()));
    let mut scratch = itoa::Buffer::new();
    let mut left = Vec::new();
    first.visit(|member, score| {
        let member = member.text(&mut scratch);
        if others.iter().all(|other| other.score(member).is_none()) {
            left.push(Member::new(member, &[], Word::Score(score)));
        }
        true
    });
    left
}
