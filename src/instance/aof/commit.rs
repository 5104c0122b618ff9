//! [`commit`]: a new base, which is written, takes the place of what it has made superfluous.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::directory::Directory;
use super::sync::Turned;
use super::{Aof, Failed, Ledger, State};
use crate::config::error::system_text;
use crate::instance::Instance;
use crate::persist::aof::manifest::{BaseForm, Manifest};

/// Gives the base at `temporary` its name, and writes the manifest with it; `turned` says what it has. After an error all is as
/// before.
pub(super) fn commit(
    instance: &Instance,
    temporary: &Path,
    form: BaseForm,
    turned: Turned,
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
    let mut made = Vec::new();
    let mut outcome = put_in_place(directory, &mut changed, &mut made, temporary, form, state);
    // Where only the directory could not be synced, the new manifest is there, and may be gone with the power.
    let is_there = outcome.is_ok()
        || directory
            .read_manifest()
            .is_ok_and(|found| found == changed);
    if outcome.is_err() && is_there {
        outcome = directory.write_manifest(&changed);
    }
    // With the manifest before nothing would be lost, unless there was no append-only file before.
    if outcome.is_err() && (!is_there || state == State::Waiting) {
        for name in made.iter().filter(|_| !is_there) {
            let _ = directory.disk().remove(&directory.file(name));
        }
        return outcome;
    }
    *manifest = changed;
    if state == State::Waiting {
        aof.set_state(State::On);
    }
    if outcome.is_ok() && state != State::Off {
        aof.base_counts(instance, turned);
    }
    count(aof, directory, manifest);
    // The manifest before must find its files.
    if outcome.is_ok() && !instance.config().aof_disable_auto_gc() {
        // What stays there takes room, and is removed at the next start.
        let _ = directory.remove_history(manifest);
    }
    Ok(())
}

/// Renames the files, and writes `manifest` with them. The names that were given are added to `made`.
fn put_in_place(
    directory: &Directory,
    manifest: &mut Manifest,
    made: &mut Vec<Vec<u8>>,
    temporary: &Path,
    form: BaseForm,
    state: State,
) -> Result<(), Failed> {
    let base = manifest.add_base(directory.prefix(), form);
    rename(directory, temporary, &base, "base")?;
    made.push(base);
    if state == State::Waiting {
        let temporary = directory.file(&directory.temporary_increment());
        let increment = manifest.add_increment(directory.prefix());
        rename(directory, &temporary, &increment, "incr")?;
        made.push(increment);
    }
    manifest.retire_increments(usize::from(state != State::Off));
    directory.write_manifest(manifest)
}

fn rename(directory: &Directory, from: &Path, name: &[u8], what: &str) -> Result<(), Failed> {
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
    tracing::info!("Successfully renamed the temporary AOF {what} file {shown_from} into {name}");
    Ok(())
}

/// Counts the bytes anew: the growth of the files is seen against what they are now.
fn count(aof: &Aof, directory: &Directory, manifest: &Manifest) {
    let base = manifest.base.as_ref();
    let base = base.map_or(Ok(0), |base| directory.size(base)).unwrap_or(0);
    let counters = &aof.counters;
    counters.others.store(base, Ordering::Relaxed);
    let increment = counters.increment.load(Ordering::Relaxed);
    counters.base.store(base + increment, Ordering::Relaxed);
}
