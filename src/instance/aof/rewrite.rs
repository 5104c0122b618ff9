//! A new base, from a snapshot, in the place of the files so far.
//!
//! Life cycle: [`start`] takes the snapshot under the data set's lock, and sets a mark in the log. The writing thread comes to the
//! mark ([`turn`]): what follows goes into a new increment, which the manifest names once what stands before the mark is synced
//! ([`super::unlisted`]). Then a thread of its own writes the base under a temporary name; when that is done it gives the base
//! its name, writes a manifest that makes history of all that came before the mark, and removes that. Where anything fails,
//! base and manifest stay as they were, and the new increment stays: nothing is lost. Who retries too often waits
//! ([`Limit`]), so that failures do not make files without end. One that was called off may be in the middle of that: whoever
//! calls it off waits so long ([`cancel`]), and no two ever write under the same temporary name.
//!
//! An append-only file that was just turned on has no files that count before its first base is there: its increment has a
//! temporary name so long.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::base::Base;
use super::directory::Directory;
use super::files::Files;
use super::sync::Turned;
use super::{Aof, Busy, Failed, State, locked, unlisted};
use crate::config::error::system_text;
use crate::instance::{Instance, saving};
use crate::persist::disk::DiskFile;
use crate::replication::log::Mark;
use crate::store::db::Db;

/// From so many failures in a row on the next rewrite has to wait.
const FAILURES_BEFORE_LIMIT: u64 = 3;
/// The longest that it waits.
const MAX_DELAY_MINUTES: u64 = 60;

/// The rewrite under way, and what is known of those before.
#[derive(Debug, Default)]
pub(super) struct Rewriting {
    task: Option<Arc<Task>>,
    last_number: u64,
    scheduled: bool,
    started: Option<Instant>,
    last_took_s: Option<u64>,
    has_failed: bool,
    rewrites: u64,
    failures: u64,
    limit: Limit,
}

/// How long the next rewrite has to wait after several that have failed.
#[derive(Debug, Default)]
struct Limit {
    delay_minutes: u64,
    until: Option<Instant>,
}

/// What INFO shows of rewrites.
#[derive(Clone, Copy, Debug)]
pub struct RewriteFigures {
    /// Whether one is under way.
    pub is_running: bool,
    /// Whether one begins as soon as it can.
    pub is_scheduled: bool,
    /// How long the last one took; -1 before there was one.
    pub last_took_s: i64,
    /// How long the one under way has taken; -1 if there is none.
    pub current_s: i64,
    /// Whether the last one succeeded.
    pub is_last_ok: bool,
    /// How many were begun.
    pub rewrites: u64,
    /// How many have failed since the last one that succeeded.
    pub failures: u64,
}

/// What those who take part in a rewrite share.
#[derive(Debug)]
pub(super) struct Task {
    number: u64,
    cancelled: AtomicBool,
    /// The increment that counts once the base is there, if there is none before.
    first: Option<Arc<dyn DiskFile>>,
    /// Whether the log goes into the new increment, and from where on; nothing before it is known.
    turned: Mutex<Option<Result<Turned, Failed>>>,
    moved: Condvar,
}

impl Task {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(super) fn set_turned(&self, turned: Result<Turned, Failed>) {
        locked(&self.turned).get_or_insert(turned);
        self.moved.notify_all();
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.set_turned(Err(Failed));
    }

    /// Waits until it is known whether the log goes into the new increment.
    fn wait_turned(&self) -> Result<Turned, Failed> {
        let turned = self
            .moved
            .wait_while(locked(&self.turned), |turned| turned.is_none());
        let turned = turned.unwrap_or_else(PoisonError::into_inner);
        turned.unwrap_or(Err(Failed))
    }
}

impl Limit {
    /// Whether a rewrite that nobody has asked for may not begin yet.
    fn holds(&mut self, failures: u64, now: Instant) -> bool {
        if failures < FAILURES_BEFORE_LIMIT {
            *self = Limit::default();
            return false;
        }
        if let Some(until) = self.until {
            if now < until {
                return true;
            }
            self.until = None;
            return false;
        }
        self.delay_minutes = (self.delay_minutes * 2).clamp(1, MAX_DELAY_MINUTES);
        let minutes = self.delay_minutes;
        self.until = Some(now + Duration::from_secs(60 * minutes));
        tracing::warn!(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes"
        );
        true
    }
}

