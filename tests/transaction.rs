//! MULTI, EXEC, DISCARD, WATCH and UNWATCH over the wire.

mod common;

use std::time::{Duration, Instant};

use common::{Reply, Server, check, check_fresh};

#[test]
fn commands_are_queued_and_run_together() {
    check_fresh(
        &[],
        &[
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("INCR a", "+QUEUED"),
            ("GET missing", "+QUEUED"),
            ("LPUSH a x", "+QUEUED"),
            ("MGET a missing", "+QUEUED"),
            (
                "EXEC",
                "[+OK, :2, $-1, -WRONGTYPE Operation against a key holding the wrong kind of value, [\"2\", $-1]] \
                 // [+OK, :2, _, -WRONGTYPE Operation against a key holding the wrong kind of value, [\"2\", _]]",
            ),
            ("GET a", "\"2\""),
            ("MULTI", "+OK"),
            ("EXEC", "[]"),
            ("MULTI", "+OK"),
            ("SELECT 1", "+QUEUED"),
            ("SET a one", "+QUEUED"),
            ("EXEC", "[+OK, +OK]"),
            ("GET a", "\"one\""),
            ("MULTI", "+OK"),
            ("HELLO 4", "+QUEUED"),
            ("ECHO still", "+QUEUED"),
            ("EXEC", "[-NOPROTO unsupported protocol version, \"still\"]"),
        ],
    );
}

#[test]
fn misuse_is_an_error_that_keeps_the_transaction() {
    check_fresh(
        &[],
        &[
            ("EXEC", "-ERR EXEC without MULTI"),
            ("DISCARD", "-ERR DISCARD without MULTI"),
            ("MULTI", "+OK"),
            ("MULTI", "-ERR MULTI calls can not be nested"),
            ("WATCH a", "-ERR WATCH inside MULTI is not allowed"),
            ("UNWATCH", "+QUEUED"),
            ("EXEC", "[+OK]"),
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("DISCARD", "+OK"),
            ("GET a", "$-1"),
            ("UNWATCH", "+OK"),
        ],
    );
}

#[test]
fn an_error_while_queueing_aborts() {
    const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.";
    check_fresh(
        &[],
        &[
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("SET a", "-ERR wrong number of arguments for 'set' command"),
            ("SET a 2", "+QUEUED"),
            ("EXEC", ABORTED),
            ("GET a", "$-1"),
            ("MULTI", "+OK"),
            (
                "NOSUCH x",
                "-ERR unknown command 'NOSUCH', with args beginning with: 'x' ",
            ),
            ("EXEC", ABORTED),
            ("MULTI", "+OK"),
            (
                "CLIENT NOSUCH",
                "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.",
            ),
            ("EXEC", ABORTED),
            ("MULTI", "+OK"),
            ("SHUTDOWN", "-ERR Command not allowed inside a transaction"),
            ("DISCARD", "+OK"),
            ("MULTI", "+OK"),
            // An answer that is left out would break that of EXEC.
            (
                "CLIENT REPLY SKIP",
                "-ERR Command not allowed inside a transaction",
            ),
            ("EXEC", ABORTED),
            (
                "EXEC x",
                "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
            ),
            ("MULTI", "+OK"),
            (
                "EXEC x",
                "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
            ),
            ("EXEC", "-ERR EXEC without MULTI"),
        ],
    );
}

#[test]
fn a_watched_key_that_changes_fails_the_transaction() {
    // What is done to the key between WATCH and EXEC, by the same client, and whether the transaction runs.
    let cases: &[(&[&str], bool)] = &[
        (&[], true),
        (&["SET other 1"], true),
        (&["GET k"], true),
        (&["SET k 2"], false),
        (&["APPEND k x"], false),
        (&["EXPIRE k 100"], false),
        (&["DEL k"], false),
        (&["DEL other"], true),
        (&["RENAME k other"], false),
        (&["COPY k other", "COPY other k REPLACE"], false),
        (&["SET k 2", "UNWATCH"], true),
        (&["SELECT 1", "SET k 2", "SELECT 0"], true),
        (&["FLUSHDB"], false),
        (&["FLUSHALL"], false),
        (&["SELECT 1", "FLUSHDB", "SELECT 0"], true),
        (&["SWAPDB 0 1"], false),
        (&["SWAPDB 1 2"], true),
        (&["MULTI", "SET k 2", "EXEC", "WATCH k"], true),
        (&["MULTI", "SET k 2", "DISCARD"], true),
        (&["SET k 2", "MULTI", "DISCARD"], true),
        (&["SET k 2", "WATCH other"], false),
    ];
    let server = Server::start(&[]);
    for mut connection in [server.connect(), server.connect_resp3()] {
        for (commands, runs) in cases {
            for line in ["FLUSHALL", "SET k 1", "WATCH k"] {
                check(&mut connection, line, "+OK");
            }
            for line in *commands {
                connection.run(line);
            }
            check(&mut connection, "MULTI", "+OK");
            check(&mut connection, "PING", "+QUEUED");
            check(
                &mut connection,
                "EXEC",
                if *runs { "[+PONG]" } else { "*-1" },
            );
        }
    }
}

