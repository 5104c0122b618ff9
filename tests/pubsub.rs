//! Publish and subscribe: replies, messages, and what a subscribed client may do.

mod common;

use common::{Connection, Reply, Server, check, check_fresh, encode, info_field};

/// What a client that is subscribed may not do is refused with these words.
fn refused(command: &str) -> String {
    format!(
        "-ERR Can't execute '{command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
         this context"
    )
}

/// Reads replies and compares their texts.
#[track_caller]
fn expect(connection: &mut Connection, replies: &[&str]) {
    for want in replies {
        assert_eq!(connection.read().to_string(), *want);
    }
}

/// Waits until a figure is what it is to be: a connection's end is seen a little after it.
#[track_caller]
fn wait_for(connection: &mut Connection, line: &str, want: &str) {
    for _ in 0..100_000 {
        if connection.run(line).to_string() == want {
            return;
        }
    }
    panic!("{line} never answers {want}");
}

#[test]
fn subscriptions_are_counted_and_answered_one_by_one() {
    check_fresh(
        &[],
        &[
            (
                "SUBSCRIBE a",
                r#"["subscribe", "a", :1] // >["subscribe", "a", :1]"#,
            ),
            (
                "SUBSCRIBE a",
                r#"["subscribe", "a", :1] // >["subscribe", "a", :1]"#,
            ),
            (
                "PSUBSCRIBE a*",
                r#"["psubscribe", "a*", :2] // >["psubscribe", "a*", :2]"#,
            ),
            (
                "SSUBSCRIBE s",
                r#"["ssubscribe", "s", :1] // >["ssubscribe", "s", :1]"#,
            ),
            (
                "UNSUBSCRIBE z",
                r#"["unsubscribe", "z", :2] // >["unsubscribe", "z", :2]"#,
            ),
            (
                "UNSUBSCRIBE",
                r#"["unsubscribe", "a", :1] // >["unsubscribe", "a", :1]"#,
            ),
            (
                "UNSUBSCRIBE",
                r#"["unsubscribe", $-1, :1] // >["unsubscribe", _, :1]"#,
            ),
            (
                "PUNSUBSCRIBE a*",
                r#"["punsubscribe", "a*", :0] // >["punsubscribe", "a*", :0]"#,
            ),
            (
                "PUNSUBSCRIBE",
                r#"["punsubscribe", $-1, :0] // >["punsubscribe", _, :0]"#,
            ),
            (
                "SUNSUBSCRIBE",
                r#"["sunsubscribe", "s", :0] // >["sunsubscribe", "s", :0]"#,
            ),
            (
                "SUNSUBSCRIBE",
                r#"["sunsubscribe", $-1, :0] // >["sunsubscribe", _, :0]"#,
            ),
            ("GET a", "$-1"),
        ],
    );
}

#[test]
fn a_transaction_subscribes_to_no_shard_channels() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    check(&mut connection, "MULTI", "+OK");
    for line in ["SUNSUBSCRIBE s", "SSUBSCRIBE s", "PSUBSCRIBE p*"] {
        check(&mut connection, line, "+QUEUED");
    }
    check(
        &mut connection,
        "EXEC",
        r#"[["sunsubscribe", "s", :0], -ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client, ["psubscribe", "p*", :1]]"#,
    );
}

#[test]
fn several_topics_of_one_command_have_a_reply_each() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    connection.send(&encode(&["SUBSCRIBE", "a", "b", "a"]));
    expect(
        &mut connection,
        &[
            r#"["subscribe", "a", :1]"#,
            r#"["subscribe", "b", :2]"#,
            r#"["subscribe", "a", :2]"#,
        ],
    );
    connection.send(&encode(&["UNSUBSCRIBE", "b", "a", "a"]));
    expect(
        &mut connection,
        &[
            r#"["unsubscribe", "b", :1]"#,
            r#"["unsubscribe", "a", :0]"#,
            r#"["unsubscribe", "a", :0]"#,
        ],
    );
}

