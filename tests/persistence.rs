//! Snapshots of the data set over the wire: saved, killed and started again, refused when they cannot be written, loaded while
//! clients are answered.

mod common;

use std::sync::Arc;
use std::time::Instant;

use common::{
    Connection, PATIENCE, Reply, Server, check, check_all, info_field, program, wait_until,
};

/// Save points are there, and none is reached in a test.
const SAVING: &[&str] = &["--save", "3600 1"];
const STAGED: &[&str] = &[
    "--save",
    "3600 1",
    "--enable-debug-command",
    "yes",
    "--enable-protected-configs",
    "yes",
];

/// A field of INFO persistence.
fn field(client: &mut Connection, name: &str) -> String {
    info_field(client, "persistence", name)
}

#[track_caller]
fn wait_for_end_of_save(client: &mut Connection) {
    let start = Instant::now();
    while field(client, "rdb_bgsave_in_progress") == "1" {
        let figures = client.run("INFO persistence");
        assert!(start.elapsed() < PATIENCE, "a save does not end: {figures}");
        std::thread::yield_now();
    }
}

/// Keys of every type and encoding, with and without deadlines, in two databases, and a library of functions.
fn fill(client: &mut Connection) {
    let long = "x".repeat(2000);
    let lines = [
        "SET int 12345".to_owned(),
        "SET negative -7".to_owned(),
        "SET text 'some words'".to_owned(),
        format!("SET long {long}"),
        "SET timed value PXAT 4102444800001".to_owned(),
        "RPUSH list a 2 -3 ''".to_owned(),
        "SADD integers 1 2 70000 9000000000".to_owned(),
        "SADD words a b c".to_owned(),
        "HSET hash f v g 2".to_owned(),
        format!("HSET wide f {long}"),
        "HSET fields f v g w".to_owned(),
        "HPEXPIREAT fields 4102444800002 FIELDS 1 f".to_owned(),
        "ZADD scores 1 a 2.5 b -inf c".to_owned(),
        format!("ZADD tall 1 {long} 2 b"),
        "XADD stream 1-1 f v g w".to_owned(),
        "XADD stream 2-1 f v g x".to_owned(),
        "XGROUP CREATE stream group 0".to_owned(),
        "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >".to_owned(),
        "XDEL stream 2-1".to_owned(),
        "PFADD unique a b c".to_owned(),
        "EXPIREAT hash 4102444800".to_owned(),
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('seven', function() return 7 end)\"".to_owned(),
        "SELECT 3".to_owned(),
        "SET elsewhere 1".to_owned(),
        "SELECT 0".to_owned(),
    ];
    for line in lines {
        let reply = client.run(&line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply}");
    }
    for name in ["biglist", "bigset", "bighash", "bigzset", "bigints"] {
        for number in 0..700 {
            let line = match name {
                "biglist" => format!("RPUSH {name} element-{number}"),
                "bigset" => format!("SADD {name} member-{number}"),
                "bighash" => format!("HSET {name} field-{number} value-{number}"),
                "bigzset" => format!("ZADD {name} {number}.5 member-{number}"),
                _ => format!("SADD {name} {number}"),
            };
            assert_eq!(
                client.run(&line),
                Reply::Integer(1.max(if name == "biglist" { number + 1 } else { 1 }))
            );
        }
    }
}

/// What [`fill`] has made, as the server describes it.
fn describe(client: &mut Connection) -> Vec<String> {
    let mut lines = vec![client.run("DEBUG DIGEST").to_string()];
    for line in [
        "FCALL seven 0",
        "PEXPIRETIME timed",
        "EXPIRETIME hash",
        "HPEXPIRETIME fields FIELDS 2 f g",
        "XINFO STREAM stream FULL",
        "XPENDING stream group",
        "DBSIZE",
    ] {
        let mut reply = client.run(line).to_string();
        if let Some(at) = reply.find("\"seen-time\"") {
            // Redis's files do not tell when a consumer was active last.
            reply.truncate(at);
        }
        lines.push(reply);
    }
    for key in [
        "int", "text", "long", "list", "integers", "words", "hash", "wide", "scores", "tall",
        "biglist", "bigset", "bighash", "bigzset", "bigints",
    ] {
        lines.push(client.run(&format!("OBJECT ENCODING {key}")).to_string());
    }
    lines
}

