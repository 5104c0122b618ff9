//! The append-only file: every write goes to disk before its answer goes to the client.
//!
//! Life cycle: at the start [`load`] reads the files and [`open`] goes on with the last one; [`switch`] turns it on and off
//! later; [`rewrite`] makes a new base from a snapshot while writes go into a new increment; [`Aof::close`] ends it.
//!
//! # Who writes
//! The effects of commands come into the log ([`crate::replication::log`]) under the data set's lock. They come from there into
//! the file under the lock of [`Files`], by [`writer`]:
//!
//! * `everysec` and `no`: each connection writes what is in the log after its batch, before the replies go out. What is
//!   acknowledged outlives the process. While that may block ([`Busy`]: the file is being synced, or exchanged), a thread of its
//!   own writes, and replies that tell of a client's own writes wait for it, those of clients that read do not.
//! * `always`: a connection holds its replies until what the log had at the end of its batch is on the disk. It lets the others
//!   whose commands have arrived go first; then the first of them writes and syncs for all. Where the last sync took long, and
//!   where writing may block, the thread does that, and the connections are served meanwhile.
//!
//! While writing fails, writes are refused, and who has none under way is answered.
//!
//! # Offsets
//! All in the log: `written` is in files, `durable` is on the disk, up to `shown` replies may go out. They only grow. What was
//! synced but counts only once a base is there is `hidden` so long ([`sync`]).
//!
//! # Locks
//! The data set's, then `files`, then `ledger` (the manifest), then `syncing`, then the small ones. No call that waits for the disk is
//! made under the data set's, but for CONFIG SET.

mod base;
mod commit;
mod directory;
mod figures;
mod files;
pub mod load;
pub mod open;
pub mod rewrite;
pub mod switch;
mod sync;
#[cfg(test)]
mod tests;
mod trouble;
mod unlisted;
pub mod writer;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

use super::Instance;
pub use super::loading::Failed;
use crate::config::choices::AppendFsync;
use crate::persist::aof::manifest::Manifest;
use directory::Directory;
use figures::Counters;
pub use figures::Figures;
use files::Files;
use rewrite::Rewriting;
use trouble::Trouble;
use unlisted::Unlisted;

/// Whether there is an append-only file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No.
    Off,
    /// It was turned on, and its first base is being written.
    Waiting,
    /// Yes.
    On,
}

/// Why connections leave writing to the thread: bits.
struct Busy;

impl Busy {
    /// The file is being synced.
    const SYNCING: u32 = 1;
    /// Another file is being opened.
    const TURNING: u32 = 1 << 1;
    /// Writing has failed.
    const FAILING: u32 = 1 << 2;
}

/// The append-only file of one server.
#[derive(Debug)]
pub struct Aof {
    state: AtomicU8,
    policy: AtomicU8,
    busy: AtomicU32,
    written: AtomicU64,
    durable: AtomicU64,
    hidden: AtomicU64,
    shown: AtomicU64,
    /// Held by whoever syncs, until what has come of it is noted.
    syncing: Mutex<()>,
    /// Whether a sync has failed, and no base was written since.
    is_broken: AtomicBool,
    moved: Notify,
    /// Told of each time that the thread has written.
    written_moved: Notify,
    /// Held by the connection that syncs for all.
    committing: Mutex<()>,
    /// Whether the last sync that replies waited for took long.
    has_slow_disk: AtomicBool,
    /// Whether somebody waits for a sync (WAITAOF).
    sync_wanted: AtomicBool,
    synced: Notify,
    files: Mutex<Files>,
    ledger: Mutex<Option<Ledger>>,
    wake: Wake,
    writer: Mutex<Option<JoinHandle<()>>>,
    trouble: Mutex<Trouble>,
    counters: Counters,
    /// Microseconds to wait before each write, for tests.
    delay_us: AtomicU64,
    rewriting: Mutex<Rewriting>,
    unlisted: Mutex<Option<Arc<Unlisted>>>,
    is_lost: AtomicBool,
    lost: Notify,
}

/// The manifest, and where it lies.
#[derive(Debug)]
struct Ledger {
    directory: Directory,
    manifest: Manifest,
}

