//! Looking at fields: HGET, HMGET, HEXISTS, HSTRLEN, HLEN, HKEYS, HVALS, HGETALL, HSCAN.

use super::{hash_of, reply_item};
use crate::command::{
    Arg, ArgKind, Args, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::commands::scan_options::{ScanOptions, parse_cursor};
use crate::resp::{Reply, Request};
use crate::store::encoding::flat::Item;
use crate::store::types::hash::{Field, Hash};

const ACCESS: &[KeySpec] = &[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))];
const LOOK: &[KeySpec] = &[KeySpec::at(1, KeyFlags::RO)];
const KEY_AND_FIELD: &[Arg] = &[Arg::key("key", 0), Arg::string("field")];

/// What the specs of the commands that look at single fields have in common.
const fn getter(name: &'static str, handler: Handler, arity: i16) -> CommandSpec {
    CommandSpec::new(name, Group::Hash, handler)
        .arity(arity)
        .flags(&[Flags::READONLY, Flags::FAST])
        .keys(ACCESS)
}

/// HGET key field
pub static HGET: CommandSpec = getter("HGET", hget, 3)
    .doc("Answers the value of a field of a hash.", "2.0.0", "O(1)")
    .args(KEY_AND_FIELD);

fn hget(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    look(context, request, |reply, value| match value {
        Some(item) => reply_item(reply, item),
        None => reply.null(),
    })
}

/// HEXISTS key field
pub static HEXISTS: CommandSpec = getter("HEXISTS", hexists, 3)
    .keys(LOOK)
    .doc("Tells whether a hash has a field.", "2.0.0", "O(1)")
    .args(KEY_AND_FIELD);

fn hexists(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    look(context, request, |reply, value| reply.flag(value.is_some()))
}

/// HSTRLEN key field
pub static HSTRLEN: CommandSpec = getter("HSTRLEN", hstrlen, 3)
    .keys(LOOK)
    .doc(
        "Answers the length of the value of a field of a hash, in bytes.",
        "3.2.0",
        "O(1)",
    )
    .args(KEY_AND_FIELD);

fn hstrlen(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    look(context, request, |reply, value| {
        reply.count(value.map_or(0, |item| item.len()));
    })
}

/// Answers what `answer` makes of the value of a field.
#[inline]
fn look(
    context: &mut Context<'_>,
    request: Request<'_>,
    answer: impl FnOnce(&mut Reply<'_>, Option<Item<'_>>),
) -> CommandResult {
    let (key, name) = (request.get(1), request.get(2));
    let Context {
        db, session, reply, ..
    } = context;
    let now_ms = db.now_ms();
    let field = match db.read(session.db, key) {
        Some(entry) => hash_of(entry.value())?.field(name),
        None => None,
    };
    let living = field.filter(|field| field.lives_at(now_ms));
    let is_expired = field.is_some() && living.is_none();
    answer(reply, living.map(|field| field.value));
    if is_expired {
        db.expire_field(session.db, key, name);
    }
    Ok(())
}

/// HMGET key field [field ...]
pub static HMGET: CommandSpec = getter("HMGET", hmget, -3)
    .doc(
        "Answers the values of fields of a hash.",
        "2.0.0",
        "O(N), N being the number of fields asked for.",
    )
    .args(&[Arg::key("key", 0), Arg::string("field").multiple()]);

fn hmget(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    let Context {
        db, session, reply, ..
    } = context;
    let now_ms = db.now_ms();
    let hash = match db.read(session.db, key) {
        Some(entry) => Some(hash_of(entry.value())?),
        None => None,
    };
    let mut is_expired = false;
    reply.array(request.len() - 2);
    for name in request.iter_from(2) {
        match hash.and_then(|hash| hash.field(name)) {
            Some(field) if field.lives_at(now_ms) => reply_item(reply, field.value),
            gone => {
                is_expired |= gone.is_some();
                reply.null();
            }
        }
    }
    if is_expired {
        for name in request.iter_from(2) {
            db.expire_field(session.db, key, name);
        }
    }
    Ok(())
}

/// HLEN key
pub static HLEN: CommandSpec = getter("HLEN", hlen, 2)
    .keys(LOOK)
    .doc("Answers the number of fields of a hash.", "2.0.0", "O(1)")
    .args(&[Arg::key("key", 0)]);

