//! Reading on from an id: XREAD, and XREADGROUP, which shares the entries among the consumers of a group.
//!
//! Both go over the streams twice: first everything is checked, so that nothing has changed when an error is answered,
//! then the entries are answered. Where there is nothing to answer they answer null, or with BLOCK wait: the command is
//! kept, with ids in the place of `$`, and runs again when one of its streams has changed.

use super::effects::{self, Outcome};
use super::ids::parse_id;
use super::{
    CONSUMER_CREATED, count_or_none, groups_changed, no_group, reply_entry, reply_id, stream_mut,
    stream_of,
};
use crate::command::session::Place;
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::command::{Find, Handler};
use crate::commands::waiting::deadline_in_ms;
use crate::instance::waiters::{Wait, WaitsFor};
use crate::resp::{CommandQueue, Protocol, Reply, Request};
use crate::store::journal::Events;
use crate::store::types::stream::{self, ConsumerId, Delivery, Log, Stream, StreamId};

const fn streams_key(from: i16) -> KeySpec {
    let mut spec = KeySpec::after("STREAMS", from, KeyFlags::RO.with(KeyFlags::ACCESS));
    spec.find = Find::Range {
        last: -1,
        step: 1,
        limit: 2,
    };
    spec
}

const STREAMS: Arg = Arg::block(
    "streams",
    &[Arg::key("key", 0).multiple(), Arg::string("ID").multiple()],
)
.with_token("STREAMS");
const COUNT: Arg = Arg::integer("count").with_token("COUNT").optional();
const BLOCK: Arg = Arg::integer("milliseconds").with_token("BLOCK").optional();

const fn reader(name: &'static str, handler: Handler, access: Flags) -> CommandSpec {
    CommandSpec::new(name, Group::Stream, handler).flags(&[Flags::BLOCKING, access])
}

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`
pub static XREAD: CommandSpec = reader("XREAD", xread, Flags::READONLY)
    .doc(
        "Answers the entries of streams behind given ids, or waits for the first one.",
        "5.0.0",
        "O(log(S)+N) for each stream, S being its length and N the number of entries answered.",
    )
    .arity(-4)
    .keys(const { &[streams_key(1)] })
    .args(&[COUNT, BLOCK, STREAMS])
    .history(&[("7.4.0", "Takes `+` for the last entry.")]);

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]`
pub static XREADGROUP: CommandSpec = reader("XREADGROUP", xreadgroup, Flags::WRITE)
    .doc(
        "Delivers the next entries of streams to a consumer of a group, answers again what is pending for it, or waits.",
        "5.0.0",
        "O(log(S)+N*log(P)) for each stream, S being its length, N the number of entries answered and P that of the \
         pending ones.",
    )
    .arity(-7)
    .keys(const { &[streams_key(4)] })
    .args(&[
        Arg::block("group-block", &[Arg::string("group"), Arg::string("consumer")]).with_token("GROUP"),
        COUNT,
        BLOCK,
        Arg::token("noack", "NOACK").optional(),
        STREAMS,
    ]);

const GROUP_OF_XREAD: CommandError = CommandError::fixed(
    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
);
const NOACK_OF_XREAD: CommandError = CommandError::fixed(
    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
);
const GROUP_MISSING: CommandError = CommandError::fixed("ERR Missing GROUP option for XREADGROUP");
const UNBALANCED_XREAD: CommandError = CommandError::fixed(
    "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
);
const UNBALANCED_XREADGROUP: CommandError = CommandError::fixed(
    "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
);
const DOLLAR_OF_GROUP: CommandError = CommandError::fixed(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const PLUS_OF_GROUP: CommandError = CommandError::fixed(
    "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
);
const NEW_OF_XREAD: CommandError = CommandError::fixed(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);

/// What is read, without the keys and ids themselves.
struct Options<'a> {
    group: Option<(&'a [u8], &'a [u8])>,
    /// The most entries of each stream.
    count: usize,
    no_ack: bool,
    /// Until when it waits for the first entry, in Unix milliseconds.
    wait_until_ms: Option<u64>,
    /// Index of the first key.
    first: usize,
    /// Number of keys.
    streams: usize,
}

