//! Commands that wait: how a handler blocks its client, and how a blocked client's command runs again.
//!
//! A handler that finds nothing calls [`Context::block`]. Its client is then parked: its connection executes nothing
//! until it is woken. When a key that it waits for changes, the command that changed it (after its transaction or script)
//! comes to [`serve`], which runs the waiting commands again, in the order in which their clients came, through the same
//! handlers. One that still finds nothing calls [`Context::block`] again, and keeps its place. The answer goes into the
//! client's outbox. A command counts as called when it has its answer.

use std::sync::Arc;

use bytes::BytesMut;

use super::call::{call, count_time, write_error};
use super::context::Context;
use super::error::CommandError;
use super::session::{Parked, Place, Session};
use crate::instance::attention::OWN_INVALIDATIONS;
use crate::instance::waiters::{Pass, Wait, Waiter, WaitsFor};
use crate::instance::{Instance, tracking};
use crate::resp::{Blob, Reply};
use crate::store::db::{Db, DbIndex};

impl Context<'_> {
    /// Whether the command may wait: not within a transaction or a script.
    pub fn may_block(&self) -> bool {
        matches!(self.session.place, Place::Client | Place::Waking)
    }

    /// Parks the client until the command can answer; where it may not wait, it is answered as if it had waited in vain.
    /// The handler must not have written an answer, and return.
    pub fn block(&mut self, wait: impl FnOnce(&mut Self) -> Wait) {
        match self.session.place {
            Place::Transaction | Place::Script => (wait(self).in_vain)(&mut self.reply),
            Place::Waking => self.session.parked = Parked::Blocked,
            Place::Client => {
                let wait = wait(self);
                self.park(wait);
            }
        }
    }

    fn park(&mut self, wait: Wait) {
        self.session.handle.set_parked(true);
        let session = Session {
            place: Place::Waking,
            ..self.session.clone()
        };
        self.session.parked = Parked::Blocked;
        self.instance.waiters().add(Waiter::new(session, wait));
        self.instance.follow(self.db);
    }
}

/// Serves the clients that wait for keys that have changed, until no such key is left: serving one may change others.
/// Whether any has its answer now is answered.
#[cold]
pub fn serve(db: &mut Db, instance: &Instance) -> bool {
    let no_touch = db.no_touch;
    let mut any = false;
    loop {
        let ready = instance.waiters().next_ready();
        let Some((index, key)) = ready else {
            break;
        };
        any |= serve_key(db, instance, index, &key);
    }
    db.no_touch = no_touch;
    instance.follow(db);
    any
}

/// Runs the commands that wait for `key` again, the oldest first, as long as there may be something for them.
fn serve_key(db: &mut Db, instance: &Instance, index: DbIndex, key: &[u8]) -> bool {
    let (mut pass, mut any) = (Pass::default(), false);
    loop {
        let value = db.peek(index, key);
        let value = value.as_ref().map(|entry| entry.value());
        let next = instance.waiters().next_for(index, key, value, &mut pass);
        let Some(id) = next else {
            return any;
        };
        any |= run_again(db, instance, id, &mut pass);
    }
}

/// Room for the answers that most waiting clients get.
const ANSWER_BYTES: usize = 256;

/// Runs the command of a blocked client again; wakes the client if it has an answer now, and says so.
fn run_again(db: &mut Db, instance: &Instance, id: u64, pass: &mut Pass) -> bool {
    let Some(mut waiter) = instance.waiters().take(id) else {
        return false;
    };
    if waiter.session.handle.is_killed() {
        // What it would get would be lost with its connection.
        instance.waiters().forget(&waiter);
        return false;
    }
    let (mut out, mut blobs) = (BytesMut::with_capacity(ANSWER_BYTES), Vec::new());
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
        pass.found_nothing(&waiter.wait);
        instance.waiters().put_back(waiter);
        return false;
    }
    instance.waiters().forget(&waiter);
    wake(instance, waiter, &out, blobs);
    true
}

/// Ends the wait of a client that its keys have not woken (its time is over, somebody ends it): `answer` is written for
/// it. False if no such client waits.
pub fn end_wait(
    db: &mut Db,
    instance: &Instance,
    id: u64,
    answer: impl FnOnce(&Wait, &mut Reply<'_>) -> Result<(), CommandError>,
) -> bool {
    let Some(waiter) = take_out(db, instance, id) else {
        return false;
    };
    let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
    let mut reply = Reply::new(&mut out, &mut blobs, waiter.session.protocol);
    let answered = answer(&waiter.wait, &mut reply);
    let request = waiter.wait.request.get(0);
    if let Some(command) = instance.registry.resolve(request) {
        if let WaitsFor::Peer(since) = waiter.wait.on {
            // Unlike one that waits for somebody's write, this one has worked meanwhile.
            let session = &waiter.session;
            count_time(instance, command, session, request, since, db.now_ms());
        }
        let counters = &instance.stats.commands[command.id];
        counters.calls.add(1);
        counters.failed.add(u64::from(answered.is_err()));
    }
    if let Err(error) = answered {
        write_error(instance, &error, &mut reply);
    }
    wake(instance, waiter, &out, blobs);
    true
}

/// Forgets the wait of a client that gets no answer any more.
pub fn abandon(db: &mut Db, instance: &Instance, id: u64) {
    take_out(db, instance, id);
}

fn take_out(db: &mut Db, instance: &Instance, id: u64) -> Option<Box<Waiter>> {
    let waiter = {
        let mut waiters = instance.waiters();
        let waiter = waiters.take(id)?;
        waiters.forget(&waiter);
        waiter
    };
    instance.follow(db);
    Some(waiter)
}

/// Gives a client that waited its answer.
fn wake(instance: &Instance, waiter: Box<Waiter>, out: &[u8], blobs: Vec<Blob>) {
    let handle = Arc::clone(&waiter.session.handle);
    if waiter.session.reply_mode.answers() {
        handle.post_reply(out, blobs);
    }
    if instance.attention.has(OWN_INVALIDATIONS) {
        tracking::deliver_own(instance);
    }
    handle.set_parked(false);
}