fn hlen(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let len = match context.read(request.get(1)) {
        Some(entry) => hash_of(entry.value())?.len(),
        None => 0,
    };
    context.reply.count(len);
    Ok(())
}

/// What the specs of the commands that answer whole hashes have in common.
const fn lister(name: &'static str, handler: Handler, summary: &'static str) -> CommandSpec {
    CommandSpec::new(name, Group::Hash, handler)
        .doc(summary, "2.0.0", "O(N), N being the number of fields.")
        .arity(2)
        .flags(&[Flags::READONLY])
        .keys(ACCESS)
        .args(const { &[Arg::key("key", 0)] })
        .tips(&["nondeterministic_output_order"])
}

/// HKEYS key
pub static HKEYS: CommandSpec = lister("HKEYS", hkeys, "Answers all fields of a hash.");

fn hkeys(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    list(
        context,
        request,
        |reply, len| reply.array(len),
        |reply, field| {
            reply_item(reply, field.name);
        },
    )
}

/// HVALS key
pub static HVALS: CommandSpec = lister(
    "HVALS",
    hvals,
    "Answers the values of all fields of a hash.",
);

fn hvals(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    list(
        context,
        request,
        |reply, len| reply.array(len),
        |reply, field| {
            reply_item(reply, field.value);
        },
    )
}

/// HGETALL key
pub static HGETALL: CommandSpec = lister(
    "HGETALL",
    hgetall,
    "Answers all fields of a hash with their values.",
);

fn hgetall(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    list(
        context,
        request,
        |reply, len| reply.map(len),
        |reply, field| {
            reply_item(reply, field.name);
            reply_item(reply, field.value);
        },
    )
}

/// Answers what `answer` makes of each living field, behind a head that `head` writes for their number.
#[inline]
fn list(
    context: &mut Context<'_>,
    request: Request<'_>,
    head: impl Fn(&mut Reply<'_>, usize),
    answer: impl Fn(&mut Reply<'_>, Field<'_>),
) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let now_ms = db.now_ms();
    let Some(entry) = db.read(session.db, request.get(1)) else {
        head(reply, 0);
        return Ok(());
    };
    let hash = hash_of(entry.value())?;
    head(reply, living(hash, now_ms));
    for field in hash.iter().filter(|field| field.lives_at(now_ms)) {
        answer(reply, field);
    }
    Ok(())
}

/// How many fields have not expired. They are gone through only if some may have.
pub(super) fn living(hash: &Hash, now_ms: u64) -> usize {
    if hash.earliest_deadline_ms() > now_ms {
        return hash.len();
    }
    hash.iter().filter(|field| field.lives_at(now_ms)).count()
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`
pub static HSCAN: CommandSpec = CommandSpec::new("HSCAN", Group::Hash, hscan)
    .doc(
        "Answers some fields of a hash with their values, and a cursor with which to go on.",
        "2.8.0",
        "O(1) a call; O(N) for a whole iteration, N being the number of fields.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(ACCESS)
    .args(&[
        Arg::key("key", 0),
        Arg::integer("cursor"),
        Arg::new("pattern", ArgKind::Pattern)
            .with_token("MATCH")
            .optional(),
        Arg::integer("count").with_token("COUNT").optional(),
        Arg::token("novalues", "NOVALUES").optional().since("7.4.0"),
    ])
    .history(&[("7.4.0", "Added the `NOVALUES` option.")])
    .tips(&["nondeterministic_output"]);

fn hscan(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let cursor = parse_cursor(request, 2)?;
    let Context {
        db, session, reply, ..
    } = context;
    let now_ms = db.now_ms();
    let Some(entry) = db.read(session.db, request.get(1)) else {
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let hash = hash_of(entry.value())?;
    let mut values = true;
    let options = ScanOptions::parse(Args::new(request, 3), |args| {
        let is_novalues = args.keyword("NOVALUES");
        values &= !is_novalues;
        Ok(is_novalues)
    })?;
    options.answer(reply, cursor, |cursor, found| {
        hash.scan(cursor, &mut |field| {
            found.look();
            let mut digits = itoa::Buffer::new();
            let name = field.name.text(&mut digits);
            if field.lives_at(now_ms) && options.accepts(name) {
                found.bulk(name);
                if values {
                    found.bulk(field.value.text(&mut itoa::Buffer::new()));
                }
            }
        })
    });
    Ok(())
}
