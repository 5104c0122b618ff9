//! SHUTDOWN: the server's end on request.
//!
//! The data set is saved before anything else; if that fails, the server goes on. Success has no answer: the connection stays silent until the server no longer listens, and then ends.

use crate::command::{Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::instance::{ShutdownRequest, ending};
use crate::resp::Request;

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`
pub static SHUTDOWN: CommandSpec = CommandSpec::new("SHUTDOWN", Group::Server, shutdown)
    .doc(
        "Ends the server, after saving the data set where that is configured or asked for.",
        "1.0.0",
        "O(N) for N keys where it saves, else O(1).",
    )
    .arity(-1)
    .flags(&[
        Flags::ADMIN,
        Flags::NOSCRIPT,
        Flags::LOADING,
        Flags::STALE,
        Flags::NO_MULTI,
        Flags::ALLOW_BUSY,
    ])
    .args(&[
        Arg::one_of(
            "save-selector",
            &[Arg::token("nosave", "NOSAVE"), Arg::token("save", "SAVE")],
        )
        .optional(),
        Arg::token("now", "NOW").optional().since("7.0.0"),
        Arg::token("force", "FORCE").optional().since("7.0.0"),
        Arg::token("abort", "ABORT").optional().since("7.0.0"),
    ])
    .history(&[("7.0.0", "`NOW`, `FORCE` and `ABORT`.")]);

/// What SHUTDOWN is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    End(ShutdownRequest),
    Abort,
}

fn shutdown(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    match parse(request.iter_from(1))? {
        Wish::Abort if ending::abort(context.instance) => {
            context.reply.ok();
            Ok(())
        }
        Wish::Abort => Err(CommandError::fixed("ERR No shutdown in progress.")),
        Wish::End(wish) => {
            if wish.save != Some(false)
                && let Some(kind) = context.instance.scripts.running.busy()
            {
                // What a script is in the middle of is not to be saved.
                return Err(CommandError::Busy(kind));
            }
            if !ending::prepare(context.db, context.instance, wish) {
                return Err(CommandError::fixed(
                    "ERR Errors trying to SHUTDOWN. Check logs.",
                ));
            }
            context.instance.request_shutdown(wish);
            context.session.awaits_shutdown = true;
            context.session.close_after_reply = true;
            Ok(())
        }
    }
}

fn parse<'w>(words: impl Iterator<Item = &'w [u8]>) -> Result<Wish, CommandError> {
    let mut wish = ShutdownRequest::default();
    let (mut save, mut nosave, mut abort) = (false, false, false);
    for word in words {
        let option = match word.to_ascii_uppercase().as_slice() {
            b"SAVE" => &mut save,
            b"NOSAVE" => &mut nosave,
            b"NOW" => &mut wish.now,
            b"FORCE" => &mut wish.force,
            b"ABORT" => &mut abort,
            _ => return Err(CommandError::Syntax),
        };
        *option = true;
    }
    let others = save || nosave || wish.now || wish.force;
    match (abort, others, save && nosave) {
        (true, false, _) => Ok(Wish::Abort),
        (true, true, _) | (_, _, true) => Err(CommandError::Syntax),
        (false, _, false) => {
            wish.save = (save || nosave).then_some(save);
            Ok(Wish::End(wish))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_come_in_any_order_but_not_contradict() {
        let end = |save, now, force| Ok(Wish::End(ShutdownRequest { now, force, save }));
        for (words, want) in [
            ("", end(None, false, false)),
            ("nosave", end(Some(false), false, false)),
            ("NOW save force", end(Some(true), true, true)),
            ("nosave nosave", end(Some(false), false, false)),
            ("abort", Ok(Wish::Abort)),
            ("save nosave", Err(CommandError::Syntax)),
            ("abort now", Err(CommandError::Syntax)),
            ("later", Err(CommandError::Syntax)),
        ] {
            assert_eq!(
                parse(words.split_ascii_whitespace().map(str::as_bytes)),
                want,
                "{words:?}"
            );
        }
    }
}
