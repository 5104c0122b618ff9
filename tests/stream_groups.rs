//! Consumer groups over the wire: delivering, acknowledging, claiming, and what XINFO knows of it, in RESP2 and RESP3.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it, but for the
//! tables of what came later.

mod common;

use common::{Connection, Reply, Server, check_fresh};

const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const NO_GROUP: &str = "-NOGROUP No such consumer group 'nope' for key name 's'";
const NO_KEY: &str = "-ERR no such key";

/// Runs a table in both protocols.
#[track_caller]
fn check_streams(table: &[(&str, &str)]) {
    check_fresh(&[], table);
}

/// Whether the tests run against another server, which may not know what came after Redis 7.0.
fn is_other_server() -> bool {
    std::env::var_os("TEST_SERVER").is_some()
}

/// Runs a table of what Redis 7.0 does not know yet.
#[track_caller]
fn check_newer(table: &[(&str, &str)]) {
    if !is_other_server() {
        check_fresh(&[], table);
    }
}

#[test]
fn groups_are_made_and_removed() {
    check_streams(&[
        (
            "XGROUP CREATE s g $",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
        ),
        ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
        (
            "XGROUP CREATE s g $",
            "-BUSYGROUP Consumer Group name already exists",
        ),
        (
            "XGROUP CREATE s g 0 MKSTREAM",
            "-BUSYGROUP Consumer Group name already exists",
        ),
        ("XLEN s", ":0"),
        ("EXISTS s", ":1"),
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 1", r#""2-1""#),
        ("XGROUP CREATE s h 1-1", "+OK"),
        ("XGROUP CREATE s i $ ENTRIESREAD 2", "+OK"),
        ("XGROUP CREATE s j 0 ENTRIESREAD -1 MKSTREAM", "+OK"),
        (
            "XINFO STREAM s",
            r#"["length", :2, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "2-1", "max-deleted-entry-id", "0-0", "entries-added", :2, "recorded-first-entry-id", "1-1", "groups", :4, "first-entry", ["1-1", ["a", "1"]], "last-entry", ["2-1", ["a", "1"]]] // %{"length": :2, "radix-tree-keys": :1, "radix-tree-nodes": :2, "last-generated-id": "2-1", "max-deleted-entry-id": "0-0", "entries-added": :2, "recorded-first-entry-id": "1-1", "groups": :4, "first-entry": ["1-1", ["a", "1"]], "last-entry": ["2-1", ["a", "1"]]}"#,
        ),
        ("XGROUP SETID s g 2", "+OK"),
        ("XGROUP SETID s g $ ENTRIESREAD 2", "+OK"),
        ("XGROUP SETID s g -", "+OK"),
        ("XGROUP SETID s g +", "+OK"),
        ("XGROUP SETID s nope 0", NO_GROUP),
        (
            "XGROUP SETID none g 0",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
        ),
        ("XGROUP DESTROY s g", ":1"),
        ("XGROUP DESTROY s g", ":0"),
        (
            "XGROUP DESTROY none g",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
        ),
        ("XGROUP CREATECONSUMER s h c", ":1"),
        ("XGROUP CREATECONSUMER s h c", ":0"),
        ("XGROUP CREATECONSUMER s nope c", NO_GROUP),
        (
            "XGROUP CREATECONSUMER none h c",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
        ),
        ("XGROUP DELCONSUMER s h c", ":0"),
        ("XGROUP DELCONSUMER s h c", ":0"),
        ("XGROUP DELCONSUMER s nope c", NO_GROUP),
        (
            "XGROUP DELCONSUMER none h c",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
        ),
        ("XGROUP DESTROY s h", ":1"),
        ("XGROUP DESTROY s i", ":1"),
        ("XGROUP DESTROY s j", ":1"),
        ("XINFO GROUPS s", "[]"),
    ]);
}

