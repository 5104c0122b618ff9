//! Expiry over the wire: setting and asking for deadlines, and what happens when they pass.

mod common;

use std::time::{Duration, Instant};

use common::{Connection, Server, check, check_all};

#[test]
fn deadlines_are_set_in_four_forms_and_read_in_four() {
    check_all(
        &Server::start(&[]),
        &[
            ("SET a 1", "+OK"),
            ("EXPIRE a 100", ":1"),
            ("TTL a", ":100"),
            ("PEXPIRE a 50000", ":1"),
            ("TTL a", ":50"),
            ("EXPIREAT a 4102444800", ":1"),
            ("EXPIRETIME a", ":4102444800"),
            ("PEXPIRETIME a", ":4102444800000"),
            ("PEXPIREAT a 4102444800499", ":1"),
            ("EXPIRETIME a", ":4102444800"),
            ("PEXPIREAT a 4102444800500", ":1"),
            ("EXPIRETIME a", ":4102444801"),
            ("PEXPIRETIME a", ":4102444800500"),
            ("PEXPIREAT a 9223372036854775807", ":1"),
            ("PEXPIRETIME a", ":9223372036854775807"),
            ("PERSIST a", ":1"),
            ("PERSIST a", ":0"),
            ("TTL a", ":-1"),
            ("PTTL a", ":-1"),
            ("EXPIRETIME a", ":-1"),
            ("PEXPIRETIME a", ":-1"),
            ("GET a", "\"1\""),
        ],
    );
}

#[test]
fn a_missing_key_has_no_deadline() {
    check_all(
        &Server::start(&[]),
        &[
            ("EXPIRE nokey 100", ":0"),
            ("PEXPIRE nokey -1", ":0"),
            ("EXPIREAT nokey 4102444800", ":0"),
            ("PEXPIREAT nokey 4102444800000", ":0"),
            ("PERSIST nokey", ":0"),
            ("TTL nokey", ":-2"),
            ("PTTL nokey", ":-2"),
            ("EXPIRETIME nokey", ":-2"),
            ("PEXPIRETIME nokey", ":-2"),
            (
                "EXPIRE nokey x",
                "-ERR value is not an integer or out of range",
            ),
            ("EXPIRE nokey 1 FOO", "-ERR Unsupported option FOO"),
        ],
    );
}

#[test]
fn conditions_decide_whether_a_deadline_is_set() {
    const NX: &str = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    const GT: &str = "-ERR GT and LT options at the same time are not compatible";
    check_all(
        &Server::start(&[]),
        &[
            ("SET a 1", "+OK"),
            ("EXPIRE a 100 XX", ":0"),
            ("EXPIRE a 100 GT", ":0"),
            ("EXPIRE a 100 XX LT", ":0"),
            ("TTL a", ":-1"),
            ("EXPIRE a 100 NX", ":1"),
            ("EXPIRE a 200 NX", ":0"),
            ("EXPIRE a 200 nx nx", ":0"),
            ("EXPIRE a 50 GT", ":0"),
            ("EXPIRE a 200 LT", ":0"),
            ("TTL a", ":100"),
            ("EXPIRE a 200 GT", ":1"),
            ("TTL a", ":200"),
            ("EXPIRE a 100 LT", ":1"),
            ("EXPIRE a 300 XX GT", ":1"),
            ("EXPIRE a 200 LT XX", ":1"),
            ("TTL a", ":200"),
            ("EXPIREAT a 4102444800 XX", ":1"),
            ("PEXPIREAT a 4102444800000 GT", ":0"),
            ("PEXPIREAT a 4102444800000 LT", ":0"),
            ("PEXPIREAT a 4102444800001 GT", ":1"),
            ("PERSIST a", ":1"),
            ("EXPIRE a 100 LT", ":1"),
            ("EXPIRE a -1 GT", ":0"),
            ("EXPIRE a -1 NX", ":0"),
            ("EXISTS a", ":1"),
            ("EXPIRE a -1 LT", ":1"),
            ("EXISTS a", ":0"),
            ("EXPIRE a 1 NX XX", NX),
            ("EXPIRE a 1 GT NX", NX),
            ("EXPIRE a 1 NX LT", NX),
            ("EXPIRE a 1 NX GT LT", NX),
            ("EXPIRE a 1 GT LT", GT),
            ("EXPIRE a x LT XX GT", GT),
            ("EXPIRE a 1 FOO", "-ERR Unsupported option FOO"),
            ("EXPIRE a 1 NX GT bar", "-ERR Unsupported option bar"),
        ],
    );
}

