//! PING, ECHO, SELECT, QUIT and RESET.

use super::auth;
use crate::command::session::ReplyMode;
use crate::command::{Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::resp::{Protocol, Request};
use crate::text::number::parse_i64;

/// `PING [message]`
pub static PING: CommandSpec = CommandSpec::new("PING", Group::Connection, ping)
    .doc(
        "Answers PONG, or the message that it was given.",
        "1.0.0",
        "O(1)",
    )
    .arity(-1)
    .flags(&[Flags::FAST])
    .args(&[Arg::string("message").optional()])
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]);

fn ping(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if request.len() > 2 {
        return Err(context.wrong_arity());
    }
    if context.session.protocol == Protocol::Resp2 && context.session.handle.subscriptions.any() {
        // Among messages the answer looks like one.
        let message = if request.len() == 2 {
            request.get(1)
        } else {
            b""
        };
        context.reply.array(2);
        context.reply.bulk(b"pong");
        context.reply.bulk(message);
        return Ok(());
    }
    match request.len() {
        1 => context.reply.simple("PONG"),
        _ => context.reply.bulk(request.get(1)),
    }
    Ok(())
}

/// ECHO message
pub static ECHO: CommandSpec = CommandSpec::new("ECHO", Group::Connection, echo)
    .doc("Answers the message that it was given.", "1.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE, Flags::FAST])
    .args(&[Arg::string("message")]);

fn echo(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    match request.shared(1) {
        Some(message) => context.reply.shared(message),
        None => context.reply.bulk(request.get(1)),
    }
    Ok(())
}

/// SELECT index
pub static SELECT: CommandSpec = CommandSpec::new("SELECT", Group::Connection, select)
    .doc(
        "Chooses the database that the connection works in.",
        "1.0.0",
        "O(1)",
    )
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE, Flags::FAST, Flags::ALLOW_BUSY])
    .args(&[Arg::integer("index")]);

fn select(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let index = parse_i64(request.get(1)).ok_or(CommandError::NotInteger)?;
    if i32::try_from(index).is_err() {
        return Err(CommandError::fixed(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    let index = usize::try_from(index)
        .ok()
        .filter(|&index| index < context.db.databases());
    context.session.db = index.ok_or(CommandError::DbIndexOutOfRange)?;
    context.reply.ok();
    Ok(())
}

/// QUIT
pub static QUIT: CommandSpec = CommandSpec::new("QUIT", Group::Connection, quit)
    .doc(
        "Answers once more and ends the connection.",
        "1.0.0",
        "O(1)",
    )
    .arity(-1)
    .flags(&[
        Flags::NOSCRIPT,
        Flags::LOADING,
        Flags::STALE,
        Flags::FAST,
        Flags::NO_AUTH,
        Flags::ALLOW_BUSY,
        Flags::NOT_QUEUED,
    ])
    .deprecated("7.2.0", "just closing the connection");

fn quit(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.reply.ok();
    context.session.close_after_reply = true;
    Ok(())
}

/// RESET
pub static RESET: CommandSpec = CommandSpec::new("RESET", Group::Connection, reset)
    .doc(
        "Puts the connection back into the state of a new one.",
        "6.2.0",
        "O(1)",
    )
    .arity(1)
    .flags(&[
        Flags::NOSCRIPT,
        Flags::LOADING,
        Flags::STALE,
        Flags::FAST,
        Flags::NO_AUTH,
        Flags::ALLOW_BUSY,
        Flags::NOT_QUEUED,
    ]);

/// The library's name and version stay: they say what is at the other end, whatever state it is in.
fn reset(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    auth::deauthenticate(context);
    context.instance.forget_client(context.db, context.session);
    let session = &mut *context.session;
    session.db = 0;
    session.set_protocol(Protocol::Resp2);
    if session.reply_mode != ReplyMode::Skip {
        // The answer to this very command is still the one to be skipped.
        session.reply_mode = ReplyMode::On;
    }
    session.handle.names().name.clear();
    session.set_no_evict(false);
    session.set_no_touch(false);
    context.db.sees_expired = false;
    context.db.no_touch = false;
    context.reply.set_protocol(Protocol::Resp2);
    context.reply.simple("RESET");
    Ok(())
}
