//! Saving the data set as a file: SAVE under the data set's lock, BGSAVE on a thread of its own from a snapshot.
//!
//! Life cycle of a background save: [`start`] takes the snapshot and a thread, which writes, syncs and renames; its end
//! wakes whoever follows [`Saving::ended`], who calls [`tend`] under the lock, and there it is counted. At most one is under
//! way. One that nobody wants any more ([`Saving::cancel`]) ends without touching the file that is there: whether it may
//! rename is decided in one place, [`Task`], for it and for who cancels it.
//!
//! A failed save stops writes where the configuration says so; [`Saving::show_trouble`] keeps the bit by which the gate
//! sees it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::aof::rewrite;
use super::attention::WRITES_STOPPED;
use super::{Instance, REDIS_VERSION};
use crate::config::Config;
use crate::config::choices::MaxmemoryPolicy;
use crate::config::error::system_text;
use crate::persist::disk::Disk;
use crate::persist::rdb::dataset::{self, SaveError, Snapshot, Step, Target, Uses};
use crate::store::alloc;
use crate::store::db::Db;

/// After a failure nothing is begun by itself for so many seconds.
const RETRY_DELAY_S: u64 = 5;
/// A save tells how far it is after so many keys, and looks whether it is still wanted.
const REPORT_KEYS: u64 = 64;
/// Whoever cancels a save waits so long for its temporary file to be gone.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

/// The saves of a server.
#[derive(Debug)]
pub struct Saving {
    state: Mutex<State>,
    ended: Arc<Notify>,
    /// Whether the process ends at once, whatever is being saved in the foreground.
    is_abandoned: AtomicBool,
}

/// What INFO shows of saves.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// When the last one succeeded, in Unix seconds.
    pub last_save_s: u64,
    /// Whether the last one succeeded.
    pub is_last_ok: bool,
    /// How long the last background save took; -1 before there was one.
    pub last_took_s: i64,
    /// How many were begun.
    pub saves: u64,
    /// By how many bytes memory grew during the last background save.
    pub last_growth_bytes: u64,
    /// The background save under way.
    pub running: Option<Running>,
}

/// A background save under way.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// For how long.
    pub seconds: u64,
    /// Keys that are written.
    pub keys_done: u64,
    /// Keys that there are to write.
    pub keys_total: u64,
    /// By how many bytes memory has grown.
    pub growth_bytes: u64,
    /// By how many bytes it had grown at the most.
    pub peak_growth_bytes: u64,
}

#[derive(Debug)]
struct State {
    figures: Figures,
    last_try_s: u64,
    scheduled: bool,
    background: Option<Background>,
}

#[derive(Debug)]
struct Background {
    task: Arc<Task>,
    started: Instant,
    /// Changes that the file has, of those counted.
    changes: u64,
}

