//! Loading the data set's file: at the start on a thread of its own while the gate answers LOADING, and in DEBUG RELOAD
//! under the data set's lock.
//!
//! Life cycle at the start: [`Loading::begin`] raises the bit that the gate looks at, [`load_file`] fills a data set of its
//! own, and [`finish`] puts that in the place of the empty one under the lock. What INFO shows meanwhile are counters.

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::attention::LOADING;
use super::{Instance, saving, unix_ms};
use crate::config::error::system_text;
use crate::persist::rdb::dataset::{self, Event, LoadError, LoadRules, Loaded};
use crate::persist::rdb::{self, file::Reader};
use crate::script::functions::Policy;
use crate::store::db::Db;

/// Of keys without elements no more than so many are logged.
const EMPTY_KEYS_LOGGED: u64 = 10;

/// The loading under way, and the last one.
#[derive(Debug, Default)]
pub struct Loading {
    is_loading: AtomicBool,
    started_s: AtomicU64,
    total_bytes: AtomicU64,
    loaded_bytes: AtomicU64,
    /// The memory that was in use where the file was written.
    used_mem: AtomicU64,
    keys_loaded: AtomicU64,
    keys_expired: AtomicU64,
}

/// What INFO shows.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Whether the data set is being loaded.
    pub is_loading: bool,
    /// Since when, in Unix seconds.
    pub started_s: u64,
    /// The bytes of the file.
    pub total_bytes: u64,
    /// Those that are loaded.
    pub loaded_bytes: u64,
    /// The memory that was in use where the file was written.
    pub used_mem: u64,
    /// Keys that the last file had.
    pub keys_loaded: u64,
    /// Keys of the last file whose time was over.
    pub keys_expired: u64,
}

impl Loading {
    /// Has the gate answer LOADING from now on.
    pub fn begin(&self, instance: &Instance) {
        self.is_loading.store(true, Ordering::Relaxed);
        instance.attention.raise(LOADING);
    }

    /// Whether the data set is being loaded.
    pub fn is_loading(&self) -> bool {
        self.is_loading.load(Ordering::Relaxed)
    }

    /// What INFO shows.
    pub fn figures(&self) -> Figures {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Figures {
            is_loading: self.is_loading(),
            started_s: of(&self.started_s),
            total_bytes: of(&self.total_bytes),
            loaded_bytes: of(&self.loaded_bytes),
            used_mem: of(&self.used_mem),
            keys_loaded: of(&self.keys_loaded),
            keys_expired: of(&self.keys_expired),
        }
    }

    /// Begins to count a file of so many bytes.
    pub fn count_from(&self, total_bytes: u64) {
        self.started_s.store(unix_ms() / 1000, Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
        for figure in [
            &self.loaded_bytes,
            &self.used_mem,
            &self.keys_loaded,
            &self.keys_expired,
        ] {
            figure.store(0, Ordering::Relaxed);
        }
    }
}

impl Figures {
    /// The part that is loaded, in percent.
    pub fn percent(&self) -> f64 {
        self.loaded_bytes as f64 * 100.0 / (self.total_bytes + 1) as f64
    }

    /// How many seconds it will still take, if it goes on as it went.
    pub fn eta_s(&self) -> u64 {
        if self.loaded_bytes == 0 {
            return 1;
        }
        let elapsed_s = (unix_ms() / 1000).saturating_sub(self.started_s);
        let left = self.total_bytes.saturating_sub(self.loaded_bytes);
        elapsed_s.saturating_mul(left) / (self.loaded_bytes + 1)
    }
}

/// Bytes that are counted as they are read.
pub struct Counted<'a, R> {
    inner: R,
    loading: &'a Loading,
}

