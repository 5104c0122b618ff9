//! Channels, patterns and shard channels with their subscribers, and the messages to them.
//!
//! Life cycle: a topic (a channel, a pattern, a shard channel) is there while somebody is subscribed to it. A client's
//! subscriptions end one by one, or all at once when it leaves or starts anew ([`PubSub::forget`]). A message is encoded
//! once for all subscribers of a topic: the two protocol versions differ in its first byte alone. Where they are several they
//! share it, and what comes after it ([`outbox`](super::outbox)); a large payload is shared by all and lies in no outbox.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use bytes::BytesMut;

use super::Instance;
use super::clients::ClientHandle;
use super::outbox::Run;
use crate::resp::reply::BLOB_MIN;
use crate::resp::{Blob, Protocol, Reply};
use crate::store::db::DbIndex;
use crate::store::journal::Events;
use crate::text::pattern;

/// The buffer in which messages are encoded is given back when it has grown beyond this.
const KEPT_BYTES: usize = 4 * BLOB_MIN;

/// What a client can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A channel.
    Channel,
    /// A pattern of channels' names.
    Pattern,
    /// A shard channel.
    Shard,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];
}

/// The payload of a message.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The same, if they arrived in a buffer of their own.
    pub shared: Option<&'a Arc<Vec<u8>>>,
}

/// From so many subscribers on their outboxes share a topic's messages.
const SHARED_FROM: usize = 4;

/// The subscribers of a topic.
#[derive(Debug, Default)]
struct Subscribers {
    /// By their numbers, the oldest client first.
    clients: Vec<(u64, Arc<ClientHandle>)>,
    /// Those that have a run of messages under way; none after any change.
    audiences: [Option<Audience>; PUSH_BYTES.len()],
}

/// The subscribers of a topic that speak one protocol version.
#[derive(Debug)]
struct Audience {
    /// What is in their outboxes, as long as it is in any of them; nothing without any client.
    run: Option<Weak<Run>>,
    /// How many they are.
    receivers: usize,
    /// [`ClientHandle::audience`] when they were counted.
    counted_at: u64,
}

/// The first byte of a message in each protocol version.
const PUSH_BYTES: [u8; 2] = *b"*>";

impl Subscribers {
    fn add(&mut self, client: &Arc<ClientHandle>) {
        self.audiences = Default::default();
        if let Err(at) = self.place(client.id) {
            self.clients.insert(at, (client.id, Arc::clone(client)));
        }
    }

    fn remove(&mut self, id: u64) {
        self.audiences = Default::default();
        if let Ok(at) = self.place(id) {
            self.clients.remove(at);
        }
    }

    fn place(&self, id: u64) -> Result<usize, usize> {
        self.clients.binary_search_by_key(&id, |(other, _)| *other)
    }

    /// Sends a message without large values to all, who share it; returns how many take it.
    fn send_shared(&mut self, message: &mut [u8]) -> usize {
        let Some((_, first)) = self.clients.first() else {
            return 0;
        };
        let now = first.audience();
        let mut receivers = 0;
        for (byte, slot) in PUSH_BYTES.into_iter().zip(&mut self.audiences) {
            message[0] = byte;
            let known = slot
                .as_ref()
                .filter(|audience| audience.counted_at == now && audience.takes(message));
            receivers += match known {
                Some(audience) => audience.receivers,
                None => {
                    let audience = Audience::begin(&self.clients, message, now);
                    slot.insert(audience).receivers
                }
            };
        }
        receivers
    }
}

impl Audience {
    /// Begins a run with `message` for those of `clients` whose messages begin as it does.
    fn begin(clients: &[(u64, Arc<ClientHandle>)], message: &[u8], counted_at: u64) -> Audience {
        let (mut run, mut receivers) = (None, 0);
        let those = clients.iter().map(|(_, client)| client);
        for client in those.filter(|client| client.push_byte() == message[0]) {
            let run = run.get_or_insert_with(|| Run::new(message));
            receivers += usize::from(client.attach(run, message.len()));
        }
        Audience {
            run: run.as_ref().map(Arc::downgrade),
            receivers,
            counted_at,
        }
    }

