//! Micro-benchmarks of the table: `cargo bench --bench table`.
//!
//! Before the timings it prints what they do not show: bytes of table for an element and the slowest single insert.

use std::alloc::{GlobalAlloc, Layout, alloc, dealloc};
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use divan::Bencher;
use divan::counter::ItemsCount;
use ruddle::store::alloc::Mimalloc;
use ruddle::store::table::{HashSeed, NO_DEADLINE, Node, Slot, Table};

/// mimalloc, counting the bytes that are allocated and the calls.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: forwards to mimalloc, whose contract is the same.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { Mimalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { Mimalloc.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An element like that of the keyspace: reference count, then a key of 16 bytes, then a value of 8.
#[repr(C)]
struct Element {
    references: AtomicU32,
    key: [u8; 16],
    value: u64,
}

#[repr(transparent)]
struct Entry(NonNull<u8>);

// SAFETY: the element is shared by an atomic count, and its value is changed only by a sole owner.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    fn new(key: [u8; 16], value: u64) -> Self {
        let layout = Layout::new::<Element>();
        // SAFETY: the layout is not of size zero.
        let raw = NonNull::new(unsafe { alloc(layout) }).expect("memory");
        let element = Element {
            references: AtomicU32::new(1),
            key,
            value,
        };
        // SAFETY: just allocated for it.
        unsafe { raw.cast::<Element>().write(element) };
        Entry(raw)
    }

    fn element(&self) -> &Element {
        // SAFETY: this entry holds a reference.
        unsafe { self.0.cast().as_ref() }
    }

    /// Sets the value in place when the element has one owner, else in a copy.
    fn set(&mut self, value: u64) {
        if self.element().references.load(Ordering::Acquire) == 1 {
            // SAFETY: the only owner is borrowed mutably.
            unsafe { self.0.cast::<Element>().as_mut() }.value = value;
        } else {
            *self = Entry::new(self.element().key, value);
        }
    }
}

impl Clone for Entry {
    fn clone(&self) -> Self {
        self.element().references.fetch_add(1, Ordering::Relaxed);
        Entry(self.0)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.element().references.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: the last reference; allocated with this layout.
            unsafe { dealloc(self.0.as_ptr(), Layout::new::<Element>()) };
        }
    }
}

// SAFETY: transparent over the pointer; no method panics or changes the key.
unsafe impl Node for Entry {
    fn into_raw(self) -> NonNull<u8> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Entry(raw)
    }

    fn key(&self) -> &[u8] {
        &self.element().key
    }

    fn deadline_ms(&self) -> u64 {
        NO_DEADLINE
    }
}

const MILLION: u64 = 1_000_000;

/// Keys look like those of redis-benchmark.
fn key_of(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let (mut rest, mut place) = (number, 15);
    while rest > 0 {
        key[place] = b'0' + (rest % 10) as u8;
        rest /= 10;
        place -= 1;
    }
    key
}

fn filled(count: u64) -> Table<Entry> {
    let mut table = Table::new(HashSeed::fixed(1));
    for number in 0..count {
        table.insert(Entry::new(key_of(number), number));
    }
    table
}

fn main() {
    print_footprint();
    print_slowest_insert();
    divan::main();
}

/// Bytes of table for an element, at many sizes.
fn print_footprint() {
    // Printed first, because the buffer of standard output is allocated by it.
    println!("Footprint:");
    let element = size_of::<Element>();
    let mut table = Table::<Entry>::new(HashSeed::fixed(1));
    let before = BYTES.load(Ordering::Relaxed);
    for number in 0..5 * MILLION {
        table.insert(Entry::new(key_of(number), number));
        let count = table.len();
        let is_round = [10, 1000, 100_000].contains(&count) || count.is_multiple_of(500_000);
        if is_round {
            let bytes = BYTES.load(Ordering::Relaxed) - before - count * element;
            let stats = table.stats();
            assert_eq!(bytes, stats.bytes);
            println!(
                "{count:>9} elements: {:>6.2} bytes of table each, load {:.3}, {} segments, {} pages",
                bytes as f64 / count as f64,
                count as f64 / stats.slots as f64,
                stats.segments,
                stats.pages
            );
        }
    }
    let calls = CALLS.load(Ordering::Relaxed);
    for number in 0..MILLION {
        let key = key_of(number * 4);
        black_box(table.get(&key));
        table.get_mut(&key).expect("it is there").set(number);
    }
    assert_eq!(
        CALLS.load(Ordering::Relaxed),
        calls,
        "reads and overwrites allocate nothing"
    );
}

