//! Reading an append-only file at the start: its base, then its increments in order.
//!
//! A file that ends within a command is cut behind its last whole one, a transaction counting as one, where
//! `aof-load-truncated` says so and nothing comes after it. Whatever else is wrong is told to the log with its place, and the
//! server does not start: it is for a person to decide what is to be lost.

use std::io::{self, Cursor, Read};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::directory::Directory;
use super::{Aof, Failed, Ledger, unlisted};
use crate::command::replay::Replay;
use crate::config::error::system_text;
use crate::instance::loading::{self, Counted};
use crate::instance::{Instance, unix_ms};
use crate::persist::aof::manifest::{Manifest, Part};
use crate::persist::aof::reader::{ReadError, Reader, Words};
use crate::persist::rdb::dataset::LoadRules;
use crate::persist::rdb::file::Reader as Dump;
use crate::resp::CommandQueue;
use crate::script::functions::Policy;
use crate::store::db::Db;

/// How a dump file begins.
const DUMP: &[u8] = b"REDIS";
const DUMP_VALKEY: &[u8] = b"VALKEY";
/// A word of so many bytes is shared with the data set, not copied into it.
const SHARED_BYTES: usize = 32 * 1024;
/// A command or transaction with more bytes than this, beside such words, is none that was logged.
const MAX_UNIT_BYTES: usize = 2 << 30;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No append-only file.
    Nothing,
    /// One, which is loaded.
    Files,
}

/// Reads the manifest, so that the files are known, on or not.
pub(super) fn find(aof: &Aof, directory: Directory) -> Result<(), Failed> {
    let manifest = directory.read_manifest()?;
    *aof.ledger() = Some(Ledger {
        directory,
        manifest,
    });
    Ok(())
}

/// Reads the manifest again, as another one may have been put there, and loads as [`load`] does.
pub fn load_again(instance: &Instance, db: &mut Db) -> Result<Found, Failed> {
    if let Some(ledger) = instance.aof.ledger().as_mut() {
        ledger.manifest = ledger.directory.read_manifest()?;
    }
    load(instance, db)
}

/// Whether there is nothing to be loaded, from now or from former times.
pub fn is_nothing(instance: &Instance) -> bool {
    let ledger = instance.aof.ledger();
    ledger.as_ref().is_some_and(|ledger| {
        let directory = &ledger.directory;
        let former = directory.disk().len(&directory.beside(directory.prefix()));
        ledger.manifest.is_empty() && matches!(former, Ok(None))
    })
}

/// Loads what the manifest names into `db`, which is empty.
pub fn load(instance: &Instance, db: &mut Db) -> Result<Found, Failed> {
    let start = Instant::now();
    let aof = &instance.aof;
    let mut ledger = aof.ledger();
    let Ledger {
        directory,
        manifest,
    } = ledger.as_mut().ok_or(Failed)?;
    upgrade(directory, manifest)?;
    unlisted::adopt(directory, manifest)?;
    if manifest.is_empty() {
        return Ok(Found::Nothing);
    }
    let sizes: Vec<u64> = manifest
        .read_order()
        .map(|part| directory.size(part))
        .collect::<Result<_, _>>()?;
    let total: u64 = sizes.iter().sum();
    instance.loading.count_from(total);
    db.set_clock(unix_ms());
    let last_written = sizes.iter().rposition(|&size| size > 0).unwrap_or(0);
    for (at, part) in manifest.read_order().enumerate().filter(|_| total > 0) {
        let begun = Instant::now();
        // What comes after it must not be joined to what came before the end of one that is not whole.
        let may_cut = at >= last_written;
        load_part(instance, directory, part, db, may_cut)?;
        let kind = match manifest.base {
            Some(_) if at == 0 => "base",
            _ => "incr",
        };
        let (name, seconds) = (shown(part), begun.elapsed().as_secs_f64());
        tracing::info!("DB loaded from {kind} file {name}: {seconds:.3} seconds");
    }
    let base = manifest.base.as_ref().map_or(0, |_| sizes[0]);
    aof.counters.base.store(base, Ordering::Relaxed);
    let seconds = start.elapsed().as_secs_f64();
    tracing::info!("DB loaded from append only file: {seconds:.3} seconds");
    Ok(Found::Files)
}

