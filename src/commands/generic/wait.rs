//! WAIT and WAITAOF: how many replicas, and whether the disk, have got the client's writes.
//!
//! There is neither a replica nor an append-only file, so no answer can change by waiting, and both answer at
//! once. (Redis lets the client wait for its timeout even then, in case a replica connects.)

use super::within;
use crate::command::{
    Arg, Args, Categories, CommandError, CommandResult, CommandSpec, Context, Flags, Group,
};
use crate::resp::Request;
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
    args.integer()?;
    timeout_ms(&mut args)?;
    context.reply.count(0);
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

fn waitaof(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    let local = within(args.integer()?, 0, 1)?;
    if args.integer()? < 0 {
        return Err(CommandError::MustBePositive);
    }
    timeout_ms(&mut args)?;
    if local > 0 {
        return Err(CommandError::fixed(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    context.reply.array(2);
    context.reply.count(0);
    context.reply.count(0);
    Ok(())
}

/// A timeout in milliseconds, 0 for none.
fn timeout_ms(args: &mut Args<'_>) -> Result<u64, CommandError> {
    let timeout = parse_i64(args.bytes()?).ok_or(CommandError::fixed(
        "ERR timeout is not an integer or out of range",
    ))?;
    u64::try_from(timeout).map_err(|_| CommandError::fixed("ERR timeout is negative"))
}
