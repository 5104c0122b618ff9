//! What a client has read: remembered for those who keep a cache of their own (CLIENT TRACKING).
//!
//! After each command of such a client [`note`] looks whether it was a reading one, and takes its keys. The reads of a
//! script are its caller's, and so are the keys that the script was given, if it has read anything: so it was in Redis 7.0,
//! whose tests wait for their invalidation, while later versions take what is read alone. Who is told of too much reads once more.

use super::context::Context;
use super::flags::{Flags, Group};
use super::registry::Command;
use super::session::{Place, Session};
use crate::instance::tracking::{self, Mode};
use crate::resp::Request;

/// What a client's commands have to know of its tracking.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadTracking {
    /// Whether its reads may have to be remembered.
    pub on: bool,
    /// Which of them are.
    pub mode: Mode,
    /// Whether CLIENT CACHING was given for the next command, or transaction.
    pub caching: bool,
    /// Whether the script that runs has read something.
    script_has_read: bool,
}

impl ReadTracking {
    /// For a client that tracks in this mode.
    pub fn new(mode: Mode) -> Self {
        ReadTracking {
            on: mode != Mode::Broadcast,
            mode,
            ..ReadTracking::default()
        }
    }

    fn remembers(self) -> bool {
        match self.mode {
            Mode::Reads => true,
            Mode::OptIn => self.caching,
            Mode::OptOut => !self.caching,
            Mode::Broadcast => false,
        }
    }
}

/// Notes what the command of `context`, which has run, has read. Called after those who follow keys were told of changes:
/// a key that has expired in this command and that it has found missing is remembered as missing.
#[cold]
pub fn note(context: &mut Context<'_>, request: Request<'_>) {
    let spec = context.command.spec;
    let (in_script, at_client) = match context.session.place {
        Place::Script => (true, false),
        Place::Client => (false, true),
        Place::Transaction | Place::Waking => (false, false),
    };
    let tracking = &mut context.session.tracking;
    let reads = if matches!(spec.group, Group::Scripting) {
        !in_script && std::mem::take(&mut tracking.script_has_read)
    } else {
        spec.flags.has(Flags::READONLY)
    };
    tracking.script_has_read |= reads && in_script;
    let remembers = reads && tracking.remembers();
    if at_client {
        end_caching(context.session, Some(context.command));
    }
    if remembers {
        remember(context, request);
    }
}

/// What CLIENT CACHING has said is over with `command`, whether it ran or was refused. It holds for a whole transaction,
/// and what is said by CLIENT itself lies between.
pub fn end_caching(session: &mut Session, command: Option<&Command>) {
    let of_client = command.is_some_and(|command| command.full_name.starts_with("client|"));
    session.tracking.caching &= of_client || session.transaction.is_open();
}

fn remember(context: &mut Context<'_>, request: Request<'_>) {
    let Ok(keys) = context.command.spec.find_keys(request) else {
        return;
    };
    let id = context.session.id();
    {
        let mut tracking = context.instance.tracking();
        for key in keys {
            tracking.remember(request.get(key.index), id);
        }
    }
    if tracking::needs_trim(context.instance) {
        tracking::trim(context.instance, context.db, Some(id));
    }
}
