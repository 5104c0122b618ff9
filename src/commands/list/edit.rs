//! Changes within a list: LSET, LINSERT, LREM, LTRIM.

use super::{clamp_range, element_argument, fill, list_mut, settle};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::journal::Events;

/// LSET key index element
pub static LSET: CommandSpec = CommandSpec::new("LSET", Group::List, lset)
    .doc(
        "Replaces the element of a list at an index, which counts from the end if it is negative.",
        "1.0.0",
        "O(log(N)), N being the length of the list.",
    )
    .arity(4)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("index"),
        Arg::string("element"),
    ]);

fn lset(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, db, fill) = (request.get(1), context.index(), fill(context));
    // Redis looks at the key before the index.
    let mut slot = context.db.write(db, key).ok_or(CommandError::NoSuchKey)?;
    let list = list_mut(&mut slot)?;
    let index = Args::new(request, 2).integer()?;
    let index = list.resolve(index).ok_or(CommandError::IndexOutOfRange)?;
    list.set(index, element_argument(request, 3), fill);
    drop(slot);
    settle(context, key, false, 1);
    context.event(Events::LIST, "lset", key);
    context.reply.ok();
    Ok(())
}

/// LINSERT key BEFORE | AFTER pivot element
pub static LINSERT: CommandSpec = CommandSpec::new("LINSERT", Group::List, linsert)
    .doc(
        "Puts an element in front of or behind the first one that equals a given one.",
        "2.2.0",
        "O(N), N being the number of elements looked at until the given one is met.",
    )
    .arity(5)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::INSERT))])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "where",
            &[Arg::token("before", "BEFORE"), Arg::token("after", "AFTER")],
        ),
        Arg::string("pivot"),
        Arg::string("element"),
    ]);

fn linsert(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let behind = args.keyword("AFTER");
    if !behind && !args.keyword("BEFORE") {
        return Err(CommandError::Syntax);
    }
    let (key, db, fill) = (request.get(1), context.index(), fill(context));
    let Some(mut slot) = context.db.write(db, key) else {
        context.reply.count(0);
        return Ok(());
    };
    let list = list_mut(&mut slot)?;
    if !list.insert_at_pivot(request.get(3), behind, element_argument(request, 4), fill) {
        drop(slot);
        context.reply.integer(-1);
        return Ok(());
    }
    let len = list.len();
    drop(slot);
    settle(context, key, false, 1);
    context.event(Events::LIST, "linsert", key);
    context.reply.count(len);
    Ok(())
}

/// LREM key count element
pub static LREM: CommandSpec = CommandSpec::new("LREM", Group::List, lrem)
    .doc(
        "Removes the first, the last or all elements of a list that equal a given one.",
        "1.0.0",
        "O(N+M*log(N)), N being the length of the list and M the number of elements removed.",
    )
    .arity(4)
    .flags(&[Flags::WRITE])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count"),
        Arg::string("element"),
    ]);

fn lrem(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let count = Args::new(request, 2).integer()?;
    let (key, db, fill) = (request.get(1), context.index(), fill(context));
    let Some(mut slot) = context.db.write(db, key) else {
        context.reply.count(0);
        return Ok(());
    };
    let list = list_mut(&mut slot)?;
    let removed = list.remove_equal(request.get(3), count, fill);
    let empty = list.is_empty();
    drop(slot);
    if removed > 0 {
        settle(context, key, empty, removed);
        context.event_and_end(Events::LIST, "lrem", key, empty);
    }
    context.reply.count(removed);
    Ok(())
}

/// LTRIM key start stop
pub static LTRIM: CommandSpec = CommandSpec::new("LTRIM", Group::List, ltrim)
    .doc(
        "Removes all elements of a list but those from one index to another; an empty list goes.",
        "1.0.0",
        "O(log(N)+M), N being the length of the list and M the number of elements removed.",
    )
    .arity(4)
    .flags(&[Flags::WRITE])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("start"),
        Arg::integer("stop"),
    ]);

fn ltrim(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let (start, stop) = (args.integer()?, args.integer()?);
    let (key, db, fill) = (request.get(1), context.index(), fill(context));
    let Some(mut slot) = context.db.write(db, key) else {
        context.reply.ok();
        return Ok(());
    };
    let list = list_mut(&mut slot)?;
    let before = list.len();
    list.trim(clamp_range(start, stop, before), fill);
    let (empty, removed) = (list.is_empty(), before - list.len());
    drop(slot);
    settle(context, key, empty, removed);
    context.event_and_end(Events::LIST, "ltrim", key, empty);
    context.reply.ok();
    Ok(())
}
