//! `client-output-buffer-limit`: a client that does not read what it is sent is disconnected, and costs no more memory.

mod common;

use common::{Connection, Reply, Server, check, encode};

/// A field of the line that CLIENT LIST has for the client of that name; nothing if there is no such client.
fn field_of(connection: &mut Connection, name: &str, field: &str) -> Option<usize> {
    let Reply::Bulk(text) = connection.run("CLIENT LIST") else {
        panic!("CLIENT LIST answers text");
    };
    let text = String::from_utf8(text).expect("the names are text");
    let named = format!(" name={name} ");
    let line = text.lines().find(|line| line.contains(&named))?;
    let word = line.split(' ').find_map(|word| word.strip_prefix(field));
    Some(
        word.and_then(|value| value.parse().ok())
            .expect("the field is a number"),
    )
}

fn info(connection: &mut Connection, section: &str, field: &str) -> usize {
    let Reply::Bulk(text) = connection.run(&format!("INFO {section}")) else {
        panic!("INFO answers text");
    };
    let text = String::from_utf8(text).expect("INFO is text");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|value| value.trim_start_matches(':').parse().ok())
        .expect("the field is a number")
}

fn disconnections(connection: &mut Connection) -> usize {
    info(
        connection,
        "stats",
        "client_output_buffer_limit_disconnections",
    )
}

/// A client of that name that is subscribed to `c` and will read nothing more.
fn deaf(server: &Server, name: &str) -> Connection {
    let mut connection = server.connect();
    check(&mut connection, &format!("CLIENT SETNAME {name}"), "+OK");
    connection.run("SUBSCRIBE c");
    connection
}

#[test]
fn a_subscriber_beyond_the_hard_limit_is_disconnected() {
    for bytes in [100, 10_000, 100_000] {
        let limit = "pubsub 1000000 0 0";
        let server = Server::start(&["--client-output-buffer-limit", limit]);
        let mut publisher = server.connect();
        let mut subscriber = deaf(&server, "deaf");
        let message = "x".repeat(bytes);
        let mut most = 0;
        while let Some(bytes) = field_of(&mut publisher, "deaf", "omem=") {
            most = most.max(bytes);
            assert!(bytes < 1_200_000, "{bytes} bytes wait");
            for _ in 0..(100_000 / message.len()).max(1) {
                publisher.command(&["PUBLISH", "c", &message]);
            }
        }
        assert!(most > 500_000, "{most} bytes waited");
        check(&mut publisher, "PUBLISH c x", ":0");
        if std::env::var_os("TEST_SERVER").is_none() {
            assert_eq!(disconnections(&mut publisher), 1);
        }
        assert!(subscriber.drains_to_the_end() > 0);
    }
}

#[test]
fn who_reads_is_left_alone() {
    let limit = "pubsub 1000000 0 0";
    let server = Server::start(&["--client-output-buffer-limit", limit]);
    let (mut publisher, mut reader) = (server.connect(), server.connect());
    reader.run("SUBSCRIBE c");
    let message = "x".repeat(50_000);
    for _ in 0..100 {
        assert_eq!(
            publisher.command(&["PUBLISH", "c", &message]),
            Reply::Integer(1)
        );
        assert!(matches!(reader.read(), Reply::Array(words) if words.len() == 3));
    }
}

#[test]
fn the_soft_limit_gives_a_client_its_time() {
    let server = Server::start(&["--client-output-buffer-limit", "pubsub 0 100000 1"]);
    let mut publisher = server.connect();
    let mut subscriber = deaf(&server, "deaf");
    let message = "x".repeat(10_000);
    // What the sockets hold does not count.
    while field_of(&mut publisher, "deaf", "omem=").is_some_and(|bytes| bytes < 100_000) {
        publisher.command(&["PUBLISH", "c", &message]);
    }
    let begun = std::time::Instant::now();
    // No more is published: a timer has to see it.
    while field_of(&mut publisher, "deaf", "omem=").is_some() {
        assert!(begun.elapsed().as_secs() < 20, "it is still there");
    }
    assert!(begun.elapsed().as_millis() > 500, "it had no time");
    assert!(subscriber.drains_to_the_end() > 0);
}

#[test]
fn memory_does_not_grow_for_one_who_never_reads() {
    let server = Server::start(&["--client-output-buffer-limit", "pubsub 2000000 0 0"]);
    let mut publisher = server.connect();
    let before = info(&mut publisher, "memory", "used_memory");
    let message = "x".repeat(20_000);
    for round in 0..5 {
        let _subscriber = deaf(&server, "deaf");
        while publisher.command(&["PUBLISH", "c", &message]) == Reply::Integer(1) {}
        let grown = info(&mut publisher, "memory", "used_memory").saturating_sub(before);
        assert!(grown < 6_000_000, "round {round}: {grown} bytes more");
    }
}

#[test]
fn an_answer_beyond_the_limit_is_not_sent() {
    let server = Server::start(&["--client-output-buffer-limit", "normal 100000 0 0"]);
    let mut other = server.connect();
    let value = "x".repeat(1000);
    for _ in 0..150 {
        other.command(&["RPUSH", "list", &value]);
    }
    for words in [
        &["LRANGE", "list", "0", "-1"][..],
        &["SRANDMEMBER", "set", "-99999999"],
        &["HRANDFIELD", "hash", "-99999999"],
        &["ZRANDMEMBER", "zset", "-99999999"],
    ] {
        other.run("SADD set a");
        other.run("HSET hash f v");
        other.run("ZADD zset 1 a");
        let mut client = server.connect();
        client.send(&encode(words));
        assert_eq!(client.drains_to_the_end(), 0, "{words:?}");
    }
    check(&mut other, "LLEN list", ":150");
}

#[test]
fn many_answers_beyond_the_limit_are_not_sent() {
    let server = Server::start(&["--client-output-buffer-limit", "normal 100000 0 0"]);
    let mut client = server.connect();
    let value = "x".repeat(10_000);
    client.command(&["SET", "key", &value]);
    let batch: Vec<u8> = (0..15).flat_map(|_| encode(&["GET", "key"])).collect();
    client.send(&batch);
    let bytes = client.drains_to_the_end();
    // What arrives apart is answered apart.
    assert!(bytes < 15 * 10_000, "{bytes} bytes");
}

#[test]
fn config_set_changes_the_limits_of_those_who_are_there() {
    let server = Server::start(&[]);
    let mut publisher = server.connect();
    let mut subscriber = deaf(&server, "deaf");
    let limits = "pubsub 200000 0 0";
    let answer = publisher.command(&["CONFIG", "SET", "client-output-buffer-limit", limits]);
    assert_eq!(answer, Reply::Simple("OK".to_owned()));
    let message = "x".repeat(10_000);
    let mut sent = 0;
    while publisher.command(&["PUBLISH", "c", &message]) == Reply::Integer(1) {
        sent += 1;
        assert!(sent < 10_000, "it is never disconnected");
    }
    assert!(subscriber.drains_to_the_end() > 0);
}
