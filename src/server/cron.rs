//! Periodic work: the expiry sweep, saves that are due, clients that idle too long, rates for INFO.
//!
//! Each is an interval task on the main runtime. The sweep takes the data set's lock for a bounded number of keys at a
//! time, so a command never waits long behind it. None holds up the others while it waits for the lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::busy;
use super::clock;
use super::migrate;
use crate::command::waiting;
use crate::commands::generic::wait;
use crate::instance::aof::rewrite;
use crate::instance::waiters::NO_DEADLINE;
use crate::instance::{Instance, news, pause, saving, tracking};
use crate::store::db::Db;
use crate::store::{alloc, huge_pages};

/// Keys that one hold of the lock deletes at the most.
const SWEEP_STEP: usize = 128;
/// How often INFO's rates are sampled.
const SAMPLE_PERIOD: Duration = Duration::from_millis(100);
/// How often it is looked whether the append-only file is to be rewritten.
const REWRITE_PERIOD: Duration = Duration::from_millis(100);
/// How often it is looked whether the data set is to be saved.
const SAVE_PERIOD: Duration = Duration::from_millis(100);
/// How often idle clients are looked for.
const CLIENTS_PERIOD: Duration = Duration::from_millis(500);

/// A timer sleeps no longer than this, whatever the deadline.
const MAX_SLEEP_MS: u64 = 3_600_000;

/// Starts all of it, within the main runtime.
pub fn start(db: &Arc<Mutex<Db>>, instance: &Arc<Instance>) -> Vec<JoinHandle<()>> {
    let db = || Arc::clone(db);
    let instance = || Arc::clone(instance);
    vec![
        tokio::spawn(sweep_expired(db(), instance())),
        tokio::spawn(save_when_due(db(), instance())),
        tokio::spawn(rewrite_when_due(db(), instance())),
        tokio::spawn(answer_synced(db(), instance())),
        tokio::spawn(end_waits(db(), instance())),
        tokio::spawn(end_pauses(db(), instance())),
        tokio::spawn(migrate::carry_migrations(db(), instance())),
        tokio::spawn(close_idle_clients(instance())),
        tokio::spawn(sample_rates(instance())),
        tokio::spawn(tend_heap(instance())),
    ]
}

/// The share of the time that a sweep may take, in percent, by `active-expire-effort` (1 to 10).
fn sweep_budget(period: Duration, effort: u32) -> Duration {
    period * (25 + 2 * (effort.clamp(1, 10) - 1)) / 100
}

/// Deletes expired keys, `hz` times a second, within a time budget.
async fn sweep_expired(db: Arc<Mutex<Db>>, instance: Arc<Instance>) {
    loop {
        let (period, effort) = {
            let config = instance.config();
            (
                Duration::from_secs(1) / config.hz().clamp(1, 500),
                config.active_expire_effort(),
            )
        };
        tokio::time::sleep(period).await;
        if instance.cron_rests() {
            continue;
        }
        if tracking::needs_trim(&instance)
            && let Some(mut db) = busy::lock_in_turns(&db, &instance).await
        {
            tracking::trim(&instance, &mut db, None);
        }
        if instance.sweeps() {
            let start = Instant::now();
            sweep_once(&db, &instance, sweep_budget(period, effort)).await;
            let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
            instance
                .stats
                .sweep_us
                .fetch_add(took_us, Ordering::Relaxed);
        }
    }
}

async fn sweep_once(db: &Mutex<Db>, instance: &Instance, budget: Duration) {
    let start = Instant::now();
    let Some(databases) = (busy::lock_in_turns(db, instance).await).map(|db| db.databases()) else {
        return;
    };
    for index in 0..databases {
        while sweep_step(db, instance, index).await {
            if start.elapsed() > budget {
                if let Some(mut db) = busy::lock_in_turns(db, instance).await {
                    db.stats.expire_time_cap_reached += 1;
                }
                return;
            }
            // The I/O threads have been waiting for the lock; let them have it.
            tokio::task::yield_now().await;
        }
    }
}

