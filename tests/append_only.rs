//! The append-only file over the wire: written, killed, loaded again; cut, damaged and incomplete files; rewrites, turning on and
//! off, and what clients are told.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{
    Connection, Folder, Reply, Server, check, encode, free_port, info_field, program, wait_until,
};

const POLICIES: [&str; 3] = ["always", "everysec", "no"];

/// Arguments of a server with an append-only file.
fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["--appendonly", "yes", "--enable-debug-command", "yes"];
    args.extend(more);
    args
}

/// A field of INFO persistence.
fn field(client: &mut Connection, name: &str) -> String {
    info_field(client, "persistence", name)
}

/// Waits until all is in the file. With `everysec` what comes while the file is synced is written a moment later.
#[track_caller]
fn wait_until_written(client: &mut Connection) {
    wait_until("the log is written", || {
        field(client, "aof_buffer_length") == "0"
    });
}

#[track_caller]
fn wait_for_rewrite(client: &mut Connection) {
    // In this order: one that is no longer scheduled is under way.
    for name in ["aof_rewrite_scheduled", "aof_rewrite_in_progress"] {
        wait_until("a rewrite ends", || field(client, name) == "0");
    }
    assert_eq!(field(client, "aof_last_bgrewrite_status"), "ok");
}

fn digest(client: &mut Connection) -> String {
    client.run("DEBUG DIGEST").to_string()
}

/// Keys of every type and encoding, with and without deadlines, in two databases, by commands that are logged as they came
/// and by such that are not, and a library of functions.
fn fill(client: &mut Connection) {
    let long = "x".repeat(100_000);
    let lines = [
        "SET number 12",
        "INCRBYFLOAT float 1.5",
        "SET text 'some words' EX 10000",
        "RPUSH list a b 3 c",
        "LPOP list",
        "SADD integers 3 1 2",
        "SADD words a b c d",
        "SPOP words",
        "ZADD zset 1.5 a -inf b 17 c",
        "HSET hash f v g 17 h x",
        "HPEXPIREAT hash 32503680000000 FIELDS 1 f",
        "XADD stream 1-1 f v g w",
        "XADD stream * f other",
        "XGROUP CREATE stream readers 0",
        "XREADGROUP GROUP readers alice COUNT 1 STREAMS stream >",
        "XGROUP CREATECONSUMER stream readers bob",
        "XADD emptied 5-5 f v",
        "XDEL emptied 5-5",
        "PFADD hll a b c",
        "SET gone 1 PX 1",
        "GEOADD geo 13.36 38.11 Palermo",
        "BITFIELD bits SET u8 0 255",
        "MULTI",
        "INCR counter",
        "INCR counter",
        "EXEC",
        "EVAL 'redis.call(\"SET\", KEYS[1], \"by script\") return redis.call(\"INCR\", \"scripted\")' 1 script",
        "FUNCTION LOAD '#!lua name=lib\nredis.register_function(\"f\", function() return 7 end)'",
        "SELECT 3",
        "RPUSH far x y z",
        "COPY far near DB 0",
        "SELECT 0",
    ];
    for line in lines {
        let reply = client.run(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply}");
    }
    client.command(&["SET", "long", &long]);
    for name in ["biglist", "bigset", "bigzset", "bighash", "bigstream"] {
        for number in 0..150 {
            let (member, score) = (format!("member-{number}"), number.to_string());
            let words: Vec<&str> = match name {
                "biglist" => vec!["RPUSH", name, &member],
                "bigset" => vec!["SADD", name, &member],
                "bigzset" => vec!["ZADD", name, &score, &member],
                "bighash" => vec!["HSET", name, &member, &score],
                _ => vec!["XADD", name, "*", &member, &score],
            };
            client.command(&words);
        }
    }
    wait_until("the key is gone", || {
        matches!(client.run("EXISTS gone"), Reply::Integer(0))
    });
}

