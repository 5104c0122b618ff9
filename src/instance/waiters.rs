//! Clients that wait in a blocking command: by client, by key in the order of their arrival, and by deadline.
//!
//! Life cycle: `command::waiting` adds a [`Waiter`]; a change of one of its keys makes that key ready
//! ([`Waiters::key_changed`]); the waiter is taken out to run its command again and put back, or forgotten.
//!
//! Nothing here takes time for each client that waits: a queue is gone through one by one, from the oldest on, as long
//! as its key still has something to give ([`Waiters::next_for`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::ops::{Bound, Range};
use std::sync::Arc;
use std::time::Instant;

use crate::command::Session;
use crate::resp::{CommandQueue, Reply};
use crate::store::db::DbIndex;
use crate::store::entry::{Object, Value};
use crate::store::table::HashSeed;

/// The deadline of one that waits without end.
pub const NO_DEADLINE: u64 = u64::MAX;

/// What a blocked command needs of its key to be run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// A list.
    List,
    /// A sorted set.
    SortedSet,
    /// A stream.
    Stream,
    /// Any change, for the group of that name: an entry of the stream, and the loss of either.
    StreamGroup(Arc<[u8]>),
    /// No key, but another server, since then, and nobody ends that wait before its answer.
    Peer(Instant),
    /// No key, but replicas, of which there are none yet.
    Replicas,
    /// No key, but that the log up to this offset is on the disk.
    Disk(u64),
}

/// What a command waits for.
#[derive(Debug)]
pub struct Wait {
    /// The command that is run again, with what it must remember (the ids that `$` stood for) in its words.
    pub request: CommandQueue,
    /// Which of its words are its keys, in the client's database; none for a command that only waits for its time to be
    /// over.
    pub keys: Range<usize>,
    /// What the keys must hold.
    pub on: WaitsFor,
    /// Unix milliseconds at which it gives up; [`NO_DEADLINE`] for never.
    pub deadline_ms: u64,
    /// Answers for a wait that was in vain.
    pub in_vain: fn(&mut Reply<'_>),
}

impl Wait {
    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let request = self.request.get(0);
        request.iter_from(self.keys.start).take(self.keys.len())
    }
}

/// A client that waits.
#[derive(Debug)]
pub struct Waiter {
    /// The client's state as its command saw it.
    pub session: Session,
    /// What it waits for.
    pub wait: Wait,
    /// Its place in the order of arrival.
    ticket: Ticket,
}

impl Waiter {
    /// One that begins to wait.
    pub fn new(session: Session, wait: Wait) -> Box<Self> {
        Box::new(Waiter {
            session,
            wait,
            ticket: Ticket::default(),
        })
    }

    fn id(&self) -> u64 {
        self.session.id()
    }
}

/// A place in the order of arrival: unique and growing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket(u64);

/// The clients of a queue by their tickets.
type Queue = BTreeMap<Ticket, u64>;

/// Those who wait for one key.
#[derive(Debug, Default)]
struct KeyQueues {
    lists: Queue,
    sorted_sets: Queue,
    streams: Queue,
    /// By the name of the group; a queue that becomes empty goes.
    groups: HashMap<Arc<[u8]>, Queue, HashSeed>,
    /// Whether the key stands among those that have changed.
    is_ready: bool,
}

impl KeyQueues {
    fn add(&mut self, on: &WaitsFor, ticket: Ticket, id: u64) {
        let queue = match on {
            WaitsFor::List => &mut self.lists,
            WaitsFor::SortedSet => &mut self.sorted_sets,
            WaitsFor::Stream => &mut self.streams,
            WaitsFor::StreamGroup(group) => self.groups.entry(Arc::clone(group)).or_default(),
            WaitsFor::Peer(_) | WaitsFor::Replicas | WaitsFor::Disk(_) => return,
        };
        queue.insert(ticket, id);
    }

