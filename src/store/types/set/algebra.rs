//! Intersection, difference and union of sets.
//!
//! A missing key is no set at all to these functions, and counts as an empty one. Sets are cheap to clone, so the
//! callers pass clones of what lies in the keyspace, and nothing here borrows from it.

use super::{Set, SetLimits};
use crate::store::encoding::flat::Item;

/// Going through the first set and asking all others is preferred to removing the members of all others from it up to
/// this ratio of the work that both take, for it needs no copy.
const ASKING_ADVANTAGE: usize = 2;

/// Visits the members that all of `sets` have, until `each` answers false. The sets are put in order of their sizes:
/// the smallest is gone through, and the others are asked.
pub fn intersection(sets: &mut [Set], mut each: impl FnMut(Item<'_>) -> bool) {
    sets.sort_by_key(Set::len);
    let Some((first, others)) = sets.split_first() else {
        return;
    };
    for item in first.iter() {
        let in_all = others
            .iter()
            .all(|set| set.is_same(first) || set.contains_item(item));
        if in_all && !each(item) {
            return;
        }
    }
}

/// Visits the members of `first` that none of `others` has.
pub fn difference(first: &Set, others: &mut [Set], mut each: impl FnMut(Item<'_>)) {
    if others.iter().any(|set| set.is_same(first)) {
        return;
    }
    let asking = first.len().saturating_mul(others.len() + 1) / ASKING_ADVANTAGE;
    let removing = first.len() + others.iter().map(Set::len).sum::<usize>();
    if asking > removing {
        let mut rest = first.clone();
        for set in others {
            for item in set.iter() {
                rest.remove_item(item);
            }
            if rest.is_empty() {
                return;
            }
        }
        return rest.iter().for_each(each);
    }
    // The largest is the most likely to have a member.
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    for item in first.iter() {
        if !others.iter().any(|set| set.contains_item(item)) {
            each(item);
        }
    }
}

/// Adds the members of all of `sets` to `union`.
pub fn unite(union: &mut Set, sets: &[Set], limits: SetLimits) {
    for set in sets {
        for item in set.iter() {
            union.insert_item(item, limits);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const TINY: SetLimits = SetLimits {
        intset_entries: 8,
        listpack_entries: 6,
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

            let mut found = Model::new();
            intersection(&mut sets, |item| {
                collect(&mut found, item);
                true
            });
            let mut want: Model = models[0].clone();
            want.retain(|text| models.iter().all(|model| model.contains(text)));
            prop_assert_eq!(&found, &want);

            let (mut union, mut found) = (Set::new(), Model::new());
            unite(&mut union, &sets, TINY);
            union.iter().for_each(|item| collect(&mut found, item));
            let want: Model = models.into_iter().flatten().collect();
            prop_assert_eq!(found, want);
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