#[test]
fn xgroup_refuses_what_does_not_fit() {
    check_streams(&[
        (
            "XGROUP",
            "-ERR wrong number of arguments for 'xgroup' command",
        ),
        (
            "XGROUP FOO",
            "-ERR unknown subcommand 'FOO'. Try XGROUP HELP.",
        ),
        (
            "XGROUP CREATE s g",
            "-ERR wrong number of arguments for 'xgroup|create' command",
        ),
        (
            "XGROUP CREATE s g 0 FOO",
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
        ),
        (
            "XGROUP CREATE s g 0 MKSTREAM FOO",
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
        ),
        ("XGROUP CREATE s g x MKSTREAM", INVALID_ID),
        ("XGROUP CREATE s g - MKSTREAM", INVALID_ID),
        (
            "XGROUP CREATE s g 0 ENTRIESREAD",
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
        ),
        ("XGROUP CREATE s g 0 ENTRIESREAD x", NOT_INTEGER),
        (
            "XGROUP CREATE s g 0 ENTRIESREAD -2",
            "-ERR value for ENTRIESREAD must be positive or -1",
        ),
        (
            "XGROUP CREATE s g 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM",
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
        ),
        ("EXISTS s", ":0"),
        ("XGROUP CREATE s g 0 MKSTREAM", "+OK"),
        (
            "XGROUP SETID s g 0 MKSTREAM",
            "-ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.",
        ),
        ("XGROUP SETID s g x", INVALID_ID),
        (
            "XGROUP SETID s g 0 ENTRIESREAD 1 ENTRIESREAD 2",
            "-ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.",
        ),
        (
            "XGROUP DESTROY s g x",
            "-ERR wrong number of arguments for 'xgroup|destroy' command",
        ),
        (
            "XGROUP CREATECONSUMER s g",
            "-ERR wrong number of arguments for 'xgroup|createconsumer' command",
        ),
    ]);
}

#[test]
fn other_types_and_missing_keys_are_refused() {
    check_streams(&[
        ("XGROUP CREATE s g 0 MKSTREAM", "+OK"),
        ("RPUSH l x", ":1"),
        ("XGROUP CREATE l g 0 MKSTREAM", WRONG_TYPE),
        ("XGROUP SETID l g 0", WRONG_TYPE),
        ("XGROUP DESTROY l g", WRONG_TYPE),
        ("XGROUP CREATECONSUMER l g c", WRONG_TYPE),
        ("XGROUP DELCONSUMER l g c", WRONG_TYPE),
        ("XACK l g 1-1", WRONG_TYPE),
        ("XPENDING l g", WRONG_TYPE),
        ("XCLAIM l g c 0 1-1", WRONG_TYPE),
        ("XAUTOCLAIM l g c 0 0", WRONG_TYPE),
        ("XREADGROUP GROUP g c STREAMS l >", WRONG_TYPE),
        ("XINFO STREAM l", WRONG_TYPE),
        ("XINFO GROUPS l", WRONG_TYPE),
        ("XINFO CONSUMERS l g", WRONG_TYPE),
        ("XINFO STREAM none", NO_KEY),
        ("XINFO GROUPS none", NO_KEY),
        ("XINFO CONSUMERS none g", NO_KEY),
        ("XINFO CONSUMERS s nope", NO_GROUP),
        (
            "XINFO",
            "-ERR wrong number of arguments for 'xinfo' command",
        ),
        (
            "XINFO FOO",
            "-ERR unknown subcommand 'FOO'. Try XINFO HELP.",
        ),
        (
            "XINFO STREAM s FOO",
            "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
        ),
        (
            "XINFO STREAM s FULL COUNT",
            "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
        ),
        ("XINFO STREAM s FULL COUNT x", NOT_INTEGER),
        (
            "XINFO STREAM s FULL FOO 1",
            "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
        ),
        (
            "XINFO GROUPS",
            "-ERR wrong number of arguments for 'xinfo|groups' command",
        ),
        (
            "XINFO GROUPS s x",
            "-ERR wrong number of arguments for 'xinfo|groups' command",
        ),
        (
            "XINFO CONSUMERS s",
            "-ERR wrong number of arguments for 'xinfo|consumers' command",
        ),
    ]);
}

