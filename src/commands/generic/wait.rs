//! WAIT and WAITAOF: how many replicas, and whether the disk, have got the client's writes.
//!
//! There is neither a replica nor an append-only file. What is asked for and there already is answered at once; for more
//! the client waits until its time is over, as a replica could come.

use super::within;
use crate::command::{
    Arg, Args, Categories, CommandError, CommandResult, CommandSpec, Context, Flags, Group,
};
use crate::commands::waiting::deadline_in_ms;
use crate::instance::waiters::{Wait, WaitsFor};
use crate::resp::{CommandQueue, Reply, Request};

const TIPS: &[&str] = &["request_policy:all_shards", "response_policy:agg_min"];

/// WAIT numreplicas timeout
pub static WAIT: CommandSpec = CommandSpec::new("WAIT", Group::Generic, wait)
    .doc(
        "Waits until a number of replicas have got the client's writes, and answers how many have.",
        "3.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::BLOCKING])
    .without_group_category()
    .categories(&[Categories::CONNECTION])
    .args(&[Arg::integer("numreplicas"), Arg::integer("timeout")])
    .tips(TIPS);

fn wait(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    let replicas = args.integer()?;
    let deadline_ms = deadline_in_ms(context, args.bytes()?)?;
    wait_in_vain(context, request, deadline_ms, replicas, |reply| {
        reply.count(0)
    });
    Ok(())
}

/// Waits for more replicas than there are, if `replicas` says so.
fn wait_in_vain(
    context: &mut Context<'_>,
    request: Request<'_>,
    deadline_ms: u64,
    replicas: i64,
    in_vain: fn(&mut Reply<'_>),
) {
    if replicas <= 0 {
        return in_vain(&mut context.reply);
    }
    context.block(|_| Wait {
        request: CommandQueue::of(request),
        // No change of a key ends this wait.
        keys: Vec::new(),
        on: WaitsFor::List,
        deadline_ms,
        in_vain,
    });
}

/// WAITAOF numlocal numreplicas timeout
pub static WAITAOF: CommandSpec = CommandSpec::new("WAITAOF", Group::Generic, waitaof)
    .doc(
        "Waits until the client's writes are on the disk, here and at a number of replicas, and answers where they are.",
        "7.2.0",
        "O(1)",
    )
    .arity(4)
    .flags(&[Flags::BLOCKING])
    .without_group_category()
    .categories(&[Categories::CONNECTION])
    .args(&[Arg::integer("numlocal"), Arg::integer("numreplicas"), Arg::integer("timeout")])
    .tips(TIPS);

fn waitaof(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    let local = within(args.integer()?, 0, 1)?;
    let replicas = args.integer()?;
    if replicas < 0 {
        return Err(CommandError::MustBePositive);
    }
    let deadline_ms = deadline_in_ms(context, args.bytes()?)?;
    if local > 0 {
        return Err(CommandError::fixed(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    wait_in_vain(context, request, deadline_ms, replicas, |reply| {
        reply.array(2);
        reply.count(0);
        reply.count(0);
    });
    Ok(())
}
