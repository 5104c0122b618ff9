//! Adding entries and trimming the front: XADD, XTRIM, and XSETID, which sets what a stream remembers of its past.

use super::effects::say_id;
use super::ids::{NewId, parse_id, parse_new_id};
use super::{changed_by, create, discard, groups_changed, node_limit, reply_id, stream_mut};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::effects::Effects;
use crate::store::journal::Events;
use crate::store::types::stream::log::MAX_CHUNK_BYTES;
use crate::store::types::stream::{NewEntry, References, Stream, StreamId, Threshold, Trim};
use crate::text::number::parse_i64;

const TRIM_ARGS: &[Arg] = &[
    Arg::one_of(
        "strategy",
        &[
            Arg::token("maxlen", "MAXLEN"),
            Arg::token("minid", "MINID").since("6.2.0"),
        ],
    ),
    Arg::one_of(
        "operator",
        &[Arg::token("equal", "="), Arg::token("approximately", "~")],
    )
    .optional(),
    Arg::string("threshold"),
    Arg::integer("count")
        .with_token("LIMIT")
        .optional()
        .since("6.2.0"),
];

/// The words for what becomes of references to deleted entries.
pub(super) const REFERENCE_ARGS: &[Arg] = &[
    Arg::token("keepref", "KEEPREF"),
    Arg::token("delref", "DELREF"),
    Arg::token("acked", "ACKED"),
];

const WITHOUT_STRATEGY: CommandError = CommandError::fixed(
    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
);
const BOTH_STRATEGIES: CommandError = CommandError::fixed(
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
);
const NO_STRATEGY: CommandError =
    CommandError::fixed("ERR syntax error, XTRIM must be called with a trimming strategy");
const LIMIT_OF_EXACT: CommandError =
    CommandError::fixed("ERR syntax error, LIMIT cannot be used without the special ~ option");
const MAXLEN_NEGATIVE: CommandError = CommandError::fixed("ERR The MAXLEN argument must be >= 0.");
const LIMIT_NEGATIVE: CommandError = CommandError::fixed("ERR The LIMIT argument must be >= 0.");
const ZERO_ID: CommandError =
    CommandError::fixed("ERR The ID specified in XADD must be greater than 0-0");
const EXHAUSTED: CommandError = CommandError::fixed(
    "ERR The stream has exhausted the last possible ID, unable to add more items",
);
const ID_NOT_ABOVE: CommandError = CommandError::fixed(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);
const TOO_LARGE: CommandError = CommandError::fixed("ERR Elements are too large to be stored");

/// An approximate trim that is not told otherwise removes the entries of so many chunks at most.
const DEFAULT_LIMIT_CHUNKS: usize = 100;
/// The limit where chunks have none.
const DEFAULT_LIMIT: usize = 10_000;
/// The limit where chunks are huge.
const HIGHEST_DEFAULT_LIMIT: usize = 1_000_000;

/// The word for what becomes of references, if it is one.
pub(super) fn parse_references(word: &[u8]) -> Option<References> {
    let words = [
        ("KEEPREF", References::Keep),
        ("DELREF", References::Delete),
        ("ACKED", References::Acked),
    ];
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let found = words.into_iter().find(|(name, _)| is(name));
    found.map(|(_, references)| references)
}

/// What XADD and XTRIM are told before the fields.
#[derive(Default)]
struct Options {
    /// Whether it is XADD.
    adds: bool,
    threshold: Option<(Threshold, bool)>,
    limit: Option<i64>,
    references: Option<References>,
    no_mkstream: bool,
    id: Option<NewId>,
    /// Index of the word behind the last that was read.
    end: usize,
}

