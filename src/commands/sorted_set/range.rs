//! Ranges by rank, score and text: ZRANGE and its older forms, ZRANGESTORE, ZCOUNT, ZLEXCOUNT and the three
//! ZREMRANGEs.

use std::ops::Range;

use super::bounds::{Bounds, By};
use super::{READ_KEY, Shape, WITHSCORES, limits, settle, store, zset_mut, zset_of};
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
    KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::member::{Member, Word};
use crate::store::types::sorted_set::SortedSet;

const RANGE_COST: &str =
    "O(log(N)+M), N being the size of the sorted set and M the number of members answered.";

const SORT_BY: &[Arg] = &[
    Arg::token("byscore", "BYSCORE"),
    Arg::token("bylex", "BYLEX"),
];
const LIMIT: Arg = Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
    .with_token("LIMIT")
    .optional();

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub static ZRANGE: CommandSpec = CommandSpec::new("ZRANGE", Group::SortedSet, zrange)
    .doc(
        "Answers the members of a sorted set in a range of ranks, scores or texts.",
        "1.2.0",
        RANGE_COST,
    )
    .arity(-4)
    .flags(&[Flags::READONLY])
    .keys(READ_KEY)
    .args(&[
        Arg::key("key", 0),
        Arg::string("start"),
        Arg::string("stop"),
        Arg::one_of("sortby", SORT_BY).optional().since("6.2.0"),
        Arg::token("rev", "REV").optional().since("6.2.0"),
        LIMIT.since("6.2.0"),
        WITHSCORES,
    ])
    .history(&[(
        "6.2.0",
        "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.",
    )]);

fn zrange(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_range(context, request, Form::default())
}

/// One of the older forms of ZRANGE.
const fn older(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    since: &'static str,
    args: &'static [Arg],
) -> CommandSpec {
    CommandSpec::new(name, Group::SortedSet, handler)
        .doc(summary, since, RANGE_COST)
        .arity(-4)
        .flags(&[Flags::READONLY])
        .keys(READ_KEY)
        .args(args)
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub static ZREVRANGE: CommandSpec = older(
    "ZREVRANGE",
    zrevrange,
    "Answers the members of a sorted set in a range of ranks, the highest score first.",
    "1.2.0",
    &[
        Arg::key("key", 0),
        Arg::integer("start"),
        Arg::integer("stop"),
        WITHSCORES,
    ],
)
.deprecated("6.2.0", "`ZRANGE` with the `REV` argument");

fn zrevrange(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_range(context, request, Form::fixed(By::Rank, true))
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub static ZRANGEBYSCORE: CommandSpec = older(
    "ZRANGEBYSCORE",
    zrangebyscore,
    "Answers the members of a sorted set with scores in a range.",
    "1.0.5",
    &[
        Arg::key("key", 0),
        Arg::new("min", ArgKind::Double),
        Arg::new("max", ArgKind::Double),
        WITHSCORES.since("2.0.0"),
        LIMIT,
    ],
)
.history(&[("2.0.0", "Added the `WITHSCORES` modifier.")])
.deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument");

fn zrangebyscore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_range(context, request, Form::fixed(By::Score, false))
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub static ZREVRANGEBYSCORE: CommandSpec = older(
    "ZREVRANGEBYSCORE",
    zrevrangebyscore,
    "Answers the members of a sorted set with scores in a range, the highest score first.",
    "2.2.0",
    &[
        Arg::key("key", 0),
        Arg::new("max", ArgKind::Double),
        Arg::new("min", ArgKind::Double),
        WITHSCORES,
        LIMIT,
    ],
)
.deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments");

fn zrevrangebyscore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_range(context, request, Form::fixed(By::Score, true))
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub static ZRANGEBYLEX: CommandSpec = older(
    "ZRANGEBYLEX",
    zrangebylex,
    "Answers the members from one text to another of a sorted set in which all scores are equal.",
    "2.8.9",
    &[
        Arg::key("key", 0),
        Arg::string("min"),
        Arg::string("max"),
        LIMIT,
    ],
)
.deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument");

fn zrangebylex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_range(context, request, Form::fixed(By::Lex, false))
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub static ZREVRANGEBYLEX: CommandSpec = older(
    "ZREVRANGEBYLEX",
    zrevrangebylex,
    "Answers the members from one text down to another of a sorted set in which all scores are equal.",
    "2.8.9",
    &[
        Arg::key("key", 0),
        Arg::string("max"),
        Arg::string("min"),
        LIMIT,
    ],
)
.deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments");

fn zrevrangebylex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer_range(context, request, Form::fixed(By::Lex, true))
}

/// `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub static ZRANGESTORE: CommandSpec =
    CommandSpec::new("ZRANGESTORE", Group::SortedSet, zrangestore)
        .doc(
            "Stores the members of a sorted set in a range of ranks, scores or texts as another.",
            "6.2.0",
            "O(log(N)+M), N being the size of the sorted set and M the number of members stored.",
        )
        .arity(-5)
        .flags(&[Flags::WRITE, Flags::DENYOOM])
        .keys(&[
            KeySpec::at(1, KeyFlags::OW.with(KeyFlags::UPDATE)),
            KeySpec::at(2, KeyFlags::RO.with(KeyFlags::ACCESS)),
        ])
        .args(&[
            Arg::key("dst", 0),
            Arg::key("src", 1),
            Arg::string("min"),
            Arg::string("max"),
            Arg::one_of("sortby", SORT_BY).optional(),
            Arg::token("rev", "REV").optional(),
            LIMIT,
        ]);

fn zrangestore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let query = Query::parse(request, 2, Form::default(), true)?;
    let members = match context.read(request.get(2)) {
        Some(entry) => {
            let set = zset_of(entry.value())?;
            set.range(query.resolve(set), false)
                .map(|(member, score)| {
                    let text = member.text(&mut itoa::Buffer::new()).to_vec();
                    Member::new(&text, &[], Word::Score(score))
                })
                .collect()
        }
        None => Vec::new(),
    };
    let result = SortedSet::from_members(members, limits(context));
    store(context, request.get(1), result, "zrangestore");
    Ok(())
}

