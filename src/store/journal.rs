//! What has happened to keys: kept while somebody wants to know, from the change to the end of its command.
//!
//! The data set and the handlers write into the [`Journal`]; after each command (and each sweep) the server takes the
//! records out and tells whom they concern: clients that watch a key, wait for it, have it in a cache of their own, or
//! subscribe to events. While there is no such client a change costs one comparison and leaves nothing here.

use super::db::DbIndex;

/// The classes of keyspace events that are published, and in which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Events(u16);

impl Events {
    /// Publish to the key's channel (`K`).
    pub const KEYSPACE: Events = Events(1);
    /// Publish to the event's channel (`E`).
    pub const KEYEVENT: Events = Events(1 << 1);
    /// Commands that know no type (`g`).
    pub const GENERIC: Events = Events(1 << 2);
    /// Strings (`$`).
    pub const STRING: Events = Events(1 << 3);
    /// Lists (`l`).
    pub const LIST: Events = Events(1 << 4);
    /// Sets (`s`).
    pub const SET: Events = Events(1 << 5);
    /// Hashes (`h`).
    pub const HASH: Events = Events(1 << 6);
    /// Sorted sets (`z`).
    pub const ZSET: Events = Events(1 << 7);
    /// Keys that expired (`x`).
    pub const EXPIRED: Events = Events(1 << 8);
    /// Keys that were evicted (`e`).
    pub const EVICTED: Events = Events(1 << 9);
    /// Streams (`t`).
    pub const STREAM: Events = Events(1 << 10);
    /// Modules' types (`d`).
    pub const MODULE: Events = Events(1 << 11);
    /// New keys (`n`); not part of `A`.
    pub const NEW: Events = Events(1 << 12);
    /// Keys that were asked for and are not there (`m`); not part of `A`.
    pub const KEY_MISS: Events = Events(1 << 13);
    /// Values that gave way to others (`o`); not part of `A`.
    pub const OVERWRITTEN: Events = Events(1 << 14);
    /// Keys that hold another type than before (`c`); not part of `A`.
    pub const TYPE_CHANGED: Events = Events(1 << 15);
    /// Either of the two that say what was there before.
    pub const REPLACED: Events = Events(Self::OVERWRITTEN.0 | Self::TYPE_CHANGED.0);

    const ALL_CLASSES: u16 = 0b1111_1111_1100;
    const LETTERS: [(u8, Events); 16] = [
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::ZSET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
        (b'n', Self::NEW),
        (b'o', Self::OVERWRITTEN),
        (b'c', Self::TYPE_CHANGED),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', Self::KEY_MISS),
    ];

    /// Whether nothing is to be published.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` are on.
    pub fn contains(self, other: Events) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is on.
    #[inline]
    pub fn intersects(self, other: Events) -> bool {
        self.0 & other.0 != 0
    }

    /// Reads the letters; `None` when one of them is no class.
    pub fn parse(letters: &[u8]) -> Option<Events> {
        letters
            .iter()
            .try_fold(0, |bits, &letter| {
                if letter == b'A' {
                    return Some(bits | Self::ALL_CLASSES);
                }
                let known = Self::LETTERS.iter().find(|(known, _)| *known == letter)?;
                Some(bits | known.1.0)
            })
            .map(Events)
    }

    /// The normal form. As in Redis, `A` swallows `n`, `o` and `c` although it does not include them.
    pub fn letters(self) -> String {
        let all = self.contains(Events(Self::ALL_CLASSES));
        let swallowed = if all {
            Self::ALL_CLASSES | Self::NEW.0 | Self::REPLACED.0
        } else {
            0
        };
        let rest = Self::LETTERS
            .iter()
            .filter(|(_, class)| self.contains(*class) && class.0 & swallowed == 0)
            .map(|(letter, _)| char::from(*letter));
        all.then_some('A').into_iter().chain(rest).collect()
    }
}

/// What has happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It has changed, by a command.
    Changed,
    /// It has gone because its time had come, or to make room.
    Removed,
    /// An event of a class, with its name.
    Event(Events, &'static str),
}

/// One record.
#[derive(Clone, Copy, Debug)]
struct Record {
    index: DbIndex,
    what: What,
    /// Where its key ends in the journal's keys; it begins where the one before ends.
    end: usize,
}

/// What has happened to keys since the journal was last emptied, in order.
#[derive(Debug, Default)]
pub struct Journal {
    /// Whether somebody follows changes: watches, waits for or caches keys.
    pub follows_changes: bool,
    /// The classes of events that somebody may be told.
    pub events: Events,
    records: Vec<Record>,
    keys: Vec<u8>,
}

impl Journal {
    /// Whether nothing has happened that anybody wants to know.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Notes that `key` has changed, or gone by itself.
    #[inline]
    pub fn note(&mut self, index: DbIndex, key: &[u8], what: What) {
        if self.follows_changes {
            self.record(index, key, what);
        }
    }

    /// Notes an event.
    #[inline]
    pub fn event(&mut self, index: DbIndex, key: &[u8], class: Events, name: &'static str) {
        if self.events.contains(class) {
            self.record(index, key, What::Event(class, name));
        }
    }

    #[cold]
    fn record(&mut self, index: DbIndex, key: &[u8], what: What) {
        self.keys.extend_from_slice(key);
        let end = self.keys.len();
        self.records.push(Record { index, what, end });
    }

    /// The records in order: database, key, what happened.
    pub fn iter(&self) -> impl Iterator<Item = (DbIndex, &[u8], What)> {
        let mut start = 0;
        self.records.iter().map(move |record| {
            let key = &self.keys[start..record.end];
            start = record.end;
            (record.index, key, record.what)
        })
    }

    /// The records, taken out; what is noted from now on is new. Give them back with [`Journal::reuse`].
    pub fn take(&mut self) -> Journal {
        Journal {
            follows_changes: false,
            events: Events::default(),
            records: std::mem::take(&mut self.records),
            keys: std::mem::take(&mut self.keys),
        }
    }

    /// Takes the room of records that are dealt with into use again, unless it is large.
    pub fn reuse(&mut self, mut done: Journal) {
        const KEPT_BYTES: usize = 4096;
        if self.records.is_empty() && done.keys.capacity() <= KEPT_BYTES {
            done.records.clear();
            done.keys.clear();
            (self.records, self.keys) = (done.records, done.keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_follows_is_not_kept() {
        let mut journal = Journal::default();
        journal.note(0, b"key", What::Changed);
        journal.event(0, b"key", Events::LIST, "lpush");
        assert!(journal.is_empty());
        journal.events = Events::parse(b"KEl").expect("these are classes");
        journal.event(0, b"key", Events::STRING, "set");
        assert!(journal.is_empty(), "another class");
    }

    #[test]
    fn records_come_out_once_and_in_order() {
        let mut journal = Journal {
            follows_changes: true,
            events: Events::parse(b"KEA").expect("these are classes"),
            ..Journal::default()
        };
        journal.note(0, b"a", What::Changed);
        journal.event(1, b"", Events::LIST, "lpush");
        journal.note(2, b"ccc", What::Removed);
        let taken = journal.take();
        let seen: Vec<_> = taken.iter().collect();
        assert_eq!(
            seen,
            [
                (0, b"a".as_slice(), What::Changed),
                (1, b"".as_slice(), What::Event(Events::LIST, "lpush")),
                (2, b"ccc".as_slice(), What::Removed),
            ]
        );
        assert!(journal.is_empty());
        journal.reuse(taken);
        assert!(journal.is_empty());
    }
}
