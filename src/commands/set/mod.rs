//! Sets: their members ([`members`]), members at random ([`random`]), and the algebra of several sets ([`algebra`]).
//!
//! What a set is and how it is stored is the business of [`crate::store::types::set`]; here are the commands' words,
//! checks and replies, and the life of a set's key: adding to a key that is not there makes a set, and whatever takes
//! the last member takes the key with it ([`settle`]). To add a command, write its spec and its handler in the file of
//! its kind and name it in [`COMMANDS`].

pub mod algebra;
pub mod members;
pub mod random;

use crate::command::{CommandError, CommandSpec, Context};
use crate::resp::Reply;
use crate::store::encoding::flat::Item;
use crate::store::entry::{Entry, NEVER, NewValue, Object, Value};
use crate::store::table::Slot;
use crate::store::types::set::{Set, SetLimits};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &members::SADD,
    &members::SCARD,
    &algebra::SDIFF,
    &algebra::SDIFFSTORE,
    &algebra::SINTER,
    &algebra::SINTERCARD,
    &algebra::SINTERSTORE,
    &members::SISMEMBER,
    &members::SMEMBERS,
    &members::SMISMEMBER,
    &members::SMOVE,
    &random::SPOP,
    &random::SRANDMEMBER,
    &members::SREM,
    &members::SSCAN,
    &algebra::SUNION,
    &algebra::SUNIONSTORE,
];

/// The limits of the small encodings.
#[inline]
fn limits(context: &Context<'_>) -> SetLimits {
    let limits = &context.db.limits;
    SetLimits {
        intset_entries: limits.set_max_intset_entries,
        listpack_entries: limits.set_max_listpack_entries,
        listpack_value: limits.set_max_listpack_value,
    }
}

/// The set that `value` is, or the error for another type.
#[inline]
fn set_of(value: Value<'_>) -> Result<&Set, CommandError> {
    match value {
        Value::Object(Object::Set(set)) => Ok(set),
        _ => Err(CommandError::WrongType),
    }
}

/// The set in `slot`, to be changed, or the error for another type.
#[inline]
fn set_mut<'s>(slot: &'s mut Slot<'_, Entry>) -> Result<&'s mut Set, CommandError> {
    match slot.object_mut() {
        Some(Object::Set(set)) => Ok(set),
        _ => Err(CommandError::WrongType),
    }
}

/// Puts a new set under `key`, where there is nothing.
fn create(context: &mut Context<'_>, key: &[u8], set: Set) {
    context.set(key, NewValue::Object(Object::Set(set)), NEVER);
}

/// Says that `key` has changed by `changes` members, and removes it if its set is `empty` now.
#[inline]
fn settle(context: &mut Context<'_>, key: &[u8], empty: bool, changes: usize) {
    if empty {
        remove(context, key);
    }
    // Redis counts the members.
    let dirty = context.db.dirty;
    context.changed(key);
    context.db.dirty = dirty + changes as u64;
}

/// Removes a key, whatever its value; false if it is not there.
fn remove(context: &mut Context<'_>, key: &[u8]) -> bool {
    let removed = context.db.delete(context.session.db, key);
    removed.map(|entry| context.discard(entry)).is_some()
}

/// Answers a member.
#[inline]
fn reply_item(reply: &mut Reply<'_>, item: Item<'_>) {
    match item {
        Item::Bytes(bytes) => reply.bulk(bytes),
        Item::Int(value) => reply.bulk_integer(value),
    }
}
