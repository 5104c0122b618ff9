//! Deadlines: EXPIRE and its three kin, TTL and its three kin, PERSIST.
//!
//! There is one setting and one asking handler; the four commands of each differ in the [`Unit`] and in what of
//! the deadline they answer. A deadline that has passed already deletes the key at once.

use std::cmp::Ordering;

use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags,
    KeySpec,
};
use crate::commands::expiry::Unit;
use crate::resp::Request;
use crate::store::entry::NEVER;
use crate::store::journal::Events;

const CONDITIONS: &[Arg] = &[
    Arg::token("nx", "NX"),
    Arg::token("xx", "XX"),
    Arg::token("gt", "GT"),
    Arg::token("lt", "LT"),
];
const CONDITION: Arg = Arg::one_of("condition", CONDITIONS)
    .optional()
    .since("7.0.0");
const HISTORY: &[(&str, &str)] = &[("7.0.0", "Added the `NX`, `XX`, `GT` and `LT` options.")];

/// What the specs of the four setting commands have in common.
const fn setter(
    name: &'static str,
    handler: crate::command::Handler,
    summary: &'static str,
    since: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::Generic, handler)
        .doc(summary, since, "O(1)")
        .arity(-3)
        .flags(&[Flags::WRITE, Flags::FAST])
        .keys(const { &[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))] })
        .history(HISTORY)
}

/// EXPIRE key seconds [NX | XX | GT | LT]
pub static EXPIRE: CommandSpec = setter(
    "EXPIRE",
    expire,
    "Sets a key's time to live in seconds.",
    "1.0.0",
)
.args(&[Arg::key("key", 0), Arg::integer("seconds"), CONDITION]);

fn expire(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_deadline(context, request, Unit::Seconds, "expire")
}

/// PEXPIRE key milliseconds [NX | XX | GT | LT]
pub static PEXPIRE: CommandSpec = setter(
    "PEXPIRE",
    pexpire,
    "Sets a key's time to live in milliseconds.",
    "2.6.0",
)
.args(&[Arg::key("key", 0), Arg::integer("milliseconds"), CONDITION]);

fn pexpire(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_deadline(context, request, Unit::Milliseconds, "pexpire")
}

/// EXPIREAT key unix-time-seconds [NX | XX | GT | LT]
pub static EXPIREAT: CommandSpec = setter(
    "EXPIREAT",
    expireat,
    "Sets the Unix time in seconds at which a key expires.",
    "1.2.0",
)
.args(&[
    Arg::key("key", 0),
    Arg::new("unix-time-seconds", ArgKind::UnixTime),
    CONDITION,
]);

fn expireat(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_deadline(context, request, Unit::UnixSeconds, "expireat")
}

/// PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]
pub static PEXPIREAT: CommandSpec = setter(
    "PEXPIREAT",
    pexpireat,
    "Sets the Unix time in milliseconds at which a key expires.",
    "2.6.0",
)
.args(&[
    Arg::key("key", 0),
    Arg::new("unix-time-milliseconds", ArgKind::UnixTime),
    CONDITION,
]);

fn pexpireat(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_deadline(context, request, Unit::UnixMilliseconds, "pexpireat")
}

fn set_deadline(
    context: &mut Context<'_>,
    request: Request<'_>,
    unit: Unit,
    name: &'static str,
) -> CommandResult {
    let (key, index, now_ms) = (request.get(1), context.index(), context.now_ms());
    // In Redis's order: options, number, range, key.
    let condition = Condition::parse(Args::new(request, 3))?;
    let time = Args::new(request, 2).integer()?;
    let deadline_ms = unit.deadline_ms(time, now_ms, name)?;
    let old_ms = context
        .db
        .touch(index, key)
        .map(|entry| entry.deadline_ms());
    let sets = old_ms.is_some_and(|old_ms| condition.holds(old_ms, deadline_ms));
    if sets {
        let deadline_ms = u64::try_from(deadline_ms).unwrap_or(0);
        let gone = deadline_ms <= now_ms;
        if !gone {
            context.db.set_deadline(index, key, deadline_ms);
        } else if let Some(entry) = context.db.remove(index, key) {
            context.discard(entry);
        }
        context.changed(key);
        context.event(Events::GENERIC, if gone { "del" } else { "expire" }, key);
        context.repeat_deadline(key, deadline_ms, gone);
    }
    context.reply.flag(sets);
    Ok(())
}

/// When a deadline is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Condition {
    /// Only if the key has a deadline (XX), or has none (NX).
    has_one: Option<bool>,
    /// Only if the new deadline is later than the old one (GT), or earlier (LT). Having none is the latest of all.
    order: Option<Ordering>,
}