impl<'a, R> Counted<'a, R> {
    /// Counts what is read from `inner`.
    pub fn new(inner: R, loading: &'a Loading) -> Self {
        Counted { inner, loading }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(room)?;
        self.loading
            .loaded_bytes
            .fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A file could not be loaded, and the log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// Loads the data set's file into `db`, the keys as well as what the log tells of them; nothing if there is no such file.
/// Libraries of functions are answered: they are to be loaded under the lock, by [`load_functions`].
///
/// # Errors
/// The file cannot be read; part of it may be in `db`.
pub fn load_file(
    instance: &Instance,
    db: &mut Db,
    rules: LoadRules,
) -> Result<Option<Vec<Vec<u8>>>, Failed> {
    let (path, check_sum) = {
        let config = instance.config();
        (saving::path(&config), config.rdbchecksum())
    };
    let disk = &*instance.disk;
    let opened = disk.len(&path).and_then(|len| match len {
        Some(len) => Ok(Some((len, disk.open(&path)?))),
        None => Ok(None),
    });
    let (total_bytes, file) = match opened {
        Ok(Some(opened)) => opened,
        Ok(None) => return Ok(None),
        Err(error) => {
            let path = path.display();
            tracing::warn!(
                "Fatal error: can't open the RDB file {path} for reading: {}",
                system_text(&error)
            );
            return Err(Failed);
        }
    };
    let loading = &instance.loading;
    loading.count_from(total_bytes);
    db.set_clock(unix_ms());
    let reader = Reader::new(Counted::new(file, loading), db.limits, check_sum);
    let mut reader = reader.map_err(|error| log_failure(&LoadError::Read(error, 0)))?;
    let loaded = load(instance, &mut reader, db, rules).map_err(|error| log_failure(&error))?;
    Ok(Some(loaded.functions))
}

/// Loads the rest of a dump into `db`, and tells the log about it.
pub fn load<R: Read + Send>(
    instance: &Instance,
    reader: &mut Reader<R>,
    db: &mut Db,
    rules: LoadRules,
) -> Result<Loaded, LoadError> {
    let key_delay_us = instance.config().key_load_delay_us();
    let mut empty = 0;
    let mut tell = |event: Event<'_>| match event {
        Event::Key => {
            if let Some(delay) = saving::delay(key_delay_us) {
                std::thread::sleep(delay);
            }
        }
        Event::Aux(name, value) => tell_fact(&instance.loading, name, value),
        Event::ModuleAux(name) => tracing::warn!(
            "The RDB file has data of the module '{name}', which are passed over: modules are not supported"
        ),
        Event::EmptyKey(key) => {
            empty += 1;
            if empty <= EMPTY_KEYS_LOGGED {
                let key = String::from_utf8_lossy(key);
                tracing::warn!("rdbLoadObject skipping empty key: {key}");
            }
        }
    };
    let loading = &instance.loading;
    let file_bytes = loading.total_bytes.load(Ordering::Relaxed);
    let loaded = dataset::load(reader, file_bytes, db, rules, &mut tell)?;
    loading.keys_loaded.store(loaded.keys, Ordering::Relaxed);
    loading
        .keys_expired
        .store(loaded.expired, Ordering::Relaxed);
    let (keys, expired) = (loaded.keys, loaded.expired);
    match loaded.empty {
        0 => tracing::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}."),
        empty => tracing::warn!(
            "Done loading RDB, keys loaded: {keys}, keys expired: {expired}, empty keys skipped: {empty}."
        ),
    }
    Ok(loaded)
}

/// Tells the log what a file says about itself.
fn tell_fact(loading: &Loading, name: &[u8], value: &[u8]) {
    let text = String::from_utf8_lossy(value);
    let number = || text.parse::<u64>().unwrap_or(0);
    match name {
        b"redis-ver" => tracing::info!("Loading RDB produced by version {text}"),
        b"ctime" => {
            let age_s = (unix_ms() / 1000).saturating_sub(number());
            tracing::info!("RDB age {age_s} seconds");
        }
        b"used-mem" => {
            let megabytes = number() as f64 / (1024.0 * 1024.0);
            tracing::info!("RDB memory usage when created {megabytes:.2} Mb");
            loading.used_mem.store(number(), Ordering::Relaxed);
        }
        b"aof-base" if number() != 0 => tracing::info!("RDB is base AOF"),
        b"redis-bits" | b"aof-base" => {}
        [b'%', ..] => {
            let name = String::from_utf8_lossy(name);
            tracing::info!("RDB '{name}': {text}");
        }
        other => {
            let name = String::from_utf8_lossy(other);
            tracing::debug!("Unrecognized RDB AUX field: '{name}'");
        }
    }
}

