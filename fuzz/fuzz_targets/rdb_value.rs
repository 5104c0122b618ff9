//! Any bytes taken for a value of the dump format, and for a file.
//!
//! The first byte is the version, the second the kind, the rest the value. What is read must be written and read again, and
//! what is refused must cost no more than the input. The rest is then read as a file, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ruddle::persist::rdb::file::Reader;
use ruddle::persist::rdb::input::Input;
use ruddle::persist::rdb::output::Output;
use ruddle::persist::rdb::read::read_value;
use ruddle::persist::rdb::write::{kind_of, version_of, write_value};
use ruddle::store::db::EncodingLimits;
use ruddle::store::entry::{Entry, NEVER};

fn read(kind: u8, version: u16, body: &[u8]) -> Option<Entry> {
    let mut input = Input::new(body, version);
    let value = read_value(&mut input, kind, &EncodingLimits::default()).ok()?;
    Some(value.into_entry(b"key", NEVER))
}

fn written(entry: &Entry, compress: bool) -> Vec<u8> {
    let mut output = Output::new(Vec::new(), compress);
    write_value(&mut output, entry.value()).expect("a vector takes what it is given");
    output.inner
}

fn read_again(entry: &Entry, compress: bool) -> Entry {
    let (kind, version) = (kind_of(entry.value()), version_of(entry.value()));
    read(kind, version, &written(entry, compress)).expect("what was written is well formed")
}

fuzz_target!(|data: &[u8]| {
    let [version, kind, body @ ..] = data else {
        return;
    };
    if let Some(entry) = read(*kind, u16::from(*version), body) {
        for compress in [false, true] {
            // What was a table with few members is small from then on, and so is a hash that has lost its deadlines.
            let again = read_again(&entry, compress);
            let third = read_again(&again, compress);
            // Tables have an order of their own, which does not change the number of bytes.
            assert_eq!(written(&third, false).len(), written(&again, false).len());
        }
    }
    if let Ok(reader) = Reader::new(body, EncodingLimits::default(), false) {
        let records = reader.take_while(Result::is_ok).count();
        assert!(records <= body.len());
    }
});
