//! Moving an element from one list to another, or from one end of a list to the other: LMOVE, RPOPLPUSH.

use super::{pop_event, push_event};
use std::sync::Arc;

use super::{ENDS, create, fill, list_mut, list_of, parse_end, reply_element, settle};
use crate::command::{
    Arg, Args, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::tree::End;
use crate::store::types::list::{Element, Fill, List, Value};

pub(super) const MOVE_KEYS: &[KeySpec] = &[
    KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
    ),
    KeySpec::at(2, KeyFlags::RW.with(KeyFlags::INSERT)),
];

/// LMOVE source destination LEFT | RIGHT LEFT | RIGHT
pub static LMOVE: CommandSpec = CommandSpec::new("LMOVE", Group::List, lmove)
    .doc("Moves an element from an end of one list to an end of another, or of the same, and answers it.", "6.2.0", "O(1)")
    .arity(5)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(MOVE_KEYS)
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::one_of("wherefrom", ENDS),
        Arg::one_of("whereto", ENDS),
    ]);

fn lmove(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 3);
    let (from, to) = (parse_end(&mut args)?, parse_end(&mut args)?);
    move_element(context, request.get(1), request.get(2), from, to)
}

/// RPOPLPUSH source destination
pub static RPOPLPUSH: CommandSpec = CommandSpec::new("RPOPLPUSH", Group::List, rpoplpush)
    .doc(
        "Moves the last element of a list in front of another, or of the same, and answers it.",
        "1.2.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(MOVE_KEYS)
    .args(&[Arg::key("source", 0), Arg::key("destination", 1)])
    .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments");

fn rpoplpush(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    move_element(
        context,
        request.get(1),
        request.get(2),
        End::Back,
        End::Front,
    )
}

/// An element between two lists. The keyspace lends one list at a time, so what is moved is kept here meanwhile.
enum Moved {
    Bytes(Vec<u8>),
    Int(i64),
    Shared(Arc<Vec<u8>>),
}

impl Moved {
    fn from_element(element: Element<'_>) -> Self {
        match element {
            Element::Bytes(bytes) => Moved::Bytes(bytes.to_vec()),
            Element::Int(value) => Moved::Int(value),
            Element::Shared(bytes) => Moved::Shared(Arc::clone(bytes)),
        }
    }

    fn push_to(&self, list: &mut List, end: End, fill: Fill) {
        let value = match self {
            Moved::Bytes(bytes) => Value::Bytes(bytes),
            Moved::Int(value) => Value::Int(*value),
            Moved::Shared(bytes) => Value::Shared(Arc::clone(bytes)),
        };
        list.push(end, value, fill);
    }
}

/// Moves an element and answers it, or null where the source has none.
pub(super) fn move_element(
    context: &mut Context<'_>,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
) -> CommandResult {
    let fill = fill(context);
    // Both types are checked before anything changes.
    if source != destination {
        let Some(entry) = context.peek(source) else {
            context.reply.null();
            return Ok(());
        };
        list_of(entry.value())?;
        if let Some(entry) = context.peek(destination) {
            list_of(entry.value())?;
        }
    }
    let Context {
        db, session, reply, ..
    } = context;
    let Some(mut slot) = db.write(session.db, source) else {
        reply.null();
        return Ok(());
    };
    let list = list_mut(&mut slot)?;
    let moved = list.pop(from, fill, |element| {
        reply_element(reply, element);
        Moved::from_element(element)
    });
    let Some(moved) = moved else {
        reply.null();
        return Ok(());
    };
    if source == destination {
        moved.push_to(list, to, fill);
        drop(slot);
        repeat_move(context, (source, destination), from, to);
        settle(context, source, false, 1);
        context.event(Events::LIST, push_event(to), source);
        context.event(Events::LIST, pop_event(from), source);
        return Ok(());
    }
    let empty = list.is_empty();
    drop(slot);
    if let Some(mut slot) = db.write(session.db, destination) {
        moved.push_to(list_mut(&mut slot)?, to, fill);
    } else {
        let mut list = List::new();
        moved.push_to(&mut list, to, fill);
        create(context, destination, list);
    }
    repeat_move(context, (source, destination), from, to);
    // The move counts as one change.
    settle(context, destination, false, 0);
    context.event(Events::LIST, push_event(to), destination);
    settle(context, source, empty, 1);
    context.event_and_end(Events::LIST, pop_event(from), source, empty);
    Ok(())
}

/// Has the move repeated by a command that does not wait; those that do not wait anyway are repeated as they came.
fn repeat_move(
    context: &mut Context<'_>,
    (source, destination): (&[u8], &[u8]),
    from: End,
    to: End,
) {
    match context.command.spec.name {
        "BLMOVE" => {
            let words = [b"LMOVE", source, destination, end_word(from), end_word(to)];
            context.repeat_as(&words);
        }
        "BRPOPLPUSH" => context.repeat_as(&[b"RPOPLPUSH", source, destination]),
        _ => {}
    }
}

/// An end of a list as LMOVE takes it.
fn end_word(end: End) -> &'static [u8] {
    match end {
        End::Front => b"LEFT",
        End::Back => b"RIGHT",
    }
}
