//! Commands that wait: how a handler blocks its client, and how a blocked client's command runs again.
//!
//! A handler that finds nothing calls [`Context::block`]. Its client is then parked: its connection executes nothing
//! until it is woken. When a key that it waits for changes, the command that changed it (after its transaction or script)
//! comes to [`serve`], which runs the waiting commands again, in the order in which their clients came, through the same
//! handlers. One that still finds nothing calls [`Context::block`] again, and keeps its place. The answer goes into the
//! client's outbox.

use std::sync::Arc;

use bytes::BytesMut;

use super::call::{call, write_error};
use super::context::Context;
use super::error::CommandError;
use super::session::{Parked, Place, Session};
use crate::instance::attention::OWN_INVALIDATIONS;
use crate::instance::waiters::{Wait, Waiter};
use crate::instance::{Instance, tracking};
use crate::resp::{Blob, Reply};
use crate::store::db::{Db, DbIndex};

impl Context<'_> {
    /// Whether the command may wait: not within a transaction or a script.
    pub fn may_block(&self) -> bool {
        matches!(self.session.place, Place::Client | Place::Waking)
    }

    /// Parks the client until the command can answer. The handler must return without having written an answer.
    pub fn block(&mut self, wait: Wait) {
        debug_assert!(self.may_block(), "a script cannot wait");
        self.session.parked = Parked::Blocked;
        if self.session.place == Place::Waking {
            return;
        }
        self.session.handle.set_parked(true);
        let session = Session {
            place: Place::Waking,
            parked: Parked::No,
            ..self.session.clone()
        };
        self.instance.waiters().add(Waiter { session, wait });
        self.instance.follow(self.db);
    }
}

/// Serves the clients that wait for keys that have changed, until no such key is left: serving one may change others.
#[cold]
pub fn serve(db: &mut Db, instance: &Instance) {
    loop {
        let ready = instance.waiters().next_ready();
        let Some((index, key)) = ready else {
            break;
        };
        serve_key(db, instance, index, &key);
    }
    instance.follow(db);
}

/// Runs the commands that wait for `key` again, the oldest first.
fn serve_key(db: &mut Db, instance: &Instance, index: DbIndex, key: &[u8]) {
    let waiting = instance.waiters().waiting_for(index, key);
    for id in waiting {
        let takes = {
            let waiters = instance.waiters();
            let value = db.peek(index, key);
            waiters.get(id).is_some_and(|waiter| {
                waiter
                    .wait
                    .on
                    .is_answered_by(value.map(|entry| entry.value()))
            })
        };
        if takes {
            run_again(db, instance, id);
        }
    }
}

/// Runs the command of a blocked client again; wakes the client if it has an answer now.
fn run_again(db: &mut Db, instance: &Instance, id: u64) {
    let Some(mut waiter) = instance.waiters().take(id) else {
        return;
    };
    let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
    let request = waiter.wait.request.get(0);
    if let Some(command) = instance.registry.resolve(request) {
        let session = &mut waiter.session;
        let reply = Reply::new(&mut out, &mut blobs, session.protocol);
        db.no_touch = session.no_touch;
        let mut context = Context {
            db,
            session,
            instance,
            reply,
            command,
        };
        call(&mut context, request);
    }
    if waiter.session.parked == Parked::Blocked {
        waiter.session.parked = Parked::No;
        instance.waiters().put_back(waiter);
    } else {
        wake(instance, waiter, &out, blobs);
    }
}

/// Ends the wait of a client that its keys have not woken (its time is over, somebody ends it): `answer` is written for
/// it. False if no such client waits.
pub fn end_wait(
    db: &mut Db,
    instance: &Instance,
    id: u64,
    answer: impl FnOnce(&Wait, &mut Reply<'_>) -> Result<(), CommandError>,
) -> bool {
    let Some(waiter) = instance.waiters().take(id) else {
        return false;
    };
    let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
    let mut reply = Reply::new(&mut out, &mut blobs, waiter.session.protocol);
    if let Err(error) = answer(&waiter.wait, &mut reply) {
        write_error(instance, &error, &mut reply);
    }
    wake(instance, waiter, &out, blobs);
    instance.follow(db);
    true
}

/// Gives a client that waited its answer.
fn wake(instance: &Instance, mut waiter: Waiter, out: &[u8], blobs: Vec<Blob>) {
    instance.waiters().forget(&waiter);
    let handle = Arc::clone(&waiter.session.handle);
    if waiter.session.reply_mode.answers() {
        handle.post_reply(out, blobs);
    }
    if instance.attention.has(OWN_INVALIDATIONS) {
        tracking::deliver_own(instance);
    }
    waiter.session.parked = Parked::No;
    handle.set_parked(false);
}
