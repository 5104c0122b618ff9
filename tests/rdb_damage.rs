//! The golden files (tests/fixtures/rdb/files) with damage: cut at every byte, and with every byte changed.
//!
//! A record at a time, as what a file is read from a byte on does not depend on the records in front of it; records that
//! several files have are tried once. What is damaged is refused, or it is another value that keeps the rules of its type:
//! then it can be written and read again. Neither takes more memory than its input pays for, which a counting allocator
//! watches.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;

use ruddle::persist::rdb::Error;
use ruddle::persist::rdb::file::{Reader, Record};
use ruddle::persist::rdb::input::Input;
use ruddle::persist::rdb::payload::{self, Refused};
use ruddle::persist::rdb::{VERSION_VALKEY, opcode};
use ruddle::store::db::EncodingLimits;
use ruddle::store::entry::{Entry, NEVER, Value};

/// What is done to a byte.
const CHANGES: [u8; 3] = [1, 0x80, 0xff];
/// Bytes that reading may take whatever the input is: a reader's buffer, the first segment of a table.
const MEMORY_FLOOR: usize = 96 << 10;
/// Bytes that it may take for each byte of the input: a compressed byte may stand for 88 in a buffer, and a small element
/// takes a member of a table, with what grows by doubling.
const MEMORY_FACTOR: usize = 400;
/// A value of up to so many bytes is tried at each of them, and at fewer if it is larger.
const BYTES_IN_FULL: usize = 700;
/// A file is tried as a whole at so many places.
const PLACES: usize = 60;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Knows how many bytes each thread holds, and the most that it has held.
struct Watching;

fn note(bytes: isize) {
    // While a thread ends its counts are gone, and nobody asks for them.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size as isize - layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// Calls `read`, which must not hold more memory at any time than `input_bytes` pay for.
#[track_caller]
fn within_bounds<T>(input_bytes: usize, read: impl FnOnce() -> T) -> T {
    let before = HELD.get();
    PEAK.set(before);
    let result = read();
    let taken = (PEAK.get() - before) as usize;
    let allowed = MEMORY_FLOOR + MEMORY_FACTOR * input_bytes;
    assert!(taken <= allowed, "{taken} bytes for {input_bytes}");
    result
}

/// Name and bytes of each golden file.
fn files() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rdb/files");
    let entries = std::fs::read_dir(folder).expect("the golden files are there");
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rdb"))
        .map(|path| {
            let name = path.file_name().expect("a file has a name");
            let bytes = std::fs::read(&path).expect("a golden file can be read");
            (name.to_string_lossy().into_owned(), bytes)
        })
        .collect();
    files.sort();
    files
}

/// A record as it stands in a file, behind the head of one.
struct Sample {
    version: u16,
    bytes: Vec<u8>,
    /// One byte of so many is tried: all of a record, but fewer where what it stands for is large.
    step: usize,
}

const HEAD_BYTES: usize = 9;

impl Sample {
    fn new(version: u16, record: &[u8], unpacked_bytes: usize) -> Self {
        let head = if version >= VERSION_VALKEY {
            format!("VALKEY{version:03}")
        } else {
            format!("REDIS{version:04}")
        };
        Sample {
            version,
            bytes: [head.as_bytes(), record].concat(),
            step: 1 + unpacked_bytes / BYTES_IN_FULL,
        }
    }

    /// The places in it that are tried, from the one behind the head on.
    fn places(&self) -> impl Iterator<Item = usize> {
        (HEAD_BYTES..self.bytes.len()).step_by(self.step)
    }

    /// Kind and value of a key's record; none if it is another one.
    fn value(&self) -> Option<Vec<u8>> {
        let mut input = Input::new(&self.bytes[HEAD_BYTES..], self.version);
        let kind = loop {
            match input.byte().ok()? {
                opcode::DEADLINE_MS => input.i64().map(drop),
                opcode::DEADLINE_S => input.i32().map(drop),
                opcode::IDLE => input.number().map(drop),
                opcode::FREQUENCY => input.byte().map(drop),
                kind => break kind,
            }
            .ok()?;
        };
        if kind >= opcode::SLOT_INFO {
            return None;
        }
        input.skip_string().ok()?;
        Some([&[kind], input.source].concat())
    }
}

/// The records of all golden files, each once. Kinds mean the same in all versions but those of Valkey.
fn samples() -> Vec<Sample> {
    let mut seen = BTreeSet::new();
    let mut samples = Vec::new();
    for (name, bytes) in files() {
        let mut reader = Reader::new(&*bytes, EncodingLimits::default(), true).expect("it is one");
        let version = reader.version();
        loop {
            let start = reader.position() as usize;
            let Some(record) = reader.next() else { break };
            let record = record.unwrap_or_else(|error| panic!("{name}: {error}"));
            let unpacked_bytes = match record {
                Record::Key(key) => encoded(key.entry.value()).len(),
                _ => 0,
            };
            let record = &bytes[start..reader.position() as usize];
            if seen.insert((version >= VERSION_VALKEY, record.to_vec())) {
                samples.push(Sample::new(version, record, unpacked_bytes));
            }
        }
    }
    samples
}

