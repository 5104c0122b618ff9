//! Writing and syncing: by connections ([`write_out`], [`commit`]), and by the threads that [`start`] begins.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::files::{Files, Progress};
use super::{Busy, Failed, locked, rewrite};
use crate::config::choices::AppendFsync;
use crate::config::error::system_text;
use crate::instance::Instance;
use crate::persist::disk::DiskFile;

/// How often the file is synced, and what has failed is tried again.
const PERIOD: Duration = Duration::from_secs(1);
/// So many bytes wait for a file that is busy. For more of them a connection waits, lest they fill the memory.
pub(super) const MAX_WAITING_BYTES: u64 = 64 * 1024 * 1024;
/// A sync that takes longer is told to the log.
const PATIENCE: Duration = Duration::from_secs(2);
/// With `always`, a disk that takes longer is waited for by the thread, and connections are served meanwhile. To hand the work
/// over and back would take longer than many a sync.
const SHORT_SYNC: Duration = Duration::from_millis(2);

/// Writes what is in the log, unless that may block; for a connection, before its replies go out. False where it is left to the
/// thread: a reply that tells of a write of the client's then waits for that ([`written_up_to`](super::Aof::written_up_to)).
pub fn write_out(instance: &Instance) -> bool {
    let aof = &instance.aof;
    let (written, end) = (aof.written.load(Ordering::Acquire), instance.log.end());
    if written >= end {
        return true;
    }
    // What comes while writing fails is no more than what was under way: writes are refused.
    let is_failing = aof.cannot_write();
    let may_wait = is_failing || end - written <= MAX_WAITING_BYTES;
    if aof.holds_replies() || (aof.is_busy() && may_wait) {
        aof.ask_writer();
        return is_failing;
    }
    let mut files = aof.files();
    let is_written = advance(instance, &mut files);
    drop(files);
    if !is_written {
        aof.ask_writer();
    }
    is_written
}

/// Has what a message may tell of written, so that it may go out now; false where it has to wait for the disk.
pub fn lets_out(instance: &Instance) -> bool {
    let aof = &instance.aof;
    if !aof.is_on() {
        return true;
    }
    if aof.holds_replies() {
        return false;
    }
    write_out(instance)
}

/// Writes and syncs what is in the log, for all whose replies wait for the disk (`always`); false where somebody else does, and
/// they are told.
pub fn commit(instance: &Instance) -> bool {
    let aof = &instance.aof;
    let is_up_to_thread = aof.is_lost() || aof.is_broken() || aof.unlisted().is_some();
    if aof.is_busy() || is_up_to_thread || aof.has_slow_disk.load(Ordering::Relaxed) {
        aof.ask_writer();
        return false;
    }
    let Ok(committing) = aof.committing.try_lock() else {
        return false;
    };
    let is_done = write_and_sync(instance);
    drop(committing);
    // Whoever came while it was held, too late for this sync, tries again.
    aof.moved.notify_waiters();
    if !is_done {
        aof.ask_writer();
    }
    is_done
}

fn write_and_sync(instance: &Instance) -> bool {
    let aof = &instance.aof;
    // Whoever has them may have more to do with them, and connections wait.
    let Ok(mut files) = aof.files.try_lock() else {
        return false;
    };
    if !advance(instance, &mut files) {
        return false;
    }
    let end = files.written();
    let sync = Sync::of(&files);
    drop(files);
    match sync {
        Some(sync) if end > aof.synced_up_to() && !rests(instance) => {
            return sync_now(instance, &sync);
        }
        // A sync that has failed meanwhile is told by the next look.
        _ if aof.is_broken() => {}
        _ => aof.show(end),
    }
    true
}

