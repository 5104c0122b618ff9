//! PUBLISH and SPUBLISH.

use crate::command::{
    Arg, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags, KeySpec,
};
use crate::instance::pubsub::Payload;
use crate::resp::Request;

/// What the specs of PUBLISH and SPUBLISH have in common.
const fn publisher(name: &'static str, handler: Handler) -> CommandSpec {
    CommandSpec::new(name, Group::PubSub, handler)
        .arity(3)
        .flags(&[
            Flags::PUBSUB,
            Flags::LOADING,
            Flags::STALE,
            Flags::FAST,
            Flags::MAY_REPLICATE,
        ])
}

/// PUBLISH channel message
pub static PUBLISH: CommandSpec = publisher("PUBLISH", publish)
    .doc(
        "Sends a message to all who are subscribed to a channel, by its name or by a pattern.",
        "2.0.0",
        "O(N+M), N being the channel's subscribers and M all patterns that anybody is subscribed to.",
    )
    .args(&[Arg::string("channel"), Arg::string("message")]);

fn publish(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut pubsub = context.instance.pubsub();
    let receivers = pubsub.publish(request.get(1), payload(request));
    context.reply.count(receivers);
    Ok(())
}

/// SPUBLISH shardchannel message
pub static SPUBLISH: CommandSpec = publisher("SPUBLISH", spublish)
    .doc(
        "Sends a message to all who are subscribed to a shard channel.",
        "7.0.0",
        "O(N), N being the shard channel's subscribers.",
    )
    .keys(const { &[KeySpec::at(1, KeyFlags::NOT_KEY)] })
    .args(&[Arg::string("shardchannel"), Arg::string("message")]);

fn spublish(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut pubsub = context.instance.pubsub();
    let receivers = pubsub.publish_to_shard(request.get(1), payload(request));
    context.reply.count(receivers);
    Ok(())
}

fn payload(request: Request<'_>) -> Payload<'_> {
    Payload {
        bytes: request.get(2),
        shared: request.shared(2),
    }
}
