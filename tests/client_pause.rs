//! CLIENT PAUSE and UNPAUSE over the wire: which commands wait, and when they go on.

mod common;

use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, check, check_fresh, encode};

/// Sends a command whose answer is not awaited.
fn send(connection: &mut Connection, line: &str) {
    let words = ruddle::text::words::split(line.as_bytes()).expect("the line's quotes match");
    connection.send(&encode(&words));
}

/// A field of INFO as a number.
fn info(connection: &mut Connection, field: &str) -> u64 {
    let text = match connection.run("INFO") {
        Reply::Bulk(bytes) | Reply::Verbatim(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => panic!("INFO answered {other}"),
    };
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("INFO has no number {field}"))
}

/// Waits until so many clients are blocked.
fn wait_for_blocked(connection: &mut Connection, clients: u64) {
    let start = Instant::now();
    while info(connection, "blocked_clients") != clients {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{clients} clients are not blocked"
        );
    }
}

#[test]
fn arguments_are_checked() {
    check_fresh(
        &[],
        &[
            (
                "CLIENT PAUSE abc",
                "-ERR timeout is not an integer or out of range",
            ),
            ("CLIENT PAUSE -1", "-ERR timeout is negative"),
            (
                "CLIENT PAUSE 1 NONE",
                "-ERR CLIENT PAUSE mode must be WRITE or ALL",
            ),
            (
                "CLIENT PAUSE abc NONE",
                "-ERR CLIENT PAUSE mode must be WRITE or ALL",
            ),
            (
                "CLIENT PAUSE 1 WRITE x",
                "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
            ),
            (
                "CLIENT PAUSE",
                "-ERR wrong number of arguments for 'client|pause' command",
            ),
            ("CLIENT UNPAUSE", "+OK"),
            ("CLIENT PAUSE 0 ALL", "+OK"),
            ("SET k v", "+OK"),
            ("CLIENT PAUSE 1", "+OK"),
            ("SET k v", "+OK"),
            ("CLIENT PAUSE 100000 write", "+OK"),
            ("GET k", "\"v\""),
            ("SET k", "-ERR wrong number of arguments for 'set' command"),
            ("MULTI", "+OK"),
            ("GET k", "+QUEUED"),
            ("EXEC", "[\"v\"]"),
            ("CLIENT UNPAUSE", "+OK"),
            ("SET k w", "+OK"),
        ],
    );
}

#[test]
fn writers_wait_until_the_end_of_a_pause() {
    // A command, what it answers when it may go on, and whether it has to wait for that.
    let cases = [
        ("SET k v", "+OK", true),
        ("GET missing", "$-1", false),
        ("PFCOUNT hll", ":0", true),
        ("PUBLISH channel message", ":0", true),
        ("FLUSHALL", "+OK", true),
        ("CONFIG SET maxclients 1000", "+OK", false),
        ("WATCH k", "+OK", false),
    ];
    let server = Server::start(&[]);
    let mut admin = server.connect();
    for (line, want, waits) in cases {
        check(&mut admin, "CLIENT PAUSE 100000 WRITE", "+OK");
        let mut client = server.connect();
        send(&mut client, line);
        if waits {
            wait_for_blocked(&mut admin, 1);
        } else {
            assert_eq!(client.read().to_string(), want, "{line} is not to wait");
        }
        check(&mut admin, "CLIENT UNPAUSE", "+OK");
        if waits {
            assert_eq!(client.read().to_string(), want, "{line} is to go on");
        }
    }
    assert_eq!(info(&mut admin, "blocked_clients"), 0);
}

#[test]
fn a_batch_waits_at_its_first_writer_and_keeps_its_order() {
    let server = Server::start(&[]);
    let (mut admin, mut client) = (server.connect(), server.connect());
    check(&mut admin, "CLIENT PAUSE 100000 WRITE", "+OK");
    for line in ["PING", "INCR n", "GET n", "INCR n", "ECHO end"] {
        send(&mut client, line);
    }
    assert_eq!(client.read().to_string(), "+PONG");
    wait_for_blocked(&mut admin, 1);
    check(&mut admin, "GET n", "$-1");
    check(&mut admin, "CLIENT UNPAUSE", "+OK");
    for want in [":1", "\"1\"", ":2", "\"end\""] {
        assert_eq!(client.read().to_string(), want);
    }
}

#[test]
fn waiting_clients_go_on_in_their_order() {
    let server = Server::start(&["--io-threads", "1"]);
    let mut admin = server.connect();
    check(&mut admin, "CLIENT PAUSE 100000 WRITE", "+OK");
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        send(client, &format!("RPUSH list {number}"));
        wait_for_blocked(&mut admin, number as u64 + 1);
    }
    check(&mut admin, "CLIENT UNPAUSE", "+OK");
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.read().to_string(), format!(":{}", number + 1));
    }
}

