//! Repeating commands that were logged: those of an append-only file, on a data set that is being loaded.
//!
//! Life cycle: one [`Replay`] for each file, as each begins in database 0 and outside of a transaction. [`Replay::run`] takes
//! the commands one after the other, past the gate, for they were let in when they were logged, and past whatever tells
//! others. Those between MULTI and EXEC run when EXEC comes: a file that ends before it has none of them
//! ([`Replay::is_within_transaction`]).
//!
//! The clock stands before every deadline meanwhile: a key goes when the log says so, so that what was done to it while it
//! was there can be done again. A command that counts from the present, which this server never logs, finds the present.

use bytes::BytesMut;

use super::context::Context;
use super::flags::{Flags, Group};
use super::registry::Command;
use super::session::{Place, Session};
use crate::instance::Instance;
use crate::instance::clients::ClientHandle;
use crate::resp::{CommandQueue, Reply, Request};
use crate::store::db::Db;
use crate::text::number::parse_i64;

/// Room for a transaction's commands that is kept.
const KEPT_BYTES: usize = 64 * 1024;

/// Commands whose deadline is so far from now.
const RELATIVE: &[&str] = &[
    "EXPIRE", "PEXPIRE", "SETEX", "PSETEX", "HEXPIRE", "HPEXPIRE",
];
/// Commands whose deadline is so far from now with one of the options [`RELATIVE_OPTIONS`].
const PERHAPS_RELATIVE: &[&str] = &["SET", "GETEX", "HSETEX", "HGETEX", "MSETEX"];
const RELATIVE_OPTIONS: [&[u8]; 2] = [b"EX", b"PX"];

