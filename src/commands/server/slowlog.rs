//! SLOWLOG: reading the log of slow commands, which the gate writes.

use crate::command::{Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::resp::Request;

/// Entries that GET answers unless told otherwise.
const DEFAULT_COUNT: usize = 10;

/// SLOWLOG subcommand ...
pub static SLOWLOG: CommandSpec = CommandSpec::new("SLOWLOG", Group::Server, super::container)
    .doc(
        "Reads and empties the log of slow commands.",
        "2.2.12",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[&GET, &HELP, &LEN, &RESET]);

const ADMIN: &[Flags] = &[Flags::ADMIN, Flags::LOADING, Flags::STALE];

/// SLOWLOG GET [count]
static GET: CommandSpec = CommandSpec::new("GET", Group::Server, get)
    .doc(
        "Answers the newest entries of the slow log.",
        "2.2.12",
        "O(N), N being the number of entries answered.",
    )
    .arity(-2)
    .flags(ADMIN)
    .args(&[Arg::integer("count").optional()])
    .history(&[("4.0.0", "The client's address and name in each entry.")])
    .tips(&["request_policy:all_nodes", "nondeterministic_output"]);

fn get(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let count = if args.is_empty() {
        DEFAULT_COUNT
    } else {
        parse_count(&mut args)?
    };
    if !args.is_empty() {
        return Err(CommandError::UnknownForm {
            word: request.get(1).to_vec(),
            command: "SLOWLOG",
        });
    }
    let entries = context.instance.slow_log.newest(count);
    let reply = &mut context.reply;
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.time_s as i64);
        reply.integer(entry.duration_us as i64);
        reply.array(entry.words.len());
        for word in &entry.words {
            reply.bulk(word);
        }
        reply.text(&entry.addr);
        reply.bulk(&entry.name);
    }
    Ok(())
}

/// A count, -1 for all.
fn parse_count(args: &mut Args<'_>) -> Result<usize, CommandError> {
    let refused = CommandError::fixed("ERR count should be greater than or equal to -1");
    match args.integer() {
        Ok(-1) => Ok(usize::MAX),
        Ok(count) => usize::try_from(count).map_err(|_| refused),
        Err(_) => Err(refused),
    }
}

/// SLOWLOG LEN
static LEN: CommandSpec = CommandSpec::new("LEN", Group::Server, len)
    .doc(
        "Answers how many entries the slow log has.",
        "2.2.12",
        "O(1)",
    )
    .arity(2)
    .flags(ADMIN)
    .tips(&[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ]);

fn len(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.reply.count(context.instance.slow_log.len());
    Ok(())
}

/// SLOWLOG RESET
static RESET: CommandSpec = CommandSpec::new("RESET", Group::Server, reset)
    .doc(
        "Forgets all entries of the slow log.",
        "2.2.12",
        "O(N), N being the number of entries.",
    )
    .arity(2)
    .flags(ADMIN)
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

fn reset(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.instance.slow_log.reset();
    context.reply.ok();
    Ok(())
}

/// SLOWLOG HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::Server, help)
    .doc("Lists the subcommands.", "6.2.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Answer the newest <count> entries (10 by default, all for -1), each with id,",
            "    Unix time, microseconds, words, the client's address, and its name.",
            "LEN",
            "    Answer how many entries there are.",
            "RESET",
            "    Forget all entries.",
        ],
    );
    Ok(())
}
