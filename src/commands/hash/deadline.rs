//! Deadlines of fields: HEXPIRE and its three kin, HTTL and its three kin, HPERSIST.
//!
//! They answer one code for each field, in the order of the request. A field without a deadline counts as one whose
//! deadline is later than all. A deadline that has passed already removes the field at once.

use super::event;
use super::fields::{FIELDS, NOT_POSITIVE, parse_deadline, parse_fields};
use super::{Missing, change, hash_of, settle};
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
    KeyFlags, KeySpec,
};
use crate::commands::expiry::Unit;
use crate::resp::Request;
use crate::store::effects::Noted;
use crate::store::entry::NEVER;
use crate::store::types::hash::Hash;

/// There is no such field.
const NO_FIELD: i64 = -2;
/// The field has no deadline.
const NO_DEADLINE: i64 = -1;
/// The condition does not hold.
const REFUSED: i64 = 0;
/// It is done.
const DONE: i64 = 1;
/// The deadline has passed, so the field was removed.
const REMOVED: i64 = 2;

const COST: &str = "O(N), N being the number of fields.";
const CONDITION: Arg = Arg::one_of(
    "condition",
    &[
        Arg::token("nx", "NX"),
        Arg::token("xx", "XX"),
        Arg::token("gt", "GT"),
        Arg::token("lt", "LT"),
    ],
)
.optional();

/// What the specs of the four setting commands have in common.
const fn setter(name: &'static str, handler: Handler, summary: &'static str) -> CommandSpec {
    CommandSpec::new(name, Group::Hash, handler)
        .doc(summary, "9.0.0", COST)
        .arity(-6)
        .flags(&[Flags::WRITE, Flags::FAST])
        .keys(const { &[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))] })
}

/// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub static HEXPIRE: CommandSpec = setter(
    "HEXPIRE",
    hexpire,
    "Sets the time to live of fields of a hash in seconds.",
)
.args(&[
    Arg::key("key", 0),
    Arg::integer("seconds"),
    CONDITION,
    FIELDS,
]);

fn hexpire(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_deadlines(context, request, Unit::Seconds, "hexpire")
}

/// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub static HPEXPIRE: CommandSpec = setter(
    "HPEXPIRE",
    hpexpire,
    "Sets the time to live of fields of a hash in milliseconds.",
)
.args(&[
    Arg::key("key", 0),
    Arg::integer("milliseconds"),
    CONDITION,
    FIELDS,
]);

fn hpexpire(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_deadlines(context, request, Unit::Milliseconds, "hpexpire")
}

/// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub static HEXPIREAT: CommandSpec = setter(
    "HEXPIREAT",
    hexpireat,
    "Sets the Unix time in seconds at which fields of a hash expire.",
)
.args(&[
    Arg::key("key", 0),
    Arg::new("unix-time-seconds", ArgKind::UnixTime),
    CONDITION,
    FIELDS,
]);

fn hexpireat(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_deadlines(context, request, Unit::UnixSeconds, "hexpireat")
}

/// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub static HPEXPIREAT: CommandSpec = setter(
    "HPEXPIREAT",
    hpexpireat,
    "Sets the Unix time in milliseconds at which fields of a hash expire.",
)
.args(&[
    Arg::key("key", 0),
    Arg::new("unix-time-milliseconds", ArgKind::UnixTime),
    CONDITION,
    FIELDS,
]);

fn hpexpireat(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_deadlines(context, request, Unit::UnixMilliseconds, "hpexpireat")
}

const NUMBER_NOT_POSITIVE: CommandError =
    CommandError::fixed("ERR Parameter `numFields` should be greater than 0");

fn set_deadlines(
    context: &mut Context<'_>,
    request: Request<'_>,
    unit: Unit,
    name: &'static str,
) -> CommandResult {
    let (key, index, now_ms) = (request.get(1), context.index(), context.now_ms());
    // In Redis's order: type, time, condition, fields.
    check_type(context, key)?;
    let deadline_ms = parse_deadline(request, 2, unit, now_ms, name)?;
    let mut args = Args::new(request, 3);
    let condition = Condition::parse(&mut args);
    parse_fields(&mut args, NUMBER_NOT_POSITIVE)?;
    let Context { db, reply, .. } = context;
    reply.array(args.remaining());
    let mut names = db.effects.notes();
    let changes = change(db, index, key, Missing::Skip, |edit| {
        let mut changes = Changes::default();
        for name in args.rest() {
            let code = set_deadline(edit.hash, name, deadline_ms, condition, now_ms);
            changes.count(code, name, &mut names);
            reply.integer(code);
        }
        Ok(changes)
    })?;
    match changes {
        Some(changes) => {
            context.db.stats.expired_fields += changes.removed as u64;
            settle(context, key, changes.all());
            if changes.all() > 0 {
                event(context, changes.event(), key);
                repeat_deadline(context, key, &names, changes, deadline_ms);
            }
        }
        None => (0..args.remaining()).for_each(|_| context.reply.integer(NO_FIELD)),
    }
    Ok(())
}

