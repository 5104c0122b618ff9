//! [`List`] against a deque, in both encodings and on the way between them.
use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

type Model = VecDeque<Vec<u8>>;

fn texts(list: &List) -> Model {
    list.iter().map(|element| element.to_vec()).collect()
}

fn check(list: &List, model: &Model) {
    assert_eq!(list.len(), model.len());
    assert_eq!(list.iter().len(), model.len());
    assert_eq!(texts(list), *model);
    let backwards = list
        .iter_back_from(usize::MAX)
        .map(|element| element.to_vec());
    assert!(backwards.eq(model.iter().rev().cloned()));
    assert!(
        list.iter()
            .zip(model)
            .all(|(element, text)| element.len() == text.len())
    );
    let in_chunks: usize = list
        .chunks()
        .map(|chunk| match chunk {
            ChunkRef::Flat(flat) => flat.len(),
            ChunkRef::Plain(_) => 1,
        })
        .sum();
    assert_eq!(in_chunks, model.len());
    if model.is_empty() {
        assert_eq!(list.encoding_name(), "listpack");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Push(End, Vec<Vec<u8>>),
    Pop(End, usize),
    PopMany(End, usize),
    Rotate(End, End),
    MoveToOther(End, End),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    InsertAtPivot(Vec<u8>, bool, Vec<u8>),
    Remove(usize, usize),
    Trim(usize, usize),
    RemoveEqual(Vec<u8>, i64),
    Rebuild,
    Snapshot,
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0i64..9).prop_map(|value| value.to_string().into_bytes()),
        4 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (2000usize..2070).prop_map(|len| vec![b'm'; len]),
        1 => (4000usize..4200).prop_map(|len| vec![b'l'; len]),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (end(), proptest::collection::vec(value(), 0..30)).prop_map(|(end, all)| Op::Push(end, all)),
        2 => (end(), 0usize..8).prop_map(|(end, n)| Op::Pop(end, n)),
        2 => (end(), 0usize..30).prop_map(|(end, n)| Op::PopMany(end, n)),
        1 => (end(), end()).prop_map(|(from, to)| Op::Rotate(from, to)),
        1 => (end(), end()).prop_map(|(from, to)| Op::MoveToOther(from, to)),
        3 => (any::<usize>(), value()).prop_map(|(at, text)| Op::Set(at, text)),
        3 => (any::<usize>(), value()).prop_map(|(at, text)| Op::Insert(at, text)),
        1 => (value(), any::<bool>(), value()).prop_map(|(pivot, behind, text)| Op::InsertAtPivot(pivot, behind, text)),
        2 => (any::<usize>(), 0usize..10).prop_map(|(at, n)| Op::Remove(at, n)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(at, n)| Op::Trim(at, n)),
        1 => (value(), -4i64..5).prop_map(|(text, count)| Op::RemoveEqual(text, count)),
        1 => Just(Op::Rebuild),
        1 => Just(Op::Snapshot),
    ]
}

fn model_push(model: &mut Model, end: End, text: Vec<u8>) {
    match end {
        End::Front => model.push_front(text),
        End::Back => model.push_back(text),
    }
}

fn model_pop(model: &mut Model, end: End) -> Option<Vec<u8>> {
    match end {
        End::Front => model.pop_front(),
        End::Back => model.pop_back(),
    }
}

fn model_positions(model: &Model, text: &[u8], from_end: bool) -> Vec<usize> {
    let mut found: Vec<_> = (0..model.len()).filter(|&at| model[at] == text).collect();
    if from_end {
        found.reverse();
    }
    found
}

