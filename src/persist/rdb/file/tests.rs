//! Files that Redis wrote (tests/fixtures/rdb), files written here, and both cut and changed at every byte.

use super::{Access, Key, Reader, Record, Writer, version_for};
use crate::persist::rdb::input::Input;
use crate::persist::rdb::read::read_value;
use crate::persist::rdb::tests::{LIMITS, describe, golden};
use crate::persist::rdb::{Error, VERSION, VERSION_FIELD_DEADLINES, kind, payload};
use crate::store::db::Db;
use crate::store::entry::{Entry, NEVER, NewValue, Value};

/// A file of redis-server 7.0 with the golden values as its keys, of which two have deadlines.
const GOLDEN: &[u8] = include_bytes!("../../../../tests/fixtures/rdb/redis-7.0.rdb");
/// The same with compression, and a long text.
const GOLDEN_PACKED: &[u8] = include_bytes!("../../../../tests/fixtures/rdb/redis-7.0-packed.rdb");

fn records(bytes: &[u8]) -> Result<Vec<Record>, Error> {
    Reader::new(bytes, LIMITS, true)?.collect()
}

/// The keys of a file: name, value in words, deadline.
fn keys(records: Vec<Record>) -> Vec<(String, String, u64)> {
    let mut keys: Vec<_> = records
        .into_iter()
        .filter_map(|record| match record {
            Record::Key(key) => {
                let name = String::from_utf8_lossy(key.entry.key()).into_owned();
                Some((name, describe(&key.entry), key.entry.deadline_ms()))
            }
            _ => None,
        })
        .collect();
    keys.sort();
    keys
}

#[test]
fn the_golden_files_have_the_golden_values() {
    let mut wanted: Vec<(String, String, u64)> = golden()
        .into_iter()
        .map(|(name, bytes)| {
            let value = payload::decode(&bytes, &LIMITS, true).expect("it is well formed");
            let deadline_ms = match name {
                "text" => 4_102_444_800_000,
                "hash" => 4_102_444_800_001,
                _ => NEVER,
            };
            let entry = value.into_entry(name.as_bytes(), NEVER);
            (name.to_owned(), describe(&entry), deadline_ms)
        })
        .collect();
    wanted.sort();
    assert_eq!(keys(records(GOLDEN).expect("it is whole")), wanted);
    let mut packed = keys(records(GOLDEN_PACKED).expect("it is whole"));
    packed.retain(|(name, ..)| name != "packed");
    assert_eq!(packed, wanted);
}

#[test]
fn a_golden_file_tells_about_itself() {
    let records = records(GOLDEN).expect("it is whole");
    let aux: Vec<&[u8]> = records
        .iter()
        .filter_map(|record| match record {
            Record::Aux(name, _) => Some(name.as_slice()),
            _ => None,
        })
        .collect();
    assert!(aux.contains(&b"redis-ver".as_slice()) && aux.contains(&b"ctime".as_slice()));
    let keys = golden().len() as u64;
    let has = |wanted: fn(&Record, u64) -> bool| records.iter().any(|record| wanted(record, keys));
    assert!(has(|record, _| matches!(record, Record::Database(0))));
    assert!(has(
        |record, keys| matches!(record, Record::Sizes(all, 2) if *all == keys)
    ));
}

/// A file of a few keys, as it is written here.
fn written(check_sum: bool) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), VERSION, true, check_sum).expect("a vector takes it");
    let entries = [
        Entry::new(b"number", NewValue::Int(17), NEVER),
        Entry::new(b"text", NewValue::Text(b"some words"), 5000),
    ];
    let mut write = || {
        writer.aux(b"redis-ver", b"7.0.15")?;
        writer.function(b"#!lua name=lib")?;
        writer.database(3, 2, 1)?;
        let access = [Some(Access::IdleS(700)), Some(Access::Frequency(9))];
        for (entry, access) in entries.iter().zip(access) {
            writer.key(entry.key(), entry.value(), entry.deadline_ms(), access)?;
        }
        Ok::<(), std::io::Error>(())
    };
    write().expect("a vector takes it");
    let position = writer.position();
    let bytes = writer.finish().expect("a vector takes it");
    assert_eq!(position + 9, bytes.len() as u64);
    bytes
}

#[test]
fn a_written_file_is_read_as_it_was_meant() {
    let records = records(&written(true)).expect("it is whole");
    let [aux, function, database, sizes, number, text] = records.as_slice() else {
        panic!("{records:?}");
    };
    assert!(matches!(aux, Record::Aux(name, value) if name == b"redis-ver" && value == b"7.0.15"));
    assert!(matches!(function, Record::Function(code) if code == b"#!lua name=lib"));
    assert!(matches!(database, Record::Database(3)));
    assert!(matches!(sizes, Record::Sizes(2, 1)));
    let (Record::Key(number), Record::Key(text)) = (number, text) else {
        panic!("{records:?}");
    };
    let summary = |key: &Key| {
        (
            key.entry.key().to_vec(),
            key.entry.deadline_ms(),
            key.access,
        )
    };
    assert_eq!(
        summary(number),
        (b"number".to_vec(), NEVER, Some(Access::IdleS(700)))
    );
    assert_eq!(
        summary(text),
        (b"text".to_vec(), 5000, Some(Access::Frequency(9)))
    );
}

