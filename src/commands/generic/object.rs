//! OBJECT: how a value is stored, and how long it has not been used.

use crate::command::{
    Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::config::choices::MaxmemoryPolicy;
use crate::resp::Request;
use crate::store::db::EntryRef;
use crate::store::entry::{Object, Value};

/// The longest string that Redis keeps in one block with its object's header. It shows in the encoding's name alone.
const MAX_EMBSTR: usize = 44;
/// Redis has one shared object for each integer below this.
const SHARED_INTEGERS: i64 = 10_000;
/// The reference count that Redis answers for a shared object.
const SHARED_REFERENCES: i64 = i32::MAX as i64;
/// The access clock counts seconds in so many bits.
const CLOCK_MASK: u32 = 0x00ff_ffff;

/// OBJECT subcommand ...
pub static OBJECT: CommandSpec = CommandSpec::new("OBJECT", Group::Generic, object)
    .doc(
        "Looks into how values are stored.",
        "2.2.3",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[&ENCODING, &HELP, &IDLETIME, &REFCOUNT]);

/// The gate finds the subcommands; what comes here has none.
fn object(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    Err(context.wrong_arity())
}

const fn inspector(
    name: &'static str,
    handler: crate::command::Handler,
    summary: &'static str,
    since: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::Generic, handler)
        .doc(summary, since, "O(1)")
        .arity(3)
        .flags(&[Flags::READONLY])
        .keys(const { &[KeySpec::at(2, KeyFlags::RO)] })
        .args(const { &[Arg::key("key", 0)] })
        .tips(&["nondeterministic_output"])
}

/// OBJECT ENCODING key
static ENCODING: CommandSpec = inspector(
    "ENCODING",
    encoding,
    "Answers the name of the encoding in which a value is stored.",
    "2.2.3",
);

fn encoding(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let index = context.index();
    match context.db.inspect(index, request.get(2)).map(encoding_name) {
        Some(name) => context.reply.text(name),
        None => context.reply.null(),
    }
    Ok(())
}

/// The name that OBJECT ENCODING and DEBUG OBJECT give the encoding of a value.
pub fn encoding_name(entry: EntryRef<'_>) -> &'static str {
    match entry.value() {
        Value::Int(_) => "int",
        Value::Inline(text) if text.len() <= MAX_EMBSTR && !entry.is_raw() => "embstr",
        Value::Inline(_) | Value::Object(Object::String(_)) => "raw",
        Value::Object(Object::List(list)) => list.encoding_name(),
    }
}

/// OBJECT IDLETIME key
static IDLETIME: CommandSpec = inspector(
    "IDLETIME",
    idletime,
    "Answers for how many seconds a value has not been used.",
    "2.2.3",
);

fn idletime(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (index, clock) = (context.index(), context.db.access_clock());
    let Some(entry) = context.db.inspect(index, request.get(2)) else {
        context.reply.null();
        return Ok(());
    };
    // The clock goes around after 194 days.
    let idle_s = clock.wrapping_sub(entry.access()) & CLOCK_MASK;
    if is_lfu(context.instance.config().maxmemory_policy()) {
        return Err(CommandError::fixed(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    context.reply.integer(idle_s.into());
    Ok(())
}

/// OBJECT REFCOUNT key
static REFCOUNT: CommandSpec = inspector(
    "REFCOUNT",
    refcount,
    "Answers how often a value is referred to.",
    "2.2.3",
);

/// Small integers answer what they answer in Redis, which shares one object among all keys that hold the same small
/// number, unless each needs an access clock of its own for the eviction by use.
fn refcount(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let index = context.index();
    let is_shared = match context
        .db
        .inspect(index, request.get(2))
        .map(EntryRef::value)
    {
        None => {
            context.reply.null();
            return Ok(());
        }
        Some(Value::Int(number)) => (0..SHARED_INTEGERS).contains(&number),
        Some(_) => false,
    };
    let config = context.instance.config();
    let policy = config.maxmemory_policy();
    let needs_clock = config.maxmemory_bytes() > 0 && (is_lfu(policy) || is_lru(policy));
    context.reply.integer(if is_shared && !needs_clock {
        SHARED_REFERENCES
    } else {
        1
    });
    Ok(())
}

fn is_lfu(policy: MaxmemoryPolicy) -> bool {
    matches!(
        policy,
        MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu
    )
}

fn is_lru(policy: MaxmemoryPolicy) -> bool {
    matches!(
        policy,
        MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru
    )
}

/// OBJECT HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::Generic, help)
    .doc("Answers a list of the subcommands.", "6.2.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "OBJECT",
        &[
            "ENCODING <key>",
            "    The encoding in which the value of <key> is stored.",
            "IDLETIME <key>",
            "    For how many seconds <key> has not been used.",
            "REFCOUNT <key>",
            "    How often the value of <key> is referred to.",
        ],
    );
    Ok(())
}
