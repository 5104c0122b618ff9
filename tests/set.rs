//! The set family over the wire: each command in RESP2 and RESP3, in all encodings, and random sequences of commands
//! against a model.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it. What has
//! changed since then is in tables that are left out there.

mod common;

use std::collections::{BTreeSet, HashMap};

use common::{Connection, Reply, Server, check_fresh};

/// Arguments for the limits under which the tables run: the default, nearly everything a table.
const LIMITS: &[&[&str]] = &[&[], &["--set-max-intset-entries", "2"]];

/// Runs a table under all limits and in both protocols.
#[track_caller]
fn check_sets(table: &[(&str, &str)]) {
    for args in LIMITS {
        check_fresh(args, table);
    }
}

/// Whether the tests run against a server that does not know the limits of small sets.
fn is_older() -> bool {
    std::env::var("TEST_SERVER").is_ok()
}

/// The members of an array or a set.
fn members(reply: &Reply) -> Vec<String> {
    let (Reply::Array(replies) | Reply::Set(replies)) = reply else {
        panic!("{reply} is no collection");
    };
    replies.iter().map(Reply::to_string).collect()
}

/// The members in order; fails if one is there twice.
#[track_caller]
fn sorted(reply: &Reply) -> BTreeSet<String> {
    let members = members(reply);
    let count = members.len();
    let sorted: BTreeSet<String> = members.into_iter().collect();
    assert_eq!(sorted.len(), count, "twice in {reply}");
    sorted
}