impl Aof {
    fn rewriting(&self) -> MutexGuard<'_, Rewriting> {
        locked(&self.rewriting)
    }

    /// What INFO shows of rewrites.
    pub fn rewrite_figures(&self) -> RewriteFigures {
        let rewriting = self.rewriting();
        let seconds = |seconds: Option<u64>| seconds.map_or(-1, u64::cast_signed);
        RewriteFigures {
            is_running: rewriting.task.is_some(),
            is_scheduled: rewriting.scheduled,
            last_took_s: seconds(rewriting.last_took_s),
            current_s: seconds(rewriting.started.map(|started| started.elapsed().as_secs())),
            is_last_ok: !rewriting.has_failed,
            rewrites: rewriting.rewrites,
            failures: rewriting.failures,
        }
    }

    /// Has a rewrite begin as soon as it can, however many have failed.
    pub fn schedule_rewrite(&self) {
        let mut rewriting = self.rewriting();
        rewriting.scheduled = true;
        rewriting.failures = 0;
    }

    /// Has a rewrite begin that makes good what a sync has lost, if none is under way.
    pub(super) fn schedule_mending(&self) {
        let mut rewriting = self.rewriting();
        if rewriting.task.is_none() && !rewriting.scheduled {
            rewriting.scheduled = true;
            tracing::warn!(
                "The AOF file can be synced again. A rewrite has to bring back what may have been lost before writes go on."
            );
        }
    }

    /// Whether it is to be tried if the disk can be synced again, after which a rewrite is to make good what was lost.
    pub(super) fn awaits_sync(&self) -> bool {
        let rewriting = self.rewriting();
        self.is_broken() && !rewriting.scheduled && rewriting.task.is_none()
    }

    pub(super) fn reset_rewrites(&self) {
        let mut rewriting = self.rewriting();
        (rewriting.rewrites, rewriting.failures) = (0, 0);
    }
}

/// Whether a rewrite is under way.
pub fn is_running(instance: &Instance) -> bool {
    instance.aof.rewriting().task.is_some()
}

/// Ends the rewrite under way, if there is one, and forgets one that is scheduled. One that is being committed is waited for.
pub fn cancel(instance: &Instance) {
    instance.aof.rewriting().scheduled = false;
    call_off(instance);
}

fn call_off(instance: &Instance) -> Option<Arc<Task>> {
    let task = {
        let mut rewriting = instance.aof.rewriting();
        rewriting.started = None;
        rewriting.task.take()?
    };
    tracing::info!("Killing running AOF rewrite child: {}", std::process::id());
    task.cancel();
    // Whoever commits has it: from here on the task has, or never will.
    drop(instance.aof.ledger());
    Some(task)
}

/// Whether a rewrite is to begin: one that is scheduled, or because the files have grown.
pub fn is_due(instance: &Instance) -> bool {
    let is_grown = growth(instance).is_some();
    let mut rewriting = instance.aof.rewriting();
    let failures = rewriting.failures;
    rewriting.task.is_none()
        && (rewriting.scheduled || is_grown)
        && !instance.saving.is_running()
        && !rewriting.limit.holds(failures, Instant::now())
}

/// Begins the rewrite that is due, unless something else has begun since that was seen.
pub fn tend(db: &mut Db, instance: &Instance) {
    if is_running(instance) || instance.saving.is_running() {
        return;
    }
    let is_scheduled = std::mem::take(&mut instance.aof.rewriting().scheduled);
    if !is_scheduled && let Some(percent) = growth(instance) {
        tracing::info!("Starting automatic rewriting of AOF on {percent}% growth");
    }
    if start(db, instance).is_err() {
        // The log says why. What was asked for, or is needed, is tried again.
        let mut rewriting = instance.aof.rewriting();
        rewriting.scheduled |= is_scheduled;
        rewriting.has_failed = true;
        rewriting.failures += 1;
    }
}

