//! Streams: adding and trimming ([`add`]), looking at entries ([`range`]), reading on from an id and for a group
//! ([`read`]), deleting ([`delete`]), groups ([`group`]), what is pending ([`pending`]), claiming that ([`claim`]) and
//! XINFO ([`info`]). How ids are written is in [`ids`], what the log of writes gets of groups in [`effects`].
//!
//! What a stream is and how it is stored is the business of [`crate::store::types::stream`]; here are the commands'
//! words, checks and replies. A stream is made by XADD, or empty by XGROUP CREATE with MKSTREAM, and unlike other
//! collections stays when its last entry goes. To add a command, write its spec and its handler in the file of its kind
//! and name it in [`COMMANDS`].

pub mod add;
pub mod claim;
pub mod delete;
mod effects;
pub mod group;
pub mod ids;
pub mod info;
pub mod pending;
pub mod range;
pub mod read;

use crate::command::{CommandError, CommandSpec, Context};
use crate::resp::Reply;
use crate::store::encoding::flat::Item;
use crate::store::entry::{Entry as KeyEntry, NEVER, NewValue, Object, Value};
use crate::store::table::Slot;
use crate::store::types::stream::{Entry, NodeLimit, Stream, StreamId};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &pending::XACK,
    &delete::XACKDEL,
    &add::XADD,
    &claim::XAUTOCLAIM,
    &claim::XCLAIM,
    &delete::XDEL,
    &delete::XDELEX,
    &group::XGROUP,
    &info::XINFO,
    &range::XLEN,
    &pending::XPENDING,
    &range::XRANGE,
    &read::XREAD,
    &read::XREADGROUP,
    &range::XREVRANGE,
    &add::XSETID,
    &add::XTRIM,
];

/// The limit of the chunks of streams.
#[inline]
fn node_limit(context: &Context<'_>) -> NodeLimit {
    NodeLimit {
        bytes: context.db.limits.stream_node_max_bytes,
        entries: context.db.limits.stream_node_max_entries,
    }
}

/// The stream that `value` is, or the error for another type.
#[inline]
fn stream_of(value: Value<'_>) -> Result<&Stream, CommandError> {
    match value {
        Value::Object(Object::Stream(stream)) => Ok(stream),
        _ => Err(CommandError::WrongType),
    }
}

/// The stream in `slot`, to be changed, or the error for another type.
#[inline]
fn stream_mut<'s>(slot: &'s mut Slot<'_, KeyEntry>) -> Result<&'s mut Stream, CommandError> {
    match slot.object_mut() {
        Some(Object::Stream(stream)) => Ok(stream),
        _ => Err(CommandError::WrongType),
    }
}

/// Puts a new stream under `key`, where there is nothing.
fn create(context: &mut Context<'_>, key: &[u8], stream: Stream) {
    context.set(key, NewValue::Object(Object::Stream(stream)), NEVER);
}

/// Says that `key` has changed in so many ways, as Redis counts them. None is no change.
fn changed_by(context: &mut Context<'_>, key: &[u8], changes: usize) {
    if changes > 0 {
        let dirty = context.db.dirty;
        context.changed(key);
        context.db.dirty = dirty + changes as u64;
    }
}

/// Counts so many changes of what groups know of a stream, whose entries stay as they are: those who watch or track the key, or
/// wait for entries, are not told.
fn groups_changed(context: &mut Context<'_>, changes: usize) {
    context.db.dirty += changes as u64;
}

/// The name of the event of a consumer that was made, whatever the command.
const CONSUMER_CREATED: &str = "xgroup-createconsumer";

/// Drops what was taken out of a stream: much of it where nobody has to wait for that.
fn discard(context: &Context<'_>, remains: Option<Stream>) {
    if let Some(remains) = remains {
        let value = NewValue::Object(Object::Stream(remains));
        context.discard(KeyEntry::new(b"", value, NEVER));
    }
}

/// Answers an id.
#[inline]
fn reply_id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(id.text(&mut [0; 41]));
}

#[inline]
fn reply_item(reply: &mut Reply<'_>, item: Item<'_>) {
    match item {
        Item::Bytes(bytes) => reply.bulk(bytes),
        Item::Int(value) => reply.bulk_integer(value),
    }
}

/// Answers an entry: its id, then its fields and values.
fn reply_entry(reply: &mut Reply<'_>, entry: &Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.pairs());
    for (field, value) in entry.fields() {
        reply_item(reply, field);
        reply_item(reply, value);
    }
}

/// Answers a number that may not be known.
fn reply_known(reply: &mut Reply<'_>, value: Option<i64>) {
    match value {
        Some(value) => reply.integer(value),
        None => reply.null(),
    }
}

/// An error that says in `parts` what is not there, with the request's words between.
fn no_group(parts: &[&[u8]]) -> CommandError {
    let mut text = b"NOGROUP No such ".to_vec();
    parts.iter().for_each(|part| text.extend_from_slice(part));
    CommandError::Quoting(text)
}

/// Neither the key nor the group is there.
fn no_key_or_group(key: &[u8], group: &[u8]) -> CommandError {
    no_group(&[b"key '", key, b"' or consumer group '", group, b"'"])
}

/// The key is there, the group is not.
fn no_group_of_key(key: &[u8], group: &[u8]) -> CommandError {
    no_group(&[b"consumer group '", group, b"' for key name '", key, b"'"])
}

/// A count that is negative means none.
fn count_or_none(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}
