//! Going on with an append-only file at the start, once it is loaded; and beginning one where there is none.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::base::Base;
use super::directory::Directory;
use super::files::Files;
use super::{Failed, Ledger, State, load, writer};
use crate::config::error::system_text;
use crate::instance::Instance;
use crate::store::db::Db;

/// Reads which files there are, below the working directory. To be called once, before anything else.
pub fn find(instance: &Instance) -> Result<(), Failed> {
    let folder = std::env::current_dir().map_err(|error| {
        tracing::warn!("Can't find the working directory: {}", system_text(&error));
        Failed
    })?;
    find_below(instance, &folder)
}

pub(super) fn find_below(instance: &Instance, folder: &Path) -> Result<(), Failed> {
    let config = instance.config();
    let directory = Directory::of(&config, folder, instance.disk.clone());
    instance.aof.set_policy(config.appendfsync());
    load::find(&instance.aof, directory)
}

/// Loads what there is into `db`, which is empty, and writes into the last increment from now on, or into a first one. Whoever
/// puts `db` in its place has its effects logged.
pub fn load_and_open(instance: &Instance, mut db: Db) -> Result<Db, Failed> {
    load::load(instance, &mut db)?;
    prepare(instance, &db)?;
    writer::start(instance)?;
    Ok(db)
}

pub(super) fn prepare(instance: &Instance, db: &Db) -> Result<(), Failed> {
    let aof = &instance.aof;
    let mut ledger = aof.ledger();
    let Ledger {
        directory,
        manifest,
    } = ledger.as_mut().ok_or(Failed)?;
    directory.make()?;
    let mut changed = manifest.clone();
    if changed.increments.is_empty() {
        // What no manifest names any more is nothing to go on with, and a person may want it back.
        let names = directory.names()?;
        changed.count_past(directory.prefix(), names.iter().map(Vec::as_slice));
    }
    if changed.is_empty() {
        let base = Base::take(db, instance);
        let name = changed.add_base(directory.prefix(), base.form);
        let written = base.write(directory, &directory.file(&name), &mut || Ok(()));
        written.map_err(|error| {
            let text = system_text(&error);
            tracing::warn!("Write error writing append only file on disk: {text}");
            Failed
        })?;
        let name = String::from_utf8_lossy(&name);
        tracing::info!("Creating AOF base file {name} on server start");
    }
    let is_new = changed.increments.is_empty();
    let (name, file) = match changed.increments.last() {
        Some(part) => (part.name.clone(), directory.open_at_end(&part.name)?),
        None => {
            let name = changed.add_increment(directory.prefix());
            let file = directory.create(&name)?;
            (name, file)
        }
    };
    if changed != *manifest {
        directory.write_manifest(&changed)?;
        *manifest = changed;
    }
    let shown = String::from_utf8_lossy(&name);
    let verb = if is_new { "Creating" } else { "Opening" };
    tracing::info!("{verb} AOF incr file {shown} on server start");
    let sizes = manifest.read_order().map(|part| directory.size(part));
    let sizes: Vec<u64> = sizes.collect::<Result<_, _>>()?;
    let len = sizes.last().copied().unwrap_or(0);
    let counters = &aof.counters;
    counters.increment.store(len, Ordering::Relaxed);
    counters
        .others
        .store(sizes.iter().sum::<u64>() - len, Ordering::Relaxed);
    if !instance.config().aof_disable_auto_gc() {
        directory.remove_history(manifest)?;
    }
    drop(ledger);
    instance
        .log
        .note_time(instance.config().aof_timestamp_enabled());
    let start = instance.log.end();
    *aof.files() = Files::open(file, len, start);
    aof.written.store(start, Ordering::Release);
    aof.publish_synced(start);
    aof.set_state(State::On);
    Ok(())
}
