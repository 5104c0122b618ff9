//! [`commit`]: a new base, which is written, takes the place of what it has made superfluous.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::{Failed, Ledger, State};
use crate::config::error::system_text;
use crate::instance::Instance;
use crate::persist::aof::manifest::BaseForm;

/// Gives the base at `temporary` its name, and writes the manifest with it. After an error all is as before.
pub(super) fn commit(
    instance: &Instance,
    temporary: &Path,
    form: BaseForm,
    is_cancelled: impl Fn() -> bool,
) -> Result<(), Failed> {
    let aof = &instance.aof;
    let mut ledger = aof.ledger();
    let Ledger {
        directory,
        manifest,
    } = ledger.as_mut().ok_or(Failed)?;
    if is_cancelled() {
        return Err(Failed);
    }
    tracing::info!("Background AOF rewrite terminated with success");
    let state = aof.state();
    let mut changed = manifest.clone();
    let base = changed.add_base(directory.prefix(), form);
    let rename = |from: &Path, name: &[u8], what: &str| {
        let to = directory.file(name);
        let (shown_from, shown_to) = (from.display(), to.display());
        if let Err(error) = directory.disk().rename(from, &to) {
            let text = system_text(&error);
            tracing::warn!(
                "Error trying to rename the temporary AOF {what} file {shown_from} into {shown_to}: {text}"
            );
            return Err(Failed);
        }
        let name = String::from_utf8_lossy(name);
        tracing::info!(
            "Successfully renamed the temporary AOF {what} file {shown_from} into {name}"
        );
        Ok(())
    };
    let mut made = vec![base.clone()];
    let outcome = rename(temporary, &base, "base").and_then(|()| {
        if state == State::Waiting {
            let temporary = directory.file(&directory.temporary_increment());
            let increment = changed.add_increment(directory.prefix());
            rename(&temporary, &increment, "incr")?;
            made.push(increment);
        }
        changed.retire_increments(usize::from(state != State::Off));
        directory.write_manifest(&changed)
    });
    // Where only the directory could not be synced, the new manifest is there, and may be gone with the power.
    let is_adopted = outcome.is_ok()
        || directory
            .read_manifest()
            .is_ok_and(|found| found == changed);
    if !is_adopted {
        for name in &made {
            let _ = directory.disk().remove(&directory.file(name));
        }
        return outcome;
    }
    *manifest = changed;
    if state == State::Waiting {
        aof.set_state(State::On);
    }
    let base_size = manifest
        .base
        .as_ref()
        .map_or(Ok(0), |base| directory.size(base));
    let counters = &aof.counters;
    counters
        .others
        .store(base_size.unwrap_or(0), Ordering::Relaxed);
    let increment = counters.increment.load(Ordering::Relaxed);
    counters
        .base
        .store(base_size.unwrap_or(0) + increment, Ordering::Relaxed);
    // The manifest before must find its files.
    if outcome.is_ok() && !instance.config().aof_disable_auto_gc() {
        // What stays there takes room, and is removed at the next start.
        let _ = directory.remove_history(manifest);
    }
    Ok(())
}
