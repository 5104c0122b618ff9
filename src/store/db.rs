//! The data set: numbered keyspaces with expiry on access.
//!
//! Every access goes through [`Db`], which knows the time (passed in once a batch by
//! [`Db::set_clock`]), deletes what has expired before anybody sees it, keeps the access clocks and
//! counts hits and misses. A handler never looks into a table itself.

mod field_deadlines;
mod loading;

use super::access::AccessPolicy;
use super::effects::Effects;
use super::entry::{Entry, NEVER, NewValue, Object, Value};
use super::journal::{Events, Journal, What};
use super::table::{DueBudget, HashSeed, NodeRef, Parts, Slot, Table};
use field_deadlines::FieldDeadlines;

/// An entry borrowed from the data set.
pub type EntryRef<'a> = NodeRef<'a, Entry>;

/// Whether a key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not.
    Absent,
    /// Its time is over, and it is not deleted yet.
    Expired,
    /// It is.
    Living,
}

/// A number of a keyspace.
pub type DbIndex = usize;

/// A collection of fewer elements lies in the processor's caches while it is busy: looking ahead costs more than it saves.
const LARGE_MEMBERS: usize = 4096;
/// A sweep looks at so many keys for each that it may delete.
const VISITS_PER_REMOVAL: usize = 8;

/// Counts that change with the data set and are reset by CONFIG RESETSTAT.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyspaceStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because their time had come.
    pub expired: u64,
    /// Fields of hashes removed because their time had come.
    pub expired_fields: u64,
    /// Sweeps that stopped because their time budget was spent.
    pub expire_time_cap_reached: u64,
    /// Share of keys found expired lately, in percent: a decaying average of the sweep's samples.
    pub expired_stale_percent: f64,
}