    fn remove(&mut self, on: &WaitsFor, ticket: Ticket) {
        let removed = match on {
            WaitsFor::List => self.lists.remove(&ticket),
            WaitsFor::SortedSet => self.sorted_sets.remove(&ticket),
            WaitsFor::Stream => self.streams.remove(&ticket),
            WaitsFor::StreamGroup(group) => {
                let queue = self.groups.get_mut(group);
                queue.and_then(|queue| queue.remove(&ticket))
            }
            WaitsFor::Peer(_) | WaitsFor::Replicas | WaitsFor::Disk(_) => None,
        };
        if let WaitsFor::StreamGroup(group) = on
            && removed.is_some()
            && self.groups.get(group).is_some_and(Queue::is_empty)
        {
            self.groups.remove(group);
        }
    }

    fn is_empty(&self) -> bool {
        let single = [&self.lists, &self.sorted_sets, &self.streams];
        self.groups.is_empty() && single.into_iter().all(Queue::is_empty)
    }

    /// The ticket of the one who has waited longest.
    fn oldest(&self) -> Option<Ticket> {
        let single = [&self.lists, &self.sorted_sets, &self.streams];
        let queues = single.into_iter().chain(self.groups.values());
        queues
            .filter_map(|queue| Some(*queue.first_key_value()?.0))
            .min()
    }

    /// The queue of those who want such a value; a key that has become empty, or something else, concerns groups alone.
    fn wanting(&self, value: Option<Value<'_>>) -> Option<&Queue> {
        match value {
            Some(Value::Object(Object::List(_))) => Some(&self.lists),
            Some(Value::Object(Object::SortedSet(_))) => Some(&self.sorted_sets),
            Some(Value::Object(Object::Stream(_))) => Some(&self.streams),
            _ => None,
        }
    }

    /// The next one of a pass.
    fn next(&self, value: Option<Value<'_>>, pass: &mut Pass) -> Option<u64> {
        let single = self
            .wanting(value)
            .and_then(|queue| after(queue, pass.after));
        let of_group = self.next_in_groups(pass);
        let (ticket, id) = match (single, of_group) {
            (Some(single), Some(of_group)) => single.min(of_group),
            (one, other) => one.or(other)?,
        };
        pass.after = Some(ticket);
        Some(id)
    }

    /// The oldest one of the groups that may still have something, from where the pass is on.
    fn next_in_groups(&self, pass: &mut Pass) -> Option<(Ticket, u64)> {
        if self.groups.is_empty() {
            return None;
        }
        let heads = pass.heads.get_or_insert_with(|| {
            let heads = self.groups.iter();
            let heads = heads.filter_map(|(group, queue)| Some((after(queue, None)?.0, group)));
            heads
                .map(|(ticket, group)| Reverse((ticket, Arc::clone(group))))
                .collect()
        });
        loop {
            let Reverse((ticket, group)) = heads.peek()?;
            let queue = self.groups.get(group);
            if pass.after.is_none_or(|passed| passed < *ticket)
                && let Some(&id) = queue.and_then(|queue| queue.get(ticket))
            {
                return Some((*ticket, id));
            }
            // That one has had its turn, or waits no more: the next one of its group.
            let following = queue.and_then(|queue| after(queue, Some(*ticket)));
            let Reverse((_, group)) = heads.pop()?;
            heads.extend(following.map(|(ticket, _)| Reverse((ticket, group))));
        }
    }
}

/// The first one of a queue, or the first behind a ticket.
fn after(queue: &Queue, ticket: Option<Ticket>) -> Option<(Ticket, u64)> {
    let from = ticket.map_or(Bound::Unbounded, Bound::Excluded);
    let (&ticket, &id) = queue.range((from, Bound::Unbounded)).next()?;
    Some((ticket, id))
}

/// One pass over those who wait for a key, from the oldest on.
#[derive(Debug, Default)]
pub struct Pass {
    /// Who had his turn last.
    after: Option<Ticket>,
    /// For each group that may still have something, the one whose turn is next or was just now.
    heads: Option<BinaryHeap<Reverse<(Ticket, Arc<[u8]>)>>>,
}

impl Pass {
    /// Notes that the command whose turn it was has been run in vain: for the others of its group there is nothing either.
    pub fn found_nothing(&mut self, wait: &Wait) {
        if let WaitsFor::StreamGroup(_) = &wait.on {
            self.heads.as_mut().and_then(BinaryHeap::pop);
        }
    }
}

