//! What a snapshot costs: time to save and to load, a light client's worst wait and the memory that comes on top while a
//! background save and writes go on.
//!
//! Saves and loads of the servers take turns. A save in the background is watched in two windows of the same length and
//! the same writes, one without a save in front of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::{Client, key_name};
use crate::load::scattered;
use crate::report::median;
use crate::server::{Program, Server};

/// Writes of the window's writer: batches of so many at a time.
const WRITE_BATCH: u64 = 20;
/// From one batch to the next: 50,000 writes a second.
const WRITE_PERIOD: Duration = Duration::from_micros(400);
/// From one request of the light client to the next.
const LIGHT_PERIOD: Duration = Duration::from_micros(500);
/// The window without a save.
const CALM: Duration = Duration::from_secs(4);
/// The value of a key.
const VALUE: [u8; 64] = [b'v'; 64];

/// The figures of one server.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    /// Median time of SAVE, in seconds.
    pub(crate) save_s: f64,
    /// Median CPU time of SAVE, in seconds.
    pub(crate) save_cpu_s: f64,
    /// Median CPU time of a process that starts and loads, in seconds.
    pub(crate) load_cpu_s: f64,
    /// Median time from the start of the process to a data set that is there, in seconds.
    pub(crate) load_s: f64,
    /// The data set's resident memory, in bytes.
    pub(crate) data_bytes: f64,
    /// What came on top during a background save under writes, in bytes.
    pub(crate) extra_bytes: f64,
    /// The light client's longest wait under writes, in milliseconds.
    pub(crate) calm_worst_ms: f64,
    /// The same during a background save.
    pub(crate) saving_worst_ms: f64,
    /// How long that save took, in seconds.
    pub(crate) background_s: f64,
}

/// Measures every server with so many keys.
pub(crate) fn measure(programs: &[Program], keys: u64, rounds: u32) -> Result<Vec<Snapshots>> {
    let mut servers = Vec::new();
    let mut results = Vec::new();
    for program in programs {
        eprintln!("snapshots: filling {}", program.name);
        let server = program.start()?;
        let before = server.resident_bytes()?;
        server.connect()?.load(keys, 1, |client, number| {
            client.push(&[b"SET", key(number).as_bytes(), &VALUE]);
        })?;
        let data_bytes = server.resident_bytes()?.saturating_sub(before) as f64;
        results.push(Snapshots {
            data_bytes,
            ..Snapshots::default()
        });
        servers.push(server);
    }
    for (server, result) in servers.iter().zip(&mut results) {
        eprintln!("snapshots: in the background, port {}", server.port);
        save_under_writes(server, keys, result)?;
    }
    let mut saves = vec![Vec::new(); servers.len()];
    let mut loads = vec![Vec::new(); servers.len()];
    let mut save_cpu = vec![Vec::new(); servers.len()];
    let mut load_cpu = vec![Vec::new(); servers.len()];
    for round in 0..rounds {
        eprintln!("snapshots: round {round} of saving and loading");
        for (at, server) in servers.iter_mut().enumerate() {
            let cpu = server.cpu_time()?;
            let start = Instant::now();
            let mut client = server.connect()?;
            client.push(&[b"SAVE"]);
            client.flush()?;
            client.expect_ok(1)?;
            saves[at].push(start.elapsed().as_secs_f64());
            save_cpu[at].push(server.cpu_time()?.saturating_sub(cpu).as_secs_f64());
            server.restart()?;
            loads[at].push(server.time_to_pong.as_secs_f64());
            load_cpu[at].push(server.cpu_time()?.as_secs_f64());
        }
    }
    for (at, result) in results.iter_mut().enumerate() {
        result.save_s = median(&saves[at]);
        result.load_s = median(&loads[at]);
        result.save_cpu_s = median(&save_cpu[at]);
        result.load_cpu_s = median(&load_cpu[at]);
    }
    Ok(results)
}

fn key(number: u64) -> String {
    key_name("key:", number)
}

/// Both windows of one server.
fn save_under_writes(server: &Server, keys: u64, result: &mut Snapshots) -> Result<()> {
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_on(server, keys, &ends));
        let watched = watch_both(server, keys, result);
        ends.store(true, Ordering::Relaxed);
        let written = writer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        watched.and(written)
    })
}

fn watch_both(server: &Server, keys: u64, result: &mut Snapshots) -> Result<()> {
    let mut light = server.connect()?;
    let mut control = server.connect()?;
    let start = Instant::now();
    result.calm_worst_ms = worst_wait_ms(&mut light, keys, || Ok(start.elapsed() > CALM))?;
    let before = server.resident_bytes()?;
    let start = Instant::now();
    control.push(&[b"BGSAVE"]);
    control.flush()?;
    control.expect_ok(1)?;
    let mut most = before;
    let mut looks = 0u32;
    result.saving_worst_ms = worst_wait_ms(&mut light, keys, || {
        most = most.max(server.resident_bytes()?);
        looks += 1;
        // INFO is no light command; the client is to wait for the save and not for that.
        Ok(looks.is_multiple_of(100) && persistence(&mut control, "rdb_bgsave_in_progress")? == 0)
    })?;
    result.background_s = start.elapsed().as_secs_f64();
    // What a fork has copied is not in the parent's resident memory.
    let copied = persistence(&mut control, "rdb_last_cow_size")? as f64;
    let grown = most.saturating_sub(before) as f64;
    result.extra_bytes = grown.max(copied);
    Ok(())
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

/// A number of INFO persistence.
fn persistence(client: &mut Client, name: &str) -> Result<u64> {
    client.info_number("persistence", name)
}
