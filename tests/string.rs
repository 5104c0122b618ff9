//! The string commands over the wire.

mod common;

use common::{Reply, Server, check, check_all};

const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn set_and_get() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("GET a", "$-1"),
            ("SET a 1", "+OK"),
            ("GET a", "\"1\""),
            ("SET a \"\"", "+OK"),
            ("GET a", "\"\""),
            ("SET a \"x\\x00\\r\\n\\xff\"", "+OK"),
            ("GET a", "\"x\\x00\\r\\n\\xff\""),
            ("SET \"\" empty", "+OK"),
            ("GET \"\"", "\"empty\""),
            ("SET a 1 NX", "$-1"),
            ("SET b 1 NX", "+OK"),
            ("SET c 1 XX", "$-1"),
            ("SET b 2 XX", "+OK"),
            ("GET b", "\"2\""),
            ("SET b 3 GET", "\"2\""),
            ("SET c 3 GET", "$-1"),
            ("GET c", "\"3\""),
            ("SET c 4 NX GET", "\"3\""),
            ("SET d 4 XX GET", "$-1"),
            ("EXISTS d", ":0"),
            ("SET d 4 NX GET", "$-1"),
            ("GET d", "\"4\""),
            ("SET a 1 NX XX", SYNTAX),
            ("SET a 1 what", SYNTAX),
            ("SET a 1 EX", SYNTAX),
            ("SET a", "-ERR wrong number of arguments for 'set' command"),
            (
                "GET a b",
                "-ERR wrong number of arguments for 'get' command",
            ),
            ("RPUSH list x", ":1"),
            ("GET list", WRONG_TYPE),
            ("SET list 1 GET", WRONG_TYPE),
            ("SET list 1", "+OK"),
            ("GET list", "\"1\""),
        ],
    );
}

#[test]
fn set_with_an_expiry() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("SET a 1 EX 100", "+OK"),
            ("TTL a", ":100"),
            ("SET a 2 KEEPTTL", "+OK"),
            ("TTL a", ":100"),
            ("SET a 3", "+OK"),
            ("TTL a", ":-1"),
            ("SET a 3 px 100000 xx", "+OK"),
            ("TTL a", ":100"),
            ("SET a 3 EXAT 33177117420", "+OK"),
            ("EXPIRETIME a", ":33177117420"),
            ("SET a 3 PXAT 33177117420123", "+OK"),
            ("PEXPIRETIME a", ":33177117420123"),
            ("SET a 3 EXAT 1", "+OK"),
            ("GET a", "$-1"),
            ("SET a 1 EX 0", "-ERR invalid expire time in 'set' command"),
            ("SET a 1 EX -1", "-ERR invalid expire time in 'set' command"),
            (
                "SET a 1 PX 9223372036854775807",
                "-ERR invalid expire time in 'set' command",
            ),
            (
                "SET a 1 EX 9223372036854775807",
                "-ERR invalid expire time in 'set' command",
            ),
            ("SET a 1 EX x", NOT_INTEGER),
            ("SET a 1 EX 1 PX 1", SYNTAX),
            ("SET a 1 EX 1 KEEPTTL", SYNTAX),
            // The same option may come again, and numbers are read last.
            ("SET a 2 KEEPTTL KEEPTTL", "+OK"),
            ("SET a 2 EX x EX 100", "+OK"),
            ("SET a 2 EX x 4", SYNTAX),
            ("SET a 1 KEEPTTL KEEPTTL EX 1", SYNTAX),
            ("SETEX a 100 v", "+OK"),
            ("TTL a", ":100"),
            ("PSETEX a 200000 v", "+OK"),
            ("TTL a", ":200"),
            ("SETEX a 0 v", "-ERR invalid expire time in 'setex' command"),
            (
                "PSETEX a -1 v",
                "-ERR invalid expire time in 'psetex' command",
            ),
            ("SETEX a x v", NOT_INTEGER),
        ],
    );
}

