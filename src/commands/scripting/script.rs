//! SCRIPT: what is kept of EVAL's scripts, and ending the one that runs.

use super::{FLUSH_MODES, drop_vm, is_async, with_engine};
use crate::command::{
    Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
};
use crate::resp::Request;
use crate::script::running::Kind;

/// SCRIPT subcommand ...
pub static SCRIPT: CommandSpec = CommandSpec::new("SCRIPT", Group::Scripting, container)
    .doc(
        "Looks after EVAL's scripts.",
        "2.6.0",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[&DEBUG, &EXISTS, &FLUSH, &HELP, &KILL, &LOAD, &SHOW]);

/// The gate finds the subcommands; what comes here has none.
fn container(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    Err(context.wrong_arity())
}

const fn subcommand(name: &'static str, handler: Handler) -> CommandSpec {
    CommandSpec::new(name, Group::Scripting, handler).flags(&[Flags::NOSCRIPT])
}

/// SCRIPT LOAD script
static LOAD: CommandSpec = subcommand("LOAD", load)
    .doc(
        "Keeps a script and answers its hash.",
        "2.6.0",
        "O(N), N being the length of the script.",
    )
    .arity(3)
    .flags(&[Flags::STALE])
    .args(const { &[Arg::string("script")] })
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

fn load(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    with_engine(context, |context, engine| {
        let vm = engine.eval()?;
        let evicted = &context.instance.scripts.figures.evicted;
        let sha = vm.learn(request.get(2), evicted)?;
        vm.scripts.pin(&sha);
        context.reply.text(&sha);
        Ok(())
    })
}

/// SCRIPT EXISTS sha1 [sha1 ...]
static EXISTS: CommandSpec = subcommand("EXISTS", exists)
    .doc(
        "Answers for hashes whether their scripts are kept.",
        "2.6.0",
        "O(N), N being the number of hashes.",
    )
    .arity(-3)
    .flags(&[Flags::STALE])
    .args(const { &[Arg::string("sha1").multiple()] })
    .tips(&[
        "request_policy:all_shards",
        "response_policy:agg_logical_and",
    ]);

fn exists(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let engine = context.instance.scripts.engine();
    let scripts = engine.known_eval().map(|vm| &vm.scripts);
    context.reply.array(request.len() - 2);
    for sha in request.iter_from(2) {
        let sha = String::from_utf8_lossy(sha).to_ascii_lowercase();
        let known = scripts.is_some_and(|scripts| scripts.contains(&sha));
        context.reply.flag(known);
    }
    Ok(())
}

/// SCRIPT SHOW sha1
static SHOW: CommandSpec = subcommand("SHOW", show)
    .doc("Answers the text of a script.", "8.0.0", "O(1)")
    .arity(3)
    .flags(&[Flags::STALE])
    .args(const { &[Arg::string("sha1")] });

fn show(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let engine = context.instance.scripts.engine();
    let sha = String::from_utf8_lossy(request.get(2)).to_ascii_lowercase();
    let body = engine
        .known_eval()
        .and_then(|vm| vm.scripts.body(&sha))
        .ok_or(CommandError::NoScript)?;
    context.reply.bulk(body);
    Ok(())
}

/// SCRIPT FLUSH [ASYNC | SYNC]
static FLUSH: CommandSpec = subcommand("FLUSH", flush)
    .doc(
        "Forgets all scripts.",
        "2.6.0",
        "O(N), N being the number of scripts.",
    )
    .arity(-2)
    .flags(&[Flags::STALE])
    .args(
        const {
            &[Arg::one_of("flush-type", FLUSH_MODES)
                .optional()
                .since("6.2.0")]
        },
    )
    .history(&[("6.2.0", "The words `ASYNC` and `SYNC`.")])
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

fn flush(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let elsewhere = is_async(
        context,
        request,
        "ERR SCRIPT FLUSH only support SYNC|ASYNC option",
    )?;
    with_engine(context, |context, engine| {
        drop_vm(context, engine.take_eval(), elsewhere);
        context.reply.ok();
        Ok(())
    })
}

/// SCRIPT KILL
static KILL: CommandSpec = subcommand("KILL", kill)
    .doc(
        "Ends the script that runs, unless it has written.",
        "2.6.0",
        "O(1)",
    )
    .arity(2)
    .flags(&[Flags::ALLOW_BUSY])
    .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]);

fn kill(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.instance.scripts.running.kill(Kind::Eval)?;
    context.reply.ok();
    Ok(())
}

/// SCRIPT DEBUG YES | SYNC | NO
static DEBUG: CommandSpec = subcommand("DEBUG", debug)
    .doc(
        "Switches the debugger of scripts, which this server lacks.",
        "3.2.0",
        "O(1)",
    )
    .arity(-3)
    .args(
        const {
            &[Arg::one_of(
                "mode",
                const {
                    &[
                        Arg::token("yes", "YES"),
                        Arg::token("sync", "SYNC"),
                        Arg::token("no", "NO"),
                    ]
                },
            )]
        },
    );

/// The debugger is a client's loop within a script, which would hold up all others.
fn debug(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let is = |word: &str| request.get(2).eq_ignore_ascii_case(word.as_bytes());
    if request.len() != 3 || !(is("NO") || is("YES") || is("SYNC")) {
        return Err(CommandError::fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO"));
    }
    if !is("NO") {
        return Err(CommandError::fixed(
            "ERR The debugger of scripts is not supported",
        ));
    }
    context.reply.ok();
    Ok(())
}

/// SCRIPT HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::Scripting, help)
    .doc("Answers a list of the subcommands.", "5.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    The debugger; only NO is accepted.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Whether the scripts of the hashes are kept.",
            "FLUSH [ASYNC|SYNC]",
            "    Forget all scripts, dropping them in the background or at once; without a word as",
            "    lazyfree-lazy-user-flush says.",
            "KILL",
            "    End the script that runs.",
            "LOAD <script>",
            "    Keep a script without running it.",
            "SHOW <sha1>",
            "    The text of a script.",
        ],
    );
    Ok(())
}
