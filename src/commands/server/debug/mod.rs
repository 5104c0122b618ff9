//! DEBUG: looking inside, staging states for tests, and stalling the server. Refused by the gate unless
//! `enable-debug-command` allows it.
//!
//! DEBUG has no subcommands that COMMAND would list: its forms are the rows of [`FORMS`], each a word, how many words
//! there may be in all, and its handler. To add a form, add its row, its handler and its line to [`USAGE`].

mod digest;
mod look;
mod protocol;
mod reload;

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::command::{
    Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
};
use crate::resp::Request;
use crate::store::entry::{NEVER, NewValue};
use crate::text::number::parse_i64;

/// DEBUG subcommand ...
pub static DEBUG: CommandSpec = CommandSpec::new("DEBUG", Group::Server, debug)
    .doc(
        "For developers and tests: looks inside the server and stages states.",
        "1.0.0",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .internal()
    .flags(&[
        Flags::ADMIN,
        Flags::NOSCRIPT,
        Flags::LOADING,
        Flags::STALE,
        Flags::PROTECTED,
    ]);

/// A form of DEBUG: its word, the number of words that it has with both names, and its code.
type Form = (&'static str, RangeInclusive<usize>, Handler);

const ANY: usize = usize::MAX;

static FORMS: &[Form] = &[
    ("AOF-FLUSH-SLEEP", 3..=3, file_delay),
    ("CHANGE-REPL-ID", 2..=2, change_repl_id),
    ("CONFIG-REWRITE-FORCE-ALL", 2..=2, rewrite_all),
    ("DIGEST", 2..=2, digest::digest),
    ("DIGEST-VALUE", 2..=ANY, digest::digest_value),
    ("ERROR", 3..=3, error),
    ("HELP", 2..=2, help),
    ("HTSTATS", 3..=4, look::htstats),
    ("HTSTATS-KEY", 3..=4, look::htstats_key),
    ("LISTPACK", 3..=3, look::listpack),
    ("LOADAOF", 2..=2, reload::load_append_only),
    ("LOG", 3..=3, log),
    ("OBJECT", 3..=3, look::object),
    ("PAUSE-CRON", 3..=3, pause_cron),
    ("POPULATE", 3..=5, populate),
    ("PROTOCOL", 3..=3, protocol::protocol),
    ("QUICKLIST", 3..=4, look::quicklist),
    ("QUICKLIST-PACKED-THRESHOLD", 3..=3, packed_threshold),
    ("RELOAD", 2..=ANY, reload::reload),
    ("REPLYBUFFER", 4..=4, reply_buffer),
    ("SET-ACTIVE-EXPIRE", 3..=3, set_active_expire),
    ("SET-DISABLE-DENY-SCRIPTS", 3..=3, allow_all_in_scripts),
    ("SET-SKIP-CHECKSUM-VALIDATION", 3..=3, skip_checksums),
    ("SLEEP", 3..=3, sleep),
    ("STRINGMATCH-LEN", 4..=4, string_match),
];

static USAGE: &[&str] = &[
    "AOF-FLUSH-SLEEP <microseconds>",
    "    Wait so long before each write to the append-only file.",
    "CHANGE-REPL-ID",
    "    Start a new history for replicas.",
    "CONFIG-REWRITE-FORCE-ALL",
    "    CONFIG REWRITE, with the parameters that have their defaults.",
    "DIGEST",
    "    Answer a digest of the whole data set.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Answer a digest of each key's value.",
    "ERROR <text>",
    "    Answer an error of that text.",
    "HTSTATS <database> [full]",
    "    Answer figures about the table of a database, with `full` also how evenly it is filled.",
    "HTSTATS-KEY <key> [full]",
    "    The same about the table of a value.",
    "LISTPACK <key>",
    "    Print what is in a small collection to where the log goes.",
    "LOADAOF",
    "    Write what is left to the append-only file, and load the data set from it.",
    "LOG <text>",
    "    Write to the log.",
    "OBJECT <key>",
    "    Answer how a value is stored.",
    "PAUSE-CRON <0|1>",
    "    Stop or resume periodic work.",
    "POPULATE <count> [<prefix> [<bytes>]]",
    "    Create strings <prefix>:0, <prefix>:1 and so on, where there is no such key.",
    "PROTOCOL <type>",
    "    Answer a reply of that type: string, integer, double, bignum, null, array, set, map, attrib, push,",
    "    verbatim, true or false.",
    "QUICKLIST <key> [<0|1>]",
    "    Print the chunks of a large list to where the log goes; with 1, their elements too.",
    "QUICKLIST-PACKED-THRESHOLD <bytes>",
    "    Accepted, without effect.",
    "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
    "    Save the data set and load it again. NOSAVE loads what was saved before, NOFLUSH beside what is there; with",
    "    MERGE keys of the file take the place of those that are there.",
    "REPLYBUFFER <PEAK-RESET-TIME|RESIZING> <value>",
    "    Accepted, without effect.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Stop or resume the search for expired keys.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Let scripts call the commands that are not for them, or not.",
    "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
    "    Let RESTORE take payloads whatever their checksums.",
    "SLEEP <seconds>",
    "    Stall the server.",
    "STRINGMATCH-LEN <pattern> <text>",
    "    Answer whether the text matches.",
];

fn debug(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let word = request.get(1);
    let form = FORMS.iter().find(|(name, words, _)| {
        word.eq_ignore_ascii_case(name.as_bytes()) && words.contains(&request.len())
    });
    match form {
        Some((_, _, handler)) => handler(context, request),
        None => Err(unknown_form(word)),
    }
}

fn unknown_form(word: &[u8]) -> CommandError {
    CommandError::UnknownForm {
        word: word[..word.len().min(128)].to_vec(),
        command: "DEBUG",
    }
}

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help("DEBUG", USAGE);
    Ok(())
}

/// Stalls all commands, which is what tests use it for: it holds the data set's lock.
fn sleep(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let seconds = std::str::from_utf8(request.get(2))
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .unwrap_or(0.0);
    std::thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    context.reply.ok();
    Ok(())
}

fn set_active_expire(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    context
        .instance
        .active_expire
        .store(is_on(request.get(2)), Ordering::Relaxed);
    context.reply.ok();
    Ok(())
}

fn allow_all_in_scripts(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    context
        .instance
        .scripts
        .allow_all
        .store(is_on(request.get(2)), Ordering::Relaxed);
    context.reply.ok();
    Ok(())
}

fn pause_cron(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    context
        .instance
        .cron_paused
        .store(is_on(request.get(2)), Ordering::Relaxed);
    context.reply.ok();
    Ok(())
}

fn skip_checksums(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    context
        .instance
        .skip_checksums
        .store(is_on(request.get(2)), Ordering::Relaxed);
    context.reply.ok();
    Ok(())
}

fn file_delay(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let delay_us = parse_i64(request.get(2)).and_then(|us| u64::try_from(us).ok());
    context.instance.aof.set_delay(delay_us.unwrap_or(0));
    context.reply.ok();
    Ok(())
}

/// A switch as these forms take it: a number other than 0 is on, and what is no number is off.
fn is_on(word: &[u8]) -> bool {
    parse_i64(word).is_some_and(|number| number != 0)
}

fn change_repl_id(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    tracing::warn!("Changing replication IDs after receiving DEBUG change-repl-id");
    context.instance.change_replication_id(&mut context.db.rng);
    context.reply.ok();
    Ok(())
}

fn rewrite_all(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let failed =
        |reason: &str| CommandError::err(format_args!("CONFIG-REWRITE-FORCE-ALL failed: {reason}"));
    let Some(path) = &context.instance.config_file else {
        return Err(failed("no config file"));
    };
    super::config::rewrite_file(path, &context.instance.config(), true)
        .map_err(|error| failed(&crate::config::error::system_text(&error)))?;
    context.reply.ok();
    Ok(())
}

fn error(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    context.reply.error(request.get(2));
    Ok(())
}

fn log(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(request.get(2)));
    context.reply.ok();
    Ok(())
}