impl<'a> Options<'a> {
    fn parse(
        context: &Context<'_>,
        request: Request<'a>,
        for_group: bool,
    ) -> Result<Self, CommandError> {
        let mut options = Options {
            group: None,
            count: usize::MAX,
            no_ack: false,
            wait_until_ms: None,
            first: 0,
            streams: 0,
        };
        let mut args = Args::new(request, 1);
        while options.first == 0 {
            let more = args.remaining().saturating_sub(1);
            if more >= 1 && args.keyword("BLOCK") {
                options.wait_until_ms = Some(deadline_in_ms(context, args.bytes()?)?);
            } else if more >= 1 && args.keyword("COUNT") {
                options.count = match count_or_none(args.integer()?) {
                    0 => usize::MAX,
                    count => count,
                };
            } else if more >= 1 && args.keyword("STREAMS") {
                options.first = request.len() - args.remaining();
            } else if more >= 2 && args.keyword("GROUP") {
                options.group = Some((args.bytes()?, args.bytes()?));
                if !for_group {
                    return Err(GROUP_OF_XREAD);
                }
            } else if args.keyword("NOACK") {
                options.no_ack = true;
                if !for_group {
                    return Err(NOACK_OF_XREAD);
                }
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let words = args.remaining();
        options.streams = words / 2;
        match (words.is_multiple_of(2), for_group) {
            (false, false) => Err(UNBALANCED_XREAD),
            (false, true) => Err(UNBALANCED_XREADGROUP),
            (true, true) if options.group.is_none() => Err(GROUP_MISSING),
            (true, _) => Ok(options),
        }
    }

    /// The keys, each with its id as it was sent.
    fn pairs(&self, request: Request<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let ids = request.iter_from(self.first + self.streams);
        request.iter_from(self.first).zip(ids)
    }

    /// There is nothing to answer: waits until there is, if that was asked for.
    fn wait_or_answer_null(&self, context: &mut Context<'_>, request: Request<'_>) {
        let Some(deadline_ms) = self.wait_until_ms else {
            return context.reply.null_array();
        };
        context.block(|context| Wait {
            request: self.kept(context, request),
            keys: self.first..self.first + self.streams,
            on: match self.group {
                Some((group, _)) => WaitsFor::StreamGroup(group.into()),
                None => WaitsFor::Stream,
            },
            deadline_ms,
            in_vain: |reply| reply.null_array(),
        });
    }

    /// The command as it is run again: `$` is the last id of now, whatever comes later.
    fn kept(&self, context: &mut Context<'_>, request: Request<'_>) -> CommandQueue {
        let mut kept = CommandQueue::default();
        let first_id = self.first + self.streams;
        for (at, word) in request.iter_from(0).enumerate() {
            if at < first_id || word != b"$" {
                kept.push_word(word);
                continue;
            }
            let entry = context.peek(request.get(at - self.streams));
            let stream = entry
                .as_ref()
                .and_then(|entry| stream_of(entry.value()).ok());
            let last_id = stream.map_or(StreamId::MIN, Stream::last_id);
            kept.push_word(last_id.text(&mut [0; 41]));
        }
        kept.end_command();
        kept
    }
}

/// Writes the head of the whole answer: a map, or in RESP2 an array of pairs.
fn reply_streams(reply: &mut Reply<'_>, count: usize) {
    match reply.protocol() {
        Protocol::Resp2 => reply.array(count),
        Protocol::Resp3 => reply.map(count),
    }
}

/// Writes the key in front of the entries of its stream.
fn reply_key(reply: &mut Reply<'_>, key: &[u8]) {
    if reply.protocol() == Protocol::Resp2 {
        reply.array(2);
    }
    reply.bulk(key);
}

/// The index of the first entry that XREAD answers; nothing if there is none behind the id.
fn first_unread(stream: Option<&Stream>, id: &[u8]) -> Result<Option<usize>, CommandError> {
    let after = match id {
        // Whatever comes later is not there yet.
        b"$" => return Ok(None),
        b"+" => return Ok(stream.and_then(|stream| stream.len().checked_sub(1))),
        b">" => return Err(NEW_OF_XREAD),
        _ => parse_id(id)?,
    };
    let Some(log) = stream.map(Stream::log) else {
        return Ok(None);
    };
    if log.last_id().is_none_or(|last| last <= after) {
        return Ok(None);
    }
    Ok(after.next().map(|start| log.position(start)))
}

fn xread(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = Options::parse(context, request, false)?;
    let Context {
        db, session, reply, ..
    } = context;
    let mut served = 0;
    for (key, id) in options.pairs(request) {
        let stream = match db.read(session.db, key) {
            Some(entry) => Some(stream_of(entry.value())?),
            None => None,
        };
        served += usize::from(first_unread(stream, id)?.is_some());
    }
    if served == 0 {
        options.wait_or_answer_null(context, request);
        return Ok(());
    }
    reply_streams(reply, served);
    for (key, id) in options.pairs(request) {
        let Some(entry) = db.peek(session.db, key) else {
            continue;
        };
        let stream = stream_of(entry.value())?;
        let Some(index) = first_unread(Some(stream), id)? else {
            continue;
        };
        reply_key(reply, key);
        let count = options.count.min(stream.len() - index);
        reply.array(count);
        for entry in stream.log().iter_from(index).take(count) {
            reply_entry(reply, &entry);
        }
    }
    Ok(())
}

/// What XREADGROUP is to answer of a stream.
enum Wanted {
    /// `>`: what the group has not delivered yet.
    New,
    /// An id: what is pending for the consumer behind it.
    History(StreamId),
}

impl Wanted {
    fn parse(id: &[u8]) -> Result<Wanted, CommandError> {
        match id {
            b"$" => Err(DOLLAR_OF_GROUP),
            b"+" => Err(PLUS_OF_GROUP),
            b">" => Ok(Wanted::New),
            _ => Ok(match parse_id(id)? {
                // Redis marks `>` by this id.
                StreamId::MAX => Wanted::New,
                id => Wanted::History(id),
            }),
        }
    }
}

const STREAM_LOST: CommandError = CommandError::fixed(
    "WRONGTYPE Operation against a key holding the wrong kind of value: the stream that was waited for no longer exists",
);

fn xreadgroup(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = Options::parse(context, request, true)?;
    check_groups(context, request, &options)?;
    let mark = context.reply.mark();
    let mut served = 0;
    for (key, id) in options.pairs(request) {
        served += usize::from(read_for_group(context, &options, key, id)?);
    }
    if served == 0 {
        options.wait_or_answer_null(context, request);
    } else {
        let head = |reply: &mut Reply<'_>| reply_streams(reply, served);
        context.reply.insert_before(mark, head);
    }
    Ok(())
}

/// Checks that every key is a stream with the group, and every id.
fn check_groups(
    context: &mut Context<'_>,
    request: Request<'_>,
    options: &Options<'_>,
) -> CommandResult {
    let (group, _) = options.group.ok_or(GROUP_MISSING)?;
    // One that has waited is told that it did so in vain.
    let (tail, lost) = match context.session.place {
        Place::Waking => (
            b"' in XREADGROUP with GROUP option: what was waited for no longer exists".as_slice(),
            STREAM_LOST,
        ),
        _ => (
            b"' in XREADGROUP with GROUP option".as_slice(),
            CommandError::WrongType,
        ),
    };
    for (key, id) in options.pairs(request) {
        let found = match context.read(key) {
            Some(entry) => {
                let Ok(stream) = stream_of(entry.value()) else {
                    return Err(lost);
                };
                stream.group(group).is_some()
            }
            None => false,
        };
        if !found {
            return Err(no_group(&[
                b"key '",
                key,
                b"' or consumer group '",
                group,
                tail,
            ]));
        }
        Wanted::parse(id)?;
    }
    Ok(())
}

/// Reads one stream for a group's consumer; false if there is no answer.
fn read_for_group(
    context: &mut Context<'_>,
    options: &Options<'_>,
    key: &[u8],
    id: &[u8],
) -> Result<bool, CommandError> {
    let (group, consumer) = options.group.ok_or(GROUP_MISSING)?;
    let reader = GroupReader {
        group,
        consumer,
        options,
        now_ms: context.now_ms(),
    };
    let wanted = Wanted::parse(id)?;
    let mut outcome = Outcome::new(context);
    let Context {
        db, session, reply, ..
    } = &mut *context;
    let Some(mut slot) = db.write(session.db, key) else {
        return Ok(false);
    };
    let stream = stream_mut(&mut slot)?;
    let (answered, delivered) = reader.read(stream, &wanted, key, reply, &mut outcome);
    let created = outcome.created;
    drop(slot);
    groups_changed(context, usize::from(created) + usize::from(delivered));
    if created {
        context.event(Events::STREAM, CONSUMER_CREATED, key);
    }
    let reader = effects::Reader {
        key,
        group,
        consumer,
    };
    outcome.say(context, reader);
    Ok(answered)
}

/// A consumer that reads.
struct GroupReader<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    options: &'a Options<'a>,
    now_ms: u64,
}

impl GroupReader<'_> {
    /// Reads one stream: whether there is an answer, and whether anything new was delivered.
    fn read(
        &self,
        stream: &mut Stream,
        wanted: &Wanted,
        key: &[u8],
        reply: &mut Reply<'_>,
        outcome: &mut Outcome,
    ) -> (bool, bool) {
        let extent = stream.extent();
        let Some((log, group)) = stream.group_mut(self.group) else {
            return (false, false);
        };
        let (consumer, created) = group.find_or_create_consumer(self.consumer, self.now_ms);
        group.mark_seen(consumer, self.now_ms);
        outcome.created = created;
        let done = match *wanted {
            Wanted::History(after) => {
                reply_key(reply, key);
                self.reply_history((log, group), consumer, after, reply, outcome);
                (true, false)
            }
            Wanted::New if log.last_id().is_some_and(|last| last > group.last_id) => {
                reply_key(reply, key);
                self.deliver((log, group, &extent), consumer, reply, outcome);
                (true, true)
            }
            Wanted::New => (false, false),
        };
        outcome.leave(group, done.1);
        done
    }

