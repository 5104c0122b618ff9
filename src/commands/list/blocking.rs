//! The forms that wait for a list: BLPOP, BRPOP.

use super::{fill, list_mut};
use super::{list_of, reply_element, settle};
use crate::command::{
    Arg, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags, KeySpec,
};
use crate::commands::waiting::deadline;
use crate::instance::waiters::{Wait, WaitsFor};
use crate::resp::{CommandQueue, Request};
use crate::store::tree::End;

const POP_KEY_FLAGS: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);

/// What the specs of BLPOP and BRPOP have in common.
const fn waiting_popper(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::List, handler)
        .doc(summary, "2.0.0", "O(N), N being the number of keys.")
        .arity(-3)
        .flags(&[Flags::WRITE, Flags::BLOCKING])
        .keys(const { &[KeySpec::range(1, -2, 1, POP_KEY_FLAGS)] })
        .args(
            const {
                &[
                    Arg::key("key", 0).multiple(),
                    Arg::new("timeout", crate::command::ArgKind::Double),
                ]
            },
        )
        .history(&[("6.0.0", "`timeout` may have a fraction.")])
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
        pop_with_key(context, key, end);
        return Ok(());
    }
    if !context.may_block() {
        context.reply.null_array();
        return Ok(());
    }
    context.block(Wait {
        request: CommandQueue::of(request),
        keys: keys.map(|at| request.get(at).to_vec()).collect(),
        on: WaitsFor::List,
        deadline_ms,
        in_vain: |reply| reply.null_array(),
    });
    Ok(())
}

/// Pops an element of a list that is there, and answers the key with it.
fn pop_with_key(context: &mut Context<'_>, key: &[u8], end: End) {
    let fill = fill(context);
    let Context {
        db, session, reply, ..
    } = context;
    let Some(mut slot) = db.write(session.db, key) else {
        return;
    };
    let Ok(list) = list_mut(&mut slot) else {
        return;
    };
    reply.array(2);
    reply.bulk(key);
    list.pop(end, fill, |element| reply_element(reply, element));
    let empty = list.is_empty();
    drop(slot);
    settle(context, key, empty, 1);
}
