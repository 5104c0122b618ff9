//! CLIENT: what the server knows of its connections, and what a connection says about itself.

use std::sync::atomic::Ordering;

use super::client_line::Lines;
use super::client_list;
use super::client_pause;
use super::client_unblock;
use super::{check_name, is_printable_word, tracking};
use crate::command::session::ReplyMode;
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
        &IMPORT_SOURCE,
        &INFO,
        &client_list::KILL,
        &client_list::LIST,
        &NO_EVICT,
        &NO_TOUCH,
        &client_pause::PAUSE,
        &REPLY,
        &SETINFO,
        &SETNAME,
        &tracking::TRACKING,
        &tracking::TRACKINGINFO,
        &client_unblock::UNBLOCK,
        &client_pause::UNPAUSE,
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
            "IMPORT-SOURCE (ON|OFF)",
            "    Lets this connection see keys whose time is over, in import-mode.",
            "INFO",
            "    What CLIENT LIST says of this connection.",
            "KILL <ip:port>",
            "    Closes the connection that comes from there.",
            "KILL <option> <value> [<option> <value> [...]]",
            "    Closes the connections to which all options apply:",
            "    * ID <client-id> [<client-id> ...]: those of these numbers.",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB): those of a type.",
            "    * USER <username>: those of a user.",
            "    * ADDR (<ip:port>|<unixsocket>:0): those that come from there.",
            "    * LADDR (<ip:port>|<unixsocket>:0): those that came to that address of the server.",
            "    * IP <ip>: those that come from that host.",
            "    * NAME, LIB-NAME, LIB-VER <text>: those that have said so.",
            "    * FLAGS <letters>: those that have all these flags.",
            "    * CAPA <letters>: those that have all these capabilities.",
            "    * DB <number>: those that work in that database.",
            "    * NOT-<option> <value>: those to which an option from ID to DB does not apply.",
            "    * MAXAGE <seconds>: those at least that old.",
            "    * IDLE <seconds>: those that have sent nothing for at least so long.",
            "    * SKIPME (YES|NO): whether to leave this connection out (default: yes).",
            "LIST [<option> <value> [...]]",
            "    One line for each connection, or for those that the options of KILL choose.",
            "    SKIPME is no unless it is given.",
            "NO-EVICT (ON|OFF)",
            "    Keeps this connection when clients are closed for the memory that they use.",
            "NO-TOUCH (ON|OFF)",
            "    Lets this connection's commands leave the LRU and LFU clocks of keys alone.",
            "PAUSE <timeout> [WRITE|ALL]",
            "    Lets commands wait, all or those that write, for so many milliseconds.",
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
            "UNPAUSE",
            "    Lets no command wait any longer.",
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
    let is = |name: &str| attribute.eq_ignore_ascii_case(name.as_bytes());
    if !is("lib-name") && !is("lib-ver") {
        return Err(CommandError::quoting(
            "Unrecognized option '",
            attribute,
            "'",
        ));
    }
    if !is_printable_word(value) {
        let rest = " cannot contain spaces, newlines or special characters.";
        return Err(CommandError::quoting("", attribute, rest));
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

static IMPORT_SOURCE: CommandSpec = subcommand("IMPORT-SOURCE", import_source)
    .doc(
        "Says that the connection copies another server's data here, and lets it see keys whose time is over.",
        "8.1.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE])
    .args(&[Arg::one_of("enabled", ON_OFF)]);

fn import_source(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let off = request.get(2).eq_ignore_ascii_case(b"OFF");
    if !off && !context.instance.config().import_mode() {
        return Err(CommandError::fixed("ERR Server is not in import mode"));
    }
    let on = on_or_off(request.get(2))?;
    let session = &mut *context.session;
    session.import_source = on;
    session.handle.import_source.store(on, Ordering::Relaxed);
    context.db.sees_expired = on;
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
