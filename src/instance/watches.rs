//! The keys that clients watch for their transactions: WATCH, and what touches a watched key.
//!
//! Life cycle: WATCH adds keys; the first change of one of them marks the client ([`ClientHandle`]'s `touched`) and forgets
//! all its keys, as one change is enough; EXEC, DISCARD, UNWATCH, RESET and the end of the connection forget them too.
//! A key whose time was over already when it was watched is noted as such: that it is then deleted is no change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::clients::ClientHandle;
use crate::store::db::{Db, DbIndex, Presence};
use crate::store::journal::What;

/// A client that watches a key.
#[derive(Debug)]
struct Watcher {
    handle: Arc<ClientHandle>,
    /// Whether the key's time was over when it was watched, and it is not deleted yet.
    expired: bool,
}

/// Those who watch a key, by the number of the client.
type Watchers = BTreeMap<u64, Watcher>;

/// Who watches which keys.
#[derive(Debug, Default)]
pub struct Watches {
    by_key: HashMap<DbIndex, HashMap<Box<[u8]>, Watchers>>,
    by_client: HashMap<u64, Vec<(DbIndex, Box<[u8]>)>>,
}

impl Watches {
    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// How many clients watch keys.
    pub fn clients(&self) -> usize {
        self.by_client.len()
    }

    /// How many keys are watched.
    pub fn keys(&self) -> usize {
        self.by_key.values().map(HashMap::len).sum()
    }

    /// Has a client watch a key; answers for the bytes that this takes.
    pub fn add(
        &mut self,
        handle: &Arc<ClientHandle>,
        index: DbIndex,
        key: &[u8],
        expired: bool,
    ) -> usize {
        let keys = self.by_key.entry(index).or_default();
        if !keys.contains_key(key) {
            keys.insert(key.into(), Watchers::new());
        }
        let Some(watchers) = keys.get_mut(key) else {
            return 0;
        };
        if watchers.contains_key(&handle.id) {
            return 0;
        }
        let handle = Arc::clone(handle);
        let id = handle.id;
        handle.figures.watched.fetch_add(1, Ordering::Relaxed);
        watchers.insert(id, Watcher { handle, expired });
        let own = self.by_client.entry(id).or_default();
        own.push((index, key.into()));
        2 * (size_of::<(DbIndex, Box<[u8]>)>() + key.len()) + size_of::<Watcher>()
    }

    /// Forgets all keys of a client.
    pub fn forget(&mut self, id: u64) {
        for (index, key) in self.by_client.remove(&id).unwrap_or_default() {
            let Some(keys) = self.by_key.get_mut(&index) else {
                continue;
            };
            let Some(watchers) = keys.get_mut(&key) else {
                continue;
            };
            if let Some(watcher) = watchers.remove(&id) {
                watcher.handle.figures.watched.store(0, Ordering::Relaxed);
            }
            if watchers.is_empty() {
                keys.remove(&key);
            }
            if keys.is_empty() {
                self.by_key.remove(&index);
            }
        }
    }

    /// Whether the time of a key that a client watches is over although it is not deleted yet.
    pub fn has_expired(&self, db: &Db, id: u64) -> bool {
        let keys = self.by_client.get(&id);
        keys.into_iter().flatten().any(|(index, key)| {
            let watcher = self
                .watchers(*index, key)
                .and_then(|watchers| watchers.get(&id));
            watcher.is_some_and(|watcher| !watcher.expired)
                && db.presence(*index, key) == Presence::Expired
        })
    }

    fn watchers(&self, index: DbIndex, key: &[u8]) -> Option<&Watchers> {
        self.by_key.get(&index)?.get(key)
    }

    /// Says that `key` has changed: the transactions of those who watch it will fail.
    pub fn key_changed(&mut self, index: DbIndex, key: &[u8], what: What) {
        let Some(keys) = self.by_key.get_mut(&index) else {
            return;
        };
        let Some(watchers) = keys.get_mut(key) else {
            return;
        };
        let mut touched = Vec::new();
        for (id, watcher) in watchers {
            if what == What::Removed && watcher.expired {
                watcher.expired = false;
            } else {
                touched.push(*id);
                watcher.touch();
            }
        }
        for id in touched {
            self.forget(id);
        }
    }