#[test]
fn what_was_saved_is_there_after_a_kill() {
    for save in ["SAVE", "BGSAVE"] {
        let server = Server::start(STAGED);
        let mut client = server.connect();
        fill(&mut client);
        assert!(matches!(client.run(save), Reply::Simple(_)));
        wait_for_end_of_save(&mut client);
        check(&mut client, "SET later 1", "+OK");
        check(&mut client, "DEL later", ":1");
        let before = describe(&mut client);
        let server = server.kill_and_restart(STAGED);
        let mut client = server.connect();
        assert_eq!(describe(&mut client), before, "{save}");
        assert_eq!(field(&mut client, "rdb_changes_since_last_save"), "0");
    }
}

#[test]
fn a_reload_changes_nothing() {
    let server = Server::start(STAGED);
    let mut client = server.connect();
    fill(&mut client);
    let before = describe(&mut client);
    check(&mut client, "DEBUG RELOAD", "+OK");
    assert_eq!(describe(&mut client), before);
    // What was not saved is gone, and what is merged gives way to the file's.
    check(&mut client, "MSET int 1 other 2", "+OK");
    check(&mut client, "DEBUG RELOAD NOSAVE NOFLUSH MERGE", "+OK");
    check(&mut client, "MGET int other", "[\"12345\", \"2\"]");
    check(&mut client, "DEBUG RELOAD NOSAVE", "+OK");
    assert_eq!(describe(&mut client), before);
}

#[test]
fn replies_of_saves() {
    let server = Server::start(STAGED);
    check_all(
        &server,
        &[
            (
                "SAVE now",
                "-ERR wrong number of arguments for 'save' command",
            ),
            ("BGSAVE now", "-ERR syntax error"),
            ("SET a 1", "+OK"),
            ("SAVE", "+OK"),
            ("MULTI", "+OK"),
            ("SAVE", "-ERR Command not allowed inside a transaction"),
            ("DISCARD", "+OK"),
            ("CONFIG SET rdb-key-save-delay 20000000", "+OK"),
            ("BGSAVE SCHEDULE", "+Background saving started"),
            ("BGSAVE", "-ERR Background save already in progress"),
            (
                "BGSAVE SCHEDULE",
                "-ERR Background save already in progress",
            ),
            ("SAVE", "-ERR Background save already in progress"),
            ("CONFIG SET rdb-key-save-delay 0", "+OK"),
        ],
    );
    // FLUSHALL at the beginning of the second round has ended the first save; this one ends that of the second.
    let mut client = server.connect();
    check(&mut client, "FLUSHALL", "+OK");
    wait_for_end_of_save(&mut client);
    assert_eq!(field(&mut client, "rdb_last_bgsave_status"), "ok");
}

#[test]
fn a_scheduled_save_comes() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "MULTI", "+OK");
    check(&mut client, "BGSAVE", "+QUEUED");
    check(&mut client, "EXEC", "[+Background saving scheduled]");
    wait_until("it has been saved", || {
        field(&mut client, "rdb_changes_since_last_save") == "0"
    });
    assert!(server.folder.0.join("dump.rdb").exists());
}

#[test]
fn snapshots_are_counted_where_redis_counts_forks() {
    let server = Server::start(&["--appendonly", "yes"]);
    let mut client = server.connect();
    let forks = |client: &mut Connection| info_field(client, "stats", "total_forks");
    check(&mut client, "CONFIG RESETSTAT", "+OK");
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    assert_eq!(forks(&mut client), "0", "no snapshot is needed for it");
    check(&mut client, "BGSAVE", "+Background saving started");
    assert_eq!(forks(&mut client), "1");
    wait_for_end_of_save(&mut client);
    let started = "+Background append only file rewriting started";
    check(&mut client, "BGREWRITEAOF", started);
    assert_eq!(forks(&mut client), "2");
    check(&mut client, "CONFIG RESETSTAT", "+OK");
    assert_eq!(forks(&mut client), "0");
    let took = info_field(&mut client, "stats", "latest_fork_usec");
    assert_eq!(took, "0");
}

