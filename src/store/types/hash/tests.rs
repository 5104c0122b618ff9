//! [`Hash`] against a map, in all forms and on the way between them.
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Value and deadline by name.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

const DEFAULT: HashLimits = HashLimits {
    entries: 512,
    value: 64,
};
const TINY: HashLimits = HashLimits {
    entries: 5,
    value: 8,
};

fn contents(hash: &Hash) -> Model {
    hash.iter()
        .map(|field| {
            let value = (field.value.to_vec(), field.deadline_ms);
            (field.name.to_vec(), value)
        })
        .collect()
}

fn earliest(model: &Model) -> u64 {
    let deadlines = model.values().map(|(_, deadline_ms)| *deadline_ms);
    deadlines.min().unwrap_or(NO_DEADLINE)
}

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>, Vec<u8>, Ttl),
    SetDeadline(Vec<u8>, u64),
    Remove(Vec<u8>),
    /// Removes what is due at a time, so many at the most.
    RemoveDue(u64, usize),
    Snapshot,
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..12u8).prop_map(|number| number.to_string().into_bytes()),
        (0..6u8).prop_map(|number| format!("field:{number}").into_bytes()),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        Just(vec![b'x'; 200]),
    ]
}

fn deadline() -> impl Strategy<Value = u64> {
    prop_oneof![Just(NO_DEADLINE), 1..100u64]
}

fn ttl() -> impl Strategy<Value = Ttl> {
    prop_oneof![
        Just(Ttl::Clear),
        Just(Ttl::Keep),
        deadline().prop_map(Ttl::At)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (name(), value(), ttl()).prop_map(|(name, value, ttl)| Step::Set(name, value, ttl)),
        2 => (name(), deadline()).prop_map(|(name, at)| Step::SetDeadline(name, at)),
        3 => name().prop_map(Step::Remove),
        1 => (0..100u64, 1..4usize).prop_map(|(now_ms, limit)| Step::RemoveDue(now_ms, limit)),
        1 => Just(Step::Snapshot),
    ]
}

/// Makes one step on both and compares the answers.
fn apply(hash: &mut Hash, model: &mut Model, step: &Step, now_ms: u64, limits: HashLimits) {
    match step {
        Step::Set(name, value, ttl) => {
            let old_ms = model.get(name).map(|(_, deadline_ms)| *deadline_ms);
            let living_ms = old_ms.filter(|&old_ms| old_ms > now_ms);
            let new_ms = ttl.or(living_ms.unwrap_or(NO_DEADLINE));
            model.insert(name.clone(), (value.clone(), new_ms));
            let is_new = hash.set(name, value, *ttl, now_ms, limits);
            assert_eq!(is_new, old_ms.is_none(), "{step:?}");
        }
        Step::SetDeadline(name, deadline_ms) => {
            let there = model.get_mut(name).map(|field| field.1 = *deadline_ms);
            assert_eq!(hash.set_deadline(name, *deadline_ms), there.is_some());
        }
        Step::Remove(name) => {
            assert_eq!(hash.remove(name), model.remove(name).is_some());
        }
        Step::RemoveDue(now_ms, limit) => loop {
            let mut gone = 0;
            let removed = hash.remove_due(*now_ms, *limit, &mut |name| {
                gone += 1;
                assert!(model[name].1 <= *now_ms, "{name:?} is due");
            });
            assert_eq!(gone, removed.fields);
            if !removed.more {
                model.retain(|_, (_, deadline_ms)| *deadline_ms > *now_ms);
                break;
            }
        },
        Step::Snapshot => {}
    }
}

fn check(hash: &Hash, model: &Model) {
    assert_eq!(contents(hash), *model);
    assert_eq!(hash.len(), model.len());
    let (bound_ms, want_ms) = (hash.earliest_deadline_ms(), earliest(model));
    assert!(bound_ms <= want_ms && (bound_ms == NO_DEADLINE) == (want_ms == NO_DEADLINE));
    for number in 0..12u8 {
        let name = number.to_string().into_bytes();
        let own = hash.field(&name);
        let own = own.map(|field| (field.value.to_vec(), field.deadline_ms));
        assert_eq!(own.as_ref(), model.get(&name));
    }
}

