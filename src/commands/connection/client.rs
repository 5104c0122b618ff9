//! CLIENT: what the server knows of its connections, and what a connection says about itself.

use super::client_filter::{self, Filter};
use super::client_line::{self, Lines};
use super::client_unblock;
use super::{check_name, is_printable_word, tracking};
use crate::command::session::ReplyMode;
use crate::command::waiting;
use crate::command::{Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::resp::Request;

/// CLIENT subcommand ...
pub static CLIENT: CommandSpec = CommandSpec::new("CLIENT", Group::Connection, container)
    .doc(
        "Holds the commands about connections.",
        "2.4.0",
        "That of the subcommand.",
    )
    .arity(-2)
    .subcommands(&[
        &tracking::CACHING,
        &GETNAME,
        &tracking::GETREDIR,
        &HELP,
        &ID,
        &INFO,
        &KILL,
        &LIST,
        &NO_EVICT,
        &NO_TOUCH,
        &REPLY,
        &SETINFO,
        &SETNAME,
        &tracking::TRACKING,
        &tracking::TRACKINGINFO,
        &client_unblock::UNBLOCK,
    ]);

/// Runs for the container alone, which its arity rules out.
fn container(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    Err(context.wrong_arity())
}

/// The flags of the subcommands that anybody may use.
const OWN_FLAGS: &[Flags] = &[
    Flags::NOSCRIPT,
    Flags::LOADING,
    Flags::STALE,
    Flags::ALLOW_BUSY,
];
/// The flags of those for administrators.
pub(super) const ADMIN_FLAGS: &[Flags] =
    &[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE];
const ON_OFF: &[Arg] = &[Arg::token("on", "ON"), Arg::token("off", "OFF")];
const ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) const fn subcommand(
    name: &'static str,
    handler: crate::command::Handler,
) -> CommandSpec {
    CommandSpec::new(name, Group::Connection, handler)
}

static HELP: CommandSpec = subcommand("HELP", help)
    .doc("Lists the subcommands.", "5.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "CLIENT",
        &[
            "CACHING (YES|NO)",
            "    Whether the next command's reads are tracked, in OPTIN and OPTOUT mode.",
            "GETNAME",
            "    The name of this connection.",
            "GETREDIR",
            "    The client that gets this connection's invalidation messages, -1 for none.",
            "ID",
            "    The number of this connection.",
            "INFO",
            "    What CLIENT LIST says of this connection.",
            "KILL <ip:port>",
            "    Closes the connection that comes from there.",
            "KILL <option> <value> [<option> <value> [...]]",
            "    Closes the connections to which all options apply:",
            "    * ID <client-id>: the one of that number.",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB): those of a type.",
            "    * USER <username>: those of a user.",
            "    * ADDR (<ip:port>|<unixsocket>:0): those that come from there.",
            "    * LADDR (<ip:port>|<unixsocket>:0): those that came to that address of the server.",
            "    * MAXAGE <seconds>: those at least that old.",
            "    * SKIPME (YES|NO): whether to leave this connection out (default: yes).",
            "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [<client-id> ...]]",
            "    One line for each connection.",
            "NO-EVICT (ON|OFF)",
            "    Keeps this connection when clients are closed for the memory that they use.",
            "NO-TOUCH (ON|OFF)",
            "    Lets this connection's commands leave the LRU and LFU clocks of keys alone.",
            "REPLY (ON|OFF|SKIP)",
            "    Whether this connection's commands are answered.",
            "SETINFO (LIB-NAME|LIB-VER) <value>",
            "    Names the client library and its version.",
            "SETNAME <name>",
            "    Names this connection.",
            "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
            "    Whether this connection is told when keys change that it may have cached.",
            "TRACKINGINFO",
            "    The state of client-side caching for this connection.",
            "UNBLOCK <client-id> [TIMEOUT|ERROR]",
            "    Ends a blocking command of another connection.",
        ],
    );
    Ok(())
}

static ID: CommandSpec = subcommand("ID", id)
    .doc("Answers the number of the connection.", "5.0.0", "O(1)")
    .arity(2)
    .flags(OWN_FLAGS);

fn id(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.reply.integer(context.session.id() as i64);
    Ok(())
}

static GETNAME: CommandSpec = subcommand("GETNAME", getname)
    .doc("Answers the name of the connection.", "2.6.9", "O(1)")
    .arity(2)
    .flags(OWN_FLAGS);

fn getname(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let names = context.session.handle.names();
    if names.name.is_empty() {
        context.reply.null();
    } else {
        context.reply.bulk(&names.name);
    }
    Ok(())
}