#[test]
fn a_save_point_saves() {
    let server = Server::start(&["--save", "1 2"]);
    let mut client = server.connect();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SET b 1", "+OK");
    wait_until("the save point is reached", || {
        field(&mut client, "rdb_saves") == "1"
    });
    wait_for_end_of_save(&mut client);
    let server = server.kill_and_restart(&[]);
    check(&mut server.connect(), "MGET a b", "[\"1\", \"1\"]");
}

/// What changed while a background save was under way is not in its file, and counts for the next one.
#[test]
fn changes_during_a_save_stay_counted() {
    let server = Server::start(STAGED);
    let mut client = server.connect();
    check(&mut client, "DEBUG POPULATE 20", "+OK");
    check(&mut client, "MSET a 1 b 1", "+OK");
    check(&mut client, "CONFIG SET rdb-key-save-delay 20000", "+OK");
    check(&mut client, "BGSAVE", "+Background saving started");
    check(&mut client, "SET a 2", "+OK");
    check(&mut client, "SET c 1", "+OK");
    assert_eq!(field(&mut client, "current_save_keys_total"), "22");
    wait_for_end_of_save(&mut client);
    assert_eq!(field(&mut client, "rdb_changes_since_last_save"), "2");
    let server = server.kill_and_restart(&[]);
    check(&mut server.connect(), "MGET a b c", "[\"1\", \"1\", $-1]");
}

/// A background save goes where it was to go when it began.
#[test]
fn another_directory_does_not_make_a_save_fail_that_is_under_way() {
    let server = Server::start(STAGED);
    let mut client = server.connect();
    let other = server.folder.0.join("other");
    std::fs::create_dir(&other).expect("the folder is there");
    check(&mut client, "MSET a 1 b 1", "+OK");
    check(&mut client, "CONFIG SET rdb-key-save-delay 100000", "+OK");
    check(&mut client, "BGSAVE", "+Background saving started");
    let line = format!("CONFIG SET dir {}", other.display());
    check(&mut client, &line, "+OK");
    wait_for_end_of_save(&mut client);
    assert_eq!(field(&mut client, "rdb_last_bgsave_status"), "ok");
    assert!(server.folder.0.join("dump.rdb").exists());
    let left = std::fs::read_dir(&other).expect("it is there").count();
    assert_eq!(left, 0);
}

#[test]
fn flushall_ends_a_save_and_saves_that_there_is_nothing() {
    let server = Server::start(STAGED);
    let mut client = server.connect();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    check(&mut client, "CONFIG SET rdb-key-save-delay 20000000", "+OK");
    check(&mut client, "BGSAVE", "+Background saving started");
    check(&mut client, "FLUSHALL", "+OK");
    wait_for_end_of_save(&mut client);
    let server = server.kill_and_restart(&[]);
    check(&mut server.connect(), "DBSIZE", ":0");
}

/// What writes answer while the data set cannot be saved.
const MISCONF: &str = "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
     Commands that may modify the data set are disabled, because this instance is configured to report errors during \
     writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details \
     about the RDB error.";

/// A directory that is gone stands for a disk that takes nothing.
#[test]
fn writes_are_refused_while_saves_fail_and_taken_when_one_succeeds() {
    let server = Server::start(STAGED);
    let mut client = server.connect();
    let mut queueing = server.connect();
    let gone = server.folder.0.join("gone");
    std::fs::create_dir(&gone).expect("the folder is there");
    check(&mut client, "SET a 1", "+OK");
    check(
        &mut client,
        &format!("CONFIG SET dir {}", gone.display()),
        "+OK",
    );
    check(&mut queueing, "MULTI", "+OK");
    check(&mut queueing, "SET a 2", "+QUEUED");
    std::fs::remove_dir(&gone).expect("it is empty");
    check(&mut client, "SAVE", "-ERR");
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "BGSAVE", "+Background saving started");
    wait_for_end_of_save(&mut client);
    assert_eq!(field(&mut client, "rdb_last_bgsave_status"), "err");
    for line in ["SET a 3", "PING", "FLUSHALL", "DEL missing"] {
        check(&mut client, line, MISCONF);
    }
    check(
        &mut queueing,
        "EXEC",
        &format!(
            "-EXECABORT Transaction discarded because of: {}",
            &MISCONF[1..]
        ),
    );
    check(&mut client, "GET a", "\"1\"");
    scripts_are_refused(&mut client);
    check(
        &mut client,
        "CONFIG SET stop-writes-on-bgsave-error no",
        "+OK",
    );
    check(&mut client, "SET a 4", "+OK");
    check(
        &mut client,
        "CONFIG SET stop-writes-on-bgsave-error yes",
        "+OK",
    );
    check(&mut client, "SET a 5", MISCONF);
    // SHUTDOWN does not lose what cannot be saved.
    check(
        &mut client,
        "SHUTDOWN",
        "-ERR Errors trying to SHUTDOWN. Check logs.",
    );
    std::fs::create_dir(&gone).expect("the folder is there");
    check(
        &mut client,
        &format!("CONFIG SET dir {}", gone.display()),
        "+OK",
    );
    check(&mut client, "BGSAVE", "+Background saving started");
    wait_for_end_of_save(&mut client);
    check(&mut client, "SET a 6", "+OK");
}

