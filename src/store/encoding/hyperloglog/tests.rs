//! Tests of HyperLogLogs: against a plain array of registers, and against bytes that Redis made.

use proptest::collection::vec;
use proptest::prelude::*;
use sha1::{Digest, Sha1};

use super::*;

/// The limit for sparse ones that Redis has by default.
const SPARSE_MAX: usize = 3000;

fn mark(index: usize, rank: u8) -> Mark {
    Mark { index, rank }
}

/// The registers of a valid one.
fn registers(bytes: &[u8]) -> Vec<u8> {
    let mut registers = Registers::default();
    registers.merge(bytes).expect("it was made by the tests");
    registers.values().to_vec()
}

fn count_of(bytes: &[u8]) -> u64 {
    count(bytes).expect("it was made by the tests")
}

/// Marks that meet each other often: clusters of neighbours, and the ends.
fn marks() -> impl Strategy<Value = Vec<Mark>> {
    let index = prop_oneof![
        0..12usize,
        100..180usize,
        REGISTERS - 10..REGISTERS,
        0..REGISTERS
    ];
    let rank = prop_oneof![20 => 1..4u8, 4 => 1..=RUN_VALUE_MAX, 1 => 33..=51u8];
    vec(
        (index, rank).prop_map(|(index, rank)| mark(index, rank)),
        0..120,
    )
}

proptest! {
    #[test]
    fn it_behaves_like_an_array_of_registers(marks in marks(), max_bytes in 18..200usize) {
        let mut bytes = new();
        let mut model = vec![0; REGISTERS];
        for mark in marks {
            let changes = model[mark.index] < mark.rank;
            model[mark.index] = mark.rank.max(model[mark.index]);
            prop_assert_eq!(mark.is_new_to(&bytes), Ok(changes));
            prop_assert_eq!(mark.put(&mut bytes, max_bytes), Ok(changes));
            prop_assert!(is_valid(&bytes));
            prop_assert!(encoding(&bytes) == Encoding::Dense || bytes.len() <= max_bytes);
        }
        prop_assert_eq!(registers(&bytes), &model[..]);
        let counted = count(&bytes);
        make_dense(&mut bytes).expect("it is valid");
        prop_assert_eq!(registers(&bytes), model);
        prop_assert_eq!(count(&bytes), counted);
    }

    #[test]
    fn a_union_has_the_largest_registers(one in marks(), two in marks(), dense in any::<bool>()) {
        let mut union = Registers::default();
        let mut model = vec![0; REGISTERS];
        for marks in [one, two] {
            let mut bytes = new();
            for mark in marks {
                model[mark.index] = mark.rank.max(model[mark.index]);
                mark.put(&mut bytes, SPARSE_MAX).expect("it is valid");
            }
            union.merge(&bytes).expect("it is valid");
        }
        prop_assert_eq!(union.values().as_slice(), &model[..]);
        let mut bytes = new();
        union.put(&mut bytes, dense, SPARSE_MAX).expect("it is valid");
        prop_assert_eq!(registers(&bytes), model);
        prop_assert!(!dense || encoding(&bytes) == Encoding::Dense);
        prop_assert_eq!(remembered_count(&bytes), None);
        prop_assert_eq!(count(&bytes), Ok(union.count()));
    }

    #[test]
    fn no_bytes_make_it_panic(
        tail in vec(any::<u8>(), 0..40),
        encoding in 0..4u8,
        marks in marks(),
    ) {
        let mut bytes = [MAGIC, &[encoding], &[0; 11], &tail].concat();
        prop_assert_eq!(is_valid(&bytes), encoding == SPARSE);
        if encoding == SPARSE {
            let mut registers = Registers::default();
            prop_assert_eq!(registers.merge(&bytes).is_ok(), count(&bytes).is_ok());
            prop_assert_eq!(make_dense(&mut bytes.clone()).is_ok(), count(&bytes).is_ok());
            for mark in marks {
                let before = bytes.clone();
                if mark.put(&mut bytes, SPARSE_MAX).is_err() {
                    prop_assert_eq!(&bytes, &before);
                }
            }
        }
    }
}

/// The element of that number, as the bytes below were made with.
fn element(number: usize) -> String {
    format!("element:{number}")
}

