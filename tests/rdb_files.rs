//! Files that real servers of many versions wrote (tests/fixtures/rdb/files): what is in them is what those servers said.
//!
//! `expected.tsv` beside the files has commands and the replies of the servers; a server that starts with the file, and one
//! that is given its values, must answer the same. How the files are made, and how replies are written, is in `make-files`.

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use common::{Connection, Folder, Reply, Server};
use ruddle::persist::rdb::file::{Access, Key, Reader, Record};
use ruddle::persist::rdb::input::Input;
use ruddle::persist::rdb::{kind, opcode, payload};
use ruddle::store::crc64;
use ruddle::store::db::EncodingLimits;
use ruddle::store::entry::NEVER;

const EXPECTED: &str = include_str!("fixtures/rdb/files/expected.tsv");
/// From so many bytes on a reply stands in `expected.tsv` as its length and checksum.
const LONG: usize = 600;
/// The server's parameters: those with which the files were made (`settings` of data_set.py).
const SETUP: &[&str] = &[
    "--set-max-intset-entries",
    "8",
    "--set-max-listpack-entries",
    "8",
    "--hash-max-listpack-entries",
    "8",
    "--zset-max-listpack-entries",
    "8",
    "--list-max-listpack-size",
    "4",
    "--stream-node-max-entries",
    "4",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rdb/files")
}

fn file(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn reader(bytes: &[u8]) -> Reader<&[u8]> {
    Reader::new(bytes, EncodingLimits::default(), true).expect("it has a head")
}

/// A golden file and what its server answered.
struct Golden {
    name: &'static str,
    /// Database, command, reply.
    answers: Vec<(u64, &'static str, &'static str)>,
}

/// All files with all keys.
fn golden() -> Vec<Golden> {
    let (heads, rows): (Vec<&str>, Vec<&str>) =
        EXPECTED.lines().partition(|line| line.starts_with("# "));
    heads
        .iter()
        .map(|head| {
            let words: Vec<&'static str> = head.split(' ').collect();
            let [_, letter, _, name] = words[..] else {
                panic!("{head}");
            };
            let answers = rows.iter().filter_map(|row| {
                let columns: Vec<&'static str> = row.split('\t').collect();
                let [letters, database, command, reply] = columns[..] else {
                    panic!("{row}");
                };
                let database = database.parse().expect("a database has a number");
                letters
                    .contains(letter)
                    .then_some((database, command, reply))
            });
            Golden {
                name,
                answers: answers.collect(),
            }
        })
        .collect()
}

/// The payload that RESTORE takes, of the bytes of a key's record: what is behind the opcodes, less the name.
fn payload_of(record: &[u8], version: u16) -> Vec<u8> {
    let mut input = Input::new(record, version);
    let kind = loop {
        match input.byte().expect("a record has a kind") {
            opcode::DEADLINE_MS => input.i64().map(drop),
            opcode::DEADLINE_S => input.i32().map(drop),
            opcode::IDLE => input.number().map(drop),
            opcode::FREQUENCY => input.byte().map(drop),
            opcode::SLOT_INFO => (0..3).try_for_each(|_| input.number().map(drop)),
            kind => break kind,
        }
        .expect("the record is whole");
    };
    input.skip_string().expect("a record has a name");
    let body = [&[kind], input.source].concat();
    payload::seal(body, version)
}

/// Gives the file's keys and functions to a server.
fn fill(connection: &mut Connection, bytes: &[u8]) {
    let mut reader = reader(bytes);
    let version = reader.version();
    loop {
        let start = reader.position() as usize;
        let Some(record) = reader.next() else { break };
        let reply = match record.expect("the file is whole") {
            Record::Database(index) => connection.run(&format!("SELECT {index}")),
            Record::Function(code) => connection.command(&[b"FUNCTION", &b"LOAD"[..], &code]),
            Record::Key(key) => {
                let payload = payload_of(&bytes[start..reader.position() as usize], version);
                let deadline = match key.entry.deadline_ms() {
                    NEVER => 0,
                    deadline_ms => deadline_ms,
                };
                let deadline = deadline.to_string();
                let words = [
                    b"RESTORE",
                    key.entry.key(),
                    deadline.as_bytes(),
                    &payload,
                    b"ABSTTL",
                ];
                connection.command(&words)
            }
            Record::Empty(name) => panic!("{name:?} has no elements"),
            _ => continue,
        };
        assert!(!matches!(reply, Reply::Error(_)), "{reply}");
    }
}

fn bytes_of(reply: &Reply) -> &[u8] {
    match reply {
        Reply::Bulk(bytes) => bytes,
        other => panic!("{other} is no string"),
    }
}

fn parts_of(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(parts) => parts,
        other => panic!("{other} is no array"),
    }
}

