//! Changing fields: HSET, HMSET, HSETNX, HDEL, HINCRBY, HINCRBYFLOAT.

use super::event;
use super::{Missing, change, settle};
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
    KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::encoding::flat::Item;
use crate::store::entry::NEVER;
use crate::store::types::hash::Ttl;
use crate::text::long_double::LongDouble;
use crate::text::number::parse_i64;

const PAIRS: &[Arg] = &[
    Arg::key("key", 0),
    Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
];

/// What the specs of the commands that put values into fields have in common.
const fn setter(name: &'static str, handler: Handler, arity: i16, key: KeyFlags) -> CommandSpec {
    let spec = CommandSpec::new(name, Group::Hash, handler).arity(arity);
    spec.flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
        .keys(match key.has(KeyFlags::INSERT) {
            true => const { &[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::INSERT))] },
            false if key.has(KeyFlags::ACCESS) => {
                const {
                    &[KeySpec::at(
                        1,
                        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
                    )]
                }
            }
            false => const { &[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))] },
        })
}

/// HSET key field value [field value ...]
pub static HSET: CommandSpec = setter("HSET", hset, -4, KeyFlags::UPDATE)
    .element_at(2)
    .doc(
        "Sets fields of a hash; a missing key counts as an empty hash.",
        "2.0.0",
        "O(1) for each field, so O(N) for N fields.",
    )
    .args(PAIRS)
    .history(&[("4.0.0", "Takes several fields with their values.")]);

fn hset(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let created = set_pairs(context, request)?;
    context.reply.count(created);
    Ok(())
}

/// HMSET key field value [field value ...]
pub static HMSET: CommandSpec = setter("HMSET", hmset, -4, KeyFlags::UPDATE)
    .doc(
        "Sets fields of a hash; a missing key counts as an empty hash.",
        "2.0.0",
        "O(N), N being the number of fields.",
    )
    .args(PAIRS)
    .deprecated("4.0.0", "`HSET` with multiple field-value pairs");

fn hmset(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_pairs(context, request)?;
    context.reply.ok();
    Ok(())
}

/// Sets the fields of HSET, and answers how many of them are new.
#[inline]
fn set_pairs(context: &mut Context<'_>, request: Request<'_>) -> Result<usize, CommandError> {
    if request.len() % 2 == 1 {
        return Err(context.wrong_arity());
    }
    let (key, index, pairs) = (request.get(1), context.index(), request.len() / 2 - 1);
    let created = change(context.db, index, key, Missing::Create, |edit| {
        edit.hash.prepare(pairs, edit.limits);
        let set = |at: &usize| edit.set(request.get(*at), request.get(at + 1), Ttl::Clear);
        Ok((2..request.len()).step_by(2).filter(set).count())
    })?;
    settle(context, key, pairs);
    event(context, "hset", key);
    Ok(created.unwrap_or(0))
}

/// HSETNX key field value
pub static HSETNX: CommandSpec = setter("HSETNX", hsetnx, 4, KeyFlags::INSERT)
    .element_at(2)
    .doc(
        "Sets a field of a hash unless it is there already.",
        "2.0.0",
        "O(1)",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("field"),
        Arg::string("value"),
    ]);

fn hsetnx(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, name, value) = (request.get(1), request.get(2), request.get(3));
    let index = context.index();
    let is_new = change(context.db, index, key, Missing::Create, |edit| {
        Ok(edit.get(name).is_none() && edit.set(name, value, Ttl::Clear))
    })?;
    let is_new = is_new == Some(true);
    if is_new {
        settle(context, key, 1);
        event(context, "hset", key);
    }
    context.reply.flag(is_new);
    Ok(())
}

/// HDEL key field [field ...]
pub static HDEL: CommandSpec = CommandSpec::new("HDEL", Group::Hash, hdel)
    .doc(
        "Removes fields of a hash; an empty hash goes.",
        "2.0.0",
        "O(N), N being the number of fields to be removed.",
    )
    .arity(-3)
    .element_at(2)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[Arg::key("key", 0), Arg::string("field").multiple()])
    .history(&[("2.4.0", "Takes several fields.")]);

