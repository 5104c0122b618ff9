//! [`Directory`]: where the files lie, and its manifest.
//!
//! A manifest comes into its place whole or not at all: it is written under a temporary name, synced and renamed, and then the
//! directory is synced. What fails is told to the log in Redis's words.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failed;
use crate::config::Config;
use crate::config::error::system_text;
use crate::persist::aof::manifest::{self, Manifest, Part};
use crate::persist::disk::{Disk, DiskFile, write_all};

/// The directory of the files of an append-only file.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    disk: Arc<dyn Disk>,
    /// The working directory, at the time when the file was opened.
    parent: PathBuf,
    /// `appenddirname`.
    name: Vec<u8>,
    /// `appendfilename`, with which the files' names begin.
    prefix: Vec<u8>,
}

impl Directory {
    /// The directory that the configuration names, in the directory `parent`.
    pub(super) fn of(config: &Config, parent: &Path, disk: Arc<dyn Disk>) -> Self {
        let text = |text: Option<&[u8]>, default: &str| text.unwrap_or(default.as_bytes()).to_vec();
        Directory {
            disk,
            parent: parent.to_owned(),
            name: text(config.appenddirname(), "appendonlydir"),
            prefix: text(config.appendfilename(), "appendonly.aof"),
        }
    }

    /// The file system.
    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// What the files' names begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The directory's name, to be shown.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// The directory's path.
    pub(super) fn path(&self) -> PathBuf {
        self.parent.join(OsStr::from_bytes(&self.name))
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &[u8]) -> PathBuf {
        self.path().join(OsStr::from_bytes(name))
    }

    /// The path of a file beside it.
    pub(super) fn beside(&self, name: &[u8]) -> PathBuf {
        self.parent.join(OsStr::from_bytes(name))
    }

    fn manifest_name(&self) -> Vec<u8> {
        [&self.prefix, b".manifest".as_slice()].concat()
    }

    /// The name of the increment of a first base that is not written yet.
    pub(super) fn temporary_increment(&self) -> Vec<u8> {
        [b"temp-", self.prefix.as_slice(), b".incr"].concat()
    }

    /// Creates it where it is missing.
    pub(super) fn make(&self) -> Result<(), Failed> {
        self.disk
            .create_dir(&self.path())
            .and_then(|()| self.disk.sync_dir(&self.parent))
            .map_err(|error| {
                let (name, text) = (self.shown(), system_text(&error));
                tracing::warn!("Can't open or create append-only dir {name}: {text}");
                Failed
            })
    }

    /// Opens a file to be written at its end.
    pub(super) fn open_at_end(&self, name: &[u8]) -> Result<Arc<dyn DiskFile>, Failed> {
        self.disk
            .append(&self.file(name))
            .map_err(|error| cannot_open(name, &error))
    }

    /// Creates a file, empty.
    pub(super) fn create(&self, name: &[u8]) -> Result<Arc<dyn DiskFile>, Failed> {
        self.disk
            .create(&self.file(name))
            .map_err(|error| cannot_open(name, &error))
    }

    /// The names of all that is in it.
    pub(super) fn names(&self) -> Result<Vec<Vec<u8>>, Failed> {
        let names = self.disk.list(&self.path()).map_err(|error| {
            let (name, text) = (self.shown(), system_text(&error));
            tracing::warn!("Can't read append-only dir {name}: {text}");
            Failed
        })?;
        Ok(names.into_iter().map(OsString::into_vec).collect())
    }

    /// The bytes of a file that must be there.
    pub(super) fn size(&self, part: &Part) -> Result<u64, Failed> {
        let len = self.disk.len(&self.file(&part.name)).and_then(|len| {
            len.ok_or_else(|| io::Error::from_raw_os_error(nix::errno::Errno::ENOENT as i32))
        });
        len.map_err(|error| {
            let (name, text) = (String::from_utf8_lossy(&part.name), system_text(&error));
            tracing::warn!("Unable to obtain the AOF file {name} length. stat: {text}");
            Failed
        })
    }

