//! The append-only file on a disk that fails or tears at each of its calls, and whose power is cut: what was promised is there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::writer::{Rhythm, work};
use super::{Aof, State, open, rewrite, switch, writer};
use crate::command::Registry;
use crate::config::choices::AppendFsync;
use crate::config::{Config, Param, SystemHost};
use crate::instance::Instance;
use crate::instance::attention::FILE_FAILS;
use crate::persist::disk::simulated::{Failure, SimulatedDisk};
use crate::store::db::Db;
use crate::store::entry::{NEVER, NewValue, Value};

/// A server without connections: what they would do is done by its methods, and what its threads would do as well.
struct Subject {
    instance: Arc<Instance>,
    db: Db,
    rhythm: Rhythm,
    now: Instant,
}

impl Subject {
    /// One that starts with what is on the disk; none where it refuses to.
    fn start(disk: &SimulatedDisk, policy: &str) -> Option<Subject> {
        let mut config = Config::new(Path::new("/data"));
        for (param, value) in [(Param::Appendonly, "yes"), (Param::Appendfsync, policy)] {
            config
                .assign(param, &[value.as_bytes()], &mut SystemHost)
                .expect("it is a value of the parameter");
        }
        let registry = Registry::new(crate::commands::all(), &[]);
        let mut instance = Instance::new(config, registry, String::new());
        instance.disk = Arc::new(disk.clone());
        let instance = instance.share();
        let mut db = Db::new(2, Some(1));
        open::find_below(&instance, Path::new("/data")).ok()?;
        super::load::load(&instance, &mut db).ok()?;
        open::prepare(&instance, &db).ok()?;
        db.effects.on = true;
        let now = Instant::now();
        Some(Subject {
            instance,
            db,
            rhythm: Rhythm::new(now),
            now,
        })
    }

    fn aof(&self) -> &Aof {
        &self.instance.aof
    }

    /// Sets the number under the key `n`, as a client's command would.
    fn write(&mut self, number: u32) -> u64 {
        let text = number.to_string();
        let value = NewValue::String(text.as_bytes());
        self.db.set(0, b"n", value, NEVER);
        self.db
            .effects
            .say(0, [b"SET".as_slice(), b"n", text.as_bytes()]);
        self.instance.log.append(&mut self.db.effects, true, 0);
        writer::write_out(&self.instance);
        self.instance.log.end()
    }

    /// Lets the threads work, a second later. A sync that they begin ends at once.
    fn work(&mut self) {
        self.now += Duration::from_secs(1);
        let instance = &self.instance;
        work(instance, &mut self.rhythm, self.now, &mut |sync| {
            sync.run(instance)
        });
    }

    /// Whether writes are refused.
    fn refuses(&self) -> bool {
        self.instance.attention.has(FILE_FAILS)
    }

    /// A rewrite from its beginning to its end; whether it has succeeded.
    fn rewrite(&mut self) -> bool {
        if rewrite::start(&mut self.db, &self.instance).is_err() {
            return false;
        }
        self.end_rewrite();
        self.aof().rewrite_figures().is_last_ok
    }

    fn end_rewrite(&mut self) {
        while rewrite::is_running(&self.instance) {
            self.work();
            std::thread::yield_now();
        }
    }

    /// Lets the threads work for some seconds, and the rewrites that are due be done.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.work();
            if rewrite::is_due(&self.instance) {
                rewrite::tend(&mut self.db, &self.instance);
            }
            self.end_rewrite();
        }
    }
}

/// The number under `n` that a server finds on the disk; 0 for none.
fn found(disk: &SimulatedDisk) -> u32 {
    let mut subject = Subject::start(disk, "no").expect("what is on the disk is read");
    subject.db.stop_clock(0);
    match subject.db.peek(0, b"n") {
        Some(entry) => match entry.value() {
            Value::Int(number) => u32::try_from(number).expect("it is small"),
            other => panic!("{other:?}"),
        },
        None => 0,
    }
}