/// Writes up to the log's end; false where that fails, or where another file is to be opened first.
fn advance(instance: &Instance, files: &mut Files) -> bool {
    let aof = &instance.aof;
    let delay_us = aof.delay_us.load(Ordering::Relaxed);
    if delay_us > 0 && files.written() < instance.log.end() {
        std::thread::sleep(Duration::from_micros(delay_us));
    }
    let progress = files.advance(&instance.log);
    aof.written.store(files.written(), Ordering::Release);
    let len = files.len();
    aof.counters.increment.store(len, Ordering::Relaxed);
    match progress {
        Ok(Progress::Done) => {
            if aof.cannot_write() {
                aof.write_succeeded(instance);
            }
            true
        }
        Ok(Progress::Turn(_)) => {
            aof.set_busy(Busy::TURNING);
            false
        }
        Err(error) => {
            aof.write_failed(instance, &error);
            false
        }
    }
}

/// As [`advance`], and opens other files where the log says so.
fn advance_and_turn(instance: &Instance, files: &mut Files) -> bool {
    loop {
        if advance(instance, files) {
            return true;
        }
        match files.turn() {
            Some(number) => rewrite::turn(instance, files, number),
            None => return false,
        }
    }
}

/// A file that is to be synced.
#[derive(Debug)]
pub(super) struct Sync {
    file: Arc<dyn DiskFile>,
    /// What of the log is in it, and in those before it.
    end: u64,
}

/// What the thread remembers from one look to the next.
#[derive(Debug)]
pub(super) struct Rhythm {
    next: Instant,
    /// When the sync under way began, until it is told to the log.
    syncing_since: Option<Instant>,
}

impl Rhythm {
    /// Begins at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Rhythm {
            next: now + PERIOD,
            syncing_since: None,
        }
    }

    fn limit(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }
}

/// Writes what waits, and syncs as the policy says; a sync that nobody waits for is handed to `begin`.
pub(super) fn work(
    instance: &Instance,
    rhythm: &mut Rhythm,
    now: Instant,
    begin: &mut dyn FnMut(Sync),
) {
    let aof = &instance.aof;
    tell_delay(instance, rhythm, now);
    let sync = {
        let mut files = aof.files();
        advance_and_turn(instance, &mut files);
        Sync::of(&files)
    };
    aof.written_moved.notify_waiters();
    let is_tick = now >= rhythm.next;
    if is_tick {
        rhythm.next = now + PERIOD;
    }
    let Some(sync) = sync else {
        return aof.show(aof.written.load(Ordering::Acquire));
    };
    // A manifest that could not be written is tried again no sooner than anything else.
    let is_turning = aof
        .unlisted()
        .is_some_and(|unlisted| is_tick || unlisted.is_new());
    let is_due = is_turning || sync.end > aof.synced_up_to() || (is_tick && aof.awaits_sync());
    match aof.policy() {
        AppendFsync::Always if is_turning => _ = sync_now(instance, &sync),
        // It is tried again at the next tick.
        AppendFsync::Always if aof.unlisted().is_some() => {}
        AppendFsync::Always if rests(instance) && !aof.is_broken() => aof.show(sync.end),
        AppendFsync::Always if is_due => _ = sync_now(instance, &sync),
        // What a sync has lost is not there because it is synced no more.
        AppendFsync::Always if aof.is_broken() => {}
        AppendFsync::Always => aof.show(sync.end),
        policy => {
            let is_wanted = match policy {
                AppendFsync::Everysec => is_tick && !rests(instance),
                // Without a rhythm of its own the file is synced for those who wait for it.
                _ => aof.sync_wanted.load(Ordering::Acquire) || aof.is_broken(),
            };
            let is_busy = aof.busy.load(Ordering::Acquire) & Busy::SYNCING != 0;
            if (is_wanted || is_turning) && is_due && !is_busy {
                aof.set_busy(Busy::SYNCING);
                rhythm.syncing_since = Some(now);
                begin(sync);
            }
        }
    }
}

/// Whether the file is not synced while much else is written (`no-appendfsync-on-rewrite`).
fn rests(instance: &Instance) -> bool {
    rewrite::is_running(instance) && instance.config().no_appendfsync_on_rewrite()
}