#[test]
fn getex_getdel_and_getset() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("GETEX none", "$-1"),
            ("SET a v", "+OK"),
            ("GETEX a", "\"v\""),
            ("TTL a", ":-1"),
            ("GETEX a EX 100", "\"v\""),
            ("TTL a", ":100"),
            ("GETEX a", "\"v\""),
            ("TTL a", ":100"),
            ("GETEX a PERSIST", "\"v\""),
            ("TTL a", ":-1"),
            ("GETEX a PX 100000", "\"v\""),
            ("TTL a", ":100"),
            ("GETEX a EXAT 33177117420", "\"v\""),
            ("EXPIRETIME a", ":33177117420"),
            ("GETEX a PXAT 1", "\"v\""),
            ("EXISTS a", ":0"),
            ("SET a v", "+OK"),
            (
                "GETEX a EX 0",
                "-ERR invalid expire time in 'getex' command",
            ),
            ("GETEX a EX x", NOT_INTEGER),
            ("GETEX a EX 1 PERSIST", SYNTAX),
            ("GETEX a KEEPTTL", SYNTAX),
            ("GETEX missing PX -1", "$-1"),
            ("GETEX missing EX x", "$-1"),
            ("GETDEL a", "\"v\""),
            ("GETDEL a", "$-1"),
            ("GETSET a 1", "$-1"),
            ("EXPIRE a 100", ":1"),
            ("GETSET a 2", "\"1\""),
            ("TTL a", ":-1"),
            ("GET a", "\"2\""),
            ("RPUSH list x", ":1"),
            ("GETEX list", WRONG_TYPE),
            ("GETDEL list", WRONG_TYPE),
            ("GETSET list 1", WRONG_TYPE),
            ("SETNX a 3", ":0"),
            ("SETNX b 3", ":1"),
            ("GET b", "\"3\""),
            ("SETNX list 3", ":0"),
        ],
    );
}

#[test]
fn counters() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("INCR a", ":1"),
            ("INCRBY a 41", ":42"),
            ("DECR a", ":41"),
            ("DECRBY a 50", ":-9"),
            ("GET a", "\"-9\""),
            ("EXPIRE a 100", ":1"),
            ("INCR a", ":-8"),
            ("TTL a", ":100"),
            ("SET a 9223372036854775806", "+OK"),
            ("INCR a", ":9223372036854775807"),
            ("INCR a", "-ERR increment or decrement would overflow"),
            ("DECRBY a -1", "-ERR increment or decrement would overflow"),
            (
                "DECRBY a -9223372036854775808",
                "-ERR decrement would overflow",
            ),
            ("SET a -9223372036854775808", "+OK"),
            ("DECR a", "-ERR increment or decrement would overflow"),
            ("INCRBY a x", NOT_INTEGER),
            ("INCRBY a 1.5", NOT_INTEGER),
            ("INCRBY a 9223372036854775808", NOT_INTEGER),
            ("SET a \" 1\"", "+OK"),
            ("INCR a", NOT_INTEGER),
            ("SET a 01", "+OK"),
            ("INCR a", NOT_INTEGER),
            ("SET a \"\"", "+OK"),
            ("INCR a", NOT_INTEGER),
            ("SET a 12", "+OK"),
            ("APPEND a 3", ":3"),
            ("INCR a", ":124"),
            ("RPUSH list x", ":1"),
            ("INCR list", WRONG_TYPE),
            ("INCRBYFLOAT f 1.5", "\"1.5\""),
            ("INCRBYFLOAT f 0.1", "\"1.6\""),
            ("INCRBYFLOAT f -1.6", "\"0\""),
            ("INCRBYFLOAT f 1e3", "\"1000\""),
            ("INCRBYFLOAT f 0x0", "\"1000\""),
            ("INCRBYFLOAT f x", "-ERR value is not a valid float"),
            (
                "INCRBYFLOAT f inf",
                "-ERR increment would produce NaN or Infinity",
            ),
            ("SET f 3.0e3", "+OK"),
            ("INCRBYFLOAT f 200", "\"3200\""),
            ("SET f \" 1\"", "+OK"),
            ("INCRBYFLOAT f 1", "-ERR value is not a valid float"),
            ("INCRBYFLOAT list 1", WRONG_TYPE),
        ],
    );
}

