//! A flat buffer against a vector: any operations on it, and any bytes taken for its entries.
//!
//! The input is a list of operations of two bytes or more; see [`step`]. Each state must read the same forwards,
//! backwards and by index, and be taken back from its own bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ruddle::store::encoding::flat::{Encoded, Flat, Needle};

/// More elements than this make a run slow and show nothing new.
const MAX_ELEMENTS: usize = 300;

/// An element: a number, or a text whose length is at the border of a form of the encoding.
fn element(kind: u8, seed: u8) -> Vec<u8> {
    let shift = u32::from(kind >> 2);
    match kind & 3 {
        0 => (i64::from(seed) << shift).to_string().into_bytes(),
        1 => (i64::from(seed) << shift)
            .wrapping_neg()
            .to_string()
            .into_bytes(),
        2 => vec![seed; usize::from(kind) / 2],
        _ => vec![seed; 4090 + usize::from(kind >> 4)],
    }
}

/// Does one operation on both.
fn step(flat: &mut Flat, model: &mut Vec<Vec<u8>>, [op, place, kind, seed]: [u8; 4]) {
    let at = usize::from(place) % (model.len() + 1);
    let new = element(kind, seed);
    match op % 9 {
        0 if model.len() < MAX_ELEMENTS => {
            flat.push_back(&Encoded::new(&new));
            model.push(new);
        }
        1 if model.len() < MAX_ELEMENTS => {
            flat.push_front(&Encoded::new(&new));
            model.insert(0, new);
        }
        2 if model.len() < MAX_ELEMENTS => {
            flat.insert(at, &Encoded::new(&new));
            model.insert(at, new);
        }
        3 => {
            let end = model.len().min(at + usize::from(seed) % 4);
            flat.remove(at..end);
            model.drain(at..end);
        }
        4 => {
            assert_eq!(flat.pop_front(), !model.is_empty());
            model.drain(..model.len().min(1));
        }
        5 => assert_eq!(flat.pop_back(), model.pop().is_some()),
        6 if at < model.len() => {
            assert!(flat.replace(at, &Encoded::new(&new)));
            model[at] = new;
        }
        7 => {
            let found = flat.find(&Needle::new(&new), 1);
            assert_eq!(found, model.iter().position(|element| *element == new));
        }
        8 => {
            let behind = flat.split_off(at);
            flat.append(&behind);
        }
        _ => {}
    }
}

fuzz_target!(|input: &[u8]| {
    // Bytes from a file or a peer are refused or can be read.
    if let Some(flat) = Flat::from_entries(input.to_vec()) {
        assert_eq!(flat.iter().count(), flat.len());
        assert_eq!(flat.iter().rev().count(), flat.len());
    }
    let (mut flat, mut model) = (Flat::default(), Vec::new());
    let (steps, _) = input.as_chunks::<4>();
    for &bytes in steps {
        step(&mut flat, &mut model, bytes);
        assert_eq!(flat.len(), model.len());
    }
    let elements: Vec<_> = flat.iter().map(|item| item.to_vec()).collect();
    assert_eq!(elements, model);
    assert!(
        flat.iter()
            .rev()
            .map(|item| item.to_vec())
            .eq(model.iter().rev().cloned())
    );
    for (index, element) in model.iter().enumerate() {
        assert!(flat.get(index).is_some_and(|item| item.eq_bytes(element)));
    }
    let again = Flat::from_entries(flat.entries().to_vec()).expect("its own bytes are valid");
    assert!(again.iter().eq(flat.iter()));
});