/// The limits at which collections change their form, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct EncodingLimits {
    /// `list-max-listpack-size`: elements if positive, one of the byte classes -1 to -5 if negative.
    pub list_max_listpack_size: i32,
    /// `set-max-intset-entries`.
    pub set_max_intset_entries: usize,
    /// `set-max-listpack-entries`.
    pub set_max_listpack_entries: usize,
    /// `set-max-listpack-value`, in bytes.
    pub set_max_listpack_value: usize,
    /// `hash-max-listpack-entries`, in fields.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`, in bytes, of a field or a value.
    pub hash_max_listpack_value: usize,
    /// `zset-max-listpack-entries`.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`, in bytes.
    pub zset_max_listpack_value: usize,
    /// `stream-node-max-bytes`; 0 for no limit.
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`; 0 for no limit.
    pub stream_node_max_entries: usize,
}

impl Default for EncodingLimits {
    fn default() -> Self {
        EncodingLimits {
            list_max_listpack_size: -2,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
        }
    }
}

/// One numbered keyspace.
#[derive(Clone)]
pub struct Keyspace {
    table: Table<Entry>,
    /// How many keys have a deadline.
    expires: usize,
    /// The hashes of which fields have deadlines.
    fields: FieldDeadlines,
}

impl Keyspace {
    fn new(seed: HashSeed) -> Self {
        Keyspace {
            table: Table::new(seed),
            expires: 0,
            fields: FieldDeadlines::new(seed),
        }
    }
}

/// The data set.
pub struct Db {
    keyspaces: Vec<Keyspace>,
    now_ms: u64,
    /// The time that uses of entries are noted at; another than `now_ms` while a file is replayed.
    access_ms: u64,
    access_clock: u32,
    /// Changes since the last save, as INFO counts them.
    pub dirty: u64,
    /// Counters of the keyspaces.
    pub stats: KeyspaceStats,
    /// Forms of collections.
    pub limits: EncodingLimits,
    /// Whether a read leaves the access clocks alone (CLIENT NO-TOUCH), for the command under way.
    pub no_touch: bool,
    /// Whether keys and fields whose time is over are left where they are, for now: they look as if they were gone (CLIENT
    /// PAUSE).
    pub keeps_expired: bool,
    /// Whether the client of the command under way sees such keys all the same (CLIENT IMPORT-SOURCE).
    pub sees_expired: bool,
    /// What entries remember of their uses.
    pub access: AccessPolicy,
    /// What has happened to keys that somebody wants to know.
    pub journal: Journal,
    /// What the commands under way do, for the log of writes.
    pub effects: Effects,
    /// Randomness for RANDOMKEY and the like.
    pub rng: fastrand::Rng,
    seed: HashSeed,
}

impl Db {
    /// An empty data set of `databases` keyspaces; `seed` keys the hash and all randomness, which without one is
    /// drawn from the operating system.
    pub fn new(databases: usize, seed: Option<u64>) -> Self {
        let hash_seed = seed.map_or_else(HashSeed::random, HashSeed::fixed);
        Db {
            keyspaces: (0..databases).map(|_| Keyspace::new(hash_seed)).collect(),
            now_ms: 0,
            access_ms: 0,
            access_clock: 0,
            dirty: 0,
            stats: KeyspaceStats::default(),
            limits: EncodingLimits::default(),
            no_touch: false,
            keeps_expired: false,
            sees_expired: false,
            access: AccessPolicy::default(),
            journal: Journal::default(),
            effects: Effects::default(),
            rng: seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            seed: hash_seed,
        }
    }

    /// What stands where the data set was while it is moved elsewhere: it has no keyspaces, and costs nothing to make.
    pub fn placeholder() -> Self {
        Db::new(0, Some(0))
    }

    /// Sets the time, in Unix milliseconds, for everything until the next call.
    #[inline]
    pub fn set_clock(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.access_ms = now_ms;
        self.access_clock = (now_ms / 1000) as u32 & 0x00ff_ffff;
    }

    /// Stops the time before every deadline, so that nothing expires, while commands of the past are repeated; what they
    /// use is noted as used at `now_ms`.
    pub fn stop_clock(&mut self, now_ms: u64) {
        self.set_clock(now_ms);
        self.now_ms = 0;
    }

    /// The time in Unix milliseconds.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The present in Unix milliseconds, also while the time is [stopped](Db::stop_clock).
    #[inline]
    pub fn present_ms(&self) -> u64 {
        self.access_ms
    }

    /// The clock that a read stamps on the entry: seconds, 24 bits.
    pub fn access_clock(&self) -> u32 {
        self.access_clock
    }

    /// How many keyspaces there are.
    pub fn databases(&self) -> usize {
        self.keyspaces.len()
    }

    /// The keyspace `index`, which SELECT has checked.
    pub fn keyspace(&self, index: DbIndex) -> &Keyspace {
        &self.keyspaces[index]
    }

    /// Fetches ahead what a later access to `key` will touch first.
    #[inline]
    pub fn prefetch_bucket(&self, index: DbIndex, key: &[u8]) -> u64 {
        let table = &self.keyspaces[index].table;
        let hash = table.hash(key);
        table.prefetch_bucket(hash);
        hash
    }

    /// Fetches ahead the entry whose bucket [`Db::prefetch_bucket`] has fetched.
    #[inline]
    pub fn prefetch_entry(&self, index: DbIndex, hash: u64) {
        self.keyspaces[index].table.prefetch_node(hash);
    }

    /// A collection that is too large for the processor's caches, for fetching its elements ahead; `hash` is
    /// what [`Db::prefetch_bucket`] answered for the key.
    #[inline]
    pub fn large_collection(&self, index: DbIndex, hash: u64, key: &[u8]) -> Option<&Object> {
        match self.keyspaces[index].table.get_hashed(hash, key)?.value() {
            Value::Object(object) => {
                let len = object.table().map_or(0, Table::len);
                (len >= LARGE_MEMBERS).then_some(object)
            }
            _ => None,
        }
    }

    /// The entry of `key` for a command that reads it: counts a hit or a miss, sets the access clock.
    #[inline]
    pub fn read(&mut self, index: DbIndex, key: &[u8]) -> Option<EntryRef<'_>> {
        let expired = self.is_expired(index, key);
        if expired {
            self.expire(index, key);
        }
        let found = self.keyspaces[index].table.get(key);
        match found.filter(|_| !expired) {
            Some(entry) => {
                self.stats.hits += 1;
                if !self.no_touch {
                    let noted = self
                        .access
                        .used(entry.access(), self.access_ms, &mut self.rng);
                    entry.set_access(noted);
                }
                Some(entry)
            }
            None => {
                self.stats.misses += 1;
                self.journal.event(index, key, Events::KEY_MISS, "keymiss");
                None
            }
        }
    }

    /// The entry of `key` without a trace: for commands that look at the key and not at its value.
    #[inline]
    pub fn peek(&mut self, index: DbIndex, key: &[u8]) -> Option<EntryRef<'_>> {
        if self.is_expired(index, key) {
            self.expire(index, key);
            return None;
        }
        self.keyspaces[index].table.get(key)
    }

    /// The slot of `key` for a command that changes it.
    #[inline]
    pub fn write(&mut self, index: DbIndex, key: &[u8]) -> Option<Slot<'_, Entry>> {
        if self.is_expired(index, key) {
            self.expire(index, key);
            return None;
        }
        // Answered from where it was found: a slot is too large to be moved for nothing.
        let found = self.keyspaces[index].table.get_mut(key);
        if let Some(slot) = &found
            && !self.no_touch
        {
            let noted = self
                .access
                .used(slot.access(), self.access_ms, &mut self.rng);
            slot.set_access(noted);
        }
        found
    }

    /// As [`Db::write`], for a command that is to Redis a reader of the key though it may change what it finds: counts a
    /// hit or a miss.
    #[inline]
    pub fn read_mut(&mut self, index: DbIndex, key: &[u8]) -> Option<Slot<'_, Entry>> {
        let expired = self.is_expired(index, key);
        if expired {
            self.expire(index, key);
        }
        let found = self.keyspaces[index].table.get_mut(key);
        let found = found.filter(|_| !expired);
        match &found {
            Some(slot) => {
                self.stats.hits += 1;
                if !self.no_touch {
                    let noted = self
                        .access
                        .used(slot.access(), self.access_ms, &mut self.rng);
                    slot.set_access(noted);
                }
            }
            None => {
                self.stats.misses += 1;
                self.journal.event(index, key, Events::KEY_MISS, "keymiss");
            }
        }
        found
    }

    /// Notes a change of `key`, which counts as one.
    #[inline]
    pub fn changed(&mut self, index: DbIndex, key: &[u8]) {
        self.dirty += 1;
        self.journal.note(index, key, What::Changed);
    }

    /// Whether `key` is there.
    #[inline]
    pub fn contains(&mut self, index: DbIndex, key: &[u8]) -> bool {
        self.peek(index, key).is_some()
    }

    /// Keyspaces without any deadline skip the look at the entry.
    #[inline(always)]
    fn is_expired(&self, index: DbIndex, key: &[u8]) -> bool {
        self.keyspaces[index].expires > 0 && self.has_passed(index, key)
    }

    fn has_passed(&self, index: DbIndex, key: &[u8]) -> bool {
        let entry = self.keyspaces[index].table.get(key);
        entry.is_some_and(|entry| entry.deadline_ms() <= self.now_ms)
            && !(self.keeps_expired && self.sees_expired)
    }

    /// Whether a key whose time is over is left where it is and looks as if it were gone. What takes its place says that it
    /// goes, as whoever repeats it would find it.
    #[inline]
    fn hides_expired(&self) -> bool {
        self.keeps_expired && !self.sees_expired
    }

    /// Whether `key` is there, without any trace: one whose time is over is left where it is.
    pub fn presence(&self, index: DbIndex, key: &[u8]) -> Presence {
        match self.keyspaces[index].table.get(key) {
            None => Presence::Absent,
            Some(entry) if entry.deadline_ms() <= self.now_ms => Presence::Expired,
            Some(_) => Presence::Living,
        }
    }

    #[cold]
    fn expire(&mut self, index: DbIndex, key: &[u8]) {
        if self.keeps_expired {
            return;
        }
        if self.remove(index, key).is_some() {
            self.stats.expired += 1;
            self.effects.expired(index, key);
            self.journal.note(index, key, What::Removed);
            self.journal.event(index, key, Events::EXPIRED, "expired");
        }
    }

    /// Stores a value under `key`, whatever was there; `deadline_ms` is [`NEVER`] for none.
    #[inline]
    pub fn set(&mut self, index: DbIndex, key: &[u8], value: NewValue<'_>, deadline_ms: u64) {
        self.put(index, key, value, deadline_ms, true);
    }

    /// As [`Db::set`]; `is_new` is false where an old value was taken out before, so that the key is no new one.
    pub fn put(
        &mut self,
        index: DbIndex,
        key: &[u8],
        value: NewValue<'_>,
        deadline_ms: u64,
        is_new: bool,
    ) {
        let hides_expired = self.hides_expired();
        let keyspace = &mut self.keyspaces[index];
        let mut value = Some(value);
        let (mut slot, inserted) = keyspace.table.find_or_insert_with(key, || {
            let value = value.take().expect("the table makes an element once");
            Entry::new(key, value, deadline_ms)
        });
        if let Some(value) = value {
            if hides_expired && slot.deadline_ms() <= self.now_ms {
                self.effects.expired(index, key);
            }
            keyspace.expires -= usize::from(slot.deadline_ms() != NEVER);
            keyspace.fields.forget(&slot);
            slot.replace(value, deadline_ms);
        }
        if inserted {
            slot.set_access(self.access.made(self.access_ms));
            if is_new {
                self.journal.event(index, key, Events::NEW, "new");
            }
        } else {
            let noted = self
                .access
                .used(slot.access(), self.access_ms, &mut self.rng);
            slot.set_access(noted);
        }
        keyspace.expires += usize::from(deadline_ms != NEVER);
    }

    /// Stores an entry that carries its own key; what was there is dropped.
    pub fn insert(&mut self, index: DbIndex, entry: Entry) {
        let hides_expired = self.hides_expired();
        let keyspace = &mut self.keyspaces[index];
        keyspace.expires += usize::from(entry.deadline_ms() != NEVER);
        entry.set_access(self.access.moved(entry.access(), self.access_ms));
        if self.journal.events.contains(Events::NEW) && keyspace.table.get(entry.key()).is_none() {
            self.journal.event(index, entry.key(), Events::NEW, "new");
        }
        let earliest_ms = field_deadlines::earliest_ms(&entry);
        let noted = (earliest_ms != NEVER).then(|| entry.key().to_vec());
        if let Some(old) = keyspace.table.insert(entry) {
            if hides_expired && old.deadline_ms() <= self.now_ms {
                self.effects.expired(index, old.key());
            }
            keyspace.expires -= usize::from(old.deadline_ms() != NEVER);
            keyspace.fields.forget(&old);
        }
        if let Some(key) = noted {
            keyspace.fields.note(&key, earliest_ms);
        }
    }

    /// Removes `key`; the entry is the caller's to drop. Does not look at the deadline.
    pub fn remove(&mut self, index: DbIndex, key: &[u8]) -> Option<Entry> {
        let hides_expired = self.hides_expired();
        let keyspace = &mut self.keyspaces[index];
        let entry = keyspace.table.remove(key)?;
        if hides_expired && entry.deadline_ms() <= self.now_ms {
            self.effects.expired(index, key);
        }
        keyspace.expires -= usize::from(entry.deadline_ms() != NEVER);
        keyspace.fields.forget(&entry);
        Some(entry)
    }

    /// Removes `key` unless it has expired, in which case it counts as gone already.
    pub fn delete(&mut self, index: DbIndex, key: &[u8]) -> Option<Entry> {
        if self.is_expired(index, key) {
            self.expire(index, key);
            return None;
        }
        self.remove(index, key)
    }

    /// Sets ([`NEVER`]: removes) the deadline of `key`; false if the key is not there.
    pub fn set_deadline(&mut self, index: DbIndex, key: &[u8], deadline_ms: u64) -> bool {
        let keyspace = &mut self.keyspaces[index];
        let Some(mut slot) = keyspace.table.get_mut(key) else {
            return false;
        };
        keyspace.expires -= usize::from(slot.deadline_ms() != NEVER);
        keyspace.expires += usize::from(deadline_ms != NEVER);
        slot.set_deadline(deadline_ms);
        true
    }

    /// A key that is there now, chosen at random; expired ones that it meets are deleted.
    ///
    /// Where expired ones have to stay it gives up after some, and answers one of them.
    pub fn random_key(&mut self, index: DbIndex) -> Option<Vec<u8>> {
        const TRIES: usize = 100;
        let mut tries = 0;
        loop {
            tries += 1;
            let entry = self.keyspaces[index].table.random(&mut self.rng)?;
            let key = entry.key().to_vec();
            if entry.deadline_ms() > self.now_ms || (self.keeps_expired && tries > TRIES) {
                return Some(key);
            }
            self.expire(index, &key);
        }
    }

    /// One step of a scan: visits the living entries of the next range of the keyspace and deletes the expired ones.
    pub fn scan(
        &mut self,
        index: DbIndex,
        cursor: u64,
        visit: &mut dyn FnMut(EntryRef<'_>),
    ) -> u64 {
        let now_ms = self.now_ms;
        let mut expired = Vec::new();
        let next = self.keyspaces[index].table.scan(cursor, &mut |entry| {
            if entry.deadline_ms() > now_ms {
                visit(entry);
            } else {
                expired.push(entry.key().to_vec());
            }
        });
        for key in expired {
            self.expire(index, &key);
        }
        next
    }

    /// Deletes at most `limit` keys and about as many fields of hashes whose time has come; true if there are more.
    pub fn sweep(&mut self, index: DbIndex, limit: usize) -> bool {
        if self.keeps_expired {
            return false;
        }
        let more_keys = self.sweep_keys(index, limit);
        self.sweep_fields(index, limit) || more_keys
    }

    fn sweep_keys(&mut self, index: DbIndex, limit: usize) -> bool {
        let keyspace = &mut self.keyspaces[index];
        if keyspace.expires == 0 {
            return false;
        }
        let mut due = Vec::new();
        let budget = DueBudget {
            removals: limit,
            visits: limit * VISITS_PER_REMOVAL,
        };
        let swept = keyspace.table.pop_due(self.now_ms, budget, &mut due);
        keyspace.expires -= due.len();
        for entry in &due {
            keyspace.fields.forget(entry);
            self.effects.expired(index, entry.key());
            self.journal.note(index, entry.key(), What::Removed);
            self.journal
                .event(index, entry.key(), Events::EXPIRED, "expired");
        }
        self.stats.expired += due.len() as u64;
        swept.more
    }

    /// Empties one keyspace and returns what it held, to be dropped where that hurts nobody.
    pub fn flush(&mut self, index: DbIndex) -> Keyspace {
        let empty = Keyspace::new(self.seed);
        std::mem::replace(&mut self.keyspaces[index], empty)
    }

    /// An empty data set of the same make, to be filled while this one serves.
    pub fn empty_copy(&self) -> Db {
        Db {
            keyspaces: (0..self.databases())
                .map(|_| Keyspace::new(self.seed))
                .collect(),
            now_ms: self.now_ms,
            access_clock: self.access_clock,
            access_ms: self.access_ms,
            dirty: 0,
            stats: KeyspaceStats::default(),
            limits: self.limits,
            no_touch: false,
            keeps_expired: false,
            sees_expired: false,
            access: self.access,
            journal: Journal::default(),
            effects: Effects::default(),
            rng: self.rng.clone(),
            seed: self.seed,
        }
    }

    /// Takes the keyspaces of another data set in place of its own, which are answered. Counters and settings stay.
    pub fn adopt(&mut self, other: Db) -> Vec<Keyspace> {
        std::mem::replace(&mut self.keyspaces, other.keyspaces)
    }

    /// Swaps two keyspaces.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        self.keyspaces.swap(a, b);
    }

    /// A snapshot of the whole data set: the roots are cloned, nothing else.
    pub fn snapshot(&self) -> Vec<Keyspace> {
        self.keyspaces.clone()
    }

    /// The entry of `key` for a command that asks about the key and not for its value (EXISTS, TTL): counts a hit or
    /// a miss, leaves the access clock alone.
    pub fn inspect(&mut self, index: DbIndex, key: &[u8]) -> Option<EntryRef<'_>> {
        self.inspect_and_tell(index, key, true)
    }

    /// As [`Db::inspect`], for a command that looks into the server (OBJECT): a miss is no event.
    pub fn inspect_quietly(&mut self, index: DbIndex, key: &[u8]) -> Option<EntryRef<'_>> {
        self.inspect_and_tell(index, key, false)
    }

    #[inline]
    fn inspect_and_tell(
        &mut self,
        index: DbIndex,
        key: &[u8],
        tells: bool,
    ) -> Option<EntryRef<'_>> {
        let expired = self.is_expired(index, key);
        if expired {
            self.expire(index, key);
        }
        let found = self.keyspaces[index].table.get(key);
        let found = found.filter(|_| !expired);
        if found.is_some() {
            self.stats.hits += 1;
        } else {
            self.stats.misses += 1;
            if tells {
                self.journal.event(index, key, Events::KEY_MISS, "keymiss");
            }
        }
        found
    }

    /// The entry of `key` for a command that changes the key and not its value (EXPIRE, RENAME): sets the access
    /// clock, counts nothing.
    pub fn touch(&mut self, index: DbIndex, key: &[u8]) -> Option<EntryRef<'_>> {
        if self.is_expired(index, key) {
            self.expire(index, key);
            return None;
        }
        let entry = self.keyspaces[index].table.get(key)?;
        if !self.no_touch {
            let noted = self
                .access
                .used(entry.access(), self.access_ms, &mut self.rng);
            entry.set_access(noted);
        }
        Some(entry)
    }
}

impl Keyspace {
    /// How many keys there are, those included that have expired and are not deleted yet.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// How many keys have a deadline.
    pub fn expires(&self) -> usize {
        self.expires
    }

    /// How many hashes have fields with a deadline.
    pub fn hashes_with_deadlines(&self) -> usize {
        self.fields.len()
    }

    /// All entries, in the order of the hash.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.table.iter()
    }

    /// All entries, a part of the table after the other, of which each is let go when it is dropped.
    pub fn into_parts(self) -> Parts<Entry, HashSeed> {
        self.table.into_parts()
    }

    /// The table beneath, for DEBUG.
    pub fn table(&self) -> &Table<Entry> {
        &self.table
    }
}

/// The type of a value as TYPE names it.
pub fn type_name(value: Value<'_>) -> &'static str {
    match value {
        Value::Int(_) | Value::Inline(_) | Value::Object(Object::String(_)) => "string",
        Value::Object(Object::List(_)) => "list",
        Value::Object(Object::Set(_)) => "set",
        Value::Object(Object::Hash(_)) => "hash",
        Value::Object(Object::SortedSet(_)) => "zset",
        Value::Object(Object::Stream(_)) => "stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db() -> Db {
        let mut db = Db::new(2, Some(1));
        db.set_clock(1000);
        db
    }

    fn set(db: &mut Db, key: &str, deadline_ms: u64) {
        db.set(0, key.as_bytes(), NewValue::String(b"value"), deadline_ms);
    }

    #[test]
    fn a_key_is_gone_at_its_deadline_and_counted_once() {
        let mut db = db();
        set(&mut db, "k", 2000);
        db.set_clock(1999);
        assert!(db.read(0, b"k").is_some());
        db.set_clock(2000);
        assert!(
            db.read(0, b"k").is_none() && db.peek(0, b"k").is_none() && db.write(0, b"k").is_none()
        );
        assert_eq!((db.keyspace(0).len(), db.keyspace(0).expires()), (0, 0));
        assert_eq!(
            (db.stats.expired, db.stats.hits, db.stats.misses),
            (1, 1, 1)
        );
    }

    #[test]
    fn keys_with_a_deadline_are_counted_through_every_change() {
        let mut db = db();
        set(&mut db, "a", 5000);
        set(&mut db, "b", NEVER);
        assert_eq!(db.keyspace(0).expires(), 1);
        set(&mut db, "a", NEVER);
        set(&mut db, "b", 6000);
        assert!(db.set_deadline(0, b"a", 7000) && !db.set_deadline(0, b"missing", 7000));
        assert_eq!(db.keyspace(0).expires(), 2);
        assert!(db.set_deadline(0, b"a", NEVER));
        assert!(db.delete(0, b"b").is_some());
        assert_eq!((db.keyspace(0).len(), db.keyspace(0).expires()), (1, 0));
    }

    #[test]
    fn the_sweep_deletes_what_is_due_and_nothing_else() {
        let mut db = db();
        for number in 0..1000u64 {
            set(&mut db, &format!("short{number}"), 2000 + number % 7);
            set(&mut db, &format!("long{number}"), 1_000_000);
            set(&mut db, &format!("ever{number}"), NEVER);
        }
        assert!(!db.sweep(0, 64), "nothing is due yet");
        db.set_clock(3000);
        let mut steps = 0;
        while db.sweep(0, 64) {
            steps += 1;
            assert!(steps < 1000, "the sweep must end");
        }
        assert_eq!(
            (
                db.keyspace(0).len(),
                db.keyspace(0).expires(),
                db.stats.expired
            ),
            (2000, 1000, 1000)
        );
        assert!(!db.sweep(1, 64), "an empty keyspace has nothing to sweep");
    }

    #[test]
    fn a_snapshot_keeps_what_was_there() {
        let mut db = db();
        for number in 0..500 {
            set(&mut db, &format!("k{number}"), NEVER);
        }
        let snapshot = db.snapshot();
        for number in 0..500 {
            db.set(
                0,
                format!("k{number}").as_bytes(),
                NewValue::String(b"other"),
                NEVER,
            );
        }
        db.flush(0);
        assert!(db.keyspace(0).is_empty());
        assert_eq!(snapshot[0].len(), 500);
        assert!(
            snapshot[0]
                .iter()
                .all(|entry| matches!(entry.value(), Value::Inline(b"value")))
        );
    }

    #[test]
    fn a_random_key_is_a_living_one() {
        let mut db = db();
        set(&mut db, "living", NEVER);
        for number in 0..100 {
            set(&mut db, &format!("dead{number}"), 1500);
        }
        db.set_clock(2000);
        assert_eq!(db.random_key(0).as_deref(), Some(b"living".as_slice()));
        assert_eq!(db.random_key(1), None);
    }

    #[test]
    fn a_scan_does_not_show_the_dead() {
        let mut db = db();
        for number in 0..300 {
            set(
                &mut db,
                &format!("k{number}"),
                if number % 3 == 0 { 1500 } else { NEVER },
            );
        }
        db.set_clock(2000);
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            cursor = db.scan(0, cursor, &mut |entry| seen.push(entry.key().to_vec()));
            if cursor == 0 {
                break;
            }
        }
        seen.sort();
        let count = seen.len();
        seen.dedup();
        assert_eq!((count, seen.len()), (200, 200));
    }
}
