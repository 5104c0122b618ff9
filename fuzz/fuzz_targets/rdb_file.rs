//! Any bytes taken for a file of the dump format, without its checksum.
//!
//! What is read of it is written as a file of its own, which must be read to the end and hold the same keys with the same
//! deadlines and uses. What is refused must cost no more than the input, which the limit of the memory sees to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ruddle::persist::rdb::VERSION_FIELD_DEADLINES;
use ruddle::persist::rdb::file::{Access, Reader, Record, Writer};
use ruddle::store::db::EncodingLimits;
use ruddle::store::entry::Entry;

/// A key with what the file says of its uses.
struct Key {
    entry: Entry,
    access: Option<Access>,
}

/// The keys up to the end, or up to what is wrong; whether the end was reached.
fn read(bytes: &[u8], check_sum: bool) -> (Vec<Key>, bool) {
    let Ok(mut reader) = Reader::new(bytes, EncodingLimits::default(), check_sum) else {
        return (Vec::new(), false);
    };
    let mut keys = Vec::new();
    let mut records = 0;
    for record in &mut reader {
        let Ok(record) = record else {
            return (keys, false);
        };
        records += 1;
        if let Record::Key(key) = record {
            keys.push(Key {
                entry: key.entry,
                access: key.access,
            });
        }
    }
    assert!(records <= bytes.len());
    assert!(reader.position() <= bytes.len() as u64);
    (keys, true)
}

fn write(keys: &[Key], compress: bool) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), VERSION_FIELD_DEADLINES, compress, true)
        .expect("a vector takes what it is given");
    for key in keys {
        let entry = &key.entry;
        writer
            .key(entry.key(), entry.value(), entry.deadline_ms(), key.access)
            .expect("a vector takes what it is given");
    }
    writer.finish().expect("a vector takes what it is given")
}

fuzz_target!(|data: &[u8]| {
    let (keys, _) = read(data, false);
    // What was a table with few members is small from then on, so the second file is compared with the third.
    let (again, is_whole) = read(&write(&keys, true), true);
    assert!(is_whole && again.len() == keys.len());
    for (key, again) in keys.iter().zip(&again) {
        assert_eq!(key.entry.key(), again.entry.key());
        assert_eq!(key.entry.deadline_ms(), again.entry.deadline_ms());
        assert_eq!(key.access, again.access);
    }
    let second = write(&again, false);
    let (third, is_whole) = read(&second, true);
    assert!(is_whole);
    // Tables have an order of their own, which does not change the number of bytes.
    assert_eq!(write(&third, false).len(), second.len());
});
