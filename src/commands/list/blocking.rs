//! The forms that wait for a list: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.
//!
//! Each does what its form without waiting does, through the same functions; where that finds no list the client is
//! blocked, and the handler runs again when one of its keys has become a list.

use super::push_pop::{Choice, POP_KEY_FLAGS, pop_one};
use super::transfer::{MOVE_KEYS, move_element};
use super::{ENDS, list_of, parse_end, pop_command};
use crate::command::{
    Arg, Args, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeySpec,
};
use crate::commands::waiting::{TIMEOUT, block, deadline};
use crate::instance::waiters::WaitsFor;
use crate::resp::Request;
use crate::store::tree::End;

const WAITING_READ: &[Flags] = &[Flags::WRITE, Flags::BLOCKING];
const WAITING_MOVE: &[Flags] = &[Flags::WRITE, Flags::DENYOOM, Flags::BLOCKING];
const FRACTION: &[(&str, &str)] = &[("6.0.0", "`timeout` may have a fraction.")];

/// What the specs of BLPOP and BRPOP have in common.
const fn waiting_popper(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::List, handler)
        .doc(summary, "2.0.0", "O(N), N being the number of keys.")
        .arity(-3)
        .flags(WAITING_READ)
        .keys(const { &[KeySpec::range(1, -2, 1, POP_KEY_FLAGS)] })
        .args(const { &[Arg::key("key", 0).multiple(), TIMEOUT] })
        .history(FRACTION)
}

/// BLPOP key [key ...] timeout
pub static BLPOP: CommandSpec = waiting_popper(
    "BLPOP",
    blpop,
    "Removes the first element of the first of several lists that is there and answers both; waits for one if none is.",
);

fn blpop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    pop_first(context, request, End::Front)
}

/// BRPOP key [key ...] timeout
pub static BRPOP: CommandSpec = waiting_popper(
    "BRPOP",
    brpop,
    "Removes the last element of the first of several lists that is there and answers both; waits for one if none is.",
);

fn brpop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
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
        list_of(entry.value())?;
        context.reply.array(2);
        context.reply.bulk(key);
        pop_one(context, key, end)?;
        context.repeat_as(&[pop_command(end), key]);
        return Ok(());
    }
    block(context, request, keys, WaitsFor::List, deadline_ms);
    Ok(())
}

/// BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count]
pub static BLMPOP: CommandSpec = CommandSpec::new("BLMPOP", Group::List, blmpop)
    .doc(
        "Removes elements from an end of the first of several lists that is there and answers them with its key; waits \
         for one if none is.",
        "7.0.0",
        "O(N+M), N being the number of keys and M that of the elements answered.",
    )
    .arity(-5)
    .flags(WAITING_READ)
    .keys(&[KeySpec::counted(2, 1, POP_KEY_FLAGS)])
    .args(&[
        TIMEOUT,
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of("where", ENDS),
        Arg::integer("count").with_token("COUNT").optional(),
    ]);

fn blmpop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let choice = Choice::parse(request, 2)?;
    let deadline_ms = deadline(context, request.get(1))?;
    if !choice.pop(context, request)? {
        block(
            context,
            request,
            choice.keys_at(),
            WaitsFor::List,
            deadline_ms,
        );
    }
    Ok(())
}

/// BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout
pub static BLMOVE: CommandSpec = CommandSpec::new("BLMOVE", Group::List, blmove)
    .doc(
        "Moves an element from an end of one list to an end of another, or of the same, and answers it; waits for one if \
         there is none.",
        "6.2.0",
        "O(1)",
    )
    .arity(6)
    .flags(WAITING_MOVE)
    .keys(MOVE_KEYS)
    .args(&[
        Arg::key("source", 0),
        Arg::key("destination", 1),
        Arg::one_of("wherefrom", ENDS),
        Arg::one_of("whereto", ENDS),
        TIMEOUT,
    ]);

fn blmove(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 3);
    let (from, to) = (parse_end(&mut args)?, parse_end(&mut args)?);
    let deadline_ms = deadline(context, request.get(5))?;
    wait_and_move(context, request, (from, to), deadline_ms)
}

/// BRPOPLPUSH source destination timeout
pub static BRPOPLPUSH: CommandSpec = CommandSpec::new("BRPOPLPUSH", Group::List, brpoplpush)
    .doc(
        "Moves the last element of a list in front of another, or of the same, and answers it; waits for one if there is \
         none.",
        "2.2.0",
        "O(1)",
    )
    .arity(4)
    .flags(WAITING_MOVE)
    .keys(MOVE_KEYS)
    .args(&[Arg::key("source", 0), Arg::key("destination", 1), TIMEOUT])
    .history(FRACTION)
    .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments");

fn brpoplpush(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let deadline_ms = deadline(context, request.get(3))?;
    wait_and_move(context, request, (End::Back, End::Front), deadline_ms)
}

fn wait_and_move(
    context: &mut Context<'_>,
    request: Request<'_>,
    (from, to): (End, End),
    deadline_ms: u64,
) -> CommandResult {
    let (source, destination) = (request.get(1), request.get(2));
    // Where it may not wait it answers as the forms that do not: with null, not with the null array of a timeout.
    if context.peek(source).is_some() || !context.may_block() {
        return move_element(context, source, destination, from, to);
    }
    block(context, request, 1..2, WaitsFor::List, deadline_ms);
    Ok(())
}
