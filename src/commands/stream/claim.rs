//! Claiming what is pending for other consumers: XCLAIM by ids, XAUTOCLAIM by idle time.

use super::effects::{Outcome, Reader};
use super::ids::{parse_id, parse_start};
use super::{CONSUMER_CREATED, groups_changed, no_key_or_group, reply_entry, reply_id, stream_mut};
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags,
    KeySpec,
};
use crate::resp::{Reply, Request};
use crate::store::journal::Events;
use crate::store::types::stream::{self, ConsumerId, Delivery, Log, StreamId};
use crate::text::number::parse_i64;

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count]
/// [FORCE] [JUSTID] [LASTID lastid]`
pub static XCLAIM: CommandSpec = CommandSpec::new("XCLAIM", Group::Stream, xclaim)
    .doc(
        "Gives entries that are pending in a group to one of its consumers, as if they were delivered to it.",
        "5.0.0",
        "O(log(N)) for each entry, N being the number of pending ones.",
    )
    .arity(-6)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::string("consumer"),
        Arg::string("min-idle-time"),
        Arg::string("ID").multiple(),
        Arg::integer("ms").with_token("IDLE").optional(),
        Arg::new("unix-time-milliseconds", ArgKind::UnixTime).with_token("TIME").optional(),
        Arg::integer("count").with_token("RETRYCOUNT").optional(),
        Arg::token("force", "FORCE").optional(),
        Arg::token("justid", "JUSTID").optional(),
        Arg::string("lastid").with_token("LASTID").optional(),
    ])
    .tips(&["nondeterministic_output"]);

const BAD_XCLAIM_IDLE: CommandError =
    CommandError::fixed("ERR Invalid min-idle-time argument for XCLAIM");
const BAD_IDLE: CommandError = CommandError::fixed("ERR Invalid IDLE option argument for XCLAIM");
const BAD_TIME: CommandError = CommandError::fixed("ERR Invalid TIME option argument for XCLAIM");
const BAD_RETRYCOUNT: CommandError =
    CommandError::fixed("ERR Invalid RETRYCOUNT option argument for XCLAIM");

/// What becomes of an entry that is claimed.
#[derive(Clone, Copy)]
struct Claim {
    /// When it counts as delivered, in Unix milliseconds.
    time_ms: u64,
    /// How often it counts as delivered; without it once more than before.
    count: Option<u64>,
    /// Whether the id is answered alone; then no delivery is counted.
    just_id: bool,
}

/// What XCLAIM is told.
struct Options {
    min_idle_ms: i64,
    /// Index of the word behind the last id.
    ids_end: usize,
    claim: Claim,
    /// Whether what is not pending at all is claimed too.
    force: bool,
    last_id: StreamId,
}

impl Options {
    fn parse(request: Request<'_>, now_ms: u64) -> Result<Options, CommandError> {
        const FIRST_ID: usize = 5;
        let min_idle_ms = parse_i64(request.get(4)).ok_or(BAD_XCLAIM_IDLE)?.max(0);
        let ids = request.iter_from(FIRST_ID);
        let ids_end = FIRST_ID + ids.take_while(|id| parse_id(id).is_ok()).count();
        let mut options = Options {
            min_idle_ms,
            ids_end,
            claim: Claim {
                time_ms: now_ms,
                count: None,
                just_id: false,
            },
            force: false,
            last_id: StreamId::MIN,
        };
        let mut time_ms = None;
        let mut args = Args::new(request, ids_end);
        while let Some(word) = args.peek() {
            let has_value = args.remaining() > 1;
            if args.keyword("FORCE") {
                options.force = true;
            } else if args.keyword("JUSTID") {
                options.claim.just_id = true;
            } else if has_value && args.keyword("IDLE") {
                let idle_ms = args.integer().map_err(|_| BAD_IDLE)?;
                time_ms = Some((now_ms as i64).wrapping_sub(idle_ms));
            } else if has_value && args.keyword("TIME") {
                time_ms = Some(args.integer().map_err(|_| BAD_TIME)?);
            } else if has_value && args.keyword("RETRYCOUNT") {
                let count = args.integer().map_err(|_| BAD_RETRYCOUNT)?;
                options.claim.count = u64::try_from(count).ok();
            } else if has_value && args.keyword("LASTID") {
                options.last_id = parse_id(args.bytes()?)?;
            } else {
                let text = [b"ERR Unrecognized XCLAIM option '", word, b"'"].concat();
                return Err(CommandError::Quoting(text));
            }
        }
        // A time that cannot be is taken as now, since clients reckon it from their own clocks.
        let possible = time_ms.and_then(|time_ms| u64::try_from(time_ms).ok());
        options.claim.time_ms = possible
            .filter(|time_ms| *time_ms <= now_ms)
            .unwrap_or(now_ms);
        Ok(options)
    }
}

