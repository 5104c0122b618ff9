//! Members from the ends: ZPOPMIN, ZPOPMAX, ZMPOP.

use std::ops::Range;

use super::{Shape, settle, zset_mut, zset_of};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::tree::End;

pub(super) const POP_KEY_FLAGS: KeyFlags =
    KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);

const fn popper(name: &'static str, handler: Handler, summary: &'static str) -> CommandSpec {
    CommandSpec::new(name, Group::SortedSet, handler)
        .doc(
            summary,
            "5.0.0",
            "O(M*log(N)), N being the size of the sorted set and M the number of members removed.",
        )
        .arity(-2)
        .flags(&[Flags::WRITE, Flags::FAST])
        .keys(const { &[KeySpec::at(1, POP_KEY_FLAGS)] })
        .args(const { &[Arg::key("key", 0), Arg::integer("count").optional()] })
}

/// `ZPOPMIN key [count]`
pub static ZPOPMIN: CommandSpec = popper(
    "ZPOPMIN",
    zpopmin,
    "Removes the members of a sorted set with the lowest scores and answers them; an empty set goes.",
);

fn zpopmin(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    pop(context, request, End::Front)
}

/// `ZPOPMAX key [count]`
pub static ZPOPMAX: CommandSpec = popper(
    "ZPOPMAX",
    zpopmax,
    "Removes the members of a sorted set with the highest scores and answers them; an empty set goes.",
);

fn zpopmax(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    pop(context, request, End::Back)
}

fn pop(context: &mut Context<'_>, request: Request<'_>, end: End) -> CommandResult {
    let mut args = Args::new(request, 2);
    let (count, shape) = match args.remaining() {
        0 => (1, Shape::Flat),
        1 => {
            let count = args.integer().ok().and_then(|n| usize::try_from(n).ok());
            let count = count.ok_or(CommandError::MustBePositive)?;
            (count, Shape::of(&context.reply, true))
        }
        _ => return Err(CommandError::Syntax),
    };
    let key = request.get(1);
    let Some(entry) = context.peek(key) else {
        context.reply.array(0);
        return Ok(());
    };
    let len = zset_of(entry.value())?.len();
    shape.head(&mut context.reply, count.min(len));
    pop_members(context, key, end, count, shape)
}

/// Removes up to `count` members at an end from the sorted set under `key`, and answers each of them; the head of the
/// array is the caller's.
pub(super) fn pop_members(
    context: &mut Context<'_>,
    key: &[u8],
    end: End,
    count: usize,
    shape: Shape,
) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let Some(mut slot) = db.write(session.db, key) else {
        return Ok(());
    };
    let set = zset_mut(&mut slot)?;
    let len = set.len();
    let count = count.min(len);
    if count == 0 {
        return Ok(());
    }
    let range = match end {
        End::Front => 0..count,
        End::Back => len - count..len,
    };
    for (member, score) in set.range(range.clone(), end == End::Back) {
        shape.element(reply, member, score);
    }
    if count < len {
        // One that becomes empty goes as a whole, where nobody waits for it.
        set.remove_range(range);
    }
    drop(slot);
    settle(context, key, count == len, count);
    let event = match end {
        End::Front => "zpopmin",
        End::Back => "zpopmax",
    };
    context.event_and_end(Events::ZSET, event, key, count == len);
    Ok(())
}

/// The name of the command that pops at `end`.
pub(super) fn pop_command(end: End) -> &'static [u8] {
    match end {
        End::Front => b"ZPOPMIN",
        End::Back => b"ZPOPMAX",
    }
}

/// `ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]`
pub static ZMPOP: CommandSpec = CommandSpec::new("ZMPOP", Group::SortedSet, zmpop)
    .doc(
        "Removes members from an end of the first of several sorted sets that is there, and answers them with its key.",
        "7.0.0",
        "O(K+M*log(N)), K being the number of keys, N the size of the sorted set and M the number of members removed.",
    )
    .arity(-4)
    .flags(&[Flags::WRITE])
    .keys(&[KeySpec::counted(1, 1, POP_KEY_FLAGS)])
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of("where", ENDS),
        Arg::integer("count").with_token("COUNT").optional(),
    ]);

/// The words for the ends of a sorted set.
pub(super) const ENDS: &[Arg] = &[Arg::token("min", "MIN"), Arg::token("max", "MAX")];

const NUMKEYS_BELOW_ONE: CommandError = CommandError::fixed("ERR numkeys should be greater than 0");
const COUNT_BELOW_ONE: CommandError = CommandError::fixed("ERR count should be greater than 0");

/// What ZMPOP and BZMPOP pop from which of several keys.
pub(super) struct Choice {
    /// The index of the first key, and how many there are.
    first: usize,
    keys: usize,
    end: End,
    count: usize,
}

impl Choice {
    /// Reads the number of keys at `at` and all that follows.
    pub(super) fn parse(request: Request<'_>, at: usize) -> Result<Choice, CommandError> {
        let positive = |args: &mut Args<'_>, error: CommandError| {
            let number = args.integer().ok().and_then(|n| usize::try_from(n).ok());
            number.filter(|&number| number > 0).ok_or(error)
        };
        let mut args = Args::new(request, at);
        let keys = positive(&mut args, NUMKEYS_BELOW_ONE)?;
        if keys >= args.remaining() {
            return Err(CommandError::Syntax);
        }
        let mut args = Args::new(request, at + 1 + keys);
        let end = if args.keyword("MIN") {
            End::Front
        } else if args.keyword("MAX") {
            End::Back
        } else {
            return Err(CommandError::Syntax);
        };
        let mut count = None;
        while !args.is_empty() {
            if count.is_some() || args.remaining() < 2 || !args.keyword("COUNT") {
                return Err(CommandError::Syntax);
            }
            count = Some(positive(&mut args, COUNT_BELOW_ONE)?);
        }
        Ok(Choice {
            first: at + 1,
            keys,
            end,
            count: count.unwrap_or(1),
        })
    }

    /// Where the keys are.
    pub(super) fn keys_at(&self) -> Range<usize> {
        self.first..self.first + self.keys
    }

    /// Pops from the first sorted set that is there, and answers its key and the members; false if there is none.
    pub(super) fn pop(
        &self,
        context: &mut Context<'_>,
        request: Request<'_>,
    ) -> Result<bool, CommandError> {
        for key in request.iter_from(self.first).take(self.keys) {
            let Some(entry) = context.peek(key) else {
                continue;
            };
            let len = zset_of(entry.value())?.len();
            context.reply.array(2);
            context.reply.bulk(key);
            context.reply.array(self.count.min(len));
            pop_members(context, key, self.end, self.count, Shape::Pairs)?;
            let (name, count) = (pop_command(self.end), self.count.min(len));
            context.repeat(|effects| _ = effects.word(name).word(key).number(count));
            return Ok(true);
        }
        Ok(false)
    }
}

fn zmpop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let choice = Choice::parse(request, 1)?;
    if !choice.pop(context, request)? {
        context.reply.null_array();
    }
    Ok(())
}
