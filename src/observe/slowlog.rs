//! The slow log: the last commands that took longer than a threshold, with their arguments cut short.
//!
//! Life cycle: [`SlowLog::configure`] sets threshold and length at start and whenever they change; the gate asks
//! [`SlowLog::is_slow`] after each command that it has timed and calls [`SlowLog::record`]; SLOWLOG reads and resets.
//! Both questions of the gate are one relaxed load, so that a command that is not slow takes no lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most words of a command that are kept; the last of them says how many were left out.
const MAX_WORDS: usize = 32;
/// The most bytes of a word that are kept.
const MAX_WORD_BYTES: usize = 128;
/// Commands that run in constant time are timed only where the threshold is below this.
const QUICK_NS: u64 = 1_000_000;
/// The threshold of a log that keeps nothing.
const NEVER_NS: u64 = u64::MAX;

/// A command that was slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowEntry {
    /// Its number: unique and growing for the server's whole life.
    pub id: u64,
    /// When it ended, in Unix seconds.
    pub time_s: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Its words, cut.
    pub words: Vec<Vec<u8>>,
    /// The client's address.
    pub addr: String,
    /// The client's name.
    pub name: Vec<u8>,
}

/// The log.
#[derive(Debug, Default)]
pub struct SlowLog {
    /// In nanoseconds, so that the gate compares and does not divide.
    slower_than_ns: AtomicU64,
    max_len: AtomicUsize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The newest first.
    entries: VecDeque<SlowEntry>,
    next_id: u64,
}

impl SlowLog {
    /// A log that keeps `max_len` commands that took at least `slower_than_us`.
    pub fn new(slower_than_us: i64, max_len: usize) -> Self {
        let log = SlowLog::default();
        log.configure(slower_than_us, max_len);
        log
    }

    /// Changes threshold (negative for never) and length. Entries beyond the length go when the next one comes.
    pub fn configure(&self, slower_than_us: i64, max_len: usize) {
        let slower_than_ns = match u64::try_from(slower_than_us) {
            Ok(us) if max_len > 0 => us.saturating_mul(1000),
            _ => NEVER_NS,
        };
        self.slower_than_ns.store(slower_than_ns, Ordering::Relaxed);
        self.max_len.store(max_len, Ordering::Relaxed);
    }

    /// Whether the threshold is so low that even commands that cannot take long have to be timed.
    #[inline]
    pub fn times_quick_commands(&self) -> bool {
        self.slower_than_ns.load(Ordering::Relaxed) < QUICK_NS
    }

    /// Whether a command that took so many nanoseconds belongs into the log.
    #[inline]
    pub fn is_slow(&self, took_ns: u64) -> bool {
        took_ns >= self.slower_than_ns.load(Ordering::Relaxed)
    }

    /// Keeps a command. `words` are all of its words; what is too long is cut here.
    pub fn record<'w>(
        &self,
        words: impl ExactSizeIterator<Item = &'w [u8]>,
        took_ns: u64,
        time_s: u64,
        addr: &str,
        name: &[u8],
    ) {
        let words = cut(words);
        let mut kept = self.kept();
        let id = kept.next_id;
        kept.next_id += 1;
        let duration_us = took_ns / 1000;
        kept.entries.push_front(SlowEntry {
            id,
            time_s,
            duration_us,
            words,
            addr: addr.to_owned(),
            name: name.to_vec(),
        });
        kept.entries.truncate(self.max_len.load(Ordering::Relaxed));
    }

    /// The newest `count` entries, the newest first.
    pub fn newest(&self, count: usize) -> Vec<SlowEntry> {
        self.kept().entries.iter().take(count).cloned().collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.kept().entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries; their numbers are not used again.
    pub fn reset(&self) {
        self.kept().entries.clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words as the log keeps them.
fn cut<'w>(words: impl ExactSizeIterator<Item = &'w [u8]>) -> Vec<Vec<u8>> {
    let len = words.len();
    let whole = if len > MAX_WORDS { MAX_WORDS - 1 } else { len };
    let mut kept: Vec<Vec<u8>> = words.take(whole).map(cut_word).collect();
    if whole < len {
        kept.push(format!("... ({} more arguments)", len - whole).into_bytes());
    }
    kept
}

fn cut_word(word: &[u8]) -> Vec<u8> {
    match word.len().checked_sub(MAX_WORD_BYTES) {
        None | Some(0) => word.to_vec(),
        Some(more) => [
            &word[..MAX_WORD_BYTES],
            format!("... ({more} more bytes)").as_bytes(),
        ]
        .concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(log: &SlowLog, words: &[&[u8]]) {
        log.record(words.iter().copied(), 1_500_999, 7, "127.0.0.1:9", b"me");
    }

    #[test]
    fn the_newest_entries_are_kept_and_numbers_go_on_after_a_reset() {
        let log = SlowLog::new(0, 2);
        for word in [b"a", b"b", b"c"] {
            record(&log, &[word]);
        }
        let ids = |log: &SlowLog| {
            log.newest(9)
                .iter()
                .map(|entry| entry.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&log), [2, 1]);
        log.reset();
        assert!(log.is_empty());
        record(&log, &[b"d"]);
        assert_eq!(ids(&log), [3]);
        assert_eq!(log.newest(1)[0].duration_us, 1500);
    }

    #[test]
    fn long_words_and_long_commands_are_cut() {
        let log = SlowLog::new(0, 9);
        let long = [b'x'; MAX_WORD_BYTES + 1];
        let words: Vec<&[u8]> = std::iter::repeat_n(&long[..MAX_WORD_BYTES], 31)
            .chain([&long[..], b"y"])
            .collect();
        record(&log, &words[30..]);
        record(&log, &words[..32]);
        record(&log, &words);
        let [three, thirty_two, short] = &log.newest(3)[..] else {
            panic!("three entries")
        };
        assert_eq!(short.words[0].len(), MAX_WORD_BYTES);
        assert!(
            short.words[1].ends_with(b"x... (1 more bytes)"),
            "{:?}",
            short.words[1]
        );
        assert_eq!(thirty_two.words.len(), 32);
        assert_eq!(three.words.len(), 32);
        assert_eq!(three.words[31], b"... (2 more arguments)");
    }

    #[test]
    fn thresholds_say_what_is_timed_and_kept() {
        let took_ns = 999_999;
        for (threshold, len, quick, slow) in [
            (-1, 9, false, false),
            (0, 9, true, true),
            (999, 9, true, true),
            (1000, 9, false, false),
            (0, 0, false, false),
        ] {
            let log = SlowLog::new(threshold, len);
            assert_eq!(
                (log.times_quick_commands(), log.is_slow(took_ns)),
                (quick, slow),
                "{threshold} {len}"
            );
        }
    }
}
