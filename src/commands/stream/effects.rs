//! What reading for a group and claiming have done, as commands that repeat it: a delivery as XCLAIM with its time and its
//! count, what was pending of a deleted entry as XACK, how far the group has come as XGROUP SETID.
//!
//! Life cycle: an [`Outcome`] is made before the stream is borrowed, keeps what happens to it, and says it when the stream
//! has been given back. While nobody keeps a log it keeps nothing.

use crate::command::Context;
use crate::store::effects::Effects;
use crate::store::types::stream::{Delivery, Group, StreamId};

/// How many entries a group has read, where that is not known.
const UNKNOWN: i64 = -1;

/// Says an id.
pub(super) fn say_id(effects: &mut Effects, id: StreamId) -> &mut Effects {
    effects.word(id.text(&mut [0; 41]))
}

/// A consumer of a group of a stream, by their names.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) key: &'a [u8],
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
}

/// What a command has done to a group on behalf of a consumer.
pub(super) struct Outcome {
    on: bool,
    /// Whether the consumer is new.
    pub(super) created: bool,
    deliveries: Vec<Delivery>,
    acknowledged: Vec<StreamId>,
    /// Whether the group has another last id, or has read more, than follows from the deliveries.
    moved: bool,
    last_id: StreamId,
    entries_read: Option<i64>,
}

impl Outcome {
    /// Nothing yet.
    pub(super) fn new(context: &Context<'_>) -> Outcome {
        Outcome {
            on: context.db.effects.on,
            created: false,
            deliveries: Vec::new(),
            acknowledged: Vec::new(),
            moved: false,
            last_id: StreamId::MIN,
            entries_read: None,
        }
    }

    /// Keeps a delivery.
    #[inline]
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        if self.on {
            self.deliveries.push(delivery);
        }
    }

    /// Keeps that nothing is pending of an entry any more.
    pub(super) fn acknowledge(&mut self, id: StreamId) {
        if self.on {
            self.acknowledged.push(id);
        }
    }

    /// Keeps how far the group has come, at the end; `moved` if the command has moved it.
    pub(super) fn leave(&mut self, group: &Group, moved: bool) {
        self.moved = moved;
        self.last_id = group.last_id;
        self.entries_read = group.entries_read;
    }

    /// Says all of it in the command's place.
    pub(super) fn say(&self, context: &mut Context<'_>, reader: Reader<'_>) {
        if !self.on {
            return;
        }
        let Reader {
            key,
            group,
            consumer,
        } = reader;
        // A claim makes its consumer.
        if self.created && self.deliveries.is_empty() {
            context.repeat_as(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
        }
        if !self.acknowledged.is_empty() {
            context.repeat(|effects| {
                effects.words([b"XACK", key, group]);
                for &id in &self.acknowledged {
                    say_id(effects, id);
                }
            });
        }
        for &delivery in &self.deliveries {
            context.repeat(|effects| self.say_delivery(effects, reader, delivery));
        }
        if self.moved {
            context.repeat(|effects| {
                effects.words([b"XGROUP", b"SETID".as_slice(), key, group]);
                say_id(effects, self.last_id).word(b"ENTRIESREAD");
                effects.number(self.entries_read.unwrap_or(UNKNOWN));
            });
        }
    }

    fn say_delivery(&self, effects: &mut Effects, reader: Reader<'_>, delivery: Delivery) {
        effects.words([b"XCLAIM", reader.key, reader.group, reader.consumer, b"0"]);
        say_id(effects, delivery.id);
        effects.word(b"TIME").number(delivery.time_ms);
        effects.word(b"RETRYCOUNT").number(delivery.count);
        effects.words([b"FORCE".as_slice(), b"JUSTID", b"LASTID"]);
        say_id(effects, self.last_id);
    }
}
