//! DUMP and RESTORE over the wire: checks and their order, deadlines, uses, and values of every type there and back.
//!
//! The payloads are those of tests/fixtures/rdb, which redis-server 7.0 made; so the same tests hold against it.

mod common;

use common::{Connection, Reply, Server, check, check_fresh};

/// Key, commands and payload in hexadecimal digits of each golden value.
const GOLDEN: &str = include_str!("fixtures/rdb/values.tsv");

/// The server's parameters with which the golden values were made.
const SETUP: &[&str] = &[
    "--rdbcompression",
    "no",
    "--list-max-listpack-size",
    "4",
    "--set-max-intset-entries",
    "8",
    "--hash-max-listpack-entries",
    "4",
    "--zset-max-listpack-entries",
    "4",
    "--stream-node-max-entries",
    "3",
    "--enable-debug-command",
    "yes",
];

/// The text `value`.
const VALUE: &str = r#""\x00\x05value\n\x00\x81\xf6\xc18\xc1\xaa\x9bn""#;

/// Whether the server under test is a real one of 7.0, which knows less.
fn is_redis() -> bool {
    std::env::var_os("TEST_SERVER").is_some()
}

fn from_hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("they are digits"))
        .collect()
}

fn restore(connection: &mut Connection, key: &str, payload: &[u8]) -> Reply {
    connection.command(&[b"RESTORE", key.as_bytes(), b"0", payload])
}

fn dump(connection: &mut Connection, key: &str) -> Vec<u8> {
    match connection.command(&["DUMP", key]) {
        Reply::Bulk(payload) => payload,
        other => panic!("{key}: {other}"),
    }
}

fn digests(connection: &mut Connection, keys: [&str; 2]) -> [String; 2] {
    keys.map(|key| {
        connection
            .run(&format!("DEBUG DIGEST-VALUE {key}"))
            .to_string()
    })
}

#[test]
fn restore_makes_a_key_and_refuses_to_overwrite_one() {
    let restore = |key: &str, tail: &str| format!("RESTORE {key} 0 {VALUE}{tail}");
    let table = [
        ("DUMP missing".to_owned(), "$-1"),
        (restore("k", ""), "+OK"),
        ("GET k".to_owned(), "\"value\""),
        ("PTTL k".to_owned(), ":-1"),
        (restore("k", ""), "-BUSYKEY Target key name already exists."),
        (restore("k", " REPLACE"), "+OK"),
        ("RPUSH l a".to_owned(), ":1"),
        (restore("l", " replace absttl"), "+OK"),
        ("TYPE l".to_owned(), "+string"),
        (restore("n", " ABSTTL"), "+OK"),
        ("PTTL n".to_owned(), ":-1"),
    ];
    let table: Vec<(&str, &str)> = table
        .iter()
        .map(|(line, want)| (line.as_str(), *want))
        .collect();
    check_fresh(&[], &table);
}

/// What RESTORE is given, and its answer. For the last row checksums are not looked at.
const REFUSED: &[(&str, &str)] = &[
    ("k 0 x BAD", "-ERR syntax error"),
    ("taken 0 x BAD", "-ERR syntax error"),
    ("k 0 x IDLETIME", "-ERR syntax error"),
    ("k 0 x IDLETIME 1 FREQ 1", "-ERR syntax error"),
    ("k 0 x FREQ 1 IDLETIME 1", "-ERR syntax error"),
    (
        "k 0 x IDLETIME a",
        "-ERR value is not an integer or out of range",
    ),
    (
        "k 0 x IDLETIME -1",
        "-ERR Invalid IDLETIME value, must be >= 0",
    ),
    (
        "k 0 x FREQ 256",
        "-ERR Invalid FREQ value, must be >= 0 and <= 255",
    ),
    (
        "k 0 x FREQ -1",
        "-ERR Invalid FREQ value, must be >= 0 and <= 255",
    ),
    ("taken a x", "-BUSYKEY Target key name already exists."),
    ("k a x", "-ERR value is not an integer or out of range"),
    ("k -1 x", "-ERR Invalid TTL value, must be >= 0"),
    ("k 0 x", "-ERR DUMP payload version or checksum are wrong"),
    (
        r#"k 0 """#,
        "-ERR DUMP payload version or checksum are wrong",
    ),
    // The checksum is wrong; then the version is a later one, and the checksum right.
    (
        r#"k 0 "\x00\x05value\n\x00\x81\xf6\xc18\xc1\xaa\x9bo""#,
        "-ERR DUMP payload version or checksum are wrong",
    ),
    // A string that is longer than the payload, with a right checksum.
    (
        r#"k 0 "\x00\x3fvalue\n\x00\x1c\xaa\x80\xd2\xdf\xa1\xbf\x91""#,
        "-ERR Bad data format",
    ),
];