#[test]
fn times_out_of_range_are_refused_and_change_nothing() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    check(&mut connection, "SET a 1 EX 100", "+OK");
    for (command, time) in [
        ("expire", "9223372036854775807"),
        ("expire", "9223372036854776"),
        ("expire", "-9223372036854776"),
        ("expire", "9223372036854775"),
        ("pexpire", "9223372036854775807"),
        ("expireat", "9223372036854776"),
        ("expireat", "-9223372036854776"),
    ] {
        let want = format!("-ERR invalid expire time in '{command}' command");
        check(&mut connection, &format!("{command} a {time}"), &want);
    }
    for time in ["9223372036854775808", "1.5", "", "abc", "0x1"] {
        let want = "-ERR value is not an integer or out of range";
        check(&mut connection, &format!("PEXPIREAT a '{time}'"), want);
    }
    check(&mut connection, "TTL a", ":100");
    check(
        &mut connection,
        "EXPIRE a",
        "-ERR wrong number of arguments for 'expire' command",
    );
    check(
        &mut connection,
        "TTL a b",
        "-ERR wrong number of arguments for 'ttl' command",
    );
}

#[test]
fn a_deadline_in_the_past_deletes_the_key() {
    let server = Server::start(&[]);
    for mut connection in [server.connect(), server.connect_resp3()] {
        for command in [
            "EXPIRE a 0",
            "EXPIRE a -1",
            "EXPIRE a -9223372036854775",
            "PEXPIRE a -1",
            "PEXPIRE a -9223372036854775808",
            "EXPIREAT a 1",
            "EXPIREAT a -1",
            "PEXPIREAT a 1700000000000",
            "PEXPIREAT a -9223372036854775808",
        ] {
            check(&mut connection, "SET a 1", "+OK");
            check(&mut connection, command, ":1");
            check(&mut connection, "EXISTS a", ":0");
            check(&mut connection, "TTL a", ":-2");
        }
    }
}

#[test]
fn a_changed_value_keeps_its_deadline_and_a_new_one_does_not() {
    check_all(
        &Server::start(&[]),
        &[
            ("SET a 1 EX 100", "+OK"),
            ("INCR a", ":2"),
            ("APPEND a 3", ":2"),
            ("SETRANGE a 1 4", ":2"),
            ("TTL a", ":100"),
            ("SET a 1 KEEPTTL", "+OK"),
            ("TTL a", ":100"),
            ("SET a 1", "+OK"),
            ("TTL a", ":-1"),
            ("RPUSH l x y", ":2"),
            ("EXPIRE l 100", ":1"),
            ("RPUSH l z", ":3"),
            ("LPOP l", "\"x\""),
            ("TTL l", ":100"),
            ("PERSIST l", ":1"),
            ("LRANGE l 0 -1", "[\"y\", \"z\"]"),
            ("DEL l", ":1"),
            ("RPUSH l x", ":1"),
            ("TTL l", ":-1"),
        ],
    );
}

#[test]
fn an_expired_key_is_gone_for_every_command() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for (line, want) in [
        ("GET a", "$-1"),
        ("EXISTS a", ":0"),
        ("TYPE a", "+none"),
        ("TTL a", ":-2"),
        ("DEL a", ":0"),
        ("UNLINK a", ":0"),
        ("PERSIST a", ":0"),
        ("EXPIRE a 100", ":0"),
        ("COPY a b", ":0"),
        ("RENAME a b", "-ERR no such key"),
        ("MOVE a 1", ":0"),
        ("OBJECT ENCODING a", "$-1"),
        ("RANDOMKEY", "$-1"),
        ("KEYS *", "[]"),
        ("SCAN 0", "[\"0\", []]"),
    ] {
        let_expire(&mut connection);
        check(&mut connection, line, want);
    }
    check(&mut connection, "SET b 2", "+OK");
    let_expire(&mut connection);
    check(&mut connection, "RENAMENX b a", ":1");
    check(&mut connection, "GET a", "\"2\"");
    check(&mut connection, "TTL a", ":-1");
}

#[test]
fn expired_keys_are_deleted_without_being_asked_for() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for index in 0..500 {
        check(&mut connection, &format!("SET key:{index} x PX 20"), "+OK");
    }
    check(&mut connection, "SET stays x EX 1000", "+OK");
    wait_until(&mut connection, "DBSIZE", ":1");
    check(&mut connection, "KEYS *", "[\"stays\"]");
}

/// Stores `a` and lets its time come, without looking at it: its witness has the same deadline or a later one.
#[track_caller]
fn let_expire(connection: &mut Connection) {
    check(connection, "SET a 1 PX 1", "+OK");
    check(connection, "SET witness 1 PX 1", "+OK");
    wait_until(connection, "EXISTS witness", ":0");
}

/// Repeats a command until it answers `want`, which must be soon.
#[track_caller]
fn wait_until(connection: &mut Connection, line: &str, want: &str) {
    let start = Instant::now();
    loop {
        let reply = connection.run(line).to_string();
        if reply == want {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{line} answers {reply} and not {want}"
        );
        std::thread::yield_now();
    }
}