async fn sweep_step(db: &Mutex<Db>, instance: &Instance, index: usize) -> bool {
    let Some(mut db) = busy::lock_in_turns(db, instance).await else {
        return false;
    };
    db.set_clock(clock::unix_ms());
    let more = db.sweep(index, SWEEP_STEP);
    if !db.effects.is_empty() {
        let now_ms = db.now_ms();
        instance.log.append(&mut db.effects, false, now_ms);
        // The thread that writes looks at the log each second.
    }
    if !db.journal.is_empty() {
        news::tell(&mut db, instance, None);
        waiting::serve(&mut db, instance);
        tracking::broadcast(instance);
    }
    more
}

/// Begins the rewrites of the append-only file that are due.
async fn rewrite_when_due(db: Arc<Mutex<Db>>, instance: Arc<Instance>) {
    loop {
        tokio::time::sleep(REWRITE_PERIOD).await;
        if !instance.cron_rests()
            && !instance.loading.is_loading()
            && rewrite::is_due(&instance)
            && let Some(mut db) = busy::lock_in_turns(&db, &instance).await
        {
            rewrite::tend(&mut db, &instance);
        }
    }
}

/// Answers clients that have waited for the disk.
async fn answer_synced(db: Arc<Mutex<Db>>, instance: Arc<Instance>) {
    loop {
        instance.aof.synced().await;
        busy::when_free(&db, &instance, |db| wait::answer_synced(db, &instance)).await;
    }
}

/// Begins the saves that are due, and notes the ends of those under way.
async fn save_when_due(db: Arc<Mutex<Db>>, instance: Arc<Instance>) {
    loop {
        let has_ended = tokio::select! {
            () = tokio::time::sleep(SAVE_PERIOD) => false,
            () = instance.saving.ended() => true,
        };
        if has_ended {
            busy::when_free(&db, &instance, |db| saving::reap(db, &instance)).await;
        } else if !instance.cron_rests()
            && !instance.loading.is_loading()
            && let Some(mut db) = busy::lock_in_turns(&db, &instance).await
        {
            saving::tend(&mut db, &instance);
        }
    }
}

/// Ends the waits of blocked clients whose time is over, the earliest first.
async fn end_waits(db: Arc<Mutex<Db>>, instance: Arc<Instance>) {
    loop {
        let first_ms = instance.waiters().set_timer();
        let left_ms = first_ms.saturating_sub(clock::unix_ms());
        if left_ms == 0 {
            busy::when_free(&db, &instance, |db| end_due_waits(db, &instance)).await;
        } else if first_ms == NO_DEADLINE {
            instance.deadline_changed().await;
        } else {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left_ms.min(MAX_SLEEP_MS))) => {}
                () = instance.deadline_changed() => {}
            }
        }
    }
}

fn end_due_waits(db: &mut Db, instance: &Instance) {
    let now_ms = clock::unix_ms();
    db.set_clock(now_ms);
    loop {
        let overdue = instance.waiters().next_overdue(now_ms);
        let Some(id) = overdue else {
            break;
        };
        waiting::end_wait(db, instance, id, |wait, reply| {
            (wait.in_vain)(reply);
            Ok(())
        });
    }
}

/// Ends pauses of clients when their time is over, and wakes the clients when a pause has ended.
async fn end_pauses(db: Arc<Mutex<Db>>, instance: Arc<Instance>) {
    loop {
        instance.pause().wake_postponed();
        let until_ms = instance.pause().until_ms();
        let left_ms = until_ms.map(|until_ms| until_ms.saturating_sub(clock::unix_ms()));
        match left_ms {
            Some(0) => {
                let end = |db: &mut Db| {
                    db.set_clock(clock::unix_ms());
                    pause::end_if_due(db, &instance);
                };
                busy::when_free(&db, &instance, end).await;
            }
            Some(left_ms) => tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left_ms.min(MAX_SLEEP_MS))) => {}
                () = instance.pause_changed() => {}
            },
            None => instance.pause_changed().await,
        }
    }
}

