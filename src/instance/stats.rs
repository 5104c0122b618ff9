//! The server's counters, for INFO.
//!
//! Counters of commands change under the data set's lock only, so a relaxed load and store is enough there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most error codes that are counted apart; further ones are not kept, so that no client can grow the table.
const MAX_ERROR_CODES: usize = 128;

/// A counter that only one thread at a time increments (the holder of the data set's lock).
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`, without the cost of an atomic read-modify-write.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Back to zero.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// The counters of one command.
#[derive(Debug, Default)]
pub struct CommandCounters {
    /// Executions.
    pub calls: Counter,
    /// Time spent, in nanoseconds.
    pub nanoseconds: Counter,
    /// Refused before they ran.
    pub rejected: Counter,
    /// Ran and answered an error.
    pub failed: Counter,
}

/// The counters of a server.
#[derive(Debug)]
pub struct Stats {
    /// By the id of the command.
    pub commands: Vec<CommandCounters>,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Connections refused for `maxclients`.
    pub rejected_connections: AtomicU64,
    /// Bytes of the commands processed.
    pub net_input: Counter,
    /// Bytes of replies.
    pub net_output: Counter,
    /// Clients closed because what they have sent, or queued, was too much.
    pub query_limit_disconnections: AtomicU64,
    /// Replies that were errors.
    pub error_replies: Counter,
    /// Batches of commands executed, which is about how often clients' sockets were read.
    pub batches: Counter,
    /// Time that sweeps for expired keys have taken, in microseconds.
    pub sweep_us: AtomicU64,
    /// Snapshots taken for the background, where Redis forks.
    pub snapshots: Counter,
    /// How long taking the last of them held everybody up, in microseconds.
    pub snapshot_us: AtomicU64,
    /// The most memory that was in use at a time.
    pub peak_memory: AtomicUsize,
    /// Commands a second, lately.
    pub ops_per_second: AtomicU64,
    /// Kilobytes a second read, lately, times 100.
    pub input_rate: AtomicU64,
    /// Kilobytes a second written, lately, times 100.
    pub output_rate: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Stats {
    /// Counters for so many command ids, all zero.
    pub fn new(commands: usize) -> Self {
        Stats {
            commands: (0..commands).map(|_| CommandCounters::default()).collect(),
            connections: AtomicU64::new(0),
            rejected_connections: AtomicU64::new(0),
            net_input: Counter::default(),
            net_output: Counter::default(),
            query_limit_disconnections: AtomicU64::new(0),
            error_replies: Counter::default(),
            batches: Counter::default(),
            sweep_us: AtomicU64::new(0),
            snapshots: Counter::default(),
            snapshot_us: AtomicU64::new(0),
            peak_memory: AtomicUsize::new(0),
            ops_per_second: AtomicU64::new(0),
            input_rate: AtomicU64::new(0),
            output_rate: AtomicU64::new(0),
            errors: Mutex::new(BTreeMap::new()),
        }
    }

    /// Commands executed since the start or the last reset, wherever they came from: a client, a transaction's queue, a script.
    /// Summed when it is asked for, so that it costs nothing beside what each command counts.
    pub fn commands_processed(&self) -> u64 {
        let calls = self.commands.iter().map(|command| command.calls.get());
        calls.sum()
    }

    /// Counts an error reply by its code.
    pub fn count_error(&self, code: &str) {
        self.error_replies.add(1);
        let mut errors = self.errors();
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < MAX_ERROR_CODES {
            errors.insert(code.to_owned(), 1);
        }
    }

    /// Counts a snapshot that was taken for a background save or rewrite, and notes how long that took.
    pub fn count_snapshot(&self, took: Duration) {
        self.snapshots.add(1);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.snapshot_us.store(took_us, Ordering::Relaxed);
    }

    /// The counts of error replies by code.
    pub fn errors(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for command in &self.commands {
            for counter in [
                &command.calls,
                &command.nanoseconds,
                &command.rejected,
                &command.failed,
            ] {
                counter.reset();
            }
        }
        for counter in [
            &self.error_replies,
            &self.net_input,
            &self.net_output,
            &self.batches,
            &self.snapshots,
        ] {
            counter.reset();
        }
        for total in [
            &self.connections,
            &self.rejected_connections,
            &self.query_limit_disconnections,
            &self.sweep_us,
            &self.snapshot_us,
        ] {
            total.store(0, Ordering::Relaxed);
        }
        self.errors().clear();
    }
}