fn shown(part: &Part) -> String {
    String::from_utf8_lossy(&part.name).into_owned()
}

/// Moves the one file that Redis before 7.0 wrote into the directory, as the base.
fn upgrade(directory: &Directory, manifest: &mut Manifest) -> Result<(), Failed> {
    let disk = directory.disk();
    let prefix = directory.prefix();
    let (old, new) = (directory.beside(prefix), directory.file(prefix));
    let is_there = |path| matches!(disk.len(path), Ok(Some(_)));
    // A manifest that names the file alone, and no such file: the last start was interrupted in between.
    let is_begun = manifest.increments.is_empty()
        && manifest
            .base
            .as_ref()
            .is_some_and(|base| base.name == prefix)
        && !is_there(&new);
    if !is_there(&old) || !(manifest.is_empty() || is_begun) {
        return Ok(());
    }
    directory.make()?;
    if manifest.is_empty() {
        manifest.adopt_base(prefix);
    }
    directory.write_manifest(manifest)?;
    let (name, folder) = (String::from_utf8_lossy(prefix), directory.shown());
    let moved = disk
        .rename(&old, &new)
        .and_then(|()| disk.sync_dir(&directory.path()));
    if let Err(error) = moved {
        let text = system_text(&error);
        tracing::warn!("Error trying to move the old AOF file {name} into dir {folder}: {text}");
        return Err(Failed);
    }
    tracing::info!(
        "Successfully migrated an old-style AOF file ({name}) into the AOF directory ({folder})."
    );
    Ok(())
}

/// Loads one of the files, which may be cut where it ends too early if `may_cut` says so.
fn load_part(
    instance: &Instance,
    directory: &Directory,
    part: &Part,
    db: &mut Db,
    may_cut: bool,
) -> Result<(), Failed> {
    let name = shown(part);
    let file = directory.disk().open(&directory.file(&part.name));
    let file = file.map_err(|error| {
        let text = system_text(&error);
        match error.kind() {
            io::ErrorKind::NotFound => {
                tracing::warn!("The append log file {name} doesn't exist: {text}");
            }
            _ => tracing::warn!(
                "Fatal error: can't open the append log file {name} for reading: {text}"
            ),
        }
        Failed
    })?;
    let mut file = Counted::new(file, &instance.loading);
    let mut head = Vec::new();
    let begun = file
        .by_ref()
        .take(DUMP_VALKEY.len() as u64)
        .read_to_end(&mut head);
    begun.map_err(|error| cannot_read(&name, &error))?;
    let is_dump = head.starts_with(DUMP) || head.starts_with(DUMP_VALKEY);
    let cut = |valid| match may_cut {
        true => cut(instance, directory, part, valid),
        false => {
            tracing::warn!("Unexpected end of file reading the append only file {name}");
            tracing::warn!("Fatal error: the truncated file is not the last file");
            Err(Failed)
        }
    };
    let file = Cursor::new(head).chain(file);
    if !is_dump {
        return load_commands(instance, &name, Reader::new(file, 0), db, cut);
    }
    let is_old = part.name == directory.prefix();
    tracing::info!(
        "Reading RDB {} AOF {}...",
        if is_old {
            "preamble from"
        } else {
            "base file on"
        },
        if is_old { "file" } else { "loading" },
    );
    let mut dump = Dump::new(file, db.limits, instance.config().rdbchecksum())
        .map_err(|error| cannot_read_dump(&name, is_old, &error.to_string()))?;
    load_dump(instance, &mut dump, db).map_err(|text| cannot_read_dump(&name, is_old, &text))?;
    let position = dump.position();
    let (rest, file) = dump.into_rest();
    let rest = Cursor::new(rest).chain(file);
    if is_old {
        tracing::info!("Reading the remaining AOF tail...");
    }
    load_commands(instance, &name, Reader::new(rest, position), db, cut)
}

fn cannot_read(name: &str, error: &io::Error) -> Failed {
    let text = system_text(error);
    tracing::warn!("Unrecoverable error reading the append only file {name}: {text}");
    Failed
}