fn hdel(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index) = (request.get(1), context.index());
    let removed = change(context.db, index, key, Missing::Skip, |edit| {
        let names = request.iter_from(2);
        Ok(names.filter(|name| edit.hash.remove(name)).count())
    })?;
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        settle(context, key, removed);
        event(context, "hdel", key);
    }
    context.reply.count(removed);
    Ok(())
}

/// HINCRBY key field increment
pub static HINCRBY: CommandSpec = setter("HINCRBY", hincrby, 4, KeyFlags::ACCESS)
    .doc(
        "Adds a number to the integer in a field of a hash; a missing field counts as 0.",
        "2.0.0",
        "O(1)",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("field"),
        Arg::integer("increment"),
    ]);

const NOT_INTEGER: CommandError = CommandError::fixed("ERR hash value is not an integer");

fn hincrby(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, name) = (request.get(1), request.get(2));
    let increment = Args::new(request, 3).integer()?;
    let index = context.index();
    let sum = change(context.db, index, key, Missing::Create, |edit| {
        let value = match edit.get(name) {
            None => 0,
            Some(Item::Int(value)) => value,
            Some(Item::Bytes(text)) => parse_i64(text).ok_or(NOT_INTEGER)?,
        };
        let sum = value.checked_add(increment).ok_or(CommandError::Overflow)?;
        let mut digits = itoa::Buffer::new();
        let text = digits.format(sum).as_bytes();
        edit.set(name, text, Ttl::Keep);
        Ok(sum)
    })?;
    settle(context, key, 1);
    event(context, "hincrby", key);
    context.reply.integer(sum.unwrap_or(increment));
    Ok(())
}

/// HINCRBYFLOAT key field increment
pub static HINCRBYFLOAT: CommandSpec = setter("HINCRBYFLOAT", hincrbyfloat, 4, KeyFlags::ACCESS)
    .doc(
        "Adds a floating-point number to the number in a field of a hash; a missing field counts as 0.",
        "2.6.0",
        "O(1)",
    )
    .args(&[
        Arg::key("key", 0),
        Arg::string("field"),
        Arg::new("increment", ArgKind::Double),
    ]);

const NOT_FLOAT: CommandError = CommandError::fixed("ERR hash value is not a float");
const INFINITE: CommandError = CommandError::fixed("ERR value is NaN or Infinity");

fn hincrbyfloat(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, name) = (request.get(1), request.get(2));
    let increment = LongDouble::parse(request.get(3)).ok_or(CommandError::NotFloat)?;
    let increment = increment.finite().ok_or(INFINITE)?;
    let index = context.index();
    let sum = change(context.db, index, key, Missing::Create, |edit| {
        let value = match edit.get(name) {
            None => LongDouble::ZERO,
            Some(item) => {
                LongDouble::parse(item.text(&mut itoa::Buffer::new())).ok_or(NOT_FLOAT)?
            }
        };
        let sum = (value + increment)
            .finite()
            .ok_or(CommandError::NanOrInfinity)?
            .to_text();
        edit.set(name, sum.as_bytes(), Ttl::Keep);
        let field = edit.hash.field(name);
        let is_timed = field.is_some_and(|field| field.deadline_ms != NEVER);
        Ok((sum, is_timed))
    })?;
    let (sum, is_timed) = sum.unwrap_or_default();
    settle(context, key, 1);
    event(context, "hincrbyfloat", key);
    // HSET would take the deadline away.
    let value = sum.as_bytes();
    if is_timed {
        context.repeat_as(&[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", name, value]);
    } else {
        context.repeat_as(&[b"HSET", key, name, value]);
    }
    context.reply.text(&sum);
    Ok(())
}
