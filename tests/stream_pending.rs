//! What is pending in consumer groups, over the wire: XPENDING, XCLAIM, XAUTOCLAIM, in RESP2 and RESP3.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it.

mod common;

use common::{Reply, Server, check, check_fresh};

const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const SYNTAX: &str = "-ERR syntax error";

#[test]
fn xpending_filters() {
    check_fresh(
        &[],
        &[
            ("XADD s 1-1 a 1", r#""1-1""#),
            ("XADD s 2-1 a 2", r#""2-1""#),
            ("XADD s 3-1 a 2", r#""3-1""#),
            ("XGROUP CREATE s g 0", "+OK"),
            (
                "XREADGROUP GROUP g alice COUNT 2 STREAMS s >",
                r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "2"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "2"]]]}"#,
            ),
            (
                "XREADGROUP GROUP g bob STREAMS s >",
                r#"[["s", [["3-1", ["a", "2"]]]]] // %{"s": [["3-1", ["a", "2"]]]}"#,
            ),
            (
                "XCLAIM s g alice 0 1-1 TIME 1 RETRYCOUNT 5 JUSTID",
                r#"["1-1"]"#,
            ),
            ("XPENDING s g - + 10 nobody", "[]"),
            ("XPENDING s g - + 0", "[]"),
            ("XPENDING s g - + -1", "[]"),
            ("XPENDING s g IDLE 100000000 (1-1 + 10", "[]"),
            ("XPENDING s g IDLE 100000000 - + 10 bob", "[]"),
            ("XPENDING s g 4 5 10", "[]"),
            (
                "XPENDING s g - + x",
                "-ERR value is not an integer or out of range",
            ),
            ("XPENDING s g - x 10", INVALID_ID),
            ("XPENDING s g x + 10", INVALID_ID),
            (
                "XPENDING s g (18446744073709551615-18446744073709551615 + 10",
                "-ERR invalid start ID for the interval",
            ),
            (
                "XPENDING s g - (0-0 10",
                "-ERR invalid end ID for the interval",
            ),
            ("XPENDING s g -", SYNTAX),
            ("XPENDING s g - +", SYNTAX),
            (
                "XPENDING s g IDLE x - + 1",
                "-ERR value is not an integer or out of range",
            ),
            ("XPENDING s g IDLE 1 - +", SYNTAX),
            ("XPENDING s g IDLE 1 - + 1 bob more", SYNTAX),
            (
                "XPENDING s nope",
                "-NOGROUP No such key 's' or consumer group 'nope'",
            ),
            (
                "XPENDING none g",
                "-NOGROUP No such key 'none' or consumer group 'g'",
            ),
            (
                "XPENDING none g - + 10",
                "-NOGROUP No such key 'none' or consumer group 'g'",
            ),
        ],
    );
}

