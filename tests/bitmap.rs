//! The bitmap commands over the wire.

mod common;

use common::{Server, check, check_all};

const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const BIT_OFFSET: &str = "-ERR bit offset is not an integer or out of range";
const BIT: &str = "-ERR bit is not an integer or out of range";
const FIELD_TYPE: &str = "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but \
                          i64 is.";

#[test]
fn single_bits() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("GETBIT a 0", ":0"),
            ("SETBIT a 1 1", ":0"),
            ("GET a", "\"@\""),
            ("SETBIT a 1 1", ":1"),
            ("SETBIT a 15 1", ":0"),
            ("GET a", "\"@\\x01\""),
            ("SETBIT a 1 0", ":1"),
            ("GET a", "\"\\x00\\x01\""),
            ("GETBIT a 15", ":1"),
            ("GETBIT a 16", ":0"),
            ("GETBIT a 4294967295", ":0"),
            ("SETBIT new 20 0", ":0"),
            ("STRLEN new", ":3"),
            ("OBJECT ENCODING new", "\"raw\""),
            ("SET n 1", "+OK"),
            ("GETBIT n 7", ":1"),
            ("SETBIT n 6 1", ":0"),
            ("GET n", "\"3\""),
            ("OBJECT ENCODING n", "\"raw\""),
            ("EXPIRE n 100", ":1"),
            ("SETBIT n 100 1", ":0"),
            ("TTL n", ":100"),
            ("SETBIT long 80000 1", ":0"),
            ("STRLEN long", ":10001"),
            ("SETBIT long 90000 1", ":0"),
            ("STRLEN long", ":11251"),
            ("GETBIT long 80000", ":1"),
            ("BITCOUNT long", ":2"),
            ("SETBIT a 4294967296 1", BIT_OFFSET),
            ("SETBIT a -1 1", BIT_OFFSET),
            ("SETBIT a x 1", BIT_OFFSET),
            ("SETBIT a #1 1", BIT_OFFSET),
            ("GETBIT a 4294967296", BIT_OFFSET),
            ("SETBIT a 0 2", BIT),
            ("SETBIT a 0 -1", BIT),
            ("SETBIT a 0 x", BIT),
            ("RPUSH list x", ":1"),
            ("SETBIT list 0 1", WRONG_TYPE),
            ("GETBIT list 0", WRONG_TYPE),
        ],
    );
}

#[test]
fn what_changes_nothing_is_no_change() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let changes = |connection: &mut common::Connection| {
        let info = connection.run("INFO persistence").to_string();
        let (_, rest) = info
            .split_once("rdb_changes_since_last_save:")
            .expect("INFO tells it");
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse::<u64>().ok())
    };
    for (line, count) in [
        ("SETBIT a 9 1", 1),
        ("SETBIT a 9 1", 1),
        ("SETBIT a 9 0", 2),
        ("SETBIT a 20 0", 3),
        ("BITFIELD a SET u8 0 5 INCRBY u8 0 1 GET u8 0", 5),
        ("BITFIELD a SET u8 0 6 INCRBY u8 0 0", 5),
        ("BITFIELD a OVERFLOW FAIL INCRBY u2 0 100", 5),
        ("BITOP AND none x y", 5),
        ("BITOP OR b a x", 6),
        ("BITOP OR b x y", 7),
        ("PFADD h", 8),
        ("PFADD h", 8),
        ("PFADD h a b c", 11),
        ("PFADD h a b c", 11),
        ("PFCOUNT h", 12),
        ("PFCOUNT h", 12),
        ("PFCOUNT h x", 12),
        ("PFMERGE h", 13),
        ("PFDEBUG TODENSE h", 14),
        ("PFDEBUG GETREG h", 14),
    ] {
        connection.run(line);
        assert_eq!(changes(&mut connection), Some(count), "after {line}");
    }
}