#[test]
fn messages_reach_channels_patterns_and_shards() {
    let server = Server::start(&[]);
    let mut publisher = server.connect();
    for (mut subscriber, push) in [(server.connect(), ""), (server.connect_resp3(), ">")] {
        subscriber.run("SUBSCRIBE news.art");
        subscriber.run("PSUBSCRIBE news.*");
        subscriber.run("SSUBSCRIBE news.art");
        check(&mut publisher, "PUBLISH news.art hello", ":2");
        check(&mut publisher, "PUBLISH news.music la", ":1");
        check(&mut publisher, "SPUBLISH news.art shard", ":1");
        check(&mut publisher, "SPUBLISH news.music shard", ":0");
        check(&mut publisher, "PUBLISH other hello", ":0");
        check(&mut publisher, "PUBLISH news.art ''", ":2");
        let want = [
            r#"["message", "news.art", "hello"]"#,
            r#"["pmessage", "news.*", "news.art", "hello"]"#,
            r#"["pmessage", "news.*", "news.music", "la"]"#,
            r#"["smessage", "news.art", "shard"]"#,
            r#"["message", "news.art", ""]"#,
            r#"["pmessage", "news.*", "news.art", ""]"#,
        ];
        for message in want {
            assert_eq!(subscriber.read().to_string(), format!("{push}{message}"));
        }
        subscriber.send(&encode(&["QUIT"]));
        check_quit(&mut subscriber);
        wait_for(&mut publisher, "PUBSUB NUMPAT", ":0");
    }
}

fn check_quit(connection: &mut Connection) {
    assert_eq!(connection.read(), Reply::Simple("OK".to_owned()));
    assert!(connection.is_closed());
}

#[test]
fn a_large_message_reaches_every_subscriber_whole() {
    let server = Server::start(&[]);
    let mut publisher = server.connect();
    let mut subscribers = [
        server.connect(),
        server.connect_resp3(),
        server.connect(),
        server.connect_resp3(),
    ];
    for subscriber in &mut subscribers {
        subscriber.run("SUBSCRIBE c");
    }
    subscribers[0].run("PSUBSCRIBE *");
    for bytes in [100, 16 * 1024 - 1, 16 * 1024, 64 * 1024, 3_000_000] {
        let message: Vec<u8> = (0..bytes).map(|at| b'a' + (at % 26) as u8).collect();
        let words: [&[u8]; 3] = [b"PUBLISH", b"c", &message];
        assert_eq!(publisher.command(&words), Reply::Integer(5), "{bytes}");
        for subscriber in &mut subscribers {
            let (Reply::Array(words) | Reply::Push(words)) = subscriber.read() else {
                panic!("a message is an array or a push");
            };
            assert!(words[2] == Reply::Bulk(message.clone()), "{bytes}");
        }
        let Reply::Array(words) = subscribers[0].read() else {
            panic!("a message is an array");
        };
        assert!(words[3] == Reply::Bulk(message), "{bytes}");
    }
}

