//! Values of every kind: those that Redis wrote (tests/fixtures/rdb), those of former versions, made here by a small writer,
//! and all of them cut and changed at every byte.

use std::fmt::Write;

use super::input::Input;
use super::output::Output;
use super::payload::{self, Refused};
use super::read::{Loaded, read_value};
use super::{Error, VERSION, VERSION_FIELD_DEADLINES, VERSION_VALKEY, kind, listpack};
use crate::store::db::EncodingLimits;
use crate::store::encoding::flat::{Encoded, Flat};
use crate::store::entry::{Entry, NEVER, Object, Value};
use crate::store::types::stream::Stream;

/// Values that redis-server 7.0 dumped without compression: key, commands, payload in hexadecimal digits.
const GOLDEN: &str = include_str!("../../../tests/fixtures/rdb/values.tsv");

/// The limits with which the golden payloads were made.
pub(super) const LIMITS: EncodingLimits = EncodingLimits {
    list_max_listpack_size: 4,
    set_max_intset_entries: 8,
    set_max_listpack_entries: 128,
    set_max_listpack_value: 64,
    hash_max_listpack_entries: 4,
    hash_max_listpack_value: 64,
    zset_max_listpack_entries: 4,
    zset_max_listpack_value: 64,
    stream_node_max_bytes: 4096,
    stream_node_max_entries: 3,
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All that a value is, in words: type, encoding, and elements, sorted where they have no order.
pub(super) fn describe(entry: &Entry) -> String {
    let object = match entry.value() {
        Value::Int(number) => return format!("integer {number}"),
        Value::Inline(bytes) => return format!("string {}", text(bytes)),
        Value::Object(object) => object,
    };
    match object {
        Object::String(bytes) => format!("string {}", text(bytes)),
        Object::List(list) => {
            let elements = list.iter().map(|element| text(&element.to_vec()));
            format!("{} {}", list.encoding_name(), join(elements))
        }
        Object::Set(set) => {
            let mut members: Vec<String> = set.iter().map(|item| text(&item.to_vec())).collect();
            members.sort();
            format!("{} {}", set.encoding_name(), members.join(" "))
        }
        Object::Hash(hash) => {
            let mut fields: Vec<String> = hash
                .iter()
                .map(|field| {
                    let deadline = match field.deadline_ms {
                        NEVER => String::new(),
                        ms => format!("@{ms}"),
                    };
                    let (name, value) = (field.name.to_vec(), field.value.to_vec());
                    format!("{}={}{deadline}", text(&name), text(&value))
                })
                .collect();
            fields.sort();
            format!("{} {}", hash.encoding_name(), fields.join(" "))
        }
        Object::SortedSet(set) => {
            let members = set
                .iter()
                .map(|(member, score)| format!("{}:{score}", text(&member.to_vec())));
            format!("{} {}", set.encoding_name(), join(members))
        }
        Object::Stream(stream) => describe_stream(stream),
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

fn describe_stream(stream: &Stream) -> String {
    let mut words = format!(
        "stream last {} deleted {} added {}",
        stream.last_id(),
        stream.max_deleted_id(),
        stream.entries_added()
    );
    for entry in stream.log().iter_from(0) {
        let fields = entry
            .fields()
            .map(|(field, value)| format!("{}={}", text(&field.to_vec()), text(&value.to_vec())));
        write!(words, " {}({})", entry.id, join(fields)).expect("a string takes it");
    }
    for group in stream.groups() {
        let read = group.entries_read.unwrap_or(-1);
        write!(words, " {} {} {read}", text(group.name()), group.last_id)
            .expect("a string takes it");
        for consumer in group.consumers() {
            write!(words, " {}", text(consumer.name())).expect("a string takes it");
            for id in consumer.pending().iter() {
                let delivery = group
                    .pending()
                    .get(id)
                    .expect("a group has what its consumers have");
                write!(words, " {id}x{}", delivery.count).expect("a string takes it");
            }
        }
    }
    words
}

fn entry_of(value: Loaded) -> Entry {
    value.into_entry(b"key", NEVER)
}

/// Key and payload of each golden value.
pub(super) fn golden() -> Vec<(&'static str, Vec<u8>)> {
    GOLDEN
        .lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let digits = columns[2];
            let bytes = (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("they are digits"));
            (columns[0], bytes.collect())
        })
        .collect()
}

fn decoded(payload: &[u8]) -> Entry {
    let value = payload::decode(payload, &LIMITS, true);
    entry_of(value.unwrap_or_else(|error| panic!("{payload:x?}: {error:?}")))
}

#[test]
fn golden_payloads_are_read_and_written_byte_for_byte() {
    // The order of a table is its own, and deleted entries are not kept.
    let differing = ["set-table", "hash-table", "sorted-table", "stream-past"];
    for (key, golden) in golden() {
        let entry = decoded(&golden);
        let written = payload::encode(entry.value(), false);
        if !differing.contains(&key) {
            assert_eq!(written, golden, "{key}");
        }
        for written in [written, payload::encode(entry.value(), true)] {
            assert_eq!(describe(&decoded(&written)), describe(&entry), "{key}");
        }
    }
}

#[test]
fn golden_payloads_are_what_their_commands_made() {
    let wanted = [
        ("int16", "integer 1234"),
        ("int64", "integer 123456789012"),
        ("empty", "string "),
        ("list", "listpack a b 12 -70000"),
        ("list-chunks", "quicklist a b c 1 2 3 d e f 4096"),
        ("integers-wide", "intset -5 5000000000 70000"),
        ("set-table", "hashtable 1 2 a b c d e f g h"),
        ("hash", "listpack field=value number=17"),
        ("hash-table", "hashtable a=1 b=2 c=3 d=4 e=5 f=6"),
        ("sorted", "listpack c:-inf a:1 b:2.5"),
        (
            "stream",
            "stream last 2-1 deleted 0-0 added 3 1-1(name=a) 2-0(name=b) 2-1(other=c name=d)",
        ),
        (
            "stream-past",
            "stream last 9-0 deleted 3-0 added 20 2-0(f=2) 4-0(f=4) 5-0(f=5) 6-0(f=6) 7-0(f=7)",
        ),
        (
            "stream-groups",
            "stream last 4-0 deleted 0-0 added 4 1-0(f=1) 2-0(f=2) 3-0(f=3) 4-0(f=4) group 3-0 3 busy 1-0x7 3-0x1 \
             idle other 2-0 2",
        ),
    ];
    let golden = golden();
    for (key, want) in wanted {
        let (_, payload) = golden
            .iter()
            .find(|(name, _)| *name == key)
            .expect("the key is there");
        // A set of few members has no small form in Redis 7.0, and is written as a table.
        let got = describe(&decoded(payload))
            .replace("listpack 1 2 a b c d e", "hashtable 1 2 a b c d e");
        assert_eq!(got, want, "{key}");
    }
}

/// A part of a value that is written by hand.
#[derive(Clone, Copy)]
enum Part<'a> {
    Number(u64),
    Text(&'a [u8]),
    Raw(&'a [u8]),
}

fn body(parts: &[Part<'_>]) -> Vec<u8> {
    let mut output = Output::new(Vec::new(), false);
    for part in parts {
        match part {
            Part::Number(number) => output.number(*number),
            Part::Text(text) => output.string(text),
            Part::Raw(raw) => output.raw(raw),
        }
        .expect("a vector takes it");
    }
    output.inner
}

fn ziplist(elements: &[&[u8]]) -> Vec<u8> {
    let (mut entries, mut before, mut tail) = (Vec::new(), 0u8, 10);
    for element in elements {
        tail = 10 + entries.len() as u32;
        let start = entries.len();
        entries.push(before);
        match element {
            // One element of each form, by what stands first in it.
            [b'#', rest @ ..] => entries.extend_from_slice(rest),
            text if text.len() > 63 => {
                entries.extend([0x40 | (text.len() >> 8) as u8, text.len() as u8]);
                entries.extend_from_slice(text);
            }
            text => {
                entries.push(text.len() as u8);
                entries.extend_from_slice(text);
            }
        }
        before = (entries.len() - start) as u8;
    }
    let mut bytes = (entries.len() as u32 + 11).to_le_bytes().to_vec();
    bytes.extend(tail.to_le_bytes());
    bytes.extend((elements.len() as u16).to_le_bytes());
    bytes.extend(entries);
    bytes.push(0xff);
    bytes
}

fn packed(elements: &[&str]) -> Vec<u8> {
    let mut flat = Flat::new();
    elements
        .iter()
        .for_each(|element| flat.push_back(&Encoded::new(element.as_bytes())));
    let mut bytes = Vec::new();
    assert!(listpack::write(&[flat.entries()], flat.len(), &mut bytes));
    bytes
}

/// The parts of a stream with one entry and one group, from the number of its entries on.
fn stream_body(kind: u8) -> Vec<u8> {
    use Part::{Number, Raw, Text};
    let id = |ms: u64| (u128::from(ms) << 64).to_be_bytes();
    let chunk = packed(&[
        "1", "1", "1", "f", "0", "2", "0", "0", "v", "4", "3", "1", "0", "gone", "4",
    ]);
    let (base, pending) = (id(5), id(5));
    let time = 1_600_000_000_000u64.to_le_bytes();
    let mut parts = vec![
        Number(1),
        Text(&base),
        Text(&chunk),
        Number(1),
        Number(6),
        Number(0),
    ];
    if kind != kind::STREAM {
        parts.extend([Number(5), Number(0), Number(6), Number(0), Number(2)]);
    }
    parts.extend([Number(1), Text(b"group"), Number(5), Number(0)]);
    if kind != kind::STREAM {
        parts.push(Number(1));
    }
    parts.extend([Number(1), Raw(&pending), Raw(&time), Number(3)]);
    parts.extend([Number(1), Text(b"consumer"), Raw(&time)]);
    if kind == kind::STREAM_3 {
        parts.push(Raw(&time));
    }
    parts.extend([Number(1), Raw(&pending)]);
    body(&parts)
}

/// Kind, version and body of a value, and what it is.
type Sample = (u8, u16, Vec<u8>, &'static str);

/// Values of every kind that former and later versions write.
fn others() -> Vec<Sample> {
    let mut all = lists_and_sets();
    all.extend(hashes());
    all.extend(hashes_with_deadlines());
    all.extend(streams());
    all
}

fn lists_and_sets() -> Vec<Sample> {
    use Part::{Number, Raw, Text};
    let elements: [&[u8]; 8] = [
        b"a",
        b"#\xc0\x39\x30",
        b"#\xd0\x00\x00\x01\x00",
        b"#\xe0\x00\x00\x00\x00\x01\x00\x00\x00",
        b"#\xf0\xff\xff\xff",
        b"#\xfe\x80",
        b"#\xf1",
        b"#\xfd",
    ];
    let old = ziplist(&elements);
    let elements = "quicklist a 12345 65536 4294967296 -1 -128 0 12";
    let scored = [
        Text(b"a"),
        Raw(b"\x031.5"),
        Text(b"b"),
        Raw(b"\xff"),
        Text(b"c"),
        Raw(b"\xfe"),
    ];
    let scored = [&[Number(3)], &scored[..]].concat();
    let quick = [Number(2), Number(1), Text(b"big"), Number(2)];
    let chunk = packed(&["1", "x"]);
    let quick = [&quick[..], &[Text(&chunk)]].concat();
    let pair = [Number(2), Text(b"a"), Text(b"12")];
    let scores = body(&[Text(&packed(&["b", "2", "a", "1"]))]);
    let old_scores = ziplist(&[b"a", b"#\xf3", b"b", b"2.5"]);
    vec![
        (kind::LIST, 1, body(&pair), "listpack a 12"),
        (kind::LIST_ZIPLIST, 5, body(&[Text(&old)]), elements),
        (
            kind::LIST_QUICKLIST,
            7,
            body(&[Number(1), Text(&old)]),
            elements,
        ),
        (
            kind::LIST_QUICKLIST_2,
            10,
            body(&quick),
            "quicklist big 1 x",
        ),
        (kind::SET, 1, body(&pair), "listpack 12 a"),
        (kind::SET, 1, body(&[Number(1), Text(b"12")]), "intset 12"),
        (
            kind::SET_LISTPACK,
            11,
            body(&[Text(&packed(&["b", "2", "a"]))]),
            "listpack 2 a b",
        ),
        (
            kind::SORTED_SET,
            1,
            body(&scored),
            "listpack b:-inf a:1.5 c:inf",
        ),
        (
            kind::SORTED_SET_ZIPLIST,
            5,
            body(&[Text(&old_scores)]),
            "listpack a:2 b:2.5",
        ),
        (kind::SORTED_SET_LISTPACK, 10, scores, "listpack a:1 b:2"),
    ]
}

fn hashes() -> Vec<Sample> {
    use Part::{Number, Text};
    let wide = [b'x'; 65];
    let zipmap = b"\x02\x01a\x01\x00v\x02bb\x02\x01vvx\xff";
    vec![
        (
            kind::HASH_ZIPMAP,
            2,
            body(&[Text(zipmap)]),
            "listpack a=v bb=vv",
        ),
        (
            kind::HASH,
            1,
            body(&[Number(1), Text(b"f"), Text(&wide)]),
            concat!(
                "hashtable f=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            ),
        ),
        (
            kind::HASH_ZIPLIST,
            5,
            body(&[Text(&ziplist(&[b"f", &wide]))]),
            concat!(
                "listpack f=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            ),
        ),
    ]
}

fn hashes_with_deadlines() -> Vec<Sample> {
    use Part::{Number, Raw, Text};
    let (time, never) = (1000u64.to_le_bytes(), u64::MAX.to_le_bytes());
    let [a, b, one, two] = [b"a", b"b", b"1", b"2"].map(|text| &text[..]);
    let absolute = [
        Number(2),
        Number(0),
        Text(a),
        Text(one),
        Number(5000),
        Text(b),
        Text(two),
    ];
    let valkey = [
        Number(2),
        Text(a),
        Text(one),
        Raw(&never),
        Text(b),
        Text(two),
        Raw(&time),
    ];
    let relative = [
        Number(2),
        Number(1),
        Text(a),
        Text(one),
        Number(0),
        Text(b),
        Text(two),
    ];
    let relative = [&[Raw(&time)], &relative[..]].concat();
    let triples = packed(&["b", "2", "1000", "a", "1", "0"]);
    vec![
        (
            kind::HASH_DEADLINES_OLD,
            12,
            body(&absolute),
            "listpackex a=1 b=2@5000",
        ),
        (
            kind::HASH_DEADLINES_OLD,
            VERSION_VALKEY,
            body(&valkey),
            "listpackex a=1 b=2@1000",
        ),
        (
            kind::HASH_LISTPACK_DEADLINES_OLD,
            12,
            body(&[Text(&triples)]),
            "listpackex a=1 b=2@1000",
        ),
        (
            kind::HASH_DEADLINES,
            12,
            body(&relative),
            "listpackex a=1@1000 b=2",
        ),
        (
            kind::HASH_LISTPACK_DEADLINES,
            12,
            body(&[Raw(&time), Text(&triples)]),
            "listpackex a=1 b=2@1000",
        ),
    ]
}

fn streams() -> Vec<Sample> {
    [
        (kind::STREAM, 9),
        (kind::STREAM_2, 10),
        (kind::STREAM_3, 11),
    ]
    .into_iter()
    .map(|(kind, version)| {
        // The first kind does not know of the past.
        let want = match kind {
            kind::STREAM => {
                "stream last 6-0 deleted 0-0 added 1 5-0(f=v) group 5-0 1 consumer 5-0x3"
            }
            _ => "stream last 6-0 deleted 6-0 added 2 5-0(f=v) group 5-0 1 consumer 5-0x3",
        };
        (kind, version, stream_body(kind), want)
    })
    .collect()
}

fn read(kind: u8, version: u16, body: &[u8]) -> Result<Entry, Error> {
    let mut input = Input::new(body, version);
    read_value(&mut input, kind, &LIMITS).map(entry_of)
}

#[test]
fn every_kind_that_any_version_writes_is_read() {
    for (kind, version, body, want) in others() {
        let entry = read(kind, version, &body);
        let entry = entry.unwrap_or_else(|error| panic!("kind {kind}: {error}"));
        assert_eq!(describe(&entry), want, "kind {kind} of version {version}");
        let written = payload::encode(entry.value(), true);
        assert_eq!(describe(&decoded(&written)), want, "kind {kind}");
    }
}

#[test]
fn the_oldest_version_is_written_that_knows_the_value() {
    for (kind, version, body, want) in others() {
        let entry = read(kind, version, &body).expect("it is well formed");
        let written = payload::encode(entry.value(), true);
        let footer = &written[written.len() - 10..];
        let expected = if want.contains('@') {
            VERSION_FIELD_DEADLINES
        } else {
            VERSION
        };
        assert_eq!(footer[..2], expected.to_le_bytes(), "kind {kind}");
    }
}

/// What is read from changed bytes is refused, or a value that can be written and read again. Its encoding may be another
/// then: what was a table with few members is a listpack.
fn try_read(kind: u8, version: u16, body: &[u8]) {
    if let Ok(entry) = read(kind, version, body) {
        let again = describe(&decoded(&payload::encode(entry.value(), true)));
        let want = describe(&entry);
        let elements = |words: &str| words.split_once(' ').map(|(_, rest)| rest.to_owned());
        assert_eq!(elements(&again), elements(&want), "kind {kind}: {body:x?}");
    }
}

/// All values, each as kind, version and body, plain and with its strings packed.
fn all_bodies() -> Vec<(u8, u16, Vec<u8>)> {
    let mut all: Vec<(u8, u16, Vec<u8>)> = others()
        .into_iter()
        .map(|(kind, version, body, _)| (kind, version, body))
        .collect();
    for (_, golden) in golden() {
        let entry = decoded(&golden);
        for payload in [golden, payload::encode(entry.value(), true)] {
            all.push((payload[0], VERSION, payload[1..payload.len() - 10].to_vec()));
        }
    }
    all
}

#[test]
fn values_that_are_cut_at_any_byte_are_refused() {
    for (kind, version, body) in all_bodies() {
        for cut in 0..body.len() {
            let result = read(kind, version, &body[..cut]);
            assert!(result.is_err(), "kind {kind} cut at {cut}");
        }
    }
}

#[test]
fn values_that_are_changed_at_any_byte_are_refused_or_whole() {
    for (kind, version, body) in all_bodies() {
        for at in 0..body.len() {
            for change in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut changed = body.clone();
                changed[at] ^= change;
                try_read(kind, version, &changed);
            }
        }
        for other in 0..=kind::HASH_LISTPACK_DEADLINES + 1 {
            try_read(other, version, &body);
            try_read(other, VERSION_VALKEY, &body);
        }
    }
}

#[test]
fn sizes_that_the_input_does_not_have_are_refused_at_once() {
    use Part::{Number, Raw, Text};
    let huge = u64::MAX;
    let cases: [(u8, Vec<u8>); 9] = [
        (kind::STRING, body(&[Number(huge)])),
        (
            kind::STRING,
            body(&[Raw(b"\xc3\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00a")]),
        ),
        (kind::LIST, body(&[Number(huge), Text(b"a")])),
        (kind::SET, body(&[Number(huge), Text(b"a")])),
        (kind::HASH, body(&[Number(huge), Text(b"a"), Text(b"b")])),
        (kind::SORTED_SET_2, body(&[Number(huge), Text(b"a")])),
        (kind::STREAM_2, body(&[Number(huge)])),
        (
            kind::LIST_QUICKLIST_2,
            body(&[Number(huge), Number(2), Text(&packed(&["1"]))]),
        ),
        (
            kind::SET_INTSET,
            body(&[Text(b"\x08\x00\x00\x00\xff\xff\xff\xff12345678")]),
        ),
    ];
    for (kind, body) in cases {
        let result = read(kind, VERSION, &body);
        assert!(
            matches!(result, Err(Error::CutOff | Error::Corrupt(_))),
            "kind {kind}: {result:?}"
        );
    }
}

#[test]
fn what_breaks_the_rules_of_its_type_is_refused() {
    use Part::{Number, Raw, Text};
    let cases: [(u8, Vec<u8>); 10] = [
        (kind::SET, body(&[Number(2), Text(b"a"), Text(b"a")])),
        (kind::SET_LISTPACK, body(&[Text(&packed(&["a", "1", "a"]))])),
        (
            kind::SET_INTSET,
            body(&[Text(b"\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00")]),
        ),
        (
            kind::HASH,
            body(&[Number(2), Text(b"a"), Text(b"1"), Text(b"a"), Text(b"2")]),
        ),
        (
            kind::HASH_LISTPACK,
            body(&[Text(&packed(&["a", "1", "b"]))]),
        ),
        (
            kind::HASH_LISTPACK,
            body(&[Text(&packed(&["a", "1", "a", "2"]))]),
        ),
        (
            kind::SORTED_SET_LISTPACK,
            body(&[Text(&packed(&["a", "1", "a", "2"]))]),
        ),
        (
            kind::SORTED_SET_LISTPACK,
            body(&[Text(&packed(&["a", "x"]))]),
        ),
        (
            kind::SORTED_SET_LISTPACK,
            body(&[Text(&packed(&["a", "nan"]))]),
        ),
        (
            kind::SORTED_SET,
            body(&[Number(1), Text(b"a"), Raw(b"\xfd")]),
        ),
    ];
    for (kind, body) in cases {
        let result = read(kind, VERSION, &body);
        assert!(
            matches!(result, Err(Error::Corrupt(_))),
            "kind {kind}: {result:?}"
        );
    }
}

#[test]
fn collections_without_elements_are_told_apart() {
    use Part::{Number, Text};
    let cases: [(u8, Vec<u8>); 8] = [
        (kind::LIST, body(&[Number(0)])),
        (kind::SET, body(&[Number(0)])),
        (kind::HASH, body(&[Number(0)])),
        (kind::SORTED_SET_2, body(&[Number(0)])),
        (kind::LIST_ZIPLIST, body(&[Text(&ziplist(&[]))])),
        (kind::HASH_ZIPLIST, body(&[Text(&ziplist(&[]))])),
        (kind::SORTED_SET_LISTPACK, body(&[Text(&packed(&[]))])),
        (
            kind::LIST_QUICKLIST,
            body(&[Number(1), Text(&ziplist(&[]))]),
        ),
    ];
    for (kind, body) in cases {
        let result = read(kind, VERSION, &body);
        assert!(
            matches!(result, Err(Error::Empty)),
            "kind {kind}: {result:?}"
        );
    }
}

#[test]
fn values_of_modules_are_refused_by_name() {
    // The name "MBbloom--" and version 4, as the filter's module has them.
    let number = Part::Number(0x3001_6e96_8a8f_be04_u64);
    match read(kind::MODULE_2, VERSION, &body(&[number])) {
        Err(Error::Module(name)) => assert_eq!(name.len(), 9),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_payload_with_another_checksum_or_a_later_version_is_refused() {
    let mut payload = golden().swap_remove(0).1;
    let last = payload.len() - 1;
    payload[last] ^= 1;
    assert!(matches!(
        payload::decode(&payload, &LIMITS, true),
        Err(Refused::Footer)
    ));
    assert!(payload::decode(&payload, &LIMITS, false).is_ok());
    let body = payload[..payload.len() - 10].to_vec();
    let sealed = |version| payload::decode(&payload::seal(body.clone(), version), &LIMITS, true);
    assert!(sealed(VERSION_VALKEY).is_ok());
    assert!(matches!(sealed(VERSION_VALKEY + 1), Err(Refused::Footer)));
    assert!(matches!(
        payload::decode(b"123456789", &LIMITS, true),
        Err(Refused::Footer)
    ));
    let mut more = body.clone();
    more.push(0);
    let more = payload::decode(&payload::seal(more, VERSION), &LIMITS, true);
    assert!(matches!(more, Err(Refused::Value(Error::Corrupt(_)))));
}
