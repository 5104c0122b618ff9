//! Data sets written and loaded, on a disk on which each call fails in turn.

use std::io;
use std::path::{Path, PathBuf};

use super::{
    Event, LoadError, LoadRules, Loaded, Reader, SaveError, Snapshot, Step, Target, Uses, load,
    save, write,
};
use crate::persist::disk::Disk;
use crate::persist::disk::simulated::{Failure, SimulatedDisk};
use crate::persist::rdb::tests::LIMITS;
use crate::store::access::{AccessPolicy, idle_s};
use crate::store::db::Db;
use crate::store::entry::{NEVER, NewValue};

const NOW_MS: u64 = 1_700_000_000_000;

/// A data set of so many keys, of which every tenth has expired, in two databases.
fn data_set(keys: usize) -> Db {
    let mut db = Db::new(4, Some(1));
    db.set_clock(NOW_MS);
    for number in 0..keys {
        let deadline_ms = if number % 10 == 0 { NOW_MS - 1 } else { NEVER };
        let (key, value) = (format!("key:{number}"), format!("value:{number}"));
        let value = NewValue::String(value.as_bytes());
        db.set(number % 2 * 3, key.as_bytes(), value, deadline_ms);
    }
    db
}

fn snapshot(db: &Db, uses: Uses) -> Snapshot {
    Snapshot {
        keyspaces: db.snapshot(),
        functions: vec![b"#!lua name=lib".to_vec()],
        server_version: "7.0.15",
        taken_ms: NOW_MS,
        used_bytes: 1000,
        uses,
        compress: true,
        check_sum: true,
        is_aof_base: false,
    }
}

fn bytes_of(db: &Db) -> Vec<u8> {
    let snapshot = snapshot(db, Uses::Untold);
    write(Vec::new(), snapshot, || Ok(())).expect("a vector takes it")
}

const RULES: LoadRules = LoadRules {
    skips_expired: true,
    replaces: false,
};

/// Loads a file, and what it tells of itself.
fn load_into(
    db: &mut Db,
    bytes: &[u8],
    rules: LoadRules,
) -> (Result<Loaded, LoadError>, Vec<String>) {
    let mut reader = Reader::new(bytes, LIMITS, true).expect("it has a head");
    let mut facts = Vec::new();
    let mut tell = |event: Event<'_>| {
        if let Event::Aux(name, value) = event {
            let (name, value) = (
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value),
            );
            facts.push(format!("{name}={value}"));
        }
    };
    let loaded = load(&mut reader, bytes.len() as u64, db, rules, &mut tell);
    (loaded, facts)
}

#[test]
fn what_was_written_is_loaded() {
    let written = data_set(3000);
    let mut db = written.empty_copy();
    db.set_clock(NOW_MS);
    let (loaded, facts) = load_into(&mut db, &bytes_of(&written), RULES);
    let loaded = loaded.expect("it is whole");
    assert_eq!((loaded.keys, loaded.expired, loaded.empty), (2700, 300, 0));
    assert_eq!(loaded.functions, [b"#!lua name=lib".to_vec()]);
    assert_eq!(
        facts,
        [
            "redis-ver=7.0.15",
            "redis-bits=64",
            "ctime=1700000000",
            "used-mem=1000",
            "aof-base=0"
        ]
    );
    assert_eq!((db.keyspace(0).len(), db.keyspace(3).len()), (1200, 1500));
    assert!(db.peek(3, b"key:7").is_some() && db.peek(0, b"key:10").is_none());
    let mut all = written.empty_copy();
    all.set_clock(NOW_MS);
    let kept = LoadRules {
        skips_expired: false,
        ..RULES
    };
    let (loaded, _) = load_into(&mut all, &bytes_of(&written), kept);
    assert_eq!(loaded.expect("it is whole").keys, 3000);
    assert_eq!(all.keyspace(0).expires(), 300);
}