fn log_failure(error: &LoadError) -> Failed {
    match error {
        LoadError::Read(error, position) => {
            if let rdb::Error::Corrupt(what) = error {
                tracing::warn!("{what}");
            }
            let what = match error {
                rdb::Error::Checksum => {
                    "RDB CRC error: the file is not as it was written".to_owned()
                }
                rdb::Error::NoDump => "Wrong signature trying to load DB from file".to_owned(),
                rdb::Error::CutOff => {
                    "Short read loading DB. Unrecoverable error, aborting now.".to_owned()
                }
                rdb::Error::Version(version) => {
                    format!("Can't handle RDB format version {version}")
                }
                other => other.to_string(),
            };
            tracing::warn!("Internal error in RDB reading offset {position} -> {what}");
        }
        LoadError::Database(_) => tracing::warn!(
            "FATAL: Data file was created with a server configured to handle more databases than this one: {error}"
        ),
        LoadError::Duplicate(key, index) => tracing::warn!(
            "RDB has duplicated key '{}' in DB {index}",
            String::from_utf8_lossy(key)
        ),
    }
    Failed
}

/// Loads libraries of functions in place of those that are there, or beside them.
///
/// # Errors
/// One of them cannot be loaded; nothing has changed then.
pub fn load_functions(
    instance: &Instance,
    codes: &[Vec<u8>],
    policy: Policy,
) -> Result<(), Failed> {
    let scripts = &instance.scripts;
    let mut engine = scripts.engine();
    if policy == Policy::Flush && engine.known_functions().is_some() && codes.is_empty() {
        drop(engine.take_functions());
    }
    if !codes.is_empty() {
        let restored = engine
            .functions()
            .map_err(|error| error.to_string())
            .and_then(|vm| {
                vm.restore(codes, policy)
                    .map_err(|text| String::from_utf8_lossy(&text).into_owned())
            });
        if let Err(text) = restored {
            tracing::warn!("Failed creating the library: {text}");
            return Err(Failed);
        }
    }
    scripts.publish(&engine);
    Ok(())
}

/// Loads the data set at the start, beside `empty`, which stays as it is; answers what to hand to [`finish`].
///
/// # Errors
/// As of [`load_file`].
pub fn load_beside(instance: &Instance, mut fresh: Db) -> Result<(Db, Vec<Vec<u8>>), Failed> {
    let start = Instant::now();
    let rules = LoadRules {
        skips_expired: true,
        replaces: false,
    };
    let functions = load_file(instance, &mut fresh, rules).inspect_err(|_| {
        tracing::warn!("Terminating server after rdb file reading failure.");
    })?;
    if functions.is_some() {
        let seconds = start.elapsed().as_secs_f64();
        tracing::info!("DB loaded from disk: {seconds:.3} seconds");
    }
    Ok((fresh, functions.unwrap_or_default()))
}

/// Puts what was loaded in its place, under the lock, and has the gate let everybody in.
///
/// # Errors
/// A library of functions cannot be loaded.
pub fn finish(
    instance: &Instance,
    db: &mut Db,
    loaded: Db,
    functions: &[Vec<u8>],
) -> Result<(), Failed> {
    load_functions(instance, functions, Policy::Flush)?;
    let_in(instance, db, loaded);
    Ok(())
}

/// As [`finish`], where functions are loaded already.
pub fn let_in(instance: &Instance, db: &mut Db, loaded: Db) {
    drop(db.adopt(loaded));
    db.effects.on = instance.aof.is_on();
    instance.loading.is_loading.store(false, Ordering::Relaxed);
    instance.attention.lower(LOADING);
}
