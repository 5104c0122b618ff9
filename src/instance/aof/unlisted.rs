//! An increment that is written already, and that the manifest is to name: at the turn of a rewrite nothing waits for the disk.
//!
//! Life cycle: at the mark of a rewrite the log goes on in a new file ([`begin`]), whose first line says how long the file before
//! it is. Then, while that is written on, the one before it is synced and the manifest written ([`Unlisted::list`]); until then
//! nothing that is in the new one counts as being on the disk. A process that is killed in between leaves a file that no
//! manifest names: at the next start it is added to it ([`adopt`]) if what comes before it is as it was then. After a power cut
//! it may be shorter, and nothing of the new file was promised; another program may have written on there. In either case the
//! new file is left out, and kept under another name.
//!
//! While the manifest cannot be written, writes are refused, the rewrite has failed, and it is tried again each second.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::directory::Directory;
use super::files::Files;
use super::rewrite::Task;
use super::sync::Turned;
use super::{Aof, Failed, Ledger, locked};
use crate::config::error::system_text;
use crate::instance::Instance;
use crate::persist::aof::manifest::Manifest;
use crate::persist::disk::{DiskFile, write_all};

/// How the first line begins; the length in bytes of the file before follows. A line that begins with `#` is skipped by
/// whoever reads the file.
const AFTER: &[u8] = b"#AFTER:";
/// The longest first line.
const MAX_LINE_BYTES: u64 = 40;

/// The increment that is written and not named by the manifest.
#[derive(Debug)]
pub(super) struct Unlisted {
    name: Vec<u8>,
    /// The file before it, which was not synced when it was left.
    before: Arc<dyn DiskFile>,
    turned: Turned,
    /// Who waits until it is named.
    task: Arc<Task>,
    /// Whether that was tried.
    is_tried: AtomicBool,
}

/// Has the log go on in a new increment, for a rewrite that has come to its mark.
pub(super) fn begin(
    instance: &Instance,
    files: &mut Files,
    task: &Arc<Task>,
) -> Result<(), Failed> {
    let aof = &instance.aof;
    if aof.unlisted().is_some() {
        // That of a rewrite that was called off.
        return Err(Failed);
    }
    let before = files.current().ok_or(Failed)?;
    let (name, file) = {
        let ledger = aof.ledger();
        let Ledger {
            directory,
            manifest,
        } = ledger.as_ref().ok_or(Failed)?;
        let name = manifest.clone().add_increment(directory.prefix());
        let file = directory.create(&name)?;
        (name, file)
    };
    let shown = String::from_utf8_lossy(&name);
    let line = [AFTER, files.len().to_string().as_bytes(), b"\r\n"].concat();
    write_all(&*file, &line).map_err(|error| {
        let text = system_text(&error);
        tracing::warn!("Error writing to the AOF file {shown}: {text}");
        Failed
    })?;
    tracing::info!("Creating AOF incr file {shown} on background rewrite");
    let counters = &aof.counters;
    counters.others.fetch_add(files.len(), Ordering::Relaxed);
    let len = line.len() as u64;
    counters.increment.store(len, Ordering::Relaxed);
    files.turn_to_begun(file, len);
    let turned = Turned {
        offset: files.written(),
        failed_syncs: aof.failed_syncs(),
    };
    *locked(&aof.unlisted) = Some(Arc::new(Unlisted {
        name,
        before,
        turned,
        task: Arc::clone(task),
        is_tried: AtomicBool::new(false),
    }));
    Ok(())
}

impl Unlisted {
    /// Whether it was not tried yet to have it named.
    pub(super) fn is_new(&self) -> bool {
        !self.is_tried.load(Ordering::Relaxed)
    }

    /// Syncs what comes before it and has the manifest name it; not under the lock of the files.
    pub(super) fn list(&self, instance: &Instance) -> Result<(), Failed> {
        let aof = &instance.aof;
        self.is_tried.store(true, Ordering::Relaxed);
        let synced = aof.sync(instance, &*self.before, self.turned.offset);
        synced.map_err(|_| Failed)?;
        let mut ledger = aof.ledger();
        let Ledger {
            directory,
            manifest,
        } = ledger.as_mut().ok_or(Failed)?;
        let named = manifest.increments.iter().chain(&manifest.history);
        if !named.into_iter().any(|part| part.name == self.name) {
            let mut changed = manifest.clone();
            changed.add_increment(directory.prefix());
            if let Err(failed) = directory.write_manifest(&changed) {
                drop(ledger);
                // What is written now would not be found after a power cut.
                aof.manifest_failed(instance);
                self.task.set_turned(Err(failed));
                return Err(failed);
            }
            *manifest = changed;
        }
        drop(ledger);
        aof.manifest_written(instance);
        // Another one may have done the same before, and the next have been begun.
        locked(&aof.unlisted).take_if(|other| other.name == self.name);
        self.task.set_turned(Ok(self.turned));
        Ok(())
    }
}

impl Aof {
    /// The increment that is to be named.
    pub(super) fn unlisted(&self) -> Option<Arc<Unlisted>> {
        locked(&self.unlisted).clone()
    }
}

/// Adds an increment to the manifest that a process has left without that, if what comes before it is whole.
pub(super) fn adopt(directory: &Directory, manifest: &mut Manifest) -> Result<(), Failed> {
    let Some(last) = manifest.increments.last() else {
        return Ok(());
    };
    let mut changed = manifest.clone();
    let name = changed.add_increment(directory.prefix());
    let Some(len_before) = len_before(directory, &name)? else {
        return Ok(());
    };
    let shown = String::from_utf8_lossy(&name);
    let len = directory.size(last)?;
    if len != len_before {
        let last = String::from_utf8_lossy(&last.name);
        let aside = [b"left-out-".as_slice(), &name].concat();
        tracing::warn!(
            "The AOF file {shown} is left out and called left-out-{shown} now: {last}, which comes before it, has {len} bytes, \
             and had {len_before} when it was begun"
        );
        let disk = directory.disk();
        let moved = disk.rename(&directory.file(&name), &directory.file(&aside));
        return moved.map_err(|error| {
            tracing::warn!("Can't rename the AOF file {shown}: {}", system_text(&error));
            Failed
        });
    }
    // Whoever names it says that what comes before it is on the disk.
    let before = directory.open_at_end(&last.name)?;
    before.sync().map_err(|error| {
        tracing::warn!("Fail to fsync the AOF file: {}", system_text(&error));
        Failed
    })?;
    directory.write_manifest(&changed)?;
    *manifest = changed;
    tracing::info!("The AOF file {shown} was begun when the server ended, and is read as well");
    Ok(())
}

/// What the first line of a file says of the length of the one before it; nothing if there is no such file or line.
fn len_before(directory: &Directory, name: &[u8]) -> Result<Option<u64>, Failed> {
    let (disk, path) = (directory.disk(), directory.file(name));
    let read = || {
        if disk.len(&path)?.is_none() {
            return Ok(Vec::new());
        }
        let mut head = Vec::new();
        disk.open(&path)?
            .take(MAX_LINE_BYTES)
            .read_to_end(&mut head)?;
        Ok(head)
    };
    let head = read().map_err(|error: std::io::Error| {
        let (name, text) = (String::from_utf8_lossy(name), system_text(&error));
        tracing::warn!("Fatal error: can't open the append log file {name} for reading: {text}");
        Failed
    })?;
    let digits = head.strip_prefix(AFTER).and_then(|rest| {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        std::str::from_utf8(&rest[..end]).ok()
    });
    Ok(digits.and_then(|digits| digits.parse().ok()))
}
