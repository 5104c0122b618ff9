//! [`Flat`] against a deque of byte strings, its layout byte by byte, and bytes from outside.
use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn texts(flat: &Flat) -> VecDeque<Vec<u8>> {
    flat.iter().map(|item| item.to_vec()).collect()
}

/// Everything that must hold of a sequence with the elements `model`.
fn check(flat: &Flat, model: &VecDeque<Vec<u8>>) {
    assert_eq!(flat.len(), model.len());
    assert_eq!(texts(flat), *model);
    let backwards: Vec<_> = flat.iter().rev().map(|item| item.to_vec()).collect();
    assert!(backwards.iter().eq(model.iter().rev()));
    assert_eq!(
        flat.first().map(|item| item.to_vec()),
        model.front().cloned()
    );
    assert_eq!(flat.last().map(|item| item.to_vec()), model.back().cloned());
    assert!(
        flat.iter()
            .zip(model)
            .all(|(item, text)| item.len() == text.len() && item.eq_bytes(text))
    );
    assert!(
        flat.heap_bytes() <= (flat.bytes() * 4).max(KEEP_BYTES),
        "memory is given back"
    );
    let again = Flat::from_entries(flat.entries().to_vec()).expect("entries are well formed");
    assert_eq!(again.len(), model.len());
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..24),
        2 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        2 => (-70_000i64..70_000).prop_map(|value| value.to_string().into_bytes()),
        1 => (-(1i64 << 40)..1 << 40).prop_map(|value| value.to_string().into_bytes()),
        1 => "[-0-9]{1,21}".prop_map(String::into_bytes),
        1 => (60usize..140).prop_map(|len| vec![b'x'; len]),
    ]
}

#[derive(Clone, Debug)]
enum Op {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    PopBack,
    PopFront,
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Replace(usize, Vec<u8>),
    SplitAndAppend(usize),
    ShrinkToFit,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => element().prop_map(Op::PushBack),
        6 => element().prop_map(Op::PushFront),
        4 => Just(Op::PopBack),
        4 => Just(Op::PopFront),
        3 => (any::<usize>(), element()).prop_map(|(at, text)| Op::Insert(at, text)),
        2 => (any::<usize>(), 0usize..6).prop_map(|(at, n)| Op::Remove(at, n)),
        3 => (any::<usize>(), element()).prop_map(|(at, text)| Op::Replace(at, text)),
        1 => any::<usize>().prop_map(Op::SplitAndAppend),
        1 => Just(Op::ShrinkToFit),
    ]
}

fn apply(flat: &mut Flat, model: &mut VecDeque<Vec<u8>>, op: Op) {
    let len = model.len();
    match op {
        Op::PushBack(text) => {
            flat.push_back(&Encoded::new(&text));
            model.push_back(text);
        }
        Op::PushFront(text) => {
            flat.push_front(&Encoded::new(&text));
            model.push_front(text);
        }
        Op::PopBack => assert_eq!(flat.pop_back(), model.pop_back().is_some()),
        Op::PopFront => assert_eq!(flat.pop_front(), model.pop_front().is_some()),
        Op::Insert(at, text) => {
            let at = at % (len + 1);
            flat.insert(at, &Encoded::new(&text));
            model.insert(at, text);
        }
        Op::Remove(at, n) => {
            let at = at % (len + 1);
            flat.remove(at..at + n);
            model.drain(at..(at + n).min(len));
        }
        Op::Replace(at, text) => {
            let at = at % (len + 1);
            assert_eq!(flat.replace(at, &Encoded::new(&text)), at < len);
            if let Some(place) = model.get_mut(at) {
                *place = text;
            }
        }
        Op::SplitAndAppend(at) => {
            let right = flat.split_off(at % (len + 1));
            assert_eq!(right.len(), len - at % (len + 1));
            flat.append(&right);
        }
        Op::ShrinkToFit => {
            flat.shrink_to_fit();
            assert_eq!(flat.heap_bytes(), flat.bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 300 }))]

    #[test]
    fn behaves_like_a_deque_of_byte_strings(ops in proptest::collection::vec(op(), 0..120)) {
        let mut flat = Flat::new();
        let mut model = VecDeque::new();
        for op in ops {
            let snapshot = (flat.clone(), model.clone());
            apply(&mut flat, &mut model, op);
            check(&flat, &model);
            assert_eq!(texts(&snapshot.0), snapshot.1);
        }
        for index in 0..=model.len() {
            prop_assert_eq!(flat.get(index).map(|item| item.to_vec()), model.get(index).cloned());
            prop_assert!(flat.iter_from(index).map(|item| item.to_vec()).eq(model.iter().skip(index).cloned()));
            prop_assert!(flat.iter_until(index).map(|item| item.to_vec()).eq(model.iter().take(index).cloned()));
        }
        for text in &model {
            let first = model.iter().position(|other| other == text);
            prop_assert_eq!(flat.find(&Needle::new(text), 1), first);
            let even = model.iter().step_by(2).position(|other| other == text).map(|at| at * 2);
            prop_assert_eq!(flat.find(&Needle::new(text), 2), even);
        }
    }

    #[test]
    fn bytes_from_outside_are_refused_or_read_safely(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Some(flat) = Flat::from_entries(bytes.clone()) {
            prop_assert_eq!(flat.iter().count(), flat.len());
            prop_assert_eq!(flat.iter().rev().count(), flat.len());
            prop_assert_eq!(flat.entries(), &bytes[..]);
        }
    }
}

