//! Hashes: changing fields ([`mod@write`]), looking at them ([`read`], [`random`]), their deadlines ([`deadline`]), and the
//! commands that do two of these at once ([`combined`]).
//!
//! What a hash is and how it is stored is the business of [`crate::store::types::hash`]; here are the commands' words,
//! checks and replies. The life of a hash's key is decided here too, in [`change`]: a hash is made where a command sets
//! fields and there is none, and goes with its last field.
//!
//! **Expired fields** are never shown, and each command removes those that it meets by name ([`Edit::get`],
//! [`Db::expire_field`]); the rest is removed by the sweep. What does not look does not see them either, as in Redis:
//! HLEN and HDEL count a field that has expired and is not removed yet, and HSET does not call it new.
//!
//! To add a command, write its spec and its handler in the file of its kind and name it in [`COMMANDS`].

pub mod combined;
pub mod deadline;
mod fields;
pub mod random;
pub mod read;
pub mod write;

use crate::command::{CommandError, CommandSpec, Context};
use crate::resp::Reply;
use crate::store::db::{Db, DbIndex};
use crate::store::effects::Noted;
use crate::store::encoding::flat::Item;
use crate::store::entry::{Entry, NEVER, NewValue, Object, Value};
use crate::store::journal::Events;
use crate::store::table::Slot;
use crate::store::types::hash::{Hash, HashLimits, Ttl};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &write::HDEL,
    &read::HEXISTS,
    &deadline::HEXPIRE,
    &deadline::HEXPIREAT,
    &deadline::HEXPIRETIME,
    &read::HGET,
    &read::HGETALL,
    &combined::HGETDEL,
    &combined::HGETEX,
    &write::HINCRBY,
    &write::HINCRBYFLOAT,
    &read::HKEYS,
    &read::HLEN,
    &read::HMGET,
    &write::HMSET,
    &deadline::HPERSIST,
    &deadline::HPEXPIRE,
    &deadline::HPEXPIREAT,
    &deadline::HPEXPIRETIME,
    &deadline::HPTTL,
    &random::HRANDFIELD,
    &read::HSCAN,
    &write::HSET,
    &combined::HSETEX,
    &write::HSETNX,
    &read::HSTRLEN,
    &deadline::HTTL,
    &read::HVALS,
];

/// The limits of small hashes.
#[inline]
fn limits(db: &Db) -> HashLimits {
    HashLimits {
        entries: db.limits.hash_max_listpack_entries,
        value: db.limits.hash_max_listpack_value,
    }
}

/// The hash that `value` is, or the error for another type.
#[inline]
fn hash_of(value: Value<'_>) -> Result<&Hash, CommandError> {
    match value {
        Value::Object(Object::Hash(hash)) => Ok(hash),
        _ => Err(CommandError::WrongType),
    }
}

/// The hash in `slot`, to be changed, or the error for another type.
#[inline]
fn hash_mut<'s>(slot: &'s mut Slot<'_, Entry>) -> Result<&'s mut Hash, CommandError> {
    match slot.object_mut() {
        Some(Object::Hash(hash)) => Ok(hash),
        _ => Err(CommandError::WrongType),
    }
}

/// What a change does without a hash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It begins with an empty one, which stays if anything is put into it.
    Create,
    /// Nothing.
    Skip,
}

/// A hash that is being changed.
struct Edit<'h> {
    hash: &'h mut Hash,
    now_ms: u64,
    limits: HashLimits,
    /// Fields removed because their time had come.
    expired: usize,
    /// Their names, for the log of writes.
    gone: Noted,
}