/// What `run` does on a disk whose calls fail, one after the other, in either way; with the disk as it is then.
fn with_each_failure(run: impl Fn(&SimulatedDisk)) {
    let calls = {
        let disk = SimulatedDisk::default();
        run(&disk);
        disk.calls()
    };
    assert!(calls > 3, "the run does something");
    // A run that retries makes a few calls more.
    for call in 1..=calls + 3 {
        for failure in [Failure::Fails, Failure::Tears] {
            let disk = SimulatedDisk::default();
            disk.fail_at(call, failure);
            run(&disk);
        }
    }
}

#[test]
fn who_waits_for_a_disk_that_fails_is_told_when_it_works_again() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "always").expect("nothing fails yet");
    disk.set_room(Some(0));
    let end = subject.write(1);
    subject.work();
    let instance = Arc::clone(&subject.instance);
    let mut moved = std::pin::pin!(instance.aof.moved.notified());
    moved.as_mut().enable();
    for _ in 0..3 {
        subject.work();
    }
    assert!(
        moved.as_mut().now_or_never().is_none(),
        "to ask again would be to try again at once"
    );
    disk.set_room(None);
    subject.work();
    assert!(moved.now_or_never().is_some() && subject.aof().may_show(end));
}

/// With `always`, writes numbers and has `bring` bring each to the disk; what was shown must outlive a power cut.
fn loses_nothing_shown(bring: impl Fn(&mut Subject)) {
    with_each_failure(|disk| {
        let Some(mut subject) = Subject::start(disk, "always") else {
            assert_eq!(found(&disk.cut_power()), 0);
            return;
        };
        let mut shown = 0;
        for number in 1..=3 {
            let end = subject.write(number);
            bring(&mut subject);
            if subject.aof().may_show(end) {
                shown = number;
            }
            if subject.aof().is_lost() {
                // What the file has is nothing now, and the process has ended.
                assert!(shown < number);
                return;
            }
            let there = found(&disk.cut_power());
            assert!(
                (shown..=number).contains(&there),
                "{there} is there, {shown} was shown"
            );
        }
    });
}

#[test]
fn what_was_shown_with_always_is_there_after_a_power_cut_whatever_fails() {
    loses_nothing_shown(Subject::work);
}

#[test]
fn what_a_connection_has_synced_is_there_after_a_power_cut_whatever_fails() {
    loses_nothing_shown(|subject| {
        let end = subject.instance.log.end();
        if writer::commit(&subject.instance) {
            assert!(subject.aof().may_show(end) || subject.aof().is_lost());
        } else {
            subject.work();
        }
    });
}

#[test]
fn a_connection_leaves_a_slow_disk_to_the_thread() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "always").expect("nothing fails");
    let end = subject.write(1);
    assert!(writer::commit(&subject.instance));
    assert!(subject.aof().may_show(end));
    assert_eq!(found(&disk.cut_power()), 1);
    subject.aof().has_slow_disk.store(true, Ordering::Relaxed);
    let end = subject.write(2);
    assert!(!writer::commit(&subject.instance));
    assert!(!subject.aof().may_show(end));
    subject.work();
    assert!(subject.aof().may_show(end));
    let end = subject.write(3);
    assert!(
        writer::commit(&subject.instance),
        "the disk is quick enough again"
    );
    assert!(subject.aof().may_show(end));
    assert_eq!(found(&disk.cut_power()), 3);
}

#[test]
fn what_was_written_without_always_is_there_when_the_process_ends_whatever_fails() {
    for policy in ["everysec", "no"] {
        with_each_failure(|disk| {
            let Some(mut subject) = Subject::start(disk, policy) else {
                return;
            };
            for number in 1..=3 {
                subject.write(number);
                let there = found(&disk.end_process());
                assert!(
                    there == number || subject.refuses(),
                    "{there} is there of {number}"
                );
                subject.work();
            }
            // It has been tried again, with success.
            subject.settle();
            assert!(!subject.refuses());
            assert_eq!(found(&disk.end_process()), 3);
            if policy == "everysec" {
                assert_eq!(found(&disk.cut_power()), 3);
            }
        });
    }
}

