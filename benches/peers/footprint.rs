//! What is measured of a server by itself: memory an element, start-up, idle memory, and the slowest batch while the
//! keyspace grows. Each measurement has a fresh process.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::{Client, key_name};
use crate::load::scattered;
use crate::report::median;
use crate::server::{Program, Server};

/// A deadline that no run lives to see.
const FAR_SECONDS: &[u8] = b"100000000";

/// Fields of a small hash.
const SMALL_HASH_FIELDS: u64 = 10;

/// A way to fill a server with a million elements: keys of 16 bytes, or elements of one collection.
#[derive(Debug)]
pub(crate) struct Fill {
    /// What is written, for the report.
    pub(crate) name: &'static str,
    /// The most resident memory that Ruddle may take for an element, in bytes.
    pub(crate) limit_bytes: f64,
    /// Pushes the commands that write the element, or the elements, of a number.
    write: fn(&mut Client, u64),
    /// Commands a number.
    commands: u64,
    /// Elements a number.
    elements: u64,
}

/// A shorthand that keeps the table short: a command and an element for each number.
const fn fill(name: &'static str, limit_bytes: f64, write: fn(&mut Client, u64)) -> Fill {
    Fill {
        name,
        limit_bytes,
        write,
        commands: 1,
        elements: 1,
    }
}

/// Every fill, in the order of the report.
pub(crate) const FILLS: &[Fill] = &[
    fill("key, 8-byte value", 52.0, |client, number| {
        client.push(&[b"SET", key(number).as_bytes(), &[b'v'; 8]]);
    }),
    fill("key, 8-byte value, SET with EX", 62.0, |client, number| {
        let key = key(number);
        client.push(&[b"SET", key.as_bytes(), &[b'v'; 8], b"EX", FAR_SECONDS]);
    }),
    Fill {
        commands: 2,
        ..fill(
            "key, 8-byte value, SET then EXPIRE",
            62.0,
            |client, number| {
                let key = key(number);
                client.push(&[b"SET", key.as_bytes(), &[b'v'; 8]]);
                client.push(&[b"EXPIRE", key.as_bytes(), FAR_SECONDS]);
            },
        )
    },
    fill("key, 64-byte value", 108.0, |client, number| {
        client.push(&[b"SET", key(number).as_bytes(), &[b'v'; 64]]);
    }),
    fill("one set, 17-byte members", 40.0, |client, number| {
        client.push(&[b"SADD", b"set", element(number).as_bytes()]);
    }),
    fill(
        "one hash, 17-byte fields, 11-byte values",
        48.0,
        |client, number| {
            client.push(&[b"HSET", b"hash", element(number).as_bytes(), b"value-bytes"]);
        },
    ),
    fill("one sorted set, 17-byte members", 66.0, |client, number| {
        let score = scattered(number).to_string();
        let member = element(number);
        client.push(&[b"ZADD", b"zset", score.as_bytes(), member.as_bytes()]);
    }),
    fill("one list, 17-byte elements", 20.0, |client, number| {
        client.push(&[b"RPUSH", b"list", element(number).as_bytes()]);
    }),
    Fill {
        elements: SMALL_HASH_FIELDS,
        ..fill(
            "a field of hashes of 10 (field:N, value:N)",
            27.0,
            |client, number| {
                let key = key(number);
                let parts: Vec<_> = (0..SMALL_HASH_FIELDS)
                    .flat_map(|field| [format!("field:{field}"), format!("value:{field}")])
                    .collect();
                let mut words: Vec<&[u8]> = vec![b"HSET", key.as_bytes()];
                words.extend(parts.iter().map(|part| part.as_bytes()));
                client.push(&words);
            },
        )
    },
];

/// A key of 16 bytes.
fn key(number: u64) -> String {
    key_name("key:", number)
}

/// An element of 17 bytes.
fn element(number: u64) -> String {
    key_name("elem:", number)
}

/// Growth of resident memory for each element, in bytes: `[fill][server]`.
pub(crate) fn memory_per_element(programs: &[Program], elements: u64) -> Result<Vec<Vec<f64>>> {
    let measure = |fill: &Fill, program: &Program| {
        eprintln!("memory: {}, {}", fill.name, program.name);
        let server = program.start()?;
        let before = settled_resident_bytes(&server)?;
        let numbers = elements / fill.elements;
        server.connect()?.load(numbers, fill.commands, fill.write)?;
        let after = settled_resident_bytes(&server)?;
        Ok(after.saturating_sub(before) as f64 / elements as f64)
    };
    FILLS
        .iter()
        .map(|fill| {
            programs
                .iter()
                .map(|program| measure(fill, program))
                .collect()
        })
        .collect()
}

/// Resident memory once three readings, a fifth of a second apart, agree: what a server frees or moves in the
/// background after a load (an old hash table, pages given back) is then done.
fn settled_resident_bytes(server: &Server) -> Result<u64> {
    let mut last = server.resident_bytes()?;
    let mut agree = 1;
    for _ in 0..25 {
        std::thread::sleep(Duration::from_millis(200));
        let now = server.resident_bytes()?;
        agree = if now == last { agree + 1 } else { 1 };
        if agree == 3 {
            break;
        }
        last = now;
    }
    Ok(last)
}

