//! Elements at the ends of a list: LPUSH, RPUSH, their forms for lists that exist, LPOP, RPOP, LMPOP.

use std::ops::Range;

use super::{
    ENDS, create, element_argument, fill, list_mut, list_of, parse_at_least, parse_end,
    reply_element, settle,
};
use super::{pop_command, pop_event, push_event};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::tree::End;
use crate::store::types::list::List;

/// What the specs of the four pushes have in common.
const fn pusher(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    since: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::List, handler)
        .doc(
            summary,
            since,
            "O(1) for each element, so O(N) for N elements.",
        )
        .arity(-3)
        .flags(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST])
        .keys(const { &[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::INSERT))] })
        .args(const { &[Arg::key("key", 0), Arg::string("element").multiple()] })
}

/// LPUSH key element [element ...]
pub static LPUSH: CommandSpec = pusher(
    "LPUSH",
    lpush,
    "Puts elements in front of a list, one after the other; a missing key counts as an empty list.",
    "1.0.0",
)
.history(&[("2.4.0", "Takes several elements.")]);

fn lpush(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    push(context, request, End::Front, Missing::Create)
}

/// RPUSH key element [element ...]
pub static RPUSH: CommandSpec = pusher(
    "RPUSH",
    rpush,
    "Puts elements behind a list, one after the other; a missing key counts as an empty list.",
    "1.0.0",
)
.history(&[("2.4.0", "Takes several elements.")]);

fn rpush(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    push(context, request, End::Back, Missing::Create)
}

/// LPUSHX key element [element ...]
pub static LPUSHX: CommandSpec = pusher(
    "LPUSHX",
    lpushx,
    "Puts elements in front of a list that exists.",
    "2.2.0",
)
.history(&[("4.0.0", "Takes several elements.")]);

fn lpushx(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    push(context, request, End::Front, Missing::Skip)
}

/// RPUSHX key element [element ...]
pub static RPUSHX: CommandSpec = pusher(
    "RPUSHX",
    rpushx,
    "Puts elements behind a list that exists.",
    "2.2.0",
)
.history(&[("4.0.0", "Takes several elements.")]);

fn rpushx(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    push(context, request, End::Back, Missing::Skip)
}

/// What a push does without a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Skip,
}

#[inline]
fn push(
    context: &mut Context<'_>,
    request: Request<'_>,
    end: End,
    missing: Missing,
) -> CommandResult {
    let (key, index, fill) = (request.get(1), context.index(), fill(context));
    let elements = (2..request.len()).map(|at| element_argument(request, at));
    let count = elements.len();
    // The slot stays where it was answered: to move it costs more than the rest of the look-up.
    let len = if let Some(slot) = &mut context.db.write(index, key) {
        let list = list_mut(slot)?;
        list.push_all(end, elements, fill);
        list.len()
    } else if missing == Missing::Create {
        let mut list = List::new();
        list.push_all(end, elements, fill);
        create(context, key, list);
        count
    } else {
        context.reply.count(0);
        return Ok(());
    };
    settle(context, key, false, count);
    context.event(Events::LIST, push_event(end), key);
    context.reply.count(len);
    Ok(())
}

const POP_FLAGS: &[Flags] = &[Flags::WRITE, Flags::FAST];
pub(super) const POP_KEY_FLAGS: KeyFlags =
    KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);

/// What the specs of LPOP and RPOP have in common.
const fn popper(name: &'static str, handler: Handler, summary: &'static str) -> CommandSpec {
    CommandSpec::new(name, Group::List, handler)
        .doc(
            summary,
            "1.0.0",
            "O(N), N being the number of elements answered.",
        )
        .arity(-2)
        .flags(POP_FLAGS)
        .keys(const { &[KeySpec::at(1, POP_KEY_FLAGS)] })
        .args(
            const {
                &[
                    Arg::key("key", 0),
                    Arg::integer("count").optional().since("6.2.0"),
                ]
            },
        )
        .history(&[("6.2.0", "Takes a `count`.")])
}

/// `LPOP key [count]`
pub static LPOP: CommandSpec = popper(
    "LPOP",
    lpop,
    "Removes the first elements of a list and answers them; an empty list goes.",
);

fn lpop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    pop(context, request, End::Front)
}

/// `RPOP key [count]`
pub static RPOP: CommandSpec = popper(
    "RPOP",
    rpop,
    "Removes the last elements of a list and answers them; an empty list goes.",
);

fn rpop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    pop(context, request, End::Back)
}

