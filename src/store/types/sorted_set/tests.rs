//! Random changes of a sorted set against a map, in both forms and with snapshots, and the forms themselves.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A few members, integers among them, and scores of which many are equal.
fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..40u8).prop_map(|number| number.to_string().into_bytes()),
        (0..60u8).prop_map(|number| format!("m{number:02}").into_bytes()),
        (0..2u8).prop_map(|number| vec![b'x'; 30 + usize::from(number)]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-6..6i8).prop_map(f64::from),
        3 => (0..400u16).prop_map(|number| f64::from(number) / 7.0),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(1e300)],
    ]
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRange(usize, usize),
    Snapshot,
    Rebuild,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (member(), score()).prop_map(|(member, score)| Op::Insert(member, score)),
        3 => member().prop_map(Op::Remove),
        1 => (0..100usize, 0..12usize).prop_map(|(from, len)| Op::RemoveRange(from, from + len)),
        1 => Just(Op::Snapshot),
        1 => Just(Op::Rebuild),
    ]
}

type Model = BTreeMap<Vec<u8>, f64>;

fn in_order(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = model.iter().map(|(m, s)| (m.clone(), *s)).collect();
    all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    all
}

fn contents<'a>(iter: impl Iterator<Item = (Item<'a>, f64)>) -> Vec<(Vec<u8>, f64)> {
    iter.map(|(member, score)| (member.to_vec(), score))
        .collect()
}

fn check(set: &SortedSet, model: &Model) {
    let mut want = in_order(model);
    assert_eq!(set.len(), want.len());
    assert_eq!(contents(set.iter()), want);
    for (index, (member, score)) in want.iter().enumerate() {
        assert_eq!(set.score(member), Some(*score));
        assert_eq!(set.rank(member), Some((index, *score)));
    }
    assert_eq!(set.score(b"absent"), None);
    assert_eq!(set.rank(b"absent"), None);
    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, &mut |member, score| {
            seen.push((member.to_vec(), score));
        });
        if cursor == 0 {
            break;
        }
    }
    seen.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    assert_eq!(seen, want);
    want.reverse();
    assert_eq!(contents(set.iter_rev()), want);
}

fn check_ranges(set: &SortedSet, model: &Model, low: f64, high: f64) {
    let want = in_order(model);
    let index_of = |is_in_front: &dyn Fn(f64) -> bool| {
        want.iter().filter(|(_, score)| is_in_front(*score)).count()
    };
    let (begin, end) = (index_of(&|s| s < low), index_of(&|s| s <= high));
    let range = set.score_range(ScoreBound::Included(low), ScoreBound::Included(high));
    assert_eq!(range, begin..end.max(begin));
    let (begin, end) = (index_of(&|s| s <= low), index_of(&|s| s < high));
    let range = set.score_range(ScoreBound::Excluded(low), ScoreBound::Excluded(high));
    assert_eq!(range, begin..end.max(begin));
    let middle: Vec<_> = want[range.clone()].to_vec();
    assert_eq!(contents(set.range(range.clone(), false)), middle);
    let backwards: Vec<_> = middle.into_iter().rev().collect();
    assert_eq!(contents(set.range(range, true)), backwards);
}

