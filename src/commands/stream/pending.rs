//! What was delivered and is not acknowledged: XACK, XPENDING.

use super::ids::{parse_end, parse_id, parse_start};
use super::{count_or_none, groups_changed, no_key_or_group, reply_id, stream_mut, stream_of};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::{Reply, Request};
use crate::store::types::stream::{self, StreamId};

/// `XACK key group id [id ...]`
pub static XACK: CommandSpec = CommandSpec::new("XACK", Group::Stream, xack)
    .doc(
        "Acknowledges entries that were delivered to a consumer of a group.",
        "5.0.0",
        "O(log(N)) for each entry, N being the number of pending ones.",
    )
    .arity(-4)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::string("ID").multiple(),
    ]);

fn xack(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index) = (request.get(1), context.index());
    let Some(mut slot) = context.db.read_mut(index, key) else {
        context.reply.count(0);
        return Ok(());
    };
    let Some((_, group)) = stream_mut(&mut slot)?.group_mut(request.get(2)) else {
        context.reply.count(0);
        return Ok(());
    };
    for id in request.iter_from(3) {
        parse_id(id)?;
    }
    let mut acked = 0;
    for id in request.iter_from(3) {
        acked += usize::from(group.ack(parse_id(id)?));
    }
    drop(slot);
    groups_changed(context, acked);
    context.reply.count(acked);
    Ok(())
}

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`
pub static XPENDING: CommandSpec = CommandSpec::new("XPENDING", Group::Stream, xpending)
    .doc(
        "Answers what is pending for a group: a summary, or entry by entry.",
        "5.0.0",
        "O(N), N being the number of consumers for the summary, else that of the entries looked at.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::block(
            "filters",
            &[
                Arg::integer("min-idle-time").with_token("IDLE").optional().since("6.2.0"),
                Arg::string("start"),
                Arg::string("end"),
                Arg::integer("count"),
                Arg::string("consumer").optional(),
            ],
        )
        .optional(),
    ])
    .history(&[("6.2.0", "Takes `IDLE` and open ends of the range.")])
    .tips(&["nondeterministic_output"]);

/// Which pending entries are asked for.
struct Filter<'a> {
    start: StreamId,
    end: StreamId,
    count: usize,
    min_idle_ms: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// Reads the words behind the group; without any the summary is asked for.
    fn parse(request: Request<'a>) -> Result<Option<Self>, CommandError> {
        let words = request.len();
        if words == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&words) {
            return Err(CommandError::Syntax);
        }
        let mut args = Args::new(request, 3);
        let mut min_idle_ms = 0;
        if args.keyword("IDLE") {
            min_idle_ms = args.integer()?;
            if words < 8 {
                return Err(CommandError::Syntax);
            }
        }
        let (start, end) = (args.bytes()?, args.bytes()?);
        let count = count_or_none(args.integer()?);
        Ok(Some(Filter {
            start: parse_start(start)?,
            end: parse_end(end)?,
            count,
            min_idle_ms,
            consumer: args.peek(),
        }))
    }
}

fn xpending(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let filter = Filter::parse(request)?;
    let now_ms = context.now_ms();
    let Context {
        db, session, reply, ..
    } = context;
    let (key, name) = (request.get(1), request.get(2));
    let Some(entry) = db.read(session.db, key) else {
        return Err(no_key_or_group(key, name));
    };
    let Some(group) = stream_of(entry.value())?.group(name) else {
        return Err(no_key_or_group(key, name));
    };
    match filter {
        None => reply_summary(reply, group),
        Some(filter) => reply_pending(reply, group, &filter, now_ms),
    }
    Ok(())
}

/// Answers how much is pending, from where to where, and for whom.
fn reply_summary(reply: &mut Reply<'_>, group: &stream::Group) {
    let pending = group.pending();
    reply.array(4);
    reply.count(pending.len());
    let (Some(first), Some(last)) = (pending.first(), pending.last()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first.id);
    reply_id(reply, last.id);
    let busy = || {
        let consumers = group.consumers();
        consumers.filter(|consumer| !consumer.pending().is_empty())
    };
    reply.array(busy().count());
    for consumer in busy() {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending().len() as i64);
    }
}

/// Answers what is pending entry by entry.
fn reply_pending(reply: &mut Reply<'_>, group: &stream::Group, filter: &Filter<'_>, now_ms: u64) {
    let mark = reply.mark();
    let mut count = 0;
    for delivery in deliveries(group, filter) {
        if count == filter.count || delivery.id > filter.end {
            break;
        }
        let idle_ms = now_ms as i64 - delivery.time_ms as i64;
        if filter.min_idle_ms != 0 && idle_ms < filter.min_idle_ms {
            continue;
        }
        count += 1;
        reply.array(4);
        reply_id(reply, delivery.id);
        reply.bulk(group.consumer(delivery.consumer).name());
        reply.integer(idle_ms.max(0));
        reply.integer(delivery.count as i64);
    }
    reply.insert_before(mark, |reply| reply.array(count));
}

/// The deliveries from the filter's start on: the group's, or those of one consumer.
fn deliveries<'g>(
    group: &'g stream::Group,
    filter: &Filter<'_>,
) -> Box<dyn Iterator<Item = stream::Delivery> + 'g> {
    let pending = group.pending();
    let Some(name) = filter.consumer else {
        return Box::new(pending.iter_from(filter.start));
    };
    match group.find_consumer(name) {
        Some(consumer) => {
            let own = group.consumer(consumer).pending();
            Box::new(own.iter_from(filter.start).filter_map(|id| pending.get(id)))
        }
        None => Box::new(std::iter::empty()),
    }
}
