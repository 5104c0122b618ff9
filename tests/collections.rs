//! What holds for every large collection: a copy costs nothing until one of the two is written, and neither sees the
//! other's changes; the reads and writes of a large one do not depend on its size.

mod common;

use common::{Connection, Reply, Server, encode};

/// Enough for every type to be in its large form, some levels deep.
const ELEMENTS: usize = 100_000;
/// Commands in one write.
const BATCH: usize = 1000;

/// A type: the command that adds element `i`, one that counts, and one that adds or changes a single element.
struct Type {
    key: &'static str,
    add: fn(usize) -> Vec<String>,
    count: &'static str,
    change: &'static str,
}

fn words(words: &[&str], last: String) -> Vec<String> {
    words
        .iter()
        .map(|word| (*word).to_owned())
        .chain([last])
        .collect()
}

const TYPES: &[Type] = &[
    Type {
        key: "list",
        add: |i| words(&["RPUSH", "list"], format!("element:{i}")),
        count: "LLEN list",
        change: "LPUSH list new",
    },
    Type {
        key: "set",
        add: |i| words(&["SADD", "set"], format!("element:{i}")),
        count: "SCARD set",
        change: "SADD set new",
    },
    Type {
        key: "hash",
        add: |i| {
            words(
                &["HSET", "hash", &format!("field:{i}")],
                format!("value:{i}"),
            )
        },
        count: "HLEN hash",
        change: "HSET hash new value",
    },
    Type {
        key: "zset",
        add: |i| {
            words(
                &["ZADD", "zset", &(i * 7 % 1000).to_string()],
                format!("element:{i}"),
            )
        },
        count: "ZCARD zset",
        change: "ZADD zset 5 new",
    },
    Type {
        key: "stream",
        add: |i| {
            words(
                &["XADD", "stream", &format!("{}-1", i + 1), "field"],
                format!("value:{i}"),
            )
        },
        count: "XLEN stream",
        change: "XADD stream * field value",
    },
];

fn fill(client: &mut Connection, kind: &Type) {
    for start in (0..ELEMENTS).step_by(BATCH) {
        let batch: Vec<u8> = (start..start + BATCH)
            .flat_map(|i| encode(&(kind.add)(i)))
            .collect();
        client.send(&batch);
        for _ in 0..BATCH {
            let reply = client.read();
            assert!(!matches!(reply, Reply::Error(_)), "{}: {reply:?}", kind.key);
        }
    }
}

/// Bytes that the server has allocated.
fn used(client: &mut Connection) -> i64 {
    let info = client.run("INFO memory").to_string();
    let figure = info.split("used_memory:").nth(1).map(|rest| {
        rest.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    });
    figure
        .and_then(|digits| digits.parse().ok())
        .expect("INFO tells the memory in use")
}

#[test]
fn a_copy_costs_nothing_and_neither_sees_the_others_changes() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    for kind in TYPES {
        let before_fill = used(&mut client);
        fill(&mut client, kind);
        let size = used(&mut client) - before_fill;
        assert!(size > 200_000, "{}: {size} bytes", kind.key);

        let before_copy = used(&mut client);
        assert_eq!(
            client.run(&format!("COPY {} copy", kind.key)).to_string(),
            ":1"
        );
        let digest = client
            .run(&format!("DEBUG DIGEST-VALUE {}", kind.key))
            .to_string();
        client.run(kind.change);
        let grown = used(&mut client) - before_copy;
        assert!(grown < size / 10, "{}: {grown} of {size} bytes", kind.key);

        let count = |client: &mut Connection, key: &str| {
            client.run(&kind.count.replace(kind.key, key)).to_string()
        };
        assert_eq!(count(&mut client, kind.key), format!(":{}", ELEMENTS + 1));
        assert_eq!(count(&mut client, "copy"), format!(":{ELEMENTS}"));
        assert_eq!(
            client.run("DEBUG DIGEST-VALUE copy").to_string(),
            digest,
            "{}",
            kind.key
        );
        client.run("DEL copy");
        assert_eq!(count(&mut client, kind.key), format!(":{}", ELEMENTS + 1));
    }
}