#[test]
fn bits_are_counted() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("BITCOUNT none", ":0"),
            ("SET a foobar", "+OK"),
            ("BITCOUNT a", ":26"),
            ("BITCOUNT a 0 0", ":4"),
            ("BITCOUNT a 1 1", ":6"),
            ("BITCOUNT a 1 1 BYTE", ":6"),
            ("BITCOUNT a 0 -1", ":26"),
            ("BITCOUNT a -2 -1", ":7"),
            ("BITCOUNT a 5 30 bit", ":17"),
            ("BITCOUNT a 5 5 BIT", ":1"),
            ("BITCOUNT a 0 3 BIT", ":2"),
            ("BITCOUNT a -3 -1 BIT", ":1"),
            ("BITCOUNT a -100 100", ":26"),
            ("BITCOUNT a 3 2", ":0"),
            ("BITCOUNT a -1 -2", ":0"),
            ("BITCOUNT a 100 200", ":0"),
            ("BITCOUNT a 0 9223372036854775807 BIT", ":26"),
            ("SET n 12", "+OK"),
            ("BITCOUNT n", ":6"),
            ("SET empty \"\"", "+OK"),
            ("BITCOUNT empty 0 -1", ":0"),
            ("BITCOUNT a 0", SYNTAX),
            ("BITCOUNT a 0 1 BITS", SYNTAX),
            ("BITCOUNT a 0 1 BIT x", SYNTAX),
            ("BITCOUNT a x 1", NOT_INTEGER),
            ("BITCOUNT a 0 x", NOT_INTEGER),
            ("RPUSH list x", ":1"),
            ("BITCOUNT list", WRONG_TYPE),
            (
                "BITCOUNT",
                "-ERR wrong number of arguments for 'bitcount' command",
            ),
        ],
    );
}

#[test]
fn bits_are_found() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("BITPOS none 0", ":0"),
            ("BITPOS none 1", ":-1"),
            ("BITPOS none 0 5 9", ":0"),
            ("SET a \"\\xff\\xf0\\x00\"", "+OK"),
            ("BITPOS a 0", ":12"),
            ("BITPOS a 1", ":0"),
            ("BITPOS a 1 2", ":-1"),
            ("BITPOS a 0 2 -1", ":16"),
            ("BITPOS a 0 0 0", ":-1"),
            ("BITPOS a 0 3", ":-1"),
            ("BITPOS a 1 8 15 BIT", ":8"),
            ("BITPOS a 1 12 15 BIT", ":-1"),
            ("BITPOS a 0 3 13 bit", ":12"),
            ("BITPOS a 0 3 11 BIT", ":-1"),
            ("BITPOS a 0 -4 -1 BIT", ":20"),
            ("SET ones \"\\xff\\xff\\xff\"", "+OK"),
            ("BITPOS ones 0", ":24"),
            ("BITPOS ones 0 1", ":24"),
            ("BITPOS ones 0 0 -1", ":-1"),
            ("BITPOS ones 0 0 -1 BIT", ":-1"),
            ("SET empty \"\"", "+OK"),
            ("BITPOS empty 0", ":-1"),
            ("BITPOS empty 1", ":-1"),
            ("BITPOS a 2", "-ERR The bit argument must be 1 or 0."),
            ("BITPOS a x", NOT_INTEGER),
            ("BITPOS a 1 x", NOT_INTEGER),
            ("BITPOS a 1 0 x", NOT_INTEGER),
            ("BITPOS a 1 0 x BITS", SYNTAX),
            ("BITPOS a 1 0 1 BIT x", SYNTAX),
            ("RPUSH list x", ":1"),
            ("BITPOS list 0", WRONG_TYPE),
        ],
    );
}