#[test]
fn each_entry_goes_to_one_consumer() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 2", r#""2-1""#),
        ("XADD s 3-1 b 3", r#""3-1""#),
        ("XADD s 4-1 b 4", r#""4-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        (
            "XREADGROUP GROUP g alice COUNT 1 STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g bob COUNT 2 STREAMS s >",
            r#"[["s", [["2-1", ["a", "2"]], ["3-1", ["b", "3"]]]]] // %{"s": [["2-1", ["a", "2"]], ["3-1", ["b", "3"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g alice STREAMS s >",
            r#"[["s", [["4-1", ["b", "4"]]]]] // %{"s": [["4-1", ["b", "4"]]]}"#,
        ),
        ("XREADGROUP GROUP g alice STREAMS s >", "*-1"),
        ("XREADGROUP GROUP g alice BLOCK 1 STREAMS s >", "*-1"),
        (
            "XPENDING s g",
            r#"[:4, "1-1", "4-1", [["alice", "2"], ["bob", "2"]]]"#,
        ),
        (
            "XREADGROUP GROUP g alice STREAMS s 0",
            r#"[["s", [["1-1", ["a", "1"]], ["4-1", ["b", "4"]]]]] // %{"s": [["1-1", ["a", "1"]], ["4-1", ["b", "4"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g bob STREAMS s 2-1",
            r#"[["s", [["3-1", ["b", "3"]]]]] // %{"s": [["3-1", ["b", "3"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g alice COUNT 1 STREAMS s 1",
            r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g carl STREAMS s 0",
            r#"[["s", []]] // %{"s": []}"#,
        ),
        ("XACK s g 1-1 1-1 9-9", ":1"),
        ("XACK s g 2-1 3-1", ":2"),
        ("XACK s g 4-1", ":1"),
        ("XPENDING s g", "[:0, $-1, $-1, *-1]"),
        ("XACK none g 1-1", ":0"),
        ("XACK s nope 1-1", ":0"),
        ("XACK s g 1-1 abc", INVALID_ID),
        ("XACK none g abc", ":0"),
    ]);
}

#[test]
fn entries_that_are_gone_stay_pending() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 2", r#""2-1""#),
        ("XADD s 3-1 a 3", r#""3-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        (
            "XREADGROUP GROUP g c STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "2"]], ["3-1", ["a", "3"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "2"]], ["3-1", ["a", "3"]]]}"#,
        ),
        ("XDEL s 1-1 3-1", ":2"),
        (
            "XREADGROUP GROUP g c STREAMS s 0",
            r#"[["s", [["1-1", *-1], ["2-1", ["a", "2"]], ["3-1", *-1]]]] // %{"s": [["1-1", _], ["2-1", ["a", "2"]], ["3-1", _]]}"#,
        ),
        ("XTRIM s MAXLEN 0", ":1"),
        (
            "XREADGROUP GROUP g c STREAMS s 0",
            r#"[["s", [["1-1", *-1], ["2-1", *-1], ["3-1", *-1]]]] // %{"s": [["1-1", _], ["2-1", _], ["3-1", _]]}"#,
        ),
        (
            "XREADGROUP GROUP g c STREAMS s 18446744073709551615-18446744073709551614",
            r#"[["s", []]] // %{"s": []}"#,
        ),
        ("XPENDING s g", r#"[:3, "1-1", "3-1", [["c", "3"]]]"#),
        ("XACK s g 1-1 2-1", ":2"),
        ("XPENDING s g", r#"[:1, "3-1", "3-1", [["c", "1"]]]"#),
    ]);
}

#[test]
fn noack_leaves_nothing_pending() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 2", r#""2-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        (
            "XREADGROUP GROUP g c NOACK COUNT 1 STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g c NOACK STREAMS s 0",
            r#"[["s", []]] // %{"s": []}"#,
        ),
        (
            "XREADGROUP GROUP g c STREAMS s >",
            r#"[["s", [["2-1", ["a", "2"]]]]] // %{"s": [["2-1", ["a", "2"]]]}"#,
        ),
        ("XPENDING s g", r#"[:1, "2-1", "2-1", [["c", "1"]]]"#),
    ]);
}

