//! Answering while a script runs for too long.
//!
//! A script keeps the data set's lock. Who waits for the lock looks now and then whether it is such a script that has it
//! ([`lock`]); if so, connections refuse their commands with BUSY, all but the few that need no data
//! ([`Gate::execute_busy`]): those flagged `allow_busy` that have no keys, which end a script among them. They run beside the script, with an
//! empty data set, so nothing that they do may rest on what the data set holds.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::dispatch::{Gate, find, mute, refuse};
use crate::command::call::call;
use crate::command::{CommandError, Context, Flags};
use crate::instance::Instance;
use crate::resp::{Reply, Request};
use crate::script::running::Kind;
use crate::store::db::Db;

/// So long somebody who wants the data set waits between two looks at the script.
const PATIENCE: Duration = Duration::from_millis(2);

/// The data set; nothing while a script has it that has run for too long.
#[inline]
pub fn lock<'a>(db: &'a Mutex<Db>, instance: &Instance) -> Option<MutexGuard<'a, Db>> {
    db.try_lock().or_else(|| lock_in_time(db, instance))
}

#[cold]
fn lock_in_time<'a>(db: &'a Mutex<Db>, instance: &Instance) -> Option<MutexGuard<'a, Db>> {
    loop {
        if let Some(db) = db.try_lock_for(PATIENCE) {
            return Some(db);
        }
        if instance.scripts.running.busy().is_some() {
            return None;
        }
    }
}

/// As [`lock`], for what shares its thread with others: while it waits they get their turn. On the main runtime these are
/// the signals and new connections, and the data set may be in use for as long as it takes to save it.
pub async fn lock_in_turns<'a>(
    db: &'a Mutex<Db>,
    instance: &Instance,
) -> Option<MutexGuard<'a, Db>> {
    loop {
        if let Some(db) = db.try_lock_for(PATIENCE) {
            return Some(db);
        }
        if instance.scripts.running.busy().is_some() {
            return None;
        }
        tokio::task::yield_now().await;
    }
}

/// Does something with the data set, when no script has it.
pub async fn when_free(db: &Mutex<Db>, instance: &Instance, work: impl FnOnce(&mut Db)) {
    loop {
        if let Some(mut db) = lock_in_turns(db, instance).await {
            return work(&mut db);
        }
        instance.scripts.running.over().await;
    }
}

/// What stands in for the data set while a script has it: as many keyspaces, all empty.
pub fn stand_in(instance: &Instance, now_ms: u64) -> Db {
    let mut db = Db::new(instance.config().databases(), Some(0));
    db.set_clock(now_ms);
    db
}

impl Gate<'_> {
    /// Executes one request beside a script of that kind, on an empty data set.
    pub(super) fn execute_busy(&mut self, kind: Kind, request: Request<'_>, mut reply: Reply<'_>) {
        let mark = reply.mark();
        self.session.begin_command();
        let command = match find(&self.instance.registry, request, None) {
            Ok(command) => command,
            Err(error) => return self.reject_unknown(error, request, reply, mark),
        };
        let refused = refuse(command, request, self.session, self.instance).or_else(|| {
            // WATCH is flagged, but would look at keys.
            let is_allowed = command.spec.flags.has(Flags::ALLOW_BUSY) && !command.spec.has_keys();
            (!is_allowed).then_some(CommandError::Busy(kind))
        });
        if let Some(error) = refused {
            return self.reject(Some(command), error, &mut reply, mark);
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
        mute(context.session, &mut context.reply, mark);
    }
}