/// All clients that wait.
#[derive(Debug)]
pub struct Waiters {
    clients: HashMap<u64, Box<Waiter>, HashSeed>,
    /// By database; one in which nobody waits any more keeps its empty map.
    by_key: BTreeMap<DbIndex, HashMap<Vec<u8>, KeyQueues, HashSeed>>,
    deadlines: BTreeSet<(u64, u64)>,
    /// Keys that have changed, each once, in the order of their changes.
    ready: VecDeque<(DbIndex, Vec<u8>)>,
    last_ticket: u64,
    /// When the timer will look at the deadlines by itself.
    timer_ms: u64,
}

impl Default for Waiters {
    fn default() -> Self {
        Waiters {
            clients: HashMap::default(),
            by_key: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            ready: VecDeque::new(),
            last_ticket: 0,
            timer_ms: NO_DEADLINE,
        }
    }
}

impl Waiters {
    /// Adds one that begins to wait.
    pub fn add(&mut self, mut waiter: Box<Waiter>) {
        let id = waiter.id();
        self.last_ticket += 1;
        waiter.ticket = Ticket(self.last_ticket);
        if !waiter.wait.keys.is_empty() {
            let keys = self.by_key.entry(waiter.session.db).or_default();
            for key in waiter.wait.keys() {
                let queue = keys.entry(key.to_vec()).or_default();
                queue.add(&waiter.wait.on, waiter.ticket, id);
            }
        }
        if waiter.wait.deadline_ms != NO_DEADLINE {
            self.deadlines.insert((waiter.wait.deadline_ms, id));
        }
        self.clients.insert(id, waiter);
    }

    /// Whether that client waits for something that somebody else may end.
    pub fn may_be_ended(&self, id: u64) -> bool {
        let waiter = self.clients.get(&id);
        waiter.is_some_and(|waiter| !matches!(waiter.wait.on, WaitsFor::Peer(_)))
    }

    /// Takes the one of that client out, to be run, and then [put back](Waiters::put_back) or
    /// [forgotten](Waiters::forget); its places are kept.
    pub fn take(&mut self, id: u64) -> Option<Box<Waiter>> {
        self.clients.remove(&id)
    }

    /// Puts back one that still waits.
    pub fn put_back(&mut self, waiter: Box<Waiter>) {
        self.clients.insert(waiter.id(), waiter);
    }

    /// Gives up the places of one that was taken out.
    pub fn forget(&mut self, waiter: &Waiter) {
        self.deadlines
            .remove(&(waiter.wait.deadline_ms, waiter.id()));
        let Some(keys) = self.by_key.get_mut(&waiter.session.db) else {
            return;
        };
        for key in waiter.wait.keys() {
            if let Some(queue) = keys.get_mut(key) {
                queue.remove(&waiter.wait.on, waiter.ticket);
                if queue.is_empty() {
                    keys.remove(key);
                }
            }
        }
    }

    /// Says that `key` has changed; true if somebody waits for it.
    pub fn key_changed(&mut self, index: DbIndex, key: &[u8]) -> bool {
        let queue = self
            .by_key
            .get_mut(&index)
            .and_then(|keys| keys.get_mut(key));
        let Some(queue) = queue else {
            return false;
        };
        if !queue.is_ready {
            queue.is_ready = true;
            self.ready.push_back((index, key.to_vec()));
        }
        true
    }

    /// Says that all keys of a database may have changed (FLUSHDB, SWAPDB); true if somebody waits for one of them. Keys
    /// are looked at in the order in which their oldest waiters came.
    pub fn database_changed(&mut self, index: DbIndex) -> bool {
        let Some(keys) = self.by_key.get(&index) else {
            return false;
        };
        let mut changed: Vec<_> = keys
            .iter()
            .map(|(key, queue)| (queue.oldest(), key.clone()))
            .collect();
        changed.sort_unstable();
        for (_, key) in &changed {
            self.key_changed(index, key);
        }
        !changed.is_empty()
    }