/// The text that a server logs which does not start, in a directory in which another one has left files.
fn refusal(folder: &Folder, more: &[&str]) -> String {
    let output = Command::new(program())
        .args(["--port", &free_port().to_string(), "--save", ""])
        .args(with(more))
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .expect("the program can be run");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn files(folder: &Folder) -> PathBuf {
    folder.0.join("appendonlydir")
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(files(folder)).expect("the directory is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    for policy in POLICIES {
        let args = with(&["--appendfsync", policy]);
        let server = Server::start(&args);
        let mut client = server.connect();
        fill(&mut client);
        let wanted = digest(&mut client);
        wait_until_written(&mut client);
        let server = server.kill_and_restart(&args);
        let mut client = server.connect();
        assert_eq!(digest(&mut client), wanted, "{policy}");
        check(&mut client, "FCALL f 0", ":7");
        check(&mut client, "TTL number", ":-1");
        check(
            &mut client,
            "HPEXPIRETIME hash FIELDS 1 f",
            "[:32503680000000]",
        );
        // What comes now goes behind what was there.
        check(&mut client, "RPUSH list more", ":4");
        wait_until_written(&mut client);
        let server = server.kill_and_restart(&args);
        check(
            &mut server.connect(),
            "LRANGE list 0 -1",
            r#"["b", "3", "c", "more"]"#,
        );
    }
}

#[test]
fn a_rewritten_file_has_the_same_data_in_either_form() {
    for preamble in ["yes", "no"] {
        let args = with(&["--aof-use-rdb-preamble", preamble]);
        let server = Server::start(&args);
        let mut client = server.connect();
        fill(&mut client);
        let groups = client.run("XINFO GROUPS stream").to_string();
        check(
            &mut client,
            "BGREWRITEAOF",
            "+Background append only file rewriting started",
        );
        wait_for_rewrite(&mut client);
        let form = if preamble == "yes" { "rdb" } else { "aof" };
        let want = [
            format!("appendonly.aof.2.base.{form}"),
            "appendonly.aof.2.incr.aof".to_owned(),
            "appendonly.aof.manifest".to_owned(),
        ];
        assert_eq!(names(&server.folder), want);
        check(&mut client, "SET after rewrite", "+OK");
        let wanted = digest(&mut client);
        wait_until_written(&mut client);
        let server = server.kill_and_restart(&args);
        let mut client = server.connect();
        assert_eq!(digest(&mut client), wanted, "preamble {preamble}");
        assert_eq!(client.run("XINFO GROUPS stream").to_string(), groups);
        check(&mut client, "FCALL f 0", ":7");
    }
}

#[test]
fn writes_during_a_rewrite_are_kept() {
    let args = with(&["--enable-protected-configs", "yes"]);
    let server = Server::start(&args);
    let mut client = server.connect();
    for number in 0..500 {
        client.run(&format!("SET key:{number} before"));
    }
    check(&mut client, "CONFIG SET rdb-key-save-delay 500", "+OK");
    check(
        &mut client,
        "BGREWRITEAOF",
        "+Background append only file rewriting started",
    );
    check(
        &mut client,
        "BGREWRITEAOF",
        "-ERR Background append only file rewriting already in progress",
    );
    check(
        &mut client,
        "BGSAVE",
        "-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a \
         BGSAVE whenever possible.",
    );
    let mut number = 0;
    while field(&mut client, "aof_rewrite_in_progress") == "1" {
        client.run(&format!("SET key:{} after", number % 500));
        client.run("INCR writes");
        number += 1;
    }
    wait_for_rewrite(&mut client);
    let wanted = digest(&mut client);
    wait_until_written(&mut client);
    let server = server.kill_and_restart(&args);
    assert_eq!(digest(&mut server.connect()), wanted);
}

#[test]
fn a_file_that_grows_is_rewritten_by_itself() {
    let server = Server::start(&with(&["--auto-aof-rewrite-min-size", "4kb"]));
    let mut client = server.connect();
    wait_until("a rewrite", || {
        client.run(&format!("SET key {}", "x".repeat(200)));
        field(&mut client, "aof_rewrites") != "0"
    });
    wait_for_rewrite(&mut client);
}

#[test]
fn it_is_turned_on_and_off_while_the_server_runs() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    fill(&mut client);
    assert_eq!(field(&mut client, "aof_enabled"), "0");
    check(&mut client, "CONFIG SET appendonly yes", "+OK");
    check(&mut client, "SET during rewrite", "+OK");
    wait_for_rewrite(&mut client);
    assert_eq!(field(&mut client, "aof_enabled"), "1");
    check(&mut client, "INCR counter", ":3");
    check(&mut client, "CONFIG SET appendonly no", "+OK");
    let wanted = digest(&mut client);
    check(&mut client, "SET not logged", "+OK");
    let server = server.kill_and_restart(&with(&[]));
    let mut client = server.connect();
    assert_eq!(digest(&mut client), wanted);
    // Once more, with files there.
    check(
        &mut client,
        "CONFIG SET appendonly no appendfsync always",
        "+OK",
    );
    check(&mut client, "DEL counter", ":1");
    check(&mut client, "CONFIG SET appendonly yes", "+OK");
    check(&mut client, "SET last one", "+OK");
    wait_for_rewrite(&mut client);
    let wanted = digest(&mut client);
    let server = server.kill_and_restart(&with(&[]));
    assert_eq!(digest(&mut server.connect()), wanted);
}

