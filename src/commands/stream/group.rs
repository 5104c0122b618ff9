//! XGROUP: groups and their consumers.

use super::ids::{parse_id, parse_id_or_end};
use super::{create, discard, groups_changed, no_group_of_key, stream_mut};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::types::stream::{Stream, StreamId};

/// XGROUP subcommand ...
pub static XGROUP: CommandSpec = CommandSpec::new("XGROUP", Group::Stream, container)
    .doc(
        "Makes, changes and removes the groups of a stream.",
        "5.0.0",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[
        &CREATE,
        &CREATECONSUMER,
        &DELCONSUMER,
        &DESTROY,
        &HELP,
        &SETID,
    ]);

/// The gate finds the subcommands; what comes here has none.
fn container(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    Err(context.wrong_arity())
}

const ID_SELECTOR: Arg = Arg::one_of(
    "id-selector",
    &[Arg::string("id"), Arg::token("new-id", "$")],
);
const ENTRIES_READ: Arg = Arg::integer("entriesread")
    .with_token("ENTRIESREAD")
    .optional()
    .display("entries-read");

const NO_KEY: CommandError = CommandError::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);
const BUSY: CommandError = CommandError::fixed("BUSYGROUP Consumer Group name already exists");
const ENTRIES_READ_NEGATIVE: CommandError =
    CommandError::fixed("ERR value for ENTRIESREAD must be positive or -1");
/// Stands for a count of entries that is not known.
const UNKNOWN: i64 = -1;

/// A subcommand about the group that is named behind the key.
const fn subcommand(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    complexity: &'static str,
    keys: &'static [KeySpec],
) -> CommandSpec {
    CommandSpec::new(name, Group::Stream, handler)
        .doc(summary, "5.0.0", complexity)
        .flags(&[Flags::WRITE])
        .keys(keys)
}

const INSERTS: &[KeySpec] = &[KeySpec::at(2, KeyFlags::RW.with(KeyFlags::INSERT))];
const UPDATES: &[KeySpec] = &[KeySpec::at(2, KeyFlags::RW.with(KeyFlags::UPDATE))];
const DELETES: &[KeySpec] = &[KeySpec::at(2, KeyFlags::RW.with(KeyFlags::DELETE))];

/// The error for words that do not fit the subcommand.
fn unknown_form(request: Request<'_>) -> CommandError {
    CommandError::UnknownForm {
        word: request.get(1).to_vec(),
        command: "XGROUP",
    }
}

/// The options of CREATE and SETID.
#[derive(Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<i64>,
}

impl Options {
    fn parse(request: Request<'_>, creates: bool) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut args = Args::new(request, 5);
        while !args.is_empty() {
            if creates && args.keyword("MKSTREAM") {
                options.make_stream = true;
            } else if args.remaining() > 1 && args.keyword("ENTRIESREAD") {
                options.entries_read = match args.integer()? {
                    UNKNOWN => None,
                    count @ 0.. => Some(count),
                    _ => return Err(ENTRIES_READ_NEGATIVE),
                };
            } else {
                return Err(unknown_form(request));
            }
        }
        Ok(options)
    }
}

/// Changes the stream that a subcommand is about, which must be there.
fn with_stream<R>(
    context: &mut Context<'_>,
    request: Request<'_>,
    change: impl FnOnce(&mut Stream) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let index = context.index();
    let mut slot = context.db.write(index, request.get(2)).ok_or(NO_KEY)?;
    change(stream_mut(&mut slot)?)
}

/// The error for a group that is not there.
fn missing(request: Request<'_>) -> CommandError {
    no_group_of_key(request.get(2), request.get(3))
}

/// `XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read]`
static CREATE: CommandSpec = subcommand(
    "CREATE",
    xgroup_create,
    "Makes a group that has everything delivered behind an id.",
    "O(1)",
    INSERTS,
)
.arity(-5)
.flags(&[Flags::DENYOOM])
.args(&[
    Arg::key("key", 0),
    Arg::string("group"),
    ID_SELECTOR,
    Arg::token("mkstream", "MKSTREAM").optional(),
    ENTRIES_READ,
])
.history(&[("7.0.0", "Takes `ENTRIESREAD`.")]);

fn xgroup_create(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    const MOST_WORDS: usize = 8;
    let options = Options::parse(request, true)?;
    let (key, index) = (request.get(2), context.index());
    let create_group = |stream: &mut Stream| {
        if request.len() > MOST_WORDS {
            return Err(unknown_form(request));
        }
        let id = match request.get(4) {
            b"$" => stream.last_id(),
            id => parse_id(id)?,
        };
        let created = stream.create_group(request.get(3), id, options.entries_read);
        if created { Ok(()) } else { Err(BUSY) }
    };
    let is_new = if let Some(mut slot) = context.db.write(index, key) {
        create_group(stream_mut(&mut slot)?)?;
        false
    } else if options.make_stream {
        let mut stream = Stream::new();
        create_group(&mut stream)?;
        create(context, key, stream);
        true
    } else {
        return Err(NO_KEY);
    };
    if is_new {
        context.changed(key);
    } else {
        groups_changed(context, 1);
    }
    context.event(Events::STREAM, "xgroup-create", key);
    context.reply.ok();
    Ok(())
}