#[test]
fn a_rewrite_loses_nothing_whatever_fails() {
    for policy in ["always", "everysec"] {
        with_each_failure(|disk| {
            let Some(mut subject) = Subject::start(disk, policy) else {
                return;
            };
            subject.write(1);
            subject.work();
            subject.rewrite();
            subject.write(2);
            subject.work();
            subject.rewrite();
            let end = subject.write(3);
            subject.settle();
            // The process that has lost something does not live on for so long.
            if subject.aof().may_show(end) {
                assert_eq!(found(&disk.cut_power()), 3);
            }
            if !subject.aof().is_lost() {
                assert!(subject.aof().may_show(end) && !subject.refuses());
                assert_eq!(found(&disk.end_process()), 3);
            }
        });
    }
}

#[test]
fn a_rewrite_that_fails_leaves_nothing_behind_but_an_increment() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails yet");
    subject.write(1);
    disk.set_room(Some(3000));
    let mut failures = 0;
    while subject.rewrite() {
        disk.set_room(Some(0));
    }
    failures += subject.aof().rewrite_figures().failures;
    assert_eq!(failures, 1);
    disk.set_room(None);
    subject.work();
    assert!(subject.rewrite());
    assert_eq!(subject.aof().rewrite_figures().failures, 0);
    subject.write(2);
    let names = crate::persist::disk::Disk::list(&disk, Path::new("/data/appendonlydir"));
    assert_eq!(
        names.expect("it is there").len(),
        3,
        "base, increment, manifest"
    );
    assert_eq!(found(&disk.end_process()), 2);
}

#[test]
fn turning_it_on_loses_nothing_whatever_fails() {
    with_each_failure(|disk| {
        let Some(mut subject) = Subject::start(disk, "always") else {
            return;
        };
        subject.write(1);
        subject.work();
        switch::turn_off(&mut subject.db, &subject.instance);
        assert_eq!(subject.aof().state(), State::Off);
        subject.write(2);
        if switch::turn_on(&mut subject.db, &subject.instance, true).is_err() {
            return;
        }
        let mut end = subject.write(3);
        while subject.aof().state() == State::Waiting && !subject.aof().is_lost() {
            // The threads work by themselves here; a first base that fails is tried again.
            if rewrite::is_due(&subject.instance) {
                rewrite::tend(&mut subject.db, &subject.instance);
                end = subject.write(3);
            }
            std::thread::yield_now();
        }
        while !subject.aof().may_show(end) && !subject.aof().is_lost() {
            std::thread::yield_now();
        }
        if !subject.aof().is_lost() {
            assert_eq!(found(&disk.cut_power()), 3);
        }
        subject.aof().close(&subject.instance);
    });
}

#[test]
fn with_always_a_write_that_fails_is_not_shown_and_one_that_is_not_synced_is_the_end() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "always").expect("nothing fails yet");
    disk.set_room(Some(7));
    let end = subject.write(1);
    subject.work();
    assert!(!subject.aof().may_show(end) && subject.refuses());
    assert_eq!(subject.aof().error().as_deref(), Some("no storage space"));
    disk.set_room(None);
    subject.work();
    assert!(subject.aof().may_show(end) && !subject.refuses());
    assert_eq!(found(&disk.cut_power()), 1);
    disk.fail_syncs(true);
    let end = subject.write(2);
    subject.work();
    assert!(!subject.aof().may_show(end) && subject.aof().is_lost());
    // The process ends; until then it must not be told otherwise.
    disk.fail_syncs(false);
    for _ in 0..3 {
        subject.work();
        assert!(!writer::commit(&subject.instance));
        assert!(!subject.aof().may_show(end));
    }
}

#[test]
fn a_sync_that_fails_stops_writes_until_a_new_base_has_what_it_has_lost() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails yet");
    disk.fail_syncs(true);
    let end = subject.write(1);
    subject.work();
    subject.work();
    assert!(subject.refuses() && !subject.aof().is_lost());
    assert!(!subject.aof().rewrite_figures().is_scheduled);
    disk.fail_syncs(false);
    subject.work();
    assert!(subject.refuses(), "it is synced, but without what was lost");
    assert!(subject.aof().durable() < Some(end));
    assert!(subject.aof().rewrite_figures().is_scheduled);
    subject.settle();
    assert!(!subject.refuses() && subject.aof().durable() >= Some(end));
    assert_eq!(found(&disk.cut_power()), 1);
}