/// The slowest of five million inserts into a new table, and of overwrites under a snapshot of it.
///
/// Each round does exactly the same, and of each operation the fastest round counts: what the rest of the
/// machine does falls on other operations each time, while the table's own work falls on the same.
fn print_slowest_insert() {
    let mut inserts = vec![Duration::MAX; 5_000_000];
    let mut overwrites = vec![Duration::MAX; 20_000];
    for _ in 0..ROUNDS {
        let mut table = Table::new(HashSeed::fixed(2));
        for (number, fastest) in (0..).zip(&mut inserts) {
            let entry = Entry::new(key_of(number), number);
            let start = Instant::now();
            table.insert(entry);
            *fastest = start.elapsed().min(*fastest);
        }
        let snapshot = table.clone();
        for (number, fastest) in (0..).zip(&mut overwrites) {
            let entry = Entry::new(key_of(number * 211), number);
            let start = Instant::now();
            table.insert(entry);
            *fastest = start.elapsed().min(*fastest);
        }
        drop(snapshot);
    }
    print_times("insert to 5M", inserts);
    print_times("overwrite under a snapshot of 5M", overwrites);
}

/// Rounds of [`print_slowest_insert`].
const ROUNDS: usize = 4;

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let total: Duration = times.iter().sum();
    println!(
        "{what}: mean {:?}, 99.9 % {:?}, 99.99 % {:?}, slowest {:?}",
        total / times.len() as u32,
        times[times.len() / 1000 * 999],
        times[times.len() - times.len() / 10_000 - 1],
        times[times.len() - 1]
    );
}

/// Random keys of the first `range` numbers.
fn random_keys(range: u64) -> Vec<[u8; 16]> {
    let mut rng = fastrand::Rng::with_seed(3);
    (0..BATCH).map(|_| key_of(rng.u64(..range))).collect()
}

const BATCH: usize = 100_000;

#[divan::bench(sample_count = 20, args = [1000, MILLION])]
fn get_hit(bencher: Bencher, count: u64) {
    let table = filled(count);
    let keys = random_keys(count);
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| keys.iter().filter_map(|key| table.get(key)).count());
}

#[divan::bench(sample_count = 20)]
fn get_hit_prefetched_by_16(bencher: Bencher) {
    let table = filled(MILLION);
    let keys = random_keys(MILLION);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut sum = 0;
        for batch in keys.chunks(16) {
            let mut hashes = [0; 16];
            for (hash, key) in hashes.iter_mut().zip(batch) {
                *hash = table.hash(key);
                table.prefetch_bucket(*hash);
            }
            for &hash in &hashes[..batch.len()] {
                table.prefetch_node(hash);
            }
            for (&hash, key) in hashes.iter().zip(batch) {
                let node = table.get_hashed(hash, key);
                sum += node.map_or(0, |node| node.element().value);
            }
        }
        sum
    });
}

#[divan::bench(sample_count = 20)]
fn get_miss(bencher: Bencher) {
    let table = filled(MILLION);
    let mut rng = fastrand::Rng::with_seed(4);
    let keys: Vec<_> = (0..BATCH)
        .map(|_| key_of(MILLION + rng.u64(..MILLION)))
        .collect();
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| keys.iter().filter(|&key| table.contains(key)).count());
}

#[divan::bench(sample_count = 20)]
fn overwrite(bencher: Bencher) {
    let mut table = filled(MILLION);
    let keys = random_keys(MILLION);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for key in &keys {
            table.get_mut(key).expect("it is there").set(1);
        }
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn insert_to_a_million(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(MILLION))
        .bench_local(|| filled(MILLION));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn remove_a_million(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(MILLION))
        .with_inputs(|| filled(MILLION))
        .bench_local_values(|mut table| {
            for number in 0..MILLION {
                table.remove(&key_of(number));
            }
            table
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn snapshot_then_overwrite_1000(bencher: Bencher) {
    let mut table = filled(MILLION);
    let keys = random_keys(MILLION);
    bencher.counter(ItemsCount::new(1000usize)).bench_local(|| {
        let snapshot = table.clone();
        for key in &keys[..1000] {
            let mut slot: Slot<Entry> = table.get_mut(key).expect("it is there");
            slot.set(2);
        }
        snapshot
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn scan_a_million(bencher: Bencher) {
    let table = filled(MILLION);
    bencher.counter(ItemsCount::new(MILLION)).bench_local(|| {
        let (mut sum, mut cursor) = (0, 0);
        loop {
            cursor = table.scan(cursor, &mut |node| sum += node.element().value);
            if cursor == 0 {
                break sum;
            }
        }
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn iterate_a_million(bencher: Bencher) {
    let table = filled(MILLION);
    bencher
        .counter(ItemsCount::new(MILLION))
        .bench_local(|| table.iter().map(|node| node.element().value).sum::<u64>());
}

#[divan::bench(sample_count = 20)]
fn random_sample(bencher: Bencher) {
    let table = filled(MILLION);
    let mut rng = fastrand::Rng::with_seed(5);
    bencher
        .counter(ItemsCount::new(1000usize))
        .bench_local(|| (0..1000).filter_map(|_| table.random(&mut rng)).count());
}
