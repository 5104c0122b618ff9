//! What INFO counts: commands that were executed, and keys that were looked for.

mod common;

use common::{Connection, Server, check, encode, info_field, wait_until};

fn count(connection: &mut Connection, field: &str) -> u64 {
    let value = info_field(connection, "stats", field);
    value.parse().expect("the field is a number")
}

/// Keys that were found, and keys that were not.
fn look_ups(connection: &mut Connection) -> [u64; 2] {
    ["keyspace_hits", "keyspace_misses"].map(|field| count(connection, field))
}

/// How many commands have been executed, beside those that asked.
fn processed(connection: &mut Connection, asked: &mut u64) -> u64 {
    *asked += 1;
    count(connection, "total_commands_processed") + 1 - *asked
}

#[test]
fn commands_count_where_they_are_executed() {
    let server = Server::start(&[]);
    let mut observer = server.connect();
    let mut asked = 0;
    for (lines, want) in [
        ("PING", 1),
        ("NOSUCH a", 0),
        ("GET", 0),
        ("CLIENT NOSUCH", 0),
        ("SET k v|LPUSH k v", 2),
        ("MULTI|PING|PING", 1),
        ("MULTI|PING|PING|EXEC", 4),
        ("MULTI|NOSUCH|EXEC", 2),
        ("MULTI|PING|DISCARD", 2),
        ("EXEC", 1),
        ("EVAL \"redis.call('ping') return redis.call('ping')\" 0", 3),
        (
            "EVAL \"redis.pcall('nosuch') redis.pcall('get') return 1\" 0",
            1,
        ),
        ("EVAL \"no script\" 0", 1),
        ("MULTI|EVAL \"return redis.call('ping')\" 0|EXEC", 4),
        ("BLPOP nosuch 0.001", 1),
        ("MIGRATE localhost 1 nosuch 0 10", 1),
    ] {
        let mut client = server.connect();
        let before = processed(&mut observer, &mut asked);
        lines.split('|').for_each(|line| {
            client.run(line);
        });
        let executed = processed(&mut observer, &mut asked) - before;
        assert_eq!(executed, want, "{lines}");
    }
    let mut client = server.connect();
    let before = processed(&mut observer, &mut asked);
    client.send(b"PING\r\nMULTI\r\nPING\r\nNOSUCH\r\n\r\nDISCARD\r\n");
    (0..5).for_each(|_| drop(client.read()));
    let executed = processed(&mut observer, &mut asked) - before;
    assert_eq!(executed, 3, "in one batch");
}

#[test]
fn a_blocked_command_counts_when_it_is_answered() {
    if std::env::var("TEST_SERVER").is_ok() {
        // Redis 7.0 counts it when it begins to wait.
        return;
    }
    let server = Server::start(&[]);
    let (mut observer, mut client) = (server.connect(), server.connect());
    let mut asked = 0;
    let id = client.run("CLIENT ID").to_string();
    for (ends_it, want) in [
        ("RPUSH k v".to_owned(), "[\"k\", \"v\"]"),
        (format!("CLIENT UNBLOCK {}", &id[1..]), "*-1"),
    ] {
        let before = processed(&mut observer, &mut asked);
        client.send(&encode(&["BLPOP", "k", "0"]));
        wait_until("it waits", || {
            asked += 1;
            info_field(&mut observer, "clients", "blocked_clients") == "1"
        });
        assert_eq!(processed(&mut observer, &mut asked), before);
        check(&mut observer, &ends_it, ":1");
        assert_eq!(client.read().to_string(), want);
        assert_eq!(processed(&mut observer, &mut asked), before + 2);
    }
}

#[test]
fn look_ups_are_counted_once() {
    const NO_GROUP: &str = "No such key 'none' or consumer group 'g'";
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for line in [
        "XADD s 1-1 f v",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c STREAMS s >",
        "SET str v",
        "LPUSH list v",
    ] {
        connection.run(line);
    }
    let wrong_type = "WRONGTYPE";
    for (line, [hits, misses], answer) in [
        ("XACK s nosuch 1-1", [1, 0], ":0"),
        ("XACK s g bad", [1, 0], "-ERR Invalid stream ID"),
        ("XACK none g 1-1", [0, 1], ":0"),
        ("XACK str g 1-1", [1, 0], wrong_type),
        ("XCLAIM s g c 0 1-1", [1, 0], "1-1"),
        ("XCLAIM s g c bad 1-1", [1, 0], "-ERR Invalid min-idle-time"),
        ("XCLAIM none g c 0 1-1", [0, 1], NO_GROUP),
        ("XCLAIM str g c 0 1-1", [1, 0], wrong_type),
        ("XAUTOCLAIM s g c 0 0", [1, 0], "1-1"),
        (
            "XAUTOCLAIM s g c bad 0",
            [1, 0],
            "-ERR Invalid min-idle-time",
        ),
        ("XAUTOCLAIM none g c 0 0", [0, 1], NO_GROUP),
        ("XAUTOCLAIM str g c 0 0", [1, 0], wrong_type),
        ("XACK s g 1-1", [1, 0], ":1"),
        ("GETEX str", [1, 0], "v"),
        ("GETEX str EX 100", [1, 0], "v"),
        ("GETEX str EX 0", [1, 0], "-ERR invalid expire time"),
        ("GETEX none EX 0", [0, 1], "$-1"),
        ("GETEX list", [1, 0], wrong_type),
        ("GETEX str NOSUCH", [0, 0], "-ERR syntax"),
    ] {
        let before = look_ups(&mut connection);
        let reply = connection.run(line).to_string();
        assert!(reply.contains(answer), "{line} answers {reply}");
        let after = look_ups(&mut connection);
        assert_eq!(
            [after[0] - before[0], after[1] - before[1]],
            [hits, misses],
            "{line}"
        );
    }
}