/// What was done to some fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    /// Fields whose deadline was changed.
    pub(super) changed: usize,
    /// Fields that were removed because the deadline has passed.
    pub(super) removed: usize,
}

impl Changes {
    /// Counts a field by the code that was answered for it, and keeps its name in `names` if it was changed.
    pub(super) fn count(&mut self, code: i64, name: &[u8], names: &mut Noted) {
        self.changed += usize::from(code == DONE);
        self.removed += usize::from(code == REMOVED);
        if matches!(code, DONE | REMOVED) {
            names.word(name);
        }
    }

    /// The name of their event.
    pub(super) fn event(self) -> &'static str {
        if self.removed > 0 { "hdel" } else { "hexpire" }
    }

    pub(super) fn all(self) -> usize {
        self.changed + self.removed
    }
}

/// Has a command repeated as what it did to the deadlines of the fields `names`: one in the past has removed them all.
pub(super) fn repeat_deadline(
    context: &mut Context<'_>,
    key: &[u8],
    names: &Noted,
    changes: Changes,
    deadline_ms: u64,
) {
    if changes.removed > 0 {
        return repeat_removal(context, key, names);
    }
    context.repeat(|effects| {
        effects.word(b"HPEXPIREAT").word(key).number(deadline_ms);
        effects.word(b"FIELDS").number(names.len());
        effects.words(names.iter());
    });
}

/// Has a command repeated as the removal of the fields `names`.
pub(super) fn repeat_removal(context: &mut Context<'_>, key: &[u8], names: &Noted) {
    context.repeat(|effects| {
        effects.word(b"HDEL").word(key).words(names.iter());
    });
}

/// Has a command repeated as what it did to those fields `names` that had deadlines.
pub(super) fn repeat_persist(context: &mut Context<'_>, key: &[u8], names: &Noted) {
    context.repeat(|effects| {
        effects.word(b"HPERSIST").word(key).word(b"FIELDS");
        effects.number(names.len()).words(names.iter());
    });
}

/// Sets the deadline of one field if the condition holds, and answers the code of what was done.
pub(super) fn set_deadline(
    hash: &mut Hash,
    name: &[u8],
    deadline_ms: u64,
    condition: Condition,
    now_ms: u64,
) -> i64 {
    let old_ms = match hash.field(name) {
        Some(field) if field.lives_at(now_ms) => field.deadline_ms,
        _ => return NO_FIELD,
    };
    if !condition.holds(old_ms, deadline_ms) {
        return REFUSED;
    }
    if deadline_ms <= now_ms {
        hash.remove(name);
        return REMOVED;
    }
    hash.set_deadline(name, deadline_ms);
    DONE
}

/// Removes the deadline of one field, and answers the code of what was done.
pub(super) fn persist(hash: &mut Hash, name: &[u8], now_ms: u64) -> i64 {
    match hash.field(name) {
        Some(field) if field.deadline_ms == NEVER => NO_DEADLINE,
        Some(field) if field.lives_at(now_ms) => {
            hash.set_deadline(name, NEVER);
            DONE
        }
        _ => NO_FIELD,
    }
}

/// The error for a key that holds no hash.
pub(super) fn check_type(context: &mut Context<'_>, key: &[u8]) -> CommandResult {
    match context.peek(key) {
        Some(entry) => hash_of(entry.value()).map(drop),
        None => Ok(()),
    }
}

/// When a deadline is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// NX: if the field has none.
    HasNone,
    /// XX: if the field has one.
    HasOne,
    /// GT: if the new one is later.
    Later,
    /// LT: if the new one is earlier.
    Earlier,
}

impl Condition {
    fn parse(args: &mut Args<'_>) -> Self {
        [
            ("NX", Condition::HasNone),
            ("XX", Condition::HasOne),
            ("GT", Condition::Later),
            ("LT", Condition::Earlier),
        ]
        .into_iter()
        .find_map(|(word, condition)| args.keyword(word).then_some(condition))
        .unwrap_or(Condition::Always)
    }

