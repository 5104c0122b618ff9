//! Keys that come from a file: many at once, and nobody follows them.

use super::{Db, DbIndex, field_deadlines};
use crate::store::entry::{Entry, NEVER};
use crate::store::table::{HashSeed, prefetch};

impl Db {
    /// What keys are hashed with, for whoever has them before their turn comes.
    pub fn hash_seed(&self) -> HashSeed {
        self.seed
    }

    /// Makes room in the keyspace for so many keys at once, if it is empty: a table that grows is nearly full all the time, which
    /// makes each insertion dearer.
    pub fn expect_keys(&mut self, index: DbIndex, count: usize) {
        self.keyspaces[index].table.expect(count);
    }

    /// Says that no more keys will come of so many that were expected.
    pub fn end_expectation(&mut self, index: DbIndex, count: usize) {
        self.keyspaces[index].table.end_expectation(count);
    }

    /// Fetches ahead what [`Db::insert_loaded`] will touch.
    #[inline]
    pub fn prefetch_loaded(&self, index: DbIndex, hash: u64, entry: &Entry) {
        self.keyspaces[index].table.prefetch_bucket(hash);
        // Another thread has made it.
        prefetch(entry.address());
    }

    /// Stores an entry with the access clock that it has; `hash` is its key's. What was there is answered.
    pub fn insert_loaded(&mut self, index: DbIndex, hash: u64, entry: Entry) -> Option<Entry> {
        let keyspace = &mut self.keyspaces[index];
        keyspace.expires += usize::from(entry.deadline_ms() != NEVER);
        let earliest_ms = field_deadlines::earliest_ms(&entry);
        let noted = (earliest_ms != NEVER).then(|| entry.key().to_vec());
        let old = keyspace.table.insert_hashed(hash, entry);
        if let Some(old) = &old {
            keyspace.expires -= usize::from(old.deadline_ms() != NEVER);
            keyspace.fields.forget(old);
        }
        if let Some(key) = noted {
            keyspace.fields.note(&key, earliest_ms);
        }
        old
    }
}
