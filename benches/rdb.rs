//! Micro-benchmarks of the dump format: `cargo bench --bench rdb`.
//!
//! A file of each sort of keys is written to nowhere and read from memory, so that what is measured is the processor's
//! part. Before the timings it prints what they do not show: bytes and allocations a key.

use std::alloc::{GlobalAlloc, Layout};
use std::fmt::Write as _;
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use ruddle::persist::rdb::file::{Reader, Record, Writer};
use ruddle::persist::rdb::{VERSION, lzf};
use ruddle::store::alloc::Mimalloc;
use ruddle::store::crc64;
use ruddle::store::db::{Db, EncodingLimits};
use ruddle::store::entry::{Entry, NEVER, NewValue, Object};
use ruddle::store::types::hash::{Builder as HashBuilder, HashLimits};
use ruddle::store::types::list::{Builder as ListBuilder, Fill};
use ruddle::store::types::set::{Set, SetLimits};

/// mimalloc, counting the calls for memory.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: forwards to mimalloc, whose contract is the same.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { Mimalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { Mimalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { Mimalloc.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEYS: usize = 300_000;
/// Sorts of values: texts of 16 and of 64 bytes that nothing packs, 64 that can be packed, numbers, hashes of five
/// fields, lists of ten elements, sets of ten members.
const SORTS: [&str; 7] = [
    "text16", "text64", "words64", "number", "hash", "list", "set",
];

fn noise(rng: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| rng.alphanumeric() as u8).collect()
}

/// A value of this sort, under a key of 16 bytes.
fn entry(sort: &str, number: usize, rng: &mut fastrand::Rng) -> Entry {
    let mut key = String::new();
    write!(key, "key:{number:012}").expect("a string takes it");
    let limits = EncodingLimits::default();
    let object = match sort {
        "text16" => return Entry::new(key.as_bytes(), NewValue::String(&noise(rng, 16)), NEVER),
        "text64" => return Entry::new(key.as_bytes(), NewValue::String(&noise(rng, 64)), NEVER),
        "words64" => {
            let words = b"the quick brown fox and the lazy dog and the quick brown fox and";
            return Entry::new(key.as_bytes(), NewValue::String(words), NEVER);
        }
        "number" => {
            let value = NewValue::Int(rng.i64(0..1_000_000));
            return Entry::new(key.as_bytes(), value, NEVER);
        }
        "hash" => {
            let limits = HashLimits {
                entries: limits.hash_max_listpack_entries,
                value: limits.hash_max_listpack_value,
            };
            let mut hash = HashBuilder::new(5, false, limits);
            for field in [b"name", b"city", b"mail", b"size", b"time"] {
                hash.push(field, &noise(rng, 12), NEVER);
            }
            Object::Hash(hash.finish())
        }
        "list" => {
            let mut list = ListBuilder::new(Fill(limits.list_max_listpack_size));
            (0..10).for_each(|_| list.push(std::sync::Arc::new(noise(rng, 10))));
            Object::List(list.finish())
        }
        _ => {
            let limits = SetLimits {
                intset_entries: limits.set_max_intset_entries,
                listpack_entries: limits.set_max_listpack_entries,
                listpack_value: limits.set_max_listpack_value,
            };
            let mut set = Set::new();
            for _ in 0..10 {
                set.insert(&noise(rng, 10), limits);
            }
            Object::Set(set)
        }
    };
    Entry::new(key.as_bytes(), NewValue::Object(object), NEVER)
}

fn data_set(sort: &str) -> Db {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut db = Db::new(1, Some(1));
    for number in 0..KEYS {
        db.insert(0, entry(sort, number, &mut rng));
    }
    db
}

fn save(db: &Db, inner: impl io::Write, compress: bool) -> io::Result<()> {
    let mut writer = Writer::new(inner, VERSION, compress, true)?;
    writer.database(0, KEYS as u64, 0)?;
    for entry in db.keyspace(0).iter() {
        writer.key(entry.key(), entry.value(), entry.deadline_ms(), None)?;
    }
    writer.finish().map(drop)
}