#[test]
fn in_resp2_a_subscriber_may_do_little_else() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    connection.run("SUBSCRIBE a");
    for (line, want) in [
        ("PING", r#"["pong", ""]"#.to_owned()),
        ("PING hi", r#"["pong", "hi"]"#.to_owned()),
        ("GET a", refused("get")),
        ("PUBLISH a b", refused("publish")),
        ("CONFIG GET port", refused("config|get")),
        ("HELLO 3", refused("hello")),
        ("PSUBSCRIBE p", r#"["psubscribe", "p", :2]"#.to_owned()),
        ("SSUBSCRIBE s", r#"["ssubscribe", "s", :1]"#.to_owned()),
        ("UNSUBSCRIBE a", r#"["unsubscribe", "a", :1]"#.to_owned()),
        ("PUNSUBSCRIBE p", r#"["punsubscribe", "p", :0]"#.to_owned()),
        ("GET a", refused("get")),
        ("SUNSUBSCRIBE s", r#"["sunsubscribe", "s", :0]"#.to_owned()),
        ("PING", "+PONG".to_owned()),
        ("GET a", "$-1".to_owned()),
    ] {
        check(&mut connection, line, &want);
    }
}

#[test]
fn in_resp3_a_subscriber_may_do_everything() {
    let server = Server::start(&[]);
    let mut connection = server.connect_resp3();
    connection.run("SUBSCRIBE a");
    check(&mut connection, "PING", "+PONG");
    check(&mut connection, "SET k v", "+OK");
    let mut publisher = server.connect();
    check(&mut publisher, "PUBLISH a hello", ":1");
    expect(&mut connection, &[r#">["message", "a", "hello"]"#]);
    // From now on it has to tell messages from answers by itself.
    connection.run("HELLO 2");
    check(&mut publisher, "PUBLISH a again", ":1");
    expect(&mut connection, &[r#"["message", "a", "again"]"#]);
    check(&mut connection, "GET k", &refused("get"));
}

#[test]
fn reset_ends_all_subscriptions() {
    let server = Server::start(&[]);
    let (mut connection, mut other) = (server.connect(), server.connect());
    for line in ["SUBSCRIBE a", "PSUBSCRIBE p", "SSUBSCRIBE s"] {
        connection.run(line);
    }
    check(&mut connection, "RESET", "+RESET");
    check(&mut connection, "GET a", "$-1");
    for line in ["PUBLISH a x", "PUBLISH p x", "SPUBLISH s x"] {
        check(&mut other, line, ":0");
    }
}

#[test]
fn a_client_that_leaves_is_no_subscriber() {
    let server = Server::start(&[]);
    let mut other = server.connect();
    {
        let mut connection = server.connect();
        connection.run("SUBSCRIBE a");
        connection.run("PSUBSCRIBE p*");
        check(&mut other, "PUBSUB NUMPAT", ":1");
    }
    wait_for(&mut other, "PUBLISH a x", ":0");
    wait_for(&mut other, "PUBSUB NUMPAT", ":0");
    check(&mut other, "PUBSUB CHANNELS", "[]");
}

#[test]
fn a_killed_client_gets_nothing_more() {
    let server = Server::start(&[]);
    let (mut connection, mut other) = (server.connect(), server.connect());
    connection.run("SUBSCRIBE a");
    for line in ["MULTI", "CLIENT KILL TYPE pubsub", "PUBSUB NUMSUB a"] {
        other.run(line);
    }
    check(&mut other, "EXEC", r#"[:1, ["a", :0]]"#);
    check(&mut other, "PUBLISH a x", ":0");
    assert!(connection.is_closed());
}

#[test]
fn pubsub_tells_who_is_there() {
    let server = Server::start(&[]);
    let (mut first, mut second) = (server.connect(), server.connect());
    for line in ["SUBSCRIBE b", "PSUBSCRIBE x*", "SSUBSCRIBE s"] {
        first.run(line);
    }
    for line in ["SUBSCRIBE b", "PSUBSCRIBE x*", "PSUBSCRIBE y*"] {
        second.run(line);
    }
    let mut other = server.connect();
    for (line, want) in [
        ("PUBSUB CHANNELS", r#"["b"]"#),
        ("PUBSUB CHANNELS b*", r#"["b"]"#),
        ("PUBSUB CHANNELS c*", "[]"),
        ("PUBSUB NUMSUB", "[]"),
        ("PUBSUB NUMSUB b c b", r#"["b", :2, "c", :0, "b", :2]"#),
        ("PUBSUB NUMPAT", ":2"),
        ("PUBSUB SHARDCHANNELS", r#"["s"]"#),
        ("PUBSUB SHARDCHANNELS t", "[]"),
        ("PUBSUB SHARDNUMSUB s b", r#"["s", :1, "b", :0]"#),
        (
            "PUBSUB CHANNELS a b",
            "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.",
        ),
        (
            "PUBSUB NUMPAT x",
            "-ERR wrong number of arguments for 'pubsub|numpat' command",
        ),
        (
            "PUBSUB",
            "-ERR wrong number of arguments for 'pubsub' command",
        ),
        (
            "PUBSUB NONE",
            "-ERR unknown subcommand 'NONE'. Try PUBSUB HELP.",
        ),
        (
            "SUBSCRIBE",
            "-ERR wrong number of arguments for 'subscribe' command",
        ),
        (
            "PUBLISH a",
            "-ERR wrong number of arguments for 'publish' command",
        ),
    ] {
        check(&mut other, line, want);
    }
    assert!(matches!(other.run("PUBSUB HELP"), Reply::Array(lines) if lines.len() > 10));
}

#[test]
fn other_clients_see_what_a_client_is_subscribed_to() {
    let server = Server::start(&[]);
    let (mut connection, mut other) = (server.connect(), server.connect());
    connection.run("SUBSCRIBE a");
    connection.run("PSUBSCRIBE p");
    connection.run("PSUBSCRIBE q");
    let line = other.run("CLIENT LIST TYPE pubsub").to_string();
    for part in [" flags=P ", " sub=1 ", " psub=2 "] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let info = other.run("INFO stats").to_string();
    for part in ["pubsub_channels:1", "pubsub_patterns:2"] {
        assert!(info.contains(part), "{part} in {info}");
    }
}

#[test]
fn confirmations_and_messages_come_though_replies_are_off() {
    let server = Server::start(&[]);
    let mut publisher = server.connect();
    let mut connection = server.connect_resp3();
    connection.send(&encode(&["CLIENT", "REPLY", "OFF"]));
    connection.send(&encode(&["SUBSCRIBE", "a"]));
    expect(&mut connection, &[r#">["subscribe", "a", :1]"#]);
    connection.send(&encode(&["PING"]));
    check(&mut publisher, "PUBLISH a x", ":1");
    expect(&mut connection, &[r#">["message", "a", "x"]"#]);
}

#[test]
fn messages_of_one_publisher_keep_their_order() {
    let server = Server::start(&[]);
    let mut publisher = server.connect();
    let mut subscribers: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    for subscriber in &mut subscribers {
        subscriber.run("SUBSCRIBE c");
    }
    let batch: Vec<u8> = (0..500)
        .flat_map(|number| encode(&["PUBLISH", "c", &number.to_string()]))
        .collect();
    publisher.send(&batch);
    for _ in 0..500 {
        assert_eq!(publisher.read(), Reply::Integer(20));
    }
    for subscriber in &mut subscribers {
        for number in 0..500 {
            let want = format!(r#"["message", "c", "{number}"]"#);
            assert_eq!(subscriber.read().to_string(), want);
        }
    }
}

/// What several put out in the same moment goes to each listener together; of each publisher in its order, and all of it.
#[test]
fn messages_of_many_publishers_reach_every_subscriber() {
    for policy in ["off", "everysec", "always"] {
        let appendonly = if policy == "off" { "no" } else { "yes" };
        let appendfsync = if policy == "off" { "no" } else { policy };
        let server = Server::start(&[
            "--io-threads",
            "2",
            "--appendonly",
            appendonly,
            "--appendfsync",
            appendfsync,
        ]);
        let mut subscribers: Vec<Connection> = (0..70).map(|_| server.connect()).collect();
        for subscriber in &mut subscribers {
            subscriber.run("SUBSCRIBE c");
        }
        let mut publishers: Vec<Connection> = (0..8).map(|_| server.connect()).collect();
        for (at, publisher) in publishers.iter_mut().enumerate() {
            let batch: Vec<u8> = (0..50)
                .flat_map(|number| {
                    let text = format!("{at}:{number}");
                    [
                        encode(&["SET", "last", &text]),
                        encode(&["PUBLISH", "c", &text]),
                    ]
                    .concat()
                })
                .collect();
            publisher.send(&batch);
        }
        for publisher in &mut publishers {
            for _ in 0..50 {
                assert_eq!(publisher.read().to_string(), "+OK");
                assert_eq!(publisher.read(), Reply::Integer(70));
            }
        }
        for subscriber in &mut subscribers {
            let mut next = [0; 8];
            for _ in 0..8 * 50 {
                let message = subscriber.read().to_string();
                let (_, text) = message.rsplit_once(", \"").expect("it is a message");
                let (at, number) = text.split_once(':').expect("it is what was published");
                let at: usize = at.parse().expect("it is a number");
                assert_eq!(number, format!("{}\"]", next[at]), "of {at}, {policy}");
                next[at] += 1;
            }
        }
        let total = info_field(&mut publishers[0], "stats", "total_net_output_bytes");
        let least = 70 * 8 * 50 * "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\n0:0\r\n".len();
        let total: usize = total.parse().expect("it is a number");
        assert!(total >= least, "{total} of {least}");
    }
}

#[test]
fn any_bytes_name_a_channel() {
    let server = Server::start(&[]);
    let (mut publisher, mut subscriber) = (server.connect(), server.connect());
    let name = b"\r\n\0\xff".as_slice();
    subscriber.command(&[b"SUBSCRIBE".as_slice(), name]);
    let words = [b"PUBLISH".as_slice(), name, b"\r\n"];
    assert_eq!(publisher.command(&words), Reply::Integer(1));
    let want = [b"message".as_slice(), name, b"\r\n"].map(|word| Reply::Bulk(word.to_vec()));
    assert_eq!(subscriber.read(), Reply::Array(want.to_vec()));
}
