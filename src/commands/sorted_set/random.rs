//! Members at random: ZRANDMEMBER.

use std::collections::HashSet;

use super::{READ_KEY, Shape, WITHSCORES, reply_member, zset_of};
use crate::command::{Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::resp::Request;
use crate::store::types::sorted_set::SortedSet;

/// An answer with repetitions, which a few bytes can ask for, grows no larger than this.
const MAX_REPEATED_BYTES: usize = 512 << 20;
/// A member takes at least so many bytes in a reply.
const LEAST_BYTES: u64 = 6;
/// Members are drawn one by one as long as at most one in so many is wanted; else all are gone through.
const DRAW_UP_TO_ONE_IN: usize = 3;

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub static ZRANDMEMBER: CommandSpec = CommandSpec::new("ZRANDMEMBER", Group::SortedSet, zrandmember)
    .doc(
        "Answers members of a sorted set at random; with a negative count the same one possibly more than once.",
        "6.2.0",
        "O(N*log(M)), N being the absolute value of the count and M the size of the sorted set.",
    )
    .arity(-2)
    .flags(&[Flags::READONLY])
    .keys(READ_KEY)
    .args(&[
        Arg::key("key", 0),
        Arg::block("options", &[Arg::integer("count"), WITHSCORES]).optional(),
    ])
    .tips(&["nondeterministic_output"]);

/// The one negative number without a positive counterpart has no meaning as a count.
const COUNT_OUT_OF_RANGE: CommandError = CommandError::fixed(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

fn zrandmember(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    if request.len() == 2 {
        return one(context, key);
    }
    let mut args = Args::new(request, 2);
    let count = args.integer()?;
    if count == i64::MIN {
        return Err(COUNT_OUT_OF_RANGE);
    }
    let with_scores = match args.remaining() {
        0 => false,
        1 if args.keyword("WITHSCORES") => true,
        _ => return Err(CommandError::Syntax),
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::OutOfRange);
    }
    several(context, key, count, with_scores)
}

fn one(context: &mut Context<'_>, key: &[u8]) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let mut rng = db.rng.fork();
    let member = match db.read(session.db, key) {
        Some(entry) => zset_of(entry.value())?.random(&mut rng),
        None => None,
    };
    match member {
        Some((member, _)) => reply_member(reply, member),
        None => reply.null(),
    }
    Ok(())
}

/// Answers so many different members, or all; of a negative count exactly so many, each drawn from all.
fn several(context: &mut Context<'_>, key: &[u8], count: i64, with_scores: bool) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let mut rng = db.rng.fork();
    let shape = Shape::of(reply, with_scores);
    let Some(entry) = db.read(session.db, key) else {
        reply.array(0);
        return Ok(());
    };
    let set = zset_of(entry.value())?;
    let wanted = count.unsigned_abs();
    if count >= 0 {
        let count = usize::try_from(wanted).map_or(set.len(), |count| count.min(set.len()));
        shape.head(reply, count);
        sample(set, count, &mut rng, |index| {
            if let Some((member, score)) = set.get(index) {
                shape.element(reply, member, score);
            }
        });
        return Ok(());
    }
    if wanted > MAX_REPEATED_BYTES as u64 / LEAST_BYTES {
        session
            .handle
            .close_if_answer_is_too_long(MAX_REPEATED_BYTES);
        return Err(CommandError::OutOfRange);
    }
    shape.head(reply, wanted as usize);
    let most = reply.mark().0 + MAX_REPEATED_BYTES;
    for _ in 0..wanted {
        if reply.mark().0 > most {
            session
                .handle
                .close_if_answer_is_too_long(MAX_REPEATED_BYTES);
            return Err(CommandError::OutOfRange);
        }
        if let Some((member, score)) = set.random(&mut rng) {
            shape.element(reply, member, score);
        }
    }
    Ok(())
}

/// Chooses `count` different indexes, each selection with the same chance.
fn sample(set: &SortedSet, count: usize, rng: &mut fastrand::Rng, mut each: impl FnMut(usize)) {
    let len = set.len();
    if count < len / DRAW_UP_TO_ONE_IN {
        let mut drawn = HashSet::with_capacity(count);
        while drawn.len() < count {
            let index = rng.usize(..len);
            if drawn.insert(index) {
                each(index);
            }
        }
        return;
    }
    let mut left = count;
    for index in 0..len {
        if left > 0 && rng.usize(..len - index) < left {
            left -= 1;
            each(index);
        }
    }
}
