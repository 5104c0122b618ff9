//! Looking at single members: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK; and ZSCAN.

use super::{READ_KEY, zset_of};
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
    KeyFlags, KeySpec,
};
use crate::commands::scan_options::{ScanOptions, parse_cursor};
use crate::resp::Request;
use crate::text::double;

/// ZCARD key
pub static ZCARD: CommandSpec = CommandSpec::new("ZCARD", Group::SortedSet, zcard)
    .doc("Answers the size of a sorted set.", "1.2.0", "O(1)")
    .arity(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO)])
    .args(&[Arg::key("key", 0)]);

fn zcard(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let len = match context.read(request.get(1)) {
        Some(entry) => zset_of(entry.value())?.len(),
        None => 0,
    };
    context.reply.count(len);
    Ok(())
}

/// ZSCORE key member
pub static ZSCORE: CommandSpec = CommandSpec::new("ZSCORE", Group::SortedSet, zscore)
    .element_at(2)
    .doc(
        "Answers the score of a member of a sorted set.",
        "1.2.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(READ_KEY)
    .args(&[Arg::key("key", 0), Arg::string("member")]);

fn zscore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let score = match context.read(request.get(1)) {
        Some(entry) => zset_of(entry.value())?.score(request.get(2)),
        None => None,
    };
    match score {
        Some(score) => context.reply.double(score),
        None => context.reply.null(),
    }
    Ok(())
}

/// `ZMSCORE key member [member ...]`
pub static ZMSCORE: CommandSpec = CommandSpec::new("ZMSCORE", Group::SortedSet, zmscore)
    .element_at(2)
    .doc(
        "Answers the scores of members of a sorted set.",
        "6.2.0",
        "O(N), N being the number of members asked for.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(READ_KEY)
    .args(&[Arg::key("key", 0), Arg::string("member").multiple()]);

fn zmscore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let entry = db.read(session.db, request.get(1));
    let set = match &entry {
        Some(entry) => Some(zset_of(entry.value())?),
        None => None,
    };
    let members = request.iter_from(2);
    reply.array(members.len());
    for member in members {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
    }
    Ok(())
}

const fn ranker(name: &'static str, handler: Handler, summary: &'static str) -> CommandSpec {
    CommandSpec::new(name, Group::SortedSet, handler)
        .element_at(2)
        .doc(
            summary,
            "2.0.0",
            "O(log(N)), N being the size of the sorted set.",
        )
        .arity(-3)
        .flags(&[Flags::READONLY, Flags::FAST])
        .keys(READ_KEY)
        .args(
            const {
                &[
                    Arg::key("key", 0),
                    Arg::string("member"),
                    Arg::token("withscore", "WITHSCORE").optional(),
                ]
            },
        )
        .history(&[("7.2.0", "Added the optional `WITHSCORE` argument.")])
}

/// `ZRANK key member [WITHSCORE]`
pub static ZRANK: CommandSpec = ranker(
    "ZRANK",
    zrank,
    "Answers how many members of a sorted set come before a member.",
);

fn zrank(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    rank(context, request, false)
}

/// `ZREVRANK key member [WITHSCORE]`
pub static ZREVRANK: CommandSpec = ranker(
    "ZREVRANK",
    zrevrank,
    "Answers how many members of a sorted set come after a member.",
);

fn zrevrank(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    rank(context, request, true)
}

fn rank(context: &mut Context<'_>, request: Request<'_>, from_end: bool) -> CommandResult {
    let with_score = match request.len() {
        3 => false,
        4 if request.get(3).eq_ignore_ascii_case(b"WITHSCORE") => true,
        4 => return Err(CommandError::Syntax),
        _ => return Err(context.wrong_arity()),
    };
    let found = match context.read(request.get(1)) {
        Some(entry) => {
            let set = zset_of(entry.value())?;
            let found = set.rank(request.get(2));
            found.map(|(rank, score)| match from_end {
                true => (set.len() - 1 - rank, score),
                false => (rank, score),
            })
        }
        None => None,
    };
    match found {
        Some((rank, score)) if with_score => {
            context.reply.array(2);
            context.reply.count(rank);
            context.reply.double(score);
        }
        Some((rank, _)) => context.reply.count(rank),
        None if with_score => context.reply.null_array(),
        None => context.reply.null(),
    }
    Ok(())
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub static ZSCAN: CommandSpec = CommandSpec::new("ZSCAN", Group::SortedSet, zscan)
    .doc(
        "Answers some of a sorted set's members with their scores, and a cursor with which to go on.",
        "2.8.0",
        "O(1) a call; O(N) for a whole iteration, N being the number of members.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(READ_KEY)
    .args(&[
        Arg::key("key", 0),
        Arg::integer("cursor"),
        Arg::new("pattern", ArgKind::Pattern)
            .with_token("MATCH")
            .optional(),
        Arg::integer("count").with_token("COUNT").optional(),
    ])
    .tips(&["nondeterministic_output"]);

fn zscan(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let cursor = parse_cursor(request, 2)?;
    let Context {
        db, session, reply, ..
    } = context;
    // Redis looks at the key before the options.
    let Some(entry) = db.read(session.db, request.get(1)) else {
        reply.array(2);
        reply.text("0");
        reply.array(0);
        return Ok(());
    };
    let set = zset_of(entry.value())?;
    let options = ScanOptions::parse(Args::new(request, 3), |_| Ok(false))?;
    let mut digits = itoa::Buffer::new();
    let mut text = double::Buffer::new();
    options.answer(reply, cursor, |cursor, found| {
        set.scan(cursor, &mut |member, score| {
            found.look();
            let member = member.text(&mut digits);
            if options.accepts(member) {
                found.bulk(member);
                found.bulk(text.format(score).as_bytes());
            }
        })
    });
    Ok(())
}
