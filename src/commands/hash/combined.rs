//! Two things at once: HGETDEL, HGETEX, HSETEX.

use super::deadline::{
    Changes, Condition, check_type, persist, repeat_deadline, repeat_persist, repeat_removal,
    set_deadline,
};
use super::event;
use super::fields::{FIELDS, NOT_POSITIVE, parse_deadline, parse_fields};
use super::{Edit, Missing, change, reply_item, settle};
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags,
    KeySpec,
};
use crate::commands::expiry::Unit;
use crate::resp::{Reply, Request};
use crate::store::journal::Events;
use crate::store::types::hash::{Hash, Ttl};
use crate::text::number::parse_i64;

const COST: &str = "O(N), N being the number of fields.";
const SECONDS: Arg = Arg::integer("seconds").with_token("EX");
const MILLISECONDS: Arg = Arg::integer("milliseconds").with_token("PX");
const UNIX_SECONDS: Arg = Arg::new("unix-time-seconds", ArgKind::UnixTime).with_token("EXAT");
const UNIX_MILLISECONDS: Arg =
    Arg::new("unix-time-milliseconds", ArgKind::UnixTime).with_token("PXAT");

/// HGETDEL key FIELDS numfields field [field ...]
pub static HGETDEL: CommandSpec = CommandSpec::new("HGETDEL", Group::Hash, hgetdel)
    .doc(
        "Removes fields of a hash and answers their values; an empty hash goes.",
        "9.1.0",
        COST,
    )
    .arity(-5)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
    )])
    .args(&[Arg::key("key", 0), FIELDS]);

fn hgetdel(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index) = (request.get(1), context.index());
    check_type(context, key)?;
    let mut args = Args::new(request, 2);
    parse_fields(&mut args, NOT_POSITIVE)?;
    let Context { db, reply, .. } = context;
    reply.array(args.remaining());
    let mut names = db.effects.notes();
    let removed = change(db, index, key, Missing::Skip, |edit| {
        let mut removed = 0;
        for name in args.rest() {
            if reply_value(reply, edit, name) {
                removed += usize::from(edit.hash.remove(name));
                names.word(name);
            }
        }
        Ok(removed)
    })?;
    match removed {
        Some(0) => {}
        Some(removed) => {
            settle(context, key, removed);
            event(context, "hdel", key);
            repeat_removal(context, key, &names);
        }
        None => (0..args.remaining()).for_each(|_| context.reply.null()),
    }
    Ok(())
}

/// Answers the value of a field or null, and tells whether there was one.
fn reply_value(reply: &mut Reply<'_>, edit: &mut Edit<'_>, name: &[u8]) -> bool {
    let value = edit.get(name);
    match value {
        Some(value) => reply_item(reply, value),
        None => reply.null(),
    }
    value.is_some()
}

/// `HGETEX key [EX | PX | EXAT | PXAT time | PERSIST] FIELDS numfields field [field ...]`
pub static HGETEX: CommandSpec = CommandSpec::new("HGETEX", Group::Hash, hgetex)
    .doc(
        "Answers the values of fields of a hash, and sets or removes their deadlines.",
        "9.0.0",
        COST,
    )
    .arity(-5)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
    )
    .notes("RW and UPDATE because it changes the TTL")])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "expiration",
            &[
                SECONDS,
                MILLISECONDS,
                UNIX_SECONDS,
                UNIX_MILLISECONDS,
                Arg::token("persist", "PERSIST"),
            ],
        )
        .optional(),
        FIELDS,
    ]);

/// What HGETEX does with deadlines.
#[derive(Clone, Copy, Debug)]
enum After {
    Leave,
    Persist,
    At(u64),
}

impl After {
    fn parse(args: &mut Args<'_>, request: Request<'_>, now_ms: u64) -> Result<Self, CommandError> {
        if args.keyword("PERSIST") {
            return Ok(After::Persist);
        }
        let Some(unit) = args.peek().and_then(Unit::by_word) else {
            return Ok(After::Leave);
        };
        args.bytes()?;
        args.bytes()?;
        parse_deadline(request, 3, unit, now_ms, "hgetex").map(After::At)
    }