    /// Says that a database is about to be emptied, or, with `other`, to be replaced by another one. Who watches a key that
    /// is there before or after will fail.
    pub fn replaced(&mut self, db: &Db, index: DbIndex, other: Option<DbIndex>) {
        let mut touched = Vec::new();
        for (key, watchers) in self.by_key.get_mut(&index).into_iter().flatten() {
            let before = db.presence(index, key);
            let after = other.map_or(Presence::Absent, |other| db.presence(other, key));
            for (id, watcher) in watchers {
                if watcher.sees_replacement(before, after) {
                    touched.push(*id);
                    watcher.touch();
                }
            }
        }
        for id in touched {
            self.forget(id);
        }
    }
}

impl Watcher {
    fn touch(&self) {
        self.handle.figures.touched.store(true, Ordering::Relaxed);
    }

    /// Whether it is a change for this watcher that the key is now as `after` says. A key whose time is over counts as one
    /// that is not there, but what is watched may then be its deletion still to come.
    fn sees_replacement(&mut self, before: Presence, after: Presence) -> bool {
        match (before, after) {
            (Presence::Absent, Presence::Absent) => false,
            (_, Presence::Absent) if self.expired => {
                self.expired = false;
                false
            }
            (_, Presence::Expired) if self.expired => false,
            (Presence::Absent, Presence::Expired) => {
                self.expired = true;
                false
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::clients::{Clients, Endpoint, Registration};
    use crate::store::entry::{NEVER, NewValue};

    fn client(clients: &Clients) -> Registration<'_> {
        let endpoint = Endpoint {
            addr: "a:1".into(),
            local_addr: "b:2".into(),
            unix: false,
            fd: 0,
            is_plain: false,
            io_thread: 0,
        };
        clients
            .register(endpoint, 0, 100)
            .expect("there is room for a hundred clients")
    }

    fn touched(registration: &Registration<'_>) -> bool {
        registration
            .handle()
            .figures
            .touched
            .swap(false, Ordering::Relaxed)
    }

    #[test]
    fn a_change_touches_those_who_watch_the_key_and_frees_all_their_keys() {
        let clients = Clients::default();
        let (one, two) = (client(&clients), client(&clients));
        let mut watches = Watches::default();
        assert!(watches.add(one.handle(), 0, b"a", false) > 0);
        assert_eq!(watches.add(one.handle(), 0, b"a", false), 0, "known");
        watches.add(one.handle(), 1, b"b", false);
        watches.add(two.handle(), 0, b"b", false);
        assert_eq!((watches.clients(), watches.keys()), (2, 3));
        watches.key_changed(1, b"a", What::Changed);
        assert!(!touched(&one) && !touched(&two), "another database");
        watches.key_changed(0, b"a", What::Changed);
        assert!(touched(&one) && !touched(&two));
        assert_eq!((watches.clients(), watches.keys()), (1, 1));
        watches.forget(two.handle().id);
        assert!(watches.is_empty() && watches.keys() == 0);
    }

    #[test]
    fn the_deletion_of_a_key_that_had_expired_is_no_change() {
        let clients = Clients::default();
        let one = client(&clients);
        let mut watches = Watches::default();
        watches.add(one.handle(), 0, b"a", true);
        watches.key_changed(0, b"a", What::Removed);
        assert!(!touched(&one));
        watches.key_changed(0, b"a", What::Changed);
        assert!(touched(&one), "it is there again");
    }

    #[test]
    fn a_flush_touches_keys_that_are_there_and_a_swap_those_of_either_side() {
        let clients = Clients::default();
        let mut db = Db::new(2, Some(1));
        db.set_clock(1000);
        db.set(0, b"living", NewValue::String(b"v"), NEVER);
        db.set(0, b"dead", NewValue::String(b"v"), 500);
        db.set(1, b"other", NewValue::String(b"v"), NEVER);
        db.set(1, b"other dead", NewValue::String(b"v"), 500);
        // The key, whether it is watched as expired, and whom a flush and a swap touch.
        for (key, expired, flush, swap) in [
            (b"living".as_slice(), false, true, true),
            (b"dead", true, false, false),
            (b"dead", false, true, true),
            (b"none", false, false, false),
            (b"other", false, false, true),
            (b"other dead", false, false, false),
        ] {
            for (other, want) in [(None, flush), (Some(1), swap)] {
                let one = client(&clients);
                let mut watches = Watches::default();
                watches.add(one.handle(), 0, key, expired);
                watches.replaced(&db, 0, other);
                let name = String::from_utf8_lossy(key);
                assert_eq!(touched(&one), want, "{name} {expired} {other:?}");
                assert_eq!(watches.is_empty(), want, "{name} {expired} {other:?}");
            }
        }
    }
}