fn xclaim(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, name, index) = (request.get(1), request.get(2), context.index());
    // What is claimed with a time of its own, as it is repeated, is none of the future.
    let now_ms = context.present_ms();
    let mut outcome = Outcome::new(context);
    let Context { db, reply, .. } = &mut *context;
    let mut slot = db
        .read_mut(index, key)
        .ok_or_else(|| no_key_or_group(key, name))?;
    let (log, group) = stream_mut(&mut slot)?
        .group_mut(name)
        .ok_or_else(|| no_key_or_group(key, name))?;
    let options = Options::parse(request, now_ms)?;
    let mut changes = 0;
    if options.last_id > group.last_id {
        group.last_id = options.last_id;
        changes = 1;
    }
    let (consumer, created) = group.find_or_create_consumer(request.get(3), now_ms);
    group.mark_seen(consumer, now_ms);
    let mark = reply.mark();
    let (mut claimed, mut others) = (0, usize::from(created));
    for id in request.iter_from(5).take(options.ids_end - 5) {
        let id = parse_id(id)?;
        let former = group.pending().get(id);
        if !log.contains(id) {
            if group.ack(id) {
                outcome.acknowledge(id);
                others += 1;
            }
        } else if is_due(former, &options, now_ms) {
            outcome.deliver(claim(group, former, id, consumer, options.claim));
            reply_claimed(reply, log, id, options.claim.just_id);
            claimed += 1;
        }
    }
    if claimed > 0 {
        group.mark_active(consumer, now_ms);
    }
    outcome.created = created;
    outcome.leave(group, changes > 0);
    drop(slot);
    // The new last id counts with the first claim that there is.
    changes = changes.max(claimed) + others;
    reply.insert_before(mark, |reply| reply.array(claimed));
    groups_changed(context, changes);
    if created {
        context.event(Events::STREAM, CONSUMER_CREATED, key);
    }
    outcome.say(context, reader(request));
    Ok(())
}

/// The consumer that claims.
fn reader(request: Request<'_>) -> Reader<'_> {
    Reader {
        key: request.get(1),
        group: request.get(2),
        consumer: request.get(3),
    }
}

/// Whether an entry of the stream may be claimed.
fn is_due(former: Option<Delivery>, options: &Options, now_ms: u64) -> bool {
    match former {
        Some(former) => has_idled(former, options.min_idle_ms, now_ms),
        None => options.force,
    }
}

fn has_idled(delivery: Delivery, min_idle_ms: i64, now_ms: u64) -> bool {
    min_idle_ms == 0 || now_ms as i64 - delivery.time_ms as i64 >= min_idle_ms
}

/// Makes an entry pending for `consumer`, and answers what is pending now.
fn claim(
    group: &mut stream::Group,
    former: Option<Delivery>,
    id: StreamId,
    consumer: ConsumerId,
    claim: Claim,
) -> Delivery {
    // One that was not pending counts as delivered once before.
    let before = former.map_or(1, |former| former.count);
    let more = u64::from(!claim.just_id);
    let delivery = Delivery {
        id,
        time_ms: claim.time_ms,
        count: claim.count.unwrap_or(before.saturating_add(more)),
        consumer,
    };
    group.claim(delivery);
    delivery
}

fn reply_claimed(reply: &mut Reply<'_>, log: &Log, id: StreamId, just_id: bool) {
    match log.get(id) {
        Some(entry) if !just_id => reply_entry(reply, &entry),
        _ => reply_id(reply, id),
    }
}

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub static XAUTOCLAIM: CommandSpec = CommandSpec::new("XAUTOCLAIM", Group::Stream, xautoclaim)
    .doc(
        "Gives what is pending in a group for too long to one of its consumers, some entries at a time.",
        "6.2.0",
        "O(N*log(P)), N being the `COUNT` and P the number of pending entries.",
    )
    .arity(-6)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::string("consumer"),
        Arg::string("min-idle-time"),
        Arg::string("start"),
        Arg::integer("count").with_token("COUNT").optional(),
        Arg::token("justid", "JUSTID").optional(),
    ])
    .history(&[(
        "7.0.0",
        "Also answers the ids that are not pending any more because their entries were deleted.",
    )])
    .tips(&["nondeterministic_output"]);

