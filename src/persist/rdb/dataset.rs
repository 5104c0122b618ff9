//! A whole data set as a file: [`write()`] and [`save`] from a snapshot, [`load`] into an empty data set or beside what is there.
//!
//! A file comes into its place whole or not at all: it is written under a temporary name, synced, renamed, and then its
//! directory is synced. Loading decodes on one thread and inserts on another: decoding waits for no cache line of a large
//! table, inserting does hardly anything else.

mod encode;
mod synced;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::Error;
use super::file::{Access, Key, Reader, Record, Writer, version_for};
use crate::persist::disk::Disk;
use crate::store::access::{self, AccessPolicy};
use crate::store::db::{Db, Keyspace};
use crate::store::entry::Entry;
use crate::store::table::{HashSeed, KeyHash};

/// A database of so many keys is encoded on threads of its own.
const ENCODED_ELSEWHERE: usize = 20_000;
/// Keys that go from the decoding thread to the inserting one at once.
const BATCH_KEYS: usize = 1024;
/// Batches that may wait between the two.
const BATCHES: usize = 8;
/// Keys whose places are fetched ahead at once.
const AHEAD: usize = 64;
/// A key takes so many bytes of a file at least, whatever it says of their number: kind, name and value.
const MIN_KEY_BYTES: u64 = 3;
/// For fewer keys than this no room is made before they come.
const MIN_EXPECTED: u64 = 1024;

/// What of keys' uses goes into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// Nothing.
    Untold,
    /// Seconds since the last use.
    Idle,
    /// The counter of uses, under this policy.
    Frequency(AccessPolicy),
}

/// A data set as it was at one moment, and how it is to be written.
pub struct Snapshot {
    /// The databases by their numbers.
    pub keyspaces: Vec<Keyspace>,
    /// The codes of the libraries of functions.
    pub functions: Vec<Vec<u8>>,
    /// The version that the file says it comes from.
    pub server_version: &'static str,
    /// When it was taken, in Unix milliseconds.
    pub taken_ms: u64,
    /// The memory that was in use then.
    pub used_bytes: usize,
    /// What of keys' uses is written.
    pub uses: Uses,
    /// Whether strings are packed (`rdbcompression`).
    pub compress: bool,
    /// Whether the file ends with a checksum (`rdbchecksum`).
    pub check_sum: bool,
    /// Whether the file is the beginning of an append-only file.
    pub is_aof_base: bool,
}

