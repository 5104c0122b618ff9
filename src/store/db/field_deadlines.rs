//! Which hashes of a keyspace have fields with deadlines, and when the first of each is due.
//!
//! [`FieldDeadlines`] is a table of keys with a deadline, namely a lower bound of those of the hash's fields. The sweep
//! takes due keys out of it, removes the due fields of those hashes, and puts a key back while its hash has fields with
//! deadlines. Keys are there exactly as long as their hash has such fields; that is what INFO counts.
//!
//! The table follows its keyspace: what comes in whole ([`Db::insert`]: RENAME, COPY, MOVE) is noted, what goes is
//! forgotten, and a handler that changes fields says so by [`Db::note_fields`]. A keyspace without such hashes pays one
//! comparison for each key that goes, and nothing else.

use super::{Db, DbIndex, VISITS_PER_REMOVAL};
use crate::store::entry::{Entry, NEVER, Object, Value};
use crate::store::journal::{Events, What};
use crate::store::member::{Member, Word};
use crate::store::table::{DueBudget, HashSeed, Table};
use crate::store::types::hash::{Hash, Removed};

/// Fields that one look at a hash removes at the most.
const STEP: usize = 128;

/// The keys of hashes with deadlines, each with a lower bound of them.
#[derive(Clone)]
pub(super) struct FieldDeadlines(Table<Member>);

impl FieldDeadlines {
    pub(super) fn new(seed: HashSeed) -> Self {
        FieldDeadlines(Table::new(seed))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Says that the earliest deadline of the hash at `key` is `earliest_ms` or later; [`NEVER`] if it has none.
    pub(super) fn note(&mut self, key: &[u8], earliest_ms: u64) {
        if earliest_ms == NEVER {
            self.0.remove(key);
            return;
        }
        let word = Word::Deadline(earliest_ms);
        let (mut slot, _) = self
            .0
            .find_or_insert_with(key, || Member::new(key, b"", word));
        // A bound that is too low costs the sweep one look, and raising it would cost every change one.
        if slot.deadline_ms() > earliest_ms {
            slot.set_word(word);
        }
    }

    /// Forgets the key of an entry that goes.
    #[inline]
    pub(super) fn forget(&mut self, entry: &Entry) {
        if !self.0.is_empty() && earliest_ms(entry) != NEVER {
            self.0.remove(entry.key());
        }
    }
}

/// When the first field of an entry's hash is due, or earlier; [`NEVER`] for every other entry.
#[inline]
pub(super) fn earliest_ms(entry: &Entry) -> u64 {
    match entry.value() {
        Value::Object(Object::Hash(hash)) => hash.earliest_deadline_ms(),
        _ => NEVER,
    }
}

impl Db {
    /// Says that deadlines of fields of the hash at `key` may have changed. Handlers call it when the hash had such
    /// deadlines before their change or has them after it.
    pub fn note_fields(&mut self, index: DbIndex, key: &[u8]) {
        let keyspace = &mut self.keyspaces[index];
        let earliest_ms = keyspace
            .table
            .get(key)
            .map_or(NEVER, |entry| earliest_ms(&entry));
        keyspace.fields.note(key, earliest_ms);
    }

    /// Removes due fields of the hash at `key`, if there is one: some of them if there are many. Costs nothing in a
    /// keyspace without deadlines of fields.
    #[inline]
    pub fn expire_fields(&mut self, index: DbIndex, key: &[u8]) {
        let keyspace = &self.keyspaces[index];
        if !keyspace.fields.0.is_empty()
            && !self.keeps_expired
            && let Some(entry) = keyspace.table.get(key)
            && earliest_ms(&entry) <= self.now_ms
        {
            self.remove_due_fields(index, key, STEP);
        }
    }

    /// Removes one field of the hash at `key`, if it is there and its time has come.
    #[cold]
    pub fn expire_field(&mut self, index: DbIndex, key: &[u8], name: &[u8]) {
        if self.keeps_expired {
            return;
        }
        let now_ms = self.now_ms;
        self.edit_fields(index, key, |hash, gone| {
            let is_due = hash
                .field(name)
                .is_some_and(|field| !field.lives_at(now_ms));
            let is_gone = is_due && hash.remove(name);
            if is_gone {
                gone(name);
            }
            Removed {
                fields: usize::from(is_gone),
                more: false,
            }
        });
    }

    #[cold]
    fn remove_due_fields(&mut self, index: DbIndex, key: &[u8], limit: usize) -> Removed {
        let now_ms = self.now_ms;
        self.edit_fields(index, key, |hash, gone| {
            hash.remove_due(now_ms, limit, gone)
        })
    }