static SETNAME: CommandSpec = subcommand("SETNAME", setname)
    .doc(
        "Names the connection; the empty name takes the name away.",
        "2.6.9",
        "O(1)",
    )
    .arity(3)
    .flags(OWN_FLAGS)
    .args(&[Arg::string("connection-name")])
    .tips(ALL_NODES);

fn setname(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let name = request.get(2);
    check_name(name)?;
    context.session.handle.names().name = name.to_vec();
    context.reply.ok();
    Ok(())
}

const LIBRARY: &[Arg] = &[
    Arg::string("libname").with_token("lib-name"),
    Arg::string("libver").with_token("lib-ver"),
];

static SETINFO: CommandSpec = subcommand("SETINFO", setinfo)
    .doc(
        "Tells the name or the version of the client library.",
        "7.2.0",
        "O(1)",
    )
    .arity(4)
    .flags(OWN_FLAGS)
    .args(&[Arg::one_of("attr", LIBRARY)])
    .tips(ALL_NODES);

fn setinfo(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (attribute, value) = (request.get(2), request.get(3));
    let shown = String::from_utf8_lossy(attribute);
    let is = |name: &str| attribute.eq_ignore_ascii_case(name.as_bytes());
    if !is("lib-name") && !is("lib-ver") {
        return Err(CommandError::err(format_args!(
            "Unrecognized option '{shown}'"
        )));
    }
    if !is_printable_word(value) {
        return Err(CommandError::err(format_args!(
            "{shown} cannot contain spaces, newlines or special characters."
        )));
    }
    let mut names = context.session.handle.names();
    let place = if is("lib-name") {
        &mut names.lib_name
    } else {
        &mut names.lib_version
    };
    *place = value.to_vec();
    context.reply.ok();
    Ok(())
}

static INFO: CommandSpec = subcommand("INFO", info)
    .doc(
        "Answers the connection's own line of CLIENT LIST.",
        "6.2.0",
        "O(1)",
    )
    .arity(2)
    .flags(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE])
    .tips(&["nondeterministic_output"]);

fn info(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut text = Vec::new();
    Lines::new(context, request).append(&context.session.handle, &mut text);
    context.reply.verbatim("txt", &text);
    Ok(())
}

const LIST_TYPE: &[Arg] = &[
    Arg::token("normal", "normal"),
    Arg::token("master", "master"),
    Arg::token("replica", "replica"),
    Arg::token("pubsub", "pubsub"),
];

static LIST: CommandSpec = subcommand("LIST", list)
    .doc(
        "Answers a line about each connection.",
        "2.4.0",
        "O(N), N being the connections",
    )
    .arity(-2)
    .flags(ADMIN_FLAGS)
    .args(&[
        Arg::one_of("client-type", LIST_TYPE)
            .with_token("TYPE")
            .optional()
            .since("5.0.0"),
        Arg::integer("client-id")
            .with_token("ID")
            .optional()
            .multiple()
            .since("6.2.0"),
    ])
    .history(&[
        ("2.8.12", "Added the field `id`."),
        ("5.0.0", "Added the filter `TYPE`."),
        ("6.0.0", "Added the field `user`."),
        (
            "6.2.0",
            "Added the fields `argv-mem`, `tot-mem`, `laddr` and `redir`, and the filter `ID`.",
        ),
        (
            "7.0.0",
            "Added the fields `resp`, `multi-mem`, `rbs` and `rbp`.",
        ),
        ("7.0.3", "Added the field `ssub`."),
        ("7.2.0", "Added the fields `lib-name` and `lib-ver`."),
        ("7.4.0", "Added the field `watch`."),
        ("8.0.0", "Added the field `io-thread`."),
    ])
    .tips(&["nondeterministic_output"]);

fn list(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let text = client_line::list(
        context,
        request,
        client_filter::listed(context, Args::new(request, 2))?,
    );
    context.reply.verbatim("txt", &text);
    Ok(())
}