/// Start-up of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// From the start of the process to its first PONG: median of the samples, in milliseconds.
    pub(crate) pong_ms: f64,
    /// Resident memory of the idle process: median of the samples, in bytes.
    pub(crate) idle_bytes: f64,
}

/// Starts each server `samples` times, in turns.
pub(crate) fn start_up(programs: &[Program], samples: u32) -> Result<Vec<Start>> {
    let mut pongs = vec![Vec::new(); programs.len()];
    let mut sizes = vec![Vec::new(); programs.len()];
    for sample in 0..samples {
        for (index, program) in programs.iter().enumerate() {
            let server = program.start()?;
            pongs[index].push(server.time_to_pong.as_secs_f64() * 1e3);
            if sample < 3 {
                sizes[index].push(settled_resident_bytes(&server)? as f64);
            }
        }
    }
    eprintln!("start-up: {samples} starts of each server");
    let pairs = pongs.iter().zip(&sizes);
    Ok(pairs
        .map(|(pongs, sizes)| Start {
            pong_ms: median(pongs),
            idle_bytes: median(sizes),
        })
        .collect())
}

/// Commands in a batch of the growing keyspace: small, so that one slow command stands out.
pub(crate) const INSERT_BATCH: u64 = 16;

/// A command that takes longer than this is slow, in microseconds.
const SLOW_COMMAND_US: u32 = 2000;

/// How long batches of inserts took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inserts {
    /// Median round trip of a batch in milliseconds.
    pub(crate) median_ms: f64,
    /// Of a thousand batches, 999 were faster than this many milliseconds.
    pub(crate) p999_ms: f64,
    /// The slowest round trip in milliseconds, with whatever else the machine did meanwhile.
    pub(crate) worst_ms: f64,
    /// Single commands that took longer than the limit by the server's own clock (its slow log): what the machine did
    /// meanwhile is in it too.
    pub(crate) slow_commands: u64,
    /// The most CPU time of the server for one batch in milliseconds: what the server itself is to blame for.
    pub(crate) worst_cpu_ms: f64,
}

impl Inserts {
    /// What every measurement is below.
    const SLOWEST: Inserts = Inserts {
        median_ms: f64::INFINITY,
        p999_ms: f64::INFINITY,
        worst_ms: f64::INFINITY,
        slow_commands: u64::MAX,
        worst_cpu_ms: f64::INFINITY,
    };

    /// The lesser of each figure.
    fn min(self, other: Inserts) -> Inserts {
        Inserts {
            median_ms: self.median_ms.min(other.median_ms),
            p999_ms: self.p999_ms.min(other.p999_ms),
            worst_ms: self.worst_ms.min(other.worst_ms),
            slow_commands: self.slow_commands.min(other.slow_commands),
            worst_cpu_ms: self.worst_cpu_ms.min(other.worst_cpu_ms),
        }
    }
}

/// Inserts `keys` new keys over one connection and times each batch, `runs` times with each server. Of each figure
/// the least counts: what the server itself makes slow comes back in every run, what the machine did meanwhile does not.
pub(crate) fn inserts(programs: &[Program], keys: u64, runs: u32) -> Result<Vec<Inserts>> {
    let mut least = vec![Inserts::SLOWEST; programs.len()];
    for run in 1..=runs {
        for (program, least) in programs.iter().zip(&mut least) {
            eprintln!(
                "inserts: {keys} keys, run {run} of {runs}, {}",
                program.name
            );
            *least = least.min(time_inserts(&program.start()?, keys)?);
        }
    }
    Ok(least)
}

fn time_inserts(server: &Server, keys: u64) -> Result<Inserts> {
    let mut client = server.connect()?;
    let threshold_us = SLOW_COMMAND_US.to_string();
    for (name, value) in [
        ("slowlog-log-slower-than", threshold_us.as_str()),
        ("slowlog-max-len", "1000000"),
    ] {
        client.push(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]);
        client.flush()?;
        client.expect_ok(1)?;
    }
    let batches = keys.div_ceil(INSERT_BATCH);
    let mut round_trips_ms = Vec::with_capacity(batches as usize);
    let mut worst_cpu = Duration::ZERO;
    let mut cpu_before = server.cpu_time()?;
    for batch in 0..batches {
        for number in batch * INSERT_BATCH..(batch + 1) * INSERT_BATCH {
            client.push(&[
                b"SET",
                key_name("key:", number).as_bytes(),
                &[b'v'; crate::load::VALUE_BYTES],
            ]);
        }
        let sent = Instant::now();
        client.flush()?;
        client.expect_ok(INSERT_BATCH)?;
        round_trips_ms.push(sent.elapsed().as_secs_f64() * 1e3);
        let cpu = server.cpu_time()?;
        worst_cpu = worst_cpu.max(cpu - cpu_before);
        cpu_before = cpu;
    }
    round_trips_ms.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| round_trips_ms[((round_trips_ms.len() - 1) as f64 * share) as usize];
    let worst_cpu_ms = worst_cpu.as_secs_f64() * 1e3;
    Ok(Inserts {
        median_ms: at(0.5),
        p999_ms: at(0.999),
        worst_ms: at(1.0),
        slow_commands: client.integer(&[b"SLOWLOG", b"LEN"])?,
        worst_cpu_ms,
    })
}
