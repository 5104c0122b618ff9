//! Writing a base: the data set as a dump file or as commands.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use super::directory::Directory;
use crate::instance::{Instance, REDIS_VERSION};
use crate::persist::aof::manifest::BaseForm;
use crate::persist::aof::rewrite::Rewriter;
use crate::persist::disk::{DiskFile, FileWriter};
use crate::persist::rdb::file::{Writer, version_for};
use crate::store::db::{Db, Keyspace};

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Of a large file so many bytes are synced at once, so that the disk is never busy for long.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// A data set as it was at one moment, and how it is to be written.
pub(super) struct Snapshot {
    keyspaces: Vec<Keyspace>,
    functions: Vec<Vec<u8>>,
    taken_ms: u64,
    /// How it is written.
    pub(super) form: BaseForm,
    compress: bool,
    check_sum: bool,
    notes_time: bool,
    syncs_in_steps: bool,
}

impl Snapshot {
    /// The data set as it is now.
    pub(super) fn take(db: &Db, instance: &Instance) -> Self {
        let config = instance.config();
        let engine = instance.scripts.engine();
        let libraries = engine.known_functions().into_iter();
        let libraries = libraries.flat_map(|vm| vm.libraries.iter());
        Snapshot {
            keyspaces: db.snapshot(),
            functions: libraries.map(|library| library.code.clone()).collect(),
            taken_ms: crate::instance::unix_ms(),
            form: match config.aof_use_rdb_preamble() {
                true => BaseForm::Rdb,
                false => BaseForm::Commands,
            },
            compress: config.rdbcompression(),
            check_sum: config.rdbchecksum(),
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
            BaseForm::Rdb => self.write_dump(out, each_key)?,
            BaseForm::Commands => self.write_commands(out, each_key)?,
        }
        file.sync()
    }

    fn write_dump<W: Write>(
        self,
        to: W,
        each_key: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let version = version_for(&self.keyspaces);
        let mut writer = Writer::new(to, version, self.compress, self.check_sum)?;
        writer.aux(b"redis-ver", REDIS_VERSION.as_bytes())?;
        writer.aux(b"ctime", (self.taken_ms / 1000).to_string().as_bytes())?;
        writer.aux(b"aof-base", b"1")?;
        for code in &self.functions {
            writer.function(code)?;
        }
        for (index, keyspace) in self.keyspaces.into_iter().enumerate() {
            if keyspace.is_empty() {
                continue;
            }
            let (keys, expires) = (keyspace.len() as u64, keyspace.expires() as u64);
            writer.database(index as u64, keys, expires)?;
            for entry in keyspace.iter() {
                writer.key(entry.key(), entry.value(), entry.deadline_ms(), None)?;
                each_key()?;
            }
        }
        writer.finish().map(drop)
    }

    fn write_commands<W: Write>(
        self,
        to: W,
        each_key: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut rewriter = Rewriter::new(BufWriter::with_capacity(BUFFER_BYTES, to));
        if self.notes_time {
            rewriter.time(self.taken_ms / 1000)?;
        }
        for code in &self.functions {
            rewriter.function(code)?;
        }
        for (index, keyspace) in self.keyspaces.into_iter().enumerate() {
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
