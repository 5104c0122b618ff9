//! GET, SET and the commands that are forms of them.

use super::compare::Comparison;
use super::{Str, reply_str, reply_value};
use crate::command::context::value_argument;
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
    KeyAt, KeyFlags, KeySpec, Misfit,
};
use crate::commands::expiry::Unit;
use crate::resp::Request;
use crate::store::effects::Effects;
use crate::store::entry::NEVER;
use crate::store::journal::Events;
use crate::text::number::parse_i64;

/// GET key
pub static GET: CommandSpec = CommandSpec::new("GET", Group::String, get)
    .doc("Answers the string stored at a key.", "1.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[Arg::key("key", 0)]);

fn get(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    reply_value(context, request.get(1))
}

const SET_CONDITION: &[Arg] = &[
    Arg::token("nx", "NX"),
    Arg::token("xx", "XX"),
    Arg::string("comparison-value")
        .with_token("IFEQ")
        .since("8.1.0"),
    Arg::string("ifne-value").with_token("IFNE").since("8.4.0"),
    Arg::string("ifdeq-digest")
        .with_token("IFDEQ")
        .since("8.4.0"),
    Arg::string("ifdne-digest")
        .with_token("IFDNE")
        .since("8.4.0"),
];

/// The expiry times that SET takes, and with them every command that sets strings.
pub(super) const SET_EXPIRATION: &[Arg] = &[
    Arg::integer("seconds").with_token("EX").since("2.6.12"),
    Arg::integer("milliseconds")
        .with_token("PX")
        .since("2.6.12"),
    Arg::new("unix-time-seconds", ArgKind::UnixTime)
        .with_token("EXAT")
        .since("6.2.0"),
    Arg::new("unix-time-milliseconds", ArgKind::UnixTime)
        .with_token("PXAT")
        .since("6.2.0"),
    Arg::token("keepttl", "KEEPTTL").since("6.0.0"),
];

/// SET key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest] [GET] [EX | PX | EXAT | PXAT time | KEEPTTL]
pub static SET: CommandSpec = CommandSpec::new("SET", Group::String, set)
    .doc(
        "Stores a string at a key, whatever was there, with or without conditions and an expiry.",
        "1.0.0",
        "O(1)",
    )
    .arity(-3)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW
            .with(KeyFlags::ACCESS)
            .with(KeyFlags::UPDATE)
            .with(KeyFlags::VARIABLE_FLAGS),
    )
    .notes("RW and ACCESS due to the optional `GET` argument")])
    .key_finder(set_key)
    .args(&[
        Arg::key("key", 0),
        Arg::string("value"),
        Arg::one_of("condition", SET_CONDITION)
            .optional()
            .since("2.6.12"),
        Arg::token("get", "GET").optional().since("6.2.0"),
        Arg::one_of("expiration", SET_EXPIRATION).optional(),
    ])
    .history(&[
        ("2.6.12", "Takes `EX`, `PX`, `NX` and `XX`."),
        ("6.0.0", "Takes `KEEPTTL`."),
        ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` options."),
        ("7.0.0", "`NX` and `GET` may be given together."),
        ("8.1.0", "Added the `IFEQ` option."),
        ("8.4.0", "Takes `IFNE`, `IFDEQ` and `IFDNE`."),
    ]);

/// With GET the value is read too.
fn set_key(request: Request<'_>) -> Result<Vec<KeyAt>, Misfit> {
    let gets = request
        .iter_from(3)
        .any(|word| word.eq_ignore_ascii_case(b"GET"));
    let reads = if gets {
        KeyFlags::RW | KeyFlags::ACCESS
    } else {
        KeyFlags::OW
    };
    Ok(vec![KeyAt {
        index: 1,
        flags: reads | KeyFlags::UPDATE,
    }])
}

/// When SET stores its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Condition<'a> {
    #[default]
    Always,
    IfAbsent,
    IfPresent,
    If(Comparison<'a>),
}

/// What SET does with the expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Expiry<'a> {
    #[default]
    Drop,
    Keep,
    /// The number is read when all of the syntax is known to be right.
    At(Unit, &'a [u8]),
}

impl<'a> Expiry<'a> {
    /// Reads an expiry option if `args` stand at one. The same option again replaces the first, another one is a
    /// syntax error.
    pub(super) fn parse(&mut self, args: &mut Args<'a>) -> Result<bool, CommandError> {
        if args.keyword("KEEPTTL") {
            return self.choose(Expiry::Keep);
        }
        let Some(unit) = args.peek().and_then(Unit::by_word) else {
            return Ok(false);
        };
        args.bytes()?;
        let value = args.bytes()?;
        self.choose(Expiry::At(unit, value))
    }

    /// Whether a time is given.
    pub(super) fn is_given(self) -> bool {
        matches!(self, Expiry::At(..))
    }

    fn choose(&mut self, choice: Expiry<'a>) -> Result<bool, CommandError> {
        let again = match (*self, choice) {
            (Expiry::At(had, _), Expiry::At(unit, _)) => had == unit,
            (had, choice) => had == Expiry::Drop || had == choice,
        };
        if !again {
            return Err(CommandError::Syntax);
        }
        *self = choice;
        Ok(true)
    }

    /// The deadline for `key`, in Unix milliseconds or [`NEVER`].
    pub(super) fn deadline_ms(
        self,
        context: &mut Context<'_>,
        key: &[u8],
        command: &'static str,
    ) -> Result<u64, CommandError> {
        match self {
            Expiry::Drop => Ok(NEVER),
            Expiry::Keep => Ok(context.peek(key).map_or(NEVER, |entry| entry.deadline_ms())),
            Expiry::At(unit, value) => {
                let value = parse_i64(value).ok_or(CommandError::NotInteger)?;
                unit.positive_deadline_ms(value, context.now_ms(), command)
            }
        }
    }
}

#[derive(Debug, Default)]
struct SetOptions<'a> {
    condition: Condition<'a>,
    get: bool,
    expiry: Expiry<'a>,
}

impl<'a> SetOptions<'a> {
    fn parse(mut args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = SetOptions::default();
        while !args.is_empty() {
            if args.keyword("GET") {
                options.get = true;
            } else if args.keyword("NX") {
                options.require(Condition::IfAbsent)?;
            } else if args.keyword("XX") {
                options.require(Condition::IfPresent)?;
            } else if let Some(comparison) = Comparison::parse(&mut args)? {
                comparison.check()?;
                options.require(Condition::If(comparison))?;
            } else if !options.expiry.parse(&mut args)? {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    fn require(&mut self, condition: Condition<'a>) -> CommandResult {
        if self.condition != Condition::Always && self.condition != condition {
            return Err(CommandError::Syntax);
        }
        self.condition = condition;
        Ok(())
    }
}

fn set(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, value) = (request.get(1), value_argument(request, 2));
    if request.len() == 3 {
        context.overwrite(key, value, NEVER);
        context.changed(key);
        context.event(Events::STRING, "set", key);
        context.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(Args::new(request, 3))?;
    let deadline_ms = options.expiry.deadline_ms(context, key, "set")?;
    if options.get {
        reply_value(context, key)?;
    }
    if !holds(context, key, options.condition)? {
        if !options.get {
            context.reply.null();
        }
        return Ok(());
    }
    context.overwrite(key, value, deadline_ms);
    context.changed(key);
    context.event(Events::STRING, "set", key);
    if options.expiry.is_given() {
        context.event(Events::GENERIC, "expire", key);
    }
    repeat_as_set(context, (key, request.get(2)), options.expiry, deadline_ms);
    if !options.get {
        context.reply.ok();
    }
    Ok(())
}

/// Has SET repeated without what depends on the time and on what was there.
fn repeat_as_set(
    context: &mut Context<'_>,
    (key, value): (&[u8], &[u8]),
    expiry: Expiry<'_>,
    deadline_ms: u64,
) {
    context.repeat(|effects| {
        effects.word(b"SET").word(key).word(value);
        repeat_expiry(effects, expiry, deadline_ms);
    });
}

/// Says an expiry as it came out: the time that it meant.
pub(super) fn repeat_expiry(effects: &mut Effects, expiry: Expiry<'_>, deadline_ms: u64) {
    match expiry {
        Expiry::Drop => {}
        Expiry::Keep => _ = effects.word(b"KEEPTTL"),
        Expiry::At(..) => _ = effects.word(b"PXAT").number(deadline_ms),
    }
}

fn holds(
    context: &mut Context<'_>,
    key: &[u8],
    condition: Condition<'_>,
) -> Result<bool, CommandError> {
    let entry = match condition {
        Condition::Always => return Ok(true),
        _ => context.peek(key),
    };
    match (condition, entry) {
        (Condition::If(comparison), Some(entry)) => Ok(comparison.holds(Str::of(entry.value())?)),
        (Condition::If(comparison), None) => Ok(comparison.holds_for_nothing()),
        (Condition::IfAbsent, entry) => Ok(entry.is_none()),
        (_, entry) => Ok(entry.is_some()),
    }
}

/// SETNX key value
pub static SETNX: CommandSpec = CommandSpec::new("SETNX", Group::String, setnx)
    .doc(
        "Stores a string at a key that does not exist.",
        "1.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::OW.with(KeyFlags::INSERT))])
    .args(&[Arg::key("key", 0), Arg::string("value")])
    .deprecated("2.6.12", "`SET` with the `NX` argument");

fn setnx(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    let absent = context.peek(key).is_none();
    if absent {
        context.set(key, value_argument(request, 2), NEVER);
        context.changed(key);
        context.event(Events::STRING, "set", key);
    }
    context.reply.flag(absent);
    Ok(())
}

/// What the specs of SETEX and PSETEX have in common.
const fn setter_with_expiry(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    since: &'static str,
    args: &'static [Arg],
) -> CommandSpec {
    CommandSpec::new(name, Group::String, handler)
        .doc(summary, since, "O(1)")
        .arity(4)
        .flags(&[Flags::WRITE, Flags::DENYOOM])
        .keys(const { &[KeySpec::at(1, KeyFlags::OW.with(KeyFlags::UPDATE))] })
        .args(args)
}

/// SETEX key seconds value
pub static SETEX: CommandSpec = setter_with_expiry(
    "SETEX",
    setex,
    "Stores a string at a key with an expiry in seconds.",
    "2.0.0",
    &[
        Arg::key("key", 0),
        Arg::integer("seconds"),
        Arg::string("value"),
    ],
)
.deprecated("2.6.12", "`SET` with the `EX` argument");

fn setex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_with_expiry(context, request, Unit::Seconds, "setex")
}

/// PSETEX key milliseconds value
pub static PSETEX: CommandSpec = setter_with_expiry(
    "PSETEX",
    psetex,
    "Stores a string at a key with an expiry in milliseconds.",
    "2.6.0",
    &[
        Arg::key("key", 0),
        Arg::integer("milliseconds"),
        Arg::string("value"),
    ],
)
.deprecated("2.6.12", "`SET` with the `PX` argument");

fn psetex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    set_with_expiry(context, request, Unit::Milliseconds, "psetex")
}

fn set_with_expiry(
    context: &mut Context<'_>,
    request: Request<'_>,
    unit: Unit,
    command: &'static str,
) -> CommandResult {
    let (key, word, value) = (request.get(1), request.get(2), request.get(3));
    let time = parse_i64(word).ok_or(CommandError::NotInteger)?;
    let deadline_ms = unit.positive_deadline_ms(time, context.now_ms(), command)?;
    context.overwrite(key, value_argument(request, 3), deadline_ms);
    context.changed(key);
    context.event(Events::STRING, "set", key);
    context.event(Events::GENERIC, "expire", key);
    repeat_as_set(context, (key, value), Expiry::At(unit, word), deadline_ms);
    context.reply.ok();
    Ok(())
}

/// GETSET key value
pub static GETSET: CommandSpec = CommandSpec::new("GETSET", Group::String, getset)
    .doc(
        "Stores a string at a key and answers the one that was there.",
        "1.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
    )])
    .args(&[Arg::key("key", 0), Arg::string("value")])
    .deprecated("6.2.0", "`SET` with the `GET` argument");

fn getset(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    reply_value(context, key)?;
    context.overwrite(key, value_argument(request, 2), NEVER);
    context.changed(key);
    context.event(Events::STRING, "set", key);
    context.repeat_as(&[b"SET", key, request.get(2)]);
    Ok(())
}

/// GETDEL key
pub static GETDEL: CommandSpec = CommandSpec::new("GETDEL", Group::String, getdel)
    .doc(
        "Answers the string stored at a key and deletes the key.",
        "6.2.0",
        "O(1)",
    )
    .arity(2)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
    )])
    .args(&[Arg::key("key", 0)]);

fn getdel(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    reply_value(context, key)?;
    if context.db.remove(context.session.db, key).is_some() {
        context.changed(key);
        context.event(Events::GENERIC, "del", key);
        context.repeat_as(&[b"DEL", key]);
    }
    Ok(())
}

const GETEX_EXPIRATION: &[Arg] = &[
    Arg::integer("seconds").with_token("EX"),
    Arg::integer("milliseconds").with_token("PX"),
    Arg::new("unix-time-seconds", ArgKind::UnixTime).with_token("EXAT"),
    Arg::new("unix-time-milliseconds", ArgKind::UnixTime).with_token("PXAT"),
    Arg::token("persist", "PERSIST"),
];

/// GETEX key [EX | PX | EXAT | PXAT time | PERSIST]
pub static GETEX: CommandSpec = CommandSpec::new("GETEX", Group::String, getex)
    .doc(
        "Answers the string stored at a key and sets or removes the key's expiry.",
        "6.2.0",
        "O(1)",
    )
    .arity(-2)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
    )
    .notes("RW and UPDATE because it changes the TTL")])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of("expiration", GETEX_EXPIRATION).optional(),
    ]);

fn getex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, mut args) = (request.get(1), Args::new(request, 2));
    let mut persist = false;
    let mut expiry = Expiry::Drop;
    while !args.is_empty() {
        if args.keyword("PERSIST") {
            persist = true;
        } else if args.keyword("KEEPTTL") || !expiry.parse(&mut args)? {
            return Err(CommandError::Syntax);
        }
    }
    if persist && expiry != Expiry::Drop {
        return Err(CommandError::Syntax);
    }
    let Some(entry) = context.read(key) else {
        // The time is not looked at.
        context.reply.null();
        return Ok(());
    };
    Str::of(entry.value())?;
    let had = entry.deadline_ms();
    let deadline_ms = expiry.deadline_ms(context, key, "getex")?;
    let Context {
        db, session, reply, ..
    } = context;
    if let Some(entry) = db.peek(session.db, key) {
        reply_str(reply, Str::of(entry.value())?);
    }
    change_deadline(context, key, had, deadline_ms, persist);
    Ok(())
}

fn change_deadline(
    context: &mut Context<'_>,
    key: &[u8],
    had: u64,
    deadline_ms: u64,
    persist: bool,
) {
    let index = context.index();
    if persist {
        if had != NEVER && context.db.set_deadline(index, key, NEVER) {
            context.changed(key);
            context.event(Events::GENERIC, "persist", key);
            context.repeat_as(&[b"PERSIST", key]);
        }
    } else if deadline_ms != NEVER {
        let gone = deadline_ms <= context.now_ms();
        if gone {
            context.db.remove(index, key);
        } else {
            context.db.set_deadline(index, key, deadline_ms);
        }
        context.changed(key);
        context.event(Events::GENERIC, if gone { "del" } else { "expire" }, key);
        context.repeat_deadline(key, deadline_ms, gone);
    }
}
