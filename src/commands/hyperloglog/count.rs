//! Counting distinct elements: PFADD, PFCOUNT and PFMERGE.

use super::{change, hyperloglog_of, sparse_max_bytes};
use crate::command::{
    Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::commands::string::{Str, edit};
use crate::resp::Request;
use crate::store::encoding::hyperloglog::{self, Encoding, Mark, Registers};
use crate::store::journal::Events;

/// PFADD key [element ...]
pub static PFADD: CommandSpec = CommandSpec::new("PFADD", Group::HyperLogLog, pfadd)
    .doc(
        "Adds elements to the HyperLogLog stored at a key, and answers whether its registers have changed.",
        "2.8.9",
        "O(1) an element",
    )
    .arity(-2)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::INSERT))])
    .args(&[
        Arg::key("key", 0),
        Arg::string("element").optional().multiple(),
    ]);

fn pfadd(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, max_bytes) = (request.get(1), sparse_max_bytes(context));
    // Most elements of a large set change nothing; then the string stays as it lies.
    let mut marks = request.iter_from(2).map(Mark::of);
    let (first, is_new) = match context.peek(key) {
        Some(entry) => {
            let bytes = hyperloglog_of(Str::of(entry.value())?)?;
            (first_new(&mut marks, bytes)?, false)
        }
        None => (None, true),
    };
    if first.is_none() && !is_new {
        context.db.touch(context.session.db, key);
        context.reply.flag(false);
        return Ok(());
    }
    let changes = change(context, key, |bytes| {
        let mut changes = u64::from(is_new);
        for mark in first.into_iter().chain(marks) {
            changes += u64::from(mark.put(bytes, max_bytes)?);
        }
        hyperloglog::forget_count(bytes);
        Ok(changes)
    })?;
    // Every element that changes something counts, but the key has changed once.
    context.changed(key);
    context.db.dirty += changes.saturating_sub(1);
    context.event(Events::STRING, "pfadd", key);
    context.reply.flag(true);
    Ok(())
}

/// The first of `marks` that is new to the HyperLogLog in `bytes`; those before it are taken.
fn first_new(
    marks: &mut impl Iterator<Item = Mark>,
    bytes: &[u8],
) -> Result<Option<Mark>, CommandError> {
    for mark in marks {
        if mark.is_new_to(bytes)? {
            return Ok(Some(mark));
        }
    }
    Ok(None)
}

/// PFCOUNT key [key ...]
pub static PFCOUNT: CommandSpec = CommandSpec::new("PFCOUNT", Group::HyperLogLog, pfcount)
    .doc(
        "Answers about how many distinct elements the HyperLogLogs stored at the keys have together.",
        "2.8.9",
        "O(1) for one key, which remembers its count until it changes; O(N) for N keys.",
    )
    .arity(-2)
    .flags(&[Flags::READONLY, Flags::MAY_REPLICATE])
    .keys(&[KeySpec::range(
        1,
        -1,
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS),
    )
    .notes(
        "RW because it may change the internal representation of the key, and propagate to replicas",
    )])
    .args(&[Arg::key("key", 0).multiple()]);

fn pfcount(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let count = if request.len() == 2 {
        count_one(context, request.get(1))?
    } else {
        union(context, request)?.0.count()
    };
    context.reply.integer(count as i64);
    Ok(())
}

/// The count of the HyperLogLog at `key`, which remembers it from now on.
fn count_one(context: &mut Context<'_>, key: &[u8]) -> Result<u64, CommandError> {
    let Some(entry) = context.read(key) else {
        return Ok(0);
    };
    let bytes = hyperloglog_of(Str::of(entry.value())?)?;
    if let Some(count) = hyperloglog::remembered_count(bytes) {
        return Ok(count);
    }
    let count = hyperloglog::count(bytes)?;
    edit(context, key, 0, |bytes, _| {
        hyperloglog::remember_count(bytes, count);
    })?;
    context.changed(key);
    Ok(count)
}

/// PFMERGE destkey [sourcekey ...]
pub static PFMERGE: CommandSpec = CommandSpec::new("PFMERGE", Group::HyperLogLog, pfmerge)
    .doc(
        "Adds to the HyperLogLog stored at a key what those at other keys have counted.",
        "2.8.9",
        "O(N), N being the number of HyperLogLogs.",
    )
    .arity(-2)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[
        KeySpec::at(
            1,
            KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::INSERT),
        ),
        KeySpec::range(2, -1, 1, KeyFlags::RO.with(KeyFlags::ACCESS)),
    ])
    .args(&[
        Arg::key("destkey", 0),
        Arg::key("sourcekey", 1).optional().multiple(),
    ]);

fn pfmerge(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (target, max_bytes) = (request.get(1), sparse_max_bytes(context));
    let (registers, dense) = union(context, request)?;
    change(context, target, |bytes| {
        registers.put(bytes, dense, max_bytes)
    })?;
    context.changed(target);
    // Redis names it like the other one.
    context.event(Events::STRING, "pfadd", target);
    context.reply.ok();
    Ok(())
}

/// The union of the HyperLogLogs at all keys of a request, and whether one of them is dense.
fn union(
    context: &mut Context<'_>,
    request: Request<'_>,
) -> Result<(Registers, bool), CommandError> {
    let (mut registers, mut dense) = (Registers::default(), false);
    for key in request.iter_from(1) {
        if let Some(entry) = context.read(key) {
            let bytes = hyperloglog_of(Str::of(entry.value())?)?;
            dense |= hyperloglog::encoding(bytes) == Encoding::Dense;
            registers.merge(bytes)?;
        }
    }
    Ok((registers, dense))
}