#[test]
fn replies_that_wait_for_the_disk_after_a_failure_wait_for_the_new_base() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails yet");
    disk.fail_syncs(true);
    let end = subject.write(1);
    subject.work();
    subject.aof().set_policy(AppendFsync::Always);
    disk.fail_syncs(false);
    for _ in 0..3 {
        subject.work();
        assert!(!writer::commit(&subject.instance), "it is the thread's");
        assert!(!subject.aof().may_show(end));
    }
    subject.settle();
    assert!(subject.aof().may_show(end) && !subject.aof().is_lost());
    assert_eq!(found(&disk.cut_power()), 1);
}

#[test]
fn a_sync_that_fails_after_a_base_was_begun_needs_another_one() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails yet");
    disk.fail_syncs(true);
    subject.write(1);
    subject.work();
    disk.fail_syncs(false);
    subject.work();
    disk.fail_at(disk.calls() + 1, Failure::Fails);
    rewrite::tend(&mut subject.db, &subject.instance);
    subject.end_rewrite();
    // It may be that the base could not be written, or that the log could not go on in another file.
    let figures = subject.aof().rewrite_figures();
    assert!(subject.refuses() && figures.is_scheduled && !figures.is_last_ok);
    subject.settle();
    assert!(!subject.refuses());
    assert_eq!(found(&disk.cut_power()), 1);
}

#[test]
fn without_a_rhythm_a_sync_that_fails_is_tried_again_all_the_same() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "no").expect("nothing fails yet");
    subject.write(1);
    disk.fail_syncs(true);
    // Somebody waits for the disk, and leaves.
    subject.aof().wait_for_sync();
    subject.work();
    subject.aof().set_sync_wanted(false);
    assert!(subject.refuses());
    disk.fail_syncs(false);
    subject.settle();
    assert!(!subject.refuses());
}

#[test]
fn turning_it_off_while_the_first_base_gets_its_name_turns_it_off() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails");
    switch::turn_off(&mut subject.db, &subject.instance);
    disk.hold_renames(true);
    switch::turn_on(&mut subject.db, &subject.instance, true).expect("nothing fails");
    disk.wait_for_rename();
    std::thread::scope(|scope| {
        let instance = Arc::clone(&subject.instance);
        let turning = scope.spawn(|| switch::turn_off(&mut subject.db, &subject.instance));
        // Either it waits for the rewrite that it has called off, or it is over too soon.
        while rewrite::is_running(&instance) && !turning.is_finished() {
            std::thread::yield_now();
        }
        disk.hold_renames(false);
    });
    while Arc::strong_count(&subject.instance) > 1 {
        std::thread::yield_now();
    }
    assert_eq!(subject.aof().state(), State::Off);
    switch::turn_on(&mut subject.db, &subject.instance, true).expect("nothing fails");
    assert_eq!(subject.aof().rewrite_figures().rewrites, 2);
    subject.aof().close(&subject.instance);
}

#[test]
fn a_file_that_ends_too_early_before_others_is_left_as_it_is() {
    let disk = SimulatedDisk::default();
    let folder = Path::new("/data/appendonlydir");
    let whole = b"*3\r\n$3\r\nSET\r\n$1\r\nn\r\n$1\r\n1\r\n";
    let torn = &whole[..whole.len() - 3];
    let manifest = b"file a seq 1 type i\nfile b seq 2 type i\n";
    disk.put(folder.join("appendonly.aof.manifest"), manifest);
    for (name, bytes) in [("a", torn), ("b", whole)] {
        disk.put(folder.join(name), bytes);
    }
    for _ in 0..2 {
        assert!(Subject::start(&disk, "everysec").is_none());
        assert_eq!(disk.bytes(folder.join("a")).as_deref(), Some(torn));
    }
    // As the last one with anything in it, it is cut.
    disk.put(folder.join("b"), b"");
    assert!(Subject::start(&disk, "everysec").is_some());
    assert_eq!(disk.bytes(folder.join("a")).as_deref(), Some(&b""[..]));
}