fn file(sort: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    save(&data_set(sort), &mut bytes, true).expect("a vector takes it");
    bytes
}

/// Decodes a file; each entry goes to `take`.
fn load(bytes: &[u8], mut take: impl FnMut(Entry)) {
    let reader = Reader::new(bytes, EncodingLimits::default(), true).expect("it has a head");
    for record in reader {
        if let Record::Key(key) = record.expect("it is whole") {
            take(key.entry);
        }
    }
}

#[divan::bench(args = SORTS)]
fn write(bencher: Bencher<'_, '_>, sort: &str) {
    let db = data_set(sort);
    bencher
        .counter(ItemsCount::new(KEYS))
        .bench_local(|| save(&db, io::sink(), true));
}

#[divan::bench(args = SORTS)]
fn write_unpacked(bencher: Bencher<'_, '_>, sort: &str) {
    let db = data_set(sort);
    bencher
        .counter(ItemsCount::new(KEYS))
        .bench_local(|| save(&db, io::sink(), false));
}

#[divan::bench(args = SORTS)]
fn read(bencher: Bencher<'_, '_>, sort: &str) {
    let bytes = file(sort);
    bencher
        .counter(ItemsCount::new(KEYS))
        .bench_local(|| load(&bytes, drop));
}

#[divan::bench(args = SORTS)]
fn read_and_insert(bencher: Bencher<'_, '_>, sort: &str) {
    let bytes = file(sort);
    bencher
        .counter(ItemsCount::new(KEYS))
        .with_inputs(|| Db::new(1, Some(1)))
        .bench_local_refs(|db| load(&bytes, |entry| db.insert(0, entry)));
}

#[divan::bench]
fn checksum(bencher: Bencher<'_, '_>) {
    let bytes = noise(&mut fastrand::Rng::with_seed(1), 64 << 10);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| crc64::update(black_box(1), black_box(&bytes)));
}

#[divan::bench(args = ["noise", "words"])]
fn pack(bencher: Bencher<'_, '_>, of: &str) {
    let bytes = text_of(of);
    let (mut packer, mut out) = (lzf::Packer::default(), Vec::new());
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| {
            out.clear();
            packer.pack(black_box(&bytes), bytes.len(), &mut out)
        });
}

#[divan::bench]
fn unpack(bencher: Bencher<'_, '_>) {
    let (bytes, mut packed, mut out) = (text_of("words"), Vec::new(), Vec::new());
    assert!(lzf::Packer::default().pack(&bytes, bytes.len(), &mut packed));
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| lzf::unpack(black_box(&packed), bytes.len(), &mut out));
}

/// A text of some length that is noise, or consists of few words.
fn text_of(sort: &str) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(1);
    match sort {
        "noise" => noise(&mut rng, 4096),
        _ => {
            let words: Vec<Vec<u8>> = (0..20).map(|at| noise(&mut rng, 3 + at % 8)).collect();
            let mut text = Vec::new();
            while text.len() < 4096 {
                text.extend_from_slice(&words[rng.usize(..words.len())]);
                text.push(b' ');
            }
            text
        }
    }
}

fn main() {
    for sort in SORTS {
        let db = data_set(sort);
        let before = CALLS.load(Ordering::Relaxed);
        save(&db, io::sink(), true).expect("it takes all");
        let saving = CALLS.load(Ordering::Relaxed) - before;
        let bytes = file(sort);
        let before = CALLS.load(Ordering::Relaxed);
        load(&bytes, drop);
        let loading = CALLS.load(Ordering::Relaxed) - before;
        let each = |count: usize| count as f64 / KEYS as f64;
        println!(
            "{sort:8} {:6.1} bytes a key, allocations a key: {:.2} to save, {:.2} to load",
            each(bytes.len()),
            each(saving),
            each(loading)
        );
    }
    divan::main();
}