/// Closes clients that have been idle for longer than `timeout`, and has others give back buffers.
async fn close_idle_clients(instance: Arc<Instance>) {
    let mut ticks = interval(CLIENTS_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let timeout_s = instance.config().timeout_s();
        if instance.cron_rests() {
            continue;
        }
        let now_ms = clock::unix_ms();
        for client in instance.clients.list() {
            client.tidy(now_ms);
            // Only a timer sees that the soft limit has been exceeded for long.
            client.close_if_output_is_too_much();
            let idle_ms =
                now_ms.saturating_sub(client.figures.last_command_ms.load(Ordering::Relaxed));
            // Who is subscribed to something, or monitors, waits for others.
            let monitors = client.monitors.load(Ordering::Relaxed);
            let may_idle = client.subscriptions.any() || client.is_parked() || monitors;
            if timeout_s > 0 && idle_ms > timeout_s * 1000 && !may_idle {
                tracing::debug!("Closing idle client");
                client.kill();
            }
        }
    }
}

/// Samples the rates that INFO shows, and the peak of memory.
async fn sample_rates(instance: Arc<Instance>) {
    let mut ticks = interval(SAMPLE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stats = &instance.stats;
    let totals = || {
        [
            stats.commands_processed(),
            stats.net_input.get(),
            stats.net_output.get() + instance.clients.mail.written(),
        ]
    };
    let mut history = std::collections::VecDeque::from([(Instant::now(), totals())]);
    loop {
        ticks.tick().await;
        let now = (Instant::now(), totals());
        history.push_back(now);
        if history.len() > 16 {
            history.pop_front();
        }
        let (then, before) = history[0];
        let elapsed_ms = now.0.duration_since(then).as_millis().max(1) as u64;
        let rate = |which: usize| now.1[which].saturating_sub(before[which]) * 1000 / elapsed_ms;
        stats.ops_per_second.store(rate(0), Ordering::Relaxed);
        stats
            .input_rate
            .store(rate(1) * 100 / 1024, Ordering::Relaxed);
        stats
            .output_rate
            .store(rate(2) * 100 / 1024, Ordering::Relaxed);
        stats
            .peak_memory
            .fetch_max(alloc::used_bytes(), Ordering::Relaxed);
    }
}

/// From so much memory on the data set is worth huge pages.
const HUGE_PAGES_FROM: usize = 16 * 1024 * 1024;
/// Huge pages that one tick asks for: each costs the kernel the copy of 2 MiB.
const HUGE_PAGES_PER_TICK: usize = 8;
/// What is between two of them.
const HUGE_PAGE_PAUSE: Duration = Duration::from_millis(1);
/// So many ticks the heap must not have grown before: while it is being filled, copying would only get in the way.
const TICKS_AT_REST: u32 = 10;

/// After so many ticks at rest what was freed is given back to the system.
const TICKS_BEFORE_RELEASE: u32 = 1;

/// The same where the data set has shrunk: such memory is often needed again soon, by a queue that is filled and emptied, and
/// each page that was given back costs more to get than to use. Redis's allocator keeps it as long.
const TICKS_BEFORE_SHRINKING: u32 = 100;

/// While the heap grows what that leaves behind is given back as often: tables that were copied to larger ones.
const TICKS_OF_GROWTH: u32 = 10;

/// What was freed is kept for so long by the allocator itself, in milliseconds.
const KEPT_FREED_MS: u16 = 10_000;

/// A heap that was larger than this, and by an eighth than it is, has shrunk.
const SHRUNK_FROM: usize = 16 * 1024 * 1024;

/// A heap that changes by no more than so many bytes a tick is at rest.
const REST_BYTES: usize = 128 * 1024;

/// What is known of memory that was freed and not given back.
#[derive(Debug, Default)]
struct Freed {
    /// What was in use when it was given back.
    since: usize,
    /// The most that was in use since then.
    top: usize,
    /// Ticks since then.
    ticks: u32,
}

impl Freed {
    /// Whether it is to be given back now, a tick later, where so much is in use and has not changed for `at_rest` ticks.
    fn is_to_be_released(&mut self, used: usize, at_rest: u32) -> bool {
        self.ticks += 1;
        let has_shrunk = self.top > SHRUNK_FROM && used < self.top - self.top / 8;
        let is_due = if has_shrunk {
            at_rest >= TICKS_BEFORE_SHRINKING
        } else if used > self.since + self.since / 16 {
            self.ticks >= TICKS_OF_GROWTH || at_rest >= TICKS_BEFORE_RELEASE
        } else {
            // Under writes that replace what is there it rests now and then, and there is nothing to give back.
            let has_changed = used.abs_diff(self.since) > self.since / 64;
            at_rest >= TICKS_BEFORE_RELEASE && (has_changed || self.ticks >= TICKS_BEFORE_SHRINKING)
        };
        self.top = self.top.max(used);
        if is_due {
            *self = Freed {
                since: used,
                top: used,
                ticks: 0,
            };
        }
        is_due
    }
}

/// Looks after the heap once it has come to rest: gives back what is free, and asks for huge pages where it is full.
async fn tend_heap(instance: Arc<Instance>) {
    let mut ticks = interval(SAMPLE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut collapser = huge_pages::Collapser::pausing(HUGE_PAGE_PAUSE);
    let (mut before, mut done_at, mut at_rest) = (0, 0, 0);
    let mut freed = Freed::default();
    alloc::keep_freed_for(KEPT_FREED_MS);
    loop {
        ticks.tick().await;
        let used = alloc::used_bytes();
        at_rest = if used.abs_diff(before) > REST_BYTES {
            0
        } else {
            at_rest + 1
        };
        before = used;
        // Who reads all of the memory, and the clients meanwhile, would wait for what is done to it here.
        let is_read = instance.saving.is_running() || rewrite::is_running(&instance);
        if !is_read && freed.is_to_be_released(used, at_rest) {
            alloc::release_unused();
        }
        if used < done_at / 2 {
            collapser.forget();
            done_at = used;
        }
        let grown = used > HUGE_PAGES_FROM.max(done_at + done_at / 64);
        if at_rest < TICKS_AT_REST || !grown || is_read {
            continue;
        }
        if !huge_pages::permit() {
            return;
        }
        // The kernel's copying would hold up the timers and signals of this runtime.
        let step = tokio::task::spawn_blocking(move || {
            let collapsed = collapser.step(HUGE_PAGES_PER_TICK);
            (collapser, collapsed)
        });
        let Ok((returned, collapsed)) = step.await else {
            return;
        };
        collapser = returned;
        if collapsed < HUGE_PAGES_PER_TICK {
            done_at = used;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many ticks at rest memory is given back when the heap has gone from one size to another, in MiB.
    fn kept_for(from: usize, to: usize) -> u32 {
        let mut freed = Freed::default();
        freed.is_to_be_released(from << 20, 0);
        let mut ticks = (0..1000).filter(|&at_rest| freed.is_to_be_released(to << 20, at_rest));
        ticks.next().expect("at some time it is")
    }

    #[test]
    fn what_was_freed_is_kept_longer_where_much_was() {
        assert_eq!(kept_for(5, 1), TICKS_BEFORE_RELEASE);
        assert_eq!(kept_for(80, 75), TICKS_BEFORE_RELEASE);
        assert_eq!(kept_for(80, 10), TICKS_BEFORE_SHRINKING);
        let mut freed = Freed::default();
        let mut growth = (1..100).filter(|&tick| freed.is_to_be_released(tick << 20, 0));
        assert_eq!(growth.next(), Some(TICKS_OF_GROWTH as usize));
    }

    #[test]
    fn the_sweep_takes_a_quarter_of_the_time_at_least_effort() {
        assert_eq!(
            sweep_budget(Duration::from_millis(100), 1),
            Duration::from_millis(25)
        );
        assert_eq!(
            sweep_budget(Duration::from_millis(100), 10),
            Duration::from_millis(43)
        );
        assert_eq!(
            sweep_budget(Duration::from_millis(100), 0),
            Duration::from_millis(25)
        );
    }
}