    /// Adds `message` to what they get; false if it has to begin a run.
    fn takes(&self, message: &[u8]) -> bool {
        match &self.run {
            None => true,
            Some(run) => run.upgrade().is_some_and(|run| run.append(message)),
        }
    }
}

/// Topics are named by peers, so the map's hash is the keyed one of the standard library.
type Topics = HashMap<Arc<[u8]>, Subscribers>;

/// Who is subscribed to what.
#[derive(Debug, Default)]
pub struct PubSub {
    topics: [Topics; Kind::ALL.len()],
    clients: HashMap<u64, [BTreeSet<Arc<[u8]>>; Kind::ALL.len()]>,
    encoder: Encoder,
}

impl PubSub {
    /// Subscribes `client` to `topic`; false if it was before.
    pub fn subscribe(&mut self, kind: Kind, topic: &[u8], client: &Arc<ClientHandle>) -> bool {
        let own = &mut self.clients.entry(client.id).or_default()[kind as usize];
        if own.contains(topic) {
            return false;
        }
        let topics = &mut self.topics[kind as usize];
        // The name is kept once for all who are subscribed to it.
        let name = match topics.get_key_value(topic) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(topic),
        };
        own.insert(Arc::clone(&name));
        client.subscriptions.set(kind, own.len());
        topics.entry(name).or_default().add(client);
        true
    }

    /// Ends a subscription; false if there was none.
    pub fn unsubscribe(&mut self, kind: Kind, topic: &[u8], client: &ClientHandle) -> bool {
        let Some(own) = self.clients.get_mut(&client.id) else {
            return false;
        };
        if !own[kind as usize].remove(topic) {
            return false;
        }
        client.subscriptions.set(kind, own[kind as usize].len());
        if own.iter().all(BTreeSet::is_empty) {
            self.clients.remove(&client.id);
        }
        self.leave(kind, topic, client.id);
        true
    }

    /// Ends all subscriptions of `client`.
    pub fn forget(&mut self, client: &ClientHandle) {
        for (kind, topics) in Kind::ALL
            .into_iter()
            .zip(self.clients.remove(&client.id).unwrap_or_default())
        {
            client.subscriptions.set(kind, 0);
            for topic in topics {
                self.leave(kind, &topic, client.id);
            }
        }
    }

    fn leave(&mut self, kind: Kind, topic: &[u8], id: u64) {
        let topics = &mut self.topics[kind as usize];
        if let Some(subscribers) = topics.get_mut(topic) {
            subscribers.remove(id);
            if subscribers.clients.is_empty() {
                topics.remove(topic);
            }
        }
    }

    /// What a client is subscribed to, in order.
    pub fn topics_of(&self, kind: Kind, client: &ClientHandle) -> Vec<Arc<[u8]>> {
        self.clients
            .get(&client.id)
            .map_or_else(Vec::new, |own| own[kind as usize].iter().cloned().collect())
    }

    /// The topics that somebody is subscribed to, in no order.
    pub fn topics(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.topics[kind as usize].keys().map(|name| &**name)
    }

    /// How many topics have subscribers.
    pub fn topic_count(&self, kind: Kind) -> usize {
        self.topics[kind as usize].len()
    }

    /// How many clients are subscribed to `topic`.
    pub fn subscriber_count(&self, kind: Kind, topic: &[u8]) -> usize {
        self.topics[kind as usize]
            .get(topic)
            .map_or(0, |subscribers| subscribers.clients.len())
    }

    /// How many clients are subscribed to anything.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// Sends a message to the subscribers of `channel` and those of the patterns that match it; returns how many have
    /// got it, each counted once a subscription.
    pub fn publish(&mut self, channel: &[u8], payload: Payload<'_>) -> usize {
        let mut large = None;
        let [channels, patterns, _] = &mut self.topics;
        let mut receivers = 0;
        if let Some(subscribers) = channels.get_mut(channel) {
            let words: [&[u8]; 2] = [b"message", channel];
            receivers += self.encoder.send(&words, payload, &mut large, subscribers);
        }
        for (name, subscribers) in patterns {
            if pattern::matches(name, channel) {
                let words: [&[u8]; 3] = [b"pmessage", name, channel];
                receivers += self.encoder.send(&words, payload, &mut large, subscribers);
            }
        }
        receivers
    }

    /// As [`PubSub::publish`] for a shard channel, which no pattern matches.
    pub fn publish_to_shard(&mut self, channel: &[u8], payload: Payload<'_>) -> usize {
        let Some(subscribers) = self.topics[Kind::Shard as usize].get_mut(channel) else {
            return 0;
        };
        let words: [&[u8]; 2] = [b"smessage", channel];
        self.encoder.send(&words, payload, &mut None, subscribers)
    }
}

