//! [`Set`] against a tree set of byte strings, in all encodings and on the way between them.
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

type Model = BTreeSet<Vec<u8>>;

const DEFAULT: SetLimits = SetLimits {
    intset_entries: 512,
    listpack_entries: 128,
    listpack_value: 64,
};
const TINY: SetLimits = SetLimits {
    intset_entries: 6,
    listpack_entries: 4,
    listpack_value: 5,
};

fn texts(set: &Set) -> Vec<Vec<u8>> {
    set.iter().map(|item| item.to_vec()).collect()
}

/// A set with these members, added one after the other.
fn set_of<T: AsRef<[u8]>>(members: impl IntoIterator<Item = T>, limits: SetLimits) -> Set {
    let mut set = Set::new();
    for member in members {
        set.insert(member.as_ref(), limits);
    }
    set
}

fn numbers(range: std::ops::Range<i64>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

fn words(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("member:{number}"))
}

/// One set of each encoding with so many members: an intset, a listpack, a table.
fn each_encoding(count: usize) -> [Set; 3] {
    let limits = SetLimits {
        listpack_entries: count,
        intset_entries: count,
        ..DEFAULT
    };
    let table = SetLimits {
        listpack_entries: 0,
        ..DEFAULT
    };
    let sets = [
        set_of(numbers(0..count as i64), limits),
        set_of(words(count), limits),
        set_of(words(count), table),
    ];
    let names = sets.each_ref().map(Set::encoding_name);
    assert_eq!(names, ["intset", "listpack", "hashtable"]);
    sets
}

#[test]
fn the_encoding_is_that_of_redis_at_its_sizes() {
    let long = "x".repeat(65);
    let fits = "x".repeat(64);
    let steps = |first: Vec<String>, then: &str| {
        let mut set = set_of(first, DEFAULT);
        let before = set.encoding_name();
        set.insert(then.as_bytes(), DEFAULT);
        [before, set.encoding_name()]
    };
    for (first, then, names) in [
        (numbers(0..511).collect(), "511", ["intset", "intset"]),
        (numbers(0..512).collect(), "512", ["intset", "hashtable"]),
        (numbers(0..512).collect(), "511", ["intset", "intset"]),
        (numbers(0..127).collect(), "a", ["intset", "listpack"]),
        (numbers(0..128).collect(), "a", ["intset", "hashtable"]),
        (numbers(0..3).collect(), &long, ["intset", "hashtable"]),
        (vec![], "a", ["intset", "listpack"]),
        (words(127).collect(), "1", ["listpack", "listpack"]),
        (words(128).collect(), "1", ["listpack", "hashtable"]),
        (words(2).collect(), &fits, ["listpack", "listpack"]),
        (words(2).collect(), &long, ["listpack", "hashtable"]),
        (words(128).collect(), "member:5", ["listpack", "listpack"]),
    ] {
        let count = first.len();
        assert_eq!(steps(first, then), names, "{count} and {then}");
    }
}

#[test]
fn what_is_announced_decides_the_encoding() {
    for (first, count, name) in [
        ("1", 512, "intset"),
        ("1", 513, "hashtable"),
        ("a", 128, "listpack"),
        ("a", 129, "hashtable"),
    ] {
        let set = Set::for_members(first.as_bytes(), count, DEFAULT);
        assert_eq!(set.encoding_name(), name, "{first} {count}");
        let mut grown = set_of([first], DEFAULT);
        grown.reserve(count, DEFAULT);
        assert_eq!(grown.encoding_name(), name, "{first} {count}");
        assert_eq!(texts(&grown), [first.as_bytes()]);
    }
}

#[test]
fn sampling_is_fair_and_without_repetition() {
    const MEMBERS: usize = 12;
    const ROUNDS: usize = 4000;
    let mut rng = fastrand::Rng::with_seed(7);
    for set in each_encoding(MEMBERS) {
        for count in [1, 3, 7, 11] {
            let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
            for _ in 0..ROUNDS {
                let mut one = BTreeSet::new();
                set.sample(count, &mut rng, |item| assert!(one.insert(item.to_vec())));
                assert_eq!(one.len(), count);
                one.into_iter()
                    .for_each(|text| *seen.entry(text).or_default() += 1);
            }
            let expected = (ROUNDS * count / MEMBERS) as f64;
            assert_eq!(seen.len(), MEMBERS);
            for (text, times) in seen {
                let error = (times as f64 - expected).abs() / expected;
                assert!(error < 0.2, "{text:?} {times} of {expected} in {count}");
            }
        }
    }
}

#[test]
fn draws_are_fair_and_end_when_told() {
    let mut rng = fastrand::Rng::with_seed(8);
    for set in each_encoding(10) {
        let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut draws = 0;
        set.draw(&mut rng, |item| {
            *seen.entry(item.to_vec()).or_default() += 1;
            draws += 1;
            draws < 10_000
        });
        assert_eq!((draws, seen.len()), (10_000, 10));
        assert!(seen.values().all(|times| (800..1200).contains(times)));
    }
    Set::new().draw(&mut rng, |_| panic!("there is nothing to draw"));
}

