//! Streams over the wire: entries, ranges, trims, and reading without groups, in RESP2 and RESP3.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it, but for the
//! tables of what came later.

mod common;

use common::{Connection, Reply, Server, check, check_fresh};

const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const XADD_ARITY: &str = "-ERR wrong number of arguments for 'xadd' command";
const NOT_ABOVE: &str =
    "-ERR The ID specified in XADD is equal or smaller than the target stream top item";
const SYNTAX: &str = "-ERR syntax error";

/// Arguments under which streams of more than two entries are trees of several chunks.
const TINY_NODES: &[&str] = &["--stream-node-max-entries", "2"];

/// Runs a table in both protocols.
#[track_caller]
fn check_streams(table: &[(&str, &str)]) {
    check_fresh(&[], table);
}

/// Runs a table of what Redis 7.0 does not know yet.
#[track_caller]
fn check_newer(table: &[(&str, &str)]) {
    if std::env::var_os("TEST_SERVER").is_none() {
        check_fresh(&[], table);
    }
}

#[test]
fn entries_are_added_behind_the_last() {
    check_streams(&[
        ("XADD s 1-1 a 1 b 2", r#""1-1""#),
        ("XADD s 1-2 a 2 b 3", r#""1-2""#),
        ("XADD s 2 a 2 c 3", r#""2-0""#),
        ("XADD s 2-* f v", r#""2-1""#),
        ("XADD s 5-* f v", r#""5-0""#),
        (
            "XADD s 7-18446744073709551614 f v",
            r#""7-18446744073709551614""#,
        ),
        ("XADD s 7-* f v", r#""7-18446744073709551615""#),
        (r#"XADD s 8-0 x 1 x 2 "" """#, r#""8-0""#),
        (r#"XADD s 9-0 "\x00\xff" "\r\n""#, r#""9-0""#),
        ("XLEN s", ":9"),
        (
            "XRANGE s - +",
            r#"[["1-1", ["a", "1", "b", "2"]], ["1-2", ["a", "2", "b", "3"]], ["2-0", ["a", "2", "c", "3"]], ["2-1", ["f", "v"]], ["5-0", ["f", "v"]], ["7-18446744073709551614", ["f", "v"]], ["7-18446744073709551615", ["f", "v"]], ["8-0", ["x", "1", "x", "2", "", ""]], ["9-0", ["\x00\xff", "\r\n"]]]"#,
        ),
        ("TYPE s", "+stream"),
        ("OBJECT ENCODING s", r#""stream""#),
        ("XLEN none", ":0"),
        ("XADD none NOMKSTREAM 1-1 a b", "$-1"),
        ("XADD none NOMKSTREAM * a b", "$-1"),
        ("EXISTS none", ":0"),
    ]);
}

#[test]
fn numbers_come_back_as_they_were_written() {
    check_streams(&[
        (
            "XADD s 1-1 0 -1 127 128 4096 -4097 32768 8388608",
            r#""1-1""#,
        ),
        ("XADD s 1-2 0 007 127 -0 4096 +1 32768 1.0", r#""1-2""#),
        (
            "XADD s 1-3 2147483648 9223372036854775807 9223372036854775808 -9223372036854775808",
            r#""1-3""#,
        ),
        (
            "XRANGE s - +",
            r#"[["1-1", ["0", "-1", "127", "128", "4096", "-4097", "32768", "8388608"]], ["1-2", ["0", "007", "127", "-0", "4096", "+1", "32768", "1.0"]], ["1-3", ["2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775808"]]]"#,
        ),
        (
            "XREVRANGE s + -",
            r#"[["1-3", ["2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775808"]], ["1-2", ["0", "007", "127", "-0", "4096", "+1", "32768", "1.0"]], ["1-1", ["0", "-1", "127", "128", "4096", "-4097", "32768", "8388608"]]]"#,
        ),
    ]);
}

#[test]
fn ids_of_new_entries_must_be_above_the_last() {
    check_streams(&[
        (
            "XADD s 0-0 a b",
            "-ERR The ID specified in XADD must be greater than 0-0",
        ),
        (
            "XADD s 0 a b",
            "-ERR The ID specified in XADD must be greater than 0-0",
        ),
        ("XADD s 0-* a b", r#""0-1""#),
        ("XADD s 5-5 a b", r#""5-5""#),
        ("XADD s 5-5 a b", NOT_ABOVE),
        ("XADD s 5-4 a b", NOT_ABOVE),
        ("XADD s 4 a b", NOT_ABOVE),
        ("XADD s 4-* a b", NOT_ABOVE),
        (
            "XADD s 5-18446744073709551615 a b",
            r#""5-18446744073709551615""#,
        ),
        (
            "XADD s 18446744073709551615-18446744073709551614 a b",
            r#""18446744073709551615-18446744073709551614""#,
        ),
        (
            "XADD s 18446744073709551615-* a b",
            r#""18446744073709551615-18446744073709551615""#,
        ),
        (
            "XADD s 18446744073709551615-* a b",
            "-ERR The stream has exhausted the last possible ID, unable to add more items",
        ),
        (
            "XADD s * a b",
            "-ERR The stream has exhausted the last possible ID, unable to add more items",
        ),
        (
            "XADD s 1-1 a b",
            "-ERR The stream has exhausted the last possible ID, unable to add more items",
        ),
    ]);
}

#[test]
fn what_is_no_id_is_refused() {
    check_streams(&[
        ("XADD s abc a b", INVALID_ID),
        ("XADD s 1- a b", INVALID_ID),
        ("XADD s -1 a b", INVALID_ID),
        ("XADD s 1-2-3 a b", INVALID_ID),
        ("XADD s - a b", INVALID_ID),
        ("XADD s + a b", INVALID_ID),
        ("XADD s *-1 a b", INVALID_ID),
        ("XADD s 1-** a b", INVALID_ID),
        ("XADD s 18446744073709551616-1 a b", INVALID_ID),
        (r#"XADD s "" a b"#, INVALID_ID),
        ("XADD s 007-08 a b", r#""7-8""#),
        (r#"XADD s "8 -1" a b"#, INVALID_ID),
        (r#"XADD s " 9-+1" a b"#, r#""9-1""#),
        (
            "XRANGE s - +",
            r#"[["7-8", ["a", "b"]], ["9-1", ["a", "b"]]]"#,
        ),
        ("XRANGE s abc +", INVALID_ID),
        ("XRANGE s - abc", INVALID_ID),
        ("XRANGE s 1-* +", INVALID_ID),
        ("XRANGE s ( +", INVALID_ID),
        ("XRANGE s (- +", INVALID_ID),
        ("XDEL s abc", INVALID_ID),
        ("XDEL s 7-8 abc", INVALID_ID),
        ("XDEL s -", INVALID_ID),
        ("XLEN s", ":2"),
        ("EXISTS none", ":0"),
        ("XADD none abc a b", INVALID_ID),
        ("EXISTS none", ":0"),
    ]);
}

#[test]
fn xadd_refuses_what_does_not_fit() {
    check_streams(&[
        ("XADD s 1-1 a", XADD_ARITY),
        ("XADD s 1-1 a b c", XADD_ARITY),
        ("XADD s 1-1", XADD_ARITY),
        ("XADD s *", XADD_ARITY),
        ("XADD s * a", XADD_ARITY),
        ("XADD s MAXLEN 5", XADD_ARITY),
        ("XADD s MAXLEN 5 NOMKSTREAM", XADD_ARITY),
        ("XADD s MAXLEN x 1-1 a b", NOT_INTEGER),
        ("XADD s MAXLEN ~ x 1-1 a b", NOT_INTEGER),
        (
            "XADD s MAXLEN -1 1-1 a b",
            "-ERR The MAXLEN argument must be >= 0.",
        ),
        ("XADD s MINID abc 1-1 a b", INVALID_ID),
        (
            "XADD s MAXLEN 1 MINID 1-1 1-1 a b",
            "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        (
            "XADD s LIMIT 1 1-1 a b",
            "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ),
        (
            "XADD s LIMIT 0 1-1 a b",
            "-ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            "XADD s MAXLEN 1 LIMIT 1 1-1 a b",
            "-ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            "XADD s MAXLEN ~ 1 LIMIT -1 1-1 a b",
            "-ERR The LIMIT argument must be >= 0.",
        ),
        ("XADD s MAXLEN ~ 1 LIMIT x 1-1 a b", NOT_INTEGER),
        ("XADD s MAXLEN ~ 1 LIMIT 1 LIMIT", INVALID_ID),
        ("EXISTS s", ":0"),
        ("RPUSH l x", ":1"),
        ("XADD l * a b", WRONG_TYPE),
        ("XADD l NOMKSTREAM * a b", WRONG_TYPE),
        (
            "XADD l 0-0 a b",
            "-ERR The ID specified in XADD must be greater than 0-0",
        ),
        ("XLEN l", WRONG_TYPE),
        ("XRANGE l - +", WRONG_TYPE),
        ("XTRIM l MAXLEN 1", WRONG_TYPE),
        ("XDEL l 1-1", WRONG_TYPE),
        ("XSETID l 1-1", WRONG_TYPE),
    ]);
}

#[test]
fn ranges_are_read_in_both_directions() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 1-2 a 2", r#""1-2""#),
        ("XADD s 2-0 b 3", r#""2-0""#),
        ("XADD s 3-0 a 4", r#""3-0""#),
        ("XADD s 3-5 a 5", r#""3-5""#),
        (
            "XRANGE s - +",
            r#"[["1-1", ["a", "1"]], ["1-2", ["a", "2"]], ["2-0", ["b", "3"]], ["3-0", ["a", "4"]], ["3-5", ["a", "5"]]]"#,
        ),
        (
            "XRANGE s 1 2",
            r#"[["1-1", ["a", "1"]], ["1-2", ["a", "2"]], ["2-0", ["b", "3"]]]"#,
        ),
        (
            "XRANGE s 1-2 3-0",
            r#"[["1-2", ["a", "2"]], ["2-0", ["b", "3"]], ["3-0", ["a", "4"]]]"#,
        ),
        (
            "XRANGE s (1-2 (3-5",
            r#"[["2-0", ["b", "3"]], ["3-0", ["a", "4"]]]"#,
        ),
        (
            "XRANGE s (1 +",
            r#"[["1-1", ["a", "1"]], ["1-2", ["a", "2"]], ["2-0", ["b", "3"]], ["3-0", ["a", "4"]], ["3-5", ["a", "5"]]]"#,
        ),
        (
            "XRANGE s - (2",
            r#"[["1-1", ["a", "1"]], ["1-2", ["a", "2"]], ["2-0", ["b", "3"]]]"#,
        ),
        ("XRANGE s 3 1", "[]"),
        ("XRANGE s 9 +", "[]"),
        (
            "XRANGE s - + COUNT 2",
            r#"[["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]"#,
        ),
        (
            "XRANGE s - + COUNT 100",
            r#"[["1-1", ["a", "1"]], ["1-2", ["a", "2"]], ["2-0", ["b", "3"]], ["3-0", ["a", "4"]], ["3-5", ["a", "5"]]]"#,
        ),
        ("XRANGE s - + COUNT 0", "*-1"),
        ("XRANGE s - + COUNT -1", "*-1"),
        ("XRANGE s - + COUNT 2 COUNT 1", r#"[["1-1", ["a", "1"]]]"#),
        (
            "XREVRANGE s + -",
            r#"[["3-5", ["a", "5"]], ["3-0", ["a", "4"]], ["2-0", ["b", "3"]], ["1-2", ["a", "2"]], ["1-1", ["a", "1"]]]"#,
        ),
        (
            "XREVRANGE s 2 1",
            r#"[["2-0", ["b", "3"]], ["1-2", ["a", "2"]], ["1-1", ["a", "1"]]]"#,
        ),
        (
            "XREVRANGE s (3-5 (1-1",
            r#"[["3-0", ["a", "4"]], ["2-0", ["b", "3"]], ["1-2", ["a", "2"]]]"#,
        ),
        (
            "XREVRANGE s + - COUNT 2",
            r#"[["3-5", ["a", "5"]], ["3-0", ["a", "4"]]]"#,
        ),
        ("XREVRANGE s + - COUNT 0", "*-1"),
        ("XREVRANGE s - +", "[]"),
    ]);
}

#[test]
fn ranges_refuse_what_does_not_fit() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XRANGE none - +", "[]"),
        ("XRANGE none - + COUNT 0", "[]"),
        ("XREVRANGE none + -", "[]"),
        ("XRANGE s - + COUNT", SYNTAX),
        ("XRANGE s - + COUNT x", NOT_INTEGER),
        ("XRANGE s - + FOO 1", SYNTAX),
        ("XRANGE none - + FOO 1", SYNTAX),
        (
            "XRANGE s (18446744073709551615-18446744073709551615 +",
            "-ERR invalid start ID for the interval",
        ),
        ("XRANGE s - (0-0", "-ERR invalid end ID for the interval"),
        ("XRANGE s - (0", "[]"),
        ("XREVRANGE s (0-0 -", "-ERR invalid end ID for the interval"),
        (
            "XREVRANGE s + (18446744073709551615-18446744073709551615",
            "-ERR invalid start ID for the interval",
        ),
        ("XRANGE s 18446744073709551615-18446744073709551615 +", "[]"),
    ]);
}

#[test]
fn deleted_entries_are_gone() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 1-2 a 2", r#""1-2""#),
        ("XADD s 2-0 b 3", r#""2-0""#),
        ("XADD s 3-0 a 4", r#""3-0""#),
        ("XDEL s 1-2 1-2 9-9", ":1"),
        ("XDEL s 2", ":1"),
        (
            "XRANGE s - +",
            r#"[["1-1", ["a", "1"]], ["3-0", ["a", "4"]]]"#,
        ),
        (
            "XREVRANGE s + -",
            r#"[["3-0", ["a", "4"]], ["1-1", ["a", "1"]]]"#,
        ),
        (
            "XINFO STREAM s",
            r#"["length", :2, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "3-0", "max-deleted-entry-id", "2-0", "entries-added", :4, "recorded-first-entry-id", "1-1", "groups", :0, "first-entry", ["1-1", ["a", "1"]], "last-entry", ["3-0", ["a", "4"]]] // %{"length": :2, "radix-tree-keys": :1, "radix-tree-nodes": :2, "last-generated-id": "3-0", "max-deleted-entry-id": "2-0", "entries-added": :4, "recorded-first-entry-id": "1-1", "groups": :0, "first-entry": ["1-1", ["a", "1"]], "last-entry": ["3-0", ["a", "4"]]}"#,
        ),
        ("XDEL s 3-0 1-1", ":2"),
        ("XLEN s", ":0"),
        ("EXISTS s", ":1"),
        (
            "XINFO STREAM s",
            r#"["length", :0, "radix-tree-keys", :0, "radix-tree-nodes", :1, "last-generated-id", "3-0", "max-deleted-entry-id", "3-0", "entries-added", :4, "recorded-first-entry-id", "0-0", "groups", :0, "first-entry", $-1, "last-entry", $-1] // %{"length": :0, "radix-tree-keys": :0, "radix-tree-nodes": :1, "last-generated-id": "3-0", "max-deleted-entry-id": "3-0", "entries-added": :4, "recorded-first-entry-id": "0-0", "groups": :0, "first-entry": _, "last-entry": _}"#,
        ),
        ("XADD s 3-0 a b", NOT_ABOVE),
        ("XADD s 3-* a b", r#""3-1""#),
        (
            "XINFO STREAM s",
            r#"["length", :1, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "3-1", "max-deleted-entry-id", "3-0", "entries-added", :5, "recorded-first-entry-id", "3-1", "groups", :0, "first-entry", ["3-1", ["a", "b"]], "last-entry", ["3-1", ["a", "b"]]] // %{"length": :1, "radix-tree-keys": :1, "radix-tree-nodes": :2, "last-generated-id": "3-1", "max-deleted-entry-id": "3-0", "entries-added": :5, "recorded-first-entry-id": "3-1", "groups": :0, "first-entry": ["3-1", ["a", "b"]], "last-entry": ["3-1", ["a", "b"]]}"#,
        ),
        ("XDEL none 1-1", ":0"),
        ("XDEL none abc", ":0"),
    ]);
}

#[test]
fn trims_keep_the_end() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 2", r#""2-1""#),
        ("XADD s 3-1 b 3", r#""3-1""#),
        ("XADD s 4-1 a 4", r#""4-1""#),
        ("XADD s 5-1 a 5", r#""5-1""#),
        ("XTRIM s MAXLEN 10", ":0"),
        ("XTRIM s MAXLEN 4", ":1"),
        ("XTRIM s MAXLEN = 3", ":1"),
        (
            "XRANGE s - +",
            r#"[["3-1", ["b", "3"]], ["4-1", ["a", "4"]], ["5-1", ["a", "5"]]]"#,
        ),
        ("XTRIM s MINID 3-1", ":0"),
        ("XTRIM s MINID 3-2", ":1"),
        ("XTRIM s MINID = 4-2", ":1"),
        ("XRANGE s - +", r#"[["5-1", ["a", "5"]]]"#),
        (
            "XINFO STREAM s",
            r#"["length", :1, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "5-1", "max-deleted-entry-id", "0-0", "entries-added", :5, "recorded-first-entry-id", "5-1", "groups", :0, "first-entry", ["5-1", ["a", "5"]], "last-entry", ["5-1", ["a", "5"]]] // %{"length": :1, "radix-tree-keys": :1, "radix-tree-nodes": :2, "last-generated-id": "5-1", "max-deleted-entry-id": "0-0", "entries-added": :5, "recorded-first-entry-id": "5-1", "groups": :0, "first-entry": ["5-1", ["a", "5"]], "last-entry": ["5-1", ["a", "5"]]}"#,
        ),
        ("XADD s MAXLEN 2 6-1 a 6", r#""6-1""#),
        ("XADD s MAXLEN = 2 7-1 a 7", r#""7-1""#),
        ("XADD s MINID 7 8-1 a 8", r#""8-1""#),
        (
            "XRANGE s - +",
            r#"[["7-1", ["a", "7"]], ["8-1", ["a", "8"]]]"#,
        ),
        ("XADD s MAXLEN 0 9-1 a 9", r#""9-1""#),
        ("XLEN s", ":0"),
        ("EXISTS s", ":1"),
        ("XTRIM none MAXLEN 0", ":0"),
    ]);
}

#[test]
fn approximate_trims_remove_whole_nodes() {
    check_streams(&[
        ("CONFIG SET stream-node-max-entries 3", "+OK"),
        ("XADD s 1 a 1", r#""1-0""#),
        ("XADD s 2 a 2", r#""2-0""#),
        ("XADD s 3 a 3", r#""3-0""#),
        ("XADD s 4 a 4", r#""4-0""#),
        ("XADD s 5 a 5", r#""5-0""#),
        ("XADD s 6 a 6", r#""6-0""#),
        ("XADD s 7 a 7", r#""7-0""#),
        ("XADD s 8 a 8", r#""8-0""#),
        ("XADD s 9 a 9", r#""9-0""#),
        ("XADD s 10 a 10", r#""10-0""#),
        ("XTRIM s MAXLEN ~ 9", ":0"),
        ("XTRIM s MAXLEN ~ 8", ":0"),
        ("XTRIM s MAXLEN ~ 7", ":3"),
        ("XTRIM s MAXLEN ~ 1 LIMIT 2", ":0"),
        ("XTRIM s MAXLEN ~ 1 LIMIT 3", ":3"),
        ("XLEN s", ":4"),
        ("XTRIM s MINID ~ 9", ":0"),
        ("XTRIM s MINID ~ 10", ":3"),
        ("XTRIM s MINID ~ 18446744073709551615 LIMIT 0", ":1"),
        ("XLEN s", ":0"),
        ("XADD s MAXLEN ~ 0 LIMIT 0 11 a 11", r#""11-0""#),
        ("XLEN s", ":0"),
    ]);
}

#[test]
fn xtrim_refuses_what_does_not_fit() {
    check_streams(&[
        (
            "XTRIM s MAXLEN",
            "-ERR wrong number of arguments for 'xtrim' command",
        ),
        ("XTRIM s FOO 1", SYNTAX),
        ("XTRIM s MAXLEN 1 2", SYNTAX),
        ("XTRIM s MAXLEN x", NOT_INTEGER),
        (
            "XTRIM s MAXLEN -1",
            "-ERR The MAXLEN argument must be >= 0.",
        ),
        ("XTRIM s MINID x", INVALID_ID),
        (
            "XTRIM s MAXLEN 1 LIMIT 1",
            "-ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            "XTRIM s LIMIT 1",
            "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ),
        (
            "XTRIM s LIMIT 0",
            "-ERR syntax error, XTRIM must be called with a trimming strategy",
        ),
        ("XTRIM s MAXLEN ~ 1 LIMIT x", NOT_INTEGER),
        (
            "XTRIM s MAXLEN 1 MAXLEN 1",
            "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        ("XTRIM s NOMKSTREAM MAXLEN 1", SYNTAX),
    ]);
}

#[test]
fn xsetid_sets_the_past() {
    check_streams(&[
        ("XSETID none 1-1", "-ERR no such key"),
        ("XSETID none abc", INVALID_ID),
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-2 a 2", r#""2-2""#),
        ("XADD s 3-3 a 3", r#""3-3""#),
        (
            "XSETID s 3-2",
            "-ERR The ID specified in XSETID is smaller than the target stream top item",
        ),
        ("XSETID s 3-3", "+OK"),
        ("XSETID s 5-5 ENTRIESADDED 10 MAXDELETEDID 2-1", "+OK"),
        (
            "XINFO STREAM s",
            r#"["length", :3, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "5-5", "max-deleted-entry-id", "2-1", "entries-added", :10, "recorded-first-entry-id", "1-1", "groups", :0, "first-entry", ["1-1", ["a", "1"]], "last-entry", ["3-3", ["a", "3"]]] // %{"length": :3, "radix-tree-keys": :1, "radix-tree-nodes": :2, "last-generated-id": "5-5", "max-deleted-entry-id": "2-1", "entries-added": :10, "recorded-first-entry-id": "1-1", "groups": :0, "first-entry": ["1-1", ["a", "1"]], "last-entry": ["3-3", ["a", "3"]]}"#,
        ),
        ("XADD s 5-5 a b", NOT_ABOVE),
        ("XADD s 5-* a b", r#""5-6""#),
        (
            "XSETID s 9-9 ENTRIESADDED 3",
            "-ERR The entries_added specified in XSETID is smaller than the target stream length",
        ),
        (
            "XSETID s 9-9 ENTRIESADDED -1",
            "-ERR entries_added must be positive",
        ),
        ("XSETID s 9-9 ENTRIESADDED x", NOT_INTEGER),
        (
            "XSETID s 9-9 MAXDELETEDID 9-10",
            "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("XSETID s 9-9 MAXDELETEDID x", INVALID_ID),
        ("XSETID s 9-9 MAXDELETEDID", SYNTAX),
        ("XSETID s 9-9 FOO", SYNTAX),
        ("XSETID s x", INVALID_ID),
        ("XSETID s 9-9 MAXDELETEDID 0-0", "+OK"),
        (
            "XINFO STREAM s",
            r#"["length", :4, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "9-9", "max-deleted-entry-id", "2-1", "entries-added", :11, "recorded-first-entry-id", "1-1", "groups", :0, "first-entry", ["1-1", ["a", "1"]], "last-entry", ["5-6", ["a", "b"]]] // %{"length": :4, "radix-tree-keys": :1, "radix-tree-nodes": :2, "last-generated-id": "9-9", "max-deleted-entry-id": "2-1", "entries-added": :11, "recorded-first-entry-id": "1-1", "groups": :0, "first-entry": ["1-1", ["a", "1"]], "last-entry": ["5-6", ["a", "b"]]}"#,
        ),
        ("XDEL s 1-1 2-2 3-3 5-6", ":4"),
        ("XSETID s 1-1 ENTRIESADDED 0", "+OK"),
        (
            "XINFO STREAM s",
            r#"["length", :0, "radix-tree-keys", :0, "radix-tree-nodes", :1, "last-generated-id", "1-1", "max-deleted-entry-id", "5-6", "entries-added", :0, "recorded-first-entry-id", "0-0", "groups", :0, "first-entry", $-1, "last-entry", $-1] // %{"length": :0, "radix-tree-keys": :0, "radix-tree-nodes": :1, "last-generated-id": "1-1", "max-deleted-entry-id": "5-6", "entries-added": :0, "recorded-first-entry-id": "0-0", "groups": :0, "first-entry": _, "last-entry": _}"#,
        ),
    ]);
}

#[test]
fn xread_answers_what_comes_behind() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 1-2 a 2", r#""1-2""#),
        ("XADD t 5-0 b 3", r#""5-0""#),
        (
            "XREAD STREAMS s 0",
            r#"[["s", [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]]] // %{"s": [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]}"#,
        ),
        (
            "XREAD STREAMS s 1-1",
            r#"[["s", [["1-2", ["a", "2"]]]]] // %{"s": [["1-2", ["a", "2"]]]}"#,
        ),
        ("XREAD STREAMS s 1-2", "*-1"),
        ("XREAD STREAMS s $", "*-1"),
        ("XREAD STREAMS none 0", "*-1"),
        ("XREAD STREAMS none $", "*-1"),
        (
            "XREAD STREAMS s t none 0 0 0",
            r#"[["s", [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]], ["t", [["5-0", ["b", "3"]]]]] // %{"s": [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]], "t": [["5-0", ["b", "3"]]]}"#,
        ),
        (
            "XREAD STREAMS s t 1-2 0",
            r#"[["t", [["5-0", ["b", "3"]]]]] // %{"t": [["5-0", ["b", "3"]]]}"#,
        ),
        (
            "XREAD COUNT 1 STREAMS s t 0 0",
            r#"[["s", [["1-1", ["a", "1"]]]], ["t", [["5-0", ["b", "3"]]]]] // %{"s": [["1-1", ["a", "1"]]], "t": [["5-0", ["b", "3"]]]}"#,
        ),
        (
            "XREAD COUNT 0 STREAMS s 0",
            r#"[["s", [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]]] // %{"s": [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]}"#,
        ),
        (
            "XREAD COUNT -5 STREAMS s 0",
            r#"[["s", [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]]] // %{"s": [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]}"#,
        ),
        (
            "XREAD BLOCK 1 COUNT 1 STREAMS s 0",
            r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
        ),
        (
            "XREAD STREAMS s s 0 1-1",
            r#"[["s", [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]]], ["s", [["1-2", ["a", "2"]]]]] // %{"s": [["1-1", ["a", "1"]], ["1-2", ["a", "2"]]], "s": [["1-2", ["a", "2"]]]}"#,
        ),
        (
            "XREAD STREAMS s 18446744073709551615-18446744073709551615",
            "*-1",
        ),
        ("XDEL t 5-0", ":1"),
        ("XREAD STREAMS t 0", "*-1"),
        ("XREAD streams s 0 count 1", INVALID_ID),
    ]);
}

#[test]
fn xread_refuses_what_does_not_fit() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        (
            "XREAD STREAMS s",
            "-ERR wrong number of arguments for 'xread' command",
        ),
        ("XREAD COUNT 1 s", SYNTAX),
        ("XREAD COUNT 1 FOO s", SYNTAX),
        ("XREAD COUNT x STREAMS s 0", NOT_INTEGER),
        (
            "XREAD BLOCK x STREAMS s 0",
            "-ERR timeout is not an integer or out of range",
        ),
        ("XREAD BLOCK -1 STREAMS s 0", "-ERR timeout is negative"),
        ("XREAD COUNT 1 STREAMS", SYNTAX),
        (
            "XREAD STREAMS s >",
            "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        ("XREAD STREAMS s -", INVALID_ID),
        ("XREAD STREAMS s (1", INVALID_ID),
        (
            "XREAD GROUP g c STREAMS s 0",
            "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            "XREAD NOACK STREAMS s 0",
            "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        ("RPUSH l x", ":1"),
        ("XREAD STREAMS s l 0 0", WRONG_TYPE),
        ("XREAD STREAMS none l 0 $", WRONG_TYPE),
    ]);
}

#[test]
fn streams_are_copied_renamed_and_expire_as_other_values() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        ("COPY s t", ":1"),
        ("XADD t 2-1 a 2", r#""2-1""#),
        ("XLEN s", ":1"),
        ("XLEN t", ":2"),
        ("RENAME t u", "+OK"),
        (
            "XRANGE u - +",
            r#"[["1-1", ["a", "1"]], ["2-1", ["a", "2"]]]"#,
        ),
        (
            "XINFO GROUPS u",
            r#"[["name", "g", "consumers", :0, "pending", :0, "last-delivered-id", "0-0", "entries-read", $-1, "lag", :2]] // [%{"name": "g", "consumers": :0, "pending": :0, "last-delivered-id": "0-0", "entries-read": _, "lag": :2}]"#,
        ),
        ("PEXPIRE u 100000", ":1"),
        ("XADD u 3-1 a 3", r#""3-1""#),
        ("TTL none", ":-2"),
        ("PERSIST u", ":1"),
        ("DEL u", ":1"),
        ("XLEN u", ":0"),
    ]);
}

#[test]
fn xread_knows_the_last_entry() {
    check_newer(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 1-2 a 2", r#""1-2""#),
        (
            "XREAD STREAMS s +",
            r#"[["s", [["1-2", ["a", "2"]]]]] // %{"s": [["1-2", ["a", "2"]]]}"#,
        ),
        (
            "XREAD COUNT 10 STREAMS s none + +",
            r#"[["s", [["1-2", ["a", "2"]]]]] // %{"s": [["1-2", ["a", "2"]]]}"#,
        ),
        ("XREAD STREAMS none +", "*-1"),
        ("XDEL s 1-2", ":1"),
        (
            "XREAD STREAMS s +",
            r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
        ),
        ("XDEL s 1-1", ":1"),
        ("XREAD STREAMS s +", "*-1"),
        (
            "XREAD STREAMS s",
            "-ERR wrong number of arguments for 'xread' command",
        ),
        (
            "XREAD STREAMS s t 0",
            "-ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
        ),
    ]);
}

/// The ids of a reply of entries, as numbers.
fn ids(reply: &Reply) -> Vec<(u64, u64)> {
    let Reply::Array(entries) = reply else {
        panic!("no entries but {reply}");
    };
    let id = |entry: &Reply| match entry {
        Reply::Array(parts) => id_of(&parts[0]),
        other => panic!("no entry but {other}"),
    };
    entries.iter().map(id).collect()
}

fn id_of(reply: &Reply) -> (u64, u64) {
    let Reply::Bulk(text) = reply else {
        panic!("no id but {reply}");
    };
    let text = String::from_utf8_lossy(text);
    let (ms, seq) = text.split_once('-').expect("an id has two parts");
    let number = |part: &str| part.parse().expect("a part is a number");
    (number(ms), number(seq))
}

#[test]
fn ids_that_the_server_gives_grow_with_the_time() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let mut last = (1, 0);
    for _ in 0..300 {
        let id = id_of(&connection.run("XADD s * a b"));
        assert!(id > last, "{id:?} after {last:?}");
        last = id;
    }
    let ids = ids(&connection.run("XRANGE s - +"));
    assert_eq!(ids.len(), 300);
    assert!(ids.is_sorted());
    // With a last id in the future only the number grows.
    check(&mut connection, "XSETID s 99999999999999-7", "+OK");
    check(&mut connection, "XADD s * a b", r#""99999999999999-8""#);
}

/// Adds entries of mixed fields, and removes every third.
fn fill(connection: &mut Connection, entries: u64) {
    for ms in 1..=entries {
        let fields = if ms % 5 == 0 { "a 1 b x" } else { "c 2" };
        connection.run(&format!("XADD s {ms}-1 {fields}"));
        if ms % 3 == 0 {
            connection.run(&format!("XDEL s {ms}-1"));
        }
    }
}

#[test]
fn a_stream_of_many_chunks_is_read_as_one_of_few() {
    let replies: Vec<Vec<String>> = [&[][..], TINY_NODES]
        .into_iter()
        .map(|args| {
            let server = Server::start(args);
            let mut connection = server.connect();
            fill(&mut connection, 100);
            let mut replies = Vec::new();
            for low in (1..100).step_by(7) {
                for line in [
                    format!("XRANGE s {low} {}", low + 10),
                    format!("XREVRANGE s + {low} COUNT 9"),
                    format!("XREAD COUNT 3 STREAMS s {low}"),
                ] {
                    replies.push(connection.run(&line).to_string());
                }
            }
            replies.push(connection.run("XTRIM s MINID 50").to_string());
            replies.push(connection.run("XRANGE s - +").to_string());
            replies
        })
        .collect();
    assert_eq!(replies[0], replies[1]);
}

/// Compared with redis-server 7.0.15.
#[test]
fn digests_are_those_of_redis() {
    const ARGS: &[&str] = &["--enable-debug-command", "yes"];
    check_fresh(
        ARGS,
        &[
            ("XADD s 1-1 a 1 b x", r#""1-1""#),
            ("XADD s 2-5 c \"\"", r#""2-5""#),
            ("XADD s 3-5 a 7 b 8", r#""3-5""#),
            ("XDEL s 2-5", ":1"),
            (
                "DEBUG DIGEST-VALUE s",
                "[+e3bda58602ff054d3cfa6b5374b448b75c0d8f2f]",
            ),
        ],
    );
}

/// Redis 7.0 answers that the elements are too large.
#[test]
fn a_number_that_is_left_to_the_stream_stays_in_its_millisecond() {
    check_newer(&[
        (
            "XADD s 5-18446744073709551615 a b",
            r#""5-18446744073709551615""#,
        ),
        ("XADD s 5-* a b", NOT_ABOVE),
        ("XADD s 6-* a b", r#""6-0""#),
        ("XLEN s", ":2"),
    ]);
}
