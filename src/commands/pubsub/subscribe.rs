//! SUBSCRIBE, UNSUBSCRIBE and their forms for patterns and for shard channels.
//!
//! Each topic of a request is answered by a push of its own: what was done, the topic, and how many subscriptions the
//! client has now (those of shard channels are counted apart). These come even to a client that has switched its replies
//! off.

use bytes::BytesMut;

use crate::command::{
    Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::instance::pubsub::Kind;
use crate::resp::{Reply, Request};

/// What all these specs have in common; a negative `arity` is the least number of words.
const fn subscriber(name: &'static str, handler: Handler, arity: i16) -> CommandSpec {
    CommandSpec::new(name, Group::PubSub, handler)
        .arity(arity)
        .flags(&[Flags::PUBSUB, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE])
}

/// Shard channels are routed as keys are.
const SHARD_CHANNELS: &[KeySpec] = &[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)];

/// SUBSCRIBE channel [channel ...]
pub static SUBSCRIBE: CommandSpec = subscriber("SUBSCRIBE", subscribe, -2)
    .doc(
        "Has the messages of channels sent to the client.",
        "2.0.0",
        "O(N), N being the channels.",
    )
    .args(&[Arg::string("channel").multiple()]);

fn subscribe(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    begin(context, request, Kind::Channel, "subscribe")
}

/// PSUBSCRIBE pattern [pattern ...]
pub static PSUBSCRIBE: CommandSpec = subscriber("PSUBSCRIBE", psubscribe, -2)
    .doc(
        "Has the messages of all channels whose names match patterns sent to the client.",
        "2.0.0",
        "O(N), N being the patterns.",
    )
    .args(&[Arg::new("pattern", crate::command::ArgKind::Pattern).multiple()]);

fn psubscribe(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    begin(context, request, Kind::Pattern, "psubscribe")
}

/// SSUBSCRIBE shardchannel [shardchannel ...]
pub static SSUBSCRIBE: CommandSpec = subscriber("SSUBSCRIBE", ssubscribe, -2)
    .doc(
        "Has the messages of shard channels sent to the client.",
        "7.0.0",
        "O(N), N being the shard channels.",
    )
    .keys(SHARD_CHANNELS)
    .args(&[Arg::string("shardchannel").multiple()]);

fn ssubscribe(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if !context.may_block() {
        // Clients that subscribe to channels and patterns in a transaction are older than this rule, and are let through.
        return Err(CommandError::fixed(
            "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client",
        ));
    }
    begin(context, request, Kind::Shard, "ssubscribe")
}

/// `UNSUBSCRIBE [channel [channel ...]]`
pub static UNSUBSCRIBE: CommandSpec = subscriber("UNSUBSCRIBE", unsubscribe, -1)
    .doc(
        "Ends subscriptions to channels: those named, or all of the client's.",
        "2.0.0",
        "O(N), N being the channels.",
    )
    .args(&[Arg::string("channel").optional().multiple()]);

fn unsubscribe(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    end(context, request, Kind::Channel, "unsubscribe")
}

/// `PUNSUBSCRIBE [pattern [pattern ...]]`
pub static PUNSUBSCRIBE: CommandSpec = subscriber("PUNSUBSCRIBE", punsubscribe, -1)
    .doc(
        "Ends subscriptions to patterns: those named, or all of the client's.",
        "2.0.0",
        "O(N), N being the patterns.",
    )
    .args(&[Arg::new("pattern", crate::command::ArgKind::Pattern)
        .optional()
        .multiple()]);

fn punsubscribe(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    end(context, request, Kind::Pattern, "punsubscribe")
}

/// `SUNSUBSCRIBE [shardchannel [shardchannel ...]]`
pub static SUNSUBSCRIBE: CommandSpec = subscriber("SUNSUBSCRIBE", sunsubscribe, -1)
    .doc(
        "Ends subscriptions to shard channels: those named, or all of the client's.",
        "7.0.0",
        "O(N), N being the shard channels.",
    )
    .keys(SHARD_CHANNELS)
    .args(&[Arg::string("shardchannel").optional().multiple()]);

fn sunsubscribe(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    end(context, request, Kind::Shard, "sunsubscribe")
}

fn begin(context: &mut Context<'_>, request: Request<'_>, kind: Kind, done: &str) -> CommandResult {
    let instance = context.instance;
    for topic in request.iter_from(1) {
        let handle = &context.session.handle;
        instance.pubsub().subscribe(kind, topic, handle);
        confirm(context, kind, done, Some(topic));
    }
    Ok(())
}

fn end(context: &mut Context<'_>, request: Request<'_>, kind: Kind, done: &str) -> CommandResult {
    let instance = context.instance;
    let end_one = |context: &mut Context<'_>, topic: &[u8]| {
        let handle = &context.session.handle;
        instance.pubsub().unsubscribe(kind, topic, handle);
        confirm(context, kind, done, Some(topic));
    };
    if request.len() > 1 {
        request
            .iter_from(1)
            .for_each(|topic| end_one(context, topic));
        return Ok(());
    }
    let own = instance.pubsub().topics_of(kind, &context.session.handle);
    if own.is_empty() {
        confirm(context, kind, done, None);
    }
    for topic in own {
        end_one(context, &topic);
    }
    Ok(())
}

/// Tells the client that a subscription has begun or ended.
fn confirm(context: &mut Context<'_>, kind: Kind, done: &str, topic: Option<&[u8]>) {
    let session = &*context.session;
    let count = |kind| session.handle.subscriptions.count(kind);
    let subscriptions = match kind {
        Kind::Shard => count(Kind::Shard),
        Kind::Channel | Kind::Pattern => count(Kind::Channel) + count(Kind::Pattern),
    };
    let write = |reply: &mut Reply<'_>| {
        reply.push(3);
        reply.text(done);
        match topic {
            Some(topic) => reply.bulk(topic),
            None => reply.null(),
        }
        reply.count(subscriptions);
    };
    if session.reply_mode.answers() {
        return write(&mut context.reply);
    }
    // The answer will be taken back; what goes by the outbox stays.
    let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
    write(&mut Reply::new(&mut out, &mut blobs, session.protocol));
    session.handle.post(&out);
}