const BAD_XAUTOCLAIM_IDLE: CommandError =
    CommandError::fixed("ERR Invalid min-idle-time argument for XAUTOCLAIM");
const COUNT_BELOW_ONE: CommandError = CommandError::fixed("ERR COUNT must be > 0");
/// Entries that are claimed unless told otherwise.
const DEFAULT_COUNT: usize = 100;
/// So many pending entries are looked at for each that may be claimed.
const LOOKS_A_CLAIM: usize = 10;
/// The highest count, a bound that Redis has from the size of an id.
const MAX_COUNT: i64 = i64::MAX / 16;

fn xautoclaim(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, name, index) = (request.get(1), request.get(2), context.index());
    let now_ms = context.now_ms();
    // It counts as a look-up even where the words are wrong.
    context.db.inspect(index, key);
    let sweep = Sweep::parse(request)?;
    let mut outcome = Outcome::new(context);
    let Context { db, reply, .. } = &mut *context;
    let mut slot = db
        .write(index, key)
        .ok_or_else(|| no_key_or_group(key, name))?;
    let (log, group) = stream_mut(&mut slot)?
        .group_mut(name)
        .ok_or_else(|| no_key_or_group(key, name))?;
    let (consumer, created) = group.find_or_create_consumer(request.get(3), now_ms);
    group.mark_seen(consumer, now_ms);
    let swept = sweep.run(log, group, (consumer, now_ms), &mut outcome);
    if !swept.claimed.is_empty() {
        group.mark_active(consumer, now_ms);
    }
    reply.array(3);
    reply_id(reply, swept.next);
    reply.array(swept.claimed.len());
    for &id in &swept.claimed {
        reply_claimed(reply, log, id, sweep.just_id);
    }
    reply.array(swept.deleted.len());
    swept.deleted.iter().for_each(|&id| reply_id(reply, id));
    outcome.created = created;
    outcome.leave(group, false);
    drop(slot);
    let changes = usize::from(created) + swept.claimed.len() + swept.deleted.len();
    groups_changed(context, changes);
    if created {
        context.event(Events::STREAM, CONSUMER_CREATED, key);
    }
    outcome.say(context, reader(request));
    Ok(())
}

/// What XAUTOCLAIM looks for.
struct Sweep {
    min_idle_ms: i64,
    start: StreamId,
    count: usize,
    just_id: bool,
}

/// What it has found.
#[derive(Default)]
struct Swept {
    claimed: Vec<StreamId>,
    /// What was pending of entries that are gone.
    deleted: Vec<StreamId>,
    /// Where to go on, `0-0` at the end.
    next: StreamId,
}

impl Sweep {
    fn parse(request: Request<'_>) -> Result<Sweep, CommandError> {
        let min_idle_ms = parse_i64(request.get(4)).ok_or(BAD_XAUTOCLAIM_IDLE)?.max(0);
        let mut sweep = Sweep {
            min_idle_ms,
            start: parse_start(request.get(5))?,
            count: DEFAULT_COUNT,
            just_id: false,
        };
        let mut args = Args::new(request, 6);
        while !args.is_empty() {
            if args.remaining() > 1 && args.keyword("COUNT") {
                let count = args.integer().ok();
                let count = count.filter(|count| (1..=MAX_COUNT).contains(count));
                sweep.count = count.ok_or(COUNT_BELOW_ONE)? as usize;
            } else if args.keyword("JUSTID") {
                sweep.just_id = true;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(sweep)
    }

    fn run(
        &self,
        log: &Log,
        group: &mut stream::Group,
        (consumer, now_ms): (ConsumerId, u64),
        outcome: &mut Outcome,
    ) -> Swept {
        let mut swept = Swept::default();
        let mut looks = self.count.saturating_mul(LOOKS_A_CLAIM);
        let mut next = group.pending().first_from(self.start);
        while let Some(delivery) = next {
            if looks == 0 || swept.claimed.len() + swept.deleted.len() == self.count {
                swept.next = delivery.id;
                break;
            }
            looks -= 1;
            let id = delivery.id;
            if !log.contains(id) {
                group.ack(id);
                outcome.acknowledge(id);
                swept.deleted.push(id);
            } else if has_idled(delivery, self.min_idle_ms, now_ms) {
                let how = Claim {
                    time_ms: now_ms,
                    count: None,
                    just_id: self.just_id,
                };
                outcome.deliver(claim(group, Some(delivery), id, consumer, how));
                swept.claimed.push(id);
            }
            next = id.next().and_then(|id| group.pending().first_from(id));
        }
        swept
    }
}
