//! What becomes of groups' references to deleted entries, over the wire: XDELEX, XACKDEL, and the trims of XADD and
//! XTRIM with KEEPREF, DELREF and ACKED. All of it came with Redis 8.2.

mod common;

use common::check_fresh;

const SYNTAX: &str = "-ERR syntax error";

/// Runs a table in both protocols, unless it is for another server, which may not know the commands.
#[track_caller]
fn check_newer(table: &[(&str, &str)]) {
    if std::env::var_os("TEST_SERVER").is_none() {
        check_fresh(&[], table);
    }
}

#[test]
fn xdelex_says_what_became_of_each_entry() {
    check_newer(&[
        ("XDELEX s IDS 2 1-1 2-1", "[:-1, :-1]"),
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 1", r#""2-1""#),
        ("XADD s 3-1 a 1", r#""3-1""#),
        ("XADD s 4-1 a 1", r#""4-1""#),
        ("XADD s 5-1 a 1", r#""5-1""#),
        ("XDELEX s IDS 2 1-1 9-9", "[:1, :-1]"),
        ("XDELEX s ACKED IDS 1 2-1", "[:1]"),
        ("XGROUP CREATE s g 0", "+OK"),
        (
            "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
            r#"[["s", [["3-1", ["a", "1"]], ["4-1", ["a", "1"]]]]] // %{"s": [["3-1", ["a", "1"]], ["4-1", ["a", "1"]]]}"#,
        ),
        ("XDELEX s ACKED IDS 3 3-1 4-1 5-1", "[:2, :2, :2]"),
        ("XACK s g 3-1", ":1"),
        ("XDELEX s IDS 2 3-1 4-1 acked", "[:1, :2]"),
        ("XDELEX s KEEPREF IDS 1 4-1", "[:1]"),
        ("XPENDING s g", r#"[:1, "4-1", "4-1", [["c", "1"]]]"#),
        ("XDELEX s DELREF IDS 2 4-1 5-1", "[:-1, :1]"),
        ("XPENDING s g", "[:0, $-1, $-1, *-1]"),
        (
            "XINFO STREAM s",
            r#"["length", :0, "radix-tree-keys", :0, "radix-tree-nodes", :1, "last-generated-id", "5-1", "max-deleted-entry-id", "5-1", "entries-added", :5, "recorded-first-entry-id", "0-0", "groups", :1, "first-entry", $-1, "last-entry", $-1] // %{"length": :0, "radix-tree-keys": :0, "radix-tree-nodes": :1, "last-generated-id": "5-1", "max-deleted-entry-id": "5-1", "entries-added": :5, "recorded-first-entry-id": "0-0", "groups": :1, "first-entry": _, "last-entry": _}"#,
        ),
    ]);
}

#[test]
fn xdelex_refuses_what_does_not_fit() {
    check_newer(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        (
            "XDELEX s IDS 0 1-1",
            "-ERR Number of IDs must be a positive integer",
        ),
        (
            "XDELEX s IDS -1 1-1",
            "-ERR Number of IDs must be a positive integer",
        ),
        (
            "XDELEX s IDS x 1-1",
            "-ERR Number of IDs must be a positive integer",
        ),
        (
            "XDELEX s IDS 2 1-1",
            "-ERR The `numids` parameter must match the number of arguments",
        ),
        ("XDELEX s IDS 1 1-1 2-1", SYNTAX),
        (
            "XDELEX s IDS 1 abc",
            "-ERR Invalid stream ID specified as stream command argument",
        ),
        ("XDELEX s KEEPREF DELREF IDS 1 1-1", SYNTAX),
        ("XDELEX s KEEPREF KEEPREF 1", SYNTAX),
        ("XDELEX s IDS 1 1-1 IDS 1 1-1", SYNTAX),
        ("XDELEX s FOO IDS 1 1-1", SYNTAX),
        (
            "XDELEX s IDS 1",
            "-ERR wrong number of arguments for 'xdelex' command",
        ),
        ("RPUSH l x", ":1"),
        (
            "XDELEX l IDS 1 1-1",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("XLEN s", ":1"),
    ]);
}

#[test]
fn trims_regard_what_groups_refer_to() {
    check_newer(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 1", r#""2-1""#),
        ("XADD s 3-1 a 1", r#""3-1""#),
        ("XADD s 4-1 a 1", r#""4-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        ("XTRIM s MAXLEN 0 ACKED", ":0"),
        (
            "XREADGROUP GROUP g c COUNT 3 STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "1"]], ["3-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "1"]], ["3-1", ["a", "1"]]]}"#,
        ),
        ("XACK s g 1-1 3-1", ":2"),
        ("XTRIM s ACKED MAXLEN 1", ":2"),
        (
            "XRANGE s - +",
            r#"[["2-1", ["a", "1"]], ["4-1", ["a", "1"]]]"#,
        ),
        ("XTRIM s MAXLEN = 1 KEEPREF", ":1"),
        ("XPENDING s g", r#"[:1, "2-1", "2-1", [["c", "1"]]]"#),
        ("XADD s DELREF MINID 9 5-1 a 1", r#""5-1""#),
        ("XLEN s", ":0"),
        ("XPENDING s g", r#"[:1, "2-1", "2-1", [["c", "1"]]]"#),
        ("XADD s 6-1 a 1", r#""6-1""#),
        (
            "XREADGROUP GROUP g c STREAMS s >",
            r#"[["s", [["6-1", ["a", "1"]]]]] // %{"s": [["6-1", ["a", "1"]]]}"#,
        ),
        ("XTRIM s MAXLEN 0 DELREF", ":1"),
        ("XPENDING s g", r#"[:1, "2-1", "2-1", [["c", "1"]]]"#),
        ("XTRIM s MAXLEN 0 DELREF ACKED", SYNTAX),
        ("XADD s KEEPREF ACKED 7-1 a 1", SYNTAX),
        ("XADD s 7-1 a 1", r#""7-1""#),
        ("XGROUP DESTROY s g", ":1"),
        ("XTRIM s MAXLEN 0 ACKED", ":1"),
    ]);
}

#[test]
fn xackdel_acknowledges_and_deletes() {
    check_newer(&[
        ("XACKDEL s g IDS 2 1-1 2-1", "[:-1, :-1]"),
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 1", r#""2-1""#),
        ("XADD s 3-1 a 1", r#""3-1""#),
        ("XADD s 4-1 a 1", r#""4-1""#),
        ("XACKDEL s g IDS 1 1-1", "[:-1]"),
        ("XGROUP CREATE s g 0", "+OK"),
        ("XGROUP CREATE s h 0", "+OK"),
        (
            "XREADGROUP GROUP g c STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "1"]], ["3-1", ["a", "1"]], ["4-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "1"]], ["3-1", ["a", "1"]], ["4-1", ["a", "1"]]]}"#,
        ),
        (
            "XREADGROUP GROUP h c STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "1"]], ["3-1", ["a", "1"]], ["4-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "1"]], ["3-1", ["a", "1"]], ["4-1", ["a", "1"]]]}"#,
        ),
        ("XACKDEL s g IDS 2 1-1 9-9", "[:1, :-1]"),
        ("XLEN s", ":3"),
        ("XPENDING s g", r#"[:3, "2-1", "4-1", [["c", "3"]]]"#),
        ("XPENDING s h", r#"[:4, "1-1", "4-1", [["c", "4"]]]"#),
        ("XACKDEL s h KEEPREF IDS 1 1-1", "[:1]"),
        ("XACKDEL s g DELREF IDS 1 2-1", "[:1]"),
        ("XPENDING s h", r#"[:2, "3-1", "4-1", [["c", "2"]]]"#),
        ("XACKDEL s g ACKED IDS 1 3-1", "[:2]"),
        ("XLEN s", ":2"),
        ("XACKDEL s h ACKED IDS 2 3-1 4-1", "[:1, :2]"),
        ("XLEN s", ":1"),
        ("XACKDEL s g ACKED IDS 1 4-1", "[:1]"),
        ("XLEN s", ":0"),
        ("XACKDEL s g IDS 1 4-1", "[:-1]"),
        (
            "XACKDEL s g IDS 0 4-1",
            "-ERR Number of IDs must be a positive integer",
        ),
        (
            "XACKDEL s g IDS 2 4-1",
            "-ERR The `numids` parameter must match the number of arguments",
        ),
        ("XACKDEL s g IDS 1 4-1 5-1", SYNTAX),
        ("XACKDEL s g ACKED DELREF IDS 1 4-1", SYNTAX),
        (
            "XACKDEL s g IDS 1 abc",
            "-ERR Invalid stream ID specified as stream command argument",
        ),
        ("XACKDEL s g KEEPREF 1 4-1", SYNTAX),
        ("RPUSH l x", ":1"),
        (
            "XACKDEL l g IDS 1 1-1",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ]);
}
