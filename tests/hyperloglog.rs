//! The HyperLogLog commands over the wire.
//!
//! That the bytes are Redis's own is held by `store::encoding::hyperloglog` with digests of what Redis stores; here the
//! first few are shown in full.

mod common;

use common::{Connection, Reply, Server, check, check_all};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_ONE: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPTED: &str = "-INVALIDOBJ Corrupted HLL object detected";

#[test]
fn elements_are_counted() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("PFCOUNT none", ":0"),
            ("PFCOUNT none none2", ":0"),
            ("PFADD a", ":1"),
            ("PFADD a", ":0"),
            (
                "GET a",
                "\"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\"",
            ),
            ("PFCOUNT a", ":0"),
            (
                "GET a",
                "\"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\xff\"",
            ),
            ("PFADD a x y z", ":1"),
            ("PFADD a x y z", ":0"),
            ("PFADD a \"\"", ":1"),
            ("PFCOUNT a", ":4"),
            ("EXPIRE a 100", ":1"),
            ("PFADD a w", ":1"),
            ("TTL a", ":100"),
            ("PFCOUNT a", ":5"),
            ("TTL a", ":100"),
            ("OBJECT ENCODING a", "\"raw\""),
            ("PFADD b v w x", ":1"),
            ("PFCOUNT a b none", ":6"),
            ("PFMERGE c a b none", "+OK"),
            ("PFCOUNT c", ":6"),
            ("PFMERGE empty", "+OK"),
            ("PFCOUNT empty", ":0"),
            ("PFMERGE b a", "+OK"),
            ("PFCOUNT b", ":6"),
            (
                "PFADD",
                "-ERR wrong number of arguments for 'pfadd' command",
            ),
            (
                "PFCOUNT",
                "-ERR wrong number of arguments for 'pfcount' command",
            ),
        ],
    );
}

#[test]
fn other_values_are_refused() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("RPUSH list x", ":1"),
            ("PFADD list x", WRONG_TYPE),
            ("PFCOUNT list", WRONG_TYPE),
            ("PFCOUNT none list", WRONG_TYPE),
            ("PFMERGE list", WRONG_TYPE),
            ("PFMERGE none list", WRONG_TYPE),
            ("PFDEBUG ENCODING list", WRONG_TYPE),
            ("SET text hello", "+OK"),
            ("PFADD text x", NOT_ONE),
            ("PFCOUNT text", NOT_ONE),
            ("PFCOUNT none text", NOT_ONE),
            ("PFMERGE text", NOT_ONE),
            ("PFMERGE none text", NOT_ONE),
            ("EXISTS none", ":0"),
            ("SET number 12", "+OK"),
            ("PFADD number x", NOT_ONE),
            ("PFADD a x", ":1"),
            ("COPY a magic", ":1"),
            ("SETRANGE magic 0 h", ":20"),
            ("PFADD magic y", NOT_ONE),
            ("COPY a encoding", ":1"),
            ("SETRANGE encoding 4 \"\\x02\"", ":20"),
            ("PFCOUNT encoding", NOT_ONE),
            ("COPY a dense", ":1"),
            ("SETRANGE dense 4 \"\\x00\"", ":20"),
            ("PFCOUNT dense", NOT_ONE),
            ("COPY a tail", ":1"),
            ("APPEND tail hello", ":25"),
            ("PFCOUNT tail", CORRUPTED),
            ("PFCOUNT none tail", CORRUPTED),
            ("PFMERGE none tail", CORRUPTED),
            ("PFDEBUG GETREG tail", CORRUPTED),
            ("PFDEBUG TODENSE tail", CORRUPTED),
            ("EXISTS none", ":0"),
            (
                "SET short \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\"",
                "+OK",
            ),
            ("PFADD short x", CORRUPTED),
            ("PFADD short", ":0"),
            ("PFCOUNT short", CORRUPTED),
        ],
    );
}

#[test]
fn a_look_inside() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            (
                "PFDEBUG ENCODING none",
                "-ERR The specified key does not exist",
            ),
            ("PFADD a x y", ":1"),
            ("PFDEBUG ENCODING a", "+sparse"),
            ("PFDEBUG decode a", "\"Z:14932 v:3,1 Z:1441 v:2,1 z:9\""),
            ("PFDEBUG TODENSE a", ":1"),
            ("PFDEBUG TODENSE a", ":0"),
            ("PFDEBUG ENCODING a", "+dense"),
            ("STRLEN a", ":12304"),
            ("PFDEBUG DECODE a", "-ERR HLL encoding is not sparse"),
            ("PFCOUNT a", ":2"),
            ("PFADD b z", ":1"),
            ("PFMERGE b a", "+OK"),
            ("PFDEBUG ENCODING b", "+dense"),
            ("PFCOUNT b", ":3"),
            ("PFDEBUG WHAT a", "-ERR Unknown PFDEBUG subcommand 'WHAT'"),
        ],
    );
    let mut connection = server.connect();
    let Reply::Array(registers) = connection.run("PFDEBUG GETREG a") else {
        panic!("GETREG answers the registers");
    };
    let set: Vec<usize> = (0..registers.len())
        .filter(|&at| registers[at] != Reply::Integer(0))
        .collect();
    assert_eq!((registers.len(), set), (16384, vec![14932, 16374]));
}

/// Adds elements in commands of a thousand, and returns the encoding.
fn add(connection: &mut Connection, key: &str, numbers: std::ops::Range<usize>) -> String {
    let elements: Vec<String> = numbers.map(|number| format!("element:{number}")).collect();
    for some in elements.chunks(1000) {
        let mut words = vec!["PFADD", key];
        words.extend(some.iter().map(String::as_str));
        connection.command(&words);
    }
    connection
        .run(&format!("PFDEBUG ENCODING {key}"))
        .to_string()
}

#[test]
fn the_limit_of_sparse_ones_is_live() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    assert_eq!(add(&mut connection, "a", 0..1500), "+sparse");
    check(&mut connection, "PFCOUNT a", ":1500");
    assert_eq!(add(&mut connection, "a", 1500..2000), "+dense");
    check(&mut connection, "PFCOUNT a", ":2004");
    check(
        &mut connection,
        "CONFIG SET hll-sparse-max-bytes 100",
        "+OK",
    );
    assert_eq!(add(&mut connection, "b", 0..10), "+sparse");
    assert_eq!(add(&mut connection, "b", 10..100), "+dense");
    check(&mut connection, "PFCOUNT b", ":99");
    assert_eq!(add(&mut connection, "b", 100..20_000), "+dense");
    check(&mut connection, "PFCOUNT b", ":19986");
}

#[test]
fn the_self_test_passes() {
    if std::env::var("TEST_SERVER").is_ok() {
        return;
    }
    let server = Server::start(&[]);
    check(&mut server.connect(), "PFSELFTEST", "+OK");
}