fn tell_delay(instance: &Instance, rhythm: &mut Rhythm, now: Instant) {
    let aof = &instance.aof;
    if aof.busy.load(Ordering::Acquire) & Busy::SYNCING == 0 {
        rhythm.syncing_since = None;
    }
    let waits = aof.written.load(Ordering::Acquire) < instance.log.end();
    if waits
        && let Some(since) = rhythm.syncing_since
        && now.saturating_duration_since(since) > PATIENCE
    {
        rhythm.syncing_since = None;
        aof.counters.delayed_syncs.fetch_add(1, Ordering::Relaxed);
        tracing::info!(
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync \
             to complete, this may slow down the server."
        );
    }
}

/// Syncs while replies wait for it; false where that fails.
fn sync_now(instance: &Instance, sync: &Sync) -> bool {
    let start = Instant::now();
    // A failure is noted, and the end.
    let is_synced = sync.run_now(instance);
    if is_synced {
        let is_slow = start.elapsed() > SHORT_SYNC;
        let has_slow_disk = &instance.aof.has_slow_disk;
        has_slow_disk.store(is_slow, Ordering::Relaxed);
    }
    is_synced
}

impl Sync {
    /// What is in the file that is written; nothing where there is none.
    fn of(files: &Files) -> Option<Sync> {
        let (file, end) = (files.current()?, files.written());
        Some(Sync { file, end })
    }

    /// Syncs; false where that fails, which is noted. What is in a file counts when the manifest names it.
    fn run_now(&self, instance: &Instance) -> bool {
        let aof = &instance.aof;
        if let Some(unlisted) = aof.unlisted()
            && unlisted.list(instance).is_err()
        {
            // It is worth having on the disk all the same.
            aof.sync_uncounted(instance, &*self.file);
            return false;
        }
        aof.sync(instance, &*self.file, self.end).is_ok()
    }

    /// Syncs while others write on.
    pub(super) fn run(&self, instance: &Instance) {
        let aof = &instance.aof;
        // A failure is tried again.
        self.run_now(instance);
        aof.clear_busy(Busy::SYNCING);
        // What came meanwhile was left to the thread.
        aof.ask_writer();
    }
}

/// Begins the threads that write and sync.
pub(super) fn start(instance: &Instance) -> Result<(), Failed> {
    let shared = instance.shared().ok_or(Failed)?;
    let cannot = |error: std::io::Error| {
        let text = system_text(&error);
        tracing::warn!("A thread for the append-only file cannot be had: {text}");
        Failed
    };
    let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let (jobs, received) = channel();
    let syncing = Arc::clone(&shared);
    named("aof-sync")
        .spawn(move || sync_all(&syncing, &received))
        .map_err(cannot)?;
    let writing = named("aof-write").spawn(move || run(&shared, &jobs));
    *locked(&instance.aof.writer) = Some(writing.map_err(cannot)?);
    Ok(())
}

fn run(instance: &Instance, jobs: &Sender<Sync>) {
    let mut rhythm = Rhythm::new(Instant::now());
    while instance.aof.wait_until_asked(rhythm.limit(Instant::now())) {
        work(instance, &mut rhythm, Instant::now(), &mut |sync| {
            // The other thread lives as long as this one.
            let _ = jobs.send(sync);
        });
    }
}

fn sync_all(instance: &Instance, jobs: &Receiver<Sync>) {
    while let Ok(sync) = jobs.recv() {
        sync.run(instance);
    }
}

/// Writes what is left, whatever else is under way; whether that has succeeded.
pub fn flush(instance: &Instance) -> bool {
    advance_and_turn(instance, &mut instance.aof.files())
}

/// Writes and syncs what is left, when the threads have ended.
pub(super) fn finish(instance: &Instance) {
    let aof = &instance.aof;
    let mut files = aof.files();
    advance_and_turn(instance, &mut files);
    if let Some(sync) = Sync::of(&files) {
        drop(files);
        // A failure is in the log, and there is nothing else to be done.
        sync.run_now(instance);
    }
}