impl Options {
    /// Reads the options; those of XADD end with an id.
    fn parse(request: Request<'_>, adds: bool) -> Result<Options, CommandError> {
        let mut options = Options {
            adds,
            ..Options::default()
        };
        let mut at = 2;
        while at < request.len() && options.id.is_none() {
            let word = request.get(at);
            let has_more = at + 1 < request.len();
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if adds && word == b"*" {
                options.id = Some(NewId::Auto);
            } else if has_more && (is("MAXLEN") || is("MINID")) {
                at = options.parse_threshold(request, at + 1, is("MAXLEN"))?;
            } else if has_more && is("LIMIT") {
                at += 1;
                options.limit = Some(parse_at_least_0(request.get(at), LIMIT_NEGATIVE)?);
            } else if adds && is("NOMKSTREAM") {
                options.no_mkstream = true;
            } else if let Some(references) = parse_references(word) {
                if options.references.replace(references).is_some() {
                    return Err(CommandError::Syntax);
                }
            } else if adds {
                options.id = Some(parse_new_id(word)?);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        options.end = at;
        Ok(options)
    }

    /// Reads what follows MAXLEN or MINID, and returns the index of the last word of it.
    fn parse_threshold(
        &mut self,
        request: Request<'_>,
        at: usize,
        is_max_len: bool,
    ) -> Result<usize, CommandError> {
        if self.threshold.is_some() {
            return Err(BOTH_STRATEGIES);
        }
        let operator = (at + 1 < request.len()).then(|| request.get(at));
        let at = at + usize::from(matches!(operator, Some(b"~" | b"=")));
        let threshold = if is_max_len {
            Threshold::MaxLen(parse_at_least_0(request.get(at), MAXLEN_NEGATIVE)? as u64)
        } else {
            Threshold::MinId(parse_id(request.get(at))?)
        };
        self.threshold = Some((threshold, operator == Some(b"~")));
        Ok(at)
    }

    /// The trim that the options amount to, if any.
    fn trim(&self, context: &Context<'_>) -> Result<Option<Trim>, CommandError> {
        let Some((threshold, approximate)) = self.threshold else {
            return match self.limit {
                Some(1..) => Err(WITHOUT_STRATEGY),
                _ if !self.adds => Err(NO_STRATEGY),
                Some(_) => Err(LIMIT_OF_EXACT),
                None => Ok(None),
            };
        };
        let limit = match self.limit {
            Some(_) if !approximate => return Err(LIMIT_OF_EXACT),
            Some(limit) => limit as usize,
            None if !approximate => 0,
            None => match context.db.limits.stream_node_max_entries {
                0 => DEFAULT_LIMIT,
                entries => entries
                    .saturating_mul(DEFAULT_LIMIT_CHUNKS)
                    .min(HIGHEST_DEFAULT_LIMIT),
            },
        };
        Ok(Some(Trim {
            threshold,
            approximate,
            limit,
            references: self.references.unwrap_or_default(),
        }))
    }
}

fn parse_at_least_0(word: &[u8], negative: CommandError) -> Result<i64, CommandError> {
    match parse_i64(word) {
        Some(value) if value >= 0 => Ok(value),
        Some(_) => Err(negative),
        None => Err(CommandError::NotInteger),
    }
}

/// `XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value
/// [field value ...]`
pub static XADD: CommandSpec = CommandSpec::new("XADD", Group::Stream, xadd)
    .doc(
        "Adds an entry behind the last of a stream; a missing key counts as an empty stream.",
        "5.0.0",
        "O(1), and O(N) for N entries that are trimmed.",
    )
    .arity(-5)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))
        .notes("UPDATE and not INSERT, because entries may be trimmed")])
    .args(&[
        Arg::key("key", 0),
        Arg::token("nomkstream", "NOMKSTREAM")
            .optional()
            .since("6.2.0"),
        Arg::one_of("condition", REFERENCE_ARGS)
            .optional()
            .since("8.2.0"),
        Arg::block("trim", TRIM_ARGS).optional(),
        Arg::one_of(
            "id-selector",
            &[Arg::token("auto-id", "*"), Arg::string("id")],
        ),
        Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
    ])
    .history(&[
        ("6.2.0", "Takes `NOMKSTREAM`, `MINID` and `LIMIT`."),
        ("7.0.0", "Takes ids of the form `<ms>-*`."),
        ("8.2.0", "Takes `KEEPREF`, `DELREF` and `ACKED`."),
    ])
    .tips(&["nondeterministic_output"]);