#[test]
fn entries_cut_off_at_any_byte_are_refused() {
    let mut flat = Flat::new();
    let mut whole = vec![0];
    for text in [
        "7",
        "-300",
        "30000",
        "-8000000",
        "2000000000",
        "-99999999999",
        "",
        "word",
    ] {
        flat.push_back(&Encoded::new(text.as_bytes()));
        whole.push(flat.bytes());
    }
    for size in [63, 64, 127, 128, 4095, 4096, 16_377, 16_378, 16_379] {
        flat.push_back(&Encoded::new(&vec![b'y'; size]));
        whole.push(flat.bytes());
    }
    for cut in 0..=flat.bytes() {
        let parsed = Flat::from_entries(flat.entries()[..cut].to_vec());
        assert_eq!(parsed.is_some(), whole.contains(&cut), "cut at {cut}");
    }
}

#[test]
fn entries_are_those_of_a_listpack() {
    let table: [(&str, &[u8]); 12] = [
        ("0", &[0, 1]),
        ("127", &[127, 1]),
        ("128", &[0xc0, 128, 2]),
        ("-1", &[0xdf, 0xff, 2]),
        ("-4096", &[0xd0, 0, 2]),
        ("4096", &[0xf1, 0, 0x10, 3]),
        ("32768", &[0xf2, 0, 0x80, 0, 4]),
        ("8388608", &[0xf3, 0, 0, 0x80, 0, 5]),
        ("4294967296", &[0xf4, 0, 0, 0, 0, 1, 0, 0, 0, 9]),
        ("", &[0x80, 1]),
        ("ab", &[0x82, b'a', b'b', 3]),
        ("007", &[0x83, b'0', b'0', b'7', 4]),
    ];
    for (text, stored) in table {
        let mut flat = Flat::new();
        flat.push_back(&Encoded::new(text.as_bytes()));
        assert_eq!(flat.entries(), stored, "{text:?}");
    }
    for (size, head, back) in [
        (64, vec![0xe0, 64], vec![66]),
        (300, vec![0xe1, 44], vec![2, 0x80 | 46]),
        (16_377, vec![0xf0, 0xf9, 0x3f, 0, 0], vec![127, 0x80 | 126]),
        (16_378, vec![0xf0, 0xfa, 0x3f, 0, 0], vec![0, 0xff, 0xff]),
    ] {
        let mut flat = Flat::new();
        flat.push_back(&Encoded::new(&vec![b'z'; size]));
        assert!(flat.entries().starts_with(&head), "{size}");
        assert!(flat.entries().ends_with(&back), "{size}");
        assert_eq!(flat.bytes(), head.len() + size + back.len());
    }
}

#[test]
fn a_short_string_costs_two_bytes_more() {
    for len in 11..=20 {
        assert_eq!(Encoded::new(&vec![b'a'; len]).size(), len + 2);
    }
    assert!(size_of::<Flat>() <= 32);
}

#[test]
fn slack_of_large_buffers_is_bounded() {
    for front in [false, true] {
        let mut flat = Flat::new();
        for i in 0..5_000 {
            let text = format!("element {i}");
            let element = Encoded::new(text.as_bytes());
            if front {
                flat.push_front(&element)
            } else {
                flat.push_back(&element)
            };
            if flat.bytes() > 1024 {
                assert!(flat.heap_bytes() <= flat.bytes() + flat.bytes() / 4);
            }
        }
    }
}

#[test]
fn a_queue_in_one_buffer_keeps_its_size() {
    let mut flat = Flat::new();
    for i in 0..100 {
        flat.push_back(&Encoded::new(format!("job {i:05}").as_bytes()));
    }
    for i in 100..20_000 {
        flat.push_back(&Encoded::new(format!("job {i:05}").as_bytes()));
        assert_eq!(
            flat.first().map(|item| item.to_vec()),
            Some(format!("job {:05}", i - 100).into_bytes())
        );
        assert!(flat.pop_front());
        assert!(flat.heap_bytes() < 2_400, "{}", flat.heap_bytes());
    }
}

/// A listpack as Redis 7.0.15 wrote it: the value of a list of these elements, taken from the answer of DUMP.
#[test]
fn entries_are_those_that_redis_writes() {
    let listpack = include_bytes!("listpack-7.0.15.bin");
    let entries = &listpack[6..listpack.len() - 1];
    let short = [
        "0",
        "127",
        "128",
        "-1",
        "-4096",
        "4095",
        "4096",
        "-4097",
        "32767",
        "-32768",
        "32768",
        "-8388608",
        "8388607",
        "8388608",
        "-2147483648",
        "2147483647",
        "2147483648",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "007",
        "-0",
        "",
        "word",
    ];
    let long = [('x', 63), ('x', 64), ('y', 125), ('y', 126), ('z', 300)];
    let long = long.map(|(letter, len)| String::from(letter).repeat(len));
    let texts: VecDeque<_> = short.into_iter().map(String::from).chain(long).collect();
    let mut flat = Flat::new();
    texts
        .iter()
        .for_each(|text| flat.push_back(&Encoded::new(text.as_bytes())));
    assert_eq!(flat.entries(), entries);
    let read = Flat::from_entries(entries.to_vec()).expect("a real listpack is well formed");
    check(&read, &texts.into_iter().map(String::into_bytes).collect());
}
