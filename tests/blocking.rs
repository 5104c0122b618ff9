//! Commands that wait, over the wire: who is served, when, in which order and with what.
//!
//! The scripts' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it. Where Redis
//! 7.2 and later answer otherwise, it is their answer that is expected, in a test of its own.

mod common;

use std::time::{Duration, Instant};

use common::{Connection, Server, check, check_reply, encode};

/// The clients of a script, and how many of them wait.
struct Stage {
    server: Server,
    actor: Connection,
    clients: Vec<Connection>,
    waiting: usize,
}

impl Stage {
    fn new(resp3: bool) -> Stage {
        let server = Server::start(&[]);
        let connect = || {
            if resp3 {
                server.connect_resp3()
            } else {
                server.connect()
            }
        };
        let (actor, clients) = (connect(), (0..4).map(|_| connect()).collect());
        Stage {
            server,
            actor,
            clients,
            waiting: 0,
        }
    }

    /// Waits until as many clients are blocked as there should be.
    #[track_caller]
    fn settle(&mut self, line: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        while info(&mut self.actor, "clients", "blocked_clients") != self.waiting.to_string() {
            assert!(
                Instant::now() < limit,
                "{} clients do not wait after {line}",
                self.waiting
            );
        }
    }

    #[track_caller]
    fn step(&mut self, line: &str, want: &str) {
        let bytes = line.as_bytes();
        let number = usize::from(bytes[0].wrapping_sub(b'1'));
        match (self.clients.get_mut(number), bytes.get(1)) {
            (Some(client), Some(b'>')) => {
                let words = ruddle::text::words::split(&bytes[2..]).expect("the quotes match");
                client.send(&encode(&words));
                self.waiting += 1;
                self.settle(line);
            }
            (Some(client), Some(b'<')) => {
                let reply = client.read();
                check_reply(client, line, &reply, want);
                self.waiting -= 1;
            }
            (Some(client), Some(b':')) => check(client, &line[2..], want),
            _ => check(&mut self.actor, line, want),
        }
    }
}