/// What a background save and those who follow it share.
#[derive(Debug)]
struct Task {
    phase: Mutex<Phase>,
    moved: Condvar,
    /// Nobody wants it any more.
    cancelled: AtomicBool,
    keys_done: AtomicU64,
    keys_total: u64,
    used_at_start: usize,
    growth: AtomicU64,
    peak_growth: AtomicU64,
    /// `rdb-key-save-delay`.
    key_delay_us: i64,
    temporary: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Writing the temporary file.
    Writing,
    /// Putting it in its place, which nobody can call off.
    Committing,
    /// Over.
    Over(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Saved { unix_s: u64 },
    Failed,
    Cancelled,
}

impl Saving {
    /// Of a server that starts now.
    pub fn new(unix_s: u64) -> Self {
        Saving {
            state: Mutex::new(State {
                figures: Figures {
                    last_save_s: unix_s,
                    is_last_ok: true,
                    last_took_s: -1,
                    saves: 0,
                    last_growth_bytes: 0,
                    running: None,
                },
                last_try_s: 0,
                scheduled: false,
                background: None,
            }),
            ended: Arc::default(),
            is_abandoned: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What INFO shows.
    pub fn figures(&self) -> Figures {
        let state = self.state();
        let running = state.background.as_ref().map(|background| {
            let task = &background.task;
            let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
            Running {
                seconds: background.started.elapsed().as_secs(),
                keys_done: of(&task.keys_done),
                keys_total: task.keys_total,
                growth_bytes: of(&task.growth),
                peak_growth_bytes: of(&task.peak_growth),
            }
        });
        Figures {
            running,
            ..state.figures
        }
    }

    /// Whether a background save is under way.
    pub fn is_running(&self) -> bool {
        self.state().background.is_some()
    }

    /// Has a background save begun as soon as one can be.
    pub fn schedule(&self) {
        self.state().scheduled = true;
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&self) {
        self.state().figures.saves = 0;
    }

    /// Resolves when a background save has ended.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Ends the background save under way, if there is one: from now on it leaves the file alone that is there.
    pub fn cancel(&self) {
        let task = self
            .state()
            .background
            .as_ref()
            .map(|background| Arc::clone(&background.task));
        if let Some(task) = task {
            tracing::info!("There is a background save writing an .rdb. Ending it!");
            task.cancel();
        }
    }

    /// As [`Saving::cancel`], and waits until its temporary file is gone: the process is about to end.
    pub fn cancel_and_wait(&self, disk: &dyn Disk) {
        self.cancel();
        let task = self
            .state()
            .background
            .as_ref()
            .map(|background| Arc::clone(&background.task));
        if let Some(task) = task
            && !task.wait(CANCEL_LIMIT)
        {
            // It hangs in the file system, and will not rename.
            let _ = disk.remove(&task.temporary);
        }
    }

    /// Keeps the bit by which the gate sees that writes are refused.
    pub fn show_trouble(&self, config: &Config, attention: &super::attention::Attention) {
        let stops = config.stop_writes_on_bgsave_error()
            && !config.save_points().is_empty()
            && !self.state().figures.is_last_ok;
        if stops {
            attention.raise(WRITES_STOPPED);
        } else {
            attention.lower(WRITES_STOPPED);
        }
    }
}

impl Task {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on to renaming, unless it was cancelled.
    fn begin_commit(&self) -> bool {
        let mut phase = self.phase();
        let may = !self.cancelled.load(Ordering::Relaxed);
        if may {
            *phase = Phase::Committing;
        }
        may
    }

    fn end(&self, end: End) {
        *self.phase() = Phase::Over(end);
        self.moved.notify_all();
    }

    /// Why it is over, if it is.
    fn over(&self) -> Option<End> {
        match *self.phase() {
            Phase::Over(end) => Some(end),
            _ => None,
        }
    }

    /// Has it end without renaming; where it renames already, waits until it has.
    fn cancel(&self) {
        let mut phase = self.phase();
        self.cancelled.store(true, Ordering::Relaxed);
        self.moved.notify_all();
        while *phase == Phase::Committing {
            phase = self
                .moved
                .wait(phase)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for its end; false if it does not come in time.
    fn wait(&self, limit: Duration) -> bool {
        let phase = self.phase();
        let waited = self
            .moved
            .wait_timeout_while(phase, limit, |phase| !matches!(phase, Phase::Over(_)));
        let (_phase, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    /// Is called after each key.
    fn key_written(&self, keys: &mut u64) -> io::Result<()> {
        *keys += 1;
        if self.key_delay_us == 0 && !keys.is_multiple_of(REPORT_KEYS) {
            return Ok(());
        }
        self.keys_done.store(*keys, Ordering::Relaxed);
        let growth = alloc::used_bytes().saturating_sub(self.used_at_start) as u64;
        self.growth.store(growth, Ordering::Relaxed);
        self.peak_growth.fetch_max(growth, Ordering::Relaxed);
        self.pause();
        match self.cancelled.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }

    /// Waits as `rdb-key-save-delay` says, unless it is cancelled meanwhile.
    fn pause(&self) {
        let Some(delay) = delay(self.key_delay_us) else {
            return;
        };
        let phase = self.phase();
        let is_wanted = |_: &mut Phase| !self.cancelled.load(Ordering::Relaxed);
        drop(self.moved.wait_timeout_while(phase, delay, is_wanted));
    }
}

/// A delay in microseconds; a negative one stands for one microsecond after so many times on average.
pub fn delay(us: i64) -> Option<Duration> {
    let us = match us {
        0.. => us.unsigned_abs(),
        _ => u64::from(fastrand::u64(0..us.unsigned_abs()) == 0),
    };
    (us > 0).then(|| Duration::from_micros(us))
}

/// The data set as it is now, as the configuration wants it written.
pub fn snapshot(db: &Db, instance: &Instance, config: &Config, unix_ms: u64) -> Snapshot {
    let engine = instance.scripts.engine();
    let libraries = engine
        .known_functions()
        .into_iter()
        .flat_map(|vm| vm.libraries.iter());
    Snapshot {
        keyspaces: db.snapshot(),
        functions: libraries.map(|library| library.code.clone()).collect(),
        server_version: REDIS_VERSION,
        taken_ms: unix_ms,
        used_bytes: alloc::used_bytes(),
        uses: uses(config, db),
        compress: config.rdbcompression(),
        check_sum: config.rdbchecksum(),
        is_aof_base: false,
    }
}

/// What of keys' uses a file is to have: what the eviction goes by.
fn uses(config: &Config, db: &Db) -> Uses {
    match config.maxmemory_policy() {
        MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru => Uses::Idle,
        MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => Uses::Frequency(db.access),
        _ => Uses::Untold,
    }
}

fn target(config: &Config, temporary: String) -> Target {
    use std::os::unix::ffi::OsStrExt;
    let name = config.dbfilename().unwrap_or(b"dump.rdb");
    let name = Path::new(std::ffi::OsStr::from_bytes(name));
    Target::in_working_directory(name, temporary)
}

/// The name of a save in the foreground, while it is not whole.
fn temporary_name() -> String {
    format!("temp-{}.rdb", std::process::id())
}

/// The file that holds the data set between two runs of the server.
pub fn path(config: &Config) -> PathBuf {
    target(config, String::new()).path
}

/// Removes what a save in the foreground has written, as the process ends in the middle of it, and lets none begin.
pub fn abandon(instance: &Instance) {
    instance.saving.is_abandoned.store(true, Ordering::Release);
    // There may be none.
    let _ = instance.disk.remove(Path::new(&temporary_name()));
}

/// Saves the data set while everybody waits; whether that has succeeded.
pub fn save_now(db: &mut Db, instance: &Instance) -> bool {
    let config = instance.config();
    let unix_ms = super::unix_ms();
    let snapshot = snapshot(db, instance, &config, unix_ms);
    let target = target(&config, temporary_name());
    let key_delay_us = config.rdb_key_save_delay_us();
    let saving = &instance.saving;
    let is_wanted = || !saving.is_abandoned.load(Ordering::Acquire);
    let each_key = || {
        if let Some(delay) = delay(key_delay_us) {
            std::thread::sleep(delay);
        }
        match is_wanted() {
            true => Ok(()),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    };
    if !is_wanted() {
        return false;
    }
    let saved = dataset::save(&*instance.disk, &target, snapshot, each_key, is_wanted);
    if let Err(error) = saved {
        log_failure(&target, &error);
        return false;
    }
    tracing::info!("DB saved on disk");
    db.dirty = 0;
    let mut state = saving.state();
    state.figures.last_save_s = super::unix_ms() / 1000;
    state.figures.is_last_ok = true;
    drop(state);
    saving.show_trouble(&config, &instance.attention);
    true
}

/// SAVE: as [`save_now`], and counted.
pub fn save_and_count(db: &mut Db, instance: &Instance) -> bool {
    instance.saving.state().figures.saves += 1;
    save_now(db, instance)
}

fn log_failure(target: &Target, error: &SaveError) {
    let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    let (temporary, path) = (name(&target.temporary), name(&target.path));
    let text = system_text(&error.source);
    let folder = target.directory().canonicalize();
    let folder = folder.map_or_else(|_| "unknown".to_owned(), |path| path.display().to_string());
    match error.step {
        Step::Create => tracing::warn!(
            "Failed opening the temp RDB file {temporary} (in server root dir {folder}) for saving: {text}"
        ),
        Step::Write => tracing::warn!("Write error saving DB on disk: {text}"),
        Step::Rename => tracing::warn!(
            "Error moving temp DB file {temporary} on the final destination {path} (in server root dir {folder}): {text}"
        ),
        Step::Cancelled => {}
    }
}

/// Begins a background save, where none is under way; false if there can be none now.
pub fn start(db: &mut Db, instance: &Instance) -> bool {
    let config = instance.config();
    let unix_ms = super::unix_ms();
    let saving = &instance.saving;
    let started = Instant::now();
    let snapshot = snapshot(db, instance, &config, unix_ms);
    instance.stats.count_snapshot(started.elapsed());
    let pid = std::process::id();
    let mut target = target(&config, format!("temp-bgsave-{pid}.rdb"));
    if let Ok(folder) = std::env::current_dir() {
        // CONFIG SET dir may come before it is written.
        target = target.within(&folder);
    }
    let task = Arc::new(Task {
        phase: Mutex::new(Phase::Writing),
        moved: Condvar::new(),
        cancelled: AtomicBool::new(false),
        keys_done: AtomicU64::new(0),
        keys_total: snapshot.keys() as u64,
        used_at_start: snapshot.used_bytes,
        growth: AtomicU64::new(0),
        peak_growth: AtomicU64::new(0),
        key_delay_us: config.rdb_key_save_delay_us(),
        temporary: target.temporary.clone(),
    });
    let mut state = saving.state();
    state.figures.saves += 1;
    state.last_try_s = unix_ms / 1000;
    let run = {
        let (task, disk) = (Arc::clone(&task), Arc::clone(&instance.disk));
        let ended = Arc::clone(&saving.ended);
        move || {
            let run = AssertUnwindSafe(|| run(&task, &*disk, &target, snapshot));
            // Whatever happens to it, nobody may wait for its end in vain.
            task.end(catch_unwind(run).unwrap_or(End::Failed));
            ended.notify_one();
        }
    };
    let thread = std::thread::Builder::new().name("bgsave".to_owned());
    if let Err(error) = thread.spawn(run) {
        tracing::warn!("Can't save in background: {}", system_text(&error));
        state.figures.is_last_ok = false;
        drop(state);
        saving.show_trouble(&config, &instance.attention);
        return false;
    }
    state.background = Some(Background {
        task,
        started: Instant::now(),
        changes: db.dirty,
    });
    tracing::info!("Background saving started by pid {pid}");
    true
}

/// The background thread.
fn run(task: &Task, disk: &dyn Disk, target: &Target, snapshot: Snapshot) -> End {
    let mut keys = 0;
    let each_key = || task.key_written(&mut keys);
    match dataset::save(disk, target, snapshot, each_key, || task.begin_commit()) {
        Ok(()) => {
            tracing::info!("DB saved on disk");
            End::Saved {
                unix_s: super::unix_ms() / 1000,
            }
        }
        Err(_) if task.cancelled.load(Ordering::Relaxed) => End::Cancelled,
        Err(error) => {
            log_failure(target, &error);
            End::Failed
        }
    }
}

/// Notes the end of a background save. To be called before looking whether one is under way.
pub fn reap(db: &mut Db, instance: &Instance) {
    let saving = &instance.saving;
    let mut state = saving.state();
    let over = state
        .background
        .as_ref()
        .and_then(|background| background.task.over());
    let (Some(end), Some(background)) = (over, state.background.take_if(|_| over.is_some())) else {
        return;
    };
    let figures = &mut state.figures;
    figures.last_took_s = i64::try_from(background.started.elapsed().as_secs()).unwrap_or(-1);
    figures.last_growth_bytes = background.task.peak_growth.load(Ordering::Relaxed);
    match end {
        End::Saved { unix_s } => {
            tracing::info!("Background saving terminated with success");
            db.dirty = db.dirty.saturating_sub(background.changes);
            figures.last_save_s = unix_s;
            figures.is_last_ok = true;
        }
        End::Failed => {
            tracing::warn!("Background saving error");
            figures.is_last_ok = false;
        }
        End::Cancelled => tracing::warn!("Background saving terminated: it was cancelled"),
    }
    drop(state);
    saving.show_trouble(&instance.config(), &instance.attention);
}

/// Notes the end of a background save, and begins one that is due.
pub fn tend(db: &mut Db, instance: &Instance) {
    reap(db, instance);
    let saving = &instance.saving;
    let now_s = super::unix_ms() / 1000;
    let state = saving.state();
    let may_try = state.figures.is_last_ok || now_s > state.last_try_s + RETRY_DELAY_S;
    if state.background.is_some() || !may_try || rewrite::is_running(instance) {
        return;
    }
    let (scheduled, last_save_s) = (state.scheduled, state.figures.last_save_s);
    drop(state);
    let config = instance.config();
    let due = config.save_points().iter().find(|point| {
        let changes = i64::try_from(db.dirty).unwrap_or(i64::MAX);
        let elapsed_s = now_s.saturating_sub(last_save_s).cast_signed();
        changes >= point.changes && elapsed_s > point.seconds
    });
    if let Some(point) = due {
        tracing::info!(
            "{} changes in {} seconds. Saving...",
            point.changes,
            point.seconds
        );
    }
    let is_due = due.is_some() || scheduled;
    drop(config);
    if is_due && start(db, instance) {
        saving.state().scheduled = false;
    }
}