/// What of a query the command's name says already.
#[derive(Clone, Copy, Default)]
struct Form {
    by: Option<By>,
    backwards: Option<bool>,
}

impl Form {
    fn fixed(by: By, backwards: bool) -> Form {
        Form {
            by: Some(by),
            backwards: Some(backwards),
        }
    }
}

const LIMIT_OF_RANKS: CommandError = CommandError::fixed(
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
);
const LEX_WITHSCORES: CommandError =
    CommandError::fixed("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

/// Which members are asked for, and how they are to be answered.
struct Query<'a> {
    bounds: Bounds<'a>,
    backwards: bool,
    with_scores: bool,
    offset: i64,
    /// Negative for all.
    count: i64,
}

impl<'a> Query<'a> {
    /// Reads a request whose key is at `key`.
    fn parse(
        request: Request<'a>,
        key: usize,
        form: Form,
        stores: bool,
    ) -> Result<Query<'a>, CommandError> {
        let (mut by, mut backwards, mut with_scores) = (form.by, form.backwards, false);
        let (mut offset, mut count) = (0, -1);
        let mut args = Args::new(request, key + 3);
        while !args.is_empty() {
            if !stores && args.keyword("WITHSCORES") {
                with_scores = true;
            } else if args.remaining() > 2 && args.keyword("LIMIT") {
                offset = args.integer()?;
                count = args.integer()?;
            } else if form.backwards.is_none() && backwards.is_none() && args.keyword("REV") {
                backwards = Some(true);
            } else if by.is_none() && args.keyword("BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && args.keyword("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let by = by.unwrap_or(By::Rank);
        let backwards = backwards.unwrap_or(false);
        if count != -1 && by == By::Rank {
            return Err(LIMIT_OF_RANKS);
        }
        if with_scores && by == By::Lex {
            return Err(LEX_WITHSCORES);
        }
        let (mut min, mut max) = (request.get(key + 1), request.get(key + 2));
        // Ranks are counted from the other end instead.
        if backwards && by != By::Rank {
            std::mem::swap(&mut min, &mut max);
        }
        Ok(Query {
            bounds: Bounds::parse(by, min, max)?,
            backwards,
            with_scores,
            offset,
            count,
        })
    }

    /// The indexes of the members asked for.
    fn resolve(&self, set: &SortedSet) -> Range<usize> {
        let range = self.bounds.resolve(set, self.backwards);
        if matches!(self.bounds, Bounds::Rank(..)) {
            return range;
        }
        // A negative offset is behind everything.
        let skipped = usize::try_from(self.offset).map_or(range.len(), |o| o.min(range.len()));
        let left = range.len() - skipped;
        let count = usize::try_from(self.count).map_or(left, |count| count.min(left));
        if self.backwards {
            let end = range.end - skipped;
            end - count..end
        } else {
            let start = range.start + skipped;
            start..start + count
        }
    }
}

fn answer_range(context: &mut Context<'_>, request: Request<'_>, form: Form) -> CommandResult {
    let query = Query::parse(request, 1, form, false)?;
    let Context {
        db, session, reply, ..
    } = context;
    let Some(entry) = db.read(session.db, request.get(1)) else {
        reply.array(0);
        return Ok(());
    };
    let set = zset_of(entry.value())?;
    let range = query.resolve(set);
    let shape = Shape::of(reply, query.with_scores);
    shape.head(reply, range.len());
    for (member, score) in set.range(range, query.backwards) {
        shape.element(reply, member, score);
    }
    Ok(())
}

/// A command that takes a key and the two ends of a range.
const fn of_range(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    since: &'static str,
    args: &'static [Arg],
) -> CommandSpec {
    CommandSpec::new(name, Group::SortedSet, handler)
        .doc(
            summary,
            since,
            "O(log(N)), N being the size of the sorted set.",
        )
        .arity(4)
        .flags(&[Flags::READONLY, Flags::FAST])
        .keys(READ_KEY)
        .args(args)
}

const BY_SCORE: &[Arg] = &[
    Arg::key("key", 0),
    Arg::new("min", ArgKind::Double),
    Arg::new("max", ArgKind::Double),
];
const BY_LEX: &[Arg] = &[Arg::key("key", 0), Arg::string("min"), Arg::string("max")];
const BY_RANK: &[Arg] = &[
    Arg::key("key", 0),
    Arg::integer("start"),
    Arg::integer("stop"),
];

/// ZCOUNT key min max
pub static ZCOUNT: CommandSpec = of_range(
    "ZCOUNT",
    zcount,
    "Answers how many members of a sorted set have scores in a range.",
    "2.0.0",
    BY_SCORE,
);

fn zcount(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    count_range(context, request, By::Score)
}

/// ZLEXCOUNT key min max
pub static ZLEXCOUNT: CommandSpec = of_range(
    "ZLEXCOUNT",
    zlexcount,
    "Answers how many members lie between two texts in a sorted set in which all scores are equal.",
    "2.8.9",
    BY_LEX,
);

fn zlexcount(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    count_range(context, request, By::Lex)
}

fn count_range(context: &mut Context<'_>, request: Request<'_>, by: By) -> CommandResult {
    let bounds = Bounds::parse(by, request.get(2), request.get(3))?;
    let count = match context.read(request.get(1)) {
        Some(entry) => bounds.resolve(zset_of(entry.value())?, false).len(),
        None => 0,
    };
    context.reply.count(count);
    Ok(())
}

/// A command that removes a range.
const fn remover(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    since: &'static str,
    args: &'static [Arg],
) -> CommandSpec {
    CommandSpec::new(name, Group::SortedSet, handler)
        .doc(
            summary,
            since,
            "O(log(N)+M), N being the size of the sorted set and M the number of members removed.",
        )
        .arity(4)
        .flags(&[Flags::WRITE])
        .keys(const { &[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))] })
        .args(args)
}

