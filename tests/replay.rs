//! Commands of a log, repeated on a data set that is being loaded.

use std::path::Path;

use ruddle::command::Registry;
use ruddle::command::replay::{Replay, ReplayError};
use ruddle::config::Config;
use ruddle::instance::Instance;
use ruddle::persist::aof::reader::Reader;
use ruddle::resp::CommandQueue;
use ruddle::store::db::{Db, Presence};
use ruddle::store::entry::NEVER;

const NOW_MS: u64 = 1_000_000_000_000;

fn instance() -> Instance {
    let registry = Registry::new(ruddle::commands::all(), &[]);
    Instance::new(Config::new(Path::new("/")), registry, String::new())
}

struct File<'i> {
    replay: Replay<'i>,
    db: Db,
}

impl<'i> File<'i> {
    fn new(instance: &'i Instance) -> Self {
        File {
            replay: Replay::new(instance),
            db: Db::new(2, Some(1)),
        }
    }

    fn run(&mut self, lines: &[&str]) -> Result<(), ReplayError> {
        lines.iter().try_for_each(|line| {
            let mut queue = CommandQueue::default();
            line.split(' ')
                .for_each(|word| queue.push_word(word.as_bytes()));
            queue.end_command();
            self.replay.run(&mut self.db, queue.get(0), NOW_MS)
        })
    }

    /// The deadline of a key, 0 if there is none.
    fn deadline_ms(&mut self, index: usize, key: &str) -> u64 {
        let entry = self.db.peek(index, key.as_bytes());
        entry.map_or(0, |entry| entry.deadline_ms())
    }
}

#[test]
fn commands_run_in_the_database_that_was_selected() {
    let instance = instance();
    let mut file = File::new(&instance);
    file.run(&["SELECT 1", "SET k v", "select 0", "rpush l a b"])
        .expect("they are commands");
    assert_eq!(file.deadline_ms(1, "k"), NEVER);
    assert_eq!(file.deadline_ms(0, "k"), 0);
    assert_eq!(file.deadline_ms(0, "l"), NEVER);
}

#[test]
fn a_transaction_runs_when_its_end_comes() {
    let instance = instance();
    let mut file = File::new(&instance);
    file.run(&["MULTI", "SELECT 1", "SET k v"])
        .expect("they are commands");
    assert!(file.replay.is_within_transaction());
    assert_eq!(file.deadline_ms(1, "k"), 0);
    file.run(&["EXEC"]).expect("it is open");
    assert!(!file.replay.is_within_transaction());
    assert_eq!(file.deadline_ms(1, "k"), NEVER);
}

#[test]
fn keys_whose_time_is_over_are_there_until_they_are_deleted() {
    let instance = instance();
    let mut file = File::new(&instance);
    file.run(&["SET k 1 PXAT 5000", "INCR k", "PEXPIREAT k 4000"])
        .expect("they are commands");
    assert_eq!(file.deadline_ms(0, "k"), 4000);
    assert_eq!(file.replay.failed(), 0);
    file.db.set_clock(NOW_MS);
    assert_eq!(file.db.presence(0, b"k"), Presence::Expired);
    file.run(&["DEL k"]).expect("it is a command");
    assert_eq!(file.db.presence(0, b"k"), Presence::Absent);
}

#[test]
fn what_counts_from_the_present_finds_it() {
    let instance = instance();
    let mut file = File::new(&instance);
    file.run(&["SET a 1 EX 10", "SETEX b 10 v", "SET c 1", "EXPIRE c 10"])
        .expect("they are commands");
    for key in ["a", "b", "c"] {
        assert_eq!(file.deadline_ms(0, key), NOW_MS + 10_000, "{key}");
    }
}

#[test]
fn what_only_looks_like_an_option_leaves_the_clock_alone() {
    let instance = instance();
    let mut file = File::new(&instance);
    file.run(&[
        "SET k 1 PXAT 5000",
        "SET k ex KEEPTTL",
        "MSETEX 2 ex 1 px 2 PXAT 5000",
        "HSETEX h PXAT 5000 FIELDS 1 ex 1",
        "HINCRBY h ex 1",
        "HPEXPIREAT h 6000 FIELDS 1 ex",
    ])
    .expect("they are commands");
    for key in ["k", "ex", "px"] {
        assert_eq!(file.deadline_ms(0, key), 5000, "{key}");
    }
    assert_eq!(file.replay.failed(), 0);
    assert_eq!(file.db.keyspace(0).hashes_with_deadlines(), 1);
}

