//! Several sets at once: SINTER, SUNION, SDIFF, their forms that store the result, and SINTERCARD.
//!
//! The sets are cloned out of the keyspace, which costs a counter each; so a destination may be one of the sources.

use bytes::BytesMut;

use super::{limits, remove, reply_item, set_of};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::resp::{Reply, Request};
use crate::store::entry::{NewValue, Object};
use crate::store::journal::Events;
use crate::store::types::set::Set;
use crate::store::types::set::algebra::{
    common, difference, intersection, remainder, union, united,
};

const INTERSECTION_COST: &str =
    "O(N*M) at worst, N being the size of the smallest set and M the number of sets.";
const TOTAL_COST: &str = "O(N), N being the number of members of all sets together.";

/// A command that answers a result; every key is a source.
const fn reader(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    cost: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::Set, handler)
        .doc(summary, "1.0.0", cost)
        .arity(-2)
        .flags(&[Flags::READONLY])
        .keys(
            const {
                &[KeySpec::range(
                    1,
                    -1,
                    1,
                    KeyFlags::RO.with(KeyFlags::ACCESS),
                )]
            },
        )
        .args(const { &[Arg::key("key", 0).multiple()] })
        .tips(&["nondeterministic_output_order"])
}

/// A command that stores a result under its first key; the others are the sources.
const fn storer(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    cost: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::Set, handler)
        .doc(summary, "1.0.0", cost)
        .arity(-3)
        .flags(&[Flags::WRITE, Flags::DENYOOM])
        .keys(
            const {
                &[
                    KeySpec::at(1, KeyFlags::OW.with(KeyFlags::UPDATE)),
                    KeySpec::range(2, -1, 1, KeyFlags::RO.with(KeyFlags::ACCESS)),
                ]
            },
        )
        .args(const { &[Arg::key("destination", 0), Arg::key("key", 1).multiple()] })
}

/// `SINTER key [key ...]`
pub static SINTER: CommandSpec = reader(
    "SINTER",
    sinter,
    "Answers the members that all of several sets have.",
    INTERSECTION_COST,
);

fn sinter(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let sets = read_sets(context, request.iter_from(1))?;
    let mut found = Collected::new(context);
    if let Some(mut sets) = all_present(sets) {
        intersection(&mut sets, |item| {
            found.push(|reply| reply_item(reply, item));
            true
        });
    }
    found.answer(&mut context.reply);
    Ok(())
}

/// `SINTERSTORE destination key [key ...]`
pub static SINTERSTORE: CommandSpec = storer(
    "SINTERSTORE",
    sinterstore,
    "Stores the set of the members that all of several sets have.",
    INTERSECTION_COST,
);

fn sinterstore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let sets = read_sets(context, request.iter_from(2))?;
    let result = match all_present(sets) {
        Some(mut sets) => common(&mut sets, limits(context)),
        None => Set::new(),
    };
    store(context, request.get(1), result, "sinterstore");
    Ok(())
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub static SINTERCARD: CommandSpec = CommandSpec::new("SINTERCARD", Group::Set, sintercard)
    .doc(
        "Answers how many members several sets have in common.",
        "7.0.0",
        INTERSECTION_COST,
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::counted(1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::integer("limit").with_token("LIMIT").optional(),
    ]);

const NUMKEYS_BELOW_ONE: CommandError = CommandError::fixed("ERR numkeys should be greater than 0");
const TOO_MANY_KEYS: CommandError =
    CommandError::fixed("ERR Number of keys can't be greater than number of args");
const LIMIT_NEGATIVE: CommandError = CommandError::fixed("ERR LIMIT can't be negative");

fn sintercard(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    let numkeys = args.integer().ok().filter(|&numkeys| numkeys > 0);
    let numkeys = usize::try_from(numkeys.ok_or(NUMKEYS_BELOW_ONE)?)
        .ok()
        .filter(|&numkeys| numkeys <= args.remaining())
        .ok_or(TOO_MANY_KEYS)?;
    let mut args = Args::new(request, 2 + numkeys);
    // 0 is for no limit.
    let mut limit = 0;
    while !args.is_empty() {
        if !args.keyword("LIMIT") || args.is_empty() {
            return Err(CommandError::Syntax);
        }
        limit = args
            .integer()
            .ok()
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(LIMIT_NEGATIVE)?;
    }
    let sets = read_sets(context, request.iter_from(2).take(numkeys))?;
    let mut count = 0;
    if let Some(mut sets) = all_present(sets) {
        intersection(&mut sets, |_| {
            count += 1;
            count != limit
        });
    }
    context.reply.count(count);
    Ok(())
}

