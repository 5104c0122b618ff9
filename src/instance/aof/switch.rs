//! Turning the append-only file on and off while the server runs (CONFIG SET appendonly).

use std::sync::atomic::Ordering;

use super::files::Files;
use super::{Failed, State, rewrite, writer};
use crate::instance::Instance;
use crate::store::db::Db;

/// Turns it on: writes go into a temporary increment from now on, and both count once the base is written. `may_begin` says
/// whether that can begin now; if not, it begins as soon as it can.
pub fn turn_on(db: &mut Db, instance: &Instance, may_begin: bool) -> Result<(), Failed> {
    let aof = &instance.aof;
    if aof.is_on() {
        return Ok(());
    }
    if rewrite::is_running(instance) {
        tracing::warn!(
            "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a \
             rewrite now."
        );
        rewrite::cancel(instance);
    }
    aof.forget_trouble(instance);
    let config = instance.config();
    aof.set_policy(config.appendfsync());
    instance.log.note_time(config.aof_timestamp_enabled());
    drop(config);
    let start = instance.log.end();
    *aof.files() = Files::waiting(start);
    aof.counters.increment.store(0, Ordering::Relaxed);
    aof.counters.others.store(0, Ordering::Relaxed);
    aof.written.store(start, Ordering::Release);
    aof.set_state(State::Waiting);
    aof.publish_synced(start);
    writer::start(instance).inspect_err(|_| aof.set_state(State::Off))?;
    db.effects.on = true;
    if !may_begin {
        aof.schedule_rewrite();
        tracing::warn!(
            "AOF was enabled but there is already another background operation. An AOF background was scheduled to start \
             when possible."
        );
        return Ok(());
    }
    if rewrite::start(db, instance).is_err() {
        tracing::warn!(
            "The server needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above logs \
             for more info about the error."
        );
        turn_off(db, instance);
        return Err(Failed);
    }
    Ok(())
}

/// Turns it off: what is in the log is written and synced, and the files stay as they are.
pub fn turn_off(db: &mut Db, instance: &Instance) {
    let aof = &instance.aof;
    if !aof.is_on() {
        return;
    }
    db.effects.on = false;
    rewrite::cancel(instance);
    aof.close(instance);
    aof.forget_trouble(instance);
}
