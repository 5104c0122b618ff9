//! Running a command: its handler, and around it what is counted and who is told.
//!
//! Everything that executes a command comes here: the gate for a client, EXEC for the commands of its queue, a script for
//! its calls, and the waking of a blocked client. Whether the command may run has been decided before.

use std::time::Instant;

use super::context::Context;
use super::error::CommandError;
use super::flags::Flags;
use super::registry::Command;
use super::session::{Parked, Session};
use super::{reads, redact};
use crate::instance::attention::MONITORS;
use crate::instance::clients::ClientHandle;
use crate::instance::{Instance, monitors, news};
use crate::resp::{Reply, Request};
use crate::store::effects::Entered;

/// Runs `context`'s command on `request` and leaves its answer, or its error, in the reply. Whether it succeeded is
/// answered too.
#[inline(always)]
pub fn call(context: &mut Context<'_>, request: Request<'_>) -> bool {
    let (instance, command) = (context.instance, context.command);
    let mark = context.reply.mark();
    let logged = context
        .db
        .effects
        .on
        .then(|| context.db.effects.enter(context.db.dirty));
    // The clock costs as much as a small command; those that cannot take long go without, unless all are asked for.
    let slow_log = &instance.slow_log;
    let timed = !command.spec.flags.has(Flags::FAST) || slow_log.times_quick_commands();
    let start = timed.then(Instant::now);
    if instance.attention.has(MONITORS) {
        monitors::show(context, request, false);
    }
    let result = (command.spec.handler)(context, request);
    if instance.attention.has(MONITORS) {
        monitors::show(context, request, true);
    }
    if let Some(entered) = logged {
        log_effects(context, request, entered);
    }
    if context.session.parked == Parked::Blocked {
        // It is counted when it has its answer; what it has changed on its way is told.
        tell(context);
        return true;
    }
    let counters = &instance.stats.commands[command.id];
    counters.calls.add(1);
    if let Some(start) = start {
        let now_ms = context.now_ms();
        count_time(instance, command, context.session, request, start, now_ms);
    }
    let succeeded = result.is_ok();
    if let Err(error) = result {
        counters.failed.add(1);
        context.reply.rewind(mark);
        write_error(instance, &error, &mut context.reply);
    }
    tell(context);
    if context.session.tracking.on {
        reads::note(context, request);
    }
    succeeded
}

#[inline]
fn tell(context: &mut Context<'_>) {
    if !context.db.journal.is_empty() {
        news::tell(context.db, context.instance, Some(&context.session.handle));
    }
}

/// Puts what the command has done into the log of writes, at the end of the outermost one.
fn log_effects(context: &mut Context<'_>, request: Request<'_>, entered: Entered) {
    let Context {
        db,
        session,
        instance,
        command,
        ..
    } = context;
    // A command may have another name for clients.
    let name = instance.registry.renames().then(|| command.first_word());
    let words = || {
        let rest = request.iter_from(usize::from(name.is_some()));
        name.into_iter().chain(rest)
    };
    let words = command.is_repeated().then(words);
    if db.effects.leave(entered, db.dirty, session.db, words) && !db.effects.is_empty() {
        let now_ms = db.now_ms();
        // Keys that expire where somebody looks through all of them have nothing to do with each other.
        let together = !matches!(command.spec.name, "SCAN" | "RANDOMKEY" | "KEYS");
        instance.log.append(&mut db.effects, together, now_ms);
    }
}

/// Does on behalf of a command what is left to be done when it has been called; what that says of its effects goes into the
/// log of writes.
pub fn finish<'a, R>(context: &mut Context<'a>, work: impl FnOnce(&mut Context<'a>) -> R) -> R {
    let effects = &mut context.db.effects;
    let entered = effects.on.then(|| effects.enter(0));
    let result = work(context);
    if let Some(entered) = entered {
        context.db.effects.say_nothing();
        log_effects(context, Request::new(&[], &[], &[]), entered);
    }
    tell(context);
    result
}

/// Counts the time that a command has taken since `start`, and keeps it in the slow log where that was long.
#[inline]
pub(super) fn count_time(
    instance: &Instance,
    command: &Command,
    session: &Session,
    request: Request<'_>,
    start: Instant,
    now_ms: u64,
) {
    let took_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let counters = &instance.stats.commands[command.id];
    counters.nanoseconds.add(took_ns);
    if instance.slow_log.is_slow(took_ns) && !command.spec.flags.has(Flags::SKIP_SLOWLOG) {
        log_slow(instance, command, &session.handle, request, took_ns, now_ms);
    }
}

#[cold]
fn log_slow(
    instance: &Instance,
    command: &Command,
    client: &ClientHandle,
    request: Request<'_>,
    took_ns: u64,
    now_ms: u64,
) {
    let name = client.names().name.clone();
    let words = redact::shown(command, request);
    let now_s = now_ms / 1000;
    instance
        .slow_log
        .record(words, took_ns, now_s, &client.addr, &name);
}

/// Answers an error and counts it.
#[cold]
pub fn write_error(instance: &Instance, error: &CommandError, reply: &mut Reply<'_>) {
    instance.stats.count_error(&error.code());
    reply.error(&error.wire_text());
}
