//! The members of one set: SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER, SCARD, SMEMBERS, SSCAN.

use super::{create, limits, reply_item, set_mut, set_of, settle};
use crate::command::{
    Arg, ArgKind, Args, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::commands::scan_options::{ScanOptions, parse_cursor};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::types::set::Set;

/// `SADD key member [member ...]`
pub static SADD: CommandSpec = CommandSpec::new("SADD", Group::Set, sadd)
    .doc(
        "Adds members to a set; a missing key counts as an empty set.",
        "1.0.0",
        "O(1) for each member, so O(N) for N members.",
    )
    .arity(-3)
    .element_at(2)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::INSERT))])
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()])
    .history(&[("2.4.0", "Takes several members.")]);

fn sadd(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index, limits) = (request.get(1), context.index(), limits(context));
    let members = request.iter_from(2);
    let count = members.len();
    let added = if let Some(mut slot) = context.db.write(index, key) {
        let set = set_mut(&mut slot)?;
        set.reserve(count, limits);
        members.filter(|member| set.insert(member, limits)).count()
    } else {
        let mut set = Set::for_members(request.get(2), count, limits);
        let added = members.filter(|member| set.insert(member, limits)).count();
        create(context, key, set);
        added
    };
    if added > 0 {
        settle(context, key, false, added);
        context.event(Events::SET, "sadd", key);
    }
    context.reply.count(added);
    Ok(())
}

/// `SREM key member [member ...]`
pub static SREM: CommandSpec = CommandSpec::new("SREM", Group::Set, srem)
    .doc(
        "Removes members from a set; an empty set goes.",
        "1.0.0",
        "O(N), N being the number of members to remove.",
    )
    .arity(-3)
    .element_at(2)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()])
    .history(&[("2.4.0", "Takes several members.")]);

fn srem(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index) = (request.get(1), context.index());
    let Some(mut slot) = context.db.write(index, key) else {
        context.reply.count(0);
        return Ok(());
    };
    let set = set_mut(&mut slot)?;
    let removed = request
        .iter_from(2)
        .filter(|member| set.remove(member))
        .count();
    let empty = set.is_empty();
    drop(slot);
    if removed > 0 {
        settle(context, key, empty, removed);
        context.event_and_end(Events::SET, "srem", key, empty);
    }
    context.reply.count(removed);
    Ok(())
}

/// SMOVE source destination member
pub static SMOVE: CommandSpec = CommandSpec::new("SMOVE", Group::Set, smove)
    .doc("Moves a member from one set to another.", "1.0.0", "O(1)")
    .arity(4)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[
        KeySpec::at(
            1,
            KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
        ),
        KeySpec::at(2, KeyFlags::RW.with(KeyFlags::INSERT)),
    ])
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::string("member"),
    ]);

fn smove(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (source, destination, member) = (request.get(1), request.get(2), request.get(3));
    let (index, limits) = (context.index(), limits(context));
    let Some(entry) = context.peek(source) else {
        context.reply.flag(false);
        return Ok(());
    };
    // Both types are checked before anything changes.
    let is_member = set_of(entry.value())?.contains(member);
    if let Some(entry) = context.peek(destination) {
        set_of(entry.value())?;
    }
    context.reply.flag(is_member);
    if !is_member || source == destination {
        return Ok(());
    }
    let Some(mut slot) = context.db.write(index, source) else {
        return Ok(());
    };
    let set = set_mut(&mut slot)?;
    set.remove(member);
    let empty = set.is_empty();
    drop(slot);
    settle(context, source, empty, 1);
    context.event_and_end(Events::SET, "srem", source, empty);
    let added = if let Some(mut slot) = context.db.write(index, destination) {
        set_mut(&mut slot)?.insert(member, limits)
    } else {
        let mut set = Set::for_members(member, 1, limits);
        set.insert(member, limits);
        create(context, destination, set);
        true
    };
    if added {
        settle(context, destination, false, 1);
        context.event(Events::SET, "sadd", destination);
    }
    Ok(())
}

/// SISMEMBER key member
pub static SISMEMBER: CommandSpec = CommandSpec::new("SISMEMBER", Group::Set, sismember)
    .doc(
        "Tells whether a set has a member of that name.",
        "1.0.0",
        "O(1)",
    )
    .arity(3)
    .element_at(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO)])
    .args(&[Arg::key("key", 0), Arg::string("member")]);

fn sismember(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let is_member = match context.read(request.get(1)) {
        Some(entry) => set_of(entry.value())?.contains(request.get(2)),
        None => false,
    };
    context.reply.flag(is_member);
    Ok(())
}

/// `SMISMEMBER key member [member ...]`
pub static SMISMEMBER: CommandSpec = CommandSpec::new("SMISMEMBER", Group::Set, smismember)
    .doc(
        "Tells for each of several members whether a set has it.",
        "6.2.0",
        "O(N), N being the number of members asked for.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()]);

fn smismember(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let set = match db.read(session.db, request.get(1)) {
        Some(entry) => Some(set_of(entry.value())?),
        None => None,
    };
    let members = request.iter_from(2);
    reply.array(members.len());
    for member in members {
        reply.flag(set.is_some_and(|set| set.contains(member)));
    }
    Ok(())
}

/// SCARD key
pub static SCARD: CommandSpec = CommandSpec::new("SCARD", Group::Set, scard)
    .doc("Answers the number of members of a set.", "1.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO)])
    .args(&[Arg::key("key", 0)]);

fn scard(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let len = match context.read(request.get(1)) {
        Some(entry) => set_of(entry.value())?.len(),
        None => 0,
    };
    context.reply.count(len);
    Ok(())
}

/// SMEMBERS key
pub static SMEMBERS: CommandSpec = CommandSpec::new("SMEMBERS", Group::Set, smembers)
    .doc(
        "Answers all members of a set.",
        "1.0.0",
        "O(N), N being the number of members.",
    )
    .arity(2)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[Arg::key("key", 0)])
    .tips(&["nondeterministic_output_order"]);

fn smembers(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let Some(entry) = db.read(session.db, request.get(1)) else {
        reply.set(0);
        return Ok(());
    };
    let set = set_of(entry.value())?;
    reply.set(set.len());
    for item in set.iter() {
        reply_item(reply, item);
    }
    Ok(())
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub static SSCAN: CommandSpec = CommandSpec::new("SSCAN", Group::Set, sscan)
    .doc(
        "Answers some of a set's members and a cursor with which to go on.",
        "2.8.0",
        "O(1) a call; O(N) for a whole iteration, N being the number of members.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("cursor"),
        Arg::new("pattern", ArgKind::Pattern)
            .with_token("MATCH")
            .optional(),
        Arg::integer("count").with_token("COUNT").optional(),
    ])
    .tips(&["nondeterministic_output"]);

fn sscan(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let cursor = parse_cursor(request, 2)?;
    let Context {
        db, session, reply, ..
    } = context;
    // Redis looks at the key before the options.
    let Some(entry) = db.read(session.db, request.get(1)) else {
        reply.array(2);
        reply.text("0");
        reply.array(0);
        return Ok(());
    };
    let set = set_of(entry.value())?;
    let options = ScanOptions::parse(Args::new(request, 3), |_| Ok(false))?;
    let mut digits = itoa::Buffer::new();
    options.answer(reply, cursor, |cursor, found| {
        set.scan(cursor, &mut |item| {
            found.look();
            let text = item.text(&mut digits);
            if options.accepts(text) {
                found.bulk(text);
            }
        })
    });
    Ok(())
}
