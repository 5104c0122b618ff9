//! Intersection, difference and union of sets.
//!
//! A missing key is no set at all to these functions, and counts as an empty one. Sets are cheap to clone, so the
//! callers pass clones of what lies in the keyspace, and nothing here borrows from it.

use std::collections::HashSet;

use super::{Set, SetLimits};
use crate::store::encoding::flat::Item;
use crate::store::table::HashSeed;
use crate::text::number::parse_i64;

/// A listpack of more members is asked by an index, for more questions than that.
const WORTH_AN_INDEX: usize = 8;

/// Going through the first set and asking all others is preferred to removing the members of all others from it up to
/// this ratio of the work that both take, for it needs no copy.
const ASKING_ADVANTAGE: usize = 2;

/// Up to so many sets, a union asks the earlier ones for each member instead of collecting them in another set.
const MAX_ASKED: usize = 4;

/// Visits the members that all of `sets` have, until `each` answers false. The sets are put in order of their sizes:
/// the smallest is gone through, and the others are asked.
pub fn intersection<'a>(sets: &'a mut [Set], mut each: impl FnMut(Item<'a>) -> bool) {
    sets.sort_by_key(Set::len);
    let Some((first, others)) = sets.split_first() else {
        return;
    };
    let others = others.iter().filter(|set| !set.is_same(first));
    let others: Vec<Asked<'_>> = others.map(|set| Asked::new(set, first.len())).collect();
    for item in first.iter() {
        if others.iter().all(|set| set.contains(item)) && !each(item) {
            return;
        }
    }
}

/// The set of the members that all of `sets` have.
pub fn common(sets: &mut [Set], limits: SetLimits) -> Set {
    let mut found = Vec::new();
    intersection(sets, |item| {
        found.push(item);
        true
    });
    Set::of_distinct(found.into_iter(), limits)
}

