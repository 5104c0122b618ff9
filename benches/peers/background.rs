//! What work in the background costs the clients: a light client's longest wait while others write, without that work and
//! during it, and the memory that comes on top meanwhile.
//!
//! The work is a background save, of the servers that [`crate::snapshots`] has started, or a rewrite of the append-only
//! file, of servers of its own that write one ([`rewrites`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::{Client, key_name};
use crate::load::scattered;
use crate::server::{Persistence, Program, Server};

/// Writes of the window's writer: batches of so many at a time.
const WRITE_BATCH: u64 = 20;
/// From one batch to the next: 50,000 writes a second.
const WRITE_PERIOD: Duration = Duration::from_micros(400);
/// From one request of the light client to the next.
const LIGHT_PERIOD: Duration = Duration::from_micros(500);
/// The window without the work.
const CALM: Duration = Duration::from_secs(4);
/// The window goes on for so long after the work, since the files that it replaced may go only then.
const AFTER: Duration = Duration::from_millis(500);
/// The value of a key.
const VALUE: [u8; 64] = [b'v'; 64];

/// Work that a server does in the background.
#[derive(Debug)]
pub(crate) struct Work {
    /// The command that begins it, and its name in the report.
    pub(crate) command: &'static str,
    /// The number of INFO persistence that is 0 when it is done.
    running: &'static str,
    /// The number of INFO persistence that says how many bytes a fork has copied.
    copied: &'static str,
}

/// A background save.
pub(crate) const SAVE: Work = Work {
    command: "BGSAVE",
    running: "rdb_bgsave_in_progress",
    copied: "rdb_last_cow_size",
};

/// A rewrite of the append-only file.
pub(crate) const REWRITE: Work = Work {
    command: "BGREWRITEAOF",
    running: "aof_rewrite_in_progress",
    copied: "aof_last_cow_size",
};

/// The figures of one server and one kind of work.
#[derive(Debug, Default)]
pub(crate) struct Background {
    /// The data set's resident memory, in bytes.
    pub(crate) data_bytes: f64,
    /// What came on top during the work under writes, in bytes.
    pub(crate) extra_bytes: f64,
    /// The light client's longest wait under writes, in milliseconds.
    pub(crate) calm_worst_ms: f64,
    /// The same during the work.
    pub(crate) busy_worst_ms: f64,
    /// How long the work took, in seconds.
    pub(crate) took_s: f64,
}

/// Measures a rewrite of each server's append-only file, one server after the other.
pub(crate) fn rewrites(programs: &[Program], keys: u64) -> Result<Vec<Background>> {
    let measure = |program: &Program| {
        eprintln!("rewriting the append-only file: {}", program.name);
        let server = program.start_with(Persistence::AppendOnly)?;
        let data_bytes = fill(&server, keys)?;
        watch_under_writes(&server, keys, data_bytes, &REWRITE)
    };
    programs.iter().map(measure).collect()
}

/// Writes the data set; answers how far resident memory grew, in bytes.
pub(crate) fn fill(server: &Server, keys: u64) -> Result<f64> {
    let before = server.resident_bytes()?;
    server.connect()?.load(keys, 1, |client, number| {
        client.push(&[b"SET", key(number).as_bytes(), &VALUE]);
    })?;
    Ok(server.resident_bytes()?.saturating_sub(before) as f64)
}

/// Both windows of one server, which holds so many keys in so many bytes.
pub(crate) fn watch_under_writes(
    server: &Server,
    keys: u64,
    data_bytes: f64,
    work: &Work,
) -> Result<Background> {
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_on(server, keys, &ends));
        let watched = watch_both(server, keys, work);
        ends.store(true, Ordering::Relaxed);
        let written = writer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(watched).map(|watched| Background {
            data_bytes,
            ..watched
        })
    })
}

fn watch_both(server: &Server, keys: u64, work: &Work) -> Result<Background> {
    let mut light = server.connect()?;
    let mut control = server.connect()?;
    let start = Instant::now();
    let calm_worst_ms = worst_wait_ms(&mut light, keys, || Ok(start.elapsed() > CALM))?;
    let before = server.resident_bytes()?;
    let start = Instant::now();
    control.push(&[work.command.as_bytes()]);
    control.flush()?;
    control.expect_ok(1)?;
    let mut most = before;
    let mut looks = 0u32;
    let mut done = None;
    let busy_worst_ms = worst_wait_ms(&mut light, keys, || {
        most = most.max(server.resident_bytes()?);
        looks += 1;
        // INFO is no light command; the client is to wait for the work and not for that.
        let looks_at_info = done.is_none() && looks.is_multiple_of(100);
        if looks_at_info && persistence(&mut control, work.running)? == 0 {
            done = Some(start.elapsed());
        }
        Ok(done.is_some_and(|done| start.elapsed() > done + AFTER))
    })?;
    // What a fork has copied is not in the parent's resident memory.
    let copied = persistence(&mut control, work.copied)? as f64;
    let grown = most.saturating_sub(before) as f64;
    Ok(Background {
        extra_bytes: grown.max(copied),
        calm_worst_ms,
        busy_worst_ms,
        took_s: done.unwrap_or_default().as_secs_f64(),
        ..Background::default()
    })
}

/// Reads a key now and then, and answers the longest wait until `is_over` says that it is.
fn worst_wait_ms(
    client: &mut Client,
    keys: u64,
    mut is_over: impl FnMut() -> Result<bool>,
) -> Result<f64> {
    let mut worst = Duration::ZERO;
    let mut number = 1;
    while !is_over()? {
        number += 1;
        let start = Instant::now();
        client.push(&[b"GET", key(scattered(number) % keys).as_bytes()]);
        client.flush()?;
        client.skip_replies(1)?;
        worst = worst.max(start.elapsed());
        std::thread::sleep(LIGHT_PERIOD);
    }
    Ok(worst.as_secs_f64() * 1e3)
}

/// Writes at a steady rate until it is to end.
fn write_on(server: &Server, keys: u64, ends: &AtomicBool) -> Result<()> {
    let mut client = server.connect()?;
    let start = Instant::now();
    let mut batch = 0;
    while !ends.load(Ordering::Relaxed) {
        for number in batch * WRITE_BATCH..(batch + 1) * WRITE_BATCH {
            let key = key(scattered(number) % keys);
            client.push(&[b"SET", key.as_bytes(), &VALUE]);
        }
        client.flush()?;
        client.expect_ok(WRITE_BATCH)?;
        batch += 1;
        let due = start + WRITE_PERIOD * u32::try_from(batch).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

fn key(number: u64) -> String {
    key_name("key:", number)
}

/// A number of INFO persistence.
fn persistence(client: &mut Client, name: &str) -> Result<u64> {
    client.info_number("persistence", name)
}