impl Snapshot {
    /// How many keys it has.
    pub fn keys(&self) -> usize {
        self.keyspaces.iter().map(Keyspace::len).sum()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// Writes a data set to `to`, and gives that back. `each_key` is called after each key; its error ends the writing.
///
/// What is written is let go of at once, so that the data set can change in place there. A large database is encoded on
/// threads of its own ([`encode`]): this one sums and writes what they have made.
pub fn write<W: Write>(
    to: W,
    snapshot: Snapshot,
    mut each_key: impl FnMut() -> io::Result<()>,
) -> io::Result<W> {
    let version = version_for(&snapshot.keyspaces);
    let mut writer = Writer::new(to, version, snapshot.compress, snapshot.check_sum)?;
    write_facts(&mut writer, &snapshot)?;
    for code in &snapshot.functions {
        writer.function(code)?;
    }
    let form = Form {
        uses: snapshot.uses,
        now_ms: snapshot.taken_ms,
        compress: snapshot.compress,
    };
    for (index, keyspace) in snapshot.keyspaces.into_iter().enumerate() {
        if keyspace.is_empty() {
            continue;
        }
        let (keys, deadlines) = (keyspace.len(), keyspace.expires());
        writer.database(index as u64, keys as u64, deadlines as u64)?;
        if keys >= ENCODED_ELSEWHERE {
            encode::write(&mut writer, keyspace, form, &mut each_key)?;
            continue;
        }
        for part in keyspace.into_parts() {
            part.try_for_each(|entry| {
                let access = form.access(&entry);
                writer.key(entry.key(), entry.value(), entry.deadline_ms(), access)?;
                each_key()
            })?;
        }
    }
    writer.finish()
}

/// How keys are written.
#[derive(Clone, Copy, Debug)]
struct Form {
    uses: Uses,
    now_ms: u64,
    compress: bool,
}

impl Form {
    /// What is written of a key's uses.
    fn access(self, entry: &Entry) -> Option<Access> {
        match self.uses {
            Uses::Untold => None,
            Uses::Idle => {
                let idle_s = access::idle_s(entry.access(), self.now_ms);
                Some(Access::IdleS(idle_s.into()))
            }
            Uses::Frequency(policy) => {
                let counter = policy.frequency(entry.access(), self.now_ms);
                Some(Access::Frequency(u8::try_from(counter).unwrap_or(u8::MAX)))
            }
        }
    }
}

/// What Redis says about a file at its beginning.
fn write_facts<W: Write>(writer: &mut Writer<W>, snapshot: &Snapshot) -> io::Result<()> {
    let facts: [(&str, String); 5] = [
        ("redis-ver", snapshot.server_version.to_owned()),
        ("redis-bits", usize::BITS.to_string()),
        ("ctime", (snapshot.taken_ms / 1000).to_string()),
        ("used-mem", snapshot.used_bytes.to_string()),
        ("aof-base", u8::from(snapshot.is_aof_base).to_string()),
    ];
    facts
        .iter()
        .try_for_each(|(name, value)| writer.aux(name.as_bytes(), value.as_bytes()))
}

/// Where a file goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The file.
    pub path: PathBuf,
    /// Its name while it is not whole, in the same directory.
    pub temporary: PathBuf,
}

impl Target {
    /// A file in the working directory.
    pub fn in_working_directory(name: impl Into<PathBuf>, temporary: impl Into<PathBuf>) -> Self {
        Target {
            path: name.into(),
            temporary: temporary.into(),
        }
    }

    /// The same in the directory `folder`, whichever the working directory is later.
    pub fn within(&self, folder: &Path) -> Self {
        Target {
            path: folder.join(&self.path),
            temporary: folder.join(&self.temporary),
        }
    }

    /// The directory of both.
    pub fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }
}

/// What could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creating the temporary file.
    Create,
    /// Writing or syncing it.
    Write,
    /// Giving it its name, or making that last.
    Rename,
    /// Nothing: whoever wanted the file wants it no more.
    Cancelled,
}

/// Why there is no new file. The one before is whole, and the temporary one is gone.
#[derive(Debug)]
pub struct SaveError {
    /// What failed.
    pub step: Step,
    /// How.
    pub source: io::Error,
}

impl SaveError {
    fn at(step: Step) -> impl FnOnce(io::Error) -> SaveError {
        move |source| SaveError { step, source }
    }
}

/// Writes a data set into a file in place of the one that is there.
///
/// `each_key` is as in [`write()`]. `commit` is asked when nothing but the renaming is left to do; if it says no, the file
/// before stays.
pub fn save(
    disk: &dyn Disk,
    target: &Target,
    snapshot: Snapshot,
    each_key: impl FnMut() -> io::Result<()>,
    commit: impl FnOnce() -> bool,
) -> Result<(), SaveError> {
    let saved = save_temporary(disk, target, snapshot, each_key).and_then(|()| {
        if !commit() {
            let source = io::ErrorKind::Interrupted.into();
            return Err(SaveError::at(Step::Cancelled)(source));
        }
        disk.rename(&target.temporary, &target.path)
            .map_err(SaveError::at(Step::Rename))
    });
    if saved.is_err() {
        // It may never have been created, and the error to be told is the first one.
        let _ = disk.remove(&target.temporary);
        return saved;
    }
    disk.sync_dir(target.directory())
        .map_err(SaveError::at(Step::Rename))
}