fn apply(set: &mut SortedSet, model: &mut Model, op: &Op, limits: Limits) {
    match op {
        Op::Insert(member, score) => {
            let want = match model.insert(member.clone(), *score) {
                None => Change::Added,
                Some(old) if old == *score => {
                    // A zero keeps its sign.
                    model.insert(member.clone(), old);
                    Change::None
                }
                Some(_) => Change::Updated,
            };
            assert_eq!(set.insert(member, *score, limits), want);
        }
        Op::Remove(member) => assert_eq!(set.remove(member), model.remove(member)),
        Op::RemoveRange(from, to) => {
            let all = in_order(model);
            for (member, _) in all.iter().take(*to).skip(*from) {
                model.remove(member);
            }
            set.remove_range(*from..*to);
        }
        Op::Snapshot => {}
        Op::Rebuild => {
            let members = set
                .iter()
                .map(|(member, score)| Member::new(&member.to_vec(), &[], Word::Score(score)));
            *set = SortedSet::from_members(members.collect(), limits);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 150 }))]

    #[test]
    fn behaves_like_a_map_in_order(
        ops in prop::collection::vec(op(), 0..200),
        entries in prop_oneof![Just(0usize), Just(4), Just(20), Just(1000)],
        bounds in (score(), score()),
    ) {
        let limits = Limits { entries, value_bytes: 30 };
        let (mut set, mut model) = (SortedSet::new(), Model::new());
        let mut snapshots = Vec::new();
        for op in &ops {
            if matches!(op, Op::Snapshot) && snapshots.len() < 4 {
                snapshots.push((set.clone(), model.clone()));
            }
            apply(&mut set, &mut model, op, limits);
            let small = set.encoding_name() == "listpack";
            prop_assert!(!small || set.len() <= entries);
        }
        snapshots.push((set, model));
        for (set, model) in &snapshots {
            check(set, model);
            check_ranges(set, model, bounds.0, bounds.1);
        }
    }

    #[test]
    fn texts_are_found_in_a_set_of_one_score(
        members in prop::collection::btree_set(member(), 0..60),
        low in member(),
        high in member(),
        entries in prop_oneof![Just(0usize), Just(1000)],
    ) {
        let limits = Limits { entries, value_bytes: 64 };
        let mut set = SortedSet::new();
        for member in members.iter().rev() {
            set.insert(member, 0.0, limits);
        }
        let count = |is: &dyn Fn(&[u8]) -> bool| members.iter().filter(|text| is(text)).count();
        let begin = count(&|text| text < low.as_slice());
        let end = count(&|text| text <= high.as_slice()).max(begin);
        let range = set.lex_range(LexBound::Included(&low), LexBound::Included(&high));
        prop_assert_eq!(range, begin..end);
        let begin = count(&|text| text <= low.as_slice());
        let end = count(&|text| text < high.as_slice()).max(begin);
        let range = set.lex_range(LexBound::Excluded(&low), LexBound::Excluded(&high));
        prop_assert_eq!(range, begin..end);
        prop_assert_eq!(set.lex_range(LexBound::First, LexBound::Last), 0..members.len());
        prop_assert!(set.lex_range(LexBound::Last, LexBound::First).is_empty());
    }
}

#[test]
fn a_large_set_takes_few_bytes_in_its_index() {
    let limits = Limits {
        entries: 0,
        value_bytes: 0,
    };
    let mut set = SortedSet::new();
    let mut rng = fastrand::Rng::with_seed(7);
    for number in 0..2000 {
        set.insert(format!("member:{number:010}").as_bytes(), rng.f64(), limits);
    }
    assert_eq!(set.encoding_name(), "skiplist");
    let estimate = set.memory_bytes(5) as f64 / set.memory_bytes(0) as f64;
    assert!((0.5..2.0).contains(&estimate), "{estimate}");
}

#[test]
fn the_small_form_is_that_of_a_listpack() {
    let limits = Limits {
        entries: 128,
        value_bytes: 64,
    };
    let mut set = SortedSet::new();
    for (member, score) in [
        ("b", 2.0),
        ("10", 1.5),
        ("a", 2.0),
        ("c", f64::NEG_INFINITY),
    ] {
        set.insert(member.as_bytes(), score, limits);
    }
    let texts: Vec<Vec<u8>> = set
        .flat()
        .unwrap()
        .iter()
        .map(|item| item.to_vec())
        .collect();
    let texts: Vec<_> = texts
        .iter()
        .map(|text| std::str::from_utf8(text).unwrap())
        .collect();
    assert_eq!(texts, ["c", "-inf", "10", "1.5", "a", "2", "b", "2"]);
}

/// Some thousand members, so that the tree has several levels, and each kind of change at every place.
#[test]
fn many_changes_leave_what_a_map_has() {
    let limits = Limits {
        entries: 0,
        value_bytes: 0,
    };
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut set, mut model) = (SortedSet::new(), Model::new());
    for round in 0..if cfg!(miri) { 300 } else { 12_000 } {
        let member = format!("m{}", rng.u32(..3000)).into_bytes();
        match rng.u32(..10) {
            0 => assert_eq!(set.remove(&member), model.remove(&member)),
            1..=3 => {
                // A little more than before, which keeps it among its neighbours or in its chunk.
                if let Some(score) = model.get_mut(&member) {
                    *score += rng.f64();
                    set.insert(&member, *score, limits);
                }
            }
            _ => {
                let score = f64::from(rng.u32(..500));
                set.insert(&member, score, limits);
                model.insert(member, score);
            }
        }
        if round % 4000 == 3999 {
            check(&set, &model);
            check_ranges(&set, &model, 100.0, 400.0);
        }
    }
    let half = set.len() / 2;
    let gone: Vec<_> = in_order(&model).into_iter().take(half).collect();
    gone.iter().for_each(|(member, _)| {
        model.remove(member);
    });
    set.remove_range(0..half);
    check(&set, &model);
}
