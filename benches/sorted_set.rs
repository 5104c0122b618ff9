//! Large sorted sets: a member gets another score, comes and goes, and its rank is asked for.
//!
//! `cargo bench --bench sorted_set`; each figure is for one operation on a set of so many members. Scores are integers of
//! about the same number, as the peers bench sends them, so that many a place is among members of equal score.
use divan::{Bencher, black_box, counter::ItemsCount};
use ruddle::store::types::sorted_set::{Limits, SortedSet};

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: ruddle::store::alloc::Mimalloc = ruddle::store::alloc::Mimalloc;

const SIZES: [u64; 2] = [10_000, 1_000_000];
/// Operations in one measured run.
const BATCH: usize = 4096;
/// Commands that the server looks ahead at.
const WINDOW: usize = 16;

const LIMITS: Limits = Limits {
    entries: 128,
    value_bytes: 64,
};

fn name(number: u64) -> Vec<u8> {
    format!("elem:{number:012}").into_bytes()
}

/// A set of so many members with scores drawn at random below their number.
fn set_of(members: u64, random: &mut fastrand::Rng) -> SortedSet {
    let mut set = SortedSet::new();
    for number in 0..members {
        set.insert(&name(number), random.u64(..members) as f64, LIMITS);
    }
    set
}

/// Members to look for and scores to give them.
fn moves(members: u64, random: &mut fastrand::Rng) -> Vec<(Vec<u8>, f64)> {
    let mut draw = || {
        let member = name(random.u64(..members));
        (member, random.u64(..members) as f64)
    };
    (0..BATCH).map(|_| draw()).collect()
}

/// A member that is there gets a score that lies anywhere; what it touches is fetched ahead as the server does.
#[divan::bench(args = SIZES)]
fn rescore(bencher: Bencher, members: u64) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut set = set_of(members, &mut random);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| moves(members, &mut random))
        .bench_local_values(|moves| {
            for window in moves.chunks(WINDOW) {
                fetch(&set, window);
                for (member, score) in window {
                    black_box(set.insert(member, *score, LIMITS));
                }
            }
        });
}

fn fetch(set: &SortedSet, window: &[(Vec<u8>, f64)]) {
    let (Some(table), Some(ahead)) = (set.table(), set.ahead()) else {
        return;
    };
    let hashes: [u64; WINDOW] = std::array::from_fn(|at| table.hash(&window[at].0));
    for hash in hashes {
        table.prefetch_bucket(hash);
    }
    for hash in hashes {
        table.prefetch_node(hash);
    }
    let mut moves: [_; WINDOW] =
        std::array::from_fn(|at| ahead.start(hashes[at], |_| window[at].1));
    for one in &moves {
        one.fetch_scores();
    }
    for one in &mut moves {
        one.fetch_references();
    }
    for one in &moves {
        one.fetch_ties();
    }
}

/// A member goes and comes back with another score.
#[divan::bench(args = SIZES)]
fn remove_and_add(bencher: Bencher, members: u64) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut set = set_of(members, &mut random);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| moves(members, &mut random))
        .bench_local_values(|moves| {
            for (member, score) in moves {
                black_box(set.remove(&member));
                black_box(set.insert(&member, score, LIMITS));
            }
        });
}

/// The rank of a member.
#[divan::bench(args = SIZES)]
fn rank(bencher: Bencher, members: u64) {
    let mut random = fastrand::Rng::with_seed(7);
    let set = set_of(members, &mut random);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| moves(members, &mut random))
        .bench_local_values(|moves| {
            for (member, _) in moves {
                black_box(set.rank(&member));
            }
        });
}

/// The element at a random index.
#[divan::bench(args = SIZES)]
fn index(bencher: Bencher, members: u64) {
    let mut random = fastrand::Rng::with_seed(7);
    let set = set_of(members, &mut random);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            black_box(set.get(random.usize(..members as usize)));
        }
    });
}

fn main() {
    divan::main();
}
