//! The table against a standard map: operations, snapshots, a scan while it changes, and the sweep.
//!
//! The input's first byte says how many bits of the hash are kept, so that collisions and crowded segments are
//! reached; then come operations of four bytes.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use ruddle::store::member::{Member, Word};
use ruddle::store::table::{DueBudget, HashSeed, KeyHash, NO_DEADLINE, Table};

const MAX_SNAPSHOTS: usize = 4;

/// A hash of which only some bits differ.
#[derive(Clone, Copy)]
struct Poor {
    seed: HashSeed,
    mask: u64,
}

impl KeyHash for Poor {
    fn hash(&self, key: &[u8]) -> u64 {
        self.seed.hash(key) & self.mask
    }
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

fn key(number: usize) -> Vec<u8> {
    format!("k{number}").into_bytes()
}

fn put(table: &mut Table<Member, Poor>, model: &mut Model, number: usize, seed: u8) {
    let deadline = match seed % 4 {
        0 => u64::from(seed) * 10,
        _ => NO_DEADLINE,
    };
    let value = vec![seed; usize::from(seed % 5)];
    let replaced = table.insert(Member::new(&key(number), &value, Word::Deadline(deadline)));
    let expected = model.insert(key(number), (value, deadline));
    assert_eq!(
        replaced.map(|member| member.value().to_vec()),
        expected.map(|(value, _)| value)
    );
}

fn step(table: &mut Table<Member, Poor>, model: &mut Model, [op, high, low, seed]: [u8; 4]) {
    let number = usize::from(high) << 2 | usize::from(low & 3);
    match op % 8 {
        0 => (0..usize::from(low)).for_each(|more| put(table, model, number + more, seed)),
        1 => put(table, model, number, seed),
        2 => {
            let removed = table
                .remove(&key(number))
                .map(|member| member.value().to_vec());
            assert_eq!(removed, model.remove(&key(number)).map(|(value, _)| value));
        }
        3 => {
            if let Some(mut slot) = table.get_mut(&key(number)) {
                slot.set_value(&[seed; 7]);
                slot.set_word(Word::Deadline(u64::from(seed)));
                model.insert(key(number), (vec![seed; 7], u64::from(seed)));
            }
        }
        4 => {
            let now_ms = u64::from(seed) * 8;
            let budget = DueBudget {
                removals: usize::MAX,
                visits: usize::MAX,
            };
            let mut due = Vec::new();
            table.pop_due(now_ms, budget, &mut due);
            let before = model.len();
            model.retain(|_, (_, deadline)| *deadline > now_ms);
            assert_eq!(due.len(), before - model.len());
        }
        5 => (number..number + usize::from(low)).for_each(|number| {
            assert_eq!(
                table.remove(&key(number)).is_some(),
                model.remove(&key(number)).is_some()
            );
        }),
        _ => assert_eq!(
            table.contains(&key(number)),
            model.contains_key(&key(number))
        ),
    }
}

fn assert_same(table: &Table<Member, Poor>, model: &Model) {
    assert_eq!(table.len(), model.len());
    for (key, (value, deadline)) in model {
        let member = table.get(key).expect("what was put is there");
        assert_eq!(
            (member.value(), member.deadline_ms()),
            (value.as_slice(), *deadline)
        );
    }
    let (mut cursor, mut seen) = (0, 0);
    loop {
        cursor = table.scan(cursor, &mut |_| seen += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!((seen, table.iter().count()), (model.len(), model.len()));
}

fuzz_target!(|input: &[u8]| {
    let Some((&bits, rest)) = input.split_first() else {
        return;
    };
    let mask = u64::MAX << (63 - u32::from(bits % 64));
    let hasher = Poor {
        seed: HashSeed::fixed(1),
        mask,
    };
    let (mut table, mut model) = (Table::new(hasher), Model::new());
    let mut snapshots = Vec::new();
    for &bytes in rest.as_chunks::<4>().0 {
        if bytes[0] >= 250 && snapshots.len() < MAX_SNAPSHOTS {
            snapshots.push((table.clone(), model.clone()));
        }
        step(&mut table, &mut model, bytes);
    }
    snapshots.push((table, model));
    for (table, model) in &snapshots {
        assert_same(table, model);
    }
});
