//! Streams against a model of sorted maps: whatever is done to them, and to their clones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;
type Model = BTreeMap<StreamId, Fields>;

/// Few entries in a chunk, so that some dozens make a tree of several levels.
const SMALL: NodeLimit = NodeLimit {
    bytes: 200,
    entries: 3,
};

fn push(stream: &mut Stream, id: StreamId, fields: &Fields, limit: NodeLimit) {
    let word = |at: usize| -> &[u8] {
        let (field, value) = &fields[at / 2];
        if at.is_multiple_of(2) { field } else { value }
    };
    stream.push(NewEntry::new(id, fields.len(), &word), limit);
}

fn read(entry: &Entry<'_>) -> (StreamId, Fields) {
    let pairs = |(field, value): (_, _)| -> (Vec<u8>, Vec<u8>) {
        let text = |item: crate::store::encoding::flat::Item<'_>| item.to_vec();
        (text(field), text(value))
    };
    (entry.id, entry.fields().map(pairs).collect())
}

fn fields_of(text: &str) -> Fields {
    let words: Vec<_> = text.split(' ').collect();
    let pairs = words.chunks(2);
    pairs.map(|pair| (pair[0].into(), pair[1].into())).collect()
}

/// A stream with the entries `1-0` to `count-0`.
fn stream_of(count: u64, limit: NodeLimit) -> Stream {
    let mut stream = Stream::new();
    for ms in 1..=count {
        push(&mut stream, StreamId::new(ms, 0), &fields_of("f v"), limit);
    }
    stream
}

fn ids(stream: &Stream) -> Vec<u64> {
    stream.log().iter_from(0).map(|entry| entry.id.ms).collect()
}

#[test]
fn a_chunk_holds_the_elements_of_a_listpack_behind_its_counts() {
    let mut stream = Stream::new();
    let limit = NodeLimit {
        bytes: 4096,
        entries: 100,
    };
    for (id, fields) in [
        (StreamId::new(10, 5), "a 1 b x"),
        (StreamId::new(11, 0), "a 2 b y"),
        (StreamId::new(11, 7), "c 3"),
    ] {
        push(&mut stream, id, &fields_of(fields), limit);
    }
    let chunk = stream.log().chunks().next().expect("there are entries");
    assert_eq!(chunk.base_id(), StreamId::new(10, 5));
    let mut digits = itoa::Buffer::new();
    let elements: Vec<String> = chunk
        .elements()
        .iter()
        .map(|item| String::from_utf8_lossy(item.text(&mut digits)).into_owned())
        .collect();
    let want = "2 a b 0 2 0 0 1 x 5 2 1 -5 2 y 5 0 1 2 1 c 3 6";
    assert_eq!(elements.join(" "), want);
}

#[test]
fn chunks_end_at_the_limits_and_none_is_none() {
    let no_limit = NodeLimit {
        bytes: 0,
        entries: 0,
    };
    for (limit, chunks) in [
        (SMALL, 34),
        (no_limit, 1),
        (NodeLimit { bytes: 0, ..SMALL }, 34),
        (
            NodeLimit {
                entries: 0,
                ..SMALL
            },
            6,
        ),
    ] {
        let stream = stream_of(100, limit);
        assert_eq!(stream.log().chunk_count(), chunks, "{limit:?}");
        assert_eq!(stream.log().chunks().count(), chunks, "{limit:?}");
    }
}

#[test]
fn a_clone_keeps_what_it_had_when_the_other_is_written_to() {
    let mut stream = stream_of(1000, SMALL);
    assert!(stream.create_group(b"g", StreamId::MIN, Some(0)));
    let (_, group) = stream.group_mut(b"g").expect("it was made");
    let (first, _) = group.find_or_create_consumer(b"first", 1);
    for ms in 1..=1000 {
        group.deliver(StreamId::new(ms, 0), first, 5);
    }
    let before = stream.clone();
    let (_, group) = stream.group_mut(b"g").expect("it was made");
    let (second, _) = group.find_or_create_consumer(b"second", 6);
    group.deliver(StreamId::new(500, 0), second, 7);
    assert!(group.ack(StreamId::new(1, 0)));
    group.last_id = StreamId::new(1000, 0);
    stream.delete(StreamId::new(700, 0), SMALL);
    push(
        &mut stream,
        StreamId::new(2000, 0),
        &fields_of("f v"),
        SMALL,
    );

    let state = |stream: &Stream| {
        let group = stream.group(b"g").expect("it was made");
        let consumers: Vec<_> = group
            .consumers()
            .map(|consumer| (consumer.name().to_vec(), consumer.pending().len()))
            .collect();
        let delivery = group.pending().get(StreamId::new(500, 0));
        let times = delivery.map(|delivery| delivery.time_ms);
        (
            stream.len(),
            group.last_id.ms,
            group.pending().len(),
            consumers,
            times,
        )
    };
    let (first, second) = (b"first".to_vec(), b"second".to_vec());
    assert_eq!(
        state(&before),
        (1000, 0, 1000, vec![(first.clone(), 1000)], Some(5))
    );
    assert_eq!(
        state(&stream),
        (1000, 1000, 999, vec![(first, 998), (second, 1)], Some(7))
    );
    assert!(before.log().contains(StreamId::new(700, 0)));
    assert!(!stream.log().contains(StreamId::new(700, 0)));
}

