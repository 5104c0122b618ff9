//! The gate: every command passes here, and all policy is here and not in handlers.
//!
//! In this order: look-up, subcommand, arity, permission, then the command itself ([`call`]), then those who have waited
//! for what it changed. To add a rule that holds for all commands, add it to [`refuse`].

use std::sync::atomic::Ordering;

use super::clock;
use crate::command::call::{call, write_error};
use crate::command::session::{Parked, ReplyMode};
use crate::command::{Command, CommandError, Context, Flags, Registry, Session, reads, waiting};
use crate::commands::transaction::EXEC;
use crate::instance::attention::{
    FILE_FAILS, LOADING, OWN_INVALIDATIONS, PAUSED, READY_KEYS, WRITES_STOPPED,
};
use crate::instance::{Instance, pause, tracking};
use crate::resp::{Protocol, Reply, Request};
use crate::store::db::Db;
use crate::text::words::until_nul;

/// An unknown command's words are quoted in its error up to so many bytes.
const QUOTED_BYTES: usize = 128;

/// What the gate needs beside the request; the same for a whole batch.
pub struct Gate<'a> {
    /// The data set, locked.
    pub db: &'a mut Db,
    /// The client.
    pub session: &'a mut Session,
    /// The server's shared state.
    pub instance: &'a Instance,
}

impl Gate<'_> {
    /// Executes one request and writes its answer to `reply`. `known` is the command of its first word, if that has been
    /// looked up.
    #[inline]
    pub fn execute(&mut self, request: Request<'_>, known: Option<&Command>, reply: Reply<'_>) {
        let mark = reply.mark();
        self.session.begin_command();
        match find(&self.instance.registry, request, known) {
            Ok(command) => self.execute_command(command, request, reply, mark),
            Err(error) => self.reject_unknown(error, request, reply, mark),
        }
    }

    #[inline(always)]
    fn execute_command(
        &mut self,
        command: &Command,
        request: Request<'_>,
        mut reply: Reply<'_>,
        mark: (usize, usize),
    ) {
        self.session
            .handle
            .figures
            .last_command
            .store(command.id + 1, Ordering::Relaxed);
        if let Some(error) = refuse(command, request, self.session, self.instance) {
            return self.reject(Some(command), error, &mut reply, mark);
        }
        if self.instance.attention.has(PAUSED) && self.postpones(command, request) {
            return;
        }
        if self.session.transaction.is_open() && !command.spec.flags.has(Flags::NOT_QUEUED) {
            self.queue(command, request, &mut reply);
            return mute(self.session, &mut reply, mark);
        }
        let mut context = Context {
            db: self.db,
            session: self.session,
            instance: self.instance,
            reply,
            command,
        };
        call(&mut context, request);
        if context
            .instance
            .attention
            .has(READY_KEYS | OWN_INVALIDATIONS)
        {
            context.session.has_woken |= settle(context.db, context.instance);
        }
        mute(context.session, &mut context.reply, mark);
        if context.session.handle.has_messages() {
            // What the command has sent to its own client comes after its answer.
            let (out, blobs) = context.reply.buffers();
            context.session.handle.take_messages(out, blobs);
        }
    }

    /// Parks the client with its command unread if a pause holds that; monitors are not paused.
    #[cold]
    fn postpones(&mut self, command: &Command, request: Request<'_>) -> bool {
        pause::end_if_due(self.db, self.instance);
        let handle = &self.session.handle;
        let mut flags = command.flags_on(self.instance, request);
        if std::ptr::eq(command.spec, &EXEC) {
            flags = flags | self.session.transaction.flags();
        }
        let mut pause = self.instance.pause();
        let holds = pause.holds(flags) && !handle.monitors.load(Ordering::Relaxed);
        if holds {
            pause.postpone(handle);
            self.session.parked = Parked::Postponed;
        }
        holds
    }

    /// Puts a command into the client's transaction.
    pub(super) fn queue(&mut self, command: &Command, request: Request<'_>, reply: &mut Reply<'_>) {
        let flags = command.flags_on(self.instance, request);
        self.session.transaction.push(command, flags, request);
        if self.session.transaction.is_too_large(self.instance) {
            return self.session.close_for_query(self.instance);
        }
        self.session.show_transaction();
        reply.raw(b"+QUEUED\r\n");
    }

    #[cold]
    pub(super) fn reject_unknown(
        &mut self,
        error: CommandError,
        request: Request<'_>,
        mut reply: Reply<'_>,
        mark: (usize, usize),
    ) {
        if is_http(request) {
            // A browser was made to send this, by a page that must not get to run what may stand behind.
            tracing::warn!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Ruddle. \
                 A web page may be trying to reach it through a browser (cross-protocol scripting). Connection from {} aborted.",
                self.session.handle.addr
            );
            // What follows in the same batch must not run either.
            self.session.close_after_reply = true;
            self.session.handle.kill();
            return;
        }
        self.session
            .handle
            .figures
            .last_command
            .store(0, Ordering::Relaxed);
        self.reject(None, error, &mut reply, mark);
    }

    #[cold]
    pub(super) fn reject(
        &mut self,
        command: Option<&Command>,
        error: CommandError,
        reply: &mut Reply<'_>,
        mark: (usize, usize),
    ) {
        if let Some(command) = command {
            self.instance.stats.commands[command.id].rejected.add(1);
        }
        self.session.transaction.fail();
        let error = if command.is_some_and(|command| std::ptr::eq(command.spec, &EXEC)) {
            self.abort(&error)
        } else {
            error
        };
        reads::end_caching(self.session, command);
        write_error(self.instance, &error, reply);
        mute(self.session, reply, mark);
    }

    /// Ends the transaction of an EXEC that was refused; what the client is told.
    fn abort(&mut self, error: &CommandError) -> CommandError {
        let text = error.wire_text();
        let text = text.strip_prefix(b"ERR ").unwrap_or(&text);
        let session = &mut *self.session;
        session.transaction.close();
        if session.transaction.watches() {
            session.transaction.unwatch();
            self.instance.watches().forget(session.id());
            self.instance.follow(self.db);
        }
        session
            .handle
            .figures
            .touched
            .store(false, Ordering::Relaxed);
        session.show_transaction();
        let head: &[u8] = b"EXECABORT Transaction discarded because of: ";
        CommandError::Quoting([head, text].concat())
    }
}