#[inline]
fn pop(context: &mut Context<'_>, request: Request<'_>, end: End) -> CommandResult {
    let key = request.get(1);
    match request.len() {
        2 => pop_one(context, key, end),
        3 => {
            let count =
                parse_at_least(&mut Args::new(request, 2), 0, CommandError::MustBePositive)?;
            pop_some(context, key, end, count as usize).map(drop)
        }
        _ => Err(context.wrong_arity()),
    }
}

#[inline]
pub(super) fn pop_one(context: &mut Context<'_>, key: &[u8], end: End) -> CommandResult {
    let fill = fill(context);
    let Context {
        db, session, reply, ..
    } = context;
    // Not moved out of where it was answered, as in `push`.
    let mut found = db.write(session.db, key);
    let Some(slot) = &mut found else {
        reply.null();
        return Ok(());
    };
    let list = list_mut(slot)?;
    list.pop(end, fill, |element| reply_element(reply, element));
    let empty = list.is_empty();
    drop(found);
    settle(context, key, empty, 1);
    context.event_and_end(Events::LIST, pop_event(end), key, empty);
    Ok(())
}

/// Pops up to `count` elements into an array, and answers how many; no array at all for a missing key.
fn pop_some(
    context: &mut Context<'_>,
    key: &[u8],
    end: End,
    count: usize,
) -> Result<usize, CommandError> {
    let fill = fill(context);
    let Context {
        db, session, reply, ..
    } = context;
    let Some(mut slot) = db.write(session.db, key) else {
        reply.null_array();
        return Ok(0);
    };
    let list = list_mut(&mut slot)?;
    let count = count.min(list.len());
    reply.array(count);
    if count == 0 {
        return Ok(0);
    }
    list.pop_many(end, count, fill, |element| reply_element(reply, element));
    let empty = list.is_empty();
    drop(slot);
    settle(context, key, empty, count);
    context.event_and_end(Events::LIST, pop_event(end), key, empty);
    Ok(count)
}

/// LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count]
pub static LMPOP: CommandSpec = CommandSpec::new("LMPOP", Group::List, lmpop)
    .doc("Removes elements from an end of the first of several lists that is there, and answers them with its key.", "7.0.0",
        "O(N+M), N being the number of keys and M that of the elements answered.")
    .arity(-4)
    .flags(&[Flags::WRITE])
    .keys(&[KeySpec::counted(1, 1, POP_KEY_FLAGS)])
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::one_of("where", ENDS),
        Arg::integer("count").with_token("COUNT").optional(),
    ]);

const NUMKEYS_BELOW_ONE: CommandError = CommandError::fixed("ERR numkeys should be greater than 0");
const COUNT_BELOW_ONE: CommandError = CommandError::fixed("ERR count should be greater than 0");

/// What LMPOP and BLMPOP pop from which of several keys.
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
        let mut args = Args::new(request, at);
        let numkeys = parse_at_least(&mut args, 1, NUMKEYS_BELOW_ONE)?;
        let keys = usize::try_from(numkeys)
            .ok()
            .filter(|&keys| keys < args.remaining())
            .ok_or(CommandError::Syntax)?;
        let mut args = Args::new(request, at + 1 + keys);
        let end = parse_end(&mut args)?;
        let mut count = None;
        while !args.is_empty() {
            if count.is_some() || !args.keyword("COUNT") {
                return Err(CommandError::Syntax);
            }
            count = Some(parse_at_least(&mut args, 1, COUNT_BELOW_ONE)?);
        }
        Ok(Choice {
            first: at + 1,
            keys,
            end,
            count: count.unwrap_or(1) as usize,
        })
    }

    /// Where the keys are.
    pub(super) fn keys_at(&self) -> Range<usize> {
        self.first..self.first + self.keys
    }

    /// Pops from the first list that is there, and answers its key and the elements; false if there is none.
    pub(super) fn pop(
        &self,
        context: &mut Context<'_>,
        request: Request<'_>,
    ) -> Result<bool, CommandError> {
        for key in request.iter_from(self.first).take(self.keys) {
            let Some(entry) = context.peek(key) else {
                continue;
            };
            list_of(entry.value())?;
            context.reply.array(2);
            context.reply.bulk(key);
            let count = pop_some(context, key, self.end, self.count)?;
            let name = pop_command(self.end);
            context.repeat(|effects| _ = effects.word(name).word(key).number(count));
            return Ok(true);
        }
        Ok(false)
    }
}

fn lmpop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if !Choice::parse(request, 1)?.pop(context, request)? {
        context.reply.null_array();
    }
    Ok(())
}
