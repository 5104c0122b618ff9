//! Deadlines of hashes' fields over the wire: the commands that set and ask for them, what expired fields look like to the
//! other commands, and the sweep.
//!
//! Redis 7.4 and 8.0 brought these commands; the tables' replies are theirs, taken from their sources and their tests. A
//! reference server in `TEST_SERVER` has to be that new.

mod common;

use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, check, check_all};

/// Arguments for the forms in which the tables run. DEBUG is for switching the sweep off.
const FORMS: &[&[&str]] = &[
    &["--enable-debug-command", "yes"],
    &[
        "--enable-debug-command",
        "yes",
        "--hash-max-listpack-entries",
        "0",
    ],
];
const NO_SWEEP: (&str, &str) = ("DEBUG SET-ACTIVE-EXPIRE 0", "+OK");

/// Runs a table in both forms and both protocols.
#[track_caller]
fn check_hashes(table: &[(&str, &str)]) {
    for args in FORMS {
        check_all(&Server::start(args), table);
    }
}

/// Waits until `line` is answered by `want`.
#[track_caller]
fn wait_for(connection: &mut Connection, line: &str, want: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let reply = connection.run(line).to_string();
        if reply == want {
            return;
        }
        assert!(Instant::now() < until, "{line} still answers {reply}");
    }
}

/// A field of INFO, or of one of its lists of fields.
fn info(connection: &mut Connection, section: &str, name: &str) -> String {
    let Reply::Bulk(text) = connection.run(&format!("INFO {section}")) else {
        panic!("INFO answers text");
    };
    let text = String::from_utf8(text).expect("INFO is text");
    let after = text.split_once(name).map_or("", |found| found.1);
    after[1..]
        .split(['\r', ','])
        .next()
        .unwrap_or("")
        .to_owned()
}

#[test]
fn deadlines_are_set_asked_for_and_removed() {
    check_hashes(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HEXPIRE h 100 FIELDS 2 a none", "[:1, :-2]"),
        ("HTTL h FIELDS 3 a b none", "[:100, :-1, :-2]"),
        ("HPEXPIREAT h 32503680000123 FIELDS 1 b", "[:1]"),
        ("HPEXPIRETIME h FIELDS 2 b c", "[:32503680000123, :-1]"),
        // Rounded up.
        ("HEXPIRETIME h FIELDS 1 b", "[:32503680001]"),
        ("HEXPIREAT h 32503680000 FIELDS 1 c", "[:1]"),
        ("HPEXPIRETIME h FIELDS 1 c", "[:32503680000000]"),
        ("HPEXPIRE h 100000 FIELDS 1 c", "[:1]"),
        ("HTTL h FIELDS 1 c", "[:100]"),
        ("HPERSIST h FIELDS 3 a b none", "[:1, :1, :-2]"),
        ("HPERSIST h FIELDS 1 a", "[:-1]"),
        ("HTTL h FIELDS 3 a b none", "[:-1, :-1, :-2]"),
        ("HMGET h a b c", r#"["1", "2", "3"]"#),
        ("HEXPIRE missing 100 FIELDS 2 a b", "[:-2, :-2]"),
        ("HTTL missing FIELDS 2 a b", "[:-2, :-2]"),
        ("HPTTL missing FIELDS 1 a", "[:-2]"),
        ("HEXPIRETIME missing FIELDS 1 a", "[:-2]"),
        ("HPERSIST missing FIELDS 2 a b", "[:-2, :-2]"),
        ("EXISTS missing", ":0"),
    ]);
}

#[test]
fn conditions_compare_with_the_deadline_that_is_there() {
    check_hashes(&[
        ("HSET h a 1 b 2", ":2"),
        ("HEXPIRE h 100 XX FIELDS 1 a", "[:0]"),
        ("HEXPIRE h 100 GT FIELDS 1 a", "[:0]"),
        ("HEXPIRE h 100 NX FIELDS 1 a", "[:1]"),
        ("HEXPIRE h 200 NX FIELDS 2 a b", "[:0, :1]"),
        ("HEXPIRE h 50 GT FIELDS 1 a", "[:0]"),
        ("HEXPIRE h 150 gt FIELDS 1 a", "[:1]"),
        ("HEXPIRE h 180 LT FIELDS 1 a", "[:0]"),
        ("HEXPIRE h 120 LT FIELDS 1 a", "[:1]"),
        ("HEXPIRE h 300 XX FIELDS 1 a", "[:1]"),
        ("HPERSIST h FIELDS 1 a", "[:1]"),
        // No deadline is later than any.
        ("HEXPIRE h 300 LT FIELDS 1 a", "[:1]"),
        ("HTTL h FIELDS 2 a b", "[:300, :200]"),
        ("HPEXPIREAT h 32503680000123 FIELDS 1 a", "[:1]"),
        ("HPEXPIREAT h 32503680000123 GT FIELDS 1 a", "[:0]"),
        ("HPEXPIREAT h 32503680000123 LT FIELDS 1 a", "[:0]"),
    ]);
}