#[test]
fn members_are_there_once() {
    check_sets(&[
        ("SADD s a", ":1"),
        ("SADD s a", ":0"),
        ("SADD s a b c b", ":2"),
        ("SCARD s", ":3"),
        ("SISMEMBER s b", ":1"),
        ("SISMEMBER s x", ":0"),
        ("SISMEMBER s 1", ":0"),
        ("SMISMEMBER s a x b", "[:1, :0, :1]"),
        ("SREM s b x b", ":1"),
        ("SCARD s", ":2"),
        ("SREM s a c d", ":2"),
        ("EXISTS s", ":0"),
        ("SREM s a", ":0"),
        ("SCARD s", ":0"),
        ("SISMEMBER s a", ":0"),
        ("SMISMEMBER s a b", "[:0, :0]"),
        ("SMEMBERS s", "[] // ~[]"),
        ("TYPE s", "+none"),
        ("SADD s \"\"", ":1"),
        ("SMEMBERS s", r#"[""] // ~[""]"#),
        ("SADD t \"\\x00\\xff\\r\\n\"", ":1"),
        ("SMEMBERS t", r#"["\x00\xff\r\n"] // ~["\x00\xff\r\n"]"#),
        ("TYPE t", "+set"),
    ]);
}

#[test]
fn integers_are_in_order() {
    check_fresh(
        &[],
        &[
            ("SADD s 5 -3 40000 3000000000 5", ":4"),
            (
                "SMEMBERS s",
                r#"["-3", "5", "40000", "3000000000"] // ~["-3", "5", "40000", "3000000000"]"#,
            ),
            ("SADD s -9223372036854775808 9223372036854775807", ":2"),
            ("SISMEMBER s 40000", ":1"),
            ("SISMEMBER s 040000", ":0"),
            ("SISMEMBER s -0", ":0"),
            ("SREM s 5 6", ":1"),
            ("OBJECT ENCODING s", r#""intset""#),
            ("SADD s 9223372036854775808", ":1"),
            ("SCARD s", ":6"),
            ("SISMEMBER s 9223372036854775808", ":1"),
            ("SISMEMBER s -9223372036854775808", ":1"),
        ],
    );
}

#[test]
fn encodings_are_those_of_redis() {
    let numbers: Vec<String> = (0..513).map(|number| number.to_string()).collect();
    check_fresh(
        &[],
        &[
            (&format!("SADD ints {}", numbers[..512].join(" ")), ":512"),
            ("OBJECT ENCODING ints", r#""intset""#),
            ("SADD ints 512", ":1"),
            ("OBJECT ENCODING ints", r#""hashtable""#),
            (&format!("SADD more {}", numbers.join(" ")), ":513"),
            ("OBJECT ENCODING more", r#""hashtable""#),
            ("SINTERSTORE small ints ints", ":513"),
            ("OBJECT ENCODING small", r#""hashtable""#),
            ("SADD few 1 2 3", ":3"),
            ("SINTERSTORE small ints few", ":3"),
            ("OBJECT ENCODING small", r#""intset""#),
            ("SADD long 1", ":1"),
            (&format!("SADD long {}", "x".repeat(65)), ":1"),
            ("OBJECT ENCODING long", r#""hashtable""#),
            ("CONFIG SET set-max-intset-entries 2", "+OK"),
            ("SADD few 4", ":1"),
            ("OBJECT ENCODING few", r#""hashtable""#),
        ],
    );
    if !is_older() {
        check_fresh(
            &[],
            &[
                ("SADD s 1 2", ":2"),
                ("SADD s a", ":1"),
                ("OBJECT ENCODING s", r#""hashtable""#),
                ("SMEMBERS s", r#"["1", "2", "a"] // ~["1", "2", "a"]"#),
                ("SUNIONSTORE u s", ":3"),
                ("OBJECT ENCODING u", r#""hashtable""#),
                ("SREM s a", ":1"),
                ("OBJECT ENCODING s", r#""hashtable""#),
                ("CONFIG SET set-max-listpack-entries 2", "+OK"),
                ("SADD s b", ":1"),
                ("OBJECT ENCODING s", r#""hashtable""#),
                ("SDIFFSTORE d s u", ":1"),
                ("OBJECT ENCODING d", r#""hashtable""#),
                ("CONFIG SET set-max-listpack-value 3", "+OK"),
                ("SADD d abcd", ":1"),
                ("OBJECT ENCODING d", r#""hashtable""#),
            ],
        );
    }
}

#[test]
fn members_move_from_set_to_set() {
    check_sets(&[
        ("SADD a 1 2 x", ":3"),
        ("SADD b 3", ":1"),
        ("SMOVE a b 1", ":1"),
        ("SMOVE a b 1", ":0"),
        ("SMOVE a b x", ":1"),
        ("SMISMEMBER a 1 2 x", "[:0, :1, :0]"),
        ("SMISMEMBER b 1 3 x", "[:1, :1, :1]"),
        ("SMOVE a c 2", ":1"),
        ("EXISTS a", ":0"),
        ("SMOVE a b 2", ":0"),
        ("SMOVE b b 3", ":1"),
        ("SMOVE b b 4", ":0"),
        ("SADD c 3", ":1"),
        ("SMOVE b c 3", ":1"),
        ("SCARD c", ":2"),
        ("SET text t", "+OK"),
        ("SMOVE missing text 1", ":0"),
        (
            "SMOVE text c 1",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "SMOVE c text 9",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ]);
}

#[test]
fn algebra_of_integers() {
    check_fresh(
        &[],
        &[
            ("SADD a 1 2 3 4 5", ":5"),
            ("SADD b 2 4 6", ":3"),
            ("SADD c 4 5 6 7 8 9", ":6"),
            ("SINTER a b", r#"["2", "4"] // ~["2", "4"]"#),
            ("SINTER a b c", r#"["4"] // ~["4"]"#),
            (
                "SINTER a a",
                r#"["1", "2", "3", "4", "5"] // ~["1", "2", "3", "4", "5"]"#,
            ),
            ("SINTER a missing b", "[] // ~[]"),
            ("SINTER missing", "[] // ~[]"),
            (
                "SUNION a b",
                r#"["1", "2", "3", "4", "5", "6"] // ~["1", "2", "3", "4", "5", "6"]"#,
            ),
            (
                "SUNION missing a",
                r#"["1", "2", "3", "4", "5"] // ~["1", "2", "3", "4", "5"]"#,
            ),
            ("SUNION missing", "[] // ~[]"),
            ("SDIFF a b", r#"["1", "3", "5"] // ~["1", "3", "5"]"#),
            ("SDIFF a b c", r#"["1", "3"] // ~["1", "3"]"#),
            ("SDIFF b missing", r#"["2", "4", "6"] // ~["2", "4", "6"]"#),
            ("SDIFF missing a", "[] // ~[]"),
            ("SDIFF a b a", "[] // ~[]"),
            ("SDIFF a a", "[] // ~[]"),
            ("SINTERCARD 2 a b", ":2"),
            ("SINTERCARD 3 a b c", ":1"),
            ("SINTERCARD 1 a LIMIT 3", ":3"),
            ("SINTERCARD 1 a limit 0", ":5"),
            ("SINTERCARD 1 a LIMIT 1 LIMIT 2", ":2"),
            ("SINTERCARD 2 a missing", ":0"),
        ],
    );
}

#[test]
fn results_are_stored() {
    check_sets(&[
        ("SADD a 1 2 x", ":3"),
        ("SADD b 2 x y", ":3"),
        ("SINTERSTORE d a b", ":2"),
        ("SMISMEMBER d 1 2 x y", "[:0, :1, :1, :0]"),
        ("SUNIONSTORE d a b", ":4"),
        ("SMISMEMBER d 1 2 x y", "[:1, :1, :1, :1]"),
        ("SDIFFSTORE d a b", ":1"),
        ("SMEMBERS d", r#"["1"] // ~["1"]"#),
        ("SDIFFSTORE a b a", ":1"),
        ("SMEMBERS a", r#"["y"] // ~["y"]"#),
        ("SUNIONSTORE a a d", ":2"),
        ("SMISMEMBER a 1 y", "[:1, :1]"),
        ("EXPIRE a 1000", ":1"),
        ("SINTERSTORE a a a", ":2"),
        ("TTL a", ":-1"),
        ("SET text t", "+OK"),
        ("SUNIONSTORE text a", ":2"),
        ("TYPE text", "+set"),
        ("SINTERSTORE text a missing", ":0"),
        ("EXISTS text", ":0"),
        ("SET text t", "+OK"),
        ("SDIFFSTORE text missing a", ":0"),
        ("EXISTS text", ":0"),
        ("SUNIONSTORE text missing", ":0"),
    ]);
}

#[test]
fn wrong_types_and_words_are_refused() {
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    const NUMKEYS: &str = "-ERR numkeys should be greater than 0";
    check_fresh(
        &[],
        &[
            ("SET t text", "+OK"),
            ("SADD s 1 2 3", ":3"),
            ("SADD t a", WRONG),
            ("SREM t a", WRONG),
            ("SISMEMBER t a", WRONG),
            ("SMISMEMBER t a", WRONG),
            ("SCARD t", WRONG),
            ("SMEMBERS t", WRONG),
            ("SPOP t", WRONG),
            ("SPOP t 1", WRONG),
            ("SRANDMEMBER t", WRONG),
            ("SRANDMEMBER t 1", WRONG),
            ("SRANDMEMBER t -1", WRONG),
            ("SSCAN t 0", WRONG),
            ("SINTER s t", WRONG),
            ("SINTER missing t", WRONG),
            ("SUNION s t", WRONG),
            ("SDIFF s t", WRONG),
            ("SINTERSTORE d s t", WRONG),
            ("SUNIONSTORE d missing t", WRONG),
            ("SDIFFSTORE d missing t", WRONG),
            ("SINTERCARD 1 t", WRONG),
            ("GET s", WRONG),
            ("LPUSH s a", WRONG),
            ("SINTERCARD 0 s", NUMKEYS),
            ("SINTERCARD -1 s", NUMKEYS),
            ("SINTERCARD a s", NUMKEYS),
            (
                "SINTERCARD 2 s",
                "-ERR Number of keys can't be greater than number of args",
            ),
            ("SINTERCARD 1 s LIMIT -1", "-ERR LIMIT can't be negative"),
            ("SINTERCARD 1 s LIMIT a", "-ERR LIMIT can't be negative"),
            ("SINTERCARD 1 s LIMIT", "-ERR syntax error"),
            ("SINTERCARD 1 s s", "-ERR syntax error"),
            ("SPOP s -1", "-ERR value is out of range, must be positive"),
            ("SPOP s a", "-ERR value is out of range, must be positive"),
            ("SPOP s 1 2", "-ERR syntax error"),
            ("SRANDMEMBER s 1 2", "-ERR syntax error"),
            (
                "SRANDMEMBER s a",
                "-ERR value is not an integer or out of range",
            ),
            (
                "SRANDMEMBER s -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("SSCAN s a", "-ERR invalid cursor"),
            ("SSCAN t a", "-ERR invalid cursor"),
            ("SSCAN s 0 COUNT", "-ERR syntax error"),
            ("SSCAN s 0 COUNT 0", "-ERR syntax error"),
            (
                "SSCAN s 0 COUNT a",
                "-ERR value is not an integer or out of range",
            ),
            ("SSCAN s 0 TYPE set", "-ERR syntax error"),
            ("SSCAN missing 0 COUNT 0", r#"["0", []]"#),
            (
                "SADD s",
                "-ERR wrong number of arguments for 'sadd' command",
            ),
        ],
    );
}

#[test]
fn a_single_member_pops_and_is_drawn() {
    check_sets(&[
        ("SADD s a", ":1"),
        ("SRANDMEMBER s", r#""a""#),
        ("SRANDMEMBER s 5", r#"["a"]"#),
        ("SRANDMEMBER s -3", r#"["a", "a", "a"]"#),
        ("SRANDMEMBER s 0", "[]"),
        ("SPOP s 0", "[] // ~[]"),
        ("SPOP s", r#""a""#),
        ("EXISTS s", ":0"),
        ("SPOP s", "$-1"),
        ("SPOP s 3", "[] // ~[]"),
        ("SRANDMEMBER s", "$-1"),
        ("SRANDMEMBER s 3", "[]"),
        ("SRANDMEMBER s -3", "[]"),
        ("SADD s 7", ":1"),
        ("SPOP s 9223372036854775807", r#"["7"] // ~["7"]"#),
        ("EXISTS s", ":0"),
    ]);
}

#[test]
fn repetitions_are_bounded() {
    if is_older() {
        return;
    }
    check_fresh(
        &[],
        &[
            ("SADD s a", ":1"),
            (
                "SRANDMEMBER s -9223372036854775807",
                "-ERR value is out of range",
            ),
        ],
    );
}

/// A set of each encoding, with its number of members.
const KINDS: &[(&str, usize)] = &[("1", 500), ("a", 100), ("b", 3000)];

fn fill(connection: &mut Connection, kind: &str, count: usize) -> BTreeSet<String> {
    let names = (0..count).map(|number| match kind {
        "1" => number.to_string(),
        _ => format!("{kind}:{number}"),
    });
    let names: Vec<String> = names.collect();
    let mut words = vec!["SADD", "s"];
    words.extend(names.iter().map(String::as_str));
    assert_eq!(connection.run("DEL s").to_string().len(), 2);
    assert_eq!(connection.command(&words), Reply::Integer(count as i64));
    names.iter().map(|name| format!("\"{name}\"")).collect()
}

#[test]
fn random_members_are_members_and_different() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for &(kind, count) in KINDS {
        let all = fill(&mut connection, kind, count);
        for wanted in [1, 10, count / 2, count - 1, count, count + 7] {
            let drawn = sorted(&connection.run(&format!("SRANDMEMBER s {wanted}")));
            assert_eq!(drawn.len(), wanted.min(count), "{kind}");
            assert!(drawn.is_subset(&all));
        }
        let drawn = members(&connection.run(&format!("SRANDMEMBER s -{}", count * 10)));
        assert_eq!(drawn.len(), count * 10);
        let different: BTreeSet<String> = drawn.into_iter().collect();
        // The chance that a member is not among ten times as many draws is one in 22,000.
        assert!(different.is_subset(&all) && different.len() + 10 > count);
    }
}

#[test]
fn popped_members_are_gone() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for &(kind, count) in KINDS {
        for wanted in [1, count / 2, count - 2, count] {
            let all = fill(&mut connection, kind, count);
            let popped = sorted(&connection.run(&format!("SPOP s {wanted}")));
            let left = sorted(&connection.run("SMEMBERS s"));
            assert_eq!(popped.len(), wanted, "{kind}");
            assert!(popped.is_disjoint(&left));
            assert_eq!(&popped | &left, all);
            let mut single = BTreeSet::new();
            for _ in 0..left.len().min(5) {
                single.insert(connection.run("SPOP s").to_string());
            }
            assert!(single.is_subset(&left));
            let scard = connection.run("SCARD s");
            assert_eq!(scard, Reply::Integer((left.len() - single.len()) as i64));
        }
    }
}

/// Goes through `s` with SSCAN and these options, and answers what came, and how many calls it took.
fn scan(connection: &mut Connection, options: &str) -> (Vec<String>, usize) {
    let (mut cursor, mut found, mut calls) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let Reply::Array(parts) = connection.run(&format!("SSCAN s {cursor} {options}")) else {
            panic!("SSCAN answers a pair");
        };
        let Reply::Bulk(next) = &parts[0] else {
            panic!("a cursor is a bulk string");
        };
        cursor = String::from_utf8_lossy(next).into_owned();
        found.extend(members(&parts[1]));
        calls += 1;
        if cursor == "0" {
            return (found, calls);
        }
    }
}

#[test]
fn scans_show_every_member() {
    let server = Server::start(&[]);
    for mut connection in [server.connect(), server.connect_resp3()] {
        for &(kind, count) in KINDS {
            let all = fill(&mut connection, kind, count);
            for options in ["", "COUNT 1", "COUNT 100000", "MATCH *"] {
                let (found, _) = scan(&mut connection, options);
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all, "{options}");
            }
            let (found, _) = scan(&mut connection, "MATCH *9 COUNT 50");
            let nines = all.iter().filter(|name| name.ends_with("9\""));
            let found: BTreeSet<String> = found.into_iter().collect();
            assert!(found.iter().eq(nines));
        }
        let (_, calls) = scan(&mut connection, "COUNT 100");
        assert!((20..60).contains(&calls), "{calls} calls for 3000 members");
    }
}

#[test]
fn changes_count_members() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let changes = |line: &str, connection: &mut Connection| {
        let dirty = |connection: &mut Connection| {
            let info = connection.run("INFO persistence").to_string();
            let (_, rest) = info
                .split_once("rdb_changes_since_last_save:")
                .expect("INFO has the field");
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<i64>().expect("the field is a number")
        };
        let before = dirty(connection);
        connection.run(line);
        dirty(connection) - before
    };
    for (line, want) in [
        ("SADD a 1 2 3 4 5 6 7", 7),
        ("SADD a 1 2", 0),
        ("SADD b 1", 1),
        ("SREM a 1 9", 1),
        ("SREM a 9", 0),
        ("SMOVE a b 2", 2),
        ("SMOVE a b 9", 0),
        ("SADD b 3", 1),
        ("SMOVE a b 3", 1),
        ("SPOP a", 1),
        ("SPOP a 2", 2),
        ("SPOP a 20", 1),
        ("SUNIONSTORE d b", 1),
        ("SINTERSTORE d b missing", 1),
        ("SINTERSTORE d b missing", 0),
        ("SMEMBERS b", 0),
    ] {
        assert_eq!(changes(line, &mut connection), want, "{line}");
    }
}

#[test]
fn digests_are_those_of_redis() {
    check_fresh(
        &["--enable-debug-command", "yes"],
        &[
            ("SADD ints 1 2 300000", ":3"),
            ("SADD texts a 1 bc", ":3"),
            (
                "DEBUG DIGEST-VALUE ints texts",
                "[+a5f06f4721116e44ffd705155f567c906dac6285, +5a0131e667d53da0ac1e158ee61f7f72008f3cdf]",
            ),
        ],
    );
}

/// Random commands on a few sets, compared with tree sets.
#[test]
fn long_sequences_agree_with_a_model() {
    for args in [
        &[][..],
        &[
            "--set-max-intset-entries",
            "3",
            "--set-max-listpack-entries",
            "4",
        ],
    ] {
        if is_older() && args.len() > 2 {
            continue;
        }
        let server = Server::start(args);
        let mut connection = server.connect();
        let mut rng = fastrand::Rng::with_seed(11);
        let mut model: HashMap<String, BTreeSet<String>> = HashMap::new();
        for _ in 0..4000 {
            step(&mut connection, &mut model, &mut rng);
        }
        assert_eq!(
            connection.run("DBSIZE"),
            Reply::Integer(model.values().filter(|set| !set.is_empty()).count() as i64)
        );
    }
}

fn step(
    connection: &mut Connection,
    model: &mut HashMap<String, BTreeSet<String>>,
    rng: &mut fastrand::Rng,
) {
    let keys = ["a", "b", "c", "d"];
    let [key, other, third] = std::array::from_fn(|_| keys[rng.usize(..keys.len())]);
    let member = match rng.u8(..3) {
        0 => rng.i64(-3..12).to_string(),
        1 => format!("m{}", rng.u8(..9)),
        _ => rng.i64(-300..300).to_string(),
    };
    let set = |name: &str| model.get(name).cloned().unwrap_or_default();
    let (own, with) = (set(key), set(other));
    match rng.u8(..12) {
        0..4 => {
            let reply = connection.run(&format!("SADD {key} {member}"));
            let is_new = model.entry(key.to_owned()).or_default().insert(member);
            assert_eq!(reply, Reply::Integer(is_new.into()));
        }
        4..6 => {
            let reply = connection.run(&format!("SREM {key} {member}"));
            let was = model.entry(key.to_owned()).or_default().remove(&member);
            assert_eq!(reply, Reply::Integer(was.into()));
        }
        6 => {
            let reply = connection.run(&format!("SPOP {key} {}", rng.u8(..20)));
            let left = model.entry(key.to_owned()).or_default();
            for popped in sorted(&reply) {
                assert!(left.remove(popped.trim_matches('"')), "{popped}");
            }
        }
        what => {
            let (name, result) = match what {
                7 => ("SINTERSTORE", &own & &with),
                8 => ("SDIFFSTORE", &own - &with),
                _ => ("SUNIONSTORE", &own | &with),
            };
            let reply = connection.run(&format!("{name} {third} {key} {other}"));
            assert_eq!(reply, Reply::Integer(result.len() as i64), "{name}");
            model.insert(third.to_owned(), result);
        }
    }
    let shown = sorted(&connection.run(&format!("SMEMBERS {key}")));
    let known = model.get(key).cloned().unwrap_or_default();
    let known: BTreeSet<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
    assert_eq!(shown, known);
}
