//! The commands for keys of any type over the wire, but for those of [`expire`](../expire.rs).

mod common;

use std::collections::BTreeSet;

use common::{Connection, Reply, Server, check, check_all};

#[test]
fn deleting_counts_the_keys_that_were_there() {
    check_all(
        &Server::start(&[]),
        &[
            ("MSET a 1 b 2 c 3 d 4", "+OK"),
            ("DEL a a nokey b", ":2"),
            ("UNLINK c nokey c d", ":2"),
            ("DEL a", ":0"),
            ("UNLINK a", ":0"),
            ("SET big x", "+OK"),
            ("SETRANGE big 4194304 y", ":4194305"),
            ("UNLINK big", ":1"),
            ("GET big", "$-1"),
            (r#"SET "a\x00\xff" 1"#, "+OK"),
            (r#"DEL "a\x00""#, ":0"),
            (r#"DEL "a\x00\xff""#, ":1"),
            ("DEL", "-ERR wrong number of arguments for 'del' command"),
            (
                "UNLINK",
                "-ERR wrong number of arguments for 'unlink' command",
            ),
        ],
    );
}

#[test]
fn asking_whether_a_key_is_there_and_what_it_holds() {
    check_all(
        &Server::start(&[]),
        &[
            ("EXISTS a", ":0"),
            ("MSET a 1 b text", "+OK"),
            ("RPUSH l x", ":1"),
            ("EXISTS a nokey a l", ":3"),
            ("TOUCH a nokey a l", ":3"),
            ("TYPE a", "+string"),
            ("TYPE b", "+string"),
            ("TYPE l", "+list"),
            ("TYPE nokey", "+none"),
            (
                "EXISTS",
                "-ERR wrong number of arguments for 'exists' command",
            ),
            (
                "TOUCH",
                "-ERR wrong number of arguments for 'touch' command",
            ),
            ("TYPE", "-ERR wrong number of arguments for 'type' command"),
            (
                "TYPE a b",
                "-ERR wrong number of arguments for 'type' command",
            ),
        ],
    );
}

#[test]
fn keys_match_a_pattern() {
    check_all(
        &Server::start(&[]),
        &[
            ("KEYS *", "[]"),
            ("RANDOMKEY", "$-1"),
            ("SET hello 1", "+OK"),
            ("RANDOMKEY", "\"hello\""),
            ("KEYS *", "[\"hello\"]"),
            ("MSET hallo 1 hxllo 1 other 1", "+OK"),
            ("KEYS h[ae]llx", "[]"),
            ("KEYS hal*", "[\"hallo\"]"),
            ("KEYS h[^ea]llo", "[\"hxllo\"]"),
            ("KEYS ?ther", "[\"other\"]"),
            ("KEYS o", "[]"),
            ("KEYS", "-ERR wrong number of arguments for 'keys' command"),
            (
                "RANDOMKEY x",
                "-ERR wrong number of arguments for 'randomkey' command",
            ),
        ],
    );
}

#[test]
fn keys_answers_a_large_keyspace_whole() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let names = fill(&mut connection, "key", 3000);
    assert_eq!(strings(connection.run("KEYS *")), names);
    assert_eq!(strings(connection.run("KEYS key:1*")).len(), 1111);
    let Reply::Bulk(any) = connection.run("RANDOMKEY") else {
        panic!("there are keys")
    };
    assert!(names.contains(&any));
}

#[test]
fn a_renamed_key_keeps_value_and_deadline() {
    check_all(
        &Server::start(&[]),
        &[
            ("RENAME a b", "-ERR no such key"),
            ("RENAME a a", "-ERR no such key"),
            ("RENAMENX a b", "-ERR no such key"),
            ("SET a 1 EX 100", "+OK"),
            ("RENAME a b", "+OK"),
            ("EXISTS a", ":0"),
            ("GET b", "\"1\""),
            ("TTL b", ":100"),
            ("SET c 2", "+OK"),
            ("RENAMENX b c", ":0"),
            ("RENAMENX b b", ":0"),
            ("RENAME b b", "+OK"),
            ("TTL b", ":100"),
            ("RENAME c b", "+OK"),
            ("GET b", "\"2\""),
            ("TTL b", ":-1"),
            ("RPUSH l x y", ":2"),
            ("PEXPIREAT l 4102444800000", ":1"),
            ("RENAMENX l m", ":1"),
            ("LRANGE m 0 -1", "[\"x\", \"y\"]"),
            ("PEXPIRETIME m", ":4102444800000"),
            ("RENAME m b", "+OK"),
            ("TYPE b", "+list"),
            ("KEYS *", "[\"b\"]"),
            (
                "RENAME a",
                "-ERR wrong number of arguments for 'rename' command",
            ),
            (
                "RENAMENX a",
                "-ERR wrong number of arguments for 'renamenx' command",
            ),
        ],
    );
}

#[test]
fn a_copy_has_a_life_of_its_own() {
    check_all(
        &Server::start(&[]),
        &[
            ("COPY a b", ":0"),
            ("SET a 1 EX 100", "+OK"),
            ("COPY a b", ":1"),
            ("TTL b", ":100"),
            ("INCR a", ":2"),
            ("GET b", "\"1\""),
            ("COPY a b", ":0"),
            ("COPY a b REPLACE", ":1"),
            ("GET b", "\"2\""),
            ("SET long x", "+OK"),
            ("SETRANGE long 5000 y", ":5001"),
            ("COPY long twin", ":1"),
            ("APPEND long z", ":5002"),
            ("STRLEN twin", ":5001"),
            ("RPUSH l x y", ":2"),
            ("COPY l m", ":1"),
            ("RPUSH l z", ":3"),
            ("LPUSH m w", ":3"),
            ("LRANGE l 0 -1", "[\"x\", \"y\", \"z\"]"),
            ("LRANGE m 0 -1", "[\"w\", \"x\", \"y\"]"),
            ("COPY m b replace", ":1"),
            ("TYPE b", "+list"),
            ("TTL b", ":-1"),
            ("COPY nokey b REPLACE", ":0"),
            ("TYPE b", "+list"),
            (
                "COPY a a",
                "-ERR source and destination objects are the same",
            ),
            (
                "COPY a a DB 0",
                "-ERR source and destination objects are the same",
            ),
            ("COPY a c FOO", "-ERR syntax error"),
            ("COPY a c DB", "-ERR syntax error"),
            (
                "COPY a c DB x",
                "-ERR value is not an integer or out of range",
            ),
            ("COPY a c DB 16", "-ERR DB index is out of range"),
            ("COPY a c DB -1", "-ERR DB index is out of range"),
            (
                "COPY a c DB 2147483648",
                "-ERR value is out of range, value must between -2147483648 and 2147483647",
            ),
            (
                "COPY a",
                "-ERR wrong number of arguments for 'copy' command",
            ),
        ],
    );
}

#[test]
fn keys_go_from_database_to_database() {
    check_all(
        &Server::start(&[]),
        &[
            ("SET a 1 EX 100", "+OK"),
            ("COPY a a DB 9", ":1"),
            ("COPY a a DB 9", ":0"),
            ("INCR a", ":2"),
            ("COPY a a REPLACE DB 9", ":1"),
            (
                "MOVE a 0",
                "-ERR source and destination objects are the same",
            ),
            ("MOVE a 16", "-ERR DB index is out of range"),
            ("MOVE a -1", "-ERR DB index is out of range"),
            ("MOVE a x", "-ERR value is not an integer or out of range"),
            ("MOVE a 9", ":0"),
            ("MOVE nokey 9", ":0"),
            ("MOVE a 10", ":1"),
            ("EXISTS a", ":0"),
            ("SELECT 9", "+OK"),
            ("GET a", "\"2\""),
            ("TTL a", ":100"),
            ("SELECT 10", "+OK"),
            ("GET a", "\"2\""),
            ("TTL a", ":100"),
            ("SELECT 0", "+OK"),
            (
                "MOVE a",
                "-ERR wrong number of arguments for 'move' command",
            ),
        ],
    );
}

#[test]
fn scan_refuses_what_it_cannot_read() {
    check_all(
        &Server::start(&[]),
        &[
            ("SCAN 0", "[\"0\", []]"),
            ("SET a 1", "+OK"),
            ("SCAN 0 COUNT 100", "[\"0\", [\"a\"]]"),
            ("SCAN 0 MATCH b*", "[\"0\", []]"),
            ("SCAN 0 TYPE string", "[\"0\", [\"a\"]]"),
            ("SCAN 0 TYPE StRiNg MATCH ? COUNT 5", "[\"0\", [\"a\"]]"),
            ("SCAN 0 TYPE list", "[\"0\", []]"),
            ("SCAN 0 TYPE nothing", "[\"0\", []]"),
            ("SCAN x", "-ERR invalid cursor"),
            ("SCAN 1x FOO", "-ERR invalid cursor"),
            ("SCAN 18446744073709551616", "-ERR invalid cursor"),
            ("SCAN 0 COUNT 0", "-ERR syntax error"),
            ("SCAN 0 COUNT -1", "-ERR syntax error"),
            (
                "SCAN 0 COUNT x",
                "-ERR value is not an integer or out of range",
            ),
            ("SCAN 0 COUNT", "-ERR syntax error"),
            ("SCAN 0 MATCH", "-ERR syntax error"),
            ("SCAN 0 TYPE", "-ERR syntax error"),
            ("SCAN 0 FOO", "-ERR syntax error"),
            ("SCAN", "-ERR wrong number of arguments for 'scan' command"),
        ],
    );
}

#[test]
fn scan_answers_every_key_in_small_steps() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let names = fill(&mut connection, "key", 2000);
    for (options, most) in [
        ("", 30),
        ("COUNT 1", 20),
        ("COUNT 100", 130),
        ("COUNT 100000", 2000),
    ] {
        let mut found = BTreeSet::new();
        scan(&mut connection, options, |_, keys| {
            assert!(
                keys.len() <= most,
                "{} keys at once with {options:?}",
                keys.len()
            );
            found.extend(keys);
        });
        assert_eq!(found, names, "{options}");
    }
    let mut matching = BTreeSet::new();
    scan(&mut connection, "MATCH key:7*", |_, keys| {
        matching.extend(keys)
    });
    assert_eq!(matching.len(), 111);
    assert_eq!(connection.run("RPUSH list x"), Reply::Integer(1));
    let mut lists = Vec::new();
    scan(&mut connection, "TYPE list COUNT 50", |_, keys| {
        lists.extend(keys)
    });
    assert_eq!(lists, [b"list"]);
}

#[test]
fn scan_misses_no_key_while_the_keyspace_grows_and_shrinks() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let names = fill(&mut connection, "stays", 1000);
    let mut step = 0;
    let mut found = BTreeSet::new();
    scan(&mut connection, "", |connection, keys| {
        found.extend(keys);
        step += 1;
        match step {
            10 => drop(fill(connection, "comes", 20_000)),
            400 => {
                for index in 0..20_000 {
                    connection.run(&format!("DEL comes:{index}"));
                }
            }
            _ => {}
        }
    });
    assert!(step > 400, "the scan ended after {step} steps");
    assert!(found.is_superset(&names));
}