/// `SUNION key [key ...]`
pub static SUNION: CommandSpec = reader(
    "SUNION",
    sunion,
    "Answers the members that any of several sets has.",
    TOTAL_COST,
);

fn sunion(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let sets = present(read_sets(context, request.iter_from(1))?);
    let mut found = Collected::new(context);
    union(&sets, limits(context), |item| {
        found.push(|reply| reply_item(reply, item));
    });
    found.answer(&mut context.reply);
    Ok(())
}

/// `SUNIONSTORE destination key [key ...]`
pub static SUNIONSTORE: CommandSpec = storer(
    "SUNIONSTORE",
    sunionstore,
    "Stores the set of the members that any of several sets has.",
    TOTAL_COST,
);

fn sunionstore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let sets = present(read_sets(context, request.iter_from(2))?);
    let result = united(&sets, limits(context));
    drop(sets);
    store(context, request.get(1), result, "sunionstore");
    Ok(())
}

/// `SDIFF key [key ...]`
pub static SDIFF: CommandSpec = reader(
    "SDIFF",
    sdiff,
    "Answers the members of the first set that none of the others has.",
    TOTAL_COST,
);

fn sdiff(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let sets = read_sets(context, request.iter_from(1))?;
    let mut found = Collected::new(context);
    if let Some((first, mut others)) = minuend(sets) {
        difference(&first, &mut others, |item| {
            found.push(|reply| reply_item(reply, item));
        });
    }
    found.answer(&mut context.reply);
    Ok(())
}

/// `SDIFFSTORE destination key [key ...]`
pub static SDIFFSTORE: CommandSpec = storer(
    "SDIFFSTORE",
    sdiffstore,
    "Stores the set of the members of the first set that none of the others has.",
    TOTAL_COST,
);

fn sdiffstore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let sets = read_sets(context, request.iter_from(2))?;
    let result = match minuend(sets) {
        Some((first, mut others)) => remainder(&first, &mut others, limits(context)),
        None => Set::new(),
    };
    store(context, request.get(1), result, "sdiffstore");
    Ok(())
}

/// The sets under `keys`, none where there is no key; an error if one holds another type.
fn read_sets<'k>(
    context: &mut Context<'_>,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<Option<Set>>, CommandError> {
    keys.map(|key| match context.read(key) {
        Some(entry) => set_of(entry.value()).map(|set| Some(set.clone())),
        None => Ok(None),
    })
    .collect()
}

/// All sets; none if one of them is missing, so that nothing can be common to all.
fn all_present(sets: Vec<Option<Set>>) -> Option<Vec<Set>> {
    sets.into_iter().collect()
}

/// The sets that are there.
fn present(sets: Vec<Option<Set>>) -> Vec<Set> {
    sets.into_iter().flatten().collect()
}

/// The set from which others are taken, if it is there, and those of the others that are.
fn minuend(sets: Vec<Option<Set>>) -> Option<(Set, Vec<Set>)> {
    let mut sets = sets.into_iter();
    let first = sets.next().flatten()?;
    Some((first, sets.flatten().collect()))
}

/// Stores a result in the place of whatever `key` holds, or removes the key if there is none, and answers its size.
fn store(context: &mut Context<'_>, key: &[u8], result: Set, event: &'static str) {
    let len = result.len();
    if len > 0 {
        context.replace(key, NewValue::Object(Object::Set(result)));
        context.changed(key);
        context.event(Events::SET, event, key);
    } else if remove(context, key) {
        context.changed(key);
        context.event(Events::GENERIC, "del", key);
    }
    context.reply.count(len);
}

/// Members of which the number is known only when all are found.
struct Collected {
    out: BytesMut,
    count: usize,
    protocol: crate::resp::Protocol,
}

impl Collected {
    fn new(context: &Context<'_>) -> Collected {
        Collected {
            out: BytesMut::new(),
            count: 0,
            protocol: context.reply.protocol(),
        }
    }

    fn push(&mut self, write: impl FnOnce(&mut Reply<'_>)) {
        write(&mut Reply::new(
            &mut self.out,
            &mut Vec::new(),
            self.protocol,
        ));
        self.count += 1;
    }

    fn answer(self, reply: &mut Reply<'_>) {
        reply.set(self.count);
        reply.raw(&self.out);
    }
}
