//! BGREWRITEAOF: a new base of the append-only file.

use crate::command::session::Place;
use crate::command::{CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::instance::aof::rewrite;
use crate::resp::Request;

/// BGREWRITEAOF
pub static BGREWRITEAOF: CommandSpec =
    CommandSpec::new("BGREWRITEAOF", Group::Server, bgrewriteaof)
        .doc(
            "Writes the data set anew in the background, in place of the append-only file so far.",
            "1.0.0",
            "O(1), and O(N) for N keys in the background.",
        )
        .arity(1)
        .flags(&[Flags::NO_ASYNC_LOADING, Flags::ADMIN, Flags::NOSCRIPT]);

fn bgrewriteaof(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    const RUNNING: &str = "ERR Background append only file rewriting already in progress";
    const FAILED: &str = "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.";
    let instance = context.instance;
    if rewrite::is_running(instance) {
        return Err(CommandError::fixed(RUNNING));
    }
    if context.session.place != Place::Client || instance.saving.is_running() {
        instance.aof.schedule_rewrite();
        context
            .reply
            .simple("Background append only file rewriting scheduled");
        return Ok(());
    }
    rewrite::start(context.db, instance).map_err(|_| CommandError::fixed(FAILED))?;
    context
        .reply
        .simple("Background append only file rewriting started");
    Ok(())
}