    /// The name of the event of so many changes.
    fn event(self, changes: Changes) -> &'static str {
        match self {
            After::Persist => "hpersist",
            _ => changes.event(),
        }
    }

    fn apply(self, hash: &mut Hash, name: &[u8], now_ms: u64) -> i64 {
        match self {
            After::Leave => 0,
            After::Persist => persist(hash, name, now_ms),
            After::At(deadline_ms) => {
                set_deadline(hash, name, deadline_ms, Condition::Always, now_ms)
            }
        }
    }
}

fn hgetex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index, now_ms) = (request.get(1), context.index(), context.now_ms());
    check_type(context, key)?;
    let mut args = Args::new(request, 2);
    let after = After::parse(&mut args, request, now_ms)?;
    parse_fields(&mut args, NOT_POSITIVE)?;
    let Context { db, reply, .. } = context;
    reply.array(args.remaining());
    let mut names = db.effects.notes();
    let changes = change(db, index, key, Missing::Skip, |edit| {
        let mut changes = Changes::default();
        for name in args.rest() {
            if reply_value(reply, edit, name) {
                let code = after.apply(edit.hash, name, now_ms);
                changes.count(code, name, &mut names);
            }
        }
        Ok(changes)
    })?;
    match changes {
        Some(changes) => {
            context.db.stats.expired_fields += changes.removed as u64;
            settle(context, key, changes.all());
            if changes.all() > 0 {
                event(context, after.event(changes), key);
                match after {
                    After::Leave => {}
                    After::Persist => repeat_persist(context, key, &names),
                    After::At(at_ms) => repeat_deadline(context, key, &names, changes, at_ms),
                }
            }
        }
        None => (0..args.remaining()).for_each(|_| context.reply.null()),
    }
    Ok(())
}

/// `HSETEX key [FNX | FXX] [EX | PX | EXAT | PXAT time | KEEPTTL] FIELDS numfields field value [field value ...]`
pub static HSETEX: CommandSpec = CommandSpec::new("HSETEX", Group::Hash, hsetex)
    .doc(
        "Sets fields of a hash with a deadline, all of them or, if a condition does not hold, none.",
        "9.0.0",
        COST,
    )
    .arity(-6)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "condition",
            &[Arg::token("fnx", "FNX"), Arg::token("fxx", "FXX")],
        )
        .optional(),
        Arg::one_of(
            "expiration",
            &[
                SECONDS,
                MILLISECONDS,
                UNIX_SECONDS,
                UNIX_MILLISECONDS,
                Arg::token("keepttl", "KEEPTTL"),
            ],
        )
        .optional(),
        Arg::block(
            "fields",
            &[
                Arg::integer("numfields"),
                Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
            ],
        )
        .with_token("FIELDS"),
    ]);

const BAD_NUMBER: CommandError = CommandError::fixed("ERR invalid number of fields");
const TWO_CONDITIONS: CommandError =
    CommandError::fixed("ERR Only one of FXX or FNX arguments can be specified");