/// A reply of names and values without some of them, also within.
fn without(reply: Reply, names: &[&str]) -> Reply {
    let Reply::Array(parts) = reply else {
        return reply;
    };
    let mut kept = Vec::new();
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        let is_named = |name: &&str| matches!(&part, Reply::Bulk(text) if text == name.as_bytes());
        if names.iter().any(is_named) {
            parts.next();
        } else {
            kept.push(without(part, names));
        }
    }
    Reply::Array(kept)
}

/// The reply in the form in which `make-files` has it: what has no order is sorted.
fn canonical(command: &str, reply: Reply, file: &str) -> Reply {
    match command.split(' ').next() {
        Some("SMEMBERS") => {
            let mut members = parts_of(reply);
            members.sort_by(|a, b| bytes_of(a).cmp(bytes_of(b)));
            Reply::Array(members)
        }
        Some("HGETALL") => {
            let parts = parts_of(reply);
            let mut pairs: Vec<&[Reply]> = parts.chunks(2).collect();
            pairs.sort_by(|a, b| bytes_of(&a[0]).cmp(bytes_of(&b[0])));
            Reply::Array(pairs.concat())
        }
        Some("XINFO") => {
            let mut names = vec!["radix-tree-keys", "radix-tree-nodes"];
            if !has_two_times(file) {
                names.push("active-time");
            }
            without(reply, &names)
        }
        Some("FUNCTION") => {
            let is_code = |library: &Reply| {
                let parts = parts_of(library.clone());
                let pair = parts
                    .chunks(2)
                    .find(|pair| bytes_of(&pair[0]) == b"library_code");
                pair.expect("a library has code")[1].clone()
            };
            let mut codes: Vec<Reply> = parts_of(reply).iter().map(is_code).collect();
            codes.sort_by(|a, b| bytes_of(a).cmp(bytes_of(b)));
            Reply::Array(codes)
        }
        _ => reply,
    }
}

/// Whether the servers of this version and their files tell when a consumer was active last.
fn has_two_times(file: &str) -> bool {
    file.starts_with("valkey") || file >= "redis-7.2"
}

fn short(text: String) -> String {
    if text.len() <= LONG {
        return text;
    }
    let sum = crc64::update(0, text.as_bytes());
    format!("{} bytes {sum:016x}", text.len())
}

/// Whether an encoding of the server that wrote the file is this one here. Small collections have other forms in former
/// and in later versions, short lists and sets are here what Redis 7.0 calls them, and of texts it tells about memory.
fn is_encoding(theirs: &str, ours: &str) -> bool {
    const SAME: &[&[&str]] = &[
        &["ziplist", "zipmap", "listpack"],
        &["ziplist", "linkedlist", "listpack", "quicklist"],
        &["listpack", "hashtable"],
        &["hashtable", "listpackex"],
        &["raw", "embstr"],
        // Redis 5 has no name for it.
        &["unknown", "stream"],
    ];
    let [theirs, ours] = [theirs, ours].map(|name| name.trim_matches('"'));
    let is_same = |names: &&[&str]| names.contains(&theirs) && names.contains(&ours);
    theirs == ours || SAME.iter().any(is_same)
}

fn check_answer(
    connection: &mut Connection,
    file: &str,
    command: &str,
    want: &str,
) -> Option<String> {
    let got = canonical(command, connection.run(command), file);
    let text = got.to_string();
    let is_right = match command.strip_prefix("OBJECT ENCODING ") {
        Some(_) => is_encoding(want, &text),
        None => short(text.clone()) == want,
    };
    (!is_right).then(|| format!("{file}: {command}: {text}, and it should be {want}"))
}