/// Encodes messages in a buffer that is kept.
#[derive(Debug, Default)]
struct Encoder {
    bytes: BytesMut,
    blobs: Vec<Blob>,
}

impl Encoder {
    /// Sends `words` and the payload to each of `subscribers` that takes messages still; returns how many do. `large`
    /// keeps a large payload that had to be copied, for the message's next encoding.
    fn send(
        &mut self,
        words: &[&[u8]],
        payload: Payload<'_>,
        large: &mut Option<Arc<Vec<u8>>>,
        subscribers: &mut Subscribers,
    ) -> usize {
        self.bytes.clear();
        self.blobs.clear();
        let mut reply = Reply::new(&mut self.bytes, &mut self.blobs, Protocol::Resp2);
        reply.push(words.len() + 1);
        for word in words {
            reply.bulk(word);
        }
        match payload.shared {
            Some(shared) => reply.shared(shared),
            None if payload.bytes.len() < BLOB_MIN => reply.bulk(payload.bytes),
            None => reply.shared(large.get_or_insert_with(|| Arc::new(payload.bytes.to_vec()))),
        }
        let receivers = if self.blobs.is_empty() && subscribers.clients.len() >= SHARED_FROM {
            subscribers.send_shared(&mut self.bytes)
        } else {
            self.send_each(subscribers)
        };
        self.blobs.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = BytesMut::new();
        }
        receivers
    }

    /// Sends the message to each of `subscribers`; returns how many take it.
    fn send_each(&mut self, subscribers: &Subscribers) -> usize {
        let mut receivers = 0;
        for (_, client) in &subscribers.clients {
            self.bytes[0] = client.push_byte();
            receivers += usize::from(client.post_shared(&self.bytes, &self.blobs));
        }
        receivers
    }
}

/// Publishes an event of a key, as `notify-keyspace-events` says.
pub fn publish_event(
    instance: &Instance,
    index: DbIndex,
    key: &[u8],
    class: Events,
    name: &'static str,
) {
    let wanted = instance.config().notify_keyspace_events();
    if !wanted.contains(class) {
        return;
    }
    let (name, mut pubsub) = (name.as_bytes(), instance.pubsub());
    if pubsub.topic_count(Kind::Channel) + pubsub.topic_count(Kind::Pattern) == 0 {
        return;
    }
    let mut publish = |form: &str, of: &[u8], bytes: &[u8]| {
        let channel = [format!("__{form}@{index}__:").as_bytes(), of].concat();
        let shared = None;
        pubsub.publish(&channel, Payload { bytes, shared });
    };
    if wanted.contains(Events::KEYSPACE) {
        publish("keyspace", key, name);
    }
    if wanted.contains(Events::KEYEVENT) {
        publish("keyevent", name, key);
    }
}