fn apply_at_ends(list: &mut List, model: &mut Model, op: &Op, fill: Fill) {
    match op.clone() {
        Op::Push(end, values) => {
            list.push_all(end, values.iter().map(|text| Value::Bytes(text)), fill);
            values
                .into_iter()
                .for_each(|text| model_push(model, end, text));
        }
        Op::Pop(end, n) => {
            for _ in 0..n {
                let got = list.pop(end, fill, |element| element.to_vec());
                assert_eq!(got, model_pop(model, end));
            }
        }
        Op::PopMany(end, n) => {
            let mut got = Vec::new();
            let count = list.pop_many(end, n, fill, |element| got.push(element.to_vec()));
            assert_eq!(count, n.min(model.len()));
            let expected: Vec<_> = (0..count).filter_map(|_| model_pop(model, end)).collect();
            assert_eq!(got, expected);
        }
        Op::Rotate(from, to) => {
            assert_eq!(list.rotate(from, to, fill), !model.is_empty());
            if let Some(text) = model_pop(model, from) {
                model_push(model, to, text);
            }
        }
        Op::MoveToOther(from, to) => {
            let mut other = List::new();
            assert_eq!(list.move_to(from, &mut other, to, fill), !model.is_empty());
            let moved: Model = model_pop(model, from).into_iter().collect();
            check(&other, &moved);
        }
        _ => {}
    }
}

fn apply_inside(list: &mut List, model: &mut Model, op: &Op, fill: Fill) {
    let len = model.len();
    match op.clone() {
        Op::Set(at, text) => {
            let at = at % (len + 1);
            assert_eq!(list.set(at, Arc::new(text.clone()), fill), at < len);
            if let Some(place) = model.get_mut(at) {
                *place = text;
            }
        }
        Op::Insert(at, text) => {
            let at = at % (len + 1);
            list.insert(at, &text[..], fill);
            model.insert(at, text);
        }
        Op::InsertAtPivot(pivot, behind, text) => {
            let at = model.iter().position(|other| *other == pivot);
            assert_eq!(
                list.insert_at_pivot(&pivot, behind, &text[..], fill),
                at.is_some()
            );
            if let Some(at) = at {
                model.insert(at + usize::from(behind), text);
            }
        }
        Op::Remove(at, n) => {
            let at = at % (len + 1);
            list.remove(at..at + n, fill);
            model.drain(at..(at + n).min(len));
        }
        Op::Trim(at, n) => {
            let at = at % (len + 1);
            let end = at + n % (len + 1);
            list.trim(at..end, fill);
            model.truncate(end);
            model.drain(..at.min(model.len()));
        }
        Op::RemoveEqual(text, count) => {
            let mut found = model_positions(model, &text, count < 0);
            if count != 0 {
                found.truncate(count.unsigned_abs() as usize);
            }
            assert_eq!(list.remove_equal(&text, count, fill), found.len());
            found.sort_unstable();
            found.iter().rev().for_each(|&at| drop(model.remove(at)));
        }
        Op::Rebuild => {
            let chunks: Vec<_> = list
                .chunks()
                .map(|chunk| match chunk {
                    ChunkRef::Flat(flat) => ListChunk::Flat(
                        Flat::from_entries(flat.entries().to_vec()).expect("well formed"),
                    ),
                    ChunkRef::Plain(bytes) => ListChunk::Plain(Arc::clone(bytes)),
                })
                .collect();
            *list = List::from_chunks(chunks, fill);
        }
        _ => {}
    }
}