#[test]
fn files_whose_manifest_is_gone_are_left_as_they_are() {
    let disk = SimulatedDisk::default();
    let folder = Path::new("/data/appendonlydir");
    let names = ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"];
    for name in names {
        disk.put(folder.join(name), b"what a person may want back");
    }
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails");
    subject.write(1);
    assert!(subject.rewrite());
    assert_eq!(found(&disk.end_process()), 1);
    for name in names {
        let there = disk.bytes(folder.join(name));
        assert_eq!(there.as_deref(), Some(&b"what a person may want back"[..]));
    }
}

#[test]
fn flushall_in_a_file_leaves_the_snapshot_alone() {
    let disk = SimulatedDisk::default();
    let folder = Path::new("/data/appendonlydir");
    let manifest = b"file a seq 1 type i\n";
    disk.put(folder.join("appendonly.aof.manifest"), manifest);
    disk.put(folder.join("a"), b"*1\r\n$8\r\nFLUSHALL\r\n");
    disk.put("dump.rdb", b"what a person may want back");
    let subject = Subject::start(&disk, "everysec").expect("it is whole");
    assert!(!subject.instance.config().save_points().is_empty());
    let there = disk.bytes("dump.rdb");
    assert_eq!(there.as_deref(), Some(&b"what a person may want back"[..]));
}

#[test]
fn a_first_increment_is_none_that_is_history() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails");
    assert!(subject.rewrite());
    // As a rewrite leaves it while there is no append-only file, and the history is kept.
    let folder = Path::new("/data/appendonlydir");
    let manifest = b"file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.1.incr.aof seq 1 type h\n";
    disk.put(folder.join("appendonly.aof.manifest"), manifest);
    let old = b"*3\r\n$3\r\nSET\r\n$1\r\nn\r\n$1\r\n7\r\n";
    disk.put(folder.join("appendonly.aof.1.incr.aof"), old);
    let mut subject = Subject::start(&disk, "everysec").expect("it is whole");
    subject.write(2);
    subject.work();
    assert_eq!(found(&disk.cut_power()), 2);
}

#[test]
fn what_waits_for_a_busy_file_has_a_bound() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails");
    subject.aof().set_busy(super::Busy::SYNCING);
    let end = subject.write(1);
    assert!(subject.aof().figures(&subject.instance.log).buffered >= end);
    let long = vec![b'x'; usize::try_from(writer::MAX_WAITING_BYTES).expect("it fits")];
    let effects = &mut subject.db.effects;
    effects.say(0, [b"SET".as_slice(), b"long", &long]);
    subject.instance.log.append(effects, true, 0);
    writer::write_out(&subject.instance);
    assert_eq!(subject.aof().figures(&subject.instance.log).buffered, 0);
}

#[test]
fn a_rewrite_does_not_begin_beside_another() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails");
    subject.write(1);
    subject.aof().schedule_rewrite();
    assert!(rewrite::is_due(&subject.instance));
    // A client's BGREWRITEAOF comes before the lock is had.
    rewrite::start(&mut subject.db, &subject.instance).expect("nothing fails");
    rewrite::tend(&mut subject.db, &subject.instance);
    assert_eq!(subject.aof().rewrite_figures().rewrites, 1);
    subject.end_rewrite();
}

#[test]
fn a_first_base_that_cannot_be_begun_is_tried_again() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails yet");
    switch::turn_off(&mut subject.db, &subject.instance);
    switch::turn_on(&mut subject.db, &subject.instance, false).expect("it is scheduled");
    disk.fail_at(disk.calls() + 1, Failure::Fails);
    rewrite::tend(&mut subject.db, &subject.instance);
    let figures = subject.aof().rewrite_figures();
    assert!(figures.is_scheduled && !figures.is_running && !figures.is_last_ok);
    assert_eq!(figures.failures, 1);
    let end = subject.write(1);
    assert_eq!(subject.aof().durable(), None, "there is no base yet");
    rewrite::tend(&mut subject.db, &subject.instance);
    while subject.aof().state() == State::Waiting {
        std::thread::yield_now();
    }
    while subject.aof().durable() < Some(end) {
        subject.aof().wait_for_sync();
        std::thread::yield_now();
    }
    assert_eq!(found(&disk.cut_power()), 1);
    subject.aof().close(&subject.instance);
}