#[test]
fn what_is_wrong_with_a_restore_is_said_in_order() {
    let mut table = vec![
        ("SET taken v".to_owned(), "+OK"),
        ("DEBUG SET-SKIP-CHECKSUM-VALIDATION 0".to_owned(), "+OK"),
    ];
    let checked = REFUSED.len() - 1;
    table.extend(
        REFUSED[..checked]
            .iter()
            .map(|(words, want)| (format!("RESTORE {words}"), *want)),
    );
    table.push(("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1".to_owned(), "+OK"));
    table.extend(
        REFUSED[checked..]
            .iter()
            .map(|(words, want)| (format!("RESTORE {words}"), *want)),
    );
    table.extend([
        ("EXISTS k".to_owned(), ":0"),
        (
            "RESTORE k".to_owned(),
            "-ERR wrong number of arguments for 'restore' command",
        ),
        (
            "DUMP k k".to_owned(),
            "-ERR wrong number of arguments for 'dump' command",
        ),
    ]);
    let table: Vec<(&str, &str)> = table
        .iter()
        .map(|(line, want)| (line.as_str(), *want))
        .collect();
    check_fresh(&["--enable-debug-command", "yes"], &table);
}

#[test]
fn deadlines_are_relative_or_absolute_and_those_that_have_come_make_no_key() {
    let far_ms = 4_102_444_800_000_u64;
    let line = |key: &str, ttl: u64, tail: &str| format!("RESTORE {key} {ttl} {VALUE}{tail}");
    let table = [
        (line("absolute", far_ms, " ABSTTL"), "+OK"),
        ("PEXPIRETIME absolute".to_owned(), ":4102444800000"),
        (line("past", 1, " ABSTTL"), "+OK"),
        ("EXISTS past".to_owned(), ":0"),
        ("SET taken old".to_owned(), "+OK"),
        (line("taken", 1, " REPLACE ABSTTL"), "+OK"),
        ("EXISTS taken".to_owned(), ":0"),
        (line("relative", 1_000_000, ""), "+OK"),
        ("EXPIRE relative 5000 LT".to_owned(), ":0"),
        ("EXPIRE relative 900 LT".to_owned(), ":1"),
    ];
    let table: Vec<(&str, &str)> = table
        .iter()
        .map(|(line, want)| (line.as_str(), *want))
        .collect();
    check_fresh(&[], &table);
}

#[test]
fn uses_are_remembered_where_the_policy_notes_them() {
    let line = |key: &str, tail: &str| format!("RESTORE {key} 0 {VALUE} {tail}");
    let table = [
        (line("k", "IDLETIME 70000"), "+OK"),
        ("CONFIG SET maxmemory-policy allkeys-lfu".to_owned(), "+OK"),
        (line("f", "FREQ 100"), "+OK"),
        ("OBJECT FREQ f".to_owned(), ":100"),
        (line("i", "IDLETIME 5"), "+OK"),
        ("OBJECT FREQ i".to_owned(), ":5"),
    ];
    let table: Vec<(&str, &str)> = table
        .iter()
        .map(|(line, want)| (line.as_str(), *want))
        .collect();
    check_fresh(&[], &table);
    let server = Server::start(&[]);
    let mut connection = server.connect();
    check(&mut connection, &line("k", "IDLETIME 70000"), "+OK");
    match connection.run("OBJECT IDLETIME k") {
        Reply::Integer(seconds) => assert!((70_000..70_060).contains(&seconds), "{seconds}"),
        other => panic!("{other}"),
    }
}

#[test]
fn values_are_dumped_as_redis_dumps_them_and_restored_from_its_payloads() {
    // The order of a table is its own, deleted entries are not kept, and times are those of the run.
    let differing = [
        "set-table",
        "hash-table",
        "stream-past",
        "stream-groups",
        "set",
        "sorted-table",
    ];
    let server = Server::start(SETUP);
    let mut connection = server.connect();
    for line in GOLDEN.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let (key, golden) = (columns[0], from_hex(columns[2]));
        for command in columns[1].split(" ; ") {
            let reply = connection.run(command);
            assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply}");
        }
        let own = dump(&mut connection, key);
        if !differing.contains(&key) {
            assert_eq!(own, golden, "{key}");
        }
        for payload in [golden, own] {
            connection.run("DEL copy");
            assert_eq!(
                restore(&mut connection, "copy", &payload).to_string(),
                "+OK",
                "{key}"
            );
            let [made, restored] = digests(&mut connection, [key, "copy"]);
            assert_eq!(made, restored, "{key}");
        }
    }
}