    fn holds(self, old_ms: u64, new_ms: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::HasNone => old_ms == NEVER,
            Condition::HasOne => old_ms != NEVER,
            Condition::Later => new_ms > old_ms,
            Condition::Earlier => new_ms < old_ms,
        }
    }
}

/// What the specs of the four asking commands have in common.
const fn getter(name: &'static str, handler: Handler, summary: &'static str) -> CommandSpec {
    CommandSpec::new(name, Group::Hash, handler)
        .doc(summary, "9.0.0", COST)
        .arity(-5)
        .flags(&[Flags::READONLY, Flags::FAST])
        .keys(const { &[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))] })
        .args(const { &[Arg::key("key", 0), FIELDS] })
}

/// HTTL key FIELDS numfields field [field ...]
pub static HTTL: CommandSpec = getter(
    "HTTL",
    httl,
    "Answers the time to live of fields of a hash in seconds.",
)
.tips(&["nondeterministic_output"]);

fn httl(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_deadlines(context, request, |deadline_ms, now_ms| {
        (deadline_ms - now_ms).div_ceil(1000)
    })
}

/// HPTTL key FIELDS numfields field [field ...]
pub static HPTTL: CommandSpec = getter(
    "HPTTL",
    hpttl,
    "Answers the time to live of fields of a hash in milliseconds.",
)
.tips(&["nondeterministic_output"]);

fn hpttl(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_deadlines(context, request, |deadline_ms, now_ms| deadline_ms - now_ms)
}

/// HEXPIRETIME key FIELDS numfields field [field ...]
pub static HEXPIRETIME: CommandSpec = getter(
    "HEXPIRETIME",
    hexpiretime,
    "Answers the Unix time in seconds at which fields of a hash expire.",
);

fn hexpiretime(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_deadlines(context, request, |deadline_ms, _| {
        deadline_ms.div_ceil(1000)
    })
}

/// HPEXPIRETIME key FIELDS numfields field [field ...]
pub static HPEXPIRETIME: CommandSpec = getter(
    "HPEXPIRETIME",
    hpexpiretime,
    "Answers the Unix time in milliseconds at which fields of a hash expire.",
);

fn hpexpiretime(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_deadlines(context, request, |deadline_ms, _| deadline_ms)
}

/// Answers what `part` makes of each field's deadline and the present time, which is earlier.
fn answer_deadlines(
    context: &mut Context<'_>,
    request: Request<'_>,
    part: fn(u64, u64) -> u64,
) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let now_ms = db.now_ms();
    let hash = match db.read(session.db, request.get(1)) {
        Some(entry) => Some(hash_of(entry.value())?),
        None => None,
    };
    let mut args = Args::new(request, 2);
    parse_fields(&mut args, NOT_POSITIVE)?;
    reply.array(args.remaining());
    for name in args.rest() {
        let field = hash.and_then(|hash| hash.field(name));
        reply.integer(match field.map(|field| field.deadline_ms) {
            None => NO_FIELD,
            Some(NEVER) => NO_DEADLINE,
            Some(deadline_ms) if deadline_ms <= now_ms => NO_FIELD,
            // A deadline came as an i64, so it fits one.
            Some(deadline_ms) => part(deadline_ms, now_ms) as i64,
        });
    }
    Ok(())
}

/// HPERSIST key FIELDS numfields field [field ...]
pub static HPERSIST: CommandSpec = CommandSpec::new("HPERSIST", Group::Hash, hpersist)
    .doc(
        "Removes the deadlines of fields of a hash, so that they do not expire.",
        "9.0.0",
        COST,
    )
    .arity(-5)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[Arg::key("key", 0), FIELDS]);

fn hpersist(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index, now_ms) = (request.get(1), context.index(), context.now_ms());
    check_type(context, key)?;
    let mut args = Args::new(request, 2);
    parse_fields(&mut args, NOT_POSITIVE)?;
    let Context { db, reply, .. } = context;
    reply.array(args.remaining());
    let mut names = db.effects.notes();
    let changes = change(db, index, key, Missing::Skip, |edit| {
        let mut changes = Changes::default();
        for name in args.rest() {
            let code = persist(edit.hash, name, now_ms);
            changes.count(code, name, &mut names);
            reply.integer(code);
        }
        Ok(changes)
    })?;
    match changes {
        // Redis counts one change, however many fields there are.
        Some(changes) if changes.all() > 0 => {
            settle(context, key, 1);
            event(context, "hpersist", key);
            repeat_persist(context, key, &names);
        }
        Some(_) => {}
        None => (0..args.remaining()).for_each(|_| context.reply.integer(NO_FIELD)),
    }
    Ok(())
}
