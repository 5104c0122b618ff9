//! The last thing that a server does with its data set: saving it where that is wished, after which nothing may change.

use std::sync::atomic::Ordering;

use super::attention::ENDING;
use super::{Instance, ShutdownRequest, aof, saving};
use crate::config::choices::ShutdownFlags;
use crate::store::db::Db;

impl ShutdownRequest {
    /// What a signal stands for under the parameter of that signal.
    pub fn of_signal(flags: ShutdownFlags) -> Self {
        ShutdownRequest {
            now: flags.now(),
            force: flags.force(),
            save: (flags.save() || flags.nosave()).then_some(flags.save()),
        }
    }
}

/// Whether a shutdown that was asked for like this saves the data set.
pub fn saves(instance: &Instance, request: ShutdownRequest) -> bool {
    let configured = || !instance.config().save_points().is_empty();
    // What is loaded in part is no data set.
    !instance.loading.is_loading() && request.save.unwrap_or_else(configured)
}

/// Readies the data set, whose lock is held, for the end of the process; false if it cannot be saved, and the server has
/// to go on.
pub fn prepare(db: &mut Db, instance: &Instance, request: ShutdownRequest) -> bool {
    tracing::warn!("User requested shutdown...");
    instance.saving.cancel_and_wait(&*instance.disk);
    if !leave_file(instance, request) {
        return false;
    }
    if !saves(instance, request) {
        return true;
    }
    tracing::info!("Saving the final RDB snapshot before exiting.");
    if !saving::save_now(db, instance) {
        if !request.force {
            tracing::warn!("Error trying to save the DB, can't exit.");
            tracing::warn!(
                "Errors trying to shut down the server. Check the logs for more information."
            );
            return false;
        }
        tracing::warn!("Error trying to save the DB. Exit anyway.");
    }
    instance.attention.raise(ENDING);
    true
}

/// Readies the append-only file; false if its first base is not written yet, without which it has nothing.
fn leave_file(instance: &Instance, request: ShutdownRequest) -> bool {
    if instance.aof.state() == aof::State::Waiting {
        if !request.force {
            tracing::warn!("Writing initial AOF, can't exit.");
            tracing::warn!(
                "Errors trying to shut down the server. Check the logs for more information."
            );
            return false;
        }
        tracing::warn!("Writing initial AOF. Exit anyway.");
    }
    aof::rewrite::cancel_at_end(instance);
    true
}

/// Calls off the shutdown that a signal has asked for and that has not begun; false if there is none.
pub fn abort(instance: &Instance) -> bool {
    let aborts = instance.shutdown_pending.swap(false, Ordering::Relaxed);
    if aborts {
        tracing::warn!("Shutdown manually aborted.");
    }
    aborts
}