fn xadd(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = Options::parse(request, true)?;
    let trim = options.trim(context)?;
    let (first, words) = (options.end, request.len());
    let Some(id) = options
        .id
        .filter(|_| words > first + 1 && (words - first).is_multiple_of(2))
    else {
        return Err(context.wrong_arity());
    };
    if id == NewId::Given(StreamId::MIN) {
        return Err(ZERO_ID);
    }
    let (key, index, limit) = (request.get(1), context.index(), node_limit(context));
    let now_ms = context.present_ms();
    let word = |at: usize| request.get(first + at);
    let mut new = NewEntry::new(StreamId::MIN, (words - first) / 2, &word);
    let (mut remains, mut trimmed, mut left) = (None, 0, Left::default());
    let mut add = |stream: &mut Stream| {
        new.id = next_id(stream, id, now_ms)?;
        if new.text_bytes() > MAX_CHUNK_BYTES {
            return Err(TOO_LARGE);
        }
        stream.push(new, limit);
        if let Some(trim) = &trim {
            let done = stream.trim(trim, limit);
            (remains, trimmed) = (done.remains, done.removed);
            left = Left::of(stream);
        }
        Ok(new.id)
    };
    let new_id = if let Some(mut slot) = context.db.write(index, key) {
        add(stream_mut(&mut slot)?)?
    } else if options.no_mkstream {
        context.reply.null();
        return Ok(());
    } else {
        let mut stream = Stream::new();
        let id = add(&mut stream)?;
        create(context, key, stream);
        id
    };
    context.changed(key);
    context.event(Events::STREAM, "xadd", key);
    if trimmed > 0 {
        context.event(Events::STREAM, "xtrim", key);
    }
    let trims_about = trim.filter(|trim| trim.approximate);
    if trims_about.is_some() || !matches!(id, NewId::Given(_)) {
        context.repeat(|effects| {
            match &trims_about {
                Some(trim) => repeat_trim(effects.word(b"XADD").word(key), trim, left),
                None => {
                    _ = effects
                        .word(b"XADD")
                        .words(request.iter_from(1).take(first - 2))
                }
            }
            say_id(effects, new_id).words(request.iter_from(first));
        });
    }
    reply_id(&mut context.reply, new_id);
    discard(context, remains);
    Ok(())
}

/// What a trim has left of a stream.
#[derive(Clone, Copy, Default)]
struct Left {
    len: usize,
    first_id: Option<StreamId>,
}

impl Left {
    fn of(stream: &Stream) -> Left {
        Left {
            len: stream.len(),
            first_id: stream.log().first_id(),
        }
    }
}

/// Says an approximate trim as the exact one that has had the same result.
fn repeat_trim(effects: &mut Effects, trim: &Trim, left: Left) {
    match trim.references {
        References::Keep => {}
        References::Delete => _ = effects.word(b"DELREF"),
        References::Acked => _ = effects.word(b"ACKED"),
    }
    match (trim.threshold, left.first_id) {
        // What had to stay may lie before what has gone, so that no id tells the two apart.
        (Threshold::MinId(_), Some(first)) if trim.references != References::Acked => {
            say_id(effects.word(b"MINID").word(b"="), first);
        }
        _ => {
            effects.word(b"MAXLEN").word(b"=").number(left.len);
        }
    }
}