#[test]
fn several_streams_are_read_at_once() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD t 2-1 a 2", r#""2-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        ("XGROUP CREATE t g 0", "+OK"),
        (
            "XREADGROUP GROUP g c STREAMS s t > >",
            r#"[["s", [["1-1", ["a", "1"]]]], ["t", [["2-1", ["a", "2"]]]]] // %{"s": [["1-1", ["a", "1"]]], "t": [["2-1", ["a", "2"]]]}"#,
        ),
        ("XREADGROUP GROUP g c STREAMS s t > >", "*-1"),
        (
            "XREADGROUP GROUP g c STREAMS s t 0 >",
            r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
        ),
        ("XADD t 3-1 a 3", r#""3-1""#),
        ("XADD t 4-1 a 3", r#""4-1""#),
        (
            "XREADGROUP GROUP g c COUNT 1 STREAMS t s t > > >",
            r#"[["t", [["3-1", ["a", "3"]]]], ["t", [["4-1", ["a", "3"]]]]] // %{"t": [["3-1", ["a", "3"]]], "t": [["4-1", ["a", "3"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g c STREAMS s t t 0 > 2",
            r#"[["s", [["1-1", ["a", "1"]]]], ["t", [["2-1", ["a", "2"]], ["3-1", ["a", "3"]], ["4-1", ["a", "3"]]]]] // %{"s": [["1-1", ["a", "1"]]], "t": [["2-1", ["a", "2"]], ["3-1", ["a", "3"]], ["4-1", ["a", "3"]]]}"#,
        ),
    ]);
}

#[test]
fn delivering_again_takes_from_the_other_consumer() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 2", r#""2-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        (
            "XREADGROUP GROUP g alice STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "2"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "2"]]]}"#,
        ),
        ("XGROUP SETID s g 1-1", "+OK"),
        (
            "XREADGROUP GROUP g bob STREAMS s >",
            r#"[["s", [["2-1", ["a", "2"]]]]] // %{"s": [["2-1", ["a", "2"]]]}"#,
        ),
        (
            "XPENDING s g",
            r#"[:2, "1-1", "2-1", [["alice", "1"], ["bob", "1"]]]"#,
        ),
        ("XGROUP DELCONSUMER s g alice", ":1"),
        ("XGROUP DELCONSUMER s g bob", ":1"),
        ("XPENDING s g", "[:0, $-1, $-1, *-1]"),
    ]);
}

#[test]
fn xreadgroup_refuses_what_does_not_fit() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        (
            "XREADGROUP GROUP g c STREAMS s $",
            "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        ),
        ("XREADGROUP GROUP g c STREAMS s -", INVALID_ID),
        ("XREADGROUP GROUP g c STREAMS s abc", INVALID_ID),
        (
            "XREADGROUP GROUP nope c STREAMS s >",
            "-NOGROUP No such key 's' or consumer group 'nope' in XREADGROUP with GROUP option",
        ),
        (
            "XREADGROUP GROUP g c STREAMS none >",
            "-NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP option",
        ),
        (
            "XREADGROUP GROUP g c STREAMS s none > >",
            "-NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP option",
        ),
        (
            "XREADGROUP COUNT 1 NOACK NOACK STREAMS s >",
            "-ERR Missing GROUP option for XREADGROUP",
        ),
        ("XREADGROUP GROUP g c COUNT x STREAMS s >", NOT_INTEGER),
        ("XREADGROUP GROUP g c FOO STREAMS s >", "-ERR syntax error"),
        (
            "XREADGROUP GROUP g c STREAMS s",
            "-ERR wrong number of arguments for 'xreadgroup' command",
        ),
        (
            "XREADGROUP GROUP g c COUNT 1 NOACK s >",
            "-ERR syntax error",
        ),
        ("XPENDING s g", "[:0, $-1, $-1, *-1]"),
    ]);
}

