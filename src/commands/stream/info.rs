//! XINFO: what there is to be known of a stream, its groups and their consumers.

use super::{no_group_of_key, reply_entry, reply_id, reply_known, stream_of};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::resp::{Reply, Request};
use crate::store::types::stream::{self, Consumer, Stream};

/// XINFO subcommand ...
pub static XINFO: CommandSpec = CommandSpec::new("XINFO", Group::Stream, container)
    .doc(
        "Looks into streams and their groups.",
        "5.0.0",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[&CONSUMERS, &GROUPS, &HELP, &STREAM]);

/// The gate finds the subcommands; what comes here has none.
fn container(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    Err(context.wrong_arity())
}

const fn subcommand(name: &'static str, handler: Handler) -> CommandSpec {
    CommandSpec::new(name, Group::Stream, handler)
        .flags(&[Flags::READONLY])
        .keys(const { &[KeySpec::at(2, KeyFlags::RO.with(KeyFlags::ACCESS))] })
}

/// The error for words that do not fit the subcommand.
fn unknown_form(request: Request<'_>) -> CommandError {
    CommandError::UnknownForm {
        word: request.get(1).to_vec(),
        command: "XINFO",
    }
}

/// `XINFO STREAM key [FULL [COUNT count]]`
static STREAM: CommandSpec = subcommand("STREAM", xinfo_stream)
    .doc(
        "Answers the state of a stream, with FULL that of its entries and groups too.",
        "5.0.0",
        "O(1), and O(N) for N parts answered with FULL.",
    )
    .arity(-3)
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "full-block",
            &[
                Arg::token("full", "FULL"),
                Arg::integer("count").with_token("COUNT").optional(),
            ],
        )
        .optional(),
    ])
    .history(&[
        ("6.0.0", "Takes `FULL`."),
        (
            "7.0.0",
            "Also answers `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag`.",
        ),
        (
            "7.2.0",
            "Also answers `active-time`; `seen-time` is that of the last attempt.",
        ),
    ]);

/// Parts that FULL answers of each list unless told otherwise.
const DEFAULT_COUNT: usize = 10;

/// Reads FULL and how many parts it answers of each list; none without it.
fn parse_full(request: Request<'_>) -> Result<Option<usize>, CommandError> {
    let mut args = Args::new(request, 3);
    let words = args.remaining();
    if words == 0 {
        return Ok(None);
    }
    if !matches!(words, 1 | 3) || !args.keyword("FULL") {
        return Err(unknown_form(request));
    }
    if args.is_empty() {
        return Ok(Some(DEFAULT_COUNT));
    }
    if !args.keyword("COUNT") {
        return Err(unknown_form(request));
    }
    Ok(Some(match usize::try_from(args.integer()?) {
        Ok(0) => usize::MAX,
        Ok(count) => count,
        Err(_) => DEFAULT_COUNT,
    }))
}

fn xinfo_stream(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let entry = db
        .read(session.db, request.get(2))
        .ok_or(CommandError::NoSuchKey)?;
    let stream = stream_of(entry.value())?;
    let full = parse_full(request)?;
    reply.map(if full.is_some() { 9 } else { 10 });
    reply_state(reply, stream);
    match full {
        None => reply_ends(reply, stream),
        Some(count) => reply_full(reply, stream, count),
    }
    Ok(())
}

/// Answers what is known of the stream as a whole.
fn reply_state(reply: &mut Reply<'_>, stream: &Stream) {
    // Redis counts the nodes of its radix tree: the chunks as its leaves, and at least one more.
    let chunks = stream.log().chunk_count();
    reply.text("length");
    reply.count(stream.len());
    reply.text("radix-tree-keys");
    reply.count(chunks);
    reply.text("radix-tree-nodes");
    reply.count(chunks + 1);
    reply.text("last-generated-id");
    reply_id(reply, stream.last_id());
    reply.text("max-deleted-entry-id");
    reply_id(reply, stream.max_deleted_id());
    reply.text("entries-added");
    reply.integer(stream.entries_added() as i64);
    reply.text("recorded-first-entry-id");
    reply_id(reply, stream.first_id());
}

