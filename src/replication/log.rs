//! The one log of writes: all that changes the data set, as commands in RESP, at offsets that only grow.
//!
//! Life cycle: the effects of each command, transaction or script come in by [`Log::append`], under the data set's lock, so
//! that their order is that of the changes. Whoever keeps them (the append-only file) takes out with [`Log::take`] what has
//! come since it did so last, and the marks that it has set meanwhile: places in the log that mean something to it. What
//! several commands have done together stands between MULTI and EXEC; which database a command is for is said by SELECT
//! where it changes.
//!
//! The log's own lock is held for the time of a copy. [`Log::end`] can be read without it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::db::DbIndex;
use crate::store::effects::{Effects, Readers};

/// Whom the log is for: so far the append-only file alone takes from it.
const READERS: Readers = Readers::FILE;
/// A buffer of more bytes is not kept when it was taken.
const KEPT_BYTES: usize = 1024 * 1024;

/// What a place in the log means to the append-only file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// What follows happened at this time, in Unix seconds.
    Time(u64),
    /// What follows belongs into another file, the one of this number.
    File(u64),
}

/// What was taken out of the log.
#[derive(Debug, Default)]
pub struct Taken {
    /// Where it begins.
    pub start: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The marks, by their offsets, which are within these bytes or at their end.
    pub marks: Vec<(u64, Mark)>,
}

impl Taken {
    /// The offset behind the last byte.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Whether there is nothing, not even a mark.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.marks.is_empty()
    }
}

/// The log.
#[derive(Debug, Default)]
pub struct Log {
    state: Mutex<State>,
    end: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Taken,
    /// The database of the last command; none where the next one has to say.
    selected: Option<DbIndex>,
    /// Whether changes of the second are marked.
    notes_time: bool,
    time_s: u64,
}

impl Log {
    /// The offset behind the last byte.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Appends the effects of one unit, which happened at `now_ms`, and takes them out of `effects`. Those of a unit stand
    /// or fall together; those that have nothing to do with each other (`together` is false) stand alone.
    pub fn append(&self, effects: &mut Effects, together: bool, now_ms: u64) {
        let is_read = |readers: Readers| readers.has(READERS);
        let count = effects.iter().filter(|effect| is_read(effect.1)).count();
        if count > 0 {
            let mut state = self.state();
            state.note_time(now_ms / 1000);
            let mut left = count;
            let is_transaction = together && count > 1;
            for (index, _, words) in effects.iter().filter(|effect| is_read(effect.1)) {
                state.select(index);
                if is_transaction && left == count {
                    state.command([b"MULTI".as_slice()].into_iter());
                }
                state.command(words);
                left -= 1;
            }
            if is_transaction {
                state.command([b"EXEC".as_slice()].into_iter());
            }
            self.end.store(state.waiting.end(), Ordering::Release);
        }
        effects.clear();
    }

    /// Sets a mark behind what was appended so far, which [`Log::take`] will tell, and returns its offset. What follows
    /// says its database anew, so that it can be read by itself.
    pub fn mark(&self, mark: Mark) -> u64 {
        let mut state = self.state();
        let end = state.waiting.end();
        state.waiting.marks.push((end, mark));
        state.selected = None;
        state.time_s = 0;
        end
    }

    /// Marks each new second, or does not.
    pub fn note_time(&self, on: bool) {
        let mut state = self.state();
        if state.notes_time != on {
            state.notes_time = on;
            state.time_s = 0;
        }
    }