fn save_temporary(
    disk: &dyn Disk,
    target: &Target,
    snapshot: Snapshot,
    each_key: impl FnMut() -> io::Result<()>,
) -> Result<(), SaveError> {
    let file = disk
        .create(&target.temporary)
        .map_err(SaveError::at(Step::Create))?;
    synced::write(&file, |to| write(to, snapshot, each_key).map(drop))
        .map_err(SaveError::at(Step::Write))
}

/// How a file is loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadRules {
    /// Whether keys whose time is over are passed over. They are kept where commands are to follow that expect them.
    pub skips_expired: bool,
    /// Whether a key that is there gives way to the file's; without it that is an error.
    pub replaces: bool,
}

/// What was loaded beside the keys, and how many these were.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Keys that are there now.
    pub keys: u64,
    /// Keys whose time was over.
    pub expired: u64,
    /// Keys without elements, which were passed over.
    pub empty: u64,
    /// The codes of libraries of functions. They are the caller's to load.
    pub functions: Vec<Vec<u8>>,
}

/// What a file has beside keys, told in the order of the file and on the decoding thread.
#[derive(Debug)]
pub enum Event<'a> {
    /// A name and a value about the file.
    Aux(&'a [u8], &'a [u8]),
    /// Data of a module's type were gone over.
    ModuleAux(&'a str),
    /// A key was decoded.
    Key,
    /// A key without elements was passed over.
    EmptyKey(&'a [u8]),
}

/// Why a file was not loaded.
#[derive(Debug)]
pub enum LoadError {
    /// It cannot be read; and up to where it was.
    Read(Error, u64),
    /// It has a database of that number, and the server not so many.
    Database(u64),
    /// It has a key that is there; the key, and its database.
    Duplicate(Vec<u8>, usize),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Read(error, position) => write!(f, "at byte {position}: {error}"),
            LoadError::Database(number) => write!(f, "there is no database of number {number}"),
            LoadError::Duplicate(key, index) => write!(
                f,
                "the key '{}' of database {index} is there already",
                String::from_utf8_lossy(key)
            ),
        }
    }
}

impl std::error::Error for LoadError {}

/// Loads the rest of a file of so many bytes into `db`, whose clock is set. After an error a part of it may be there.
pub fn load<R: Read + Send>(
    reader: &mut Reader<R>,
    file_bytes: u64,
    db: &mut Db,
    rules: LoadRules,
    tell: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Loaded, LoadError> {
    let (to_insert, decoded) = sync_channel(BATCHES);
    let mut decoder = Decoder {
        reader,
        databases: db.databases(),
        index: 0,
        now_ms: rules.skips_expired.then_some(db.now_ms()),
        access: db.access,
        loaded: Loaded::default(),
        seed: db.hash_seed(),
        may_come: file_bytes / MIN_KEY_BYTES,
        batch: Vec::with_capacity(BATCH_KEYS),
        to_insert,
        clock_ms: db.now_ms(),
    };
    std::thread::scope(|scope| {
        let decoding = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn_scoped(scope, move || {
                let outcome = decoder.run(tell);
                outcome.map(|()| decoder.loaded)
            })
            .map_err(|error| LoadError::Read(error.into(), 0))?;
        let inserted = insert_all(db, &decoded, rules.replaces);
        // A decoder that waits for room in the channel sees by this that nobody is left who makes any.
        drop(decoded);
        let loaded = decoding
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        inserted?;
        loaded
    })
}

/// What the decoder has for the one who inserts.
enum Decoded {
    /// So many keys are to come in a database.
    Expect(usize, usize),
    /// Some of them.
    Entries(Vec<Placed>),
}

/// An entry with its database, and its key's hash.
struct Placed {
    index: usize,
    hash: u64,
    entry: Entry,
}

/// The first half of loading.
struct Decoder<'a, R> {
    reader: &'a mut Reader<R>,
    databases: usize,
    /// The database of the keys that follow.
    index: usize,
    /// What is due by then is passed over.
    now_ms: Option<u64>,
    clock_ms: u64,
    access: AccessPolicy,
    loaded: Loaded,
    seed: HashSeed,
    /// So many keys the file can have beside those that it has promised.
    may_come: u64,
    batch: Vec<Placed>,
    to_insert: SyncSender<Decoded>,
}