/// Does what a command leaves to be done for others, and what is to come after its answer. Whether blocked clients have
/// been woken is answered.
#[cold]
fn settle(db: &mut Db, instance: &Instance) -> bool {
    let mut has_woken = false;
    if instance.attention.has(READY_KEYS) {
        // Keys that have expired while the command ran are nothing for those who wait. The time does not go back for them.
        db.set_clock(clock::unix_ms().max(db.now_ms()));
        has_woken = waiting::serve(db, instance);
    }
    tracking::deliver_own(instance);
    has_woken
}

/// Whether a line is the first one, or the one that names the host, of an HTTP request.
fn is_http(request: Request<'_>) -> bool {
    [b"POST".as_slice(), b"Host:"]
        .iter()
        .any(|word| request.get(0).eq_ignore_ascii_case(word))
}

/// Takes an answer back where the client wants none (CLIENT REPLY OFF and SKIP).
#[inline]
pub(super) fn mute(session: &mut Session, reply: &mut Reply<'_>, mark: (usize, usize)) {
    match session.reply_mode {
        ReplyMode::On | ReplyMode::SkipNext => {}
        ReplyMode::Off => reply.rewind(mark),
        ReplyMode::Skip => {
            reply.rewind(mark);
            session.reply_mode = ReplyMode::On;
        }
    }
}

/// Finds the command, or the subcommand, that a request names.
#[inline(always)]
pub(super) fn find<'r>(
    registry: &'r Registry,
    request: Request<'_>,
    known: Option<&'r Command>,
) -> Result<&'r Command, CommandError> {
    let Some(command) = known.or_else(|| registry.find(request.get(0))) else {
        return Err(unknown(request));
    };
    if command.subcommands.is_empty() || request.len() < 2 {
        return Ok(command);
    }
    command
        .subcommand(request.get(1))
        .ok_or_else(|| CommandError::UnknownSubcommand {
            name: cut(request.get(1)).to_vec(),
            container: command.spec.name,
        })
}