#[test]
fn bitmaps_are_combined() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("SET a \"\\xff\\x0f\\xf0\"", "+OK"),
            ("SET b \"\\x0f\\x0f\"", "+OK"),
            ("BITOP AND r a b", ":3"),
            ("GET r", "\"\\x0f\\x0f\\x00\""),
            ("BITOP or r a b none", ":3"),
            ("GET r", "\"\\xff\\x0f\\xf0\""),
            ("BITOP XOR r a b", ":3"),
            ("GET r", "\"\\xf0\\x00\\xf0\""),
            ("BITOP NOT r a", ":3"),
            ("GET r", "\"\\x00\\xf0\\x0f\""),
            ("BITOP AND r a none", ":3"),
            ("GET r", "\"\\x00\\x00\\x00\""),
            ("BITOP AND a a b", ":3"),
            ("GET a", "\"\\x0f\\x0f\\x00\""),
            ("EXPIRE r 100", ":1"),
            ("BITOP OR r b", ":2"),
            ("TTL r", ":-1"),
            ("OBJECT ENCODING r", "\"raw\""),
            ("BITOP OR r none", ":0"),
            ("EXISTS r", ":0"),
            ("SET n 12", "+OK"),
            ("BITOP XOR r n n", ":2"),
            ("GET r", "\"\\x00\\x00\""),
            ("SETBIT long 40000 1", ":0"),
            ("BITOP NOT r long", ":5001"),
            ("BITCOUNT r", ":40007"),
            (
                "BITOP NOT r a b",
                "-ERR BITOP NOT must be called with a single source key.",
            ),
            ("BITOP NAND r a", SYNTAX),
            ("RPUSH list x", ":1"),
            ("BITOP AND r list a", WRONG_TYPE),
            ("BITOP AND list a b", ":3"),
            (
                "BITOP AND r",
                "-ERR wrong number of arguments for 'bitop' command",
            ),
        ],
    );
}

#[test]
fn newer_operations_combine_bitmaps() {
    if std::env::var("TEST_SERVER").is_ok() {
        return;
    }
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("SET x \"\\xcc\\xff\"", "+OK"),
            ("SET y \"\\xaa\"", "+OK"),
            ("SET z \"\\xf0\\x01\\x01\"", "+OK"),
            ("BITOP DIFF r x y z", ":3"),
            ("GET r", "\"\\x04\\xfe\\x00\""),
            ("BITOP DIFF1 r x y z", ":3"),
            ("GET r", "\"2\\x00\\x01\""),
            ("BITOP ANDOR r x y z", ":3"),
            ("GET r", "\"\\xc8\\x01\\x00\""),
            ("BITOP ONE r x y z", ":3"),
            ("GET r", "\"\\x16\\xfe\\x01\""),
            ("BITOP ONE r y", ":1"),
            ("BITOP diff r x none", ":2"),
            (
                "BITOP DIFF r x",
                "-ERR BITOP DIFF must be called with at least two source keys.",
            ),
            (
                "BITOP diff1 r x",
                "-ERR BITOP DIFF1 must be called with at least two source keys.",
            ),
            (
                "BITOP ANDOR r x",
                "-ERR BITOP ANDOR must be called with at least two source keys.",
            ),
        ],
    );
}

#[test]
fn fields_are_read_and_written() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("BITFIELD a", "[]"),
            ("BITFIELD a GET u8 0 GET i64 #3", "[:0, :0]"),
            ("EXISTS a", ":0"),
            (
                "BITFIELD a SET i8 0 -100 SET i8 8 101 GET i8 0",
                "[:0, :0, :-100]",
            ),
            ("GET a", "\"\\x9ce\""),
            (
                "BITFIELD a SET u8 #1 66 GET u8 #1 GET u4 4",
                "[:101, :66, :12]",
            ),
            ("GET a", "\"\\x9cB\""),
            ("BITFIELD a INCRBY u2 100 1 GET u4 0", "[:1, :9]"),
            ("STRLEN a", ":13"),
            (
                "BITFIELD w SET i64 3 -2 GET i64 3 GET u63 4",
                "[:0, :-2, :9223372036854775806]",
            ),
            ("SET n 123", "+OK"),
            (
                "BITFIELD n GET u8 8 GET u16 16 GET u8 100",
                "[:50, :13056, :0]",
            ),
            ("BITFIELD_RO n GET u8 0", "[:49]"),
            ("BITFIELD_RO n GET u8 0 get i4 #1", "[:49, :1]"),
            ("BITFIELD_RO none GET u8 0", "[:0]"),
            ("BITFIELD n OVERFLOW SAT GET u8 0", "[:49]"),
            ("OBJECT ENCODING n", "\"int\""),
            ("BITFIELD n SET u8 0 49", "[:49]"),
            ("OBJECT ENCODING n", "\"raw\""),
            ("BITFIELD far GET u8 4294967288", "[:0]"),
            ("BITFIELD a SET u8 0", SYNTAX),
            ("BITFIELD a GET u8", SYNTAX),
            ("BITFIELD a PUT u8 0 1", SYNTAX),
            ("BITFIELD a GET u64 0", FIELD_TYPE),
            ("BITFIELD a GET i65 0", FIELD_TYPE),
            ("BITFIELD a GET u0 0", FIELD_TYPE),
            ("BITFIELD a GET 8 0", FIELD_TYPE),
            ("BITFIELD a SET u8 0 x", NOT_INTEGER),
            ("BITFIELD a SET u8 -1 1", BIT_OFFSET),
            ("BITFIELD a GET u8 #536870912", BIT_OFFSET),
            ("BITFIELD a GET u8 #9223372036854775807", BIT_OFFSET),
            ("BITFIELD a GET u8 x", BIT_OFFSET),
            ("BITFIELD a SET u8 0 7 GET u64 0", FIELD_TYPE),
            ("BITFIELD a GET u8 0", "[:156]"),
            (
                "BITFIELD a OVERFLOW what SET u8 0 1",
                "-ERR Invalid OVERFLOW type specified",
            ),
            ("BITFIELD a OVERFLOW", SYNTAX),
            (
                "BITFIELD_RO a SET u8 0 1",
                "-ERR BITFIELD_RO only supports the GET subcommand",
            ),
            ("RPUSH list x", ":1"),
            ("BITFIELD list", WRONG_TYPE),
            ("BITFIELD list SET u8 0 1", WRONG_TYPE),
            ("BITFIELD_RO list GET u8 0", WRONG_TYPE),
        ],
    );
}