#[test]
fn the_bytes_are_those_of_redis() {
    // GET, as SHA-1, and PFCOUNT of Redis 7.0.15 after `PFADD key element:0 ... element:(n-1)`.
    let cases = [
        (0, "e2c2a4d6f667db2d3180523f3c7a9bda5a4db0fc", 0),
        (1, "d111dd27cb94748a8cf3c3c1bf002fe0e1b6b277", 1),
        (2, "b8dec169b1b5fde4bae227fc3cb3cc3047e4d139", 2),
        (10, "dd7cf3784918baa4c956f1723b1cebdb193228f7", 10),
        (100, "adb8b211e8f1c583accacde62d6a276b6655b70e", 99),
        (500, "6c8940e3bb8e4085470524fec02bd03b03437d86", 502),
        (1000, "0e960765508b760a1d14e0dbf53a47cda116bf34", 997),
        (1500, "b100a66eeab600d2bd3d0bdf8f8340d0c1cb3801", 1500),
        (2000, "5b5af8349628ff2f83fe6cfca50f1c2cc671e307", 2004),
        (20000, "760926999ca4cd24462f115f64f03d415e81e69e", 19986),
        (100000, "e93ddd40b895726dee7091c32a113a2d5fc36aa8", 100039),
    ];
    let mut bytes = new();
    forget_count(&mut bytes);
    let mut added = 0;
    for (elements, digest, counted) in cases {
        for number in added..elements {
            let mark = Mark::of(element(number).as_bytes());
            assert!(mark.put(&mut bytes, SPARSE_MAX).is_ok());
        }
        added = elements;
        let text: String = Sha1::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            (text.as_str(), count_of(&bytes)),
            (digest, counted),
            "{elements} elements"
        );
    }
}

#[test]
fn runs_are_split_and_joined() {
    let mut bytes = new();
    for (index, rank) in [(1000, 2), (1020, 3), (1021, 3)] {
        assert_eq!(mark(index, rank).put(&mut bytes, SPARSE_MAX), Ok(true));
    }
    let want = [
        Run::ManyZeros(1000),
        Run::Values { value: 2, len: 1 },
        Run::Zeros(19),
        Run::Values { value: 3, len: 2 },
        Run::ManyZeros(15362),
    ];
    assert_eq!(runs(&bytes).collect::<Vec<_>>(), want);
    assert_eq!(bytes.len(), HEADER_LEN + 7);
}

#[test]
fn a_count_is_remembered_until_a_change() {
    let mut bytes = new();
    assert_eq!(remembered_count(&bytes), Some(0));
    forget_count(&mut bytes);
    assert_eq!(remembered_count(&bytes), None);
    remember_count(&mut bytes, 12345);
    assert_eq!(remembered_count(&bytes), Some(12345));
}

#[test]
fn what_is_no_hyperloglog_is_told_from_one() {
    assert!(is_valid(&new()) && is_valid(&[new(), vec![0]].concat()));
    let mut dense = new();
    make_dense(&mut dense).expect("it is valid");
    assert!(is_valid(&dense));
    let with = |at: usize, byte: u8| {
        let mut bytes = new();
        bytes[at] = byte;
        bytes
    };
    let cases = [
        vec![],
        new()[..HEADER_LEN - 1].to_vec(),
        with(0, b'h'),
        with(3, 0),
        with(ENCODING_AT, 2),
        with(ENCODING_AT, DENSE),
        dense[..DENSE_LEN - 1].to_vec(),
        [dense, vec![0]].concat(),
    ];
    for bytes in cases {
        assert!(!is_valid(&bytes), "{bytes:?}");
    }
}

#[test]
fn runs_that_do_not_make_up_the_registers_are_corrupted() {
    let zeros = |len| Run::ManyZeros(len).bytes();
    let two = Run::Values { value: 1, len: 2 }.bytes()[0];
    let tails: [&[u8]; 6] = [
        b"",
        &zeros(REGISTERS - 1),
        &[zeros(REGISTERS), [two, two]].concat(),
        &[zeros(REGISTERS - 1), [two, two]].concat(),
        // The second byte of the last run is missing.
        &[zeros(REGISTERS - 100).as_slice(), &zeros(100)[..1]].concat(),
        &[zeros(REGISTERS).as_slice(), b"hello"].concat(),
    ];
    for tail in tails {
        let mut bytes = [&new()[..HEADER_LEN], tail].concat();
        assert!(is_valid(&bytes));
        assert_eq!(count(&bytes), Err(Corrupted), "{tail:?}");
        assert_eq!(Registers::default().merge(&bytes), Err(Corrupted));
        assert_eq!(make_dense(&mut bytes), Err(Corrupted));
    }
}

#[test]
fn the_last_register_of_a_dense_one_is_within_it() {
    let mut bytes = new();
    make_dense(&mut bytes).expect("it is valid");
    for index in [REGISTERS - 2, REGISTERS - 1] {
        assert!(set_dense(&mut bytes, mark(index, 51)));
        assert!(!set_dense(&mut bytes, mark(index, 50)));
        assert_eq!(dense_register(&bytes, index), 51);
    }
    assert_eq!(bytes.len(), DENSE_LEN);
}

#[test]
fn registers_that_no_elements_make_have_an_estimate_all_the_same() {
    let mut bytes = new();
    make_dense(&mut bytes).expect("it is valid");
    bytes[HEADER_LEN..].fill(0xff);
    assert_eq!(count(&bytes), Ok(1 << 63));
}

#[test]
fn the_hash_reads_every_byte() {
    let text = b"every byte counts here";
    let mut seen = Vec::new();
    for len in 0..=text.len() {
        seen.push(murmur64(&text[..len], SEED));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), text.len() + 1);
}