/// Whether a reply that tells of the client's own writes before `end` may go out.
fn is_let_out(subject: &Subject, end: u64) -> bool {
    let is_written = writer::write_out(&subject.instance);
    is_written || subject.aof().written_up_to(end).now_or_never().is_some()
}

#[test]
fn what_is_acknowledged_while_the_file_is_busy_is_in_it() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails");
    for (number, busy) in [(1, super::Busy::SYNCING), (2, super::Busy::TURNING)] {
        subject.aof().set_busy(busy);
        let before = subject.instance.log.end();
        let end = subject.write(number);
        assert!(!is_let_out(&subject, end));
        assert!(
            is_let_out(&subject, before),
            "who has written nothing need not wait"
        );
        subject.work();
        assert!(is_let_out(&subject, end));
        assert_eq!(found(&disk.end_process()), number);
        subject.aof().clear_busy(busy);
    }
}

/// A rewrite up to the moment when the log goes on in another file, and the disk has yet to be told.
fn turn(subject: &mut Subject) -> Option<writer::Sync> {
    rewrite::start(&mut subject.db, &subject.instance).ok()?;
    let mut begun = None;
    work(
        &subject.instance,
        &mut subject.rhythm,
        subject.now,
        &mut |sync| {
            begun = Some(sync);
        },
    );
    begun
}

#[test]
fn at_the_turn_of_a_rewrite_nobody_waits_for_the_disk() {
    for policy in ["everysec", "no"] {
        let disk = SimulatedDisk::default();
        let mut subject = Subject::start(&disk, policy).expect("nothing fails");
        subject.write(1);
        subject.work();
        let is_durable = policy == "everysec";
        let sync = turn(&mut subject).expect("nothing fails");
        subject.aof().clear_busy(super::Busy::SYNCING);
        let end = subject.write(2);
        assert!(is_let_out(&subject, end));
        assert!(rewrite::is_running(&subject.instance));
        assert_eq!(found(&disk.end_process()), 2, "no manifest names the file");
        assert_eq!(found(&disk.cut_power()), u32::from(is_durable));
        assert!(subject.aof().durable() < Some(end));
        sync.run(&subject.instance);
        subject.aof().wait_for_sync();
        subject.work();
        assert!(subject.aof().durable() >= Some(end));
        assert_eq!(found(&disk.cut_power()), 2);
        subject.end_rewrite();
        assert!(subject.aof().rewrite_figures().is_last_ok);
        assert_eq!(found(&disk.cut_power()), 2);
    }
}

#[test]
fn what_is_acknowledged_at_the_turn_of_a_rewrite_is_there_whatever_fails() {
    with_each_failure(|disk| {
        let Some(mut subject) = Subject::start(disk, "everysec") else {
            return;
        };
        subject.write(1);
        let sync = turn(&mut subject);
        subject.aof().clear_busy(super::Busy::SYNCING);
        let end = subject.write(2);
        assert!(is_let_out(&subject, end) || subject.refuses());
        if !subject.refuses() {
            assert_eq!(found(&disk.end_process()), 2);
        }
        if let Some(sync) = sync {
            sync.run(&subject.instance);
        }
        let end = subject.write(3);
        subject.settle();
        assert!(!subject.refuses());
        assert_eq!(found(&disk.end_process()), 3);
        assert!(subject.aof().durable() >= Some(end));
        assert_eq!(found(&disk.cut_power()), 3);
    });
}

/// A disk on which a process has ended at the turn of a rewrite: what the first line of the file that no manifest names says.
fn left_at_the_turn(line: &str) -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let folder = Path::new("/data/appendonlydir");
    let manifest = b"file appendonly.aof.1.incr.aof seq 1 type i\n";
    disk.put(folder.join("appendonly.aof.manifest"), manifest);
    let set = |number| format!("*3\r\n$3\r\nSET\r\n$1\r\nn\r\n$1\r\n{number}\r\n");
    disk.put(folder.join("appendonly.aof.1.incr.aof"), set(1).as_bytes());
    let unlisted = format!("{line}{}", set(2));
    disk.put(
        folder.join("appendonly.aof.2.incr.aof"),
        unlisted.as_bytes(),
    );
    disk
}