/// Answers the number of groups, and the first and the last entry.
fn reply_ends(reply: &mut Reply<'_>, stream: &Stream) {
    let log = stream.log();
    let ends = [
        ("first-entry", log.iter_from(0).next()),
        ("last-entry", log.iter_until(log.len()).next()),
    ];
    reply.text("groups");
    reply.count(stream.groups().len());
    for (name, entry) in ends {
        reply.text(name);
        match entry {
            Some(entry) => reply_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

/// Answers up to `count` entries, and all groups with up to `count` parts of each of their lists.
fn reply_full(reply: &mut Reply<'_>, stream: &Stream, count: usize) {
    reply.text("entries");
    reply.array(count.min(stream.len()));
    for entry in stream.log().iter_from(0).take(count) {
        reply_entry(reply, &entry);
    }
    reply.text("groups");
    reply.array(stream.groups().len());
    let extent = stream.extent();
    for group in stream.groups() {
        let pending = group.pending();
        reply.map(7);
        reply.text("name");
        reply.bulk(group.name());
        reply_progress(reply, group, &extent);
        reply.text("pel-count");
        reply.count(pending.len());
        reply.text("pending");
        reply.array(count.min(pending.len()));
        for delivery in pending.iter().take(count) {
            reply.array(4);
            reply_id(reply, delivery.id);
            reply.bulk(group.consumer(delivery.consumer).name());
            reply.integer(delivery.time_ms as i64);
            reply.integer(delivery.count as i64);
        }
        reply.text("consumers");
        reply.array(group.consumer_count());
        for consumer in group.consumers() {
            reply_consumer(reply, group, consumer, count);
        }
    }
}

/// Answers how far a group has come.
fn reply_progress(reply: &mut Reply<'_>, group: &stream::Group, extent: &stream::Extent) {
    reply.text("last-delivered-id");
    reply_id(reply, group.last_id);
    reply.text("entries-read");
    reply_known(reply, group.entries_read);
    reply.text("lag");
    reply_known(reply, extent.lag(group));
}

/// Answers a consumer with up to `count` of its pending entries.
fn reply_consumer(reply: &mut Reply<'_>, group: &stream::Group, consumer: &Consumer, count: usize) {
    let pending = consumer.pending();
    reply.map(5);
    reply.text("name");
    reply.bulk(consumer.name());
    reply.text("seen-time");
    reply.integer(consumer.seen_ms as i64);
    reply.text("active-time");
    reply.integer(consumer.active_ms.map_or(NEVER_ACTIVE, |ms| ms as i64));
    reply.text("pel-count");
    reply.count(pending.len());
    reply.text("pending");
    reply.array(count.min(pending.len()));
    for id in pending.iter().take(count) {
        let delivery = group.pending().get(id);
        reply.array(3);
        reply_id(reply, id);
        reply.integer(delivery.map_or(0, |delivery| delivery.time_ms as i64));
        reply.integer(delivery.map_or(0, |delivery| delivery.count as i64));
    }
}

/// Stands for the time at which a consumer got something, if it never did.
const NEVER_ACTIVE: i64 = -1;

/// XINFO GROUPS key
static GROUPS: CommandSpec = subcommand("GROUPS", xinfo_groups)
    .doc(
        "Answers the groups of a stream.",
        "5.0.0",
        "O(N), N being the number of groups.",
    )
    .arity(3)
    .args(&[Arg::key("key", 0)])
    .history(&[("7.0.0", "Also answers `entries-read` and `lag`.")]);

fn xinfo_groups(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let entry = db
        .read(session.db, request.get(2))
        .ok_or(CommandError::NoSuchKey)?;
    let stream = stream_of(entry.value())?;
    let extent = stream.extent();
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(6);
        reply.text("name");
        reply.bulk(group.name());
        reply.text("consumers");
        reply.count(group.consumer_count());
        reply.text("pending");
        reply.count(group.pending().len());
        reply_progress(reply, group, &extent);
    }
    Ok(())
}

/// XINFO CONSUMERS key group
static CONSUMERS: CommandSpec = subcommand("CONSUMERS", xinfo_consumers)
    .doc(
        "Answers the consumers of a group.",
        "5.0.0",
        "O(N), N being the number of consumers.",
    )
    .arity(4)
    .args(&[Arg::key("key", 0), Arg::string("group")])
    .history(&[(
        "7.2.0",
        "Also answers `inactive`; `idle` is counted from the last attempt.",
    )])
    .tips(&["nondeterministic_output"]);

fn xinfo_consumers(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let now_ms = context.now_ms();
    let Context {
        db, session, reply, ..
    } = context;
    let (key, name) = (request.get(2), request.get(3));
    let entry = db.read(session.db, key).ok_or(CommandError::NoSuchKey)?;
    let group = stream_of(entry.value())?
        .group(name)
        .ok_or_else(|| no_group_of_key(key, name))?;
    reply.array(group.consumer_count());
    for consumer in group.consumers() {
        let since = |ms: u64| now_ms.saturating_sub(ms) as i64;
        reply.map(4);
        reply.text("name");
        reply.bulk(consumer.name());
        reply.text("pending");
        reply.count(consumer.pending().len());
        reply.text("idle");
        reply.integer(since(consumer.seen_ms));
        reply.text("inactive");
        reply.integer(consumer.active_ms.map_or(NEVER_ACTIVE, since));
    }
    Ok(())
}

/// XINFO HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::Stream, help)
    .doc("Lists the subcommands.", "5.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Show the consumers of a group.",
            "GROUPS <key>",
            "    Show the groups of a stream.",
            "STREAM <key> [FULL [COUNT <count>]]",
            "    Show the state of a stream.",
        ],
    );
    Ok(())
}