    /// The next key that has changed.
    pub fn next_ready(&mut self) -> Option<(DbIndex, Vec<u8>)> {
        let (index, key) = self.ready.pop_front()?;
        if let Some(queue) = self
            .by_key
            .get_mut(&index)
            .and_then(|keys| keys.get_mut(&key))
        {
            queue.is_ready = false;
        }
        Some((index, key))
    }

    /// Whether a key has changed that somebody waits for.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next client of a pass that waits for `key` and may have its answer now that the key holds `value`.
    pub fn next_for(
        &self,
        index: DbIndex,
        key: &[u8],
        value: Option<Value<'_>>,
        pass: &mut Pass,
    ) -> Option<u64> {
        self.by_key.get(&index)?.get(key)?.next(value, pass)
    }

    /// The client whose time is over at `now_ms` and came first to its end.
    pub fn next_overdue(&self, now_ms: u64) -> Option<u64> {
        let &(deadline_ms, id) = self.deadlines.first()?;
        (deadline_ms <= now_ms).then_some(id)
    }

    /// Those who waited for the log to be on the disk up to this offset or a lower one, with their waits.
    pub fn on_disk(&mut self, durable: u64) -> impl Iterator<Item = (u64, &mut Wait)> {
        self.clients.iter_mut().filter_map(move |(&id, waiter)| {
            let is_reached = matches!(waiter.wait.on, WaitsFor::Disk(end) if end <= durable);
            is_reached.then_some((id, &mut waiter.wait))
        })
    }

    /// When the timer has to look at the deadlines next; it is counted on to do so then.
    pub fn set_timer(&mut self) -> u64 {
        let first = self.deadlines.first();
        self.timer_ms = first.map_or(NO_DEADLINE, |&(deadline_ms, _)| deadline_ms);
        self.timer_ms
    }

    /// Whether a deadline is earlier than the timer knows; it is to be told then.
    pub fn needs_earlier_timer(&self) -> bool {
        let first = self.deadlines.first();
        first.is_some_and(|&(deadline_ms, _)| deadline_ms < self.timer_ms)
    }

    /// How many clients wait.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// How many clients wait with a deadline.
    pub fn deadlines(&self) -> usize {
        self.deadlines.len()
    }

    /// How many keys are waited for.
    pub fn keys(&self) -> usize {
        self.by_key.values().map(HashMap::len).sum()
    }

