//! The append-only file on a disk that fails or tears at each of its calls, and whose power is cut: what was promised is there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::writer::{Rhythm, work};
use super::{Aof, State, open, rewrite, switch, writer};
use crate::command::Registry;
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
        while rewrite::is_running(&self.instance) {
            self.work();
            std::thread::yield_now();
        }
        self.aof().rewrite_figures().is_last_ok
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
            // A second later it has been tried again, with success.
            subject.work();
            subject.work();
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
            subject.work();
            subject.work();
            if subject.aof().may_show(end) {
                assert_eq!(found(&disk.cut_power()), 3);
            }
            assert!(subject.aof().is_lost() || found(&disk.end_process()) == 3);
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
}

#[test]
fn with_everysec_a_sync_that_fails_stops_writes_until_one_succeeds() {
    let disk = SimulatedDisk::default();
    let mut subject = Subject::start(&disk, "everysec").expect("nothing fails yet");
    disk.fail_syncs(true);
    subject.write(1);
    subject.work();
    assert!(subject.refuses() && !subject.aof().is_lost());
    disk.fail_syncs(false);
    subject.work();
    assert!(!subject.refuses());
    assert_eq!(found(&disk.cut_power()), 1);
}
