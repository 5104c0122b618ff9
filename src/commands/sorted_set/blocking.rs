//! The forms that wait for a sorted set: BZPOPMIN, BZPOPMAX, BZMPOP.
//!
//! Each does what its form without waiting does, through the same functions; where that finds no sorted set the client is
//! blocked, and the handler runs again when one of its keys has become one.

use super::pop::{Choice, ENDS, POP_KEY_FLAGS, pop_command, pop_members};
use super::{Shape, zset_of};
use crate::command::{Arg, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeySpec};
use crate::commands::waiting::{TIMEOUT, block, deadline};
use crate::instance::waiters::WaitsFor;
use crate::resp::Request;
use crate::store::tree::End;

/// What the specs of BZPOPMIN and BZPOPMAX have in common.
const fn waiting_popper(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::SortedSet, handler)
        .doc(
            summary,
            "5.0.0",
            "O(log(N)), N being the size of the sorted set.",
        )
        .arity(-3)
        .flags(&[Flags::WRITE, Flags::FAST, Flags::BLOCKING])
        .keys(const { &[KeySpec::range(1, -2, 1, POP_KEY_FLAGS)] })
        .args(const { &[Arg::key("key", 0).multiple(), TIMEOUT] })
        .history(&[("6.0.0", "`timeout` may have a fraction.")])
}

/// BZPOPMIN key [key ...] timeout
pub static BZPOPMIN: CommandSpec = waiting_popper(
    "BZPOPMIN",
    bzpopmin,
    "Removes the member with the lowest score of the first of several sorted sets that is there and answers both; waits \
     for one if none is.",
);

fn bzpopmin(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    pop_first(context, request, End::Front)
}

/// BZPOPMAX key [key ...] timeout
pub static BZPOPMAX: CommandSpec = waiting_popper(
    "BZPOPMAX",
    bzpopmax,
    "Removes the member with the highest score of the first of several sorted sets that is there and answers both; waits \
     for one if none is.",
);

fn bzpopmax(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    pop_first(context, request, End::Back)
}

fn pop_first(context: &mut Context<'_>, request: Request<'_>, end: End) -> CommandResult {
    let keys = 1..request.len() - 1;
    let deadline_ms = deadline(context, request.get(keys.end))?;
    for at in keys.clone() {
        let key = request.get(at);
        let Some(entry) = context.peek(key) else {
            continue;
        };
        zset_of(entry.value())?;
        context.reply.array(3);
        context.reply.bulk(key);
        pop_members(context, key, end, 1, Shape::Flat)?;
        context.repeat_as(&[pop_command(end), key]);
        return Ok(());
    }
    block(context, request, keys, WaitsFor::SortedSet, deadline_ms);
    Ok(())
}

/// `BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]`
pub static BZMPOP: CommandSpec = CommandSpec::new("BZMPOP", Group::SortedSet, bzmpop)
    .doc(
        "Removes members from an end of the first of several sorted sets that is there and answers them with its key; \
         waits for one if none is.",
        "7.0.0",
        "O(K+M*log(N)), K being the number of keys, N the size of the sorted set and M the number of members removed.",
    )
    .arity(-5)
    .flags(&[Flags::WRITE, Flags::BLOCKING])
    .keys(&[KeySpec::counted(2, 1, POP_KEY_FLAGS)])
    .args(&[
        TIMEOUT,
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of("where", ENDS),
        Arg::integer("count").with_token("COUNT").optional(),
    ]);

fn bzmpop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let choice = Choice::parse(request, 2)?;
    let deadline_ms = deadline(context, request.get(1))?;
    if !choice.pop(context, request)? {
        block(
            context,
            request,
            choice.keys_at(),
            WaitsFor::SortedSet,
            deadline_ms,
        );
    }
    Ok(())
}