#[test]
fn parts_of_strings() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("APPEND a Hello", ":5"),
            ("APPEND a \" World\"", ":11"),
            ("STRLEN a", ":11"),
            ("STRLEN none", ":0"),
            ("SET n 1234", "+OK"),
            ("STRLEN n", ":4"),
            ("GETRANGE a 0 4", "\"Hello\""),
            ("GETRANGE a -5 -1", "\"World\""),
            ("GETRANGE a 0 -1", "\"Hello World\""),
            ("GETRANGE a 5 3", "\"\""),
            ("GETRANGE a -3 -5", "\"\""),
            ("GETRANGE a -100 100", "\"Hello World\""),
            ("GETRANGE a 100 200", "\"\""),
            ("GETRANGE n 1 2", "\"23\""),
            ("GETRANGE none 0 -1", "\"\""),
            ("SET empty \"\"", "+OK"),
            ("GETRANGE empty 0 -1", "\"\""),
            ("GETRANGE empty 0 0", "\"\""),
            ("GETRANGE a x 1", NOT_INTEGER),
            ("SUBSTR a 0 1", "\"He\""),
            ("SETRANGE a 6 Redis", ":11"),
            ("GET a", "\"Hello Redis\""),
            ("SETRANGE a 13 !", ":14"),
            ("GET a", "\"Hello Redis\\x00\\x00!\""),
            ("SETRANGE none 0 \"\"", ":0"),
            ("EXISTS none", ":0"),
            ("SETRANGE a 0 \"\"", ":14"),
            ("SETRANGE pad 3 x", ":4"),
            ("GET pad", "\"\\x00\\x00\\x00x\""),
            ("SETRANGE n 1 x", ":4"),
            ("GET n", "\"1x34\""),
            ("SETRANGE a -1 x", "-ERR offset is out of range"),
            (
                "SETRANGE a 536870912 x",
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            ),
            ("RPUSH list x", ":1"),
            ("EXPIRE a 100", ":1"),
            ("APPEND a \"\"", ":14"),
            ("SETRANGE a 0 h", ":14"),
            ("SETRANGE a 2000 x", ":2001"),
            ("SETRANGE a 1 E", ":2001"),
            ("GETRANGE a 0 5", "\"hEllo \""),
            ("GETRANGE a 1999 -1", "\"\\x00x\""),
            ("TTL a", ":100"),
            ("APPEND list x", WRONG_TYPE),
            ("STRLEN list", WRONG_TYPE),
            ("GETRANGE list 0 1", WRONG_TYPE),
            ("SETRANGE list 0 x", WRONG_TYPE),
        ],
    );
}

#[test]
fn several_strings_at_once() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("MSET a 1 b 2 a 3", "+OK"),
            ("MGET a none b a", "[\"3\", $-1, \"2\", \"3\"]"),
            ("RPUSH list x", ":1"),
            ("MGET a list", "[\"3\", $-1]"),
            (
                "MSET a",
                "-ERR wrong number of arguments for 'mset' command",
            ),
            (
                "MSET a 1 b",
                "-ERR wrong number of arguments for 'mset' command",
            ),
            ("EXPIRE a 100", ":1"),
            ("MSET a 1 list 2", "+OK"),
            ("TTL a", ":-1"),
            ("GET list", "\"2\""),
            ("MSETNX a 5 c 5", ":0"),
            ("EXISTS c", ":0"),
            ("MSETNX c 5 d 6 c 7", ":1"),
            ("MGET c d", "[\"7\", \"6\"]"),
            (
                "MSETNX c 5 d",
                "-ERR wrong number of arguments for 'msetnx' command",
            ),
            ("MGET", "-ERR wrong number of arguments for 'mget' command"),
        ],
    );
}