/// Why a command may not run now, if so.
#[inline(always)]
pub(super) fn refuse(
    command: &Command,
    request: Request<'_>,
    session: &Session,
    instance: &Instance,
) -> Option<CommandError> {
    if !command.spec.accepts(request.len()) {
        return Some(CommandError::WrongArity(command.full_name.clone()));
    }
    if command.spec.flags.has(Flags::PROTECTED) && !protection_allows(command, session, instance) {
        return Some(CommandError::Protected(command.spec.name));
    }
    if session.needs_authentication(instance) && !command.spec.flags.has(Flags::NO_AUTH) {
        return Some(CommandError::NoAuth);
    }
    if session.transaction.is_open()
        && command.spec.flags.has(Flags::NO_MULTI)
        && !command.spec.flags.has(Flags::NOT_QUEUED)
    {
        return Some(CommandError::fixed(
            "ERR Command not allowed inside a transaction",
        ));
    }
    if session.handle.monitors.load(Ordering::Relaxed) && touches_keys(command, session) {
        return Some(CommandError::fixed(
            "ERR Replica can't interact with the keyspace",
        ));
    }
    if session.handle.subscriptions.any()
        && session.protocol == Protocol::Resp2
        && !SUBSCRIBER_COMMANDS.contains(&command.spec.name)
    {
        return Some(CommandError::Subscribed(command.full_name.clone()));
    }
    if instance
        .attention
        .has(LOADING | WRITES_STOPPED | FILE_FAILS)
    {
        return refuse_for_files(command, session, instance);
    }
    None
}

/// Why a command may not run while the data set is loaded, or cannot be saved.
#[cold]
fn refuse_for_files(
    command: &Command,
    session: &Session,
    instance: &Instance,
) -> Option<CommandError> {
    let flags = command.spec.flags;
    let queued = if std::ptr::eq(command.spec, &EXEC) {
        session.transaction.flags()
    } else {
        Flags::NONE
    };
    let writes = flags.has(Flags::WRITE) || queued.has(Flags::WRITE);
    if writes || command.spec.name == "PING" {
        if instance.attention.has(WRITES_STOPPED) {
            return Some(CommandError::Unsaved);
        }
        if let Some(text) = instance.aof.error() {
            return Some(CommandError::FileFails(text));
        }
    }
    let waits = instance.attention.has(LOADING) && !flags.has(Flags::LOADING);
    waits.then_some(CommandError::Loading)
}

/// What a client that is subscribed to something may do in RESP2, which cannot tell a message from an answer.
const SUBSCRIBER_COMMANDS: [&str; 9] = [
    "PING",
    "SUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "PSUBSCRIBE",
    "PUNSUBSCRIBE",
    "QUIT",
    "RESET",
];

/// Whether a command, or one in the transaction that it runs, reads or writes keys: no business of one that monitors, who
/// is to Redis a kind of replica.
#[cold]
fn touches_keys(command: &Command, session: &Session) -> bool {
    let mut flags = command.spec.flags;
    if std::ptr::eq(command.spec, &EXEC) {
        flags = flags | session.transaction.flags();
    }
    [Flags::WRITE, Flags::MAY_REPLICATE, Flags::READONLY]
        .iter()
        .any(|&flag| flags.has(flag))
}

/// Whether the configuration lets this client use a protected command.
#[cold]
fn protection_allows(command: &Command, session: &Session, instance: &Instance) -> bool {
    let config = instance.config();
    let allowed = match command.spec.name {
        "DEBUG" => config.enable_debug_command(),
        _ => config.enable_module_command(),
    };
    allowed.allows(session.handle.is_local())
}

#[cold]
fn unknown(request: Request<'_>) -> CommandError {
    let mut args = Vec::new();
    for word in request.iter_from(1).map(until_nul) {
        if args.len() >= QUOTED_BYTES {
            break;
        }
        let room = QUOTED_BYTES - args.len();
        args.push(b'\'');
        args.extend_from_slice(&word[..word.len().min(room)]);
        args.extend_from_slice(b"' ");
    }
    CommandError::UnknownCommand {
        name: cut(request.get(0)).to_vec(),
        args,
    }
}

/// The part of a word that is quoted in an error; to Redis a NUL ends it.
fn cut(word: &[u8]) -> &[u8] {
    let word = until_nul(word);
    &word[..word.len().min(QUOTED_BYTES)]
}