#[test]
fn a_deadline_in_the_past_removes_the_field() {
    check_hashes(&[
        ("HSET h a 1 b 2", ":2"),
        ("HEXPIRE h 0 FIELDS 2 a none", "[:2, :-2]"),
        ("HLEN h", ":1"),
        ("HPEXPIREAT h 1 NX FIELDS 1 b", "[:2]"),
        ("EXISTS h", ":0"),
        ("HSET h a 1", ":1"),
        ("HEXPIREAT h 1 FIELDS 1 a", "[:2]"),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn words_are_checked_in_the_order_of_redis() {
    const NO_FIELDS: &str =
        "-ERR Mandatory argument FIELDS is missing or not at the right position";
    const MISMATCH: &str = "-ERR The `numfields` parameter must match the number of arguments";
    const NUMBER: &str = "-ERR Parameter `numFields` should be greater than 0";
    const POSITIVE: &str = "-ERR Number of fields must be a positive integer";
    const INTEGER: &str = "-ERR value is not an integer or out of range";
    const NEGATIVE: &str = "-ERR invalid expire time, must be >= 0";
    check_hashes(&[
        (
            "HEXPIRE h 1 FIELDS 1",
            "-ERR wrong number of arguments for 'hexpire' command",
        ),
        ("HEXPIRE h x NX FIELDS 0 a", INTEGER),
        ("HEXPIRE h -1 FIELDS 1 a", NEGATIVE),
        ("HEXPIRE h 1 NOSUCH 1 a", NO_FIELDS),
        ("HEXPIRE h 1 NX XX FIELDS 1 a", NO_FIELDS),
        ("HEXPIRE h 1 FIELDS 0 a", NUMBER),
        ("HEXPIRE h 1 FIELDS x a", NUMBER),
        ("HEXPIRE h 1 FIELDS 9223372036854775808 a", NUMBER),
        ("HEXPIRE h 1 FIELDS 2 a", MISMATCH),
        ("HEXPIRE h 1 FIELDS 1 a b", MISMATCH),
        ("HEXPIRE h 1 NX FIELDS 9223372036854775807 a", MISMATCH),
        (
            "HEXPIRE h 9223372036854775807 FIELDS 1 a",
            "-ERR invalid expire time in 'hexpire' command",
        ),
        (
            "HPEXPIRE h 70368744177663 FIELDS 1 a",
            "-ERR invalid expire time in 'hpexpire' command",
        ),
        (
            "HEXPIREAT h 70368744178 FIELDS 1 a",
            "-ERR invalid expire time in 'hexpireat' command",
        ),
        (
            "HPEXPIREAT h 70368744177664 FIELDS 1 a",
            "-ERR invalid expire time in 'hpexpireat' command",
        ),
        ("HPEXPIREAT h 70368744177663 FIELDS 1 a", "[:-2]"),
        ("HTTL h NOSUCH 1 a", NO_FIELDS),
        ("HTTL h FIELDS 0 a", POSITIVE),
        ("HTTL h FIELDS 2 a", MISMATCH),
        ("HPERSIST h NOSUCH 1 a", NO_FIELDS),
        ("HPERSIST h FIELDS -1 a", POSITIVE),
        ("HPERSIST h FIELDS 2 a", MISMATCH),
        ("HGETDEL h NOSUCH 1 a", NO_FIELDS),
        ("HGETDEL h FIELDS 0 a", POSITIVE),
        ("HGETDEL h FIELDS 2 a", MISMATCH),
        ("HGETEX h NOSUCH 1 a", NO_FIELDS),
        ("HGETEX h PXAT 1 1", NO_FIELDS),
        ("HGETEX h PERSIST 1 FIELDS 1 a", NO_FIELDS),
        ("HGETEX h FIELDS 2 a", MISMATCH),
        ("HGETEX h FIELDS 0 a", POSITIVE),
        ("HGETEX h EX x FIELDS 1 a", INTEGER),
        ("HGETEX h PX -1 FIELDS 1 a", NEGATIVE),
        (
            "HGETEX h EXAT 281474976710656 FIELDS 1 a",
            "-ERR invalid expire time in 'hgetex' command",
        ),
        ("SET s text", "+OK"),
    ]);
}

#[test]
fn words_of_hsetex_are_checked_in_the_order_of_redis() {
    const ARITY: &str = "-ERR wrong number of arguments for 'hsetex' command";
    const ONE_CONDITION: &str = "-ERR Only one of FXX or FNX arguments can be specified";
    const ONE_EXPIRY: &str =
        "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    const BAD_NUMBER: &str = "-ERR invalid number of fields";
    check_hashes(&[
        ("HSETEX h FIELDS 1 a", ARITY),
        ("HSETEX h FIELDS 2 a b", ARITY),
        ("HSETEX h FIELDS 2 a b c", ARITY),
        ("HSETEX h FIELDS 1 a b unknown", ARITY),
        ("HSETEX h FIELDS 3 a b c d", ARITY),
        (
            "HSETEX h EX 10 KEEPTTL2 FIELDS 1 a b",
            "-ERR unknown argument: KEEPTTL2",
        ),
        ("HSETEX h nx FIELDS 1 a b", "-ERR unknown argument: nx"),
        ("HSETEX h FXX FXX FIELDS 1 a b", ONE_CONDITION),
        ("HSETEX h FNX EX 10 FXX FIELDS 1 a b", ONE_CONDITION),
        ("HSETEX h EX 10 PX 10 FIELDS 1 a b", ONE_EXPIRY),
        ("HSETEX h KEEPTTL EX 10 FIELDS 1 a b", ONE_EXPIRY),
        ("HSETEX h EX 10 KEEPTTL FIELDS 1 a b", ONE_EXPIRY),
        ("HSETEX h KEEPTTL KEEPTTL FIELDS 1 a b", ONE_EXPIRY),
        (
            "HSETEX h EX FIELDS 1 a b",
            "-ERR value is not an integer or out of range",
        ),
        (
            "HSETEX h EXAT -1 FIELDS 1 a",
            "-ERR invalid expire time, must be >= 0",
        ),
        (
            "HSETEX h PXAT 281474976710656 1 a b",
            "-ERR invalid expire time in 'hsetex' command",
        ),
        ("HSETEX h FIELDS x a b", BAD_NUMBER),
        ("HSETEX h FIELDS 0 a b", BAD_NUMBER),
        ("HSETEX h FIELDS -1 a b", BAD_NUMBER),
        ("HSETEX h KEEPTTL FNX KEEPTTL FNX FNX", ONE_EXPIRY),
        ("HSETEX h FNX 10 EX 10 EX", "-ERR unknown argument: 10"),
        ("HSETEX h FNX KEEPTTL FIELDS 1", ARITY),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn other_types_are_refused_before_words_are_read() {
    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    check_hashes(&[
        ("SET s text", "+OK"),
        ("HEXPIRE s x FIELDS 0 a", WRONG_TYPE),
        ("HPEXPIRE s 1 FIELDS 1 a", WRONG_TYPE),
        ("HEXPIREAT s 1 FIELDS 1 a", WRONG_TYPE),
        ("HPEXPIREAT s 1 FIELDS 1 a", WRONG_TYPE),
        ("HTTL s NOSUCH 0 a", WRONG_TYPE),
        ("HPTTL s FIELDS 1 a", WRONG_TYPE),
        ("HEXPIRETIME s FIELDS 1 a", WRONG_TYPE),
        ("HPEXPIRETIME s FIELDS 1 a", WRONG_TYPE),
        ("HPERSIST s NOSUCH 0 a", WRONG_TYPE),
        ("HGETDEL s NOSUCH 0 a", WRONG_TYPE),
        ("HGETEX s NOSUCH 0 a", WRONG_TYPE),
        ("HSETEX s FIELDS 1 a b", WRONG_TYPE),
        ("HSETEX s FIELDS 0 a b", "-ERR invalid number of fields"),
    ]);
}

#[test]
fn values_are_taken_out_with_their_fields() {
    check_hashes(&[
        ("HSET h a 1 b 2 c hello", ":3"),
        ("HGETDEL h FIELDS 2 a none", r#"["1", $-1]"#),
        ("HGETDEL h FIELDS 1 a", "[$-1]"),
        ("HGETDEL missing FIELDS 2 a b", "[$-1, $-1]"),
        ("HEXPIRE h 100 FIELDS 1 c", "[:1]"),
        ("HGETDEL h FIELDS 3 b c c", r#"["2", "hello", $-1]"#),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn values_are_read_and_deadlines_changed() {
    check_hashes(&[
        ("HSET h a 1 b 2 c hello", ":3"),
        ("HGETEX h FIELDS 2 a none", r#"["1", $-1]"#),
        ("HTTL h FIELDS 1 a", "[:-1]"),
        ("HGETEX h EX 100 FIELDS 1 a", r#"["1"]"#),
        ("HGETEX h PX 100000 FIELDS 1 b", r#"["2"]"#),
        ("HTTL h FIELDS 3 a b c", "[:100, :100, :-1]"),
        ("HGETEX h FIELDS 1 a", r#"["1"]"#),
        ("HGETEX h exat 32503680000 FIELDS 1 a", r#"["1"]"#),
        ("HGETEX h PXAT 32503680000123 FIELDS 1 b", r#"["2"]"#),
        (
            "HPEXPIRETIME h FIELDS 2 a b",
            "[:32503680000000, :32503680000123]",
        ),
        ("HGETEX h PERSIST FIELDS 2 a c", r#"["1", "hello"]"#),
        ("HTTL h FIELDS 1 a", "[:-1]"),
        ("HGETEX missing EX 100 FIELDS 2 a b", "[$-1, $-1]"),
        ("HGETEX h PXAT 1 FIELDS 3 a b c", r#"["1", "2", "hello"]"#),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn values_are_set_with_deadlines() {
    check_hashes(&[
        ("HSETEX h FXX FIELDS 1 a 1", ":0"),
        ("EXISTS h", ":0"),
        ("HSETEX h FNX EX 100 FIELDS 2 a 1 b 2", ":1"),
        ("HTTL h FIELDS 2 a b", "[:100, :100]"),
        ("HSETEX h FNX FIELDS 2 b 3 c 3", ":0"),
        ("HSETEX h FXX FIELDS 2 b 3 c 3", ":0"),
        ("HSETEX h KEEPTTL FXX FIELDS 1 a 5", ":1"),
        ("HSETEX h FIELDS 1 b 6", ":1"),
        ("HTTL h FIELDS 2 a b", "[:100, :-1]"),
        ("HMGET h a b c", r#"["5", "6", $-1]"#),
        ("HSETEX h PX 200000 FNX FIELDS 1 c 7", ":1"),
        ("HTTL h FIELDS 1 c", "[:200]"),
        ("HSETEX h EXAT 32503680000 FIELDS 1 c 7", ":1"),
        ("HEXPIRETIME h FIELDS 1 c", "[:32503680000]"),
        ("HSETEX h PXAT 1 FIELDS 2 c 8 d 9", ":1"),
        ("HMGET h c d", "[$-1, $-1]"),
        ("HSETEX new PXAT 1 FIELDS 1 c 8", ":1"),
        ("EXISTS new", ":0"),
        ("HSETEX h EXAT 1 FIELDS 2 a 1 b 2", ":1"),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn a_new_value_has_no_deadline_and_a_changed_number_keeps_its() {
    check_hashes(&[
        ("HSET h a 1 b 2 c 1.5", ":3"),
        ("HEXPIRE h 100 FIELDS 3 a b c", "[:1, :1, :1]"),
        ("HSET h a 5", ":0"),
        ("HINCRBY h b 1", ":3"),
        ("HINCRBYFLOAT h c 1", r#""2.5""#),
        ("HSETNX h b 1", ":0"),
        ("HTTL h FIELDS 3 a b c", "[:-1, :100, :100]"),
    ]);
}

#[test]
fn small_hashes_with_deadlines_have_an_encoding_of_their_own() {
    let server = Server::start(&["--hash-max-listpack-entries", "3"]);
    check_all(
        &server,
        &[
            ("HSET h a 1", ":1"),
            ("HEXPIRE h 100 FIELDS 1 a", "[:1]"),
            ("OBJECT ENCODING h", r#""listpackex""#),
            ("HPERSIST h FIELDS 1 a", "[:1]"),
            ("OBJECT ENCODING h", r#""listpackex""#),
            ("HEXPIRE h 100 FIELDS 1 a", "[:1]"),
            ("HSET h b 1 c 1", ":2"),
            ("OBJECT ENCODING h", r#""listpackex""#),
            ("HSET h d 1", ":1"),
            ("OBJECT ENCODING h", r#""hashtable""#),
            ("HTTL h FIELDS 4 a b c d", "[:100, :-1, :-1, :-1]"),
            ("HSETEX s EX 100 FIELDS 1 a 1", ":1"),
            ("OBJECT ENCODING s", r#""listpackex""#),
        ],
    );
}

/// Expired fields are invisible although nothing has removed them; HLEN, which does not look, still counts them.
#[test]
fn expired_fields_are_not_shown() {
    for args in FORMS {
        let server = Server::start(args);
        for mut connection in [server.connect(), server.connect_resp3()] {
            check(&mut connection, "FLUSHALL", "+OK");
            check(&mut connection, NO_SWEEP.0, NO_SWEEP.1);
            for key in ["h", "w"] {
                for line in [
                    format!("HSET {key} a 1 b 2 c 3 living 4"),
                    format!("HPEXPIRE {key} 1 FIELDS 3 a b c"),
                ] {
                    connection.run(&line);
                }
                wait_for(&mut connection, &format!("HPTTL {key} FIELDS 1 a"), "[:-2]");
            }
            for (line, want) in [
                ("HLEN h", ":4"),
                ("HGETALL h", r#"["living", "4"] // %{"living": "4"}"#),
                ("HKEYS h", r#"["living"]"#),
                ("HVALS h", r#"["4"]"#),
                ("HSCAN h 0 COUNT 1000", r#"["0", ["living", "4"]]"#),
                ("HTTL h FIELDS 2 a living", "[:-2, :-1]"),
                ("HPEXPIRETIME h FIELDS 1 a", "[:-2]"),
                ("HLEN h", ":4"),
                ("HMGET h a living", r#"[$-1, "4"]"#),
                ("HLEN h", ":3"),
                ("HGET h b", "$-1"),
                ("HLEN h", ":2"),
                ("HEXISTS h c", ":0"),
                ("HSTRLEN h c", ":0"),
                ("HLEN h", ":1"),
                ("HPERSIST w FIELDS 3 a b c", "[:-2, :-2, :-2]"),
                ("HEXPIRE w 100 FIELDS 2 a living", "[:-2, :1]"),
                ("HLEN w", ":4"),
                // What does not look at a field's value does not look at its deadline.
                ("HDEL w a", ":1"),
                ("HSET w b 5", ":0"),
                ("HINCRBY w c 5", ":5"),
                ("HTTL w FIELDS 3 a b c", "[:-2, :-1, :-1]"),
            ] {
                check(&mut connection, line, want);
            }
        }
    }
}

#[test]
fn random_fields_are_living_ones() {
    for args in FORMS {
        let server = Server::start(args);
        let mut connection = server.connect();
        check(&mut connection, NO_SWEEP.0, NO_SWEEP.1);
        let mut words = vec!["HSETEX", "h", "PX", "1", "FIELDS", "400"];
        let names: Vec<_> = (0..400).map(|number| format!("dead{number}")).collect();
        words.extend(names.iter().flat_map(|name| [name.as_str(), "1"]));
        assert_eq!(connection.command(&words), Reply::Integer(1));
        check(&mut connection, "HSETEX h FIELDS 2 a 1 b 1", ":1");
        wait_for(&mut connection, "HPTTL h FIELDS 1 dead1", "[:-2]");
        for line in ["HRANDFIELD h 400", "HRANDFIELD h -50", "HRANDFIELD h 1"] {
            let text = connection.run(line).to_string();
            assert!(
                !text.contains("dead") && text.contains('"'),
                "{line}: {text}"
            );
        }
    }
}

#[test]
fn a_hash_goes_with_its_last_field() {
    for args in FORMS {
        for (line, want) in [
            ("HMGET h a b", "[$-1, $-1]"),
            ("HDEL h a b", ":2"),
            ("HGETDEL h FIELDS 2 a b", "[$-1, $-1]"),
            ("HGETEX h FIELDS 2 a b", "[$-1, $-1]"),
            ("HRANDFIELD h", "$-1"),
            ("HRANDFIELD h 3", "[]"),
        ] {
            let server = Server::start(args);
            let mut connection = server.connect();
            check(&mut connection, NO_SWEEP.0, NO_SWEEP.1);
            check(&mut connection, "HSETEX h PX 1 FIELDS 2 a 1 b 2", ":1");
            wait_for(&mut connection, "HPTTL h FIELDS 1 a", "[:-2]");
            check(&mut connection, line, want);
            check(&mut connection, "EXISTS h", ":0");
        }
    }
}

#[test]
fn the_sweep_removes_what_is_due_and_counts_it() {
    for args in FORMS {
        let server = Server::start(args);
        let mut connection = server.connect();
        let mut words = vec!["HSETEX", "h", "PX", "1", "FIELDS", "1000"];
        let names: Vec<_> = (0..1000).map(|number| format!("f{number}")).collect();
        words.extend(names.iter().flat_map(|name| [name.as_str(), "1"]));
        assert_eq!(connection.command(&words), Reply::Integer(1));
        check(&mut connection, "HSET h living 1", ":1");
        check(&mut connection, "HSETEX gone PX 1 FIELDS 1 a 1", ":1");
        wait_for(&mut connection, "HLEN h", ":1");
        wait_for(&mut connection, "EXISTS gone", ":0");
        assert_eq!(info(&mut connection, "stats", "expired_subkeys"), "1001");
        assert_eq!(info(&mut connection, "keyspace", "subexpiry"), "0");
        check(&mut connection, "HGETALL h", r#"["living", "1"]"#);
    }
}

/// What INFO counts shows whether the data set knows of every hash that has deadlines, wherever it comes from or goes.
#[test]
fn hashes_with_deadlines_are_known_through_every_change() {
    let steps = [
        ("HSETEX h EX 100 FIELDS 1 a 1", 1),
        ("HSET h a 1", 0),
        ("HEXPIRE h 100 FIELDS 1 a", 1),
        ("HPERSIST h FIELDS 1 a", 0),
        ("HGETEX h EX 100 FIELDS 1 a", 1),
        ("COPY h copy", 2),
        ("RENAME copy other", 2),
        ("HDEL other a", 1),
        ("COPY h other", 2),
        ("SET other text", 1),
        ("COPY h other REPLACE", 2),
        ("DEL other", 1),
        ("HSET h b 1", 1),
        ("HGETDEL h FIELDS 1 a", 0),
        ("HEXPIRE h 100 FIELDS 1 b", 1),
        ("MOVE h 1", 0),
        ("SWAPDB 0 1", 1),
        ("EXPIRE h 0", 0),
        ("HSETEX h EX 100 FIELDS 1 a 1", 1),
        ("FLUSHDB", 0),
    ];
    for args in FORMS {
        let server = Server::start(args);
        let mut connection = server.connect();
        check(&mut connection, "SET key text", "+OK");
        for (line, want) in steps {
            connection.run(line);
            if line == "FLUSHDB" || line.starts_with("SWAPDB") {
                check(&mut connection, "SET key text", "+OK");
            }
            let known = info(&mut connection, "keyspace", "subexpiry");
            assert_eq!(known, want.to_string(), "after {line}");
        }
    }
}

#[test]
fn fields_expire_wherever_their_hash_has_gone() {
    for args in FORMS {
        let server = Server::start(args);
        let mut connection = server.connect();
        check(&mut connection, NO_SWEEP.0, NO_SWEEP.1);
        check(&mut connection, "HSETEX h PX 200 FIELDS 1 a 1", ":1");
        check(&mut connection, "HSET h living 1", ":1");
        check(&mut connection, "COPY h copy", ":1");
        check(&mut connection, "COPY h 1 DB 1", ":1");
        check(&mut connection, "RENAME h renamed", "+OK");
        check(&mut connection, "DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
        wait_for(&mut connection, "HLEN copy", ":1");
        wait_for(&mut connection, "HLEN renamed", ":1");
        check(&mut connection, "SELECT 1", "+OK");
        wait_for(&mut connection, "HLEN 1", ":1");
    }
}