/// What the writing thread waits for.
#[derive(Debug, Default)]
struct Wake {
    state: Mutex<Wakeup>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wakeup {
    is_asked: bool,
    stops: bool,
}

impl Default for Aof {
    fn default() -> Self {
        Aof {
            state: AtomicU8::new(State::Off as u8),
            policy: AtomicU8::new(AppendFsync::Everysec as u8),
            busy: AtomicU32::new(0),
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            hidden: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            syncing: Mutex::default(),
            is_broken: AtomicBool::new(false),
            moved: Notify::new(),
            written_moved: Notify::new(),
            committing: Mutex::default(),
            has_slow_disk: AtomicBool::new(false),
            sync_wanted: AtomicBool::new(false),
            synced: Notify::new(),
            files: Mutex::default(),
            ledger: Mutex::default(),
            wake: Wake::default(),
            writer: Mutex::default(),
            trouble: Mutex::default(),
            counters: Counters::default(),
            delay_us: AtomicU64::new(0),
            rewriting: Mutex::default(),
            unlisted: Mutex::default(),
            is_lost: AtomicBool::new(false),
            lost: Notify::new(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Aof {
    /// Whether writes go to a file.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.state.load(Ordering::Relaxed) != State::Off as u8
    }

    /// Whether there is an append-only file.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            state if state == State::On as u8 => State::On,
            state if state == State::Waiting as u8 => State::Waiting,
            _ => State::Off,
        }
    }

    fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Whether replies wait for the disk.
    #[inline]
    pub fn holds_replies(&self) -> bool {
        self.policy.load(Ordering::Relaxed) == AppendFsync::Always as u8
    }

    /// When the file is synced.
    pub fn policy(&self) -> AppendFsync {
        match self.policy.load(Ordering::Relaxed) {
            policy if policy == AppendFsync::Always as u8 => AppendFsync::Always,
            policy if policy == AppendFsync::No as u8 => AppendFsync::No,
            _ => AppendFsync::Everysec,
        }
    }

    /// Syncs the file like this from now on.
    pub fn set_policy(&self, policy: AppendFsync) {
        self.policy.store(policy as u8, Ordering::Relaxed);
        self.ask_writer();
        self.moved.notify_waiters();
        self.written_moved.notify_waiters();
    }

    /// Waits so long before each write, for tests.
    pub fn set_delay(&self, us: u64) {
        self.delay_us.store(us, Ordering::Relaxed);
    }

    /// Whether replies may tell of what stands before this offset of the log.
    #[inline]
    pub fn may_show(&self, end: u64) -> bool {
        self.shown.load(Ordering::Acquire) >= end
    }

    /// Resolves when replies may tell of what stands before this offset of the log, with what is done for it; while the file
    /// cannot be written, of the client's own writes, which stand before `own_end`.
    pub async fn show_up_to(&self, end: u64, own_end: u64, instance: &Instance) {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            let end = if self.is_failing() { own_end } else { end };
            if self.may_show(end) || !self.holds_replies() || !self.is_on() {
                return;
            }
            if !writer::commit(instance) {
                moved.await;
            }
        }
    }

    /// Resolves when what stands before this offset of the log is written, or will not be for now, after
    /// [`writer::write_out`] has left it to the thread.
    pub async fn written_up_to(&self, end: u64) {
        loop {
            let mut moved = std::pin::pin!(self.written_moved.notified());
            moved.as_mut().enable();
            let is_written = self.written.load(Ordering::Acquire) >= end;
            if is_written || !self.is_on() || self.holds_replies() || self.cannot_write() {
                return;
            }
            moved.await;
        }
    }

    /// Resolves when a sync has failed on which replies waited: nobody knows what is on the disk, and the process has to end.
    pub async fn lost(&self) {
        while !self.is_lost() {
            self.lost.notified().await;
        }
    }

    /// Whether that has happened.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
        self.lost.notify_one();
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        locked(&self.files)
    }

    fn ledger(&self) -> MutexGuard<'_, Option<Ledger>> {
        locked(&self.ledger)
    }

    /// Whether the last write has failed.
    fn cannot_write(&self) -> bool {
        self.busy.load(Ordering::Acquire) & Busy::FAILING != 0
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) != 0
    }

    fn set_busy(&self, bit: u32) {
        self.busy.fetch_or(bit, Ordering::AcqRel);
    }

    fn clear_busy(&self, bit: u32) {
        self.busy.fetch_and(!bit, Ordering::AcqRel);
    }

    /// Has the thread look what is to be written.
    pub fn ask_writer(&self) {
        let mut state = locked(&self.wake.state);
        if !state.is_asked {
            state.is_asked = true;
            self.wake.changed.notify_one();
        }
    }

    /// Waits until the thread is asked, for so long at the most; false if it is to end.
    fn wait_until_asked(&self, limit: Duration) -> bool {
        let state = locked(&self.wake.state);
        let waited = self
            .wake
            .changed
            .wait_timeout_while(state, limit, |state| !state.is_asked && !state.stops);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_asked = false;
        !state.stops
    }

    /// Has [`Aof::synced`] resolve when more is on the disk; for a client that waits for that, under the data set's lock.
    pub fn wait_for_sync(&self) {
        self.sync_wanted.store(true, Ordering::Release);
        // It may have come in between.
        self.synced.notify_one();
        self.ask_writer();
    }

    /// Resolves when more is on the disk than before and a client may wait for that.
    pub async fn synced(&self) {
        self.synced.notified().await;
    }

    /// Says whether any client waits for the disk.
    pub fn set_sync_wanted(&self, wanted: bool) {
        self.sync_wanted.store(wanted, Ordering::Release);
    }

    fn show(&self, offset: u64) {
        // Who is told of nothing new would only ask again, and a write that fails would be tried without a pause.
        if self.shown.fetch_max(offset, Ordering::AcqRel) < offset {
            self.moved.notify_waiters();
        }
    }

    /// Removes the files that rewrites have made superfluous and that were kept. Whoever has the manifest now, for loading or a
    /// rewrite, removes them at the end of that.
    pub fn remove_history(&self) {
        let Ok(mut ledger) = self.ledger.try_lock() else {
            return;
        };
        if let Some(Ledger {
            directory,
            manifest,
        }) = ledger.as_mut()
        {
            // What stays there takes room alone, and a failure is in the log.
            let _ = directory.remove_history(manifest);
        }
    }

    /// Writes and syncs what is left, and ends the thread; the file stays as it is.
    pub fn close(&self, instance: &Instance) {
        if !self.is_on() {
            return;
        }
        locked(&self.wake.state).stops = true;
        self.wake.changed.notify_one();
        if let Some(writer) = locked(&self.writer).take() {
            // A panic of it is in the log already.
            let _ = writer.join();
        }
        locked(&self.wake.state).stops = false;
        tracing::info!("Calling fsync() on the AOF file.");
        writer::finish(instance);
        self.set_state(State::Off);
        *self.files() = Files::default();
        *locked(&self.unlisted) = None;
        self.moved.notify_waiters();
        self.written_moved.notify_waiters();
        // Who waits for the disk waits in vain.
        self.synced.notify_one();
    }
}