#[test]
fn groups_of_streams_come_with_their_stream() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for line in [
        "XADD s 1-1 f v",
        "XADD s 2-1 f v",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c STREAMS s >",
        "XACK s g 1-1",
    ] {
        connection.run(line);
    }
    let payload = dump(&mut connection, "s");
    assert_eq!(
        restore(&mut connection, "copy", &payload).to_string(),
        "+OK"
    );
    for (line, want) in [
        ("XLEN copy", ":2"),
        ("XPENDING copy g", r#"[:1, "2-1", "2-1", [["c", "1"]]]"#),
        (
            "XREADGROUP GROUP g c STREAMS copy 0",
            r#"[["copy", [["2-1", ["f", "v"]]]]]"#,
        ),
        (
            "XADD copy 2-1 f v",
            "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ),
    ] {
        check(&mut connection, line, want);
    }
}

#[test]
fn large_values_of_every_type_come_back() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut connection = server.connect();
    let words = |head: &[&str], each: &dyn Fn(usize) -> Vec<String>| -> Vec<String> {
        let head = head.iter().map(|&word| word.to_owned());
        head.chain((0..3000).flat_map(each)).collect()
    };
    let text = |number: usize| format!("element:{number}:{}", "x".repeat(number % 90));
    let commands = [
        words(&["RPUSH", "list"], &|number| vec![text(number)]),
        words(&["SADD", "integers"], &|number| {
            vec![(number * 70_001).to_string()]
        }),
        words(&["SADD", "set"], &|number| vec![text(number)]),
        words(&["HSET", "hash"], &|number| {
            vec![text(number), number.to_string()]
        }),
        words(&["ZADD", "sorted"], &|number| {
            vec![format!("{}.5", number % 700), text(number)]
        }),
        vec![
            "SET".to_owned(),
            "text".to_owned(),
            "all work and no play ".repeat(20_000),
        ],
        vec![
            "RPUSH".to_owned(),
            "wide".to_owned(),
            "y".repeat(300_000),
            "z".to_owned(),
        ],
    ];
    for command in &commands {
        let reply = connection.command(command);
        assert!(!matches!(reply, Reply::Error(_)), "{}: {reply}", command[0]);
        let key = &command[1];
        let payload = dump(&mut connection, key);
        let copy = format!("{key}-copy");
        assert_eq!(restore(&mut connection, &copy, &payload).to_string(), "+OK");
        let [made, restored] = digests(&mut connection, [key, &copy]);
        assert_eq!(made, restored, "{key}");
        let encoding = |key: &str| format!("OBJECT ENCODING {key}");
        let made = connection.run(&encoding(key)).to_string();
        assert_eq!(connection.run(&encoding(&copy)).to_string(), made, "{key}");
    }
}

#[test]
fn deadlines_of_fields_are_restored() {
    if is_redis() {
        return;
    }
    let far_ms = 4_102_444_800_000_u64;
    for fields in [3, 600] {
        let server = Server::start(&[]);
        let mut connection = server.connect();
        for number in 0..fields {
            connection.run(&format!("HSET h f{number} {number}"));
        }
        connection.run(&format!("HPEXPIREAT h {far_ms} FIELDS 1 f0"));
        connection.run(&format!("HPEXPIREAT h {} FIELDS 1 f1", far_ms + 77));
        let payload = dump(&mut connection, "h");
        assert_eq!(
            payload[payload.len() - 10],
            12,
            "the version that knows deadlines of fields"
        );
        assert_eq!(
            restore(&mut connection, "copy", &payload).to_string(),
            "+OK"
        );
        for (line, want) in [
            (
                "HPEXPIRETIME copy FIELDS 3 f0 f1 f2",
                "[:4102444800000, :4102444800077, :-1]",
            ),
            ("HMGET copy f0 f1 f2", r#"["0", "1", "2"]"#),
        ] {
            check(&mut connection, line, want);
        }
    }
}

#[test]
fn a_restored_field_whose_time_comes_expires() {
    if is_redis() {
        return;
    }
    let server = Server::start(&[]);
    let mut connection = server.connect();
    connection.run("HSET h a 1 b 2");
    connection.run("HPEXPIREAT h 4102444800000 FIELDS 1 a");
    let mut payload = dump(&mut connection, "h");
    // The earliest deadline stands behind the type, and all others count from it.
    payload[1..9].copy_from_slice(&1000u64.to_le_bytes());
    let sealed = ruddle::persist::rdb::payload::seal(payload[..payload.len() - 10].to_vec(), 12);
    assert_eq!(restore(&mut connection, "copy", &sealed).to_string(), "+OK");
    check(&mut connection, "HGETALL copy", r#"["b", "2"]"#);
}

#[test]
fn payloads_of_later_servers_are_restored() {
    if is_redis() {
        return;
    }
    let server = Server::start(&[]);
    let mut connection = server.connect();
    // Three entries of three, two and three bytes, head and end: fifteen in all.
    let set = b"\x14\x0f\x0f\0\0\0\x03\0\x81a\x02\x01\x01\x81b\x02\xff".to_vec();
    let hash = b"\x16\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    for (key, body, version) in [("set", &set, 11), ("hash", &hash, 80)] {
        let payload = ruddle::persist::rdb::payload::seal(body.clone(), version);
        assert_eq!(
            restore(&mut connection, key, &payload).to_string(),
            "+OK",
            "{key}"
        );
    }
    check(&mut connection, "SCARD set", ":3");
    check(&mut connection, "HGETALL hash", r#"["f", "v"]"#);
    let later = ruddle::persist::rdb::payload::seal(b"\0\x01v".to_vec(), 81);
    assert_eq!(
        restore(&mut connection, "later", &later).to_string(),
        "-ERR DUMP payload version or checksum are wrong"
    );
}
