//! Giving a value another key or database: RENAME, RENAMENX, COPY, MOVE.
//!
//! The deadline goes with the value. Nothing here depends on the size of the value: collections and long strings are
//! shared until one of the two is changed.

use super::within;
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::db::type_name;
use crate::store::db::{Db, DbIndex};
use crate::store::journal::Events;

/// RENAME key newkey
pub static RENAME: CommandSpec = CommandSpec::new("RENAME", Group::Generic, rename)
    .doc(
        "Gives a key another name; a key of that name is overwritten.",
        "1.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::WRITE])
    .keys(&[
        KeySpec::at(
            1,
            KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
        ),
        KeySpec::at(2, KeyFlags::OW.with(KeyFlags::UPDATE)),
    ])
    .args(&[Arg::key("key", 0), Arg::key("newkey", 1)]);

fn rename(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    rename_unless(context, request, false)?;
    context.reply.ok();
    Ok(())
}

/// RENAMENX key newkey
pub static RENAMENX: CommandSpec = CommandSpec::new("RENAMENX", Group::Generic, renamenx)
    .doc(
        "Gives a key another name unless there is a key of that name.",
        "1.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[
        KeySpec::at(
            1,
            KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
        ),
        KeySpec::at(2, KeyFlags::OW.with(KeyFlags::INSERT)),
    ])
    .args(&[Arg::key("key", 0), Arg::key("newkey", 1)])
    .history(&[("3.2.0", "The same name twice is no error any more.")]);

fn renamenx(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let renamed = rename_unless(context, request, true)?;
    context.reply.flag(renamed);
    Ok(())
}

/// Renames, unless the new name is taken and `if_free` is set; false if nothing was done.
fn rename_unless(
    context: &mut Context<'_>,
    request: Request<'_>,
    if_free: bool,
) -> Result<bool, CommandError> {
    let (from, to, index) = (request.get(1), request.get(2), context.index());
    if context.db.touch(index, from).is_none() {
        return Err(CommandError::NoSuchKey);
    }
    if from == to || (if_free && context.db.contains(index, to)) {
        return Ok(false);
    }
    let Some(entry) = context.db.remove(index, from) else {
        return Err(CommandError::NoSuchKey);
    };
    let new_type = type_name(entry.value());
    let old = context.db.remove(index, to);
    let old_type = old.as_ref().map(|old| type_name(old.value()));
    context.db.insert(index, entry.with_key(to));
    context.changed_both((index, from), (index, to));
    context.event(Events::GENERIC, "rename_from", from);
    context.event(Events::GENERIC, "rename_to", to);
    context.overwritten(to, old_type, new_type);
    if let Some(old) = old {
        context.discard(old);
    }
    Ok(true)
}

/// `COPY source destination [DB destination-db] [REPLACE]`
pub static COPY: CommandSpec = CommandSpec::new("COPY", Group::Generic, copy)
    .doc(
        "Copies the value of a key to another key, also of another database.",
        "6.2.0",
        "O(1): the two share the value until one of them changes.",
    )
    .arity(-3)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[
        KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS)),
        KeySpec::at(2, KeyFlags::OW.with(KeyFlags::UPDATE)),
    ])
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::integer("destination-db").with_token("DB").optional(),
        Arg::token("replace", "REPLACE").optional(),
    ]);

fn copy(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (source, destination, index) = (request.get(1), request.get(2), context.index());
    let (mut to, mut replace) = (index, false);
    let mut args = Args::new(request, 3);
    while !args.is_empty() {
        if args.keyword("REPLACE") {
            replace = true;
        } else if args.keyword("DB") {
            to = next_database(&mut args, context.db)?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if to == index && source == destination {
        return Err(CommandError::SameObject);
    }
    let is_taken = context.db.contains(to, destination);
    let copied = match context.read(source) {
        Some(entry) if replace || !is_taken => Some(entry.with_key(destination)),
        _ => None,
    };
    context.reply.flag(copied.is_some());
    if let Some(entry) = copied {
        // It is a new key, whose uses begin now.
        entry.set_access(0);
        let new_type = type_name(entry.value());
        let old = context.db.remove(to, destination);
        let old_type = old.as_ref().map(|old| type_name(old.value()));
        context.db.insert(to, entry);
        context.changed_in(to, destination);
        context.event_in(to, Events::GENERIC, "copy_to", destination);
        context.overwritten_in(to, destination, old_type, new_type);
        if let Some(old) = old {
            context.discard(old);
        }
    }
    Ok(())
}

/// MOVE key db
pub static MOVE: CommandSpec = CommandSpec::new("MOVE", Group::Generic, move_key)
    .doc(
        "Moves a key to another database unless there is a key of that name.",
        "1.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
    )])
    .args(&[Arg::key("key", 0), Arg::integer("db")]);

fn move_key(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index) = (request.get(1), context.index());
    let to = next_database(&mut Args::new(request, 2), context.db)?;
    if to == index {
        return Err(CommandError::SameObject);
    }
    let moves = context.db.contains(index, key) && !context.db.contains(to, key);
    if moves && let Some(entry) = context.db.remove(index, key) {
        context.db.insert(to, entry);
        context.changed_both((index, key), (to, key));
        context.event(Events::GENERIC, "move_from", key);
        context.event_in(to, Events::GENERIC, "move_to", key);
    }
    context.reply.flag(moves);
    Ok(())
}

/// The number of a database as an argument.
fn next_database(args: &mut Args<'_>, db: &Db) -> Result<DbIndex, CommandError> {
    let number = within(args.integer()?, i32::MIN.into(), i32::MAX.into())?;
    DbIndex::try_from(number)
        .ok()
        .filter(|&number| number < db.databases())
        .ok_or(CommandError::DbIndexOutOfRange)
}
