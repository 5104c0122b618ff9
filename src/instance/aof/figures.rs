//! What INFO shows of the append-only file.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Aof, Busy, State};
use crate::replication::log::Log;

/// Counters that others read while files are written.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Bytes of the increment that is written.
    pub(super) increment: AtomicU64,
    /// Bytes of all other files that are read at the start.
    pub(super) others: AtomicU64,
    /// Bytes of all files after the last rewrite, or of the base at the start.
    pub(super) base: AtomicU64,
    /// Writes that did not wait for a sync any longer.
    pub(super) delayed_syncs: AtomicU64,
}

/// What INFO shows.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Whether there is an append-only file.
    pub is_enabled: bool,
    /// Bytes of its files.
    pub current_size: u64,
    /// What they were after the last rewrite.
    pub base_size: u64,
    /// Bytes that wait to be written.
    pub buffered: u64,
    /// Whether a sync is under way.
    pub is_syncing: bool,
    /// Writes that did not wait for a sync any longer.
    pub delayed_syncs: u64,
    /// Whether the last write and the last sync have succeeded.
    pub is_write_ok: bool,
}

impl Aof {
    /// What INFO shows.
    pub fn figures(&self, log: &Log) -> Figures {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let counters = &self.counters;
        let is_enabled = self.state() != State::Off;
        let waiting = log
            .end()
            .saturating_sub(self.written.load(Ordering::Acquire));
        Figures {
            is_enabled,
            current_size: of(&counters.increment) + of(&counters.others),
            base_size: of(&counters.base),
            buffered: if is_enabled { waiting } else { 0 },
            is_syncing: self.busy.load(Ordering::Relaxed) & Busy::SYNCING != 0,
            delayed_syncs: of(&counters.delayed_syncs),
            is_write_ok: !self.is_failing(),
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&self) {
        self.counters.delayed_syncs.store(0, Ordering::Relaxed);
        self.reset_rewrites();
    }
}