/// Visits the members of `first` that none of `others` has.
pub fn difference(first: &Set, others: &mut [Set], each: impl FnMut(Item<'_>)) {
    match by_removing(first, others) {
        Some(rest) => rest.iter().for_each(each),
        None => by_asking(first, others, each),
    }
}

/// The set of the members of `first` that none of `others` has.
pub fn remainder(first: &Set, others: &mut [Set], limits: SetLimits) -> Set {
    if let Some(rest) = by_removing(first, others) {
        return Set::of_distinct(rest.iter(), limits);
    }
    let mut found = Vec::new();
    by_asking(first, others, |item| found.push(item));
    Set::of_distinct(found.into_iter(), limits)
}

/// The difference, if it is cheaper to get by removing members from a copy.
fn by_removing(first: &Set, others: &[Set]) -> Option<Set> {
    let asking = first.len().saturating_mul(others.len() + 1) / ASKING_ADVANTAGE;
    let removing = first.len() + others.iter().map(Set::len).sum::<usize>();
    if asking <= removing || others.iter().any(|set| set.is_same(first)) {
        return None;
    }
    let mut rest = first.clone();
    for set in others {
        for item in set.iter() {
            rest.remove_item(item);
        }
        if rest.is_empty() {
            break;
        }
    }
    Some(rest)
}

/// Visits the difference by asking the other sets for each member.
fn by_asking<'a>(first: &'a Set, others: &mut [Set], mut each: impl FnMut(Item<'a>)) {
    if others.iter().any(|set| set.is_same(first)) {
        return;
    }
    // The largest is the most likely to have a member.
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let others = others.iter().map(|set| Asked::new(set, first.len()));
    let others: Vec<Asked<'_>> = others.collect();
    for item in first.iter() {
        if !others.iter().any(|set| set.contains(item)) {
            each(item);
        }
    }
}

/// Visits each member of any of `sets` once.
pub fn union(sets: &[Set], limits: SetLimits, mut each: impl FnMut(Item<'_>)) {
    let are_integers = sets.iter().all(|set| set.integers().is_some());
    // Sorted integers are shown in order.
    if sets.len() > MAX_ASKED || (are_integers && sets.len() > 1) {
        return united(sets, limits).iter().for_each(each);
    }
    let mut earlier: Vec<Asked<'_>> = Vec::new();
    let mut to_come: usize = sets.iter().map(Set::len).sum();
    for set in sets {
        for item in set.iter() {
            if !earlier.iter().any(|set| set.contains(item)) {
                each(item);
            }
        }
        to_come -= set.len();
        earlier.push(Asked::new(set, to_come));
    }
}

/// The set of the members of all of `sets`.
pub fn united(sets: &[Set], limits: SetLimits) -> Set {
    let becomes_table = |set: &&Set| {
        let mut members = set.iter();
        members
            .next()
            .is_some_and(|first| limits.demand_table(set.len(), first))
    };
    // Most of a large union is taken at once; a small one has the order of the sets.
    let largest = sets
        .iter()
        .max_by_key(|set| set.len())
        .filter(becomes_table);
    let mut union = largest.map_or_else(Set::new, |set| Set::of_distinct(set.iter(), limits));
    let is_in = |set: &Set| largest.is_some_and(|largest| set.is_same(largest));
    for set in sets.iter().filter(|set| !is_in(set)) {
        for item in set.iter() {
            union.insert_item(item, limits);
        }
    }
    union
}

/// A set that is asked for members.
enum Asked<'a> {
    Set(&'a Set),
    /// The members of a listpack, of which each question would go through half.
    Index(HashSet<Item<'a>, HashSeed>),
}

impl<'a> Asked<'a> {
    fn new(set: &'a Set, questions: usize) -> Self {
        if questions > WORTH_AN_INDEX && set.len() > WORTH_AN_INDEX && set.is_listpack() {
            let mut index = HashSet::with_capacity_and_hasher(set.len(), HashSeed::of_process());
            index.extend(set.iter().map(canonical));
            return Asked::Index(index);
        }
        Asked::Set(set)
    }

    fn contains(&self, item: Item<'_>) -> bool {
        match self {
            Asked::Set(set) => set.contains_item(item),
            Asked::Index(index) => index.contains(&canonical(item)),
        }
    }
}

/// The one form of a text: an integer where it is one.
fn canonical(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Bytes(text) => parse_i64(text).map_or(item, Item::Int),
        Item::Int(_) => item,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const TINY: SetLimits = SetLimits {
        intset_entries: 8,
        listpack_entries: 12,
        listpack_value: 8,
    };

    type Model = BTreeSet<String>;

    fn set_of(model: &Model) -> Set {
        let mut set = Set::new();
        for text in model {
            set.insert(text.as_bytes(), TINY);
        }
        set
    }

    fn collect(set: &mut Model, item: Item<'_>) {
        let text = String::from_utf8(item.to_vec()).expect("the members are text");
        assert!(set.insert(text), "each is shown once");
    }

    fn model() -> impl Strategy<Value = Model> {
        prop_oneof![
            prop::collection::btree_set((0u8..20).prop_map(|n| n.to_string()), 0..16),
            prop::collection::btree_set("[a-d0-3]{1,2}", 0..16),
        ]
    }

    /// A set that is to be stored has these members, each once, and the encoding that adding them would give it.
    fn check_stored(set: &Set, want: &Model) -> Result<(), TestCaseError> {
        let mut found = Model::new();
        set.iter().for_each(|item| collect(&mut found, item));
        prop_assert_eq!(&found, want);
        if set.len() > TINY.intset_entries.max(TINY.listpack_entries) {
            prop_assert_eq!(set.encoding_name(), "hashtable");
        } else if want.iter().all(|text| parse_i64(text.as_bytes()).is_some())
            && want.len() <= TINY.intset_entries
        {
            prop_assert_eq!(set.encoding_name(), "intset");
        } else if want.len() <= TINY.listpack_entries.min(TINY.intset_entries) {
            prop_assert_eq!(set.encoding_name(), "listpack");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn they_agree_with_tree_sets(models in prop::collection::vec(model(), 1..8), twice in any::<bool>()) {
            let mut sets: Vec<Set> = models.iter().map(set_of).collect();
            if twice {
                sets.push(sets[0].clone());
            }
            let (first, mut found) = (sets[0].clone(), Model::new());
            difference(&first, &mut sets[1..], |item| collect(&mut found, item));
            let mut want: Model = models[0].clone();
            want.retain(|text| !twice && !models[1..].iter().any(|model| model.contains(text)));
            prop_assert_eq!(&found, &want);
            check_stored(&remainder(&first, &mut sets[1..], TINY), &want)?;

            let mut found = Model::new();
            intersection(&mut sets, |item| {
                collect(&mut found, item);
                true
            });
            let mut want: Model = models[0].clone();
            want.retain(|text| models.iter().all(|model| model.contains(text)));
            prop_assert_eq!(&found, &want);
            check_stored(&common(&mut sets, TINY), &want)?;

            let want: Model = models.into_iter().flatten().collect();
            let mut found = Model::new();
            union(&sets, TINY, |item| collect(&mut found, item));
            prop_assert_eq!(&found, &want);
            check_stored(&united(&sets, TINY), &want)?;
        }
    }

    #[test]
    fn an_intersection_ends_when_told() {
        let model: Model = (0..20).map(|number| number.to_string()).collect();
        let mut seen = 0;
        intersection(&mut [set_of(&model), set_of(&model)], |_| {
            seen += 1;
            seen < 3
        });
        assert_eq!(seen, 3);
    }
}
