//! Writing a base: the data set as a dump file or as commands.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use super::directory::Directory;
use crate::instance::{Instance, saving, unix_ms};
use crate::persist::aof::manifest::BaseForm;
use crate::persist::aof::rewrite::Rewriter;
use crate::persist::disk::{DiskFile, FileWriter};
use crate::persist::rdb::dataset::{self, Snapshot};
use crate::store::db::Db;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Of a large file so many bytes are synced at once, so that the disk is never busy for long.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// A data set as it was at one moment, and how it is to be written.
pub(super) struct Base {
    snapshot: Snapshot,
    /// How it is written.
    pub(super) form: BaseForm,
    notes_time: bool,
    syncs_in_steps: bool,
}

impl Base {
    /// The data set as it is now.
    pub(super) fn take(db: &Db, instance: &Instance) -> Self {
        let config = instance.config();
        let mut snapshot = saving::snapshot(db, instance, &config, unix_ms());
        snapshot.is_aof_base = true;
        Base {
            snapshot,
            form: match config.aof_use_rdb_preamble() {
                true => BaseForm::Rdb,
                false => BaseForm::Commands,
            },
            notes_time: config.aof_timestamp_enabled(),
            syncs_in_steps: config.aof_rewrite_incremental_fsync(),
        }
    }

    /// Writes it into a new file, and syncs that. `each_key` is called after each key; its error ends the writing.
    pub(super) fn write(
        self,
        directory: &Directory,
        path: &Path,
        each_key: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let file = directory.disk().create(path)?;
        let out = InSteps {
            inner: FileWriter(Arc::clone(&file)),
            unsynced: self.syncs_in_steps.then_some(0),
        };
        match self.form {
            BaseForm::Rdb => dataset::write(out, self.snapshot, each_key).map(drop)?,
            BaseForm::Commands => self.write_commands(out, each_key)?,
        }
        file.sync()
    }

    fn write_commands<W: Write>(
        self,
        to: W,
        each_key: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut rewriter = Rewriter::new(BufWriter::with_capacity(BUFFER_BYTES, to));
        if self.notes_time {
            rewriter.time(self.snapshot.taken_ms / 1000)?;
        }
        for code in &self.snapshot.functions {
            rewriter.function(code)?;
        }
        for (index, keyspace) in self.snapshot.keyspaces.into_iter().enumerate() {
            if keyspace.is_empty() {
                continue;
            }
            rewriter.database(index)?;
            for entry in keyspace.iter() {
                rewriter.key(&entry)?;
                each_key()?;
            }
        }
        rewriter.into_inner().flush()
    }
}

/// A file that is synced now and then while it is written.
struct InSteps {
    inner: FileWriter,
    unsynced: Option<u64>,
}

impl Write for InSteps {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        if let Some(unsynced) = &mut self.unsynced {
            *unsynced += written as u64;
            if *unsynced >= SYNC_BYTES {
                *unsynced = 0;
                DiskFile::sync(&*self.inner.0)?;
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
