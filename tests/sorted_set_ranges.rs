//! Ranges of sorted sets and the algebra of several of them over the wire, in RESP2 and RESP3 and in both encodings.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it.

mod common;

use common::check_fresh;

/// Runs a table with the default limits, and with limits that make everything large, in both protocols.
#[track_caller]
fn check_sorted_sets(table: &[(&str, &str)]) {
    check_fresh(&[], table);
    check_fresh(&["--zset-max-listpack-entries", "0"], table);
}

#[test]
fn ranges_by_rank() {
    check_sorted_sets(&[
        ("ZADD z 1 a 2 b 3 c 4 d", ":4"),
        ("ZRANGE z 0 -1", r#"["a", "b", "c", "d"]"#),
        ("ZRANGE z 0 0", r#"["a"]"#),
        (
            "ZRANGE z 1 2 WITHSCORES",
            r#"["b", "2", "c", "3"] // [["b", ,2], ["c", ,3]]"#,
        ),
        ("ZRANGE z -2 -1", r#"["c", "d"]"#),
        ("ZRANGE z -100 100", r#"["a", "b", "c", "d"]"#),
        ("ZRANGE z 3 1", "[]"),
        ("ZRANGE z 4 10", "[]"),
        ("ZRANGE z -1 -5", "[]"),
        ("ZRANGE missing 0 -1", "[]"),
        ("ZRANGE z 0 -1 REV", r#"["d", "c", "b", "a"]"#),
        (
            "ZRANGE z 0 1 REV WITHSCORES",
            r#"["d", "4", "c", "3"] // [["d", ,4], ["c", ,3]]"#,
        ),
        ("ZREVRANGE z 0 -1", r#"["d", "c", "b", "a"]"#),
        (
            "ZREVRANGE z 1 2 WITHSCORES",
            r#"["c", "3", "b", "2"] // [["c", ,3], ["b", ,2]]"#,
        ),
        ("ZREVRANGE z -1 -1", r#"["a"]"#),
        ("ZREVRANGE z 5 8", "[]"),
        ("ZREVRANGE z 0 -1 REV", "-ERR syntax error"),
        (
            "ZRANGE z 0 -1 LIMIT 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("ZRANGE z 0 -1 LIMIT 0 -1", r#"["a", "b", "c", "d"]"#),
        ("ZRANGE z 0 -1 LIMIT 0", "-ERR syntax error"),
        (
            "ZRANGE z a b",
            "-ERR value is not an integer or out of range",
        ),
        (
            "ZRANGE z 0 x",
            "-ERR value is not an integer or out of range",
        ),
        ("ZRANGE z 0 -1 FOO", "-ERR syntax error"),
        ("ZRANGE z 0 -1 REV REV", "-ERR syntax error"),
        (
            "ZRANGE z 0 -1 WITHSCORES WITHSCORES",
            r#"["a", "1", "b", "2", "c", "3", "d", "4"] // [["a", ,1], ["b", ,2], ["c", ,3], ["d", ,4]]"#,
        ),
        ("ZRANGE z 9223372036854775807 -9223372036854775808", "[]"),
        (
            "ZRANGE z -9223372036854775808 9223372036854775807",
            r#"["a", "b", "c", "d"]"#,
        ),
        (
            "ZRANGE z 0 9223372036854775808",
            "-ERR value is not an integer or out of range",
        ),
    ]);
}

#[test]
fn ranges_by_score() {
    check_sorted_sets(&[
        ("ZADD z -inf a 1 b 2 c 2 cc 3 d 4 e inf f", ":7"),
        (
            "ZRANGEBYSCORE z -inf +inf",
            r#"["a", "b", "c", "cc", "d", "e", "f"]"#,
        ),
        ("ZRANGEBYSCORE z 1 3", r#"["b", "c", "cc", "d"]"#),
        ("ZRANGEBYSCORE z (1 (3", r#"["c", "cc"]"#),
        (
            "ZRANGEBYSCORE z (1 2 WITHSCORES",
            r#"["c", "2", "cc", "2"] // [["c", ,2], ["cc", ,2]]"#,
        ),
        (
            "ZRANGEBYSCORE z (-inf (inf",
            r#"["b", "c", "cc", "d", "e"]"#,
        ),
        ("ZRANGEBYSCORE z 3 1", "[]"),
        ("ZRANGEBYSCORE z (2 (2", "[]"),
        ("ZRANGEBYSCORE z 5 6", "[]"),
    ]);
}

#[test]
fn ranges_by_score_with_limits() {
    check_sorted_sets(&[
        ("ZADD z -inf a 1 b 2 c 2 cc 3 d 4 e inf f", ":7"),
        ("ZRANGEBYSCORE z 1 4 LIMIT 1 2", r#"["c", "cc"]"#),
        ("ZRANGEBYSCORE z 1 4 LIMIT 3 10", r#"["d", "e"]"#),
        ("ZRANGEBYSCORE z 1 4 LIMIT 0 0", "[]"),
        ("ZRANGEBYSCORE z 1 4 LIMIT 1 -1", r#"["c", "cc", "d", "e"]"#),
        ("ZRANGEBYSCORE z 1 4 LIMIT -1 2", "[]"),
        ("ZRANGEBYSCORE z 1 4 LIMIT 100 2", "[]"),
        (
            "ZRANGEBYSCORE z 1 4 LIMIT 1 2 WITHSCORES",
            r#"["c", "2", "cc", "2"] // [["c", ,2], ["cc", ,2]]"#,
        ),
        (
            "ZRANGEBYSCORE z 1 4 WITHSCORES LIMIT 0 1",
            r#"["b", "1"] // [["b", ,1]]"#,
        ),
        (
            "ZRANGEBYSCORE z 1 4 LIMIT a 2",
            "-ERR value is not an integer or out of range",
        ),
        ("ZRANGEBYSCORE z 1 4 LIMIT 1", "-ERR syntax error"),
        ("ZRANGEBYSCORE z 1 4 BYSCORE", "-ERR syntax error"),
        ("ZRANGEBYSCORE z 1 4 REV", "-ERR syntax error"),
        ("ZRANGEBYSCORE z a 4", "-ERR min or max is not a float"),
        ("ZRANGEBYSCORE z 1 nan", "-ERR min or max is not a float"),
        ("ZRANGEBYSCORE z ( 4", r#"["b", "c", "cc", "d", "e"]"#),
        (r#"ZRANGEBYSCORE z "" 2"#, r#"["b", "c", "cc"]"#),
        (r#"ZRANGEBYSCORE z " 1" 2"#, r#"["b", "c", "cc"]"#),
        (
            r#"ZRANGEBYSCORE z "1 " 2"#,
            "-ERR min or max is not a float",
        ),
        (
            "ZRANGEBYSCORE z 1 1e999",
            r#"["b", "c", "cc", "d", "e", "f"]"#,
        ),
        ("ZRANGEBYSCORE missing 1 2", "[]"),
    ]);
}

#[test]
fn ranges_by_score_from_the_highest() {
    check_sorted_sets(&[
        ("ZADD z -inf a 1 b 2 c 2 cc 3 d 4 e inf f", ":7"),
        (
            "ZREVRANGEBYSCORE z +inf -inf",
            r#"["f", "e", "d", "cc", "c", "b", "a"]"#,
        ),
        (
            "ZREVRANGEBYSCORE z 3 (1 WITHSCORES",
            r#"["d", "3", "cc", "2", "c", "2"] // [["d", ,3], ["cc", ,2], ["c", ,2]]"#,
        ),
        ("ZREVRANGEBYSCORE z 1 3", "[]"),
        ("ZREVRANGEBYSCORE z 4 1 LIMIT 1 2", r#"["d", "cc"]"#),
        ("ZREVRANGEBYSCORE z 4 1 LIMIT 10 2", "[]"),
        (
            "ZREVRANGEBYSCORE z 4 1 LIMIT 0 -1",
            r#"["e", "d", "cc", "c", "b"]"#,
        ),
        ("ZRANGE z 1 3 BYSCORE", r#"["b", "c", "cc", "d"]"#),
        (
            "ZRANGE z 3 1 BYSCORE REV LIMIT 0 2 WITHSCORES",
            r#"["d", "3", "cc", "2"] // [["d", ,3], ["cc", ,2]]"#,
        ),
        (
            "ZRANGE z (1 (3 BYSCORE WITHSCORES",
            r#"["c", "2", "cc", "2"] // [["c", ,2], ["cc", ,2]]"#,
        ),
        ("ZCOUNT z -inf +inf", ":7"),
        ("ZCOUNT z 1 (3", ":3"),
        ("ZCOUNT z (4 3", ":0"),
        ("ZCOUNT z 2 2", ":2"),
        ("ZCOUNT missing 1 2", ":0"),
        ("ZCOUNT z x 2", "-ERR min or max is not a float"),
        (
            "ZCOUNT z 1",
            "-ERR wrong number of arguments for 'zcount' command",
        ),
    ]);
}

#[test]
fn ranges_by_text() {
    check_sorted_sets(&[
        (
            "ZADD z 0 alpha 0 bar 0 cool 0 down 0 elephant 0 foo 0 great 0 hill 0 omega 0 12 0 3",
            ":11",
        ),
        (
            "ZRANGEBYLEX z - +",
            r#"["12", "3", "alpha", "bar", "cool", "down", "elephant", "foo", "great", "hill", "omega"]"#,
        ),
        (
            "ZRANGEBYLEX z - [cool",
            r#"["12", "3", "alpha", "bar", "cool"]"#,
        ),
        ("ZRANGEBYLEX z [bar (down", r#"["bar", "cool"]"#),
        ("ZRANGEBYLEX z (bar [down", r#"["cool", "down"]"#),
        (
            "ZRANGEBYLEX z [ez +",
            r#"["foo", "great", "hill", "omega"]"#,
        ),
        ("ZRANGEBYLEX z + -", "[]"),
        ("ZRANGEBYLEX z [z [a", "[]"),
        ("ZRANGEBYLEX z [1 [3", r#"["12", "3"]"#),
        ("ZRANGEBYLEX z + [z", "[]"),
        ("ZRANGEBYLEX z [a -", "[]"),
        ("ZRANGEBYLEX z - + LIMIT 2 3", r#"["alpha", "bar", "cool"]"#),
        ("ZRANGEBYLEX z - + LIMIT 9 -1", r#"["hill", "omega"]"#),
        ("ZRANGEBYLEX z - + LIMIT -1 2", "[]"),
        (
            "ZRANGEBYLEX z - + WITHSCORES",
            "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        (
            "ZRANGEBYLEX z bar [down",
            "-ERR min or max not valid string range item",
        ),
        (
            "ZRANGEBYLEX z [bar ++",
            "-ERR min or max not valid string range item",
        ),
        (
            r#"ZRANGEBYLEX z [bar """#,
            "-ERR min or max not valid string range item",
        ),
        ("ZRANGEBYLEX missing - +", "[]"),
        (
            "ZREVRANGEBYLEX z + -",
            r#"["omega", "hill", "great", "foo", "elephant", "down", "cool", "bar", "alpha", "3", "12"]"#,
        ),
        ("ZREVRANGEBYLEX z [d [a LIMIT 0 2", r#"["cool", "bar"]"#),
        ("ZREVRANGEBYLEX z - +", "[]"),
        ("ZRANGE z [a [d BYLEX", r#"["alpha", "bar", "cool"]"#),
        ("ZRANGE z [d [a BYLEX REV LIMIT 1 1", r#"["bar"]"#),
        (
            "ZRANGE z [a [d BYLEX WITHSCORES",
            "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        ("ZRANGE z [a [d BYLEX BYSCORE", "-ERR syntax error"),
        ("ZLEXCOUNT z - +", ":11"),
        ("ZLEXCOUNT z [bar (foo", ":4"),
        ("ZLEXCOUNT z + -", ":0"),
        ("ZLEXCOUNT z (z +", ":0"),
        ("ZLEXCOUNT missing - +", ":0"),
        (
            "ZLEXCOUNT z a +",
            "-ERR min or max not valid string range item",
        ),
    ]);
}

#[test]
fn ranges_are_removed() {
    check_sorted_sets(&[
        ("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h", ":8"),
        ("ZREMRANGEBYRANK z 0 0", ":1"),
        ("ZREMRANGEBYRANK z -1 -1", ":1"),
        ("ZREMRANGEBYRANK z 10 20", ":0"),
        ("ZREMRANGEBYRANK z 3 1", ":0"),
        (
            "ZREMRANGEBYRANK z a 1",
            "-ERR value is not an integer or out of range",
        ),
        ("ZRANGE z 0 -1", r#"["b", "c", "d", "e", "f", "g"]"#),
        ("ZREMRANGEBYSCORE z (2 3", ":1"),
        ("ZREMRANGEBYSCORE z 10 20", ":0"),
        ("ZREMRANGEBYSCORE z x 20", "-ERR min or max is not a float"),
        (
            "ZRANGE z 0 -1 WITHSCORES",
            r#"["b", "2", "d", "4", "e", "5", "f", "6", "g", "7"] // [["b", ,2], ["d", ,4], ["e", ,5], ["f", ,6], ["g", ,7]]"#,
        ),
        ("ZREMRANGEBYSCORE z -inf +inf", ":5"),
        ("EXISTS z", ":0"),
        ("ZREMRANGEBYSCORE z 1 2", ":0"),
        ("ZREMRANGEBYRANK z 0 -1", ":0"),
        ("ZREMRANGEBYLEX z - +", ":0"),
        ("ZADD z 0 a 0 b 0 c 0 d", ":4"),
        ("ZREMRANGEBYLEX z [b (d", ":2"),
        ("ZRANGE z 0 -1", r#"["a", "d"]"#),
        (
            "ZREMRANGEBYLEX z b (d",
            "-ERR min or max not valid string range item",
        ),
        ("ZREMRANGEBYLEX z - +", ":2"),
        ("EXISTS z", ":0"),
        ("ZADD z 0 a 0 b", ":2"),
        ("ZREMRANGEBYRANK z 0 -1", ":2"),
        ("EXISTS z", ":0"),
    ]);
}

#[test]
fn sets_are_united() {
    check_sorted_sets(&[
        ("ZADD a 1 x 2 y 3 z", ":3"),
        ("ZADD b 10 y 20 z 30 w", ":3"),
        ("SADD s x w 7", ":3"),
        ("ZUNION 2 a b", r#"["x", "y", "z", "w"]"#),
        (
            "ZUNION 2 a b WITHSCORES",
            r#"["x", "1", "y", "12", "z", "23", "w", "30"] // [["x", ,1], ["y", ,12], ["z", ,23], ["w", ,30]]"#,
        ),
        (
            "ZUNION 2 a b WEIGHTS 2 3 WITHSCORES",
            r#"["x", "2", "y", "34", "z", "66", "w", "90"] // [["x", ,2], ["y", ,34], ["z", ,66], ["w", ,90]]"#,
        ),
        (
            "ZUNION 2 a b AGGREGATE MIN WITHSCORES",
            r#"["x", "1", "y", "2", "z", "3", "w", "30"] // [["x", ,1], ["y", ,2], ["z", ,3], ["w", ,30]]"#,
        ),
        (
            "ZUNION 2 a b AGGREGATE MAX WITHSCORES",
            r#"["x", "1", "y", "10", "z", "20", "w", "30"] // [["x", ,1], ["y", ,10], ["z", ,20], ["w", ,30]]"#,
        ),
        (
            "ZUNION 3 a b s WITHSCORES",
            r#"["7", "1", "x", "2", "y", "12", "z", "23", "w", "31"] // [["7", ,1], ["x", ,2], ["y", ,12], ["z", ,23], ["w", ,31]]"#,
        ),
        (
            "ZUNION 2 a missing WITHSCORES",
            r#"["x", "1", "y", "2", "z", "3"] // [["x", ,1], ["y", ,2], ["z", ,3]]"#,
        ),
        ("ZUNION 1 missing", "[]"),
        (
            "ZUNION 2 a a WITHSCORES",
            r#"["x", "2", "y", "4", "z", "6"] // [["x", ,2], ["y", ,4], ["z", ,6]]"#,
        ),
        ("ZUNIONSTORE d 2 a b", ":4"),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["x", "1", "y", "12", "z", "23", "w", "30"] // [["x", ,1], ["y", ,12], ["z", ,23], ["w", ,30]]"#,
        ),
        ("ZUNIONSTORE d 2 a b WEIGHTS 1 0.5 AGGREGATE MAX", ":4"),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["x", "1", "y", "5", "z", "10", "w", "15"] // [["x", ,1], ["y", ,5], ["z", ,10], ["w", ,15]]"#,
        ),
        ("ZUNIONSTORE a 2 a s", ":5"),
        (
            "ZRANGE a 0 -1 WITHSCORES",
            r#"["7", "1", "w", "1", "x", "2", "y", "2", "z", "3"] // [["7", ,1], ["w", ,1], ["x", ,2], ["y", ,2], ["z", ,3]]"#,
        ),
        ("ZUNIONSTORE d 1 missing", ":0"),
        ("EXISTS d", ":0"),
    ]);
}

#[test]
fn malformed_unions_are_refused() {
    check_sorted_sets(&[
        ("ZADD a 1 x 2 y 3 z", ":3"),
        ("ZADD b 10 y 20 z 30 w", ":3"),
        (
            "ZUNION 0 a",
            "-ERR at least 1 input key is needed for 'zunion' command",
        ),
        (
            "ZUNION -1 a",
            "-ERR at least 1 input key is needed for 'zunion' command",
        ),
        ("ZUNION x a", "-ERR value is not an integer or out of range"),
        ("ZUNION 3 a b", "-ERR syntax error"),
        ("ZUNION 2 a b WEIGHTS 1", "-ERR syntax error"),
        (
            "ZUNION 2 a b WEIGHTS 1 x",
            "-ERR weight value is not a float",
        ),
        ("ZUNION 2 a b AGGREGATE AVG", "-ERR syntax error"),
        ("ZUNION 2 a b AGGREGATE", "-ERR syntax error"),
        ("ZUNION 2 a b FOO", "-ERR syntax error"),
        ("ZUNIONSTORE d 2 a b WITHSCORES", "-ERR syntax error"),
        (
            "ZUNIONSTORE d 0 a",
            "-ERR at least 1 input key is needed for 'zunionstore' command",
        ),
        ("ZADD i inf m", ":1"),
        ("ZADD j -inf m", ":1"),
        ("ZUNION 2 i j WITHSCORES", r#"["m", "0"] // [["m", ,0]]"#),
        (
            "ZUNION 2 i j WEIGHTS 0 1 WITHSCORES",
            r#"["m", "-inf"] // [["m", ,-inf]]"#,
        ),
        (
            "ZUNION 2 i j WEIGHTS 0 0 WITHSCORES",
            r#"["m", "0"] // [["m", ,0]]"#,
        ),
        (
            "ZUNION 2 i j WEIGHTS inf -inf WITHSCORES",
            r#"["m", "inf"] // [["m", ,inf]]"#,
        ),
        ("SET string v", "+OK"),
        (
            "ZUNION 2 a string",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("ZUNIONSTORE string 1 a", ":3"),
        ("TYPE string", "+zset"),
    ]);
}

#[test]
fn common_members_are_found() {
    check_sorted_sets(&[
        ("ZADD a 1 x 2 y 3 z", ":3"),
        ("ZADD b 10 y 20 z 30 w", ":3"),
        ("SADD s y z w", ":3"),
        ("ZINTER 2 a b", r#"["y", "z"]"#),
        (
            "ZINTER 2 a b WITHSCORES",
            r#"["y", "12", "z", "23"] // [["y", ,12], ["z", ,23]]"#,
        ),
        (
            "ZINTER 2 a b WEIGHTS 2 3 WITHSCORES",
            r#"["y", "34", "z", "66"] // [["y", ,34], ["z", ,66]]"#,
        ),
        (
            "ZINTER 2 a b AGGREGATE MIN WITHSCORES",
            r#"["y", "2", "z", "3"] // [["y", ,2], ["z", ,3]]"#,
        ),
        (
            "ZINTER 2 a b AGGREGATE MAX WITHSCORES",
            r#"["y", "10", "z", "20"] // [["y", ,10], ["z", ,20]]"#,
        ),
        (
            "ZINTER 3 a b s WITHSCORES",
            r#"["y", "13", "z", "24"] // [["y", ,13], ["z", ,24]]"#,
        ),
        (
            "ZINTER 2 a s WITHSCORES",
            r#"["y", "3", "z", "4"] // [["y", ,3], ["z", ,4]]"#,
        ),
        ("ZINTER 2 a missing", "[]"),
        (
            "ZINTER 1 a WITHSCORES",
            r#"["x", "1", "y", "2", "z", "3"] // [["x", ,1], ["y", ,2], ["z", ,3]]"#,
        ),
        (
            "ZINTER 2 a a WITHSCORES",
            r#"["x", "2", "y", "4", "z", "6"] // [["x", ,2], ["y", ,4], ["z", ,6]]"#,
        ),
        ("ZINTERSTORE d 2 a b WEIGHTS 1 10", ":2"),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["y", "102", "z", "203"] // [["y", ,102], ["z", ,203]]"#,
        ),
        ("ZINTERSTORE d 2 a missing", ":0"),
        ("EXISTS d", ":0"),
        ("ZINTERSTORE a 2 a b", ":2"),
        (
            "ZRANGE a 0 -1 WITHSCORES",
            r#"["y", "12", "z", "23"] // [["y", ,12], ["z", ,23]]"#,
        ),
    ]);
}

#[test]
fn common_members_are_counted() {
    check_sorted_sets(&[
        ("ZADD a 1 x 2 y 3 z", ":3"),
        ("ZADD b 10 y 20 z 30 w", ":3"),
        ("ZINTERCARD 2 a b", ":2"),
        ("ZINTERCARD 2 a b LIMIT 1", ":1"),
        ("ZINTERCARD 2 a b LIMIT 0", ":2"),
        ("ZINTERCARD 2 a missing", ":0"),
        ("ZINTERCARD 2 a b LIMIT -1", "-ERR LIMIT can't be negative"),
        ("ZINTERCARD 2 a b LIMIT x", "-ERR LIMIT can't be negative"),
        ("ZINTERCARD 2 a b LIMIT", "-ERR syntax error"),
        ("ZINTERCARD 2 a b WITHSCORES", "-ERR syntax error"),
        (
            "ZINTERCARD 0 a",
            "-ERR at least 1 input key is needed for 'zintercard' command",
        ),
        ("ZINTERCARD 3 a b", "-ERR syntax error"),
        ("SET string v", "+OK"),
        (
            "ZINTER 2 missing string",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "ZINTERCARD 1 string",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ]);
}

#[test]
fn differences_are_found() {
    check_sorted_sets(&[
        ("ZADD a 1 x 2 y 3 z", ":3"),
        ("ZADD b 10 y 20 w", ":2"),
        ("SADD s x", ":1"),
        ("ZDIFF 1 a", r#"["x", "y", "z"]"#),
        ("ZDIFF 2 a b", r#"["x", "z"]"#),
        (
            "ZDIFF 2 a b WITHSCORES",
            r#"["x", "1", "z", "3"] // [["x", ,1], ["z", ,3]]"#,
        ),
        ("ZDIFF 3 a b s WITHSCORES", r#"["z", "3"] // [["z", ,3]]"#),
        ("ZDIFF 2 a a", "[]"),
        ("ZDIFF 2 missing a", "[]"),
        (
            "ZDIFF 2 a missing WITHSCORES",
            r#"["x", "1", "y", "2", "z", "3"] // [["x", ,1], ["y", ,2], ["z", ,3]]"#,
        ),
        ("ZDIFF 2 s a WITHSCORES", "[]"),
        ("ZDIFF 2 a b WEIGHTS 1 2", "-ERR syntax error"),
        ("ZDIFFSTORE d 2 a b", ":2"),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["x", "1", "z", "3"] // [["x", ,1], ["z", ,3]]"#,
        ),
        ("ZDIFFSTORE a 2 a s", ":2"),
        (
            "ZRANGE a 0 -1 WITHSCORES",
            r#"["y", "2", "z", "3"] // [["y", ,2], ["z", ,3]]"#,
        ),
        ("ZDIFFSTORE d 2 a a", ":0"),
        ("EXISTS d", ":0"),
        (
            "ZDIFF 0 a",
            "-ERR at least 1 input key is needed for 'zdiff' command",
        ),
        (
            "ZDIFFSTORE d 0 a",
            "-ERR at least 1 input key is needed for 'zdiffstore' command",
        ),
        ("ZDIFFSTORE d 1 a WITHSCORES", "-ERR syntax error"),
    ]);
}

#[test]
fn ranges_are_stored() {
    check_sorted_sets(&[
        ("ZADD z 1 a 2 b 3 c 4 d", ":4"),
        ("ZRANGESTORE d z 0 -1", ":4"),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["a", "1", "b", "2", "c", "3", "d", "4"] // [["a", ,1], ["b", ,2], ["c", ,3], ["d", ,4]]"#,
        ),
        ("ZRANGESTORE d z 1 2 REV", ":2"),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["b", "2", "c", "3"] // [["b", ,2], ["c", ,3]]"#,
        ),
        ("ZRANGESTORE d z (1 3 BYSCORE", ":2"),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["b", "2", "c", "3"] // [["b", ,2], ["c", ,3]]"#,
        ),
        ("ZRANGESTORE d z +inf -inf BYSCORE REV LIMIT 0 1", ":1"),
        ("ZRANGE d 0 -1 WITHSCORES", r#"["d", "4"] // [["d", ,4]]"#),
        ("ZRANGESTORE d z [b [c BYLEX", ":2"),
        ("ZRANGESTORE d z 5 6", ":0"),
        ("EXISTS d", ":0"),
        ("ZRANGESTORE d missing 0 -1", ":0"),
        ("ZRANGESTORE z z 0 1", ":2"),
        ("ZRANGE z 0 -1", r#"["a", "b"]"#),
        ("ZRANGESTORE d z 0 -1 WITHSCORES", "-ERR syntax error"),
        (
            "ZRANGESTORE d z a b",
            "-ERR value is not an integer or out of range",
        ),
        (
            "ZRANGESTORE d z 0 1 LIMIT 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("SET string v", "+OK"),
        ("ZRANGESTORE string z 0 -1", ":2"),
        ("TYPE string", "+zset"),
        ("ZRANGESTORE d s 0 -1", ":0"),
    ]);
}
