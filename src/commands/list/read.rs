//! Looking at a list: LLEN, LINDEX, LRANGE, LPOS.

use super::{clamp_range, list_of, parse_at_least, reply_element};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;

/// LLEN key
pub static LLEN: CommandSpec = CommandSpec::new("LLEN", Group::List, llen)
    .doc("Answers the number of elements of a list.", "1.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO)])
    .args(&[Arg::key("key", 0)]);

fn llen(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let len = match context.read(request.get(1)) {
        Some(entry) => list_of(entry.value())?.len(),
        None => 0,
    };
    context.reply.count(len);
    Ok(())
}

/// LINDEX key index
pub static LINDEX: CommandSpec = CommandSpec::new("LINDEX", Group::List, lindex)
    .doc(
        "Answers the element of a list at an index, which counts from the end if it is negative.",
        "1.0.0",
        "O(log(N)), N being the length of the list.",
    )
    .arity(3)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[Arg::key("key", 0), Arg::integer("index")]);

fn lindex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    // Redis looks at the key before the index, so a missing key answers null whatever the index is.
    let Some(entry) = db.read(session.db, request.get(1)) else {
        reply.null();
        return Ok(());
    };
    let list = list_of(entry.value())?;
    let index = Args::new(request, 2).integer()?;
    match list.resolve(index).and_then(|index| list.get(index)) {
        Some(element) => reply_element(reply, element),
        None => reply.null(),
    }
    Ok(())
}

/// LRANGE key start stop
pub static LRANGE: CommandSpec = CommandSpec::new("LRANGE", Group::List, lrange)
    .doc("Answers the elements of a list from one index to another, which count from the end if they are negative.", "1.0.0",
        "O(log(S)+N), S being the length of the list and N the number of elements answered.")
    .arity(4)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[Arg::key("key", 0), Arg::integer("start"), Arg::integer("stop")]);

fn lrange(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let (start, stop) = (args.integer()?, args.integer()?);
    let Context {
        db, session, reply, ..
    } = context;
    let Some(entry) = db.read(session.db, request.get(1)) else {
        reply.array(0);
        return Ok(());
    };
    let list = list_of(entry.value())?;
    let range = clamp_range(start, stop, list.len());
    reply.array(range.len());
    for element in list.range(range) {
        reply_element(reply, element);
    }
    Ok(())
}

/// LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]
pub static LPOS: CommandSpec = CommandSpec::new("LPOS", Group::List, lpos)
    .doc("Answers the indexes of the elements of a list that equal a given one.", "6.0.6",
        "O(N), N being the number of elements looked at: at most the length of the list or `MAXLEN`.")
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key", 0),
        Arg::string("element"),
        Arg::integer("rank").with_token("RANK").optional(),
        Arg::integer("num-matches").with_token("COUNT").optional(),
        Arg::integer("len").with_token("MAXLEN").optional(),
    ]);

const RANK_ZERO: CommandError = CommandError::fixed(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
     or use negative to start from the end of the list",
);
/// The one negative number without a positive counterpart has no meaning as a rank.
const RANK_OUT_OF_RANGE: CommandError = CommandError::fixed(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
const COUNT_NEGATIVE: CommandError = CommandError::fixed("ERR COUNT can't be negative");
const MAXLEN_NEGATIVE: CommandError = CommandError::fixed("ERR MAXLEN can't be negative");

/// What LPOS looks for beside the element.
struct Search {
    /// Which match is the first; a negative one counts from the end.
    rank: i64,
    /// How many matches are answered as an array, 0 for all; without it one is answered by itself.
    count: Option<usize>,
    /// How many elements are looked at, 0 for all.
    max_compared: usize,
}

impl Search {
    fn parse(mut args: Args<'_>) -> Result<Self, CommandError> {
        let mut search = Search {
            rank: 1,
            count: None,
            max_compared: 0,
        };
        while !args.is_empty() {
            if args.keyword("RANK") {
                search.rank = match args.integer()? {
                    0 => return Err(RANK_ZERO),
                    i64::MIN => return Err(RANK_OUT_OF_RANGE),
                    rank => rank,
                };
            } else if args.keyword("COUNT") {
                search.count = Some(parse_at_least(&mut args, 0, COUNT_NEGATIVE)? as usize);
            } else if args.keyword("MAXLEN") {
                search.max_compared = parse_at_least(&mut args, 0, MAXLEN_NEGATIVE)? as usize;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(search)
    }
}

fn lpos(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let Search {
        rank,
        count,
        max_compared,
    } = Search::parse(Args::new(request, 3))?;
    let found = match context.read(request.get(1)) {
        Some(entry) => list_of(entry.value())?.positions(
            request.get(2),
            rank,
            count.unwrap_or(1),
            max_compared,
        ),
        None => Vec::new(),
    };
    match (count, found.first()) {
        (Some(_), _) => {
            context.reply.array(found.len());
            for position in found {
                context.reply.count(position);
            }
        }
        (None, Some(&position)) => context.reply.count(position),
        (None, None) => context.reply.null(),
    }
    Ok(())
}