/// The value of a field of INFO.
fn info(connection: &mut Connection, section: &str, field: &str) -> String {
    let text = match connection.run(&format!("INFO {section}")) {
        common::Reply::Bulk(text) | common::Reply::Verbatim(text) => text,
        other => panic!("INFO answered {other}"),
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let prefix = format!("{field}:");
    let line = text
        .split("\r\n")
        .find_map(|line| line.strip_prefix(&prefix));
    line.unwrap_or_else(|| panic!("no {field} in {text}"))
        .to_owned()
}

/// Runs a script in RESP2 and in RESP3, each against a new server. A line is
///
/// | line | meaning |
/// |---|---|
/// | `1> BLPOP key 0` | client 1 sends a command, in which it waits |
/// | `1<` | what client 1 is answered at last |
/// | `1: GET key` | client 1 sends a command and is answered at once |
/// | `RPUSH key a` | another client does so |
///
/// At the end as many clients must wait as have not been answered.
#[track_caller]
fn play(script: &[(&str, &str)]) {
    for resp3 in [false, true] {
        let mut stage = Stage::new(resp3);
        for (line, want) in script {
            stage.step(line, want);
        }
        stage.settle("the end");
        check(&mut stage.actor, "PING", "+PONG");
        drop(stage.server);
    }
}

/// Whether the tests run against another server, which does not know what is newer than Redis 7.0.
fn is_old() -> bool {
    std::env::var("TEST_SERVER").is_ok()
}

#[test]
fn what_is_there_is_answered_at_once() {
    play(&[
        ("RPUSH l a b c d e f", ":6"),
        ("1: BLPOP none l 0", r#"["l", "a"]"#),
        ("1: BRPOP l none 1.5", r#"["l", "f"]"#),
        ("1: BLMPOP 0 2 none l LEFT COUNT 2", r#"["l", ["b", "c"]]"#),
        ("1: BLMPOP 0.01 1 none RIGHT", "*-1"),
        ("1: BLMOVE l m LEFT RIGHT 0", r#""d""#),
        ("1: BRPOPLPUSH l m 0", r#""e""#),
        ("LRANGE m 0 -1", r#"["e", "d"]"#),
        ("EXISTS l", ":0"),
        ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"),
        (
            "1: BZPOPMIN none z 0",
            r#"["z", "a", "1"] // ["z", "a", ,1]"#,
        ),
        ("1: BZPOPMAX z 0", r#"["z", "e", "5"] // ["z", "e", ,5]"#),
        (
            "1: BZMPOP 0 2 none z MAX COUNT 2",
            r#"["z", [["d", "4"], ["c", "3"]]] // ["z", [["d", ,4], ["c", ,3]]]"#,
        ),
        (
            "1: BZMPOP 0 1 z MIN",
            r#"["z", [["b", "2"]]] // ["z", [["b", ,2]]]"#,
        ),
        ("EXISTS z", ":0"),
        ("XADD s 1-1 f v", r#""1-1""#),
        (
            "1: XREAD BLOCK 0 STREAMS s 0",
            r#"[["s", [["1-1", ["f", "v"]]]]] // %{"s": [["1-1", ["f", "v"]]]}"#,
        ),
    ]);
}

#[test]
fn errors_come_before_any_waiting() {
    const NOT_FLOAT: &str = "-ERR timeout is not a float or out of range";
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    play(&[
        ("SET s v", "+OK"),
        ("BLPOP none x", NOT_FLOAT),
        ("BLPOP none nan", NOT_FLOAT),
        ("BLPOP none ''", NOT_FLOAT),
        ("BLPOP none ' 1'", NOT_FLOAT),
        ("BLPOP none -1", "-ERR timeout is negative"),
        ("BLPOP s x", NOT_FLOAT),
        ("BLPOP none s 0", WRONG),
        ("BRPOP s 0", WRONG),
        ("BLMPOP -1 1 none LEFT", "-ERR timeout is negative"),
        ("BLMPOP x 1 none LEFT", NOT_FLOAT),
        ("BZMPOP x 1 none MIN", NOT_FLOAT),
        (
            "BLMPOP x 0 none LEFT",
            "-ERR numkeys should be greater than 0",
        ),
        ("BLMPOP 0 2 none LEFT", "-ERR syntax error"),
        ("BLMPOP 0 1 none MIDDLE", "-ERR syntax error"),
        (
            "BLMPOP 0 1 none LEFT COUNT 0",
            "-ERR count should be greater than 0",
        ),
        ("BLMPOP 0 1 s LEFT", WRONG),
        ("BLMOVE s d LEFT RIGHT 0", WRONG),
        ("BLMOVE none d LEFT UP x", "-ERR syntax error"),
        ("BLMOVE none d LEFT RIGHT x", NOT_FLOAT),
        ("BRPOPLPUSH s d 0", WRONG),
        ("BRPOPLPUSH none d -0.5", "-ERR timeout is negative"),
        ("BZPOPMIN s 0", WRONG),
        ("BZPOPMAX none -1", "-ERR timeout is negative"),
        (
            "BZMPOP x 0 none MIN",
            "-ERR numkeys should be greater than 0",
        ),
        ("BZMPOP 0 1 none LEFT", "-ERR syntax error"),
        ("BZMPOP 0 1 s MIN", WRONG),
        (
            "XREAD BLOCK x STREAMS none $",
            "-ERR timeout is not an integer or out of range",
        ),
        (
            "XREAD BLOCK 0.5 STREAMS none $",
            "-ERR timeout is not an integer or out of range",
        ),
        ("XREAD BLOCK -1 STREAMS none $", "-ERR timeout is negative"),
        ("XREAD BLOCK 0 STREAMS s $", WRONG),
        ("WAIT x 0", "-ERR value is not an integer or out of range"),
        ("WAIT 1 x", "-ERR timeout is not an integer or out of range"),
        ("WAIT 1 -1", "-ERR timeout is negative"),
        ("RPUSH l a", ":1"),
        ("BLMOVE l s LEFT LEFT 0", WRONG),
        ("LRANGE l 0 -1", r#"["a"]"#),
    ]);
}

#[test]
fn timeouts_end_the_wait() {
    play(&[
        ("1: BLPOP none 0.001", "*-1"),
        ("1: BRPOP none none other 0.01", "*-1"),
        ("1: BLMOVE none d LEFT RIGHT 0.01", "*-1"),
        ("1: BRPOPLPUSH none d 0.0001", "*-1"),
        ("1: BLMPOP 0.01 1 none LEFT", "*-1"),
        ("1: BZPOPMIN none 0.01", "*-1"),
        ("1: BZPOPMAX none 0.01", "*-1"),
        ("1: BZMPOP 0.01 1 none MAX", "*-1"),
        ("1: XREAD BLOCK 1 STREAMS none $", "*-1"),
        ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
        ("1: XREADGROUP GROUP g c BLOCK 10 STREAMS s >", "*-1"),
        ("1: WAIT 1 10", ":0"),
        ("1: WAIT 0 0", ":0"),
        ("1: WAIT -1 0", ":0"),
        // Who comes later may be through earlier.
        ("1> BLPOP none 100", ""),
        ("2: BLPOP none 0.01", "*-1"),
        ("RPUSH none a", ":1"),
        ("1<", r#"["none", "a"]"#),
    ]);
}

#[test]
fn timeouts_are_neither_too_short_nor_much_too_long() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for (line, least_ms) in [
        ("BLPOP none 0.15", 150),
        ("XREAD BLOCK 120 STREAMS none $", 120),
    ] {
        let start = Instant::now();
        check(&mut connection, line, "*-1");
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(least_ms - 1),
            "{line} took {took:?}"
        );
        assert!(took < Duration::from_secs(5), "{line} took {took:?}");
    }
}

#[test]
fn timeouts_out_of_range_are_errors() {
    if is_old() {
        return;
    }
    play(&[
        (
            "BLPOP none 9223372036854775807",
            "-ERR timeout is out of range",
        ),
        ("BLPOP none inf", "-ERR timeout is out of range"),
        (
            "BLPOP none 9223372036854775",
            "-ERR timeout is out of range",
        ),
        ("BZPOPMIN none 1e300", "-ERR timeout is out of range"),
        (
            "XREAD BLOCK 9223372036854775807 STREAMS none $",
            "-ERR timeout is out of range",
        ),
        ("WAIT 1 9223372036854775807", "-ERR timeout is out of range"),
        ("1> BLPOP none 1000000000000", ""),
    ]);
}

#[test]
fn clients_are_served_in_the_order_of_their_arrival() {
    play(&[
        ("1> BLPOP l 0", ""),
        ("2> BRPOP l 0", ""),
        ("3> BLMPOP 0 1 l LEFT COUNT 5", ""),
        ("4> BLPOP other l 0", ""),
        ("RPUSH l a b c d", ":4"),
        ("1<", r#"["l", "a"]"#),
        ("2<", r#"["l", "d"]"#),
        ("3<", r#"["l", ["b", "c"]]"#),
        ("EXISTS l", ":0"),
        ("RPUSH l e f", ":2"),
        ("4<", r#"["l", "e"]"#),
        ("LRANGE l 0 -1", r#"["f"]"#),
        ("1> BZPOPMIN z 0", ""),
        ("2> BZMPOP 0 2 y z MAX COUNT 2", ""),
        ("3> BZPOPMAX z 0", ""),
        ("ZADD z 1 a 2 b 3 c", ":3"),
        ("1<", r#"["z", "a", "1"] // ["z", "a", ,1]"#),
        (
            "2<",
            r#"["z", [["c", "3"], ["b", "2"]]] // ["z", [["c", ,3], ["b", ,2]]]"#,
        ),
        ("ZADD z 7 x", ":1"),
        ("3<", r#"["z", "x", "7"] // ["z", "x", ,7]"#),
    ]);
}

#[test]
fn a_key_named_twice_counts_once() {
    play(&[
        ("1> BLPOP l l other l 0", ""),
        ("RPUSH l a b", ":2"),
        ("1<", r#"["l", "a"]"#),
        ("LRANGE l 0 -1", r#"["b"]"#),
        ("1: BLPOP l l 0", r#"["l", "b"]"#),
        ("1> BZPOPMIN z z 0", ""),
        ("ZADD z 1 a", ":1"),
        ("1<", r#"["z", "a", "1"] // ["z", "a", ,1]"#),
    ]);
}

#[test]
fn other_types_wake_nobody() {
    play(&[
        ("1> BLPOP k 0", ""),
        ("2> BZPOPMIN k 0", ""),
        ("3> XREAD BLOCK 0 STREAMS k $", ""),
        ("SET k v", "+OK"),
        ("APPEND k w", ":2"),
        ("DEL k", ":1"),
        ("SADD k m", ":1"),
        ("DEL k", ":1"),
        ("ZADD k 1 m", ":1"),
        ("2<", r#"["k", "m", "1"] // ["k", "m", ,1]"#),
        ("RPUSH k e", ":1"),
        ("1<", r#"["k", "e"]"#),
        ("XADD k 1-1 f v", r#""1-1""#),
        (
            "3<",
            r#"[["k", [["1-1", ["f", "v"]]]]] // %{"k": [["1-1", ["f", "v"]]]}"#,
        ),
    ]);
}

#[test]
fn moves_feed_those_who_wait_for_their_destination() {
    play(&[
        ("1> BLMOVE a b LEFT LEFT 0", ""),
        ("2> BRPOPLPUSH b c 0", ""),
        ("3> BLPOP c 0", ""),
        ("RPUSH a x", ":1"),
        ("1<", r#""x""#),
        ("2<", r#""x""#),
        ("3<", r#"["c", "x"]"#),
        ("EXISTS a b c", ":0"),
        // In a circle, and onto itself.
        ("1> BRPOPLPUSH a b 0", ""),
        ("2> BRPOPLPUSH b a 0", ""),
        ("RPUSH a y", ":1"),
        ("1<", r#""y""#),
        ("2<", r#""y""#),
        ("LRANGE a 0 -1", r#"["y"]"#),
        ("DEL a", ":1"),
        ("1> BLMOVE a a RIGHT LEFT 0", ""),
        ("RPUSH a 1 2 3", ":3"),
        ("1<", r#""3""#),
        ("LRANGE a 0 -1", r#"["3", "1", "2"]"#),
    ]);
}

#[test]
fn a_destination_of_another_type_is_that_clients_error_alone() {
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    play(&[
        ("SET s v", "+OK"),
        ("1> BLMOVE l s LEFT LEFT 0", ""),
        ("2> BRPOPLPUSH l s 0", ""),
        ("3> BLMOVE l d LEFT LEFT 0", ""),
        ("RPUSH l a", ":1"),
        ("1<", WRONG),
        ("2<", WRONG),
        ("3<", r#""a""#),
        ("LRANGE d 0 -1", r#"["a"]"#),
    ]);
}

#[test]
fn every_way_to_come_by_a_value_wakes() {
    play(&[
        ("1> BLPOP k 0", ""),
        ("LPUSH from a", ":1"),
        ("RENAME from k", "+OK"),
        ("1<", r#"["k", "a"]"#),
        ("1> BLPOP k 0", ""),
        ("LPUSH from b", ":1"),
        ("COPY from k", ":1"),
        ("1<", r#"["k", "b"]"#),
        ("1> BLPOP k 0", ""),
        ("RENAMENX from k", ":1"),
        ("1<", r#"["k", "b"]"#),
        ("1> BLPOP k 0", ""),
        ("LPUSH from 3 1 2", ":3"),
        ("SORT from STORE k", ":3"),
        ("1<", r#"["k", "1"]"#),
        ("DEL k", ":1"),
        ("1> BLPOP k 0", ""),
        ("LMOVE from k LEFT LEFT", r#""2""#),
        ("1<", r#"["k", "2"]"#),
        ("1> BZPOPMIN k 0", ""),
        ("ZADD z 1 a", ":1"),
        ("ZUNIONSTORE k 1 z", ":1"),
        ("1<", r#"["k", "a", "1"] // ["k", "a", ,1]"#),
        ("1> BZPOPMIN k 0", ""),
        ("ZRANGESTORE k z 0 -1", ":1"),
        ("1<", r#"["k", "a", "1"] // ["k", "a", ,1]"#),
        ("1> BZPOPMIN k 0", ""),
        ("ZINCRBY k 2 b", r#""2" // ,2"#),
        ("1<", r#"["k", "b", "2"] // ["k", "b", ,2]"#),
        ("GEOADD g 0 0 m", ":1"),
        ("1> BZPOPMIN k 0", ""),
        (
            "GEOSEARCHSTORE k g FROMMEMBER m BYRADIUS 1 m STOREDIST",
            ":1",
        ),
        ("1<", r#"["k", "m", "0"] // ["k", "m", ,0]"#),
        ("1> BZPOPMIN k 0", ""),
        ("GEOADD k 0 0 n", ":1"),
        (
            "1<",
            r#"["k", "n", "3377699720527872"] // ["k", "n", ,3377699720527872]"#,
        ),
    ]);
}

#[test]
fn other_databases_are_other_keys() {
    play(&[
        ("1: SELECT 1", "+OK"),
        ("1> BLPOP k 0", ""),
        ("2> BLPOP k 0", ""),
        ("RPUSH k a", ":1"),
        ("2<", r#"["k", "a"]"#),
        ("RPUSH k b", ":1"),
        ("MOVE k 1", ":1"),
        ("1<", r#"["k", "b"]"#),
        ("1> BLPOP k 0", ""),
        ("RPUSH from c", ":1"),
        ("COPY from k DB 1", ":1"),
        ("1<", r#"["k", "c"]"#),
        ("1> BLPOP k 0", ""),
        ("RPUSH k d", ":1"),
        ("SWAPDB 0 1", "+OK"),
        ("1<", r#"["k", "d"]"#),
        ("1> BLPOP k 0", ""),
        ("SWAPDB 3 1", "+OK"),
        ("RPUSH k e", ":1"),
        ("SWAPDB 0 0", "+OK"),
        ("SWAPDB 1 0", "+OK"),
        ("1<", r#"["k", "e"]"#),
    ]);
}

#[test]
fn transactions_serve_when_they_are_over() {
    play(&[
        ("1> BLPOP k 0", ""),
        ("MULTI", "+OK"),
        ("RPUSH k a", "+QUEUED"),
        ("DEL k", "+QUEUED"),
        ("EXEC", "[:1, :1]"),
        ("MULTI", "+OK"),
        ("RPUSH k a", "+QUEUED"),
        ("DEL k", "+QUEUED"),
        ("SET k v", "+QUEUED"),
        ("EXEC", "[:1, :1, +OK]"),
        ("DEL k", ":1"),
        ("MULTI", "+OK"),
        ("RPUSH k a", "+QUEUED"),
        ("RPUSH k b", "+QUEUED"),
        ("LSET k 0 c", "+QUEUED"),
        ("EXEC", "[:1, :2, +OK]"),
        ("1<", r#"["k", "c"]"#),
    ]);
}

#[test]
fn within_a_transaction_nothing_waits() {
    play(&[
        ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
        ("MULTI", "+OK"),
        ("BLPOP none 0", "+QUEUED"),
        ("BRPOP none 0", "+QUEUED"),
        ("BLMPOP 0 1 none LEFT", "+QUEUED"),
        ("BLMOVE none d LEFT LEFT 0", "+QUEUED"),
        ("BRPOPLPUSH none d 0", "+QUEUED"),
        ("BZPOPMIN none 0", "+QUEUED"),
        ("BZMPOP 0 1 none MIN", "+QUEUED"),
        ("XREAD BLOCK 0 STREAMS s $", "+QUEUED"),
        ("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "+QUEUED"),
        ("WAIT 3 0", "+QUEUED"),
        ("EXEC", "[*-1, *-1, *-1, $-1, $-1, *-1, *-1, *-1, *-1, :0]"),
    ]);
}

#[test]
fn an_order_of_keys_is_that_of_the_command() {
    if is_old() {
        // Redis 7.0 serves from the key that was filled first.
        return;
    }
    play(&[
        ("1> BLPOP a b 0", ""),
        ("MULTI", "+OK"),
        ("RPUSH b 2", "+QUEUED"),
        ("RPUSH a 1", "+QUEUED"),
        ("EXEC", "[:1, :1]"),
        ("1<", r#"["a", "1"]"#),
        ("LRANGE b 0 -1", r#"["2"]"#),
    ]);
}

#[test]
fn streams_are_read_from_where_they_ended() {
    play(&[
        ("XADD s 5-1 f old", r#""5-1""#),
        ("1> XREAD BLOCK 0 STREAMS none s $ $", ""),
        ("2> XREAD COUNT 1 BLOCK 0 STREAMS s 5-2", ""),
        ("3> XREAD BLOCK 0 STREAMS s 9", ""),
        ("XADD s 5-2 f new", r#""5-2""#),
        (
            "1<",
            r#"[["s", [["5-2", ["f", "new"]]]]] // %{"s": [["5-2", ["f", "new"]]]}"#,
        ),
        ("MULTI", "+OK"),
        ("XADD s 5-3 f a", "+QUEUED"),
        ("XADD s 9-9 f b", "+QUEUED"),
        ("EXEC", r#"["5-3", "9-9"]"#),
        (
            "2<",
            r#"[["s", [["5-3", ["f", "a"]]]]] // %{"s": [["5-3", ["f", "a"]]]}"#,
        ),
        (
            "3<",
            r#"[["s", [["9-9", ["f", "b"]]]]] // %{"s": [["9-9", ["f", "b"]]]}"#,
        ),
        // Gone and there again: smaller ids are nothing new.
        ("1> XREAD BLOCK 0 STREAMS s $", ""),
        ("DEL s", ":1"),
        ("XADD s 1-1 f v", r#""1-1""#),
        (
            "RPUSH s x",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("XADD s 10-0 f c", r#""10-0""#),
        (
            "1<",
            r#"[["s", [["10-0", ["f", "c"]]]]] // %{"s": [["10-0", ["f", "c"]]]}"#,
        ),
    ]);
}

#[test]
fn a_group_shares_what_comes() {
    play(&[
        ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
        ("1> XREADGROUP GROUP g a COUNT 1 BLOCK 0 STREAMS s >", ""),
        ("2> XREADGROUP GROUP g b BLOCK 0 STREAMS s >", ""),
        ("XADD s 1-1 f v", r#""1-1""#),
        (
            "1<",
            r#"[["s", [["1-1", ["f", "v"]]]]] // %{"s": [["1-1", ["f", "v"]]]}"#,
        ),
        ("XADD s 1-2 f v", r#""1-2""#),
        (
            "2<",
            r#"[["s", [["1-2", ["f", "v"]]]]] // %{"s": [["1-2", ["f", "v"]]]}"#,
        ),
        (
            "XPENDING s g",
            r#"[:2, "1-1", "1-2", [["a", "1"], ["b", "1"]]]"#,
        ),
        (
            "1: XREADGROUP GROUP g a BLOCK 0 STREAMS s 0",
            r#"[["s", [["1-1", ["f", "v"]]]]] // %{"s": [["1-1", ["f", "v"]]]}"#,
        ),
    ]);
}

#[test]
fn each_group_gets_what_comes() {
    play(&[
        ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
        ("XGROUP CREATE s h $", "+OK"),
        ("1> XREADGROUP GROUP g a COUNT 1 BLOCK 0 STREAMS s >", ""),
        ("2> XREADGROUP GROUP g b COUNT 1 BLOCK 0 STREAMS s >", ""),
        ("3> XREADGROUP GROUP h a COUNT 1 BLOCK 0 STREAMS s >", ""),
        ("XADD s 1-1 f v", r#""1-1""#),
        (
            "1<",
            r#"[["s", [["1-1", ["f", "v"]]]]] // %{"s": [["1-1", ["f", "v"]]]}"#,
        ),
        (
            "3<",
            r#"[["s", [["1-1", ["f", "v"]]]]] // %{"s": [["1-1", ["f", "v"]]]}"#,
        ),
        ("1> XREADGROUP GROUP h a COUNT 1 BLOCK 0 STREAMS s >", ""),
        ("MULTI", "+OK"),
        ("XADD s 1-2 f v", "+QUEUED"),
        ("XADD s 1-3 f v", "+QUEUED"),
        ("EXEC", r#"["1-2", "1-3"]"#),
        (
            "2<",
            r#"[["s", [["1-2", ["f", "v"]]]]] // %{"s": [["1-2", ["f", "v"]]]}"#,
        ),
        (
            "1<",
            r#"[["s", [["1-2", ["f", "v"]]]]] // %{"s": [["1-2", ["f", "v"]]]}"#,
        ),
    ]);
}

#[test]
fn scripts_serve_when_they_are_over() {
    play(&[
        ("1> BLPOP k 0", ""),
        (
            "EVAL \"redis.call('RPUSH', 'k', 'a') return redis.call('DEL', 'k')\" 1 k",
            ":1",
        ),
        (
            "EVAL \"redis.call('RPUSH', 'k', 'a', 'b') return redis.call('LPOP', 'k')\" 1 k",
            r#""a""#,
        ),
        ("1<", r#"["k", "b"]"#),
    ]);
}

#[test]
fn within_a_script_nothing_waits() {
    if is_old() {
        // Redis 7.0 refuses these commands in scripts.
        return;
    }
    for (command, want) in [
        ("'BLPOP', 'none', '0'", "$-1"),
        ("'BLMOVE', 'none', 'd', 'LEFT', 'LEFT', '0'", "$-1"),
        ("'BZMPOP', '0', '1', 'none', 'MIN'", "$-1"),
        ("'XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'", "$-1"),
        ("'WAIT', '1', '0'", ":0"),
    ] {
        let line = format!("EVAL \"return redis.call({command})\" 0");
        play(&[(&line, want)]);
    }
}

#[test]
fn a_group_that_is_set_back_has_something_for_who_waits() {
    if is_old() {
        // Redis looks again only when an entry comes.
        return;
    }
    play(&[
        ("XADD s 1-1 f v", r#""1-1""#),
        ("XGROUP CREATE s g $", "+OK"),
        ("1> XREADGROUP GROUP g a BLOCK 0 STREAMS s >", ""),
        ("XGROUP SETID s g 0", "+OK"),
        (
            "1<",
            r#"[["s", [["1-1", ["f", "v"]]]]] // %{"s": [["1-1", ["f", "v"]]]}"#,
        ),
    ]);
}

/// Redis 7.0 tells that the key or the group `no longer exists`, later ones what running the command again answers; the
/// texts here are both.
#[test]
fn the_loss_of_a_stream_or_group_ends_the_wait() {
    const LOST: &str = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option: what was waited \
                        for no longer exists";
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value: the stream that was waited \
                         for no longer exists";
    if is_old() {
        return;
    }
    let losses: &[(&[(&str, &str)], &str)] = &[
        (&[("DEL s", ":1")], LOST),
        (&[("UNLINK s", ":1")], LOST),
        (&[("RENAME s t", "+OK")], LOST),
        (&[("XGROUP DESTROY s g", ":1")], LOST),
        (&[("FLUSHDB", "+OK")], LOST),
        (&[("FLUSHALL", "+OK")], LOST),
        (&[("SWAPDB 0 2", "+OK")], LOST),
        (&[("PEXPIREAT s 1", ":1")], LOST),
        (&[("SET s v", "+OK")], WRONG),
        (
            &[
                ("MULTI", "+OK"),
                ("DEL s", "+QUEUED"),
                ("SADD s m", "+QUEUED"),
                ("EXEC", "[:1, :1]"),
            ],
            WRONG,
        ),
        (
            &[
                ("SELECT 2", "+OK"),
                ("RPUSH s a", ":1"),
                ("SWAPDB 2 0", "+OK"),
                ("SELECT 0", "+OK"),
            ],
            WRONG,
        ),
    ];
    for (loss, want) in losses {
        let mut script = vec![
            ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
            ("1> XREADGROUP GROUP g c BLOCK 0 STREAMS s >", ""),
        ];
        script.extend_from_slice(loss);
        script.push(("1<", want));
        play(&script);
    }
}

#[test]
fn an_expiry_ends_the_wait_for_a_group() {
    let mut stage = Stage::new(false);
    stage.step("XGROUP CREATE s g $ MKSTREAM", "+OK");
    stage.step("1> XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "");
    stage.step("PEXPIRE s 5", ":1");
    let reply = stage.clients[0].read().to_string();
    assert!(reply.contains("no longer exists"), "{reply}");
}

#[test]
fn client_unblock_ends_a_wait() {
    let mut stage = Stage::new(false);
    let id = stage.clients[0].run("CLIENT ID").to_string();
    let id = id.trim_start_matches(':');
    let unblocked = "-UNBLOCKED client unblocked via CLIENT UNBLOCK";
    for (waits, in_vain) in [
        ("1> BLPOP l 0", "*-1"),
        ("1> BLMOVE l m LEFT LEFT 0", "*-1"),
        ("1> BZPOPMIN z 100", "*-1"),
        ("1> XREAD BLOCK 0 STREAMS s $", "*-1"),
        ("1> WAIT 1 0", ":0"),
    ] {
        for (how, want) in [("", in_vain), (" TIMEOUT", in_vain), (" error", unblocked)] {
            stage.step(waits, "");
            stage.step(&format!("CLIENT UNBLOCK {id}{how}"), ":1");
            stage.step("1<", want);
            stage.step(&format!("CLIENT UNBLOCK {id}{how}"), ":0");
        }
    }
    stage.step(
        "CLIENT UNBLOCK 1 NOW",
        "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
    );
    stage.step(
        "CLIENT UNBLOCK x",
        "-ERR value is not an integer or out of range",
    );
    stage.step("CLIENT UNBLOCK -1", ":0");
    stage.step("RPUSH l a", ":1");
    stage.step("LRANGE l 0 -1", r#"["a"]"#);
}

#[test]
fn who_has_left_gets_nothing() {
    let mut stage = Stage::new(false);
    stage.step("1> BLPOP l 0", "");
    stage.step("2> BLPOP l 0", "");
    stage.step("3> BLPOP l 0", "");
    let id = stage.server.connect().run("CLIENT ID").to_string();
    assert!(id.starts_with(':'), "{id}");
    // The first leaves by itself, the second is closed.
    drop(stage.clients.remove(0));
    stage.waiting -= 1;
    stage.settle("the first has left");
    let list = stage.actor.run("CLIENT LIST").to_string();
    let blocked = list.split("\\n").find(|line| line.contains("flags=b"));
    let second = blocked.expect("one is blocked").trim_start_matches('"');
    let second = second
        .split(' ')
        .next()
        .expect("it has an id")
        .replace('=', " ");
    stage.step(&format!("CLIENT KILL {second}"), ":1");
    stage.step("RPUSH l a", ":1");
    let reply = stage.clients[1].read().to_string();
    assert_eq!(reply, r#"["l", "a"]"#);
    assert!(stage.clients[0].is_closed());
    stage.waiting = 0;
    stage.settle("all have left");
}

#[test]
fn what_follows_runs_when_the_wait_is_over() {
    let mut stage = Stage::new(false);
    let client = &mut stage.clients[0];
    client.send(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nl\r\n$1\r\n0\r\nPING\r\nBLPOP l 0\r\n");
    stage.waiting = 1;
    stage.settle("the first BLPOP");
    stage.clients[0].send(b"PING again\r\n");
    stage.step("RPUSH l a", ":1");
    stage.step("1<", r#"["l", "a"]"#);
    stage.waiting += 1;
    stage.settle("the second BLPOP");
    assert_eq!(stage.clients[0].read().to_string(), "+PONG");
    stage.step("RPUSH l b", ":1");
    stage.step("1<", r#"["l", "b"]"#);
    assert_eq!(stage.clients[0].read().to_string(), r#""again""#);
}

#[test]
fn info_and_client_list_know_who_waits() {
    let mut stage = Stage::new(false);
    stage.step("XGROUP CREATE s g $ MKSTREAM", "+OK");
    stage.step("1> BLPOP a b c 100", "");
    stage.step("2> BZPOPMIN c d 0", "");
    stage.step("3> XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "");
    let clients = |actor: &mut Connection, field| info(actor, "clients", field);
    let list = stage.actor.run("CLIENT LIST").to_string();
    assert_eq!(list.matches(" flags=b ").count(), 3, "{list}");
    assert!(list.contains(" cmd=blpop "), "{list}");
    assert_eq!(clients(&mut stage.actor, "clients_in_timeout_table"), "1");
    if is_old() {
        return;
    }
    assert_eq!(clients(&mut stage.actor, "total_blocking_keys"), "5");
    assert_eq!(
        clients(&mut stage.actor, "total_blocking_keys_on_nokey"),
        "1"
    );
    stage.step("RPUSH b x", ":1");
    stage.step("1<", r#"["b", "x"]"#);
    stage.settle("RPUSH");
    assert_eq!(clients(&mut stage.actor, "clients_in_timeout_table"), "0");
    assert_eq!(clients(&mut stage.actor, "total_blocking_keys"), "3");
}

#[test]
fn a_command_that_waits_is_called_once() {
    let mut stage = Stage::new(false);
    stage.step("XGROUP CREATE s g $ MKSTREAM", "+OK");
    stage.step("CONFIG RESETSTAT", "+OK");
    stage.step("1> XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "");
    stage.step("2> BLPOP l 0", "");
    stage.step("XGROUP CREATECONSUMER s g d", ":1");
    stage.step("XGROUP CREATECONSUMER s g e", ":1");
    stage.step("RPUSH l a", ":1");
    stage.step("2<", r#"["l", "a"]"#);
    stage.step("XGROUP DESTROY s g", ":1");
    assert!(stage.clients[0].read().to_string().starts_with("-NOGROUP"));
    stage.step("1: BLPOP l 0.01", "*-1");
    let counts = |actor: &mut Connection, command: &str| {
        let line = info(actor, "commandstats", &format!("cmdstat_{command}"));
        let field = |name: &str| {
            let found = line.split(',').find_map(|field| field.strip_prefix(name));
            found
                .unwrap_or_else(|| panic!("no {name} in {line}"))
                .to_owned()
        };
        (field("calls="), field("failed_calls="))
    };
    let once = |failed: &str| ("1".to_owned(), failed.to_owned());
    assert_eq!(counts(&mut stage.actor, "xreadgroup"), once("1"));
    assert_eq!(
        counts(&mut stage.actor, "blpop"),
        ("2".to_owned(), "0".to_owned())
    );
}

#[test]
fn a_large_value_reaches_who_waits() {
    let mut stage = Stage::new(true);
    let large = vec![b'x'; 300_000];
    stage.step("1> BLPOP l 0", "");
    stage
        .actor
        .send(&encode(&[b"RPUSH".as_slice(), b"l", &large]));
    assert_eq!(stage.actor.read().to_string(), ":1");
    let reply = stage.clients[0].read();
    let want = common::Reply::Array(vec![
        common::Reply::Bulk(b"l".to_vec()),
        common::Reply::Bulk(large),
    ]);
    assert!(reply == want, "another reply than the key and the value");
}

#[test]
fn clients_without_replies_get_none() {
    let mut stage = Stage::new(false);
    stage.clients[0].send(b"CLIENT REPLY SKIP\r\nBLPOP l 0\r\n");
    stage.waiting = 1;
    stage.settle("BLPOP");
    stage.step("RPUSH l a b", ":2");
    stage.waiting = 0;
    stage.settle("RPUSH");
    stage.step("1: LLEN l", ":1");
}

#[test]
fn hundreds_wait_for_one_key_and_each_is_served_in_turn() {
    const CLIENTS: usize = 300;
    let mut stage = Stage::new(false);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| stage.server.connect()).collect();
    for client in &mut clients {
        client.send(b"BLPOP l 0\r\n");
        stage.waiting += 1;
        stage.settle("BLPOP");
    }
    let elements: Vec<String> = (0..CLIENTS).map(|at| at.to_string()).collect();
    let (first, rest) = elements.split_at(CLIENTS / 2);
    for element in first {
        check(&mut stage.actor, &format!("RPUSH l {element}"), ":1");
    }
    let want = format!(":{}", rest.len());
    check(
        &mut stage.actor,
        &format!("RPUSH l {}", rest.join(" ")),
        &want,
    );
    for (client, element) in clients.iter_mut().zip(&elements) {
        assert_eq!(client.read().to_string(), format!(r#"["l", "{element}"]"#));
    }
    stage.waiting = 0;
    stage.settle("all are served");
    check(&mut stage.actor, "EXISTS l", ":0");
}