#[test]
fn a_file_that_no_manifest_names_is_read_if_what_comes_before_it_is_whole() {
    let disk = left_at_the_turn("#AFTER:27\r\n");
    assert_eq!(found(&disk), 2);
    let mut subject = Subject::start(&disk, "everysec").expect("it is named by now");
    subject.write(3);
    assert_eq!(found(&disk.end_process()), 3);
    for line in ["", "#AFTER:\r\n", "#AFTER:27", "#TS:27\r\n"] {
        let disk = left_at_the_turn(line);
        assert_eq!(found(&disk), 1, "{line:?} is not of a turn");
    }
    // Power was cut, or another program has written on.
    for line in ["#AFTER:28\r\n", "#AFTER:26\r\n"] {
        let disk = left_at_the_turn(line);
        assert_eq!(found(&disk), 1);
        let names = crate::persist::disk::Disk::list(&disk, Path::new("/data/appendonlydir"));
        let mut names = names.expect("it is there");
        names.sort();
        assert_eq!(
            names,
            [
                "appendonly.aof.1.incr.aof",
                "appendonly.aof.manifest",
                "left-out-appendonly.aof.2.incr.aof"
            ]
        );
        assert_eq!(found(&disk), 1);
    }
}

#[test]
fn while_the_manifest_cannot_be_written_nothing_is_promised_of_the_new_file() {
    for policy in ["everysec", "no"] {
        let disk = SimulatedDisk::default();
        let mut subject = Subject::start(&disk, policy).expect("nothing fails yet");
        subject.write(1);
        subject.work();
        let sync = turn(&mut subject).expect("nothing fails yet");
        let end = subject.write(2);
        disk.fail_creations(true);
        sync.run(&subject.instance);
        assert!(subject.refuses() && subject.aof().durable() < Some(end));
        subject.end_rewrite();
        assert!(!subject.aof().rewrite_figures().is_last_ok);
        // Whoever waits for the disk from now on is not told that it has come there.
        subject.aof().set_policy(AppendFsync::Always);
        assert!(!writer::commit(&subject.instance) && !subject.aof().may_show(end));
        subject.work();
        assert!(!subject.aof().may_show(end));
        disk.fail_creations(false);
        subject.work();
        assert!(subject.aof().may_show(end) && !subject.refuses());
        assert_eq!(found(&disk.cut_power()), 2);
        assert!(subject.rewrite());
        assert_eq!(found(&disk.cut_power()), 2);
    }
}

#[test]
fn a_new_file_is_named_also_while_a_rewrite_lets_the_disk_rest() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails");
    let param = Param::NoAppendfsyncOnRewrite;
    let mut config = subject.instance.config_mut();
    let rests = config.assign(param, &[b"yes".as_slice()], &mut SystemHost);
    drop(config);
    rests.expect("it is a value of the parameter");
    subject.write(1);
    let sync = turn(&mut subject).expect("nothing fails");
    drop(sync);
    subject.aof().clear_busy(super::Busy::SYNCING);
    subject.aof().set_policy(AppendFsync::Always);
    subject.end_rewrite();
    assert!(subject.aof().rewrite_figures().is_last_ok);
    assert_eq!(found(&disk.end_process()), 1);
}

#[test]
fn while_the_file_cannot_be_written_those_are_answered_who_have_written_nothing() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "always").expect("nothing fails yet");
    let before = subject.write(1);
    subject.work();
    disk.set_room(Some(7));
    let end = subject.write(2);
    let instance = Arc::clone(&subject.instance);
    let aof = &instance.aof;
    let mut reader = std::pin::pin!(aof.show_up_to(end, before, &instance));
    let mut writer = std::pin::pin!(aof.show_up_to(end, end, &instance));
    assert!(reader.as_mut().now_or_never().is_some());
    assert!(subject.refuses(), "it was tried");
    assert!(writer.as_mut().now_or_never().is_none());
    disk.set_room(None);
    subject.work();
    assert!(writer.now_or_never().is_some());
}