#[test]
fn fields_overflow_as_they_are_told_to() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("BITFIELD a SET u8 0 250", "[:0]"),
            ("BITFIELD a INCRBY u8 0 10", "[:4]"),
            (
                "BITFIELD a OVERFLOW SAT INCRBY u8 0 300 INCRBY u8 0 -300",
                "[:255, :0]",
            ),
            (
                "BITFIELD a OVERFLOW FAIL INCRBY u8 0 300 INCRBY u8 0 -1 GET u8 0",
                "[$-1, $-1, :0]",
            ),
            (
                "BITFIELD a OVERFLOW FAIL SET u8 0 256 OVERFLOW WRAP SET u8 0 257",
                "[$-1, :0]",
            ),
            ("BITFIELD a SET u8 0 -1 GET u8 0", "[:1, :255]"),
            (
                "BITFIELD a OVERFLOW SAT SET u8 0 -1 GET u8 0",
                "[:255, :255]",
            ),
            ("BITFIELD b SET i8 0 127 INCRBY i8 0 1", "[:0, :-128]"),
            (
                "BITFIELD b OVERFLOW SAT INCRBY i8 0 -1 INCRBY i8 0 1000",
                "[:-128, :127]",
            ),
            ("BITFIELD b OVERFLOW FAIL INCRBY i8 0 1", "[$-1]"),
            (
                "BITFIELD c SET i64 0 9223372036854775807 INCRBY i64 0 1",
                "[:0, :-9223372036854775808]",
            ),
            (
                "BITFIELD c OVERFLOW SAT INCRBY i64 0 -1",
                "[:-9223372036854775808]",
            ),
            ("BITFIELD c OVERFLOW FAIL INCRBY i64 0 -1", "[$-1]"),
            (
                "BITFIELD d INCRBY u63 1 9223372036854775807 INCRBY u63 1 1",
                "[:9223372036854775807, :0]",
            ),
            ("BITFIELD e OVERFLOW FAIL INCRBY u4 12 100", "[$-1]"),
            ("STRLEN e", ":2"),
        ],
    );
}

#[test]
fn what_a_bitfield_does_to_its_key_depends_on_its_operations() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for (line, want) in [
        (
            "COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0",
            "[[\"a\", [+RO, +access]]]",
        ),
        (
            "COMMAND GETKEYSANDFLAGS BITFIELD a SET u8 0 1",
            "[[\"a\", [+RW, +access, +update]]]",
        ),
        (
            "COMMAND GETKEYSANDFLAGS BITFIELD_RO a GET u8 0",
            "[[\"a\", [+RO, +access]]]",
        ),
        ("COMMAND GETKEYS BITOP AND r a b", "[\"r\", \"a\", \"b\"]"),
    ] {
        check(&mut connection, line, want);
    }
}