/// The part of the test above that is about scripts.
fn scripts_are_refused(client: &mut Connection) {
    let scripted = client.run("EVAL \"return redis.call('SET', 'a', 1)\" 0");
    assert!(scripted.to_string().starts_with(MISCONF), "{scripted}");
    check(client, "EVAL \"return redis.call('GET', 'a')\" 0", "\"1\"");
    check(
        client,
        "EVAL \"#!lua\\nreturn redis.call('GET', 'a')\" 0",
        "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
         Writable scripts are blocked. Use 'no-writes' flag for read only scripts.",
    );
    check(client, "EVAL \"#!lua flags=no-writes\\nreturn 1\" 0", ":1");
}

#[test]
fn clients_are_told_that_the_data_set_is_loaded() {
    let server = Server::start(STAGED);
    let mut client = server.connect();
    check(&mut client, "DEBUG POPULATE 1000", "+OK");
    check(&mut client, "SAVE", "+OK");
    let folder = Arc::clone(&server.folder);
    drop(server);
    let slowly = [STAGED, &["--key-load-delay", "10000000"]].concat();
    let server = Server::start_unready(&folder, &program(), &slowly);
    for mut client in [server.connect(), server.connect_resp3()] {
        for line in [
            "GET key:1",
            "PING",
            "SET a 1",
            "SAVE",
            "EVAL 'return 1' 0",
            "DEBUG RELOAD",
        ] {
            check(
                &mut client,
                line,
                "-LOADING Redis is loading the dataset in memory",
            );
        }
        check(&mut client, "SELECT 1", "+OK");
        check(
            &mut client,
            "CONFIG SET dir /",
            "-LOADING Redis is loading the dataset in memory",
        );
    }
    let mut client = server.connect();
    assert_eq!(field(&mut client, "loading"), "1");
    let total: u64 = field(&mut client, "loading_total_bytes")
        .parse()
        .expect("a number");
    assert_eq!(
        total,
        std::fs::metadata(folder.0.join("dump.rdb"))
            .expect("it is there")
            .len()
    );
    for name in [
        "loading_start_time",
        "loading_loaded_bytes",
        "loading_loaded_perc",
        "loading_eta_seconds",
    ] {
        assert_ne!(field(&mut client, name), "none", "{name}");
    }
    // It ends without a save that would put half a data set in the place of the whole one.
    client.send(b"SHUTDOWN SAVE\r\n");
    assert!(server.wait().success());
    let server = Server::start_in(&folder, &program(), &[]);
    let mut client = server.connect();
    check(&mut client, "DBSIZE", ":1000");
    assert_eq!(field(&mut client, "rdb_last_load_keys_loaded"), "1000");
    assert_eq!(field(&mut client, "loading_total_bytes"), "none");
}