    /// How many of those keys have somebody who is to be told of their loss too.
    pub fn keys_on_loss(&self) -> usize {
        let queues = self.by_key.values().flat_map(HashMap::values);
        queues.filter(|queue| !queue.groups.is_empty()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::clients::{Clients, Endpoint};
    use crate::store::types::list::List;
    use crate::store::types::stream::Stream;

    /// Clients with the numbers 1 to `count`, which wait for the same key.
    fn waiting(count: u64, kinds: &[WaitsFor]) -> Waiters {
        let (clients, mut waiters) = (Clients::default(), Waiters::default());
        let mut request = CommandQueue::default();
        for word in [&b"waits"[..], b"key", b"key"] {
            request.push_word(word);
        }
        request.end_command();
        for at in 0..count {
            let endpoint = Endpoint {
                addr: String::new(),
                local_addr: String::new(),
                unix: false,
                fd: 0,
                is_plain: false,
                io_thread: 0,
            };
            let registration = clients.register(endpoint, 0, usize::MAX);
            let handle = Arc::clone(registration.as_ref().expect("there is room").handle());
            let wait = Wait {
                request: request.clone(),
                keys: 1..3,
                on: kinds[at as usize % kinds.len()].clone(),
                deadline_ms: NO_DEADLINE - at,
                in_vain: |reply| reply.null(),
            };
            waiters.add(Waiter::new(Session::new(handle, true), wait));
        }
        waiters
    }

    #[test]
    fn a_key_is_ready_once_however_often_it_changes() {
        let mut waiters = waiting(1, &[WaitsFor::List]);
        assert!(!waiters.key_changed(0, b"other"));
        assert!(!waiters.key_changed(1, b"key"), "another database");
        assert!(waiters.key_changed(0, b"key"));
        assert!(waiters.key_changed(0, b"key"));
        assert_eq!(waiters.next_ready(), Some((0, b"key".to_vec())));
        assert_eq!(waiters.next_ready(), None);
        assert!(waiters.database_changed(0));
        assert!(!waiters.database_changed(1));
        assert_eq!(waiters.next_ready(), Some((0, b"key".to_vec())));
    }

    #[test]
    fn clients_are_found_in_the_order_of_their_arrival_by_what_the_key_holds() {
        let group = WaitsFor::StreamGroup(b"group"[..].into());
        let kinds = [WaitsFor::List, WaitsFor::SortedSet, group];
        let mut waiters = waiting(6, &kinds);
        let list = Object::List(List::new());
        let served = |waiters: &Waiters, value: Option<Value<'_>>| {
            let (mut ids, mut pass) = (Vec::new(), Pass::default());
            while let Some(id) = waiters.next_for(0, b"key", value, &mut pass) {
                ids.push(id);
            }
            ids
        };
        assert_eq!(served(&waiters, Some(Value::Object(&list))), [1, 3, 4, 6]);
        assert_eq!(served(&waiters, None), [3, 6]);
        let first = waiters.take(1).expect("it waits");
        waiters.forget(&first);
        let third = waiters.take(4).expect("it waits");
        waiters.put_back(third);
        assert_eq!(served(&waiters, Some(Value::Object(&list))), [3, 4, 6]);
        assert_eq!((waiters.keys(), waiters.keys_on_loss()), (1, 1));
        let mut pass = Pass::default();
        assert_eq!(waiters.next_for(0, b"key", None, &mut pass), Some(3));
        pass.found_nothing(&waiters.clients[&3].wait);
        assert_eq!(waiters.next_for(0, b"key", None, &mut pass), None);
    }

    #[test]
    fn groups_take_turns_by_the_arrival_of_their_clients() {
        let group = |name: &str| WaitsFor::StreamGroup(name.as_bytes().into());
        // Clients 1, 4 and 7 are of the first group, 2, 5 and 8 of the second, 3 and 6 of none.
        let kinds = [group("first"), group("second"), WaitsFor::Stream];
        let mut waiters = waiting(8, &kinds);
        let stream = Object::Stream(Stream::default());
        let value = Some(Value::Object(&stream));
        let mut pass = Pass::default();
        let mut next = |waiters: &Waiters, in_vain: bool| {
            let id = waiters.next_for(0, b"key", value, &mut pass)?;
            if in_vain {
                pass.found_nothing(&waiters.clients[&id].wait);
            }
            Some(id)
        };
        assert_eq!(next(&waiters, false), Some(1));
        assert_eq!(
            next(&waiters, true),
            Some(2),
            "the second group is done with"
        );
        assert_eq!(
            next(&waiters, true),
            Some(3),
            "of no group: the next may want other entries"
        );
        let gone = waiters.take(4).expect("it waits");
        waiters.forget(&gone);
        assert_eq!(next(&waiters, false), Some(6));
        assert_eq!(next(&waiters, false), Some(7));
        assert_eq!(next(&waiters, false), None);
    }

    #[test]
    fn nothing_is_left_of_those_who_are_forgotten() {
        let mut waiters = waiting(3, &[WaitsFor::Stream]);
        assert_eq!(waiters.next_overdue(NO_DEADLINE - 3), None);
        assert_eq!(waiters.next_overdue(NO_DEADLINE - 2), Some(3));
        assert!(waiters.needs_earlier_timer());
        assert_eq!(waiters.set_timer(), NO_DEADLINE - 2);
        assert!(!waiters.needs_earlier_timer());
        for id in 1..=3 {
            let waiter = waiters.take(id).expect("it waits");
            waiters.forget(&waiter);
        }
        assert!(waiters.is_empty());
        assert_eq!((waiters.keys(), waiters.deadlines()), (0, 0));
        assert_eq!(waiters.set_timer(), NO_DEADLINE);
    }
}
