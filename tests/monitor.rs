//! MONITOR over the wire: what is shown of which commands, and what becomes of a monitor that does not read.

mod common;

use common::{Connection, Reply, Server, check};

/// A connection that monitors.
fn monitor(server: &Server) -> Connection {
    let mut connection = server.connect();
    check(&mut connection, "MONITOR", "+OK");
    connection
}

/// The next line, without its time and with `client` for the address; both must look as they should.
fn shown(monitor: &mut Connection) -> String {
    let Reply::Simple(line) = monitor.read() else {
        panic!("a monitor is sent simple strings");
    };
    let (time, rest) = line.split_once(' ').expect("a time stands first");
    let (seconds, micros) = time.split_once('.').expect("the time has a fraction");
    assert!(
        seconds.parse::<u64>().is_ok() && micros.len() == 6 && micros.parse::<u32>().is_ok(),
        "{time}"
    );
    let (from, words) = rest
        .split_once("] ")
        .expect("the client stands in brackets");
    let (db, address) = from.split_once(' ').expect("database and address");
    let is_address = address
        .strip_prefix("127.0.0.1:")
        .is_some_and(|port| port.parse::<u16>().is_ok());
    let from = if is_address { "client" } else { address };
    format!("{db} {from}] {words}")
}

#[test]
fn commands_are_shown_as_they_run() {
    let server = Server::start(&[]);
    let mut monitor = monitor(&server);
    let mut client = server.connect();
    // What a client sends, and what is shown of it.
    let cases: &[(&str, &[&str])] = &[
        ("SET k v", &["[0 client] \"SET\" \"k\" \"v\""]),
        ("get \"a\\x00b\\n\"", &["[0 client] \"get\" \"a\\x00b\\n\""]),
        ("SELECT 3", &["[3 client] \"SELECT\" \"3\""]),
        ("SELECT 0", &["[0 client] \"SELECT\" \"0\""]),
        ("LPUSH k x", &["[0 client] \"LPUSH\" \"k\" \"x\""]),
        ("NOSUCH", &[]),
        ("SET k", &[]),
        ("CONFIG GET port", &[]),
        ("CLIENT LIST", &[]),
        ("AUTH pw", &["[0 client] \"AUTH\" \"(redacted)\""]),
        (
            "HELLO 2 AUTH default pw",
            &["[0 client] \"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\""],
        ),
        ("MULTI", &["[0 client] \"MULTI\""]),
        ("INCR n", &[]),
        ("CONFIG RESETSTAT", &[]),
        ("GET n", &[]),
        (
            "EXEC",
            &[
                "[0 client] \"INCR\" \"n\"",
                "[0 client] \"GET\" \"n\"",
                "[0 client] \"EXEC\"",
            ],
        ),
        ("PING", &["[0 client] \"PING\""]),
    ];
    for (line, want) in cases {
        client.run(line);
        for want in *want {
            assert_eq!(shown(&mut monitor), *want, "of {line}");
        }
    }
}

#[test]
fn a_monitor_has_no_business_with_keys_and_can_end() {
    let server = Server::start(&[]);
    let (mut monitor, mut client) = (monitor(&server), server.connect());
    let denied = "-ERR Replica can't interact with the keyspace";
    for (line, want) in [
        ("GET k", denied),
        ("SET k v", denied),
        ("PUBLISH c m", denied),
    ] {
        check(&mut monitor, line, want);
    }
    // Its own commands are shown to it, after their answer.
    check(&mut monitor, "PING", "+PONG");
    assert_eq!(shown(&mut monitor), "[0 client] \"PING\"");
    let line = client.run("CLIENT LIST").to_string();
    assert!(line.contains(" flags=O "), "{line}");
    check(&mut monitor, "RESET", "+RESET");
    check(&mut client, "SET k v", "+OK");
    check(&mut monitor, "GET k", "\"v\"");
    check(&mut monitor, "MULTI", "+OK");
    check(&mut monitor, "MONITOR", "+QUEUED");
    check(
        &mut monitor,
        "EXEC",
        "[-ERR MONITOR isn't allowed for DENY BLOCKING client]",
    );
    check(&mut monitor, "MONITOR", "+OK");
    // Asked again, it is not answered.
    monitor.send(b"MONITOR\r\nQUIT\r\n");
    check(&mut monitor, "PING", "+OK");
    assert!(monitor.is_closed());
}

#[test]
fn a_monitor_that_does_not_read_is_cut_off() {
    if std::env::var("TEST_SERVER").is_ok() {
        // Redis keeps what such a monitor does not read without end.
        return;
    }
    let server = Server::start(&["--client-output-buffer-limit", "pubsub 100k 0 0"]);
    let (mut monitor, mut client) = (monitor(&server), server.connect());
    let id = |connection: &mut Connection| connection.run("CLIENT ID").to_string()[1..].to_owned();
    let value = "x".repeat(10_000);
    let own = id(&mut client);
    let mut commands = 0;
    while client.run("CLIENT LIST").to_string().contains(" flags=O ") {
        check(
            &mut client,
            &format!("ECHO {value}"),
            &format!("\"{value}\""),
        );
        commands += 1;
        assert!(commands < 10_000, "client {own} still has its monitor");
    }
    assert!(monitor.drains_to_the_end() > 0);
    let stats = client.run("INFO stats").to_string();
    assert!(
        stats.contains("client_output_buffer_limit_disconnections:1"),
        "{stats}"
    );
}