#[test]
fn the_end_of_the_server_leaves_nothing_in_the_log() {
    let args = with(&["--appendfsync", "no"]);
    let server = Server::start(&args);
    let mut client = server.connect();
    fill(&mut client);
    let wanted = digest(&mut client);
    let folder = Arc::clone(&server.folder);
    client.send(&encode(&["SHUTDOWN"]));
    assert!(client.is_closed());
    assert!(server.wait().success());
    let server = Server::start_in(&folder, &program(), &args);
    assert_eq!(digest(&mut server.connect()), wanted);
}

/// A directory with the increment `bytes`.
fn increment(bytes: &[u8]) -> Arc<Folder> {
    let folder = Arc::new(Folder::new());
    std::fs::create_dir(files(&folder)).expect("it can be made");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(files(&folder).join(name), bytes).expect("it can be written");
    };
    write(
        "appendonly.aof.manifest",
        b"file appendonly.aof.1.incr.aof seq 1 type i\n",
    );
    write("appendonly.aof.1.incr.aof", bytes);
    folder
}

fn commands(lines: &[&str]) -> Vec<u8> {
    let encoded = |line: &&str| encode(&line.split(' ').collect::<Vec<_>>());
    lines.iter().flat_map(encoded).collect()
}

#[test]
fn a_file_that_ends_too_early_is_cut_where_that_is_allowed() {
    let whole = commands(&["SELECT 0", "SET a 1"]);
    let tails = [
        commands(&["SET b 2"])[..9].to_vec(),
        commands(&["MULTI", "SET b 2", "SET c 3"]),
        [commands(&["MULTI", "SET b 2"]), b"*3\r\n$3\r\nSE".to_vec()].concat(),
        b"#TS:17000".to_vec(),
    ];
    for tail in tails {
        let bytes = [whole.clone(), tail].concat();
        let folder = increment(&bytes);
        let log = refusal(&folder, &["--aof-load-truncated", "no"]);
        assert!(
            log.contains("Unexpected end of file reading the append only file appendonly.aof.1.incr.aof. You can: "),
            "{log}"
        );
        let kept = std::fs::read(files(&folder).join("appendonly.aof.1.incr.aof"));
        assert_eq!(kept.expect("it is there"), bytes);
        let server = Server::start_in(&folder, &program(), &with(&[]));
        let mut client = server.connect();
        check(&mut client, "MGET a b c", r#"["1", $-1, $-1]"#);
        let kept = std::fs::read(files(&folder).join("appendonly.aof.1.incr.aof"));
        assert_eq!(kept.expect("it is there"), whole);
        check(&mut client, "SET d 4", "+OK");
        wait_until_written(&mut client);
        let server = server.kill_and_restart(&with(&[]));
        check(&mut server.connect(), "MGET a d", r#"["1", "4"]"#);
    }
}

#[test]
fn a_file_that_is_damaged_is_refused_with_its_place() {
    let whole = commands(&["SELECT 0", "SET a 1"]);
    let after = commands(&["SET b 2"]);
    for (damage, want) in [
        (
            b"nonsense\r\n".to_vec(),
            "Bad file format reading the append only file appendonly.aof.1.incr.aof at offset 50: make a backup of your AOF \
             file, then use ./redis-check-aof --fix <filename.manifest>",
        ),
        (
            commands(&["NOSUCH a"]),
            "Unknown command 'NOSUCH' reading the append only file appendonly.aof.1.incr.aof",
        ),
        (
            commands(&["SHUTDOWN"]),
            "No command that changes data: 'SHUTDOWN' reading the append only file appendonly.aof.1.incr.aof",
        ),
    ] {
        let folder = increment(&[whole.clone(), damage, after.clone()].concat());
        let log = refusal(&folder, &[]);
        assert!(log.contains(want), "{log}");
    }
}

#[test]
fn files_that_are_missing_or_cut_before_the_last_are_refused() {
    let folder = increment(&commands(&["SELECT 0", "SET a 1"]));
    let manifest = files(&folder).join("appendonly.aof.manifest");
    let both = "file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    std::fs::write(&manifest, both).expect("it can be written");
    let log = refusal(&folder, &[]);
    assert!(
        log.contains("Unable to obtain the AOF file appendonly.aof.2.incr.aof length. stat: No such file or directory"),
        "{log}"
    );
    let second = files(&folder).join("appendonly.aof.2.incr.aof");
    std::fs::write(&second, commands(&["SELECT 0", "SET b 2"])).expect("it can be written");
    let first = files(&folder).join("appendonly.aof.1.incr.aof");
    let cut = commands(&["SELECT 0", "SET a 1", "SET c 3"]);
    std::fs::write(&first, &cut[..cut.len() - 1]).expect("it can be written");
    let log = refusal(&folder, &[]);
    assert!(
        log.contains("Fatal error: the truncated file is not the last file"),
        "{log}"
    );
    std::fs::write(&first, &cut).expect("it can be written");
    let server = Server::start_in(&folder, &program(), &with(&[]));
    check(&mut server.connect(), "MGET a b c", r#"["1", "2", "3"]"#);
    drop(server);
    std::fs::write(&manifest, "file a seq 1 type b\nfile b seq 1 type b\n")
        .expect("it can be written");
    let log = refusal(&folder, &[]);
    assert!(
        log.contains("Found duplicate base file information"),
        "{log}"
    );
    assert!(
        log.contains("Reading the manifest file, at line 2"),
        "{log}"
    );
}

#[test]
fn the_one_file_of_older_servers_becomes_the_base() {
    let commands = commands(&["SELECT 0", "SET a 1", "SELECT 3", "SET b 2"]);
    // A dump with one key in front, as Redis 4.0 to 6.2 wrote them.
    let server = Server::start(&[]);
    let mut client = server.connect();
    check(&mut client, "SET c 3", "+OK");
    check(&mut client, "SAVE", "+OK");
    let dump = std::fs::read(server.folder.0.join("dump.rdb")).expect("it was saved");
    for (old, values) in [
        (commands.clone(), r#"["1", $-1]"#),
        ([dump, commands].concat(), r#"["1", "3"]"#),
    ] {
        let folder = Arc::new(Folder::new());
        std::fs::write(folder.0.join("appendonly.aof"), old).expect("it can be written");
        let server = Server::start_in(&folder, &program(), &with(&[]));
        let mut client = server.connect();
        check(&mut client, "MGET a c", values);
        check(&mut client, "SELECT 3", "+OK");
        check(&mut client, "INCR b", ":3");
        let want = [
            "appendonly.aof",
            "appendonly.aof.1.incr.aof",
            "appendonly.aof.manifest",
        ];
        assert_eq!(names(&folder), want);
        wait_until_written(&mut client);
        let server = server.kill_and_restart(&with(&[]));
        let mut client = server.connect();
        check(&mut client, "MGET a c", values);
        check(
            &mut client,
            "BGREWRITEAOF",
            "+Background append only file rewriting started",
        );
        wait_for_rewrite(&mut client);
        assert!(!names(&folder).contains(&"appendonly.aof".to_owned()));
    }
}

#[test]
fn a_dump_is_not_loaded_where_there_is_to_be_an_append_only_file() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    let server = server.kill_and_restart(&with(&[]));
    check(&mut server.connect(), "DBSIZE", ":0");
}

#[test]
fn times_stand_in_the_file_where_they_are_wanted() {
    let args = with(&["--aof-timestamp-enabled", "yes", "--appendfsync", "always"]);
    let server = Server::start(&args);
    let mut client = server.connect();
    check(&mut client, "SET a 1", "+OK");
    let name = files(&server.folder).join("appendonly.aof.1.incr.aof");
    let text = std::fs::read_to_string(&name).expect("it is text");
    assert!(
        text.starts_with("#TS:") && text.matches("#TS:").count() == 1,
        "{text}"
    );
    let server = server.kill_and_restart(&args);
    let mut client = server.connect();
    check(&mut client, "GET a", "\"1\"");
    check(&mut client, "CONFIG SET aof-timestamp-enabled no", "+OK");
    check(&mut client, "SET b 2", "+OK");
    let text = std::fs::read_to_string(&name).expect("it is text");
    assert_eq!(text.matches("#TS:").count(), 1, "{text}");
}

#[test]
fn a_client_can_wait_for_the_disk() {
    for policy in POLICIES {
        let server = Server::start(&with(&["--appendfsync", policy]));
        let mut client = server.connect();
        check(&mut client, "SET a 1", "+OK");
        check(&mut client, "WAITAOF 1 0 0", "[:1, :0]");
        check(&mut client, "WAITAOF 0 0 0", "[:1, :0]");
        check(&mut client, "WAITAOF 1 1 1", "[:1, :0]");
        check(&mut client, "MULTI", "+OK");
        check(&mut client, "WAITAOF 1 1 0", "+QUEUED");
        check(&mut client, "EXEC", "[[:1, :0]]");
        // Nobody has to wait any more when it is turned off.
        check(&mut client, "SET b 1", "+OK");
        let mut other = server.connect();
        check(&mut other, "CONFIG SET appendonly no", "+OK");
        check(&mut client, "WAITAOF 0 0 0", "[:0, :0]");
    }
}

/// Before the first base is there, nothing counts as being on the disk; and nothing ever will where it is turned off again.
#[test]
fn who_waits_for_the_disk_waits_for_the_first_base() {
    const NO_FILE: &str =
        "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    let args = ["--rdb-key-save-delay", "100000"];
    let server = Server::start(&args);
    let (mut client, mut other) = (server.connect(), server.connect());
    for key in 0..10 {
        check(&mut client, &format!("SET key:{key} 1"), "+OK");
    }
    check(&mut client, "CONFIG SET appendonly yes", "+OK");
    check(&mut client, "WAITAOF 1 0 1", "[:0, :0]");
    client.send(&encode(&["WAITAOF", "1", "0", "0"]));
    wait_until("it waits", || {
        info_field(&mut other, "clients", "blocked_clients") == "1"
    });
    check(&mut other, "CONFIG SET appendonly no", "+OK");
    assert_eq!(client.read().to_string(), NO_FILE);
    check(&mut client, "CONFIG SET appendonly yes", "+OK");
    check(&mut client, "WAITAOF 1 0 0", "[:1, :0]");
    let server = server.kill_and_restart(&["--appendonly", "yes"]);
    check(&mut server.connect(), "DBSIZE", ":10");
}

#[test]
fn what_was_made_superfluous_is_kept_where_that_is_wanted() {
    let server = Server::start(&with(&["--aof-disable-auto-gc", "yes"]));
    let mut client = server.connect();
    check(&mut client, "SET a 1", "+OK");
    check(
        &mut client,
        "BGREWRITEAOF",
        "+Background append only file rewriting started",
    );
    wait_for_rewrite(&mut client);
    let manifest = files(&server.folder).join("appendonly.aof.manifest");
    let text = || std::fs::read_to_string(&manifest).expect("it is text");
    let kept = "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.1.incr.aof seq 1 type h\n\
                file appendonly.aof.1.base.rdb seq 1 type h\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    assert_eq!(text(), kept);
    assert_eq!(names(&server.folder).len(), 5);
    check(&mut client, "CONFIG SET aof-disable-auto-gc no", "+OK");
    let left = "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    assert_eq!(text(), left);
    assert_eq!(names(&server.folder).len(), 3);
}

#[test]
fn turning_it_on_waits_for_a_save_that_is_under_way() {
    let server = Server::start(&["--enable-protected-configs", "yes"]);
    let mut client = server.connect();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "CONFIG SET rdb-key-save-delay 10000000", "+OK");
    check(&mut client, "BGSAVE", "+Background saving started");
    check(&mut client, "CONFIG SET appendonly yes", "+OK");
    assert_eq!(field(&mut client, "aof_rewrite_scheduled"), "1");
    assert_eq!(field(&mut client, "aof_rewrite_in_progress"), "0");
    check(&mut client, "CONFIG SET rdb-key-save-delay 0", "+OK");
    // FLUSHALL ends the save.
    check(&mut client, "FLUSHALL", "+OK");
    check(&mut client, "SET b 2", "+OK");
    wait_for_rewrite(&mut client);
    check(&mut client, "SET c 3", "+OK");
    wait_until_written(&mut client);
    let server = server.kill_and_restart(&with(&[]));
    check(&mut server.connect(), "MGET a b c", r#"[$-1, "2", "3"]"#);
}

/// What a client has written and been answered.
#[derive(Debug, Default)]
struct Written {
    sent: AtomicU64,
    acknowledged: AtomicU64,
}

/// Sets a key to growing numbers until the server is gone, and tells when each was acknowledged.
fn write_on(port: u16, first: u64, written: &Written) -> Vec<(u64, Instant)> {
    let mut times = Vec::new();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return times;
    };
    for number in first.. {
        written.sent.store(number, Ordering::SeqCst);
        let command = encode(&["SET", "n", &number.to_string()]);
        let mut reply = [0; 5];
        let answered = stream
            .write_all(&command)
            .and_then(|()| stream.read_exact(&mut reply));
        if answered.is_err() || &reply != b"+OK\r\n" {
            break;
        }
        times.push((number, Instant::now()));
        written.acknowledged.store(number, Ordering::SeqCst);
    }
    times
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("it is a number"))
}

/// Kills the server at random moments and looks what is there; more often with `CRASH_ROUNDS=200`, other moments with
/// `CRASH_SEED=7`.
#[test]
fn a_server_that_is_killed_at_any_moment_keeps_what_was_promised() {
    let (rounds, seed) = (setting("CRASH_ROUNDS", 4), setting("CRASH_SEED", 1));
    for policy in POLICIES {
        let args = with(&[
            "--appendfsync",
            policy,
            "--auto-aof-rewrite-min-size",
            "16kb",
        ]);
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut server = Server::start(&args);
        let mut last = 0;
        for round in 0..rounds {
            let written = Arc::new(Written::default());
            let writer = {
                let (port, written) = (server.port, Arc::clone(&written));
                std::thread::spawn(move || write_on(port, last + 1, &written))
            };
            let moment = last + rng.u64(1..600);
            wait_until("some writes", || {
                written.acknowledged.load(Ordering::SeqCst) >= moment
            });
            if rng.bool() {
                let mut client = server.connect();
                client.run("BGREWRITEAOF");
            }
            let killed = Instant::now();
            server = server.kill_and_restart(&args);
            let times = writer.join().expect("the writer ends with the server");
            let promised = |at: &Instant| {
                policy == "always" || killed.saturating_duration_since(*at) > Duration::from_secs(2)
            };
            let promised = times
                .iter()
                .rfind(|(_, at)| promised(at))
                .map_or(last, |last| last.0);
            let sent = written.sent.load(Ordering::SeqCst);
            last = match server.connect().run("GET n") {
                Reply::Bulk(text) => String::from_utf8_lossy(&text)
                    .parse()
                    .expect("it is a number"),
                _ => 0,
            };
            assert!(
                (promised..=sent).contains(&last),
                "{policy}, seed {seed}, round {round}: {last} is there, {promised} was promised, {sent} sent"
            );
        }
    }
}
