//! INCR and its kin: strings as counters.

use super::Str;
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
    KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::entry::{NEVER, NewValue};
use crate::store::journal::Events;
use crate::text::long_double::LongDouble;
use crate::text::number::parse_i64;

const COUNTER_KEY: &[KeySpec] = &[KeySpec::at(
    1,
    KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
)];

/// What the specs of the counters have in common.
const fn counter(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    since: &'static str,
    args: &'static [Arg],
) -> CommandSpec {
    CommandSpec::new(name, Group::String, handler)
        .doc(summary, since, "O(1)")
        .arity(args.len() as i16 + 1)
        .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
        .keys(COUNTER_KEY)
        .args(args)
}

/// INCR key
pub static INCR: CommandSpec = counter(
    "INCR",
    incr,
    "Adds one to the integer stored at a key; a missing key counts as 0.",
    "1.0.0",
    &[Arg::key("key", 0)],
);

fn incr(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    add(context, request.get(1), 1)
}

/// DECR key
pub static DECR: CommandSpec = counter(
    "DECR",
    decr,
    "Subtracts one from the integer stored at a key; a missing key counts as 0.",
    "1.0.0",
    &[Arg::key("key", 0)],
);

fn decr(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    add(context, request.get(1), -1)
}

/// INCRBY key increment
pub static INCRBY: CommandSpec = counter(
    "INCRBY",
    incrby,
    "Adds a number to the integer stored at a key; a missing key counts as 0.",
    "1.0.0",
    &[Arg::key("key", 0), Arg::integer("increment")],
);

fn incrby(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let increment = Args::new(request, 2).integer()?;
    add(context, request.get(1), increment)
}

/// DECRBY key decrement
pub static DECRBY: CommandSpec = counter(
    "DECRBY",
    decrby,
    "Subtracts a number from the integer stored at a key; a missing key counts as 0.",
    "1.0.0",
    &[Arg::key("key", 0), Arg::integer("decrement")],
);

fn decrby(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let decrement = Args::new(request, 2).integer()?;
    let Some(increment) = decrement.checked_neg() else {
        return Err(CommandError::fixed("ERR decrement would overflow"));
    };
    add(context, request.get(1), increment)
}

/// Adds to the integer at `key`, in place where there is one.
#[inline]
fn add(context: &mut Context<'_>, key: &[u8], increment: i64) -> CommandResult {
    let index = context.index();
    let sum = if let Some(mut slot) = context.db.write(index, key) {
        let value = match Str::of(slot.value())? {
            Str::Int(value) => Some(value),
            Str::Bytes(bytes) => parse_i64(bytes),
            Str::Shared(_) => None,
        };
        let value = value.ok_or(CommandError::NotInteger)?;
        let sum = value.checked_add(increment).ok_or(CommandError::Overflow)?;
        slot.set_int(sum);
        sum
    } else {
        context.set(key, NewValue::Int(increment), NEVER);
        increment
    };
    context.changed(key);
    // Redis names all of them so, down as up.
    context.event(Events::STRING, "incrby", key);
    context.reply.integer(sum);
    Ok(())
}

/// INCRBYFLOAT key increment
pub static INCRBYFLOAT: CommandSpec = counter(
    "INCRBYFLOAT",
    incrbyfloat,
    "Adds a floating-point number to the number stored at a key; a missing key counts as 0.",
    "2.6.0",
    &[Arg::key("key", 0), Arg::new("increment", ArgKind::Double)],
);

fn incrbyfloat(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    let (value, deadline_ms) = match context.peek(key) {
        Some(entry) => {
            let text = Str::of(entry.value())?;
            let value = LongDouble::parse(text.bytes(&mut itoa::Buffer::new()))
                .ok_or(CommandError::NotFloat)?;
            (value, entry.deadline_ms())
        }
        None => (LongDouble::ZERO, NEVER),
    };
    let increment = LongDouble::parse(request.get(2)).ok_or(CommandError::NotFloat)?;
    let sum = (value + increment)
        .finite()
        .ok_or(CommandError::NanOrInfinity)?
        .to_text();
    context.set(key, NewValue::Text(sum.as_bytes()), deadline_ms);
    context.changed(key);
    context.event(Events::STRING, "incrbyfloat", key);
    context.repeat_as(&[b"SET", key, sum.as_bytes(), b"KEEPTTL"]);
    context.reply.text(&sum);
    Ok(())
}
