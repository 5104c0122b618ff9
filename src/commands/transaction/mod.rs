//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Between MULTI and EXEC the gate queues commands in the session's
//! [`Transaction`](crate::command::transaction::Transaction), and marks it as failed when it refuses one. EXEC runs the queue
//! under the one lock that its batch holds anyway, command by command through [`call`], so each is counted, logged and told
//! like any other. Who watches which keys is in [`crate::instance::watches`].

use std::sync::atomic::Ordering;

use crate::command::call::call;
use crate::command::session::Place;
use crate::command::transaction::Queue;
use crate::command::{
    Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::instance::output::UNCOUNTED_BYTES;
use crate::resp::Request;
use crate::store::db::Presence;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[&DISCARD, &EXEC, &MULTI, &UNWATCH, &WATCH];

/// What all these specs have in common.
const fn step(name: &'static str, handler: Handler) -> CommandSpec {
    CommandSpec::new(name, Group::Transactions, handler).flags(&[
        Flags::NOSCRIPT,
        Flags::LOADING,
        Flags::STALE,
    ])
}

/// MULTI
pub static MULTI: CommandSpec = step("MULTI", multi)
    .doc(
        "Opens a transaction: the commands that follow are queued.",
        "1.2.0",
        "O(1)",
    )
    .arity(1)
    .flags(&[
        Flags::FAST,
        Flags::ALLOW_BUSY,
        Flags::NO_MULTI,
        Flags::NOT_QUEUED,
    ]);

fn multi(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    if context.session.transaction.is_open() {
        return Err(CommandError::fixed("ERR MULTI calls can not be nested"));
    }
    context.session.transaction.begin();
    context.session.show_transaction();
    context.reply.ok();
    Ok(())
}

/// EXEC
pub static EXEC: CommandSpec = step("EXEC", exec)
    .doc(
        "Runs the commands of the transaction, nothing else between them.",
        "1.2.0",
        "That of the queued commands.",
    )
    .arity(1)
    .flags(&[Flags::SKIP_SLOWLOG, Flags::NOT_QUEUED]);

fn exec(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    if !context.session.transaction.is_open() {
        return Err(CommandError::fixed("ERR EXEC without MULTI"));
    }
    let failed = context.session.transaction.has_failed();
    let touched = is_touched(context);
    unwatch_all(context);
    if failed || touched {
        context.session.transaction.close();
        context.session.show_transaction();
        if failed {
            return Err(CommandError::fixed(
                "EXECABORT Transaction discarded because of previous errors.",
            ));
        }
        context.reply.null_array();
        return Ok(());
    }
    let queue = context.session.transaction.take();
    context.session.place = Place::Transaction;
    run(context, &queue);
    context.session.place = Place::Client;
    context.session.transaction.end(queue);
    context.session.show_transaction();
    Ok(())
}

/// Runs all commands of a queue and answers their answers.
fn run(context: &mut Context<'_>, queue: &Queue) {
    let registry = &context.instance.registry;
    let mut answers = Answers::new(context);
    context.reply.array(queue.len());
    for at in 0..queue.len() {
        let (command, request) = queue
            .get(registry, at)
            .expect("what was queued is in the registry");
        call(&mut context.nested(command), request);
        answers.check(context);
        // It may have been HELLO.
        context.reply.set_protocol(context.session.protocol);
    }
}

/// The answers of a transaction, which are held to the limits of a client's output as they grow: they are written all at
/// once, after the last command.
struct Answers {
    start: (usize, usize),
    values: usize,
    value_bytes: usize,
}

impl Answers {
    /// Begins where the reply stands.
    fn new(context: &Context<'_>) -> Self {
        let start = context.reply.mark();
        Answers {
            start,
            values: start.1,
            value_bytes: 0,
        }
    }

    /// Closes the client if there is too much. The commands that are left run all the same, and answer nothing.
    fn check(&mut self, context: &mut Context<'_>) {
        let handle = &context.session.handle;
        let (out, values) = context.reply.buffers();
        let added = values.iter().skip(self.values);
        self.value_bytes += added.map(|value| value.bytes.len()).sum::<usize>();
        self.values = values.len();
        let bytes = out.len() - self.start.0 + self.value_bytes;
        if bytes <= UNCOUNTED_BYTES {
            return;
        }
        handle.figures.output_bytes.store(bytes, Ordering::Relaxed);
        if handle.is_killed() || handle.close_if_output_is_too_much() {
            context.reply.rewind(self.start);
            self.values = self.start.1;
        }
    }
}

/// Whether a watched key has changed, or has gone because its time is over.
fn is_touched(context: &Context<'_>) -> bool {
    if !context.session.transaction.watches() {
        return false;
    }
    let id = context.session.id();
    let figures = &context.session.handle.figures;
    figures.touched.load(Ordering::Relaxed)
        || context.instance.watches().has_expired(context.db, id)
}

/// DISCARD
pub static DISCARD: CommandSpec = step("DISCARD", discard)
    .doc(
        "Gives the transaction up, and the watched keys.",
        "2.0.0",
        "O(N), N being the queued commands",
    )
    .arity(1)
    .flags(&[Flags::FAST, Flags::ALLOW_BUSY, Flags::NOT_QUEUED]);

fn discard(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    if !context.session.transaction.is_open() {
        return Err(CommandError::fixed("ERR DISCARD without MULTI"));
    }
    give_up(context);
    context.reply.ok();
    Ok(())
}

/// Forgets the transaction and the watched keys.
pub fn give_up(context: &mut Context<'_>) {
    context.session.transaction.close();
    context.session.show_transaction();
    unwatch_all(context);
}

/// WATCH key [key ...]
pub static WATCH: CommandSpec = step("WATCH", watch)
    .doc(
        "Lets the next transaction run only if these keys do not change before it.",
        "2.2.0",
        "O(N) for N keys",
    )
    .arity(-2)
    .flags(&[
        Flags::FAST,
        Flags::ALLOW_BUSY,
        Flags::NO_MULTI,
        Flags::NOT_QUEUED,
    ])
    .keys(const { &[KeySpec::range(1, -1, 1, KeyFlags::RO)] })
    .args(const { &[Arg::key("key", 0).multiple()] });

fn watch(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if context.session.transaction.is_open() {
        return Err(CommandError::fixed("ERR WATCH inside MULTI is not allowed"));
    }
    context.reply.ok();
    let index = context.index();
    let handle = &context.session.handle;
    if handle.figures.touched.load(Ordering::Relaxed) {
        // The transaction is lost already.
        return Ok(());
    }
    let mut watches = context.instance.watches();
    let mut bytes = 0;
    for key in request.iter_from(1) {
        let expired = context.db.presence(index, key) == Presence::Expired;
        bytes += watches.add(handle, index, key, expired);
    }
    drop(watches);
    context.session.transaction.watch(bytes);
    if context.session.transaction.is_too_large(context.instance) {
        context.session.close_for_query(context.instance);
    }
    context.session.show_transaction();
    context.instance.follow(context.db);
    Ok(())
}

/// UNWATCH
pub static UNWATCH: CommandSpec = step("UNWATCH", unwatch)
    .doc("Watches no key any more.", "2.2.0", "O(1)")
    .arity(1)
    .flags(&[Flags::FAST, Flags::ALLOW_BUSY]);

fn unwatch(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    unwatch_all(context);
    context.reply.ok();
    Ok(())
}

/// Forgets the keys that the client watches, and that one of them has changed.
fn unwatch_all(context: &mut Context<'_>) {
    let transaction = &mut context.session.transaction;
    if !transaction.watches() {
        return;
    }
    transaction.unwatch();
    let handle = &context.session.handle;
    context.instance.watches().forget(handle.id);
    handle.figures.touched.store(false, Ordering::Relaxed);
    context.session.show_transaction();
    context.instance.follow(context.db);
}