/// `XGROUP SETID key group id | $ [ENTRIESREAD entries-read]`
static SETID: CommandSpec = subcommand(
    "SETID",
    xgroup_setid,
    "Sets the id behind which a group has its next entry.",
    "O(1)",
    UPDATES,
)
.arity(-5)
.args(&[
    Arg::key("key", 0),
    Arg::string("group"),
    ID_SELECTOR,
    ENTRIES_READ,
])
.history(&[("7.0.0", "Takes `ENTRIESREAD`.")]);

fn xgroup_setid(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = Options::parse(request, false)?;
    with_stream(context, request, |stream| {
        let last_id = stream.last_id();
        let (_, group) = stream
            .group_mut(request.get(3))
            .ok_or_else(|| missing(request))?;
        if !matches!(request.len(), 5 | 7) {
            return Err(unknown_form(request));
        }
        let id: StreamId = match request.get(4) {
            b"$" => last_id,
            id => parse_id_or_end(id)?,
        };
        group.last_id = id;
        group.entries_read = options.entries_read;
        Ok(())
    })?;
    // Who waits for entries may have some now.
    context.changed(request.get(2));
    context.event(Events::STREAM, "xgroup-setid", request.get(2));
    context.reply.ok();
    Ok(())
}

/// XGROUP DESTROY key group
static DESTROY: CommandSpec = subcommand(
    "DESTROY",
    xgroup_destroy,
    "Removes a group with its consumers and all that is pending.",
    "O(N), N being the number of pending entries.",
    DELETES,
)
.arity(4)
.args(&[Arg::key("key", 0), Arg::string("group")]);

fn xgroup_destroy(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let taken = with_stream(context, request, |stream| {
        Ok(stream.take_group(request.get(3)))
    })?;
    if taken.is_some() {
        context.changed(request.get(2));
        context.event(Events::STREAM, "xgroup-destroy", request.get(2));
    }
    context.reply.flag(taken.is_some());
    discard(context, taken);
    Ok(())
}

const CONSUMER_ARGS: &[Arg] = &[
    Arg::key("key", 0),
    Arg::string("group"),
    Arg::string("consumer"),
];

/// XGROUP CREATECONSUMER key group consumer
static CREATECONSUMER: CommandSpec = subcommand(
    "CREATECONSUMER",
    xgroup_createconsumer,
    "Makes a consumer of a group.",
    "O(N), N being the number of consumers.",
    INSERTS,
)
.doc(
    "Makes a consumer of a group.",
    "6.2.0",
    "O(N), N being the number of consumers.",
)
.arity(5)
.flags(&[Flags::DENYOOM])
.args(CONSUMER_ARGS);

fn xgroup_createconsumer(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let now_ms = context.present_ms();
    let created = with_stream(context, request, |stream| {
        let (_, group) = stream
            .group_mut(request.get(3))
            .ok_or_else(|| missing(request))?;
        Ok(group.find_or_create_consumer(request.get(4), now_ms).1)
    })?;
    if created {
        groups_changed(context, 1);
        context.event(Events::STREAM, super::CONSUMER_CREATED, request.get(2));
    }
    context.reply.flag(created);
    Ok(())
}

/// XGROUP DELCONSUMER key group consumer
static DELCONSUMER: CommandSpec = subcommand(
    "DELCONSUMER",
    xgroup_delconsumer,
    "Removes a consumer of a group with all that is pending for it.",
    "O(N), N being the number of the group's consumers and pending entries.",
    DELETES,
)
.arity(5)
.args(CONSUMER_ARGS);

fn xgroup_delconsumer(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let lost = with_stream(context, request, |stream| {
        let (_, group) = stream
            .group_mut(request.get(3))
            .ok_or_else(|| missing(request))?;
        Ok(group.remove_consumer(request.get(4)))
    })?;
    if lost.is_some() {
        groups_changed(context, 1);
        context.event(Events::STREAM, "xgroup-delconsumer", request.get(2));
    }
    context.reply.count(lost.unwrap_or(0));
    Ok(())
}

/// XGROUP HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::Stream, help)
    .doc("Lists the subcommands.", "5.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Make a group that starts behind <id>. Options are:",
            "    * MKSTREAM",
            "      Make an empty stream if there is none.",
            "    * ENTRIESREAD entries_read",
            "      How many entries the group counts as having read.",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Make a consumer.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove a consumer and what is pending for it.",
            "DESTROY <key> <groupname>",
            "    Remove a group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set where a group goes on, and how much it has read.",
        ],
    );
    Ok(())
}