fn string_match(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    context.reply.flag(crate::text::pattern::matches(
        request.get(2),
        request.get(3),
    ));
    Ok(())
}

/// Values of keys that are there are kept, and what is made does not count as a change, so that tests can tell it from
/// their own. Nor does it get into the log of writes, as in Redis: a rewrite of the append-only file has it.
fn populate(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let keys = positive(&mut args)?;
    let prefix = if args.is_empty() {
        b"key"
    } else {
        args.bytes()?
    };
    let bytes = if args.is_empty() {
        0
    } else {
        positive(&mut args)?
    };
    let index = context.index();
    for number in 0..keys {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        if context.db.contains(index, &key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if bytes > 0 {
            value.resize(bytes, 0);
        }
        context.db.set(index, &key, NewValue::String(&value), NEVER);
    }
    context.reply.ok();
    Ok(())
}

fn positive(args: &mut Args<'_>) -> Result<usize, CommandError> {
    parse_i64(args.bytes()?)
        .and_then(|number| usize::try_from(number).ok())
        .ok_or(CommandError::MustBePositive)
}

fn packed_threshold(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let refused = "ERR argument must be a memory value bigger than 1 and smaller than 4gb";
    match crate::config::value::parse_memory(request.get(2)) {
        Some(bytes) if bytes < 1 << 32 => {
            context.reply.ok();
            Ok(())
        }
        _ => Err(CommandError::fixed(refused)),
    }
}

fn reply_buffer(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (what, value) = (request.get(2), request.get(3));
    if what.eq_ignore_ascii_case(b"PEAK-RESET-TIME") {
        if ![&b"NEVER"[..], b"RESET"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
        {
            Args::new(request, 3).integer()?;
        }
    } else if !what.eq_ignore_ascii_case(b"RESIZING") {
        return Err(unknown_form(request.get(1)));
    }
    context.reply.ok();
    Ok(())
}
