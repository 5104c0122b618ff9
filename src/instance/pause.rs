//! CLIENT PAUSE: commands that have to wait, and the clients that sent them.
//!
//! Life cycle: [`begin`] raises [`PAUSED`], and from then on the gate asks of each command whether the pause [holds] it; if
//! so, its connection is parked with the command unread. [`end`], by CLIENT UNPAUSE or by the timer, wakes these clients in
//! their order. Meanwhile keys whose time is over look as if they were gone, and stay.
//!
//! [holds]: Pause::holds

use std::collections::VecDeque;
use std::sync::Arc;

use super::Instance;
use super::attention::PAUSED;
use super::clients::ClientHandle;
use crate::command::Flags;
use crate::store::db::Db;

/// Which commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those that write, and those that are replicated though they do not.
    Writes,
    /// All.
    All,
}

/// A pause, if there is one.
#[derive(Debug, Default)]
pub struct Pause {
    /// What waits, and until which time in Unix milliseconds.
    current: Option<(Scope, u64)>,
    /// The clients that wait, in the order in which they came.
    postponed: VecDeque<Arc<ClientHandle>>,
}

impl Pause {
    /// When the pause ends, in Unix milliseconds.
    pub fn until_ms(&self) -> Option<u64> {
        self.current.map(|(_, until_ms)| until_ms)
    }

    /// Whether a command with such flags has to wait.
    pub fn holds(&self, flags: Flags) -> bool {
        match self.current {
            None => false,
            Some((Scope::All, _)) => true,
            Some((Scope::Writes, _)) => flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE),
        }
    }

    /// Keeps a client's place until the pause ends.
    pub fn postpone(&mut self, handle: &Arc<ClientHandle>) {
        handle.set_parked(true);
        self.postponed.push_back(Arc::clone(handle));
    }

    /// Wakes those who have waited for a pause that has ended. To be called from no I/O thread: one that wakes its own
    /// connections runs the last of them first.
    pub fn wake_postponed(&mut self) {
        if self.current.is_none() {
            for client in self.postponed.drain(..) {
                client.set_parked(false);
            }
        }
    }

    /// Gives up the place of a client.
    pub fn forget(&mut self, id: u64) {
        self.postponed.retain(|client| client.id != id);
    }
}

/// Pauses clients. A pause that is under way is only extended: the wider of the scopes and the later of the ends hold.
pub fn begin(db: &mut Db, instance: &Instance, scope: Scope, until_ms: u64) {
    let mut pause = instance.pause();
    pause.current = Some(match pause.current {
        None => (scope, until_ms),
        Some((before, end_ms)) => (before.max(scope), end_ms.max(until_ms)),
    });
    drop(pause);
    keep_expired(db, instance, false);
    instance.attention.raise(PAUSED);
    instance.announce_pause();
}

/// Has keys whose time is over left where they are for as long as there is a pause, or `import-mode` is on.
pub fn keep_expired(db: &mut Db, instance: &Instance, import_mode: bool) {
    db.keeps_expired = import_mode || instance.pause().current.is_some();
}

/// Ends the pause and has those woken who waited for that.
pub fn end(db: &mut Db, instance: &Instance) {
    instance.pause().current = None;
    keep_expired(db, instance, instance.config().import_mode());
    instance.attention.lower(PAUSED);
    instance.announce_end_of_pause();
}

/// Ends the pause if its time is over.
pub fn end_if_due(db: &mut Db, instance: &Instance) {
    let until_ms = instance.pause().until_ms();
    if until_ms.is_some_and(|until_ms| until_ms <= db.now_ms()) {
        end(db, instance);
    }
}