#[test]
fn the_first_write_to_a_clone_allocates_little() {
    let mut stream = Stream::new();
    stream.create_group(b"g", StreamId::MIN, None);
    let (_, group) = stream.group_mut(b"g").expect("it was made");
    let (consumer, _) = group.find_or_create_consumer(b"c", 1);
    for ms in 1..=20_000 {
        group.deliver(StreamId::new(ms, 0), consumer, 5);
    }
    let all = stream.memory_bytes(0);
    let snapshot = stream.clone();
    let (_, group) = stream.group_mut(b"g").expect("it was made");
    group.ack(StreamId::new(10_000, 0));
    // What is not shared any more are the paths to one row in two maps: nodes that neither tree has in common.
    let shared = |stream: &Stream| {
        let group = stream.group(b"g").expect("it was made");
        group.pending().chunk_addresses()
    };
    let (old, new) = (shared(&snapshot), shared(&stream));
    let copied = new.iter().filter(|chunk| !old.contains(chunk)).count();
    assert_eq!(copied, 1, "of {} chunks, {all} bytes", new.len());
}

#[test]
fn trims_remove_from_the_front() {
    let trim = |threshold, approximate, limit| Trim {
        threshold,
        approximate,
        limit,
        references: References::Keep,
    };
    use Threshold::{MaxLen, MinId};
    for (what, first, removed) in [
        (trim(MaxLen(10), false, 0), 1, 0),
        (trim(MaxLen(4), false, 0), 7, 6),
        (trim(MaxLen(0), false, 0), 0, 10),
        (trim(MaxLen(4), true, 0), 7, 6),
        (trim(MaxLen(5), true, 0), 4, 3),
        (trim(MaxLen(0), true, 5), 4, 3),
        (trim(MaxLen(0), true, 2), 1, 0),
        (trim(MinId(StreamId::new(6, 0)), false, 0), 6, 5),
        (trim(MinId(StreamId::new(6, 0)), true, 0), 4, 3),
        (trim(MinId(StreamId::MAX), false, 0), 0, 10),
    ] {
        let mut stream = stream_of(10, SMALL);
        assert_eq!(stream.trim(&what, SMALL).removed, removed, "{what:?}");
        assert_eq!(stream.first_id().ms, first, "{what:?}");
        assert_eq!(stream.max_deleted_id(), StreamId::MIN);
        assert_eq!(stream.entries_added(), 10);
    }
}

#[test]
fn a_trim_of_many_hands_over_what_it_removed() {
    let limit = NodeLimit {
        bytes: 4096,
        entries: 100,
    };
    let mut stream = stream_of(20_001, limit);
    let trim = Trim {
        threshold: Threshold::MaxLen(1),
        approximate: false,
        limit: 0,
        references: References::Keep,
    };
    let trimmed = stream.trim(&trim, limit);
    assert_eq!((trimmed.removed, stream.len()), (20_000, 1));
    let remains = trimmed.remains.expect("they are many");
    assert_eq!(remains.len(), 20_001);
}

#[test]
fn a_trim_to_what_is_acked_leaves_what_groups_need() {
    let mut stream = stream_of(10, SMALL);
    stream.create_group(b"g", StreamId::new(8, 0), None);
    let (_, group) = stream.group_mut(b"g").expect("it was made");
    let (consumer, _) = group.find_or_create_consumer(b"c", 1);
    for ms in [2, 5] {
        group.deliver(StreamId::new(ms, 0), consumer, 1);
    }
    let trim = |most| Trim {
        threshold: Threshold::MaxLen(most),
        approximate: false,
        limit: 0,
        references: References::Acked,
    };
    let mut part = stream.clone();
    assert_eq!(part.trim(&trim(7), SMALL).removed, 3);
    assert_eq!(ids(&part), [2, 5, 6, 7, 8, 9, 10]);
    assert_eq!(part.max_deleted_id(), StreamId::new(4, 0));
    assert_eq!(stream.trim(&trim(0), SMALL).removed, 6);
    assert_eq!(ids(&stream), [2, 5, 9, 10]);
    let (_, group) = stream.group_mut(b"g").expect("it was made");
    assert!(group.ack(StreamId::new(2, 0)));
    assert_eq!(stream.trim(&trim(0), SMALL).removed, 1);
    assert_eq!(ids(&stream), [5, 9, 10]);
}

