//! What a snapshot costs: time to save and to load, and what a background save costs the clients ([`background`]).
//!
//! Saves and loads of the servers take turns. A save in the background is watched in two windows of the same writes, one
//! without a save in front of it.

use std::time::Instant;

use anyhow::Result;

use crate::background::{self, Background};
use crate::report::median;
use crate::server::Program;

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
    /// The background save.
    pub(crate) background: Background,
}

/// Measures every server with so many keys.
pub(crate) fn measure(programs: &[Program], keys: u64, rounds: u32) -> Result<Vec<Snapshots>> {
    let mut servers = Vec::new();
    let mut data_bytes = Vec::new();
    for program in programs {
        eprintln!("snapshots: filling {}", program.name);
        let server = program.start()?;
        data_bytes.push(background::fill(&server, keys)?);
        servers.push(server);
    }
    let mut results = Vec::new();
    for (server, data_bytes) in servers.iter().zip(data_bytes) {
        eprintln!("snapshots: in the background, port {}", server.port);
        let background =
            background::watch_under_writes(server, keys, data_bytes, &background::SAVE)?;
        results.push(Snapshots {
            background,
            ..Snapshots::default()
        });
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