fn run(ops: Vec<Op>, fill: Fill) {
    let mut list = List::new();
    let mut model = Model::new();
    let mut snapshots = Vec::new();
    for op in &ops {
        if matches!(op, Op::Snapshot) {
            snapshots.push((list.clone(), model.clone()));
        }
        apply_at_ends(&mut list, &mut model, op, fill);
        apply_inside(&mut list, &mut model, op, fill);
        check(&list, &model);
    }
    snapshots
        .iter()
        .for_each(|(list, model)| check(list, model));
    for index in 0..=model.len() {
        assert_eq!(
            list.get(index).map(|element| element.to_vec()),
            model.get(index).cloned()
        );
    }
    for start in [0, 1, model.len() / 3, model.len()] {
        let got: Model = list
            .range(start..start + 7)
            .map(|element| element.to_vec())
            .collect();
        assert!(got.iter().eq(model.iter().skip(start).take(7)));
        let back = list.iter_back_from(start).map(|element| element.to_vec());
        assert!(back.eq(model.iter().take(start).rev().cloned()));
    }
    for text in model.iter().take(20) {
        assert_eq!(
            list.positions(text, 1, 0, 0),
            model_positions(&model, text, false)
        );
        assert_eq!(
            list.positions(text, -1, 0, 0),
            model_positions(&model, text, true)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 120 }))]

    #[test]
    fn behaves_like_a_deque_with_chunks_of_few_elements(
        ops in proptest::collection::vec(op(), 0..50),
        fill in 0i32..12,
    ) {
        run(ops, Fill(fill));
    }

    #[test]
    fn behaves_like_a_deque_with_chunks_of_four_kilobytes(ops in proptest::collection::vec(op(), 0..80)) {
        run(ops, Fill(-1));
    }
}

fn list_of<'a>(values: impl IntoIterator<Item = &'a str>, fill: Fill) -> List {
    let mut list = List::new();
    values
        .into_iter()
        .for_each(|text| list.push(End::Back, text.as_bytes(), fill));
    list
}

#[test]
fn the_encoding_follows_the_number_of_elements() {
    let fill = Fill(4);
    let mut list = list_of(["a", "b", "c", "d"], fill);
    assert_eq!(list.encoding_name(), "listpack");
    list.push(End::Back, &b"e"[..], fill);
    assert_eq!(list.encoding_name(), "quicklist");
    // Two nodes, then one of more than half the limit, then half of it.
    for (left, name) in [
        (4, "quicklist"),
        (3, "quicklist"),
        (2, "listpack"),
        (1, "listpack"),
    ] {
        list.pop(End::Back, fill, |_| ());
        assert_eq!((list.len(), list.encoding_name()), (left, name));
    }
}

#[test]
fn the_encoding_follows_the_size_in_bytes() {
    let fill = Fill(-1);
    let value = vec![b'v'; 4096 - LISTPACK_OVERHEAD];
    let mut list = List::new();
    list.push(End::Back, &value[..], fill);
    assert_eq!(
        list.encoding_name(),
        "listpack",
        "the estimate does not count an entry's head"
    );
    list.push(End::Back, &b"x"[..], fill);
    assert_eq!(list.encoding_name(), "quicklist");
    list.pop(End::Back, fill, |_| ());
    assert_eq!(
        list.encoding_name(),
        "quicklist",
        "one node, but above half the limit"
    );
    list.set(0, &b"y"[..], fill);
    assert_eq!(list.encoding_name(), "listpack");
}

#[test]
fn limits_have_the_sizes_that_their_numbers_stand_for() {
    for (fill, bytes, elements) in [
        (-1, 4096, usize::MAX),
        (-2, 8192, usize::MAX),
        (-3, 16_384, usize::MAX),
        (-4, 32_768, usize::MAX),
        (-5, 65_536, usize::MAX),
        (i32::MIN, 65_536, usize::MAX),
        (0, 8192, 1),
        (1, 8192, 1),
        (128, 8192, 128),
    ] {
        let limit = ChunkLimit {
            bytes: bytes - LISTPACK_OVERHEAD,
            elements,
        };
        assert_eq!(Fill(fill).chunk_limit(), limit, "{fill}");
    }
}

#[test]
fn a_large_element_is_shared_and_not_copied() {
    let fill = Fill::default();
    let big = Arc::new(vec![b'b'; 100_000]);
    let mut list = list_of(["small"], fill);
    list.push(End::Front, Arc::clone(&big), fill);
    list.push(End::Front, &b"first"[..], fill);
    let copy = list.clone();
    let Some(Element::Shared(stored)) = copy.get(1) else {
        panic!("stored by itself")
    };
    assert!(Arc::ptr_eq(stored, &big));
    assert!(list.set(1, &b"now small"[..], fill));
    assert_eq!(
        list.encoding_name(),
        "quicklist",
        "chunks are merged when removals leave them sparse"
    );
    assert_eq!(copy.get(1).map(|element| element.len()), Some(100_000));
    drop(copy);
    assert_eq!(Arc::strong_count(&big), 1);
}