/// By how many percent the files have grown since the last rewrite, where that is enough for another.
fn growth(instance: &Instance) -> Option<u64> {
    let aof = &instance.aof;
    if aof.state() != State::On {
        return None;
    }
    let config = instance.config();
    let figures = aof.figures(&instance.log);
    let (current, base) = (figures.current_size, figures.base_size.max(1));
    let wanted = config.auto_aof_rewrite_percentage();
    if wanted == 0 || current <= config.auto_aof_rewrite_min_size_bytes() {
        return None;
    }
    let percent = (current.saturating_mul(100) / base).saturating_sub(100);
    (percent >= u64::from(wanted)).then_some(percent)
}

/// Begins a rewrite, where none is under way.
pub fn start(db: &mut Db, instance: &Instance) -> Result<(), Failed> {
    let aof = &instance.aof;
    let state = aof.state();
    let directory = aof.ledger().as_ref().map(|ledger| ledger.directory.clone());
    let (Some(directory), Some(shared)) = (directory, instance.shared()) else {
        return Err(Failed);
    };
    let first = match state {
        State::Waiting => {
            let made = directory
                .make()
                .and_then(|()| directory.create(&directory.temporary_increment()));
            Some(made.inspect_err(|_| aof.rewriting().has_failed = true)?)
        }
        State::On | State::Off => None,
    };
    let started = Instant::now();
    let base = Base::take(db, instance);
    instance.stats.count_snapshot(started.elapsed());
    let mut rewriting = aof.rewriting();
    rewriting.last_number += 1;
    let task = Arc::new(Task {
        number: rewriting.last_number,
        cancelled: AtomicBool::new(false),
        first,
        turned: Mutex::new((state == State::Off).then_some(Ok(Turned::default()))),
        moved: Condvar::new(),
    });
    let run = {
        let (task, shared) = (Arc::clone(&task), Arc::clone(&shared));
        move || {
            let run = AssertUnwindSafe(|| run(&shared, &task, base, &directory));
            if catch_unwind(run).is_err() {
                // Whatever has happened to it, it is over, and another one can begin.
                end(&shared, &task, false);
            }
        }
    };
    let thread = std::thread::Builder::new().name("aof-rewrite".to_owned());
    if let Err(error) = thread.spawn(run) {
        rewriting.has_failed = true;
        let text = system_text(&error);
        tracing::warn!("Can't rewrite append only file in background: {text}");
        return Err(Failed);
    }
    rewriting.rewrites += 1;
    rewriting.started = Some(Instant::now());
    rewriting.scheduled = false;
    rewriting.task = Some(Arc::clone(&task));
    drop(rewriting);
    if state != State::Off {
        aof.set_busy(Busy::TURNING);
        instance.log.mark(Mark::File(task.number));
        aof.ask_writer();
    }
    let pid = std::process::id();
    tracing::info!("Background append only file rewriting started by pid {pid}");
    Ok(())
}

/// Goes on in another file, at the mark of a rewrite that the log has come to; called by the thread that writes.
pub(super) fn turn(instance: &Instance, files: &mut Files, number: u64) {
    let aof = &instance.aof;
    files.pass_mark();
    let task = aof.rewriting().task.clone();
    if let Some(task) = task.filter(|task| task.number == number && !task.is_cancelled()) {
        match &task.first {
            Some(file) => {
                files.turn_to(Some(Arc::clone(file)));
                task.set_turned(Ok(Turned {
                    offset: files.written(),
                    failed_syncs: aof.failed_syncs(),
                }));
            }
            // Whoever has the manifest name the new increment says that it is turned.
            None => {
                if let Err(failed) = unlisted::begin(instance, files, &task) {
                    task.set_turned(Err(failed));
                }
            }
        }
    }
    aof.clear_busy(Busy::TURNING);
}