#[test]
fn newer_commands_for_strings() {
    if std::env::var("TEST_SERVER").is_ok() {
        return;
    }
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("SET a 1", "+OK"),
            ("SET a 2 IFEQ 1", "+OK"),
            ("SET a 3 IFEQ 1", "$-1"),
            ("SET a 3 IFEQ 1 GET", "\"2\""),
            ("SET none 3 IFEQ 1", "$-1"),
            ("SET a 3 IFEQ", SYNTAX),
            ("SET a 3 IFEQ 2 NX", SYNTAX),
            ("DELIFEQ a 1", ":0"),
            ("DELIFEQ a 2", ":1"),
            ("DELIFEQ a 2", ":0"),
            ("RPUSH list x", ":1"),
            ("DELIFEQ list x", WRONG_TYPE),
            ("MSETEX 2 a 1 b 2 EX 100", ":1"),
            ("MGET a b", "[\"1\", \"2\"]"),
            ("TTL a", ":100"),
            ("MSETEX 2 b 3 c 3 NX", ":0"),
            ("MSETEX 2 a 3 b 3 XX KEEPTTL", ":1"),
            ("TTL b", ":100"),
            ("MSETEX 1 a 4", ":1"),
            ("TTL a", ":-1"),
            ("MSETEX 2 a 4 c 4 XX", ":0"),
            ("MSETEX 0 a 4", "-ERR invalid numkeys value"),
            ("COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 100", "[\"a\", \"b\"]"),
        ],
    );
}

#[test]
fn what_two_strings_have_in_common() {
    let server = Server::start(&["--proto-max-bulk-len", "1048576"]);
    check_all(
        &server,
        &[
            ("MSET a ohmytext b mynewtext n 12345 m 13355", "+OK"),
            ("LCS a b", "\"mytext\""),
            ("LCS a b LEN", ":6"),
            (
                "LCS a b IDX",
                "[\"matches\", [[[:4, :7], [:5, :8]], [[:2, :3], [:0, :1]]], \"len\", :6] // \
                 %{\"matches\": [[[:4, :7], [:5, :8]], [[:2, :3], [:0, :1]]], \"len\": :6}",
            ),
            (
                "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
                "[\"matches\", [[[:4, :7], [:5, :8], :4]], \"len\", :6] // \
                 %{\"matches\": [[[:4, :7], [:5, :8], :4]], \"len\": :6}",
            ),
            (
                "LCS a b idx minmatchlen -5 minmatchlen 5",
                "[\"matches\", [], \"len\", :6] // %{\"matches\": [], \"len\": :6}",
            ),
            ("LCS a b MINMATCHLEN 4 WITHMATCHLEN", "\"mytext\""),
            ("LCS n m", "\"135\""),
            ("LCS a none", "\"\""),
            ("LCS a none LEN", ":0"),
            (
                "LCS none none IDX",
                "[\"matches\", [], \"len\", :0] // %{\"matches\": [], \"len\": :0}",
            ),
            ("LCS a a", "\"ohmytext\""),
            (
                "LCS a b LEN IDX",
                "-ERR If you want both the length and indexes, please just use IDX.",
            ),
            ("LCS a b WHAT", SYNTAX),
            ("LCS a b MINMATCHLEN", SYNTAX),
            ("LCS a b MINMATCHLEN x", NOT_INTEGER),
            ("LCS a", "-ERR wrong number of arguments for 'lcs' command"),
            ("SETRANGE long 511 x", ":512"),
            ("SETRANGE longer 512 x", ":513"),
            ("LCS long a LEN", ":1"),
            (
                "LCS long longer",
                "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ),
            ("RPUSH list x", ":1"),
            (
                "LCS a list",
                "-ERR The specified keys must contain string values",
            ),
            (
                "LCS list none WHAT",
                "-ERR The specified keys must contain string values",
            ),
        ],
    );
}

#[test]
fn compare_and_set() {
    if std::env::var("TEST_SERVER").is_ok() {
        return;
    }
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("DIGEST none", "$-1"),
            ("SET a \"Hello world\"", "+OK"),
            ("DIGEST a", "\"b6acb9d84a38ff74\""),
            ("SET a x IFNE \"Hello world\"", "$-1"),
            ("SET a x IFDNE b6acb9d84a38ff74", "$-1"),
            ("SET a x IFDEQ 0000000000000000", "$-1"),
            (
                "SET a x IFDEQ B6ACB9D84A38FF74 GET EX 100",
                "\"Hello world\"",
            ),
            ("GET a", "\"x\""),
            ("TTL a", ":100"),
            ("SET a y IFNE z KEEPTTL", "+OK"),
            ("TTL a", ":100"),
            ("SET a z IFDNE 0000000000000000", "+OK"),
            ("SET none x IFDEQ 0000000000000000", "$-1"),
            ("SET none x IFNE y GET", "$-1"),
            ("GET none", "\"x\""),
            ("DEL none", ":1"),
            ("SET none x IFDNE 0000000000000000", "+OK"),
            ("SET n 12", "+OK"),
            ("SET n 13 IFEQ 12", "+OK"),
            (
                "SET a x IFDEQ 12",
                "-ERR must be exactly 16 hexadecimal characters",
            ),
            ("SET a x IFNE", SYNTAX),
            ("SET a x IFNE y XX", SYNTAX),
            ("SET a x IFNE y IFEQ y", SYNTAX),
        ],
    );
}

