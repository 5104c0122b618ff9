//! Tests of the table against plain models, with good hashes and with ones that collide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::forget;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::walk::end_of;
use super::*;

/// Counts the elements of one test that are alive.
type Live = Arc<AtomicUsize>;

struct Element {
    key: Vec<u8>,
    value: u64,
    deadline_ms: u64,
    live: Live,
}

impl Drop for Element {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A node made of an `Arc`.
#[repr(transparent)]
struct TestNode(NonNull<u8>);

// SAFETY: the pointer is that of an `Arc` of a type that is `Send + Sync`.
unsafe impl Send for TestNode {}
// SAFETY: as above.
unsafe impl Sync for TestNode {}

impl TestNode {
    fn new(key: &[u8], value: u64, deadline_ms: u64, live: &Live) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        let element = Element {
            key: key.to_vec(),
            value,
            deadline_ms,
            live: live.clone(),
        };
        let raw = Arc::into_raw(Arc::new(element));
        TestNode(NonNull::new(raw.cast_mut().cast()).unwrap())
    }

    fn element(&self) -> &Element {
        // SAFETY: the pointer came from `Arc::into_raw`, and this node holds a reference.
        unsafe { self.0.cast().as_ref() }
    }

    fn value(&self) -> u64 {
        self.element().value
    }
}

impl Clone for TestNode {
    fn clone(&self) -> Self {
        // SAFETY: the pointer came from `Arc::into_raw`, and this node holds a reference.
        unsafe { Arc::increment_strong_count(self.0.as_ptr().cast::<Element>()) };
        TestNode(self.0)
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        // SAFETY: gives up the reference that this node holds.
        unsafe { Arc::decrement_strong_count(self.0.as_ptr().cast::<Element>()) };
    }
}

// SAFETY: transparent over the pointer of an `Arc`; no method panics or changes the key.
unsafe impl Node for TestNode {
    fn into_raw(self) -> NonNull<u8> {
        let raw = self.0;
        forget(self);
        raw
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        TestNode(raw)
    }

    fn key(&self) -> &[u8] {
        &self.element().key
    }

    fn deadline_ms(&self) -> u64 {
        self.element().deadline_ms
    }
}

/// A hash of which only some bits differ between keys.
#[derive(Clone, Copy, Debug)]
struct Masked(u64);

impl KeyHash for Masked {
    fn hash(&self, key: &[u8]) -> u64 {
        HashSeed::fixed(7).hash(key) & self.0
    }
}

/// All bits; few leading bits; all keys alike; only tags differ; the leading bits are alike; only they differ.
const MASKS: [u64; 6] = [
    u64::MAX,
    0xf000_0000_0000_00ff,
    0,
    0xff,
    0x0000_0fff_ffff_ffff,
    0xffff_f000_0000_0000,
];

type TestTable = Table<TestNode, Masked>;
/// Value and deadline by key.
type Model = BTreeMap<u32, (u64, u64)>;

fn key_of(number: u32) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn node_of(number: u32, value: u64, live: &Live) -> TestNode {
    TestNode::new(&key_of(number), value, NO_DEADLINE, live)
}

/// Checks counts, bounds, and the place of every element.
fn check_structure(table: &TestTable) {
    let mut elements = 0;
    let mut position = 0;
    if let Some(root) = &table.root {
        loop {
            let page = root.get(position);
            let segment = page.get(position);
            assert!(root.bound_ms() <= page.bound_ms());
            assert!(page.bound_ms() <= segment.bound_ms());
            segment.check(position, |key| table.hash(key));
            elements += segment.count();
            position = end_of(segment.depth(), position);
            if position == 0 {
                break;
            }
        }
    }
    assert_eq!(elements, table.len());
    assert_eq!(table.is_empty(), table.root.is_none());
}

#[test]
fn a_table_made_in_its_size_is_one_like_any_other() {
    let live = Live::default();
    for mask in MASKS {
        // Tables of keys that collide are slow, and the large ones take no other way.
        let counts: &[u32] = if mask == u64::MAX {
            &[0, 1, 7, 900, 901, 1_801, 20_000]
        } else {
            &[0, 1, 7, 1_801]
        };
        for &count in counts {
            let nodes = (0..count).map(|number| node_of(number, number.into(), &live));
            let mut table = TestTable::of_distinct(count as usize, nodes, Masked(mask));
            check_structure(&table);
            let mut model: Model = (0..count)
                .map(|number| (number, (number.into(), NO_DEADLINE)))
                .collect();
            check_content(&table, &model);
            for number in (0..count).step_by(3) {
                assert!(table.remove(&key_of(number)).is_some());
                model.remove(&number);
            }
            check_structure(&table);
            check_content(&table, &model);
        }
    }
}