/// The id that a new entry gets.
#[inline]
fn next_id(stream: &Stream, wanted: NewId, now_ms: u64) -> Result<StreamId, CommandError> {
    let last = stream.last_id();
    let behind_last = last.next().ok_or(EXHAUSTED)?;
    let id = match wanted {
        NewId::Auto if now_ms > last.ms => StreamId::new(now_ms, 0),
        NewId::Auto => behind_last,
        NewId::AutoSeq(ms) if ms == last.ms => behind_last,
        NewId::AutoSeq(ms) => StreamId::new(ms, 0),
        NewId::Given(id) => id,
    };
    // A number that is left to the stream does not run over into the next millisecond.
    let stays = !matches!(wanted, NewId::AutoSeq(ms) if id.ms != ms);
    if id > last && stays {
        Ok(id)
    } else {
        Err(ID_NOT_ABOVE)
    }
}

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]`
pub static XTRIM: CommandSpec = CommandSpec::new("XTRIM", Group::Stream, xtrim)
    .doc(
        "Removes the first entries of a stream down to a length or up to an id.",
        "5.0.0",
        "O(N) for N entries removed, which mostly go a hundred at a time.",
    )
    .arity(-4)
    .flags(&[Flags::WRITE])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[
        Arg::key("key", 0),
        Arg::block("trim", TRIM_ARGS),
        Arg::one_of("condition", REFERENCE_ARGS)
            .optional()
            .since("8.2.0"),
    ])
    .history(&[
        ("6.2.0", "Takes `MINID` and `LIMIT`."),
        ("8.2.0", "Takes `KEEPREF`, `DELREF` and `ACKED`."),
    ])
    .tips(&["nondeterministic_output"]);

fn xtrim(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = Options::parse(request, false)?;
    let trim = options.trim(context)?.ok_or(NO_STRATEGY)?;
    let (key, index, limit) = (request.get(1), context.index(), node_limit(context));
    let Some(mut slot) = context.db.write(index, key) else {
        context.reply.count(0);
        return Ok(());
    };
    let stream = stream_mut(&mut slot)?;
    let trimmed = stream.trim(&trim, limit);
    let left = Left::of(stream);
    drop(slot);
    changed_by(context, key, trimmed.removed);
    if trimmed.removed > 0 {
        context.event(Events::STREAM, "xtrim", key);
        if trim.approximate {
            context.repeat(|effects| {
                repeat_trim(effects.word(b"XTRIM").word(key), &trim, left);
            });
        }
    }
    context.reply.count(trimmed.removed);
    discard(context, trimmed.remains);
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub static XSETID: CommandSpec = CommandSpec::new("XSETID", Group::Stream, xsetid)
    .doc(
        "Sets the last id of a stream, and what else it remembers of its past.",
        "5.0.0",
        "O(1)",
    )
    .arity(-3)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::string("last-id"),
        Arg::integer("entries-added")
            .with_token("ENTRIESADDED")
            .optional()
            .since("7.0.0"),
        Arg::string("max-deleted-id")
            .with_token("MAXDELETEDID")
            .optional()
            .since("7.0.0"),
    ])
    .history(&[("7.0.0", "Takes `ENTRIESADDED` and `MAXDELETEDID`.")]);

const ADDED_NEGATIVE: CommandError = CommandError::fixed("ERR entries_added must be positive");
const BELOW_DELETED: CommandError = CommandError::fixed(
    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
);
const BELOW_TOP: CommandError = CommandError::fixed(
    "ERR The ID specified in XSETID is smaller than the target stream top item",
);
const ADDED_BELOW_LENGTH: CommandError = CommandError::fixed(
    "ERR The entries_added specified in XSETID is smaller than the target stream length",
);

fn xsetid(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let id = parse_id(args.bytes()?)?;
    let (mut added, mut max_deleted) = (None, None);
    while !args.is_empty() {
        let has_value = args.remaining() > 1;
        if has_value && args.keyword("ENTRIESADDED") {
            added = match args.integer()? {
                count @ 0.. => Some(count as u64),
                _ => return Err(ADDED_NEGATIVE),
            };
        } else if has_value && args.keyword("MAXDELETEDID") {
            let deleted = parse_id(args.bytes()?)?;
            if id < deleted {
                return Err(BELOW_DELETED);
            }
            max_deleted = Some(deleted);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let (key, index) = (request.get(1), context.index());
    let mut slot = context
        .db
        .write(index, key)
        .ok_or(CommandError::NoSuchKey)?;
    let stream = stream_mut(&mut slot)?;
    if let Some(top) = stream.log().last_id() {
        if id < top {
            return Err(BELOW_TOP);
        }
        if added.is_some_and(|added| added < stream.len() as u64) {
            return Err(ADDED_BELOW_LENGTH);
        }
    }
    let max_deleted = max_deleted.filter(|deleted| *deleted != StreamId::MIN);
    stream.set_past(id, added, max_deleted);
    drop(slot);
    groups_changed(context, 1);
    context.event(Events::STREAM, "xsetid", key);
    context.reply.ok();
    Ok(())
}
