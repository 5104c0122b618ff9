//! Clients that wait in a blocking command: by client, by key in the order of their arrival, and by deadline.
//!
//! Life cycle: `command::waiting` adds a [`Waiter`]; a change of one of its keys makes that key ready
//! ([`Waiters::key_changed`]); the waiter is taken out to run its command again and put back, or forgotten.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::command::Session;
use crate::resp::{CommandQueue, Reply};
use crate::store::db::DbIndex;
use crate::store::entry::{Object, Value};

/// The deadline of one that waits without end.
pub const NO_DEADLINE: u64 = u64::MAX;

/// What a blocked command needs of its key to be run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// A list.
    List,
    /// A sorted set.
    SortedSet,
    /// A stream.
    Stream,
    /// Any change: a stream with its group, and the loss of either.
    StreamGroup,
}

impl WaitsFor {
    /// Whether a key with that value, or without any, may give the command its answer.
    pub fn is_answered_by(self, value: Option<Value<'_>>) -> bool {
        let Some(Value::Object(object)) = value else {
            return self == WaitsFor::StreamGroup;
        };
        matches!(
            (self, object),
            (WaitsFor::StreamGroup, _)
                | (WaitsFor::List, Object::List(_))
                | (WaitsFor::SortedSet, Object::SortedSet(_))
                | (WaitsFor::Stream, Object::Stream(_))
        )
    }
}

/// What a command waits for.
#[derive(Debug)]
pub struct Wait {
    /// The command that is run again, with what it must remember (the ids that `$` stood for) in its words.
    pub request: CommandQueue,
    /// Its keys, in the client's database.
    pub keys: Vec<Vec<u8>>,
    /// What the keys must hold.
    pub on: WaitsFor,
    /// Unix milliseconds at which it gives up; [`NO_DEADLINE`] for never.
    pub deadline_ms: u64,
    /// Answers for a wait that was in vain.
    pub in_vain: fn(&mut Reply<'_>),
}

/// A client that waits.
#[derive(Debug)]
pub struct Waiter {
    /// The client's state as its command saw it.
    pub session: Session,
    /// What it waits for.
    pub wait: Wait,
}

impl Waiter {
    fn id(&self) -> u64 {
        self.session.id()
    }
}

/// All clients that wait.
#[derive(Debug, Default)]
pub struct Waiters {
    clients: HashMap<u64, Waiter>,
    by_key: HashMap<(DbIndex, Vec<u8>), VecDeque<u64>>,
    deadlines: BTreeSet<(u64, u64)>,
    /// Keys that have changed, each once, in the order of their changes.
    ready: VecDeque<(DbIndex, Vec<u8>)>,
}

impl Waiters {
    /// Adds one that begins to wait.
    pub fn add(&mut self, waiter: Waiter) {
        let id = waiter.id();
        for key in &waiter.wait.keys {
            let queue = self
                .by_key
                .entry((waiter.session.db, key.clone()))
                .or_default();
            // A key may be named twice.
            if queue.back() != Some(&id) {
                queue.push_back(id);
            }
        }
        if waiter.wait.deadline_ms != NO_DEADLINE {
            self.deadlines.insert((waiter.wait.deadline_ms, id));
        }
        self.clients.insert(id, waiter);
    }

    /// The one of that client.
    pub fn get(&self, id: u64) -> Option<&Waiter> {
        self.clients.get(&id)
    }

    /// Takes the one of that client out, to be run, and then [put back](Waiters::put_back) or
    /// [forgotten](Waiters::forget); its places are kept.
    pub fn take(&mut self, id: u64) -> Option<Waiter> {
        self.clients.remove(&id)
    }

    /// Puts back one that still waits.
    pub fn put_back(&mut self, waiter: Waiter) {
        self.clients.insert(waiter.id(), waiter);
    }

    /// Gives up the places of one that was taken out.
    pub fn forget(&mut self, waiter: &Waiter) {
        let id = waiter.id();
        for key in &waiter.wait.keys {
            let place = (waiter.session.db, key.clone());
            if let Some(queue) = self.by_key.get_mut(&place) {
                queue.retain(|&other| other != id);
                if queue.is_empty() {
                    self.by_key.remove(&place);
                }
            }
        }
        self.deadlines.remove(&(waiter.wait.deadline_ms, id));
    }

    /// Says that `key` has changed; true if somebody waits for it.
    pub fn key_changed(&mut self, index: DbIndex, key: &[u8]) -> bool {
        if self.by_key.is_empty() {
            return false;
        }
        let place = (index, key.to_vec());
        let waited_for = self.by_key.contains_key(&place);
        if waited_for && !self.ready.contains(&place) {
            self.ready.push_back(place);
        }
        waited_for
    }

    /// The next key that has changed.
    pub fn next_ready(&mut self) -> Option<(DbIndex, Vec<u8>)> {
        self.ready.pop_front()
    }

    /// Whether a key has changed that somebody waits for.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The clients that wait for `key`, the oldest first.
    pub fn waiting_for(&self, index: DbIndex, key: &[u8]) -> Vec<u64> {
        self.by_key
            .get(&(index, key.to_vec()))
            .map_or_else(Vec::new, |queue| queue.iter().copied().collect())
    }

    /// The keys of a database that somebody waits for.
    pub fn keys_of(&self, index: DbIndex) -> Vec<Vec<u8>> {
        self.by_key
            .keys()
            .filter(|(database, _)| *database == index)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// The client whose time is over first, and when that is.
    pub fn first_deadline(&self) -> Option<(u64, u64)> {
        self.deadlines.first().copied()
    }

    /// How many clients wait.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// How many keys are waited for.
    pub fn keys(&self) -> usize {
        self.by_key.len()
    }
}