fn number_of(node: &TestNode) -> u32 {
    std::str::from_utf8(&node.key()[4..])
        .unwrap()
        .parse()
        .unwrap()
}

fn check_content(table: &TestTable, model: &Model) {
    assert_eq!(table.len(), model.len());
    let content: Model = table
        .iter()
        .map(|node| (number_of(&node), (node.value(), node.element().deadline_ms)))
        .collect();
    assert_eq!(&content, model);
    for number in model.keys() {
        let found = table.get(&key_of(*number)).expect("every key is found");
        assert_eq!(found.value(), model[number].0);
    }
    check_structure(table);
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u32, u64, Option<u64>),
    Fill(u32, u32),
    Remove(u32),
    Drain(u32, u32),
    Replace(u32, Option<u64>),
    FindOrInsert(u32, Option<u64>),
    Snapshot,
    Forget(usize),
    Restore(usize),
    Sweep(u64, usize, usize),
    Scan,
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0..3000u32;
    let deadline = proptest::option::of(0..100u64);
    let op = prop_oneof![
        8 => (key.clone(), any::<u64>(), deadline.clone()).prop_map(|(k, v, d)| Op::Insert(k, v, d)),
        6 => (key.clone(), 1..1500u32).prop_map(|(k, n)| Op::Fill(k, n)),
        6 => key.clone().prop_map(Op::Remove),
        6 => (key.clone(), 1..1500u32).prop_map(|(k, n)| Op::Drain(k, n)),
        6 => (key.clone(), deadline.clone()).prop_map(|(k, d)| Op::Replace(k, d)),
        6 => (key, deadline).prop_map(|(k, d)| Op::FindOrInsert(k, d)),
        4 => Just(Op::Snapshot),
        3 => any::<usize>().prop_map(Op::Forget),
        1 => any::<usize>().prop_map(Op::Restore),
        3 => (0..120u64, 0..800usize, 0..3000usize).prop_map(|(t, r, v)| Op::Sweep(t, r, v)),
        2 => Just(Op::Scan),
        1 => Just(Op::Clear),
    ];
    proptest::collection::vec(op, 1..40)
}

/// A table, its model, and snapshots of both.
struct World {
    table: TestTable,
    model: Model,
    snapshots: Vec<(TestTable, Model)>,
    live: Live,
}

impl World {
    fn new(mask: u64) -> Self {
        World {
            table: Table::new(Masked(mask)),
            model: Model::new(),
            snapshots: Vec::new(),
            live: Live::default(),
        }
    }

    fn node(&self, number: u32, value: u64, deadline: Option<u64>) -> TestNode {
        TestNode::new(
            &key_of(number),
            value,
            deadline.unwrap_or(NO_DEADLINE),
            &self.live,
        )
    }

    fn insert(&mut self, number: u32, value: u64, deadline: Option<u64>) {
        let old = self.table.insert(self.node(number, value, deadline));
        let deadline_ms = deadline.unwrap_or(NO_DEADLINE);
        let expected = self.model.insert(number, (value, deadline_ms));
        assert_eq!(
            old.map(|node| node.value()),
            expected.map(|(value, _)| value)
        );
    }

    fn remove(&mut self, number: u32) {
        let old = self.table.remove(&key_of(number));
        let expected = self.model.remove(&number);
        assert_eq!(
            old.map(|node| node.value()),
            expected.map(|(value, _)| value)
        );
        assert!(!self.table.contains(&key_of(number)));
    }

    fn replace(&mut self, number: u32, deadline: Option<u64>) {
        let node = self.node(number, 77, deadline);
        let slot = self.table.get_mut(&key_of(number));
        assert_eq!(slot.is_some(), self.model.contains_key(&number));
        if let Some(mut slot) = slot {
            assert_eq!(slot.value(), self.model[&number].0);
            *slot = node;
            assert_eq!(slot.value(), 77);
            self.model
                .insert(number, (77, deadline.unwrap_or(NO_DEADLINE)));
        }
    }

