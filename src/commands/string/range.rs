//! Parts of strings: APPEND, GETRANGE, SETRANGE, STRLEN.

use super::{Str, check_length, edit};
use crate::command::context::value_argument;
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::entry::NEVER;
use crate::store::journal::Events;

/// STRLEN key
pub static STRLEN: CommandSpec = CommandSpec::new("STRLEN", Group::String, strlen)
    .doc(
        "Answers the length of the string stored at a key, in bytes.",
        "2.2.0",
        "O(1)",
    )
    .arity(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO)])
    .args(&[Arg::key("key", 0)]);

fn strlen(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let len = match context.read(request.get(1)) {
        Some(entry) => Str::of(entry.value())?.len(),
        None => 0,
    };
    context.reply.count(len);
    Ok(())
}

/// APPEND key value
pub static APPEND: CommandSpec = CommandSpec::new("APPEND", Group::String, append)
    .doc(
        "Appends to the string stored at a key; a missing key counts as empty.",
        "2.0.0",
        "O(1), amortized: the string's room grows in proportion to its length.",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::INSERT))])
    .args(&[Arg::key("key", 0), Arg::string("value")]);

fn append(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, tail) = (request.get(1), request.get(2));
    let Some(entry) = context.peek(key) else {
        context.set(key, value_argument(request, 2), NEVER);
        context.changed(key);
        context.event(Events::STRING, "append", key);
        context.reply.count(tail.len());
        return Ok(());
    };
    let len = Str::of(entry.value())?.len() + tail.len();
    check_length(context, len)?;
    edit(context, key, len, |bytes, _| {
        bytes[len - tail.len()..].copy_from_slice(tail);
    })?;
    context.changed(key);
    context.event(Events::STRING, "append", key);
    context.reply.count(len);
    Ok(())
}

/// SETRANGE key offset value
pub static SETRANGE: CommandSpec = CommandSpec::new("SETRANGE", Group::String, setrange)
    .doc(
        "Overwrites a part of the string stored at a key, filling a gap before it with zero bytes.",
        "2.2.0",
        "O(M), M being the length of the value written.",
    )
    .arity(4)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("offset"),
        Arg::string("value"),
    ]);

fn setrange(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, part) = (request.get(1), request.get(3));
    let offset = Args::new(request, 2).integer()?;
    let offset =
        usize::try_from(offset).map_err(|_| CommandError::fixed("ERR offset is out of range"))?;
    let len = match context.peek(key) {
        Some(entry) => Str::of(entry.value())?.len(),
        None => 0,
    };
    if part.is_empty() {
        context.reply.count(len);
        return Ok(());
    }
    let end = offset
        .checked_add(part.len())
        .ok_or(CommandError::StringTooLong)?;
    check_length(context, end)?;
    edit(context, key, end, |bytes, _| {
        bytes[offset..end].copy_from_slice(part);
    })?;
    context.changed(key);
    context.event(Events::STRING, "setrange", key);
    context.reply.count(len.max(end));
    Ok(())
}

/// What the specs of GETRANGE and of its older name have in common.
const fn getter_of_range(name: &'static str, since: &'static str) -> CommandSpec {
    CommandSpec::new(name, Group::String, getrange)
        .doc(
            "Answers a part of the string stored at a key.",
            since,
            "O(N), N being the length of the answer.",
        )
        .arity(4)
        .flags(&[Flags::READONLY])
        .keys(const { &[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))] })
        .args(
            const {
                &[
                    Arg::key("key", 0),
                    Arg::integer("start"),
                    Arg::integer("end"),
                ]
            },
        )
}

/// GETRANGE key start end
pub static GETRANGE: CommandSpec = getter_of_range("GETRANGE", "2.4.0");

/// SUBSTR key start end
pub static SUBSTR: CommandSpec =
    getter_of_range("SUBSTR", "1.0.0").deprecated("2.0.0", "`GETRANGE`");

fn getrange(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    let mut args = Args::new(request, 2);
    let (start, end) = (args.integer()?, args.integer()?);
    let Context {
        db, session, reply, ..
    } = context;
    let Some(entry) = db.read(session.db, key) else {
        reply.bulk(b"");
        return Ok(());
    };
    let text = Str::of(entry.value())?;
    let mut digits = itoa::Buffer::new();
    let bytes = text.bytes(&mut digits);
    match clamp_range(start, end, bytes.len()) {
        Some(range) if range.len() == bytes.len() => match text {
            Str::Shared(shared) => reply.shared(shared),
            _ => reply.bulk(bytes),
        },
        Some(range) => reply.bulk(&bytes[range]),
        None => reply.bulk(b""),
    }
    Ok(())
}

/// The range of `len` bytes that Redis means by `start` and `end` (inclusive, negative from the end); `None` if empty.
fn clamp_range(start: i64, end: i64, len: usize) -> Option<std::ops::Range<usize>> {
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let len = len as i64;
    let from_end = |index: i64| {
        if index < 0 {
            (len + index).max(0)
        } else {
            index
        }
    };
    let (start, end) = (
        from_end(start.max(-len)),
        from_end(end.max(-len)).min(len - 1),
    );
    (start <= end && len > 0).then(|| start as usize..end as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_to_the_string() {
        let cases = [
            (0, -1, 5, Some(0..5)),
            (1, 3, 5, Some(1..4)),
            (-3, -1, 5, Some(2..5)),
            (0, 100, 5, Some(0..5)),
            (-100, 2, 5, Some(0..3)),
            (3, 1, 5, None),
            (-1, -5, 5, None),
            (5, 10, 5, None),
            (0, 0, 0, None),
            (i64::MIN, i64::MAX, 5, Some(0..5)),
            (0, i64::MIN, 5, Some(0..1)),
        ];
        for (start, end, len, want) in cases {
            assert_eq!(clamp_range(start, end, len), want, "{start} {end} of {len}");
        }
    }
}
