//! What the functions that a script calls stand on while it runs: the data set, the caller's session, and room for
//! commands and replies.
//!
//! The functions of the `redis` table are made once for an interpreter and hold its [`Host`]. While a script runs, the
//! data set and a session of its own are moved in ([`Host::lend`]); the guard that this returns moves the data set back
//! when the script ends, however that may be. In between the frames that wait for the script hold an empty data set.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use parking_lot::{Mutex, MutexGuard};

use super::flags::ScriptFlags;
use super::load::Load;
use super::running::Kind;
use crate::command::{CommandError, Context, Session};
use crate::instance::Instance;
use crate::resp::{Blob, CommandQueue, Protocol, Request};
use crate::store::db::Db;

/// A script that runs.
pub struct Run {
    /// The data set.
    pub db: Db,
    /// The session in which its commands run.
    pub session: Session,
    /// The server's shared state.
    pub instance: Arc<Instance>,
    /// Its hash, or the function's name.
    pub name: Arc<str>,
    /// EVAL's or a function.
    pub kind: Kind,
    /// Whether it may not write.
    pub read_only: bool,
    /// Whether it has called a command that writes.
    pub wrote: bool,
    /// When its hook was first called, which is as good as its start.
    pub started: Option<Instant>,
    /// Whether others have been told that it takes long.
    pub busy: bool,
}

/// What a [`Host`] holds.
#[derive(Default)]
pub struct State {
    /// The script that runs.
    pub run: Option<Run>,
    /// The library that is being loaded.
    pub load: Option<Load>,
    /// The command that is called.
    pub queue: CommandQueue,
    /// Its reply.
    pub out: BytesMut,
    /// The reply's large values.
    pub blobs: Vec<Blob>,
    /// The command that has called the script, where somebody may ask for it.
    pub caller: CommandQueue,
    /// Whether the reply is one that a call has left to be made into a value.
    pub has_reply: bool,
    /// What a call has left to go on in a place where it may.
    pub panic: Option<Box<dyn Any + Send>>,
    /// Whether the hook is called at every line, as it has ended a script.
    pub alarm: bool,
}

/// The ground of one interpreter's functions.
#[derive(Clone, Default)]
pub struct Host(Arc<Mutex<State>>);

/// Of a script that is about to run.
pub struct Start<'a> {
    /// Its hash, or the function's name.
    pub name: &'a Arc<str>,
    /// EVAL's or a function.
    pub kind: Kind,
    /// What it declares.
    pub flags: ScriptFlags,
    /// Whether it was called by a command that only reads.
    pub read_only: bool,
}

impl Host {
    /// What is held. Never kept while a script goes on.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Where it is held, for as long as a host of it is there.
    pub fn ground(&self) -> &Mutex<State> {
        &self.0
    }

    /// As [`Host::state`]; nothing where a command of the script is under way.
    pub fn try_state(&self) -> Option<MutexGuard<'_, State>> {
        self.0.try_lock()
    }

    /// Whether the hook has ended a script since the last call.
    pub fn take_alarm(&self) -> bool {
        std::mem::take(&mut self.state().alarm)
    }

    /// Moves the context's data set in for a script.
    ///
    /// # Errors
    /// The server is not a running one.
    pub fn lend<'h, 'c, 'a>(
        &'h self,
        context: &'c mut Context<'a>,
        request: Request<'_>,
        start: &Start<'_>,
    ) -> Result<Lent<'h, 'c, 'a>, CommandError> {
        let instance = context
            .instance
            .shared()
            .ok_or(CommandError::fixed("ERR the server is shutting down"))?;
        let session = context.session.for_script();
        let mut state = self.state();
        if start.kind == Kind::Function {
            state.caller.clear(KEPT_BYTES);
            state.caller.push(request);
        }
        let declared = !start.flags.has(ScriptFlags::UNDECLARED);
        state.run = Some(Run {
            db: std::mem::replace(context.db, Db::placeholder()),
            session,
            instance,
            name: Arc::clone(start.name),
            kind: start.kind,
            read_only: start.read_only || (declared && start.flags.has(ScriptFlags::NO_WRITES)),
            wrote: false,
            started: None,
            busy: false,
        });
        drop(state);
        Ok(Lent {
            host: self,
            context,
        })
    }
}

/// Room for a command that is kept for the next one.
pub const KEPT_BYTES: usize = 64 * 1024;

/// A data set that is moved into a host; it moves back when this is dropped.
pub struct Lent<'h, 'c, 'a> {
    host: &'h Host,
    context: &'c mut Context<'a>,
}

impl Lent<'_, '_, '_> {
    /// The protocol that the script has chosen for its replies.
    pub fn protocol(&self) -> Protocol {
        let state = self.host.state();
        state
            .run
            .as_ref()
            .map_or(Protocol::Resp2, |run| run.session.protocol)
    }
}

impl Drop for Lent<'_, '_, '_> {
    fn drop(&mut self) {
        let Some(run) = self.host.state().run.take() else {
            return;
        };
        *self.context.db = run.db;
        // What the script has read its caller has read.
        self.context.session.tracking = run.session.tracking;
        if run.busy {
            let instance = self.context.instance;
            instance.scripts.running.set_over();
            // Others may have begun to follow keys while the data set was here.
            instance.follow(self.context.db);
        }
    }
}
