//! Lists on the tree of chunks: ends, index, range, insertion, and what a snapshot costs the next writer.
//!
//! `cargo bench --bench tree`; each figure is for one operation, and lengths are numbers of 11-byte elements, so that a
//! row of lengths shows how an operation grows with the list.
use divan::{Bencher, black_box, counter::ItemsCount};
use ruddle::store::tree::End;
use ruddle::store::types::list::{Fill, List};

/// The server's allocator: half of a push's cost is its behaviour.
#[global_allocator]
static ALLOCATOR: ruddle::store::alloc::Mimalloc = ruddle::store::alloc::Mimalloc;

const LENGTHS: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Operations in one measured run: pushes enough to fill chunks, the others few, so that on a busy machine the fastest
/// run is an undisturbed one.
const BATCH: usize = 10_000;
const SHORT_BATCH: usize = 500;
const ELEMENT: &[u8] = b"hello world";

fn fill() -> Fill {
    Fill::default()
}

fn list_of(len: usize) -> List {
    let mut list = List::new();
    (0..len).for_each(|i| list.push(End::Back, format!("elem{i:07}").as_bytes(), fill()));
    list
}

fn other(end: End) -> End {
    match end {
        End::Front => End::Back,
        End::Back => End::Front,
    }
}

/// Pushes onto an empty list until it holds `BATCH` elements.
#[divan::bench(args = [End::Front, End::Back])]
fn push(bencher: Bencher, end: End) {
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(List::new)
        .bench_values(|mut list| {
            (0..BATCH).for_each(|_| list.push(end, black_box(ELEMENT), fill()));
            list
        });
}

/// Pops half a list's elements one by one.
#[divan::bench(args = [End::Front, End::Back])]
fn pop(bencher: Bencher, end: End) {
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| list_of(2 * BATCH))
        .bench_values(|mut list| {
            (0..BATCH).for_each(|_| {
                black_box(list.pop(end, fill(), |element| element.len()));
            });
            list
        });
}

/// One push and one pop of a queue of some length.
#[divan::bench(args = [10, 1_000, 1_000_000])]
fn queue(bencher: Bencher, len: usize) {
    let mut list = list_of(len);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            list.push(End::Back, black_box(ELEMENT), fill());
            black_box(list.pop(other(End::Back), fill(), |element| element.len()));
        }
    });
}

/// The element at a random index.
#[divan::bench(args = LENGTHS)]
fn index(bencher: Bencher, len: usize) {
    let list = list_of(len);
    let mut random = fastrand::Rng::with_seed(7);
    bencher
        .counter(ItemsCount::new(SHORT_BATCH))
        .bench_local(|| {
            for _ in 0..SHORT_BATCH {
                black_box(list.get(random.usize(..len)).map(|element| element.len()));
            }
        });
}

/// A hundred elements from a random index on.
#[divan::bench(args = LENGTHS)]
fn range_of_100(bencher: Bencher, len: usize) {
    let list = list_of(len);
    let mut random = fastrand::Rng::with_seed(7);
    bencher
        .counter(ItemsCount::new(SHORT_BATCH))
        .bench_local(|| {
            for _ in 0..SHORT_BATCH {
                let start = random.usize(..len - 100);
                let bytes: usize = list
                    .range(start..start + 100)
                    .map(|element| element.len())
                    .sum();
                black_box(bytes);
            }
        });
}

/// Insertion in front of a random index.
#[divan::bench(args = LENGTHS)]
fn insert(bencher: Bencher, len: usize) {
    let mut list = list_of(len);
    let mut random = fastrand::Rng::with_seed(7);
    bencher
        .counter(ItemsCount::new(SHORT_BATCH))
        .bench_local(|| {
            for _ in 0..SHORT_BATCH {
                list.insert(random.usize(..len), black_box(ELEMENT), fill());
            }
        });
}

/// A snapshot of the list and the first write in its middle after it.
#[divan::bench(args = LENGTHS)]
fn write_after_snapshot(bencher: Bencher, len: usize) {
    let mut list = list_of(len);
    let mut random = fastrand::Rng::with_seed(7);
    bencher.counter(ItemsCount::new(100usize)).bench_local(|| {
        for _ in 0..100 {
            let snapshot = list.clone();
            list.set(random.usize(..len), black_box(ELEMENT), fill());
            drop(black_box(snapshot));
        }
    });
}

fn main() {
    divan::main();
}
