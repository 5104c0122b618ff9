//! Saving the data set as a file: SAVE, BGSAVE. (LASTSAVE is among the [figures](super::status).)

use crate::command::session::Place;
use crate::command::{Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::instance::aof::rewrite;
use crate::instance::saving;
use crate::resp::Request;

/// SAVE
pub static SAVE: CommandSpec = CommandSpec::new("SAVE", Group::Server, save)
    .doc(
        "Saves the data set as a file while all others wait.",
        "1.0.0",
        "O(N) for N keys.",
    )
    .arity(1)
    .flags(&[
        Flags::ADMIN,
        Flags::NOSCRIPT,
        Flags::NO_ASYNC_LOADING,
        Flags::NO_MULTI,
    ]);

fn save(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    begin(context)?;
    if !saving::save_and_count(context.db, context.instance) {
        return Err(CommandError::Unexplained);
    }
    context.reply.ok();
    Ok(())
}

/// `BGSAVE [SCHEDULE]`
pub static BGSAVE: CommandSpec = CommandSpec::new("BGSAVE", Group::Server, bgsave)
    .doc(
        "Saves the data set as a file in the background.",
        "1.0.0",
        "O(1)",
    )
    .arity(-1)
    .flags(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::NO_ASYNC_LOADING])
    .args(&[Arg::token("schedule", "SCHEDULE").optional().since("3.2.2")])
    .history(&[("3.2.2", "`SCHEDULE`.")]);

fn bgsave(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    let may_wait = args.keyword("SCHEDULE");
    args.finish()?;
    begin(context)?;
    let is_rewriting = rewrite::is_running(context.instance);
    if is_rewriting && !may_wait && context.session.place != Place::Transaction {
        return Err(CommandError::fixed(
            "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a \
             BGSAVE whenever possible.",
        ));
    }
    if is_rewriting || context.session.place == Place::Transaction {
        context.instance.saving.schedule();
        context.reply.simple("Background saving scheduled");
    } else if saving::start(context.db, context.instance) {
        context.reply.simple("Background saving started");
    } else {
        return Err(CommandError::Unexplained);
    }
    Ok(())
}

/// Refuses a second save beside one in the background, and any from within a script, which holds what is to be saved.
fn begin(context: &mut Context<'_>) -> CommandResult {
    if context.session.place == Place::Script {
        return Err(CommandError::fixed(
            "ERR This Redis command is not allowed from script",
        ));
    }
    saving::reap(context.db, context.instance);
    if context.instance.saving.is_running() {
        return Err(CommandError::fixed(
            "ERR Background save already in progress",
        ));
    }
    Ok(())
}