#[test]
fn what_is_read_is_counted() {
    check_streams(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 2", r#""2-1""#),
        ("XADD s 3-1 a 3", r#""3-1""#),
        ("XADD s 4-1 a 4", r#""4-1""#),
        ("XADD s 5-1 a 5", r#""5-1""#),
        ("XGROUP CREATE s g1 0", "+OK"),
        ("XGROUP CREATE s g2 0", "+OK"),
        ("XGROUP CREATE s g3 $", "+OK"),
        ("XGROUP CREATE s g4 2-1 ENTRIESREAD 2", "+OK"),
        (
            "XREADGROUP GROUP g1 c COUNT 1 STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]]]]] // %{"s": [["1-1", ["a", "1"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g2 c STREAMS s >",
            r#"[["s", [["1-1", ["a", "1"]], ["2-1", ["a", "2"]], ["3-1", ["a", "3"]], ["4-1", ["a", "4"]], ["5-1", ["a", "5"]]]]] // %{"s": [["1-1", ["a", "1"]], ["2-1", ["a", "2"]], ["3-1", ["a", "3"]], ["4-1", ["a", "4"]], ["5-1", ["a", "5"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g4 c COUNT 1 STREAMS s >",
            r#"[["s", [["3-1", ["a", "3"]]]]] // %{"s": [["3-1", ["a", "3"]]]}"#,
        ),
        (
            "XINFO GROUPS s",
            r#"[["name", "g1", "consumers", :1, "pending", :1, "last-delivered-id", "1-1", "entries-read", :1, "lag", :4], ["name", "g2", "consumers", :1, "pending", :5, "last-delivered-id", "5-1", "entries-read", :5, "lag", :0], ["name", "g3", "consumers", :0, "pending", :0, "last-delivered-id", "5-1", "entries-read", $-1, "lag", :0], ["name", "g4", "consumers", :1, "pending", :1, "last-delivered-id", "3-1", "entries-read", :3, "lag", :2]] // [%{"name": "g1", "consumers": :1, "pending": :1, "last-delivered-id": "1-1", "entries-read": :1, "lag": :4}, %{"name": "g2", "consumers": :1, "pending": :5, "last-delivered-id": "5-1", "entries-read": :5, "lag": :0}, %{"name": "g3", "consumers": :0, "pending": :0, "last-delivered-id": "5-1", "entries-read": _, "lag": :0}, %{"name": "g4", "consumers": :1, "pending": :1, "last-delivered-id": "3-1", "entries-read": :3, "lag": :2}]"#,
        ),
        ("XDEL s 4-1", ":1"),
        (
            "XINFO GROUPS s",
            r#"[["name", "g1", "consumers", :1, "pending", :1, "last-delivered-id", "1-1", "entries-read", :1, "lag", $-1], ["name", "g2", "consumers", :1, "pending", :5, "last-delivered-id", "5-1", "entries-read", :5, "lag", :0], ["name", "g3", "consumers", :0, "pending", :0, "last-delivered-id", "5-1", "entries-read", $-1, "lag", :0], ["name", "g4", "consumers", :1, "pending", :1, "last-delivered-id", "3-1", "entries-read", :3, "lag", $-1]] // [%{"name": "g1", "consumers": :1, "pending": :1, "last-delivered-id": "1-1", "entries-read": :1, "lag": _}, %{"name": "g2", "consumers": :1, "pending": :5, "last-delivered-id": "5-1", "entries-read": :5, "lag": :0}, %{"name": "g3", "consumers": :0, "pending": :0, "last-delivered-id": "5-1", "entries-read": _, "lag": :0}, %{"name": "g4", "consumers": :1, "pending": :1, "last-delivered-id": "3-1", "entries-read": :3, "lag": _}]"#,
        ),
        (
            "XREADGROUP GROUP g1 c COUNT 1 STREAMS s >",
            r#"[["s", [["2-1", ["a", "2"]]]]] // %{"s": [["2-1", ["a", "2"]]]}"#,
        ),
        (
            "XREADGROUP GROUP g4 c COUNT 1 STREAMS s >",
            r#"[["s", [["5-1", ["a", "5"]]]]] // %{"s": [["5-1", ["a", "5"]]]}"#,
        ),
        (
            "XINFO GROUPS s",
            r#"[["name", "g1", "consumers", :1, "pending", :2, "last-delivered-id", "2-1", "entries-read", $-1, "lag", $-1], ["name", "g2", "consumers", :1, "pending", :5, "last-delivered-id", "5-1", "entries-read", :5, "lag", :0], ["name", "g3", "consumers", :0, "pending", :0, "last-delivered-id", "5-1", "entries-read", $-1, "lag", :0], ["name", "g4", "consumers", :1, "pending", :2, "last-delivered-id", "5-1", "entries-read", :4, "lag", :1]] // [%{"name": "g1", "consumers": :1, "pending": :2, "last-delivered-id": "2-1", "entries-read": _, "lag": _}, %{"name": "g2", "consumers": :1, "pending": :5, "last-delivered-id": "5-1", "entries-read": :5, "lag": :0}, %{"name": "g3", "consumers": :0, "pending": :0, "last-delivered-id": "5-1", "entries-read": _, "lag": :0}, %{"name": "g4", "consumers": :1, "pending": :2, "last-delivered-id": "5-1", "entries-read": :4, "lag": :1}]"#,
        ),
        ("XTRIM s MAXLEN 1", ":3"),
        (
            "XINFO GROUPS s",
            r#"[["name", "g1", "consumers", :1, "pending", :2, "last-delivered-id", "2-1", "entries-read", $-1, "lag", :1], ["name", "g2", "consumers", :1, "pending", :5, "last-delivered-id", "5-1", "entries-read", :5, "lag", :0], ["name", "g3", "consumers", :0, "pending", :0, "last-delivered-id", "5-1", "entries-read", $-1, "lag", :0], ["name", "g4", "consumers", :1, "pending", :2, "last-delivered-id", "5-1", "entries-read", :4, "lag", :1]] // [%{"name": "g1", "consumers": :1, "pending": :2, "last-delivered-id": "2-1", "entries-read": _, "lag": :1}, %{"name": "g2", "consumers": :1, "pending": :5, "last-delivered-id": "5-1", "entries-read": :5, "lag": :0}, %{"name": "g3", "consumers": :0, "pending": :0, "last-delivered-id": "5-1", "entries-read": _, "lag": :0}, %{"name": "g4", "consumers": :1, "pending": :2, "last-delivered-id": "5-1", "entries-read": :4, "lag": :1}]"#,
        ),
    ]);
}

#[test]
fn lag_is_known_where_nothing_is_missing() {
    check_newer(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XADD s 2-1 a 2", r#""2-1""#),
        ("XADD s 3-1 a 3", r#""3-1""#),
        ("XGROUP CREATE s g 0", "+OK"),
        ("XDEL s 1-1", ":1"),
        (
            "XINFO GROUPS s",
            r#"[["name", "g", "consumers", :0, "pending", :0, "last-delivered-id", "0-0", "entries-read", $-1, "lag", :2]] // [%{"name": "g", "consumers": :0, "pending": :0, "last-delivered-id": "0-0", "entries-read": _, "lag": :2}]"#,
        ),
        ("XDEL s 3-1", ":1"),
        (
            "XINFO GROUPS s",
            r#"[["name", "g", "consumers", :0, "pending", :0, "last-delivered-id", "0-0", "entries-read", $-1, "lag", $-1]] // [%{"name": "g", "consumers": :0, "pending": :0, "last-delivered-id": "0-0", "entries-read": _, "lag": _}]"#,
        ),
        ("XDEL s 2-1", ":1"),
        (
            "XINFO GROUPS s",
            r#"[["name", "g", "consumers", :0, "pending", :0, "last-delivered-id", "0-0", "entries-read", $-1, "lag", :0]] // [%{"name": "g", "consumers": :0, "pending": :0, "last-delivered-id": "0-0", "entries-read": _, "lag": :0}]"#,
        ),
        ("XADD s 4-1 a 4", r#""4-1""#),
        (
            "XINFO GROUPS s",
            r#"[["name", "g", "consumers", :0, "pending", :0, "last-delivered-id", "0-0", "entries-read", $-1, "lag", :1]] // [%{"name": "g", "consumers": :0, "pending": :0, "last-delivered-id": "0-0", "entries-read": _, "lag": :1}]"#,
        ),
    ]);
}

#[test]
fn consumers_are_made_by_reading() {
    check_newer(&[
        ("XADD s 1-1 a 1", r#""1-1""#),
        ("XGROUP CREATE s g $", "+OK"),
        ("XREADGROUP GROUP g alice STREAMS s >", "*-1"),
        ("XCLAIM s g bob 0 9-9", "[]"),
        ("XAUTOCLAIM s g carl 0 0", r#"["0-0", [], []]"#),
        (
            "XINFO GROUPS s",
            r#"[["name", "g", "consumers", :3, "pending", :0, "last-delivered-id", "1-1", "entries-read", $-1, "lag", :0]] // [%{"name": "g", "consumers": :3, "pending": :0, "last-delivered-id": "1-1", "entries-read": _, "lag": :0}]"#,
        ),
        (
            "XREADGROUP GROUP g c STREAMS s +",
            "-ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
        ),
    ]);
}

/// The value of a field in a RESP3 map.
fn field<'r>(reply: &'r Reply, name: &str) -> &'r Reply {
    let Reply::Map(pairs) = reply else {
        panic!("no map but {reply}");
    };
    let is_named = |key: &Reply| *key == Reply::Bulk(name.into());
    let found = pairs.iter().find(|(key, _)| is_named(key));
    &found.unwrap_or_else(|| panic!("no {name} in {reply}")).1
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

/// The server's clock in milliseconds.
fn now_ms(connection: &mut Connection) -> i64 {
    let reply = connection.run("TIME");
    let texts: Vec<i64> = parts(&reply)
        .iter()
        .map(|part| match part {
            Reply::Bulk(text) => String::from_utf8_lossy(text).parse().expect("a number"),
            other => panic!("no number but {other}"),
        })
        .collect();
    texts[0] * 1000 + texts[1] / 1000
}

#[test]
fn xinfo_stream_full_shows_entries_groups_and_consumers() {
    let server = Server::start(&[]);
    let mut connection = server.connect_resp3();
    let before_ms = now_ms(&mut connection);
    for line in [
        "XADD s 1-1 a 1",
        "XADD s 2-1 a 2",
        "XADD s 3-1 a 3",
        "XGROUP CREATE s g 0",
        "XGROUP CREATE s h $",
        "XREADGROUP GROUP g alice COUNT 2 STREAMS s >",
        "XGROUP CREATECONSUMER s g bob",
    ] {
        connection.run(line);
    }
    let after_ms = now_ms(&mut connection);
    let full = connection.run("XINFO STREAM s FULL COUNT 1");
    assert_eq!(
        field(&full, "entries").to_string(),
        r#"[["1-1", ["a", "1"]]]"#
    );
    let groups = parts(field(&full, "groups"));
    assert_eq!(groups.len(), 2);
    let group = &groups[0];
    for (name, want) in [
        ("name", r#""g""#),
        ("last-delivered-id", r#""2-1""#),
        ("entries-read", ":2"),
        ("lag", ":1"),
        ("pel-count", ":2"),
    ] {
        assert_eq!(field(group, name).to_string(), want, "{name}");
    }
    let pending = parts(field(group, "pending"));
    assert_eq!(pending.len(), 1);
    let delivery = parts(&pending[0]);
    assert_eq!(delivery[0].to_string(), r#""1-1""#);
    assert_eq!(delivery[1].to_string(), r#""alice""#);
    assert!((before_ms..=after_ms).contains(&integer(&delivery[2])));
    assert_eq!(integer(&delivery[3]), 1);
    let consumers = parts(field(group, "consumers"));
    let counts: Vec<i64> = consumers
        .iter()
        .map(|consumer| integer(field(consumer, "pel-count")))
        .collect();
    assert_eq!(counts, [2, 0]);
    let seen_ms = integer(field(&consumers[0], "seen-time"));
    assert!((before_ms..=after_ms).contains(&seen_ms));
    if !is_other_server() {
        assert_eq!(integer(field(&consumers[0], "active-time")), seen_ms);
        assert_eq!(integer(field(&consumers[1], "active-time")), -1);
    }
}

#[test]
fn xinfo_stream_full_limits_its_lists() {
    let server = Server::start(&[]);
    let mut connection = server.connect_resp3();
    for line in [
        "XADD s 1-1 a 1",
        "XADD s 2-1 a 2",
        "XADD s 3-1 a 3",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g alice COUNT 2 STREAMS s >",
    ] {
        connection.run(line);
    }
    let lists = |line: &str, connection: &mut Connection| {
        let full = connection.run(line);
        let group = &parts(field(&full, "groups"))[0];
        let own = &parts(field(group, "consumers"))[0];
        let lists = [
            field(&full, "entries"),
            field(group, "pending"),
            field(own, "pending"),
        ];
        lists.map(|list| parts(list).len())
    };
    for (line, want) in [
        ("XINFO STREAM s FULL", [3, 2, 2]),
        ("XINFO STREAM s FULL COUNT 0", [3, 2, 2]),
        ("XINFO STREAM s FULL COUNT -1", [3, 2, 2]),
        ("XINFO STREAM s FULL COUNT 2", [2, 2, 2]),
    ] {
        assert_eq!(lists(line, &mut connection), want, "{line}");
    }
}

#[test]
fn consumers_are_listed_by_name_with_their_times() {
    let server = Server::start(&[]);
    let mut connection = server.connect_resp3();
    for line in [
        "XADD s 1-1 a 1",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g zoe STREAMS s >",
        "XGROUP CREATECONSUMER s g adam",
    ] {
        connection.run(line);
    }
    let reply = connection.run("XINFO CONSUMERS s g");
    let consumers = parts(&reply);
    let names: Vec<String> = consumers
        .iter()
        .map(|consumer| field(consumer, "name").to_string())
        .collect();
    assert_eq!(names, [r#""adam""#, r#""zoe""#]);
    assert_eq!(integer(field(&consumers[1], "pending")), 1);
    assert!((0..60_000).contains(&integer(field(&consumers[0], "idle"))));
    if !is_other_server() {
        assert_eq!(integer(field(&consumers[0], "inactive")), -1);
        let inactive_ms = integer(field(&consumers[1], "inactive"));
        assert!((0..60_000).contains(&inactive_ms));
    }
}

#[test]
fn a_copy_of_a_stream_has_groups_of_its_own() {
    check_fresh(
        &[],
        &[
            ("XADD s 1-1 a 1", r#""1-1""#),
            ("XADD s 2-1 a 2", r#""2-1""#),
            ("XGROUP CREATE s g 0", "+OK"),
            ("XGROUP CREATECONSUMER s g c", ":1"),
            ("COPY s t", ":1"),
            ("XGROUP SETID t g 2-1", "+OK"),
            ("XGROUP DELCONSUMER t g c", ":0"),
            ("XGROUP DESTROY s g", ":1"),
            ("XPENDING t g", "[:0, $-1, $-1, *-1]"),
            (
                "XPENDING s g",
                "-NOGROUP No such key 's' or consumer group 'g'",
            ),
        ],
    );
}

#[test]
fn containers_explain_themselves() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for (line, head) in [
        ("XGROUP HELP", "+XGROUP <subcommand>"),
        ("XINFO HELP", "+XINFO <subcommand>"),
    ] {
        let reply = connection.run(line);
        let lines = parts(&reply);
        assert!(lines[0].to_string().starts_with(head), "{reply}");
        assert!(lines.len() > 5, "{reply}");
    }
}
