//! The data set as a whole: DBSIZE, FLUSHALL, FLUSHDB, SWAPDB.
//!
//! What is flushed is taken out of the data set under the lock and dropped elsewhere, SYNC or not: dropping millions of
//! keys takes long, and nobody has to wait for it.

use crate::command::session::Place;
use crate::command::{
    Arg, Args, Categories, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
};
use crate::instance::{saving, tracking};
use crate::resp::Request;
use crate::store::db::DbIndex;
use crate::text::number::parse_i64;

/// DBSIZE
pub static DBSIZE: CommandSpec = CommandSpec::new("DBSIZE", Group::Server, dbsize)
    .doc(
        "Answers how many keys the selected database has.",
        "1.0.0",
        "O(1)",
    )
    .arity(1)
    .flags(&[Flags::READONLY, Flags::FAST])
    .categories(&[Categories::KEYSPACE])
    .tips(&["request_policy:all_shards", "response_policy:agg_sum"]);

fn dbsize(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let keys = context.db.keyspace(context.index()).len();
    context.reply.count(keys);
    Ok(())
}

/// When the memory of what is flushed is given back: the words that FLUSHALL and FLUSHDB take.
const MODE: &[Arg] = &[Arg::one_of(
    "flush-type",
    &[
        Arg::token("async", "ASYNC").since("4.0.0"),
        Arg::token("sync", "SYNC").since("6.2.0"),
    ],
)
.optional()];
const MODE_HISTORY: &[(&str, &str)] = &[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")];
const MODE_TIPS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

/// What the specs of FLUSHALL and FLUSHDB have in common.
const fn flusher(name: &'static str, handler: Handler, summary: &'static str) -> CommandSpec {
    CommandSpec::new(name, Group::Server, handler)
        .doc(
            summary,
            "1.0.0",
            "O(N) for N keys, off the path of other commands.",
        )
        .arity(-1)
        .flags(&[Flags::WRITE])
        .categories(&[Categories::KEYSPACE, Categories::DANGEROUS])
        .args(MODE)
        .history(MODE_HISTORY)
        .tips(MODE_TIPS)
}

/// FLUSHALL [ASYNC | SYNC]
pub static FLUSHALL: CommandSpec = flusher("FLUSHALL", flushall, "Empties every database.");

fn flushall(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    check_mode(request)?;
    for index in 0..context.db.databases() {
        flush(context, index);
    }
    tracking::all_changed(context.instance, context.session.id());
    if !context.session.handle.is_of_file() {
        forget_file(context);
    }
    // Whoever repeats it may have keys where there was none here.
    repeat(context, request);
    context.reply.ok();
    Ok(())
}

/// Has the data set's file be that of an empty one, where it is kept at all. Where the command is repeated from the append-only
/// file, the data set that is loaded is not whole, and may never be.
fn forget_file(context: &mut Context<'_>) {
    // What is being saved is not there any more, and must not come back at the next start.
    context.instance.saving.cancel();
    let saves = !context.instance.config().save_points().is_empty();
    match context.session.place {
        // A script holds the functions, which are part of what is saved.
        Place::Script if saves => context.instance.saving.schedule(),
        // An empty data set takes no time. A failure is in the log.
        _ if saves => {
            saving::save_now(context.db, context.instance);
        }
        _ => {}
    }
}

/// FLUSHDB [ASYNC | SYNC]
pub static FLUSHDB: CommandSpec = flusher(
    "FLUSHDB",
    flushdb,
    "Removes all keys from the selected database.",
);

fn flushdb(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    check_mode(request)?;
    let index = context.index();
    flush(context, index);
    repeat(context, request);
    tracking::all_changed(context.instance, context.session.id());
    context.reply.ok();
    Ok(())
}

/// Has a flush repeated under its own name, even if there was nothing.
fn repeat(context: &mut Context<'_>, request: Request<'_>) {
    let name = context.command.spec.name;
    context.repeat(|effects| _ = effects.word(name.as_bytes()).words(request.iter_from(1)));
}

/// Both modes do the same here; only the word is checked.
fn check_mode(request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    let _ = args.keyword("ASYNC") || args.keyword("SYNC");
    args.finish()
}

/// Empties a database. Its keys count as changed, each once.
fn flush(context: &mut Context<'_>, index: DbIndex) {
    context.instance.watches().replaced(context.db, index, None);
    let flushed = context.db.flush(index);
    let keys = flushed.len();
    if keys > 0 {
        context.db.dirty += keys as u64;
        context.instance.reclaimer.hand_over(keys, flushed);
        context.instance.database_changed(index);
    }
}

/// SWAPDB index1 index2
pub static SWAPDB: CommandSpec = CommandSpec::new("SWAPDB", Group::Server, swapdb)
    .doc(
        "Exchanges two databases; their clients see the other's keys at once.",
        "4.0.0",
        "O(N) for N clients that watch or wait for keys of either.",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::FAST])
    .categories(&[Categories::KEYSPACE, Categories::DANGEROUS])
    .args(&[Arg::integer("index1"), Arg::integer("index2")]);

fn swapdb(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if context.instance.config().cluster_enabled() {
        return Err(CommandError::fixed(
            "ERR SWAPDB is not allowed in cluster mode",
        ));
    }
    let number = |at: usize, error| {
        parse_i64(request.get(at))
            .and_then(|n| i32::try_from(n).ok())
            .ok_or(error)
    };
    let first = number(1, CommandError::fixed("ERR invalid first DB index"))?;
    let second = number(2, CommandError::fixed("ERR invalid second DB index"))?;
    let databases = context.db.databases();
    let index = |number: i32| {
        usize::try_from(number)
            .ok()
            .filter(|&index| index < databases)
            .ok_or(CommandError::DbIndexOutOfRange)
    };
    let (first, second) = (index(first)?, index(second)?);
    for (index, other) in [(first, second), (second, first)] {
        let mut watches = context.instance.watches();
        watches.replaced(context.db, index, Some(other));
    }
    context.db.swap(first, second);
    context.db.dirty += 1;
    if first != second {
        context.instance.database_changed(first);
        context.instance.database_changed(second);
    }
    context.reply.ok();
    Ok(())
}