#[test]
fn positions_obey_rank_count_and_maxlen() {
    for fill in [Fill(2), Fill(-2)] {
        let list = list_of(["a", "b", "c", "1", "2", "3", "c", "c"], fill);
        let table: [(i64, usize, usize, &[usize]); 9] = [
            (1, 1, 0, &[2]),
            (2, 1, 0, &[6]),
            (4, 1, 0, &[]),
            (-1, 1, 0, &[7]),
            (-1, 0, 0, &[7, 6, 2]),
            (-2, 2, 0, &[6, 2]),
            (1, 0, 3, &[2]),
            (1, 0, 2, &[]),
            (-1, 0, 2, &[7, 6]),
        ];
        for (rank, count, maxlen, expected) in table {
            assert_eq!(
                list.positions(b"c", rank, count, maxlen),
                expected,
                "{rank} {count} {maxlen}"
            );
        }
    }
}

#[test]
fn negative_indexes_count_from_the_end() {
    let list = list_of(["a", "b", "c"], Fill::default());
    for (index, expected) in [
        (0, Some(0)),
        (2, Some(2)),
        (3, None),
        (-1, Some(2)),
        (-3, Some(0)),
        (-4, None),
        (i64::MIN, None),
        (i64::MAX, None),
    ] {
        assert_eq!(list.resolve(index), expected, "{index}");
    }
}

#[test]
fn removing_many_equal_elements_keeps_the_others_in_order() {
    for fill in [Fill(3), Fill(1000)] {
        let mut list = List::new();
        (0..300).for_each(|i| list.push(End::Back, Value::Int(i % 3), fill));
        assert_eq!(list.remove_equal(b"1", -50, fill), 50);
        assert_eq!(list.remove_equal(b"1", 0, fill), 50);
        assert_eq!(list.remove_equal(b"01", 0, fill), 0);
        assert!(
            list.iter()
                .map(|element| element.to_vec())
                .eq((0..200).map(|i| vec![b"02"[i % 2]]))
        );
        assert_eq!(
            list.remove_equal(b"0", 0, fill) + list.remove_equal(b"2", 0, fill),
            200
        );
        assert!(list.is_empty());
    }
}

#[test]
fn a_million_short_elements_take_little_more_than_their_text() {
    let total = if cfg!(miri) { 2_000 } else { 1_000_000 };
    for end in [End::Front, End::Back] {
        let fill = Fill::default();
        let mut list = List::new();
        for i in 0..total {
            list.push(end, format!("elem{i:07}").as_bytes(), fill);
        }
        let bytes = list.memory_bytes(0);
        assert!(
            bytes <= total * 14 + 20_000,
            "{bytes} bytes for {total} elements of 11 bytes"
        );
        let sampled = list.memory_bytes(5);
        assert!(sampled.abs_diff(bytes) < bytes / 10 + 20_000);
    }
    assert!(size_of::<List>() <= 16);
}

#[test]
fn a_snapshot_can_be_read_by_another_thread_while_the_list_changes() {
    let fill = Fill(4);
    let mut list = List::new();
    (0..500).for_each(|i| list.push(End::Back, Value::Int(i), fill));
    let snapshot = list.clone();
    let reader =
        std::thread::spawn(move || snapshot.iter().map(|e| e.to_vec()).collect::<Vec<_>>());
    (0..300).for_each(|_| assert!(list.pop(End::Front, fill, |_| ()).is_some()));
    (0..300).for_each(|i| list.insert(i, Value::Int(-1), fill));
    let read = reader.join().expect("the reader does not panic");
    assert!(
        read.into_iter()
            .eq((0..500).map(|i| i.to_string().into_bytes()))
    );
    assert_eq!(list.len(), 500);
}
