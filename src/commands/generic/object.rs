//! OBJECT: how a value is stored, and how long it has not been used.

use crate::command::{
    Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::config::Config;
use crate::config::choices::MaxmemoryPolicy;
use crate::resp::Request;
use crate::store::access::{AccessPolicy, idle_s};
use crate::store::db::{EncodingLimits, EntryRef};
use crate::store::entry::{Object, Value};

/// The longest string that Redis keeps in one block with its object's header. It shows in the encoding's name alone.
const MAX_EMBSTR: usize = 44;
/// Redis has one shared object for each integer below this.
const SHARED_INTEGERS: i64 = 10_000;
/// The reference count that Redis answers for a shared object.
const SHARED_REFERENCES: i64 = i32::MAX as i64;

/// OBJECT subcommand ...
pub static OBJECT: CommandSpec = CommandSpec::new("OBJECT", Group::Generic, object)
    .doc(
        "Looks into how values are stored.",
        "2.2.3",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[&ENCODING, &FREQ, &HELP, &IDLETIME, &REFCOUNT]);

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
    match context
        .db
        .inspect_quietly(index, request.get(2))
        .map(encoding_name)
    {
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
        // Redis 7.0, whose suite asks for it, knows no other; from 7.2 on small lists are called listpack there.
        Value::Object(Object::List(_)) => "quicklist",
        // The same holds for small sets of strings.
        Value::Object(Object::Set(set)) if set.encoding_name() == "listpack" => "hashtable",
        Value::Object(Object::Set(set)) => set.encoding_name(),
        Value::Object(Object::Hash(hash)) => hash.encoding_name(),
        Value::Object(Object::SortedSet(set)) => set.encoding_name(),
        Value::Object(Object::Stream(_)) => "stream",
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
    let (index, now_ms) = (context.index(), context.now_ms());
    let is_lfu = is_lfu(context.instance.config().maxmemory_policy());
    match context
        .db
        .inspect_quietly(index, request.get(2))
        .map(|entry| idle_s(entry.access(), now_ms))
    {
        None => context.reply.null(),
        Some(_) if is_lfu => {
            return Err(CommandError::fixed(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
                 between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(idle_s) => context.reply.integer(idle_s.into()),
    }
    Ok(())
}

/// OBJECT FREQ key
static FREQ: CommandSpec = inspector(
    "FREQ",
    freq,
    "Answers the logarithmic counter of a value's uses.",
    "4.0.0",
);

fn freq(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (index, now_ms) = (context.index(), context.now_ms());
    let is_lfu = is_lfu(context.instance.config().maxmemory_policy());
    let policy = context.db.access;
    match context
        .db
        .inspect_quietly(index, request.get(2))
        .map(|entry| policy.frequency(entry.access(), now_ms))
    {
        None => context.reply.null(),
        Some(_) if !is_lfu => {
            return Err(CommandError::fixed(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(frequency) => context.reply.integer(frequency.into()),
    }
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
        .inspect_quietly(index, request.get(2))
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

/// What entries are to remember of their uses under a configuration.
pub fn access_policy(config: &Config) -> AccessPolicy {
    if is_lfu(config.maxmemory_policy()) {
        AccessPolicy::Lfu {
            log_factor: config.lfu_log_factor(),
            decay_time_min: config.lfu_decay_time_min(),
        }
    } else {
        AccessPolicy::Lru
    }
}

/// The limits at which collections change their form under a configuration.
pub fn encoding_limits(config: &Config) -> EncodingLimits {
    EncodingLimits {
        list_max_listpack_size: config.list_max_listpack_size(),
        set_max_intset_entries: config.set_max_intset_entries(),
        set_max_listpack_entries: config.set_max_listpack_entries(),
        set_max_listpack_value: config.set_max_listpack_value(),
        hash_max_listpack_entries: config.hash_max_listpack_entries(),
        hash_max_listpack_value: config.hash_max_listpack_value(),
        zset_max_listpack_entries: config.zset_max_listpack_entries(),
        zset_max_listpack_value: config.zset_max_listpack_value(),
        stream_node_max_bytes: config.stream_node_max_bytes(),
        stream_node_max_entries: config.stream_node_max_entries(),
    }
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
            "FREQ <key>",
            "    The logarithmic counter of the uses of <key>, under an LFU policy.",
            "IDLETIME <key>",
            "    For how many seconds <key> has not been used.",
            "REFCOUNT <key>",
            "    How often the value of <key> is referred to.",
        ],
    );
    Ok(())
}