impl<R: Read> Decoder<'_, R> {
    fn run(&mut self, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), LoadError> {
        while let Some(record) = self.reader.next() {
            match record.map_err(|error| LoadError::Read(error, Reader::position(self.reader)))? {
                Record::Key(key) => {
                    tell(Event::Key);
                    if !self.take(key) {
                        break;
                    }
                }
                Record::Aux(name, value) => tell(Event::Aux(&name, &value)),
                Record::ModuleAux(name) => tell(Event::ModuleAux(&name)),
                Record::Empty(key) => {
                    self.loaded.empty += 1;
                    tell(Event::EmptyKey(&key));
                }
                Record::Function(code) => self.loaded.functions.push(code),
                Record::Database(number) => {
                    self.index = usize::try_from(number)
                        .ok()
                        .filter(|&index| index < self.databases)
                        .ok_or(LoadError::Database(number))?;
                }
                Record::Sizes(keys, _) => {
                    // All that a file promises is no more than it has room for.
                    let keys = keys.min(self.may_come);
                    self.may_come -= keys;
                    if keys >= MIN_EXPECTED
                        && !(self.hand_over()
                            && self.send(Decoded::Expect(self.index, keys as usize)))
                    {
                        break;
                    }
                }
            }
        }
        self.hand_over();
        Ok(())
    }

    /// Takes a key; false if nobody inserts any more.
    fn take(&mut self, key: Key) -> bool {
        if self
            .now_ms
            .is_some_and(|now_ms| key.entry.deadline_ms() < now_ms)
        {
            self.loaded.expired += 1;
            return true;
        }
        self.loaded.keys += 1;
        let noted = match key.access {
            Some(Access::IdleS(idle_s)) => self.access.idle_for(idle_s, self.clock_ms),
            Some(Access::Frequency(counter)) => self.access.used_often(counter, self.clock_ms),
            None => None,
        };
        let entry = key.entry;
        entry.set_access(noted.unwrap_or_else(|| self.access.made(self.clock_ms)));
        self.batch.push(Placed {
            index: self.index,
            hash: self.seed.hash(entry.key()),
            entry,
        });
        self.batch.len() < BATCH_KEYS || self.hand_over()
    }

    fn hand_over(&mut self) -> bool {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_KEYS));
        self.send(Decoded::Entries(batch))
    }

    /// False if nobody inserts any more.
    fn send(&mut self, decoded: Decoded) -> bool {
        self.to_insert.send(decoded).is_ok()
    }
}

/// The second half: until the decoder has no more.
fn insert_all(db: &mut Db, decoded: &Receiver<Decoded>, replaces: bool) -> Result<(), LoadError> {
    let mut expected = Vec::new();
    for decoded in decoded {
        let mut batch = match decoded {
            Decoded::Entries(batch) => batch.into_iter(),
            Decoded::Expect(index, keys) => {
                db.expect_keys(index, keys);
                expected.push((index, keys));
                continue;
            }
        };
        while batch.len() > 0 {
            // The cache misses of several keys overlap, as those of commands do.
            for placed in batch.as_slice().iter().take(AHEAD) {
                db.prefetch_loaded(placed.index, placed.hash, &placed.entry);
            }
            for Placed { index, hash, entry } in batch.by_ref().take(AHEAD) {
                if let Some(old) = db.insert_loaded(index, hash, entry)
                    && !replaces
                {
                    return Err(LoadError::Duplicate(old.key().to_vec(), index));
                }
            }
        }
    }
    // They may all have expired, or the file does not hold what it says.
    for (index, keys) in expected {
        db.end_expectation(index, keys);
    }
    Ok(())
}
