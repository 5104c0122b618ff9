//! How much may wait for a client before it is disconnected (`client-output-buffer-limit`).
//!
//! What waits is counted where it lies: in the outbox, in the write buffer, in large values beside both. The limits are
//! looked at when something is put out for a client, when its connection begins to write, and now and then by a timer, so
//! that a client that reads nothing ends whatever it is sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::choices::OutputLimit;

/// So many bytes may always wait, whatever the limits: Redis has a buffer of that size in each client, which they do not
/// count.
pub const UNCOUNTED_BYTES: usize = 16 * 1024;

/// What kind of client a limit is for; the numbers are the places in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputClass {
    /// One that reads its own replies.
    Normal = 0,
    /// A replica.
    Replica = 1,
    /// One that is subscribed to something, or monitors.
    PubSub = 2,
}

/// The limits of one class.
#[derive(Debug, Default)]
struct Limit {
    hard_bytes: AtomicU64,
    soft_bytes: AtomicU64,
    soft_s: AtomicU64,
}

/// The limits in effect, which every client's handle shares.
#[derive(Debug, Default)]
pub struct OutputLimits {
    classes: [Limit; 3],
    /// Clients that were disconnected for it.
    pub disconnections: AtomicU64,
}

impl OutputLimits {
    /// Puts the configuration's limits into effect.
    pub fn configure(&self, limits: [OutputLimit; 3]) {
        for (limit, wanted) in self.classes.iter().zip(limits) {
            let soft_s = u64::try_from(wanted.soft_seconds).unwrap_or(0);
            limit.hard_bytes.store(wanted.hard_bytes, Ordering::Relaxed);
            limit.soft_bytes.store(wanted.soft_bytes, Ordering::Relaxed);
            limit.soft_s.store(soft_s, Ordering::Relaxed);
        }
    }

    /// Whether no client of `class` may have so many bytes waiting at any time.
    #[inline]
    pub fn forbids(&self, class: OutputClass, bytes: usize) -> bool {
        is_beyond(&self.classes[class as usize].hard_bytes, bytes)
    }

    /// Whether `counted_bytes` are too many for a client of `class`, now or for too long.
    #[inline]
    pub fn exceeded(&self, class: OutputClass, counted_bytes: usize, since: &SoftClock) -> bool {
        if self.forbids(class, counted_bytes) {
            return true;
        }
        let limit = &self.classes[class as usize];
        if is_beyond(&limit.soft_bytes, counted_bytes) {
            let allowed = Duration::from_secs(limit.soft_s.load(Ordering::Relaxed));
            return since.runs_longer_than(allowed);
        }
        since.stop();
        false
    }
}

/// Whether so many bytes reach a limit; 0 is none.
fn is_beyond(limit: &AtomicU64, bytes: usize) -> bool {
    let limit = limit.load(Ordering::Relaxed);
    limit > 0 && bytes as u64 >= limit
}

/// Since when a client is beyond its soft limit.
#[derive(Debug, Default)]
pub struct SoftClock {
    runs: AtomicBool,
    since: Mutex<Option<Instant>>,
}

impl SoftClock {
    /// Starts the clock if it does not run; says whether it has run for longer than `allowed`.
    #[cold]
    fn runs_longer_than(&self, allowed: Duration) -> bool {
        self.runs.store(true, Ordering::Relaxed);
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match *since {
            Some(start) => start.elapsed() > allowed,
            None => {
                *since = Some(Instant::now());
                false
            }
        }
    }

    /// The client is below its limit again.
    #[inline]
    pub fn stop(&self) {
        if self.runs.load(Ordering::Relaxed) {
            self.runs.store(false, Ordering::Relaxed);
            *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hard_limit_holds_at_once_and_the_soft_one_does_not() {
        let limits = OutputLimits::default();
        let clock = SoftClock::default();
        assert!(!limits.exceeded(OutputClass::PubSub, usize::MAX, &clock));
        let limit = |hard_bytes, soft_bytes, soft_seconds| OutputLimit {
            hard_bytes,
            soft_bytes,
            soft_seconds,
        };
        limits.configure([limit(0, 0, 0), limit(0, 10, 0), limit(100, 50, 1000)]);
        for (class, bytes, want) in [
            (OutputClass::Normal, usize::MAX, false),
            (OutputClass::PubSub, 49, false),
            (OutputClass::PubSub, 50, false),
            (OutputClass::PubSub, 100, true),
            (OutputClass::Replica, 9, false),
            (OutputClass::Replica, 10, false),
        ] {
            clock.stop();
            assert_eq!(
                limits.exceeded(class, bytes, &clock),
                want,
                "{class:?} {bytes}"
            );
        }
    }

    #[test]
    fn the_soft_clock_starts_anew_when_the_client_has_read() {
        let limits = OutputLimits::default();
        let soft = OutputLimit {
            hard_bytes: 0,
            soft_bytes: 10,
            soft_seconds: 1000,
        };
        limits.configure([soft; 3]);
        let clock = SoftClock::default();
        assert!(!limits.exceeded(OutputClass::Normal, 10, &clock));
        assert!(!limits.exceeded(OutputClass::Normal, 10, &clock));
        assert!(clock.runs.load(Ordering::Relaxed));
        assert!(!limits.exceeded(OutputClass::Normal, 9, &clock));
        assert!(!clock.runs.load(Ordering::Relaxed));
    }
}