    /// Delivers what comes behind the group's last entry.
    fn deliver(
        &self,
        (log, group, extent): (&Log, &mut stream::Group, &stream::Extent),
        consumer: ConsumerId,
        reply: &mut Reply<'_>,
        outcome: &mut Outcome,
    ) {
        let index = group
            .last_id
            .next()
            .map_or(log.len(), |start| log.position(start));
        let count = self.options.count.min(log.len() - index);
        reply.array(count);
        for entry in log.iter_from(index).take(count) {
            group.entries_read = extent.entries_read(group, entry.id);
            group.last_id = entry.id;
            reply_entry(reply, &entry);
            if !self.options.no_ack {
                outcome.deliver(group.deliver(entry.id, consumer, self.now_ms));
            }
        }
        if !self.options.no_ack {
            group.mark_active(consumer, self.now_ms);
        }
    }

    /// Answers again what is pending for the consumer behind an id; of an entry that was deleted the id alone.
    fn reply_history(
        &self,
        (log, group): (&Log, &mut stream::Group),
        consumer: ConsumerId,
        after: StreamId,
        reply: &mut Reply<'_>,
        outcome: &mut Outcome,
    ) {
        let start = after.next().unwrap_or(StreamId::MAX);
        let pending = group.consumer(consumer).pending();
        let ids: Vec<StreamId> = pending.iter_from(start).take(self.options.count).collect();
        reply.array(ids.len());
        for id in ids {
            let Some(entry) = log.get(id) else {
                reply.array(2);
                reply_id(reply, id);
                reply.null_array();
                continue;
            };
            reply_entry(reply, &entry);
            let count = group.pending().get(id).map_or(0, |former| former.count);
            let again = Delivery {
                id,
                time_ms: self.now_ms,
                count: count.saturating_add(1),
                consumer,
            };
            group.claim(again);
            outcome.deliver(again);
        }
    }
}
