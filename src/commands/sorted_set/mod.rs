//! Sorted sets: adding and removing members ([`add`]), looking at single members ([`read`]), ranges ([`range`], whose
//! ends [`bounds`] reads), members from the ends ([`pop`]), the forms that wait for a set ([`blocking`]), members at random
//! ([`random`]), and the algebra of several sets ([`algebra`]).
//!
//! What a sorted set is and how it is stored is the business of [`crate::store::types::sorted_set`]; here are the
//! commands' words, checks and replies, and the life of a set's key: adding to a key that is not there makes a set, and
//! whatever takes the last member takes the key with it ([`settle`]). To add a command, write its spec and its handler
//! in the file of its kind and name it in [`COMMANDS`].

pub mod add;
pub mod algebra;
pub mod blocking;
pub mod bounds;
pub mod pop;
pub mod random;
pub mod range;
pub mod read;

use crate::command::{Arg, CommandError, CommandSpec, Context, KeyFlags, KeySpec};
use crate::resp::{Protocol, Reply};
use crate::store::encoding::flat::Item;
use crate::store::entry::{Entry, NEVER, NewValue, Object, Value};
use crate::store::journal::Events;
use crate::store::table::Slot;
use crate::store::types::sorted_set::{Limits, SortedSet};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &blocking::BZMPOP,
    &blocking::BZPOPMAX,
    &blocking::BZPOPMIN,
    &add::ZADD,
    &read::ZCARD,
    &range::ZCOUNT,
    &algebra::ZDIFF,
    &algebra::ZDIFFSTORE,
    &add::ZINCRBY,
    &algebra::ZINTER,
    &algebra::ZINTERCARD,
    &algebra::ZINTERSTORE,
    &range::ZLEXCOUNT,
    &pop::ZMPOP,
    &read::ZMSCORE,
    &pop::ZPOPMAX,
    &pop::ZPOPMIN,
    &random::ZRANDMEMBER,
    &range::ZRANGE,
    &range::ZRANGEBYLEX,
    &range::ZRANGEBYSCORE,
    &range::ZRANGESTORE,
    &read::ZRANK,
    &add::ZREM,
    &range::ZREMRANGEBYLEX,
    &range::ZREMRANGEBYRANK,
    &range::ZREMRANGEBYSCORE,
    &range::ZREVRANGE,
    &range::ZREVRANGEBYLEX,
    &range::ZREVRANGEBYSCORE,
    &read::ZREVRANK,
    &read::ZSCAN,
    &read::ZSCORE,
    &algebra::ZUNION,
    &algebra::ZUNIONSTORE,
];

/// The one key of a command that reads it.
const READ_KEY: &[KeySpec] = &[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))];

const WITHSCORES: Arg = Arg::token("withscores", "WITHSCORES").optional();

/// The limits of the small form.
#[inline]
pub(super) fn limits(context: &Context<'_>) -> Limits {
    Limits {
        entries: context.db.limits.zset_max_listpack_entries,
        value_bytes: context.db.limits.zset_max_listpack_value,
    }
}

/// The sorted set that `value` is, or the error for another type.
#[inline]
pub(super) fn zset_of(value: Value<'_>) -> Result<&SortedSet, CommandError> {
    match value {
        Value::Object(Object::SortedSet(set)) => Ok(set),
        _ => Err(CommandError::WrongType),
    }
}

/// The sorted set in `slot`, to be changed, or the error for another type.
#[inline]
pub(super) fn zset_mut<'s>(
    slot: &'s mut Slot<'_, Entry>,
) -> Result<&'s mut SortedSet, CommandError> {
    match slot.object_mut() {
        Some(Object::SortedSet(set)) => Ok(set),
        _ => Err(CommandError::WrongType),
    }
}

/// Puts a new sorted set under `key`, where there is nothing.
pub(super) fn create(context: &mut Context<'_>, key: &[u8], set: SortedSet) {
    context.set(key, NewValue::Object(Object::SortedSet(set)), NEVER);
}

/// Says that `key` has changed by `changes` members, and removes it if its set is `empty` now.
#[inline]
pub(super) fn settle(context: &mut Context<'_>, key: &[u8], empty: bool, changes: usize) {
    if empty {
        remove(context, key);
    }
    // Redis counts the members.
    let dirty = context.db.dirty;
    context.changed(key);
    context.db.dirty = dirty + changes as u64;
}

/// Removes a key, whatever its value; false if it is not there.
pub(super) fn remove(context: &mut Context<'_>, key: &[u8]) -> bool {
    let removed = context.db.delete(context.session.db, key);
    removed.map(|entry| context.discard(entry)).is_some()
}

/// Stores a result in the place of whatever `key` holds, or removes the key if there is none, and answers its size.
fn store(context: &mut Context<'_>, key: &[u8], result: SortedSet, event: &'static str) {
    let len = result.len();
    if len > 0 {
        context.replace(key, NewValue::Object(Object::SortedSet(result)));
        context.changed(key);
        context.event(Events::ZSET, event, key);
    } else if remove(context, key) {
        context.changed(key);
        context.event(Events::GENERIC, "del", key);
    }
    context.reply.count(len);
}

/// Answers a member.
#[inline]
pub(super) fn reply_member(reply: &mut Reply<'_>, member: Item<'_>) {
    match member {
        Item::Bytes(bytes) => reply.bulk(bytes),
        Item::Int(value) => reply.bulk_integer(value),
    }
}

/// How members are answered: alone, or with their scores, which RESP3 has in pairs and RESP2 in one flat array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Members,
    Flat,
    Pairs,
}

impl Shape {
    fn of(reply: &Reply<'_>, with_scores: bool) -> Shape {
        match (with_scores, reply.protocol()) {
            (false, _) => Shape::Members,
            (true, Protocol::Resp2) => Shape::Flat,
            (true, Protocol::Resp3) => Shape::Pairs,
        }
    }

    /// Answers the head of an array of so many members.
    fn head(self, reply: &mut Reply<'_>, count: usize) {
        reply.array(if self == Shape::Flat {
            count * 2
        } else {
            count
        });
    }

    /// Answers one of them.
    #[inline]
    fn element(self, reply: &mut Reply<'_>, member: Item<'_>, score: f64) {
        if self == Shape::Pairs {
            reply.array(2);
        }
        reply_member(reply, member);
        if self != Shape::Members {
            reply.double(score);
        }
    }
}
