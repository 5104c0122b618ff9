//! Several strings in one command: MGET, MSET, MSETNX, MSETEX.

use super::Str;
use super::get_set::{Expiry, SET_EXPIRATION, repeat_expiry};
use crate::command::context::value_argument;
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::resp::Request;
use crate::store::entry::NEVER;
use crate::store::journal::Events;

const COST: &str = "O(N), N being the number of keys.";

/// MGET key [key ...]
pub static MGET: CommandSpec = CommandSpec::new("MGET", Group::String, mget)
    .doc(
        "Answers the strings stored at several keys; null for a key without a string.",
        "1.0.0",
        COST,
    )
    .arity(-2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::range(
        1,
        -1,
        1,
        KeyFlags::RO.with(KeyFlags::ACCESS),
    )])
    .args(&[Arg::key("key", 0).multiple()])
    .tips(&["request_policy:multi_shard"]);

fn mget(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    reply.array(request.len() - 1);
    for key in request.iter_from(1) {
        match db.read(session.db, key).map(|entry| Str::of(entry.value())) {
            Some(Ok(Str::Int(number))) => reply.bulk_integer(number),
            Some(Ok(Str::Bytes(bytes))) => reply.bulk(bytes),
            Some(Ok(Str::Shared(shared))) => reply.shared(shared),
            Some(Err(_)) | None => reply.null(),
        }
    }
    Ok(())
}

const PAIR: &[Arg] = &[Arg::key("key", 0), Arg::string("value")];

/// What the specs of MSET and MSETNX have in common.
const fn setter_of_several(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::String, handler)
        .doc(summary, "1.0.1", COST)
        .arity(-3)
        .flags(&[Flags::WRITE, Flags::DENYOOM])
        .args(const { &[Arg::block("data", PAIR).multiple()] })
}

/// MSET key value [key value ...]
pub static MSET: CommandSpec = setter_of_several("MSET", mset, "Stores strings at several keys.")
    .keys(&[KeySpec::range(
        1,
        -1,
        2,
        KeyFlags::OW.with(KeyFlags::UPDATE),
    )])
    .tips(&[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ]);

fn mset(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    check_pairs(context, request)?;
    for at in (1..request.len()).step_by(2) {
        let key = request.get(at);
        context.overwrite(key, value_argument(request, at + 1), NEVER);
        context.changed(key);
        context.event(Events::STRING, "set", key);
    }
    context.reply.ok();
    Ok(())
}

/// MSETNX key value [key value ...]
pub static MSETNX: CommandSpec = setter_of_several(
    "MSETNX",
    msetnx,
    "Stores strings at several keys if none of the keys exists.",
)
.keys(&[KeySpec::range(
    1,
    -1,
    2,
    KeyFlags::OW.with(KeyFlags::INSERT),
)]);

fn msetnx(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    check_pairs(context, request)?;
    let absent = (1..request.len())
        .step_by(2)
        .all(|at| context.peek(request.get(at)).is_none());
    if absent {
        for at in (1..request.len()).step_by(2) {
            let key = request.get(at);
            context.set(key, value_argument(request, at + 1), NEVER);
            context.changed(key);
            context.event(Events::STRING, "set", key);
        }
    }
    context.reply.flag(absent);
    Ok(())
}

fn check_pairs(context: &Context<'_>, request: Request<'_>) -> CommandResult {
    if request.len().is_multiple_of(2) {
        Err(context.wrong_arity())
    } else {
        Ok(())
    }
}

const EITHER: &[Arg] = &[Arg::token("nx", "NX"), Arg::token("xx", "XX")];

/// MSETEX numkeys key value [key value ...] [NX | XX] [EX | PX | EXAT | PXAT time | KEEPTTL]
pub static MSETEX: CommandSpec = CommandSpec::new("MSETEX", Group::String, msetex)
    .doc(
        "Stores strings at several keys with one condition and one expiry for all.",
        "9.1.0",
        COST,
    )
    .arity(-4)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[KeySpec {
        flags: KeyFlags::OW.with(KeyFlags::UPDATE),
        begin: crate::command::Begin::Index(1),
        find: crate::command::Find::KeyNum {
            number: 0,
            first: 1,
            step: 2,
        },
        notes: None,
    }])
    .args(&[
        Arg::integer("numkeys"),
        Arg::block("data", PAIR).multiple(),
        Arg::one_of("condition", EITHER).optional(),
        Arg::one_of("expiration", SET_EXPIRATION).optional(),
    ])
    .tips(&[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ]);

fn msetex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    let pairs = args
        .integer()
        .ok()
        .and_then(|count| usize::try_from(count).ok())
        .filter(|&count| count > 0);
    let pairs = pairs.ok_or(CommandError::fixed("ERR invalid numkeys value"))?;
    if pairs > args.remaining() / 2 {
        return Err(context.wrong_arity());
    }
    let keys = || (0..pairs).map(|pair| 2 + pair * 2);
    let mut args = Args::new(request, 2 + pairs * 2);
    let (mut expiry, mut present) = (Expiry::Drop, None);
    while !args.is_empty() {
        let condition = if args.keyword("NX") {
            Some(false)
        } else if args.keyword("XX") {
            Some(true)
        } else if expiry.parse(&mut args)? {
            continue;
        } else {
            None
        };
        if condition.is_none() || present.is_some() {
            return Err(CommandError::Syntax);
        }
        present = condition;
    }
    if !matches!(expiry, Expiry::Keep) {
        // The time is checked once, before anything is stored.
        expiry.deadline_ms(context, request.get(2), "msetex")?;
    }
    let holds =
        present.is_none_or(|want| keys().all(|at| context.peek(request.get(at)).is_some() == want));
    if holds {
        for at in keys() {
            let key = request.get(at);
            let deadline_ms = expiry.deadline_ms(context, key, "msetex")?;
            context.overwrite(key, value_argument(request, at + 1), deadline_ms);
            context.changed(key);
            context.event(Events::STRING, "set", key);
            if expiry.is_given() {
                context.event(Events::GENERIC, "expire", key);
            }
        }
        // If a time was given, it is the same for all.
        let deadline_ms = expiry.deadline_ms(context, request.get(2), "msetex")?;
        context.repeat(|effects| {
            effects.word(b"MSETEX").number(pairs);
            for word in request.iter_from(2).take(2 * pairs) {
                effects.word(word);
            }
            repeat_expiry(effects, expiry, deadline_ms);
        });
    }
    context.reply.flag(holds);
    Ok(())
}
