//! Lists: elements at the ends ([`push_pop`]), looking at a list ([`read`]), changes within it ([`edit`]) and moves
//! from one list to another ([`transfer`]), and the forms that wait for a list ([`blocking`]).
//!
//! What a list is and how it is stored is the business of [`crate::store::types::list`]; here are the commands' words,
//! checks and replies. The life of a list's key is decided here too: a push to a key that is not there makes a list,
//! and whatever takes the last element takes the key with it ([`settle`]). To add a command, write its spec and its
//! handler in the file of its kind and name it in [`COMMANDS`].

pub mod blocking;
pub mod edit;
pub mod push_pop;
pub mod read;
pub mod transfer;

use std::ops::Range;

use crate::command::{Arg, Args, CommandError, CommandSpec, Context};
use crate::resp::{Reply, Request};
use crate::store::entry::{Entry, NEVER, NewValue, Object, Value};
use crate::store::table::Slot;
use crate::store::tree::End;
use crate::store::types::list::{self, Element, Fill, List};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &blocking::BLMOVE,
    &blocking::BLMPOP,
    &blocking::BLPOP,
    &blocking::BRPOP,
    &blocking::BRPOPLPUSH,
    &read::LINDEX,
    &edit::LINSERT,
    &read::LLEN,
    &transfer::LMOVE,
    &push_pop::LMPOP,
    &push_pop::LPOP,
    &read::LPOS,
    &push_pop::LPUSH,
    &push_pop::LPUSHX,
    &read::LRANGE,
    &edit::LREM,
    &edit::LSET,
    &edit::LTRIM,
    &push_pop::RPOP,
    &transfer::RPOPLPUSH,
    &push_pop::RPUSH,
    &push_pop::RPUSHX,
];

/// The words for the ends of a list.
const ENDS: &[Arg] = &[Arg::token("left", "LEFT"), Arg::token("right", "RIGHT")];

/// Reads LEFT or RIGHT.
fn parse_end(args: &mut Args<'_>) -> Result<End, CommandError> {
    if args.keyword("LEFT") {
        Ok(End::Front)
    } else if args.keyword("RIGHT") {
        Ok(End::Back)
    } else {
        Err(CommandError::Syntax)
    }
}

/// Reads an integer of at least `min`; `error` is for a smaller one and for what is no integer at all.
fn parse_at_least(args: &mut Args<'_>, min: i64, error: CommandError) -> Result<i64, CommandError> {
    match args.integer() {
        Ok(value) if value >= min => Ok(value),
        Err(CommandError::Syntax) => Err(CommandError::Syntax),
        _ => Err(error),
    }
}

/// The limit of small lists and of the chunks of large ones.
#[inline]
fn fill(context: &Context<'_>) -> Fill {
    Fill(context.db.limits.list_max_listpack_size)
}

/// The list that `value` is, or the error for another type.
#[inline]
fn list_of(value: Value<'_>) -> Result<&List, CommandError> {
    match value {
        Value::Object(Object::List(list)) => Ok(list),
        _ => Err(CommandError::WrongType),
    }
}

/// The list in `slot`, to be changed, or the error for another type.
#[inline]
fn list_mut<'s>(slot: &'s mut Slot<'_, Entry>) -> Result<&'s mut List, CommandError> {
    match slot.object_mut() {
        Some(Object::List(list)) => Ok(list),
        _ => Err(CommandError::WrongType),
    }
}

/// The argument at `index` as an element; a large one that arrived in a buffer of its own is kept without a copy.
#[inline]
fn element_argument<'a>(request: Request<'a>, index: usize) -> list::Value<'a> {
    match request.shared(index) {
        Some(shared) => list::Value::Shared(std::sync::Arc::clone(shared)),
        None => list::Value::Bytes(request.get(index)),
    }
}

/// Puts a new list under `key`, where there is nothing.
fn create(context: &mut Context<'_>, key: &[u8], list: List) {
    context.set(key, NewValue::Object(Object::List(list)), NEVER);
}

/// Says that `key` has changed by `changes` elements, and removes it if its list is `empty` now.
#[inline]
fn settle(context: &mut Context<'_>, key: &[u8], empty: bool, changes: usize) {
    if empty {
        context.db.remove(context.session.db, key);
    }
    // Redis counts the elements, and a change of none is none for its counter.
    let dirty = context.db.dirty;
    context.changed(key);
    context.db.dirty = dirty + changes as u64;
}

/// The name of the event of a push at `end`.
fn push_event(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
}

/// The name of the event of a pop at `end`.
fn pop_event(end: End) -> &'static str {
    match end {
        End::Front => "lpop",
        End::Back => "rpop",
    }
}

/// The name of the command that pops at `end`.
fn pop_command(end: End) -> &'static [u8] {
    match end {
        End::Front => b"LPOP",
        End::Back => b"RPOP",
    }
}

/// Answers an element from where it lies.
#[inline]
fn reply_element(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Bytes(bytes) => reply.bulk(bytes),
        Element::Int(value) => reply.bulk_integer(value),
        Element::Shared(bytes) => reply.shared(bytes),
    }
}

/// The range of `len` elements that Redis means by `start` and `stop` (inclusive, negative from the end); it is within
/// the list, and empty where it lies outside.
fn clamp_range(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_end = |index: i64| {
        if index < 0 {
            index.saturating_add(len as i64)
        } else {
            index
        }
    };
    let start = from_end(start).max(0) as usize;
    let end = from_end(stop).saturating_add(1).max(0) as usize;
    if start >= len {
        0..0
    } else {
        start..end.clamp(start, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_to_the_list() {
        let cases = [
            (0, -1, 5, 0..5),
            (1, 3, 5, 1..4),
            (-3, -1, 5, 2..5),
            (-3, -2, 5, 2..4),
            (0, 100, 5, 0..5),
            (-100, 2, 5, 0..3),
            (3, 1, 5, 3..3),
            (-1, -5, 5, 4..4),
            (5, 10, 5, 0..0),
            (0, -6, 5, 0..0),
            (0, 0, 0, 0..0),
            (i64::MIN, i64::MAX, 5, 0..5),
            (i64::MAX, i64::MAX, 5, 0..0),
            (0, i64::MIN, 5, 0..0),
        ];
        for (start, stop, len, want) in cases {
            assert_eq!(
                clamp_range(start, stop, len),
                want,
                "{start} {stop} of {len}"
            );
        }
    }
}