#[test]
fn what_is_no_command_of_a_file_is_refused() {
    let instance = instance();
    for (lines, want) in [
        (&["NOSUCH a"][..], "Unknown command 'NOSUCH'"),
        (&["SET a"], "Wrong number of arguments for 'SET'"),
        (
            &["SUBSCRIBE a"],
            "No command that changes data: 'SUBSCRIBE'",
        ),
        (&["SHUTDOWN"], "No command that changes data: 'SHUTDOWN'"),
        (
            &["MIGRATE 127.0.0.1 1 k 0 1"],
            "No command that changes data: 'MIGRATE'",
        ),
        (&["EXEC"], "MULTI and EXEC do not go together"),
        (&["MULTI", "MULTI"], "MULTI and EXEC do not go together"),
        (&["SELECT 2", "SET k v"], "No such database"),
        (
            &["MULTI", "SELECT 2", "SET k v", "EXEC"],
            "No such database",
        ),
    ] {
        let mut file = File::new(&instance);
        let error = file.run(lines).expect_err("it is none");
        assert_eq!(error.to_string(), want);
        assert_eq!(file.deadline_ms(0, "k"), 0, "nothing is made elsewhere");
    }
}

#[test]
fn a_blocking_command_does_not_wait_and_an_error_is_counted() {
    let instance = instance();
    let mut file = File::new(&instance);
    file.run(&["BLPOP l 0", "SET l v", "LPUSH l a", "DEL l"])
        .expect("they are commands");
    assert_eq!(file.replay.failed(), 1);
}

/// Commands as they stand in a file, of every type.
const LOGGED: &[&str] = &[
    "SELECT 1",
    "SET k 1 PXAT 5000000000000",
    "INCRBY k 7",
    "SETRANGE s 3 abc",
    "SETBIT b 70 1",
    "RPUSH l a b c",
    "LMOVE l m LEFT RIGHT",
    "SADD t 1 2 x",
    "SREM t 2",
    "HSET h f v g w",
    "HPEXPIREAT h 5000000000000 FIELDS 1 f",
    "ZADD z 1 a 2.5 b",
    "ZINCRBY z 3 a",
    "MULTI",
    "XADD x 1-1 f v",
    "XGROUP CREATE x g 0",
    "XCLAIM x g c 0 1-1 TIME 5 RETRYCOUNT 2 FORCE JUSTID LASTID 1-1",
    "XSETID x 9-9 ENTRIESADDED 9 MAXDELETEDID 1-0",
    "EXEC",
    "GEOADD geo 13.36 38.11 p",
    "PFADD hll a b",
    "BITFIELD b SET u8 0 255",
    "COPY z y",
    "RENAME y yy",
    "PEXPIREAT z 4000",
    "DEL nosuch",
    "SWAPDB 0 1",
];

/// Replays a file up to its end or its first fault; how many commands it had.
fn replay(instance: &Instance, bytes: &[u8]) -> usize {
    let mut file = File::new(instance);
    let mut reader = Reader::new(bytes, 0);
    let mut commands = 0;
    while let Ok(true) = reader.read_command() {
        let mut queue = CommandQueue::default();
        reader.words().iter().for_each(|word| queue.push_word(word));
        queue.end_command();
        if file.replay.run(&mut file.db, queue.get(0), NOW_MS).is_err() {
            break;
        }
        commands += 1;
    }
    commands
}

#[test]
fn a_file_that_is_changed_at_any_byte_is_replayed_up_to_its_fault() {
    let instance = instance();
    let mut bytes = Vec::new();
    for line in LOGGED {
        let words: Vec<&str> = line.split(' ').collect();
        bytes.extend(format!("*{}\r\n", words.len()).into_bytes());
        for word in words {
            bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
        }
    }
    assert_eq!(replay(&instance, &bytes), LOGGED.len());
    for at in 0..bytes.len() {
        let whole = bytes[at];
        for changed in [whole ^ 1, whole ^ 0x80, 0, b'9', b'*', b'-'] {
            bytes[at] = changed;
            assert!(replay(&instance, &bytes) <= LOGGED.len());
        }
        bytes[at] = whole;
    }
}