/// The thread that writes the base.
fn run(instance: &Instance, task: &Task, base: Base, directory: &Directory) {
    let form = base.form;
    let temporary = temporary_base(directory, task.number);
    let key_delay_us = instance.config().rdb_key_save_delay_us();
    let mut each_key = || {
        if let Some(delay) = saving::delay(key_delay_us) {
            std::thread::sleep(delay);
        }
        match task.is_cancelled() {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    };
    // With `always` replies wait for what the turn has synced: the disk is not to be busy with the base by then.
    let turned = task.wait_turned();
    let written = turned.and_then(|_| directory.make()).and_then(|()| {
        let written = base.write(directory, &temporary, &mut each_key);
        written.map_err(|error| {
            if !task.is_cancelled() {
                let text = system_text(&error);
                tracing::warn!("Write error writing append only file on disk: {text}");
            }
            Failed
        })
    });
    if written.is_ok() {
        let shown = temporary.display();
        tracing::info!("Successfully created the temporary AOF base file {shown}");
    }
    let done = written.and(turned).and_then(|turned| {
        let is_cancelled = || task.is_cancelled();
        super::commit::commit(instance, &temporary, form, turned, is_cancelled)
    });
    if done.is_err() {
        // It may be gone, renamed or not.
        let _ = directory.disk().remove(&temporary);
    }
    end(instance, task, done.is_ok());
}

/// As [`cancel`], and removes what was written, as the process ends before the thread can do that.
pub fn cancel_at_end(instance: &Instance) {
    if let Some(task) = call_off(instance)
        && let Some(ledger) = instance.aof.ledger().as_ref()
    {
        let directory = &ledger.directory;
        let temporary = temporary_base(directory, task.number);
        // It may not have been made, or be gone.
        let _ = directory.disk().remove(&temporary);
    }
}

/// The name of a base that is not whole, which no other rewrite of this process has.
fn temporary_base(directory: &Directory, number: u64) -> PathBuf {
    let pid = std::process::id();
    directory.beside(format!("temp-rewriteaof-bg-{pid}-{number}.aof").as_bytes())
}

fn end(instance: &Instance, task: &Task, succeeded: bool) {
    let aof = &instance.aof;
    let mut files = aof.files();
    let mut rewriting = aof.rewriting();
    let other = rewriting.task.as_ref();
    if other.is_none_or(|other| other.number != task.number) {
        // It was cancelled, and another may be under way.
        return;
    }
    rewriting.task = None;
    let took = rewriting.started.take().map(|started| started.elapsed());
    rewriting.last_took_s = took.map(|took| took.as_secs());
    rewriting.has_failed = !succeeded;
    // A sync has failed that this one does not make good.
    rewriting.scheduled |= aof.is_broken();
    if succeeded {
        rewriting.failures = 0;
        tracing::info!("Background AOF rewrite finished successfully");
        return;
    }
    rewriting.failures += 1;
    tracing::warn!("Background AOF rewrite terminated with error");
    if aof.state() == State::Waiting {
        // What has come meanwhile belongs to no base. The next one has it.
        rewriting.scheduled = true;
        files.turn_to(None);
        if let Some(ledger) = aof.ledger().as_ref() {
            let directory = &ledger.directory;
            let name = directory.temporary_increment();
            let shown = String::from_utf8_lossy(&name).into_owned();
            tracing::info!("Removing the temp incr aof file {shown} in the background");
            let _ = directory.disk().remove(&directory.file(&name));
        }
    }
    drop(rewriting);
    // A mark that the log has not come to is that of nobody.
    aof.ask_writer();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_again_and_again_has_to_wait_longer_each_time() {
        let (mut limit, mut now) = (Limit::default(), Instant::now());
        assert!(!limit.holds(2, now));
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(limit.holds(3, now));
            now += Duration::from_secs(60 * minutes - 1);
            assert!(limit.holds(3, now), "{minutes} minutes are not over");
            now += Duration::from_secs(1);
            assert!(!limit.holds(3, now), "{minutes} minutes are over");
        }
        assert!(!limit.holds(0, now));
        assert!(limit.holds(3, now));
        assert_eq!(limit.delay_minutes, 1);
    }
}