#[test]
fn encodings_have_their_names() {
    let server = Server::start(&[]);
    let text44 = "x".repeat(44);
    let table = [
        ("SET", "1", "int"),
        ("SET", "-9223372036854775808", "int"),
        ("SET", "9223372036854775808", "embstr"),
        ("SET", "01", "embstr"),
        ("SET", "''", "embstr"),
        ("SET", &text44, "embstr"),
        ("SET", &format!("{text44}x"), "raw"),
        ("SET", &"x".repeat(2000), "raw"),
    ];
    for mut connection in [server.connect(), server.connect_resp3()] {
        for (command, value, want) in table {
            check(&mut connection, &format!("{command} a {value}"), "+OK");
            check(&mut connection, "OBJECT ENCODING a", &format!("\"{want}\""));
        }
    }
    check_all(
        &server,
        &[
            ("APPEND a 1", ":1"),
            ("OBJECT ENCODING a", "\"int\""),
            ("APPEND a 2", ":2"),
            ("OBJECT ENCODING a", "\"raw\""),
            ("COPY a b", ":1"),
            ("RENAME b c", "+OK"),
            ("EXPIRE c 100", ":1"),
            ("PERSIST c", ":1"),
            ("OBJECT ENCODING c", "\"raw\""),
            ("INCR a", ":13"),
            ("OBJECT ENCODING a", "\"int\""),
            ("SETRANGE a 1 4", ":2"),
            ("OBJECT ENCODING a", "\"raw\""),
            ("INCRBYFLOAT f 1.5", "\"1.5\""),
            ("OBJECT ENCODING f", "\"embstr\""),
            ("RPUSH l x", ":1"),
            ("LSET l 0 y", "+OK"),
            ("OBJECT ENCODING nokey", "$-1"),
        ],
    );
}

