//! CLIENT PAUSE and UNPAUSE. What they do to commands is in [`crate::instance::pause`].

use super::client::{ADMIN_FLAGS, subcommand};
use crate::command::{Arg, CommandError, CommandResult, CommandSpec, Context};
use crate::instance::pause::{self, Scope};
use crate::resp::Request;
use crate::text::number::parse_i64;

const MODES: &[Arg] = &[Arg::token("write", "WRITE"), Arg::token("all", "ALL")];

/// CLIENT PAUSE timeout [WRITE | ALL]
pub(super) static PAUSE: CommandSpec = subcommand("PAUSE", pause)
    .doc(
        "Lets commands of all clients wait for a time.",
        "3.0.0",
        "O(1)",
    )
    .arity(-3)
    .flags(ADMIN_FLAGS)
    .args(&[
        Arg::integer("timeout"),
        Arg::one_of("mode", MODES).optional().since("6.2.0"),
    ])
    .history(&[("6.2.0", "`WRITE` and `ALL`.")]);

fn pause(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let scope = match request.len() {
        3 => Scope::All,
        4 if request.get(3).eq_ignore_ascii_case(b"WRITE") => Scope::Writes,
        4 if request.get(3).eq_ignore_ascii_case(b"ALL") => Scope::All,
        4 => {
            return Err(CommandError::fixed(
                "ERR CLIENT PAUSE mode must be WRITE or ALL",
            ));
        }
        _ => {
            return Err(CommandError::UnknownForm {
                word: request.get(1).to_vec(),
                command: "CLIENT",
            });
        }
    };
    let until_ms = end_of(context, request.get(2))?;
    pause::begin(context.db, context.instance, scope, until_ms);
    context.reply.ok();
    Ok(())
}

/// The time, in Unix milliseconds, so many milliseconds from now.
fn end_of(context: &Context<'_>, word: &[u8]) -> Result<u64, CommandError> {
    const NO_INTEGER: &str = "ERR timeout is not an integer or out of range";
    let timeout_ms = parse_i64(word).ok_or(CommandError::fixed(NO_INTEGER))?;
    let timeout_ms =
        u64::try_from(timeout_ms).map_err(|_| CommandError::fixed("ERR timeout is negative"))?;
    let end_ms = context.now_ms().saturating_add(timeout_ms);
    i64::try_from(end_ms)
        .map(|_| end_ms)
        .map_err(|_| CommandError::fixed("ERR timeout is out of range"))
}

/// CLIENT UNPAUSE
pub(super) static UNPAUSE: CommandSpec = subcommand("UNPAUSE", unpause)
    .doc(
        "Ends the wait that CLIENT PAUSE has begun.",
        "6.2.0",
        "O(N), N being the clients that wait",
    )
    .arity(2)
    .flags(ADMIN_FLAGS);

fn unpause(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    pause::end(context.db, context.instance);
    context.reply.ok();
    Ok(())
}