    fn find_or_insert(&mut self, number: u32, deadline: Option<u64>) {
        let node = self.node(number, 88, deadline);
        let (slot, inserted) = self.table.find_or_insert_with(&key_of(number), || node);
        assert_eq!(inserted, !self.model.contains_key(&number));
        let entry = (88, deadline.unwrap_or(NO_DEADLINE));
        let expected = *self.model.entry(number).or_insert(entry);
        assert_eq!(slot.into_ref().value(), expected.0);
    }

    fn sweep(&mut self, now_ms: u64, removals: usize, visits: usize) {
        let mut due = Vec::new();
        let budget = DueBudget { removals, visits };
        let swept = self.table.pop_due(now_ms, budget, &mut due);
        assert_eq!(swept.removed, due.len());
        assert!(due.len() <= removals);
        for node in &due {
            let (_, deadline_ms) = self.model.remove(&number_of(node)).expect("was there");
            assert!(deadline_ms <= now_ms);
        }
        if !swept.more {
            assert!(self.model.values().all(|entry| entry.1 > now_ms));
        }
    }

    fn scan(&self) {
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let next = self.table.scan(cursor, &mut |node| {
                assert!(seen.insert(number_of(&node)), "visited twice");
            });
            assert!(next == 0 || next > cursor);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        assert!(seen.iter().eq(self.model.keys()));
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Insert(number, value, deadline) => self.insert(number, value, deadline),
            Op::Fill(from, count) => (from..from + count)
                .for_each(|number| self.insert(number, 5, (number % 3 == 0).then_some(50))),
            Op::Remove(number) => self.remove(number),
            Op::Drain(from, count) => (from..from + count).for_each(|number| self.remove(number)),
            Op::Replace(number, deadline) => self.replace(number, deadline),
            Op::FindOrInsert(number, deadline) => self.find_or_insert(number, deadline),
            Op::Snapshot => self
                .snapshots
                .push((self.table.clone(), self.model.clone())),
            Op::Forget(index) if !self.snapshots.is_empty() => {
                let (table, model) = self.snapshots.swap_remove(index % self.snapshots.len());
                check_content(&table, &model);
            }
            Op::Restore(index) if !self.snapshots.is_empty() => {
                let (table, model) = self.snapshots.swap_remove(index % self.snapshots.len());
                (self.table, self.model) = (table, model);
            }
            Op::Forget(_) | Op::Restore(_) => {}
            Op::Sweep(now_ms, removals, visits) => self.sweep(now_ms, removals, visits),
            Op::Scan => self.scan(),
            Op::Clear => {
                self.table.clear();
                self.model.clear();
            }
        }
        assert_eq!(self.table.len(), self.model.len());
    }

    /// Checks table and snapshots, drops them, and checks that nothing is left.
    fn finish(self) {
        check_content(&self.table, &self.model);
        for (table, model) in &self.snapshots {
            check_content(table, model);
        }
        drop(self.table);
        for (table, model) in self.snapshots {
            check_content(&table, &model);
        }
        assert_eq!(self.live.load(Ordering::Relaxed), 0, "elements leaked");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 32 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_model(ops in ops(), mask in proptest::sample::select(&MASKS[..])) {
        let mut world = World::new(mask);
        for op in &ops {
            world.apply(op);
        }
        world.finish();
    }

    #[test]
    fn any_cursor_is_taken(cursor in any::<u64>(), count in 0..3000u32) {
        let live = Live::default();
        let mut table = TestTable::new(Masked(u64::MAX));
        (0..count).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
        let masked = cursor & ((1 << 48) - 1);
        let mut left = table.iter().filter(|node| table.hash(node.key()) >> 16 >= masked).count();
        let mut cursor = cursor;
        loop {
            cursor = table.scan(cursor, &mut |_| left -= 1);
            if cursor == 0 { break }
        }
        prop_assert_eq!(left, 0);
    }
}

#[test]
fn forced_collisions_are_found_and_removed() {
    for mask in MASKS {
        let mut world = World::new(mask);
        (0..3000).for_each(|number| world.insert(number, u64::from(number), None));
        check_content(&world.table, &world.model);
        world.scan();
        assert!(
            world.table.stats().directory_slots <= 1 << 16,
            "mask {mask:x}"
        );
        (0..2990).for_each(|number| world.remove(number));
        check_content(&world.table, &world.model);
        world.finish();
    }
}