#[test]
fn transactions_with_a_write_wait_and_others_do_not() {
    let server = Server::start(&[]);
    let (mut admin, mut client) = (server.connect(), server.connect());
    check(&mut client, "MULTI", "+OK");
    check(&mut client, "SET k v", "+QUEUED");
    check(&mut client, "GET k", "+QUEUED");
    check(&mut admin, "CLIENT PAUSE 100000 WRITE", "+OK");
    send(&mut client, "EXEC");
    wait_for_blocked(&mut admin, 1);
    check(&mut admin, "EXISTS k", ":0");
    check(&mut admin, "CLIENT UNPAUSE", "+OK");
    assert_eq!(client.read().to_string(), "[+OK, \"v\"]");
    // It begins behind the transaction that it is in.
    for line in ["MULTI", "SET a 1", "CLIENT PAUSE 100000 WRITE", "SET b 1"] {
        admin.run(line);
    }
    check(&mut admin, "EXEC", "[+OK, +OK, +OK]");
    send(&mut client, "SET c 1");
    wait_for_blocked(&mut admin, 1);
    check(&mut admin, "MGET a b c", "[\"1\", \"1\", $-1]");
    check(&mut admin, "CLIENT UNPAUSE", "+OK");
    assert_eq!(client.read().to_string(), "+OK");
}

#[test]
fn a_pause_of_all_ends_by_itself_and_not_before() {
    const PAUSE_MS: u64 = 150;
    let server = Server::start(&[]);
    let (mut admin, mut client) = (server.connect(), server.connect());
    let start = Instant::now();
    check(&mut admin, &format!("CLIENT PAUSE {PAUSE_MS}"), "+OK");
    // A shorter one changes nothing, and waits itself.
    send(&mut admin, "CLIENT PAUSE 1 WRITE");
    check(&mut client, "PING", "+PONG");
    assert!(start.elapsed() >= Duration::from_millis(PAUSE_MS - 1));
    assert_eq!(admin.read().to_string(), "+OK");
}

#[test]
fn keys_do_not_expire_in_a_pause_and_look_as_if_they_had() {
    let server = Server::start(&[]);
    let mut admin = server.connect();
    for (line, want) in [
        ("MULTI", "+OK"),
        ("SET short v PX 1", "+QUEUED"),
        ("SET long v", "+QUEUED"),
        ("CLIENT PAUSE 100000 WRITE", "+QUEUED"),
        ("EXEC", "[+OK, +OK, +OK]"),
    ] {
        check(&mut admin, line, want);
    }
    let start = Instant::now();
    while admin.run("GET short").to_string() != "$-1" {
        assert!(start.elapsed() < Duration::from_secs(10), "it stays");
    }
    for (line, want) in [
        ("EXISTS short", ":0"),
        ("TTL short", ":-2"),
        ("TYPE short", "+none"),
        ("DBSIZE", ":2"),
        ("KEYS *", "[\"long\"]"),
    ] {
        check(&mut admin, line, want);
    }
    assert_eq!(info(&mut admin, "expired_keys"), 0);
    check(&mut admin, "CLIENT UNPAUSE", "+OK");
    check(&mut admin, "GET short", "$-1");
    check(&mut admin, "DBSIZE", ":1");
    assert_eq!(info(&mut admin, "expired_keys"), 1);
}

#[test]
fn a_client_that_waits_can_be_killed_and_can_leave() {
    let server = Server::start(&[]);
    let (mut admin, mut client) = (server.connect(), server.connect());
    let id = client.run("CLIENT ID").to_string();
    check(&mut admin, "CLIENT PAUSE 100000 WRITE", "+OK");
    send(&mut client, "SET k v");
    wait_for_blocked(&mut admin, 1);
    let line = admin
        .run(&format!("CLIENT LIST ID {}", &id[1..]))
        .to_string();
    assert!(line.contains(" flags=b "), "{line}");
    check(&mut admin, &format!("CLIENT KILL ID {}", &id[1..]), ":1");
    assert!(client.is_closed());
    wait_for_blocked(&mut admin, 0);
    let mut leaving = server.connect();
    send(&mut leaving, "SET k v");
    wait_for_blocked(&mut admin, 1);
    drop(leaving);
    wait_for_blocked(&mut admin, 0);
    check(&mut admin, "CLIENT UNPAUSE", "+OK");
    check(&mut admin, "GET k", "$-1");
}