#[test]
fn pops_take_what_they_show() {
    let mut rng = fastrand::Rng::with_seed(9);
    for count in [1, 5, 60, 99] {
        for mut set in each_encoding(100) {
            let mut all: Model = texts(&set).into_iter().collect();
            let before = set.clone();
            set.pop_some(count, &mut rng, DEFAULT, |item| {
                assert!(all.remove(&item.to_vec()))
            });
            assert_eq!(texts(&set).into_iter().collect::<Model>(), all);
            assert_eq!((set.len(), before.len()), (100 - count, 100));
        }
    }
}

#[test]
fn a_table_of_which_most_is_taken_becomes_small() {
    let mut rng = fastrand::Rng::with_seed(10);
    let mut set = set_of(words(500), DEFAULT);
    set.pop_some(100, &mut rng, DEFAULT, |_| ());
    assert_eq!(set.encoding_name(), "hashtable");
    set.pop_some(380, &mut rng, DEFAULT, |_| ());
    assert_eq!((set.encoding_name(), set.len()), ("listpack", 20));
}

#[test]
fn a_scan_shows_every_member_once_while_others_come_and_go() {
    let mut set = set_of(words(3000), DEFAULT);
    let (mut cursor, mut seen, mut steps) = (0, Vec::new(), 0);
    loop {
        cursor = set.scan(cursor, &mut |item| seen.push(item.to_vec()));
        if cursor == 0 {
            break;
        }
        steps += 1;
        set.insert(format!("new:{steps}").as_bytes(), DEFAULT);
    }
    seen.retain(|text| text.starts_with(b"member:"));
    let count = seen.len();
    let different: Model = seen.into_iter().collect();
    assert_eq!((count, different.len()), (3000, 3000));
}

#[test]
fn sizes_are_estimated_close_to_what_they_are() {
    for set in each_encoding(20_000) {
        let (all, some) = (set.memory_bytes(0), set.memory_bytes(5));
        assert!(some > all * 9 / 10 && some < all * 11 / 10, "{some} {all}");
    }
    let large = set_of(words(100_000), DEFAULT);
    let (all, some) = (large.memory_bytes(0), large.memory_bytes(5));
    assert!(some > all * 3 / 4 && some < all * 5 / 4, "{some} {all}");
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<u8>),
    InsertItem(i64),
    Remove(Vec<u8>),
    Pop(u64),
    PopSome(u64, usize),
    Reserve(usize),
    Snapshot,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (-5i64..20).prop_map(|value| value.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        4 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..90),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => member().prop_map(Op::Insert),
        2 => (-5i64..20).prop_map(Op::InsertItem),
        6 => member().prop_map(Op::Remove),
        1 => any::<u64>().prop_map(Op::Pop),
        1 => (any::<u64>(), 0usize..20).prop_map(|(seed, count)| Op::PopSome(seed, count)),
        1 => (0usize..8).prop_map(Op::Reserve),
        1 => Just(Op::Snapshot),
    ]
}

fn apply(set: &mut Set, model: &mut Model, op: &Op, limits: SetLimits) {
    match op {
        Op::Insert(text) => assert_eq!(set.insert(text, limits), model.insert(text.clone())),
        Op::InsertItem(value) => {
            let text = value.to_string().into_bytes();
            assert_eq!(
                set.insert_item(Item::Int(*value), limits),
                model.insert(text)
            );
        }
        Op::Remove(text) => assert_eq!(set.remove(text), model.remove(text)),
        Op::Pop(seed) => {
            let popped = set.pop(&mut fastrand::Rng::with_seed(*seed), |item| item.to_vec());
            assert_eq!(popped.is_none(), model.is_empty());
            assert!(popped.is_none_or(|text| model.remove(&text)));
        }
        Op::PopSome(seed, count) if *count < model.len() => {
            let mut rng = fastrand::Rng::with_seed(*seed);
            set.pop_some(*count, &mut rng, limits, |item| {
                assert!(model.remove(&item.to_vec()));
            });
        }
        Op::PopSome(..) => {}
        Op::Reserve(count) => set.reserve(*count, limits),
        Op::Snapshot => {}
    }
}

fn check(set: &Set, model: &Model) {
    assert_eq!((set.len(), set.iter().len()), (model.len(), model.len()));
    let mut own = texts(set);
    own.sort();
    assert!(own.iter().eq(model.iter()));
    for item in set.iter() {
        assert!(set.contains(&item.to_vec()) && set.contains_item(item));
    }
    let mut scanned = 0;
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, &mut |_| scanned += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(scanned, model.len());
}

proptest! {
    #[test]
    fn it_holds_what_a_tree_set_holds(ops in prop::collection::vec(op(), 0..80), tiny in any::<bool>()) {
        let limits = if tiny { TINY } else { DEFAULT };
        let (mut set, mut model) = (Set::new(), Model::new());
        let mut snapshots = Vec::new();
        for op in &ops {
            if matches!(op, Op::Snapshot) {
                snapshots.push((set.clone(), model.clone()));
            }
            apply(&mut set, &mut model, op, limits);
        }
        check(&set, &model);
        for (set, model) in &snapshots {
            check(set, model);
        }
    }
}