#[test]
fn a_snapshot_keeps_its_content_while_every_element_changes() {
    let mut world = World::new(u64::MAX);
    (0..20_000).for_each(|number| world.insert(number, 1, None));
    world.apply(&Op::Snapshot);
    (0..20_000).for_each(|number| world.replace(number, Some(5)));
    world.apply(&Op::Snapshot);
    (0..19_000).for_each(|number| world.remove(number));
    (30_000..50_000).for_each(|number| world.insert(number, 2, None));
    world.finish();
}

#[test]
fn a_write_under_a_snapshot_copies_one_segment_alone() {
    let live = Live::default();
    let mut table = TestTable::new(Masked(u64::MAX));
    (0..20_000).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
    let snapshot = table.clone();
    let node = node_of(3, 1, &live);
    table.insert(node);
    let links = |table: &TestTable| -> BTreeSet<_> {
        let root = table.root.as_ref().unwrap();
        let segments = root.children().flat_map(|page| page.children());
        segments.map(|segment| segment.link()).collect()
    };
    assert_eq!(links(&table).difference(&links(&snapshot)).count(), 1);
    drop(table);
    assert_eq!(snapshot.get(b"key:3").unwrap().value(), 0);
}

#[test]
fn a_lookup_of_an_absent_key_copies_nothing() {
    let live = Live::default();
    let mut table = TestTable::new(Masked(u64::MAX));
    table.insert(node_of(1, 0, &live));
    let snapshot = table.clone();
    assert!(table.get_mut(b"absent").is_none());
    assert!(table.remove(b"absent").is_none());
    let link = |table: &TestTable| table.root.as_ref().unwrap().get(0).get(0).link();
    assert_eq!(link(&table), link(&snapshot));
}

#[test]
fn snapshots_are_read_and_dropped_on_other_threads() {
    let live = Live::default();
    let mut table = TestTable::new(Masked(u64::MAX));
    let count = if cfg!(miri) { 300 } else { 5000 };
    (0..count).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
    std::thread::scope(|scope| {
        for round in 1..=4u64 {
            let snapshot = table.clone();
            scope.spawn(move || {
                assert_eq!(snapshot.len(), count as usize);
                assert!(snapshot.iter().all(|node| node.value() == round - 1));
            });
            (0..count).for_each(|number| drop(table.insert(node_of(number, round, &live))));
        }
    });
    assert_eq!(live.load(Ordering::Relaxed), count as usize);
    drop(table);
    assert_eq!(live.load(Ordering::Relaxed), 0);
}

#[test]
fn a_scan_visits_once_whatever_grows_splits_shrinks_or_merges() {
    let live = Live::default();
    for round in 0..6u32 {
        let mut table = TestTable::new(Masked(u64::MAX));
        let stable = 0..[10, 300, 3000][round as usize % 3];
        stable
            .clone()
            .for_each(|number| drop(table.insert(node_of(number, 0, &live))));
        let mut seen = HashMap::new();
        let mut rng = fastrand::Rng::with_seed(u64::from(round));
        let (mut cursor, mut calls) = (0, 0);
        loop {
            cursor = table.scan(cursor, &mut |node| {
                *seen.entry(number_of(&node)).or_insert(0) += 1
            });
            assert!(cursor < 1 << 48);
            if cursor == 0 {
                break;
            }
            calls += 1;
            // In turn up to 40,000 others come and go.
            if calls < 40 && calls % 2 == 1 {
                (100_000..100_000 + rng.u32(..20_000))
                    .for_each(|number| drop(table.insert(node_of(number, 1, &live))));
            } else if calls < 40 {
                let from = 100_000 + if rng.bool() { 0 } else { rng.u32(..20_000) };
                (from..120_000).for_each(|number| drop(table.remove(&key_of(number))));
            }
        }
        assert!(stable.clone().all(|number| seen.get(&number) == Some(&1)));
        assert!(seen.values().all(|&times| times == 1));
    }
    assert_eq!(live.load(Ordering::Relaxed), 0);
}

#[test]
fn memory_follows_the_number_of_elements_both_ways() {
    let live = Live::default();
    let mut table = TestTable::new(Masked(u64::MAX));
    assert_eq!(table.allocated_bytes(), 0);
    (0..10).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
    assert!(table.allocated_bytes() <= 300, "{:?}", table.stats());
    (0..100_000).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
    assert!(
        table.allocated_bytes() < 100_000 * 13,
        "{:?}",
        table.stats()
    );
    (100..100_000).for_each(|number| drop(table.remove(&key_of(number))));
    assert!(table.allocated_bytes() < 4000, "{:?}", table.stats());
    (10..100).for_each(|number| drop(table.remove(&key_of(number))));
    assert!(table.allocated_bytes() < 1000, "{:?}", table.stats());
    (0..10).for_each(|number| drop(table.remove(&key_of(number))));
    assert_eq!(table.allocated_bytes(), 0);
}