proptest! {
    #[test]
    fn a_hash_behaves_as_a_map_with_deadlines(
        steps in prop::collection::vec(step(), 0..60), now_ms in 0..60u64, is_tiny in any::<bool>(),
    ) {
        let limits = if is_tiny { TINY } else { DEFAULT };
        let (mut hash, mut model) = (Hash::new(), Model::new());
        let mut snapshots = Vec::new();
        for step in &steps {
            apply(&mut hash, &mut model, step, now_ms, limits);
            check(&hash, &model);
            if matches!(step, Step::Snapshot) {
                snapshots.push((hash.clone(), model.clone()));
            }
        }
        // Copies that were changed themselves have not changed the others.
        for (copy, model) in &mut snapshots {
            apply(copy, model, &Step::Set(b"0".to_vec(), b"own".to_vec(), Ttl::At(7)), 0, limits);
        }
        snapshots.push((hash, model));
        for (hash, model) in &snapshots {
            check(hash, model);
        }
    }
}

fn filled(fields: usize) -> Hash {
    let mut hash = Hash::new();
    for number in 0..fields {
        let (name, value) = (format!("field:{number}"), format!("value:{number}"));
        hash.set(name.as_bytes(), value.as_bytes(), Ttl::Clear, 0, DEFAULT);
    }
    hash
}

#[test]
fn the_form_follows_deadlines_and_limits_and_never_goes_back() {
    let mut hash = filled(3);
    assert_eq!(hash.encoding_name(), "listpack");
    hash.set_deadline(b"field:1", NO_DEADLINE);
    assert_eq!(hash.encoding_name(), "listpack");
    hash.set_deadline(b"field:1", 99);
    assert_eq!(hash.encoding_name(), "listpackex");
    hash.set_deadline(b"field:1", NO_DEADLINE);
    assert_eq!(hash.encoding_name(), "listpackex");
    hash.set(b"field:0", &[b'x'; 65], Ttl::Keep, 0, DEFAULT);
    assert_eq!(hash.encoding_name(), "hashtable");
    hash.remove(b"field:0");
    assert_eq!((hash.encoding_name(), hash.len()), ("hashtable", 2));
    assert_eq!(filled(512).encoding_name(), "listpack");
    assert_eq!(filled(513).encoding_name(), "hashtable");
    let mut prepared = Hash::new();
    prepared.prepare(513, DEFAULT);
    assert_eq!(prepared.encoding_name(), "hashtable");
}

/// The figure that the benchmark of memory rests on.
#[test]
fn ten_small_fields_fill_a_block_of_192_bytes() {
    assert_eq!(filled(10).memory_bytes(0), 192);
}

#[test]
fn large_hashes_are_estimated_from_samples() {
    let hash = filled(2000);
    let (whole, sampled) = (hash.memory_bytes(0), hash.memory_bytes(100));
    assert!(whole.abs_diff(sampled) < whole / 20, "{whole} {sampled}");
    assert!(filled(2000).listpack_entries().is_none() && hash.table().is_some());
}

#[test]
fn what_has_expired_is_not_got_and_its_deadline_is_not_kept() {
    for limits in [
        DEFAULT,
        HashLimits {
            entries: 0,
            ..DEFAULT
        },
    ] {
        let mut hash = Hash::new();
        assert!(hash.set(b"a", b"1", Ttl::At(10), 0, limits));
        assert!(hash.get(b"a", 9).is_some() && hash.get(b"a", 10).is_none());
        assert!(hash.field(b"a").is_some());
        assert!(!hash.set(b"a", b"2", Ttl::Keep, 10, limits));
        assert_eq!(hash.earliest_deadline_ms(), NO_DEADLINE);
        assert!(!hash.set(b"a", b"3", Ttl::At(20), 10, limits));
        assert!(!hash.set(b"a", b"4", Ttl::Keep, 10, limits));
        let deadline_ms = hash.field(b"a").map(|field| field.deadline_ms);
        assert_eq!(deadline_ms, Some(20));
        assert!(!hash.set(b"a", b"5", Ttl::Clear, 10, limits));
        assert_eq!(hash.earliest_deadline_ms(), NO_DEADLINE);
    }
}

#[test]
fn random_fields_and_scans_go_over_both_forms() {
    let mut rng = fastrand::Rng::with_seed(1);
    assert!(Hash::new().random(&mut rng).is_none());
    for fields in [10, 1000] {
        let hash = filled(fields);
        let mut drawn = std::collections::BTreeSet::new();
        for _ in 0..fields * 20 {
            drawn.extend(hash.random(&mut rng).map(|field| field.name.to_vec()));
        }
        assert_eq!(drawn.len(), fields);
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            cursor = hash.scan(cursor, &mut |field| seen.push(field.name.to_vec()));
            if cursor == 0 {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, drawn.into_iter().collect::<Vec<_>>());
    }
}
