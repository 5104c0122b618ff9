//! Members one by one: ZADD, ZINCRBY, ZREM.

use super::{create, limits, settle, zset_mut};
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags,
    KeySpec, NewScore,
};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::types::sorted_set::{Change, Limits, SortedSet};
use crate::text::double;

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`
pub static ZADD: CommandSpec = CommandSpec::new("ZADD", Group::SortedSet, zadd)
    .element_at(3)
    .score(NewScore::At(2))
    .doc(
        "Adds members to a sorted set or gives them other scores; a missing key counts as an empty set.",
        "1.2.0",
        "O(log(N)) for each member, N being the size of the sorted set.",
    )
    .arity(-4)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "condition",
            &[Arg::token("nx", "NX"), Arg::token("xx", "XX")],
        )
        .optional()
        .since("3.0.2"),
        Arg::one_of(
            "comparison",
            &[Arg::token("gt", "GT"), Arg::token("lt", "LT")],
        )
        .optional()
        .since("6.2.0"),
        Arg::token("change", "CH").optional().since("3.0.2"),
        Arg::token("increment", "INCR").optional().since("3.0.2"),
        Arg::block(
            "data",
            &[Arg::new("score", ArgKind::Double), Arg::string("member")],
        )
        .multiple(),
    ])
    .history(&[
        ("2.4.0", "Takes several members."),
        ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
        ("6.2.0", "Added the `GT` and `LT` options."),
    ]);

fn zadd(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    add(context, request, false)
}

/// ZINCRBY key increment member
pub static ZINCRBY: CommandSpec = CommandSpec::new("ZINCRBY", Group::SortedSet, zincrby)
    .element_at(3)
    .score(NewScore::IncreasedBy(2))
    .doc(
        "Adds a number to the score of a member, which counts as 0 if the member is not there.",
        "1.2.0",
        "O(log(N)), N being the size of the sorted set.",
    )
    .arity(4)
    .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
    )])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("increment"),
        Arg::string("member"),
    ]);

fn zincrby(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    add(context, request, true)
}

const NX_AND_XX: CommandError =
    CommandError::fixed("ERR XX and NX options at the same time are not compatible");
const GT_LT_NX: CommandError =
    CommandError::fixed("ERR GT, LT, and/or NX options at the same time are not compatible");
const INCR_OF_MANY: CommandError =
    CommandError::fixed("ERR INCR option supports a single increment-element pair");
const NOT_A_NUMBER: CommandError = CommandError::fixed("ERR resulting score is not a number (NaN)");

/// Which members may be added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Any,
    New,
    Existing,
}

/// Which changes of a score are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Any,
    Greater,
    Less,
}

/// The options of ZADD.
#[derive(Clone, Copy)]
struct Options {
    condition: Condition,
    comparison: Comparison,
    count_changes: bool,
    increment: bool,
    /// The index of the first score.
    first: usize,
}

impl Options {
    #[inline]
    fn parse(request: Request<'_>, mut increment: bool) -> Result<Options, CommandError> {
        let mut args = Args::new(request, 2);
        let (mut nx, mut xx, mut gt, mut lt, mut count_changes) =
            (false, false, false, false, false);
        // Most often a score comes first, which begins like no option.
        while args
            .peek()
            .and_then(|word| word.first())
            .is_some_and(u8::is_ascii_alphabetic)
        {
            let known = [
                ("NX", &mut nx),
                ("XX", &mut xx),
                ("GT", &mut gt),
                ("LT", &mut lt),
                ("CH", &mut count_changes),
                ("INCR", &mut increment),
            ];
            let found = known
                .into_iter()
                .find_map(|(word, flag)| args.keyword(word).then_some(flag));
            match found {
                Some(flag) => *flag = true,
                None => break,
            }
        }
        let words = args.remaining();
        if words == 0 || !words.is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        if nx && xx {
            return Err(NX_AND_XX);
        }
        if ((gt || lt) && nx) || (gt && lt) {
            return Err(GT_LT_NX);
        }
        if increment && words > 2 {
            return Err(INCR_OF_MANY);
        }
        Ok(Options {
            condition: match (nx, xx) {
                (true, _) => Condition::New,
                (_, true) => Condition::Existing,
                _ => Condition::Any,
            },
            comparison: match (gt, lt) {
                (true, _) => Comparison::Greater,
                (_, true) => Comparison::Less,
                _ => Comparison::Any,
            },
            count_changes,
            increment,
            first: request.len() - words,
        })
    }

    /// The new score of a member that has the score `old`, or nothing if it is to be left alone.
    #[inline]
    fn decide(&self, old: Option<f64>, score: f64) -> Result<Option<f64>, CommandError> {
        let Some(old) = old else {
            return Ok((self.condition != Condition::Existing).then_some(score));
        };
        if self.condition == Condition::New {
            return Ok(None);
        }
        let new = if self.increment { old + score } else { score };
        if new.is_nan() {
            return Err(NOT_A_NUMBER);
        }
        Ok(match self.comparison {
            Comparison::Greater if new <= old => None,
            Comparison::Less if new >= old => None,
            _ => Some(new),
        })
    }
}

/// What was done with the members of one command.
#[derive(Clone, Copy, Default)]
struct Tally {
    added: usize,
    updated: usize,
    /// The score of the last member that was not left alone.
    score: Option<f64>,
}

impl Tally {
    /// Adds all members; `score` is that of the first.
    #[inline]
    fn add_all(
        &mut self,
        set: &mut SortedSet,
        request: Request<'_>,
        options: &Options,
        mut score: f64,
        limits: Limits,
    ) -> CommandResult {
        for at in (options.first..request.len()).step_by(2) {
            if at > options.first {
                score = parse_score(request.get(at))?;
            }
            let decide = |old| {
                let new = options.decide(old, score)?;
                if new.is_some() {
                    self.score = new;
                }
                Ok::<_, CommandError>(new)
            };
            match set.upsert(request.get(at + 1), limits, decide)? {
                Change::Added => self.added += 1,
                Change::Updated => self.updated += 1,
                Change::None => {}
            }
        }
        Ok(())
    }
}

#[inline]
fn parse_score(text: &[u8]) -> Result<f64, CommandError> {
    double::parse(text)
        .filter(|score| !score.is_nan())
        .ok_or(CommandError::NotFloat)
}

#[inline]
fn add(context: &mut Context<'_>, request: Request<'_>, increment: bool) -> CommandResult {
    let options = Options::parse(request, increment)?;
    // All or nothing: the scores are looked at before the first member is added.
    let score = parse_score(request.get(options.first))?;
    for at in (options.first + 2..request.len()).step_by(2) {
        parse_score(request.get(at))?;
    }
    let (key, index, limits) = (request.get(1), context.index(), limits(context));
    let mut tally = Tally::default();
    if let Some(mut slot) = context.db.write(index, key) {
        tally.add_all(zset_mut(&mut slot)?, request, &options, score, limits)?;
    } else if options.condition != Condition::Existing {
        let first_bytes = request.get(options.first + 1).len();
        let mut set = SortedSet::for_member(first_bytes, limits);
        tally.add_all(&mut set, request, &options, score, limits)?;
        create(context, key, set);
    }
    let changes = tally.added + tally.updated;
    if changes > 0 {
        settle(context, key, false, changes);
        let event = if options.increment { "zincr" } else { "zadd" };
        context.event(Events::ZSET, event, key);
    }
    match tally.score {
        Some(score) if options.increment => context.reply.double(score),
        None if options.increment => context.reply.null(),
        _ if options.count_changes => context.reply.count(changes),
        _ => context.reply.count(tally.added),
    }
    Ok(())
}

/// `ZREM key member [member ...]`
pub static ZREM: CommandSpec = CommandSpec::new("ZREM", Group::SortedSet, zrem)
    .element_at(2)
    .doc(
        "Removes members from a sorted set; an empty set goes.",
        "1.2.0",
        "O(M*log(N)), N being the size of the sorted set and M the number of members removed.",
    )
    .arity(-3)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()])
    .history(&[("2.4.0", "Takes several members.")]);

fn zrem(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index) = (request.get(1), context.index());
    let Some(mut slot) = context.db.write(index, key) else {
        context.reply.count(0);
        return Ok(());
    };
    let set = zset_mut(&mut slot)?;
    let removed = request
        .iter_from(2)
        .filter(|member| set.remove(member).is_some())
        .count();
    let empty = set.is_empty();
    drop(slot);
    if removed > 0 {
        settle(context, key, empty, removed);
        context.event_and_end(Events::ZSET, "zrem", key, empty);
    }
    context.reply.count(removed);
    Ok(())
}
