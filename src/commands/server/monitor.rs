//! MONITOR: from then on the client is shown what every other one does.

use std::sync::atomic::Ordering;

use crate::command::session::Place;
use crate::command::{CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::instance::attention::MONITORS;
use crate::resp::Request;

/// MONITOR
pub static MONITOR: CommandSpec = CommandSpec::new("MONITOR", Group::Server, monitor)
    .doc(
        "Shows the connection every command that the server runs.",
        "1.0.0",
        "O(1), and O(N) for N monitors at each command.",
    )
    .arity(1)
    .flags(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]);

/// A client that monitors already is not answered again.
fn monitor(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    if context.session.place != Place::Client {
        return Err(CommandError::fixed(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    let handle = &context.session.handle;
    if !handle.monitors.load(Ordering::Relaxed) {
        context.instance.monitors().add(handle);
        context.instance.attention.raise(MONITORS);
        context.reply.ok();
    }
    Ok(())
}
