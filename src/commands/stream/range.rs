//! Looking at entries: XLEN, XRANGE, XREVRANGE.

use super::ids::{parse_end, parse_start};
use super::{count_or_none, reply_entry, stream_of};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;

/// XLEN key
pub static XLEN: CommandSpec = CommandSpec::new("XLEN", Group::Stream, xlen)
    .doc(
        "Answers the number of entries of a stream.",
        "5.0.0",
        "O(1)",
    )
    .arity(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO)])
    .args(&[Arg::key("key", 0)]);

fn xlen(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let len = match context.read(request.get(1)) {
        Some(entry) => stream_of(entry.value())?.len(),
        None => 0,
    };
    context.reply.count(len);
    Ok(())
}

const RANGE_COST: &str =
    "O(log(S)+N), S being the length of the stream and N the number of entries answered.";
const RANGE_HISTORY: &[(&str, &str)] = &[("6.2.0", "Takes open ends of the range.")];

const fn range_command(
    name: &'static str,
    handler: crate::command::Handler,
    summary: &'static str,
    args: &'static [Arg],
) -> CommandSpec {
    CommandSpec::new(name, Group::Stream, handler)
        .doc(summary, "5.0.0", RANGE_COST)
        .arity(-4)
        .flags(&[Flags::READONLY])
        .keys(const { &[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))] })
        .args(args)
        .history(RANGE_HISTORY)
}

/// `XRANGE key start end [COUNT count]`
pub static XRANGE: CommandSpec = range_command(
    "XRANGE",
    xrange,
    "Answers the entries of a stream from one id to another.",
    &[
        Arg::key("key", 0),
        Arg::string("start"),
        Arg::string("end"),
        Arg::integer("count").with_token("COUNT").optional(),
    ],
);

fn xrange(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    reply_range(context, request, false)
}

/// `XREVRANGE key end start [COUNT count]`
pub static XREVRANGE: CommandSpec = range_command(
    "XREVRANGE",
    xrevrange,
    "Answers the entries of a stream from one id back to another, the last first.",
    &[
        Arg::key("key", 0),
        Arg::string("end"),
        Arg::string("start"),
        Arg::integer("count").with_token("COUNT").optional(),
    ],
);

fn xrevrange(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    reply_range(context, request, true)
}

fn reply_range(context: &mut Context<'_>, request: Request<'_>, backwards: bool) -> CommandResult {
    let (start, end) = if backwards { (3, 2) } else { (2, 3) };
    let start = parse_start(request.get(start))?;
    let end = parse_end(request.get(end))?;
    let mut args = Args::new(request, 4);
    let mut count = None;
    while !args.is_empty() {
        if args.remaining() < 2 || !args.keyword("COUNT") {
            return Err(CommandError::Syntax);
        }
        count = Some(count_or_none(args.integer()?));
    }
    let Context {
        db, session, reply, ..
    } = context;
    let Some(entry) = db.read(session.db, request.get(1)) else {
        reply.array(0);
        return Ok(());
    };
    let log = stream_of(entry.value())?.log();
    if count == Some(0) {
        reply.null_array();
        return Ok(());
    }
    let range = log.indexes(start, end);
    let count = count.unwrap_or(usize::MAX).min(range.len());
    reply.array(count);
    if backwards {
        let entries = log.iter_until(range.end).take(count);
        entries.for_each(|entry| reply_entry(reply, &entry));
    } else {
        let entries = log.iter_from(range.start).take(count);
        entries.for_each(|entry| reply_entry(reply, &entry));
    }
    Ok(())
}