/// Why a command cannot be repeated: the file is not one of this server's commands.
#[derive(Debug)]
pub enum ReplayError {
    /// There is no such command; its name.
    Unknown(Vec<u8>),
    /// A number of words that the command does not take; its name.
    Arity(Vec<u8>),
    /// It is none that is logged: a subscription, a blocking command; its name.
    Refused(Vec<u8>),
    /// EXEC without MULTI, or MULTI within one.
    Transaction,
    /// A database that this server does not have is selected: what follows belongs into no other.
    Database,
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |f: &mut std::fmt::Formatter<'_>, what: &str, name: &[u8]| {
            write!(f, "{what} '{}'", String::from_utf8_lossy(name))
        };
        match self {
            ReplayError::Unknown(name) => named(f, "Unknown command", name),
            ReplayError::Arity(name) => named(f, "Wrong number of arguments for", name),
            ReplayError::Refused(name) => named(f, "No command that changes data:", name),
            ReplayError::Transaction => f.write_str("MULTI and EXEC do not go together"),
            ReplayError::Database => f.write_str("No such database"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// The state of a file that is replayed.
pub struct Replay<'i> {
    instance: &'i Instance,
    session: Session,
    /// The commands since MULTI.
    queue: Option<CommandQueue>,
    spare: CommandQueue,
    out: BytesMut,
    /// Commands that have answered an error, which they did not when they were logged.
    failed: u64,
}

impl<'i> Replay<'i> {
    /// Begins a file.
    pub fn new(instance: &'i Instance) -> Self {
        let mut session = Session::new(ClientHandle::of_file(), true);
        // Nothing blocks, as within a transaction.
        session.place = Place::Transaction;
        Replay {
            instance,
            session,
            queue: None,
            spare: CommandQueue::default(),
            out: BytesMut::new(),
            failed: 0,
        }
    }

    /// Whether the last commands belong to a transaction whose end has not come, and so have not run.
    pub fn is_within_transaction(&self) -> bool {
        self.queue.is_some()
    }

    /// How many bytes of the transaction whose end has not come were copied.
    pub fn copied_bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, CommandQueue::copied_bytes)
    }

    /// How many commands have answered an error.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Repeats the next command on `db`; `now_ms` is the present. `db` must be nobody else's and have nobody who follows it.
    ///
    /// # Errors
    /// If it is none; nothing has changed then, but by those before it in a transaction.
    pub fn run(
        &mut self,
        db: &mut Db,
        request: Request<'_>,
        now_ms: u64,
    ) -> Result<(), ReplayError> {
        let command = self.find(request)?;
        match command.spec.name {
            "MULTI" if self.queue.is_none() => self.queue = Some(std::mem::take(&mut self.spare)),
            "EXEC" => {
                let mut queue = self.queue.take().ok_or(ReplayError::Transaction)?;
                for at in 0..queue.len() {
                    let request = queue.get(at);
                    let command = self.find(request)?;
                    self.execute(db, command, request, now_ms)?;
                }
                queue.clear(KEPT_BYTES);
                self.spare = queue;
            }
            "MULTI" => return Err(ReplayError::Transaction),
            _ => match &mut self.queue {
                Some(queue) => queue.push(request),
                None => self.execute(db, command, request, now_ms)?,
            },
        }
        Ok(())
    }

    fn find(&self, request: Request<'_>) -> Result<&'i Command, ReplayError> {
        let name = || request.iter_from(0).next().unwrap_or_default().to_vec();
        let command = (!request.is_empty())
            .then(|| self.instance.registry.originals().resolve(request))
            .flatten()
            .ok_or_else(|| ReplayError::Unknown(name()))?;
        if !command.spec.accepts(request.len()) {
            return Err(ReplayError::Arity(name()));
        }
        if may_be_logged(command) {
            Ok(command)
        } else {
            Err(ReplayError::Refused(name()))
        }
    }

    fn execute(
        &mut self,
        db: &mut Db,
        command: &Command,
        request: Request<'_>,
        now_ms: u64,
    ) -> Result<(), ReplayError> {
        db.stop_clock(now_ms);
        if counts_from_now(command, request) {
            db.set_clock(now_ms);
        }
        self.out.clear();
        let mut blobs = Vec::new();
        let reply = Reply::new(&mut self.out, &mut blobs, self.session.protocol);
        let mut context = Context {
            db,
            session: &mut self.session,
            instance: self.instance,
            reply,
            command,
        };
        if let Err(error) = (command.spec.handler)(&mut context, request) {
            self.failed += 1;
            tracing::warn!(
                "== CRITICAL == This server is sending an error to its AOF-loading-client: '{}' after processing the command '{}'",
                String::from_utf8_lossy(&error.wire_text()),
                command.full_name,
            );
            if command.spec.name == "SELECT" {
                return Err(ReplayError::Database);
            }
        }
        Ok(())
    }
}

/// Whether a command may stand in a file. Beside those that are logged older servers have left scripts there, and what
/// changes nothing does no harm; but a file must not subscribe, shut down or configure, nor send keys to another server.
fn may_be_logged(command: &Command) -> bool {
    let spec = command.spec;
    (command.is_repeated() && spec.name != "MIGRATE")
        || !spec.flags.has(Flags::NOSCRIPT)
        || spec.group == Group::Scripting
        || matches!(spec.name, "MULTI" | "EXEC" | "SELECT")
}

/// Whether a command's deadline is told by how far it is from now.
fn counts_from_now(command: &Command, request: Request<'_>) -> bool {
    let name = command.spec.name;
    let is_option = |word: &[u8]| {
        RELATIVE_OPTIONS
            .iter()
            .any(|option| word.eq_ignore_ascii_case(option))
    };
    RELATIVE.contains(&name)
        || (PERHAPS_RELATIVE.contains(&name) && options(name, request).any(is_option))
}

/// The words among which the options of a command are: not its values, fields and further keys, which may look like some.
fn options<'r>(name: &str, request: Request<'r>) -> impl Iterator<Item = &'r [u8]> {
    let first = match name {
        "SET" => 3,
        "MSETEX" => parse_i64(request.get(1))
            .and_then(|pairs| usize::try_from(pairs).ok())
            .map_or(request.len(), |pairs| {
                pairs.saturating_mul(2).saturating_add(2)
            }),
        _ => 2,
    };
    request
        .iter_from(first.min(request.len()))
        .take_while(|word| !word.eq_ignore_ascii_case(b"FIELDS"))
}