const TWO_EXPIRIES: CommandError =
    CommandError::fixed("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
const NO_TIME: CommandError = CommandError::fixed("ERR missing expire time");

/// What HSETEX is asked for beside its fields.
#[derive(Clone, Copy, Debug)]
struct SetOptions {
    /// FXX: only if all the fields are there; FNX: only if none is.
    all_there: Option<bool>,
    ttl: Ttl,
    /// Index of the first field's word.
    first: usize,
}

impl SetOptions {
    fn parse(context: &Context<'_>, request: Request<'_>) -> Result<Self, CommandError> {
        let mut options = SetOptions {
            all_there: None,
            ttl: Ttl::Clear,
            first: 0,
        };
        let mut args = Args::new(request, 2);
        loop {
            let at = request.len() - args.remaining();
            if args.keyword("FIELDS") {
                options.first = at + 2;
                let pairs = args.remaining().saturating_sub(1);
                return check_pairs(context, args, pairs).map(|()| options);
            } else if args.keyword("FNX") || args.keyword("FXX") {
                if options.all_there.is_some() {
                    return Err(TWO_CONDITIONS);
                }
                let word = request.get(at);
                options.all_there = Some(word.eq_ignore_ascii_case(b"FXX"));
            } else if args.keyword("KEEPTTL") {
                options.choose(Ttl::Keep)?;
            } else if let Some(unit) = args.peek().and_then(Unit::by_word) {
                if options.ttl != Ttl::Clear {
                    return Err(TWO_EXPIRIES);
                }
                args.bytes()?;
                args.bytes().map_err(|_| NO_TIME)?;
                let deadline_ms =
                    parse_deadline(request, at + 1, unit, context.now_ms(), "hsetex")?;
                options.choose(Ttl::At(deadline_ms))?;
            } else {
                let word = args.bytes().map_err(|_| context.wrong_arity())?;
                return Err(CommandError::quoting("unknown argument: ", word, ""));
            }
        }
    }

    fn choose(&mut self, ttl: Ttl) -> CommandResult {
        if self.ttl != Ttl::Clear {
            return Err(TWO_EXPIRIES);
        }
        self.ttl = ttl;
        Ok(())
    }
}

/// Checks the number of fields at which `args` stand against the number of words behind it.
fn check_pairs(context: &Context<'_>, mut args: Args<'_>, words: usize) -> CommandResult {
    if words < 2 {
        return Err(context.wrong_arity());
    }
    let number = parse_i64(args.bytes()?)
        .filter(|number| (1..=i32::MAX.into()).contains(number))
        .ok_or(BAD_NUMBER)?;
    if !words.is_multiple_of(2) || number != (words / 2) as i64 {
        return Err(context.wrong_arity());
    }
    Ok(())
}

fn hsetex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index, now_ms) = (request.get(1), context.index(), context.now_ms());
    let options = SetOptions::parse(context, request)?;
    check_type(context, key)?;
    let pairs = (request.len() - options.first) / 2;
    let removed = change(context.db, index, key, Missing::Create, |edit| {
        let mut names = request.iter_from(options.first).step_by(2);
        if options
            .all_there
            .is_some_and(|want| names.any(|name| edit.get(name).is_some() != want))
        {
            return Ok(None);
        }
        edit.hash.prepare(pairs, edit.limits);
        let mut removed = 0;
        for at in (options.first..request.len()).step_by(2) {
            let (name, value) = (request.get(at), request.get(at + 1));
            match options.ttl {
                // A deadline that has passed: as if the field had been there for no time at all.
                Ttl::At(deadline_ms) if deadline_ms <= now_ms => {
                    edit.hash.remove(name);
                    removed += 1;
                }
                ttl => {
                    if ttl == Ttl::Keep {
                        // There is nothing to keep of one whose time has come.
                        edit.get(name);
                    }
                    edit.set(name, value, ttl);
                }
            }
        }
        Ok(Some(removed))
    })?
    .flatten();
    context.db.stats.expired_fields += removed.unwrap_or(0);
    if let Some(removed) = removed {
        settle(context, key, pairs);
        context.event(Events::HASH, "hset", key);
        match options.ttl {
            Ttl::At(_) if removed > 0 => event(context, "hdel", key),
            Ttl::At(_) => event(context, "hexpire", key),
            Ttl::Keep | Ttl::Clear => {}
        }
        repeat_set(context, request, &options, removed > 0);
    }
    context.reply.flag(removed.is_some());
    Ok(())
}

/// Has HSETEX repeated without its condition, and with the time that it meant; one in the past has removed the fields.
fn repeat_set(context: &mut Context<'_>, request: Request<'_>, options: &SetOptions, gone: bool) {
    let (key, pairs) = (request.get(1), request.iter_from(options.first));
    context.repeat(|effects| {
        if gone {
            effects.word(b"HDEL").word(key).words(pairs.step_by(2));
            return;
        }
        match options.ttl {
            Ttl::Clear => {
                effects.word(b"HSET").word(key).words(pairs);
                return;
            }
            Ttl::Keep => effects.word(b"HSETEX").word(key).word(b"KEEPTTL"),
            Ttl::At(deadline_ms) => effects
                .word(b"HSETEX")
                .word(key)
                .word(b"PXAT")
                .number(deadline_ms),
        };
        let fields = pairs.len() / 2;
        effects.word(b"FIELDS").number(fields).words(pairs);
    });
}
