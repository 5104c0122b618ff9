//! A value as bytes, and back: DUMP and RESTORE. The bytes are those of [`crate::persist::rdb::payload`], which Redis and
//! Valkey write and read as well.
//!
//! A payload is checked as a whole before anything is changed, whatever `sanitize-dump-payload` says.

use std::sync::atomic::Ordering;

use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::persist::rdb::payload::{self, Refused};
use crate::resp::Request;
use crate::store::entry::NEVER;
use crate::store::journal::Events;

/// DUMP key
pub static DUMP: CommandSpec = CommandSpec::new("DUMP", Group::Generic, dump)
    .doc(
        "Answers a key's value in a serialized form, which RESTORE takes.",
        "2.6.0",
        "O(N) for a value of N bytes.",
    )
    .arity(2)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[Arg::key("key", 0)])
    .tips(&["nondeterministic_output"]);

fn dump(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let compress = context.instance.config().rdbcompression();
    match context.db.read(context.session.db, request.get(1)) {
        Some(entry) => {
            let bytes = payload::encode(entry.value(), compress);
            context.reply.bulk(&bytes);
        }
        None => context.reply.null(),
    }
    Ok(())
}

/// `RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
pub static RESTORE: CommandSpec = restoring("RESTORE", Group::Generic, restore)
    .doc(
        "Makes a key of a value in the serialized form that DUMP answers.",
        "2.6.0",
        RESTORE_COMPLEXITY,
    )
    .flags(&[Flags::WRITE, Flags::DENYOOM]);

/// `RESTORE-ASKING key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
pub static RESTORE_ASKING: CommandSpec = restoring("RESTORE-ASKING", Group::Server, restore)
    .doc(
        "RESTORE as nodes of a cluster send it while they move keys.",
        "3.0.0",
        RESTORE_COMPLEXITY,
    )
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::ASKING])
    .internal();

const RESTORE_COMPLEXITY: &str =
    "O(N) for a value of N bytes; O(N*log(N)) for a sorted set of N members.";

const fn restoring(name: &'static str, group: Group, handler: Handler) -> CommandSpec {
    CommandSpec::new(name, group, handler)
        .arity(-4)
        .categories(&[
            crate::command::Categories::KEYSPACE,
            crate::command::Categories::DANGEROUS,
        ])
        .keys(const { &[KeySpec::at(1, KeyFlags::OW.with(KeyFlags::UPDATE))] })
        .args(
            const {
                &[
                    Arg::key("key", 0),
                    Arg::integer("ttl"),
                    Arg::string("serialized-value"),
                    Arg::token("replace", "REPLACE").optional().since("3.0.0"),
                    Arg::token("absttl", "ABSTTL").optional().since("5.0.0"),
                    Arg::integer("seconds")
                        .with_token("IDLETIME")
                        .optional()
                        .since("5.0.0"),
                    Arg::integer("frequency")
                        .with_token("FREQ")
                        .optional()
                        .since("5.0.0"),
                ]
            },
        )
        .history(&[
            ("3.0.0", "Added REPLACE."),
            ("5.0.0", "Added ABSTTL."),
            ("5.0.0", "Added IDLETIME and FREQ."),
        ])
}

/// What the words behind the payload say.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    use_noted: Option<Use>,
}

/// When, or how often, the key was used.
#[derive(Clone, Copy)]
enum Use {
    IdleS(u64),
    Frequency(u8),
}

impl Options {
    fn parse(mut args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        while !args.is_empty() {
            if args.keyword("REPLACE") {
                options.replace = true;
            } else if args.keyword("ABSTTL") {
                options.absolute = true;
            } else if !matches!(options.use_noted, Some(Use::Frequency(_)))
                && args.remaining() > 1
                && args.keyword("IDLETIME")
            {
                let idle_s = u64::try_from(args.integer()?)
                    .map_err(|_| CommandError::fixed("ERR Invalid IDLETIME value, must be >= 0"))?;
                options.use_noted = Some(Use::IdleS(idle_s));
            } else if !matches!(options.use_noted, Some(Use::IdleS(_)))
                && args.remaining() > 1
                && args.keyword("FREQ")
            {
                let counter = u8::try_from(args.integer()?).map_err(|_| {
                    CommandError::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255")
                })?;
                options.use_noted = Some(Use::Frequency(counter));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

fn restore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = Options::parse(Args::new(request, 4))?;
    let (key, index) = (request.get(1), context.index());
    if !options.replace && context.db.contains(index, key) {
        return Err(CommandError::fixed(
            "BUSYKEY Target key name already exists.",
        ));
    }
    let ttl_ms = u64::try_from(Args::new(request, 2).integer()?)
        .map_err(|_| CommandError::fixed("ERR Invalid TTL value, must be >= 0"))?;
    let check_sum = !context.instance.skip_checksums.load(Ordering::Relaxed);
    let value = payload::decode(request.get(3), &context.db.limits, check_sum).map_err(refusal)?;
    let deadline_ms = match (ttl_ms, options.absolute) {
        (0, _) => NEVER,
        (deadline_ms, true) => deadline_ms,
        // A deadline is an i64 elsewhere.
        (ttl_ms, false) => context.now_ms().saturating_add(ttl_ms).min(i64::MAX as u64),
    };
    let replaced = context.db.delete(index, key);
    let is_replaced = replaced.is_some();
    if let Some(replaced) = replaced {
        context.discard(replaced);
    }
    if deadline_ms <= context.now_ms() {
        // A key whose time has come is not made at all.
        if is_replaced {
            context.changed(key);
            context.event(Events::GENERIC, "del", key);
            context.repeat_as(&[b"DEL", key]);
        }
        context.reply.ok();
        return Ok(());
    }
    context.db.insert(index, value.into_entry(key, deadline_ms));
    if let Some(noted) = options.use_noted {
        note_use(context, key, noted);
    }
    context.changed(key);
    context.event(Events::GENERIC, "restore", key);
    if ttl_ms > 0 && !options.absolute {
        repeat_with_deadline(context, request, deadline_ms);
    }
    context.reply.ok();
    Ok(())
}

/// Has RESTORE repeated with the deadline in place of the time to live.
fn repeat_with_deadline(context: &mut Context<'_>, request: Request<'_>, deadline_ms: u64) {
    let name = context.command.spec.name;
    context.repeat(|effects| {
        effects
            .word(name.as_bytes())
            .word(request.get(1))
            .number(deadline_ms);
        for word in request.iter_from(3) {
            effects.word(word);
        }
        effects.word(b"ABSTTL");
    });
}

/// Has the key remember its uses, where they are told in the way that the server notes them.
fn note_use(context: &mut Context<'_>, key: &[u8], noted: Use) {
    let (access, now_ms) = (context.db.access, context.now_ms());
    let clock = match noted {
        Use::IdleS(idle_s) => access.idle_for(idle_s, now_ms),
        Use::Frequency(counter) => access.used_often(counter, now_ms),
    };
    if let (Some(clock), Some(entry)) = (clock, context.peek(key)) {
        entry.set_access(clock);
    }
}

/// What the client is told; the log says more.
fn refusal(refused: Refused) -> CommandError {
    match refused {
        Refused::Footer => CommandError::fixed("ERR DUMP payload version or checksum are wrong"),
        Refused::Value(error) => {
            tracing::warn!("The payload of a RESTORE is refused: {error}");
            CommandError::fixed("ERR Bad data format")
        }
    }
}