#[test]
fn what_only_groups_know_is_no_change_of_a_watched_stream() {
    let server = Server::start(&[]);
    let (mut connection, mut other) = (server.connect(), server.connect());
    for line in ["XADD s 1-1 f v", "XADD s 2-1 f v"] {
        connection.run(line);
    }
    for line in [
        "XGROUP CREATE s g 0",
        "XGROUP CREATECONSUMER s g c",
        "XREADGROUP GROUP g c STREAMS s >",
        "XCLAIM s g d 0 1-1",
        "XAUTOCLAIM s g e 0 0",
        "XACK s g 1-1",
        "XGROUP DELCONSUMER s g c",
        "XSETID s 9-1",
    ] {
        check(&mut connection, "WATCH s", "+OK");
        let reply = other.run(line).to_string();
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        check(&mut connection, "MULTI", "+OK");
        check(&mut connection, "EXEC", "[]");
    }
    check(&mut connection, "WATCH s", "+OK");
    other.run("XADD s 10-1 f v");
    check(&mut connection, "MULTI", "+OK");
    check(&mut connection, "EXEC", "*-1");
}

/// The value of a field in a line of CLIENT LIST, or in a page of INFO.
fn field(text: &str, name: &str) -> String {
    let start = text
        .find(&format!(" {name}="))
        .or_else(|| text.find(&format!("\n{name}:")))
        .unwrap_or_else(|| panic!("{name} is not in {text}"));
    text[start + name.len() + 2..]
        .split([' ', '\\', '\r', '\n', '"'])
        .next()
        .unwrap_or("")
        .to_owned()
}