#[test]
fn a_trim_may_take_the_references_too() {
    let mut stream = stream_of(10, SMALL);
    stream.create_group(b"g", StreamId::MIN, None);
    let (_, group) = stream.group_mut(b"g").expect("it was made");
    let (consumer, _) = group.find_or_create_consumer(b"c", 1);
    for ms in 1..=10 {
        group.deliver(StreamId::new(ms, 0), consumer, 1);
    }
    let trim = Trim {
        threshold: Threshold::MaxLen(4),
        approximate: false,
        limit: 0,
        references: References::Delete,
    };
    assert_eq!(stream.trim(&trim, SMALL).removed, 6);
    let group = stream.group(b"g").expect("it was made");
    let pending = group.pending().first().map(|first| first.id.ms);
    assert_eq!((pending, group.pending().len()), (Some(7), 4));
}

#[test]
fn consumers_are_found_by_name_and_numbers_are_used_again() {
    let mut group = Group::new(b"g", StreamId::MIN, None);
    let names = |group: &Group| -> Vec<String> {
        let consumers = group.consumers();
        consumers
            .map(|consumer| String::from_utf8_lossy(consumer.name()).into_owned())
            .collect()
    };
    for name in ["m", "z", "a", "k"] {
        let (consumer, created) = group.find_or_create_consumer(name.as_bytes(), 1);
        assert!(created);
        let id = StreamId::new(u64::from(name.as_bytes()[0]), 0);
        group.deliver(id, consumer, 1);
    }
    assert!(!group.find_or_create_consumer(b"k", 2).1);
    assert_eq!(names(&group), ["a", "k", "m", "z"]);
    assert_eq!(group.remove_consumer(b"m"), Some(1));
    assert_eq!(group.remove_consumer(b"m"), None);
    assert_eq!(group.pending().len(), 3);
    let (consumer, created) = group.find_or_create_consumer(b"b", 3);
    assert!(created);
    assert_eq!(group.consumer(consumer).name(), b"b");
    assert_eq!(names(&group), ["a", "b", "k", "z"]);
    let owners: Vec<_> = group
        .pending()
        .iter()
        .map(|delivery| group.consumer(delivery.consumer).name().to_vec())
        .collect();
    assert_eq!(owners, [b"a", b"k", b"z"]);
}

#[derive(Clone, Debug)]
enum Change {
    Push(u64, u64, Fields),
    Delete(usize),
    TrimTo(u64),
    TrimFrom(usize),
    Snapshot,
}

fn fields() -> impl Strategy<Value = Fields> {
    let word = || {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..6),
            (-200_000..200_000i64).prop_map(|number| number.to_string().into_bytes()),
        ]
    };
    let usual = (word(), word()).prop_map(|(a, b)| vec![(b"f".to_vec(), a), (b"g".to_vec(), b)]);
    prop_oneof![usual, proptest::collection::vec((word(), word()), 1..4)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        12 => (0..3u64, 1..5u64, fields()).prop_map(|(ms, seq, fields)| Change::Push(ms, seq, fields)),
        6 => any::<usize>().prop_map(Change::Delete),
        1 => (0..30u64).prop_map(Change::TrimTo),
        1 => any::<usize>().prop_map(Change::TrimFrom),
        1 => Just(Change::Snapshot),
    ]
}