impl Edit<'_> {
    /// The value of a field; one that has expired is removed.
    #[inline]
    fn get(&mut self, name: &[u8]) -> Option<Item<'_>> {
        match self.hash.field(name) {
            Some(field) if !field.lives_at(self.now_ms) => self.expire(name),
            _ => {}
        }
        self.hash.get(name, self.now_ms)
    }

    #[cold]
    fn expire(&mut self, name: &[u8]) {
        if self.hash.remove(name) {
            self.expired += 1;
            self.gone.word(name);
        }
    }

    /// Sets a field's value; true if there was no such field.
    #[inline]
    fn set(&mut self, name: &[u8], value: &[u8], ttl: Ttl) -> bool {
        self.hash.set(name, value, ttl, self.now_ms, self.limits)
    }
}

/// Has `edit` change the hash at `key`, and does what follows from it: an empty hash goes, and the keyspace learns of
/// deadlines. Answers what `edit` answered, or nothing for a missing hash that is skipped. An `edit` that fails must have
/// left the hash as it was.
#[inline]
fn change<R>(
    db: &mut Db,
    index: DbIndex,
    key: &[u8],
    missing: Missing,
    edit: impl FnOnce(&mut Edit<'_>) -> Result<R, CommandError>,
) -> Result<Option<R>, CommandError> {
    let (now_ms, limits, gone) = (db.now_ms(), limits(db), db.effects.notes());
    let edited = if let Some(mut slot) = db.write(index, key) {
        edit_hash(hash_mut(&mut slot)?, now_ms, limits, gone, edit)?
    } else {
        if missing == Missing::Skip {
            return Ok(None);
        }
        let mut hash = Hash::new();
        let edited = edit_hash(&mut hash, now_ms, limits, gone, edit)?;
        if !edited.is_empty {
            db.set(index, key, NewValue::Object(Object::Hash(hash)), NEVER);
        }
        edited
    };
    db.stats.expired_fields += edited.expired as u64;
    if edited.expired > 0 {
        for name in edited.gone.iter() {
            db.effects.field_expired(index, key, name);
        }
        db.journal.event(index, key, Events::HASH, "hexpired");
    }
    if edited.is_timed {
        db.note_fields(index, key);
    }
    if edited.is_empty {
        db.remove(index, key);
    }
    Ok(Some(edited.answer))
}

/// What has become of a hash that has been changed.
struct Edited<R> {
    answer: R,
    expired: usize,
    gone: Noted,
    is_empty: bool,
    /// Some of its fields had a deadline or have one now.
    is_timed: bool,
}

#[inline]
fn edit_hash<R>(
    hash: &mut Hash,
    now_ms: u64,
    limits: HashLimits,
    gone: Noted,
    edit: impl FnOnce(&mut Edit<'_>) -> Result<R, CommandError>,
) -> Result<Edited<R>, CommandError> {
    let before_ms = hash.earliest_deadline_ms();
    let mut editor = Edit {
        hash,
        now_ms,
        limits,
        expired: 0,
        gone,
    };
    let answer = edit(&mut editor)?;
    let Edit {
        hash,
        expired,
        gone,
        ..
    } = editor;
    Ok(Edited {
        answer,
        expired,
        gone,
        is_empty: hash.is_empty(),
        is_timed: before_ms != NEVER || hash.earliest_deadline_ms() != NEVER,
    })
}

/// Says that `key` has changed by so many fields; a change of none is none.
#[inline]
fn settle(context: &mut Context<'_>, key: &[u8], changes: usize) {
    if changes > 0 {
        let dirty = context.db.dirty;
        context.changed(key);
        context.db.dirty = dirty + changes as u64;
    }
}

/// Publishes an event of a hash that has changed, and that its key has gone if no field is left.
#[inline]
fn event(context: &mut Context<'_>, name: &'static str, key: &[u8]) {
    if !context.db.journal.events.is_empty() {
        let gone = !context.db.contains(context.session.db, key);
        context.event_and_end(Events::HASH, name, key, gone);
    }
}

/// Answers a field's name or value from where it lies.
#[inline]
fn reply_item(reply: &mut Reply<'_>, item: Item<'_>) {
    match item {
        Item::Bytes(bytes) => reply.bulk(bytes),
        Item::Int(value) => reply.bulk_integer(value),
    }
}
