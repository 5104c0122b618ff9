//! SORT and SORT_RO over the wire, in RESP2 and RESP3.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it.

mod common;

use common::{Reply, Server, check, check_fresh};

/// Arguments under which no collection is small.
const LARGE: &[&str] = &[
    "--list-max-listpack-size",
    "2",
    "--set-max-intset-entries",
    "1",
    "--zset-max-listpack-entries",
    "1",
    "--hash-max-listpack-entries",
    "1",
];

#[track_caller]
fn check_sorts(table: &[(&str, &str)]) {
    for args in [&[], LARGE] {
        check_fresh(args, table);
    }
}

#[test]
fn elements_are_sorted_as_numbers_or_texts() {
    check_sorts(&[
        ("RPUSH l 3 10 1 2 -5 1", ":6"),
        ("SORT l", r#"["-5", "1", "1", "2", "3", "10"]"#),
        ("SORT l ASC", r#"["-5", "1", "1", "2", "3", "10"]"#),
        ("SORT l DESC", r#"["10", "3", "2", "1", "1", "-5"]"#),
        ("SORT l ALPHA", r#"["-5", "1", "1", "10", "2", "3"]"#),
        ("SORT l DESC ALPHA", r#"["3", "2", "10", "1", "1", "-5"]"#),
        ("SORT l desc asc", r#"["-5", "1", "1", "2", "3", "10"]"#),
        ("SORT_RO l DESC LIMIT 1 2", r#"["3", "2"]"#),
        ("SADD s 3 10 1 2", ":4"),
        ("SORT s", r#"["1", "2", "3", "10"]"#),
        ("SORT s ALPHA DESC", r#"["3", "2", "10", "1"]"#),
        ("SADD t b a c", ":3"),
        ("SORT t ALPHA", r#"["a", "b", "c"]"#),
        ("RPUSH f 1.5 1e2 0x10 -inf inf 1.25", ":6"),
        ("SORT f", r#"["-inf", "1.25", "1.5", "0x10", "1e2", "inf"]"#),
        ("RPUSH spaces \" 2\" 1 \"\" 1.0", ":4"),
        ("SORT spaces", r#"["", "1", "1.0", " 2"]"#),
        ("SORT missing", "[]"),
        ("SORT missing BY x GET #", "[]"),
    ]);
}

#[test]
fn sorted_sets_have_an_order_of_their_own() {
    check_sorts(&[
        ("ZADD z 1 5 2 4 3 3 4 20 5 1", ":5"),
        ("SORT z", r#"["1", "3", "4", "5", "20"]"#),
        ("SORT z ALPHA DESC", r#"["5", "4", "3", "20", "1"]"#),
        ("SORT z BY nosort", r#"["5", "4", "3", "20", "1"]"#),
        ("SORT z BY nosort DESC", r#"["1", "20", "3", "4", "5"]"#),
        ("SORT z BY nosort LIMIT 1 2", r#"["4", "3"]"#),
        ("SORT z BY nosort DESC LIMIT 1 2", r#"["20", "3"]"#),
        ("SORT z BY nosort DESC LIMIT 4 9", r#"["5"]"#),
        ("SORT z BY nosort LIMIT 5 1", "[]"),
        ("SORT z BY nosort LIMIT 0 0", "[]"),
        ("SORT z BY nosort STORE d", ":5"),
        ("LRANGE d 0 -1", r#"["5", "4", "3", "20", "1"]"#),
    ]);
}

#[test]
fn windows_are_cut_out() {
    check_sorts(&[
        ("RPUSH l 5 4 3 2 1", ":5"),
        ("SORT l LIMIT 0 2", r#"["1", "2"]"#),
        ("SORT l LIMIT 3 10", r#"["4", "5"]"#),
        ("SORT l LIMIT 5 10", "[]"),
        ("SORT l LIMIT -1 2", r#"["1", "2"]"#),
        ("SORT l LIMIT 1 -1", r#"["2", "3", "4", "5"]"#),
        ("SORT l LIMIT 1 0", "[]"),
        (
            "SORT l LIMIT 0 9223372036854775807",
            r#"["1", "2", "3", "4", "5"]"#,
        ),
        ("SORT l LIMIT 9223372036854775807 9223372036854775807", "[]"),
        ("SORT l BY nosort LIMIT 1 2", r#"["4", "3"]"#),
        ("SORT l BY nosort", r#"["5", "4", "3", "2", "1"]"#),
        ("SORT l DESC LIMIT 1 1 LIMIT 2 2", r#"["3", "2"]"#),
        ("SORT l BY nosort GET # LIMIT 4 1", r#"["1"]"#),
    ]);
}

#[test]
fn patterns_lead_to_values() {
    check_sorts(&[
        ("RPUSH l 1 2 3", ":3"),
        ("MSET w_1 30 w_2 20 w_3 10 o_1 a o_2 b 3_n x", "+OK"),
        ("HSET h_1 f 5 g u", ":2"),
        ("HSET h_2 f 6", ":1"),
        ("HSET h_3 f 4 g v", ":2"),
        ("SORT l BY w_*", r#"["3", "2", "1"]"#),
        ("SORT l BY w_* DESC", r#"["1", "2", "3"]"#),
        ("SORT l BY h_*->f", r#"["3", "1", "2"]"#),
        ("SORT l BY h_*->f LIMIT 1 1", r#"["1"]"#),
        ("SORT l BY h_*->g ALPHA", r#"["2", "1", "3"]"#),
        ("SORT l BY h_*->g ALPHA DESC", r#"["3", "1", "2"]"#),
        ("SORT l GET o_*", r#"["a", "b", $-1]"#),
        (
            "SORT l GET # GET o_* GET h_*->g",
            r#"["1", "a", "u", "2", "b", $-1, "3", $-1, "v"]"#,
        ),
        ("SORT l GET *_n", r#"[$-1, $-1, "x"]"#),
        ("SORT l GET constant", "[$-1, $-1, $-1]"),
        ("SORT l GET h_*", "[$-1, $-1, $-1]"),
        ("SORT l GET o_*->f", "[$-1, $-1, $-1]"),
        ("SORT l GET h_*->", "[$-1, $-1, $-1]"),
        ("SORT l BY missing_* GET #", r#"["1", "2", "3"]"#),
        ("SORT l BY missing_* DESC", r#"["3", "2", "1"]"#),
        (
            "SORT l BY w_* BY nosort DESC GET w_*",
            "[\"10\", \"20\", \"30\"]",
        ),
        ("SET w_2 9.5", "+OK"),
        ("SORT l BY w_*", r#"["2", "3", "1"]"#),
        ("SORT l BY w_* ALPHA", r#"["3", "1", "2"]"#),
    ]);
}

#[test]
fn results_are_stored() {
    check_sorts(&[
        ("RPUSH l 3 1 2", ":3"),
        ("MSET o_1 a o_3 c", "+OK"),
        ("SORT l STORE d", ":3"),
        ("LRANGE d 0 -1", r#"["1", "2", "3"]"#),
        ("TYPE d", "+list"),
        ("SORT l GET # GET o_* STORE d", ":6"),
        ("LRANGE d 0 -1", r#"["1", "a", "2", "", "3", "c"]"#),
        ("SORT l DESC STORE l", ":3"),
        ("LRANGE l 0 -1", r#"["3", "2", "1"]"#),
        ("SORT missing STORE d", ":0"),
        ("EXISTS d", ":0"),
        ("SET d text EX 100", "+OK"),
        ("SORT l STORE x STORE d", ":3"),
        ("TTL d", ":-1"),
        ("EXISTS x", ":0"),
        ("SORT l LIMIT 9 1 STORE d", ":0"),
        ("EXISTS d", ":0"),
        ("SADD s b c a", ":3"),
        ("SORT s BY nosort STORE d", ":3"),
        ("LRANGE d 0 -1", r#"["a", "b", "c"]"#),
        ("SORT s BY nosort DESC LIMIT 0 2 STORE d", ":2"),
        ("LRANGE d 0 -1", r#"["c", "b"]"#),
        ("SORT l BY nosort STORE d", ":3"),
        ("LRANGE d 0 -1", r#"["3", "2", "1"]"#),
    ]);
}

#[test]
fn what_can_not_be_sorted_is_refused() {
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    const NO_DOUBLES: &str = "-ERR One or more scores can't be converted into double";
    const SYNTAX: &str = "-ERR syntax error";
    check_fresh(
        &[],
        &[
            ("SET t text", "+OK"),
            ("HSET h f v", ":1"),
            ("RPUSH l 1 2", ":2"),
            ("RPUSH a b c", ":2"),
            ("SORT t", WRONG),
            ("SORT h", WRONG),
            ("SORT t x", SYNTAX),
            ("SORT a", NO_DOUBLES),
            ("SORT a STORE d", NO_DOUBLES),
            ("SET w_1 1x", "+OK"),
            ("SORT l BY w_*", NO_DOUBLES),
            ("SET w_1 nan", "+OK"),
            ("SORT l BY w_*", NO_DOUBLES),
            ("MSET w_1 1e400 v_1 1e-400 u_1 5e-324", "+OK"),
            ("SORT l BY w_*", NO_DOUBLES),
            ("SORT l BY v_*", NO_DOUBLES),
            ("SORT l BY u_*", NO_DOUBLES),
            ("SORT l LIMIT 1", SYNTAX),
            (
                "SORT l LIMIT a 1",
                "-ERR value is not an integer or out of range",
            ),
            (
                "SORT l LIMIT 1 9223372036854775808",
                "-ERR value is not an integer or out of range",
            ),
            ("SORT l BY", SYNTAX),
            ("SORT l GET", SYNTAX),
            ("SORT l STORE", SYNTAX),
            ("SORT l WHAT", SYNTAX),
            ("SORT_RO l STORE d", SYNTAX),
            ("COMMAND GETKEYS SORT l STORE d", r#"["l", "d"]"#),
            (
                "COMMAND GETKEYS SORT l BY STORE GET STORE STORE d STORE e",
                r#"["l", "e"]"#,
            ),
            ("COMMAND GETKEYS SORT l LIMIT STORE 1", r#"["l"]"#),
            ("COMMAND GETKEYS SORT_RO l GET x", r#"["l"]"#),
        ],
    );
}

#[test]
fn windows_of_a_long_list_are_those_of_the_whole_order() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let mut rng = fastrand::Rng::with_seed(3);
    let numbers: Vec<i64> = (0..2000).map(|_| rng.i64(-500..500)).collect();
    let mut words = vec!["RPUSH".to_owned(), "l".to_owned()];
    words.extend(numbers.iter().map(i64::to_string));
    assert_eq!(connection.command(&words), Reply::Integer(2000));
    let mut order = numbers;
    order.sort_unstable();
    for (offset, count) in [(0, 10), (500, 100), (1990, 10), (0, 2000), (1999, 5)] {
        let texts: Vec<String> = order
            .iter()
            .skip(offset)
            .take(count)
            .map(|number| format!("\"{number}\""))
            .collect();
        let want = format!("[{}]", texts.join(", "));
        check(
            &mut connection,
            &format!("SORT l LIMIT {offset} {count}"),
            &want,
        );
    }
}