const KILL_TYPE: &[Arg] = &[
    Arg::token("normal", "normal"),
    Arg::token("master", "master").since("3.2.0"),
    Arg::token("slave", "slave"),
    Arg::token("replica", "replica").since("5.0.0"),
    Arg::token("pubsub", "pubsub"),
];
const SKIPME: &[Arg] = &[Arg::token("yes", "YES"), Arg::token("no", "NO")];
const KILL_OPTIONS: &[Arg] = &[
    Arg::integer("client-id")
        .with_token("ID")
        .optional()
        .since("2.8.12"),
    Arg::one_of("client-type", KILL_TYPE)
        .with_token("TYPE")
        .optional()
        .since("2.8.12"),
    Arg::string("username").with_token("USER").optional(),
    Arg::string("addr")
        .with_token("ADDR")
        .display("ip:port")
        .optional(),
    Arg::string("laddr")
        .with_token("LADDR")
        .display("ip:port")
        .optional()
        .since("6.2.0"),
    Arg::one_of("skipme", SKIPME)
        .with_token("SKIPME")
        .optional(),
    Arg::integer("maxage")
        .with_token("MAXAGE")
        .optional()
        .since("7.4.0"),
];
const KILL_FORMS: &[Arg] = &[
    Arg::string("old-format")
        .display("ip:port")
        .deprecated_since("2.8.12"),
    Arg::one_of("new-format", KILL_OPTIONS).multiple(),
];

static KILL: CommandSpec = subcommand("KILL", kill)
    .doc(
        "Closes connections.",
        "2.4.0",
        "O(N), N being the connections",
    )
    .arity(-3)
    .flags(ADMIN_FLAGS)
    .args(&[Arg::one_of("filter", KILL_FORMS)])
    .history(&[
        ("2.8.12", "Added the form with filters."),
        ("2.8.12", "Added the filter `ID`."),
        ("3.2.0", "Added the type `master`."),
        (
            "5.0.0",
            "The type `slave` is called `replica`; the old word is still taken.",
        ),
        ("6.2.0", "Added the filter `LADDR`."),
        ("7.4.0", "Added the filter `MAXAGE`."),
    ]);

fn kill(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let old_form = request.len() == 3;
    let filter = if old_form {
        Filter::by_address(request.get(2))
    } else {
        Filter::parse(Args::new(request, 2))?
    };
    let killed = close_matching(context, &filter);
    if !old_form {
        context.reply.count(killed);
    } else if killed > 0 {
        context.reply.ok();
    } else {
        return Err(CommandError::fixed("ERR No such client"));
    }
    Ok(())
}

/// Closes what `filter` finds and tells how many; the own client only once it has the answer.
fn close_matching(context: &mut Context<'_>, filter: &Filter<'_>) -> usize {
    let own = context.session.id();
    let found = context.instance.clients.list();
    let found: Vec<_> = found
        .iter()
        .filter(|client| filter.matches(client, own, context.now_ms()))
        .collect();
    for client in &found {
        if client.id == own {
            context.session.close_after_reply = true;
        } else {
            context.instance.clients.kill(client);
            waiting::abandon(context.db, context.instance, client.id);
        }
    }
    found.len()
}

const REPLY_MODES: &[Arg] = &[
    Arg::token("on", "ON"),
    Arg::token("off", "OFF"),
    Arg::token("skip", "SKIP"),
];

static REPLY: CommandSpec = subcommand("REPLY", reply)
    .doc("Chooses whether commands are answered.", "3.2.0", "O(1)")
    .arity(3)
    .flags(OWN_FLAGS)
    .flags(&[Flags::NO_MULTI])
    .args(&[Arg::one_of("action", REPLY_MODES)]);

fn reply(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let mode = &mut context.session.reply_mode;
    if args.keyword("ON") {
        *mode = ReplyMode::On;
        context.reply.ok();
    } else if args.keyword("OFF") {
        *mode = ReplyMode::Off;
    } else if args.keyword("SKIP") {
        if *mode != ReplyMode::Off {
            *mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(())
}

static NO_EVICT: CommandSpec = subcommand("NO-EVICT", no_evict)
    .doc(
        "Protects the connection from being closed for its memory.",
        "7.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(ADMIN_FLAGS)
    .flags(&[Flags::ALLOW_BUSY])
    .args(&[Arg::one_of("enabled", ON_OFF)]);

fn no_evict(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    context.session.set_no_evict(on_or_off(request.get(2))?);
    context.reply.ok();
    Ok(())
}

static NO_TOUCH: CommandSpec = subcommand("NO-TOUCH", no_touch)
    .doc(
        "Lets the connection's commands leave the access clocks of keys alone.",
        "7.2.0",
        "O(1)",
    )
    .arity(3)
    .flags(OWN_FLAGS)
    .args(&[Arg::one_of("enabled", ON_OFF)]);

fn no_touch(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let on = on_or_off(request.get(2))?;
    context.session.set_no_touch(on);
    context.db.no_touch = on;
    context.reply.ok();
    Ok(())
}

fn on_or_off(word: &[u8]) -> Result<bool, CommandError> {
    if word.eq_ignore_ascii_case(b"ON") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"OFF") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}