/// Compares all that a server has with what the file's own one said.
#[track_caller]
fn check_answers(server: &Server, golden: &Golden) {
    assert!(golden.answers.len() > 100, "{}", golden.name);
    let mut connection = server.connect();
    let mut selected = 0;
    let mut wrong = Vec::new();
    for (database, command, want) in &golden.answers {
        if *database != selected {
            connection.run(&format!("SELECT {database}"));
            selected = *database;
        }
        wrong.extend(check_answer(&mut connection, golden.name, command, want));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_server_that_starts_with_a_file_has_what_the_other_one_said() {
    for golden in golden() {
        let folder = Arc::new(Folder::new());
        std::fs::write(folder.0.join("dump.rdb"), file(golden.name)).expect("it can be written");
        let server = Server::start_in(&folder, &common::program(), SETUP);
        check_answers(&server, &golden);
        // So has one that starts with what this one saves, less the second time of consumers, which Redis 7.0 does not read.
        if !has_two_times(golden.name) {
            common::check(&mut server.connect(), "SAVE", "+OK");
            check_answers(&server.kill_and_restart(SETUP), &golden);
        }
    }
}

#[test]
fn values_of_all_files_can_be_restored() {
    for golden in golden() {
        let server = Server::start(SETUP);
        fill(&mut server.connect(), &file(golden.name));
        check_answers(&server, &golden);
    }
}

/// The keys of a file, by name.
fn keys(name: &str) -> Vec<Key> {
    let mut keys: Vec<Key> = reader(&file(name))
        .filter_map(|record| match record.expect("the file is whole") {
            Record::Key(key) => Some(key),
            _ => None,
        })
        .collect();
    keys.sort_by(|a, b| a.entry.key().cmp(b.entry.key()));
    keys
}

/// The files that come beside `of` with this ending.
fn beside(of: &Golden, ending: &str) -> Option<String> {
    let name = of.name.replace(".rdb", &format!("-{ending}.rdb"));
    folder().join(&name).exists().then_some(name)
}

#[test]
fn uses_of_keys_are_read() {
    let mut files = 0;
    for golden in golden() {
        for (ending, wanted) in [
            ("idle", [Access::IdleS(20), Access::IdleS(220)]),
            ("freq", [Access::Frequency(20), Access::Frequency(220)]),
        ] {
            let Some(name) = beside(&golden, ending) else {
                continue;
            };
            let uses: Vec<_> = keys(&name)
                .into_iter()
                .map(|key| (key.entry.key().to_vec(), key.access))
                .collect();
            let [first, second] = wanted.map(Some);
            let wanted = [(b"first".to_vec(), first), (b"second".to_vec(), second)];
            assert_eq!(uses, wanted, "{name}");
            files += 1;
        }
    }
    // Servers before Redis 5.0 do not write them.
    assert_eq!(files, 2 * 12);
}

#[test]
fn what_nodes_of_a_cluster_say_of_slots_is_gone_over() {
    let files: Vec<String> = golden()
        .iter()
        .filter_map(|golden| beside(golden, "cluster"))
        .collect();
    assert_eq!(files.len(), 5);
    for name in files {
        let found: Vec<_> = keys(&name)
            .into_iter()
            .map(|key| (key.entry.key().to_vec(), key.entry.deadline_ms()))
            .collect();
        let wanted = [("a", NEVER), ("c", 4_102_444_800_123), ("{a}b", NEVER)];
        let wanted = wanted.map(|(name, deadline_ms)| (name.as_bytes().to_vec(), deadline_ms));
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn servers_say_who_and_where_they_are() {
    for golden in golden() {
        let names: Vec<String> = reader(&file(golden.name))
            .filter_map(|record| match record.expect("the file is whole") {
                Record::Aux(name, _) => Some(String::from_utf8_lossy(&name).into_owned()),
                _ => None,
            })
            .collect();
        let has = |name: &str| names.iter().any(|other| other == name);
        let [family, numbers] = golden.name.split('-').collect::<Vec<_>>()[..] else {
            panic!("{}", golden.name);
        };
        let is_old = matches!(numbers, "2.4.rdb" | "2.8.rdb");
        let own = match family {
            "valkey" => "valkey-ver",
            _ => "redis-ver",
        };
        assert_eq!(has(own), !is_old, "{}: {names:?}", golden.name);
        // Those of 3.2 have no history of replication; 5.0 and 6.0 keep scripts beside it.
        let has_history = !is_old && numbers != "3.2.rdb";
        assert_eq!(has("repl-id"), has_history, "{}: {names:?}", golden.name);
        let has_scripts = matches!(numbers, "4.0.rdb" | "5.0.rdb" | "6.0.rdb" | "6.2.rdb");
        assert_eq!(has("lua"), has_scripts, "{}: {names:?}", golden.name);
    }
}

#[test]
fn the_files_have_every_kind_of_value() {
    let mut kinds = BTreeSet::new();
    for golden in golden() {
        let bytes = file(golden.name);
        let mut reader = reader(&bytes);
        let version = reader.version();
        loop {
            let start = reader.position() as usize;
            match reader.next() {
                Some(Ok(Record::Key(_))) => {
                    let end = reader.position() as usize;
                    kinds.insert(payload_of(&bytes[start..end], version)[0]);
                }
                Some(record) => drop(record.expect("the file is whole")),
                None => break,
            }
        }
    }
    // Those of modules, and those that release candidates alone have written, are not there.
    let absent = [
        kind::MODULE,
        kind::MODULE_2,
        8,
        kind::HASH_LISTPACK_DEADLINES_OLD,
    ];
    let wanted: BTreeSet<u8> = (kind::STRING..=kind::HASH_LISTPACK_DEADLINES)
        .filter(|kind| !absent.contains(kind))
        .collect();
    assert_eq!(kinds, wanted);
}