#[test]
fn compare_and_delete() {
    if std::env::var("TEST_SERVER").is_ok() {
        return;
    }
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("SET none x", "+OK"),
            ("SET a z", "+OK"),
            ("DELEX none IFEQ y", ":0"),
            ("DELEX none IFEQ x", ":1"),
            ("DELEX none IFEQ x", ":0"),
            ("DELEX none IFNE x", ":0"),
            ("DELEX a IFNE z", ":0"),
            ("DELEX a ifne y", ":1"),
            ("SET a \"Hello world\"", "+OK"),
            ("DELEX a IFDNE b6acb9d84a38ff74", ":0"),
            (
                "DELEX a IFDEQ 12",
                "-ERR must be exactly 16 hexadecimal characters",
            ),
            ("DELEX a IFDEQ b6acb9d84a38ff74", ":1"),
            ("EXISTS a", ":0"),
            ("RPUSH list x", ":1"),
            ("DIGEST list", WRONG_TYPE),
            ("SET list x IFNE y", WRONG_TYPE),
            ("DELEX list IFEQ x", WRONG_TYPE),
            (
                "DELEX list IFIF x",
                "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE",
            ),
            (
                "DELEX list IFEQ",
                "-ERR wrong number of arguments for 'delex' command",
            ),
            ("DELEX list", ":1"),
            (
                "COMMAND GETKEYSANDFLAGS DELEX a",
                "[[\"a\", [+RM, +delete]]] // [[\"a\", ~[+RM, +delete]]]",
            ),
            (
                "COMMAND GETKEYSANDFLAGS DELEX a IFEQ b",
                "[[\"a\", [+RW, +delete]]] // [[\"a\", ~[+RW, +delete]]]",
            ),
        ],
    );
}

#[test]
fn large_values_come_back_whole() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for len in [1, 100, 16 * 1024, 32 * 1024, 100_000, 3_000_000] {
        let value: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        assert_eq!(
            connection
                .command(&[b"SET".as_slice(), b"a", &value])
                .to_string(),
            "+OK",
            "{len}"
        );
        assert_eq!(
            connection.command(&["GET", "a"]),
            Reply::Bulk(value.clone()),
            "{len}"
        );
        check(&mut connection, "STRLEN a", &format!(":{len}"));
        check(&mut connection, "APPEND a tail", &format!(":{}", len + 4));
        assert_eq!(
            connection.command(&["GETDEL", "a"]),
            Reply::Bulk([value.as_slice(), b"tail"].concat()),
            "{len}"
        );
    }
}
