//! How reads by position slow down while a collection grows: the CPU time of the server, which may grow with the
//! logarithm of the size.

use anyhow::Result;

use crate::client::{Client, key_name};
use crate::load::{fill_sorted_set, scattered};
use crate::server::{Program, Server};

/// Reads of one kind at one size.
const READS: u64 = 100_000;
/// Reads in a round trip.
const BATCH: u64 = 100;

/// The figures of one kind of read.
#[derive(Debug)]
pub(crate) struct Growth {
    /// The command, for the report.
    pub(crate) name: &'static str,
    /// CPU time for each read in microseconds, one figure a size.
    pub(crate) cpu_us: Vec<f64>,
}

/// Pushes one read in the middle half of a collection of so many elements; the last number is the read's own.
type Push = fn(&mut Client, u64, u64);

const KINDS: &[(&str, Push)] = &[
    ("LINDEX list i", |client, size, number| {
        client.push(&[b"LINDEX", b"list", middle(size, number).as_bytes()]);
    }),
    ("ZRANK zset member", |client, size, number| {
        let member = key_name("elem:", scattered(number) % size);
        client.push(&[b"ZRANK", b"zset", member.as_bytes()]);
    }),
    ("ZRANGE zset i i", |client, size, number| {
        let index = middle(size, number);
        client.push(&[b"ZRANGE", b"zset", index.as_bytes(), index.as_bytes()]);
    }),
];

/// An index in the middle half.
fn middle(size: u64, number: u64) -> String {
    (size / 4 + scattered(number) % (size / 2)).to_string()
}

/// Measures each kind of read at each size, in a fresh process for each size.
pub(crate) fn measure(program: &Program, sizes: &[u64]) -> Result<Vec<Growth>> {
    let mut growth: Vec<_> = KINDS
        .iter()
        .map(|&(name, _)| Growth {
            name,
            cpu_us: Vec::new(),
        })
        .collect();
    for &size in sizes {
        eprintln!("reads by position: {size} elements");
        let server = program.start()?;
        server.connect()?.load(size, 1, |client, number| {
            client.push(&[b"RPUSH", b"list", key_name("elem:", number).as_bytes()]);
        })?;
        fill_sorted_set(&server, "zset", size)?;
        for (&(_, push), figures) in KINDS.iter().zip(&mut growth) {
            figures.cpu_us.push(read(&server, push, size)?);
        }
    }
    Ok(growth)
}

/// CPU time of the server for each read, in microseconds.
fn read(server: &Server, push: Push, size: u64) -> Result<f64> {
    let mut client = server.connect()?;
    let before = server.cpu_time()?;
    for batch in 0..READS / BATCH {
        for number in batch * BATCH..(batch + 1) * BATCH {
            push(&mut client, size, number);
        }
        client.flush()?;
        client.skip_replies(BATCH)?;
    }
    let cpu = server.cpu_time()? - before;
    Ok(cpu.as_secs_f64() * 1e6 / READS as f64)
}