fn text(reply: Reply) -> String {
    match reply {
        Reply::Bulk(bytes) | Reply::Verbatim(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => panic!("{other} is no text"),
    }
}

#[test]
fn a_key_that_expires_fails_the_transaction_and_one_that_had_does_not() {
    let server = Server::start(&["--hz", "1"]);
    let mut connection = server.connect();
    for (setting, waits, runs) in [("PX 20", true, false), ("PX 100000", true, true)] {
        check(&mut connection, &format!("SET k v {setting}"), "+OK");
        check(&mut connection, "WATCH k", "+OK");
        let start = Instant::now();
        while waits && start.elapsed() < Duration::from_millis(40) {
            check(&mut connection, "PING", "+PONG");
        }
        check(&mut connection, "MULTI", "+OK");
        check(&mut connection, "PING", "+QUEUED");
        let want = if runs { "[+PONG]" } else { "*-1" };
        check(&mut connection, "EXEC", want);
    }
    // It is gone when it is watched, whether it is deleted already or not.
    for line in ["DEBUG SET-ACTIVE-EXPIRE 0", "SET k v PX 1"] {
        connection.run(line);
    }
    let start = Instant::now();
    while connection.run("TTL k").to_string() != ":-2" && start.elapsed().as_secs() < 10 {}
    for (line, want) in [
        ("WATCH k", "+OK"),
        ("GET k", "$-1"),
        ("MULTI", "+OK"),
        ("EXEC", "[]"),
    ] {
        check(&mut connection, line, want);
    }
}

#[test]
fn others_see_what_a_transaction_takes() {
    let server = Server::start(&[]);
    let (mut one, mut other) = (server.connect(), server.connect());
    let id = one.run("CLIENT ID").to_string()[1..].to_owned();
    let line = format!("CLIENT LIST ID {id}");
    for command in ["WATCH a b", "WATCH b c", "MULTI", "SET k v", "GET k"] {
        one.run(command);
    }
    let shown = text(other.run(&line));
    let want = [("multi", "2"), ("flags", "x")];
    for (name, want) in want {
        assert_eq!(field(&shown, name), want, "{name} of {shown}");
    }
    assert_ne!(field(&shown, "multi-mem"), "0", "{shown}");
    if std::env::var("TEST_SERVER").is_err() {
        assert_eq!(field(&shown, "watch"), "3", "{shown}");
        let info = text(other.run("INFO clients"));
        assert_eq!(field(&info, "watching_clients"), "1");
        assert_eq!(field(&info, "total_watched_keys"), "3");
    }
    check(&mut other, "SET b 1", "+OK");
    assert_eq!(field(&text(other.run(&line)), "flags"), "xd");
    check(&mut one, "EXEC", "*-1");
    let shown = text(other.run(&line));
    for (name, want) in [("multi", "-1"), ("flags", "N"), ("multi-mem", "0")] {
        assert_eq!(field(&shown, name), want, "{name} of {shown}");
    }
    for command in ["WATCH a", "MULTI", "SET k v", "RESET"] {
        one.run(command);
    }
    check(&mut one, "EXEC", "-ERR EXEC without MULTI");
    check(&mut one, "WATCH a", "+OK");
    drop(one);
    if std::env::var("TEST_SERVER").is_err() {
        let start = Instant::now();
        while field(&text(other.run("INFO clients")), "total_watched_keys") != "0" {
            assert!(start.elapsed() < Duration::from_secs(10), "still watched");
        }
    }
}

#[test]
fn commands_of_a_transaction_are_counted_each() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    check(&mut connection, "CONFIG RESETSTAT", "+OK");
    for line in [
        "MULTI", "SET k v", "INCR k", "SET k", "DISCARD", "MULTI", "SET k v", "INCR k",
    ] {
        connection.run(line);
    }
    connection.run("EXEC");
    let stats = text(connection.run("INFO commandstats"));
    for want in [
        "cmdstat_multi:calls=2,",
        "cmdstat_exec:calls=1,",
        "cmdstat_set:calls=1,",
        "cmdstat_incr:calls=1,",
    ] {
        assert!(stats.contains(want), "{want} is not in {stats}");
    }
    let failed = stats.lines().find(|line| line.starts_with("cmdstat_incr:"));
    assert!(failed.is_some_and(|line| line.ends_with("failed_calls=1")));
    let rejected = stats.lines().find(|line| line.starts_with("cmdstat_set:"));
    assert!(rejected.is_some_and(|line| line.contains("rejected_calls=1")));
}

/// Sends MULTI and then the same command until the server closes the connection; true if it does.
fn is_cut(server: &Server, first: &str, words: &[&str]) -> bool {
    let mut connection = server.connect();
    connection.run(first);
    let value = "x".repeat(10_000);
    (0..1000).any(|number| {
        let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        words.push(format!("{number}{value}"));
        connection.send(&common::encode(&words));
        connection.is_closed() || !matches!(connection.read(), Reply::Simple(_))
    })
}

#[test]
fn what_a_client_queues_and_watches_is_bounded() {
    if std::env::var("TEST_SERVER").is_ok() {
        // Redis 7.0 does not count these.
        return;
    }
    let server = Server::start(&["--client-query-buffer-limit", "1mb"]);
    assert!(is_cut(&server, "MULTI", &["ECHO"]));
    assert!(is_cut(&server, "PING", &["WATCH"]));
    let mut connection = server.connect();
    check(&mut connection, "PING", "+PONG");
    let info = text(connection.run("INFO stats"));
    assert_eq!(
        field(&info, "client_query_buffer_limit_disconnections"),
        "2"
    );
}

#[test]
fn answers_of_a_transaction_are_held_to_the_limit_of_output() {
    let server = Server::start(&["--client-output-buffer-limit", "normal 100k 0 0"]);
    let (mut greedy, mut other) = (server.connect(), server.connect());
    let value = "x".repeat(10_000);
    check(&mut other, &format!("SET k {value}"), "+OK");
    check(&mut greedy, "MULTI", "+OK");
    for line in ["GET k"; 20] {
        check(&mut greedy, line, "+QUEUED");
    }
    check(&mut greedy, "SET done 1", "+QUEUED");
    greedy.send(b"EXEC\r\n");
    assert!(greedy.is_closed());
    check(&mut other, "GET done", "\"1\"");
    let info = text(other.run("INFO stats"));
    if std::env::var("TEST_SERVER").is_err() {
        assert_eq!(
            field(&info, "client_output_buffer_limit_disconnections"),
            "1"
        );
    }
}
