//! A list, small and large, against a deque, with snapshots that must not see later changes.
//!
//! The input's first byte is the limit of a chunk, so that a few elements make a tree of several levels; then come
//! operations of four bytes.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use ruddle::store::tree::End;
use ruddle::store::types::list::{Fill, List};

const MAX_ELEMENTS: usize = 2000;
const MAX_SNAPSHOTS: usize = 4;

type Model = VecDeque<Vec<u8>>;

fn element(kind: u8, seed: u8) -> Vec<u8> {
    match kind % 4 {
        0 => i64::from(seed).to_string().into_bytes(),
        1 => vec![seed; usize::from(kind)],
        // Longer than half a chunk: it lives alone.
        2 => vec![seed; 9000],
        _ => vec![seed],
    }
}

fn step(list: &mut List, model: &mut Model, fill: Fill, [op, place, kind, seed]: [u8; 4]) {
    let at = usize::from(place) * (model.len() + 1) / 256;
    let new = element(kind, seed);
    match op % 10 {
        0..=2 if model.len() < MAX_ELEMENTS => {
            for _ in 0..=seed {
                list.push(End::Back, new.as_slice(), fill);
                model.push_back(new.clone());
            }
        }
        3 if model.len() < MAX_ELEMENTS => {
            list.push(End::Front, new.as_slice(), fill);
            model.push_front(new);
        }
        4 if model.len() < MAX_ELEMENTS => {
            list.insert(at, new.as_slice(), fill);
            model.insert(at, new);
        }
        5 => {
            let end = model.len().min(at + usize::from(seed));
            list.remove(at..end, fill);
            model.drain(at..end);
        }
        6 if at < model.len() => {
            assert!(list.set(at, new.as_slice(), fill));
            model[at] = new;
        }
        7 => {
            let before = model.len();
            model.retain(|element| *element != new);
            assert_eq!(list.remove_equal(&new, 0, fill), before - model.len());
        }
        8 => {
            let end = model.len().min(at + usize::from(seed) * 8);
            list.trim(at..end, fill);
            model.truncate(end);
            model.drain(..at);
        }
        9 => {
            let moved = list.rotate(End::Back, End::Front, fill);
            assert_eq!(moved, !model.is_empty());
            model.rotate_right(usize::from(!model.is_empty()));
        }
        _ => {}
    }
}

fn assert_same(list: &List, model: &Model) {
    assert_eq!(list.len(), model.len());
    assert!(
        list.iter()
            .map(|element| element.to_vec())
            .eq(model.iter().cloned())
    );
    if let Some(last) = model.len().checked_sub(1) {
        let backwards = list
            .iter_back_from(model.len())
            .map(|element| element.to_vec());
        assert!(backwards.eq(model.iter().rev().cloned()));
        let middle = list.get(last / 2).map(|element| element.to_vec());
        assert_eq!(middle.as_ref(), model.get(last / 2));
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&limit, rest)) = input.split_first() else {
        return;
    };
    let fill = Fill(i32::from(limit % 8) - 2);
    let (mut list, mut model) = (List::new(), Model::new());
    let mut snapshots = Vec::new();
    for &bytes in rest.as_chunks::<4>().0 {
        if bytes[0] >= 250 && snapshots.len() < MAX_SNAPSHOTS {
            snapshots.push((list.clone(), model.clone()));
        }
        step(&mut list, &mut model, fill, bytes);
    }
    snapshots.push((list, model));
    for (list, model) in &snapshots {
        assert_same(list, model);
    }
});