/// The records that are read from these bytes, without their checksum, and what stood in the way of more.
fn read(bytes: &[u8]) -> (Vec<Record>, Option<Error>) {
    let mut records = Vec::new();
    let reader = within_bounds(bytes.len(), || {
        Reader::new(bytes, EncodingLimits::default(), false)
    });
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return (records, Some(error)),
    };
    within_bounds(bytes.len(), || {
        for record in &mut reader {
            match record {
                Ok(record) => records.push(record),
                Err(error) => return (records, Some(error)),
            }
        }
        (records, None)
    })
}

fn encoded(value: Value<'_>) -> Vec<u8> {
    payload::encode(value, false)
}

/// A value that was read keeps the rules of its type, which reading it again looks at. What was a table with few members
/// is small then, and small for good.
fn check_rules(entry: &Entry) {
    let again = |entry: &Entry| {
        let payload = encoded(entry.value());
        let value = payload::decode(&payload, &EncodingLimits::default(), true);
        let value = value.unwrap_or_else(|error| panic!("{payload:x?}: {error:?}"));
        value.into_entry(b"key", NEVER)
    };
    let second = again(entry);
    let third = again(&second);
    // Tables have an order of their own, which does not change the number of bytes.
    assert_eq!(encoded(second.value()).len(), encoded(third.value()).len());
}

#[test]
fn records_that_are_cut_at_any_byte_are_refused() {
    for sample in samples() {
        for cut in sample.places() {
            let (records, error) = read(&sample.bytes[..cut]);
            assert!(records.is_empty(), "{records:?} of {cut} bytes");
            assert!(matches!(error, Some(Error::CutOff)), "{error:?} at {cut}");
        }
    }
}

#[test]
fn records_that_are_changed_at_any_byte_are_refused_or_whole() {
    for sample in samples() {
        for at in sample.places() {
            for change in CHANGES {
                let mut bytes = sample.bytes.clone();
                bytes[at] ^= change;
                let (records, _) = read(&bytes);
                for record in records {
                    if let Record::Key(key) = record {
                        check_rules(&key.entry);
                    }
                }
            }
        }
    }
}

#[test]
fn payloads_that_are_cut_at_any_byte_are_refused() {
    for sample in samples() {
        let Some(value) = sample.value() else {
            continue;
        };
        for cut in (0..value.len()).step_by(sample.step) {
            let payload = payload::seal(value[..cut].to_vec(), sample.version);
            let result = within_bounds(payload.len(), || {
                payload::decode(&payload, &EncodingLimits::default(), true)
            });
            assert!(matches!(result, Err(Refused::Value(_))), "{cut}");
            let result = payload::decode(&payload[..cut], &EncodingLimits::default(), true);
            assert!(matches!(result, Err(Refused::Footer)), "{cut}");
        }
    }
}

#[test]
fn payloads_that_are_changed_at_any_byte_are_refused_or_whole() {
    for sample in samples() {
        let Some(value) = sample.value() else {
            continue;
        };
        for at in (0..value.len()).step_by(sample.step) {
            // A change of every bit in turn, and of them all.
            let change = [1, 2, 4, 8, 16, 32, 64, 128, 255][at % 9];
            let mut value = value.clone();
            value[at] ^= change;
            let payload = payload::seal(value, sample.version);
            let result = within_bounds(payload.len(), || {
                payload::decode(&payload, &EncodingLimits::default(), true)
            });
            if let Ok(value) = result {
                check_rules(&value.into_entry(b"key", NEVER));
            }
        }
    }
}

#[test]
fn files_are_refused_wherever_they_are_cut_or_changed() {
    let whole = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes, EncodingLimits::default(), true)?;
        within_bounds(bytes.len(), || {
            reader.try_for_each(|record| record.map(drop))
        })
    };
    for (name, bytes) in files() {
        assert!(whole(&bytes).is_ok(), "{name}");
        // Files of Redis 2.4 have no checksum, so that a change of a letter stays unknown; so it does
        // when the version has become one of that time.
        let is_summed = |at: usize| name != "redis-2.4.rdb" && at >= HEAD_BYTES;
        for place in 0..PLACES {
            let at = bytes.len() * place / PLACES;
            assert!(whole(&bytes[..at]).is_err(), "{name} cut at {at}");
            let mut changed = bytes.clone();
            changed[at] ^= CHANGES[place % CHANGES.len()];
            let result = whole(&changed);
            assert!(result.is_err() || !is_summed(at), "{name} changed at {at}");
        }
    }
}