#[test]
fn object_answers_about_uses_and_references() {
    check_all(
        &Server::start(&[]),
        &[
            ("SET a 9999", "+OK"),
            ("OBJECT REFCOUNT a", ":2147483647"),
            ("INCR a", ":10000"),
            ("OBJECT REFCOUNT a", ":1"),
            ("SET a text", "+OK"),
            ("OBJECT REFCOUNT a", ":1"),
            ("OBJECT IDLETIME a", ":0"),
            (
                "OBJECT FREQ a",
                "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ),
            ("OBJECT REFCOUNT nokey", "$-1"),
            ("OBJECT IDLETIME nokey", "$-1"),
            ("OBJECT FREQ nokey", "$-1"),
            (
                "OBJECT",
                "-ERR wrong number of arguments for 'object' command",
            ),
            (
                "OBJECT FREQ",
                "-ERR wrong number of arguments for 'object|freq' command",
            ),
            (
                "OBJECT HELP x",
                "-ERR wrong number of arguments for 'object|help' command",
            ),
            (
                "OBJECT foo a",
                "-ERR unknown subcommand 'foo'. Try OBJECT HELP.",
            ),
        ],
    );
    let server = Server::start(&[]);
    let Reply::Array(lines) = server.connect().run("OBJECT HELP") else {
        panic!("help is a list")
    };
    for name in ["ENCODING", "FREQ", "IDLETIME", "REFCOUNT", "HELP"] {
        let line = |line: &Reply| line.to_string().starts_with(&format!("+{name}"));
        assert!(lines.iter().any(line), "{name}");
    }
}

#[test]
fn under_an_lfu_policy_uses_are_counted() {
    check_all(
        &Server::start(&["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"]),
        &[
            ("SET a text", "+OK"),
            ("OBJECT FREQ a", ":5"),
            ("GET a", "\"text\""),
            ("GET a", "\"text\""),
            ("OBJECT FREQ a", ":7"),
            ("EXISTS a", ":1"),
            ("TYPE a", "+string"),
            ("TTL a", ":-1"),
            ("OBJECT FREQ a", ":7"),
            ("TOUCH a", ":1"),
            ("SET a other", "+OK"),
            ("OBJECT FREQ a", ":9"),
            ("EXPIRE a 100", ":1"),
            ("OBJECT FREQ a", ":10"),
            ("COPY a b", ":1"),
            ("OBJECT FREQ a", ":11"),
            ("OBJECT FREQ b", ":5"),
            ("RENAME a b", "+OK"),
            ("OBJECT FREQ b", ":12"),
            (
                "OBJECT IDLETIME b",
                "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
                 between policies at runtime LRU and LFU data will take some time to adjust.",
            ),
        ],
    );
}

#[test]
fn without_replicas_wait_counts_none() {
    check_all(
        &Server::start(&[]),
        &[
            ("WAIT 0 0", ":0"),
            ("WAIT 1 1", ":0"),
            ("WAIT -1 0", ":0"),
            ("WAIT x 0", "-ERR value is not an integer or out of range"),
            ("WAIT 0 x", "-ERR timeout is not an integer or out of range"),
            ("WAIT 0 -1", "-ERR timeout is negative"),
            (
                "WAIT 0",
                "-ERR wrong number of arguments for 'wait' command",
            ),
        ],
    );
}

/// Redis has the command since 7.2; the texts are those of its source.
#[test]
fn waitaof_needs_an_append_only_file() {
    check_all(
        &Server::start(&[]),
        &[
            (
                "WAITAOF 1 0 0",
                "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            ),
            ("WAITAOF 0 0 0", "[:0, :0]"),
            (
                "WAITAOF 2 0 0",
                "-ERR value is out of range, value must between 0 and 1",
            ),
            (
                "WAITAOF 0 -1 0",
                "-ERR value is out of range, must be positive",
            ),
            ("WAITAOF 0 0 -1", "-ERR timeout is negative"),
            (
                "WAITAOF x 0 0",
                "-ERR value is not an integer or out of range",
            ),
            (
                "WAITAOF 0 0",
                "-ERR wrong number of arguments for 'waitaof' command",
            ),
        ],
    );
}

/// Stores `prefix:0` up to `prefix:count` and answers these names.
fn fill(connection: &mut Connection, prefix: &str, count: usize) -> BTreeSet<Vec<u8>> {
    let names: Vec<String> = (0..count)
        .map(|index| format!("{prefix}:{index}"))
        .collect();
    for part in names.chunks(500) {
        let words = part.iter().flat_map(|name| [name.as_str(), "x"]);
        let words: Vec<&str> = std::iter::once("MSET").chain(words).collect();
        assert_eq!(connection.command(&words).to_string(), "+OK");
    }
    names.into_iter().map(String::into_bytes).collect()
}

/// Goes through a whole scan.
fn scan(
    connection: &mut Connection,
    options: &str,
    mut step: impl FnMut(&mut Connection, BTreeSet<Vec<u8>>),
) {
    let mut cursor = "0".to_owned();
    for _ in 0..100_000 {
        let Reply::Array(mut parts) = connection.run(&format!("SCAN {cursor} {options}")) else {
            panic!("a scan answers cursor and keys")
        };
        step(connection, strings(parts.remove(1)));
        cursor = parts[0].to_string().trim_matches('"').to_owned();
        if cursor == "0" {
            return;
        }
    }
    panic!("the scan does not end");
}

/// The strings of an array.
fn strings(reply: Reply) -> BTreeSet<Vec<u8>> {
    let Reply::Array(elements) = reply else {
        panic!("no array: {reply}")
    };
    elements
        .into_iter()
        .map(|element| match element {
            Reply::Bulk(bytes) => bytes,
            other => panic!("no string: {other}"),
        })
        .collect()
}
