//! PUBSUB: which topics have subscribers, and how many.

use crate::command::{
    Arg, ArgKind, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
};
use crate::instance::pubsub::Kind;
use crate::resp::Request;
use crate::text::pattern;

/// PUBSUB subcommand ...
pub static PUBSUB: CommandSpec = CommandSpec::new("PUBSUB", Group::PubSub, container)
    .doc(
        "Tells which channels have subscribers.",
        "2.8.0",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[
        &CHANNELS,
        &HELP,
        &NUMPAT,
        &NUMSUB,
        &SHARDCHANNELS,
        &SHARDNUMSUB,
    ]);

/// The gate finds the subcommands; what comes here has none.
fn container(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    Err(context.wrong_arity())
}

/// What the specs of the subcommands but HELP have in common.
const fn observer(name: &'static str, handler: Handler, arity: i16) -> CommandSpec {
    CommandSpec::new(name, Group::PubSub, handler)
        .arity(arity)
        .flags(&[Flags::PUBSUB, Flags::LOADING, Flags::STALE])
}

const PATTERN: &[Arg] = &[Arg::new("pattern", ArgKind::Pattern).optional()];

/// PUBSUB CHANNELS [pattern]
static CHANNELS: CommandSpec = observer("CHANNELS", channels, -2)
    .doc(
        "Answers the channels that have subscribers, or those of them that match.",
        "2.8.0",
        "O(N), N being the channels that have subscribers.",
    )
    .args(PATTERN);

fn channels(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    list(context, request, Kind::Channel)
}

/// PUBSUB SHARDCHANNELS [pattern]
static SHARDCHANNELS: CommandSpec = observer("SHARDCHANNELS", shard_channels, -2)
    .doc(
        "Answers the shard channels that have subscribers, or those of them that match.",
        "7.0.0",
        "O(N), N being the shard channels that have subscribers.",
    )
    .args(PATTERN);

fn shard_channels(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    list(context, request, Kind::Shard)
}

fn list(context: &mut Context<'_>, request: Request<'_>, kind: Kind) -> CommandResult {
    if request.len() > 3 {
        return Err(CommandError::UnknownForm {
            word: request.get(1).to_vec(),
            command: "PUBSUB",
        });
    }
    let wanted = request.iter_from(2).next();
    let pubsub = context.instance.pubsub();
    let topics = pubsub
        .topics(kind)
        .filter(|topic| wanted.is_none_or(|wanted| pattern::matches(wanted, topic)));
    let mark = context.reply.mark();
    let mut count = 0;
    for topic in topics {
        context.reply.bulk(topic);
        count += 1;
    }
    context
        .reply
        .insert_before(mark, |reply| reply.array(count));
    Ok(())
}

/// PUBSUB NUMSUB [channel ...]
static NUMSUB: CommandSpec = observer("NUMSUB", numsub, -2)
    .doc(
        "Answers how many clients are subscribed to each channel, those by patterns left out.",
        "2.8.0",
        "O(N), N being the channels asked about.",
    )
    .args(&[Arg::string("channel").optional().multiple()]);

fn numsub(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    count_each(context, request, Kind::Channel)
}

/// PUBSUB SHARDNUMSUB [shardchannel ...]
static SHARDNUMSUB: CommandSpec = observer("SHARDNUMSUB", shard_numsub, -2)
    .doc(
        "Answers how many clients are subscribed to each shard channel.",
        "7.0.0",
        "O(N), N being the shard channels asked about.",
    )
    .args(&[Arg::string("shardchannel").optional().multiple()]);

fn shard_numsub(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    count_each(context, request, Kind::Shard)
}

fn count_each(context: &mut Context<'_>, request: Request<'_>, kind: Kind) -> CommandResult {
    let pubsub = context.instance.pubsub();
    context.reply.array((request.len() - 2) * 2);
    for topic in request.iter_from(2) {
        context.reply.bulk(topic);
        context.reply.count(pubsub.subscriber_count(kind, topic));
    }
    Ok(())
}

/// PUBSUB NUMPAT
static NUMPAT: CommandSpec = observer("NUMPAT", numpat, 2).doc(
    "Answers how many patterns have subscribers.",
    "2.8.0",
    "O(1)",
);

fn numpat(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let patterns = context.instance.pubsub().topic_count(Kind::Pattern);
    context.reply.count(patterns);
    Ok(())
}

/// PUBSUB HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::PubSub, help)
    .doc("Lists the subcommands.", "6.2.0", "O(1)")
    .without_group_category()
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Answer the channels that have subscribers and match; all without a pattern.",
            "NUMPAT",
            "    Answer how many patterns have subscribers.",
            "NUMSUB [<channel> ...]",
            "    Answer how many clients are subscribed to each of these channels by its name.",
            "SHARDCHANNELS [<pattern>]",
            "    Answer the shard channels that have subscribers and match; all without a pattern.",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Answer how many clients are subscribed to each of these shard channels.",
        ],
    );
    Ok(())
}