#[test]
fn what_is_there_gives_way_only_where_that_is_wished() {
    let written = data_set(5);
    let bytes = bytes_of(&written);
    let mut db = data_set(3);
    let (loaded, _) = load_into(&mut db, &bytes, RULES);
    assert!(
        matches!(loaded, Err(LoadError::Duplicate(..))),
        "{loaded:?}"
    );
    let replacing = LoadRules {
        replaces: true,
        ..RULES
    };
    let mut db = data_set(3);
    let (loaded, _) = load_into(&mut db, &bytes, replacing);
    assert_eq!(loaded.expect("it is whole").keys, 4);
}

/// A file with one key in its database 0, of which it says that it has so many.
fn promising(keys: u64) -> Vec<u8> {
    let sizes = [&[0xfe, 0, 0xfb, 0x81], &keys.to_be_bytes()[..], &[0]].concat();
    let key = [&[0], b"\x03key".as_slice(), b"\x05value"].concat();
    [b"REDIS0010".as_slice(), &sizes, &key, &[0xff], &[0; 8]].concat()
}

#[test]
fn memory_is_taken_for_keys_that_can_come_and_kept_for_those_that_came() {
    for keys in [0, 1, 1000, u64::MAX] {
        let mut db = Db::new(1, Some(1));
        let mut file = promising(keys);
        // What follows the end is not looked at, and makes the file long enough for many keys.
        file.resize(100_000, 0);
        let (loaded, _) = load_into(&mut db, &file, RULES);
        assert_eq!(loaded.expect("it is whole").keys, 1);
        assert!(db.peek(0, b"key").is_some());
        let bytes = db.keyspace(0).table().allocated_bytes();
        assert!(bytes < 1000, "{keys}: {bytes}");
    }
    let written = data_set(10_000);
    let grown = written.keyspace(0).table().allocated_bytes();
    let mut db = written.empty_copy();
    db.set_clock(NOW_MS);
    let (loaded, _) = load_into(&mut db, &bytes_of(&written), RULES);
    assert_eq!(loaded.expect("it is whole").keys, 9000);
    let laid_out = db.keyspace(0).table().allocated_bytes();
    assert!(laid_out < grown + grown / 4, "{laid_out} after {grown}");
}

#[test]
fn a_file_of_more_databases_is_refused() {
    let mut db = Db::new(2, Some(1));
    let (loaded, _) = load_into(&mut db, &bytes_of(&data_set(10)), RULES);
    assert!(matches!(loaded, Err(LoadError::Database(3))), "{loaded:?}");
}

#[test]
fn a_file_that_is_cut_is_refused_and_says_where() {
    let bytes = bytes_of(&data_set(2000));
    for cut in [20, bytes.len() / 2, bytes.len() - 1] {
        let mut db = Db::new(4, Some(1));
        let (loaded, _) = load_into(&mut db, &bytes[..cut], RULES);
        assert!(
            matches!(loaded, Err(LoadError::Read(_, position)) if position <= cut as u64),
            "{cut}: {loaded:?}"
        );
    }
}

#[test]
fn uses_come_back_as_they_were() {
    let mut db = Db::new(4, Some(1));
    db.set_clock(NOW_MS - 500_000);
    db.set(0, b"key", NewValue::Int(1), NEVER);
    let bytes = write(Vec::new(), snapshot(&db, Uses::Idle), || Ok(()));
    let mut loaded = db.empty_copy();
    loaded.set_clock(NOW_MS);
    load_into(&mut loaded, &bytes.expect("a vector takes it"), RULES)
        .0
        .expect("it is whole");
    let entry = loaded.peek(0, b"key").expect("it was loaded");
    assert_eq!(idle_s(entry.access(), NOW_MS), 500);

    let policy = AccessPolicy::Lfu {
        log_factor: 0,
        decay_time_min: 0,
    };
    db.access = policy;
    db.set_clock(NOW_MS);
    db.set(0, b"key", NewValue::Int(1), NEVER);
    let uses = db
        .peek(0, b"key")
        .map(|entry| policy.frequency(entry.access(), NOW_MS));
    let bytes = write(
        Vec::new(),
        snapshot(&db, Uses::Frequency(policy)),
        || Ok(()),
    );
    let mut loaded = db.empty_copy();
    loaded.set_clock(NOW_MS);
    load_into(&mut loaded, &bytes.expect("a vector takes it"), RULES)
        .0
        .expect("it is whole");
    let entry = loaded.peek(0, b"key");
    assert_eq!(
        entry.map(|entry| policy.frequency(entry.access(), NOW_MS)),
        uses
    );
}