#[test]
fn every_element_is_counted_in_the_chain_of_its_home() {
    for mask in MASKS {
        let live = Live::default();
        let mut table = TestTable::new(Masked(mask));
        assert_eq!((table.chains().used(), table.chains().longest()), (0, 0));
        for number in 0..3000 {
            drop(table.insert(node_of(number, 0, &live)));
        }
        let (chains, stats) = (table.chains(), table.stats());
        let elements: usize = chains.by_length.iter().map(|(len, n)| len * n).sum();
        assert_eq!(elements, 3000, "{mask:x}");
        let homes: usize = chains.by_length.values().sum();
        assert_eq!(homes, stats.homes, "{mask:x}");
        assert!(chains.used() <= homes && chains.longest() * chains.used() >= 3000);
        if mask == 0 {
            assert_eq!((chains.used(), chains.longest()), (1, 3000), "one hash");
        }
    }
}

#[test]
fn samples_are_fair() {
    for count in [3u32, 40, 2500] {
        let live = Live::default();
        let mut table = TestTable::new(Masked(u64::MAX));
        // What was removed leaves segments of unlike sizes behind.
        (0..count * 4).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
        (count..count * 4).for_each(|number| drop(table.remove(&key_of(number))));
        let mut rng = fastrand::Rng::with_seed(11);
        let mut hits = vec![0f64; count as usize];
        let draws = count * 60;
        for _ in 0..draws {
            hits[number_of(&table.random(&mut rng).unwrap()) as usize] += 1.0;
        }
        let expected = f64::from(draws) / f64::from(count);
        let chi_squared: f64 = hits
            .iter()
            .map(|hit| (hit - expected).powi(2) / expected)
            .sum();
        let freedom = f64::from(count - 1);
        assert!(
            chi_squared < freedom + 5.0 * (2.0 * freedom).sqrt(),
            "{count}: {chi_squared}"
        );
    }
    let empty = TestTable::new(Masked(u64::MAX));
    assert!(empty.random(&mut fastrand::Rng::with_seed(1)).is_none());
}

#[test]
fn samples_are_found_when_all_hashes_collide() {
    let live = Live::default();
    for mask in MASKS {
        let mut table = TestTable::new(Masked(mask));
        (0..2000).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
        let mut rng = fastrand::Rng::with_seed(11);
        let drawn: BTreeSet<_> = (0..500)
            .map(|_| number_of(&table.random(&mut rng).unwrap()))
            .collect();
        assert!(drawn.len() > 300, "mask {mask:x}");
    }
}

#[test]
fn a_sweep_visits_only_what_may_be_due_and_goes_on_where_it_stopped() {
    let live = Live::default();
    let mut table = TestTable::new(Masked(u64::MAX));
    for number in 0..30_000 {
        let deadline_ms = if number % 10 == 0 {
            1000 + u64::from(number)
        } else {
            NO_DEADLINE
        };
        table.insert(TestNode::new(&key_of(number), 0, deadline_ms, &live));
    }
    assert_eq!(table.earliest_deadline_ms(), 1000);
    let unbounded = DueBudget {
        removals: usize::MAX,
        visits: usize::MAX,
    };
    let mut due = Vec::new();
    assert_eq!(table.pop_due(999, unbounded, &mut due).visited, 0);
    let swept = table.pop_due(1000, unbounded, &mut due);
    // Segments that have split share a bound until they are gone through.
    assert!(swept.removed == 1 && !swept.more);
    assert_eq!(table.pop_due(1009, unbounded, &mut due).visited, 0);
    let swept = table.pop_due(1010, unbounded, &mut due);
    assert!(swept.visited < 1100 && swept.removed == 1 && !swept.more);

    let bounded = DueBudget {
        removals: 50,
        visits: 1000,
    };
    let mut rounds = 0;
    loop {
        let swept = table.pop_due(1000 + 14_990, bounded, &mut due);
        assert!(swept.removed <= 50 && swept.visited < 2000);
        rounds += 1;
        if !swept.more {
            break;
        }
    }
    assert!((30..100).contains(&rounds), "{rounds}");
    assert_eq!(due.len(), 1500);
    assert_eq!(table.earliest_deadline_ms(), 1000 + 15_000);
    table.pop_due(u64::MAX - 1, unbounded, &mut due);
    assert_eq!((due.len(), table.len()), (3000, 27_000));
    assert_eq!(table.earliest_deadline_ms(), NO_DEADLINE);
    check_structure(&table);
}

