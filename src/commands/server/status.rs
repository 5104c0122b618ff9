//! Single figures: TIME, LASTSAVE, ROLE.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::command::{Categories, CommandResult, CommandSpec, Context, Flags, Group};
use crate::resp::Request;

/// TIME
pub static TIME: CommandSpec = CommandSpec::new("TIME", Group::Server, time)
    .doc(
        "Answers the server's time: Unix seconds and the microseconds of the current one.",
        "2.6.0",
        "O(1)",
    )
    .arity(1)
    .flags(&[Flags::LOADING, Flags::STALE, Flags::FAST])
    .tips(&["nondeterministic_output"]);

/// The one command that reads the clock itself: its microseconds are the point of it.
fn time(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    context.reply.array(2);
    context.reply.text(&now.as_secs().to_string());
    context.reply.text(&now.subsec_micros().to_string());
    Ok(())
}

/// LASTSAVE
pub static LASTSAVE: CommandSpec = CommandSpec::new("LASTSAVE", Group::Server, lastsave)
    .doc(
        "Answers when the data set was last saved, in Unix seconds.",
        "1.0.0",
        "O(1)",
    )
    .arity(1)
    .flags(&[Flags::LOADING, Flags::STALE, Flags::FAST])
    .categories(&[Categories::ADMIN, Categories::DANGEROUS])
    .tips(&["nondeterministic_output"]);

fn lastsave(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let last_save_s = context.instance.saving.figures().last_save_s;
    context.reply.integer(last_save_s as i64);
    Ok(())
}

/// ROLE
pub static ROLE: CommandSpec = CommandSpec::new("ROLE", Group::Server, role)
    .doc(
        "Answers this server's part in replication.",
        "2.8.12",
        "O(1)",
    )
    .arity(1)
    .flags(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST])
    .categories(&[Categories::ADMIN, Categories::DANGEROUS]);

/// A primary answers its offset and its replicas, of which there are none.
fn role(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.reply.array(3);
    context.reply.text("master");
    context.reply.integer(0);
    context.reply.array(0);
    Ok(())
}