impl Condition {
    fn parse(mut args: Args<'_>) -> Result<Self, CommandError> {
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        while !args.is_empty() {
            if let Some(option) = [
                ("NX", &mut nx),
                ("XX", &mut xx),
                ("GT", &mut gt),
                ("LT", &mut lt),
            ]
            .into_iter()
            .find_map(|(word, option)| args.keyword(word).then_some(option))
            {
                *option = true;
            } else {
                let word = args.bytes()?;
                return Err(CommandError::quoting("Unsupported option ", word, ""));
            }
        }
        if nx && (xx || gt || lt) {
            return Err(CommandError::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if gt && lt {
            return Err(CommandError::fixed(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        let order = if gt {
            Some(Ordering::Greater)
        } else {
            lt.then_some(Ordering::Less)
        };
        Ok(Condition {
            has_one: (nx || xx).then_some(xx),
            order,
        })
    }

    /// Whether it holds for a key with the deadline `old_ms` ([`NEVER`] for none) and a new one, which may be
    /// before 1970.
    fn holds(self, old_ms: u64, new_ms: i64) -> bool {
        self.has_one
            .is_none_or(|has_one| has_one == (old_ms != NEVER))
            && self
                .order
                .is_none_or(|order| i128::from(new_ms).cmp(&i128::from(old_ms)) == order)
    }
}

/// What the specs of the four asking commands have in common.
const fn getter(
    name: &'static str,
    handler: crate::command::Handler,
    summary: &'static str,
    since: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::Generic, handler)
        .doc(summary, since, "O(1)")
        .arity(2)
        .flags(&[Flags::READONLY, Flags::FAST])
        .keys(const { &[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))] })
        .args(const { &[Arg::key("key", 0)] })
}

const TTL_HISTORY: &[(&str, &str)] = &[("2.8.0", "Answers -2 for a key that does not exist.")];

/// TTL key
pub static TTL: CommandSpec = getter(
    "TTL",
    ttl,
    "Answers a key's time to live in seconds.",
    "1.0.0",
)
.history(TTL_HISTORY)
.tips(&["nondeterministic_output"]);

fn ttl(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_deadline(context, request, |deadline_ms, now_ms| {
        seconds(deadline_ms.saturating_sub(now_ms))
    })
}

/// PTTL key
pub static PTTL: CommandSpec = getter(
    "PTTL",
    pttl,
    "Answers a key's time to live in milliseconds.",
    "2.6.0",
)
.history(TTL_HISTORY)
.tips(&["nondeterministic_output"]);

fn pttl(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_deadline(context, request, |deadline_ms, now_ms| {
        deadline_ms.saturating_sub(now_ms)
    })
}

/// EXPIRETIME key
pub static EXPIRETIME: CommandSpec = getter(
    "EXPIRETIME",
    expiretime,
    "Answers the Unix time in seconds at which a key expires.",
    "7.0.0",
);

fn expiretime(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_deadline(context, request, |deadline_ms, _| seconds(deadline_ms))
}

/// PEXPIRETIME key
pub static PEXPIRETIME: CommandSpec = getter(
    "PEXPIRETIME",
    pexpiretime,
    "Answers the Unix time in milliseconds at which a key expires.",
    "7.0.0",
);

fn pexpiretime(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_deadline(context, request, |deadline_ms, _| deadline_ms)
}

/// Answers what `part` makes of deadline and present time; -1 for a key without a deadline, -2 for none at all.
fn answer_deadline(
    context: &mut Context<'_>,
    request: Request<'_>,
    part: fn(u64, u64) -> u64,
) -> CommandResult {
    let (index, now_ms) = (context.index(), context.now_ms());
    let answer = match context
        .db
        .inspect(index, request.get(1))
        .map(|entry| entry.deadline_ms())
    {
        None => -2,
        Some(NEVER) => -1,
        // A deadline came as an i64, so it fits one.
        Some(deadline_ms) => part(deadline_ms, now_ms) as i64,
    };
    context.reply.integer(answer);
    Ok(())
}

/// Milliseconds in seconds, rounded to the nearest.
fn seconds(ms: u64) -> u64 {
    (ms + 500) / 1000
}

/// PERSIST key
pub static PERSIST: CommandSpec = CommandSpec::new("PERSIST", Group::Generic, persist)
    .doc(
        "Removes a key's deadline, so that it does not expire.",
        "2.2.0",
        "O(1)",
    )
    .arity(2)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[Arg::key("key", 0)]);

fn persist(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index) = (request.get(1), context.index());
    let had_one = context
        .db
        .touch(index, key)
        .is_some_and(|entry| entry.deadline_ms() != NEVER);
    if had_one {
        context.db.set_deadline(index, key, NEVER);
        context.changed(key);
        context.event(Events::GENERIC, "persist", key);
    }
    context.reply.flag(had_one);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_with_the_deadline_that_is_there() {
        let cases: &[(Option<bool>, Option<Ordering>, u64, i64, bool)] = &[
            (None, None, NEVER, 5, true),
            (Some(false), None, NEVER, 5, true),
            (Some(false), None, 9, 5, false),
            (Some(true), None, NEVER, 5, false),
            (Some(true), None, 9, 5, true),
            (None, Some(Ordering::Greater), NEVER, i64::MAX, false),
            (None, Some(Ordering::Greater), 9, 10, true),
            (None, Some(Ordering::Greater), 9, 9, false),
            (None, Some(Ordering::Less), NEVER, i64::MAX, true),
            (None, Some(Ordering::Less), 9, 9, false),
            (None, Some(Ordering::Less), 9, -1, true),
            (Some(true), Some(Ordering::Less), NEVER, 5, false),
            (Some(true), Some(Ordering::Less), 9, 5, true),
        ];
        for &(has_one, order, old_ms, new_ms, want) in cases {
            let condition = Condition { has_one, order };
            assert_eq!(
                condition.holds(old_ms, new_ms),
                want,
                "{condition:?} from {old_ms} to {new_ms}"
            );
        }
    }

    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        for (ms, want) in [(0, 0), (499, 0), (500, 1), (1499, 1), (1500, 2)] {
            assert_eq!(seconds(ms), want, "{ms}");
        }
    }
}
