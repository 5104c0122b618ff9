//! CLIENT LIST and CLIENT KILL, which choose clients by the same filters ([`super::client_filter`]).

use super::client::{ADMIN_FLAGS, subcommand};
use super::client_filter::{self, Filter};
use super::client_line;
use crate::command::{Arg, Args, CommandError, CommandResult, CommandSpec, Context, waiting};
use crate::resp::Request;

const LIST_TYPE: &[Arg] = &[
    Arg::token("normal", "normal"),
    Arg::token("master", "master"),
    Arg::token("replica", "replica"),
    Arg::token("pubsub", "pubsub"),
];
const KILL_TYPE: &[Arg] = &[
    Arg::token("normal", "normal"),
    Arg::token("master", "master").since("3.2.0"),
    Arg::token("slave", "slave"),
    Arg::token("replica", "replica").since("5.0.0"),
    Arg::token("pubsub", "pubsub"),
];
const SKIPME: &[Arg] = &[Arg::token("yes", "YES"), Arg::token("no", "NO")];

/// A filter by a text.
const fn text(name: &'static str, token: &'static str, since: &'static str) -> Arg {
    Arg::string(name).with_token(token).optional().since(since)
}

/// A filter by a number.
const fn number(name: &'static str, token: &'static str, since: &'static str) -> Arg {
    Arg::integer(name).with_token(token).optional().since(since)
}

/// A filter by one of several words.
const fn choice(
    name: &'static str,
    token: &'static str,
    words: &'static [Arg],
    since: &'static str,
) -> Arg {
    Arg::one_of(name, words)
        .with_token(token)
        .optional()
        .since(since)
}

static LIST_FILTERS: &[Arg] = &[
    choice("client-type", "TYPE", LIST_TYPE, "5.0.0"),
    number("client-id", "ID", "6.2.0").multiple(),
    text("username", "USER", "8.1.0"),
    text("addr", "ADDR", "8.1.0").display("ip:port"),
    text("laddr", "LADDR", "8.1.0").display("ip:port"),
    choice("skipme", "SKIPME", SKIPME, "8.1.0"),
    number("maxage", "MAXAGE", "8.1.0"),
    text("name", "NAME", "9.0.0"),
    number("idle", "IDLE", "9.0.0"),
    text("flags", "FLAGS", "9.0.0"),
    text("lib-name", "LIB-NAME", "9.0.0"),
    text("lib-ver", "LIB-VER", "9.0.0"),
    number("db", "DB", "9.0.0"),
    text("capa", "CAPA", "9.0.0"),
    text("ip", "IP", "9.0.0"),
    choice("not-client-type", "NOT-TYPE", LIST_TYPE, "9.0.0"),
    number("not-client-id", "NOT-ID", "9.0.0").multiple(),
    text("not-username", "NOT-USER", "9.0.0"),
    text("not-addr", "NOT-ADDR", "9.0.0").display("ip:port"),
    text("not-laddr", "NOT-LADDR", "9.0.0").display("ip:port"),
    text("not-name", "NOT-NAME", "9.0.0"),
    text("not-flags", "NOT-FLAGS", "9.0.0"),
    text("not-lib-name", "NOT-LIB-NAME", "9.0.0"),
    text("not-lib-ver", "NOT-LIB-VER", "9.0.0"),
    number("not-db", "NOT-DB", "9.0.0"),
    text("not-capa", "NOT-CAPA", "9.0.0"),
    text("not-ip", "NOT-IP", "9.0.0"),
];

const KILL_OPTIONS: &[Arg] = &[
    number("client-id", "ID", "2.8.12").multiple(),
    choice("client-type", "TYPE", KILL_TYPE, "2.8.12"),
    Arg::string("username").with_token("USER").optional(),
    Arg::string("addr")
        .with_token("ADDR")
        .display("ip:port")
        .optional(),
    text("laddr", "LADDR", "6.2.0").display("ip:port"),
    Arg::one_of("skipme", SKIPME)
        .with_token("SKIPME")
        .optional(),
    number("maxage", "MAXAGE", "7.4.0"),
    text("name", "NAME", "9.0.0"),
    number("idle", "IDLE", "9.0.0"),
    text("flags", "FLAGS", "9.0.0"),
    text("lib-name", "LIB-NAME", "9.0.0"),
    text("lib-ver", "LIB-VER", "9.0.0"),
    number("db", "DB", "9.0.0"),
    text("capa", "CAPA", "9.0.0"),
    text("ip", "IP", "9.0.0"),
    choice("not-client-type", "NOT-TYPE", KILL_TYPE, "9.0.0"),
    number("not-client-id", "NOT-ID", "9.0.0").multiple(),
    text("not-username", "NOT-USER", "9.0.0"),
    text("not-addr", "NOT-ADDR", "9.0.0").display("ip:port"),
    text("not-laddr", "NOT-LADDR", "9.0.0").display("ip:port"),
    text("not-name", "NOT-NAME", "9.0.0"),
    text("not-flags", "NOT-FLAGS", "9.0.0"),
    text("not-lib-name", "NOT-LIB-NAME", "9.0.0"),
    text("not-lib-ver", "NOT-LIB-VER", "9.0.0"),
    number("not-db", "NOT-DB", "9.0.0"),
    text("not-capa", "NOT-CAPA", "9.0.0"),
    text("not-ip", "NOT-IP", "9.0.0"),
];
const KILL_FORMS: &[Arg] = &[
    Arg::string("old-format")
        .display("ip:port")
        .deprecated_since("2.8.12"),
    Arg::one_of("new-format", KILL_OPTIONS).multiple(),
];

/// CLIENT LIST [filter value ...]
pub(super) static LIST: CommandSpec = subcommand("LIST", list)
    .doc(
        "Answers a line about each connection.",
        "2.4.0",
        "O(N), N being the connections",
    )
    .arity(-2)
    .flags(ADMIN_FLAGS)
    .args(LIST_FILTERS)
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
        ("8.1.0", "Added the filters of `CLIENT KILL`."),
        (
            "9.0.0",
            "Added filters by what a client has told and does, and filters that exclude.",
        ),
    ])
    .tips(&["nondeterministic_output"]);

fn list(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let clients = client_filter::listed(context, Args::new(request, 2))?;
    let text = client_line::list(context, request, clients);
    context.reply.verbatim("txt", &text);
    Ok(())
}

/// CLIENT KILL address, CLIENT KILL filter value [filter value ...]
pub(super) static KILL: CommandSpec = subcommand("KILL", kill)
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
        (
            "9.0.0",
            "Added filters by what a client has told and does, and filters that exclude.",
        ),
    ]);

fn kill(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let old_form = request.len() == 3;
    let filter = if old_form {
        Filter::by_address(request.get(2))
    } else {
        Filter::of_kill(context, Args::new(request, 2))?
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
        .filter(|client| filter.matches(client, context))
        .collect();
    for client in &found {
        if client.id == own {
            context.session.close_after_reply = true;
        } else {
            context.instance.clients.kill(client);
            context.instance.pubsub().forget(client);
            waiting::abandon(context.db, context.instance, client.id);
        }
    }
    found.len()
}