#[test]
fn claims_change_the_owner() {
    check_fresh(
        &[],
        &[
            ("XADD s 1-1 a 1", r#""1-1""#),
            ("XADD s 2-1 a 2", r#""2-1""#),
            ("XADD s 3-1 a 3", r#""3-1""#),
            ("XADD s 4-1 a 4", r#""4-1""#),
            ("XGROUP CREATE s g 0", "+OK"),
            (
                "XREADGROUP GROUP g alice COUNT 3 STREAMS s >",
                r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "2"]], ["3-1", ["a", "3"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "2"]], ["3-1", ["a", "3"]]]}"#,
            ),
            ("XCLAIM s g bob 100000 1-1 2-1", "[]"),
            ("XCLAIM s g bob 0 1-1 9-9 4-1", r#"[["1-1", ["a", "1"]]]"#),
            ("XCLAIM s g bob 0 2-1 JUSTID", r#"["2-1"]"#),
            (
                "XPENDING s g",
                r#"[:3, "1-1", "3-1", [["alice", "1"], ["bob", "2"]]]"#,
            ),
            ("XCLAIM s g bob 0 4-1 FORCE", r#"[["4-1", ["a", "4"]]]"#),
            ("XCLAIM s g alice 100000000 4-1 FORCE", "[]"),
            (
                "XCLAIM s g alice -5 4-1 IDLE 1000 RETRYCOUNT 3 LASTID 4-1",
                r#"[["4-1", ["a", "4"]]]"#,
            ),
            ("XDEL s 3-1", ":1"),
            ("XCLAIM s g bob 0 3-1", "[]"),
            (
                "XPENDING s g",
                r#"[:3, "1-1", "4-1", [["alice", "1"], ["bob", "2"]]]"#,
            ),
            ("XREADGROUP GROUP g alice STREAMS s >", "*-1"),
        ],
    );
}

#[test]
fn claims_refuse_what_does_not_fit() {
    check_fresh(
        &[],
        &[
            ("XADD s 1-1 a 1", r#""1-1""#),
            ("XGROUP CREATE s g 0", "+OK"),
            (
                "XCLAIM s g alice 0 1-1 FOO",
                "-ERR Unrecognized XCLAIM option 'FOO'",
            ),
            (
                "XCLAIM s g alice 0 1-1 JUSTID abc",
                "-ERR Unrecognized XCLAIM option 'abc'",
            ),
            (
                "XCLAIM s g alice x 1-1",
                "-ERR Invalid min-idle-time argument for XCLAIM",
            ),
            (
                "XCLAIM s g alice 0 1-1 IDLE x",
                "-ERR Invalid IDLE option argument for XCLAIM",
            ),
            (
                "XCLAIM s g alice 0 1-1 IDLE",
                "-ERR Unrecognized XCLAIM option 'IDLE'",
            ),
            (
                "XCLAIM s g alice 0 1-1 TIME x",
                "-ERR Invalid TIME option argument for XCLAIM",
            ),
            (
                "XCLAIM s g alice 0 1-1 RETRYCOUNT x",
                "-ERR Invalid RETRYCOUNT option argument for XCLAIM",
            ),
            ("XCLAIM s g alice 0 1-1 LASTID x", INVALID_ID),
            (
                "XCLAIM s nope alice 0 1-1",
                "-NOGROUP No such key 's' or consumer group 'nope'",
            ),
            (
                "XCLAIM none g alice 0 1-1",
                "-NOGROUP No such key 'none' or consumer group 'g'",
            ),
            (
                "XCLAIM none g alice x abc",
                "-NOGROUP No such key 'none' or consumer group 'g'",
            ),
            (
                "XCLAIM s g alice 0",
                "-ERR wrong number of arguments for 'xclaim' command",
            ),
        ],
    );
}

#[test]
fn claims_count_deliveries() {
    check_fresh(
        &[],
        &[
            ("XADD s 1-1 a 1", r#""1-1""#),
            ("XADD s 2-1 a 2", r#""2-1""#),
            ("XADD s 3-1 a 3", r#""3-1""#),
            ("XADD s 4-1 a 4", r#""4-1""#),
            ("XGROUP CREATE s g 0", "+OK"),
            (
                "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
                r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
            ),
            (
                "XREADGROUP GROUP g c STREAMS s 0",
                r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
            ),
            (
                "XCLAIM s g c 0 2-1 FORCE TIME 1",
                r#"[["2-1", ["a", "2"]]]"#,
            ),
            ("XCLAIM s g c 0 3-1 FORCE JUSTID TIME 1", r#"["3-1"]"#),
            (
                "XCLAIM s g c 0 4-1 FORCE RETRYCOUNT 9223372036854775807 TIME 1",
                r#"[["4-1", ["a", "4"]]]"#,
            ),
            (
                "XCLAIM s g c 0 1-1 TIME 99999999999999",
                r#"[["1-1", ["a", "1"]]]"#,
            ),
            ("XCLAIM s g c 0 1-1 TIME -5", r#"[["1-1", ["a", "1"]]]"#),
            (
                "XCLAIM s g c 0 1-1 RETRYCOUNT -5 TIME 1",
                r#"[["1-1", ["a", "1"]]]"#,
            ),
        ],
    );
}

#[test]
fn xautoclaim_goes_over_what_is_pending() {
    check_fresh(
        &[],
        &[
            ("XADD s 1-1 a 1", r#""1-1""#),
            ("XADD s 2-1 a 2", r#""2-1""#),
            ("XADD s 3-1 a 3", r#""3-1""#),
            ("XADD s 4-1 a 4", r#""4-1""#),
            ("XADD s 5-1 a 5", r#""5-1""#),
            ("XGROUP CREATE s g 0", "+OK"),
            (
                "XREADGROUP GROUP g alice STREAMS s >",
                r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "2"]], ["3-1", ["a", "3"]], ["4-1", ["a", "4"]], ["5-1", ["a", "5"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "2"]], ["3-1", ["a", "3"]], ["4-1", ["a", "4"]], ["5-1", ["a", "5"]]]}"#,
            ),
            (
                "XAUTOCLAIM s g bob 0 - COUNT 2",
                r#"["3-1", [["1-1", ["a", "1"]], ["2-1", ["a", "2"]]], []]"#,
            ),
            (
                "XAUTOCLAIM s g bob 0 (2-1 COUNT 1 JUSTID",
                r#"["4-1", ["3-1"], []]"#,
            ),
            ("XDEL s 2-1 4-1", ":2"),
            (
                "XAUTOCLAIM s g bob 0 2-1 COUNT 2",
                r#"["4-1", [["3-1", ["a", "3"]]], ["2-1"]]"#,
            ),
            (
                "XAUTOCLAIM s g bob 0 4-1",
                r#"["0-0", [["5-1", ["a", "5"]]], ["4-1"]]"#,
            ),
            ("XAUTOCLAIM s g bob 0 9-9", r#"["0-0", [], []]"#),
            ("XAUTOCLAIM s g bob 100000 - COUNT 3", r#"["0-0", [], []]"#),
            ("XPENDING s g", r#"[:3, "1-1", "5-1", [["bob", "3"]]]"#),
            (
                "XAUTOCLAIM s g bob x -",
                "-ERR Invalid min-idle-time argument for XAUTOCLAIM",
            ),
            ("XAUTOCLAIM s g bob 0 x", INVALID_ID),
            ("XAUTOCLAIM s g bob 0 - COUNT 0", "-ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g bob 0 - COUNT x", "-ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g bob 0 - COUNT", SYNTAX),
            (
                "XAUTOCLAIM s g bob 0 - COUNT 9223372036854775807",
                "-ERR COUNT must be > 0",
            ),
            ("XAUTOCLAIM s g bob 0 - FOO", SYNTAX),
            (
                "XAUTOCLAIM s g bob 0 (18446744073709551615-18446744073709551615",
                "-ERR invalid start ID for the interval",
            ),
            (
                "XAUTOCLAIM s nope bob 0 -",
                "-NOGROUP No such key 's' or consumer group 'nope'",
            ),
            (
                "XAUTOCLAIM none g bob 0 -",
                "-NOGROUP No such key 'none' or consumer group 'g'",
            ),
            (
                "XAUTOCLAIM none g bob x -",
                "-ERR Invalid min-idle-time argument for XAUTOCLAIM",
            ),
        ],
    );
}

#[test]
fn xautoclaim_looks_at_ten_times_its_count() {
    check_fresh(
        &[],
        &[
            ("XADD s 1 a 1", r#""1-0""#),
            ("XADD s 2 a 1", r#""2-0""#),
            ("XADD s 3 a 1", r#""3-0""#),
            ("XADD s 4 a 1", r#""4-0""#),
            ("XADD s 5 a 1", r#""5-0""#),
            ("XADD s 6 a 1", r#""6-0""#),
            ("XADD s 7 a 1", r#""7-0""#),
            ("XADD s 8 a 1", r#""8-0""#),
            ("XADD s 9 a 1", r#""9-0""#),
            ("XADD s 10 a 1", r#""10-0""#),
            ("XADD s 11 a 1", r#""11-0""#),
            ("XADD s 12 a 1", r#""12-0""#),
            ("XGROUP CREATE s g 0", "+OK"),
            (
                "XREADGROUP GROUP g alice STREAMS s >",
                r#"[["s", [["1-0", ["a", "1"]], ["2-0", ["a", "1"]], ["3-0", ["a", "1"]], ["4-0", ["a", "1"]], ["5-0", ["a", "1"]], ["6-0", ["a", "1"]], ["7-0", ["a", "1"]], ["8-0", ["a", "1"]], ["9-0", ["a", "1"]], ["10-0", ["a", "1"]], ["11-0", ["a", "1"]], ["12-0", ["a", "1"]]]]] // %{"s": [["1-0", ["a", "1"]], ["2-0", ["a", "1"]], ["3-0", ["a", "1"]], ["4-0", ["a", "1"]], ["5-0", ["a", "1"]], ["6-0", ["a", "1"]], ["7-0", ["a", "1"]], ["8-0", ["a", "1"]], ["9-0", ["a", "1"]], ["10-0", ["a", "1"]], ["11-0", ["a", "1"]], ["12-0", ["a", "1"]]]}"#,
            ),
            ("XAUTOCLAIM s g bob 100000 - COUNT 1", r#"["11-0", [], []]"#),
            ("XAUTOCLAIM s g bob 100000 11 COUNT 1", r#"["0-0", [], []]"#),
        ],
    );
}

#[test]
fn pending_entries_show_owner_idle_time_and_deliveries() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for line in [
        "XADD s 1-1 a 1",
        "XADD s 2-1 a 2",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g alice STREAMS s >",
        "XREADGROUP GROUP g alice STREAMS s 0",
        "XCLAIM s g bob 0 2-1 IDLE 100000 JUSTID",
    ] {
        connection.run(line);
    }
    let reply = connection.run("XPENDING s g - + 10");
    let rows: Vec<(String, String, i64)> = parts(&reply)
        .iter()
        .map(|row| {
            let row = parts(row);
            (row[0].to_string(), row[1].to_string(), integer(&row[3]))
        })
        .collect();
    let row = |id: &str, name: &str| (format!("{id:?}"), format!("{name:?}"), 2);
    assert_eq!(rows, [row("1-1", "alice"), row("2-1", "bob")]);
    let idle_ms = |row: usize| integer(&parts(&parts(&reply)[row])[2]);
    assert!((0..60_000).contains(&idle_ms(0)));
    assert!((100_000..160_000).contains(&idle_ms(1)));
    let reply = connection.run("XPENDING s g IDLE 90000 - + 10");
    assert_eq!(parts(&reply).len(), 1, "{reply}");
    let reply = connection.run("XPENDING s g - + 1");
    assert_eq!(parts(&reply).len(), 1, "{reply}");
    let reply = connection.run("XPENDING s g - + 10 alice");
    assert_eq!(parts(&reply).len(), 1, "{reply}");
    // What has idled long enough is claimed, the rest left alone.
    check(
        &mut connection,
        "XAUTOCLAIM s g alice 90000 - JUSTID",
        r#"["0-0", ["2-1"], []]"#,
    );
}

fn parts(reply: &Reply) -> &[Reply] {
    match reply {
        Reply::Array(parts) => parts,
        other => panic!("no array but {other}"),
    }
}

fn integer(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(value) => *value,
        other => panic!("no integer but {other}"),
    }
}
