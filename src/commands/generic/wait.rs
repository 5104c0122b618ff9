//! WAIT and WAITAOF: how many replicas, and whether the disk, have got the client's writes.
//!
//! There is no replica. What is asked for and there already is answered at once; the disk is waited for; for more the client
//! waits until its time is over, as a replica could come.

use super::within;
use crate::command::waiting;
use crate::command::{
    Arg, Args, Categories, CommandError, CommandResult, CommandSpec, Context, Flags, Group,
};
use crate::commands::waiting::deadline_in_ms;
use crate::instance::Instance;
use crate::instance::waiters::{Wait, WaitsFor};
use crate::resp::{CommandQueue, Reply, Request};
use crate::store::db::Db;
use crate::text::number::parse_i64;

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
    if replicas <= 0 {
        context.reply.count(0);
        return Ok(());
    }
    context.block(|_| Wait {
        request: CommandQueue::of(request),
        keys: 0..0,
        // No change of a key ends this wait.
        on: WaitsFor::Replicas,
        deadline_ms,
        in_vain: |reply| reply.count(0),
    });
    Ok(())
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

const NO_FILE: CommandError = CommandError::fixed(
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
);

fn waitaof(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    let local = within(args.integer()?, 0, 1)?;
    let replicas = args.integer()?;
    if replicas < 0 {
        return Err(CommandError::MustBePositive);
    }
    let deadline_ms = deadline_in_ms(context, args.bytes()?)?;
    let instance = context.instance;
    if local > 0 && !instance.aof.is_on() {
        return Err(NO_FILE);
    }
    // All that was written so far, and so what this client has written.
    let end = instance.log.end();
    let is_here =
        instance.aof.is_on() && instance.aof.durable().is_some_and(|durable| durable >= end);
    let in_vain = if is_here { here } else { nowhere };
    if local <= i64::from(is_here) && replicas == 0 {
        in_vain(&mut context.reply);
        return Ok(());
    }
    context.block(|_| Wait {
        request: CommandQueue::of(request),
        keys: 0..0,
        on: if is_here {
            WaitsFor::Replicas
        } else {
            WaitsFor::Disk(end)
        },
        deadline_ms,
        in_vain,
    });
    if !is_here {
        instance.aof.wait_for_sync();
    }
    Ok(())
}

/// The answer of a client whose writes are nowhere but in memory.
fn nowhere(reply: &mut Reply<'_>) {
    reply.array(2);
    reply.count(0);
    reply.count(0);
}

/// The answer of a client whose writes are on this server's disk.
fn here(reply: &mut Reply<'_>) {
    reply.array(2);
    reply.count(1);
    reply.count(0);
}

/// Answers those who have waited for the disk, when more is on it than before, or when the append-only file was turned off.
pub fn answer_synced(db: &mut Db, instance: &Instance) {
    if !instance.aof.is_on() {
        return refuse_waiting(db, instance);
    }
    let Some(durable) = instance.aof.durable() else {
        return;
    };
    let mut answered = Vec::new();
    for (id, wait) in instance.waiters().on_disk(durable) {
        let replicas = parse_i64(wait.request.get(0).get(2));
        if replicas == Some(0) {
            answered.push(id);
        } else {
            // It goes on waiting, for what does not come.
            (wait.on, wait.in_vain) = (WaitsFor::Replicas, here);
        }
    }
    let others_wait = instance.waiters().on_disk(u64::MAX).count() > answered.len();
    instance.aof.set_sync_wanted(others_wait);
    for id in answered {
        waiting::end_wait(db, instance, id, |_, reply| {
            here(reply);
            Ok(())
        });
    }
}

/// Tells those who have waited for the disk that there is no append-only file any more; who waits for replicas alone goes on.
fn refuse_waiting(db: &mut Db, instance: &Instance) {
    let mut refused = Vec::new();
    for (id, wait) in instance.waiters().on_disk(u64::MAX) {
        if parse_i64(wait.request.get(0).get(1)) == Some(0) {
            wait.on = WaitsFor::Replicas;
        } else {
            refused.push(id);
        }
    }
    instance.aof.set_sync_wanted(false);
    for id in refused {
        waiting::end_wait(db, instance, id, |_, _| Err(NO_FILE));
    }
}