/// Whether a stream holds what the model holds, read in every way.
fn check(stream: &Stream, model: &Model) -> Result<(), TestCaseError> {
    let log = stream.log();
    let own = |pair: (&StreamId, &Fields)| (*pair.0, pair.1.clone());
    prop_assert_eq!(stream.len(), model.len());
    prop_assert_eq!(log.first_id(), model.keys().next().copied());
    prop_assert_eq!(log.last_id(), model.keys().next_back().copied());
    let forward: Vec<_> = log.iter_from(0).map(|entry| read(&entry)).collect();
    prop_assert_eq!(forward, model.iter().map(own).collect::<Vec<_>>());
    let backward: Vec<_> = log
        .iter_until(log.len())
        .map(|entry| read(&entry))
        .collect();
    prop_assert_eq!(backward, model.iter().rev().map(own).collect::<Vec<_>>());
    let (Some(low), Some(high)) = (log.first_id(), log.last_id()) else {
        return Ok(());
    };
    for ms in low.ms..=high.ms {
        let (from, to) = (StreamId::new(ms, 2), StreamId::new(ms + 2, 1));
        let range = log.indexes(from, to);
        let want: Vec<_> = model.range(from..=to).map(own).collect();
        let entries = log.iter_from(range.start).take(range.len());
        prop_assert_eq!(
            entries.map(|entry| read(&entry)).collect::<Vec<_>>(),
            want.clone()
        );
        let entries = log.iter_until(range.end).take(range.len());
        let reversed: Vec<_> = entries.map(|entry| read(&entry)).collect();
        prop_assert_eq!(reversed, want.into_iter().rev().collect::<Vec<_>>());
        prop_assert_eq!(log.contains(from), model.contains_key(&from));
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_stream_behaves_as_a_sorted_map_and_its_clones_stay_as_they_were(
        changes in proptest::collection::vec(change(), 0..120),
    ) {
        let mut stream = Stream::new();
        let mut model = Model::new();
        let mut snapshots = Vec::new();
        for change in changes {
            match change {
                Change::Push(ms, seq, fields) => {
                    let last = stream.last_id();
                    let seq = if ms == 0 { last.seq + seq } else { seq };
                    let id = StreamId::new(last.ms + ms, seq);
                    push(&mut stream, id, &fields, SMALL);
                    model.insert(id, fields);
                }
                Change::Delete(at) => {
                    let chosen = model.keys().nth(at % model.len().max(1)).copied();
                    if let Some(id) = chosen {
                        prop_assert!(stream.delete(id, SMALL));
                        prop_assert!(!stream.delete(id, SMALL));
                        model.remove(&id);
                    }
                }
                Change::TrimTo(most) => trim(&mut stream, Threshold::MaxLen(most), &mut model),
                Change::TrimFrom(at) => {
                    let chosen = model.keys().nth(at % model.len().max(1)).copied();
                    let id = chosen.unwrap_or_default();
                    trim(&mut stream, Threshold::MinId(id), &mut model);
                }
                Change::Snapshot => snapshots.push((stream.clone(), model.clone())),
            }
        }
        snapshots.push((stream, model));
        for (stream, model) in &snapshots {
            check(stream, model)?;
        }
    }
}

fn trim(stream: &mut Stream, threshold: Threshold, model: &mut Model) {
    let trim = Trim {
        threshold,
        approximate: false,
        limit: 0,
        references: References::Keep,
    };
    stream.trim(&trim, SMALL);
    match threshold {
        Threshold::MaxLen(most) => {
            while model.len() as u64 > most {
                model.pop_first();
            }
        }
        Threshold::MinId(id) => *model = model.split_off(&id),
    }
}

/// One change to what is pending.
#[derive(Clone, Debug)]
enum Step {
    Deliver(u64, u8),
    Ack(u64),
    RemoveConsumer(u8),
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..60u64, 0..4u8).prop_map(|(id, consumer)| Step::Deliver(id, consumer)),
        5 => (0..60u64).prop_map(Step::Ack),
        1 => (0..4u8).prop_map(Step::RemoveConsumer),
        1 => Just(Step::Snapshot),
    ]
}

proptest! {
    #[test]
    fn both_maps_of_a_group_say_the_same(steps in proptest::collection::vec(step(), 0..150)) {
        let mut group = Group::new(b"g", StreamId::MIN, None);
        let mut model: BTreeMap<StreamId, (u8, u64)> = BTreeMap::new();
        let mut snapshots = Vec::new();
        for (now_ms, step) in (0..).zip(steps) {
            match step {
                Step::Deliver(id, name) => {
                    let (consumer, _) = group.find_or_create_consumer(&[name], now_ms);
                    group.deliver(StreamId::new(id, 0), consumer, now_ms);
                    model.insert(StreamId::new(id, 0), (name, now_ms));
                }
                Step::Ack(id) => {
                    let id = StreamId::new(id, 0);
                    prop_assert_eq!(group.ack(id), model.remove(&id).is_some());
                }
                Step::RemoveConsumer(name) => {
                    let before = model.len();
                    model.retain(|_, (owner, _)| *owner != name);
                    let lost = group.remove_consumer(&[name]).unwrap_or(0);
                    prop_assert_eq!(lost, before - model.len());
                }
                Step::Snapshot => snapshots.push((group.clone(), model.clone())),
            }
        }
        snapshots.push((group, model));
        for (group, model) in snapshots {
            let own = |delivery: Delivery| {
                let name = group.consumer(delivery.consumer).name()[0];
                (delivery.id, (name, delivery.time_ms))
            };
            let pending: Vec<_> = group.pending().iter().map(own).collect();
            prop_assert_eq!(pending, model.clone().into_iter().collect::<Vec<_>>());
            for consumer in group.consumers() {
                let name = consumer.name()[0];
                let of_model = model.iter().filter(|(_, (owner, _))| *owner == name);
                let want: Vec<_> = of_model.map(|(id, _)| *id).collect();
                prop_assert_eq!(consumer.pending().iter().collect::<Vec<_>>(), want);
            }
        }
    }
}