    /// Takes out what has come since the last call, into `taken`, whose room is used again.
    pub fn take(&self, taken: &mut Taken) {
        taken.bytes.clear();
        taken.marks.clear();
        if taken.bytes.capacity() > KEPT_BYTES {
            taken.bytes = Vec::new();
        }
        let mut state = self.state();
        taken.start = state.waiting.end();
        std::mem::swap(&mut state.waiting, taken);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Marks that the following happened in another second than what came before.
    fn note_time(&mut self, now_s: u64) {
        if self.notes_time && now_s != self.time_s {
            self.time_s = now_s;
            let end = self.waiting.end();
            self.waiting.marks.push((end, Mark::Time(now_s)));
        }
    }

    fn select(&mut self, index: DbIndex) {
        if self.selected != Some(index) {
            self.selected = Some(index);
            let mut digits = itoa::Buffer::new();
            self.command([b"SELECT", digits.format(index).as_bytes()].into_iter());
        }
    }

    fn command<'w>(&mut self, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        let bytes = &mut self.waiting.bytes;
        length(bytes, b'*', words.len());
        for word in words {
            length(bytes, b'$', word.len());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
    }
}

fn length(bytes: &mut Vec<u8>, kind: u8, length: usize) {
    bytes.push(kind);
    bytes.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    bytes.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(commands: &[(DbIndex, &str)]) -> Effects {
        let mut effects = Effects::kept();
        for (index, line) in commands {
            effects.say(*index, line.split(' ').map(str::as_bytes));
        }
        effects
    }

    fn append(log: &Log, commands: &[(DbIndex, &str)]) {
        log.append(&mut effects(commands), true, 5000);
    }

    /// What is in the log, as the words of its commands.
    fn text(log: &Log) -> String {
        let mut taken = Taken::default();
        log.take(&mut taken);
        let text = String::from_utf8(taken.bytes).expect("the tests write text");
        let mut words = String::new();
        for line in text.split_terminator("\r\n") {
            match line.as_bytes().first() {
                Some(b'*') => words.push('|'),
                Some(b'$') => {}
                _ => words.extend([line, " "]),
            }
        }
        words.replace(" |", "|").trim_end().to_owned()
    }

    #[test]
    fn commands_are_written_as_clients_write_them() {
        let log = Log::default();
        append(&log, &[(0, "SET k va")]);
        let mut taken = Taken::default();
        log.take(&mut taken);
        let want = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nva\r\n";
        assert_eq!(String::from_utf8_lossy(&taken.bytes), want);
        assert_eq!((taken.start, taken.end()), (0, log.end()));
        append(&log, &[(0, "DEL k")]);
        log.take(&mut taken);
        assert_eq!(taken.start, want.len() as u64);
        assert_eq!(taken.end(), log.end());
    }

    #[test]
    fn the_database_is_said_where_it_changes() {
        let log = Log::default();
        append(&log, &[(0, "a")]);
        append(&log, &[(0, "b")]);
        append(&log, &[(11, "c")]);
        append(&log, &[(11, "d")]);
        assert_eq!(text(&log), "|SELECT 0|a|b|SELECT 11|c|d");
        log.mark(Mark::File(2));
        append(&log, &[(11, "e")]);
        assert_eq!(text(&log), "|SELECT 11|e");
    }

    #[test]
    fn several_effects_of_a_unit_are_a_transaction() {
        let log = Log::default();
        append(&log, &[(1, "a"), (1, "b"), (2, "c")]);
        append(&log, &[]);
        log.append(&mut effects(&[(2, "DEL x"), (2, "DEL y")]), false, 0);
        assert_eq!(
            text(&log),
            "|SELECT 1|MULTI|a|b|SELECT 2|c|EXEC|DEL x|DEL y"
        );
    }

    #[test]
    fn what_nobody_is_to_get_is_left_out() {
        let log = Log::default();
        let mut effects = effects(&[]);
        effects.set_readers(Readers::NONE);
        effects.say(0, [b"a".as_slice()]);
        effects.set_readers(Readers::REPLICAS);
        effects.say(0, [b"a".as_slice()]);
        effects.set_readers(Readers::ALL);
        effects.say(0, [b"b".as_slice()]);
        log.append(&mut effects, true, 0);
        assert!(effects.is_empty());
        assert_eq!(text(&log), "|SELECT 0|b");
    }

    #[test]
    fn marks_come_out_with_their_offsets() {
        let log = Log::default();
        append(&log, &[(0, "a")]);
        log.note_time(true);
        let first = log.end();
        append(&log, &[(0, "b")]);
        append(&log, &[(0, "c")]);
        let second = log.mark(Mark::File(7));
        append(&log, &[(0, "d")]);
        let mut taken = Taken::default();
        log.take(&mut taken);
        let want = [
            (first, Mark::Time(5)),
            (second, Mark::File(7)),
            (second, Mark::Time(5)),
        ];
        assert_eq!(taken.marks, want);
        log.take(&mut taken);
        assert!(taken.is_empty());
        assert_eq!(taken.start, log.end());
    }
}