#[test]
fn a_changed_deadline_lowers_the_bounds() {
    let live = Live::default();
    let mut table = TestTable::new(Masked(u64::MAX));
    (0..5000).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
    assert_eq!(table.earliest_deadline_ms(), NO_DEADLINE);
    let node = TestNode::new(b"key:7", 0, 70, &live);
    *table.get_mut(b"key:7").unwrap() = node;
    assert_eq!(table.earliest_deadline_ms(), 70);
    check_structure(&table);
}

#[test]
fn a_leaked_guard_loses_a_key_but_no_memory() {
    let live = Live::default();
    let mut table = TestTable::new(Masked(u64::MAX));
    (0..1000).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
    let mut slot = table.get_mut(b"key:5").unwrap();
    let old = std::mem::replace(&mut *slot, node_of(5, 9, &live));
    assert_eq!(old.value(), 0);
    drop(old);
    forget(slot);
    assert_eq!(table.iter().count(), 1000);
    (1000..3000).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
    assert_eq!(table.iter().count(), 3000);
    drop(table);
    assert_eq!(live.load(Ordering::Relaxed), 0);
}

#[test]
fn prefetching_takes_any_hash() {
    let live = Live::default();
    for mask in MASKS {
        let mut table = TestTable::new(Masked(mask));
        table.prefetch_bucket(0);
        table.prefetch_node(u64::MAX);
        (0..1000).for_each(|number| drop(table.insert(node_of(number, 0, &live))));
        for number in 500..1500 {
            let key = key_of(number);
            let hash = table.hash(&key);
            table.prefetch_bucket(hash);
            table.prefetch_node(hash);
            assert_eq!(table.get_hashed(hash, &key).is_some(), number < 1000);
        }
    }
}

#[test]
fn hashes_depend_on_the_seed() {
    let hash = |seed: HashSeed| seed.hash(b"some key");
    assert_eq!(hash(HashSeed::fixed(1)), hash(HashSeed::fixed(1)));
    assert_ne!(hash(HashSeed::fixed(1)), hash(HashSeed::fixed(2)));
    assert_ne!(hash(HashSeed::random()), hash(HashSeed::random()));
}

#[test]
fn a_table_that_is_taken_apart_gives_each_element_once_and_lets_it_go() {
    const KEYS: u32 = 20_000;
    let live = Live::default();
    let mut table: TestTable = Table::new(Masked(u64::MAX));
    for number in 0..KEYS {
        table.insert(node_of(number, 1, &live));
    }
    let mut seen = BTreeSet::new();
    let mut parts = table.clone().into_parts();
    let mut taken = 0;
    for part in parts.by_ref() {
        taken += part.len();
        let visited = part.try_for_each(|node| {
            assert_eq!(
                node.value(),
                1,
                "what is written meanwhile is not in the snapshot"
            );
            assert!(seen.insert(number_of(&node)), "each element comes once");
            Ok::<(), ()>(())
        });
        assert_eq!(visited, Ok(()));
        drop(part);
        for number in (0..KEYS).step_by(97) {
            table.insert(node_of(number, 2, &live));
        }
    }
    assert_eq!((seen.len(), taken), (KEYS as usize, KEYS as usize));
    // What the snapshot alone still had of replaced elements went with its parts.
    assert_eq!(live.load(Ordering::Relaxed), KEYS as usize);
    check_structure(&table);
    drop(parts);
    assert_eq!(table.iter().count(), KEYS as usize);
}

#[test]
fn a_part_stops_at_the_first_failure() {
    let live = Live::default();
    let mut table: TestTable = Table::new(Masked(u64::MAX));
    assert!(table.clone().into_parts().next().is_none());
    for number in 0..5 {
        table.insert(node_of(number, 1, &live));
    }
    let part = table.into_parts().next().expect("there are elements");
    let mut visits = 0;
    let failed = part.try_for_each(|_| {
        visits += 1;
        if visits == 3 { Err(visits) } else { Ok(()) }
    });
    assert_eq!((failed, part.is_empty()), (Err(3), false));
}
