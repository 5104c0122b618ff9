//! What every command has to look at beside its own work, as one word: mostly it is zero.

use std::sync::atomic::{AtomicU32, Ordering};

/// Keys have changed that blocked clients wait for.
pub const READY_KEYS: u32 = 1;
/// Somebody monitors all commands.
pub const MONITORS: u32 = 1 << 1;
/// Clients are paused.
pub const PAUSED: u32 = 1 << 2;
/// Messages wait for the answer of the command whose client they are for.
pub const OWN_INVALIDATIONS: u32 = 1 << 3;
/// Keys have changed below prefixes that clients follow.
pub const BROADCASTS: u32 = 1 << 4;
/// The append-only file cannot be written: writes are refused.
pub const FILE_FAILS: u32 = 1 << 12;

/// The data set is being loaded: few commands run.
pub const LOADING: u32 = 1 << 5;
/// Writes are refused, because the data set cannot be saved.
pub const WRITES_STOPPED: u32 = 1 << 6;
/// The data set is saved for the end of the process: nothing runs any more.
pub const ENDING: u32 = 1 << 7;

/// The word.
#[derive(Debug, Default)]
pub struct Attention(AtomicU32);

impl Attention {
    /// Whether there is anything to look at.
    #[inline]
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether there is any of `what` to look at.
    #[inline]
    pub fn has(&self, what: u32) -> bool {
        self.0.load(Ordering::Relaxed) & what != 0
    }

    /// Asks every command to look at `what`.
    pub fn raise(&self, what: u32) {
        self.0.fetch_or(what, Ordering::Relaxed);
    }

    /// Asks no more.
    pub fn lower(&self, what: u32) {
        self.0.fetch_and(!what, Ordering::Relaxed);
    }
}