#[test]
fn keys_whose_time_is_over_are_not_loaded() {
    let server = Server::start(STAGED);
    let mut client = server.connect();
    check(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    check(&mut client, "SET lasting 1", "+OK");
    check(&mut client, "SET short 1 PX 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    let server = server.kill_and_restart(&[]);
    let mut client = server.connect();
    check(&mut client, "DBSIZE", ":1");
    assert_eq!(field(&mut client, "rdb_last_load_keys_expired"), "1");
}

#[test]
fn a_file_that_cannot_be_read_ends_the_start() {
    let server = Server::start(SAVING);
    let mut client = server.connect();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    let folder = Arc::clone(&server.folder);
    drop(server);
    let path = folder.0.join("dump.rdb");
    let whole = std::fs::read(&path).expect("it was saved");
    let mut changed = whole.clone();
    *changed.last_mut().expect("it is not empty") ^= 1;
    for bytes in [
        &whole[..whole.len() - 9],
        &changed,
        b"nonsense, not a dump",
        b"",
    ] {
        std::fs::write(&path, bytes).expect("it can be written");
        let mut child = std::process::Command::new(program())
            .args(["--port", &common::free_port().to_string()])
            .current_dir(&folder.0)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the server's program can be run");
        let status = child.wait().expect("its end can be waited for");
        assert_eq!(status.code(), Some(1));
        let log = std::io::read_to_string(child.stdout.take().expect("it is piped"));
        let log = log.expect("the log is text");
        assert!(
            log.contains("Fatal error loading the DB, check server logs. Exiting."),
            "{log}"
        );
        assert_eq!(std::fs::read(&path).expect("it is there"), bytes);
    }
}

#[test]
fn an_end_by_a_signal_or_a_command_saves() {
    use nix::sys::signal::{Signal, kill};
    for end in ["SIGTERM", "SHUTDOWN", "SHUTDOWN SAVE"] {
        let args = match end {
            "SHUTDOWN SAVE" => &[],
            _ => SAVING,
        };
        let server = Server::start(args);
        let mut client = server.connect();
        check(&mut client, "SET a 1", "+OK");
        if end == "SIGTERM" {
            let pid = nix::unistd::Pid::from_raw(server.pid().cast_signed());
            kill(pid, Signal::SIGTERM).expect("the server is there");
        } else {
            client.send(format!("{end}\r\n").as_bytes());
        }
        let folder = Arc::clone(&server.folder);
        assert!(server.wait().success());
        let server = Server::start_in(&folder, &program(), &[]);
        check(&mut server.connect(), "GET a", "\"1\"");
    }
}

/// A limit on the size of files stands for a full disk.
#[test]
fn a_full_disk_keeps_what_was_saved_and_is_recovered_from() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Arc::new(common::Folder::new());
    let limited = folder.0.join("limited");
    let script = format!(
        "#!/bin/sh\ntrap '' XFSZ\nulimit -f 64\nexec '{}' \"$@\"\n",
        program()
    );
    std::fs::write(&limited, script).expect("the folder is there");
    std::fs::set_permissions(&limited, PermissionsExt::from_mode(0o755)).expect("it is there");
    let uncompressed = [SAVING, &["--rdbcompression", "no"]].concat();
    let limited = limited.to_str().expect("the path is text");
    let server = Server::start_in(&folder, limited, &uncompressed);
    let mut client = server.connect();
    check(&mut client, "SET small 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    let large = vec![b'x'; 200_000];
    let set = client.command(&[b"SET".as_slice(), b"large", &large]);
    assert_eq!(set.to_string(), "+OK");
    check(&mut client, "SAVE", "-ERR");
    check(&mut client, "BGSAVE", "+Background saving started");
    wait_for_end_of_save(&mut client);
    assert_eq!(field(&mut client, "rdb_last_bgsave_status"), "err");
    check(&mut client, "SET small 2", MISCONF);
    let left = std::fs::read_dir(&folder.0).expect("it is there").count();
    assert_eq!(left, 2, "the script and the file that is whole");
    let stop = "CONFIG SET stop-writes-on-bgsave-error";
    check(&mut client, &format!("{stop} no"), "+OK");
    check(&mut client, "DEL large", ":1");
    check(&mut client, &format!("{stop} yes"), "+OK");
    check(&mut client, "SAVE", "+OK");
    assert_eq!(field(&mut client, "rdb_last_bgsave_status"), "ok");
    check(&mut client, "SET small 3", "+OK");
    let server = server.kill_and_restart(&[]);
    check(&mut server.connect(), "MGET small large", "[\"1\", $-1]");
}
