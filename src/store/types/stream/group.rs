//! [`Group`]: consumers that share the entries of a stream among them.
//!
//! # Life cycle
//! A group is made with the id of the entry that counts as its last one. Entries behind that are delivered, each to
//! one consumer, for whom it is *pending* ([`Group::deliver`]) until it is acknowledged ([`Group::ack`]), claimed for
//! another consumer ([`Group::claim`]), or goes with its consumer ([`Group::remove_consumer`]). An entry that is pending
//! may have been deleted from the stream.
//!
//! # Storage
//! What is pending lies in two ordered maps: in the group's with all that is known of a delivery, and in its consumer's
//! by its id alone. They change together, here and nowhere else. A delivery names its consumer by a number, the place
//! of the consumer in [`Group`]'s list, which it keeps as long as it lives. Maps and consumers are shared by clones, so
//! that the first write to a cloned group copies the list of its consumers and a chunk or two.
use triomphe::Arc;

use super::id::StreamId;
use super::id_map::{IdMap, Row};

/// Above this share of a group's deliveries, as a divisor, those of a removed consumer are removed in one pass.
const MANY: usize = 8;

/// The number of a consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(u32);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The entry.
    pub id: StreamId,
    /// When it was last delivered, in Unix milliseconds.
    pub time_ms: u64,
    /// How often it was delivered.
    pub count: u64,
    /// For whom it is pending.
    pub consumer: ConsumerId,
}

impl Row for Delivery {
    #[inline]
    fn id(&self) -> StreamId {
        self.id
    }
}

/// A consumer of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last tried to read or claim, in Unix milliseconds.
    pub seen_ms: u64,
    /// When it last got something, in Unix milliseconds.
    pub active_ms: Option<u64>,
    pending: IdMap<StreamId>,
}

impl Consumer {
    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The entries that are pending for it.
    pub fn pending(&self) -> &IdMap<StreamId> {
        &self.pending
    }
}

/// A group. See the module's head.
#[derive(Clone, Debug)]
pub struct Group {
    name: Box<[u8]>,
    /// The entry that was delivered last.
    pub last_id: StreamId,
    /// How many entries of the stream were ever read up to that one, where that is known.
    pub entries_read: Option<i64>,
    pending: IdMap<Delivery>,
    /// The consumers by their numbers, with gaps where one was removed.
    consumers: Vec<Option<Arc<Consumer>>>,
    /// The numbers in the order of the names.
    by_name: Vec<u32>,
}

impl Group {
    pub(super) fn new(name: &[u8], last_id: StreamId, entries_read: Option<i64>) -> Group {
        Group {
            name: name.into(),
            last_id,
            entries_read,
            pending: IdMap::new(),
            consumers: Vec::new(),
            by_name: Vec::new(),
        }
    }

    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// All deliveries that are pending.
    pub fn pending(&self) -> &IdMap<Delivery> {
        &self.pending
    }

    /// Number of consumers.
    pub fn consumer_count(&self) -> usize {
        self.by_name.len()
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        let consumer = |&number: &u32| self.consumer(ConsumerId(number));
        self.by_name.iter().map(consumer)
    }

    /// A consumer by its number.
    ///
    /// # Panics
    /// If the consumer was removed; no number of it is left in the group then.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        let consumer = self.consumers[id.0 as usize].as_ref();
        consumer.expect("a number is in use as long as its consumer lives")
    }

    /// A consumer to be changed.
    fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        let consumer = self.consumers[id.0 as usize].as_mut();
        Arc::make_mut(consumer.expect("a number is in use as long as its consumer lives"))
    }

    /// The consumer of that name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        let place = self.place_of(name).ok()?;
        Some(ConsumerId(self.by_name[place]))
    }

    fn place_of(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name
            .binary_search_by(|&number| self.consumer(ConsumerId(number)).name().cmp(name))
    }

    /// The consumer of that name, and whether it had to be made; a new one counts as seen now.
    pub fn find_or_create_consumer(&mut self, name: &[u8], now_ms: u64) -> (ConsumerId, bool) {
        let place = match self.place_of(name) {
            Ok(place) => return (ConsumerId(self.by_name[place]), false),
            Err(place) => place,
        };
        let consumer = Some(Arc::new(Consumer {
            name: name.into(),
            seen_ms: now_ms,
            active_ms: None,
            pending: IdMap::new(),
        }));
        // A gap is looked for only if there is one.
        let gap = (self.by_name.len() < self.consumers.len())
            .then(|| self.consumers.iter().position(Option::is_none))
            .flatten();
        let number = match gap {
            Some(gap) => {
                self.consumers[gap] = consumer;
                gap
            }
            None => {
                self.consumers.push(consumer);
                self.consumers.len() - 1
            }
        };
        self.by_name.insert(place, number as u32);
        (ConsumerId(number as u32), true)
    }

    /// Removes a consumer with all that is pending for it, and tells how many entries those are.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let place = self.place_of(name).ok()?;
        let number = self.by_name.remove(place);
        let consumer = self.consumers[number as usize].take()?;
        let (lost, all) = (consumer.pending.len(), self.pending.len());
        if lost == all {
            self.pending = IdMap::new();
        } else if lost > all / MANY {
            self.pending.retain(|row| row.consumer.0 != number);
        } else {
            for id in consumer.pending.iter() {
                self.pending.remove(id);
            }
        }
        Some(lost)
    }

    /// Notes that a consumer has tried to read or claim.
    pub fn mark_seen(&mut self, id: ConsumerId, now_ms: u64) {
        self.consumer_mut(id).seen_ms = now_ms;
    }

    /// Notes that a consumer has got something.
    pub fn mark_active(&mut self, id: ConsumerId, now_ms: u64) {
        self.consumer_mut(id).active_ms = Some(now_ms);
    }

    /// Delivers an entry to a consumer for the first time; if it is pending for another one, it is taken from that. What is
    /// pending now is answered.
    pub fn deliver(&mut self, id: StreamId, consumer: ConsumerId, now_ms: u64) -> Delivery {
        let delivery = Delivery {
            id,
            time_ms: now_ms,
            count: 1,
            consumer,
        };
        self.claim(delivery);
        delivery
    }

    /// Puts a delivery in the place of the one that there may be of the same entry.
    pub fn claim(&mut self, delivery: Delivery) {
        let former = self.pending.get(delivery.id);
        self.pending.insert(delivery);
        if let Some(former) = former {
            if former.consumer == delivery.consumer {
                return;
            }
            self.consumer_mut(former.consumer)
                .pending
                .remove(delivery.id);
        }
        self.consumer_mut(delivery.consumer)
            .pending
            .insert(delivery.id);
    }

    /// Acknowledges an entry: nothing is pending of it any more. False if nothing was.
    pub fn ack(&mut self, id: StreamId) -> bool {
        match self.pending.remove(id) {
            Some(former) => {
                self.consumer_mut(former.consumer).pending.remove(id);
                true
            }
            None => false,
        }
    }

    /// Bytes on the heap, estimated from some of the parts of the maps (0 for all).
    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        let consumers = self.consumers().map(|consumer| {
            let header = size_of::<usize>() + size_of::<Consumer>();
            header + consumer.name.len() + consumer.pending.heap_bytes(samples)
        });
        self.name.len()
            + self.pending.heap_bytes(samples)
            + self.consumers.capacity() * size_of::<Option<Arc<Consumer>>>()
            + self.by_name.capacity() * size_of::<u32>()
            + consumers.sum::<usize>()
    }
}