/// ZREMRANGEBYRANK key start stop
pub static ZREMRANGEBYRANK: CommandSpec = remover(
    "ZREMRANGEBYRANK",
    zremrangebyrank,
    "Removes the members of a sorted set in a range of ranks; an empty set goes.",
    "2.0.0",
    BY_RANK,
);

fn zremrangebyrank(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    remove_range(context, request, By::Rank)
}

/// ZREMRANGEBYSCORE key min max
pub static ZREMRANGEBYSCORE: CommandSpec = remover(
    "ZREMRANGEBYSCORE",
    zremrangebyscore,
    "Removes the members of a sorted set with scores in a range; an empty set goes.",
    "1.2.0",
    BY_SCORE,
);

fn zremrangebyscore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    remove_range(context, request, By::Score)
}

/// ZREMRANGEBYLEX key min max
pub static ZREMRANGEBYLEX: CommandSpec = remover(
    "ZREMRANGEBYLEX",
    zremrangebylex,
    "Removes the members between two texts of a sorted set in which all scores are equal; an empty set goes.",
    "2.8.9",
    BY_LEX,
);

fn zremrangebylex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    remove_range(context, request, By::Lex)
}

fn remove_range(context: &mut Context<'_>, request: Request<'_>, by: By) -> CommandResult {
    let bounds = Bounds::parse(by, request.get(2), request.get(3))?;
    let (key, index) = (request.get(1), context.index());
    let Some(mut slot) = context.db.write(index, key) else {
        context.reply.count(0);
        return Ok(());
    };
    let set = zset_mut(&mut slot)?;
    let range = bounds.resolve(set, false);
    let (removed, empty) = (range.len(), range.len() == set.len());
    if !empty {
        // One that becomes empty goes as a whole, where nobody waits for it.
        set.remove_range(range);
    }
    drop(slot);
    if removed > 0 {
        settle(context, key, empty, removed);
        let event = match by {
            By::Rank => "zremrangebyrank",
            By::Score => "zremrangebyscore",
            By::Lex => "zremrangebylex",
        };
        context.event_and_end(Events::ZSET, event, key, empty);
    }
    context.reply.count(removed);
    Ok(())
}