fn cannot_read_dump(name: &str, is_old: bool, text: &str) -> Failed {
    tracing::warn!("{text}");
    if is_old {
        tracing::warn!(
            "Error reading the RDB preamble of the AOF file {name}, AOF loading aborted"
        );
    } else {
        tracing::warn!("Error reading the RDB base file {name}, AOF loading aborted");
    }
    Failed
}

/// Loads a dump. What is due stays, as the commands that follow may say otherwise.
fn load_dump<R: Read + Send>(
    instance: &Instance,
    dump: &mut Dump<R>,
    db: &mut Db,
) -> Result<(), String> {
    let rules = LoadRules {
        skips_expired: false,
        replaces: false,
    };
    let loaded = loading::load(instance, dump, db, rules).map_err(|error| error.to_string())?;
    if loaded.functions.is_empty() {
        return Ok(());
    }
    loading::load_functions(instance, &loaded.functions, Policy::Flush)
        .map_err(|_| "its functions cannot be loaded".to_owned())
}

/// Repeats the commands of a file. Where it ends too early, `cut` is called with the end of what was repeated.
fn load_commands<R: Read>(
    instance: &Instance,
    name: &str,
    mut reader: Reader<R>,
    db: &mut Db,
    cut: impl FnOnce(u64) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut replay = Replay::new(instance);
    let mut queue = CommandQueue::default();
    // The end of the last command that has run, which is where the file may be cut.
    let mut valid = reader.offset();
    loop {
        match reader.read_command() {
            Ok(true) => {}
            Ok(false) if replay.is_within_transaction() => {
                tracing::warn!("Revert incomplete MULTI/EXEC transaction in AOF file {name}");
                return cut(valid);
            }
            Ok(false) => return Ok(()),
            Err(ReadError::CutOff) => return cut(valid),
            Err(ReadError::Io(error)) => return Err(cannot_read(name, &error)),
            Err(ReadError::Format(offset)) => {
                tracing::warn!(
                    "Bad file format reading the append only file {name} at offset {offset}: make a backup of your AOF file, \
                     then use ./redis-check-aof --fix <filename.manifest>"
                );
                return Err(Failed);
            }
        }
        fill(&mut queue, reader.words());
        let is_too_much = queue.copied_bytes() + replay.copied_bytes() > MAX_UNIT_BYTES;
        let run = match is_too_much {
            true => Err("A command or transaction that is too large".to_owned()),
            false => replay
                .run(db, queue.get(0), unix_ms())
                .map_err(|error| error.to_string()),
        };
        if let Err(text) = run {
            let offset = reader.offset();
            tracing::warn!("{text} reading the append only file {name}, before offset {offset}");
            return Err(Failed);
        }
        if !replay.is_within_transaction() {
            valid = reader.offset();
        }
    }
}

fn fill(queue: &mut CommandQueue, words: &Words) {
    queue.clear(SHARED_BYTES);
    for word in words.iter() {
        if word.len() >= SHARED_BYTES {
            queue.push_shared(std::sync::Arc::new(word.to_vec()));
        } else {
            queue.push_word(word);
        }
    }
    queue.end_command();
}

/// Cuts a file that ends too early, where the configuration lets that be.
fn cut(instance: &Instance, directory: &Directory, part: &Part, valid: u64) -> Result<(), Failed> {
    let name = shown(part);
    if instance.config().aof_load_truncated() {
        tracing::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
        tracing::warn!("!!! Truncating the AOF {name} at offset {valid} !!!");
        let file = directory.disk().append(&directory.file(&part.name));
        match file.and_then(|file| file.truncate(valid).and_then(|()| file.sync())) {
            Ok(()) => {
                tracing::warn!("AOF {name} loaded anyway because aof-load-truncated is enabled");
                return Ok(());
            }
            Err(error) => {
                let text = system_text(&error);
                tracing::warn!("Error truncating the AOF file {name}: {text}");
            }
        }
    }
    tracing::warn!(
        "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then use \
         ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration \
         option to yes and restart the server."
    );
    Err(Failed)
}