    /// Has `remove` remove expired fields of the hash at `key`, and the key if none is left.
    fn edit_fields(
        &mut self,
        index: DbIndex,
        key: &[u8],
        remove: impl FnOnce(&mut Hash, &mut dyn FnMut(&[u8])) -> Removed,
    ) -> Removed {
        let mut removed = Removed {
            fields: 0,
            more: false,
        };
        let mut is_empty = false;
        if let Some(mut slot) = self.keyspaces[index].table.get_mut(key)
            && let Some(hash) = hash_mut(&mut slot)
        {
            let effects = &mut self.effects;
            removed = remove(hash, &mut |name| effects.field_expired(index, key, name));
            is_empty = hash.is_empty();
        }
        self.stats.expired_fields += removed.fields as u64;
        // Before the key goes, for an empty hash says of itself that it has no deadlines.
        self.note_fields(index, key);
        if removed.fields > 0 {
            self.journal.note(index, key, What::Removed);
            self.journal.event(index, key, Events::HASH, "hexpired");
        }
        if is_empty {
            self.remove(index, key);
            self.journal.event(index, key, Events::GENERIC, "del");
        }
        removed
    }

    /// Removes about `limit` due fields of hashes; true if there are more.
    pub(super) fn sweep_fields(&mut self, index: DbIndex, limit: usize) -> bool {
        let fields = &mut self.keyspaces[index].fields;
        if fields.0.is_empty() {
            return false;
        }
        let mut due = Vec::new();
        let budget = DueBudget {
            removals: limit,
            visits: limit * VISITS_PER_REMOVAL,
        };
        let mut more = fields.0.pop_due(self.now_ms, budget, &mut due).more;
        let mut left = limit;
        for key in due {
            if left == 0 {
                self.note_fields(index, key.key());
                more = true;
                continue;
            }
            let removed = self.remove_due_fields(index, key.key(), left);
            left = left.saturating_sub(removed.fields.max(1));
            more |= removed.more;
        }
        more
    }
}

fn hash_mut(entry: &mut Entry) -> Option<&mut Hash> {
    match entry.object_mut() {
        Some(Object::Hash(hash)) => Some(hash),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::entry::NewValue;
    use crate::store::types::hash::{HashLimits, Ttl};

    const LIMITS: HashLimits = HashLimits {
        entries: 8,
        value: 64,
    };

    /// A data set whose keyspace 0 has a hash of so many fields, each due at its number.
    fn db(fields: u64) -> Db {
        let mut db = Db::new(2, Some(1));
        let mut hash = Hash::new();
        for number in 1..=fields {
            let name = format!("f{number}");
            hash.set(name.as_bytes(), b"v", Ttl::At(number), 0, LIMITS);
        }
        db.set(0, b"h", NewValue::Object(Object::Hash(hash)), NEVER);
        db.note_fields(0, b"h");
        db
    }

    fn counts(db: &Db) -> (usize, usize) {
        let count = |index| db.keyspace(index).hashes_with_deadlines();
        (count(0), count(1))
    }

    fn len(db: &mut Db, key: &[u8]) -> usize {
        match db.peek(0, key).map(|entry| entry.value()) {
            Some(Value::Object(Object::Hash(hash))) => hash.len(),
            _ => 0,
        }
    }

    #[test]
    fn the_sweep_removes_due_fields_and_the_hash_with_the_last() {
        for fields in [5, 1000] {
            let mut db = db(fields);
            assert_eq!(counts(&db), (1, 0));
            db.set_clock(2);
            while db.sweep(0, 7) {}
            assert_eq!(len(&mut db, b"h") as u64, fields - 2);
            assert_eq!((counts(&db), db.stats.expired_fields), ((1, 0), 2));
            db.set_clock(fields);
            let mut steps = 0;
            while db.sweep(0, 7) {
                steps += 1;
                assert!(steps < 2000, "the sweep must end");
            }
            assert!(db.peek(0, b"h").is_none());
            assert_eq!((counts(&db), db.stats.expired_fields), ((0, 0), fields));
        }
    }

    #[test]
    fn the_table_of_hashes_with_deadlines_follows_the_keys() {
        let mut db = db(3);
        let entry = db.remove(0, b"h").expect("it is there");
        assert_eq!(counts(&db), (0, 0));
        db.insert(0, entry.with_key(b"copy"));
        db.insert(1, entry);
        assert_eq!(counts(&db), (1, 1));
        db.swap(0, 1);
        db.flush(0);
        assert_eq!(counts(&db), (0, 1));
        db.set(1, b"copy", NewValue::Int(1), NEVER);
        assert_eq!(counts(&db), (0, 0));
    }

    #[test]
    fn an_overwritten_hash_and_an_expired_one_are_forgotten() {
        let mut db = db(3);
        let other = Entry::new(b"h", NewValue::Int(1), NEVER);
        db.insert(0, other);
        assert_eq!(counts(&db), (0, 0));
        let mut db = self::db(3);
        db.set_deadline(0, b"h", 1);
        db.set_clock(1);
        db.sweep(0, 10);
        assert_eq!(counts(&db), (0, 0));
        assert_eq!(db.stats.expired, 1);
    }

    #[test]
    fn a_hash_that_loses_its_deadlines_is_forgotten() {
        let mut db = db(1);
        if let Some(mut slot) = db.write(0, b"h")
            && let Some(hash) = hash_mut(&mut slot)
        {
            hash.set_deadline(b"f1", NEVER);
        }
        db.note_fields(0, b"h");
        assert_eq!(counts(&db), (0, 0));
    }
}
