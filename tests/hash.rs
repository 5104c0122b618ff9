//! The hash family over the wire: each command in RESP2 and RESP3, small and large, and long random sequences of commands
//! against a model. Deadlines of fields are the subject of `hash_expiry.rs`.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it.

mod common;

use std::collections::{BTreeMap, HashSet};

use common::{Connection, Reply, Server, check, check_fresh, encode};

/// Arguments for the forms in which the tables run: all hashes small, all of more than a field large.
const FORMS: &[&[&str]] = &[
    &[],
    &["--hash-max-listpack-entries", "1"],
    &["--hash-max-listpack-value", "2"],
];

/// Runs a table in all forms and both protocols.
#[track_caller]
fn check_hashes(table: &[(&str, &str)]) {
    for args in FORMS {
        check_fresh(args, table);
    }
}

/// Whether the tests run against another server, which does not know what is newer than Redis 7.0.
fn is_reference() -> bool {
    std::env::var("TEST_SERVER").is_ok()
}

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn fields_are_set_and_read() {
    check_hashes(&[
        ("HSET h a 1", ":1"),
        ("HSET h a 2 b 3 b 4", ":1"),
        ("HGET h a", r#""2""#),
        ("HGET h b", r#""4""#),
        ("HGET h none", "$-1"),
        ("HGET none a", "$-1"),
        ("HMSET h c hello d \"\"", "+OK"),
        ("HMGET h a none c d a", r#"["2", $-1, "hello", "", "2"]"#),
        ("HMGET none a b", "[$-1, $-1]"),
        ("HLEN h", ":4"),
        ("HLEN none", ":0"),
        ("HEXISTS h a", ":1"),
        ("HEXISTS h x", ":0"),
        ("HEXISTS none x", ":0"),
        ("HSTRLEN h c", ":5"),
        ("HSTRLEN h d", ":0"),
        ("HSTRLEN h x", ":0"),
        ("HSTRLEN none x", ":0"),
        ("HSETNX h a 5", ":0"),
        ("HSETNX h e 5", ":1"),
        ("HSETNX other e 5", ":1"),
        ("HGET other e", r#""5""#),
        ("HMGET h a e", r#"["2", "5"]"#),
        ("TYPE h", "+hash"),
    ]);
}

#[test]
fn numbers_and_bytes_come_back_as_they_were_written() {
    check_hashes(&[
        ("HSET h 1 -1 01 127 -0 128 +1 4096", ":4"),
        (
            "HMGET h 1 01 -0 +1 0",
            r#"["-1", "127", "128", "4096", $-1]"#,
        ),
        ("HSET h 9223372036854775807 -9223372036854775808", ":1"),
        ("HGET h 9223372036854775807", r#""-9223372036854775808""#),
        ("HSTRLEN h 9223372036854775807", ":20"),
        ("HSTRLEN h 1", ":2"),
        ("HSET h \"\" \"\\x00\\r\\n\\xff\"", ":1"),
        ("HGET h \"\"", r#""\x00\r\n\xff""#),
    ]);
}

#[test]
fn whole_hashes_are_answered_as_maps() {
    check_hashes(&[
        ("HSET h field value", ":1"),
        ("HGETALL h", r#"["field", "value"] // %{"field": "value"}"#),
        ("HKEYS h", r#"["field"]"#),
        ("HVALS h", r#"["value"]"#),
        ("HGETALL none", "[] // %{}"),
        ("HKEYS none", "[]"),
        ("HVALS none", "[]"),
    ]);
    // A small hash keeps its order.
    check_fresh(
        &[],
        &[
            ("HSET h b 1 a 2 c 3", ":3"),
            ("HSET h a xyz", ":0"),
            ("HDEL h b", ":1"),
            ("HSET h b 9", ":1"),
            ("HKEYS h", r#"["a", "c", "b"]"#),
            ("HVALS h", r#"["xyz", "3", "9"]"#),
            (
                "HGETALL h",
                r#"["a", "xyz", "c", "3", "b", "9"] // %{"a": "xyz", "c": "3", "b": "9"}"#,
            ),
        ],
    );
}

#[test]
fn removed_fields_are_gone_and_an_empty_hash_with_them() {
    check_hashes(&[
        ("HSET h a 1 b 2 c 3 d 4", ":4"),
        ("HDEL h a x a", ":1"),
        ("HGET h a", "$-1"),
        ("HDEL h x", ":0"),
        ("HDEL none x", ":0"),
        ("HDEL h b c d e", ":3"),
        ("EXISTS h", ":0"),
        ("HSET h a 1", ":1"),
        ("HLEN h", ":1"),
    ]);
}

#[test]
fn integers_are_added() {
    check_hashes(&[
        ("HINCRBY h n 2", ":2"),
        ("HINCRBY h n -5", ":-3"),
        ("HGET h n", r#""-3""#),
        ("HSET h big 9223372036854775800", ":1"),
        ("HINCRBY h big 7", ":9223372036854775807"),
        (
            "HINCRBY h big 1",
            "-ERR increment or decrement would overflow",
        ),
        (
            "HINCRBY h big x",
            "-ERR value is not an integer or out of range",
        ),
        ("HSET h text abc spaced \" 1\" float 1.5", ":3"),
        ("HINCRBY h text 1", "-ERR hash value is not an integer"),
        ("HINCRBY h spaced 1", "-ERR hash value is not an integer"),
        ("HINCRBY h float 1", "-ERR hash value is not an integer"),
        (
            "HINCRBY none x y",
            "-ERR value is not an integer or out of range",
        ),
        ("EXISTS none", ":0"),
        ("HLEN h", ":5"),
    ]);
}

#[test]
fn floating_point_numbers_are_added_as_long_doubles() {
    check_hashes(&[
        ("HINCRBYFLOAT h f 2.5", r#""2.5""#),
        ("HINCRBYFLOAT h f 0.1", r#""2.6""#),
        ("HGET h f", r#""2.6""#),
        ("HSET h n 10 text abc spaced \" 1\"", ":3"),
        ("HINCRBYFLOAT h n 1.25", r#""11.25""#),
        ("HINCRBYFLOAT h n -11.25", r#""0""#),
        ("HINCRBYFLOAT h n 5.0e3", r#""5000""#),
        ("HINCRBYFLOAT h text 1", "-ERR hash value is not a float"),
        ("HINCRBYFLOAT h spaced 1", "-ERR hash value is not a float"),
        ("HINCRBYFLOAT h n x", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h n inf", "-ERR value is NaN or Infinity"),
        ("HINCRBYFLOAT none n inf", "-ERR value is NaN or Infinity"),
        ("EXISTS none", ":0"),
    ]);
}

#[test]
fn other_types_are_refused() {
    let commands = [
        "HSET s a 1",
        "HMSET s a 1",
        "HSETNX s a 1",
        "HGET s a",
        "HMGET s a",
        "HDEL s a",
        "HEXISTS s a",
        "HLEN s",
        "HSTRLEN s a",
        "HKEYS s",
        "HVALS s",
        "HGETALL s",
        "HINCRBY s a 1",
        "HINCRBYFLOAT s a 1",
        "HRANDFIELD s",
        "HRANDFIELD s 1",
        "HSCAN s 0",
    ];
    let server = Server::start(&[]);
    let mut connection = server.connect();
    check(&mut connection, "SET s text", "+OK");
    for command in commands {
        check(&mut connection, command, WRONG_TYPE);
    }
}

#[test]
fn numbers_of_words_are_checked() {
    const HSET: &str = "-ERR wrong number of arguments for 'hset' command";
    check_fresh(
        &[],
        &[
            ("HSET h a", HSET),
            ("HSET h a 1 b", HSET),
            (
                "HMSET h a 1 b",
                "-ERR wrong number of arguments for 'hmset' command",
            ),
            ("SET s text", "+OK"),
            ("HSET s a 1 b", HSET),
            (
                "HSETNX h a",
                "-ERR wrong number of arguments for 'hsetnx' command",
            ),
            (
                "HSETNX h a 1 2",
                "-ERR wrong number of arguments for 'hsetnx' command",
            ),
            (
                "HGET h",
                "-ERR wrong number of arguments for 'hget' command",
            ),
            (
                "HMGET h",
                "-ERR wrong number of arguments for 'hmget' command",
            ),
            ("EXISTS h", ":0"),
        ],
    );
}

#[test]
fn encodings_change_at_the_limits() {
    let long = "x".repeat(65);
    check_fresh(
        &["--hash-max-listpack-entries", "3"],
        &[
            ("HSET h a 1 b 2 c 3", ":3"),
            ("OBJECT ENCODING h", r#""listpack""#),
            ("HSET h d 4", ":1"),
            ("OBJECT ENCODING h", r#""hashtable""#),
            ("HDEL h d c b", ":3"),
            ("OBJECT ENCODING h", r#""hashtable""#),
            ("HSET small a 1", ":1"),
            (&format!("HSET small a {long}"), ":0"),
            ("OBJECT ENCODING small", r#""hashtable""#),
            (&format!("HSET name {long} 1"), ":1"),
            ("OBJECT ENCODING name", r#""hashtable""#),
            (&format!("HSET fits a {}", &long[..64]), ":1"),
            ("OBJECT ENCODING fits", r#""listpack""#),
            (&format!("HINCRBY grown {long} 1"), ":1"),
            ("OBJECT ENCODING grown", r#""hashtable""#),
            ("HGET small a", &format!("{long:?}")),
        ],
    );
}

#[test]
fn repeated_fields_count_as_different_ones_for_the_limit() {
    if is_reference() {
        return;
    }
    check_fresh(
        &["--hash-max-listpack-entries", "3"],
        &[
            ("HSET h a 1 a 2 a 3 a 4", ":1"),
            ("OBJECT ENCODING h", r#""hashtable""#),
        ],
    );
}

#[test]
fn the_digest_is_that_of_redis_in_every_form() {
    const DIGEST: &str = "[+8c74982a8151f13b37041c3765bf30589b8af32f]";
    for form in FORMS {
        check_fresh(
            &[&["--enable-debug-command", "yes"], *form].concat(),
            &[
                ("HSET h a 1 b 22 c 333", ":3"),
                ("DEBUG DIGEST-VALUE h", DIGEST),
                ("HSET other c 333 a 1 b 22", ":3"),
                ("DEBUG DIGEST-VALUE other", DIGEST),
            ],
        );
    }
}

#[test]
fn scans_answer_each_field_once() {
    check_hashes(&[
        ("HSCAN none 0", r#"["0", []]"#),
        ("HSCAN none 0 COUNT x", r#"["0", []]"#),
        ("HSCAN none x", "-ERR invalid cursor"),
        ("HSET h field value", ":1"),
        ("HSCAN h x", "-ERR invalid cursor"),
        ("HSCAN h 0 COUNT 0", "-ERR syntax error"),
        (
            "HSCAN h 0 COUNT x",
            "-ERR value is not an integer or out of range",
        ),
        ("HSCAN h 0 NOSUCH", "-ERR syntax error"),
        ("HSCAN h 0 MATCH", "-ERR syntax error"),
        ("HSCAN h 0 COUNT 1000", r#"["0", ["field", "value"]]"#),
        (
            "HSCAN h 0 MATCH f* COUNT 1000",
            r#"["0", ["field", "value"]]"#,
        ),
        ("HSCAN h 0 COUNT 1000 MATCH x*", r#"["0", []]"#),
    ]);
    let server = Server::start(&[]);
    let mut connection = server.connect();
    fill(&mut connection, "h", 1000);
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let reply = connection.run(&format!("HSCAN h {cursor} COUNT 7"));
        let (next, mut found) = scanned(&reply);
        assert_eq!(found.len() % 2, 0);
        seen.extend(found.drain(..).step_by(2));
        cursor = next;
        if cursor == "0" {
            break;
        }
    }
    let different: HashSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), different.len()), (1000, 1000));
}

/// Cursor and elements of a scan's reply.
fn scanned(reply: &Reply) -> (String, Vec<String>) {
    let Reply::Array(parts) = reply else {
        panic!("a scan answers an array, not {reply}");
    };
    let [cursor, Reply::Array(found)] = parts.as_slice() else {
        panic!("a scan answers two parts, not {reply}");
    };
    (text(cursor), found.iter().map(text).collect())
}

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other} is no bulk string"),
    }
}

fn texts(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Array(parts) => parts.iter().map(text).collect(),
        other => panic!("{other} is no array"),
    }
}

/// Sets so many fields `fN` to `vN`.
fn fill(connection: &mut Connection, key: &str, fields: usize) {
    let mut words = vec!["HSET".to_owned(), key.to_owned()];
    for number in 0..fields {
        words.extend([format!("f{number}"), format!("v{number}")]);
    }
    let reply = connection.command(&words);
    assert_eq!(reply, Reply::Integer(fields as i64));
}

#[test]
fn scans_without_values_are_newer_than_redis_7_0() {
    if is_reference() {
        return;
    }
    check_hashes(&[
        ("HSET h field value", ":1"),
        ("HSCAN h 0 NOVALUES COUNT 1000", r#"["0", ["field"]]"#),
        (
            "HSCAN h 0 MATCH f* novalues COUNT 1000",
            r#"["0", ["field"]]"#,
        ),
    ]);
}

#[test]
fn random_fields_have_the_shape_that_was_asked_for() {
    const RANGE: &str = "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    check_hashes(&[
        ("HRANDFIELD none", "$-1"),
        ("HRANDFIELD none 2", "[]"),
        ("HRANDFIELD none -2 WITHVALUES", "[]"),
        ("HSET h a 1", ":1"),
        ("HRANDFIELD h", r#""a""#),
        ("HRANDFIELD h 0", "[]"),
        ("HRANDFIELD h 5", r#"["a"]"#),
        ("HRANDFIELD h -3", r#"["a", "a", "a"]"#),
        ("HRANDFIELD h 5 WITHVALUES", r#"["a", "1"] // [["a", "1"]]"#),
        (
            "HRANDFIELD h -2 withvalues",
            r#"["a", "1", "a", "1"] // [["a", "1"], ["a", "1"]]"#,
        ),
        (
            "HRANDFIELD h x",
            "-ERR value is not an integer or out of range",
        ),
        ("HRANDFIELD h -9223372036854775808", RANGE),
        (
            "HRANDFIELD h -9223372036854775807 WITHVALUES",
            "-ERR value is out of range",
        ),
        ("HRANDFIELD h 1 NOSUCH", "-ERR syntax error"),
        ("HRANDFIELD h 1 WITHVALUES x", "-ERR syntax error"),
    ]);
}

#[test]
fn random_fields_are_different_ones_and_all_are_drawn() {
    for (fields, counts) in [(20, [3, 10, 19]), (2000, [3, 500, 1990])] {
        let server = Server::start(&[]);
        let mut connection = server.connect();
        fill(&mut connection, "h", fields);
        for count in counts {
            let reply = connection.run(&format!("HRANDFIELD h {count} WITHVALUES"));
            let texts = texts(&reply);
            let drawn: BTreeMap<_, _> = texts.chunks(2).map(|pair| (&pair[0], &pair[1])).collect();
            assert_eq!((texts.len(), drawn.len()), (2 * count, count));
            assert!(drawn.iter().all(|(name, value)| name[1..] == value[1..]));
        }
        let repeated = texts(&connection.run(&format!("HRANDFIELD h -{}", fields * 20)));
        let different: HashSet<_> = repeated.iter().collect();
        assert_eq!((repeated.len(), different.len()), (fields * 20, fields));
    }
}

/// A reply of that size would take the server's memory.
#[test]
fn an_endless_answer_is_refused() {
    if is_reference() {
        return;
    }
    check_fresh(
        &[],
        &[
            ("HSET h a 1", ":1"),
            (
                "HRANDFIELD h -9223372036854775807",
                "-ERR value is out of range",
            ),
            ("HLEN h", ":1"),
        ],
    );
}

/// Random commands on few fields, so that all of them meet all cases, against a map.
#[test]
fn random_commands_agree_with_a_model() {
    for (seed, args) in FORMS.iter().enumerate() {
        let mut rng = fastrand::Rng::with_seed(seed as u64);
        let server = Server::start(args);
        let mut connection = server.connect();
        let mut model = BTreeMap::new();
        for step in 0..3000 {
            let name = format!("f{}", rng.u32(..12));
            let reply = match rng.u32(..6) {
                0..3 => {
                    let value = "v".repeat(rng.usize(..6));
                    let reply = connection.run(&format!("HSET h {name} \"{value}\""));
                    let is_new = model.insert(name, value).is_none();
                    (reply, Reply::Integer(is_new.into()))
                }
                3 => {
                    let reply = connection.run(&format!("HDEL h {name}"));
                    let was_there = model.remove(&name).is_some();
                    (reply, Reply::Integer(was_there.into()))
                }
                4 => {
                    let reply = connection.run("HLEN h");
                    (reply, Reply::Integer(model.len() as i64))
                }
                _ => {
                    let reply = connection.run(&format!("HGET h {name}"));
                    let value = model.get(&name).map(|value| value.clone().into_bytes());
                    (reply, value.map_or(Reply::Null("$-1"), Reply::Bulk))
                }
            };
            assert_eq!(reply.0, reply.1, "step {step} with {args:?}");
        }
        let all = texts(&connection.run("HGETALL h"));
        let pairs = all.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        assert_eq!(pairs.collect::<BTreeMap<_, _>>(), model);
    }
}

#[test]
fn copies_do_not_see_each_others_changes() {
    check_hashes(&[
        ("HSET h a 1 b 2", ":2"),
        ("COPY h copy", ":1"),
        ("HSET h a 3", ":0"),
        ("HDEL copy b", ":1"),
        ("HMGET h a b", r#"["3", "2"]"#),
        ("HMGET copy a b", r#"["1", $-1]"#),
        ("RENAME h other", "+OK"),
        ("HMGET other a b", r#"["3", "2"]"#),
    ]);
}

/// A regression: each of many copies came to refer to the same fields, and their count ended.
#[test]
fn a_hash_can_be_copied_and_changed_without_end() {
    let server = Server::start(&["--hash-max-listpack-entries", "1"]);
    let mut connection = server.connect();
    fill(&mut connection, "h", 100);
    let mut commands = Vec::new();
    for number in 0..9000 {
        commands.extend(encode(&["COPY", "h", &format!("copy{number}")]));
        commands.extend(encode(&["HSET", &format!("copy{number}"), "f1", "other"]));
    }
    connection.send(&commands);
    for _ in 0..9000 {
        assert_eq!(connection.read(), Reply::Integer(1));
        assert_eq!(connection.read(), Reply::Integer(0));
    }
    check(&mut connection, "HMGET h f1 f2", r#"["v1", "v2"]"#);
    check(
        &mut connection,
        "HMGET copy8999 f1 f2",
        r#"["other", "v2"]"#,
    );
}