    /// Reads the manifest; an empty one if there is none.
    pub(super) fn read_manifest(&self) -> Result<Manifest, Failed> {
        let path = self.file(&self.manifest_name());
        let cannot_read = |error: &io::Error| {
            let (path, text) = (path.display(), system_text(error));
            tracing::warn!(
                "Fatal error: can't open the AOF manifest file {path} for reading: {text}"
            );
            Failed
        };
        let len = self.disk.len(&path).map_err(|error| cannot_read(&error))?;
        if len.is_none() {
            return Ok(Manifest::default());
        }
        let mut bytes = Vec::new();
        self.disk
            .open(&path)
            .and_then(|file| file.take(manifest::MAX_BYTES).read_to_end(&mut bytes))
            .map_err(|error| cannot_read(&error))?;
        Manifest::parse(&bytes).map_err(|error| {
            tracing::warn!("*** FATAL AOF MANIFEST FILE ERROR ***");
            if let Some(line) = &error.line {
                let number = error.line_number;
                tracing::warn!("Reading the manifest file, at line {number}");
                tracing::warn!(">>> '{}'", String::from_utf8_lossy(line));
            }
            tracing::warn!("{}", error.fault);
            Failed
        })
    }

    /// Puts a manifest in the place of the one that is there.
    pub(super) fn write_manifest(&self, manifest: &Manifest) -> Result<(), Failed> {
        let name = self.manifest_name();
        let temporary = [b"temp-".as_slice(), &name].concat();
        let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let (to, from) = (self.file(&name), self.file(&temporary));
        let fail = |what: String, error: io::Error| {
            tracing::warn!("{what}: {}", system_text(&error));
            Failed
        };
        let file = self.disk.create(&from).map_err(|error| {
            let what = format!("Can't open the AOF manifest file {}", shown(&temporary));
            fail(what, error)
        })?;
        write_all(&*file, &manifest.print()).map_err(|error| {
            let temporary = shown(&temporary);
            let what = format!("Error trying to write the temporary AOF manifest file {temporary}");
            fail(what, error)
        })?;
        file.sync().map_err(|error| {
            let what = format!("Fail to fsync the temp AOF file {}", shown(&temporary));
            fail(what, error)
        })?;
        self.disk.rename(&from, &to).map_err(|error| {
            let (temporary, name) = (shown(&temporary), shown(&name));
            let what = format!(
                "Error trying to rename the temporary AOF manifest file {temporary} into {name}"
            );
            fail(what, error)
        })?;
        self.disk.sync_dir(&self.path()).map_err(|error| {
            let what = format!("Fail to fsync AOF directory {}", to.display());
            fail(what, error)
        })
    }

    /// Removes the files of the history, and then from the manifest.
    pub(super) fn remove_history(&self, manifest: &mut Manifest) -> Result<(), Failed> {
        if manifest.history.is_empty() {
            return Ok(());
        }
        for part in std::mem::take(&mut manifest.history) {
            let name = String::from_utf8_lossy(&part.name);
            tracing::info!("Removing the history file {name} in the background");
            // One that is gone already is no trouble, and one that stays takes room alone.
            let _ = self.disk.remove(&self.file(&part.name));
        }
        self.write_manifest(manifest)
    }
}

fn cannot_open(name: &[u8], error: &io::Error) -> Failed {
    let (name, text) = (String::from_utf8_lossy(name), system_text(error));
    tracing::warn!("Can't open the append-only file {name}: {text}");
    Failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::aof::manifest::BaseForm;
    use crate::persist::disk::simulated::{Failure, SimulatedDisk};

    fn directory(disk: &SimulatedDisk) -> Directory {
        let config = Config::new(Path::new("/"));
        Directory::of(&config, Path::new("/data"), Arc::new(disk.clone()))
    }

    #[test]
    fn a_manifest_is_the_old_or_the_new_one_whatever_fails() {
        let (mut old, mut new) = (Manifest::default(), Manifest::default());
        old.add_increment(b"f");
        new.add_base(b"f", BaseForm::Rdb);
        let calls = {
            let disk = SimulatedDisk::default();
            directory(&disk)
                .write_manifest(&new)
                .expect("nothing fails");
            disk.calls()
        };
        for call in 1..=calls {
            for failure in [Failure::Fails, Failure::Tears] {
                let disk = SimulatedDisk::default();
                let directory = directory(&disk);
                directory.write_manifest(&old).expect("nothing fails yet");
                disk.fail_at(calls + call, failure);
                assert!(directory.write_manifest(&new).is_err(), "call {call}");
                for disk in [disk.cut_power(), disk] {
                    let found = self::directory(&disk).read_manifest().expect("it is whole");
                    assert!(found == old || found == new, "call {call}");
                }
            }
        }
    }

    #[test]
    fn a_directory_without_a_manifest_has_no_files() {
        let disk = SimulatedDisk::default();
        let found = directory(&disk).read_manifest().expect("that is no error");
        assert!(found.is_empty());
        disk.put("/data/appendonlydir/appendonly.aof.manifest", b"nonsense\n");
        assert!(directory(&disk).read_manifest().is_err());
    }
}