fn target() -> Target {
    Target {
        path: PathBuf::from("d/dump.rdb"),
        temporary: PathBuf::from("d/temp.rdb"),
    }
}

fn save_to(disk: &SimulatedDisk, db: &Db) -> Result<(), SaveError> {
    let snapshot = snapshot(db, Uses::Untold);
    save(disk, &target(), snapshot, || Ok(()), || true)
}

/// A disk on which `db` is saved for good.
fn disk_with(db: &Db) -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    disk.put(target().path, &bytes_of(db));
    disk
}

#[test]
fn whatever_fails_the_file_is_whole_and_the_next_save_succeeds() {
    let (old, new) = (data_set(50), data_set(20_000));
    let (before, after) = (bytes_of(&old), bytes_of(&new));
    for failure in [Failure::Fails, Failure::Tears] {
        let mut failing = 0;
        loop {
            failing += 1;
            let disk = disk_with(&old);
            disk.fail_at(failing, failure);
            let saved = save_to(&disk, &new);
            if disk.calls() < failing {
                assert!(saved.is_ok(), "nothing was left to fail");
                break;
            }
            let there = disk.bytes("d/dump.rdb").expect("there is always one");
            let powerless = disk.cut_power().bytes("d/dump.rdb");
            let powerless = powerless.expect("there is always one");
            // After a torn call the one that removes the file may be the next to fail.
            let is_removed = disk.bytes("d/temp.rdb").is_none();
            assert!(is_removed || failure == Failure::Tears, "call {failing}");
            if saved.is_err() {
                assert!(powerless == before, "call {failing}: {saved:?}");
            }
            assert!(there == before || there == after, "call {failing}");
            disk.fail_at(0, failure);
            save_to(&disk, &new).expect("a failure does not stay");
            let powerless = disk.cut_power().bytes("d/dump.rdb");
            assert!(powerless.as_ref() == Some(&after), "call {failing}");
        }
        assert!(failing > 5, "a save makes several calls");
    }
}

#[test]
fn a_full_disk_keeps_the_file_that_is_there() {
    let (old, new) = (data_set(50), data_set(20_000));
    let disk = disk_with(&old);
    for room in [0, 1, 100_000] {
        disk.set_room(Some(room));
        let error = save_to(&disk, &new).expect_err("there is no room");
        assert_eq!(error.step, Step::Write);
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
        assert!(disk.bytes("d/dump.rdb") == Some(bytes_of(&old)));
        assert!(disk.bytes("d/temp.rdb").is_none());
    }
    disk.set_room(None);
    disk.fail_syncs(true);
    assert!(
        save_to(&disk, &new).is_err(),
        "what is not synced is not saved"
    );
    assert!(disk.bytes("d/dump.rdb") == Some(bytes_of(&old)));
    disk.fail_syncs(false);
    save_to(&disk, &new).expect("there is room again");
    assert!(disk.bytes("d/dump.rdb") == Some(bytes_of(&new)));
}

#[test]
fn a_save_that_nobody_wants_any_more_leaves_the_file() {
    let (old, new) = (data_set(50), data_set(5000));
    let disk = disk_with(&old);
    let cancelled = save(
        &disk,
        &target(),
        snapshot(&new, Uses::Untold),
        || Ok(()),
        || false,
    );
    assert_eq!(
        cancelled.expect_err("it is cancelled").step,
        Step::Cancelled
    );
    let mut keys = 0;
    let each_key = || {
        keys += 1;
        match keys {
            700 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    };
    let cut_off = save(
        &disk,
        &target(),
        snapshot(&new, Uses::Untold),
        each_key,
        || true,
    );
    assert!(cut_off.is_err());
    assert!(disk.bytes("d/dump.rdb") == Some(bytes_of(&old)));
    let names = disk.list(Path::new("d")).expect("it is there");
    assert_eq!(names, ["dump.rdb"]);
}
