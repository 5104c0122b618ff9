//! CLIENT UNBLOCK: ends the wait of another connection. One that CLIENT PAUSE holds does not wait in a command, and is
//! not found here, nor is one in MIGRATE, whose keys are on their way.

use super::client::{ADMIN_FLAGS, CLIENT, subcommand};
use crate::command::{Arg, CommandError, CommandResult, CommandSpec, Context, waiting};
use crate::resp::Request;
use crate::text::number::parse_i64;

const HOW: &[Arg] = &[
    Arg::token("timeout", "TIMEOUT"),
    Arg::token("error", "ERROR"),
];

/// `CLIENT UNBLOCK client-id [TIMEOUT | ERROR]`
pub static UNBLOCK: CommandSpec = subcommand("UNBLOCK", unblock)
    .doc(
        "Ends the blocking command in which another connection waits.",
        "5.0.0",
        "O(log N), N being the connections",
    )
    .arity(-3)
    .flags(ADMIN_FLAGS)
    .args(&[
        Arg::integer("client-id"),
        Arg::one_of("unblock-type", HOW).optional(),
    ]);

const UNBLOCKED: CommandError =
    CommandError::fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");
const NEITHER: CommandError =
    CommandError::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");

fn unblock(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let with_error = match request.len() {
        3 => false,
        4 if request.get(3).eq_ignore_ascii_case(b"TIMEOUT") => false,
        4 if request.get(3).eq_ignore_ascii_case(b"ERROR") => true,
        4 => return Err(NEITHER),
        _ => {
            return Err(CommandError::UnknownForm {
                word: request.get(1).to_vec(),
                command: CLIENT.name,
            });
        }
    };
    let id = parse_i64(request.get(2)).ok_or(CommandError::NotInteger)?;
    let waits = |id: &u64| context.instance.waiters().may_be_ended(*id);
    let unblocked = u64::try_from(id).ok().filter(waits).is_some_and(|id| {
        waiting::end_wait(context.db, context.instance, id, |wait, reply| {
            if with_error {
                return Err(UNBLOCKED);
            }
            (wait.in_vain)(reply);
            Ok(())
        })
    });
    context.reply.flag(unblocked);
    Ok(())
}