#[test]
fn only_deadlines_of_fields_need_a_newer_version() {
    let mut db = Db::new(2, Some(1));
    for record in records(GOLDEN).expect("it is whole") {
        if let Record::Key(key) = record {
            db.insert(1, key.entry);
        }
    }
    assert_eq!(version_for(&db.snapshot()), VERSION);
    let timed = b"\xe8\x03\0\0\0\0\0\0\x01\x01\x01f\x01v";
    let mut input = Input::new(timed.as_slice(), VERSION_FIELD_DEADLINES);
    let timed = read_value(&mut input, kind::HASH_DEADLINES, &LIMITS).expect("it is well formed");
    db.insert(0, timed.into_entry(b"timed", NEVER));
    assert_eq!(version_for(&db.snapshot()), VERSION_FIELD_DEADLINES);
}

#[test]
fn the_golden_values_survive_a_file() {
    let wanted = records(GOLDEN).expect("it is whole");
    let mut writer = Writer::new(Vec::new(), VERSION, true, true).expect("a vector takes it");
    for record in wanted {
        if let Record::Key(key) = record {
            let entry = key.entry;
            let value: Value<'_> = entry.value();
            let done = writer.key(entry.key(), value, entry.deadline_ms(), key.access);
            done.expect("a vector takes it");
        }
    }
    let bytes = writer.finish().expect("a vector takes it");
    let again = keys(records(&bytes).expect("it is whole"));
    assert_eq!(again, keys(records(GOLDEN).expect("it is whole")));
}

#[test]
fn a_file_without_a_checksum_is_taken_and_a_wrong_checksum_is_not() {
    assert!(records(&written(false)).is_ok());
    let mut bytes = written(true);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(matches!(records(&bytes), Err(Error::Checksum)));
    let unchecked = Reader::new(bytes.as_slice(), LIMITS, false).expect("it has a head");
    assert!(unchecked.collect::<Result<Vec<_>, _>>().is_ok());
}

#[test]
fn files_that_are_none_or_of_a_later_version_are_refused() {
    for (head, want) in [
        (
            b"REDIS0081".as_slice(),
            "can't handle RDB format version 81",
        ),
        (b"VALKEY081", "can't handle RDB format version 81"),
        (b"REDIS0000", "can't handle RDB format version 0"),
        (b"REDIS00+9", "wrong signature: this is no RDB file"),
        (b"RUDDLE010", "wrong signature: this is no RDB file"),
        (b"REDIS001", "wrong signature: this is no RDB file"),
    ] {
        let error = records(head).expect_err("it is refused");
        assert_eq!(error.to_string(), want);
    }
    assert!(matches!(records(b"VALKEY080\xff\0\0\0\0\0\0\0\0"), Ok(records) if records.is_empty()));
    assert!(matches!(records(b"REDIS0003\xff"), Ok(records) if records.is_empty()));
}

#[test]
fn what_modules_keep_is_gone_over() {
    let mut bytes = b"REDIS0010\xf7\x81\x30\x01\x6e\x96\x8a\x8f\xbe\x04".to_vec();
    bytes.extend(b"\x02\x01\x01\x05\x03\0\0\0\0\x04\0\0\0\0\0\0\0\0\x05\x03abc\x05\xc0\x07\0");
    bytes.extend(b"\xff\0\0\0\0\0\0\0\0");
    let records = records(&bytes).expect("it is whole");
    assert!(matches!(records.as_slice(), [Record::ModuleAux(name)] if name.len() == 9));
}

#[test]
fn what_a_node_says_of_slots_is_gone_over() {
    let bytes = b"VALKEY080\xf3\x03job\x02\x00\x05\x40\x64\x7f\xff\xf4\x05\x01\x00\x00\x04text\x01x\xff\0\0\0\0\0\0\0\0";
    let records = records(bytes).expect("it is whole");
    assert!(matches!(records.as_slice(), [Record::Key(key)] if key.entry.key() == b"text"));
    let endless = b"VALKEY080\xf3\x03job\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02";
    assert!(matches!(self::records(endless), Err(Error::CutOff)));
}

#[test]
fn a_deadline_before_1970_has_come() {
    let bytes = b"REDIS0010\xfd\xfe\xff\xff\xff\x00\x01a\x01x\xfc\xfe\xff\xff\xff\xff\xff\xff\xff\x00\x01b\x01x\xff\0\0\0\0\0\0\0\0";
    for record in records(bytes).expect("it is whole") {
        assert!(matches!(record, Record::Key(key) if key.entry.deadline_ms() == 0));
    }
}

#[test]
fn a_key_without_elements_is_told_and_the_next_one_read() {
    let bytes = b"REDIS0010\x02\x05empty\x00\x00\x04text\x01x\xff\0\0\0\0\0\0\0\0";
    let records = records(bytes).expect("it is whole");
    assert!(
        matches!(records.as_slice(), [Record::Empty(name), Record::Key(_)] if name == b"empty")
    );
}

#[test]
fn files_that_are_cut_at_any_byte_are_refused() {
    for bytes in [GOLDEN, GOLDEN_PACKED, &written(true)] {
        for cut in 0..bytes.len() {
            assert!(records(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn files_that_are_changed_at_any_byte_are_refused_by_their_checksum() {
    let bytes = written(true);
    for at in 0..bytes.len() {
        for change in [1, 16, 128, 255] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            // A version below 5 has no checksum.
            assert!(records(&changed).is_err() || at < 9, "{change} at {at}");
        }
    }
}

#[test]
fn files_that_are_changed_at_any_byte_are_read_to_an_end_without_their_checksum() {
    for bytes in [GOLDEN, GOLDEN_PACKED] {
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 255;
            if let Ok(reader) = Reader::new(changed.as_slice(), LIMITS, false) {
                let records = reader.take_while(Result::is_ok).count();
                assert!(records <= bytes.len(), "changed at {at}");
            }
        }
    }
}
